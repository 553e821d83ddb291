//! The host's access to a guest's tables: calls of their entries, growth.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmtime::{Extern, Func as EngineFunc, Ref, Table, Trap};

use super::access::wrong_kind;
use super::func::{Func, FuncShared, Origin};
use super::turn::Turn;
use crate::engine::artifact::ExternKind;
use crate::engine::growth::{Counters, Counts, RefusedBy};
use crate::engine::signature::Signature;
use crate::engine::{call, type_index};
use crate::rt::cancel;
use crate::status::*;
use wasmtime::ValRaw;

/// An entry of a table of functions.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The table's name as an export or import; none: the module's first table.
    pub table: Option<String>,
    /// None: each call names the entry.
    pub index: Option<u64>,
}

/// The reason why a table's entry is not the function that was asked for.
enum Wrong {
    Beyond(u64),
    Empty,
    Type,
}

impl Turn<'_> {
    /// A table of functions by name; without a name, the module's first table, exported or not.
    pub(super) fn table(&self, name: Option<&str>) -> Result<Table> {
        self.idle()?;
        let found = match (self.find_table(name), name) {
            (Some(found), _) => found,
            // For its error.
            (None, Some(name)) => self.export(name, ExternKind::Table)?,
            (None, None) => return Err(Error::new(RTW_ERR_NO_EXPORT, "the module has no table")),
        };
        let Extern::Table(table) = found else {
            return Err(wrong_kind(name.unwrap_or(""), "table", &found));
        };
        // SAFETY: it is this thread's turn.
        match table.ty(unsafe { self.core.context() }).element().heap_type().is_func() {
            true => Ok(table),
            false => Err(Error::new(RTW_ERR_UNSUPPORTED, "the table's entries are not functions")),
        }
    }

    fn find_table(&self, name: Option<&str>) -> Option<Extern> {
        // SAFETY: it is this thread's turn.
        self.names().table(unsafe { self.core.context() }, name)
    }

    /// Looks up the function in a table's entry; with no index, one that each call names.
    pub fn table_func(&self, entry: Entry, signature: &Signature) -> Result<Func> {
        let table = self.table(entry.table.as_deref())?;
        let absent = self.absent(signature);
        let (name, found) = match entry.index {
            None => ("table entry".to_owned(), absent),
            Some(index) => {
                let found = self.entry(table, index, absent).map_err(|wrong| {
                    let (status, why) = match wrong {
                        Wrong::Beyond(size) => (RTW_ERR_BOUNDS, format!("the table has {size} entries")),
                        Wrong::Empty => (RTW_ERR_NO_EXPORT, "the entry is empty".to_owned()),
                        Wrong::Type => (RTW_ERR_SIGNATURE, format!("the function there has another type than {signature}")),
                    };
                    Error::new(status, format!("table entry {index}: {why}"))
                })?;
                (format!("table entry {index}"), found)
            }
        };
        let table = entry.index.is_none().then_some(table);
        let func = self.func_of(found, signature.clone(), name, Origin::Table { entry, table: table.into() })?;
        func.shared.absent.set(absent);
        Ok(func)
    }

    /// The entry's function if it has the type of `like`.
    fn entry(&self, table: Table, index: u64, like: EngineFunc) -> std::result::Result<EngineFunc, Wrong> {
        // SAFETY: it is this thread's turn, for all views here.
        let context = || unsafe { self.core.context() };
        match table.get(context(), index) {
            None => Err(Wrong::Beyond(table.size(context()))),
            Some(Ref::Func(Some(func))) if type_index::same(func, like, context()) => Ok(func),
            Some(Ref::Func(Some(_))) => Err(Wrong::Type),
            Some(_) => Err(Wrong::Empty),
        }
    }

    /// Connects a func of a table to the new guest after a reset. Where the entry is not what it was, a call ends as a guest's own call
    /// of an empty entry does.
    pub(super) fn find_again(&self, func: &FuncShared) {
        let Origin::Table { entry, table } = &func.origin else { return };
        let absent = self.absent(&func.signature);
        let found = self.find_table(entry.table.as_deref()).and_then(Extern::into_table);
        let there = || self.entry(found?, entry.index?, absent).ok();
        func.func.set(there().unwrap_or(absent));
        func.absent.set(absent);
        if entry.index.is_none() {
            table.set(found);
        }
    }

    /// A function of this type that ends every call as a call of an empty entry does. A guest has one of each type.
    fn absent(&self, signature: &Signature) -> EngineFunc {
        // SAFETY: it is this thread's turn, so that nothing else uses the list.
        let known = unsafe { &mut (*self.guest.get()).absent };
        if let Some((_, func)) = known.iter().find(|(of, _)| of == signature) {
            return *func;
        }
        // SAFETY: it is this thread's turn; the function reads no values.
        let func = unsafe {
            let ty = signature.engine_type(self.module.code.engine());
            EngineFunc::new_unchecked(self.core.context(), ty, |_, _| Err(Trap::IndirectCallToNull.into()))
        };
        known.push((signature.clone(), func));
        func
    }

    /// Grows a table by empty entries, within the limits of a guest's own growth. Returns its size before.
    pub fn grow_table(&self, name: Option<&str>, entries: u64) -> Result<u64> {
        let table = self.table(name)?;
        let asked = self.core.growth.counts();
        // SAFETY: it is this thread's turn.
        let grown = table.grow(unsafe { self.core.context() }, entries, Ref::Func(None));
        // SAFETY: as above.
        unsafe { &mut *self.guest.get() }.tables_changed = true;
        grown.map_err(|error| not_grown(&self.core.growth, asked, error))
    }

    /// Grows a memory by pages, within the limits of a guest's own growth. Returns its size in pages before.
    pub fn grow_memory(&self, name: Option<&str>, pages: u64) -> Result<u64> {
        let memory = self.engine_memory(name)?;
        let asked = self.core.growth.counts();
        // SAFETY: it is this thread's turn.
        memory.grow(unsafe { self.core.context() }, pages).map_err(|error| not_grown(&self.core.growth, asked, error))
    }
}

