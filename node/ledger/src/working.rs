//! The state while a block executes: what was loaded, what has changed, and how to take it back.
//!
//! Must not know: what operations mean, or the order of rejections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tonle_crypto::{Canonical, CodecError, Digest, PublicKey};

use crate::offence::{Docket, Offences};
use crate::reference::{Instruction, ReferenceRecord};
use crate::tree::Tree;
use crate::validators::Revert;
use crate::{
    Account, AccountId, Asset, AssetRecord, Balance, Fatal, Member, Operation, Participant, ParticipantId,
    ReceiptLocation, RejectionCode, SetVersion, SignedTransaction, StateKey, StateReader, Validators,
};

/// An account that the block touches.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    /// The value as it is stored.
    pub(crate) stored: Option<&'a [u8]>,
    /// The account as it is at this point of the block.
    pub(crate) account: Option<Account>,
    /// Was it ever written?
    pub(crate) written: bool,
}

/// How to take one change back.
#[derive(Debug)]
enum Undo {
    Balance(AccountId, Balance),
    Opened(AccountId),
    Supply(Asset, u128),
    Reference(Digest, Option<ReferenceRecord>),
    Validators(Box<Revert>),
    Admitted(ParticipantId),
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
    /// All their keys.
    pub(crate) keys: &'a BTreeSet<PublicKey>,
}

/// The state while a block executes.
pub(crate) struct Working<'a> {
    participants: Participants<'a>,
    admitted: BTreeMap<ParticipantId, Participant>,
    validators: WorkingValidators,
    docket: Docket<'a>,
    state: &'a dyn StateReader,
    tree: Tree,
    slots: BTreeMap<AccountId, Slot<'a>>,
    assets: BTreeMap<Asset, AssetRecord>,
    references: BTreeMap<Digest, ReferenceRecord>,
    taken: Vec<Digest>,
    balances_before: BTreeMap<Asset, u128>,
    undo: Vec<Undo>,
}

/// What the block's execution leaves, to be turned into changes.
pub(crate) struct Outcome<'a> {
    pub(crate) slots: BTreeMap<AccountId, Slot<'a>>,
    pub(crate) assets: BTreeMap<Asset, AssetRecord>,
    /// References taken, in order.
    pub(crate) taken: Vec<(Digest, ReferenceRecord)>,
    /// Sums over the loaded accounts before the block.
    pub(crate) balances_before: BTreeMap<Asset, u128>,
    /// Participants that the block admitted.
    pub(crate) admitted: BTreeMap<ParticipantId, Participant>,
    /// The validators; the same `Arc` as before when no operation reached them.
    pub(crate) validators: Arc<Validators>,
    /// Offences that the block reported.
    pub(crate) reported: Offences,
}

