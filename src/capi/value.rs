//! Values: arguments, results and globals.

use wasmtime::ValRaw;

/// One argument, result or global: 16 bytes. The signature says which member is valid. Little-endian in memory on every
/// target.
#[repr(C)]
#[derive(Clone, Copy)]
pub union rtw_value_t {
    /// An i32, as a signed number.
    pub i32: i32,
    /// An i32, as an unsigned number.
    pub u32: u32,
    /// An i64, as a signed number.
    pub i64: i64,
    /// An i64, as an unsigned number.
    pub u64: u64,
    /// An f32.
    pub f32: f32,
    /// An f64.
    pub f64: f64,
    /// A v128, as 16 bytes.
    pub v128: [u8; 16],
    /// A v128, as 16 lanes of 8 bits.
    pub i8x16: [i8; 16],
    /// A v128, as 8 lanes of 16 bits.
    pub i16x8: [i16; 8],
    /// A v128, as 4 lanes of 32 bits.
    pub i32x4: [i32; 4],
    /// A v128, as 2 lanes of 64 bits.
    pub i64x2: [i64; 2],
    /// A v128, as 4 floats.
    pub f32x4: [f32; 4],
    /// A v128, as 2 doubles.
    pub f64x2: [f64; 2],
}

const _: () = assert!(size_of::<rtw_value_t>() == size_of::<ValRaw>() && align_of::<rtw_value_t>() == align_of::<ValRaw>());
