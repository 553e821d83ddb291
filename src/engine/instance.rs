//! One guest with its own memory, and the functions looked up in it.
//!
//! An instance belongs to one thread at a time. Its `gate` says what a call has to know first, in one word: free, in a call,
//! or a status that every further call is answered with. A reset builds the guest anew behind the same handle: the funcs that
//! were looked up stay, and are pointed at the new guest's functions.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    compiler_fence, fence,
};
use std::sync::{Arc, Mutex, Weak};
use wasmtime::unix::StoreExt;
use wasmtime::{
    AsContextMut, Caller, Extern, ExternType, Func as EngineFunc, Global, Memory, Mutability, Store, StoreContextMut, Trap,
    Val, ValRaw,
};

use super::artifact::{ExternKind, MemoryFacts, Need};
use super::budget::{self, Limits, Timing, Watching};
use super::fault::{self, FaultRecord};
use super::growth::{Counters, Grown, RefusedBy};
use super::held::{self, Account, Pool, Share, TABLE_ENTRY_BYTES};
use super::imports::{self, HostFunc, Imports, missing};
use super::memory::{self, Region};
use super::module::{Module, Warmed};
use super::naming;
use super::profile::{Interruption, Profile};
use super::refusal;
use super::signature::Signature;
use super::trap_pc;
use crate::record::recorder::{Began, Recorder};
use crate::record::snapshot::Snapshot;
use crate::rt::locked_heap::{self, Kept};
use crate::rt::permit::{self, Opened, Pass};
use crate::rt::unwind::{self, Came, Mark};
use crate::rt::{arena, cancel, fork, reserve, traps};
use crate::status::*;
use crate::sys::fpu::{self, Denormals};
use crate::sys::memory::{self as pages, Lock};
use crate::sys::{end, handlers, membarrier, stack, thread};

/// What a call stores on its way in and takes away on its way out.
pub const GATE_FREE: rtw_status_t = RTW_OK;
pub const GATE_IN_CALL: rtw_status_t = RTW_ERR_BUSY;
/// A host function runs: the thread that it runs on may call, all others are told that the instance is busy.
pub const GATE_IN_HOST: rtw_status_t = 1;
/// The guest is being made, or made anew: everybody is told that the instance is busy.
const GATE_MAKING: rtw_status_t = 2;
/// No guest is being made.
const NOT_MAKING: u8 = 0;
/// A reset has closed the gate, and has yet to see whether a call that found it open comes in.
const CLOSING: u8 = 1;
/// Such a call came in: the reset gives up.
const OVERTAKEN: u8 = 2;
/// No call comes in any more. A host function that the start function calls cannot use the guest yet.
const MAKING: u8 = 3;
/// As free, but whoever calls has to ask first whether faults would arrive on its thread.
pub const GATE_ASK: rtw_status_t = 3;

/// What the budget guard's memory has in the guest's eyes; the host holds a page of it.
const GUARD_MEMORY_BYTES: u64 = 65536;

/// What growth of memories and tables does once the instance is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It fails inside the guest, as if the maximum were reached: growing takes a system call, or allocates.
    Refused,
    Allowed,
    /// A memory may grow up to so many bytes, which are there from the start; beyond that, and for tables, as refused.
    Ahead {
        bytes: u64,
    },
}

/// How an instance shall be.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The most that the guest may make the host hold.
    pub memory_limit_bytes: Option<u64>,
    pub growth: Growth,
    /// What holds during its calls.
    pub denormals: Denormals,
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        Config { memory_limit_bytes: None, growth: Growth::Refused, denormals: Denormals::Keep, limits: Limits::NONE }
    }
}

impl Config {
    /// How much of each memory is to be there from the start, beyond what the module says.
    fn ahead(&self) -> usize {
        match self.growth {
            Growth::Ahead { bytes } => usize::try_from(bytes).unwrap_or(usize::MAX),
            Growth::Refused | Growth::Allowed => 0,
        }
    }

    /// How much all memories are to have beyond what the module says, as far as the limit allows.
    fn ahead_in_all(&self, module: &Module, need: &Need) -> u64 {
        let ahead = self.ahead() as u64;
        let of = |memory: &MemoryFacts| {
            let most = memory.max_bytes.unwrap_or(u64::MAX).min(module.metadata.settings.memory_reservation_bytes);
            ahead.min(most).saturating_sub(memory.min_bytes)
        };
        let sum = module.metadata.memories.iter().map(of).fold(0, u64::saturating_add);
        sum.min(self.memory_limit_bytes.unwrap_or(u64::MAX).saturating_sub(need.total()))
    }
}

/// What the engine carries for us.
pub struct Data {
    share: Arc<Share>,
    /// Memories that are still to be made, the budget guard's included: what the module declares is in the share already.
    memories_to_be_made: usize,
    /// The same for tables.
    tables_to_be_made: u32,
    /// What they may have, as the artifact says.
    declared_bytes: u64,
    growth: Growth,
    core: Arc<Core>,
}

impl Data {
    fn may_grow(&self) -> bool {
        self.growth == Growth::Allowed || !self.core.prepared.load(Relaxed)
    }
}

impl Data {
    /// How much of a memory's growth was not committed ahead.
    fn beyond_ahead(&self, now: usize, wanted: usize) -> u64 {
        let ahead = match self.growth {
            Growth::Ahead { bytes } => bytes,
            Growth::Refused | Growth::Allowed => 0,
        };
        (wanted as u64).saturating_sub(ahead.max(now as u64))
    }

    /// Something is made that the artifact has declared; false if it has not.
    fn declared(&mut self, bytes: u64) -> bool {
        let left = self.declared_bytes.checked_sub(bytes);
        self.declared_bytes = left.unwrap_or(0);
        left.is_some()
    }
}

impl wasmtime::ResourceLimiter for Data {
    fn memory_growing(&mut self, now: usize, wanted: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        if self.memories_to_be_made != 0 {
            self.memories_to_be_made -= 1;
            return Ok(self.declared(wanted as u64));
        }
        if now == wanted {
            return Ok(true);
        }
        let there = matches!(self.growth, Growth::Ahead { bytes } if wanted as u64 <= bytes);
        let refused = match () {
            () if max.is_some_and(|max| wanted > max) => Some(RefusedBy::Maximum),
            () if !there && !self.may_grow() => Some(RefusedBy::Prepared),
            // The memory takes its share itself: what was committed ahead is in it already.
            () if !self.share.has_room(self.beyond_ahead(now, wanted)) => Some(RefusedBy::Limit),
            () => None,
        };
        Ok(self.core.growth.count(Grown::Memory { from: now, to: wanted }, refused))
    }

