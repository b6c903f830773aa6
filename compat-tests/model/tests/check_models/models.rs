//! What each of two or three threads does to one record, and what must hold in every order of
//! their steps.
//!
//! A `stale` handle below names its use, as handles of the Rust API do. A handle from C wakes
//! whichever job uses the record.

use crate::protocol::{BUSY, HAVE, LIVE, PIPE, SHOWN, USE_SHIFT, Use, WANT};
use crate::signal::{
    Atomic, Exchanged, Pipe, Signal, alone, check, check_bounded, fresh, inherited, join, live,
    readable, refusing, run, settled, thread,
};
use loom::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn wake<W: Atomic>(signal: &Signal<W>) {
    signal.wake(None);
}

fn clear<W: Atomic>(signal: &Signal<W>) {
    signal.clear(None);
}

fn stale_wake<W: Atomic>(signal: &Signal<W>) {
    signal.wake(Some(Use(1)));
}

fn stale_clear<W: Atomic>(signal: &Signal<W>) {
    signal.clear(Some(Use(1)));
}

/// A live record with a pipe that has been woken.
fn woken() -> Arc<Signal> {
    let signal = live();
    signal.wake(None);
    signal
}

/// The word of a record in use `number` that is unsignalled and has a pipe that is its wait fd.
fn unsignalled(number: u64) -> u64 {
    LIVE + PIPE + SHOWN + (number << USE_SHIFT)
}

/// Runs a model whose executions may end in two ways, and returns which. Fails if one of the two
/// never occurs, because the model then covers too little.
#[track_caller]
fn check_both(interruptions: Option<usize>, model: impl Fn() -> bool + Sync + Send + 'static) {
    alone(|| {
        let seen: Arc<[AtomicUsize; 2]> = Arc::default();
        let noted = Arc::clone(&seen);
        run(interruptions, move || {
            noted[usize::from(model())].fetch_add(1, Ordering::Relaxed);
        });
        let [no, yes] = [0, 1].map(|outcome| seen[outcome].load(Ordering::Relaxed));
        assert!(no > 0 && yes > 0, "{no} without and {yes} with");
    });
}

// ------------------------------------------------------------------------------------------------ wakes and clears

// Rules: D9, W5, W8
#[test]
fn two_wakers_leave_one_byte() {
    check(|| {
        let signal = live();
        let other = thread(&signal, wake);
        wake(&signal);
        join([other]);
        assert!(settled(&signal));
    });
}

// Rules: D9, W5, W8
#[test]
fn three_wakers_leave_one_byte() {
    check_bounded(3, || {
        let signal = live();
        let others = [thread(&signal, wake), thread(&signal, wake)];
        wake(&signal);
        join(others);
        assert!(settled(&signal));
    });
}

// Rules: D9, W8
#[test]
fn two_clears_take_one_byte() {
    check(|| {
        let signal = woken();
        let other = thread(&signal, clear);
        clear(&signal);
        join([other]);
        assert!(!settled(&signal));
    });
}

// Rules: D9, W8
#[test]
fn a_wake_beside_a_clear_comes_before_or_after_it() {
    for start in [live, woken] {
        check_both(None, move || {
            let signal = start();
            let other = thread(&signal, wake);
            clear(&signal);
            join([other]);
            settled(&signal)
        });
    }
}

// Rules: D9, W8
#[test]
fn a_wake_after_a_clear_is_not_lost_if_another_thread_wakes_too() {
    check(|| {
        let signal = woken();
        let other = thread(&signal, wake);
        clear(&signal);
        wake(&signal);
        join([other]);
        assert!(settled(&signal));
    });
}

// Rules: D9, W8
#[test]
fn a_clear_after_a_wake_takes_the_byte_if_another_thread_clears_too() {
    check(|| {
        let signal = live();
        let other = thread(&signal, clear);
        wake(&signal);
        clear(&signal);
        join([other]);
        assert!(!settled(&signal));
    });
}

// Rules: D9, W8
#[test]
fn a_wake_that_saw_the_clear_return_is_not_lost() {
    check_both(None, move || {
        let (signal, cleared) = (woken(), Arc::new(AtomicBool::new(false)));
        let woken_again = Arc::new(AtomicUsize::new(0));
        let (told, wakes) = (Arc::clone(&cleared), Arc::clone(&woken_again));
        let other = thread(&signal, move |signal| {
            if told.load(Ordering::Acquire) {
                wake(signal);
                wakes.fetch_add(1, Ordering::Relaxed);
            }
        });
        clear(&signal);
        cleared.store(true, Ordering::Release);
        join([other]);
        let woken_again = woken_again.load(Ordering::Relaxed) == 1;
        assert_eq!(settled(&signal), woken_again);
        woken_again
    });
}

