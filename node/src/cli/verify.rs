//! `tonle verify`: checks a finality receipt offline, and says what it proves or why it proves nothing.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;
use tonle_ledger::{BalanceAfter, OperationResult, Receipt, TransactionResult};
use tonle_node::finality_receipt::{FILE_BYTES_MAX, Proven, Report, verify};

use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle verify inv-1.receipt --genesis .devnet/genesis.json
  tonle verify inv-1.receipt --genesis .devnet/genesis.json --json

Nothing is asked of any node. Exit status 0: the file proves what is printed. 1: it does not; the reason stands on
standard error.";

/// Arguments of `tonle verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The finality receipt.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The chain's genesis file.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Does what `arguments` say.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let genesis = tonle_devnet::genesis::read(&arguments.genesis)?;
    let file = read(&arguments.file)?;
    let report = verify(&file, &genesis).with_context(|| format!("{} proves nothing", arguments.file.display()))?;
    if arguments.json { print_json(&as_json(&report)) } else { print(&as_text(&report)) }
}

/// Reads a file that is not longer than a receipt can be.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bound = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(bound.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() > FILE_BYTES_MAX {
        bail!("{} is longer than any finality receipt", path.display());
    }
    Ok(bytes)
}

fn as_text(report: &Report) -> String {
    let held = match report.proven {
        Proven::Transaction(_) => "balances after",
        Proven::Account { .. } => "account",
    };
    let mut lines =
        vec![format!("OK  {} signatures (quorum {}), header, Merkle path, {held}", report.signatures, report.quorum)];
    match &report.proven {
        Proven::Transaction(receipt) => {
            lines.push(format!(
                "transaction {}  block {}  index {}  time {} ms",
                receipt.transaction, receipt.height, receipt.index, receipt.time_ms
            ));
            lines.extend(results(receipt));
        }
        Proven::Account { account, height, state } => {
            lines.push(format!("account {account} after block {height}"));
            match state {
                None => lines.push("  there was no such account".to_owned()),
                Some(state) => lines.extend(state.balances().iter().map(|balance| {
                    format!(
                        "  {} {} minor units, {} held",
                        balance.asset,
                        balance.available.minor(),
                        balance.held.minor()
                    )
                })),
            }
        }
    }
    lines.push(format!("signed by {}", report.signers.join(" ")));
    lines.join("\n")
}

fn results(receipt: &Receipt) -> Vec<String> {
    let results = match &receipt.result {
        TransactionResult::Rejected { code, operation } => {
            let place = operation.map(|number| format!(" (operation {number})")).unwrap_or_default();
            return vec![format!("  REJECTED {}{place}: nothing moved", code.name())];
        }
        TransactionResult::Executed(results) => results,
    };
    let mut lines = Vec::new();
    for (number, result) in results.iter().enumerate() {
        match result {
            OperationResult::Applied(balances) => {
                lines.push(format!("  operation {number} applied"));
                lines.extend(balances.iter().map(balance_line));
            }
            OperationResult::Ended { id, balances } => {
                lines.push(format!("  {id} ended, its time was over"));
                lines.extend(balances.iter().map(balance_line));
            }
            OperationResult::Decided { proposal, balances } => {
                lines.push(format!("  proposal {proposal} took effect"));
                lines.extend(balances.iter().map(balance_line));
            }
            OperationResult::Pending { proposal, approvals, threshold } => {
                lines.push(format!(
                    "  operation {number} left proposal {proposal} with {approvals} of {threshold} keys"
                ));
            }
            OperationResult::Lapsed { proposal, code } => {
                lines.push(format!("  proposal {proposal} took no effect: {}", code.name()));
            }
            OperationResult::Repeated(first) => {
                lines.push(format!("  operation {number} repeats one of block {}: nothing moved", first.height));
            }
            OperationResult::Rejected(code) => {
                lines.push(format!("  operation {number} REJECTED {}: nothing moved", code.name()));
            }
        }
    }
    lines
}

fn balance_line(balance: &BalanceAfter) -> String {
    let BalanceAfter { account, asset, available, held } = balance;
    format!("    {account} {asset} {} minor units, {} held", available.minor(), held.minor())
}

fn as_json(report: &Report) -> serde_json::Value {
    let proven = match &report.proven {
        Proven::Transaction(receipt) => json!({
            "transaction": receipt.transaction.to_string(),
            "height": receipt.height,
            "index": receipt.index,
            "time_ms": receipt.time_ms,
            "applied": receipt.applied(),
            "rejection": match &receipt.result {
                TransactionResult::Rejected { code, .. } => Some(code.name()),
                TransactionResult::Executed(_) => None,
            },
        }),
        Proven::Account { account, height, state } => json!({
            "account": account.to_string(),
            "height": height,
            "exists": state.is_some(),
            "balances": state.iter().flat_map(|state| state.balances()).map(|balance| json!({
                "asset": balance.asset.to_string(),
                "available_minor": balance.available.minor(),
                "held_minor": balance.held.minor(),
            })).collect::<Vec<_>>(),
        }),
    };
    json!({
        "ok": true,
        "signatures": report.signatures,
        "quorum": report.quorum,
        "signers": report.signers,
        "proven": proven,
    })
}