    fn table_growing(&mut self, now: usize, wanted: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        if self.tables_to_be_made != 0 {
            self.tables_to_be_made -= 1;
            return Ok(self.declared((wanted as u64).saturating_mul(TABLE_ENTRY_BYTES)));
        }
        if now == wanted {
            return Ok(true);
        }
        let more = (wanted.saturating_sub(now) as u64).saturating_mul(TABLE_ENTRY_BYTES);
        let refused = match () {
            () if max.is_some_and(|max| wanted > max) => Some(RefusedBy::Maximum),
            () if !self.may_grow() => Some(RefusedBy::Prepared),
            () if self.share.take(more).is_err() => Some(RefusedBy::Limit),
            () => None,
        };
        if refused.is_none() {
            let bytes = |entries: usize| entries.saturating_mul(TABLE_ENTRY_BYTES as usize);
            arena::allow_growth(bytes(now), bytes(wanted));
        }
        Ok(self.core.growth.count(Grown::Table { from: now, to: wanted }, refused))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.core.growth.failed();
        Ok(())
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.core.growth.failed();
        Ok(())
    }
}

/// The part that calls and host functions work with.
pub struct Core {
    pub gate: AtomicI32,
    /// Lets in calls of threads that are attached, on stacks with room for the guest.
    pub pass: Pass,
    /// The stack pointer at the beginning of the call that runs, calls that its host functions make left aside.
    pub entered_at: Cell<usize>,
    /// How far below that guests may go, those called from host functions included.
    guest_stack_bytes: usize,
    /// The store as it may be used now: between calls our own view of it, in a host function the one the engine handed to it,
    /// so that a call made from inside continues the outer one's.
    context: Cell<Option<Context>>,
    /// What a host function answered, for the call that it ended.
    pub host_status: Cell<rtw_status_t>,
    /// The thread that the innermost host function runs on, which one it is, and where on the stack it was called.
    host_thread: AtomicUsize,
    host: Cell<*const HostFunc>,
    host_at: Cell<usize>,
    /// Whether it may block, and a cancellation is let in for that time which is held off otherwise.
    pub lets_in: Cell<bool>,
    /// How far the making of a guest is: NOT_MAKING, CLOSING, MAKING or OVERTAKEN.
    making: AtomicU8,
    /// What the gate says after a reset.
    after: AtomicI32,
    /// What its calls compute in, and what the thread did when the innermost that runs was made.
    pub float: fpu::Wanted,
    pub host_float: fpu::Host,
    pub timing: Timing,
    /// What the instance holds.
    pub held: Arc<Account>,
    /// Whether the instance has been prepared since it was made or reset.
    prepared: AtomicBool,
    /// Where the last fault happened that came as a signal; 0 where there was none.
    pub fault_address: Cell<usize>,
    /// Where the engine notes the address that a guest traps at without a signal; null where no function is exported.
    exit_word: Cell<*const usize>,
    /// To the arena of the thread that calls.
    arena: arena::Link,
    pub growth: Counters,
    /// What the fault was that closed the gate.
    pub fault: Cell<Option<FaultRecord>>,
    /// What host functions are given as their instance; the C API's handle.
    handle: Cell<*mut c_void>,
}

type Context = StoreContextMut<'static, Data>;

// SAFETY: one thread at a time has an instance, by the API's rules; the cells are not used beyond it.
unsafe impl Send for Core {}
// SAFETY: as for Send.
unsafe impl Sync for Core {}

pub struct Instance {
    pub core: Arc<Core>,
    /// Replaced by a reset, which has the instance to itself. Goes before the module, which then drops the code.
    guest: UnsafeCell<Guest>,
    pub module: Arc<Module>,
    config: Config,
    /// The host functions that it was linked against, for a reset; in the order of the module's imports.
    hosts: Vec<HostFunc>,
    /// The funcs that were looked up and still exist.
    funcs: Mutex<Vec<Weak<FuncShared>>>,
    /// What calls touch of the instance beside the guest and the funcs.
    kept: Mutex<Kept>,
    /// What the funcs recorded that are no more. Locked while `funcs` is, so that a func is in exactly one of the two.
    past_calls: Mutex<Snapshot>,
    began: Began,
    /// Whether a slot has it.
    pub(super) in_slot: AtomicBool,
}

/// The engine's part of an instance.
struct Guest {
    /// Before the memories: the watchdog looks away before they go.
    watching: Option<Watching>,
    instance: wasmtime::Instance,
    memory: Option<Memory>,
    /// All of the guest's own memories, exported or not.
    memories: Vec<Arc<Region>>,
    /// The budget guard's page, which is made present at once: later the watchdog may have closed it.
    guard: Warmed,
    /// The store, the globals, the tables.
    kept: Kept,
    store: Store<Data>,
}

// SAFETY: the API allows one thread at a time; the cells are not shared beyond it.
unsafe impl Send for Instance {}
// SAFETY: as for Send.
unsafe impl Sync for Instance {}

impl Drop for Instance {
    fn drop(&mut self) {
        self.core.has_not_left(cancel::section_at());
        fork::forget(&self.core.gate);
        self.module.runtime.signal_watch().take_back(&self.core.gate);
        // The view of the store must not outlive it.
        self.core.context.set(None);
    }
}

