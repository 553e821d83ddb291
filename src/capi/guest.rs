//! Guests for audio and control: what they are, and one loader for all of them.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::error::rtw_error_t;
use super::guard::{self, bare, setup_apart, status_of};
use super::handle::{self, Noun, Pool};
use super::instance::{rtw_func_t, rtw_instance_t};
use super::module::{Loaded, rtw_module_t};
use super::slot::config::{self, rtw_slot_config_t};
use super::slot::{RTW_BLOCK_NEW, RTW_BLOCK_SPARE, rtw_block_t, rtw_slot_begin, rtw_slot_end, rtw_slot_t};
use crate::artifact::guest::{Described, flag, kind, param_flag};
use crate::engine::driver::{self, Block, Driver, Event, PROCESS};
use crate::engine::instance::Instance;
use crate::engine::own::FuncNoun;
use crate::engine::signature::Signature;
use crate::engine::slot::Slot;
use crate::rt::{locked_heap, unwind};
use crate::status::*;

/// A guest for audio or control that a host drives: an instance, or what is behind a slot, with the values of its parameters. One
/// thread at a time uses it.
pub struct rtw_guest_t {
    _private: [u8; 0],
}

/// The guest has the interface of <rtw_guest.h>.
pub const RTW_GUEST_OWN: u32 = 1;
/// The guest is a program of Faust (`faust -lang wasm`).
pub const RTW_GUEST_FAUST: u32 = 2;
/// The guest is a program of Faust in double precision (`-double`). Its buffers at this boundary are floats, as all guests'.
pub const RTW_GUEST_FAUST_DOUBLE: u32 = 3;

/// The guest keeps nothing between blocks but its parameters.
pub const RTW_GUEST_STATELESS: u32 = 1;
/// The guest takes events itself, each with its frame. For other guests the library divides a block at each change of a
/// parameter, and leaves MIDI out.
pub const RTW_GUEST_EVENTS: u32 = 2;
/// The guest uses MIDI. A program of Faust names the controllers in the metadata of its parameters, which the host maps.
pub const RTW_GUEST_MIDI: u32 = 4;
/// The guest saves and loads a state of its own, beside its parameters.
pub const RTW_GUEST_STATE: u32 = 8;

/// Flag of a parameter: whole numbers only.
pub const RTW_PARAM_INTEGER: u32 = 1;
/// Flag of a parameter: a switch; min is off, max is on.
pub const RTW_PARAM_TOGGLE: u32 = 2;
/// Flag of a parameter: a switch that is on while it is held.
pub const RTW_PARAM_TRIGGER: u32 = 4;
/// Flag of a parameter: a control moves along the logarithm of the value.
pub const RTW_PARAM_LOGARITHMIC: u32 = 8;
/// Flag of a parameter: do not automate it, since each change may be heard.
pub const RTW_PARAM_NOT_AUTOMATABLE: u32 = 16;
/// Flag of a parameter: do not show it to users.
pub const RTW_PARAM_HIDDEN: u32 = 32;

/// A change of a parameter.
pub const RTW_EVENT_PARAM: u16 = 1;
/// A MIDI message of up to 8 bytes.
pub const RTW_EVENT_MIDI: u16 = 2;

/// The functions of a guest by their places in the slot that rtw_guest_slot_create creates: the one that initialises it.
pub const RTW_GUEST_FUNC_INIT: u32 = 0;
/// As RTW_GUEST_FUNC_INIT: the one that computes a block. rtw_slot_func_stats has its times.
pub const RTW_GUEST_FUNC_PROCESS: u32 = 1;

