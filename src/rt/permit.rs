//! Permits: they record which thread may run which owner's guests on which stack.
//!
//! The engine knows no stack's end: a guest may use the configured number of bytes below the stack pointer at its entry,
//! whatever lies there. So a call needs a permit: a record of a thread, an owner, and a stack of that thread's with room for
//! the owner's guests. Attach issues one for the thread's own stack and one for each declared stack; a [setup] function that
//! runs guests on a thread that is not attached issues a temporary one.
//!
//! A called object remembers the last permit that let a caller in (`Pass`), so that the next call compares four words and looks
//! nothing up. Permits are never unmapped: a pass that remembers a permit that was withdrawn, or issued again elsewhere, finds
//! another thread or owner in it.
//!
//! Memory orderings: a permit counts only if it holds the reading thread's own token, which no other thread ever writes, and a thread
//! sees its own writes in order. So relaxed loads suffice, of the other words as well. A thread that reuses an ended thread's token
//! sees that its permits were withdrawn: the system frees the token's memory when that thread has ended. What remains is the order in
//! which a signal handler on the same thread sees the words; it is the reason for release and acquire where no other thread reads.
//!
//! Permits of a thread that may be cancelled at any instruction are sealed: no pass lets their thread in directly, so that the
//! check for cancellation costs other threads nothing. A caller that looks such a permit up holds cancellation off, and opens
//! the permit meanwhile.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::*, compiler_fence};

use super::cancel;
use super::free_list::{FreeList, Linked};
use crate::status::*;
use crate::sys::memory::{self, Lock};
use crate::sys::thread;

/// Stack that must remain beside the guest's own when a call begins: for the library's and the engine's frames, for signal
/// handlers, and for host functions that are called when the guest has used up its own.
pub const MARGIN_BYTES: usize = 32 << 10;

/// The most stacks that one attachment may have: the thread's own, and the declared ones.
pub const STACKS: usize = 1025;

/// Permits one thread to run one owner's guests on one stack.
#[repr(C, align(64))]
pub struct Permit {
    /// The permitted thread, with a bit if sealed; 0: none. Written last when it is issued, first when it is withdrawn.
    thread: AtomicUsize,
    /// The owner of the permitted guests.
    owner: AtomicU64,
    /// The lowest stack pointer that leaves room for a guest.
    lowest: AtomicUsize,
    /// The distance from there to the stack's end.
    span: AtomicUsize,
    /// In the first of the permits that were issued together: the first of the next such group, of the thread or of the unused
    /// ones.
    next: AtomicPtr<Permit>,
    /// In the first: the size of the group. The thread's own stack is first, the others follow by address.
    count: AtomicUsize,
    /// In the first: the power of two that the group has room for.
    class: AtomicUsize,
    /// In the first: 1 if the group is for one [setup] function only.
    is_visit: AtomicUsize,
}

/// The permit of a pass that has let nobody in yet.
static NOBODYS: Permit = Permit::unused();

/// Unused permits, by the power of two of the group's size.
static UNUSED: [FreeList<Permit>; CLASSES] = [const { FreeList::new() }; CLASSES];
const CLASSES: usize = STACKS.next_power_of_two().trailing_zeros() as usize + 1;

/// Turns a thread's token into another one that no thread has: tokens are aligned addresses.
const SEALED: usize = 1;

/// A permit that is sealed again temporarily.
#[must_use]
pub struct LetIn(Opened);

impl LetIn {
    pub fn hold_again(self) {
        cancel::hold_again();
        let permit = self.0.0;
        // A withdrawn permit stays withdrawn.
        if permit.thread.load(Relaxed) == thread::token() | SEALED {
            let _ = Opened::open(permit);
        }
    }
}

thread_local! {
    /// The calling thread's permits. A signal handler may read them at any moment.
    static FIRST: AtomicPtr<Permit> = const { AtomicPtr::new(null_mut()) };
}

impl Linked for Permit {
    fn next(&self) -> &AtomicPtr<Permit> {
        &self.next
    }
}

