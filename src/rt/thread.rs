//! Preparing the calling thread for real-time calls, and putting it back as it was.
//!
//! What is changed: scheduling, affinity, signal mask and alternate signal stack (standalone only, see `traps`), the treatment of denormals. What is
//! made ready: the stack down to what guests may use, our own thread-locals, the engine's, an arena for calls that fail. A
//! thread may be attached for several owners at once, as a host's audio thread is that runs several plug-ins; each attachment
//! remembers what it found, and they may end in any order. What was locked stays locked until the thread ends: the host may
//! have locked it as well, and the system does not count.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use super::permit::{self, Refused};
use super::{alloc, cancel, reserve, traps, unwind};
use crate::status::*;
use crate::sys::clock;
use crate::sys::fpu::{self, Denormals};
use crate::sys::memory::{self, Lock};

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
    /// Other stacks that guests may be called on: mapped, writable, apart from each other and from the thread's own.
    pub stacks: Vec<Range<usize>>,
    /// Whether a call attaches, for want of an attachment that the host would end: it ends with its owner.
    pub late: bool,
    /// Whether calls hold cancellation off, where the thread can be cancelled at any instruction.
    pub defer_cancellation: bool,
}

/// Stack that our own frames, the engine's and a signal frame need beside the guest's.
pub const HOST_STACK_BYTES: usize = 64 << 10;

struct Attachment {
    owner: u64,
    before: Changed,
    /// Lets the owner's calls in.
    _permits: permit::Issued,
    count: Counted,
    late: bool,
    _real_time: Option<RealTime>,
}

/// One of an owner's attachments, of which the owner keeps count as long as it is there.
struct Counted(Weak<AtomicU64>);

impl Counted {
    fn new(count: &Arc<AtomicU64>) -> Counted {
        count.fetch_add(1, Relaxed);
        Counted(Arc::downgrade(count))
    }

    fn owner_is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(count) = self.0.upgrade() {
            count.fetch_sub(1, Relaxed);
        }
    }
}

/// How many attachments there are of threads with real-time scheduling.
static REAL_TIME: AtomicUsize = AtomicUsize::new(0);

/// Counts one of them; a thread that ends without detaching takes its own with it.
struct RealTime;

impl RealTime {
    /// For the calling thread, if it is one.
    fn count() -> Option<RealTime> {
        // SAFETY: asks about this thread only.
        is_real_time(unsafe { libc::sched_getscheduler(0) }).then(|| {
            REAL_TIME.fetch_add(1, Relaxed);
            RealTime
        })
    }
}

impl Drop for RealTime {
    fn drop(&mut self) {
        REAL_TIME.fetch_sub(1, Relaxed);
    }
}

/// Whether threads of this policy are kept on the CPU until they sleep.
pub fn is_real_time(policy: libc::c_int) -> bool {
    !matches!(policy & !libc::SCHED_RESET_ON_FORK, libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE)
}

/// Runs something short for whose end a real-time thread may have to wait. Where one is attached, the calling thread has the
/// lowest real-time priority meanwhile, if it may: so that no thread but a real-time one takes the CPU from it in the middle.
pub fn ahead_of_ordinary<T>(run: impl FnOnce() -> T) -> T {
    struct Restore(Option<(libc::c_int, libc::sched_param)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some((policy, parameter)) = &self.0 {
                // SAFETY: what the system told before.
                unsafe { libc::sched_setscheduler(0, *policy, parameter) };
            }
        }
    }
    let ordinary =
        if REAL_TIME.load(Relaxed) == 0 { None } else { scheduling().ok().filter(|(policy, _)| !is_real_time(*policy)) };
    let _restore = Restore(ordinary.filter(|(policy, _)| {
        // SAFETY: changes this thread only, and reads the parameter, which is valid.
        unsafe {
            let parameter = libc::sched_param { sched_priority: libc::sched_get_priority_min(libc::SCHED_FIFO) };
            libc::sched_setscheduler(0, libc::SCHED_FIFO | policy & libc::SCHED_RESET_ON_FORK, &parameter) == 0
        }
    }));
    run()
}

