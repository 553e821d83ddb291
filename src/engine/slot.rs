//! The slot: the stable place that a real-time thread calls through, while the instances behind it are exchanged.
//!
//! Three parties. *Publishers*, on [setup] threads, put a prepared instance in. *The real-time thread* takes it at the
//! beginning of its next block, by exchanging a pointer; when the instance in use has faulted, it takes a spare from a ring
//! instead. What it has no more use for goes into another ring. *The housekeeper* takes that away, makes spares anew, and tells
//! the host what happened. The real-time thread neither waits, nor allocates, nor frees, nor wakes anybody: the housekeeper
//! looks by itself.
//!
//! Generations are kept alive by a list that publishers and the housekeeper share; the pointers that go round are borrowed from
//! it, and a generation leaves the list only when the real-time thread has given its pointer back.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::*, compiler_fence, fence};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use wasmtime::ValRaw;

use super::held::Pool;
use super::housekeeper::Tend;
use super::instance::{FUNC_BYTES, Func, Instance};
use super::prepare::{DryCall, Entry};
use super::runtime::Runtime;
use super::signature::Signature;
use super::state;
use crate::record::histogram::{Began, Snapshot};
use crate::rt::permit::{self, Opened, Pass};
use crate::rt::reserve;
use crate::rt::spsc::{Consumer, Producer, ring};
use crate::status::*;
use crate::sys::{membarrier, sleeper};

/// What an exchange leaves of the state of the instance that goes.
pub enum StateTransfer {
    None,
    /// The guests' own exports save and load it.
    Guest,
    /// The host does it: given both instances' handles.
    Host(Box<StateFunc>),
}

pub type StateFunc = dyn Fn(*mut c_void, *mut c_void) -> rtw_status_t + Send + Sync;

/// A dry call of every instance that comes into the slot.
pub struct SlotDryCall {
    pub func: usize,
    pub values: Vec<ValRaw>,
    pub repeats: u32,
}

pub struct Config {
    /// The functions that calls may name by their place here.
    pub interface: Vec<(String, Option<Signature>)>,
    pub standby: usize,
    /// For how many blocks the instance that was exchanged stays at hand.
    pub hold_blocks: u32,
    pub dry_calls: Vec<SlotDryCall>,
    pub state: StateTransfer,
    /// What the instances behind the slot may hold together; 0: no limit.
    pub memory_limit_bytes: u64,
    /// Told on the housekeeper's thread, or on the publisher's.
    pub on_event: Option<Box<dyn Fn(Event) + Send + Sync>>,
}

/// What the host is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The real-time thread runs what was published.
    Taken,
    /// It runs a spare.
    SpareTaken,
    /// An instance faulted; it is as the fault left it.
    Faulted,
    /// A spare is ready.
    SpareReady,
    /// A spare could not be made; no more is tried until the next publication.
    SpareFailed,
}

#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub kind: EventKind,
    pub publication: u64,
    /// The instance's handle, valid during the callback.
    pub instance: *mut c_void,
    /// Why, for what failed.
    pub status: rtw_status_t,
}

/// The handles that C knows a generation by.
pub trait Handles: Sized + Send + Sync + 'static {
    /// The entry that real calls take.
    const ENTRY: Entry;
    /// Another instance like this one.
    fn another(like: &Instance) -> Result<Arc<Instance>>;
    fn new(instance: &Arc<Instance>, funcs: Vec<Func>) -> Result<Self>;
    fn instance(&self) -> *mut c_void;
    /// In the order of the interface.
    fn func(&self, at: usize) -> *mut c_void;
}

/// What was published at one time, and its spares.
struct Publication {
    number: u64,
    /// Towards the real-time thread.
    spares: Mutex<Producer<usize>>,
    spares_end: UnsafeCell<Consumer<usize>>,
    /// Made and not yet taken.
    ready: AtomicU32,
    /// Making one has failed.
    failed: AtomicBool,
    /// It is only that somebody replaced the signal handlers, which has been told: it is tried again.
    told_signals: AtomicBool,
}

