//! Prepares the calling thread for real-time calls, and restores its earlier state.
//!
//! It changes scheduling, affinity, signal mask and alternate signal stack (standalone only, see `traps`) and the treatment of
//! denormals. It prefaults the stack down to where guests may use it, the library's thread-locals and the engine's, and an
//! arena for calls that fail. A thread may be attached for several owners at once, such as a host's audio thread that runs
//! several plug-ins; each attachment remembers what it found, and they may end in any order. Locked memory stays locked until
//! the thread ends: the host may have locked it as well, and the system does not count.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use super::permit::{self, Refused};
use super::{arena, cancel, fork, reserve, thread, traps};
use crate::status::*;
use crate::sys::affinity::{self, CpuSet};
use crate::sys::fpu::{self, Denormals};
use crate::sys::memory::{self, Lock};
use crate::sys::sched::{self, Policy};
use crate::sys::{clock, stack};

#[derive(Clone, Debug)]
pub struct Attach {
    /// `None`: scheduling stays as it is.
    pub scheduling: Option<(Policy, i32)>,
    /// `None`: affinity stays as it is.
    pub cpus: Option<CpuSet>,
    /// Stack that guests may use, in bytes, below the frame that calls them.
    pub guest_stack_bytes: usize,
    pub lock: Lock,
    /// The treatment of denormals while the thread is attached.
    pub denormals: Denormals,
    /// The memory that a failing call may use.
    pub arena_bytes: usize,
    /// True if faults arrive as signals, so that the engine's alternate stack must stay in place.
    pub signals: bool,
    /// Other stacks that guests may be called on: mapped, writable, disjoint from each other and from the thread's own.
    pub stacks: Vec<Range<usize>>,
    /// True if a call attaches the thread because the host has not: this attachment ends with its owner.
    pub late: bool,
    /// True if calls hold cancellation off, in case the thread can be cancelled at any instruction.
    pub defer_cancellation: bool,
}

/// Stack beside the guest's, for the library's own frames, the engine's and a signal frame.
pub const HOST_STACK_BYTES: usize = 64 << 10;

struct Attachment {
    owner: u64,
    before: Changed,
    /// Lets the owner's calls in.
    _permits: permit::Issued,
    count: Counted,
    late: bool,
    _real_time: Option<thread::RealTime>,
}

/// Counts one of an owner's attachments while it exists.
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

/// The earlier state of what an attachment has changed; None for what it has not changed.
#[derive(Default)]
struct Changed {
    scheduling: Option<sched::Found>,
    affinity: Option<CpuSet>,
    /// True if this attachment needs guests' faults to arrive.
    signals: bool,
    float: Option<fpu::Mode>,
}

/// A thread's state from its first attachment to the end of its last.
struct Attached {
    list: Vec<Attachment>,
    arena: Option<arena::Attached>,
}

thread_local! {
    static ATTACHED: RefCell<Attached> = const { RefCell::new(Attached { list: Vec::new(), arena: None }) };
}

/// Attaches the calling thread. `count` is the owner's number of attachments; `engine_init` sets up the engine's per-thread
/// state. On failure nothing changes.
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
            let attachment =
                Attachment { owner, before, _permits: permits, count, late, _real_time: thread::RealTime::count() };
            ATTACHED.with_borrow_mut(|attached| attached.list.push(attachment));
            Ok(())
        }
        Err(error) => {
            before.restore();
            // Created for this attachment, if it was the first.
            ATTACHED.with_borrow_mut(|attached| {
                if attached.list.is_empty() {
                    attached.arena = None;
                }
            });
            Err(error)
        }
    }
}

/// Prefaults the declared stacks and adds them to the thread's own, in their order.
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

/// Ends the attachments that calls made for owners that no longer exist: no other code would end them.
fn detach_from_the_gone() {
    while let Some(owner) =
        ATTACHED.with_borrow(|attached| attached.list.iter().find(|a| a.late && a.count.owner_is_gone()).map(|a| a.owner))
    {
        let _ = detach(owner);
    }
}

