//! Which library this is.

use std::ffi::c_char;

/// Major version of this header. Compare with rtw_version(), the version of the library found at run time.
pub const RTW_VERSION_MAJOR: u32 = 0;
/// Minor version of this header.
pub const RTW_VERSION_MINOR: u32 = 1;
/// Patch version of this header.
pub const RTW_VERSION_PATCH: u32 = 0;

/// Returns the library's version as one number: major * 65536 + minor * 256 + patch.
///
/// [any]
/// real time: allocates 0, locks 0, system calls 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub extern "C" fn rtw_version() -> u32 {
    RTW_VERSION_MAJOR << 16 | RTW_VERSION_MINOR << 8 | RTW_VERSION_PATCH
}

/// Returns the versions of library and engine, such as "rtwasm 0.1.0 (wasmtime 48.0.8)". The text is static, never NULL.
///
/// [any]
/// real time: allocates 0, locks 0, system calls 0.
/// cbindgen:postfix=RTW_NONBLOCKING
#[unsafe(no_mangle)]
pub extern "C" fn rtw_version_string() -> *const c_char {
    const TEXT: &str = concat!("rtwasm ", env!("CARGO_PKG_VERSION"), " (wasmtime 48.0.8)\0");
    TEXT.as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::profile::ENGINE_VERSION;
    use std::ffi::CStr;

    #[test]
    fn the_parts_compose_the_version() {
        let composed = format!("{RTW_VERSION_MAJOR}.{RTW_VERSION_MINOR}.{RTW_VERSION_PATCH}");
        assert_eq!(composed, env!("CARGO_PKG_VERSION"));
        assert_eq!(rtw_version(), 0x00_00_01_00);
        // SAFETY: static and NUL-terminated.
        let text = unsafe { CStr::from_ptr(rtw_version_string()) }.to_str().unwrap();
        assert_eq!(text, format!("rtwasm {composed} ({ENGINE_VERSION})"));
    }
}