/// The error for a growth that was refused, with the counts before it.
pub(super) fn not_grown(growth: &Counters, before: Counts, error: wasmtime::Error) -> Error {
    match growth.story().filter(|_| growth.counts() != before) {
        Some(story) if story.last.by == RefusedBy::System => Error::new(RTW_ERR_NO_MEMORY, story.to_string()),
        Some(story) => Error::new(RTW_ERR_LIMIT, story.to_string()),
        None => Error::new(RTW_ERR_LIMIT, format!("it does not grow: {error:#}")),
    }
}

impl Func {
    /// Calls the table's entry at `index`, if it has the func's type. This has nothing to clean up or to catch (see `cancel`).
    ///
    /// # Safety
    /// As for `call::invoke`.
    #[inline(always)]
    pub unsafe fn call_entry(&self, index: u64, values: *mut ValRaw, count: usize) -> rtw_status_t {
        let mut held = self.core().hold();
        // SAFETY: the caller has the instance.
        let found = unsafe { self.find_entry(index) };
        // A thread that could be cancelled at any instruction restores the entry below first. Others have to be let into host functions
        // that block, as in any call.
        if let Some(done) = held.take_if(|held| !held.is_asynchronous()) {
            cancel::let_in(done);
        }
        let status = match found {
            Ok(entry) => {
                // A call from inside this one, or from a signal handler, restores the entry that it finds.
                let outer = self.shared.func.replace(entry);
                // SAFETY: passed on.
                let status = unsafe { call::invoke_apart(self, values, count, None) };
                self.shared.func.set(outer);
                status
            }
            Err(status) => status,
        };
        if let Some(held) = held {
            cancel::let_in(held);
        }
        status
    }

    /// Finds the table's entry at `index`.
    ///
    /// # Safety
    /// As for `call::invoke`.
    #[inline(never)]
    unsafe fn find_entry(&self, index: u64) -> std::result::Result<EngineFunc, rtw_status_t> {
        let Origin::Table { table, .. } = &self.shared.origin else { return Err(RTW_ERR_UNSUPPORTED) };
        let table = table.get().ok_or(RTW_ERR_UNSUPPORTED)?;
        // SAFETY: the caller has the instance.
        let turn = unsafe { self.shared.instance.turn() };
        turn.may_read()?;
        let absent = self.shared.absent.get();
        match catch_unwind(AssertUnwindSafe(|| turn.entry(table, index, absent))) {
            Ok(Ok(entry)) => Ok(entry),
            Ok(Err(Wrong::Beyond(_))) => Err(RTW_ERR_BOUNDS),
            Ok(Err(Wrong::Empty)) => Err(RTW_ERR_NO_EXPORT),
            Ok(Err(Wrong::Type)) => Err(RTW_ERR_SIGNATURE),
            Err(_) => Err(RTW_ERR_INTERNAL),
        }
    }
}
