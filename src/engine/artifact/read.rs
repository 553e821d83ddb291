//! Reads artifacts: checks the envelope, chooses a part, and reads that part alone.

use std::borrow::Cow;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime_environ::obj::ELF_WASMTIME_INFO;
use wasmtime_environ::object::read::elf::ElfFile64;
use wasmtime_environ::object::{Endianness, Object, ObjectSection};

use super::signature::{self, PublicKey, forged};
use super::write::front_checksum;
use super::{
    CHECKED_HEADER_BYTES, Description, ENTRY_BYTES, Entry, HEADER_BYTES, MAGIC, MOST_ENTRIES, MOST_SIGNATURE_BYTES, Metadata,
    Notes, REQUIRED, VERSION, check_host, checksum, kind, u32_at, u64_at, u128_at,
};
use crate::artifact::settings::Profile;
use crate::engine::code_image::{CodeImage, Kept};
use crate::engine::refusal::handlers_refused;
use crate::status::*;
use crate::sys::errno;
use crate::sys::file::{self, Refused};

/// The bytes of a file that are read first. They nearly always have the header, the table and the small sections that a load needs.
const HEAD_BYTES: u64 = 16 << 10;

/// The place that an artifact is read from.
pub enum Input<'a> {
    Memory(&'a [u8]),
    File(Source),
}

/// An open file, and its beginning.
pub struct Source {
    file: File,
    length: u64,
    head: Vec<u8>,
}

impl Source {
    fn new(file: File, length: u64) -> Result<Source> {
        let mut source = Source { file, length, head: Vec::new() };
        let mut head = room(length.min(HEAD_BYTES))?;
        let read = source.read(0, &mut head)?;
        head.truncate(read);
        source.head = head;
        Ok(source)
    }

