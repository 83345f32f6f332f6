//! Evidence: two signed messages of one validator that no honest validator signs both of.
//!
//! Must not know: what becomes of it.

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Signature, Verifier, Verify, Writer};

use crate::certificate::{check_epoch, check_signature};
use crate::{Epoch, Invalid, SigningContext, Statement, ValidatorIndex, View};

/// A signed statement, without the certificates that travelled with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// What was said.
    pub statement: Statement,
    /// The signature over it.
    pub signature: Signature,
}

/// Proof that a validator broke the rules.
///
/// ```text
/// epoch       8
/// signer      2
/// first           kind 1, view 8, body as in the preimage, signature 64
/// second          likewise
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The epoch.
    pub epoch: Epoch,
    /// Who broke them.
    pub signer: ValidatorIndex,
    /// One message.
    pub first: Signed,
    /// The other: another block in the same kind and view, or, to a Finalize, a Timeout that breaks R2.
    pub second: Signed,
}

/// Do the two statements of one validator contradict each other?
#[must_use]
pub fn contradict(first: &Statement, second: &Statement) -> bool {
    use Statement::{Finalize, Notarize, Proposal, Timeout};
    let same = |views: (View, View), blocks: (&Digest, &Digest)| views.0 == views.1 && blocks.0 != blocks.1;
    match (first, second) {
        (Proposal { view: a, block: x, .. }, Proposal { view: b, block: y, .. })
        | (Notarize { view: a, block: x }, Notarize { view: b, block: y })
        | (Finalize { view: a, block: x }, Finalize { view: b, block: y }) => same((*a, *b), (x, y)),
        // R2: having finalized w, one holds QC(w), so a timeout at v >= w names it; having timed out, one finalizes
        // nothing at or below.
        (Finalize { view: finalized, .. }, Timeout { view, high_view }) => view >= finalized && high_view < finalized,
        (Proposal { .. } | Notarize { .. } | Finalize { .. } | Timeout { .. }, _) => false,
    }
}

impl Verify for Evidence {
    type Context = SigningContext;
    type Error = Invalid;

    fn verify(&self, context: &SigningContext, verifier: &dyn Verifier) -> Result<(), Invalid> {
        check_epoch(self.epoch, context)?;
        if !contradict(&self.first.statement, &self.second.statement) {
            return Err(Invalid::NoContradiction);
        }
        for signed in [&self.first, &self.second] {
            let preimage = signed.statement.preimage(context);
            check_signature(context, verifier, self.signer, &preimage, &signed.signature)?;
        }
        Ok(())
    }
}

impl Canonical for Signed {
    fn encode_to(&self, writer: &mut Writer) {
        match &self.statement {
            Statement::Proposal { view, parent_view, block } => {
                writer.u8(1).value(view).value(parent_view).digest(block);
            }
            Statement::Notarize { view, block } => {
                writer.u8(2).value(view).digest(block);
            }
            Statement::Finalize { view, block } => {
                writer.u8(3).value(view).digest(block);
            }
            Statement::Timeout { view, high_view } => {
                writer.u8(4).value(view).value(high_view);
            }
        }
        writer.signature(&self.signature);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (kind, view) = (reader.u8()?, reader.value()?);
        let statement = match kind {
            1 => Statement::Proposal { view, parent_view: reader.value()?, block: reader.digest()? },
            2 => Statement::Notarize { view, block: reader.digest()? },
            3 => Statement::Finalize { view, block: reader.digest()? },
            4 => Statement::Timeout { view, high_view: reader.value()? },
            _ => return Err(CodecError::Invalid("statement")),
        };
        Ok(Signed { statement, signature: reader.signature()? })
    }
}

impl Canonical for Evidence {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.epoch).value(&self.signer).value(&self.first).value(&self.second);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Evidence {
            epoch: reader.value()?,
            signer: reader.value()?,
            first: reader.value()?,
            second: reader.value()?,
        })
    }
}
