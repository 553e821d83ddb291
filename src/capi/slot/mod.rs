//! Slots: stable handles through which real-time threads call while instances are hot-swapped.

pub mod config;

use std::sync::Arc;

use crate::capi::error::rtw_error_t;
use crate::capi::guard::{self, setup, setup_apart, status_of};
use crate::capi::handle::{self, Noun, Pool};
use crate::capi::instance::{rtw_func_t, rtw_instance_t};
use crate::capi::prepare;
use crate::capi::runtime::rtw_runtime_t;
use crate::capi::stats::{self, rtw_func_stats_t};
use crate::capi::value::rtw_value_t;
use crate::engine::call;

use crate::engine::slot::{Block, Slot};
use crate::rt::permit::Opened;
use crate::rt::{cancel, unwind};
use crate::status::*;
use config::{read, rtw_slot_config_t};

/// The stable handle through which a real-time thread calls while instances behind it are hot-swapped.
pub struct rtw_slot_t {
    _private: [u8; 0],
}

/// The block is the first one on a published instance.
pub const RTW_BLOCK_NEW: u32 = 1;
/// The block is the first one on a standby instance: the previous instance has faulted.
pub const RTW_BLOCK_SPARE: u32 = 2;
/// The replaced instance can still be called, through held_instance and held_funcs.
pub const RTW_BLOCK_HELD: u32 = 4;

/// The instance and functions of a block, valid from rtw_slot_begin to rtw_slot_end. Its layout is final.
#[repr(C)]
pub struct rtw_block_t {
    /// The instance that the block runs on.
    pub instance: *mut rtw_instance_t,
    /// Its functions, in the order of the slot's funcs.
    pub funcs: *const *mut rtw_func_t,
    /// The replaced instance while it is held; otherwise NULL.
    pub held_instance: *mut rtw_instance_t,
    /// The functions of held_instance; otherwise NULL.
    pub held_funcs: *const *mut rtw_func_t,
    /// The sum of RTW_BLOCK_ flags.
    pub flags: u32,
}

/// Statistics of a slot since it was created. Call rtw_slot_stats_init first.
#[repr(C)]
pub struct rtw_slot_stats_t {
    /// sizeof(rtw_slot_stats_t), set by rtw_slot_stats_init.
    pub struct_size: u32,
    /// Standby instances that are ready now.
    pub spares_ready: u32,
    /// Instances that exist behind the slot now.
    pub instances: u32,
    /// Blocks begun, including those that were refused.
    pub blocks: u64,
    /// Instances that were published.
    pub publications: u64,
    /// Publications that were refused.
    pub refused: u64,
    /// Publications that the real-time thread has taken. A publication that the next one superseded was not taken.
    pub taken: u64,
    /// Instances that faulted in a block.
    pub faults: u64,
    /// Standby instances that took over after a fault.
    pub spares_used: u64,
    /// Blocks refused because no instance was there: none was published, or it faulted and no spare was ready.
    pub unserved: u64,
    /// Blocks refused because the instance's state was being saved.
    pub busy: u64,
    /// Memory that the slot's instances hold now, in bytes.
    pub held_bytes: u64,
}

impl Noun for rtw_slot_t {
    type Value = Arc<Slot>;
    const MAGIC: u64 = 0x0000_0074_6f6c_7308;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_slot_stats_t {}

/// Creates an empty slot. The runtime's housekeeper thread looks after it: it destroys instances that are no longer used,
/// creates spares, and calls on_event. It checks every 5 ms, because a real-time thread cannot wake it.
///
/// [setup]
/// runtime  the slot keeps it alive.
/// config   read only during the call, with all that it points to.
/// out      receives the slot, to be destroyed with rtw_slot_destroy; NULL on failure.
/// err      NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (no function; a field is out of range; a dry
///         call of a function that the slot does not have), RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_FORKED (the runtime belongs to
///         the parent process).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_slot_create(
    runtime: *const rtw_runtime_t,
    config: *const rtw_slot_config_t,
    out: *mut *mut rtw_slot_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let runtime = guard::named(runtime, "runtime")?;
            let config = guard::optional_struct(config, "config")?
                .ok_or_else(|| Error::new(RTW_ERR_NULL, "config is NULL: a slot needs its functions"))?;
            *out = prepare::with_room(config.dry_calls, config.dry_call_count, || {
                handle::create(Slot::new(runtime, read(&config)?)?)
            })?;
            Ok(())
        })
    }
}

