//! Runs Cranelift: generates machine code in the engine's own precompiled form.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Acquire};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rtwasm::engine::profile::{self, DEFAULT_GUEST_STACK_BYTES, Settings, Variations};
use rtwasm::rt::thread::{self, Thread};
use rtwasm::status::*;
use rtwasm::sys::{clock, futex};
use wasmtime::{Config, Engine, OptLevel};

use crate::lean;
use crate::limits::Deadline;
use crate::options::{Opt, Target};

pub struct Job<'a> {
    pub settings: &'a Settings,
    pub target: Target,
    pub cpu_features: &'a [String],
    pub opt: Opt,
    pub variations: Variations,
}

/// The interval at which the caller hears that the code generator is still working.
const TICK: Duration = Duration::from_millis(200);

/// Stack of a compiling thread; the caller's stack may be small.
const STACK_BYTES: usize = 8 << 20;

/// Generates code for a valid module. Calls `tick` on the calling thread, at once and then every [`TICK`]. After the deadline
/// it returns, although the code generator cannot be stopped: its threads continue to the end of the module, in the background,
/// and drop their result.
pub fn code(module: &[u8], job: &Job<'_>, deadline: &Deadline, tick: &mut dyn FnMut()) -> Result<Vec<u8>> {
    let config = config(job)?;
    let (module, target) = (module.to_vec(), job.target);
    let work = move || lean::lean(&with_pool(|pool| pool.install(|| precompile(&config, &module)))??, target);
    ticking(work, deadline, tick)
}

/// Runs `work` on a thread that has enough stack, whatever the caller's has.
pub fn on_own_stack<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R> {
    let mut outcome = None;
    let run: Box<dyn FnOnce() + Send + '_> = Box::new(|| outcome = Some(catch_unwind(AssertUnwindSafe(work))));
    // SAFETY: only the lifetime changes; the thread that gets it ends before anything that it borrows does.
    let run: Box<dyn FnOnce() + Send> = unsafe { std::mem::transmute(run) };
    background("rtw-compile", run)?.join();
    match outcome {
        Some(outcome) => Ok(outcome.unwrap_or_else(|panic| resume_unwind(panic))),
        None => Err(no_outcome()),
    }
}

/// Starts a compiling thread. Does not use the standard library: its allocations for a thread, or for a thread that waits in a
/// channel, end the process if there is no memory.
fn background(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Thread> {
    let work = || {
        be_a_background_thread();
        work();
    };
    thread::start(name, STACK_BYTES, work)
        .map_err(|cause| Error::os(RTW_ERR_NO_MEMORY, "cannot start a compiling thread", &cause))
}

fn no_outcome() -> Error {
    Error::new(RTW_ERR_INTERNAL, "the compiling thread ended without a result")
}

/// A thread's result, and a word that says that it is there.
struct Told<R> {
    outcome: Mutex<Option<std::thread::Result<Result<R>>>>,
    is_there: AtomicU32,
}

/// Runs `work` on a thread of its own, and calls `tick` on this one until the work has ended or the time is over.
pub fn ticking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R> + Send + 'static,
    deadline: &Deadline,
    tick: &mut dyn FnMut(),
) -> Result<R> {
    let told = Arc::new(Told { outcome: Mutex::new(None), is_there: AtomicU32::new(0) });
    let tell = told.clone();
    let thread = background("rtw-compile", move || {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        *tell.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        futex::set(&tell.is_there, 1);
    })?;
    loop {
        tick();
        let left = deadline.left().ok_or_else(|| deadline.passed())?.min(TICK);
        let until_ns = clock::monotonic_ns() + left.as_nanos() as u64;
        while told.is_there.load(Acquire) == 0 && clock::monotonic_ns() < until_ns {
            futex::while_equal(&told.is_there, 0, Some(until_ns));
        }
        if told.is_there.load(Acquire) != 0 {
            thread.join();
            let outcome = told.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Passes a panic of that thread on.
            return outcome.ok_or_else(no_outcome)?.unwrap_or_else(|panic| resume_unwind(panic));
        }
    }
}

/// The library's settings for loading, and those that matter only to code generation: the target, which the engine compares by
/// architecture and system when it loads; the CPU features, which it compares one by one; the optimisation level, which it does
/// not compare.
fn config(job: &Job<'_>) -> Result<Config> {
    let mut config = profile::config(job.settings, DEFAULT_GUEST_STACK_BYTES);
    // The code does not depend on the way instances are allocated.
    profile::vary(&mut config, Variations { pooling: false, ..job.variations })?;
    // Naming the target, even if it is this machine, also keeps the engine from adding features that it detects here.
    config
        .target(job.target.triple())
        .map_err(|error| Error::new(RTW_ERR_UNSUPPORTED, format!("cannot compile for {}: {error}", job.target.triple())))?;
    for feature in job.cpu_features {
        // SAFETY: these flags allow instructions and change no convention; the artifact names them, and a machine that lacks
        // one refuses it.
        unsafe { config.cranelift_flag_enable(feature) };
    }
    config.cranelift_opt_level(match job.opt {
        Opt::None => OptLevel::None,
        Opt::Speed => OptLevel::Speed,
        Opt::SpeedAndSize => OptLevel::SpeedAndSize,
    });
    config.cranelift_nan_canonicalization(job.settings.deterministic);
    config.parallel_compilation(true);
    Ok(config)
}

