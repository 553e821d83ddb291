//! Workers: threads of the library's own.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use wasmtime::ValRaw;

use super::error::{self, rtw_error_t};
use super::guard::{self, bare, setup, setup_apart, status_of};
use super::handle::{self, Noun, Pool};
use super::instance::{RTW_DENORMALS_KEEP, rtw_func_t, rtw_value_t};
use super::prepare::{self, rtw_dry_call_t};
use super::runtime::{RTW_SCHED_FIFO, RTW_SCHED_KEEP, RTW_SCHED_OTHER, RTW_SCHED_RR, out_of_range, rtw_runtime_t};
use super::stats::{buckets, distribution, list, rtw_bucket_t, rtw_distribution_t};
use super::text;
use super::thread::{self, RTW_SCHED_RUNTIME, rtw_thread_config_t};
use crate::engine::instance::Func;
use crate::engine::runtime::Runtime;
use crate::rt::clock;
use crate::rt::thread::Deadline;
use crate::stats::cause;
use crate::status::*;
use crate::worker::periodic::{Missed, Periodic, Task, Tick};
use crate::worker::queue::{self, Completion};
use crate::worker::{Call, Config, Rehearsal, Setup, State, Target, Work, Worker};

/// Works at equal distances in time.
pub const RTW_WORKER_PERIODIC: u32 = 0;
/// Works on what it is given: rtw_worker_submit, rtw_worker_invoke.
pub const RTW_WORKER_QUEUE: u32 = 1;

/// SCHED_DEADLINE, for workers only: the system sees to it that the thread gets deadline_runtime_ns of every period.
pub const RTW_SCHED_DEADLINE: u32 = 4;

/// Periods that are over before their step could begin are passed over.
pub const RTW_MISSED_SKIP: u32 = 0;
/// Every period gets its step, one after the other until time is made up for.
pub const RTW_MISSED_CATCH_UP: u32 = 1;

/// A step that fails ends the run.
pub const RTW_ON_FAULT_STOP: u32 = 0;
/// A step that fails is counted, and the next one comes as usual.
pub const RTW_ON_FAULT_CONTINUE: u32 = 1;

/// What a step answers to end the run regularly.
pub const RTW_STEP_STOP: rtw_status_t = 1;

/// The most values that an invocation given to a worker may have.
pub const RTW_WORKER_VALUES: usize = 16;

/// For timeouts: for ever.
pub const RTW_FOREVER: u64 = u64::MAX;

/// Selects wake_up of rtw_worker_stats_t in rtw_worker_buckets and rtw_worker_interval: how late steps began.
pub const RTW_SERIES_WAKE_UP: u32 = 0;
/// Selects call: how long steps took, from the actual start.
pub const RTW_SERIES_CALL: u32 = 1;
/// Selects response: how long steps took from the intended start, periods that went by included.
pub const RTW_SERIES_RESPONSE: u32 = 2;
/// Selects jitter: how far two starts were from a period apart.
pub const RTW_SERIES_JITTER: u32 = 3;

/// The thread took page faults between the step before and the end of this one.
pub const RTW_CAUSE_PAGE_FAULT: u32 = 1;
/// Another thread took the CPU in that time.
pub const RTW_CAUSE_INVOLUNTARY_SWITCH: u32 = 2;
/// The thread slept or waited in that time, beyond the worker's own sleep: something in the step blocked.
pub const RTW_CAUSE_VOLUNTARY_SWITCH: u32 = 4;
/// The call was cut off at its budget.
pub const RTW_CAUSE_BUDGET: u32 = 8;
/// The step failed in another way: a trap, a host function's error.
pub const RTW_CAUSE_TRAP: u32 = 16;
/// The step ended after the next one was due, or periods went by before it.
pub const RTW_CAUSE_DEADLINE: u32 = 32;
/// The thread woke up late: more than half of the response time went by before the step began.
pub const RTW_CAUSE_WAKE_UP: u32 = 64;

const _: () = assert!(
    RTW_CAUSE_PAGE_FAULT == cause::PAGE_FAULT
        && RTW_CAUSE_INVOLUNTARY_SWITCH == cause::INVOLUNTARY_SWITCH
        && RTW_CAUSE_VOLUNTARY_SWITCH == cause::VOLUNTARY_SWITCH
        && RTW_CAUSE_BUDGET == cause::BUDGET
        && RTW_CAUSE_TRAP == cause::TRAP
        && RTW_CAUSE_DEADLINE == cause::DEADLINE
        && RTW_CAUSE_WAKE_UP == cause::WAKE_UP
);
const _: () = assert!(RTW_STEP_STOP == crate::worker::STEP_STOP && RTW_WORKER_VALUES == queue::VALUES);

/// A pinned, prioritised, attached thread of the library's own that calls guests: periodically, or as it is told.
pub struct rtw_worker_t {
    _private: [u8; 0],
}

/// What a step is told. Its layout is final.
#[repr(C)]
pub struct rtw_tick_t {
    /// Number of the period since the start, beginning with 0; periods that were passed over are counted.
    pub index: u64,
    /// When the step was to begin, in ns of CLOCK_MONOTONIC: a whole number of periods after that of tick 0.
    pub intended_ns: u64,
    /// When the thread was ready to begin it, in ns of CLOCK_MONOTONIC.
    pub actual_ns: u64,
    /// How many periods were passed over just before this one.
    pub missed: u64,
}

const _: () = assert!(size_of::<rtw_tick_t>() == size_of::<Tick>());

