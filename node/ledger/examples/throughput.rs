//! How long the executor takes for a block: `cargo run --release -p tonle-ledger --example throughput [accounts [transfers]]`
//!
//! Blocks of random transfers between all accounts, each with an instruction reference: one transfer a transaction, and
//! a hundred. Parsing and signatures are outside the figures (they belong to the signature pool); what is inside is
//! planning and executing; reading and writing the state are not.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for the terminal")]

use std::sync::Arc;
use std::time::Duration;

use tonle_crypto::{Digest, SecretKey, Strict, Verified};
use tonle_ledger::*;

const START_MS: u64 = 1_800_000_000_000;

/// No block here reports anybody.
#[derive(Debug)]
struct Nobody;

impl Judge for Nobody {
    fn claim(&self, _proof: &[u8]) -> Option<Claim> {
        None
    }
    fn holds(&self, _chain: &Digest, _proof: &[u8]) -> bool {
        false
    }
}

fn genesis(accounts: u64, key: &SecretKey) -> Genesis {
    let bank = ParticipantId::new("aba").unwrap();
    let asset = Asset::new("KHR").unwrap();
    let permissions = Permissions::of(&[Permission::Pay, Permission::OpenAccounts, Permission::Issue]);
    let account = |number| {
        let mut account = Account::new(AccountKind::Wallet, &[], 0).with_tier(KycTier::Full);
        account.set_balance(Balance::new(asset, Amount::from_minor(1_000_000_000), Amount::ZERO));
        GenesisAccount { id: name(number), account }
    };
    let assets = vec![GenesisAsset { asset, number: 116, exponent: 2, issuer: bank }];
    Genesis {
        parameters: Parameters::initial(&assets),
        chain_name: "measurement".to_owned(),
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
            keys: vec![ParticipantKey { key: key.public(), permissions }],
            encryption_key: key.public().encryption_key(),
        }],
        assets,
        accounts: (0..accounts).map(account).collect(),
        validators: vec![GenesisValidator {
            participant: bank,
            key: SecretKey::from_seed(&[8; 32]).public(),
            network_key: SecretKey::from_seed(&[9; 32]).public(),
        }],
    }
    .sorted()
}

fn name(number: u64) -> AccountId {
    AccountId::new(&format!("a{number}@aba")).unwrap()
}

/// splitmix64
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: u64| arguments.next().map_or(default, |text| text.parse().unwrap());
    let (accounts, transfers) = (argument(1_000_000), argument(10_000));
    let key = SecretKey::from_seed(&[7; 32]);
    let genesis = genesis(accounts, &key);
    let (mut executor, changes) = Executor::create(&genesis, Arc::new(Nobody)).unwrap();
    let mut state = MemoryState::new();
    state.apply(&changes);
    drop(changes);
    let chain = executor.point().chain;
    let mut random = 1u64;
    println!("{accounts} accounts, {transfers} transfers a block; CPU time of the execution thread\n");
    println!(
        "| transfers a transaction | plan | execute | us per transfer | transfers a second |\n|---|---|---|---|---|"
    );
    for batch in [1, 100] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let height = executor.point().height + 1;
            let transactions = (0..transfers / batch)
                .map(|number| {
                    let operations = (0..batch).map(|operation| {
                        let reference = format!("{height}-{number}-{operation}");
                        Operation::Transfer(Box::new(Transfer {
                            from: name(next(&mut random) % accounts),
                            to: name(next(&mut random) % accounts),
                            asset: Asset::new("KHR").unwrap(),
                            amount: Amount::from_minor(1 + next(&mut random) % 100),
                            instruction_ref: Some(Reference::new(&reference).unwrap()),
                            purpose: None,
                            external_ref: None,
                            sealed: None,
                        }))
                    });
                    let body = TransactionBody {
                        chain,
                        not_before_ms: START_MS,
                        not_after_ms: START_MS + 3_600_000,
                        independent: true,
                        nonce: Vec::new(),
                        operations: operations.collect(),
                    };
                    Arc::new(Verified::check(body.sign(&[&key]).unwrap(), &chain, &Strict).unwrap())
                })
                .collect();
            let block = BlockInput { height, timestamp_ms: START_MS + height, transactions };
            let begun = cpu_time();
            let plan = executor.plan(&block);
            let planned = cpu_time();
            let values = state.load(plan.keys());
            let loaded = cpu_time();
            let executed = executor.execute(&plan, values).unwrap();
            let done = cpu_time();
            assert!(executed.applied + 5 >= transfers);
            state.apply(&executed.changes);
            times.push((planned - begun + (done - loaded), planned - begun, done - loaded));
        }
        times.sort_unstable();
        let (total, plan, execute) = times[times.len() / 2];
        let each = total.as_secs_f64() / transfers as f64;
        println!("| {batch} | {plan:.1?} | {execute:.1?} | {:.2} | {:.0} |", each * 1e6, 1.0 / each);
    }
}
