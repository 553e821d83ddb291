//! The engine's part of an instance: its store, its memories, and what the engine asks when they grow.

use rtwasm_enter::Content;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use wasmtime::unix::StoreExt;
use wasmtime::{AsContextMut, Extern, ExternType, Global, Memory, Mutability, Store, Trap, Val};

use super::added::Added;
use super::core::Core;
use super::link;
use super::{Config, Growth};
use crate::artifact::hidden;
use crate::engine::artifact::{Extern as Listed, ExternKind, Need};
use crate::engine::budget::Registration;
use crate::engine::fault;
use crate::engine::growth::{Grown, RefusedBy};
use crate::engine::held::{Share, TABLE_ENTRY_BYTES};
use crate::engine::image::Image;
use crate::engine::imports::{self, Linked};
use crate::engine::memory::{self, Collected, Region};
use crate::engine::module::Module;
use crate::engine::native::{Ended, System};
use crate::engine::prepare::SETUP_BUDGET_NS;
use crate::engine::profile::{Interruption, Profile};
use crate::engine::refusal;
use crate::engine::signature::Signature;
use crate::engine::warmed::Warmed;
use crate::rt::locked_heap::{self, Kept};
use crate::rt::{arena, reserve};
use crate::status::{self, *};
use crate::sys::memory::{self as pages, Lock};
use crate::sys::{clock, handlers};

/// The size of the budget guard's memory for the guest; the host holds a page of it.
const GUARD_MEMORY_BYTES: u64 = 65536;

/// The library's data in the engine's store, in a [`Content`].
pub struct Data {
    pub(super) share: Arc<Share>,
    /// Memories that are still to be created, the budget guard's included: the share already contains what the module declares.
    pub(super) memories_to_be_made: usize,
    /// Tables that are still to be created: the share already contains what the module declares.
    pub(super) tables_to_be_made: u32,
    /// The sum that the artifact declares for them.
    pub(super) declared_bytes: u64,
    pub(super) growth: Growth,
    /// True if the engine has made some of the memories itself, as it does with imported ones: then growth is counted here, for all
    /// memories, and not by the memories.
    pub(super) counts_memories: bool,
    /// The bytes that the last growth took.
    pub(super) taken: u64,
    pub(in crate::engine) core: Arc<Core>,
    /// Its view of a system; none if it imports nothing of that.
    pub(in crate::engine) system: Option<Box<System>>,
    /// The default memory, once the guest has been created.
    pub(in crate::engine) memory: Option<Memory>,
}

impl Data {
    /// The data of a guest that is still to be created.
    fn new(module: &Module, linked: &[Linked], config: &Config, core: &Arc<Core>, share: &Arc<Share>, need: &Need) -> Data {
        let guard_bytes = if has_guard(module) { GUARD_MEMORY_BYTES } else { 0 };
        Data {
            share: share.clone(),
            memories_to_be_made: module.metadata.memories.len() + usize::from(has_guard(module)),
            tables_to_be_made: need.table_count,
            declared_bytes: need.memory_bytes.saturating_add(need.table_bytes).saturating_add(guard_bytes),
            growth: config.growth,
            counts_memories: imported_memories(linked) != 0,
            taken: 0,
            core: core.clone(),
            system: config.system.clone().filter(|_| linked.iter().any(Linked::speaks)).map(System::new),
            memory: None,
        }
    }

    /// The data in a store of ours.
    #[inline(always)]
    pub(in crate::engine) fn of(content: &Content) -> &Data {
        debug_assert!(content.0.is::<Data>());
        // SAFETY: `new_store` puts a `Data` into every store of ours.
        unsafe { &*(&raw const *content.0).cast::<Data>() }
    }

    #[inline(always)]
    pub(in crate::engine) fn of_mut(content: &mut Content) -> &mut Data {
        debug_assert!(content.0.is::<Data>());
        // SAFETY: as above.
        unsafe { &mut *(&raw mut *content.0).cast::<Data>() }
    }

    #[inline(always)]
    pub(in crate::engine) fn core(&self) -> &Core {
        &self.core
    }

