//! The executor: finalized transactions in, receipts and state changes out.
//!
//! How to drive it: [`Executor::create`] for an empty storage or [`Executor::open`] for a stored state; then for each
//! finalized block in order of height: make its [`Executor::plan`], read the values of [`Plan::keys`], call
//! [`Executor::execute`], and apply [`Executed::changes`] together with the receipts in one atomic write.
//!
//! Must not know: where the state is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};

use crate::audit::Scan;
use crate::buckets::Buckets;
use crate::offence::{Docket, Offences};
use crate::participant::KeyCounts;
use crate::plan::Plan;
use crate::proof::value_digest;
use crate::proposal::{Proposal, Proposals};
use crate::protocol::Protocol;
use crate::run::{Run, run};
use crate::slots::{AliasSlot, Slot, TimedSlot};
use crate::timed::Deadlines;
use crate::tree::{LeafChange, Tree, Version, Versions};
use crate::validators::window;
use crate::working::{Before, Outcome, Participants, Working, WorkingValidators, add_balances};
use crate::{
    Asset, AssetRecord, BlockInput, Change, Executed, Fatal, Genesis, Judge, OffenceRecord, Parameters, Participant,
    ParticipantId, ProofSource, ReceiptsTree, StateKey, Validators, first_results_root, next_results_root,
};

/// The last executed block, as stored with the state under [`StateKey::Point`].
///
/// ```text
/// chain digest 32 B ‖ height u64 ‖ time u64 (ms) ‖ state root 32 B ‖ results root 32 B
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The chain.
    pub chain: Digest,
    /// Its height; 0 is genesis.
    pub height: u64,
    /// Its time, ms since the Unix epoch.
    pub time_ms: u64,
    /// Root of the state after it.
    pub state_root: Digest,
    /// Chained root of all receipts up to it.
    pub results_root: Digest,
}

impl Canonical for Point {
    fn encode_to(&self, writer: &mut Writer) {
        writer.digest(&self.chain).u64(self.height).u64(self.time_ms);
        writer.digest(&self.state_root).digest(&self.results_root);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Point {
            chain: reader.digest()?,
            height: reader.u64()?,
            time_ms: reader.u64()?,
            state_root: reader.digest()?,
            results_root: reader.digest()?,
        })
    }
}

/// A change of one value of the state tree.
pub(crate) struct Edit {
    pub(crate) key: StateKey,
    pub(crate) before: Option<Vec<u8>>,
    pub(crate) after: Option<Vec<u8>>,
}

/// Executes blocks in order of height.
#[derive(Debug)]
pub struct Executor {
    point: Point,
    participants: BTreeMap<ParticipantId, Participant>,
    /// All keys of the participants.
    keys: KeyCounts,
    /// How many accounts of each participant have money.
    moneyed: BTreeMap<ParticipantId, usize>,
    assets: BTreeMap<Asset, AssetRecord>,
    buckets: Buckets,
    validators: Arc<Validators>,
    /// For how many heights a replaced version of the validator set may be in force.
    window: u64,
    offences: Offences,
    deadlines: Deadlines,
    parameters: Arc<Parameters>,
    proposals: Proposals,
    protocol: Protocol,
    judge: Arc<dyn Judge>,
    versions: Arc<Versions>,
}

impl Executor {
    /// Founds a ledger: the executor at height 0, and the changes that make an empty storage its state. `judge` says of
    /// reports of misbehaviour what they prove.
    ///
    /// # Errors
    /// [`Fatal::Genesis`].
    pub fn create(genesis: &Genesis, judge: Arc<dyn Judge>) -> Result<(Self, Vec<Change>), Fatal> {
        genesis.check()?;
        let mut values: Vec<(StateKey, Vec<u8>)> = Vec::new();
        for participant in &genesis.participants {
            values.push((StateKey::Participant(participant.id), participant.encode()));
        }
        let mut supply = BTreeMap::new();
        for entry in &genesis.accounts {
            add_balances(&mut supply, &entry.account)?;
            values.push((StateKey::Account(entry.id), entry.account.encode()));
        }
        for asset in &genesis.assets {
            let supply = supply.get(&asset.asset).copied().unwrap_or(0);
            let (number, exponent, issuer) = (asset.number, asset.exponent, asset.issuer);
            let record = AssetRecord { asset: asset.asset, number, exponent, issuer, supply };
            values.push((StateKey::Asset(asset.asset), record.encode()));
        }
        values.push((StateKey::Validators, Validators::found(&genesis.validators).encode()));
        values.push((StateKey::Parameters, genesis.parameters.encode()));
        let leaves = values.iter().filter_map(|(key, value)| Scan::leaf(key, value)).collect();
        let tree = Tree::default().update(leaves).map_err(|_| Fatal::Bound("genesis"))?;
        let chain = genesis.digest();
        let point = Point {
            chain,
            height: 0,
            time_ms: genesis.created_ms,
            state_root: tree.root(),
            results_root: first_results_root(chain),
        };
        values.push((StateKey::Point, point.encode()));
        let executor = Self::open(genesis, values.iter().cloned(), judge)?;
        Ok((executor, values.into_iter().map(|(key, value)| Change::Put(key, value)).collect()))
    }

