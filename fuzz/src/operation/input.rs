//! Reads operations from bytes.

use super::{CONTEXTS, Elsewhere, Errors, Handle, Omitted, Operation, PLACES, Start, Target};
use operations::{Argument, ContextCall, Key};
use std::ffi::c_int;

/// The bytes that have not been used yet.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> u8 {
        self.next_byte().unwrap_or(0)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn bit(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    /// Two bits of one byte.
    fn bits(&mut self) -> [bool; 2] {
        let byte = self.byte();
        [byte & 1 == 0, byte & 2 == 0]
    }

    fn number(&mut self) -> c_int {
        c_int::from(self.byte() as i8)
    }

    fn generation(&mut self) -> u8 {
        1 + self.byte() % 2
    }

    fn handle(&mut self) -> Handle {
        Handle(self.byte())
    }

    fn key(&mut self) -> Key {
        match self.byte() % 4 {
            3 => Key::Context,
            n => Key::Fixed(n),
        }
    }

    fn target(&mut self) -> Target {
        match self.below(CONTEXTS + 2) {
            0 => Target::Own,
            1 => Target::Cleaned,
            n => Target::Place(n - 2),
        }
    }

    /// A pool's size: a small one, or the largest there is.
    fn size(&mut self) -> usize {
        match self.byte() {
            u8::MAX => usize::MAX,
            n => usize::from(n) % 5,
        }
    }

    /// A pool's limit: a size as above, or one more than an `int` holds.
    fn limit(&mut self) -> usize {
        match self.byte() {
            u8::MAX => usize::MAX,
            254 => 1 << 31,
            n => usize::from(n) % 5,
        }
    }

    fn context_call(&mut self, which: u8) -> ContextCall {
        match which {
            14 => ContextCall::SetWaitFd {
                key: self.key(),
                fd: self.number(),
                data: self.byte(),
                cleanup: self.bit(),
            },
            15 => {
                let (key, [fd, data]) = (self.key(), self.bits());
                ContextCall::GetFd { key, fd, data }
            }
            16 => {
                let [array, count] = self.bits();
                ContextCall::GetAllFds { array, count }
            }
            17 => ContextCall::GetChangedFds {
                arrays: self.bits(),
                counts: self.bits(),
            },
            18 => ContextCall::ClearFd(self.key()),
            19 => ContextCall::SetCallback {
                callback: Some(self.below(3)).filter(|callback| *callback < 2),
                argument: self.byte(),
            },
            20 => {
                let [callback, argument] = self.bits();
                ContextCall::GetCallback { callback, argument }
            }
            21 => ContextCall::SetStatus(self.number()),
            _ => ContextCall::GetStatus,
        }
    }

    fn start(&mut self) -> Start {
        let place = self.below(PLACES);
        let style = self.byte();
        Start {
            place,
            generation: 1 + style % 2,
            omitted: omitted(style / 2),
            argument: match self.byte() % 8 {
                0 => Argument::Null(0),
                1 => Argument::Null(8),
                2 => Argument::Null(usize::MAX),
                3 => Argument::Bytes(0),
                4 => Argument::Bytes(1),
                5 => Argument::Bytes(24),
                6 => Argument::Bytes(5000),
                _ => Argument::Huge,
            },
            context: self.target(),
        }
    }
}

fn omitted(number: u8) -> Omitted {
    match number % 8 {
        5 => Omitted::Result,
        6 => Omitted::Function,
        7 => Omitted::Handle,
        _ => Omitted::Nothing,
    }
}

impl Iterator for Input<'_> {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        Some(match self.next_byte()? % 31 {
            0 => Operation::Start(self.start()),
            1 => Operation::Pause,
            2 => Operation::Return(self.number()),
            3 => Operation::Put {
                place: self.below(PLACES),
                handle: self.handle(),
            },
            4 => Operation::InitPool {
                generation: self.generation(),
                max: self.limit(),
                init: self.size(),
            },
            5 => Operation::FreePool {
                generation: self.generation(),
            },
            6 => Operation::Block,
            7 => Operation::Unblock,
            8 => Operation::Wake(self.handle()),
            9 => Operation::ClearWake(self.handle()),
            10 => Operation::GetWaitFd(self.handle()),
            11 => Operation::GetWaitCtx(self.handle()),
            12 => Operation::NewContext(self.below(CONTEXTS)),
            13 => Operation::FreeContext(self.target()),
            which @ 14..=22 => Operation::OnContext {
                on: self.target(),
                call: self.context_call(which),
            },
            23 => Operation::Errors(match self.byte() % 4 {
                0 => Errors::Get,
                1 => {
                    let [file, line] = self.bits();
                    Errors::GetLine { file, line }
                }
                2 => Errors::Clear,
                _ => Errors::Text(self.byte().into()),
            }),
            24 => Operation::Stats {
                process: self.bit(),
                size: Some(self.byte().into()).filter(|size| *size != 0xff),
            },
            25 => {
                let [allocate, free] = self.bits();
                Operation::MemFunctions { allocate, free }
            }
            26 => Operation::Elsewhere {
                what: match self.byte() % 7 {
                    0 => Elsewhere::Wake,
                    1 => Elsewhere::ClearWake,
                    2 => Elsewhere::GetWaitFd,
                    3 => Elsewhere::GetWaitCtx,
                    4 => Elsewhere::Resume,
                    5 => Elsewhere::Pool,
                    _ => Elsewhere::Job,
                },
                handle: self.handle(),
            },
            27 => Operation::Cancel {
                place: self.below(PLACES),
                omitted: omitted(self.byte()),
            },
            28 => Operation::StackSize(self.byte().into()),
            29 => Operation::StackUsed(self.handle()),
            _ => Operation::Descriptors,
        })
    }
}
