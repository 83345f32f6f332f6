//! Deep links: a short address for a code, with a page that shows it and its live status. Kept on disk, a bounded
//! number, for a bounded time.
//!
//! Must not know: HTTP.

mod record;
mod status;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tonle_crypto::Canonical;

use super::lookup::Lookup;
use super::reads::{Reads, Unread};
use super::store::{Changes, Store, StoreError, Table};
use crate::grpc::Tip;
pub(super) use record::{Id, Link, Source};
pub(super) use status::Status;

/// Most links kept: some 60 MB when all carry the longest code.
const LINKS_MAX: usize = 20_000;
/// Most pages that follow their status at once.
const FOLLOWERS_MAX: usize = 128;

/// No further link can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// All links. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Links(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    store: Arc<Store>,
    lookup: Lookup,
    reads: Reads,
    followed: watch::Receiver<Tip>,
    /// What stands before `/pay/…` in a link.
    url: String,
    count: AtomicUsize,
    /// Held by whoever adds or removes.
    adding: Mutex<()>,
    followers: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Links {
    /// Counts what is kept.
    pub(super) fn start(
        store: Arc<Store>,
        lookup: Lookup,
        reads: Reads,
        followed: watch::Receiver<Tip>,
        url: String,
        shutdown: &CancellationToken,
    ) -> Result<Self, StoreError> {
        let mut count = 0usize;
        store.scan(Table::Links, &[], &[], |_, _| {
            count = count.saturating_add(1);
            Ok(true)
        })?;
        Ok(Links(Arc::new(Kept {
            store,
            lookup,
            reads,
            followed,
            url: url.trim_end_matches('/').to_owned(),
            count: AtomicUsize::new(count),
            adding: Mutex::new(()),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            shutdown: shutdown.clone(),
        })))
    }

    /// The address of a link.
    pub(super) fn address(&self, id: &Id) -> String {
        format!("{}/pay/{id}", self.0.url)
    }

    /// Keeps a link; the same link again is the same.
    pub(super) async fn add(&self, link: Link, now_ms: u64) -> Result<Result<Id, Full>, Unread> {
        let kept = Arc::clone(&self.0);
        self.0.reads.run(move || kept.add(&link, now_ms)).await
    }

    /// The link under `id`, if there is one and its time is not over.
    pub(super) async fn get(&self, id: Id, now_ms: u64) -> Result<Option<Link>, Unread> {
        let kept = Arc::clone(&self.0);
        self.0.reads.run(move || Ok(kept.get(&id)?.filter(|link| now_ms < link.ends_ms))).await
    }

    /// How the link's code stands.
    pub(super) async fn status(&self, link: Link, now_ms: u64) -> Result<Status, Unread> {
        let kept = Arc::clone(&self.0);
        self.0.reads.run(move || status::of(&kept.lookup, &link, now_ms)).await
    }

    /// A place among those who follow; `None` when all are taken.
    pub(super) fn follower(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.followers).try_acquire_owned().ok()
    }

    /// Changes with every final block.
    pub(super) fn followed(&self) -> watch::Receiver<Tip> {
        self.0.followed.clone()
    }

    /// Ends when the node does.
    pub(super) fn shutdown(&self) -> CancellationToken {
        self.0.shutdown.clone()
    }
}

impl Kept {
    fn get(&self, id: &Id) -> Result<Option<Link>, StoreError> {
        let Some(bytes) = self.store.get(Table::Links, id.as_bytes())? else { return Ok(None) };
        Link::decode(&bytes).map(Some).map_err(|_| self.store.damaged("a deep link does not decode"))
    }

    fn add(&self, link: &Link, now_ms: u64) -> Result<Result<Id, Full>, StoreError> {
        let id = link.id();
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = self.get(&id)?.is_none();
        if is_new && self.count.load(Ordering::Relaxed) >= LINKS_MAX {
            self.drop_ended(now_ms)?;
            if self.count.load(Ordering::Relaxed) >= LINKS_MAX {
                return Ok(Err(Full));
            }
        }
        let mut changes = Changes::default();
        changes.put(Table::Links, *id.as_bytes(), link.encode());
        self.store.write(changes)?;
        if is_new {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Ok(id))
    }

    fn drop_ended(&self, now_ms: u64) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        self.store.scan(Table::Links, &[], &[], |key, value| {
            let link = Link::decode(value).map_err(|_| self.store.damaged("a deep link does not decode"))?;
            if link.ends_ms <= now_ms {
                changes.delete(Table::Links, key);
            }
            Ok(true)
        })?;
        self.count.fetch_sub(changes.len(), Ordering::Relaxed);
        self.store.write(changes)
    }
}
