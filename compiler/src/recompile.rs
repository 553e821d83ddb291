//! Reads out of an artifact what is needed to compile its module again: the module, and the options of each part.

use rtwasm::engine::artifact::{Description, Input, Opened, kind};
use rtwasm::engine::profile::FULL_RESERVATION_BYTES;
use rtwasm::status::*;
use sha2::{Digest, Sha256};

use crate::limits::Limits;
use crate::{Cpu, Extras, Init, Opt, Options, Reservation, Target};

/// The module and the options that an artifact was made of.
pub struct Recompile {
    /// The module, as it was given.
    pub source: Vec<u8>,
    /// The options of each part, with the default limits.
    pub parts: Vec<Options>,
    pub whole: Extras,
}

/// Reads an artifact. `source`: its module, for an artifact that does not have it inside.
pub fn of_artifact(artifact: &[u8], source: Option<&[u8]>) -> Result<Recompile> {
    let opened = Opened::new(Input::Memory(artifact))?;
    let section = |kind| opened.find(kind, 0).map(|entry| opened.section(entry)).transpose();
    let inside = section(kind::SOURCE)?;
    let module = source.map(Into::into).or_else(|| inside.clone()).ok_or_else(|| {
        Error::new(
            RTW_ERR_ARGUMENT,
            "the artifact does not have its module inside, and none was given: give the module (--source FILE), or compile with --embed-source",
        )
    })?;
    let mut parts = Vec::new();
    for (part, number) in opened.parts.iter().zip(1..) {
        if let Some(error) = &part.unusable {
            return Err(error.clone());
        }
        let notes = opened.notes(number)?;
        if source.is_some() && <[u8; 32]>::from(Sha256::digest(&module)) != notes.source_sha256 {
            return Err(Error::new(
                RTW_ERR_ARGUMENT,
                "the module that was given is not the one that the artifact was made from: its SHA-256 differs",
            ));
        }
        let init = notes.init.iter().map(|text| Init::from_text(text)).collect::<Result<_>>()?;
        parts.push(Options { init, ..options(&part.description)? });
    }
    let guest = section(kind::GUEST)?.map_or_else(Vec::new, |guest| guest.into_owned());
    Ok(Recompile { source: module.into_owned(), parts, whole: Extras { source: inside.is_some(), guest } })
}

fn options(made: &Description) -> Result<Options> {
    let settings = &made.settings;
    let opt = Opt::from_name(&made.opt_level)
        .ok_or_else(|| Error::new(RTW_ERR_ARTIFACT, format!("the artifact's optimisation {:?} is unknown", made.opt_level)))?;
    Ok(Options {
        profile: settings.profile,
        target: Target::from_triple(&made.target)?,
        cpu: match (made.cpu_level.as_str(), made.cpu_features.as_slice()) {
            ("", []) => Cpu::Baseline,
            ("", features) => Cpu::Features(features.to_vec()),
            (level, _) => Cpu::Features(vec![level.into()]),
        },
        opt,
        interruption: settings.interruption,
        reservation: match settings.memory_reservation_bytes {
            FULL_RESERVATION_BYTES => Reservation::Full,
            _ => Reservation::Declared,
        },
        deterministic: settings.deterministic,
        init: Vec::new(),
        limits: Limits::DEFAULT,
    })
}
