//! Proofs that a client checks: of a receipt, and of an account or its absence. Whatever proof leads to the roots of
//! the small ledger here must say what that ledger says. Only then is a proof worth anything to whoever was not there.
//!
//! Must not know: how proofs are made.

use std::sync::{Arc, LazyLock};

use tonle_consensus::{Checkpoint, Height};
use tonle_crypto::{Canonical, Digest, Verified};
use tonle_ledger::{
    AccountId, AccountProof, BlockInput, Executor, MemoryState, Receipt, ReceiptProof, ReceiptsTree, SignedTransaction,
    StateKey, Terminal,
};

use crate::decoding::canonical;
use crate::forge::{START_MS, signed, transfer_of};
use crate::genesis::{founding, judge};
use crate::signing::Scheme;

/// Heights of the small ledger; each has one transaction more than the one before.
const HEIGHTS: u64 = 5;

pub(crate) struct Ledger {
    executor: Executor,
    state: MemoryState,
    state_root: Digest,
    receipts: Vec<Vec<Receipt>>,
    receipts_roots: Vec<Digest>,
    results_roots: Vec<Digest>,
}

pub(crate) static LEDGER: LazyLock<Ledger> = LazyLock::new(Ledger::grow);

impl Ledger {
    fn grow() -> Self {
        let genesis = founding();
        let chain = genesis.digest();
        let (executor, changes) = Executor::create(&genesis, judge()).expect("a genesis that founds a ledger");
        let mut ledger = Ledger {
            state_root: executor.point().state_root,
            executor,
            state: MemoryState::new(),
            receipts: vec![Vec::new()],
            receipts_roots: vec![Digest::ZERO],
            results_roots: vec![chain],
        };
        ledger.state.apply(&changes);
        for height in 1..=HEIGHTS {
            let transactions = (0..height).map(|number| ledger.payment(chain, height * 100 + number)).collect();
            let block = BlockInput { height, timestamp_ms: START_MS + height, transactions };
            let plan = ledger.executor.plan(&block);
            let executed = ledger.executor.execute(&plan, ledger.state.load(plan.keys())).expect("a sound state");
            ledger.state.apply(&executed.changes);
            ledger.state_root = executed.state_root;
            ledger.receipts.push(executed.receipts);
            ledger.receipts_roots.push(executed.receipts_root);
            ledger.results_roots.push(executed.results_root);
        }
        ledger
    }

    /// A transfer; every third is more than there is, and rejected.
    fn payment(&self, chain: Digest, number: u64) -> Arc<Verified<SignedTransaction>> {
        let body = tonle_ledger::TransactionBody {
            chain,
            not_before_ms: START_MS,
            not_after_ms: START_MS + 60_000,
            independent: false,
            nonce: number.to_be_bytes().to_vec(),
            operations: vec![transfer_of(if number.is_multiple_of(3) { u64::MAX } else { number })],
        };
        let payment = signed(Scheme::Ed25519, &body, 1);
        Arc::new(Verified::check(payment, &chain, Scheme::Ed25519.verifier()).expect("signed by its bank"))
    }

    fn last(&self) -> Digest {
        self.results_roots.last().copied().unwrap_or(Digest::ZERO)
    }

    /// The last height and its roots, as a header names them.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { height: Height::new(HEIGHTS), state_root: self.state_root, results_root: self.last() }
    }

    /// The proof of one receipt against the last height.
    pub(crate) fn prove(&self, height: usize, index: usize) -> Option<ReceiptProof> {
        let receipts = self.receipts.get(height)?;
        let links = self.receipts_roots.get(height + 1..)?.to_vec();
        ReceiptsTree::new(receipts).prove(receipts.get(index)?.clone(), *self.results_roots.get(height - 1)?, links)
    }

    /// The proof of an account after the last height.
    pub(crate) fn prove_account(&self, name: &str) -> Option<AccountProof> {
        let id = AccountId::new(name).ok()?;
        self.executor.proofs().prove_account(HEIGHTS, id, self.state.get(&StateKey::Account(id)))
    }
}

/// A receipt's proof.
pub(crate) fn receipt_proof(data: &[u8]) {
    let Some(proof) = canonical::<ReceiptProof>(data) else { return };
    let receipt = canonical::<Receipt>(&proof.receipt.encode());
    assert_eq!(receipt.as_ref(), Some(&proof.receipt), "a receipt inside a proof is a receipt");
    for (height, root) in LEDGER.results_roots.iter().enumerate() {
        let height = u64::try_from(height).unwrap_or(u64::MAX);
        if let Ok(shown) = proof.verify(height, root) {
            let place = usize::try_from(shown.height).ok().and_then(|height| LEDGER.receipts.get(height));
            let real = place.and_then(|receipts| receipts.get(usize::try_from(shown.index).ok()?));
            assert_eq!(real, Some(shown), "a receipt was proved that was never given");
            assert_eq!(root, &LEDGER.results_roots[usize::try_from(height).unwrap_or(0)]);
        }
    }
    assert!(proof.verify(HEIGHTS + 1, &LEDGER.last()).is_err(), "a root of another height was taken");
}

/// An account's proof, or that of its absence.
pub(crate) fn account_proof(data: &[u8]) {
    let Some(proof) = canonical::<AccountProof>(data) else { return };
    assert!(proof.proof.siblings.len() <= 256);
    if let Terminal::Value(value) = &proof.proof.terminal {
        canonical::<tonle_ledger::Account>(value);
    }
    if let Ok(shown) = proof.verify(&LEDGER.state_root) {
        let real = LEDGER.state.get(&StateKey::Account(proof.account));
        assert_eq!(shown.map(|account| account.encode()).as_deref(), real, "another account than {}'s", proof.account);
    }
}
