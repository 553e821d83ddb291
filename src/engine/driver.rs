//! Drives guests for audio and control: hands them a block's samples and events, and keeps the values of their parameters.
//!
//! A driver belongs to one thread. The instance that it drives may be another one in each block, as behind a slot: a new one is *bound*
//! first, which finds the places in its memory. `process`, `reset` and what they call are for real-time threads.

use std::cell::UnsafeCell;
use std::marker::PhantomPinned;
use std::num::NonZeroU64;
use std::sync::Arc;
use wasmtime::ValRaw;

use super::call;
use super::handle;
use super::instance::{Func, Instance, Turn};
use super::module::Module;
use super::own::{FuncNoun, OwnFunc};
use super::prepare::{self, DryCall, Ready, SETUP_BUDGET_NS};
use super::signature::Signature;
use super::slot::{Slot, guest_state};
use crate::artifact::guest::{Described, flag, kind};
use crate::status::*;

/// The custom section that describes a guest of the own interface, and the export that returns the address of the same text.
pub const SECTION: &str = "rtw_guest";
pub const DESCRIBE: &str = "rtw_describe";

/// The places of the functions in every interface.
pub const INIT: usize = 0;
pub const PROCESS: usize = 1;
const RESET: usize = 2;
/// Only a guest of the own interface has it.
const IO: usize = 3;

const OWN: [(&str, &str); 4] =
    [("rtw_init", "(f64,i32)->(i32)"), ("rtw_process", "(i32)->()"), ("rtw_reset", "()->()"), ("rtw_io", "()->(i32)")];
const FAUST: [(&str, &str); 3] =
    [("init", "(i32,i32)->()"), ("compute", "(i32,i32,i32,i32)->()"), ("instanceClear", "(i32)->()")];

/// The fewest events that a guest that takes any has room for.
const FEWEST_EVENTS: u32 = 16;
/// The first bytes of a saved state.
const STATE_MARK: &[u8] = b"rtwg\x01\0\0\0";
/// The words of what rtw_io returns the address of.
const IO_WORDS: usize = 8;

/// The functions that a guest of a kind exports, with their types.
pub fn interface(kind: u32) -> &'static [(&'static str, &'static str)] {
    if kind == kind::OWN { &OWN } else { &FAUST }
}

pub const EVENT_PARAM: u16 = 1;

/// An event, as guests and hosts have it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Event {
    pub frame: u32,
    pub kind: u16,
    /// The parameter, or the number of bytes.
    pub index: u16,
    /// A value's bits, or bytes.
    pub data: u64,
}

/// A block: the host's buffers, one pointer a channel, and its events in the order of their frames.
pub struct Block<'a> {
    pub inputs: *const *const f32,
    pub outputs: *const *mut f32,
    pub frames: u32,
    pub events: &'a [Event],
}

pub struct Driver {
    module: Arc<Module>,
    /// The functions of the instance that is driven; none behind a slot.
    funcs: Vec<OwnFunc>,
    rate: f64,
    state: UnsafeCell<State>,
}

// SAFETY: one thread at a time uses a driver, by the C API's rules.
unsafe impl Send for Driver {}
// SAFETY: as for Send.
unsafe impl Sync for Driver {}

struct State {
    kind: u32,
    takes_events: bool,
    budget_ns: Option<u64>,
    params: Vec<Param>,
    meters: Vec<Meter>,
    /// The parameters that the guest has not got yet.
    changed: std::ops::Range<usize>,
    latency: u32,
    max_frames: u32,
    bound: Bound,
    /// A host function of the guest may use the driver while a block runs: without this, the compiler assumes that nothing but the block
    /// changes a `&mut State`.
    _shared: PhantomPinned,
}

struct Param {
    place: u32,
    value: f64,
    min: f64,
    max: f64,
}

struct Meter {
    place: u32,
    value: f64,
}

/// Places in the memory of the bound instance.
struct Bound {
    /// The instance; null: none.
    instance: *const Instance,
    /// The end of all places.
    end: u64,
    /// The frames that one call takes.
    piece: u32,
    /// The buffers of inputs, then of outputs.
    channels: Vec<u32>,
    inputs: usize,
    /// Faust's lists of buffers, or the own interface's record.
    lists: [u32; 2],
    params: u32,
    meters: u32,
    events: u32,
    event_room: u32,
}

