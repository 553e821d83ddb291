//! Computes the reset image: memories and globals as instantiation leaves them, without running anything. What only a run could tell is a
//! reason to have no image. docs/artifacts.md shows the layout.

use std::collections::BTreeMap;

use rtwasm::engine::artifact::reset::bit;
use rtwasm::status::*;
use wasmparser::{ConstExpr, DataKind, GlobalType, Operator, Parser, Payload, ValType};

use crate::facts::Facts;

/// An image, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reset {
    /// Bits of `reset::OBSTACLES`.
    pub obstacles: u32,
    /// The section; empty if there are obstacles.
    pub image: Vec<u8>,
    /// The bytes of the image's extents.
    pub bytes: u64,
}

/// The unit of extents: what a reset copies or clears at once.
const PAGE: usize = 4096;

/// The most bytes of memories at the start.
const MOST_MEMORY_BYTES: u64 = 4 << 30;

/// The image's version.
const VERSION: u32 = 1;

/// A page of a memory: the memory's index, and the page's.
type Place = (u32, u64);

pub fn image(module: &[u8], facts: &Facts) -> Result<Reset> {
    let mut state = State { globals: Vec::new(), pages: BTreeMap::new(), obstacles: obstacles_of(facts) };
    state
        .read(module, facts)
        .map_err(|error| Error::new(RTW_ERR_INTERNAL, format!("the state of a valid module cannot be computed: {error}")))?;
    if state.obstacles != 0 {
        return Ok(Reset { obstacles: state.obstacles, ..Reset::default() });
    }
    let (image, bytes) = state.encode(facts);
    Ok(Reset { obstacles: 0, image, bytes })
}

/// The obstacles that the module's interface tells.
fn obstacles_of(facts: &Facts) -> u32 {
    let is_there = |yes: bool, name: &str| if yes { bit(name) } else { 0 };
    let memory_bytes = facts.memories.iter().fold(0, |sum: u64, memory| sum.saturating_add(memory.min_bytes));
    is_there(facts.has_start, "start_function")
        | is_there(facts.exports.iter().any(|one| one.name == "_initialize" && one.ty == "()->()"), "initialiser")
        | is_there(facts.imports.iter().any(|one| !one.ty.starts_with('(')), "imported_state")
        | is_there(memory_bytes > MOST_MEMORY_BYTES, "memory_too_large")
}

struct State {
    /// Type and value of each global; no value for a reference.
    globals: Vec<(GlobalType, Option<u128>)>,
    /// Pages that are not known to be zero.
    pages: BTreeMap<Place, Vec<u8>>,
    obstacles: u32,
}

