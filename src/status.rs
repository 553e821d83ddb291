//! Statuses: the results of functions. Numbers are never reused; the hundreds are families.

/// The result of a function: 0 is success; every error of this library is negative and one of the RTW_ERR_ constants.
/// Callbacks of the host may return other numbers.
#[allow(non_camel_case_types)]
pub type rtw_status_t = i32;

/// Success.
pub const RTW_OK: rtw_status_t = 0;

/// A pointer that must not be NULL is NULL.
pub const RTW_ERR_NULL: rtw_status_t = -101;
/// An argument or field is outside its range, which its comment gives.
pub const RTW_ERR_ARGUMENT: rtw_status_t = -102;
/// The handle is of the wrong kind, was destroyed, or is no handle at all.
pub const RTW_ERR_HANDLE: rtw_status_t = -103;
/// struct_size is not set (call the struct's _init function), or the caller has set a field that is newer than this library.
pub const RTW_ERR_STRUCT_SIZE: rtw_status_t = -104;
/// The array of values is shorter than the function needs: it must hold its parameters, and its results.
pub const RTW_ERR_VALUES: rtw_status_t = -105;
/// An offset and length reach outside the memory, or an index is outside the list.
pub const RTW_ERR_BOUNDS: rtw_status_t = -106;
/// The request is valid but not available: in this version, in this profile, or with this configuration.
pub const RTW_ERR_UNSUPPORTED: rtw_status_t = -107;

/// The bytes are not an rtwasm artifact.
pub const RTW_ERR_NOT_ARTIFACT: rtw_status_t = -201;
/// The bytes are a plain WebAssembly module: compile it first (rtwasm compile).
pub const RTW_ERR_PLAIN_WASM: rtw_status_t = -202;
/// The artifact is shorter than its header says.
pub const RTW_ERR_TRUNCATED: rtw_status_t = -203;
/// The artifact does not match its digest: it is damaged.
pub const RTW_ERR_DIGEST: rtw_status_t = -204;
/// This library does not read the artifact's envelope version.
pub const RTW_ERR_ENVELOPE_VERSION: rtw_status_t = -205;
/// The artifact was compiled by an engine release whose code this library does not load, or with settings that its engine does
/// not accept. Compile the module again.
pub const RTW_ERR_ENGINE: rtw_status_t = -206;
/// The artifact was compiled for another architecture or operating system.
pub const RTW_ERR_TARGET: rtw_status_t = -207;
/// The artifact needs a CPU feature that this machine lacks.
pub const RTW_ERR_CPU_FEATURE: rtw_status_t = -208;
/// The artifact was compiled for a profile that the runtime does not load.
pub const RTW_ERR_PROFILE: rtw_status_t = -209;
/// The artifact's envelope contradicts itself.
pub const RTW_ERR_ARTIFACT: rtw_status_t = -210;
/// The WebAssembly module is malformed or invalid.
pub const RTW_ERR_WASM: rtw_status_t = -211;
/// The WebAssembly module needs a proposal that is disabled.
pub const RTW_ERR_PROPOSAL: rtw_status_t = -212;

/// This library does not accept the compiler release that made the artifact: it is not known to generate the same code as the
/// library's, or known to generate wrong code, or older than the runtime's min_compiler_release. Compile the module again.
pub const RTW_ERR_COMPILER: rtw_status_t = -213;
/// The runtime has trusted_keys, and none of them has signed the artifact.
pub const RTW_ERR_UNSIGNED: rtw_status_t = -214;
/// A trusted key has signed the artifact, which was changed afterwards.
pub const RTW_ERR_FORGED: rtw_status_t = -215;

/// The module has no export of that name.
pub const RTW_ERR_NO_EXPORT: rtw_status_t = -301;
/// The export is of another kind: a memory instead of a function, for example.
pub const RTW_ERR_EXPORT_KIND: rtw_status_t = -302;
/// The exported function has another type than the caller asked for.
pub const RTW_ERR_SIGNATURE: rtw_status_t = -303;
/// The signature string is malformed.
pub const RTW_ERR_SIGNATURE_SYNTAX: rtw_status_t = -304;
/// The module imports something that the host did not provide.
pub const RTW_ERR_IMPORT_MISSING: rtw_status_t = -305;
/// The host provided an import with another type than the module's.
pub const RTW_ERR_IMPORT_TYPE: rtw_status_t = -306;

