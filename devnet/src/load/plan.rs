//! What is paid by whom, when: decided and signed ahead, by threads of their own, as far as a bounded buffer goes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::sync::mpsc;
use tonle_crypto::{Digest, SecretKey};
use tonle_ledger::{Amount, Asset, Operation, TransactionBody, Transfer};

use super::population::{Member, Population};
use super::{ASSET, Demand, Pace};
use crate::founding::now_ms;

/// Threads that sign.
const SIGNERS: usize = 2;
/// Accounts' keys that one thread keeps, so that those who pay often are derived once.
const KEYS_KEPT: usize = 65_536;
/// Transfers that one thread signs ahead.
const AHEAD: usize = 4_096;
/// The validity window: this long before the run, for clocks that are behind, and after it.
const WINDOW_BEFORE_MS: u64 = 60_000;
const WINDOW_AFTER_MS: u64 = 900_000;
/// ... and of a run that takes as long as it takes.
const FLOOD_WINDOW_MS: u64 = 20 * 3_600_000;
/// Largest amount, in hundreds of minor units (whole riel): small against the opening balance, so that a run of hours
/// empties no account.
const RIEL_MAX: u64 = 10;

/// A run of load.
pub(super) struct Plan {
    /// When.
    pub(super) pace: Pace,
    /// Transfers in a transaction.
    pub(super) batch: usize,
    transactions: u64,
    work: Work,
}

/// What a signing thread needs.
#[derive(Clone)]
struct Work {
    chain: Digest,
    run: [u8; 8],
    batch: usize,
    not_before_ms: u64,
    not_after_ms: u64,
    asset: Asset,
    population: Population,
}

/// The keys of accounts that paid, by bank and place.
type Keys = HashMap<(usize, u64), SecretKey>;

impl Plan {
    pub(super) fn new(chain: Digest, population: Population, demand: &Demand) -> Result<Self> {
        let Demand { pace, batch, .. } = *demand;
        ensure!(batch == 1 || !population.own_keys, "one signature pays for one account that has a key of its own");
        let mut run = [0u8; 8];
        let mut file = std::fs::File::open("/dev/urandom").context("no random source")?;
        std::io::Read::read_exact(&mut file, &mut run)?;
        let now = now_ms();
        let (transfers, window_ms) = match pace {
            Pace::Fixed { rate, span } => {
                let span_ms = u64::try_from(span.as_millis())?;
                (u64::from(rate) * span_ms / 1_000, span_ms + WINDOW_AFTER_MS)
            }
            Pace::Flood { transfers } => (transfers, FLOOD_WINDOW_MS),
        };
        let work = Work {
            chain,
            run,
            batch,
            not_before_ms: now.saturating_sub(WINDOW_BEFORE_MS),
            not_after_ms: now + window_ms,
            asset: Asset::new(ASSET)?,
            population,
        };
        Ok(Plan { pace, batch, transactions: transfers.div_ceil(u64::try_from(batch)?), work })
    }

    /// Transactions of the run.
    pub(super) fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Transfers of the run.
    pub(super) fn transfers(&self) -> u64 {
        self.transactions.saturating_mul(u64::try_from(self.batch).unwrap_or(u64::MAX))
    }

