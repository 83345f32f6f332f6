//! Makes two batches for each place of its lane: some get the one, the others the other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use tonle_crypto::{Canonical as _, Writer};
use tonle_replica::{PeerMessage, RawBatch};

use super::{Actor, Line, Stage};

/// See the module.
#[derive(Default)]
pub(super) struct LaneEquivocator {
    places: BTreeMap<u64, (Arc<RawBatch>, Vec<bool>)>,
}

/// The batch with its first transaction twice.
fn other(stage: &Stage<'_>, batch: &RawBatch) -> Option<RawBatch> {
    let mut transactions: Vec<&[u8]> = batch.transactions().collect();
    transactions.push(transactions.first()?);
    let mut writer = Writer::new();
    writer.raw(b"tonle/v1/batch\0").digest(&stage.context.batches().chain).key(batch.lane());
    writer.u64(batch.seq()).digest(&batch.parent()).length(transactions.len());
    for transaction in transactions {
        writer.bytes(transaction);
    }
    let unsigned = RawBatch::decode(&[&writer.finish()[..], &[0; 64]].concat()).ok()?;
    Some(unsigned.with_signature(stage.memo.sign(stage.key, &unsigned.signed_message())))
}

impl Actor for LaneEquivocator {
    fn says(&mut self, stage: &mut Stage<'_>, to: usize, message: &PeerMessage) -> Vec<Line> {
        let PeerMessage::Batch(batch) = message else { return vec![Line::plain(message.clone())] };
        if *batch.lane() != stage.key.public() {
            return vec![Line::plain(message.clone())];
        }
        let place = match self.places.entry(batch.seq()) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => {
                let Some(other) = other(stage, batch) else { return Vec::new() };
                let side = stage.some();
                place.insert((Arc::new(other), side))
            }
        };
        let changed = Some(place).filter(|(_, side)| side.get(to) == Some(&true));
        stage.misdeeds += u64::from(changed.is_some());
        let sent = changed.map_or_else(|| Arc::clone(batch), |(other, _)| Arc::clone(other));
        vec![Line::plain(PeerMessage::Batch(sent))]
    }
}