    fn may_grow(&self) -> bool {
        self.growth == Growth::Allowed || !self.core.prepared.load(Relaxed)
    }

    /// The part of a memory's growth that was not committed ahead.
    fn beyond_ahead(&self, now: usize, wanted: usize) -> u64 {
        let ahead = match self.growth {
            Growth::Ahead { bytes } => bytes,
            Growth::Refused | Growth::Allowed => 0,
        };
        (wanted as u64).saturating_sub(ahead.max(now as u64))
    }

    /// Notes that something is created that the artifact has declared; false if it has not declared it.
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
        self.taken = 0;
        let more = (wanted as u64).saturating_sub(now as u64);
        let refused = match () {
            () if max.is_some_and(|max| wanted > max) => Some(RefusedBy::Maximum),
            () if !there && !self.may_grow() => Some(RefusedBy::Prepared),
            () if self.counts_memories => match self.share.take(more) {
                Ok(()) => {
                    self.taken = more;
                    None
                }
                Err(_) => Some(RefusedBy::Limit),
            },
            // The memory itself takes its share, which already contains what was committed ahead.
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
        self.share.give(std::mem::take(&mut self.taken));
        self.core.growth.failed();
        Ok(())
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.core.growth.failed();
        Ok(())
    }
}

/// The engine's part of an instance.
pub(super) struct Guest {
    /// Dropped before the memories, so that the watchdog no longer reads them.
    pub(super) registration: Option<Registration>,
    pub(super) instance: wasmtime::Instance,
    pub(super) memory: Option<Memory>,
    /// Its imports, in the module's order.
    pub(super) imported: Vec<Extern>,
    /// Functions that end every call, for entries of tables that are not there: one of each type that the host has asked for.
    pub(super) absent: Vec<(Signature, wasmtime::Func)>,
    /// The engine's functions for host functions in tables, in the order of the instance's list; none for those that were taken away.
    pub(super) placed: Vec<Option<wasmtime::Func>>,
    /// The addresses of pages that are a host's file, in their order.
    pub(super) mapped: Vec<Range<usize>>,
    /// True if the host has changed a table since the guest was created.
    pub(super) tables_changed: bool,
    /// The size of its own memories together when it was created.
    pub(super) memory_bytes: usize,
    /// Without a state, it has these globals and values after every fault.
    pub(super) lasting: Vec<(Global, Val)>,
    /// All of the guest's own memories, exported or not.
    pub(super) memories: Vec<Arc<Region>>,
    /// The budget guard's page, which is prefaulted at once: later the watchdog may have closed it.
    pub(super) guard: Warmed,
    /// The store, the globals, the tables.
    pub(super) kept: Kept,
    pub(super) store: Store<Content>,
}

/// Has the guest's faults recorded: the address of the instruction, unless the fault is of a page that ends its budget.
fn note_faults(store: &mut Store<Content>, module: &Module, core: &Arc<Core>) {
    let core = core.clone();
    let code = module.code.text().as_ptr_range();
    let code = code.start as usize..code.end as usize;
    // SAFETY: the handler stores some words and at most opens a page, which is async-signal-safe; no other code reads
    // the address before the faulting call has returned.
    unsafe {
        store.set_signal_handler(move |_, info, context| {
            if core.timing.meets_closed_page((*info).si_addr() as usize) {
                return true;
            }
            // The host's handler repairs a fault of its own in a host function, or the process ends.
            let address = handlers::interrupted_at(context);
            if code.contains(&address) {
                core.fault_address.set(address);
            }
            false
        });
    }
}

impl Guest {
    pub(super) fn new(module: &Module, linked: &[Linked], added: &Added, config: &Config, core: &Arc<Core>) -> Result<Guest> {
        let _visit = if module.metadata.has_start || initialiser(module, config) { module.runtime.visit()? } else { None };
        // The engine allocates tables in a way that can fail.
        let need = imports::need(&module.metadata, linked);
        let noted = need.record_bytes.saturating_add(need.global_bytes).saturating_mul(2) as usize;
        let make = || {
            reserve::with_room(noted, || {
                let mut guest = Guest::make(module, linked, config, core)?;
                added.apply(module, &mut guest)?;
                guest.memory_bytes = guest.size();
                if config.stateless {
                    guest.note_lasting(module)?;
                }
                Ok(guest)
            })
        };
        let (guest, kept) = locked_heap::keep(module.runtime.config.lock, make);
        Ok(Guest { kept, ..guest? })
    }

