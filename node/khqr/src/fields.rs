//! The fields of a KHQR: where each stands, and what software calls it.
//!
//! Must not know: which values are valid.

use std::collections::BTreeMap;

/// A field of a KHQR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Which template names the payee: `29`, an individual; `30`, a merchant.
    MerchantType,
    /// The payee's account: 00 of 29 or 30.
    Account,
    /// More on an individual's account: 01 of 29.
    AccountInformation,
    /// The merchant's id: 01 of 30.
    MerchantId,
    /// The payee's bank: 02 of 29 or 30.
    Bank,
    /// The bill's number: 01 of 62.
    BillNumber,
    /// A mobile number: 02 of 62.
    MobileNumber,
    /// The shop: 03 of 62.
    StoreLabel,
    /// The till: 07 of 62.
    TerminalLabel,
    /// What is paid for: 08 of 62.
    Purpose,
    /// The other language: 00 of 64.
    Language,
    /// The name in it: 01 of 64.
    AlternateName,
    /// The city in it: 02 of 64.
    AlternateCity,
    /// When the code was made, in milliseconds: 00 of 99.
    Creation,
    /// Until when it is good, in milliseconds: 01 of 99.
    Expiration,
    /// The format, `01`: 00.
    Format,
    /// The point of initiation, `11` static or `12` dynamic: 01.
    Initiation,
    /// The UnionPay merchant: 15.
    UnionPay,
    /// The merchant category: 52.
    Category,
    /// The currency by ISO 4217, `116` or `840`: 53.
    Currency,
    /// The amount: 54.
    Amount,
    /// The country: 58.
    Country,
    /// The payee's name: 59.
    Name,
    /// The payee's city: 60.
    City,
    /// The checksum: 63.
    Crc,
}

impl Field {
    /// All fields, in the order in which the SDKs list them.
    pub const ALL: [Field; 25] = [
        Field::MerchantType,
        Field::Account,
        Field::AccountInformation,
        Field::MerchantId,
        Field::Bank,
        Field::BillNumber,
        Field::MobileNumber,
        Field::StoreLabel,
        Field::TerminalLabel,
        Field::Purpose,
        Field::Language,
        Field::AlternateName,
        Field::AlternateCity,
        Field::Creation,
        Field::Expiration,
        Field::Format,
        Field::Initiation,
        Field::UnionPay,
        Field::Category,
        Field::Currency,
        Field::Amount,
        Field::Country,
        Field::Name,
        Field::City,
        Field::Crc,
    ];

    /// What the SDKs call it when they decode.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Field::MerchantType => "merchantType",
            Field::Account => "bakongAccountID",
            Field::AccountInformation => "accountInformation",
            Field::MerchantId => "merchantID",
            Field::Bank => "acquiringBank",
            Field::BillNumber => "billNumber",
            Field::MobileNumber => "mobileNumber",
            Field::StoreLabel => "storeLabel",
            Field::TerminalLabel => "terminalLabel",
            Field::Purpose => "purposeOfTransaction",
            Field::Language => "languagePreference",
            Field::AlternateName => "merchantNameAlternateLanguage",
            Field::AlternateCity => "merchantCityAlternateLanguage",
            Field::Creation => "creationTimestamp",
            Field::Expiration => "expirationTimestamp",
            Field::Format => "payloadFormatIndicator",
            Field::Initiation => "pointofInitiationMethod",
            Field::UnionPay => "unionPayMerchant",
            Field::Category => "merchantCategoryCode",
            Field::Currency => "transactionCurrency",
            Field::Amount => "transactionAmount",
            Field::Country => "countryCode",
            Field::Name => "merchantName",
            Field::City => "merchantCity",
            Field::Crc => "crc",
        }
    }

    /// The field of a tag that holds a value itself.
    pub(crate) const fn of_tag(tag: u8) -> Option<Field> {
        Some(match tag {
            0 => Field::Format,
            1 => Field::Initiation,
            15 => Field::UnionPay,
            52 => Field::Category,
            53 => Field::Currency,
            54 => Field::Amount,
            58 => Field::Country,
            59 => Field::Name,
            60 => Field::City,
            63 => Field::Crc,
            _ => return None,
        })
    }

    /// The field of a tag inside a template.
    pub(crate) const fn of_template(template: u8, tag: u8) -> Option<Field> {
        Some(match (template, tag) {
            (29 | 30, 0) => Field::Account,
            (29, 1) => Field::AccountInformation,
            (30, 1) => Field::MerchantId,
            (29 | 30, 2) => Field::Bank,
            (62, 1) => Field::BillNumber,
            (62, 2) => Field::MobileNumber,
            (62, 3) => Field::StoreLabel,
            (62, 7) => Field::TerminalLabel,
            (62, 8) => Field::Purpose,
            (64, 0) => Field::Language,
            (64, 1) => Field::AlternateName,
            (64, 2) => Field::AlternateCity,
            (99, 0) => Field::Creation,
            (99, 1) => Field::Expiration,
            _ => return None,
        })
    }

    /// Does this tag hold elements?
    pub(crate) const fn is_template(tag: u8) -> bool {
        matches!(tag, 29 | 30 | 62 | 64 | 99)
    }
}

/// What stands in a payload, cut out of it: text as it is there, nothing judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields<'a>(BTreeMap<Field, &'a str>);

impl<'a> Fields<'a> {
    /// A field's text; `None` when it is absent.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&'a str> {
        self.0.get(&field).copied()
    }

    /// All that is there, in the order of [`Field::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Field, &'a str)> + '_ {
        self.0.iter().map(|(field, value)| (*field, *value))
    }

    pub(crate) fn set(&mut self, field: Field, value: &'a str) {
        self.0.insert(field, value);
    }

    /// A field's text; `None` when it is absent or empty.
    pub(crate) fn filled(&self, field: Field) -> Option<&'a str> {
        self.get(field).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_one_place_and_one_name() {
        let tags = (0..=99).filter_map(Field::of_tag);
        let inner = (0..=99)
            .filter(|tag| Field::is_template(*tag))
            .flat_map(|template| (0..=99).filter_map(move |tag| Field::of_template(template, tag)));
        let mut placed: Vec<Field> = tags.chain(inner).chain([Field::MerchantType]).collect();
        placed.sort_unstable();
        placed.dedup();
        assert_eq!(placed, Field::ALL);
        let names: std::collections::BTreeSet<&str> = Field::ALL.into_iter().map(Field::name).collect();
        assert_eq!(names.len(), Field::ALL.len());
    }
}
