//! `tonle pay`: one transfer, signed here, final when the command returns. The same signed bytes go to another node
//! when one does not answer, so that the money moves once whatever happens.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use tonle_crypto::{Digest, SecretKey};
use tonle_ledger::{AccountId, Amount, Asset, Operation, Reference, SignedTransaction, TransactionBody, Transfer};
use tonle_proto::v1::operation_result;
use tonle_proto::v1::{GetStatusResponse, Outcome, Receipt, Rejection};

use crate::amount;
use crate::client::{Client, Target, describe, final_rejection, reason};
use crate::directory::{Directory, write_whole};
use crate::founding::now_ms;
use crate::keys;
use crate::privacy::{Details, seal_between};
use crate::screen::{print, print_json};

/// How long a payment may take to be final before the command gives up. It may still become final after that.
pub(crate) const FINAL_PATIENCE: Duration = Duration::from_mins(1);
/// How long the proof of a final payment may take.
const PROOF_PATIENCE: Duration = Duration::from_secs(15);
/// The validity window begins this long before now, for clocks that are behind.
const WINDOW_BEFORE_MS: u64 = 60_000;
/// And ends this long after now.
const WINDOW_AFTER_MS: u64 = 600_000;

const AFTER_HELP: &str = "\
Examples:
  tonle pay alice@aba bob@wing 4000 KHR --id inv-1
  tonle pay bob@wing alice@aba 12.50 USD --json
  tonle pay alice@aba bob@wing 4000 KHR --note \"rent for May\"   only the two banks and the operator can read it
  tonle pay alice@aba bob@wing 4000 KHR --node 127.0.0.1:50051 --key aba.key

When the command returns, the payment is final. Its proof is written to ID.receipt (see `tonle verify`).
Exit status: 0 final, or already final under the same --id; 1 rejected, or not known to be final.";

/// Arguments of `tonle pay`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The account that pays, name@participant
    from: String,
    /// The account that is paid
    to: String,
    /// How much, such as 4000 or 1,250.50
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// A reference that is unique for the payer for 7 days: the same payment under it moves money once
    #[arg(long)]
    id: Option<String>,
    /// What is encrypted
    #[command(flatten)]
    details: Details,
    /// The key file that signs; without it, the payer's participant's development key in --dir
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Whom to ask
    #[command(flatten)]
    pub target: Target,
}

/// What `tonle pay --json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    transaction_id: String,
    block: u64,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<usize>,
    validators: usize,
    quorum: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a Path>,
}

/// A payment as it was asked for and signed.
struct Payment<'a> {
    arguments: &'a Arguments,
    client: Client,
    status: GetStatusResponse,
    transaction: SignedTransaction,
}

/// Pays. `key` signs where `--key` was given; `check` checks a finality receipt and counts its signatures.
///
/// # Errors
/// When the payment cannot be made, is rejected, or is not known to be final in time.
pub async fn pay(arguments: &Arguments, key: Option<SecretKey>, check: impl Fn(&[u8]) -> Result<usize>) -> Result<()> {
    let client = Client::open(&arguments.target)?;
    let status = client.status().await?;
    let mut transfer = transfer(arguments, &status)?;
    if let Some(details) = arguments.details.message(None) {
        let (from, to) = (transfer.from.participant(), transfer.to.participant());
        transfer.sealed = Some(seal_between(&client, &details, from, to).await?);
    }
    let transaction = sign(transfer, arguments, &status, key)?;
    let payment = Payment { arguments, client, status, transaction };
    let start = Instant::now();
    let answer = payment.client.submit_and_wait(&payment.transaction, false, FINAL_PATIENCE).await;
    let latency = start.elapsed();
    let answer = match answer {
        Ok(answer) => answer,
        Err(status) => return payment.report_refused(&status, latency),
    };
    let receipt = answer.receipt.context("the node answered without a receipt")?;
    // The receipt of another transaction: the instruction was final before. One's own, although marked as a duplicate,
    // is the answer to bytes that were sent twice, because the first node did not answer.
    let own = receipt.transaction_id.as_ref() == payment.transaction.id().as_bytes();
    match receipt.outcome() {
        Outcome::Applied if own => payment.report_final(&receipt, latency, check).await,
        Outcome::Applied | Outcome::Repeated => payment.report_repeated(&receipt, latency),
        Outcome::Rejected | Outcome::Partial | Outcome::Unspecified => bail!("the node answered neither yes nor no"),
    }
}

