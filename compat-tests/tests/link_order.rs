//! Programs that link this library and libcrypto: which library the program calls, and which
//! libssl calls. For each order of the two, each API, and the shared and static libraries of both.
//! docs/c.md has the table.

use Api::{FiveArguments, SixArguments};
use Whose::{Libcrypto, Ours};
use compat_tests::{
    Linkage, StaticOpenssl, bindings, command, compile_beside_openssl, compile_shared_library,
    expected_archive, expected_library, installed_archive, need_jobs, need_openssl,
    need_static_openssl, program_source, report, root, run,
};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        a_function_that_only_this_library_has_links_the_whole_archive,
        the_archive_that_cargo_makes_is_refused_beside_libcryptos,
        the_archive_that_is_installed_has_the_same_functions_and_is_small,
        the_document_for_c_has_the_table,
        a_program_with_plain_names_runs_on_another_library_too,
    ];
    for (name, row) in ROWS {
        tests.add(*name, || check_row(name, *row, &[]));
    }
    for (name, row) in ARCHIVE_ROWS {
        tests.add(*name, || check_archives(name, *row));
    }
    tests.run()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Libcrypto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    FiveArguments,
    SixArguments,
}

/// A way to link a program, and the result.
#[derive(Clone, Copy)]
struct Row {
    first: Whose,
    api: Api,
    linkage: Linkage,
    called_by_program: Whose,
    called_by_libssl: Whose,
}

/// The rows. Each is a test.
macro_rules! rows {
    ($($name:ident: $first:ident $api:ident $linkage:ident => $program:ident $libssl:ident;)*) => {
        const ROWS: &[(&str, Row)] = &[$((stringify!($name), Row {
            first: $first,
            api: $api,
            linkage: Linkage::$linkage,
            called_by_program: $program,
            called_by_libssl: $libssl,
        })),*];
    };
}

// First on the command line, API, kind of this library => the library that the program calls, the
// one that libssl calls.
rows! {
    ours_first_five_arguments_shared: Ours FiveArguments Shared => Ours Ours;
    ours_first_five_arguments_static: Ours FiveArguments Static => Ours Ours;
    ours_first_six_arguments_shared: Ours SixArguments Shared => Ours Ours;
    ours_first_six_arguments_static: Ours SixArguments Static => Ours Ours;
    libcrypto_first_five_arguments_shared: Libcrypto FiveArguments Shared => Ours Libcrypto;
    libcrypto_first_five_arguments_static: Libcrypto FiveArguments Static => Ours Ours;
    libcrypto_first_six_arguments_shared: Libcrypto SixArguments Shared => Libcrypto Libcrypto;
    libcrypto_first_six_arguments_static: Libcrypto SixArguments Static => Libcrypto Libcrypto;
}

// Rules: B2, B18, B31
fn a_function_that_only_this_library_has_links_the_whole_archive() {
    let row = Row {
        first: Libcrypto,
        api: SixArguments,
        linkage: Linkage::Static,
        called_by_program: Ours,
        called_by_libssl: Ours,
    };
    check_row("asks", row, &["-DASKS"]);
}

fn can_be_tested() {
    need_jobs();
    need_openssl();
}

