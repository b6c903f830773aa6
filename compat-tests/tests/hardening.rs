//! The built library as the linker and the loader see it: which names it exports, and that it
//! needs nothing that a hardened system refuses. Also that a set-id program ignores the library's
//! environment variables.

use compat_tests::{
    Linkage, build_library, command, compile, expected_library, ignore, ignore_for_want,
    looked_up_by_name, need_jobs, program_source, report, root, run,
};
use object::read::archive::ArchiveFile;
use object::read::elf::{Dyn, ElfFile64, ProgramHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags, elf};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

fn main() -> ExitCode {
    compat_tests::tests![
        the_library_exports_what_the_headers_declare_and_nothing_else,
        no_exported_function_calls_another_by_its_exported_name,
        no_stack_is_executable,
        no_object_of_the_archive_needs_an_executable_stack,
        all_references_are_bound_at_the_start_and_read_only_afterwards,
        no_code_is_writable,
        the_library_is_not_unloaded,
        thread_locals_take_at_most_256_bytes,
        the_library_names_no_directory_to_search,
        the_library_imports_nothing_for_threads_programs_or_the_network,
        a_set_id_program_ignores_the_librarys_variables,
    ]
    .run()
}

type Elf = ElfFile64<'static, Endianness>;

fn shared_file() -> PathBuf {
    expected_library(Path::new(""), Linkage::Shared)
}

/// `libossl_async.so` as `cargo build --release` makes it.
fn shared() -> &'static Elf {
    static SHARED: OnceLock<Elf> = OnceLock::new();
    SHARED.get_or_init(|| parse(&shared_file()))
}

fn parse(file: &Path) -> Elf {
    let bytes = fs::read(file).expect("the library was built");
    ElfFile64::parse(&*bytes.leak()).expect("it is an ELF file of 64 bits")
}

/// The flags of the segments of one type.
fn segments(kind: u32) -> Vec<u32> {
    let endian = shared().endian();
    let all = shared().elf_program_headers().iter();
    all.filter(|segment| segment.p_type(endian) == kind)
        .map(|segment| segment.p_flags(endian))
        .collect()
}

/// The library's dynamic section: tag and value.
fn dynamic() -> BTreeMap<u64, u64> {
    let (endian, data) = (shared().endian(), shared().data());
    let entries = shared()
        .elf_program_headers()
        .iter()
        .find_map(|segment| segment.dynamic(endian, data).expect("it can be read"))
        .expect("a shared library has a dynamic section");
    entries
        .iter()
        .map(|entry| (entry.d_tag(endian), entry.d_val(endian)))
        .collect()
}

fn dynamic_flags(tag: u32) -> u64 {
    dynamic().get(&tag.into()).copied().unwrap_or(0)
}

