//! What the node counts. Must not know where the numbers come from: other modules hold an `Arc<Metrics>` and set its
//! fields. Served by [`serve`].
//!
//! Names follow Prometheus's rules: base units as suffixes, counters end in `_total`, no client data in a label.

mod collectors;
mod server;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use server::serve;

/// Upper bounds of the latency buckets, in seconds: fine where the aims lie (25 and 100 ms), coarse above.
const LATENCY_SECONDS: [f64; 14] = [0.005, 0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0];
/// Upper bounds of the disk synchronisation buckets, in seconds.
const SYNC_SECONDS: [f64; 10] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2, 1.0];

/// The label of counts by reason. Give names of enum variants: a closed, small set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// A stable name, such as `INSUFFICIENT_FUNDS`.
    pub reason: String,
}

impl Reason {
    /// Names a reason.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Reason { reason: reason.into() }
    }
}

/// The labels of misbehaviour: at most as many as there are validators and kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Offender {
    /// The participant whose validator it is.
    pub validator: String,
    /// A kind's name, such as `two_notarizes`.
    pub kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// Reads an integer property of RocksDB, such as `rocksdb.block-cache-usage`; `None` when there is none.
pub type DatabaseProperty = dyn Fn(&str) -> Option<u64> + Send + Sync;

/// Everything the node counts. Fields are handles: setting one is an atomic write.
#[derive(Debug)]
pub struct Metrics {
    /// Highest finalized height.
    pub finalized_height: Gauge<u64, AtomicU64>,
    /// Highest height executed and written to the database.
    pub executed_height: Gauge<u64, AtomicU64>,
    /// Current view of this epoch.
    pub view: Gauge<u64, AtomicU64>,
    /// 1 while this node may sign in consensus.
    pub signing: Gauge,
    /// Leaders that this node times out at once because they were not heard.
    pub skipped_leaders: Gauge,
    /// Seconds from a client's submission here to its receipt.
    pub finality_seconds: Histogram,
    /// Seconds from the guard's append to its fdatasync's end.
    pub guard_sync_seconds: Histogram,
    /// Validators connected.
    pub connected_peers: Gauge,
    /// Own lane: transactions accepted and not yet final.
    pub lane_pending_transactions: Gauge,
    /// All lanes: batches held and not yet final.
    pub lane_pending_batches: Gauge,
    /// Operations executed with success.
    pub operations_applied: Counter,
    /// Operations executed and rejected, by rejection code.
    pub operations_rejected: Family<Reason, Counter>,
    /// Requests refused before anything was queued, by reason.
    pub requests_refused: Family<Reason, Counter>,
    /// The most views in a row, since the start, that ended in a timeout certificate.
    pub timeouts_in_a_row: Gauge<u64, AtomicU64>,
    /// Peers' messages refused, by reason.
    pub peer_messages_refused: Family<Reason, Counter>,
    /// Offences that this node holds proof of, those kept before this start too.
    pub misbehaviour: Family<Offender, Counter>,
    /// Height of the snapshot that this node's database began with; 0 when it began with genesis.
    pub snapshot_height: Gauge<u64, AtomicU64>,
    /// While a snapshot is fetched: chunks verified.
    pub snapshot_chunks: Gauge<u64, AtomicU64>,
    /// While a snapshot is fetched: 256ths of the state tree that are here.
    pub snapshot_covered: Gauge<u64, AtomicU64>,
    database: collectors::Database,
    registry: Registry,
}

