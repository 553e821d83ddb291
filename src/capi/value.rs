//! The value: one argument, result or global.

use wasmtime::ValRaw;

/// One argument, result or global: 16 bytes, read as the signature says. Little-endian in memory on every target.
#[repr(C)]
#[derive(Clone, Copy)]
pub union rtw_value_t {
    /// i32, signed.
    pub i32: i32,
    /// i32, unsigned.
    pub u32: u32,
    /// i64, signed.
    pub i64: i64,
    /// i64, unsigned.
    pub u64: u64,
    /// f32.
    pub f32: f32,
    /// f64.
    pub f64: f64,
    /// v128, as bytes.
    pub v128: [u8; 16],
    /// v128, as 16 lanes of 8 bits.
    pub i8x16: [i8; 16],
    /// v128, as eight lanes of 16 bits.
    pub i16x8: [i16; 8],
    /// v128, as four lanes of 32 bits.
    pub i32x4: [i32; 4],
    /// v128, as two lanes of 64 bits.
    pub i64x2: [i64; 2],
    /// v128, as four floats.
    pub f32x4: [f32; 4],
    /// v128, as two doubles.
    pub f64x2: [f64; 2],
}

const _: () = assert!(size_of::<rtw_value_t>() == size_of::<ValRaw>() && align_of::<rtw_value_t>() == align_of::<ValRaw>());
