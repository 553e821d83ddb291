//! The artifact: an envelope around precompiled code that says what the code is before any of it is trusted.
//!
//! Layout, little-endian: a fixed header of 64 bytes, then the metadata, then the code.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0  | 8  | magic: 0x89 'R' 'T' 'W' CR LF 0x1A LF, which a text-mode copy destroys |
//! | 8  | 4  | envelope version |
//! | 12 | 4  | length of the metadata |
//! | 16 | 8  | length of the code |
//! | 24 | 8  | reserved, zero |
//! | 32 | 32 | SHA-256 over bytes 0 to 32 and all that follows the header |
//!
//! Native code can do anything, so the order of the checks is part of the design: shape, version, digest, and only then the
//! metadata and what it says about this machine. Nothing here maps code.

use std::path::Path;

use sha2::{Digest, Sha256};
use wasmtime_environ::obj::ELF_WASMTIME_INFO;
use wasmtime_environ::object::read::elf::ElfFile64;
use wasmtime_environ::object::{Endianness, Object, ObjectSection};

pub use crate::artifact::hidden::{self, Hidden};
pub use crate::artifact::{Edit, Extern, ExternKind, MemoryFacts, Metadata, Need, Slow, check_host, original_offset};
use crate::status::*;
use crate::sys::errno;
use crate::sys::file::{self, Refused};

pub const MAGIC: [u8; 8] = *b"\x89RTW\r\n\x1a\n";
pub const VERSION: u32 = 5;
const HEADER_BYTES: usize = 64;
const DIGEST_RANGE: std::ops::Range<usize> = 32..64;

/// An artifact whose shape and digest are right; it borrows the bytes that it was read from.
#[derive(Debug)]
pub struct Artifact<'a> {
    pub metadata: Metadata,
    pub code: &'a [u8],
    pub digest: [u8; 32],
    /// Length of the whole artifact.
    pub bytes: usize,
}

/// Wraps code in an envelope.
pub fn write(metadata: &Metadata, code: &[u8]) -> Result<Vec<u8>> {
    let meta =
        postcard::to_stdvec(metadata).map_err(|e| Error::new(RTW_ERR_INTERNAL, format!("cannot encode metadata: {e}")))?;
    let meta_length =
        u32::try_from(meta.len()).map_err(|_| Error::new(RTW_ERR_LIMIT, "the module's metadata exceeds 4 GiB"))?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + meta.len() + code.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&meta_length.to_le_bytes());
    bytes.extend_from_slice(&(code.len() as u64).to_le_bytes());
    bytes.resize(HEADER_BYTES, 0);
    bytes.extend_from_slice(&meta);
    bytes.extend_from_slice(code);
    let digest = digest_of(&bytes);
    bytes[DIGEST_RANGE].copy_from_slice(&digest);
    Ok(bytes)
}

/// The places of an artifact's parts, from its header.
struct Shape {
    meta_length: u64,
    total: u64,
}

/// Reads the header at the start of `bytes`, of a file of `have` bytes.
fn shape(bytes: &[u8], have: u64) -> Result<Shape> {
    if bytes.starts_with(b"\0asm") {
        return Err(Error::new(
            RTW_ERR_PLAIN_WASM,
            "this is a plain WebAssembly module; make an artifact of it with `rtwasm compile in.wasm -o out.rtw`",
        ));
    }
    let shared = bytes.len().min(MAGIC.len());
    if bytes.is_empty() || bytes[..shared] != MAGIC[..shared] {
        return Err(Error::new(RTW_ERR_NOT_ARTIFACT, not_an_artifact(bytes)));
    }
    if bytes.len() < HEADER_BYTES {
        return Err(truncated(have, HEADER_BYTES as u64));
    }
    let version = u32_at(bytes, 8);
    if version != VERSION {
        return Err(Error::new(
            RTW_ERR_ENVELOPE_VERSION,
            format!("the artifact's envelope has version {version}; this library reads version {VERSION}"),
        ));
    }
    let meta_length = u64::from(u32_at(bytes, 12));
    let code_length = u64_at(bytes, 16);
    let total = (HEADER_BYTES as u64).checked_add(meta_length).and_then(|n| n.checked_add(code_length)).unwrap_or(u64::MAX);
    if have < total {
        return Err(truncated(have, total));
    }
    if have > total {
        return Err(Error::new(RTW_ERR_ARTIFACT, format!("{} bytes follow the artifact's end at byte {total}", have - total)));
    }
    if u64_at(bytes, 24) != 0 {
        return Err(Error::new(RTW_ERR_ARTIFACT, "the reserved bytes of the artifact's header are not zero"));
    }
    Ok(Shape { meta_length, total })
}

