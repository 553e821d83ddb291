//! Signatures: who vouches for an artifact. docs/artifacts.md has the layout.
//!
//! A signature is made over the header's first bytes and the table, in which each section has its digest: so it covers every section, and
//! a reader checks it before it reads one. Signatures are at the file's end and cover none of themselves, so keys come and go without
//! each other.

use ed25519_dalek::{VerifyingKey, hazmat};
use sha2::{Digest, Sha256};

use super::read::Opened;
use super::write::front;
use super::{HEADER_BYTES, Input, u32_at};
use crate::status::*;

/// An Ed25519 public key, as RFC 8032 encodes it.
pub type PublicKey = [u8; 32];

/// The bytes that precede what is signed, so that no signature made for another purpose is one of an artifact.
const DOMAIN: [u8; 32] = *b"rtwasm artifact, Ed25519 SHA-256";
/// The bytes of the header that are signed: magic, version, number of sections. The rest depends on the signatures, or follows from the
/// table.
const SIGNED_HEADER_BYTES: usize = 16;
/// The only algorithm: Ed25519 over SHA-256 digests. A reader passes over signatures of others.
const ED25519: u32 = 1;
/// Algorithm and length, which precede a record's value.
const RECORD_HEAD_BYTES: usize = 8;
/// A key and its signature.
const VALUE_BYTES: usize = 96;

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    pub algorithm: u32,
    /// Of the known algorithm: the public key, then the signature.
    pub value: Vec<u8>,
}

impl Signature {
    pub fn new(key: &PublicKey, signature: &[u8; 64]) -> Signature {
        Signature { algorithm: ED25519, value: [key.as_slice(), signature].concat() }
    }

    /// The key that made it; None if this library does not know the algorithm.
    pub fn key(&self) -> Option<&PublicKey> {
        let known = self.algorithm == ED25519 && self.value.len() == VALUE_BYTES;
        self.value.first_chunk().filter(|_| known)
    }

    /// True if the holder of its key has signed `message`.
    pub fn is_right(&self, message: &[u8]) -> bool {
        let (Some(key), Some(bytes)) = (self.key().and_then(point), self.value.last_chunk()) else { return false };
        let signature = ed25519_dalek::Signature::from_bytes(bytes);
        // This is `verify_strict`, but for its SHA-512, which is five times as large.
        point(signature.r_bytes()).is_some() && hazmat::raw_verify::<hmac_sha512::Hash>(&key, message, &signature).is_ok()
    }
}

/// True if these bytes are a public key that can have signed something.
pub fn is_key(key: &PublicKey) -> bool {
    point(key).is_some()
}

/// Returns the point that these bytes encode; None for one of small order, which fits signatures of any message.
fn point(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes).ok().filter(|point| !point.is_weak())
}

/// Reads the signatures at a file's end: ascending, so none comes twice.
pub fn decode(mut bytes: &[u8]) -> Result<Vec<Signature>> {
    let broken = || Error::new(RTW_ERR_ARTIFACT, "the artifact's signatures cannot be read");
    let mut found: Vec<Signature> = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_checked(RECORD_HEAD_BYTES).ok_or_else(broken)?;
        let (value, rest) = rest.split_at_checked(u32_at(head, 4) as usize).ok_or_else(broken)?;
        let one = Signature { algorithm: u32_at(head, 0), value: value.to_vec() };
        if found.last().is_some_and(|last| *last >= one) {
            return Err(broken());
        }
        found.push(one);
        bytes = rest;
    }
    Ok(found)
}

fn encode(signatures: &[Signature]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in signatures {
        bytes.extend_from_slice(&one.algorithm.to_le_bytes());
        bytes.extend_from_slice(&(one.value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&one.value);
    }
    bytes
}

/// Returns the message that a signature is made over, for an artifact that begins with these bytes: a header and a table.
pub fn message(front: &[u8]) -> Vec<u8> {
    [&DOMAIN, &front[..SIGNED_HEADER_BYTES], &front[HEADER_BYTES..]].concat()
}

/// Finds the first of `keys` that has signed `message`.
pub(super) fn signer(message: &[u8], signatures: &[u8], keys: &[PublicKey]) -> Result<PublicKey> {
    let found = decode(signatures)?;
    let mut trusted = found.iter().filter(|one| one.key().is_some_and(|key| keys.contains(key))).peekable();
    if trusted.peek().is_none() {
        let text = match found.is_empty() {
            true => "the artifact is not signed, and the runtime has trusted_keys",
            false => "no key of the runtime's trusted_keys has signed the artifact",
        };
        return Err(Error::new(RTW_ERR_UNSIGNED, text));
    }
    let right = trusted.find(|one| one.is_right(message));
    right.and_then(Signature::key).copied().ok_or_else(|| forged("the artifact's table of sections"))
}

pub(super) fn forged(what: &str) -> Error {
    Error::new(RTW_ERR_FORGED, [what, " is not what the trusted key has signed: it was changed afterwards"].concat())
}

/// The digests of an artifact's sections, in the table's order, and of the artifact: of the header's first bytes and the table with these
/// digests, which is the same whoever has signed.
pub struct Digests {
    pub sections: Vec<[u8; 32]>,
    pub artifact: [u8; 32],
    message: Vec<u8>,
}

impl Digests {
    /// Reads every section, of all parts, and compares it with its checksum.
    pub fn new(opened: &Opened<'_>) -> Result<Digests> {
        let one = |entry| Ok(Sha256::digest(&*opened.section(entry)?).into());
        let sections: Vec<[u8; 32]> = opened.entries.iter().map(one).collect::<Result<_>>()?;
        let mut entries = opened.entries.clone();
        entries.iter_mut().zip(&sections).for_each(|(entry, digest)| entry.digest = *digest);
        let message = message(&front(&entries, 0, &[]));
        Ok(Digests { sections, artifact: Sha256::digest(&message[DOMAIN.len()..]).into(), message })
    }

    /// True if `signature` was made over this artifact, all of it.
    pub fn match_signature(&self, signature: &Signature) -> bool {
        signature.is_right(&self.message)
    }
}

/// Changes the signatures of an artifact. `change` receives what is to be signed, and the signatures there are. Refuses to keep one that
/// is wrong. The last one takes the digests with it: what is left is the artifact that was signed first, byte for byte.
pub fn resign(bytes: &[u8], change: impl FnOnce(&[u8], &mut Vec<Signature>)) -> Result<Vec<u8>> {
    let opened = Opened::new(Input::Memory(bytes))?;
    let digests = Digests::new(&opened)?;
    let mut signatures = decode(&opened.signatures)?;
    change(&digests.message, &mut signatures);
    signatures.sort();
    signatures.dedup();
    if let Some(wrong) = signatures.iter().position(|one| one.key().is_some() && !digests.match_signature(one)) {
        return Err(Error::new(
            RTW_ERR_FORGED,
            format!("signature {} is not one of this artifact: remove it first", wrong + 1),
        ));
    }
    let mut entries = opened.entries.clone();
    for (entry, digest) in entries.iter_mut().zip(&digests.sections) {
        entry.digest = if signatures.is_empty() { [0; 32] } else { *digest };
    }
    let end = bytes.len() - opened.signatures.len();
    let block = encode(&signatures);
    if block.len() > super::MOST_SIGNATURE_BYTES as usize {
        return Err(Error::new(RTW_ERR_LIMIT, "an artifact has at most 64 KiB of signatures"));
    }
    let mut file = front(&entries, end as u64, &block);
    file.extend_from_slice(&bytes[file.len()..end]);
    file.extend_from_slice(&block);
    Ok(file)
}

#[cfg(test)]
mod tests;
