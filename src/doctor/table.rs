//! The table of checks: each family of checks has its part beside its functions, and this file joins them. `docs/doctor.md` lists
//! the same checks, with the thresholds and their sources; tests/doctor compares the two.

use super::machine::Machine;
use super::severity::ByClass;
use super::{Apply, Outcome};
use super::{cores, frequency, interrupts, kernel, memory, probes, process, scheduling, thermal, time};

pub struct Check {
    pub id: &'static str,
    /// The check's name in a few words.
    pub title: &'static str,
    /// The severity when bad, unless the check itself returns another; in the order of [`super::Class::ALL`].
    pub severity: ByClass,
    pub expected: &'static str,
    pub why: &'static str,
    pub remedy: &'static str,
    pub commands: &'static str,
    pub apply: Apply,
    /// True if the commands need root.
    pub needs_root: bool,
    pub(super) run: fn(&Machine) -> Outcome,
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
            assert!(check.id.chars().all(is_id), "{}", check.id);
            assert!(checks().take(at).all(|other| other.id != check.id), "{} is in the table twice", check.id);
            for text in [check.title, check.expected, check.why, check.remedy] {
                assert!(!text.is_empty() && !text.contains('\n'), "{}: {text:?}", check.id);
            }
        }
        assert!(checks().count() >= 35);
    }
}
