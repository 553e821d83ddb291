//! Splits long bulk operations on memories and tables into pieces, with a poll between two: one instruction can fill or copy
//! gigabytes, and nothing interrupts it.
//!
//! The inserted code first stores the operands in locals. If the length exceeds a chunk and all ranges are in bounds, it works
//! chunk by chunk until at most one is left; then the instruction itself works on the rest. Out of bounds, the instruction runs
//! unchanged, and traps at its own place before anything is written. A copy goes upwards or downwards, as overlapping requires.
//!
//! A dropped segment has length 0, which code cannot query: then the first chunk traps instead of the whole operation, and
//! nothing is written either.
//!
//! A function with the engine's largest number of locals uses globals instead, which nothing in the module can name.

use rtwasm::status::*;
use wasmparser::types::TypesRef;
use wasmparser::{DataKind, ElementItems, FunctionBody, Operator, Parser, Payload};

use super::splice::{push_leb, push_signed_leb};
use super::{unreadable, weight};

/// The length between two polls; it takes some ten microseconds.
pub const CHUNK_BYTES: u64 = 256 << 10;
pub const CHUNK_ENTRIES: u64 = 16 << 10;

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
const FUNCREF: u8 = 0x70;

/// The engine's limit for parameters and locals together.
const MOST_LOCALS: u32 = 50_000;

/// A place for an operand.
#[derive(Clone, Copy)]
enum Register {
    Local(u32),
    Global(u32),
}

/// Places for the operands, shared by all sites of a function: three of i32, three of i64, one for a reference.
pub struct Scratch {
    first: Register,
    used_64: bool,
    used_reference: bool,
    used: bool,
}

const REGISTERS: u32 = 7;

impl Scratch {
    /// `globals`: the index after the module's own globals.
    pub fn new(body: &FunctionBody<'_>, types: &TypesRef<'_>, index: u32, globals: u32) -> Result<Scratch> {
        let ty = types[types.core_function_at(index)].unwrap_func();
        let mut taken = ty.params().len() as u32;
        for group in body.get_locals_reader().map_err(unreadable)? {
            taken += group.map_err(unreadable)?.0;
        }
        let first = if taken + REGISTERS <= MOST_LOCALS { Register::Local(taken) } else { Register::Global(globals) };
        Ok(Scratch { first, used_64: false, used_reference: false, used: false })
    }

    /// Groups of locals to append: their number and type. The first groups exist as soon as any does, so that indices do not
    /// depend on later ones.
    pub fn groups(&self) -> Vec<(u32, u8)> {
        let mut groups = Vec::new();
        if matches!(self.first, Register::Local(_)) && self.used {
            groups.push((3, I32));
            if self.used_64 || self.used_reference {
                groups.push((3, I64));
            }
            if self.used_reference {
                groups.push((1, FUNCREF));
            }
        }
        groups
    }

    /// True if the module needs the globals.
    pub fn needs_globals(&self) -> bool {
        matches!(self.first, Register::Global(_)) && self.used
    }

    /// A local of i32, if the function has room for one.
    pub fn local(&mut self) -> Option<u32> {
        let Register::Local(local) = self.first else { return None };
        self.used = true;
        Some(local)
    }

    fn register(&mut self, nth: u32) -> Register {
        self.used = true;
        self.used_64 |= (3..6).contains(&nth);
        self.used_reference |= nth == 6;
        match self.first {
            Register::Local(first) => Register::Local(first + nth),
            Register::Global(first) => Register::Global(first + nth),
        }
    }

    /// The place of the destination (0), the source or value (1), the length (2).
    fn number(&mut self, role: u32, wide: bool) -> Number {
        Number { at: self.register(role + if wide { 3 } else { 0 }), wide }
    }
}

