//! Long bulk memory operations in pieces, with a poll between two: one instruction can fill or copy gigabytes, and nothing
//! interrupts it inside.
//!
//! Before the instruction its operands are taken into locals. Where the length exceeds a chunk and all of the range is in bounds,
//! chunks are done until no more than one is left; then the instruction itself runs with what remains. Out of bounds it runs as
//! it stands and traps where it stands, before a byte is written. A copy goes upwards or downwards, as overlapping demands.

use rtwasm::status::*;
use wasmparser::types::TypesRef;
use wasmparser::{FunctionBody, Operator};

use super::splice::{push_leb, push_signed_leb};
use super::unreadable;

/// What is done between two polls; some ten microseconds.
pub const CHUNK_BYTES: u64 = 256 << 10;

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;

/// Locals for the operands, shared by all sites of a function.
pub struct Scratch {
    /// Parameters and the function's own locals.
    taken: u32,
    /// Three of i32, then three of i64, where used: destination, source or value, length.
    used_32: bool,
    used_64: bool,
}

/// Where a site's operands are.
struct Operands {
    destination: u32,
    other: u32,
    length: u32,
}

impl Scratch {
    pub fn new(body: &FunctionBody<'_>, types: &TypesRef<'_>, index: u32) -> Result<Scratch> {
        let ty = types[types.core_function_at(index)].unwrap_func();
        let mut taken = ty.params().len() as u32;
        for group in body.get_locals_reader().map_err(unreadable)? {
            taken += group.map_err(unreadable)?.0;
        }
        Ok(Scratch { taken, used_32: false, used_64: false })
    }

    /// Groups of locals to be added at the end: how many of which type. The i32 come first and are there as soon as any is, so
    /// that indices do not depend on what comes later.
    pub fn groups(&self) -> Vec<(u32, u8)> {
        let mut groups = Vec::new();
        if self.used_32 || self.used_64 {
            groups.push((3, I32));
        }
        if self.used_64 {
            groups.push((3, I64));
        }
        groups
    }

    fn operands(&mut self, wide: bool, other_wide: bool) -> Operands {
        (self.used_32, self.used_64) = (self.used_32 || !wide, self.used_64 || wide);
        let at = |wide: bool, nth: u32| self.taken + if wide { 3 } else { 0 } + nth;
        Operands { destination: at(wide, 0), other: at(other_wide, 1), length: at(wide, 2) }
    }
}

/// Whether an instruction works on a stretch of memory or of a table.
pub fn is_bulk(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::MemoryFill { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
    )
}

/// What is to stand before a bulk operation that may be long; None where it cannot be, or is none.
pub fn split(
    operator: &Operator<'_>,
    length: Option<u64>,
    types: &TypesRef<'_>,
    scratch: &mut Scratch,
    poll: &[u8],
) -> Option<Vec<u8>> {
    if length.is_some_and(|length| length <= CHUNK_BYTES) {
        return None;
    }
    let short = |memory: u32| {
        let ty = types.memory_at(memory);
        ty.maximum.is_some_and(|pages| pages.saturating_mul(65536) <= CHUNK_BYTES)
    };
    let wide = |memory: u32| types.memory_at(memory).memory64;
    match *operator {
        Operator::MemoryFill { mem } if !short(mem) => {
            let operands = scratch.operands(wide(mem), false);
            Some(Site { wide: wide(mem), operands, poll }.fill(mem))
        }
        // Memories of different widths: left as it is.
        Operator::MemoryCopy { dst_mem, src_mem } if !short(dst_mem) && !short(src_mem) && wide(dst_mem) == wide(src_mem) => {
            let operands = scratch.operands(wide(dst_mem), wide(dst_mem));
            Some(Site { wide: wide(dst_mem), operands, poll }.copy(dst_mem, src_mem))
        }
        _ => None,
    }
}

struct Site<'a> {
    wide: bool,
    operands: Operands,
    poll: &'a [u8],
}

const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const IF: [u8; 2] = [0x04, 0x40];
const ELSE: u8 = 0x05;
const LOOP: [u8; 2] = [0x03, 0x40];
const BR_IF_0: [u8; 2] = [0x0d, 0];
const END: u8 = 0x0b;
const I64_EXTEND_I32_U: u8 = 0xad;

