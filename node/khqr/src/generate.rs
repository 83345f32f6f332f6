//! Makes payloads from what a merchant's software asks for.
//!
//! Order of emission: 00, 01, \[15\], 29 or 30, 52, 53, \[54\], 58, 59, 60, \[62\], \[64\], \[99\], 63. Reasons to refuse come
//! in the SDKs' order.
//!
//! Must not know: what time it is, unless told.

use crate::crc::crc16;
use crate::payload::{Additional, Payee};
use crate::tlv::{VALUE_UNITS_MAX, push, units};
use crate::{Currency, Decimal, ErrorCode, rules};

/// The category of a code whose maker names none: other retail.
pub const CATEGORY_DEFAULT: &str = "5999";
/// The city of a code whose maker names none.
pub const CITY_DEFAULT: &str = "Phnom Penh";
/// The country of a code whose maker names none.
pub const COUNTRY_DEFAULT: &str = "KH";

/// What a code is to say: text as it came, nothing of it judged. What is empty and optional counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draft<'a> {
    /// Who is paid.
    pub payee: Payee<'a>,
    /// The payee's name.
    pub name: &'a str,
    /// The payee's city; [`CITY_DEFAULT`] when absent.
    pub city: Option<&'a str>,
    /// The country; [`COUNTRY_DEFAULT`] when absent.
    pub country: Option<&'a str>,
    /// The merchant category; [`CATEGORY_DEFAULT`] when absent.
    pub category: Option<&'a str>,
    /// The currency's number by ISO 4217; riel when absent.
    pub currency: Option<&'a str>,
    /// The amount as [`Decimal::parse`] reads it. Absent or zero: the payer says how much.
    pub amount: Option<&'a str>,
    /// Until when a code with an amount is good, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// The bill, the shop and the till.
    pub additional: Additional<'a>,
    /// Name and city in another language.
    pub language: Alternate<'a>,
    /// The UnionPay merchant.
    pub union_pay: Option<&'a str>,
}

/// Name and city in another language, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alternate<'a> {
    /// The language by ISO 639.
    pub preference: Option<&'a str>,
    /// The name in it.
    pub name: Option<&'a str>,
    /// The city in it.
    pub city: Option<&'a str>,
}

impl<'a> Draft<'a> {
    /// A static code in riel with nothing optional in it.
    #[must_use]
    pub fn new(payee: Payee<'a>, name: &'a str) -> Self {
        Draft {
            payee,
            name,
            city: None,
            country: None,
            category: None,
            currency: None,
            amount: None,
            expires_ms: None,
            additional: Additional::default(),
            language: Alternate::default(),
            union_pay: None,
        }
    }
}

/// Makes the payload at `now_ms`, in milliseconds since 1970: at most 511 units, and [`crate::parse()`] reads it.
///
/// # Errors
/// The first reason why there is no such code. A template whose fields are each short enough but together pass 99 units
/// is refused with the reason for the length of the first field that finds no room.
pub fn generate(draft: &Draft<'_>, now_ms: u64) -> Result<String, ErrorCode> {
    let amount = draft.amount.and_then(filled).map(|text| Decimal::parse(text).ok_or(ErrorCode::AmountInvalid));
    let amount = amount.filter(|amount| *amount != Ok(Decimal::ZERO));
    let union_pay = draft.union_pay.and_then(filled).map(rules::union_pay).transpose()?;
    let (payee_tag, payee) = payee(&draft.payee)?;
    let category = rules::category(draft.category.and_then(filled).unwrap_or(CATEGORY_DEFAULT))?;
    let currency = rules::currency(draft.currency.and_then(filled).unwrap_or(Currency::Khr.number()))?;
    if union_pay.is_some() && currency == Currency::Usd {
        return Err(ErrorCode::UnionPayCurrency);
    }
    let amount = amount.transpose()?.map(|amount| amount.to_payload(currency).ok_or(ErrorCode::AmountInvalid));
    let amount = amount.transpose()?;
    let country = rules::country(draft.country.and_then(filled).unwrap_or(COUNTRY_DEFAULT))?;
    let name = rules::name(draft.name)?;
    let city = rules::city(draft.city.and_then(filled).unwrap_or(CITY_DEFAULT))?;
    let additional = additional(&draft.additional)?;
    let language = language(&draft.language)?;
    let times = if amount.is_some() { times(draft.expires_ms, now_ms)? } else { String::new() };

    let mut payload = String::new();
    let mut emit = |tag, value: &str| if push(&mut payload, tag, value) { Ok(()) } else { Err(ErrorCode::KhqrInvalid) };
    let optional = |value: &str| !value.is_empty();
    emit(0, "01")?;
    emit(1, if amount.is_some() { "12" } else { "11" })?;
    union_pay.map_or(Ok(()), |value| emit(15, value))?;
    emit(payee_tag, &payee)?;
    emit(52, category)?;
    emit(53, currency.number())?;
    amount.map_or(Ok(()), |value| emit(54, &value))?;
    emit(58, country)?;
    emit(59, name)?;
    emit(60, city)?;
    for (tag, value) in [(62, additional), (64, language), (99, times)].into_iter().filter(|(_, value)| optional(value))
    {
        emit(tag, &value)?;
    }
    payload.push_str("6304");
    let crc = crc16(payload.as_bytes());
    payload.push_str(&format!("{crc:04X}"));
    Ok(payload)
}

