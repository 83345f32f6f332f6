//! Lanes from one epoch to the next: those of validators that stay go on, those of others end, new ones begin.
//!
//! Must not know: why the set changed, or who sends what to whom.

use std::collections::BTreeMap;

use tonle_consensus::{SigningContext, ValidatorIndex};
use tonle_crypto::PublicKey;

use super::acknowledged::Acknowledged;
use super::lane::Lane;
use super::own::{OwnLane, Submission, Transactions};
use super::sending::{Grown, Resend};
use super::{Lanes, lane_window_bytes};
use crate::{Effect, Refusal};

impl Lanes {
    /// The epoch's validators are these. Everything ordered is executed when their set is another than before.
    ///
    /// A lane that ends takes along what no block ordered. If it was one's own and one has a new key, its transactions are
    /// packed again; if not, those that wait are refused.
    pub(crate) fn enter(
        &mut self,
        now_us: u64,
        context: &SigningContext,
        me: Option<ValidatorIndex>,
        out: &mut Vec<Effect>,
    ) {
        let before = std::mem::replace(&mut self.set, context.set.clone());
        if before.digest() == self.set.digest() {
            return;
        }
        let keys: Vec<PublicKey> = before.iter().map(|(_, validator)| validator.key).collect();
        let mut lanes: BTreeMap<PublicKey, Lane> = keys.into_iter().zip(std::mem::take(&mut self.lanes)).collect();
        let count = self.set.len();
        let window = lane_window_bytes(count);
        let mut lane_of = |key: &PublicKey| match lanes.remove(key) {
            Some(lane) => lane.with_window(window),
            None => Lane::new(crate::Tip::EMPTY, window),
        };
        self.lanes = context.set.iter().map(|(_, validator)| lane_of(&validator.key)).collect();
        self.acknowledged = (0..count).map(|_| Acknowledged::new(count)).collect();
        self.quorum = self.set.quorum();
        self.leaders.clear();
        if let Some(recovery) = &mut self.recovery {
            recovery.forget_places();
        }
        (self.grown, self.resend) = (Grown::default(), Resend::default());
        self.me = me;
        let key = me.and_then(|me| self.set.get(me)).map(|validator| validator.key);
        if self.own.as_ref().is_some_and(|own| Some(*own.key()) != key) {
            self.recovery = None;
            let ended = self.own.take();
            self.own = key.map(|key| OwnLane::new(context.genesis, key, crate::Tip::EMPTY));
            let lane = ended.as_ref().and_then(|own| lanes.remove(own.key()));
            self.pack_again(now_us, ended, lane.as_ref(), out);
        }
        context.set.indices().for_each(|lane| self.reconfirm(lane));
    }

    /// What the ended lane held unordered, and what waited for it, goes to the new one in the same order.
    fn pack_again(&mut self, now_us: u64, ended: Option<OwnLane>, lane: Option<&Lane>, out: &mut Vec<Effect>) {
        let held = lane
            .into_iter()
            .flat_map(|lane| (lane.base().seq.saturating_add(1)..=lane.tip().seq).filter_map(|seq| lane.on_chain(seq)));
        let packed: Transactions = held.flat_map(|batch| batch.transactions().iter().cloned()).collect();
        let (waiting, mut tickets) = ended.map(OwnLane::dissolve).unwrap_or_default();
        for transaction in packed.into_iter().chain(waiting) {
            let asked = tickets.remove(&transaction.id()).unwrap_or_default();
            let Some(own) = &mut self.own else {
                let refused = asked.into_iter().map(|ticket| Effect::Refused { ticket, reason: Refusal::NoLane });
                out.extend(refused);
                continue;
            };
            own.adopt(now_us, &transaction);
            for ticket in asked {
                match own.submit(now_us, &transaction, ticket) {
                    Submission::Waits => {}
                    Submission::Accepted => out.push(Effect::Accepted { ticket }),
                    Submission::Refused(reason) => out.push(Effect::Refused { ticket, reason }),
                }
            }
        }
        // Those of batches that were never stored: their clients hear so and try again.
        let rest = tickets.into_values().flatten();
        out.extend(rest.map(|ticket| Effect::Refused { ticket, reason: Refusal::NoLane }));
    }
}