// Rules: W9, D9
#[test]
fn a_wake_after_one_that_the_system_refused_is_not_lost() {
    check_both(None, move || {
        let signal = refusing();
        let other = thread(&signal, wake);
        wake(&signal);
        // One of the two wakes is refused, or both if they were made as one.
        join([other]);
        let one_is_left = settled(&signal);
        wake(&signal);
        assert!(settled(&signal));
        one_is_left
    });
}

// Rules: W9, D9, D24
#[test]
fn a_refused_wake_beside_a_clear_or_the_end_leaves_nothing() {
    check(|| {
        let signal = refusing();
        let other = thread(&signal, wake);
        clear(&signal);
        join([other]);
        assert!(!settled(&signal));
    });
    check(|| {
        let signal = refusing();
        let other = thread(&signal, stale_wake);
        signal.end();
        signal.begin(Use(2), true);
        assert!(!readable(&signal), "it begins unsignalled");
        join([other]);
        assert_eq!(signal.word(), unsignalled(2));
        assert!(!settled(&signal));
    });
}

// Rules: D9, W8
#[test]
fn the_thread_at_the_pipe_does_all_that_others_ask_for_meanwhile() {
    check_both(Some(3), move || {
        let signal = live();
        let others = [thread(&signal, wake), thread(&signal, clear)];
        wake(&signal);
        join(others);
        settled(&signal)
    });
}

// Rules: D9, W8
#[test]
fn a_waker_and_a_clearer_may_each_come_twice() {
    check_both(Some(4), move || {
        let signal = live();
        let other = thread(&signal, |signal| {
            wake(signal);
            wake(signal);
        });
        clear(&signal);
        clear(&signal);
        join([other]);
        settled(&signal)
    });
}

// ------------------------------------------------------------------------------------------- the end, and the next use

// Rules: D19, D24
#[test]
fn a_wake_beside_the_end_does_not_reach_the_next_use() {
    for start in [live, woken] {
        for work in [stale_wake, stale_clear] {
            check(move || {
                let signal = start();
                let other = thread(&signal, work);
                signal.end();
                signal.begin(Use(2), true);
                assert!(!readable(&signal), "it begins unsignalled");
                join([other]);
                assert_eq!(signal.word(), unsignalled(2));
                assert!(!settled(&signal));
            });
        }
    }
}

// Rules: D19, D24
#[test]
fn two_stale_handles_do_not_reach_the_next_use() {
    check_bounded(3, || {
        let signal = live();
        let others = [thread(&signal, stale_wake), thread(&signal, stale_clear)];
        signal.end();
        signal.begin(Use(2), true);
        assert!(!readable(&signal), "it begins unsignalled");
        join(others);
        assert_eq!(signal.word(), unsignalled(2));
        assert!(!settled(&signal));
    });
}

// Rules: D19, D24
#[test]
fn a_stale_clear_does_not_take_the_next_uses_wake() {
    check(|| {
        let signal = woken();
        let other = thread(&signal, stale_clear);
        signal.end();
        signal.begin(Use(2), true);
        wake(&signal);
        join([other]);
        assert!(settled(&signal));
    });
}

// Rules: D24, B37
#[test]
fn a_wake_without_a_use_reaches_the_old_one_or_the_new_one() {
    check_both(None, move || {
        let signal = live();
        let other = thread(&signal, wake);
        signal.end();
        signal.begin(Use(2), true);
        join([other]);
        settled(&signal)
    });
}

// Rules: D24, D9
#[test]
fn the_next_uses_wake_is_not_lost_beside_a_wake_without_a_use() {
    check(|| {
        let signal = woken();
        let other = thread(&signal, wake);
        signal.end();
        signal.begin(Use(2), true);
        clear(&signal);
        wake(&signal);
        join([other]);
        assert!(settled(&signal));
    });
}

// ------------------------------------------------------------------------------------------------ making and closing

// Rules: D1, D24
#[test]
fn no_thread_is_at_the_pipe_when_it_closes_or_later() {
    for work in [wake, clear] {
        check(move || {
            let signal = woken();
            let other = thread(&signal, work);
            signal.end();
            signal.close();
            join([other]);
            assert_eq!(signal.word(), 0);
        });
    }
}

// Rules: D1, D24
#[test]
fn a_wake_and_a_clear_beside_the_close_end_before_it() {
    check_bounded(3, || {
        let signal = live();
        let others = [thread(&signal, wake), thread(&signal, clear)];
        signal.end();
        signal.close();
        join(others);
        assert_eq!(signal.word(), 0);
    });
}

