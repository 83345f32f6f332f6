//! From [`PeerMessage`] to [`CheckedMessage`]: every signature in a peer's message is checked here, in the shell's
//! signature pool, before anything enters the replica.
//!
//! Must not know: the replica's state. What a message means for it is judged inside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use tonle_consensus::{Block, Epoch, Height, Invalid, Message, QuorumKind, SigningContext, ValidatorSet};
use tonle_crypto::{CodecError, Digest, PublicKey, SignatureInvalid, Verified, Verifier, Verify};

use crate::message::decode_sidecar;
use crate::{
    Acknowledgement, Batch, BatchContext, CertifiedBlock, Found, InvalidBatch, Misbehaviour, PeerMessage, RawBatch,
    Request,
};

/// Epochs before the present one whose messages are still checked.
const EPOCHS_KEPT: usize = 8;

/// What peers' messages are checked against: the chain, and the validators of the epoch and of the last ones before.
#[derive(Debug)]
pub struct PeerContext {
    chain: Digest,
    epochs: RwLock<Epochs>,
    kept: usize,
}

#[derive(Debug)]
struct Epochs {
    known: BTreeMap<Epoch, ValidatorSet>,
    /// The lanes of all of them.
    lanes: Arc<BTreeSet<PublicKey>>,
}

impl Epochs {
    fn new(known: BTreeMap<Epoch, ValidatorSet>) -> Self {
        let keys = known.values().flat_map(|set| set.iter().map(|(_, validator)| validator.key));
        Epochs { lanes: Arc::new(keys.collect()), known }
    }
}

impl PeerContext {
    /// The context of the chain whose genesis has this digest, in the epoch of these validators.
    #[must_use]
    pub fn new(chain: Digest, set: ValidatorSet) -> Self {
        let epochs = Epochs::new(BTreeMap::from([(set.epoch(), set)]));
        PeerContext { chain, epochs: RwLock::new(epochs), kept: EPOCHS_KEPT }
    }
    /// Keeps every epoch: for one context that nodes in any epoch share.
    #[must_use]
    pub fn keeping_all(self) -> Self {
        PeerContext { kept: usize::MAX, ..self }
    }
    /// An epoch began, or is known from before.
    pub fn begin(&self, set: ValidatorSet) {
        let mut epochs = self.epochs.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = std::mem::take(&mut epochs.known);
        known.insert(set.epoch(), set);
        while known.len() > self.kept {
            known.pop_first();
        }
        *epochs = Epochs::new(known);
    }
    /// The chain.
    #[must_use]
    pub fn chain(&self) -> Digest {
        self.chain
    }
    /// What batches are checked against.
    #[must_use]
    pub fn batches(&self) -> BatchContext {
        let epochs = self.epochs.read().unwrap_or_else(PoisonError::into_inner);
        BatchContext { chain: self.chain, lanes: Arc::clone(&epochs.lanes) }
    }
    /// What consensus messages of `epoch` are checked against; `None` for one that has not begun here, or long ago.
    #[must_use]
    pub fn signing(&self, epoch: Epoch) -> Option<SigningContext> {
        let epochs = self.epochs.read().unwrap_or_else(PoisonError::into_inner);
        epochs.known.get(&epoch).map(|set| SigningContext { genesis: self.chain, set: set.clone() })
    }
}

