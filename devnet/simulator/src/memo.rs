//! Signatures in a simulation. Real ones are ed25519, each verified in full once and then remembered: a simulation would
//! otherwise verify it at every node. Imitated ones are a keyed digest, which costs next to nothing: most seeds use
//! them, since what ed25519 does is no part of what is simulated.
//!
//! Must not know: what is signed.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use tonle_crypto::{Digest, Domain, PublicKey, SecretKey, Signature, SignatureInvalid, Strict, Verifier};
use tonle_ledger::Judge;
use tonle_replica::MisbehaviourJudge;

static MEMO: Domain = Domain::new("tonle v1 simulator memo");
static IMITATION: Domain = Domain::new("tonle v1 simulator signature");

/// A verifier of signatures that its own signers made, and of no others.
#[derive(Debug)]
pub(crate) struct Memo(Scheme);

#[derive(Debug)]
enum Scheme {
    /// It answers the same as [`Strict`].
    Real(RefCell<HashSet<Digest>>),
    Imitated,
}

impl Memo {
    /// Real signatures.
    pub(crate) fn real() -> Self {
        Memo(Scheme::Real(RefCell::default()))
    }
    /// Imitated ones.
    pub(crate) fn imitating() -> Self {
        Memo(Scheme::Imitated)
    }

    /// Who judges reports of misbehaviour by these signatures.
    pub(crate) fn judge(&self) -> Arc<dyn Judge> {
        match &self.0 {
            Scheme::Real(_) => Arc::new(MisbehaviourJudge(Strict)),
            Scheme::Imitated => Arc::new(MisbehaviourJudge(Imitated)),
        }
    }

    /// Signs.
    pub(crate) fn sign(&self, key: &SecretKey, message: &[u8]) -> Signature {
        match &self.0 {
            Scheme::Real(known) => {
                let signature = key.sign(message);
                known.borrow_mut().insert(entry(&key.public(), message, &signature));
                signature
            }
            Scheme::Imitated => imitate(&key.public(), message),
        }
    }
}

impl Verifier for Memo {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        match &self.0 {
            Scheme::Real(known) => {
                let entry = entry(key, message, signature);
                if !known.borrow().contains(&entry) {
                    Strict.verify(key, message, signature)?;
                    known.borrow_mut().insert(entry);
                }
                Ok(())
            }
            Scheme::Imitated => Imitated.verify(key, message, signature),
        }
    }
}

/// A verifier of imitated signatures.
#[derive(Debug)]
struct Imitated;

impl Verifier for Imitated {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        if *signature == imitate(key, message) { Ok(()) } else { Err(SignatureInvalid) }
    }
}

fn entry(key: &PublicKey, message: &[u8], signature: &Signature) -> Digest {
    MEMO.digest_parts(&[key.as_bytes(), signature.as_bytes(), message])
}

fn imitate(key: &PublicKey, message: &[u8]) -> Signature {
    let digest = IMITATION.digest_parts(&[key.as_bytes(), message]);
    let mut bytes = [0; Signature::LENGTH];
    bytes[..32].copy_from_slice(digest.as_bytes());
    bytes[32..].copy_from_slice(digest.as_bytes());
    Signature::from_bytes(bytes)
}
