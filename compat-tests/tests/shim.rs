//! The shim by itself (`programs/shim`): compiled in each of its ways, by gcc and clang, optimised or not, with and without
//! the processor's protections of control flow and the sanitizers; for this machine, and for aarch64 under qemu.

use compat_tests::{left_out_for_want, report, root, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The ways of switching: the name, and what chooses it.
const WAYS: [(&str, &[&str]); 3] = [
    ("registers", &[]),
    ("setjmp", &["-DOSSL_ASYNC_SETJMP"]),
    ("swapcontext", &["-DOSSL_ASYNC_SWAPCONTEXT"]),
];

const LEVELS: [&str; 2] = ["-O0", "-O2"];

/// What compiles for a machine, and what runs it.
struct Machine {
    compiler: &'static [&'static str],
    runner: &'static [&'static str],
}

const GCC: Machine = Machine {
    compiler: &["gcc"],
    runner: &[],
};
const CLANG: Machine = Machine {
    compiler: &["clang"],
    runner: &[],
};
/// `qemu-aarch64`, or the same under its other name.
const QEMU: &[&str] = &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"];
const QEMU_STATIC: &str = "qemu-aarch64-static";
const GCC_AARCH64: Machine = Machine {
    compiler: &["aarch64-linux-gnu-gcc"],
    runner: QEMU,
};
const CLANG_AARCH64: Machine = Machine {
    compiler: &["clang", "--target=aarch64-linux-gnu"],
    runner: QEMU,
};

