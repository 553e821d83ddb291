//! Guards the artifact ABI: a digest over what code and library agree on and what can be computed. An engine that changes it needs another
//! `release::ARTIFACT_ABI`, and then another digest here.

use rtwasm::engine::profile::Profile;
use sha2::{Digest, Sha256};
use wasmtime_environ::object::read::elf::ElfFile64;
use wasmtime_environ::object::{Endianness, Object, ObjectSection};
use wasmtime_environ::{
    BuiltinFunctionIndex, CompiledFunctionsTable, CompiledModuleInfo, HostPtr, ModuleTypes, PtrSize, VMOffsets, obj,
};

use crate::{Cpu, Options, Target};

/// The digest of artifact ABI 1.
const DIGEST: (u32, &str) = (1, "04bbeb3a14586a69f468b45a0ed0bab9252d52a6ecacb0161b41ea11033b3521");

const CORPUS: &str = r#"(module
    (import "env" "f" (func $f (param i32 f64) (result i64)))
    (import "env" "g" (global i32))
    (memory (export "memory") 1 4) (memory 2)
    (table (export "table") 3 9 funcref) (elem (i32.const 0) $own) (elem func $own $f) (data "passive") (data (i32.const 8) "active")
    (global (mut v128) (v128.const i64x2 1 2)) (global (export "c") (mut f32) (f32.const 1))
    (func $own (export "own") (param i32) (result i64)
        (loop $again (br_if $again (i32.load (local.get 0))))
        (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)) (memory.fill (i32.const 0) (i32.const 1) (local.get 0))
        (table.init 1 (i32.const 0) (i32.const 0) (i32.const 1)) (drop (memory.grow (i32.const 1)))
        (global.set 2 (f32.floor (global.get 2)))
        (call $f (local.get 0) (f64.const 1))))"#;

fn digest() -> String {
    let mut all = String::new();
    let mut note = |what: &str, value: &dyn std::fmt::Debug| all.push_str(&format!("{what} {value:?}\n"));
    for index in 0..BuiltinFunctionIndex::len() {
        note("builtin", &(index, BuiltinFunctionIndex::from_u32(index).name()));
    }
    let pointers = HostPtr;
    for offset in [
        pointers.vmctx_magic(),
        pointers.vmctx_store_context(),
        pointers.vmctx_builtin_functions(),
        pointers.vmctx_epoch_ptr(),
        pointers.vmctx_gc_heap_data(),
        pointers.vmctx_type_ids_array(),
        pointers.vmctx_dynamic_data_start(),
    ] {
        note("context", &offset);
    }
    for target in Target::ALL {
        for profile in Profile::ALL {
            let options = Options { cpu: Cpu::Baseline, ..Options::for_target(profile, target) };
            let artifact = crate::compile(CORPUS.as_bytes(), &options, &mut |_| {}).expect("the corpus");
            let opened = rtwasm::engine::artifact::Opened::new(rtwasm::engine::artifact::Input::Memory(&artifact)).expect("it");
            let code = opened.part(0).expect("its part").code;
            let file = ElfFile64::<Endianness>::parse(&*code).expect("an ELF file");
            // The engine's settings, as it compares them at a load, and its records of the module. The places of functions are left out:
            // they change with every instruction that is generated differently.
            let section = |name: &str| file.section_by_name(name).expect("a section").data().expect("its data");
            note("settings", &section(obj::ELF_WASM_ENGINE));
            let (info, _, types): (CompiledModuleInfo, CompiledFunctionsTable, ModuleTypes) =
                postcard::from_bytes(section(obj::ELF_WASMTIME_INFO)).expect("the records");
            note("module", &postcard::to_stdvec(&info.module).expect("the module"));
            note("types", &postcard::to_stdvec(&types).expect("the types"));
            let offsets = VMOffsets::new(HostPtr, &info.module);
            offsets.region_sizes().for_each(|region| note("region", &region));
            note("size", &offsets.size_of_vmctx());
            for begin in [
                offsets.vmctx_imported_functions_begin(),
                offsets.vmctx_imported_tables_begin(),
                offsets.vmctx_imported_memories_begin(),
                offsets.vmctx_imported_globals_begin(),
                offsets.vmctx_imported_tags_begin(),
                offsets.vmctx_tables_begin(),
                offsets.vmctx_memories_begin(),
                offsets.vmctx_owned_memories_begin(),
                offsets.vmctx_globals_begin(),
                offsets.vmctx_tags_begin(),
                offsets.vmctx_func_refs_begin(),
                offsets.vmctx_runtime_data_bases_begin(),
                offsets.vmctx_runtime_data_lengths_begin(),
            ] {
                note("begin", &begin);
            }
        }
    }
    Sha256::digest(&all).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_code_and_library_agree_on_has_not_changed_without_another_artifact_abi() {
    let (abi, expected) = DIGEST;
    let found = digest();
    assert_eq!(
        (rtwasm::engine::artifact::release::ARTIFACT_ABI, found.as_str()),
        (abi, expected),
        "the engine's offsets, builtins, settings or records have changed: raise ARTIFACT_ABI, and then this digest"
    );
    assert_eq!(digest(), found, "it depends on nothing else");
}