impl Site<'_> {
    fn fill(&self, memory: u32) -> Vec<u8> {
        let Operands { destination, other, length } = self.operands;
        let mut code = Vec::new();
        self.take_operands(&mut code);
        self.when_long(&mut code, &[(destination, memory)], |code| {
            self.upwards(code, &[destination], |code| {
                for local in [destination, other] {
                    get(code, local);
                }
                self.chunk(code);
                memory_fill(code, memory);
            });
        });
        for local in [destination, other, length] {
            get(&mut code, local);
        }
        code
    }

    fn copy(&self, to: u32, from: u32) -> Vec<u8> {
        let Operands { destination, other: source, length } = self.operands;
        let mut code = Vec::new();
        self.take_operands(&mut code);
        self.when_long(&mut code, &[(destination, to), (source, from)], |code| {
            get(code, destination);
            get(code, source);
            code.push(if self.wide { 0x58 } else { 0x4d }); // le_u
            code.extend_from_slice(&IF);
            self.upwards(code, &[destination, source], |code| {
                get(code, destination);
                get(code, source);
                self.chunk(code);
                memory_copy(code, to, from);
            });
            code.push(ELSE);
            self.downwards(code, |code| {
                for start in [destination, source] {
                    get(code, start);
                    get(code, length);
                    self.add(code);
                }
                self.chunk(code);
                memory_copy(code, to, from);
            });
            code.push(END);
        });
        for local in [destination, source, length] {
            get(&mut code, local);
        }
        code
    }

    fn take_operands(&self, code: &mut Vec<u8>) {
        for local in [self.operands.length, self.operands.other, self.operands.destination] {
            code.push(LOCAL_SET);
            push_leb(code, local);
        }
    }

    /// `if (length > chunk && every range is in bounds) { … }`
    fn when_long(&self, code: &mut Vec<u8>, ranges: &[(u32, u32)], work: impl FnOnce(&mut Vec<u8>)) {
        self.longer_than_chunk(code);
        code.extend_from_slice(&IF);
        for (nth, (start, memory)) in ranges.iter().enumerate() {
            self.in_bounds(code, *start, *memory);
            if nth != 0 {
                code.push(0x71); // i32.and
            }
        }
        code.extend_from_slice(&IF);
        work(code);
        code.extend_from_slice(&[END, END]);
    }

    /// `length <= size && start <= size - length`, without overflow. For ranges longer than the memory the subtraction wraps,
    /// and the first condition refuses.
    fn in_bounds(&self, code: &mut Vec<u8>, start: u32, memory: u32) {
        const I64_LE_U: u8 = 0x58;
        let wide = |code: &mut Vec<u8>, local| {
            get(code, local);
            if !self.wide {
                code.push(I64_EXTEND_I32_U);
            }
        };
        wide(code, self.operands.length);
        self.size(code, memory);
        code.push(I64_LE_U);
        wide(code, start);
        self.size(code, memory);
        wide(code, self.operands.length);
        code.extend_from_slice(&[0x7d, I64_LE_U]); // i64.sub
        code.push(0x71); // i32.and
    }

    /// The memory's size in bytes, as i64.
    fn size(&self, code: &mut Vec<u8>, memory: u32) {
        code.push(0x3f); // memory.size
        push_leb(code, memory);
        if !self.wide {
            code.push(I64_EXTEND_I32_U);
        }
        code.extend_from_slice(&[0x42, 16, 0x86]); // i64.const 16, i64.shl
    }

    /// Chunks from the start, while more than one is left.
    fn upwards(&self, code: &mut Vec<u8>, starts: &[u32], chunk: impl FnOnce(&mut Vec<u8>)) {
        code.extend_from_slice(&LOOP);
        code.extend_from_slice(self.poll);
        chunk(code);
        for start in starts {
            get(code, *start);
            self.chunk(code);
            self.add(code);
            code.push(LOCAL_SET);
            push_leb(code, *start);
        }
        self.shorten(code);
        code.push(LOCAL_SET);
        push_leb(code, self.operands.length);
        self.longer_than_chunk(code);
        code.extend_from_slice(&BR_IF_0);
        code.push(END);
    }

    /// Chunks from the end, while more than one is left. `chunk` finds the length without the chunk it is to do.
    fn downwards(&self, code: &mut Vec<u8>, chunk: impl FnOnce(&mut Vec<u8>)) {
        code.extend_from_slice(&LOOP);
        code.extend_from_slice(self.poll);
        self.shorten(code);
        code.push(LOCAL_SET);
        push_leb(code, self.operands.length);
        chunk(code);
        self.longer_than_chunk(code);
        code.extend_from_slice(&BR_IF_0);
        code.push(END);
    }

    fn shorten(&self, code: &mut Vec<u8>) {
        get(code, self.operands.length);
        self.chunk(code);
        code.push(if self.wide { 0x7d } else { 0x6b }); // sub
    }

    fn longer_than_chunk(&self, code: &mut Vec<u8>) {
        get(code, self.operands.length);
        self.chunk(code);
        code.push(if self.wide { 0x56 } else { 0x4b }); // gt_u
    }

    fn chunk(&self, code: &mut Vec<u8>) {
        code.push(if self.wide { 0x42 } else { 0x41 }); // const
        push_signed_leb(code, CHUNK_BYTES as i64);
    }

    fn add(&self, code: &mut Vec<u8>) {
        code.push(if self.wide { 0x7c } else { 0x6a });
    }
}

fn get(code: &mut Vec<u8>, local: u32) {
    code.push(LOCAL_GET);
    push_leb(code, local);
}

fn memory_fill(code: &mut Vec<u8>, memory: u32) {
    code.extend_from_slice(&[0xfc, 0x0b]);
    push_leb(code, memory);
}

fn memory_copy(code: &mut Vec<u8>, to: u32, from: u32) {
    code.extend_from_slice(&[0xfc, 0x0a]);
    push_leb(code, to);
    push_leb(code, from);
}
