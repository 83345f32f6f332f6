//! The full scan: every stored value is read, decoded and added up.
//!
//! Must not know: how the values came about.

use std::collections::BTreeMap;

use tonle_crypto::{Canonical, CodecError, Digest};

use crate::buckets::Buckets;
use crate::executor::Point;
use crate::offence::Offences;
use crate::proof::value_digest;
use crate::proposal::{Proposal, Proposals};
use crate::protocol::Protocol;
use crate::timed::Deadlines;
use crate::tree::LeafChange;
use crate::working::add_balances;
use crate::{
    Account, Alias, Asset, AssetRecord, Bucket, Fatal, OffenceRecord, Parameters, Participant, ParticipantId, StateKey,
    Timed, Validators,
};

/// What a full scan found: supply and sum of balances agree for every asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The last executed block.
    pub point: Point,
    /// Supply of each asset, in minor units.
    pub supply: BTreeMap<Asset, u128>,
    /// How many accounts there are.
    pub accounts: u64,
}

/// Scans a state and compares, for every asset, its supply with the sum of all balances and holds.
///
/// `values` are all values under the keys of [`StateKey::SCAN`], of one consistent snapshot.
///
/// # Errors
/// [`Fatal::SupplyMismatch`], [`Fatal::Corrupt`], [`Fatal::NoPoint`].
pub fn audit(values: impl Iterator<Item = (StateKey, Vec<u8>)>) -> Result<Audit, Fatal> {
    let mut scan = Scan::default();
    for (key, value) in values {
        scan.add(key, &value)?;
    }
    scan.audit()
}

/// A scan under way.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) point: Option<Point>,
    pub(crate) participants: BTreeMap<ParticipantId, Participant>,
    pub(crate) assets: BTreeMap<Asset, AssetRecord>,
    pub(crate) buckets: Buckets,
    pub(crate) validators: Option<Validators>,
    pub(crate) offences: Offences,
    pub(crate) deadlines: Deadlines,
    pub(crate) parameters: Option<Parameters>,
    pub(crate) proposals: Proposals,
    pub(crate) protocol: Option<Protocol>,
    /// How many accounts of each participant have money.
    pub(crate) moneyed: BTreeMap<ParticipantId, usize>,
    balances: BTreeMap<Asset, u128>,
    accounts: u64,
}

impl Scan {
    /// Takes in one value.
    pub(crate) fn add(&mut self, key: StateKey, value: &[u8]) -> Result<(), Fatal> {
        let corrupt = |error: CodecError| Fatal::Corrupt { key, error };
        match key {
            StateKey::Point => self.point = Some(Point::decode(value).map_err(corrupt)?),
            StateKey::Participant(id) => {
                self.participants.insert(id, Participant::decode(value).map_err(corrupt)?);
            }
            StateKey::Asset(asset) => {
                self.assets.insert(asset, AssetRecord::decode(value).map_err(corrupt)?);
            }
            StateKey::IdBucket(hour) => self.buckets.read(Bucket::Ids(hour), bucket(value).map_err(corrupt)?),
            StateKey::ReferenceBucket(hour) => {
                self.buckets.read(Bucket::References(hour), bucket(value).map_err(corrupt)?);
            }
            StateKey::CodeBucket(hour) => self.buckets.read(Bucket::Codes(hour), bucket(value).map_err(corrupt)?),
            StateKey::Account(id) => {
                let account = Account::decode(value).map_err(corrupt)?;
                add_balances(&mut self.balances, &account)?;
                if account.has_money() {
                    let count = self.moneyed.entry(id.participant()).or_insert(0);
                    *count = count.saturating_add(1);
                }
                self.accounts = self.accounts.saturating_add(1);
            }
            StateKey::Validators => self.validators = Some(Validators::decode(value).map_err(corrupt)?),
            StateKey::Offence(id) => self.offences.insert(id, OffenceRecord::decode(value).map_err(corrupt)?),
            StateKey::Proposal(id) => self.proposals.read(id, Proposal::decode(value).map_err(corrupt)?)?,
            StateKey::Protocol => self.protocol = Some(Protocol::decode(value).map_err(corrupt)?),
            StateKey::Timed(id) => self.deadlines.read(id, &Timed::decode(value).map_err(corrupt)?)?,
            StateKey::Parameters => self.parameters = Some(Parameters::decode(value).map_err(corrupt)?),
            StateKey::Alias(_) => drop(Alias::decode(value).map_err(corrupt)?),
            StateKey::Transaction { .. } | StateKey::Reference(_) | StateKey::Code { .. } => {}
        }
        Ok(())
    }

    /// The leaf of the value in the state tree, if it is one.
    pub(crate) fn leaf(key: &StateKey, value: &[u8]) -> Option<LeafChange> {
        key.is_leaf().then(|| LeafChange { path: key.path(), before: None, after: Some(value_digest(value)) })
    }

    /// Compares the sums.
    pub(crate) fn audit(&self) -> Result<Audit, Fatal> {
        for asset in self.assets.keys().chain(self.balances.keys()) {
            let supply = self.assets.get(asset).map_or(0, |record| record.supply);
            let balances = self.balances.get(asset).copied().unwrap_or(0);
            if supply != balances {
                return Err(Fatal::SupplyMismatch { asset: *asset, supply, balances });
            }
        }
        let supply = self.assets.iter().map(|(asset, record)| (*asset, record.supply)).collect();
        Ok(Audit { point: self.point.ok_or(Fatal::NoPoint)?, supply, accounts: self.accounts })
    }
}

fn bucket(value: &[u8]) -> Result<Digest, CodecError> {
    value.try_into().map(Digest::from_bytes).map_err(|_| CodecError::Invalid("bucket digest"))
}