fn precompile(config: &Config, module: &[u8]) -> Result<Vec<u8>> {
    let engine = Engine::new(config)
        .map_err(|error| Error::new(RTW_ERR_INTERNAL, format!("the engine refuses its settings: {error:#}")))?;
    // The module is valid, so an error means a limit of the code generator: a function or a frame that is too large.
    engine
        .precompile_module(module)
        .map_err(|error| Error::new(RTW_ERR_UNSUPPORTED, format!("cannot generate code for this module: {error:#}")))
}

/// After this number of epochs, nothing refers any more to memory that was put aside before.
const EPOCHS: usize = 4;

/// Runs `work` with threads of its own that end with it: nothing of a compilation remains in a host process.
pub fn with_pool<R>(work: impl FnOnce(&rayon::ThreadPool) -> R) -> Result<R> {
    let mut threads = Vec::new();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(std::thread::available_parallelism().map_or(1, usize::from))
        .spawn_handler(|thread| {
            let name = format!("rtw-compile-{}", thread.index());
            threads
                .push(background(&name, || thread.run()).map_err(|error| std::io::Error::from_raw_os_error(error.os_error))?);
            Ok(())
        })
        .build();
    // Consuming the pool makes its threads end, also when `work` panics.
    let outcome = pool.map(|pool| catch_unwind(AssertUnwindSafe(|| work(&pool))));
    // The pool has already passed a panic on.
    threads.into_iter().for_each(Thread::join);
    // Frees what the pool's threads have put aside: otherwise it would wait for the next call.
    for _ in 0..EPOCHS {
        crossbeam_epoch::pin().flush();
    }
    outcome
        .map_err(|error| Error::new(RTW_ERR_NO_MEMORY, format!("cannot start the compiling threads: {error}")))
        .map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
}

/// Gives the calling thread ordinary scheduling and blocks all signals: a thread inherits the caller's priority and signals,
/// and a compiler should have neither.
fn be_a_background_thread() {
    // SAFETY: both calls concern this thread alone and get pointers to initialised local values. Leaving a real-time class is
    // always permitted; if either fails, the thread is only unchanged.
    unsafe {
        let mut every_signal: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut every_signal);
        libc::pthread_sigmask(libc::SIG_BLOCK, &every_signal, std::ptr::null_mut());
        let ordinary: libc::sched_param = std::mem::zeroed();
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_OTHER, &ordinary);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn the_pool_ends_with_its_work() {
        // SAFETY: returns a number.
        let threads = with_pool(|pool| pool.broadcast(|_| unsafe { libc::gettid() })).unwrap();
        assert!(!threads.is_empty());
        // The system removes a thread a moment after it is joined; a thread that stays would keep this test from ending.
        for thread in threads {
            while Path::new(&format!("/proc/self/task/{thread}")).exists() {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_panic_in_the_work_comes_through() {
        let deadline = Deadline::new(&Limits::DEFAULT);
        let outcome = catch_unwind(|| ticking::<()>(|| panic!("planted"), &deadline, &mut || {}));
        assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"planted"));
        let outcome = catch_unwind(|| on_own_stack(|| panic!("planted")));
        assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"planted"));
    }

    #[test]
    fn it_ticks_until_the_work_is_done() {
        // The work ends at the third tick.
        let (enough, wait) = mpsc::channel();
        let mut ticks = 0;
        let result = ticking(move || Ok(wait.recv().is_ok()), &Deadline::new(&Limits::DEFAULT), &mut || {
            ticks += 1;
            if ticks == 3 {
                enough.send(()).unwrap();
            }
        });
        assert!(result.unwrap());
        assert!(ticks >= 3);
    }

    #[test]
    fn nobody_waits_beyond_the_deadline() {
        // The work would never end by itself.
        let (enough, wait) = mpsc::channel::<()>();
        let limits = Limits { time: Duration::from_millis(1), ..Limits::DEFAULT };
        let error = ticking(move || Ok(wait.recv().is_ok()), &Deadline::new(&limits), &mut || {}).unwrap_err();
        assert_eq!(error.status, RTW_ERR_LIMIT);
        drop(enough);
    }

    #[test]
    fn compiling_threads_block_signals() {
        let blocked = with_pool(|pool| {
            // SAFETY: reads this thread's mask.
            pool.install(|| unsafe {
                let mut mask: libc::sigset_t = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
                libc::sigismember(&mask, libc::SIGINT)
            })
        })
        .unwrap();
        assert_eq!(blocked, 1);
    }
}