/// What an attachment has changed, as it was before; nothing where it left something alone.
#[derive(Default)]
struct Changed {
    scheduling: Option<(libc::c_int, libc::sched_param)>,
    affinity: Option<libc::cpu_set_t>,
    /// Whether it is one of those that need guests' faults to arrive.
    signals: bool,
    float: Option<fpu::Mode>,
}

/// What a thread has from its first attachment to the end of its last.
struct Attached {
    list: Vec<Attachment>,
    arena: Option<alloc::Attached>,
}

thread_local! {
    static ATTACHED: RefCell<Attached> = const { RefCell::new(Attached { list: Vec::new(), arena: None }) };
}

/// Attaches the calling thread. `count` is the owner's number of attachments; `engine_init` sets up the engine's per-thread
/// state. Nothing is changed on failure.
pub fn attach(owner: u64, count: &Arc<AtomicU64>, wanted: &Attach, engine_init: impl FnOnce()) -> Result<()> {
    if permit::is_attached(owner) {
        return Err(Error::new(RTW_ERR_ATTACHED, "this thread is attached to the runtime already"));
    }
    detach_from_the_gone();
    let sealed = wanted.defer_cancellation && cancel::is_asynchronous();
    let whom = if sealed { permit::For::SealedAttachment } else { permit::For::Attachment };
    let mut stacks = vec![room_for(wanted.guest_stack_bytes, HOST_STACK_BYTES)?];
    add_declared(wanted, &mut stacks)?;
    let need = wanted.guest_stack_bytes + HOST_STACK_BYTES;
    let mut before = Changed::default();
    let permits = change(wanted, need, engine_init, &mut before)
        .and_then(|()| stacks[1..].iter().try_for_each(|stack| memory::lock_as(wanted.lock, stack.clone()).map(|_| ())))
        .and_then(|()| ATTACHED.with_borrow_mut(|attached| reserve::room(&mut attached.list, 1)))
        .and_then(|()| reserve::check())
        .and_then(|()| permit::issue(owner, &stacks, wanted.guest_stack_bytes, whom, wanted.lock));
    match permits {
        Ok(permits) => {
            let (count, late) = (Counted::new(count), wanted.late);
            let attachment = Attachment { owner, before, _permits: permits, count, late, _real_time: RealTime::count() };
            ATTACHED.with_borrow_mut(|attached| attached.list.push(attachment));
            Ok(())
        }
        Err(error) => {
            before.restore();
            // Made for this attachment, where it was the first.
            ATTACHED.with_borrow_mut(|attached| {
                if attached.list.is_empty() {
                    attached.arena = None;
                }
            });
            Err(error)
        }
    }
}

/// The stacks that are declared are made present and added to the thread's own, in their order.
fn add_declared(wanted: &Attach, stacks: &mut Vec<Range<usize>>) -> Result<()> {
    let need = wanted.guest_stack_bytes + permit::MARGIN_BYTES;
    let refused = |at: usize, status, what| Err(Error::new(status, format!("stacks[{at}] {what}")));
    let own = stacks[0].clone();
    for (at, stack) in wanted.stacks.iter().enumerate() {
        if stack.len() < need {
            return refused(
                at,
                RTW_ERR_STACK_SIZE,
                "is too small: guests need guest_stack_bytes, and 32 KiB for the calls around them",
            );
        }
        if stack.start < own.end && own.start < stack.end {
            return refused(at, RTW_ERR_ARGUMENT, "lies in the thread's own stack");
        }
        let place = 1 + stacks[1..].partition_point(|other| other.start < stack.start);
        let overlaps = |other: Option<&Range<usize>>| other.is_some_and(|o| o.start < stack.end && stack.start < o.end);
        if overlaps(stacks.get(place)) || (place > 1 && overlaps(stacks.get(place - 1))) {
            return refused(at, RTW_ERR_ARGUMENT, "overlaps another one");
        }
        if !memory::populate_for_writing(stack.clone()) {
            return refused(at, RTW_ERR_ARGUMENT, "is not mapped and writable throughout: leave its guard page out");
        }
        stacks.insert(place, stack.clone());
    }
    Ok(())
}

