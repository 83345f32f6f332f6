//! `tonle khqr new`: a code from arguments.
//!
//! Must not know: which values are valid.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde_json::json;
use tonle_devnet::client::Target;
use tonle_khqr::{Additional, Alternate, Currency, Draft, Md5, Payee, Qr, decode};

use super::{Clock, as_json, drawing, refusal, watching};
use crate::cli::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle khqr new dara@aba --name \"Dara Sok\"                          the payer says how much
  tonle khqr new shop@wing 4000 KHR --name Shop --bill INV-1
  tonle khqr new shop@wing 1.50 USD --name Shop --expires 1h --png code.png --svg code.svg
  tonle khqr new shop@wing --name Shop --merchant-id 4711 --bank Wing --store Riverside --till 2
  tonle khqr new shop@wing 4000 KHR --name Shop --watch               and says when it is paid
  tonle khqr new shop@wing --name Shop --language km --name-in-language \"ហាង\"

A code with an amount is for one payment and expires; one without is for any number of payments. 0 USD is a code in
dollars without an amount. On a terminal the code is drawn black on white.";

/// Arguments of `tonle khqr new`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The account that is paid, name@bank.
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// How much.
    #[arg(value_name = "AMOUNT", requires = "currency")]
    amount: Option<String>,
    /// Of what.
    #[arg(value_name = "CURRENCY", value_enum, ignore_case = true)]
    currency: Option<CurrencyName>,
    /// The payee's name, as payers see it.
    #[arg(long)]
    name: String,
    /// The payee's city [default: Phnom Penh]
    #[arg(long)]
    city: Option<String>,
    /// The merchant's id at the bank: a merchant's code, not an individual's.
    #[arg(long, value_name = "ID", requires = "bank")]
    merchant_id: Option<String>,
    /// The bank's name.
    #[arg(long)]
    bank: Option<String>,
    /// More on an individual's account, such as its number at the bank.
    #[arg(long, value_name = "TEXT", conflicts_with = "merchant_id")]
    account_information: Option<String>,
    /// The merchant category, four digits [default: 5999]
    #[arg(long, value_name = "MCC")]
    category: Option<String>,
    /// The bill's number.
    #[arg(long)]
    bill: Option<String>,
    /// A mobile number.
    #[arg(long, value_name = "NUMBER")]
    mobile: Option<String>,
    /// The shop.
    #[arg(long)]
    store: Option<String>,
    /// The till.
    #[arg(long, visible_alias = "terminal")]
    till: Option<String>,
    /// What is paid for.
    #[arg(long)]
    purpose: Option<String>,
    /// Another language, by its two letters.
    #[arg(long, value_name = "CODE", requires = "name_in_language")]
    language: Option<String>,
    /// The name in the other language.
    #[arg(long, value_name = "NAME", requires = "language")]
    name_in_language: Option<String>,
    /// The city in the other language.
    #[arg(long, value_name = "CITY", requires = "language")]
    city_in_language: Option<String>,
    /// The UnionPay merchant; in riel only.
    #[arg(long, value_name = "ID")]
    union_pay: Option<String>,
    /// How long a code with an amount is good, such as 90s, 10m or 2h.
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = tonle_devnet::span::parse)]
    expires: Duration,
    /// Write the code as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the code as PNG.
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Then say when it is paid, as `tonle khqr watch` does.
    #[arg(long)]
    watch: bool,
    /// Whom --watch asks.
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    clock: Clock,
}

/// What can be paid with.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum CurrencyName {
    #[value(name = "KHR")]
    Riel,
    #[value(name = "USD")]
    Dollar,
}

impl Arguments {
    fn payee(&self) -> Payee<'_> {
        let (account, bank) = (self.account.as_str(), self.bank.as_deref());
        match &self.merchant_id {
            Some(id) => Payee::Merchant { account, id, bank: bank.unwrap_or_default() },
            None => Payee::Individual { account, information: self.account_information.as_deref(), bank },
        }
    }

    fn draft(&self, now_ms: u64) -> Draft<'_> {
        let currency = self.currency.map(|name| match name {
            CurrencyName::Riel => Currency::Khr,
            CurrencyName::Dollar => Currency::Usd,
        });
        let span_ms = u64::try_from(self.expires.as_millis()).unwrap_or(u64::MAX);
        Draft {
            city: self.city.as_deref(),
            category: self.category.as_deref(),
            currency: currency.map(Currency::number),
            amount: self.amount.as_deref(),
            expires_ms: Some(now_ms.saturating_add(span_ms)),
            additional: Additional {
                bill_number: self.bill.as_deref(),
                mobile_number: self.mobile.as_deref(),
                store_label: self.store.as_deref(),
                terminal_label: self.till.as_deref(),
                purpose: self.purpose.as_deref(),
            },
            language: Alternate {
                preference: self.language.as_deref(),
                name: self.name_in_language.as_deref(),
                city: self.city_in_language.as_deref(),
            },
            union_pay: self.union_pay.as_deref(),
            ..Draft::new(self.payee(), &self.name)
        }
    }
}

/// Makes a code, writes its pictures, and prints it.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let now_ms = arguments.clock.now_ms()?;
    ensure!(!arguments.expires.is_zero(), "a code that expires at once cannot be paid");
    let payload = tonle_khqr::generate(&arguments.draft(now_ms), now_ms).map_err(refusal)?;
    let qr = Qr::new(&payload)?;
    if let Some(path) = &arguments.svg {
        write(path, qr.svg().as_bytes())?;
    }
    if let Some(path) = &arguments.png {
        write(path, &qr.png()?)?;
    }
    let md5 = Md5::of(&payload);
    if arguments.json {
        let fields = as_json(&decode(&payload));
        print_json(&json!({ "payload": payload, "md5": md5.to_string(), "fields": fields }))?;
    } else {
        print(drawing::blocks(&payload)?.trim_end_matches('\n'))?;
        print(&drawing::table(&decode(&payload), now_ms))?;
        print(&drawing::row("md5", &md5.to_string()))?;
        print(&payload)?;
    }
    if arguments.watch { watching::of_code(&payload, now_ms, &arguments.target, arguments.json) } else { Ok(()) }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
