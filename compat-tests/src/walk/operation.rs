//! What a walk consists of: operations, the scripts that jobs run, and how they are generated.
//! Also the list of what is left out, because the two implementations differ there on purpose.

use super::table::Libcrypto;
use operations::{Argument, ContextCall, Key};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The most jobs that run or are paused at a time.
pub const JOBS: usize = 5;

/// The most wait contexts that exist at a time.
pub const CONTEXTS: usize = 2;

/// Something that a thread does outside of its jobs.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Starts a job. If no handle is free it resumes a job, with a function and arguments that
    /// must be ignored (B22).
    Start(Start),
    /// Resumes one of the paused jobs: this number modulo how many there are.
    Resume(u8),
    /// A call that jobs can make too.
    Call(Call),
}

/// How a job is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its wait context. None: NULL.
    pub context: Option<u8>,
    pub argument: Argument,
    /// What its function does.
    pub script: Arc<[Call]>,
    /// What its function returns.
    pub value: i32,
}

/// A call of one function, inside a job or outside.
#[derive(Clone, Debug)]
pub enum Call {
    InitThread {
        max: usize,
        init: usize,
        /// If the call leaves an entry in the error queue, it stays there until the next call
        /// (B5).
        leave_error: bool,
    },
    CleanupThread,
    PauseJob,
    BlockPause,
    UnblockPause,
    GetCurrentJob,
    GetWaitCtx(Whose),
    IsCapable,
    /// `ASYNC_start_job` inside a job: for a new job, or with the job's own handle.
    StartInside,
    /// A resume of the handle of a job that has ended.
    ResumeIdle,
    /// A start with NULL for the result.
    StartWithoutResult,
    New(u8),
    Free(Target),
    OnContext(Target, ContextCall),
    /// Replaces the default library context; 0 is the global one.
    SetLibctx(u8),
    /// Another thread makes the call while this thread waits. An engine would do that.
    Elsewhere(Arc<Call>),
}

/// A wait context.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The one of this place, which is made if there is none.
    Place(u8),
    /// The running job's. Outside a job, that of the first place.
    Own,
    Null,
}

/// A job whose wait context a call asks for.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// The running job.
    Own,
    /// A paused job.
    Paused(u8),
    /// A job that has ended.
    Idle(u8),
}

/// Why a walk does not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exclusion {
    InitWithJobs,
    CleanupWithJobs,
    CleanupInside,
    NestedStart,
    FinishedHandle,
    NullArguments,
    NoBytes,
    PauseWithoutContext,
    ContextInUse,
    NullContext,
    OtherThread,
    ThreadExit,
    Fork,
    PauseFirst,
    HugePool,
    ChangeInCleanup,
    ContextCreation,
    Version,
}

use Exclusion::*;

/// Everything that a walk leaves out, the rule that is the reason, and what it is.
///
/// Not here, because the results are the same: `ASYNC_init_thread` if there is a pool and no job
/// runs or is paused (D2, G4). OpenSSL leaks the idle jobs there, which no caller sees. Handles
/// are numbered anew from then on.
pub const LEFT_OUT: &[(Exclusion, &str, &str)] = &[
    (
        InitWithJobs,
        "D2",
        "a new pool while jobs run or are paused: OpenSSL's pool accepts them without counting them (P9)",
    ),
    (
        CleanupWithJobs,
        "D3",
        "ASYNC_cleanup_thread with paused jobs: use after free when they end",
    ),
    (
        CleanupInside,
        "D4",
        "ASYNC_cleanup_thread inside a job: use after free",
    ),
    (
        NestedStart,
        "D5",
        "ASYNC_start_job inside a job, of its own handle too (D7): a crash, or functions that run twice",
    ),
    (
        FinishedHandle,
        "D6",
        "a resume of a handle whose job has ended: the job is pooled twice",
    ),
    (
        NullArguments,
        "D10",
        "NULL for a result, a handle or a function: a crash",
    ),
    (
        NoBytes,
        "D11",
        "arguments of size 0, which older versions refuse (B24)",
    ),
    (
        PauseWithoutContext,
        "D25",
        "a pause of a job without a wait context: a crash when it is resumed",
    ),
    (
        ContextInUse,
        "D26",
        "ASYNC_WAIT_CTX_free of a live job's wait context: use after free",
    ),
    (
        NullContext,
        "D28",
        "NULL for a wait context, except in free and set_callback: a crash",
    ),
    (
        OtherThread,
        "D8",
        "resuming another thread's job: no operation here",
    ),
    (
        ThreadExit,
        "D15",
        "threads that end with paused jobs: no operation here",
    ),
    (Fork, "D16", "fork: no operation here"),
    (
        PauseFirst,
        "D29",
        "ASYNC_pause_job before the library's initialisation: no operation here",
    ),
    (
        HugePool,
        "G2",
        "an init_size for which there is no memory, which passes through an int: no operation here",
    ),
    (
        ChangeInCleanup,
        "G18",
        "cleanups that read or change the context's list: no operation here",
    ),
    (
        ContextCreation,
        "D17",
        "failures to make a job or to enter it (D18, D20, D30): no operation here",
    ),
    (
        Version,
        "",
        "what this libcrypto does not have: callbacks, status, library contexts",
    ),
];