/// Ends what calls have attached for owners that are no more: nobody else would.
fn detach_from_the_gone() {
    while let Some(owner) =
        ATTACHED.with_borrow(|attached| attached.list.iter().find(|a| a.late && a.count.owner_is_gone()).map(|a| a.owner))
    {
        let _ = detach(owner);
    }
}

/// What lets a [setup] function call guests of `owner`, on whatever thread this is: where it is not attached, its own stack has to
/// have room for them.
pub fn visit(owner: u64, guest_stack_bytes: usize) -> Result<Option<permit::Issued>> {
    match permit::check(owner, permit::stack_pointer()) {
        Ok(()) => Ok(None),
        Err(Refused::NoRoom) => Err(Error::new(
            RTW_ERR_STACK_SIZE,
            "this thread is attached, and is too deep in its stack, or on a stack that it has not declared",
        )),
        Err(Refused::Unknown) => {
            let stack = room_for(guest_stack_bytes, permit::MARGIN_BYTES)?;
            permit::issue(owner, &[stack], guest_stack_bytes, permit::For::Visit, Lock::Off).map(Some)
        }
    }
}

/// The calling thread's own stack, where it is the one in use and there is room in it for a guest and for what is around it.
fn room_for(guest_stack_bytes: usize, around_bytes: usize) -> Result<Range<usize>> {
    let stack = own_stack()?;
    let here = permit::stack_pointer();
    if !stack.contains(&here) {
        return Err(Error::new(
            RTW_ERR_STACK_SIZE,
            "the thread is not on its own stack (but on a coroutine's, or a signal handler's), and how much is left of another \
             one cannot be told",
        ));
    }
    let (left, need) = (here - stack.start, guest_stack_bytes + around_bytes);
    if left < need {
        return Err(Error::new(
            RTW_ERR_STACK_SIZE,
            format!(
                "this thread has {} KiB of stack left and guests need {} KiB ({} KiB of their own and {} KiB for the calls \
                 around them): create the thread with more (pthread_attr_setstacksize), or set guest_stack_bytes lower",
                left / 1024,
                need / 1024,
                guest_stack_bytes / 1024,
                around_bytes / 1024
            ),
        ));
    }
    Ok(stack)
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
    let mut present = vec![touch_stack(stack_bytes)];
    if wanted.signals {
        present.push(traps::attach()?);
        before.signals = true;
    }
    traps::keeping_stack(engine_init)?;
    // The first reading of a clock maps and touches what later ones need.
    clock::ticks();
    clock::monotonic_ns();
    present.push(memory::own_thread_locals());
    for range in present {
        memory::lock_as(wanted.lock, range)?;
    }
    ATTACHED.with_borrow_mut(|attached| {
        if attached.arena.is_none() {
            let arena = alloc::Attached::new(wanted.arena_bytes, wanted.lock)?;
            arena.open();
            attached.arena = Some(arena);
        }
        Ok(())
    })?;
    if wanted.denormals != Denormals::Keep {
        before.float = Some(fpu::set(wanted.denormals));
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
        if self.signals {
            traps::detach();
        }
        if let Some(mode) = self.float {
            fpu::restore(mode);
        }
    }
}

