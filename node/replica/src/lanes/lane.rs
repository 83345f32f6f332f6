//! One lane as it is held here: its batches, which of them form the chain that is acknowledged, and how far the lane is
//! ordered and executed.
//!
//! ```text
//! released <= base <= chain's end
//!    |          |         '- last batch held durably in chain: what is acknowledged
//!    |          '- last final batch
//!    '- last executed batch: below it nothing is kept
//! ```
//!
//! Must not know: other lanes, who acknowledged what, where batches come from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tonle_crypto::Digest;

use crate::bounds::{LANE_BRANCH_BATCHES_MAX, LANE_BRANCHES_PER_SEQ, LANE_WINDOW_BATCHES};
use crate::{Batch, Tip};

/// Why a batch comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Gossip, or sent directly: subject to the window.
    Offered,
    /// A proposal or a final block names it: always admitted.
    Named,
}

/// What became of an offered batch.
#[derive(Debug, Clone)]
pub(crate) enum Admission {
    /// It is held from now on. `contradicts` is another of the same author at the same place, the first time one is
    /// seen.
    New { contradicts: Option<Arc<Batch>> },
    /// It was here.
    Known { durable: bool },
    /// It is too old, or outside the window.
    Refused,
}

/// A walk from one place of a lane up to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Walk {
    /// All batches between, oldest first.
    Complete { batches: Vec<Arc<Batch>>, durable: bool },
    /// This one is not here.
    Missing(Tip),
    /// The upper place does not descend from the lower one.
    Broken,
}

#[derive(Debug)]
struct Held {
    batch: Arc<Batch>,
    durable: bool,
    /// Order of arrival.
    arrival: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Lane {
    window_bytes: usize,
    base: Tip,
    released: u64,
    held: BTreeMap<Digest, Held>,
    by_seq: BTreeSet<(u64, Digest)>,
    chain: BTreeMap<u64, Digest>,
    bytes: usize,
    arrivals: u64,
    equivocating: bool,
}

impl Lane {
    /// A lane of which everything up to `base` is executed.
    pub(crate) fn new(base: Tip, window_bytes: usize) -> Self {
        Lane {
            window_bytes,
            base,
            released: base.seq,
            held: BTreeMap::new(),
            by_seq: BTreeSet::new(),
            chain: BTreeMap::new(),
            bytes: 0,
            arrivals: 0,
            equivocating: false,
        }
    }

    /// The same lane with another bound on what it may hold.
    pub(crate) fn with_window(self, window_bytes: usize) -> Self {
        Lane { window_bytes, ..self }
    }

    /// The last final batch.
    pub(crate) fn base(&self) -> Tip {
        self.base
    }
    /// The end of the chain that is acknowledged.
    pub(crate) fn tip(&self) -> Tip {
        self.chain.last_key_value().map_or(self.base, |(seq, digest)| Tip { seq: *seq, digest: *digest })
    }
    /// Is this place on the chain, or its base?
    pub(crate) fn is_on_chain(&self, tip: Tip) -> bool {
        tip == self.base || self.chain.get(&tip.seq) == Some(&tip.digest)
    }
    /// The chain's batch of this number, if it is above the base.
    pub(crate) fn on_chain(&self, seq: u64) -> Option<&Arc<Batch>> {
        self.batch(self.chain.get(&seq)?)
    }
    /// A batch that is held.
    pub(crate) fn batch(&self, digest: &Digest) -> Option<&Arc<Batch>> {
        self.held.get(digest).map(|held| &held.batch)
    }
    /// Bytes held above the base.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
    /// Did the author contradict itself?
    pub(crate) fn is_equivocating(&self) -> bool {
        self.equivocating
    }
    /// Is there room in the window for one more batch of this size at the chain's end or after a gap?
    pub(crate) fn has_room(&self, seq: u64, size: usize) -> bool {
        seq > self.base.seq
            && seq <= self.base.seq.saturating_add(LANE_WINDOW_BATCHES)
            && self.bytes.saturating_add(size) <= self.window_bytes
    }

    /// Takes a batch in.
    pub(crate) fn admit(&mut self, batch: &Arc<Batch>, reason: Reason) -> Admission {
        let (seq, digest) = (batch.seq(), batch.digest());
        if let Some(held) = self.held.get(&digest) {
            return Admission::Known { durable: held.durable };
        }
        if seq <= self.released {
            return Admission::Refused;
        }
        let siblings: Vec<Digest> = self.at(seq).collect();
        let offered = reason == Reason::Offered;
        // Room for the first at a place counts against the window; a second one is evidence, held without acknowledgement.
        if offered && (!self.has_room(seq, batch.size()) || siblings.len() >= LANE_BRANCHES_PER_SEQ) {
            return Admission::Refused;
        }
        let contradicts =
            siblings.first().filter(|_| !self.equivocating).and_then(|sibling| self.batch(sibling)).cloned();
        self.equivocating |= contradicts.is_some();
        self.arrivals = self.arrivals.saturating_add(1);
        self.held.insert(digest, Held { batch: Arc::clone(batch), durable: false, arrival: self.arrivals });
        self.by_seq.insert((seq, digest));
        if seq > self.base.seq {
            self.bytes = self.bytes.saturating_add(batch.size());
        }
        if !siblings.is_empty() {
            self.trim_branches(&digest);
        }
        Admission::New { contradicts }
    }

