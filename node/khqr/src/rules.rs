//! What a field's text must be, one rule each: the same for a code that is made and a code that is read.
//!
//! Must not know: tags.

use crate::tlv::units;
use crate::{Currency, ErrorCode};

pub(crate) const ACCOUNT_MAX: usize = 32;
pub(crate) const ACCOUNT_INFORMATION_MAX: usize = 32;
pub(crate) const MERCHANT_ID_MAX: usize = 32;
pub(crate) const BANK_MAX: usize = 32;
pub(crate) const CATEGORY_MAX: usize = 4;
pub(crate) const COUNTRY_MAX: usize = 3;
pub(crate) const NAME_MAX: usize = 25;
pub(crate) const CITY_MAX: usize = 15;
pub(crate) const ADDITIONAL_MAX: usize = 25;
pub(crate) const LANGUAGE_MAX: usize = 2;
pub(crate) const UNION_PAY_MAX: usize = 99;
/// Digits of a time in milliseconds: from September 2001 to November 2286.
pub(crate) const TIME_DIGITS: usize = 13;

/// At most `max` units.
pub(crate) fn within(text: &str, max: usize, length: ErrorCode) -> Result<&str, ErrorCode> {
    if units(text) > max { Err(length) } else { Ok(text) }
}

/// One to `max` units.
pub(crate) fn required(text: &str, max: usize, absent: ErrorCode, length: ErrorCode) -> Result<&str, ErrorCode> {
    if text.is_empty() { Err(absent) } else { within(text, max, length) }
}

/// An account: two names with exactly one `@` between them.
pub(crate) fn account(text: &str) -> Result<&str, ErrorCode> {
    required(text, ACCOUNT_MAX, ErrorCode::AccountRequired, ErrorCode::AccountLength)?;
    match text.split_once('@') {
        Some((name, bank)) if !name.is_empty() && !bank.is_empty() && !bank.contains('@') => Ok(text),
        _ => Err(ErrorCode::AccountInvalid),
    }
}

pub(crate) fn merchant_id(text: &str) -> Result<&str, ErrorCode> {
    required(text, MERCHANT_ID_MAX, ErrorCode::MerchantIdRequired, ErrorCode::MerchantIdLength)
}

pub(crate) fn bank(text: &str) -> Result<&str, ErrorCode> {
    required(text, BANK_MAX, ErrorCode::BankRequired, ErrorCode::BankLength)
}

pub(crate) fn account_information(text: &str) -> Result<&str, ErrorCode> {
    within(text, ACCOUNT_INFORMATION_MAX, ErrorCode::AccountInformationLength)
}

/// A merchant category: at most four digits.
pub(crate) fn category(text: &str) -> Result<&str, ErrorCode> {
    required(text, CATEGORY_MAX, ErrorCode::CategoryRequired, ErrorCode::CategoryLength)?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { Ok(text) } else { Err(ErrorCode::CategoryInvalid) }
}

pub(crate) fn currency(text: &str) -> Result<Currency, ErrorCode> {
    required(text, 3, ErrorCode::CurrencyRequired, ErrorCode::CurrencyLength)?;
    Currency::from_number(text).ok_or(ErrorCode::CurrencyUnsupported)
}

pub(crate) fn country(text: &str) -> Result<&str, ErrorCode> {
    required(text, COUNTRY_MAX, ErrorCode::CountryRequired, ErrorCode::CountryLength)
}

pub(crate) fn name(text: &str) -> Result<&str, ErrorCode> {
    required(text, NAME_MAX, ErrorCode::NameRequired, ErrorCode::NameLength)
}

pub(crate) fn city(text: &str) -> Result<&str, ErrorCode> {
    required(text, CITY_MAX, ErrorCode::CityRequired, ErrorCode::CityLength)
}

/// One of the fields of 62.
pub(crate) fn additional(text: &str, length: ErrorCode) -> Result<&str, ErrorCode> {
    required(text, ADDITIONAL_MAX, length, length)
}

pub(crate) fn language(text: &str) -> Result<&str, ErrorCode> {
    required(text, LANGUAGE_MAX, ErrorCode::LanguageLength, ErrorCode::LanguageLength)
}

pub(crate) fn alternate_name(text: &str) -> Result<&str, ErrorCode> {
    required(text, NAME_MAX, ErrorCode::AlternateNameRequired, ErrorCode::AlternateNameLength)
}

pub(crate) fn alternate_city(text: &str) -> Result<&str, ErrorCode> {
    required(text, CITY_MAX, ErrorCode::AlternateCityLength, ErrorCode::AlternateCityLength)
}

/// A UnionPay merchant, which no code of US dollars has.
pub(crate) fn union_pay(text: &str) -> Result<&str, ErrorCode> {
    within(text, UNION_PAY_MAX, ErrorCode::UnionPayLength)
}

/// An expiry: not before the creation, in milliseconds of 13 digits.
pub(crate) fn expiration(expires_ms: u64, created_ms: Option<u64>) -> Result<u64, ErrorCode> {
    if expires_ms == 0 {
        return Err(ErrorCode::ExpirationRequired);
    }
    if expires_ms.to_string().len() != TIME_DIGITS {
        return Err(ErrorCode::ExpirationLength);
    }
    if created_ms.is_some_and(|created_ms| expires_ms < created_ms) {
        Err(ErrorCode::ExpirationInPast)
    } else {
        Ok(expires_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_two_names_with_one_at_sign_between() {
        assert_eq!(account("dara@aba"), Ok("dara@aba"));
        for text in ["dara", "@aba", "dara@", "@", "a@b@c", "a@@b"] {
            assert_eq!(account(text), Err(ErrorCode::AccountInvalid), "{text}");
        }
        assert_eq!(account(""), Err(ErrorCode::AccountRequired));
        assert_eq!(account(&format!("{}@aba", "d".repeat(29))), Err(ErrorCode::AccountLength));
        assert!(account(&format!("{}@aba", "d".repeat(28))).is_ok());
    }

    #[test]
    fn lengths_are_units_of_utf_16() {
        assert!(name(&"ក".repeat(25)).is_ok());
        assert_eq!(name(&"ក".repeat(26)), Err(ErrorCode::NameLength));
        assert!(name(&"\u{1f35a}".repeat(12)).is_ok());
        assert_eq!(name(&"\u{1f35a}".repeat(13)), Err(ErrorCode::NameLength));
    }
}
