//! The host functions that instances are linked against.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard};

use super::artifact::{Extern, ExternKind, Metadata};
use super::naming::shown;
use super::native::{self, Native};
use super::signature::Signature;
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

/// The function that one import of a guest is linked to.
#[derive(Clone)]
pub enum Linked {
    Host(HostFunc),
    Native(Native),
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

/// A list that grows on setup threads; creating an instance reads it.
#[derive(Default)]
pub struct Imports {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    funcs: Vec<HostFunc>,
    sets: native::Sets,
}

impl Imports {
    /// Adds a function. A second one of the same name replaces the first for instances that are created from now on.
    pub fn add(&self, func: HostFunc) -> Result<()> {
        let mut list = self.lock();
        let funcs = &mut list.funcs;
        reserve::room(funcs, 1)?;
        reserve::check()?;
        let at = funcs.iter().position(|known| (&known.module, &known.name) == (&func.module, &func.name));
        let replaced = at.map(|at| funcs.remove(at));
        if let Some(finalizer) = &func.finalizer {
            finalizer.is_owner.store(true, Relaxed);
        }
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

    /// Provides for an import of this name and type, the module's `index`th: with the host's function, else with one of the
    /// library's own.
    fn find(&self, import: &Extern, index: usize, wanted: &Signature) -> Found {
        let list = self.lock();
        match list.funcs.iter().find(|f| f.module == import.module && f.name == import.name) {
            Some(found) if found.signature == *wanted => Found::Linked(Linked::Host(found.clone())),
            Some(found) => Found::Differs(found.signature.clone()),
            None => list.sets.find(import, index).map_or(Found::Missing, |native| Found::Linked(Linked::Native(native))),
        }
    }
}

enum Found {
    Linked(Linked),
    /// The host's function has another type.
    Differs(Signature),
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
        let wanted = Signature::parse(&import.ty).map_err(|_| uncallable(&import.module, &import.name))?;
        match imports.unwrap_or(&none).find(import, index, &wanted) {
            Found::Linked(one) => {
                linked.push(one);
                continue;
            }
            Found::Missing => {}
            Found::Differs(provided) => {
                lacking.differs.get_or_insert_with(|| {
                    let named = named(&import.module, &import.name);
                    Error::new(RTW_ERR_IMPORT_TYPE, format!("import {named} has type {wanted}, and was provided as {provided}"))
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

/// Refuses a module that imports anything but functions, since no host can create an instance of it.
pub fn check_kinds(metadata: &Metadata) -> Result<()> {
    let others: Vec<&Extern> = metadata.imports.iter().filter(|import| import.kind != ExternKind::Func).collect();
    let [first, rest @ ..] = others.as_slice() else {
        let uncallable_one = metadata.imports.iter().find(|import| Signature::parse(&import.ty).is_err());
        return uncallable_one.map_or(Ok(()), |import| Err(uncallable(&import.module, &import.name)));
    };
    let more = if rest.is_empty() { String::new() } else { format!(", as {} more are not", rest.len()) };
    let (named, kind) = (named(&first.module, &first.name), first.kind.name());
    let advice = match first.kind {
        ExternKind::Memory => {
            ": let the module define its memory (link without --import-memory; AssemblyScript: without --importMemory)"
        }
        ExternKind::Global | ExternKind::Table => {
            ": link a module of its own, not one that is loaded into another (Emscripten: no -sMAIN_MODULE or -sSIDE_MODULE)"
        }
        ExternKind::Func | ExternKind::Tag => "",
    };
    Err(Error::new(
        RTW_ERR_IMPORT_MISSING,
        format!("import {named} is a {kind}, not a function{more}; only functions can be provided{advice}"),
    ))
}
