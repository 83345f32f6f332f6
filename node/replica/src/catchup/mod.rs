//! Catch-up (section 8 of the design, without snapshots): final blocks come from peers that announce more than is
//! known here, in bounded [runs] of heights, several at once, each of another peer. A run ends in a certificate and
//! joins what is known here in order. Its data is fetched by the order of execution, as for any other final block.
//!
//! A peer's announcement is a hint. One whose answer does not hold what it announced rests for a while and does not
//! count meanwhile; one that is late rests too, for less; an answer that was not asked for is ignored.
//!
//! Must not know: lanes, votes, what a block carries.

mod runs;
mod serve;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole_tests;

use std::collections::{BTreeMap, BTreeSet};

use tonle_consensus::{Block, Height, ValidatorIndex};

use self::runs::Runs;
use crate::bounds::{BEHIND_HEIGHTS, BEHIND_US, LIAR_REST_US, RESPONSE_BLOCKS_MAX};
use crate::{CertifiedBlock, Request};

pub(crate) use serve::descend;
pub use serve::{BlockSource, serve};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Catchup {
    heads: BTreeMap<ValidatorIndex, Height>,
    resting: BTreeMap<ValidatorIndex, u64>,
    runs: Runs,
    /// A certified height that consensus cannot reach by itself, and who has it.
    behind: Option<(Height, Vec<ValidatorIndex>)>,
    /// The height known here, and since when.
    standing: (Height, u64),
}

/// What can be taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// The highest height known here.
    pub(crate) tip: Height,
    /// The epoch's last height: what begins above it cannot be verified yet.
    pub(crate) until: Height,
    /// Blocks that can be taken.
    pub(crate) blocks: usize,
}

impl Room {
    /// Is there room for whatever one answer holds?
    pub(crate) fn takes_any(&self) -> bool {
        self.blocks >= RESPONSE_BLOCKS_MAX
    }
}

impl Catchup {
    /// A peer announces its final height.
    pub(crate) fn heard(&mut self, peer: ValidatorIndex, height: Height) {
        self.heads.insert(peer, height);
    }
    /// A peer is gone; what it was asked for another is asked for.
    pub(crate) fn disconnected(&mut self, peer: ValidatorIndex) {
        self.heads.remove(&peer);
        self.runs.disconnected(peer);
    }
    /// Peers have other places, or none: nothing that any said counts.
    pub(crate) fn forget_places(&mut self) {
        let runs = std::mem::take(&mut self.runs).emptied();
        *self = Catchup { runs, ..Catchup::default() };
    }
    /// Consensus is too far behind to go on by itself.
    pub(crate) fn behind(&mut self, height: Height, hint: Vec<ValidatorIndex>) {
        self.behind = Some((height, hint));
    }
    /// The highest height that anybody claims.
    pub(crate) fn claimed(&self) -> Height {
        self.heads.values().copied().max().unwrap_or(Height::ZERO)
    }

    /// Asks peers for what follows the tip, when that is called for and there is room.
    pub(crate) fn poll(
        &mut self,
        now_us: u64,
        room: Room,
        peers: &BTreeSet<ValidatorIndex>,
    ) -> Vec<(ValidatorIndex, Request)> {
        let tip = room.tip;
        if self.standing.0 != tip {
            self.standing = (tip, now_us);
        }
        self.resting.retain(|_, until| *until > now_us);
        for peer in self.runs.overdue(now_us) {
            self.resting.insert(peer, now_us.saturating_add(BEHIND_US));
        }
        self.behind = self.behind.take().filter(|(height, _)| *height > tip);
        if !room.takes_any() {
            return Vec::new();
        }
        let able = |peer: &ValidatorIndex| peers.contains(peer) && !self.resting.contains_key(peer);
        let ahead = self.heads.iter().filter(|(peer, head)| **head > tip && able(peer));
        let mut heads: BTreeMap<ValidatorIndex, Height> = ahead.map(|(peer, head)| (*peer, *head)).collect();
        let highest = heads.values().copied().max().unwrap_or(tip);
        let far = self.behind.is_some() || highest >= tip.saturating_add(BEHIND_HEIGHTS);
        let stuck = highest > tip && now_us >= self.standing.1.saturating_add(BEHIND_US);
        if !far && !stuck {
            return Vec::new();
        }
        for peer in self.behind.iter().flat_map(|(_, hint)| hint).filter(|peer| able(peer)) {
            heads.entry(*peer).or_insert(tip.saturating_add(1));
        }
        self.runs.ask(now_us, tip, room.until, &heads)
    }

    /// A peer's answer. It is kept until its turn if it is what was asked for.
    pub(crate) fn answered(&mut self, now_us: u64, from: ValidatorIndex, id: u64, blocks: Vec<CertifiedBlock>) {
        if self.runs.answered(from, id, blocks).is_err() {
            self.blame(now_us, from);
        }
    }

    /// The run whose turn it is after `tip`, and who sent it.
    pub(crate) fn next(&mut self, tip: Height) -> Option<(ValidatorIndex, Vec<CertifiedBlock>)> {
        self.runs.next(tip)
    }

    /// A peer's answer did not hold what it announced.
    pub(crate) fn blame(&mut self, now_us: u64, peer: ValidatorIndex) {
        self.heads.remove(&peer);
        self.resting.insert(peer, now_us.saturating_add(LIAR_REST_US));
    }

    /// When the first answer awaited is overdue.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.runs.deadline()
    }
}

/// The part of an answer that follows `tip`, each certificate of the epoch that its height lies in, and one for every
/// epoch's last block; `None` when the answer is not what an honest peer sends.
pub(crate) fn following(blocks: Vec<CertifiedBlock>, tip: &Block, epoch_length: u64) -> Option<Vec<CertifiedBlock>> {
    let new: Vec<CertifiedBlock> = blocks.into_iter().filter(|entry| entry.block.height() > tip.height()).collect();
    let first = &new.first()?.block;
    if first.header().parent() != tip.digest() || Some(first.height()) != tip.height().next() {
        return None;
    }
    let honest = new.iter().all(|entry| {
        let height = entry.block.height().get();
        let epoch = height.saturating_sub(1).checked_div(epoch_length).unwrap_or(0);
        let is_last = height.checked_rem(epoch_length) == Some(0);
        match &entry.certificate {
            Some(certificate) => certificate.epoch.get() == epoch,
            None => !is_last,
        }
    });
    honest.then_some(new)
}