/// A step of a periodic worker: reads its inputs, calls the guest, writes its outputs. It runs on the worker's thread, which
/// has a deadline to keep: no allocation, no lock, no system call.
///
/// user_data  what the worker's configuration says.
/// tick       which period, and when; valid during the call.
/// returns    RTW_OK; RTW_STEP_STOP to end the run regularly; any other number for a failure. Must return: neither longjmp
///            nor a C++ exception may leave it.
pub type rtw_step_t = Option<unsafe extern "C" fn(user_data: *mut c_void, tick: *const rtw_tick_t) -> rtw_status_t>;

/// What the host does on the worker's thread at each start, before any deadline: open a device, call rtw_instance_prepare.
/// [setup] functions may be called.
///
/// user_data  what the worker's configuration says.
/// returns    RTW_OK, or another number, which rtw_worker_start then answers.
pub type rtw_worker_setup_t = Option<unsafe extern "C" fn(user_data: *mut c_void) -> rtw_status_t>;

/// How a worker shall be. Call rtw_worker_config_init first. What belongs to the other kind of worker must be left alone.
#[repr(C)]
pub struct rtw_worker_config_t {
    /// sizeof(rtw_worker_config_t), set by rtw_worker_config_init.
    pub struct_size: u32,
    /// RTW_WORKER_PERIODIC (default) or RTW_WORKER_QUEUE.
    pub kind: u32,
    /// The thread's name, for tools: at most 15 bytes. NULL (default): "rtw-worker".
    pub name: *const c_char,
    /// RTW_SCHED_RUNTIME (default): as the runtime's configuration says; or RTW_SCHED_KEEP, _OTHER, _FIFO, _RR, _DEADLINE.
    pub sched_policy: u32,
    /// Priority for that policy: 1 to 99 for FIFO and RR, 0 otherwise.
    pub priority: i32,
    /// The one CPU to run on, or -1 (default): as the runtime's configuration says. RTW_SCHED_DEADLINE takes no affinity.
    pub cpu: i32,
    /// RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: how the thread treats denormal numbers.
    pub denormals: u32,
    /// 0 (default): what the system refuses (scheduling, affinity, locked memory, dma_latency_us) is a warning, see
    /// rtw_worker_warning. 1: it is an error.
    pub strict: u32,
    /// 1 (default): the thread's stack and the worker's statistics are locked into memory. 0: as the runtime's configuration
    /// says.
    pub memory_lock: u32,
    /// 1 (default): the worker's statistics are kept. 0: they stay empty, which saves a system call and about a microsecond a
    /// step.
    pub statistics: u32,
    /// While the worker runs, no CPU idles so deeply that waking it takes longer than this, in us (/dev/cpu_dma_latency); 0
    /// keeps them from idling at all. -1 (default): left alone.
    pub dma_latency_us: i32,
    /// With RTW_SCHED_DEADLINE: how long the thread may run in every period, in ns. Otherwise 0.
    pub deadline_runtime_ns: u64,
    /// With RTW_SCHED_DEADLINE: by when after the beginning of a period it gets that, in ns; 0 (default): by its end.
    pub deadline_ns: u64,
    /// Called on the thread at each start, before the dry calls; NULL (default): nothing is.
    pub setup: rtw_worker_setup_t,
    /// What setup and step are given.
    pub user_data: *mut c_void,
    /// Dry calls to be made at each start, see rtw_instance_prepare: the instances of their funcs are prepared on the thread.
    pub dry_calls: *const rtw_dry_call_t,
    /// How many dry calls there are.
    pub dry_call_count: u32,
    /// Periodic: RTW_MISSED_SKIP (default) or RTW_MISSED_CATCH_UP.
    pub missed: u32,
    /// Periodic: the distance of intended starts in ns, 10 us to 1 h. For a queue only with RTW_SCHED_DEADLINE.
    pub period_ns: u64,
    /// Periodic: how long before an intended start the thread is woken, in ns, at most half a period; it spins for the rest,
    /// which takes the wake-up latency out of the way and costs the CPU's time. 0 (default): it sleeps until the intended
    /// start.
    pub early_ns: u64,
    /// Periodic: RTW_ON_FAULT_STOP (default) or RTW_ON_FAULT_CONTINUE.
    pub on_fault: u32,
    /// Queue: how many invocations there may be from their submission until their completion is taken, 1 to 65536; 0 (default):
    /// 64.
    pub queue_capacity: u32,
    /// Periodic: how many periods a run has, after which the worker stops by itself. Periods that are passed over count; the
    /// last one never is. 0 (default): no end.
    pub period_limit: u64,
    /// Periodic: the step, or NULL where func is given.
    pub step: rtw_step_t,
    /// Periodic: a func to be called directly at each tick, or NULL where step is given. Its instance is prepared at each
    /// start.
    pub func: *mut rtw_func_t,
    /// The arguments of func, the same for every tick; copied. Results are not kept.
    pub values: *const rtw_value_t,
    /// How many values there are.
    pub value_count: u32,
    /// How many warm_values there are.
    pub warm_value_count: u32,
    /// With early_ns: a func that does no harm, called while the thread spins, so that the way into the guest is in the caches
    /// and branch predictors when the step takes it; NULL (default): none is. A func of the instance that the step calls serves
    /// best. Its calls have statistics of their own.
    pub warm_func: *mut rtw_func_t,
    /// The arguments of warm_func; copied.
    pub warm_values: *const rtw_value_t,
    /// Queue: how long the thread looks for the next invocation before it sleeps, in ns, at most 1 s; 0 (default): not at all.
    pub spin_ns: u64,
}

