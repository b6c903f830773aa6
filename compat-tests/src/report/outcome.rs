//! What a case came to on a library.

use super::cases::Case;
use super::process::Ended;
use compat_tests::cases::transcript;
use regex::Regex;

/// What a case came to: a word, and what there is to say besides.
#[derive(Clone)]
pub struct Outcome {
    /// `ok`, `failed`, `differs`, `SIGSEGV`, `absent:ASYNC_wake`, `out-of-time`, `ended-early`, `exit-3`,
    /// `too-old`, `not-run`.
    pub word: String,
    /// The check that failed, the first line that differs, why it did not run.
    pub detail: String,
}

impl Outcome {
    fn new(word: impl Into<String>, detail: impl Into<String>) -> Outcome {
        Outcome {
            word: word.into(),
            detail: detail.into(),
        }
    }

    /// It was not run, for this reason.
    pub fn not_run(why: impl Into<String>) -> Outcome {
        Outcome::new("not-run", why)
    }

    /// What kind of result it is, for filters and colours: the word without what follows a colon.
    pub fn kind(&self) -> &str {
        match self.word.split_once(':') {
            Some((kind, _)) => kind,
            None if self.word.starts_with("SIG") => "crash",
            None => &self.word,
        }
    }

    /// As tables show it.
    pub fn text(&self) -> String {
        self.word.replace([':', '-'], " ")
    }
}

/// What the process of a case says about it. `reference` is what libcrypto said, for a case that writes a transcript.
pub fn read(case: &Case, ended: &Ended, reference: Option<&str>) -> Outcome {
    let undefined =
        Regex::new(r"symbol lookup error: .*undefined symbol: (\w+)").expect("a pattern");
    if let Some(found) = undefined.captures(&ended.stderr) {
        // A program without OpenSSL calls the functions of the error queue by names of this library's.
        let name = found[1].replace("OSSL_ASYNC_ERR_", "ERR_");
        let name = name.replace("report_start_job", "ASYNC_start_job(6)");
        return Outcome::new(format!("absent:{name}"), "");
    }
    match ended.status {
        None => return Outcome::new("out-of-time", ""),
        Some(_) if ended.signal().is_some() => return of_signal(ended.signal().unwrap_or(0)),
        Some(_) => {}
    }
    if case.is_transcript() {
        return of_transcript(case, ended, reference);
    }
    let line = ended.stdout.lines().find(|line| {
        let mut words = line.split(' ');
        matches!(words.next(), Some("ok" | "FAILED")) && words.next() == Some(&case.name)
    });
    let code = ended.status.and_then(|status| status.code());
    match line {
        Some(line) if line.starts_with("ok ") && code == Some(0) => {
            let remark = ended.stdout.lines().any(|line| line == "# no error queue");
            let remark = if remark {
                "error codes were not compared: there is no queue"
            } else {
                ""
            };
            Outcome::new("ok", remark)
        }
        Some(line) if line.starts_with("FAILED ") => of_failure(case, line),
        _ if code == Some(0) => Outcome::new("ended-early", ""),
        _ => {
            let said = ended.stderr.lines().last().unwrap_or_default();
            Outcome::new(format!("exit-{}", code.unwrap_or(-1)), said)
        }
    }
}

/// `FAILED NAME (wake.c:12: what does not hold)`, and then the rules.
fn of_failure(case: &Case, line: &str) -> Outcome {
    let text = line["FAILED ".len()..]
        .strip_prefix(&case.name)
        .unwrap_or(line);
    let text = text.trim().trim_start_matches('(');
    let text = text.rsplit_once(")  ").map_or(text, |(text, _)| text);
    Outcome::new("failed", text)
}

fn of_signal(signal: i32) -> Outcome {
    match signal {
        libc::SIGXCPU | libc::SIGALRM => Outcome::new("out-of-time", ""),
        libc::SIGSEGV => Outcome::new("SIGSEGV", ""),
        libc::SIGABRT => Outcome::new("SIGABRT", ""),
        libc::SIGBUS => Outcome::new("SIGBUS", ""),
        libc::SIGILL => Outcome::new("SIGILL", ""),
        libc::SIGTRAP => Outcome::new("SIGTRAP", ""),
        libc::SIGKILL => Outcome::new("SIGKILL", ""),
        libc::SIGPIPE => Outcome::new("SIGPIPE", ""),
        other => Outcome::new(format!("SIG{other}"), ""),
    }
}

