//! `tonle alias show`, `tonle limits`, `tonle proposal list` and `tonle report large`: what the ledger keeps beside accounts,
//! and what moved, as people read it or as JSON.
//!
//! Must not know: how any of it came to be.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;
use tonic::Code;
use tonle_proto::v1::operator_service_client::OperatorServiceClient;
use tonle_proto::v1::register_service_client::RegisterServiceClient;
use tonle_proto::v1::{
    GetLimitsRequest, LargePayment, ListLargePaymentsRequest, ListProposalsRequest, Proposal, ResolveAliasRequest,
    TierLimit,
};

use crate::accounts::{Exponents, tier_name};
use crate::amount;
use crate::client::{Client, Target, describe, timed};
use crate::founding::now_ms;
use crate::orders::alias_digest;
use crate::screen::{print, print_json, spinner, table, utc};
use crate::span;

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Entries asked for at once.
const PAGE: u32 = 1_000;

/// Whom to ask, how to print.
#[derive(Debug, clap::Args)]
pub struct Asking {
    /// Print JSON, one line for each entry
    #[arg(long)]
    json: bool,
    /// Whom to ask
    #[command(flatten)]
    target: Target,
}

/// Arguments of `tonle alias show`.
#[derive(Debug, clap::Args)]
pub struct AliasArguments {
    /// The number
    alias: String,
    /// Whom to ask
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Serialize)]
struct AliasReport {
    account: String,
    display_name: String,
    height: u64,
}

/// Runs `tonle alias show`.
///
/// # Errors
/// When the number stands for no account, or no node answers.
pub async fn alias(arguments: &AliasArguments) -> Result<()> {
    let AliasArguments { alias, asking } = arguments;
    let client = Client::open(&asking.target)?;
    let digest = alias_digest(&client.status().await?, alias)?;
    let found = client
        .ask_over(PATIENCE, |channel, patience| {
            let request = timed(ResolveAliasRequest { alias: digest.as_bytes().to_vec().into() }, patience);
            async move { RegisterServiceClient::new(channel).resolve_alias(request).await }
        })
        .await;
    match found {
        Ok(found) if asking.json => {
            print_json(&AliasReport { account: found.account, display_name: found.display_name, height: found.height })
        }
        Ok(found) => print(&format!("{}  {}", found.account, found.display_name)),
        Err(status) if status.code() == Code::NotFound => bail!("{alias} stands for no account"),
        Err(status) => Err(describe(&status)),
    }
}

#[derive(Debug, Serialize)]
struct LimitReport {
    asset: String,
    tier: String,
    daily_minor: Option<u64>,
    hourly: Option<u32>,
}

/// Runs `tonle limits`.
///
/// # Errors
/// When no node answers.
pub async fn limits(asking: &Asking) -> Result<()> {
    let client = Client::open(&asking.target)?;
    let exponents = Exponents::of(&client.status().await?);
    let answer = client
        .ask_over(PATIENCE, |channel, patience| async move {
            RegisterServiceClient::new(channel).get_limits(timed(GetLimitsRequest {}, patience)).await
        })
        .await
        .map_err(|status| describe(&status))?;
    let report = |limit: &TierLimit| LimitReport {
        asset: limit.asset.clone(),
        tier: tier_name(limit.tier()),
        daily_minor: Some(limit.daily_minor).filter(|minor| *minor != 0),
        hourly: Some(limit.hourly).filter(|times| *times != 0),
    };
    let reports: Vec<LimitReport> = answer.limits.iter().map(report).collect();
    if asking.json {
        return reports.iter().try_for_each(print_json);
    }
    let row = |report: &LimitReport| {
        let daily = report.daily_minor.map_or("no limit".to_owned(), |minor| exponents.format(minor, &report.asset));
        let hourly = report.hourly.map_or("no limit".to_owned(), |times| times.to_string());
        vec![report.asset.clone(), report.tier.clone(), daily, hourly]
    };
    print(&table(&["asset", "tier", "in a day", "times an hour"], &reports.iter().map(row).collect::<Vec<_>>()))
}

#[derive(Debug, Serialize)]
struct ProposalReport {
    proposal: String,
    operation: String,
    participant: String,
    approvals: Vec<String>,
    effect_height: u64,
    expires_ms: u64,
    proposed_height: u64,
}

impl From<Proposal> for ProposalReport {
    fn from(proposal: Proposal) -> Self {
        ProposalReport {
            proposal: hex::encode(&proposal.proposal),
            operation: proposal.kind,
            participant: proposal.participant,
            approvals: proposal.approvals.iter().map(hex::encode).collect(),
            effect_height: proposal.effect_height,
            expires_ms: proposal.expires_ms,
            proposed_height: proposal.proposed.map_or(0, |place| place.height),
        }
    }
}