/// What a worker is and has got. Call rtw_worker_info_init first.
#[repr(C)]
pub struct rtw_worker_info_t {
    /// sizeof(rtw_worker_info_t), set by rtw_worker_info_init.
    pub struct_size: u32,
    /// 1 while it runs.
    pub running: u32,
    /// The thread's number in the system (gettid).
    pub thread_id: i32,
    /// The scheduling in force: RTW_SCHED_OTHER, RTW_SCHED_FIFO, RTW_SCHED_RR, RTW_SCHED_DEADLINE; RTW_SCHED_KEEP for any
    /// other.
    pub sched_policy: u32,
    /// The priority in force.
    pub priority: i32,
    /// What ended the last run: RTW_OK where it was stopped, reached period_limit or its step answered RTW_STEP_STOP; otherwise
    /// what the step answered.
    pub ended_by: rtw_status_t,
    /// How many warnings rtw_worker_warning has.
    pub warning_count: u32,
}

/// How an invocation went that a worker was given. Call rtw_completion_init first.
#[repr(C)]
pub struct rtw_completion_t {
    /// sizeof(rtw_completion_t), set by rtw_completion_init.
    pub struct_size: u32,
    /// What rtw_invoke answered, or RTW_ERR_CANCELLED.
    pub status: rtw_status_t,
    /// As it was submitted.
    pub tag: u64,
    /// When it was submitted, in ns of CLOCK_MONOTONIC.
    pub submitted_ns: u64,
    /// When it began on the worker's thread; 0 where it never did.
    pub started_ns: u64,
    /// When it ended there; 0 where it never began.
    pub ended_ns: u64,
    /// The results, where the status is RTW_OK; otherwise the arguments.
    pub values: [rtw_value_t; RTW_WORKER_VALUES],
}

/// What a worker recorded since it was made or last reset. Call rtw_worker_stats_init first. For a queue, the intended start of
/// an invocation is its submission, and what is about periods is 0.
#[repr(C)]
pub struct rtw_worker_stats_t {
    /// sizeof(rtw_worker_stats_t), set by rtw_worker_stats_init.
    pub struct_size: u32,
    /// When that was, in ns of CLOCK_REALTIME.
    pub since_realtime_ns: u64,
    /// How long ago that was.
    pub duration_ns: u64,
    /// Steps or invocations that ran.
    pub ticks: u64,
    /// Periods that were passed over.
    pub skipped: u64,
    /// Steps that ended after the next one was due.
    pub overruns: u64,
    /// Periods whose step had not ended when the next one was due: overruns and skipped together.
    pub misses: u64,
    /// The longest run of periods in a row that missed.
    pub longest_miss_run: u64,
    /// Steps or invocations that failed.
    pub faults: u64,
    /// Page faults of the thread served from memory.
    pub minor_faults: u64,
    /// Page faults of the thread served by I/O.
    pub major_faults: u64,
    /// How often the thread slept or waited, its sleeps between steps included.
    pub voluntary_switches: u64,
    /// How often another thread took the CPU.
    pub involuntary_switches: u64,
    /// Queue: invocations accepted, since the worker was made.
    pub submitted: u64,
    /// Queue: of these, those whose completion was taken.
    pub completed: u64,
    /// Queue: of these, those that never began.
    pub cancelled: u64,
    /// Queue: submissions refused with RTW_ERR_FULL.
    pub refused: u64,
    /// From the intended to the actual start. Periods that were passed over count with what their own step would have had:
    /// leaving them out would make a stall of many periods look like one late call (coordinated omission).
    pub wake_up: rtw_distribution_t,
    /// From the actual start to the end of the step.
    pub call: rtw_distribution_t,
    /// From the intended start to the end. Periods that were passed over count as in wake_up.
    pub response: rtw_distribution_t,
    /// How far the distance of two actual starts was from that of their intended starts.
    pub jitter: rtw_distribution_t,
}

/// One of the worst steps or invocations. Its layout is final.
#[repr(C)]
pub struct rtw_worst_t {
    /// When it had ended, in ns of CLOCK_REALTIME.
    pub at_realtime_ns: u64,
    /// The tick's index, or the invocation's tag.
    pub index: u64,
    /// From the intended start of the first period that it stands for to the actual start.
    pub wake_up_ns: f64,
    /// From the actual start to the end.
    pub call_ns: f64,
    /// Both together.
    pub response_ns: f64,
    /// What it answered.
    pub status: rtw_status_t,
    /// RTW_CAUSE_ bits: what went along with it.
    pub causes: u32,
}

/// The worst of one second. Its layout is final.
#[repr(C)]
pub struct rtw_second_t {
    /// When it began, in ns after the statistics did.
    pub at_ns: u64,
    /// How many steps or invocations ran in it.
    pub count: u64,
    /// The longest response time.
    pub max_ns: u64,
}

