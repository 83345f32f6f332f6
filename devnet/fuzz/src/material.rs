//! Sound material for tests of the node's shell, which cuts it open with [`crate::mutate`]: guard records with blocks,
//! batches, and all that a finality receipt holds.
//!
//! Must not know: files, or the shell's formats.

use std::sync::Arc;

use tonle_consensus::{
    Block, Choice, GuardRecord, Header, QuorumCertificate, QuorumKind, SigningContext, ValidatorSet, View,
};
use tonle_crypto::Digest;
use tonle_ledger::{AccountProof, Genesis, ReceiptProof};
use tonle_replica::{Batch, Cut, Tip};

use crate::forge::{Forge, NODES, child, genesis, peers, transaction, transfer_of, validator, validators};
use crate::genesis::founding;
use crate::proofs::LEDGER;
use crate::signing::Scheme;

/// What a validator makes durable in `views` views, one after the other: the record, and the block voted for.
#[must_use]
pub fn guard_history(views: u64) -> Vec<(GuardRecord, Block)> {
    let forge = Forge::new(Scheme::Ed25519, NODES, 0);
    let quorum: Vec<_> = (1..4).map(validator).collect();
    let (mut parent, mut history) = (genesis(), Vec::new());
    for view in 1..=views {
        let named = parent.header().checkpoint();
        let block = child(&parent, &Cut::genesis(usize::from(NODES)), named, None);
        let choice = Choice { view: View::new(view), block: block.digest() };
        let high_qc =
            (view > 1).then(|| forge.quorum(QuorumKind::Notarized, View::new(view - 1), parent.digest(), &quorum));
        let record = GuardRecord { last_notarize: Some(choice), high_qc, ..GuardRecord::empty(forge.epoch()) };
        parent = block.clone();
        history.push((record, block));
    }
    history
}

/// The validators of [`batches`].
#[must_use]
pub fn members() -> ValidatorSet {
    validators(NODES, 0)
}

/// The first batches of a lane.
///
/// # Panics
/// Never: they are made to pass the check.
#[must_use]
pub fn batches(lane: u16, count: u64) -> Vec<Arc<Batch>> {
    let forge = Forge::new(Scheme::Ed25519, NODES, 0);
    let context = peers().batches();
    let (mut parent, mut lane_batches) = (Tip::EMPTY, Vec::new());
    for number in 0..count {
        let transactions = [transaction(Scheme::Ed25519, number, 1, vec![transfer_of(1 + number)])];
        let raw = Arc::new(forge.batch(lane, parent, &transactions));
        let batch = Batch::check(raw, &context, Scheme::Ed25519.verifier()).expect("made to pass the check");
        parent = batch.tip();
        lane_batches.push(Arc::new(batch));
    }
    lane_batches
}

/// What a finality receipt is made of.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The chain.
    pub genesis: Genesis,
    /// The header that names the roots, and its child.
    pub headers: Vec<Header>,
    /// A quorum's, and no more than that, of the child.
    pub certificate: QuorumCertificate,
    /// Of some transaction.
    pub receipt: ReceiptProof,
    /// Of an account after the same height.
    pub account: AccountProof,
}

/// Something final, with its proofs.
///
/// # Panics
/// Never: the ledger here has that receipt and that account.
#[must_use]
pub fn proven() -> Proven {
    let genesis_document = founding();
    let chain: Digest = genesis_document.digest();
    let cut = Cut::genesis(usize::from(NODES));
    let naming = child(&genesis(), &cut, LEDGER.checkpoint(), None);
    let last = child(&naming, &cut, LEDGER.checkpoint(), None);
    let context = SigningContext { genesis: chain, set: members() };
    let forge = Forge { scheme: Scheme::Ed25519, context };
    let quorum: Vec<_> = (0..3).map(validator).collect();
    Proven {
        headers: vec![naming.header().clone(), last.header().clone()],
        certificate: forge.quorum(QuorumKind::Finalized, View::new(9), last.digest(), &quorum),
        receipt: LEDGER.prove(3, 1).expect("three transactions at height 3"),
        account: LEDGER.prove_account("a@bank0").expect("an account of the founding"),
        genesis: genesis_document,
    }
}
