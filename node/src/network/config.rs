//! What the network is started with, and every bound it keeps. Knows no file and no environment: the shell's
//! configuration fills it in.

use std::time::Duration;

use libp2p::Multiaddr;
use tonle_crypto::{Digest, PublicKey, SecretKey};
use tonle_replica::bounds::{BATCH_BYTES_MAX, MESSAGE_BYTES_MAX};

use super::Member;

/// What an envelope adds to what is inside it: tags, lengths, a gossip topic, a list's headers.
const ENVELOPE_BYTES: usize = 64 * 1024;

/// The largest gossiped message: a batch in gossipsub's protobuf.
pub(super) const GOSSIP_BYTES_MAX: usize = BATCH_BYTES_MAX + ENVELOPE_BYTES;

/// How long a hello may take, and how long a stream may refuse to take a frame, before its connection is closed. Far
/// above any healthy link's pause; a reader that stalls longer is of no use, and its connection only holds memory.
pub(super) const STALL_MAX: Duration = Duration::from_secs(10);

/// How long a transport may take to connect, authenticate and multiplex. Six round trips of 300 ms fit twice; a dial
/// into a partition gives up soon enough for the network to be back within seconds of its healing.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Between pings. They measure the round trip and find links that are dead without having been closed.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(2);

/// A link whose ping is not answered for this long is closed and dialed anew.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Events that wait for the event loop. Direct streams wait when it is full; gossip is ignored (and fetched later).
pub(super) const EVENTS_MAX: usize = 1024;

/// Commands that wait for the network's task.
pub(super) const COMMANDS_MAX: usize = 1024;

/// Reports of stream tasks that wait for the network's task.
pub(super) const NOTICES_MAX: usize = 1024;

/// Sync requests of one peer that are served at once; the next waits in its stream.
pub(super) const REQUESTS_MAX: usize = 8;

/// Streams of one connection that may be under negotiation at once, and over QUIC open. Three direct ones and one of
/// gossipsub each way, pings, and slack. Once negotiated, a stream takes the place of the one before it.
pub(super) const STREAMS_MAX: usize = 32;

/// What Yamux is told that a connection's streams may be. It sets 256 KiB of its 1 GiB of receive windows aside for
/// each, and lets windows grow into the rest, which a peer could fill while this node's event loop stands still: this
/// number leaves 16 MiB to grow into. [`STREAMS_MAX`] bounds the streams.
pub(super) const MUXER_STREAMS: usize = (1024 - 16) * 4;

/// Connections from strangers whose handshake has not ended yet.
pub(super) const PENDING_INCOMING_MAX: u32 = 64;

/// Connections to one peer: two, because both may dial at once; the extra one is closed within a round trip.
pub(super) const CONNECTIONS_PER_PEER_MAX: u32 = 2;

/// Which of the direct streams a message travels on. Small urgent messages never queue behind bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    /// Consensus messages, acknowledgements, final tips: small, urgent, superseded by newer ones.
    Consensus,
    /// Batches that go directly to a leader.
    Data,
    /// Requests for what is missing, and their answers.
    Sync,
}

impl Class {
    /// Every class.
    pub(super) const ALL: [Class; 3] = [Class::Consensus, Class::Data, Class::Sync];

    /// Name in libp2p's protocol negotiation.
    pub(super) const fn protocol(self) -> &'static str {
        match self {
            Class::Consensus => "/tonle/consensus/1",
            Class::Data => "/tonle/data/1",
            Class::Sync => "/tonle/sync/1",
        }
    }

    /// Name in metrics and logs.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Class::Consensus => "consensus",
            Class::Data => "data",
            Class::Sync => "sync",
        }
    }

    /// Position in arrays with one element for each class.
    pub(super) const fn index(self) -> usize {
        match self {
            Class::Consensus => 0,
            Class::Data => 1,
            Class::Sync => 2,
        }
    }

    /// The largest frame.
    pub(super) const fn frame_bytes_max(self) -> usize {
        match self {
            // A proposal of 100 validators: its certificates are below 64 KB, its cut below 8 KB, its inline batches
            // at most 64 KB.
            Class::Consensus => 512 * 1024,
            Class::Data => BATCH_BYTES_MAX + ENVELOPE_BYTES,
            Class::Sync => MESSAGE_BYTES_MAX + ENVELOPE_BYTES,
        }
    }

    /// Bytes of one peer's messages that were received and not yet dropped by the shell. A multiple of the largest
    /// frame, so that one can always come in; a peer above it waits, and only that peer does.
    pub(super) const fn inbound_bytes_max(self) -> usize {
        match self {
            Class::Consensus => 4 * 1024 * 1024,
            Class::Data | Class::Sync => 12 * 1024 * 1024,
        }
    }

    /// Frames and bytes that wait to be sent to one peer.
    pub(super) const fn outbound_max(self) -> (usize, usize) {
        match self {
            Class::Consensus => (1024, 4 * 1024 * 1024),
            Class::Data => (64, 8 * 1024 * 1024),
            Class::Sync => (64, 12 * 1024 * 1024),
        }
    }
}

/// What the network is started with.
#[derive(Debug)]
pub struct Config {
    /// This node's libp2p identity. Its public half stands in the validator set, or on the others' lists of observers.
    pub identity: SecretKey,
    /// The chain's genesis digest: peers on another chain are refused.
    pub genesis: Digest,
    /// Version of the protocol between validators, from genesis.
    pub protocol_version: u16,
    /// The validators that may connect, this node too if it is one, with where to dial each. No other address is ever
    /// dialed.
    pub members: Vec<Member>,
    /// Who else may connect, by network key, with a name for logs: participants without a validator. They receive what
    /// everybody receives and may ask for finalized blocks; nothing else is taken from them.
    pub observers: Vec<(String, PublicKey)>,
    /// Where to listen: `/ip4/…/tcp/…` and `/ip4/…/udp/…/quic-v1`.
    pub listen: Vec<Multiaddr>,
    /// No new connection is taken while the process holds more physical memory than this, in bytes. Off by default:
    /// connections are few and each is bounded, and a node whose database cache grew should not lose its peers.
    pub memory_bytes_max: Option<usize>,
}
