//! The live transaction ids, instruction references and paid codes of one hour, in pieces that prove themselves.
//!
//! A bucket's digest chains what each block added: `digest = H(digest before ‖ the block's entries)`. Read backwards, each
//! block's entries are proven by the digest that follows them, and name the digest that proves what came before. So a
//! bucket of any size is verified group by group, newest first.
//!
//! Must not know: the state tree, where entries are stored.

use std::collections::BTreeMap;

use tonle_crypto::{Canonical, CodecError, Digest, Domain, Reader, Writer};

use super::{BUCKET_GROUP_BYTES_MAX, CHUNK_BYTES};
use crate::proof::ProofInvalid;
use crate::reference::{ReferenceRecord, hour};
use crate::slots::PaidCode;
use crate::{Fatal, StateKey, TransactionId};

/// A bucket's running digest: `derive_key(context, digest before ‖ entries of the block in order)`, 32 zero bytes
/// before the first. An id's entry is `id 32 B ‖ height u64 ‖ index u32`, a reference's `scope 32 B ‖ record`, a paid code's `digest 32 B ‖ record`.
static ID_BUCKET: Domain = Domain::new("tonle v1 id bucket");
static REFERENCE_BUCKET: Domain = Domain::new("tonle v1 reference bucket");
static CODE_BUCKET: Domain = Domain::new("tonle v1 code bucket");

/// Bytes of an entry: `id 32 ‖ height 8 ‖ index 4`, `scope 32 ‖ record 88`, and `code 32 ‖ record 16`.
const ID_ENTRY_BYTES: usize = 44;
const REFERENCE_ENTRY_BYTES: usize = 120;
const CODE_ENTRY_BYTES: usize = 48;
/// Most groups of a chunk: what [`CHUNK_BYTES`] holds of groups of one id.
const GROUPS_MAX: usize = CHUNK_BYTES >> 6;

/// One hour's ids, references or paid codes.
///
/// ```text
/// 1 ‖ hour u64    the live transaction ids that expire in this hour since the Unix epoch
/// 2 ‖ hour u64    the instruction references that were taken in it
/// 3 ‖ hour u64    the KHQR codes that were paid and expire in it
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// The live transaction ids that expire in this hour since the Unix epoch.
    Ids(u64),
    /// The instruction references that were taken in it.
    References(u64),
    /// The KHQR codes that were paid and expire in it.
    Codes(u64),
}

impl Bucket {
    /// The bucket whose digest stands under this key of the state.
    #[must_use]
    pub fn of(key: &StateKey) -> Option<Self> {
        match key {
            StateKey::IdBucket(hour) => Some(Bucket::Ids(*hour)),
            StateKey::ReferenceBucket(hour) => Some(Bucket::References(*hour)),
            StateKey::CodeBucket(hour) => Some(Bucket::Codes(*hour)),
            StateKey::Point
            | StateKey::Participant(_)
            | StateKey::Asset(_)
            | StateKey::Account(_)
            | StateKey::Validators
            | StateKey::Offence(_)
            | StateKey::Timed(_)
            | StateKey::Parameters
            | StateKey::Alias(_)
            | StateKey::Proposal(_)
            | StateKey::Protocol
            | StateKey::Transaction { .. }
            | StateKey::Reference(_)
            | StateKey::Code { .. } => None,
        }
    }

    /// The key of the state under which its digest stands.
    #[must_use]
    pub const fn key(self) -> StateKey {
        match self {
            Bucket::Ids(hour) => StateKey::IdBucket(hour),
            Bucket::References(hour) => StateKey::ReferenceBucket(hour),
            Bucket::Codes(hour) => StateKey::CodeBucket(hour),
        }
    }

