//! Rewrites generated code so that a load has less to do: leaves out records that nobody looks up, and puts the machine code last.
//!
//! A load reads all of it and computes its checksum. Up to a quarter is the engine's map from machine code to the module's instructions,
//! in which a fault's address is looked up. A guest can be left only at an instruction that may trap, and in a call; entries for anything
//! else are left out here, and every lookup that remains has the result that it had.
//!
//! Pages of machine code get other access rights than the rest. At the end of the file they are one change of rights less.

use rtwasm::status::*;
use wasmtime_environ::object::elf::{SHT_NULL, SectionHeader64};
use wasmtime_environ::object::read::elf::{ElfFile64, SectionHeader};
use wasmtime_environ::object::write::Object as Written;
use wasmtime_environ::object::{Architecture, BinaryFormat, Endianness, LittleEndian, Object, ObjectSection, pod};
use wasmtime_environ::{
    AddressMapSection, CompiledFunctionsTable, CompiledModuleInfo, FilePos, FuncKey, InstructionAddressMap, ModuleTypes,
    iterate_address_map, iterate_traps, obj,
};

use crate::options::Target;

type File<'a> = ElfFile64<'a, LittleEndian>;

const TEXT: &str = ".text";

/// Rewrites code in the engine's form.
pub fn lean(code: &[u8], target: Target) -> Result<Vec<u8>> {
    let rewritten = || {
        let file = File::parse(code).ok()?;
        let map = encoded(&needed(&file, target)?, section(&file, TEXT)?.len())?;
        arranged(&file, &map)
    };
    rewritten().ok_or_else(|| Error::new(RTW_ERR_INTERNAL, "the generated code is not in the engine's form"))
}

fn section<'a>(file: &File<'a>, name: &str) -> Option<&'a [u8]> {
    file.section_by_name(name)?.data().ok()
}

/// The entries of the map that are looked up. Each is valid up to the next, so that those left out become part of the one before.
fn needed(file: &File<'_>, target: Target) -> Option<Vec<InstructionAddressMap>> {
    let text = section(file, TEXT)?;
    let all: Vec<(u32, FilePos)> = iterate_address_map(section(file, obj::ELF_WASMTIME_ADDRMAP)?)?.collect();
    let mut is_needed = vec![false; all.len()];
    let holds = |offset: u32| all.partition_point(|(start, _)| *start <= offset).checked_sub(1);
    for (offset, _) in iterate_traps(section(file, obj::ELF_WASMTIME_TRAPS)?)? {
        holds(offset).into_iter().for_each(|at| is_needed[at] = true);
    }
    for at in 0..all.len() {
        let end = all.get(at + 1).map_or(text.len(), |(next, _)| *next as usize);
        if may_call(text.get(all[at].0 as usize..end)?, target) {
            // The address that a call is known by is the one to which it returns.
            is_needed[at..all.len().min(at + 2)].fill(true);
        }
    }
    // A stack overflow, which belongs to no instruction, counts as the function's first one.
    let (info, functions, _): (CompiledModuleInfo, CompiledFunctionsTable, ModuleTypes) =
        postcard::from_bytes(section(file, obj::ELF_WASMTIME_INFO)?).ok()?;
    for index in info.module.defined_func_indices() {
        let place = functions.func_loc(FuncKey::DefinedWasmFunction(info.module.module_index, index))?;
        let within = all.partition_point(|(start, _)| *start < place.start)
            ..all.partition_point(|(start, _)| *start < place.start.saturating_add(place.length));
        let first = within.filter(|at| all[*at].1.file_offset().is_some()).min_by_key(|at| all[*at].1.file_offset());
        first.into_iter().for_each(|at| is_needed[at] = true);
    }
    let kept = all.iter().zip(is_needed).filter(|(_, is_needed)| *is_needed);
    Some(kept.map(|((start, place), _)| InstructionAddressMap { srcloc: *place, code_offset: *start }).collect())
}

/// True if there is a call in the machine code, or bytes that look like one.
fn may_call(code: &[u8], target: Target) -> bool {
    match target {
        // The opcodes of calls; prefixes may come before them.
        Target::X86_64Linux => code.iter().any(|byte| matches!(byte, 0xe8 | 0xff)),
        Target::Aarch64Linux => code.as_chunks::<4>().0.iter().any(|instruction| {
            let instruction = u32::from_le_bytes(*instruction);
            // BL, and the kinds of BLR.
            instruction >> 26 == 0b10_0101 || instruction & 0xfeff_f000 == 0xd63f_0000
        }),
    }
}

