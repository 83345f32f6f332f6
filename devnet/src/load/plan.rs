//! What is paid by whom, when: decided and signed ahead, by threads of their own, as far as a bounded buffer goes.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::sync::mpsc;
use tonle_crypto::{Digest, SecretKey};
use tonle_ledger::{AccountId, Amount, Asset, Operation, TransactionBody, Transfer};

use super::Demand;
use crate::directory::Directory;
use crate::founding::now_ms;
use crate::keys;

/// Threads that sign.
const SIGNERS: usize = 2;
/// Transfers that one thread signs ahead.
const AHEAD: usize = 4_096;
/// The validity window: this long before the run, for clocks that are behind, and after it.
const WINDOW_BEFORE_MS: u64 = 60_000;
const WINDOW_AFTER_MS: u64 = 900_000;
/// Largest amount, in hundreds of minor units (whole riel): small against the opening balance, so that a run of hours
/// empties no account.
const RIEL_MAX: u64 = 10;

/// A bank's payers.
#[derive(Clone)]
struct Bank {
    key: SecretKey,
    accounts: Vec<AccountId>,
}

/// A run of load.
pub(super) struct Plan {
    /// Transfers a second.
    pub(super) rate: u32,
    /// Transfers in a transaction.
    pub(super) batch: usize,
    /// For how long.
    pub(super) span: Duration,
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
    banks: Vec<Bank>,
    payees: Vec<AccountId>,
}

impl Plan {
    pub(super) fn new(directory: &Directory, chain: Digest, accounts: Vec<AccountId>, demand: &Demand) -> Result<Self> {
        let Demand { rate, span, batch, .. } = *demand;
        ensure!(
            accounts.len() > 1,
            "this chain has no accounts for load: `tonle devnet up` in a new folder makes them"
        );
        let mut banks: Vec<(String, Bank)> = Vec::new();
        for account in &accounts {
            let id = account.participant().to_string();
            match banks.iter_mut().find(|(bank, _)| *bank == id) {
                Some((_, bank)) => bank.accounts.push(*account),
                None => {
                    let key = keys::load(&directory.participant_key(&id))?;
                    banks.push((id, Bank { key, accounts: vec![*account] }));
                }
            }
        }
        let mut run = [0u8; 8];
        let mut file = std::fs::File::open("/dev/urandom").context("no random source")?;
        std::io::Read::read_exact(&mut file, &mut run)?;
        let now = now_ms();
        let span_ms = u64::try_from(span.as_millis())?;
        let transfers = u64::from(rate) * span_ms / 1_000;
        let work = Work {
            chain,
            run,
            batch,
            not_before_ms: now.saturating_sub(WINDOW_BEFORE_MS),
            not_after_ms: now + span_ms + WINDOW_AFTER_MS,
            asset: Asset::new("KHR")?,
            banks: banks.into_iter().map(|(_, bank)| bank).collect(),
            payees: accounts,
        };
        Ok(Plan { rate, batch, span, transactions: transfers.div_ceil(u64::try_from(batch)?), work })
    }

    /// Transactions of the run.
    pub(super) fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Transfers of the run.
    pub(super) fn transfers(&self) -> u64 {
        self.transactions.saturating_mul(u64::try_from(self.batch).unwrap_or(u64::MAX))
    }

