//! Stacks: their size, what is below them, what an overflow does, and what is given back (F1, F8,
//! D22).

mod common;
#[path = "common/ignorable.rs"]
mod ignorable;
use common::capi::*;
use common::*;
use ignorable::{ignore, ignore_for_want};
use std::ffi::{c_int, c_void};

ignorable::main_with! {
    every_stack_has_what_is_promised_and_a_guard_below,
    the_whole_stack_can_be_written,
    a_frame_that_does_not_fit_faults_at_any_depth,
    endless_recursion_faults,
    freed_jobs_give_their_memory_back_and_paused_ones_keep_it,
    freed_stacks_are_used_again,
    a_stack_is_never_backed_by_huge_pages,
    lightweight_guards_cost_no_mapping_each,
    locked_memory_gets_guards_too_and_freed_records_in_it_read_as_dead,
}

const KIB: usize = 1024;
/// What the documentation promises.
const USABLE: usize = 128 * KIB;
const GUARD: usize = 80 * KIB;

/// Which pages of a range are in memory.
fn resident(start: usize, length: usize) -> usize {
    let page = page_size();
    let first = start / page * page;
    let mut pages = vec![0u8; (start + length - first).div_ceil(page)];
    // SAFETY: the vector has a byte a page; the kernel checks the range.
    let result = unsafe {
        libc::mincore(
            std::ptr::with_exposed_provenance_mut(first),
            pages.len() * page,
            pages.as_mut_ptr(),
        )
    };
    assert_eq!(result, 0);
    pages.iter().filter(|page| **page & 1 != 0).count()
}

// Rules: F1, F8
fn every_stack_has_what_is_promised_and_a_guard_below() {
    let page = page_size();
    // Enough for several slabs.
    let mut jobs: Vec<CJob> = (0..100).map(|_| pausing(1, 0)).collect();
    jobs.iter_mut().for_each(CJob::pause);
    for job in &mut jobs {
        let top = job.handle.expose_provenance();
        for below in (1..=USABLE).step_by(page).chain([USABLE]) {
            assert!(accessible(top - below), "{below} bytes below the top");
        }
        // The stack ends within a page of what is promised. Below that nothing can be touched.
        let end = (0..2)
            .map(|pages| top - USABLE - pages * page)
            .find(|end| !accessible(*end));
        let end = end.expect("a stack that ends");
        for below in (0..=GUARD).step_by(KIB) {
            assert!(!accessible(end - below), "{below} bytes into the guard");
        }
    }
    jobs.iter_mut().for_each(|job| job.finish(0));
}

unsafe extern "C" fn use_it_all(_: *mut c_void) -> c_int {
    let top = ASYNC_get_current_job().expose_provenance();
    let here = std::hint::black_box(&top);
    assert!(
        top - std::ptr::from_ref(here).addr() < 16 * KIB,
        "the job runs right below its record"
    );
    let mut address = std::ptr::from_ref(here).addr() - 8 * KIB;
    while address >= top - USABLE {
        // SAFETY: the job's own stack, below everything that is in use.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1) };
        address -= 64;
    }
    1
}

// Rules: F8, F1
fn the_whole_stack_can_be_written() {
    let (mut handle, mut ret) = (std::ptr::null_mut(), 0);
    // SAFETY: the function needs no argument.
    let result = unsafe {
        ASYNC_start_job_2015(
            &mut handle,
            &mut ret,
            Some(use_it_all),
            std::ptr::null_mut(),
            0,
        )
    };
    assert_eq!((result, ret), (ASYNC_FINISH, 1));
}

/// Goes down the stack until only this much is left, then enters a frame of this size. It writes to
/// the frame's far end first, as C code does that is compiled without stack probes.
#[inline(never)]
fn descend(end: usize, left: usize, frame: usize) {
    let ballast = std::hint::black_box([0u8; 512]);
    let here = ballast.as_ptr().addr();
    if here - end > left + 2 * KIB {
        descend(end, left, frame);
        std::hint::black_box(&ballast);
    } else {
        // SAFETY: none: this is the overflow.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(here - frame).write_volatile(1) };
    }
}

// Rules: D22, F8
fn a_frame_that_does_not_fit_faults_at_any_depth() {
    for frame in [33 * KIB, 40 * KIB, 66 * KIB, 80 * KIB] {
        for left in [0, 4 * KIB, 16 * KIB, frame - 4 * KIB] {
            let ending = in_child(|| {
                // Neighbours on both sides. An overflow could reach their memory.
                let mut jobs: Vec<CJob> = (0..3)
                    .map(|n| {
                        CJob::new(move || {
                            ASYNC_pause_job();
                            if n == 1 {
                                let end = ASYNC_get_current_job().expose_provenance()
                                    - USABLE
                                    - page_size();
                                descend(end, left, frame);
                            }
                            n
                        })
                    })
                    .collect();
                jobs.iter_mut().for_each(CJob::pause);
                jobs[1].go();
            });
            assert_eq!(
                ending,
                Ending::Signal(libc::SIGSEGV),
                "{frame} bytes with {left} left"
            );
        }
    }
}

// Rules: D22
fn endless_recursion_faults() {
    let ending = in_child(|| {
        CJob::new(|| {
            descend(0, 0, 0);
            0
        })
        .go();
    });
    assert_eq!(ending, Ending::Signal(libc::SIGSEGV));
}

