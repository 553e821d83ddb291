//! A module's demands on its host: the provider of each import, the proposals and the growth that it needs, its way to start, and what
//! this library refuses.

use rtwasm::engine::artifact::{Extern, ExternKind, Metadata, Needs};
use rtwasm::engine::imports;
use rtwasm::engine::naming;
use rtwasm::engine::native::{self, Set};
use serde_json::{Value, json};

/// Who provides an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The library, if the host calls this function.
    Library(&'static str),
    /// The library, always.
    Always,
    /// Nobody but the host, with rtw_imports_func.
    Host,
    /// Nobody.
    Refused,
}

impl Provider {
    pub fn of(import: &Extern) -> Provider {
        match import.kind {
            _ if !imports::crosses(import) => Provider::Refused,
            ExternKind::Memory => Provider::Library("rtw_imports_memory"),
            ExternKind::Table => Provider::Library("rtw_imports_table"),
            ExternKind::Global => Provider::Library("rtw_imports_global"),
            ExternKind::Func | ExternKind::Tag => match native::set_of(import) {
                Some(Set::Mathematics) => Provider::Library("rtw_imports_libm"),
                Some(Set::System) => Provider::Library("rtw_imports_wasi"),
                Some(Set::Log) => Provider::Always,
                None => Provider::Host,
            },
        }
    }

    /// The name in JSON: the function that a host calls.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Provider::Library(name) => Some(name),
            Provider::Always => Some("rtw_log"),
            Provider::Host => Some("rtw_imports_func"),
            Provider::Refused => None,
        }
    }

    /// For a list of imports.
    pub fn text(self) -> String {
        match self {
            Provider::Library(name) => format!("provided by {name}"),
            Provider::Always => "provided by the library's log".into(),
            Provider::Host => "the host has to provide it, with rtw_imports_func".into(),
            Provider::Refused => REFUSED.into(),
        }
    }
}

const REFUSED: &str = "refused: it uses reference types, which cannot cross into C";

/// The imports of that provider, by name, in the module's order.
fn names(metadata: &Metadata, whose: Provider) -> Vec<String> {
    let named = |import: &Extern| match whose {
        // A host has to know these exactly.
        Provider::Host => format!("{}.{} {}", import.module, import.name, import.ty),
        _ => import.name.clone(),
    };
    metadata.imports.iter().filter(|import| Provider::of(import) == whose).map(named).collect()
}

/// The providers of a module's imports, each with the names of what it provides.
pub fn providers(metadata: &Metadata) -> Vec<(Provider, Vec<String>)> {
    let mut all: Vec<(Provider, Vec<String>)> = Vec::new();
    for whose in metadata.imports.iter().map(Provider::of) {
        if !all.iter().any(|(known, _)| *known == whose) {
            all.push((whose, names(metadata, whose)));
        }
    }
    all
}

/// The duties of a host, and what it may expect: subjects, and a sentence for each.
pub fn sentences(metadata: &Metadata, needs: Option<&Needs>) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    for (whose, names) in providers(metadata) {
        let few = naming::few(names.iter().map(String::as_str));
        let sentence = match whose {
            Provider::Library(name) => format!("{name} provides {few}"),
            Provider::Always => format!("the library's log provides {few}"),
            Provider::Host => format!("the host has to provide {few}, with rtw_imports_func"),
            Provider::Refused => format!("no host can provide {few}: reference types cannot cross into C"),
        };
        told.push(("imports", sentence));
    }
    told.extend(start(metadata).map(|start| ("start", start.sentence().to_owned())));
    if let Some(needs) = needs {
        told.extend(growth(metadata, needs).map(|sentence| ("growth", sentence)));
        if !needs.proposals.is_empty() {
            told.push(("proposals", format!("uses {}", needs.proposals.join(", "))));
        }
    }
    told
}

/// The way in which a toolchain's module starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Command,
    Reactor,
    StartFunction,
}

