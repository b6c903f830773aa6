//! The error queue: codes, texts, order, limits (B2 to B5 and B43 of the behaviour reference).

mod common;
use common::capi::*;
use common::*;
use ossl_async::error;
use serial_test::{parallel, serial};
use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::ptr;

/// Queues the error of a pool that is too small, this many times.
fn raise(times: usize) {
    for _ in 0..times {
        assert_eq!(ASYNC_init_pool(0, 1), 0);
    }
}

/// Queues an error with another code than `raise`.
#[cfg(not(ossl_async_null))]
fn raise_other() {
    let mut ret = 0;
    // SAFETY: NULL is what is refused.
    let result =
        unsafe { ASYNC_start_job_2015(ptr::null_mut(), &mut ret, None, ptr::null_mut(), 0) };
    assert_eq!(result, ASYNC_ERR);
}

fn text(code: u32) -> String {
    let mut buffer = [1; 256];
    // SAFETY: the buffer has the size that is promised.
    let answer = unsafe { OSSL_ASYNC_ERR_error_string(code.into(), buffer.as_mut_ptr()) };
    assert_eq!(answer, buffer.as_mut_ptr());
    name(answer).unwrap()
}

fn name(answer: *const c_char) -> Option<String> {
    if answer.is_null() {
        return None;
    }
    // SAFETY: a string of the library's, or one that it wrote.
    let text = unsafe { CStr::from_ptr(answer) };
    Some(text.to_str().unwrap().to_string())
}

// Rules: B3
#[test]
#[parallel]
fn errors_have_openssls_packed_codes() {
    use ossl_async::Error::*;
    let codes = [
        (Thread, E1_THREAD),
        (PoolSize, E2_POOL_SIZE),
        (Pool, E3_POOL),
        (Unavailable, E4_NOT_SET),
        (Job, E5_JOB),
        (WaitPipe, E6_PIPE),
        (Arguments, E9_ARGUMENTS),
        (Enter, E11_ENTER),
        (Nested, NESTED),
        (NotResumable, NOT_RESUMABLE),
        (NullArgument, NULL_ARGUMENT),
        (FreeInsideJob, FREE_INSIDE_JOB),
        (Libctx, 0x33069044),
        (WaitFd, 0x3306a041),
        (StackSize, 0x33066042),
    ];
    for (error, code) in codes {
        assert_eq!(error.code(), code, "{error:?}");
        assert_eq!(error::library(code), error::ERR_LIB_ASYNC);
        assert_eq!(
            error::pack(
                error::library(code),
                error::function(code),
                error::reason(code)
            ),
            code
        );
    }
    assert_eq!(
        (error::function(E2_POOL_SIZE), error::reason(E2_POOL_SIZE)),
        (101, 103)
    );
}

// Rules: B3
#[test]
fn each_error_of_rusts_has_words_of_its_own_and_openssls_text() {
    use ossl_async::Error::*;
    let errors = [
        Thread,
        PoolSize,
        Pool,
        PoolList,
        Unavailable,
        Job,
        CustomStack,
        WaitPipe,
        Arguments,
        Enter,
        Nested,
        NotResumable,
        NullArgument,
        FreeInsideJob,
        Libctx,
        WaitFd,
        StackSize,
    ];
    let mut all_words = HashSet::new();
    for error in errors {
        let text = error.to_string();
        let (words, openssls) = text.split_once(" (").expect("both");
        assert!(all_words.insert(words.to_owned()), "{words}");
        let code = format!("error:{:08X}:ASYNC routines:", error.code());
        assert!(openssls.starts_with(&code), "{openssls}");
        assert!(openssls.ends_with(')'), "{openssls}");
    }
    assert!(
        PoolSize
            .to_string()
            .ends_with(" (error:33065067:ASYNC routines:ASYNC_init_pool:invalid pool size)")
    );
}

// Rules: B5
#[test]
#[parallel]
fn entries_come_out_oldest_first_and_peeking_leaves_them() {
    assert_eq!(OSSL_ASYNC_ERR_get_error(), 0);
    assert_eq!(
        (
            OSSL_ASYNC_ERR_peek_error(),
            OSSL_ASYNC_ERR_peek_last_error()
        ),
        (0, 0)
    );
    raise(1);
    #[cfg(not(ossl_async_null))]
    {
        raise_other();
        assert_eq!(OSSL_ASYNC_ERR_peek_error(), c_ulong::from(E2_POOL_SIZE));
        assert_eq!(
            OSSL_ASYNC_ERR_peek_last_error(),
            c_ulong::from(NULL_ARGUMENT)
        );
        assert_eq!(OSSL_ASYNC_ERR_get_error(), c_ulong::from(E2_POOL_SIZE));
        assert_eq!(OSSL_ASYNC_ERR_peek_error(), c_ulong::from(NULL_ARGUMENT));
        assert_eq!(errors(), [NULL_ARGUMENT]);
        raise_other();
    }
    raise(1);
    OSSL_ASYNC_ERR_clear_error();
    assert_eq!(errors(), []);
    raise(2);
    assert_eq!(errors(), [E2_POOL_SIZE; 2]);
}