    /// When transaction `number` is meant to be sent, after the start; none for as soon as it may.
    pub(super) fn intended(&self, number: u64) -> Option<Duration> {
        let Pace::Fixed { rate, .. } = self.pace else { return None };
        let transfers = u128::from(number) * u128::try_from(self.batch).unwrap_or(u128::MAX);
        let nanoseconds = transfers.saturating_mul(1_000_000_000) / u128::from(rate);
        Some(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    }

    /// Starts the signing threads. They end with the run, or when the receiver is dropped.
    pub(super) fn sign_ahead(&self) -> Result<Signed> {
        let ahead = (AHEAD / self.batch).max(2);
        let mut lanes = Vec::new();
        for first in 0..SIGNERS {
            let (sender, receiver) = mpsc::channel(ahead);
            let (work, transactions) = (self.work.clone(), self.transactions);
            let sign = move || {
                let mut keys = Keys::new();
                for number in (0..transactions).skip(first).step_by(SIGNERS) {
                    if sender.blocking_send(work.sign(number, &mut keys)).is_err() {
                        return;
                    }
                }
            };
            std::thread::Builder::new().name(format!("sign-{first}")).spawn(sign)?;
            lanes.push(receiver);
        }
        Ok(Signed { lanes, next: 0 })
    }
}

/// Signed transactions, in the order of their numbers.
pub(super) struct Signed {
    lanes: Vec<mpsc::Receiver<Result<Bytes>>>,
    next: usize,
}

impl Signed {
    /// The next one; none after the last.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes>> {
        let lane = self.next % self.lanes.len();
        self.next += 1;
        self.lanes.get_mut(lane)?.recv().await
    }
}

impl Work {
    /// A transaction of one bank, after the other banks' turns. The same numbers give the same payments in every run;
    /// only the nonce differs.
    fn sign(&self, number: u64, keys: &mut Keys) -> Result<Bytes> {
        let turn = usize::try_from(number % u64::try_from(self.population.banks.len())?)?;
        let mut random = ChaCha8Rng::seed_from_u64(number);
        let mut operations = Vec::with_capacity(self.batch);
        let mut payer = Member { bank: turn, place: 0 };
        for _ in 0..self.batch {
            payer = self.population.draw_of(turn, &mut random);
            operations.push(self.transfer(payer, &mut random)?);
        }
        let body = TransactionBody {
            chain: self.chain,
            not_before_ms: self.not_before_ms,
            not_after_ms: self.not_after_ms,
            independent: self.batch > 1,
            nonce: [self.run, number.to_be_bytes()].concat(),
            operations,
        };
        let key = if self.population.own_keys {
            self.own_key(payer, keys)?
        } else {
            &self.population.banks.get(turn).context("a bank")?.key
        };
        let signed = body.sign(&[key]).map_err(|rejection| anyhow!("{rejection}"))?;
        Ok(Bytes::copy_from_slice(signed.bytes()))
    }

