//! How fast the processor executes just now, told by a fixed piece of work that keeps its execution units full and touches no
//! memory.
//!
//! A thread on the other half of the core and a lowered clock show in nothing that a kernel counts, least of all where a hypervisor
//! hides that the core has another half. They show here. Code that waits for one result after the other hardly notices them; code
//! that keeps the units busy takes up to twice as long: so they can make one way to compile code look worse than another.

use crate::sys::clock;

/// One piece of work: some microseconds, so that it can be done often, and reading the clock does not count.
const STEPS: u32 = 1500;

/// What a piece of work takes, in ticks. Allocates nothing.
#[inline(never)]
pub fn work_ticks() -> u64 {
    let started = clock::ticks();
    // Six chains that do not wait for each other, of operations that no two have in common: nothing to compute ahead or to put into
    // vectors.
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

/// How a piece of work was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the processor can.
    Full,
    /// Slower, without having been stopped: somebody had part of the core, or its clock was lower.
    Slowed,
    /// The thread was off the processor meanwhile, or the processor elsewhere, which says nothing of its speed.
    Interrupted,
}

/// Of the best time: from where it counts as slowed, and from where as interrupted. Two threads on one core take less than twice as
/// long each for the units' sake, and share its caches and its clock.
const SLOWED: f64 = 1.1;
const INTERRUPTED: f64 = 3.0;

impl Pace {
    /// Of a piece of work that took `factor` times what it takes at best.
    pub fn of(factor: f64) -> Pace {
        match factor {
            ..SLOWED => Pace::Full,
            ..INTERRUPTED => Pace::Slowed,
            _ => Pace::Interrupted,
        }
    }
}

/// Knows how fast the processor can be.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    best_ticks: u64,
}

impl Speed {
    /// Looks for `duration_ns`. Where the processor is never at full speed as long as that, what it is then counts as full, until
    /// something faster is seen.
    pub fn measure(duration_ns: u64) -> Speed {
        clock::calibration();
        let end_ns = clock::monotonic_ns() + duration_ns;
        let mut best_ticks = work_ticks();
        while clock::monotonic_ns() < end_ns {
            best_ticks = best_ticks.min(work_ticks());
        }
        Speed { best_ticks }
    }

    /// Does a piece of work: how many times as long it took as at best. Allocates nothing.
    pub fn look(&mut self) -> f64 {
        let ticks = work_ticks();
        self.best_ticks = self.best_ticks.min(ticks);
        ticks as f64 / self.best_ticks.max(1) as f64
    }

    /// Looks, and judges what was seen.
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
