//! Statistics as files and texts.

use std::ffi::c_char;
use std::path::Path;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart};
use super::handle;
use super::instance::{rtw_func_t, rtw_instance_t};
use super::interval::rtw_interval_t;
use super::recorder::rtw_recorder_t;
use super::runtime::out_of_range;
use super::slot::rtw_slot_t;
use super::text;
use super::worker::rtw_worker_t;
use crate::engine::instance::Instance;
use crate::rt::reserve;
use crate::sized;
use crate::stats::document::Document;
use crate::stats::export::{self, Format};
use crate::stats::{Report, subject};
use crate::status::*;
use crate::sys::file;

/// JSON with everything in it, which `rtwasm stats` makes the other formats of.
pub const RTW_EXPORT_JSON: u32 = 0;
/// A page with tables and plots, in one file that needs nothing from elsewhere.
pub const RTW_EXPORT_HTML: u32 = 1;
/// HdrHistogram's percentile distribution (.hgrm), of one series; values are in us.
pub const RTW_EXPORT_HGRM: u32 = 2;
/// HdrHistogram's interval log, version 2: one line a series; values are in ns.
pub const RTW_EXPORT_HLOG: u32 = 3;
/// OpenMetrics text, as Prometheus reads it.
pub const RTW_EXPORT_OPENMETRICS: u32 = 4;
/// The buckets as a table.
pub const RTW_EXPORT_CSV: u32 = 5;

/// What is to be written, and where to. Call rtw_export_config_init first.
#[repr(C)]
pub struct rtw_export_config_t {
    /// sizeof(rtw_export_config_t), set by rtw_export_config_init.
    pub struct_size: u32,
    /// One of the RTW_EXPORT_ constants; RTW_EXPORT_JSON by default.
    pub format: u32,
    /// The file to write, which takes the place of one that is there when it is complete; NULL: none.
    pub path: *const c_char,
    /// Without a path: receives the text, NUL-terminated; NULL: the text's length is wanted only.
    pub buffer: *mut c_char,
    /// Size of buffer in bytes; 0 where there is none.
    pub buffer_bytes: u64,
    /// What the subject is called; NULL: a function by its export, an instance "instance".
    pub name: *const c_char,
    /// The one series to write, such as "call_time"; NULL: all, or the first where the format holds one.
    pub series: *const c_char,
    /// Where calls are due at a fixed period: that period in ns. Beside "call_time" then stands "call_time_corrected", with
    /// those calls put in that a late one kept from starting (docs/statistics.md says how). 0 (default): no such series.
    pub expected_interval_ns: u64,
}

/// Somebody whose statistics are written with those of others. One of the handles is set, the others are NULL. Begin with zeros:
/// rtw_export is told how large the struct is.
#[repr(C)]
pub struct rtw_export_subject_t {
    /// As for rtw_func_export.
    pub func: *const rtw_func_t,
    /// As for rtw_instance_export.
    pub instance: *const rtw_instance_t,
    /// As for rtw_interval_export.
    pub interval: *const rtw_interval_t,
    /// As for rtw_worker_export.
    pub worker: *const rtw_worker_t,
    /// A recorder.
    pub recorder: *const rtw_recorder_t,
    /// One function of a slot, on all its instances: which one, func_index says.
    pub slot: *const rtw_slot_t,
    /// With slot: index in its interface. Otherwise 0.
    pub func_index: u32,
    /// What it is called; NULL: as without a name in rtw_export_config_t. Subjects of a kind need different names.
    pub name: *const c_char,
}

// SAFETY: its first field is its size, and pointers may be NULL.
unsafe impl guard::Sized32 for rtw_export_config_t {}
// SAFETY: pointers and a number.
unsafe impl guard::Element for rtw_export_subject_t {}