impl Driver {
    /// A driver for a module's guests. With an instance, this is the one that it drives; its guest is initialised.
    pub fn new(module: &Arc<Module>, instance: Option<Turn<'_>>, rate: f64, max_frames: u32) -> Result<Driver> {
        let guest = described(module)?;
        let count = guest.param_count();
        let params = (0..count).map(|index| {
            let ([_, place, ..], [min, max, default, _]) = guest.param(index);
            Param { place, value: default, min, max }
        });
        let meters = (count..count + guest.meter_count()).map(|index| Meter { place: guest.param(index).0[1], value: 0.0 });
        let (inputs, outputs) = guest.channels();
        let state = State {
            kind: guest.kind(),
            takes_events: guest.flags() & flag::EVENTS != 0,
            budget_ns: None,
            params: params.collect(),
            meters: meters.collect(),
            changed: 0..0,
            latency: guest.latency_frames(),
            max_frames,
            bound: Bound {
                instance: std::ptr::null(),
                end: 0,
                piece: 0,
                channels: vec![0; (inputs + outputs) as usize],
                inputs: inputs as usize,
                lists: [0; 2],
                params: 0,
                meters: 0,
                events: 0,
                event_room: 0,
            },
            _shared: PhantomPinned,
        };
        let mut made = Driver { module: module.clone(), funcs: Vec::new(), rate, state: UnsafeCell::new(state) };
        if let Some(instance) = instance {
            if !Arc::ptr_eq(&instance.module, module) {
                return Err(Error::new(RTW_ERR_ARGUMENT, "the instance is of another module"));
            }
            for (name, ty) in interface(guest.kind()) {
                made.funcs.push(OwnFunc::new(instance.func(name, Some(&Signature::parse(ty)?))?)?);
            }
            made.begin(instance)?;
        }
        Ok(made)
    }

    /// Returns an error if a slot has other functions than those that the module's guests are driven by.
    pub fn check_slot(module: &Module, slot: &Slot) -> Result<()> {
        let mut wanted = interface(described(module)?.kind()).iter().enumerate();
        match wanted.all(|(at, (name, _))| slot.func_name(at) == Some(name)) {
            true => Ok(()),
            false => Err(Error::new(RTW_ERR_ARGUMENT, "the slot has other functions than one of rtw_guest_slot_create")),
        }
    }

    /// The functions of the driven instance, in the order of the interface; empty behind a slot.
    pub fn handles(&self) -> &[*mut FuncNoun] {
        // SAFETY: an own handle is a pointer, and nothing else.
        unsafe { std::slice::from_raw_parts(self.funcs.as_ptr().cast(), self.funcs.len()) }
    }

    pub fn instance(&self) -> Option<&Arc<Instance>> {
        self.funcs.first().map(|func| &func.shared.instance)
    }

    #[allow(clippy::mut_from_ref)]
    fn state(&self) -> &mut State {
        // SAFETY: one thread at a time uses a driver, and no method keeps this.
        unsafe { &mut *self.state.get() }
    }

    /// Initialises the guest of the driven instance and binds it.
    fn begin(&self, instance: Turn<'_>) -> Result<()> {
        let runtime = &instance.module.runtime;
        let _visit = runtime.visit()?;
        let _ready = runtime.ready_for_traps(instance.module.profile())?;
        let given = init_values(self.state().kind, self.rate, self.state().max_frames);
        let mut values = given;
        let func = &*self.funcs[INIT];
        let _running = func.core().runs_in_setup();
        // SAFETY: both values are there; the caller has the instance.
        let call = || unsafe { call::invoke_apart(func, values.as_mut_ptr(), values.len(), None) };
        let failed =
            |status, what: &str| Error::new(status, format!("{what} of the guest ended with {}", crate::status::name(status)));
        match func.timing().with_at_least(SETUP_BUDGET_NS, call) {
            RTW_OK => {}
            status => return Err(failed(status, "the first call")),
        }
        if self.state().kind == kind::OWN {
            accepts(&given, &values)?;
        }
        // SAFETY: the caller has the instance, and these are its functions.
        match unsafe { self.state().bind(&self.module, instance, self.handles()) } {
            RTW_OK => Ok(()),
            RTW_ERR_BOUNDS => Err(Error::new(RTW_ERR_BOUNDS, "rtw_io of the guest names a place outside its memory, or NULL")),
            RTW_ERR_LIMIT => Err(Error::new(RTW_ERR_LIMIT, "the guest's memory has no room for buffers")),
            status => Err(failed(status, "rtw_io")),
        }
    }