    fn make(module: &Module, linked: &[Linked], config: &Config, core: &Arc<Core>) -> Result<Guest> {
        let need = imports::need(&module.metadata, linked);
        let ahead_left = config.ahead_in_all(module, linked, &need);
        let share =
            Share::open(&core.held, need.total().saturating_add(ahead_left)).map_err(|full| full.error(&need, ahead_left))?;
        let imported = imported_memories(linked);
        let own = module.metadata.memories.len().saturating_sub(imported);
        let wanted = memory::Wanted {
            ahead_bytes: config.ahead(),
            ahead_left_bytes: usize::try_from(ahead_left).unwrap_or(usize::MAX),
            guard_index: has_guard(module).then_some(own),
            signals: module.metadata.settings.profile == Profile::Standalone,
        };
        let mut store = new_store(module, core, Data::new(module, linked, config, core, &share, &need))?;
        let own_share = (imported == 0).then_some(&share);
        let (instance, imported, memories) = instantiate(&mut store, module, linked, core, wanted, own_share)?;
        let memory = default_memory(module, instance, &imported, &mut store);
        Data::of_mut(store.data_mut()).memory = memory;
        let (registration, guard) = match &memories.guard {
            Some(region) => arm(region, module, config)?,
            None => (None, Warmed::default()),
        };
        let mut guest = Guest {
            registration,
            instance,
            memory,
            imported,
            absent: Vec::new(),
            placed: Vec::new(),
            mapped: Vec::new(),
            tables_changed: false,
            memory_bytes: 0,
            lasting: Vec::new(),
            memories: memories.made,
            guard,
            kept: Kept::default(),
            store,
        };
        if initialiser(module, config) {
            guest.initialise(core)?;
        }
        Ok(guest)
    }

    /// Calls the export by which a module without a start function initialises itself. Its calls have budgets as dry calls do.
    fn initialise(&mut self, core: &Core) -> Result<()> {
        let gone = || Error::new(RTW_ERR_INTERNAL, "_initialize is not what the artifact says");
        let func = self.instance.get_func(&mut self.store, INITIALISER).ok_or_else(gone)?;
        let modes = core.host_float.modes(core.float);
        Registration::take_over(self.registration.as_ref(), &core.timing);
        let budget = core.timing.budget().max(core.timing.ticks(Some(SETUP_BUDGET_NS)));
        core.timing.begin(clock::ticks(), budget);
        let _running = core.runs_in_setup();
        modes.enter();
        // SAFETY: the function has neither parameters nor results.
        let done = unsafe { func.call_unchecked(self.store.as_context_mut(), &mut []) };
        modes.leave();
        core.timing.end();
        done.map_err(|error| initialising_error(core, &error))
    }

    /// The size of its own memories together.
    fn size(&self) -> usize {
        self.memories.iter().map(|memory| memory.of_guest().len()).sum()
    }

