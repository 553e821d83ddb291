//! The slot: a stable place that a real-time thread calls through, while the instances behind it are hot-swapped.
//!
//! There are three parties. *Publishers*, on [setup] threads, put a prepared instance in. *The real-time thread* takes it at
//! the beginning of its next block, and takes a spare when the instance in use has faulted. *The housekeeper* destroys
//! instances that are no longer used, makes spares, and reports events to the host; it polls, since the real-time thread wakes
//! nobody. `rt/exchange.rs` passes items between them and the real-time thread.
//!
//! Publishers and the housekeeper share a list that keeps generations alive. The pointers in the exchange are borrowed from it,
//! and a generation leaves the list only when the real-time thread has returned its pointer.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use super::held::Pool;
use super::housekeeper::Tend;
use super::instance::{FUNC_BYTES, Func, Instance, Wanted};
use super::own::{OwnFunc, OwnInstance};
use super::prepare::{DryCall, Ready};
use super::runtime::Runtime;
use super::signature::Signature;
use super::state;
use crate::record::recorder::Began;
use crate::record::snapshot::Snapshot;
use crate::rt::exchange::{self, Claim, Exchange, Refused, Replaceable, Retired, Spares};
use crate::rt::permit::{Opened, Pass};
use crate::rt::reserve;
use crate::status::*;
use crate::sys::{membarrier, sleeper, stack};

/// The way in which a hot-swap transfers state.
pub enum StateTransfer {
    None,
    /// The guests' own exports save and load it.
    Guest,
    /// The host transfers it, with both instances' handles.
    Host(Box<StateFunc>),
}

pub type StateFunc = dyn Fn(*mut c_void, *mut c_void) -> rtw_status_t + Send + Sync;

pub struct Config {
    /// The functions that calls name by their index.
    pub interface: Vec<(String, Option<Signature>)>,
    pub standby: usize,
    /// The number of blocks for which the replaced instance is held.
    pub hold_blocks: u32,
    /// Made with every instance that comes into the slot; of funcs by their place in the interface.
    pub dry_calls: Vec<DryCall<usize>>,
    pub state: StateTransfer,
    /// The limit of what the instances behind the slot hold together; 0: none.
    pub memory_limit_bytes: u64,
    /// Called on the housekeeper's thread, or on the publisher's.
    pub on_event: Option<Box<dyn Fn(Event) + Send + Sync>>,
}

/// An event for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The real-time thread runs the published instance.
    Taken,
    /// The real-time thread runs a spare.
    SpareTaken,
    /// An instance faulted; it is as the fault left it.
    Faulted,
    /// A spare is ready.
    SpareReady,
    /// A spare could not be created; the next attempt is after the next publication.
    SpareFailed,
}

#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub kind: EventKind,
    pub publication: u64,
    /// The instance's handle, valid during the callback.
    pub instance: *mut c_void,
    /// The reason of a failure.
    pub status: rtw_status_t,
}

/// The slot's own handles of a generation: the host may destroy those that it made.
pub struct Handles {
    /// The instance that the handles point to. The handles alone do not keep it alive.
    of: Arc<Instance>,
    /// The earlier handle for host functions; the host has the instance again afterwards.
    former: *mut c_void,
    pub instance: OwnInstance,
    /// In the order of the interface.
    pub funcs: Box<[OwnFunc]>,
}

// SAFETY: handles may be used by any thread, one at a time.
unsafe impl Send for Handles {}
// SAFETY: as for Send.
unsafe impl Sync for Handles {}

impl Handles {
    fn new(instance: &Arc<Instance>, funcs: &[Func]) -> Result<Handles> {
        let handles = instance.keep(|| {
            let (of, former) = (instance.clone(), instance.handle());
            let own = OwnInstance::new(instance.clone())?;
            let funcs = funcs.iter().map(|func| OwnFunc::new(func.clone())).collect::<Result<_>>()?;
            Ok::<_, Error>(Handles { of, former, instance: own, funcs })
        })?;
        // SAFETY: the slot has the instance, and no call runs yet.
        unsafe { instance.turn() }.set_handle(handles.instance.as_ptr().cast());
        Ok(handles)
    }

