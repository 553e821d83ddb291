//! Exports: statistics as files and texts.

use std::ffi::c_char;
use std::path::Path;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::handle;
use super::instance::{rtw_func_t, rtw_instance_t};
use super::interval::rtw_interval_t;
use super::recorder::rtw_recorder_t;
use super::slot::rtw_slot_t;
use super::worker::rtw_worker_t;
use crate::engine::instance::Instance;
use crate::ffi;
use crate::ffi::out_of_range;
use crate::rt::reserve;
use crate::sized;
use crate::stats::Report;
use crate::stats::document::Document;
use crate::stats::export::{self, Format};
use crate::status::*;
use crate::subjects::subject;
use crate::sys::file;

/// JSON with all figures; `rtwasm stats` makes the other formats from it.
pub const RTW_EXPORT_JSON: u32 = 0;
/// An HTML page with tables and plots, in one self-contained file.
pub const RTW_EXPORT_HTML: u32 = 1;
/// HdrHistogram's percentile distribution (.hgrm) of one series, in us.
pub const RTW_EXPORT_HGRM: u32 = 2;
/// HdrHistogram's interval log, version 2, with one line per series, in ns.
pub const RTW_EXPORT_HLOG: u32 = 3;
/// OpenMetrics text, as Prometheus reads it.
pub const RTW_EXPORT_OPENMETRICS: u32 = 4;
/// The buckets as comma-separated values.
pub const RTW_EXPORT_CSV: u32 = 5;

/// Configuration of an export. Call rtw_export_config_init first.
#[repr(C)]
pub struct rtw_export_config_t {
    /// sizeof(rtw_export_config_t), set by rtw_export_config_init.
    pub struct_size: u32,
    /// One of the RTW_EXPORT_ constants; default RTW_EXPORT_JSON.
    pub format: u32,
    /// The file to write; an existing file is replaced when the new one is complete. NULL: writes to buffer.
    pub path: *const c_char,
    /// Without a path: receives the text, NUL-terminated. NULL: only the length is returned.
    pub buffer: *mut c_char,
    /// Size of buffer in bytes; 0 if there is none.
    pub buffer_bytes: u64,
    /// Name of the subject. NULL: a function has the name of its export, an instance "instance".
    pub name: *const c_char,
    /// The one series to write, such as "call_time". NULL: all, or the first if the format holds one.
    pub series: *const c_char,
    /// The period at which calls are due, in ns. The export then has a series "call_time_corrected" beside "call_time", which
    /// adds the calls that a late one has delayed (see docs/statistics.md). 0 (default): no such series.
    pub expected_interval_ns: u64,
}

/// One element of rtw_export's array: whose statistics to write. Zero the struct and set one of its handles. It may get more
/// fields at its end, so rtw_export takes its size.
#[repr(C)]
pub struct rtw_export_subject_t {
    /// A func, as for rtw_func_export.
    pub func: *const rtw_func_t,
    /// An instance, as for rtw_instance_export.
    pub instance: *const rtw_instance_t,
    /// An interval, as for rtw_interval_export.
    pub interval: *const rtw_interval_t,
    /// A worker, as for rtw_worker_export.
    pub worker: *const rtw_worker_t,
    /// A recorder.
    pub recorder: *const rtw_recorder_t,
    /// A slot, of which func_index selects one function, on all its instances.
    pub slot: *const rtw_slot_t,
    /// With slot: index of the function in the slot's funcs. Otherwise 0.
    pub func_index: u32,
    /// Name of the subject. NULL: as without a name in rtw_export_config_t. Subjects of the same kind need different names.
    pub name: *const c_char,
}

// SAFETY: its first field is its size, and pointers may be NULL.
unsafe impl guard::Sized32 for rtw_export_config_t {}
// SAFETY: pointers and a number.
unsafe impl guard::Element for rtw_export_subject_t {}

/// Sets an export configuration to its defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_export_config_t) in the caller's header; rtw_export_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_export_config_init_sized(config: *mut rtw_export_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Writes a func's statistics since it was looked up or reset. Calls may continue meanwhile.
///
/// [setup]
/// config  format and destination; read only during the call.
/// length  NULL, or receives the text's length in bytes without the NUL, also on RTW_ERR_LIMIT. While calls continue, the
///         next text may be longer.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range; a string is not
///         UTF-8; no such series), RTW_ERR_UNSUPPORTED (the runtime's statistics are off), RTW_ERR_LIMIT (the buffer is too
///         small; it is not written), RTW_ERR_IO (the file cannot be written; an existing one is unchanged).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_func_export(
    func: *const rtw_func_t,
    config: *const rtw_export_config_t,
    length: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let func = guard::named(func, "func")?;
            deliver(config, length, 1, |name| {
                let mut report = subject::func(&func.shared)?;
                report.name = name.map_or(report.name, str::to_owned);
                Some(vec![report])
            })
        })
    }
}

