//! Builds the library as its users do, compiles C programs against it, and runs them. The tests
//! are in `tests/`.

pub mod cases;
mod compiling;
pub mod handshakes;
pub mod harness;
mod library;
pub mod musl;
mod needs;
mod openssl;
mod running;
pub mod walk;

pub use compiling::*;
pub use harness::{ignore, ignore_for_want, report};
pub use library::*;
pub use needs::*;
pub use openssl::*;
pub use running::*;

use std::path::Path;

/// What the manual's example prints according to the manual. `examples/hello_job.c` prints the same.
pub const EXAMPLE_OUTPUT: &str = "\
Starting...
Executing within a job
Passed in message is: Hello world!
Job was paused
Waiting for the job to be woken up
Resumed the job after a pause
Job finished with return value 1
Finishing
";

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("compat-tests lies in the repository")
}
