//! Results roots: one Merkle tree of receipts for each height, and the chain over the heights.
//!
//! ```text
//! leaf    = derive_key("tonle v1 receipt",       receipt bytes)
//! node    = derive_key("tonle v1 receipt node",  left 32 ‖ right 32)       a last odd node goes up unchanged
//! root_h  = derive_key("tonle v1 receipts root", total u32 ‖ top node)     top node = 32 zero bytes when total is 0
//! R_0     = chain digest
//! R_h     = derive_key("tonle v1 results",       R_(h-1) ‖ root_h)
//! ```
//!
//! Must not know: what a receipt says.

use tonle_crypto::{Canonical, CodecError, Digest, Domain, Reader, Writer};

use crate::proof::ProofInvalid;
use crate::{MAX_TRANSACTION_BYTES, Receipt};

static LEAF: Domain = Domain::new("tonle v1 receipt");
static NODE: Domain = Domain::new("tonle v1 receipt node");
static ROOT: Domain = Domain::new("tonle v1 receipts root");
static RESULTS: Domain = Domain::new("tonle v1 results");

/// Most heights between a receipt and the checkpoint it is proved against.
const MAX_LINKS: usize = 100_000;

/// The results root of genesis: the chain digest.
#[must_use]
pub const fn first_results_root(chain: Digest) -> Digest {
    chain
}

/// R_h of R_(h-1) and the height's receipts root.
#[must_use]
pub fn next_results_root(before: &Digest, receipts_root: &Digest) -> Digest {
    RESULTS.digest_parts(&[before.as_bytes(), receipts_root.as_bytes()])
}

fn node(left: &Digest, right: &Digest) -> Digest {
    NODE.digest_parts(&[left.as_bytes(), right.as_bytes()])
}

fn root(total: u32, top: &Digest) -> Digest {
    ROOT.digest_parts(&[&total.to_be_bytes(), top.as_bytes()])
}

/// The Merkle tree of one height's receipts.
#[derive(Debug, Clone)]
pub struct ReceiptsTree {
    // Leaves first; each level has half the nodes of the one below, rounded up.
    levels: Vec<Vec<Digest>>,
}

impl ReceiptsTree {
    /// The tree of these receipts, in order of index.
    #[must_use]
    pub fn new<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> Self {
        Self::of_leaves(receipts.into_iter().map(|receipt| LEAF.digest(&receipt.encode())).collect())
    }

    /// The tree of receipts given as their canonical bytes.
    #[must_use]
    pub fn of_encoded<'a>(receipts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::of_leaves(receipts.into_iter().map(|bytes| LEAF.digest(bytes)).collect())
    }

    fn of_leaves(leaves: Vec<Digest>) -> Self {
        let mut levels = Vec::new();
        let mut level = leaves;
        while level.len() > 1 {
            let above = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node(left, right),
                    [last, ..] => *last,
                    [] => Digest::ZERO,
                })
                .collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.push(level);
        ReceiptsTree { levels }
    }

    /// How many receipts there are.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.levels.first().and_then(|leaves| u32::try_from(leaves.len()).ok()).unwrap_or(0)
    }

    /// The receipts root: it binds their number.
    #[must_use]
    pub fn root(&self) -> Digest {
        let top = self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Digest::ZERO);
        root(self.total(), &top)
    }

    /// Proves `receipt`, which must be the one at its index, against the results root of `receipt.height` plus the
    /// number of links.
    ///
    /// `before` is the results root of the height before the receipt's; `links` are the receipts roots of the heights
    /// after it, up to and including the checkpoint's.
    #[must_use]
    pub fn prove(&self, receipt: Receipt, before: Digest, links: Vec<Digest>) -> Option<ReceiptProof> {
        let mut at = usize::try_from(receipt.index).ok()?;
        self.levels.first()?.get(at)?;
        let mut siblings = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            // The level of one node has no sibling; nor has a last odd node.
            if let Some(sibling) = level.get(at ^ 1) {
                siblings.push(*sibling);
            }
            at >>= 1;
        }
        Some(ReceiptProof { receipt, total: self.total(), siblings, before, links })
    }
}

/// Shows that a receipt stands under a results root.
///
/// ```text
/// u32 length ‖ receipt bytes ‖ total u32 ‖ u32 n ‖ n × sibling 32 B (leaf to top) ‖ before 32 B
///   ‖ u32 m ‖ m × receipts root 32 B (heights after the receipt's, ascending, the checkpoint's last)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptProof {
    /// The receipt.
    pub receipt: Receipt,
    /// How many receipts its height has.
    pub total: u32,
    /// Siblings from the leaf up.
    pub siblings: Vec<Digest>,
    /// The results root of the height before.
    pub before: Digest,
    /// Receipts roots of the heights after, up to the checkpoint's.
    pub links: Vec<Digest>,
}

impl ReceiptProof {
    /// The height whose results root it is proved against.
    #[must_use]
    pub fn checkpoint_height(&self) -> Option<u64> {
        self.receipt.height.checked_add(u64::try_from(self.links.len()).ok()?)
    }

    /// Checks it against the results root of a checkpoint at `height`, and gives the receipt.
    ///
    /// # Errors
    /// [`ProofInvalid`] when it does not lead to that root.
    pub fn verify(&self, height: u64, results_root: &Digest) -> Result<&Receipt, ProofInvalid> {
        if self.checkpoint_height() != Some(height) || self.receipt.index >= self.total {
            return Err(ProofInvalid);
        }
        let mut siblings = self.siblings.iter();
        let mut digest = LEAF.digest(&self.receipt.encode());
        let (mut at, mut width) = (self.receipt.index, self.total);
        while width > 1 {
            if at ^ 1 < width {
                let sibling = siblings.next().ok_or(ProofInvalid)?;
                digest = if at & 1 == 0 { node(&digest, sibling) } else { node(sibling, &digest) };
            }
            at >>= 1;
            width = width.div_ceil(2);
        }
        let first = next_results_root(&self.before, &root(self.total, &digest));
        let reached = self.links.iter().fold(first, |before, link| next_results_root(&before, link));
        if siblings.next().is_none() && reached == *results_root { Ok(&self.receipt) } else { Err(ProofInvalid) }
    }
}

impl Canonical for ReceiptProof {
    fn encode_to(&self, writer: &mut Writer) {
        writer.bytes(&self.receipt.encode()).u32(self.total).length(self.siblings.len());
        self.siblings.iter().for_each(|sibling| {
            writer.digest(sibling);
        });
        writer.digest(&self.before).length(self.links.len());
        self.links.iter().for_each(|link| {
            writer.digest(link);
        });
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let receipt = Receipt::decode(reader.bytes("receipt", MAX_TRANSACTION_BYTES)?)?;
        let total = reader.u32()?;
        let siblings = crate::proof::digests(reader, "siblings", 32)?;
        let before = reader.digest()?;
        let links = crate::proof::digests(reader, "links", MAX_LINKS)?;
        Ok(ReceiptProof { receipt, total, siblings, before, links })
    }
}
