//! The messages of snapshots, and their bytes.
//!
//! ```text
//! query      1 boundaries: from epoch 8 | to epoch 8         2 offer
//!            3 state: height 8 | path 32                     4 bucket: height 8 | bucket | link 32
//! answer     1 boundaries: count 4 | boundary ...            2 offer: 0, or 1 | offer
//!            3 state: 0, or 1 | chunk                        4 bucket: 0, or 1 | chunk
//! offer      block | headers: count 4 | header ... | FC of the last | results root before 32 | receipts root 32
//! ```
//!
//! Must not know: what is believed of them.

use tonle_consensus::{Block, Boundary, Epoch, Header, Height, QuorumCertificate};
use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};
use tonle_ledger::{Bucket, BucketChunk, StateChunk};

use crate::bounds::{BOUNDARIES_MAX, RESPONSE_BLOCKS_MAX};

/// What is asked of a peer that may hold snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotQuery {
    /// The last blocks of epochs, from `from` up to and not including `to`: those that change the validators, and the
    /// last one.
    Boundaries {
        /// The first epoch wanted.
        from: Epoch,
        /// The epoch behind the last one wanted.
        to: Epoch,
    },
    /// The newest snapshot held whose root is final.
    Offer,
    /// The values of the region of the state tree that `path` lies in.
    State {
        /// The snapshot's height.
        height: Height,
        /// Where in the tree.
        path: Digest,
    },
    /// The values of a bucket that end at the digest `link`, newest first.
    Bucket {
        /// The snapshot's height.
        height: Height,
        /// Which bucket.
        bucket: Bucket,
        /// The bucket's digest after the newest values wanted.
        link: Digest,
    },
}

/// What was found; empty when the peer has nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotFound {
    /// Boundaries, ascending.
    Boundaries(Vec<Boundary>),
    /// A snapshot.
    Offer(Option<Box<SnapshotOffer>>),
    /// A region of the state tree.
    State(Option<StateChunk>),
    /// A piece of a bucket.
    Bucket(Option<BucketChunk>),
}

/// A snapshot of the state after an epoch's last block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotOffer {
    /// That block.
    pub block: Block,
    /// The first header that names the block's height as its checkpoint, then each child up to one with a certificate.
    pub covering: Vec<Header>,
    /// The certificate of finality of the last of them.
    pub certificate: QuorumCertificate,
    /// The results root of the height before the block's.
    pub results_before: Digest,
    /// Root of the block's receipts.
    pub receipts_root: Digest,
}

impl SnapshotQuery {
    /// The answer of one that has nothing of it.
    #[must_use]
    pub fn nothing(&self) -> SnapshotFound {
        match self {
            SnapshotQuery::Boundaries { .. } => SnapshotFound::Boundaries(Vec::new()),
            SnapshotQuery::Offer => SnapshotFound::Offer(None),
            SnapshotQuery::State { .. } => SnapshotFound::State(None),
            SnapshotQuery::Bucket { .. } => SnapshotFound::Bucket(None),
        }
    }
}

impl Canonical for SnapshotQuery {
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            SnapshotQuery::Boundaries { from, to } => writer.u8(1).value(from).value(to),
            SnapshotQuery::Offer => writer.u8(2),
            SnapshotQuery::State { height, path } => writer.u8(3).value(height).digest(path),
            SnapshotQuery::Bucket { height, bucket, link } => writer.u8(4).value(height).value(bucket).digest(link),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            1 => Ok(SnapshotQuery::Boundaries { from: reader.value()?, to: reader.value()? }),
            2 => Ok(SnapshotQuery::Offer),
            3 => Ok(SnapshotQuery::State { height: reader.value()?, path: reader.digest()? }),
            4 => {
                let (height, bucket) = (reader.value()?, reader.value()?);
                Ok(SnapshotQuery::Bucket { height, bucket, link: reader.digest()? })
            }
            _ => Err(CodecError::Invalid("snapshot query")),
        }
    }
}

impl Canonical for SnapshotFound {
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            SnapshotFound::Boundaries(boundaries) => writer.u8(1).list(boundaries),
            SnapshotFound::Offer(offer) => writer.u8(2).option(offer.as_deref()),
            SnapshotFound::State(chunk) => writer.u8(3).option(chunk.as_ref()),
            SnapshotFound::Bucket(chunk) => writer.u8(4).option(chunk.as_ref()),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            1 => reader.list("boundaries", BOUNDARIES_MAX).map(SnapshotFound::Boundaries),
            2 => reader.option().map(|offer| SnapshotFound::Offer(offer.map(Box::new))),
            3 => reader.option().map(SnapshotFound::State),
            4 => reader.option().map(SnapshotFound::Bucket),
            _ => Err(CodecError::Invalid("snapshot answer")),
        }
    }
}

impl Canonical for SnapshotOffer {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.block).list(&self.covering).value(&self.certificate);
        writer.digest(&self.results_before).digest(&self.receipts_root);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(SnapshotOffer {
            block: reader.value()?,
            covering: reader.list("headers", RESPONSE_BLOCKS_MAX)?,
            certificate: reader.value()?,
            results_before: reader.digest()?,
            receipts_root: reader.digest()?,
        })
    }
}