fn runs(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Machine {
    /// Whether all that it takes is installed; if not, that is said by name.
    fn is_there(&self, what: &str) -> bool {
        let mut missing = vec![];
        for (tool, package) in [
            (self.compiler.first(), "the compiler"),
            (self.runner.first(), "qemu-user"),
        ] {
            let is_missing =
                |tool: &&&str| !(runs(tool) || QEMU.contains(tool) && runs(QEMU_STATIC));
            if let Some(tool) = tool.filter(is_missing) {
                missing.push(format!("{tool} ({package}) is not installed"));
            }
        }
        if !self.runner.is_empty() && !Path::new("/usr/aarch64-linux-gnu/lib/libc.so.6").exists() {
            missing.push("libc6-dev-arm64-cross is not installed".to_owned());
        }
        if !missing.is_empty() {
            left_out_for_want(&format!("the shim, {what}"), &missing.join(", "));
        }
        missing.is_empty()
    }

    fn compile(&self, flags: &[&str]) -> PathBuf {
        let name = [self.compiler, flags].concat().join("");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("shim-{}", name.replace(['/', '=', ','], "-")));
        let programs = root().join("compat-tests/programs/shim");
        let shim = root().join("csrc");
        let mut command = Command::new(self.compiler[0]);
        command
            .args(&self.compiler[1..])
            .args(["-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror"])
            .args(flags)
            .arg("-I")
            .arg(&shim)
            .arg(programs.join("fibres.c"))
            .args(["fibre.c", "x86_64.S", "aarch64.S", "checkers.c"].map(|file| shim.join(file)))
            .args([
                "-Wl,--wrap=getcontext,--wrap=setcontext,--wrap=swapcontext",
                "-lm",
                "-o",
            ])
            .arg(&program);
        let output = command.output().expect("the compiler has answered before");
        assert!(
            output.status.success(),
            "{command:?}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        program
    }

    /// What an object file of the shim says about itself: its protections, and that its stack is not executable.
    fn marks(&self, source: &str, flags: &[&str]) -> Vec<String> {
        let name = [self.compiler, flags, &[source]].concat().join("");
        let object = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("marks-{}.o", name.replace(['/', '='], "-")));
        let mut command = Command::new(self.compiler[0]);
        command
            .args(&self.compiler[1..])
            .args(flags)
            .args(["-Wall", "-Wextra", "-Werror", "-c", "-o"])
            .arg(&object)
            .arg(root().join("csrc").join(source));
        assert!(run(&mut command).status.success(), "{command:?}");
        let read = run(Command::new("readelf").arg("-nSW").arg(&object));
        let marks: Vec<String> = read
            .stdout
            .lines()
            .filter_map(|line| {
                let stack = line.contains(".note.GNU-stack");
                let properties = line.split_once("Properties: ").map(|(_, what)| what);
                let flags = line.split_whitespace().any(|field| field.contains('X'));
                properties
                    .map(str::to_owned)
                    .or(stack.then(|| format!("executable stack: {flags}")))
            })
            .collect();
        marks
    }

    /// Whether the assembly is marked as the compiler marks C, in an object file for each.
    fn check_marks(&self, what: &str, flags: &[&str], expected: &[&str]) {
        if !self.is_there(what) {
            return;
        }
        let expected = [&["executable stack: false"], expected].concat();
        for source in ["thread.c", "x86_64.S", "aarch64.S"] {
            assert_eq!(self.marks(source, flags), expected, "{what}: {source}");
        }
    }

    fn command(&self, program: &Path) -> Command {
        match self.runner {
            [] => Command::new(program),
            [runner, arguments @ ..] => {
                let mut command = Command::new(if runs(runner) { runner } else { QEMU_STATIC });
                command.args(arguments).arg(program);
                command
            }
        }
    }

    /// Compiles the program so, runs its cases, and answers where it is.
    fn check(&self, way: &str, flags: &[&str]) -> PathBuf {
        let program = self.compile(flags);
        self.check_cases(&program, way, flags, &[]);
        program
    }

    /// Runs the cases of a program that was compiled with these flags, in an environment that has these variables as well.
    fn check_cases(&self, program: &Path, way: &str, flags: &[&str], more: &[(&str, &str)]) {
        let ran = run(self.command(program).arg(way).envs(more.iter().copied()));
        let more = more.iter().map(|(name, value)| format!("{name}={value} "));
        let more: String = more.collect();
        let heading = format!("{more}{} {}", self.compiler.join(" "), flags.join(" "));
        let well = ran
            .stdout
            .lines()
            .filter(|line| line.starts_with("ok "))
            .count();
        assert!(
            ran.status.success() && well >= 12 && well == ran.stdout.lines().count(),
            "{heading}: {}\n{}{}",
            ran.status,
            ran.stdout,
            ran.stderr
        );
        report(&format!("the shim by {way} ({heading}): {well} cases ok\n"));
    }

    /// Each way of switching, at each level of optimisation, with these flags as well.
    fn check_all(&self, what: &str, flags: &[&str]) {
        if !self.is_there(what) {
            return;
        }
        for (way, choice) in WAYS {
            for level in LEVELS {
                self.check(way, &[&[level], choice, flags].concat());
            }
        }
    }

    /// With a sanitizer: the default way, which has to tell it about every switch. Once in each of these environments.
    fn check_with(&self, sanitizer: &str, environments: &[&[(&str, &str)]]) {
        let flag = format!("-fsanitize={sanitizer}");
        if !self.is_there(&flag) {
            return;
        }
        let links = Command::new(self.compiler[0])
            .args([&flag, "-x", "c", "-", "-o", "/dev/null"])
            .stdin(empty_program())
            .stderr(Stdio::null())
            .status();
        if !links.is_ok_and(|status| status.success()) {
            let why = format!(
                "{} has no library for it (libclang-rt-dev, libasan, libtsan)",
                self.compiler[0]
            );
            left_out_for_want(&format!("the shim, {flag}"), &why);
            return;
        }
        for level in LEVELS {
            let flags = [level, &flag];
            let program = self.compile(&flags);
            for more in environments {
                self.check_cases(&program, WAYS[0].0, &flags, more);
            }
        }
    }
}

/// A C program that does nothing, to be read by a compiler.
fn empty_program() -> fs::File {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty.c");
    fs::write(&path, "int main(void) { return 0; }\n").expect("the directory can be written");
    fs::File::open(path).expect("it was just written")
}

