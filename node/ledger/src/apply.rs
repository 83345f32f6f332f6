//! Executing one operation: its reference first, then what it does.
//!
//! Must not know: what operations do; signatures, ids, windows, or the storage.

use crate::operation::Scene;
use crate::plan::Touched;
use crate::reference::{ReferenceRecord, hour, references_expired};
use crate::working::Working;
use crate::{Operation, OperationResult, ReceiptLocation, RejectionCode};

/// Executes one operation, whose result will stand at `place`. On `Err` the caller takes back what was changed.
pub(crate) fn apply(
    working: &mut Working<'_>,
    operation: &Operation,
    touched: &Touched,
    place: ReceiptLocation,
    now_ms: u64,
) -> Result<OperationResult, RejectionCode> {
    if let Some(instruction) = &touched.instruction {
        let standing = working.reference(instruction.reference);
        match standing.filter(|record| !references_expired(hour(record.taken_ms), now_ms)) {
            Some(record) if record.content == instruction.content => {
                return Ok(OperationResult::Repeated(record.first));
            }
            Some(_) => return Err(RejectionCode::DuplicateReference),
            None => {}
        }
    }
    let balances = operation.act().apply(&mut Scene { working, touched, place, now_ms })?;
    if let Some(instruction) = &touched.instruction {
        let record = ReferenceRecord { taken_ms: now_ms, content: instruction.content, first: place };
        working.take_reference(instruction.reference, record);
    }
    Ok(OperationResult::Applied(balances))
}
