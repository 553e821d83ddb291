//! A slot's configuration: constants, callbacks, the struct, and its conversion.

use std::ffi::c_void;

use crate::capi::guard;
use crate::capi::instance::{read_wanted, rtw_instance_t, rtw_wanted_func_t};
use crate::capi::prepare::{self, rtw_dry_call_t};
use crate::engine::instance::Wanted;
use crate::engine::prepare::{DryCall, any};
use crate::engine::slot::{Config, Event, EventKind, StateTransfer};
use crate::ffi::out_of_range;
use crate::rt::callback;
use crate::status::*;

/// A published instance keeps its own state.
pub const RTW_STATE_NONE: u32 = 0;
/// A published instance loads what the instance in use saves, through exports of the guests: rtw_state_save, of type
/// ()->(i32,i32) (address and length) or ()->(i64) (length in the upper half); rtw_state_load, of type (i32,i32)->(i32),
/// which returns 0 to refuse; and optionally rtw_state_buffer, of type (i32)->(i32), which takes the length and returns the
/// address to load from, so that the memory need not grow. Each call has at least one second. A fault in rtw_state_save
/// counts like a fault in a block: a standby instance takes over.
pub const RTW_STATE_GUEST: u32 = 1;
/// The host's callback on_state transfers the state.
pub const RTW_STATE_HOST: u32 = 2;

/// The real-time thread has taken the published instance.
pub const RTW_SLOT_EVENT_TAKEN: u32 = 1;
/// An instance has faulted; rtw_instance_fault describes the fault.
pub const RTW_SLOT_EVENT_FAULTED: u32 = 2;
/// The real-time thread has taken a standby instance.
pub const RTW_SLOT_EVENT_SPARE_TAKEN: u32 = 3;
/// A standby instance is ready.
pub const RTW_SLOT_EVENT_SPARE_READY: u32 = 4;
/// The slot could not create a standby instance; status says why. After RTW_ERR_SIGNALS the housekeeper tries again until it
/// succeeds, without further events; after any other status it does not try again before the next publication.
pub const RTW_SLOT_EVENT_SPARE_FAILED: u32 = 5;

/// An event of a slot. Its layout is final.
#[repr(C)]
pub struct rtw_slot_event_t {
    /// One of the RTW_SLOT_EVENT_ constants.
    pub kind: u32,
    /// Status of the fault or the failure; otherwise RTW_OK.
    pub status: rtw_status_t,
    /// Number of the publication that the event concerns, as rtw_slot_publish returned it.
    pub publication: u64,
    /// The instance; NULL if there is none. Valid during the callback, for [setup] functions that only read.
    pub instance: *mut rtw_instance_t,
}

/// Event callback. Runs on the housekeeper thread, a few ms after the event. It may block, which delays all other
/// housekeeping. It must return, and must not destroy the slot.
///
/// user_data  user_data of rtw_slot_config_t.
/// event      valid during the callback.
pub type rtw_slot_event_func_t = Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const rtw_slot_event_t)>;

/// Transfers the state of the instance in use to the one being published. Runs on the publisher's thread. Keep it short:
/// blocks that the real-time thread begins meanwhile return RTW_ERR_BUSY. If it returns anything but RTW_OK, the publication
/// fails with RTW_ERR_STATE and the old instance stays. It must return: neither longjmp nor a C++ exception may leave it.
///
/// user_data  user_data of rtw_slot_config_t.
/// from, to   the old and the new instance. The callback may call rtw_invoke and the memory functions on both, whether or not
///            its thread is attached.
pub type rtw_slot_state_func_t =
    Option<unsafe extern "C" fn(user_data: *mut c_void, from: *mut rtw_instance_t, to: *mut rtw_instance_t) -> rtw_status_t>;

