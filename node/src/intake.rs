//! From the network to the event loop: every message passes the signature pool on its way. It must not know what a
//! message means, and never blocks: a peer that sends more than its share loses what is above it.

use std::sync::Arc;
use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tonle_crypto::{Canonical as _, PublicKey};
use tonle_replica::{InvalidBatch, InvalidMessage, PeerMessage};

use crate::backend::Peers;
use crate::event_loop::{Arrival, Inbox, PeerArrival};
use crate::metrics::{Metrics, Reason};
use crate::network::{self, GossipTicket, Held, Network, Peer, Verdict};
use crate::signatures::{PeerResult, PoolError, SignaturePool};
use crate::sync_server::ObserverRequests;

/// What the intake hands messages to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Checks signatures.
    pub pool: SignaturePool,
    /// The event loop.
    pub inbox: Inbox,
    /// For verdicts and penalties.
    pub network: Network,
    /// Answers observers from disk.
    pub observers: ObserverRequests,
    /// Who is connected, for operators.
    pub peers: Peers,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl Intake {
    /// Takes the network's events until it ends.
    pub async fn run(self, mut events: mpsc::Receiver<network::Event>) {
        while let Some(event) = events.recv().await {
            self.take(event);
        }
    }

    fn take(&self, event: network::Event) {
        match event {
            network::Event::Connected(validator) => {
                self.mark(validator, Some(true));
                self.inbox.send(Arrival::Peer { what: PeerArrival::Connected(validator), held: None });
            }
            network::Event::Disconnected(validator) => {
                self.mark(validator, Some(false));
                self.inbox.send(Arrival::Peer { what: PeerArrival::Disconnected(validator), held: None });
            }
            network::Event::Message { from, message, held } => {
                self.mark(from, None);
                self.check(from, message, held, None);
            }
            network::Event::SyncRequest { from, request, responder, held } => match from {
                // The replica knows blocks that are not on disk yet; it passes on what is.
                Peer::Validator(from) => self.check(from, PeerMessage::Request(request), held, None),
                Peer::Observer => self.observers.serve(responder, request),
            },
            network::Event::GossipBatch { via, batch, ticket, held } => {
                let from = match via {
                    Peer::Validator(via) => via,
                    // Counted as its author's; an author that nobody knows would be one more to count for.
                    Peer::Observer if self.pool.knows(batch.lane()) => *batch.lane(),
                    Peer::Observer => return self.network.report(ticket, Verdict::Ignore),
                };
                self.check(from, PeerMessage::Batch(batch), held, Some(ticket));
            }
        }
    }

    /// Has the message checked, then hands it on. `ticket` is a gossiped batch's, which waits for a verdict.
    fn check(&self, from: PublicKey, message: PeerMessage, held: Held, ticket: Option<GossipTicket>) {
        let bytes = match &message {
            PeerMessage::Batch(batch) => batch.bytes().len(),
            PeerMessage::Response(response) => response.encode().len(),
            PeerMessage::Consensus(_)
            | PeerMessage::Acknowledge(_)
            | PeerMessage::Request(_)
            | PeerMessage::FinalTip { .. }
            | PeerMessage::Misbehaviour(_)
            | PeerMessage::MisbehaviourKnown { .. } => 0,
        };
        let this = self.clone();
        let gossiped = ticket.clone();
        let deliver = move |result: PeerResult| {
            let verdict = match &result {
                Ok(message) if message.counts() => Verdict::Accept,
                Ok(_) => Verdict::Ignore,
                Err(_) => Verdict::Reject,
            };
            if let Some(ticket) = gossiped.clone() {
                this.network.report(ticket, verdict);
            }
            match result {
                Ok(message) => {
                    let what = PeerArrival::Message { from, message: Box::new(message) };
                    this.inbox.send(Arrival::Peer { what, held: Some(held) });
                }
                // Gossipsub scores whoever passed it on; the connection of a direct message is its sender's own.
                Err(error) if gossiped.is_some() => this.refuse(from, &error),
                // Of a lane that ended, or begins: news of it travels apart.
                Err(error @ InvalidMessage::Batch(InvalidBatch::Lane)) => this.refuse(from, &error),
                Err(error) => {
                    this.refuse(from, &error);
                    this.network.penalise(from, "sent a message that does not verify");
                }
            }
        };
        if let Err(PoolError::Full | PoolError::Ended) = self.pool.check_message(from, message, bytes, deliver) {
            self.metrics.peer_messages_refused.get_or_create(&Reason::new("too_many")).inc();
            if let Some(ticket) = ticket {
                self.network.report(ticket, Verdict::Ignore);
            }
        }
    }

    fn refuse(&self, from: PublicKey, error: &InvalidMessage) {
        tracing::debug!(%from, %error, "a peer's message was refused");
        self.metrics.peer_messages_refused.get_or_create(&Reason::new("invalid")).inc();
    }

    /// Notes for operators that the validator was heard, and whether it is connected when that changed.
    fn mark(&self, validator: PublicKey, connected: Option<bool>) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.entry(validator).or_default();
        peer.last_seen_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        if let Some(connected) = connected {
            peer.connected = connected;
            let count = peers.values().filter(|peer| peer.connected).count();
            self.metrics.connected_peers.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
