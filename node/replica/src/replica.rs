//! The router.

use tonle_consensus::Time;

use crate::{Config, Effect, Event, Identity, Recovered, ReplicaStatus};

/// The node's brain.
#[derive(Debug)]
pub struct Replica {
    status: ReplicaStatus,
}

impl Replica {
    /// A replica that will begin at [`Event::Start`].
    #[must_use]
    pub fn new(identity: Identity, config: Config, recovered: Recovered) -> Self {
        let _ = (identity, config, recovered);
        unimplemented!("the machines behind it follow")
    }
    /// Takes one event, and says what to do, in order.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        let _ = (now, event);
        Vec::new()
    }
    /// When [`Event::Tick`] is due, in microseconds of the monotonic clock.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        None
    }
    /// A snapshot for operators.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        self.status.clone()
    }
}
