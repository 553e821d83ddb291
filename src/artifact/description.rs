//! The description of one part of an artifact: all that the choice among parts depends on, in a form that later versions extend and
//! other programs read easily.
//!
//! It is a list of fields, each a tag (u16), a length in bytes (u16), and a value; numbers are little-endian. A reader skips a tag that it
//! does not know, unless the tag's highest bit is set: then it cannot use the part.

use super::cpu_features;
use super::release;
use super::settings::{Interruption, Profile, Settings};
use crate::status::*;

/// Tells which machines and runtimes one part of an artifact suits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Target triple.
    pub target: String,
    /// The name of the CPU level that the part was compiled for, such as "x86-64-v3"; empty if it has none.
    pub cpu_level: String,
    /// The code generator's names (`has_avx2`), sorted.
    pub cpu_features: Vec<String>,
    pub settings: Settings,
    pub opt_level: String,
    /// See `release::ARTIFACT_ABI`.
    pub abi: u32,
    /// The engine release whose compiler made the code, see `release::number`.
    pub release: u32,
}

mod tag {
    pub const TARGET: u16 = 1;
    pub const CPU_LEVEL: u16 = 2;
    pub const CPU_FEATURES: u16 = 3;
    pub const PROFILE: u16 = 4;
    pub const INTERRUPTION: u16 = 5;
    pub const RESERVATION: u16 = 6;
    pub const ABI: u16 = 7;
    pub const RELEASE: u16 = 8;
    pub const OPT_LEVEL: u16 = 9;
    pub const DETERMINISTIC: u16 = 10;
    /// The bit of tags that a reader has to know.
    pub const REQUIRED: u16 = 0x8000;
}

/// The numbers of profiles and means of interruption in an artifact: their places here.
const PROFILES: [Profile; 2] = [Profile::Standalone, Profile::Plugin];
const INTERRUPTIONS: [Interruption; 4] = [Interruption::None, Interruption::Epoch, Interruption::Fuel, Interruption::Guard];

impl Default for Description {
    fn default() -> Description {
        Description {
            target: String::new(),
            cpu_level: String::new(),
            cpu_features: Vec::new(),
            settings: Settings::new(Profile::Standalone),
            opt_level: String::new(),
            abi: release::ARTIFACT_ABI,
            release: release::OWN,
        }
    }
}

impl Description {
    /// The engine that made the code, such as "wasmtime 48.0.8".
    pub fn engine(&self) -> String {
        format!("wasmtime {}", release::text(self.release))
    }

    pub fn encode(&self) -> Result<Vec<u8>> {
        let number = |list: usize| (list as u32).to_le_bytes();
        let profile = number(PROFILES.iter().position(|known| *known == self.settings.profile).unwrap_or(usize::MAX));
        let interruption =
            number(INTERRUPTIONS.iter().position(|known| *known == self.settings.interruption).unwrap_or(usize::MAX));
        let features = self.cpu_features.join(" ");
        let fields: [(u16, &[u8]); 10] = [
            (tag::TARGET, self.target.as_bytes()),
            (tag::CPU_LEVEL, self.cpu_level.as_bytes()),
            (tag::CPU_FEATURES, features.as_bytes()),
            (tag::PROFILE, &profile),
            (tag::INTERRUPTION, &interruption),
            (tag::RESERVATION, &self.settings.memory_reservation_bytes.to_le_bytes()),
            (tag::ABI, &self.abi.to_le_bytes()),
            (tag::RELEASE, &self.release.to_le_bytes()),
            (tag::OPT_LEVEL, self.opt_level.as_bytes()),
            (tag::DETERMINISTIC, &u32::from(self.settings.deterministic).to_le_bytes()),
        ];
        let mut bytes = Vec::new();
        for (tag, value) in fields {
            let length = u16::try_from(value.len())
                .map_err(|_| Error::new(RTW_ERR_LIMIT, "a text of the artifact's description exceeds 65,535 bytes"))?;
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(value);
        }
        Ok(bytes)
    }