/// Facts about a module's guests, from its artifact. Call rtw_guest_info_init first. Its strings live as long as the module's
/// handle.
#[repr(C)]
pub struct rtw_guest_info_t {
    /// sizeof(rtw_guest_info_t), set by rtw_guest_info_init.
    pub struct_size: u32,
    /// RTW_GUEST_OWN, RTW_GUEST_FAUST or RTW_GUEST_FAUST_DOUBLE: how the library drives it.
    pub kind: u32,
    /// The sum of RTW_GUEST_STATELESS, RTW_GUEST_EVENTS, RTW_GUEST_MIDI and RTW_GUEST_STATE.
    pub flags: u32,
    /// Number of channels of all inputs together.
    pub input_count: u32,
    /// Number of channels of all outputs together.
    pub output_count: u32,
    /// Number of ports: inputs and outputs, each with one or more channels.
    pub port_count: u32,
    /// Number of parameters.
    pub param_count: u32,
    /// Number of meters: values that the guest shows.
    pub meter_count: u32,
    /// Delay of the outputs in frames, as the module states it; rtw_guest_latency returns the one at the guest's sample rate.
    pub latency_frames: u32,
    /// Number of voices that the guest asks for (Faust's nvoices); 0: none.
    pub voice_count: u32,
    /// Its name.
    pub name: *const c_char,
    /// Other facts, each a line "key=value", such as the author and the licence; "" if there are none.
    pub meta: *const c_char,
}

/// A port of a guest. Its layout is final.
#[repr(C)]
pub struct rtw_guest_port_t {
    /// 1: an output. 0: an input.
    pub is_output: u32,
    /// Number of channels.
    pub channel_count: u32,
    /// Its name; "" if it has none.
    pub name: *const c_char,
}

/// A parameter or a meter of a guest. Call rtw_guest_param_init first. Its strings live as long as the module's handle.
#[repr(C)]
pub struct rtw_guest_param_t {
    /// sizeof(rtw_guest_param_t), set by rtw_guest_param_init.
    pub struct_size: u32,
    /// The sum of RTW_PARAM_ flags.
    pub flags: u32,
    /// Identifies the parameter in what hosts store, also in later versions of the module: "room"; Faust's address, such as
    /// "/freeverb/room".
    pub id: *const c_char,
    /// Name for users.
    pub name: *const c_char,
    /// Unit, such as "dB"; "" if there is none.
    pub unit: *const c_char,
    /// The group that it belongs to, levels separated by slashes; "" if there is none.
    pub group: *const c_char,
    /// Names of the values min, min + 1, ..., each a line; "" if they have none.
    pub labels: *const c_char,
    /// Other facts, each a line "key=value", such as Faust's "midi=ctrl 7"; "" if there are none.
    pub meta: *const c_char,
    /// Least value.
    pub min_value: f64,
    /// Greatest value.
    pub max_value: f64,
    /// Value at the start.
    pub default_value: f64,
    /// Step between values; 0: any.
    pub step: f64,
}

/// The value or the bytes of an event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union rtw_event_data_t {
    /// RTW_EVENT_PARAM: the new value.
    pub value: f64,
    /// RTW_EVENT_MIDI: the message, such as 0x90, key, velocity.
    pub midi: [u8; 8],
}

/// An event at a frame of a block. Its layout is final; guests see the same 16 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rtw_event_t {
    /// Frame at which it happens, from the block's beginning.
    pub frame: u32,
    /// RTW_EVENT_PARAM or RTW_EVENT_MIDI. Guests ignore others.
    pub kind: u16,
    /// RTW_EVENT_PARAM: index of the parameter. RTW_EVENT_MIDI: number of bytes, 1 to 8.
    pub index: u16,
    /// Its value or its bytes.
    pub data: rtw_event_data_t,
}

/// Configuration of a guest. Call rtw_guest_config_init first.
#[repr(C)]
pub struct rtw_guest_config_t {
    /// sizeof(rtw_guest_config_t), set by rtw_guest_config_init.
    pub struct_size: u32,
    /// Most frames that the guest gets in one call, 1 to 1048576; 0 (default): 1024. Longer blocks run in several calls.
    pub max_frames: u32,
    /// Sample rate in Hz; 0 (default): 48000.
    pub sample_rate: f64,
}