    /// Makes the driven guest anew, after a fault: with the parameters as they are.
    pub fn renew(&self) -> Result<()> {
        let instance = self.instance().ok_or_else(behind_a_slot)?;
        // SAFETY: the caller has the instance.
        let turn = unsafe { instance.turn() };
        turn.reset()?;
        self.begin(turn)
    }

    /// Prepares the driven instance on this thread: dry calls with silence, then the guest's reset.
    pub fn prepare(&self, repeats: u32) -> Result<()> {
        let Some(instance) = self.instance() else { return Ok(()) };
        // SAFETY: the caller has the instance.
        let turn = unsafe { instance.turn() };
        if repeats == 0 {
            return turn.prepare(&[]).map(|_| ());
        }
        let state = self.state();
        let frames = state.bound.piece;
        let silence = Block { inputs: std::ptr::null(), outputs: std::ptr::null(), frames, events: &[] };
        let base = turn.memory_at(0, state.bound.end);
        if !base.is_null() {
            // SAFETY: the memory reaches to the end of all buffers.
            unsafe { state.copy_in(base, &silence, 0, frames) };
        }
        let values = process_values(state.kind, frames, state.bound.lists);
        let empty = [ValRaw::i32(0)];
        let calls = [
            Ready { func: self.funcs[PROCESS].as_ref(), values: &values, repeats, accepts: prepare::any },
            Ready { func: self.funcs[RESET].as_ref(), values: &empty, repeats: 1, accepts: prepare::any },
        ];
        turn.prepare(&calls)?;
        // Prepare makes all calls once, in their order, and then again those with repeats: the last ones compute blocks.
        // SAFETY: the caller has the instance, and these are its functions.
        match unsafe { self.reset(instance, self.handles(), false) } {
            RTW_OK => Ok(()),
            status => Err(Error::new(status, "the reset of the guest failed")),
        }
    }

    /// The dry calls of a slot's instances, which are initialised by them.
    pub fn dry_calls(kind: u32, rate: f64, max_frames: u32) -> Vec<DryCall<usize>> {
        // Each twice: prepare makes all calls once, in their order, and then again.
        let call = |func, values: &[ValRaw]| DryCall { func, values: values.into(), repeats: 2, accepts: prepare::any };
        let init = init_values(kind, rate, max_frames);
        let mut calls = vec![call(INIT, &init)];
        if kind == kind::OWN {
            calls[INIT].accepts = accepts;
            calls.push(call(PROCESS, &process_values(kind, max_frames, [0; 2])));
            calls.push(call(RESET, &[]));
        } else {
            // There are no buffers yet.
            calls.push(call(PROCESS, &process_values(kind, 0, [0; 2])));
        }
        calls
    }

    /// Sets a parameter for the next block.
    pub fn set(&self, index: usize, value: f64) -> rtw_status_t {
        self.state().set(index, value)
    }

    pub fn value(&self, index: usize) -> Option<f64> {
        self.state().params.get(index).map(|param| param.value)
    }

    pub fn meter(&self, index: usize) -> Option<f64> {
        self.state().meters.get(index).map(|meter| meter.value)
    }

    pub fn param_count(&self) -> usize {
        self.state().params.len()
    }

    pub fn latency(&self) -> u32 {
        self.state().latency
    }

    /// The next block finds the places in the instance's memory again.
    pub fn forget(&self) {
        self.state().bound.instance = std::ptr::null();
    }

    pub fn set_budget(&self, budget_ns: Option<u64>) {
        self.state().budget_ns = budget_ns;
    }

