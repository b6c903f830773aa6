//! The manual pages, `docs/man`. mandoc reports nothing. They document every function of the
//! headers as it is declared, with all its errors. Each program in them prints what the page
//! shows.

use compat_tests::{Linkage, command, compile, ignore_for_want, need_jobs, report, root, run};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    compat_tests::tests![
        mandoc_reports_nothing,
        lines_are_short_and_sections_complete,
        every_function_of_the_headers_is_in_exactly_one_page,
        the_synopses_are_the_declarations_of_the_headers,
        the_pages_have_the_error_codes_of_the_header,
        every_rule_that_a_page_names_is_in_the_reference,
        the_list_of_links_has_every_other_name_of_a_page,
        man_finds_every_function,
        every_example_compiles_without_a_warning_and_prints_what_its_page_shows,
    ]
    .run()
}

const SECTION_3: &str = ".3async";

/// What a page of section 3 must have, in this order.
const SECTIONS: [&str; 10] = [
    "NAME",
    "LIBRARY",
    "SYNOPSIS",
    "DESCRIPTION",
    "RETURN VALUES",
    "EXAMPLES",
    "ERRORS",
    "THREADS AND SIGNAL HANDLERS",
    "DIFFERENCES FROM OPENSSL",
    "SEE ALSO",
];

fn folder() -> PathBuf {
    root().join("docs/man")
}

/// All pages, by the names of their files.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(folder()).expect("the pages are there") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().expect("a file").to_str().expect("text");
        if name != "links" {
            let text = fs::read_to_string(&path).expect("a page is text");
            pages.insert(name.to_owned(), text);
        }
    }
    assert!(pages.len() > 10, "{:?}", pages.keys());
    pages
}

fn pages_of_section_3() -> BTreeMap<String, String> {
    let mut pages = pages();
    pages.retain(|name, _| name.ends_with(SECTION_3));
    pages
}

/// A section's lines.
fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("\n.Sh {title}\n"))
        .unwrap_or_else(|| panic!("no section {title}"));
    rest.split("\n.Sh ").next().expect("there is a first part")
}

/// The names by which a page can be found.
fn names(page: &str) -> Vec<String> {
    let lines = section(page, "NAME").lines();
    lines
        .filter_map(|line| line.strip_prefix(".Nm "))
        .map(|name| name.trim_end_matches(" ,").to_owned())
        .collect()
}

/// A function of a header: its declaration without white space, and the error codes in its
/// comment.
#[derive(Debug, Default)]
struct Declared {
    declaration: String,
    codes: BTreeSet<String>,
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

/// What a header declares, by name.
fn declared_in(header: &str) -> BTreeMap<String, Declared> {
    let text = fs::read_to_string(root().join(header)).expect("a header");
    let comment = Regex::new(r"(?s)/\*.*?\*/").unwrap();
    let directive = Regex::new(r"(?m)^\s*#(?:.*\\\n)*.*$").unwrap();
    let body = Regex::new(r"(?s)\{[^{}]*\}").unwrap();
    let function = Regex::new(r"^[^(]*?(\w+)\s*\((?s:.*)\)$").unwrap();
    let listed = Regex::new(r"(?m)^ \*   (0x33[0-9a-f]{6})  ").unwrap();
    let mut found = BTreeMap::new();
    // Comments are removed later, and must not look like the end of a statement. Structures have
    // semicolons inside too.
    let text = comment.replace_all(&text, |comment: &regex::Captures<'_>| {
        comment[0].replace(';', ",")
    });
    for statement in directive.replace_all(&text, "").split(';') {
        let codes = listed.captures_iter(statement);
        let codes = codes.map(|code| code[1].to_owned()).collect();
        let code = comment.replace_all(statement, "");
        let code = body.replace_all(&code, "");
        let code = code.replace("extern \"C\" {", "");
        let code = code.trim();
        if let (Some(name), false) = (function.captures(code), code.starts_with("typedef")) {
            let declaration = without_space(code);
            found.insert(name[1].to_owned(), Declared { declaration, codes });
        }
    }
    found
}

/// The functions of `openssl/async.h`, and those of the standalone `openssl/err.h` under the names
/// that programs use.
fn functions() -> BTreeMap<String, Declared> {
    let mut functions = declared_in("csrc/include/openssl/async.h");
    assert!(functions.len() > 35, "{:?}", functions.keys());
    for (name, mut declared) in declared_in("csrc/standalone/openssl/err.h") {
        let familiar = name
            .strip_prefix("OSSL_ASYNC_")
            .expect("a symbol of ours")
            .to_owned();
        declared.declaration = declared.declaration.replace(&name, &familiar);
        functions.insert(familiar, declared);
    }
    assert!(functions.contains_key("ERR_get_error"));
    functions
}

