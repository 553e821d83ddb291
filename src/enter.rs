//! A call, from its first reading of the clock to its last. The engine's part of a call is compiled anew for each type that a store
//! holds. It is compiled here, for the one type that the library's stores hold and in one piece with the library's part, so that a call
//! is optimised for speed while the packages around it are optimised for size.
//!
//! The records that a call reads and writes are here as well: they lie in as few cache lines as they can.

use std::any::Any;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicUsize};

use rtwasm_base::record::histogram::Histogram;
use rtwasm_base::record::recorder::Recorder;
use rtwasm_base::rt::arena;
use rtwasm_base::rt::call_word::CallWord;
use rtwasm_base::rt::permit::Pass;
use rtwasm_base::status::{RTW_ERR_BUSY, RTW_OK, rtw_status_t};
use rtwasm_base::sys::{clock, fpu};
use wasmtime::{Error, Func, StoreContextMut, ValRaw};

/// The content of a store. The package above knows its type: see `engine::instance::Data`.
pub struct Content(pub Box<dyn Any>);

/// The gate's value during a call.
pub const GATE_IN_CALL: rtw_status_t = RTW_ERR_BUSY;

pub type Context = StoreContextMut<'static, Content>;

/// The part of an instance's core that every call touches: one cache line, and the beginning of the next.
#[repr(C)]
pub struct Hot {
    pub gate: AtomicI32,
    /// The thread's floating-point environment at the innermost running call, and the environment of the instance's calls.
    pub host_float: fpu::Host,
    pub float: fpu::Wanted,
    /// Lets in calls of threads that are attached, on stacks with room for the guest.
    pub pass: Pass,
    /// The stack pointer at the beginning of the current outermost call.
    pub entered_at: Cell<usize>,
    /// The thread of the current outermost call.
    pub caller: AtomicUsize,
    /// The view of the store. Host functions use it as well: the view that the engine passes to them is the same reference.
    pub context: Cell<Option<Context>>,
    /// The word in which the engine notes the address of a trap without a signal; null if no function is exported.
    pub exit_word: Cell<*const usize>,
    /// Leads to the calling thread's arena.
    pub arena: arena::Link,
    /// The gate's value after a call that succeeds: GATE_IN_CALL if the call's caller still has something to do before the gate opens.
    pub gate_after: Cell<rtw_status_t>,
    /// True in a call that is made inside another one.
    pub is_inner: Cell<bool>,
}

/// The bounds of an instance's calls.
#[repr(C)]
pub struct Bounds {
    /// The word that announces calls; null if none is cut off.
    pub word: Cell<*const CallWord>,
    /// The budget of calls without one of their own, in ticks.
    pub budget: Cell<u64>,
    /// The deadline, in ticks.
    pub deadline: u64,
    /// The number of the last announced call.
    pub number: Cell<u64>,
}

impl Bounds {
    /// Announces a call, if it can be cut off. Only stores.
    #[inline(always)]
    pub fn begin(&self, started: u64, budget: u64) {
        // SAFETY: null, or alive as long as the guest.
        if let Some(word) = unsafe { self.word.get().as_ref() } {
            self.announce(word, started, budget);
        }
    }

    #[inline(always)]
    fn announce(&self, word: &CallWord, started: u64, budget: u64) {
        let number = self.number.get() + 1;
        self.number.set(number);
        word.begin(number, started, budget);
    }
}

/// The beginning of an instance's core.
#[repr(C, align(64))]
pub struct Called {
    pub hot: Hot,
    pub bounds: Bounds,
}

const _: () = assert!(std::mem::offset_of!(Hot, arena) == 64 && size_of::<Called>() == 128);

impl Hot {
    /// The store, for the thread that has the instance now.
    ///
    /// # Safety
    /// One thread at a time, and the caller does not keep the view beyond its own call.
    #[inline(always)]
    pub unsafe fn context(&self) -> Context {
        // SAFETY: a view is one reference; the copy replaces the original until it is no longer used. It is set while the
        // instance lives.
        unsafe { (*self.context.as_ptr()).as_ref().map(|c| std::ptr::read(c)).unwrap_unchecked() }
    }
}

