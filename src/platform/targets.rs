//! Which targets have a working `ucontext`. Used by build.rs; the library itself only tests it.

/// Whether OpenSSL's POSIX implementation supports a target (F17, F18): glibc, or FreeBSD. All
/// others get the null implementation.
pub fn has_ucontext(os: &str, env: &str) -> bool {
    match os {
        "linux" => env == "gnu",
        "freebsd" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::has_ucontext;

    // Rules: F16, F17, F18
    #[test]
    fn glibc_and_freebsd_have_contexts_and_all_others_get_the_null_implementation() {
        for (os, env) in [("linux", "gnu"), ("freebsd", "")] {
            assert!(has_ucontext(os, env), "{os} {env}");
        }
        for (os, env) in [
            ("linux", "musl"),
            ("linux", ""),
            ("android", ""),
            ("openbsd", ""),
            ("macos", ""),
            ("windows", "gnu"),
            ("windows", "msvc"),
        ] {
            assert!(!has_ucontext(os, env), "{os} {env}");
        }
    }
}