impl Publication {
    /// A spare could not be made. Whether that is to be told.
    fn fails(&self, status: rtw_status_t) -> bool {
        if status == RTW_ERR_SIGNALS {
            return !self.told_signals.swap(true, Relaxed);
        }
        self.failed.store(true, Relaxed);
        true
    }
}

// SAFETY: the consuming end is the real-time thread's, then, when it has given the publication up, the housekeeper's.
unsafe impl Send for Publication {}
// SAFETY: as for Send.
unsafe impl Sync for Publication {}

/// One instance that is, was or may come into use.
pub struct Generation<H> {
    publication: Arc<Publication>,
    pub instance: Arc<Instance>,
    pub funcs: Vec<Func>,
    pub handles: H,
    /// Made by the housekeeper, or made new by it.
    is_spare: AtomicBool,
    /// Set by the real-time thread when it takes it.
    taken: AtomicBool,
    /// What the host has been told of.
    told_taken: AtomicBool,
    told_fault: AtomicBool,
    _place: Place,
}

/// An instance is in one slot at most, and there once.
struct Place(Arc<Instance>);

impl Place {
    /// The slot counts from now on what the instance holds.
    fn take(instance: &Arc<Instance>, held: &Arc<Pool>) -> Result<Place> {
        if instance.in_slot.swap(true, AcqRel) {
            return Err(Error::new(RTW_ERR_ARGUMENT, "the instance is in a slot already"));
        }
        let place = Place(instance.clone());
        instance.core.held.join(held).map_err(|full| full.error(&instance.need(), 0))?;
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.core.held.leave();
        self.0.in_slot.store(false, Release);
    }
}

/// The real-time thread's part.
struct Front<H> {
    active: Cell<*const Generation<H>>,
    held: Cell<*const Generation<H>>,
    held_left: Cell<u32>,
    retired: Producer<usize>,
}

pub struct Slot<H: Handles> {
    pub runtime: Arc<Runtime>,
    /// What its instances hold.
    held: Arc<Pool>,
    config: Config,
    /// Lets the real-time thread in.
    pass: Pass,
    /// That the slot was made in: a forked child has the object only.
    process: u32,
    /// What the real-time thread is to take next.
    incoming: AtomicPtr<Generation<H>>,
    front: UnsafeCell<Front<H>>,
    /// Number of the publication that the real-time thread uses; it is through with those before.
    in_use: AtomicU64,
    /// Whether the real-time thread is in a block; one of the `BLOCK_` constants.
    in_block: AtomicU32,
    /// Whether somebody else has the instance in use, to save its state.
    claimed: AtomicBool,
    /// Whether the system cannot order the two words above from the other side.
    must_fence: bool,
    /// One publisher at a time: what comes later is numbered later and taken later.
    publishing: Mutex<()>,
    /// Held while the housekeeper looks after the slot; whether it is to do so no more.
    closed: Mutex<bool>,
    back: Mutex<Back<H>>,
    counters: Counters,
    began: Began,
}

// SAFETY: the front is used by the one thread that begins and ends blocks, and by a claimant while that thread is kept out.
unsafe impl<H: Handles> Send for Slot<H> {}
// SAFETY: as for Send.
unsafe impl<H: Handles> Sync for Slot<H> {}

/// What publishers and the housekeeper share.
struct Back<H> {
    living: Vec<Arc<Generation<H>>>,
    retired: Consumer<usize>,
    current: Option<Arc<Publication>>,
    publications: u64,
    /// That the real-time thread will take no spare of any more.
    given_up: Vec<Arc<Publication>>,
    /// What the funcs of generations recorded that are no more.
    past: Vec<Snapshot>,
}

#[derive(Default)]
struct Counters {
    blocks: AtomicU64,
    taken: AtomicU64,
    faults: AtomicU64,
    spares_used: AtomicU64,
    /// Blocks without an instance to run on.
    unserved: AtomicU64,
    /// Blocks that met a claim.
    busy: AtomicU64,
    refused: AtomicU64,
}

