//! Batches: what a lane is made of. A [`RawBatch`] is what travels, its bytes kept; a [`Batch`] is one whose author,
//! form and every transaction's signatures were checked. Nothing else enters the core.
//!
//! ```text
//! tag          15   "tonle/v1/batch\0"
//! genesis      32
//! lane         32   the author's key
//! seq           8   1 for the lane's first
//! parent       32   digest of the batch before; zero for the first
//! count         4
//! transactions      each 4 + length, as its client sent it
//! signature    64   by the lane's key, over the batch's head
//! ```
//!
//! A batch's digest is BLAKE3 in the domain `tonle v1 batch` over the bytes above the signature: two signatures of the
//! same content are one batch. What the lane's key signs is its *head*, so that a batch's place can be proved without
//! its transactions ([`crate::Misbehaviour`]):
//!
//! ```text
//! tag          20   "tonle/v1/batch-head\0"
//! genesis      32
//! lane         32
//! seq           8
//! digest       32   the batch's
//! ```
//!
//! Must not know: lanes' windows, acknowledgements, what a transaction does.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tonle_crypto::{Canonical, CodecError, Digest, Domain, PublicKey, Reader, Signature, Verified, Verifier, Writer};
use tonle_ledger::{Rejection, SignedTransaction};

use crate::Tip;
use crate::bounds::{BATCH_BYTES_MAX, BATCH_CONTENT_BYTES_MAX, BATCH_OPERATIONS_MAX, BATCH_TRANSACTIONS_MAX};

static BATCH: Domain = Domain::new("tonle v1 batch");
const TAG: &[u8; 15] = b"tonle/v1/batch\0";
const HEAD_TAG: &[u8; 20] = b"tonle/v1/batch-head\0";
const SIGNATURE_BYTES: usize = Signature::LENGTH;

/// What a batch is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchContext {
    /// Digest of the genesis document.
    pub chain: Digest,
    /// The lanes that there are.
    pub lanes: Arc<BTreeSet<PublicKey>>,
}

/// Why a batch is refused. But for [`InvalidBatch::Lane`] its author is at fault, and whoever passed it on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// Made for another chain.
    #[error("batch of another chain")]
    Chain,
    /// The lane is no validator's of this epoch. Nobody need be at fault: sets change, and news of it travel apart.
    #[error("batch of an unknown lane")]
    Lane,
    /// Number 0, or number 1 with a parent, or a later one without.
    #[error("batch with an impossible place")]
    Place,
    /// The author's signature does not hold.
    #[error("batch with an invalid signature")]
    Signature,
    /// Empty, or above a bound.
    #[error("batch with {transactions} transactions, {operations} operations")]
    Size {
        /// Transactions in it.
        transactions: usize,
        /// Operations in them.
        operations: usize,
    },
    /// A transaction is malformed, or its signatures do not hold.
    #[error("batch with a bad transaction: {0:?}")]
    Transaction(Rejection),
}

/// What a lane's key signs of the batch that has this digest and stands at `seq`. See the module.
pub(crate) fn head(chain: &Digest, lane: &PublicKey, seq: u64, digest: &Digest) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.raw(HEAD_TAG).digest(chain).key(lane).u64(seq).digest(digest);
    writer.finish()
}

/// A batch as it was received: framed, and nothing checked.
#[derive(Clone, PartialEq, Eq)]
pub struct RawBatch {
    bytes: Arc<[u8]>,
    chain: Digest,
    lane: PublicKey,
    seq: u64,
    parent: Digest,
    digest: Digest,
    count: usize,
    signature: Signature,
}

