//! Preparing the calling thread for real-time calls, and putting it back as it was.
//!
//! What is changed: scheduling, affinity, the alternate signal stack (standalone only), the treatment of denormals. What is
//! made ready: the stack down to what guests may use, our own thread-locals, the engine's, an arena for calls that fail. A
//! thread may be attached for several owners at once, as a host's audio thread is that runs several plug-ins; each attachment
//! remembers what it found, and they may end in any order. What was locked stays locked until the thread ends: the host may
//! have locked it as well, and the system does not count.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use super::float::{self, Denormals};
use super::memory::{self, Lock};
use super::{alloc, clock};
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

    fn number(self) -> libc::c_int {
        match self {
            Policy::Other => libc::SCHED_OTHER,
            Policy::Fifo => libc::SCHED_FIFO,
            Policy::RoundRobin => libc::SCHED_RR,
        }
    }
}

pub const CPU_SET_WORDS: usize = 16;
pub type CpuSet = [u64; CPU_SET_WORDS];

/// What a thread gets when it is attached.
#[derive(Clone, Debug)]
pub struct Attach {
    /// `None`: scheduling stays as it is.
    pub scheduling: Option<(Policy, i32)>,
    /// `None`: affinity stays as it is.
    pub cpus: Option<CpuSet>,
    /// Stack that guests may use, in bytes, below the frame that calls them.
    pub guest_stack_bytes: usize,
    pub lock: Lock,
    /// How denormals are treated while the thread is attached.
    pub denormals: Denormals,
    /// What a failing call may take.
    pub arena_bytes: usize,
    /// Whether faults are caught by signal, so that the engine's alternate stack must stay in place.
    pub signals: bool,
}

/// Stack that our own frames, the engine's and a signal frame need beside the guest's.
pub const HOST_STACK_BYTES: usize = 64 << 10;

struct Attachment {
    owner: u64,
    before: Changed,
}

/// What an attachment has changed, as it was before; nothing where it left something alone.
#[derive(Default)]
struct Changed {
    scheduling: Option<(libc::c_int, libc::sched_param)>,
    affinity: Option<libc::cpu_set_t>,
    signal_stack: Option<libc::stack_t>,
    float: Option<float::Mode>,
}

/// What a thread has from its first attachment to the end of its last.
struct Attached {
    list: Vec<Attachment>,
    arena: Option<alloc::Attached>,
}

thread_local! {
    static ATTACHED: RefCell<Attached> = const { RefCell::new(Attached { list: Vec::new(), arena: None }) };
}

/// Whether the calling thread is attached for `owner`.
pub fn is_attached(owner: u64) -> bool {
    ATTACHED.with_borrow(|attached| attached.list.iter().any(|a| a.owner == owner))
}

/// Attaches the calling thread. `engine_init` sets up the engine's per-thread state. Nothing is changed on failure.
pub fn attach(owner: u64, wanted: &Attach, engine_init: impl FnOnce()) -> Result<()> {
    if is_attached(owner) {
        return Err(Error::new(RTW_ERR_ATTACHED, "this thread is attached to the runtime already"));
    }
    let need = wanted.guest_stack_bytes + HOST_STACK_BYTES;
    let left = stack_left()?;
    if left < need {
        return Err(Error::new(
            RTW_ERR_STACK_SIZE,
            format!(
                "this thread has {} KiB of stack left and guests need {} KiB ({} KiB of their own and {} KiB for the calls \
                 around them): create the thread with more (pthread_attr_setstacksize), or set guest_stack_bytes lower",
                left / 1024,
                need / 1024,
                wanted.guest_stack_bytes / 1024,
                HOST_STACK_BYTES / 1024
            ),
        ));
    }
    let mut before = Changed::default();
    match change(wanted, need, engine_init, &mut before) {
        Ok(()) => {
            ATTACHED.with_borrow_mut(|attached| attached.list.push(Attachment { owner, before }));
            Ok(())
        }
        Err(error) => {
            before.restore();
            Err(error)
        }
    }
}

/// Does what was wanted, and notes in `before` what it changed.
fn change(wanted: &Attach, stack_bytes: usize, engine_init: impl FnOnce(), before: &mut Changed) -> Result<()> {
    if let Some(cpus) = &wanted.cpus {
        before.affinity = Some(affinity()?);
        set_affinity(cpus)?;
    }
    if let Some((policy, priority)) = wanted.scheduling {
        before.scheduling = Some(scheduling()?);
        set_scheduling(policy, priority)?;
    }
    let host_signal_stack = signal_stack();
    engine_init();
    let mut present = vec![touch_stack(stack_bytes)];
    if wanted.signals {
        before.signal_stack = Some(host_signal_stack);
        present.extend(engine_signal_stack(&host_signal_stack));
    } else {
        // Without signal-based traps the engine's stack serves nobody; the host's stays.
        set_signal_stack(&host_signal_stack);
    }
    for range in present {
        memory::lock_as(wanted.lock, range)?;
    }
    // The first reading of a clock maps and touches what later ones need.
    clock::ticks();
    clock::monotonic_ns();
    ATTACHED.with_borrow_mut(|attached| {
        if attached.arena.is_none() {
            let arena = alloc::Attached::new(wanted.arena_bytes, wanted.lock)?;
            arena.open();
            attached.arena = Some(arena);
        }
        Ok(())
    })?;
    if wanted.denormals != Denormals::Keep {
        before.float = Some(float::set(wanted.denormals));
    }
    Ok(())
}