impl Exclusion {
    /// Whether the generator offers what it excludes, so that a walk counts it.
    fn is_offered(self) -> bool {
        !matches!(
            self,
            OtherThread
                | ThreadExit
                | Fork
                | PauseFirst
                | HugePool
                | ChangeInCleanup
                | ContextCreation
                | Version
        )
    }

    /// Whether a walk on this libcrypto meets what it excludes.
    pub fn applies_to(self, libcrypto: &Libcrypto) -> bool {
        self.is_offered() && !(self == NoBytes && libcrypto.runs_with_no_bytes())
    }
}

/// A number below a bound, as operations store it.
fn below(bound: usize) -> impl Strategy<Value = u8> {
    0..u8::try_from(bound).expect("bounds are small")
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        16 => Just(Target::Own),
        6 => below(CONTEXTS).prop_map(Target::Place),
        1 => Just(Target::Null),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => Just(Key::Fixed(1)),
        1 => Just(Key::Fixed(2)),
        1 => Just(Key::Fixed(0)),
        1 => Just(Key::Context),
    ]
}

fn fd() -> impl Strategy<Value = i32> {
    prop_oneof![8 => 98..100, 1 => Just(-1), 1 => any::<i32>()]
}

/// A pool's sizes. Some are refused sizes, and some are limits that no `int` holds.
fn init() -> impl Strategy<Value = Call> {
    let max = prop_oneof![10 => 0..5usize, 1 => Just(1 << 31), 1 => Just(usize::MAX)];
    // `init` stays small, because that many jobs are made at once.
    (max, 0..4usize, any::<bool>()).prop_map(|(max, init, leave_error)| Call::InitThread {
        max,
        init,
        leave_error,
    })
}

/// Calls on a wait context or a job that any thread may make, if the threads take turns.
fn any_threads_call() -> impl Strategy<Value = Call> {
    use Call::OnContext;
    use ContextCall::*;
    prop_oneof![
        14 => (target(), key(), fd(), below(3), any::<bool>()).prop_map(|(on, key, fd, data, cleanup)|
            OnContext(on, SetWaitFd { key, fd, data, cleanup })),
        8 => (target(), key()).prop_map(|(on, key)| OnContext(on, ClearFd(key))),
        4 => (target(), key()).prop_map(|(on, key)| OnContext(on, GetFd { key, fd: true, data: true })),
        4 => (target(), prop::bool::weighted(0.75))
            .prop_map(|(on, array)| OnContext(on, GetAllFds { array, count: true })),
        10 => (target(), prop::bool::weighted(0.85), prop::bool::weighted(0.85)).prop_map(|(on, added, deleted)|
            OnContext(on, GetChangedFds { arrays: [added, deleted], counts: [true; 2] })),
        2 => (target(), prop::bool::weighted(0.75), below(3)).prop_map(|(on, set, argument)|
            OnContext(on, SetCallback { callback: set.then_some(0), argument })),
        2 => target().prop_map(|on| OnContext(on, GetCallback { callback: true, argument: true })),
        2 => (target(), prop_oneof![0..4, any::<i32>()]).prop_map(|(on, status)| OnContext(on, SetStatus(status))),
        2 => target().prop_map(|on| OnContext(on, GetStatus)),
        3 => prop_oneof![
            Just(Whose::Own),
            below(JOBS).prop_map(Whose::Paused),
            below(JOBS).prop_map(Whose::Idle),
        ]
        .prop_map(Call::GetWaitCtx),
    ]
}