    /// Runs a block on an instance. `is_new`: it has not run a block of this driver's, whatever its address is. If the block fails, the
    /// rest of the outputs is silent.
    ///
    /// # Safety
    /// The thread has the instance; `funcs` are its functions in the order of the interface; the block's buffers are as it says.
    pub unsafe fn process(
        &self,
        instance: &Arc<Instance>,
        funcs: &[*mut FuncNoun],
        is_new: bool,
        block: &Block<'_>,
    ) -> rtw_status_t {
        let state = self.state();
        let mut done = 0;
        // SAFETY: passed on.
        let status = unsafe { state.process(&self.module, instance, funcs, is_new, block, &mut done) };
        if status != RTW_OK {
            // SAFETY: passed on.
            unsafe { self.silence(block, done) };
        }
        status
    }

    /// Makes the outputs silent from a frame on.
    ///
    /// # Safety
    /// The block's buffers are as it says.
    pub unsafe fn silence(&self, block: &Block<'_>, from: u32) {
        let bound = &self.state().bound;
        for channel in 0..bound.channels.len() - bound.inputs {
            // SAFETY: one pointer a channel, NULL or with room for the frames.
            unsafe {
                let to = channel_of(block.outputs.cast(), channel).cast_mut();
                if !to.is_null() {
                    to.add(from as usize).write_bytes(0, (block.frames - from) as usize);
                }
            }
        }
    }

    /// The state as bytes: a mark, the number of parameters and their values, and what the guest saves itself.
    pub fn save(&self, instance: Turn<'_>) -> Result<Vec<u8>> {
        let _visit = instance.module.runtime.visit()?;
        let own = guest_state::save(instance)?;
        let params = &self.state().params;
        let mut bytes = STATE_MARK.to_vec();
        bytes.extend((params.len() as u32).to_le_bytes());
        params.iter().for_each(|param| bytes.extend(param.value.to_le_bytes()));
        bytes.extend([u8::from(own.is_some())]);
        bytes.extend(own.unwrap_or_default());
        Ok(bytes)
    }

    pub fn load(&self, instance: Turn<'_>, bytes: &[u8]) -> Result<()> {
        let broken = || Error::new(RTW_ERR_STATE, "the bytes are no state of a guest with these parameters");
        let count = self.state().params.len();
        let rest = bytes.strip_prefix(STATE_MARK).ok_or_else(broken)?;
        let rest = rest.strip_prefix(&(count as u32).to_le_bytes()).ok_or_else(broken)?;
        let (values, own) = rest.split_at_checked(count * 8).ok_or_else(broken)?;
        match own.split_first() {
            Some((0, [])) => {}
            Some((1, own)) => {
                let _visit = instance.module.runtime.visit()?;
                guest_state::load(instance, own)?
            }
            _ => return Err(broken()),
        }
        for (index, value) in values.as_chunks::<8>().0.iter().enumerate() {
            self.set(index, f64::from_le_bytes(*value));
        }
        Ok(())
    }

    /// Calls the guest's reset. Parameters keep their values.
    ///
    /// # Safety
    /// As for [`Driver::process`].
    pub unsafe fn reset(&self, instance: &Arc<Instance>, funcs: &[*mut FuncNoun], is_new: bool) -> rtw_status_t {
        let state = self.state();
        // SAFETY: passed on.
        unsafe {
            match state.bound_to(&self.module, instance, funcs, is_new) {
                RTW_OK => state.call(funcs[RESET], &mut [ValRaw::i32(0)]),
                status => status,
            }
        }
    }
}

/// Returns an error if a sample rate or a number of frames is none.
pub fn check(rate: f64, max_frames: u32) -> Result<()> {
    if !(1.0..=1e9).contains(&rate) {
        return Err(Error::new(RTW_ERR_ARGUMENT, "sample_rate is no rate in Hz"));
    }
    if !(1..=1 << 20).contains(&max_frames) {
        return Err(Error::new(RTW_ERR_ARGUMENT, "max_frames is not 1 to 1048576"));
    }
    Ok(())
}

fn described(module: &Module) -> Result<&Described> {
    module.guest.as_ref().ok_or_else(|| Error::new(RTW_ERR_UNSUPPORTED, "the artifact does not describe its guest"))
}

pub fn behind_a_slot() -> Error {
    Error::new(RTW_ERR_UNSUPPORTED, "the guest is behind a slot, which replaces instances itself")
}

