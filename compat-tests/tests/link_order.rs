//! Programs that link this library and libcrypto: who answers the program and who answers libssl, for each order of the two, each
//! API, and the shared and the static library. README.md has the table of it.

use Api::{FiveArguments, SixArguments};
use Whose::{Libcrypto, Ours};
use compat_tests::{
    Linkage, bindings, command, compile_beside_openssl, compile_shared_library, expected_library,
    left_out, left_out_for_want, openssl_is_installed, program_source, report, root, run,
};
use object::{Object, ObjectSymbol};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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

/// A way to link a program, and what comes of it.
#[derive(Clone, Copy)]
struct Row {
    first: Whose,
    api: Api,
    linkage: Linkage,
    answers_program: Whose,
    answers_libssl: Whose,
}

/// One test a row, and the list of them.
macro_rules! rows {
    ($($name:ident: $first:ident $api:ident $linkage:ident => $program:ident $libssl:ident;)*) => {
        const ROWS: &[(&str, Row)] = &[$((stringify!($name), Row {
            first: $first,
            api: $api,
            linkage: Linkage::$linkage,
            answers_program: $program,
            answers_libssl: $libssl,
        })),*];
        $(
            // Rules: B2, B18, B31
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

// First on the command line, API, which file of this library => who answers the program, who answers libssl.
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

fn check(name: &str) {
    let (_, row) = ROWS.iter().find(|(row, _)| *row == name).expect("a row");
    check_row(name, *row, &[]);
}

// Rules: B2, B18, B31
#[test]
fn a_function_that_only_this_library_has_brings_the_whole_archive() {
    let row = Row {
        first: Libcrypto,
        api: SixArguments,
        linkage: Linkage::Static,
        answers_program: Ours,
        answers_libssl: Ours,
    };
    check_row("asks", row, &["-DASKS"]);
}

fn can_be_tested(name: &str) -> bool {
    let what = format!("the link order {name}");
    if !ossl_async::is_capable() {
        left_out(&what, "this build of the library has no jobs");
        return false;
    }
    if !openssl_is_installed() {
        left_out_for_want(&what, "OpenSSL's headers are not installed (libssl-dev)");
        return false;
    }
    true
}

fn check_row(name: &str, row: Row, options: &[&str]) {
    if !can_be_tested(name) {
        return;
    }
    let mut options = options.to_vec();
    if row.api == SixArguments {
        options.push("-DOSSL_ASYNC_WAIT_CTX_API");
    }
    let source = program_source("link_order/who_answers");
    let program = compile_beside_openssl(&source, row.linkage, row.first == Ours, name, &options);
    let ran = run(command(&[], &program).envs([("LD_BIND_NOW", "1"), ("LD_DEBUG", "bindings")]));
    let whose = |file: &str| whose(Path::new(file), &expected_library(&program, row.linkage));

    // The program, by the addresses of the functions that it calls.
    let said = ran.stdout.lines().filter_map(|line| {
        let (function, file) = line.strip_prefix("program ")?.split_once(' ')?;
        Some((function, file))
    });
    let mut functions = 0;
    for (function, file) in said {
        assert_eq!(
            whose(file),
            row.answers_program,
            "{name}: {function} of {file}"
        );
        functions += 1;
    }
    let expected = match row.api {
        FiveArguments => 29,
        SixArguments => 16,
    };
    assert_eq!(functions, expected, "{name}: {}", ran.stdout);

    // libssl, as the dynamic linker has resolved its references.
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
            row.answers_libssl,
            "{name}: libssl has {symbol} of {file}"
        );
    }
    for function in ["ASYNC_start_job", "ASYNC_WAIT_CTX_new"] {
        assert!(
            of_libssl.iter().any(|(_, _, symbol)| symbol == function),
            "{name}: no word of libssl's {function}"
        );
    }

    // Where the archive was not needed, nothing of it is there to be asked.
    let absent = row.linkage == Linkage::Static && row.answers_program == Libcrypto;
    let serves = match (absent, row.answers_libssl) {
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

/// Whose code a file has, if it is one of the two.
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

#[test]
fn the_readme_has_the_table() {
    let readme = fs::read_to_string(root().join("README.md")).expect("it is there");
    let lines: BTreeSet<&str> = readme.lines().collect();
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
        let (program, libssl) = (whose(row.answers_program), whose(row.answers_libssl));
        let line = format!("| {order} | {api} | {linkage} | {program} | {libssl} |");
        assert!(
            lines.contains(line.as_str()),
            "{name}: not in the README: {line}"
        );
    }
}

// Rules: B2
#[test]
fn a_program_with_plain_names_runs_on_another_library_too() {
    let name = "plain_names";
    if !can_be_tested(name) {
        return;
    }
    let plain = ["-DOSSL_ASYNC_PLAIN_NAMES"];
    let include = format!("-I{}", root().join("csrc/include").display());
    let another = compile_shared_library(
        &program_source("link_order/another_library"),
        "plain",
        &[plain[0], &include],
    );
    let source = program_source("link_order/who_answers");
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
