//! The budget guard: polls in the guest's code through which the watchdog can end a call that runs too long.
//!
//! The module gets one more memory, of one page, that nothing in it can name: the polls alone reach it. A poll stands at every
//! loop header; at the entry of functions that can come round to themselves by calls, tail calls included, or whose calls add
//! up to more than [`STRETCH`]; and in straight code longer than that. So between two polls a guest executes a bounded number of
//! instructions. Bulk memory operations that may be long are split (`bulk`).
//!
//! A short innermost loop is unrolled, with one poll for all its copies (`loops`): in the shortest the poll would cost as much as
//! what they do.
//!
//! What a poll is depends on the profile. *Standalone*: an atomic load that is dropped; to end the call the watchdog takes the
//! page's access rights away, and the load faults. It is atomic because a plain one is merged away in a loop without stores.
//! *Plugin*: the number of the running call is compared with the watchdog's verdict, and `unreachable` ends it. Neither calls anything: a call in the cold path would spill every live register in the loop.
//!
//! The code is spliced, byte for byte, rather than written anew: names, custom sections and whatever else is in the module stay
//! as they are, and every offset in the guarded module can be told as an offset in the one that was given.

mod bulk;
mod calls;
mod loops;
mod splice;

use rtwasm::engine::artifact::Edit;
use rtwasm::engine::profile::Profile;
use rtwasm::engine::watch::{CURRENT_OFFSET, VERDICT_OFFSET};
use rtwasm::status::*;
use wasmparser::{FunctionBody, Parser, Payload};

use crate::validate::Checked;
use splice::Splicer;

/// About how many instructions may run between two polls; tens of microseconds.
const STRETCH: u64 = 50_000;

const SECTION_MEMORY: u8 = 5;
const SECTION_CODE: u8 = 10;
/// The sections that come before the memory section, in the order that the format prescribes; custom sections stand anywhere.
const BEFORE_MEMORY: [u8; 5] = [0, 1, 2, 3, 4];

/// A module with polls.
pub struct Guarded {
    pub module: Vec<u8>,
    pub edits: Vec<Edit>,
}

