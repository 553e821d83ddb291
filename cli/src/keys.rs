//! Key files, and the commands that work with them: `rtwasm keygen`, `rtwasm sign`, `rtwasm verify`.
//!
//! A key file is text: `#` begins a comment; every other line is a kind and 64 hexadecimal digits.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer, SigningKey};
use rtwasm::engine::artifact::signature::{self, Digests, Signature, is_key};
use rtwasm::engine::artifact::{Input, Opened, PublicKey};
use rtwasm::status::RTW_ERR_FORGED;
use rtwasm::sys::file;

use crate::args::{self, Arg, Args, Failure};
use crate::inspect::hex;

const PUBLIC: &str = "rtwasm-public-key";
const SECRET: &str = "rtwasm-secret-key";
/// The longest key file.
const LONGEST_BYTES: u64 = 1 << 20;

const EXIT_UNSIGNED: u8 = 3;
const EXIT_FORGED: u8 = 4;

pub const KEYGEN_HELP: &str = "rtwasm keygen: make a pair of keys, to sign artifacts with

Usage: rtwasm keygen NAME

Writes two text files: NAME.key has the secret key, which signs (mode 0600: keep it secret, it is not encrypted);
NAME.pub has the public key, which tells who signed, also as an initialiser for rtw_public_key_t. Prints the public
key. The keys are Ed25519's. Overwrites no file.

Options:
  -h, --help  print this text

Exit status: 0 done, 1 failed, 2 wrong usage.

Examples:
  rtwasm keygen release
";

pub const SIGN_HELP: &str = "rtwasm sign: sign an artifact, or remove signatures

Usage: rtwasm sign ARTIFACT --key FILE [OPTIONS]
       rtwasm sign ARTIFACT --remove KEY [OPTIONS]

Checks the whole artifact against its checksums, adds the signature of the secret key in FILE, and replaces the file
with the signed one. The signature covers every section of every part. An artifact may have several signatures, so that
a new key can be introduced before an old one is given up; a second signature with the same key changes nothing. The same
artifact and keys make the same bytes, in any order. Without its last signature the artifact is as it was before the first.

Options:
  --key FILE     sign with this secret key (rtwasm keygen); may be repeated
  --remove KEY   remove the signature of this public key: a file, 64 hexadecimal digits, or all; may be repeated
  -o FILE        write here; the artifact itself is not changed
  -h, --help     print this text

Exit status: 0 done, 1 failed, 2 wrong usage.

Examples:
  rtwasm sign gain.rtw --key release.key
  rtwasm sign gain.rtw --key new.key --remove old.pub
";

pub const VERIFY_HELP: &str = "rtwasm verify: check all of an artifact, and who signed it

Usage: rtwasm verify ARTIFACT [--key KEY]...

Compares every section of every part with its checksum, also the parts that this machine would not load, and checks
every signature. With --key, one of these public keys must have signed the artifact. Loads nothing and runs no code.

Options:
  --key KEY   a public key that you trust: a file (it may hold several), or 64 hexadecimal digits; may be repeated
  --quiet     print nothing if all is well
  -h, --help  print this text

Exit status: 0 all is well; 1 not a sound artifact; 2 wrong usage; 3 sound, but none of the keys has signed it; 4 sound,
but a signature is wrong: the artifact was changed after it was signed.

Examples:
  rtwasm verify gain.rtw
  rtwasm verify gain.rtw --key release.pub
";

pub fn keygen(mut args: Args) -> Result<(), Failure> {
    let mut name: Option<PathBuf> = None;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => args::set_once(&mut name, value, "name")?,
            Arg::Option(option) => return Err(args::unknown_option(&option)),
        }
    }
    let name = name.ok_or_else(|| Failure::Usage("missing name".into()))?;
    let with = |ending: &str| {
        let mut path = name.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let (secret, public) = (with(".key"), with(".pub"));
    if public.symlink_metadata().is_ok() {
        return Err(Failure::about(&public, "it exists, and is not overwritten"));
    }
    let mut seed = [0; 32];
    let random = Path::new("/dev/urandom");
    File::open(random).and_then(|mut file| file.read_exact(&mut seed)).map_err(|error| Failure::about(random, error))?;
    let key = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    let initialiser: Vec<String> = key.iter().map(|byte| format!("{byte:#04x}")).collect();
    write_new(&secret, 0o600, &format!("# Signs artifacts (rtwasm sign). Keep it secret.\n{SECRET} {}\n", hex(&seed)))?;
    let public_text = format!(
        "# Tells who signed an artifact (rtwasm verify).\n{PUBLIC} {}\n# const rtw_public_key_t key = {{{{{}}}}};\n",
        hex(&key),
        initialiser.join(", ")
    );
    write_new(&public, 0o644, &public_text)?;
    args::print(&format!("{}: the secret key\n{}: the public key {}\n", secret.display(), public.display(), hex(&key)))
}

