//! gRPC for clients: `tonle.v1` with reflection and health. docs/api.md is its contract.
//!
//! A call is converted (`convert`), checked before anything is queued (`submit`), answered from what is final
//! (`reads`), and every error is an [`ApiError`]. Queries read the database on threads of their own, a bounded number
//! at a time: they never slow a vote.
//!
//! Must not know: consensus messages, the network, how blocks are stored (that is behind [`Archive`]).

mod backend;
mod connections;
mod convert;
mod cursor;
mod error;
mod finality;
mod ledger;
mod operator;
mod payments;
mod proof;
mod reads;
mod refusal;
mod register;
mod report;
mod server;
mod stream;
mod submit;
mod watch;
mod watch_payment;

pub use backend::{
    Archive, ArchiveFailed, Backend, Chain, KnownOffence, NetworkStatus, PeerStatus, Refused, StoredBlock, SupplyAudit,
};
pub use error::{ApiError, ERROR_DOMAIN, Resume, rejection_status};
pub use finality::{Answer, Finality, Tip};
pub use ledger::Ledger;
pub use operator::Operator;
pub use proof::{ProofChain, prove_account, prove_transaction};
pub use register::Register;
pub use server::{
    REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, ServeError, ServerConfig, Serving, TlsConfig, serve, serve_starting,
};
pub use submit::SubmitLimits;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Bounds of the services.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Transactions under way through this node's API at once. Default 16,384.
    pub submissions_max: usize,
    /// Queries that read the database at once; further ones wait. Default 16.
    pub reads_max: usize,
    /// Queries that may wait for their turn; further ones are refused. Default 1,024.
    pub reads_waiting_max: usize,
    /// Streams at once. Default 64.
    pub streams_max: usize,
    /// Blocks or payments buffered for one stream. Default 16.
    pub stream_blocks_max: usize,
    /// How long a stream's client may take none of what is buffered. Default 10 s.
    pub stream_stall_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            submissions_max: 16_384,
            reads_max: 16,
            reads_waiting_max: 1_024,
            streams_max: 64,
            stream_blocks_max: 16,
            stream_stall_max: Duration::from_secs(10),
        }
    }
}

/// What all services share. Cheap to clone.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

struct Shared {
    chain: Chain,
    backend: Arc<dyn Backend>,
    archive: Arc<dyn Archive>,
    finality: Arc<Finality>,
    limits: Limits,
    submissions: Semaphore,
    reads: Semaphore,
    reads_waiting: Semaphore,
    streams: Arc<Semaphore>,
}

impl Service {
    /// Joins the parts of the node that the services need.
    #[must_use]
    pub fn new(
        chain: Chain,
        backend: Arc<dyn Backend>,
        archive: Arc<dyn Archive>,
        finality: Arc<Finality>,
        limits: Limits,
    ) -> Self {
        Service(Arc::new(Shared {
            chain,
            backend,
            archive,
            finality,
            limits,
            submissions: Semaphore::new(limits.submissions_max),
            reads: Semaphore::new(limits.reads_max),
            reads_waiting: Semaphore::new(limits.reads_waiting_max),
            streams: Arc::new(Semaphore::new(limits.streams_max)),
        }))
    }

    fn proof_chain(&self) -> ProofChain {
        ProofChain { digest: self.0.chain.digest, epoch_length: self.0.chain.genesis.epoch_length }
    }

    /// Reads from the database on a thread that may block.
    async fn read<T, F>(&self, read: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Archive) -> Result<T, ApiError> + Send + 'static,
    {
        let overloaded = |_| ApiError::Overloaded { retry: Duration::from_millis(100) };
        let _waiting = self.0.reads_waiting.try_acquire().map_err(overloaded)?;
        let _reading = self.0.reads.acquire().await.map_err(|_| ApiError::Internal)?;
        self.read_at_once(read).await
    }

    /// Reads without waiting behind queries. The number of submissions under way bounds it.
    async fn read_at_once<T, F>(&self, read: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Archive) -> Result<T, ApiError> + Send + 'static,
    {
        let archive = Arc::clone(&self.0.archive);
        match tokio::task::spawn_blocking(move || read(archive.as_ref())).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a query failed");
                Err(ApiError::Internal)
            }
        }
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}
