//! A block's run: each transaction in order, from its id to its receipt.
//!
//! Duplicates are looked up before the window is judged, the window before the signatures' authority, and that before
//! any operation. What is judged for the whole transaction leaves its id free.
//!
//! Must not know: the state tree, or the storage.

use std::collections::BTreeMap;

use crate::apply::apply;
use crate::authority;
use crate::reference::hour;
use crate::working::{Working, accounts_of};
use crate::{
    BlockInput, Duplicate, Fatal, HistoryEntry, Operation, OperationResult, Receipt, ReceiptLocation, RejectionCode,
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

/// Where a transaction's id stands once it is taken.
pub(crate) fn id_key(transaction: &SignedTransaction) -> StateKey {
    StateKey::Transaction { hour: hour(transaction.body().not_after_ms), id: transaction.id() }
}

/// What running a block leaves besides the state.
pub(crate) struct Run {
    height: u64,
    time_ms: u64,
    ids: BTreeMap<TransactionId, u32>,
    pub(crate) taken: Vec<TakenId>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) positions: Vec<u32>,
    pub(crate) duplicates: Vec<Duplicate>,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) operations: u64,
    pub(crate) applied: u64,
}

/// Runs all transactions of a block.
pub(crate) fn run(block: &BlockInput, working: &mut Working<'_>) -> Result<Run, Fatal> {
    let mut run = Run {
        height: block.height,
        time_ms: block.timestamp_ms,
        ids: BTreeMap::new(),
        taken: Vec::new(),
        receipts: Vec::with_capacity(block.transactions.len()),
        positions: Vec::with_capacity(block.transactions.len()),
        duplicates: Vec::new(),
        history: Vec::new(),
        operations: 0,
        applied: 0,
    };
    for (position, transaction) in block.transactions.iter().enumerate() {
        run.transaction(position, transaction, working)?;
    }
    run.history.sort_unstable();
    run.history.dedup();
    Ok(run)
}

impl Run {
    fn transaction(
        &mut self,
        position: usize,
        transaction: &SignedTransaction,
        working: &mut Working<'_>,
    ) -> Result<(), Fatal> {
        let id = transaction.id();
        let first = match self.ids.get(&id) {
            Some(index) => Some((self.height, *index)),
            None => working.stored_id(&id_key(transaction))?,
        };
        if let Some((height, index)) = first {
            self.duplicates.push(Duplicate { position, transaction: id, height, index });
            return Ok(());
        }
        let index = u32::try_from(self.receipts.len()).map_err(|_| Fatal::Bound("receipts of a block"))?;
        let place = ReceiptLocation { transaction: id, height: self.height, index, operation: 0 };
        let result = judge(working, transaction, place, self.time_ms);
        let receipt = Receipt { transaction: id, height: self.height, index, time_ms: self.time_ms, result };
        if receipt.takes_id() {
            self.ids.insert(id, index);
            self.taken.push(TakenId { hour: hour(transaction.body().not_after_ms), id, index });
            self.note_history(transaction, &receipt);
        }
        let count = |count: usize| u64::try_from(count).map_err(|_| Fatal::Bound("operations of a block"));
        self.operations = self.operations.saturating_add(count(transaction.operations().len())?);
        self.applied = self.applied.saturating_add(count(receipt.applied())?);
        self.positions.push(u32::try_from(position).map_err(|_| Fatal::Bound("transactions of a block"))?);
        self.receipts.push(receipt);
        Ok(())
    }

    /// An operation that took effect stands in the history of all its accounts; one that did not, only in that of the
    /// account whose keys signed for it, so that nobody can fill another's history with failures.
    fn note_history(&mut self, transaction: &SignedTransaction, receipt: &Receipt) {
        let results = match &receipt.result {
            TransactionResult::Executed(results) => results.as_slice(),
            TransactionResult::Rejected { .. } => &[],
        };
        for (number, operation) in transaction.operations().iter().enumerate() {
            let applied = matches!(results.get(number), Some(OperationResult::Applied(_)));
            let accounts = if applied { accounts_of(operation) } else { [debited(operation), None] };
            for account in accounts.into_iter().flatten() {
                self.history.push(HistoryEntry { account, height: receipt.height, index: receipt.index });
            }
        }
    }
}

fn debited(operation: &Operation) -> Option<crate::AccountId> {
    match operation {
        Operation::Transfer(transfer) => Some(transfer.from),
        Operation::Redeem(redeem) => Some(redeem.from),
        Operation::OpenAccount(_)
        | Operation::Issue(_)
        | Operation::SetValidator(_)
        | Operation::RemoveValidator(_)
        | Operation::AddParticipant(_)
        | Operation::ReportMisbehaviour(_) => None,
    }
}

/// Executes a transaction whose id is free. `place` is that of its first operation's result.
fn judge(
    working: &mut Working<'_>,
    transaction: &SignedTransaction,
    place: ReceiptLocation,
    now_ms: u64,
) -> TransactionResult {
    let body = transaction.body();
    let rejected = |code, operation| TransactionResult::Rejected { code, operation };
    if now_ms < body.not_before_ms {
        return rejected(RejectionCode::NotYetValid, None);
    }
    if now_ms >= body.not_after_ms {
        return rejected(RejectionCode::Expired, None);
    }
    if let Err((code, operation)) = authority::check(working, transaction) {
        return rejected(code, Some(operation));
    }
    let mut results = Vec::with_capacity(body.operations.len());
    for (operation, number) in body.operations.iter().zip(0u32..) {
        let place = ReceiptLocation { operation: number, ..place };
        match apply(working, operation, place, now_ms) {
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