impl Core {
    /// While the answer lives the address is noted of a trap without a signal. On an attached thread; no-op on others.
    #[inline(always)]
    pub fn watch_exit(&self) -> arena::Watching<'_> {
        // SAFETY: the word lives as long as the store, which outlives the call.
        unsafe { self.arena.watch(self.exit_word.get()) }
    }

    /// The address of the trap that has just ended a call; 0 where it is not known.
    pub fn take_fault_address(&self) -> usize {
        // Without a signal: where the guest would have gone on.
        match (self.fault_address.replace(0), self.arena.take_noted()) {
            (0, 0) => 0,
            (0, noted) => noted - 1,
            (signalled, _) => signalled,
        }
    }

    /// Closes the instance to all further calls: something in this library went wrong during one.
    pub fn poison(&self) {
        self.gate.store(RTW_ERR_POISONED, Relaxed);
    }

    /// Closes the gate to everybody, for the guest to be made anew.
    ///
    /// A call reads the gate, stores that it is in a call and only then compares the pass; no fence keeps it from having found the gate
    /// open long ago. So the pass is taken away first, and every thread put through a barrier: who stored before it is seen here,
    /// who stores after it meets no pass and asks in `come_in`, where one word decides between the two.
    fn close(&self) -> Result<Making<'_>> {
        let before = self.gate.load(Relaxed);
        self.has_not_left(cancel::section_at());
        match before {
            GATE_IN_CALL | GATE_IN_HOST | GATE_MAKING => return Err(busy()),
            RTW_ERR_FORKED => return Err(forked()),
            _ => {}
        }
        // A reset that unwound has left it closed.
        let open = if before == RTW_ERR_POISONED && self.is_making() { MAKING } else { NOT_MAKING };
        self.making.compare_exchange(open, CLOSING, SeqCst, Relaxed).map_err(|_| busy())?;
        if self.gate.compare_exchange(before, GATE_MAKING, SeqCst, Relaxed).is_err() {
            self.making.store(NOT_MAKING, SeqCst);
            return Err(busy());
        }
        let pass = self.pass.take();
        if membarrier::register() {
            membarrier::all_threads();
        }
        let is_closed =
            self.gate.load(SeqCst) == GATE_MAKING && self.making.compare_exchange(CLOSING, MAKING, SeqCst, Relaxed).is_ok();
        if !is_closed {
            self.making.store(NOT_MAKING, SeqCst);
            let _ = self.gate.compare_exchange(GATE_MAKING, before, Release, Relaxed);
            return Err(busy());
        }
        // Where this unwinds, half a guest may be there.
        Ok(Making { core: self, before, after: RTW_ERR_POISONED, pass })
    }

    /// Whether a call that found the gate open, and has stored that it is in a call, may go on. Else the gate is the reset's again.
    pub fn come_in(&self) -> std::result::Result<(), rtw_status_t> {
        fence(SeqCst);
        if self.making.compare_exchange(CLOSING, OVERTAKEN, SeqCst, SeqCst) != Err(MAKING) {
            return Ok(());
        }
        let _ = self.gate.compare_exchange(GATE_IN_CALL, GATE_MAKING, SeqCst, Relaxed);
        if self.making.load(SeqCst) != MAKING {
            // The reset has ended meanwhile, and may have found this call's word in the gate.
            let _ = self.gate.compare_exchange(GATE_MAKING, self.after.load(Relaxed), Release, Relaxed);
        }
        Err(RTW_ERR_BUSY)
    }

    /// Whether a guest is being made.
    #[inline(always)]
    fn is_making(&self) -> bool {
        self.making.load(Relaxed) == MAKING
    }

    /// Whether a gate that is not free lets a call of this thread through all the same, or what to answer.
    #[cold]
    pub fn reenter(&self, gate: rtw_status_t) -> std::result::Result<(), rtw_status_t> {
        self.admit(gate)?;
        match gate {
            GATE_ASK if !traps::arrive_here() => Err(RTW_ERR_SIGNALS),
            GATE_IN_HOST if self.timing.refuses() => Err(RTW_ERR_BUDGET),
            _ => Ok(()),
        }
    }

    /// Ends the process where the calling thread was in a host function and is behind it now, on the same stack: longjmp has taken
    /// it there, past a guest and the engine's records of it. `here` is the stack pointer. A place further down tells nothing.
    #[cold]
    pub fn has_not_left(&self, here: usize) {
        let is_this_threads = self.gate.load(Relaxed) == GATE_IN_HOST && self.host_thread.load(Relaxed) == thread::token();
        if is_this_threads && self.pass.is_behind(self.host_at.get(), here) {
            // SAFETY: the guest's, which cannot have gone: nobody gets past here.
            let host = unsafe { &*self.host.get() };
            left(host, b"longjmp");
        }
    }

    /// The same for the instance whose gate this is.
    ///
    /// # Safety
    /// It is one's.
    pub unsafe fn has_not_left_behind(gate: *const AtomicI32, here: usize) {
        // SAFETY: part of a core.
        unsafe { (*gate.byte_sub(std::mem::offset_of!(Core, gate)).cast::<Core>()).has_not_left(here) }
    }

    /// Whether the calling thread may look at the guest, or what to answer.
    fn admit(&self, gate: rtw_status_t) -> std::result::Result<(), rtw_status_t> {
        match gate {
            GATE_FREE | GATE_ASK => Ok(()),
            GATE_IN_HOST if self.host_thread.load(Relaxed) == thread::token() => Ok(()),
            GATE_IN_HOST | GATE_MAKING => Err(RTW_ERR_BUSY),
            status => Err(status),
        }
    }

    /// Whether a call that a host function makes is on the stack of the call that called it, above where guests have to stop: the
    /// engine holds it to the outer call's limit, wherever it is.
    pub fn is_within_outer_call(&self, here: usize) -> bool {
        self.entered_at.get().wrapping_sub(here) < self.guest_stack_bytes
    }

    /// The store, for the thread that has the instance now.
    ///
    /// # Safety
    /// One thread at a time, and the returned view is not kept beyond the call it was taken for.
    #[inline(always)]
    pub unsafe fn context(&self) -> Context {
        // SAFETY: a view is one reference; the copy replaces the original until it goes out of use. It is set while the
        // instance lives.
        unsafe { (*self.context.as_ptr()).as_ref().map(|c| std::ptr::read(c)).unwrap_unchecked() }
    }
}

/// The gate is closed while it lives.
struct Making<'a> {
    core: &'a Core,
    before: rtw_status_t,
    /// What the gate says then.
    after: rtw_status_t,
    /// What let the last caller in.
    pass: permit::Taken,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let core = self.core;
        if self.after == RTW_ERR_POISONED {
            // Nobody comes in before another reset has made a guest.
            core.gate.store(RTW_ERR_POISONED, Release);
            return;
        }
        core.after.store(self.after, Relaxed);
        // The guest is whole: from here on calls that found the gate open before may come in, and keep it.
        core.making.store(NOT_MAKING, SeqCst);
        core.pass.put_back(self.pass);
        // Nothing where one did, is being turned away, or where a child process was told that the instance is its parent's.
        let _ = core.gate.compare_exchange(GATE_MAKING, self.after, SeqCst, Relaxed);
    }
}

/// More than what is noted of one function that was looked up takes: mostly a histogram.
pub const FUNC_BYTES: usize = 24 << 10;

/// A function to be looked up.
pub struct Wanted<'a> {
    pub name: &'a str,
    /// None: any.
    pub signature: Option<Signature>,
    pub optional: bool,
}

