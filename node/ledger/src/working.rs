//! The state while a block executes: what was loaded, what has changed, and how to take it back.
//!
//! Must not know: what operations mean, or the order of rejections.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_crypto::{Digest, PublicKey};

use crate::offence::{Docket, Offences};
use crate::participant::KeyCounts;
use crate::plan::Plan;
use crate::proposal::{Proposal, Proposals};
use crate::protocol::Protocol;
use crate::reference::ReferenceRecord;
use crate::slots::{AliasSlot, CodeSlot, PaidCode, ReceiptPlace, Slot, TimedSlot, Values};
use crate::timed::Deadlines;
use crate::tree::Tree;
use crate::validators::Revert;
use crate::{
    Account, Alias, Asset, AssetRecord, Balance, Fatal, KycTier, Limit, LocalHour, Member, Parameters, Participant,
    ParticipantId, ReceiptLocation, RejectionCode, SetVersion, TIMED_MAX, TIMED_PER_PARTICIPANT_MAX, Timed, Validators,
};

/// How to take one change back.
#[derive(Debug)]
enum Undo {
    Balance(usize, Balance),
    /// The whole record: what is changed seldom.
    Account(usize, Option<Box<Account>>),
    Alias(usize, Option<Alias>),
    Limit(Asset, KycTier, Limit),
    Supply(Asset, u128),
    Timed(usize, Option<Timed>),
    Reference(usize, Option<ReferenceRecord>),
    Code(usize),
    Validators(Box<Revert>),
    /// What the block had made of it before.
    Participant(ParticipantId, Option<Box<Participant>>),
    /// The same.
    Proposal(Digest, Option<Option<Box<Proposal>>>),
    Protocol(Option<Protocol>),
    Reported(Digest),
}

/// The validators while a block executes. Copied at the first change only: most blocks have none.
pub(crate) struct WorkingValidators {
    pub(crate) set: Arc<Validators>,
    /// The block's height.
    pub(crate) now: u64,
    /// For how many heights a replaced version may be in force.
    pub(crate) window: u64,
}

/// The participants before a block.
#[derive(Clone, Copy)]
pub(crate) struct Participants<'a> {
    pub(crate) by_id: &'a BTreeMap<ParticipantId, Participant>,
    /// All their keys, with how many of them have each.
    pub(crate) keys: &'a KeyCounts,
    /// How many of each one's accounts have money.
    pub(crate) moneyed: &'a BTreeMap<ParticipantId, usize>,
}

/// What the executor keeps in memory, before a block.
pub(crate) struct Before<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) participants: Participants<'a>,
    pub(crate) assets: &'a BTreeMap<Asset, AssetRecord>,
    pub(crate) validators: WorkingValidators,
    pub(crate) docket: Docket<'a>,
    pub(crate) deadlines: &'a Deadlines,
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) proposals: &'a Proposals,
    pub(crate) protocol: &'a Protocol,
}

/// The state while a block executes. Accounts, ids and references go by their places in the block's [`Plan`].
pub(crate) struct Working<'a> {
    participants: Participants<'a>,
    /// Those that the block admitted or changed, as it leaves them.
    changed: BTreeMap<ParticipantId, Participant>,
    /// How many accounts of each the block gave their first money, and of how many it took the last.
    filled: BTreeMap<ParticipantId, (usize, usize)>,
    validators: WorkingValidators,
    docket: Docket<'a>,
    slots: Vec<Slot>,
    timed: Vec<TimedSlot>,
    aliases: Vec<AliasSlot>,
    deadlines: &'a Deadlines,
    /// Copied at the first change only: most blocks have none.
    parameters: Arc<Parameters>,
    /// The hour of the block's time.
    hour: LocalHour,
    proposals: &'a Proposals,
    /// Proposals that the block made, changed or ended.
    drafted: BTreeMap<Digest, Option<Box<Proposal>>>,
    protocol: &'a Protocol,
    /// As the block decides it.
    new_protocol: Option<Protocol>,
    /// How many timed values the block began and how many it ended: by participant, and in all.
    begun: BTreeMap<Option<ParticipantId>, (usize, usize)>,
    ids: Vec<Option<ReceiptPlace>>,
    assets: BTreeMap<Asset, AssetRecord>,
    references: Vec<(Digest, Option<ReferenceRecord>)>,
    taken: Vec<usize>,
    codes: Vec<CodeSlot>,
    /// Codes that the block paid, in order.
    paid: Vec<usize>,
    balances_before: BTreeMap<Asset, u128>,
    undo: Vec<Undo>,
}

