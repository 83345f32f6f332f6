//! Payments to be measured: a bank's accounts, and blocks of transfers between them, drawn from a fixed seed. Packages
//! above this one include it by path.
//!
//! It must not know how anything is measured.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses its own part")]

use std::sync::Arc;

use tonle_crypto::{Digest, PublicKey, SecretKey, Signature, SignatureInvalid, Verified, Verifier};
use tonle_ledger::{
    Account, AccountId, AccountKind, Amount, Asset, Balance, BlockInput, Claim, Executed, Executor, Genesis,
    GenesisAccount, GenesisAsset, GenesisValidator, Judge, KycTier, MemoryState, Mode, Operation, Parameters,
    Participant, ParticipantId, ParticipantKey, Permission, Permissions, Plan, Reference, Role, SignedTransaction,
    Thresholds, TransactionBody, Transfer,
};

/// Block time of height 0.
pub const START_MS: u64 = 1_800_000_000_000;

/// No block here reports anybody.
#[derive(Debug)]
pub struct Nobody;

impl Judge for Nobody {
    fn claim(&self, _proof: &[u8]) -> Option<Claim> {
        None
    }
    fn holds(&self, _chain: &Digest, _proof: &[u8]) -> bool {
        false
    }
}

/// For what was signed a moment ago, where checking it is not what is measured.
pub struct Trusting;

impl Verifier for Trusting {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &Signature) -> Result<(), SignatureInvalid> {
        Ok(())
    }
}

/// Signs for the bank.
pub fn bank_key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

/// The bank's key as the only validator.
pub fn validator_key() -> SecretKey {
    SecretKey::from_seed(&[8; 32])
}

pub fn name(number: u64) -> AccountId {
    AccountId::new(&format!("a{number}@aba")).expect("a name")
}

/// One bank with `accounts` accounts, money on each.
pub fn genesis(accounts: u64) -> Genesis {
    let bank = ParticipantId::new("aba").expect("a name");
    let asset = Asset::new("KHR").expect("a name");
    let permissions = Permissions::of(&[Permission::Pay, Permission::OpenAccounts, Permission::Issue]);
    let account = |number| {
        let mut account = Account::new(AccountKind::Wallet, &[], 0).with_tier(KycTier::Full);
        account.set_balance(Balance::new(asset, Amount::from_minor(1_000_000_000), Amount::ZERO));
        GenesisAccount { id: name(number), account }
    };
    let assets = vec![GenesisAsset { asset, number: 116, exponent: 2, issuer: bank }];
    Genesis {
        parameters: Parameters::initial(&assets),
        chain_name: "benchmark".to_owned(),
        created_ms: START_MS,
        protocol_version: 1,
        signature_rule: 1,
        epoch_length: 3_600,
        checkpoint_every: 1,
        max_lag: 16,
        max_block_bytes: 64 << 20,
        max_block_operations: 1_000_000,
        idle_interval_ms: 1_000,
        participants: vec![Participant {
            id: bank,
            legal_name: "ABA".to_owned(),
            bic: String::new(),
            role: Role::Operator,
            mode: Mode::Active,
            thresholds: Thresholds::default(),
            keys: vec![ParticipantKey { key: bank_key().public(), permissions }],
            encryption_key: bank_key().public().encryption_key(),
        }],
        assets,
        accounts: (0..accounts).map(account).collect(),
        validators: vec![GenesisValidator {
            participant: bank,
            key: validator_key().public(),
            network_key: SecretKey::from_seed(&[9; 32]).public(),
        }],
    }
    .sorted()
}

/// Draws transfers and signs them. The same ones in every run.
pub struct Payer {
    key: SecretKey,
    chain: Digest,
    accounts: u64,
    random: u64,
    signed: u64,
}

impl Payer {
    pub fn new(genesis: &Genesis) -> Self {
        let accounts = genesis.accounts.len().try_into().expect("few");
        Payer { key: bank_key(), chain: genesis.digest(), accounts, random: 1, signed: 0 }
    }

    /// `transfers` random transfers, `batch` in a transaction, each with an instruction reference.
    pub fn transactions(&mut self, transfers: u64, batch: u64) -> Vec<SignedTransaction> {
        (0..transfers / batch).map(|_| self.transaction(batch)).collect()
    }

    /// A block of such transactions.
    pub fn block(&mut self, height: u64, transfers: u64, batch: u64) -> BlockInput {
        BlockInput { height, timestamp_ms: START_MS + height, transactions: self.verified(transfers, batch) }
    }

    fn verified(&mut self, transfers: u64, batch: u64) -> Vec<Arc<Verified<SignedTransaction>>> {
        let chain = self.chain;
        let verified = |transaction| Arc::new(Verified::check(transaction, &chain, &Trusting).expect("trusted"));
        self.transactions(transfers, batch).into_iter().map(verified).collect()
    }

    fn transaction(&mut self, batch: u64) -> SignedTransaction {
        self.signed += 1;
        let operations = (0..batch).map(|place| self.transfer(place)).collect();
        let body = TransactionBody {
            chain: self.chain,
            not_before_ms: START_MS,
            not_after_ms: START_MS + 3_600_000,
            independent: true,
            nonce: Vec::new(),
            operations,
        };
        body.sign(&[&self.key]).expect("well formed")
    }

    fn transfer(&mut self, place: u64) -> Operation {
        let reference = format!("{}-{place}", self.signed);
        Operation::Transfer(Box::new(Transfer {
            from: name(self.next() % self.accounts),
            to: name(self.next() % self.accounts),
            asset: Asset::new("KHR").expect("a name"),
            amount: Amount::from_minor(1 + self.next() % 100),
            instruction_ref: Some(Reference::new(&reference).expect("short")),
            purpose: None,
            external_ref: None,
            sealed: None,
        }))
    }

    /// splitmix64
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A ledger whose state is in memory.
pub struct Books {
    pub executor: Executor,
    state: MemoryState,
}

impl Books {
    pub fn new(genesis: &Genesis) -> Self {
        let (executor, changes) = Executor::create(genesis, Arc::new(Nobody)).expect("a sound genesis");
        let mut state = MemoryState::new();
        state.apply(&changes);
        Books { executor, state }
    }

    pub fn next_height(&self) -> u64 {
        self.executor.point().height + 1
    }

    /// The values that a plan asks for.
    pub fn values(&self, plan: &Plan<'_>) -> Vec<Option<Vec<u8>>> {
        self.state.load(plan.keys())
    }

    /// Takes over what a block changed. Nearly all its transfers were applied, or something else was measured.
    pub fn keep(&mut self, executed: &Executed) {
        assert!(executed.applied + 5 >= executed.operations, "{} of {}", executed.applied, executed.operations);
        self.state.apply(&executed.changes);
    }
}
