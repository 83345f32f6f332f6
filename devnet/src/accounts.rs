//! `tonle balance`, `tonle history` and `tonle status`: what is final, as people read it or as JSON.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tonic::{Code, Status};
use tonle_crypto::SecretKey;
use tonle_ledger::{AccountId, Operation, OperationKind, SignedTransaction};
use tonle_proto::v1::{
    AccountStatus, GetAccountRequest, GetAccountResponse, GetStatusResponse, KycTier, ListTransactionsRequest, Outcome,
    TransactionRecord, list_transactions_request,
};

use crate::amount;
use crate::client::{Client, Target, describe, reason, timed};
use crate::defaults::LOAD_PREFIX;
use crate::directory::Directory;
use crate::payment::rejection;
use crate::privacy::{Shown, development_keys, sealed};
use crate::screen::{print, print_json, table, utc};

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Transactions asked for at once.
const PAGE: u32 = 1_000;

const BALANCE_HELP: &str = "\
Examples:
  tonle balance alice@aba bob@wing
  tonle balance                      every account of the devnet but those for load
  tonle balance alice@aba --json";

/// Arguments of `tonle balance`.
#[derive(Debug, clap::Args)]
#[command(after_help = BALANCE_HELP)]
pub struct BalanceArguments {
    /// The accounts; without any, the devnet's (those made for load left out)
    accounts: Vec<String>,
    /// Print one line of JSON for each account
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const HISTORY_HELP: &str = "\
Examples:
  tonle history alice@aba
  tonle history alice@aba --key aba-encryption.key    with what was encrypted for aba
  tonle history alice@aba --limit 1000 --json";

/// Arguments of `tonle history`.
#[derive(Debug, clap::Args)]
#[command(after_help = HISTORY_HELP)]
pub struct HistoryArguments {
    /// The account
    account: String,
    /// At most this many transactions, newest first
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// A key file that opens what is encrypted, may be repeated; without any, the development keys in --dir
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// Print one line of JSON for each operation that touched the account
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const STATUS_HELP: &str = "\
Examples:
  tonle status
  tonle status --node 127.0.0.1:50051 --json";

/// Arguments of `tonle status`.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUS_HELP)]
pub struct StatusArguments {
    /// Print one line of JSON for each node
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Serialize)]
struct AccountReport {
    account: String,
    status: String,
    tier: String,
    /// References of the orders that freeze it.
    orders: Vec<String>,
    height: u64,
    balances: Vec<BalanceReport>,
}

#[derive(Debug, Serialize)]
struct BalanceReport {
    asset: String,
    available: String,
    available_minor: u64,
    held_minor: u64,
}

#[derive(Debug, Serialize)]
struct HistoryReport {
    block: u64,
    time_ms: u64,
    transaction_id: String,
    operation: usize,
    kind: &'static str,
    direction: &'static str,
    counterparty: String,
    asset: String,
    amount_minor: u64,
    id: Option<String>,
    result: String,
    /// What it says to the banks concerned alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Shown>,
}

#[derive(Debug, Serialize)]
struct NodeReport {
    node: String,
    address: String,
    chain: String,
    chain_digest: String,
    version: String,
    height: u64,
    time_ms: u64,
    state_root: String,
    provable_height: u64,
    epoch: u64,
    view: u64,
    leader: String,
    quorum: u32,
    validators: usize,
    connected: usize,
    halted: Option<String>,
}

/// Runs `tonle balance`.
///
/// # Errors
/// When an account does not exist, or no node answers.
pub async fn balance(arguments: &BalanceArguments) -> Result<()> {
    let client = Client::open(&arguments.target)?;
    let exponents = Exponents::of(&client.status().await?);
    let accounts =
        if arguments.accounts.is_empty() { devnet_accounts(&arguments.target)? } else { arguments.accounts.clone() };
    let mut rows = Vec::new();
    for account in &accounts {
        let report = account_report(&client, account, &exponents).await?;
        if arguments.json {
            print_json(&report)?;
            continue;
        }
        let money: Vec<String> =
            report.balances.iter().map(|balance| format!("{} {}", balance.available, balance.asset)).collect();
        let money = if money.is_empty() { "nothing".to_owned() } else { money.join("   ") };
        let mut status = if report.status == "active" { String::new() } else { report.status };
        if !report.orders.is_empty() {
            status = format!("{status}  by order {}", report.orders.join(", "));
        }
        rows.push(vec![report.account, money, format!("block {}", report.height), status]);
    }
    if arguments.json { Ok(()) } else { print(&table(&["account", "available", "as of", ""], &rows)) }
}

fn devnet_accounts(target: &Target) -> Result<Vec<String>> {
    let directory = Directory::new(&target.dir)?;
    if !target.nodes.is_empty() || !directory.exists() {
        bail!("name an account: tonle balance alice@aba");
    }
    let genesis = crate::genesis::read(&directory.genesis())?;
    let people = genesis.accounts.iter().filter(|account| !account.id.name().starts_with(LOAD_PREFIX));
    Ok(people.map(|account| account.id.to_string()).collect())
}

async fn account_report(client: &Client, account: &str, exponents: &Exponents) -> Result<AccountReport> {
    let request = GetAccountRequest { account: account.to_owned(), prove: false };
    let answer = client
        .ask(PATIENCE, |mut ledger, patience| {
            let request = timed(request.clone(), patience);
            async move { ledger.get_account(request).await }
        })
        .await
        .map_err(|status| unknown_account(&status, account))?;
    let GetAccountResponse { account: found, height, .. } = answer;
    let found = found.context("the node answered without an account")?;
    let status = match found.status() {
        AccountStatus::Active => "active",
        AccountStatus::DebitsFrozen => "debits frozen",
        AccountStatus::CreditsFrozen => "credits frozen",
        AccountStatus::Frozen => "frozen",
        AccountStatus::Closed => "closed",
        AccountStatus::Unspecified => "unknown",
    };
    let tier = tier_name(found.tier());
    let balances = found.balances.into_iter().map(|balance| BalanceReport {
        available: exponents.format(balance.available_minor, &balance.asset),
        asset: balance.asset,
        available_minor: balance.available_minor,
        held_minor: balance.held_minor,
    });
    Ok(AccountReport {
        account: found.account,
        status: status.to_owned(),
        tier,
        orders: found.orders.into_iter().map(|order| order.reference).collect(),
        height,
        balances: balances.collect(),
    })
}

fn unknown_account(status: &Status, account: &str) -> anyhow::Error {
    match status.code() {
        Code::NotFound => anyhow::anyhow!("{account} does not exist: check the spelling, name@participant"),
        _ => describe(status),
    }
}

/// A tier in words.
pub(crate) fn tier_name(tier: KycTier) -> String {
    tier.as_str_name().trim_start_matches("KYC_TIER_").to_lowercase()
}

/// Decimal places by asset.
pub(crate) struct Exponents(Vec<(String, u32)>);

impl Exponents {
    pub(crate) fn of(status: &GetStatusResponse) -> Self {
        Exponents(status.supply.iter().map(|supply| (supply.asset.clone(), supply.exponent)).collect())
    }