// Rules: D1, D6, D24
#[test]
fn a_stale_handle_does_not_reach_a_new_job_that_got_the_freed_record() {
    check(|| {
        let signal = live();
        let other = thread(&signal, stale_wake);
        signal.end();
        signal.close();
        signal.open().expect("a pipe of ours");
        signal.begin(Use(2), true);
        join([other]);
        assert_eq!(signal.word(), unsignalled(2));
        assert!(!settled(&signal));
    });
}

// Rules: D1, D9, D24
#[test]
fn a_handle_without_a_use_may_reach_a_new_pipe_but_not_a_closed_one() {
    check_both(None, move || {
        let signal = live();
        let other = thread(&signal, wake);
        signal.end();
        signal.close();
        signal.open().expect("a pipe of ours");
        signal.begin(Use(2), true);
        join([other]);
        settled(&signal)
    });
}

// Rules: D1, D16, D24
#[test]
fn a_late_wake_or_clear_takes_nothing_over_in_memory_that_was_released() {
    for work in [wake, clear] {
        check_bounded(4, move || {
            let signal = live();
            let other = thread(&signal, work);
            // This thread uses the pipe, which the other thread may see.
            wake(&signal);
            signal.end();
            signal.close();
            signal.give_back();
            signal.open().expect("a pipe of ours");
            signal.begin(Use(2), true);
            wake(&signal);
            clear(&signal);
            join([other]);
            settled(&signal);
        });
    }
}

// Rules: D24, P4
#[test]
fn a_stale_handle_does_not_reach_an_idle_record_whose_pipe_is_detached() {
    for work in [stale_wake, stale_clear] {
        check(move || {
            let signal = woken();
            let other = thread(&signal, work);
            signal.end();
            let ends = signal.detach();
            assert_eq!(signal.word(), 0);
            signal.attach(ends);
            signal.begin(Use(2), true);
            assert!(!readable(&signal), "it begins unsignalled");
            join([other]);
            assert_eq!(signal.word(), unsignalled(2));
            assert!(!settled(&signal));
        });
    }
}

// Rules: D24, D9, P4
#[test]
fn a_handle_without_a_use_finds_the_pipe_that_came_back() {
    check_both(Some(3), move || {
        let signal = live();
        let others = [thread(&signal, wake), thread(&signal, clear)];
        signal.end();
        let ends = signal.detach();
        signal.attach(ends);
        signal.begin(Use(2), true);
        join(others);
        settled(&signal)
    });
}

// Rules: B36
#[test]
fn a_question_for_the_wait_fd_beside_the_end_returns_a_valid_fd_or_none() {
    check_both(None, move || {
        let (signal, found) = (live(), Arc::new(AtomicUsize::new(0)));
        let finds = Arc::clone(&found);
        let other = thread(&signal, move |signal| {
            let fd = signal.channel(Pipe::wait_fd);
            assert_ne!(fd, Some(0), "not the value that a freed record holds");
            finds.fetch_add(usize::from(fd.is_some()), Ordering::Relaxed);
        });
        signal.end();
        signal.close();
        signal.open().expect("a pipe of ours");
        signal.begin(Use(2), true);
        join([other]);
        found.load(Ordering::Relaxed) == 1
    });
}

// Rules: B36, B37
#[test]
fn a_wake_while_the_pipe_is_made_makes_it_readable() {
    check(|| {
        let signal = fresh::<AtomicU64>();
        signal.begin(Use(1), false);
        let other = thread(&signal, wake);
        signal.open().expect("a pipe of ours");
        join([other]);
        assert!(settled(&signal));
    });
}

// Rules: B36, B37
#[test]
fn a_wake_before_the_pipe_was_made_makes_it_readable_at_once() {
    check_both(None, move || {
        let (signal, woken) = (fresh::<AtomicU64>(), Arc::new(AtomicBool::new(false)));
        signal.begin(Use(1), false);
        let tell = Arc::clone(&woken);
        let other = thread(&signal, move |signal| {
            wake(signal);
            tell.store(true, Ordering::Release);
        });
        let before = woken.load(Ordering::Acquire);
        signal.open().expect("a pipe of ours");
        if before {
            assert!(readable(&signal));
        }
        join([other]);
        before
    });
}

// Rules: B36, D9
#[test]
fn a_wake_and_a_clear_may_happen_while_the_pipe_is_made() {
    check_both(Some(3), move || {
        let signal = fresh::<AtomicU64>();
        signal.begin(Use(1), false);
        let others = [thread(&signal, wake), thread(&signal, clear)];
        signal.open().expect("a pipe of ours");
        join(others);
        settled(&signal)
    });
}

// -------------------------------------------------------------------------------------------------- without a pipe

/// A live record in use 1 without a pipe. Its use ends with a store.
fn without_pipe() -> Arc<Signal<Exchanged>> {
    let signal = fresh();
    signal.begin(Use(1), false);
    signal
}