// Rules: B2, B18, B31
fn check_row(name: &str, row: Row, options: &[&str]) {
    can_be_tested();
    let mut options = options.to_vec();
    if row.api == SixArguments {
        options.push("-DOSSL_ASYNC_WAIT_CTX_API");
    }
    let source = program_source("link_order/which_library");
    let program = compile_beside_openssl(&source, row.linkage, row.first == Ours, name, &options);
    let ran = run(command(&[], &program).envs([("LD_BIND_NOW", "1"), ("LD_DEBUG", "bindings")]));
    let whose = |file: &str| whose(Path::new(file), &expected_library(&program, row.linkage));

    // Which library the program calls, by the addresses of the functions.
    let said = ran.stdout.lines().filter_map(|line| {
        let (function, file) = line.strip_prefix("program ")?.split_once(' ')?;
        Some((function, file))
    });
    let mut functions = 0;
    for (function, file) in said {
        assert_eq!(
            whose(file),
            row.called_by_program,
            "{name}: {function} of {file}"
        );
        functions += 1;
    }
    let expected = match row.api {
        FiveArguments => 29,
        SixArguments => 16,
    };
    assert_eq!(functions, expected, "{name}: {}", ran.stdout);

    // Which library libssl calls, as the dynamic linker has resolved its references.
    let of_libssl: Vec<_> = bindings(&ran.stderr)
        .into_iter()
        .filter(|(from, _, symbol)| {
            let from = from.rsplit('/').next().unwrap_or_default();
            from.starts_with("libssl.so") && symbol.starts_with("ASYNC_")
        })
        .collect();
    for (_, file, symbol) in &of_libssl {
        assert_eq!(
            whose(file),
            row.called_by_libssl,
            "{name}: libssl has {symbol} of {file}"
        );
    }
    for function in ["ASYNC_start_job", "ASYNC_WAIT_CTX_new"] {
        assert!(
            of_libssl.iter().any(|(_, _, symbol)| symbol == function),
            "{name}: libssl's {function} is not in the output"
        );
    }

    // If the archive was not needed, the program has none of its functions.
    let absent = row.linkage == Linkage::Static && row.called_by_program == Libcrypto;
    let serves = match (absent, row.called_by_libssl) {
        (true, _) => "",
        (false, Ours) => "serves libssl 1\n",
        (false, Libcrypto) => "serves libssl 0\n",
    };
    let end = format!("{serves}3 7\n");
    let said: String = ran
        .stdout
        .lines()
        .filter(|line| !line.starts_with("program "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(ran.status.success(), "{name}: {}\n{said}", ran.status);
    assert_eq!(said, end, "{name}");
    report(&format!("\nok {name}\n"));
}

/// Which of the two libraries a file belongs to.
fn whose(file: &Path, ours: &Path) -> Whose {
    let canonical = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with("libcrypto.so") {
        Libcrypto
    } else {
        assert_eq!(
            canonical(file),
            canonical(ours),
            "neither libcrypto nor ours"
        );
        Ours
    }
}

// ---- OpenSSL's archives ----

/// The place of this library's archive on the command line.
#[derive(Clone, Copy)]
enum Place {
    First,
    Between,
    Last,
}

/// The rows. Each is a test. The archive is the one that is installed.
macro_rules! archive_rows {
    ($($name:ident: $place:ident $api:ident => $program:ident $libssl:ident;)*) => {
        const ARCHIVE_ROWS: &[(&str, (Place, Api, Whose, Whose))] =
            &[$((stringify!($name), (Place::$place, $api, $program, $libssl))),*];
    };
}

archive_rows! {
    archives_ours_first_five_arguments: First FiveArguments => Ours Libcrypto;
    archives_ours_between_five_arguments: Between FiveArguments => Ours Libcrypto;
    archives_ours_last_five_arguments: Last FiveArguments => Ours Libcrypto;
    archives_ours_first_six_arguments: First SixArguments => Libcrypto Libcrypto;
    archives_ours_between_six_arguments: Between SixArguments => Libcrypto Libcrypto;
    archives_ours_last_six_arguments: Last SixArguments => Libcrypto Libcrypto;
}

/// Links `which_library` with the three archives. The linker's map tells where every symbol came
/// from.
fn link_archives(
    name: &str,
    place: Place,
    api: Api,
    ours: &Path,
    openssl: &StaticOpenssl,
) -> Result<(PathBuf, BTreeMap<String, String>), String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("archives");
    fs::create_dir_all(&directory).expect("the target directory can be written");
    let (program, map) = (directory.join(name), directory.join(format!("{name}.map")));
    let [libssl, libcrypto] =
        ["libssl.a", "libcrypto.a"].map(|archive| openssl.directory.join(archive));
    let archives = match place {
        Place::First => [ours, &libssl, &libcrypto],
        Place::Between => [&libssl, ours, &libcrypto],
        Place::Last => [&libssl, &libcrypto, ours],
    };
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root().join("csrc/include"))
        .args((api == SixArguments).then_some("-DOSSL_ASYNC_WAIT_CTX_API"))
        .arg(program_source("link_order/which_library"))
        .arg(format!("-Wl,-Map={}", map.display()))
        .args(archives)
        .args(&openssl.needs)
        .args(["-lgcc_s", "-lm", "-ldl", "-lpthread", "-o"])
        .arg(&program);
    let linked = run(&mut cc);
    if !linked.status.success() {
        return Err(linked.stderr);
    }
    // " .text  0xADDRESS  0xSIZE FILE", with the section on a line of its own if it is long. Then
    // the symbols that it defines: "  0xADDRESS  SYMBOL".
    let text = fs::read_to_string(map).expect("the linker wrote it");
    let mut file = "";
    let mut symbols = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(' ')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [.., address, size, from] if address.starts_with("0x") && size.starts_with("0x") => {
                file = from;
            }
            [address, symbol] if address.starts_with("0x") => {
                symbols.insert(symbol.to_owned(), file.to_owned());
            }
            _ => {}
        }
    }
    Ok((program, symbols))
}

