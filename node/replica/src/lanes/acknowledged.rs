//! Who holds how much of one lane, as far as validators have said.
//!
//! Must not know: batches. Whether a claimed place lies on the chain is asked of the lane.

use crate::Tip;
use crate::lanes::lane::Lane;

/// One validator's word on a lane.
#[derive(Debug, Clone, Copy)]
struct Word {
    /// The last that it said.
    latest: Tip,
    /// The highest of its words that lies on the chain held here.
    confirmed: u64,
}

/// All validators' words on one lane.
#[derive(Debug)]
pub(crate) struct Acknowledged(Vec<Word>);

impl Acknowledged {
    /// Nobody has said anything.
    pub(crate) fn new(validators: usize) -> Self {
        Acknowledged(vec![Word { latest: Tip::EMPTY, confirmed: 0 }; validators])
    }

    /// Takes a validator's word.
    pub(crate) fn heard(&mut self, from: usize, tip: Tip, lane: &Lane) {
        if let Some(word) = self.0.get_mut(from) {
            word.latest = tip;
            word.confirm(lane);
        }
    }

    /// The chain grew: words that could not be placed may be now.
    pub(crate) fn grew(&mut self, lane: &Lane) {
        self.0.iter_mut().for_each(|word| word.confirm(lane));
    }

    /// The chain went another way: only what lies on it counts.
    pub(crate) fn switched(&mut self, lane: &Lane) {
        for word in &mut self.0 {
            word.confirmed = 0;
            word.confirm(lane);
        }
    }

    /// How far one validator's word reaches on the chain.
    pub(crate) fn of(&self, validator: usize) -> u64 {
        self.0.get(validator).map_or(0, |word| word.confirmed)
    }

    /// The highest seq that `quorum` validators have acknowledged.
    pub(crate) fn by(&self, quorum: usize) -> u64 {
        let mut seqs: Vec<u64> = self.0.iter().map(|word| word.confirmed).collect();
        seqs.sort_unstable_by(|a, b| b.cmp(a));
        quorum.checked_sub(1).and_then(|index| seqs.get(index)).copied().unwrap_or(0)
    }
}

impl Word {
    fn confirm(&mut self, lane: &Lane) {
        if self.latest.seq > self.confirmed && lane.is_on_chain(self.latest) {
            self.confirmed = self.latest.seq;
        }
    }
}
