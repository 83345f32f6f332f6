//! The validator set of an epoch: who votes, how many make a quorum, who leads which view.
//!
//! Must not know: votes, blocks, stake (every validator weighs the same).

use std::collections::BTreeSet;
use std::sync::Arc;

use tonle_crypto::{Canonical, CodecError, Digest, Domain, PublicKey, Reader, Writer};

use crate::{Epoch, ValidatorIndex, View};

static SET: Domain = Domain::new("tonle v1 validator set");
static LEADERS: Domain = Domain::new("tonle v1 leader order");

/// Most validators in a set.
pub const VALIDATORS_MAX: usize = 100;
/// Longest validator name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// A member of a validator set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator {
    /// The participant's id, such as `aba`. At most [`NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Signs votes and batches.
    pub key: PublicKey,
    /// The identity of its node on the peer-to-peer network.
    pub network_key: PublicKey,
}

impl Canonical for Validator {
    fn encode_to(&self, writer: &mut Writer) {
        writer.bytes(self.name.as_bytes()).key(&self.key).key(&self.network_key);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let name = reader.bytes("validator name", NAME_BYTES_MAX)?;
        let name = std::str::from_utf8(name).map_err(|_| CodecError::Invalid("validator name"))?.to_owned();
        Ok(Validator { name, key: reader.key()?, network_key: reader.key()? })
    }
}

/// Why a list of validators is no set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorSetError {
    /// None, or more than [`VALIDATORS_MAX`].
    #[error("{0} validators; 1 to {VALIDATORS_MAX} are allowed")]
    Size(usize),
    /// Empty, or longer than [`NAME_BYTES_MAX`].
    #[error("validator {0} has an empty or too long name")]
    Name(usize),
    /// Two validators share a name, a key or a network key.
    #[error("validator {0} repeats the name or a key of another")]
    Repeated(usize),
}

/// The validators of one epoch in their fixed order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatorSet(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    epoch: Epoch,
    validators: Vec<Validator>,
    digest: Digest,
    /// The order in which they lead: view v is led by the entry at (v - 1) mod n.
    order: Vec<ValidatorIndex>,
}

impl ValidatorSet {
    /// Builds the set of `epoch`. The order of `validators` defines their indices.
    ///
    /// # Errors
    /// [`ValidatorSetError`] for a wrong size, a bad name, or anything repeated.
    pub fn new(epoch: Epoch, validators: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        if validators.is_empty() || validators.len() > VALIDATORS_MAX {
            return Err(ValidatorSetError::Size(validators.len()));
        }
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        let mut writer = Writer::new();
        writer.length(validators.len());
        for (index, validator) in validators.iter().enumerate() {
            if validator.name.is_empty() || validator.name.len() > NAME_BYTES_MAX {
                return Err(ValidatorSetError::Name(index));
            }
            // A key that served both as one's vote key and as another's network key would be a mistake as well.
            if !names.insert(&validator.name) || !keys.insert(validator.key) || !keys.insert(validator.network_key) {
                return Err(ValidatorSetError::Repeated(index));
            }
            writer.value(validator);
        }
        let digest = SET.digest(&writer.finish());
        let order = leader_order(epoch, &digest, validators.len());
        Ok(ValidatorSet(Arc::new(Inner { epoch, validators, digest, order })))
    }

    /// The same validators in the epoch after this one; `None` at the end of the range.
    #[must_use]
    pub fn for_next_epoch(&self) -> Option<Self> {
        Some(self.in_epoch(self.epoch().next()?))
    }

    /// The same validators in `epoch`.
    #[must_use]
    pub fn in_epoch(&self, epoch: Epoch) -> Self {
        let Inner { validators, digest, .. } = &*self.0;
        let order = leader_order(epoch, digest, validators.len());
        ValidatorSet(Arc::new(Inner { epoch, validators: validators.clone(), digest: *digest, order }))
    }

    /// The epoch it serves in.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }
    /// n, from 1 to [`VALIDATORS_MAX`].
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.0.validators.len()
    }
    /// f = floor((n - 1) / 3): how many may be Byzantine.
    #[must_use]
    pub fn faults(&self) -> usize {
        faults(self.len())
    }
    /// q = n - f: any two quorums share an honest validator.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.len().saturating_sub(self.faults())
    }
    /// The validator at `index`; `None` when out of range.
    #[must_use]
    pub fn get(&self, index: ValidatorIndex) -> Option<&Validator> {
        self.0.validators.get(index.index())
    }
    /// Whose consensus key this is.
    #[must_use]
    pub fn index_of(&self, key: &PublicKey) -> Option<ValidatorIndex> {
        self.iter().find(|(_, validator)| validator.key == *key).map(|(index, _)| index)
    }
    /// The digest of all members in order. The epoch is not in it: a set that stays keeps its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }
    /// Who leads `view`: round-robin over a permutation seeded by the epoch.
    #[must_use]
    pub fn leader(&self, view: View) -> ValidatorIndex {
        let turn = view.get().saturating_sub(1);
        let count = u64::try_from(self.len()).unwrap_or(1).max(1);
        let slot = usize::try_from(turn.checked_rem(count).unwrap_or(0)).unwrap_or(0);
        self.0.order.get(slot).copied().unwrap_or(ValidatorIndex::new(0))
    }
    /// All members with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (ValidatorIndex, &Validator)> {
        self.indices().zip(self.0.validators.iter())
    }
    /// All indices, ascending.
    pub fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        (0..u16::try_from(self.len()).unwrap_or(u16::MAX)).map(ValidatorIndex::new)
    }
}

/// f for `n` validators.
fn faults(n: usize) -> usize {
    n.saturating_sub(1).checked_div(3).unwrap_or(0)
}

/// A Fisher-Yates shuffle whose i-th draw is the digest of (epoch, set digest, i), reduced modulo what is left. The
/// bias of the reduction (below 2^-56) favours nobody measurably, and every node computes the same.
fn leader_order(epoch: Epoch, set: &Digest, n: usize) -> Vec<ValidatorIndex> {
    let count = u16::try_from(n).unwrap_or(u16::MAX);
    let mut left: Vec<ValidatorIndex> = (0..count).map(ValidatorIndex::new).collect();
    let mut order = Vec::with_capacity(n);
    for draw in 0..count {
        let digest =
            LEADERS.digest_parts(&[&epoch.get().to_be_bytes(), set.as_bytes(), &u64::from(draw).to_be_bytes()]);
        let mut head = [0u8; 8];
        head.iter_mut().zip(digest.as_bytes()).for_each(|(slot, byte)| *slot = *byte);
        let size = u64::try_from(left.len()).unwrap_or(1).max(1);
        let pick = usize::try_from(u64::from_be_bytes(head).checked_rem(size).unwrap_or(0)).unwrap_or(0);
        if pick < left.len() {
            order.push(left.remove(pick));
        }
    }
    order
}
