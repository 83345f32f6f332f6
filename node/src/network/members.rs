//! Who may connect: observers from the configuration, and validators as the chain lists them, which changes while the
//! node runs.
//!
//! Must not know: epochs, and who may vote.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use libp2p::PeerId;
use tonle_crypto::PublicKey;

use super::direct::Mailbox;
use super::driver::Driver;
use super::identity::peer_id;
use super::peers::Entry;
use super::swarm::limits;
use super::{Event, Member, NetworkError, Peer};

impl Driver {
    /// Lists those that only observe.
    pub(super) fn observe(&mut self, observers: &[(String, PublicKey)]) -> Result<(), NetworkError> {
        for (name, key) in observers {
            self.enlist(peer_id(key)?, name, Peer::Observer);
        }
        self.share();
        Ok(())
    }

    /// Takes over the list that [`super::Network::admit`] left.
    pub(super) fn take_over(&mut self) {
        let left = self.members.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = left.map(|members| self.admit(&members)) {
            tracing::error!(%error, "the list of validators was not taken over");
        }
    }

    /// Lists these validators and no others. Who stays keeps its connections.
    pub(super) fn admit(&mut self, members: &[Member]) -> Result<(), NetworkError> {
        let mut listed = BTreeSet::new();
        for Member { validator, addresses } in members {
            let (id, peer) = (peer_id(&validator.network_key)?, Peer::Validator(validator.key));
            listed.insert(id);
            if self.peers.get(&id).is_some_and(|entry| entry.peer != peer) {
                self.strike_off(id);
            }
            self.enlist(id, &validator.name, peer);
            if let Some(entry) = self.peers.get_mut(&id) {
                entry.addresses.clone_from(addresses);
            }
        }
        let gone =
            |(id, entry): (&PeerId, &Entry)| (entry.peer != Peer::Observer && !listed.contains(id)).then_some(*id);
        for id in self.peers.iter().filter_map(gone).collect::<Vec<_>>() {
            self.strike_off(id);
        }
        self.share();
        Ok(())
    }

    fn enlist(&mut self, id: PeerId, name: &str, peer: Peer) {
        let me = *self.swarm.local_peer_id();
        if id == me || self.peers.contains_key(&id) {
            return;
        }
        tracing::debug!(peer = name, ?peer, "peer listed");
        let entry = Entry::new(id, name.to_owned(), peer, Mailbox::new(self.metrics.clone()), me, Instant::now());
        self.peers.insert(id, entry);
        self.swarm.behaviour_mut().allowed.allow_peer(id);
    }

    /// Takes a peer off the list, which closes its connections.
    fn strike_off(&mut self, id: PeerId) {
        let Some(entry) = self.peers.remove(&id) else { return };
        tracing::info!(peer = entry.name, "peer is not listed any more");
        entry.mailbox.close();
        self.swarm.behaviour_mut().allowed.disallow_peer(id);
        if entry.is_connected() {
            self.metrics.peers.dec();
            if let Peer::Validator(key) = entry.peer {
                self.announce(key, Event::Disconnected(key), Vec::new());
            }
        }
    }

    /// Shows senders whose mailboxes there are, and makes room for as many connections.
    fn share(&mut self) {
        *self.swarm.behaviour_mut().limits.limits_mut() = limits(self.peers.len().saturating_add(1));
        let mailboxes = self.peers.values().map(|entry| (entry.peer, Arc::clone(&entry.mailbox))).collect();
        *self.mailboxes.write().unwrap_or_else(PoisonError::into_inner) = mailboxes;
    }
}