impl Instance {
    /// Instantiates, which runs the start function. `handle` is what host functions are given.
    pub fn new(module: &Arc<Module>, imports: Option<&Imports>, config: Config, handle: *mut c_void) -> Result<Instance> {
        if matches!(config.growth, Growth::Ahead { .. }) && module.metadata.settings.profile != Profile::Plugin {
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                "memory can be committed ahead of growth only where the code checks its accesses itself, which is the plugin \
                 profile: in the standalone profile what is accessible is what the guest has",
            ));
        }
        budget::check(&config.limits, module.metadata.settings.interruption == Interruption::Guard)?;
        Instance::linked(module, host_functions(module, imports)?, config, handle, None)
    }

    /// `slot` is the one that counts what the instance holds.
    fn linked(
        module: &Arc<Module>,
        hosts: Vec<HostFunc>,
        config: Config,
        handle: *mut c_void,
        slot: Option<Arc<Pool>>,
    ) -> Result<Instance> {
        let core = Arc::new(Core {
            gate: AtomicI32::new(GATE_MAKING),
            pass: Pass::new(module.runtime.number()),
            entered_at: Cell::new(0),
            guest_stack_bytes: module.runtime.config.guest_stack_bytes,
            context: Cell::new(None),
            host_status: Cell::new(RTW_OK),
            host_thread: AtomicUsize::new(0),
            host: Cell::new(std::ptr::null()),
            host_at: Cell::new(0),
            lets_in: Cell::new(false),
            making: AtomicU8::new(MAKING),
            after: AtomicI32::new(GATE_FREE),
            float: fpu::Wanted::new(config.denormals),
            host_float: fpu::Host::new(),
            timing: Timing::new(&config.limits),
            held: Account::new(config.memory_limit_bytes.unwrap_or(0), &module.runtime.held, slot),
            prepared: AtomicBool::new(false),
            fault_address: Cell::new(0),
            exit_word: Cell::new(std::ptr::null()),
            arena: arena::Link::default(),
            growth: Counters::default(),
            fault: Cell::new(None),
            handle: Cell::new(handle),
        });
        let _ready = module.runtime.ready_for_traps(module.profile())?;
        let guest = Guest::new(module, &hosts, &config, &core)?;
        let instance = Instance {
            core,
            module: module.clone(),
            config,
            hosts,
            funcs: Mutex::new(Vec::new()),
            kept: Mutex::default(),
            past_calls: Mutex::new(Snapshot::empty()),
            began: Began::now(),
            in_slot: AtomicBool::new(false),
            guest: UnsafeCell::new(guest),
        };
        reserve::check()?;
        instance.take_view();
        instance.core.making.store(NOT_MAKING, Relaxed);
        instance.core.gate.store(instance.resting_gate(), Release);
        let needs_signals = module.profile() == Profile::Standalone;
        // SAFETY: taken back when the instance is dropped, before the core is.
        unsafe { module.runtime.signal_watch().add(&instance.core.gate, needs_signals) };
        // SAFETY: taken back when the instance is dropped, before the core is.
        unsafe { fork::tell_children(&instance.core.gate, RTW_ERR_FORKED) }?;
        Ok(instance)
    }

    /// What its gate says between calls, while nothing is wrong.
    fn resting_gate(&self) -> i32 {
        match self.module.profile() {
            Profile::Standalone => self.module.runtime.signal_watch().resting_gate(),
            // No signal is needed.
            Profile::Plugin => GATE_FREE,
        }
    }

    /// Makes the guest new: memories, tables and globals as the module has them, the start function run, every func pointed at
    /// its function again. What was prepared is made present again. On failure the instance stays as it is. Who calls meanwhile
    /// is told that the instance is busy.
    pub fn reset(&self) -> Result<()> {
        let mut making = self.core.close()?;
        let outcome = self.make_anew();
        making.after = if outcome.is_ok() { self.resting_gate() } else { making.before };
        outcome
    }

    fn make_anew(&self) -> Result<()> {
        let _ready = self.module.runtime.ready_for_traps(self.module.profile())?;
        // The start function may grow memory again.
        let was_prepared = self.core.prepared.swap(false, Relaxed);
        let fresh = self.fresh(was_prepared);
        self.core.prepared.store(was_prepared, Relaxed);
        let mut fresh = fresh?;
        let mut found = Vec::new();
        for func in self.living_funcs() {
            let new = fresh.instance.get_func(&mut fresh.store, &func.name);
            let gone = || Error::new(RTW_ERR_INTERNAL, format!("function \"{}\" is gone after a reset", func.name));
            found.push((func.clone(), new.ok_or_else(gone)?));
        }
        reserve::check()?;
        // SAFETY: the API gives us the instance's thread, and no call runs.
        let old = std::mem::replace(unsafe { &mut *self.guest.get() }, fresh);
        self.take_view();
        for (func, new) in found {
            func.func.set(new);
        }
        drop(old);
        self.core.fault.set(None);
        self.core.fault_address.set(0);
        self.core.growth.begin_anew();
        Ok(())
    }

    /// A new guest, beside the one there is.
    fn fresh(&self, warm: bool) -> Result<Guest> {
        let fresh = Guest::new(&self.module, &self.hosts, &self.config, &self.core)?;
        if warm {
            fresh.warm(self.module.runtime.config.lock)?;
        }
        Ok(fresh)
    }

    /// Sets the core's view of the store to our own.
    fn take_view(&self) {
        // SAFETY: nobody else has the guest; the store is boxed inside, so that the view stays valid when the instance moves.
        // It is taken back before the store goes.
        let context: Context = unsafe { std::mem::transmute((*self.guest.get()).store.as_context_mut()) };
        self.core.context.set(Some(context));
        self.core.exit_word.set(self.exit_word());
        // SAFETY: as above.
        Watching::take_over(unsafe { &*self.guest.get() }.watching.as_ref(), &self.core.timing);
    }

    /// For traps without a signal, which the standalone profile has as well: where the engine notes their address.
    fn exit_word(&self) -> *const usize {
        let (instance, _) = self.engine_parts();
        // SAFETY: as in `export`.
        let context = || unsafe { self.core.context() };
        let funcs = self.module.metadata.exports.iter().filter(|export| export.kind == ExternKind::Func);
        funcs
            .filter_map(|export| trap_pc::word(&instance.get_func(context(), &export.name)?, context()))
            .next()
            .map_or(std::ptr::null(), |word| word.as_ptr())
    }

    fn lock_funcs(&self) -> std::sync::MutexGuard<'_, Vec<Weak<FuncShared>>> {
        self.funcs.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The engine's handles, which are copies.
    fn engine_parts(&self) -> (wasmtime::Instance, Option<Memory>) {
        // SAFETY: replaced by a reset only, which has the instance to itself.
        let guest = unsafe { &*self.guest.get() };
        (guest.instance, guest.memory)
    }

    /// Refuses while a call runs on the instance, except from inside its host functions.
    fn idle(&self) -> Result<()> {
        self.core.has_not_left(cancel::section_at());
        match self.core.admit(self.core.gate.load(Relaxed)) {
            Err(RTW_ERR_BUSY) => Err(busy()),
            // A faulted guest can still be looked at.
            _ => Ok(()),
        }
    }

    fn export(&self, name: &str, kind: &str) -> Result<Extern> {
        self.idle()?;
        // SAFETY: the API gives us the instance's thread, and the gate is open.
        let context = unsafe { self.core.context() };
        self.engine_parts().0.get_export(context, name).ok_or_else(|| {
            let exports = self.module.metadata.exports.iter().filter(|e| e.kind.name() == kind);
            let there = naming::few(exports.map(|e| e.name.as_str()));
            let name = naming::shown(name);
            Error::new(RTW_ERR_NO_EXPORT, format!("there is no export \"{name}\"; exports of this kind: {there}"))
        })
    }

    /// Base address and size in bytes of an exported memory; of the default one without a name.
    pub fn memory(&self, name: Option<&str>) -> Result<(*mut u8, usize)> {
        let memory = match name {
            None => {
                self.idle()?;
                self.engine_parts().1.ok_or_else(|| Error::new(RTW_ERR_NO_EXPORT, "the module exports no memory"))?
            }
            Some(name) => match self.export(name, "memory")? {
                Extern::Memory(memory) => memory,
                other => return Err(wrong_kind(name, "memory", &other)),
            },
        };
        // SAFETY: as in `export`.
        let context = unsafe { self.core.context() };
        Ok((memory.data_ptr(&context), memory.data_size(&context)))
    }

    /// A pointer to `length` bytes at `offset` of the default memory, or null if they are not all inside.
    #[inline]
    pub fn memory_at(&self, offset: u64, length: u64) -> *mut u8 {
        if self.core.is_making() {
            return std::ptr::null_mut();
        }
        let Some(memory) = self.engine_parts().1 else { return std::ptr::null_mut() };
        // SAFETY: the API gives us the instance's thread, and the guest is made.
        let context = unsafe { self.core.context() };
        match offset.checked_add(length) {
            Some(end) if end <= memory.data_size(&context) as u64 => memory.data_ptr(&context).wrapping_add(offset as usize),
            _ => std::ptr::null_mut(),
        }
    }

    pub fn global(&self, name: &str) -> Result<Global> {
        match self.export(name, "global")? {
            Extern::Global(global) => Ok(global),
            other => Err(wrong_kind(name, "global", &other)),
        }
    }

    /// A global's value, in the layout that calls use.
    pub fn global_get(&self, name: &str) -> Result<ValRaw> {
        let global = self.global(name)?;
        // SAFETY: as in `export`.
        let value = global.get(unsafe { self.core.context() });
        match value {
            Val::I32(v) => Ok(ValRaw::i32(v)),
            Val::I64(v) => Ok(ValRaw::i64(v)),
            Val::F32(v) => Ok(ValRaw::f32(v)),
            Val::F64(v) => Ok(ValRaw::f64(v)),
            Val::V128(v) => Ok(ValRaw::v128(v.as_u128())),
            _ => Err(Error::new(RTW_ERR_UNSUPPORTED, format!("global \"{name}\" is a reference, which cannot cross into C"))),
        }
    }

    pub fn global_set(&self, name: &str, value: ValRaw) -> Result<()> {
        let global = self.global(name)?;
        // SAFETY: as in `export`.
        let context = unsafe { self.core.context() };
        let ty = global.ty(&context);
        if ty.mutability() == Mutability::Const {
            return Err(Error::new(RTW_ERR_ARGUMENT, format!("global \"{name}\" is immutable")));
        }
        let value = match ty.content() {
            wasmtime::ValType::I32 => Val::I32(value.get_i32()),
            wasmtime::ValType::I64 => Val::I64(value.get_i64()),
            wasmtime::ValType::F32 => Val::F32(value.get_f32()),
            wasmtime::ValType::F64 => Val::F64(value.get_f64()),
            wasmtime::ValType::V128 => Val::V128(value.get_v128().into()),
            wasmtime::ValType::Ref(_) => {
                return Err(Error::new(
                    RTW_ERR_UNSUPPORTED,
                    format!("global \"{name}\" is a reference, which cannot cross into C"),
                ));
            }
        };
        global.set(context, value).map_err(|e| Error::new(RTW_ERR_INTERNAL, format!("global \"{name}\": {e:#}")))
    }

    /// Looks up a function and holds its type against `wanted`.
    pub fn func(self: &Arc<Self>, name: &str, wanted: Option<&Signature>) -> Result<Func> {
        let func = match self.export(name, "func")? {
            Extern::Func(func) => func,
            other => return Err(wrong_kind(name, "function", &other)),
        };
        // SAFETY: as in `export`.
        let ty = func.ty(unsafe { self.core.context() });
        let signature = Signature::of(&ty).ok_or_else(|| {
            Error::new(RTW_ERR_UNSUPPORTED, format!("function \"{name}\" uses reference types, which cannot cross into C"))
        })?;
        if let Some(wanted) = wanted.filter(|wanted| **wanted != signature) {
            return Err(Error::new(
                RTW_ERR_SIGNATURE,
                format!("function \"{name}\" has type {signature}; {wanted} was asked for"),
            ));
        }
        let config = &self.module.runtime.config;
        let (mut shared, kept) = locked_heap::keep(config.lock, || {
            Arc::new(FuncShared {
                func: Cell::new(func),
                value_count: signature.value_count(),
                recorder: config.statistics.then(Recorder::new),
                signature,
                name: name.to_owned(),
                instance: self.clone(),
                kept: Kept::default(),
            })
        });
        if let Some(shared) = Arc::get_mut(&mut shared) {
            shared.kept = kept;
        }
        let mut funcs = self.lock_funcs();
        let room = reserve::room(&mut funcs, 1).and_then(|()| reserve::check());
        if room.is_ok() {
            funcs.push(Arc::downgrade(&shared));
        }
        drop(funcs);
        room?;
        Ok(Func { core: Arc::as_ptr(&self.core), shared })
    }

    /// Looks up several functions, those that are optional and not there as None. The error names all that are missing, and says of
    /// each that is something else what it is.
    pub fn funcs(self: &Arc<Self>, wanted: &[Wanted<'_>]) -> Result<Vec<Option<Func>>> {
        self.idle()?;
        let (mut missing, mut wrong) = (vec![], vec![]);
        let mut first = None;
        let mut look_up = |wanted: &Wanted<'_>| match self.func(wanted.name, wanted.signature.as_ref()) {
            Ok(func) => Some(func),
            Err(error) if error.status == RTW_ERR_NO_EXPORT && wanted.optional => None,
            Err(error) => {
                first.get_or_insert(error.status);
                match error.status {
                    RTW_ERR_NO_EXPORT => missing.push(format!("\"{}\"", naming::shown(wanted.name))),
                    _ => wrong.push(error.message),
                }
                None
            }
        };
        let funcs = wanted.iter().map(&mut look_up).collect();
        let Some(status) = first else { return Ok(funcs) };
        if !missing.is_empty() {
            wrong.insert(0, format!("there is no export {}", missing.join(", ")));
        }
        Err(Error::new(status, wrong.join("; ")))
    }

    /// Makes the guest's memories and code present, and locked where the runtime wants it.
    pub fn warm(&self) -> Result<Warmed> {
        self.idle()?;
        let lock = self.module.runtime.config.lock;
        let mut warmed = self.module.warm_code()?;
        // SAFETY: as in `export`.
        warmed += unsafe { &*self.guest.get() }.warm(lock)?;
        warmed += Warmed::kept(*self.lock_kept(), lock)?;
        Ok(warmed)
    }

    /// Runs `make`, which makes something that calls of this instance touch.
    pub fn keep<T>(&self, make: impl FnOnce() -> T) -> T {
        let (made, kept) = locked_heap::keep(self.module.runtime.config.lock, make);
        self.count_kept(kept);
        made
    }

    /// Notes what was kept for this instance.
    pub fn count_kept(&self, kept: Kept) {
        *self.lock_kept() += kept;
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Makes present what recording the calls of this instance's funcs touches.
    pub(super) fn warm_funcs(&self) -> Result<Warmed> {
        let mut warmed = Warmed::default();
        for func in self.living_funcs() {
            warmed += func.warm(self.module.runtime.config.lock)?;
        }
        Ok(warmed)
    }

    /// The funcs that were looked up and still exist. Whoever drops the last hold of one needs the list: not to be done with
    /// the list locked.
    pub fn living_funcs(&self) -> Vec<Arc<FuncShared>> {
        self.lock_funcs().iter().filter_map(Weak::upgrade).collect()
    }

    /// Everything that this instance's funcs have recorded ever, those that are no more included; None where statistics are off.
    pub fn recorded(&self) -> Option<Snapshot> {
        if !self.module.runtime.config.statistics {
            return None;
        }
        loop {
            let funcs = self.lock_funcs();
            let living: Vec<Arc<FuncShared>> = funcs.iter().filter_map(Weak::upgrade).collect();
            // One that is in the list and cannot be had any more is about to hand in its figures, and waits for the list.
            let complete = living.len() == funcs.len();
            let mut sum = complete.then(|| self.lock_past_calls().clone());
            drop(funcs);
            if let Some(sum) = &mut sum {
                living.iter().filter_map(|func| func.recorder.as_ref()).for_each(|recorder| sum.add(&recorder.ever()));
                return Some(sum.clone());
            }
            drop(living);
            std::thread::yield_now();
        }
    }

    /// Since when the instance has been there.
    pub fn began(&self) -> Began {
        self.began
    }

    fn lock_past_calls(&self) -> std::sync::MutexGuard<'_, Snapshot> {
        self.past_calls.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Refuses in a forked child.
    pub(super) fn is_ours(&self) -> Result<()> {
        match self.core.gate.load(Relaxed) {
            RTW_ERR_FORKED => Err(forked()),
            _ => Ok(()),
        }
    }

    /// From here on calls have deadlines: what takes a system call is refused.
    pub fn was_prepared(&self) -> bool {
        self.core.prepared.load(Relaxed)
    }

    /// Whether a call has closed it: a fault, or a defect.
    #[inline(always)]
    pub fn is_faulted(&self) -> bool {
        matches!(self.core.gate.load(Acquire), RTW_ERR_FAULTED | RTW_ERR_POISONED)
    }

    /// Whether each of its calls is cut off before so much time has passed.
    pub fn is_cut_off_within(&self, time_ns: u64) -> bool {
        self.config.limits.cuts_off_within(time_ns)
    }

    /// Another instance of the same module, linked to the same host functions, with the same configuration, counted by the same
    /// slot.
    pub fn another(&self) -> Result<Instance> {
        // Its handle is made afterwards, before any host function asks for it but the start function's, which may not use it.
        Instance::linked(&self.module, self.hosts.clone(), self.config, std::ptr::null_mut(), self.core.held.slot())
    }

    /// What its guest needs from the start.
    pub fn need(&self) -> Need {
        held::need(&self.module.metadata)
    }

    /// What host functions are given as their instance from now on. No call runs.
    pub fn set_handle(&self, handle: *mut c_void) {
        self.core.handle.set(handle);
    }

    /// What host functions are given as their instance.
    pub fn handle(&self) -> *mut c_void {
        self.core.handle.get()
    }

    /// Grows the default memory, prepared or not, and answers where the new part begins. The caller has the instance.
    pub(super) fn grow_for_setup(&self, pages: u64) -> Result<u64> {
        let memory = self.engine_parts().1.ok_or_else(|| Error::new(RTW_ERR_NO_EXPORT, "the module exports no memory"))?;
        let was_prepared = self.core.prepared.swap(false, Relaxed);
        // SAFETY: as in `export`.
        let grown = memory.grow(unsafe { self.core.context() }, pages);
        self.core.prepared.store(was_prepared, Relaxed);
        grown.map(|before| before * 65536).map_err(|e| Error::new(RTW_ERR_LIMIT, format!("{e:#}")))
    }

    pub(super) fn is_prepared(&self) {
        self.core.arena.find();
        // Nothing to be said where this is not the thread that will call.
        self.core.pass.warm(stack::pointer());
        self.core.prepared.store(true, Relaxed);
    }

    /// What the fault was that closed the instance, if one did.
    pub fn fault(&self) -> Option<fault::Fault> {
        let record = self.core.fault.get()?;
        Some(fault::resolve(&self.module, record))
    }
}