impl RawBatch {
    /// The bytes as received.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// The author's key.
    #[must_use]
    pub fn lane(&self) -> &PublicKey {
        &self.lane
    }
    /// Its number in its lane.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
    /// Digest of the batch before it.
    #[must_use]
    pub fn parent(&self) -> Digest {
        self.parent
    }
    /// What identifies it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// The bytes of each transaction, as its client sent it.
    pub fn transactions(&self) -> impl Iterator<Item = &[u8]> {
        let mut reader = Reader::new(self.content());
        (0..self.count).map_while(move |_| reader.bytes("transaction", BATCH_CONTENT_BYTES_MAX).ok())
    }
    /// The author's signature.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.signature
    }
    /// What the author signs: the head.
    #[must_use]
    pub fn signed_message(&self) -> Vec<u8> {
        head(&self.chain, &self.lane, self.seq, &self.digest)
    }
    /// The same batch with another signature, which is not checked.
    #[must_use]
    pub fn with_signature(&self, signature: Signature) -> Self {
        let bytes = [self.above_signature(), signature.as_bytes()].concat();
        RawBatch { bytes: bytes.into(), signature, ..self.clone() }
    }
    fn above_signature(&self) -> &[u8] {
        let end = self.bytes.len().saturating_sub(SIGNATURE_BYTES);
        self.bytes.get(..end).unwrap_or_default()
    }
    fn content(&self) -> &[u8] {
        self.above_signature().get(CONTENT_OFFSET..).unwrap_or_default()
    }
}

/// Tag, genesis, lane, seq, parent, count.
const CONTENT_OFFSET: usize = 15 + 32 + 32 + 8 + 32 + 4;

impl fmt::Debug for RawBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({:?} {} {:?})", self.lane, self.seq, self.digest)
    }
}

impl Canonical for RawBatch {
    fn encode_to(&self, writer: &mut Writer) {
        writer.raw(&self.bytes);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let before = reader.remaining();
        if reader.raw(TAG.len())? != TAG {
            return Err(CodecError::Invalid("batch tag"));
        }
        let chain = reader.digest()?;
        let lane = reader.key()?;
        let seq = reader.u64()?;
        let parent = reader.digest()?;
        let count = reader.length("batch transactions", BATCH_TRANSACTIONS_MAX)?;
        let mut content = 0usize;
        for _ in 0..count {
            let transaction = reader.bytes("transaction", BATCH_CONTENT_BYTES_MAX)?;
            content = content.saturating_add(transaction.len());
            if content > BATCH_CONTENT_BYTES_MAX {
                return Err(CodecError::TooLong { what: "batch", length: content, max: BATCH_CONTENT_BYTES_MAX });
            }
        }
        let signed = before.len().saturating_sub(reader.remaining().len());
        let digest = BATCH.digest(before.get(..signed).unwrap_or_default());
        let signature = reader.signature()?;
        let length = before.len().saturating_sub(reader.remaining().len());
        if length > BATCH_BYTES_MAX {
            return Err(CodecError::TooLong { what: "batch", length, max: BATCH_BYTES_MAX });
        }
        let bytes = Arc::from(before.get(..length).unwrap_or_default());
        Ok(RawBatch { bytes, chain, lane, seq, parent, digest, count, signature })
    }
}

/// A batch that was checked: its author's signature, its form, and every transaction's signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    raw: Arc<RawBatch>,
    transactions: Vec<Arc<Verified<SignedTransaction>>>,
    operations: u64,
}

impl Batch {
    /// Checks a received batch by its bytes alone. Runs in the signature pool.
    ///
    /// # Errors
    /// [`InvalidBatch`]: never acknowledge or notarize it.
    pub fn check(raw: Arc<RawBatch>, context: &BatchContext, verifier: &dyn Verifier) -> Result<Self, InvalidBatch> {
        if raw.chain != context.chain {
            return Err(InvalidBatch::Chain);
        }
        if !context.lanes.contains(&raw.lane) {
            return Err(InvalidBatch::Lane);
        }
        if raw.seq == 0 || (raw.seq == 1) != (raw.parent == Digest::ZERO) {
            return Err(InvalidBatch::Place);
        }
        verifier.verify(&raw.lane, &raw.signed_message(), &raw.signature).map_err(|_| InvalidBatch::Signature)?;
        let mut transactions = Vec::with_capacity(raw.count);
        for bytes in raw.transactions() {
            let transaction = SignedTransaction::from_bytes(bytes).map_err(InvalidBatch::Transaction)?;
            let verified = Verified::check(transaction, &context.chain, verifier).map_err(InvalidBatch::Transaction)?;
            transactions.push(Arc::new(verified));
        }
        let operations = transactions.iter().map(|transaction| transaction.operations().len()).sum();
        if transactions.is_empty() || transactions.len() != raw.count || operations > BATCH_OPERATIONS_MAX {
            return Err(InvalidBatch::Size { transactions: transactions.len(), operations });
        }
        Ok(Batch { raw, transactions, operations: u64::try_from(operations).unwrap_or(u64::MAX) })
    }

