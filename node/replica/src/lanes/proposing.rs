//! What a block may name: building a cut as leader, and judging another leader's.
//!
//! Must not know: headers, checkpoints, views.

use std::sync::Arc;

use tonle_consensus::ValidatorIndex;

use crate::bounds::{BLOCK_BATCHES_MAX, INLINE_BATCHES_MAX, INLINE_BYTES_MAX};
use crate::lanes::{Lanes, Walk, Want};
use crate::{Batch, Cut, Query, Tip};

/// How much new data a block may name. Equal on all validators.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of its batches.
    pub(crate) bytes: u64,
    /// Operations in them.
    pub(crate) operations: u64,
}

/// The judgement of a cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It follows the rules, and all its data is durable here.
    Valid,
    /// It breaks the rules.
    Invalid,
    /// This data is not here, or, without any, not durable yet.
    Wait(Vec<Want>),
}

/// A block's size while it is put together.
#[derive(Debug, Default)]
struct Size {
    bytes: u64,
    operations: u64,
    batches: u64,
}

impl Size {
    /// Adds a batch if it fits.
    fn add(&mut self, batch: &Batch, limits: Limits) -> bool {
        let bytes = self.bytes.saturating_add(u64::try_from(batch.size()).unwrap_or(u64::MAX));
        let operations = self.operations.saturating_add(batch.operations());
        let batches = self.batches.saturating_add(1);
        let fits = bytes <= limits.bytes && operations <= limits.operations && batches <= BLOCK_BATCHES_MAX;
        if fits {
            *self = Size { bytes, operations, batches };
        }
        fits
    }
}

impl Lanes {
    /// The cut after `parent`: per lane what a quorum acknowledged, then small chain-next batches that the proposal
    /// carries along. Lanes take turns, from another one at each view, so that a full block is shared fairly.
    pub(crate) fn build(&self, parent: &Cut, turn: u64, limits: Limits) -> (Cut, Vec<Arc<Batch>>) {
        let (mut cut, mut size, mut inline, mut inline_bytes) = (parent.clone(), Size::default(), Vec::new(), 0usize);
        self.each_in_turn(turn, &mut cut, |lane, batch, lanes| {
            batch.seq() <= lanes.quorum_acknowledged(lane) && size.add(batch, limits)
        });
        self.each_in_turn(turn, &mut cut, |_, batch, _| {
            let bytes = inline_bytes.saturating_add(batch.size());
            let fits = bytes <= INLINE_BYTES_MAX && inline.len() < INLINE_BATCHES_MAX && size.add(batch, limits);
            if fits {
                inline_bytes = bytes;
                inline.push(Arc::clone(batch));
            }
            fits
        });
        (cut, inline)
    }

    /// Offers each lane's next batch, lane by lane in turns, until no lane's next one is taken.
    fn each_in_turn(
        &self,
        turn: u64,
        cut: &mut Cut,
        mut take: impl FnMut(ValidatorIndex, &Arc<Batch>, &Lanes) -> bool,
    ) {
        let count = self.lanes.len();
        let start = usize::try_from(turn).unwrap_or(0).checked_rem(count).unwrap_or(0);
        let mut open: Vec<ValidatorIndex> =
            (0u16..).take(count).cycle().skip(start).take(count).map(ValidatorIndex::new).collect();
        while !open.is_empty() {
            open.retain(|index| {
                let Some(lane) = self.lane(*index) else { return false };
                let at = cut.tip(*index);
                let next = lane.on_chain(at.seq.saturating_add(1)).filter(|batch| batch.parent() == at.digest);
                let Some(batch) = next.filter(|batch| take(*index, batch, self)) else { return false };
                cut.advance(*index, batch.tip());
                true
            });
        }
    }

    /// Judges `cut` after `parent`, where everything up to `ordered` is final: each lane descends, the new data is
    /// within the limits, and all that is not final is durable here.
    pub(crate) fn judge(
        &self,
        (ordered, parent, cut): (&Cut, &Cut, &Cut),
        limits: Limits,
        hints: &[ValidatorIndex],
    ) -> Judgement {
        if cut.tips().len() != self.lanes.len() {
            return Judgement::Invalid;
        }
        let (mut size, mut wants, mut durable) = (Size::default(), Vec::new(), true);
        for index in (0u16..).take(self.lanes.len()).map(ValidatorIndex::new) {
            let (base, from, to) = (ordered.tip(index), parent.tip(index), cut.tip(index));
            if to.seq.checked_sub(from.seq).is_none_or(|new| new > BLOCK_BATCHES_MAX) {
                return Judgement::Invalid;
            }
            match self.walk(index, from, to) {
                Walk::Broken => return Judgement::Invalid,
                Walk::Missing(tip) => wants.push(want(index, tip, from, hints)),
                Walk::Complete { batches, durable: stored } => {
                    durable &= stored;
                    if !batches.iter().all(|batch| size.add(batch, limits)) {
                        return Judgement::Invalid;
                    }
                }
            }
            // The parent's own data: a quorum vouched for its form, but it must be here as well (R5).
            if from.seq > base.seq {
                match self.walk(index, base, from) {
                    Walk::Broken => {}
                    Walk::Missing(tip) => wants.push(want(index, tip, base, hints)),
                    Walk::Complete { durable: stored, .. } => durable &= stored,
                }
            }
        }
        if wants.is_empty() && durable { Judgement::Valid } else { Judgement::Wait(wants) }
    }
}

/// A batch of a lane and all before it down to `floor`; those who named it have it, then its author.
pub(crate) fn want(lane: ValidatorIndex, tip: Tip, floor: Tip, hints: &[ValidatorIndex]) -> Want {
    let mut peers = hints.to_vec();
    if !peers.contains(&lane) {
        peers.push(lane);
    }
    Want { query: Query::Batches { digest: tip.digest, floor: floor.seq }, hints: peers, patience_us: 0 }
}
