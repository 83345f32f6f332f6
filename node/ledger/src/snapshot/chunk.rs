//! Chunks of the state tree: all values whose paths share a prefix, and the siblings along it.
//!
//! A chunk shows that these are *all* values there: the digest of a subtree commits to its leaves and to nothing else,
//! and each leaf's digest commits to its whole path.
//!
//! Must not know: how the values came about.

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};

use super::CHUNK_BYTES;
use crate::StateKey;
use crate::proof::{MAX_VALUE_BYTES, ProofInvalid, bit, digests, leaf_digest, node_digest, value_digest};

/// Bits of a path.
const PATH_BITS: usize = 256;
/// Longest key.
const KEY_BYTES_MAX: usize = 64;
/// Most values of a chunk: what [`CHUNK_BYTES`] holds of values of 16 bytes, key and lengths included.
const VALUES_MAX: usize = CHUNK_BYTES >> 4;

/// One value on its path.
struct Leaf {
    path: Digest,
    value: Digest,
}

/// The digest of the subtree at `depth` of leaves that ascend by path and agree above it.
fn subtree(leaves: &[Leaf], depth: usize) -> Digest {
    match leaves {
        [] => Digest::ZERO,
        [leaf] => leaf_digest(&leaf.path, &leaf.value),
        _ => {
            let at = leaves.partition_point(|leaf| !bit(&leaf.path, depth));
            let (left, right) = leaves.split_at_checked(at).unwrap_or((leaves, &[]));
            let next = depth.saturating_add(1);
            node_digest(&subtree(left, next), &subtree(right, next))
        }
    }
}

/// The values of one region of the state tree: all whose paths share the first bits, as many as there are siblings,
/// with the path that was asked for.
///
/// ```text
/// u32 n ‖ n × sibling 32 B (root down) ‖ u32 m ‖ m × (u32 length ‖ key ‖ u32 length ‖ value), ascending by path
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChunk {
    /// Siblings along the region's prefix, from the root down.
    pub siblings: Vec<Digest>,
    /// The values, ascending by path.
    pub values: Vec<(StateKey, Vec<u8>)>,
}

impl StateChunk {
    /// Checks that these are all values of the region that `path` lies in, under `state_root`. Gives the first path
    /// behind the region; `None` at the end of all paths.
    ///
    /// # Errors
    /// [`ProofInvalid`] when a value is changed, missing, added or out of order.
    pub fn verify(&self, path: &Digest, state_root: &Digest) -> Result<Option<Digest>, ProofInvalid> {
        let depth = self.siblings.len();
        if depth > PATH_BITS {
            return Err(ProofInvalid);
        }
        let mut leaves: Vec<Leaf> = Vec::with_capacity(self.values.len());
        for (key, value) in &self.values {
            let leaf = Leaf { path: key.path(), value: value_digest(value) };
            let inside = (0..depth).all(|at| bit(&leaf.path, at) == bit(path, at));
            let ascends = leaves.last().is_none_or(|before| before.path < leaf.path);
            if !key.is_leaf() || !inside || !ascends {
                return Err(ProofInvalid);
            }
            leaves.push(leaf);
        }
        let mut digest = subtree(&leaves, depth);
        for (at, sibling) in self.siblings.iter().enumerate().rev() {
            digest = if bit(path, at) { node_digest(sibling, &digest) } else { node_digest(&digest, sibling) };
        }
        if digest == *state_root { Ok(behind(path, depth)) } else { Err(ProofInvalid) }
    }
}

/// The first path after all that share their first `depth` bits with `path`; `None` when there is none.
fn behind(path: &Digest, depth: usize) -> Option<Digest> {
    let mut bytes = [0u8; 32];
    let flip = |bytes: &mut [u8; 32], at: usize| {
        if let Some(byte) = bytes.get_mut(at >> 3) {
            *byte ^= 0x80u8.wrapping_shr(u32::try_from(at & 7).unwrap_or(0));
        }
    };
    (0..depth).filter(|at| bit(path, *at)).for_each(|at| flip(&mut bytes, at));
    // One is added at the last bit of the prefix: trailing ones become zeros.
    for at in (0..depth).rev() {
        flip(&mut bytes, at);
        if !bit(path, at) {
            return Some(Digest::from_bytes(bytes));
        }
    }
    None
}

