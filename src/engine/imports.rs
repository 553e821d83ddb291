//! The host functions that instances are linked against.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard};

use wasmtime::{GlobalType, MemoryType, MemoryTypeBuilder, Mutability, RefType, TableType, Val, ValRaw};

use super::artifact::{Extern, ExternKind, MemoryFacts, Metadata, Need};
use super::held::{self, TABLE_ENTRY_BYTES};
use super::naming::shown;
use super::native::{self, Native};
use super::signature::{Signature, Type};
use crate::rt::{callback, reserve};
use crate::status::*;

/// A host function in C: user data, the instance's handle, arguments in and results out. Any result but 0 ends the guest's
/// call. The type permits unwinding, so that the library can notice it.
pub use crate::rt::unwind::HostFn;

#[derive(Clone)]
pub struct HostFunc {
    pub module: String,
    pub name: String,
    pub signature: Signature,
    pub func: HostFn,
    pub user_data: *mut c_void,
    /// True if the thread that runs it may be cancelled, or end, in it.
    pub may_block: bool,
    /// Shared by the list and all that was linked against the function; the last to go calls it.
    pub finalizer: Option<Arc<Finalizer>>,
}

/// Tells the host that nothing can call a function any more.
pub struct Finalizer {
    call: unsafe extern "C-unwind" fn(*mut c_void),
    user_data: *mut c_void,
    /// The function was added: what fails before leaves the user data to the caller.
    is_owner: AtomicBool,
}

// SAFETY: the pointer is the host's; the API says on which threads the finalizer is called with it.
unsafe impl Send for Finalizer {}
// SAFETY: as for Send.
unsafe impl Sync for Finalizer {}

impl Finalizer {
    pub fn new(call: unsafe extern "C-unwind" fn(*mut c_void), user_data: *mut c_void) -> Arc<Finalizer> {
        Arc::new(Finalizer { call, user_data, is_owner: AtomicBool::new(false) })
    }
}

impl Drop for Finalizer {
    fn drop(&mut self) {
        if self.is_owner.load(Relaxed) {
            // SAFETY: the host vouches for its function; this is the only call.
            callback::returning(&"a finalizer", || unsafe { (self.call)(self.user_data) })
        }
    }
}

// SAFETY: the pointer is the host's; the API specifies the threads on which the function is called with it.
unsafe impl Send for HostFunc {}
// SAFETY: as for Send.
unsafe impl Sync for HostFunc {}

impl HostFunc {
    /// The host has handed the user data over: the finalizer will be called.
    pub fn take_over(&self) {
        if let Some(finalizer) = &self.finalizer {
            finalizer.is_owner.store(true, Relaxed);
        }
    }
}

/// A host function at the place where guests call it. What the host has put into a table can be replaced there.
pub struct Callable(UnsafeCell<HostFunc>);

// SAFETY: only `replace` writes, while nobody else reads.
unsafe impl Sync for Callable {}

impl Callable {
    pub fn new(func: HostFunc) -> Arc<Callable> {
        Arc::new(Callable(UnsafeCell::new(func)))
    }

    /// Returns the function that was there.
    ///
    /// # Safety
    /// Nobody uses the function meanwhile: no call of its guests runs.
    pub unsafe fn replace(&self, func: HostFunc) -> HostFunc {
        // SAFETY: as the caller promises.
        unsafe { std::mem::replace(&mut *self.0.get(), func) }
    }
}

impl Deref for Callable {
    type Target = HostFunc;

    #[inline(always)]
    fn deref(&self) -> &HostFunc {
        // SAFETY: it is replaced only while nobody uses it.
        unsafe { &*self.0.get() }
    }
}

/// The function that one import of a guest is linked to.
#[derive(Clone)]
pub enum Linked {
    Host(Arc<Callable>),
    Native(Native),
    /// These three are made for each guest.
    Memory(MemoryType),
    Table(TableType),
    Global(GlobalType, Val),
}

/// The behaviour of functions that nobody provides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stubs {
    /// There are none: the instance is not created.
    #[default]
    None,
    /// They end the guest's call.
    Trap,
    /// Those of a libc report the errno that the libc expects; the others end the guest's call.
    Libc,
}

/// A memory, table or global that every guest gets for itself.
#[derive(Clone)]
pub struct Provided {
    pub module: String,
    pub name: String,
    pub what: What,
}

#[derive(Clone)]
pub enum What {
    /// None: with the limits that the module declares.
    Memory(Option<MemoryType>),
    /// As for a memory.
    Table(Option<TableType>),
    Global(GlobalType, Val),
}