fn init_values(kind: u32, rate: f64, max_frames: u32) -> [ValRaw; 2] {
    match kind {
        kind::OWN => [ValRaw::f64(rate.to_bits()), ValRaw::u32(max_frames)],
        _ => [ValRaw::i32(0), ValRaw::i32(rate as i32)],
    }
}

/// Returns an error if rtw_init, which is given a rate and frames, has not returned 0.
fn accepts(given: &[ValRaw], results: &[ValRaw]) -> Result<()> {
    let (rate, frames, code) = (f64::from_bits(given[0].get_f64()) as u64, given[1].get_u32(), results[0].get_i32());
    if code == 0 {
        return Ok(());
    }
    let what = format!("the guest refuses {rate} Hz and {frames} frames: rtw_init returned {code}");
    Err(Error::new(RTW_ERR_ARGUMENT, what))
}

/// One value for the own interface, four for Faust's.
fn process_values(kind: u32, frames: u32, lists: [u32; 2]) -> [ValRaw; 4] {
    match kind {
        kind::OWN => [frames, 0, 0, 0],
        _ => [0, frames, lists[0], lists[1]],
    }
    .map(ValRaw::u32)
}

/// # Safety
/// `list` is NULL, or has a pointer for the channel.
unsafe fn channel_of(list: *const *const f32, channel: usize) -> *const f32 {
    // SAFETY: passed on.
    if list.is_null() { std::ptr::null() } else { unsafe { list.add(channel).read() } }
}

impl Param {
    /// Takes a new value, within the range. False for what is no number.
    #[inline(always)]
    fn take(&mut self, value: f64) -> bool {
        if value.is_nan() {
            return false;
        }
        self.value = value.max(self.min).min(self.max);
        true
    }
}

/// Words of the guest's memory; None if they are not inside, not aligned, or at address 0.
fn words(instance: Turn<'_>, address: u32, count: usize) -> Option<*mut u32> {
    let at = instance.memory_at(address.into(), count as u64 * 4).cast::<u32>();
    if address == 0 || !address.is_multiple_of(4) || at.is_null() { None } else { Some(at) }
}

impl State {
    fn set(&mut self, index: usize, value: f64) -> rtw_status_t {
        let Some(param) = self.params.get_mut(index) else { return RTW_ERR_BOUNDS };
        if !param.take(value) {
            return RTW_ERR_ARGUMENT;
        }
        self.change(index..index + 1);
        RTW_OK
    }

    fn change(&mut self, range: std::ops::Range<usize>) {
        self.changed = match self.changed.is_empty() {
            true => range,
            false => self.changed.start.min(range.start)..self.changed.end.max(range.end),
        };
    }

    /// Calls a function of the guest with the block's budget.
    unsafe fn call(&self, func: *mut FuncNoun, values: &mut [ValRaw]) -> rtw_status_t {
        // SAFETY: a live handle; there are as many values as it takes, and the thread has the instance.
        unsafe {
            let func: &Func = match handle::borrow(func) {
                Ok(func) => func,
                Err(status) => return status,
            };
            let timing = func.timing();
            let budget = match self.budget_ns {
                Some(ns) if timing.limited => Some(timing.ticks(NonZeroU64::new(ns))),
                _ => None,
            };
            call::invoke_apart(func, values.as_mut_ptr(), values.len(), budget)
        }
    }

    unsafe fn bound_to(
        &mut self,
        module: &Module,
        instance: &Arc<Instance>,
        funcs: &[*mut FuncNoun],
        is_new: bool,
    ) -> rtw_status_t {
        if !is_new && std::ptr::eq(self.bound.instance, Arc::as_ptr(instance)) {
            return RTW_OK;
        }
        // SAFETY: passed on.
        unsafe { self.bind(module, instance.turn(), funcs) }
    }