const _: () = {
    assert!(RTW_GUEST_OWN == kind::OWN && RTW_GUEST_FAUST == kind::FAUST && RTW_GUEST_FAUST_DOUBLE == kind::FAUST_DOUBLE);
    assert!(RTW_GUEST_STATELESS == flag::STATELESS && RTW_GUEST_EVENTS == flag::EVENTS);
    assert!(RTW_GUEST_MIDI == flag::MIDI && RTW_GUEST_STATE == flag::STATE);
    assert!(RTW_PARAM_INTEGER == param_flag::INTEGER && RTW_PARAM_TOGGLE == param_flag::TOGGLE);
    assert!(RTW_PARAM_TRIGGER == param_flag::TRIGGER && RTW_PARAM_LOGARITHMIC == param_flag::LOGARITHMIC);
    assert!(RTW_PARAM_NOT_AUTOMATABLE == param_flag::NOT_AUTOMATABLE && RTW_PARAM_HIDDEN == param_flag::HIDDEN);
    assert!(RTW_EVENT_PARAM == driver::EVENT_PARAM && RTW_GUEST_FUNC_PROCESS == PROCESS as u32);
    assert!(size_of::<rtw_event_t>() == size_of::<Event>() && align_of::<rtw_event_t>() == align_of::<Event>());
};

/// A driver, and the slot of its instances; NULL without one.
pub struct Driven {
    driver: Driver,
    slot: *mut rtw_slot_t,
}

// SAFETY: the slot's handle is checked at each use.
unsafe impl Send for Driven {}
// SAFETY: as for Send.
unsafe impl Sync for Driven {}

impl Noun for rtw_guest_t {
    type Value = Driven;
    const MAGIC: u64 = 0x0000_7473_6575_670e;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_guest_info_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_guest_param_t {}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_guest_config_t {
    fn set_defaults(&mut self) {
        (self.max_frames, self.sample_rate) = (1024, 48000.0);
    }
}

/// Initialises a guest's info struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_guest_info_t) in the caller's header; rtw_guest_info_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_guest_info_init_sized(info: *mut rtw_guest_info_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(info, struct_size) };
}

/// Initialises a parameter's struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_guest_param_t) in the caller's header; rtw_guest_param_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_guest_param_init_sized(param: *mut rtw_guest_param_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(param, struct_size) };
}

/// Sets a guest's configuration to its defaults: 48000 Hz, 1024 frames. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_guest_config_t) in the caller's header; rtw_guest_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_guest_config_init_sized(config: *mut rtw_guest_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Describes a module's guests: name, channels, numbers of ports, parameters and meters.
///
/// [any]
/// out  filled on success; call rtw_guest_info_init first.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_UNSUPPORTED (the artifact does not describe its guest:
///         the module has no description, and is no program of Faust).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_guest_info(module: *const rtw_module_t, out: *mut rtw_guest_info_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    status_of(unsafe {
        guest_of(module).and_then(|guest| {
            guard::output_struct(out)?.fill(|info| {
                (info.kind, info.flags) = (guest.kind(), guest.flags());
                (info.input_count, info.output_count) = guest.channels();
                info.port_count = guest.port_count() as u32;
                info.param_count = guest.param_count() as u32;
                info.meter_count = guest.meter_count() as u32;
                (info.latency_frames, info.voice_count) = (guest.latency_frames(), guest.voices());
                let (name, meta) = guest.names();
                (info.name, info.meta) = (guest.text_from(name).cast(), guest.text_from(meta).cast());
            });
            Ok(())
        })
    })
}

/// Describes a port of a module's guests. Their channels follow each other in the order of the ports: the inputs' in the inputs
/// of rtw_guest_process, the outputs' in the outputs.
///
/// [any]
/// index  0 to port_count - 1.
/// out    receives the port; its name lives as long as the module's handle.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_UNSUPPORTED (see rtw_guest_info), RTW_ERR_BOUNDS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_guest_port(module: *const rtw_module_t, index: u32, out: *mut rtw_guest_port_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    status_of(unsafe {
        guest_of(module).and_then(|guest| match index as usize {
            _ if out.is_null() => Err(RTW_ERR_NULL),
            index if index >= guest.port_count() => Err(RTW_ERR_BOUNDS),
            index => {
                let [is_output, channel_count, name] = guest.port(index);
                out.write(rtw_guest_port_t { is_output, channel_count, name: guest.text_from(name).cast() });
                Ok(())
            }
        })
    })
}

