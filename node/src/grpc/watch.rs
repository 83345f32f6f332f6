//! WatchBlocks: every block from a height on, each once and in order, at the client's pace.
//!
//! Blocks are read from the database, never kept for a client beyond a small buffer. A client that takes none of the
//! buffered blocks for a while gets RESOURCE_EXHAUSTED with the height to resume from: never a gap.
//!
//! Must not know: how blocks become final.

use prost::Message;
use tokio_util::sync::CancellationToken;
use tonle_proto::v1;

use super::backend::Archive;
use super::error::Resume;
use super::stream::{Outlet, Stream};
use super::{ApiError, Service, convert, reads};

/// Receipts read at a time.
const RECEIPTS_AT_ONCE: usize = 1_024;

/// The stream that a client gets.
pub(super) type Blocks = Stream<v1::WatchBlocksResponse>;

impl Service {
    /// Starts a stream.
    pub(super) async fn watch_blocks(
        &self,
        request: v1::WatchBlocksRequest,
        shutdown: CancellationToken,
    ) -> Result<Blocks, ApiError> {
        let (outlet, last, blocks) = Outlet::open(self, shutdown).await?;
        let next = match request.from_height {
            0 => self.0.finality.tip().height.saturating_add(1),
            height => height,
        };
        let earliest = self.read(|archive| Ok(archive.earliest())).await?;
        if next < earliest {
            return Err(ApiError::Pruned { earliest });
        }
        let feed = Feed { service: self.clone(), outlet, next, include_receipts: request.include_receipts };
        tokio::spawn(async move {
            if let Err(error) = feed.run().await {
                last.send(Err(error.into()));
            }
        });
        Ok(blocks)
    }
}

struct Feed {
    service: Service,
    outlet: Outlet<v1::WatchBlocksResponse>,
    next: u64,
    include_receipts: bool,
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
                    if !self.outlet.send(message, || Resume::Height(height)).await? {
                        return Ok(());
                    }
                }
                self.next = self.next.saturating_add(1);
            }
            let next = self.next;
            let changed = async { tip.changed().await.map_err(|_| ApiError::Internal) };
            if !self.outlet.until(changed, || Resume::Height(next)).await? {
                return Ok(());
            }
        }
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