pub fn start(metadata: &Metadata) -> Option<Start> {
    let exports =
        |name: &str| metadata.exports.iter().any(|one| one.kind == ExternKind::Func && one.name == name && one.ty == "()->()");
    match () {
        () if exports("_initialize") => Some(Start::Reactor),
        () if exports("_start") => Some(Start::Command),
        () if metadata.has_start => Some(Start::StartFunction),
        () => None,
    }
}

impl Start {
    pub fn name(self) -> &'static str {
        match self {
            Start::Command => "command",
            Start::Reactor => "reactor",
            Start::StartFunction => "start function",
        }
    }

    pub fn sentence(self) -> &'static str {
        match self {
            Start::Command => "a command: the host calls _start once, and resets the instance to call it again",
            Start::Reactor => {
                "a reactor: the library calls _initialize in each new guest, once (RTW_INITIALIZE_LEAVE: the host does)"
            }
            Start::StartFunction => "has a start function, which runs in each new guest",
        }
    }
}

/// The parts of a guest that grow, and whether the library lets them.
pub fn growth(metadata: &Metadata, needs: &Needs) -> Option<String> {
    let what = match (needs.grows_memory, needs.grows_tables) {
        (false, false) => return None,
        (true, false) => "memory",
        (false, true) => "table",
        (true, true) => "memory and table",
    };
    let imports_memory = metadata.imports.iter().any(|one| one.kind == ExternKind::Memory);
    let ahead = match needs.grows_memory && !imports_memory {
        true => " or, in the plugin profile, RTW_GROWTH_AHEAD",
        false => "",
    };
    Some(format!("can grow its {what}: refused once the instance is prepared, unless its growth is RTW_GROWTH_ALLOWED{ahead}"))
}

/// The needs of a module as JSON.
pub fn to_json(metadata: &Metadata, needs: Option<&Needs>) -> Value {
    json!({
        "proposals": needs.map(|needs| &needs.proposals),
        "grows_memory": needs.map(|needs| needs.grows_memory),
        "grows_tables": needs.map(|needs| needs.grows_tables),
        "starts_as": start(metadata).map(Start::name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(kind: ExternKind, module: &str, name: &str, ty: &str) -> Extern {
        Extern { kind, module: module.into(), name: name.into(), ty: ty.into() }
    }

    #[test]
    fn each_import_has_its_provider() {
        let func = |module, name, ty| Provider::of(&import(ExternKind::Func, module, name, ty)).name();
        assert_eq!(func("env", "sinf", "(f32)->(f32)"), Some("rtw_imports_libm"));
        assert_eq!(func("env", "_pow", "(f64,f64)->(f64)"), Some("rtw_imports_libm"));
        assert_eq!(func("env", "sinf", "(f64)->(f64)"), Some("rtw_imports_func"), "a type of its own");
        assert_eq!(func("wasi_snapshot_preview1", "fd_write", "(i32,i32,i32,i32)->(i32)"), Some("rtw_imports_wasi"));
        assert_eq!(func("wasi_snapshot_preview1", "path_open", "(i32)->(i32)"), Some("rtw_imports_wasi"), "with an errno");
        assert_eq!(func("env", "abort", "(i32,i32,i32,i32)->()"), Some("rtw_imports_wasi"));
        assert_eq!(func("rtwasm", "rtw_log", "(i32,i32,i32)->()"), Some("rtw_log"));
        assert_eq!(func("env", "blink", "(i32)->()"), Some("rtw_imports_func"));
        assert_eq!(func("env", "keep", "(externref)->()"), None);
        let other = |kind, ty| Provider::of(&import(kind, "env", "x", ty)).name();
        assert_eq!(other(ExternKind::Memory, "memory 1.. pages"), Some("rtw_imports_memory"));
        assert_eq!(other(ExternKind::Table, "table 1.. funcref"), Some("rtw_imports_table"));
        assert_eq!(other(ExternKind::Global, "global mut i32"), Some("rtw_imports_global"));
        assert_eq!(other(ExternKind::Global, "global funcref"), None);
    }
}