/// The calling thread's policy and priority. As the kernel has it: the C library remembers only what was set through itself.
pub fn scheduling() -> Result<(libc::c_int, libc::sched_param)> {
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

/// Keeps the calling thread on these CPUs.
pub fn set_affinity(cpus: &CpuSet) -> Result<()> {
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
    // What is not there is left out in silence.
    let granted = affinity()?;
    // SAFETY: reads bits of a live set.
    let is_granted = |cpu| unsafe { libc::CPU_ISSET(cpu, &granted) };
    let missing: CpuSet = std::array::from_fn(|word| {
        (0..64).filter(|bit| cpus[word] >> bit & 1 == 1 && !is_granted(word * 64 + bit)).map(|bit| 1 << bit).sum()
    });
    if missing.iter().any(|word| *word != 0) {
        return Err(Error::new(
            RTW_ERR_PERMISSION,
            format!(
                "cannot pin the thread to CPU {}: CPU {} is not there, or not in this process's cpuset; leave it out",
                list(cpus),
                list(&missing)
            ),
        ));
    }
    Ok(())
}

fn list(cpus: &CpuSet) -> String {
    let numbers: Vec<String> =
        (0..CPU_SET_WORDS * 64).filter(|cpu| cpus[cpu / 64] >> (cpu % 64) & 1 == 1).map(|cpu| cpu.to_string()).collect();
    numbers.join(",")
}

/// The calling thread's, where it is one that can be asked for by name.
pub fn current_scheduling() -> Option<(Policy, i32)> {
    let (policy, parameter) = scheduling().ok()?;
    let policy = match policy & !libc::SCHED_RESET_ON_FORK {
        libc::SCHED_FIFO => Policy::Fifo,
        libc::SCHED_RR => Policy::RoundRobin,
        _ => Policy::Other,
    };
    Some((policy, parameter.sched_priority))
}

/// The calling thread, as the kernel numbers it.
pub fn id() -> i32 {
    // SAFETY: asks for a number.
    unsafe { libc::gettid() }
}

/// How long the calling thread may compute without a system call that waits, where the kernel ends the process after that
/// (RLIMIT_RTTIME): one of SCHED_FIFO or SCHED_RR in a process that has the limit.
pub fn real_time_limit_ns() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: asks for a number, and fills in a live struct.
    let policy = unsafe {
        libc::getrlimit(libc::RLIMIT_RTTIME, &mut limit);
        libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK
    };
    let is_limited = matches!(policy, libc::SCHED_FIFO | libc::SCHED_RR) && limit.rlim_cur != libc::RLIM_INFINITY;
    is_limited.then(|| limit.rlim_cur.saturating_mul(1000))
}

/// Sets the calling thread's policy and priority.
pub fn set_scheduling(policy: Policy, priority: i32) -> Result<()> {
    set_scheduling_of(0, policy, priority)
}

