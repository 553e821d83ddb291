//! The CPU's floating-point environment: rounding, the exceptions that trap, the treatment of denormal numbers.
//!
//! Guests compute as WebAssembly specifies: round to nearest, without traps. Only the treatment of denormals is configurable:
//! with them, a decaying reverb tail can cost many times its usual price. The host's own code, host functions included, runs in
//! the thread's own environment. The flags that record which exceptions have happened are shared: it is unspecified if flags
//! that a call raised are still set after it.
//!
//! On x86-64 the environment is MXCSR. Guests do not use the x87 unit, which computes `long double`, and this module does not
//! touch it.

use std::cell::Cell;

/// The treatment of denormals while guests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denormals {
    /// The thread's own treatment.
    Keep,
    /// Treats denormal inputs and results as zero: FTZ and DAZ on x86-64, FZ on aarch64.
    Flush,
    /// Computes with denormals, as IEEE 754 and WebAssembly specify.
    Ieee,
}

/// The control word before a change, for restoring it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

/// The bits for denormals: FTZ and DAZ; on aarch64 FZ, which is set, and the bits for half precision and for inputs alone,
/// which are not.
#[cfg(target_arch = "x86_64")]
const FLUSH_BITS: u32 = 1 << 15 | 1 << 6;
#[cfg(target_arch = "x86_64")]
const DENORMAL_BITS: u32 = FLUSH_BITS;
#[cfg(target_arch = "aarch64")]
const FLUSH_BITS: u32 = 1 << 24;
#[cfg(target_arch = "aarch64")]
const DENORMAL_BITS: u32 = 1 << 24 | 1 << 19 | 1 << 0;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FLUSH_BITS: u32 = 0;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const DENORMAL_BITS: u32 = 0;

/// All bits that decide how numbers are computed: denormals, rounding, the exceptions that trap; on aarch64 also the default
/// NaN and the alternatives to IEEE 754. The flags are not included.
#[cfg(target_arch = "x86_64")]
const CONTROL_BITS: u32 = 0xffc0;
#[cfg(target_arch = "aarch64")]
const CONTROL_BITS: u32 = 0b111 << 24 | 0b11 << 22 | 1 << 19 | 1 << 15 | 0b11111 << 8 | 0b111;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const CONTROL_BITS: u32 = 0;

/// The bits that are set for WebAssembly: on x86-64 the masks of all six exceptions.
#[cfg(target_arch = "x86_64")]
const STANDARD_BITS: u32 = 0x1f80;
#[cfg(not(target_arch = "x86_64"))]
const STANDARD_BITS: u32 = 0;

/// The environment of an instance's calls, on any thread.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The bits that matter, and the value that each of them should have.
    mask: u32,
    set: u32,
}

impl Wanted {
    pub const fn new(denormals: Denormals) -> Wanted {
        match denormals {
            Denormals::Keep => Wanted { mask: CONTROL_BITS & !DENORMAL_BITS, set: STANDARD_BITS },
            Denormals::Flush => Wanted { mask: CONTROL_BITS, set: STANDARD_BITS | FLUSH_BITS },
            Denormals::Ieee => Wanted { mask: CONTROL_BITS, set: STANDARD_BITS },
        }
    }

    /// The bits of `host` that have to change.
    #[inline(always)]
    fn differing(self, host: Mode) -> u32 {
        (host.0 ^ self.set) & self.mask
    }
}

/// The thread's environment as it was when a guest was called.
#[derive(Clone, Debug)]
pub struct Host(Cell<Mode>);

impl Host {
    pub const fn new() -> Host {
        Host(Cell::new(Mode(0)))
    }

    /// Notes the thread's environment. Stores the register directly in its place.
    #[inline(always)]
    pub fn note(&self) {
        // For a copy that `make ablation` compares with.
        if cfg!(not(ablation = "float")) {
            read_to(self.0.as_ptr());
        }
    }

    /// As `note`, for the `Host` at `OFFSET` in `place`: one instruction on x86-64.
    ///
    /// # Safety
    /// There is one.
    #[inline(always)]
    pub unsafe fn note_at<T, const OFFSET: usize>(place: &T) {
        if cfg!(ablation = "float") {
            return;
        }
        let place = std::ptr::from_ref(place);
        // SAFETY: as the caller promises.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            core::arch::asm!("stmxcsr dword ptr [{} + {}]", in(reg) place, const OFFSET, options(nostack, preserves_flags));
        }
        // SAFETY: as the caller promises.
        #[cfg(not(target_arch = "x86_64"))]
        unsafe {
            (*place.byte_add(OFFSET).cast::<Host>()).note();
        }
    }

    /// True if the noted environment has to change for guests.
    #[inline(always)]
    pub fn differs(&self, wanted: Wanted) -> bool {
        cfg!(not(ablation = "float")) && wanted.differing(self.0.get()) != 0
    }

    /// The noted environment, and the guest's.
    #[inline(always)]
    pub fn modes(&self, wanted: Wanted) -> Modes {
        let host = self.0.get();
        Modes { host, guest: Mode(host.0 ^ wanted.differing(host)) }
    }

    /// Notes again what was noted before.
    pub fn restore(&self, before: &Host) {
        self.0.set(before.0.get());
    }

    /// Sets the noted environment, whatever it is now: that of the `Host` at `OFFSET` in `place`. One instruction on x86-64, where setting
    /// the register costs less than checking it.
    ///
    /// # Safety
    /// There is one.
    #[inline(always)]
    pub unsafe fn set_again<T, const OFFSET: usize>(place: &T) {
        if cfg!(ablation = "float") {
            return;
        }
        let place = std::ptr::from_ref(place);
        // SAFETY: the value was read from the register. The word is as the caller promises.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            core::arch::asm!("ldmxcsr dword ptr [{} + {}]", in(reg) place, const OFFSET, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // SAFETY: as the caller promises.
            let host = unsafe { &*place.byte_add(OFFSET).cast::<Host>() }.0.get();
            if read() != host {
                write(host);
            }
        }
    }
}

