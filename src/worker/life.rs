//! The life of a worker's thread: it attaches once, then prepares and runs at each start, until another thread commands it to end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::*;

use super::config::Work;
use super::shared::{IDLE, RUN, Shared, State};
use crate::engine::instance::Instance;
use crate::rt::attach::Attach;
use crate::rt::{arena, callback, reserve, thread};
use crate::status::*;
use crate::sys::memory::Lock;
use crate::sys::sched::{self, Policy};
use crate::sys::{affinity, futex, sleeper};

/// The thread's life, from beginning to end.
pub(super) fn live(shared: &Shared, mut work: Work) {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        if let Err(error) = reserve::fallible(|| become_real_time(shared)) {
            shared.outcome().error = Some(error);
            return;
        }
        shared.set_state(State::Stopped);
        while next_command(shared) == RUN {
            run(shared, &mut work);
        }
        let _ = shared.runtime.detach();
    }));
    if lived.is_err() {
        shared.ended_by.store(RTW_ERR_INTERNAL, Relaxed);
        shared.outcome().error = Some(Error::new(RTW_ERR_INTERNAL, "internal error on the worker's thread"));
    }
    if let Work::Queue(end) = &mut work {
        end.close();
    }
    shared.set_state(State::Ended);
}

fn next_command(shared: &Shared) -> u32 {
    loop {
        match shared.command.load(SeqCst) {
            IDLE => futex::while_equal(&shared.command, IDLE, None),
            command => return command,
        }
    }
}

/// One start and its run.
fn run(shared: &Shared, work: &mut Work) {
    match reserve::fallible(|| prepare(shared)) {
        Ok(()) => {
            if let Work::Queue(end) = work {
                end.open();
            }
            shared.set_state(State::Running);
            let ended_by = arena::in_section(|| match work {
                Work::Periodic(periodic) => periodic.run(shared),
                Work::Queue(end) => end.run(shared),
            });
            shared.ended_by.store(ended_by, Relaxed);
        }
        Err(error) => {
            shared.ended_by.store(error.status, Relaxed);
            shared.outcome().error = Some(error);
        }
    }
    if let Work::Queue(end) = work {
        end.close();
    }
    let _ = shared.command.compare_exchange(RUN, IDLE, SeqCst, SeqCst);
    shared.set_state(State::Stopped);
}

/// Requests real-time rights from the system.
fn become_real_time(shared: &Shared) -> Result<()> {
    let config = &shared.config;
    shared.thread.store(thread::id(), Relaxed);
    sleeper::sleep_exactly();
    attach(shared)?;
    if let Some(cpus) = &config.attach.cpus {
        affinity::set(cpus).or_else(|error| shared.refused(error))?;
    }
    match (config.deadline, config.attach.scheduling) {
        (Some(deadline), _) => sched::set_deadline(deadline).or_else(|error| shared.refused(error))?,
        (None, Some((policy, priority))) => set_scheduling(shared, policy, priority)?,
        (None, None) => {}
    }
    // The thread attached before it had its priority.
    shared.runtime.watch_over()?;
    let mut outcome = shared.outcome();
    outcome.of_thread = outcome.warnings.len();
    Ok(())
}

fn set_scheduling(shared: &Shared, policy: Policy, priority: i32) -> Result<()> {
    sched::set(policy, priority).or_else(|error| shared.refused(error))
}

/// Attaches without scheduling and affinity, which are requested one by one afterwards.
fn attach(shared: &Shared) -> Result<()> {
    let config = &shared.config;
    let lock = if config.lock { Lock::Required } else { shared.runtime.config.lock };
    let all = Attach { scheduling: None, cpus: None, lock, ..config.attach.clone() };
    let attached = shared.runtime.attach(&all).and_then(|()| {
        shared.statistics.warm(lock).inspect_err(|_| {
            let _ = shared.runtime.detach();
        })
    });
    match attached {
        Err(error) if error.status == RTW_ERR_MEMLOCK && config.lock && !config.strict => {
            shared.refused(error)?;
            let lock = shared.runtime.config.lock;
            shared.runtime.attach(&Attach { lock, ..all })?;
            shared.statistics.warm(lock)
        }
        other => other,
    }
}

/// Prepares the guests on the thread that will call them.
fn prepare(shared: &Shared) -> Result<()> {
    let config = &shared.config;
    if let Some(setup) = &config.setup {
        // SAFETY: the host guarantees for its function.
        match callback::returning(&"a worker's setup callback", || unsafe { (setup.call)(setup.user_data) }) {
            RTW_OK => {}
            status => return Err(Error::new(status, format!("the setup callback returned {status}"))),
        }
    }
    if let Some(limit_ns) = sched::real_time_limit_ns() {
        let ends_before = |instance: &Arc<Instance>| instance.is_cut_off_within(limit_ns);
        if config.instances.is_empty() || !config.instances.iter().all(ends_before) {
            shared.outcome().warnings.push(Error::new(
                RTW_ERR_LIMIT,
                format!(
                    "RLIMIT_RTTIME ends the process (SIGXCPU) when a step of this worker computes for {} ms: give its instances \
                     budgets below that, or raise the limit",
                    limit_ns / 1_000_000
                ),
            ));
        }
    }
    for instance in &config.instances {
        let mut calls = Vec::new();
        reserve::room(&mut calls, config.dry_calls.len())?;
        let own = config.dry_calls.iter().filter(|call| Arc::ptr_eq(&call.func.shared.instance, instance));
        calls.extend(own.map(|call| call.of(call.func.as_ref())));
        // SAFETY: the worker's thread has the instances of its configuration, by the API's rules.
        unsafe { instance.turn() }.prepare(&calls)?;
    }
    Ok(())
}
