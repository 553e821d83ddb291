//! The table of checks: each family of checks has its part beside its functions, and this file joins them. `docs/doctor.md` lists
//! the same checks, with the thresholds and their sources; tests/doctor compares the two.

use super::machine::Machine;
use super::severity::ByClass;
use super::{Apply, Outcome};
use super::{cores, frequency, interrupts, kernel, memory, probes, process, scheduling, thermal, time};

pub struct Check {
    /// Its texts, in the order of [`Check::text`], with a zero byte after each: six strings of their own would need six pointers, which
    /// take more room in the library than many of the texts, and work when it is loaded.
    pub(super) texts: &'static str,
    /// The severity when bad, unless the check itself returns another; in the order of [`super::Class::ALL`].
    pub severity: ByClass,
    pub apply: Apply,
    /// True if the commands need root.
    pub needs_root: bool,
    pub(super) run: fn(&Machine) -> Outcome,
}

/// Makes a [`Check`] from all its fields, in this order.
macro_rules! check {
    (
        id: $id:literal, title: $title:literal, severity: $severity:expr, expected: $expected:literal, why: $why:literal,
        remedy: $remedy:literal, commands: $commands:literal, apply: $apply:expr, needs_root: $needs_root:expr, run: $run:expr,
    ) => {
        Check {
            texts: concat!($id, "\0", $title, "\0", $expected, "\0", $why, "\0", $remedy, "\0", $commands, "\0"),
            severity: $severity,
            apply: $apply,
            needs_root: $needs_root,
            run: $run,
        }
    };
}
pub(super) use check;

impl Check {
    fn text(&self, number: usize) -> &'static str {
        self.texts.split('\0').nth(number).unwrap_or_default()
    }

    pub fn id(&self) -> &'static str {
        self.text(0)
    }

    /// The check's name in a few words.
    pub fn title(&self) -> &'static str {
        self.text(1)
    }

    pub fn expected(&self) -> &'static str {
        self.text(2)
    }

    pub fn why(&self) -> &'static str {
        self.text(3)
    }

    pub fn remedy(&self) -> &'static str {
        self.text(4)
    }

    pub fn commands(&self) -> &'static str {
        self.text(5)
    }
}

const FAMILIES: [&[Check]; 10] = [
    kernel::CHECKS,
    scheduling::CHECKS,
    memory::CHECKS,
    frequency::CHECKS,
    cores::CHECKS,
    interrupts::CHECKS,
    thermal::CHECKS,
    time::CHECKS,
    process::CHECKS,
    probes::CHECKS,
];

/// All checks, family by family.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    FAMILIES.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for (at, check) in checks().enumerate() {
            let is_id = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(check.id().chars().all(is_id), "{}", check.id());
            assert!(checks().take(at).all(|other| other.id() != check.id()), "{} is in the table twice", check.id());
            assert_eq!(check.texts.matches('\0').count(), 6, "{}: no zero bytes within", check.id());
            for text in [check.title(), check.expected(), check.why(), check.remedy()] {
                assert!(!text.is_empty() && !text.contains('\n'), "{}: {text:?}", check.id());
            }
        }
        assert!(checks().count() >= 35);
    }
}