    pub fn decode(mut bytes: &[u8]) -> Result<Description> {
        let broken = || Error::new(RTW_ERR_ARTIFACT, "the description of one of the artifact's parts cannot be read");
        let text = |value: &[u8]| match std::str::from_utf8(value) {
            Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
            _ => Err(broken()),
        };
        let number = |value: &[u8]| Ok(u32::from_le_bytes(value.try_into().map_err(|_| broken())?));
        let mut found = Description::default();
        let mut seen = 0_u32;
        while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
            let tag = u16::from_le_bytes([head[0], head[1]]);
            let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
            let (value, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
            bytes = rest;
            match tag {
                tag::TARGET => found.target = text(value)?,
                tag::CPU_LEVEL => found.cpu_level = text(value)?,
                tag::CPU_FEATURES => {
                    found.cpu_features = text(value)?.split_ascii_whitespace().map(str::to_owned).collect();
                }
                tag::PROFILE => {
                    found.settings.profile = *PROFILES.get(number(value)? as usize).ok_or_else(broken)?;
                }
                tag::INTERRUPTION => {
                    found.settings.interruption = *INTERRUPTIONS.get(number(value)? as usize).ok_or_else(broken)?;
                }
                tag::RESERVATION => {
                    let bytes = value.try_into().map_err(|_| broken())?;
                    found.settings.memory_reservation_bytes = u64::from_le_bytes(bytes);
                }
                tag::ABI => found.abi = number(value)?,
                tag::RELEASE => found.release = number(value)?,
                tag::OPT_LEVEL => found.opt_level = text(value)?,
                tag::DETERMINISTIC => found.settings.deterministic = number(value)? != 0,
                unknown if unknown & tag::REQUIRED != 0 => {
                    return Err(Error::new(
                        RTW_ERR_ENVELOPE_VERSION,
                        format!("a part of the artifact has a property {unknown:#x} that this library is too old for"),
                    ));
                }
                _ => continue,
            }
            if seen & 1 << tag != 0 {
                return Err(broken());
            }
            seen |= 1 << tag;
        }
        let needed = 1 << tag::TARGET | 1 << tag::PROFILE | 1 << tag::ABI | 1 << tag::RELEASE | 1 << tag::RESERVATION;
        if bytes.is_empty() && seen & needed == needed { Ok(found) } else { Err(broken()) }
    }
}

/// Returns an error if code of this description cannot run here: compiler release, target, CPU features. The runtime checks the profile.
pub fn check_host(made: &Description) -> Result<()> {
    release::check(made, 0)?;
    let (architecture, system) = split_target(&made.target);
    if architecture != std::env::consts::ARCH || system != std::env::consts::OS {
        return Err(Error::new(
            RTW_ERR_TARGET,
            format!(
                "the artifact was made for {architecture} {system}; this machine is {} {}",
                std::env::consts::ARCH,
                std::env::consts::OS
            ),
        ));
    }
    let missing: Vec<&str> =
        made.cpu_features.iter().map(String::as_str).filter(|name| cpu_features::detected(name) != Some(true)).collect();
    if !missing.is_empty() {
        let needs = match cpu_features::level_of(architecture, &made.cpu_features) {
            Some(level) => format!(
                "the artifact needs the CPU level {level}; this machine has {} and lacks",
                cpu_features::own_level().unwrap_or("none")
            ),
            None => "the artifact needs CPU features that this machine lacks:".into(),
        };
        return Err(Error::new(RTW_ERR_CPU_FEATURE, format!("{needs} {}", missing.join(", "))));
    }
    Ok(())
}

/// Splits a triple such as `x86_64-unknown-linux-gnu` into architecture and system.
fn split_target(triple: &str) -> (&str, &str) {
    let mut parts = triple.split('-');
    let architecture = parts.next().unwrap_or("");
    (architecture, parts.nth(1).unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Description {
        Description {
            target: format!("{}-unknown-{}-gnu", std::env::consts::ARCH, std::env::consts::OS),
            cpu_level: "x86-64-v2".into(),
            cpu_features: vec!["has_sse3".into(), "has_sse41".into()],
            opt_level: "speed".into(),
            settings: Settings { memory_reservation_bytes: 65536, deterministic: true, ..Settings::new(Profile::Plugin) },
            ..Description::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Description::decode(&here().encode().unwrap()).unwrap(), here());
    }

    #[test]
    fn fields_of_later_versions_are_skipped_or_refused() {
        let with = |tag: u16| {
            let mut bytes = here().encode().unwrap();
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&[2, 0, 7, 7]);
            Description::decode(&bytes).map_err(|error| error.status)
        };
        assert_eq!(with(999), Ok(here()));
        assert_eq!(with(999 | tag::REQUIRED), Err(RTW_ERR_ENVELOPE_VERSION));
        assert_eq!(with(tag::TARGET), Err(RTW_ERR_ARTIFACT), "a field twice");
    }

    #[test]
    fn every_shorter_description_is_refused_or_lacks_whole_fields() {
        let bytes = here().encode().unwrap();
        let whole = (0..bytes.len()).filter(|length| Description::decode(&bytes[..*length]).is_ok()).count();
        assert_eq!(whole, 2, "those without the last one or two fields, which have defaults");
    }

    #[test]
    fn what_does_not_run_here_is_named() {
        let with = |change: fn(&mut Description)| {
            let mut made = Description { cpu_features: vec![], ..here() };
            change(&mut made);
            check_host(&made).map_or_else(|e| e.status, |()| RTW_OK)
        };
        assert_eq!(with(|_| ()), RTW_OK);
        assert_eq!(with(|m| m.release = release::number(47, 0, 0)), RTW_ERR_COMPILER);
        assert_eq!(with(|m| m.abi = 2), RTW_ERR_ENGINE);
        assert_eq!(with(|m| m.target = "riscv64-unknown-linux-gnu".into()), RTW_ERR_TARGET);
        assert_eq!(with(|m| m.target = format!("{}-pc-windows-msvc", std::env::consts::ARCH)), RTW_ERR_TARGET);
        assert_eq!(with(|m| m.cpu_features = vec!["has_warp_drive".into()]), RTW_ERR_CPU_FEATURE);
    }
}
