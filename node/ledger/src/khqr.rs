//! Payments by KHQR codes, as a shell keeps them to be looked up.
//!
//! Must not know: who looks.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};
use tonle_khqr::Md5;

use crate::{
    Amount, KHQR_BYTES_MAX, Operation, OperationResult, PayKhqr, Receipt, ReceiptLocation, SignedTransaction,
    TransactionResult,
};

/// A payment by a code that took effect. All of it stands in the transaction and its receipt.
///
/// ```text
/// transaction id 32 B ‖ height u64 ‖ index u32 ‖ operation u32 ‖ time u64 (ms) ‖ from ‖ to ‖ asset ‖ amount u64
/// ‖ payload ‖ instruction reference ‖ external reference          (texts: u32 length, then bytes; none: length 0)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KhqrPayment {
    /// Where its result stands.
    pub location: ReceiptLocation,
    /// The block's time, ms since the Unix epoch.
    pub time_ms: u64,
    /// What was paid, and with which code.
    pub payment: PayKhqr,
}

impl KhqrPayment {
    /// The MD5 of the code, by which shops look for it. It is an index and proves nothing: codes of one MD5 can be made.
    #[must_use]
    pub fn md5(&self) -> Md5 {
        Md5::of(&self.payment.payload)
    }

    /// Those of a transaction.
    pub(crate) fn of(transaction: &SignedTransaction, receipt: &Receipt) -> Vec<Self> {
        let TransactionResult::Executed(results) = &receipt.result else { return Vec::new() };
        let operations = transaction.operations().iter().zip(results).zip(0u32..);
        let payments = operations.filter_map(|((operation, result), number)| match (operation, result) {
            (Operation::PayKhqr(payment), OperationResult::Applied(_)) => Some(KhqrPayment {
                location: ReceiptLocation {
                    transaction: receipt.transaction,
                    height: receipt.height,
                    index: receipt.index,
                    operation: number,
                },
                time_ms: receipt.time_ms,
                payment: payment.as_ref().clone(),
            }),
            _ => None,
        });
        payments.collect()
    }
}

impl Canonical for KhqrPayment {
    fn encode_to(&self, writer: &mut Writer) {
        let PayKhqr { from, to, asset, amount, payload, instruction_ref, external_ref } = &self.payment;
        writer.value(&self.location).u64(self.time_ms).value(from).value(to).value(asset).value(amount);
        writer.bytes(payload.as_bytes());
        for reference in [instruction_ref, external_ref] {
            writer.bytes(reference.as_ref().map(|reference| reference.as_str().as_bytes()).unwrap_or_default());
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (location, time_ms) = (reader.value()?, reader.u64()?);
        let (from, to) = (reader.value()?, reader.value()?);
        let (asset, amount): (_, Amount) = (reader.value()?, reader.value()?);
        let payload = std::str::from_utf8(reader.bytes("payload", KHQR_BYTES_MAX)?);
        let payload = payload.map_err(|_| CodecError::Invalid("payload"))?.into();
        let [instruction_ref, external_ref] = [reference(reader)?, reference(reader)?];
        let payment = PayKhqr { from, to, asset, amount, payload, instruction_ref, external_ref };
        Ok(KhqrPayment { location, time_ms, payment })
    }
}

fn reference(reader: &mut Reader<'_>) -> Result<Option<crate::Reference>, CodecError> {
    match reader.bytes("reference", 64)? {
        [] => Ok(None),
        bytes => {
            let text = std::str::from_utf8(bytes).ok().and_then(|text| crate::Reference::new(text).ok());
            text.map(Some).ok_or(CodecError::Invalid("reference"))
        }
    }
}