// Rules: B14, B15
fn freed_jobs_give_their_memory_back_and_paused_ones_keep_it() {
    // A child, because here other tests would take what is released.
    alone(|| {
        let mut jobs: Vec<CJob> = (0..4).map(|_| pausing(1, 0)).collect();
        jobs.iter_mut().for_each(CJob::pause);
        let handles: Vec<usize> = jobs
            .iter()
            .map(|job| job.handle.expose_provenance())
            .collect();
        let used = |handle: &usize| resident(handle - 64 * KIB, 64 * KIB + 256);
        jobs[0].finish(0);
        jobs[1].finish(0);
        assert!(handles.iter().all(|handle| used(handle) > 0));
        ASYNC_free_pool();
        assert_eq!(handles[..2].iter().map(used).sum::<usize>(), 0);
        assert!(handles[2..].iter().all(|handle| used(handle) > 0));
        jobs[2].finish(0);
        jobs[3].finish(0);
        assert_eq!(handles.iter().map(used).sum::<usize>(), 0);
    });
}

// Rules: D6, F8
fn freed_stacks_are_used_again() {
    alone(|| {
        let mut addresses = std::collections::HashSet::new();
        for _ in 0..20 {
            let mut jobs: Vec<CJob> = (0..20).map(|_| pausing(1, 0)).collect();
            for job in &mut jobs {
                job.pause();
                addresses.insert(job.handle.addr());
            }
            jobs.iter_mut().for_each(|job| job.finish(0));
            ASYNC_free_pool();
        }
        assert_eq!(addresses.len(), 20);
    });
}

/// The lines of /proc/self/smaps about the mapping that an address is in.
fn smaps(address: usize) -> String {
    let all = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    let mut lines = vec![];
    for line in all.lines() {
        if let Some((range, _)) = line
            .split_once(' ')
            .filter(|(range, _)| range.contains('-'))
        {
            let bounds: Vec<usize> = range
                .split('-')
                .map(|n| usize::from_str_radix(n, 16).unwrap())
                .collect();
            inside = (bounds[0]..bounds[1]).contains(&address);
        }
        if inside {
            lines.push(line);
        }
    }
    lines.join("\n")
}

// Rules: F8
fn a_stack_is_never_backed_by_huge_pages() {
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        ignore("this kernel has no transparent huge pages");
    }
    let mut job = pausing(1, 0);
    job.pause();
    let smaps = smaps(job.handle.expose_provenance());
    let flags = smaps
        .lines()
        .find(|line| line.starts_with("VmFlags:"))
        .unwrap();
    assert!(flags.split(' ').any(|flag| flag == "nh"), "{flags}");
    job.finish(0);
}

// Rules: F8, D17
fn lightweight_guards_cost_no_mapping_each() {
    alone(|| {
        // The guards of the first stacks are always mappings.
        let (max, jobs, first) = (2000, 1500, 256);
        limit(libc::RLIMIT_NOFILE, 4000); // two for each job
        let none = mappings();
        assert_eq!(ASYNC_init_pool(max, first), 1);
        let before = mappings();
        assert!(before - none >= first, "{none} to {before}");
        assert_eq!(ASYNC_init_pool(max, jobs), 1);
        let more = mappings() - before;
        if has_light_guards() {
            assert!(more < 20, "{more} mappings more");
        } else {
            assert!(more >= jobs - first, "{more}: each guard is a mapping");
        }
    });
}

// Rules: D6, D24, F8
fn locked_memory_gets_guards_too_and_freed_records_in_it_read_as_dead() {
    // What is mapped from then on. A user may not lock more than a few MiB, of which a thread and some stacks need one.
    let locked = || {
        // SAFETY: affects the child only, and leaves it no mapping.
        unsafe {
            let may = libc::mlockall(libc::MCL_FUTURE) == 0;
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let room = libc::mmap(
                std::ptr::null_mut(),
                1024 * KIB,
                libc::PROT_NONE,
                kind,
                -1,
                0,
            );
            may && room != libc::MAP_FAILED && libc::munmap(room, 1024 * KIB) == 0
        }
    };
    if in_child(|| assert!(locked())) != Ending::Exit(0) {
        ignore_for_want("this much memory may not be locked");
    }
    alone(|| {
        assert!(locked());
        let mut job = pausing(1, 1);
        job.pause();
        let (handle, fd) = (job.handle, job.wait_fd());
        assert!(!accessible(
            handle.expose_provenance() - USABLE - 2 * page_size()
        ));
        job.finish(1);
        ASYNC_free_pool();
        assert!(!open(fd));
        let (mut stale, mut ret) = (handle, 0);
        // SAFETY: the library issued the handle.
        unsafe {
            assert_eq!(
                ASYNC_start_job_2015(&mut stale, &mut ret, None, std::ptr::null_mut(), 0),
                ASYNC_ERR
            );
            assert_eq!(errors(), [NOT_RESUMABLE]);
            assert_eq!(ASYNC_get_wait_fd(handle), -1);
            ASYNC_wake(handle);
        }
        // The next job gets the same memory, with what the last job left there. It is on another
        // thread, where what the last job left of its fibre would be wrong.
        let address = handle.expose_provenance();
        let next = move || {
            let mut job = pausing(1, 2);
            job.pause();
            assert_eq!(job.handle.expose_provenance(), address);
            assert!(!readable(job.wait_fd()));
            job.finish(2);
        };
        let thread = std::thread::Builder::new().stack_size(128 * KIB);
        thread.spawn(next).unwrap().join().unwrap();
    });
}