/// On the machine that runs the tests.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod here {
    use super::*;

    // Rules: F1, F2, F3, F4, F6
    #[test]
    fn gcc() {
        GCC.check_all("gcc", &[]);
    }

    // Rules: F1, F2, F3, F4, F6
    #[test]
    fn clang() {
        CLANG.check_all("clang", &[]);
    }

    // Rules: F2, F12
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn gcc_for_landing_pads_and_shadow_stacks() {
        GCC.check_all("gcc, -fcf-protection", &["-fcf-protection=full"]);
        GCC.check_all("gcc, no -fcf-protection", &["-fcf-protection=none"]);
    }

    // Rules: F2, F12
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn clang_for_landing_pads_and_shadow_stacks() {
        CLANG.check_all("clang, -fcf-protection", &["-fcf-protection=full"]);
    }

    // Rules: F12
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn assembly_has_the_marks_that_compilers_give_c() {
        let full = ["-fcf-protection=full"];
        GCC.check_marks("gcc, -fcf-protection", &full, &["x86 feature: IBT, SHSTK"]);
        CLANG.check_marks(
            "clang, -fcf-protection",
            &full,
            &["x86 feature: IBT, SHSTK"],
        );
        GCC.check_marks("gcc", &["-fcf-protection=none"], &[]);
        CLANG.check_marks("clang", &["-fcf-protection=none"], &[]);
    }

    // Rules: F2
    #[test]
    fn under_address_sanitizer() {
        // Locals on the stack, and on the heap. Which of them is the default depends on the compiler.
        let environments: [&[_]; 2] = [
            &[("ASAN_OPTIONS", "detect_stack_use_after_return=0")],
            &[("ASAN_OPTIONS", "detect_stack_use_after_return=1")],
        ];
        GCC.check_with("address", &environments);
        CLANG.check_with("address", &environments);
    }

    // Rules: F2
    #[test]
    fn under_thread_sanitizer() {
        GCC.check_with("thread", &[&[]]);
        CLANG.check_with("thread", &[&[]]);
    }
}

/// aarch64, wherever the tests run.
mod aarch64 {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    // Rules: F1, F2, F3, F4, F6, F17
    #[test]
    fn gcc() {
        GCC_AARCH64.check_all("gcc for aarch64", &[]);
    }

    // Rules: F1, F2, F3, F4, F6, F17
    #[test]
    fn clang() {
        // It links with the other compiler's files.
        if GCC_AARCH64.is_there("clang for aarch64") {
            CLANG_AARCH64.check_all("clang for aarch64", &[]);
        }
    }

    // Rules: F2, F12
    #[test]
    fn gcc_for_landing_pads_and_signed_return_addresses() {
        let protected = "-mbranch-protection=pac-ret+bti";
        let what = "gcc for aarch64, -mbranch-protection";
        GCC_AARCH64.check_all(what, &[protected]);
        if GCC_AARCH64.is_there(what) {
            let program = GCC_AARCH64.compile(&["-O2", protected, "-DTO_MISS_A_LANDING_PAD"]);
            let ran = run(GCC_AARCH64.command(&program).arg("miss-landing-pad"));
            assert_eq!(
                ran.status.signal(),
                Some(libc::SIGILL),
                "the machine checks landing pads: {}",
                ran.stdout
            );
        }
    }

    // Rules: F12
    #[test]
    fn assembly_has_the_marks_that_compilers_give_c() {
        for (flags, marks) in [
            (&["-mbranch-protection=none"], &[][..]),
            (&["-mbranch-protection=bti"], &["AArch64 feature: BTI"]),
            (
                &["-mbranch-protection=pac-ret+bti"],
                &["AArch64 feature: BTI, PAC"],
            ),
        ] {
            GCC_AARCH64.check_marks("gcc for aarch64", flags, marks);
            CLANG_AARCH64.check_marks("clang for aarch64", flags, marks);
        }
    }

    // Rules: F12, F13
    #[test]
    fn clang_for_landing_pads_swaps_contexts_instead_of_setjmp() {
        let what = "clang for aarch64, -mbranch-protection";
        let protected = "-mbranch-protection=pac-ret+bti";
        if GCC_AARCH64.is_there(what) && CLANG_AARCH64.is_there(what) {
            for (way, choice) in [
                ("registers", "-DNOTHING"),
                ("swapcontext", "-DOSSL_ASYNC_SETJMP"),
            ] {
                CLANG_AARCH64.check(way, &["-O2", protected, choice]);
            }
        }
    }
}
