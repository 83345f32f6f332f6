//! The one definition of what validators sign in consensus.
//!
//! ```text
//! tag        19   "tonle/v1/consensus\0"
//! genesis    32   digest of the genesis document
//! epoch       8
//! set        32   digest of the epoch's validator set
//! kind        1   1 proposal, 2 notarize, 3 finalize, 4 timeout
//! view        8
//! body             kind 1: parent view 8, block 32
//!                  kind 2: block 32
//!                  kind 3: block 32
//!                  kind 4: view of the highest quorum certificate 8 (0: the anchor)
//! ```
//!
//! The message that ed25519 signs is these bytes themselves. Nothing made for another chain, epoch, set, kind or view
//! has the same bytes.
//!
//! Must not know: whether a statement may be made (`safety` decides), how it travels.

use tonle_crypto::{Digest, Writer};

use crate::{Epoch, ValidatorSet, View};

const TAG: &[u8; 19] = b"tonle/v1/consensus\0";

/// What every signature is bound to: the chain, the epoch and its validators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningContext {
    /// Digest of the genesis document.
    pub genesis: Digest,
    /// The epoch's validators.
    pub set: ValidatorSet,
}

/// A thing that a validator can sign in consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statement {
    /// "As leader of this view I propose this block."
    Proposal {
        /// The view led.
        view: View,
        /// The view whose certificate the proposal extends.
        parent_view: View,
        /// The block.
        block: Digest,
    },
    /// "This is valid, and I hold all of it durably."
    Notarize {
        /// The view voted in.
        view: View,
        /// The block.
        block: Digest,
    },
    /// "I hold the quorum certificate of this view, and had not given up on it."
    Finalize {
        /// The view of the certificate.
        view: View,
        /// Its block.
        block: Digest,
    },
    /// "I give up on this view; my highest quorum certificate is of `high_view`."
    Timeout {
        /// The view given up.
        view: View,
        /// View of the highest quorum certificate, 0 for the anchor.
        high_view: View,
    },
}

impl Statement {
    /// The view it is made in.
    #[must_use]
    pub fn view(&self) -> View {
        match self {
            Statement::Proposal { view, .. }
            | Statement::Notarize { view, .. }
            | Statement::Finalize { view, .. }
            | Statement::Timeout { view, .. } => *view,
        }
    }

    /// The bytes to sign.
    #[must_use]
    pub fn preimage(&self, context: &SigningContext) -> Vec<u8> {
        self.preimage_in(&context.genesis, context.set.epoch(), &context.set.digest())
    }

    /// The same for an epoch of which no more is known than the digest of its validator set.
    #[must_use]
    pub fn preimage_in(&self, genesis: &Digest, epoch: Epoch, set: &Digest) -> Vec<u8> {
        let mut writer = Writer::with_room();
        writer.raw(TAG).digest(genesis).value(&epoch).digest(set);
        match self {
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
        writer.finish()
    }
}
