//! The age v1 format (C2SP age.md) as far as it is needed: three X25519 recipients, a payload of one chunk. The primitives
//! are RustCrypto's and dalek's.
//!
//! ```text
//! file key, 16 B ──┬─ encrypted for each recipient r, with a secret e of its own:
//!                  │    share  = X25519(e, 9)          shared = X25519(e, r)
//!                  │    ChaCha20-Poly1305(HKDF-SHA-256(shared, salt = share ‖ r, "age-encryption.org/v1/X25519"), nonce 0)
//!                  ├─ HKDF-SHA-256(file key, "header")                 HMAC-SHA-256 over the header up to "---"
//!                  └─ HKDF-SHA-256(file key, salt = nonce, "payload")  ChaCha20-Poly1305 over the text, nonce 0 ‖ 01
//! ```
//!
//! Must not know: what the text says.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tonle_crypto::{EncryptionKey, SecretKey};
use tonle_ledger::{SEALED_RECIPIENTS, Sealed};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use super::{DetailsError, Recipients};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const VERSION: &str = "age-encryption.org/v1";
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";
const FILE_KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 16;
/// Nonce of the first and last chunk: a counter of 11 bytes, and 01.
const LAST_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Why sealed bytes were not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// They were sealed for others, or what was sealed for this key was changed: the two look the same.
    #[error("sealed for others")]
    NotForThisKey,
    /// They were sealed for this key, and changed since.
    #[error("changed since it was sealed")]
    Changed,
    /// They were sealed for this key, and what was sealed is not what `sealed.proto` says.
    #[error(transparent)]
    Details(#[from] DetailsError),
}

/// All that is drawn for one sealing. Used once: the same drawn twice shows whether two texts are the same, and more.
pub struct Randomness {
    file_key: Zeroizing<[u8; FILE_KEY_BYTES]>,
    secrets: Zeroizing<[[u8; 32]; SEALED_RECIPIENTS]>,
    nonce: [u8; NONCE_BYTES],
}

impl Randomness {
    /// Draws it from the system.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn of_system() -> Result<Self, getrandom::Error> {
        let mut drawn = Randomness {
            file_key: Zeroizing::new([0; FILE_KEY_BYTES]),
            secrets: Zeroizing::new([[0; 32]; SEALED_RECIPIENTS]),
            nonce: [0; NONCE_BYTES],
        };
        getrandom::fill(drawn.file_key.as_mut_slice())?;
        drawn.secrets.iter_mut().try_for_each(|secret| getrandom::fill(secret))?;
        getrandom::fill(&mut drawn.nonce)?;
        Ok(drawn)
    }

    /// Fixed bytes, for golden vectors and whoever tests.
    #[must_use]
    pub fn fixed(file_key: [u8; 16], secrets: [[u8; 32]; SEALED_RECIPIENTS], nonce: [u8; 16]) -> Self {
        Randomness { file_key: Zeroizing::new(file_key), secrets: Zeroizing::new(secrets), nonce }
    }
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness")
    }
}

/// Encrypts `plain` for three recipients: the bytes of an age file.
#[must_use]
pub fn encrypt(plain: &[u8], recipients: &Recipients, randomness: &Randomness) -> Vec<u8> {
    let file_key = randomness.file_key.as_slice();
    let mut header = format!("{VERSION}\n");
    for (recipient, secret) in recipients.iter().zip(randomness.secrets.iter()) {
        let share = x25519(*secret, X25519_BASEPOINT_BYTES);
        let shared = Zeroizing::new(x25519(*secret, *recipient.as_bytes()));
        let wrapped = chacha(&wrapping_key(&shared, &share, recipient)).encrypt(&Nonce::from([0; 12]), file_key);
        let wrapped = wrapped.expect("16 bytes can be encrypted");
        header += &format!("-> X25519 {}\n{}\n", STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(wrapped));
    }
    header += "---";
    let code = header_code(file_key, header.as_bytes()).finalize().into_bytes();
    header += &format!(" {}\n", STANDARD_NO_PAD.encode(code));
    let payload = chacha(&payload_key(file_key, &randomness.nonce)).encrypt(&Nonce::from(LAST_CHUNK), plain);
    let payload = payload.expect("a kilobyte can be encrypted");
    [header.as_bytes(), &randomness.nonce, &payload].concat()
}

