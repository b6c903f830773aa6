//! Stands for an OpenSSL provider that works asynchronously, with threads for its hardware. A real
//! one is C code below libcrypto, and calls these same C functions.

use ossl_async::sys::*;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::mpsc::{TryRecvError, channel};
use std::thread;

/// The wait context of the running job.
fn context() -> *mut ASYNC_WAIT_CTX {
    // SAFETY: NULL, or the running job's handle.
    let ctx = unsafe { ASYNC_get_wait_ctx(ASYNC_get_current_job()) };
    assert!(!ctx.is_null(), "this is called in a job");
    ctx
}

/// Squares a number, and signals by a descriptor that it adds to the wait context.
pub fn square_by_descriptor(number: u32) -> u32 {
    let (mut device, mut hardware) = UnixStream::pair().expect("two descriptors");
    device.set_nonblocking(true).expect("a socket");
    let (ctx, key, data) = (context(), ptr::null(), ptr::null_mut());
    // SAFETY: the job's context, and an entry without a cleanup.
    let added = unsafe { ASYNC_WAIT_CTX_set_wait_fd(ctx, key, device.as_raw_fd(), data, None) };
    assert_eq!(added, 1, "there is memory for an entry");

    let worker = thread::spawn(move || hardware.write_all(&(number * number).to_ne_bytes()));
    let mut result = [0; 4];
    while let Err(error) = device.read_exact(&mut result) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        ossl_async::pause();
    }
    worker.join().expect("no panic").expect("it is read");
    // SAFETY: the job's context. The entry must be gone before the descriptor is closed.
    unsafe { ASYNC_WAIT_CTX_clear_fd(ctx, key) };
    u32::from_ne_bytes(result)
}

/// Squares a number, and calls the callback of the wait context.
pub fn square_by_callback(number: u32) -> u32 {
    let (mut callback, mut argument) = (None, ptr::null_mut());
    // SAFETY: the job's context, and places that can be written.
    unsafe { ASYNC_WAIT_CTX_get_callback(context(), &mut callback, &mut argument) };
    let callback = callback.expect("a job of Rust's has one");
    let argument = argument.expose_provenance(); // it goes to another thread

    let (send, result) = channel();
    let worker = thread::spawn(move || {
        send.send(number * number).expect("it is received");
        // SAFETY: the context's own argument, which is valid while the job is there.
        unsafe { callback(ptr::with_exposed_provenance_mut(argument)) };
    });
    let result = loop {
        match result.try_recv() {
            Ok(result) => break result,
            Err(TryRecvError::Empty) => ossl_async::pause(),
            Err(TryRecvError::Disconnected) => unreachable!("it sends"),
        };
    };
    worker.join().expect("no panic");
    result
}