    /// When transaction `number` is meant to be sent, after the start.
    pub(super) fn intended(&self, number: u64) -> Duration {
        let transfers = u128::from(number) * u128::try_from(self.batch).unwrap_or(u128::MAX);
        let nanoseconds = transfers.saturating_mul(1_000_000_000) / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Starts the signing threads. They end with the run, or when the receiver is dropped.
    pub(super) fn sign_ahead(&self) -> Result<Signed> {
        let ahead = (AHEAD / self.batch).max(2);
        let mut lanes = Vec::new();
        for first in 0..SIGNERS {
            let (sender, receiver) = mpsc::channel(ahead);
            let (work, transactions) = (self.work.clone(), self.transactions);
            let sign = move || {
                for number in (0..transactions).skip(first).step_by(SIGNERS) {
                    if sender.blocking_send(work.sign(number)).is_err() {
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
    fn sign(&self, number: u64) -> Result<Bytes> {
        let banks = u64::try_from(self.banks.len())?;
        let bank = self.banks.get(usize::try_from(number % banks)?).context("a bank")?;
        let round = usize::try_from(number / banks)?;
        // The same numbers give the same payees in every run; only the nonce differs.
        let mut random = ChaCha8Rng::seed_from_u64(number);
        let mut operations = Vec::with_capacity(self.batch);
        for place in 0..self.batch {
            let payer = round.wrapping_mul(self.batch).wrapping_add(place) % bank.accounts.len();
            let from = *bank.accounts.get(payer).context("a payer")?;
            operations.push(self.transfer(from, &mut random)?);
        }
        let body = TransactionBody {
            chain: self.chain,
            not_before_ms: self.not_before_ms,
            not_after_ms: self.not_after_ms,
            independent: self.batch > 1,
            nonce: [self.run, number.to_be_bytes()].concat(),
            operations,
        };
        let signed = body.sign(&[&bank.key]).map_err(|rejection| anyhow!("{rejection}"))?;
        Ok(Bytes::copy_from_slice(signed.bytes()))
    }

    fn transfer(&self, from: AccountId, random: &mut ChaCha8Rng) -> Result<Operation> {
        let count = u64::try_from(self.payees.len())?;
        let drawn = usize::try_from(random.next_u64() % count)?;
        let payee = |place: usize| self.payees.get(place % self.payees.len()).copied().context("a payee");
        let to = match payee(drawn)? {
            to if to == from => payee(drawn + 1)?,
            to => to,
        };
        let riel = 1 + random.next_u64() % RIEL_MAX;
        Ok(Operation::Transfer(Box::new(Transfer {
            from,
            to,
            asset: self.asset,
            amount: Amount::from_minor(riel * 100),
            instruction_ref: None,
            purpose: None,
            external_ref: None,
            remittance: Vec::new(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::{Demand, Plan};
    use crate::directory::Directory;
    use crate::founding::found;
    use std::collections::BTreeSet;
    use std::time::Duration;
    use tonle_crypto::{Strict, Verify};
    use tonle_ledger::{Operation, SignedTransaction};

    fn plan(rate: u32, span: Duration, batch: usize) -> (tempfile::TempDir, Plan) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(&temporary.path().join("net")).unwrap();
        let genesis = found(&directory, None, Some("s"), None).unwrap().genesis;
        let accounts = genesis.accounts.iter().map(|account| account.id);
        let accounts = accounts.filter(|account| account.name().starts_with("load-")).collect();
        let plan =
            Plan::new(&directory, genesis.digest(), accounts, &Demand { rate, span, batch, in_flight: 1 }).unwrap();
        (temporary, plan)
    }

    #[test]
    fn transfers_are_meant_to_be_sent_evenly_over_the_span() {
        let (_dir, plan) = plan(2_000, Duration::from_secs(30), 1);
        assert_eq!(plan.transfers(), 60_000);
        assert_eq!(plan.intended(0), Duration::ZERO);
        assert_eq!(plan.intended(1), Duration::from_micros(500));
        assert_eq!(plan.intended(59_999), Duration::from_micros(29_999_500));
    }

    #[test]
    fn a_batch_is_meant_to_be_sent_when_its_first_transfer_is() {
        let (_dir, plan) = plan(1_000, Duration::from_secs(1), 300);
        assert_eq!(plan.transactions(), 4);
        assert_eq!(plan.transfers(), 1_200);
        assert_eq!(plan.intended(2), Duration::from_millis(600));
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
        assert_eq!(payers.len(), 10_000);
        assert_eq!(banks.len(), 5);
    }
}
