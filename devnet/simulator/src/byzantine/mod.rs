//! Validators that break the protocol on purpose, at most f of them. Each runs a real replica, so that it stays in the
//! middle of things, and an [`Actor`] between that replica and its links, which has its keys and says what it likes.
//!
//! Must not know: how messages travel, which faults are scheduled.

mod certificate_forger;
mod double_voter;
mod equivocating_leader;
mod forged_statement;
mod lane_equivocator;
mod lying_sync_peer;
mod selective_sender;
mod stale_view_flooder;
mod withholder;

use tonle_consensus::{Epoch, Message, QuorumKind, Statement, ValidatorIndex, View, Vote};
use tonle_crypto::{Digest, SecretKey, Signature};
use tonle_replica::{PeerContext, PeerMessage};

use crate::dice::Dice;
use crate::faults::Fault;
use crate::memo::Memo;

/// How a Byzantine validator misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Proposes two blocks in one view, and votes for both.
    EquivocatingLeader,
    /// Votes at once for all it hears of, and gives up on the same views.
    DoubleVoter,
    /// Never sends some kind of message.
    Withholder,
    /// Sends each view's messages to some only.
    SelectiveSender,
    /// Sends certificates, votes and proofs of misbehaviour that do not hold.
    CertificateForger,
    /// Sends old messages again and again.
    StaleViewFlooder,
    /// Announces heights that it has not, and answers requests wrongly.
    LyingSyncPeer,
    /// Makes two batches for one place of its lane.
    LaneEquivocator,
    /// Forgets at each restart what it signed and stored.
    Amnesiac,
    /// Runs twice, with the same keys, on two machines.
    Twins,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 10] = [
        Kind::EquivocatingLeader,
        Kind::DoubleVoter,
        Kind::Withholder,
        Kind::SelectiveSender,
        Kind::CertificateForger,
        Kind::StaleViewFlooder,
        Kind::LyingSyncPeer,
        Kind::LaneEquivocator,
        Kind::Amnesiac,
        Kind::Twins,
    ];

    /// What it counts as.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Kind::EquivocatingLeader => Fault::Equivocation,
            Kind::DoubleVoter => Fault::DoubleVote,
            Kind::Withholder => Fault::Withholding,
            Kind::SelectiveSender => Fault::Selection,
            Kind::CertificateForger => Fault::Forgery,
            Kind::StaleViewFlooder => Fault::Flood,
            Kind::LyingSyncPeer => Fault::SyncLie,
            Kind::LaneEquivocator => Fault::LaneEquivocation,
            Kind::Amnesiac => Fault::Amnesia,
            Kind::Twins => Fault::Twins,
        }
    }

    /// A validator of this kind.
    pub(crate) fn actor(self, dice: &mut Dice) -> Box<dyn Actor> {
        match self {
            Kind::EquivocatingLeader => Box::new(equivocating_leader::EquivocatingLeader::default()),
            Kind::DoubleVoter => Box::new(double_voter::DoubleVoter::default()),
            Kind::Withholder => Box::new(withholder::Withholder::new(dice)),
            Kind::SelectiveSender => Box::new(selective_sender::SelectiveSender::default()),
            Kind::CertificateForger => Box::new(certificate_forger::CertificateForger),
            Kind::StaleViewFlooder => Box::new(stale_view_flooder::StaleViewFlooder::default()),
            Kind::LyingSyncPeer => Box::new(lying_sync_peer::LyingSyncPeer::default()),
            Kind::LaneEquivocator => Box::new(lane_equivocator::LaneEquivocator::default()),
            // What these do wrong, they do by how they are started.
            Kind::Amnesiac | Kind::Twins => Box::new(Plain),
        }
    }
}

/// What a Byzantine validator sends.
pub(crate) struct Line {
    pub(crate) message: PeerMessage,
    /// Nobody may ever accept it.
    pub(crate) forged: bool,
}

impl Line {
    pub(crate) fn plain(message: PeerMessage) -> Line {
        Line { message, forged: false }
    }
    pub(crate) fn forged(message: PeerMessage) -> Line {
        Line { message, forged: true }
    }
}

/// What stands between a Byzantine validator's replica and its links.
pub(crate) trait Actor {
    /// What goes to `to` in place of the message that its replica wants to send there.
    fn says(&mut self, stage: &mut Stage<'_>, to: usize, message: &PeerMessage) -> Vec<Line> {
        let _ = (stage, to);
        vec![Line::plain(message.clone())]
    }
    /// What it sends to all because of a message that it heard.
    fn hears(&mut self, stage: &mut Stage<'_>, message: &PeerMessage) -> Vec<PeerMessage> {
        let _ = (stage, message);
        Vec::new()
    }
}

/// Sends what its replica says.
struct Plain;

impl Actor for Plain {}

/// What an actor has at hand.
pub(crate) struct Stage<'a> {
    pub(crate) me: ValidatorIndex,
    pub(crate) nodes: usize,
    pub(crate) key: &'a SecretKey,
    pub(crate) context: &'a PeerContext,
    pub(crate) memo: &'a Memo,
    pub(crate) dice: &'a mut Dice,
    /// Counts what it did wrong.
    pub(crate) misdeeds: u64,
}

impl Stage<'_> {
    /// The actor's signature of a statement.
    pub(crate) fn sign(&self, epoch: Epoch, statement: Statement) -> Signature {
        match self.context.signing(epoch) {
            Some(context) => self.memo.sign(self.key, &statement.preimage(&context)),
            // Nobody is in that epoch: whatever it says counts nowhere.
            None => self.memo.sign(self.key, &[]),
        }
    }
    /// How many votes a certificate of this epoch takes.
    pub(crate) fn quorum(&self, epoch: Epoch) -> usize {
        self.context.signing(epoch).map_or(self.nodes, |context| context.set.quorum())
    }
    /// The actor's vote.
    pub(crate) fn vote(&self, kind: QuorumKind, (epoch, view): (Epoch, View), block: Digest) -> PeerMessage {
        let statement = match kind {
            QuorumKind::Notarized => Statement::Notarize { view, block },
            QuorumKind::Finalized => Statement::Finalize { view, block },
        };
        let vote = Vote { epoch, view, block, signer: self.me, signature: self.sign(epoch, statement) };
        PeerMessage::Consensus(match kind {
            QuorumKind::Notarized => Message::Notarize(vote),
            QuorumKind::Finalized => Message::Finalize(vote),
        })
    }
    /// Some of the nodes.
    pub(crate) fn some(&mut self) -> Vec<bool> {
        (0..self.nodes).map(|_| self.dice.chance(500)).collect()
    }
}