/// There is not enough memory or address space.
pub const RTW_ERR_NO_MEMORY: rtw_status_t = -401;
/// Memory could not be locked.
pub const RTW_ERR_MEMLOCK: rtw_status_t = -402;
/// The system refuses something that the function needs: a priority, an affinity, executable memory, a system call.
pub const RTW_ERR_PERMISSION: rtw_status_t = -403;
/// A file could not be read or written.
pub const RTW_ERR_IO: rtw_status_t = -404;
/// A limit is exceeded, of a configuration or of this library.
pub const RTW_ERR_LIMIT: rtw_status_t = -405;
/// The thread's current stack has no room for a guest, or is neither the thread's own nor a declared one.
pub const RTW_ERR_STACK_SIZE: rtw_status_t = -406;
/// The call failed, and the thread's arena was too small to keep the reason.
pub const RTW_ERR_ARENA: rtw_status_t = -407;

/// The thread is not attached to the runtime.
pub const RTW_ERR_NOT_ATTACHED: rtw_status_t = -501;
/// The thread is attached already.
pub const RTW_ERR_ATTACHED: rtw_status_t = -502;
/// The instance faulted in an earlier call; reset it before the next one.
pub const RTW_ERR_FAULTED: rtw_status_t = -503;
/// The object is in use: the instance is in a call or being reset, a block has begun, a state is being saved, or a worker
/// would wait for itself.
pub const RTW_ERR_BUSY: rtw_status_t = -504;
/// The object belongs to the parent process; a forked child cannot use it.
pub const RTW_ERR_FORKED: rtw_status_t = -505;
/// The signal handlers that the standalone profile needs were replaced or must not be installed, or the thread blocks their
/// signals.
pub const RTW_ERR_SIGNALS: rtw_status_t = -506;
/// An earlier internal error has made the object unusable.
pub const RTW_ERR_POISONED: rtw_status_t = -507;

/// The guest's state could not be transferred: the old instance could not save it, or the new one refused it.
pub const RTW_ERR_STATE: rtw_status_t = -508;

/// The guest executed an unreachable instruction.
pub const RTW_ERR_TRAP_UNREACHABLE: rtw_status_t = -601;
/// The guest accessed a linear memory out of bounds.
pub const RTW_ERR_TRAP_MEMORY: rtw_status_t = -602;
/// The guest accessed a table out of bounds.
pub const RTW_ERR_TRAP_TABLE: rtw_status_t = -603;
/// The guest called a table entry that is empty or has another type.
pub const RTW_ERR_TRAP_INDIRECT_CALL: rtw_status_t = -604;
/// The guest divided an integer by zero.
pub const RTW_ERR_TRAP_DIVIDE_BY_ZERO: rtw_status_t = -605;
/// The guest's integer division overflowed, or it converted a float that is outside the integer's range.
pub const RTW_ERR_TRAP_INTEGER_OVERFLOW: rtw_status_t = -606;
/// The guest converted a NaN to an integer.
pub const RTW_ERR_TRAP_BAD_CONVERSION: rtw_status_t = -607;
/// The guest exhausted its stack.
pub const RTW_ERR_TRAP_STACK: rtw_status_t = -608;
/// The guest trapped for a reason that has no status of its own.
pub const RTW_ERR_TRAP_OTHER: rtw_status_t = -609;
/// A host function returned an error.
pub const RTW_ERR_HOST: rtw_status_t = -610;
/// The call exceeded its budget and was cut off.
pub const RTW_ERR_BUDGET: rtw_status_t = -611;

/// The guest made an atomic access at an address that is not a multiple of the access's size.
pub const RTW_ERR_TRAP_MISALIGNED: rtw_status_t = -612;
/// The guest called an import for which rtw_imports_stubs has put a stub; rtw_instance_fault names it.
pub const RTW_ERR_STUB: rtw_status_t = -613;
/// The guest ended itself with proc_exit, and its code is not 0: host_status of rtw_fault_t. With code 0 the call returns RTW_OK
/// with results of 0. After either, further calls return RTW_ERR_FAULTED until the instance is reset.
pub const RTW_ERR_EXITED: rtw_status_t = -614;
/// The guest ended itself because it found an error of its own (abort, a failed assertion).
pub const RTW_ERR_ABORTED: rtw_status_t = -615;

