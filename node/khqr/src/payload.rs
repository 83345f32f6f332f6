//! What a valid KHQR says, typed.
//!
//! Must not know: tags and lengths.

use crate::{Currency, Decimal};

/// A valid KHQR. Text is cut out of the payload that it came from; what is optional and empty there is absent here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Khqr<'a> {
    /// Who is paid.
    pub payee: Payee<'a>,
    /// The payee's name, for people: at most 25 units.
    pub name: &'a str,
    /// The payee's city: at most 15 units.
    pub city: &'a str,
    /// The country, such as `KH`.
    pub country: &'a str,
    /// The merchant category by ISO 18245: at most four digits.
    pub category: &'a str,
    /// What is paid with.
    pub currency: Currency,
    /// How much, how often and until when.
    pub terms: Terms,
    /// The bill, the shop and the till.
    pub additional: Additional<'a>,
    /// Name and city in another language.
    pub language: Option<Language<'a>>,
    /// The UnionPay merchant: at most 99 units, in riel only.
    pub union_pay: Option<&'a str>,
}

/// Who is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payee<'a> {
    /// A person's account (template 29).
    Individual {
        /// `name@bank`: at most 32 units.
        account: &'a str,
        /// More on the account: at most 32 units.
        information: Option<&'a str>,
        /// The bank's name: at most 32 units.
        bank: Option<&'a str>,
    },
    /// A merchant's account (template 30).
    Merchant {
        /// `name@bank`: at most 32 units.
        account: &'a str,
        /// The merchant's id: at most 32 units.
        id: &'a str,
        /// The bank's name: at most 32 units.
        bank: &'a str,
    },
}

impl<'a> Payee<'a> {
    /// The account that is credited.
    #[must_use]
    pub const fn account(&self) -> &'a str {
        match self {
            Payee::Individual { account, .. } | Payee::Merchant { account, .. } => account,
        }
    }
}

/// How much, how often and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// The payer says how much, or a printed code does; paid any number of times, without an end.
    Static {
        /// The amount, above zero, if the code names one.
        amount: Option<Decimal>,
        /// When the code was made, in milliseconds; old codes have it.
        created_ms: Option<u64>,
    },
    /// This amount, once, until then.
    Dynamic {
        /// The amount, above zero.
        amount: Decimal,
        /// When the code was made, in milliseconds.
        created_ms: Option<u64>,
        /// The last millisecond in which it may be paid; 13 digits.
        expires_ms: u64,
    },
}

/// What the shop notes on a payment: each at most 25 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Additional<'a> {
    /// The bill's number.
    pub bill_number: Option<&'a str>,
    /// A mobile number.
    pub mobile_number: Option<&'a str>,
    /// The shop.
    pub store_label: Option<&'a str>,
    /// The till.
    pub terminal_label: Option<&'a str>,
    /// What is paid for.
    pub purpose: Option<&'a str>,
}

/// Name and city in another language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language<'a> {
    /// The language by ISO 639, such as `km`: at most 2 units.
    pub preference: &'a str,
    /// The name in it: at most 25 units.
    pub name: &'a str,
    /// The city in it: at most 15 units.
    pub city: Option<&'a str>,
}

impl Khqr<'_> {
    /// The amount, if the code names one.
    #[must_use]
    pub const fn amount(&self) -> Option<Decimal> {
        match self.terms {
            Terms::Static { amount, .. } => amount,
            Terms::Dynamic { amount, .. } => Some(amount),
        }
    }
    /// Is it over at `now_ms`, in milliseconds since 1970? A static code never is.
    #[must_use]
    pub const fn is_expired(&self, now_ms: u64) -> bool {
        match self.terms {
            Terms::Static { .. } => false,
            Terms::Dynamic { expires_ms, .. } => now_ms > expires_ms,
        }
    }
}
