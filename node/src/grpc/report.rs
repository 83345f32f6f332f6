//! The report of large payments: which operations are payments, and the walk over blocks that finds the large ones.
//!
//! Must not know: storage.

use tonle_ledger::{
    AccountId, Amount, Asset, Moves, Operation, OperationResult, Receipt, SignedTransaction, TransactionResult,
};
use tonle_proto::v1;

use super::backend::Archive;
use super::cursor::Cursor;
use super::error::ApiError;
use super::reads::{block, page_size};

/// Most transactions, and most blocks, that one call examines.
const EXAMINED_MAX: usize = 10_000;
/// Transactions that are read at once.
const READ_AT_ONCE: usize = 256;

/// One movement of money.
struct Payment {
    from: Option<AccountId>,
    to: Option<AccountId>,
    asset: Asset,
    amount: Amount,
}

/// What an operation pays when it succeeds: nothing, one side, or the two of an exchange.
fn payments(operation: &Operation) -> Vec<Payment> {
    if let Operation::Propose(propose) = operation {
        return payments(&propose.operation);
    }
    let ([first, second], Some((asset, amount))) = (operation.accounts(), operation.money()) else { return Vec::new() };
    match operation.kind().moves() {
        Moves::Payment | Moves::BankTransfer | Moves::Seizure => {
            vec![Payment { from: first, to: second, asset, amount }]
        }
        Moves::Issue => vec![Payment { from: None, to: first, asset, amount }],
        Moves::Redemption => vec![Payment { from: first, to: None, asset, amount }],
        Moves::Exchange => {
            let mut both = vec![Payment { from: first, to: second, asset, amount }];
            if let Operation::TakeQuote(take) = operation {
                let (asset, amount) = take.bought;
                both.push(Payment { from: second, to: first, asset, amount });
            }
            both
        }
        // Money that is kept, asked for or offered has not moved; what a bank acknowledges was sent before.
        Moves::Nothing => Vec::new(),
    }
}

/// What the report asks for.
struct Asked {
    asset: Asset,
    at_least: Amount,
    until_ms: u64,
}

impl Asked {
    fn of(request: &v1::ListLargePaymentsRequest) -> Result<Self, ApiError> {
        let asset = Asset::new(&request.asset)
            .map_err(|_| ApiError::FieldInvalid { field: "asset", expected: "an asset's code, such as KHR" })?;
        if request.at_least_minor == 0 {
            return Err(ApiError::FieldInvalid { field: "at_least_minor", expected: "at least 1" });
        }
        let until_ms = if request.until_ms == 0 { u64::MAX } else { request.until_ms };
        if until_ms <= request.from_ms {
            return Err(ApiError::FieldInvalid { field: "until_ms", expected: "later than from_ms, or 0" });
        }
        Ok(Asked { asset, at_least: Amount::from_minor(request.at_least_minor), until_ms })
    }

    /// The payments of a transaction that are large.
    fn large(&self, receipt: &Receipt, transaction: &SignedTransaction) -> Vec<v1::LargePayment> {
        let TransactionResult::Executed(results) = &receipt.result else { return Vec::new() };
        let mut found = Vec::new();
        for ((operation, result), number) in transaction.operations().iter().zip(results).zip(0u32..) {
            let happened = matches!(
                result,
                OperationResult::Applied(_) | OperationResult::Pending { .. } | OperationResult::Decided { .. }
            );
            let proposed = match operation {
                Operation::Propose(propose) => Some(propose.operation.kind().name()),
                _ => None,
            };
            let is_large = |payment: &Payment| payment.asset == self.asset && payment.amount >= self.at_least;
            for payment in payments(operation).into_iter().filter(|payment| happened && is_large(payment)) {
                let name = |account: Option<AccountId>| account.map(|account| account.to_string()).unwrap_or_default();
                found.push(v1::LargePayment {
                    location: Some(v1::ReceiptLocation {
                        transaction_id: bytes::Bytes::copy_from_slice(receipt.transaction.as_bytes()),
                        height: receipt.height,
                        index: receipt.index,
                        operation: number,
                    }),
                    time_ms: receipt.time_ms,
                    kind: proposed
                        .map_or_else(|| operation.kind().name().to_owned(), |name| format!("proposed_{name}")),
                    from: name(payment.from),
                    to: name(payment.to),
                    amount_minor: payment.amount.minor(),
                });
            }
        }
        found
    }
}

/// The lowest height, of those here, whose block's time is `time_ms` or later; one above `latest` when there is none.
fn first_at(archive: &dyn Archive, time_ms: u64, latest: u64) -> Result<u64, ApiError> {
    let (mut low, mut high) = (archive.earliest().max(1), latest.saturating_add(1));
    while low < high {
        let middle = low.midpoint(high);
        if block(archive, middle, latest)?.header.timestamp().get() >= time_ms {
            high = middle;
        } else {
            low = middle.saturating_add(1);
        }
    }
    Ok(low)
}

/// A page of the report.
pub(super) fn large_payments(
    archive: &dyn Archive,
    request: &v1::ListLargePaymentsRequest,
    latest: u64,
) -> Result<v1::ListLargePaymentsResponse, ApiError> {
    let asked = Asked::of(request)?;
    let size = page_size(request.page_size)?;
    let subject = [
        request.asset.as_bytes(),
        &request.at_least_minor.to_be_bytes(),
        &request.from_ms.to_be_bytes(),
        &request.until_ms.to_be_bytes(),
    ];
    let list = Cursor::list("large payments", &subject.concat());
    let (pinned, mut height, mut index) = match request.cursor.as_str() {
        "" => {
            // What becomes final between two pages is in neither: the end is fixed by the first.
            let end = first_at(archive, asked.until_ms, latest)?.saturating_sub(1);
            (end, first_at(archive, request.from_ms, latest)?, 0)
        }
        text => {
            let cursor = Cursor::from_text(text, list).ok_or(ApiError::CursorInvalid)?;
            (cursor.pinned, cursor.height, cursor.index)
        }
    };
    let (mut payments, mut transactions, mut examined) = (Vec::new(), 0usize, 0usize);
    while height <= pinned && transactions < size && examined < EXAMINED_MAX {
        let total = block(archive, height, latest)?.receipts;
        let mut read = archive.executed(height, index, READ_AT_ONCE)?.into_iter();
        let mut next = None;
        for (receipt, bytes) in read.by_ref() {
            let transaction = SignedTransaction::from_bytes(&bytes).map_err(|_| ApiError::Internal)?;
            let large = asked.large(&receipt, &transaction);
            transactions = transactions.saturating_add(usize::from(!large.is_empty()));
            payments.extend(large);
            examined = examined.saturating_add(1);
            next = receipt.index.checked_add(1);
            if transactions >= size {
                break;
            }
        }
        match next.filter(|next| *next < total) {
            Some(next) => index = next,
            None => {
                (height, index) = (height.saturating_add(1), 0);
                examined = examined.saturating_add(1);
            }
        }
    }
    let more = height <= pinned;
    let next_cursor = if more { Cursor { list, pinned, height, index, operation: 0 }.to_text() } else { String::new() };
    let examined_height = if index == 0 { height.saturating_sub(1) } else { height }.min(pinned);
    Ok(v1::ListLargePaymentsResponse { payments, next_cursor, examined_height, last_height: pinned })
}
