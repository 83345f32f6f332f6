//! WatchBlocks: every block from a height on, each once and in order, at the client's pace.
//!
//! Blocks are read from the database, never kept for a client beyond a small buffer. A client that takes none of the
//! buffered blocks for a while gets RESOURCE_EXHAUSTED with the height to resume from: never a gap.
//!
//! Must not know: how blocks become final.

use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonle_proto::v1;

use super::backend::Archive;
use super::{ApiError, Service, convert, reads};

type Item = Result<v1::WatchBlocksResponse, Status>;

/// Receipts read at a time.
const RECEIPTS_AT_ONCE: usize = 1_024;

/// The stream that a client gets.
pub(super) type Blocks = ReceiverStream<Item>;

impl Service {
    /// Starts a stream.
    pub(super) async fn watch_blocks(
        &self,
        request: v1::WatchBlocksRequest,
        shutdown: CancellationToken,
    ) -> Result<Blocks, ApiError> {
        let overloaded = |_| ApiError::Overloaded { retry: std::time::Duration::from_secs(1) };
        let permit = std::sync::Arc::clone(&self.0.streams).try_acquire_owned().map_err(overloaded)?;
        let next = match request.from_height {
            0 => self.0.finality.tip().height.saturating_add(1),
            height => height,
        };
        let earliest = self.read(|archive| Ok(archive.earliest())).await?;
        if next < earliest {
            return Err(ApiError::Pruned { earliest });
        }
        let (sender, receiver) = mpsc::channel(self.0.limits.stream_blocks_max.saturating_add(1));
        // The last slot is kept for the reason why the stream ends, which must reach a client that is slow.
        let last = sender.clone().reserve_owned().await.map_err(|_| ApiError::Internal)?;
        let feed = Feed {
            service: self.clone(),
            sender,
            next,
            include_receipts: request.include_receipts,
            shutdown,
            _permit: permit,
        };
        tokio::spawn(async move {
            if let Err(error) = feed.run().await {
                last.send(Err(error.into()));
            }
        });
        Ok(ReceiverStream::new(receiver))
    }
}

struct Feed {
    service: Service,
    sender: mpsc::Sender<Item>,
    next: u64,
    include_receipts: bool,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// Runs until the client leaves (`Ok`), or until there is a reason to end the stream.
    async fn run(mut self) -> Result<(), ApiError> {
        let mut tip = self.service.0.finality.follow();
        loop {
            let latest = tip.borrow_and_update().height;
            while self.next <= latest {
                let (height, include_receipts) = (self.next, self.include_receipts);
                let messages =
                    self.service.read(move |archive| block(archive, height, latest, include_receipts)).await?;
                for message in messages {
                    if !self.send(message).await? {
                        return Ok(());
                    }
                }
                self.next = self.next.saturating_add(1);
            }
            tokio::select! {
                changed = tip.changed() => changed.map_err(|_| ApiError::Internal)?,
                () = self.sender.closed() => return Ok(()),
                () = self.shutdown.cancelled() => return Err(self.shutting_down()),
            }
        }
    }

    /// Buffers one message; false when the client has left.
    async fn send(&self, message: v1::WatchBlocksResponse) -> Result<bool, ApiError> {
        tokio::select! {
            sent = self.sender.send(Ok(message)) => Ok(sent.is_ok()),
            () = tokio::time::sleep(self.service.0.limits.stream_stall_max) => {
                Err(ApiError::SlowConsumer { resume: self.next })
            }
            () = self.shutdown.cancelled() => Err(self.shutting_down()),
        }
    }

    fn shutting_down(&self) -> ApiError {
        ApiError::ShuttingDown { resume: Some(self.next) }
    }
}

/// The messages of one block: one, or several when its receipts would pass what a client accepts at once.
fn block(
    archive: &dyn Archive,
    height: u64,
    latest: u64,
    include_receipts: bool,
) -> Result<Vec<v1::WatchBlocksResponse>, ApiError> {
    let stored = reads::block(archive, height, latest)?;
    let message =
        || v1::WatchBlocksResponse { block: Some(convert::block(&stored)), receipts: Vec::new(), continues: false };
    let mut messages = vec![message()];
    let mut bytes = 0;
    let mut from = 0;
    while include_receipts && from < stored.receipts {
        let receipts = archive.receipts(height, from, RECEIPTS_AT_ONCE)?;
        from = from.saturating_add(u32::try_from(receipts.len()).unwrap_or(u32::MAX));
        if receipts.is_empty() {
            return Err(ApiError::Internal);
        }
        for receipt in &receipts {
            let receipt = convert::receipt(receipt);
            let length = receipt.encoded_len();
            bytes += length;
            if bytes > reads::PAGE_BYTES && length < bytes {
                bytes = length;
                if let Some(full) = messages.last_mut() {
                    full.continues = true;
                }
                messages.push(message());
            }
            if let Some(message) = messages.last_mut() {
                message.receipts.push(receipt);
            }
        }
    }
    Ok(messages)
}
