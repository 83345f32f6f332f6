//! Reads as an explorer makes them, at a fixed rate beside a load: an account, a receipt, a page of an account's history.
//! Latency counts from the moment when a read was meant to be sent.
//!
//! Must not know: the load beside it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};
use tonic::Status;
use tonle_ledger::AccountId;
use tonle_proto::v1::{
    GetAccountRequest, GetTransactionRequest, ListTransactionsRequest, ListTransactionsResponse,
    list_transactions_request,
};

use super::network::Network;
use crate::client::{Node, timed};
use crate::latency::{Latencies, LatencyMs};
use crate::load::favourites;

/// Reads of each kind a second.
pub(super) const PER_SECOND: u32 = 50;
/// Transactions of a page of history.
pub(super) const PAGE: u32 = 100;
/// Accounts of each bank whose history is read: those that were drawn most often, so that pages are full.
const RANKS: u64 = 2;
/// How long a read may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most reads under way.
const UNDER_WAY_MAX: usize = 1_024;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Account,
    Receipt,
    History,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Account, Kind::Receipt, Kind::History];

    fn name(self) -> &'static str {
        match self {
            Kind::Account => "account",
            Kind::Receipt => "receipt",
            Kind::History => "history page",
        }
    }
}

/// What one kind of read took.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Read {
    pub(super) kind: &'static str,
    pub(super) per_second: u32,
    pub(super) answered: u64,
    pub(super) failed: u64,
    /// Transactions of a page, on average; only for pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<f64>,
    pub(super) latency_ms: LatencyMs,
}

/// Answers of one kind.
struct Tally {
    latencies: Latencies,
    failed: u64,
    rows: u64,
}

/// An explorer.
pub(super) struct Explorer {
    nodes: Vec<Node>,
    accounts: Vec<AccountId>,
    transactions: Vec<Bytes>,
    tallies: [Mutex<Tally>; 3],
}

impl Explorer {
    /// Of a network on which something was paid already.
    pub(super) async fn new(network: &Network) -> Result<Arc<Self>> {
        let client = network.client()?;
        let accounts = favourites(&network.directory, &client, &network.accounts, RANKS).await?;
        let nodes = client.nodes().to_vec();
        let tallies = Kind::ALL.map(|_| Mutex::new(Tally { latencies: Latencies::new(), failed: 0, rows: 0 }));
        let mut explorer = Explorer { nodes, accounts, transactions: Vec::new(), tallies };
        let first = explorer.nodes.first().context("no node answers")?;
        for account in &explorer.accounts {
            let page = history(first, *account).await.context("no history")?;
            let ids = page.transactions.into_iter().filter_map(|record| Some(record.receipt?.transaction_id));
            explorer.transactions.extend(ids);
        }
        ensure!(!explorer.transactions.is_empty(), "nothing was paid that could be read");
        Ok(Arc::new(explorer))
    }

    /// Reads until it is dropped.
    pub(super) async fn read(self: &Arc<Self>) {
        let mut tick = interval(Duration::from_secs(1) / PER_SECOND);
        let mut tasks = JoinSet::new();
        let mut number = 0usize;
        loop {
            let intended = tick.tick().await;
            while tasks.try_join_next().is_some() {}
            for kind in Kind::ALL {
                if tasks.len() >= UNDER_WAY_MAX {
                    self.tally(kind).failed += 1;
                    continue;
                }
                let explorer = Arc::clone(self);
                tasks.spawn(async move { explorer.one(kind, number, intended).await });
            }
            number += 1;
        }
    }

    async fn one(&self, kind: Kind, number: usize, intended: Instant) {
        let answer = timeout(PATIENCE, self.ask(kind, number)).await;
        let latency = intended.elapsed();
        let mut tally = self.tally(kind);
        match answer {
            Ok(Ok(rows)) => {
                tally.latencies.record(latency, 1);
                tally.rows += rows;
            }
            Ok(Err(_)) | Err(_) => tally.failed += 1,
        }
    }

    /// One read; answers the rows of a page.
    async fn ask(&self, kind: Kind, number: usize) -> Result<u64, Status> {
        let none = || Status::internal("nothing to ask");
        // Each kind, and each round of the nodes, begins at another.
        let node = self.nodes.get((number + kind as usize) % self.nodes.len()).ok_or_else(none)?;
        let account = self.accounts.get(number % self.accounts.len()).ok_or_else(none)?;
        match kind {
            Kind::Account => {
                let request = GetAccountRequest { account: account.to_string(), prove: false };
                node.ledger().get_account(timed(request, PATIENCE)).await?;
                Ok(0)
            }
            Kind::Receipt => {
                let id = self.transactions.get(number % self.transactions.len()).ok_or_else(none)?;
                let request =
                    GetTransactionRequest { transaction_id: id.clone(), include_transaction: false, prove: false };
                node.ledger().get_transaction(timed(request, PATIENCE)).await?;
                Ok(0)
            }
            Kind::History => {
                let page = history(node, *account).await?;
                Ok(u64::try_from(page.transactions.len()).unwrap_or(u64::MAX))
            }
        }
    }

    fn tally(&self, kind: Kind) -> MutexGuard<'_, Tally> {
        let [account, receipt, history] = &self.tallies;
        let tally = match kind {
            Kind::Account => account,
            Kind::Receipt => receipt,
            Kind::History => history,
        };
        // Counting does not panic half-way.
        tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all reads so far took.
    pub(super) fn reads(&self) -> Vec<Read> {
        let read = |kind: Kind| {
            let tally = self.tally(kind);
            let answered = tally.latencies.count();
            Read {
                kind: kind.name(),
                per_second: PER_SECOND,
                answered,
                failed: tally.failed,
                // Far below 2^52.
                rows: (kind == Kind::History && answered > 0)
                    .then(|| (tally.rows as f64 / answered as f64 * 10.0).round() / 10.0),
                latency_ms: tally.latencies.percentiles(),
            }
        };
        Kind::ALL.map(read).to_vec()
    }
}

async fn history(node: &Node, account: AccountId) -> Result<ListTransactionsResponse, Status> {
    let request = ListTransactionsRequest {
        of: Some(list_transactions_request::Of::Account(account.to_string())),
        page_size: PAGE,
        cursor: String::new(),
        include_transactions: false,
    };
    Ok(node.ledger().list_transactions(timed(request, PATIENCE)).await?.into_inner())
}