/// The map in the engine's form.
fn encoded(map: &[InstructionAddressMap], text_bytes: usize) -> Option<Vec<u8>> {
    let mut entries = AddressMapSection::default();
    entries.push(0..text_bytes as u64, map);
    // The engine's own encoder writes into a file only; the file's architecture does not matter.
    let mut written = Written::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    entries.append_to(&mut written);
    let file = written.write().ok()?;
    Some(section(&File::parse(&*file).ok()?, obj::ELF_WASMTIME_ADDRMAP)?.to_vec())
}

/// The file with this map, and with the machine code behind all else.
fn arranged(file: &File<'_>, map: &[u8]) -> Option<Vec<u8>> {
    let mut header = *file.elf_header();
    let mut table = Vec::new();
    let mut out = pod::bytes_of(&header).to_vec();
    let place = |out: &mut Vec<u8>, section: &mut SectionHeader64<LittleEndian>, bytes: &[u8]| {
        out.resize(out.len().next_multiple_of(section.sh_addralign.get(LittleEndian).max(1) as usize), 0);
        section.sh_offset.set(LittleEndian, out.len() as u64);
        section.sh_size.set(LittleEndian, bytes.len() as u64);
        out.extend_from_slice(bytes);
    };
    let mut machine_code = None;
    for section in file.elf_section_table().iter() {
        let mut section = *section;
        let name = file.elf_section_table().section_name(LittleEndian, &section).ok()?;
        let bytes = section.data(LittleEndian, file.data()).ok()?;
        match name {
            _ if section.sh_type.get(LittleEndian) == SHT_NULL => {}
            _ if name == TEXT.as_bytes() => machine_code = Some((table.len(), bytes)),
            _ if name == obj::ELF_WASMTIME_ADDRMAP.as_bytes() => place(&mut out, &mut section, map),
            _ => place(&mut out, &mut section, bytes),
        }
        table.push(section);
    }
    // The machine code's place depends on the table's length, and not on its content.
    let table_at = out.len().next_multiple_of(align_of::<u64>());
    out.resize(table_at + size_of_val(&*table), 0);
    let (number, bytes) = machine_code?;
    place(&mut out, &mut table[number], bytes);
    out[table_at..][..size_of_val(&*table)].copy_from_slice(pod::bytes_of_slice(&table));
    header.e_shoff.set(LittleEndian, table_at as u64);
    out[..size_of_val(&header)].copy_from_slice(pod::bytes_of(&header));
    Some(out)
}

#[cfg(test)]
mod tests {
    use rtwasm::engine::profile::{self, DEFAULT_GUEST_STACK_BYTES, Profile, Settings};
    use wasmtime::{Engine, Module};
    use wasmtime_environ::lookup_file_pos;

    use super::*;