/// The number of globals that the guard needs, if it needs any, and their definitions.
pub const GLOBALS: (u32, [u8; 7 * 5]) = (REGISTERS, {
    let (mut bytes, mut nth) = ([0; 7 * 5], 0);
    while nth < 7 {
        // Type, mutable, initialiser, end.
        let global = if nth < 3 {
            [I32, 1, 0x41, 0, END]
        } else if nth < 6 {
            [I64, 1, 0x42, 0, END]
        } else {
            [FUNCREF, 1, 0xd0, FUNCREF, END]
        };
        let mut byte = 0;
        while byte < 5 {
            bytes[nth * 5 + byte] = global[byte];
            byte += 1;
        }
        nth += 1;
    }
    bytes
});

/// The lengths of the module's segments, which code cannot query.
#[derive(Default)]
pub struct Segments {
    data: Vec<u64>,
    elements: Vec<u64>,
}

impl Segments {
    pub fn read(module: &[u8]) -> Result<Segments> {
        let mut segments = Segments::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(unreadable)? {
                Payload::DataSection(section) => {
                    for data in section {
                        let data = data.map_err(unreadable)?;
                        let is_there = matches!(data.kind, DataKind::Passive);
                        segments.data.push(if is_there { data.data.len() as u64 } else { 0 });
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        let element = element.map_err(unreadable)?;
                        let is_there = matches!(element.kind, wasmparser::ElementKind::Passive);
                        let count = match element.items {
                            ElementItems::Functions(functions) => functions.count(),
                            ElementItems::Expressions(_, expressions) => expressions.count(),
                        };
                        segments.elements.push(if is_there { u64::from(count) } else { 0 });
                    }
                }
                _ => {}
            }
        }
        Ok(segments)
    }
}

/// The object of a bulk operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Space {
    Memory(u32),
    Table(u32),
    /// A segment of this number of bytes, or entries.
    Segment(u64),
}

impl Space {
    fn is_wide(self, types: &TypesRef<'_>) -> bool {
        match self {
            Space::Memory(index) => types.memory_at(index).memory64,
            Space::Table(index) => types.table_at(index).table64,
            Space::Segment(_) => false,
        }
    }

    /// The longest length that it can ever have.
    fn most(self, types: &TypesRef<'_>) -> u64 {
        match self {
            Space::Memory(index) => types.memory_at(index).maximum.map_or(u64::MAX, |pages| pages.saturating_mul(65536)),
            Space::Table(index) => types.table_at(index).maximum.unwrap_or(u64::MAX),
            Space::Segment(length) => length,
        }
    }
}

/// A bulk operation: its destination, and its source if it has one.
struct Bulk {
    to: Space,
    from: Option<Space>,
}

fn bulk(operator: &Operator<'_>, segments: &Segments) -> Option<Bulk> {
    use Space::*;
    let (to, from) = match *operator {
        Operator::MemoryFill { mem } => (Memory(mem), None),
        Operator::MemoryCopy { dst_mem, src_mem } => (Memory(dst_mem), Some(Memory(src_mem))),
        Operator::MemoryInit { data_index, mem } => (Memory(mem), Some(Segment(segments.data[data_index as usize]))),
        Operator::TableFill { table } => (Table(table), None),
        Operator::TableCopy { dst_table, src_table } => (Table(dst_table), Some(Table(src_table))),
        Operator::TableInit { elem_index, table } => (Table(table), Some(Segment(segments.elements[elem_index as usize]))),
        _ => return None,
    };
    Some(Bulk { to, from })
}

impl Bulk {
    fn chunk(&self) -> u64 {
        if matches!(self.to, Space::Memory(_)) { CHUNK_BYTES } else { CHUNK_ENTRIES }
    }

    /// The longest length without a trap.
    fn most(&self, length: Option<u64>, types: &TypesRef<'_>) -> u64 {
        let from = self.from.map_or(u64::MAX, |from| from.most(types));
        self.to.most(types).min(from).min(length.unwrap_or(u64::MAX))
    }
}