    fn own_key<'a>(&self, payer: Member, keys: &'a mut Keys) -> Result<&'a SecretKey> {
        if keys.len() >= KEYS_KEPT {
            keys.clear();
        }
        Ok(match keys.entry((payer.bank, payer.place)) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(free) => free.insert(self.population.key(payer)?),
        })
    }

    fn transfer(&self, payer: Member, random: &mut ChaCha8Rng) -> Result<Operation> {
        let payee = self.population.draw_but(payer, random);
        let riel = 1 + random.next_u64() % RIEL_MAX;
        Ok(Operation::Transfer(Box::new(Transfer {
            from: self.population.account(payer)?,
            to: self.population.account(payee)?,
            asset: self.asset,
            amount: Amount::from_minor(riel * 100),
            instruction_ref: None,
            purpose: None,
            external_ref: None,
            sealed: None,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::{Demand, Pace, Plan};
    use crate::directory::Directory;
    use crate::founding::found;
    use crate::load::population::{Accounts, Law, Population};
    use std::collections::BTreeSet;
    use std::time::Duration;
    use tonle_crypto::{Strict, Verify};
    use tonle_ledger::{Operation, SignedTransaction};

    const ACCOUNTS: Accounts = Accounts { count: 1_000, own_keys: false, law: Law::Even };

    fn plan_of(pace: Pace, batch: usize, accounts: Accounts) -> (tempfile::TempDir, Plan) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(&temporary.path().join("net")).unwrap();
        let genesis = found(&directory, None, Some("s"), None).unwrap().genesis;
        let population = Population::new(&directory, &genesis, &accounts).unwrap();
        let demand = Demand { pace, batch, in_flight: 1, accounts };
        (temporary, Plan::new(genesis.digest(), population, &demand).unwrap())
    }

    fn plan(rate: u32, span: Duration, batch: usize) -> (tempfile::TempDir, Plan) {
        plan_of(Pace::Fixed { rate, span }, batch, ACCOUNTS)
    }

    #[test]
    fn transfers_are_meant_to_be_sent_evenly_over_the_span() {
        let (_dir, plan) = plan(2_000, Duration::from_secs(30), 1);
        assert_eq!(plan.transfers(), 60_000);
        assert_eq!(plan.intended(0), Some(Duration::ZERO));
        assert_eq!(plan.intended(1), Some(Duration::from_micros(500)));
        assert_eq!(plan.intended(59_999), Some(Duration::from_micros(29_999_500)));
    }

    #[test]
    fn a_batch_is_meant_to_be_sent_when_its_first_transfer_is() {
        let (_dir, plan) = plan(1_000, Duration::from_secs(1), 300);
        assert_eq!(plan.transactions(), 4);
        assert_eq!(plan.transfers(), 1_200);
        assert_eq!(plan.intended(2), Some(Duration::from_millis(600)));
    }

    #[tokio::test]
    async fn every_transaction_is_valid_and_all_banks_and_accounts_pay() {
        let (_dir, plan) = plan(10_000, Duration::from_secs(1), 100);
        let mut signed = plan.sign_ahead().unwrap();
        let (mut ids, mut payers, mut banks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        while let Some(bytes) = signed.next().await {
            let transaction = SignedTransaction::from_bytes(&bytes.unwrap()).unwrap();
            transaction.verify(&plan.work.chain, &Strict).unwrap();
            assert_eq!(transaction.operations().len(), 100);
            ids.insert(transaction.id());
            for operation in transaction.operations() {
                let Operation::Transfer(transfer) = operation else { panic!("not a transfer") };
                assert_ne!(transfer.from, transfer.to);
                payers.insert(transfer.from);
                banks.insert(transfer.from.participant());
            }
        }
        assert_eq!(ids.len(), 100);
        // 10,000 draws leave out 1 in e^10 of 1,000.
        assert!(payers.len() > 990, "{}", payers.len());
        assert_eq!(banks.len(), 5);
    }

    #[tokio::test]
    async fn accounts_with_keys_of_their_own_sign_for_what_they_pay() {
        let accounts = Accounts { own_keys: true, law: Law::Zipf, ..ACCOUNTS };
        let (_dir, plan) = plan_of(Pace::Flood { transfers: 200 }, 1, accounts);
        assert_eq!((plan.transactions(), plan.intended(3)), (200, None));
        let mut signed = plan.sign_ahead().unwrap();
        let mut signers = BTreeSet::new();
        while let Some(bytes) = signed.next().await {
            let transaction = SignedTransaction::from_bytes(&bytes.unwrap()).unwrap();
            transaction.verify(&plan.work.chain, &Strict).unwrap();
            let [Operation::Transfer(transfer)] = transaction.operations() else { panic!("not one transfer") };
            let [(key, _)] = transaction.signatures() else { panic!("not one signature") };
            signers.insert((*key, transfer.from));
        }
        let payers: BTreeSet<_> = signers.iter().map(|(_, payer)| payer).collect();
        assert!(payers.len() > 50);
        assert_eq!(payers.len(), signers.len(), "each payer has one key");
        let keys: BTreeSet<_> = signers.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), signers.len(), "no two payers share a key");
    }

    #[test]
    fn a_batch_under_one_signature_is_of_accounts_without_keys() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(&temporary.path().join("net")).unwrap();
        let genesis = found(&directory, None, None, None).unwrap().genesis;
        let accounts = Accounts { own_keys: true, ..ACCOUNTS };
        let population = Population::new(&directory, &genesis, &accounts).unwrap();
        let demand = Demand { pace: Pace::Flood { transfers: 10 }, batch: 2, in_flight: 1, accounts };
        assert!(Plan::new(genesis.digest(), population, &demand).is_err());
    }
}
