//! The slot: what a real-time thread calls through while the instances behind it are exchanged.

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

/// The stable place that a real-time thread calls through, while the instances behind it are exchanged.
pub struct rtw_slot_t {
    _private: [u8; 0],
}

/// The first block with what was published.
pub const RTW_BLOCK_NEW: u32 = 1;
/// The instance before has faulted: the first block with a spare.
pub const RTW_BLOCK_SPARE: u32 = 2;
/// The instance before is still at hand, in held_instance and held_funcs.
pub const RTW_BLOCK_HELD: u32 = 4;

/// What a block runs on, from rtw_slot_begin to rtw_slot_end.
#[repr(C)]
pub struct rtw_block_t {
    /// The instance.
    pub instance: *mut rtw_instance_t,
    /// Its functions, in the order of the slot's interface.
    pub funcs: *const *mut rtw_func_t,
    /// The instance that was exchanged, while it is held; otherwise NULL.
    pub held_instance: *mut rtw_instance_t,
    /// Its functions; otherwise NULL.
    pub held_funcs: *const *mut rtw_func_t,
    /// RTW_BLOCK_ constants, added up.
    pub flags: u32,
}

/// What has happened behind a slot since it was made. Call rtw_slot_stats_init first.
#[repr(C)]
pub struct rtw_slot_stats_t {
    /// sizeof(rtw_slot_stats_t), set by rtw_slot_stats_init.
    pub struct_size: u32,
    /// Spares ready now.
    pub spares_ready: u32,
    /// Instances that exist behind the slot now.
    pub instances: u32,
    /// Blocks that were begun, those that were refused included.
    pub blocks: u64,
    /// Instances published.
    pub publications: u64,
    /// Publications refused.
    pub refused: u64,
    /// Publications that the real-time thread has taken; what was overtaken by the next one is not.
    pub taken: u64,
    /// Instances that faulted in a block.
    pub faults: u64,
    /// Spares that were taken in their place.
    pub spares_used: u64,
    /// Blocks refused because there was no instance: none published, or faulted and no spare ready.
    pub unserved: u64,
    /// Blocks refused because the state of the instance was being saved.
    pub busy: u64,
    /// What they make the host hold now, in bytes.
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

/// Makes a slot, empty. A slot looks after its instances by the runtime's housekeeper: a plain thread that destroys what has
/// gone, makes spares and calls back, and looks every 5 ms, since a real-time thread cannot wake it.
///
/// [setup]
/// runtime  is kept alive by the slot.
/// config   read only during the call, with all it points to.
/// out      receives the slot, to be ended with rtw_slot_destroy; NULL on failure.
/// err      NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (no function; a field is out of range; a dry
///         call of a function that is not there), RTW_ERR_SIGNATURE_SYNTAX, RTW_ERR_NO_MEMORY, RTW_ERR_FORKED (the
///         runtime is the parent process's).
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
                .ok_or_else(|| Error::new(RTW_ERR_NULL, "config is NULL: a slot needs to know its functions"))?;
            *out = prepare::with_room(config.dry_calls, config.dry_call_count, || {
                handle::create(Slot::new(runtime, read(&config)?)?)
            })?;
            Ok(())
        })
    }
}

/// Ends a slot and its instances, those included that were published, as far as the host does not keep them itself. Nobody is
/// called back any more when this returns. NULL does nothing.
///
/// [setup]  No other thread uses the slot, and no block is begun. Not from its callbacks.
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

/// Puts an instance in: looks its functions up, prepares it with the slot's dry calls (without any, only where it is not
/// prepared yet), carries the state over, and leaves it to the real-time thread, which takes it at its next block. What was
/// published before and not yet taken goes. From here on the instance is the slot's: nobody else calls it.
///
/// [setup]  On any thread but the real-time one; publishers may be several, of which one at a time is served. Not from the
///          callback that carries the state over.
/// instance     of the slot's runtime; kept alive by the slot, so that the host may destroy its handle. Host functions are
///              given the slot's own handle from here on. One that the slot has let go may be published again.
/// publication  NULL, or receives the number of this publication, for events.
/// err          NULL, or filled, naming the export that is missing or the reason of the refusal.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (of another runtime, or in a slot already), RTW_ERR_NO_EXPORT,
///         RTW_ERR_EXPORT_KIND, RTW_ERR_SIGNATURE, RTW_ERR_FAULTED, RTW_ERR_STATE (the state cannot be carried over; the old
///         instance stays), RTW_ERR_BUSY (the instance is in a call; or the real-time thread left no time to save the state),
///         RTW_ERR_PERMISSION (the system no longer permits membarrier(2), which keeps blocks out meanwhile), RTW_ERR_FORKED,
///         RTW_ERR_STACK_SIZE (there are dry calls, or a state is carried over, and there is no room for guests on the thread's
///         stack); and what rtw_instance_prepare answers.
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

/// Begins a block: takes what was published, or a spare where the instance has faulted. The block's instance stays the same
/// until rtw_slot_end; its functions are called with rtw_invoke, its memory is reached as any instance's.
///
/// [rt & attached]  One thread at a time, always in turn with rtw_slot_end.
/// Use it for a block of several calls or with access to the instance's memory; for a single call there is rtw_slot_invoke.
/// block    filled on success.
/// returns  RTW_OK; RTW_ERR_EMPTY: nothing was published yet; RTW_ERR_FAULTED: the instance has faulted, and no spare is ready;
///          RTW_ERR_BUSY: the instance's state is being saved, or a block has begun and not ended; RTW_ERR_NOT_ATTACHED,
///          RTW_ERR_STACK_SIZE: as for rtw_invoke; RTW_ERR_NULL, RTW_ERR_HANDLE. Then no block has begun.
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

/// Runs an entry of a thread that the slot's last permit did not let in, with cancellation held off. It is told whether the thread
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

/// Ends the block that was begun.
///
/// [rt & in block]  The thread that began it.
/// Use it after the last call of a block, also where one has failed: what was published is taken at the next rtw_slot_begin.
/// returns  RTW_OK, RTW_ERR_NULL, RTW_ERR_HANDLE; RTW_ERR_EMPTY: no block has begun.
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

/// A block of one call: rtw_slot_begin, rtw_invoke, rtw_slot_end.
///
/// [rt & attached]  One thread at a time, not inside a block.
/// Use it where a block is one call with numbers alone: a controller's step.
/// func_index           which of the slot's functions.
/// values, value_count  as for rtw_invoke.
/// flags                NULL, or receives the block's RTW_BLOCK_ constants; 0 where no block began.
/// returns  what rtw_slot_begin or rtw_invoke answers; RTW_ERR_BOUNDS: there is no such function.
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

/// Prepares a stats struct to be filled. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_slot_stats_t) as the caller knows it: rtw_slot_stats_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_slot_stats_init_sized(stats: *mut rtw_slot_stats_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(stats, struct_size) };
}

/// What has happened behind a slot.
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

/// How long the calls of one of the slot's functions took, on whichever of its instances; last_ns and duration_ns are 0.
///
/// [any] but a real-time thread.
/// func_index  which of the slot's functions.
/// stats       filled on success.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_BOUNDS, RTW_ERR_UNSUPPORTED (the runtime's statistics are
///         off).
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
