//! The doctor: what about this machine makes real-time threads late.

use std::ffi::{CString, c_char, c_void};
use std::path::PathBuf;
use std::time::Duration;

use super::error::rtw_error_t;
use super::guard::{self, setup_apart, status_of};
use super::handle::{self, Noun, Pool};
use super::module;
use crate::doctor::{self, Apply, Artifact, Class, Finding, Options, Report, Severity, State, Verdict};
use crate::engine::artifact;
use crate::ffi;
use crate::ffi::{flag, out_of_range};
use crate::rt::{panics, reserve};
use crate::status::*;

/// More than a check reads and writes at a time; some of the system's files grow with the number of CPUs.
const REPORT_BYTES: usize = 16 << 20;

/// All classes; the worst one counts.
pub const RTW_HOST_CLASS_ALL: u32 = 0;
/// Audio in blocks of 128 frames at 48 kHz: a period of 2,667 us.
pub const RTW_HOST_CLASS_AUDIO_128: u32 = 1;
/// Audio in blocks of 32 frames at 48 kHz: a period of 667 us.
pub const RTW_HOST_CLASS_AUDIO_32: u32 = 2;
/// A control loop at 1 kHz: a period of 1,000 us.
pub const RTW_HOST_CLASS_CONTROL_1KHZ: u32 = 3;
/// A control loop at 10 kHz: a period of 100 us.
pub const RTW_HOST_CLASS_CONTROL_10KHZ: u32 = 4;
/// Number of classes, without RTW_HOST_CLASS_ALL.
pub const RTW_HOST_CLASSES: usize = 4;

/// Any CPU that the calling thread may use.
pub const RTW_HOST_CPU_ANY: i32 = -1;

/// The check found what it expected.
pub const RTW_HOST_GOOD: u32 = 0;
/// The check found a fault; its severity says how much it matters.
pub const RTW_HOST_BAD: u32 = 1;
/// The check could not find out, because a file or the right to read it is missing.
pub const RTW_HOST_UNKNOWN: u32 = 2;
/// The check was not asked for, or does not apply to this machine.
pub const RTW_HOST_SKIPPED: u32 = 3;

/// Does not matter.
pub const RTW_HOST_SEVERITY_NONE: u32 = 0;
/// Worth knowing; affects measurements that are compared with others.
pub const RTW_HOST_SEVERITY_INFO: u32 = 1;
/// Causes missed deadlines now and then.
pub const RTW_HOST_SEVERITY_MEDIUM: u32 = 2;
/// Causes missed deadlines regularly.
pub const RTW_HOST_SEVERITY_HIGH: u32 = 3;
/// Keeps the library from running at all.
pub const RTW_HOST_SEVERITY_FATAL: u32 = 4;

/// The commands take effect at once, until the next boot, without side effects.
pub const RTW_HOST_APPLY_NOW: u32 = 0;
/// The commands need thought: they have side effects, or placeholders to fill in.
pub const RTW_HOST_APPLY_WITH_THOUGHT: u32 = 1;
/// The commands take effect at the next boot.
pub const RTW_HOST_APPLY_REBOOT: u32 = 2;

/// The doctor found nothing of medium or higher severity.
pub const RTW_HOST_READY: u32 = 0;
/// The doctor found something of medium severity, or could not check something of high or fatal severity.
pub const RTW_HOST_READY_WITH_WARNINGS: u32 = 1;
/// The doctor found something of high or fatal severity.
pub const RTW_HOST_NOT_READY: u32 = 2;

/// The doctor's report, created by rtw_host_check. Immutable.
pub struct rtw_host_report_t {
    _private: [u8; 0],
}

