//! Lanes (section 5 of the design): dissemination of data apart from ordering. Each validator's batches form a
//! hash-chained lane; this machine keeps them, acknowledges them, packs its own, and says what a block may name.
//!
//! Must not know: views beyond who leads, votes, execution.

mod acknowledged;
mod entering;
mod fetch;
mod lane;
mod own;
mod proposing;
mod recovery;
mod sending;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tonle_consensus::{SigningContext, ValidatorIndex, ValidatorSet};
use tonle_crypto::{Digest, PublicKey, Signature, Verified};
use tonle_ledger::SignedTransaction;

use crate::bounds::{BATCH_BYTES_MAX, lane_window_bytes};
use crate::{Acknowledgement, Batch, Cut, Effect, LaneFork, LaneStatus, Misbehaviour, Query, Refusal, Tip};

pub(crate) use fetch::{Fetch, Want};
pub(crate) use lane::{Reason, Walk};
pub(crate) use proposing::{Judgement, Limits, want};

use acknowledged::Acknowledged;
use lane::{Admission, Lane};
use own::{OwnLane, Submission};
use recovery::Recovery;
use sending::{Grown, Resend};

/// How long a batch whose successor is here may take to come by itself, in microseconds.
const GAP_PATIENCE_US: u64 = 50_000;

/// All lanes. See the module.
#[derive(Debug)]
pub(crate) struct Lanes {
    me: Option<ValidatorIndex>,
    set: ValidatorSet,
    quorum: usize,
    lanes: Vec<Lane>,
    acknowledged: Vec<Acknowledged>,
    own: Option<OwnLane>,
    recovery: Option<Recovery>,
    leaders: Vec<ValidatorIndex>,
    grown: Grown,
    resend: Resend,
}

impl Lanes {
    /// Lanes of which everything up to `executed` is in the database, with the batch log's batches.
    pub(crate) fn new(
        context: &SigningContext,
        me: Option<ValidatorIndex>,
        executed: &Cut,
        log: &[Arc<Batch>],
        lane_lost: bool,
    ) -> Self {
        let count = context.set.len();
        let window = lane_window_bytes(count);
        let lanes = context.set.indices().map(|lane| Lane::new(executed.tip(lane), window)).collect();
        let mut all = Lanes {
            me,
            set: context.set.clone(),
            quorum: context.set.quorum(),
            lanes,
            acknowledged: (0..count).map(|_| Acknowledged::new(count)).collect(),
            own: None,
            recovery: lane_lost.then(Recovery::default),
            leaders: Vec::new(),
            grown: Grown::default(),
            resend: Resend::default(),
        };
        for batch in log {
            if let Some(lane) = all.lane_mut(batch.lane()) {
                lane.admit(batch, Reason::Named);
                lane.stored(&batch.digest());
            }
        }
        let key = me.and_then(|me| context.set.get(me)).map(|validator| validator.key);
        if let (Some(key), Some(lane)) = (key, me.and_then(|me| all.lane(me))) {
            let mut own = OwnLane::new(context.genesis, key, lane.tip());
            let above = lane.base().seq.saturating_add(1)..=lane.tip().seq;
            above.filter_map(|seq| lane.on_chain(seq)).for_each(|batch| own.recovered(batch));
            all.own = Some(own);
        }
        context.set.indices().for_each(|lane| all.reconfirm(lane));
        all
    }

    /// One may not sign: the lane is closed.
    pub(crate) fn close_own(&mut self) {
        self.own = None;
    }

    /// One may sign again: the lane goes on once others have said how far it went.
    pub(crate) fn open_own(&mut self, context: &SigningContext) {
        let key = self.me.and_then(|me| context.set.get(me)).map(|validator| validator.key);
        if let (None, Some(me), Some(key)) = (&self.own, self.me, key) {
            let tip = self.lane(me).map_or(Tip::EMPTY, Lane::tip);
            self.own = Some(OwnLane::new(context.genesis, key, tip));
            self.recovery = Some(Recovery::default());
        }
    }

