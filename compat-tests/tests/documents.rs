//! The form of the documents and the C headers: the length of the README and of lines of prose,
//! and that links lead somewhere. Their content is tested in `rules.rs`, `system.rs`,
//! `link_order.rs` and `.ci/readme-commands`.

use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const LONGEST_LINE: usize = 100;
const LONGEST_README: usize = 150;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// The files of a folder with this ending, as paths from the root.
fn files_in(folder: &str, ending: &str) -> BTreeSet<String> {
    fs::read_dir(Path::new(ROOT).join(folder))
        .expect(folder)
        .map(|entry| entry.expect(folder).file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .map(|name| Path::new(folder).join(name).to_str().unwrap().to_owned())
        .collect()
}

fn documents() -> BTreeSet<String> {
    let mut found = files_in("", ".md");
    found.append(&mut files_in("docs", ".md"));
    assert!(found.len() >= 8, "{found:?}");
    found
}

fn headers() -> BTreeSet<String> {
    let mut found = files_in("csrc/include/openssl", ".h");
    found.append(&mut files_in("csrc/standalone/openssl", ".h"));
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// The lines of a document outside code blocks, with their numbers.
fn lines_outside_code(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            inside ^= is_fence;
            !inside && !is_fence
        })
        .map(|(index, line)| (index + 1, line))
        .collect()
}

/// A heading's anchor as GitHub makes it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            _ => c.is_alphanumeric().then_some(c),
        })
        .collect()
}

/// The anchors of a document, which are its headings. A repeated heading gets a number.
fn anchors(name: &str) -> BTreeSet<String> {
    let text = read(name);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = lines_outside_code(&text)
        .into_iter()
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| anchor(line.trim_start_matches('#').trim()));
    let mut found = BTreeSet::new();
    for heading in headings {
        let count = seen.entry(heading.clone()).or_default();
        let numbered = format!("{heading}-{count}");
        found.insert(if *count == 0 { heading } else { numbered });
        *count += 1;
    }
    found
}

/// A file's name from the root, without `..`.
fn tidy(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => assert!(parts.pop(), "outside: {path:?}"),
            part => parts.push(part),
        }
    }
    parts.to_str().unwrap().to_owned()
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= LONGEST_README, "README.md has {lines} lines");
}

#[test]
fn prose_of_documents_and_headers_fits_a_line() {
    let mut long = String::new();
    let mut check = |name: &str, number: usize, line: &str| {
        let length = line.chars().count();
        if length > LONGEST_LINE {
            long += &format!("{name}:{number}: {length} characters\n");
        }
    };
    for name in documents() {
        for (number, line) in lines_outside_code(&read(&name)) {
            if !line.starts_with('|') {
                check(&name, number, line);
            }
        }
    }
    for name in headers() {
        for (index, line) in read(&name).lines().enumerate() {
            check(&name, index + 1, line);
        }
    }
    assert!(long.is_empty(), "{long}");
}

#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_heading() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut wrong = String::new();
    let mut count = 0;
    for name in documents() {
        for (number, line) in lines_outside_code(&read(&name)) {
            for found in link.captures_iter(line) {
                let target = &found[1];
                if target.starts_with("https://") {
                    continue;
                }
                count += 1;
                let (file, heading) = match target.split_once('#') {
                    Some((file, heading)) => (file, Some(heading)),
                    None => (target, None),
                };
                let file = match file {
                    "" => name.clone(),
                    file => tidy(&Path::new(&name).parent().unwrap().join(file)),
                };
                if !Path::new(ROOT).join(&file).exists() {
                    wrong += &format!("{name}:{number}: there is no file {file}\n");
                } else if let Some(heading) = heading {
                    if !anchors(&file).contains(heading) {
                        wrong += &format!("{name}:{number}: {file} has no heading #{heading}\n");
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 20, "only {count} links were found");
}

/// The crate's documentation links the reference by its URL.
#[test]
fn every_link_of_the_crates_documentation_leads_to_a_heading_of_a_document() {
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let link = Regex::new(r"/blob/main/([\w./-]+\w)(?:#([\w-]+))?").unwrap();
    let mut files = vec![];
    sources(&Path::new(ROOT).join("src"), &mut files);
    let mut count = 0;
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for found in link.captures_iter(&text) {
            count += 1;
            let (place, file) = (path.display(), &found[1]);
            assert!(
                Path::new(ROOT).join(file).exists(),
                "{place}: there is no file {file}"
            );
            if let Some(heading) = found.get(2) {
                assert!(
                    anchors(file).contains(heading.as_str()),
                    "{place}: {file} has no heading #{}",
                    heading.as_str()
                );
            }
        }
    }
    assert!(count > 0, "no link was found");
}

/// So the README's example is compiled and run as a test of the crate's documentation.
#[test]
fn the_rust_example_of_the_readme_is_the_crates_first() {
    let example = |text: &str, begin: &str| -> Vec<String> {
        let (_, rest) = text.split_once(begin).expect("an example");
        let (example, _) = rest.split_once("\n```").expect("its end");
        example
            .lines()
            .filter(|line| !line.starts_with("# "))
            .map(str::to_owned)
            .collect()
    };
    let source = read("src/lib.rs").replace("//! ", "").replace("//!", "");
    let tested = example(&source, "```\n");
    assert!(tested.len() > 5, "{tested:?}");
    assert_eq!(example(&read("README.md"), "```rust\n"), tested);
}

#[test]
fn readme_and_contributing_link_the_behaviour_reference() {
    for name in ["README.md", "CONTRIBUTING.md", "src/lib.rs"] {
        assert!(read(name).contains("docs/behaviour.md)"), "{name}");
    }
}