/// Configuration of rtw_host_check. Call rtw_host_config_init first.
#[repr(C)]
pub struct rtw_host_config_t {
    /// sizeof(rtw_host_config_t), set by rtw_host_config_init.
    pub struct_size: u32,
    /// The class of work to judge for: one of the RTW_HOST_CLASS_ constants; default RTW_HOST_CLASS_ALL.
    pub host_class: u32,
    /// The CPU that the real-time thread will run on; default RTW_HOST_CPU_ANY.
    pub cpu: i32,
    /// 1: the calling thread is the real-time thread, so the doctor judges its policy, affinity and stack. 0 (default): it is
    /// not.
    pub calling_thread: u32,
    /// Duration of each probe in ms, 1 to 60,000: one of wake-ups per class, one of gaps, one of speed. 0 (default): no
    /// probes. Probes need the running system.
    pub probe_ms: u32,
    /// Period to judge every class by, in ns: 10,000 to 10,000,000,000. 0 (default): each class has its own.
    pub period_ns: u64,
    /// A directory with a copy of another machine's files, as NUL-terminated UTF-8. NULL (default): the running system.
    pub root: *const c_char,
    /// The bytes of an artifact that is to run on this machine, or NULL (default). Read only during the call.
    pub artifact: *const c_void,
    /// Length of artifact in bytes.
    pub artifact_length: u64,
}

/// The result of one check. Call rtw_host_finding_init first. The strings belong to the report and live as long as its
/// handle.
#[repr(C)]
pub struct rtw_host_finding_t {
    /// sizeof(rtw_host_finding_t), set by rtw_host_finding_init.
    pub struct_size: u32,
    /// RTW_HOST_GOOD, RTW_HOST_BAD, RTW_HOST_UNKNOWN or RTW_HOST_SKIPPED.
    pub state: u32,
    /// The worst severity for the classes that were judged, RTW_HOST_SEVERITY_INFO to RTW_HOST_SEVERITY_FATAL; if the finding
    /// is not bad, the severity that it would have.
    pub severity: u32,
    /// One of the RTW_HOST_APPLY_ constants: when and with what side effects the commands take effect.
    pub apply: u32,
    /// 1: the commands need root. 0: they do not.
    pub needs_root: u32,
    /// The severity for each class, of class n at n - 1, if the finding is bad or unknown; RTW_HOST_SEVERITY_NONE if it is
    /// good.
    pub class_severity: [u32; RTW_HOST_CLASSES],
    /// Name of the check, such as "governor"; names are never reused.
    pub id: *const c_char,
    /// Name of the check in a few words.
    pub title: *const c_char,
    /// The state that the check found.
    pub found: *const c_char,
    /// The state that the check expected.
    pub expected: *const c_char,
    /// Why it matters, in one line.
    pub why: *const c_char,
    /// The remedy, in one or two sentences.
    pub remedy: *const c_char,
    /// The remedy as shell commands to copy; "" if no command helps.
    pub commands: *const c_char,
}

/// The value behind a report's handle.
pub struct Reported {
    report: Report,
    texts: Vec<Texts>,
}

/// A finding's strings, as C has them.
struct Texts {
    id: CString,
    title: CString,
    found: CString,
    expected: CString,
    why: CString,
    remedy: CString,
    commands: CString,
}

impl Noun for rtw_host_report_t {
    type Value = Reported;
    const MAGIC: u64 = 0x7472_6f70_6572_6807;
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

// SAFETY: their first field is their size.
unsafe impl guard::Sized32 for rtw_host_config_t {
    fn set_defaults(&mut self) {
        self.cpu = RTW_HOST_CPU_ANY;
    }
}
// SAFETY: its first field is its size.
unsafe impl guard::Sized32 for rtw_host_finding_t {}

/// Sets a doctor configuration to its defaults. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_host_config_t) in the caller's header; rtw_host_config_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_host_config_init_sized(config: *mut rtw_host_config_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(config, struct_size) };
}

/// Initialises a finding. NULL does nothing.
///
/// [any]
/// struct_size  sizeof(rtw_host_finding_t) in the caller's header; rtw_host_finding_init passes it in C and C++.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_host_finding_init_sized(finding: *mut rtw_host_finding_t, struct_size: usize) {
    // SAFETY: NULL or writable by the API's contract.
    unsafe { guard::init(finding, struct_size) };
}

