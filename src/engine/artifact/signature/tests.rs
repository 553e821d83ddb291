use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use ed25519_dalek::{Signer, SigningKey, Verifier};

use super::super::checksum;
use super::super::tests::one_part;
use super::*;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn public(number: u8) -> PublicKey {
    key(number).verifying_key().to_bytes()
}

fn signature(number: u8, message: &[u8]) -> Signature {
    Signature::new(&public(number), &key(number).sign(message).to_bytes())
}

fn signed(bytes: &[u8], keys: &[u8]) -> Vec<u8> {
    let add = |message: &[u8], all: &mut Vec<Signature>| all.extend(keys.iter().map(|key| signature(*key, message)));
    resign(bytes, add).unwrap()
}

/// The status of reading the whole file, in a runtime that trusts these keys.
fn status(bytes: &[u8], keys: &[u8]) -> rtw_status_t {
    let keys: Vec<PublicKey> = keys.iter().map(|key| public(*key)).collect();
    let read = Opened::trusted(Input::Memory(bytes), &keys)
        .and_then(|opened| opened.entries.iter().try_for_each(|entry| opened.section(entry).map(drop)));
    read.map_or_else(|error| error.status, |()| RTW_OK)
}

/// Makes the header's checksum right again, as whoever changes a file on purpose would.
fn with_right_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let front = HEADER_BYTES + u32_at(&bytes, 12) as usize * super::super::ENTRY_BYTES;
    if let Some(end) = bytes.len().checked_sub(u32_at(&bytes, 24) as usize).filter(|end| front <= *end) {
        let checksum = super::super::write::front_checksum(&bytes[..front], &bytes[end..]);
        bytes[32..48].copy_from_slice(&checksum.to_le_bytes());
    }
    bytes
}

/// Pseudo-random numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

fn records() -> Vec<Signature> {
    let other = |algorithm, value: &[u8]| Signature { algorithm, value: value.to_vec() };
    let mut all =
        vec![other(0, b""), signature(1, b"a"), signature(2, b"a"), other(1, b"short"), other(2, b"later"), other(2, b"")];
    all.sort();
    all
}

#[test]
fn what_is_encoded_is_decoded() {
    assert_eq!(decode(&[]).unwrap(), []);
    assert_eq!(decode(&encode(&records())).unwrap(), records());
    let keys: Vec<_> = records().iter().map(|one| one.key().copied()).collect();
    assert_eq!(keys.iter().flatten().count(), 2, "other algorithms and lengths have no key");
}

#[test]
fn every_prefix_has_whole_records_or_is_refused() {
    let bytes = encode(&records());
    let ends: Vec<usize> = (0..=records().len()).map(|count| encode(&records()[..count]).len()).collect();
    for length in 0..=bytes.len() {
        match decode(&bytes[..length]) {
            Ok(found) => assert_eq!(encode(&found).len(), length, "prefix of {length}"),
            Err(error) => assert!(error.status == RTW_ERR_ARTIFACT && !ends.contains(&length), "prefix of {length}"),
        }
    }
}

#[test]
fn records_out_of_order_are_refused() {
    let refused = |all: &[&Signature]| {
        let bytes = encode(&all.iter().map(|one| (*one).clone()).collect::<Vec<_>>());
        decode(&bytes).map_or_else(|error| error.status, |_| RTW_OK)
    };
    let all = records();
    assert_eq!(refused(&[&all[0], &all[1]]), RTW_OK);
    assert_eq!(refused(&[&all[1], &all[0]]), RTW_ERR_ARTIFACT);
    assert_eq!(refused(&[&all[1], &all[1]]), RTW_ERR_ARTIFACT, "a record twice");
}

#[test]
fn lengths_beyond_the_end_are_refused() {
    for length in [1, 0x7fff_ffff, u32::MAX] {
        let bytes = [1_u32.to_le_bytes(), length.to_le_bytes()].concat();
        assert_eq!(decode(&bytes).unwrap_err().status, RTW_ERR_ARTIFACT, "length {length}");
    }
}

