//! How the CPU treats denormal numbers: guests see the host's floating-point mode, and a decaying reverb tail can cost many
//! times its usual price in the wrong one.

/// What shall hold while guests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denormals {
    /// Whatever the thread has.
    Keep,
    /// Denormal inputs and results count as zero: FTZ and DAZ on x86-64, FZ on aarch64.
    Flush,
    /// As IEEE 754 and WebAssembly have it.
    Ieee,
}

/// The control word as it was before a change, to be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u64);

#[cfg(target_arch = "x86_64")]
const FLUSH_BITS: u64 = 1 << 15 | 1 << 6;
#[cfg(target_arch = "aarch64")]
const FLUSH_BITS: u64 = 1 << 24;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FLUSH_BITS: u64 = 0;

/// Sets the mode and returns the one before.
#[inline]
pub fn set(denormals: Denormals) -> Mode {
    let before = read();
    match denormals {
        Denormals::Keep => {}
        Denormals::Flush => write(Mode(before.0 | FLUSH_BITS)),
        Denormals::Ieee => write(Mode(before.0 & !FLUSH_BITS)),
    }
    before
}

/// Puts the denormal bits of an earlier mode back; exception flags that were raised since stay raised.
#[inline]
pub fn restore(before: Mode) {
    write(Mode(read().0 & !FLUSH_BITS | before.0 & FLUSH_BITS));
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn read() -> Mode {
    let mut word = 0u32;
    // SAFETY: stores the control and status register to a live word.
    unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &mut word, options(nostack, preserves_flags)) };
    Mode(u64::from(word))
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn write(mode: Mode) {
    let word = mode.0 as u32;
    // SAFETY: the value was read from the register, with bits changed that every x86-64 CPU has.
    unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &word, options(nostack, preserves_flags, readonly)) };
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn read() -> Mode {
    let word: u64;
    // SAFETY: reads the control register.
    unsafe { core::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
    Mode(word)
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn write(mode: Mode) {
    // SAFETY: the value was read from the register, with one defined bit changed.
    unsafe { core::arch::asm!("msr fpcr, {}", in(reg) mode.0, options(nomem, nostack, preserves_flags)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn read() -> Mode {
    Mode(0)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn write(_: Mode) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    fn halved_smallest() -> f32 {
        black_box(f32::MIN_POSITIVE) * black_box(0.5)
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn flushing_flushes_and_is_undone() {
        let outermost = set(Denormals::Ieee);
        assert_ne!(halved_smallest(), 0.0);
        let before = set(Denormals::Flush);
        assert_eq!(halved_smallest(), 0.0);
        set(Denormals::Keep);
        assert_eq!(halved_smallest(), 0.0);
        restore(before);
        assert_ne!(halved_smallest(), 0.0);
        restore(outermost);
    }
}