/// Creates a file; never overwrites one.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::about(path, "it exists, and is not overwritten"),
            _ => Failure::about(path, error),
        })
}

/// Reads the keys of one kind from a file.
fn read_keys(path: &Path, kind: &str) -> Result<Vec<[u8; 32]>, Failure> {
    let mut text = String::new();
    let (file, _) = file::open_regular(path).map_err(|refused| Failure::about(path, refused.cause()))?;
    let broken = |what: &str| Failure::about(path, format_args!("not a file with a {kind}: {what}"));
    let length = file.take(LONGEST_BYTES + 1).read_to_string(&mut text).map_err(|_| broken("not text"))?;
    if length as u64 > LONGEST_BYTES {
        return Err(broken("it is longer than 1 MiB"));
    }
    let mut keys = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(char::is_whitespace) {
            Some((found, digits)) if found == kind => {
                keys.push(from_hex(digits.trim()).ok_or_else(|| broken("a key has not 64 hexadecimal digits"))?);
            }
            Some((PUBLIC, _)) => return Err(broken("it has a public key")),
            Some((SECRET, _)) => return Err(broken("it has a secret key")),
            _ => return Err(broken("a line has no key")),
        }
    }
    if keys.is_empty() { Err(broken("it has no key")) } else { Ok(keys) }
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..][..2], 16).ok()?;
    }
    Some(key)
}

/// Public keys: 64 digits, or the name of a file.
fn public_keys(text: &str) -> Result<Vec<PublicKey>, Failure> {
    let keys = match from_hex(text) {
        Some(key) => vec![key],
        None => read_keys(Path::new(text), PUBLIC)?,
    };
    match keys.iter().find(|key| !is_key(key)) {
        Some(key) => Err(Failure::Failed(format!("{} is not an Ed25519 public key", hex(key)))),
        None => Ok(keys),
    }
}

/// Reads a file with one secret key.
pub fn secret_key(path: &Path) -> Result<SigningKey, Failure> {
    let keys = read_keys(path, SECRET)?;
    let [seed] = keys.as_slice() else { return Err(Failure::about(path, "it has more than one secret key")) };
    if std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o077 != 0) {
        eprintln!("rtwasm: warning: {}: others can read the secret key: chmod 600", path.display());
    }
    Ok(SigningKey::from_bytes(seed))
}

/// Signs `message` with each of these keys, in place of an older signature with the same key.
fn add(signers: &[SigningKey], message: &[u8], signatures: &mut Vec<Signature>) {
    for signer in signers {
        let key = signer.verifying_key().to_bytes();
        signatures.retain(|one| one.key() != Some(&key));
        signatures.push(Signature::new(&key, &signer.sign(message).to_bytes()));
    }
}

/// Signs an artifact that the compiler has just made.
pub fn sign_new(artifact: &[u8], signers: &[SigningKey]) -> rtwasm::status::Result<Vec<u8>> {
    signature::resign(artifact, |message, signatures| add(signers, message, signatures))
}

pub fn sign(mut args: Args) -> Result<(), Failure> {
    let (mut path, mut output): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    let (mut signers, mut removed, mut all) = (Vec::new(), Vec::new(), false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => args::set_once(&mut path, value, "artifact")?,
            Arg::Option(option) => match option.as_str() {
                "--key" => signers.push(secret_key(Path::new(&args.value()?))?),
                "--remove" => match args.text()?.as_str() {
                    "all" => all = true,
                    text => removed.extend(public_keys(text)?),
                },
                "-o" | "--output" => args::set_once(&mut output, args.value()?, "output")?,
                _ => return Err(args::unknown_option(&option)),
            },
        }
    }
    let path = path.ok_or_else(|| Failure::Usage("missing artifact".into()))?;
    if signers.is_empty() && removed.is_empty() && !all {
        return Err(Failure::Usage("missing --key or --remove".into()));
    }
    if args::is_standard_stream(&path) {
        return Err(Failure::Usage("the artifact must be a file".into()));
    }
    let bytes = args::read(&path)?;
    let mut unknown = Vec::new();
    let mut left = Vec::new();
    let signed = signature::resign(&bytes, |message, signatures| {
        unknown =
            removed.iter().filter(|key| !signatures.iter().any(|one| one.key() == Some(key))).map(|key| hex(key)).collect();
        signatures.retain(|one| !all && !one.key().is_some_and(|key| removed.contains(key)));
        add(&signers, message, signatures);
        left = signatures.iter().filter_map(Signature::key).map(|key| hex(key)).collect();
    })
    .map_err(|error| args::no_artifact(&path, &error, &bytes))?;
    if !unknown.is_empty() {
        return Err(Failure::about(&path, format_args!("no signature to remove of {}", unknown.join(", "))));
    }
    let output = output.unwrap_or(path);
    file::replace(&output, &signed).map_err(|error| Failure::about(&output, error))?;
    left.sort();
    let who = if left.is_empty() { "nobody".into() } else { left.join(", ") };
    args::print(&format!("{}: signed by {who}\n", output.display()))
}

