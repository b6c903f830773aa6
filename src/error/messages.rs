//! What each error says to a Rust programmer. The texts that C programs get are OpenSSL's
//! (`text.rs`).

use super::Error;

/// What happened, as a clause.
pub fn of(error: Error) -> &'static str {
    use Error::*;
    match error {
        Thread => "the thread cannot run jobs: no thread-specific key or no memory is left",
        PoolSize => "a pool cannot have so many jobs, or more at first than at most",
        Pool => "no pool: no thread-specific key or no memory is left",
        PoolList => "a pool cannot have so many jobs: there is no memory to list them",
        Unavailable => "this build or this system has no jobs",
        Job => "no memory, or no guard, for the stack of a job",
        CustomStack => "the program's stack function gave no stack, or one that is too small",
        WaitPipe => "no pipe for the wait descriptor of a job",
        Arguments => "no memory for the arguments of a job, or their size is 0",
        Enter => "the stack of the job could not be entered",
        Nested => "a job cannot be started or resumed inside a job",
        NotResumable => "this is no paused job of this thread",
        NullArgument => "NULL where an argument is needed",
        FreeInsideJob => "a pool cannot be freed inside a job",
        Libctx => "libcrypto refused the default library context of the job, which stays paused",
        WaitFd => "no memory for one more descriptor in a wait context",
        StackSize => {
            "the size of stacks is out of range, or was set after the first stack was made"
        }
    }
}