/// Of the thread with this number in this process; 0: the calling one.
pub fn set_scheduling_of(thread: i32, policy: Policy, priority: i32) -> Result<()> {
    // Whoever promoted the thread for somebody without rights has seen to it that its children are not: that is kept.
    // SAFETY: asks about a thread.
    let flag = unsafe { libc::sched_getscheduler(thread).max(0) & libc::SCHED_RESET_ON_FORK };
    // SAFETY: all-zero is a valid sched_param; the call reads it only.
    let refused = unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        parameter.sched_priority = priority;
        match thread {
            // The C library remembers it.
            0 => libc::pthread_setschedparam(libc::pthread_self(), policy.number() | flag, &parameter),
            thread if libc::sched_setscheduler(thread, policy.number() | flag, &parameter) == 0 => 0,
            _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL),
        }
    };
    if refused == 0 {
        return Ok(());
    }
    let cause = std::io::Error::from_raw_os_error(refused);
    // A policy or priority that the kernel does not know is the caller's; anything else is somebody's refusal.
    let status = if refused == libc::EINVAL { RTW_ERR_ARGUMENT } else { RTW_ERR_PERMISSION };
    let promoted = match flag {
        0 => String::new(),
        _ => format!(
            "; the thread was promoted by a helper such as rtkit (it has SCHED_RESET_ON_FORK, and {}): ask the helper for this \
             priority, or attach with RTW_SCHED_KEEP",
            scheduling_of(thread).map_or("a policy that cannot be read".into(), |(policy, priority)| {
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

/// How much of every period a SCHED_DEADLINE thread may run, and by when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    pub runtime_ns: u64,
    pub deadline_ns: u64,
    pub period_ns: u64,
}

/// Gives the calling thread to SCHED_DEADLINE.
pub fn set_deadline(deadline: Deadline) -> Result<()> {
    const SCHED_DEADLINE: u32 = 6;
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
    let policy = SCHED_DEADLINE;
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
        Some(libc::EBUSY) => (RTW_ERR_PERMISSION, "the CPUs have promised too much of their time to others already"),
        _ => (RTW_ERR_ARGUMENT, "runtime <= deadline <= period is needed, each of them at least 1024 ns"),
    };
    let asked = format!("cannot set SCHED_DEADLINE with {runtime_ns} ns of every {period_ns} ns");
    Err(Error::os(status, format!("{asked}: {why}"), &cause))
}

thread_local! {
    /// Where this thread's own stack is, once it has been asked for. Asked for once only: the C library reads the main thread's
    /// from the list of mappings, which our locking divides.
    static STACK: std::cell::Cell<Option<(usize, usize)>> = const { std::cell::Cell::new(None) };
}

/// Bytes between this frame and the lowest address that the thread's stack may reach.
pub fn stack_left() -> Result<usize> {
    Ok(permit::stack_pointer().saturating_sub(own_stack()?.start))
}

/// The stack that the calling thread began on, whether it is on it now or not.
fn own_stack() -> Result<Range<usize>> {
    let (low, high) = match STACK.get() {
        Some(known) => known,
        None => ask_for_stack()?,
    };
    STACK.set(Some((low, high)));
    Ok(low..high)
}

fn ask_for_stack() -> Result<(usize, usize)> {
    // SAFETY: the attribute is initialised by the call that fills it and destroyed once.
    unsafe {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        let refused = libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr());
        if refused != 0 && libc::gettid() == libc::getpid() {
            return main_stack();
        }
        if refused != 0 {
            let cause = std::io::Error::from_raw_os_error(refused);
            let status = if refused == libc::ENOMEM { RTW_ERR_NO_MEMORY } else { RTW_ERR_IO };
            return Err(Error::os(status, "cannot find out the thread's stack", &cause));
        }
        let mut attributes = attributes.assume_init();
        let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
        libc::pthread_attr_getstack(&attributes, &mut low, &mut size);
        libc::pthread_attr_getguardsize(&attributes, &mut guard);
        libc::pthread_attr_destroy(&mut attributes);
        // Some C libraries count the guard into the stack: leave it out to be on the safe side.
        Ok((low as usize + guard, low as usize + size))
    }
}

/// The most that the kernel keeps free below the main thread's stack, whatever its limit says.
const MAIN_STACK_BYTES: usize = 64 << 20;

/// Of the main thread, where the list of mappings cannot be read, as without /proc: its stack begins above what the kernel has put
/// there when it started the program, and reaches as far down as the limit says.
fn main_stack() -> Result<(usize, usize)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the first asks for a number, the second fills in a live struct.
    let (top, refused) =
        unsafe { (libc::getauxval(libc::AT_RANDOM) as usize, libc::getrlimit(libc::RLIMIT_STACK, &mut limit)) };
    if refused != 0 {
        return Err(Error::last_os_error(
            RTW_ERR_STACK_SIZE,
            "cannot find out the main thread's stack: its limit (RLIMIT_STACK, prlimit64) cannot be asked for",
        ));
    }
    if top == 0 {
        return Err(Error::new(
            RTW_ERR_STACK_SIZE,
            "cannot find out the main thread's stack: /proc/self/maps cannot be read; mount /proc, or attach another thread",
        ));
    }
    // The pages up to the top are there already: the nearer, lower one is on the safe side.
    let size = usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX).min(MAIN_STACK_BYTES);
    let page = memory::page_size();
    Ok((top.saturating_sub(size).next_multiple_of(page), top.next_multiple_of(page)))
}

/// Walks down the stack page by page, writing, and returns the range that is now present.
fn touch_stack(bytes: usize) -> Range<usize> {
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

/// The signals that a thread does not cause itself.
fn signals_of_others() -> libc::sigset_t {
    let own = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];
    // SAFETY: all-zero is a valid set to be filled in.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        for signal in own {
            libc::sigdelset(&mut set, signal);
        }
        set
    }
}

/// More is not tried where a thread's stack is too small for the C library.
const MOST_STACK_BYTES: usize = 64 << 20;

