//! The host functions that instances are linked against.

use std::ffi::c_void;
use std::sync::Mutex;

use super::signature::Signature;
use crate::status::*;

/// A host function in C: user data, the instance's handle, arguments in and results out. Anything but 0 ends the guest's call.
pub type HostFn = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void) -> rtw_status_t;

#[derive(Clone)]
pub struct HostFunc {
    pub module: String,
    pub name: String,
    pub signature: Signature,
    pub func: HostFn,
    pub user_data: *mut c_void,
}

// SAFETY: the pointer is the host's; the API says on which threads the function is called with it.
unsafe impl Send for HostFunc {}
unsafe impl Sync for HostFunc {}

/// A list that grows on setup threads and is read when instances are made.
#[derive(Default)]
pub struct Imports {
    funcs: Mutex<Vec<HostFunc>>,
}

impl Imports {
    /// Adds a function; a second one of the same name replaces the first for instances made from now on.
    pub fn add(&self, func: HostFunc) {
        let mut funcs = self.funcs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        funcs.retain(|known| (&known.module, &known.name) != (&func.module, &func.name));
        funcs.push(func);
    }

    /// The function for an import of this name and type.
    pub fn find(&self, module: &str, name: &str, wanted: &Signature) -> Result<HostFunc> {
        let funcs = self.funcs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let found = funcs.iter().find(|f| f.module == module && f.name == name).ok_or_else(|| missing(module, name, wanted))?;
        if found.signature != *wanted {
            return Err(Error::new(
                RTW_ERR_IMPORT_TYPE,
                format!("import \"{module}\" \"{name}\" has type {wanted}, and was provided as {}", found.signature),
            ));
        }
        Ok(found.clone())
    }
}

pub fn missing(module: &str, name: &str, wanted: &Signature) -> Error {
    Error::new(RTW_ERR_IMPORT_MISSING, format!("import \"{module}\" \"{name}\" {wanted} was not provided"))
}