    /// Notes that a batch is durable. Says whether the chain grew.
    pub(crate) fn stored(&mut self, digest: &Digest) -> bool {
        match self.held.get_mut(digest) {
            Some(held) => held.durable = true,
            None => return false,
        }
        self.extend()
    }

    /// A final block orders the lane up to `tip`, of whichever branch. Says whether the chain that was acknowledged
    /// went another way.
    pub(crate) fn order(&mut self, tip: Tip) -> bool {
        if tip.seq <= self.base.seq {
            return false;
        }
        let switched = match self.chain.get(&tip.seq) {
            Some(digest) => *digest != tip.digest,
            // The chain ends below: it leads there unless what is held says otherwise.
            None => matches!(self.walk(self.tip(), tip), Walk::Broken),
        };
        self.chain = if switched { BTreeMap::new() } else { self.chain.split_off(&tip.seq.saturating_add(1)) };
        self.base = tip;
        if switched {
            self.drop_unlinked();
        }
        self.bytes = self.above(tip.seq).filter_map(|digest| self.batch(&digest)).map(|batch| batch.size()).sum();
        self.extend();
        switched
    }

    /// Everything up to `seq` is executed and in the database.
    pub(crate) fn release(&mut self, seq: u64) {
        self.released = self.released.max(seq);
        let kept = self.by_seq.split_off(&(self.released.saturating_add(1), Digest::ZERO));
        for (_, digest) in std::mem::replace(&mut self.by_seq, kept) {
            self.held.remove(&digest);
        }
    }

    /// The batches above `from` up to `to`, by hash chain.
    pub(crate) fn walk(&self, from: Tip, to: Tip) -> Walk {
        let (mut batches, mut durable, mut at) = (Vec::new(), true, to);
        while at.seq > from.seq {
            let Some(held) = self.held.get(&at.digest) else { return Walk::Missing(at) };
            if held.batch.seq() != at.seq {
                return Walk::Broken;
            }
            durable &= held.durable;
            batches.push(Arc::clone(&held.batch));
            at = Tip { seq: at.seq.saturating_sub(1), digest: held.batch.parent() };
        }
        if at != from {
            return Walk::Broken;
        }
        batches.reverse();
        Walk::Complete { batches, durable }
    }

    /// The lowest batch that is not here although a later one of the lane is: what keeps the chain from growing.
    pub(crate) fn gap(&self) -> Option<Tip> {
        let tip = self.tip();
        if self.by_seq.last().is_none_or(|(highest, _)| *highest <= tip.seq) {
            return None;
        }
        let (seq, digest) = self.above(tip.seq).find_map(|digest| {
            let batch = self.batch(&digest)?;
            let parent = Tip { seq: batch.seq().saturating_sub(1), digest: batch.parent() };
            (parent.seq > tip.seq && !self.held.contains_key(&parent.digest)).then_some((parent.seq, parent.digest))
        })?;
        Some(Tip { seq, digest })
    }

    fn at(&self, seq: u64) -> impl Iterator<Item = Digest> {
        let range = (seq, Digest::ZERO)..=(seq, Digest::from_bytes([u8::MAX; Digest::LENGTH]));
        self.by_seq.range(range).map(|(_, digest)| *digest)
    }
    fn above(&self, seq: u64) -> impl Iterator<Item = Digest> {
        self.by_seq.range((seq.saturating_add(1), Digest::ZERO)..).map(|(_, digest)| *digest)
    }

    /// Grows the chain by durable batches: at each place the first that came, for ever, so that no two digests of one
    /// place are acknowledged.
    fn extend(&mut self) -> bool {
        let before = self.chain.len();
        loop {
            let tip = self.tip();
            let seq = tip.seq.saturating_add(1);
            let next = self
                .at(seq)
                .filter_map(|digest| self.held.get(&digest))
                .filter(|held| held.durable && held.batch.parent() == tip.digest)
                .min_by_key(|held| held.arrival)
                .map(|held| held.batch.digest());
            match next {
                Some(digest) => self.chain.insert(seq, digest),
                None => return self.chain.len() > before,
            };
        }
    }

    /// After another branch became final: what does not descend from it is of no use.
    fn drop_unlinked(&mut self) {
        let mut linked = BTreeSet::from([self.base.digest]);
        let above: Vec<Digest> = self.above(self.base.seq).collect();
        for digest in above {
            let descends = self.batch(&digest).is_some_and(|batch| linked.contains(&batch.parent()));
            if descends {
                linked.insert(digest);
            } else if let Some(held) = self.held.remove(&digest) {
                self.by_seq.remove(&(held.batch.seq(), digest));
            }
        }
    }

    /// Bounds what is held beside the chain.
    fn trim_branches(&mut self, newest: &Digest) {
        let mut off_chain: Vec<(u64, Digest)> = self
            .held
            .iter()
            .filter(|(digest, held)| {
                held.batch.seq() > self.base.seq
                    && *digest != newest
                    && self.chain.get(&held.batch.seq()).is_some_and(|on_chain| on_chain != *digest)
            })
            .map(|(digest, held)| (held.arrival, *digest))
            .collect();
        off_chain.sort_unstable();
        let excess = off_chain.len().saturating_sub(LANE_BRANCH_BATCHES_MAX);
        for (_, digest) in off_chain.into_iter().take(excess) {
            if let Some(held) = self.held.remove(&digest) {
                self.by_seq.remove(&(held.batch.seq(), digest));
                self.bytes = self.bytes.saturating_sub(held.batch.size());
            }
        }
    }
}
