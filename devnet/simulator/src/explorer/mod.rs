//! Every state that three honest engines and a Byzantine validator can come to within some views: a breadth-first
//! search over the real `Consensus`, to the end.
//!
//! **A state** is the state of each honest machine: its engine, its disk, what its shell owes it, and all that it
//! ever signed. What was signed stays on the network for good, so the network needs no state of its own: any message
//! that is signed, or that the Byzantine validator can make of what is signed, may reach any machine at any time,
//! again and again, or never.
//!
//! **A step** is one of these, at one machine: it hears an honest leader's proposal; a QC, FC or TC that a quorum's
//! votes make, the Byzantine validator's among them; a Byzantine proposal of one of two blocks, upon any QC there is,
//! with any TC or none; its timers end; its replica answers with a payload; it is greeted (R9); it crashes and
//! restarts, between steps or after a write to its disk and before what waits for that. What the engine asks of its
//! own disk, signer and validity check is part of the step.
//!
//! **What is merged, and why nothing is lost:**
//! - *A vote is heard when it completes a quorum, as the certificate.* A vote short of a quorum changes the tally
//!   only, so hearing it can wait until just before the vote that completes the quorum, where it makes the
//!   certificate; f+1 Timeouts, or the leader's, make a machine give up, which its timer may do at any time.
//!   [`Grain::Votes`] does without this, and a test holds both against each other. A second certificate of other
//!   signers says the same.
//! - *Two blocks for a Byzantine leader.* A QC takes two honest votes of three: at most one block of a view gets
//!   them, and any further vote does what a vote for the second block does.
//! - *Byzantine votes only where an honest one votes as well*: no quorum comes of others.
//! - *Machines that lead no view are alike*: what one does, the other would, so the order of their states does not
//!   matter. (Not vote by vote, where signers have names.)
//! - *A judgement takes no time*: a proposal that is judged late is one that arrives late, its certificates before
//!   it.
//! - *Blocks come at once*, clocks stand still but for the timers, and nobody is skipped: see
//!   `Consensus::fingerprint`, and docs/testing.md on what this leaves out.
//! - *Retries and relays* repeat what is on the network for good.
//!
//! States of a machine are numbered, and what a step does to one is computed once, by the real engine. A state of the
//! whole is three numbers, kept as they are. Ways are gone again with fresh engines, which must come to the same
//! state (`replay`).
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
    /// The Byzantine validator leads this view, from 1 to 4; one above `views` stands for leading none.
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
    /// A machine asks its own shell for something again and again, whatever it is answered.
    #[error("machine {0} never comes to rest")]
    Endless(usize),
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
