//! One webhook's task: the next batch, again and again until it is taken, with growing pauses; then the one after it.
//!
//! Must not know: who configured it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::book::{Id, Kept, State, now_ms};
use super::destination::{Destination, Undelivered};
use super::message::{Message, delivery_id};
use super::record::{Dead, Hook};
use crate::gateway::payment::Payment;
use crate::gateway::reads::Unread;

/// Most payments of one message.
const BATCH_MAX: usize = 50;
/// After so many attempts, some four hours, a batch is given up.
const ATTEMPTS_MAX: u32 = 16;
/// The pause after the first attempt, before chance shortens it.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Before a read that found no turn is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// The pause after `attempts` attempts: doubled with each up to an hour, and between a half and the whole of that by
/// `chance`, so that those who failed together do not come together again.
fn pause(attempts: u32, chance: u32) -> Duration {
    let doubled = PAUSE_FIRST.saturating_mul(1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    let whole = doubled.min(PAUSE_MAX);
    let half = whole / 2;
    half + half.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

fn chance() -> u32 {
    let mut bytes = [0; 4];
    // Without chance the pause is the longest.
    if getrandom::fill(&mut bytes).is_err() { u32::MAX } else { u32::from_le_bytes(bytes) }
}

/// The task of a webhook.
pub(super) struct Delivery {
    pub(super) kept: Arc<Kept>,
    pub(super) id: Id,
    pub(super) state: State,
    /// Told when the bank changes the webhook.
    pub(super) changed: Arc<Notify>,
    pub(super) removed: CancellationToken,
}

impl Delivery {
    /// Delivers until the webhook is removed or the node ends.
    pub(super) async fn run(self) {
        let (removed, shutdown) = (self.removed.clone(), self.kept.shutdown.clone());
        tokio::select! {
            () = self.deliver() => {}
            () = removed.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn deliver(&self) {
        let mut followed = self.kept.followed.clone();
        loop {
            let hook = self.state.get();
            let wait_ms = hook.not_before_ms.saturating_sub(now_ms());
            if wait_ms > 0 {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
                    () = self.changed.notified() => {}
                }
                continue;
            }
            let height = *followed.borrow_and_update();
            match self.batch(&hook, height).await {
                Ok(batch) if batch.is_empty() => {
                    tokio::select! {
                        changed = followed.changed() => if changed.is_err() { return },
                        () = self.changed.notified() => {}
                    }
                }
                Ok(batch) => self.attempt(hook, &batch).await,
                Err(_) => tokio::time::sleep(BUSY_PAUSE).await,
            }
        }
    }

    /// The batch that is under way, else the next one, which then is.
    async fn batch(&self, hook: &Hook, height: u64) -> Result<Vec<Payment>, Unread> {
        let (lookup, asked) = (self.kept.lookup.clone(), hook.clone());
        let height = hook.under_way.map_or(height, |end| end.height);
        let read = move || lookup.since(&asked.accounts, asked.told, height, BATCH_MAX);
        let mut batch = self.kept.reads.run(read).await?;
        if let Some(end) = hook.under_way {
            batch.retain(|payment| payment.place <= end);
        } else if let Some(last) = batch.last() {
            let begun = Hook { under_way: Some(last.place), ..hook.clone() };
            self.change(hook, begun, None).await?;
        }
        Ok(batch)
    }

    async fn attempt(&self, hook: Hook, batch: &[Payment]) {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        // As `batch` left it, unless the bank changed it meanwhile.
        let hook = Hook { under_way: Some(last.place), ..hook };
        let id = delivery_id(self.id, first.place, last.place);
        let message = Message::new(&id, &hook, batch, &self.kept.lookup, &self.kept.key, now_ms());
        let sent = match (message, Destination::parse(&hook.url, hook.is_private)) {
            (Some(Message { headers, body }), Ok(to)) => to.post(&self.kept.roots, &headers, body).await,
            (None, _) => Err(Undelivered::Address("a payment of an unknown asset")),
            (_, Err(error)) => Err(error),
        };
        let delivered = Hook { told: last.place, under_way: None, attempts: 0, not_before_ms: 0, ..hook.clone() };
        let (next, dead) = match sent {
            Ok(()) => (delivered, None),
            Err(error) => {
                let attempts = hook.attempts.saturating_add(1);
                tracing::debug!(webhook = hex::encode(self.id), %error, attempts, "a webhook is not delivered");
                let dead = Dead { end: last.place, time_ms: now_ms(), why: error.to_string() };
                if attempts >= ATTEMPTS_MAX && self.kept.has_room(self.id).await {
                    tracing::warn!(webhook = hex::encode(self.id), %error, "a delivery is given up");
                    (delivered, Some(dead))
                } else {
                    let wait = u64::try_from(pause(attempts, chance()).as_millis()).unwrap_or(u64::MAX);
                    let not_before_ms = now_ms().saturating_add(wait);
                    (Hook { attempts, not_before_ms, ..hook.clone() }, None)
                }
            }
        };
        while self.change(&hook, next.clone(), dead.clone()).await.is_err() {
            // What is delivered and not noted would be delivered again.
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }

    /// Keeps `next` in place of `before`, unless the bank changed the webhook meanwhile.
    async fn change(&self, before: &Hook, next: Hook, dead: Option<Dead>) -> Result<(), Unread> {
        let (kept, state, id, before) = (Arc::clone(&self.kept), self.state.clone(), self.id, before.told);
        self.kept.reads.run(move || kept.keep(id, &state, before, next, dead)).await
    }
}

#[cfg(test)]
mod tests {
    use super::{PAUSE_FIRST, PAUSE_MAX, pause};

    #[test]
    fn pauses_grow_to_an_hour_and_chance_halves_them_at_most() {
        assert_eq!((pause(1, u32::MAX), pause(1, 0)), (PAUSE_FIRST, PAUSE_FIRST / 2));
        assert_eq!(pause(3, u32::MAX), PAUSE_FIRST * 4);
        for attempts in [14, 16, 32, 33, u32::MAX] {
            assert_eq!((pause(attempts, u32::MAX), pause(attempts, 0)), (PAUSE_MAX, PAUSE_MAX / 2), "{attempts}");
        }
    }
}
