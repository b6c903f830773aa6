//! Tests the shim by itself (`programs/shim`). It is compiled for each way of switching, by gcc
//! and clang, with and without optimisation, the processor's protections of control flow, and
//! sanitizers. The tests are for this machine with glibc and with musl, and for aarch64 and riscv64
//! under qemu.

use compat_tests::{ignore_for_want, musl, report, root, run};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

type Check = fn(&Machine);

/// The checks for each compiler, on the machine that runs the tests.
const HERE: &[(&str, Check)] = &[
    ("in_each_way_of_switching", in_each_way_of_switching),
    ("under_address_sanitizer", under_address_sanitizer),
    ("under_thread_sanitizer", under_thread_sanitizer),
];

/// The checks for x86-64 only.
const ON_X86_64: &[(&str, Check)] = &[
    (
        "with_landing_pads_and_shadow_stacks",
        with_landing_pads_and_shadow_stacks,
    ),
    ("without_landing_pads", without_landing_pads),
    (
        "assembly_has_the_marks_that_the_compiler_gives_c",
        assembly_has_the_marks_that_the_compiler_gives_c,
    ),
];

/// The checks for aarch64, wherever the tests run.
const ON_AARCH64: &[(&str, Check)] = &[
    (
        "on_aarch64_in_each_way_of_switching",
        on_aarch64_in_each_way_of_switching,
    ),
    (
        "on_aarch64_assembly_has_the_marks_that_the_compiler_gives_c",
        on_aarch64_assembly_has_the_marks_that_the_compiler_gives_c,
    ),
];

/// The checks for riscv64, wherever the tests run.
const ON_RISCV64: &[(&str, Check)] = &[
    (
        "on_riscv64_in_each_way_of_switching",
        on_riscv64_in_each_way_of_switching,
    ),
    (
        "on_riscv64_no_stack_is_executable",
        on_riscv64_no_stack_is_executable,
    ),
];

fn main() -> ExitCode {
    let mut tests = compat_tests::tests![
        on_aarch64_with_landing_pads_and_signed_return_addresses_by_gcc,
        on_aarch64_with_landing_pads_clang_swaps_contexts_instead_of_setjmp,
    ];
    let mut add = |checks: &[(&str, Check)], compilers: [(&str, &'static Machine); 2]| {
        for (name, check) in checks {
            for (compiler, machine) in compilers {
                let check = *check;
                tests.add(format!("{name}::{compiler}"), move || check(machine));
            }
        }
    };
    if cfg!(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )) {
        add(HERE, [("gcc", &GCC), ("clang", &CLANG)]);
    }
    if cfg!(target_arch = "x86_64") {
        add(ON_X86_64, [("gcc", &GCC), ("clang", &CLANG)]);
    }
    add(
        ON_AARCH64,
        [("gcc", &GCC_AARCH64), ("clang", &CLANG_AARCH64)],
    );
    add(
        ON_RISCV64,
        [("gcc", &GCC_RISCV64), ("clang", &CLANG_RISCV64)],
    );
    tests.add("with_musl::shared", || with_musl(&[]));
    tests.add("with_musl::static", || with_musl(&["-static"]));
    tests.run()
}

/// The ways of switching: the name, and the options that choose it.
const WAYS: [(&str, &[&str]); 4] = [
    ("registers", &[]),
    ("registers", &["-DOSSL_ASYNC_FIRST_FRAME"]),
    ("setjmp", &["-DOSSL_ASYNC_SETJMP"]),
    ("swapcontext", &["-DOSSL_ASYNC_SWAPCONTEXT"]),
];

/// What of the shim is compiled into the program.
const SOURCES: [&str; 6] = [
    "fibre.c",
    "frame.c",
    "x86_64.S",
    "aarch64.S",
    "riscv64.S",
    "checkers.c",
];

const LEVELS: [&str; 2] = ["-O0", "-O2"];

/// The compiler for a machine, and the command that runs its programs. That command may have
/// another name, with `-static` at its end.
struct Machine {
    compiler: &'static [&'static str],
    runner: &'static [&'static str],
    /// A file of the C library, and the package that has it.
    libc: Option<(&'static str, &'static str)>,
}

