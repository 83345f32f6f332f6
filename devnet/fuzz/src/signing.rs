//! Ways to sign and to verify: for real, by a keyed hash where thousands of messages are made in a second, and the two
//! verifiers that always answer the same, which show what a decoder's other checks do alone.
//!
//! Must not know: what is signed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tonle_crypto::{Digest, Domain, PublicKey, SecretKey, Signature, SignatureInvalid, Strict, Verifier};

static HASHED: Domain = Domain::new("tonle v1 fuzzing signature");
static MEMO: Domain = Domain::new("tonle v1 fuzzing memo");

/// Signatures made before: the same few statements are signed in every execution.
static MADE: Mutex<BTreeMap<Digest, Signature>> = Mutex::new(BTreeMap::new());
/// Beyond this many, all are made again.
const MADE_MAX: usize = 1 << 16;

/// How a chain of the fuzzer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// The product's own.
    Ed25519,
    /// A keyed hash: it binds key and message, and costs a hundredth.
    Hashed,
}

impl Scheme {
    /// Signs.
    pub(crate) fn sign(self, key: &SecretKey, message: &[u8]) -> Signature {
        match self {
            Scheme::Hashed => hashed(&key.public(), message),
            Scheme::Ed25519 => {
                let entry = MEMO.digest_parts(&[key.public().as_bytes(), message]);
                let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
                if made.len() >= MADE_MAX {
                    made.clear();
                }
                *made.entry(entry).or_insert_with(|| key.sign(message))
            }
        }
    }
    /// What accepts those signatures, and no others.
    pub(crate) fn verifier(self) -> &'static dyn Verifier {
        match self {
            Scheme::Ed25519 => &Strict,
            Scheme::Hashed => &Hashed,
        }
    }
}

fn hashed(key: &PublicKey, message: &[u8]) -> Signature {
    let digest = HASHED.digest_parts(&[key.as_bytes(), message]);
    let mut bytes = [0u8; Signature::LENGTH];
    bytes.iter_mut().zip(digest.as_bytes().iter().chain(key.as_bytes())).for_each(|(slot, byte)| *slot = *byte);
    Signature::from_bytes(bytes)
}

struct Hashed;

impl Verifier for Hashed {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        if hashed(key, message) == *signature { Ok(()) } else { Err(SignatureInvalid) }
    }
}

/// Takes every signature for valid: a fuzzer cannot make one, and must see what stands behind the check.
pub(crate) struct Anything;

impl Verifier for Anything {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &Signature) -> Result<(), SignatureInvalid> {
        Ok(())
    }
}

/// Takes none: whatever it lets through bears no signature.
pub(crate) struct Nothing;

impl Verifier for Nothing {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &Signature) -> Result<(), SignatureInvalid> {
        Err(SignatureInvalid)
    }
}
