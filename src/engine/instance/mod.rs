//! One guest with its own memory, and the functions looked up in it.
//!
//! One thread at a time uses an instance. Its `gate` holds in one word what a call has to know first: free, in a call, or a
//! status that every further call returns. A reset creates a new guest behind the same handle: the funcs that were looked up
//! stay, and then refer to the new guest's functions.

mod access;
mod added;
mod core;
mod func;
mod global;
mod guest;
mod link;
mod mapped;
mod names;
mod table;
mod turn;

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicUsize};
use std::sync::{Arc, Mutex, Weak};
use wasmtime::{AsContextMut, Memory};

use self::core::{Context, GATE_MAKING, MAKING, NOT_MAKING, forked};
use super::artifact::{ExternKind, MemoryFacts, Need};
use super::budget::{Limits, Registration, Timing};
use super::fault;
use super::growth::Counters;
use super::held::{Account, Pool};
use super::housekeeper::Tend;
use super::imports::{self, Imports, Linked};
use super::log::{self, Log};
use super::module::Module;
use super::native::{Ended, Setup};
use super::profile::{Interruption, Profile};
use super::trap_pc;
use crate::record::recorder::Began;
use crate::record::snapshot::Snapshot;
use crate::rt::locked_heap::{self, Kept};
use crate::rt::permit::Pass;
use crate::rt::{arena, cancel, fork, reserve};
use crate::status::*;
use crate::sys::fpu::{self, Denormals};
use added::Added;
use guest::Guest;
use link::host_functions;
use rtwasm_enter::Hot;

pub use self::added::Put;
pub use self::core::{Core, GATE_ASK, GATE_FREE, GATE_IN_CALL, GATE_IN_HOST};
pub use func::{FUNC_BYTES, Func, FuncShared, Wanted};
pub use global::Global;
pub(in crate::engine) use guest::Data;
pub use mapped::Mapped;
pub use table::Entry;
pub use turn::Turn;

/// The effect of growth of memories and tables once the instance is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Growth fails inside the guest, as if the maximum were reached, because it makes a system call or allocates.
    Refused,
    Allowed,
    /// A memory may grow up to this number of bytes, which are committed from the start; further growth, and growth of tables,
    /// is refused.
    Ahead {
        bytes: u64,
    },
}

/// Configuration of an instance.
#[derive(Clone)]
pub struct Config {
    /// The limit of what the guest may make the host hold.
    pub memory_limit_bytes: Option<u64>,
    pub growth: Growth,
    /// The treatment of denormals during its calls.
    pub denormals: Denormals,
    pub limits: Limits,
    /// True if `_initialize` is called in each new guest.
    pub initialise: bool,
    /// The size of the log; 0: the default.
    pub log_bytes: u64,
    /// True if a guest goes on after a fault, without a reset.
    pub stateless: bool,
    /// The system that the imports describe; `Instance::new` reads it from them.
    pub system: Option<Arc<Setup>>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            memory_limit_bytes: None,
            growth: Growth::Refused,
            denormals: Denormals::Keep,
            limits: Limits::NONE,
            initialise: true,
            stateless: false,
            log_bytes: 0,
            system: None,
        }
    }
}

impl Config {
    /// The size of each memory that is committed from the start, beyond the module's own.
    fn ahead(&self) -> usize {
        match self.growth {
            Growth::Ahead { bytes } => usize::try_from(bytes).unwrap_or(usize::MAX),
            Growth::Refused | Growth::Allowed => 0,
        }
    }

    /// The bytes that all memories commit beyond the module's own sizes, within the limit.
    fn ahead_in_all(&self, module: &Module, linked: &[Linked], need: &Need) -> u64 {
        // Left at once, so that the optimiser does not compute with bytes that another variant of the growth does not have.
        let Growth::Ahead { bytes: ahead } = self.growth else { return 0 };
        let of = |memory: MemoryFacts| {
            let most = memory.max_bytes.unwrap_or(u64::MAX).min(module.metadata.settings.memory_reservation_bytes);
            ahead.min(most).saturating_sub(memory.min_bytes)
        };
        let sum = imports::memories(&module.metadata, linked).map(of).fold(0, u64::saturating_add);
        sum.min(self.memory_limit_bytes.unwrap_or(u64::MAX).saturating_sub(need.total()))
    }
}

