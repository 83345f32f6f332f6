//! Proposing what is under dual control, approving it, withdrawing it.
//!
//! Must not know: which permissions are under dual control, what is done once enough keys have approved.

use tonle_crypto::{Digest, PublicKey};

use super::fields::{Named, Parsed};
use super::{Act, Applied, Decode, Scene};
use crate::authority::{Panel, panel, proposable};
use crate::proposal::{
    PROPOSAL_LIFE_MAX_MS, PROPOSALS_MAX, PROPOSALS_PER_PARTICIPANT_MAX, PROPOSED_BYTES_MAX, Proposal,
};
use crate::protobuf::{Encoder, Fields};
use crate::{Operation, OperationKind, ParticipantId, Rejection, RejectionCode};

/// Proposes an operation that is under dual control. The keys that sign and may do it have approved it.
///
/// ```text
/// message Propose { string participant = 1;        // whose keys decide: the operator, or the asset's issuer
///                   Operation operation = 2;       // at most 4,096 bytes
///                   uint64 effect_height = 3;      // 0: as soon as enough keys have approved
///                   uint64 expires_ms = 4; }       // block time; at most 30 days ahead
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propose {
    /// Whose keys decide.
    pub participant: ParticipantId,
    /// What is proposed: an operation under dual control.
    pub operation: Operation,
    /// The height at whose start it takes effect; 0: as soon as enough keys have approved.
    pub effect_height: u64,
    /// First block time at which it is no more, ms since the Unix epoch.
    pub expires_ms: u64,
}

/// Approves a proposal. When enough keys have, what is proposed takes effect here and now, if no height was named.
///
/// ```text
/// message Approve { bytes proposal = 1; }          // 32 bytes
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approve {
    /// Its id: see [`Proposal::id_of`].
    pub proposal: Digest,
}

/// Withdraws a proposal: any one key that may approve it is enough.
///
/// ```text
/// message Withdraw { bytes proposal = 1; }         // 32 bytes
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdraw {
    /// Its id: see [`Proposal::id_of`].
    pub proposal: Digest,
}

/// What a proposal came to.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It stands, and waits.
    Pending { proposal: Digest, approvals: u8, threshold: u8 },
    /// It is no more, and this takes effect.
    Decided(Operation),
}

impl Operation {
    /// Reads what is proposed. Refused unread when it is not under dual control: so proposals hold no proposals.
    pub(crate) fn decode_proposed(bytes: &[u8]) -> Parsed<Self> {
        const FIELD: &str = "propose.operation";
        if bytes.len() > PROPOSED_BYTES_MAX {
            return Err(Rejection::malformed(FIELD));
        }
        let (number, _) = Fields::new(bytes).alternative().named(FIELD)?;
        let kind = OperationKind::ALL.iter().copied().find(|kind| u64::from(kind.number()) == number);
        match kind.and_then(proposable) {
            Some(_) => Operation::decode(bytes),
            None => Err(Rejection::malformed(FIELD)),
        }
    }
}

/// The signing keys that are on the panel and not among `known`.
fn newly_signed(scene: &Scene<'_, '_>, panel: &Panel<'_>, known: &[PublicKey]) -> Vec<PublicKey> {
    let signed = scene.signatures.iter().map(|(key, _)| *key);
    signed.filter(|key| panel.has(key) && !known.contains(key)).collect()
}

/// Keeps the proposal, or ends it because enough keys have approved and no height was named.
fn settle(scene: &mut Scene<'_, '_>, id: Digest, proposal: Proposal) -> Applied {
    let panel =
        panel(scene.working, &proposal.operation, proposal.participant).ok_or(RejectionCode::AlreadyApproved)?;
    let (approvals, threshold) = (panel.count(&proposal.approvals), panel.threshold());
    if proposal.effect_height == 0 && approvals >= threshold {
        scene.working.set_proposal(id, None);
        scene.verdict = Some(Verdict::Decided(proposal.operation));
    } else {
        scene.working.set_proposal(id, Some(proposal));
        scene.verdict = Some(Verdict::Pending { proposal: id, approvals, threshold });
    }
    Ok(Vec::new())
}

impl Decode for Propose {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Propose {
            participant: fields.participant(1, "propose.participant")?,
            operation: Operation::decode_proposed(fields.bytes(2).named("propose.operation")?)?,
            effect_height: fields.uint(3).named("propose.effect_height")?,
            expires_ms: fields.uint(4).named("propose.expires_ms")?,
        })
    }
}

impl Act for Propose {
    fn subject(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        if self.expires_ms <= scene.now_ms || self.expires_ms > scene.now_ms.saturating_add(PROPOSAL_LIFE_MAX_MS) {
            return Err(RejectionCode::DeadlineInvalid);
        }
        if self.effect_height != 0 && self.effect_height <= scene.place.height {
            return Err(RejectionCode::EffectHeightPassed);
        }
        let panel = panel(scene.working, &self.operation, self.participant).ok_or(RejectionCode::AlreadyApproved)?;
        let approvals = newly_signed(scene, &panel, &[]);
        // Its keys were replaced by an operation before this one.
        if approvals.is_empty() {
            return Err(RejectionCode::AlreadyApproved);
        }
        let standing = || scene.working.proposals();
        let own = standing().filter(|(_, proposal)| proposal.participant == self.participant).count();
        if own >= PROPOSALS_PER_PARTICIPANT_MAX || standing().count() >= PROPOSALS_MAX {
            return Err(RejectionCode::ProposalsFull);
        }
        let Propose { participant, operation, effect_height, expires_ms } = self.clone();
        let proposal = Proposal { participant, effect_height, expires_ms, operation, approvals, proposed: scene.place };
        settle(scene, proposal.id(), proposal)
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.participant.as_bytes()).bytes(2, &self.operation.encode());
        message.uint(3, self.effect_height).uint(4, self.expires_ms);
    }
}

impl Decode for Approve {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Approve { proposal: fields.digest(1, "approve.proposal")? })
    }
}

impl Act for Approve {
    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let mut proposal = scene.working.proposal(&self.proposal).ok_or(RejectionCode::ProposalNotFound)?.clone();
        let panel = panel(scene.working, &proposal.operation, proposal.participant);
        let panel = panel.ok_or(RejectionCode::AlreadyApproved)?;
        let new = newly_signed(scene, &panel, &proposal.approvals);
        // The threshold may have been lowered since: then one that has approved brings it to its effect.
        let enough = proposal.effect_height == 0 && panel.count(&proposal.approvals) >= panel.threshold();
        if new.is_empty() && !enough {
            return Err(RejectionCode::AlreadyApproved);
        }
        proposal.approvals.extend(new);
        proposal.approvals.sort_unstable();
        settle(scene, self.proposal, proposal)
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.proposal.as_bytes());
    }
}

impl Decode for Withdraw {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Withdraw { proposal: fields.digest(1, "withdraw.proposal")? })
    }
}

impl Act for Withdraw {
    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        scene.working.proposal(&self.proposal).ok_or(RejectionCode::ProposalNotFound)?;
        scene.working.set_proposal(self.proposal, None);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.proposal.as_bytes());
    }
}
