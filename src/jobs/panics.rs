//! Panics of jobs that Rust started and C code resumed. C cannot receive a panic, so it is kept
//! here for the [`Job`](crate::Job).

use crate::wake::Use;
use core::any::Any;
use core::cell::Cell;

/// A panic's payload.
pub type Payload = Box<dyn Any + Send>;

/// One thread's panics that no [`Job`](crate::Job) has taken yet. In practice none, or one.
pub struct Panics(Cell<Option<Box<Panic>>>);

struct Panic {
    /// The use of the record that ended by this panic.
    of: Use,
    payload: Payload,
    older: Option<Box<Panic>>,
}

impl Panics {
    /// No panics.
    pub const fn none() -> Panics {
        Panics(Cell::new(None))
    }

    /// Whether a panic is kept.
    pub fn has_any(&self) -> bool {
        let all = self.0.take();
        let some = all.is_some();
        self.0.set(all);
        some
    }

    /// Keeps a panic.
    pub fn keep(&self, of: Use, payload: Payload) {
        let older = self.0.take();
        self.0.set(Some(Box::new(Panic { of, payload, older })));
    }

    /// Takes the panic that ended a use of a record, if one did.
    pub fn take(&self, of: Use) -> Option<Payload> {
        let mut found = None;
        let mut rest = self.0.take();
        while let Some(mut panic) = rest {
            rest = panic.older.take();
            if panic.of == of {
                found = Some(panic.payload);
            } else {
                self.keep(panic.of, panic.payload);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rules: F11
    #[test]
    fn each_panic_is_kept_until_it_is_taken_and_is_taken_once() {
        let panics = Panics::none();
        for number in 1..=3_u64 {
            panics.keep(Use(number), Box::new(number));
        }
        for number in [2, 3, 1] {
            let payload = panics.take(Use(number)).expect("kept");
            assert_eq!(payload.downcast_ref(), Some(&number));
            assert!(panics.take(Use(number)).is_none());
        }
    }
}
