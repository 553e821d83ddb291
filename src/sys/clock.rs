//! Time for latency measurements: the CPU's invariant counter, or CLOCK_MONOTONIC if the CPU has none.
//!
//! A pair of clock reads costs more than a call into a guest, so a read is one instruction, and readers of the figures convert
//! them to nanoseconds. Counter reads do not serialise: a few instructions at the edges may fall on the other side, which is
//! below the resolution of every reported figure.

use once_cell::sync::OnceCell;
use std::sync::Mutex;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

pub const NS_PER_S: u64 = 1_000_000_000;

/// Converts ticks to nanoseconds. [`calibration`] measures it.
#[derive(Debug, Clone, Copy)]
pub struct Calibration {
    pub ns_per_tick: f64,
    pub source: Source,
}

impl Calibration {
    /// The resolution of times: one step of the counter, in ns. It is below 1 ns on most x86-64 processors, 10 ns on some,
    /// 18 to 52 ns on most boards.
    pub fn resolution_ns(&self) -> f64 {
        self.ns_per_tick * self.ticks_per_step() as f64
    }

    /// The counter goes up by multiples of this: 1 nearly everywhere. The first call in a process takes about 0.05 ms. Neither allocates
    /// nor waits.
    pub fn ticks_per_step(&self) -> u64 {
        // The first of several measurements stays; 0: none yet.
        static STEP: AtomicU64 = AtomicU64::new(0);
        if STEP.load(Relaxed) == 0 {
            let measured = if self.source == Source::Counter { step(counter) } else { step(monotonic_ns) };
            let _ = STEP.compare_exchange(0, measured, Relaxed, Relaxed);
        }
        STEP.load(Relaxed)
    }

    /// Converts ticks to nanoseconds.
    #[inline]
    pub fn ns(&self, ticks: u64) -> f64 {
        ticks as f64 * self.ns_per_tick
    }

    /// Converts nanoseconds to whole ticks, rounded down.
    #[inline]
    pub fn ticks(&self, ns: u64) -> u64 {
        (ns as f64 / self.ns_per_tick) as u64
    }