/// Writes an instance's statistics: all its calls together since it was created, including those of destroyed funcs; then
/// those of each function that has a func, since it was looked up or reset.
///
/// [setup]
/// config  format and destination; read only during the call. Its name also precedes those of the functions: "left/gain".
/// length  as for rtw_func_export.
/// err     NULL, or filled.
/// errors: those of rtw_func_export.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_instance_export(
    instance: *const rtw_instance_t,
    config: *const rtw_export_config_t,
    length: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let instance = guard::named(instance, "instance")?;
            deliver(config, length, series_of(instance), |name| subject::instance(instance, name))
        })
    }
}

/// Writes what an interval's reads have returned so far, together, with a time line of the maximum of each read. Does not
/// read: what was recorded since the previous read is not included.
///
/// [setup]
/// config  format and destination; read only during the call.
/// length  as for rtw_func_export.
/// err     NULL, or filled.
/// errors: those of rtw_func_export.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_interval_export(
    interval: *const rtw_interval_t,
    config: *const rtw_export_config_t,
    length: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let interval = guard::named(interval, "interval")?;
            deliver(config, length, 1, |name| Some(vec![interval.report(name)]))
        })
    }
}

/// Writes a worker's statistics since it was created or reset: call times, wake-up latencies, response times from the
/// intended start, period jitter, the longest response time of each second, and the slowest steps with their causes.
///
/// [setup]
/// config  format and destination; read only during the call.
/// length  as for rtw_func_export.
/// err     NULL, or filled.
/// errors: those of rtw_func_export except RTW_ERR_UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_worker_export(
    worker: *const rtw_worker_t,
    config: *const rtw_export_config_t,
    length: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            let worker = guard::named(worker, "worker")?;
            deliver(config, length, WORKERS_SERIES, |name| {
                let mut report = worker.report();
                report.name = name.map_or(report.name, str::to_owned);
                Some(vec![report])
            })
        })
    }
}

/// Writes the statistics of several subjects together: the effects of a chain on one page, everything in a process for one
/// scraper. (OpenMetrics texts cannot be concatenated.)
///
/// [setup]
/// subjects      `count` subjects; read only during the call.
/// count         number of subjects, at least 1.
/// subject_size  sizeof(rtw_export_subject_t).
/// config        format and destination; read only during the call. Its name must be NULL, because each subject has its own.
/// length        as for rtw_func_export.
/// err           NULL, or filled.
/// errors: those of rtw_func_export; RTW_ERR_ARGUMENT (a subject without a handle or with several; two subjects of the same
///         kind and name; a name in config).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_export(
    subjects: *const rtw_export_subject_t,
    count: usize,
    subject_size: usize,
    config: *const rtw_export_config_t,
    length: *mut usize,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            if subjects.is_null() {
                return Err(Error::new(RTW_ERR_NULL, "subjects is NULL"));
            }
            if count == 0 {
                return Err(Error::new(RTW_ERR_ARGUMENT, "count is 0: there is nothing to write"));
            }
            let about = |at: usize| move |error: Error| Error { message: format!("subject {at}: {}", error.message), ..error };
            let mut series = 0;
            for at in 0..count {
                let subject = sized::element(subjects, subject_size, at, "subject").map_err(about(at))?;
                series += handle::borrow(subject.instance).map_or(WORKERS_SERIES, |instance| series_of(instance));
            }
            reserve::with_room(series * SERIES_BYTES, || {
                let mut reports: Vec<Report> = vec![];
                for at in 0..count {
                    let subject = sized::element(subjects, subject_size, at, "subject").map_err(about(at))?;
                    for report in reports_of(&subject).map_err(about(at))? {
                        if reports.iter().any(|known| (known.kind, &known.name) == (report.kind, &report.name)) {
                            let twice = format!("there is another {} \"{}\": set name", report.kind, report.name);
                            return Err(about(at)(Error::new(RTW_ERR_ARGUMENT, twice)));
                        }
                        reports.push(report);
                    }
                }
                if guard::optional_struct(config, "config")?.is_some_and(|config| !config.name.is_null()) {
                    return Err(Error::new(RTW_ERR_ARGUMENT, "name is set in config: each subject has its own"));
                }
                deliver(config, length, 0, |_| Some(reports))
            })
        })
    }
}