    /// Opens a stored state: rebuilds the tree, compares it with the recorded root, and audits the supply.
    ///
    /// `values` are all values under the keys of [`StateKey::SCAN`].
    ///
    /// # Errors
    /// [`Fatal`] when the state is of another chain, damaged, or does not add up.
    pub fn open(
        genesis: &Genesis,
        values: impl Iterator<Item = (StateKey, Vec<u8>)>,
        judge: Arc<dyn Judge>,
    ) -> Result<Self, Fatal> {
        let mut scan = Scan::default();
        let mut leaves = Vec::new();
        for (key, value) in values {
            scan.add(key, &value)?;
            leaves.extend(Scan::leaf(&key, &value));
        }
        let point = scan.audit()?.point;
        let expected = genesis.digest();
        if point.chain != expected {
            return Err(Fatal::OtherChain { found: point.chain, expected });
        }
        let tree = Tree::default().update(leaves).map_err(|_| Fatal::Bound("state read twice"))?;
        if tree.root() != point.state_root {
            let (computed, recorded) = (tree.root(), point.state_root);
            return Err(Fatal::RootMismatch { height: point.height, computed, recorded });
        }
        let mut versions = Versions::default();
        versions.push(Version { height: point.height, tree, previous: Vec::new() });
        let Scan {
            participants,
            assets,
            buckets,
            validators,
            offences,
            deadlines,
            parameters,
            moneyed,
            proposals,
            protocol,
            ..
        } = scan;
        let mut keys = KeyCounts::default();
        participants.values().for_each(|participant| keys.add(participant));
        Ok(Executor {
            point,
            keys,
            moneyed,
            participants,
            assets,
            buckets,
            validators: Arc::new(validators.ok_or(Fatal::NoValidators)?),
            window: window(genesis.epoch_length),
            offences,
            deadlines,
            parameters: Arc::new(parameters.ok_or(Fatal::NoParameters)?),
            proposals,
            protocol: protocol.unwrap_or_else(|| Protocol::found(genesis.protocol_version)),
            judge,
            versions: Arc::new(versions),
        })
    }

    /// The last executed block.
    #[must_use]
    pub fn point(&self) -> &Point {
        &self.point
    }

    /// The participants, by id.
    #[must_use]
    pub fn participants(&self) -> &BTreeMap<ParticipantId, Participant> {
        &self.participants
    }

    /// The assets with their supply, by code.
    #[must_use]
    pub fn assets(&self) -> &BTreeMap<Asset, AssetRecord> {
        &self.assets
    }

    /// The validators: every version of their set that may still be in force, and those keys that were used.
    #[must_use]
    pub fn validators(&self) -> &Validators {
        &self.validators
    }

    /// Limits, and when a day begins.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The offence of this id, if it was reported.
    #[must_use]
    pub fn offence(&self, id: &Digest) -> Option<&OffenceRecord> {
        self.offences.get(id)
    }

    /// The proposals that stand, by id.
    pub fn proposals(&self) -> impl Iterator<Item = (&Digest, &Proposal)> {
        self.proposals.iter()
    }

    /// Which versions of the protocol come into force at which heights.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Supply of every asset, in minor units.
    #[must_use]
    pub fn supply(&self) -> BTreeMap<Asset, u128> {
        self.assets.iter().map(|(asset, record)| (*asset, record.supply)).collect()
    }

    /// What proofs of the last executed heights are made from.
    #[must_use]
    pub fn proofs(&self) -> ProofSource {
        ProofSource { versions: Arc::clone(&self.versions) }
    }