    /// The bucket that this value is of; `None` when it is none of an hour's, or does not decode.
    #[must_use]
    pub fn holding(key: &StateKey, value: &[u8]) -> Option<Self> {
        match key {
            StateKey::Transaction { hour, .. } => Some(Bucket::Ids(*hour)),
            StateKey::Reference(_) => {
                let taken_ms = value.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))?;
                Some(Bucket::References(hour(taken_ms)))
            }
            StateKey::Code { hour, .. } => Some(Bucket::Codes(*hour)),
            StateKey::Point
            | StateKey::Participant(_)
            | StateKey::Asset(_)
            | StateKey::IdBucket(_)
            | StateKey::ReferenceBucket(_)
            | StateKey::Account(_)
            | StateKey::Validators
            | StateKey::Offence(_)
            | StateKey::Timed(_)
            | StateKey::Parameters
            | StateKey::Alias(_)
            | StateKey::Proposal(_)
            | StateKey::Protocol
            | StateKey::CodeBucket(_) => None,
        }
    }

    pub(crate) const fn domain(self) -> &'static Domain {
        match self {
            Bucket::Ids(_) => &ID_BUCKET,
            Bucket::References(_) => &REFERENCE_BUCKET,
            Bucket::Codes(_) => &CODE_BUCKET,
        }
    }

    const fn entry_bytes(self) -> usize {
        match self {
            Bucket::Ids(_) => ID_ENTRY_BYTES,
            Bucket::References(_) => REFERENCE_ENTRY_BYTES,
            Bucket::Codes(_) => CODE_ENTRY_BYTES,
        }
    }

    /// The value that an entry is of: its key, and its bytes in the state.
    fn value(self, entry: &[u8]) -> Option<(StateKey, Vec<u8>)> {
        let (name, value) = entry.split_first_chunk::<32>()?;
        let name = Digest::from_bytes(*name);
        let key = match self {
            Bucket::Ids(hour) => StateKey::Transaction { hour, id: TransactionId::new(name) },
            Bucket::References(_) => StateKey::Reference(name),
            Bucket::Codes(hour) => StateKey::Code { hour, code: name },
        };
        Some((key, value.to_vec()))
    }
}

impl Canonical for Bucket {
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            Bucket::Ids(hour) => writer.u8(1).u64(*hour),
            Bucket::References(hour) => writer.u8(2).u64(*hour),
            Bucket::Codes(hour) => writer.u8(3).u64(*hour),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            1 => reader.u64().map(Bucket::Ids),
            2 => reader.u64().map(Bucket::References),
            3 => reader.u64().map(Bucket::Codes),
            _ => Err(CodecError::Invalid("bucket")),
        }
    }
}

/// What one block added to a bucket.
///
/// ```text
/// digest before 32 B ‖ u32 length ‖ entries in order     entry = id 32 B ‖ height u64 ‖ index u32
///                                                              | scope 32 B ‖ reference record 88 B
///                                                              | code 32 B ‖ height u64 ‖ index u32 ‖ operation u32
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketGroup {
    /// The bucket's digest before; zeros for the first group.
    pub before: Digest,
    /// The entries, as they are hashed.
    pub entries: Vec<u8>,
}

impl Canonical for BucketGroup {
    fn encode_to(&self, writer: &mut Writer) {
        writer.digest(&self.before).bytes(&self.entries);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let before = reader.digest()?;
        Ok(BucketGroup { before, entries: reader.bytes("bucket entries", BUCKET_GROUP_BYTES_MAX)?.to_vec() })
    }
}

/// Groups of a bucket, newest first: `u32 n ‖ n × group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketChunk {
    /// The groups.
    pub groups: Vec<BucketGroup>,
}

/// What a verified chunk gives: values of the state, and the digest that proves what is missing still; `None` when
/// nothing is.
pub type BucketPart = (Vec<(StateKey, Vec<u8>)>, Option<Digest>);

impl BucketChunk {
    /// Checks that these groups end at the digest `link`.
    ///
    /// # Errors
    /// [`ProofInvalid`] when there is none, or anything of them is changed.
    pub fn verify(&self, bucket: Bucket, link: &Digest) -> Result<BucketPart, ProofInvalid> {
        let (mut values, mut link) = (Vec::new(), *link);
        if self.groups.is_empty() {
            return Err(ProofInvalid);
        }
        for group in &self.groups {
            let entries = group.entries.chunks_exact(bucket.entry_bytes());
            let whole = entries.remainder().is_empty() && !group.entries.is_empty();
            let proven = bucket.domain().digest_parts(&[group.before.as_bytes(), &group.entries]) == link;
            // Nothing stands before the first group.
            if !whole || !proven || link == Digest::ZERO {
                return Err(ProofInvalid);
            }
            for entry in entries {
                values.push(bucket.value(entry).ok_or(ProofInvalid)?);
            }
            link = group.before;
        }
        Ok((values, Some(link).filter(|link| *link != Digest::ZERO)))
    }
}