/// Slot configuration. Call rtw_slot_config_init first.
#[repr(C)]
pub struct rtw_slot_config_t {
    /// sizeof(rtw_slot_config_t), set by rtw_slot_config_init.
    pub struct_size: u32,
    /// Number of funcs, 1 to 1024.
    pub func_count: u32,
    /// The functions that every instance must export; calls name them by their index here.
    pub funcs: *const rtw_wanted_func_t,
    /// Number of prepared standby instances (spares) to keep, at most 64. 0 (default): after a fault, blocks return
    /// RTW_ERR_FAULTED until the next publication.
    pub standby: u32,
    /// Number of blocks for which a replaced instance can still be called, for a crossfade. 0 (default): it is released at
    /// once.
    pub hold_blocks: u32,
    /// RTW_STATE_NONE (default), RTW_STATE_GUEST or RTW_STATE_HOST: how state is transferred to a published instance.
    pub state: u32,
    /// Number of dry calls.
    pub dry_call_count: u32,
    /// Dry calls that the slot makes on every instance when it prepares it.
    pub dry_calls: *const rtw_dry_call_t,
    /// Event callback, or NULL.
    pub on_event: rtw_slot_event_func_t,
    /// State callback, with RTW_STATE_HOST; otherwise NULL.
    pub on_state: rtw_slot_state_func_t,
    /// Passed to the callbacks.
    pub user_data: *mut c_void,
    /// Most memory that the slot's instances may hold together, in bytes: the one in use, spares, held and published ones,
    /// each counted as for memory_limit_bytes of rtw_instance_config_t. Beyond it, publications and resets return
    /// RTW_ERR_LIMIT, spares fail with RTW_SLOT_EVENT_SPARE_FAILED, and growth fails inside the guest. 0 (default): no limit.
    pub memory_limit_bytes: u64,
}

// SAFETY: their first field is their size.
unsafe impl guard::Sized32 for rtw_slot_config_t {}

/// Sets a slot configuration to its defaults; set funcs afterwards. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_slot_config_t) in the caller's header; rtw_slot_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_slot_config_init_sized(config: *mut rtw_slot_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// A pointer of the host's that goes along with its callbacks.
struct UserData(*mut c_void);

// SAFETY: the host knows which threads may use it; the API says on which its callbacks run.
unsafe impl Send for UserData {}
// SAFETY: as for Send.
unsafe impl Sync for UserData {}