impl Metrics {
    /// Everything at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Metrics::with(|_| {})
    }

    /// Everything at zero, and what `others` register under the prefix `tonle`, such as the network's counters.
    #[must_use]
    pub fn with(others: impl FnOnce(&mut Registry)) -> Arc<Self> {
        let mut metrics = Metrics {
            finalized_height: Gauge::default(),
            executed_height: Gauge::default(),
            view: Gauge::default(),
            signing: Gauge::default(),
            skipped_leaders: Gauge::default(),
            finality_seconds: Histogram::new(LATENCY_SECONDS),
            guard_sync_seconds: Histogram::new(SYNC_SECONDS),
            connected_peers: Gauge::default(),
            lane_pending_transactions: Gauge::default(),
            lane_pending_batches: Gauge::default(),
            operations_applied: Counter::default(),
            operations_rejected: Family::default(),
            requests_refused: Family::default(),
            timeouts_in_a_row: Gauge::default(),
            peer_messages_refused: Family::default(),
            misbehaviour: Family::default(),
            snapshot_height: Gauge::default(),
            snapshot_chunks: Gauge::default(),
            snapshot_covered: Gauge::default(),
            database: collectors::Database::default(),
            registry: Registry::default(),
        };
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        registry.register_collector(Box::new(collectors::Process));
        registry.register_collector(Box::new(metrics.database.clone()));
        others(registry.sub_registry_with_prefix("tonle"));
        metrics.registry = registry;
        Arc::new(metrics)
    }

    /// From now on, scrapes read the database's properties by `property`. The first call counts.
    pub fn observe_database(&self, property: Box<DatabaseProperty>) {
        // A second database in one process is a test's; its numbers are not served.
        let _ = self.database.0.set(property);
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("tonle_finalized_height", "Highest finalized height", self.finalized_height.clone());
        registry.register("tonle_executed_height", "Highest height in the database", self.executed_height.clone());
        registry.register("tonle_view", "Current view of this epoch", self.view.clone());
        registry.register(
            "tonle_timeouts_in_a_row",
            "The most views in a row, since the start, that ended in a timeout certificate",
            self.timeouts_in_a_row.clone(),
        );
        registry.register("tonle_signing", "1 while this node may sign in consensus", self.signing.clone());
        registry.register(
            "tonle_skipped_leaders",
            "Leaders timed out at once: not heard",
            self.skipped_leaders.clone(),
        );
        registry.register(
            "tonle_finality_seconds",
            "From a client's submission at this node to its receipt",
            self.finality_seconds.clone(),
        );
        registry.register(
            "tonle_guard_sync_seconds",
            "From the guard's append to the end of its fdatasync",
            self.guard_sync_seconds.clone(),
        );
        registry.register("tonle_connected_peers", "Validators connected", self.connected_peers.clone());
        registry.register(
            "tonle_lane_pending_transactions",
            "Own clients' transactions accepted and not yet final",
            self.lane_pending_transactions.clone(),
        );
        registry.register(
            "tonle_lane_pending_batches",
            "Batches of all lanes held and not yet final",
            self.lane_pending_batches.clone(),
        );
        registry.register(
            "tonle_operations_applied",
            "Operations executed with success",
            self.operations_applied.clone(),
        );
        registry.register(
            "tonle_operations_rejected",
            "Operations executed and rejected, by rejection code",
            self.operations_rejected.clone(),
        );
        registry.register(
            "tonle_requests_refused",
            "Requests refused before anything was queued",
            self.requests_refused.clone(),
        );
        registry.register(
            "tonle_peer_messages_refused",
            "Messages of peers that were refused",
            self.peer_messages_refused.clone(),
        );
        registry.register(
            "tonle_misbehaviour",
            "Offences of validators that this node holds proof of",
            self.misbehaviour.clone(),
        );
        self.register_snapshot(registry);
        let build: Family<Version, ConstGauge<u64>, fn() -> ConstGauge<u64>> =
            Family::new_with_constructor(|| ConstGauge::new(1));
        drop(build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }));
        registry.register("tonle_build_info", "Version of this node; always 1", build);
    }

    fn register_snapshot(&self, registry: &mut Registry) {
        registry.register(
            "tonle_snapshot_height",
            "Height of the snapshot that the database began with; 0: genesis",
            self.snapshot_height.clone(),
        );
        registry.register(
            "tonle_snapshot_chunks",
            "Chunks verified of the snapshot that this process fetched",
            self.snapshot_chunks.clone(),
        );
        registry.register(
            "tonle_snapshot_covered_256ths",
            "How much of its state tree is here, in 256ths",
            self.snapshot_covered.clone(),
        );
    }
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
