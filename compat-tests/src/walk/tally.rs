//! The classes of results of each function, and how often a walk met each class.

use super::event::{Entry, Event, Failure, Pointer};
use super::operation::{Exclusion, LEFT_OUT};
use super::table::{Libcrypto, exceeds_int};
use operations::{ContextCall, Seen};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The functions, and the classes of results that a walk must meet. A result of any other class is
/// a failure.
const CLASSES: &[(&str, &[&str])] = &[
    (
        "ASYNC_init_thread",
        &[
            "1",
            "0",
            "0 inside a job",
            "1 above INT_MAX",
            "0 above INT_MAX",
        ],
    ),
    ("ASYNC_cleanup_thread", &["done"]),
    (
        "ASYNC_start_job, new",
        &["FINISH", "PAUSE", "NO_JOBS", "ERR"],
    ),
    ("ASYNC_start_job, resume", &["FINISH", "PAUSE"]),
    ("  job with arguments of size 0", &["gets NULL"]),
    (
        "ASYNC_pause_job",
        &["1 after a pause", "1 blocked", "1 outside a job"],
    ),
    ("ASYNC_get_current_job", &["job", "NULL"]),
    (
        "ASYNC_get_wait_ctx",
        &["context", "NULL of a live job", "NULL of an idle job"],
    ),
    ("ASYNC_block_pause", &["inside a job", "outside a job"]),
    ("ASYNC_unblock_pause", &["inside a job", "outside a job"]),
    ("ASYNC_is_capable", &["1"]),
    ("ASYNC_WAIT_CTX_new", &["context"]),
    ("ASYNC_WAIT_CTX_free", &["context", "NULL"]),
    ("  cleanup called by it", &["done"]),
    ("ASYNC_WAIT_CTX_set_wait_fd", &["1"]),
    ("ASYNC_WAIT_CTX_get_fd", &["1", "0"]),
    (
        "ASYNC_WAIT_CTX_get_all_fds",
        &[
            "none",
            "some, counted",
            "one",
            "two and more",
            "the same fd twice",
        ],
    ),
    (
        "ASYNC_WAIT_CTX_get_changed_fds",
        &[
            "none",
            "counted",
            "added",
            "deleted",
            "both",
            "the same fd in both",
        ],
    ),
    ("ASYNC_WAIT_CTX_clear_fd", &["1", "0"]),
    (
        "ASYNC_WAIT_CTX_set_callback",
        &["1", "1 unset", "0 for NULL"],
    ),
    ("ASYNC_WAIT_CTX_get_callback", &["1", "0"]),
    ("ASYNC_WAIT_CTX_set_status", &["1"]),
    ("ASYNC_WAIT_CTX_get_status", &["0", "another"]),
    (
        "OSSL_LIB_CTX_set0_default",
        &["inside a job", "outside a job"],
    ),
    ("  calls of another thread", &["made"]),
    ("error queue", &["invalid pool size", "malloc failure"]),
];

/// Whether a version of libcrypto has results of this class.
fn has(libcrypto: &Libcrypto, function: &str, class: &str) -> bool {
    match (function, class) {
        ("ASYNC_init_thread", "1 above INT_MAX") => libcrypto.takes_huge_limits(),
        ("ASYNC_init_thread", "0 above INT_MAX") => !libcrypto.takes_huge_limits(),
        ("  job with arguments of size 0", _) => libcrypto.runs_with_no_bytes(),
        _ => libcrypto.table.functions3.is_some() || !CLASSES_OF_3.contains(&function),
    }
}

/// The functions that libcrypto has since 3.0 only.
const CLASSES_OF_3: &[&str] = &[
    "ASYNC_WAIT_CTX_set_callback",
    "ASYNC_WAIT_CTX_get_callback",
    "ASYNC_WAIT_CTX_set_status",
    "ASYNC_WAIT_CTX_get_status",
    "OSSL_LIB_CTX_set0_default",
];

