//! Reads a payload strictly: every rule but the one that needs a clock.
//!
//! The order of the reasons is the SDKs': checksum; a dynamic code without amount or expiry; what is missing; form; each
//! field in the order in which it stands in the payload.
//!
//! Must not know: what time it is.

use crate::crc::crc16;
use crate::decode::{PAYLOAD_BYTES_MAX, Reading};
use crate::fields::Field;
use crate::payload::{Additional, Khqr, Language, Payee, Terms};
use crate::rules::{self, TIME_DIGITS};
use crate::tlv::units;
use crate::{Currency, Decimal, ErrorCode};

/// Fewest units of a payload.
const PAYLOAD_UNITS_MIN: usize = 12;
/// Value of 01 in a code that is paid any number of times, and in one that is paid once.
const STATIC: &str = "11";
const DYNAMIC: &str = "12";
/// Tags without which a code is none, in the order in which they are missed; 29 stands for 29 or 30.
const REQUIRED: [(u8, ErrorCode); 8] = [
    (0, ErrorCode::FormatRequired),
    (29, ErrorCode::MerchantTypeRequired),
    (52, ErrorCode::CategoryRequired),
    (53, ErrorCode::CurrencyRequired),
    (58, ErrorCode::CountryRequired),
    (59, ErrorCode::NameRequired),
    (60, ErrorCode::CityRequired),
    (63, ErrorCode::CrcRequired),
];

/// Reads a payload.
///
/// # Errors
/// The first reason to refuse it.
pub fn parse(payload: &str) -> Result<Khqr<'_>, ErrorCode> {
    check_crc(payload)?;
    let reading = Reading::new(payload);
    check_presence(&reading)?;
    if !reading.in_form {
        return Err(ErrorCode::KhqrInvalid);
    }
    let values = Values::new(&reading);
    for tag in &reading.tags {
        values.refused(*tag).map_or(Ok(()), Err)?;
    }
    Ok(Khqr {
        payee: values.payee?,
        name: values.name?,
        city: values.city?,
        country: values.country?,
        category: values.category?,
        currency: values.currency?,
        terms: terms(&reading, values.amount?, values.times?)?,
        additional: values.additional?,
        language: values.language?,
        union_pay: values.union_pay?,
    })
}

/// The payload ends with 63, four digits of it, and they are the checksum of what stands before them.
fn check_crc(payload: &str) -> Result<(), ErrorCode> {
    let invalid = Err(ErrorCode::KhqrInvalid);
    if payload.len() > PAYLOAD_BYTES_MAX {
        return invalid;
    }
    let split = payload.len().checked_sub(4).and_then(|at| payload.split_at_checked(at));
    let Some((before, digits)) = split else { return invalid };
    // `from_str_radix` alone would take a sign.
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let given = if hexadecimal { u16::from_str_radix(digits, 16).ok() } else { None };
    let holds = before.ends_with("6304") && given == Some(crc16(before.as_bytes()));
    if holds && units(payload) >= PAYLOAD_UNITS_MIN { Ok(()) } else { invalid }
}

fn check_presence(reading: &Reading<'_>) -> Result<(), ErrorCode> {
    let dynamic = is_dynamic(reading);
    if dynamic && !reading.has(54) {
        return Err(ErrorCode::DynamicInvalid);
    }
    if (dynamic || reading.has(54)) && !reading.has(99) {
        return Err(ErrorCode::ExpirationRequired);
    }
    let has = |tag| reading.has(tag) || (tag == 29 && reading.has(30));
    REQUIRED.into_iter().find(|(tag, _)| !has(*tag)).map_or(Ok(()), |(_, code)| Err(code))
}

