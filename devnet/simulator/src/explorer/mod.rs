//! Every state that three honest engines and a Byzantine validator can come to within some views: a breadth-first
//! search over the real `Consensus`, to the end.
//!
//! Must not know: how an engine decides.

mod explored;
mod machine;
mod names;
mod replay;
mod search;
mod traces;
mod world;

pub use explored::Explored;
pub use search::{Counterexample, Limits, Report, explore};

use tonle_consensus::{Invalid, Statement};

/// In which steps machines hear of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Certificate by certificate.
    Certificates,
    /// Vote by vote, and certificates as well.
    Votes,
}

/// A fault that the protocol does not claim to bear, so that the explorer must find what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A machine comes back with an empty disk and is told to go on.
    GuardForgotten,
    /// A machine comes back without the last guard record that it wrote.
    GuardNotSynced,
    /// Two of the four are Byzantine.
    TwoByzantine,
}

/// What is explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Views in which anything is proposed or given up.
    pub views: u64,
    /// The Byzantine validator leads this view; the last of four leads none when there are fewer views.
    pub byzantine_leads: u64,
    /// In which steps.
    pub grain: Grain,
    /// Crashes of honest machines, in all.
    pub crashes: u32,
    /// What is wrong.
    pub fault: Option<Fault>,
}

impl Setup {
    fn byzantine(&self, led_by: &dyn Fn(u64) -> usize) -> Vec<usize> {
        match self.fault {
            Some(Fault::TwoByzantine) => vec![led_by(self.byzantine_leads), led_by(self.byzantine_leads % 4 + 1)],
            Some(Fault::GuardForgotten | Fault::GuardNotSynced) | None => vec![led_by(self.byzantine_leads)],
        }
    }
}

/// What must not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Two FCs on two branches.
    #[error("agreement: two finality certificates contradict each other, the lower one of view {0}")]
    Fork(u64),
    /// Two machines hold blocks of two branches for final.
    #[error("agreement: two machines hold contradicting blocks for final")]
    TwoFinal,
    /// SPEC.md, section 5.
    #[error("claim: there is an FC of view {0}, and a QC of it or a later one for no descendant")]
    Claim(u64),
    /// Two QCs of one view.
    #[error("two quorum certificates of view {0}")]
    TwoCertificates(u64),
    /// An FC without its QC.
    #[error("a finality certificate without a quorum certificate")]
    FinalUncertified,
    /// An honest machine contradicts itself.
    #[error("machine {0} signed {1}")]
    Contradicts(usize, &'static str),
    /// R8 broken.
    #[error("machine {0} signs what no record on its disk covers: {1:?}")]
    NotCovered(usize, Statement),
    /// R8 broken.
    #[error("machine {0} writes a guard record below the one before")]
    GuardWentBack(usize),
    /// R9: an honest machine with its own disk is told that it forgot something.
    #[error("machine {0} is shown a signature above its guard: {1:?}")]
    GuardLost(usize, Statement),
    /// R7 broken.
    #[error("machine {0} finalizes out of order")]
    OutOfOrder(usize),
    /// An honest machine stopped.
    #[error("machine {0} stopped: {1}")]
    Halted(usize, String),
    /// An honest validator is accused.
    #[error("honest validator {0} is accused")]
    Accused(usize),
    /// A message that must hold does not.
    #[error("a message that must hold is refused: {0}")]
    Refused(Invalid),
    /// A block without a known parent: the explorer is wrong.
    #[error("explorer: a block whose parent nobody named")]
    Orphan,
    /// Nothing new becomes final although every message arrives.
    #[error("no new block is final five views after view {0}: heights {1:?}")]
    Stuck(u64, Vec<u64>),
    /// The engine did not do the same again, or states that differ were taken for one.
    #[error("explorer: a way through the states cannot be gone again")]
    Diverged,
    /// More of something than the explorer has numbers for.
    #[error("explorer: too many of something")]
    Bound,
    /// The simulation could not begin.
    #[error("simulator: {0}")]
    Simulator(String),
}
