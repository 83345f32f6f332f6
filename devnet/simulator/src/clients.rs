//! The clients: each submits a transaction, and comes back until it has its receipt.
//!
//! Must not know: how a transaction becomes final.

use std::sync::Arc;

use tonle_crypto::Verified;
use tonle_ledger::SignedTransaction;
use tonle_replica::Event;

use crate::invariants::Breach;
use crate::timeline::Deed;
use crate::world::{Client, Happening, World};

/// A client asks again after this long without its receipt, in microseconds.
const CLIENT_PATIENCE_US: u64 = 2_000_000;

impl World {
    /// A client with this transaction submits it to `node` at `at`.
    pub(crate) fn enrol(&mut self, transaction: Arc<Verified<SignedTransaction>>, at: u64, node: usize) {
        self.clients.push(Client { transaction, accepted_by: Vec::new() });
        let client = self.clients.len() - 1;
        self.at(at, Happening::Submit { client, node: Some(node) });
    }

    /// A client submits, and comes back until it has its receipt. One whose transaction a node accepted trusts it, for
    /// as long as that node loses no files.
    pub(crate) fn submit(&mut self, client: usize, node: Option<usize>) -> Result<(), Breach> {
        let transaction = Arc::clone(&self.clients[client].transaction);
        if self.invariants.receipt(&transaction.id()).is_some() {
            return Ok(());
        }
        self.after(CLIENT_PATIENCE_US, Happening::Submit { client, node: None });
        // Whoever no longer serves may have taken it along.
        let reliable =
            |by: &usize| !self.nodes[*by].damaged && self.is_honest(*by) && self.rosters.serves(self.owner(*by));
        let trusted = self.clients[client].accepted_by.iter().any(reliable);
        if node.is_none() && trusted {
            return Ok(());
        }
        let live: Vec<usize> = (0..self.nodes.len()).filter(|node| self.nodes[*node].running.is_some()).collect();
        let Some(node) = node.or_else(|| self.dice.pick(&live)) else { return Ok(()) };
        self.note(Some(node), || Deed::Submits(client));
        let ticket = u64::try_from(client).unwrap_or(0);
        self.feed(node, Event::Submitted { transaction, ticket })
    }

    /// A node says that a transaction is durable in its lane.
    pub(crate) fn accepted(&mut self, node: usize, ticket: u64) {
        let client = usize::try_from(ticket).ok().and_then(|client| self.clients.get_mut(client));
        if let Some(client) = client {
            client.accepted_by.push(node);
        }
    }

    pub(crate) fn receipt(&self, client: &Client) -> Option<u64> {
        self.invariants.receipt(&client.transaction.id())
    }
    pub(crate) fn last_receipt(&self) -> u64 {
        self.clients.iter().filter_map(|client| self.receipt(client)).max().unwrap_or(0)
    }

    /// Is every transaction final on every node?
    pub(crate) fn is_settled(&self) -> bool {
        let last = self.last_receipt();
        self.clients.iter().all(|client| self.receipt(client).is_some())
            && self.honest().all(|node| node.disk.height() >= last)
    }
}