/// The cost of an instruction that works on a stretch, of which it does at most a chunk without a poll.
pub fn weigh(operator: &Operator<'_>, length: Option<u64>, types: &TypesRef<'_>, segments: &Segments) -> u64 {
    let longest = bulk(operator, segments).map_or(0, |bulk| bulk.most(length, types).min(bulk.chunk()));
    weight::of_length(weight::cost(operator), longest)
}

/// The code before a bulk operation that may be long; None for other instructions. `instruction`: its bytes.
pub fn split(
    operator: &Operator<'_>,
    instruction: &[u8],
    length: Option<u64>,
    types: &TypesRef<'_>,
    segments: &Segments,
    scratch: &mut Scratch,
    poll: &[u8],
) -> Option<Vec<u8>> {
    let bulk = bulk(operator, segments)?;
    if bulk.most(length, types) <= bulk.chunk() {
        return None;
    }
    let wide = bulk.to.is_wide(types);
    let destination = scratch.number(0, wide);
    let (other, other_register, length_is_wide) = match bulk.from {
        Some(from) => {
            let from_wide = from.is_wide(types);
            let source = scratch.number(1, from_wide);
            (Some(source), source.at, wide && from_wide)
        }
        None if matches!(bulk.to, Space::Memory(_)) => (None, scratch.number(1, false).at, wide),
        None => (None, scratch.register(6), wide),
    };
    let length = scratch.number(2, length_is_wide);
    let site = Site { bulk: &bulk, instruction, destination, source: other, other: other_register, length, poll };
    Some(site.write())
}

/// An address or a length.
#[derive(Clone, Copy)]
struct Number {
    at: Register,
    wide: bool,
}

struct Site<'a> {
    bulk: &'a Bulk,
    instruction: &'a [u8],
    destination: Number,
    source: Option<Number>,
    /// The source, or the value.
    other: Register,
    length: Number,
    poll: &'a [u8],
}

const IF: [u8; 2] = [0x04, 0x40];
const ELSE: u8 = 0x05;
const LOOP: [u8; 2] = [0x03, 0x40];
const BR_IF_0: [u8; 2] = [0x0d, 0];
const END: u8 = 0x0b;
const I64_EXTEND_I32_U: u8 = 0xad;
const I32_AND: u8 = 0x71;
const I64_LE_U: u8 = 0x58;

