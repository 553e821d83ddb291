//! A worker's configuration: constants, callbacks, the struct, and its conversion.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use wasmtime::ValRaw;

use super::rules::validate;
use crate::capi::guard;
use crate::capi::instance::rtw_func_t;
use crate::capi::prepare::{self, rtw_dry_call_t};
use crate::capi::runtime::{RTW_DENORMALS_KEEP, RTW_SCHED_KEEP};
use crate::capi::thread::{self, RTW_SCHED_RUNTIME, rtw_thread_config_t};
use crate::capi::value::rtw_value_t;
use crate::engine::instance::Func;
use crate::engine::own::OwnFunc;
use crate::engine::prepare::DryCall;
use crate::engine::runtime::Runtime;
use crate::ffi;
use crate::status::*;
use crate::sys::sched::Deadline;
use crate::worker::periodic::{Missed, Periodic, Task, Tick};
use crate::worker::queue;
use crate::worker::{Call, Config, Setup, Work};

/// Calls a step or a func every period.
pub const RTW_WORKER_PERIODIC: u32 = 0;
/// Runs invocations that other threads submit: rtw_worker_submit, rtw_worker_invoke.
pub const RTW_WORKER_QUEUE: u32 = 1;

/// SCHED_DEADLINE, for workers only: the system gives the thread deadline_runtime_ns in every period.
pub const RTW_SCHED_DEADLINE: u32 = 4;

/// Skips periods that have passed before their step could begin.
pub const RTW_MISSED_SKIP: u32 = 0;
/// Runs the step of every period, without pause until the worker has caught up.
pub const RTW_MISSED_CATCH_UP: u32 = 1;

/// A step that fails ends the run.
pub const RTW_ON_FAULT_STOP: u32 = 0;
/// A step that fails is counted, and the run continues.
pub const RTW_ON_FAULT_CONTINUE: u32 = 1;

/// A step returns this to end the run without a failure.
pub const RTW_STEP_STOP: rtw_status_t = 1;

const DEFAULT_QUEUE_CAPACITY: usize = 64;

const _: () = assert!(RTW_STEP_STOP == crate::worker::STEP_STOP);

/// Describes the period to a step. Its layout is final.
#[repr(C)]
pub struct rtw_tick_t {
    /// Number of the period since the start, from 0; skipped periods count.
    pub index: u64,
    /// When the step should begin, in ns of CLOCK_MONOTONIC: a whole number of periods after tick 0.
    pub intended_ns: u64,
    /// When the thread was ready to begin the step, in ns of CLOCK_MONOTONIC.
    pub actual_ns: u64,
    /// Periods skipped just before this one.
    pub missed: u64,
}

const _: () = assert!(size_of::<rtw_tick_t>() == size_of::<Tick>());

/// Step of a periodic worker: reads inputs, calls the guest, writes outputs. Runs on the worker's thread, which has a
/// deadline: no allocation, no lock, no system call.
///
/// user_data  user_data of rtw_worker_config_t.
/// tick       the period; valid during the call.
/// returns    RTW_OK; RTW_STEP_STOP to end the run; any other number for a failure. The step must return: neither longjmp nor
///            a C++ exception may leave it.
pub type rtw_step_t = Option<unsafe extern "C" fn(user_data: *mut c_void, tick: *const rtw_tick_t) -> rtw_status_t>;

/// Setup callback of a worker. Runs on the worker's thread at each start, before any deadline: to open a device, to call
/// rtw_instance_prepare. It may call [setup] functions.
///
/// user_data  user_data of rtw_worker_config_t.
/// returns    RTW_OK, or another number, which rtw_worker_start then returns.
pub type rtw_worker_setup_t = Option<unsafe extern "C" fn(user_data: *mut c_void) -> rtw_status_t>;