impl Permit {
    const fn unused() -> Permit {
        Permit {
            thread: AtomicUsize::new(0),
            owner: AtomicU64::new(0),
            lowest: AtomicUsize::new(0),
            span: AtomicUsize::new(0),
            next: AtomicPtr::new(null_mut()),
            count: AtomicUsize::new(0),
            class: AtomicUsize::new(0),
            is_visit: AtomicUsize::new(0),
        }
    }

    /// True if the calling thread may enter guests of `owner` with this stack pointer. `token` is the thread's.
    #[inline(always)]
    fn admits(&self, owner: u64, here: usize, token: usize) -> bool {
        self.thread.load(Relaxed) == token && self.is_for(owner, here)
    }

    /// True if the calling thread may enter guests of `owner` with this stack pointer once the permit is opened.
    fn admits_sealed(&self, owner: u64, here: usize) -> bool {
        self.thread.load(Relaxed) == thread::token() | SEALED && self.is_for(owner, here)
    }

    #[inline(always)]
    fn is_for(&self, owner: u64, here: usize) -> bool {
        self.owner.load(Relaxed) == owner && here.wrapping_sub(self.lowest.load(Relaxed)) <= self.span.load(Relaxed)
    }

    /// All permits that were issued together with this one, which is their first.
    fn together(&self) -> &[Permit] {
        // SAFETY: `count` permits lie side by side, and none is ever unmapped.
        unsafe { std::slice::from_raw_parts(self, self.count.load(Relaxed)) }
    }
}

/// The reason why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The thread has no permit of the owner's.
    Unknown,
    /// The thread has permits of the owner's, but none for its current stack and depth.
    NoRoom,
}

impl Refused {
    pub fn status(self) -> rtw_status_t {
        match self {
            Refused::Unknown => RTW_ERR_NOT_ATTACHED,
            Refused::NoRoom => RTW_ERR_STACK_SIZE,
        }
    }
}

/// Leads from a called object to the permit that lets its callers in.
pub struct Pass {
    last: AtomicPtr<Permit>,
    owner: u64,
}

/// The permit that a pass remembered.
#[derive(Clone, Copy)]
pub struct Taken(*mut Permit);

impl Pass {
    pub fn new(owner: u64) -> Pass {
        Pass { last: AtomicPtr::new((&raw const NOBODYS).cast_mut()), owner }
    }

    /// True if the permit that let the last caller in also lets in this one, whose stack pointer is `here`. A few loads; if
    /// not, use [`Pass::look_up`].
    #[inline(always)]
    pub fn admits(&self, here: usize) -> bool {
        // SAFETY: a permit, and none is ever unmapped.
        unsafe { &*self.last.load(Relaxed) }.admits(self.owner, here, thread::token())
    }

    /// The permit that let the last caller in, if it also lets in this one. `token` is the calling thread's.
    #[inline(always)]
    pub fn admitting(&self, here: usize, token: usize) -> Option<&'static Permit> {
        // SAFETY: a permit, and none is ever unmapped.
        let last: &'static Permit = unsafe { &*self.last.load(Relaxed) };
        last.admits(self.owner, here, token).then_some(last)
    }

    /// True if the pass still remembers this permit.
    #[inline(always)]
    pub fn still_leads_to(&self, permit: &'static Permit) -> bool {
        std::ptr::eq(self.last.load(Relaxed), permit)
    }

    /// Forgets the permit that let the last caller in: the next caller looks its own up. Sequentially consistent, since a reset then
    /// looks at the gate to see whether a call has come in before (`Core::close`).
    pub fn take(&self) -> Taken {
        Taken(self.last.swap((&raw const NOBODYS).cast_mut(), SeqCst))
    }

    /// Remembers the permit again.
    pub fn put_back(&self, taken: Taken) {
        self.last.store(taken.0, Relaxed);
    }

    /// Looks up a permit of the calling thread's, and remembers it. Opens a sealed one, which the caller seals again; the
    /// caller holds cancellation off. Neither allocates nor waits; attach has prefaulted, and locked as configured, what it
    /// reads.
    #[cold]
    #[inline(never)]
    pub fn look_up(&self, here: usize) -> std::result::Result<Option<Opened>, Refused> {
        // SAFETY: a permit, and none is ever unmapped.
        let last: &'static Permit = unsafe { &*self.last.load(Relaxed) };
        let found = if last.admits_sealed(self.owner, here) { last } else { self.find(here)? };
        let is_sealed = found.thread.load(Relaxed) != thread::token();
        Ok(is_sealed.then(|| Opened::open(found)))
    }

    /// True if `here` is further up the same stack than `inside`, a place in the call that the pass has let in last.
    pub fn is_behind(&self, inside: usize, here: usize) -> bool {
        // SAFETY: a permit, and none is ever unmapped.
        let last = unsafe { &*self.last.load(Relaxed) };
        let end = last.lowest.load(Relaxed).wrapping_add(last.span.load(Relaxed));
        inside < here && here <= end
    }

    /// Looks up a permit, and only remembers it.
    pub fn warm(&self, here: usize) {
        let _ = self.find(here);
    }

    fn find(&self, here: usize) -> std::result::Result<&'static Permit, Refused> {
        let found = find(self.owner, here)?;
        self.last.store(std::ptr::from_ref(found).cast_mut(), Relaxed);
        Ok(found)
    }
}