/// Decrypts what was encrypted for the key.
///
/// # Errors
/// [`OpenError::NotForThisKey`], [`OpenError::Changed`].
pub fn decrypt(sealed: &Sealed, key: &SecretKey) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let parts = Parts::of(sealed).ok_or(OpenError::Changed)?;
    let (own, scalar) = (key.public().encryption_key(), key.encryption_scalar());
    let file_key = parts.stanzas.iter().find_map(|(share, wrapped)| {
        let shared = Zeroizing::new(x25519(*scalar, *share));
        // A share of small order: nobody's who means it (RFC 7748, section 6.1).
        if shared.iter().all(|byte| *byte == 0) {
            return None;
        }
        let opened = chacha(&wrapping_key(&shared, share, &own)).decrypt(&Nonce::from([0; 12]), wrapped.as_slice());
        opened.ok().map(Zeroizing::new)
    });
    let file_key = file_key.ok_or(OpenError::NotForThisKey)?;
    header_code(&file_key, parts.header).verify_slice(&parts.code).map_err(|_| OpenError::Changed)?;
    let cipher = chacha(&payload_key(&file_key, parts.nonce));
    let plain = cipher.decrypt(&Nonce::from(LAST_CHUNK), parts.payload).map_err(|_| OpenError::Changed)?;
    Ok(Zeroizing::new(plain))
}

/// Sealed bytes taken apart.
struct Parts<'a> {
    /// Up to and with "---".
    header: &'a [u8],
    /// For each recipient the sender's share, and the file key encrypted.
    stanzas: Vec<([u8; 32], [u8; 32])>,
    code: [u8; 32],
    nonce: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `None` never comes of bytes of the form.
    fn of(sealed: &'a Sealed) -> Option<Self> {
        let bytes = sealed.as_bytes();
        let mut rest = bytes.strip_prefix(VERSION.as_bytes())?.strip_prefix(b"\n")?;
        let mut stanzas = Vec::new();
        for _ in 0..SEALED_RECIPIENTS {
            let (share, after) = line(rest.strip_prefix(b"-> X25519 ")?)?;
            let (wrapped, after) = line(after)?;
            stanzas.push((share, wrapped));
            rest = after;
        }
        let after = rest.strip_prefix(b"---")?;
        let header = bytes.get(..bytes.len().checked_sub(after.len())?)?;
        let (code, body) = line(after.strip_prefix(b" ")?)?;
        let (nonce, payload) = body.split_at_checked(NONCE_BYTES)?;
        Some(Parts { header, stanzas, code, nonce, payload })
    }
}

/// A line of 32 bytes in base64, and what follows it.
fn line(bytes: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (characters, rest) = bytes.split_at_checked(43)?;
    Some((STANDARD_NO_PAD.decode(characters).ok()?.try_into().ok()?, rest.strip_prefix(b"\n")?))
}

fn chacha(key: &Zeroizing<[u8; 32]>) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(**key))
}

fn wrapping_key(shared: &[u8; 32], share: &[u8; 32], recipient: &EncryptionKey) -> Zeroizing<[u8; 32]> {
    derive(shared, &[share.as_slice(), recipient.as_bytes()].concat(), LABEL)
}

fn payload_key(file_key: &[u8], nonce: &[u8]) -> Zeroizing<[u8; 32]> {
    derive(file_key, nonce, b"payload")
}

fn header_code(file_key: &[u8], header: &[u8]) -> Hmac<Sha256> {
    let key = derive(file_key, &[], b"header");
    let mut code =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.as_slice()).expect("a key of any length will do");
    code.update(header);
    code
}

fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), secret).expand(info, key.as_mut_slice()).expect("32 bytes are not too many");
    key
}
