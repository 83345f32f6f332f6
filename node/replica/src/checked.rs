//! From [`PeerMessage`] to [`CheckedMessage`]: every signature in a peer's message is checked here, in the shell's
//! signature pool, before anything enters the replica.
//!
//! Must not know: the replica's state. What a message means for it is judged inside.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tonle_consensus::{Block, Epoch, Height, Invalid, Message, QuorumKind, SigningContext, ValidatorSet};
use tonle_crypto::{CodecError, Digest, Verified, Verifier, Verify};

use crate::message::decode_sidecar;
use crate::{
    Acknowledgement, Batch, BatchContext, CertifiedBlock, Found, InvalidBatch, PeerMessage, RawBatch, Request,
};

/// Epochs whose signing contexts are kept at hand.
const CONTEXTS_KEPT: usize = 8;

/// What peers' messages are checked against: the chain and its validators, in any epoch.
#[derive(Debug)]
pub struct PeerContext {
    batches: BatchContext,
    contexts: RwLock<BTreeMap<Epoch, SigningContext>>,
}

impl PeerContext {
    /// The context of the chain whose genesis has this digest, and of these validators.
    #[must_use]
    pub fn new(chain: Digest, set: ValidatorSet) -> Self {
        let contexts = BTreeMap::from([(set.epoch(), SigningContext { genesis: chain, set: set.clone() })]);
        PeerContext { batches: BatchContext { chain, set }, contexts: RwLock::new(contexts) }
    }
    /// What batches are checked against.
    #[must_use]
    pub fn batches(&self) -> &BatchContext {
        &self.batches
    }
    /// What consensus messages of `epoch` are checked against.
    #[must_use]
    pub fn signing(&self, epoch: Epoch) -> SigningContext {
        if let Some(context) = self.contexts.read().unwrap_or_else(PoisonError::into_inner).get(&epoch) {
            return context.clone();
        }
        let validators = self.batches.set.iter().map(|(_, validator)| validator.clone()).collect();
        // The members were accepted once; the epoch changes nothing about that.
        let set = ValidatorSet::new(epoch, validators).unwrap_or_else(|_| self.batches.set.clone());
        let context = SigningContext { genesis: self.batches.chain, set };
        let mut contexts = self.contexts.write().unwrap_or_else(PoisonError::into_inner);
        contexts.insert(epoch, context.clone());
        while contexts.len() > CONTEXTS_KEPT {
            contexts.pop_first();
        }
        context
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
}

/// A peer's message of which everything that its bytes alone can tell was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedMessage(pub(crate) Checked);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Checked {
    Consensus { message: Verified<Message>, inline: Vec<Arc<Batch>> },
    Batch(Arc<Batch>),
    Acknowledge(Acknowledgement),
    Request(Request),
    Block { id: u64, block: Option<Block> },
    Batches { id: u64, batches: Vec<Arc<Batch>> },
    FinalBlocks { id: u64, blocks: Vec<CertifiedBlock> },
    Epoch { id: u64, epoch: Option<Epoch> },
    FinalTip { height: Height },
}

impl CheckedMessage {
    /// Checks all that can be checked without the replica's state.
    ///
    /// # Errors
    /// [`InvalidMessage`]: the sender is at fault.
    pub fn check(message: PeerMessage, context: &PeerContext, verifier: &dyn Verifier) -> Result<Self, InvalidMessage> {
        let batches = |raw: Vec<Arc<RawBatch>>| -> Result<Vec<Arc<Batch>>, InvalidBatch> {
            raw.into_iter().map(|raw| Batch::check(raw, &context.batches, verifier).map(Arc::new)).collect()
        };
        Ok(CheckedMessage(match message {
            PeerMessage::Consensus(message) => {
                let raw = match &message {
                    Message::Proposal(proposal) => decode_sidecar(&proposal.sidecar)?,
                    Message::Notarize(_) | Message::Finalize(_) | Message::Timeout(_) | Message::Certificate(_) => {
                        Vec::new()
                    }
                };
                let signing = context.signing(message.epoch());
                let message = Verified::check(message, &signing, verifier)?;
                Checked::Consensus { message, inline: batches(raw.into_iter().map(Arc::new).collect())? }
            }
            PeerMessage::Batch(raw) => Checked::Batch(Arc::new(Batch::check(raw, &context.batches, verifier)?)),
            PeerMessage::Acknowledge(acknowledgement) => Checked::Acknowledge(once_each(acknowledgement)?),
            PeerMessage::Request(request) => Checked::Request(request),
            PeerMessage::Response(response) => match response.found {
                Found::Block(block) => Checked::Block { id: response.id, block },
                Found::Batches(raw) => Checked::Batches { id: response.id, batches: batches(raw)? },
                Found::FinalBlocks(blocks) => {
                    check_final_blocks(&blocks, context, verifier)?;
                    Checked::FinalBlocks { id: response.id, blocks }
                }
                Found::Epoch(epoch) => Checked::Epoch { id: response.id, epoch },
            },
            PeerMessage::FinalTip { height } => Checked::FinalTip { height },
        }))
    }
}

fn once_each(acknowledgement: Acknowledgement) -> Result<Acknowledgement, InvalidMessage> {
    let lanes: std::collections::BTreeSet<_> = acknowledgement.lanes.iter().map(|line| line.lane).collect();
    if lanes.len() == acknowledgement.lanes.len() { Ok(acknowledgement) } else { Err(InvalidMessage::Repeated) }
}

/// Each block is the parent of the next, and the last has a certificate of finality of its own.
fn check_final_blocks(
    blocks: &[CertifiedBlock],
    context: &PeerContext,
    verifier: &dyn Verifier,
) -> Result<(), InvalidMessage> {
    for (parent, child) in blocks.iter().zip(blocks.iter().skip(1)) {
        let header = child.block.header();
        if header.parent() != parent.block.digest() || Some(header.height()) != parent.block.height().next() {
            return Err(InvalidMessage::Unlinked(header.height()));
        }
    }
    for entry in blocks {
        if let Some(certificate) = &entry.certificate {
            if certificate.kind != QuorumKind::Finalized || certificate.block != entry.block.digest() {
                return Err(InvalidMessage::Unlinked(entry.block.height()));
            }
            certificate.verify(&context.signing(certificate.epoch), verifier)?;
        }
    }
    match blocks.last() {
        Some(last) if last.certificate.is_none() => Err(InvalidMessage::Unlinked(last.block.height())),
        Some(_) | None => Ok(()),
    }
}