impl UserData {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

/// A configuration whose functions and dry calls the library adds; without one the defaults.
pub(in crate::capi) unsafe fn read_around(config: Option<&rtw_slot_config_t>) -> Result<Config> {
    use guard::Sized32;
    let defaults = rtw_slot_config_t::defaults();
    let config = config.unwrap_or(&defaults);
    if config.func_count != 0 || config.dry_call_count != 0 {
        return Err(Error::new(RTW_ERR_ARGUMENT, "funcs and dry_calls of slot_config are not empty: the library adds them"));
    }
    // SAFETY: passed on.
    unsafe { rest(config) }
}

pub(super) unsafe fn read(config: &rtw_slot_config_t) -> Result<Config> {
    let funcs = in_range("func_count", config.func_count, 1, 1024)?;
    // SAFETY: as many as the caller says, with strings that are NULL or NUL-terminated by the API's contract.
    let interface = unsafe { read_wanted("funcs", config.funcs, funcs) }?.map(|wanted| match wanted? {
        Wanted { optional: true, .. } => {
            Err(Error::new(RTW_ERR_ARGUMENT, "optional is 1: every instance of a slot must export all its functions"))
        }
        Wanted { name, signature, .. } => Ok((name.to_owned(), signature)),
    });
    let interface = interface.collect::<Result<_>>()?;
    // SAFETY: passed on.
    unsafe { Ok(Config { interface, dry_calls: dry_calls(config, funcs)?, ..rest(config)? }) }
}

/// All but functions and dry calls.
unsafe fn rest(config: &rtw_slot_config_t) -> Result<Config> {
    let standby = in_range("standby", config.standby, 0, 64)?;
    let user_data = UserData(config.user_data);
    let on_event = config.on_event.map(|on_event| {
        let tell = move |event: Event| {
            let event = rtw_slot_event_t {
                kind: match event.kind {
                    EventKind::Taken => RTW_SLOT_EVENT_TAKEN,
                    EventKind::Faulted => RTW_SLOT_EVENT_FAULTED,
                    EventKind::SpareTaken => RTW_SLOT_EVENT_SPARE_TAKEN,
                    EventKind::SpareReady => RTW_SLOT_EVENT_SPARE_READY,
                    EventKind::SpareFailed => RTW_SLOT_EVENT_SPARE_FAILED,
                },
                status: event.status,
                publication: event.publication,
                instance: event.instance.cast(),
            };
            callback::returning(&"a slot's on_event", || {
                // SAFETY: the host vouches for its callback; one that is unwound meets the end of the process.
                let on_event: unsafe extern "C-unwind" fn(*mut c_void, *const rtw_slot_event_t) =
                    unsafe { std::mem::transmute(on_event) };
                // SAFETY: as above.
                unsafe { on_event(user_data.get(), &event) }
            })
        };
        Box::new(tell) as Box<dyn Fn(Event) + Send + Sync>
    });
    Ok(Config {
        interface: Vec::new(),
        standby,
        hold_blocks: config.hold_blocks,
        dry_calls: Vec::new(),
        state: state(config)?,
        memory_limit_bytes: config.memory_limit_bytes,
        on_event,
    })
}

fn in_range(field: &str, value: u32, least: u32, most: u32) -> Result<usize> {
    if !(least..=most).contains(&value) {
        return Err(Error::new(RTW_ERR_ARGUMENT, format!("{field} is {value}, not {least} to {most}")));
    }
    Ok(value as usize)
}

fn state(config: &rtw_slot_config_t) -> Result<StateTransfer> {
    match (config.state, config.on_state) {
        (RTW_STATE_NONE, None) => Ok(StateTransfer::None),
        (RTW_STATE_GUEST, None) => Ok(StateTransfer::Guest),
        (RTW_STATE_HOST, Some(on_state)) => {
            let user_data = UserData(config.user_data);
            // SAFETY: the host vouches for its callback; one that is unwound meets the end of the process.
            let on_state: unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, *mut c_void) -> rtw_status_t =
                unsafe { std::mem::transmute(on_state) };
            let carry = move |from: *mut c_void, to: *mut c_void| {
                // SAFETY: as above.
                callback::returning(&"a slot's on_state", || unsafe { on_state(user_data.get(), from, to) })
            };
            Ok(StateTransfer::Host(Box::new(carry)))
        }
        (RTW_STATE_HOST, None) => Err(Error::new(RTW_ERR_NULL, "on_state is NULL: RTW_STATE_HOST needs it")),
        (RTW_STATE_NONE | RTW_STATE_GUEST, Some(_)) => Err(Error::new(RTW_ERR_ARGUMENT, "on_state is only for RTW_STATE_HOST")),
        (other, _) => Err(out_of_range("state", other)),
    }
}

unsafe fn dry_calls(config: &rtw_slot_config_t, funcs: usize) -> Result<Vec<DryCall<usize>>> {
    // SAFETY: passed on.
    unsafe { prepare::each_dry_call(config.dry_calls, config.dry_call_count) }?
        .map(|call| {
            let (at, call, values) = call?;
            let func = call.func_index as usize;
            if func >= funcs {
                return Err(Error::new(RTW_ERR_ARGUMENT, format!("dry call {at}: the slot has no function {func}")));
            }
            if !call.func.is_null() {
                return Err(Error::new(
                    RTW_ERR_ARGUMENT,
                    format!("dry call {at}: func must be NULL for a slot; set func_index"),
                ));
            }
            Ok(DryCall { func, values: values.into(), repeats: call.repeats, accepts: any })
        })
        .collect()
}
