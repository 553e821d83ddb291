//! Scheduling: reads, sets and restores policies and priorities of threads.

use crate::status::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Other,
    Fifo,
    RoundRobin,
}

impl Policy {
    fn name(self) -> &'static str {
        match self {
            Policy::Other => "SCHED_OTHER",
            Policy::Fifo => "SCHED_FIFO",
            Policy::RoundRobin => "SCHED_RR",
        }
    }

    /// The policy with this number in the system; `None` for policies without a name here, such as SCHED_DEADLINE.
    pub fn from_number(number: i32) -> Option<Policy> {
        [Policy::Other, Policy::Fifo, Policy::RoundRobin].into_iter().find(|policy| policy.number() == number)
    }

    /// The system's number of the policy.
    pub fn number(self) -> libc::c_int {
        match self {
            Policy::Other => libc::SCHED_OTHER,
            Policy::Fifo => libc::SCHED_FIFO,
            Policy::RoundRobin => libc::SCHED_RR,
        }
    }
}

/// True if threads of this policy keep the CPU until they sleep.
pub fn is_real_time(policy: libc::c_int) -> bool {
    !matches!(policy & !libc::SCHED_RESET_ON_FORK, libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE)
}

/// True if the calling thread keeps the CPU until it sleeps.
pub fn is_real_time_here() -> bool {
    // SAFETY: queries this thread only.
    is_real_time(unsafe { libc::sched_getscheduler(0) })
}

/// True for the system's number of SCHED_DEADLINE.
pub fn is_deadline(policy: i32) -> bool {
    policy == libc::SCHED_DEADLINE
}

/// A thread's policy and priority, for restoring them.
#[derive(Clone, Copy)]
pub struct Found {
    policy: libc::c_int,
    parameter: libc::sched_param,
}

/// The calling thread's policy and priority, as the kernel has them: the C library remembers only those set through itself.
pub fn found() -> Result<Found> {
    // SAFETY: all-zero is a valid sched_param to be filled in.
    unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        let policy = libc::sched_getscheduler(0);
        if policy < 0 || libc::sched_getparam(0, &mut parameter) != 0 {
            return Err(Error::last_os_error(RTW_ERR_PERMISSION, "cannot read the thread's scheduling"));
        }
        Ok(Found { policy, parameter })
    }
}

impl Found {
    /// Restores policy and priority of the calling thread. Ignores errors: that is permitted, unless other code has changed the
    /// thread since.
    pub fn restore(&self) {
        // SAFETY: the pointer is to a live struct that the system filled in earlier.
        unsafe { libc::pthread_setschedparam(libc::pthread_self(), self.policy, &self.parameter) };
    }
}

/// While this value lives, the calling thread has a priority above all ordinary threads.
pub struct Raised(Found);

/// Gives the calling thread the lowest real-time priority, if it has ordinary scheduling, and the system permits it.
pub fn raise() -> Option<Raised> {
    let before = found().ok().filter(|found| !is_real_time(found.policy))?;
    // SAFETY: changes this thread only, and reads the parameter, which is valid.
    let refused = unsafe {
        let parameter = libc::sched_param { sched_priority: libc::sched_get_priority_min(libc::SCHED_FIFO) };
        libc::sched_setscheduler(0, libc::SCHED_FIFO | before.policy & libc::SCHED_RESET_ON_FORK, &parameter) != 0
    };
    if refused { None } else { Some(Raised(before)) }
}

impl Drop for Raised {
    fn drop(&mut self) {
        // SAFETY: restores what the system returned before.
        unsafe { libc::sched_setscheduler(0, self.0.policy, &self.0.parameter) };
    }
}

/// Gives the calling thread ordinary scheduling; ignores a refusal.
pub fn become_ordinary() {
    // SAFETY: all-zero is a valid parameter, which the call reads.
    unsafe {
        let parameter: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &parameter);
    }
}

/// The calling thread's scheduling, if it is one of the named policies.
pub fn current() -> Option<(Policy, i32)> {
    let Found { policy, parameter } = found().ok()?;
    let policy = match policy & !libc::SCHED_RESET_ON_FORK {
        libc::SCHED_FIFO => Policy::Fifo,
        libc::SCHED_RR => Policy::RoundRobin,
        _ => Policy::Other,
    };
    Some((policy, parameter.sched_priority))
}

/// A thread's policy and priority, in the system's numbers; None if there is no such thread.
pub fn of(thread: i32) -> Option<(i32, i32)> {
    // SAFETY: all-zero is a valid sched_param to be filled in.
    unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        let policy = libc::sched_getscheduler(thread);
        let known = policy >= 0 && libc::sched_getparam(thread, &mut parameter) == 0;
        known.then_some((policy, parameter.sched_priority))
    }
}