    /// A client submits.
    pub(crate) fn submit(
        &mut self,
        now_us: u64,
        transaction: &Arc<Verified<SignedTransaction>>,
        ticket: u64,
        out: &mut Vec<Effect>,
    ) {
        let submission = match &mut self.own {
            Some(own) => own.submit(now_us, transaction, ticket),
            None => Submission::Refused(Refusal::NoLane),
        };
        match submission {
            Submission::Waits => {}
            Submission::Accepted => out.push(Effect::Accepted { ticket }),
            Submission::Refused(reason) => out.push(Effect::Refused { ticket, reason }),
        }
    }

    /// Packs own batches that are due and have room in the lane's window.
    pub(crate) fn seal(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        let Some(me) = self.me.filter(|_| self.recovery.is_none()) else { return };
        if !self.own.as_ref().is_some_and(|own| own.pool().0 > 0 && own.is_signer_free()) {
            return;
        }
        let settled = self.quorum_acknowledged(me);
        let Some(lane) = self.lanes.get(me.index()) else { return };
        let Some(own) = &mut self.own else { return };
        loop {
            let next = own.end().seq.saturating_add(1);
            if !lane.has_room(next, own.signing_bytes().saturating_add(own.pool().1.min(BATCH_BYTES_MAX))) {
                return;
            }
            let Some(batch) = own.seal(now_us, settled) else { return };
            out.push(Effect::SignBatch { seq: batch.tip().seq, message: batch.preimage() });
        }
    }

    /// The signer answered: the batch is stored before anything of it leaves (R8).
    pub(crate) fn batch_signed(&mut self, seq: u64, signature: Signature, out: &mut Vec<Effect>) {
        let Some(batch) = self.own.as_mut().and_then(|own| own.signed(seq, signature)) else { return };
        let batch = Arc::new(batch);
        if let Some(lane) = self.lane_mut(batch.lane()) {
            lane.admit(&batch, Reason::Named);
            out.push(Effect::StoreBatch(batch));
        }
    }

    /// A batch came: by gossip, directly, inline, or fetched. Says whether it is new here.
    pub(crate) fn received(
        &mut self,
        from: ValidatorIndex,
        batch: &Arc<Batch>,
        reason: Reason,
        out: &mut Vec<Effect>,
    ) -> bool {
        // What was checked before the set changed may be of a lane that is gone.
        let Some(owner) = self.set.index_of(batch.lane()) else { return false };
        let Some(lane) = self.lanes.get_mut(owner.index()) else { return false };
        match lane.admit(batch, reason) {
            Admission::Refused => false,
            Admission::Known { durable } => {
                // Its author sends it again: the acknowledgement may have been lost.
                if durable && from == owner && self.me.is_some() && self.me != Some(owner) {
                    out.push(self.acknowledge_to(from, vec![self.line(owner)]));
                }
                false
            }
            Admission::New { contradicts } => {
                if let Some(first) = contradicts {
                    let fork = LaneFork::new(first.raw(), batch.raw()).map(Misbehaviour::Lane);
                    out.extend(fork.map(|proof| Effect::Misbehaviour(Arc::new(proof))));
                }
                if batch.seq() > lane.base().seq {
                    out.push(Effect::StoreBatch(Arc::clone(batch)));
                }
                true
            }
        }
    }

    /// A batch is durable: it may be acknowledged, and one's own may leave.
    pub(crate) fn batch_stored(&mut self, lane: &PublicKey, digest: &Digest, out: &mut Vec<Effect>) {
        let Some(owner) = self.set.index_of(lane) else { return };
        let Some(lane) = self.lanes.get_mut(owner.index()) else { return };
        let bytes = lane.batch(digest).map_or(0, |batch| batch.size());
        if lane.stored(digest) {
            self.grown.note(owner, bytes);
            self.reconfirm(owner);
        }
        if self.me != Some(owner) {
            return;
        }
        let Some(batch) = self.lane(owner).and_then(|lane| lane.batch(digest)).cloned() else { return };
        let tickets = self.own.as_mut().map(|own| own.stored(batch.seq())).unwrap_or_default();
        out.extend(tickets.into_iter().map(|ticket| Effect::Accepted { ticket }));
        sending::publish(&batch, &self.leaders, out);
    }

