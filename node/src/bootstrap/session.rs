//! The conversation with peers before the node begins: offers, the chain of boundaries, then the state's chunks. It must
//! not know what the database looks like.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tonle_consensus::{Boundary, Epoch};
use tonle_crypto::{PublicKey, Strict};
use tonle_replica::{Found, PeerMessage, Query, Request, Response, SnapshotFound, SnapshotOffer, SnapshotQuery, Trust};

use crate::network::{Destination, Event, Member, Network, Verdict};

/// How long offers are waited for.
const OFFERS_WAIT: Duration = Duration::from_secs(10);
/// Once there is an offer, how long others are waited for: a newer one may be among them, and more peers to share the work.
const OFFERS_MORE: Duration = Duration::from_secs(2);
/// A peer that does not answer about boundaries within this time is passed over.
const BOUNDARIES_WAIT: Duration = Duration::from_secs(5);
/// How often what is overdue is looked for.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// Something from the network.
#[derive(Debug)]
pub(super) enum Heard {
    /// An answer about snapshots.
    Answer(PublicKey, u64, SnapshotFound),
    /// A peer is there.
    Connected(PublicKey),
    /// A peer is gone.
    Disconnected(PublicKey),
    /// Time has passed.
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    network: Network,
    events: mpsc::Receiver<Event>,
    connected: BTreeSet<PublicKey>,
    peers: usize,
    next_id: u64,
}

impl Session {
    /// A conversation over `network` with `peers` others.
    pub(super) fn new(network: Network, events: mpsc::Receiver<Event>, peers: usize) -> Self {
        Session { network, events, connected: BTreeSet::new(), peers, next_id: 1 }
    }

    /// Talks with these, and with no others.
    pub(super) fn admit(&mut self, members: Vec<Member>) {
        self.peers = members.len().saturating_sub(1);
        self.network.admit(members);
    }

    /// Ids below this are used up.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Ids up to here are used up.
    pub(super) fn used(&mut self, id: u64) {
        self.next_id = self.next_id.max(id.saturating_add(1));
    }

    /// Asks a peer.
    pub(super) fn ask(&mut self, peer: PublicKey, id: u64, query: SnapshotQuery) {
        self.used(id);
        let request = Request { id, query: Query::Snapshot(query) };
        self.network.send(&Destination::Validators(vec![peer]), &PeerMessage::Request(request));
    }

    /// A peer said what no honest peer says.
    pub(super) fn blame(&mut self, peer: PublicKey, what: &'static str) {
        tracing::warn!(%peer, what, "a peer is not asked for the snapshot any more");
        self.network.penalise(peer, what);
        self.connected.remove(&peer);
    }

    /// The next thing heard, until `until` at the latest.
    pub(super) async fn hear(&mut self, until: Instant) -> Heard {
        loop {
            let Ok(Some(event)) = tokio::time::timeout_at(until.into(), self.events.recv()).await else {
                // Time has passed; or the network has ended, which its own shutdown alone does.
                tokio::time::sleep_until(until.into()).await;
                return Heard::Nothing;
            };
            match event {
                Event::Connected(peer) => {
                    self.connected.insert(peer);
                    return Heard::Connected(peer);
                }
                Event::Disconnected(peer) => {
                    self.connected.remove(&peer);
                    return Heard::Disconnected(peer);
                }
                Event::Message { from, message: PeerMessage::Response(Response { id, found }), held } => {
                    drop(held);
                    if let Found::Snapshot(found) = found {
                        return Heard::Answer(from, id, found);
                    }
                }
                // All of it comes again when the node itself connects.
                Event::Message { .. } | Event::SyncRequest { .. } => {}
                Event::GossipBatch { ticket, .. } => self.network.report(ticket, Verdict::Ignore),
            }
        }
    }

    /// What peers offer. Tells `connected` meanwhile how many there are.
    pub(super) async fn offers(&mut self, connected: impl Fn(usize)) -> Vec<(PublicKey, SnapshotOffer)> {
        let mut until = Instant::now() + OFFERS_WAIT;
        let (mut asked, mut answers, mut offers) = (BTreeMap::new(), 0usize, Vec::new());
        while Instant::now() < until && answers < self.peers {
            connected(self.connected.len());
            for peer in self.connected.clone() {
                if let Entry::Vacant(unasked) = asked.entry(peer) {
                    let id = self.next_id;
                    self.ask(peer, id, SnapshotQuery::Offer);
                    unasked.insert(id);
                }
            }
            match self.hear(until.min(Instant::now() + TICK)).await {
                Heard::Answer(from, id, SnapshotFound::Offer(offer)) if asked.get(&from) == Some(&id) => {
                    answers = answers.saturating_add(1);
                    if let Some(offer) = offer {
                        until = until.min(Instant::now() + OFFERS_MORE);
                        offers.push((from, *offer));
                    }
                    // Once each.
                    asked.insert(from, 0);
                }
                Heard::Disconnected(peer) => drop(asked.remove(&peer)),
                Heard::Answer(..) | Heard::Connected(_) | Heard::Nothing => {}
            }
        }
        offers
    }

    /// Goes forward to the epoch `to` with what `peers` say; false when none of them leads there.
    pub(super) async fn follow(&mut self, trust: &mut Trust, to: Epoch, peers: &[PublicKey]) -> bool {
        for peer in peers {
            while trust.epoch() < to {
                let before = trust.epoch();
                let Some(found) = self.boundaries(*peer, before, to).await else { break };
                for boundary in found {
                    if let Err(error) = trust.follow(boundary, &Strict) {
                        tracing::warn!(%peer, %error, "a boundary does not verify");
                        self.blame(*peer, "sent a boundary of epochs that does not verify");
                        break;
                    }
                }
                if trust.epoch() == before {
                    break;
                }
            }
        }
        trust.epoch() == to
    }

    async fn boundaries(&mut self, peer: PublicKey, from: Epoch, to: Epoch) -> Option<Vec<Boundary>> {
        let (id, until) = (self.next_id, Instant::now() + BOUNDARIES_WAIT);
        self.ask(peer, id, SnapshotQuery::Boundaries { from, to });
        while Instant::now() < until {
            match self.hear(until).await {
                Heard::Answer(answering, of, SnapshotFound::Boundaries(found)) if answering == peer && of == id => {
                    return Some(found);
                }
                Heard::Disconnected(gone) if gone == peer => return None,
                Heard::Answer(..) | Heard::Connected(_) | Heard::Disconnected(_) | Heard::Nothing => {}
            }
        }
        None
    }

    /// Ends the connections: the node makes new ones, on which peers show all that it must see (R9).
    pub(super) async fn end(self) {
        self.network.shutdown().await;
    }
}
