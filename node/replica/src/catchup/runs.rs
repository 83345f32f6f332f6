//! Which heights are asked of whom: runs of [`RESPONSE_BLOCKS`] heights, the first from what is known here on, and
//! those above it side by side, each of the peer that has the least to do. What comes back was verified up to a
//! certificate of the present epoch, and is kept until what lies below it is here.
//!
//! ```text
//!          run 0                run 1                  run 2
//!   1 ............ 128 | 129 .............. 256 | 257 .............. 384      RESPONSE_BLOCKS = 128
//!            ▲ tip 70
//!              71 ▶ asked of A     129 ▶ kept, from B      257 ▶ asked of C
//! ```
//!
//! The first run takes any answer that brings it forward. A run above it is asked only of those who claim all of it,
//! and an answer that begins elsewhere or ends before is none. So a peer that lies, is silent or goes away costs its
//! own runs; these are asked of others at once.
//!
//! Bounds: [`RUNS_MAX`] runs under way or kept, each one response.
//!
//! Must not know: why there is something to catch up with, whether a run follows what is here by its hashes.

use std::collections::BTreeMap;

use tonle_consensus::{Height, ValidatorIndex};

use crate::bounds::{FETCH_TIMEOUT_US, RESPONSE_BLOCKS, RUNS_MAX, RUNS_PER_PEER_MAX};
use crate::{CertifiedBlock, Query, Request};

/// A run of final blocks takes this many fetch time-outs before another peer is asked: it is a large answer.
const PATIENCE: u64 = 4;

/// An answer that no honest peer gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lie;

#[derive(Debug)]
enum Run {
    /// Asked of a peer, which is to answer with blocks from `from` up to `to` at least.
    Asked { id: u64, peer: ValidatorIndex, from: Height, to: Height, due_us: u64 },
    /// Verified, ascending, the last with its certificate.
    Here { peer: ValidatorIndex, blocks: Vec<CertifiedBlock> },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: BTreeMap<u64, Run>,
    next_id: u64,
}

impl Runs {
    /// Without any run; no id of a request is used twice.
    pub(super) fn emptied(self) -> Self {
        Runs { next_id: self.next_id, ..Runs::default() }
    }

    /// A peer is gone.
    pub(super) fn disconnected(&mut self, gone: ValidatorIndex) {
        self.runs.retain(|_, run| !matches!(run, Run::Asked { peer, .. } if *peer == gone));
    }

    /// Gives up on answers that are overdue; says whose they were.
    pub(super) fn overdue(&mut self, now_us: u64) -> Vec<ValidatorIndex> {
        let mut late = Vec::new();
        self.runs.retain(|_, run| match run {
            Run::Asked { peer, due_us, .. } if *due_us <= now_us => {
                late.push(*peer);
                false
            }
            Run::Asked { .. } | Run::Here { .. } => true,
        });
        late
    }

    /// When the first answer is overdue.
    pub(super) fn deadline(&self) -> Option<u64> {
        let due = self.runs.values().filter_map(|run| match run {
            Run::Asked { due_us, .. } => Some(*due_us),
            Run::Here { .. } => None,
        });
        due.min()
    }

    /// Asks for what is missing above `tip` of those whose `heads` say that they have it. No run begins above `until`.
    pub(super) fn ask(
        &mut self,
        now_us: u64,
        tip: Height,
        until: Height,
        heads: &BTreeMap<ValidatorIndex, Height>,
    ) -> Vec<(ValidatorIndex, Request)> {
        self.forget_up_to(tip);
        let mut requests = Vec::new();
        let first = number_after(tip);
        for number in first..first.saturating_add(RUNS_MAX) {
            let (from, to) = if number == first {
                let from = tip.saturating_add(1);
                (from, from)
            } else {
                let from = Height::new(number.saturating_mul(RESPONSE_BLOCKS).saturating_add(1));
                (from, from.saturating_add(RESPONSE_BLOCKS.saturating_sub(1)).min(until))
            };
            if number != first && from > until {
                break;
            }
            if self.runs.contains_key(&number) {
                continue;
            }
            let Some(peer) = self.idlest(to, heads) else { continue };
            self.next_id = self.next_id.saturating_add(1);
            let (id, due_us) = (self.next_id, now_us.saturating_add(FETCH_TIMEOUT_US.saturating_mul(PATIENCE)));
            self.runs.insert(number, Run::Asked { id, peer, from, to, due_us });
            requests.push((peer, Request { id, query: Query::FinalBlocks { from } }));
        }
        requests
    }

    /// A peer's answer: kept when it holds what was asked for, ignored when nothing was.
    ///
    /// # Errors
    /// [`Lie`] when it does not hold it.
    pub(super) fn answered(&mut self, from: ValidatorIndex, id: u64, blocks: Vec<CertifiedBlock>) -> Result<(), Lie> {
        let asked = self.runs.iter_mut().find_map(|(number, run)| match run {
            Run::Asked { id: asked, peer, from: begin, to, .. } if *asked == id && *peer == from => {
                Some((*number, *begin, *to))
            }
            Run::Asked { .. } | Run::Here { .. } => None,
        });
        let Some((number, begin, to)) = asked else { return Ok(()) };
        self.runs.remove(&number);
        let begins = blocks.first().is_some_and(|entry| entry.block.height() == begin);
        let reaches = blocks.last().is_some_and(|entry| entry.block.height() >= to);
        if !begins || !reaches {
            return Err(Lie);
        }
        self.runs.insert(number, Run::Here { peer: from, blocks });
        Ok(())
    }

    /// The run that goes on after `tip`, if it is here.
    pub(super) fn next(&mut self, tip: Height) -> Option<(ValidatorIndex, Vec<CertifiedBlock>)> {
        self.forget_up_to(tip);
        let number = number_after(tip);
        match self.runs.remove(&number)? {
            Run::Here { peer, blocks } => {
                // The tip may have come this far by itself meanwhile.
                blocks.last().is_some_and(|entry| entry.block.height() > tip).then_some((peer, blocks))
            }
            asked @ Run::Asked { .. } => {
                self.runs.insert(number, asked);
                None
            }
        }
    }

    /// What lies at `tip` or below is of no use any more.
    fn forget_up_to(&mut self, tip: Height) {
        let kept = self.runs.split_off(&number_after(tip));
        self.runs = kept;
    }

    /// Who has the least to do of those who claim `height`; they take turns.
    fn idlest(&self, height: Height, heads: &BTreeMap<ValidatorIndex, Height>) -> Option<ValidatorIndex> {
        let claim: Vec<ValidatorIndex> =
            heads.iter().filter(|(_, head)| **head >= height).map(|(peer, _)| *peer).collect();
        let turn = usize::try_from(self.next_id).unwrap_or(0).checked_rem(claim.len())?;
        let (before, after) = claim.split_at_checked(turn)?;
        let in_turn = after.iter().chain(before).map(|peer| (self.load(*peer), *peer));
        let idlest = in_turn.min_by_key(|(load, _)| *load);
        idlest.filter(|(load, _)| *load < RUNS_PER_PEER_MAX).map(|(_, peer)| peer)
    }

    /// Runs under way at a peer.
    fn load(&self, of: ValidatorIndex) -> usize {
        self.runs.values().filter(|run| matches!(run, Run::Asked { peer, .. } if *peer == of)).count()
    }
}

/// The run in which the height after `tip` lies.
fn number_after(tip: Height) -> u64 {
    tip.get().checked_div(RESPONSE_BLOCKS).unwrap_or(0)
}
