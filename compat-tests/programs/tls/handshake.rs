//! A Rust program that links both ossl-async and OpenSSL. It makes TLS handshakes in
//! SSL_MODE_ASYNC whose server pauses its job repeatedly, while a job of the Rust API is paused on
//! the same thread.
//!
//! Built with and without the feature `capi` of ossl-async. Prints what happened, and which file
//! has the functions that libssl calls.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::ptr;

type Ssl = c_void;
type SslCtx = c_void;

const SSL_MODE_ASYNC: c_long = 0x100;
const SSL_CTRL_MODE: c_int = 33;
const SSL_CTRL_SET_MAX_PROTO_VERSION: c_int = 124;
const TLS1_2_VERSION: c_long = 0x0303;
const SSL_CB_LOOP: c_int = 1;
const SSL_ERROR_WANT_READ: c_int = 2;
const SSL_ERROR_WANT_ASYNC: c_int = 9;

#[link(name = "ssl")]
unsafe extern "C" {
    fn TLS_method() -> *const c_void;
    fn SSL_CTX_new(method: *const c_void) -> *mut SslCtx;
    fn SSL_CTX_free(ctx: *mut SslCtx);
    fn SSL_CTX_ctrl(
        ctx: *mut SslCtx,
        command: c_int,
        number: c_long,
        pointer: *mut c_void,
    ) -> c_long;
    fn SSL_CTX_set_cipher_list(ctx: *mut SslCtx, ciphers: *const c_char) -> c_int;
    fn SSL_CTX_set_info_callback(
        ctx: *mut SslCtx,
        callback: extern "C" fn(*const Ssl, c_int, c_int),
    );
    fn SSL_new(ctx: *mut SslCtx) -> *mut Ssl;
    fn SSL_free(ssl: *mut Ssl);
    fn SSL_set_fd(ssl: *mut Ssl, fd: c_int) -> c_int;
    fn SSL_set_accept_state(ssl: *mut Ssl);
    fn SSL_set_connect_state(ssl: *mut Ssl);
    fn SSL_is_server(ssl: *const Ssl) -> c_int;
    fn SSL_do_handshake(ssl: *mut Ssl) -> c_int;
    fn SSL_get_error(ssl: *const Ssl, result: c_int) -> c_int;
    fn SSL_waiting_for_async(ssl: *mut Ssl) -> c_int;
    fn SSL_read(ssl: *mut Ssl, buffer: *mut c_void, length: c_int) -> c_int;
    fn SSL_write(ssl: *mut Ssl, buffer: *const c_void, length: c_int) -> c_int;
}

#[link(name = "crypto")]
unsafe extern "C" {
    fn ASYNC_pause_job() -> c_int;
    fn ASYNC_get_current_job() -> *mut c_void;
}

#[repr(C)]
struct DlInfo {
    file: *const c_char,
    base: *mut c_void,
    name: *const c_char,
    address: *mut c_void,
}

unsafe extern "C" {
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, fds: *mut c_int) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dladdr(address: *const c_void, info: *mut DlInfo) -> c_int;
}

/// The file that has a function, as any library of the process finds it.
fn which_library(name: &CStr) -> String {
    let mut info = DlInfo {
        file: ptr::null(),
        base: ptr::null_mut(),
        name: ptr::null(),
        address: ptr::null_mut(),
    };
    // SAFETY: the name ends with a zero. NULL is RTLD_DEFAULT. The record is only written.
    unsafe {
        let function = dlsym(ptr::null_mut(), name.as_ptr());
        if function.is_null() || dladdr(function, &mut info) == 0 {
            return "no file".to_owned();
        }
        CStr::from_ptr(info.file).to_string_lossy().into_owned()
    }
}

/// libssl calls this whenever the handshake has reached another state. The server pauses here.
extern "C" fn pause_here(ssl: *const Ssl, what: c_int, _value: c_int) {
    // SAFETY: the connection is libssl's argument. Pausing is allowed anywhere on the job's stack.
    unsafe {
        if what & SSL_CB_LOOP != 0 && SSL_is_server(ssl) == 1 {
            assert!(
                !ASYNC_get_current_job().is_null(),
                "libssl runs it in a job"
            );
            assert!(!ossl_async::pause(), "nobody has promised safe code a pause");
            assert_eq!(ASYNC_pause_job(), 1);
        }
    }
}