    /// What executing the block will ask for.
    #[must_use]
    pub fn plan<'a>(&self, block: &'a BlockInput) -> Plan<'a> {
        let issuer = |asset| self.assets.get(&asset).map(|record| record.issuer);
        Plan::new(block, issuer, self.deadlines.ended(block.timestamp_ms), &self.proposals)
    }

    /// Executes the next block. `values` are those of the plan's keys in their order, as of the block before; `None`
    /// where there is none.
    ///
    /// # Errors
    /// [`Fatal`]: the state is wrong, and the process must stop; this executor is as it was before. Never for what a
    /// transaction says.
    pub fn execute(&mut self, plan: &Plan<'_>, values: Vec<Option<Vec<u8>>>) -> Result<Executed, Fatal> {
        let block = plan.block;
        let expected = self.point.height.saturating_add(1);
        if block.height != expected {
            return Err(Fatal::OutOfOrder { expected, given: block.height });
        }
        let tree = self.versions.tree();
        let before = Before {
            tree: &tree,
            participants: Participants { by_id: &self.participants, keys: &self.keys, moneyed: &self.moneyed },
            assets: &self.assets,
            validators: WorkingValidators { set: Arc::clone(&self.validators), now: block.height, window: self.window },
            docket: Docket::new(self.judge.as_ref(), self.point.chain, &self.offences),
            deadlines: &self.deadlines,
            parameters: Arc::clone(&self.parameters),
            proposals: &self.proposals,
            protocol: &self.protocol,
        };
        let mut working = Working::new(plan, values, before)?;
        let run = run(plan, &self.point.chain, &mut working)?;
        let mut outcome = working.finish();
        let changed = outcome.finish_validators(&self.validators, block.height, self.window);
        self.check_deltas(block.height, &outcome)?;
        let mut changes = Vec::new();
        let edits = self.edits(block, &run, &mut outcome, &mut changes);
        let Outcome { assets, participants, filled, proposals, protocol, .. } = outcome;
        let Outcome { validators, reported, timed, parameters, .. } = outcome;
        let (tree, previous) = commit(&tree, edits, &mut changes)?;

        let encoded: Vec<_> = run.receipts.iter().map(encoded).collect();
        let receipts_root = ReceiptsTree::of_encoded(encoded.iter().map(Vec::as_slice)).root();
        let point = Point {
            chain: self.point.chain,
            height: block.height,
            time_ms: block.timestamp_ms,
            state_root: tree.root(),
            results_root: next_results_root(&self.point.results_root, &receipts_root),
        };
        changes.push(Change::Put(StateKey::Point, point.encode()));
        self.buckets.remember(&changes);
        Arc::make_mut(&mut self.versions).push(Version { height: block.height, tree, previous });
        self.assets = assets;
        self.take_in(participants, filled);
        proposals.into_iter().for_each(|(id, proposal)| self.proposals.set(id, proposal.map(|proposal| *proposal)));
        if let Some(protocol) = protocol {
            self.protocol = protocol;
        }
        self.offences.extend(reported);
        for TimedSlot { id, value, .. } in &timed {
            self.deadlines.set(*id, value.as_ref());
        }
        self.validators = validators;
        self.parameters = parameters;
        self.point = point;
        Ok(Executed {
            height: block.height,
            timestamp_ms: block.timestamp_ms,
            receipts: run.receipts,
            encoded,
            positions: run.positions,
            duplicates: run.duplicates,
            changes: Arc::new(changes),
            history: run.history,
            khqr: run.khqr,
            state_root: point.state_root,
            receipts_root,
            results_root: point.results_root,
            operations: run.operations,
            applied: run.applied,
            supply: self.supply(),
            validators: changed,
        })
    }

    /// Supply = balances + holds, by what the block changed: balances before + supply after = balances after + supply
    /// before, for each asset, over the accounts that the block touched.
    fn check_deltas(&self, height: u64, outcome: &Outcome) -> Result<(), Fatal> {
        let mut balances_after = BTreeMap::new();
        for account in outcome.slots.iter().filter_map(|slot| slot.account.as_ref()) {
            add_balances(&mut balances_after, account)?;
        }
        let touched = outcome.balances_before.keys().chain(balances_after.keys());
        for asset in outcome.assets.keys().chain(touched) {
            let of = |sums: &BTreeMap<Asset, u128>| sums.get(asset).copied().unwrap_or(0);
            let supply = |assets: &BTreeMap<Asset, AssetRecord>| assets.get(asset).map_or(0, |record| record.supply);
            let (balances_before, balances_after) = (of(&outcome.balances_before), of(&balances_after));
            let (supply_before, supply_after) = (supply(&self.assets), supply(&outcome.assets));
            let left = balances_before.checked_add(supply_after);
            if left.is_none() || left != balances_after.checked_add(supply_before) {
                let asset = *asset;
                return Err(Fatal::DeltaMismatch {
                    height,
                    asset,
                    balances_before,
                    balances_after,
                    supply_before,
                    supply_after,
                });
            }
        }
        Ok(())
    }

    /// The changes of the state tree; what stands outside it goes to `changes`.
    fn edits(&self, block: &BlockInput, run: &Run, outcome: &mut Outcome, changes: &mut Vec<Change>) -> Vec<Edit> {
        let slots = std::mem::take(&mut outcome.slots);
        let mut edits = Vec::with_capacity(slots.len());
        for Slot { id, stored, account, .. } in slots.into_iter().filter(|slot| slot.written) {
            let after = account.as_ref().map(encoded);
            edits.push(Edit { key: StateKey::Account(id), before: stored, after });
        }
        for TimedSlot { id, stored, value } in &mut outcome.timed {
            let after = value.as_ref().map(encoded);
            edits.push(Edit { key: StateKey::Timed(*id), before: stored.take(), after });
        }
        for AliasSlot { alias, stored, value } in &mut outcome.aliases {
            let after = value.as_ref().map(encoded);
            edits.push(Edit { key: StateKey::Alias(*alias), before: stored.take(), after });
        }
        for (asset, record) in &outcome.assets {
            let before = self.assets.get(asset).map(Canonical::encode);
            edits.push(Edit { key: StateKey::Asset(*asset), before, after: Some(record.encode()) });
        }
        for (id, participant) in &outcome.participants {
            let before = self.participants.get(id).map(Canonical::encode);
            edits.push(Edit { key: StateKey::Participant(*id), before, after: Some(participant.encode()) });
        }
        for (id, proposal) in &outcome.proposals {
            let before = self.proposals.get(id).map(Canonical::encode);
            let after = proposal.as_deref().map(Canonical::encode);
            edits.push(Edit { key: StateKey::Proposal(*id), before, after });
        }
        if let Some(protocol) = &outcome.protocol {
            edits.push(Edit { key: StateKey::Protocol, before: self.protocol.leaf(), after: protocol.leaf() });
        }
        if !Arc::ptr_eq(&self.validators, &outcome.validators) {
            let (before, after) = (Some(self.validators.encode()), Some(outcome.validators.encode()));
            edits.push(Edit { key: StateKey::Validators, before, after });
        }
        if !Arc::ptr_eq(&self.parameters, &outcome.parameters) {
            let (before, after) = (Some(self.parameters.encode()), Some(outcome.parameters.encode()));
            edits.push(Edit { key: StateKey::Parameters, before, after });
        }
        for (id, record) in outcome.reported.iter() {
            edits.push(Edit { key: StateKey::Offence(*id), before: None, after: Some(record.encode()) });
        }
        self.buckets.edit_ids(block, &run.taken, changes, &mut edits);
        self.buckets.edit_references(block, &outcome.taken, changes, &mut edits);
        self.buckets.edit_codes(block, &outcome.paid, changes, &mut edits);
        edits.retain(|edit| edit.before != edit.after);
        edits
    }

    /// Keeps the participants as the block leaves them, and how many of their accounts have money.
    fn take_in(
        &mut self,
        participants: BTreeMap<ParticipantId, Participant>,
        filled: BTreeMap<ParticipantId, (usize, usize)>,
    ) {
        for (id, participant) in participants {
            self.keys.add(&participant);
            if let Some(before) = self.participants.insert(id, participant) {
                self.keys.remove(&before);
            }
        }
        for (id, (filled, emptied)) in filled {
            let count = self.moneyed.entry(id).or_insert(0);
            *count = count.saturating_add(filled).saturating_sub(emptied);
        }
    }
}