    /// Decimal places of an asset that the chain knows.
    pub(crate) fn exponent(&self, asset: &str) -> Result<u32> {
        let known = || self.0.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>().join(", ");
        let found = self.0.iter().find(|(code, _)| code == asset).map(|(_, exponent)| *exponent);
        found.with_context(|| format!("{asset} is no asset here: {}", known()))
    }

    pub(crate) fn format(&self, minor: u64, asset: &str) -> String {
        let exponent = self.0.iter().find(|(code, _)| code == asset).map_or(0, |(_, exponent)| *exponent);
        amount::format(minor, asset, exponent)
    }
}

/// Runs `tonle history`. `keys` are those of [`HistoryArguments::keys`].
///
/// # Errors
/// When the account does not exist, or no node answers.
pub async fn history(arguments: &HistoryArguments, keys: Vec<SecretKey>) -> Result<()> {
    let keys = if arguments.keys.is_empty() { development_keys(&arguments.target) } else { keys };
    let client = Client::open(&arguments.target)?;
    let exponents = Exponents::of(&client.status().await?);
    // An account that does not exist and one without history look the same to a list.
    account_report(&client, &arguments.account, &exponents).await?;
    let records = records(&client, &arguments.account, arguments.limit).await?;
    let mut reports = Vec::new();
    for record in &records {
        reports.extend(operations(record, &arguments.account, &keys)?);
    }
    if arguments.json {
        return reports.iter().try_for_each(print_json);
    }
    let rows: Vec<Vec<String>> = reports.iter().map(|report| history_row(report, &exponents)).collect();
    let headings = ["block", "time (UTC)", "operation", "", "amount", "counterparty", "id", "result", "details"];
    if rows.is_empty() { print("no transactions yet") } else { print(&table(&headings, &rows)) }
}

fn history_row(report: &HistoryReport, exponents: &Exponents) -> Vec<String> {
    let money = match report.asset.as_str() {
        "" => String::new(),
        asset => format!("{} {asset}", exponents.format(report.amount_minor, asset)),
    };
    vec![
        report.block.to_string(),
        utc(report.time_ms),
        report.kind.replace('_', " "),
        report.direction.to_owned(),
        money,
        report.counterparty.clone(),
        report.id.clone().unwrap_or_default(),
        report.result.clone(),
        report.details.as_ref().map(Shown::line).unwrap_or_default(),
    ]
}

async fn records(client: &Client, account: &str, limit: u32) -> Result<Vec<TransactionRecord>> {
    let mut records: Vec<TransactionRecord> = Vec::new();
    let mut cursor = String::new();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    while records.len() < wanted {
        let left = u32::try_from(wanted - records.len()).unwrap_or(PAGE);
        let request = ListTransactionsRequest {
            of: Some(list_transactions_request::Of::Account(account.to_owned())),
            page_size: left.min(PAGE),
            cursor: cursor.clone(),
            include_transactions: true,
        };
        let page = client
            .ask(PATIENCE, |mut ledger, patience| {
                let request = timed(request.clone(), patience);
                async move { ledger.list_transactions(request).await }
            })
            .await
            .map_err(|status| describe(&status))?;
        records.extend(page.transactions);
        if page.next_cursor.is_empty() {
            break;
        }
        cursor = page.next_cursor;
    }
    Ok(records)
}

/// One report for each of a transaction's operations that touches `account`.
fn operations(record: &TransactionRecord, account: &str, keys: &[SecretKey]) -> Result<Vec<HistoryReport>> {
    let receipt = record.receipt.as_ref().context("the node answered without a receipt")?;
    if record.transaction.is_empty() {
        return Ok(endings(receipt, account));
    }
    let transaction = SignedTransaction::from_bytes(&record.transaction)
        .map_err(|rejection| anyhow::anyhow!("the node answered a transaction that is none: {rejection}"))?;
    let mut reports = Vec::new();
    for (number, operation) in transaction.operations().iter().enumerate() {
        let Some(mut report) = touches(operation, account) else { continue };
        report.block = receipt.height;
        report.time_ms = receipt.time_ms;
        report.transaction_id = transaction.id().to_string();
        report.operation = number;
        report.result = result(receipt, number);
        report.details = sealed(operation).map(|sealed| Shown::of(sealed, keys));
        reports.push(report);
    }
    Ok(reports)
}

/// What a block's own receipt says of `account`.
fn endings(receipt: &tonle_proto::v1::Receipt, account: &str) -> Vec<HistoryReport> {
    use tonle_proto::v1::operation_result::Result;
    let id = hex::encode(&receipt.transaction_id);
    let ended = receipt.results.iter().enumerate().filter_map(|(number, result)| match &result.result {
        Some(Result::Ended(ended)) if ended.balances_after.iter().any(|balance| balance.account == account) => {
            Some(HistoryReport {
                block: receipt.height,
                time_ms: receipt.time_ms,
                transaction_id: id.clone(),
                operation: number,
                kind: "hold_over",
                direction: "",
                counterparty: String::new(),
                asset: String::new(),
                amount_minor: 0,
                id: None,
                result: "applied".to_owned(),
                details: None,
            })
        }
        _ => None,
    });
    ended.collect()
}

fn result(receipt: &tonle_proto::v1::Receipt, operation: usize) -> String {
    use tonle_proto::v1::operation_result::Result;
    match receipt.results.get(operation).and_then(|result| result.result.as_ref()) {
        Some(Result::Applied(_) | Result::Ended(_) | Result::Decided(_)) => "applied".to_owned(),
        Some(Result::Pending(pending)) => format!("pending: {} of {} keys", pending.approvals, pending.threshold),
        Some(Result::Lapsed(lapsed)) => lapsed.rejection.as_ref().map_or_else(String::new, |why| why.code.clone()),
        Some(Result::Repeated(first)) => format!("repeated block {}", first.height),
        Some(Result::Rejected(rejection)) => rejection.code.clone(),
        None => match (receipt.outcome(), rejection(receipt)) {
            (_, Some(rejection)) => rejection.code.clone(),
            (Outcome::Applied, None) => "applied".to_owned(),
            (_, None) => "unknown".to_owned(),
        },
    }
}

/// The operation as `account` sees it; none when it does not name it.
fn touches(operation: &Operation, account: &str) -> Option<HistoryReport> {
    let is = |id: &Option<AccountId>| id.is_some_and(|id| id.as_str() == account);
    let [first, second] = operation.accounts();
    let (direction, other) = match (is(&first), is(&second)) {
        (true, _) => ("out", second),
        (false, true) => ("in", first),
        (false, false) => return None,
    };
    let money = operation.money();
    let direction = match operation.kind() {
        OperationKind::Issue => "in",
        OperationKind::RequestToPay | OperationKind::GrantMandate => "",
        OperationKind::PlaceHold | OperationKind::SendToBank | OperationKind::OfferQuote => "held",
        _ if money.is_none() => "",
        _ => direction,
    };
    Some(HistoryReport {
        block: 0,
        time_ms: 0,
        transaction_id: String::new(),
        operation: 0,
        kind: operation.kind().name(),
        direction,
        counterparty: other.map(|id| id.to_string()).unwrap_or_default(),
        asset: money.map(|(asset, _)| asset.to_string()).unwrap_or_default(),
        amount_minor: money.map_or(0, |(_, amount)| amount.minor()),
        id: operation.reference().map(ToString::to_string),
        result: String::new(),
        details: None,
    })
}

/// Runs `tonle status`.
///
/// # Errors
/// When no node answers.
pub async fn status(arguments: &StatusArguments) -> Result<()> {
    let client = Client::open(&arguments.target)?;
    let answers = futures::future::join_all(client.nodes().iter().map(|node| node.status())).await;
    let mut reports = Vec::new();
    let mut supply = Vec::new();
    let mut silent = Vec::new();
    for (node, answer) in client.nodes().iter().zip(answers) {
        match answer {
            Ok(status) => {
                supply.clone_from(&status.supply);
                reports.push(node_report(&node.address, status));
            }
            Err(status) if reason(&status) == "NODE_STARTING" => {
                silent.push(format!("{}: {}", node.label(), status.message()));
            }
            Err(status) => silent.push(format!("{} does not answer: {}", node.label(), status.message())),
        }
    }
    if reports.is_empty() {
        bail!(silent.join("\n"));
    }
    if arguments.json {
        return reports.iter().try_for_each(print_json);
    }
    if let Some(first) = reports.first() {
        print(&format!("chain {}  {}", first.chain, first.chain_digest))?;
        let text = |supply: &tonle_proto::v1::Supply| match supply.amount_minor.parse() {
            Ok(minor) => format!("{} {}", amount::format(minor, &supply.asset, supply.exponent), supply.asset),
            Err(_) => format!("{} {} in minor units", supply.amount_minor, supply.asset),
        };
        print(&format!("supply {}", supply.iter().map(text).collect::<Vec<_>>().join("   ")))?;
        print(&format!("quorum {} of {} validators", first.quorum, first.validators))?;
    }
    let row = |report: &NodeReport| {
        vec![
            report.node.clone(),
            report.height.to_string(),
            utc(report.time_ms),
            report.view.to_string(),
            report.leader.clone(),
            format!("{}/{}", report.connected, report.validators),
            report.state_root.chars().take(8).collect(),
            report.halted.clone().unwrap_or_default(),
        ]
    };
    let headings = ["node", "height", "block time (UTC)", "view", "leader", "connected", "root", ""];
    print(&table(&headings, &reports.iter().map(row).collect::<Vec<_>>()))?;
    silent.iter().try_for_each(|line| print(line))
}

fn node_report(address: &str, status: GetStatusResponse) -> NodeReport {
    NodeReport {
        address: address.to_owned(),
        chain_digest: hex::encode(&status.chain_digest),
        height: status.latest_height,
        time_ms: status.latest_time_ms,
        state_root: hex::encode(&status.latest_state_root),
        provable_height: status.provable_height,
        epoch: status.epoch,
        view: status.view,
        quorum: status.quorum,
        validators: status.validators.len(),
        connected: status.validators.iter().filter(|validator| validator.connected).count(),
        halted: Some(status.halted).filter(|halted| !halted.is_empty()),
        node: status.node,
        chain: status.chain_name,
        version: status.version,
        leader: status.leader,
    }
}
