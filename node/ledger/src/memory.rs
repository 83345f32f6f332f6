//! The state in memory: for simulation and tests, and as the plainest reading of what a [`Change`] means.
//!
//! Must not know: the executor.

use std::collections::BTreeMap;
use std::ops::Range;

use tonle_crypto::Digest;

use crate::{Change, StateKey, TransactionId};

/// All values of a state, in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryState {
    values: BTreeMap<StateKey, Vec<u8>>,
}

impl MemoryState {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        MemoryState::default()
    }
    /// Applies the changes of a block.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    self.values.insert(*key, value.clone());
                }
                Change::Delete(key) => {
                    self.values.remove(key);
                }
                Change::DropIds { hour } => {
                    let key = |hour| StateKey::Transaction { hour, id: TransactionId::new(Digest::ZERO) };
                    self.drop_range(key(*hour)..key(hour.saturating_add(1)));
                }
                Change::DropCodes { hour } => {
                    let key = |hour| StateKey::Code { hour, code: Digest::ZERO };
                    self.drop_range(key(*hour)..key(hour.saturating_add(1)));
                }
                // Absent by the executor's reading already.
                Change::ForgetReferences { .. } => {}
            }
        }
    }
    fn drop_range(&mut self, range: Range<StateKey>) {
        let dropped: Vec<StateKey> = self.values.range(range).map(|(key, _)| *key).collect();
        for key in dropped {
            self.values.remove(&key);
        }
    }
    /// The values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (StateKey, Vec<u8>)> + '_ {
        self.values.iter().map(|(key, value)| (*key, value.clone()))
    }
    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }
    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
    /// The value under `key`; `None` when there is none.
    #[must_use]
    pub fn get(&self, key: &StateKey) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }
    /// The values under `keys`, in their order: what [`crate::Executor::execute`] takes.
    #[must_use]
    pub fn load(&self, keys: &[StateKey]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.values.get(key).cloned()).collect()
    }
}
