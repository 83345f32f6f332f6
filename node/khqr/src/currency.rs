//! The two currencies of a KHQR, by ISO 4217.
//!
//! Must not know: amounts.

use std::fmt;

/// What an amount is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Currency {
    /// The riel, 116. Amounts are whole.
    Khr,
    /// The US dollar, 840. Amounts have at most two decimals.
    Usd,
}

impl Currency {
    /// The three digits of ISO 4217, as in tag 53.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Currency::Khr => "116",
            Currency::Usd => "840",
        }
    }
    /// The three letters of ISO 4217.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Currency::Khr => "KHR",
            Currency::Usd => "USD",
        }
    }
    /// Most decimals of an amount.
    #[must_use]
    pub const fn decimals(self) -> u8 {
        match self {
            Currency::Khr => 0,
            Currency::Usd => 2,
        }
    }
    /// The currency of three digits.
    #[must_use]
    pub fn from_number(number: &str) -> Option<Self> {
        [Currency::Khr, Currency::Usd].into_iter().find(|currency| currency.number() == number)
    }
    /// The currency of three capital letters.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Currency::Khr, Currency::Usd].into_iter().find(|currency| currency.code() == code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