fn filled(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

/// Appends a field to a template, as long as two digits can say how long it is.
fn append(template: &mut String, tag: u8, value: &str, length: ErrorCode) -> Result<(), ErrorCode> {
    let before = template.len();
    if push(template, tag, value) && units(template) <= VALUE_UNITS_MAX {
        return Ok(());
    }
    template.truncate(before);
    Err(length)
}

fn payee(payee: &Payee<'_>) -> Result<(u8, String), ErrorCode> {
    let mut template = String::new();
    append(&mut template, 0, rules::account(payee.account())?, ErrorCode::AccountLength)?;
    match *payee {
        Payee::Merchant { id, bank, .. } => {
            let (id, bank) = (rules::merchant_id(id)?, rules::bank(bank)?);
            append(&mut template, 1, id, ErrorCode::MerchantIdLength)?;
            append(&mut template, 2, bank, ErrorCode::BankLength)?;
            Ok((30, template))
        }
        Payee::Individual { information, bank, .. } => {
            if let Some(text) = information.and_then(filled) {
                let code = ErrorCode::AccountInformationLength;
                append(&mut template, 1, rules::account_information(text)?, code)?;
            }
            if let Some(text) = bank.and_then(filled) {
                append(&mut template, 2, rules::bank(text)?, ErrorCode::BankLength)?;
            }
            Ok((29, template))
        }
    }
}

fn additional(additional: &Additional<'_>) -> Result<String, ErrorCode> {
    let mut template = String::new();
    for (tag, value, length) in [
        (1, additional.bill_number, ErrorCode::BillNumberLength),
        (2, additional.mobile_number, ErrorCode::MobileNumberLength),
        (3, additional.store_label, ErrorCode::StoreLabelLength),
        (7, additional.terminal_label, ErrorCode::TerminalLabelLength),
        (8, additional.purpose, ErrorCode::PurposeLength),
    ] {
        if let Some(text) = value.and_then(filled) {
            append(&mut template, tag, rules::additional(text, length)?, length)?;
        }
    }
    Ok(template)
}

fn language(language: &Alternate<'_>) -> Result<String, ErrorCode> {
    let mut template = String::new();
    let [preference, name, city] =
        [language.preference, language.name, language.city].map(|text| text.and_then(filled));
    if preference.is_none() && name.is_none() && city.is_none() {
        return Ok(template);
    }
    if preference.is_some() && name.is_none() {
        return Err(ErrorCode::AlternateNameRequired);
    }
    append(&mut template, 0, rules::language(preference.unwrap_or_default())?, ErrorCode::LanguageLength)?;
    append(&mut template, 1, rules::alternate_name(name.unwrap_or_default())?, ErrorCode::AlternateNameLength)?;
    if let Some(text) = city {
        append(&mut template, 2, rules::alternate_city(text)?, ErrorCode::AlternateCityLength)?;
    }
    Ok(template)
}

fn times(expires_ms: Option<u64>, now_ms: u64) -> Result<String, ErrorCode> {
    let expires_ms = rules::expiration(expires_ms.unwrap_or_default(), Some(now_ms))?;
    let mut template = String::new();
    // A clock whose time has not 13 digits is wrong by centuries.
    let now = now_ms.to_string();
    if now.len() != rules::TIME_DIGITS {
        return Err(ErrorCode::Internal);
    }
    append(&mut template, 0, &now, ErrorCode::ExpirationLength)?;
    append(&mut template, 1, &expires_ms.to_string(), ErrorCode::ExpirationLength)?;
    Ok(template)
}