/// Ends the attachment for `owner` and restores what it changed.
pub fn detach(owner: u64) -> Result<()> {
    ATTACHED.with_borrow_mut(|attached| {
        let at = attached
            .list
            .iter()
            .position(|a| a.owner == owner)
            .ok_or_else(|| Error::new(RTW_ERR_NOT_ATTACHED, "this thread is not attached to the runtime"))?;
        let mut before = attached.list.remove(at).before;
        // What a later attachment has changed since is in force: what we found is now what it shall restore.
        for later in &mut attached.list[at..] {
            before.hand_on(&mut later.before);
        }
        before.restore();
        if attached.list.is_empty() {
            attached.arena = None;
        }
        Ok(())
    })
}

impl Changed {
    /// Gives away what `later` has changed as well.
    fn hand_on(&mut self, later: &mut Changed) {
        fn pass<T>(from: &mut Option<T>, to: &mut Option<T>) {
            if to.is_some() && from.is_some() {
                *to = from.take();
            }
        }
        pass(&mut self.scheduling, &mut later.scheduling);
        pass(&mut self.affinity, &mut later.affinity);
        pass(&mut self.signal_stack, &mut later.signal_stack);
        pass(&mut self.float, &mut later.float);
    }

    /// Going back to what the thread had before is permitted, or was changed by somebody else meanwhile: no error to tell.
    fn restore(&self) {
        // SAFETY: each pointer is to a live struct that the system filled in earlier.
        unsafe {
            if let Some((policy, parameter)) = &self.scheduling {
                libc::pthread_setschedparam(libc::pthread_self(), *policy, parameter);
            }
            if let Some(affinity) = &self.affinity {
                libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), affinity);
            }
        }
        if let Some(stack) = &self.signal_stack {
            set_signal_stack(stack);
        }
        if let Some(mode) = self.float {
            float::restore(mode);
        }
    }
}

/// As the kernel has it: the C library remembers only what was set through itself.
fn scheduling() -> Result<(libc::c_int, libc::sched_param)> {
    // SAFETY: all-zero is a valid sched_param to be filled in.
    unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        let policy = libc::sched_getscheduler(0);
        if policy < 0 || libc::sched_getparam(0, &mut parameter) != 0 {
            return Err(Error::last_os_error(RTW_ERR_PERMISSION, "cannot read the thread's scheduling"));
        }
        Ok((policy, parameter))
    }
}

fn affinity() -> Result<libc::cpu_set_t> {
    // SAFETY: all-zero is a valid set to be filled in.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) {
            0 => Ok(set),
            _ => Err(Error::last_os_error(RTW_ERR_PERMISSION, "cannot read the thread's affinity")),
        }
    }
}

fn signal_stack() -> libc::stack_t {
    // SAFETY: all-zero is a valid stack_t to be filled in.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(std::ptr::null(), &mut stack);
        stack
    }
}

