//! A library under test: what it has, which version it is, and how a program is run on it.

use super::process::{self, Limit, Scratch};
use compat_tests::{
    Linkage, build, compile_shared_library, expected_library, program_source, root,
};
use regex::Regex;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The seconds that a process may take to load a library and to say what it is, or to run one job.
const MOST_FOR_A_LOAD: u32 = 60;

/// Which API a library has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// That of 2015: five arguments, a wait fd.
    Five,
    /// That of 1.1.0 and later: six arguments, wait contexts.
    Six,
    /// Both: this library.
    Both,
}

/// A library under test.
#[derive(Clone)]
pub struct Library {
    /// The file that answers.
    pub path: PathBuf,
    pub kind: Kind,
    /// What it is called in tables.
    pub title: String,
    /// What it is called in the list of expected results: `ours`, `libcrypto-3.0.22`, `five`, `six`.
    pub key: String,
    /// What it says of itself.
    pub version: String,
    /// The path as it may stand in `LD_PRELOAD`.
    pub preload: PathBuf,
}

impl Library {
    /// Whether it is a libcrypto.
    pub fn is_libcrypto(&self) -> bool {
        self.key.starts_with("libcrypto-")
    }

    /// A command that runs a program on this library. `behind` is a library that answers what this one does not have.
    pub fn command(&self, program: &Path, behind: Option<&Library>) -> Command {
        let mut preload = OsString::from(&self.preload);
        if let Some(behind) = behind {
            preload.push(":");
            preload.push(&behind.preload);
        }
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", preload)
            .env("LD_LIBRARY_PATH", adapter(self.kind))
            .env_remove("LD_BIND_NOW")
            .env_remove("OSSL_ASYNC_STATS");
        command
    }
}

/// The folder with what stands between programs and a library of this kind.
fn adapter(kind: Kind) -> &'static Path {
    static FOLDERS: [OnceLock<PathBuf>; 3] = [const { OnceLock::new() }; 3];
    let (name, define) = match kind {
        Kind::Five => ("report-five", "-DOF_FIVE_ARGUMENTS"),
        Kind::Six => ("report-six", "-DOF_SIX_ARGUMENTS"),
        Kind::Both => ("report-both", "-DOF_BOTH"),
    };
    FOLDERS[kind as usize].get_or_init(|| {
        let headers = format!("-I{}", root().join("csrc/include").display());
        // A function that the library lacks ends the case that calls it, not the program at its start.
        let options = [define, &headers, "-Wl,-z,lazy", "-Wl,-soname,adapter"];
        let file = compile_shared_library(&program_source("report/adapter"), name, &options);
        file.parent().expect("it lies in a folder").to_owned()
    })
}

/// Finds out what libraries are.
pub struct Probe<'a> {
    program: PathBuf,
    scratch: &'a Scratch,
    limit: Limit,
}