/// Examines what about this machine and process makes real-time threads late, as `rtwasm doctor` does. Reads files below
/// /proc, /sys and others, and changes nothing; a file that cannot be read gives RTW_HOST_UNKNOWN, not an error. Takes some
/// milliseconds, and with probes as long as they last; probes run on threads of their own.
///
/// [setup]
/// config  NULL for the defaults; read only during the call.
/// out     receives the report, to be destroyed with rtw_host_report_destroy; NULL on failure.
/// err     NULL, or filled.
/// errors: RTW_ERR_NULL, RTW_ERR_STRUCT_SIZE, RTW_ERR_ARGUMENT (a field is out of range; root is not UTF-8), RTW_ERR_IO (root
///         is not a directory); for an invalid artifact, those of rtw_module_probe.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_host_check(
    config: *const rtw_host_config_t,
    out: *mut *mut rtw_host_report_t,
    err: *mut rtw_error_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    unsafe {
        setup_apart(err, || {
            panics::silence();
            let out = guard::output(out, "out")?;
            let options = match guard::optional_struct(config, "config")? {
                Some(config) => read(&config)?,
                None => Options::default(),
            };
            let report = reserve::with_room(REPORT_BYTES, || Ok(doctor::check(&options)))?;
            let texts = report.findings.iter().map(Texts::new).collect();
            *out = handle::create(Reported { report, texts })?;
            Ok(())
        })
    }
}

/// Destroys a report. NULL does nothing.
///
/// [setup]  No other thread uses the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_host_report_destroy(report: *mut rtw_host_report_t) {
    // SAFETY: a handle by the API's contract.
    guard::plain((), || unsafe { handle::destroy(report) });
}

/// Returns the number of findings in a report, one per check; 0 for an invalid handle.
///
/// [any]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_host_report_count(report: *const rtw_host_report_t) -> usize {
    // SAFETY: a handle by the API's contract.
    unsafe { handle::borrow(report) }.map_or(0, |reported| reported.texts.len())
}

/// Reads one finding of a report. Bad ones come first, the most severe first; then unknown, good and skipped ones.
///
/// [any]
/// out  filled on success; its strings live as long as the report's handle.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_STRUCT_SIZE, RTW_ERR_BOUNDS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtw_host_report_finding(
    report: *const rtw_host_report_t,
    index: usize,
    out: *mut rtw_host_finding_t,
) -> rtw_status_t {
    // SAFETY: pointers are NULL or valid by the API's contract.
    status_of(unsafe {
        handle::borrow(report).and_then(|reported| {
            let out = guard::output_struct(out)?;
            let finding = reported.report.findings.get(index).ok_or(RTW_ERR_BOUNDS)?;
            let texts = reported.texts.get(index).ok_or(RTW_ERR_BOUNDS)?;
            out.fill(|out| fill(out, finding, texts));
            Ok(())
        })
    })
}

/// Returns whether the machine is ready for a class of work.
///
/// [any]
/// host_class  a class that was judged, or RTW_HOST_CLASS_ALL for the worst of them.
/// verdict     receives RTW_HOST_READY, RTW_HOST_READY_WITH_WARNINGS or RTW_HOST_NOT_READY.
/// errors: RTW_ERR_NULL, RTW_ERR_HANDLE, RTW_ERR_ARGUMENT (no such class, or one that was not judged).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn rtw_host_report_verdict(
    report: *const rtw_host_report_t,
    host_class: u32,
    verdict: *mut u32,
) -> rtw_status_t {
    guard::plain(RTW_ERR_INTERNAL, || {
        // SAFETY: pointers are NULL or valid by the API's contract.
        status_of(unsafe { handle::borrow(report) }.and_then(|reported| {
            // SAFETY: NULL or writable by the API's contract.
            let to = unsafe { verdict.as_mut() }.ok_or(RTW_ERR_NULL)?;
            let report = &reported.report;
            let found = match class_of(host_class) {
                Ok(None) => report.verdict(),
                Ok(Some(class)) if report.classes().any(|judged| judged == class) => report.tally(class).verdict(),
                _ => return Err(RTW_ERR_ARGUMENT),
            };
            *to = match found {
                Verdict::Ready => RTW_HOST_READY,
                Verdict::ReadyWithWarnings => RTW_HOST_READY_WITH_WARNINGS,
                Verdict::NotReady => RTW_HOST_NOT_READY,
            };
            Ok(())
        }))
    })
}

