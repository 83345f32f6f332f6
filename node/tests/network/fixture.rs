//! Nodes' networks for the tests: real libp2p over loopback, in one process. Nothing here sleeps: it waits for events,
//! or for a counter to move, and gives up after a time that no healthy machine needs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tonle_consensus::{Height, Validator};
use tonle_crypto::{Canonical as _, Digest, PublicKey, SecretKey, Writer};
use tonle_node::network::{self, Config, Event, Member, Network};
use tonle_replica::{PeerMessage, RawBatch};

/// Far above what anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The chain of all tests.
pub(crate) const GENESIS: Digest = Digest::from_bytes([7; 32]);

/// A loopback address with a port that the system chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TCP, Noise, Yamux.
    Tcp,
    /// QUIC.
    Quic,
}

impl Transport {
    pub(crate) fn any_port(self) -> Multiaddr {
        self.port(0)
    }

    pub(crate) fn port(self, port: u16) -> Multiaddr {
        match self {
            Transport::Tcp => format!("/ip4/127.0.0.1/tcp/{port}"),
            Transport::Quic => format!("/ip4/127.0.0.1/udp/{port}/quic-v1"),
        }
        .parse()
        .expect("an address")
    }
}

/// The network key of validator `index`, or of a stranger with a higher number.
pub(crate) fn network_key(index: u16) -> SecretKey {
    let mut seed = [1; 32];
    seed[..2].copy_from_slice(&index.to_be_bytes());
    SecretKey::from_seed(&seed)
}

/// The key that validator `index` signs its lane with.
pub(crate) fn lane_key(index: u16) -> SecretKey {
    let mut seed = [2; 32];
    seed[..2].copy_from_slice(&index.to_be_bytes());
    SecretKey::from_seed(&seed)
}

/// What names validator `index` to the network's user.
pub(crate) fn name(index: u16) -> PublicKey {
    lane_key(index).public()
}

pub(crate) fn member(index: u16) -> Member {
    let (key, network_key) = (name(index), network_key(index).public());
    Member { validator: Validator { name: format!("bank{index}"), key, network_key }, addresses: Vec::new() }
}

/// Tells a node where to dial validator `peer`.
pub(crate) fn dial(config: &mut Config, peer: u16, address: Multiaddr) {
    let known = config.members.iter_mut().find(|member| member.validator.key == name(peer));
    known.expect("a listed validator").addresses.push(address);
}

/// What node `me` of `count` validators is started with; it dials nobody yet.
pub(crate) fn config(me: u16, count: u16, listen: Multiaddr) -> Config {
    Config {
        identity: network_key(me),
        genesis: GENESIS,
        protocol_version: 1,
        members: (0..count).map(member).collect(),
        observers: Vec::new(),
        listen: vec![listen],
        memory_bytes_max: None,
    }
}

/// A running network and its events.
pub(crate) struct Node {
    pub(crate) network: Network,
    pub(crate) events: mpsc::Receiver<Event>,
}

impl Node {
    pub(crate) async fn start(config: Config) -> Node {
        let (network, events) = network::start(config).await.expect("the network starts");
        Node { network, events }
    }

    pub(crate) fn address(&self) -> Multiaddr {
        self.network.listeners().first().expect("it listens").clone()
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Event {
        within(self.events.recv()).await.expect("the network runs")
    }

    /// Skips events until the first for which `wanted` gives something.
    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    pub(crate) async fn until_connected(&mut self, peer: u16) {
        self.until(|event| matches!(event, Event::Connected(who) if who == name(peer)).then_some(())).await;
    }

    pub(crate) async fn until_disconnected(&mut self, peer: u16) {
        self.until(|event| matches!(event, Event::Disconnected(who) if who == name(peer)).then_some(())).await;
    }

    /// Skips until a direct message.
    pub(crate) async fn message(&mut self) -> (PublicKey, PeerMessage) {
        self.until(|event| match event {
            Event::Message { from, message, .. } => Some((from, message)),
            _ => None,
        })
        .await
    }
}

/// `count` nodes, each of which dials those before it, all connected to all.
pub(crate) async fn mesh(count: u16, transport: Transport) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for me in 0..count {
        let mut config = config(me, count, transport.any_port());
        for (peer, node) in (0..).zip(&nodes) {
            dial(&mut config, peer, node.address());
        }
        nodes.push(Node::start(config).await);
    }
    for (me, node) in (0..).zip(&mut nodes) {
        let mut missing: Vec<u16> = (0..count).filter(|peer| *peer != me).collect();
        while !missing.is_empty() {
            if let Event::Connected(who) = node.next().await {
                missing.retain(|peer| name(*peer) != who);
            }
        }
    }
    nodes
}

/// Waits for `future`, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

/// Waits until a counter is at least `count`.
pub(crate) async fn counted(counter: &Counter, count: u64) {
    assert!(is_counted(counter, count).await, "{} of {count} in time", counter.get());
}

/// Does a counter become at least `count`?
pub(crate) async fn is_counted(counter: &Counter, count: u64) -> bool {
    let reached = async {
        let mut look = tokio::time::interval(Duration::from_millis(2));
        while counter.get() < count {
            look.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.is_ok()
}

/// A small message that says a number.
pub(crate) fn tip(height: u64) -> PeerMessage {
    PeerMessage::FinalTip { height: Height::new(height) }
}

/// A batch of `lane` as it travels, with one transaction of `bytes` bytes. Its signature is not valid, which the
/// network does not look at.
pub(crate) fn batch(lane: &PublicKey, seq: u64, bytes: usize) -> Arc<RawBatch> {
    let mut writer = Writer::new();
    writer.raw(b"tonle/v1/batch\0").digest(&GENESIS).key(lane).u64(seq).digest(&Digest::ZERO);
    writer.length(1).bytes(&vec![0x5a; bytes]).raw(&[0; 64]);
    Arc::new(RawBatch::decode(&writer.finish()).expect("a batch"))
}
