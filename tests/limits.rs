//! The real limits of a process: descriptors, address space, data, mappings, locked memory,
//! thread-specific keys. Every test runs in a child. `tests/faults` has failures of single calls.

mod common;
#[path = "common/ignorable.rs"]
mod ignorable;
use common::capi::*;
use common::*;
use ignorable::{ignore, ignore_for_want, ignore_with_sanitizers};
use ossl_async::{Error, Pool, StartError, stats};
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ptr;

ignorable::main_with! {
    the_descriptor_limit_gives_a_partial_pool_and_no_jobs,
    starts_at_the_descriptor_limit_touch_no_stack_and_do_not_count,
    a_slab_that_is_too_large_is_tried_smaller_down_to_one_stack,
    with_any_room_for_addresses_there_are_as_many_jobs_as_fit_and_later_all,
    with_any_room_for_data_there_are_as_many_jobs_as_fit_and_later_all,
    without_mappings_for_stacks_or_guards_there_is_no_job_and_later_there_is,
    more_jobs_can_be_paused_than_a_process_may_have_mappings,
    in_locked_memory_stacks_are_guarded_and_used_again,
    of_a_paused_job_only_what_can_be_used_is_locked,
    of_a_paused_job_only_touched_pages_are_locked_on_fault,
    memory_that_is_locked_when_jobs_exist_keeps_their_guards_and_new_ones_have_theirs,
    what_may_be_locked_limits_the_jobs_and_nothing_else,
    a_thread_that_cannot_be_cleaned_up_after_gets_no_jobs,
    many_threads_at_once_find_one_key,
}

/// What one stack takes, in KiB: the pages that a job can use, and all of it with its guard.
fn stack_kib() -> (usize, usize) {
    let page = page_size() / 1024;
    let usable = (128 + 1usize).next_multiple_of(page); // the record is in there too
    let all = usable + 84usize.next_multiple_of(page);
    // An odd number of pages.
    (usable, if all / page % 2 == 0 { all + page } else { all })
}

// ------------------------------------------------------------------------------------- descriptors

/// Called by name, because only Linux 5.9 and glibc 2.34 and later have close_range.
fn close_all_but_the_standard_descriptors() {
    let names = std::fs::read_dir("/proc/self/fd").unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let open: Vec<c_int> = names.map(|name| name.parse().unwrap()).collect();
    for fd in open.into_iter().filter(|fd| *fd >= 3) {
        // SAFETY: this child needs none of them. One was for reading the names, and is closed
        // already.
        unsafe { libc::close(fd) };
    }
}

// Rules: B10, D18, B19
fn the_descriptor_limit_gives_a_partial_pool_and_no_jobs() {
    alone(|| {
        // The limit is on the numbers of descriptors. So there must be no gaps, and no descriptors
        // of other tests.
        close_all_but_the_standard_descriptors();
        let before = limit(libc::RLIMIT_NOFILE, 3 + 5);
        assert_eq!(ASYNC_init_pool(0, 0), 1);
        assert_eq!(ASYNC_init_pool(10, 10), 1);
        assert_eq!(errors(), [E6_PIPE]);
        let mut jobs = [pausing(1, 1), pausing(1, 2)];
        jobs[0].pause();
        jobs[1].pause();
        no_job(E6_PIPE);
        limit(libc::RLIMIT_NOFILE, before);
        let mut job = pausing(1, 3);
        job.pause();
        job.finish(3);
        jobs[0].finish(1);
        jobs[1].finish(2);
    });
}

/// The number of page faults of this process so far.
fn page_faults() -> libc::c_long {
    // SAFETY: zeros are a valid value, and the kernel fills it in.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage.ru_minflt
    }
}

// Rules: D18, P8, B19, B10
fn starts_at_the_descriptor_limit_touch_no_stack_and_do_not_count() {
    ignore_with_sanitizers("a sanitizer's allocator makes mappings of its own");
    alone(|| {
        assert_eq!(ASYNC_init_pool(3, 0), 1);
        let mut job = pausing(1, 1);
        job.pause();
        no_job_at_the_limit(); // makes what the counting below needs
        let before = (mappings(), descriptors(), stats::thread());
        let faults = page_faults();
        (0..1000).for_each(|_| no_job_at_the_limit());
        let faults = page_faults() - faults;
        assert!(faults < 500, "{faults} page faults");
        assert_eq!((mappings(), descriptors(), stats::thread()), before);
        job.finish(1);
        jobs_to_have(3);
    });
}