/// A copy of the counters, and how things stand.
#[derive(Debug, Default, Clone, Copy)]
pub struct Report {
    pub blocks: u64,
    pub publications: u64,
    pub taken: u64,
    pub faults: u64,
    pub spares_used: u64,
    pub unserved: u64,
    pub busy: u64,
    pub refused: u64,
    pub spares_ready: u64,
    /// Instances that exist behind the slot.
    pub living: u64,
    /// What they hold.
    pub held_bytes: u64,
}

/// A block that has begun.
pub struct Block<'a, H> {
    pub active: &'a Generation<H>,
    pub held: Option<&'a Generation<H>>,
    /// It is the first with what was published.
    pub is_new: bool,
    /// The instance came in because another one faulted, and this is its first block.
    pub is_first_of_spare: bool,
}

const RETIRED_CAPACITY: usize = 64;

const BLOCK_NONE: u32 = 0;
const BLOCK_OPEN: u32 = 1;
/// Of a thread on which the block's end has to hold cancellation off as well.
const BLOCK_DEFERRED: u32 = 2;

impl<H: Handles> Slot<H> {
    pub fn new(runtime: &Arc<Runtime>, config: Config) -> Result<Arc<Slot<H>>> {
        let room = config.interface.len() * FUNC_BYTES;
        reserve::with_room(room, || Slot::with_config(runtime, config))
    }

    fn with_config(runtime: &Arc<Runtime>, config: Config) -> Result<Arc<Slot<H>>> {
        let (retired, retired_end) = ring(RETIRED_CAPACITY);
        let must_fence = !matches!(config.state, StateTransfer::None) && !membarrier::register();
        let past = config.interface.iter().map(|_| Snapshot::empty()).collect();
        let slot = Arc::new(Slot {
            runtime: runtime.clone(),
            held: Pool::new("slot", config.memory_limit_bytes),
            pass: Pass::new(runtime.number()),
            process: std::process::id(),
            incoming: AtomicPtr::default(),
            front: UnsafeCell::new(Front {
                active: Cell::new(std::ptr::null()),
                held: Cell::new(std::ptr::null()),
                held_left: Cell::new(0),
                retired,
            }),
            in_use: AtomicU64::new(0),
            in_block: AtomicU32::new(BLOCK_NONE),
            claimed: AtomicBool::new(false),
            must_fence,
            back: Mutex::new(Back {
                living: Vec::new(),
                retired: retired_end,
                current: None,
                publications: 0,
                given_up: Vec::new(),
                past,
            }),
            publishing: Mutex::new(()),
            closed: Mutex::new(false),
            counters: Counters::default(),
            began: Began::now(),
            config,
        });
        let tended: Weak<Slot<H>> = Arc::downgrade(&slot);
        runtime.housekeeper().tend(tended)?;
        Ok(slot)
    }

    /// A function's name, by its place in the interface.
    pub fn func_name(&self, at: usize) -> Option<&str> {
        self.config.interface.get(at).map(|(name, _)| name.as_str())
    }

    pub fn began(&self) -> Began {
        self.began
    }

    pub fn interface_len(&self) -> usize {
        self.config.interface.len()
    }

    // ---- the real-time thread

    /// Whether the last permit that let somebody begin a block lets this thread, too.
    #[inline(always)]
    pub fn admits(&self) -> bool {
        self.pass.admits(permit::stack_pointer())
    }

    /// Lets the thread in by another one, or tells why not. The caller holds cancellation off.
    pub fn admit(&self) -> std::result::Result<Option<Opened>, rtw_status_t> {
        self.runtime.admit(&self.pass, permit::stack_pointer())
    }