/// Destroys a slot and releases its instances; an instance that the host still holds stays alive. No callback runs after it
/// has returned. NULL does nothing.
///
/// [setup]  No other thread uses the slot, and no block has begun. Not from its callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_slot_destroy(slot: *mut rtw_slot_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe {
        if let Ok(slot) = handle::borrow(slot) {
            slot.close();
        }
        handle::destroy(slot)
    });
}

/// Publishes an instance: looks its functions up, prepares it with the slot's dry calls (if there are none, only if it is not
/// prepared), transfers the state, and offers it to the real-time thread, which takes it at its next block. It supersedes an
/// instance that was published and not yet taken. From now on only the slot calls the instance.
///
/// [setup]  On any thread but the real-time one. Several threads may publish; they take turns. Not from on_state.
/// instance     an instance of the slot's runtime; the slot keeps it alive, so the host may destroy its handle. Host
///              functions receive another handle of it from now on. An instance that the slot has released may be published
///              again.
/// publication  NULL, or receives the number of this publication, for events.
/// err          NULL, or filled; names all exports that are missing or of another type, or the reason.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (an instance of another runtime, or in a slot already; or its guest
///         refuses the rate or the frames of rtw_guest_slot_create), RTW_ERR_NO_EXPORT, RTW_ERR_EXPORT_KIND,
///         RTW_ERR_SIGNATURE, RTW_ERR_FAULTED, RTW_ERR_STATE (the state was not transferred; the old instance stays),
///         RTW_ERR_BUSY (the instance is in a call; or the real-time thread left no time to save the state),
///         RTW_ERR_PERMISSION (the system no longer permits membarrier(2), which keeps blocks out meanwhile), RTW_ERR_LIMIT
///         (memory_limit_bytes), RTW_ERR_FORKED, RTW_ERR_STACK_SIZE (the thread's stack has no room for dry calls or the
///         transfer); and those of rtw_instance_prepare.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_slot_publish(
    slot: *mut rtw_slot_t,
    instance: *mut rtw_instance_t,
    publication: *mut u64,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup(instance, err, || {
            let slot = guard::named(slot, "slot")?;
            let number = slot.publish(guard::named(instance, "instance")?)?;
            if !publication.is_null() {
                publication.write(number);
            }
            Ok(())
        })
    }
}

/// Begins a block: takes the published instance, or a standby instance if the current one has faulted. The instance stays the
/// same until rtw_slot_end. Call its functions with rtw_invoke, and reach its memory as usual.
///
/// [rt & attached]  One thread at a time, always in turn with rtw_slot_end.
/// Use it for a block of several calls, or with access to the instance's memory; for a single call use rtw_slot_invoke.
/// block    filled on success.
/// returns  RTW_OK; or no block has begun: RTW_ERR_EMPTY (nothing was published yet), RTW_ERR_FAULTED (the instance has
///          faulted, and no spare is ready), RTW_ERR_BUSY (the instance's state is being saved, or a block has begun and not
///          ended), RTW_ERR_NOT_ATTACHED and RTW_ERR_STACK_SIZE (as for rtw_invoke), RTW_ERR_NULL, RTW_ERR_HANDLE.
/// real time: allocates 0, locks 0, system calls 0, page faults 0; taking an instance exchanges one pointer.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_slot_begin(slot: *mut rtw_slot_t, block: *mut rtw_block_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; blocks are one thread's.
    match unsafe { handle::borrow(slot) } {
        _ if block.is_null() => RTW_ERR_NULL,
        // SAFETY: as above; it was let in.
        Ok(slot) if slot.admits() => unsafe { begin(slot, block) },
        // SAFETY: as above.
        Ok(slot) => otherwise(slot, &mut |is_deferred| unsafe {
            let status = begin(slot, block);
            if status == RTW_OK && is_deferred {
                slot.defer_end();
            }
            status
        }),
        Err(status) => status,
    }
}

