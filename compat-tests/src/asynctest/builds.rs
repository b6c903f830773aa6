//! The ways in which the test program is compiled and joined with this library, and the proof that it ran on it.

use super::Trouble;
use super::verdicts::Source;
use crate::report::process::Scratch;
use compat_tests::{
    Linkage, command as command_of, expected_archive, expected_library, openssl_is_installed, root,
    static_link, with_ossl_async,
};
use object::{Object, ObjectSymbol};
use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A way to join the program with the library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Our headers, `libossl_async.so`.
    Shared,
    /// Our headers, `libossl_async.a`.
    Static,
    /// OpenSSL's headers but for `openssl/async.h`, libcrypto, and the library in front of it.
    Preloaded,
}

impl Build {
    pub fn title(self) -> &'static str {
        match self {
            Build::Shared => "our headers, libossl_async.so",
            Build::Static => "our headers, libossl_async.a",
            Build::Preloaded => "libcrypto, libossl_async.so in front of it",
        }
    }
}

/// The builds that make sense for a program. libcrypto has no five-argument API.
pub fn of(source: &Source) -> &'static [Build] {
    match source.has_six_arguments {
        true => &[Build::Shared, Build::Static, Build::Preloaded],
        false => &[Build::Shared, Build::Static],
    }
}

/// Compiles the program as it is. Its warnings are its own.
pub fn compile(source: &Source, build: Build, scratch: &Scratch) -> Result<PathBuf, Trouble> {
    let wants_libcrypto = source.wants_libcrypto || build == Build::Preloaded;
    if wants_libcrypto && !openssl_is_installed() {
        let why = "it needs libcrypto and its headers, which are not installed (libssl-dev)";
        return Err(Trouble::NotRun(why.to_owned()));
    }
    let stubs = root().join("compat-tests/programs/asynctest");
    let program = scratch.path().join(format!("asynctest-{}", build as u8));
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-O2", "-g", "-w"]);
    // Where <../apps/apps.h> of old versions is found, and what stands for OpenSSL's headers.
    match build {
        Build::Preloaded => cc.arg("-idirafter"),
        Build::Shared | Build::Static => cc.arg("-I"),
    }
    .arg(stubs.join("include"));
    cc.arg("-I").arg(root().join("csrc/include"));
    if source.has_six_arguments {
        cc.arg("-DOSSL_ASYNC_WAIT_CTX_API");
    }
    if build == Build::Preloaded {
        cc.arg("-include").arg(stubs.join("old_names.h"));
    }
    if source.is_interim {
        cc.arg("-include").arg(stubs.join("interim.h"));
    }
    cc.arg(&source.file)
        .arg("-o")
        .arg(&program)
        .arg("-Wl,--no-as-needed");
    let shared = expected_library(Path::new(""), Linkage::Shared);
    match build {
        Build::Shared => {
            cc.arg(&shared);
        }
        Build::Static => {
            static_link(&mut cc, &expected_archive());
        }
        Build::Preloaded => {}
    }
    if wants_libcrypto {
        cc.arg("-lcrypto");
    }
    if build == Build::Preloaded {
        // For what this libcrypto does not have. What it has is bound to it, were it not for the preloaded library.
        cc.arg(&shared);
    }
    cc.args(["-lpthread", "-ldl"]);
    let output = cc.output().map_err(|error| format!("cc: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let error = text
            .lines()
            .find(|line| line.contains("error") || line.contains("undefined"));
        let error = error.or(text.lines().next()).unwrap_or_default();
        return Err(Trouble::Wrong(format!(
            "it does not compile ({}): {error}",
            build.title()
        )));
    }
    Ok(program)
}

/// The command `env` that runs a program of this build: what is set in the environment comes next.
pub fn command(program: &Path, build: Build) -> Command {
    if build == Build::Preloaded {
        return with_ossl_async("env");
    }
    let search = command_of(&[], program);
    let mut env = Command::new("env");
    for (name, value) in search.get_envs() {
        if let Some(value) = value {
            env.env(name, value);
        }
    }
    env
}

/// The file that answered: the one that every function of the API was bound to, or the program itself.
pub fn who_answered(program: &Path, build: Build, log: &str) -> Result<String, Trouble> {
    let is_ours = |symbol: &str| symbol.starts_with("ASYNC_") || symbol.starts_with("OSSL_ASYNC_");
    let ours = fs::canonicalize(expected_library(program, Linkage::Shared)).ok();
    let name = program.to_string_lossy();
    // The program looks nothing up by itself, so all of these are references of its own.
    let line = Regex::new(r"binding file (.+) \[0\] to (.+) \[0\]: normal symbol `(\w+)'")
        .expect("a pattern");
    let bound = line.captures_iter(log).map(|found| found.extract().1);
    let bound: Vec<[&str; 3]> = bound
        .filter(|[from, _, symbol]| *from == name && is_ours(symbol))
        .collect();
    if build == Build::Static {
        let bytes = fs::read(program).map_err(|error| format!("{name}: {error}"))?;
        let file = object::File::parse(&*bytes).map_err(|error| format!("{name}: {error}"))?;
        let is_pause =
            |symbol: &str| symbol == "ASYNC_pause_job" || symbol == "OSSL_ASYNC_pause_job";
        let has_it = file
            .symbols()
            .any(|symbol| symbol.is_definition() && symbol.name().is_ok_and(is_pause));
        let to_others = bound.iter().find(|[_, to, _]| *to != name);
        return match (has_it, to_others) {
            (true, None) => Ok("the program itself, which has libossl_async.a in it".to_owned()),
            (false, _) => Err(Trouble::Wrong(
                "the program has no job functions in it".to_owned(),
            )),
            (true, Some([_, to, symbol])) => {
                Err(Trouble::Wrong(format!("{symbol} was answered by {to}")))
            }
        };
    }
    for [_, to, symbol] in &bound {
        if fs::canonicalize(to).ok() != ours {
            return Err(Trouble::Wrong(format!("{symbol} was answered by {to}")));
        }
    }
    let has_pause = bound
        .iter()
        .any(|[_, _, symbol]| symbol.ends_with("ASYNC_pause_job"));
    match bound.first().filter(|_| has_pause) {
        Some([_, to, _]) => Ok((*to).to_owned()),
        None => Err(Trouble::Wrong(
            "nothing shows which library answered".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(build: Build, lines: &[(&str, &str)]) -> Result<String, String> {
        let lines = lines.iter().map(|(to, symbol)| {
            format!("1: binding file /bin/true [0] to {to} [0]: normal symbol `{symbol}' [V]\n")
        });
        match who_answered(Path::new("/bin/true"), build, &lines.collect::<String>()) {
            Ok(file) => Ok(file),
            Err(Trouble::Wrong(why) | Trouble::NotRun(why)) => Err(why),
        }
    }

    #[test]
    fn a_function_of_another_library_is_an_error() {
        let ours = expected_library(Path::new(""), Linkage::Shared);
        let ours = ours.to_str().expect("the path is text");
        let other = "/lib/libcrypto.so.3";
        let both = [(ours, "ASYNC_pause_job"), (other, "ASYNC_start_job")];
        let wrong = Err(format!("ASYNC_start_job was answered by {other}"));
        assert_eq!(answered(Build::Shared, &both), wrong);
        assert_eq!(answered(Build::Preloaded, &both), wrong);
        assert_eq!(answered(Build::Shared, &both[..1]), Ok(ours.to_owned()));
        assert!(answered(Build::Shared, &[]).is_err());
        // A program that has none of the functions in it.
        assert!(answered(Build::Static, &[]).is_err());
    }
}
