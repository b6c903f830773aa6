//! For test programs of `libtest-mimic`: a test finds out when it runs that it cannot, and is then reported as ignored, with
//! the reason.

use libtest_mimic::{Completion, Trial};
use std::any::Any;
use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

/// What a test that is ignored ends with.
struct Ignored(String);

/// Ends the test that calls it. It is reported as ignored, for this reason.
pub fn ignore(why: impl Into<String>) -> ! {
    // Unlike `panic_any`, this prints nothing.
    panic::resume_unwind(Box::new(Ignored(why.into())))
}

/// Does the same where a tool or a right is missing. With `CI` set the test fails: there nothing may be missing.
pub fn ignore_for_want(why: impl Into<String>) -> ! {
    let why = why.into();
    let ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!ci, "{why}");
    ignore(why)
}

/// Ignores a test in builds for a sanitizer.
#[allow(dead_code, reason = "not each test program has such tests")]
pub fn ignore_with_sanitizers(why: &str) {
    if cfg!(ossl_async_sanitizer) {
        ignore(why);
    }
}

/// How a test ended that did not pass.
pub enum Ended {
    /// It called [`ignore`], for this reason.
    Ignored(String),
    /// It panicked, with this payload.
    Failed(Box<dyn Any + Send>),
}

/// Runs a test, or a part of one.
pub fn ended<T>(test: impl FnOnce() -> T) -> Result<T, Ended> {
    panic::catch_unwind(AssertUnwindSafe(test)).map_err(|payload| {
        match payload.downcast::<Ignored>() {
            Ok(ignored) => Ended::Ignored(ignored.0),
            Err(payload) => Ended::Failed(payload),
        }
    })
}

/// A test that may call [`ignore`]. As with libtest it has a thread of its own, which has its name.
pub fn trial(name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> Trial {
    let name = name.into();
    let thread = thread::Builder::new().name(name.clone());
    Trial::ignorable_test(name, || {
        let thread = thread.spawn(|| ended(test)).expect("a thread");
        match thread.join().expect("panics are caught") {
            Ok(()) => Ok(Completion::Completed),
            Err(Ended::Ignored(why)) => Ok(Completion::ignored_with(why)),
            Err(Ended::Failed(payload)) => panic::resume_unwind(payload),
        }
    })
}

/// The main function of a file whose tests are these functions. A function that is in no list is dead code, an error.
#[allow(unused_macros, reason = "the C programs' tests have another")]
macro_rules! main_with {
    ($($name:ident),* $(,)?) => {
        fn main() -> std::process::ExitCode {
            let tests = vec![$(ignorable::trial(stringify!($name), || {
                if !ossl_async::is_capable() {
                    ignorable::ignore("this build of the library has no jobs");
                }
                $name()
            })),*];
            libtest_mimic::run(&libtest_mimic::Arguments::from_args(), tests).exit_code()
        }
    };
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use main_with;
