//! What validators send each other: consensus messages, batches, acknowledgements, and the requests and responses of
//! data and catch-up.
//!
//! ```text
//! tag    1   1 consensus, 2 batch, 3 acknowledgement, 4 request, 5 response, 6 final tip, 7 misbehaviour, 8 misbehaviour known
//! body
//! ```
//!
//! Must not know: connections, who answers what.

use std::sync::Arc;

use tonle_consensus::{Block, Epoch, Height, Message, QuorumCertificate};
use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};

use crate::bounds::{RESPONSE_BATCHES_MAX, RESPONSE_BLOCKS_MAX};
use crate::{Acknowledgement, Misbehaviour, RawBatch, SnapshotFound, SnapshotQuery};

/// A message between validators, as it travels. [`crate::CheckedMessage`] is what it becomes when it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerMessage {
    /// A message of consensus.
    Consensus(Message),
    /// A batch, by gossip or directly.
    Batch(Arc<RawBatch>),
    /// How far the sender holds lanes durably.
    Acknowledge(Acknowledgement),
    /// A request.
    Request(Request),
    /// Its answer.
    Response(Response),
    /// The sender's highest final height. A hint: nothing is believed of it.
    FinalTip {
        /// The height.
        height: Height,
    },
    /// Proof that a validator broke the rules.
    Misbehaviour(Arc<Misbehaviour>),
    /// "I need not be shown this again": the answer to [`PeerMessage::Misbehaviour`].
    MisbehaviourKnown {
        /// The identity of the offence.
        offence: Digest,
    },
}

/// A request for data. The answer bears the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the requester; means nothing to others.
    pub id: u64,
    /// What is asked for.
    pub query: Query,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// A block by its digest, final or not.
    Block {
        /// The digest.
        digest: Digest,
    },
    /// A batch by its digest, and those before it in its lane, newest first, down to above `floor`: as many as fit.
    Batches {
        /// The newest wanted.
        digest: Digest,
        /// The seq below the oldest wanted.
        floor: u64,
    },
    /// The epoch that the asked one is in: R9.
    Epoch,
    /// Final blocks from a height on, with certificates, as many as fit.
    FinalBlocks {
        /// The first height wanted.
        from: Height,
    },
    /// What a node with an empty database begins from.
    Snapshot(SnapshotQuery),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The request's.
    pub id: u64,
    /// What was found.
    pub found: Found,
}

/// What was found; empty when the peer has nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The block asked for.
    Block(Option<Block>),
    /// Batches, newest first, each the parent of the one before it in the list.
    Batches(Vec<Arc<RawBatch>>),
    /// Final blocks, ascending and linked; the last has its certificate.
    FinalBlocks(Vec<CertifiedBlock>),
    /// The epoch whose anchor is on this disk; nothing from one that may not sign itself.
    Epoch(Option<Epoch>),
    /// Of a snapshot.
    Snapshot(SnapshotFound),
}

/// A final block, with its own certificate of finality if it was finalized directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedBlock {
    /// The block.
    pub block: Block,
    /// Its FC. Without one, it is final because a later block that descends from it is.
    pub certificate: Option<QuorumCertificate>,
}

impl Canonical for CertifiedBlock {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.block).option(self.certificate.as_ref());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(CertifiedBlock { block: reader.value()?, certificate: reader.option()? })
    }
}