    /// Reads at `offset` until `to` is full or the file ends. Returns the number of bytes.
    fn read(&self, offset: u64, to: &mut [u8]) -> Result<usize> {
        let at_hand = part_of(&self.head, offset, to.len());
        if at_hand.len() == to.len() {
            to.copy_from_slice(at_hand);
            return Ok(to.len());
        }
        let mut read = 0;
        while read < to.len() {
            match self.file.read_at(&mut to[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        Ok(read)
    }
}

/// The bytes from `offset` on, `length` of them or those that there are.
fn part_of(bytes: &[u8], offset: u64, length: usize) -> &[u8] {
    let rest = &bytes[bytes.len().min(usize::try_from(offset).unwrap_or(usize::MAX))..];
    &rest[..rest.len().min(length)]
}

impl<'a> Input<'a> {
    /// Opens a file. Never waits: refuses files that are not regular. Errors do not name the file.
    pub fn open(path: &Path) -> Result<Input<'a>> {
        let (file, length) = file::open_regular(path).map_err(|refused| match refused {
            Refused::Kind(what) => {
                let cause = refused.cause().raw_os_error().unwrap_or(0);
                Error { os_error: cause, ..Error::new(RTW_ERR_IO, format!("cannot be read: it is {what}, not a file")) }
            }
            Refused::System(error) => unreadable(error),
        })?;
        Ok(Input::File(Source::new(file, length)?))
    }

    fn length(&self) -> u64 {
        match self {
            Input::Memory(bytes) => bytes.len() as u64,
            Input::File(source) => source.length,
        }
    }

    /// Reads `length` bytes at `offset`, fewer where the source ends.
    fn read(&self, offset: u64, length: u64) -> Result<Cow<'a, [u8]>> {
        match self {
            Input::Memory(bytes) => Ok(Cow::Borrowed(part_of(bytes, offset, usize::try_from(length).unwrap_or(usize::MAX)))),
            Input::File(source) => {
                let mut bytes = room(length)?;
                let read = source.read(offset, &mut bytes)?;
                bytes.truncate(read);
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// As `read`, into memory that is there. Returns the number of bytes.
    fn read_into(&self, offset: u64, to: &mut [u8]) -> Result<usize> {
        match self {
            Input::Memory(bytes) => {
                let from = part_of(bytes, offset, to.len());
                to[..from.len()].copy_from_slice(from);
                Ok(from.len())
            }
            Input::File(source) => source.read(offset, to),
        }
    }
}

/// Allocates `length` bytes, all zero.
fn room(length: u64) -> Result<Vec<u8>> {
    let length = in_memory(length)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| unreadable(std::io::Error::from_raw_os_error(errno::ENOMEM)))?;
    bytes.resize(length, 0);
    Ok(bytes)
}

fn in_memory(length: u64) -> Result<usize> {
    usize::try_from(length).map_err(|_| Error::new(RTW_ERR_LIMIT, "the artifact exceeds the address space"))
}

fn unreadable(error: std::io::Error) -> Error {
    let status = if error.raw_os_error() == Some(errno::ENOMEM) { RTW_ERR_NO_MEMORY } else { RTW_ERR_IO };
    Error::os(status, "cannot be read", &error)
}

/// The limits that a runtime sets to what it loads; the default has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// The only profile.
    pub profile: Option<Profile>,
    /// True if signal handlers must not be installed, which the standalone profile needs.
    pub no_handlers: bool,
    /// The oldest compiler release; 0: any.
    pub min_release: u32,
}

impl Limits {
    /// Returns an error if a part of this description cannot be loaded here.
    fn check(&self, made: &Description) -> Result<()> {
        super::release::check(made, self.min_release)?;
        check_host(made)?;
        let theirs = made.settings.profile;
        if let Some(ours) = self.profile.filter(|ours| *ours != theirs) {
            return Err(Error::new(
                RTW_ERR_PROFILE,
                format!(
                    "the artifact was compiled for the {} profile and the runtime has {}: compile with --profile {}",
                    theirs.name(),
                    ours.name(),
                    ours.name()
                ),
            ));
        }
        match theirs {
            Profile::Standalone if self.no_handlers => Err(handlers_refused()),
            _ => Ok(()),
        }
    }
}

/// One part of an opened artifact.
#[derive(Clone, Debug)]
pub struct Found {
    pub description: Description,
    /// Too new for this library.
    pub unusable: Option<Error>,
    pub metadata: Entry,
    pub code: Entry,
}

/// An artifact whose header and table are right, and whose parts' descriptions were read.
pub struct Opened<'a> {
    source: Input<'a>,
    pub entries: Vec<Entry>,
    /// In the file's order; part n is at n - 1.
    pub parts: Vec<Found>,
    /// Length of the whole artifact.
    pub bytes: u64,
    pub signatures: Cow<'a, [u8]>,
    /// The trusted key that has signed the table. Sections are then compared with their digests, too.
    pub signed_by: Option<PublicKey>,
}

impl<'a> Opened<'a> {
    /// Reads the header, the table and the descriptions, in this order, and checks each before the next is read.
    pub fn new(source: Input<'a>) -> Result<Opened<'a>> {
        Opened::trusted(source, &[])
    }

    /// As `new`, but unless `keys` is empty, one of them has to have signed the artifact. Checks this before it reads a description.
    pub fn trusted(source: Input<'a>, keys: &[PublicKey]) -> Result<Opened<'a>> {
        let have = source.length();
        let head = source.read(0, HEADER_BYTES as u64)?;
        let shape = shape(&head, have)?;
        let front_bytes = HEADER_BYTES + shape.count as usize * ENTRY_BYTES;
        let front = source.read(0, front_bytes as u64)?;
        let signatures = source.read(shape.end, shape.total - shape.end)?;
        if front.len() < front_bytes || signatures.len() as u64 != shape.total - shape.end {
            return Err(truncated(front.len() as u64, shape.total));
        }
        if front_checksum(&front, &signatures) != u128_at(&front, CHECKED_HEADER_BYTES) {
            return Err(damaged("header"));
        }
        let entries = entries(&front[HEADER_BYTES..], front_bytes as u64, shape.end)?;
        let signed_by = match keys {
            [] => None,
            keys => Some(signature::signer(&signature::message(&front), &signatures, keys)?),
        };
        let mut opened = Opened { source, entries, parts: Vec::new(), bytes: shape.total, signatures, signed_by };
        opened.find_parts()?;
        Ok(opened)
    }

    fn find_parts(&mut self) -> Result<()> {
        let unknown = |part: u32| {
            let is_unknown =
                |entry: &&Entry| entry.part == part && entry.flags & REQUIRED != 0 && kind::name(entry.kind) == "unknown";
            self.entries.iter().find(is_unknown).map(|entry| {
                let whose = if part == 0 { "the artifact" } else { "a part of the artifact" };
                let what = format!("{whose} has a section of kind {} that this library is too old for", entry.kind);
                Error::new(RTW_ERR_ENVELOPE_VERSION, what)
            })
        };
        if let Some(error) = unknown(0) {
            return Err(error);
        }
        let only = |kind: u32, part: u32| {
            let mut found = self.entries.iter().filter(|entry| entry.kind == kind && entry.part == part);
            match (found.next(), found.next()) {
                (Some(entry), None) => Ok(*entry),
                _ => Err(Error::new(
                    RTW_ERR_ARTIFACT,
                    format!("part {part} of the artifact has not one section with {}, but none or several", kind::name(kind)),
                )),
            }
        };
        let count = self.entries.iter().map(|entry| entry.part).max().unwrap_or(0);
        let mut parts = Vec::new();
        // A part has sections, so there are not more parts than sections.
        for part in 1..=count.min(self.entries.len() as u32 + 1) {
            let mut unusable = unknown(part);
            let description = match Description::decode(&self.section(&only(kind::DESCRIPTION, part)?)?) {
                Err(error) if error.status == RTW_ERR_ENVELOPE_VERSION => {
                    unusable = Some(error);
                    Description::default()
                }
                other => other?,
            };
            parts.push(Found { description, unusable, metadata: only(kind::METADATA, part)?, code: only(kind::CODE, part)? });
        }
        if parts.is_empty() {
            return Err(Error::new(RTW_ERR_ARTIFACT, "the artifact has no part"));
        }
        self.parts = parts;
        Ok(())
    }

    /// Chooses the part that suits this machine and the limits best; if none does, the one that lacks least, with the reason. The order:
    /// what can be loaded here; the standalone profile before the plugin profile; the part that uses more CPU features; the
    /// deterministic one; the first in the file.
    pub fn choose(&self, limits: &Limits) -> (usize, Result<()>) {
        let rank = |part: &Found| {
            let refusal = match &part.unusable {
                Some(error) => Err(error.clone()),
                None => limits.check(&part.description),
            };
            let near = match refusal.as_ref().map_or_else(|error| error.status, |()| RTW_OK) {
                RTW_OK => 5,
                RTW_ERR_SIGNALS | RTW_ERR_PROFILE => 4,
                RTW_ERR_CPU_FEATURE => 3,
                RTW_ERR_ENGINE | RTW_ERR_COMPILER => 2,
                RTW_ERR_TARGET => 1,
                _ => 0,
            };
            let made = &part.description;
            let standalone = made.settings.profile == Profile::Standalone;
            ((near, standalone, made.cpu_features.len(), made.settings.deterministic), refusal)
        };
        let mut best = (0, rank(&self.parts[0]));
        for (index, part) in self.parts.iter().enumerate().skip(1) {
            let found = rank(part);
            if found.0 > best.1.0 {
                best = (index, found);
            }
        }
        let (index, (_, mut refusal)) = best;
        if let (Err(error), 2..) = (&mut refusal, self.parts.len()) {
            error.message = format!(
                "none of the artifact's {} parts can be loaded; part {}: {}",
                self.parts.len(),
                index + 1,
                error.message
            );
        }
        (index, refusal)
    }

    /// Reads a section and compares it with its checksum, and with its digest if a trusted key has signed it.
    pub fn section(&self, entry: &Entry) -> Result<Cow<'a, [u8]>> {
        let bytes = self.source.read(entry.offset, entry.length)?;
        self.check(entry, &bytes)?;
        Ok(bytes)
    }

    /// As `section`, but into memory of the right size.
    fn section_into(&self, entry: &Entry, to: &mut [u8]) -> Result<()> {
        let read = self.source.read_into(entry.offset, to)?;
        self.check(entry, &to[..read])
    }

    /// Compares the bytes that were read of a section with what the table says of them.
    fn check(&self, entry: &Entry, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 != entry.length {
            return Err(truncated(entry.offset + bytes.len() as u64, self.bytes));
        }
        if checksum(bytes) != entry.checksum {
            return Err(damaged(kind::name(entry.kind)));
        }
        if self.signed_by.is_some() && Sha256::digest(bytes)[..] != entry.digest {
            return Err(forged("a section of the artifact"));
        }
        Ok(())
    }

    /// The section of a kind, of a part (from 1) or of the whole file (0).
    pub fn find(&self, kind: u32, part: u32) -> Option<&Entry> {
        self.entries.iter().find(|entry| (entry.kind, entry.part) == (kind, part))
    }

    /// A part's reset image, if there is one: its own, or that of all parts.
    pub fn reset_image(&self, index: usize) -> Result<Option<Cow<'a, [u8]>>> {
        let found = self.find(kind::RESET, index as u32 + 1).or_else(|| self.find(kind::RESET, 0));
        found.map(|entry| self.section(entry)).transpose()
    }

