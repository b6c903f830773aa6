//! The C library exports the names of `capi/abi.txt`. `hardening.rs` tests that the headers
//! declare the same names.

use compat_tests::{Linkage, expected_library, root};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// MAJOR, MINOR, PATCH.
type Version = Vec<u32>;

fn version(text: &str) -> Version {
    let numbers = text.split('.').map(|number| number.parse().expect(text));
    let version: Version = numbers.collect();
    assert_eq!(version.len(), 3, "{text}");
    version
}

/// The file's names and versions, in its order.
fn entries() -> Vec<(String, Version)> {
    let text = fs::read_to_string(root().join("capi/abi.txt")).expect("the file is there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let entry = |line: &str| {
        let (name, since) = line.split_once(' ').expect(line);
        (name.to_owned(), version(since))
    };
    lines.map(entry).collect()
}

// Rules: B2
#[test]
fn the_library_exports_the_names_of_the_abi_file_and_no_others() {
    let bytes = fs::read(expected_library(Path::new(""), Linkage::Shared)).expect("it was built");
    let library = ElfFile64::<Endianness>::parse(&*bytes).expect("an ELF file of 64 bits");
    let exported: BTreeSet<String> = library
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition())
        .map(|symbol| symbol.name().expect("names are text").to_owned())
        .collect();
    let listed: BTreeSet<String> = entries().into_iter().map(|(name, _)| name).collect();
    let removed: Vec<_> = listed.difference(&exported).collect();
    let added: Vec<_> = exported.difference(&listed).collect();
    assert!(
        removed.is_empty() && added.is_empty(),
        "no longer exported: {removed:?}; exported, but not in capi/abi.txt: {added:?}"
    );
}

#[test]
fn the_abi_file_is_sorted_and_has_no_future_version() {
    let entries = entries();
    assert!(entries.len() > 70, "{entries:?}");
    let names: Vec<_> = entries.iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let current = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let current = version(current.expect("a version"));
    for (name, since) in entries {
        assert!(since <= current, "{name}: {since:?}");
    }
}