    /// Begins a block: takes what was published, or a spare where the instance in use has faulted. The instance stays the same
    /// until the block has ended.
    ///
    /// # Safety
    /// One thread at a time begins and ends blocks, in turn, and was let in.
    #[inline]
    pub unsafe fn begin(&self) -> std::result::Result<Block<'_, H>, rtw_status_t> {
        if self.in_block.load(Relaxed) != BLOCK_NONE {
            // From inside a block: its instance is not to be exchanged.
            return Err(RTW_ERR_BUSY);
        }
        self.in_block.store(BLOCK_OPEN, Relaxed);
        // A claimant sets its word, has all threads of the process pass a barrier, and looks at ours; so either it sees this
        // block or the block sees the claim.
        match self.must_fence {
            true => fence(SeqCst),
            false => compiler_fence(SeqCst),
        }
        count(&self.counters.blocks);
        if self.claimed.load(Acquire) {
            self.in_block.store(BLOCK_NONE, Release);
            count(&self.counters.busy);
            return Err(RTW_ERR_BUSY);
        }
        // SAFETY: this is the one thread, and nobody has claimed its part.
        let front = unsafe { &mut *self.front.get() };
        let is_new = !self.incoming.load(Relaxed).is_null() && self.take(front);
        // SAFETY: a generation lives until its pointer has been retired.
        let mut active = unsafe { front.active.get().as_ref() };
        let mut is_first_of_spare = false;
        if let Some(faulted) = active.filter(|active| active.instance.is_faulted()) {
            is_first_of_spare = self.take_spare(front, faulted);
            // SAFETY: as above.
            active = if is_first_of_spare { unsafe { front.active.get().as_ref() } } else { None };
        }
        match active {
            // SAFETY: as above.
            Some(active) => Ok(Block { active, held: unsafe { front.held.get().as_ref() }, is_new, is_first_of_spare }),
            None => {
                self.in_block.store(BLOCK_NONE, Release);
                count(&self.counters.unserved);
                Err(if front.active.get().is_null() { RTW_ERR_EMPTY } else { RTW_ERR_FAULTED })
            }
        }
    }

    /// The block that has begun is to be ended with cancellation held off.
    pub fn defer_end(&self) {
        self.in_block.store(BLOCK_DEFERRED, Relaxed);
    }

    /// Whether the block that has begun can be ended at once; `None` where none has begun.
    #[inline(always)]
    pub fn ends_at_once(&self) -> Option<bool> {
        match self.in_block.load(Relaxed) {
            BLOCK_NONE => None,
            block => Some(block == BLOCK_OPEN),
        }
    }

    /// Ends the block that has begun.
    ///
    /// # Safety
    /// As for [`Slot::begin`].
    #[inline]
    pub unsafe fn end(&self) {
        // SAFETY: as in `begin`.
        let front = unsafe { &mut *self.front.get() };
        if !front.held.get().is_null() {
            self.release(front, 1);
        }
        // SAFETY: as in `begin`.
        if unsafe { front.active.get().as_ref() }.is_some_and(|active| active.instance.is_faulted()) {
            count(&self.counters.faults);
        }
        self.in_block.store(BLOCK_NONE, Release);
    }

    /// Takes what was published. False if there is no room for what it replaces; then it waits for the next block.
    #[cold]
    #[inline(never)]
    fn take(&self, front: &mut Front<H>) -> bool {
        // Two may have to go: the one in use, and the one held.
        if front.retired.room() < 2 {
            return false;
        }
        let taken = self.incoming.swap(std::ptr::null_mut(), AcqRel);
        if taken.is_null() {
            return false;
        }
        // SAFETY: lives until it is retired.
        let new = unsafe { &*taken };
        new.taken.store(true, Release);
        self.in_use.store(new.publication.number, Release);
        let before = front.active.replace(taken);
        self.release(front, u32::MAX);
        // SAFETY: not retired yet.
        if let Some(old) = unsafe { before.as_ref() } {
            if self.config.hold_blocks != 0 && !old.instance.is_faulted() {
                front.held.set(before);
                front.held_left.set(self.config.hold_blocks);
            } else {
                front.retired.push(before as usize);
            }
        }
        count(&self.counters.taken);
        true
    }

    /// Takes a spare in place of the instance that has faulted. False if there is none, or no room for that one.
    #[cold]
    #[inline(never)]
    fn take_spare(&self, front: &mut Front<H>, faulted: &Generation<H>) -> bool {
        if front.retired.room() == 0 {
            return false;
        }
        // SAFETY: this thread has the publication's instance in use, so the consuming end is its own.
        let spares = unsafe { &mut *faulted.publication.spares_end.get() };
        let Some(spare) = spares.pop() else { return false };
        let spare = spare as *const Generation<H>;
        front.active.set(spare);
        front.retired.push(faulted as *const Generation<H> as usize);
        // SAFETY: a spare lives until it is retired.
        let spare = unsafe { &*spare };
        spare.taken.store(true, Release);
        // Stores of two threads would be lost; this word alone is changed from both sides.
        spare.publication.ready.fetch_sub(1, Relaxed);
        count(&self.counters.spares_used);
        true
    }

    /// Lets the held instance go when `blocks` more have used up its time.
    fn release(&self, front: &mut Front<H>, blocks: u32) {
        let left = front.held_left.get().saturating_sub(blocks);
        front.held_left.set(left);
        if left == 0 && !front.held.get().is_null() && front.retired.push(front.held.get() as usize) {
            front.held.set(std::ptr::null());
        }
    }

    // ---- publishers

    /// Puts an instance in: checked, prepared, given the state of the one in use; then the real-time thread takes it at its
    /// next block.
    pub fn publish(self: &Arc<Self>, instance: &Arc<Instance>) -> Result<u64> {
        if std::process::id() != self.process {
            return Err(Error::new(RTW_ERR_FORKED, "the slot belongs to the parent process"));
        }
        let published = {
            let _alone = self.publishing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            self.try_publish(instance)
        };
        if published.is_err() {
            self.counters.refused.fetch_add(1, Relaxed);
        }
        // Spares are to be made, or what was pushed aside is to go.
        self.runtime.housekeeper().wake();
        published
    }

    fn try_publish(self: &Arc<Self>, instance: &Arc<Instance>) -> Result<u64> {
        if !Arc::ptr_eq(&instance.module.runtime, &self.runtime) {
            return Err(Error::new(RTW_ERR_ARGUMENT, "the instance belongs to another runtime than the slot"));
        }
        let place = Place::take(instance, &self.held)?;
        if instance.is_faulted() {
            return Err(Error::new(RTW_ERR_FAULTED, "the instance has faulted: reset it first"));
        }
        let (spares, spares_end) = ring(self.config.standby.max(1));
        let number = self.lock().publications + 1;
        let publication = Arc::new(Publication {
            number,
            spares: Mutex::new(spares),
            spares_end: UnsafeCell::new(spares_end),
            ready: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            told_signals: AtomicBool::new(false),
        });
        let calls_guests = !self.config.dry_calls.is_empty() || !matches!(self.config.state, StateTransfer::None);
        let _visit = if calls_guests { self.runtime.visit()? } else { None };
        let generation = self.generation(&publication, place, false)?;
        self.transfer_state(&generation)?;
        let mut back = self.lock();
        reserve::room(&mut back.living, 1)?;
        reserve::room(&mut back.given_up, 1)?;
        reserve::check()?;
        back.publications = number;
        back.current = Some(publication);
        let pointer = Arc::as_ptr(&generation).cast_mut();
        back.living.push(generation);
        // One that was published before and has not been taken is not taken any more.
        let overtaken = self.incoming.swap(pointer, AcqRel);
        if let Some(never_taken) = back.living.iter().find(|known| std::ptr::eq(Arc::as_ptr(known), overtaken)) {
            let publication = never_taken.publication.clone();
            back.given_up.push(publication);
        }
        let buried = self.bury(&mut back, overtaken);
        drop(back);
        drop(buried);
        Ok(number)
    }

    /// Looks the interface up and makes the instance warm.
    fn generation(&self, publication: &Arc<Publication>, place: Place, is_spare: bool) -> Result<Arc<Generation<H>>> {
        let room = self.config.interface.len() * FUNC_BYTES + self.config.dry_calls.len() * size_of::<DryCall<'_>>();
        reserve::with_room(room, || self.with_interface(publication, place, is_spare))
    }

    fn with_interface(&self, publication: &Arc<Publication>, place: Place, is_spare: bool) -> Result<Arc<Generation<H>>> {
        let instance = place.0.clone();
        let funcs = self
            .config
            .interface
            .iter()
            .map(|(name, signature)| instance.func(name, signature.as_ref()))
            .collect::<Result<Vec<Func>>>()?;
        let handles = H::new(&instance, funcs.clone())?;
        let calls = self.dry_calls(&funcs, &handles);
        if !calls.is_empty() || !instance.was_prepared() {
            instance.prepare(&calls, H::ENTRY)?;
        }
        let publication = publication.clone();
        let told = AtomicBool::default;
        Ok(Arc::new(Generation {
            publication,
            instance,
            funcs,
            handles,
            is_spare: is_spare.into(),
            taken: told(),
            told_taken: told(),
            told_fault: told(),
            _place: place,
        }))
    }

    /// Saves the state of the instance in use and gives it to the next one, between two blocks.
    fn transfer_state(&self, to: &Generation<H>) -> Result<()> {
        if matches!(self.config.state, StateTransfer::None) {
            return Ok(());
        }
        let claim = self.claim()?;
        // SAFETY: the real-time thread is kept out.
        let active = unsafe { (*self.front.get()).active.get().as_ref() };
        let Some(from) = active.filter(|active| !active.instance.is_faulted()) else { return Ok(()) };
        match &self.config.state {
            StateTransfer::None => Ok(()),
            StateTransfer::Guest => {
                let saved = state::save(&from.instance)?;
                drop(claim);
                match saved {
                    Some(saved) => state::load(&to.instance, &saved),
                    None => Ok(()),
                }
            }
            StateTransfer::Host(transfer) => match transfer(from.handles.instance(), to.handles.instance()) {
                RTW_OK => Ok(()),
                status => Err(Error::new(RTW_ERR_STATE, format!("the host's callback refused the state with {status}"))),
            },
        }
    }

    /// Keeps the real-time thread out, starting just after a block, when the next one is farthest.
    fn claim(&self) -> Result<Claim<'_>> {
        const STEP: Duration = Duration::from_micros(20);
        /// Blocks that come more seldom are not waited for.
        const PATIENCE: u32 = 2_500;
        const ATTEMPTS: u32 = 100;
        for _ in 0..ATTEMPTS {
            let blocks = self.counters.blocks.load(Relaxed);
            for _ in 0..PATIENCE {
                if self.counters.blocks.load(Relaxed) != blocks && self.in_block.load(Acquire) == BLOCK_NONE {
                    break;
                }
                sleeper::sleep_for(STEP);
            }
            if self.claimed.swap(true, SeqCst) {
                // Another publisher's.
                continue;
            }
            let claim = Claim(&self.claimed);
            if self.must_fence {
                fence(SeqCst);
            } else if !membarrier::all_threads() {
                let cause = std::io::Error::last_os_error();
                return Err(Error::os(RTW_ERR_PERMISSION, "the system refuses what keeps blocks out (membarrier)", &cause));
            }
            if self.in_block.load(SeqCst) == BLOCK_NONE {
                return Ok(claim);
            }
        }
        Err(Error::new(RTW_ERR_BUSY, "the real-time thread was in a block whenever the state was to be saved"))
    }

    // ---- the housekeeper

    /// Forgets a generation whose pointer nobody has any more. To be dropped with the lock released: an instance's end takes
    /// its time.
    fn bury(&self, back: &mut Back<H>, pointer: *const Generation<H>) -> Option<Arc<Generation<H>>> {
        let at = back.living.iter().position(|known| Arc::as_ptr(known) == pointer)?;
        let gone = back.living.swap_remove(at);
        for (past, func) in back.past.iter_mut().zip(&gone.funcs) {
            if let Some(recorder) = &func.shared.recorder {
                past.add(&recorder.snapshot());
            }
        }
        Some(gone)
    }

    fn lock(&self) -> MutexGuard<'_, Back<H>> {
        self.back.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn tell(&self, kind: EventKind, generation: &Generation<H>, status: rtw_status_t) {
        if let Some(on_event) = &self.config.on_event {
            let instance = generation.handles.instance();
            on_event(Event { kind, publication: generation.publication.number, instance, status });
        }
    }

    /// What the real-time thread has given back since the last time.
    fn collect(&self) {
        loop {
            let mut back = self.lock();
            let Some(pointer) = back.retired.pop() else { return };
            let pointer = pointer as *const Generation<H>;
            let Some(generation) = back.living.iter().find(|known| Arc::as_ptr(known) == pointer).cloned() else { continue };
            let is_current = back.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &generation.publication));
            drop(back);
            self.tell_if_taken(&generation);
            self.tell_if_faulted(&generation);
            if is_current && generation.instance.is_faulted() && self.config.standby != 0 && self.renew(&generation) {
                continue;
            }
            let mut back = self.lock();
            // Where the real-time thread goes on with a spare of the same publication, what it uses comes back later.
            if self.in_use.load(Acquire) > generation.publication.number {
                back.given_up.push(generation.publication.clone());
            }
            let buried = self.bury(&mut back, pointer);
            drop(back);
            drop(buried);
        }
    }

    /// Tells the host that a generation is in use, once.
    fn tell_if_taken(&self, generation: &Generation<H>) {
        if generation.taken.load(Acquire) && !generation.told_taken.swap(true, Relaxed) {
            let kind = if generation.is_spare.load(Relaxed) { EventKind::SpareTaken } else { EventKind::Taken };
            self.tell(kind, generation, RTW_OK);
        }
    }

    /// Tells the host that it has faulted, once.
    fn tell_if_faulted(&self, generation: &Generation<H>) {
        if generation.instance.is_faulted() && !generation.told_fault.swap(true, Relaxed) {
            self.tell_if_taken(generation);
            let status = generation.instance.fault().map_or(RTW_ERR_FAULTED, |fault| fault.record.status);
            self.tell(EventKind::Faulted, generation, status);
        }
    }

    /// Makes a spare of an instance that has faulted.
    fn renew(&self, generation: &Arc<Generation<H>>) -> bool {
        for told in [&generation.taken, &generation.told_taken, &generation.told_fault] {
            told.store(false, Relaxed);
        }
        generation.is_spare.store(true, Relaxed);
        let renewed = reserve::fallible(|| generation.instance.reset().and_then(|()| self.warm_again(generation)));
        match renewed {
            Ok(()) => self.offer(generation),
            Err(error) => {
                if generation.publication.fails(error.status) {
                    self.tell(EventKind::SpareFailed, generation, error.status);
                }
                false
            }
        }
    }

    fn dry_calls<'a>(&'a self, funcs: &'a [Func], handles: &H) -> Vec<DryCall<'a>> {
        let made = |call: &'a SlotDryCall| DryCall {
            func: &funcs[call.func],
            handle: handles.func(call.func),
            values: &call.values,
            repeats: call.repeats,
        };
        self.config.dry_calls.iter().map(made).collect()
    }

    fn warm_again(&self, generation: &Generation<H>) -> Result<()> {
        let calls = self.dry_calls(&generation.funcs, &generation.handles);
        generation.instance.prepare(&calls, H::ENTRY).map(|_| ())
    }

    fn offer(&self, generation: &Arc<Generation<H>>) -> bool {
        let publication = &generation.publication;
        let pushed =
            publication.spares.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(Arc::as_ptr(generation) as usize);
        if pushed {
            publication.ready.fetch_add(1, Relaxed);
            publication.told_signals.store(false, Relaxed);
            self.tell(EventKind::SpareReady, generation, RTW_OK);
        }
        pushed
    }

    fn drop_spares(&self, publication: &Publication) {
        // SAFETY: the real-time thread has given the publication up.
        let spares = unsafe { &mut *publication.spares_end.get() };
        while let Some(spare) = spares.pop() {
            publication.ready.fetch_sub(1, Relaxed);
            let buried = self.bury(&mut self.lock(), spare as *const Generation<H>);
            drop(buried);
        }
    }

    /// Makes spares of the current publication until there are enough.
    fn stock(&self) {
        loop {
            let back = self.lock();
            let Some(publication) = back.current.clone() else { return };
            let of_it = |known: &&Arc<Generation<H>>| Arc::ptr_eq(&known.publication, &publication);
            let Some(like) = back.living.iter().find(of_it).map(|generation| generation.instance.clone()) else { return };
            // Spares, and one in use or on its way.
            let enough = back.living.iter().filter(of_it).count() > self.config.standby;
            drop(back);
            if enough || publication.failed.load(Relaxed) {
                return;
            }
            let made = reserve::fallible(|| {
                let spare = self.generation(&publication, Place::take(&H::another(&like)?, &self.held)?, true)?;
                reserve::room(&mut self.lock().living, 1)?;
                reserve::check()?;
                Ok(spare)
            });
            match made {
                Ok(spare) => {
                    self.lock().living.push(spare.clone());
                    if !self.offer(&spare) {
                        let buried = self.bury(&mut self.lock(), Arc::as_ptr(&spare));
                        drop(buried);
                        return;
                    }
                }
                Err(error) => {
                    let to_be_told = publication.fails(error.status);
                    if let Some(on_event) = self.config.on_event.as_ref().filter(|_| to_be_told) {
                        let instance = std::ptr::null_mut();
                        let kind = EventKind::SpareFailed;
                        on_event(Event { kind, publication: publication.number, instance, status: error.status });
                    }
                    return;
                }
            }
        }
    }

    // ---- the end

    /// When this returns the host is told nothing any more, and nobody else has the slot.
    pub fn close(self: &Arc<Self>) {
        // A forked child has no housekeeper, but may have what it had locked.
        if std::process::id() == self.process {
            *self.closed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
            while Arc::strong_count(self) > 1 {
                std::thread::yield_now();
            }
        }
    }

    // ---- anybody

    pub fn report(&self) -> Report {
        let back = self.lock();
        let counters = &self.counters;
        Report {
            blocks: counters.blocks.load(Relaxed),
            publications: back.publications,
            taken: counters.taken.load(Relaxed),
            faults: counters.faults.load(Relaxed),
            spares_used: counters.spares_used.load(Relaxed),
            unserved: counters.unserved.load(Relaxed),
            busy: counters.busy.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            spares_ready: back.current.as_ref().map_or(0, |current| current.ready.load(Relaxed).into()),
            living: back.living.len() as u64,
            held_bytes: self.held.used(),
        }
    }

    /// What the calls of one of the interface's functions took, whichever instance they ran on; nothing where the runtime's
    /// statistics are off.
    pub fn recorded(&self, at: usize) -> Option<Snapshot> {
        let back = self.lock();
        let mut sum = back.past.get(at)?.clone();
        for generation in &back.living {
            sum.add(&generation.funcs[at].shared.recorder.as_ref()?.snapshot());
        }
        self.runtime.config.statistics.then_some(sum)
    }
}

impl<H: Handles> Tend for Slot<H> {
    fn tend(&self) {
        let closed = self.closed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *closed {
            return;
        }
        let living = self.lock().living.clone();
        living.iter().for_each(|generation| self.tell_if_faulted(generation));
        living.iter().for_each(|generation| self.tell_if_taken(generation));
        drop(living);
        self.collect();
        self.stock();
        // Now that no more are being made.
        let given_up = std::mem::take(&mut self.lock().given_up);
        given_up.iter().for_each(|publication| self.drop_spares(publication));
    }
}

/// One writer each: no read-modify-write on the real-time thread.
#[inline(always)]
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// While it lives, blocks are refused.
struct Claim<'a>(&'a AtomicBool);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}
