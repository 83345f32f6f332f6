//! Never sends one kind of message, and all others as it should.

use tonle_consensus::Message;
use tonle_replica::PeerMessage;

use super::{Actor, Line, Stage};
use crate::dice::Dice;

/// What is never sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Withheld {
    Proposals,
    Votes,
    FinalizeVotes,
    Timeouts,
    Certificates,
    Batches,
    Acknowledgements,
    Answers,
    All,
}

/// See the module.
pub(super) struct Withholder(Withheld);

impl Withholder {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let all = [
            Withheld::Proposals,
            Withheld::Votes,
            Withheld::FinalizeVotes,
            Withheld::Timeouts,
            Withheld::Certificates,
            Withheld::Batches,
            Withheld::Acknowledgements,
            Withheld::Answers,
            Withheld::All,
        ];
        Withholder(dice.pick(&all).unwrap_or(Withheld::All))
    }

    fn withholds(&self, message: &PeerMessage) -> bool {
        let kind = match message {
            PeerMessage::Consensus(Message::Proposal(_)) => Withheld::Proposals,
            PeerMessage::Consensus(Message::Finalize(_)) if self.0 == Withheld::FinalizeVotes => return true,
            PeerMessage::Consensus(Message::Notarize(_) | Message::Finalize(_)) => Withheld::Votes,
            PeerMessage::Consensus(Message::Timeout(_)) => Withheld::Timeouts,
            PeerMessage::Consensus(Message::Certificate(_)) => Withheld::Certificates,
            PeerMessage::Batch(_) => Withheld::Batches,
            PeerMessage::Acknowledge(_) => Withheld::Acknowledgements,
            PeerMessage::Response(_) => Withheld::Answers,
            PeerMessage::Request(_)
            | PeerMessage::FinalTip { .. }
            | PeerMessage::Misbehaviour(_)
            | PeerMessage::MisbehaviourKnown { .. } => Withheld::All,
        };
        self.0 == Withheld::All || self.0 == kind
    }
}

impl Actor for Withholder {
    fn says(&mut self, stage: &mut Stage<'_>, _to: usize, message: &PeerMessage) -> Vec<Line> {
        if self.withholds(message) {
            stage.misdeeds += 1;
            return Vec::new();
        }
        vec![Line::plain(message.clone())]
    }
}