impl<'a> Probe<'a> {
    pub fn new(scratch: &'a Scratch, limit: Limit) -> Probe<'a> {
        let source = program_source("report/probe");
        let program = build(&source, "report", |command| {
            command.arg(&source).arg("-ldl");
        });
        Probe {
            program,
            scratch,
            limit: Limit {
                clock: limit.clock.min(MOST_FOR_A_LOAD),
                ..limit
            },
        }
    }

    /// The libcrypto that a program gets here, if there is one with jobs.
    pub fn system_libcrypto(&self) -> Result<Option<Library>, String> {
        for name in ["libcrypto.so.4", "libcrypto.so.3", "libcrypto.so.1.1"] {
            if let Ok(answers) = self.ask(Path::new(name)) {
                if let Some(file) = answers.get("ASYNC_start_job") {
                    return self.look_at(Path::new(file)).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// The library in this file. An error if there is none, or if it cannot be used.
    pub fn look_at(&self, path: &Path) -> Result<Library, String> {
        let failed = |why: &str| Err(format!("{}: {why}", path.display()));
        let file = match fs::canonicalize(path) {
            Ok(file) if file.is_file() => file,
            Ok(_) => return failed("not a file"),
            Err(error) => return failed(&error.to_string()),
        };
        let preload = self.without_separators(&file)?;
        let answers = match self.ask(&preload) {
            Ok(answers) => answers,
            Err(why) => return failed(&why),
        };
        let is_its_own = |name: &str| {
            let found = answers.get(name).map(fs::canonicalize);
            found.is_some_and(|found| found.is_ok_and(|found| found == file))
        };
        if !is_its_own("ASYNC_start_job") || !is_its_own("ASYNC_pause_job") {
            return failed("no ASYNC_start_job and ASYNC_pause_job in it");
        }
        let kind = match ["ASYNC_get_wait_fd", "ASYNC_WAIT_CTX_new"].map(is_its_own) {
            [true, true] => Kind::Both,
            [true, false] => Kind::Five,
            [false, true] => Kind::Six,
            [false, false] => {
                return failed("neither ASYNC_get_wait_fd nor ASYNC_WAIT_CTX_new in it");
            }
        };
        let version = answers.get("version").cloned().unwrap_or_default();
        let is_libcrypto = is_its_own("OpenSSL_version");
        let number = version.split(' ').nth(1).unwrap_or("unknown").to_owned();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let (title, key) = match kind {
            Kind::Both if is_its_own("OSSL_ASYNC_version") => {
                let of_this_tree = expected_library(Path::new(""), Linkage::Shared);
                match fs::canonicalize(of_this_tree).is_ok_and(|ours| ours == file) {
                    true => (format!("ossl-async {version}"), "ours".to_owned()),
                    false => (name.into_owned(), "ours".to_owned()),
                }
            }
            Kind::Both | Kind::Six if is_libcrypto => {
                (format!("libcrypto {number}"), format!("libcrypto-{number}"))
            }
            Kind::Both | Kind::Six => (name.into_owned(), "six".to_owned()),
            Kind::Five => (name.into_owned(), "five".to_owned()),
        };
        let library = Library {
            path: file,
            kind,
            title,
            key,
            version,
            preload,
        };
        match self.first_job(&library) {
            Ok(()) => Ok(library),
            Err(why) => failed(&why),
        }
    }

    /// The same file under a path that `LD_PRELOAD` can hold.
    fn without_separators(&self, file: &Path) -> Result<PathBuf, String> {
        let text = file.to_string_lossy();
        if !text.contains([' ', ':', '\t', '\n']) {
            return Ok(file.to_owned());
        }
        let number = fs::read_dir(self.scratch.path()).map_or(0, Iterator::count);
        let link = self.scratch.path().join(format!("library-{number}.so"));
        symlink(file, &link).map_err(|error| format!("{}: {error}", link.display()))?;
        Ok(link)
    }

    /// What a process says that has this library preloaded: where it has functions from, and the version.
    fn ask(&self, preload: &Path) -> Result<BTreeMap<String, String>, String> {
        let mut command = Command::new(&self.program);
        let ended = process::run(command.env("LD_PRELOAD", preload), self.scratch, self.limit)?;
        let cannot =
            Regex::new(r"(?m)cannot be preloaded(?: \((.*)\))?: ignored").expect("a pattern");
        if let Some(found) = cannot.captures(&ended.stderr) {
            let why = found.get(1).map_or("no reason given", |why| why.as_str());
            return Err(format!("it cannot be loaded: {why}"));
        }
        match ended.status {
            None => {
                return Err(format!(
                    "a program that loads it does not end within {} seconds",
                    self.limit.clock
                ));
            }
            Some(status) if !status.success() => {
                let said = ended.stderr.lines().next().unwrap_or_default();
                return Err(format!("a program that loads it ends with {status} {said}")
                    .trim_end()
                    .to_owned());
            }
            Some(_) => {}
        }
        let mut answers = BTreeMap::new();
        for line in ended.stdout.lines() {
            match line.split_once(' ') {
                Some((name, rest))
                    if name == "version"
                        || name.contains("ASYNC_")
                        || name.contains("_get_error")
                        || name == "OpenSSL_version" =>
                {
                    answers.insert(name.to_owned(), rest.to_owned());
                }
                None if line == "end" => {}
                _ => {
                    return Err(format!(
                        "it writes to standard output when it is loaded: {line:.60?}"
                    ));
                }
            }
        }
        Ok(answers)
    }

    /// Runs a job. A library that hangs would hang in every case, and take that long.
    fn first_job(&self, library: &Library) -> Result<(), String> {
        let arguments = if library.kind == Kind::Five {
            "five"
        } else {
            "six"
        };
        let mut command = library.command(&self.program, None);
        let ended = process::run(command.arg(arguments), self.scratch, self.limit)?;
        match ended.status {
            None => Err(format!(
                "a first job does not end within {} seconds",
                self.limit.clock
            )),
            Some(status) if status.success() && !is_one_value(&ended.stdout) => Err(format!(
                "it writes to standard output in a first job: {:.60?}",
                ended.stdout
            )),
            Some(_) => Ok(()),
        }
    }
}

/// Whether a program that runs a job has written its result, and nothing else.
fn is_one_value(text: &str) -> bool {
    text.starts_with("value ") && text.trim_end().lines().count() == 1
}
