//! `rtwasm inspect`: prints what an artifact says about itself, and whether it runs here.

use std::fmt::Write;
use std::path::PathBuf;

use rtwasm::artifact::guest::Guest;
use rtwasm::engine::artifact::signature::{self, Digests, Signature};
use rtwasm::engine::artifact::{self, Artifact, Description, Extern, MemoryFacts, Metadata, Notes, Slow, kind, reset};
use rtwasm::engine::cpu_features;
use rtwasm::engine::held;
use rtwasm::engine::imports;
use rtwasm::engine::naming;
use rtwasm::status::{self, Error, RTW_OK};
use serde_json::{Value, json};

use crate::args::{self, Arg, Args, Failure};
use crate::describe;
use crate::needs::{self, Provider};

pub const HELP: &str = "rtwasm inspect: print what an artifact is and whether it runs on this machine

Usage: rtwasm inspect ARTIFACT [OPTIONS]

Reads the envelope and the part that this machine would run, compares both with their checksums, and prints what the
artifact says about itself: parts, engine, target, CPU features, profile, imports and exports with their types,
memories, and the module that it was made from. Loads nothing and runs no code. - reads the standard input.
\"runs here\" is also no if the module imports what no host can provide: a function or global with a reference type.
Says of each import who provides it: a function of the library that the host calls beforehand (rtw_imports_libm,
rtw_imports_wasi, ...), or the host itself; also which proposals the module uses, whether it can grow, and how it
starts; of a guest for audio or control its ports, parameters and meters (guests/include/rtw_guest.h, Faust).

Options:
  --digest    compute SHA-256 of every section and of the artifact, whoever signed it; reads all of the file
  --json      print JSON; for a file that is not a sound artifact {\"error\": {\"status\", \"number\", \"message\"}}
  -h, --help  print this text

Exit status: 0 a sound artifact, even one for another machine; 1 not a sound artifact; 2 wrong usage.

Examples:
  rtwasm inspect gain.rtw
  rtwasm inspect gain.rtw --json
";

pub fn run(mut args: Args) -> Result<(), Failure> {
    let mut path: Option<PathBuf> = None;
    let (mut as_json, mut with_digests) = (false, false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => args::set_once(&mut path, value, "artifact")?,
            Arg::Option(option) if option == "--json" => as_json = true,
            Arg::Option(option) if option == "--digest" => with_digests = true,
            Arg::Option(option) => return Err(args::unknown_option(&option)),
        }
    }
    let path = path.ok_or_else(|| Failure::Usage("missing artifact".into()))?;
    let bytes = args::read_or_error(&path)?;
    let read = bytes.as_deref().map_err(Error::clone).and_then(|bytes| {
        let artifact = artifact::read(bytes)?;
        let digests = with_digests.then(|| Digests::new(&artifact.opened)).transpose()?;
        Ok((artifact, digests))
    });
    let (artifact, digests) = match read {
        Ok(read) => read,
        Err(error) if as_json => {
            print_json(&json!({ "error": error_json(&error) }))?;
            return Err(Failure::Reported);
        }
        Err(error) => return Err(args::no_artifact(&path, &error, bytes.as_deref().unwrap_or_default())),
    };
    let facts = artifact.opened.notes(artifact.part).and_then(|notes| Ok((notes, describe::read(&artifact.opened)?)));
    let (notes, guest) = match facts {
        Ok(facts) => facts,
        Err(error) if as_json => {
            print_json(&json!({ "error": error_json(&error) }))?;
            return Err(Failure::Reported);
        }
        Err(error) => return Err(Failure::with_status(&path, &error)),
    };
    let verdict = artifact::check_host(&artifact.metadata).and_then(|()| imports::check_kinds(&artifact.metadata));
    if as_json {
        print_json(&to_json(&artifact, &notes, &guest, &verdict, digests.as_ref()))
    } else {
        args::print(&to_text(&args::shown(&path), &artifact, &notes, &guest, &verdict, digests.as_ref()))
    }
}

