//! Headers and blocks: what is voted on. A block is a header with the payload it names; the payload (the lane cut) is
//! opaque here.
//!
//! Must not know: views, votes, what a payload means.

use std::fmt;
use std::sync::Arc;

use tonle_crypto::{Canonical, CodecError, Digest, Domain, Reader, Writer};

use crate::{Height, Timestamp};

static HEADER: Domain = Domain::new("tonle v1 header");
static PAYLOAD: Domain = Domain::new("tonle v1 payload");

/// Largest payload (canonical lane cut), in bytes. A cut of 100 lanes takes about 4 KB.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// The digest by which a header names its payload.
#[must_use]
pub fn payload_digest(payload: &[u8]) -> Digest {
    PAYLOAD.digest(payload)
}

/// The ledger's state after a finalized and executed height, as a header names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The height executed.
    pub height: Height,
    /// Root of the state after it.
    pub state_root: Digest,
    /// Chained root of all receipts up to it.
    pub results_root: Digest,
}

impl Canonical for Checkpoint {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.height).digest(&self.state_root).digest(&self.results_root);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Checkpoint { height: reader.value()?, state_root: reader.digest()?, results_root: reader.digest()? })
    }
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderFields {
    /// Digest of the parent's header; of the genesis document for height 0.
    pub parent: Digest,
    /// The parent's height plus one.
    pub height: Height,
    /// Above the parent's.
    pub timestamp: Timestamp,
    /// The rules the block is made under.
    pub protocol_version: u16,
    /// [`payload_digest`] of the payload.
    pub payload: Digest,
    /// A finalized, executed height.
    pub checkpoint: Checkpoint,
    /// At an epoch's last height, the digest of the next validator set; elsewhere nothing.
    pub next_set: Option<Digest>,
}

/// A block's header. Immutable, with its bytes and digest at hand; cheap to clone.
///
/// ```text
/// parent        32
/// height         8
/// timestamp      8   ms since the Unix epoch
/// version        2
/// payload       32
/// checkpoint    72   height 8, state root 32, results root 32
/// next set   1 / 33  0, or 1 and the digest
/// ```
///
/// Its digest is BLAKE3 in the domain `tonle v1 header` over these bytes. The view is not in it, so that a header can
/// be proposed again in a later view.
#[derive(Clone)]
pub struct Header(Arc<Inner>);

struct Inner {
    fields: HeaderFields,
    bytes: Vec<u8>,
    digest: Digest,
}

impl Header {
    /// The header that says `fields`.
    #[must_use]
    pub fn new(fields: HeaderFields) -> Self {
        let mut writer = Writer::new();
        writer.digest(&fields.parent).value(&fields.height).value(&fields.timestamp).u16(fields.protocol_version);
        writer.digest(&fields.payload).value(&fields.checkpoint);
        match &fields.next_set {
            None => writer.u8(0),
            Some(digest) => writer.u8(1).digest(digest),
        };
        let bytes = writer.finish();
        let digest = HEADER.digest(&bytes);
        Header(Arc::new(Inner { fields, bytes, digest }))
    }

    /// All fields.
    #[must_use]
    pub fn fields(&self) -> &HeaderFields {
        &self.0.fields
    }
    /// What identifies the block.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }
    /// The canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
    /// See [`HeaderFields::parent`].
    #[must_use]
    pub fn parent(&self) -> Digest {
        self.0.fields.parent
    }
    /// See [`HeaderFields::height`].
    #[must_use]
    pub fn height(&self) -> Height {
        self.0.fields.height
    }
    /// See [`HeaderFields::timestamp`].
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.0.fields.timestamp
    }
    /// See [`HeaderFields::protocol_version`].
    #[must_use]
    pub fn protocol_version(&self) -> u16 {
        self.0.fields.protocol_version
    }
    /// See [`HeaderFields::payload`].
    #[must_use]
    pub fn payload(&self) -> Digest {
        self.0.fields.payload
    }
    /// See [`HeaderFields::checkpoint`].
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        self.0.fields.checkpoint
    }
    /// See [`HeaderFields::next_set`].
    #[must_use]
    pub fn next_set(&self) -> Option<Digest> {
        self.0.fields.next_set
    }
}

impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}
impl Eq for Header {}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({} {:?})", self.height(), self.digest())
    }
}

impl Canonical for Header {
    fn encode_to(&self, writer: &mut Writer) {
        writer.raw(&self.0.bytes);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let before = reader.remaining();
        let fields = HeaderFields {
            parent: reader.digest()?,
            height: reader.value()?,
            timestamp: reader.value()?,
            protocol_version: reader.u16()?,
            payload: reader.digest()?,
            checkpoint: reader.value()?,
            next_set: match reader.u8()? {
                0 => None,
                1 => Some(reader.digest()?),
                _ => return Err(CodecError::Invalid("next set")),
            },
        };
        let length = before.len().saturating_sub(reader.remaining().len());
        let bytes = before.get(..length).unwrap_or_default().to_vec();
        let digest = HEADER.digest(&bytes);
        Ok(Header(Arc::new(Inner { fields, bytes, digest })))
    }
}

/// A header with the payload it names. Cheap to clone.
///
/// ```text
/// header        155 or 187
/// payload       4 + length, at most PAYLOAD_BYTES_MAX
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    header: Header,
    payload: Arc<[u8]>,
}

impl Block {
    /// Joins a header with its payload; `None` when the header names another.
    #[must_use]
    pub fn new(header: Header, payload: impl Into<Arc<[u8]>>) -> Option<Self> {
        let payload = payload.into();
        let fits = payload.len() <= PAYLOAD_BYTES_MAX && header.payload() == payload_digest(&payload);
        fits.then_some(Block { header, payload })
    }
    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }
    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &Arc<[u8]> {
        &self.payload
    }
    /// The header's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.header.digest()
    }
    /// The header's height.
    #[must_use]
    pub fn height(&self) -> Height {
        self.header.height()
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} {:?}, {} bytes)", self.height(), self.digest(), self.payload.len())
    }
}

impl Canonical for Block {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.header).bytes(&self.payload);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let header = reader.value()?;
        let payload = reader.bytes("payload", PAYLOAD_BYTES_MAX)?.to_vec();
        Block::new(header, payload).ok_or(CodecError::Invalid("payload"))
    }
}
