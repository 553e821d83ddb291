//! The host functions that instances are linked against.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex};

use super::artifact::{Extern, ExternKind, Metadata};
use super::naming::shown;
use super::signature::Signature;
use crate::rt::reserve;
use crate::status::*;
use crate::sys::end;

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
            end::unless_left("a finalizer", || unsafe { (self.call)(self.user_data) })
        }
    }
}

// SAFETY: the pointer is the host's; the API specifies the threads on which the function is called with it.
unsafe impl Send for HostFunc {}
// SAFETY: as for Send.
unsafe impl Sync for HostFunc {}

/// A list that grows on setup threads; creating an instance reads it.
#[derive(Default)]
pub struct Imports {
    funcs: Mutex<Vec<HostFunc>>,
}

impl Imports {
    /// Adds a function. A second one of the same name replaces the first for instances that are created from now on.
    pub fn add(&self, func: HostFunc) -> Result<()> {
        let mut funcs = self.funcs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        reserve::room(&mut funcs, 1)?;
        reserve::check()?;
        let at = funcs.iter().position(|known| (&known.module, &known.name) == (&func.module, &func.name));
        let replaced = at.map(|at| funcs.remove(at));
        if let Some(finalizer) = &func.finalizer {
            finalizer.is_owner.store(true, Relaxed);
        }
        funcs.push(func);
        drop(funcs);
        // The host's finalizer runs without the lock.
        drop(replaced);
        Ok(())
    }

    /// The function for an import of this name and type.
    pub fn find(&self, module: &str, name: &str, wanted: &Signature) -> Result<HostFunc> {
        let funcs = self.funcs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let found = funcs.iter().find(|f| f.module == module && f.name == name).ok_or_else(|| missing(module, name, wanted))?;
        if found.signature != *wanted {
            return Err(Error::new(
                RTW_ERR_IMPORT_TYPE,
                format!("import {} has type {wanted}, and was provided as {}", named(module, name), found.signature),
            ));
        }
        Ok(found.clone())
    }
}

pub fn missing(module: &str, name: &str, wanted: &Signature) -> Error {
    Error::new(RTW_ERR_IMPORT_MISSING, format!("import {} {wanted} was not provided", named(module, name)))
}

pub fn uncallable(module: &str, name: &str) -> Error {
    let named = named(module, name);
    Error::new(RTW_ERR_UNSUPPORTED, format!("import {named} uses reference types, which cannot cross into C"))
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
