//! The network: validators linked by libp2p. Direct streams carry consensus messages, acknowledgements and sync;
//! gossipsub carries batches.
//!
//! Only identities on the list may connect, and only configured addresses are dialed. Nothing here verifies a signature
//! or knows what a message means: what arrives is decoded, bounded and handed over **not verified**.
//!
//! How the parts fit:
//! ```text
//!  event loop ──send──▶ outbox (bounded, by peer and class) ──writer task──▶ stream ─▶ peer
//!  event loop ◀─events─ (bounded) ◀──reader task── stream ◀─ peer        driver: swarm, dials, greetings, gossip
//! ```
//! Sending never waits and goes round the driver, so that a vote is one task switch away from its connection.

mod config;
mod direct;
mod driver;
mod frame;
mod gossip;
mod identity;
mod members;
mod metrics;
mod outbox;
mod peers;
mod streams;
mod swarm;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use libp2p::gossipsub::MessageId;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tonle_consensus::Validator;
use tonle_crypto::{Canonical as _, PublicKey};
use tonle_replica::{PeerMessage, RawBatch, Request, Response};

pub use config::Config;
pub use driver::start;
pub use identity::peer_id;
pub use metrics::NetworkMetrics;

use config::Class;
use direct::Mailbox;
use frame::Room;

/// Why the network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A network key is no ed25519 key for libp2p.
    #[error("a network key is not usable as a libp2p identity")]
    Identity,
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the transport says.
        reason: String,
    },
    /// The transports cannot be set up.
    #[error("cannot set up the transports: {0}")]
    Transport(String),
    /// Gossipsub refuses its configuration.
    #[error("cannot set up gossip: {0}")]
    Gossip(String),
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A listed validator, by its consensus key: one of this epoch, of the next or of the last. Its place in a set is the
    /// event loop's business, for sets change.
    Validator(PublicKey),
    /// A listed participant without a validator.
    Observer,
}

/// What the network tells the event loop. Decoded and within bounds; **no signature was checked**.
#[derive(Debug)]
pub enum Event {
    /// A validator is connected and on this chain. It comes again, without a [`Event::Disconnected`] in between, when a
    /// connection was renewed: what was under way may be lost, so state is sent again (R9).
    Connected(PublicKey),
    /// No connection to the validator is left. It is being dialed.
    Disconnected(PublicKey),
    /// A validator sent a message directly.
    Message {
        /// The connection's authenticated identity.
        from: PublicKey,
        /// Everything but [`PeerMessage::Request`].
        message: PeerMessage,
        /// Keep it until the message is dealt with.
        held: Held,
    },
    /// A peer asks for what it lacks.
    SyncRequest {
        /// The connection's authenticated identity.
        from: Peer,
        /// What it asks for.
        request: Request,
        /// Takes the answer.
        responder: Responder,
        /// Keep it until the request is dealt with.
        held: Held,
    },
    /// A batch came by gossip for the first time. It goes on to others only after [`Network::report`] accepts it.
    GossipBatch {
        /// Who passed it on.
        via: Peer,
        /// The batch.
        batch: Arc<RawBatch>,
        /// Names it to [`Network::report`].
        ticket: GossipTicket,
        /// Keep it until the batch is verified.
        held: Held,
    },
}

/// Memory that what was received takes from its sender's budget. While a peer's budget is used up, nothing more is
/// read from it: dropping this too early lets one peer fill the node's memory, keeping it for ever silences the peer.
#[derive(Debug)]
#[must_use = "dropping it gives the peer's budget back at once"]
pub struct Held {
    _room: Room,
}

impl Held {
    fn new(room: Room) -> Self {
        Held { _room: room }
    }
}

/// Takes the answer to one sync request. Dropping it leaves the request unanswered, and the peer asks somebody else.
#[derive(Debug)]
pub struct Responder {
    mailbox: Arc<Mailbox>,
    _slot: OwnedSemaphorePermit,
}

impl Responder {
    fn new(mailbox: Arc<Mailbox>, slot: OwnedSemaphorePermit) -> Self {
        Responder { mailbox, _slot: slot }
    }

    /// Queues the answer for the peer; never waits. When the peer's queue is full the answer is dropped and counted.
    pub fn respond(self, response: Response) {
        let message = PeerMessage::Response(response);
        self.mailbox.push(Class::Sync, frame::message(message.encode()));
    }
}