    /// Finds the places in an instance's memory; the guest gets all parameters with its next block.
    unsafe fn bind(&mut self, module: &Module, instance: Turn<'_>, funcs: &[*mut FuncNoun]) -> rtw_status_t {
        self.bound.instance = std::ptr::null();
        let (Some(ours), Some(guest)) = (&module.guest, &instance.module.guest) else { return RTW_ERR_UNSUPPORTED };
        let shape = |of: &Described| (of.kind(), of.flags() & flag::EVENTS, of.channels(), of.param_count(), of.meter_count());
        if shape(ours) != shape(guest) {
            return RTW_ERR_SIGNATURE;
        }
        // Another version may keep them elsewhere.
        for (index, param) in self.params.iter_mut().enumerate() {
            param.place = guest.param(index).0[1];
        }
        for (index, meter) in self.meters.iter_mut().enumerate() {
            meter.place = guest.param(self.params.len() + index).0[1];
        }
        let status = match self.kind {
            // SAFETY: passed on.
            kind::OWN => unsafe { self.bind_own(instance, funcs) },
            kind => self.bind_faust(instance, guest.struct_bytes(), if kind == kind::FAUST { 4 } else { 8 }),
        };
        if status == RTW_OK {
            self.bound.instance = Arc::as_ptr(instance.instance());
            self.changed = 0..self.params.len();
        }
        status
    }

    /// Asks the guest for its record: returns its address and its words.
    unsafe fn record(
        &mut self,
        instance: Turn<'_>,
        io: *mut FuncNoun,
    ) -> std::result::Result<(u32, [u32; IO_WORDS]), rtw_status_t> {
        let mut values = [ValRaw::i32(0)];
        // SAFETY: passed on.
        match unsafe { self.call(io, &mut values) } {
            RTW_OK => {}
            status => return Err(status),
        }
        let io = values[0].get_u32();
        let record = words(instance, io, IO_WORDS).ok_or(RTW_ERR_BOUNDS)?;
        // SAFETY: inside the memory, and aligned.
        Ok((io, unsafe { record.cast::<[u32; IO_WORDS]>().read() }.map(u32::from_le)))
    }

    unsafe fn bind_own(&mut self, instance: Turn<'_>, funcs: &[*mut FuncNoun]) -> rtw_status_t {
        // SAFETY: passed on.
        let (io, record) = match unsafe { self.record(instance, funcs[IO]) } {
            Ok(found) => found,
            Err(status) => return status,
        };
        let [inputs, outputs, params, meters, events, event_room, _, latency] = record;
        let bound = &mut self.bound;
        let mut end = u64::from(io) + 4 * IO_WORDS as u64;
        let mut reserve = |address: u32, bytes: u64| {
            let fits = address != 0 && address.is_multiple_of(4) && !instance.memory_at(address.into(), bytes).is_null();
            end = end.max(u64::from(address) + bytes);
            fits
        };
        let frames = u64::from(self.max_frames) * 4;
        let mut fits = true;
        for (list, from, count) in [(inputs, 0, bound.inputs), (outputs, bound.inputs, bound.channels.len() - bound.inputs)] {
            if count == 0 {
                continue;
            }
            let Some(list) = words(instance, list, count) else { return RTW_ERR_BOUNDS };
            for (at, channel) in bound.channels[from..from + count].iter_mut().enumerate() {
                // SAFETY: inside the memory, and aligned.
                *channel = u32::from_le(unsafe { list.add(at).read() });
                fits &= reserve(*channel, frames);
            }
        }
        let most = |places: &mut dyn Iterator<Item = u32>| places.max().map_or(0, |place| (u64::from(place) + 1) * 4);
        let param_bytes = most(&mut self.params.iter().map(|param| param.place));
        let meter_bytes = most(&mut self.meters.iter().map(|meter| meter.place));
        match self.takes_events {
            true => fits &= event_room >= FEWEST_EVENTS && reserve(events, u64::from(event_room) * size_of::<Event>() as u64),
            false => fits &= param_bytes == 0 || reserve(params, param_bytes),
        }
        fits &= meter_bytes == 0 || reserve(meters, meter_bytes);
        if !fits {
            return RTW_ERR_BOUNDS;
        }
        (bound.params, bound.meters, bound.events, bound.event_room) = (params, meters, events, event_room);
        (bound.end, bound.piece, bound.lists) = (end, self.max_frames, [io, 0]);
        self.latency = latency;
        RTW_OK
    }

