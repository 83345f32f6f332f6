//! The chain that is simulated: its genesis, its keys, and transfers between its accounts.
//!
//! Must not know: nodes, the network, faults.

use std::sync::Arc;

use anyhow::{Context, Result};
use tonle_consensus::{Block, Epoch, SigningContext, Validator, ValidatorSet};
use tonle_crypto::{Digest, SecretKey, Verified};
use tonle_ledger::{
    Account, AccountId, AccountKind, Amount, Asset, Balance, Executor, Genesis, GenesisAccount, GenesisAsset,
    GenesisValidator, KycTier, Member, MemoryState, Mode, Operation, Parameters, Participant, ParticipantId,
    ParticipantKey, Permission, Permissions, RemoveValidator, Role, SignedTransaction, Thresholds, TransactionBody,
    Transfer,
};
use tonle_replica::genesis_block;

use crate::memo::Memo;

/// Block time of genesis, and what the simulated wall clocks start at, in ms.
pub(crate) const START_MS: u64 = 1_800_000_000_000;
const HOUR_MS: u64 = 3_600_000;
/// Accounts of each bank.
const ACCOUNTS: usize = 3;
const OPENING: u64 = 1_000_000;

/// A change of the validators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The bank validates, with the key of this owner.
    Set { bank: usize, owner: usize },
    /// It does no longer.
    Remove { bank: usize },
}

/// Everything fixed before the first event.
pub(crate) struct Chain {
    pub(crate) genesis: Genesis,
    pub(crate) digest: Digest,
    pub(crate) block: Block,
    pub(crate) state: MemoryState,
    pub(crate) set: ValidatorSet,
    /// What validators sign in the first epoch.
    pub(crate) opening: SigningContext,
    pub(crate) validator_keys: Vec<SecretKey>,
    bank_keys: Vec<SecretKey>,
}

fn key(name: &str, index: usize) -> SecretKey {
    let mut seed = [0u8; 32];
    for (slot, byte) in seed.iter_mut().zip(format!("{name} {index}").bytes()) {
        *slot = byte;
    }
    SecretKey::from_seed(&seed)
}

fn participant(id: ParticipantId, role: Role, key: &SecretKey, permissions: &[Permission]) -> Participant {
    Participant {
        id,
        legal_name: format!("{} Plc.", id.as_str()),
        bic: String::new(),
        role,
        mode: Mode::Active,
        thresholds: Thresholds::default(),
        keys: vec![ParticipantKey { key: key.public(), permissions: Permissions::of(permissions) }],
        encryption_key: key.public().encryption_key(),
    }
}

fn account(bank: usize, number: usize) -> Result<AccountId> {
    AccountId::new(&format!("a{number}@bank{bank}")).context("account name")
}

impl Chain {
    /// A chain of `banks` validators.
    pub(crate) fn new(banks: usize, epoch_length: u64) -> Result<Self> {
        Chain::with_spares(banks, 0, epoch_length)
    }

