//! The calling thread's error queue, and where errors go if the thread has no state.

use super::thread::{self, Thread};
use super::word;
use crate::error::queue::{Entry, Queue};

/// [`thread::get_or_create`], but none for a thread that has ended its jobs. Perhaps nothing would
/// free a state that was made for it.
pub fn thread_unless_ended() -> Option<&'static Thread> {
    if word::has_ended() {
        None
    } else {
        thread::get_or_create()
    }
}

/// Queues an error for the calling thread.
pub fn push(entry: Entry) {
    match thread_unless_ended() {
        Some(thread) => thread.errors.push(entry),
        None => word::set_without_state(word::has_ended(), entry.code),
    }
}

/// Calls `look` with the calling thread's error queue.
///
/// If the thread has no state, the queue holds the error that is kept in the word, if any. If
/// `look` removes it, the word loses it too.
pub fn with_queue<R>(look: impl FnOnce(&Queue) -> R) -> R {
    if let Some(thread) = thread::this() {
        return look(&thread.errors);
    }
    let kept = word::kept_code();
    let queue = Queue::new();
    if let Some(code) = kept {
        queue.push(Entry::of_code(code));
    }
    let found = look(&queue);
    if queue.first().is_none() && kept.is_some() {
        word::set_without_state(word::has_ended(), 0);
    }
    found
}

#[cfg(test)]
#[cfg(not(ossl_async_null))]
mod tests {
    use super::*;

    // Rules: B5, D15
    #[test]
    fn an_error_without_a_state_is_kept_in_the_word_and_goes_to_the_queue_that_comes_later() {
        let work = || {
            let code = |queue: &Queue| queue.last().map(|entry| entry.code);
            assert_eq!(with_queue(code), None);
            word::set_without_state(false, 0x33069042);
            assert!(thread::this().is_none());
            assert_eq!(with_queue(code), Some(0x33069042));
            assert_eq!(
                with_queue(Queue::pop).map(|entry| entry.code),
                Some(0x33069042)
            );
            assert_eq!(with_queue(code), None);
            word::set_without_state(true, 0);
            push(Entry::of_code(0x33066041));
            push(Entry::of_code(0x33066042));
            assert!(
                thread::this().is_none(),
                "nothing is made for an error alone"
            );
            assert_eq!(with_queue(code), Some(0x33066042));
            let thread = thread::get_or_create().expect("a key");
            assert!(!thread.may_pool());
            assert_eq!(with_queue(code), Some(0x33066042));
            thread.free_if_ended();
            assert!(thread::this().is_none());
            assert_eq!(with_queue(code), Some(0x33066042));
            with_queue(Queue::clear);
            assert_eq!(with_queue(code), None);
        };
        std::thread::spawn(work).join().unwrap();
    }
}