    /// The notes of a part (from 1); empty if it has none. For the command and the compiler: the library has no use for them.
    pub fn notes(&self, part: u32) -> Result<Notes> {
        let Some(entry) = self.find(kind::NOTES, part) else { return Ok(Notes::default()) };
        let unreadable = |error| Error::new(RTW_ERR_ARTIFACT, format!("the compiler's notes cannot be read: {error}"));
        let bytes = self.section(entry)?;
        let (mut notes, more) = postcard::take_from_bytes::<Notes>(&bytes).map_err(unreadable)?;
        if !more.is_empty() {
            notes.needs = Some(postcard::take_from_bytes(more).map_err(unreadable)?.0);
        }
        Ok(notes)
    }

    /// Reads a part whole.
    pub fn part(&self, index: usize) -> Result<Raw<'a>> {
        self.part_with(index, |entry| self.section(entry))
    }

    /// Reads a part whole, its code to the place where it can run.
    pub fn part_to_run(&self, index: usize, kept: &Arc<Kept>) -> Result<Raw<'a, CodeImage>> {
        self.part_with(index, |entry| {
            let mut image = CodeImage::new(in_memory(entry.length)?, kept)?;
            self.section_into(entry, &mut image)?;
            Ok(image)
        })
    }

    fn part_with<C>(&self, index: usize, read: impl FnOnce(&Entry) -> Result<C>) -> Result<Raw<'a, C>> {
        let part = &self.parts[index];
        let metadata = self.section(&part.metadata)?;
        let code = read(&part.code)?;
        Ok(Raw { description: part.description.clone(), metadata, code })
    }
}