impl State {
    fn read(&mut self, module: &[u8], facts: &Facts) -> wasmparser::Result<()> {
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::GlobalSection(section) => {
                    for global in section {
                        let global = global?;
                        let value = self.value(&global.init_expr)?;
                        if value.is_none() && global.ty.mutable {
                            self.obstacles |= bit("reference_global");
                        }
                        self.globals.push((global.ty, value));
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader()? {
                        self.obstacles |= obstacle_of(&operator?);
                    }
                }
                Payload::DataSection(section) if self.obstacles == 0 => {
                    for data in section {
                        let data = data?;
                        let DataKind::Active { memory_index, offset_expr } = data.kind else { continue };
                        match self.value(&offset_expr)? {
                            Some(offset) => self.copy(memory_index, offset as u64, data.data, facts),
                            None => self.obstacles |= bit("computed_reference"),
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The value of a constant expression, in the low bits; `None`: a reference, or what only the engine can compute.
    fn value(&self, expression: &ConstExpr<'_>) -> wasmparser::Result<Option<u128>> {
        let mut stack: Vec<Option<u128>> = Vec::new();
        for operator in expression.get_operators_reader() {
            let mut two = |work: fn(u64, u64) -> u64| {
                let (b, a) = (stack.pop().flatten(), stack.pop().flatten());
                a.zip(b).map(|(a, b)| u128::from(work(a as u64, b as u64)))
            };
            let value = match operator? {
                Operator::End => break,
                Operator::I32Const { value } => Some(u128::from(value as u32)),
                Operator::I64Const { value } => Some(u128::from(value as u64)),
                Operator::F32Const { value } => Some(value.bits().into()),
                Operator::F64Const { value } => Some(value.bits().into()),
                Operator::V128Const { value } => Some(u128::from_le_bytes(*value.bytes())),
                Operator::GlobalGet { global_index } => self.globals.get(global_index as usize).and_then(|(_, value)| *value),
                Operator::I32Add => two(|a, b| (a as u32).wrapping_add(b as u32).into()),
                Operator::I32Sub => two(|a, b| (a as u32).wrapping_sub(b as u32).into()),
                Operator::I32Mul => two(|a, b| (a as u32).wrapping_mul(b as u32).into()),
                Operator::I64Add => two(u64::wrapping_add),
                Operator::I64Sub => two(u64::wrapping_sub),
                Operator::I64Mul => two(u64::wrapping_mul),
                _ => None,
            };
            stack.push(value);
        }
        Ok(stack.pop().flatten())
    }

    fn copy(&mut self, memory: u32, offset: u64, data: &[u8], facts: &Facts) {
        let most = facts.memories.get(memory as usize).map_or(0, |memory| memory.min_bytes);
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > most) {
            self.obstacles |= bit("segment_out_of_bounds");
            return;
        }
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let within = (at % PAGE as u64) as usize;
            let (now, later) = rest.split_at(rest.len().min(PAGE - within));
            let page = self.pages.entry((memory, at / PAGE as u64)).or_insert_with(|| vec![0; PAGE]);
            page[within..within + now.len()].copy_from_slice(now);
            (at, rest) = (at + now.len() as u64, later);
        }
    }

    /// The section, and the bytes of its extents.
    fn encode(&self, facts: &Facts) -> (Vec<u8>, u64) {
        let mut extents: Vec<(u32, u64, u64)> = Vec::new();
        let mut data = Vec::new();
        for ((memory, page), bytes) in self.pages.iter().filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)) {
            let offset = page * PAGE as u64;
            // A memory of an odd size ends within a page.
            let length = (facts.memories[*memory as usize].min_bytes - offset).min(PAGE as u64);
            data.extend_from_slice(&bytes[..length as usize]);
            match extents.last_mut() {
                Some((of, from, long)) if *of == *memory && *from + *long == offset => *long += length,
                _ => extents.push((*memory, offset, length)),
            }
        }
        let mutable: Vec<_> = (0_u32..).zip(&self.globals).filter(|(_, (ty, _))| ty.mutable).collect();
        let mut out = Vec::with_capacity(16 + data.len());
        for number in [VERSION, facts.memories.len() as u32, extents.len() as u32, mutable.len() as u32] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        facts.memories.iter().for_each(|memory| out.extend_from_slice(&memory.min_bytes.to_le_bytes()));
        for (memory, offset, length) in &extents {
            out.extend_from_slice(&u64::from(*memory).to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
        }
        for (index, (ty, value)) in mutable {
            out.extend_from_slice(&index.to_le_bytes());
            out.extend_from_slice(&type_code(ty.content_type).to_le_bytes());
            out.extend_from_slice(&value.unwrap_or(0).to_le_bytes());
        }
        out.extend_from_slice(&data);
        (out, data.len() as u64)
    }
}

/// WebAssembly's own byte for a type of numbers.
fn type_code(ty: ValType) -> u32 {
    match ty {
        ValType::I32 => 0x7f,
        ValType::I64 => 0x7e,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        ValType::V128 => 0x7b,
        ValType::Ref(_) => 0,
    }
}

/// The obstacle that an instruction is.
fn obstacle_of(operator: &Operator<'_>) -> u32 {
    match operator {
        Operator::TableSet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. } => bit("table_changes"),
        Operator::ElemDrop { .. } | Operator::DataDrop { .. } => bit("drops_segment"),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, facts, validate};
    use rtwasm::engine::artifact::reset::named;
    use rtwasm::engine::artifact::{self, ExternKind, hidden, kind};
    use rtwasm::engine::profile::{self, Profile};
    use wasmtime::Val;

    fn reset(text: &str) -> Reset {
        let module = wat::parse_str(text).unwrap();
        let facts = facts::gather(&module, &validate::module(&module).unwrap()).unwrap();
        image(&module, &facts).unwrap()
    }

    #[test]
    fn obstacles_are_named() {
        for (text, name) in [
            ("(module (func) (start 0))", "start_function"),
            (r#"(module (func (export "_initialize")))"#, "initialiser"),
            (r#"(module (import "a" "b" (global i32)))"#, "imported_state"),
            (r#"(module (import "a" "b" (memory 1)))"#, "imported_state"),
            ("(module (global (mut funcref) (ref.null func)))", "reference_global"),
            ("(module (table 1 funcref) (func (table.set 0 (i32.const 0) (ref.null func))))", "table_changes"),
            ("(module (table 1 funcref) (func (drop (table.grow 0 (ref.null func) (i32.const 1)))))", "table_changes"),
            ("(module (table 1 funcref) (func (table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))))", "table_changes"),
            ("(module (table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 1))))", "table_changes"),
            (
                "(module (table 1 funcref) (elem func) (func (table.init 0 (i32.const 0) (i32.const 0) (i32.const 0))))",
                "table_changes",
            ),
            ("(module (elem func) (func (elem.drop 0)))", "drops_segment"),
            (r#"(module (memory 1) (data "a") (func (data.drop 0)))"#, "drops_segment"),
            (r#"(module (memory 1) (data (i32.const 65536) "a"))"#, "segment_out_of_bounds"),
            ("(module (memory i64 65537))", "memory_too_large"),
        ] {
            let found = reset(text);
            let names: Vec<&str> = named(found.obstacles).map(|(name, _)| name).collect();
            assert_eq!(names, [name], "{text}");
            assert!(found.image.is_empty());
        }
    }

    #[test]
    fn sparse_memories_are_cheap() {
        let found = reset(
            r#"(module (memory 65536) (data (i32.const 0xfffffff0) "end") (data (i32.const 4095) "ab") (data (i32.const 9000) "\00"))"#,
        );
        assert_eq!(found.obstacles, 0);
        // Two pages that follow each other, and the last one; the page of zeros is none.
        assert_eq!(found.bytes, 3 * PAGE as u64);
        assert_eq!(found.image.len(), 16 + 8 + 2 * 24 + 3 * PAGE);
    }

    #[test]
    fn the_empty_module_has_an_empty_image() {
        assert_eq!(reset("(module)").image, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    /// Compiles a module for each profile, and compares its image with a new instance: every memory and every mutable global, which the
    /// hidden exports reach whether the module exports them or not. `count`: the numbers of both.
    fn compare(text: &str, init: &[&str], count: [usize; 2]) {
        let init: Vec<_> = init.iter().map(|call| crate::Init::from_text(call).unwrap()).collect();
        for profile in Profile::ALL {
            let options = Options { init: init.clone(), ..Options::for_host(profile).unwrap() };
            let bytes = crate::compile(text.as_bytes(), &options, &mut |_| {}).unwrap();
            let artifact = artifact::read(&bytes).unwrap();
            let section = artifact.opened.section(artifact.opened.find(kind::RESET, 0).unwrap()).unwrap();
            let engine = profile::engine(&artifact.metadata.settings, profile::DEFAULT_GUEST_STACK_BYTES).expect("an engine");
            // SAFETY: this compiler has just made the code.
            let module = unsafe { wasmtime::Module::deserialize(&engine, &artifact.code) }.unwrap();
            let mut store = wasmtime::Store::new(&engine, ());
            let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();

            let number = |at: usize| u64::from_le_bytes(section[at..at + 8].try_into().unwrap()) as usize;
            let small = |at: usize| u32::from_le_bytes(section[at..at + 4].try_into().unwrap()) as usize;
            let [memories, extents, globals] = [4, 8, 12].map(small);
            assert_eq!([memories, globals], count, "{text}");
            let mut at = 16;
            let mut expected: Vec<Vec<u8>> = (0..memories).map(|memory| vec![0; number(at + 8 * memory)]).collect();
            at += 8 * memories;
            let mut data = at + 24 * (extents + globals);
            for extent in (0..extents).map(|extent| at + 24 * extent) {
                let [memory, offset, length] = [0, 8, 16].map(|field| number(extent + field));
                expected[memory][offset..offset + length].copy_from_slice(&section[data..data + length]);
                data += length;
            }
            assert_eq!(data, section.len());
            for (memory, expected) in (0..).zip(&expected) {
                let name = hidden::name(ExternKind::Memory, memory);
                let found = instance.get_memory(&mut store, &name).expect("every memory is a hidden export");
                assert!(found.data(&store) == expected, "memory {memory}, {}: {text}", profile.name());
                // The twin: what was written is no start.
                if let Some(first) = found.data_mut(&mut store).first_mut() {
                    *first ^= 1;
                    assert!(found.data(&store) != expected);
                }
            }
            at += 24 * extents;
            for global in (0..globals).map(|global| at + 24 * global) {
                let name = hidden::name(ExternKind::Global, small(global) as u32);
                let found = instance.get_global(&mut store, &name).expect("every mutable global is a hidden export");
                let value = match found.get(&mut store) {
                    Val::I32(value) => u128::from(value as u32),
                    Val::I64(value) => u128::from(value as u64),
                    Val::F32(bits) => bits.into(),
                    Val::F64(bits) => bits.into(),
                    Val::V128(value) => value.as_u128(),
                    other => panic!("{other:?}"),
                };
                let told = u128::from_le_bytes(section[global + 8..global + 24].try_into().unwrap());
                assert_eq!(told, value, "{name:?}, {}: {text}", profile.name());
            }
        }
    }

    #[test]
    fn the_image_is_what_a_new_instance_has() {
        let several = r#"(module
            (memory $a 1 2) (memory $b (export "b") 3) (memory $c 0 1) (memory $d i64 2 2)
            (global $one (mut i32) (i32.const -7)) (global i32 (i32.const 9)) (global $two (mut f64) (f64.const -0.1))
            (global $three (export "three") (mut v128) (v128.const i64x2 3 -4)) (global $four (mut f32) (f32.const nan:0x200001))
            (global $five (mut i64) (i64.const -1))
            (data (memory $a) (i32.const 0) "first") (data (memory $b) (i32.const 70000) "second")
            (data (memory $b) (i32.const 196600) "the end") (data (memory $d) (i64.const 4093) "across pages")
            (data (memory $a) (i32.const 4096) "first again") (data $passive "passive")
            (func (export "change") (param i32)
                (global.set $one (local.get 0)) (global.set $three (v128.const i64x2 9 9)) (global.set $four (f32.const 0.25))
                (i32.store $a (i32.const 9000) (local.get 0)) (i32.store $d (i64.const 131068) (local.get 0))
                (memory.fill $b (i32.const 70000) (i32.const 0) (i32.const 6))
                (memory.copy $c $a (i32.const 0) (i32.const 0) (i32.const 0))
                (memory.init $b $passive (i32.const 12) (i32.const 0) (i32.const 7))))"#;
        compare(several, &[], [4, 5]);
        compare(several, &["change=77"], [4, 5]);
        compare("(module (global (mut i64) (i64.const 5)))", &[], [0, 1]);
        compare("(module (memory 1) (memory 1))", &[], [2, 0]);
    }
}
