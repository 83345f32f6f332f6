//! The signature pool: every signature that enters the node is checked here, in parallel, off the voting thread. What
//! comes out is `Verified` or checked, and nothing else reaches the core. It must not know what a message means.
//!
//! Two groups of threads, so that a vote never waits behind a large batch: one for consensus messages, one for data.
//! What carries no signature is checked on the caller's thread. Within one peer and one group, results come out in the
//! order the messages went in. Each peer has its own bound in each group, so none can crowd out another.

mod memo;
mod order;
mod workers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tonle_crypto::{Digest, PublicKey, Verified};
use tonle_ledger::{Rejection, SignedTransaction};
use tonle_replica::{CheckedMessage, Found, InvalidMessage, PeerContext, PeerMessage};

pub use memo::Memo;
use order::Ordered;
use workers::Workers;

/// Consensus messages and requests of one peer under way at once. Small; a peer that sends more is ahead of its votes.
const CONTROL_MAX: usize = 1_024;
/// Batches and responses of one peer under way at once.
const DATA_MAX: usize = 256;
/// Their bytes, at most. At least one is always taken.
const DATA_BYTES_MAX: usize = 16 << 20;
/// Clients' transactions under way at once; further ones wait their turn.
const TRANSACTIONS_MAX: usize = 1_024;

/// Why the pool did not take a message, or did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// This peer has too much under way. What is dropped here the protocol sends again.
    #[error("too many messages of this peer await verification")]
    Full,
    /// The pool is shutting down.
    #[error("the signature pool has ended")]
    Ended,
}

/// The threads of the pool could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the signature pool: {0}")]
pub struct PoolFailed(#[from] std::io::Error);

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SignaturePool(Arc<Inner>);

/// The results of each peer and pool, in order.
type Orders = BTreeMap<(PublicKey, Class), Arc<Ordered<PeerResult>>>;

#[derive(Debug)]
struct Inner {
    control: Workers,
    data: Workers,
    context: Arc<PeerContext>,
    chain: Digest,
    memo: Arc<Memo>,
    peers: Mutex<Orders>,
    transactions: Arc<Semaphore>,
}

/// A peer's message as it left the pool.
pub type PeerResult = Result<CheckedMessage, InvalidMessage>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Control,
    Data,
}

impl SignaturePool {
    /// Starts a pool with `threads` threads for data and as many, at most two, for consensus messages. `context` is
    /// what peers' messages are checked against.
    ///
    /// # Errors
    /// [`PoolFailed`] when the system refuses the threads.
    pub fn start(threads: usize, context: Arc<PeerContext>) -> Result<Self, PoolFailed> {
        Ok(SignaturePool(Arc::new(Inner {
            control: Workers::start("votes", threads.clamp(1, 2))?,
            data: Workers::start("signatures", threads.max(1))?,
            chain: context.chain(),
            context,
            memo: Arc::new(Memo::new()),
            peers: Mutex::default(),
            transactions: Arc::new(Semaphore::new(TRANSACTIONS_MAX)),
        })))
    }

    /// The memo in front of the acceptance rule, for others who check the same signatures.
    #[must_use]
    pub fn memo(&self) -> &Arc<Memo> {
        &self.0.memo
    }

    /// Is this the lane of a validator of this epoch, or of one of the last?
    #[must_use]
    pub fn knows(&self, lane: &PublicKey) -> bool {
        self.0.context.batches().lanes.contains(lane)
    }

    /// Checks a peer's message of `bytes` bytes; `deliver` gets the result on any thread and must not block.
    /// Results of one peer's consensus messages come in their order, and so do those of its data.
    ///
    /// # Errors
    /// [`PoolError::Full`].
    pub fn check_message(
        &self,
        from: PublicKey,
        message: PeerMessage,
        bytes: usize,
        deliver: impl FnOnce(PeerResult) + Send + 'static,
    ) -> Result<(), PoolError> {
        let class = class(&message);
        let (pool, count_max, bytes_max) = match class {
            Class::Control => (&self.0.control, CONTROL_MAX, usize::MAX),
            Class::Data => (&self.0.data, DATA_MAX, DATA_BYTES_MAX),
        };
        let order = {
            let mut peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(peers.entry((from, class)).or_insert_with(|| Arc::new(Ordered::new(count_max, bytes_max))))
        };
        let place = order.enter(bytes, Box::new(deliver)).ok_or(PoolError::Full)?;
        if !is_signed(&message) {
            order.done(place, CheckedMessage::check(message, &self.0.context, self.0.memo.as_ref()));
            return Ok(());
        }
        let (context, memo) = (Arc::clone(&self.0.context), Arc::clone(&self.0.memo));
        pool.spawn(move || {
            let result = CheckedMessage::check(message, &context, memo.as_ref());
            order.done(place, result);
        });
        Ok(())
    }

    /// Checks a client's transaction: chain, window and signatures. Waits while too many are under way.
    ///
    /// # Errors
    /// [`PoolError::Ended`], or within it the [`Rejection`].
    pub async fn check_transaction(
        &self,
        transaction: SignedTransaction,
    ) -> Result<Result<Verified<SignedTransaction>, Rejection>, PoolError> {
        let permit = Arc::clone(&self.0.transactions).acquire_owned().await.map_err(|_| PoolError::Ended)?;
        let (sender, answer) = oneshot::channel();
        let (chain, memo) = (self.0.chain, Arc::clone(&self.0.memo));
        self.0.data.spawn(move || {
            let result = Verified::check(transaction, &chain, memo.as_ref());
            drop(permit);
            // The caller may have gone.
            drop(sender.send(result));
        });
        answer.await.map_err(|_| PoolError::Ended)
    }
}

/// Must its check verify a signature? What need not costs less than waking a thread.
fn is_signed(message: &PeerMessage) -> bool {
    match message {
        PeerMessage::Consensus(_) | PeerMessage::Batch(_) | PeerMessage::Response(_) | PeerMessage::Misbehaviour(_) => {
            true
        }
        PeerMessage::Acknowledge(_)
        | PeerMessage::Request(_)
        | PeerMessage::FinalTip { .. }
        | PeerMessage::MisbehaviourKnown { .. } => false,
    }
}

fn class(message: &PeerMessage) -> Class {
    match message {
        PeerMessage::Consensus(_)
        | PeerMessage::Acknowledge(_)
        | PeerMessage::Request(_)
        | PeerMessage::FinalTip { .. } => Class::Control,
        // Evidence keeps; a vote does not.
        PeerMessage::Batch(_) | PeerMessage::Misbehaviour(_) | PeerMessage::MisbehaviourKnown { .. } => Class::Data,
        PeerMessage::Response(response) => match response.found {
            Found::Block(_) | Found::Epoch(_) => Class::Control,
            Found::Batches(_) | Found::FinalBlocks(_) | Found::Snapshot(_) => Class::Data,
        },
    }
}