// SAFETY: their first field is their size.
unsafe impl guard::Sized32 for rtw_worker_config_t {
    fn set_defaults(&mut self) {
        self.sched_policy = RTW_SCHED_RUNTIME;
        self.cpu = -1;
        self.denormals = RTW_DENORMALS_KEEP;
        self.memory_lock = 1;
        self.statistics = 1;
        self.dma_latency_us = -1;
    }
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_worker_info_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_completion_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_worker_stats_t {}

impl Noun for rtw_worker_t {
    type Value = Worker;
    const MAGIC: u64 = 0x7265_6b72_6f77_0006;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Fills a configuration with the defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_worker_config_t) as the caller knows it: rtw_worker_config_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_worker_config_init_sized(config: *mut rtw_worker_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Makes a worker: its thread is created and attached, with scheduling, affinity and locked memory as asked for. It does
/// nothing until it is started. The process's signals are blocked on it, but for those that a thread causes itself.
///
/// [setup]
/// runtime  is kept alive by the worker, as are the funcs that the configuration names.
/// config   read only during the call, with all that it points to; step, setup and user_data are used until the worker is
///          destroyed.
/// out      receives the worker, to be ended with rtw_worker_destroy; NULL on failure.
/// err      NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range or belongs to the other
///         kind, a func of another runtime), RTW_ERR_VALUES, RTW_ERR_LIMIT (the name is too long),
///         RTW_ERR_NO_MEMORY, RTW_ERR_SIGNALS; and where strict: RTW_ERR_PERMISSION (scheduling or affinity), RTW_ERR_MEMLOCK.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_create(
    runtime: *const rtw_runtime_t,
    config: *const rtw_worker_config_t,
    out: *mut *mut rtw_worker_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let runtime = guard::named(runtime, "runtime")?;
            let config = guard::optional_struct(config, "config")?
                .ok_or_else(|| Error::new(RTW_ERR_NULL, "config is NULL: a worker has no default work"))?;
            *out = prepare::with_room(config.dry_calls, config.dry_call_count, || {
                let (settings, work) = read(runtime, &config)?;
                handle::create(Worker::new(runtime, settings, work)?)
            })?;
            Ok(())
        })
    }
}

/// Ends a worker: stops it if it runs, and ends its thread. NULL does nothing. In a forked child, which does not have the
/// thread, only the handle ends. On the worker's own thread it does not wait, and the thread ends when the step is over.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_destroy(worker: *mut rtw_worker_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(worker) });
}

/// Starts a worker: on its thread, setup is called, guests are prepared and the dry calls made; then it runs, and the first
/// tick is due one period later. Returns as soon as it runs. While it runs, the instances that it calls are the worker's.
///
/// [setup]  From any thread but the worker's own.
/// err  NULL, or filled. The worker stays stopped on failure.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_RUNNING, RTW_ERR_POISONED; where strict RTW_ERR_PERMISSION and
///         RTW_ERR_UNSUPPORTED (dma_latency_us); what rtw_instance_prepare and setup answered.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_start(worker: *mut rtw_worker_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(worker, err, || {
            let worker = guard::named(worker, "worker")?;
            worker.check().map_err(|status| bare(status, "worker"))?;
            worker.start()
        })
    }
}

/// Stops a worker and waits until the step or invocation that is under way is over; a worker that does not run stays so. What a
/// queue has not begun is cancelled. The instances are then free for other threads. On the worker's own thread it returns at
/// once, and the run ends with the step.
///
/// [any] but a real-time thread.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_stop(worker: *mut rtw_worker_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || status_of(unsafe { ours(worker) }.map(Worker::stop)))
}

/// Waits until a worker does not run: it was stopped, or stopped by itself (rtw_worker_info_t tells why).
///
/// [any] but a real-time thread.
/// timeout_ns  how long to wait at most; 0: not at all; RTW_FOREVER.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_TIMEOUT, RTW_ERR_BUSY (on the worker's own thread).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_join(worker: *mut rtw_worker_t, timeout_ns: u64) -> rtw_status_t {
    guard::plain(RTW_ERR_INTERNAL, || {
        // SAFETY: a handle by the API's contract.
        status_of(unsafe { ours(worker) }.and_then(|worker| {
            if worker.shared.is_own_thread() {
                return Err(RTW_ERR_BUSY);
            }
            if worker.join(timeout(timeout_ns)) { Ok(()) } else { Err(RTW_ERR_TIMEOUT) }
        }))
    })
}

/// Prepares an info struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_worker_info_t) as the caller knows it: rtw_worker_info_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_worker_info_init_sized(info: *mut rtw_worker_info_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(info, struct_size) };
}

/// Tells whether a worker runs, what scheduling it has got, what ended it, and how many warnings there are.
///
/// [any] but a real-time thread.
/// info  filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_info(worker: *const rtw_worker_t, info: *mut rtw_worker_info_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            guard::output_struct(info)?.fill(|out| {
                let info = worker.info();
                out.running = u32::from(info.state == State::Running);
                out.thread_id = info.thread;
                out.sched_policy = policy(info.policy);
                out.priority = info.priority;
                out.ended_by = info.ended_by;
                out.warning_count = info.warnings as u32;
            });
            Ok(())
        }))
    })
}

/// Tells what the system refused that was asked for and not insisted on (strict), in words: first what the thread could not
/// get, then what the last start could not. One more is no refusal: that RLIMIT_RTTIME may end the process while a step computes,
/// told to a worker of SCHED_FIFO or SCHED_RR whose instances' budgets do not end before.
///
/// [any] but a real-time thread.
/// index  0 to warning_count - 1 of rtw_worker_info_t.
/// out    receives the refusal as it would have been told as an error.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_BOUNDS (there are not so many).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_warning(
    worker: *const rtw_worker_t,
    index: u32,
    out: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(ours(worker).and_then(|worker| {
            if out.is_null() {
                return Err(RTW_ERR_NULL);
            }
            let warning = worker.warning(index as usize).ok_or(RTW_ERR_BOUNDS)?;
            error::fill(out, &warning);
            Ok(())
        }))
    })
}

