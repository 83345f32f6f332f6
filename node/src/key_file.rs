//! Key files: one ed25519 secret key, encrypted with a passphrase, readable by its owner alone.
//! Must not know what the key signs.
//!
//! A key file is ASCII, five lines, each ended by one `\n`; one encoding of each file, every other is refused:
//!
//! ```text
//! tonle key 1                                          format version
//! public <64 hex digits>                               the ed25519 public key
//! kdf argon2id m=65536 t=3 p=4 salt=<32 hex digits>    or: kdf none     m in KiB (RFC 9106)
//! cipher chacha20poly1305 nonce=<24 hex digits>        or: cipher none  (RFC 8439)
//! secret <96 hex digits>                               the 32-byte seed encrypted, and the 16-byte tag;
//!                                                      or 64 hex digits: the seed itself
//! ```
//!
//! The cipher's key is the 32 bytes that Argon2id (version 0x13) gives for passphrase and salt. The associated data
//! are the first four lines, so that no field can be exchanged. `none` is for development networks only.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use tonle_crypto::{PublicKey, SecretKey};
use zeroize::Zeroizing;

/// The variable that holds the passphrase when no file does.
pub const PASSPHRASE_VARIABLE: &str = "TONLE_PASSPHRASE";
/// Memory of a new file's Argon2id, in KiB: RFC 9106's second recommended option, 64 MiB, 3 passes, 4 lanes.
const MEMORY_KIB: u32 = 65_536;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// Bounds on what a file may ask of the machine that opens it.
const MEMORY_KIB_MAX: u32 = 1_048_576;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
/// A key file has less than 400 bytes.
const FILE_BYTES_MAX: u64 = 1_024;
/// A passphrase file's bound.
const PASSPHRASE_BYTES_MAX: u64 = 4_096;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is there already.
    #[error("{} exists: a key that is overwritten is lost; --force overwrites it", .0.display())]
    Exists(PathBuf),
    /// Others can read the file.
    #[error("{} can be read by others (mode {mode:o}): chmod 600 it", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The bytes are no key file.
    #[error("{} is no tonle key file of version 1: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The line that is wrong.
        what: &'static str,
    },
    /// Wrong passphrase, or a changed file: the two look the same.
    #[error("{}: the passphrase does not open it, or the file was changed", .0.display())]
    Passphrase(PathBuf),
    /// No passphrase could be had.
    #[error(
        "no passphrase: name a file (keys.passphrase_file, --passphrase-file), set {PASSPHRASE_VARIABLE}, or run in a terminal"
    )]
    NoPassphrase,
    /// The passphrase was typed twice, differently.
    #[error("the two passphrases differ: try again")]
    Mismatch,
    /// The passphrase is empty.
    #[error("the passphrase is empty: choose one, or pass --unencrypted for a development key")]
    Empty,
    /// The machine gave no randomness or no memory.
    #[error("cannot derive the key: {0}")]
    Derivation(&'static str),
}

/// How a new file protects its secret.
#[derive(Debug)]
pub enum Protection {
    /// Encrypted under this passphrase.
    Passphrase(Zeroizing<String>),
    /// Not at all: for development networks.
    None,
}

/// A parsed key file; the secret is still closed.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    /// The public key the file says it holds; proven when the file is opened.
    pub public: PublicKey,
    sealing: Option<Sealing>,
    secret: Zeroizing<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sealing {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
    nonce: [u8; 12],
}

/// Refuses a file that its group or others can read.
///
/// # Errors
/// [`KeyFileError::Permissions`], or [`KeyFileError::Io`] when there is no such file.
pub fn check_permissions(path: &Path) -> Result<(), KeyFileError> {
    let metadata = std::fs::metadata(path).map_err(|error| io(path, error))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeyFileError::Permissions { path: path.to_owned(), mode }) }
}

/// Makes a key from the system's randomness and writes its file, mode 0600, durably, all or nothing.
///
/// # Errors
/// [`KeyFileError::Exists`] unless `overwrite`; [`KeyFileError::Io`]; [`KeyFileError::Derivation`].
pub fn create(path: &Path, protection: &Protection, overwrite: bool) -> Result<PublicKey, KeyFileError> {
    if !overwrite && path.exists() {
        return Err(KeyFileError::Exists(path.to_owned()));
    }
    let secret = SecretKey::from_seed(&random()?);
    let text = seal(&secret, protection)?;
    write(path, text.as_bytes(), overwrite)?;
    Ok(secret.public())
}

