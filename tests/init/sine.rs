//! The guest of sine.c in Rust: a table that is computed when it is set up. No allocator, no imports.
#![no_std]
#![no_main]

use core::ptr::addr_of_mut;

const SIZE: usize = 4096;

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

static mut CONSTRUCTED: i32 = 0;
static mut IS_SET_UP: bool = false;
static mut TABLE: [f32; SIZE] = [0.0; SIZE];
static mut STEP: f64 = 0.0;

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    unsafe { CONSTRUCTED += 1 }
}

#[unsafe(no_mangle)]
extern "C" fn constructed() -> i32 {
    unsafe { CONSTRUCTED }
}

#[unsafe(no_mangle)]
extern "C" fn setup(rate: i32, amplitude: f32) -> i32 {
    if constructed() == 0 {
        return -1;
    }
    let angle = core::f64::consts::TAU / SIZE as f64;
    let square = angle * angle;
    let s = angle * (1.0 - square / 6.0 * (1.0 - square / 20.0));
    let c = 1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0));
    let (mut x, mut y) = (1.0, 0.0);
    let table = unsafe { &mut *addr_of_mut!(TABLE) };
    for entry in table {
        *entry = y as f32 * amplitude;
        (x, y) = (x * c - y * s, x * s + y * c);
    }
    unsafe {
        STEP = 440.0 * SIZE as f64 / f64::from(rate);
        IS_SET_UP = true;
    }
    SIZE as i32
}

/// Faults if nobody has set it up.
#[unsafe(no_mangle)]
extern "C" fn play(n: i32) -> f32 {
    unsafe {
        if !IS_SET_UP {
            core::arch::wasm32::unreachable();
        }
        (*addr_of_mut!(TABLE))[(f64::from(n) * STEP) as usize % SIZE]
    }
}

#[unsafe(no_mangle)]
extern "C" fn divide(by: i32) -> i32 {
    SIZE as i32 / by
}