pub struct Instance {
    pub core: Arc<Core>,
    /// Replaced by a reset, which has exclusive use. Dropped before the module, which then drops the code.
    guest: UnsafeCell<Guest>,
    pub module: Arc<Module>,
    config: Config,
    /// The functions that it is linked against, for a reset; in the order of the module's imports.
    hosts: Vec<Linked>,
    /// Additions of the host, for a reset.
    added: Mutex<Added>,
    /// The funcs that were looked up and still exist.
    funcs: Mutex<Vec<Weak<FuncShared>>>,
    /// The globals that were looked up, each once.
    globals: Mutex<Vec<Arc<global::Found>>>,
    /// Memory that calls touch, beside the guest's and the funcs'.
    kept: Mutex<Kept>,
    /// The recordings of funcs that no longer exist; none at first. Locked while `funcs` is, so that a func is in exactly one of the two.
    past_calls: Mutex<Option<Snapshot>>,
    began: Began,
    /// True if a slot has the instance.
    pub(in crate::engine) in_slot: AtomicBool,
}

// SAFETY: what only one thread at a time may do is a method of `Turn`, whose maker sees to that, or a call, whose caller does.
unsafe impl Send for Instance {}
// SAFETY: as for Send.
unsafe impl Sync for Instance {}

impl Drop for Instance {
    fn drop(&mut self) {
        self.core.has_not_left(cancel::section_at());
        let is_forked = self.core.gate.load(Relaxed) == RTW_ERR_FORKED;
        if let Some(log) = self.core.log.as_ref().filter(|_| !is_forked) {
            Data::of_mut(self.guest.get_mut().store.data_mut()).end_lines();
            // The rest of the messages: the housekeeper reads it, as before.
            let drain = log.drain.clone();
            let _ = self.module.runtime.housekeeper().post(move || drain.tend());
        }
        fork::forget(&self.core.gate);
        self.module.runtime.signal_watch().take_back(&self.core.gate);
        // The view of the store must not outlive it.
        self.core.context.set(None);
    }
}

/// The state that calls read, of an instance that is being made.
fn new_core(module: &Module, config: &Config, handle: *mut c_void, slot: Option<Arc<Pool>>, log: Option<Log>) -> Core {
    Core {
        hot: Hot {
            gate: AtomicI32::new(GATE_MAKING),
            host_float: fpu::Host::new(),
            float: fpu::Wanted::new(config.denormals),
            pass: Pass::new(module.runtime.number()),
            entered_at: Cell::new(0),
            caller: AtomicUsize::new(0),
            context: Cell::new(None),
            exit_word: Cell::new(std::ptr::null()),
            arena: arena::Link::default(),
            gate_after: Cell::new(GATE_FREE),
            is_inner: Cell::new(false),
        },
        timing: Timing::new(&config.limits),
        guest_stack_bytes: module.runtime.config.guest_stack_bytes,
        host_status: Cell::new(RTW_OK),
        ended: Cell::new(Ended::No),
        host: Cell::new(std::ptr::null()),
        host_at: Cell::new(0),
        differs: Cell::new(true),
        lets_in: Cell::new(false),
        making: AtomicU8::new(MAKING),
        after: AtomicI32::new(GATE_FREE),
        held: Account::new(config.memory_limit_bytes.unwrap_or(0), &module.runtime.held, slot),
        prepared: AtomicBool::new(false),
        fault_address: Cell::new(0),
        log,
        growth: Counters::default(),
        fault: Cell::new(None),
        handle: Cell::new(handle),
    }
}