unsafe fn reports_of(subject: &rtw_export_subject_t) -> Result<Vec<Report>> {
    let handles = [
        subject.func.is_null(),
        subject.instance.is_null(),
        subject.interval.is_null(),
        subject.worker.is_null(),
        subject.slot.is_null(),
        subject.recorder.is_null(),
    ];
    if handles.iter().filter(|is_null| !**is_null).count() != 1 {
        return Err(Error::new(
            RTW_ERR_ARGUMENT,
            "set one of func, instance, interval, worker, slot and recorder, and leave the others NULL",
        ));
    }
    // SAFETY: handles and a C string as the caller promises.
    unsafe {
        let name = ffi::optional(subject.name, "name")?;
        let renamed = |mut report: Report| {
            report.name = name.map_or(report.name, str::to_owned);
            vec![report]
        };
        let reports = match handles {
            [false, ..] => subject::func(&guard::named(subject.func, "func")?.shared).map(renamed),
            [_, false, ..] => subject::instance(guard::named(subject.instance, "instance")?, name),
            [_, _, false, ..] => Some(vec![guard::named(subject.interval, "interval")?.report(name)]),
            [.., false] => Some(renamed(guard::named(subject.recorder, "recorder")?.report())),
            [.., false, _] => {
                let slot = guard::named(subject.slot, "slot")?;
                let at = subject.func_index as usize;
                let func =
                    slot.func_name(at).ok_or_else(|| Error::new(RTW_ERR_BOUNDS, format!("the slot has no function {at}")))?;
                let named = |snapshot| subject::calls("func", func.to_owned(), slot.began(), snapshot);
                slot.recorded(at).map(named).map(renamed)
            }
            _ => Some(renamed(guard::named(subject.worker, "worker")?.report())),
        };
        reports.ok_or_else(off)
    }
}

/// More than a series takes, in memory and as text that grows, in any format.
const SERIES_BYTES: usize = 1 << 20;
const WORKERS_SERIES: usize = 4;

/// Of all its calls, and of each func's.
fn series_of(instance: &Instance) -> usize {
    1 + instance.living_funcs().len()
}

fn off() -> Error {
    Error::new(RTW_ERR_UNSUPPORTED, "the runtime's statistics are off")
}

/// Writes reports as the configuration says. `reports` takes the subject's name, and returns None if
/// statistics are off. `series` is the most series that they have, 0 if there is room for them already.
///
/// # Safety
/// `config` and what it points to is readable, its buffer writable, for as long as it says; `length` is NULL or writable.
pub(super) unsafe fn deliver(
    config: *const rtw_export_config_t,
    length: *mut usize,
    series: usize,
    reports: impl FnOnce(Option<&str>) -> Option<Vec<Report>>,
) -> Result<()> {
    // SAFETY: readable as the caller promises.
    let config =
        unsafe { guard::optional_struct(config, "config") }?.ok_or_else(|| Error::new(RTW_ERR_NULL, "config is NULL"))?;
    // SAFETY: passed on.
    reserve::with_room(series * SERIES_BYTES, || unsafe { write(&config, length, reports) })
}

/// # Safety
/// As for [`deliver`].
unsafe fn write(
    config: &rtw_export_config_t,
    length: *mut usize,
    reports: impl FnOnce(Option<&str>) -> Option<Vec<Report>>,
) -> Result<()> {
    let format = format(config.format)?;
    // SAFETY: C strings as the caller promises.
    let (path, name, series) = unsafe {
        (ffi::optional(config.path, "path")?, ffi::optional(config.name, "name")?, ffi::optional(config.series, "series")?)
    };
    if path.is_some() && !config.buffer.is_null() {
        return Err(Error::new(RTW_ERR_ARGUMENT, "path and buffer are both set: set one of them"));
    }
    if config.buffer.is_null() && config.buffer_bytes != 0 {
        return Err(Error::new(RTW_ERR_NULL, "buffer is NULL and buffer_bytes is not 0"));
    }
    let reports = reports(name).ok_or_else(off)?;
    let mut document = Document::here(reports);
    if config.expected_interval_ns != 0 {
        document.correct(config.expected_interval_ns);
    }
    export::keep_series(&mut document, series)?;
    let text = export::write(format, &[document])?;
    if !length.is_null() {
        // SAFETY: writable as the caller promises.
        unsafe { length.write(text.len()) };
    }
    match path {
        // A scraper may look at any moment.
        Some(path) => file::replace(Path::new(path), text.as_bytes()).map_err(|error| Error::os(RTW_ERR_IO, path, &error)),
        // SAFETY: as large as the caller promises.
        None => unsafe { write_buffer(config.buffer, config.buffer_bytes, &text) },
    }
}

fn format(format: u32) -> Result<Format> {
    match format {
        RTW_EXPORT_JSON => Ok(Format::Json),
        RTW_EXPORT_HTML => Ok(Format::Html),
        RTW_EXPORT_HGRM => Ok(Format::Hgrm),
        RTW_EXPORT_HLOG => Ok(Format::Hlog),
        RTW_EXPORT_OPENMETRICS => Ok(Format::OpenMetrics),
        RTW_EXPORT_CSV => Ok(Format::Csv),
        other => Err(out_of_range("format", other)),
    }
}

unsafe fn write_buffer(buffer: *mut c_char, bytes: u64, text: &str) -> Result<()> {
    if buffer.is_null() {
        return Ok(());
    }
    if text.len() as u64 >= bytes {
        return Err(Error::new(
            RTW_ERR_LIMIT,
            format!("the text needs {} bytes and a NUL; the buffer has {bytes} bytes", text.len()),
        ));
    }
    // SAFETY: it has room for the text and one more, as the caller promises.
    unsafe {
        buffer.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        buffer.add(text.len()).write(0);
    }
    Ok(())
}
