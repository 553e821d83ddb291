//! Validates a module before the code generator reads it: reports the error, its place, and a proposal that would make the
//! module valid.

use rtwasm::engine::artifact::Needs;
use rtwasm::engine::profile;
use rtwasm::status::*;
use wasmparser::types::Types;
use wasmparser::{FuncValidatorAllocations, Operator, Parser, Payload, ValidPayload, Validator, WasmFeatures};

use crate::place;

/// The result of validation: the types behind the module's indices.
pub struct Checked {
    pub types: Types,
}

/// Checks a module in binary form against the features that guests may use.
pub fn module(module: &[u8]) -> Result<Checked> {
    let features = profile::guest_features();
    let types = run(module, features).map_err(|error| explain(module, features, &error))?;
    refuse_object_file(module)?;
    refuse_shared_memory(module, &types)?;
    Ok(Checked { types })
}

/// Stops at the first error in the order of the file, function bodies included.
fn run(module: &[u8], features: WasmFeatures) -> wasmparser::Result<Types> {
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    let mut types = None;
    for payload in parser.parse_all(module) {
        match validator.payload(&payload?)? {
            ValidPayload::Func(function, body) => {
                let mut function = function.into_validator(allocations);
                function.validate(&body)?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(found) => types = Some(found),
            _ => {}
        }
    }
    Ok(types.expect("the parser ends a module with its end or an error"))
}

/// A disabled proposal, with its name in errors.
struct Proposal {
    feature: WasmFeatures,
    name: &'static str,
    /// The usual cause of an unwanted use, and the way around it.
    hint: &'static str,
}

/// The proposals that a valid module uses: without them it would not be valid.
fn used_proposals(module: &[u8]) -> Vec<String> {
    let features: Vec<_> = profile::guest_features().iter_names().filter(|(name, _)| *name != "FLOATS").collect();
    let mut used = Vec::new();
    find_used(module, &features, &mut used);
    used.iter().map(|name| name.to_lowercase().replace('_', "-")).collect()
}

/// A module that is valid without all of the features uses none of them, so one validation is enough for most.
fn find_used(module: &[u8], features: &[(&'static str, WasmFeatures)], used: &mut Vec<&'static str>) {
    let all = features.iter().fold(WasmFeatures::empty(), |all, (_, feature)| all | *feature);
    if features.is_empty() || run(module, profile::guest_features().difference(all)).is_ok() {
        return;
    }
    match features {
        [(name, _)] => used.push(name),
        several => {
            let (first, second) = several.split_at(several.len() / 2);
            find_used(module, first, used);
            find_used(module, second, used);
        }
    }
}

/// The demands of a valid module on an engine.
pub fn needs(module: &[u8]) -> Result<Needs> {
    let unreadable = |error: wasmparser::Error| Error::new(RTW_ERR_INTERNAL, format!("a valid module cannot be read: {error}"));
    let mut needs = Needs { proposals: used_proposals(module), ..Needs::default() };
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CodeSectionEntry(body) = payload.map_err(unreadable)? else { continue };
        for operator in body.get_operators_reader().map_err(unreadable)? {
            match operator.map_err(unreadable)? {
                Operator::MemoryGrow { .. } => needs.grows_memory = true,
                Operator::TableGrow { .. } => needs.grows_tables = true,
                _ => {}
            }
        }
    }
    Ok(needs)
}

/// From the exotic to the common: if either of two would do, the error names the later one.
const PROPOSALS: &[Proposal] = &[
    Proposal { feature: WasmFeatures::CUSTOM_DESCRIPTORS, name: "custom descriptors", hint: "" },
    Proposal { feature: WasmFeatures::COMPACT_IMPORTS, name: "compact imports", hint: "" },
    Proposal { feature: WasmFeatures::SHARED_EVERYTHING_THREADS, name: "shared-everything threads", hint: "" },
    Proposal { feature: WasmFeatures::STACK_SWITCHING, name: "stack switching", hint: "" },
    Proposal { feature: WasmFeatures::MEMORY_CONTROL, name: "memory control", hint: "" },
    Proposal { feature: WasmFeatures::CUSTOM_PAGE_SIZES, name: "custom page sizes", hint: "" },
    Proposal { feature: WasmFeatures::WIDE_ARITHMETIC, name: "wide arithmetic", hint: "compile without -mwide-arithmetic" },
    Proposal {
        feature: WasmFeatures::LEGACY_EXCEPTIONS,
        name: "legacy exception handling",
        hint: "compile C++ with -fno-exceptions",
    },
    Proposal { feature: WasmFeatures::GC, name: "garbage collection", hint: "" },
    Proposal { feature: WasmFeatures::FUNCTION_REFERENCES, name: "typed function references", hint: "" },
    Proposal { feature: WasmFeatures::EXCEPTIONS, name: "exception handling", hint: "compile C++ with -fno-exceptions" },
    Proposal {
        feature: WasmFeatures::GC_TYPES,
        name: "references to host objects (externref)",
        hint: "they need a garbage collector; pass an index instead",
    },
];

/// Proposals whose types need a garbage collector.
const COLLECTED: WasmFeatures = WasmFeatures::GC.union(WasmFeatures::STACK_SWITCHING).union(WasmFeatures::CUSTOM_DESCRIPTORS);

fn explain(module: &[u8], features: WasmFeatures, error: &wasmparser::Error) -> Error {
    let what_and_where = |error: &wasmparser::Error| format!("{}, {}", error.message(), place::find(module, error.offset()));
    let missing = match missing_proposals(module, features) {
        Ok(missing) => missing,
        Err(lasting) => return Error::new(RTW_ERR_WASM, format!("the module is not valid: {}", what_and_where(&lasting))),
    };
    let names: Vec<&str> = missing.iter().map(|proposal| proposal.name).collect();
    let mut hints: Vec<&str> = missing.iter().map(|proposal| proposal.hint).filter(|hint| !hint.is_empty()).collect();
    // Two proposals may have one name, although they are not adjacent in the list.
    let mut told: Vec<&str> = Vec::new();
    hints.retain(|hint| !told.contains(hint) && (told.push(hint), true).1);
    let (noun, verb) = if names.len() == 1 { ("proposal", "is") } else { ("proposals", "are") };
    let hints = if hints.is_empty() { String::new() } else { format!(" ({})", hints.join("; ")) };
    let names = names.join(" and ");
    Error::new(
        RTW_ERR_PROPOSAL,
        format!("the module needs the {noun} {names}, which {verb} off{hints}: {}", what_and_where(error)),
    )
}

/// The proposals that would make the module valid, or the error that remains with all of them.
fn missing_proposals(module: &[u8], features: WasmFeatures) -> wasmparser::Result<Vec<&'static Proposal>> {
    let mut needed = PROPOSALS.iter().fold(WasmFeatures::empty(), |all, proposal| all | proposal.feature);
    run(module, features | needed)?;
    for proposal in PROPOSALS {
        let fewer = needed.difference(proposal.feature);
        if run(module, features | fewer).is_ok() {
            needed = fewer;
        }
    }
    if needed.intersects(COLLECTED) {
        // Part of the named proposals, and not worth a name of its own.
        needed.remove(WasmFeatures::GC_TYPES);
    }
    Ok(PROPOSALS.iter().filter(|proposal| needed.contains(proposal.feature)).collect())
}

/// Refuses an object file: it is a valid module, whose unknown imports would only show at instantiation.
fn refuse_object_file(module: &[u8]) -> Result<()> {
    let mut has_linking_section = false;
    let mut imports_memory_of_linker = false;
    for payload in Parser::new(0).parse_all(module).flatten() {
        match payload {
            Payload::CustomSection(section) if section.name() == "linking" => has_linking_section = true,
            Payload::ImportSection(section) => {
                imports_memory_of_linker =
                    section.into_imports().flatten().any(|import| (import.module, import.name) == ("env", "__linear_memory"));
            }
            _ => {}
        }
    }
    if has_linking_section && imports_memory_of_linker {
        return Err(Error::new(
            RTW_ERR_WASM,
            "this is an object file that has not been linked: link it into a module with wasm-ld",
        ));
    }
    Ok(())
}

/// Refuses a shared memory. Atomics are on, so the validator accepts it, and the engine's error would say less.
fn refuse_shared_memory(module: &[u8], types: &Types) -> Result<()> {
    let types = types.as_ref();
    let Some(index) = (0..types.memory_count()).find(|index| types.memory_at(*index).shared) else { return Ok(()) };
    let place = memory_offset(module, index).map_or_else(String::new, |offset| format!(", {}", place::find(module, offset)));
    Err(Error::new(
        RTW_ERR_PROPOSAL,
        format!(
            "memory {index} is shared between threads, which is off: an instance belongs to one thread at a time \
             (link without --shared-memory and -pthread){place}"
        ),
    ))
}

/// The place of the memory's import or definition.
fn memory_offset(module: &[u8], index: u32) -> Option<usize> {
    let mut offsets = Vec::new();
    for payload in Parser::new(0).parse_all(module).flatten() {
        match payload {
            Payload::ImportSection(section) => {
                let imports = section.into_imports_with_offsets().flatten();
                offsets.extend(
                    imports.filter(|(_, import)| matches!(import.ty, wasmparser::TypeRef::Memory(_))).map(|(at, _)| at),
                );
            }
            Payload::MemorySection(section) => {
                offsets.extend(section.into_iter_with_offsets().flatten().map(|(at, _)| at));
            }
            _ => {}
        }
    }
    offsets.get(index as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Error {
        let bytes = wat::parse_str(text).unwrap();
        module(&bytes).err().unwrap_or_else(|| panic!("{text} is taken"))
    }

    fn refused(text: &str, status: rtw_status_t, parts: &[&str]) {
        let error = error(text);
        assert_eq!(error.status, status, "{error}");
        for part in parts {
            assert!(error.message.contains(part), "{part:?} is not in {:?}", error.message);
        }
    }

    #[test]
    fn advice_that_two_proposals_share_is_given_once() {
        // A tag; a function with `try` and `catch` of the legacy proposal, and one with `try_table`.
        let mut bytes = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x03\x02\0\0\x0d\x03\x01\0\0\x0a\x1a\x02".to_vec();
        bytes.extend(b"\x09\0\x06\x40\x08\0\x07\0\x0b\x0b");
        bytes.extend(b"\x0e\0\x02\x40\x1f\x40\x01\0\0\0\x08\0\x0b\x0b\x0b");
        let message = module(&bytes).err().unwrap().message;
        assert!(message.contains("legacy exception handling and exception handling"), "{message}");
        assert_eq!(message.matches("-fno-exceptions").count(), 1, "{message}");
    }

    #[test]
    fn what_guests_may_use_is_taken() {
        for text in [
            "(module)",
            "(module (func (param v128) (result v128) local.get 0 local.get 0 local.get 0 f32x4.relaxed_madd))",
            "(module (memory 1) (memory 2) (func i32.const 0 i32.const 1 i32.const 2 memory.copy 0 1))",
            "(module (memory 1) (func (result i32) i32.const 0 i32.atomic.load))",
            "(module (func $f return_call $f))",
            "(module (table 1 funcref) (func i32.const 0 ref.null func table.set))",
            "(module (memory i64 1))",
        ] {
            let bytes = wat::parse_str(text).unwrap();
            assert!(module(&bytes).is_ok(), "{text}");
        }
    }

    #[test]
    fn each_proposal_that_is_off_is_named() {
        for (text, name) in [
            ("(module (tag))", "exception handling"),
            ("(module (func (param externref)))", "references to host objects (externref)"),
            ("(module (type (struct)))", "garbage collection"),
            ("(module (func (param (ref func))))", "typed function references"),
            ("(module (memory 1 (pagesize 1)))", "custom page sizes"),
            ("(module (func (result i64 i64) i64.const 1 i64.const 1 i64.mul_wide_s))", "wide arithmetic"),
            ("(module (type $f (func)) (type (cont $f)))", "stack switching"),
            ("(module (global (shared i32) (i32.const 0)))", "shared-everything threads"),
            ("(module (memory 1) (func i32.const 0 i32.const 0 memory.discard))", "memory control"),
        ] {
            refused(text, RTW_ERR_PROPOSAL, &[&format!("needs the proposal {name}, which is off"), "at offset 0x"]);
        }
        // Function `try ... catch_all ... end`, which the text format does not write any more.
        let legacy = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x08\x01\x06\0\x06\x40\x19\x0b\x0b";
        let error = module(legacy).err().unwrap();
        assert_eq!(error.status, RTW_ERR_PROPOSAL);
        assert!(error.message.contains("legacy exception handling"), "{error}");
    }

    #[test]
    fn several_proposals_are_all_named() {
        let text = "(module (tag) (memory 1 (pagesize 1)))";
        refused(text, RTW_ERR_PROPOSAL, &["the proposals custom page sizes and exception handling, which are off"]);
    }

    #[test]
    fn no_proposal_is_named_where_none_would_do() {
        let text = "(module (tag $e) (func $good) (func $bad (result i32) f32.const 1))";
        refused(text, RTW_ERR_WASM, &["type mismatch", "function 1 \"bad\""]);
    }

    #[test]
    fn errors_tell_function_and_distance() {
        // Header 8, type section 8, function section 4, code section: id, size, count, body size, locals, f32.const, end.
        refused(
            "(module (func $f (result i32) f32.const 1))",
            RTW_ERR_WASM,
            &["in function 0 \"f\" at offset 0x1d, 0x6 into its body"],
        );
    }

    #[test]
    fn imports_count_and_exports_name() {
        let text = r#"(module (import "a" "b" (func)) (import "a" "m" (memory 1)) (import "a" "c" (func))
            (func) (func (export "process") i32.add drop))"#;
        refused(text, RTW_ERR_WASM, &["type mismatch", "in function 3 \"process\" at"]);
    }

    #[test]
    fn functions_may_be_nameless() {
        refused("(module (func i32.add drop))", RTW_ERR_WASM, &["in function 0 at offset"]);
    }

    #[test]
    fn sections_are_named() {
        refused("(module (func (export \"a\")) (func (export \"a\")))", RTW_ERR_WASM, &["in the export section at offset 0x"]);
        refused("(module (memory 65537))", RTW_ERR_WASM, &["in the memory section at offset 0xb"]);
    }

    #[test]
    fn shared_memories_are_refused() {
        refused(
            "(module (memory 1 4 shared))",
            RTW_ERR_PROPOSAL,
            &["memory 0 is shared", "in the memory section at offset 0xb"],
        );
        let imported =
            "(module (import \"a\" \"f\" (func)) (import \"a\" \"m\" (memory 1)) (import \"a\" \"s\" (memory 1 1 shared)))";
        refused(imported, RTW_ERR_PROPOSAL, &["memory 1 is shared", "in the import section at offset 0x1e"]);
    }

    #[test]
    fn object_files_are_refused() {
        let object = "(module (import \"env\" \"__linear_memory\" (memory 0)) (@custom \"linking\" \"\\02\"))";
        refused(object, RTW_ERR_WASM, &["has not been linked"]);
        let bytes = wat::parse_str("(module (import \"env\" \"__linear_memory\" (memory 0)))").unwrap();
        assert!(module(&bytes).is_ok(), "the import alone is nothing unusual");
    }

    #[test]
    fn every_cut_is_refused_and_located() {
        let whole = wat::parse_str(
            r#"(module (import "a" "b" (func)) (memory 1) (data (i32.const 0) "abc") (func (export "f") (result i32) i32.const 7))"#,
        )
        .unwrap();
        assert!(module(&whole).is_ok());
        let mut refusals = 0;
        for length in 8..whole.len() {
            // A cut between two sections may leave a whole module.
            if let Err(error) = module(&whole[..length]) {
                assert_eq!(error.status, RTW_ERR_WASM, "{error}");
                assert!(error.message.contains("at offset 0x"), "cut at {length}: {error}");
                refusals += 1;
            }
        }
        assert!(refusals > whole.len() / 2, "{refusals} of {}", whole.len());
    }

    #[test]
    fn no_changed_byte_makes_it_panic() {
        let whole = wat::parse_str(
            r#"(module (import "a" "b" (func $log)) (memory 1) (table 1 funcref) (elem (i32.const 0) $f)
                (func $f (export "f") (param i32) (result i32) (local f64) local.get 0 i32.load offset=4)
                (data (i32.const 0) "abc"))"#,
        )
        .unwrap();
        let mut refusals = 0;
        for at in 8..whole.len() {
            for value in 0..=u8::MAX {
                let mut changed = whole.clone();
                changed[at] = value;
                refusals += u32::from(module(&changed).is_err());
            }
        }
        assert!(refusals > 0);
    }
}