/// The bytes of a part, checked and not yet understood.
pub struct Raw<'a, C = Cow<'a, [u8]>> {
    description: Description,
    metadata: Cow<'a, [u8]>,
    pub code: C,
}

impl<C: Deref<Target = [u8]>> Raw<'_, C> {
    /// An upper bound for the records of the part: its metadata, and the engine's own records.
    pub fn room_bytes(&self) -> usize {
        /// Two texts and their records, for a name of one letter, take this many times its bytes.
        const TIMES: usize = 32;
        let file = ElfFile64::<Endianness>::parse(&*self.code).ok();
        let records = file.and_then(|file| Some(file.section_by_name(ELF_WASMTIME_INFO)?.size()));
        TIMES.saturating_mul((self.metadata.len() as u64).saturating_add(records.unwrap_or(0)) as usize)
    }

    pub fn metadata(&self) -> Result<Metadata> {
        let mut metadata = Metadata::decode(&self.metadata)?;
        metadata.description = self.description.clone();
        Ok(metadata)
    }
}

/// The part of an artifact that suits this machine best; it borrows the bytes that it was read from.
pub struct Artifact<'a> {
    pub metadata: Metadata,
    pub code: Cow<'a, [u8]>,
    /// The number of this part, from 1.
    pub part: u32,
    pub opened: Opened<'a>,
}