/// Calls that jobs and their callers both make.
fn common() -> impl Strategy<Value = Call> {
    // The simpler ones come first, because proptest shrinks to them.
    prop_oneof![
        1 => Just(Call::IsCapable),
        49 => any_threads_call().boxed(),
        2 => any_threads_call().prop_map(|call| Call::Elsewhere(Arc::new(call))).boxed(),
        2 => Just(Call::GetCurrentJob),
        1 => below(CONTEXTS).prop_map(Call::New),
        1 => target().prop_map(Call::Free),
        2 => below(3).prop_map(Call::SetLibctx),
    ]
}

/// What a job's function does.
fn script() -> impl Strategy<Value = Arc<[Call]>> {
    let action = prop_oneof![
        60 => common(),
        30 => Just(Call::PauseJob),
        3 => Just(Call::BlockPause),
        8 => Just(Call::UnblockPause),
        2 => init(),
        1 => Just(Call::CleanupThread),
        1 => Just(Call::StartInside),
    ];
    vec(action, SCRIPT).prop_map(Arc::from)
}

/// How many calls a job's function makes.
const SCRIPT: RangeInclusive<usize> = 0..=10;

fn start() -> impl Strategy<Value = Start> {
    let argument = prop_oneof![
        12 => (1..=64u8).prop_map(|n| Argument::Bytes(n.into())),
        8 => prop_oneof![Just(0), Just(8), Just(usize::MAX)].prop_map(Argument::Null),
        1 => Just(Argument::Huge),
        1 => Just(Argument::Bytes(0)),
    ];
    let context = prop::option::weighted(0.9, below(CONTEXTS));
    (context, argument, script(), any::<i8>()).prop_map(|(context, argument, script, value)| {
        Start {
            context,
            argument,
            script,
            value: value.into(),
        }
    })
}

/// One operation of a walk.
fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        50 => common().prop_map(Operation::Call),
        45 => any::<u8>().prop_map(Operation::Resume),
        30 => start().prop_map(Operation::Start),
        4 => init().prop_map(Operation::Call),
        3 => Just(Operation::Call(Call::CleanupThread)),
        2 => Just(Operation::Call(Call::PauseJob)),
        2 => Just(Operation::Call(Call::BlockPause)),
        2 => Just(Operation::Call(Call::UnblockPause)),
        1 => Just(Operation::Call(Call::ResumeIdle)),
        1 => Just(Operation::Call(Call::StartWithoutResult)),
    ]
}

/// All walks that lack one operation of this walk, or one call of one of its scripts.
pub fn shorter(walk: &[Operation]) -> impl Iterator<Item = Vec<Operation>> {
    let without_operation = (0..walk.len()).map(|n| [&walk[..n], &walk[n + 1..]].concat());
    let without_call = walk.iter().enumerate().flat_map(move |(n, operation)| {
        let script = match operation {
            Operation::Start(start) => &*start.script,
            _ => &[],
        };
        (0..script.len()).map(move |call| {
            let mut walk = walk.to_vec();
            if let Operation::Start(start) = &mut walk[n] {
                start.script = [&script[..call], &script[call + 1..]].concat().into();
            }
            walk
        })
    });
    without_operation.chain(without_call)
}

/// A walk that begins and ends on a thread without a pool.
pub fn walk() -> impl Strategy<Value = Vec<Operation>> {
    let operations = vec(operation(), 0..=60);
    (prop::option::of(init()), operations).prop_map(|(init, mut operations)| {
        // Later, when jobs run or are paused, sizes are hardly ever accepted.
        operations.splice(0..0, init.map(Operation::Call));
        operations
    })
}