/// Names one gossiped batch.
#[derive(Debug, Clone)]
pub struct GossipTicket {
    id: MessageId,
    source: PeerId,
}

/// What became of a gossiped batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Valid: it is passed on.
    Accept,
    /// Invalid by its bytes alone: not passed on, and who passed it here is penalised.
    Reject,
    /// Not looked at, or of no use: not passed on, nobody's fault.
    Ignore,
}

/// To whom a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To all who are listed, observers too.
    All,
    /// To these validators, by consensus key.
    Validators(Vec<PublicKey>),
}

/// A validator that may connect, and where to dial it; without an address it is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name and keys.
    pub validator: Validator,
    /// Where to dial it.
    pub addresses: Vec<Multiaddr>,
}

/// What the handle asks of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    Gossip(Vec<u8>),
    Report {
        ticket: GossipTicket,
        verdict: Verdict,
    },
    Penalise {
        validator: PublicKey,
        reason: &'static str,
    },
    /// See [`Network::admit`]: the list lies beside the queue.
    Admit,
    Shutdown {
        done: oneshot::Sender<()>,
    },
}

/// Where to leave frames for each peer. The driver alone writes it, when the list changes.
type Mailboxes = Arc<RwLock<Vec<(Peer, Arc<Mailbox>)>>>;

/// The latest list that the driver has not taken over.
type Members = Arc<Mutex<Option<Vec<Member>>>>;

/// A handle to the running network. Cloning shares it; no call but [`Network::shutdown`] waits.
#[derive(Debug, Clone)]
pub struct Network {
    mailboxes: Mailboxes,
    members: Members,
    commands: mpsc::Sender<Command>,
    listeners: Arc<[Multiaddr]>,
    metrics: NetworkMetrics,
}

impl Network {
    /// Queues a message. It is encoded once. A peer that is not connected gets nothing: it is sent the state when it
    /// connects. A queue that is full drops by its class's rule.
    pub fn send(&self, to: &Destination, message: &PeerMessage) {
        let class = direct::class_of(message);
        let frame = frame::message(message.encode());
        let wanted = |peer: &Peer| match (to, peer) {
            (Destination::All, _) => true,
            (Destination::Validators(keys), Peer::Validator(key)) => keys.contains(key),
            (Destination::Validators(_), Peer::Observer) => false,
        };
        let mailboxes = self.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
        for (_, mailbox) in mailboxes.iter().filter(|(peer, _)| wanted(peer)) {
            mailbox.push(class, frame.clone());
        }
    }

    /// Gossips an own batch. A batch is gossiped once: the same bytes again within a minute are not sent, so a peer
    /// that missed it is sent it directly, or asks for it.
    pub fn gossip(&self, batch: &RawBatch) {
        if self.commands.try_send(Command::Gossip(batch.bytes().to_vec())).is_err() {
            self.metrics.gossip_dropped.inc();
        }
    }

    /// Says what verification made of a gossiped batch.
    pub fn report(&self, ticket: GossipTicket, verdict: Verdict) {
        // A report that finds the queue full is as good as Ignore: the batch is not passed on, and is fetched.
        if self.commands.try_send(Command::Report { ticket, verdict }).is_err() {
            self.metrics.gossip_ignored.inc();
        }
    }

    /// Closes the validator's connections and shuts it out for a while, which doubles each time: it sent what no honest
    /// peer sends.
    pub fn penalise(&self, validator: PublicKey, reason: &'static str) {
        // When the queue is full the offence goes unpunished; the next one will not.
        let _ = self.commands.try_send(Command::Penalise { validator, reason });
    }

    /// From now on these validators may connect, beside the observers that the configuration lists. Who is no longer
    /// listed loses its connections.
    pub fn admit(&self, members: Vec<Member>) {
        *self.members.lock().unwrap_or_else(PoisonError::into_inner) = Some(members);
        // When the queue is full the driver is awake anyway, and looks before it waits again.
        let _ = self.commands.try_send(Command::Admit);
    }

    /// Closes every connection and listener. Events end after it.
    pub async fn shutdown(&self) {
        let (done, ended) = oneshot::channel();
        if self.commands.send(Command::Shutdown { done }).await.is_ok() {
            // An error means that the driver is gone, which is what was asked for.
            let _ = ended.await;
        }
    }

    /// The addresses listened on, with the ports that the system chose.
    #[must_use]
    pub fn listeners(&self) -> &[Multiaddr] {
        &self.listeners
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &NetworkMetrics {
        &self.metrics
    }
}