impl Guest {
    fn new(module: &Module, hosts: &[HostFunc], config: &Config, core: &Arc<Core>) -> Result<Guest> {
        let _visit = if module.metadata.has_start { module.runtime.visit()? } else { None };
        // Tables are asked for by the engine in a way that can fail.
        let need = held::need(&module.metadata);
        let noted = need.record_bytes.saturating_add(need.global_bytes).saturating_mul(2) as usize;
        let make = || reserve::with_room(noted, || Guest::make(module, hosts, config, core));
        let (guest, kept) = locked_heap::keep(module.runtime.config.lock, make);
        Ok(Guest { kept, ..guest? })
    }

    fn make(module: &Module, hosts: &[HostFunc], config: &Config, core: &Arc<Core>) -> Result<Guest> {
        let settings = &module.metadata.settings;
        let need = held::need(&module.metadata);
        let ahead_left = config.ahead_in_all(module, &need);
        let share =
            Share::open(&core.held, need.total().saturating_add(ahead_left)).map_err(|full| full.error(&need, ahead_left))?;
        let guard_index = (settings.interruption == Interruption::Guard).then_some(module.metadata.memories.len());
        let guard_bytes = if guard_index.is_some() { GUARD_MEMORY_BYTES } else { 0 };
        let data = Data {
            share: share.clone(),
            memories_to_be_made: module.metadata.memories.len() + usize::from(guard_index.is_some()),
            tables_to_be_made: need.table_count,
            declared_bytes: need.memory_bytes.saturating_add(need.table_bytes).saturating_add(guard_bytes),
            growth: config.growth,
            core: core.clone(),
        };
        let mut store = Store::try_new(module.code.engine(), data).map_err(|_| reserve::exhausted())?;
        store.limiter(|data| data);
        never_interrupt(&mut store, module.metadata.settings.interruption)?;
        if module.metadata.settings.profile == Profile::Standalone {
            let core = core.clone();
            let code = module.code.text().as_ptr_range();
            let code = code.start as usize..code.end as usize;
            // SAFETY: the handler stores some words and at most opens a page, which is async-signal-safe; the address is told to
            // nobody before the call that faulted has come back.
            unsafe {
                store.set_signal_handler(move |_, info, context| {
                    if core.timing.meets_closed_page((*info).si_addr() as usize) {
                        return true;
                    }
                    // A fault of the host's own, in a host function, is repaired by its handler or ends the process.
                    let address = handlers::interrupted_at(context);
                    if code.contains(&address) {
                        core.fault_address.set(address);
                    }
                    false
                });
            }
        }
        let externs: Vec<Extern> = hosts
            .iter()
            .map(|host| {
                let ty = host.signature.engine_type(module.code.engine());
                let host = host.clone();
                // SAFETY: the type is the import's own, and `call_host` passes the values on untouched.
                unsafe {
                    match host.may_block {
                        false => EngineFunc::new_unchecked(&mut store, ty, move |caller, values| {
                            call_host::<false>(&host, caller, values)
                        }),
                        true => EngineFunc::new_unchecked(&mut store, ty, move |caller, values| {
                            call_host::<true>(&host, caller, values)
                        }),
                    }
                }
                .into()
            })
            .collect();
        let signals = settings.profile == Profile::Standalone;
        let ahead_left_bytes = usize::try_from(ahead_left).unwrap_or(usize::MAX);
        let wanted = memory::Wanted { ahead_bytes: config.ahead(), ahead_left_bytes, guard_index, signals };
        core.host_float.note();
        let modes = core.host_float.modes(core.float);
        modes.enter();
        let (made, memories) = memory::collect(wanted, &share, || wasmtime::Instance::new(&mut store, &module.code, &externs));
        modes.leave();
        let instance = made.map_err(|e| instantiation_error(core, memories.refused, &e))?;
        let memory = default_memory(module, instance, &mut store);
        let (watching, guard) = match &memories.guard {
            Some(guard) => (
                Watching::new(&module.runtime, guard, settings.profile == Profile::Plugin, &config.limits)?,
                // Whether it has to be locked is asked when the instance is prepared.
                guard.warm(if module.runtime.config.lock == Lock::Off { Lock::Off } else { Lock::On })?,
            ),
            None => (None, Warmed::default()),
        };
        Ok(Guest { watching, instance, memory, memories: memories.made, guard, kept: Kept::default(), store })
    }

