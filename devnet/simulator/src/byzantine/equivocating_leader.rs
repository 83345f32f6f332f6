//! Proposes one block to some and another to the others, and votes for each before those who know it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use tonle_consensus::{Block, Epoch, Header, HeaderFields, Message, Proposal, QuorumKind, Timestamp, View, Vote};
use tonle_crypto::Digest;
use tonle_replica::PeerMessage;

use super::{Actor, Line, Stage};

/// See the module.
#[derive(Default)]
pub(super) struct EquivocatingLeader {
    turns: BTreeMap<(Epoch, View), Turn>,
}

/// A view that it led.
struct Turn {
    one: Digest,
    other: Arc<Proposal>,
    /// Who is told of the other.
    side: Vec<bool>,
}

impl EquivocatingLeader {
    fn turn(&mut self, stage: &mut Stage<'_>, proposal: &Proposal) -> Option<&Turn> {
        match self.turns.entry((proposal.epoch, proposal.view)) {
            Entry::Occupied(turn) => Some(turn.into_mut()),
            Entry::Vacant(place) => {
                let header = proposal.block.header();
                let timestamp = Timestamp::new(header.timestamp().get() + 1);
                let header = Header::new(HeaderFields { timestamp, ..*header.fields() });
                let block = Block::new(header, Arc::clone(proposal.block.payload()))?;
                let mut other = Proposal { block, ..proposal.clone() };
                other.signature = stage.sign(proposal.epoch, other.statement());
                let side = stage.some();
                Some(place.insert(Turn { one: proposal.block.digest(), other: Arc::new(other), side }))
            }
        }
    }

    fn vote(&self, stage: &mut Stage<'_>, to: usize, vote: &Vote, kind: QuorumKind) -> Option<PeerMessage> {
        let turn = self.turns.get(&(vote.epoch, vote.view))?;
        let changes = turn.one == vote.block && turn.side.get(to) == Some(&true);
        changes.then(|| stage.vote(kind, (vote.epoch, vote.view), turn.other.block.digest()))
    }
}

impl Actor for EquivocatingLeader {
    fn says(&mut self, stage: &mut Stage<'_>, to: usize, message: &PeerMessage) -> Vec<Line> {
        let changed = match message {
            PeerMessage::Consensus(Message::Proposal(proposal)) => self.turn(stage, proposal).and_then(|turn| {
                let other = Message::Proposal(Arc::clone(&turn.other));
                (turn.side.get(to) == Some(&true)).then_some(PeerMessage::Consensus(other))
            }),
            PeerMessage::Consensus(Message::Notarize(vote)) => self.vote(stage, to, vote, QuorumKind::Notarized),
            PeerMessage::Consensus(Message::Finalize(vote)) => self.vote(stage, to, vote, QuorumKind::Finalized),
            PeerMessage::Consensus(Message::Timeout(_) | Message::Certificate(_))
            | PeerMessage::Batch(_)
            | PeerMessage::Acknowledge(_)
            | PeerMessage::Request(_)
            | PeerMessage::Response(_)
            | PeerMessage::FinalTip { .. }
            | PeerMessage::Misbehaviour(_)
            | PeerMessage::MisbehaviourKnown { .. } => None,
        };
        stage.misdeeds += u64::from(changed.is_some());
        vec![Line::plain(changed.unwrap_or_else(|| message.clone()))]
    }
}