    /// A validator says how much it holds. Places of another set may be other lanes'.
    pub(crate) fn acknowledged(&mut self, from: ValidatorIndex, acknowledgement: &Acknowledgement) {
        if acknowledgement.set != self.set.digest() {
            return;
        }
        for line in &acknowledgement.lanes {
            let index = line.lane.index();
            if let (Some(words), Some(lane)) = (self.acknowledged.get_mut(index), self.lanes.get(index)) {
                words.heard(from.index(), line.tip, lane);
            }
            if let Some(recovery) = self.recovery.as_mut().filter(|_| self.me == Some(line.lane)) {
                recovery.heard(from, line.tip);
            }
        }
    }

    /// A valid proposal names this cut: own batches in it are settled.
    pub(crate) fn named(&mut self, cut: &Cut) {
        if let (Some(own), Some(me)) = (&mut self.own, self.me) {
            own.named(cut.tip(me).seq);
        }
    }

    /// A final block orders all lanes up to `cut`.
    pub(crate) fn ordered(&mut self, cut: &Cut) {
        let mut changed = Vec::new();
        for (((lane, words), tip), index) in
            self.lanes.iter_mut().zip(&mut self.acknowledged).zip(cut.tips()).zip(0u16..)
        {
            let before = lane.tip();
            if lane.order(*tip) {
                words.switched(lane);
            }
            if lane.tip() != before {
                changed.push(ValidatorIndex::new(index));
            }
        }
        changed.into_iter().for_each(|lane| self.reconfirm(lane));
        // Another branch of one's own lane than one knows of is final, or more of it: go on from there.
        if let (Some(me), Some(own)) = (self.me, &mut self.own)
            && let Some(lane) = self.lanes.get(me.index())
            && own.end().seq <= lane.base().seq
            && own.end() != lane.base()
        {
            own.resume(lane.tip());
        }
    }

    /// A block is executed: its data is in the database.
    pub(crate) fn executed(&mut self, cut: &Cut) {
        for (lane, tip) in self.lanes.iter_mut().zip(cut.tips()) {
            lane.release(tip.seq);
        }
        if let (Some(own), Some(me)) = (&mut self.own, self.me) {
            own.release(cut.tip(me).seq);
        }
    }

