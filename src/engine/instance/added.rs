//! The host's additions to a guest: functions of its own in tables, and mapped pages. Every guest that follows gets the same, after a
//! reset and in spares.

use rtwasm_enter::Content;
use std::ffi::c_void;
use std::sync::Arc;
use wasmtime::{Extern, Func as EngineFunc, Ref, StoreContextMut, Table};

use super::Instance;
use super::core::{GATE_ASK, GATE_FREE};
use super::func::{Func, Origin};
use super::guest::{Data, Guest};
use super::link;
use super::mapped::Mapped;
use super::names::Names;
use super::table::not_grown;
use super::turn::Turn;
use crate::engine::imports::{Callable, HostFunc};
use crate::engine::module::Module;
use crate::rt::reserve;
use crate::status::*;

/// A copy shares the functions.
#[derive(Clone, Default)]
pub(super) struct Added {
    /// One for each entry, type and way of calling that the host has ever used: replacing a function takes nothing new of the engine's.
    placed: Vec<Placed>,
    pub(super) mapped: Vec<Mapped>,
}

/// A host function in a table's entry.
#[derive(Clone)]
struct Placed {
    table: Option<String>,
    index: u64,
    host: Arc<Callable>,
    /// False once something else is in the entry. A copy that the guest has made of it then calls `nobody`.
    active: bool,
}

/// New content of an entry.
pub enum Put<'a> {
    Host(HostFunc),
    /// A function of the guest's own, which the next guest does not get.
    Guest(&'a Func),
    Nothing,
}

impl Added {
    /// A copy for another instance, which replaces its functions apart from this one's.
    pub(super) fn apart(&self) -> Added {
        let own = |placed: &Placed| Placed { host: Callable::new(HostFunc::clone(&placed.host)), ..placed.clone() };
        let placed = self.placed.iter().filter(|placed| placed.active).map(own).collect();
        Added { placed, mapped: self.mapped.clone() }
    }

    /// Adds everything to a new guest, whose tables grow if need be.
    pub(super) fn apply(&self, module: &Module, guest: &mut Guest) -> Result<()> {
        for placed in &self.placed {
            let names = Names { instance: guest.instance, imported: &guest.imported, metadata: &module.metadata };
            let func = match names.table(&mut guest.store, placed.table.as_deref()) {
                Some(Extern::Table(table)) if placed.active => {
                    let store = &mut guest.store;
                    let func = placed.function(module, store.into());
                    let more = placed.index.saturating_add(1).saturating_sub(table.size(&*store));
                    let asked = Data::of(store.data()).core.growth.counts();
                    if more != 0 {
                        let grown = table.grow(&mut *store, more, Ref::Func(None));
                        grown.map_err(|error| not_grown(&Data::of(store.data()).core.growth, asked, error))?;
                    }
                    table.set(store, placed.index, Ref::Func(Some(func))).map_err(refused)?;
                    Some(func)
                }
                _ => None,
            };
            guest.placed.push(func);
        }
        self.mapped.iter().try_for_each(|mapped| mapped.apply(module, guest))
    }
}

impl Placed {
    fn function(&self, module: &Module, store: StoreContextMut<'_, Content>) -> EngineFunc {
        let ty = self.host.signature.engine_type(module.code.engine());
        // SAFETY: its own type.
        unsafe { link::host_function(store, ty, self.host.clone()) }
    }
}

fn refused(error: wasmtime::Error) -> Error {
    Error::new(RTW_ERR_UNSUPPORTED, format!("the table does not take it: {error:#}"))
}

/// In the place of a host function that was taken away.
unsafe extern "C-unwind" fn nobody(_: *mut c_void, _: *mut c_void, _: *mut c_void) -> rtw_status_t {
    RTW_ERR_NO_EXPORT
}

/// True if both, which are of one store, are the same table.
fn same(one: Table, other: Table) -> bool {
    const _: () = assert!(size_of::<Table>() == 24);
    let numbers = |table: &Table| {
        let table = std::ptr::from_ref(table);
        // SAFETY: so the engine's C API lays a table out: the store's number, the instance's, and the table's in that.
        unsafe { (table.byte_add(8).cast::<u32>().read(), table.byte_add(16).cast::<u32>().read()) }
    };
    numbers(&one) == numbers(&other)
}