/// Gives a worker of the kind RTW_WORKER_QUEUE an invocation to run, and returns at once. Every invocation that was accepted is
/// answered by exactly one completion: rtw_worker_poll, rtw_worker_wait. They run in the order of submission.
///
/// [any] but a real-time thread: submitters take turns at a lock, which the worker never touches.
/// func         may be destroyed once this has returned.
/// values       the arguments; copied.
/// value_count  as for rtw_invoke, and at most RTW_WORKER_VALUES.
/// tag          comes back in the completion; need not be unique.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_POISONED, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker),
///         RTW_ERR_VALUES, RTW_ERR_LIMIT (more than RTW_WORKER_VALUES), RTW_ERR_ARGUMENT (a func of another runtime),
///         RTW_ERR_FULL (queue_capacity invocations are under way or their completions not taken), RTW_ERR_STOPPED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_submit(
    worker: *mut rtw_worker_t,
    func: *mut rtw_func_t,
    values: *const rtw_value_t,
    value_count: usize,
    tag: u64,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(worker, queue)| {
            let func = callable(worker, func, values, value_count)?;
            queue.submit(|| own_handle(func).map_err(|e| e.status), raw(values, value_count), tag)
        }))
    })
}

/// Has a worker of the kind RTW_WORKER_QUEUE run an invocation, and waits for its end: rtw_invoke on another thread. No
/// completion comes of it.
///
/// [any] but a real-time thread, nor the worker's own.
/// values  in: the arguments; out: the results, on RTW_OK only.
/// errors: those of rtw_worker_submit, and of rtw_invoke; RTW_ERR_CANCELLED (the worker was stopped first); RTW_ERR_BUSY (on
///         the worker's own thread).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_invoke(
    worker: *mut rtw_worker_t,
    func: *mut rtw_func_t,
    values: *mut rtw_value_t,
    value_count: usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; both value types are the same 16 bytes.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(worker, queue)| {
            let func = callable(worker, func, values, value_count)?;
            if worker.shared.is_own_thread() {
                return Err(RTW_ERR_BUSY);
            }
            let values = match value_count {
                0 => &mut [],
                count => std::slice::from_raw_parts_mut(values.cast::<ValRaw>(), count),
            };
            match queue.invoke(|| own_handle(func).map_err(|e| e.status), values) {
                RTW_OK => Ok(()),
                status => Err(status),
            }
        }))
    })
}

/// Prepares a completion to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_completion_t) as the caller knows it: rtw_completion_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_completion_init_sized(completion: *mut rtw_completion_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(completion, struct_size) };
}

/// Takes the oldest completion, if there is one. Each is taken once, whoever asks.
///
/// [any] but a real-time thread.
/// out  filled on success; call rtw_completion_init first.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker),
///         RTW_ERR_EMPTY.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_poll(worker: *mut rtw_worker_t, out: *mut rtw_completion_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(_, queue)| {
            let out = guard::output_struct(out)?;
            let completion = queue.poll().ok_or(RTW_ERR_EMPTY)?;
            out.fill(|out| write(out, &completion));
            Ok(())
        }))
    })
}

/// The same, waiting for one.
///
/// [any] but a real-time thread.
/// out         filled on success; call rtw_completion_init first.
/// timeout_ns  how long to wait at most; RTW_FOREVER.
/// errors: those of rtw_worker_poll but RTW_ERR_EMPTY; RTW_ERR_TIMEOUT; RTW_ERR_STOPPED (the worker does not run, and its
///         completions are all taken).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_wait(
    worker: *mut rtw_worker_t,
    out: *mut rtw_completion_t,
    timeout_ns: u64,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(_, queue)| {
            let out = guard::output_struct(out)?;
            let completion = queue.wait(timeout(timeout_ns))?;
            out.fill(|out| write(out, &completion));
            Ok(())
        }))
    })
}

/// Cancels all invocations with a tag that have not begun. Their completions, with RTW_ERR_CANCELLED, come in their turn.
///
/// [any] but a real-time thread.
/// count  NULL, or receives how many those are, also 0.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_UNSUPPORTED (a periodic worker), RTW_ERR_EMPTY (none with that
///         tag was waiting: it ran, runs, or never was).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_cancel(worker: *mut rtw_worker_t, tag: u64, count: *mut usize) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(fed(worker).and_then(|(_, queue)| {
            let cancelled = queue.cancel(tag);
            if let Some(count) = count.as_mut() {
                *count = cancelled;
            }
            if cancelled == 0 { Err(RTW_ERR_EMPTY) } else { Ok(()) }
        }))
    })
}

/// Prepares a stats struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_worker_stats_t) as the caller knows it: rtw_worker_stats_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_worker_stats_init_sized(stats: *mut rtw_worker_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// Reads a worker's statistics. Any thread may, at any time: the worker is not disturbed. A step that ends meanwhile may be in
/// some figures and not yet in others. The thread enters a step after its end, and asks the system then, once a step, for its
/// page faults and switches.
///
/// [any] but a real-time thread: it copies some 80 KiB.
/// stats  filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_stats(worker: *const rtw_worker_t, stats: *mut rtw_worker_stats_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            guard::output_struct(stats)?.fill(|stats| fill(stats, worker));
            Ok(())
        }))
    })
}

/// Starts a worker's statistics anew, but for what is counted since it was made. Any thread may, also while it runs; a step
/// that is just ending counts as before the reset.
///
/// [any] but a real-time thread.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_stats_reset(worker: *mut rtw_worker_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || status_of(unsafe { ours(worker) }.map(|worker| worker.shared.statistics.reset())))
}

