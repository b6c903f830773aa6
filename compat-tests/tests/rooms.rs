//! The rooms of the library: which file uses which. Two files may not use each other, directly or
//! through others, and two rooms may not either. A room is a folder of `src`, with the file of its
//! name. Tests may use anything and are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src");

/// A module's path in the crate, without `crate` itself.
type Module = Vec<String>;

/// The modules of the crate by path, each with its file; the root has an empty path.
fn modules() -> BTreeMap<Module, PathBuf> {
    fn collect(folder: &Path, at: &Module, found: &mut BTreeMap<Module, PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("it can be read").path();
            let name = path.file_stem().expect("a name").to_str().expect("ASCII");
            let mut module = at.clone();
            module.push(name.to_owned());
            if path.is_dir() {
                collect(&path, &module, found);
            } else if name != "tests" && path.extension().is_some_and(|kind| kind == "rs") {
                found.insert(module, path);
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(Path::new(SOURCES), &vec![], &mut found);
    let root = found.remove(&vec!["lib".to_owned()]).expect("src/lib.rs");
    found.insert(vec![], root);
    found
}

/// The paths in one file, from the root of the crate.
struct References<'a> {
    of: &'a Module,
    /// Modules that the file declares, which it may name without `self`.
    children: BTreeSet<String>,
    found: BTreeSet<Vec<String>>,
}

impl References<'_> {
    /// Records a path if it begins with `crate`, `super`, `self` or a child.
    fn note(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let mut from = self.of.clone();
        let rest = match first.as_str() {
            "crate" => {
                from.clear();
                &path[1..]
            }
            "self" => &path[1..],
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                from.truncate(from.len().saturating_sub(up));
                &path[up..]
            }
            child if self.children.contains(child) => path,
            _ => return,
        };
        from.extend(rest.iter().cloned());
        self.found.insert(from);
    }

    fn note_tree(&mut self, before: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_tree(before, &path.tree);
                before.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_tree(before, tree);
                }
            }
            syn::UseTree::Name(name) if name.ident == "self" => self.note(before),
            syn::UseTree::Name(syn::UseName { ident })
            | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                before.push(ident.to_string());
                self.note(before);
                before.pop();
            }
            syn::UseTree::Glob(_) => self.note(before),
        }
    }

    /// Records paths in a macro's tokens, which the parser does not analyse.
    fn note_tokens(&mut self, tokens: proc_macro2::TokenStream) {
        use proc_macro2::TokenTree;
        let mut path: Vec<String> = vec![];
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(part) if colons == 2 || path.is_empty() => {
                    path.push(part.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(colon) if colon.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.note_tokens(group.stream()),
                _ => {}
            }
            self.note(&path);
            path.clear();
            colons = 0;
        }
        self.note(&path);
    }
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for References<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_of_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&mut vec![], &item.tree);
    }
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let parts: Vec<String> = path
                .segments
                .iter()
                .map(|part| part.ident.to_string())
                .collect();
            self.note(&parts);
        }
        visit::visit_path(self, path);
    }
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.note_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

/// The files that each file refers to.
fn uses() -> BTreeMap<Module, BTreeSet<Module>> {
    let modules = modules();
    let mut uses = BTreeMap::new();
    for (module, path) in &modules {
        let text = fs::read_to_string(path).expect("a source");
        let file =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let children = file.items.iter().filter_map(|item| match item {
            syn::Item::Mod(child) if !is_of_tests(&child.attrs) => Some(child.ident.to_string()),
            _ => None,
        });
        let mut references = References {
            of: module,
            children: children.collect(),
            found: BTreeSet::new(),
        };
        references.visit_file(&file);
        let mut files = BTreeSet::new();
        for path in references.found {
            // The file is that of the longest module that the path begins with.
            let longest = (0..=path.len())
                .rev()
                .find(|length| modules.contains_key(&path[..*length]));
            files.insert(path[..longest.expect("the root is one")].to_vec());
        }
        files.remove(module);
        uses.insert(module.clone(), files);
    }
    uses
}

/// A circle among these, if there is one. Each file in it uses the next.
fn circle(uses: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    fn visit(
        at: &Module,
        uses: &BTreeMap<Module, BTreeSet<Module>>,
        done: &mut BTreeSet<Module>,
        way: &mut Vec<Module>,
    ) -> Option<Vec<Module>> {
        if let Some(begin) = way.iter().position(|before| before == at) {
            return Some(way[begin..].to_vec());
        }
        if !done.insert(at.clone()) {
            return None;
        }
        way.push(at.clone());
        let found = uses[at]
            .iter()
            .find_map(|next| visit(next, uses, done, way));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    uses.keys()
        .find_map(|at| visit(at, uses, &mut done, &mut vec![]))
}

/// `platform/ucontext` is chosen under the name `imp`.
fn with_implementation(uses: &mut BTreeMap<Module, BTreeSet<Module>>) {
    let ucontext = vec!["platform".to_owned(), "ucontext".to_owned()];
    let platform = uses.get_mut(&ucontext[..1]).expect("src/platform.rs");
    platform.insert(ucontext);
}

#[test]
fn no_file_uses_one_that_uses_it() {
    let mut uses = uses();
    with_implementation(&mut uses);
    assert!(uses.len() > 40, "only {} files were found", uses.len());
    let count: usize = uses.values().map(BTreeSet::len).sum();
    assert!(count > 150, "only {count} uses were found");
    assert_eq!(circle(&uses), None, "each of these uses the next");
}

#[test]
fn no_room_uses_one_that_uses_it() {
    let mut rooms: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    // The root declares all rooms, and no room uses it.
    for (module, used) in uses().into_iter().filter(|(module, _)| !module.is_empty()) {
        let room = module[..1].to_vec();
        let others = used
            .into_iter()
            .filter_map(|other| Some(vec![other.into_iter().next()?]));
        let others: Vec<Module> = others.filter(|other| *other != room).collect();
        rooms.entry(room).or_default().extend(others);
    }
    assert_eq!(circle(&rooms), None, "each of these uses the next");
    // The layers below the faces must not use a face.
    for (room, used) in &rooms {
        let faces = ["capi", "rust_api", "sys"];
        let is_face = faces.contains(&room[0].as_str());
        let used_faces: Vec<&Module> = used
            .iter()
            .filter(|other| faces.contains(&other[0].as_str()))
            .collect();
        assert!(
            is_face || used_faces.is_empty(),
            "{room:?} uses {used_faces:?}"
        );
    }
}

#[test]
fn no_file_has_more_than_300_lines() {
    for path in modules().values() {
        let lines = fs::read_to_string(path).expect("a source").lines().count();
        assert!(lines <= 300, "{}: {lines} lines", path.display());
    }
}

#[test]
fn a_circle_is_found() {
    let name = |name: &str| vec![name.to_owned()];
    let mut uses = BTreeMap::from([
        (name("a"), BTreeSet::from([name("b"), name("d")])),
        (name("b"), BTreeSet::from([name("c")])),
        (name("c"), BTreeSet::from([name("d")])),
        (name("d"), BTreeSet::new()),
    ]);
    assert_eq!(circle(&uses), None);
    uses.insert(name("d"), BTreeSet::from([name("b")]));
    assert_eq!(circle(&uses), Some(vec![name("b"), name("c"), name("d")]));
}
