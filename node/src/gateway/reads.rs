//! Reading on threads that may block, a bounded number at a time, so that no number of shops slows a vote.
//!
//! Must not know: what is read.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::store::StoreError;

/// Reads at once.
const READS_MAX: usize = 4;
/// Reads that may wait for their turn; further ones are refused.
const WAITING_MAX: usize = 256;

/// The turns. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    reading: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Too many reads wait already.
    Busy,
    /// A database failed; the log says how.
    Failed,
}

impl Default for Reads {
    fn default() -> Self {
        Reads { reading: Arc::new(Semaphore::new(READS_MAX)), waiting: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

impl Reads {
    /// Runs `read` on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unread> {
        let _waiting = self.waiting.try_acquire().map_err(|_| Unread::Busy)?;
        let _reading = self.reading.acquire().await.map_err(|_| Unread::Failed)?;
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                tracing::error!(%error, "a merchant's query could not be answered");
                Err(Unread::Failed)
            }
            Err(error) => {
                tracing::error!(%error, "a merchant's query ended without an answer");
                Err(Unread::Failed)
            }
        }
    }
}
