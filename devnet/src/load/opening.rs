//! Opens the accounts of a load that are not there yet, and issues money to them: in transactions of a bank that opens, and
//! of the operator that issues, as accounts come to any chain. Genesis does not carry them: every node reads it whole at
//! every start.
//!
//! Must not know: what the accounts are used for.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tonic::Code;
use tonle_crypto::{Digest, SecretKey};
use tonle_ledger::{AccountKind, Amount, Asset, Genesis, Issue, KycTier, OpenAccount, Operation, TransactionBody};
use tonle_proto::v1::{GetAccountRequest, Outcome, SubmitAndWaitRequest};

use super::population::{Member, Population};
use crate::client::{Client, Ledger, describe, timed};
use crate::defaults::LOAD_BALANCE_MINOR;
use crate::directory::Directory;
use crate::founding::now_ms;
use crate::keys;

/// Accounts opened in one transaction, each with an opening and an issue.
const AT_ONCE: u64 = 2_000;
/// The validity window around the moment of signing.
const WINDOW_MS: u64 = 900_000;
/// How long one question or transaction may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What signs and names.
struct Opening<'a> {
    population: &'a Population,
    client: &'a Client,
    chain: Digest,
    asset: Asset,
    issuer: SecretKey,
    bar: ProgressBar,
}

/// Opens what is missing of `population`, with a bar on the terminal. Answers how many were opened.
///
/// # Errors
/// When the issuer's key is not there, or the chain refuses.
pub(super) async fn open(
    directory: &Directory,
    client: &Client,
    genesis: &Genesis,
    population: &Population,
    asset: Asset,
    screen: &MultiProgress,
) -> Result<u64> {
    let entry = genesis.assets.iter().find(|entry| entry.asset == asset);
    let issuer = entry.with_context(|| format!("this chain has no {asset}"))?.issuer;
    let opening = Opening {
        population,
        client,
        chain: genesis.digest(),
        asset,
        issuer: keys::load(&directory.participant_key(issuer.as_str()))?,
        bar: screen.add(bar(population.count())),
    };
    let opened = try_join_all((0..population.banks.len()).map(|bank| opening.open_bank(bank))).await;
    opening.bar.finish_and_clear();
    Ok(opened?.into_iter().sum())
}

fn bar(count: u64) -> ProgressBar {
    let bar = ProgressBar::new(count);
    // The template is a constant, so it parses; the default style is as good if it did not.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} accounts  {elapsed}") {
        bar.set_style(style);
    }
    bar
}

impl Opening<'_> {
    /// One after the other, so that those that are there are always the first ones.
    async fn open_bank(&self, bank: usize) -> Result<u64> {
        let each = self.population.each;
        let there = self.there(bank).await?;
        self.bar.inc(there);
        let mut next = there;
        while next < each {
            let end = each.min(next + AT_ONCE);
            self.submit(self.sign(bank, next, end)?).await?;
            self.bar.inc(end - next);
            next = end;
        }
        Ok(each - there)
    }

    /// How many of a bank's accounts there are.
    async fn there(&self, bank: usize) -> Result<u64> {
        let (mut low, mut high) = (0, self.population.each);
        while low < high {
            let middle = low.midpoint(high);
            if self.exists(Member { bank, place: middle }).await? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    async fn exists(&self, member: Member) -> Result<bool> {
        let request = GetAccountRequest { account: self.population.account(member)?.to_string(), prove: false };
        let ask = |mut ledger: Ledger, patience| {
            let request = timed(request.clone(), patience);
            async move { ledger.get_account(request).await }
        };
        match self.client.ask(PATIENCE, ask).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => Err(describe(&status)),
        }
    }

    /// All or none of a bank's accounts from `first` up to `end`.
    fn sign(&self, bank: usize, first: u64, end: u64) -> Result<Bytes> {
        let mut operations = Vec::new();
        for place in first..end {
            let member = Member { bank, place };
            let account = self.population.account(member)?;
            let own = if self.population.own_keys { vec![self.population.key(member)?.public()] } else { Vec::new() };
            let threshold = u8::try_from(own.len())?;
            // Limits are checked, and not met.
            let (kind, tier) = (AccountKind::Wallet, Some(KycTier::Full));
            operations.push(Operation::OpenAccount(OpenAccount { account, kind, keys: own, threshold, tier }));
            operations.push(Operation::Issue(Issue {
                to: account,
                asset: self.asset,
                amount: Amount::from_minor(LOAD_BALANCE_MINOR),
                instruction_ref: None,
            }));
        }
        let now = now_ms();
        let body = TransactionBody {
            chain: self.chain,
            not_before_ms: now.saturating_sub(WINDOW_MS),
            not_after_ms: now + WINDOW_MS,
            independent: false,
            nonce: Vec::new(),
            operations,
        };
        let bank = self.population.banks.get(bank).context("a bank")?;
        let signed = body.sign(&[&bank.key, &self.issuer]).map_err(|rejection| anyhow!("{rejection}"))?;
        Ok(Bytes::copy_from_slice(signed.bytes()))
    }

    async fn submit(&self, transaction: Bytes) -> Result<()> {
        let ask = |mut ledger: Ledger, patience| {
            let request = SubmitAndWaitRequest { transaction: transaction.clone(), prove: false };
            async move { ledger.submit_and_wait(timed(request, patience)).await }
        };
        let answer = self.client.ask(PATIENCE, ask).await;
        let receipt = answer.map_err(|status| describe(&status)).context("accounts cannot be opened")?.receipt;
        let outcome = receipt.context("the node answered without a receipt")?.outcome();
        // The same bytes may have been final before this node was asked.
        ensure!(matches!(outcome, Outcome::Applied | Outcome::Repeated), "accounts were not opened: {outcome:?}");
        Ok(())
    }
}