/// The part of a func that every call touches. It has no cache line of its own: aligned memory takes the heap longer to find.
#[repr(C)]
pub struct Callee {
    /// Replaced by a reset, which has exclusive use.
    pub func: Cell<Func>,
    pub value_count: usize,
    /// None if the runtime's statistics are off.
    pub recorder: Option<Recorder>,
}

/// A call that could be late, for [`Ends::late`].
pub struct Took<'a> {
    pub histogram: &'a Histogram,
    pub ticks: u64,
    pub budget: u64,
    pub ended_well: bool,
}

/// The ends of a call that are not the ordinary one.
pub struct Ends {
    /// The call took longer than its budget or its deadline.
    pub late: unsafe fn(*const Called, Took<'_>),
    /// The engine ended the call. Returns the call's status.
    pub fault: unsafe fn(*const Called, *const Callee, Error, NonNull<ValRaw>) -> rtw_status_t,
    /// The library or the engine panicked. Returns the call's status.
    pub panicked: unsafe fn(*const Called, Box<dyn Any + Send>) -> rtw_status_t,
}

/// Runs a function of a guest, in the thread's floating-point environment as it is: `values` holds the arguments and receives the results,
/// without conversion. Announces the call, records its time, and leaves the gate as `gate_after` says. Meanwhile `watched` leads to the
/// word in which the engine notes where a trap was.
///
/// This is the only place that enters guests by their funcs: the engine's part becomes one piece with it.
///
/// # Safety
/// `called` is at the start of an instance's core, whose gate the caller has closed, and `callee` is a func of that instance. There is room
/// for the func's values. `watched` belongs to the calling thread.
#[inline(never)]
pub unsafe fn call(
    callee: *const Callee,
    values: NonNull<ValRaw>,
    called: *const Called,
    watched: *const Cell<*const usize>,
    ends: &'static Ends,
) -> rtw_status_t {
    // SAFETY: as the caller promises.
    let (Called { hot, bounds }, func, watched) = unsafe { (&*called, &*callee, &*watched) };
    // SAFETY: null, or alive as long as the guest. A call from a host function runs under the outer call's budget, which the watchdog
    // already knows.
    let announced = || unsafe { bounds.word.get().as_ref() }.filter(|_| !hot.is_inner.get());
    let mut started = MaybeUninit::uninit();
    if !bounds.word.get().is_null() || func.recorder.is_some() {
        let now = started.write(clock::ticks());
        if let Some(word) = announced() {
            bounds.announce(word, *now, bounds.budget.get());
        }
    }
    let before = watched.replace(hot.exit_word.get());
    // SAFETY: the gate was open, so no other call uses the store; there are as many values as the type has.
    let ended = catch_unwind(AssertUnwindSafe(|| unsafe {
        let values = std::ptr::slice_from_raw_parts_mut(values.as_ptr(), func.value_count);
        func.func.get().call_unchecked(hot.context(), values)
    }));
    watched.set(before);
    // Looks again: the registers were the guest's.
    if let Some(word) = announced() {
        word.end();
    }
    if let Some(recorder) = &func.recorder {
        // SAFETY: a func that has a recorder had it at the beginning.
        let ticks = clock::ticks().wrapping_sub(unsafe { started.assume_init() });
        let (histogram, budget) = (recorder.active(), bounds.budget.get());
        histogram.record(ticks);
        if ticks > bounds.deadline.min(budget) {
            // SAFETY: passed on.
            unsafe { (ends.late)(called, Took { histogram, ticks, budget, ended_well: matches!(ended, Ok(Ok(()))) }) };
        }
    }
    match ended {
        Ok(Ok(())) => {
            hot.gate.store(hot.gate_after.get(), Relaxed);
            RTW_OK
        }
        // SAFETY: passed on.
        Ok(Err(error)) => unsafe { (ends.fault)(called, callee, error, values) },
        // SAFETY: passed on.
        Err(panic) => unsafe { (ends.panicked)(called, panic) },
    }
}