fn transfer(arguments: &Arguments, status: &GetStatusResponse) -> Result<Transfer> {
    let account = |text: &str| {
        AccountId::new(text).map_err(|_| anyhow!("{text:?} is no account: write name@participant, such as alice@aba"))
    };
    let (from, to) = (account(&arguments.from)?, account(&arguments.to)?);
    let known: Vec<&str> = status.supply.iter().map(|supply| supply.asset.as_str()).collect();
    let supply = status.supply.iter().find(|supply| supply.asset == arguments.asset);
    let supply = supply.with_context(|| format!("{} is no asset here: {}", arguments.asset, known.join(", ")))?;
    let minor = amount::parse(&arguments.amount, supply.exponent)?;
    let reference = |text: &String| {
        Reference::new(text).map_err(|_| anyhow!("--id {text:?}: write 1 to 64 printable ASCII characters"))
    };
    Ok(Transfer {
        from,
        to,
        asset: Asset::new(&arguments.asset)?,
        amount: Amount::from_minor(minor),
        instruction_ref: arguments.id.as_ref().map(reference).transpose()?,
        purpose: None,
        external_ref: None,
        sealed: None,
    })
}

fn sign(
    transfer: Transfer,
    arguments: &Arguments,
    status: &GetStatusResponse,
    key: Option<SecretKey>,
) -> Result<SignedTransaction> {
    let from = transfer.from;
    let key = match key {
        Some(key) => key,
        None => {
            let path = Directory::new(&arguments.target.dir)?.participant_key(from.participant().as_str());
            keys::load(&path)
                .with_context(|| format!("no key to sign for {from}: name one with --key, or the devnet's --dir"))?
        }
    };
    signed(status, vec![Operation::Transfer(Box::new(transfer))], &key)
}

/// An atomic transaction of these operations, valid from now for ten minutes on the chain that `status` names.
pub(crate) fn signed(
    status: &GetStatusResponse,
    operations: Vec<Operation>,
    key: &SecretKey,
) -> Result<SignedTransaction> {
    signed_by(status, operations, &[key])
}

/// The same, signed by several keys.
pub(crate) fn signed_by(
    status: &GetStatusResponse,
    operations: Vec<Operation>,
    keys: &[&SecretKey],
) -> Result<SignedTransaction> {
    let chain: [u8; 32] = status.chain_digest.as_ref().try_into().context("the node names no chain")?;
    let now = now_ms();
    let body = TransactionBody {
        chain: Digest::from_bytes(chain),
        not_before_ms: now.saturating_sub(WINDOW_BEFORE_MS),
        not_after_ms: now + WINDOW_AFTER_MS,
        independent: false,
        nonce: nonce()?,
        operations,
    };
    body.sign(keys).map_err(|rejection| anyhow!("{rejection}"))
}

fn nonce() -> Result<Vec<u8>> {
    let mut nonce = vec![0u8; 16];
    let mut file = std::fs::File::open("/dev/urandom").context("no random source")?;
    std::io::Read::read_exact(&mut file, &mut nonce)?;
    Ok(nonce)
}

impl Payment<'_> {
    /// Why a payment was rejected, not taken, or is not known to be final.
    fn report_refused(&self, status: &tonic::Status, latency: Duration) -> Result<()> {
        let code = reason(status);
        let advice = advice(&code, self.arguments);
        let Some(rejection) = final_rejection(status) else {
            // Below 20 in the table of rejections: refused before anything was queued.
            let Some((why, next)) = advice else {
                let again = if self.arguments.id.is_some() {
                    "paying again under the same --id is safe"
                } else {
                    "look at the payer's history first"
                };
                let id = self.transaction.id();
                return Err(describe(status).context(format!("not known to be final ({again}): transaction {id}")));
            };
            bail!("REFUSED  {code}  {why}: nothing was queued\nnext: {next}");
        };
        if self.arguments.json {
            let mut report = self.base("rejected", rejection.height, latency);
            report.code = Some(&rejection.code);
            print_json(&report)?;
        }
        let head = format!("REJECTED  {code}  block {}", rejection.height);
        match advice {
            Some((why, next)) => bail!("{head}  {why}: nothing moved\nnext: {next}"),
            None => bail!("{head}: nothing moved"),
        }
    }

    fn base<'a>(&self, result: &'a str, block: u64, latency: Duration) -> Report<'a> {
        Report {
            result,
            code: None,
            transaction_id: self.transaction.id().to_string(),
            block,
            latency_ms: (latency.as_secs_f64() * 10_000.0).round() / 10.0,
            signatures: None,
            validators: self.status.validators.len(),
            quorum: self.status.quorum,
            receipt: None,
        }
    }

    async fn report_final(
        &self,
        receipt: &Receipt,
        latency: Duration,
        check: impl Fn(&[u8]) -> Result<usize>,
    ) -> Result<()> {
        let proof = self.client.submit_and_wait(&self.transaction, true, PROOF_PATIENCE).await;
        let proof = proof.map(|answer| answer.finality_receipt);
        let mut report = self.base("final", receipt.height, latency);
        let path = self.receipt_path();
        let mut tail = String::new();
        match &proof {
            Ok(proof) if !proof.is_empty() => {
                let count = check(proof).context("FINAL, says the node, but its proof does not hold")?;
                write_whole(&path, proof)?;
                report.signatures = Some(count);
                report.receipt = Some(&path);
                let Report { validators, quorum, .. } = report;
                tail = format!("  {count} of {validators} signatures (quorum {quorum})  receipt {}", path.display());
            }
            Ok(_) => tail.push_str("  (the node sent no receipt)"),
            Err(status) => tail = format!("  (no receipt: {})", status.message()),
        }
        if self.arguments.json {
            return print_json(&report);
        }
        print(&format!("FINAL  block {}  {} ms{tail}", receipt.height, latency.as_millis()))
    }

    fn report_repeated(&self, receipt: &Receipt, latency: Duration) -> Result<()> {
        let first = receipt.results.iter().find_map(|result| match &result.result {
            Some(operation_result::Result::Repeated(first)) => Some(first.height),
            Some(
                operation_result::Result::Applied(_)
                | operation_result::Result::Rejected(_)
                | operation_result::Result::Ended(_)
                | operation_result::Result::Decided(_)
                | operation_result::Result::Pending(_)
                | operation_result::Result::Lapsed(_),
            )
            | None => None,
        });
        let block = first.unwrap_or(receipt.height);
        if self.arguments.json {
            return print_json(&self.base("already_final", block, latency));
        }
        print(&format!("ALREADY FINAL  same id, same content, block {block}: nothing moved"))
    }

    /// `<id>.receipt` in the working folder; without an id, the transaction's first digits.
    fn receipt_path(&self) -> PathBuf {
        let name = match &self.arguments.id {
            // A reference may hold what a file name must not.
            Some(id) => {
                id.replace(|character: char| !character.is_ascii_alphanumeric() && !"._-".contains(character), "_")
            }
            None => self.transaction.id().to_string().chars().take(16).collect(),
        };
        PathBuf::from(format!("{name}.receipt"))
    }
}

