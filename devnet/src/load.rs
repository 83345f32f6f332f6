//! `devnet load`: transfers at a fixed rate, each measured from the moment it was meant to be sent to the receipt that
//! says it is final, and the checks that follow: nothing lost, supply right, every node the same.
//!
//! Open loop: a slow network does not slow the sending down, and what waits for it counts as latency. Were the next
//! transfer sent only when the last one is answered, a stall would hide all but one of the latencies it causes.

mod drive;
mod plan;
mod report;
mod tally;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tonle_crypto::Digest;
use tonle_ledger::MAX_OPERATIONS;

use crate::client::{Client, Target};
use crate::defaults::LOAD_PREFIX;
use crate::directory::Directory;
use crate::screen::{print, print_json};
use crate::span;

use plan::Plan;
pub(crate) use report::LatencyMs;
use report::Report;
use tally::Tally;
use verdict::Verdict;

/// Most transfers a second that may be asked for.
const RATE_MAX: u32 = 1_000_000;
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
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// What is sent.
#[derive(Debug, Clone)]
pub struct Demand {
    /// Transfers a second.
    pub rate: u32,
    /// For how long.
    pub span: Duration,
    /// Transfers in one transaction.
    pub batch: usize,
    /// Most transactions without an answer.
    pub in_flight: u32,
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
    let Arguments { rate, span, batch, in_flight, .. } = *arguments;
    let sent = send(&directory, &client, &Demand { rate, span, batch, in_flight }).await?;
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

/// Sends transfers from the load accounts of the devnet in `directory`, with a bar on the terminal.
///
/// # Errors
/// When it cannot begin.
pub(crate) async fn send(directory: &Directory, client: &Client, demand: &Demand) -> Result<Sent> {
    let status = client.status().await?;
    let chain: [u8; 32] = status.chain_digest.as_ref().try_into().context("the node names no chain")?;
    let chain = Digest::from_bytes(chain);
    let genesis = crate::genesis::read(&directory.genesis())?;
    if genesis.digest() != chain {
        bail!("the nodes are of another chain than {}", directory.genesis().display());
    }
    let accounts = genesis.accounts.iter().map(|account| account.id);
    let accounts = accounts.filter(|account| account.name().starts_with(LOAD_PREFIX)).collect();
    let plan = Plan::new(directory, chain, accounts, demand)?;
    let tally = Arc::new(Tally::new());
    let watch = report::Watch::start(&plan, &tally);
    let outcome = drive::drive(&plan, client, &tally, demand.in_flight).await;
    watch.finish();
    outcome?;
    Ok(Sent { plan, tally })
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
    /// How long they took.
    pub(crate) fn latency_ms(&self) -> LatencyMs {
        self.report.latency_ms
    }
    /// Resident memory of each validator.
    pub(crate) fn rss_mb(&self) -> &[u64] {
        &self.report.rss_mb
    }
}