    /// Notes the mutable globals with their values.
    fn note_lasting(&mut self, module: &Module) -> Result<()> {
        let is_one = |ty: &ExternType| matches!(ty, ExternType::Global(ty) if ty.mutability() == Mutability::Var);
        if !hidden::reaches_globals(module.code.exports().map(|export| export.name()), module.metadata.need.global_bytes) {
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                "stateless: the module has so many mutable globals that the library does not reach them",
            ));
        }
        let exported = module.code.exports().filter(|export| is_one(&export.ty()));
        let exported = exported.filter_map(|export| self.instance.get_global(&mut self.store, export.name()));
        let found: Vec<Global> = exported.chain(self.imported.iter().filter_map(|one| one.clone().into_global())).collect();
        for global in found {
            if global.ty(&self.store).mutability() == Mutability::Var {
                let value = global.get(&mut self.store);
                self.lasting.push((global, value));
            }
        }
        Ok(())
    }

    /// Gives the globals the values that they had when the guest was created. Allocates nothing. True if it did.
    pub(super) fn restore_lasting(&mut self) -> bool {
        let Guest { lasting, store, .. } = self;
        lasting.iter().all(|(global, value)| global.set(&mut *store, *value).is_ok())
    }

    /// Writes back the state in which the guest began. False if it cannot, and has not changed.
    pub(super) fn write_back(&mut self, module: &Module) -> bool {
        let fits = |image: &&Image| image.fits(&self.memories);
        let Some(image) = module.image.as_ref().filter(fits) else { return false };
        if self.tables_changed || self.size() != self.memory_bytes {
            return false;
        }
        Data::of_mut(self.store.data_mut()).begin_anew();
        // SAFETY: the guest's own memories, and no call runs.
        unsafe { image.write(&self.memories, &self.mapped) };
        image.globals.iter().all(|(export, value)| {
            let global = self.instance.get_module_export(&mut self.store, export).and_then(Extern::into_global);
            global.is_some_and(|global| global.set(&mut self.store, *value).is_ok())
        })
    }

    /// Prefaults the memories, and locks them as wanted.
    pub(super) fn warm(&self, lock: Lock) -> Result<Warmed> {
        let mut warmed = Warmed::kept(self.kept, lock)?;
        for memory in &self.memories {
            warmed += memory.warm(lock, &self.mapped)?;
        }
        for memory in self.imported.iter().filter_map(|one| one.clone().into_memory()) {
            let base = memory.data_ptr(&self.store) as usize;
            let range = base..base + memory.data_size(&self.store);
            // SAFETY: the guest's own memory, accessible up to there; populating changes no content, and no call runs.
            unsafe { pages::touch_around(range.clone(), &self.mapped) };
            warmed += Warmed { touched_bytes: range.len(), locked_bytes: pages::lock_as(lock, range)? };
        }
        if lock == Lock::Required && self.guard.locked_bytes < self.guard.touched_bytes {
            return Err(Error::new(RTW_ERR_MEMLOCK, "the budget guard's page could not be locked when the instance was made"));
        }
        warmed += self.guard;
        Ok(warmed)
    }
}

/// True if the guest has a memory of the budget guard's, after its own ones.
fn has_guard(module: &Module) -> bool {
    module.metadata.settings.interruption == Interruption::Guard
}

/// The number of imported memories, which the engine makes itself.
fn imported_memories(linked: &[Linked]) -> usize {
    linked.iter().filter(|link| matches!(link, Linked::Memory(_))).count()
}

/// Makes a store that counts growth, runs without interruption, and in the standalone profile records faults.
fn new_store(module: &Module, core: &Arc<Core>, data: Data) -> Result<Store<Content>> {
    let mut store = Store::try_new(module.code.engine(), Content(Box::new(data))).map_err(|_| reserve::exhausted())?;
    store.limiter(|content| Data::of_mut(content));
    never_interrupt(&mut store, module.metadata.settings.interruption)?;
    if module.metadata.settings.profile == Profile::Standalone {
        note_faults(&mut store, module, core);
    }
    Ok(store)
}

/// Links the module and instantiates it, which runs its start function, in the guest's floating-point mode. Returns the instance, its
/// imports and its memories.
fn instantiate(
    store: &mut Store<Content>,
    module: &Module,
    linked: &[Linked],
    core: &Core,
    wanted: memory::Wanted,
    share: Option<&Arc<Share>>,
) -> Result<(wasmtime::Instance, Vec<Extern>, Collected)> {
    core.host_float.note();
    let modes = core.host_float.modes(core.float);
    let running = core.runs_in_setup();
    modes.enter();
    let (made, memories) = memory::collect(wanted, share, || {
        let made = module.code.imports().zip(linked).map(|(import, to)| link::made(&mut *store, import.ty(), to));
        let imported = made.collect::<wasmtime::Result<Vec<Extern>>>()?;
        Ok((wasmtime::Instance::new(&mut *store, &module.code, &imported)?, imported))
    });
    modes.leave();
    drop(running);
    match made {
        Ok((instance, imported)) => Ok((instance, imported, memories)),
        Err(error) => Err(instantiation_error(core, memories.refused, &error)),
    }
}

