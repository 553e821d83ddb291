//! The library's own functions that guests may import: mathematics, what a system and a language's runtime supply, the log, and
//! stubs. None of them allocates, blocks or makes a system call; one that ends the guest's call allocates its error, as a trap does.

mod libm;
mod system;

pub use system::{Setup, System};

use rtwasm_enter::Content;
use std::mem::MaybeUninit;
use std::sync::Arc;
use wasmtime::{Caller, Extern as EngineExtern, Memory, Trap, ValRaw};

use super::artifact::Extern;
use super::imports::Stubs;
use super::instance::Data;
use crate::status::*;

/// The values of a call: arguments in, results out.
pub type Values<'a> = &'a mut [MaybeUninit<ValRaw>];

/// The form of all of these functions. `data` is the function's own.
type Form = unsafe fn(data: usize, ask: Ask<'_>) -> wasmtime::Result<()>;

/// One of these functions, chosen for an import.
#[derive(Clone, Copy)]
pub struct Native {
    form: Form,
    data: usize,
    /// True if it may write to the log, or needs the guest's view of the system.
    pub speaks: bool,
    reaches: Reaches,
}

/// The code that a call of such a function reaches.
#[derive(Clone, Copy)]
enum Reaches {
    Library,
    /// A function of the C library, whose address is the `data`.
    Outside,
    /// Such a function that needs nothing but the values. It is called by way of this: a form costs 12 instructions more.
    OutsideAlone(Alone),
}

/// The form of functions that need nothing but the values, which there are as many of as the type has.
type Alone = unsafe fn(data: usize, values: *mut ValRaw);

/// Such a function, with its data.
#[derive(Clone, Copy)]
pub struct Calculation {
    call: Alone,
    data: usize,
}

impl Calculation {
    /// # Safety
    /// There are as many values as the import's type has, and the arguments are written.
    #[inline(always)]
    pub unsafe fn call(&self, values: Values<'_>) {
        // SAFETY: passed on.
        unsafe { (self.call)(self.data, values.as_mut_ptr().cast()) }
    }
}

/// The way in which one of these functions ended a guest's call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    #[default]
    No,
    /// The guest ended itself, with this code.
    Exit(i32),
    Abort,
    /// It called a stub: the import's index.
    Stub(u32),
}

impl Ended {
    /// The status of a call that ended so; None if it did not.
    pub fn status(self) -> Option<rtw_status_t> {
        match self {
            Ended::No => None,
            Ended::Exit(_) => Some(RTW_ERR_EXITED),
            Ended::Abort => Some(RTW_ERR_ABORTED),
            Ended::Stub(_) => Some(RTW_ERR_STUB),
        }
    }
}

/// A set of these functions that a list of imports can provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    Mathematics,
    System,
    /// Every list has it.
    Log,
}

/// The set that has a function for an import; None: the host has to provide it. For tools; linking looks only into the sets that a list
/// provides.
pub fn set_of(import: &Extern) -> Option<Set> {
    let sets = [(libm::find(import), Set::Mathematics), (system::find(import), Set::System), (log_of(import), Set::Log)];
    sets.into_iter().find_map(|(found, set)| found.map(|_| set))
}

/// The functions that a list of imports provides beside the host's own.
#[derive(Clone, Default)]
pub struct Sets {
    pub libm: bool,
    /// The system that guests see, if any.
    pub system: Option<Arc<Setup>>,
    pub stubs: Stubs,
}

impl Sets {
    /// The function for an import, the module's `index`th.
    pub(super) fn find(&self, import: &Extern, index: usize) -> Option<Native> {
        let libm = if self.libm { libm::find(import) } else { None };
        let system = || if self.system.is_some() { system::find(import) } else { None };
        let stub = Native { form: stub, data: index, speaks: false, reaches: Reaches::Library };
        libm.or_else(system).or_else(|| log_of(import)).or_else(|| match self.stubs {
            Stubs::None => None,
            Stubs::Trap => Some(stub),
            Stubs::Libc => Some(of_libc(import).unwrap_or(stub)),
        })
    }
}

impl Native {
    /// The address of the C library's function that it calls, if it calls one.
    pub fn outside(&self) -> Option<usize> {
        match self.reaches {
            Reaches::Library => None,
            Reaches::Outside | Reaches::OutsideAlone(_) => Some(self.data),
        }
    }

    /// The function, if it needs nothing but the values.
    pub fn calculation(&self) -> Option<Calculation> {
        match self.reaches {
            Reaches::OutsideAlone(call) => Some(Calculation { call, data: self.data }),
            Reaches::Library | Reaches::Outside => None,
        }
    }

    /// # Safety
    /// There are as many values as the import's type has.
    #[inline(always)]
    pub unsafe fn call(&self, caller: Caller<'_, Content>, values: Values<'_>) -> wasmtime::Result<()> {
        // SAFETY: passed on.
        unsafe { (self.form)(self.data, Ask { caller, values }) }
    }
}