impl Instance {
    pub(super) fn lock_added(&self) -> std::sync::MutexGuard<'_, Added> {
        self.added.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Turn<'_> {
    /// Changes something of the guest that calls may use: none runs meanwhile.
    pub(super) fn while_closed<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut making = self.core.close()?;
        let changed = change();
        making.after = match making.before {
            GATE_FREE | GATE_ASK => self.resting_gate(),
            closed => closed,
        };
        changed
    }

    /// Puts something into a table's entry. A host function is in the same entry of every guest that follows, until something else
    /// is put there.
    pub fn put(&self, name: Option<&str>, index: u64, what: Put<'_>) -> Result<()> {
        let table = self.table(name)?;
        if let Put::Guest(func) = &what {
            if !Arc::ptr_eq(&func.shared.instance, self.instance()) {
                return Err(Error::new(RTW_ERR_ARGUMENT, "the func is another instance's"));
            }
            if matches!(&func.shared.origin, Origin::Table { entry, .. } if entry.index.is_none()) {
                return Err(Error::new(RTW_ERR_UNSUPPORTED, "the func is of all entries of a table"));
            }
        }
        // The finalizers of what was replaced run when the instance can be used again.
        self.while_closed(|| self.put_into(table, name, index, what)).map(drop)
    }

    fn put_into(&self, table: Table, name: Option<&str>, index: u64, what: Put<'_>) -> Result<Vec<HostFunc>> {
        // SAFETY: it is this thread's turn, for all views here.
        let context = || unsafe { self.core.context() };
        // SAFETY: as above.
        let guest = unsafe { &mut *self.guest.get() };
        let size = table.size(context());
        if index >= size {
            return Err(Error::new(RTW_ERR_BOUNDS, format!("table entry {index}: the table has {size} entries")));
        }
        let mut added = self.lock_added();
        let list = &mut added.placed;
        let is_here = |placed: &Placed| {
            let found = || self.names().table(context(), placed.table.as_deref()).and_then(Extern::into_table);
            placed.index == index && found().is_some_and(|found| same(found, table))
        };
        let here: Vec<usize> = (0..list.len()).filter(|at| is_here(&list[*at])).collect();
        let nobody = |host: &HostFunc| HostFunc { func: nobody, finalizer: None, ..host.clone() };
        let mut chosen = None;
        let func = match &what {
            Put::Nothing => None,
            Put::Guest(func) => Some(func.shared.func.get()),
            Put::Host(host) => {
                let fits = |at: &&usize| {
                    let there = &list[**at].host;
                    there.signature == host.signature && there.may_block == host.may_block
                };
                let at = match here.iter().find(fits) {
                    Some(at) => *at,
                    None => {
                        reserve::room(list, 1)?;
                        reserve::room(&mut guest.placed, 1)?;
                        let table = name.map(str::to_owned);
                        list.push(Placed { table, index, host: Callable::new(nobody(host)), active: false });
                        guest.placed.push(None);
                        list.len() - 1
                    }
                };
                chosen = Some(at);
                let new = || self.keep(|| list[at].function(&self.module, context()));
                Some(*guest.placed[at].get_or_insert_with(new))
            }
        };
        let gone = here.iter().filter(|at| list[**at].active && Some(**at) != chosen);
        let gone: Vec<(usize, HostFunc)> = gone.map(|at| (*at, nobody(&list[*at].host))).collect();
        let mut replaced = Vec::with_capacity(gone.len() + 1);
        reserve::check()?;
        table.set(context(), index, Ref::Func(func)).map_err(refused)?;
        guest.tables_changed = true;
        let new = match what {
            Put::Host(host) => chosen.zip(Some(host)),
            Put::Guest(_) | Put::Nothing => None,
        };
        for (at, host) in gone.into_iter().chain(new) {
            list[at].active = Some(at) == chosen;
            host.take_over();
            // SAFETY: no call runs.
            replaced.push(unsafe { list[at].host.replace(host) });
        }
        Ok(replaced)
    }
}