/// Starts a job with one descriptor left, while a pipe takes two.
fn no_job_at_the_limit() {
    // The lowest number that is free.
    // SAFETY: a descriptor of our own.
    let free = unsafe { libc::dup(0) };
    // SAFETY: as above.
    unsafe { libc::close(free) };
    let before = limit(libc::RLIMIT_NOFILE, free as u64 + 1);
    no_job(E6_PIPE);
    limit(libc::RLIMIT_NOFILE, before);
}

// ------------------------------------------------------------------------------------------ memory

/// The first number in a line of a file about this process.
fn about_process(file: &str, line: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    let line = text
        .lines()
        .find_map(|each| each.strip_prefix(line))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// The size of all mappings of this process, in bytes.
fn addresses_in_use() -> u64 {
    about_process("statm", "") * page_size() as u64
}

// Rules: D17
fn a_slab_that_is_too_large_is_tried_smaller_down_to_one_stack() {
    ignore_with_sanitizers("what a sanitizer reserves exceeds any limit of the address space");
    alone(|| {
        // Only the smallest slab fits, twice. Nothing else in this child maps memory.
        let before = limit(libc::RLIMIT_AS, u64::MAX);
        let room = stack_kib().1 * 1024 * 27 / 10;
        limit(libc::RLIMIT_AS, addresses_in_use() + room as u64);
        let mut job = pausing(1, 7);
        job.pause();
        let mut other = pausing(1, 8);
        other.pause();
        no_job(E5_JOB);
        limit(libc::RLIMIT_AS, before);
        job.finish(7);
        other.finish(8);
        let mut jobs: Vec<CJob> = (0..30).map(|_| pausing(1, 0)).collect();
        jobs.iter_mut().for_each(CJob::pause);
    });
}

/// Makes jobs with this much room under a limit on memory, in bytes, and then with more room. All
/// jobs that were made can be resumed. Those that could not be made do not count.
fn with_room(resource: Resource, in_use: fn() -> u64, room: u64) {
    const MOST: usize = 24;
    alone(|| {
        // What the test itself needs is there before.
        let mut jobs: Vec<CJob> = (0..MOST as c_int).map(|n| pausing(1, n)).collect();
        drop(vec![1u8; 100_000]);
        assert_eq!(ASYNC_init_pool(MOST, 0), 1);
        let before = limit(resource, u64::MAX);
        limit(resource, in_use() + room);
        let mut paused = 0;
        for job in &mut jobs {
            match job.go() {
                ASYNC_PAUSE => paused += 1,
                result => {
                    assert_eq!((result, job.ret), (ASYNC_NO_JOBS, UNWRITTEN));
                    assert_eq!(errors(), [E5_JOB]);
                    break;
                }
            }
        }
        if paused < MOST {
            (0..20).for_each(|_| no_job(E5_JOB));
        }
        assert_eq!(stats::thread().paused, paused as u64);
        limit(resource, before);
        jobs[paused..].iter_mut().for_each(CJob::pause);
        assert_eq!(pausing(1, 0).go(), ASYNC_NO_JOBS);
        (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
        assert!(room > 0 || paused == 0);
        assert!(room < 8 << 20 || paused == MOST);
    });
}

// Rules: D17, D18, B19, P8
fn with_any_room_for_addresses_there_are_as_many_jobs_as_fit_and_later_all() {
    for kib in (0..3000).step_by(100).chain([9000]) {
        with_room(libc::RLIMIT_AS, addresses_in_use, kib << 10);
    }
}

// Rules: D17, D18, B19, P8
fn with_any_room_for_data_there_are_as_many_jobs_as_fit_and_later_all() {
    let in_use = || about_process("status", "VmData:") << 10;
    for kib in (0..3000).step_by(100).chain([9000]) {
        with_room(libc::RLIMIT_DATA, in_use, kib << 10);
    }
}

/// The number of mappings that a process may have, if it is small enough to try.
fn most_mappings() -> Option<usize> {
    let most = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?;
    most.trim().parse().ok().filter(|most| *most <= 300_000)
}

/// Uses up the mappings that a process may have. Returns what must be unmapped to undo that.
fn use_up_mappings(most: usize) -> (*mut c_void, usize) {
    let page_size = page_size();
    let size = most * page_size;
    let map = |size, flags| {
        // SAFETY: a new mapping that nobody else uses.
        unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                libc::PROT_NONE,
                flags | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        }
    };
    let all = map(size, libc::MAP_PRIVATE | libc::MAP_NORESERVE);
    assert_ne!(all, libc::MAP_FAILED);
    // Every second page of it becomes a mapping of its own.
    let refused = (0..most).step_by(2).find(|page| {
        // SAFETY: a page of that mapping.
        unsafe { libc::mprotect(all.byte_add(page * page_size), page_size, libc::PROT_READ) != 0 }
    });
    assert!(refused.is_some(), "mappings have a limit");
    // A new mapping may exceed the limit by one. These mappings are never merged with others.
    while map(page_size, libc::MAP_SHARED) != libc::MAP_FAILED {}
    (all, size)
}

/// Whether a paused job has its guard.
fn has_guard(job: &CJob) -> bool {
    is_guarded(job.handle, accessible)
}

// Rules: D17, D18, F8, D22
fn without_mappings_for_stacks_or_guards_there_is_no_job_and_later_there_is() {
    ignore_with_sanitizers("a sanitizer that finds no mapping ends the process");
    let Some(most) = most_mappings() else {
        ignore("vm.max_map_count is not known, or too large to be used up");
    };
    let light_guards = has_light_guards(); // later no mapping is left for this test
    alone(|| {
        assert_eq!(ASYNC_init_pool(40, 1), 1); // makes a slab
        let mut jobs: Vec<CJob> = (0..40).map(|n| pausing(1, n)).collect();
        let (ballast, size) = use_up_mappings(most);
        let mut paused = 0;
        while jobs[paused].go() == ASYNC_PAUSE {
            paused += 1;
        }
        assert_eq!(errors(), [E5_JOB]);
        // A guard by mprotect takes mappings, and the slab above has one already. A lightweight
        // guard takes none; only a slab does.
        let expected = if light_guards { 8..=8 } else { 1..=2 };
        assert!(expected.contains(&paused), "{paused} jobs");
        (0..100).for_each(|_| no_job(E5_JOB));
        assert_eq!(stats::thread().paused, paused as u64);
        assert!(jobs[..paused].iter().all(has_guard));
        jobs[0].finish(0); // existing jobs can be resumed
        // SAFETY: the mapping of our own.
        assert_eq!(unsafe { libc::munmap(ballast, size) }, 0);
        jobs[0] = pausing(1, 0);
        jobs[0].pause();
        jobs[paused..].iter_mut().for_each(CJob::pause);
        assert!(jobs.iter().all(has_guard));
        (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
    });
}

/// The memory that the machine can still give, in KiB, if the kernel tells.
fn available_kib() -> Option<usize> {
    let all = std::fs::read_to_string("/proc/meminfo").ok()?;
    let mut lines = all.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

// Rules: B19, D17, D18, D22
fn more_jobs_can_be_paused_than_a_process_may_have_mappings() {
    ignore_with_sanitizers("a sanitizer's allocator makes mappings of its own");
    let Some(most) = most_mappings() else {
        ignore("vm.max_map_count is not known, or too large to be exceeded");
    };
    let wanted = most + 4000;
    if wanted.checked_mul(stack_kib().1 * 1024).is_none() {
        ignore("addresses of 32 bits are used up before");
    }
    // Each job takes a page, and two descriptions of mappings.
    let kib = wanted * (page_size() / 1024 + 1);
    if available_kib().is_some_and(|available| available < kib) {
        ignore_for_want(format!("this takes {kib} KiB of memory"));
    }
    alone(|| {
        let before = mappings();
        let mut jobs: Vec<CJob> = (0..wanted).map(|n| pausing(1, n as c_int)).collect();
        let mut paused = 0;
        while paused < jobs.len() && jobs[paused].go_with(NO_CTX) == ASYNC_PAUSE {
            paused += 1;
        }
        if has_light_guards() {
            assert_eq!((paused, errors()), (jobs.len(), vec![]));
            let more = mappings() - before;
            // The mappings of slabs, of the vector of jobs, and of the first 256 guards.
            assert!(more <= 60 + 2 * 256, "{more} more mappings");
        } else {
            // Two for each stack, one of which is its guard.
            assert!(paused > most * 2 / 5 && paused <= most / 2, "{paused} jobs");
            assert_eq!(errors(), [E5_JOB]);
        }
        assert_eq!(stats::thread().paused, paused as u64);
        assert!(jobs[..paused].iter().step_by(997).all(has_guard));
        for (n, job) in (0..).zip(&mut jobs[..paused]) {
            finish(job, n);
        }
        pause(&mut jobs[paused - 1]);
    });
}

/// The exit status of a child that may not lock memory.
const NOT_LOCKED: c_int = 77;

/// Runs `work` in a child, which ends well, or with `NOT_LOCKED`: then the test is ignored.
#[track_caller]
fn alone_and_locked(work: impl FnOnce()) {
    match in_child(work) {
        Ending::Exit(NOT_LOCKED) => ignore_for_want("memory may not be locked"),
        ended => assert_eq!(ended, Ending::Exit(0)),
    }
}

/// Locks new memory in this way. Returns how many of the wanted jobs there is room for then, if the
/// kernel counts this many KiB for each: a user may not lock more than a few MiB.
fn lock_memory_for(flags: c_int, wanted: usize, kib: usize) -> usize {
    const NOT_FOR_JOBS: usize = 512;
    let is_room = |kib: usize| {
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, of which nobody knows.
        unsafe {
            let room = libc::mmap(ptr::null_mut(), kib * 1024, libc::PROT_NONE, kind, -1, 0);
            room != libc::MAP_FAILED && libc::munmap(room, kib * 1024) == 0
        }
    };
    // SAFETY: nothing moves, and nothing is unmapped.
    if unsafe { libc::mlockall(flags) } != 0 {
        return 0;
    }
    let counts = (1..=wanted).rev();
    let mut fitting = counts.skip_while(|count| !is_room(NOT_FOR_JOBS + count * kib));
    fitting.next().unwrap_or(0)
}

// Rules: D17, F8, D22, D6
fn in_locked_memory_stacks_are_guarded_and_used_again() {
    alone_and_locked(|| {
        if lock_memory_for(libc::MCL_FUTURE, 5, stack_kib().0 + 8) < 5 {
            std::process::exit(NOT_LOCKED);
        }
        assert_eq!(ASYNC_init_pool(5, 2), 1);
        for round in 0..3 {
            let mut jobs: Vec<CJob> = (0..5).map(|n| pausing(2, n)).collect();
            jobs.iter_mut().for_each(CJob::pause);
            assert!(jobs.iter().all(has_guard), "round {round}");
            jobs[3].wake();
            let stale = jobs[3].handle;
            jobs.iter_mut().for_each(CJob::pause);
            (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
            assert_eq!(errors(), []);
            ASYNC_free_pool();
            // Its memory could not be given back, and even so does not read as a live job.
            jobs[3].handle = stale;
            assert_eq!((jobs[3].go(), errors()), (ASYNC_ERR, vec![NOT_RESUMABLE]));
            assert_eq!(jobs[3].wait_fd(), -1);
            jobs[3].wake();
            jobs[3].handle = ptr::null_mut();
        }
    });
}

/// The locked memory of this process in KiB: the sum over its mappings. Reads line by line, because
/// the whole text at once would take locked memory too.
fn locked_kib() -> u64 {
    let smaps = BufReader::new(File::open("/proc/self/smaps").unwrap());
    let lines = smaps.lines().map(Result::unwrap);
    lines
        .filter_map(|line| {
            let kib = line.strip_prefix("Locked:")?.trim();
            Some(kib.trim_end_matches(" kB").parse::<u64>().unwrap())
        })
        .sum()
}

/// The guards of so many stacks, the first, are mappings of their own.
const IN_MAPPINGS: usize = 256;

/// Pauses jobs while new memory is locked in this way. Each takes at most `most` KiB of locked
/// memory and has a guard. The kernel counts `counted` KiB for each. First with one kind of guard,
/// then behind others.
fn locked_for_each_job(flags: c_int, most: u64, counted: usize) {
    for others in [0, IN_MAPPINGS] {
        alone_and_locked(|| {
            // What the test itself needs is there before.
            let all = others + 300;
            let mut jobs: Vec<CJob> = (0..all).map(|n| pausing(1, n as c_int)).collect();
            jobs[..others].iter_mut().for_each(pause);
            let room = lock_memory_for(flags, 300, counted);
            if room < 4 {
                std::process::exit(NOT_LOCKED);
            }
            jobs[others].go_with(NO_CTX);
            let before = locked_kib();
            let end = others + room;
            jobs[others + 1..end].iter_mut().for_each(pause);
            let each = (locked_kib() - before) as f64 / (room - 1) as f64;
            assert!(each <= most as f64, "{each} KiB a job");
            assert!(each > 3.0, "{each} KiB a job: it is not locked");
            assert!(jobs[..end].iter().all(has_guard));
            (0..)
                .zip(&mut jobs[..end])
                .for_each(|(n, job)| finish(job, n));
            assert_eq!(errors(), []);
        });
    }
}

// Rules: D17, F8, D22
fn of_a_paused_job_only_what_can_be_used_is_locked() {
    ignore_with_sanitizers("a sanitizer maps more addresses than can be locked");
    let most = stack_kib().0 + 8;
    locked_for_each_job(libc::MCL_FUTURE, most as u64, most);
}

// Rules: D17, F8, D22
fn of_a_paused_job_only_touched_pages_are_locked_on_fault() {
    ignore_with_sanitizers("a sanitizer maps more addresses than can be locked");
    let most = page_size() / 1024 + 2;
    locked_for_each_job(
        libc::MCL_FUTURE | libc::MCL_ONFAULT,
        most as u64,
        stack_kib().1 + 4,
    );
}

/// Does to some slots of a slab what `mlockall` does to all memory, for a user who may not lock all:
/// to those of two neighbouring jobs, and to the slots above. Locks new memory as well. Returns
/// whether that could be done.
fn lock_some_slots(jobs: &[CJob], slots: usize) -> bool {
    const GUARD: usize = 80 * 1024;
    let [first, second] = [0, 1].map(|n| jobs[n].handle.expose_provenance());
    let size = second - first;
    let low = first.next_multiple_of(page_size()) - size;
    let lock = |address: usize, size: usize| {
        // SAFETY: changes no contents, and finds out by itself what there is.
        unsafe { libc::mlock(ptr::with_exposed_provenance(address), size) };
    };
    for low in (0..slots).map(|n| low + n * size) {
        // The first call locks all, but stops at a guard; it is `mlockall` that goes on behind.
        lock(low, size);
        lock(low + GUARD, size - GUARD);
    }
    // SAFETY: as above.
    let future = unsafe { libc::mlockall(libc::MCL_FUTURE) } == 0;
    future && locked_kib() as usize >= slots * (size - GUARD) / 1024
}

// Rules: D17, F8, D22
fn memory_that_is_locked_when_jobs_exist_keeps_their_guards_and_new_ones_have_theirs() {
    ignore_with_sanitizers("a sanitizer maps more addresses than can be locked");
    const BEFORE: usize = IN_MAPPINGS + 62; // two short of guards that were made several at a time
    alone_and_locked(|| {
        // Guards of both kinds, and a slab of which some slots are not guarded yet.
        let mut jobs: Vec<CJob> = (0..400).map(|n| pausing(2, n)).collect();
        jobs[..BEFORE].iter_mut().for_each(pause);
        // SAFETY: nothing moves, and nothing is unmapped.
        let all = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } == 0;
        if !all && !lock_some_slots(&jobs[BEFORE - 2..BEFORE], 20) {
            std::process::exit(NOT_LOCKED);
        }
        assert!(jobs[..BEFORE].iter().all(has_guard));
        jobs.iter_mut().for_each(pause);
        assert!(jobs.iter().all(has_guard));
        // SAFETY: as it was.
        unsafe { libc::munlockall() };
        jobs[BEFORE..].iter_mut().for_each(pause);
        assert!(jobs.iter().all(has_guard));
        (0..).zip(&mut jobs).for_each(|(n, job)| finish(job, n));
        assert_eq!(errors(), []);
    });
}

// Rules: D17, D18, B19
fn what_may_be_locked_limits_the_jobs_and_nothing_else() {
    ignore_with_sanitizers("a sanitizer's own memory counts as locked too");
    alone_and_locked(|| {
        let mut jobs: Vec<CJob> = (0..9).map(|n| pausing(1, n)).collect();
        drop(vec![1u8; 100_000]);
        assert_eq!(ASYNC_init_pool(9, 0), 1);
        // Root has no limit, so this child continues as nobody.
        // SAFETY: changes nothing but that.
        let is_limited =
            unsafe { libc::geteuid() != 0 || libc::setresuid(65534, 65534, 65534) == 0 };
        assert!(is_limited, "root may become nobody");
        let in_use = about_process("status", "VmLck:") << 10;
        // Room for two jobs. While a job is made, its guard is locked too.
        let (usable, all) = stack_kib();
        let wanted = in_use + ((usable + all + usable * 9 / 10) << 10) as u64;
        let before = limit(libc::RLIMIT_MEMLOCK, wanted);
        // SAFETY: nothing moves, and nothing is unmapped.
        if before < wanted || unsafe { libc::mlockall(libc::MCL_FUTURE) } != 0 {
            std::process::exit(NOT_LOCKED);
        }
        jobs[0].pause();
        jobs[1].pause();
        (0..20).for_each(|_| no_job(E5_JOB));
        assert!(jobs[..2].iter().all(has_guard));
        // SAFETY: as it was.
        unsafe { libc::munlockall() };
        limit(libc::RLIMIT_MEMLOCK, before);
        jobs[2..].iter_mut().for_each(CJob::pause);
        assert!(jobs.iter().all(has_guard));
        (0..).zip(&mut jobs).for_each(|(n, job)| job.finish(n));
    });
}

// -------------------------------------------------------------------------------------------- keys

/// Uses up the thread-specific keys.
fn take_every_key() -> Vec<libc::pthread_key_t> {
    let mut keys = vec![];
    let mut key = 0;
    // SAFETY: keys of our own.
    while unsafe { libc::pthread_key_create(&mut key, None) } == 0 {
        keys.push(key);
    }
    keys
}

// Rules: B9, B18, B19, P10
fn a_thread_that_cannot_be_cleaned_up_after_gets_no_jobs() {
    alone(|| {
        let keys = take_every_key();
        let mut job = pausing(1, 5);
        assert_eq!((job.go(), job.ret), (ASYNC_ERR, UNWRITTEN));
        assert_eq!(errors(), [E1_THREAD]);
        assert_eq!(ASYNC_init_pool(1, 1), 0);
        assert_eq!(errors(), [E3_POOL]);
        assert_eq!(Pool::init(1, 1), Err(Error::Pool));
        assert!(matches!(
            start_job(|| ()),
            Err(StartError::Failed(Error::Thread, _))
        ));
        assert_eq!((ASYNC_in_job(), ASYNC_pause_job()), (0, 1));
        ASYNC_free_pool();
        // SAFETY: a key of our own.
        unsafe { libc::pthread_key_delete(keys[0]) };
        job.pause();
        job.finish(5);
        assert_eq!(
            take_every_key().len(),
            0,
            "one key is all that the library takes"
        );
    });
}

// Rules: F10, D15
fn many_threads_at_once_find_one_key() {
    alone(|| {
        let keys = take_every_key();
        // SAFETY: keys of our own. Two are left: one for the library, one to lose the race with.
        unsafe {
            libc::pthread_key_delete(keys[0]);
            libc::pthread_key_delete(keys[1]);
        }
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    // A thread that loses the race may find no key for a moment, but never a wrong
                    // one.
                    let mut job = pausing(1, 2);
                    match job.go() {
                        ASYNC_PAUSE => job.finish(2),
                        result => assert_eq!((result, errors()), (ASYNC_ERR, vec![E1_THREAD])),
                    }
                });
            }
        });
        assert_eq!(take_every_key().len(), 1, "the loser's key is given back");
    });
}