/// The histogram behind one of the distributions: its non-empty buckets in ascending order.
///
/// [any] but a real-time thread.
/// series    RTW_SERIES_WAKE_UP ...
/// out       receives the first `capacity` of them; NULL where capacity is 0.
/// count     receives how many there are, which may be more than capacity; while the worker runs the next reading may have
/// more.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED, RTW_ERR_ARGUMENT (there is no such series).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_buckets(
    worker: *const rtw_worker_t,
    series: u32,
    out: *mut rtw_bucket_t,
    capacity: usize,
    count: *mut usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            let all = worker.shared.statistics.snapshot();
            let snapshot = match series {
                RTW_SERIES_WAKE_UP => all.wake_up,
                RTW_SERIES_CALL => all.call,
                RTW_SERIES_RESPONSE => all.response,
                RTW_SERIES_JITTER => all.jitter,
                _ => return Err(RTW_ERR_ARGUMENT),
            };
            list(buckets(&snapshot), out, capacity, count)
        }))
    })
}

/// The steps or invocations with the longest response times since the statistics began, worst first; 32 are kept.
///
/// [any] but a real-time thread.
/// out       receives the first `capacity` of them; NULL where capacity is 0.
/// count     receives how many there are, which may be more than capacity.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_worst(
    worker: *const rtw_worker_t,
    out: *mut rtw_worst_t,
    capacity: usize,
    count: *mut usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            let to_ns = clock::calibration().ns_per_tick;
            let worst = worker.shared.statistics.worst().into_iter().map(|bad| rtw_worst_t {
                at_realtime_ns: bad.at_realtime_ns,
                index: bad.index,
                wake_up_ns: bad.wake_up as f64 * to_ns,
                call_ns: bad.call as f64 * to_ns,
                response_ns: bad.response as f64 * to_ns,
                status: bad.status,
                causes: bad.causes,
            });
            list(worst, out, capacity, count)
        }))
    })
}

/// The longest response time of each second in which something ran, oldest first; the last ten minutes are kept.
///
/// [any] but a real-time thread.
/// out       receives the first `capacity` of them; NULL where capacity is 0.
/// count     receives how many there are, which may be more than capacity.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_timeline(
    worker: *const rtw_worker_t,
    out: *mut rtw_second_t,
    capacity: usize,
    count: *mut usize,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(ours(worker).and_then(|worker| {
            let points = worker.shared.statistics.timeline().into_iter();
            let seconds = points.map(|point| rtw_second_t { at_ns: point.at_ns, count: point.count, max_ns: point.max_ns });
            list(seconds, out, capacity, count)
        }))
    })
}

/// A worker of this process.
unsafe fn ours<'a>(worker: *const rtw_worker_t) -> std::result::Result<&'a Worker, rtw_status_t> {
    // SAFETY: a handle by the API's contract.
    let worker: &'a Worker = unsafe { handle::borrow(worker) }?;
    worker.check()?;
    Ok(worker)
}

/// The same, of the kind that can be given invocations.
unsafe fn fed<'a>(worker: *const rtw_worker_t) -> std::result::Result<(&'a Worker, &'a queue::Queue), rtw_status_t> {
    // SAFETY: passed on.
    let worker = unsafe { ours(worker) }?;
    let queue = worker.shared.queue.as_ref().ok_or(RTW_ERR_UNSUPPORTED)?;
    Ok((worker, queue))
}

/// A func that the worker can call with so many values.
unsafe fn callable<'a>(
    worker: &Worker,
    func: *mut rtw_func_t,
    values: *const rtw_value_t,
    value_count: usize,
) -> std::result::Result<&'a Func, rtw_status_t> {
    // SAFETY: a handle by the API's contract.
    let func: &'a Func = unsafe { handle::borrow(func) }?;
    if !Arc::ptr_eq(&func.shared.instance.module.runtime, &worker.shared.runtime) {
        return Err(RTW_ERR_ARGUMENT);
    }
    if value_count < func.shared.value_count {
        return Err(RTW_ERR_VALUES);
    }
    if value_count > RTW_WORKER_VALUES {
        return Err(RTW_ERR_LIMIT);
    }
    if values.is_null() && value_count != 0 {
        return Err(RTW_ERR_NULL);
    }
    Ok(func)
}

/// A handle of the worker's own for a func.
fn own_handle(func: &Func) -> Result<Target> {
    let handle: *mut rtw_func_t = handle::create(func.clone())?;
    Ok(Target {
        entry: prepare::invoke,
        handle: handle.cast(),
        // SAFETY: made above, and given back once.
        release: |handle| unsafe { handle::destroy::<rtw_func_t>(handle.cast()) },
    })
}

/// # Safety
/// There are so many values.
unsafe fn raw<'a>(values: *const rtw_value_t, count: usize) -> &'a [ValRaw] {
    match count {
        0 => &[],
        // SAFETY: passed on; both value types are the same 16 bytes.
        count => unsafe { std::slice::from_raw_parts(values.cast(), count) },
    }
}

fn timeout(timeout_ns: u64) -> Option<u64> {
    Some(timeout_ns).filter(|timeout_ns| *timeout_ns != RTW_FOREVER)
}

fn policy(of_system: i32) -> u32 {
    match of_system {
        libc::SCHED_OTHER => RTW_SCHED_OTHER,
        libc::SCHED_FIFO => RTW_SCHED_FIFO,
        libc::SCHED_RR => RTW_SCHED_RR,
        6 => RTW_SCHED_DEADLINE,
        _ => RTW_SCHED_KEEP,
    }
}

fn write(out: &mut rtw_completion_t, completion: &Completion) {
    out.status = completion.status;
    out.tag = completion.tag;
    out.submitted_ns = completion.submitted_ns;
    out.started_ns = completion.started_ns;
    out.ended_ns = completion.ended_ns;
    // SAFETY: both value types are the same 16 bytes, and there are equally many.
    out.values = unsafe { std::mem::transmute_copy(&completion.values) };
}

