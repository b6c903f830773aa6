//! Jobs and the nesting of calls: what goes wrong when a job pauses at the wrong place, and what to
//! do instead.
//!
//! Rust code may take for granted that the calls of a thread nest: what begins later ends earlier.
//! A job that pauses breaks that. So [`Job::start`](crate::Job::start) is `unsafe`, with a contract
//! of six points. Here is what goes wrong without it. The programs that break it do not compile,
//! because they start a job without `unsafe`.
//!
//! # A reference that came through a thread-local
//!
//! When the thread ends, the destructor of another thread-local can resume the job. `DATA` may be
//! destroyed by then.
//!
//! ```compile_fail,E0133
//! # use ossl_async::{Job, Step};
//! thread_local! {
//!     static DATA: Vec<u8> = vec![7; 100];
//! }
//! let step = Job::start(|| {
//!     DATA.with(|data| {
//!         ossl_async::pause();
//!         data[50] // freed memory
//!     })
//! });
//! ```
//!
//! Instead: let the thread-local have an `Rc`, and take a copy of that before the pause.
//!
//! ```
//! # use ossl_async::{Job, Step};
//! # use std::rc::Rc;
//! # if !ossl_async::is_capable() { return }
//! thread_local! {
//!     static DATA: Rc<Vec<u8>> = Rc::new(vec![7; 100]);
//! }
//! let work = || {
//!     let data = DATA.with(Rc::clone);
//!     ossl_async::pause();
//!     data[50]
//! };
//! // SAFETY: the contract of `start`: at the pause, `DATA.with` has returned.
//! let step = unsafe { Job::start(work) };
//! # let Ok(Step::Paused(job)) = step else { panic!() };
//! # assert!(matches!(job.resume(), Ok(Step::Finished(7))));
//! ```
//!
//! # The initialiser of a `thread_local!`, and its destructor
//!
//! A second job enters the initialiser while the first is paused in it. The value is made twice,
//! and the second one replaces the first while references to that exist.
//!
//! ```compile_fail,E0133
//! # use ossl_async::{Job, Step};
//! thread_local! {
//!     static DATA: Vec<u8> = {
//!         ossl_async::pause();
//!         vec![7; 100]
//!     };
//! }
//! let step = Job::start(|| DATA.with(|data| data[50]));
//! ```
//!
//! Instead: first get what the value is made of, pauses and all. Then set the value.
//!
//! ```
//! # use ossl_async::{Job, Step};
//! # use std::cell::RefCell;
//! # if !ossl_async::is_capable() { return }
//! thread_local! {
//!     static DATA: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
//! }
//! let work = || {
//!     ossl_async::pause();
//!     DATA.set(vec![7; 100]);
//! };
//! // SAFETY: the contract of `start`: the initialiser does not pause, and `set` has not begun.
//! let step = unsafe { Job::start(work) };
//! # let Ok(Step::Paused(job)) = step else { panic!() };
//! # assert!(job.resume().is_ok());
//! ```
//!
//! The destructor of a thread-local is no better. It runs in a job that ends the process. If it
//! pauses there, `exit` does not end the process: the code that started the job goes on. By then
//! other thread-locals were destroyed, to which it may have references.
//!
//! ```compile_fail,E0133
//! # use ossl_async::{Job, Step};
//! struct Flush;
//! impl Drop for Flush {
//!     fn drop(&mut self) {
//!         ossl_async::pause(); // until all is written
//!     }
//! }
//! thread_local! {
//!     static DATA: Vec<u8> = vec![7; 100];
//!     static FLUSH: Flush = const { Flush };
//! }
//! FLUSH.with(|_| ());
//! DATA.with(|data| {
//!     let step = Job::start(|| -> () { std::process::exit(0) });
//!     data[50] // freed memory
//! });
//! ```
//!
//! Instead: block pauses in the destructor, by [`block_pause`](crate::block_pause). Or let the job
//! return, and exit outside it.
//!
//! # A scope that puts a thread-local back at its end
//!
//! The crate `scoped-tls` works like this. The first job ends while the second is paused in its
//! scope. So the second one puts back a pointer to what the first one had on its stack.
//!
//! ```compile_fail,E0133
//! # use ossl_async::{Job, Step};
//! mod current {
//!     # use std::cell::Cell;
//!     # use std::ptr::{NonNull, null};
//!     # thread_local! { static CURRENT: Cell<*const Vec<u8>> = const { Cell::new(null()) }; }
//!     pub fn set<R>(data: &Vec<u8>, scope: impl FnOnce() -> R) -> R {
//!         let before = CURRENT.replace(data);
//!         let result = scope();
//!         CURRENT.set(before);
//!         result
//!     }
//!     # pub fn get() -> Option<u8> { unsafe { CURRENT.get().as_ref() }.map(|data| data[50]) }
//! }
//! for _ in 0..2 {
//!     let step = Job::start(|| current::set(&vec![7; 100], || ossl_async::pause()));
//! }
//! ```
//!
//! Instead: pause outside the scope, and enter it again after the pause. Or block pauses in it, by
//! [`block_pause`](crate::block_pause).
//!
//! ```
//! # use ossl_async::{Job, Step};
//! # if !ossl_async::is_capable() { return }
//! # mod current {
//! #     use std::cell::Cell;
//! #     use std::ptr::null;
//! #     thread_local! { static CURRENT: Cell<*const Vec<u8>> = const { Cell::new(null()) }; }
//! #     pub fn set<R>(data: &Vec<u8>, scope: impl FnOnce() -> R) -> R {
//! #         let before = CURRENT.replace(data);
//! #         let result = scope();
//! #         CURRENT.set(before);
//! #         result
//! #     }
//! # }
//! let work = || {
//!     current::set(&vec![7; 100], || {
//!         let _guard = ossl_async::block_pause();
//!         ossl_async::pause() // returns false at once
//!     })
//! };
//! // SAFETY: the contract of `start`: the job does not pause inside the scope.
//! let step = unsafe { Job::start(work) };
//! # assert!(matches!(step, Ok(Step::Finished(false))));
//! ```
//!
//! # The same without any thread-local
//!
//! A slot in an `Rc` lends a pointer for the time of a call, and then puts the old one back. In
//! ordinary Rust that is sound.
//!
//! ```compile_fail,E0133
//! # use ossl_async::{Job, Step};
//! # use std::{cell::Cell, ptr::null, rc::Rc};
//! struct Slot(Cell<*const Vec<u8>>);
//! impl Slot {
//!     fn lend<R>(&self, data: &Vec<u8>, scope: impl FnOnce() -> R) -> R {
//!         let before = self.0.replace(data);
//!         let result = scope();
//!         self.0.set(before);
//!         result
//!     }
//!     # fn get(&self) -> Option<u8> { unsafe { self.0.get().as_ref() }.map(|data| data[50]) }
//! }
//! let slot = Rc::new(Slot(Cell::new(null())));
//! for _ in 0..2 {
//!     let slot = slot.clone();
//!     let step = Job::start(move || slot.lend(&vec![7; 100], || ossl_async::pause()));
//! }
//! ```
//!
//! Instead: let each job have a slot of its own, or share what is lent by an `Rc`.
//!
//! ```
//! # use ossl_async::{Job, Step};
//! # use std::{cell::RefCell, rc::Rc};
//! # if !ossl_async::is_capable() { return }
//! let slot = Rc::new(RefCell::new(Rc::new(vec![])));
//! let theirs = slot.clone();
//! let work = move || {
//!     theirs.replace(Rc::new(vec![7; 100]));
//!     ossl_async::pause();
//! };
//! // SAFETY: the contract of `start`: at the pause there is no scope, and no pointer was lent.
//! let step = unsafe { Job::start(work) };
//! # let Ok(Step::Paused(job)) = step else { panic!() };
//! # assert!(job.resume().is_ok());
//! # assert_eq!(slot.borrow()[50], 7);
//! ```
//!
//! A job need not lend anything itself. Here the call that started it does, and the job keeps the
//! reference for longer than that call. The same goes for what is lent for the time of a resume.
//!
//! ```compile_fail,E0133
//! # use ossl_async::{Job, Step};
//! # use std::{cell::Cell, ptr::null, rc::Rc};
//! # struct Slot(Cell<*const Vec<u8>>);
//! impl Slot {
//!     # fn lend<R>(&self, data: &Vec<u8>, scope: impl FnOnce() -> R) -> R {
//!     #     let before = self.0.replace(data);
//!     #     let result = scope();
//!     #     self.0.set(before);
//!     #     result
//!     # }
//!     fn with<R>(&self, look: impl FnOnce(&Vec<u8>) -> R) -> R {
//!         look(unsafe { &*self.0.get() })
//!     }
//! }
//! let slot = Rc::new(Slot(Cell::new(null())));
//! let theirs = slot.clone();
//! let work = move || {
//!     theirs.with(|data| {
//!         ossl_async::pause();
//!         data[50] // freed memory
//!     })
//! };
//! let Ok(Step::Paused(job)) = slot.lend(&vec![7; 100], || Job::start(work)) else { panic!() };
//! job.resume();
//! ```
//!
//! Instead: take a copy of what is lent, before the pause, and look again after it.
//!
//! ```
//! # use ossl_async::{Job, Step};
//! # use std::{cell::Cell, ptr::null, rc::Rc};
//! # if !ossl_async::is_capable() { return }
//! # struct Slot(Cell<*const Vec<u8>>);
//! # impl Slot {
//! #     fn lend<R>(&self, data: &Vec<u8>, scope: impl FnOnce() -> R) -> R {
//! #         let before = self.0.replace(data);
//! #         let result = scope();
//! #         self.0.set(before);
//! #         result
//! #     }
//! #     fn with<R>(&self, look: impl FnOnce(&Vec<u8>) -> R) -> R {
//! #         look(unsafe { self.0.get().as_ref() }.expect("it is lent"))
//! #     }
//! # }
//! # let slot = Rc::new(Slot(Cell::new(null())));
//! # let theirs = slot.clone();
//! let work = move || {
//!     let before = theirs.with(|data| data[50]);
//!     ossl_async::pause();
//!     before + theirs.with(|data| data[50])
//! };
//! // SAFETY: the contract of `start`: at the pause, `Slot::with` has returned.
//! let start = || unsafe { Job::start(work) };
//! let Ok(Step::Paused(job)) = slot.lend(&vec![7; 100], start) else { panic!() };
//! let step = slot.lend(&vec![8; 100], || job.resume());
//! # assert!(matches!(step, Ok(Step::Finished(15))));
//! ```
//!
//! # Threads that borrow from a thread-local
//!
//! The job is paused when its thread ends, and is never resumed. So `scope` never waits for its
//! threads, and they go on to use `DATA` after it was destroyed.
//!
//! ```compile_fail,E0133
//! # use ossl_async::{Job, Step};
//! thread_local! {
//!     static DATA: Vec<u8> = vec![7; 100];
//! }
//! let step = Job::start(|| {
//!     DATA.with(|data| {
//!         std::thread::scope(|scope| {
//!             scope.spawn(|| data[50]);
//!             ossl_async::pause();
//!         })
//!     })
//! });
//! ```
//!
//! Instead: lend to the threads what is on the job's own stack. That stays, whatever happens to the
//! job.
//!
//! ```
//! # use ossl_async::{Job, Step};
//! # if !ossl_async::is_capable() { return }
//! let work = || {
//!     let data = vec![7; 100];
//!     std::thread::scope(|scope| {
//!         let thread = scope.spawn(|| data[50]);
//!         ossl_async::pause();
//!         thread.join().unwrap()
//!     })
//! };
//! // SAFETY: the contract of `start`: at the pause, nothing came through a thread-local.
//! let step = unsafe { Job::start(work) };
//! # let Ok(Step::Paused(job)) = step else { panic!() };
//! # assert!(matches!(job.resume(), Ok(Step::Finished(7))));
//! ```
//!
//! # A value that asks whether its thread unwinds
//!
//! Rust counts panics by thread. A destructor that resumes a job while the thread unwinds makes
//! `std::thread::panicking` true in the job. A guard that was made before the pause then takes the
//! end of its scope for an unwinding.
//!
//! ```compile_fail,E0133
//! # use ossl_async::{Job, Step};
//! struct OnUnwind(fn());
//! impl Drop for OnUnwind {
//!     fn drop(&mut self) {
//!         if std::thread::panicking() {
//!             (self.0)() // undoes what the scope has begun
//!         }
//!     }
//! }
//! let step = Job::start(|| {
//!     let _guard = OnUnwind(|| println!("undone"));
//!     ossl_async::pause();
//! });
//! ```
//!
//! Instead: call `std::mem::forget` on the guard where its scope ends well.
//!
//! ```
//! # use ossl_async::{Job, Step};
//! # if !ossl_async::is_capable() { return }
//! struct Undo(fn());
//! impl Drop for Undo {
//!     fn drop(&mut self) {
//!         (self.0)()
//!     }
//! }
//! let work = || {
//!     let guard = Undo(|| panic!("not here"));
//!     ossl_async::pause();
//!     std::mem::forget(guard);
//! };
//! // SAFETY: the contract of `start`: no value alive at the pause asks whether the thread unwinds.
//! let step = unsafe { Job::start(work) };
//! # let Ok(Step::Paused(job)) = step else { panic!() };
//! # assert!(job.resume().is_ok());
//! ```
