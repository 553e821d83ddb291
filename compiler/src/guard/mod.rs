//! The budget guard: polls in the guest's code through which the watchdog can end a call that runs too long.
//!
//! The module gets one more memory, of one page, that nothing in it can name: only the polls reach it. There are polls at the
//! headers of loops, but for those with few, known turns, and those of which each turn passes another loop's poll (`loops`); at the
//! entry of functions that calls, tail calls included, can lead back to, or that run for longer than [`STRETCH`]; in straight code
//! longer than that, including all that it calls; after operations that are one long call of the engine (`calls`, `stretch`,
//! `weight`). So a guest executes a bounded number of instructions between two polls. Bulk operations that may be long are split
//! (`bulk`).
//!
//! A short innermost loop is unrolled, with one poll for all its copies (`loops`): in the shortest loops a poll would cost as much
//! as the loop's own work.
//!
//! The form of a poll depends on the profile (`poll`). *Standalone*: a load whose value is dropped; to end the call, the watchdog
//! takes the page's access rights away, and the load faults. *Plugin*: a load of a byte that the watchdog sets, and `unreachable`
//! if it is set. Neither calls anything: a call in the cold path would spill every live register in the loop.
//!
//! The code is spliced byte for byte, not rewritten: names, custom sections and all other parts of the module do not change, and
//! every offset in the guarded module can be converted to an offset in the given one.
//!
//! The hidden exports (`rtwasm::artifact::hidden`) come in by the same way, also where there is no guard.

mod bulk;
mod calls;
mod loops;
mod poll;
mod splice;
mod stretch;
mod weight;

use rtwasm::engine::artifact::{Edit, ExternKind, Hidden};
use rtwasm::engine::profile::Profile;
use rtwasm::status::*;
use wasmparser::{FunctionBody, Parser, Payload};

use crate::validate::Checked;
use poll::Poll;
use splice::Splicer;
use stretch::Plan;

/// The approximate number of simple instructions that may run between two polls; tens of microseconds.
const STRETCH: u64 = 50_000;

const SECTION_MEMORY: u8 = 5;
const SECTION_GLOBAL: u8 = 6;
const SECTION_EXPORT: u8 = 7;
const SECTION_CODE: u8 = 10;

/// The engine's limit.
const MOST_GLOBALS: u32 = 1_000_000;
const MOST_FUNCTION_BYTES: usize = 7_654_321;

/// A module with polls.
pub struct Guarded {
    pub module: Vec<u8>,
    pub edits: Vec<Edit>,
}

/// Inserts the guard and hidden exports into a valid module.
pub fn insert(module: &[u8], checked: &Checked, profile: Profile, hidden: &[Hidden]) -> Result<Guarded> {
    let types = checked.types.as_ref();
    let memory_index = types.memory_count();
    // The validator's limit; the guard's memory would exceed it.
    if memory_index >= 100 {
        return Err(Error::new(
            RTW_ERR_LIMIT,
            format!("the module has {memory_index} memories, and the budget guard needs one more: compile without the guard"),
        ));
    }
    let plans = calls::plans(module, &types)?;
    let poll = Poll::new(profile, memory_index);
    // Processes the functions first: they determine what else the module needs, in sections before them.
    let mut functions = Vec::with_capacity(plans.plans.len());
    let mut needs_globals = false;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionEntry(body) = payload.map_err(unreadable)? {
            let index = plans.imported + functions.len() as u32;
            let plan = &plans.plans[functions.len()];
            let place = Place { module, types: &types, segments: &plans.segments, poll: &poll, index };
            let rewritten = function(&body, plan, &place)?;
            needs_globals |= rewritten.needs_globals;
            functions.push(rewritten);
        }
    }
    if needs_globals && types.global_count() + bulk::GLOBALS.0 > MOST_GLOBALS {
        return Err(Error::new(
            RTW_ERR_LIMIT,
            "the module has as many globals as the engine takes, and the budget guard needs more: compile without the guard",
        ));
    }
    splice(module, NewItems { memory: true, globals: needs_globals, exports: export_items(hidden) }, functions)
}

/// Inserts hidden exports alone.
pub fn expose(module: &[u8], hidden: &[Hidden]) -> Result<Guarded> {
    splice(module, NewItems { memory: false, globals: false, exports: export_items(hidden) }, Vec::new())
}

/// Items of a section: their number, and their bytes.
type Items = (u32, Vec<u8>);

/// The hidden exports, if there are any.
fn export_items(hidden: &[Hidden]) -> Option<Items> {
    let mut bytes = Vec::new();
    for one in hidden {
        let name = one.name();
        splice::push_leb(&mut bytes, name.len() as u32);
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(match one.kind {
            ExternKind::Func => 0,
            ExternKind::Table => 1,
            ExternKind::Memory => 2,
            ExternKind::Global => 3,
            ExternKind::Tag => 4,
        });
        splice::push_leb(&mut bytes, one.index);
    }
    (!hidden.is_empty()).then_some((hidden.len() as u32, bytes))
}

/// Copies the module with new items and, if there are any, new functions.
fn splice<'a>(module: &'a [u8], mut new: NewItems, functions: Vec<Rewritten<'a>>) -> Result<Guarded> {
    let mut splicer = Splicer::new(module);
    let rewrites_functions = !functions.is_empty();
    let mut functions = functions.into_iter();
    for payload in Parser::new(0).parse_all(module) {
        let Some((id, range)) = payload.map_err(unreadable)?.as_section() else { continue };
        for (section, content) in new.sections_before(id) {
            splicer.insert_section_before(range.start, section, &content);
        }
        if let Some((count, bytes)) = new.take(id) {
            splicer.rewrite_section(id, range, |inside| {
                inside.insert_items(count, &bytes);
                Ok(())
            })?;
        } else if id == SECTION_CODE && rewrites_functions {
            splicer.rewrite_section(id, range, |inside| {
                inside.copy_leb();
                for function in functions.by_ref() {
                    inside.rewrite_sized(|body| {
                        function.write(body);
                        Ok(())
                    })?;
                }
                Ok(())
            })?;
        }
    }
    splicer.copy_rest();
    for (section, content) in new.sections_before(u8::MAX) {
        splicer.insert_section(section, &content);
    }
    Ok(splicer.finish())
}