    /// Lays Faust's lists of buffers and the buffers out behind its struct, in as much memory as there is.
    fn bind_faust(&mut self, instance: Turn<'_>, struct_bytes: u32, sample: u64) -> rtw_status_t {
        let bound = &mut self.bound;
        let count = bound.channels.len() as u64;
        let lists = u64::from(struct_bytes).next_multiple_of(16);
        let start = (lists + count * 4).next_multiple_of(16);
        let mut piece = self.max_frames;
        let bytes = |piece: u32| (u64::from(piece) * sample).next_multiple_of(16);
        while piece != 0 && instance.memory_at(0, start + count * bytes(piece)).is_null() {
            piece /= 2;
        }
        let list = instance.memory_at(lists, count * 4).cast::<u32>();
        if piece == 0 || list.is_null() {
            return RTW_ERR_LIMIT;
        }
        for (at, channel) in bound.channels.iter_mut().enumerate() {
            *channel = (start + at as u64 * bytes(piece)) as u32;
            // SAFETY: inside the memory, and aligned.
            unsafe { list.add(at).write(channel.to_le()) };
        }
        bound.lists = [lists as u32, lists as u32 + bound.inputs as u32 * 4];
        (bound.end, bound.piece) = (start + count * bytes(piece), piece);
        (bound.params, bound.meters) = (0, 0);
        let struct_end =
            |place: u32| u64::from(place) + sample <= u64::from(struct_bytes) && u64::from(place).is_multiple_of(4);
        let places = self.params.iter().map(|param| param.place).chain(self.meters.iter().map(|meter| meter.place));
        if places.into_iter().all(struct_end) { RTW_OK } else { RTW_ERR_BOUNDS }
    }

    unsafe fn process(
        &mut self,
        module: &Module,
        instance: &Arc<Instance>,
        funcs: &[*mut FuncNoun],
        is_new: bool,
        block: &Block<'_>,
        done: &mut u32,
    ) -> rtw_status_t {
        // SAFETY: passed on.
        match unsafe { self.bound_to(module, instance, funcs, is_new) } {
            RTW_OK => {}
            status => return status,
        }
        // SAFETY: passed on.
        let base = unsafe { instance.turn() }.memory_at(0, self.bound.end);
        if base.is_null() {
            return RTW_ERR_BOUNDS;
        }
        let mut events = block.events;
        loop {
            // SAFETY: all places are below the end; passed on.
            unsafe {
                let left = block.frames - *done;
                let piece = match self.takes_events {
                    true => self.hand_over(base, &mut events, *done, left),
                    false => self.apply(base, &mut events, *done, left),
                };
                let is_last = piece == left && events.is_empty() && (self.changed.is_empty() || !self.takes_events);
                self.copy_in(base, block, *done, piece);
                let mut values = process_values(self.kind, piece, self.bound.lists);
                match self.call(funcs[PROCESS], &mut values) {
                    RTW_OK => {}
                    status => return status,
                }
                self.copy_out(base, block, *done, piece);
                *done += piece;
                if is_last {
                    self.read_meters(base);
                    return RTW_OK;
                }
            }
        }
    }

    /// Applies the changes that are due to the parameters, and returns the frames until the next one.
    unsafe fn apply(&mut self, base: *mut u8, events: &mut &[Event], at: u32, left: u32) -> u32 {
        let mut piece = left.min(self.bound.piece);
        while let Some((event, rest)) = events.split_first() {
            if event.kind == EVENT_PARAM {
                let ahead = event.frame.saturating_sub(at);
                // One behind the block's end comes with its last piece, so that none is lost.
                if ahead > 0 && ahead < left {
                    piece = piece.min(ahead);
                    break;
                }
                self.set(event.index.into(), f64::from_bits(event.data));
            }
            *events = rest;
        }
        for param in &self.params[self.changed.clone()] {
            // SAFETY: below the end that was compared with the memory's size; aligned to 4 bytes.
            unsafe {
                match self.kind {
                    kind::OWN => {
                        base.add((self.bound.params + param.place * 4) as usize).cast::<f32>().write(param.value as f32)
                    }
                    kind::FAUST => base.add(param.place as usize).cast::<f32>().write(param.value as f32),
                    _ => base.add(param.place as usize).cast::<f64>().write_unaligned(param.value),
                }
            }
        }
        self.changed = 0..0;
        piece
    }