/// The queue is full.
pub const RTW_ERR_FULL: rtw_status_t = -701;
/// There is nothing to take: no completion, no block, no instance.
pub const RTW_ERR_EMPTY: rtw_status_t = -702;
/// The timeout has passed.
pub const RTW_ERR_TIMEOUT: rtw_status_t = -703;
/// The invocation was cancelled before it began. As host_status of rtw_fault_t: the thread ended in the host function
/// (RTW_HOST_MAY_BLOCK).
pub const RTW_ERR_CANCELLED: rtw_status_t = -704;
/// The worker is running; stop it first.
pub const RTW_ERR_RUNNING: rtw_status_t = -705;
/// The worker is stopped; start it first.
pub const RTW_ERR_STOPPED: rtw_status_t = -706;

/// This library has a defect. The object that the function was changing is poisoned.
pub const RTW_ERR_INTERNAL: rtw_status_t = -901;

macro_rules! table {
    ($($name:ident $text:literal,)*) => {
        /// Every status.
        pub const STATUSES: &[rtw_status_t] = &[$($name,)*];
        /// Of each in turn, its name and its sentence, both NUL-terminated so that C can have them as they are. One text, since a
        /// pointer to each would take as much room in the library again.
        const TEXTS: &str = concat!($(stringify!($name), "\0", $text, "\0",)*);
    };
}

table! {
    RTW_OK "success",
    RTW_ERR_NULL "a pointer that must not be NULL is NULL",
    RTW_ERR_ARGUMENT "an argument is out of range",
    RTW_ERR_HANDLE "the handle is of the wrong kind, destroyed, or no handle",
    RTW_ERR_STRUCT_SIZE "struct_size is not set (call the struct's _init function), or a field is set that is newer than this library",
    RTW_ERR_VALUES "the value array is shorter than the signature needs",
    RTW_ERR_BOUNDS "out of bounds",
    RTW_ERR_UNSUPPORTED "not available in this version, profile or configuration",
    RTW_ERR_NOT_ARTIFACT "not an rtwasm artifact",
    RTW_ERR_PLAIN_WASM "a plain WebAssembly module: compile it first",
    RTW_ERR_TRUNCATED "the artifact is truncated",
    RTW_ERR_DIGEST "the artifact does not match its digest",
    RTW_ERR_ENVELOPE_VERSION "this library does not read the artifact's envelope version",
    RTW_ERR_ENGINE "the artifact was made by another engine or with other settings",
    RTW_ERR_TARGET "the artifact was made for another architecture or system",
    RTW_ERR_CPU_FEATURE "the artifact needs a CPU feature that is missing here",
    RTW_ERR_PROFILE "the artifact was compiled for another profile",
    RTW_ERR_ARTIFACT "the artifact's envelope contradicts itself",
    RTW_ERR_WASM "the WebAssembly module is malformed or invalid",
    RTW_ERR_PROPOSAL "the WebAssembly module needs a proposal that is disabled",
    RTW_ERR_COMPILER "the artifact's compiler release is not known to be equal, generates wrong code, or is older than permitted",
    RTW_ERR_UNSIGNED "no key that the runtime trusts has signed the artifact",
    RTW_ERR_FORGED "the artifact is not what the trusted key has signed",
    RTW_ERR_NO_EXPORT "no export of that name",
    RTW_ERR_EXPORT_KIND "the export is of another kind",
    RTW_ERR_SIGNATURE "the export has another type",
    RTW_ERR_SIGNATURE_SYNTAX "the signature string is malformed",
    RTW_ERR_IMPORT_MISSING "an import is missing",
    RTW_ERR_IMPORT_TYPE "an import has another type",
    RTW_ERR_NO_MEMORY "not enough memory or address space",
    RTW_ERR_MEMLOCK "memory could not be locked",
    RTW_ERR_PERMISSION "not permitted by the system",
    RTW_ERR_IO "a file could not be read or written",
    RTW_ERR_LIMIT "a limit is exceeded",
    RTW_ERR_STACK_SIZE "the thread's current stack has no room for guests",
    RTW_ERR_ARENA "the thread's arena is exhausted",
    RTW_ERR_NOT_ATTACHED "the thread is not attached",
    RTW_ERR_ATTACHED "the thread is attached already",
    RTW_ERR_FAULTED "the instance has faulted",
    RTW_ERR_BUSY "the instance is in a call",
    RTW_ERR_FORKED "the process was forked",
    RTW_ERR_SIGNALS "the signal handlers were replaced, or none may be installed",
    RTW_ERR_POISONED "an earlier internal error made the object unusable",
    RTW_ERR_STATE "the guest's state could not be transferred",
    RTW_ERR_TRAP_UNREACHABLE "trap: unreachable executed",
    RTW_ERR_TRAP_MEMORY "trap: memory access out of bounds",
    RTW_ERR_TRAP_TABLE "trap: table access out of bounds",
    RTW_ERR_TRAP_INDIRECT_CALL "trap: indirect call to an empty or differently typed entry",
    RTW_ERR_TRAP_DIVIDE_BY_ZERO "trap: integer division by zero",
    RTW_ERR_TRAP_INTEGER_OVERFLOW "trap: integer overflow",
    RTW_ERR_TRAP_BAD_CONVERSION "trap: conversion of NaN to an integer",
    RTW_ERR_TRAP_STACK "trap: stack exhausted",
    RTW_ERR_TRAP_OTHER "trap",
    RTW_ERR_HOST "a host function failed",
    RTW_ERR_BUDGET "the call was cut off at its budget",
    RTW_ERR_TRAP_MISALIGNED "trap: misaligned atomic access",
    RTW_ERR_STUB "the guest called an import that was not provided",
    RTW_ERR_EXITED "the guest ended itself with an exit code",
    RTW_ERR_ABORTED "the guest aborted",
    RTW_ERR_FULL "the queue is full",
    RTW_ERR_EMPTY "there is nothing to take",
    RTW_ERR_TIMEOUT "the timeout has passed",
    RTW_ERR_CANCELLED "cancelled before it began",
    RTW_ERR_RUNNING "the worker is running",
    RTW_ERR_STOPPED "the worker is stopped",
    RTW_ERR_INTERNAL "internal error",
}