/// Reads an artifact from a file: first the header, and the rest only if the file is as long as the header says. Never waits:
/// refuses files that are not regular. Errors do not name the file.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let io = |error: std::io::Error| match error.raw_os_error() {
        Some(errno::ENOMEM) => Error::os(RTW_ERR_NO_MEMORY, "cannot be read", &error),
        _ => Error::os(RTW_ERR_IO, "cannot be read", &error),
    };
    let (mut file, have) = file::open_regular(path).map_err(|refused| match refused {
        Refused::Kind(what) => {
            let cause = refused.cause().raw_os_error().unwrap_or(0);
            Error { os_error: cause, ..Error::new(RTW_ERR_IO, format!("cannot be read: it is {what}, not a file")) }
        }
        Refused::System(error) => io(error),
    })?;
    let mut bytes = Vec::new();
    file::fill(&mut file, &mut bytes, HEADER_BYTES).map_err(io)?;
    let total = shape(&bytes, have)?.total;
    let length = usize::try_from(total).map_err(|_| Error::new(RTW_ERR_LIMIT, "the artifact exceeds the address space"))?;
    file::fill(&mut file, &mut bytes, length).map_err(io)?;
    // The file was truncated during the read.
    if bytes.len() < length {
        return Err(truncated(bytes.len() as u64, total));
    }
    Ok(bytes)
}

/// An upper bound for the records of an artifact with these bytes: its metadata, and the engine's own records.
pub fn room_bytes(bytes: &[u8]) -> usize {
    /// Two texts and their records, for a name of one letter, take this many times its bytes.
    const TIMES: usize = 32;
    let Ok(Shape { meta_length, .. }) = shape(bytes, bytes.len() as u64) else { return 0 };
    let code = &bytes[HEADER_BYTES + meta_length as usize..];
    let records =
        ElfFile64::<Endianness>::parse(code).ok().and_then(|file| Some(file.section_by_name(ELF_WASMTIME_INFO)?.size()));
    TIMES.saturating_mul(meta_length.saturating_add(records.unwrap_or(0)) as usize)
}

/// Reads the envelope and compares the content with its digest. Does not check if the artifact fits this machine: see
/// [`check_host`].
pub fn read(bytes: &[u8]) -> Result<Artifact<'_>> {
    let Shape { meta_length, .. } = shape(bytes, bytes.len() as u64)?;
    let digest = digest_of(bytes);
    if digest != bytes[DIGEST_RANGE] {
        return Err(Error::new(
            RTW_ERR_DIGEST,
            "the artifact's content does not match its SHA-256 digest: it was changed or damaged",
        ));
    }
    let (meta, code) = bytes[HEADER_BYTES..].split_at(meta_length as usize);
    let metadata: Metadata = postcard::from_bytes(meta)
        .map_err(|e| Error::new(RTW_ERR_ARTIFACT, format!("the artifact's metadata cannot be read: {e}")))?;
    if let Some(text) = metadata.text_with_zero() {
        return Err(Error::new(RTW_ERR_ARTIFACT, format!("the artifact's metadata has a zero byte in a text: {text:?}")));
    }
    Ok(Artifact { metadata, code, digest, bytes: bytes.len() })
}

fn digest_of(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(&bytes[..DIGEST_RANGE.start]);
    hash.update(&bytes[HEADER_BYTES..]);
    hash.finalize().into()
}

