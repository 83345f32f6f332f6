//! Why a peer's message is refused: its sender is at fault.
//!
//! Must not know: what is done about it.

use crate::{Epoch, ValidatorIndex, View};

/// A message that no honest validator sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Made in another epoch. From an older one it may be honest and late.
    #[error("epoch {found}, expected {expected}")]
    Epoch {
        /// The epoch of the context.
        expected: Epoch,
        /// The epoch in the message.
        found: Epoch,
    },
    /// View 0, or a view that the place does not allow.
    #[error("view {0} is not allowed here")]
    View(View),
    /// The signer is not in the set.
    #[error("signer {0} is not in the set")]
    Signer(ValidatorIndex),
    /// Signers of a certificate are not strictly ascending.
    #[error("signer {0} is repeated or out of order")]
    Repeated(ValidatorIndex),
    /// A signature does not hold.
    #[error("signature of validator {0} is invalid")]
    Signature(ValidatorIndex),
    /// The bitmap's length is not the set's, or a padding bit is set.
    #[error("signer bitmap is malformed")]
    Bitmap,
    /// As many signatures as signers are needed.
    #[error("{signers} signers, {signatures} signatures")]
    Count {
        /// Bits set.
        signers: usize,
        /// Signatures given.
        signatures: usize,
    },
    /// Fewer signers than a quorum.
    #[error("{signers} signers, {quorum} needed")]
    Quorum {
        /// Signers given.
        signers: usize,
        /// Signers needed.
        quorum: usize,
    },
    /// The highest quorum certificate that a timeout or timeout certificate names is not the one attached.
    #[error("the attached certificate is of view {attached}, {claimed} is claimed")]
    HighCertificate {
        /// The view claimed.
        claimed: View,
        /// The view of the certificate attached; 0 without one.
        attached: View,
    },
    /// The payload is not the one that the header names.
    #[error("payload does not match its header")]
    Payload,
    /// The two messages of an evidence do not contradict each other.
    #[error("no contradiction in the evidence")]
    NoContradiction,
}