    const GUEST: &str = r#"(module
        (import "host" "f" (func $f (param i32) (result i32)))
        (memory 1 2) (table 4 funcref) (elem (i32.const 0) $sum $f)
        (type $one (func (param i32) (result i32)))
        (func $sum (export "sum") (param $at i32) (result i32) (local $sum i32)
            (loop $next
                (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load (local.get $at))))
                (local.set $sum (i32.xor (local.get $sum) (i32.shr_u (local.get $sum) (i32.const 7))))
                (br_if $next (local.tee $at (i32.sub (local.get $at) (i32.const 4)))))
            (i32.div_s (local.get $sum) (local.get $at)))
        (func (export "calls") (param i32) (result i32)
            (drop (memory.grow (i32.const 1)))
            (if (i32.eqz (local.get 0)) (then (unreachable)))
            (call_indirect (type $one) (call $f (call $sum (local.get 0))) (i32.add (local.get 0) (i32.const 1)))))"#;

    fn generated(profile: Profile, target: Target) -> (Engine, Vec<u8>) {
        let mut config = profile::config(&Settings::new(profile), DEFAULT_GUEST_STACK_BYTES);
        config.target(target.triple()).unwrap();
        let engine = Engine::new(&config).unwrap();
        let code = engine.precompile_module(&wat::parse_str(GUEST).unwrap()).unwrap();
        (engine, code)
    }

    /// The offsets of machine code at which a guest can be left. On x86-64 also some that only look like it.
    fn exits(file: &File<'_>, target: Target) -> Vec<usize> {
        let text = section(file, TEXT).unwrap();
        let traps = iterate_traps(section(file, obj::ELF_WASMTIME_TRAPS).unwrap()).unwrap().map(|(at, _)| at as usize);
        let word = |at: usize| text.get(at..at + 4).map_or(0, |word| u32::from_le_bytes(word.try_into().unwrap()));
        let returns: Vec<usize> = match target {
            // To a place within the code, or in a register or memory.
            Target::X86_64Linux => (0..text.len())
                .filter_map(|at| match (text[at], text.get(at + 1).map_or(0, |byte| byte >> 3 & 7)) {
                    (0xe8, _) if (at as i64 + 5 + i64::from(word(at + 1) as i32)) as u64 <= text.len() as u64 => Some(at + 5),
                    (0xff, 2) => Some(at + 2),
                    _ => None,
                })
                .collect(),
            Target::Aarch64Linux => (0..text.len())
                .step_by(4)
                .filter(|at| word(*at) & 0xfc00_0000 == 0x9400_0000 || word(*at) & 0xffff_fc1f == 0xd63f_0000)
                .map(|at| at + 4)
                .collect(),
        };
        assert!(returns.len() > 5, "there are calls");
        traps.chain(returns).collect()
    }

    /// The number of exits whose place in the module is another one in the second map.
    fn different(file: &File<'_>, exits: &[usize], map: &[u8]) -> usize {
        let before = section(file, obj::ELF_WASMTIME_ADDRMAP).unwrap();
        exits.iter().filter(|at| lookup_file_pos(before, **at) != lookup_file_pos(map, **at)).count()
    }

    #[test]
    fn a_place_at_which_a_guest_can_be_left_is_found_as_before() {
        for (profile, target) in Profile::ALL.into_iter().flat_map(|profile| Target::ALL.map(|target| (profile, target))) {
            let (_, code) = generated(profile, target);
            let rewritten = lean(&code, target).unwrap();
            let (before, after) = (File::parse(&*code).unwrap(), File::parse(&*rewritten).unwrap());
            let map = section(&after, obj::ELF_WASMTIME_ADDRMAP).unwrap();
            let exits = exits(&before, target);
            assert_eq!(different(&before, &exits, map), 0, "{profile:?} {target:?}");
            let text_bytes = section(&before, TEXT).unwrap().len();
            let needed = needed(&before, target).unwrap();
            assert!(needed.len() < iterate_address_map(section(&before, obj::ELF_WASMTIME_ADDRMAP).unwrap()).unwrap().count());
            let fewer: Vec<_> = needed.into_iter().step_by(2).collect();
            assert_ne!(different(&before, &exits, &encoded(&fewer, text_bytes).unwrap()), 0, "twin: fewer entries are too few");
        }
    }

    #[test]
    fn the_rest_is_as_the_engine_made_it_and_the_machine_code_comes_last() {
        for (profile, target) in Profile::ALL.into_iter().flat_map(|profile| Target::ALL.map(|target| (profile, target))) {
            let (engine, code) = generated(profile, target);
            let rewritten = lean(&code, target).unwrap();
            let (before, after) = (File::parse(&*code).unwrap(), File::parse(&*rewritten).unwrap());
            let sections = |file: &File<'_>| {
                let is_kept = |name: &str| name != obj::ELF_WASMTIME_ADDRMAP;
                let named =
                    file.sections().map(|one| (one.name().unwrap().to_owned(), one.align(), one.data().unwrap().to_vec()));
                named.filter(|(name, ..)| is_kept(name)).collect::<Vec<_>>()
            };
            assert_eq!(sections(&before), sections(&after));
            let text = section(&after, TEXT).unwrap();
            assert_eq!(text.as_ptr_range().end, rewritten.as_ptr_range().end);
            assert!(rewritten.len() < code.len());
            if Target::host() == Some(target) {
                // SAFETY: the compiler's own code, which is not run.
                unsafe { Module::deserialize(&engine, &rewritten) }.unwrap();
            }
        }
        assert_eq!(lean(b"\x7fELF", Target::ALL[0]).unwrap_err().status, RTW_ERR_INTERNAL);
    }
}
