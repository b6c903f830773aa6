//! The results that are expected: `programs/expected.txt`.

use super::cases::Case;
use super::library::Library;
use super::outcome::Outcome;
use super::run::Result;
use compat_tests::root;
use std::fs;

/// A line of the list.
struct Line {
    /// `program::case`, or `*` for any.
    case: String,
    /// Beginnings of libraries' keys: `libcrypto` for all of them, `libcrypto-3.0` for some.
    libraries: Vec<String>,
    /// One of these words.
    words: Vec<String>,
    /// The rule that explains it.
    rule: String,
}

impl Line {
    /// How closely the line names a library: 0 if it does not.
    fn closeness(&self, key: &str) -> usize {
        let names = self.libraries.iter().filter(|begin| is_begin(begin, key));
        names.map(String::len).max().unwrap_or(0)
    }

    /// Whether it has the outcome, by its word or by what kind it is.
    fn has(&self, outcome: &Outcome) -> bool {
        let names = [outcome.word.as_str(), outcome.kind()];
        self.words.iter().any(|word| names.contains(&word.as_str()))
    }
}

/// The list.
pub struct Expected(Vec<Line>);

impl Expected {
    /// Reads the list of the repository.
    pub fn read() -> std::result::Result<Expected, String> {
        let file = root().join("compat-tests/programs/expected.txt");
        let text =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Expected::of(&text).map_err(|why| format!("{}: {why}", file.display()))
    }

    fn of(text: &str) -> std::result::Result<Expected, String> {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.map(|(number, line)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [case, library, result, rule] = words[..] else {
                return Err(format!("line {}: not four words", number + 1));
            };
            Ok(Line {
                case: case.to_owned(),
                libraries: library.split(',').map(str::to_owned).collect(),
                words: result.split('|').map(str::to_owned).collect(),
                rule: rule.to_owned(),
            })
        });
        lines.collect::<std::result::Result<_, _>>().map(Expected)
    }

    /// Compares what a case came to with what is expected: what the list says of the case and the library, in the line that
    /// names the library most closely; a function that the list says the library does not have; else `ok`.
    pub fn judge(&self, case: &Case, library: &Library, outcome: Outcome) -> Result {
        let key = case.key();
        let of_library = |line: &&Line| line.closeness(&library.key) > 0;
        let lines = self.0.iter().filter(of_library);
        let of_case = lines.clone().filter(|line| line.case == key);
        let of_case = of_case.max_by_key(|line| line.closeness(&library.key));
        let mut of_any = lines.filter(|line| line.case == "*");
        let of_any = of_any.find(|line| line.has(&outcome));
        let line = of_case.or(of_any);
        let is_ok = outcome.word == "ok";
        // A library that the list does not know by its version may be better than those that it was written from.
        let is_unknown = ["five", "six"].contains(&library.key.as_str());
        let is_expected = match line {
            Some(line) => line.has(&outcome) || of_any.is_some() || (is_ok && is_unknown),
            None => is_ok,
        };
        Result {
            is_expected,
            expected: line.map_or("ok".to_owned(), |line| line.words.join("|")),
            rule: line.map_or(String::new(), |line| line.rule.clone()),
            outcome,
        }
    }
}

/// Whether a key begins with these parts: `libcrypto-3.0` is of `libcrypto-3.0.22`, and not of `libcrypto-3.01`.
fn is_begin(begin: &str, key: &str) -> bool {
    match key.strip_prefix(begin) {
        Some(rest) => rest.is_empty() || rest.starts_with(['-', '.']),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::cases;
    use crate::report::library::{Kind, Library};

    const LIST: &str = "# a remark\n\ns::c libcrypto failed|crash D1\ns::c libcrypto-1.1,libcrypto-3.0 ok D2\n\
        * libcrypto absent:f D3\n* five absent -\ns::c five failed D4\n";

    /// What the list says of a result, and by which rule.
    fn judged(key: &str, word: &str) -> (bool, String) {
        let case = Case {
            program: "s".to_owned(),
            name: "c".to_owned(),
            rules: vec![],
        };
        let library = Library {
            path: "x".into(),
            kind: Kind::Six,
            title: key.to_owned(),
            key: key.to_owned(),
            version: String::new(),
            preload: "x".into(),
        };
        let outcome = Outcome {
            word: word.to_owned(),
            detail: String::new(),
        };
        let list = Expected::of(LIST).expect("a list");
        let result = list.judge(&case, &library, outcome);
        (result.is_expected, result.rule)
    }

    #[test]
    fn the_line_that_names_a_library_most_closely_counts() {
        let (yes, no) = (
            |rule: &str| (true, rule.to_owned()),
            |rule: &str| (false, rule.to_owned()),
        );
        assert_eq!(judged("ours", "ok"), yes(""));
        assert_eq!(judged("ours", "absent:f"), no(""));
        assert_eq!(judged("libcrypto-3.5.1", "failed"), yes("D1"));
        assert_eq!(judged("libcrypto-3.5.1", "SIGSEGV"), yes("D1"));
        assert_eq!(judged("libcrypto-3.5.1", "ok"), no("D1"));
        assert_eq!(judged("libcrypto-3.0.2", "ok"), yes("D2"));
        assert_eq!(judged("libcrypto-3.0.2", "failed"), no("D2"));
        assert!(judged("libcrypto-3.0.2", "absent:f").0);
        assert!(!judged("libcrypto-3.0.2", "absent:g").0);
        // Others may be better.
        assert_eq!(judged("five", "ok"), yes("D4"));
        assert!(judged("five", "absent:g").0);
        assert!(!judged("five", "SIGSEGV").0);
    }

    #[test]
    fn the_list_names_cases_that_there_are_and_rules_that_can_be_explained() {
        let all: Vec<String> = cases::all().iter().map(Case::key).collect();
        for line in Expected::read().expect("the list").0 {
            assert!(
                line.case == "*" || all.contains(&line.case),
                "{}",
                line.case
            );
            let is_rule = !["-", "extension"].contains(&line.rule.as_str());
            if is_rule {
                crate::report::explain::rule(&line.rule).expect("a rule");
            }
        }
    }
}