    /// Is anything held durably, or about to be, that is not final? Lanes of those who contradict themselves do not
    /// count: they could keep everybody busy for nothing.
    pub(crate) fn has_data(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_equivocating() && lane.tip().seq > lane.base().seq)
    }

    /// What keeps lanes from growing: batches whose successors are here, and the end of one's own lane.
    pub(crate) fn gaps(&self) -> Vec<Want> {
        let mut wants: Vec<Want> = (self.lanes.iter().zip(0u16..))
            .filter_map(|(lane, index)| {
                let gap = lane.gap()?;
                let query = Query::Batches { digest: gap.digest, floor: lane.tip().seq };
                Some(Want { query, hints: vec![ValidatorIndex::new(index)], patience_us: GAP_PATIENCE_US })
            })
            .collect();
        if let (Some(recovery), Some(lane)) = (&self.recovery, self.me.and_then(|me| self.lane(me))) {
            wants.extend(recovery.claims(lane.tip().seq).map(|(peer, tip)| Want {
                query: Query::Batches { digest: tip.digest, floor: lane.tip().seq },
                hints: vec![peer],
                patience_us: 0,
            }));
        }
        wants
    }

    /// After the batch log was lost: goes on once every other validator, or after a while a quorum, has said how much
    /// of one's own lane it holds, and all of that is here again.
    pub(crate) fn recover_own(&mut self, now_us: u64, fetch: &Fetch) {
        let Some(me) = self.me else { return };
        let count = self.lanes.len();
        let (Some(recovery), Some(lane)) = (&mut self.recovery, self.lanes.get(me.index())) else { return };
        if !recovery.is_over(now_us, lane.tip().seq, (count, self.quorum), fetch) {
            return;
        }
        let (base, tip) = (lane.base(), lane.tip());
        if let Some(own) = &mut self.own {
            own.resume(tip);
            let above = base.seq.saturating_add(1)..=tip.seq;
            above.filter_map(|seq| lane.on_chain(seq)).for_each(|batch| own.recovered(batch));
        }
        self.recovery = None;
    }

    /// When something here is due by time.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let sealing = self.own.as_ref().filter(|own| self.can_seal(own)).and_then(OwnLane::deadline);
        let recovering = self.recovery.as_ref().and_then(Recovery::deadline);
        [sealing, self.grown.deadline(), self.resend.deadline(), recovering].into_iter().flatten().min()
    }

    /// Each lane for operators.
    pub(crate) fn status(&self) -> Vec<LaneStatus> {
        let lanes = self.lanes.iter().zip(&self.acknowledged);
        lanes
            .map(|(lane, words)| LaneStatus {
                held: lane.tip().seq,
                acknowledged: words.by(self.quorum).max(lane.base().seq),
                last_final: lane.base().seq,
                bytes: lane.bytes(),
                equivocating: lane.is_equivocating(),
            })
            .collect()
    }
    /// Transactions and bytes in the pool.
    pub(crate) fn pool(&self) -> (usize, usize) {
        self.own.as_ref().map_or((0, 0), OwnLane::pool)
    }
    /// A batch that is held, by digest.
    pub(crate) fn batch(&self, digest: &Digest) -> Option<&Arc<Batch>> {
        self.lanes.iter().find_map(|lane| lane.batch(digest))
    }
    /// The batches of one lane between two places.
    pub(crate) fn walk(&self, lane: ValidatorIndex, from: Tip, to: Tip) -> Walk {
        self.lane(lane).map_or(Walk::Broken, |lane| lane.walk(from, to))
    }

    fn lane(&self, lane: ValidatorIndex) -> Option<&Lane> {
        self.lanes.get(lane.index())
    }
    fn lane_mut(&mut self, key: &PublicKey) -> Option<&mut Lane> {
        self.lanes.get_mut(self.set.index_of(key)?.index())
    }
    /// The highest seq of a lane that a quorum is known to hold.
    fn quorum_acknowledged(&self, lane: ValidatorIndex) -> u64 {
        let base = self.lane(lane).map_or(0, |lane| lane.base().seq);
        self.acknowledged.get(lane.index()).map_or(0, |words| words.by(self.quorum)).max(base)
    }
    /// May the next own batch be sealed, when it is due?
    fn can_seal(&self, own: &OwnLane) -> bool {
        let next = own.end().seq.saturating_add(1);
        let size = own.signing_bytes().saturating_add(own.pool().1.min(BATCH_BYTES_MAX));
        self.recovery.is_none()
            && own.is_signer_free()
            && self.me.and_then(|me| self.lane(me)).is_some_and(|lane| lane.has_room(next, size))
    }
    /// A lane's chain changed: others' words may be placed now, and one's own reaches as far as the chain.
    fn reconfirm(&mut self, lane: ValidatorIndex) {
        let words = self.acknowledged.get_mut(lane.index());
        if let (Some(words), Some(lane)) = (words, self.lanes.get(lane.index())) {
            words.grew(lane);
            if let Some(me) = self.me {
                words.heard(me.index(), lane.tip(), lane);
            }
        }
    }
}