/// A status with the particulars that a setup function can afford to put into words.
#[derive(Debug, Clone)]
pub struct Error {
    pub status: rtw_status_t,
    /// `errno` where a system call was refused, else 0.
    pub os_error: i32,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(status: rtw_status_t, message: impl Into<String>) -> Error {
        Error { status, os_error: 0, message: message.into() }
    }

    /// An error with the calling thread's `errno`, whose text is appended.
    pub fn last_os_error(status: rtw_status_t, message: impl std::fmt::Display) -> Error {
        Error::os(status, message, &std::io::Error::last_os_error())
    }

    pub fn os(status: rtw_status_t, message: impl std::fmt::Display, cause: &std::io::Error) -> Error {
        Error { status, os_error: cause.raw_os_error().unwrap_or(0), message: format!("{message}: {cause}") }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// True if a character of a foreign name changes how the text around it is shown: a control character, or one that changes the
/// direction of writing.
pub fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The name and the sentence of a status, NUL-terminated; a number that is not a status gets a text saying so. Nothing in it can panic,
/// so that the functions of the C API that return these texts have no handlers.
pub fn describe(status: rtw_status_t) -> (&'static str, &'static str) {
    find(status).unwrap_or(("RTW_ERR_?\0", "not a status of this library\0"))
}

fn find(status: rtw_status_t) -> Option<(&'static str, &'static str)> {
    let mut ends = TEXTS.bytes().enumerate().filter(|(_, byte)| *byte == 0).map(|(at, _)| at + 1);
    let mut start = 0;
    for known in STATUSES {
        let (middle, end) = (ends.next()?, ends.next()?);
        if *known == status {
            return Some((TEXTS.get(start..middle)?, TEXTS.get(middle..end)?));
        }
        start = end;
    }
    None
}

/// A status by its name in the C header.
pub fn name(status: rtw_status_t) -> &'static str {
    describe(status).0.trim_end_matches('\0')
}

/// A status as a sentence.
pub fn sentence(status: rtw_status_t) -> &'static str {
    describe(status).1.trim_end_matches('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_is_in_the_table_once() {
        let source = include_str!("status.rs");
        let declared: Vec<&str> =
            source.lines().filter_map(|line| line.strip_prefix("pub const RTW_")?.split(':').next()).collect();
        assert_eq!(declared.len(), STATUSES.len());
        for known in declared {
            let full = format!("RTW_{known}");
            assert_eq!(STATUSES.iter().filter(|status| name(**status) == full).count(), 1, "{full}");
        }
        assert_eq!(TEXTS.matches('\0').count(), 2 * STATUSES.len(), "no zero bytes within");
        let mut numbers = STATUSES.to_vec();
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), STATUSES.len(), "a number stands twice");
    }
}
