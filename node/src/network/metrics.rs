//! What the network counts. The registry belongs to the node's metrics; this only adds to it.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::config::Class;

/// The stream a number is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

/// The peer a number is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerLabel {
    peer: String,
}

/// The network's counters. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct NetworkMetrics {
    /// Peers that are connected and greeted.
    pub peers: Gauge,
    /// Connections refused because the identity is on no list.
    pub refused: Counter,
    /// Connections refused because there are too many, or the process holds too much memory.
    pub limited: Counter,
    /// Connections whose handshake failed: no libp2p, or bytes that make no sense.
    pub handshakes_failed: Counter,
    /// Connections closed because the peer is on another chain, version or validator set.
    pub mismatched: Counter,
    /// Frames or gossip that no honest peer sends.
    pub malformed: Counter,
    /// Times that a peer was shut out for a while.
    pub penalties: Counter,
    /// Dials begun.
    pub dials: Counter,
    /// Dials that led to no connection.
    pub dials_failed: Counter,
    /// Links closed because pings or frames got stuck.
    pub stalled: Counter,
    /// Batches this node gossiped.
    pub gossip_published: Counter,
    /// Batches that came by gossip, first copies only.
    pub gossip_received: Counter,
    /// Gossiped batches that were not valid.
    pub gossip_rejected: Counter,
    /// Gossiped batches not looked at because the node was behind; they are fetched when needed.
    pub gossip_ignored: Counter,
    /// Own batches that gossip did not take; they travel by direct streams and by fetching.
    pub gossip_dropped: Counter,
    frames_sent: Family<ClassLabel, Counter>,
    frames_received: Family<ClassLabel, Counter>,
    frames_dropped: Family<ClassLabel, Counter>,
    bytes_sent: Family<ClassLabel, Counter>,
    bytes_received: Family<ClassLabel, Counter>,
    round_trip_seconds: Family<PeerLabel, Gauge<f64, AtomicU64>>,
}

impl NetworkMetrics {
    /// Adds every counter to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("network");
        registry.register("peers", "Peers connected and greeted", self.peers.clone());
        let counters = [
            ("refused", "Connections refused: identity on no list", &self.refused),
            ("limited", "Connections refused: above a limit", &self.limited),
            ("handshakes_failed", "Inbound connections whose handshake failed", &self.handshakes_failed),
            ("mismatched", "Connections closed: other chain, version or validator set", &self.mismatched),
            ("malformed", "Frames or gossip that no honest peer sends", &self.malformed),
            ("penalties", "Times a peer was shut out for a while", &self.penalties),
            ("dials", "Dials begun", &self.dials),
            ("dials_failed", "Dials that led to no connection", &self.dials_failed),
            ("stalled", "Links closed because pings or frames got stuck", &self.stalled),
            ("gossip_published", "Batches gossiped by this node", &self.gossip_published),
            ("gossip_received", "Batches received by gossip", &self.gossip_received),
            ("gossip_rejected", "Gossiped batches that were invalid", &self.gossip_rejected),
            ("gossip_ignored", "Gossiped batches not looked at: the node was behind", &self.gossip_ignored),
            ("gossip_dropped", "Own batches that gossip did not take", &self.gossip_dropped),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let families = [
            ("frames_sent", "Frames written to direct streams", &self.frames_sent),
            ("frames_received", "Frames read from direct streams", &self.frames_received),
            ("frames_dropped", "Frames dropped because a peer's queue was full", &self.frames_dropped),
            ("bytes_sent", "Bytes written to direct streams", &self.bytes_sent),
            ("bytes_received", "Bytes read from direct streams", &self.bytes_received),
        ];
        for (name, help, family) in families {
            registry.register(name, help, family.clone());
        }
        registry.register("round_trip_seconds", "Last ping's round trip", self.round_trip_seconds.clone());
    }

    /// Frames dropped because the queue of some peer was full, over all classes.
    #[must_use]
    pub fn frames_dropped(&self) -> u64 {
        let count = |class: Class| self.frames_dropped.get_or_create(&label(class)).get();
        Class::ALL.into_iter().map(count).fold(0, u64::saturating_add)
    }

    pub(super) fn sent(&self, class: Class, bytes: usize) {
        self.frames_sent.get_or_create(&label(class)).inc();
        self.bytes_sent.get_or_create(&label(class)).inc_by(bytes as u64);
    }

    pub(super) fn received(&self, class: Class, bytes: usize) {
        self.frames_received.get_or_create(&label(class)).inc();
        self.bytes_received.get_or_create(&label(class)).inc_by(bytes as u64);
    }

    pub(super) fn dropped(&self, class: Class, frames: usize) {
        self.frames_dropped.get_or_create(&label(class)).inc_by(frames as u64);
    }

    pub(super) fn round_trip(&self, peer: &str, seconds: f64) {
        self.round_trip_seconds.get_or_create(&PeerLabel { peer: peer.to_owned() }).set(seconds);
    }
}

fn label(class: Class) -> ClassLabel {
    ClassLabel { class: class.label() }
}