/// What each field comes to, judged apart from the others.
struct Values<'a> {
    format: Result<(), ErrorCode>,
    initiation: Result<(), ErrorCode>,
    union_pay: Result<Option<&'a str>, ErrorCode>,
    payee: Result<Payee<'a>, ErrorCode>,
    category: Result<&'a str, ErrorCode>,
    currency: Result<Currency, ErrorCode>,
    amount: Result<Option<Decimal>, ErrorCode>,
    country: Result<&'a str, ErrorCode>,
    name: Result<&'a str, ErrorCode>,
    city: Result<&'a str, ErrorCode>,
    additional: Result<Additional<'a>, ErrorCode>,
    language: Result<Option<Language<'a>>, ErrorCode>,
    times: Result<Times, ErrorCode>,
}

impl<'a> Values<'a> {
    fn new(reading: &Reading<'a>) -> Self {
        let text = |field| reading.fields.get(field).unwrap_or_default();
        let currency = rules::currency(text(Field::Currency));
        Values {
            format: format(text(Field::Format)),
            initiation: reading.fields.get(Field::Initiation).map_or(Ok(()), initiation),
            union_pay: union_pay(reading, currency.ok()),
            payee: payee(reading),
            category: rules::category(text(Field::Category)),
            currency,
            amount: amount(reading, currency.ok()),
            country: rules::country(text(Field::Country)),
            name: rules::name(text(Field::Name)),
            city: rules::city(text(Field::City)),
            additional: additional(reading),
            language: language(reading),
            times: times(reading),
        }
    }

    /// Why the value of `tag` is refused.
    fn refused(&self, tag: u8) -> Option<ErrorCode> {
        match tag {
            0 => self.format.err(),
            1 => self.initiation.err(),
            15 => self.union_pay.err(),
            29 | 30 => self.payee.err(),
            52 => self.category.err(),
            53 => self.currency.err(),
            54 => self.amount.err(),
            58 => self.country.err(),
            59 => self.name.err(),
            60 => self.city.err(),
            62 => self.additional.err(),
            64 => self.language.err(),
            99 => self.times.err(),
            _ => None,
        }
    }
}

fn format(text: &str) -> Result<(), ErrorCode> {
    let text = rules::required(text, 2, ErrorCode::FormatRequired, ErrorCode::FormatLength)?;
    if text == "01" { Ok(()) } else { Err(ErrorCode::KhqrInvalid) }
}

fn initiation(text: &str) -> Result<(), ErrorCode> {
    let text = rules::required(text, 2, ErrorCode::InitiationLength, ErrorCode::InitiationLength)?;
    if matches!(text, STATIC | DYNAMIC) { Ok(()) } else { Err(ErrorCode::InitiationInvalid) }
}

fn union_pay<'a>(reading: &Reading<'a>, currency: Option<Currency>) -> Result<Option<&'a str>, ErrorCode> {
    let text = reading.fields.filled(Field::UnionPay).map(rules::union_pay).transpose()?;
    match (text, currency) {
        (Some(_), Some(Currency::Usd)) => Err(ErrorCode::UnionPayCurrency),
        (text, _) => Ok(text),
    }
}

fn payee<'a>(reading: &Reading<'a>) -> Result<Payee<'a>, ErrorCode> {
    let text = |field| reading.fields.get(field).unwrap_or_default();
    let known = [Field::Account, Field::AccountInformation, Field::MerchantId, Field::Bank];
    if known.into_iter().all(|field| reading.fields.get(field).is_none()) {
        return Err(ErrorCode::MerchantTypeRequired);
    }
    let account = rules::account(text(Field::Account))?;
    if reading.has(30) {
        let id = rules::merchant_id(text(Field::MerchantId))?;
        return Ok(Payee::Merchant { account, id, bank: rules::bank(text(Field::Bank))? });
    }
    let information = reading.fields.filled(Field::AccountInformation).map(rules::account_information).transpose()?;
    Ok(Payee::Individual { account, information, bank: reading.fields.get(Field::Bank).map(rules::bank).transpose()? })
}

