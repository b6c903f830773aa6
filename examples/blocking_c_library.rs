//! Blocking C code that reads from a channel of tokio's. The parser tree-sitter is a C library: it
//! calls a function of its caller's for its input, and goes on when that returns. Here the function
//! waits for the channel. Meanwhile the parser's frames stay on the job's stack, and other tasks
//! run.
//!
//! `cargo run -p examples --example blocking_c_library`

use ossl_async::{JobFuture, OnDrop, wait_for};
use std::ffi::{c_char, c_void};
use tokio::sync::mpsc;
use tree_sitter::{Tree, ffi};

/// What the parser reads from.
struct Input {
    chunks: mpsc::Receiver<&'static str>,
    received: Vec<u8>,
}

/// The parser's function for input: what there is from this byte on.
///
/// # Safety
///
/// The parser calls it, with the `Input` of its caller.
unsafe extern "C" fn read(
    input: *mut c_void,
    start: u32,
    _: ffi::TSPoint,
    length: *mut u32,
) -> *const c_char {
    // SAFETY: the caller guarantees it, and nothing else uses the input meanwhile.
    let input = unsafe { &mut *input.cast::<Input>() };
    let start = start as usize;
    while start >= input.received.len() {
        println!("the parser waits for byte {start}");
        match wait_for(input.chunks.recv()) {
            Ok(Some(chunk)) => input.received.extend_from_slice(chunk.as_bytes()),
            Ok(None) | Err(_) => break, // all is received, or the job was cancelled
        }
    }
    let rest = input.received.get(start..).unwrap_or_default();
    // SAFETY: the parser's own number.
    unsafe { length.write(rest.len() as u32) };
    rest.as_ptr().cast()
}

/// Parses JSON, and blocks until it has all of it. Returns its syntax tree.
pub fn parse(chunks: mpsc::Receiver<&'static str>) -> String {
    let mut input = Input {
        chunks,
        received: vec![],
    };
    let source = ffi::TSInput {
        payload: (&raw mut input).cast(),
        read: Some(read),
        encoding: ffi::TSInputEncodingUTF8,
        decode: None,
    };
    let grammar = tree_sitter_json::LANGUAGE.into_raw();
    // SAFETY: each is used as tree-sitter's header says, and freed once. The input stays until
    // `ts_parser_parse` has returned, which is not NULL, because the parser has a language.
    let tree = unsafe {
        let parser = ffi::ts_parser_new();
        assert!(ffi::ts_parser_set_language(parser, grammar().cast()));
        let tree = ffi::ts_parser_parse(parser, std::ptr::null(), source);
        ffi::ts_parser_delete(parser);
        Tree::from_raw(tree)
    };
    tree.root_node().to_sexp()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (send, chunks) = mpsc::channel(1);
    // SAFETY: the contract of `Job::start`. Where it waits, the frames are tree-sitter's, which
    // keeps all of a parse in its parser, and `read`. None relies on nested calls. Frames of C
    // cannot be unwound, so a job that is dropped is cancelled.
    let parses = unsafe { JobFuture::new_with(OnDrop::Cancel, move || parse(chunks)) };
    let sends = async move {
        for chunk in ["[1, {\"a\"", ": [tru", "e]}, nul", "l]"] {
            println!("sent: {chunk}");
            send.send(chunk).await.expect("the parser reads");
            tokio::task::yield_now().await;
        }
    };
    let (tree, ()) = tokio::join!(parses, sends);
    println!("{}", tree.expect("a job"));
}
