//! What the gRPC services need of the running node: signatures checked, transactions handed to the lane, status, audit.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::oneshot;
use tonle_crypto::{Digest, PublicKey, Verified};
use tonle_ledger::{Fatal, Rejection, SignedTransaction};
use tonle_replica::{Refusal, ReplicaStatus};

use crate::event_loop::{Arrival, Inbox};
use crate::grpc::{ArchiveFailed, Backend, NetworkStatus, PeerStatus, Refused, SupplyAudit};
use crate::metrics::{Metrics, Reason};
use crate::signatures::{PoolError, SignaturePool};
use crate::storage::{Database, Error};

/// When validators were connected and heard, by consensus key.
pub type Peers = Arc<RwLock<BTreeMap<PublicKey, PeerStatus>>>;

/// The running node, as gRPC sees it.
#[derive(Debug)]
pub struct Running {
    /// Checks clients' signatures.
    pub pool: SignaturePool,
    /// The way into the event loop.
    pub inbox: Inbox,
    /// The event loop's latest picture of itself.
    pub status: Arc<RwLock<ReplicaStatus>>,
    /// The network's.
    pub peers: Peers,
    /// For the supply's full scan.
    pub database: Arc<Database>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl Running {
    fn count_refused(&self, reason: &str) {
        self.metrics.requests_refused.get_or_create(&Reason::new(reason)).inc();
    }
}

#[tonic::async_trait]
impl Backend for Running {
    async fn verify(&self, transaction: SignedTransaction) -> Result<Verified<SignedTransaction>, Rejection> {
        match self.pool.check_transaction(transaction).await {
            Ok(result) => result.inspect_err(|rejection| self.count_refused(rejection.code.name())),
            // The process is ending; the client tries another node.
            Err(PoolError::Full | PoolError::Ended) => std::future::pending().await,
        }
    }

    async fn submit(&self, transaction: Verified<SignedTransaction>) -> Result<(), Refused> {
        if self.status.read().unwrap_or_else(PoisonError::into_inner).halted.is_some() {
            return Err(Refused::Halted);
        }
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Arrival::Submitted { transaction, reply });
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refusal::Backpressure { retry_ms })) => {
                self.count_refused("OVERLOADED");
                Err(Refused::Backpressure { retry: Duration::from_millis(retry_ms) })
            }
            Ok(Err(Refusal::NoLane)) => Err(Refused::NotTaking),
            Ok(Err(Refusal::TooLarge)) => Err(Refused::TooLarge),
            Err(_) => Err(Refused::ShuttingDown),
        }
    }

    fn network(&self) -> NetworkStatus {
        let status = self.status.read().unwrap_or_else(PoisonError::into_inner);
        NetworkStatus {
            epoch: status.consensus.epoch,
            view: status.consensus.view,
            leader: status.consensus.leader,
            peers: self.peers.read().unwrap_or_else(PoisonError::into_inner).clone(),
            halted: status.halted.as_ref().map(ToString::to_string),
        }
    }

    async fn audit_supply(&self) -> Result<SupplyAudit, ArchiveFailed> {
        let database = Arc::clone(&self.database);
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "supply audit failed");
            ArchiveFailed
        };
        match tokio::task::spawn_blocking(move || audit(&database)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Scans the state. A supply that does not add up is an answer, with both figures, and not a failed scan.
fn audit(database: &Database) -> Result<SupplyAudit, Error> {
    match database.audit() {
        Ok(found) => Ok(SupplyAudit {
            height: found.point.height,
            state_root: found.point.state_root,
            assets: found.supply.into_iter().map(|(asset, supply)| (asset, supply, supply)).collect(),
            accounts: found.accounts,
        }),
        Err(Error::Ledger { source: Fatal::SupplyMismatch { asset, supply, balances }, .. }) => {
            tracing::error!(%asset, supply, balances, "the supply does not add up");
            let view = database.view();
            let height = view.tip()?.height;
            let state_root = view.outcome(height)?.map_or(Digest::ZERO, |outcome| outcome.state_root);
            Ok(SupplyAudit { height, state_root, assets: vec![(asset, supply, balances)], accounts: 0 })
        }
        Err(error) => Err(error),
    }
}
