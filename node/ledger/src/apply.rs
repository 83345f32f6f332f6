//! Executing one operation: its reference first, then what it does. What a proposal brings to effect is executed in the
//! place of the operation that did.
//!
//! Must not know: what operations do; whether signatures hold; ids, windows, or the storage.

use tonle_crypto::{PublicKey, Signature};

use crate::operation::{Scene, Verdict};
use crate::plan::Touched;
use crate::reference::{ReferenceRecord, hour, references_expired};
use crate::working::Working;
use crate::{Operation, OperationResult, ReceiptLocation, RejectionCode};

/// Executes one operation, whose result will stand at `place`; `signatures` are those of its transaction. On `Err` the
/// caller takes back what was changed.
pub(crate) fn apply(
    working: &mut Working<'_>,
    operation: &Operation,
    touched: &Touched,
    place: ReceiptLocation,
    now_ms: u64,
    signatures: &[(PublicKey, Signature)],
) -> Result<OperationResult, RejectionCode> {
    let mut scene = Scene { working, touched, place, now_ms, signatures, verdict: None };
    // What these touch is what is proposed: reference and accounts are its, not theirs.
    if !matches!(operation, Operation::Propose(_) | Operation::Approve(_)) {
        return execute(operation, &mut scene);
    }
    let balances = operation.act().apply(&mut scene)?;
    match scene.verdict.take() {
        Some(Verdict::Decided(operation)) => execute(&operation, &mut scene),
        Some(Verdict::Pending { proposal, approvals, threshold }) => {
            Ok(OperationResult::Pending { proposal, approvals, threshold })
        }
        None => Ok(OperationResult::Applied(balances)),
    }
}

fn execute(operation: &Operation, scene: &mut Scene<'_, '_>) -> Result<OperationResult, RejectionCode> {
    let Scene { touched, place, now_ms, .. } = *scene;
    if let Some(instruction) = &touched.instruction {
        let standing = scene.working.reference(instruction.reference);
        match standing.filter(|record| !references_expired(hour(record.taken_ms), now_ms)) {
            Some(record) if record.content == instruction.content => {
                return Ok(OperationResult::Repeated(record.first));
            }
            Some(_) => return Err(RejectionCode::DuplicateReference),
            None => {}
        }
    }
    let balances = operation.act().apply(scene)?;
    if let Some(instruction) = &touched.instruction {
        let record = ReferenceRecord { taken_ms: now_ms, content: instruction.content, first: place };
        scene.working.take_reference(instruction.reference, record);
    }
    Ok(OperationResult::Applied(balances))
}