fn fill(stats: &mut rtw_worker_stats_t, worker: &Worker) {
    let all = worker.shared.statistics.snapshot();
    stats.since_realtime_ns = all.since_realtime_ns;
    stats.duration_ns = all.duration_ns;
    stats.ticks = all.counts.ticks;
    stats.skipped = all.counts.skipped;
    stats.overruns = all.counts.overruns;
    stats.misses = all.counts.misses;
    stats.longest_miss_run = all.counts.longest_miss_run;
    stats.faults = all.counts.faults;
    stats.minor_faults = all.counts.minor_faults;
    stats.major_faults = all.counts.major_faults;
    stats.voluntary_switches = all.counts.voluntary_switches;
    stats.involuntary_switches = all.counts.involuntary_switches;
    if let Some(queue) = &worker.shared.queue {
        [stats.submitted, stats.completed, stats.cancelled, stats.refused] = queue.counted();
    }
    stats.wake_up = distribution(&all.wake_up);
    stats.call = distribution(&all.call);
    stats.response = distribution(&all.response);
    stats.jitter = distribution(&all.jitter);
}

fn yes_or_no(field: &str, value: u32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(out_of_range(field, other)),
    }
}

/// What a configuration of this kind has no use for must be left alone.
fn left_alone(field: &str, is: bool, goes_with: &str) -> Result<()> {
    match is {
        true => Ok(()),
        false => Err(Error::new(RTW_ERR_ARGUMENT, format!("{field} goes with {goes_with}"))),
    }
}

const PERIODS_NS: std::ops::RangeInclusive<u64> = 10_000..=3_600_000_000_000;

unsafe fn read(runtime: &Arc<Runtime>, config: &rtw_worker_config_t) -> Result<(Config, Work)> {
    let by_deadline = config.sched_policy == RTW_SCHED_DEADLINE;
    let thread_config = rtw_thread_config_t {
        sched_policy: if by_deadline { RTW_SCHED_KEEP } else { config.sched_policy },
        priority: config.priority,
        cpu: config.cpu,
        denormals: config.denormals,
        ..guard::Sized32::defaults()
    };
    let mut settings = Config {
        // SAFETY: NULL or a string by the API's contract.
        name: name(unsafe { text::optional(config.name, "name") }?)?,
        // SAFETY: it names no stacks.
        attach: unsafe { thread::wanted(runtime, &thread_config) }?,
        deadline: by_deadline.then(|| deadline(config)).transpose()?,
        lock: yes_or_no("memory_lock", config.memory_lock)?,
        strict: yes_or_no("strict", config.strict)?,
        dma_latency_us: match config.dma_latency_us {
            -1 => None,
            latency @ 0.. => Some(latency),
            other => return Err(out_of_range("dma_latency_us", other)),
        },
        setup: config.setup.map(|call| Setup {
            // SAFETY: the same but for what happens where it is unwound.
            call: unsafe {
                std::mem::transmute::<
                    unsafe extern "C" fn(*mut c_void) -> rtw_status_t,
                    unsafe extern "C-unwind" fn(*mut c_void) -> rtw_status_t,
                >(call)
            },
            user_data: config.user_data,
        }),
        instances: vec![],
        rehearsals: vec![],
        statistics: yes_or_no("statistics", config.statistics)?,
    };
    if !by_deadline {
        left_alone("deadline_runtime_ns", config.deadline_runtime_ns == 0, "RTW_SCHED_DEADLINE")?;
        left_alone("deadline_ns", config.deadline_ns == 0, "RTW_SCHED_DEADLINE")?;
    }
    // SAFETY: live handles, and as many as it says, by the API's contract.
    for call in unsafe { prepare::read_dry_calls(config.dry_calls, config.dry_call_count) }? {
        check_func("dry call", call.func, runtime, call.values.len())?;
        settings.prepare(call.func);
        settings.rehearsals.push(Rehearsal {
            target: own_handle(call.func)?,
            func: call.func.clone(),
            values: call.values.into(),
            repeats: call.repeats,
        });
    }
    let work = match config.kind {
        // SAFETY: as above.
        RTW_WORKER_PERIODIC => Work::Periodic(Box::new(unsafe { periodic(runtime, config, &mut settings) }?)),
        RTW_WORKER_QUEUE => Work::Queue(fed_by_queue(config, by_deadline)?),
        other => return Err(out_of_range("kind", other)),
    };
    Ok((settings, work))
}

impl Config {
    /// At each start.
    fn prepare(&mut self, func: &Func) {
        let instance = &func.shared.instance;
        if !self.instances.iter().any(|known| Arc::ptr_eq(known, instance)) {
            self.instances.push(instance.clone());
        }
    }
}

fn name(given: Option<&str>) -> Result<String> {
    match given {
        None => Ok("rtw-worker".into()),
        Some(name) if name.len() > 15 => {
            Err(Error::new(RTW_ERR_LIMIT, format!("the name \"{name}\" has {} bytes; a thread's has at most 15", name.len())))
        }
        Some(name) => Ok(name.into()),
    }
}

fn deadline(config: &rtw_worker_config_t) -> Result<Deadline> {
    if config.cpu != -1 {
        return Err(Error::new(RTW_ERR_ARGUMENT, "RTW_SCHED_DEADLINE does not go with an affinity: leave cpu at -1"));
    }
    if !PERIODS_NS.contains(&config.period_ns) {
        return Err(out_of_range("period_ns", config.period_ns));
    }
    let deadline_ns = if config.deadline_ns == 0 { config.period_ns } else { config.deadline_ns };
    if deadline_ns > config.period_ns {
        return Err(out_of_range("deadline_ns", config.deadline_ns));
    }
    // What the system needs at least.
    if !(1024..=deadline_ns).contains(&config.deadline_runtime_ns) {
        return Err(out_of_range("deadline_runtime_ns", config.deadline_runtime_ns));
    }
    Ok(Deadline { runtime_ns: config.deadline_runtime_ns, deadline_ns, period_ns: config.period_ns })
}