/// Why a receipt's transfer was not applied.
#[must_use]
pub fn rejection(receipt: &Receipt) -> Option<&Rejection> {
    receipt.rejection.as_ref().or_else(|| {
        receipt.results.iter().find_map(|result| match &result.result {
            Some(operation_result::Result::Rejected(rejection)) => Some(rejection),
            Some(
                operation_result::Result::Applied(_)
                | operation_result::Result::Repeated(_)
                | operation_result::Result::Ended(_)
                | operation_result::Result::Decided(_)
                | operation_result::Result::Pending(_)
                | operation_result::Result::Lapsed(_),
            )
            | None => None,
        })
    })
}

/// What a rejection means for this payment, and what to do next.
fn advice(code: &str, arguments: &Arguments) -> Option<(String, String)> {
    let Arguments { from, to, asset, .. } = arguments;
    let (why, next) = match code {
        "INSUFFICIENT_FUNDS" => (format!("{from} has less than that"), format!("tonle balance {from}")),
        "UNKNOWN_ACCOUNT" => (format!("{from} or {to} does not exist"), format!("tonle balance {to}")),
        "UNKNOWN_PARTICIPANT" => {
            (format!("the bank of {from} or {to} does not exist"), "check the part after @".to_owned())
        }
        "DUPLICATE_REFERENCE" => (
            format!("{from} used this --id for another payment within 7 days"),
            format!("tonle history {from}; then choose another --id"),
        ),
        "LIMIT_EXCEEDED" | "VELOCITY_EXCEEDED" => (
            format!("more would leave {from} in a day, or more often in an hour, than its tier may spend"),
            "wait for the next day or hour, or ask the account's bank for another tier".to_owned(),
        ),
        "SAME_ACCOUNT" => ("payer and payee are the same account".to_owned(), "name two accounts".to_owned()),
        "ASSET_UNKNOWN" => (format!("there is no asset {asset}"), "tonle status".to_owned()),
        "NOT_AUTHORIZED" | "THRESHOLD_NOT_MET" => (
            format!("the key that signed may not pay from {from}"),
            "sign with a key of the account or of its participant: --key FILE".to_owned(),
        ),
        "ACCOUNT_FROZEN" | "ACCOUNT_CLOSED" => {
            (format!("{from} or {to} is frozen or closed"), format!("tonle balance {from} {to}"))
        }
        "PARTICIPANT_SUSPENDED" => (format!("the bank of {from} or {to} is suspended"), "ask the operator".to_owned()),
        "EXPIRED" => {
            ("it was not ordered within its ten minutes".to_owned(), "pay again, under the same --id".to_owned())
        }
        "NOT_YET_VALID" => ("this machine's clock is ahead of the network's".to_owned(), "set the clock".to_owned()),
        "WRONG_CHAIN" => ("the node is of another chain".to_owned(), "check --dir and --node".to_owned()),
        _ => return None,
    };
    Some((why, next))
}
