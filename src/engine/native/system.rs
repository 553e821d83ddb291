//! The system that guests see, a quiet one: WASI preview 1, and what the runtimes of AssemblyScript and Emscripten import under names of
//! their own. Nothing is open but standard input, which is at its end, and output, which goes to the log.

use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wasmtime::ValRaw;

use super::{Ask, ERRNO_BADF, Ended, Form, Native, Reaches, answer_number, is_wasi, of_libc};
use crate::engine::artifact::Extern;
use crate::engine::instance::Data;
use crate::engine::log::{self, LONGEST};
use crate::status::*;
use crate::sys::{clock, random};

const ERRNO_FAULT: u32 = 21;
const ERRNO_INVAL: u32 = 28;
const ERRNO_SPIPE: u32 = 70;
/// Standard input, output and error; nothing else is open.
const OPEN_FILES: u32 = 3;
const CHARACTER_DEVICE: u8 = 2;
/// The most that one call handles, since it cannot be cut off: bytes of text or of random numbers, and pieces or subscriptions.
const MOST_BYTES: usize = 64 << 10;
const MOST_PIECES: u32 = 1024;

/// The system, as a list of imports describes it.
pub struct Setup {
    /// Each with a zero at its end.
    pub args: Vec<u8>,
    pub env: Vec<u8>,
    pub arg_count: u32,
    pub env_count: u32,
    /// Where the host keeps the time for its guests; null: the clock's.
    time: *const AtomicU64,
    key: [u8; 32],
    /// True if every guest has the same random numbers.
    same: bool,
    guests: AtomicU64,
    /// Nanoseconds of a tick, in units of 2^-32, and the time at which counting begins.
    ns_per_tick: u64,
    began_ticks: u64,
    began_ns: u64,
    began_real_ns: u64,
}

// SAFETY: the word is the host's, which keeps it as long as guests may read it; they do so atomically.
unsafe impl Send for Setup {}
// SAFETY: as for Send.
unsafe impl Sync for Setup {}

impl Setup {
    pub fn new(args: Vec<&str>, env: Vec<&str>, seed: u64, time: *const AtomicU64) -> Result<Arc<Setup>> {
        let join = |list: &[&str]| list.iter().flat_map(|one| one.bytes().chain([0])).collect();
        let mut key = [0; 32];
        match seed {
            0 => random::fill(&mut key).map_err(|e| Error::os(RTW_ERR_IO, "the system gives no random numbers", &e))?,
            seed => key[..8].copy_from_slice(&seed.to_le_bytes()),
        }
        // Guests' clocks keep the ratio, unless they show the host's time.
        let clock = if time.is_null() { clock::settled_calibration() } else { clock::calibration() };
        // Measured before a guest asks, in a call.
        clock.ticks_per_step();
        Ok(Arc::new(Setup {
            args: join(&args),
            env: join(&env),
            arg_count: args.len() as u32,
            env_count: env.len() as u32,
            time,
            key,
            same: seed != 0,
            guests: AtomicU64::new(0),
            ns_per_tick: (clock.ns_per_tick * (1u64 << 32) as f64) as u64,
            began_ticks: clock::ticks(),
            began_ns: clock::monotonic_ns(),
            began_real_ns: clock::realtime_ns(),
        }))
    }

    /// A clock's time in ns.
    fn now(&self, clock: u32) -> u64 {
        // SAFETY: null, or the host's word.
        if let Some(time) = unsafe { self.time.as_ref() } {
            return time.load(Relaxed);
        }
        let ticks = clock::ticks().wrapping_sub(self.began_ticks);
        let since = ((u128::from(ticks) * u128::from(self.ns_per_tick)) >> 32) as u64;
        match clock {
            0 => self.began_real_ns + since,
            1 => self.began_ns + since,
            // The process's and the thread's own time: what has passed.
            _ => since,
        }
    }
}

/// The system as one guest sees it.
pub struct System {
    pub setup: Arc<Setup>,
    random: Random,
    /// Text that was printed to stdout and stderr and has no end of line yet.
    lines: [Line; 2],
}