fn of_transcript(case: &Case, ended: &Ended, reference: Option<&str>) -> Outcome {
    let signal = Regex::new(r"(?m)^ended by signal (\d+)$").expect("a pattern");
    if let Some(found) = signal.captures(&ended.stdout) {
        return of_signal(found[1].parse().unwrap_or(0));
    }
    if ended.stdout.lines().any(|line| line == "absent") {
        return Outcome::new("absent:ASYNC_set_mem_functions", "");
    }
    if ended.stdout.is_empty() {
        let why = "the program leaves the case out: OpenSSL's headers here are too old for it";
        return Outcome::new("too-old", why);
    }
    let said = |text: &str| transcript(text).remove(&case.name);
    let Some(Ok(seen)) = said(&ended.stdout) else {
        return Outcome::new("ended-early", "");
    };
    let Some(Ok(expected)) = reference.and_then(said) else {
        return Outcome::not_run("there is no transcript of libcrypto's to compare with");
    };
    match first_difference(&expected, &seen) {
        None => Outcome::new("ok", ""),
        Some(difference) => Outcome::new("differs", difference),
    }
}

/// The first line that differs.
pub fn first_difference(expected: &str, seen: &str) -> Option<String> {
    let mut expected = expected.lines();
    let mut seen = seen.lines();
    loop {
        match (expected.next(), seen.next()) {
            (None, None) => return None,
            (left, right) if left == right => {}
            (left, right) => {
                let line = |line: Option<&str>| line.unwrap_or("(nothing more)").to_owned();
                return Some(format!("libcrypto: {} | here: {}", line(left), line(right)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn outcome(program: &str, status: i32, stdout: &str, stderr: &str) -> (String, String) {
        let case = Case {
            program: program.to_owned(),
            name: "a_case".to_owned(),
            rules: vec![],
        };
        let ended = Ended {
            status: Some(ExitStatus::from_raw(status)),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        let reference = "== a_case  Header: x.h\nx = 1\nend\n";
        let outcome = read(&case, &ended, Some(reference));
        (outcome.word, outcome.detail)
    }

    #[test]
    fn a_result_is_read_from_what_a_process_says_and_how_it_ends() {
        let word = |status, stdout, stderr| outcome("states", status, stdout, stderr).0;
        assert_eq!(word(0, "library x\nok a_case  Header: x.h\n", ""), "ok");
        assert_eq!(word(0, "library x\n", ""), "ended-early");
        assert_eq!(
            word(0, "library x\nok another_case  Header: x.h\n", ""),
            "ended-early"
        );
        assert_eq!(word(11, "library x\n", ""), "SIGSEGV");
        assert_eq!(word(24, "", ""), "out-of-time");
        assert_eq!(word(3 << 8, "", ""), "exit-3");
        // A crash after the verdict is a crash.
        assert_eq!(word(11, "ok a_case  Header: x.h\n", ""), "SIGSEGV");
        assert_eq!(
            word(
                127 << 8,
                "",
                "./x: symbol lookup error: ./x: undefined symbol: OSSL_ASYNC_ERR_get_error"
            ),
            "absent:ERR_get_error"
        );
        assert_eq!(
            outcome(
                "states",
                1 << 8,
                "FAILED a_case (x.c:1: f(2) == 1 (3 = 0x3))  Header: x.h\n",
                ""
            ),
            ("failed".to_owned(), "x.c:1: f(2) == 1 (3 = 0x3)".to_owned())
        );
    }

    #[test]
    fn a_transcript_is_compared_with_libcryptos() {
        let word = |stdout| outcome("gen2/start", 0, stdout, "").0;
        assert_eq!(word("== a_case  Header: x.h\nx = 1\nend\n"), "ok");
        assert_eq!(word("== a_case  Header: x.h\nx = 2\nend\n"), "differs");
        assert_eq!(
            word("== a_case  Header: x.h\nx = 1\nx = 1\nend\n"),
            "differs"
        );
        assert_eq!(word(""), "too-old");
        assert_eq!(word("== a_case  Header: x.h\nx = 1\n"), "ended-early");
        assert_eq!(
            word("== a_case  Header: x.h\nx = 1\nended by signal 11\n"),
            "SIGSEGV"
        );
        assert_eq!(
            word("== a_case  Header: x.h\nabsent\nend\n"),
            "absent:ASYNC_set_mem_functions"
        );
    }
}
