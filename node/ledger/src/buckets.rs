//! The running digests of what is live and stands outside the state tree: transaction ids, instruction references and paid
//! codes, by the hour. Each is a leaf of the tree, and commits to every value of its hour.
//!
//! Must not know: how operations are executed, where values are stored.

use std::collections::BTreeMap;

use tonle_crypto::{Canonical, Digest, Writer};

use crate::executor::Edit;
use crate::reference::{ReferenceRecord, hour, hour_end_ms, references_expired};
use crate::run::TakenId;
use crate::slots::PaidCode;
use crate::{BlockInput, Bucket, Change, StateKey};

/// The digests after the last executed block.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buckets(BTreeMap<Bucket, Digest>);

impl Buckets {
    /// Takes in a digest that was read.
    pub(crate) fn read(&mut self, bucket: Bucket, digest: Digest) {
        self.0.insert(bucket, digest);
    }

    /// Adds the ids that a block takes, and lets go of those whose hour is over.
    pub(crate) fn edit_ids(
        &self,
        block: &BlockInput,
        taken: &[TakenId],
        changes: &mut Vec<Change>,
        edits: &mut Vec<Edit>,
    ) {
        let mut added: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for taken in taken {
            let mut place = Writer::new();
            place.u64(block.height).u32(taken.index);
            let place = place.finish();
            add(added.entry(taken.hour).or_default(), taken.id.digest(), &place);
            changes.push(Change::Put(taken.key(), place));
        }
        for hour in self.over(block.timestamp_ms, |bucket| match bucket {
            Bucket::Ids(hour) => Some(hour),
            Bucket::References(_) | Bucket::Codes(_) => None,
        }) {
            changes.push(Change::DropIds { hour });
            edits.push(self.edit(Bucket::Ids(hour), None));
        }
        edits.extend(added.into_iter().map(|(hour, added)| self.edit(Bucket::Ids(hour), Some(&added))));
    }

    /// The same for codes that a block pays.
    pub(crate) fn edit_codes(
        &self,
        block: &BlockInput,
        paid: &[(u64, Digest, PaidCode)],
        changes: &mut Vec<Change>,
        edits: &mut Vec<Edit>,
    ) {
        let mut added: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (hour, code, record) in paid {
            let value = record.encode();
            add(added.entry(*hour).or_default(), code, &value);
            changes.push(Change::Put(StateKey::Code { hour: *hour, code: *code }, value));
        }
        for hour in self.over(block.timestamp_ms, |bucket| match bucket {
            Bucket::Codes(hour) => Some(hour),
            Bucket::Ids(_) | Bucket::References(_) => None,
        }) {
            changes.push(Change::DropCodes { hour });
            edits.push(self.edit(Bucket::Codes(hour), None));
        }
        edits.extend(added.into_iter().map(|(hour, added)| self.edit(Bucket::Codes(hour), Some(&added))));
    }

    /// Adds the references that a block takes, and lets go of those that are free again.
    pub(crate) fn edit_references(
        &self,
        block: &BlockInput,
        taken: &[(Digest, ReferenceRecord)],
        changes: &mut Vec<Change>,
        edits: &mut Vec<Edit>,
    ) {
        let now_ms = block.timestamp_ms;
        let hours = self.0.keys().filter_map(|bucket| match bucket {
            Bucket::References(hour) => Some(*hour),
            Bucket::Ids(_) | Bucket::Codes(_) => None,
        });
        for hour in hours.filter(|hour| references_expired(*hour, now_ms)) {
            changes.push(Change::ForgetReferences { before_ms: hour_end_ms(hour) });
            edits.push(self.edit(Bucket::References(hour), None));
        }
        let mut added = Vec::new();
        for (scope, record) in taken {
            let value = record.encode();
            add(&mut added, scope, &value);
            changes.push(Change::Put(StateKey::Reference(*scope), value));
        }
        if !added.is_empty() {
            edits.push(self.edit(Bucket::References(hour(now_ms)), Some(&added)));
        }
    }

    /// The hours of a kind that are over at a time.
    fn over(&self, now_ms: u64, of: impl Fn(Bucket) -> Option<u64>) -> Vec<u64> {
        let hours = self.0.keys().filter_map(|bucket| of(*bucket));
        hours.filter(|hour| hour_end_ms(*hour) <= now_ms).collect()
    }

    /// The change of a bucket's leaf: these entries are added, or all are gone.
    fn edit(&self, bucket: Bucket, added: Option<&[u8]>) -> Edit {
        let standing = self.0.get(&bucket);
        let before = standing.copied().unwrap_or(Digest::ZERO);
        let after = added.map(|added| bucket.domain().digest_parts(&[before.as_bytes(), added]));
        let bytes = |digest: &Digest| digest.as_bytes().to_vec();
        Edit { key: bucket.key(), before: standing.map(bytes), after: after.as_ref().map(bytes) }
    }

    /// Keeps the digests as the changes leave them.
    pub(crate) fn remember(&mut self, changes: &[Change]) {
        for change in changes {
            let (key, digest) = match change {
                Change::Put(key, value) => (key, <[u8; 32]>::try_from(value.as_slice()).ok().map(Digest::from_bytes)),
                Change::Delete(key) => (key, None),
                Change::DropIds { .. } | Change::DropCodes { .. } | Change::ForgetReferences { .. } => continue,
            };
            let Some(bucket) = Bucket::of(key) else { continue };
            match digest {
                Some(digest) => self.0.insert(bucket, digest),
                None => self.0.remove(&bucket),
            };
        }
    }
}

fn add(entries: &mut Vec<u8>, name: &Digest, value: &[u8]) {
    entries.extend_from_slice(name.as_bytes());
    entries.extend_from_slice(value);
}
