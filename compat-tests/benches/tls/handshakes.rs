//! Runs the program on either library, and reads what it took.

use compat_tests::{
    Linkage, Scratch, compile_with_openssl, expected_library, openssl_is_installed, program_source,
};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Whose jobs the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contestant {
    /// libcrypto's own.
    Libcrypto,
    /// This library's, which is preloaded.
    Preloaded,
}

/// What one run took.
#[derive(Clone, Copy)]
pub struct Run {
    /// Handshakes a second, by the clock.
    pub a_second: f64,
    /// Processor time of a handshake, both sides and the workers, in microseconds.
    pub microseconds: f64,
    /// The most resident memory, in bytes.
    pub resident: f64,
}

/// The compiled program, and its key.
pub struct Programs {
    program: PathBuf,
    library: PathBuf,
    scratch: Scratch,
}

impl Programs {
    /// Compiles it. The error says why nothing can be measured.
    pub fn new() -> Result<Programs, String> {
        if !ossl_async::is_capable() {
            return Err("this build of the library has no jobs".to_owned());
        }
        if !openssl_is_installed() {
            return Err("OpenSSL's headers are not installed (libssl-dev)".to_owned());
        }
        allow_many_descriptors();
        let library = expected_library(Path::new(""), Linkage::Shared);
        let programs = Programs {
            program: compile_with_openssl(&program_source("tls/handshakes")),
            library: fs::canonicalize(library).expect("the library was built"),
            scratch: Scratch::new(&std::env::temp_dir().join("ossl-async-tls")),
        };
        // The first run makes the key, which takes as long as hundreds of handshakes.
        programs.run(Contestant::Libcrypto, 1, 1);
        Ok(programs)
    }

    /// Makes this many handshakes, so many at once.
    pub fn run(&self, contestant: Contestant, count: usize, at_once: usize) -> Run {
        let mut command = Command::new(&self.program);
        command
            .args([count, at_once].map(|number| number.to_string()))
            .arg("fd")
            .arg(self.scratch.path().join("key.pem"))
            .env_remove("LD_PRELOAD")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if contestant == Contestant::Preloaded {
            command.env("LD_PRELOAD", &self.library);
        }
        let errors = self.scratch.path().join("errors");
        let file = fs::File::create(&errors).expect("the folder is this process's");
        let begin = Instant::now();
        #[expect(
            clippy::zombie_processes,
            reason = "`wait` waits for it, and gets its counts too"
        )]
        let child = command.stderr(file).spawn().expect("it was compiled");
        let usage = wait(child.id()).unwrap_or_else(|why| panic!("{command:?}: {why}"));
        let elapsed = begin.elapsed();
        let errors = fs::read_to_string(&errors).expect("it is text");
        assert!(usage.succeeded, "{command:?}\n{errors}");
        self.prove(contestant, &errors);
        let count = count as f64;
        Run {
            a_second: count / elapsed.as_secs_f64(),
            microseconds: usage.processor.as_secs_f64() * 1e6 / count,
            resident: usage.resident as f64,
        }
    }

    /// Fails unless the program called this contestant's functions.
    fn prove(&self, contestant: Contestant, printed: &str) {
        let file = printed
            .lines()
            .find_map(|line| line.strip_prefix("ASYNC_start_job "));
        let file = file.expect("the program prints which library it calls");
        let is_ours = fs::canonicalize(file).is_ok_and(|file| file == self.library);
        assert_eq!(
            is_ours,
            contestant == Contestant::Preloaded,
            "{contestant:?}: {file}"
        );
    }
}

/// What the system counted for a child.
struct Usage {
    succeeded: bool,
    processor: Duration,
    resident: u64,
}

/// Waits for a child of this process.
fn wait(child: u32) -> io::Result<Usage> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    let child = libc::pid_t::try_from(child).expect("a process has such a number");
    // SAFETY: both places can be written. Nobody else waits for the child.
    if unsafe { libc::wait4(child, &mut status, 0, usage.as_mut_ptr()) } != child {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `wait4` has succeeded, and so has written it.
    let usage = unsafe { usage.assume_init() };
    let time = |time: libc::timeval| {
        Duration::new(time.tv_sec.unsigned_abs(), 0)
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    Ok(Usage {
        succeeded: libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        processor: time(usage.ru_utime) + time(usage.ru_stime),
        resident: usage.ru_maxrss.unsigned_abs() * 1024,
    })
}

/// Raises the limit of descriptors as far as it goes. Each connection has four or five.
fn allow_many_descriptors() {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the place can be written.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) } == 0 {
        // SAFETY: `getrlimit` has succeeded, and so has written it.
        let mut limit = unsafe { limit.assume_init() };
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: it was just filled. If it is refused, the program says which connection failed.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    }
}