impl Site<'_> {
    fn write(&self) -> Vec<u8> {
        let mut code = Vec::new();
        for register in [self.length.at, self.other, self.destination.at] {
            set(&mut code, register);
        }
        // `if (length > chunk) if (every range is in bounds) { … }`
        self.longer_than_chunk(&mut code);
        code.extend_from_slice(&IF);
        self.in_bounds(&mut code, self.destination, self.bulk.to);
        if let (Some(source), Some(from)) = (self.source, self.bulk.from) {
            self.in_bounds(&mut code, source, from);
            code.push(I32_AND);
        }
        code.extend_from_slice(&IF);
        match self.source {
            #[cfg(feature = "planted")]
            _ if crate::planted::has(crate::planted::Defect::CopiesUpwards) => self.upwards(&mut code),
            Some(source) if self.bulk.from == Some(self.bulk.to) => {
                get_wide(&mut code, self.destination);
                get_wide(&mut code, source);
                code.push(I64_LE_U);
                code.extend_from_slice(&IF);
                self.upwards(&mut code);
                code.push(ELSE);
                self.downwards(&mut code, source);
                code.push(END);
            }
            _ => self.upwards(&mut code),
        }
        code.extend_from_slice(&[END, END]);
        for register in [self.destination.at, self.other, self.length.at] {
            get(&mut code, register);
        }
        code
    }

    /// `length <= size && start <= size - length`, without overflow. If the range is longer than the whole, the subtraction
    /// wraps, and the first condition fails.
    fn in_bounds(&self, code: &mut Vec<u8>, start: Number, space: Space) {
        get_wide(code, self.length);
        size(code, space, start.wide);
        code.push(I64_LE_U);
        get_wide(code, start);
        size(code, space, start.wide);
        get_wide(code, self.length);
        code.extend_from_slice(&[0x7d, I64_LE_U]); // i64.sub
        code.push(I32_AND);
    }

    /// Chunks from the start, while more than one is left.
    fn upwards(&self, code: &mut Vec<u8>) {
        code.extend_from_slice(&LOOP);
        code.extend_from_slice(self.poll);
        get(code, self.destination.at);
        get(code, self.other);
        self.chunk(code, self.length.wide);
        code.extend_from_slice(self.instruction);
        for start in [Some(self.destination), self.source].into_iter().flatten() {
            get(code, start.at);
            self.chunk(code, start.wide);
            code.push(if start.wide { 0x7c } else { 0x6a }); // add
            set(code, start.at);
        }
        self.shorten(code);
        self.longer_than_chunk(code);
        code.extend_from_slice(&BR_IF_0);
        code.push(END);
    }

    /// Chunks from the end, while more than one is left. Source and destination are the same memory or table, so all numbers
    /// have the same width.
    fn downwards(&self, code: &mut Vec<u8>, source: Number) {
        code.extend_from_slice(&LOOP);
        code.extend_from_slice(self.poll);
        self.shorten(code);
        for start in [self.destination, source] {
            get(code, start.at);
            get(code, self.length.at);
            code.push(if start.wide { 0x7c } else { 0x6a }); // add
        }
        self.chunk(code, self.length.wide);
        code.extend_from_slice(self.instruction);
        self.longer_than_chunk(code);
        code.extend_from_slice(&BR_IF_0);
        code.push(END);
    }

    /// Subtracts a chunk from the length.
    fn shorten(&self, code: &mut Vec<u8>) {
        get(code, self.length.at);
        self.chunk(code, self.length.wide);
        code.push(if self.length.wide { 0x7d } else { 0x6b }); // sub
        set(code, self.length.at);
    }

    fn longer_than_chunk(&self, code: &mut Vec<u8>) {
        get(code, self.length.at);
        self.chunk(code, self.length.wide);
        code.push(if self.length.wide { 0x56 } else { 0x4b }); // gt_u
    }

    fn chunk(&self, code: &mut Vec<u8>, wide: bool) {
        code.push(if wide { 0x42 } else { 0x41 }); // const
        push_signed_leb(code, self.bulk.chunk() as i64);
    }
}

/// The size in bytes or entries, as i64.
fn size(code: &mut Vec<u8>, space: Space, wide: bool) {
    let extend: &[u8] = if wide { &[] } else { &[I64_EXTEND_I32_U] };
    match space {
        Space::Memory(index) => {
            code.push(0x3f); // memory.size
            push_leb(code, index);
            code.extend_from_slice(extend);
            code.extend_from_slice(&[0x42, 16, 0x86]); // i64.const 16, i64.shl
        }
        Space::Table(index) => {
            code.extend_from_slice(&[0xfc, 0x10]); // table.size
            push_leb(code, index);
            code.extend_from_slice(extend);
        }
        Space::Segment(length) => {
            code.push(0x42); // i64.const
            push_signed_leb(code, length as i64);
        }
    }
}

fn get_wide(code: &mut Vec<u8>, number: Number) {
    get(code, number.at);
    if !number.wide {
        code.push(I64_EXTEND_I32_U);
    }
}

fn get(code: &mut Vec<u8>, register: Register) {
    access(code, register, 0x20, 0x23);
}

fn set(code: &mut Vec<u8>, register: Register) {
    access(code, register, 0x21, 0x24);
}

fn access(code: &mut Vec<u8>, register: Register, local: u8, global: u8) {
    let (opcode, index) = match register {
        Register::Local(index) => (local, index),
        Register::Global(index) => (global, index),
    };
    code.push(opcode);
    push_leb(code, index);
}
