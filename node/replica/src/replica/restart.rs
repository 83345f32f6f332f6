//! R9: what a replica may sign after a restart, and when.
//!
//! Must not know: the guard's file, lanes' contents.

use tonle_consensus::{Epoch, GuardRecord, Input, Time, ValidatorIndex};

use super::Replica;
use crate::Effect;

impl Replica {
    /// R9: the latest epoch whose anchor is on this disk, when one may sign in it.
    pub(super) fn signing_epoch(&self) -> Option<Epoch> {
        let epoch = self.identity.context.set.epoch();
        let signs = !self.guard_lost && votes_in(epoch, self.me, self.guard.as_ref()).is_some();
        let durable = if self.is_anchored() { epoch } else { epoch.previous()? };
        signs.then_some(durable)
    }

    /// R9: is there something to ask of the others?
    pub(super) fn rejoins(&self) -> bool {
        self.me.is_some() && (self.guard_lost || !self.greeted)
    }

    /// R9: a peer has shown all that it holds of one's own signatures, and says which epoch it is in.
    pub(super) fn rejoin(
        &mut self,
        now: Time,
        from: ValidatorIndex,
        id: u64,
        epoch: Option<Epoch>,
        out: &mut Vec<Effect>,
    ) {
        if !self.rejoin.answered(from, id, epoch) {
            return;
        }
        let quorum = self.identity.context.set.quorum();
        if !self.greeted && self.rejoin.is_greeted(quorum) {
            self.greeted = true;
            self.engine(now, Input::Greeted, out);
        }
        if let Some(epoch) = self.rejoin.epoch(quorum).filter(|_| self.guard_lost) {
            let record = GuardRecord::empty(epoch);
            self.guard_lost = false;
            self.guard = Some(record.clone());
            out.push(Effect::GuardRenewed { record });
        }
    }
}

/// Was the guard lost, and is one to sign again in an epoch that is still to come?
pub(super) fn is_renewed(epoch: Epoch, guard: Option<&GuardRecord>) -> bool {
    guard.is_some_and(|guard| guard.epoch > epoch && *guard == GuardRecord::empty(guard.epoch))
}

/// May one vote in `epoch`? Not when the guard knows of a later one: the database is behind what was signed.
pub(super) fn votes_in(
    epoch: Epoch,
    me: Option<ValidatorIndex>,
    guard: Option<&GuardRecord>,
) -> Option<ValidatorIndex> {
    me.filter(|_| guard.is_none_or(|guard| guard.epoch <= epoch))
}