/// Reads the part of an artifact that suits this machine best, or lacks least. Does not say if it fits: see [`check_host`].
pub fn read(bytes: &[u8]) -> Result<Artifact<'_>> {
    let opened = Opened::new(Input::Memory(bytes))?;
    let (index, _) = opened.choose(&Limits::default());
    let raw = opened.part(index)?;
    Ok(Artifact { metadata: raw.metadata()?, code: raw.code, part: index as u32 + 1, opened })
}

/// Reads all of an artifact's file, but only if it is as long as its header says.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let source = Input::open(path)?;
    let total = shape(&source.read(0, HEADER_BYTES as u64)?, source.length())?.total;
    let bytes = source.read(0, total)?;
    // The file was truncated during the read.
    if (bytes.len() as u64) < total {
        return Err(truncated(bytes.len() as u64, total));
    }
    Ok(bytes.into_owned())
}

/// The header's figures about the rest of the file.
struct Shape {
    /// The number of sections.
    count: u32,
    /// The end of the sections, where the signatures begin.
    end: u64,
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
        let remedy = if version < VERSION { "compile the module again" } else { "it takes a newer library" };
        return Err(Error::new(
            RTW_ERR_ENVELOPE_VERSION,
            format!("the artifact's envelope has version {version}; this library reads version {VERSION}: {remedy}"),
        ));
    }
    let total = u64_at(bytes, 16);
    if have < total {
        return Err(truncated(have, total));
    }
    if have > total {
        return Err(Error::new(RTW_ERR_ARTIFACT, format!("{} bytes follow the artifact's end at byte {total}", have - total)));
    }
    if u32_at(bytes, 28) != 0 || u128_at(bytes, CHECKED_HEADER_BYTES + 16) != 0 {
        return Err(Error::new(RTW_ERR_ARTIFACT, "the reserved bytes of the artifact's header are not zero"));
    }
    let (count, signature_bytes) = (u32_at(bytes, 12), u32_at(bytes, 24));
    let sections = HEADER_BYTES as u64 + u64::from(count) * ENTRY_BYTES as u64;
    let end = total.checked_sub(signature_bytes.into()).filter(|end| *end >= sections);
    match end {
        Some(end) if count <= MOST_ENTRIES && signature_bytes <= MOST_SIGNATURE_BYTES => Ok(Shape { count, end, total }),
        _ => Err(contradiction()),
    }
}

/// Reads the table: sections that follow each other from `start` to `end` without a gap.
fn entries(table: &[u8], start: u64, end: u64) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(table.len() / ENTRY_BYTES);
    let mut at = start;
    for bytes in table.as_chunks::<ENTRY_BYTES>().0 {
        let (entry, reserved) = Entry::decode(bytes);
        if entry.flags & !REQUIRED != 0 || reserved != 0 {
            return Err(Error::new(
                RTW_ERR_ENVELOPE_VERSION,
                format!("a section of the artifact has flags {:#x} that this library is too old for", entry.flags),
            ));
        }
        let next = at.checked_add(entry.length).filter(|next| entry.offset == at && *next <= end);
        at = next.ok_or_else(contradiction)?;
        entries.push(entry);
    }
    if at == end { Ok(entries) } else { Err(contradiction()) }
}

fn contradiction() -> Error {
    Error::new(RTW_ERR_ARTIFACT, "the artifact's header and its table of sections contradict each other")
}

fn damaged(what: &str) -> Error {
    Error::new(RTW_ERR_DIGEST, format!("the artifact's {what} does not match its checksum: it was changed or damaged"))
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