    /// A chain of `validating` validators, with `spares` more banks that may come to validate.
    pub(crate) fn with_spares(validating: usize, spares: usize, epoch_length: u64) -> Result<Self> {
        let banks = validating + spares;
        let khr = Asset::new("KHR").context("asset")?;
        let operator = ParticipantId::new("nbc").context("operator")?;
        let bank_keys: Vec<SecretKey> = (0..banks).map(|bank| key("bank", bank)).collect();
        let validator_keys: Vec<SecretKey> = (0..banks).map(|bank| key("validator", bank)).collect();
        let names: Vec<ParticipantId> =
            (0..banks).map(|bank| ParticipantId::new(&format!("bank{bank}")).context("bank")).collect::<Result<_>>()?;
        let operators = [Permission::Pay, Permission::Issue, Permission::Govern];
        let mut participants = vec![participant(operator, Role::Operator, &key("operator", 0), &operators)];
        let (mut accounts, mut validators) = (Vec::new(), Vec::new());
        for (bank, (name, bank_key)) in names.iter().zip(&bank_keys).enumerate() {
            participants.push(participant(*name, Role::Bank, bank_key, &[Permission::Pay]));
            for number in 0..ACCOUNTS {
                let mut record = Account::new(AccountKind::Wallet, &[], 0).with_tier(KycTier::Full);
                record.set_balance(Balance::new(khr, Amount::from_minor(OPENING), Amount::ZERO));
                accounts.push(GenesisAccount { id: account(bank, number)?, account: record });
            }
        }
        for (name, validator_key) in names.iter().zip(&validator_keys).take(validating) {
            let network_key = key("network", validators.len()).public();
            validators.push(GenesisValidator { participant: *name, key: validator_key.public(), network_key });
        }
        let assets = vec![GenesisAsset { asset: khr, number: 116, exponent: 2, issuer: operator }];
        let genesis = Genesis {
            parameters: Parameters::initial(&assets),
            chain_name: "simulation".to_owned(),
            created_ms: START_MS,
            protocol_version: 1,
            signature_rule: 1,
            epoch_length,
            checkpoint_every: 1,
            max_lag: 16,
            max_block_bytes: 4 << 20,
            max_block_operations: 32_768,
            idle_interval_ms: 1_000,
            participants,
            assets,
            accounts,
            validators,
        }
        .sorted();
        let (executor, changes) = Executor::create(&genesis, Memo::real().judge())?;
        let mut state = MemoryState::new();
        state.apply(&changes);
        let digest = genesis.digest();
        let point = executor.point();
        let block = genesis_block(digest, validating, START_MS, 1, point.state_root, point.results_root)
            .context("genesis block")?;
        let members = genesis.validators.iter().map(|validator| Validator {
            name: validator.participant.as_str().to_owned(),
            key: validator.key,
            network_key: validator.network_key,
        });
        let set = ValidatorSet::new(Epoch::ZERO, members.collect())?;
        let opening = SigningContext { genesis: digest, set: set.clone() };
        Ok(Chain { genesis, digest, block, state, set, opening, validator_keys, bank_keys })
    }

    /// Changes the validators: signed by the operator. `number` makes it unique.
    pub(crate) fn change(&self, number: u64, change: Change, memo: &Memo) -> Result<Arc<Verified<SignedTransaction>>> {
        let participant = |bank: usize| ParticipantId::new(&format!("bank{bank}")).context("bank");
        let operation = match change {
            Change::Set { bank, owner } => Operation::SetValidator(Box::new(Member {
                participant: participant(bank)?,
                key: self.validator_keys.get(owner).context("owner")?.public(),
                network_key: key("network", owner).public(),
            })),
            Change::Remove { bank } => Operation::RemoveValidator(RemoveValidator { participant: participant(bank)? }),
        };
        self.sign(number, operation, &key("operator", 0), memo)
    }

    /// The `number`-th transfer, between accounts that the caller drew.
    pub(crate) fn transfer(
        &self,
        number: u64,
        (from_bank, from, to_bank, to): (usize, usize, usize, usize),
        amount: u64,
        memo: &Memo,
    ) -> Result<Arc<Verified<SignedTransaction>>> {
        let transfer = Operation::Transfer(Box::new(Transfer {
            from: account(from_bank, from % ACCOUNTS)?,
            to: account(to_bank, (to + 1) % ACCOUNTS)?,
            asset: Asset::new("KHR").context("asset")?,
            amount: Amount::from_minor(amount),
            instruction_ref: None,
            purpose: None,
            external_ref: None,
            sealed: None,
        }));
        self.sign(number, transfer, self.bank_keys.get(from_bank).context("bank key")?, memo)
    }

    fn sign(
        &self,
        number: u64,
        operation: Operation,
        key: &SecretKey,
        memo: &Memo,
    ) -> Result<Arc<Verified<SignedTransaction>>> {
        let body = TransactionBody {
            chain: self.digest,
            not_before_ms: START_MS - HOUR_MS,
            not_after_ms: START_MS + HOUR_MS,
            independent: false,
            nonce: number.to_be_bytes().to_vec(),
            operations: vec![operation],
        };
        let bytes = body.to_bytes();
        let signature = memo.sign(key, &SignedTransaction::signed_message(&self.digest, &bytes));
        let signed = SignedTransaction::from_parts(&bytes, &[(key.public(), signature)])
            .map_err(|rejection| anyhow::anyhow!("own transaction: {rejection:?}"))?;
        let verified = Verified::check(signed, &self.digest, memo)
            .map_err(|rejection| anyhow::anyhow!("own transaction: {rejection:?}"))?;
        Ok(Arc::new(verified))
    }
}
