//! What `tonle khqr generate` reads: one JSON object, with the names of either JavaScript SDK.
//!
//! Must not know: which values are valid.

use std::io::Read;

use anyhow::{Context, bail, ensure};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tonle_khqr::{Additional, Alternate, Decimal, Draft, ErrorCode, Payee};

/// Most bytes of standard input.
const INPUT_BYTES_MAX: u64 = 64 * 1024;

/// Text, or a number kept as the digits that came: no float is made of it.
#[derive(Debug)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw.get()).map(Text).map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Text(raw.get().to_owned())),
            _ => Err(D::Error::custom(format!("{} is neither text nor a number", raw.get()))),
        }
    }
}

/// The object. What it has beside these members is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Input {
    #[serde(rename = "account_type")]
    account_type: Option<Text>,
    /// A whole vector: what is asked for stands in here.
    input: Option<Box<Input>>,
    /// `ts-khqr`'s way to say who is paid: 29 or 30.
    tag: Option<Text>,
    #[serde(rename = "bakongAccountID", alias = "accountID")]
    account: Option<Text>,
    account_information: Option<Text>,
    #[serde(rename = "merchantID")]
    merchant_id: Option<Text>,
    acquiring_bank: Option<Text>,
    merchant_name: Option<Text>,
    merchant_city: Option<Text>,
    merchant_category_code: Option<Text>,
    country_code: Option<Text>,
    currency: Option<Text>,
    amount: Option<Text>,
    expiration_timestamp: Option<Text>,
    upi_merchant_account: Option<Text>,
    bill_number: Option<Text>,
    mobile_number: Option<Text>,
    store_label: Option<Text>,
    terminal_label: Option<Text>,
    purpose_of_transaction: Option<Text>,
    language_preference: Option<Text>,
    merchant_name_alternate_language: Option<Text>,
    merchant_city_alternate_language: Option<Text>,
    /// `ts-khqr` keeps these members in objects of their own.
    additional_data: Option<Box<Input>>,
    language_data: Option<Box<Input>>,
}

/// Reads the object.
pub(super) fn read(from: impl Read) -> anyhow::Result<Input> {
    let mut text = String::new();
    from.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text).context("cannot read standard input")?;
    if u64::try_from(text.len())? > INPUT_BYTES_MAX {
        bail!("standard input is longer than {INPUT_BYTES_MAX} bytes");
    }
    let form = "standard input is no JSON object of the form that --help shows";
    // A list would be read as the members in their order.
    ensure!(text.trim_ascii_start().starts_with('{'), form);
    serde_json::from_str(&text).context(form)
}

impl Input {
    /// Makes the code at `now_ms`.
    pub(super) fn generate(&self, now_ms: u64) -> Result<String, ErrorCode> {
        let inner = self.input.as_deref().unwrap_or(self);
        let expires = text(&inner.expiration_timestamp).and_then(Decimal::parse).and_then(|time| time.scaled(0));
        let (additional, language) = (inner.additional(), inner.language());
        let draft = Draft {
            city: text(&inner.merchant_city),
            country: text(&inner.country_code),
            category: text(&inner.merchant_category_code),
            currency: text(&inner.currency),
            amount: text(&inner.amount),
            expires_ms: expires,
            additional,
            language,
            union_pay: text(&inner.upi_merchant_account),
            ..Draft::new(inner.payee(self)?, text(&inner.merchant_name).unwrap_or_default())
        };
        tonle_khqr::generate(&draft, now_ms)
    }

    /// Who is paid; `outer` may be the one that says of which kind the account is.
    fn payee(&self, outer: &Input) -> Result<Payee<'_>, ErrorCode> {
        let account = text(&self.account).unwrap_or_default();
        let (information, id) = (text(&self.account_information), text(&self.merchant_id));
        let bank = text(&self.acquiring_bank);
        let kind = text(&outer.account_type).or(text(&self.account_type));
        match (kind, text(&self.tag)) {
            (Some("individual"), _) | (None, Some("29")) => {
                // `ts-khqr` has one member for both.
                let information = information.or(if self.tag.is_some() { id } else { None });
                Ok(Payee::Individual { account, information, bank })
            }
            (Some("merchant"), _) | (None, Some("30")) => {
                Ok(Payee::Merchant { account, id: id.unwrap_or_default(), bank: bank.unwrap_or_default() })
            }
            _ => Err(ErrorCode::MerchantTypeRequired),
        }
    }

    fn additional(&self) -> Additional<'_> {
        let from = self.additional_data.as_deref().unwrap_or(self);
        Additional {
            bill_number: text(&from.bill_number),
            mobile_number: text(&from.mobile_number),
            store_label: text(&from.store_label),
            terminal_label: text(&from.terminal_label),
            purpose: text(&from.purpose_of_transaction),
        }
    }

    fn language(&self) -> Alternate<'_> {
        let from = self.language_data.as_deref().unwrap_or(self);
        Alternate {
            preference: text(&from.language_preference),
            name: text(&from.merchant_name_alternate_language),
            city: text(&from.merchant_city_alternate_language),
        }
    }
}

fn text(value: &Option<Text>) -> Option<&str> {
    value.as_ref().map(|Text(text)| text.as_str())
}