// Rules: D19, D24
#[test]
fn without_a_pipe_a_wake_beside_the_end_does_not_reach_the_next_use() {
    for work in [stale_wake, stale_clear] {
        check(move || {
            let signal = without_pipe();
            let other = thread(&signal, work);
            signal.end();
            signal.begin(Use(2), false);
            join([other]);
            assert_eq!(signal.word(), unsignalled(2) - PIPE - SHOWN);
        });
    }
}

// Rules: D19, D24
#[test]
fn without_a_pipe_two_stale_handles_reach_neither_the_idle_record_nor_the_next_use() {
    check_bounded(3, || {
        let signal = without_pipe();
        let others = [
            thread(&signal, stale_wake),
            thread(&signal, |signal| {
                stale_wake(signal);
                stale_clear(signal);
                stale_wake(signal);
            }),
        ];
        signal.end();
        let idle = signal.word();
        assert_eq!(idle & (LIVE | WANT), 0);
        signal.begin(Use(2), false);
        join(others);
        assert_eq!(signal.word(), unsignalled(2) - PIPE - SHOWN);
    });
}

// Rules: D19, D24, B36
#[test]
fn a_stale_handle_does_not_reach_a_use_whose_pipe_is_being_made() {
    for work in [stale_wake, stale_clear] {
        check(move || {
            let signal = without_pipe();
            let other = thread(&signal, work);
            signal.end();
            signal.open().expect("a pipe of ours");
            signal.begin(Use(2), true);
            assert!(!readable(&signal), "it begins unsignalled");
            join([other]);
            assert_eq!(signal.word(), unsignalled(2));
            assert!(!settled(&signal));
        });
    }
}

// Rules: D24, B37, D9
#[test]
fn without_a_pipe_the_next_uses_wake_is_not_lost() {
    check_bounded(4, || {
        let signal = without_pipe();
        let other = thread(&signal, |signal| {
            stale_clear(signal);
            wake(signal);
        });
        signal.end();
        signal.begin(Use(2), false);
        wake(&signal);
        signal.open().expect("a pipe of ours");
        assert!(readable(&signal));
        join([other]);
        assert!(settled(&signal));
    });
}

// Rules: D1, D24
#[test]
fn without_a_pipe_a_freed_record_stays_free() {
    check(|| {
        let signal = without_pipe();
        let other = thread(&signal, |signal| {
            wake(signal);
            clear(signal);
        });
        signal.end();
        signal.close();
        join([other]);
        assert_eq!(signal.word(), 0);
    });
}

// ------------------------------------------------------------------------------------------------------------- fork

/// The word as a fork may find it: a thread of the parent holds BUSY, and is about to move a byte
/// or has just done so.
const BUSY_AT_FORK: [u64; 4] = [BUSY, BUSY + WANT, BUSY + HAVE, BUSY + WANT + HAVE];

// Rules: D16
#[test]
fn one_thread_of_a_child_takes_over_from_a_thread_that_only_the_parent_has() {
    for word in BUSY_AT_FORK {
        for (work, result) in [(wake as fn(&Signal), true), (clear, false)] {
            check_bounded(3, move || {
                let signal = inherited(word);
                let other = thread(&signal, work);
                work(&signal);
                join([other]);
                assert_eq!(settled(&signal), result);
            });
        }
    }
}

// Rules: D16, D9
#[test]
fn a_childs_wake_and_clear_happen_one_after_the_other() {
    for word in BUSY_AT_FORK {
        check_both(Some(3), move || {
            let signal = inherited(word);
            let other = thread(&signal, wake);
            clear(&signal);
            join([other]);
            settled(&signal)
        });
    }
}

// Rules: D16, D19, D1
#[test]
fn a_child_ends_the_use_and_closes_the_pipe_beside_a_wake() {
    for word in BUSY_AT_FORK {
        check_bounded(3, move || {
            let signal = inherited(word);
            let other = thread(&signal, stale_wake);
            signal.end();
            signal.begin(Use(2), true);
            assert!(!readable(&signal), "it begins unsignalled");
            signal.end();
            signal.close();
            join([other]);
            assert_eq!(signal.word(), 0);
        });
    }
}

// Rules: D16
#[test]
fn in_a_child_one_thread_at_a_time_is_at_a_pipe_that_the_parent_did_not_use() {
    check(|| {
        let signal = inherited(0);
        let other = thread(&signal, wake);
        wake(&signal);
        clear(&signal);
        join([other]);
        settled(&signal);
    });
    check_bounded(3, || {
        let signal = inherited(0);
        let others = [thread(&signal, wake), thread(&signal, clear)];
        wake(&signal);
        join(others);
        settled(&signal);
    });
}