impl Entry {
    /// The function that was called, and the class of its result. None if the event is not a call.
    fn class(&self) -> Option<(&'static str, String)> {
        let inside = if self.running.is_some() {
            "inside a job"
        } else {
            "outside a job"
        };
        let (function, class) = match &self.event {
            Event::Entered {
                no_bytes: true,
                bytes,
                ..
            } => (
                "  job with arguments of size 0",
                match bytes {
                    None => "gets NULL".into(),
                    Some(_) => "gets a block".into(),
                },
            ),
            Event::LeftOut(_)
            | Event::Entered { .. }
            | Event::Resumed { .. }
            | Event::NotAsModelled(_)
            | Event::WrongFunction => return None,
            Event::CleanedUp { .. } => ("  cleanup called by it", "done".into()),
            Event::Elsewhere => ("  calls of another thread", "made".into()),
            Event::InitThread { result, max, .. } => (
                "ASYNC_init_thread",
                match self.running {
                    Some(_) => format!("{result} inside a job"),
                    None if exceeds_int(*max) => format!("{result} above INT_MAX"),
                    None => result.to_string(),
                },
            ),
            Event::CleanupThread => ("ASYNC_cleanup_thread", "done".into()),
            Event::StartJob {
                resumed, result, ..
            } => (
                if *resumed {
                    "ASYNC_start_job, resume"
                } else {
                    "ASYNC_start_job, new"
                },
                match result {
                    0 => "ERR".into(),
                    1 => "NO_JOBS".into(),
                    2 => "PAUSE".into(),
                    3 => "FINISH".into(),
                    _ => result.to_string(),
                },
            ),
            Event::PauseJob {
                inside,
                result,
                paused,
            } => (
                "ASYNC_pause_job",
                match (inside, paused) {
                    (true, true) => format!("{result} after a pause"),
                    (true, false) => format!("{result} blocked"),
                    (false, false) => format!("{result} outside a job"),
                    (false, true) => format!("{result} elsewhere"),
                },
            ),
            Event::GetCurrentJob { job } => ("ASYNC_get_current_job", of(*job, "job")),
            Event::GetWaitCtx { live, context, .. } => (
                "ASYNC_get_wait_ctx",
                match (context, live) {
                    (Pointer::Null, true) => "NULL of a live job".into(),
                    (Pointer::Null, false) => "NULL of an idle job".into(),
                    (context, true) => of(*context, "context"),
                    (_, false) => "context of an idle job".into(),
                },
            ),
            Event::BlockPause { .. } => ("ASYNC_block_pause", inside.into()),
            Event::UnblockPause { .. } => ("ASYNC_unblock_pause", inside.into()),
            Event::IsCapable { result } => ("ASYNC_is_capable", result.to_string()),
            Event::New { context } => ("ASYNC_WAIT_CTX_new", of(*context, "context")),
            Event::Free { context } => ("ASYNC_WAIT_CTX_free", of(*context, "context")),
            Event::OnContext {
                context,
                call,
                seen,
            } => class_on_context(*context, *call, seen),
            Event::SetLibctx { .. } => ("OSSL_LIB_CTX_set0_default", inside.into()),
        };
        Some((function, class))
    }
}

/// The same for a call on a wait context.
fn class_on_context(context: Pointer, call: ContextCall, seen: &Seen) -> (&'static str, String) {
    let Seen { result, lists, .. } = seen;
    let [all, deleted] = lists;
    let with_result = |function| (function, result.to_string());
    match call {
        ContextCall::SetWaitFd { .. } => with_result("ASYNC_WAIT_CTX_set_wait_fd"),
        ContextCall::GetFd { .. } => with_result("ASYNC_WAIT_CTX_get_fd"),
        ContextCall::GetAllFds { array, .. } => (
            "ASYNC_WAIT_CTX_get_all_fds",
            match all.count {
                0 => "none",
                _ if !array => "some, counted",
                1 => "one",
                _ if repeats(&all.fds) => "the same fd twice",
                _ => "two and more",
            }
            .into(),
        ),
        ContextCall::GetChangedFds { arrays, .. } => (
            "ASYNC_WAIT_CTX_get_changed_fds",
            match (all.count, deleted.count) {
                (0, 0) => "none",
                _ if arrays == [false; 2] => "counted",
                (_, 0) => "added",
                (0, _) => "deleted",
                _ if all.fds.iter().any(|fd| deleted.fds.contains(fd)) => "the same fd in both",
                _ => "both",
            }
            .into(),
        ),
        ContextCall::ClearFd(_) => with_result("ASYNC_WAIT_CTX_clear_fd"),
        ContextCall::SetCallback { callback, .. } => (
            "ASYNC_WAIT_CTX_set_callback",
            match (context, callback) {
                (Pointer::Null, _) => format!("{result} for NULL"),
                (_, Some(_)) => result.to_string(),
                (_, None) => format!("{result} unset"),
            },
        ),
        ContextCall::GetCallback { .. } => with_result("ASYNC_WAIT_CTX_get_callback"),
        ContextCall::SetStatus(_) => with_result("ASYNC_WAIT_CTX_set_status"),
        ContextCall::GetStatus => (
            "ASYNC_WAIT_CTX_get_status",
            if *result == 0 { "0" } else { "another" }.into(),
        ),
    }
}