/// Any bytes are refused, or are the one encoding of what they say.
#[test]
fn bytes_that_are_decoded_encode_to_themselves() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let right = encode(&records());
    let mut decoded = 0;
    for _ in 0..20_000 {
        let mut bytes = right.clone();
        for _ in 0..1 + random.below(3) {
            // Mostly where algorithms and lengths are.
            let at = if random.below(2) == 0 { random.below(24) } else { random.below(bytes.len()) };
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.below(256) as u8,
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, random.below(4) as u8),
            }
        }
        if let Ok(found) = decode(&bytes) {
            assert_eq!(encode(&found), bytes);
            decoded += 1;
        }
    }
    assert!(decoded > 1_000, "enough of them can be read: {decoded}");
}

#[test]
fn signatures_come_and_go() {
    let plain = one_part();
    let (one, both) = (signed(&plain, &[1]), signed(&plain, &[1, 2]));
    assert_eq!(signed(&one, &[2]), both, "one after the other");
    assert_eq!(signed(&plain, &[2, 1]), both, "in another order");
    assert_eq!(signed(&both, &[1]), both, "again");
    assert_eq!(resign(&both, |_, all| all.retain(|one| one.key() == Some(&public(1)))).unwrap(), one, "the second goes");
    assert_eq!(resign(&both, |_, all| all.clear()).unwrap(), plain, "without the last, the file is as before");
    assert_eq!(resign(&both, |_, _| ()).unwrap(), both, "no change");
    let later = Signature { algorithm: 7, value: b"later".to_vec() };
    let with_later = resign(&one, |_, all| all.push(later.clone())).unwrap();
    assert_eq!(decode(&Opened::new(Input::Memory(&with_later)).unwrap().signatures).unwrap().last(), Some(&later));
    assert_eq!(status(&with_later, &[1]), RTW_OK, "an algorithm of later versions is passed over");
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let plain = one_part();
    let refused = |bytes: &[u8], more: &[Signature]| resign(bytes, |_, all| all.extend_from_slice(more)).unwrap_err().status;
    assert_eq!(refused(&plain, &[signature(1, b"another artifact")]), RTW_ERR_FORGED);
    let large = |bytes: usize| Signature { algorithm: 7, value: vec![0; bytes] };
    let most = super::super::MOST_SIGNATURE_BYTES as usize - RECORD_HEAD_BYTES;
    assert_eq!(refused(&plain, &[large(most + 1)]), RTW_ERR_LIMIT);
    assert!(resign(&plain, |_, all| all.push(large(most))).is_ok());
    let mut damaged = plain.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&damaged, &[]), RTW_ERR_DIGEST);
    assert_eq!(refused(&plain[..70], &[]), RTW_ERR_TRUNCATED);
}

#[test]
fn one_trusted_key_has_to_have_signed() {
    let plain = one_part();
    let both = signed(&plain, &[1, 2]);
    assert_eq!(status(&plain, &[]), RTW_OK);
    assert_eq!(status(&plain, &[1]), RTW_ERR_UNSIGNED);
    for (keys, expected) in [(&[][..], RTW_OK), (&[1], RTW_OK), (&[2], RTW_OK), (&[3, 2], RTW_OK), (&[3], RTW_ERR_UNSIGNED)] {
        assert_eq!(status(&both, keys), expected, "{keys:?}");
    }
}

/// Whatever is changed in what was signed, with the checksums made right: no runtime with the key reads it.
#[test]
fn no_changed_bit_is_trusted() {
    let right = signed(&one_part(), &[1]);
    assert_eq!(status(&with_right_checksum(right.clone()), &[1]), RTW_OK, "nothing changed");
    let refused = |at: usize, change: u8| {
        let mut changed = right.clone();
        changed[at] ^= change;
        status(&with_right_checksum(changed), &[1])
    };
    let mut forged = 0;
    for at in (0..right.len()).filter(|at| !(32..48).contains(at)) {
        for bit in 0..8 {
            let found = refused(at, 1 << bit);
            assert_ne!(found, RTW_OK, "byte {at} bit {bit}");
            forged += u32::from(found == RTW_ERR_FORGED);
        }
    }
    assert!(forged > 1_000, "most are told as forged: {forged}");
}