/// Starts a thread of the library's own. Its signal mask is of its own making, whatever the thread has blocked that starts it:
/// signals of others are blocked from its first instruction on, since a handler of the host's has no business there; what it
/// causes itself, guests' traps included, arrives.
///
/// The system's own means: what the standard library allocates for a thread does not come from our allocator, and ends the process
/// where there is no memory.
pub fn start(name: &str, stack_bytes: usize, run: impl FnOnce() + Send + 'static) -> std::io::Result<Thread> {
    struct Start<F> {
        run: F,
        /// NUL-terminated; the system keeps so many bytes.
        name: [u8; 16],
        mask: libc::sigset_t,
    }
    extern "C" fn begin<F: FnOnce()>(start: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: from the box below, and given to this thread alone; each call reads what it is given.
        unsafe {
            let Start { run, name, mask } = *Box::from_raw(start.cast::<Start<F>>());
            libc::pthread_setname_np(libc::pthread_self(), name.as_ptr().cast());
            libc::pthread_sigmask(libc::SIG_SETMASK, &mask, std::ptr::null_mut());
            unwind::is_own();
            // A panic ends the thread and nothing else.
            let _ = catch_unwind(AssertUnwindSafe(run));
        }
        std::ptr::null_mut()
    }
    fn begins<F: FnOnce()>(_: &Start<F>) -> extern "C" fn(*mut libc::c_void) -> *mut libc::c_void {
        begin::<F>
    }
    let mut short = [0; 16];
    let mut length = name.len().min(short.len() - 1);
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    short[..length].copy_from_slice(&name.as_bytes()[..length]);
    let others = signals_of_others();
    let start = Box::new(Start { run, name: short, mask: others });
    let begin = begins(&start);
    let start = Box::into_raw(start);
    let mut size = stack_bytes.max(libc::PTHREAD_STACK_MIN).next_multiple_of(memory::page_size());
    // SAFETY: all-zero is valid for what is filled in; the calls change this thread's mask only; what the new thread is given is
    // its own, and ours again where there is none.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        let mut thread: libc::pthread_t = 0;
        let mut refused = libc::pthread_attr_init(&mut attributes);
        if refused == 0 {
            libc::pthread_sigmask(libc::SIG_BLOCK, &others, &mut before);
            loop {
                refused = libc::pthread_attr_setstacksize(&mut attributes, size);
                if refused == 0 {
                    refused = libc::pthread_create(&mut thread, &attributes, begin, start.cast());
                }
                // The program's thread-locals lie on the stack, and take more than there is.
                if refused != libc::EINVAL || size > MOST_STACK_BYTES / 2 {
                    break;
                }
                size *= 2;
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
            libc::pthread_attr_destroy(&mut attributes);
        }
        if refused != 0 {
            drop(Box::from_raw(start));
            return Err(std::io::Error::from_raw_os_error(refused));
        }
        Ok(Thread(thread))
    }
}

/// A thread of the library's own. Dropped, it goes on by itself; forgotten, as in a child process that does not have it, nothing
/// of it is touched.
pub struct Thread(libc::pthread_t);

impl Thread {
    pub fn join(self) {
        let thread = std::mem::ManuallyDrop::new(self);
        // SAFETY: it was neither joined nor detached yet.
        unsafe { libc::pthread_join(thread.0, std::ptr::null_mut()) };
    }

    /// Whether it is the calling thread.
    pub fn is_current(&self) -> bool {
        // SAFETY: as above; asking has no preconditions.
        unsafe { libc::pthread_equal(self.0, libc::pthread_self()) != 0 }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::pthread_detach(self.0) };
    }
}

/// Gives the calling thread, which is ours, ordinary scheduling and the CPUs of the process's first thread without those to
/// avoid: it has inherited what the thread has that started it. What is refused stays as it is.
pub fn become_ordinary(avoid: Option<&CpuSet>) {
    // SAFETY: all-zero is valid for both; each call reads or fills what it is given.
    unsafe {
        let parameter: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &parameter);
        let mut cpus: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(libc::getpid(), size_of::<libc::cpu_set_t>(), &mut cpus) != 0 {
            return;
        }
        for cpu in (0..CPU_SET_WORDS * 64).filter(|cpu| avoid.is_some_and(|set| set[cpu / 64] >> (cpu % 64) & 1 == 1)) {
            libc::CPU_CLR(cpu, &mut cpus);
        }
        // Refused where nothing is left.
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cpus);
    }
}