fn class_of(number: u32) -> Result<Option<Class>> {
    match number {
        RTW_HOST_CLASS_ALL => Ok(None),
        RTW_HOST_CLASS_AUDIO_128 => Ok(Some(Class::Audio128)),
        RTW_HOST_CLASS_AUDIO_32 => Ok(Some(Class::Audio32)),
        RTW_HOST_CLASS_CONTROL_1KHZ => Ok(Some(Class::Control1kHz)),
        RTW_HOST_CLASS_CONTROL_10KHZ => Ok(Some(Class::Control10kHz)),
        other => Err(out_of_range("host_class", other)),
    }
}

/// # Safety
/// The pointers in it are NULL or valid.
unsafe fn read(config: &rtw_host_config_t) -> Result<Options> {
    // SAFETY: passed on.
    let root = unsafe { ffi::optional(config.root, "root") }?.map(PathBuf::from);
    if let Some(root) = root.as_ref().filter(|root| !root.is_dir()) {
        return Err(Error::new(RTW_ERR_IO, format!("root: {} is not a directory", root.display())));
    }
    Ok(Options {
        root,
        class: class_of(config.host_class)?,
        period_ns: match config.period_ns {
            0 => None,
            ns @ 10_000..=10_000_000_000 => Some(ns),
            other => return Err(out_of_range("period_ns", other)),
        },
        cpu: match config.cpu {
            RTW_HOST_CPU_ANY => None,
            cpu => Some(usize::try_from(cpu).map_err(|_| out_of_range("cpu", cpu))?),
        },
        thread: flag("calling_thread", config.calling_thread)?,
        probe: match config.probe_ms {
            0 => None,
            ms @ 1..=60_000 => Some(Duration::from_millis(ms.into())),
            other => return Err(out_of_range("probe_ms", other)),
        },
        artifact: match config.artifact.is_null() {
            true => None,
            // SAFETY: passed on.
            false => Some(unsafe { wanted(config.artifact, config.artifact_length) }?),
        },
    })
}

unsafe fn wanted(bytes: *const c_void, length: u64) -> Result<Artifact> {
    // SAFETY: passed on.
    let read = artifact::read(unsafe { module::slice(bytes, usize::try_from(length).unwrap_or(usize::MAX)) }?)?;
    Ok(Artifact { code_bytes: read.code.len() as u64, metadata: read.metadata })
}

impl Texts {
    fn new(finding: &Finding) -> Texts {
        // Text from files has no control characters left, but a path may have.
        let c = |text: &str| CString::new(text.split('\0').next().unwrap_or("")).expect("no NUL is left");
        Texts {
            id: c(finding.id),
            title: c(finding.title),
            found: c(&finding.found),
            expected: c(&finding.expected),
            why: c(finding.why),
            remedy: c(&finding.remedy),
            commands: c(&finding.commands),
        }
    }
}

fn fill(out: &mut rtw_host_finding_t, finding: &Finding, texts: &Texts) {
    let severity = |severity: Option<Severity>| match severity {
        None => RTW_HOST_SEVERITY_NONE,
        Some(Severity::Info) => RTW_HOST_SEVERITY_INFO,
        Some(Severity::Medium) => RTW_HOST_SEVERITY_MEDIUM,
        Some(Severity::High) => RTW_HOST_SEVERITY_HIGH,
        Some(Severity::Fatal) => RTW_HOST_SEVERITY_FATAL,
    };
    out.state = match finding.state {
        State::Good => RTW_HOST_GOOD,
        State::Bad => RTW_HOST_BAD,
        State::Unknown => RTW_HOST_UNKNOWN,
        State::Skipped => RTW_HOST_SKIPPED,
    };
    out.severity = severity(Some(finding.severity));
    out.apply = match finding.apply {
        Apply::Now => RTW_HOST_APPLY_NOW,
        Apply::WithThought => RTW_HOST_APPLY_WITH_THOUGHT,
        Apply::Reboot => RTW_HOST_APPLY_REBOOT,
    };
    out.needs_root = finding.needs_root.into();
    out.class_severity = finding.by_class.map(severity);
    out.id = texts.id.as_ptr();
    out.title = texts.title.as_ptr();
    out.found = texts.found.as_ptr();
    out.expected = texts.expected.as_ptr();
    out.why = texts.why.as_ptr();
    out.remedy = texts.remedy.as_ptr();
    out.commands = texts.commands.as_ptr();
}
