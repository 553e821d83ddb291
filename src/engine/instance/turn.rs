//! The operations on an instance that only one thread at a time may perform: making its guest anew, preparing it, looking
//! functions up, reading its memories and globals.

use std::ffi::c_void;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Instance;
use super::core::{GATE_ASK, GATE_FREE};
use super::func::Origin;
use super::guest::Data;
use crate::engine::fault::FaultRecord;
use crate::engine::imports::Linked;
use crate::engine::warmed::Warmed;
use crate::rt::{fork, reserve};
use crate::status::*;
use crate::sys::{memory as pages, stack, thread};

/// One thread's turn with an instance.
#[derive(Clone, Copy)]
pub struct Turn<'a>(&'a Arc<Instance>);

impl Instance {
    /// The calling thread's turn.
    ///
    /// # Safety
    /// No other thread has a turn, or calls a func of the instance, while this one is used. The C API's rules say so of a handle.
    #[inline(always)]
    pub unsafe fn turn(self: &Arc<Self>) -> Turn<'_> {
        Turn(self)
    }
}

impl Deref for Turn<'_> {
    type Target = Instance;

    #[inline(always)]
    fn deref(&self) -> &Instance {
        self.0
    }
}

impl Turn<'_> {
    pub(in crate::engine) fn instance(&self) -> &Arc<Instance> {
        self.0
    }

    /// Creates a new guest: memories, tables and globals as in the module, the start function run, every func connected to its
    /// function again. Prefaults again what was prepared. On failure the instance does not change. Calls meanwhile get the
    /// status that the instance is busy.
    pub fn reset(&self) -> Result<()> {
        let mut making = self.core.close()?;
        let outcome = match self.write_back(making.before) {
            Ok(false) => self.make_anew(),
            other => other.map(drop),
        };
        making.after = if outcome.is_ok() { self.resting_gate() } else { making.before };
        outcome
    }

    /// Writes back the state in which the guest began, if its module has an image of it and nothing has grown. False if it cannot.
    fn write_back(&self, before: rtw_status_t) -> Result<bool> {
        // A guest whose fault may have left the engine amid something is not used again.
        let is_whole = match before {
            GATE_FREE | GATE_ASK => true,
            RTW_ERR_FAULTED => self.core.fault.get().is_some_and(|fault| fault.leaves_engine_whole()),
            _ => false,
        };
        if !is_whole || self.module.image.is_none() {
            return Ok(false);
        }
        // No guest runs here, but calls will follow.
        let arrived = |fault: FaultRecord| fault.by_signal && self.core.caller.load(Relaxed) == thread::token();
        let _ready = match self.core.fault.get() {
            Some(fault) if before == RTW_ERR_FAULTED && arrived(fault) => self.module.runtime.ready_for_traps_again()?,
            _ => self.module.runtime.ready_for_traps(self.module.profile())?,
        };
        // SAFETY: it is this thread's turn, and no call runs.
        let guest = unsafe { &mut *self.guest.get() };
        if !guest.write_back(&self.module) {
            return Ok(false);
        }
        self.core.timing.begin_anew();
        self.begin_anew();
        Ok(true)
    }

    /// A new guest begins here.
    fn begin_anew(&self) {
        self.core.fault.set(None);
        self.core.fault_address.set(0);
        self.core.growth.begin_anew();
    }

    fn make_anew(&self) -> Result<()> {
        let _ready = self.module.runtime.ready_for_traps(self.module.profile())?;
        // The start function may grow memory again.
        let was_prepared = self.core.prepared.swap(false, Relaxed);
        let fresh = self.fresh(was_prepared);
        self.core.prepared.store(was_prepared, Relaxed);
        // The failed guest's initialiser may have been connected to the calls' limits.
        let mut fresh = fresh.inspect_err(|_| self.take_view())?;
        let mut found = Vec::new();
        let mut of_tables = Vec::new();
        for func in self.living_funcs() {
            if matches!(func.origin, Origin::Table { .. }) {
                of_tables.push(func);
                continue;
            }
            let new = fresh.instance.get_func(&mut fresh.store, &func.name);
            let gone = || Error::new(RTW_ERR_INTERNAL, format!("function \"{}\" is gone after a reset", func.name));
            found.push((func.clone(), new.ok_or_else(gone)?));
        }
        reserve::check()?;
        // SAFETY: it is this thread's turn, and no call runs.
        let mut old = std::mem::replace(unsafe { &mut *self.guest.get() }, fresh);
        self.take_view();
        for (func, new) in found {
            func.func.set(new);
        }
        for func in of_tables {
            self.find_again(&func);
        }
        self.find_globals_again();
        Data::of_mut(old.store.data_mut()).end_lines();
        drop(old);
        self.begin_anew();
        Ok(())
    }

    /// Prefaults the guest's memories and code, and the C library's mathematics if the guest uses it; locks them if the runtime wants it.
    pub fn warm(&self) -> Result<Warmed> {
        self.idle()?;
        let lock = self.module.runtime.config.lock;
        let mut warmed = self.module.warm_code()?;
        // SAFETY: it is this thread's turn.
        warmed += unsafe { &*self.guest.get() }.warm(lock)?;
        warmed += Warmed::kept(*self.lock_kept(), lock)?;
        let outside: Vec<usize> = self.hosts.iter().filter_map(Linked::outside).collect();
        if !outside.is_empty() {
            fork::reading_objects(|| pages::warm_images_of(&outside, lock))?;
        }
        Ok(warmed)
    }

    /// Sets the instance's handle for host functions. No call runs.
    pub fn set_handle(&self, handle: *mut c_void) {
        self.core.handle.set(handle);
        if let Some(log) = &self.core.log {
            log.drain.handle.store(handle, Relaxed);
        }
    }

    pub(in crate::engine) fn mark_prepared(&self) {
        self.core.arena.find();
        // No error if this is not the thread that will call.
        self.core.pass.warm(stack::pointer());
        self.core.prepared.store(true, Relaxed);
    }
}