/// # Safety
/// The block can be written to, and is this thread's.
#[inline(never)]
unsafe fn begin(slot: &Slot, block: *mut rtw_block_t) -> rtw_status_t {
    // SAFETY: passed on.
    guard::real_time(RTW_ERR_INTERNAL, || unsafe {
        match slot.begin() {
            Ok(begun) => {
                let held = begun.held.map(|held| &held.handles);
                block.write(rtw_block_t {
                    instance: begun.active.handles.instance.as_ptr().cast(),
                    // Each is the pointer that C knows.
                    funcs: begun.active.handles.funcs.as_ptr().cast(),
                    held_instance: held.map_or(std::ptr::null_mut(), |held| held.instance.as_ptr().cast()),
                    held_funcs: held.map_or(std::ptr::null(), |held| held.funcs.as_ptr().cast()),
                    flags: block_flags(&begun),
                });
                RTW_OK
            }
            Err(status) => status,
        }
    })
}

/// Runs an entry of a thread that the slot's last permit did not let in, with cancellation held off. It learns whether the thread
/// is one that has to hold it off.
#[cold]
#[inline(never)]
fn otherwise(slot: &Slot, entry: &mut dyn FnMut(bool) -> rtw_status_t) -> rtw_status_t {
    let held = cancel::hold();
    let admitted = admitted(slot);
    if !matches!(admitted, Ok(Some(_))) {
        // Not for the time of the block's calls.
        cancel::let_in(held);
    }
    match admitted {
        Ok(Some(opened)) => {
            let status = entry(true);
            opened.seal();
            cancel::let_in(held);
            status
        }
        Ok(None) => entry(false),
        Err(status) => status,
    }
}

#[inline(never)]
fn admitted(slot: &Slot) -> std::result::Result<Option<Opened>, rtw_status_t> {
    guard::real_time(Err(RTW_ERR_INTERNAL), || slot.admit())
}

/// Ends a block.
///
/// [rt & in block]  The thread that began it.
/// Use it after the last call of a block, even if one has failed; the next rtw_slot_begin takes what was published meanwhile.
/// returns  RTW_OK; RTW_ERR_EMPTY (no block has begun), RTW_ERR_NULL, RTW_ERR_HANDLE.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_slot_end(slot: *mut rtw_slot_t) -> rtw_status_t {
    // SAFETY: a handle by the API's contract; blocks are one thread's.
    let slot = match unsafe { handle::borrow(slot) } {
        Ok(slot) => slot,
        Err(status) => return status,
    };
    match slot.ends_at_once() {
        // SAFETY: as above.
        Some(true) => unsafe { end(slot) },
        // SAFETY: as above.
        Some(false) => unsafe { end_otherwise(slot) },
        None => RTW_ERR_EMPTY,
    }
}

/// # Safety
/// The block is this thread's.
#[inline(never)]
unsafe fn end(slot: &Slot) -> rtw_status_t {
    guard::real_time(RTW_ERR_INTERNAL, || {
        // SAFETY: passed on.
        unsafe { slot.end() };
        RTW_OK
    })
}

#[cold]
#[inline(never)]
unsafe fn end_otherwise(slot: &Slot) -> rtw_status_t {
    let held = cancel::hold();
    // SAFETY: passed on.
    let status = unsafe { end(slot) };
    cancel::let_in(held);
    status
}