impl What {
    /// A global with its value from the start; `ty` is a type as in `mut i32`.
    pub fn global(ty: &str, value: ValRaw) -> Result<What> {
        let words: Vec<&str> = ty.split_whitespace().collect();
        let (mutability, ty) = match words[..] {
            ["mut", ty] => (Mutability::Var, ty),
            [ty] => (Mutability::Const, ty),
            _ => (Mutability::Const, ty),
        };
        let known = Type::named(ty).ok_or_else(|| {
            Error::new(RTW_ERR_SIGNATURE_SYNTAX, format!("type \"{ty}\": it should look like \"i32\" or \"mut f64\""))
        })?;
        Ok(What::Global(GlobalType::new(known.engine_type(), mutability), known.value(value)))
    }

    fn kind(&self) -> ExternKind {
        match self {
            What::Memory(_) => ExternKind::Memory,
            What::Table(_) => ExternKind::Table,
            What::Global(..) => ExternKind::Global,
        }
    }
}

/// Limits of a memory, in pages, or of a table, in entries.
#[derive(Clone, Copy)]
pub struct Limits {
    pub min: u64,
    pub max: Option<u64>,
    pub is_64: bool,
}

impl Limits {
    /// Those in an import's type: the number in `memory i64 1..4 pages`.
    fn of_text(ty: &str) -> Option<Limits> {
        let (min, max) = ty.split(' ').find_map(|word| word.split_once(".."))?;
        let max = if max.is_empty() { None } else { Some(max.parse().ok()?) };
        Some(Limits { min: min.parse().ok()?, max, is_64: ty.contains(" i64 ") })
    }

    fn of_memory(ty: &MemoryType) -> Limits {
        Limits { min: ty.minimum(), max: ty.maximum(), is_64: ty.is_64() }
    }

    fn of_table(ty: &TableType) -> Limits {
        Limits { min: ty.minimum(), max: ty.maximum(), is_64: ty.is_64() }
    }

    /// None if there is no such memory.
    pub fn memory(self) -> Option<MemoryType> {
        MemoryTypeBuilder::default().memory64(self.is_64).min(self.min).max(self.max).build().ok()
    }

    /// None if there is no such table.
    pub fn table(self) -> Option<TableType> {
        if self.max.is_some_and(|max| max < self.min) {
            return None;
        }
        Some(match self.is_64 {
            true => TableType::new64(RefType::FUNCREF, self.min, self.max),
            false => {
                let fits = |size| u32::try_from(size).ok();
                let max = if let Some(max) = self.max { Some(fits(max)?) } else { None };
                TableType::new(RefType::FUNCREF, fits(self.min)?, max)
            }
        })
    }

    /// True if what has these limits may be imported as what has the others.
    fn fit(self, wanted: Limits) -> bool {
        let within = match (self.max, wanted.max) {
            (_, None) => true,
            (Some(given), Some(most)) => given <= most,
            (None, Some(_)) => false,
        };
        self.is_64 == wanted.is_64 && self.min >= wanted.min && within
    }
}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_64 = if self.is_64 { "i64 " } else { "" };
        match self.max {
            Some(max) => write!(f, "{is_64}{}..{max}", self.min),
            None => write!(f, "{is_64}{}..", self.min),
        }
    }
}

/// The memories of a guest with these links, imported ones first.
pub fn memories<'a>(metadata: &'a Metadata, linked: &'a [Linked]) -> impl Iterator<Item = MemoryFacts> + 'a {
    let bytes = |pages: u64| pages.saturating_mul(65536);
    let imported = linked.iter().filter_map(move |link| match link {
        Linked::Memory(ty) => Some(MemoryFacts { min_bytes: bytes(ty.minimum()), max_bytes: ty.maximum().map(bytes) }),
        _ => None,
    });
    let count = imported.clone().count();
    imported.chain(metadata.memories.iter().skip(count).copied())
}

/// The need of a guest with these links from the start. The artifact counts imported memories and tables as the module declares
/// them.
pub fn need(metadata: &Metadata, linked: &[Linked]) -> Need {
    let mut need = held::need(metadata);
    if linked.iter().any(|one| matches!(one, Linked::Memory(_))) {
        need.memory_bytes = memories(metadata, linked).fold(0, |sum: u64, memory| sum.saturating_add(memory.min_bytes));
    }
    for (link, import) in linked.iter().zip(&metadata.imports) {
        if let (Linked::Table(given), Some(declared)) = (link, Limits::of_text(&import.ty)) {
            let more = given.minimum().saturating_sub(declared.min);
            need.table_bytes = need.table_bytes.saturating_add(more.saturating_mul(TABLE_ENTRY_BYTES));
        }
    }
    need
}