/// Lets a [setup] function call guests of `owner` on any thread. If the thread is not attached, its own stack has to have room
/// for them.
pub fn visit(owner: u64, guest_stack_bytes: usize) -> Result<Option<permit::Issued>> {
    match permit::check(owner, stack::pointer()) {
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

/// The calling thread's own stack. Returns an error if the thread is on another stack, or there is no room for a guest and the
/// frames around it.
fn room_for(guest_stack_bytes: usize, around_bytes: usize) -> Result<Range<usize>> {
    let stack = stack::own()?;
    let here = stack::pointer();
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

/// Makes the wanted changes, and notes in `before` what they changed.
fn change(wanted: &Attach, stack_bytes: usize, engine_init: impl FnOnce(), before: &mut Changed) -> Result<()> {
    if let Some(cpus) = &wanted.cpus {
        before.affinity = Some(affinity::current()?);
        affinity::set(cpus)?;
    }
    if let Some((policy, priority)) = wanted.scheduling {
        before.scheduling = Some(sched::found()?);
        sched::set(policy, priority)?;
    }
    let mut present = vec![stack::touch(stack_bytes)?];
    if wanted.signals {
        present.push(traps::attach()?);
        before.signals = true;
    }
    traps::keeping_stack(engine_init)?;
    // The first reading of a clock maps and touches pages that later readings need.
    clock::ticks();
    clock::monotonic_ns();
    present.push(fork::reading_objects(memory::own_thread_locals));
    for range in present {
        memory::lock_as(wanted.lock, range)?;
    }
    ATTACHED.with_borrow_mut(|attached| {
        if attached.arena.is_none() {
            let arena = arena::Attached::new(wanted.arena_bytes, wanted.lock)?;
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
        // A later attachment's changes stay: the state that this one found is now what the later one has to restore.
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
    /// Passes the state before this attachment on to `later`, for all that `later` has changed as well.
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

    /// Restores the state before. Ignores errors: going back is permitted, unless other code has changed the thread since.
    fn restore(&self) {
        if let Some(scheduling) = &self.scheduling {
            scheduling.restore();
        }
        if let Some(cpus) = &self.affinity {
            affinity::restore(cpus);
        }
        if self.signals {
            traps::detach();
        }
        if let Some(mode) = self.float {
            fpu::restore(mode);
        }
    }
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

    /// The policy inside, and true if it was restored.
    fn policy_ahead() -> (i32, bool) {
        let policy = || sched::of(0).unwrap().0;
        let before = policy();
        let inside = thread::ahead_of_ordinary(policy);
        (inside, policy() == before)
    }

    #[test]
    fn ordinary_threads_go_ahead_only_where_a_real_time_thread_could_wait() {
        std::thread::spawn(|| {
            let count = Arc::default();
            attach(1, &count, &wanted(None), || {}).unwrap();
            assert_eq!(policy_ahead(), (Policy::Other.number(), true), "nobody would wait");
            detach(1).unwrap();
            match attach(1, &count, &wanted(Some((Policy::Fifo, 2))), || {}) {
                Ok(()) => {
                    let (inside, restored) = std::thread::spawn(|| {
                        thread::become_ordinary(None);
                        policy_ahead()
                    })
                    .join()
                    .unwrap();
                    assert_eq!((inside, restored), (Policy::Fifo.number(), true));
                    assert_eq!(policy_ahead(), (Policy::Fifo.number(), true), "a real-time thread stays what it is");
                    detach(1).unwrap();
                }
                // Without the right to real-time scheduling there is nothing to run ahead of.
                Err(error) => assert_eq!(error.status, RTW_ERR_PERMISSION),
            }
            // The thread ends without detach, and its count ends with it.
            std::thread::spawn(|| drop(attach(2, &Arc::default(), &wanted(Some((Policy::Fifo, 2))), || {}))).join().unwrap();
            assert_eq!(policy_ahead(), (Policy::Other.number(), true));
        })
        .join()
        .unwrap();
    }
}
