//! Names the files of tests that cannot run with another libc than glibc, or in a static program.
//! So they are reported as ignored.
#![cfg(all(not(ossl_async_null), not(target_env = "gnu")))]

#[test]
#[ignore = "it replaces libc's functions, which glibc alone has under other names too"]
fn complexity() {}

#[test]
#[ignore = "it replaces libc's functions, which glibc alone has under other names too"]
fn hot_path() {}

#[test]
#[ignore = "it replaces libc's functions, which glibc alone has under other names too"]
fn faults() {}

#[test]
#[cfg(target_feature = "crt-static")]
#[ignore = "a static program of musl cannot load a library"]
fn libcrypto() {}