/// Reads `path` and opens it; `passphrase` is asked only when the file is encrypted.
///
/// # Errors
/// Any [`KeyFileError`] but `Exists`.
pub fn load(
    path: &Path,
    passphrase: impl FnOnce() -> Result<Zeroizing<String>, KeyFileError>,
) -> Result<SecretKey, KeyFileError> {
    let file = KeyFile::read(path)?;
    if file.is_encrypted() { file.open(&passphrase()?) } else { file.open("") }
}

/// The passphrase from `file`, else from [`PASSPHRASE_VARIABLE`], else typed at the terminal under `prompt`.
///
/// # Errors
/// [`KeyFileError::NoPassphrase`] without any of them, [`KeyFileError::Io`], [`KeyFileError::Permissions`].
pub fn passphrase(file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>, KeyFileError> {
    if let Some(path) = file {
        check_permissions(path)?;
        let text = Zeroizing::new(read_bounded(path, PASSPHRASE_BYTES_MAX)?);
        return Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
    }
    if let Ok(text) = std::env::var(PASSPHRASE_VARIABLE) {
        return Ok(Zeroizing::new(text));
    }
    if !std::io::stdin().is_terminal() {
        return Err(KeyFileError::NoPassphrase);
    }
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|_| KeyFileError::NoPassphrase)
}

/// The passphrase for a new file: as [`passphrase`], typed twice at a terminal, never empty.
///
/// # Errors
/// [`KeyFileError::Mismatch`], [`KeyFileError::Empty`], and those of [`passphrase`].
pub fn new_passphrase(file: Option<&Path>) -> Result<Zeroizing<String>, KeyFileError> {
    let typed = file.is_none() && std::env::var_os(PASSPHRASE_VARIABLE).is_none();
    let first = passphrase(file, "passphrase for the new key: ")?;
    if first.is_empty() {
        return Err(KeyFileError::Empty);
    }
    if typed && *passphrase(None, "the same again: ")? != *first {
        return Err(KeyFileError::Mismatch);
    }
    Ok(first)
}

impl KeyFile {
    /// Reads and parses `path`.
    ///
    /// # Errors
    /// [`KeyFileError::Io`], [`KeyFileError::Permissions`], [`KeyFileError::Format`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        check_permissions(path)?;
        let text = Zeroizing::new(read_bounded(path, FILE_BYTES_MAX)?);
        parse(path, &text).map_err(|what| KeyFileError::Format { path: path.to_owned(), what })
    }

    /// Does it take a passphrase to open?
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.sealing.is_some()
    }

    /// Opens the secret and proves that it belongs to [`KeyFile::public`].
    ///
    /// # Errors
    /// [`KeyFileError::Passphrase`]; [`KeyFileError::Derivation`].
    pub fn open(&self, passphrase: &str) -> Result<SecretKey, KeyFileError> {
        let wrong = || KeyFileError::Passphrase(self.path.clone());
        let seed = match &self.sealing {
            None => self.secret.clone(),
            Some(sealing) => {
                let head = head(&self.public, Some(sealing));
                let payload = Payload { msg: &self.secret, aad: head.as_bytes() };
                let nonce = Nonce::from(sealing.nonce);
                Zeroizing::new(cipher(passphrase, sealing)?.decrypt(&nonce, payload).map_err(|_| wrong())?)
            }
        };
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().map_err(|_| wrong())?);
        let secret = SecretKey::from_seed(&seed);
        if secret.public() == self.public { Ok(secret) } else { Err(wrong()) }
    }
}

fn io(path: &Path, error: std::io::Error) -> KeyFileError {
    KeyFileError::Io { path: path.to_owned(), error }
}

fn random<const N: usize>() -> Result<[u8; N], KeyFileError> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|_| KeyFileError::Derivation("the system gives no random bytes"))?;
    Ok(bytes)
}

