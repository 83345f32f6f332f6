//! `devnet load`: transfers at a fixed rate, each measured from the moment it was meant to be sent to the receipt that
//! says it is final, and the checks that follow: nothing lost, supply right, every node the same.
//!
//! Open loop: a slow network does not slow the sending down, and what waits for it counts as latency. Were the next
//! transfer sent only when the last one is answered, a stall would hide all but one of the latencies it causes.

mod drive;
mod opening;
mod plan;
mod population;
mod report;
mod tally;
mod verdict;
mod zipf;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::MultiProgress;
use tonle_crypto::Digest;
use tonle_ledger::{AccountId, Asset, Genesis, MAX_OPERATIONS};

use crate::client::{Client, Target};
use crate::defaults::LOAD_ACCOUNTS;
use crate::directory::Directory;
use crate::latency::LatencyMs;
use crate::screen::{print, print_json};
use crate::span;

use plan::Plan;
pub use population::{Accounts, Law};
use population::{Member, Population};
use report::Report;
use tally::Tally;
use verdict::Verdict;

/// Most transfers a second that may be asked for.
const RATE_MAX: u32 = 1_000_000;
/// In what is paid.
const ASSET: &str = "KHR";
/// Longest run: transactions are signed for a window of at most a day.
const LONGEST: Duration = Duration::from_hours(20);

/// Arguments of `tonle devnet load`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Transfers a second
    #[arg(long, value_name = "R", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_MAX)))]
    rate: u32,
    /// For how long, such as 30s
    #[arg(long = "for", value_name = "SPAN", default_value = "30s", value_parser = span::parse)]
    span: Duration,
    /// Transfers in one transaction, 1 to 8190
    #[arg(long, value_name = "B", default_value_t = 1)]
    batch: usize,
    /// Most transactions without an answer; above it sending waits, and the wait counts as latency
    #[arg(long, value_name = "K", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
    /// Accounts that take part, over all participants; those that are not there yet are opened first
    #[arg(long, value_name = "N", default_value_t = LOAD_ACCOUNTS)]
    accounts: usize,
    /// Draw payers and payees by Zipf's law (the k-th 1/k as often as the first) instead of evenly
    #[arg(long)]
    zipf: bool,
    /// Accounts that have a key of their own each, which signs for what they pay; for --batch 1
    #[arg(long)]
    own_keys: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Demand {
    /// When.
    pub pace: Pace,
    /// Transfers in one transaction.
    pub batch: usize,
    /// Most transactions without an answer.
    pub in_flight: u32,
    /// Between whom.
    pub accounts: Accounts,
}

/// When transfers are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// So many a second for so long, whatever the network does.
    Fixed {
        /// Transfers a second.
        rate: u32,
        /// For how long.
        span: Duration,
    },
    /// So many, the next one whenever the number without an answer allows it: what the network takes. Latency then counts
    /// from the moment of sending.
    Flood {
        /// How many.
        transfers: u64,
    },
}

/// Runs the load, and reports.
///
/// # Errors
/// When it cannot begin; and, after the report, when anything failed or disagreed, or nothing was submitted.
pub async fn run(arguments: &Arguments) -> Result<()> {
    ensure!((1..=MAX_OPERATIONS).contains(&arguments.batch), "--batch is 1 to {MAX_OPERATIONS}");
    ensure!(arguments.span <= LONGEST, "--for is at most 20h");
    let directory = Directory::new(&arguments.target.dir)?;
    let client = Client::open(&arguments.target)?;
    let Arguments { rate, span, batch, in_flight, accounts, zipf, own_keys, .. } = *arguments;
    let law = if zipf { Law::Zipf } else { Law::Even };
    let accounts = Accounts { count: accounts, own_keys, law };
    let demand = Demand { pace: Pace::Fixed { rate, span }, batch, in_flight, accounts };
    let screen = MultiProgress::new();
    prepare(&directory, &client, &accounts, &screen).await?;
    let sent = send(&directory, &client, &demand, &screen).await?;
    let outcome = sent.judged(&directory, &client).await;
    if arguments.json {
        print_json(&outcome.report)?;
    } else {
        print(&outcome.report.text(&outcome.verdict, &outcome.tally))?;
    }
    match outcome.report.complaint(&outcome.verdict) {
        None => Ok(()),
        Some(complaint) => bail!(complaint),
    }
}

