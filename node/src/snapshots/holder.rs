//! The thread that holds one snapshot and serves its chunks. What it needs to find them is made when the first is asked
//! for, and kept: about 50 bytes for each account, and one hour of ids, one of paid codes and some of references at a time. It must not know
//! who asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use tonle_crypto::Digest;
use tonle_ledger::{Bucket, BucketChunk, BucketOrder, Outline, StateChunk};
use tonle_replica::{SnapshotFound, SnapshotQuery};

use crate::storage::{Database, Error, View};

/// Memory for ids or references that are put in order. An hour that takes more is not served, and the asker executes the
/// blocks instead: that is some 2,000,000 ids.
const ORDER_BYTES_MAX: usize = 512 << 20;

/// A request, and who takes the answer.
pub(super) struct Asked {
    pub(super) query: SnapshotQuery,
    pub(super) reply: Box<dyn FnOnce(SnapshotFound) + Send>,
}

/// Holds the database as it is now, says so, and serves it until nobody can ask any more.
pub(super) fn hold(database: &Arc<Database>, begun: &SyncSender<()>, asked: &Receiver<Asked>) {
    let view = database.view();
    let references = database.hold_references();
    // Whoever waits for it may be gone with the process.
    let _ = begun.send(());
    let mut shelf = Shelf { view, outline: None, ids: None, codes: None, references: BTreeMap::new() };
    while let Ok(Asked { query, reply }) = asked.recv() {
        let found = shelf.serve(&query).unwrap_or_else(|error| {
            tracing::error!(%error, "cannot serve a snapshot from disk");
            query.nothing()
        });
        reply(found);
    }
    drop(references);
}

struct Shelf<'a> {
    view: View<'a>,
    outline: Option<Outline>,
    ids: Option<(u64, BucketOrder)>,
    codes: Option<(u64, BucketOrder)>,
    references: BTreeMap<u64, BucketOrder>,
}

impl Shelf<'_> {
    fn serve(&mut self, query: &SnapshotQuery) -> Result<SnapshotFound, Error> {
        match query {
            SnapshotQuery::State { path, .. } => self.state(path).map(SnapshotFound::State),
            SnapshotQuery::Bucket { bucket, link, .. } => self.bucket(*bucket, link).map(SnapshotFound::Bucket),
            SnapshotQuery::Boundaries { .. } | SnapshotQuery::Offer => Ok(query.nothing()),
        }
    }

    fn state(&mut self, path: &Digest) -> Result<Option<StateChunk>, Error> {
        let outline = match self.outline.take() {
            Some(outline) => outline,
            None => self.view.outline()?,
        };
        let region = self.outline.insert(outline).region(path);
        let values = self.view.values(region.keys)?;
        Ok(values.map(|values| StateChunk { siblings: region.siblings, values }))
    }

    fn bucket(&mut self, bucket: Bucket, link: &Digest) -> Result<Option<BucketChunk>, Error> {
        let order = match bucket {
            Bucket::Ids(hour) => {
                if self.ids.as_ref().is_none_or(|(held, _)| *held != hour) {
                    self.ids = self.view.id_order(hour, ORDER_BYTES_MAX)?.map(|order| (hour, order));
                }
                self.ids.as_ref().map(|(_, order)| order)
            }
            Bucket::Codes(hour) => {
                if self.codes.as_ref().is_none_or(|(held, _)| *held != hour) {
                    self.codes = self.view.code_order(hour, ORDER_BYTES_MAX)?.map(|order| (hour, order));
                }
                self.codes.as_ref().map(|(_, order)| order)
            }
            Bucket::References(hour) => {
                if !self.references.contains_key(&hour) {
                    self.references = self.view.reference_orders(hour, ORDER_BYTES_MAX)?;
                }
                self.references.get(&hour)
            }
        };
        Ok(order.and_then(|order| order.chunk(link)))
    }
}
