//! The poll's code, and the block around a function with very many polls, which saves the code generator's time.

use rtwasm::engine::budget::call_word::MARK_OFFSET;
use rtwasm::engine::profile::Profile;

use super::bulk::Scratch;
use super::splice::{Splicer, push_leb};

/// Functions with more polls than this are *crowded*: the code generator's time grows faster than their size.
pub const CROWDED: usize = 512;

const UNREACHABLE: u8 = 0x00;
const BLOCK: u8 = 0x02;
const IF: u8 = 0x04;
const END: u8 = 0x0b;
const BR_IF: u8 = 0x0d;
const RETURN: u8 = 0x0f;
const DROP: u8 = 0x1a;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const NO_RESULT: u8 = 0x40;

/// The polls of one module.
pub struct Poll {
    profile: Profile,
    load: Vec<u8>,
    alone: Vec<u8>,
}

impl Poll {
    pub fn new(profile: Profile, memory_index: u32) -> Poll {
        let offset = match profile {
            Profile::Standalone => 0,
            Profile::Plugin => MARK_OFFSET,
        };
        let load = load(memory_index, offset);
        let end: &[u8] = match profile {
            Profile::Standalone => &[DROP],
            Profile::Plugin => &[IF, NO_RESULT, UNREACHABLE, END],
        };
        Poll { profile, alone: [&load, end].concat(), load }
    }

    /// A poll that depends on nothing around it.
    pub fn alone(&self) -> &[u8] {
        &self.alone
    }

    /// The polls of a function with this number of them.
    pub fn of_function(&self, count: usize) -> Polls<'_> {
        Polls { poll: self, is_crowded: count > CROWDED }
    }
}

/// The polls of one function.
pub struct Polls<'a> {
    poll: &'a Poll,
    is_crowded: bool,
}

impl Polls<'_> {
    /// True if all polls branch out of one block around the function to one `unreachable`; otherwise each has a block of its
    /// own that calls the engine. The place in the function where a call was cut off is then unknown.
    pub fn are_shared(&self) -> bool {
        self.is_crowded && self.poll.profile == Profile::Plugin
    }

    /// A poll inside this number of labels.
    pub fn at(&self, labels: u32) -> Vec<u8> {
        if !self.are_shared() {
            return self.poll.alone.clone();
        }
        let mut code = [&self.poll.load, &[BR_IF][..]].concat();
        push_leb(&mut code, labels);
        code
    }

    /// Inserts the code before the function's.
    pub fn begin(&self, code: &mut Splicer<'_>, scratch: &mut Scratch) {
        if self.are_shared() {
            code.insert(&[BLOCK, NO_RESULT]);
        } else if self.is_crowded
            && let Some(local) = scratch.local()
        {
            code.insert(&self.value_with_a_hole(local));
        }
    }

    /// Copies the rest of the function, whose last `end` is at `last`, and inserts the code after it.
    pub fn end(&self, code: &mut Splicer<'_>, start: usize, last: usize) {
        if !self.are_shared() {
            return code.copy_rest();
        }
        code.copy_to(last);
        code.insert(&[RETURN]);
        // This `end` closes the block.
        code.copy_rest();
        code.insert_for(start, &[UNREACHABLE, END]);
    }

    /// A value that is live at the function's start, and then only in code at its end that never runs. As long as the register
    /// allocator (regalloc2 0.15, `moves.rs`) has met no value whose life has a hole, it searches all parameters of the
    /// function's blocks once for each block that a value lives through; and the address that polls load from lives through
    /// all.
    fn value_with_a_hole(&self, local: u32) -> Vec<u8> {
        let Poll { load, .. } = self.poll;
        let with_local = |opcode| {
            let mut code = vec![opcode];
            push_leb(&mut code, local);
            code
        };
        // The empty block makes the value live beyond one block. The page's bytes are all 0.
        let (set, get) = (with_local(LOCAL_SET), with_local(LOCAL_GET));
        let trap: &[u8] = &[IF, NO_RESULT, UNREACHABLE, END, END];
        [load, &set[..], &[BLOCK, NO_RESULT, END], load, &[IF, NO_RESULT], &get, trap].concat()
    }
}

/// Loads a byte of the guard's page. Atomic, since the code generator merges plain loads away in a loop without stores; a byte,
/// since the engine checks the alignment of anything larger.
fn load(memory_index: u32, offset: usize) -> Vec<u8> {
    const I32_CONST_0: [u8; 2] = [0x41, 0];
    const I32_ATOMIC_LOAD_8: [u8; 2] = [0xfe, 0x12];
    /// The flag in an alignment that a memory index follows.
    const HAS_MEMORY: u8 = 0x40;
    let mut code = [&I32_CONST_0[..], &I32_ATOMIC_LOAD_8, &[HAS_MEMORY]].concat();
    push_leb(&mut code, memory_index);
    push_leb(&mut code, offset as u32);
    code
}
