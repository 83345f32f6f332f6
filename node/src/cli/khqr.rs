//! `tonle khqr`: makes, shows, checks, pays and watches KHQR codes, for people and for machines.
//!
//! Must not know: what makes a code valid.

mod drawing;
mod input;
mod making;
mod paying;
mod watching;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};
use tonle_khqr::{ErrorCode, Field, Fields, Md5, decode, verify};

use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle khqr new dara@aba --name \"Dara Sok\"                        a code that any amount can be paid to
  tonle khqr new shop@wing 4000 KHR --name Shop --bill INV-1       for one payment, good for ten minutes
  tonle khqr show 00020101021129...                                what a code says
  tonle khqr verify 00020101021129... && echo good                 whether it may be paid now
  echo '{\"account_type\": \"individual\", \"bakongAccountID\": \"dara@aba\", \"merchantName\": \"Dara\"}' |
    tonle khqr generate --json                                     for machines
  tonle khqr pay 00020101021229... --from alice@aba                shows what it asks for, and pays
  tonle khqr watch 00020101021229...                               says when it is paid

Only pay and watch ask nodes: whether an account exists is not known to the others.";

const GENERATE_HELP: &str = "\
Example:
  echo '{\"account_type\": \"merchant\", \"bakongAccountID\": \"shop@wing\", \"merchantName\": \"Shop\", \"merchantID\": \"1\",
    \"acquiringBank\": \"Wing\", \"currency\": 840, \"amount\": 1.50, \"expirationTimestamp\": 1767226200000}' |
    tonle khqr generate --json --now 1767225600000

Standard input holds one JSON object with the names of npm's bakong-khqr or ts-khqr, and account_type: individual or
merchant. Amounts are read digit by digit, never as floats. Prints {\"payload\", \"md5\"}; or, with exit status 1,
{\"error_code\", \"message\"}.";

const VERIFY_HELP: &str = "\
Examples:
  tonle khqr verify 00020101021129...
  tonle khqr verify --json --now 1767225600000 00020101021129...

Exit status 0: it may be paid now. 1: it may not; the reason stands on standard error, its number as the SDKs have it.";

/// Subcommands of `tonle khqr`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Make a code: on the screen, as a picture, as text.
    New(Box<making::Arguments>),
    /// Draw a code and list what it says, valid or not.
    #[command(after_help = AFTER_HELP)]
    Show {
        /// The code's text.
        #[arg(value_name = "PAYLOAD")]
        payload: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        clock: Clock,
    },
    /// Check whether a code may be paid.
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// The code's text.
        #[arg(value_name = "PAYLOAD")]
        payload: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        clock: Clock,
    },
    /// Pay what a code asks for.
    Pay(Box<paying::Arguments>),
    /// Say when a code is paid, or an account.
    Watch(Box<watching::Arguments>),
    /// Make a code from a JSON object on standard input.
    #[command(after_help = GENERATE_HELP)]
    Generate {
        /// Print one JSON object. That is what it does in any case.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        clock: Clock,
    },
}

/// What time it is.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Clock {
    /// Milliseconds since 1970 that count as now, instead of this machine's clock.
    #[arg(long, value_name = "MS")]
    now: Option<u64>,
}

impl Clock {
    fn now_ms(self) -> anyhow::Result<u64> {
        let since = || SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970");
        match self.now {
            Some(now_ms) => Ok(now_ms),
            None => Ok(u64::try_from(since()?.as_millis())?),
        }
    }
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::New(arguments) => making::run(arguments),
        Command::Pay(arguments) => paying::run(arguments),
        Command::Watch(arguments) => watching::run(arguments),
        Command::Show { payload, json, clock } => show(payload, *json, clock.now_ms()?),
        Command::Verify { payload, json, clock } => check(payload, *json, clock.now_ms()?),
        Command::Generate { clock, .. } => generate(clock.now_ms()?),
    }
}

/// A refusal as the command's own failure, with its number.
fn refusal(code: ErrorCode) -> anyhow::Error {
    anyhow::anyhow!("{} (error code {})", code.message(), code.number())
}

fn show(payload: &str, json: bool, now_ms: u64) -> anyhow::Result<()> {
    let refused = verify(payload, now_ms).err();
    let fields = decode(payload);
    if json {
        return print_json(&json!({
            "payload": payload,
            "md5": Md5::of(payload).to_string(),
            "valid": refused.is_none(),
            "error_code": refused.map(ErrorCode::number),
            "message": refused.map(ErrorCode::message),
            "fields": as_json(&fields),
        }));
    }
    print(drawing::blocks(payload)?.trim_end_matches('\n'))?;
    print(&drawing::table(&fields, now_ms))?;
    print(&drawing::row("md5", &Md5::of(payload).to_string()))?;
    refused.map_or(Ok(()), |code| print(&drawing::row("refused", &refusal(code).to_string())))
}

fn check(payload: &str, json: bool, now_ms: u64) -> anyhow::Result<()> {
    let refused = verify(payload, now_ms).err();
    if json {
        print_json(&json!({
            "valid": refused.is_none(),
            "error_code": refused.map(ErrorCode::number),
            "message": refused.map(ErrorCode::message),
            "fields": as_json(&decode(payload)),
        }))?;
    }
    match refused {
        Some(code) => Err(refusal(code)),
        None if json => Ok(()),
        None => print(&format!("OK  md5 {}\n{}", Md5::of(payload), drawing::table(&decode(payload), now_ms))),
    }
}

fn generate(now_ms: u64) -> anyhow::Result<()> {
    let input = input::read(std::io::stdin().lock())?;
    match input.generate(now_ms) {
        Ok(payload) => print_json(&json!({ "payload": payload, "md5": Md5::of(&payload).to_string() })),
        Err(code) => {
            print_json(&json!({ "error_code": code.number(), "message": code.message() }))?;
            bail!(refusal(code))
        }
    }
}

/// Every field by its name; null when it is absent.
fn as_json(fields: &Fields<'_>) -> Value {
    let member = |field: Field| (field.name().to_owned(), fields.get(field).map_or(Value::Null, Value::from));
    Value::Object(Field::ALL.into_iter().map(member).collect::<Map<String, Value>>())
}
