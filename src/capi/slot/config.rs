//! How a slot is configured: constants, callbacks, the struct, and its fields as the library has them.

use std::ffi::c_void;

use crate::capi::guard;
use crate::capi::instance::{read_wanted, rtw_instance_t, rtw_wanted_func_t};
use crate::capi::prepare::{self, rtw_dry_call_t};
use crate::capi::runtime::out_of_range;
use crate::engine::instance::Wanted;
use crate::engine::prepare::DryCall;
use crate::engine::slot::{Config, Event, EventKind, StateTransfer};
use crate::status::*;
use crate::sys::end;

/// The instance that is published starts as it is.
pub const RTW_STATE_NONE: u32 = 0;
/// It is given what the instance in use saves, by the guests' exports: rtw_state_save, of type ()->(i32,i32) (address and
/// length) or ()->(i64) (length in the upper half); rtw_state_load, of type (i32,i32)->(i32), which answers 0 if it refuses;
/// and, where the memory is not to be grown for it, rtw_state_buffer, of type (i32)->(i32), which is given the length and
/// answers an address. They have at least a second each. One that faults in rtw_state_save has faulted as in a block, and a
/// spare takes over.
pub const RTW_STATE_GUEST: u32 = 1;
/// The host's callback carries the state over.
pub const RTW_STATE_HOST: u32 = 2;

/// The real-time thread runs what was published.
pub const RTW_SLOT_EVENT_TAKEN: u32 = 1;
/// An instance faulted; rtw_instance_fault tells of what.
pub const RTW_SLOT_EVENT_FAULTED: u32 = 2;
/// The real-time thread runs a spare.
pub const RTW_SLOT_EVENT_SPARE_TAKEN: u32 = 3;
/// A spare is ready.
pub const RTW_SLOT_EVENT_SPARE_READY: u32 = 4;
/// A spare could not be made. The status says why: with RTW_ERR_SIGNALS it is tried again until it can be made, and told once;
/// otherwise no more is tried until the next publication.
pub const RTW_SLOT_EVENT_SPARE_FAILED: u32 = 5;

/// What has happened behind a slot.
#[repr(C)]
pub struct rtw_slot_event_t {
    /// One of the RTW_SLOT_EVENT_ constants.
    pub kind: u32,
    /// Of the fault, or of what failed; otherwise RTW_OK.
    pub status: rtw_status_t,
    /// Which publication it concerns: the number that rtw_slot_publish told.
    pub publication: u64,
    /// The instance; NULL where there is none. Valid during the callback, for [setup] functions that only look.
    pub instance: *mut rtw_instance_t,
}

/// Told what has happened, on the housekeeper's thread, some milliseconds after. May take its time, though nothing is tended to
/// meanwhile. Must not destroy the slot, nor unwind.
///
/// user_data  what was given to rtw_slot_create.
/// event      valid during the callback.
pub type rtw_slot_event_func_t = Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const rtw_slot_event_t)>;

/// Carries the state of the instance in use over to the one being published, on the publisher's thread. Blocks that the
/// real-time thread begins meanwhile are answered with RTW_ERR_BUSY, so it is to be short. Anything but RTW_OK refuses: the
/// publication fails with RTW_ERR_STATE, and the old instance stays.
///
/// user_data  what was given to rtw_slot_create.
/// from, to   the instances; rtw_invoke and memory functions may be used on both, on this thread, attached or not.
pub type rtw_slot_state_func_t =
    Option<unsafe extern "C" fn(user_data: *mut c_void, from: *mut rtw_instance_t, to: *mut rtw_instance_t) -> rtw_status_t>;