/// Describes a parameter of a module's guests.
///
/// [any]
/// index  0 to param_count - 1.
/// out    filled on success; call rtw_guest_param_init first.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_UNSUPPORTED (see rtw_guest_info), RTW_ERR_BOUNDS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_guest_param(module: *const rtw_module_t, index: u32, out: *mut rtw_guest_param_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    status_of(unsafe { guest_of(module).and_then(|guest| describe(guest, 0, guest.param_count(), index, out)) })
}

/// Describes a meter of a module's guests: a value that the guest shows, such as a level. Its default and its step are 0.
///
/// [any]
/// index  0 to meter_count - 1.
/// out    filled on success; call rtw_guest_param_init first.
/// errors: as rtw_guest_param.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_guest_meter(module: *const rtw_module_t, index: u32, out: *mut rtw_guest_param_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    status_of(unsafe {
        guest_of(module).and_then(|guest| describe(guest, guest.param_count(), guest.meter_count(), index, out))
    })
}

/// Creates a slot for a module's guests: its functions are those that the library drives guests by, and its dry calls initialise each
/// instance that comes into the slot, published ones and spares. Instances of other modules of the same kind can be published
/// as well, if they have as many channels, parameters and meters.
///
/// [setup]
/// module       describes its guests.
/// config       sample rate and frames of all guests; NULL for the defaults.
/// slot_config  NULL, or what else the slot is to do; its funcs and dry calls must be 0.
/// out          receives the slot, to be destroyed with rtw_slot_destroy; NULL on failure.
/// err          NULL, or filled.
/// errors: those of rtw_slot_create; RTW_ERR_UNSUPPORTED (see rtw_guest_info).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_slot_create(
    module: *const rtw_module_t,
    config: *const rtw_guest_config_t,
    slot_config: *const rtw_slot_config_t,
    out: *mut *mut rtw_slot_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let module = &guard::named(module, "module")?.module;
            let config = guest_config(config)?;
            let guest = module.guest.as_ref().ok_or_else(|| bare(RTW_ERR_UNSUPPORTED, "the guest's description"))?;
            let slot_config = guard::optional_struct(slot_config, "slot_config")?;
            let mut wanted = config::read_around(slot_config.as_ref())?;
            for (name, ty) in driver::interface(guest.kind()) {
                wanted.interface.push(((*name).to_owned(), Some(Signature::parse(ty)?)));
            }
            wanted.dry_calls = Driver::dry_calls(guest.kind(), config.sample_rate, config.max_frames);
            *out = handle::create(Slot::new(&module.runtime, wanted)?)?;
            Ok(())
        })
    }
}

