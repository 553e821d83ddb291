//! Stubs for a module's imports, so that it can be measured without its host. Those of a libc behave as the libc expects, so
//! that it continues or aborts and does not retry endlessly; all others return zeros.
//!
//! Nothing is printed, read or kept. The names are those of WASI (preview 1 and the snapshot before it) and of the few
//! functions that Emscripten's, wasi-libc's and AssemblyScript's runtimes import.

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

use rtwasm::engine::artifact::{Extern, Metadata};
use rtwasm::engine::call::ValRaw;
use rtwasm::engine::imports::{HostFunc, Imports};
use rtwasm::engine::instance::Instance;
use rtwasm::engine::naming;
use rtwasm::engine::signature::{Signature, Type};
use rtwasm::status::*;
use rtwasm::sys::clock;

const ERRNO_BADF: u32 = 8;
const ERRNO_NOENT: u32 = 44;
const ERRNO_NOSYS: u32 = 52;
const ERRNO_SPIPE: u32 = 70;
const ERRNO_FAULT: u32 = 21;
/// Standard input, output and error; nothing else is open.
const OPEN_FILES: u32 = 3;
const CHARACTER_DEVICE: u8 = 2;

/// The arguments of a function that ended a call, for the message.
type Ended = Rc<Cell<Option<(&'static str, i32)>>>;

/// State that the stubs of one guest share.
pub struct Stubs {
    stubs: Vec<Box<Stub>>,
    instance: Rc<Cell<*const Instance>>,
    pub ended: Ended,
}

/// The stub of one import; its address is the host function's user data.
struct Stub {
    answer: Answer,
    /// The larger number of its parameters and results.
    room: usize,
    instance: Rc<Cell<*const Instance>>,
    ended: Ended,
}

/// A call's values and the guest's memory.
struct Asked<'a> {
    values: &'a mut [ValRaw],
    stub: &'a Stub,
}

