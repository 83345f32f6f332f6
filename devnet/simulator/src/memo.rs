//! Signatures already known to be valid. A simulation would otherwise verify each one at every node; a signature that is
//! not in the memo is verified in full, and one that the simulated signers made is put in when it is made.
//!
//! Must not know: what is signed.

use std::cell::RefCell;
use std::collections::HashSet;

use tonle_crypto::{Digest, Domain, PublicKey, SecretKey, Signature, SignatureInvalid, Strict, Verifier};

static MEMO: Domain = Domain::new("tonle v1 simulator memo");

/// A verifier with a memory. It answers the same as [`Strict`].
#[derive(Debug, Default)]
pub(crate) struct Memo(RefCell<HashSet<Digest>>);

impl Memo {
    /// Signs, and remembers.
    pub(crate) fn sign(&self, key: &SecretKey, message: &[u8]) -> Signature {
        let signature = key.sign(message);
        self.0.borrow_mut().insert(entry(&key.public(), message, &signature));
        signature
    }
}

impl Verifier for Memo {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        let entry = entry(key, message, signature);
        if !self.0.borrow().contains(&entry) {
            Strict.verify(key, message, signature)?;
            self.0.borrow_mut().insert(entry);
        }
        Ok(())
    }
}

fn entry(key: &PublicKey, message: &[u8], signature: &Signature) -> Digest {
    MEMO.digest_parts(&[key.as_bytes(), signature.as_bytes(), message])
}
