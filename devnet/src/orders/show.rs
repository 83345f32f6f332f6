//! What became of an operation, as people read it or as JSON.
//!
//! Must not know: which operation it was.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tonic::Status;
use tonle_ledger::{RejectionCode, SignedTransaction};
use tonle_proto::v1::{AccountBalance, GetStatusResponse, Outcome, Receipt, SubmitAndWaitResponse, operation_result};

use crate::amount;
use crate::client::{describe, final_rejection, reason};
use crate::screen::{print, print_json};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    /// `final`, `repeated` or `rejected`.
    result: &'static str,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    transaction_id: String,
    block: u64,
    index: u32,
    /// The proposal that it made or decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<String>,
    balances: Vec<BalanceReport>,
}

/// A balance that the operation left.
#[derive(Debug, Serialize)]
struct BalanceReport {
    account: String,
    asset: String,
    available_minor: u64,
    held_minor: u64,
}

/// Prints it; an error when it was rejected or is not known to be final.
pub(super) fn show(
    transaction: &SignedTransaction,
    answer: Result<SubmitAndWaitResponse, Status>,
    status: &GetStatusResponse,
    json: bool,
) -> Result<()> {
    let operation = transaction.operations().first().map_or("", |operation| operation.kind().name());
    let id = transaction.id().to_string();
    let report = |result, code, block, index, balances: Vec<BalanceReport>| Report {
        result,
        operation,
        code,
        transaction_id: id.clone(),
        block,
        index,
        proposal: None,
        balances,
    };
    match answer {
        Ok(answer) => {
            let receipt = answer.receipt.context("the node answered without a receipt")?;
            let repeated = receipt.outcome() == Outcome::Repeated;
            let balances = balances(&receipt);
            if json {
                let result = if repeated { "repeated" } else { "final" };
                let balances = balances.into_iter().map(BalanceReport::from).collect();
                let proposal = proposal_id(&receipt);
                return print_json(&Report {
                    proposal,
                    ..report(result, None, receipt.height, receipt.index, balances)
                });
            }
            if repeated {
                return print(&format!("ALREADY FINAL  same reference, same content, block {}", receipt.height));
            }
            print(&format!("FINAL  block {}  {}", receipt.height, operation.replace('_', " ")))?;
            proposal(&receipt).map_or(Ok(()), |text| print(&text))?;
            balances.iter().try_for_each(|balance| print(&line(balance, status)))
        }
        Err(refusal) => {
            let code = reason(&refusal);
            let known = RejectionCode::ALL.iter().find(|known| known.name() == code);
            let text = known.map_or("", |known| known.text());
            let Some(rejection) = final_rejection(&refusal) else {
                if known.is_some_and(|known| known.number() < 20) {
                    bail!("REFUSED  {code}: {text} Nothing was queued.\n{}", refusal.message());
                }
                return Err(describe(&refusal).context(format!("not known to be final: transaction {id}")));
            };
            if json {
                let (code, height) = (Some(code.clone()), rejection.height);
                print_json(&report("rejected", code, height, 0, Vec::new()))?;
            }
            bail!("REJECTED  {code}  block {}: nothing changed\n{text}", rejection.height)
        }
    }
}

impl From<AccountBalance> for BalanceReport {
    fn from(balance: AccountBalance) -> Self {
        let AccountBalance { account, asset, available_minor, held_minor } = balance;
        BalanceReport { account, asset, available_minor, held_minor }
    }
}

/// The proposal that an operation made or decided: 64 hexadecimal digits.
fn proposal_id(receipt: &Receipt) -> Option<String> {
    receipt.results.iter().find_map(|result| match &result.result {
        Some(operation_result::Result::Pending(pending)) => Some(hex::encode(&pending.proposal)),
        Some(operation_result::Result::Decided(decided)) => Some(hex::encode(&decided.proposal)),
        _ => None,
    })
}

/// How a proposal stands.
fn proposal(receipt: &Receipt) -> Option<String> {
    receipt.results.iter().find_map(|result| match &result.result {
        Some(operation_result::Result::Pending(pending)) => {
            let (id, approvals, threshold) = (hex::encode(&pending.proposal), pending.approvals, pending.threshold);
            Some(format!("  PENDING  proposal {id}  {approvals} of {threshold} keys"))
        }
        Some(operation_result::Result::Decided(decided)) => {
            Some(format!("  IN FORCE  proposal {} took effect", hex::encode(&decided.proposal)))
        }
        _ => None,
    })
}

fn balances(receipt: &Receipt) -> Vec<AccountBalance> {
    let applied = receipt.results.iter().filter_map(|result| match &result.result {
        Some(operation_result::Result::Applied(applied)) => Some(applied.balances_after.clone()),
        Some(operation_result::Result::Decided(decided)) => Some(decided.balances_after.clone()),
        _ => None,
    });
    applied.flatten().collect()
}

fn line(balance: &AccountBalance, status: &GetStatusResponse) -> String {
    let AccountBalance { account, asset, available_minor, held_minor } = balance;
    let exponent = status.supply.iter().find(|supply| supply.asset == *asset).map_or(0, |supply| supply.exponent);
    let written = |minor: u64| amount::format(minor, asset, exponent);
    let held = if *held_minor == 0 { String::new() } else { format!("  {} held", written(*held_minor)) };
    format!("  {account}  {} {asset}{held}", written(*available_minor))
}