/// Fills a configuration with the defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_export_config_t) as the caller knows it: rtw_export_config_init passes it, which only C and C++ have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_export_config_init_sized(config: *mut rtw_export_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Writes a func's statistics, since it was made or last reset. Calls may go on meanwhile.
///
/// [setup]
/// config  what to write, and where to; read only during the call.
/// length  NULL, or receives the text's length in bytes without the NUL; on RTW_ERR_LIMIT as well. While calls go on, the next
///         text may be longer.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range, a string is not UTF-8,
///         there is no such series), RTW_ERR_UNSUPPORTED (the runtime's statistics are off), RTW_ERR_LIMIT (the buffer is too
///         small: nothing is written to it), RTW_ERR_IO (the file cannot be written; one that was there is as it was).
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

/// Writes an instance's statistics: all its calls together, those of funcs that are destroyed included, since it was made; then
/// those of each function that has a func, since that was made or last reset.
///
/// [setup]
/// config  what to write, and where to; read only during the call. A name also stands before those of the functions:
///         "left/gain".
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

/// Writes what an interval's readings have found so far, together, with a time line that has the maximum of each. It does not
/// read: what happened since the last reading is not in it.
///
/// [setup]
/// config  what to write, and where to; read only during the call.
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

/// Writes a worker's statistics, since it was made or last reset: call times, wake-up latencies, response times from the
/// intended start, period jitter; the longest of each second, and the worst calls with what went along with them.
///
/// [setup]
/// config  what to write, and where to; read only during the call.
/// length  as for rtw_func_export.
/// err     NULL, or filled.
/// errors: those of rtw_func_export but RTW_ERR_UNSUPPORTED.
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

/// Writes the statistics of several subjects together: the effects of a chain on one page, everything that a process has for
/// one scraper. (OpenMetrics texts cannot be put one after the other.)
///
/// [setup]
/// subjects      as many as `count` says; read only during the call.
/// count         how many there are, at least 1.
/// subject_size  sizeof(rtw_export_subject_t): how far apart they are.
/// config        what to write, and where to; its name is NULL, as each subject has its own; read only during the call.
/// length        as for rtw_func_export.
/// err           NULL, or filled.
/// errors: those of rtw_func_export, and RTW_ERR_ARGUMENT (a subject without a handle or with several, two of the same kind and
///         name, a name in config).
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
                    return Err(Error::new(RTW_ERR_ARGUMENT, "config has a name: each subject has its own"));
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
            "one of func, instance, interval, worker, slot and recorder has to be set, and the others NULL",
        ));
    }
    // SAFETY: handles and a C string by the caller's word.
    unsafe {
        let name = text::optional(subject.name, "name")?;
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

/// Writes reports as the configuration says. `reports` gets the name that the subject shall have, and answers None where
/// statistics are off. They have at most so many series, 0 where there is room for them already.
///
/// # Safety
/// `config` and what it points to is readable, its buffer writable, for as long as it says; `length` is NULL or writable.
pub(super) unsafe fn deliver(
    config: *const rtw_export_config_t,
    length: *mut usize,
    series: usize,
    reports: impl FnOnce(Option<&str>) -> Option<Vec<Report>>,
) -> Result<()> {
    // SAFETY: readable by the caller's word.
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
    // SAFETY: C strings by the caller's word.
    let (path, name, series) = unsafe {
        (text::optional(config.path, "path")?, text::optional(config.name, "name")?, text::optional(config.series, "series")?)
    };
    if path.is_some() && !config.buffer.is_null() {
        return Err(Error::new(RTW_ERR_ARGUMENT, "path and buffer are both set: one place only"));
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
        // SAFETY: writable by the caller's word.
        unsafe { length.write(text.len()) };
    }
    match path {
        // A scraper may look at any moment.
        Some(path) => file::replace(Path::new(path), text.as_bytes()).map_err(|error| Error::os(RTW_ERR_IO, path, &error)),
        // SAFETY: so large by the caller's word.
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
            format!("the text takes {} bytes and a NUL; the buffer has {bytes} bytes", text.len()),
        ));
    }
    // SAFETY: it has room for the text and one more, by the caller's word.
    unsafe {
        buffer.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        buffer.add(text.len()).write(0);
    }
    Ok(())
}
