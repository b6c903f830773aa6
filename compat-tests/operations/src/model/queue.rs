//! The thread's error queue, and the codes that the model's refusals put there (B3, the head of
//! section 8).

use std::collections::VecDeque;

/// E2.
pub const INVALID_POOL_SIZE: u32 = 0x3306_5067;
/// E3.
pub const POOL_MEMORY: u32 = 0x3306_5041;
/// D4.
pub const FREE_INSIDE_JOB: u32 = 0x3306_5042;
/// `OSSL_ASYNC_set_stack_size`, called too late.
pub const STACK_SIZE: u32 = 0x3306_6042;
/// E9.
pub const ARGUMENTS_MEMORY: u32 = 0x3306_9041;
/// D6, D8.
pub const NOT_RESUMABLE: u32 = 0x3306_9042;
/// D10.
pub const NULL_ARGUMENT: u32 = 0x3306_9043;
/// D5, D7.
pub const NESTED: u32 = 0x3306_9044;

/// How many entries the queue keeps. One more removes the oldest.
const ENTRIES: usize = 16;

/// The queue, oldest first. It belongs to the thread, not to the job (B5).
#[derive(Debug, Default)]
pub struct Queue(VecDeque<u32>);

impl Queue {
    pub fn push(&mut self, code: u32) {
        if self.0.len() == ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back(code);
    }

    /// Removes the oldest entry and returns it. 0 if there is none.
    pub fn get(&mut self) -> u32 {
        self.0.pop_front().unwrap_or(0)
    }

    /// Removes all entries, oldest first.
    pub fn take_all(&mut self) -> VecDeque<u32> {
        std::mem::take(&mut self.0)
    }

    pub fn first(&self) -> u32 {
        self.0.front().copied().unwrap_or(0)
    }

    pub fn last(&self) -> u32 {
        self.0.back().copied().unwrap_or(0)
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The text of one of the codes above, with strings loaded (B43), or of 0.
pub fn text(code: u32) -> String {
    let function = match code >> 12 & 0xfff {
        101 => "ASYNC_init_pool",
        102 => "ASYNC_JOB_NEW",
        105 => "ASYNC_start_job",
        _ => return format!("error:{code:08X}:lib(0):func(0):reason(0)"),
    };
    let reason = match code & 0xfff {
        65 => "malloc failure",
        66 => "called a function you should not call",
        67 => "passed a null parameter",
        68 => "internal error",
        _ => "invalid pool size",
    };
    format!("error:{code:08X}:ASYNC routines:{function}:{reason}")
}