    /// Makes the memories present, and locked where asked.
    fn warm(&self, lock: Lock) -> Result<Warmed> {
        let mut warmed = Warmed::kept(self.kept, lock)?;
        for memory in &self.memories {
            warmed += memory.warm(lock)?;
        }
        if lock == Lock::Required && self.guard.locked_bytes < self.guard.touched_bytes {
            return Err(Error::new(RTW_ERR_MEMLOCK, "the budget guard's page could not be locked when the instance was made"));
        }
        warmed += self.guard;
        Ok(warmed)
    }
}

/// Code that looks at epochs or counts fuel, which is made for comparison only, runs as long as it likes: without a word it would
/// be stopped at its first look.
fn never_interrupt(store: &mut Store<Data>, interruption: Interruption) -> Result<()> {
    match interruption {
        Interruption::Epoch => store.set_epoch_deadline(u64::MAX / 2),
        Interruption::Fuel => {
            store.set_fuel(u64::MAX).map_err(|e| Error::new(RTW_ERR_INTERNAL, format!("the engine takes no fuel: {e:#}")))?
        }
        _ => {}
    }
    Ok(())
}

/// The host function for each of the module's imports.
fn host_functions(module: &Module, imports: Option<&Imports>) -> Result<Vec<HostFunc>> {
    imports::check_kinds(&module.metadata)?;
    module
        .code
        .imports()
        .map(|import| {
            let ExternType::Func(ty) = import.ty() else {
                return Err(Error::new(
                    RTW_ERR_INTERNAL,
                    format!("import \"{}\" is not what its artifact says", import.name()),
                ));
            };
            let wanted = Signature::of(&ty).ok_or_else(|| imports::uncallable(import.module(), import.name()))?;
            match imports {
                Some(imports) => imports.find(import.module(), import.name(), &wanted),
                None => Err(missing(import.module(), import.name(), &wanted)),
            }
        })
        .collect()
}