/// A list that grows on setup threads; creating an instance reads it.
#[derive(Default)]
pub struct Imports {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    funcs: Vec<Arc<Callable>>,
    provided: Vec<Provided>,
    sets: native::Sets,
}

impl Imports {
    /// Adds a function. A second one of the same name replaces the first for instances that are created from now on.
    pub fn add(&self, func: HostFunc) -> Result<()> {
        let func = Callable::new(func);
        let mut list = self.lock();
        let funcs = &mut list.funcs;
        reserve::room(funcs, 1)?;
        reserve::check()?;
        let at = funcs.iter().position(|known| (&known.module, &known.name) == (&func.module, &func.name));
        let replaced = at.map(|at| funcs.remove(at));
        func.take_over();
        funcs.push(func);
        drop(list);
        // The host's finalizer runs without the lock.
        drop(replaced);
        Ok(())
    }

    /// The system that the list describes.
    pub fn system(&self) -> Option<Arc<native::Setup>> {
        self.lock().sets.system.clone()
    }

    /// Changes the library's own functions that it provides.
    pub fn provide(&self, change: impl FnOnce(&mut native::Sets)) {
        change(&mut self.lock().sets)
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds a memory, table or global. A second one of the same name and kind replaces the first.
    pub fn provide_made(&self, new: Provided) -> Result<()> {
        let provided = &mut self.lock().provided;
        reserve::room(provided, 1)?;
        reserve::check()?;
        provided.retain(|old| (&old.module, &old.name, old.what.kind()) != (&new.module, &new.name, new.what.kind()));
        provided.push(new);
        Ok(())
    }

    /// Provides every memory, table and global of a module that a host can provide, as the module declares it; globals are zero.
    pub fn provide_declared(&self, metadata: &Metadata) -> Result<()> {
        for import in &metadata.imports {
            let what = match import.kind {
                ExternKind::Memory => What::Memory(None),
                ExternKind::Table => What::Table(None),
                ExternKind::Global => match What::global(import.ty.trim_start_matches("global "), ValRaw::v128(0)) {
                    Ok(global) => global,
                    Err(_) => continue,
                },
                ExternKind::Func | ExternKind::Tag => continue,
            };
            self.provide_made(Provided { module: import.module.clone(), name: import.name.clone(), what })?;
        }
        Ok(())
    }

    /// Makes the link for an import of a memory, table or global.
    fn find_made(&self, import: &Extern) -> Found {
        let list = self.lock();
        let is_it = |one: &&Provided| one.what.kind() == import.kind && one.module == import.module && one.name == import.name;
        let Some(one) = list.provided.iter().find(is_it) else { return Found::Missing };
        let Some(wanted) = Limits::of_text(&import.ty) else {
            let What::Global(ty, value) = &one.what else { return Found::Missing };
            let given = format!("global {}{}", if ty.mutability().is_var() { "mut " } else { "" }, ty.content());
            return match given == import.ty {
                true => Found::Linked(Linked::Global(ty.clone(), *value)),
                false => Found::Differs(given),
            };
        };
        let (given, linked) = match &one.what {
            What::Memory(ty) => {
                let ty = ty.clone().or_else(|| wanted.memory());
                (ty.as_ref().map(Limits::of_memory), ty.map(Linked::Memory))
            }
            What::Table(ty) => {
                let ty = ty.clone().or_else(|| wanted.table());
                (ty.as_ref().map(Limits::of_table), ty.map(Linked::Table))
            }
            What::Global(..) => (None, None),
        };
        match (given, linked) {
            (Some(given), Some(linked)) if given.fit(wanted) => Found::Linked(linked),
            (Some(given), _) => Found::Differs(given.to_string()),
            _ => Found::Missing,
        }
    }

    /// Provides for an import of this name and type, the module's `index`th: with the host's function, else with one of the
    /// library's own.
    fn find(&self, import: &Extern, index: usize, wanted: &Signature) -> Found {
        let list = self.lock();
        match list.funcs.iter().find(|f| f.module == import.module && f.name == import.name) {
            Some(found) if found.signature == *wanted => Found::Linked(Linked::Host(found.clone())),
            Some(found) => Found::Differs(found.signature.to_string()),
            None => list.sets.find(import, index).map_or(Found::Missing, |native| Found::Linked(Linked::Native(native))),
        }
    }
}

enum Found {
    Linked(Linked),
    /// The host's has this other type.
    Differs(String),
    Missing,
}

/// The imports of a module that are not provided.
#[derive(Default)]
pub struct Lacking {
    /// Their indices.
    pub indices: Vec<u32>,
    /// The first one whose type differs from what was provided.
    differs: Option<Error>,
}

/// Links all imports of a module, or lists those that are lacking.
pub fn link(metadata: &Metadata, imports: Option<&Imports>) -> Result<std::result::Result<Vec<Linked>, Lacking>> {
    check_kinds(metadata)?;
    let (mut linked, mut lacking) = (Vec::new(), Lacking::default());
    let none = Imports::default();
    for (index, import) in metadata.imports.iter().enumerate() {
        let imports = imports.unwrap_or(&none);
        let found = match import.kind {
            ExternKind::Func => {
                let wanted = Signature::parse(&import.ty).map_err(|_| uncallable(&import.module, &import.name))?;
                imports.find(import, index, &wanted)
            }
            _ => imports.find_made(import),
        };
        match found {
            Found::Linked(one) => {
                linked.push(one);
                continue;
            }
            Found::Missing => {}
            Found::Differs(provided) => {
                lacking.differs.get_or_insert_with(|| {
                    let named = named(&import.module, &import.name);
                    Error::new(
                        RTW_ERR_IMPORT_TYPE,
                        format!("import {named} has type {}, and was provided as {provided}", import.ty),
                    )
                });
            }
        }
        lacking.indices.push(index as u32);
    }
    Ok(if lacking.indices.is_empty() { Ok(linked) } else { Err(lacking) })
}

impl Lacking {
    /// One message for all of them.
    pub fn error(self, metadata: &Metadata) -> Error {
        /// The length of a message after which it only counts the rest, in bytes.
        const ENOUGH: usize = 360;
        let count = self.indices.len();
        if let Some(differs) = self.differs {
            let more = if count == 1 { String::new() } else { format!("; {} more are missing or differ", count - 1) };
            return Error { message: differs.message + &more, ..differs };
        }
        let mut message = String::new();
        for (at, index) in self.indices.iter().enumerate() {
            let import = &metadata.imports[*index as usize];
            let one = format!("{} {}", named(&import.module, &import.name), shown(&import.ty));
            if at != 0 && message.len() + one.len() > ENOUGH {
                message += &format!(" and {} more", count - at);
                break;
            }
            message += if at == 0 { "" } else { ", " };
            message += &one;
        }
        let were = if count == 1 { "import was".into() } else { format!("{count} imports were") };
        Error::new(RTW_ERR_IMPORT_MISSING, format!("{were} not provided: {message}"))
    }
}

impl Linked {
    /// True if it may write to the log, or needs the guest's view of the system.
    pub fn speaks(&self) -> bool {
        matches!(self, Linked::Native(native) if native.speaks)
    }

