//! Sends the messages of each view, and each batch, to some validators and not to the others.

use std::collections::BTreeMap;

use tonle_consensus::{Message, ValidatorIndex};
use tonle_replica::PeerMessage;

use super::{Actor, Line, Stage};

/// See the module.
#[derive(Default)]
pub(super) struct SelectiveSender {
    chosen: BTreeMap<(u64, u64), Vec<bool>>,
}

/// What is decided together: a view's messages, or a batch.
fn subject(message: &PeerMessage, me: ValidatorIndex) -> Option<(u64, u64)> {
    match message {
        PeerMessage::Consensus(message) => {
            let view = match message {
                Message::Proposal(proposal) => proposal.view,
                Message::Notarize(vote) | Message::Finalize(vote) => vote.view,
                Message::Timeout(timeout) => timeout.view,
                Message::Certificate(certificate) => certificate.view(),
            };
            Some((message.epoch().get(), view.get()))
        }
        PeerMessage::Batch(batch) => Some((u64::MAX - u64::from(me.get()), batch.seq())),
        PeerMessage::Acknowledge(_)
        | PeerMessage::Request(_)
        | PeerMessage::Response(_)
        | PeerMessage::FinalTip { .. }
        | PeerMessage::Misbehaviour(_)
        | PeerMessage::MisbehaviourKnown { .. } => None,
    }
}

impl Actor for SelectiveSender {
    fn says(&mut self, stage: &mut Stage<'_>, to: usize, message: &PeerMessage) -> Vec<Line> {
        let drops = subject(message, stage.me).is_some_and(|subject| {
            let chosen = self.chosen.entry(subject).or_insert_with(|| stage.some());
            chosen.get(to) == Some(&false)
        });
        stage.misdeeds += u64::from(drops);
        if drops { Vec::new() } else { vec![Line::plain(message.clone())] }
    }
}