/// Puts the guard into a valid module.
pub fn insert(module: &[u8], checked: &Checked, profile: Profile) -> Result<Guarded> {
    let types = checked.types.as_ref();
    let memory_index = types.memory_count();
    // The validator's limit; the guard's would be one too many.
    if memory_index >= 100 {
        return Err(Error::new(
            RTW_ERR_LIMIT,
            format!("the module has {memory_index} memories, which leaves none for the budget guard: compile without it"),
        ));
    }
    let entries = calls::entries(module, &types, STRETCH)?;
    let poll = poll(profile, memory_index);
    let mut splicer = Splicer::new(module);
    let mut memory_is_in = false;
    let mut defined = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(unreadable)?;
        if !memory_is_in
            && let Some((id, range)) = payload.as_section()
            && id != SECTION_MEMORY
            && !BEFORE_MEMORY.contains(&id)
        {
            splicer.insert_section_before(range.start, SECTION_MEMORY, &[&[1], &MEMORY_TYPE[..]].concat());
            memory_is_in = true;
        }
        match &payload {
            Payload::MemorySection(section) => {
                splicer.rewrite_section(SECTION_MEMORY, section.range(), |inside| {
                    let items = inside.skip_leb();
                    inside.insert_leb(items + 1);
                    inside.copy_rest();
                    inside.insert(&MEMORY_TYPE);
                    Ok(())
                })?;
                memory_is_in = true;
            }
            Payload::CodeSectionStart { range, .. } => {
                splicer.rewrite_section(SECTION_CODE, range.clone(), |inside| {
                    inside.copy_leb();
                    while !inside.at_end() {
                        let polled = entries[defined];
                        inside.rewrite_sized(|body| {
                            let parsed = FunctionBody::new(wasmparser::BinaryReader::new(body.rest(), body.position()));
                            function(body, &parsed, &types, entries.imported + defined as u32, polled, &poll)
                        })?;
                        defined += 1;
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
    }
    if !memory_is_in {
        splicer.copy_rest();
        splicer.insert_section(SECTION_MEMORY, &[&[1], &MEMORY_TYPE[..]].concat());
    }
    Ok(splicer.finish())
}

/// One page, and no more ever.
const MEMORY_TYPE: [u8; 3] = [1, 1, 1];

fn unreadable(error: wasmparser::Error) -> Error {
    Error::new(RTW_ERR_INTERNAL, format!("a valid module cannot be read: {error}"))
}

/// One function's body: its polls, its short loops unrolled, its long bulk operations split.
fn function(
    splicer: &mut Splicer<'_>,
    body: &FunctionBody<'_>,
    types: &wasmparser::types::TypesRef<'_>,
    index: u32,
    polled_at_entry: bool,
    poll: &[u8],
) -> Result<()> {
    let code = loops::Code::read(body, types)?;
    let mut scratch = bulk::Scratch::new(body, types, index)?;
    // First what is put in; the locals it needs are known after that, and stand before it.
    let mut rewritten = splicer.aside();
    rewritten.skip_to(code.start);
    if polled_at_entry {
        rewritten.insert(poll);
    }
    let mut at = 0;
    let mut unpolled = 0;
    let mut last_constant = None;
    while let Some(op) = code.ops.get(at) {
        if let Some(unroll) = code.unrolled(at) {
            unroll.write(&mut rewritten, &code, poll);
            at = unroll.after();
            last_constant = None;
            continue;
        }
        if let Some(split) = bulk::split(&op.operator, last_constant, types, &mut scratch, poll) {
            rewritten.copy_to(op.start);
            rewritten.insert(&split);
        }
        unpolled += calls::weight(&op.operator, last_constant);
        if code.is_polled_loop(at) {
            rewritten.copy_to(op.end);
            rewritten.insert(poll);
        } else if unpolled > STRETCH {
            rewritten.copy_to(op.start);
            rewritten.insert(poll);
            unpolled = 0;
        }
        last_constant = calls::constant(&op.operator);
        at += 1;
    }
    rewritten.copy_rest();
    let groups = splicer.skip_leb();
    splicer.insert_leb(groups + scratch.groups().len() as u32);
    splicer.copy_to(code.start);
    for (count, ty) in scratch.groups() {
        splicer.insert_leb(count);
        splicer.insert(&[ty]);
    }
    splicer.append(rewritten);
    Ok(())
}

/// The poll's code.
fn poll(profile: Profile, memory_index: u32) -> Vec<u8> {
    let load = |opcode, align, offset| load(memory_index, opcode, align, offset);
    match profile {
        Profile::Standalone => {
            let mut code = load(ATOMIC_LOAD_32, 2, 0);
            code.push(DROP);
            code
        }
        // `if current < verdict then unreachable`. Both words are read every time: the number kept in a local takes a register
        // from the loop, and gains nothing where the loop is unrolled.
        Profile::Plugin => {
            let mut code = [load(LOAD_64, 3, CURRENT_OFFSET), load(ATOMIC_LOAD_64, 3, VERDICT_OFFSET)].concat();
            code.extend_from_slice(&[
                0x54, // i64.lt_u
                0x04, 0x40, // if
                0x00, // unreachable
                0x0b, // end
            ]);
            code
        }
    }
}

fn load(memory_index: u32, opcode: &[u8], align: u8, offset: usize) -> Vec<u8> {
    const I32_CONST_0: [u8; 2] = [0x41, 0];
    /// Set in an alignment where a memory index follows.
    const HAS_MEMORY: u8 = 0x40;
    let mut code = [&I32_CONST_0, opcode, &[align | HAS_MEMORY]].concat();
    splice::push_leb(&mut code, memory_index);
    splice::push_leb(&mut code, offset as u32);
    code
}

const ATOMIC_LOAD_32: &[u8] = &[0xfe, 0x10];
const ATOMIC_LOAD_64: &[u8] = &[0xfe, 0x11];
const LOAD_64: &[u8] = &[0x29];
const DROP: u8 = 0x1a;

#[cfg(test)]
mod tests;