    /// The batch as it travels and is stored.
    #[must_use]
    pub fn raw(&self) -> &Arc<RawBatch> {
        &self.raw
    }
    /// The author's key, which names the lane. Its place among the validators changes with their set.
    #[must_use]
    pub fn lane(&self) -> &PublicKey {
        self.raw.lane()
    }
    /// Its number in its lane.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.raw.seq
    }
    /// Digest of the batch before it.
    #[must_use]
    pub fn parent(&self) -> Digest {
        self.raw.parent
    }
    /// What identifies it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.raw.digest
    }
    /// Its place.
    #[must_use]
    pub fn tip(&self) -> Tip {
        Tip { seq: self.raw.seq, digest: self.raw.digest }
    }
    /// Its transactions, as packed.
    #[must_use]
    pub fn transactions(&self) -> &[Arc<Verified<SignedTransaction>>] {
        &self.transactions
    }
    /// Operations in it.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }
    /// Its size as it travels.
    #[must_use]
    pub fn size(&self) -> usize {
        self.raw.bytes.len()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

/// A batch of one's own lane that awaits its signature.
#[derive(Debug, Clone)]
pub(crate) struct UnsignedBatch {
    bytes: Vec<u8>,
    chain: Digest,
    key: PublicKey,
    tip: Tip,
    parent: Digest,
    transactions: Vec<Arc<Verified<SignedTransaction>>>,
}

impl UnsignedBatch {
    /// Packs `transactions`, which the caller keeps within the bounds of a batch.
    pub(crate) fn pack(
        chain: Digest,
        key: PublicKey,
        parent: Tip,
        transactions: Vec<Arc<Verified<SignedTransaction>>>,
    ) -> Self {
        let seq = parent.seq.saturating_add(1);
        let mut writer = Writer::new();
        writer.raw(TAG).digest(&chain).key(&key).u64(seq).digest(&parent.digest).length(transactions.len());
        for transaction in &transactions {
            writer.bytes(transaction.bytes());
        }
        let bytes = writer.finish();
        let tip = Tip { seq, digest: BATCH.digest(&bytes) };
        UnsignedBatch { bytes, chain, key, tip, parent: parent.digest, transactions }
    }
    pub(crate) fn tip(&self) -> Tip {
        self.tip
    }
    pub(crate) fn preimage(&self) -> Vec<u8> {
        head(&self.chain, &self.key, self.tip.seq, &self.tip.digest)
    }
    pub(crate) fn size(&self) -> usize {
        self.bytes.len().saturating_add(SIGNATURE_BYTES)
    }
    pub(crate) fn into_transactions(self) -> Vec<Arc<Verified<SignedTransaction>>> {
        self.transactions
    }
    /// Adds the signature that the shell's signer made with the lane's key over [`UnsignedBatch::preimage`].
    pub(crate) fn sign(self, signature: Signature) -> Batch {
        let mut bytes = self.bytes;
        bytes.extend_from_slice(signature.as_bytes());
        let operations: usize = self.transactions.iter().map(|transaction| transaction.operations().len()).sum();
        let raw = RawBatch {
            bytes: bytes.into(),
            chain: self.chain,
            lane: self.key,
            seq: self.tip.seq,
            parent: self.parent,
            digest: self.tip.digest,
            count: self.transactions.len(),
            signature,
        };
        Batch {
            raw: Arc::new(raw),
            transactions: self.transactions,
            operations: u64::try_from(operations).unwrap_or(u64::MAX),
        }
    }
}