/// The account names in an operation.
pub(crate) fn accounts_of(operation: &Operation) -> [Option<AccountId>; 2] {
    match operation {
        Operation::Transfer(transfer) => [Some(transfer.from), Some(transfer.to)],
        Operation::OpenAccount(open) => [Some(open.account), None],
        Operation::Issue(issue) => [Some(issue.to), None],
        Operation::Redeem(redeem) => [Some(redeem.from), None],
        Operation::SetValidator(_)
        | Operation::RemoveValidator(_)
        | Operation::AddParticipant(_)
        | Operation::ReportMisbehaviour(_) => [None, None],
    }
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
    pub(crate) fn new(
        participants: Participants<'a>,
        assets: &BTreeMap<Asset, AssetRecord>,
        validators: WorkingValidators,
        docket: Docket<'a>,
        tree: Tree,
        state: &'a dyn StateReader,
    ) -> Self {
        Working {
            participants,
            admitted: BTreeMap::new(),
            validators,
            docket,
            state,
            tree,
            slots: BTreeMap::new(),
            assets: assets.clone(),
            references: BTreeMap::new(),
            taken: Vec::new(),
            balances_before: BTreeMap::new(),
            undo: Vec::new(),
        }
    }

    /// Loads what a transaction names, as far as no earlier one did.
    pub(crate) fn load(&mut self, transaction: &SignedTransaction) -> Result<(), Fatal> {
        for operation in transaction.operations() {
            for id in accounts_of(operation).into_iter().flatten() {
                if !self.slots.contains_key(&id) {
                    self.load_account(id)?;
                }
            }
            let scope = Instruction::of(operation).and_then(|instruction| self.scope(&instruction));
            if let Some(digest) = scope.filter(|digest| !self.references.contains_key(digest)) {
                let key = StateKey::Reference(digest);
                if let Some(value) = self.state.get(&key) {
                    let record = ReferenceRecord::decode(value).map_err(|error| Fatal::Corrupt { key, error })?;
                    self.references.insert(digest, record);
                }
            }
        }
        Ok(())
    }

    fn load_account(&mut self, id: AccountId) -> Result<(), Fatal> {
        let key = StateKey::Account(id);
        let stored = self.state.get(&key);
        let account = match stored {
            Some(value) => Some(Account::decode(value).map_err(|error| Fatal::Corrupt { key, error })?),
            // Not loaded by mistake, or lost: the tree knows better than a rejection for ever in the receipts.
            None if self.tree.contains(&key.path()) => return Err(Fatal::NotCommitted(key)),
            None => None,
        };
        if let Some(account) = &account {
            add_balances(&mut self.balances_before, account)?;
        }
        self.slots.insert(id, Slot { stored, account, written: false });
        Ok(())
    }

    /// A transaction id that was taken in an earlier block: height and index of its receipt.
    pub(crate) fn stored_id(&self, key: &StateKey) -> Result<Option<(u64, u32)>, Fatal> {
        let Some(value) = self.state.get(key) else { return Ok(None) };
        let corrupt = |error: CodecError| Fatal::Corrupt { key: *key, error };
        let mut reader = tonle_crypto::Reader::new(value);
        let place = (reader.u64().map_err(corrupt)?, reader.u32().map_err(corrupt)?);
        reader.finish().map_err(corrupt)?;
        Ok(Some(place))
    }

    pub(crate) fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.by_id.get(&id).or_else(|| self.admitted.get(&id))
    }
    /// All participants before the block. None that it admits is an operator.
    pub(crate) fn participants(&self) -> impl Iterator<Item = &'a Participant> {
        self.participants.by_id.values()
    }
    /// Is it a key of a participant, at this point of the block?
    pub(crate) fn is_participants(&self, key: &PublicKey) -> bool {
        let of = |participant: &Participant| participant.keys.iter().any(|entry| entry.key == *key);
        self.participants.keys.contains(key) || self.admitted.values().any(of)
    }
    /// How many participants there are at this point of the block.
    pub(crate) fn participant_count(&self) -> usize {
        self.participants.by_id.len().saturating_add(self.admitted.len())
    }
    pub(crate) fn account(&self, id: AccountId) -> Option<&Account> {
        self.slots.get(&id)?.account.as_ref()
    }
    pub(crate) fn asset(&self, asset: Asset) -> Option<&AssetRecord> {
        self.assets.get(&asset)
    }
    pub(crate) fn issuer(&self, asset: Asset) -> Option<ParticipantId> {
        self.assets.get(&asset).map(|record| record.issuer)
    }
    /// The key of a reference; `None` for an issue of an unknown asset.
    pub(crate) fn scope(&self, instruction: &Instruction<'_>) -> Option<Digest> {
        instruction.scope(|asset| self.issuer(asset))
    }
    pub(crate) fn reference(&self, scope: &Digest) -> Option<&ReferenceRecord> {
        self.references.get(scope)
    }

    /// Replaces a balance of an account that is there.
    pub(crate) fn set_balance(&mut self, id: AccountId, balance: Balance) -> Result<(), RejectionCode> {
        let slot = self.slots.get_mut(&id).ok_or(RejectionCode::UnknownAccount)?;
        let account = slot.account.as_mut().ok_or(RejectionCode::UnknownAccount)?;
        self.undo.push(Undo::Balance(id, account.balance(balance.asset)));
        account.set_balance(balance);
        slot.written = true;
        Ok(())
    }
    /// Opens an account that is not there.
    pub(crate) fn open(&mut self, id: AccountId, account: Account) {
        self.undo.push(Undo::Opened(id));
        let slot = self.slots.entry(id).or_insert(Slot { stored: None, account: None, written: false });
        slot.account = Some(account);
        slot.written = true;
    }
    /// Replaces the supply of an asset.
    pub(crate) fn set_supply(&mut self, asset: Asset, supply: u128) {
        if let Some(record) = self.assets.get_mut(&asset) {
            self.undo.push(Undo::Supply(asset, record.supply));
            record.supply = supply;
        }
    }
    /// Takes a reference.
    pub(crate) fn take_reference(&mut self, scope: Digest, record: ReferenceRecord) {
        let before = self.references.insert(scope, record);
        self.undo.push(Undo::Reference(scope, before));
        self.taken.push(scope);
    }

    /// Adds a participant that is not there.
    pub(crate) fn admit(&mut self, participant: Participant) {
        self.undo.push(Undo::Admitted(participant.id));
        self.admitted.insert(participant.id, participant);
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
                Undo::Balance(id, balance) => {
                    if let Some(account) = self.slots.get_mut(&id).and_then(|slot| slot.account.as_mut()) {
                        account.set_balance(balance);
                    }
                }
                Undo::Opened(id) => {
                    if let Some(slot) = self.slots.get_mut(&id) {
                        slot.account = None;
                    }
                }
                Undo::Supply(asset, supply) => {
                    if let Some(record) = self.assets.get_mut(&asset) {
                        record.supply = supply;
                    }
                }
                Undo::Validators(revert) => Arc::make_mut(&mut self.validators.set).take_back(&revert),
                Undo::Admitted(id) => {
                    self.admitted.remove(&id);
                }
                Undo::Reported(id) => self.docket.take_back(&id),
                Undo::Reference(scope, before) => {
                    self.taken.pop();
                    match before {
                        Some(record) => self.references.insert(scope, record),
                        None => self.references.remove(&scope),
                    };
                }
            }
        }
    }

    /// Ends the execution of the block.
    pub(crate) fn finish(self) -> Outcome<'a> {
        let Working { slots, assets, references, taken, balances_before, admitted, validators, docket, .. } = self;
        let taken = taken.iter().filter_map(|scope| Some((*scope, *references.get(scope)?))).collect();
        let (validators, reported) = (validators.set, docket.finish());
        Outcome { slots, assets, taken, balances_before, admitted, validators, reported }
    }
}

impl Outcome<'_> {
    /// Ends the block for the validators: gives the version that it made, if it made one.
    pub(crate) fn finish_validators(&mut self, before: &Arc<Validators>, now: u64, window: u64) -> Option<SetVersion> {
        if Arc::ptr_eq(before, &self.validators) {
            return None;
        }
        Arc::make_mut(&mut self.validators).finish(now, window)
    }
}