/// The time that the calling thread may compute without a system call that waits, after which the kernel ends the process
/// (RLIMIT_RTTIME). Only for a thread of SCHED_FIFO or SCHED_RR in a process that has the limit.
pub fn real_time_limit_ns() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: queries a number, and fills in a live struct.
    let policy = unsafe {
        libc::getrlimit(libc::RLIMIT_RTTIME, &mut limit);
        libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK
    };
    let is_limited = matches!(policy, libc::SCHED_FIFO | libc::SCHED_RR) && limit.rlim_cur != libc::RLIM_INFINITY;
    is_limited.then(|| limit.rlim_cur.saturating_mul(1000))
}

/// Sets the calling thread's policy and priority.
pub fn set(policy: Policy, priority: i32) -> Result<()> {
    set_of(0, policy, priority)
}

/// Sets the policy and priority of the thread with this number in this process; 0: the calling one.
pub fn set_of(thread: i32, policy: Policy, priority: i32) -> Result<()> {
    // A helper that promoted the thread for a process without rights has ensured that its children are not promoted: this flag
    // is kept. SAFETY: queries a thread.
    let flag = unsafe { libc::sched_getscheduler(thread).max(0) & libc::SCHED_RESET_ON_FORK };
    // SAFETY: all-zero is a valid sched_param; the call reads it only.
    let refused = unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        parameter.sched_priority = priority;
        match thread {
            // Uses the C library for the calling thread, so that the library remembers the scheduling.
            0 => libc::pthread_setschedparam(libc::pthread_self(), policy.number() | flag, &parameter),
            thread if libc::sched_setscheduler(thread, policy.number() | flag, &parameter) == 0 => 0,
            _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL),
        }
    };
    if refused == 0 {
        return Ok(());
    }
    let cause = std::io::Error::from_raw_os_error(refused);
    // An unknown policy or priority is the caller's error; anything else is a refusal of the system's.
    let status = if refused == libc::EINVAL { RTW_ERR_ARGUMENT } else { RTW_ERR_PERMISSION };
    let promoted = match flag {
        0 => String::new(),
        _ => format!(
            "; the thread was promoted by a helper such as rtkit (it has SCHED_RESET_ON_FORK, and {}): ask the helper for this \
             priority, or attach with RTW_SCHED_KEEP",
            of(thread).map_or("a policy that cannot be read".into(), |(policy, priority)| {
                format!("policy {} with priority {priority}", policy & !libc::SCHED_RESET_ON_FORK)
            })
        ),
    };
    Err(Error::os(
        status,
        format!(
            "cannot set {} with priority {priority}: it takes CAP_SYS_NICE or an RLIMIT_RTPRIO of at least that (`rtprio` in \
             limits.conf, LimitRTPRIO=){promoted}",
            policy.name()
        ),
        &cause,
    ))
}

/// The share of every period that a SCHED_DEADLINE thread may run, and its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    pub runtime_ns: u64,
    pub deadline_ns: u64,
    pub period_ns: u64,
}

/// Sets SCHED_DEADLINE for the calling thread.
pub fn set_deadline(deadline: Deadline) -> Result<()> {
    /// The kernel's struct sched_attr, in its first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime_ns: u64,
        deadline_ns: u64,
        period_ns: u64,
    }
    let Deadline { runtime_ns, deadline_ns, period_ns } = deadline;
    let policy = libc::SCHED_DEADLINE as u32;
    let size = size_of::<Attributes>() as u32;
    let wanted = Attributes { size, policy, flags: 0, nice: 0, priority: 0, runtime_ns, deadline_ns, period_ns };
    // SAFETY: the struct is live and as large as it says.
    if unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &wanted, 0) } == 0 {
        return Ok(());
    }
    let cause = std::io::Error::last_os_error();
    let (status, why) = match cause.raw_os_error() {
        Some(libc::EPERM) => (
            RTW_ERR_PERMISSION,
            "it takes CAP_SYS_NICE, and a thread that may run on all CPUs of its scheduling domain: no affinity, no smaller \
             cpuset",
        ),
        Some(libc::EBUSY) => (RTW_ERR_PERMISSION, "too much of the CPUs' time is reserved for other threads already"),
        _ => (RTW_ERR_ARGUMENT, "runtime <= deadline <= period is needed, each of them at least 1024 ns"),
    };
    let asked = format!("cannot set SCHED_DEADLINE with {runtime_ns} ns of every {period_ns} ns");
    Err(Error::os(status, format!("{asked}: {why}"), &cause))
}

/// Gives the calling thread SCHED_FIFO with that priority; returns `false` if that is not permitted.
pub fn set_fifo(priority: i32) -> bool {
    // SAFETY: all-zero is a valid sched_param; the call reads it only.
    unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        parameter.sched_priority = priority;
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &parameter) == 0
    }
}