/// Creates a guest that the library drives: an instance, whose guest this function initialises for a sample rate and a largest
/// block, or a slot of rtw_guest_slot_create.
///
/// [setup]  On the thread that uses the instance, not while it is in a call; before or after rtw_thread_attach.
/// module    describes the guest.
/// instance  an instance of the module, or NULL. The guest keeps it alive.
/// slot      if instance is NULL, a slot of rtw_guest_slot_create, which has to outlive the guest. While the guest exists, do not call
///           rtw_slot_begin or rtw_slot_invoke on this slot.
/// config    NULL for the defaults; for a slot the one that the slot was created with.
/// out       receives the guest, to be destroyed with rtw_guest_destroy; NULL on failure.
/// err       NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (the instance is of another module, there is a slot
///         as well, the slot has other functions than a guest, a field is out of range, or the guest refuses the rate or the
///         frames), RTW_ERR_UNSUPPORTED (see rtw_guest_info), RTW_ERR_BOUNDS (the guest names buffers outside its memory),
///         RTW_ERR_LIMIT (its memory has no room for buffers), RTW_ERR_BUSY, RTW_ERR_SIGNALS, RTW_ERR_STACK_SIZE; and the status
///         of a call that failed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_create(
    module: *const rtw_module_t,
    instance: *mut rtw_instance_t,
    slot: *mut rtw_slot_t,
    config: *const rtw_guest_config_t,
    out: *mut *mut rtw_guest_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let module = &guard::named(module, "module")?.module;
            let config = guest_config(config)?;
            let turn = match (instance.is_null(), slot.is_null()) {
                (false, true) => Some(guard::named(instance, "instance")?.turn()),
                (true, false) => Driver::check_slot(module, guard::named(slot, "slot")?).map(|()| None)?,
                (true, true) => return Err(bare(RTW_ERR_NULL, "instance and slot")),
                (false, false) => return Err(Error::new(RTW_ERR_ARGUMENT, "give an instance or a slot, not both")),
            };
            // A block touches it.
            let (made, kept) = locked_heap::keep(module.runtime.config.lock, || {
                let driver = Driver::new(module, turn, config.sample_rate, config.max_frames)?;
                handle::create::<rtw_guest_t>(Driven { driver, slot })
            });
            *out = made?;
            if let Some(turn) = turn {
                turn.count_kept(kept);
            }
            Ok(())
        })
    }
}

/// Destroys a guest. Its instance or slot stays. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_destroy(guest: *mut rtw_guest_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(guest) });
}

/// Prepares a guest's instance for real-time calls as rtw_instance_prepare does, with dry calls that compute blocks of silence, and
/// resets the guest afterwards. Behind a slot it does nothing: the slot prepares each instance.
///
/// [setup]  On the thread that will call, after rtw_thread_attach and before its deadlines matter.
/// repeats  number of dry calls, 0 to 1,000,000.
/// err      NULL, or filled.
/// errors: those of rtw_instance_prepare.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_prepare(
    guest: *mut rtw_guest_t,
    repeats: u32,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let guest = guard::named(guest, "guest")?;
            if repeats > 1_000_000 {
                return Err(Error::new(RTW_ERR_ARGUMENT, "repeats is more than 1000000"));
            }
            guest.driver.prepare(repeats)
        })
    }
}

/// Makes a guest anew after a fault: resets its instance, initialises the new guest, and gives it the parameters as they are.
/// If the host resets the instance of a guest by itself, the guest must be destroyed and created again.
///
/// [setup]  On the thread that uses the guest, not while it is in a call.
/// err  NULL, or filled.
/// errors: those of rtw_instance_reset and rtw_guest_create; RTW_ERR_UNSUPPORTED (it is behind a slot, which replaces instances
///         by itself).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_renew(guest: *mut rtw_guest_t, err: *mut rtw_error_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { setup_apart(err, || guard::named(guest, "guest")?.driver.renew()) }
}

/// Returns the function of a guest's instance that computes a block, for its statistics (rtw_func_stats); NULL behind a slot
/// (rtw_slot_func_stats with RTW_GUEST_FUNC_PROCESS) and for an invalid handle. It belongs to the guest.
///
/// [setup]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_func(guest: *const rtw_guest_t) -> *mut rtw_func_t {
    // SAFETY: a handle by the API's contract.
    let func = unsafe { handle::borrow(guest) }.ok().and_then(|guest| guest.driver.handles().get(PROCESS));
    func.map_or(std::ptr::null_mut(), |func| func.cast())
}