fn print_json(value: &Value) -> Result<(), Failure> {
    args::print(&format!("{value:#}\n"))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

fn error_json(error: &Error) -> Value {
    json!({ "status": status::name(error.status), "number": error.status, "message": error.message })
}

fn to_json(
    artifact: &Artifact<'_>,
    notes: &Notes,
    guest: &Option<Guest>,
    verdict: &Result<(), Error>,
    digests: Option<&Digests>,
) -> Value {
    let metadata = &artifact.metadata;
    let Description { target, cpu_level: _, cpu_features, settings, opt_level, abi, release } = &metadata.description;
    let need = held::need(metadata);
    json!({
        "envelope_version": artifact::VERSION,
        "file_bytes": artifact.opened.bytes,
        "code_bytes": artifact.code.len(),
        "engine": metadata.engine(),
        "compiler_release": rtwasm::engine::artifact::release::text(*release),
        "artifact_abi": abi,
        "producer": metadata.producer,
        "target": target,
        "cpu_features": cpu_features,
        "cpu_level": cpu_level(metadata),
        "opt_level": opt_level,
        "profile": settings.profile.name(),
        "interruption": settings.interruption.name(),
        "deterministic": settings.deterministic,
        "memory_reservation_bytes": settings.memory_reservation_bytes,
        "address_space_bytes": artifact.metadata.address_space_bytes(),
        "guest_bytes": need.total(),
        "table_bytes": need.table_bytes,
        "global_bytes": need.global_bytes,
        "record_bytes": need.record_bytes,
        "needs": needs::to_json(metadata, notes.needs.as_ref()),
        "function_count": metadata.function_count,
        "has_start": metadata.has_start,
        "initialised": notes.initialised,
        "imports": externs_to_json(&metadata.imports, true),
        "exports": externs_to_json(&metadata.exports, false),
        "memories": memories_to_json(metadata),
        "hidden_exports": hidden_to_json(notes),
        "slow": slow_to_json(notes),
        "source": {
            "bytes": metadata.source_bytes,
            "sha256": hex(&notes.source_sha256),
            "inside": has(artifact, kind::SOURCE),
        },
        "init": notes.init,
        "guest_description": has(artifact, kind::GUEST),
        "guest": guest.as_ref().map(describe::to_json),
        "reset": {
            "obstacles": reset::named(metadata.reset_obstacles).map(|(name, _)| name).collect::<Vec<_>>(),
            "bytes": metadata.reset_bytes,
        },
        "part": artifact.part,
        "parts": parts_to_json(artifact),
        "signed_by": signers(artifact),
        "sha256": digests.map(|digests| hex(&digests.artifact)),
        "sections": sections_to_json(artifact, digests),
        "runs_here": verdict_to_json(verdict),
    })
}

/// Exports or imports; an import also has its module, and who provides it.
fn externs_to_json(externs: &[Extern], are_imports: bool) -> Vec<Value> {
    let one = |item: &Extern| {
        let mut value = json!({ "kind": item.kind.name(), "name": item.name, "type": item.ty });
        if are_imports {
            value["module"] = json!(item.module);
            value["provided_by"] = json!(Provider::of(item).name());
        }
        value
    };
    externs.iter().map(one).collect()
}

fn memories_to_json(metadata: &Metadata) -> Vec<Value> {
    let one = |memory: &MemoryFacts| json!({ "min_bytes": memory.min_bytes, "max_bytes": memory.max_bytes });
    metadata.memories.iter().map(one).collect()
}

fn hidden_to_json(notes: &Notes) -> Vec<Value> {
    notes.hidden.iter().map(|one| json!({ "kind": one.kind.name(), "index": one.index, "type": one.ty })).collect()
}

fn slow_to_json(notes: &Notes) -> Vec<Value> {
    let one = |slow: &Slow| {
        let Slow { instruction, count, calls, first, mended_by } = slow;
        json!({ "instruction": instruction, "count": count, "calls": calls, "first": first, "mended_by": mended_by })
    };
    notes.slow.iter().map(one).collect()
}

fn parts_to_json(artifact: &Artifact<'_>) -> Vec<Value> {
    let mut parts = Vec::new();
    for (part, number) in artifact.opened.parts.iter().zip(1..) {
        let made = &part.description;
        parts.push(json!({
            "part": number,
            "target": made.target,
            "profile": made.settings.profile.name(),
            "cpu_level": cpu_level(made),
            "cpu_features": made.cpu_features,
            "deterministic": made.settings.deterministic,
            "engine": made.engine(),
            "code_bytes": part.code.length,
        }));
    }
    parts
}

fn sections_to_json(artifact: &Artifact<'_>, digests: Option<&Digests>) -> Vec<Value> {
    let mut sections = Vec::new();
    for (index, entry) in artifact.opened.entries.iter().enumerate() {
        sections.push(json!({
            "kind": kind::name(entry.kind),
            "number": entry.kind,
            "part": entry.part,
            "offset": entry.offset,
            "bytes": entry.length,
            "checksum": format!("{:032x}", entry.checksum),
            "sha256": digests.map(|digests| hex(&digests.sections[index])),
        }));
    }
    sections
}

fn verdict_to_json(verdict: &Result<(), Error>) -> Value {
    match verdict {
        Ok(()) => json!({ "ok": true, "status": status::name(RTW_OK), "number": RTW_OK, "message": "" }),
        Err(error) => {
            let mut value = error_json(error);
            value["ok"] = json!(false);
            value
        }
    }
}

fn to_text(
    name: &str,
    artifact: &Artifact<'_>,
    notes: &Notes,
    guest: &Option<Guest>,
    verdict: &Result<(), Error>,
    digests: Option<&Digests>,
) -> String {
    let metadata = &artifact.metadata;
    let mut rows = Rows(format!("{name}: rtwasm artifact, envelope version {}\n\n", artifact::VERSION));
    rows.row(
        "runs here",
        match verdict {
            Ok(()) => "yes".into(),
            Err(error) => format!("no: {} [{}]", error.message, status::name(error.status)),
        },
    );
    rows.code(metadata);
    rows.file(artifact, digests);
    rows.module(artifact, notes);
    let Rows(mut text) = rows;
    parts_to_text(&mut text, artifact);
    if let Some(guest) = guest {
        text += &describe::to_text(guest);
    }
    list(&mut text, "imports", &metadata.imports, |import| format!("  {}", Provider::of(import).text()));
    list(&mut text, "exports", &metadata.exports, |_| String::new());
    text
}

/// A text with a row for each fact.
struct Rows(String);

impl Rows {
    fn row(&mut self, label: &str, value: String) {
        writeln!(self.0, "  {label:<14} {value}").expect("a string takes everything");
    }

    /// The options that the code was compiled with, and its needs.
    fn code(&mut self, metadata: &Metadata) {
        self.row("profile", metadata.settings.profile.name().into());
        self.row("target", metadata.target.clone());
        self.row("CPU features", cpu_text(metadata));
        self.row("optimised for", metadata.opt_level.clone());
        self.row("interruption", metadata.settings.interruption.name().into());
        self.row("deterministic", if metadata.settings.deterministic { "yes" } else { "no" }.into());
        self.row("reservation", format!("{} bytes of address space a memory", metadata.settings.memory_reservation_bytes));
        self.row("address space", format!("{} bytes an instance, guards included", metadata.address_space_bytes()));
        let need = held::need(metadata);
        let (part, part_bytes) = need.largest();
        self.row("needs", format!("{} bytes an instance, most for {part} ({part_bytes})", need.total()));
        self.row("engine", format!("{}, artifact ABI {}", metadata.engine(), metadata.abi));
        self.row("producer", metadata.producer.clone());
    }

    /// The file, its signers, and its digests if they were computed.
    fn file(&mut self, artifact: &Artifact<'_>, digests: Option<&Digests>) {
        self.row("file", format!("{} bytes", artifact.opened.bytes));
        for key in signers(artifact) {
            self.row("signed by", format!("{key}, not verified here: `rtwasm verify` does"));
        }
        if let Some(digests) = digests {
            self.row("digest", hex(&digests.artifact));
            for (entry, digest) in artifact.opened.entries.iter().zip(&digests.sections) {
                let whose = if entry.part == 0 { String::new() } else { format!(" of part {}", entry.part) };
                self.row("", format!("{}  {}{whose}", hex(digest), kind::name(entry.kind)));
            }
        }
    }

    /// The module that it was made from, and what became of it.
    fn module(&mut self, artifact: &Artifact<'_>, notes: &Notes) {
        let metadata = &artifact.metadata;
        self.row(
            "code",
            format!("{} bytes, {}", artifact.code.len(), args::plural(metadata.function_count.into(), "function")),
        );
        self.row("made from", format!("{} bytes, sha256 {}", metadata.source_bytes, hex(&notes.source_sha256)));
        self.row(
            "module inside",
            if has(artifact, kind::SOURCE) { "yes: rtwasm recompile needs nothing else" } else { "no" }.into(),
        );
        if metadata.reset_obstacles == 0 {
            self.row("reset image", format!("{} bytes", metadata.reset_bytes));
        }
        for (name, words) in reset::named(metadata.reset_obstacles) {
            self.row("no reset image", format!("{words} ({name})"));
        }
        for call in &notes.initialised {
            self.row("initialised", call.escape_debug().to_string());
        }
        for (index, memory) in metadata.memories.iter().enumerate() {
            let maximum = memory.max_bytes.map_or_else(|| "no declared maximum".into(), |bytes| format!("at most {bytes}"));
            self.row(&format!("memory {index}"), format!("{} bytes, {maximum}", memory.min_bytes));
        }
        for (subject, sentence) in needs::sentences(metadata, notes.needs.as_ref()) {
            self.row(subject, sentence);
        }
        for slow in &notes.slow {
            self.row("slow", slow_text(slow));
        }
        if !notes.hidden.is_empty() {
            let names: Vec<String> = notes.hidden.iter().map(|one| format!("{} {}", one.kind.name(), one.index)).collect();
            let few: Vec<&str> = names.iter().map(String::as_str).collect();
            self.row("reachable", format!("{}, for the library alone", naming::few(few)));
        }
    }
}

fn parts_to_text(text: &mut String, artifact: &Artifact<'_>) {
    if artifact.opened.parts.len() == 1 {
        return;
    }
    writeln!(text, "\n  parts: {}", artifact.opened.parts.len()).expect("a string takes everything");
    for (part, number) in artifact.opened.parts.iter().zip(1..) {
        let made = &part.description;
        let chosen = if number == artifact.part { ", described above" } else { "" };
        let (profile, cpu) = (made.settings.profile.name(), cpu_text(made));
        writeln!(text, "    {number}  {} {profile}, {cpu}, {} bytes of code{chosen}", made.target, part.code.length)
            .expect("a string takes everything");
    }
}

/// True if the whole file has a section of that kind.
fn has(artifact: &Artifact<'_>, kind: u32) -> bool {
    artifact.opened.find(kind, 0).is_some()
}

/// The keys that the artifact names as its signers.
fn signers(artifact: &Artifact<'_>) -> Vec<String> {
    let signatures = signature::decode(&artifact.opened.signatures).unwrap_or_default();
    signatures.iter().filter_map(Signature::key).map(|key| hex(key)).collect()
}

/// One slow instruction, and what mends it.
pub fn slow_text(slow: &Slow) -> String {
    let Slow { instruction, count, calls, first, mended_by } = slow;
    let how = if *calls { "a call" } else { "a long sequence" };
    format!("{instruction} takes {how} ({}, first in {first}); --cpu {mended_by} has it", args::plural((*count).into(), "use"))
}

/// The named level that the features are, if they are one.
fn cpu_level(metadata: &Description) -> Option<&'static str> {
    cpu_features::level_of(metadata.target.split('-').next().unwrap_or(""), &metadata.cpu_features)
}

fn cpu_text(metadata: &Description) -> String {
    if let Some(level) = cpu_level(metadata) {
        return level.into();
    }
    metadata.cpu_features.iter().map(|name| name.trim_start_matches("has_")).collect::<Vec<_>>().join(" ")
}

/// `more`: what follows an entry.
fn list(text: &mut String, heading: &str, externs: &[Extern], more: fn(&Extern) -> String) {
    writeln!(text, "\n  {heading}: {}", externs.len()).expect("a string takes everything");
    for item in externs {
        // Names come from the module and may hold anything; a terminal gets them escaped.
        let name = if item.module.is_empty() {
            item.name.escape_debug().to_string()
        } else {
            format!("{}.{}", item.module.escape_debug(), item.name.escape_debug())
        };
        let kind = if item.ty.starts_with('(') { "func " } else { "" };
        writeln!(text, "    {name}  {kind}{}{}", item.ty, more(item)).expect("a string takes everything");
    }
}