/// It runs in their folder, so that it finds the pages that they name.
fn mandoc_reports_nothing() {
    if Command::new("mandoc").arg("-h").output().is_err() {
        ignore_for_want("mandoc is not installed");
    }
    let mut mandoc = Command::new("mandoc");
    mandoc.arg("-Tlint").args(pages().keys());
    let ran = run(mandoc.current_dir(folder()));
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert!(ran.status.success(), "{}", ran.status);
}

fn lines_are_short_and_sections_complete() {
    for (name, page) in pages() {
        for (number, line) in page.lines().enumerate() {
            let length = line.chars().count();
            assert!(length <= 80, "{name}:{}: {length} characters", number + 1);
        }
    }
    for (name, page) in pages_of_section_3() {
        let titles: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix(".Sh "))
            .filter(|title| *title != "HISTORY")
            .collect();
        assert_eq!(titles, SECTIONS, "{name}");
    }
}

fn every_function_of_the_headers_is_in_exactly_one_page() {
    let mut documented = BTreeMap::new();
    for (page, text) in pages_of_section_3() {
        let names = names(&text);
        let own = page.strip_suffix(SECTION_3).expect("filtered above");
        assert_eq!(names.first().expect("a name"), own, "{page}");
        for name in names {
            let before = documented.insert(name.clone(), page.clone());
            assert_eq!(before, None, "{name} is also in {page}");
        }
    }
    let declared: BTreeSet<String> = functions().into_keys().collect();
    let documented: BTreeSet<String> = documented.into_keys().collect();
    let missing: Vec<_> = declared.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&declared).collect();
    assert!(missing.is_empty(), "not in any page: {missing:?}");
    assert!(unknown.is_empty(), "not in any header: {unknown:?}");
}

/// The five-argument call is declared under the name that the macro expands to.
fn the_synopses_are_the_declarations_of_the_headers() {
    let functions = functions();
    let block = Regex::new(r"(?s)\.Ft (.*?)\n\.Fo (\w+)\n(.*?)\.Fc").unwrap();
    let mut seen = BTreeSet::new();
    for (page, text) in pages_of_section_3() {
        for found in block.captures_iter(section(&text, "SYNOPSIS")) {
            let arguments: Vec<&str> = found[3]
                .lines()
                .map(|line| line.strip_prefix(".Fa ").expect("an argument"))
                .map(|argument| argument.trim_matches('"'))
                .collect();
            let name = match (&found[2], arguments.len()) {
                ("ASYNC_start_job", 5) => "ASYNC_start_job_2015",
                (name, _) => name,
            };
            let result = found[1].trim_matches('"');
            let synopsis = format!("{result} {name}({})", arguments.join(", ")).replace(r"\&", "");
            let declared = &functions[name].declaration;
            assert_eq!(&without_space(&synopsis), declared, "{page}");
            assert!(names(&text).contains(&name.to_owned()), "{page}: {name}");
            seen.insert(name.to_owned());
        }
    }
    let all: BTreeSet<String> = functions.into_keys().collect();
    assert_eq!(seen, all, "the synopses and the headers differ");
}

/// A page has the error codes that the header lists for its function.
fn the_pages_have_the_error_codes_of_the_header() {
    let functions = functions();
    let code = Regex::new(r"(?m)^\.It (0x[0-9a-f]+)$").unwrap();
    let mut count = 0;
    for (page, text) in pages_of_section_3() {
        let listed: BTreeSet<String> = code
            .captures_iter(section(&text, "ERRORS"))
            .map(|found| found[1].to_owned())
            .collect();
        let names = names(&text);
        let expected = names.iter().flat_map(|name| functions[name].codes.clone());
        let expected: BTreeSet<String> = expected.collect();
        assert_eq!(listed, expected, "{page}");
        count += listed.len();
    }
    assert!(count > 15, "only {count} codes were found");
}

fn every_rule_that_a_page_names_is_in_the_reference() {
    let reference = fs::read_to_string(root().join("docs/behaviour.md")).expect("the reference");
    let named = Regex::new(r"\b([BSPFWKGD]\d{1,2})\b").unwrap();
    let mut count = 0;
    for (page, text) in pages() {
        for found in named.captures_iter(&text) {
            let rule = Regex::new(&format!(r"(?m)\*\*(?:[^*\n]*, )?{}\b", &found[1])).unwrap();
            assert!(rule.is_match(&reference), "{page}: {}", &found[1]);
            count += 1;
        }
    }
    assert!(count > 40, "only {count} were found");
}

