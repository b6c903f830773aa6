//! Which targets have jobs, and how each may switch between stacks. Used by build.rs; the library
//! itself only tests it.

/// What a target needs for jobs, besides the C library and a compiler.
///
/// With glibc and on FreeBSD OpenSSL has its POSIX implementation (F17, F18), and this library has
/// `ucontext`'s ways. musl has no `ucontext`. There the switch by registers makes its first frame
/// itself, so this library has jobs where OpenSSL has none.
///
/// Returns the possible values of `OSSL_ASYNC_SWITCH`, besides `null`. The first is the default.
/// With no value the target gets the null implementation.
pub fn switches(os: &str, env: &str, arch: &str) -> &'static [&'static str] {
    let has_registers = os == "linux" && matches!(arch, "x86_64" | "aarch64" | "riscv64");
    match (os, env) {
        ("linux", "gnu") if has_registers => &["registers", "setjmp", "swapcontext"],
        ("linux", "musl") if has_registers => &["registers"],
        ("linux", "gnu") | ("freebsd", _) => &["setjmp", "swapcontext"],
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
            ("macos", "", "aarch64", &[]),
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