/// How a slot shall be. Call rtw_slot_config_init first.
#[repr(C)]
pub struct rtw_slot_config_t {
    /// sizeof(rtw_slot_config_t), set by rtw_slot_config_init.
    pub struct_size: u32,
    /// How many functions; at most 1024.
    pub func_count: u32,
    /// The functions that calls name by their index here.
    pub funcs: *const rtw_wanted_func_t,
    /// How many spares stand behind the instance in use, prepared; at most 64. 0 (default): a fault ends the service until the
    /// next publication.
    pub standby: u32,
    /// For how many blocks the instance that was exchanged can still be called, for a crossfade. 0 (default): it goes at once.
    pub hold_blocks: u32,
    /// RTW_STATE_NONE (default), RTW_STATE_GUEST or RTW_STATE_HOST.
    pub state: u32,
    /// How many dry calls.
    pub dry_call_count: u32,
    /// Calls that every instance makes when it is prepared.
    pub dry_calls: *const rtw_dry_call_t,
    /// Told what happens; NULL: nobody is.
    pub on_event: rtw_slot_event_func_t,
    /// With RTW_STATE_HOST: carries the state over. Otherwise NULL.
    pub on_state: rtw_slot_state_func_t,
    /// Passed to the callbacks.
    pub user_data: *mut c_void,
    /// The most that the instances behind the slot together may make the host hold at one time, in bytes: the one in use, spares,
    /// one that is held, one that waits to be taken. Counted as for memory_limit_bytes of rtw_instance_config_t. What would exceed
    /// it is refused with RTW_ERR_LIMIT: a publication, a reset, a spare, which RTW_SLOT_EVENT_SPARE_FAILED tells; growth fails
    /// inside the guest. 0 (default): no limit.
    pub memory_limit_bytes: u64,
}

// SAFETY: their first field is their size.
unsafe impl guard::Sized32 for rtw_slot_config_t {}

/// Fills a configuration with the defaults; funcs has to be set. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_slot_config_t) as the caller knows it: rtw_slot_config_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_slot_config_init_sized(config: *mut rtw_slot_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// A pointer of the host's that goes along with its callbacks.
struct UserData(*mut c_void);

// SAFETY: whose threads it is for is the host's knowledge; it is told which ones its callbacks run on.
unsafe impl Send for UserData {}
// SAFETY: as for Send.
unsafe impl Sync for UserData {}

impl UserData {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

pub(super) unsafe fn read(config: &rtw_slot_config_t) -> Result<Config> {
    let funcs = in_range("func_count", config.func_count, 1, 1024)?;
    let standby = in_range("standby", config.standby, 0, 64)?;
    // SAFETY: as many as the caller says, with strings that are NULL or NUL-terminated by the API's contract.
    let interface = unsafe { read_wanted("funcs", config.funcs, funcs) }?.map(|wanted| match wanted? {
        Wanted { optional: true, .. } => {
            Err(Error::new(RTW_ERR_ARGUMENT, "optional is 1: every instance in a slot has all functions"))
        }
        Wanted { name, signature, .. } => Ok((name.to_owned(), signature)),
    });
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
            end::unless_left("a slot's on_event", || {
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
        interface: interface.collect::<Result<_>>()?,
        standby,
        hold_blocks: config.hold_blocks,
        // SAFETY: passed on.
        dry_calls: unsafe { dry_calls(config, funcs) }?,
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
                end::unless_left("a slot's on_state", || unsafe { on_state(user_data.get(), from, to) })
            };
            Ok(StateTransfer::Host(Box::new(carry)))
        }
        (RTW_STATE_HOST, None) => Err(Error::new(RTW_ERR_NULL, "on_state is NULL, and goes with RTW_STATE_HOST")),
        (RTW_STATE_NONE | RTW_STATE_GUEST, Some(_)) => {
            Err(Error::new(RTW_ERR_ARGUMENT, "on_state goes with RTW_STATE_HOST alone"))
        }
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
                return Err(Error::new(RTW_ERR_ARGUMENT, format!("dry call {at}: there is no function {func}")));
            }
            if !call.func.is_null() {
                return Err(Error::new(RTW_ERR_ARGUMENT, format!("dry call {at}: a slot has no func: set func_index alone")));
            }
            Ok(DryCall { func, values: values.into(), repeats: call.repeats })
        })
        .collect()
}