/// A value's bytes. Most values fit into what is reserved at once, and few are kept for long.
fn encoded(value: &impl Canonical) -> Vec<u8> {
    let mut writer = Writer::with_room();
    writer.value(value);
    writer.finish()
}

type Previous = Vec<(StateKey, Option<Vec<u8>>)>;

/// Applies edits to the tree, which refuses them when a value before is not the one it commits to.
fn commit(tree: &Tree, edits: Vec<Edit>, changes: &mut Vec<Change>) -> Result<(Tree, Previous), Fatal> {
    let mut leaves = Vec::with_capacity(edits.len());
    let mut previous = Vec::with_capacity(edits.len());
    for Edit { key, before, after } in edits {
        let digest = |value: &Option<Vec<u8>>| value.as_deref().map(value_digest);
        leaves.push(LeafChange { path: key.path(), before: digest(&before), after: digest(&after) });
        changes.push(match after {
            Some(value) => Change::Put(key, value),
            None => Change::Delete(key),
        });
        previous.push((key, before));
    }
    previous.sort_unstable_by_key(|(key, _)| *key);
    let updated = tree.update(leaves).map_err(|mismatch| {
        let found = previous.iter().find(|(key, _)| key.path() == mismatch.0);
        Fatal::NotCommitted(found.map_or(StateKey::Point, |(key, _)| *key))
    })?;
    Ok((updated, previous))
}