/// The amount above zero, if there is one. Zero is none, which a dynamic code must not have.
fn amount(reading: &Reading<'_>, currency: Option<Currency>) -> Result<Option<Decimal>, ErrorCode> {
    let Some(text) = reading.fields.get(Field::Amount) else { return Ok(None) };
    let amount = Decimal::from_payload(text).ok_or(ErrorCode::AmountInvalid)?;
    if currency.is_some_and(|currency| amount.to_payload(currency).is_none()) {
        return Err(ErrorCode::AmountInvalid);
    }
    match (amount.is_zero(), is_dynamic(reading)) {
        (true, true) => Err(ErrorCode::DynamicInvalid),
        (true, false) => Ok(None),
        (false, _) => Ok(Some(amount)),
    }
}

fn additional<'a>(reading: &Reading<'a>) -> Result<Additional<'a>, ErrorCode> {
    let read = |field, length| reading.fields.get(field).map(|text| rules::additional(text, length)).transpose();
    Ok(Additional {
        bill_number: read(Field::BillNumber, ErrorCode::BillNumberLength)?,
        mobile_number: read(Field::MobileNumber, ErrorCode::MobileNumberLength)?,
        store_label: read(Field::StoreLabel, ErrorCode::StoreLabelLength)?,
        terminal_label: read(Field::TerminalLabel, ErrorCode::TerminalLabelLength)?,
        purpose: read(Field::Purpose, ErrorCode::PurposeLength)?,
    })
}

fn language<'a>(reading: &Reading<'a>) -> Result<Option<Language<'a>>, ErrorCode> {
    let [preference, name, city] =
        [Field::Language, Field::AlternateName, Field::AlternateCity].map(|field| reading.fields.get(field));
    if preference.is_none() && name.is_none() && city.is_none() {
        return Ok(None);
    }
    if preference.is_some_and(|text| !text.is_empty()) && name.unwrap_or_default().is_empty() {
        return Err(ErrorCode::AlternateNameRequired);
    }
    Ok(Some(Language {
        preference: rules::language(preference.unwrap_or_default())?,
        name: rules::alternate_name(name.unwrap_or_default())?,
        city: city.map(rules::alternate_city).transpose()?,
    }))
}

/// Creation and expiry as 99 has them.
#[derive(Debug, Clone, Copy)]
struct Times {
    created_ms: Option<u64>,
    /// Of a dynamic code.
    expires_ms: u64,
}

/// What 99 comes to. What old codes put into that of a static code binds nobody.
fn times(reading: &Reading<'_>) -> Result<Times, ErrorCode> {
    let created = reading.fields.get(Field::Creation);
    let created_ms = created.and_then(time);
    if !is_dynamic(reading) {
        return Ok(Times { created_ms, expires_ms: 0 });
    }
    let text = reading.fields.filled(Field::Expiration).ok_or(ErrorCode::ExpirationRequired)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ErrorCode::ExpirationRequired);
    }
    let expires_ms = rules::expiration(time(text).ok_or(ErrorCode::ExpirationLength)?, created_ms)?;
    if created.is_some() && created_ms.is_none() {
        return Err(ErrorCode::KhqrInvalid);
    }
    Ok(Times { created_ms, expires_ms })
}

fn terms(reading: &Reading<'_>, amount: Option<Decimal>, times: Times) -> Result<Terms, ErrorCode> {
    let Times { created_ms, expires_ms } = times;
    if !is_dynamic(reading) {
        return Ok(Terms::Static { amount, created_ms });
    }
    let amount = amount.ok_or(ErrorCode::DynamicInvalid)?;
    Ok(Terms::Dynamic { amount, created_ms, expires_ms })
}

fn is_dynamic(reading: &Reading<'_>) -> bool {
    reading.fields.get(Field::Initiation) == Some(DYNAMIC)
}

/// A time of 13 digits.
fn time(text: &str) -> Option<u64> {
    let digits = text.len() == TIME_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