/// New content that has not been inserted yet: into a section of the module, or as a section that the module does not have.
struct NewItems {
    memory: bool,
    globals: bool,
    exports: Option<Items>,
}

impl NewItems {
    /// Takes what belongs into a section.
    fn take(&mut self, section: u8) -> Option<Items> {
        match section {
            SECTION_MEMORY => std::mem::take(&mut self.memory).then(|| (1, MEMORY_TYPE.to_vec())),
            SECTION_GLOBAL => std::mem::take(&mut self.globals).then(|| (bulk::GLOBALS.0, bulk::GLOBALS.1.to_vec())),
            SECTION_EXPORT => self.exports.take(),
            _ => None,
        }
    }

    /// Takes the new sections that come next, before the module's section `id`.
    fn sections_before(&mut self, id: u8) -> Vec<(u8, Vec<u8>)> {
        let mut sections = Vec::new();
        // Up to the export section, sections have their ids' order, and all later ones have larger ids. Only tags come between memories
        // and globals, but no guest has any. Custom sections, which may be anywhere, have the id 0.
        for section in [SECTION_MEMORY, SECTION_GLOBAL, SECTION_EXPORT].into_iter().filter(|section| *section < id) {
            if let Some((count, bytes)) = self.take(section) {
                let mut content = Vec::new();
                splice::push_leb(&mut content, count);
                content.extend_from_slice(&bytes);
                sections.push((section, content));
            }
        }
        sections
    }
}

/// One page, which never grows.
const MEMORY_TYPE: [u8; 3] = [1, 1, 1];

fn unreadable(error: wasmparser::Error) -> Error {
    Error::new(RTW_ERR_INTERNAL, format!("a valid module cannot be read: {error}"))
}

/// State that the functions of one module share, and the current function.
struct Place<'a> {
    module: &'a [u8],
    types: &'a wasmparser::types::TypesRef<'a>,
    segments: &'a bulk::Segments,
    poll: &'a Poll,
    index: u32,
}

/// A function's new body.
struct Rewritten<'a> {
    /// Its code, in the old place.
    code: Splicer<'a>,
    code_start: usize,
    locals: Vec<(u32, u8)>,
    needs_globals: bool,
}

impl<'a> Rewritten<'a> {
    fn write(self, body: &mut Splicer<'a>) {
        let groups = body.skip_leb();
        body.insert_leb(groups + self.locals.len() as u32);
        body.copy_to(self.code_start);
        for (count, ty) in self.locals {
            body.insert_leb(count);
            body.insert(&[ty]);
        }
        body.append(self.code);
    }
}

/// Rewrites one function's body: inserts its polls, unrolls its short loops, splits its long bulk operations.
fn function<'a>(body: &FunctionBody<'_>, plan: &Plan, place: &Place<'a>) -> Result<Rewritten<'a>> {
    let Place { module, types, segments, poll, index } = *place;
    let mut code = loops::Code::read(body, types)?;
    let mut scratch = bulk::Scratch::new(body, types, index, types.global_count())?;
    let mut rewritten = Splicer::of(module, code.start..body.range().end);
    let polls = poll.of_function(code.polled_loops() + plan.before.len());
    code.is_wrapped = polls.are_shared();
    polls.begin(&mut rewritten, &mut scratch);
    if plan.at_entry {
        rewritten.insert(&polls.at(0));
    }
    let mut at = 0;
    let mut polled = plan.before.iter().peekable();
    let mut last_constant = None;
    while let Some(op) = code.ops.get(at) {
        if polled.next_if(|before| **before == at).is_some() {
            rewritten.copy_to(op.start);
            rewritten.insert(&polls.at(code.labels_before(at)));
        }
        if let Some(unroll) = code.unrolled(at) {
            unroll.write(&mut rewritten, &code, &polls);
            at = unroll.after();
            last_constant = None;
            continue;
        }
        let instruction = &module[op.start..op.end];
        if let Some(split) = bulk::split(&op.operator, instruction, last_constant, types, segments, &mut scratch, poll.alone())
        {
            rewritten.copy_to(op.start);
            rewritten.insert(&split);
        }
        if let Some(branch) = code.rewrapped(at) {
            rewritten.copy_to(op.start);
            rewritten.insert(&branch);
            rewritten.skip_to(op.end);
        }
        if code.is_polled_loop(at) || stretch::is_polled_after(&op.operator) {
            rewritten.copy_to(op.end);
            rewritten.insert(&polls.at(code.labels_after(at)));
        }
        last_constant = stretch::constant(&op.operator);
        at += 1;
    }
    polls.end(&mut rewritten, code.start, code.ops.last().map_or(code.start, |end| end.start));
    let (before, after) = (body.range().len(), rewritten.len() + code.start - body.range().start);
    if after > MOST_FUNCTION_BYTES {
        return Err(Error::new(
            RTW_ERR_LIMIT,
            format!(
                "function {index} has {before} bytes, with the budget guard {after}, and the engine takes {MOST_FUNCTION_BYTES} at most: \
                 compile without the guard, or divide the function"
            ),
        ));
    }
    Ok(Rewritten { code: rewritten, code_start: code.start, locals: scratch.groups(), needs_globals: scratch.needs_globals() })
}

#[cfg(test)]
mod tests;