/// Registers the budget guard's memory with the watchdog, and prefaults it.
fn arm(guard: &Arc<Region>, module: &Module, config: &Config) -> Result<(Option<Registration>, Warmed)> {
    let is_plugin = module.metadata.settings.profile == Profile::Plugin;
    let registration = Registration::new(&module.runtime, guard, is_plugin, &config.limits)?;
    // Prepare checks later if it has to be locked.
    let lock = if module.runtime.config.lock == Lock::Off { Lock::Off } else { Lock::On };
    Ok((registration, guard.warm(lock, &[])?))
}

/// Lets code with epochs or fuel, which is for comparison only, run without an end: otherwise its first check would stop it.
fn never_interrupt(store: &mut Store<Content>, interruption: Interruption) -> Result<()> {
    match interruption {
        Interruption::Epoch => store.set_epoch_deadline(u64::MAX / 2),
        Interruption::Fuel => {
            store.set_fuel(u64::MAX).map_err(|e| Error::new(RTW_ERR_INTERNAL, format!("the engine takes no fuel: {e:#}")))?
        }
        _ => {}
    }
    Ok(())
}

/// A module's function that has to be called once, before all others.
const INITIALISER: &str = "_initialize";

fn initialiser(module: &Module, config: &Config) -> bool {
    let is_it = |export: &Listed| export.kind == ExternKind::Func && export.name == INITIALISER && export.ty == "()->()";
    config.initialise && module.metadata.exports.iter().any(is_it)
}

fn initialising_error(core: &Core, error: &wasmtime::Error) -> Error {
    core.fault_address.set(0);
    let host = core.host_status.replace(RTW_OK);
    let ended = core.ended.replace(Ended::No);
    let trap = error.downcast_ref::<Trap>().copied();
    let in_host = host != RTW_OK || ended != Ended::No;
    let status = match (ended.status(), trap) {
        _ if core.timing.failed_by_cut_off(trap, in_host) => RTW_ERR_BUDGET,
        (Some(status), _) => status,
        _ if in_host => RTW_ERR_HOST,
        (_, Some(trap)) => fault::trap_status(trap),
        _ => RTW_ERR_TRAP_OTHER,
    };
    Error::new(status, format!("_initialize failed: {}", status::sentence(status)))
}

fn instantiation_error(core: &Core, refused: Option<Error>, error: &wasmtime::Error) -> Error {
    // Reported here, so that the next fault does not use it.
    core.fault_address.set(0);
    let host = core.host_status.replace(RTW_OK);
    if host != RTW_OK {
        return Error::new(RTW_ERR_HOST, format!("the start function ended because a host function returned {host}"));
    }
    match core.ended.replace(Ended::No) {
        Ended::No => {}
        Ended::Exit(code) => return Error::new(RTW_ERR_EXITED, format!("the start function ended the guest with code {code}")),
        Ended::Abort => return Error::new(RTW_ERR_ABORTED, "the start function aborted"),
        Ended::Stub(_) => return Error::new(RTW_ERR_STUB, "the start function called an import that was not provided"),
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => Error::new(fault::trap_status(*trap), format!("the start function or an initialiser trapped: {trap}")),
        None => refused.unwrap_or_else(|| refusal::refused(RTW_ERR_NO_MEMORY, "the instance cannot be made", error)),
    }
}

/// The memory exported as "memory", otherwise the first exported one, otherwise the first imported one.
fn default_memory(
    module: &Module,
    instance: wasmtime::Instance,
    imported: &[Extern],
    store: &mut Store<Content>,
) -> Option<Memory> {
    let first_exported = |store: &mut Store<Content>| {
        let first = module.code.exports().find(|e| !hidden::is_hidden(e.name()) && matches!(e.ty(), ExternType::Memory(_)))?;
        instance.get_memory(store, first.name())
    };
    let first_imported = || imported.iter().find_map(|one| one.clone().into_memory());
    instance.get_memory(&mut *store, "memory").or_else(|| first_exported(store)).or_else(first_imported)
}