fn instantiation_error(core: &Core, refused: Option<Error>, error: &wasmtime::Error) -> Error {
    // Told here: the next fault is not to take it for its own.
    core.fault_address.set(0);
    let host = core.host_status.replace(RTW_OK);
    if host != RTW_OK {
        return Error::new(RTW_ERR_HOST, format!("the start function ended because a host function answered {host}"));
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => Error::new(trap_status(*trap), format!("the start function or an initialiser trapped: {trap}")),
        None => refused.unwrap_or_else(|| refusal::refused(RTW_ERR_NO_MEMORY, "the instance cannot be made", error)),
    }
}

/// The memory exported as "memory", else the first exported one.
fn default_memory(module: &Module, instance: wasmtime::Instance, store: &mut Store<Data>) -> Option<Memory> {
    instance.get_memory(&mut *store, "memory").or_else(|| {
        let first = module.code.exports().find(|e| matches!(e.ty(), ExternType::Memory(_)))?;
        instance.get_memory(&mut *store, first.name())
    })
}

/// An export that was looked up and checked once, with the figures of its calls. A clone is the same func.
#[derive(Clone)]
pub struct Func {
    pub(super) core: *const Core,
    pub shared: Arc<FuncShared>,
}

/// What a func's handle and its instance both know.
pub struct FuncShared {
    /// Replaced by a reset, which has the instance to itself.
    pub(super) func: Cell<EngineFunc>,
    pub value_count: usize,
    /// None where the runtime's statistics are off.
    pub recorder: Option<Recorder>,
    pub signature: Signature,
    pub name: String,
    pub instance: Arc<Instance>,
    kept: Kept,
}

// SAFETY: as for `Instance`; the statistics are atomic.
unsafe impl Send for Func {}
// SAFETY: as for Send.
unsafe impl Sync for Func {}
// SAFETY: as for `Func`, which shares it.
unsafe impl Send for FuncShared {}
// SAFETY: as for Send.
unsafe impl Sync for FuncShared {}

impl Func {
    /// The limits of its instance's calls.
    #[inline(always)]
    pub fn timing(&self) -> &Timing {
        // SAFETY: a func keeps its instance alive, and the core does not move.
        unsafe { &(*self.core).timing }
    }
}

impl Drop for FuncShared {
    /// Leaves the figures to the instance.
    fn drop(&mut self) {
        let mut funcs = self.instance.lock_funcs();
        funcs.retain(|func| !std::ptr::eq(func.as_ptr(), self));
        if let Some(recorder) = &self.recorder {
            self.instance.lock_past_calls().add(&recorder.ever());
        }
    }
}

impl FuncShared {
    fn warm(&self, lock: Lock) -> Result<Warmed> {
        let recorder: usize = self.recorder.iter().flat_map(Recorder::ranges).map(|range| range.len()).sum();
        // The recorder's are counted below.
        let beside = Kept { bytes: self.kept.bytes.saturating_sub(recorder), ..self.kept };
        let mut warmed = Warmed::kept(beside, lock)?;
        for range in self.recorder.iter().flat_map(Recorder::ranges) {
            // SAFETY: our own memory. A value that is recorded meanwhile may be lost where the kernel cannot populate; prepare
            // comes before calls.
            unsafe { pages::touch_for_writing(range.clone()) };
            warmed.locked_bytes += pages::lock_as(lock, range.clone())?;
            warmed.touched_bytes += range.len();
        }
        Ok(warmed)
    }
}

