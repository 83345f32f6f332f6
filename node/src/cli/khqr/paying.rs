//! `tonle khqr pay`: shows what a code asks for, asks whether to pay it, and pays.
//!
//! Must not know: what makes a code valid, how a payment is signed and sent.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use tonle_devnet::block_on;
use tonle_devnet::client::Target;
use tonle_devnet::codes::{Counter, Outcome, Verdict};
use tonle_khqr::{Khqr, Md5, PAYLOAD_BYTES_MAX, Terms, verify};
use tonle_ledger::{AccountId, PayKhqr, Reference, RejectionCode};
use tonle_node::key_file;

use super::{Clock, drawing, refusal};
use crate::cli::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle khqr pay 00020101021229... --from alice@aba                 shows name, amount and bill, and asks
  tonle khqr pay 00020101021129... --from alice@aba --amount 4000   a code that leaves the amount to the payer
  tonle khqr pay - --from alice@aba --yes --json < code.txt         for scripts

A code with an amount is paid once, by whoever is first. What cannot be paid is refused before anything is sent.
Exit status: 0 final, or already final under the same --id; 1 not paid.";

/// Arguments of `tonle khqr pay`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The code's text; - reads it from standard input.
    #[arg(value_name = "PAYLOAD")]
    payload: String,
    /// The account that pays, name@participant
    #[arg(long, value_name = "ACCOUNT")]
    from: String,
    /// How much, when the code leaves it to the payer
    #[arg(long)]
    amount: Option<String>,
    /// A reference that is unique for the payer for 7 days: the same payment under it moves money once
    #[arg(long)]
    id: Option<String>,
    /// Pay without asking
    #[arg(long)]
    yes: bool,
    /// The key file that signs; without it, the payer's participant's development key in --dir
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Whom to ask
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    clock: Clock,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// `final`, `already_final`, `rejected` or `refused`.
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    transaction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<u64>,
    md5: String,
    to: &'a str,
    name: &'a str,
    amount: &'a str,
    bill_number: Option<&'a str>,
    store_label: Option<&'a str>,
    terminal_label: Option<&'a str>,
}

/// Pays, and prints.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let payload = payload(&arguments.payload)?;
    let khqr = verify(&payload, arguments.clock.now_ms()?)
        .map_err(|code| refusal(code).context("not sent: the code cannot be paid; ask the shop for a new one"))?;
    let account = |text: &str| {
        let invalid = || format!("{text:?} is no account here: an account is name@participant, such as alice@aba");
        AccountId::new(text).with_context(invalid)
    };
    let (from, to) = (account(&arguments.from)?, account(khqr.payee.account()).context("not sent: the code's payee")?);
    let wanted = wanted(arguments, &khqr)?;
    let parse = |text: &String| {
        Reference::new(text).with_context(|| format!("--id {text:?}: write 1 to 64 printable ASCII characters"))
    };
    let instruction_ref = arguments.id.as_ref().map(parse).transpose()?;
    ensure!(arguments.yes || asks(arguments), "not sent: nobody can be asked here; say --yes to pay without asking");
    block_on(async {
        let counter = Counter::open(&arguments.target).await?;
        let (asset, amount) = counter.money(&wanted, khqr.currency.code())?;
        let written = counter.written(amount.minor(), khqr.currency.code());
        // Under one's own reference a second try is answered with the first.
        if matches!(khqr.terms, Terms::Dynamic { .. }) && instruction_ref.is_none() {
            let paid = counter.paid(&payload).await?;
            if let Some(paid) = paid {
                bail!("not sent: the code was paid already, by {} in block {}", paid.from, paid.height);
            }
        }
        if !arguments.json {
            print(&summary(&khqr, &written))?;
        }
        if !arguments.yes && !confirmed(&written, &khqr)? {
            bail!("not sent: not confirmed");
        }
        let external_ref = None;
        let payment =
            PayKhqr { from, to, asset, amount, payload: payload.as_str().into(), instruction_ref, external_ref };
        let keys = match &arguments.key {
            Some(path) => vec![key_file::load(path, || key_file::passphrase(None, "passphrase: "))?],
            None => Vec::new(),
        };
        let outcome = counter.pay(payment, keys, &arguments.target).await?;
        report(arguments, &payload, &khqr, &written, &outcome)
    })
}