/// Computes a block: hands the guest its inputs and its events, calls it, and copies its outputs.
///
/// [rt & attached & prepared]  On the thread that uses the guest.
/// Use it for each block of audio, or each cycle of a controller (frames = 1).
/// inputs       a buffer of floats for each input channel, in the order of the ports; a NULL among them is silence. NULL: all are.
/// outputs      a buffer for each output channel; a NULL among them is left out. May be the inputs' buffers. NULL: all are left out.
/// frames       number of frames, from 0. More than max_frames run in several calls of the guest.
/// events       event_count events in the order of their frames; NULL if there are none. A guest without RTW_GUEST_EVENTS is called for
///              the frames up to each change of a parameter. Events behind the block's end come at its end. The values of changes
///              are limited to the parameter's range; NaN, an unknown parameter or an unknown kind is left out.
/// event_count  number of events.
/// returns  RTW_OK; or the statuses of rtw_invoke, and behind a slot those of rtw_slot_begin: the outputs are then silent from
///          the frame on at which the call failed. RTW_ERR_SIGNATURE (the instance behind the slot has other channels, parameters or
///          meters), RTW_ERR_BOUNDS (the instance's memory is smaller than it was, or it names buffers outside),
///          RTW_ERR_LIMIT (no room for buffers).
/// real time: allocates 0, locks 0, system calls 0, page faults 0 once attached and prepared; as rtw_invoke for each call of the
///            guest, and behind a slot as rtw_slot_begin. The first block on a new instance behind a slot calls the guest once more.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_process(
    guest: *mut rtw_guest_t,
    inputs: *const *const f32,
    outputs: *const *mut f32,
    frames: u32,
    events: *const rtw_event_t,
    event_count: usize,
) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    let guest = match unsafe { handle::borrow(guest) } {
        Ok(_) if event_count != 0 && events.is_null() => return RTW_ERR_NULL,
        Ok(guest) => guest,
        Err(status) => return status,
    };
    let events: &[Event] = match event_count {
        0 => &[],
        // SAFETY: as many as the caller says; both types are the same 16 bytes.
        count => unsafe { std::slice::from_raw_parts(events.cast(), count) },
    };
    let block = Block { inputs, outputs, frames, events };
    // SAFETY: the thread has the guest, and the buffers are as the caller says, by the API's contract.
    unsafe {
        match on_instance(guest, &mut |instance, funcs, is_new| guest.driver.process(instance, funcs, is_new, &block)) {
            Ok(status) => status,
            Err(status) => {
                guest.driver.silence(&block, 0);
                status
            }
        }
    }
}

/// Sets a parameter for the next block, from its first frame on.
///
/// [rt]  On the thread that uses the guest.
/// Use it for changes that need no frame of their own. Behind a slot, instances that take over get the value as well.
/// index  of the parameter, 0 to param_count - 1.
/// value  limited to the parameter's range.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BOUNDS (there is no such parameter), RTW_ERR_ARGUMENT (the value is NaN).
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_set(guest: *mut rtw_guest_t, index: u32, value: f64) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    match unsafe { handle::borrow(guest) } {
        Ok(guest) => guest.driver.set(index as usize, value),
        Err(status) => status,
    }
}

/// Reads the value that the host has set last: by rtw_guest_set or by an event that has been handed over; else the default.
///
/// [rt]  On the thread that uses the guest.
/// Use it to show or store a parameter.
/// out  receives the value.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BOUNDS.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_get(guest: *const rtw_guest_t, index: u32, out: *mut f64) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { read(guest, out, |driver| driver.value(index as usize)) }
}

/// Reads a meter as it was after the last block; 0 before the first.
///
/// [rt]  On the thread that uses the guest.
/// Use it after rtw_guest_process, to show levels.
/// out  receives the value.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_BOUNDS.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_read_meter(guest: *const rtw_guest_t, index: u32, out: *mut f64) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe { read(guest, out, |driver| driver.meter(index as usize)) }
}

/// Returns the delay of the outputs in frames, at the guest's sample rate; behind a slot that of the instance that ran last. 0
/// for an invalid handle.
///
/// [rt]  On the thread that uses the guest.
/// Use it to report the latency to the DAW, once after rtw_guest_create and whenever the instance behind the slot has changed.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_latency(guest: *const rtw_guest_t) -> u32 {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(guest) }.map_or(0, |guest| guest.driver.latency())
}

