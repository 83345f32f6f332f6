//! What lanes send by themselves: own batches, acknowledgements, and own batches again to those who seem to miss them.
//!
//! Must not know: how a message travels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tonle_consensus::{Recipients, ValidatorIndex};

use crate::bounds::{ACKNOWLEDGE_DELAY_US, BATCH_DIRECT_BYTES, BATCH_SEAL_BYTES, RESEND_BATCHES, RESEND_US};
use crate::lanes::Lanes;
use crate::{AcknowledgedLane, Acknowledgement, Batch, Effect, PeerMessage};

/// Since when peers' acknowledgements of one's own lane stand still.
#[derive(Debug, Default)]
pub(crate) struct Resend {
    due_us: Option<u64>,
    seen: BTreeMap<ValidatorIndex, u64>,
}

impl Resend {
    /// When the next look is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.due_us
    }
}

/// Lanes whose chain grew since acknowledgements last went out.
#[derive(Debug, Default)]
pub(super) struct Grown {
    lanes: BTreeSet<ValidatorIndex>,
    bytes: usize,
    due_us: Option<u64>,
}

impl Grown {
    /// A batch of this many bytes is durable, and the lane reaches further.
    pub(super) fn note(&mut self, lane: ValidatorIndex, bytes: usize) {
        self.lanes.insert(lane);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// When the acknowledgements leave.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.due_us
    }

    /// Takes the lanes, if their acknowledgements have waited for long enough, or for enough of them.
    fn take_due(&mut self, now_us: u64) -> BTreeSet<ValidatorIndex> {
        if self.lanes.is_empty() {
            return BTreeSet::new();
        }
        let due_us = *self.due_us.get_or_insert(now_us.saturating_add(ACKNOWLEDGE_DELAY_US));
        if now_us < due_us && self.bytes < BATCH_DIRECT_BYTES {
            return BTreeSet::new();
        }
        std::mem::take(self).lanes
    }
}

/// A durable batch of one's own leaves: to all by gossip, and a small one straight to the leaders.
pub(crate) fn publish(batch: &Arc<Batch>, leaders: &[ValidatorIndex], out: &mut Vec<Effect>) {
    if batch.size() <= BATCH_DIRECT_BYTES && !leaders.is_empty() {
        let message = PeerMessage::Batch(Arc::clone(batch.raw()));
        out.push(Effect::Send { to: Recipients::Many(leaders.to_vec()), message });
    }
    out.push(Effect::Gossip(Arc::clone(batch)));
}

impl Lanes {
    fn acknowledgement(&self, lanes: Vec<AcknowledgedLane>) -> PeerMessage {
        PeerMessage::Acknowledge(Acknowledgement { set: self.set.digest(), lanes })
    }
    /// An acknowledgement to one validator.
    pub(super) fn acknowledge_to(&self, peer: ValidatorIndex, lanes: Vec<AcknowledgedLane>) -> Effect {
        Effect::Send { to: Recipients::One(peer), message: self.acknowledgement(lanes) }
    }

    /// A view began: its leader and the next get the whole vector.
    pub(crate) fn entered(&mut self, leader: ValidatorIndex, next: ValidatorIndex, out: &mut Vec<Effect>) {
        self.leaders = [leader, next].into_iter().filter(|peer| Some(*peer) != self.me).collect();
        self.leaders.dedup();
        let lanes: Vec<AcknowledgedLane> = (self.indices())
            .filter(|lane| self.lane(*lane).is_some_and(|lane| lane.tip().seq > lane.base().seq))
            .map(|lane| self.line(lane))
            .collect();
        if self.me.is_some() && !lanes.is_empty() && !self.leaders.is_empty() {
            let message = self.acknowledgement(lanes);
            out.push(Effect::Send { to: Recipients::Many(self.leaders.clone()), message });
        }
    }

    /// A connection is new: its peer gets the whole vector, of empty lanes too, so that one that lost its own lane
    /// learns where it stands.
    pub(crate) fn connected(&mut self, peer: ValidatorIndex, out: &mut Vec<Effect>) {
        if self.me.is_some() {
            out.push(self.acknowledge_to(peer, self.indices().map(|lane| self.line(lane)).collect()));
        }
    }

    /// Acknowledges what became durable: to the leaders, who build cuts, and to each lane's author, who packs by it.
    pub(crate) fn acknowledge(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        let grown = self.grown.take_due(now_us);
        let Some(me) = self.me.filter(|_| !grown.is_empty()) else { return };
        let lanes: Vec<AcknowledgedLane> = grown.iter().map(|lane| self.line(*lane)).collect();
        for line in &lanes {
            if line.lane != me && !self.leaders.contains(&line.lane) {
                out.push(self.acknowledge_to(line.lane, vec![*line]));
            }
        }
        if !self.leaders.is_empty() {
            let message = self.acknowledgement(lanes);
            out.push(Effect::Send { to: Recipients::Many(self.leaders.clone()), message });
        }
    }

    /// Sends own batches again to connected peers whose acknowledgement of them has not moved for a while.
    pub(crate) fn resend(&mut self, now_us: u64, peers: impl Iterator<Item = ValidatorIndex>, out: &mut Vec<Effect>) {
        let Some(me) = self.me else { return };
        if self.resend.due_us.is_some_and(|due| due > now_us) {
            return;
        }
        let (Some(lane), Some(words)) = (self.lanes.get(me.index()), self.acknowledged.get(me.index())) else {
            return;
        };
        let (base, tip) = (lane.base().seq, lane.tip().seq);
        if tip == base {
            self.resend = Resend::default();
            return;
        }
        for peer in peers {
            let has = words.of(peer.index()).max(base);
            let stands_still = self.resend.seen.insert(peer, has) == Some(has);
            if has >= tip || !stands_still {
                continue;
            }
            let mut bytes = 0usize;
            for seq in (has.saturating_add(1)..=tip).take(RESEND_BATCHES) {
                let Some(batch) = lane.on_chain(seq).filter(|_| bytes <= BATCH_SEAL_BYTES) else { break };
                bytes = bytes.saturating_add(batch.size());
                let message = PeerMessage::Batch(Arc::clone(batch.raw()));
                out.push(Effect::Send { to: Recipients::One(peer), message });
            }
        }
        self.resend.due_us = Some(now_us.saturating_add(RESEND_US));
    }

    /// One's own word on a lane.
    pub(crate) fn line(&self, lane: ValidatorIndex) -> AcknowledgedLane {
        AcknowledgedLane { lane, tip: self.lane(lane).map_or(crate::Tip::EMPTY, super::lane::Lane::tip) }
    }
    fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        (0u16..).take(self.lanes.len()).map(ValidatorIndex::new)
    }
}