/// Why a peer's message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// A consensus message or certificate that no honest validator sends.
    #[error("consensus: {0}")]
    Consensus(#[from] Invalid),
    /// A bad batch.
    #[error("{0}")]
    Batch(#[from] InvalidBatch),
    /// A sidecar that is not what one looks like.
    #[error("sidecar: {0}")]
    Sidecar(#[from] CodecError),
    /// Final blocks that are not linked, or that no certificate covers.
    #[error("final blocks are not linked to a certificate at height {0}")]
    Unlinked(Height),
    /// A lane stands twice in an acknowledgement.
    #[error("acknowledgement names a lane twice")]
    Repeated,
    /// A proof of misbehaviour that proves nothing.
    #[error("proof of misbehaviour: {0}")]
    Misbehaviour(SignatureInvalid),
}

/// A peer's message of which everything that its bytes alone can tell was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedMessage(pub(crate) Checked);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checked {
    Consensus {
        message: Verified<Message>,
        inline: Vec<Arc<Batch>>,
    },
    /// A consensus message of an epoch whose validators are not known here, unchecked: only where its sender stands.
    Elsewhere {
        epoch: Epoch,
        certifies_finality: bool,
    },
    /// A batch of a lane that is none here, or an answer about snapshots, which nobody asked for.
    Nothing,
    Batch(Arc<Batch>),
    Acknowledge(Acknowledgement),
    Request(Request),
    Block {
        id: u64,
        block: Option<Block>,
    },
    Batches {
        id: u64,
        batches: Vec<Arc<Batch>>,
    },
    FinalBlocks {
        id: u64,
        blocks: Vec<CertifiedBlock>,
    },
    Epoch {
        id: u64,
        epoch: Option<Epoch>,
    },
    FinalTip {
        height: Height,
    },
    Misbehaviour(Arc<Misbehaviour>),
    MisbehaviourKnown {
        offence: Digest,
    },
}

impl CheckedMessage {
    /// The request that it is; `None` for anything else.
    #[must_use]
    pub fn into_request(self) -> Option<Request> {
        match self.0 {
            Checked::Request(request) => Some(request),
            Checked::Consensus { .. }
            | Checked::Elsewhere { .. }
            | Checked::Nothing
            | Checked::Batch(_)
            | Checked::Acknowledge(_)
            | Checked::Block { .. }
            | Checked::Batches { .. }
            | Checked::FinalBlocks { .. }
            | Checked::Epoch { .. }
            | Checked::FinalTip { .. }
            | Checked::Misbehaviour(_)
            | Checked::MisbehaviourKnown { .. } => None,
        }
    }

    /// Was there anything to check? If not, a node takes nothing from it but where its sender stands.
    #[must_use]
    pub fn counts(&self) -> bool {
        match &self.0 {
            Checked::Elsewhere { .. } | Checked::Nothing => false,
            Checked::FinalBlocks { blocks, .. } => !blocks.is_empty(),
            Checked::Consensus { .. }
            | Checked::Batch(_)
            | Checked::Acknowledge(_)
            | Checked::Request(_)
            | Checked::Block { .. }
            | Checked::Batches { .. }
            | Checked::Epoch { .. }
            | Checked::FinalTip { .. }
            | Checked::Misbehaviour(_)
            | Checked::MisbehaviourKnown { .. } => true,
        }
    }

    /// Checks all that can be checked without the replica's state.
    ///
    /// # Errors
    /// [`InvalidMessage`]: the sender is at fault.
    pub fn check(message: PeerMessage, context: &PeerContext, verifier: &dyn Verifier) -> Result<Self, InvalidMessage> {
        let lanes = context.batches();
        let batches = |raw: Vec<Arc<RawBatch>>| -> Result<Vec<Arc<Batch>>, InvalidBatch> {
            raw.into_iter().map(|raw| Batch::check(raw, &lanes, verifier).map(Arc::new)).collect()
        };
        Ok(CheckedMessage(match message {
            PeerMessage::Consensus(message) => {
                let Some(signing) = context.signing(message.epoch()) else {
                    let (epoch, certifies_finality) = (message.epoch(), message.certifies_finality());
                    return Ok(CheckedMessage(Checked::Elsewhere { epoch, certifies_finality }));
                };
                let raw = match &message {
                    Message::Proposal(proposal) => decode_sidecar(&proposal.sidecar)?,
                    Message::Notarize(_) | Message::Finalize(_) | Message::Timeout(_) | Message::Certificate(_) => {
                        Vec::new()
                    }
                };
                let message = Verified::check(message, &signing, verifier)?;
                Checked::Consensus { message, inline: batches(raw.into_iter().map(Arc::new).collect())? }
            }
            PeerMessage::Batch(raw) => match Batch::check(raw, &lanes, verifier) {
                Ok(batch) => Checked::Batch(Arc::new(batch)),
                // Its author may have joined, or left, by a block that its sender has and this node has not, or so.
                Err(InvalidBatch::Lane) => Checked::Nothing,
                Err(invalid) => return Err(invalid.into()),
            },
            PeerMessage::Acknowledge(acknowledgement) => Checked::Acknowledge(once_each(acknowledgement)?),
            PeerMessage::Request(request) => Checked::Request(request),
            PeerMessage::Response(response) => match response.found {
                Found::Block(block) => Checked::Block { id: response.id, block },
                Found::Batches(raw) => Checked::Batches { id: response.id, batches: batches(raw)? },
                Found::FinalBlocks(blocks) => {
                    let blocks = check_final_blocks(blocks, context, verifier)?;
                    Checked::FinalBlocks { id: response.id, blocks }
                }
                Found::Epoch(epoch) => Checked::Epoch { id: response.id, epoch },
                // Only a node that has not begun yet asks.
                Found::Snapshot(_) => Checked::Nothing,
            },
            PeerMessage::FinalTip { height } => Checked::FinalTip { height },
            PeerMessage::Misbehaviour(proof) => {
                proof.verify(context.chain, verifier).map_err(InvalidMessage::Misbehaviour)?;
                Checked::Misbehaviour(proof)
            }
            PeerMessage::MisbehaviourKnown { offence } => Checked::MisbehaviourKnown { offence },
        }))
    }
}

fn once_each(acknowledgement: Acknowledgement) -> Result<Acknowledgement, InvalidMessage> {
    let lanes: std::collections::BTreeSet<_> = acknowledgement.lanes.iter().map(|line| line.lane).collect();
    if lanes.len() == acknowledgement.lanes.len() { Ok(acknowledgement) } else { Err(InvalidMessage::Repeated) }
}

/// Each block is the parent of the next, and the last has a certificate of finality of its own. Gives those that can be
/// checked here: up to the end of an epoch after which the validators are others, who are learnt by executing it.
fn check_final_blocks(
    mut blocks: Vec<CertifiedBlock>,
    context: &PeerContext,
    verifier: &dyn Verifier,
) -> Result<Vec<CertifiedBlock>, InvalidMessage> {
    for (parent, child) in blocks.iter().zip(blocks.iter().skip(1)) {
        let header = child.block.header();
        if header.parent() != parent.block.digest() || Some(header.height()) != parent.block.height().next() {
            return Err(InvalidMessage::Unlinked(header.height()));
        }
    }
    if let Some(last) = blocks.last().filter(|last| last.certificate.is_none()) {
        return Err(InvalidMessage::Unlinked(last.block.height()));
    }
    let mut after: Option<ValidatorSet> = None;
    let mut checked = 0usize;
    for (entry, count) in blocks.iter().zip(1usize..) {
        let Some(certificate) = &entry.certificate else { continue };
        if certificate.kind != QuorumKind::Finalized || certificate.block != entry.block.digest() {
            return Err(InvalidMessage::Unlinked(entry.block.height()));
        }
        let carried = after.take_if(|set| set.epoch() == certificate.epoch);
        let carried = carried.map(|set| SigningContext { genesis: context.chain, set });
        let Some(signing) = context.signing(certificate.epoch).or(carried) else { break };
        certificate.verify(&signing, verifier)?;
        // A quorum of an epoch that says that its validators stay is believed.
        let stays = entry.block.header().next_set() == Some(signing.set.digest());
        after = if stays { signing.set.for_next_epoch() } else { Some(signing.set) };
        checked = count;
    }
    blocks.truncate(checked);
    Ok(blocks)
}