/// Worker configuration. Call rtw_worker_config_init first. Leave fields of the other kind at their defaults.
#[repr(C)]
pub struct rtw_worker_config_t {
    /// sizeof(rtw_worker_config_t), set by rtw_worker_config_init.
    pub struct_size: u32,
    /// RTW_WORKER_PERIODIC (default) or RTW_WORKER_QUEUE.
    pub kind: u32,
    /// Name of the thread, for tools: at most 15 bytes. NULL (default): "rtw-worker".
    pub name: *const c_char,
    /// Scheduling policy of the thread: RTW_SCHED_RUNTIME (default), RTW_SCHED_KEEP, RTW_SCHED_OTHER, RTW_SCHED_FIFO,
    /// RTW_SCHED_RR or RTW_SCHED_DEADLINE.
    pub sched_policy: u32,
    /// Priority for sched_policy: 1 to 99 for RTW_SCHED_FIFO and RTW_SCHED_RR, otherwise 0.
    pub priority: i32,
    /// The one CPU to run on. -1 (default): the runtime's cpu_set. RTW_SCHED_DEADLINE needs -1.
    pub cpu: i32,
    /// RTW_DENORMALS_KEEP (default), RTW_DENORMALS_FLUSH or RTW_DENORMALS_IEEE: how the thread handles denormal numbers.
    pub denormals: u32,
    /// 0 (default): if the system refuses scheduling, affinity, locked memory or dma_latency_us, the worker runs without and
    /// has a warning, see rtw_worker_warning. 1: rtw_worker_create or rtw_worker_start returns an error.
    pub strict: u32,
    /// 1 (default): locks the thread's stack and the worker's statistics into memory. 0: as the runtime's configuration says.
    pub memory_lock: u32,
    /// 1 (default): the worker keeps statistics. 0: they stay empty, which saves a system call and about 1 us a step.
    pub statistics: u32,
    /// Longest time to wake an idle CPU while the worker runs, in us (/dev/cpu_dma_latency); 0 keeps CPUs from idling. -1
    /// (default): not changed.
    pub dma_latency_us: i32,
    /// With RTW_SCHED_DEADLINE: time that the thread may run in every period, in ns (sched_runtime of sched_setattr(2)).
    /// Otherwise 0.
    pub deadline_runtime_ns: u64,
    /// With RTW_SCHED_DEADLINE: relative deadline, in ns (sched_deadline of sched_setattr(2)). 0 (default): period_ns.
    pub deadline_ns: u64,
    /// Setup callback, or NULL (default). Runs before the dry calls.
    pub setup: rtw_worker_setup_t,
    /// Passed to setup and step.
    pub user_data: *mut c_void,
    /// Dry calls to make at each start. The worker prepares the instances of their funcs on its thread; see
    /// rtw_instance_prepare.
    pub dry_calls: *const rtw_dry_call_t,
    /// Number of dry calls.
    pub dry_call_count: u32,
    /// Periodic: what to do about missed periods: RTW_MISSED_SKIP (default) or RTW_MISSED_CATCH_UP.
    pub missed: u32,
    /// Periodic: time from one intended start to the next, in ns: 10 us to 1 h. Queue: only with RTW_SCHED_DEADLINE.
    pub period_ns: u64,
    /// Periodic: how long before the intended start the thread wakes up, in ns, at most half a period. It spins until the
    /// start, which hides the wake-up latency and costs CPU time. 0 (default): it sleeps until the intended start.
    pub early_ns: u64,
    /// Periodic: what to do after a step that fails: RTW_ON_FAULT_STOP (default) or RTW_ON_FAULT_CONTINUE.
    pub on_fault: u32,
    /// Queue: most invocations from submission until their completion is taken, 1 to 65,536. 0 (default): 64.
    pub queue_capacity: u32,
    /// Periodic: number of periods after which the worker stops by itself. Skipped periods count; the last one is never
    /// skipped. 0 (default): no end.
    pub period_limit: u64,
    /// Periodic: the step callback, or NULL if func is set.
    pub step: rtw_step_t,
    /// Periodic: the func to call at each tick, or NULL if step is set. The worker prepares its instance at each start.
    pub func: *mut rtw_func_t,
    /// Arguments of func, the same at every tick; copied. Results are discarded.
    pub values: *const rtw_value_t,
    /// Number of values.
    pub value_count: u32,
    /// Number of warm_values.
    pub warm_value_count: u32,
    /// With early_ns: a harmless func to call while the thread spins, so that caches and branch predictors are warm when the
    /// step calls the guest. Best is a func of the instance that the step calls. It has statistics of its own. NULL
    /// (default): none.
    pub warm_func: *mut rtw_func_t,
    /// Arguments of warm_func; copied.
    pub warm_values: *const rtw_value_t,
    /// Queue: how long the thread polls for the next invocation before it sleeps, in ns, at most 1 s. 0 (default): it does
    /// not poll.
    pub spin_ns: u64,
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

/// Sets a worker configuration to its defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_worker_config_t) in the caller's header; rtw_worker_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_worker_config_init_sized(config: *mut rtw_worker_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// # Safety
/// `values` has `count` elements.
pub(super) unsafe fn raw<'a>(values: *const rtw_value_t, count: usize) -> &'a [ValRaw] {
    match count {
        0 => &[],
        // SAFETY: passed on; both value types are the same 16 bytes.
        count => unsafe { std::slice::from_raw_parts(values.cast(), count) },
    }
}

/// Converts a configuration that keeps its rules.
///
/// # Safety
/// Its pointers are valid as the header says.
pub(super) unsafe fn read(runtime: &Arc<Runtime>, config: &rtw_worker_config_t) -> Result<(Config, Work)> {
    validate(config)?;
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
        name: name(unsafe { ffi::optional(config.name, "name") }?)?,
        // SAFETY: it names no stacks.
        attach: unsafe { thread::wanted(runtime, &thread_config) }?,
        deadline: by_deadline.then(|| deadline(config)),
        lock: config.memory_lock != 0,
        strict: config.strict != 0,
        dma_latency_us: (config.dma_latency_us != -1).then_some(config.dma_latency_us),
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
        dry_calls: vec![],
        statistics: config.statistics != 0,
    };
    // SAFETY: live handles, and as many as it says, by the API's contract.
    for call in unsafe { prepare::read_dry_calls(config.dry_calls, config.dry_call_count) }? {
        check_func("dry call", &call.func, runtime, call.values.len())?;
        settings.prepare(&call.func);
        let func = OwnFunc::new(call.func.clone())?;
        settings.dry_calls.push(DryCall { func, values: call.values.into(), repeats: call.repeats, accepts: call.accepts });
    }
    let work = if config.kind == RTW_WORKER_PERIODIC {
        // SAFETY: as above.
        Work::Periodic(Box::new(unsafe { periodic(runtime, config, &mut settings) }?))
    } else {
        let capacity = if config.queue_capacity == 0 { DEFAULT_QUEUE_CAPACITY } else { config.queue_capacity as usize };
        Work::Queue(queue::queue(capacity, config.spin_ns)?)
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

fn deadline(config: &rtw_worker_config_t) -> Deadline {
    let deadline_ns = if config.deadline_ns == 0 { config.period_ns } else { config.deadline_ns };
    Deadline { runtime_ns: config.deadline_runtime_ns, deadline_ns, period_ns: config.period_ns }
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
    Ok(Some(Call::new(OwnFunc::new(func.clone())?, unsafe { raw(values, count) })))
}

unsafe fn periodic(runtime: &Arc<Runtime>, config: &rtw_worker_config_t, settings: &mut Config) -> Result<Periodic> {
    // SAFETY: a handle, and as many values as it says, by the API's contract.
    let func = unsafe { call("func", runtime, config.func, config.values, config.value_count, settings) }?;
    // SAFETY: as above.
    let warm_call =
        unsafe { call("warm_func", runtime, config.warm_func, config.warm_values, config.warm_value_count, settings) }?;
    let task = match (config.step, func) {
        (_, Some(call)) => Task::Call(call),
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
        (None, None) => return Err(Error::new(RTW_ERR_INTERNAL, "a periodic worker without work passed the rules")),
    };
    Ok(Periodic {
        period_ns: config.period_ns,
        missed: if config.missed == RTW_MISSED_SKIP { Missed::Skip } else { Missed::CatchUp },
        early_ns: config.early_ns,
        warm_call,
        period_limit: config.period_limit,
        stop_on_fault: config.on_fault == RTW_ON_FAULT_STOP,
        task,
    })
}
