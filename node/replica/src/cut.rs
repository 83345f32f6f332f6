//! Cuts and acknowledgements: how far each lane is ordered, and how far a validator holds it.
//!
//! Must not know: batches' contents, who leads, sockets.

use tonle_consensus::{
    Block, Checkpoint, Header, HeaderFields, Height, Timestamp, VALIDATORS_MAX, ValidatorIndex, payload_digest,
};
use tonle_crypto::{Canonical, CodecError, Digest, PublicKey, Reader, Writer};

/// A place in a lane: the batch with this sequence number and digest, and by hash chain all before it.
///
/// ```text
/// seq      8    0 before the lane's first batch
/// digest  32    zero before the lane's first batch
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tip {
    /// The batch's number; the first is 1.
    pub seq: u64,
    /// The batch's digest.
    pub digest: Digest,
}

impl Tip {
    /// The empty lane.
    pub const EMPTY: Tip = Tip { seq: 0, digest: Digest::ZERO };
}

impl Canonical for Tip {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.seq).digest(&self.digest);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Tip { seq: reader.u64()?, digest: reader.digest()? })
    }
}

/// How far every lane is ordered, in validator order: the payload of a block.
///
/// ```text
/// count    4
/// tips    40 each
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut(Vec<Tip>);

impl Cut {
    /// The cut of genesis: `lanes` empty lanes.
    #[must_use]
    pub fn genesis(lanes: usize) -> Self {
        Cut(vec![Tip::EMPTY; lanes])
    }
    /// A cut of these tips.
    #[must_use]
    pub fn new(tips: Vec<Tip>) -> Self {
        Cut(tips)
    }
    /// All tips, in validator order.
    #[must_use]
    pub fn tips(&self) -> &[Tip] {
        &self.0
    }
    /// One lane's tip; the empty one for a lane that is not in the cut.
    #[must_use]
    pub fn tip(&self, lane: ValidatorIndex) -> Tip {
        self.0.get(lane.index()).copied().unwrap_or(Tip::EMPTY)
    }
    /// The same places for another list of lanes: those that stay keep theirs, new ones are empty, others are gone.
    #[must_use]
    pub fn relocated(&self, from: &[PublicKey], to: &[PublicKey]) -> Self {
        let place = |key: &PublicKey| from.iter().position(|lane| lane == key).and_then(|at| self.0.get(at)).copied();
        Cut(to.iter().map(|key| place(key).unwrap_or(Tip::EMPTY)).collect())
    }
    /// Replaces one lane's tip.
    pub(crate) fn advance(&mut self, lane: ValidatorIndex, tip: Tip) {
        if let Some(slot) = self.0.get_mut(lane.index()) {
            *slot = tip;
        }
    }
}

impl Canonical for Cut {
    fn encode_to(&self, writer: &mut Writer) {
        writer.list(&self.0);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.list("cut", VALIDATORS_MAX).map(Cut)
    }
}

/// The block of height 0: what the first epoch is anchored in, equal on all nodes of a chain. Its parent is the chain's
/// digest, its payload the cut of empty lanes, its checkpoint the opening state.
#[must_use]
pub fn genesis_block(
    chain: Digest,
    lanes: usize,
    created_ms: u64,
    protocol_version: u16,
    state_root: Digest,
    results_root: Digest,
) -> Option<Block> {
    let payload = Cut::genesis(lanes).encode();
    let header = Header::new(HeaderFields {
        parent: chain,
        height: Height::ZERO,
        timestamp: Timestamp::new(created_ms),
        protocol_version,
        payload: payload_digest(&payload),
        checkpoint: Checkpoint { height: Height::ZERO, state_root, results_root },
        next_set: None,
    });
    Block::new(header, payload)
}

/// One lane's line of an acknowledgement: "this batch of it, and all before it, are durable here".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcknowledgedLane {
    /// The lane.
    pub lane: ValidatorIndex,
    /// How far.
    pub tip: Tip,
}

impl Canonical for AcknowledgedLane {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.lane).value(&self.tip);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(AcknowledgedLane { lane: reader.value()?, tip: reader.value()? })
    }
}

/// How far a validator holds lanes durably. Cumulative; the connection authenticates who says it.
///
/// ```text
/// set     32   digest of the validators whose places name the lanes
/// count    4
/// lines   42 each   lane 2, seq 8, digest 32
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Digest of the validators whose places name the lanes.
    pub set: Digest,
    /// At most one line for each lane.
    pub lanes: Vec<AcknowledgedLane>,
}

impl Canonical for Acknowledgement {
    fn encode_to(&self, writer: &mut Writer) {
        writer.digest(&self.set).list(&self.lanes);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Acknowledgement { set: reader.digest()?, lanes: reader.list("acknowledgement", VALIDATORS_MAX)? })
    }
}