/// Sets the budget of each following call of the guest, instead of the instance's.
///
/// [rt]  On the thread that uses the guest.
/// Use it to suspend budgets while the host renders faster or slower than real time.
/// budget_ns  longest time of one call, in ns; 0: no limit; UINT64_MAX: the instance's own again. No effect on instances that were
///            created without a budget.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_set_budget(guest: *mut rtw_guest_t, budget_ns: u64) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    status_of(unsafe { handle::borrow(guest) }.map(|guest| {
        guest.driver.set_budget((budget_ns != u64::MAX).then_some(budget_ns.min(crate::engine::budget::LONGEST_NS)))
    }))
}

/// Clears a guest's past to silence, by its own function. Parameters keep their values.
///
/// [rt & attached & prepared]  On the thread that uses the guest.
/// Use it when a sound starts anew. The run time depends on the guest and can exceed a block, such as clearing a long delay. Do not call
/// it between two real-time blocks.
/// returns  as rtw_guest_process.
/// real time: as rtw_guest_process.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_reset(guest: *mut rtw_guest_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract; the thread has the guest.
    unsafe {
        match handle::borrow(guest) {
            Ok(guest) => on_instance(guest, &mut |instance, funcs, is_new| guest.driver.reset(instance, funcs, is_new))
                .unwrap_or_else(|status| status),
            Err(status) => status,
        }
    }
}

/// Saves a guest's parameters, and its own state if it has one (RTW_GUEST_STATE), as bytes that rtw_guest_load_state takes, also in
/// another process. Call it with length 0 to learn the size.
///
/// [setup]  On the thread that uses the guest, between two blocks; behind a slot this thread is attached.
/// bytes   receives the state; may be NULL if length is 0.
/// length  bytes that there is room for.
/// needed  receives the size of the state, on RTW_OK and on RTW_ERR_LIMIT.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_LIMIT (the state is larger), RTW_ERR_STATE (the guest's function failed), and
///         those of rtw_slot_begin.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_save_state(
    guest: *mut rtw_guest_t,
    bytes: *mut c_void,
    length: usize,
    needed: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let guest = guard::named(guest, "guest")?;
            if needed.is_null() || bytes.is_null() && length != 0 {
                return Err(bare(RTW_ERR_NULL, "needed or bytes"));
            }
            let state = aside(guest, &mut |instance| guest.driver.save(instance.turn()))?;
            needed.write(state.len());
            if state.len() > length {
                return Err(Error::new(RTW_ERR_LIMIT, "the state is larger"));
            }
            bytes.cast::<u8>().copy_from_nonoverlapping(state.as_ptr(), state.len());
            Ok(())
        })
    }
}

/// Loads what rtw_guest_save_state has saved: the parameters, and the guest's own state.
///
/// [setup]  As rtw_guest_save_state.
/// bytes   the state, `length` bytes; read only during the call.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STATE (the bytes are no state of such a guest, or the guest refuses them; the
///         parameters are then as they were), and those of rtw_slot_begin.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_guest_load_state(
    guest: *mut rtw_guest_t,
    bytes: *const c_void,
    length: usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let guest = guard::named(guest, "guest")?;
            let bytes = super::module::slice(bytes, length)?;
            aside(guest, &mut |instance| guest.driver.load(instance.turn(), bytes))
        })
    }
}

/// Runs a [setup] step on the guest's instance, behind a slot within a block.
unsafe fn aside<T>(guest: &Driven, run: &mut dyn FnMut(&Arc<Instance>) -> Result<T>) -> Result<T> {
    let mut done = Err(bare(RTW_ERR_INTERNAL, "the guest"));
    // SAFETY: passed on.
    let status = unsafe {
        on_instance(guest, &mut |instance, _, is_new| {
            if is_new {
                guest.driver.forget();
            }
            done = run(instance);
            RTW_OK
        })
    };
    status.map_err(|status| bare(status, "the guest's slot"))?;
    done
}

unsafe fn guest_of<'a>(module: *const rtw_module_t) -> std::result::Result<&'a Described, rtw_status_t> {
    // SAFETY: a handle by the API's contract.
    let loaded: &Loaded = unsafe { handle::borrow(module) }?;
    loaded.module.guest.as_ref().ok_or(RTW_ERR_UNSUPPORTED)
}