    /// The address of the C library's function that a call of it reaches, if it is one.
    pub fn outside(&self) -> Option<usize> {
        if let Linked::Native(native) = self { native.outside() } else { None }
    }
}

pub fn uncallable(module: &str, name: &str) -> Error {
    let named = named(module, name);
    Error::new(RTW_ERR_UNSUPPORTED, format!("import {named} uses reference types, which cannot cross into C"))
}

/// The module's `index`th import, for a message.
pub fn named_one(metadata: &Metadata, index: u32) -> Option<String> {
    metadata.imports.get(index as usize).map(|import| named(&import.module, &import.name))
}

fn named(module: &str, name: &str) -> String {
    format!("\"{}\" \"{}\"", shown(module), shown(name))
}

/// Refuses a module that imports a function or a global with a reference type, which cannot cross into C.
pub fn check_kinds(metadata: &Metadata) -> Result<()> {
    let refused = metadata.imports.iter().find(|import| !crosses(import));
    refused.map_or(Ok(()), |import| Err(uncallable(&import.module, &import.name)))
}

/// True if a host can provide the import.
pub fn crosses(import: &Extern) -> bool {
    match import.kind {
        ExternKind::Func => Signature::parse(&import.ty).is_ok(),
        ExternKind::Global => import.ty.rsplit(' ').next().and_then(Type::named).is_some(),
        ExternKind::Memory | ExternKind::Table => true,
        ExternKind::Tag => false,
    }
}
