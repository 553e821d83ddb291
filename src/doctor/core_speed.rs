//! Measures the processor's current speed with a fixed piece of work that keeps its execution units busy and touches no memory.
//!
//! A thread on the other half of the core, or a lowered clock, appears in no figure of the kernel's, least of all if a
//! hypervisor hides that the core has another half. It appears here. Code that waits for one result after the other hardly
//! slows down; code that keeps the units busy takes up to twice as long: so such a thread can make one way to compile code look
//! worse than another.

use crate::rt::fork;
use crate::sys::clock;

/// Steps of one piece of work: some microseconds, so that it can run often, and the clock's reading does not count.
const STEPS: u32 = 1500;

/// Does a piece of work and returns its time in ticks. Allocates nothing.
#[inline(never)]
pub fn work_ticks() -> u64 {
    let started = clock::ticks();
    // Six chains that do not wait for each other, with operations that no two share: the compiler cannot compute them in
    // advance or vectorise them.
    let [mut a, mut b, mut c, mut d, mut e, mut f] = std::hint::black_box([1u64, 2, 3, 4, 5, 6]);
    for step in 0..u64::from(STEPS) {
        a = a.rotate_left(5) ^ step;
        b = b.wrapping_add(step).rotate_left(9);
        c = (c ^ step).wrapping_sub(7);
        d = d.rotate_left(13).wrapping_add(3);
        e = (e.wrapping_add(11)) ^ (e >> 7);
        f = f.rotate_left(21) ^ 5;
    }
    std::hint::black_box([a, b, c, d, e, f]);
    clock::ticks().wrapping_sub(started)
}

/// The speed at which a piece of work was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At the processor's full speed.
    Full,
    /// Slower, but not interrupted: another thread used part of the core, or its clock was lower.
    Slowed,
    /// The thread, or the virtual processor, was interrupted, so the time does not show the speed.
    Interrupted,
}

/// Multiples of the best time from which a piece of work counts as slowed, and as interrupted. Two threads on one core take
/// less than twice as long each because of the units, and share caches and clock.
const SLOWED: f64 = 1.1;
const INTERRUPTED: f64 = 3.0;

impl Pace {
    /// The pace of a piece of work that took `factor` times its best time.
    pub fn of(factor: f64) -> Pace {
        match factor {
            ..SLOWED => Pace::Full,
            ..INTERRUPTED => Pace::Slowed,
            _ => Pace::Interrupted,
        }
    }
}

/// The highest speed of the processor that was measured.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    best_ticks: u64,
}

impl Speed {
    /// Measures for `duration_ns`. If the processor never runs at full speed during that time, its best speed counts as full
    /// until a faster one is seen.
    pub fn measure(duration_ns: u64) -> Speed {
        fork::undisturbed(clock::calibration);
        let end_ns = clock::monotonic_ns() + duration_ns;
        let mut best_ticks = work_ticks();
        while clock::monotonic_ns() < end_ns {
            best_ticks = best_ticks.min(work_ticks());
        }
        Speed { best_ticks }
    }

    /// Does a piece of work and returns the ratio of its time to the best time. Allocates nothing.
    pub fn look(&mut self) -> f64 {
        let ticks = work_ticks();
        self.best_ticks = self.best_ticks.min(ticks);
        ticks as f64 / self.best_ticks.max(1) as f64
    }

    /// Does a piece of work and judges its time.
    pub fn pace(&mut self) -> Pace {
        Pace::of(self.look())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_told_by_the_factor() {
        use Pace::*;
        assert_eq!(
            [1.0, 1.09, 1.1, 1.7, 2.99, 3.0, 1e9].map(Pace::of),
            [Full, Full, Slowed, Slowed, Slowed, Interrupted, Interrupted]
        );
    }

    #[test]
    fn what_cannot_be_reached_makes_everything_slow() {
        let mut speed = Speed::measure(1_000_000);
        let best = speed.best_ticks;
        speed.best_ticks = best / 2;
        assert!((0..50).all(|_| speed.pace() != Pace::Full), "nothing is twice as fast as the best of a millisecond");
    }

    #[test]
    fn work_takes_time_and_the_best_is_kept() {
        let mut speed = Speed::measure(1_000_000);
        let first = speed.best_ticks;
        assert!(first > u64::from(STEPS) / 8, "{first} ticks: it was left out");
        for _ in 0..100 {
            speed.pace();
        }
        assert!(speed.best_ticks <= first);
    }
}
