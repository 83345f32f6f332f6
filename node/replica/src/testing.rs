//! A small chain for the tests of this crate: four validators, real keys, real batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_consensus::{
    Bitmap, Block, Checkpoint, Epoch, Header, HeaderFields, Height, QuorumCertificate, QuorumKind, SigningContext,
    Statement, Timestamp, Validator, ValidatorIndex, ValidatorSet, View, payload_digest,
};
use tonle_crypto::{Canonical, Digest, SecretKey, Strict, Verified};
use tonle_ledger::{AccountId, Amount, Asset, Operation, Sealed, SignedTransaction, TransactionBody, Transfer};

use crate::batch::UnsignedBatch;
use crate::{Batch, BlockSource, CertifiedBlock, Cut, PeerContext, RawBatch, Tip, genesis_block};

pub(crate) const NODES: u16 = 4;

pub(crate) fn chain() -> Digest {
    Digest::from_bytes([7; 32])
}
pub(crate) fn key(index: u16) -> SecretKey {
    SecretKey::from_seed(&[u8::try_from(index).unwrap() + 1; 32])
}
pub(crate) fn lane(index: u16) -> ValidatorIndex {
    ValidatorIndex::new(index)
}
pub(crate) fn set() -> ValidatorSet {
    let members = (0..NODES).map(|index| Validator {
        name: format!("bank{index}"),
        key: key(index).public(),
        network_key: key(index + 100).public(),
    });
    ValidatorSet::new(Epoch::ZERO, members.collect()).unwrap()
}
pub(crate) fn signing() -> SigningContext {
    SigningContext { genesis: chain(), set: set() }
}
/// The first three epochs of the same validators.
pub(crate) fn context() -> PeerContext {
    let context = PeerContext::new(chain(), set());
    let next = set().for_next_epoch().unwrap();
    context.begin(next.for_next_epoch().unwrap());
    context.begin(next);
    context
}

/// The largest sealed bytes: of the form that the ledger asks for, and openable by nobody.
fn sealed() -> Sealed {
    let line = "A".repeat(43);
    let recipients = format!("-> X25519 {line}\n{line}\n").repeat(3);
    let header = format!("age-encryption.org/v1\n{recipients}--- {line}\n").into_bytes();
    Sealed::from_bytes(&[header, vec![0xee; 32 + 1_024]].concat()).unwrap()
}

/// A transfer, made distinct by `number`, padded to about `size` bytes.
pub(crate) fn transaction(number: u64, size: usize) -> Arc<Verified<SignedTransaction>> {
    let account = |name| AccountId::new(name).unwrap();
    let transfer = |_| {
        Operation::Transfer(Box::new(Transfer {
            from: account("a@bank0"),
            to: account("b@bank1"),
            asset: Asset::new("KHR").unwrap(),
            amount: Amount::from_minor(1),
            instruction_ref: None,
            purpose: None,
            external_ref: None,
            sealed: (size > 0).then(sealed),
        }))
    };
    let body = TransactionBody {
        chain: chain(),
        not_before_ms: 0,
        not_after_ms: 1,
        independent: false,
        nonce: number.to_be_bytes().to_vec(),
        operations: (0..size / 1_484 + 1).map(transfer).collect(),
    };
    let signed = body.sign(&[&key(50)]).unwrap();
    Arc::new(Verified::check(signed, &chain(), &Strict).unwrap())
}

/// The batch of a lane after `parent`, with one transaction that `number` makes distinct.
pub(crate) fn batch_of(index: u16, parent: Tip, number: u64, size: usize) -> Arc<Batch> {
    let unsigned = UnsignedBatch::pack(chain(), key(index).public(), parent, vec![transaction(number, size)]);
    let signature = key(index).sign(&unsigned.preimage());
    let batch = unsigned.sign(signature);
    // Whatever this makes passes the checks that a peer's batch passes.
    Arc::new(Batch::check(Arc::clone(batch.raw()), &context().batches(), &Strict).unwrap())
}
pub(crate) fn batch(index: u16, parent: Tip, number: u64) -> Arc<Batch> {
    batch_of(index, parent, number, 0)
}
/// The first `count` batches of a lane.
pub(crate) fn batches(index: u16, count: u64) -> Vec<Arc<Batch>> {
    let mut parent = Tip::EMPTY;
    let mut next = |number| {
        let batch = batch(index, parent, number);
        parent = batch.tip();
        batch
    };
    (0..count).map(&mut next).collect()
}

pub(crate) fn checkpoint(height: u64) -> Checkpoint {
    let root = Digest::from_bytes([u8::try_from(height % 250).unwrap(); 32]);
    Checkpoint { height: Height::new(height), state_root: root, results_root: root }
}
pub(crate) fn genesis() -> Block {
    let root = checkpoint(0).state_root;
    genesis_block(chain(), usize::from(NODES), 1, 1, root, root).unwrap()
}
/// A block after `parent` with this cut, naming this checkpoint.
pub(crate) fn block(parent: &Block, cut: &Cut, named: Checkpoint) -> Block {
    let payload = cut.encode();
    let header = Header::new(HeaderFields {
        parent: parent.digest(),
        height: parent.height().next().unwrap(),
        timestamp: Timestamp::new(parent.header().timestamp().get() + 1),
        protocol_version: 1,
        payload: payload_digest(&payload),
        checkpoint: named,
        next_set: None,
    });
    Block::new(header, payload).unwrap()
}
/// An FC of a block by the first three validators.
pub(crate) fn certificate(block: &Block, epoch: u64) -> QuorumCertificate {
    let context = context().signing(Epoch::new(epoch)).unwrap();
    let view = View::new(block.height().get());
    let message = Statement::Finalize { view, block: block.digest() }.preimage(&context);
    let mut signers = Bitmap::new(usize::from(NODES));
    (0..3).for_each(|index| {
        signers.insert(lane(index));
    });
    QuorumCertificate {
        kind: QuorumKind::Finalized,
        epoch: Epoch::new(epoch),
        view,
        block: block.digest(),
        signers,
        signatures: (0..3).map(|index| key(index).sign(&message)).collect(),
    }
}

/// `count` blocks above genesis, each naming the checkpoint before it, with the cuts given by height.
pub(crate) fn blocks(count: u64, cut: impl Fn(u64) -> Cut) -> Vec<Block> {
    let mut parent = genesis();
    let next = |height: u64| {
        parent = block(&parent, &cut(height), checkpoint(height - 1));
        parent.clone()
    };
    (1..=count).map(next).collect()
}

/// Blocks with certificates of their own at the heights that `directly` says.
pub(crate) fn certified(blocks: &[Block], directly: impl Fn(u64) -> bool, epoch: u64) -> Vec<CertifiedBlock> {
    let entry = |block: &Block| CertifiedBlock {
        block: block.clone(),
        certificate: directly(block.height().get()).then(|| certificate(block, epoch)),
    };
    blocks.iter().map(entry).collect()
}

/// A disk with these on it.
pub(crate) struct Source {
    pub(crate) blocks: BTreeMap<u64, CertifiedBlock>,
    pub(crate) batches: BTreeMap<Digest, Arc<RawBatch>>,
}

impl BlockSource for Source {
    fn final_block(&self, height: Height) -> Option<CertifiedBlock> {
        self.blocks.get(&height.get()).cloned()
    }
    fn block(&self, digest: &Digest) -> Option<Block> {
        self.blocks.values().map(|entry| entry.block.clone()).find(|block| block.digest() == *digest)
    }
    fn batch(&self, digest: &Digest) -> Option<Arc<RawBatch>> {
        self.batches.get(digest).cloned()
    }
}
