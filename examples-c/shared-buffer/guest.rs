//! The guest of this example in Rust: hands a part of its memory over, and works in what the host puts there.
//!
//!     rustc --edition 2024 --target wasm32-unknown-unknown --crate-type cdylib -O -C panic=abort -C strip=symbols \
//!         -C link-arg=-zstack-size=16384 --remap-path-prefix=$PWD= guest.rs -o guest_rust.wasm
#![no_std]

use core::cell::UnsafeCell;

const BYTES: usize = 65536;

/// Aligned to the pages of every system. In each new guest it is in the same place, and nothing else uses it.
#[repr(C, align(65536))]
struct Shared(UnsafeCell<[f32; BYTES / 4]>);

// SAFETY: the guest has one thread.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared(UnsafeCell::new([0.0; BYTES / 4]));

#[unsafe(no_mangle)]
pub extern "C" fn buffer() -> *mut f32 {
    SHARED.0.get().cast()
}

#[unsafe(no_mangle)]
pub extern "C" fn buffer_bytes() -> i32 {
    BYTES as i32
}

/// Multiplies samples in place. Others may write to them at any time, so no reference is made to them.
///
/// # Safety
/// There are as many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scale(samples: *mut f32, count: i32, factor: f32) {
    for at in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: as the caller promises.
        unsafe { samples.add(at).write_volatile(samples.add(at).read_volatile() * factor) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