fn cipher(passphrase: &str, sealing: &Sealing) -> Result<ChaCha20Poly1305, KeyFileError> {
    let params = Params::new(sealing.memory_kib, sealing.passes, sealing.lanes, Some(32))
        .map_err(|_| KeyFileError::Derivation("argon2id refuses its parameters"))?;
    let mut key = Zeroizing::new([0u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &sealing.salt, key.as_mut_slice())
        .map_err(|_| KeyFileError::Derivation("argon2id failed"))?;
    Ok(ChaCha20Poly1305::new(&Key::from(*key)))
}

/// The first four lines.
fn head(public: &PublicKey, sealing: Option<&Sealing>) -> String {
    let (kdf, cipher) = match sealing {
        None => ("none".to_owned(), "none".to_owned()),
        Some(Sealing { memory_kib, passes, lanes, salt, nonce }) => (
            format!("argon2id m={memory_kib} t={passes} p={lanes} salt={}", hex::encode(salt)),
            format!("chacha20poly1305 nonce={}", hex::encode(nonce)),
        ),
    };
    format!("tonle key 1\npublic {public}\nkdf {kdf}\ncipher {cipher}\n")
}

fn seal(secret: &SecretKey, protection: &Protection) -> Result<Zeroizing<String>, KeyFileError> {
    let public = secret.public();
    let (head, bytes) = match protection {
        Protection::None => (head(&public, None), Zeroizing::new(secret.seed().to_vec())),
        Protection::Passphrase(passphrase) => {
            let (salt, nonce) = (random()?, random()?);
            let sealing = Sealing { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt, nonce };
            let head = head(&public, Some(&sealing));
            let seed = secret.seed();
            let payload = Payload { msg: seed.as_slice(), aad: head.as_bytes() };
            let bytes = cipher(passphrase, &sealing)?
                .encrypt(&Nonce::from(nonce), payload)
                .map_err(|_| KeyFileError::Derivation("chacha20poly1305 failed"))?;
            (head, Zeroizing::new(bytes))
        }
    };
    let digits = Zeroizing::new(hex::encode(bytes.as_slice()));
    Ok(Zeroizing::new(format!("{head}secret {}\n", digits.as_str())))
}

fn parse(path: &Path, text: &str) -> Result<KeyFile, &'static str> {
    let mut lines = text.lines();
    let mut field = |name: &'static str| lines.next().and_then(|line| line.strip_prefix(name)).ok_or(name);
    field("tonle key 1")?;
    let public = hex_array(field("public ")?).and_then(|bytes| PublicKey::from_bytes(&bytes).ok());
    let public = public.ok_or("public")?;
    let kdf = field("kdf ")?;
    let cipher = field("cipher ")?;
    let secret = Zeroizing::new(hex::decode(field("secret ")?).map_err(|_| "secret")?);
    let sealing = match (kdf, cipher) {
        ("none", "none") => None,
        _ => Some(parse_sealing(kdf, cipher)?),
    };
    let length = if sealing.is_some() { 48 } else { 32 };
    // Written again it must give the same text: so there is one encoding of each file.
    let again = Zeroizing::new(format!("{}secret {}\n", head(&public, sealing.as_ref()), hex::encode(&*secret)));
    if secret.len() != length || *again != text {
        return Err("secret");
    }
    Ok(KeyFile { path: path.to_owned(), public, sealing, secret })
}

fn parse_sealing(kdf: &str, cipher: &str) -> Result<Sealing, &'static str> {
    let parts: Vec<&str> = kdf.split(' ').collect();
    let ["argon2id", memory, passes, lanes, salt] = parts.as_slice() else { return Err("kdf") };
    let bounded = |text: &str, name: &str, max: u32| {
        let number = text.strip_prefix(name)?.parse::<u32>().ok()?;
        (1..=max).contains(&number).then_some(number)
    };
    Ok(Sealing {
        memory_kib: bounded(memory, "m=", MEMORY_KIB_MAX).ok_or("kdf m")?,
        passes: bounded(passes, "t=", PASSES_MAX).ok_or("kdf t")?,
        lanes: bounded(lanes, "p=", LANES_MAX).ok_or("kdf p")?,
        salt: salt.strip_prefix("salt=").and_then(hex_array).ok_or("kdf salt")?,
        nonce: cipher.strip_prefix("chacha20poly1305 nonce=").and_then(hex_array).ok_or("cipher nonce")?,
    })
}

fn hex_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text).ok()?.try_into().ok()
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, KeyFileError> {
    let file = File::open(path).map_err(|error| io(path, error))?;
    let mut text = String::new();
    file.take(bytes_max).read_to_string(&mut text).map_err(|error| io(path, error))?;
    Ok(text)
}

/// Writes beside `path`, syncs, then links (fails when `path` exists) or renames (replaces it).
fn write(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), KeyFileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", hex::encode(random::<8>()?)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if overwrite {
            return std::fs::rename(&beside, path);
        }
        std::fs::hard_link(&beside, path)?;
        std::fs::remove_file(&beside)
    })();
    if let Err(error) = written {
        // What was left beside holds a secret; the first error is the one to report.
        let _ = std::fs::remove_file(&beside);
        return Err(match error.kind() {
            std::io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => io(path, error),
        });
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| io(folder, error))
}

#[cfg(test)]
#[path = "key_file_tests.rs"]
mod tests;
