//! Reporting what a validator did against the rules.
//!
//! Must not know: what a proof consists of.

use super::fields::{Named, Parsed};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::{PROOF_BYTES_MAX, Rejection};

/// Reports what a validator did against the rules.
///
/// ```text
/// message ReportMisbehaviour { bytes proof = 1; }              // 1 to 321 bytes
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportMisbehaviour {
    /// The proof: 1 to [`crate::PROOF_BYTES_MAX`] bytes that a [`crate::Judge`] reads.
    pub proof: Vec<u8>,
}

impl Decode for ReportMisbehaviour {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let proof = fields.bytes(1).named("report_misbehaviour.proof")?.to_vec();
        if proof.is_empty() || proof.len() > PROOF_BYTES_MAX {
            return Err(Rejection::malformed("report_misbehaviour.proof"));
        }
        Ok(ReportMisbehaviour { proof })
    }
}

impl Act for ReportMisbehaviour {
    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        scene.working.report(&self.proof, scene.place)?;
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, &self.proof);
    }
}
