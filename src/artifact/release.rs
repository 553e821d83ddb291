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

/// The releases whose compilers make code of this artifact ABI, as a comparison of their output has shown.
pub const EQUAL: &[u32] = &[OWN];

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
    if !EQUAL.contains(&made.release) {
        return refused(RTW_ERR_ENGINE, format!("; this library holds {ENGINE_VERSION}, and does not know that the two agree"));
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
    fn the_own_release_is_the_engines() {
        assert_eq!(format!("wasmtime {}", text(OWN)), ENGINE_VERSION);
        assert!(EQUAL.contains(&OWN) && !UNSOUND.contains(&OWN));
    }
}
