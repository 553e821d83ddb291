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
// Before 48.0.7 a br_table became other instructions.
const AARCH64: &[u32] = &[number(48, 0, 7), OWN];

/// The releases whose compilers are known to generate wrong code. Their artifacts are refused.
pub const UNSOUND: &[u32] = &[];

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
    let equal = EQUAL.iter().find(|(known, _)| *known == architecture).map_or(&[OWN][..], |(_, equal)| *equal);
    if !equal.contains(&made.release) {
        return refused(
            RTW_ERR_COMPILER,
            format!("; this library holds {ENGINE_VERSION}, and does not know that the two agree"),
        );
    }
    if UNSOUND.contains(&made.release) {
        return refused(RTW_ERR_COMPILER, ", whose compiler is known to generate wrong code".into());
    }
    if made.release < minimum {
        return refused(RTW_ERR_COMPILER, format!("; the runtime's min_compiler_release is {}", text(minimum)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_the_comparison_found() {
        for (architecture, equal) in EQUAL {
            let found = include_str!("../../tests/abi/releases.txt").lines().filter_map(|line| {
                let mut words = line.split(' ');
                let (release, known, differ) = (words.next()?, words.next()?, words.next()?);
                (known == *architecture && differ == "0").then(|| release.to_owned())
            });
            assert_eq!(found.collect::<Vec<_>>(), equal.iter().map(|one| text(*one)).collect::<Vec<_>>(), "{architecture}");
        }
    }

    #[test]
    fn the_own_release_is_the_engines() {
        assert_eq!(format!("wasmtime {}", text(OWN)), ENGINE_VERSION);
        assert!(EQUAL.iter().all(|(_, equal)| equal.contains(&OWN) && equal.is_sorted()) && !UNSOUND.contains(&OWN));
    }
}
