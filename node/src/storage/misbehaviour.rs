//! Keeping proofs of misbehaviour beside the chain, and reading them back. How many there may be, the replica bounds
//! ([`tonle_replica::bounds::OFFENCES_MAX`]): it hands over no others.
//!
//! Must not know: who found a proof, who asks for it.

use rocksdb::{Direction, IteratorMode, WriteOptions};
use tonle_crypto::Digest;
use tonle_replica::Misbehaviour;

use super::tables::misbehaviour::{MISBEHAVIOUR, parse, value};
use super::{Database, Error};

/// A proof as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptMisbehaviour {
    /// When this node learnt of the offence, in ms since the Unix epoch.
    pub first_seen_ms: u64,
    /// The proof that it learnt of it by.
    pub proof: Misbehaviour,
}

impl Database {
    /// Keeps a proof, durably; of an offence that is kept already, nothing changes. Says whether it is new. One thread
    /// calls this.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub fn keep_misbehaviour(&self, kept: &KeptMisbehaviour) -> Result<bool, Error> {
        let family = self.family(MISBEHAVIOUR)?;
        let id = kept.proof.offence().id();
        let failed = |source| self.failed("keep a proof of misbehaviour", source);
        if self.rocks.get_pinned_cf(family, id.as_bytes()).map_err(failed)?.is_some() {
            return Ok(false);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.rocks.put_cf_opt(family, id.as_bytes(), value(kept), &options).map_err(failed)?;
        Ok(true)
    }

    /// Proofs in the order of their offences' ids: those above `after`, at most `max`.
    ///
    /// # Errors
    /// [`Error`] when the database fails, or holds a damaged entry.
    pub fn misbehaviour(&self, after: Option<Digest>, max: usize) -> Result<Vec<KeptMisbehaviour>, Error> {
        let family = self.family(MISBEHAVIOUR)?;
        let from = after.map_or([0; 32], |after| *after.as_bytes());
        let entries = self.rocks.iterator_cf(family, IteratorMode::From(&from, Direction::Forward));
        let mut found = Vec::new();
        for entry in entries {
            let (key, bytes) = entry.map_err(|source| self.failed("read proofs of misbehaviour", source))?;
            if after.is_some() && key.as_ref() == from {
                continue;
            }
            if found.len() >= max {
                break;
            }
            let kept = parse(&key, &bytes);
            found.push(kept.ok_or_else(|| self.damaged(MISBEHAVIOUR, "a proof of misbehaviour does not decode"))?);
        }
        Ok(found)
    }
}