#[derive(Clone, Copy)]
enum Answer {
    Zeros,
    /// Always the same number, an errno or a count.
    Number(u32),
    Compute(fn(&mut Asked<'_>) -> u32),
    /// A number of 64 bits, or a float.
    Wide(fn() -> ValRaw),
    /// Only writes to the memory.
    Act(fn(&mut Asked<'_>)),
    /// Does not return to the guest.
    End(&'static str),
}

/// A name, its type, and its stub.
type Known = (&'static str, &'static str, Answer);

use Answer::{Act, Compute, End, Number, Wide};

const WASI: &[Known] = &[
    ("args_get", "(i32,i32)->(i32)", Number(0)),
    ("args_sizes_get", "(i32,i32)->(i32)", Compute(two_zeros)),
    ("environ_get", "(i32,i32)->(i32)", Number(0)),
    ("environ_sizes_get", "(i32,i32)->(i32)", Compute(two_zeros)),
    ("clock_res_get", "(i32,i32)->(i32)", Compute(|asked| asked.write_u64(1, 1))),
    ("clock_time_get", "(i32,i64,i32)->(i32)", Compute(|asked| asked.write_u64(2, clock::monotonic_ns()))),
    ("fd_close", "(i32)->(i32)", Compute(|asked| asked.errno_of_file())),
    ("fd_fdstat_get", "(i32,i32)->(i32)", Compute(fdstat)),
    ("fd_filestat_get", "(i32,i32)->(i32)", Compute(filestat)),
    ("fd_read", "(i32,i32,i32,i32)->(i32)", Compute(end_of_file)),
    ("fd_seek", "(i32,i64,i32,i32)->(i32)", Compute(|asked| asked.errno_or(ERRNO_SPIPE))),
    ("fd_tell", "(i32,i32)->(i32)", Compute(|asked| asked.errno_or(ERRNO_SPIPE))),
    ("fd_write", "(i32,i32,i32,i32)->(i32)", Compute(written)),
    ("fd_prestat_get", "(i32,i32)->(i32)", Number(ERRNO_BADF)),
    ("fd_prestat_dir_name", "(i32,i32,i32)->(i32)", Number(ERRNO_BADF)),
    ("poll_oneoff", "(i32,i32,i32,i32)->(i32)", Compute(all_ready)),
    ("proc_exit", "(i32)->()", End("proc_exit")),
    ("proc_raise", "(i32)->(i32)", End("proc_raise")),
    ("random_get", "(i32,i32)->(i32)", Compute(random)),
    ("sched_yield", "()->(i32)", Number(0)),
];

const ENV: &[Known] = &[
    ("abort", "()->()", End("abort")),
    ("_abort_js", "()->()", End("abort")),
    ("abort", "(i32,i32,i32,i32)->()", End("abort")),
    ("exit", "(i32)->()", End("exit")),
    ("_exit", "(i32)->()", End("_exit")),
    ("__assert_fail", "(i32,i32,i32,i32)->()", End("__assert_fail")),
    ("__cxa_throw", "(i32,i32,i32)->()", End("__cxa_throw")),
    ("_emscripten_throw_longjmp", "()->()", End("longjmp")),
    ("emscripten_get_now", "()->(f64)", Wide(milliseconds)),
    ("emscripten_date_now", "()->(f64)", Wide(milliseconds)),
    ("_emscripten_memcpy_js", "(i32,i32,i32)->()", Act(copy)),
    ("emscripten_memcpy_js", "(i32,i32,i32)->()", Act(copy)),
    ("emscripten_memcpy_big", "(i32,i32,i32)->()", Act(copy)),
];

/// The stub for an import: by its name if that is a system's or a runtime's.
fn answer(import: &Extern, signature: &Signature) -> Answer {
    let name = import.name.strip_prefix("__wasi_").unwrap_or(&import.name);
    let is_wasi = import.module.starts_with("wasi");
    let lists = if is_wasi { [WASI, &[]] } else { [WASI, ENV] };
    let known = lists.into_iter().flatten().find(|(known, ty, _)| *known == name && *ty == import.ty);
    match known {
        Some((_, _, answer)) if is_wasi || import.module == "env" => *answer,
        _ if signature.results != [Type::I32] => Answer::Zeros,
        _ if is_wasi && name.starts_with("path_") => Number(ERRNO_NOENT),
        _ if is_wasi && name.starts_with("fd_") => Number(ERRNO_BADF),
        _ if is_wasi => Number(ERRNO_NOSYS),
        // A system call of Emscripten's returns a negative errno.
        _ if name.starts_with("__syscall_") => Number(ERRNO_NOSYS.wrapping_neg()),
        _ => Answer::Zeros,
    }
}

/// The imports that are stubbed with zeros, whatever their purpose, in words; and how many others there are.
pub fn told(metadata: &Metadata) -> Option<String> {
    let funcs = || metadata.imports.iter().filter(|import| import.ty.starts_with('('));
    let (zeros, known): (Vec<&Extern>, Vec<&Extern>) =
        funcs().partition(|import| Signature::parse(&import.ty).is_ok_and(|ty| matches!(answer(import, &ty), Answer::Zeros)));
    let mut parts = Vec::new();
    if !known.is_empty() {
        parts.push(format!("{} stubbed as a libc expects", naming::few(known.iter().map(|import| import.name.as_str()))));
    }
    if !zeros.is_empty() {
        parts.push(format!("{} stubbed with zeros", naming::few(zeros.iter().map(|import| import.name.as_str()))));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

impl Stubs {
    pub fn new(metadata: &Metadata) -> (Stubs, Imports) {
        let mut stubs = Stubs { stubs: Vec::new(), instance: Rc::new(Cell::new(std::ptr::null())), ended: Rc::default() };
        let imports = Imports::default();
        for import in metadata.imports.iter().filter(|import| import.ty.starts_with('(')) {
            // A type that cannot cross into C is refused when the instance is created, with its name.
            let Ok(signature) = Signature::parse(&import.ty) else { continue };
            let stub = Box::new(Stub {
                answer: answer(import, &signature),
                room: signature.value_count(),
                instance: stubs.instance.clone(),
                ended: stubs.ended.clone(),
            });
            let added = imports.add(HostFunc {
                module: import.module.clone(),
                name: import.name.clone(),
                signature,
                func: called,
                user_data: (&raw const *stub).cast_mut().cast(),
                may_block: false,
                finalizer: None,
            });
            added.expect("memory for an import");
            stubs.stubs.push(stub);
        }
        imports.provide_declared(metadata).expect("memory for imports");
        (stubs, imports)
    }

    /// Lets the stubs use the guest's memory from now on; before, in a start function, they cannot.
    pub fn serve(&self, instance: &Arc<Instance>) {
        self.instance.set(Arc::as_ptr(instance));
    }
}

/// The host function of every import.
unsafe extern "C-unwind" fn called(stub: *mut c_void, _instance: *mut c_void, values: *mut c_void) -> rtw_status_t {
    // SAFETY: the stub lives as long as the guest, which has one thread.
    let stub = unsafe { &*stub.cast::<Stub>() };
    // SAFETY: the engine supplies room for all parameters and results.
    let values = unsafe { std::slice::from_raw_parts_mut(values.cast::<ValRaw>(), stub.room) };
    let mut asked = Asked { values, stub };
    match stub.answer {
        Answer::Zeros => asked.values.fill(ValRaw::i64(0)),
        Answer::Number(number) => asked.values[0] = ValRaw::u32(number),
        Answer::Compute(compute) => asked.values[0] = ValRaw::u32(compute(&mut asked)),
        Answer::Wide(compute) => asked.values[0] = compute(),
        Answer::Act(act) => act(&mut asked),
        Answer::End(name) => {
            stub.ended.set(Some((name, if stub.takes_a_number() { asked.values[0].get_i32() } else { 0 })));
            return RTW_ERR_HOST;
        }
    }
    RTW_OK
}

impl Stub {
    fn takes_a_number(&self) -> bool {
        matches!(self.answer, Answer::End("proc_exit" | "proc_raise" | "exit" | "_exit"))
    }

    /// A piece of the guest's memory; `None` if it is out of bounds, or there is no guest yet.
    fn memory(&self, address: u32, length: u32) -> Option<&mut [u8]> {
        let instance = NonNull::new(self.instance.get().cast_mut())?;
        // SAFETY: the instance that calls, which an Arc holds; its count stays as it is.
        let instance = ManuallyDrop::new(unsafe { Arc::from_raw(instance.as_ptr()) });
        // SAFETY: it is on this thread.
        let turn = unsafe { instance.turn() };
        let begin = turn.memory_at(address.into(), length.into());
        // SAFETY: `length` bytes are inside the memory, and no other thread uses it while the guest waits.
        (!begin.is_null()).then(|| unsafe { std::slice::from_raw_parts_mut(begin, length as usize) })
    }
}

impl Asked<'_> {
    fn argument(&self, at: usize) -> u32 {
        self.values[at].get_u32()
    }

    fn errno_of_file(&self) -> u32 {
        if self.argument(0) < OPEN_FILES { 0 } else { ERRNO_BADF }
    }

    fn errno_or(&self, errno: u32) -> u32 {
        if self.argument(0) < OPEN_FILES { errno } else { ERRNO_BADF }
    }

    /// Writes to the address in an argument; returns an errno.
    fn write(&self, argument: usize, bytes: &[u8]) -> u32 {
        match self.stub.memory(self.argument(argument), bytes.len() as u32) {
            Some(memory) => {
                memory.copy_from_slice(bytes);
                0
            }
            None => ERRNO_FAULT,
        }
    }

    fn write_u64(&self, argument: usize, value: u64) -> u32 {
        self.write(argument, &value.to_le_bytes())
    }

    fn read_u32(&self, address: u32) -> Option<u32> {
        self.stub.memory(address, 4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}

fn two_zeros(asked: &mut Asked<'_>) -> u32 {
    asked.write(0, &[0; 4]).max(asked.write(1, &[0; 4]))
}

/// Reports everything as written.
fn written(asked: &mut Asked<'_>) -> u32 {
    if asked.errno_of_file() != 0 {
        return ERRNO_BADF;
    }
    let (vectors, count) = (asked.argument(1), asked.argument(2));
    let mut sum = 0u32;
    // The libcs write at most two pieces; a guest with more of them than fit into a memory is wrong.
    for at in 0..count {
        let Some(length) = at.checked_mul(8).and_then(|at| vectors.checked_add(at + 4)).and_then(|at| asked.read_u32(at))
        else {
            return ERRNO_FAULT;
        };
        sum = sum.wrapping_add(length);
    }
    asked.write(3, &sum.to_le_bytes())
}

fn end_of_file(asked: &mut Asked<'_>) -> u32 {
    if asked.errno_of_file() != 0 { ERRNO_BADF } else { asked.write(3, &[0; 4]) }
}

fn fdstat(asked: &mut Asked<'_>) -> u32 {
    let mut stat = [0; 24];
    stat[0] = CHARACTER_DEVICE;
    if asked.errno_of_file() != 0 { ERRNO_BADF } else { asked.write(1, &stat) }
}

fn filestat(asked: &mut Asked<'_>) -> u32 {
    // 64 bytes, or 56 in the earlier snapshot: the rest is not touched in either.
    let mut stat = [0; 56];
    stat[16] = CHARACTER_DEVICE;
    if asked.errno_of_file() != 0 { ERRNO_BADF } else { asked.write(1, &stat) }
}

/// Pseudo-random bytes that are the same in every run.
fn random(asked: &mut Asked<'_>) -> u32 {
    let Some(memory) = asked.stub.memory(asked.argument(0), asked.argument(1)) else { return ERRNO_FAULT };
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for byte in memory {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    0
}

/// Every subscription is ready at once. An event is 32 bytes: the subscription's own word, an errno, a kind.
fn all_ready(asked: &mut Asked<'_>) -> u32 {
    let (subscriptions, events, count) = (asked.argument(0), asked.argument(1), asked.argument(2));
    for at in 0..count {
        // Only the first subscription has the same place in both snapshots.
        let word = if at == 0 { asked.stub.memory(subscriptions, 8).map(|word| word.to_vec()) } else { None };
        let Some(event) = at.checked_mul(32).and_then(|at| events.checked_add(at)).and_then(|at| asked.stub.memory(at, 32))
        else {
            return ERRNO_FAULT;
        };
        event.fill(0);
        if let Some(word) = word {
            event[..8].copy_from_slice(&word);
        }
    }
    asked.write(3, &count.to_le_bytes())
}

fn milliseconds() -> ValRaw {
    ValRaw::f64((clock::monotonic_ns() as f64 / 1e6).to_bits())
}

fn copy(asked: &mut Asked<'_>) {
    let (to, from, length) = (asked.argument(0), asked.argument(1), asked.argument(2));
    if let Some(source) = asked.stub.memory(from, length).map(|source| source.as_ptr())
        && let Some(target) = asked.stub.memory(to, length)
    {
        // SAFETY: both are inside the memory; they may overlap.
        unsafe { std::ptr::copy(source, target.as_mut_ptr(), target.len()) };
    }
}