fn truncated(have: u64, need: u64) -> Error {
    Error::new(RTW_ERR_TRUNCATED, format!("the artifact ends at byte {have}; its header says {need}"))
}

fn not_an_artifact(bytes: &[u8]) -> String {
    let guess = match bytes {
        [] => "it is empty",
        [0x7f, b'E', b'L', b'F', ..] => "it is an ELF file: a shared library, or the engine's own precompiled form",
        [b'(', ..] => "it looks like WebAssembly text: compile it with `rtwasm compile`",
        _ => "its first bytes are not an artifact's",
    };
    format!("not an rtwasm artifact: {guess}")
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::settings::{ENGINE_VERSION, Profile, Settings};

    fn sample() -> Metadata {
        Metadata {
            engine: ENGINE_VERSION.into(),
            producer: "test".into(),
            target: format!("{}-unknown-{}-gnu", std::env::consts::ARCH, std::env::consts::OS),
            opt_level: "speed".into(),
            cpu_features: vec![],
            settings: Settings::new(Profile::Plugin),
            imports: vec![],
            exports: vec![Extern { kind: ExternKind::Func, module: String::new(), name: "run".into(), ty: "()->()".into() }],
            memories: vec![MemoryFacts { min_bytes: 65536, max_bytes: None }],
            hidden: vec![Hidden { kind: ExternKind::Global, index: 0, ty: "global mut i32".into() }],
            slow: vec![],
            need: Need { memory_bytes: 65536, record_bytes: 1000, ..Need::default() },
            edits: vec![Edit { length: 10, original: 0, verbatim: true }],
            function_count: 1,
            has_start: false,
            initialised: vec![],
            source_bytes: 3,
            source_sha256: [7; 32],
        }
    }

    fn status(bytes: &[u8]) -> rtw_status_t {
        read(bytes).map_or_else(|e| e.status, |_| RTW_OK)
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = write(&sample(), b"code").unwrap();
        let artifact = read(&bytes).unwrap();
        assert_eq!(artifact.metadata, sample());
        assert_eq!(artifact.code, b"code");
        check_host(&artifact.metadata).unwrap();
    }

    #[test]
    fn every_prefix_is_refused() {
        let bytes = write(&sample(), b"code").unwrap();
        for length in 0..bytes.len() {
            let expected = if length == 0 { RTW_ERR_NOT_ARTIFACT } else { RTW_ERR_TRUNCATED };
            assert_eq!(status(&bytes[..length]), expected, "prefix of {length}");
        }
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let bytes = write(&sample(), b"code").unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_ne!(status(&changed), RTW_OK, "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn other_files_are_named() {
        assert_eq!(status(b"\0asm\x01\0\0\0"), RTW_ERR_PLAIN_WASM);
        assert_eq!(status(b"\x7fELF and so on"), RTW_ERR_NOT_ARTIFACT);
        assert_eq!(status(b"(module)"), RTW_ERR_NOT_ARTIFACT);
        let mut longer = write(&sample(), b"code").unwrap();
        longer.push(0);
        assert_eq!(status(&longer), RTW_ERR_ARTIFACT);
    }

    #[test]
    fn what_does_not_run_here_is_named() {
        let with = |change: fn(&mut Metadata)| {
            let mut metadata = sample();
            change(&mut metadata);
            check_host(&metadata).map_or_else(|e| e.status, |()| RTW_OK)
        };
        assert_eq!(with(|m| m.engine = "wasmtime 1.0.0".into()), RTW_ERR_ENGINE);
        assert_eq!(with(|m| m.target = "riscv64-unknown-linux-gnu".into()), RTW_ERR_TARGET);
        assert_eq!(with(|m| m.target = format!("{}-pc-windows-msvc", std::env::consts::ARCH)), RTW_ERR_TARGET);
        assert_eq!(with(|m| m.cpu_features = vec!["has_warp_drive".into()]), RTW_ERR_CPU_FEATURE);
    }
}
