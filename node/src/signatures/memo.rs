//! Signatures already found valid: checked once, however many ways they arrive. It must answer as the rule itself does,
//! so it keeps valid ones only, under a digest of key, signature and message together.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tonle_crypto::{Digest, Domain, PublicKey, Signature, SignatureInvalid, Strict, Verifier};

static SIGNATURE: Domain = Domain::new("tonle v1 verified signature");

/// Independent parts, so that threads seldom wait for each other.
const SHARDS: usize = 16;
/// Signatures of one generation of one shard. Two generations of 16 shards hold 131,072 in all, some 8 MB: a minute of
/// transfers at 2,000 a second.
const GENERATION_MAX: usize = 4_096;

/// The bounded memo in front of [`Strict`].
#[derive(Debug)]
pub struct Memo {
    shards: Vec<Mutex<Shard>>,
}

/// What is new goes into `young`; a full `young` becomes `old`, and what was old is forgotten.
#[derive(Debug, Default)]
struct Shard {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
}

impl Memo {
    /// An empty memo.
    #[must_use]
    pub fn new() -> Self {
        Memo { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// How many signatures it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(count).sum()
    }

    /// Does it know none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, digest: &Digest) -> &Mutex<Shard> {
        &self.shards[usize::from(digest.as_bytes()[0]) % SHARDS]
    }

    fn knows(&self, digest: &Digest) -> bool {
        let shard = self.shard(digest).lock().unwrap_or_else(PoisonError::into_inner);
        shard.young.contains(digest) || shard.old.contains(digest)
    }

    fn learn(&self, digest: Digest) {
        let mut shard = self.shard(&digest).lock().unwrap_or_else(PoisonError::into_inner);
        if shard.young.len() >= GENERATION_MAX {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(digest);
    }
}

impl Default for Memo {
    fn default() -> Self {
        Memo::new()
    }
}

impl Verifier for Memo {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        // Key and signature have fixed lengths, so the parts cannot run into each other.
        let digest = SIGNATURE.digest_parts(&[key.as_bytes(), signature.as_bytes(), message]);
        if self.knows(&digest) {
            return Ok(());
        }
        Strict.verify(key, message, signature)?;
        self.learn(digest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonle_crypto::SecretKey;

    #[test]
    fn knows_only_what_was_found_valid() {
        let (memo, key) = (Memo::new(), SecretKey::from_seed(&[1; 32]));
        let signature = key.sign(b"pay");
        assert!(memo.verify(&key.public(), b"pay", &signature).is_ok());
        assert_eq!(memo.len(), 1);
        assert!(memo.verify(&key.public(), b"pay", &signature).is_ok());
        assert_eq!(memo.len(), 1);

        let mut forged = *signature.as_bytes();
        forged[0] ^= 1;
        let other = SecretKey::from_seed(&[2; 32]).public();
        for (key, message, signature) in [
            (key.public(), b"pay".as_slice(), Signature::from_bytes(forged)),
            (key.public(), b"paz".as_slice(), signature),
            (other, b"pay".as_slice(), signature),
        ] {
            assert!(memo.verify(&key, message, &signature).is_err());
        }
        assert_eq!(memo.len(), 1);
    }

    #[test]
    fn stays_within_its_bound() {
        let memo = Memo::new();
        for number in 0u32..400_000 {
            memo.learn(SIGNATURE.digest(&number.to_be_bytes()));
        }
        assert!(memo.len() <= 2 * SHARDS * GENERATION_MAX);
        assert!(memo.knows(&SIGNATURE.digest(&399_999u32.to_be_bytes())));
        assert!(!memo.knows(&SIGNATURE.digest(&0u32.to_be_bytes())));
    }
}