/// As before, with sections that were replaced together with their checksums and digests.
#[test]
fn no_replaced_section_is_trusted() {
    let plain = one_part();
    let right = signed(&plain, &[1]);
    let opened = Opened::new(Input::Memory(&right)).unwrap();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for round in 0..500 {
        let index = random.below(opened.entries.len());
        let (mut entries, mut bytes) = (opened.entries.clone(), right.clone());
        let entry = &mut entries[index];
        let range = entry.offset as usize..(entry.offset + entry.length) as usize;
        bytes[range.start + random.below(range.len())] ^= 1 << random.below(8);
        entry.checksum = checksum(&bytes[range.clone()]);
        let keeps_digest = random.below(2) == 0;
        if !keeps_digest {
            entry.digest = Sha256::digest(&bytes[range]).into();
        }
        let end = bytes.len() - opened.signatures.len();
        let front = front(&entries, end as u64, &opened.signatures);
        bytes[..front.len()].copy_from_slice(&front);
        assert_eq!(status(&bytes, &[1]), RTW_ERR_FORGED, "round {round}: section {index}");
        assert_ne!(status(&bytes, &[]), RTW_ERR_FORGED, "round {round}: who has no keys looks at no digest");
    }
}

/// Adds the order of the group to a signature's scalar.
fn with_order_added(signature: &[u8; 64]) -> [u8; 64] {
    let order = (Scalar::ZERO - Scalar::ONE).to_bytes();
    let mut bytes = *signature;
    let mut carry = 1;
    for (byte, order) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    bytes
}

/// Refuses what a lax verification accepts: points of small order, which fit any message; and scalars beyond the group's order.
#[test]
fn only_strict_signatures_are_right() {
    let message = b"message";
    let all_but_first = |first| std::array::from_fn(|at| if at == 0 { first } else { 0 });
    let identity: [u8; 32] = all_but_first(1);
    let join = |r: &[u8; 32], s: &[u8; 32]| -> [u8; 64] { [*r, *s].concat().try_into().unwrap() };
    let judge = |key: &PublicKey, bytes: &[u8; 64]| {
        let (whole, signature) = (VerifyingKey::from_bytes(key).unwrap(), ed25519_dalek::Signature::from_bytes(bytes));
        let right = Signature::new(key, bytes).is_right(message);
        assert_eq!(right, whole.verify_strict(message, &signature).is_ok(), "as the strict verification says");
        (right, whole.verify(message, &signature).is_ok())
    };

    let right = key(1).sign(message).to_bytes();
    assert_eq!(judge(&public(1), &right), (true, true));
    assert_eq!(judge(&public(2), &right), (false, false), "another key's");
    assert_eq!(judge(&public(1), &with_order_added(&right)), (false, false), "a second form of the same signature");

    let base = curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.to_bytes();
    assert_eq!(judge(&identity, &join(&base, &all_but_first(1))), (false, true), "a key of small order");
    assert!(!is_key(&identity));

    let secret = ExpandedSecretKey::from(&key(1).to_bytes());
    let hash: [u8; 64] = hmac_sha512::Hash::hash([&identity[..], &public(1), message].concat());
    let scalar = Scalar::from_bytes_mod_order_wide(&hash) * secret.scalar;
    assert_eq!(judge(&public(1), &join(&identity, scalar.as_bytes())), (false, true), "a commitment of small order");
    // The same point, encoded as one more than the field's prime.
    let other_form = std::array::from_fn(|at| [0xee, 0xff, 0x7f][usize::from(at > 0) + usize::from(at == 31)]);
    assert_eq!(judge(&public(1), &join(&other_form, scalar.as_bytes())), (false, false), "another encoding of it");
    assert_eq!(judge(&public(1), &join(&[2; 32], &[0; 32])), (false, false), "no point");
}