impl Canonical for BucketChunk {
    fn encode_to(&self, writer: &mut Writer) {
        writer.list(&self.groups);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(BucketChunk { groups: reader.list("bucket groups", GROUPS_MAX)? })
    }
}

/// A bucket's values in the order in which blocks added them: what its chunks are served from. It takes as many bytes as
/// its entries.
#[derive(Debug)]
pub struct BucketOrder {
    /// The groups, oldest first, each with the digest after it.
    groups: Vec<(BucketGroup, Digest)>,
}

impl BucketOrder {
    /// Orders all values of `bucket`.
    ///
    /// # Errors
    /// [`Fatal::Corrupt`] for a value that does not decode.
    pub fn new(bucket: Bucket, values: impl Iterator<Item = (StateKey, Vec<u8>)>) -> Result<Self, Fatal> {
        let mut blocks: BTreeMap<u64, Vec<(u32, u32, Vec<u8>)>> = BTreeMap::new();
        for (key, value) in values {
            let (height, index, operation) = place(&value).map_err(|error| Fatal::Corrupt { key, error })?;
            let Some(name) = name(&key) else { continue };
            let entry = [name.as_bytes().as_slice(), &value].concat();
            blocks.entry(height).or_default().push((index, operation, entry));
        }
        let (mut groups, mut before) = (Vec::with_capacity(blocks.len()), Digest::ZERO);
        for mut entries in blocks.into_values() {
            entries.sort_unstable();
            let entries: Vec<u8> = entries.into_iter().flat_map(|(_, _, entry)| entry).collect();
            let after = bucket.domain().digest_parts(&[before.as_bytes(), &entries]);
            groups.push((BucketGroup { before, entries }, after));
            before = after;
        }
        Ok(BucketOrder { groups })
    }

    /// The bucket's digest; zeros when it is empty.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.groups.last().map_or(Digest::ZERO, |(_, after)| *after)
    }

    /// Bytes of its entries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.groups.iter().fold(0, |sum, (group, _)| sum.saturating_add(group.entries.len()))
    }

    /// The groups that end at the digest `link`, newest first, about [`CHUNK_BYTES`] of them and at least one; `None`
    /// when none ends there, or it is too large to travel.
    #[must_use]
    pub fn chunk(&self, link: &Digest) -> Option<BucketChunk> {
        let at = self.groups.iter().rposition(|(_, after)| after == link)?;
        let (mut groups, mut bytes) = (Vec::new(), 0usize);
        for (group, _) in self.groups.get(..=at)?.iter().rev() {
            bytes = bytes.saturating_add(group.entries.len()).saturating_add(36);
            if !groups.is_empty() && (bytes > CHUNK_BYTES || groups.len() >= GROUPS_MAX) {
                break;
            }
            groups.push(group.clone());
        }
        groups.iter().all(|group| group.entries.len() <= BUCKET_GROUP_BYTES_MAX).then_some(BucketChunk { groups })
    }
}

fn name(key: &StateKey) -> Option<Digest> {
    match key {
        StateKey::Transaction { id, .. } => Some(*id.digest()),
        StateKey::Reference(scope) => Some(*scope),
        StateKey::Code { code, .. } => Some(*code),
        StateKey::Point
        | StateKey::Participant(_)
        | StateKey::Asset(_)
        | StateKey::IdBucket(_)
        | StateKey::ReferenceBucket(_)
        | StateKey::Account(_)
        | StateKey::Validators
        | StateKey::Offence(_)
        | StateKey::Timed(_)
        | StateKey::Parameters
        | StateKey::Alias(_)
        | StateKey::Proposal(_)
        | StateKey::Protocol
        | StateKey::CodeBucket(_) => None,
    }
}

/// Height, index and operation at which a value was added: an id has no operation.
fn place(value: &[u8]) -> Result<(u64, u32, u32), CodecError> {
    if value.len() == ID_ENTRY_BYTES.saturating_sub(32) {
        let mut reader = Reader::new(value);
        return Ok((reader.u64()?, reader.u32()?, 0));
    }
    if value.len() == CODE_ENTRY_BYTES.saturating_sub(32) {
        let PaidCode { height, index, operation } = PaidCode::decode(value)?;
        return Ok((height, index, operation));
    }
    let first = ReferenceRecord::decode(value)?.first;
    Ok((first.height, first.index, first.operation))
}