fn set_affinity(cpus: &CpuSet) -> Result<()> {
    // SAFETY: a cpu_set_t is a plain bit array of the same 1024 bits; all-zero is valid, and the call reads it only.
    let refused = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for cpu in (0..CPU_SET_WORDS * 64).filter(|cpu| cpus[cpu / 64] >> (cpu % 64) & 1 == 1) {
            libc::CPU_SET(cpu, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if refused != 0 {
        return Err(Error::last_os_error(
            RTW_ERR_PERMISSION,
            format!("cannot pin the thread to CPU {}: are they there and in this process's cpuset?", list(cpus)),
        ));
    }
    Ok(())
}

fn list(cpus: &CpuSet) -> String {
    let numbers: Vec<String> =
        (0..CPU_SET_WORDS * 64).filter(|cpu| cpus[cpu / 64] >> (cpu % 64) & 1 == 1).map(|cpu| cpu.to_string()).collect();
    numbers.join(",")
}

fn set_scheduling(policy: Policy, priority: i32) -> Result<()> {
    // SAFETY: all-zero is a valid sched_param; the call reads it only.
    let refused = unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        parameter.sched_priority = priority;
        libc::pthread_setschedparam(libc::pthread_self(), policy.number(), &parameter)
    };
    if refused == 0 {
        return Ok(());
    }
    let cause = std::io::Error::from_raw_os_error(refused);
    let status = if refused == libc::EPERM { RTW_ERR_PERMISSION } else { RTW_ERR_ARGUMENT };
    Err(Error::os(
        status,
        format!(
            "cannot set {} with priority {priority}: it takes CAP_SYS_NICE or an RLIMIT_RTPRIO of at least that (`rtprio` in \
             limits.conf, LimitRTPRIO=)",
            policy.name()
        ),
        &cause,
    ))
}

fn set_signal_stack(stack: &libc::stack_t) {
    let mut stack = *stack;
    // That it was in use is reported, and not taken back.
    stack.ss_flags &= !libc::SS_ONSTACK;
    // SAFETY: the stack was in force on this thread before, or is disabled.
    unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
}

thread_local! {
    /// The signal stack that the engine made for this thread, which it does once: a second attachment has to bring it back.
    static ENGINE_STACK: std::cell::Cell<Option<libc::stack_t>> = const { std::cell::Cell::new(None) };
}

/// Makes sure that the engine's signal stack is the one in force, and present. Returns where it is.
fn engine_signal_stack(before: &libc::stack_t) -> Option<std::ops::Range<usize>> {
    let now = signal_stack();
    if now.ss_sp != before.ss_sp {
        // The engine has just made it.
        ENGINE_STACK.set(Some(now));
    } else if let Some(engine) = ENGINE_STACK.get() {
        set_signal_stack(&engine);
    }
    // Neither: the host's own is large enough for the engine.
    let in_force = ENGINE_STACK.get().unwrap_or(now);
    if in_force.ss_flags & libc::SS_DISABLE != 0 || in_force.ss_sp.is_null() {
        return None;
    }
    let range = in_force.ss_sp as usize..in_force.ss_sp as usize + in_force.ss_size;
    // SAFETY: a registered signal stack is mapped writable, and no signal runs on it now.
    unsafe { memory::touch_for_writing(range.clone()) };
    Some(range)
}

thread_local! {
    /// The lowest address that this thread's stack may reach, once it has been asked for; 0 until then. Asked for once only:
    /// the C library reads the main thread's from the list of mappings, which our locking divides.
    static STACK_LOW: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Bytes between this frame and the lowest address that the thread's stack may reach.
pub fn stack_left() -> Result<usize> {
    let marker = std::hint::black_box(0u8);
    let here = &raw const marker as usize;
    if STACK_LOW.get() == 0 {
        STACK_LOW.set(stack_low()?);
    }
    Ok(here.saturating_sub(STACK_LOW.get()))
}

fn stack_low() -> Result<usize> {
    // SAFETY: the attribute is initialised by the call that fills it and destroyed once.
    unsafe {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        let refused = libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr());
        if refused != 0 {
            let cause = std::io::Error::from_raw_os_error(refused);
            return Err(Error::os(RTW_ERR_STACK_SIZE, "cannot find out the thread's stack", &cause));
        }
        let mut attributes = attributes.assume_init();
        let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
        libc::pthread_attr_getstack(&attributes, &mut low, &mut size);
        libc::pthread_attr_getguardsize(&attributes, &mut guard);
        libc::pthread_attr_destroy(&mut attributes);
        // Some C libraries count the guard into the stack: leave it out to be on the safe side.
        Ok(low as usize + guard)
    }
}

/// Walks down the stack page by page, writing, and returns the range that is now present.
fn touch_stack(bytes: usize) -> std::ops::Range<usize> {
    #[inline(never)]
    fn descend(target: usize) -> usize {
        let mut frame = [0u8; 2048];
        let here = std::hint::black_box(frame.as_mut_ptr());
        // SAFETY: the frame is ours; the write must not be optimised away.
        unsafe { here.write_volatile(0) };
        let lowest = if here as usize > target { descend(target) } else { here as usize };
        std::hint::black_box(&mut frame);
        lowest
    }
    let marker = std::hint::black_box(0u8);
    let top = &raw const marker as usize;
    descend(top - bytes)..top
}

/// Page faults of a thread.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct FaultCount {
    /// Served from memory.
    pub minor: u64,
    /// Served by I/O.
    pub major: u64,
}

impl FaultCount {
    pub fn since(self, before: FaultCount) -> FaultCount {
        FaultCount { minor: self.minor - before.minor, major: self.major - before.major }
    }
}

/// What the calling thread has had so far. A system call.
pub fn faults() -> FaultCount {
    // SAFETY: all-zero is a valid rusage to be filled in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    FaultCount { minor: usage.ru_minflt as u64, major: usage.ru_majflt as u64 }
}
