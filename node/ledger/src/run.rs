//! A block's run: each transaction in order, from its id to its receipt.
//!
//! Duplicates are looked up before the window is judged, the window before the signatures' authority, and that before
//! any operation. What is judged for the whole transaction leaves its id free.
//!
//! Must not know: the state tree, or the storage.

use tonle_crypto::Digest;

use crate::apply::apply;
use crate::authority::{self, Signer};
use crate::operation::money::unhold;
use crate::plan::{Plan, Touched};
use crate::reference::hour;
use crate::working::Working;
use crate::{
    Duplicate, Fatal, HistoryEntry, KhqrPayment, OperationResult, Receipt, ReceiptLocation, RejectionCode,
    SignedTransaction, StateKey, TransactionId, TransactionResult,
};

/// An id that the block takes.
pub(crate) struct TakenId {
    /// The hour in which it expires.
    pub(crate) hour: u64,
    pub(crate) id: TransactionId,
    pub(crate) index: u32,
}

impl TakenId {
    /// Where it is recorded.
    pub(crate) const fn key(&self) -> StateKey {
        StateKey::Transaction { hour: self.hour, id: self.id }
    }
}

/// What a transaction's id stands under once it is taken: the hour in which it expires, and the id.
pub(crate) fn id_of(transaction: &SignedTransaction) -> (u64, TransactionId) {
    (hour(transaction.body().not_after_ms), transaction.id())
}

/// What running a block leaves besides the state.
pub(crate) struct Run {
    height: u64,
    time_ms: u64,
    pub(crate) taken: Vec<TakenId>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) positions: Vec<Option<u32>>,
    pub(crate) duplicates: Vec<Duplicate>,
    /// Accounts, by place, with the receipts that concern them, by index.
    touched: Vec<(usize, u32)>,
    pub(crate) history: Vec<HistoryEntry>,
    /// Payments by KHQR codes that took effect.
    pub(crate) khqr: Vec<KhqrPayment>,
    pub(crate) operations: u64,
    pub(crate) applied: u64,
}

/// Runs all transactions of a block.
pub(crate) fn run(plan: &Plan<'_>, chain: &Digest, working: &mut Working<'_>) -> Result<Run, Fatal> {
    let block = plan.block;
    let mut run = Run {
        height: block.height,
        time_ms: block.timestamp_ms,
        taken: Vec::with_capacity(block.transactions.len()),
        receipts: Vec::with_capacity(block.transactions.len()),
        positions: Vec::with_capacity(block.transactions.len()),
        duplicates: Vec::new(),
        touched: Vec::with_capacity(plan.touched.len().saturating_mul(2)),
        history: Vec::new(),
        khqr: Vec::new(),
        operations: 0,
        applied: 0,
    };
    run.endings(plan, chain, working)?;
    let (_, mut touched) = plan.touched.split_at_checked(plan.due.len()).ok_or(Fatal::Bound("proposals of a block"))?;
    for (position, (transaction, id)) in block.transactions.iter().zip(&plan.id_places).enumerate() {
        let count = transaction.operations().len();
        let (own, rest) = touched.split_at_checked(count).ok_or(Fatal::Bound("operations of a block"))?;
        touched = rest;
        run.transaction(position, &Planned { transaction, id: *id, touched: own }, working)?;
    }
    run.touched.sort_unstable();
    run.touched.dedup();
    // Places are in the order of the names.
    let entries = run.touched.iter().filter_map(|(place, index)| {
        let account = *plan.accounts.get(*place)?;
        Some(HistoryEntry { account, height: block.height, index: *index })
    });
    run.history = entries.collect();
    Ok(run)
}

/// A transaction with the places of what it names.
struct Planned<'a> {
    transaction: &'a SignedTransaction,
    /// The place of its id.
    id: usize,
    /// One for each operation.
    touched: &'a [Touched],
}

impl Run {
    /// What ends by itself before the transactions: the block's own receipt.
    fn endings(&mut self, plan: &Plan<'_>, chain: &Digest, working: &mut Working<'_>) -> Result<(), Fatal> {
        let mut results = Vec::with_capacity(plan.endings.len());
        for (place, account) in &plan.endings {
            let (Some(id), Some(timed)) = (plan.timed.get(*place), working.timed(*place)) else {
                return Err(Fatal::Bound("what ends is not there"));
            };
            let mut balances = Vec::new();
            let begun_ms = timed.begun_ms;
            if let Some((asset, amount)) = timed.kept() {
                let balance = unhold(working, Some(*account), asset, amount, begun_ms);
                balances.push(balance.map_err(|_| Fatal::Bound("what is held is less than its holds"))?);
                self.touched.push((*account, 0));
            }
            working.change_timed(*place, None);
            results.push(OperationResult::Ended { id: *id, balances });
        }
        working.keep();
        let transaction = Receipt::block_id(chain, self.height);
        for (id, touched) in plan.due.iter().zip(&plan.touched) {
            let operation = u32::try_from(results.len()).map_err(|_| Fatal::Bound("what ends in a block"))?;
            let place = ReceiptLocation { transaction, height: self.height, index: 0, operation };
            results.push(self.due(*id, touched, place, working)?);
        }
        if !results.is_empty() {
            let (height, time_ms) = (self.height, self.time_ms);
            let result = TransactionResult::Executed(results);
            self.receipts.push(Receipt { transaction, height, index: 0, time_ms, result });
            self.positions.push(None);
        }
        Ok(())
    }

