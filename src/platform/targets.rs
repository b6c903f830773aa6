//! Which targets have jobs, and how each may switch between stacks. Used by build.rs; the library
//! itself only tests it.

/// The ways in which a target may switch between stacks: the values of `OSSL_ASYNC_SWITCH`, besides
/// `null`. The first is the default. Without any, the target gets the null implementation.
///
/// Where OpenSSL has its POSIX implementation (F17, F18), this library has `ucontext`'s ways: with
/// glibc, on FreeBSD, and on macOS, which claims an older POSIX. musl has no `ucontext`. There the
/// switch by registers makes its first frame itself, so this library has jobs where OpenSSL has
/// none (D33).
pub fn switches(os: &str, env: &str, arch: &str) -> &'static [&'static str] {
    let has_registers = os == "linux" && matches!(arch, "x86_64" | "aarch64" | "riscv64");
    match (os, env) {
        ("linux", "gnu") if has_registers => &["registers", "setjmp", "swapcontext"],
        ("linux", "musl") if has_registers => &["registers"],
        ("linux", "gnu") | ("freebsd" | "macos", _) => &["setjmp", "swapcontext"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::switches;

    // Rules: F16, F17, F18
    #[test]
    fn each_target_has_its_ways_of_switching_or_gets_the_null_implementation() {
        let with_ucontext = ["setjmp", "swapcontext"];
        let all = ["registers", "setjmp", "swapcontext"];
        for (os, env, arch, expected) in [
            ("linux", "gnu", "x86_64", &all[..]),
            ("linux", "gnu", "aarch64", &all),
            ("linux", "gnu", "riscv64", &all),
            ("linux", "gnu", "x86", &with_ucontext),
            ("linux", "gnu", "s390x", &with_ucontext),
            ("freebsd", "", "x86_64", &with_ucontext),
            ("macos", "", "aarch64", &with_ucontext),
            ("linux", "musl", "x86_64", &["registers"]),
            ("linux", "musl", "aarch64", &["registers"]),
            ("linux", "musl", "riscv64", &["registers"]),
            ("linux", "musl", "x86", &[]),
            ("linux", "musl", "powerpc64", &[]),
            ("linux", "", "x86_64", &[]),
            ("android", "", "aarch64", &[]),
            ("openbsd", "", "x86_64", &[]),
            ("ios", "", "aarch64", &[]),
            ("windows", "gnu", "x86_64", &[]),
            ("windows", "msvc", "x86_64", &[]),
        ] {
            assert_eq!(switches(os, env, arch), expected, "{os} {env} {arch}");
        }
    }
}