/// Runs a block of one call: rtw_slot_begin, rtw_invoke, rtw_slot_end.
///
/// [rt & attached]  One thread at a time, not inside a block.
/// Use it if a block is one call that takes and returns numbers: a controller's step.
/// func_index           index of the function in the slot's funcs.
/// values, value_count  as for rtw_invoke.
/// flags                NULL, or receives the block's RTW_BLOCK_ flags; 0 if no block began.
/// returns  as rtw_slot_begin and rtw_invoke; RTW_ERR_BOUNDS (no such function).
/// real time: allocates 0, locks 0, system calls 0, page faults 0, as rtw_slot_begin and rtw_invoke.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_slot_invoke(
    slot: *mut rtw_slot_t,
    func_index: u32,
    values: *mut rtw_value_t,
    value_count: usize,
    flags: *mut u32,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract; blocks are one thread's.
    let slot = unsafe { handle::borrow(slot) };
    if let Ok(slot) = &slot
        && slot.admits()
    {
        // SAFETY: as above; it was let in.
        let status = unsafe { invoke(slot, func_index, values, value_count, flags) };
        if status == RTW_ERR_HOST {
            unwind::leave();
        }
        return status;
    }
    if !flags.is_null() {
        // SAFETY: as above.
        unsafe { flags.write(0) };
    }
    match slot {
        // SAFETY: as above.
        Ok(slot) => {
            let status = otherwise(slot, &mut |_| {
                // SAFETY: as above; it was let in.
                unsafe { invoke(slot, func_index, values, value_count, flags) }
            });
            if status == RTW_ERR_HOST {
                unwind::leave();
            }
            status
        }
        Err(status) => status,
    }
}

/// # Safety
/// As for [`rtw_slot_invoke`]; the thread was let in.
#[inline(never)]
unsafe fn invoke(slot: &Slot, func_index: u32, values: *mut rtw_value_t, value_count: usize, flags: *mut u32) -> rtw_status_t {
    // SAFETY: passed on.
    guard::real_time(RTW_ERR_INTERNAL, || unsafe {
        let mut told = 0;
        let mut run = || {
            if func_index as usize >= slot.interface_len() {
                return Err(RTW_ERR_BOUNDS);
            }
            let block = slot.begin()?;
            told = block_flags(&block);
            let status = call::invoke_apart(&block.active.funcs[func_index as usize], values.cast(), value_count, None);
            slot.end();
            Ok(status)
        };
        let answer = run();
        if !flags.is_null() {
            flags.write(told);
        }
        answer.unwrap_or_else(|status| status)
    })
}

/// Initialises a slot statistics struct. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_slot_stats_t) in the caller's header; rtw_slot_stats_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_slot_stats_init_sized(stats: *mut rtw_slot_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// Reads a slot's statistics.
///
/// [any] but a real-time thread.
/// stats   filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_slot_stats(slot: *const rtw_slot_t, stats: *mut rtw_slot_stats_t) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(handle::borrow(slot).and_then(|slot| {
            guard::output_struct(stats)?.fill(|stats| {
                let report = slot.report();
                stats.blocks = report.blocks;
                stats.publications = report.publications;
                stats.refused = report.refused;
                stats.taken = report.taken;
                stats.faults = report.faults;
                stats.spares_used = report.spares_used;
                stats.unserved = report.unserved;
                stats.busy = report.busy;
                stats.spares_ready = report.spares_ready as u32;
                stats.instances = report.living as u32;
                stats.held_bytes = report.held_bytes;
            });
            Ok(())
        }))
    })
}

/// Reads the call times of one of the slot's functions, on all its instances together; last_ns and duration_ns are 0.
///
/// [any] but a real-time thread.
/// func_index  index of the function in the slot's funcs.
/// stats       filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_BOUNDS, RTW_ERR_UNSUPPORTED (the runtime's statistics
///         are off).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_slot_func_stats(
    slot: *const rtw_slot_t,
    func_index: u32,
    stats: *mut rtw_func_stats_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::look(|| unsafe {
        status_of(handle::borrow(slot).and_then(|slot| {
            if func_index as usize >= slot.interface_len() {
                return Err(RTW_ERR_BOUNDS);
            }
            let snapshot = slot.recorded(func_index as usize).ok_or(RTW_ERR_UNSUPPORTED)?;
            guard::output_struct(stats)?.fill(|stats| stats::fill(stats, &snapshot, std::time::Duration::ZERO));
            Ok(())
        }))
    })
}

/// The RTW_BLOCK_ constants of a block.
#[inline(always)]
fn block_flags(block: &Block<'_>) -> u32 {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    flag(block.is_new, RTW_BLOCK_NEW)
        | flag(block.is_first_of_spare, RTW_BLOCK_SPARE)
        | flag(block.held.is_some(), RTW_BLOCK_HELD)
}