pub fn verify(mut args: Args) -> Result<(), Failure> {
    let mut path: Option<PathBuf> = None;
    let (mut keys, mut quiet) = (Vec::new(), false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => args::set_once(&mut path, value, "artifact")?,
            Arg::Option(option) => match option.as_str() {
                "--key" => keys.extend(public_keys(&args.text()?)?),
                "--quiet" | "-q" => quiet = true,
                _ => return Err(args::unknown_option(&option)),
            },
        }
    }
    let path = path.ok_or_else(|| Failure::Usage("missing artifact".into()))?;
    let bytes = args::read(&path)?;
    let verified = Verified::new(&bytes, &keys).map_err(|error| args::no_artifact(&path, &error, &bytes))?;
    let name = args::shown(&path);
    let outcome = verified.outcome(&keys);
    if !quiet || outcome.is_err() {
        args::print(&format!("{name}: {}", verified.text))?;
    }
    outcome.map_err(|(code, why)| {
        eprintln!("rtwasm: error: {name}: {why}");
        Failure::Outcome(code)
    })
}

/// A sound artifact's signatures.
struct Verified {
    /// A line about the artifact, and one for each signature.
    text: String,
    has_wrong: bool,
    /// True if one of the trusted keys has signed it.
    is_trusted: bool,
}

impl Verified {
    /// Checks all of an artifact. An error if it is not sound, whoever has signed it.
    fn new(bytes: &[u8], trusted: &[PublicKey]) -> rtwasm::status::Result<Verified> {
        let opened = Opened::new(Input::Memory(bytes))?;
        let digests = Digests::new(&opened)?;
        // A load of any part would find this, too.
        for index in 0..opened.parts.len() {
            opened.part(index)?.metadata()?;
        }
        let signatures = signature::decode(&opened.signatures)?;
        let text = format!(
            "{}, {}: every checksum is right\n",
            args::plural(opened.parts.len() as u64, "part"),
            args::plural(opened.entries.len() as u64, "section")
        );
        let mut verified = Verified { text, has_wrong: false, is_trusted: false };
        for one in &signatures {
            verified.add(one, bytes, &digests, trusted);
        }
        if signatures.is_empty() {
            verified.text += "not signed\n";
        }
        Ok(verified)
    }

    fn add(&mut self, signature: &Signature, bytes: &[u8], digests: &Digests, trusted: &[PublicKey]) {
        let Some(key) = signature.key() else {
            self.text += &format!("signature of an unknown kind {}: not checked\n", signature.algorithm);
            return;
        };
        // A runtime with this key compares the table's digests as well.
        let loads = digests.match_signature(signature) && Opened::trusted(Input::Memory(bytes), &[*key]).is_ok();
        let is_trusted = trusted.contains(key);
        self.has_wrong |= !loads;
        self.is_trusted |= loads && is_trusted;
        let whose = if is_trusted { ", which you trust" } else { "" };
        self.text += &format!("signed by {}{whose}{}\n", hex(key), if loads { "" } else { ": WRONG" });
    }

    /// The exit status and its cause, unless all is well.
    fn outcome(&self, keys: &[PublicKey]) -> Result<(), (u8, String)> {
        if self.has_wrong {
            let status = rtwasm::status::name(RTW_ERR_FORGED);
            return Err((EXIT_FORGED, format!("{status}: it was changed after it was signed")));
        }
        if !keys.is_empty() && !self.is_trusted {
            return Err((EXIT_UNSIGNED, "RTW_ERR_UNSIGNED: none of these keys has signed it".into()));
        }
        Ok(())
    }
}
