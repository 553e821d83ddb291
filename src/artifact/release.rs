//! The compiler releases whose artifacts load.
//!
//! An artifact names the *artifact ABI* and the engine release whose compiler made it. The artifact ABI is a number of this project: it
//! changes when code that was compiled before can no longer run, because the engine's records or the code's calls into the engine have
//! changed. A release's code loads if the table says that it is equal.

use super::Description;
use super::settings::ENGINE_VERSION;
use crate::status::*;

/// An engine release in one number: major * 65536 + minor * 256 + patch.
pub const fn number(major: u32, minor: u32, patch: u32) -> u32 {
    major << 16 | minor << 8 | patch
}

/// A release as text: "48.0.8".
pub fn text(release: u32) -> String {
    format!("{}.{}.{}", release >> 16, release >> 8 & 0xff, release & 0xff)
}

/// The release of the engine in this library.
pub const OWN: u32 = number(48, 0, 8);

/// The artifact ABI of this library.
pub const ARTIFACT_ABI: u32 = 1;

/// The releases whose compilers make the same code of this artifact ABI, for each architecture: `make abi` compares them byte for byte,
/// and tests/abi/releases.txt has what it found.
pub const EQUAL: &[(&str, &[u32])] = &[("x86_64", X86_64), ("aarch64", AARCH64)];
const X86_64: &[u32] = &[
    number(48, 0, 0),
    number(48, 0, 1),
    number(48, 0, 2),
    number(48, 0, 3),
    number(48, 0, 4),
    number(48, 0, 5),
    number(48, 0, 6),
    number(48, 0, 7),
    OWN,
];
const AARCH64: &[u32] = &[number(48, 0, 7), OWN];

/// The releases whose compilers are known to generate wrong code for an architecture. Their artifacts are refused.
pub const UNSOUND: &[(&str, &[u32])] = &[("aarch64", FAR_DEFAULT)];
// A br_table branches to its default by an instruction that reaches 1 MiB, across its own table: with more than 262,000 targets it goes
// somewhere else. 48.0.7 does without that branch.
const FAR_DEFAULT: &[u32] = &[
    number(48, 0, 0),
    number(48, 0, 1),
    number(48, 0, 2),
    number(48, 0, 3),
    number(48, 0, 4),
    number(48, 0, 5),
    number(48, 0, 6),
];

/// The releases that `table` has for an architecture.
fn listed(table: &'static [(&'static str, &'static [u32])], architecture: &str) -> &'static [u32] {
    table.iter().find(|(known, _)| *known == architecture).map_or(&[], |(_, releases)| releases)
}

/// Returns an error if this library does not run what that compiler made, or if the release is older than `minimum` (0: none).
pub fn check(made: &Description, minimum: u32) -> Result<()> {
    let refused = |status, why: String| {
        Err(Error::new(status, format!("the artifact was made by {}{why}: compile the module again", made.engine())))
    };
    if made.abi != ARTIFACT_ABI {
        return refused(
            RTW_ERR_ENGINE,
            format!(" with artifact ABI {}; this library holds {ENGINE_VERSION} and loads ABI {ARTIFACT_ABI}", made.abi),
        );
    }
    let architecture = made.target.split('-').next().unwrap_or("");
    if listed(UNSOUND, architecture).contains(&made.release) {
        return refused(RTW_ERR_COMPILER, ", whose compiler is known to generate wrong code".into());
    }
    if made.release != OWN && !listed(EQUAL, architecture).contains(&made.release) {
        return refused(
            RTW_ERR_COMPILER,
            format!("; this library holds {ENGINE_VERSION}, and does not know that the two agree"),
        );
    }
    if made.release < minimum {
        return refused(RTW_ERR_COMPILER, format!("; the runtime's min_compiler_release is {}", text(minimum)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The releases that the comparison has for an architecture in lines that begin and end so.
    fn found(architecture: &str, begin: &str, end: &str) -> Vec<String> {
        let line = |line: &str| {
            let (release, rest) = line.split_once(' ')?;
            let found = rest.strip_prefix(architecture)?.trim_start();
            (found.starts_with(begin) && found.ends_with(end)).then(|| release.to_owned())
        };
        include_str!("../../tests/abi/releases.txt").lines().filter_map(line).collect()
    }

    #[test]
    fn the_tables_are_what_the_comparison_found() {
        for (architecture, equal) in EQUAL {
            let texts = |releases: &[u32]| releases.iter().map(|one| text(*one)).collect::<Vec<_>>();
            assert_eq!(found(architecture, "0 of ", " differ"), texts(equal), "{architecture}");
            // Older releases generate that code by the same source; not each of them was run.
            let unsound = texts(listed(UNSOUND, architecture));
            assert!(
                found(architecture, "br_table of ", ": wrong").iter().all(|wrong| unsound.contains(wrong)),
                "{architecture}"
            );
            assert!(texts(equal).iter().all(|good| !unsound.contains(good)), "{architecture}");
        }
    }

    #[test]
    fn the_own_release_is_the_engines() {
        assert_eq!(format!("wasmtime {}", text(OWN)), ENGINE_VERSION);
        assert!(EQUAL.iter().all(|(_, equal)| equal.contains(&OWN) && equal.is_sorted()));
        assert!(UNSOUND.iter().all(|(_, unsound)| !unsound.contains(&OWN)));
    }

    #[test]
    fn unsound_code_is_refused_where_it_is() {
        let made = |target: &str, release| {
            check(&Description { target: target.into(), release, ..Description::default() }, 0)
                .map_err(|error| error.to_string())
        };
        for patch in 0..=6 {
            let error = made("aarch64-unknown-linux-gnu", number(48, 0, patch)).unwrap_err();
            assert!(error.contains("known to generate wrong code"), "{error}");
            assert_eq!(made("x86_64-unknown-linux-gnu", number(48, 0, patch)), Ok(()));
        }
        assert_eq!(made("aarch64-unknown-linux-gnu", number(48, 0, 7)), Ok(()));
        let error = made("aarch64-unknown-linux-gnu", number(48, 0, 250)).unwrap_err();
        assert!(error.contains("does not know that the two agree"), "{error}");
    }
}
