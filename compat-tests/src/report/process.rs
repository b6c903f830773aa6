//! One process of the report: bounded in time, its output kept, and nothing of it left behind.

use std::fs::{self, File};
use std::io::{Error, Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How much a process may write, and a library might without end. The longest transcript has a few megabytes.
const MOST_OUTPUT: u64 = 64 << 20;

/// A folder of the report's own, gone at its end.
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder.
    pub fn new() -> Result<Scratch, String> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ossl-async-{}-{serial}", id()));
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Scratch(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _may_stay_behind = fs::remove_dir_all(&self.0);
    }
}

/// How long a process may take.
#[derive(Clone, Copy)]
pub struct Limit {
    /// Processor time, in seconds.
    pub processor: u32,
    /// By the clock, in seconds. A busy machine has little processor time to give.
    pub clock: u32,
}

impl Limit {
    /// With this processor time.
    pub fn of(processor: u32) -> Limit {
        let clock = processor.saturating_mul(3);
        Limit { processor, clock }
    }
}

/// How a process ended, and what it wrote: its standard output and its standard error.
pub struct Ended {
    /// Nothing if it took too long.
    pub status: Option<ExitStatus>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ended {
    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status?.signal()
    }
}

/// Runs a command in a process group of its own, to the command's end. What then is left of the group is ended too.
///
/// Output goes to files: a pipe would stay open in a child that the command has left behind.
pub fn run(command: &mut Command, scratch: &Scratch, limit: Limit) -> Result<Ended, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error: Error| format!("{name}: {error}");
    let mut stdout = anonymous_file(scratch).map_err(failed)?;
    let mut stderr = anonymous_file(scratch).map_err(failed)?;
    let mut child = command
        .env("OSSL_ASYNC_REPORT_SECONDS", limit.processor.to_string())
        .env("OSSL_ASYNC_REPORT_CLOCK", limit.clock.to_string())
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().map_err(failed)?)
        .stderr(stderr.try_clone().map_err(failed)?)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    // The process itself should end first: what it has to say is better than silence.
    let end = Instant::now() + Duration::from_secs(u64::from(limit.clock) + 1);
    let mut pause = Duration::from_micros(200);
    let mut in_time = true;
    while !has_ended(&child) {
        if Instant::now() > end || too_much(&stdout) || too_much(&stderr) {
            in_time = false;
            break;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    end_group(&child);
    let status = child.wait().map_err(failed)?;
    Ok(Ended {
        status: in_time.then_some(status),
        stdout: text_of(&mut stdout).map_err(failed)?,
        stderr: text_of(&mut stderr).map_err(failed)?,
    })
}

/// A file without a name.
fn anonymous_file(scratch: &Scratch) -> Result<File, Error> {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let path = scratch.path().join(format!("output-{serial}"));
    let file = File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn too_much(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.len() > MOST_OUTPUT)
}

fn text_of(file: &mut File) -> Result<String, Error> {
    let mut bytes = vec![];
    file.rewind()?;
    file.take(MOST_OUTPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the child has ended. It is not waited for: its number stays taken, so that [`end_group`] meets nobody else.
fn has_ended(child: &Child) -> bool {
    // SAFETY: `siginfo_t` is a C structure of numbers and pointers, for which zeroes are values.
    let mut information: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: waitid writes to `information`, which is ours.
    let waited = unsafe { libc::waitid(libc::P_PID, child.id(), &mut information, flags) };
    // SAFETY: the structure is zero, or filled in by waitid.
    waited == 0 && unsafe { information.si_pid() } != 0
}

/// Ends the child and what it has started.
fn end_group(child: &Child) {
    let group = i32::try_from(child.id()).expect("a process number is a pid_t");
    // SAFETY: kill takes numbers. The child has not been waited for, so the group is its own.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}