/// A sealed permit that is temporarily open.
#[derive(Clone, Copy)]
#[must_use]
pub struct Opened(&'static Permit);

thread_local! {
    /// The permit that this thread has opened last.
    static OPENED: Cell<Option<Opened>> = const { Cell::new(None) };
}

impl Opened {
    fn open(permit: &'static Permit) -> Opened {
        permit.thread.store(thread::token(), Relaxed);
        OPENED.set(Some(Opened(permit)));
        Opened(permit)
    }

    /// Seals the permit while a host function may block, and lets cancellation in at its cancellation points. None if this
    /// thread has no open permit, or could not be cancelled.
    pub fn let_in() -> Option<LetIn> {
        let opened = OPENED.get()?;
        cancel::let_in_at_points().then(|| {
            opened.seal();
            LetIn(opened)
        })
    }

    pub fn seal(self) {
        OPENED.set(None);
        let token = thread::token();
        // Unless the permit was withdrawn in the meantime, and perhaps issued to another thread; only this thread issues to
        // itself.
        if self.0.thread.load(Relaxed) == token {
            self.0.thread.store(token | SEALED, Relaxed);
        }
    }
}

/// Finds the calling thread's permit for this owner and stack pointer.
fn find(owner: u64, here: usize) -> std::result::Result<&'static Permit, Refused> {
    let mut refused = Refused::Unknown;
    for first in of_this_thread().filter(|first| first.owner.load(Relaxed) == owner) {
        refused = Refused::NoRoom;
        let admits = |permit: &Permit| permit.admits(owner, here, thread::token()) || permit.admits_sealed(owner, here);
        if admits(first) {
            return Ok(first);
        }
        let declared = &first.together()[1..];
        let above = declared.partition_point(|permit| permit.lowest.load(Relaxed) <= here);
        if let Some(found) = declared[..above].last().filter(|permit| admits(permit)) {
            return Ok(found);
        }
    }
    Err(refused)
}

fn of_this_thread() -> impl Iterator<Item = &'static Permit> {
    // SAFETY: null, or a permit.
    let at = |pointer: *mut Permit| unsafe { pointer.as_ref() };
    let first = FIRST.try_with(|first| first.load(Acquire)).unwrap_or(null_mut());
    std::iter::successors(at(first), move |permit| at(permit.next.load(Acquire)))
}

/// Returns an error with the reason if the calling thread may not enter guests of `owner` with this stack pointer.
pub fn check(owner: u64, here: usize) -> std::result::Result<(), Refused> {
    find(owner, here).map(|_| ())
}

/// True if the calling thread is attached for `owner`. Neither allocates nor waits.
pub fn is_attached(owner: u64) -> bool {
    of_this_thread().any(|first| first.owner.load(Relaxed) == owner && first.is_visit.load(Relaxed) == 0)
}