// Rules: B2, B18, B31
fn check_archives(name: &str, (place, api, program, libssl): (Place, Api, Whose, Whose)) {
    can_be_tested();
    let openssl = need_static_openssl();
    let (file, symbols) =
        link_archives(name, place, api, installed_archive(), openssl).expect("it links");
    let whose = |symbol: &str| {
        let file = symbols
            .get(symbol)
            .unwrap_or_else(|| panic!("{name}: {symbol} is not in the map"));
        match file {
            file if file.contains("/libcrypto.a(") => Libcrypto,
            file if file.contains("/libossl_async.a(") => Ours,
            file => panic!("{name}: {symbol} of {file}"),
        }
    };
    for function in references(&openssl.directory.join("libssl.a")) {
        assert_eq!(whose(&function), libssl, "{name}: libssl has {function}");
    }
    let ran = run(&mut Command::new(&file));
    let called: Vec<&str> = ran
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("program ")?.split(' ').next())
        .collect();
    assert!(called.len() >= 16, "{name}: {}", ran.stdout);
    for function in called {
        let symbol = match (api, function) {
            (FiveArguments, "ASYNC_start_job" | "ASYNC_start_job_2015") => {
                "ASYNC_start_job_2015".to_owned()
            }
            (FiveArguments, _) => format!("OSSL_{function}"),
            (SixArguments, _) => function.to_owned(),
        };
        assert_eq!(whose(&symbol), program, "{name}: {symbol}");
    }
    assert!(
        ran.status.success() && ran.stdout.ends_with("\n3 7\n"),
        "{name}: {}\n{}",
        ran.status,
        ran.stdout
    );
    assert!(!ran.stdout.contains("serves libssl 1"), "{name}");
    report(&format!("\nok {name}\n"));
}

/// The functions of this library that an archive refers to but does not define.
fn references(archive: &Path) -> BTreeSet<String> {
    let bytes = fs::read(archive).expect("it can be read");
    let archive = ArchiveFile::parse(&*bytes).expect("it is an archive");
    let mut names = BTreeSet::new();
    for member in archive.members() {
        let data = member.expect("it is whole").data(&*bytes);
        let object = object::File::parse(data.expect("it is whole")).expect("an ELF file");
        for symbol in object.symbols().filter(|symbol| symbol.is_undefined()) {
            let name = symbol.name().expect("names are text");
            if name.starts_with("ASYNC_") {
                names.insert(name.to_owned());
            }
        }
    }
    assert!(names.contains("ASYNC_start_job"), "{names:?}");
    names
}

/// Shows why the archive is changed before it is installed.
fn the_archive_that_cargo_makes_is_refused_beside_libcryptos() {
    let name = "archives_untreated";
    can_be_tested();
    let openssl = need_static_openssl();
    let plain = expected_archive();
    let refused = link_archives(name, Place::First, FiveArguments, &plain, openssl);
    let message = refused.expect_err("two strong symbols of one name");
    assert!(message.contains("multiple definition"), "{message}");
}

/// The other functions keep strong names, and nothing else is lost.
fn the_archive_that_is_installed_has_the_same_functions_and_is_small() {
    let functions = |file: &Path| {
        let bytes = fs::read(file).expect("it was made");
        let archive = ArchiveFile::parse(&*bytes).expect("it is an archive");
        let mut found = BTreeMap::new();
        for member in archive.members() {
            let data = member.expect("it is whole").data(&*bytes);
            let Ok(object) = object::File::parse(data.expect("it is whole")) else {
                continue;
            };
            for symbol in object.symbols().filter(|symbol| symbol.is_definition()) {
                let name = symbol.name().expect("names are text");
                if name.starts_with("ASYNC_") || name.starts_with("OSSL_ASYNC_") {
                    found.insert(name.to_owned(), symbol.is_weak());
                }
            }
        }
        (found, bytes.len())
    };
    let (plain, size) = functions(&expected_archive());
    let (installed, small) = functions(installed_archive());
    assert!(plain.keys().eq(installed.keys()), "{plain:?} {installed:?}");
    assert!(plain.values().all(|weak| !weak), "{plain:?}");
    for (name, weak) in installed {
        assert_eq!(weak, name.starts_with("ASYNC_"), "{name}");
    }
    assert!(small < size / 2, "{small} of {size}");
}