/// A thread's policy and priority, in the system's numbers; nothing where there is no such thread.
pub fn scheduling_of(thread: i32) -> Option<(i32, i32)> {
    // SAFETY: all-zero is a valid sched_param to be filled in.
    unsafe {
        let mut parameter: libc::sched_param = std::mem::zeroed();
        let policy = libc::sched_getscheduler(thread);
        let known = policy >= 0 && libc::sched_getparam(thread, &mut parameter) == 0;
        known.then_some((policy, parameter.sched_priority))
    }
}

/// The CPU that a thread may run on, where it is one alone.
pub fn only_cpu(thread: i32) -> Option<usize> {
    let set = affinity_of(thread)?;
    // SAFETY: reads bits of a live set.
    let mut cpus = (0..CPU_SET_WORDS * 64).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) });
    cpus.next().filter(|_| cpus.next().is_none())
}

/// Whether a thread may run on a CPU; not where there is no such thread.
pub fn may_run_on(thread: i32, cpu: usize) -> bool {
    // SAFETY: reads a bit of a live set.
    affinity_of(thread).is_some_and(|set| unsafe { libc::CPU_ISSET(cpu, &set) })
}

fn affinity_of(thread: i32) -> Option<libc::cpu_set_t> {
    // SAFETY: all-zero is a valid set to be filled in.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (libc::sched_getaffinity(thread, size_of::<libc::cpu_set_t>(), &mut set) == 0).then_some(set)
    }
}

/// Has the system end the calling thread's sleeps when they are over. Otherwise a thread without real-time scheduling may sleep
/// 50 us longer, so that wake-ups can be made together.
pub fn sleep_exactly() {
    // SAFETY: changes a number of the thread's.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(scheduling: Option<(Policy, i32)>) -> Attach {
        Attach {
            scheduling,
            cpus: None,
            guest_stack_bytes: 16 << 10,
            lock: Lock::Off,
            denormals: Denormals::Keep,
            arena_bytes: 1024,
            signals: false,
            stacks: Vec::new(),
            late: false,
            defer_cancellation: true,
        }
    }

    /// The policy inside, and whether it was put back.
    fn policy_ahead() -> (libc::c_int, bool) {
        let before = scheduling().unwrap().0;
        let inside = ahead_of_ordinary(|| scheduling().unwrap().0);
        (inside, scheduling().unwrap().0 == before)
    }

    #[test]
    fn ordinary_threads_go_ahead_only_where_a_real_time_thread_could_wait() {
        std::thread::spawn(|| {
            let count = Arc::default();
            attach(1, &count, &wanted(None), || {}).unwrap();
            assert_eq!(policy_ahead(), (libc::SCHED_OTHER, true), "nobody would wait");
            detach(1).unwrap();
            match attach(1, &count, &wanted(Some((Policy::Fifo, 2))), || {}) {
                Ok(()) => {
                    let (inside, restored) = std::thread::spawn(|| {
                        become_ordinary(None);
                        policy_ahead()
                    })
                    .join()
                    .unwrap();
                    assert_eq!((inside, restored), (libc::SCHED_FIFO, true));
                    assert_eq!(policy_ahead(), (libc::SCHED_FIFO, true), "a real-time thread stays what it is");
                    detach(1).unwrap();
                }
                // Where real-time scheduling is not permitted there is nothing to go ahead of.
                Err(error) => assert_eq!(error.status, RTW_ERR_PERMISSION),
            }
            // Gone without detaching: its count goes with it.
            std::thread::spawn(|| drop(attach(2, &Arc::default(), &wanted(Some((Policy::Fifo, 2))), || {}))).join().unwrap();
            assert_eq!(policy_ahead(), (libc::SCHED_OTHER, true));
        })
        .join()
        .unwrap();
    }
}
