//! The way into the event loop. Every sender is bounded on its own side: peers by the budget that [`Held`] stands for,
//! clients by the pool's bound, storage and execution by what the loop itself handed them. So the queue needs no bound
//! of its own, and nothing that must arrive is ever dropped.

use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::oneshot;
use tonle_consensus::Checkpoint;
use tonle_crypto::{Digest, PublicKey, Verified};
use tonle_ledger::SignedTransaction;
use tonle_replica::{CheckedMessage, Members, Refusal};

use crate::network::Held;
use crate::storage::Error;

/// What a listed validator, named by its consensus key, did.
#[derive(Debug)]
pub enum PeerArrival {
    /// A connection to it is new or renewed.
    Connected(PublicKey),
    /// The last connection to it is gone.
    Disconnected(PublicKey),
    /// It sent a message, which was checked.
    Message {
        /// Whose connection it came over; for a gossiped batch, whoever passed it on.
        from: PublicKey,
        /// The message.
        message: Box<CheckedMessage>,
    },
}

/// What reaches the event loop.
#[derive(Debug)]
pub enum Arrival {
    /// A connection or a peer's checked message.
    Peer {
        /// What happened.
        what: PeerArrival,
        /// The sender's budget, given back once the replica has dealt with it.
        held: Option<Held>,
    },
    /// A client's transaction.
    Submitted {
        /// Its signatures are checked.
        transaction: Verified<SignedTransaction>,
        /// Told once the transaction is durable in this node's lane.
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// Batches are durable in the batch log.
    Stored(Vec<(PublicKey, u64, Digest)>),
    /// A block is executed and durable in the database.
    Executed {
        /// Height and roots after it.
        checkpoint: Checkpoint,
        /// The ledger's list of validators, when the block changed it.
        members: Option<Members>,
    },
    /// Storage failed: the process must stop.
    Failed(Error),
    /// The process was told to stop.
    Stop,
}

/// Sends to the event loop; cheap to clone, never blocks.
#[derive(Debug, Clone)]
pub struct Inbox(Sender<Arrival>);

impl Inbox {
    /// A new inbox, and the loop's end of it.
    #[must_use]
    pub fn new() -> (Self, Receiver<Arrival>) {
        let (sender, receiver) = channel();
        (Inbox(sender), receiver)
    }

    /// Hands over an arrival. After the loop has ended it is dropped: whoever waits for an answer sees its channel
    /// close.
    pub fn send(&self, arrival: Arrival) {
        if self.0.send(arrival).is_err() {
            tracing::debug!("arrival after the event loop's end");
        }
    }
}
