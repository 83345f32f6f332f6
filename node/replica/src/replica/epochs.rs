//! Section 7 of the design: how one epoch ends and the next begins, with the same validators or others.
//!
//! An epoch that others serve begins once all before it is executed here: its validators are in the ledger's state, and no
//! place of the old set's is left in any queue. With the same validators nothing waits.
//!
//! Must not know: how the ledger lists validators, or what a lane holds.

use tonle_consensus::{
    Anchor, Certificate, Checkpoint, Consensus, Demand, Epoch, Input, Message, Recipients,
    Recovered as RecoveredConsensus, Time, Tip as ConsensusTip, ValidatorIndex, ValidatorSet,
};
use tonle_crypto::PublicKey;

use super::Replica;
use super::restart::votes_in;
use crate::execution::cut_of;
use crate::{Cut, Effect, Halt, Members, PeerMessage};

/// The cut of an epoch's anchor among the epoch's lanes. Genesis' is empty.
pub(super) fn anchor_cut(anchor: &Anchor, lanes: &[PublicKey], set: &ValidatorSet) -> Cut {
    let cut = cut_of(&anchor.block, lanes.len()).unwrap_or_else(|| Cut::genesis(lanes.len()));
    cut.relocated(lanes, &keys(set))
}

fn keys(set: &ValidatorSet) -> Vec<PublicKey> {
    set.iter().map(|(_, validator)| validator.key).collect()
}

impl Replica {
    /// A block is executed, and so in the database.
    pub(super) fn executed(
        &mut self,
        now: Time,
        checkpoint: Checkpoint,
        members: Option<Members>,
        out: &mut Vec<Effect>,
    ) {
        let cut = match self.execution.executed_block(checkpoint) {
            Ok(Some(cut)) => cut,
            Ok(None) => return,
            Err(halt) => return self.halt(halt, out),
        };
        if let Some(members) = members {
            self.membership.changed(checkpoint.height, members);
        }
        self.membership.release(self.execution.named());
        self.lanes.executed(&cut);
        self.blocks.release(checkpoint.height.saturating_sub(1));
        let up_to = keys(&self.identity.context.set).into_iter().zip(cut.tips().iter().map(|tip| tip.seq)).collect();
        out.push(Effect::ReleaseBatches { up_to });
        out.push(Effect::ReleaseBlocks { up_to: checkpoint.height });
        if self.is_anchored() {
            out.append(&mut self.held);
        }
        self.end_epoch(now, out);
    }

    /// Is the block that this epoch starts from on this disk?
    pub(super) fn is_anchored(&self) -> bool {
        self.anchor.block.height() <= self.execution.executed()
    }

    pub(super) fn when_anchored(&mut self, effect: Effect, out: &mut Vec<Effect>) {
        if self.is_anchored() { out.push(effect) } else { self.held.push(effect) }
    }

    /// A message of another epoch tells where its sender stands. Says whether it was one.
    pub(super) fn of_other_epoch(
        &mut self,
        now: Time,
        from: ValidatorIndex,
        epoch: Epoch,
        certifies_finality: bool,
        out: &mut Vec<Effect>,
    ) -> bool {
        let current = self.identity.context.set.epoch();
        if epoch < current {
            // The epoch is over: its last block's certificate says so. Who shows such a certificate is not told again: two
            // that told each other would never stop.
            let certificate = self.anchor.certificate.clone().filter(|_| !certifies_finality);
            if let Some(certificate) = certificate.filter(|_| self.endings.take(now.monotonic_us, from)) {
                let message = PeerMessage::Consensus(Message::Certificate(Certificate::Quorum(certificate)));
                out.push(Effect::Send { to: Recipients::One(from), message });
            }
        } else if epoch > current {
            // Its epoch began at a block that is not here: there is more to catch up with than this one knows of.
            self.catchup.behind(self.execution.tip().height().saturating_add(1), vec![from]);
        }
        epoch != current
    }

    /// The epoch's last block is final: the next one begins as soon as its validators are known.
    pub(super) fn end_epoch(&mut self, now: Time, out: &mut Vec<Effect>) {
        let Some(anchor) = self.next_anchor.take_if(|anchor| {
            let stays = anchor.block.header().next_set() == Some(self.identity.context.set.digest());
            stays || self.execution.executed() >= anchor.block.height()
        }) else {
            return;
        };
        let current = &self.identity.context.set;
        match self.membership.committed(current, anchor.block.header()) {
            Some(set) => self.begin_epoch(now, anchor, set, out),
            None => {
                let next = current.epoch().next();
                let ours = next.and_then(|epoch| self.membership.set(epoch, anchor.block.header().checkpoint().height));
                let header = anchor.block.header().clone();
                self.halt(Halt::Members { ours: ours.map(|set| set.digest()), header }, out);
            }
        }
    }

    /// The next epoch's engine starts where the last one ended.
    fn begin_epoch(&mut self, now: Time, anchor: Anchor, set: ValidatorSet, out: &mut Vec<Effect>) {
        let before = std::mem::replace(&mut self.identity.context.set, set.clone());
        let epoch = set.epoch();
        let changes = before.digest() != set.digest();
        let lanes = keys(&before);
        self.me = self.identity.me();
        self.proposals.clear();
        self.held.clear();
        self.demand = Demand::default();
        let cut = anchor_cut(&anchor, &lanes, &set);
        if changes {
            self.execution.relocate(cut.clone());
            self.lanes.enter(now.monotonic_us, &self.identity.context, self.me, out);
            let ended = lanes.into_iter().filter(|lane| set.index_of(lane).is_none());
            out.push(Effect::ReleaseBatches { up_to: ended.map(|lane| (lane, u64::MAX)).collect() });
            self.forget_places();
        } else {
            self.lanes.enter(now.monotonic_us, &self.identity.context, self.me, out);
        }
        self.rules.set = set.clone();
        self.rules.anchor = (anchor.block.digest(), cut);
        self.anchor = anchor.clone();
        self.consensus = Consensus::new(
            self.identity.context.clone(),
            votes_in(epoch, self.me, self.guard.as_ref()),
            self.config.consensus.clone(),
            anchor.clone(),
            RecoveredConsensus {
                guard: self.guard.clone().filter(|guard| guard.epoch == epoch),
                blocks: self.journal.iter().filter(|block| block.height() > anchor.block.height()).cloned().collect(),
                tip: ConsensusTip { block: anchor.block.clone(), certificate: anchor.certificate.clone() },
                guard_lost: self.guard_lost,
            },
        );
        if !self.heeds_witnesses {
            self.consensus.ignore_witnesses();
        }
        if !self.greeted {
            self.consensus.hold();
        }
        if !self.guard_lost && votes_in(epoch, self.me, self.guard.as_ref()).is_some() {
            self.lanes.open_own(&self.identity.context);
        }
        out.push(Effect::EpochBegan { anchor, set });
        self.engine(now, Input::Start, out);
        let peers: Vec<ValidatorIndex> = self.fetch.peers().iter().copied().collect();
        for peer in peers {
            self.engine(now, Input::Connected(peer), out);
        }
    }

    /// Whoever was known by a place may have another one now: connections are told of again.
    fn forget_places(&mut self) {
        self.fetch.forget_places();
        self.catchup.forget_places();
        self.exposure.forget_places();
        self.allowance.forget_places();
        self.endings.forget_places();
        self.greetings.forget_places();
        self.rejoin.forget();
    }
}