impl System {
    pub fn new(setup: Arc<Setup>) -> Box<System> {
        let random = Random::of_next_guest(&setup);
        Box::new(System { setup, random, lines: [Line::EMPTY; 2] })
    }
}

/// Random numbers: a hash of a secret key and a count.
struct Random {
    key: [u8; 32],
    count: u64,
}

fn hash(key: &[u8; 32], count: u64) -> [u8; 32] {
    Sha256::new().chain_update(key).chain_update(count.to_le_bytes()).finalize().into()
}

impl Random {
    fn of_next_guest(setup: &Setup) -> Random {
        let number = if setup.same { 0 } else { setup.guests.fetch_add(1, Relaxed) };
        Random { key: hash(&setup.key, number), count: 0 }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(32) {
            self.count += 1;
            piece.copy_from_slice(&hash(&self.key, self.count)[..piece.len()]);
        }
    }
}

struct Line {
    length: usize,
    text: [u8; LONGEST + 1],
}

impl Line {
    // Not zero, so that making one writes to all of its pages.
    const EMPTY: Line = Line { length: 0, text: [b' '; LONGEST + 1] };
}

// ---- the functions, by name and type ----

#[derive(Clone, Copy)]
enum Answer {
    /// Returns an errno.
    Errno(fn(&mut Ask<'_>) -> u32),
    Number(u32),
    /// Has a result of another type, or none.
    Act(Form),
    /// Logs a string of AssemblyScript's at this level.
    Say(u32),
}

use Answer::{Act, Errno, Number, Say};

type Known = (&'static str, Answer);

static WASI: &[Known] = &[
    ("args_get(i32,i32)->(i32)", Errno(|ask| ask.strings(|setup| (&setup.args, setup.arg_count)))),
    ("args_sizes_get(i32,i32)->(i32)", Errno(|ask| ask.sizes(|setup| (&setup.args, setup.arg_count)))),
    ("environ_get(i32,i32)->(i32)", Errno(|ask| ask.strings(|setup| (&setup.env, setup.env_count)))),
    ("environ_sizes_get(i32,i32)->(i32)", Errno(|ask| ask.sizes(|setup| (&setup.env, setup.env_count)))),
    ("clock_res_get(i32,i32)->(i32)", Errno(resolution)),
    ("clock_time_get(i32,i64,i32)->(i32)", Errno(time)),
    ("fd_close(i32)->(i32)", Errno(|ask| ask.of_open(0))),
    ("fd_fdstat_get(i32,i32)->(i32)", Errno(fdstat)),
    ("fd_fdstat_set_flags(i32,i32)->(i32)", Errno(|ask| ask.of_open(0))),
    ("fd_filestat_get(i32,i32)->(i32)", Errno(filestat)),
    ("fd_read(i32,i32,i32,i32)->(i32)", Errno(end_of_file)),
    ("fd_seek(i32,i64,i32,i32)->(i32)", Errno(|ask| ask.of_open(ERRNO_SPIPE))),
    ("fd_tell(i32,i32)->(i32)", Errno(|ask| ask.of_open(ERRNO_SPIPE))),
    ("fd_write(i32,i32,i32,i32)->(i32)", Errno(write)),
    ("poll_oneoff(i32,i32,i32,i32)->(i32)", Errno(all_ready)),
    ("proc_exit(i32)->()", Act(exit)),
    ("random_get(i32,i32)->(i32)", Errno(random_get)),
    ("sched_yield()->(i32)", Number(0)),
];

static ENV: &[Known] = &[
    ("abort(i32,i32,i32,i32)->()", Act(assembly_abort)),
    ("trace(i32,i32,f64,f64,f64,f64,f64)->()", Act(assembly_trace)),
    ("seed()->(f64)", Act(assembly_seed)),
    ("console.log(i32)->()", Say(log::PRINTED)),
    ("console.debug(i32)->()", Say(log::DEBUG)),
    ("console.info(i32)->()", Say(log::INFO)),
    ("console.warn(i32)->()", Say(log::WARNING)),
    ("console.error(i32)->()", Say(log::ERROR)),
    ("performance.now()->(f64)", Act(milliseconds)),
    ("Date.now()->(f64)", Act(milliseconds_since_1970)),
    ("abort()->()", Act(abort)),
    ("_abort_js()->()", Act(abort)),
    ("exit(i32)->()", Act(exit)),
    ("_exit(i32)->()", Act(exit)),
    ("__assert_fail(i32,i32,i32,i32)->()", Act(assertion)),
    ("__cxa_throw(i32,i32,i32)->()", Act(abort)),
    ("_emscripten_throw_longjmp()->()", Act(abort)),
    ("emscripten_get_now()->(f64)", Act(milliseconds)),
    ("emscripten_date_now()->(f64)", Act(milliseconds_since_1970)),
    ("emscripten_memcpy_js(i32,i32,i32)->()", Act(copy)),
    ("_emscripten_memcpy_js(i32,i32,i32)->()", Act(copy)),
    ("emscripten_memcpy_big(i32,i32,i32)->()", Act(copy)),
    ("emscripten_notify_memory_growth(i32)->()", Act(nothing)),
    // Memory does not grow from the host's side.
    ("emscripten_resize_heap(i32)->(i32)", Number(0)),
];

/// The function for an import.
pub fn find(import: &Extern) -> Option<Native> {
    let is_wasi = is_wasi(&import.module);
    let list = match is_wasi {
        true => WASI,
        false if import.module == "env" => ENV,
        false => return None,
    };
    let known = |known: &&Known| known.0.strip_prefix(import.name.as_str()).is_some_and(|rest| rest == import.ty);
    match list.iter().find(known) {
        Some((_, Errno(errno))) => {
            Some(Native { form: answer_errno, data: *errno as usize, speaks: true, reaches: Reaches::Library })
        }
        Some((_, Number(number))) => {
            Some(Native { form: answer_number, data: *number as usize, speaks: false, reaches: Reaches::Library })
        }
        Some((_, Say(level))) => {
            Some(Native { form: assembly_say, data: *level as usize, speaks: true, reaches: Reaches::Library })
        }
        Some((_, Act(form))) => Some(Native { form: *form, data: 0, speaks: true, reaches: Reaches::Library }),
        None if is_wasi || import.name.starts_with("__syscall_") => of_libc(import),
        None => None,
    }
}

/// Returns the errno that a function computes.
unsafe fn answer_errno(compute: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    // SAFETY: `find` has put such a function there.
    let compute = unsafe { std::mem::transmute::<usize, fn(&mut Ask<'_>) -> u32>(compute) };
    let errno = compute(&mut ask);
    ask.answer(ValRaw::u32(errno));
    Ok(())
}

impl Ask<'_> {
    fn system(&mut self) -> Option<&mut System> {
        Data::of_mut(self.caller.data_mut()).system.as_deref_mut()
    }

    fn setup(&mut self) -> Option<Arc<Setup>> {
        self.system().map(|system| system.setup.clone())
    }

    /// Writes to an address; returns an errno.
    fn put(&mut self, address: u32, bytes: &[u8]) -> u32 {
        match self.piece(address, bytes.len() as u32) {
            Some(piece) => {
                piece.copy_from_slice(bytes);
                0
            }
            None => ERRNO_FAULT,
        }
    }

    fn word(&mut self, address: u32) -> Option<u32> {
        self.piece(address, 4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    }

    /// An errno for what needs an open file.
    fn of_open(&self, errno: u32) -> u32 {
        if self.u32(0) < OPEN_FILES { errno } else { ERRNO_BADF }
    }

    fn sizes(&mut self, list: fn(&Setup) -> (&Vec<u8>, u32)) -> u32 {
        let (bytes, count) = self.setup().map_or((0, 0), |setup| {
            let (bytes, count) = list(&setup);
            (bytes.len() as u32, count)
        });
        let (count_at, bytes_at) = (self.u32(0), self.u32(1));
        self.put(count_at, &count.to_le_bytes()).max(self.put(bytes_at, &bytes.to_le_bytes()))
    }

    fn strings(&mut self, list: fn(&Setup) -> (&Vec<u8>, u32)) -> u32 {
        let Some(setup) = self.setup() else { return 0 };
        let (bytes, _) = list(&setup);
        let (mut pointer, text) = (self.u32(0), self.u32(1));
        if self.put(text, bytes) != 0 {
            return ERRNO_FAULT;
        }
        let mut at = 0;
        for one in bytes.split_inclusive(|byte| *byte == 0) {
            if self.put(pointer, &text.wrapping_add(at).to_le_bytes()) != 0 {
                return ERRNO_FAULT;
            }
            pointer = pointer.wrapping_add(4);
            at += one.len() as u32;
        }
        0
    }

    /// Hands a message to the log, if the host has one.
    pub(super) fn log(&self, level: u32, text: &[u8]) {
        if let Some(log) = Data::of(self.caller.data()).core().log.as_ref() {
            // SAFETY: the guest calls on this thread.
            unsafe { log.write(level, text) };
        }
    }

    /// Prints the `length` bytes at an address, line by line.
    fn print(&mut self, stream: usize, address: u32, length: u32) {
        let memory = self.find_memory();
        let Some(memory) = memory else { return };
        let (bytes, data) = memory.data_and_store_mut(&mut self.caller);
        let data = Data::of_mut(data);
        let Some(bytes) = bytes.get(address as usize..).and_then(|bytes| bytes.get(..length as usize)) else { return };
        let Some(line) = data.system.as_deref_mut().map(|system| &mut system.lines[stream]) else { return };
        let Some(log) = data.core.log.as_ref() else { return };
        let level = if stream == 0 { log::PRINTED } else { log::WARNING };
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let kept = text.len().min(line.text.len() - line.length);
            line.text[line.length..line.length + kept].copy_from_slice(&text[..kept]);
            line.length += kept;
            if ends {
                // SAFETY: the guest calls on this thread.
                unsafe { log.write(level, &line.text[..line.length]) };
                line.length = 0;
            }
        }
    }

    fn end_lines(&mut self) {
        Data::of_mut(self.caller.data_mut()).end_lines();
    }
}

impl Data {
    /// A new guest begins here: its view of the system is a new one.
    pub(in crate::engine) fn begin_anew(&mut self) {
        self.end_lines();
        if let Some(system) = self.system.as_deref_mut() {
            system.random = Random::of_next_guest(&system.setup);
        }
    }

    /// Hands on what was printed and has no end of line, since none will come.
    pub(in crate::engine) fn end_lines(&mut self) {
        let (Some(system), Some(log)) = (self.system.as_deref_mut(), self.core.log.as_ref()) else { return };
        for (line, level) in system.lines.iter_mut().zip([log::PRINTED, log::WARNING]) {
            if line.length != 0 {
                // SAFETY: it is this thread's guest.
                unsafe { log.write(level, &line.text[..line.length]) };
                line.length = 0;
            }
        }
    }
}

// ---- WASI ----

fn resolution(ask: &mut Ask<'_>) -> u32 {
    let ns = clock::calibration().resolution_ns() as u64;
    ask.put(ask.u32(1), &ns.max(1).to_le_bytes())
}

fn time(ask: &mut Ask<'_>) -> u32 {
    if ask.u32(0) > 3 {
        return ERRNO_INVAL;
    }
    let clock = ask.u32(0);
    let now = ask.system().map_or(0, |system| system.setup.now(clock));
    ask.put(ask.u32(2), &now.to_le_bytes())
}

fn write(ask: &mut Ask<'_>) -> u32 {
    let file = ask.u32(0);
    if !(1..OPEN_FILES).contains(&file) {
        return ERRNO_BADF;
    }
    let (vectors, count) = (ask.u32(1), ask.u32(2).min(MOST_PIECES));
    let mut left = MOST_BYTES as u32;
    for at in 0..count {
        let Some(vector) = vectors.checked_add(at * 8) else { return ERRNO_FAULT };
        let (Some(address), Some(length)) = (ask.word(vector), vector.checked_add(4).and_then(|at| ask.word(at))) else {
            return ERRNO_FAULT;
        };
        if ask.piece(address, length).is_none() {
            return ERRNO_FAULT;
        }
        // The libc writes the rest with another call.
        ask.print(file as usize - 1, address, length.min(left));
        left -= length.min(left);
    }
    ask.put(ask.u32(3), &(MOST_BYTES as u32 - left).to_le_bytes())
}

fn end_of_file(ask: &mut Ask<'_>) -> u32 {
    if ask.u32(0) != 0 { ERRNO_BADF } else { ask.put(ask.u32(3), &[0; 4]) }
}

fn fdstat(ask: &mut Ask<'_>) -> u32 {
    let mut stat = [0; 24];
    stat[0] = CHARACTER_DEVICE;
    // The rights: to read from standard input, to write to the others.
    stat[8] = if ask.u32(0) == 0 { 2 } else { 64 };
    if ask.of_open(0) != 0 { ERRNO_BADF } else { ask.put(ask.u32(1), &stat) }
}

fn filestat(ask: &mut Ask<'_>) -> u32 {
    // 64 bytes, or 56 in the earlier snapshot: the rest is not touched in either.
    let mut stat = [0; 56];
    stat[16] = CHARACTER_DEVICE;
    if ask.of_open(0) != 0 { ERRNO_BADF } else { ask.put(ask.u32(1), &stat) }
}

fn random_get(ask: &mut Ask<'_>) -> u32 {
    let (address, length) = (ask.u32(0) as usize, ask.u32(1) as usize);
    if length > MOST_BYTES {
        return ERRNO_INVAL;
    }
    let Some(memory) = ask.find_memory() else { return ERRNO_FAULT };
    let (bytes, data) = memory.data_and_store_mut(&mut ask.caller);
    match (bytes.get_mut(address..).and_then(|bytes| bytes.get_mut(..length)), Data::of_mut(data).system.as_deref_mut()) {
        (Some(bytes), Some(system)) => {
            system.random.fill(bytes);
            0
        }
        _ => ERRNO_FAULT,
    }
}

/// Every subscription is ready at once, also one to a time: nothing waits. An event is 32 bytes: the subscription's own word, an errno,
/// a kind.
fn all_ready(ask: &mut Ask<'_>) -> u32 {
    let (subscriptions, events, count) = (ask.u32(0), ask.u32(1), ask.u32(2));
    if count == 0 || count > MOST_PIECES {
        return ERRNO_INVAL;
    }
    for at in 0..count {
        let mut event = [0; 32];
        let Some(from) = subscriptions.checked_add(at * 48).and_then(|at| ask.piece(at, 9)) else { return ERRNO_FAULT };
        event[..8].copy_from_slice(&from[..8]);
        event[10] = from[8];
        let Some(to) = events.checked_add(at * 32) else { return ERRNO_FAULT };
        if ask.put(to, &event) != 0 {
            return ERRNO_FAULT;
        }
    }
    ask.put(ask.u32(3), &count.to_le_bytes())
}

unsafe fn exit(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    ask.end_lines();
    let code = ask.u32(0) as i32;
    ask.end(Ended::Exit(code))
}

// ---- AssemblyScript and Emscripten ----

unsafe fn abort(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    ask.end_lines();
    ask.end(Ended::Abort)
}

unsafe fn nothing(_: usize, _: Ask<'_>) -> wasmtime::Result<()> {
    Ok(())
}

unsafe fn milliseconds(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    let ns = ask.system().map_or(0, |system| system.setup.now(1));
    ask.answer(ValRaw::f64((ns as f64 / 1e6).to_bits()));
    Ok(())
}

unsafe fn milliseconds_since_1970(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    let ns = ask.system().map_or(0, |system| system.setup.now(0));
    ask.answer(ValRaw::f64((ns as f64 / 1e6).to_bits()));
    Ok(())
}

unsafe fn copy(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    let (to, from, length) = (ask.u32(0) as usize, ask.u32(1) as usize, ask.u32(2) as usize);
    let memory = ask.memory();
    if from.saturating_add(length) <= memory.len() && to.saturating_add(length) <= memory.len() {
        memory.copy_within(from..from + length, to);
    }
    Ok(())
}

unsafe fn assembly_seed(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    let mut bytes = [0; 8];
    if let Some(system) = ask.system() {
        system.random.fill(&mut bytes);
    }
    // Between 0 and 2^53, as a JavaScript engine's would be.
    ask.answer(ValRaw::f64(((u64::from_le_bytes(bytes) >> 11) as f64).to_bits()));
    Ok(())
}

/// A message that is put together without allocating; what has no room is left out.
struct Text {
    bytes: [u8; LONGEST + 1],
    length: usize,
}

impl Write for Text {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        let kept = more.len().min(self.bytes.len() - self.length);
        self.bytes[self.length..self.length + kept].copy_from_slice(&more[..kept]);
        self.length += kept;
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn new(begin: &[u8]) -> Text {
        let mut text = Text { bytes: [0; LONGEST + 1], length: 0 };
        text.push(begin);
        text
    }

    fn push(&mut self, more: &[u8]) {
        let _ = self.write(more);
    }

    fn number(&mut self, mut number: u32) {
        let (mut digits, mut at) = ([0; 10], 10);
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[at..]);
    }

    /// The string of AssemblyScript's that an argument points to: UTF-16, with its length in bytes before it.
    fn assembly(&mut self, ask: &mut Ask<'_>, argument: usize) {
        let address = ask.u32(argument);
        let Some(length) = address.checked_sub(4).and_then(|at| ask.word(at)) else { return };
        let length = length.min(2 * LONGEST as u32);
        let Some(units) = ask.piece(address, length) else { return };
        let units = units.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        for c in char::decode_utf16(units) {
            self.push(c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// The string of C's that an argument points to.
    fn c(&mut self, ask: &mut Ask<'_>, argument: usize) {
        let address = ask.u32(argument);
        let Some(bytes) = ask.memory().get(address as usize..) else { return };
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        self.push(bytes.split(|byte| *byte == 0).next().unwrap_or(&[]));
    }

    fn log(&self, ask: &Ask<'_>, level: u32) {
        ask.log(level, &self.bytes[..self.length]);
    }
}

/// `abort(message, file, line, column)`
unsafe fn assembly_abort(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    let mut text = Text::new(b"abort: ");
    text.assembly(&mut ask, 0);
    text.push(b" in ");
    text.assembly(&mut ask, 1);
    text.push(b"(");
    text.number(ask.u32(2));
    text.push(b":");
    text.number(ask.u32(3));
    text.push(b")");
    text.log(&ask, log::ERROR);
    ask.end(Ended::Abort)
}

/// `console.log(message)` and its like.
unsafe fn assembly_say(level: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    let mut text = Text::new(b"");
    text.assembly(&mut ask, 0);
    text.log(&ask, level as u32);
    Ok(())
}

/// `trace(message, count, a, b, c, d, e)`
unsafe fn assembly_trace(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    let mut text = Text::new(b"trace: ");
    text.assembly(&mut ask, 0);
    for at in 0..ask.u32(1).min(5) {
        let number = f64::from_bits(ask.raw(2 + at as usize).get_f64());
        let _ = write!(text, "{}{number}", if at == 0 { " " } else { ", " });
    }
    text.log(&ask, log::PRINTED);
    Ok(())
}

/// `__assert_fail(condition, file, line, function)`
unsafe fn assertion(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    ask.end_lines();
    let mut text = Text::new(b"assertion failed: ");
    text.c(&mut ask, 0);
    text.push(b" in ");
    text.c(&mut ask, 1);
    text.push(b":");
    text.number(ask.u32(2));
    text.log(&ask, log::ERROR);
    ask.end(Ended::Abort)
}