/// Repeats a call until it has succeeded or must read. Counts its pauses.
///
/// # Safety
///
/// `ssl` must be a live connection, and `call` one of libssl's calls on it.
unsafe fn drive(ssl: *mut Ssl, pauses: &mut u32, call: impl Fn() -> c_int) -> bool {
    loop {
        let result = call();
        if result > 0 {
            return true;
        }
        // SAFETY: the caller guarantees the connection.
        let (error, waiting) = unsafe { (SSL_get_error(ssl, result), SSL_waiting_for_async(ssl)) };
        assert_eq!(waiting == 1, error == SSL_ERROR_WANT_ASYNC);
        match error {
            SSL_ERROR_WANT_READ => return false,
            SSL_ERROR_WANT_ASYNC => *pauses += 1,
            _ => panic!("libssl says {error}"),
        }
    }
}

/// One connection: a handshake, and a message each way. Returns how often the server paused.
fn connection(ctx: *mut SslCtx) -> u32 {
    let mut pauses = 0;
    let mut none = 0;
    let mut fds = [-1; 2];
    // SAFETY: libssl's documented calls on objects made and freed here.
    unsafe {
        // AF_UNIX, SOCK_STREAM with SOCK_NONBLOCK.
        assert_eq!(socketpair(1, 1 | 0o4000, 0, fds.as_mut_ptr()), 0);
        let (client, server) = (SSL_new(ctx), SSL_new(ctx));
        assert!(!client.is_null() && !server.is_null());
        assert_eq!(SSL_set_fd(client, fds[0]), 1);
        assert_eq!(SSL_set_fd(server, fds[1]), 1);
        SSL_set_connect_state(client);
        SSL_set_accept_state(server);
        let (mut client_done, mut server_done) = (false, false);
        for _ in 0..20 {
            client_done = client_done || drive(client, &mut none, || SSL_do_handshake(client));
            server_done = server_done || drive(server, &mut pauses, || SSL_do_handshake(server));
        }
        assert!(client_done && server_done, "the handshake ends");

        for (from, to, text) in [(client, server, b"question"), (server, client, b"response")] {
            let mut buffer = [0_u8; 8];
            assert!(drive(from, &mut none, || SSL_write(
                from,
                text.as_ptr().cast(),
                8
            )));
            let into: *mut c_void = buffer.as_mut_ptr().cast();
            assert!(drive(to, &mut none, || SSL_read(to, into, 8)));
            assert_eq!(&buffer, text);
        }
        SSL_free(client);
        SSL_free(server);
        close(fds[0]);
        close(fds[1]);
    }
    assert_eq!(none, 0, "only the server pauses");
    pauses
}

fn main() {
    let connections = 50;
    println!("ASYNC_start_job {}", which_library(c"ASYNC_start_job"));
    println!(
        "ASYNC_get_current_job {}",
        which_library(c"ASYNC_get_current_job")
    );

    // A job of the Rust API is paused all the time.
    let work = || {
        ossl_async::pause();
        42
    };
    // SAFETY: the contract of `Job::start`: the closure pauses in no scope and holds nothing.
    let step = unsafe { ossl_async::Job::start(work) };
    let ossl_async::Step::Paused(paused) = step.expect("a job can be had") else {
        panic!("the job pauses");
    };

    // SAFETY: as above. Anonymous key exchange: no key and no certificate are needed.
    let pauses: u32 = unsafe {
        let ctx = SSL_CTX_new(TLS_method());
        assert!(!ctx.is_null());
        let none = ptr::null_mut();
        assert_eq!(
            SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MAX_PROTO_VERSION, TLS1_2_VERSION, none),
            1
        );
        assert!(SSL_CTX_ctrl(ctx, SSL_CTRL_MODE, SSL_MODE_ASYNC, none) & SSL_MODE_ASYNC != 0);
        assert_eq!(
            SSL_CTX_set_cipher_list(ctx, c"AECDH-AES128-SHA:@SECLEVEL=0".as_ptr()),
            1
        );
        SSL_CTX_set_info_callback(ctx, pause_here);
        let pauses = (0..connections).map(|_| connection(ctx)).sum();
        SSL_CTX_free(ctx);
        pauses
    };
    assert!(pauses >= connections, "every handshake paused: {pauses}");

    let ossl_async::Step::Finished(value) = paused.resume().expect("it is resumed") else {
        panic!("the job ends");
    };
    assert_eq!(value, 42);
    println!("handshakes {connections}, pauses {pauses}");
    println!("starts {}", ossl_async::stats::process().starts);
}
