//! The functions, memories, tables and globals that a measuring command provides to a guest, so that it can run without its host: the
//! library's mathematics, its system and its log, as a host would; and for what only a host can provide, stubs.

use std::ffi::c_void;

use rtwasm::engine::artifact::{ExternKind, Metadata};
use rtwasm::engine::call::ValRaw;
use rtwasm::engine::imports::{HostFunc, Imports, Stubs};
use rtwasm::engine::naming;
use rtwasm::engine::native;
use rtwasm::engine::signature::Signature;
use rtwasm::status::*;
use serde::{Deserialize, Serialize};

use crate::needs::{self, Provider};

/// The treatment of functions that only the guest's own host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// Stubs return zeros.
    Zeros,
    /// A call of one ends the guest's call.
    Trap,
    /// The guest is not created.
    Refuse,
}

impl Missing {
    pub const NAMES: &str = "zeros, trap, refuse";

    pub fn from_name(name: &str) -> Option<Missing> {
        match name {
            "zeros" => Some(Missing::Zeros),
            "trap" => Some(Missing::Trap),
            "refuse" => Some(Missing::Refuse),
            _ => None,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Missing::Zeros => "stubbed with zeros",
            Missing::Trap => "stubbed: a call ends the run",
            Missing::Refuse => "not provided",
        }
    }
}

/// Random numbers are the same in every run.
const SEED: u64 = 1;

/// The imports of a module.
pub fn imports(metadata: &Metadata, missing: Missing) -> Result<Imports> {
    let imports = Imports::default();
    let system = native::Setup::new(vec!["guest"], Vec::new(), SEED, std::ptr::null())?;
    imports.provide(|sets| {
        sets.libm = true;
        sets.system = Some(system);
        sets.stubs = if missing == Missing::Trap { Stubs::Trap } else { Stubs::None };
    });
    imports.provide_declared(metadata)?;
    if missing == Missing::Zeros {
        let func = |import: &&rtwasm::engine::artifact::Extern| {
            import.kind == ExternKind::Func && Provider::of(import) == Provider::Host
        };
        for import in metadata.imports.iter().filter(func) {
            let signature = Signature::parse(&import.ty)?;
            imports.add(HostFunc {
                module: import.module.clone(),
                name: import.name.clone(),
                user_data: std::ptr::without_provenance_mut(signature.value_count()),
                signature,
                func: zeros,
                may_block: false,
                finalizer: None,
            })?;
        }
    }
    Ok(imports)
}

/// The stub of a function that only a host has; `room` is the larger number of its parameters and results.
unsafe extern "C-unwind" fn zeros(room: *mut c_void, _instance: *mut c_void, values: *mut c_void) -> rtw_status_t {
    // SAFETY: the engine supplies room for all parameters and results.
    unsafe { std::slice::from_raw_parts_mut(values.cast::<ValRaw>(), room.addr()) }.fill(ValRaw::i64(0));
    RTW_OK
}

/// Who provides the functions that a module imports, in words.
pub fn told(metadata: &Metadata, missing: Missing) -> Option<String> {
    let providers = needs::providers(metadata);
    let parts: Vec<String> = providers
        .iter()
        .map(|(whose, names)| {
            let few = naming::few(names.iter().map(String::as_str));
            match whose {
                Provider::Library(name) => format!("{few} provided by {name}"),
                Provider::Always => format!("{few} provided by the library's log"),
                Provider::Host => format!("{few} {}", missing.text()),
                Provider::Refused => format!("{few} refused"),
            }
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
