//! Proposals: what is under dual control and waits for more keys, or for a height. Each stands in the state until it takes
//! effect, is withdrawn, or lapses at its time; all are kept in memory.
//!
//! Must not know: who may approve (that is `authority`), what operations do.

use std::collections::BTreeMap;

use tonle_crypto::{Canonical, CodecError, Digest, Domain, PublicKey, Reader, Writer};

use crate::account::ascending;
use crate::{Fatal, MAX_SIGNATURES, Operation, ParticipantId, ReceiptLocation, TransactionId};

static PROPOSAL: Domain = Domain::new("tonle v1 proposal");

/// Most proposals that the state keeps at once: some 5 MB of memory.
pub const PROPOSALS_MAX: usize = 1_000;
/// Most of them of one participant.
pub const PROPOSALS_PER_PARTICIPANT_MAX: usize = 64;
/// Latest end, from the block on that begins it: 30 days of block time.
pub const PROPOSAL_LIFE_MAX_MS: u64 = 30 * 24 * 3_600_000;
/// Most bytes of what is proposed: the message `Operation`.
pub const PROPOSED_BYTES_MAX: usize = 4_096;

/// A proposal, as the state records it.
///
/// ```text
/// participant ‖ effect height u64 ‖ end u64 (ms) ‖ u32 length, message Operation ‖ u32 n ‖ n × key 32 B (ascending)
///             ‖ transaction id 32 B ‖ height u64 ‖ index u32 ‖ operation u32       (participant: u32 length, ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Whose keys decide.
    pub participant: ParticipantId,
    /// The height at whose start it takes effect, if enough keys have approved by then; 0: as soon as they have.
    pub effect_height: u64,
    /// First block time at which it is no more, ms since the Unix epoch.
    pub expires_ms: u64,
    /// What is to take effect.
    pub operation: Operation,
    /// The keys that proposed or approved it, ascending, each once; at most 16. A key that loses its permission loses
    /// its place here for good.
    pub approvals: Vec<PublicKey>,
    /// Where the result of the operation stands that proposed it.
    pub proposed: ReceiptLocation,
}

impl Proposal {
    /// The id of what this operation of this transaction proposes. It commits to all that the transaction says, and never
    /// comes again: `derive_key("tonle v1 proposal", transaction id ‖ operation u32)`.
    #[must_use]
    pub fn id_of(transaction: &TransactionId, operation: u32) -> Digest {
        PROPOSAL.digest_parts(&[transaction.as_bytes(), &operation.to_be_bytes()])
    }
    /// Its id.
    #[must_use]
    pub fn id(&self) -> Digest {
        Proposal::id_of(&self.proposed.transaction, self.proposed.operation)
    }
    /// Does it end at the start of this block, with effect or without?
    pub(crate) const fn is_due(&self, height: u64, now_ms: u64) -> bool {
        self.is_over(now_ms) || (self.effect_height != 0 && self.effect_height <= height)
    }
    /// Is its time over?
    pub(crate) const fn is_over(&self, now_ms: u64) -> bool {
        self.expires_ms <= now_ms
    }
}

impl Canonical for Proposal {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.participant).u64(self.effect_height).u64(self.expires_ms);
        writer.bytes(&self.operation.encode()).length(self.approvals.len());
        for key in &self.approvals {
            writer.key(key);
        }
        writer.value(&self.proposed);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (participant, effect_height, expires_ms) = (reader.value()?, reader.u64()?, reader.u64()?);
        let operation = reader.bytes("proposed operation", PROPOSED_BYTES_MAX)?;
        let operation = Operation::decode_proposed(operation).map_err(|_| CodecError::Invalid("proposed operation"))?;
        let count = reader.length("approvals", MAX_SIGNATURES)?;
        let mut approvals = Vec::with_capacity(count);
        for _ in 0..count {
            approvals.push(reader.key()?);
        }
        if !ascending(approvals.iter()) {
            return Err(CodecError::Invalid("approvals"));
        }
        Ok(Proposal { participant, effect_height, expires_ms, operation, approvals, proposed: reader.value()? })
    }
}

/// All proposals that stand, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proposals(BTreeMap<Digest, Proposal>);

impl Proposals {
    pub(crate) fn get(&self, id: &Digest) -> Option<&Proposal> {
        self.0.get(id)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Digest, &Proposal)> {
        self.0.iter()
    }
    /// What ends at the start of this block, in the order in which it was proposed.
    pub(crate) fn due(&self, height: u64, now_ms: u64) -> Vec<(Digest, &Proposal)> {
        let due = self.0.iter().filter(|(_, proposal)| proposal.is_due(height, now_ms));
        let mut due: Vec<_> = due.map(|(id, proposal)| (*id, proposal)).collect();
        due.sort_unstable_by_key(|(_, Proposal { proposed, .. })| {
            (proposed.height, proposed.index, proposed.operation)
        });
        due
    }
    /// The proposal of `id` is this from here on.
    pub(crate) fn set(&mut self, id: Digest, value: Option<Proposal>) {
        match value {
            Some(value) => self.0.insert(id, value),
            None => self.0.remove(&id),
        };
    }
    /// Takes in a value that was read.
    pub(crate) fn read(&mut self, id: Digest, value: Proposal) -> Result<(), Fatal> {
        if value.id() != id {
            return Err(Fatal::Bound("a proposal under another's key"));
        }
        self.set(id, Some(value));
        Ok(())
    }
}
