//! What a block says of payments by KHQR codes.
//!
//! Must not know: how codes are drawn.

use tonle_ledger::*;

use super::History;

impl History<'_> {
    /// A code that is refused as paid was paid: before, or by `earlier` operations of a transaction that is refused as a
    /// whole.
    pub(super) fn check_paid(&mut self, operation: &Operation, earlier: &[Operation]) {
        let Operation::PayKhqr(refused) = operation else { panic!("{operation:?} pays by no code") };
        let same = |operation: &Operation| matches!(operation, Operation::PayKhqr(of) if of.payload == refused.payload);
        let paid_ms = self.model.codes.paid_ms(&refused.payload);
        assert!(paid_ms.is_some() || earlier.iter().any(same), "{} was not paid", refused.payload);
        if paid_ms == Some(self.model.now_ms) {
            self.tally.raced += 1;
        }
    }

    /// The payments that a shell is told of are those that took effect; the state remembers each code that was paid, until
    /// its hour is over.
    pub(super) fn check_codes(&mut self, input: &BlockInput, executed: &Executed) {
        let mut paid = Vec::new();
        for (receipt, position) in executed.receipts.iter().zip(&executed.positions) {
            let (Some(position), TransactionResult::Executed(results)) = (position, &receipt.result) else { continue };
            let operations = input.transactions[usize::try_from(*position).unwrap()].operations();
            for ((operation, result), number) in operations.iter().zip(results).zip(0u32..) {
                if let (Operation::PayKhqr(of), OperationResult::Applied(_)) = (operation, result) {
                    paid.push((receipt.transaction, number, of.as_ref()));
                }
            }
        }
        let told = executed.khqr.iter().map(|of| (of.location.transaction, of.location.operation, &of.payment));
        assert!(told.eq(paid), "the payments by code of block {}", executed.height);
        let kept = self.model.codes.keep(executed.timestamp_ms);
        assert_eq!(self.view.codes, kept, "codes that the state remembers");
    }
}
