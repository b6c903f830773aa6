//! The source of a test program of OpenSSL's, and what its cases came to.

use crate::report::process::Ended;
use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};

/// A `test/asynctest.c`.
pub struct Source {
    pub file: PathBuf,
    /// The version of OpenSSL around it.
    pub version: String,
    /// Its test functions, in the order in which `main` calls them.
    pub cases: Vec<String>,
    pub has_six_arguments: bool,
    /// Its test of descriptors also clears one that it has just set, as since 1.1.0e.
    pub has_extended_fds: bool,
    /// It wants library contexts, which only libcrypto has.
    pub wants_libcrypto: bool,
    /// It calls functions by the names of winter 2015.
    pub is_interim: bool,
}

impl Source {
    /// Looks into a tree of OpenSSL.
    pub fn read(tree: &Path) -> Result<Source, String> {
        let failed = |path: &Path, why: &str| Err(format!("{}: {why}", path.display()));
        match fs::metadata(tree) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return failed(tree, "not a folder"),
            Err(error) => return failed(tree, &error.to_string()),
        }
        let tree =
            fs::canonicalize(tree).map_err(|error| format!("{}: {error}", tree.display()))?;
        let file = tree.join("test/asynctest.c");
        let text = match fs::read(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => return failed(&file, &error.to_string()),
        };
        let call = Regex::new(r"!\s*(test_\w+)\s*\(").expect("a pattern");
        let cases: Vec<String> = call
            .captures_iter(&text)
            .map(|found| found[1].to_owned())
            .collect();
        if cases.is_empty() || !text.contains("ASYNC_start_job") {
            return failed(
                &file,
                "not OpenSSL's test program: no test of ASYNC_start_job in it",
            );
        }
        let init = Regex::new(r"\bASYNC_init\s*\(").expect("a pattern");
        Ok(Source {
            version: version(&tree),
            cases,
            has_six_arguments: text.contains("ASYNC_WAIT_CTX"),
            has_extended_fds: text.matches("ASYNC_WAIT_CTX_clear_fd(").count() > 1,
            wants_libcrypto: text.contains("OSSL_LIB_CTX"),
            is_interim: init.is_match(&text),
            file,
        })
    }
}

/// The version that a tree of OpenSSL is of.
fn version(tree: &Path) -> String {
    let of_3 = fs::read_to_string(tree.join("VERSION.dat")).unwrap_or_default();
    let part = |name: &str| {
        of_3.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    if let (Some(major), Some(minor), Some(patch)) = (part("MAJOR"), part("MINOR"), part("PATCH")) {
        return format!("OpenSSL {major}.{minor}.{patch}");
    }
    let text = Regex::new(r#"OPENSSL_VERSION_TEXT\s+"([^"]+)""#).expect("a pattern");
    for header in ["include/openssl/opensslv.h", "crypto/opensslv.h"] {
        let header = fs::read_to_string(tree.join(header)).unwrap_or_default();
        if let Some(found) = text.captures_iter(&header).last() {
            return found[1].to_owned();
        }
    }
    "a version that it does not say".to_owned()
}

/// What a case came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Ok,
    Failed,
    /// The program ended before, or leaves its cases out.
    DidNotRun,
}

impl Verdict {
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Failed => "FAILED",
            Verdict::DidNotRun => "did not run",
        }
    }
}

/// What each case came to. The program writes `PASS` after its last case. It ends at the first that fails, and names it.
pub fn read(source: &Source, ended: &Ended) -> Vec<Verdict> {
    let all = |verdict| vec![verdict; source.cases.len()];
    let skipped = ["skipping async tests", "- skipping"];
    if skipped.iter().any(|text| ended.stderr.contains(text)) {
        return all(Verdict::DidNotRun);
    }
    let is_well = ended.status.is_some_and(|status| status.success());
    if is_well && ended.stdout.lines().any(|line| line == "PASS") {
        return all(Verdict::Ok);
    }
    // A case may say more, or under an older name of its own. If none is named, none is known to hold.
    let is_named = |case: &String| ended.stderr.contains(&format!("{case}()"));
    let Some(failed) = source.cases.iter().position(is_named) else {
        let mut verdicts = all(Verdict::DidNotRun);
        verdicts[0] = Verdict::Failed;
        return verdicts;
    };
    let verdict = |number: usize| match number {
        before if before < failed => Verdict::Ok,
        number if number == failed => Verdict::Failed,
        _ => Verdict::DidNotRun,
    };
    (0..source.cases.len()).map(verdict).collect()
}

/// The number of a case in docs/behaviour.md, section 9.
pub fn rule(source: &Source, case: &str) -> &'static str {
    match (
        case.trim_start_matches("test_ASYNC_"),
        source.has_six_arguments,
    ) {
        ("init_pool" | "init", false) => "T1",
        ("init_thread", false) => "T1",
        ("start_job", false) => "T2",
        ("get_current_job", false) => "T3",
        ("get_wait_fd", false) => "T4",
        ("block_pause", false) => "T5",
        ("init_thread", true) => "T6",
        ("start_job", true) => "T7",
        ("get_current_job", true) => "T8",
        ("block_pause", true) => "T9",
        ("WAIT_CTX_get_all_fds" | "get_wait_fd", true) if source.has_extended_fds => "T11",
        ("WAIT_CTX_get_all_fds" | "get_wait_fd", true) => "T10",
        ("callback_status", true) => "T12",
        ("start_job_ex", true) => "T13",
        ("set_mem_functions", true) => "T14",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn verdicts(status: i32, stdout: &str, stderr: &str) -> Vec<Verdict> {
        let source = Source {
            file: "x".into(),
            version: String::new(),
            cases: vec![
                "test_a".to_owned(),
                "test_b".to_owned(),
                "test_c".to_owned(),
            ],
            has_six_arguments: true,
            has_extended_fds: false,
            wants_libcrypto: false,
            is_interim: false,
        };
        let ended = Ended {
            status: Some(ExitStatus::from_raw(status)),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        read(&source, &ended)
    }

    #[test]
    fn only_what_ran_to_its_end_is_ok() {
        use Verdict::{DidNotRun, Failed, Ok};
        assert_eq!(verdicts(0, "callback test pass\nPASS\n", ""), [Ok, Ok, Ok]);
        assert_eq!(
            verdicts(256, "", "test_b() failed\n"),
            [Ok, Failed, DidNotRun]
        );
        assert_eq!(
            verdicts(0, "PASS\n", "no ASYNC - skipping async tests\n"),
            [DidNotRun; 3]
        );
        assert_eq!(verdicts(11, "", ""), [Failed, DidNotRun, DidNotRun]);
        // A crash at the end of the process is no success.
        assert_eq!(verdicts(11, "PASS\n", ""), [Failed, DidNotRun, DidNotRun]);
        assert_eq!(verdicts(0, "", ""), [Failed, DidNotRun, DidNotRun]);
    }
}