// Rules: B5
#[test]
#[parallel]
#[cfg(not(ossl_async_null))]
fn a_full_queue_loses_its_oldest_entries() {
    raise(9);
    (0..12).for_each(|_| raise_other());
    let codes = errors();
    assert_eq!(codes.len(), 16);
    assert_eq!(codes[..4], [E2_POOL_SIZE; 4]);
    assert_eq!(codes[4..], [NULL_ARGUMENT; 12]);
    raise(16);
    assert_eq!(errors().len(), 16);
    raise(3);
    OSSL_ASYNC_ERR_clear_error();
    raise(1);
    assert_eq!(errors(), [E2_POOL_SIZE]);
}

// Rules: B5
#[test]
#[parallel]
#[cfg(not(ossl_async_null))]
fn the_queue_is_the_threads_and_not_the_jobs() {
    let mut job = CJob::new(|| {
        assert_eq!(
            OSSL_ASYNC_ERR_get_error(),
            c_ulong::from(E2_POOL_SIZE),
            "the caller's entry"
        );
        raise_other();
        ASYNC_pause_job();
        raise_other();
        1
    });
    raise(1);
    job.pause();
    assert_eq!(errors(), [NULL_ARGUMENT].map(|_| NESTED), "the job's entry");
    job.finish(1);
    std::thread::spawn(|| assert_eq!(errors(), []))
        .join()
        .unwrap();
    assert_eq!(errors(), [NESTED]);
}

// Rules: B3
#[test]
#[parallel]
fn an_entry_knows_where_it_was_raised() {
    raise(1);
    let (mut file, mut line) = (ptr::null(), 0);
    // SAFETY: both are ours.
    let code = unsafe { OSSL_ASYNC_ERR_get_error_line(&mut file, &mut line) };
    assert_eq!(code, c_ulong::from(E2_POOL_SIZE));
    assert_eq!(name(file).unwrap(), "src/capi/start.rs");
    assert!(line > 0);
    // SAFETY: as above, or NULL. Nothing is written for an empty queue.
    unsafe {
        (file, line) = (ptr::null(), -7);
        assert_eq!(OSSL_ASYNC_ERR_get_error_line(&mut file, &mut line), 0);
        assert_eq!((file, line), (ptr::null(), -7));
        raise(1);
        assert_ne!(
            OSSL_ASYNC_ERR_get_error_line(ptr::null_mut(), ptr::null_mut()),
            0
        );
    }
}

// Rules: B4, B43
#[test]
#[serial]
fn names_are_given_once_they_are_loaded() {
    // A child, because loading cannot be undone.
    alone(|| {
        assert_eq!(
            text(E2_POOL_SIZE),
            "error:33065067:lib(51):func(101):reason(103)"
        );
        for code in [E2_POOL_SIZE, NESTED] {
            assert_eq!(name(OSSL_ASYNC_ERR_lib_error_string(code.into())), None);
            assert_eq!(name(OSSL_ASYNC_ERR_func_error_string(code.into())), None);
            assert_eq!(name(OSSL_ASYNC_ERR_reason_error_string(code.into())), None);
        }
        OSSL_ASYNC_ERR_load_ASYNC_strings();
        OSSL_ASYNC_ERR_load_ASYNC_strings();
        assert_eq!(
            text(E2_POOL_SIZE),
            "error:33065067:ASYNC routines:ASYNC_init_pool:invalid pool size"
        );
        assert_eq!(
            text(0x33068066),
            "error:33068066:ASYNC routines:ASYNC_START_FUNC:failed to swap context"
        );
        assert_eq!(
            text(0x0101e0ff),
            "error:0101E0FF:lib(1):func(30):reason(255)"
        );
        assert_eq!(text(0), "error:00000000:lib(0):func(0):reason(0)");

        let functions = [
            "ASYNC_CTX_NEW",
            "ASYNC_init_pool",
            "ASYNC_JOB_NEW",
            "ASYNC_pause_job",
            "ASYNC_START_FUNC",
            "ASYNC_start_job",
            "ASYNC_WAIT_CTX_set_wait_fd",
        ];
        for (number, function) in (100..).zip(functions) {
            let code = error::pack(51, number, 1).into();
            assert_eq!(
                name(OSSL_ASYNC_ERR_func_error_string(code)).unwrap(),
                function
            );
            assert_eq!(
                name(OSSL_ASYNC_ERR_lib_error_string(code)).unwrap(),
                "ASYNC routines"
            );
        }
        let reasons = [
            (100, "cannot create wait pipe"),
            (101, "failed to set pool"),
            (102, "failed to swap context"),
            (103, "invalid pool size"),
            (105, "init failed"),
        ];
        let generic = [
            (65, "malloc failure"),
            (66, "called a function you should not call"),
            (67, "passed a null parameter"),
            (68, "internal error"),
        ];
        for (number, reason) in reasons.into_iter().chain(generic) {
            let code = error::pack(51, 100, number).into();
            assert_eq!(
                name(OSSL_ASYNC_ERR_reason_error_string(code)).unwrap(),
                reason
            );
        }
        for (library, function, reason) in [
            (50, 100, 100),
            (50, 101, 101),
            (52, 102, 102),
            (52, 103, 103),
            (50, 105, 105),
            (51, 107, 104),
            (51, 99, 99),
        ] {
            let code = error::pack(library, function, reason).into();
            assert_eq!(name(OSSL_ASYNC_ERR_func_error_string(code)), None);
            assert_eq!(name(OSSL_ASYNC_ERR_reason_error_string(code)), None);
            assert_eq!(
                name(OSSL_ASYNC_ERR_lib_error_string(code)).is_some(),
                library == 51
            );
        }
        let elsewhere = error::pack(9, 9, 65).into();
        assert_eq!(
            name(OSSL_ASYNC_ERR_reason_error_string(elsewhere)).unwrap(),
            "malloc failure"
        );
    });
}

