//! Runs the C programs under valgrind: no invalid access, and nothing lost but what the rules say is.

use compat_tests::{Linkage, check_program, left_out, left_out_for_want};
use std::process::{Command, Stdio};

const VALGRIND: [&str; 6] = [
    "valgrind",
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect",
    "--show-leak-kinds=definite,indirect,possible",
];

/// Runs one program under valgrind. A case that loses memory or touches what it must not ends with valgrind's status.
fn check(name: &str) {
    if ossl_async::is_capable() == (name == "null") {
        left_out(
            &format!("{name} under valgrind"),
            "it is not for this build of the library",
        );
        return;
    }
    let installed = Command::new(VALGRIND[0])
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if installed.is_ok_and(|status| status.success()) {
        check_program(name, Linkage::Shared, &VALGRIND, &[]);
    } else {
        left_out_for_want(
            &format!("{name} under valgrind"),
            "valgrind is not installed",
        );
    }
}

macro_rules! programs {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

// Not here: `soak`, which takes too long, and `limits`, `exhaustion`, `allocation`, `overflow` and `cycles`, which take
// away or measure what valgrind needs itself: memory, the allocator, faults, mappings.
programs! {
    arguments block cancel errors null pool stack_size states threads upstream wake
}

/// The second generation's.
mod second {
    macro_rules! programs {
        ($($name:ident)*) => {
            $(
                #[test]
                fn $name() {
                    super::check(concat!("gen2_ours/", stringify!($name)));
                }
            )*
        };
    }

    programs! {
        both_generations contexts custom_stacks second_misuse statistics
    }
}