/// What the block's execution leaves, to be turned into changes.
pub(crate) struct Outcome {
    /// By account.
    pub(crate) slots: Vec<Slot>,
    pub(crate) timed: Vec<TimedSlot>,
    pub(crate) aliases: Vec<AliasSlot>,
    /// The parameters; the same `Arc` as before when no operation reached them.
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) assets: BTreeMap<Asset, AssetRecord>,
    /// References taken, in order.
    pub(crate) taken: Vec<(Digest, ReferenceRecord)>,
    /// Codes paid, in order.
    pub(crate) paid: Vec<(u64, Digest, PaidCode)>,
    /// Sums over the loaded accounts before the block.
    pub(crate) balances_before: BTreeMap<Asset, u128>,
    /// Participants that the block admitted or changed.
    pub(crate) participants: BTreeMap<ParticipantId, Participant>,
    /// How many accounts of each got their first money, and of how many the last left.
    pub(crate) filled: BTreeMap<ParticipantId, (usize, usize)>,
    /// Proposals that the block made, changed or ended.
    pub(crate) proposals: BTreeMap<Digest, Option<Box<Proposal>>>,
    /// The protocol, if the block decided on it.
    pub(crate) protocol: Option<Protocol>,
    /// The validators; the same `Arc` as before when no operation reached them.
    pub(crate) validators: Arc<Validators>,
    /// Offences that the block reported.
    pub(crate) reported: Offences,
}

/// Adds the balances of an account, available and held, to sums per asset.
pub(crate) fn add_balances(sums: &mut BTreeMap<Asset, u128>, account: &Account) -> Result<(), Fatal> {
    for balance in account.balances() {
        let sum = sums.entry(balance.asset).or_insert(0);
        let whole = u128::from(balance.available.minor()).checked_add(u128::from(balance.held.minor()));
        *sum = whole.and_then(|whole| sum.checked_add(whole)).ok_or(Fatal::Bound("sum of balances"))?;
    }
    Ok(())
}

impl<'a> Working<'a> {
    /// The state before a block: `values` are those of the plan's keys, in their order.
    pub(crate) fn new(plan: &Plan<'_>, values: Vec<Option<Vec<u8>>>, before: Before<'a>) -> Result<Self, Fatal> {
        let Before { tree, participants, assets, validators, docket, deadlines, .. } = before;
        let Before { parameters, proposals, protocol, .. } = before;
        let Values { slots, timed, aliases, ids, references, codes } = Values::read(plan, values, tree)?;
        let mut balances_before = BTreeMap::new();
        for account in slots.iter().filter_map(|slot| slot.account.as_ref()) {
            add_balances(&mut balances_before, account)?;
        }
        Ok(Working {
            participants,
            changed: BTreeMap::new(),
            filled: BTreeMap::new(),
            validators,
            docket,
            slots,
            timed,
            aliases,
            deadlines,
            hour: parameters.hour(plan.block.timestamp_ms),
            parameters,
            proposals,
            drafted: BTreeMap::new(),
            protocol,
            new_protocol: None,
            begun: BTreeMap::new(),
            ids,
            assets: assets.clone(),
            references,
            taken: Vec::new(),
            codes,
            paid: Vec::new(),
            balances_before,
            undo: Vec::new(),
        })
    }

    /// Where the receipt of the transaction stands that took this id, if one did.
    pub(crate) fn taken_id(&self, place: usize) -> Option<ReceiptPlace> {
        self.ids.get(place).copied().flatten()
    }
    /// Takes an id. It stays taken.
    pub(crate) fn take_id(&mut self, place: usize, receipt: ReceiptPlace) {
        if let Some(id) = self.ids.get_mut(place) {
            *id = Some(receipt);
        }
    }

