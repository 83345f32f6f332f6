//! Catch-up (section 8 of the design, without snapshots): final blocks come from peers that announce more than is known
//! here, forward in bounded runs that end in a certificate. Their data is fetched by the order of execution, as for any
//! other final block.
//!
//! A peer's announcement is a hint. One whose answer does not hold what it announced rests for a while and does not count
//! meanwhile; an answer that was not asked for is ignored.
//!
//! Must not know: lanes, votes, what a block carries.

mod serve;

use std::collections::{BTreeMap, BTreeSet};

use tonle_consensus::{Block, Height, ValidatorIndex};

use crate::bounds::{BEHIND_HEIGHTS, BEHIND_US, FETCH_TIMEOUT_US, LIAR_REST_US, RESPONSE_BLOCKS_MAX};
use crate::{CertifiedBlock, Query, Request};

pub(crate) use serve::descend;
pub use serve::{BlockSource, serve};

/// A run of final blocks takes this many fetch time-outs before another peer is asked: it is a large answer.
const PATIENCE: u64 = 4;

#[derive(Debug)]
struct Asked {
    id: u64,
    peer: ValidatorIndex,
    due_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Catchup {
    heads: BTreeMap<ValidatorIndex, Height>,
    resting: BTreeMap<ValidatorIndex, u64>,
    asked: Option<Asked>,
    next_id: u64,
    /// A certified height that consensus cannot reach by itself, and who has it.
    behind: Option<(Height, Vec<ValidatorIndex>)>,
    /// The height known here, and since when.
    standing: (Height, u64),
}

impl Catchup {
    /// A peer announces its final height.
    pub(crate) fn heard(&mut self, peer: ValidatorIndex, height: Height) {
        self.heads.insert(peer, height);
    }
    /// A peer is gone.
    pub(crate) fn disconnected(&mut self, peer: ValidatorIndex) {
        self.heads.remove(&peer);
        self.asked = self.asked.take().filter(|asked| asked.peer != peer);
    }
    /// Peers have other places, or none: nothing that any said counts.
    pub(crate) fn forget_places(&mut self) {
        *self = Catchup { next_id: self.next_id, ..Catchup::default() };
    }
    /// Consensus is too far behind to go on by itself.
    pub(crate) fn behind(&mut self, height: Height, hint: Vec<ValidatorIndex>) {
        self.behind = Some((height, hint));
    }
    /// The highest height that anybody claims.
    pub(crate) fn claimed(&self) -> Height {
        self.heads.values().copied().max().unwrap_or(Height::ZERO)
    }

    /// Asks the next peer for what follows `tip`, when that is called for and `room` blocks can be taken.
    pub(crate) fn poll(
        &mut self,
        now_us: u64,
        tip: Height,
        room: usize,
        peers: &BTreeSet<ValidatorIndex>,
    ) -> Option<(ValidatorIndex, Request)> {
        if self.standing.0 != tip {
            self.standing = (tip, now_us);
        }
        self.resting.retain(|_, until| *until > now_us);
        if let Some(late) = self.asked.take_if(|asked| asked.due_us <= now_us) {
            self.resting.insert(late.peer, now_us.saturating_add(BEHIND_US));
        }
        self.behind = self.behind.take().filter(|(height, _)| *height > tip);
        if self.asked.is_some() || room < RESPONSE_BLOCKS_MAX {
            return None;
        }
        let able = |peer: &&ValidatorIndex| peers.contains(peer) && !self.resting.contains_key(peer);
        let ahead = self.heads.iter().filter(|(peer, head)| **head > tip && able(peer));
        let (mut candidates, highest) = ahead.fold((Vec::new(), tip), |(mut peers, highest), (peer, head)| {
            peers.push(*peer);
            (peers, highest.max(*head))
        });
        let hinted = self.behind.iter().flat_map(|(_, hint)| hint).filter(able);
        candidates.extend(hinted.copied());
        let far = self.behind.is_some() || highest >= tip.saturating_add(BEHIND_HEIGHTS);
        let stuck = highest > tip && now_us >= self.standing.1.saturating_add(BEHIND_US);
        if !far && !stuck {
            return None;
        }
        let turn = usize::try_from(self.next_id).unwrap_or(0).checked_rem(candidates.len())?;
        let peer = candidates.get(turn).copied()?;
        self.next_id = self.next_id.saturating_add(1);
        let due_us = now_us.saturating_add(FETCH_TIMEOUT_US.saturating_mul(PATIENCE));
        self.asked = Some(Asked { id: self.next_id, peer, due_us });
        Some((peer, Request { id: self.next_id, query: Query::FinalBlocks { from: tip.next()? } }))
    }

    /// Is this the answer that is awaited from this peer?
    pub(crate) fn answered(&mut self, from: ValidatorIndex, id: u64) -> bool {
        self.asked.take_if(|asked| asked.id == id && asked.peer == from).is_some()
    }

    /// A peer's answer did not hold what it announced.
    pub(crate) fn blame(&mut self, now_us: u64, peer: ValidatorIndex) {
        self.heads.remove(&peer);
        self.resting.insert(peer, now_us.saturating_add(LIAR_REST_US));
    }

    /// When the answer awaited is overdue.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.asked.as_ref().map(|asked| asked.due_us)
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