impl Canonical for PeerMessage {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_room();
        self.encode_to(&mut writer);
        writer.finish()
    }
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            PeerMessage::Consensus(message) => writer.u8(1).value(message),
            PeerMessage::Batch(batch) => writer.u8(2).value(batch.as_ref()),
            PeerMessage::Acknowledge(acknowledgement) => writer.u8(3).value(acknowledgement),
            PeerMessage::Request(request) => writer.u8(4).value(request),
            PeerMessage::Response(response) => writer.u8(5).value(response),
            PeerMessage::FinalTip { height } => writer.u8(6).value(height),
            PeerMessage::Misbehaviour(proof) => writer.u8(7).value(proof.as_ref()),
            PeerMessage::MisbehaviourKnown { offence } => writer.u8(8).digest(offence),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            1 => reader.value().map(PeerMessage::Consensus),
            2 => reader.value().map(|batch| PeerMessage::Batch(Arc::new(batch))),
            3 => reader.value().map(PeerMessage::Acknowledge),
            4 => reader.value().map(PeerMessage::Request),
            5 => reader.value().map(PeerMessage::Response),
            6 => reader.value().map(|height| PeerMessage::FinalTip { height }),
            7 => reader.value().map(|proof| PeerMessage::Misbehaviour(Arc::new(proof))),
            8 => reader.digest().map(|offence| PeerMessage::MisbehaviourKnown { offence }),
            _ => Err(CodecError::Invalid("peer message")),
        }
    }
}

impl Canonical for Request {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.id);
        match &self.query {
            Query::Block { digest } => writer.u8(1).digest(digest),
            Query::Batches { digest, floor } => writer.u8(2).digest(digest).u64(*floor),
            Query::FinalBlocks { from } => writer.u8(3).value(from),
            Query::Epoch => writer.u8(4),
            Query::Snapshot(query) => writer.u8(5).value(query),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let id = reader.u64()?;
        let query = match reader.u8()? {
            1 => Query::Block { digest: reader.digest()? },
            2 => Query::Batches { digest: reader.digest()?, floor: reader.u64()? },
            3 => Query::FinalBlocks { from: reader.value()? },
            4 => Query::Epoch,
            5 => Query::Snapshot(reader.value()?),
            _ => return Err(CodecError::Invalid("query")),
        };
        Ok(Request { id, query })
    }
}

impl Canonical for Response {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.id);
        match &self.found {
            Found::Block(block) => {
                writer.u8(1).option(block.as_ref());
            }
            Found::Batches(batches) => {
                writer.u8(2).length(batches.len());
                for batch in batches {
                    writer.value(batch.as_ref());
                }
            }
            Found::FinalBlocks(blocks) => {
                writer.u8(3).list(blocks);
            }
            Found::Epoch(epoch) => {
                writer.u8(4).option(epoch.as_ref());
            }
            Found::Snapshot(found) => {
                writer.u8(5).value(found);
            }
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let id = reader.u64()?;
        let found = match reader.u8()? {
            1 => Found::Block(reader.option()?),
            2 => {
                let batches: Vec<RawBatch> = reader.list("batches", RESPONSE_BATCHES_MAX)?;
                Found::Batches(batches.into_iter().map(Arc::new).collect())
            }
            3 => Found::FinalBlocks(reader.list("final blocks", RESPONSE_BLOCKS_MAX)?),
            4 => Found::Epoch(reader.option()?),
            5 => Found::Snapshot(reader.value()?),
            _ => return Err(CodecError::Invalid("response")),
        };
        Ok(Response { id, found })
    }
}

/// The batches beside a proposal: a count, then each batch. An empty sidecar is no bytes at all.
#[must_use]
pub(crate) fn encode_sidecar(batches: &[Arc<crate::Batch>]) -> Vec<u8> {
    if batches.is_empty() {
        return Vec::new();
    }
    let mut writer = Writer::new();
    writer.length(batches.len());
    for batch in batches {
        writer.value(batch.raw().as_ref());
    }
    writer.finish()
}

/// Reads a sidecar.
///
/// # Errors
/// [`CodecError`] for bytes that [`encode_sidecar`] does not write.
pub(crate) fn decode_sidecar(bytes: &[u8]) -> Result<Vec<RawBatch>, CodecError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new(bytes);
    let batches = reader.list("sidecar", crate::bounds::INLINE_BATCHES_MAX)?;
    reader.finish()?;
    Ok(batches)
}