    pub(crate) fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.changed.get(&id).or_else(|| self.participants.by_id.get(&id))
    }
    /// All that were participants before the block, as they are at this point of it. None that it admits is an operator.
    pub(crate) fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.participants.by_id.iter().map(|(id, participant)| self.changed.get(id).unwrap_or(participant))
    }
    /// Is it a key of a participant, at this point of the block?
    pub(crate) fn is_participants(&self, key: &PublicKey) -> bool {
        let has = |participant: &Participant| participant.keys.iter().any(|entry| entry.key == *key);
        let before = self.participants.keys.get(key);
        let replaced = self.changed.keys().filter(|id| self.participants.by_id.get(id).is_some_and(has)).count();
        before > replaced || self.changed.values().any(has)
    }
    /// How many participants there are at this point of the block.
    pub(crate) fn participant_count(&self) -> usize {
        let admitted = self.changed.keys().filter(|id| !self.participants.by_id.contains_key(id)).count();
        self.participants.by_id.len().saturating_add(admitted)
    }
    /// How many accounts of a participant have money, available or held, at this point of the block.
    pub(crate) fn moneyed(&self, id: ParticipantId) -> usize {
        let before = self.participants.moneyed.get(&id).copied().unwrap_or(0);
        let (filled, emptied) = self.filled.get(&id).copied().unwrap_or_default();
        before.saturating_add(filled).saturating_sub(emptied)
    }
    /// Is the participant an issuer of an asset?
    pub(crate) fn is_issuer(&self, id: ParticipantId) -> bool {
        self.assets.values().any(|record| record.issuer == id)
    }
    /// Does a set of validators that may be in force, or the one decided last, have one of the participant?
    pub(crate) fn validates(&self, id: ParticipantId) -> bool {
        let WorkingValidators { set, now, window } = &self.validators;
        let is = |member: &Member| member.participant == id;
        set.members().iter().any(is) || set.in_force(*now, *window).any(|version| version.members.iter().any(is))
    }
    pub(crate) fn slot(&self, place: usize) -> Option<&Slot> {
        self.slots.get(place)
    }
    pub(crate) fn account(&self, place: usize) -> Option<&Account> {
        self.slots.get(place)?.account.as_ref()
    }
    pub(crate) fn asset(&self, asset: Asset) -> Option<&AssetRecord> {
        self.assets.get(&asset)
    }
    pub(crate) fn issuer(&self, asset: Asset) -> Option<ParticipantId> {
        self.assets.get(&asset).map(|record| record.issuer)
    }
    pub(crate) fn reference(&self, place: usize) -> Option<&ReferenceRecord> {
        self.references.get(place)?.1.as_ref()
    }

    /// Replaces a balance of an account that is there.
    pub(crate) fn set_balance(&mut self, place: usize, balance: Balance) -> Result<(), RejectionCode> {
        let before = self.put_balance(place, balance).ok_or(RejectionCode::UnknownAccount)?;
        self.undo.push(Undo::Balance(place, before));
        Ok(())
    }
    /// Gives what stood there.
    fn put_balance(&mut self, place: usize, balance: Balance) -> Option<Balance> {
        let slot = self.slots.get_mut(place)?;
        let account = slot.account.as_mut()?;
        let (before, was_empty) = (account.balance(balance.asset), !account.has_money());
        account.set_balance(balance);
        slot.written = true;
        let is_empty = !account.has_money();
        if was_empty != is_empty {
            let (filled, emptied) = self.filled.entry(slot.participant).or_default();
            let count = if is_empty { emptied } else { filled };
            *count = count.saturating_add(1);
        }
        Some(before)
    }
    /// Opens an account that is not there, or replaces the whole record of one that is.
    pub(crate) fn put_account(&mut self, place: usize, account: Account) {
        if let Some(slot) = self.slots.get_mut(place) {
            self.undo.push(Undo::Account(place, slot.account.replace(account).map(Box::new)));
            slot.written = true;
        }
    }
    /// What an alias stands for at this point of the block.
    pub(crate) fn alias(&self, place: usize) -> Option<&Alias> {
        self.aliases.get(place)?.value.as_ref()
    }
    /// Replaces what an alias stands for, or removes it.
    pub(crate) fn put_alias(&mut self, place: usize, value: Option<Alias>) {
        if let Some(slot) = self.aliases.get_mut(place) {
            self.undo.push(Undo::Alias(place, std::mem::replace(&mut slot.value, value)));
        }
    }
    /// The parameters at this point of the block.
    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }
    /// The hour of the block's time.
    pub(crate) fn hour(&self) -> LocalHour {
        self.hour
    }
    /// Replaces the limit of a tier in an asset.
    pub(crate) fn set_limit(&mut self, asset: Asset, tier: KycTier, limit: Limit) {
        let before = Arc::make_mut(&mut self.parameters).set_limit(asset, tier, limit);
        self.undo.push(Undo::Limit(asset, tier, before));
    }
    /// The timed value at a place, at this point of the block.
    pub(crate) fn timed(&self, place: usize) -> Option<&Timed> {
        self.timed.get(place)?.value.as_ref()
    }
    /// Begins a timed value that is not there.
    pub(crate) fn begin(&mut self, place: usize, value: Timed) -> Result<(), RejectionCode> {
        let participant = value.owner();
        let (all, own) = self.deadlines.counts(participant);
        let now = |before: usize, of| {
            let (begun, ended) = self.begun.get(&of).copied().unwrap_or_default();
            before.saturating_add(begun).saturating_sub(ended)
        };
        if now(all, None) >= TIMED_MAX || now(own, Some(participant)) >= TIMED_PER_PARTICIPANT_MAX {
            return Err(RejectionCode::TimedFull);
        }
        self.change_timed(place, Some(value));
        Ok(())
    }
    /// Replaces a timed value, or ends it.
    pub(crate) fn change_timed(&mut self, place: usize, value: Option<Timed>) {
        if let Some(before) = self.put_timed(place, value) {
            self.undo.push(Undo::Timed(place, before));
        }
    }
    /// Gives what stood there.
    fn put_timed(&mut self, place: usize, value: Option<Timed>) -> Option<Option<Timed>> {
        let slot = self.timed.get_mut(place)?;
        let of = |value: &Option<Timed>| value.as_ref().map(Timed::owner);
        let (before, after) = (of(&slot.value), of(&value));
        if before.is_some() != after.is_some() {
            for of in [None, before.or(after)] {
                let (begun, ended) = self.begun.entry(of).or_default();
                let count = if after.is_some() { begun } else { ended };
                *count = count.saturating_add(1);
            }
        }
        Some(std::mem::replace(&mut slot.value, value))
    }
    /// Replaces the supply of an asset.
    pub(crate) fn set_supply(&mut self, asset: Asset, supply: u128) {
        if let Some(record) = self.assets.get_mut(&asset) {
            self.undo.push(Undo::Supply(asset, record.supply));
            record.supply = supply;
        }
    }
    /// Takes a reference.
    pub(crate) fn take_reference(&mut self, place: usize, record: ReferenceRecord) {
        if let Some((_, standing)) = self.references.get_mut(place) {
            self.undo.push(Undo::Reference(place, standing.replace(record)));
            self.taken.push(place);
        }
    }

    /// Pays a dynamic code, by the operation whose result will stand at `location`.
    pub(crate) fn pay_code(&mut self, place: usize, location: ReceiptLocation) -> Result<(), RejectionCode> {
        if self.codes.get(place).is_none_or(|slot| slot.paid.is_some()) {
            return Err(RejectionCode::KhqrPaid);
        }
        self.set_paid(place, Some(PaidCode::at(&location)));
        self.undo.push(Undo::Code(place));
        self.paid.push(place);
        Ok(())
    }
    fn set_paid(&mut self, place: usize, paid: Option<PaidCode>) {
        if let Some(slot) = self.codes.get_mut(place) {
            slot.paid = paid;
        }
    }

    /// Adds a participant, or replaces its record.
    pub(crate) fn set_participant(&mut self, participant: Participant) {
        let id = participant.id;
        let before = self.changed.insert(id, participant);
        self.undo.push(Undo::Participant(id, before.map(Box::new)));
    }
    /// Adds a validator, or replaces its keys.
    pub(crate) fn set_validator(&mut self, member: Member) -> Result<(), RejectionCode> {
        let WorkingValidators { set, now, window } = &mut self.validators;
        let revert = Arc::make_mut(set).set(member, *now, *window)?;
        self.undo.push(Undo::Validators(Box::new(revert)));
        Ok(())
    }
    /// Removes a validator.
    pub(crate) fn remove_validator(&mut self, participant: ParticipantId) -> Result<(), RejectionCode> {
        let WorkingValidators { set, now, window } = &mut self.validators;
        let revert = Arc::make_mut(set).remove(participant, *now, *window)?;
        self.undo.push(Undo::Validators(Box::new(revert)));
        Ok(())
    }

    /// The proposal of an id, at this point of the block.
    pub(crate) fn proposal(&self, id: &Digest) -> Option<&Proposal> {
        match self.drafted.get(id) {
            Some(drafted) => drafted.as_deref(),
            None => self.proposals.get(id),
        }
    }
    /// All proposals, at this point of the block.
    pub(crate) fn proposals(&self) -> impl Iterator<Item = (&Digest, &Proposal)> {
        let before = self.proposals.iter().filter(|(id, _)| !self.drafted.contains_key(id));
        before.chain(self.drafted.iter().filter_map(|(id, drafted)| Some((id, drafted.as_deref()?))))
    }
    /// Makes a proposal, changes it, or ends it.
    pub(crate) fn set_proposal(&mut self, id: Digest, proposal: Option<Proposal>) {
        let before = self.drafted.insert(id, proposal.map(Box::new));
        self.undo.push(Undo::Proposal(id, before));
    }
    /// Which versions of the protocol come into force, at this point of the block.
    pub(crate) fn protocol(&self) -> &Protocol {
        self.new_protocol.as_ref().unwrap_or(self.protocol)
    }
    /// Replaces them.
    pub(crate) fn set_protocol(&mut self, protocol: Protocol) {
        let before = self.new_protocol.replace(protocol);
        self.undo.push(Undo::Protocol(before));
    }

    /// Puts an offence on the ledger, by the operation whose result will stand at `place`.
    pub(crate) fn report(&mut self, proof: &[u8], place: ReceiptLocation) -> Result<(), RejectionCode> {
        let validators = &self.validators.set;
        let id = self.docket.report(proof, |key| validators.was_used(key), place)?;
        self.undo.push(Undo::Reported(id));
        Ok(())
    }

    /// What has happened up to here stays.
    pub(crate) fn keep(&mut self) {
        self.undo.clear();
    }
    /// What has happened since the last [`Working::keep`] is taken back.
    pub(crate) fn take_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Balance(place, balance) => {
                    self.put_balance(place, balance);
                }
                Undo::Account(place, before) => {
                    if let Some(slot) = self.slots.get_mut(place) {
                        slot.account = before.map(|account| *account);
                    }
                }
                Undo::Alias(place, before) => {
                    if let Some(slot) = self.aliases.get_mut(place) {
                        slot.value = before;
                    }
                }
                Undo::Limit(asset, tier, before) => {
                    Arc::make_mut(&mut self.parameters).set_limit(asset, tier, before);
                }
                Undo::Supply(asset, supply) => {
                    if let Some(record) = self.assets.get_mut(&asset) {
                        record.supply = supply;
                    }
                }
                Undo::Timed(place, before) => drop(self.put_timed(place, before)),
                Undo::Validators(revert) => Arc::make_mut(&mut self.validators.set).take_back(&revert),
                Undo::Participant(id, Some(before)) => drop(self.changed.insert(id, *before)),
                Undo::Participant(id, None) => drop(self.changed.remove(&id)),
                Undo::Proposal(id, Some(before)) => drop(self.drafted.insert(id, before)),
                Undo::Proposal(id, None) => drop(self.drafted.remove(&id)),
                Undo::Protocol(before) => self.new_protocol = before,
                Undo::Reported(id) => self.docket.take_back(&id),
                Undo::Code(place) => {
                    self.paid.pop();
                    self.set_paid(place, None);
                }
                Undo::Reference(place, before) => {
                    self.taken.pop();
                    if let Some((_, standing)) = self.references.get_mut(place) {
                        *standing = before;
                    }
                }
            }
        }
    }

    /// Ends the execution of the block.
    pub(crate) fn finish(self) -> Outcome {
        let Working { slots, timed, aliases, parameters, assets, references, taken, .. } = self;
        let Working { balances_before, changed, filled, drafted, .. } = self;
        let taken = taken.iter().filter_map(|place| {
            let (scope, record) = references.get(*place)?;
            Some((*scope, (*record)?))
        });
        let taken = taken.collect();
        let paid = self.paid.iter().filter_map(|place| {
            let slot = self.codes.get(*place)?;
            Some((slot.hour, slot.code, slot.paid?))
        });
        let paid = paid.collect();
        let (validators, reported) = (self.validators.set, self.docket.finish());
        let (participants, proposals, protocol) = (changed, drafted, self.new_protocol);
        Outcome {
            slots,
            timed,
            aliases,
            parameters,
            assets,
            taken,
            paid,
            balances_before,
            participants,
            filled,
            proposals,
            protocol,
            validators,
            reported,
        }
    }
}

impl Outcome {
    /// Ends the block for the validators: gives the version that it made, if it made one.
    pub(crate) fn finish_validators(&mut self, before: &Arc<Validators>, now: u64, window: u64) -> Option<SetVersion> {
        if Arc::ptr_eq(before, &self.validators) {
            return None;
        }
        Arc::make_mut(&mut self.validators).finish(now, window)
    }
}
