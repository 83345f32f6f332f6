//! Announces heights that it has not, and answers requests with gaps, with what was not asked for, with the same again
//! and again, or with nothing.

use tonle_consensus::Height;
use tonle_replica::{Found, PeerMessage, Response};

use super::{Actor, Line, Stage};

/// See the module.
#[derive(Default)]
pub(super) struct LyingSyncPeer {
    /// An answer that was true once.
    old: Option<Found>,
}

impl LyingSyncPeer {
    fn answer(&mut self, stage: &mut Stage<'_>, found: &Found) -> Found {
        let lie = stage.dice.below(5);
        let answer = match (lie, found) {
            (0, _) => self.old.clone().unwrap_or_else(|| found.clone()),
            (_, Found::Epoch(epoch)) => Found::Epoch(epoch.map(|epoch| epoch.saturating_add(lie).saturating_sub(2))),
            (1, Found::Block(_)) => Found::Block(None),
            (1, Found::Batches(_)) => Found::Batches(Vec::new()),
            (1, Found::FinalBlocks(_)) => Found::FinalBlocks(Vec::new()),
            (2, Found::FinalBlocks(blocks)) => {
                let middle = blocks.len() / 2;
                let kept = blocks.iter().enumerate().filter(|(at, _)| *at != middle);
                Found::FinalBlocks(kept.map(|(_, block)| block.clone()).collect())
            }
            (3, Found::FinalBlocks(blocks)) => {
                let mut blocks = blocks.clone();
                if let Some(last) = blocks.last_mut() {
                    last.certificate = None;
                }
                Found::FinalBlocks(blocks)
            }
            (2 | 3, Found::Batches(batches)) => Found::Batches(batches.iter().rev().cloned().collect()),
            (_, Found::Block(_) | Found::Batches(_) | Found::FinalBlocks(_) | Found::Snapshot(_)) => found.clone(),
        };
        if stage.dice.chance(200) {
            self.old = Some(found.clone());
        }
        stage.misdeeds += u64::from(answer != *found);
        answer
    }
}

impl Actor for LyingSyncPeer {
    fn says(&mut self, stage: &mut Stage<'_>, _to: usize, message: &PeerMessage) -> Vec<Line> {
        let mut lines = Vec::new();
        match message {
            PeerMessage::Response(response) => {
                let found = self.answer(stage, &response.found);
                lines.push(Line::plain(PeerMessage::Response(Response { id: response.id, found })));
            }
            PeerMessage::FinalTip { height } => {
                let heights = [0, 1, height.get() + 1, height.get() + 1_000, u64::MAX];
                let height = stage.dice.pick(&heights).map_or(*height, Height::new);
                stage.misdeeds += 1;
                lines.push(Line::plain(PeerMessage::FinalTip { height }));
            }
            PeerMessage::Consensus(_)
            | PeerMessage::Batch(_)
            | PeerMessage::Acknowledge(_)
            | PeerMessage::Request(_)
            | PeerMessage::Misbehaviour(_)
            | PeerMessage::MisbehaviourKnown { .. } => lines.push(Line::plain(message.clone())),
        }
        if stage.dice.chance(20) {
            stage.misdeeds += 1;
            lines.push(Line::plain(PeerMessage::FinalTip { height: Height::new(u64::MAX) }));
        }
        lines
    }
}
