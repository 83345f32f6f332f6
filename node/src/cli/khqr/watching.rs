//! `tonle khqr watch`: says when a code is paid, or what an account is paid.
//!
//! Must not know: how nodes are asked.

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use tokio::time::Instant;
use tonle_devnet::client::Target;
use tonle_devnet::codes::{Counter, watch};
use tonle_devnet::{block_on, screen};
use tonle_khqr::{Md5, Terms, parse};
use tonle_ledger::AccountId;
use tonle_proto::v1::watch_payment_request::Of;
use tonle_proto::v1::{Payment, WatchPaymentResponse};

use super::{Clock, drawing};
use crate::cli::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle khqr watch 00020101021229...                  until this code is paid, or can be no more
  tonle khqr watch d41d8cd98f00b204e9800998ecf8427e   every payment by the code of this MD5
  tonle khqr watch shop@wing --json                   every payment from or to the account, from here on

A line for each payment, printed when it is final. With --json each has a cursor, and a line before the first has only
that: --cursor goes on behind it, at any node.
Exit status: 0 paid, or as many as --count says; 1 the code was not paid in time.";

/// How long after a code's end its payment may still become final here: blocks lag behind clocks.
const GRACE: Duration = Duration::from_secs(5);

/// Arguments of `tonle khqr watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The MD5 of a code, its text, or an account
    #[arg(value_name = "MD5|PAYLOAD|ACCOUNT")]
    what: String,
    /// Go on behind this cursor
    #[arg(long, default_value = "", hide_default_value = true)]
    cursor: String,
    /// End after this many payments [default: 1 for a code that is paid once, else none]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print a line of JSON for each payment
    #[arg(long)]
    json: bool,
    /// Whom to ask
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    clock: Clock,
}

/// What is watched, and until when.
struct Watched {
    of: Of,
    count: Option<u64>,
    end: Option<Instant>,
}

/// Watches, and prints.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let watched = match (Md5::from_hex(&arguments.what), AccountId::new(&arguments.what)) {
        (Some(md5), _) => Watched { of: Of::KhqrMd5(md5.to_string()), count: None, end: None },
        (None, Ok(account)) => Watched { of: Of::Account(account.to_string()), count: None, end: None },
        (None, Err(_)) => code(&arguments.what, arguments.clock.now_ms()?)?,
    };
    let watched = Watched { count: arguments.count.or(watched.count), ..watched };
    block_on(follow(&arguments.target, watched, &arguments.cursor, arguments.json))
}

/// Watches one code.
pub(super) fn of_code(payload: &str, now_ms: u64, target: &Target, json: bool) -> anyhow::Result<()> {
    block_on(follow(target, code(payload, now_ms)?, "", json))
}

fn code(payload: &str, now_ms: u64) -> anyhow::Result<Watched> {
    let Ok(khqr) = parse(payload) else {
        bail!("{} is no MD5, no account and no valid code", drawing::safe(payload));
    };
    let of = Of::KhqrMd5(Md5::of(payload).to_string());
    Ok(match khqr.terms {
        Terms::Static { .. } => Watched { of, count: None, end: None },
        Terms::Dynamic { expires_ms, .. } => {
            let left = Duration::from_millis(expires_ms.saturating_sub(now_ms)).saturating_add(GRACE);
            Watched { of, count: Some(1), end: Instant::now().checked_add(left) }
        }
    })
}

async fn follow(target: &Target, watched: Watched, cursor: &str, json: bool) -> anyhow::Result<()> {
    let Watched { of, mut count, end } = watched;
    let counter = Counter::open(target).await?;
    let mut begun = false;
    let tell = |message: &WatchPaymentResponse| {
        let Some(payment) = &message.payment else {
            // Where the stream begins; a stream that goes on elsewhere says so again.
            if json && !std::mem::replace(&mut begun, true) {
                print_json(&json!({ "cursor": message.cursor }))?;
            }
            return Ok(true);
        };
        if json {
            print_json(&as_json(payment, &message.cursor))?;
        } else {
            print(&line(payment, &counter.written(payment.amount_minor, &payment.asset)))?;
        }
        count = count.map(|count| count.saturating_sub(1));
        Ok(count != Some(0))
    };
    if watch(target, of, cursor.to_owned(), end, tell).await? {
        return Ok(());
    }
    bail!("NOT PAID  the code's time is over")
}

fn line(payment: &Payment, written: &str) -> String {
    let khqr = payment.khqr.clone().unwrap_or_default();
    let fields = [("bill", &khqr.bill_number), ("store", &khqr.store_label), ("till", &khqr.terminal_label)];
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    let fields: String = fields.map(|(label, value)| format!("  {label} {}", drawing::safe(value))).collect();
    let Payment { from, to, height, time_ms, .. } = payment;
    format!("PAID  block {height}  {written}  {from} to {to}{fields}  {}", screen::utc(*time_ms))
}

fn as_json(payment: &Payment, cursor: &str) -> Value {
    let khqr = payment.khqr.as_ref().map(|khqr| {
        json!({
            "md5": khqr.md5, "dynamic": khqr.dynamic, "name": khqr.name, "bill_number": khqr.bill_number,
            "store_label": khqr.store_label, "terminal_label": khqr.terminal_label, "payload": khqr.payload,
        })
    });
    json!({
        "transaction_id": hex::encode(&payment.transaction_id),
        "block": payment.height,
        "index": payment.index,
        "operation": payment.operation,
        "time_ms": payment.time_ms,
        "kind": payment.kind,
        "from": payment.from,
        "to": payment.to,
        "asset": payment.asset,
        "amount_minor": payment.amount_minor,
        "instruction_ref": payment.instruction_ref,
        "khqr": khqr,
        "cursor": cursor,
    })
}