/// This machine.
const HOST: Machine = Machine {
    compiler: &["gcc"],
    runner: &[],
    libc: None,
};
static GCC: Machine = HOST;
static CLANG: Machine = Machine {
    compiler: &["clang"],
    ..HOST
};
static MUSL: Machine = Machine {
    compiler: &["musl-gcc"],
    ..HOST
};

const AARCH64: Machine = Machine {
    compiler: &["aarch64-linux-gnu-gcc"],
    runner: &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
    libc: Some((
        "/usr/aarch64-linux-gnu/lib/libc.so.6",
        "libc6-dev-arm64-cross",
    )),
};
static GCC_AARCH64: Machine = AARCH64;
static CLANG_AARCH64: Machine = Machine {
    compiler: &["clang", "--target=aarch64-linux-gnu"],
    ..AARCH64
};

const RISCV64: Machine = Machine {
    compiler: &["riscv64-linux-gnu-gcc"],
    runner: &["qemu-riscv64", "-L", "/usr/riscv64-linux-gnu"],
    libc: Some((
        "/usr/riscv64-linux-gnu/lib/libc.so.6",
        "libc6-dev-riscv64-cross",
    )),
};
static GCC_RISCV64: Machine = RISCV64;
static CLANG_RISCV64: Machine = Machine {
    compiler: &["clang", "--target=riscv64-linux-gnu"],
    ..RISCV64
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
    /// The command that runs programs, if it is not the system itself.
    fn runner(&self) -> Option<String> {
        let name = (*self.runner.first()?).to_owned();
        let other = format!("{name}-static");
        Some(if runs(&name) || !runs(&other) {
            name
        } else {
            other
        })
    }

    /// Ignores the test if something is not installed.
    fn need(&self) {
        let compiler = Some(self.compiler[0].to_owned());
        let mut missing = vec![];
        for (tool, package) in [(compiler, "the compiler"), (self.runner(), "qemu-user")] {
            if let Some(tool) = tool.filter(|tool| !runs(tool)) {
                missing.push(format!("{tool} ({package}) is not installed"));
            }
        }
        if let Some((_, package)) = self.libc.filter(|(file, _)| !Path::new(file).exists()) {
            missing.push(format!("{package} is not installed"));
        }
        if !missing.is_empty() {
            ignore_for_want(missing.join(", "));
        }
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
            .arg("-fasynchronous-unwind-tables") // on riscv64 not the default
            .args(flags)
            .arg("-I")
            .arg(&shim)
            .arg(programs.join("fibres.c"))
            .args(SOURCES.map(|file| shim.join(file)))
            .args([
                "-Wl,--wrap=getcontext,--wrap=setcontext,--wrap=swapcontext",
                "-lm",
                "-o",
            ])
            .arg(&program);
        if self.compiler == MUSL.compiler {
            musl::link_unwinder(&mut command);
        }
        let output = command.output().expect("the compiler has run before");
        assert!(
            output.status.success(),
            "{command:?}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        program
    }

    /// The properties recorded in an object file of the shim: its protections, and that its stack
    /// is not executable.
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

    /// Compares the properties of the assembly's object files with those of C's.
    fn check_marks(&self, flags: &[&str], expected: &[&str]) {
        self.need();
        let expected = [&["executable stack: false"], expected].concat();
        for source in ["thread.c", "x86_64.S", "aarch64.S", "riscv64.S"] {
            assert_eq!(self.marks(source, flags), expected, "{source}");
        }
    }

    fn command(&self, program: &Path) -> Command {
        let Some(runner) = self.runner() else {
            return Command::new(program);
        };
        let mut command = Command::new(runner);
        command.args(&self.runner[1..]).arg(program);
        command
    }

    /// Compiles the program with these flags, runs its cases, and returns its file.
    fn check(&self, way: &str, flags: &[&str]) -> PathBuf {
        let program = self.compile(flags);
        self.check_cases(&program, way, flags, &[]);
        program
    }

    /// Runs the cases of a program that was compiled with these flags, with these variables added
    /// to its environment.
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

    /// Checks each way of switching, at each level of optimisation, with these flags added.
    fn check_all(&self, flags: &[&str]) {
        self.need();
        for (way, choice) in WAYS {
            for level in LEVELS {
                self.check(way, &[&[level], choice, flags].concat());
            }
        }
    }

    /// Checks with a sanitizer, once in each of these environments. Only the default way is
    /// checked, which has to tell the sanitizer about every switch.
    fn check_with(&self, sanitizer: &str, environments: &[&[(&str, &str)]]) {
        let flag = format!("-fsanitize={sanitizer}");
        self.need();
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
            ignore_for_want(&why);
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

// Rules: F1, F2, F3, F4, F6
fn in_each_way_of_switching(machine: &Machine) {
    machine.check_all(&[]);
}

// Rules: F2, F12
fn with_landing_pads_and_shadow_stacks(machine: &Machine) {
    machine.check_all(&["-fcf-protection=full"]);
}

// Rules: F2, F12
fn without_landing_pads(machine: &Machine) {
    machine.check_all(&["-fcf-protection=none"]);
}

// Rules: F12
fn assembly_has_the_marks_that_the_compiler_gives_c(machine: &Machine) {
    let full = ["-fcf-protection=full"];
    machine.check_marks(&full, &["x86 feature: IBT, SHSTK"]);
    machine.check_marks(&["-fcf-protection=none"], &[]);
}

// Rules: F1, F2, F3, F4, F17
fn with_musl(flags: &[&str]) {
    musl::need_musl();
    for level in LEVELS {
        MUSL.check("registers", &[&[level], flags].concat());
    }
}

/// With locals on the stack, and with locals on the heap. The default depends on the compiler.
// Rules: F2
fn under_address_sanitizer(machine: &Machine) {
    let environments: [&[_]; 2] = [
        &[("ASAN_OPTIONS", "detect_stack_use_after_return=0")],
        &[("ASAN_OPTIONS", "detect_stack_use_after_return=1")],
    ];
    machine.check_with("address", &environments);
}

// Rules: F2
fn under_thread_sanitizer(machine: &Machine) {
    machine.check_with("thread", &[&[]]);
}

// Rules: F1, F2, F3, F4, F6, F17
fn on_aarch64_in_each_way_of_switching(machine: &Machine) {
    // clang links with files of the other compiler.
    GCC_AARCH64.need();
    machine.check_all(&[]);
}

// Rules: F1, F2, F3, F4, F6
fn on_riscv64_in_each_way_of_switching(machine: &Machine) {
    // clang links with files of the other compiler.
    GCC_RISCV64.need();
    machine.check_all(&[]);
}

// Rules: F12
fn on_riscv64_no_stack_is_executable(machine: &Machine) {
    machine.check_marks(&[], &[]);
}

// Rules: F12
fn on_aarch64_assembly_has_the_marks_that_the_compiler_gives_c(machine: &Machine) {
    for (flags, marks) in [
        (&["-mbranch-protection=none"], &[][..]),
        (&["-mbranch-protection=bti"], &["AArch64 feature: BTI"]),
        (
            &["-mbranch-protection=pac-ret+bti"],
            &["AArch64 feature: BTI, PAC"],
        ),
    ] {
        machine.check_marks(flags, marks);
    }
}

// Rules: F2, F12
fn on_aarch64_with_landing_pads_and_signed_return_addresses_by_gcc() {
    let protected = "-mbranch-protection=pac-ret+bti";
    GCC_AARCH64.check_all(&[protected]);
    let program = GCC_AARCH64.compile(&["-O2", protected, "-DTO_MISS_A_LANDING_PAD"]);
    let ran = run(GCC_AARCH64.command(&program).arg("miss-landing-pad"));
    assert_eq!(
        ran.status.signal(),
        Some(libc::SIGILL),
        "landing pads are not checked: {}",
        ran.stdout
    );
}

// Rules: F12, F13
fn on_aarch64_with_landing_pads_clang_swaps_contexts_instead_of_setjmp() {
    GCC_AARCH64.need();
    CLANG_AARCH64.need();
    let protected = "-mbranch-protection=pac-ret+bti";
    for (way, choice) in [
        ("registers", "-DNOTHING"),
        ("swapcontext", "-DOSSL_ASYNC_SETJMP"),
    ] {
        CLANG_AARCH64.check(way, &["-O2", protected, choice]);
    }
}
