//! What goes into the engine and what comes out: closed enums, matched without a wildcard.
//!
//! Must not know: how an output is carried out.

use std::sync::Arc;

use tonle_crypto::{Digest, Signature, Verified};

use crate::{
    Block, Checkpoint, Evidence, GuardRecord, Height, Message, Proposal, QuorumCertificate, SignRequest, Statement,
    ValidatorIndex, View,
};

/// What view 0 of the epoch stands for: genesis, or the previous epoch's last block with any certificate of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The block below the epoch's first.
    pub block: Block,
    /// Its finality certificate of the previous epoch; `None` for genesis.
    pub certificate: Option<QuorumCertificate>,
}

/// The last final block that the database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The block. The anchor's when nothing of this epoch is final.
    pub block: Block,
    /// Its FC, or that of a descendant; of this epoch, or of the one before when the block is the anchor's.
    pub certificate: Option<QuorumCertificate>,
}

/// What a node knows when it starts.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The last guard record on disk; `None` when nothing was ever signed. One of an earlier epoch says nothing.
    pub guard: Option<GuardRecord>,
    /// Journalled blocks above the tip, in any order.
    pub blocks: Vec<Block>,
    /// The last final block in the database.
    pub tip: Tip,
    /// The guard file is missing, damaged or restored from a backup: R9, sign nothing.
    pub guard_lost: bool,
}

/// Is there anything to order? The replica says whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// Batches known and not yet final, a due expiry, or a pending set change.
    pub data: bool,
    /// The highest executed height whose block changed anything. A block is wanted, once, until a notarized header
    /// names this checkpoint or a higher one; heartbeats and trailing blocks change nothing, so they call for none.
    pub checkpoint_due: Option<Height>,
}

/// The replica's judgement of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The payload follows from the parent's, and every batch between the final cut and this one is durable here.
    Valid,
    /// The payload, the checkpoint or the next set breaks the rules. Missing data is no verdict.
    Invalid,
}

/// What happens to the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// First input, once, after recovery.
    Start,
    /// [`crate::Consensus::deadline`] has passed. Harmless at any other time.
    Tick,
    /// A connection to a validator is new or renewed. R9: it gets all it needs to go on from here.
    Connected(ValidatorIndex),
    /// R9: since the process started, a quorum with oneself has told where it stands, and shown what it holds of one's
    /// own signatures. Ends [`crate::Consensus::hold`].
    Greeted,
    /// A peer's message.
    Received {
        /// Which validator's connection it came over.
        from: ValidatorIndex,
        /// The message, form and signatures checked.
        message: Verified<Message>,
    },
    /// The signer's answer to [`Output::Sign`].
    Signed {
        /// The request.
        request: SignRequest,
        /// The signature over [`SignRequest::message`].
        signature: Signature,
    },
    /// The answer to [`Output::Check`]. None means wait; it may come at any time later.
    Checked {
        /// The proposal's block.
        block: Digest,
        /// The proposal's view.
        view: View,
        /// The judgement.
        verdict: Verdict,
    },
    /// The answer to [`Output::Build`].
    Built {
        /// The view asked for. For any but the current one it is ignored.
        view: View,
        /// The lane cut's canonical bytes.
        payload: Vec<u8>,
        /// Inline batches.
        sidecar: Vec<u8>,
        /// The highest checkpoint executed and allowed.
        checkpoint: Checkpoint,
        /// At the epoch's last height the next set's digest.
        next_set: Option<Digest>,
        /// Does the cut differ from the parent's?
        moves: bool,
    },
    /// Whether there is anything to order has changed.
    Demand(Demand),
    /// The answer to [`Output::FetchBlock`].
    Fetched {
        /// The block. Its digest is its proof.
        block: Block,
    },
    /// Catch-up took the database to this final block.
    Advanced {
        /// The block.
        block: Block,
        /// Its FC, checked.
        certificate: QuorumCertificate,
    },
}

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// One validator.
    One(ValidatorIndex),
    /// Several validators.
    Many(Vec<ValidatorIndex>),
    /// Every validator but oneself.
    All,
}

/// Why the engine stops: the chain is broken beyond what the protocol can bear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HaltReason {
    /// Two blocks are final, and neither descends from the other: more than f validators are Byzantine.
    #[error("two branches are final: {known} at height {height}, and {other}")]
    Fork {
        /// Height of the block known to be final.
        height: Height,
        /// The block known to be final.
        known: Digest,
        /// The block that another certificate finalizes.
        other: Digest,
    },
}

/// What the engine wants done, in this order. An output after a Persist waits until that is on disk.
#[derive(Debug, Clone)]
pub enum Output {
    /// R8: make the record and the blocks durable.
    Persist {
        /// The whole guard record.
        record: GuardRecord,
        /// Blocks notarized or proposed, with unfinalized ancestors that were not durable yet.
        blocks: Vec<Block>,
    },
    /// Sign, and answer [`Input::Signed`].
    Sign(SignRequest),
    /// Send a message. Lost when there is no connection: [`Input::Connected`] makes up for it.
    Send {
        /// To whom.
        to: Recipients,
        /// What.
        message: Message,
    },
    /// Judge a proposal, fetching what it needs, and answer [`Input::Checked`].
    Check {
        /// The proposal. Its signature is zero when it is one's own that is not signed yet.
        proposal: Arc<Proposal>,
        /// The parent of its block.
        parent: Block,
    },
    /// Build a payload, and answer [`Input::Built`] as soon as it can move the cut; at once when it may be empty. A
    /// later request for the same view replaces this one.
    Build {
        /// The view to lead.
        view: View,
        /// The block to extend.
        parent: Block,
        /// Answer at once, if need be with the parent's cut.
        may_be_empty: bool,
    },
    /// A view began.
    Entered {
        /// The view.
        view: View,
        /// Its leader.
        leader: ValidatorIndex,
        /// The leader of the next one.
        next_leader: ValidatorIndex,
    },
    /// A block is notarized: it will likely be final soon.
    Notarized {
        /// The block.
        block: Block,
    },
    /// Blocks are final: R7.
    Finalized {
        /// Oldest first, starting right above the last final one.
        blocks: Vec<Block>,
        /// An FC of the last of them.
        certificate: QuorumCertificate,
    },
    /// A certified block is not here: fetch it and answer [`Input::Fetched`]. Repeated while it is missing.
    FetchBlock {
        /// Its digest.
        block: Digest,
        /// Who probably has it.
        hint: Vec<ValidatorIndex>,
    },
    /// Too far behind for fetching block by block: catch up, and answer [`Input::Advanced`].
    Behind {
        /// A height that is certified.
        height: Height,
        /// Who probably has it.
        hint: Vec<ValidatorIndex>,
    },
    /// A validator broke the rules.
    Evidence(Evidence),
    /// R9: a peer showed an own signature above the guard. Mark the guard lost on disk; nothing is signed any more.
    GuardLost {
        /// What one has signed without knowing.
        statement: Statement,
    },
    /// The epoch's last height is final. The next engine starts from this anchor.
    EpochEnded {
        /// The epoch's last block.
        block: Block,
        /// Its FC.
        certificate: QuorumCertificate,
    },
    /// Stop voting, and show why. Reads may be served.
    Halt(HaltReason),
}