    /// Writes the events that are due into the guest's memory, and returns the frames of the piece that they belong to.
    unsafe fn hand_over(&mut self, base: *mut u8, events: &mut &[Event], at: u32, left: u32) -> u32 {
        let mut piece = left.min(self.bound.piece);
        let mut count = 0;
        // SAFETY: the buffer has room for as many events as it says, and is below the end.
        let to = unsafe { base.add(self.bound.events as usize) }.cast::<Event>();
        let mut write = |event: Event| {
            // SAFETY: as above.
            unsafe { to.add(count as usize).write_unaligned(event) };
            count += 1;
            count == self.bound.event_room
        };
        let mut full = false;
        while !full && !self.changed.is_empty() {
            let index = self.changed.start;
            self.changed.start += 1;
            let data = self.params[index].value.to_bits();
            full = write(Event { frame: 0, kind: EVENT_PARAM, index: index as u16, data });
        }
        if full && !self.changed.is_empty() {
            piece = 0;
        }
        while let Some((event, rest)) = events.split_first() {
            let ahead = event.frame.saturating_sub(at);
            if ahead >= piece && piece != left {
                break;
            }
            if full {
                piece = ahead.min(piece);
                break;
            }
            *events = rest;
            let mut event = Event { frame: ahead.min(piece.saturating_sub(1)), ..*event };
            if event.kind == EVENT_PARAM {
                let Some(param) = self.params.get_mut(usize::from(event.index)) else { continue };
                if !param.take(f64::from_bits(event.data)) {
                    continue;
                }
                event.data = param.value.to_bits();
            }
            full = write(event);
        }
        // SAFETY: the record is below the end.
        unsafe { base.add(self.bound.lists[0] as usize + 24).cast::<u32>().write(count.to_le()) };
        piece
    }

    /// Copies a piece of the inputs into the guest. A channel without a buffer is silent.
    unsafe fn copy_in(&self, base: *mut u8, block: &Block<'_>, at: u32, piece: u32) {
        let (at, piece) = (at as usize, piece as usize);
        for (channel, place) in self.bound.channels[..self.bound.inputs].iter().enumerate() {
            // SAFETY: the guest's buffer is below the end, and has room; the host's has the frames.
            unsafe {
                let to = base.add(*place as usize);
                let from = channel_of(block.inputs, channel);
                match (from.is_null(), self.kind) {
                    (true, kind::FAUST_DOUBLE) => to.write_bytes(0, piece * 8),
                    (true, _) => to.write_bytes(0, piece * 4),
                    (false, kind::FAUST_DOUBLE) => {
                        (0..piece).for_each(|n| to.cast::<f64>().add(n).write(from.add(at + n).read().into()))
                    }
                    (false, _) => to.cast::<f32>().copy_from_nonoverlapping(from.add(at), piece),
                }
            }
        }
    }

    /// Copies a piece of the outputs out of the guest.
    unsafe fn copy_out(&self, base: *mut u8, block: &Block<'_>, at: u32, piece: u32) {
        let (at, piece) = (at as usize, piece as usize);
        for (channel, place) in self.bound.channels[self.bound.inputs..].iter().enumerate() {
            // SAFETY: as for `copy_in`.
            unsafe {
                let from = base.add(*place as usize);
                let to = channel_of(block.outputs.cast(), channel).cast_mut();
                if to.is_null() {
                    continue;
                }
                match self.kind {
                    kind::FAUST_DOUBLE => {
                        (0..piece).for_each(|n| to.add(at + n).write(from.cast::<f64>().add(n).read() as f32))
                    }
                    _ => to.add(at).copy_from_nonoverlapping(from.cast(), piece),
                }
            }
        }
    }

    unsafe fn read_meters(&mut self, base: *mut u8) {
        for meter in &mut self.meters {
            // SAFETY: below the end; aligned to 4 bytes.
            meter.value = unsafe {
                match self.kind {
                    kind::OWN => base.add((self.bound.meters + meter.place * 4) as usize).cast::<f32>().read().into(),
                    kind::FAUST => base.add(meter.place as usize).cast::<f32>().read().into(),
                    _ => base.add(meter.place as usize).cast::<f64>().read_unaligned(),
                }
            };
        }
    }
}