/// The file `links` is for packages that install the pages.
fn the_list_of_links_has_every_other_name_of_a_page() {
    let list = fs::read_to_string(folder().join("links")).expect("the list of links");
    let listed: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    let mut expected = BTreeSet::new();
    for (page, text) in pages_of_section_3() {
        let links = names(&text)
            .into_iter()
            .map(|name| format!("{name}{SECTION_3}"));
        let links = links.filter(|link| *link != page);
        expected.extend(links.map(|link| format!("{link} {page}")));
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(listed, expected);
}

/// After an installation by that list, each function's name leads to its page. Debian has mandoc's
/// `man` as `mman`.
fn man_finds_every_function() {
    let is_there = |man: &&str| Command::new(man).arg("-h").output().is_ok();
    let Some(man) = ["mman", "man"].into_iter().find(is_there) else {
        ignore_for_want("man is not installed");
    };
    let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manual");
    let _absent_at_first = fs::remove_dir_all(&tree);
    let section_3 = tree.join("man3");
    fs::create_dir_all(&section_3).expect("a directory to install in");
    for page in pages_of_section_3().into_keys() {
        fs::copy(folder().join(&page), section_3.join(&page)).expect("a page is installed");
    }
    let list = fs::read_to_string(folder().join("links")).expect("the list of links");
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let (link, page) = line.split_once(' ').expect("two names");
        symlink(page, section_3.join(link)).expect("a link is installed");
    }
    for name in functions().into_keys() {
        let mut man = Command::new(man);
        let ran = run(man.arg("-M").arg(&tree).args(["-w", &name]));
        assert!(ran.status.success(), "{name}: {}", ran.stderr);
        let page = fs::read_to_string(ran.stdout.trim()).expect("man names a file");
        assert!(names(&page).contains(&name), "{name}: another page");
    }
}

/// Removes the escapes of mdoc from a line of a literal block.
fn plain(line: &str) -> String {
    let plain = line
        .replace(r"\&", "")
        .replace(r"\-", "-")
        .replace(r"\(aq", "'");
    let rest = plain.replace(r"\e", "");
    assert!(!rest.contains('\\'), "an escape that is not known: {line}");
    plain.replace(r"\e", r"\")
}

/// A program of a page, and its output as the page shows it.
struct Example {
    program: String,
    output: Option<String>,
}

/// The literal blocks that are programs. If the line "The program prints:" comes before the next
/// block, that is the program's output.
fn examples(page: &str) -> Vec<Example> {
    let mut found: Vec<Example> = vec![];
    let mut before = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.starts_with(".Bd -literal") {
            let block: String = lines
                .by_ref()
                .take_while(|line| *line != ".Ed")
                .map(|line| format!("{}\n", plain(line)))
                .collect();
            if block.contains("int main(") {
                found.push(Example {
                    program: block,
                    output: None,
                });
            } else if before == "The program prints:" {
                let example = found.last_mut().expect("a program comes before its output");
                assert_eq!(example.output, None, "two outputs of one program");
                example.output = Some(block);
            }
        }
        before = line;
    }
    found
}

// Rules: B7, B8, B19, B23, B34, B37, B41, P3, D5, D6, D16, G9, G19, G22, G33, G40
fn every_example_compiles_without_a_warning_and_prints_what_its_page_shows() {
    need_jobs();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manual-examples");
    fs::create_dir_all(&directory).expect("a directory for the programs");
    let mut shown = 0;
    for (page, text) in pages() {
        let (name, _) = page.rsplit_once('.').expect("a page has a section");
        let examples = examples(&text);
        assert!(!examples.is_empty(), "{page} has no example");
        for (number, example) in (1..).zip(examples) {
            let source = directory.join(format!("manual_{name}_{number}.c"));
            fs::write(&source, &example.program).expect("a program is written");
            let program = compile(&source, Linkage::Shared, &[]);
            let ran = run(&mut command(&[], &program));
            let what = format!("example {number} of {page}");
            assert!(
                ran.status.success(),
                "{what}: {}\n{}{}",
                ran.status,
                ran.stdout,
                ran.stderr
            );
            if let Some(output) = example.output {
                assert_eq!(ran.stdout, output, "{what}");
                shown += 1;
            }
            report(&format!("ok {what}\n"));
        }
    }
    assert!(shown > 10, "only {shown} pages show what a program prints");
}