/// True if both places are on the same one of the stacks that the calling thread has permits for, above the room of a guest.
pub fn are_on_one_stack(one: usize, other: usize) -> bool {
    let has = |permit: &Permit, at: usize| at.wrapping_sub(permit.lowest.load(Relaxed)) <= permit.span.load(Relaxed);
    of_this_thread().any(|first| first.together().iter().any(|permit| has(permit, one) && has(permit, other)))
}

/// The calling thread's permits of one owner. Dropping it, on the same thread, withdraws them.
pub struct Issued(&'static Permit, PhantomData<*mut ()>);

/// The use of permits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Attachment,
    /// An attachment of a thread that may be cancelled at any instruction, whose calls hold that off.
    SealedAttachment,
    /// One [setup] function.
    Visit,
}

/// Issues permits to the calling thread: guests of `owner` may use `guest_bytes` of each stack. The first stack is the thread's
/// own.
pub fn issue(owner: u64, stacks: &[Range<usize>], guest_bytes: usize, whom: For, lock: Lock) -> Result<Issued> {
    let class = stacks.len().next_power_of_two().trailing_zeros() as usize;
    let first = take(class)?;
    let issued = Issued(first, PhantomData);
    first.count.store(stacks.len(), Relaxed);
    first.is_visit.store(usize::from(whom == For::Visit), Relaxed);
    let permits = first.together();
    memory::lock_as(lock, permits.as_ptr_range().start as usize..permits.as_ptr_range().end as usize)?;
    for (permit, stack) in permits.iter().zip(stacks) {
        let need = guest_bytes + MARGIN_BYTES;
        permit.owner.store(owner, Relaxed);
        permit.lowest.store(stack.start + need, Relaxed);
        permit.span.store(stack.len().saturating_sub(need), Relaxed);
        // A signal handler on this thread that finds its token also finds the words above.
        permit.thread.store(thread::token() | if whom == For::SealedAttachment { SEALED } else { 0 }, Release);
    }
    FIRST.with(|head| {
        first.next.store(head.load(Relaxed), Relaxed);
        head.store(std::ptr::from_ref(first).cast_mut(), Release);
    });
    Ok(issued)
}

impl Drop for Issued {
    fn drop(&mut self) {
        let first = self.0;
        let this = std::ptr::from_ref(first).cast_mut();
        let _ = FIRST.try_with(|head| {
            if head.load(Relaxed) == this {
                head.store(first.next.load(Relaxed), Release);
            } else if let Some(before) = of_this_thread().find(|permit| permit.next.load(Relaxed) == this) {
                before.next.store(first.next.load(Relaxed), Release);
            }
        });
        for permit in first.together() {
            permit.thread.store(0, Relaxed);
        }
        // A signal handler on this thread finds the group unlinked before `next` leads to the unused ones.
        compiler_fence(SeqCst);
        UNUSED[first.class.load(Relaxed)].give_back(first);
    }
}