/// Runs `tonle proposal list`.
///
/// # Errors
/// When no node answers.
pub async fn proposals(asking: &Asking) -> Result<()> {
    let client = Client::open(&asking.target)?;
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let request = ListProposalsRequest { page_size: PAGE, cursor };
        let answer = client
            .ask_over(PATIENCE, |channel, patience| {
                let request = timed(request.clone(), patience);
                async move { RegisterServiceClient::new(channel).list_proposals(request).await }
            })
            .await
            .map_err(|status| describe(&status))?;
        for report in answer.proposals.into_iter().map(ProposalReport::from) {
            if asking.json {
                print_json(&report)?;
                continue;
            }
            let effect = match report.effect_height {
                0 => "when enough keys have".to_owned(),
                height => format!("block {height}"),
            };
            let (keys, operation) = (report.approvals.len().to_string(), report.operation.replace('_', " "));
            rows.push(vec![report.proposal, operation, report.participant, keys, effect, utc(report.expires_ms)]);
        }
        cursor = answer.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    match (asking.json, rows.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => print("nothing waits"),
        (false, false) => {
            print(&table(&["proposal", "operation", "of", "keys", "takes effect", "lapses (UTC)"], &rows))
        }
    }
}

const LARGE_HELP: &str = "\
Examples:
  tonle report large KHR 40,000,000                     of the last day
  tonle report large USD 10,000 --since 30d --json      one line of JSON for each payment

What was taken back, refused or only asked for is no payment; an exchange is two. Money that a second key had to approve
is named where it was proposed.";

/// Arguments of `tonle report large`.
#[derive(Debug, clap::Args)]
#[command(after_help = LARGE_HELP)]
pub struct LargeArguments {
    /// The asset, such as KHR or USD
    asset: String,
    /// From how much on, such as 40,000,000
    amount: String,
    /// How far back, such as 12h or 30d; at most 90d
    #[arg(long, value_name = "SPAN", default_value = "1d")]
    since: String,
    /// Whom to ask
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Serialize)]
struct PaymentReport {
    time_ms: u64,
    block: u64,
    transaction_id: String,
    operation: u32,
    kind: String,
    from: String,
    to: String,
    asset: String,
    amount_minor: u64,
}

impl PaymentReport {
    fn of(payment: LargePayment, asset: &str) -> Self {
        let place = payment.location.unwrap_or_default();
        PaymentReport {
            time_ms: payment.time_ms,
            block: place.height,
            transaction_id: hex::encode(&place.transaction_id),
            operation: place.operation,
            kind: payment.kind,
            from: payment.from,
            to: payment.to,
            asset: asset.to_owned(),
            amount_minor: payment.amount_minor,
        }
    }
}

/// Runs `tonle report large`.
///
/// # Errors
/// When the amount is none, or no node answers.
pub async fn large(arguments: &LargeArguments) -> Result<()> {
    let LargeArguments { asset, amount, since, asking } = arguments;
    let client = Client::open(&asking.target)?;
    let exponents = Exponents::of(&client.status().await?);
    let minor = amount::parse(amount, exponents.exponent(asset)?)?;
    let back = u64::try_from(span::parse_days(since)?.as_millis()).unwrap_or(u64::MAX);
    let mut request = ListLargePaymentsRequest {
        asset: asset.clone(),
        at_least_minor: minor,
        from_ms: now_ms().saturating_sub(back),
        until_ms: 0,
        page_size: PAGE,
        cursor: String::new(),
    };
    let (progress, mut rows) = (spinner(), Vec::new());
    loop {
        let answer = client
            .ask_over(PATIENCE, |channel, patience| {
                let request = timed(request.clone(), patience);
                async move { OperatorServiceClient::new(channel).list_large_payments(request).await }
            })
            .await
            .map_err(|status| describe(&status))?;
        for report in answer.payments.into_iter().map(|payment| PaymentReport::of(payment, asset)) {
            if asking.json {
                print_json(&report)?;
                continue;
            }
            let (money, block) = (exponents.format(report.amount_minor, asset), report.block.to_string());
            let kind = report.kind.replace('_', " ");
            rows.push(vec![utc(report.time_ms), block, kind, report.from, report.to, money]);
        }
        progress.set_message(format!("block {} of {}", answer.examined_height, answer.last_height));
        request.cursor = answer.next_cursor;
        if request.cursor.is_empty() {
            break;
        }
    }
    progress.finish_and_clear();
    match (asking.json, rows.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => print(&format!("no payment of {amount} {asset} or more within {since}")),
        (false, false) => print(&table(&["time (UTC)", "block", "what", "from", "to", asset], &rows)),
    }
}