unsafe fn guest_config(config: *const rtw_guest_config_t) -> Result<rtw_guest_config_t> {
    use guard::Sized32;
    // SAFETY: passed on.
    let mut config = unsafe { guard::optional_struct(config, "config") }?.unwrap_or_else(rtw_guest_config_t::defaults);
    let defaults = rtw_guest_config_t::defaults();
    if config.max_frames == 0 {
        config.max_frames = defaults.max_frames;
    }
    if config.sample_rate == 0.0 {
        config.sample_rate = defaults.sample_rate;
    }
    driver::check(config.sample_rate, config.max_frames)?;
    Ok(config)
}

unsafe fn describe(
    guest: &Described,
    first: usize,
    count: usize,
    index: u32,
    out: *mut rtw_guest_param_t,
) -> std::result::Result<(), rtw_status_t> {
    // SAFETY: NULL or writable by the API's contract.
    let out = unsafe { guard::output_struct(out) }?;
    if index as usize >= count {
        return Err(RTW_ERR_BOUNDS);
    }
    let ([flags, _, texts @ ..], [min, max, default, step]) = guest.param(first + index as usize);
    let [id, name, unit, group, labels, meta] = texts.map(|text| guest.text_from(text).cast());
    out.fill(|param| {
        (param.flags, param.id, param.name, param.unit) = (flags, id, name, unit);
        (param.group, param.labels, param.meta) = (group, labels, meta);
        (param.min_value, param.max_value, param.default_value, param.step) = (min, max, default, step);
    });
    Ok(())
}

unsafe fn read(guest: *const rtw_guest_t, out: *mut f64, read: impl FnOnce(&Driver) -> Option<f64>) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    match unsafe { handle::borrow(guest) } {
        _ if out.is_null() => RTW_ERR_NULL,
        Ok(guest) => match read(&guest.driver) {
            Some(value) => {
                // SAFETY: writable by the API's contract.
                unsafe { out.write(value) };
                RTW_OK
            }
            None => RTW_ERR_BOUNDS,
        },
        Err(status) => status,
    }
}

/// Runs `run` on the guest's instance, with its functions: behind a slot in a block of its own. The last argument is true for an instance
/// that is new in the slot.
unsafe fn on_instance(
    guest: &Driven,
    run: &mut dyn FnMut(&Arc<Instance>, &[*mut FuncNoun], bool) -> rtw_status_t,
) -> std::result::Result<rtw_status_t, rtw_status_t> {
    let status = match guest.driver.instance() {
        Some(instance) => guard::real_time(RTW_ERR_INTERNAL, || run(instance, guest.driver.handles(), false)),
        None => {
            let mut block = std::mem::MaybeUninit::<rtw_block_t>::uninit();
            // SAFETY: the handle is checked; the thread has the slot's blocks.
            match unsafe { rtw_slot_begin(guest.slot, block.as_mut_ptr()) } {
                RTW_OK => {}
                status => return Err(status),
            }
            // SAFETY: a block that has begun is filled, and its handles live until its end.
            let status = unsafe {
                let block = block.assume_init();
                match (handle::borrow(block.instance), handle::borrow(guest.slot)) {
                    (Ok(instance), Ok(slot)) => {
                        let funcs = std::slice::from_raw_parts(block.funcs.cast::<*mut FuncNoun>(), slot.interface_len());
                        let is_new = block.flags & (RTW_BLOCK_NEW | RTW_BLOCK_SPARE) != 0;
                        guard::real_time(RTW_ERR_INTERNAL, || run(instance, funcs, is_new))
                    }
                    (Err(status), _) | (_, Err(status)) => status,
                }
            };
            // SAFETY: as above.
            unsafe { rtw_slot_end(guest.slot) };
            status
        }
    };
    if status == RTW_ERR_HOST {
        unwind::leave();
    }
    Ok(status)
}
