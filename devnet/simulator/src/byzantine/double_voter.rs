//! Votes at once, in both steps, for every block that it hears of, whatever it signed before, and gives up on the same
//! views with the lowest certificate there is.

use std::collections::BTreeSet;

use tonle_consensus::{Epoch, Message, QuorumKind, Statement, Timeout, View};
use tonle_crypto::Digest;
use tonle_replica::PeerMessage;

use super::{Actor, Stage};

/// See the module.
#[derive(Default)]
pub(super) struct DoubleVoter {
    voted: BTreeSet<(Epoch, View, Digest)>,
}

impl Actor for DoubleVoter {
    fn hears(&mut self, stage: &mut Stage<'_>, message: &PeerMessage) -> Vec<PeerMessage> {
        let PeerMessage::Consensus(message) = message else { return Vec::new() };
        let (view, block) = match message {
            Message::Proposal(proposal) => (proposal.view, proposal.block.digest()),
            Message::Notarize(vote) | Message::Finalize(vote) => (vote.view, vote.block),
            Message::Timeout(_) | Message::Certificate(_) => return Vec::new(),
        };
        let epoch = message.epoch();
        if !self.voted.insert((epoch, view, block)) {
            return Vec::new();
        }
        stage.misdeeds += 1;
        let signature = stage.sign(epoch, Statement::Timeout { view, high_view: View::ZERO });
        let timeout = Timeout { epoch, view, high_view: View::ZERO, signer: stage.me, signature, high_qc: None };
        vec![
            stage.vote(QuorumKind::Notarized, (epoch, view), block),
            stage.vote(QuorumKind::Finalized, (epoch, view), block),
            PeerMessage::Consensus(Message::Timeout(timeout)),
        ]
    }
}
