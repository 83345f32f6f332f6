//! `tonle evidence report`: puts offences that nodes hold proof of on the ledger, each by a transaction of its own. Done
//! again, it does nothing: an offence lands once.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tonle_crypto::SecretKey;
use tonle_ledger::{Operation, ReportMisbehaviour};

use super::{Report, reports};
use crate::client::{Client, Target};
use crate::directory::Directory;
use crate::membership::submit;
use crate::operator::operators_key;
use crate::screen::{print, print_json};

/// Blocks that a report waits for room in: each has room for 64.
const BUSY_BLOCKS_MAX: usize = 32;

const AFTER_HELP: &str = "\
Examples:
  tonle evidence report                                         the devnet's, by the operator's development key
  tonle evidence report --key auditor.key --node 127.0.0.1:50051
  tonle evidence report 3f9c01aa --key auditor.key --json

Any one key of any participant signs, whatever else it may do: the proof speaks for itself. What is on the ledger stays
there, for everybody to see and to prove; nothing is done to the accused. An offence lands once: what is there already is
not sent, and one that another reports at the same moment counts as done.
Exit status: 0 when all of it is on the ledger; 1 when a report is refused, or not known to be final.";

/// Arguments of `tonle evidence report`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct ReportArguments {
    /// The offence, or its first digits, as `tonle evidence list` shows it; without it, all that are not on the ledger
    offence: Option<String>,
    /// The key file that signs; without it, the operator's development key in --dir
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Print one line of JSON for each offence
    #[arg(long)]
    json: bool,
    /// Whom to ask
    #[command(flatten)]
    target: Target,
}

/// What became of one report.
#[derive(Debug, Serialize)]
struct Line<'a> {
    result: &'static str,
    offence: &'a str,
    validator: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    landed_height: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
}

/// Reports. `key` signs where `--key` was given.
///
/// # Errors
/// When no node answers, nobody holds proof of the offence asked for, or one is not on the ledger in the end.
pub async fn report(arguments: &ReportArguments, key: Option<SecretKey>) -> Result<()> {
    let client = Client::open(&arguments.target)?;
    let (known, _) = reports(&client).await?;
    let chosen = chosen(&known, arguments.offence.as_deref())?;
    if chosen.is_empty() {
        return if arguments.json { Ok(()) } else { print("nothing to report: all known offences are on the ledger") };
    }
    let key = key.map_or_else(|| operators_key(&Directory::new(&arguments.target.dir)?), Ok)?;
    let mut refused = 0usize;
    for offence in chosen {
        let line = land(&client, &key, offence).await?;
        refused += usize::from(line.code.is_some());
        if arguments.json { print_json(&line)? } else { print(&line.text())? }
    }
    if refused > 0 { bail!("{refused} not on the ledger\nnext: tonle evidence list") } else { Ok(()) }
}

/// What to report: the one asked for, even when it is on the ledger; else all that are not.
fn chosen<'a>(known: &'a [Report], asked: Option<&str>) -> Result<Vec<&'a Report>> {
    let Some(digits) = asked else {
        return Ok(known.iter().filter(|report| report.landed_height.is_none()).collect());
    };
    let digits = digits.to_ascii_lowercase();
    let found: Vec<_> = known.iter().filter(|report| report.offence.starts_with(&digits)).collect();
    match found.len() {
        0 => bail!("nobody here holds proof of an offence {digits}\nnext: tonle evidence list"),
        1 => Ok(found),
        count => bail!("{count} offences begin with {digits}: write more digits\nnext: tonle evidence list --json"),
    }
}

/// Puts one on the ledger, if it is not there.
async fn land<'a>(client: &Client, key: &SecretKey, report: &'a Report) -> Result<Line<'a>> {
    let line = |result| Line {
        result,
        offence: &report.offence,
        validator: &report.validator,
        kind: report.kind,
        landed_height: None,
        code: None,
        transaction_id: None,
    };
    if report.landed_height.is_some() {
        return Ok(Line { landed_height: report.landed_height, ..line("already_landed") });
    }
    let proof = hex::decode(&report.proof).context("a node answered a proof that is none")?;
    let mut waited = 0;
    loop {
        let operation = Operation::ReportMisbehaviour(ReportMisbehaviour { proof: proof.clone() });
        let (transaction, settled) = submit(client, key, operation).await?;
        let transaction_id = Some(transaction.id().to_string());
        match settled {
            Ok(block) => return Ok(Line { landed_height: Some(block), transaction_id, ..line("landed") }),
            Err((code, _)) if code == "ALREADY_REPORTED" => {
                let (known, _) = reports(client).await?;
                let same = known.iter().find(|other| other.offence == report.offence);
                let landed_height = same.and_then(|same| same.landed_height);
                return Ok(Line { landed_height, ..line("already_landed") });
            }
            Err((code, _)) if code == "REPORTS_BUSY" && waited < BUSY_BLOCKS_MAX => waited += 1,
            Err((code, _)) => return Ok(Line { code: Some(code), transaction_id, ..line("rejected") }),
        }
    }
}

impl Line<'_> {
    fn text(&self) -> String {
        let who = if self.validator.is_empty() { "a former validator" } else { self.validator };
        let what = format!("{who} {}  offence {}", self.kind, self.offence.chars().take(16).collect::<String>());
        match (&self.code, self.landed_height) {
            (Some(code), _) => format!("REJECTED  {code}  {what}{}", advice(code)),
            (None, Some(block)) if self.result == "landed" => format!("LANDED  block {block}  {what}"),
            (None, Some(block)) => format!("ALREADY LANDED  block {block}  {what}"),
            (None, None) => format!("ALREADY LANDED  {what}"),
        }
    }
}

/// What a rejection means.
fn advice(code: &str) -> &'static str {
    match code {
        "NOT_AUTHORIZED" => "\n  the key that signed is no participant's: name one with --key FILE",
        "ACCUSED_UNKNOWN" => "\n  the accused key was never a validator's on this chain",
        "OFFENCES_FULL" => "\n  the ledger holds as much against this key as it keeps; hand the proof over as a file",
        "REPORTS_BUSY" => "\n  too many reports are being made: ask again",
        _ => "",
    }
}