/// One call of such a function.
pub struct Ask<'a> {
    caller: Caller<'a, Content>,
    values: Values<'a>,
}

impl Ask<'_> {
    #[inline(always)]
    fn raw(&self, at: usize) -> ValRaw {
        // SAFETY: the engine has written the arguments; the function's type has this many.
        unsafe { self.values[at].assume_init() }
    }

    #[inline(always)]
    fn u32(&self, at: usize) -> u32 {
        self.raw(at).get_u32()
    }

    #[inline(always)]
    fn answer(&mut self, value: ValRaw) {
        self.values[0].write(value);
    }

    /// The guest's memory: the one that it exports as "memory", else the first exported one.
    fn find_memory(&mut self) -> Option<Memory> {
        Data::of(self.caller.data()).memory.or_else(|| match self.caller.get_export("memory") {
            // The guest is being created, and runs its start function.
            Some(EngineExtern::Memory(memory)) => Some(memory),
            _ => None,
        })
    }

    /// The bytes of that memory; none if there is no memory.
    fn memory(&mut self) -> &mut [u8] {
        match self.find_memory() {
            Some(memory) => memory.data_mut(&mut self.caller),
            None => &mut [],
        }
    }

    /// A piece of the guest's memory.
    fn piece(&mut self, address: u32, length: u32) -> Option<&mut [u8]> {
        self.memory().get_mut(address as usize..)?.get_mut(..length as usize)
    }

    /// Ends the guest's call.
    #[cold]
    fn end(&self, how: Ended) -> wasmtime::Result<()> {
        Data::of(self.caller.data()).core().ended.set(how);
        Err(Trap::UnreachableCodeReached.into())
    }
}

/// A stub that ends the guest's call, which its fault then explains.
unsafe fn stub(index: usize, ask: Ask<'_>) -> wasmtime::Result<()> {
    ask.end(Ended::Stub(index as u32))
}

/// The stub of a function that a libc ends on.
fn of_libc(import: &Extern) -> Option<Native> {
    match (is_wasi(&import.module), import.name.as_str(), import.ty.as_str()) {
        (true, "proc_exit", "(i32)->()") => {
            return Some(Native { form: exit, data: 0, speaks: false, reaches: Reaches::Library });
        }
        (false, "abort" | "_abort_js", "()->()") => {
            return Some(Native { form: abort, data: 0, speaks: false, reaches: Reaches::Library });
        }
        (_, _, ty) if !ty.ends_with("->(i32)") => return None,
        _ => {}
    }
    let number = match is_wasi(&import.module) {
        // Nothing is open, so a libc stops to print, and to look for files.
        true if import.name.starts_with("fd_") || import.name.starts_with("path_") => ERRNO_BADF,
        true => ERRNO_NOSYS,
        // A system call of Emscripten's returns a negative errno.
        false if import.name.starts_with("__syscall_") => ERRNO_NOSYS.wrapping_neg(),
        false => return None,
    };
    Some(Native { form: answer_number, data: number as usize, speaks: false, reaches: Reaches::Library })
}

/// The guest ends itself.
unsafe fn exit(_: usize, ask: Ask<'_>) -> wasmtime::Result<()> {
    ask.end(Ended::Exit(ask.u32(0) as i32))
}

unsafe fn abort(_: usize, ask: Ask<'_>) -> wasmtime::Result<()> {
    ask.end(Ended::Abort)
}

/// Always returns the same number.
unsafe fn answer_number(number: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
    ask.answer(ValRaw::u32(number as u32));
    Ok(())
}

const ERRNO_BADF: u32 = 8;
const ERRNO_NOSYS: u32 = 52;

/// The guests' own log, which is there without being asked for: `rtw_log(level, text, length)`.
fn log_of(import: &Extern) -> Option<Native> {
    unsafe fn log(_: usize, mut ask: Ask<'_>) -> wasmtime::Result<()> {
        let (level, address, length) = (ask.u32(0), ask.u32(1) as usize, ask.u32(2) as usize);
        let Some(memory) = ask.find_memory() else { return Ok(()) };
        let (bytes, data) = memory.data_and_store_mut(&mut ask.caller);
        let text = bytes.get(address..).and_then(|bytes| bytes.get(..length));
        if let (Some(text), Some(log)) = (text, Data::of(data).core().log.as_ref()) {
            // SAFETY: the guest calls on this thread.
            unsafe { log.write(level, text) };
        }
        Ok(())
    }
    let is_ours =
        matches!(import.module.as_str(), "env" | "rtwasm") && import.name == "rtw_log" && import.ty == "(i32,i32,i32)->()";
    is_ours.then_some(Native { form: log, data: 0, speaks: true, reaches: Reaches::Library })
}

/// WASI's preview 1, and the snapshot before it.
fn is_wasi(module: &str) -> bool {
    matches!(module, "wasi_snapshot_preview1" | "wasi_unstable")
}