/// The host's environment and the guest's, for one call.
#[derive(Clone, Copy, Debug)]
pub struct Modes {
    host: Mode,
    guest: Mode,
}

impl Modes {
    /// Switches from the thread's environment to the guest's, if they differ.
    #[inline(always)]
    pub fn enter(self) {
        if self.differ() {
            write(self.guest);
        }
    }

    /// Switches back to the thread's environment.
    #[inline(always)]
    pub fn leave(self) {
        if self.differ() {
            write(self.host);
        }
    }

    /// Enters a host function: restores the thread's environment as it was when the guest was called.
    #[inline(always)]
    pub fn enter_host(self) {
        self.leave();
    }

    /// Leaves a host function, whatever it has done to the environment. On x86-64 setting the register costs less than checking
    /// it.
    #[inline(always)]
    pub fn leave_host(self) {
        if cfg!(target_arch = "x86_64") || read() != self.guest {
            write(self.guest);
        }
    }

    #[inline(always)]
    fn differ(self) -> bool {
        self.host.0 != self.guest.0
    }
}

/// While this value lives, the library rounds to nearest and does not trap, whatever the host's settings: a host that makes
/// division by zero trap does not mean the library's statistics. The treatment of denormals does not change.
pub struct Standard(Mode);

impl Standard {
    pub fn set() -> Standard {
        let before = read();
        let standard = Mode(before.0 & (!CONTROL_BITS | DENORMAL_BITS) | STANDARD_BITS);
        if standard != before {
            write(standard);
        }
        Standard(before)
    }
}

impl Drop for Standard {
    fn drop(&mut self) {
        let now = read();
        let back = Mode(now.0 & (!CONTROL_BITS | DENORMAL_BITS) | self.0.0 & CONTROL_BITS & !DENORMAL_BITS);
        if back != now {
            write(back);
        }
    }
}

/// Sets the mode and returns the previous one.
#[inline]
pub fn set(denormals: Denormals) -> Mode {
    let before = read();
    match denormals {
        Denormals::Keep => {}
        Denormals::Flush => write(Mode(before.0 | FLUSH_BITS)),
        Denormals::Ieee => write(Mode(before.0 & !DENORMAL_BITS)),
    }
    before
}

/// Restores the denormal bits of an earlier mode; exception flags that were raised since remain raised.
#[inline]
pub fn restore(before: Mode) {
    write(Mode(read().0 & !DENORMAL_BITS | before.0 & DENORMAL_BITS));
}

#[inline]
fn read() -> Mode {
    let mut mode = Mode(0);
    read_to(&mut mode);
    mode
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn read_to(mode: *mut Mode) {
    // SAFETY: stores the control and status register to a live word.
    unsafe { core::arch::asm!("stmxcsr dword ptr [{}]", in(reg) mode, options(nostack, preserves_flags)) };
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn write(mode: Mode) {
    let word = mode.0;
    // SAFETY: the value was read from the register, with bits changed that every x86-64 CPU has.
    unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &word, options(nostack, preserves_flags, readonly)) };
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn read_to(mode: *mut Mode) {
    let word: u64;
    // SAFETY: reads the control register, whose upper half is zero.
    unsafe { core::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
    // SAFETY: to a live word.
    unsafe { *mode = Mode(word as u32) };
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn write(mode: Mode) {
    // SAFETY: the value was read from the register, with defined bits changed.
    unsafe { core::arch::asm!("msr fpcr, {}", in(reg) u64::from(mode.0), options(nomem, nostack, preserves_flags)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn read_to(_: *mut Mode) {}

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

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn guests_compute_to_nearest_and_without_traps_and_the_host_gets_its_own_back() {
        // Rounds towards zero, masks all exceptions except division by zero, flushes denormals.
        let host = Mode(0x1f80 & !(1 << 9) | 0b11 << 13 | FLUSH_BITS);
        let before = read();
        for (denormals, guest) in
            [(Denormals::Keep, 0x1f80 | FLUSH_BITS), (Denormals::Flush, 0x1f80 | FLUSH_BITS), (Denormals::Ieee, 0x1f80)]
        {
            write(host);
            let wanted = Wanted::new(denormals);
            let noted = Host::new();
            noted.note();
            assert!(noted.differs(wanted));
            let modes = noted.modes(wanted);
            modes.enter();
            let inside = read();
            modes.enter_host();
            let in_host = read();
            write(Mode(0x1f80 | 0b01 << 13));
            modes.leave_host();
            let again = read();
            modes.leave();
            let after = read();
            write(before);
            let control = |mode: Mode| mode.0 & CONTROL_BITS;
            assert_eq!((control(inside), control(again)), (guest, guest), "{denormals:?}");
            assert_eq!((control(in_host), control(after)), (control(host), control(host)), "{denormals:?}");
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn what_the_library_computes_in_leaves_denormals_alone() {
        let before = read();
        write(Mode(0b10 << 13));
        let standard = Standard::set();
        let inside = read();
        set(Denormals::Flush);
        drop(standard);
        let after = read();
        write(before);
        assert_eq!((inside.0 & CONTROL_BITS, after.0 & CONTROL_BITS), (0x1f80, 0b10 << 13 | FLUSH_BITS));
    }
}