    fn of_system_clock() -> Calibration {
        Calibration { ns_per_tick: 1.0, source: Source::Monotonic }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The invariant time-stamp counter (x86-64) or the virtual counter (aarch64).
    Counter,
    /// `clock_gettime(CLOCK_MONOTONIC)`: one tick is one nanosecond.
    Monotonic,
}

/// Set by the first calibration. Until then the system supplies the time, so that a reading is slow but never wrong.
static USE_COUNTER: AtomicBool = AtomicBool::new(false);

/// The largest error of the first ratio, relative: enough for budgets.
const FIRST_ERROR: f64 = 0.0005;
/// The longest time that the first calibration takes to get there, should the system's clock be slow to read.
const FIRST_MOST_NS: u64 = 2_000_000;
/// After this time the ratio is exact to some parts per million, and stays.
const SETTLED_NS: u64 = 20_000_000;

/// The first calibration of the process's counter.
struct First {
    calibration: Calibration,
    /// The time since which the ratio is measured. Another one takes its place if the clocks turn out to have been apart since, as when
    /// the machine was suspended.
    since: Mutex<Reading>,
}

static FIRST: OnceCell<First> = OnceCell::new();

fn first(since: Reading) -> First {
    let first = match counter_is_invariant() {
        true => calibrate_counter(since),
        false => None,
    };
    let first = first.unwrap_or_else(|| {
        SETTLED.store(true, Release);
        First { calibration: Calibration::of_system_clock(), since: Mutex::new(Reading::default()) }
    });
    NS_PER_TICK.store(first.calibration.ns_per_tick.to_bits(), Relaxed);
    USE_COUNTER.store(first.calibration.source == Source::Counter, Relaxed);
    first
}

/// The ratio as it is known now: the bits of `ns_per_tick`.
static NS_PER_TICK: AtomicU64 = AtomicU64::new(0);
/// True if the ratio stays from now on.
static SETTLED: AtomicBool = AtomicBool::new(false);

/// Returns the best that is known. The first call is exact to 0.05 %, and takes as long as that needs, up to 0.1 ms. Every later one
/// measures the ratio over the time since then, which takes 2 us, until 20 ms have passed: from then on all calls return the same
/// figures. Neither allocates nor makes a system call on the usual clock sources. Not for real-time threads until another thread has
/// called it (`rtw_runtime_create` does).
pub fn calibration() -> Calibration {
    calibration_since(None)
}

/// The moment at which a first calibration begins.
pub struct Begun(Reading);

/// Begins a first calibration, for [`calibration_since`]: other work in between is time that it need not wait.
pub fn begin() -> Begun {
    Begun(simultaneous_reading())
}

/// As [`calibration`], measured since that moment if it is the first.
pub fn calibration_since(begun: Option<Begun>) -> Calibration {
    let first = FIRST.get_or_init(|| first(begun.unwrap_or_else(begin).0));
    if !SETTLED.load(Acquire) {
        refine(first);
    }
    Calibration { ns_per_tick: f64::from_bits(NS_PER_TICK.load(Relaxed)), ..first.calibration }
}

/// As [`calibration`], of figures that stay: waits until 20 ms have passed since the first calibration. For threads that keep them.
pub fn settled_calibration() -> Calibration {
    const PARTS: u64 = 20;
    // In the child of a fork nobody may be left to measure; the first ratio has to do there.
    for _ in 0..2 * PARTS {
        let calibration = calibration();
        if SETTLED.load(Acquire) {
            return calibration;
        }
        super::sleeper::sleep_for(std::time::Duration::from_nanos(SETTLED_NS / PARTS));
    }
    calibration()
}

/// Measures the ratio over the time that has passed. Another thread that does so at the same time is enough.
fn refine(first: &First) {
    let Ok(mut since) = first.since.try_lock() else { return };
    if SETTLED.load(Relaxed) {
        return;
    }
    let now = simultaneous_reading();
    match since.refined(first.calibration.ns_per_tick, &now) {
        Some(ns_per_tick) => {
            NS_PER_TICK.store(ns_per_tick.to_bits(), Relaxed);
            SETTLED.store(now.ns - since.ns >= SETTLED_NS, Release);
        }
        None => *since = now,
    }
}

/// The time now, in ticks.
#[inline(always)]
pub fn ticks() -> u64 {
    if USE_COUNTER.load(Relaxed) { counter() } else { without_counter() }
}

/// Apart, so that it takes no room where the counter is read.
#[cold]
#[inline(never)]
fn without_counter() -> u64 {
    monotonic_ns()
}

/// `CLOCK_MONOTONIC` in nanoseconds. On the usual clock sources this goes through the vDSO, without a system call.
#[inline]
pub fn monotonic_ns() -> u64 {
    system_ns(libc::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME` in nanoseconds since 1970. On the usual clock sources this goes through the vDSO, without a system call.
#[inline]
pub fn realtime_ns() -> u64 {
    system_ns(libc::CLOCK_REALTIME)
}

#[inline(always)]
fn system_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec; both clocks always exist on Linux.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * NS_PER_S + time.tv_nsec as u64
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction. If the system forbids it to user code, the process has already died in the
    // calibration below.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "x86_64")]
fn counter_is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    const INVARIANT_TSC: u32 = 1 << 8;
    // Every 64-bit processor has this leaf: the size of addresses is in the next one. In a virtual machine each look takes microseconds.
    __cpuid(0x8000_0007).edx & INVARIANT_TSC != 0
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn counter() -> u64 {
    let ticks: u64;
    // SAFETY: reads the virtual counter, which Linux gives to user code; no memory is touched.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

#[cfg(target_arch = "aarch64")]
fn counter_is_invariant() -> bool {
    // The architecture defines the counter as fixed in frequency and running in every power state.
    true
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter() -> u64 {
    monotonic_ns()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter_is_invariant() -> bool {
    false
}

/// Compares the counter with CLOCK_MONOTONIC until the ratio is exact enough. None: the counter stands still or runs backwards.
fn calibrate_counter(since: Reading) -> Option<First> {
    loop {
        let now = simultaneous_reading();
        let measured = since.ratio_to(&now);
        let is_late = now.ns - since.ns > FIRST_MOST_NS;
        match measured {
            Some((ns_per_tick, error)) if error <= FIRST_ERROR || is_late => {
                let calibration = Calibration { ns_per_tick, source: Source::Counter };
                return Some(First { calibration, since: Mutex::new(since) });
            }
            None if is_late => return None,
            _ => {}
        }
    }
}

/// The resolution of the clock, however long a reading takes: the greatest common divisor of the differences between readings. Where a
/// slower counter is scaled to a faster one, the differences are multiples of its step up to rounding, and that step is meant.
fn step(read: impl Fn() -> u64) -> u64 {
    const READINGS: usize = 512;
    // With a smaller number, too many differences would be close to a multiple of it by chance.
    const LEAST_STEP: u64 = 20;
    // No vector: the process may have no memory left.
    let (mut room, mut count) = ([0; READINGS], 0);
    let mut before = read();
    for reading in 0..READINGS {
        // Readings at equal distances would look like steps.
        for _ in 0..reading % 97 {
            std::hint::black_box(reading);
        }
        let now = read();
        if now != before {
            room[count] = now.wrapping_sub(before);
            count += 1;
        }
        before = now;
    }
    let differences = &room[..count];
    let exact = differences.iter().fold(0, |step, difference| greatest_common_divisor(step, *difference));
    if exact == 1 {
        let share = |is: &dyn Fn(u64) -> bool| differences.iter().filter(|difference| is(**difference)).count();
        let is_close = |difference: u64, step: u64| matches!(difference % step, rest if rest <= 1 || rest == step - 1);
        let is_step = |step: u64| {
            // Rounding adds up over many steps.
            let near = share(&|difference| difference < 8 * step);
            near > READINGS / 2 && share(&|difference| difference < 8 * step && is_close(difference, step)) * 20 >= near * 19
        };
        let smallest = differences.iter().copied().filter(|difference| *difference >= LEAST_STEP).min();
        if let Some(scaled) = smallest.into_iter().flat_map(|least| least..=least + 2).find(|step| is_step(*step)) {
            return scaled;
        }
    }
    exact.max(1)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The counter and CLOCK_MONOTONIC at nearly the same moment.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    ticks: u64,
    ns: u64,
    /// The ticks during which the system's clock was read.
    width: u64,
}

impl Reading {
    /// The nanoseconds of a tick between this reading and a later one, and the largest relative error of that. None: the counter did not
    /// go forward.
    fn ratio_to(&self, later: &Reading) -> Option<(f64, f64)> {
        let ticks = later.ticks.wrapping_sub(self.ticks);
        if ticks == 0 || ticks > u64::MAX / 2 || later.ns <= self.ns {
            return None;
        }
        // The system's clock was read somewhere within the widths, and rounds to whole ns.
        let error = (self.width + later.width) as f64 / 2.0 / ticks as f64 + 1.0 / (later.ns - self.ns) as f64;
        Some(((later.ns - self.ns) as f64 / ticks as f64, error))
    }

    /// The ratio between this reading and a later one. None: it is not what the first one, with both errors, can become, so that one clock
    /// has stood still or was set in between.
    fn refined(&self, first: f64, later: &Reading) -> Option<f64> {
        let (ns_per_tick, error) = self.ratio_to(later)?;
        let apart = (ns_per_tick / first - 1.0).abs();
        (apart <= 2.0 * (FIRST_ERROR + error)).then_some(ns_per_tick)
    }
}

/// The tightest of several readings, so that an interruption between the two clocks does not count.
fn simultaneous_reading() -> Reading {
    let read = || {
        let before = counter();
        let ns = monotonic_ns();
        let width = counter().wrapping_sub(before);
        Reading { ticks: before.wrapping_add(width / 2), ns, width }
    };
    (1..32).fold(read(), |best, _| {
        let now = read();
        if now.width < best.width { now } else { best }
    })
}

/// The resolution of CLOCK_MONOTONIC.
pub fn resolution_ns() -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    let refused = unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC, &mut time) };
    (refused == 0).then_some(time.tv_sec as u64 * NS_PER_S + time.tv_nsec as u64)
}

/// The unit of the times in /proc/stat.
pub fn accounting_ticks_per_second() -> Option<u64> {
    // SAFETY: sysconf has no preconditions.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok().filter(|ticks| *ticks > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_what_all_differences_have_in_common() {
        for fine in [1, 3, 36] {
            let ticks = std::cell::Cell::new(1_000_000_007);
            let read = || {
                ticks.set(ticks.get() + fine * [0, 1, 2, 5, 700][ticks.get() as usize % 5]);
                ticks.set(ticks.get() + fine);
                ticks.get()
            };
            assert_eq!(step(read), fine);
        }
        assert_eq!(step(|| 7), 1, "a clock that stands still");
    }

    /// Readings of a counter that advances by a pseudo-random time between two of them, as `shown` shows them.
    fn readings(shown: impl Fn(u64) -> u64) -> impl Fn() -> u64 {
        let state = std::cell::Cell::new((88_172_645_463_325_252u64, 0u64));
        move || {
            let (mut random, time) = state.get();
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            state.set((random, time + 20 + random % 60));
            shown(state.get().1)
        }
    }

    #[test]
    fn the_step_of_a_scaled_counter_is_that_of_the_slower_one() {
        // 100 MHz shown as 2596 MHz.
        assert_eq!(step(readings(|time| (time / 26) * 2596 / 100)), 26);
        assert_eq!(step(readings(|time| time)), 1, "a counter that has every value");
        assert_eq!(step(readings(|time| time / 36 * 36)), 36);
    }

    #[test]
    fn ticks_and_nanoseconds_convert_both_ways() {
        let clock = Calibration { ns_per_tick: 0.5, source: Source::Counter };
        assert_eq!((clock.ns(3), clock.ticks(3), clock.ticks(u64::MAX)), (1.5, 6, u64::MAX));
    }

    #[test]
    fn a_ratio_knows_its_error() {
        let at = |ticks, ns| Reading { ticks, ns, width: 100 };
        let (ratio, error) = at(1_000, 50).ratio_to(&at(201_000, 100_050)).unwrap();
        assert_eq!(ratio, 0.5);
        assert!((error - 0.00051).abs() < 1e-9, "100 ticks of 200,000, and a nanosecond of 100,000: {error}");
        assert!(at(5, 50).ratio_to(&at(5, 60)).is_none(), "it stands still");
        assert!(at(5, 50).ratio_to(&at(4, 60)).is_none(), "it runs backwards");
    }

    #[test]
    fn the_ratio_settles_near_the_first() {
        calibration();
        let first = FIRST.get().unwrap().calibration;
        let settled = settled_calibration();
        assert_eq!(settled.ns_per_tick, calibration().ns_per_tick, "it stays");
        assert_eq!((settled.source, settled.ticks_per_step()), (first.source, first.ticks_per_step()));
        assert!((settled.ns_per_tick / first.ns_per_tick - 1.0).abs() < 4.0 * FIRST_ERROR, "{settled:?}, first {first:?}");
    }

    #[test]
    fn a_ratio_over_a_suspension_is_none() {
        let since = Reading { ticks: 1_000, ns: 1_000, width: 100 };
        let after = |ms: u64, asleep_ms: u64| Reading { ticks: (ms + asleep_ms) * 2_000_000, ns: ms * 1_000_000, width: 100 };
        let refined = |later: Reading| since.refined(0.5, &later);
        assert!(refined(after(30, 0)).is_some_and(|ratio| (ratio - 0.5).abs() < 1e-5));
        assert_eq!(refined(after(30, 10_000)), None, "the counter went on while the system's clock stood still");
        assert_eq!(refined(Reading { ticks: 500, ..after(30, 0) }), None, "the counter was set back");
    }

    #[test]
    fn the_resolution_is_a_time() {
        let calibration = calibration();
        assert!(calibration.resolution_ns() > 0.0 && calibration.resolution_ns() < 1e6, "{calibration:?}");
    }

    #[test]
    fn ticks_run_with_the_system_clock() {
        let calibration = calibration();
        // Each reading of the ticks between two of the system: the thread may lose its CPU between any of them.
        let both = || (monotonic_ns(), ticks(), monotonic_ns());
        let before = both();
        while monotonic_ns() - before.2 < 50_000_000 {
            std::hint::spin_loop();
        }
        let after = both();
        let by_ticks = (after.1 - before.1) as f64 * calibration.ns_per_tick;
        let (shortest, longest) = ((after.0 - before.2) as f64, (after.2 - before.0) as f64);
        assert!(
            0.99 * shortest < by_ticks && by_ticks < 1.01 * longest,
            "{by_ticks} ns by ticks, {shortest} to {longest} by the system"
        );
    }
}