    fn instance(&self) -> *mut c_void {
        self.instance.as_ptr().cast()
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        // SAFETY: the slot still has the instance, and nobody calls it any more.
        unsafe { self.of.turn() }.set_handle(self.former);
    }
}

/// One publication, and its spares.
struct Publication {
    spares: Spares<Generation>,
    /// The creation of a spare has failed.
    failed: AtomicBool,
    /// The reason was that other code had replaced the signal handlers, which has been reported: it is tried again.
    told_signals: AtomicBool,
}

impl Publication {
    /// Notes that a spare could not be created. Returns true if that has to be reported.
    fn fails(&self, status: rtw_status_t) -> bool {
        if status == RTW_ERR_SIGNALS {
            return !self.told_signals.swap(true, Relaxed);
        }
        self.failed.store(true, Relaxed);
        true
    }
}

/// One instance that is, was or may come into use.
pub struct Generation {
    publication: Arc<Publication>,
    pub instance: Arc<Instance>,
    pub funcs: Vec<Func>,
    pub handles: Handles,
    /// True if the housekeeper created it, or reset it.
    is_spare: AtomicBool,
    /// Set by the real-time thread when it takes it.
    taken: AtomicBool,
    /// The events that were reported to the host.
    told_taken: AtomicBool,
    told_fault: AtomicBool,
    _place: Place,
}

/// The place of an instance, which is in one slot at most, and there once.
struct Place(Arc<Instance>);

impl Place {
    /// Takes the instance, and counts what it holds in the slot's account from now on.
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

impl Replaceable for Generation {
    #[inline(always)]
    fn is_broken(&self) -> bool {
        self.instance.is_faulted()
    }

    #[inline(always)]
    fn spares(&self) -> &Spares<Self> {
        &self.publication.spares
    }

    #[inline(always)]
    fn mark_taken(&self) {
        self.taken.store(true, Release);
    }
}

/// A block that has begun.
pub type Block<'a> = exchange::Block<'a, Generation>;

pub struct Slot {
    pub runtime: Arc<Runtime>,
    /// The account of the slot's instances.
    held: Arc<Pool>,
    config: Config,
    /// Lets the real-time thread in.
    pass: Pass,
    /// The process that created the slot: a forked child has the object only.
    process: u32,
    exchange: Exchange<Generation>,
    /// One publisher at a time: later publications have later numbers, and are taken later.
    publishing: Mutex<()>,
    /// Held while the housekeeper visits the slot; true if it must not do so any more.
    closed: Mutex<bool>,
    back: Mutex<Back>,
    /// Publications that failed.
    refused: AtomicU64,
    began: Began,
}

/// State that publishers and the housekeeper share.
struct Back {
    living: Vec<Arc<Generation>>,
    retired: Retired<Generation>,
    current: Option<Arc<Publication>>,
    publications: u64,
    /// Publications whose spares the real-time thread will not take any more.
    given_up: Vec<Arc<Publication>>,
    /// The recordings of funcs of destroyed generations.
    past: Vec<Snapshot>,
}

/// A copy of the counters, and the current state.
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
    /// The bytes that they hold.
    pub held_bytes: u64,
}

impl Slot {
    pub fn new(runtime: &Arc<Runtime>, config: Config) -> Result<Arc<Slot>> {
        let room = config.interface.len() * FUNC_BYTES;
        reserve::with_room(room, || Slot::with_config(runtime, config))
    }

    fn with_config(runtime: &Arc<Runtime>, config: Config) -> Result<Arc<Slot>> {
        let must_fence = !matches!(config.state, StateTransfer::None) && !membarrier::register();
        let (exchange, retired) = Exchange::new(config.hold_blocks, must_fence);
        let past = config.interface.iter().map(|_| Snapshot::empty()).collect();
        let slot = Arc::new(Slot {
            runtime: runtime.clone(),
            held: Pool::new("slot", config.memory_limit_bytes),
            pass: Pass::new(runtime.number()),
            process: std::process::id(),
            exchange,
            back: Mutex::new(Back { living: Vec::new(), retired, current: None, publications: 0, given_up: Vec::new(), past }),
            publishing: Mutex::new(()),
            closed: Mutex::new(false),
            refused: AtomicU64::new(0),
            began: Began::now(),
            config,
        });
        let tended: Weak<Slot> = Arc::downgrade(&slot);
        runtime.housekeeper().tend(tended)?;
        Ok(slot)
    }