fn the_document_for_c_has_the_table() {
    let document = fs::read_to_string(root().join("docs/c.md")).expect("it is there");
    let lines: BTreeSet<&str> = document.lines().collect();
    let name = |whose| match whose {
        Ours => "this library",
        Libcrypto => "libcrypto",
    };
    for (_, (place, api, program, libssl)) in ARCHIVE_ROWS {
        let order = match place {
            Place::First => "`libossl_async.a libssl.a libcrypto.a`",
            Place::Between => "`libssl.a libossl_async.a libcrypto.a`",
            Place::Last => "`libssl.a libcrypto.a libossl_async.a`",
        };
        let api = match api {
            FiveArguments => "five arguments",
            SixArguments => "six arguments",
        };
        let (program, libssl) = (name(*program), name(*libssl));
        let line = format!("| {order} | {api} | installed `.a` | {program} | {libssl} |");
        assert!(lines.contains(line.as_str()), "not in the document: {line}");
    }
    for (name, row) in ROWS {
        let order = match row.first {
            Ours => "`-lossl_async -lcrypto`",
            Libcrypto => "`-lcrypto -lossl_async`",
        };
        let api = match row.api {
            FiveArguments => "five arguments",
            SixArguments => "six arguments",
        };
        let linkage = match row.linkage {
            Linkage::Shared => "`.so`",
            Linkage::Static => "`.a`",
        };
        let whose = |whose| match whose {
            Ours => "this library",
            Libcrypto => "libcrypto",
        };
        let (program, libssl) = (whose(row.called_by_program), whose(row.called_by_libssl));
        let line = format!("| {order} | {api} | {linkage} | {program} | {libssl} |");
        assert!(
            lines.contains(line.as_str()),
            "{name}: not in the document: {line}"
        );
    }
}

// Rules: B2
fn a_program_with_plain_names_runs_on_another_library_too() {
    let name = "plain_names";
    can_be_tested();
    let plain = ["-DOSSL_ASYNC_PLAIN_NAMES"];
    let include = format!("-I{}", root().join("csrc/include").display());
    let another = compile_shared_library(
        &program_source("link_order/another_library"),
        "plain",
        &[plain[0], &include],
    );
    let source = program_source("link_order/which_library");
    let program = compile_beside_openssl(&source, Linkage::Shared, true, name, &plain);
    for (file, what) in [(&program, "refers to"), (&another, "has")] {
        let bytes = fs::read(file).expect("it was compiled");
        let parsed = object::File::parse(&*bytes).expect("it is an ELF file");
        let symbols: BTreeSet<&str> = parsed
            .dynamic_symbols()
            .filter(|symbol| symbol.is_undefined() == (file == &program))
            .map(|symbol| symbol.name().expect("names are text"))
            .collect();
        for symbol in ["ASYNC_start_job_2015", "ASYNC_pause_job"] {
            assert!(
                symbols.contains(symbol),
                "{} {what} {symbols:?}",
                file.display()
            );
        }
        assert!(
            !symbols.contains("ASYNC_start_job"),
            "{} {what} it",
            file.display()
        );
    }
    for (preloaded, file, end) in [
        (None, expected_library(&program, Linkage::Shared), "\n3 7\n"),
        (Some(&another), another.clone(), "\n3 107\n"),
    ] {
        let mut command = command(&[], &program);
        if let Some(library) = preloaded {
            command.env("LD_PRELOAD", library);
        }
        let ran = run(&mut command);
        assert!(
            ran.status.success() && ran.stdout.ends_with(end),
            "{name}: {}\n{}{}",
            ran.status,
            ran.stdout,
            ran.stderr
        );
        for function in ["ASYNC_start_job", "ASYNC_pause_job"] {
            let prefix = format!("program {function} ");
            let said = ran
                .stdout
                .lines()
                .find_map(|line| line.strip_prefix(&prefix));
            let said = fs::canonicalize(said.expect("each is named")).expect("it is a file");
            assert_eq!(said, fs::canonicalize(&file).unwrap(), "{name}: {function}");
        }
    }
}
