//! Sequences of calls of both generations through the library's C functions, compared call by call
//! with an executable model of the behaviour reference, `operations::model`. `operation` says what
//! an input means, `driver` carries it out. Nothing here needs a fuzzer.

mod driver;
mod operation;
mod world;

/// Carries out an input, and compares every result, written value, error entry, count and
/// descriptor with the model. The error has the operations and the first difference.
///
/// Inputs do not depend on each other: each has a thread of its own, which leaves nothing behind.
/// During a check nothing else in the process may use the library or open descriptors.
pub fn check(input: &[u8]) -> Result<(), String> {
    let world = world::this();
    let before = world::process_stats();
    let of_the_thread = std::thread::scope(|scope| {
        let thread = scope.spawn(|| driver::Driver::new(world, before, input).drive());
        thread.join().unwrap_or_else(|_| Err("it panicked".into()))
    })?;
    world.check_end(before, of_the_thread)
}