/// The code's text, without the line end that a file has.
fn payload(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    let most = u64::try_from(PAYLOAD_BYTES_MAX)?.saturating_add(3);
    std::io::stdin().lock().take(most).read_to_string(&mut text).context("standard input")?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// How much is paid, as text.
fn wanted(arguments: &Arguments, khqr: &Khqr<'_>) -> anyhow::Result<String> {
    match (khqr.amount(), &arguments.amount) {
        (Some(asked), None) => Ok(asked.to_string()),
        (None, Some(given)) => Ok(given.clone()),
        (Some(asked), Some(_)) => {
            bail!("not sent: the code asks for {asked} {}; leave --amount out", khqr.currency.code())
        }
        (None, None) => {
            bail!("not sent: the code leaves the amount to you; add --amount, in {}", khqr.currency.code())
        }
    }
}

fn asks(arguments: &Arguments) -> bool {
    arguments.payload != "-" && std::io::stdin().is_terminal()
}

/// What is paid, for confirmation. The text is a stranger's: nothing in it steers the terminal.
fn summary(khqr: &Khqr<'_>, written: &str) -> String {
    let additional = khqr.additional;
    let rows = [
        ("name", Some(khqr.name)),
        ("account", Some(khqr.payee.account())),
        ("amount", Some(written)),
        ("bill", additional.bill_number),
        ("store", additional.store_label),
        ("till", additional.terminal_label),
        ("purpose", additional.purpose),
    ];
    let rows = rows.iter().filter_map(|(label, value)| value.map(|value| drawing::row(label, value)));
    rows.collect::<Vec<String>>().join("\n")
}

fn confirmed(written: &str, khqr: &Khqr<'_>) -> anyhow::Result<bool> {
    let mut error = std::io::stderr().lock();
    write!(error, "Pay {written} to {}? [y/N] ", drawing::safe(khqr.name))?;
    error.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn report(
    arguments: &Arguments,
    payload: &str,
    khqr: &Khqr<'_>,
    written: &str,
    outcome: &Outcome,
) -> anyhow::Result<()> {
    let (result, code, block) = match &outcome.result {
        Verdict::Final(block) => ("final", None, Some(*block)),
        Verdict::Repeated(block) => ("already_final", None, Some(*block)),
        Verdict::Rejected(block, code) => ("rejected", Some(code.as_str()), Some(*block)),
        Verdict::Refused(code) => ("refused", Some(code.as_str()), None),
    };
    let additional = khqr.additional;
    if arguments.json {
        print_json(&Report {
            result,
            code,
            transaction_id: outcome.transaction.to_string(),
            block,
            md5: Md5::of(payload).to_string(),
            to: khqr.payee.account(),
            name: khqr.name,
            amount: written,
            bill_number: additional.bill_number,
            store_label: additional.store_label,
            terminal_label: additional.terminal_label,
        })?;
    }
    let where_to = block.map(|block| format!("  block {block}")).unwrap_or_default();
    if let Some(code) = code {
        let text = RejectionCode::ALL.iter().find(|known| known.name() == code).map_or("", |known| known.text());
        bail!("{}  {code}{where_to}: nothing moved\n{text}\nnext: {}", result.to_uppercase(), next(code, arguments));
    }
    if arguments.json {
        return Ok(());
    }
    let head = if result == "final" { "PAID" } else { "ALREADY FINAL" };
    print(&format!("{head}{where_to}  {written} to {}", drawing::safe(khqr.payee.account())))
}

/// What to do about a rejection.
fn next(code: &str, arguments: &Arguments) -> String {
    let Arguments { from, .. } = arguments;
    match code {
        "INSUFFICIENT_FUNDS" => format!("tonle balance {from}"),
        "KHQR_PAID" | "KHQR_EXPIRED" | "KHQR_EXPIRY_TOO_FAR" => "ask the shop for a new code".to_owned(),
        "KHQR_AMOUNT_DIFFERS" => "leave --amount out".to_owned(),
        "LIMIT_EXCEEDED" | "VELOCITY_EXCEEDED" => {
            "wait for the next day or hour, or ask the account's bank for another tier".to_owned()
        }
        "NOT_AUTHORIZED" | "THRESHOLD_NOT_MET" => "sign with a key of the account: --key FILE".to_owned(),
        "DUPLICATE_REFERENCE" => format!("tonle history {from}; then choose another --id"),
        "UNKNOWN_ACCOUNT" | "UNKNOWN_PARTICIPANT" => "ask the shop: the payee is not on this ledger".to_owned(),
        _ => format!("tonle history {from}"),
    }
}