/// Takes a group of unused permits, which lie side by side.
fn take(class: usize) -> Result<&'static Permit> {
    if let Some(taken) = UNUSED[class].take() {
        return Ok(taken);
    }
    let bytes = (size_of::<Permit>() << class).next_multiple_of(memory::page_size());
    let start = memory::map(bytes).map_err(|e| Error::os(RTW_ERR_NO_MEMORY, "cannot map a thread's permits", &e))?;
    // SAFETY: just mapped, and not in use elsewhere.
    unsafe { memory::touch_for_writing(start..start + bytes) };
    for at in (start..start + bytes).step_by(size_of::<Permit>() << class) {
        // SAFETY: zeros are unused permits, and none is ever unmapped.
        let made: &'static Permit = unsafe { &*(at as *const Permit) };
        made.class.store(class, Relaxed);
        if at != start {
            UNUSED[class].give_back(made);
        }
    }
    // SAFETY: as above.
    Ok(unsafe { &*(start as *const Permit) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: usize = 64 << 10;
    const NEED: usize = GUEST + MARGIN_BYTES;

    fn at(stack: &Range<usize>, above: usize) -> usize {
        stack.start + above
    }

    #[test]
    fn a_permit_is_for_one_owner_and_for_stacks_with_room() {
        std::thread::spawn(|| {
            let stacks = [1 << 40..(1 << 40) + (1 << 20), 1 << 20..2 << 20, 5 << 20..6 << 20];
            let pass = Pass::new(7);
            let look_up = |here| pass.look_up(here).map(|opened| assert!(opened.is_none()));
            assert_eq!(look_up(at(&stacks[0], NEED)), Err(Refused::Unknown));
            let issued = issue(7, &stacks, GUEST, For::Attachment, Lock::Off).unwrap();
            for stack in &stacks {
                assert_eq!(look_up(at(stack, NEED)), Ok(()));
                assert!(pass.admits(at(stack, NEED)) && pass.admits(stack.end));
                assert!(!pass.admits(at(stack, NEED - 1)) && !pass.admits(stack.end + 1));
                assert_eq!(look_up(at(stack, NEED - 1)), Err(Refused::NoRoom));
            }
            assert_eq!(check(8, at(&stacks[0], NEED)), Err(Refused::Unknown));
            assert!(is_attached(7) && !is_attached(8));
            let elsewhere = at(&stacks[2], NEED);
            assert_eq!(std::thread::spawn(move || check(7, elsewhere)).join().unwrap(), Err(Refused::Unknown));
            drop(issued);
            assert!(!pass.admits(at(&stacks[2], NEED)) && !is_attached(7));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_was_withdrawn_is_used_again_and_lets_nobody_in() {
        std::thread::spawn(|| {
            let stack = 1 << 20..2 << 20;
            let here = at(&stack, NEED);
            let pass = Pass::new(1);
            let first = issue(1, std::slice::from_ref(&stack), GUEST, For::Attachment, Lock::Off).unwrap();
            assert!(pass.look_up(here).unwrap().is_none());
            let record = std::ptr::from_ref(first.0) as usize;
            drop(first);
            // Other threads that are attached at the same time take some of the unused permits as well.
            let others: Vec<Issued> = (0..1000)
                .map(|_| issue(2, std::slice::from_ref(&stack), GUEST, For::Visit, Lock::Off).unwrap())
                .take_while(|issued| std::ptr::from_ref(issued.0) as usize != record)
                .collect();
            assert!(!pass.admits(here));
            assert!(matches!(pass.look_up(here), Err(Refused::Unknown)));
            assert!(!is_attached(2), "a visit is no attachment");
            let again = issue(1, std::slice::from_ref(&stack), GUEST, For::Attachment, Lock::Off).unwrap();
            // In any order.
            drop(others);
            assert!(matches!(pass.look_up(here), Ok(None)));
            drop(again);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_sealed_permit_lets_in_while_it_is_open() {
        std::thread::spawn(|| {
            let stack = 1 << 20..2 << 20;
            let here = at(&stack, NEED);
            let pass = Pass::new(1);
            let issued = issue(1, std::slice::from_ref(&stack), GUEST, For::SealedAttachment, Lock::Off).unwrap();
            assert!(is_attached(1) && check(1, here).is_ok());
            pass.warm(here);
            for _ in 0..2 {
                assert!(!pass.admits(here), "it is looked up every time");
                let opened = pass.look_up(here).unwrap().unwrap();
                assert!(pass.admits(here), "a call inside is let in at once");
                assert!(pass.look_up(here).unwrap().is_none(), "and has nothing to seal");
                opened.seal();
            }
            // Detached in the middle of a call: the next thread that has the permit is not affected.
            let Opened(permit) = pass.look_up(here).unwrap().unwrap();
            drop(issued);
            let again = std::thread::spawn(move || {
                let stack = 1 << 20..2 << 20;
                let others = (0..1000).map(|_| issue(2, std::slice::from_ref(&stack), GUEST, For::Attachment, Lock::Off));
                // The permits stay issued.
                std::mem::forget(others.collect::<Vec<_>>());
                permit.thread.load(Relaxed)
            });
            let before = again.join().unwrap();
            Opened(permit).seal();
            assert_eq!(permit.thread.load(Relaxed), before);
        })
        .join()
        .unwrap();
    }
}