impl Canonical for StateChunk {
    fn encode_to(&self, writer: &mut Writer) {
        writer.length(self.siblings.len());
        self.siblings.iter().for_each(|sibling| {
            writer.digest(sibling);
        });
        writer.length(self.values.len());
        for (key, value) in &self.values {
            writer.bytes(&key.to_bytes()).bytes(value);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let siblings = digests(reader, "siblings", PATH_BITS)?;
        let mut values = Vec::new();
        for _ in 0..reader.length("state values", VALUES_MAX)? {
            let key = reader.bytes("state key", KEY_BYTES_MAX)?;
            let key = StateKey::from_bytes(key).ok_or(CodecError::Invalid("state key"))?;
            values.push((key, reader.bytes("state value", MAX_VALUE_BYTES)?.to_vec()));
        }
        Ok(StateChunk { siblings, values })
    }
}

/// A state's keys in order of path, cut into regions that fit a chunk: what chunks are served from.
///
/// It takes about 50 bytes for each leaf, and twice that while it is made.
#[derive(Debug)]
pub struct Outline {
    keys: Vec<StateKey>,
    top: Part,
}

#[derive(Debug)]
enum Part {
    /// A region that one chunk holds.
    Chunk { digest: Digest, first: usize, count: usize },
    /// A region that is too large for one.
    Split { digest: Digest, left: Box<Part>, right: Box<Part> },
}

struct Entry {
    leaf: Leaf,
    key: StateKey,
    bytes: usize,
}

/// The region that a path lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region<'a> {
    /// Siblings along its prefix, from the root down.
    pub siblings: Vec<Digest>,
    /// Its keys, ascending by path.
    pub keys: &'a [StateKey],
}

impl Outline {
    /// The outline of these values, in regions of at most `bytes_max`, usually [`CHUNK_BYTES`]; values that are no leaves
    /// are left out.
    #[must_use]
    pub fn new(values: impl Iterator<Item = (StateKey, Vec<u8>)>, bytes_max: usize) -> Self {
        let mut entries: Vec<Entry> = values
            .filter(|(key, _)| key.is_leaf())
            .map(|(key, value)| Entry {
                leaf: Leaf { path: key.path(), value: value_digest(&value) },
                key,
                bytes: key.to_bytes().len().saturating_add(value.len()).saturating_add(8),
            })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.leaf.path);
        let keys = entries.iter().map(|entry| entry.key).collect();
        Outline { keys, top: part(entries, bytes_max, 0, 0) }
    }

    /// The state root.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.top.digest()
    }

    /// How many chunks there are.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.top.chunks()
    }

    /// The region that `path` lies in.
    #[must_use]
    pub fn region(&self, path: &Digest) -> Region<'_> {
        let mut siblings = Vec::new();
        let mut part = &self.top;
        loop {
            match part {
                Part::Chunk { first, count, .. } => {
                    let keys = self.keys.get(*first..first.saturating_add(*count)).unwrap_or_default();
                    return Region { siblings, keys };
                }
                Part::Split { left, right, .. } => {
                    let (next, other) = if bit(path, siblings.len()) { (right, left) } else { (left, right) };
                    siblings.push(other.digest());
                    part = next;
                }
            }
        }
    }
}

impl Part {
    fn digest(&self) -> Digest {
        match self {
            Part::Chunk { digest, .. } | Part::Split { digest, .. } => *digest,
        }
    }
    fn chunks(&self) -> usize {
        match self {
            Part::Chunk { .. } => 1,
            Part::Split { left, right, .. } => left.chunks().saturating_add(right.chunks()),
        }
    }
}

/// The part at `depth` of entries that ascend by path; `first` is the place of the first among all.
fn part(mut entries: Vec<Entry>, bytes_max: usize, first: usize, depth: usize) -> Part {
    let bytes = entries.iter().fold(0usize, |sum, entry| sum.saturating_add(entry.bytes));
    if bytes <= bytes_max || entries.len() <= 1 {
        let count = entries.len();
        let leaves: Vec<Leaf> = entries.into_iter().map(|entry| entry.leaf).collect();
        return Part::Chunk { digest: subtree(&leaves, depth), first, count };
    }
    let at = entries.partition_point(|entry| !bit(&entry.leaf.path, depth));
    let right = entries.split_off(at);
    let next = depth.saturating_add(1);
    let left = Box::new(part(entries, bytes_max, first, next));
    let right = Box::new(part(right, bytes_max, first.saturating_add(at), next));
    Part::Split { digest: node_digest(&left.digest(), &right.digest()), left, right }
}