fn busy() -> Error {
    Error::new(RTW_ERR_BUSY, "the instance is in a call, or is being reset")
}

fn forked() -> Error {
    Error::new(RTW_ERR_FORKED, "the instance belongs to the parent process")
}

fn wrong_kind(name: &str, wanted: &str, found: &Extern) -> Error {
    let found = match found {
        Extern::Func(_) => "function",
        Extern::Memory(_) | Extern::SharedMemory(_) => "memory",
        Extern::Global(_) => "global",
        Extern::Table(_) => "table",
        Extern::Tag(_) => "tag",
    };
    Error::new(RTW_ERR_EXPORT_KIND, format!("export \"{name}\" is a {found}, not a {wanted}"))
}

/// A guest's call into the host. The gate opens for the time of it to this thread, so that the host may call back into the
/// guest.
///
/// `BLOCKS`: it may block, and a thread may end in it.
fn call_host<const BLOCKS: bool>(
    host: &HostFunc,
    mut caller: Caller<'_, Data>,
    values: &mut [MaybeUninit<ValRaw>],
) -> wasmtime::Result<()> {
    let core: *const Core = &*caller.data().core;
    // SAFETY: the store that is calling holds its core.
    let core = unsafe { &*core };
    // It has the thread's floating-point environment; what it makes of it is undone.
    let modes = core.host_float.modes(core.float);
    let mut call = || {
        modes.enter_host();
        if BLOCKS {
            let answer = call_blocking(host, core, values);
            modes.leave_host();
            core.host_float.restore(modes);
            return answer;
        }
        // This catch makes an unwinder find a handler in this frame, and unwind to it.
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let left = Left { host };
            // SAFETY: the host vouches for its function; the values are an array of 16-byte unions, as it expects.
            let answer = unsafe { (host.func)(host.user_data, core.handle.get(), values.as_mut_ptr().cast()) };
            std::mem::forget(left);
            answer
        }))
        .unwrap_or(RTW_ERR_INTERNAL);
        modes.leave_host();
        // Calls that it made had theirs.
        core.host_float.restore(modes);
        answer
    };
    if core.is_making() {
        // A start function: the gate stays closed, since there is nothing yet to call back into.
        let answer = call();
        return if answer == RTW_OK { Ok(()) } else { Err(host_error(core, answer)) };
    }
    // SAFETY: the view is taken back below, before the engine's own becomes usable again.
    let inner: Context = unsafe { std::mem::transmute(caller.as_context_mut()) };
    let outer = core.context.replace(Some(inner));
    core.host_thread.store(thread::token(), Relaxed);
    core.host.set(host);
    core.host_at.set(stack::pointer());
    compiler_fence(SeqCst);
    core.gate.store(GATE_IN_HOST, Relaxed);
    let answer = call();
    // A call from a signal handler may come between any two of these lines: the gate closes before the view changes, and opens
    // after it.
    let gate = core.gate.load(Relaxed);
    if gate == GATE_IN_HOST {
        core.gate.store(GATE_IN_CALL, Relaxed);
    }
    compiler_fence(SeqCst);
    core.context.set(outer);
    // A call that the host function made may have faulted, or the process been forked: then the gate is closed, whatever the
    // host answers.
    if gate == GATE_IN_HOST && answer == RTW_OK {
        return Ok(());
    }
    Err(host_error(core, if answer == RTW_OK { gate } else { answer }))
}

/// Dropped where a host function does not return: something unwinds the stack, which cannot pass through a guest.
struct Left<'a> {
    host: &'a HostFunc,
}

impl Drop for Left<'_> {
    #[cold]
    fn drop(&mut self) {
        left(self.host, b"an exception, by pthread_exit or because the thread was cancelled")
    }
}

/// A host function did not return, and this is what has left it.
#[cold]
fn left(host: &HostFunc, by: &[u8]) -> ! {
    end::process_of(&[
        b"the host function \"",
        host.module.as_bytes(),
        b"\" \"",
        host.name.as_bytes(),
        b"\" was left by ",
        by,
        b", which cannot pass through a guest",
    ])
}

/// Calls a host function that may block. Where the thread ends in it the guest's call ends first, as if it had answered
/// RTW_ERR_CANCELLED; whoever called the guest goes on with the thread's end.
#[inline(never)]
fn call_blocking(host: &HostFunc, core: &Core, values: &mut [MaybeUninit<ValRaw>]) -> rtw_status_t {
    let mark = Mark::here();
    let let_in = Opened::let_in();
    core.lets_in.set(let_in.is_some());
    // SAFETY: as for one that does not block.
    let came = unsafe { unwind::call(host.func, host.user_data, core.handle.get(), values.as_mut_ptr().cast()) };
    core.lets_in.set(false);
    if let Some(let_in) = let_in {
        let_in.hold_again();
    }
    match came {
        Came::Back(answer) => answer,
        Came::Leaving if unwind::may_leave() => {
            mark.stop();
            RTW_ERR_CANCELLED
        }
        Came::Leaving => left(host, b"pthread_exit, or because the thread was cancelled, which is the library's own"),
        Came::Thrown => left(host, b"an exception"),
    }
}

/// Notes what the host answered, and gives the engine a reason to end the call.
#[cold]
fn host_error(core: &Core, answer: rtw_status_t) -> wasmtime::Error {
    core.host_status.set(answer);
    Trap::UnreachableCodeReached.into()
}

/// The status for a trap of the engine.
pub fn trap_status(trap: Trap) -> rtw_status_t {
    match trap {
        Trap::UnreachableCodeReached => RTW_ERR_TRAP_UNREACHABLE,
        Trap::MemoryOutOfBounds => RTW_ERR_TRAP_MEMORY,
        Trap::HeapMisaligned => RTW_ERR_TRAP_MISALIGNED,
        Trap::TableOutOfBounds => RTW_ERR_TRAP_TABLE,
        Trap::IndirectCallToNull | Trap::BadSignature => RTW_ERR_TRAP_INDIRECT_CALL,
        Trap::IntegerDivisionByZero => RTW_ERR_TRAP_DIVIDE_BY_ZERO,
        Trap::IntegerOverflow => RTW_ERR_TRAP_INTEGER_OVERFLOW,
        Trap::BadConversionToInteger => RTW_ERR_TRAP_BAD_CONVERSION,
        Trap::StackOverflow => RTW_ERR_TRAP_STACK,
        Trap::Interrupt | Trap::OutOfFuel => RTW_ERR_BUDGET,
        _ => RTW_ERR_TRAP_OTHER,
    }
}
