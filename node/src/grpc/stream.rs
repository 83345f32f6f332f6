//! A stream to a client: bounded in number, buffered a little, ended with a reason and a place to resume at.
//!
//! Must not know: what is streamed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::error::Resume;
use super::{ApiError, Service};

/// The stream that a client gets.
pub(super) type Stream<T> = ReceiverStream<Result<T, Status>>;

/// The node's end of a stream.
pub(super) struct Outlet<T> {
    sender: mpsc::Sender<Result<T, Status>>,
    stall_max: Duration,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// Where the reason goes why a stream ends: a slot of its own, so that it reaches a client that is slow.
pub(super) type LastSlot<T> = mpsc::OwnedPermit<Result<T, Status>>;

impl<T> Outlet<T> {
    /// Begins a stream, if there is room for one more.
    pub(super) async fn open(
        service: &Service,
        shutdown: CancellationToken,
    ) -> Result<(Self, LastSlot<T>, Stream<T>), ApiError> {
        let overloaded = |_| ApiError::Overloaded { retry: Duration::from_secs(1) };
        let permit = Arc::clone(&service.0.streams).try_acquire_owned().map_err(overloaded)?;
        let limits = &service.0.limits;
        let (sender, receiver) = mpsc::channel(limits.stream_blocks_max.saturating_add(1));
        let last = sender.clone().reserve_owned().await.map_err(|_| ApiError::Internal)?;
        let outlet = Outlet { sender, stall_max: limits.stream_stall_max, shutdown, _permit: permit };
        Ok((outlet, last, ReceiverStream::new(receiver)))
    }

    /// Buffers one message; false when the client has left. `resume` is where the stream goes on without it.
    pub(super) async fn send(&self, message: T, resume: impl Fn() -> Resume) -> Result<bool, ApiError> {
        tokio::select! {
            sent = self.sender.send(Ok(message)) => Ok(sent.is_ok()),
            () = tokio::time::sleep(self.stall_max) => Err(ApiError::SlowConsumer { resume: resume() }),
            () = self.shutdown.cancelled() => Err(ApiError::ShuttingDown { resume: Some(resume()) }),
        }
    }

    /// Waits for `next`; false when the client has left before.
    pub(super) async fn until(
        &self,
        next: impl Future<Output = Result<(), ApiError>>,
        resume: impl Fn() -> Resume,
    ) -> Result<bool, ApiError> {
        tokio::select! {
            came = next => came.map(|()| true),
            () = self.sender.closed() => Ok(false),
            () = self.shutdown.cancelled() => Err(ApiError::ShuttingDown { resume: Some(resume()) }),
        }
    }
}