// Rules: B43
#[test]
#[parallel]
fn a_text_is_cut_to_the_buffer_and_always_ends() {
    let whole = "error:33065067:lib(51):func(101):reason(103)";
    for size in [1, 2, 20, whole.len(), whole.len() + 1, 100] {
        let mut buffer = [b'x' as c_char; 110];
        // SAFETY: the buffer is larger than the size given.
        unsafe { OSSL_ASYNC_ERR_error_string_n(E2_POOL_SIZE.into(), buffer.as_mut_ptr(), size) };
        assert_eq!(
            name(buffer.as_ptr()).unwrap(),
            whole[..whole.len().min(size - 1)]
        );
        assert_eq!(buffer[size], b'x' as c_char, "nothing beyond the size");
    }
    let mut untouched = [7 as c_char];
    // SAFETY: size 0 writes nothing.
    unsafe { OSSL_ASYNC_ERR_error_string_n(E2_POOL_SIZE.into(), untouched.as_mut_ptr(), 0) };
    assert_eq!(untouched, [7]);
    // SAFETY: NULL asks for the thread's own buffer.
    let own = unsafe { OSSL_ASYNC_ERR_error_string(E2_POOL_SIZE.into(), ptr::null_mut()) };
    assert_eq!(name(own).unwrap(), whole);
}

unsafe extern "C" fn collect(line: *const c_char, length: usize, lines: *mut c_void) -> c_int {
    let line = name(line).unwrap();
    assert_eq!(line.len(), length);
    // SAFETY: the tests pass a vector.
    let lines = unsafe { &mut *lines.cast::<Vec<String>>() };
    lines.push(line);
    (lines.len() < 3).into()
}

// Rules: B43
#[test]
#[parallel]
fn printing_empties_the_queue_one_line_an_entry_until_the_callback_has_enough() {
    let mut lines: Vec<String> = vec![];
    raise(5);
    // SAFETY: the callback wants a vector.
    unsafe { OSSL_ASYNC_ERR_print_errors_cb(Some(collect), ptr::from_mut(&mut lines).cast()) };
    assert_eq!(lines.len(), 3);
    assert_eq!(errors().len(), 2, "the callback stopped it");
    for line in &lines {
        let parts: Vec<&str> = line.split(':').collect();
        assert!(
            parts[0].parse::<u64>().unwrap() > 0,
            "a number for the thread"
        );
        assert_eq!(
            parts[1..6],
            ["error", "33065067", "lib(51)", "func(101)", "reason(103)"]
        );
        assert_eq!(parts[6], "src/capi/start.rs");
        assert!(parts[7].parse::<u32>().unwrap() > 0);
        assert_eq!(parts[8..], ["\n"], "no data");
    }
    raise(1);
    // SAFETY: no callback does nothing.
    unsafe { OSSL_ASYNC_ERR_print_errors_cb(None, ptr::null_mut()) };
    assert_eq!(errors().len(), 1);
}

// Rules: B43
#[test]
#[parallel]
fn printing_goes_to_a_stream_too() {
    let path = format!("{}/errors-printed", env!("CARGO_TARGET_TMPDIR"));
    let c_path = CString::new(path.as_str()).unwrap();
    raise(2);
    // SAFETY: an open stream, closed here.
    unsafe {
        let stream = libc::fopen(c_path.as_ptr(), c"w".as_ptr());
        assert!(!stream.is_null());
        OSSL_ASYNC_ERR_print_errors_fp(stream);
        assert_eq!(libc::fclose(stream), 0);
    }
    let printed = std::fs::read_to_string(path).unwrap();
    assert_eq!(printed.lines().count(), 2);
    assert!(
        printed
            .lines()
            .all(|line| line.contains(":error:33065067:")),
        "{printed}"
    );
    assert_eq!(errors(), []);
}