/// The class of a pointer: what it is of, or NULL.
fn of(pointer: Pointer, what: &str) -> String {
    match pointer {
        Pointer::Null => "NULL".into(),
        Pointer::Known(_) => what.into(),
        Pointer::Unknown => "garbage".into(),
    }
}

fn repeats(fds: &[i32]) -> bool {
    fds.iter().enumerate().any(|(n, fd)| fds[..n].contains(fd))
}

/// How often each class of each function's results occurred, and how often each exclusion was
/// applied.
#[derive(Default)]
pub struct Tally {
    classes: BTreeMap<(&'static str, String), u64>,
    left_out: BTreeMap<Exclusion, u64>,
    operations: u64,
}

impl Tally {
    /// Counts what one implementation did. The other did the same.
    pub fn add(&mut self, log: &[Entry]) {
        for entry in log {
            if let Event::LeftOut(exclusion) = entry.event {
                *self.left_out.entry(exclusion).or_default() += 1;
            }
            for failure in &entry.errors {
                let class = match failure {
                    Failure::InvalidPoolSize => "invalid pool size".into(),
                    Failure::OutOfMemory => "malloc failure".into(),
                    other => format!("{other:?}"),
                };
                *self.classes.entry(("error queue", class)).or_default() += 1;
            }
            if let Some(class) = entry.class() {
                *self.classes.entry(class).or_default() += 1;
                if !matches!(
                    entry.event,
                    Event::CleanedUp { .. } | Event::Elsewhere | Event::Entered { .. }
                ) {
                    self.operations += 1;
                }
            }
        }
    }

    /// Calls of the functions.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// The counts, as text.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for (function, classes) in CLASSES {
            let counts: Vec<String> = classes
                .iter()
                .map(|class| {
                    format!(
                        "{class}: {}",
                        self.classes
                            .get(&(*function, class.to_string()))
                            .unwrap_or(&0)
                    )
                })
                .collect();
            writeln!(table, "  {function:<31} {}", counts.join(", ")).expect("memory is there");
        }
        table += "  left out\n";
        for (exclusion, rule, what) in LEFT_OUT {
            let count = self.left_out.get(exclusion).unwrap_or(&0);
            writeln!(table, "  {count:>9} {rule:<4} {what}").expect("memory is there");
        }
        table
    }

    /// What is wrong: classes that occurred fewer times than `least`, unknown classes, and
    /// exclusions that were never applied and so are not needed.
    pub fn faults(&self, least: u64, libcrypto: &Libcrypto) -> Vec<String> {
        let mut faults = Vec::new();
        for (function, classes) in CLASSES {
            for class in classes
                .iter()
                .filter(|class| has(libcrypto, function, class))
            {
                let count = *self
                    .classes
                    .get(&(*function, class.to_string()))
                    .unwrap_or(&0);
                if count < least {
                    faults.push(format!("{function}: {class}: only {count} of {least}"));
                }
            }
        }
        for ((function, class), count) in &self.classes {
            let expected = CLASSES
                .iter()
                .any(|(name, classes)| name == function && classes.contains(&class.as_str()))
                && has(libcrypto, function, class);
            if !expected {
                faults.push(format!(
                    "{function}: {class}: {count}, which is not a known class"
                ));
            }
        }
        for (exclusion, rule, what) in LEFT_OUT {
            if least > 0
                && exclusion.applies_to(libcrypto)
                && !self.left_out.contains_key(exclusion)
            {
                faults.push(format!("{rule} {what}: never left out"));
            }
        }
        faults
    }
}