impl Instance {
    /// Instantiates, which runs the start function. `handle` is the instance's handle for host functions.
    pub fn new(module: &Arc<Module>, imports: Option<&Imports>, config: Config, handle: *mut c_void) -> Result<Instance> {
        if matches!(config.growth, Growth::Ahead { .. }) && module.metadata.settings.profile != Profile::Plugin {
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                "memory can be committed ahead of growth only where the code checks its accesses itself, which is the plugin \
                 profile: in the standalone profile what is accessible is what the guest has",
            ));
        }
        if matches!(config.growth, Growth::Ahead { .. })
            && module.metadata.imports.iter().any(|one| one.kind == ExternKind::Memory)
        {
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                "a memory that the module imports cannot be committed ahead of growth",
            ));
        }
        config.limits.check(module.metadata.settings.interruption == Interruption::Guard)?;
        let config = Config { system: imports.and_then(Imports::system), ..config };
        Instance::linked(module, host_functions(module, imports)?, Added::default(), config, handle, None)
    }

    /// `slot` is the account that also counts what the instance holds.
    fn linked(
        module: &Arc<Module>,
        hosts: Vec<Linked>,
        added: Added,
        config: Config,
        handle: *mut c_void,
        slot: Option<Arc<Pool>>,
    ) -> Result<Instance> {
        let log_bytes = if config.log_bytes == 0 { log::DEFAULT_BYTES } else { config.log_bytes };
        let sink = module.runtime.config.log.filter(|_| hosts.iter().any(Linked::speaks));
        let log = sink.map(|sink| Log::new(log_bytes, sink, handle));
        let core = Arc::new(new_core(module, &config, handle, slot, log));
        let _ready = module.runtime.ready_for_traps(module.profile())?;
        let guest = Guest::new(module, &hosts, &added, &config, &core)?;
        let instance = Instance {
            core,
            module: module.clone(),
            config,
            hosts,
            added: Mutex::new(added),
            funcs: Mutex::new(Vec::new()),
            globals: Mutex::default(),
            kept: Mutex::default(),
            past_calls: Mutex::default(),
            began: Began::now(),
            in_slot: AtomicBool::new(false),
            guest: UnsafeCell::new(guest),
        };
        reserve::check()?;
        if let Some(log) = &instance.core.log {
            let drain: Arc<dyn Tend> = log.drain.clone();
            module.runtime.housekeeper().tend(Arc::downgrade(&drain))?;
        }
        instance.take_view();
        instance.core.differs.set(false);
        instance.core.making.store(NOT_MAKING, Relaxed);
        instance.core.gate.store(instance.resting_gate(), Release);
        let needs_signals = module.profile() == Profile::Standalone;
        // SAFETY: removed when the instance is dropped, before the core is freed.
        unsafe { module.runtime.signal_watch().add(&instance.core.gate, needs_signals) };
        // SAFETY: removed when the instance is dropped, before the core is freed.
        unsafe { fork::tell_children(&instance.core.gate, RTW_ERR_FORKED) }?;
        Ok(instance)
    }

    /// The gate's value between calls, while nothing is wrong.
    fn resting_gate(&self) -> i32 {
        match self.module.profile() {
            Profile::Standalone => self.module.runtime.signal_watch().resting_gate(),
            // This profile needs no signal.
            Profile::Plugin => GATE_FREE,
        }
    }

    /// Creates a new guest beside the current one.
    fn fresh(&self, warm: bool) -> Result<Guest> {
        let added = self.lock_added().clone();
        let fresh = Guest::new(&self.module, &self.hosts, &added, &self.config, &self.core)?;
        if warm {
            fresh.warm(self.module.runtime.config.lock)?;
        }
        Ok(fresh)
    }

    /// Sets the core's view of the store to the instance's own.
    fn take_view(&self) {
        // SAFETY: no other thread has the guest; the store is boxed inside, so that the view stays valid when the instance
        // moves. It is removed before the store is freed.
        let context: Context = unsafe { std::mem::transmute((*self.guest.get()).store.as_context_mut()) };
        self.core.context.set(Some(context));
        self.core.exit_word.set(self.exit_word());
        // SAFETY: as above.
        Registration::take_over(unsafe { &*self.guest.get() }.registration.as_ref(), &self.core.timing);
    }

    /// The word in which the engine notes the address of a trap without a signal, which the standalone profile has as well.
    fn exit_word(&self) -> *const usize {
        let (instance, _) = self.engine_parts();
        // SAFETY: the guest has just been made, and nobody else has it yet.
        let context = || unsafe { self.core.context() };
        let funcs = self.module.metadata.exports.iter().filter(|export| export.kind == ExternKind::Func);
        funcs
            .filter_map(|export| trap_pc::word(&instance.get_func(context(), &export.name)?, context()))
            .next()
            .map_or(std::ptr::null(), |word| word.as_ptr())
    }

    /// The engine's handles, as copies.
    fn engine_parts(&self) -> (wasmtime::Instance, Option<Memory>) {
        // SAFETY: only a reset replaces it, which has exclusive use.
        let guest = unsafe { &*self.guest.get() };
        (guest.instance, guest.memory)
    }

    /// Runs `make`, which creates something that calls of this instance touch.
    pub fn keep<T>(&self, make: impl FnOnce() -> T) -> T {
        let (made, kept) = locked_heap::keep(self.module.runtime.config.lock, make);
        self.count_kept(kept);
        made
    }

    /// Adds to this instance's kept memory.
    pub fn count_kept(&self, kept: Kept) {
        *self.lock_kept() += kept;
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The time of the instance's creation.
    pub fn began(&self) -> Began {
        self.began
    }

    /// Returns an error in a forked child.
    pub(in crate::engine) fn ensure_same_process(&self) -> Result<()> {
        match self.core.gate.load(Relaxed) {
            RTW_ERR_FORKED => Err(forked()),
            _ => Ok(()),
        }
    }

    /// Says that calls have deadlines from now on: requests that need a system call are refused.
    pub fn is_prepared(&self) -> bool {
        self.core.prepared.load(Relaxed)
    }

    /// True if a call has closed it, by a fault or a defect.
    #[inline(always)]
    pub fn is_faulted(&self) -> bool {
        matches!(self.core.gate.load(Acquire), RTW_ERR_FAULTED | RTW_ERR_POISONED)
    }

    /// True if each of its calls is cut off before this time has passed.
    pub fn is_cut_off_within(&self, time_ns: u64) -> bool {
        self.config.limits.cuts_off_within(time_ns)
    }

    /// Creates another instance of the same module, with the same host functions and configuration, in the same slot's account.
    pub fn another(&self) -> Result<Instance> {
        // Its handle is made afterwards, before any host function asks for it but the start function's, which may not use it.
        let added = self.lock_added().apart();
        let (hosts, config) = (self.hosts.clone(), self.config.clone());
        Instance::linked(&self.module, hosts, added, config, std::ptr::null_mut(), self.core.held.slot())
    }

    /// The need of its guest from the start.
    pub fn need(&self) -> Need {
        imports::need(&self.module.metadata, &self.hosts)
    }

    /// The instance's handle for host functions.
    pub fn handle(&self) -> *mut c_void {
        self.core.handle.get()
    }

    /// Lets a guest without state go on after a fault, with its globals as they were when it was created. False if it cannot. Allocates
    /// nothing.
    ///
    /// # Safety
    /// The calling thread has the instance, and no call runs.
    #[cold]
    pub(in crate::engine) unsafe fn goes_on(&self) -> bool {
        // SAFETY: as the caller promises.
        let goes_on = self.config.stateless && unsafe { &mut *self.guest.get() }.restore_lasting();
        if goes_on {
            self.core.timing.begin_anew();
        }
        goes_on
    }

    /// The fault that closed the instance, if there was one.
    pub fn fault(&self) -> Option<fault::Fault> {
        let record = self.core.fault.get()?;
        Some(fault::resolve(&self.module, record))
    }
}
