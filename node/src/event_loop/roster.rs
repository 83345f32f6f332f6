//! Names to places and back: peers are known by consensus keys, the replica speaks of places in the epoch's set. The set
//! changes at an epoch's begin: what is fed after it speaks of the new places, and so do effects that follow it, which
//! are carried out later.
//!
//! Must not know: why the set changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use libp2p::Multiaddr;
use tonle_consensus::{Recipients, Validator, ValidatorIndex, ValidatorSet};
use tonle_crypto::PublicKey;

use crate::network::{Destination, Member, Network};

/// The epoch's validators, as everybody outside the event loop sees them.
#[derive(Debug, Clone)]
pub struct Shared(Arc<RwLock<ValidatorSet>>);

impl Shared {
    /// The set at start.
    #[must_use]
    pub fn new(set: ValidatorSet) -> Self {
        Shared(Arc::new(RwLock::new(set)))
    }
    /// The set of the epoch that the node is in.
    #[must_use]
    pub fn get(&self) -> ValidatorSet {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn put(&self, set: ValidatorSet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = set;
    }
}

/// See the module.
#[derive(Debug)]
pub struct Roster {
    /// Of which events speak.
    fed: ValidatorSet,
    /// Of which the effects speak that are carried out now.
    carried: ValidatorSet,
    shared: Shared,
    connected: BTreeSet<PublicKey>,
    /// The ledger's latest list: who serves, or will.
    listed: Vec<Validator>,
    addresses: BTreeMap<String, Vec<Multiaddr>>,
    network: Network,
}

impl Roster {
    /// Starts in the epoch of `set`; `listed` is the ledger's latest list, `addresses` where validators are dialed, by
    /// name.
    #[must_use]
    pub fn new(
        shared: Shared,
        listed: Vec<Validator>,
        addresses: BTreeMap<String, Vec<Multiaddr>>,
        network: Network,
    ) -> Self {
        let set = shared.get();
        let (fed, carried) = (set.clone(), set);
        Roster { fed, carried, shared, connected: BTreeSet::new(), listed, addresses, network }
    }

    /// Who may connect in an epoch: whoever serves in it, and whoever the ledger lists for the next one.
    #[must_use]
    pub fn members(
        set: &ValidatorSet,
        listed: &[Validator],
        addresses: &BTreeMap<String, Vec<Multiaddr>>,
    ) -> Vec<Member> {
        let serving = set.iter().map(|(_, validator)| validator);
        let coming = listed.iter().filter(|validator| set.index_of(&validator.key).is_none());
        let member = |validator: &Validator| Member {
            addresses: addresses.get(&validator.name).cloned().unwrap_or_default(),
            validator: validator.clone(),
        };
        serving.chain(coming).map(member).collect()
    }

    /// The place of a validator in the epoch that events speak of.
    #[must_use]
    pub fn place(&self, key: &PublicKey) -> Option<ValidatorIndex> {
        self.fed.index_of(key)
    }
    /// A validator is connected.
    pub fn connected(&mut self, key: PublicKey) -> Option<ValidatorIndex> {
        self.connected.insert(key);
        self.place(&key)
    }
    /// A validator is not connected any more.
    pub fn disconnected(&mut self, key: &PublicKey) -> Option<ValidatorIndex> {
        self.connected.remove(key);
        self.place(key)
    }

    /// An epoch began for the replica. Gives the places of those connected, when they have to be told again.
    pub fn enter(&mut self, set: ValidatorSet) -> Vec<ValidatorIndex> {
        let before = std::mem::replace(&mut self.fed, set);
        if before.digest() == self.fed.digest() {
            return Vec::new();
        }
        self.connected.iter().filter_map(|key| self.fed.index_of(key)).collect()
    }

    /// Effects of the epoch before are carried out: those that follow speak of this one.
    pub fn carry_on(&mut self, set: ValidatorSet) {
        let before = std::mem::replace(&mut self.carried, set.clone());
        self.shared.put(set);
        if before.digest() != self.carried.digest() {
            self.admit();
        }
    }

    /// The ledger lists other validators, for an epoch to come.
    pub fn list(&mut self, listed: &[Validator]) {
        self.listed = listed.to_vec();
        self.admit();
    }

    fn admit(&self) {
        self.network.admit(Roster::members(&self.carried, &self.listed, &self.addresses));
    }

    /// The validators whom an effect names.
    #[must_use]
    pub fn destination(&self, to: &Recipients) -> Destination {
        let key = |place: &ValidatorIndex| self.carried.get(*place).map(|validator| validator.key);
        match to {
            Recipients::All => Destination::All,
            Recipients::One(one) => Destination::Validators(key(one).into_iter().collect()),
            Recipients::Many(many) => Destination::Validators(many.iter().filter_map(key).collect()),
        }
    }
    /// The consensus key of the one whom an effect names.
    #[must_use]
    pub fn key(&self, place: ValidatorIndex) -> Option<PublicKey> {
        self.carried.get(place).map(|validator| validator.key)
    }
    /// Does this key serve in the epoch that effects speak of?
    #[must_use]
    pub fn serves(&self, key: &PublicKey) -> bool {
        self.carried.index_of(key).is_some()
    }
}
