//! Which validators serve in the next epoch (section 7 of the design): execution says when the ledger's list of them
//! changes, and an epoch's last header commits the list as of the checkpoint that it names.
//!
//! Must not know: how the list changes, and who may change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_consensus::{Epoch, Header, Height, Validator, ValidatorSet};

use crate::bounds::MEMBERSHIPS_MAX;

/// The validators, in the order of their places, as the ledger lists them after a height.
pub type Members = Arc<[Validator]>;

/// The lists that headers still to come may commit.
#[derive(Debug)]
pub(crate) struct Membership {
    since: BTreeMap<Height, Members>,
}

impl Membership {
    /// Starts from what the database tells: each list with the height since which it stands.
    pub(crate) fn new(since: impl IntoIterator<Item = (Height, Members)>) -> Self {
        Membership { since: since.into_iter().collect() }
    }

    /// The block of this height changed the list.
    pub(crate) fn changed(&mut self, height: Height, members: Members) {
        self.since.insert(height, members);
        while self.since.len() > MEMBERSHIPS_MAX {
            self.since.pop_first();
        }
    }

    /// No header names a checkpoint below `height` any more.
    pub(crate) fn release(&mut self, height: Height) {
        if let Some((standing, _)) = self.since.range(..=height).next_back() {
            self.since = self.since.split_off(&standing.clone());
        }
    }

    /// The validators of `epoch`, whose first block follows one that names the checkpoint of this height, which is
    /// executed here. `None` when the list is of no use: then the set stays as it is.
    pub(crate) fn set(&self, epoch: Epoch, checkpoint: Height) -> Option<ValidatorSet> {
        let (_, members) = self.since.range(..=checkpoint).next_back()?;
        ValidatorSet::new(epoch, members.to_vec()).ok()
    }

    /// The validators of the epoch after `current`, when its last header is this one. `None` when it commits others than
    /// execution here gave.
    pub(crate) fn committed(&self, current: &ValidatorSet, last: &Header) -> Option<ValidatorSet> {
        let next = if last.next_set() == Some(current.digest()) {
            current.for_next_epoch()
        } else {
            self.set(current.epoch().next()?, last.checkpoint().height)
        };
        next.filter(|set| Some(set.digest()) == last.next_set())
    }
}
