//! Amounts: exact decimals, an integer times a power of ten. None ever passes through a float.
//!
//! Must not know: where in a payload an amount stands.

use std::fmt;

use crate::Currency;

/// Most characters of an amount in a payload.
pub const AMOUNT_CHARACTERS_MAX: usize = 13;

/// An exact decimal, not negative: `digits` times ten to the power of `exponent`. One form for each value (`digits`
/// ends in no zero; zero is 0 times ten to the 0), so equal values are equal: 1.5 is 1.50.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    digits: u64,
    exponent: i16,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Decimal = Decimal { digits: 0, exponent: 0 };

    /// `digits` times ten to the power of `exponent`; `None` when the exponent of its one form passes 16 bits.
    #[must_use]
    pub fn new(mut digits: u64, mut exponent: i16) -> Option<Self> {
        if digits == 0 {
            return Some(Decimal::ZERO);
        }
        while digits.is_multiple_of(10) {
            digits /= 10;
            exponent = exponent.checked_add(1)?;
        }
        Some(Decimal { digits, exponent })
    }

    /// Parses what JSON takes for a number that is not negative, leading zeros allowed: `50000`, `1.50`, `5e4`. `None`
    /// for anything else, and when the digits pass 64 bits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i16>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() || mantissa.ends_with('.') {
            return None;
        }
        let mut digits = 0u64;
        for character in whole.chars().chain(fraction.chars()) {
            digits = digits.checked_mul(10)?.checked_add(u64::from(character.to_digit(10)?))?;
        }
        Decimal::new(digits, power.checked_sub(i16::try_from(fraction.len()).ok()?)?)
    }

    /// Parses an amount of tag 54: digits, with a point at most between them; at most 13 characters.
    #[must_use]
    pub fn from_payload(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if plain && text.len() <= AMOUNT_CHARACTERS_MAX { Decimal::parse(text) } else { None }
    }

    /// Is it nothing?
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The integer, which ends in no zero unless it is zero.
    #[must_use]
    pub const fn digits(self) -> u64 {
        self.digits
    }

    /// The power of ten that the integer is multiplied by.
    #[must_use]
    pub const fn exponent(self) -> i16 {
        self.exponent
    }

    /// How many units of ten to the power of minus `decimals`: 1.5 is 150 with two. `None` when it is no whole number
    /// of them, or more than 64 bits hold.
    #[must_use]
    pub fn scaled(self, decimals: u8) -> Option<u64> {
        let power = u32::try_from(self.exponent.checked_add(i16::from(decimals))?).ok();
        if self.is_zero() { Some(0) } else { self.digits.checked_mul(10u64.checked_pow(power?)?) }
    }

    /// As tag 54 has it: whole when it is whole, else with two decimals. `None` when the currency has no such amount,
    /// or it takes more than 13 characters.
    #[must_use]
    pub fn to_payload(self, currency: Currency) -> Option<String> {
        let minor = self.scaled(currency.decimals())?;
        let text = match currency {
            Currency::Usd if minor % 100 != 0 => format!("{}.{:02}", minor / 100, minor % 100),
            Currency::Usd => (minor / 100).to_string(),
            Currency::Khr => minor.to_string(),
        };
        (text.len() <= AMOUNT_CHARACTERS_MAX).then_some(text)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scaled(0), self.scaled(2)) {
            (Some(whole), _) => write!(f, "{whole}"),
            (None, Some(minor)) => write!(f, "{}.{:02}", minor / 100, minor % 100),
            (None, None) => write!(f, "{}e{}", self.digits, self.exponent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_equal() {
        for (one, other) in [("1.5", "1.50"), ("50000", "5e4"), ("0", "0.00"), ("1", "001.0"), ("12.5", "125E-1")] {
            assert_eq!(Decimal::parse(one), Decimal::parse(other), "{one} {other}");
            assert!(Decimal::parse(one).is_some(), "{one}");
        }
        assert_ne!(Decimal::parse("0.1"), Decimal::parse("0.10000000000000001"));
    }

    #[test]
    fn refuses_what_is_no_number() {
        let overflowing = "9".repeat(21);
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1,5",
            "1e",
            "e1",
            "0x1",
            "NaN",
            "1.2.3",
            " 1",
            "១",
            "1e99999",
            &overflowing,
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::from_payload("5e4"), None, "a payload has no exponents");
        assert_eq!(Decimal::from_payload("00000000000001"), None, "14 characters");
    }

    #[test]
    fn is_written_as_the_currency_has_it() {
        for (amount, khr, usd) in [
            ("1", Some("1"), Some("1")),
            ("1.5", None, Some("1.50")),
            ("100.05", None, Some("100.05")),
            ("1.005", None, None),
            ("9999999999.99", None, Some("9999999999.99")),
            ("99999999999.99", None, None),
            ("9999999999999", Some("9999999999999"), Some("9999999999999")),
            ("12345678901234", None, None),
            ("1e19", None, None),
            ("1e300", None, None),
            ("1e-300", None, None),
            ("0", Some("0"), Some("0")),
        ] {
            let amount = Decimal::parse(amount).unwrap();
            assert_eq!(amount.to_payload(Currency::Khr).as_deref(), khr, "{amount:?}");
            assert_eq!(amount.to_payload(Currency::Usd).as_deref(), usd, "{amount:?}");
        }
    }

    #[test]
    fn every_cent_up_to_a_thousand_dollars_survives() {
        for minor in 0..100_000u64 {
            let amount = Decimal::new(minor, -2).unwrap();
            let text = amount.to_payload(Currency::Usd).unwrap();
            assert_eq!(Decimal::from_payload(&text), Some(amount));
            assert_eq!((amount.scaled(2), amount.to_string()), (Some(minor), text));
        }
    }
}