    /// A proposal that ends now: it takes effect, when enough of the keys that may decide today have approved.
    fn due(
        &mut self,
        id: Digest,
        touched: &Touched,
        place: ReceiptLocation,
        working: &mut Working<'_>,
    ) -> Result<OperationResult, Fatal> {
        let proposal = working.proposal(&id).ok_or(Fatal::Bound("a proposal that ends is not there"))?.clone();
        working.set_proposal(id, None);
        working.keep();
        let result = match authority::decided(working, &proposal, self.time_ms) {
            Ok(()) => apply(working, &proposal.operation, touched, place, self.time_ms, &[]),
            Err(code) => Err(code),
        };
        let code = match result {
            Ok(OperationResult::Applied(balances)) => {
                working.keep();
                self.touched.extend(touched.accounts.into_iter().flatten().map(|place| (place, 0)));
                return Ok(OperationResult::Decided { proposal: id, balances });
            }
            // Another operation took its reference first.
            Ok(_) => RejectionCode::DuplicateReference,
            Err(code) => code,
        };
        working.take_back();
        Ok(OperationResult::Lapsed { proposal: id, code })
    }

    fn transaction(&mut self, position: usize, planned: &Planned<'_>, working: &mut Working<'_>) -> Result<(), Fatal> {
        let transaction = planned.transaction;
        let (expires, id) = id_of(transaction);
        if let Some((height, index)) = working.taken_id(planned.id) {
            self.duplicates.push(Duplicate { position, transaction: id, height, index });
            return Ok(());
        }
        let index = u32::try_from(self.receipts.len()).map_err(|_| Fatal::Bound("receipts of a block"))?;
        let place = ReceiptLocation { transaction: id, height: self.height, index, operation: 0 };
        let result = judge(working, planned, place, self.time_ms);
        let receipt = Receipt { transaction: id, height: self.height, index, time_ms: self.time_ms, result };
        if receipt.takes_id() {
            working.take_id(planned.id, (self.height, index));
            self.taken.push(TakenId { hour: expires, id, index });
            self.note_history(planned, &receipt);
            self.khqr.extend(KhqrPayment::of(transaction, &receipt));
        }
        let count = |count: usize| u64::try_from(count).map_err(|_| Fatal::Bound("operations of a block"));
        self.operations = self.operations.saturating_add(count(transaction.operations().len())?);
        self.applied = self.applied.saturating_add(count(receipt.applied())?);
        let position = u32::try_from(position).map_err(|_| Fatal::Bound("transactions of a block"))?;
        self.positions.push(Some(position));
        self.receipts.push(receipt);
        Ok(())
    }

    /// An operation that took effect stands in the history of all its accounts; one that did not, only in that of the
    /// account whose keys signed for it, so that nobody can fill another's history with failures.
    fn note_history(&mut self, planned: &Planned<'_>, receipt: &Receipt) {
        let results = match &receipt.result {
            TransactionResult::Executed(results) => results.as_slice(),
            TransactionResult::Rejected { .. } => &[],
        };
        let mut results = results.iter();
        for (operation, touched) in planned.transaction.operations().iter().zip(planned.touched) {
            let applied = matches!(results.next(), Some(OperationResult::Applied(_)));
            let [first, second] = touched.accounts;
            let accounts = match applied {
                true => [first, second],
                false => match authority::rule(operation.kind()).signer {
                    Signer::Debtor => [first, None],
                    Signer::Creditor => [second, None],
                    Signer::Keeper
                    | Signer::Issuer
                    | Signer::Operator
                    | Signer::ItselfOrOperator
                    | Signer::AnyParticipant
                    | Signer::Decider => [None, None],
                },
            };
            self.touched.extend(accounts.into_iter().flatten().map(|place| (place, receipt.index)));
        }
    }
}

/// Executes a transaction whose id is free. `place` is that of its first operation's result.
fn judge(working: &mut Working<'_>, planned: &Planned<'_>, place: ReceiptLocation, now_ms: u64) -> TransactionResult {
    let body = planned.transaction.body();
    let rejected = |code, operation| TransactionResult::Rejected { code, operation };
    if now_ms < body.not_before_ms {
        return rejected(RejectionCode::NotYetValid, None);
    }
    if now_ms >= body.not_after_ms {
        return rejected(RejectionCode::Expired, None);
    }
    if let Err((code, operation)) = authority::check(working, planned.transaction, planned.touched) {
        return rejected(code, Some(operation));
    }
    let mut results = Vec::with_capacity(body.operations.len());
    for ((operation, touched), number) in body.operations.iter().zip(planned.touched).zip(0u32..) {
        let place = ReceiptLocation { operation: number, ..place };
        match apply(working, operation, touched, place, now_ms, planned.transaction.signatures()) {
            Ok(result) => {
                results.push(result);
                if body.independent {
                    working.keep();
                }
            }
            Err(code) => {
                working.take_back();
                if !body.independent {
                    return rejected(code, Some(number));
                }
                results.push(OperationResult::Rejected(code));
            }
        }
    }
    working.keep();
    TransactionResult::Executed(results)
}