fn check_func(what: &str, func: &Func, runtime: &Arc<Runtime>, value_count: usize) -> Result<()> {
    let shared = &func.shared;
    if !Arc::ptr_eq(&shared.instance.module.runtime, runtime) {
        return Err(Error::new(RTW_ERR_ARGUMENT, format!("{what}: \"{}\" belongs to another runtime", shared.name)));
    }
    if value_count < shared.value_count {
        let (name, signature, need) = (&shared.name, &shared.signature, shared.value_count);
        return Err(Error::new(
            RTW_ERR_VALUES,
            format!("{what}: \"{name}\" {signature} needs {need} values, not {value_count}"),
        ));
    }
    Ok(())
}

/// A func of the configuration with its arguments; none where it is NULL.
unsafe fn call(
    what: &str,
    runtime: &Arc<Runtime>,
    func: *mut rtw_func_t,
    values: *const rtw_value_t,
    count: u32,
    settings: &mut Config,
) -> Result<Option<Call>> {
    if func.is_null() {
        return Ok(None);
    }
    // SAFETY: a handle by the API's contract.
    let func = unsafe { guard::named(func, what) }?;
    let count = count as usize;
    check_func(what, func, runtime, count)?;
    if values.is_null() && count != 0 {
        return Err(Error::new(RTW_ERR_NULL, format!("{what}: its values are NULL")));
    }
    settings.prepare(func);
    // SAFETY: as many as the caller says.
    Ok(Some(Call::new(own_handle(func)?, unsafe { raw(values, count) })))
}

unsafe fn periodic(runtime: &Arc<Runtime>, config: &rtw_worker_config_t, settings: &mut Config) -> Result<Periodic> {
    left_alone("queue_capacity", config.queue_capacity == 0, "RTW_WORKER_QUEUE")?;
    left_alone("spin_ns", config.spin_ns == 0, "RTW_WORKER_QUEUE; a periodic worker has early_ns")?;
    if !PERIODS_NS.contains(&config.period_ns) {
        return Err(out_of_range("period_ns", config.period_ns));
    }
    if config.early_ns > config.period_ns / 2 {
        return Err(out_of_range("early_ns", config.early_ns));
    }
    left_alone("warm_func", config.early_ns != 0 || config.warm_func.is_null(), "early_ns")?;
    // SAFETY: a handle, and as many values as it says, by the API's contract.
    let func = unsafe { call("func", runtime, config.func, config.values, config.value_count, settings) }?;
    // SAFETY: as above.
    let warm_call =
        unsafe { call("warm_func", runtime, config.warm_func, config.warm_values, config.warm_value_count, settings) }?;
    let task = match (config.step, func) {
        (Some(step), None) => Task::Step {
            // SAFETY: the two tick types have the same layout.
            step: unsafe {
                std::mem::transmute::<
                    unsafe extern "C" fn(*mut c_void, *const rtw_tick_t) -> rtw_status_t,
                    unsafe extern "C-unwind" fn(*mut c_void, *const Tick) -> rtw_status_t,
                >(step)
            },
            user_data: config.user_data,
        },
        (None, Some(call)) => Task::Call(call),
        (None, None) => return Err(Error::new(RTW_ERR_NULL, "a periodic worker needs a step or a func")),
        (Some(_), Some(_)) => return Err(Error::new(RTW_ERR_ARGUMENT, "a periodic worker has a step or a func, not both")),
    };
    Ok(Periodic {
        period_ns: config.period_ns,
        missed: match config.missed {
            RTW_MISSED_SKIP => Missed::Skip,
            RTW_MISSED_CATCH_UP => Missed::CatchUp,
            other => return Err(out_of_range("missed", other)),
        },
        early_ns: config.early_ns,
        warm_call,
        period_limit: config.period_limit,
        stop_on_fault: match config.on_fault {
            RTW_ON_FAULT_STOP => true,
            RTW_ON_FAULT_CONTINUE => false,
            other => return Err(out_of_range("on_fault", other)),
        },
        task,
    })
}

fn fed_by_queue(config: &rtw_worker_config_t, by_deadline: bool) -> Result<queue::Lane> {
    const PERIODIC: &str = "RTW_WORKER_PERIODIC";
    left_alone("step", config.step.is_none(), PERIODIC)?;
    left_alone("func", config.func.is_null(), PERIODIC)?;
    left_alone("warm_func", config.warm_func.is_null(), PERIODIC)?;
    left_alone("period_ns", config.period_ns == 0 || by_deadline, "RTW_WORKER_PERIODIC or RTW_SCHED_DEADLINE")?;
    left_alone("early_ns", config.early_ns == 0, PERIODIC)?;
    left_alone("missed", config.missed == 0, PERIODIC)?;
    left_alone("on_fault", config.on_fault == 0, PERIODIC)?;
    left_alone("period_limit", config.period_limit == 0, PERIODIC)?;
    if config.spin_ns > 1_000_000_000 {
        return Err(out_of_range("spin_ns", config.spin_ns));
    }
    match config.queue_capacity {
        0 => queue::queue(64, config.spin_ns),
        capacity @ 1..=65536 => queue::queue(capacity as usize, config.spin_ns),
        other => Err(out_of_range("queue_capacity", other)),
    }
}
