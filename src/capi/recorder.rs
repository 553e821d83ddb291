//! Recorders: histograms of the host's own times.

use std::ffi::c_char;
use std::sync::Arc;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart, status_of};
use super::handle::{self, Noun, Pool};
use super::interval::{self, rtw_interval_t};
use super::runtime::rtw_runtime_t;
use super::stats::{fill, rtw_func_stats_t};
use crate::ffi;
use crate::rt::reserve;
use crate::status::*;
use crate::subjects::interval::Source;
use crate::subjects::recorded::Recorded;

/// A histogram of the host's own times, as funcs have one: of a whole chain, of wake-ups, of a device's round trip.
pub struct rtw_recorder_t {
    _private: [u8; 0],
}

impl Noun for rtw_recorder_t {
    type Value = Arc<Recorded>;
    const MAGIC: u64 = 0x6564_726f_6365_720a;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Creates a recorder. Prefaults its memory, and locks it if the runtime's configuration says so.
///
/// [setup]
/// runtime  its memory_lock applies; the recorder may outlive it.
/// name     names the recorder in exports, such as "chain"; copied.
/// out      receives the recorder, to be destroyed with rtw_recorder_destroy; NULL on failure.
/// err      NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (the name is not UTF-8), RTW_ERR_MEMLOCK (only with
///         RTW_LOCK_REQUIRED).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_recorder_create(
    runtime: *const rtw_runtime_t,
    name: *const c_char,
    out: *mut *mut rtw_recorder_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let runtime = guard::named(runtime, "runtime")?;
            let name = ffi::required(name, "name")?;
            *out = handle::create(Arc::new(Recorded::new(name, runtime.config.lock)?))?;
            Ok(())
        })
    }
}

/// Records one time.
///
/// [rt]  One thread at a time per recorder.
/// Use it for times that the library does not see: from the device's interrupt to the last sample, around several calls.
/// ns  the time; max_ns includes times of 100 s and more, no bucket does.
/// returns  RTW_OK, RTW_ERR_NULL, RTW_ERR_HANDLE.
/// real time: allocates 0, locks 0, system calls 0, page faults 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_recorder_record_ns(recorder: *mut rtw_recorder_t, ns: u64) -> rtw_status_t {
    // SAFETY: a handle by the API's contract.
    guard::real_time(RTW_ERR_INTERNAL, || status_of(unsafe { handle::borrow(recorder) }.map(|recorder| recorder.record_ns(ns))))
}

/// Reads a recorder's statistics since it was created: call has the distribution of its times. Recording may continue
/// meanwhile.
///
/// [any] but a real-time thread: it copies 9 KiB.
/// stats   filled on success; call rtw_func_stats_init first.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_recorder_stats(
    recorder: *const rtw_recorder_t,
    stats: *mut rtw_func_stats_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    guard::plain(RTW_ERR_INTERNAL, || unsafe {
        status_of(handle::borrow(recorder).and_then(|recorder| {
            let stats = guard::output_struct(stats)?;
            let (snapshot, began) = recorder.snapshot_since();
            reserve::check().map_err(|error| error.status)?;
            stats.fill(|stats| fill(stats, &snapshot, began.elapsed()));
            Ok(())
        }))
    })
}

/// Creates an interval of a recorder's times; it begins now.
///
/// [setup]
/// recorder  the interval keeps it alive, with its times.
/// out       receives the interval, to be destroyed with rtw_interval_destroy; NULL on failure.
/// err       NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_recorder_interval(
    recorder: *const rtw_recorder_t,
    out: *mut *mut rtw_interval_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let out = guard::output(out, "out")?;
            let recorder = guard::named(recorder, "recorder")?.clone();
            let name = recorder.name.clone();
            *out = interval::begin(Source::Other { kind: "recorder", name, ever: Box::new(move || recorder.ever()) })?;
            Ok(())
        })
    }
}

/// Destroys a recorder; its intervals stay valid. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_recorder_destroy(recorder: *mut rtw_recorder_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(recorder) });
}
