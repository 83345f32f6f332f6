//! A picture of the engine for operators: what it waits for, and on whom.
//!
//! Must not know: how it is shown.

use crate::{Epoch, Height, ValidatorIndex, View};

/// What the engine waits for in its view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing to order; the next heartbeat is not due.
    Idle,
    /// The leader's proposal.
    Proposal,
    /// The parent, the data, the checkpoint or the timestamp of the proposal.
    Data,
    /// Notarize votes: its own is cast.
    Quorum,
    /// Timeouts: it has given up on the view.
    Timeouts,
    /// The next epoch's engine.
    EpochEnd,
    /// Nothing: the chain is broken.
    Halted,
}

/// A snapshot of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The epoch.
    pub epoch: Epoch,
    /// The current view.
    pub view: View,
    /// Its leader.
    pub leader: ValidatorIndex,
    /// What it waits for.
    pub step: Step,
    /// Who voted Notarize in this view.
    pub notarized: Vec<ValidatorIndex>,
    /// Who gave up on this view.
    pub timed_out: Vec<ValidatorIndex>,
    /// Who did neither.
    pub missing: Vec<ValidatorIndex>,
    /// View of the highest quorum certificate.
    pub high_view: View,
    /// The highest final height.
    pub final_height: Height,
    /// View of the highest finality certificate.
    pub final_view: View,
    /// The current view timeout, in ms.
    pub timeout_ms: u64,
    /// The most views in a row of this epoch that ended in a timeout certificate.
    pub timeouts_in_a_row: u64,
    /// Leaders that are timed out at view entry.
    pub skipped: Vec<ValidatorIndex>,
    /// May it sign? Not as an observer, nor with the guard lost.
    pub signs: bool,
}