    /// A function's name, by its index in the interface.
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

    /// True if the last permit that let a thread begin a block also lets this one.
    #[inline(always)]
    pub fn admits(&self) -> bool {
        self.pass.admits(stack::pointer())
    }

    /// Lets the thread in by another permit, or returns the status of a refusal. The caller holds cancellation off.
    pub fn admit(&self) -> std::result::Result<Option<Opened>, rtw_status_t> {
        self.runtime.admit(&self.pass, stack::pointer())
    }

    /// Begins a block: takes the published instance, or a spare if the instance in use has faulted. The instance does not
    /// change until the block has ended.
    ///
    /// # Safety
    /// One thread at a time begins and ends blocks, in turn, and was let in.
    #[inline]
    pub unsafe fn begin(&self) -> std::result::Result<Block<'_>, rtw_status_t> {
        // SAFETY: passed on.
        unsafe { self.exchange.begin() }.map_err(|refused| match refused {
            Refused::InBlock | Refused::Claimed => RTW_ERR_BUSY,
            Refused::Empty => RTW_ERR_EMPTY,
            Refused::Broken => RTW_ERR_FAULTED,
        })
    }

    /// Marks the current block as one that has to end with cancellation held off.
    pub fn defer_end(&self) {
        self.exchange.defer_end();
    }

    /// `Some(true)` if the current block can end at once; `None` if none has begun.
    #[inline(always)]
    pub fn ends_at_once(&self) -> Option<bool> {
        self.exchange.ends_at_once()
    }

    /// Ends the block that has begun.
    ///
    /// # Safety
    /// As for [`Slot::begin`].
    #[inline]
    pub unsafe fn end(&self) {
        // SAFETY: passed on.
        unsafe { self.exchange.end() };
    }

    // ---- publishers

    /// Publishes an instance: checks and prepares it, and transfers the state of the one in use; then the real-time thread
    /// takes it at its next block.
    pub fn publish(self: &Arc<Self>, instance: &Arc<Instance>) -> Result<u64> {
        if std::process::id() != self.process {
            return Err(Error::new(RTW_ERR_FORKED, "the slot belongs to the parent process"));
        }
        let published = {
            let _alone = self.publishing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            self.try_publish(instance)
        };
        if published.is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
        // The housekeeper has to make spares, or to destroy what was superseded.
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
        let number = self.lock().publications + 1;
        let publication = Arc::new(Publication {
            spares: Spares::new(number, self.config.standby),
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
        let pointer = Arc::as_ptr(&generation);
        back.living.push(generation);
        // An earlier publication that has not been taken is never taken.
        let overtaken = self.exchange.offer(pointer);
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
    fn generation(&self, publication: &Arc<Publication>, place: Place, is_spare: bool) -> Result<Arc<Generation>> {
        let room = self.config.interface.len() * FUNC_BYTES + self.config.dry_calls.len() * size_of::<Ready<'_>>();
        reserve::with_room(room, || self.with_interface(publication, place, is_spare))
    }

    fn with_interface(&self, publication: &Arc<Publication>, place: Place, is_spare: bool) -> Result<Arc<Generation>> {
        let instance = place.0.clone();
        // SAFETY: the place in the slot is this instance's alone, and the real-time thread does not have it yet.
        let turn = unsafe { instance.turn() };
        let interface = self.config.interface.iter();
        let wanted: Vec<Wanted<'_>> =
            interface.map(|(name, signature)| Wanted { name, signature: signature.clone(), optional: false }).collect();
        let funcs: Vec<Func> = turn.funcs(&wanted)?.into_iter().flatten().collect();
        let handles = Handles::new(&instance, &funcs)?;
        let calls = self.dry_calls(&handles);
        if !calls.is_empty() || !instance.is_prepared() {
            turn.prepare(&calls)?;
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

    /// Saves the state of the instance in use and loads it into the next one, between two blocks.
    fn transfer_state(&self, to: &Generation) -> Result<()> {
        if matches!(self.config.state, StateTransfer::None) {
            return Ok(());
        }
        let claim = self.claim()?;
        let Some(from) = claim.active().filter(|active| !active.instance.is_faulted()) else { return Ok(()) };
        match &self.config.state {
            StateTransfer::None => Ok(()),
            StateTransfer::Guest => {
                // SAFETY: the claim keeps the real-time thread out.
                let saved = state::save(unsafe { from.instance.turn() })?;
                drop(claim);
                match saved {
                    // SAFETY: the real-time thread does not have the new instance yet.
                    Some(saved) => state::load(unsafe { to.instance.turn() }, &saved),
                    None => Ok(()),
                }
            }
            StateTransfer::Host(transfer) => match transfer(from.handles.instance(), to.handles.instance()) {
                RTW_OK => Ok(()),
                status => Err(Error::new(RTW_ERR_STATE, format!("the host's callback refused the state with {status}"))),
            },
        }
    }

    /// Keeps the real-time thread out, beginning just after a block, when the next one is farthest.
    fn claim(&self) -> Result<Claim<'_, Generation>> {
        const STEP: Duration = Duration::from_micros(20);
        /// Does not wait for blocks that are rarer than this.
        const PATIENCE: u32 = 2_500;
        const ATTEMPTS: u32 = 100;
        for _ in 0..ATTEMPTS {
            let blocks = self.exchange.counters.blocks.load(Relaxed);
            for _ in 0..PATIENCE {
                if self.exchange.counters.blocks.load(Relaxed) != blocks && !self.exchange.is_in_block() {
                    break;
                }
                sleeper::sleep_for(STEP);
            }
            let claimed = self.exchange.try_claim().map_err(|cause| {
                Error::os(RTW_ERR_PERMISSION, "the system refuses membarrier, which keeps blocks out", &cause)
            })?;
            if let Some(claim) = claimed {
                return Ok(claim);
            }
        }
        Err(Error::new(RTW_ERR_BUSY, "the real-time thread was in a block whenever the state was to be saved"))
    }

    // ---- the housekeeper

    /// Removes a generation whose pointer is not in use any more. Drop the result with the lock released: destroying an
    /// instance takes time.
    fn bury(&self, back: &mut Back, pointer: *const Generation) -> Option<Arc<Generation>> {
        let at = back.living.iter().position(|known| Arc::as_ptr(known) == pointer)?;
        let gone = back.living.swap_remove(at);
        for (past, func) in back.past.iter_mut().zip(&gone.funcs) {
            if let Some(recorder) = &func.shared.recorder {
                past.add(&recorder.snapshot());
            }
        }
        Some(gone)
    }

    fn lock(&self) -> MutexGuard<'_, Back> {
        self.back.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn tell(&self, kind: EventKind, generation: &Generation, status: rtw_status_t) {
        if let Some(on_event) = &self.config.on_event {
            let instance = generation.handles.instance();
            on_event(Event { kind, publication: generation.publication.spares.number, instance, status });
        }
    }

    /// Collects what the real-time thread has returned since the last time.
    fn collect(&self) {
        loop {
            let mut back = self.lock();
            let Some(pointer) = back.retired.pop() else { return };
            let Some(generation) = back.living.iter().find(|known| Arc::as_ptr(known) == pointer).cloned() else { continue };
            let is_current = back.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &generation.publication));
            drop(back);
            self.tell_if_taken(&generation);
            self.tell_if_faulted(&generation);
            if is_current && generation.instance.is_faulted() && self.config.standby != 0 && self.renew(&generation) {
                continue;
            }
            let mut back = self.lock();
            // If the real-time thread continues with a spare of the same publication, the used instance comes back later.
            if self.exchange.is_through_with(generation.publication.spares.number) {
                back.given_up.push(generation.publication.clone());
            }
            let buried = self.bury(&mut back, pointer);
            drop(back);
            drop(buried);
        }
    }

    /// Reports once that a generation is in use.
    fn tell_if_taken(&self, generation: &Generation) {
        if generation.taken.load(Acquire) && !generation.told_taken.swap(true, Relaxed) {
            let kind = if generation.is_spare.load(Relaxed) { EventKind::SpareTaken } else { EventKind::Taken };
            self.tell(kind, generation, RTW_OK);
        }
    }

    /// Reports once that a generation has faulted.
    fn tell_if_faulted(&self, generation: &Generation) {
        if generation.instance.is_faulted() && !generation.told_fault.swap(true, Relaxed) {
            self.tell_if_taken(generation);
            let status = generation.instance.fault().map_or(RTW_ERR_FAULTED, |fault| fault.record.status);
            self.tell(EventKind::Faulted, generation, status);
        }
    }

    /// Makes a spare of an instance that has faulted.
    fn renew(&self, generation: &Arc<Generation>) -> bool {
        for told in [&generation.taken, &generation.told_taken, &generation.told_fault] {
            told.store(false, Relaxed);
        }
        generation.is_spare.store(true, Relaxed);
        let renewed = reserve::fallible(|| {
            // SAFETY: the real-time thread has given the instance back.
            unsafe { generation.instance.turn() }.reset().and_then(|()| self.warm_again(generation))
        });
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

    fn dry_calls<'a>(&'a self, handles: &'a Handles) -> Vec<Ready<'a>> {
        self.config.dry_calls.iter().map(|call| call.of(handles.funcs[call.func].as_ref())).collect()
    }

    fn warm_again(&self, generation: &Generation) -> Result<()> {
        let calls = self.dry_calls(&generation.handles);
        // SAFETY: the real-time thread has given the instance back.
        unsafe { generation.instance.turn() }.prepare(&calls).map(|_| ())
    }

    fn offer(&self, generation: &Arc<Generation>) -> bool {
        let publication = &generation.publication;
        let pushed = publication.spares.offer(Arc::as_ptr(generation));
        if pushed {
            publication.told_signals.store(false, Relaxed);
            self.tell(EventKind::SpareReady, generation, RTW_OK);
        }
        pushed
    }

    fn drop_spares(&self, publication: &Publication) {
        // SAFETY: the real-time thread has left the publication.
        while let Some(spare) = unsafe { publication.spares.take() } {
            let buried = self.bury(&mut self.lock(), spare);
            drop(buried);
        }
    }

    /// Makes spares of the current publication until there are enough.
    fn stock(&self) {
        loop {
            let back = self.lock();
            let Some(publication) = back.current.clone() else { return };
            let of_it = |known: &&Arc<Generation>| Arc::ptr_eq(&known.publication, &publication);
            let Some(like) = back.living.iter().find(of_it).map(|generation| generation.instance.clone()) else { return };
            // Spares, and one in use or on its way.
            let enough = back.living.iter().filter(of_it).count() > self.config.standby;
            drop(back);
            if enough || publication.failed.load(Relaxed) {
                return;
            }
            let made = reserve::fallible(|| {
                let spare = self.generation(&publication, Place::take(&like.another().map(Arc::new)?, &self.held)?, true)?;
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
                        on_event(Event { kind, publication: publication.spares.number, instance, status: error.status });
                    }
                    return;
                }
            }
        }
    }

    // ---- the end

    /// When this returns, the host gets no more events, and no other thread uses the slot.
    pub fn close(self: &Arc<Self>) {
        // A forked child has no housekeeper, but may have inherited its lock.
        if std::process::id() == self.process {
            *self.closed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
            while Arc::strong_count(self) > 1 {
                std::thread::yield_now();
            }
        }
    }

    // ---- any thread

    pub fn report(&self) -> Report {
        let back = self.lock();
        let counters = &self.exchange.counters;
        Report {
            blocks: counters.blocks.load(Relaxed),
            publications: back.publications,
            taken: counters.taken.load(Relaxed),
            faults: counters.broken.load(Relaxed),
            spares_used: counters.spares_used.load(Relaxed),
            unserved: counters.unserved.load(Relaxed),
            busy: counters.claimed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            spares_ready: back.current.as_ref().map_or(0, |current| current.spares.ready().into()),
            living: back.living.len() as u64,
            held_bytes: self.held.used(),
        }
    }

    /// The recordings of one of the interface's functions over all instances; None if the runtime's statistics are off.
    pub fn recorded(&self, at: usize) -> Option<Snapshot> {
        let back = self.lock();
        let mut sum = back.past.get(at)?.clone();
        for generation in &back.living {
            sum.add(&generation.funcs[at].shared.recorder.as_ref()?.snapshot());
        }
        self.runtime.config.statistics.then_some(sum)
    }
}

impl Tend for Slot {
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
        // No more of them are created now.
        let given_up = std::mem::take(&mut self.lock().given_up);
        given_up.iter().for_each(|publication| self.drop_spares(publication));
    }
}
