//! Payments as clients get them: by a KHQR code, of a receipt, under a reference.
//!
//! Must not know: waiting, streams.

use tonle_khqr::{Md5, Terms, parse};
use tonle_ledger::{
    KhqrPayment, Moves, Operation, OperationKind, OperationResult, PayKhqr, ReceiptLocation, SignedTransaction,
    TransactionResult, khqr_id,
};
use tonle_proto::v1;

use super::backend::Archive;
use super::cursor::Cursor;
use super::error::ApiError;
use super::{convert, reads};

/// Payments that are looked through for one by exactly a code. Only who makes codes of one MD5 on purpose gets further.
const SAME_MD5_MAX: usize = 1_000;

/// An MD5 in a request.
pub(super) fn md5(text: &str, field: &'static str) -> Result<Md5, ApiError> {
    Md5::from_hex(text).ok_or(ApiError::FieldInvalid { field, expected: "32 hexadecimal digits" })
}

/// The first payment by a code.
pub(super) fn of_code(
    archive: &dyn Archive,
    request: &v1::GetKhqrPaymentRequest,
) -> Result<v1::GetKhqrPaymentResponse, ApiError> {
    use v1::get_khqr_payment_request::Of;
    let found = match &request.of {
        Some(Of::Md5(text)) => archive.khqr_payments_after(md5(text, "md5")?, None, 1)?.into_iter().next(),
        Some(Of::Payload(payload)) => {
            let found = archive.khqr_payments_after(Md5::of(payload), None, SAME_MD5_MAX)?;
            found.into_iter().find(|found| *found.payment.payload == **payload)
        }
        None => return Err(ApiError::FieldInvalid { field: "of", expected: "an MD5 or a payload" }),
    };
    let payment = found.as_ref().map(by_code).ok_or(ApiError::PaymentNotFound)?;
    Ok(v1::GetKhqrPaymentResponse { payment: Some(payment) })
}

/// A page of payments by codes of one MD5.
pub(super) fn list(
    archive: &dyn Archive,
    request: &v1::ListKhqrPaymentsRequest,
    latest: u64,
) -> Result<v1::ListKhqrPaymentsResponse, ApiError> {
    let size = reads::page_size(request.page_size)?;
    let md5 = md5(&request.md5, "md5")?;
    let list = Cursor::list("khqr", md5.as_bytes());
    let (pinned, before) = match request.cursor.as_str() {
        "" => (latest, (latest.saturating_add(1), 0, 0)),
        text => {
            let cursor = Cursor::from_text(text, list).ok_or(ApiError::CursorInvalid)?;
            (cursor.pinned, (cursor.height, cursor.index, cursor.operation))
        }
    };
    // One more than the page holds tells whether there is a next one. A page of the largest codes takes 3 MiB.
    let mut found = archive.khqr_payments(md5, Some(before), size.saturating_add(1))?;
    let more = found.len() > size;
    found.truncate(size);
    let next_cursor = match found.last().filter(|_| more) {
        Some(KhqrPayment { location: ReceiptLocation { height, index, operation, .. }, .. }) => {
            Cursor { list, pinned, height: *height, index: *index, operation: *operation }.to_text()
        }
        None => String::new(),
    };
    let payments = found.iter().map(by_code).collect();
    Ok(v1::ListKhqrPaymentsResponse { payments, next_cursor, pinned_height: pinned })
}

/// A payment by a code.
pub(super) fn by_code(paid: &KhqrPayment) -> v1::Payment {
    let PayKhqr { from, to, asset, amount, payload, instruction_ref, external_ref } = &paid.payment;
    let ReceiptLocation { transaction, height, index, operation } = &paid.location;
    let text = |reference: &Option<tonle_ledger::Reference>| reference.as_ref().map(ToString::to_string);
    v1::Payment {
        transaction_id: convert::digest(transaction.digest()),
        height: *height,
        index: *index,
        operation: *operation,
        time_ms: paid.time_ms,
        kind: OperationKind::PayKhqr.name().to_owned(),
        from: from.to_string(),
        to: to.to_string(),
        asset: asset.to_string(),
        amount_minor: amount.minor(),
        instruction_ref: text(instruction_ref).unwrap_or_default(),
        external_ref: text(external_ref).unwrap_or_default(),
        khqr: Some(details(payload)),
    }
}

/// What a code says. One that was paid parses: the ledger has read it.
fn details(payload: &str) -> v1::KhqrDetails {
    let khqr = parse(payload).ok();
    let additional = khqr.as_ref().map(|khqr| khqr.additional).unwrap_or_default();
    let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
    v1::KhqrDetails {
        md5: Md5::of(payload).to_string(),
        khqr_id: convert::digest(&khqr_id(payload)),
        payload: payload.to_owned(),
        dynamic: khqr.as_ref().is_some_and(|khqr| matches!(khqr.terms, Terms::Dynamic { .. })),
        name: text(khqr.as_ref().map(|khqr| khqr.name)),
        bill_number: text(additional.bill_number),
        store_label: text(additional.store_label),
        terminal_label: text(additional.terminal_label),
        mobile_number: text(additional.mobile_number),
        purpose: text(additional.purpose),
    }
}

/// Does money go from one named account to another for good when such an operation takes effect?
const fn pays(kind: OperationKind) -> bool {
    match kind.moves() {
        Moves::Payment | Moves::Seizure => true,
        Moves::BankTransfer | Moves::Exchange | Moves::Issue | Moves::Redemption | Moves::Nothing => false,
    }
}

/// The payments of a receipt, in order.
pub(super) fn of_receipt(archive: &dyn Archive, height: u64, index: u32) -> Result<Vec<v1::Payment>, ApiError> {
    let receipt = reads::receipt(archive, height, index)?;
    let sent = reads::sent(archive, height, index)?;
    let TransactionResult::Executed(results) = &receipt.result else { return Ok(Vec::new()) };
    // A block's own receipt has no transaction: what ends by itself pays nobody else.
    if sent.is_empty() {
        return Ok(Vec::new());
    }
    let transaction = SignedTransaction::from_bytes(&sent).map_err(|_| ApiError::Internal)?;
    let operations = transaction.operations().iter().zip(results).zip(0u32..);
    let payments = operations.filter_map(|((operation, result), number)| {
        let location = ReceiptLocation { transaction: receipt.transaction, height, index, operation: number };
        let applied = matches!(result, OperationResult::Applied(_));
        if applied { payment(operation, location, receipt.time_ms) } else { None }
    });
    Ok(payments.collect())
}

/// The payment that an operation was when it took effect there.
fn payment(operation: &Operation, location: ReceiptLocation, time_ms: u64) -> Option<v1::Payment> {
    if let Operation::PayKhqr(payment) = operation {
        return Some(by_code(&KhqrPayment { location, time_ms, payment: payment.as_ref().clone() }));
    }
    let ([Some(from), Some(to)], Some((asset, amount))) = (operation.accounts(), operation.money()) else {
        return None;
    };
    let external_ref = match operation {
        Operation::Transfer(transfer) => transfer.external_ref.as_ref(),
        _ => None,
    };
    pays(operation.kind()).then(|| v1::Payment {
        transaction_id: convert::digest(location.transaction.digest()),
        height: location.height,
        index: location.index,
        operation: location.operation,
        time_ms,
        kind: operation.kind().name().to_owned(),
        from: from.to_string(),
        to: to.to_string(),
        asset: asset.to_string(),
        amount_minor: amount.minor(),
        instruction_ref: operation.reference().map(ToString::to_string).unwrap_or_default(),
        external_ref: external_ref.map(ToString::to_string).unwrap_or_default(),
        khqr: None,
    })
}
