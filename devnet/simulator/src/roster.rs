//! Who serves in which epoch, and at which place: messages and events name validators by places, machines are named by
//! their owners.
//!
//! Must not know: how a set comes about.

use std::collections::BTreeMap;

use tonle_consensus::{ValidatorIndex, ValidatorSet};
use tonle_crypto::PublicKey;

struct Roster {
    set: ValidatorSet,
    places: Vec<Option<ValidatorIndex>>,
    owners: Vec<usize>,
}

/// See the module.
pub(crate) struct Rosters {
    /// The consensus key of each owner.
    keys: Vec<PublicKey>,
    epochs: BTreeMap<u64, Roster>,
}

impl Rosters {
    /// The first epoch's.
    pub(crate) fn new(keys: Vec<PublicKey>, first: &ValidatorSet) -> Self {
        let mut rosters = Rosters { keys, epochs: BTreeMap::new() };
        rosters.begins(first);
        rosters
    }

    /// A node says who serves in an epoch. False when another node said otherwise.
    pub(crate) fn begins(&mut self, set: &ValidatorSet) -> bool {
        let epoch = set.epoch().get();
        if let Some(known) = self.epochs.get(&epoch) {
            return known.set == *set;
        }
        let places: Vec<Option<ValidatorIndex>> = self.keys.iter().map(|key| set.index_of(key)).collect();
        let owner = |place: ValidatorIndex| places.iter().position(|at| *at == Some(place)).unwrap_or(usize::MAX);
        let owners = set.indices().map(owner).collect();
        self.epochs.insert(epoch, Roster { set: set.clone(), places, owners });
        true
    }

    /// The validators of an epoch that began on some node.
    pub(crate) fn set(&self, epoch: u64) -> Option<&ValidatorSet> {
        self.epochs.get(&epoch).map(|roster| &roster.set)
    }
    /// The place of an owner in an epoch; none when it does not serve.
    pub(crate) fn place(&self, epoch: u64, owner: usize) -> Option<ValidatorIndex> {
        self.epochs.get(&epoch)?.places.get(owner).copied().flatten()
    }
    /// Who has a place in an epoch.
    pub(crate) fn owner(&self, epoch: u64, place: ValidatorIndex) -> Option<usize> {
        self.epochs.get(&epoch)?.owners.get(place.index()).copied()
    }
    /// Does this owner serve in the latest epoch?
    pub(crate) fn serves(&self, owner: usize) -> bool {
        self.epochs.last_key_value().is_some_and(|(epoch, _)| self.place(*epoch, owner).is_some())
    }
    /// How many epochs began, and in how many of them the validators were others than before.
    pub(crate) fn count(&self) -> (u64, u64) {
        let sets: Vec<_> = self.epochs.values().map(|roster| roster.set.digest()).collect();
        let changed = sets.windows(2).filter(|pair| pair[0] != pair[1]).count();
        (u64::try_from(sets.len()).unwrap_or(0), u64::try_from(changed).unwrap_or(0))
    }
    /// Whose key this is.
    pub(crate) fn owner_of(&self, key: &PublicKey) -> Option<usize> {
        self.keys.iter().position(|owner| owner == key)
    }
}