/// The functions that the headers declare: each name of this library with an argument list, and
/// the names that `async.h` gives to functions in programs of the five-argument API.
fn declared() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for header in [
        "csrc/include/openssl/async.h",
        "csrc/include/openssl/asyncerr.h",
        "csrc/standalone/openssl/err.h",
    ] {
        let text = fs::read_to_string(root().join(header)).expect("the header is there");
        let mut code = String::new();
        let mut rest = text.as_str();
        while let Some((before, comment)) = rest.split_once("/*") {
            code += before;
            rest = comment.split_once("*/").expect("a comment that ends").1;
        }
        code += rest;
        let redirected = code.lines().filter_map(|line| {
            let define = line
                .strip_prefix('#')?
                .trim_start()
                .strip_prefix("define ASYNC_")?;
            define.split_once(" OSSL_ASYNC_")
        });
        names.extend(redirected.map(|(_, ours)| format!("OSSL_ASYNC_{ours}")));
        let declarations = code.lines().filter(|line| !line.starts_with('#'));
        for declaration in declarations {
            let Some((before, _)) = declaration.split_once('(') else {
                continue;
            };
            let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let name = before.rsplit(word).next().unwrap_or_default();
            if name.starts_with("ASYNC_") || name.starts_with("OSSL_ASYNC_") {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

// Rules: B2
fn the_library_exports_what_the_headers_declare_and_nothing_else() {
    let declared = declared();
    assert!(declared.len() > 70, "{declared:?}");
    assert_eq!(exports(shared()), declared);
}

fn exports(library: &Elf) -> BTreeSet<String> {
    let symbols = library.dynamic_symbols();
    symbols
        .filter(|symbol| symbol.is_definition())
        .map(|symbol| symbol.name().expect("names are text").to_owned())
        .collect()
}

/// The library's own exports whose addresses the loader fills in, wherever it finds each name
/// first in the process.
fn own_exports_that_the_loader_looks_up(file: &Path) -> BTreeSet<String> {
    let looked_up = looked_up_by_name(file);
    assert!(looked_up.contains("malloc"), "{looked_up:?}");
    looked_up
        .intersection(&exports(&parse(file)))
        .cloned()
        .collect()
}

/// If libcrypto comes first, such a call would leave the library in the middle of its work. Also
/// tested without optimisation, where the compiler has not inlined functions.
// Rules: B2
fn no_exported_function_calls_another_by_its_exported_name() {
    let plain = build_library("unoptimised", |cargo| {
        cargo.args(["--config", "profile.release.opt-level=0"]);
    });
    let found =
        [shared_file(), plain.shared].map(|file| own_exports_that_the_loader_looks_up(&file));
    assert!(
        found.iter().all(BTreeSet::is_empty),
        "as it is built, and without optimisation: {found:?}"
    );
}

fn no_stack_is_executable() {
    let stacks = segments(elf::PT_GNU_STACK);
    assert_eq!(
        stacks.len(),
        1,
        "without one the kernel takes it for executable"
    );
    assert_eq!(stacks[0] & elf::PF_X, 0);
}

/// Linkers treat an object without the note as one that needs an executable stack.
fn no_object_of_the_archive_needs_an_executable_stack() {
    let bytes = fs::read(shared_file().with_file_name("libossl_async.a")).expect("it was built");
    let archive = ArchiveFile::parse(&*bytes).expect("it is an archive");
    let mut shim = false;
    for member in archive.members() {
        let member = member.expect("the archive is whole");
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let data = member.data(&*bytes).expect("it is in the archive");
        if !data.starts_with(&elf::ELFMAG) {
            continue; // rustc's metadata
        }
        let object = object::File::parse(data).expect("it is an ELF file");
        let stack = object
            .section_by_name(".note.GNU-stack")
            .unwrap_or_else(|| panic!("{name} has no note about its stack"));
        let SectionFlags::Elf { sh_flags } = stack.flags() else {
            panic!("{name} is not an ELF file")
        };
        assert_eq!(sh_flags & u64::from(elf::SHF_EXECINSTR), 0, "{name}");
        shim |= name.ends_with("fibre.o");
    }
    assert_eq!(shim, ossl_async::is_capable(), "the shim is among them");
}

fn all_references_are_bound_at_the_start_and_read_only_afterwards() {
    assert_eq!(segments(elf::PT_GNU_RELRO).len(), 1);
    let now = dynamic().contains_key(&elf::DT_BIND_NOW.into())
        || dynamic_flags(elf::DT_FLAGS) & u64::from(elf::DF_BIND_NOW) != 0
        || dynamic_flags(elf::DT_FLAGS_1) & u64::from(elf::DF_1_NOW) != 0;
    assert!(now, "{:x?}", dynamic());
}

fn no_code_is_writable() {
    assert!(!dynamic().contains_key(&elf::DT_TEXTREL.into()));
    assert_eq!(dynamic_flags(elf::DT_FLAGS) & u64::from(elf::DF_TEXTREL), 0);
    let loaded = segments(elf::PT_LOAD);
    assert!(loaded.iter().any(|flags| flags & elf::PF_X != 0));
    let both = elf::PF_W | elf::PF_X;
    assert!(
        loaded.iter().all(|flags| flags & both != both),
        "{loaded:?}"
    );
}

// Rules: D15, F10
fn the_library_is_not_unloaded() {
    need_jobs();
    let flags = dynamic_flags(elf::DT_FLAGS_1);
    assert_ne!(flags & u64::from(elf::DF_1_NODELETE), 0, "{flags:x}");
}

/// With glibc they are taken from some 1,600 bytes that all later loaded libraries share. See
/// `csrc/thread.c`.
// Rules: F10
fn thread_locals_take_at_most_256_bytes() {
    let endian = shared().endian();
    let sizes: Vec<u64> = shared()
        .elf_program_headers()
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_TLS)
        .map(|segment| segment.p_memsz(endian))
        .collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    assert!(sizes[0] <= 256, "{sizes:?}");
    let is_initial_exec = dynamic_flags(elf::DT_FLAGS) & u64::from(elf::DF_STATIC_TLS) != 0;
    let wanted = ossl_async::is_capable() && cfg!(all(target_os = "linux", target_env = "gnu"));
    assert!(
        is_initial_exec || !wanted,
        "they must be found without a call"
    );
}

fn the_library_names_no_directory_to_search() {
    for tag in [elf::DT_RPATH, elf::DT_RUNPATH] {
        assert!(!dynamic().contains_key(&tag.into()), "{tag}");
    }
}

/// The library cannot call a function that it does not import.
fn the_library_imports_nothing_for_threads_programs_or_the_network() {
    let imported: BTreeSet<&str> = shared()
        .dynamic_symbols()
        .filter(|symbol| symbol.is_undefined())
        .map(|symbol| symbol.name().expect("names are text"))
        .collect();
    assert!(imported.contains("malloc"), "{imported:?}");
    for name in [
        "pthread_create",
        "thrd_create",
        "clone",
        "fork",
        "vfork",
        "_Fork",
        "execve",
        "execvp",
        "posix_spawn",
        "posix_spawnp",
        "system",
        "popen",
        "socket",
        "connect",
    ] {
        assert!(!imported.contains(name), "{name}");
    }
}

// ---- The environment ----

/// Every variable that the library reads, with a value that has an effect.
const VARIABLES: [(&str, &str); 4] = [
    ("OSSL_ASYNC_GUARD", "mprotect"),
    ("OSSL_ASYNC_STATS", "1"),
    ("OSSL_ASYNC_OVERFLOW_REPORT", "1"),
    ("OSSL_ASYNC_STACK_SIZE", "1048576"),
];

/// The names of such variables in the sources, as they are passed to the C library.
fn variables_in_sources(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("the sources are there") {
        let path = entry.expect("the directory can be read").path();
        if path.is_dir() {
            variables_in_sources(&path, found);
        } else {
            let text = fs::read_to_string(&path).expect("sources are text");
            let names = text.split("c\"OSSL_ASYNC_").skip(1);
            found.extend(names.filter_map(|rest| {
                let name = rest.split_once('"')?.0;
                Some(format!("OSSL_ASYNC_{name}"))
            }));
        }
    }
}

fn lines(text: &str) -> [&str; 4] {
    let lines: Vec<&str> = text.lines().collect();
    lines.try_into().expect("what the program says")
}

fn a_set_id_program_ignores_the_librarys_variables() {
    const OWNER: u32 = 1;
    const USER: u32 = 65534;
    need_jobs();
    let mut listened_to = BTreeSet::new();
    variables_in_sources(&root().join("src"), &mut listened_to);
    let tried: BTreeSet<String> = VARIABLES.map(|(name, _)| name.to_owned()).into();
    assert!(
        !listened_to.is_empty() && listened_to.is_subset(&tried),
        "{listened_to:?}"
    );

    // With the archive, because the directories to search for libraries would be ignored too.
    let program = compile(&program_source("setid/environment"), Linkage::Static, &[]);
    let plain = run(&mut command(&[], &program));
    assert_eq!(lines(&plain.stdout)[..2], ["secure 0", "handler none"]);
    assert_eq!(plain.stderr, "");
    let heard = run(command(&[], &program).envs(VARIABLES));
    let [secure, handler, guards, stack] = lines(&heard.stdout);
    assert_eq!((secure, handler), ("secure 0", "handler installed"));
    assert_eq!(guards, "guards in mappings of their own 1");
    assert_ne!(stack, lines(&plain.stdout)[3]);
    assert!(
        heard.stderr.starts_with("ossl-async: created=1 "),
        "{}",
        heard.stderr
    );

    // SAFETY: the function has no conditions.
    if unsafe { libc::geteuid() } != 0 {
        ignore("only root can make a program that belongs to another user");
    }
    let directory = Scratch::new();
    let set_id = directory.0.join("environment");
    fs::copy(&program, &set_id).expect("a directory of our own");
    chown(&set_id, Some(OWNER), None).expect("we are root");
    let mode = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(&set_id, mode).expect("it is our file");
    let mut command = command(&[], &set_id);
    command.uid(USER).gid(USER).envs(VARIABLES);
    if command.output().is_err() {
        ignore_for_want("no other user can run programs in the temporary directory");
    }
    let ran = run(&mut command);
    if ran.stdout.starts_with("secure 0\n") {
        ignore_for_want("the temporary directory or the kernel ignores set-id bits");
    }
    let expected = plain.stdout.replacen("secure 0", "secure 1", 1);
    assert_eq!((ran.stdout, ran.stderr), (expected, String::new()));
    assert!(ran.status.success());
    report("\nok a set-id program ignored the variables\n");
}

/// A directory that other users can read. It is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let name = format!("ossl-async-set-id-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a temporary directory can be made");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&directory, mode).expect("it is our directory");
        Scratch(directory)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _may_stay_behind = fs::remove_dir_all(&self.0);
    }
}