/// A load that was sent: every transfer is answered or given up.
pub(crate) struct Sent {
    plan: Plan,
    tally: Arc<Tally>,
}

/// What became of a load, and what the nodes say of it.
pub(crate) struct Outcome {
    tally: Arc<Tally>,
    verdict: Verdict,
    report: Report,
}

/// Opens those of `accounts` that are not there yet, with a bar on `screen`. Answers how many.
///
/// # Errors
/// When a key is missing, or the chain refuses.
pub(crate) async fn prepare(
    directory: &Directory,
    client: &Client,
    accounts: &Accounts,
    screen: &MultiProgress,
) -> Result<u64> {
    let genesis = genesis(directory, client).await?;
    let population = Population::new(directory, &genesis, accounts)?;
    opening::open(directory, client, &genesis, &population, Asset::new(ASSET)?, screen).await
}

/// Sends transfers between accounts of the devnet in `directory` that are there, with a bar on `screen`.
///
/// # Errors
/// When it cannot begin.
pub(crate) async fn send(
    directory: &Directory,
    client: &Client,
    demand: &Demand,
    screen: &MultiProgress,
) -> Result<Sent> {
    let genesis = genesis(directory, client).await?;
    let population = Population::new(directory, &genesis, &demand.accounts)?;
    let plan = Plan::new(genesis.digest(), population, demand)?;
    let tally = Arc::new(Tally::new());
    let watch = report::Watch::start(&plan, &tally, screen);
    let outcome = drive::drive(&plan, client, &tally, demand.in_flight).await;
    watch.finish();
    outcome?;
    Ok(Sent { plan, tally })
}

/// The names of the accounts that `accounts` draws most often: `ranks` of each bank, the most frequent first.
///
/// # Errors
/// When a key is missing.
pub(crate) async fn favourites(
    directory: &Directory,
    client: &Client,
    accounts: &Accounts,
    ranks: u64,
) -> Result<Vec<AccountId>> {
    let population = Population::new(directory, &genesis(directory, client).await?, accounts)?;
    let members = (0..ranks.min(population.each))
        .flat_map(|rank| (0..population.banks.len()).map(move |bank| (bank, rank)))
        .map(|(bank, rank)| population.account(Member { bank, place: population.place(rank) }));
    members.collect()
}

/// The genesis in the folder, which must be the nodes'.
async fn genesis(directory: &Directory, client: &Client) -> Result<Genesis> {
    let status = client.status().await?;
    let chain: [u8; 32] = status.chain_digest.as_ref().try_into().context("the node names no chain")?;
    let genesis = crate::genesis::read(&directory.genesis())?;
    if genesis.digest() != Digest::from_bytes(chain) {
        bail!("the nodes are of another chain than {}", directory.genesis().display());
    }
    Ok(genesis)
}

impl Sent {
    /// Asks every node whether nothing was lost, the money is all there, and all are the same.
    pub(crate) async fn judged(self, directory: &Directory, client: &Client) -> Outcome {
        let verdict = verdict::judge(directory, client, self.tally.highest_block()).await;
        let report = Report::new(&self.plan, &self.tally, &verdict);
        Outcome { tally: self.tally, verdict, report }
    }
}

impl Outcome {
    /// What must never be, however high the load; none when all is right.
    pub(crate) fn wrong(&self) -> Option<String> {
        self.report.wrong(&self.verdict)
    }
    /// Transfers that are final and applied.
    pub(crate) fn finalized(&self) -> u64 {
        self.report.finalized
    }
    /// Transfers not known to be final.
    pub(crate) fn failed(&self) -> u64 {
        self.report.failed
    }
    /// Final transfers a second.
    pub(crate) fn tps(&self) -> f64 {
        self.report.tps
    }
    /// The longest time between two final receipts, in milliseconds.
    pub(crate) fn longest_gap_ms(&self) -> f64 {
        (self.tally.counts().longest_gap.as_secs_f64() * 10_000.0).round() / 10.0
    }
    /// Transfers that a node was too busy to take, each as often as that happened.
    pub(crate) fn turned_away(&self) -> u64 {
        self.tally.counts().turned_away
    }
    /// How long they took.
    pub(crate) fn latency_ms(&self) -> LatencyMs {
        self.report.latency_ms
    }
    /// Resident memory of each validator.
    pub(crate) fn rss_mb(&self) -> &[u64] {
        &self.report.rss_mb
    }
}
