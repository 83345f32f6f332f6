//! Every way in which a package and this crate may disagree, with the reason why it is so.
//!
//! A difference that no row explains fails the test. A row names the package, and says of which orders and payloads, and
//! of which answers, it speaks.

use crate::orders::Order;
use crate::shape::Shape;

/// Who answered otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    /// npm's bakong-khqr, which says only whether a payload is valid.
    Official,
    /// npm's ts-khqr.
    Other,
}

/// What was answered. A number is an error code, or `None` where the package gives none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Made(String),
    Valid,
    Refused(Option<u8>),
    Hangs,
    Throws,
}

/// A payload on whose validity two disagree.
pub(crate) struct Verdict {
    pub(crate) package: Package,
    pub(crate) shape: Shape,
    /// This crate's code; `None` for valid.
    pub(crate) ours: Option<u8>,
    pub(crate) theirs: Answer,
}

/// An order of which two make different things.
pub(crate) struct Making {
    pub(crate) package: Package,
    pub(crate) order: Order,
    /// This crate's code; `None` when it made one.
    pub(crate) ours: Option<u8>,
    pub(crate) theirs: Answer,
}

pub(crate) type Row<T> = (&'static str, fn(&T) -> bool);

/// Codes for what is missing.
const MISSING: [u8; 10] = [2, 5, 9, 23, 24, 25, 26, 27, 45, 47];

fn is_plain_amount(text: &str, currency: Option<&str>) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let decimals = fraction.trim_end_matches('0').len();
    let most = if currency == Some("840") { 2 } else { 0 };
    text.len() <= 13 && digits(whole) && digits(fraction) && decimals <= most
}

fn is_account(text: &str) -> bool {
    text.split('@').count() == 2 && text.split('@').all(|side| !side.is_empty())
}

fn is_time(text: &str) -> bool {
    text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

/// On payloads.
pub(crate) const VERDICTS: &[Row<Verdict>] = &[
    ("a tag twice is refused: the SDKs take either, or stop at the second", |it| {
        it.shape.repeated && it.ours.is_some()
    }),
    ("two payees in one code are refused: the SDKs take them for one template", |it| {
        it.shape.two_payees && it.ours.is_some()
    }),
    ("a template that is no TLV is refused: the SDKs never return, or guess", |it| {
        it.shape.template_broken && it.ours.is_some()
    }),
    ("nothing may follow the checksum's element", |it| it.shape.behind_checksum && it.ours.is_some()),
    ("a tag or length is two digits: JavaScript's numbers are `+1`, ` 1` and `1x` too", |it| {
        it.shape.odd && it.ours.is_some_and(|code| MISSING.contains(&code))
    }),
    ("the format is 01: the SDKs take any two letters", |it| {
        it.ours == Some(8) && it.shape.value("00").is_some_and(|format| format.len() <= 2 && format != "01")
    }),
    ("an account has one @ and two sides: the SDKs want one @ or more", |it| {
        let account = it.shape.inner("29", "00").or(it.shape.inner("30", "00"));
        it.ours == Some(3) && account.is_some_and(|account| account.contains('@') && !is_account(&account))
    }),
    ("a merchant has an id and a bank: the SDKs demand them only when generating", |it| {
        it.shape.value("30").is_some() && matches!(it.ours, Some(30..=33))
    }),
    ("an individual's bank may be absent, not empty: ts-khqr takes empty for absent", |it| {
        let bank = it.shape.inner("29", "02");
        it.package == Package::Other && it.ours == Some(31) && bank.is_some_and(|bank| bank.is_empty())
    }),
    ("an amount is a number that its currency has: the SDKs count its letters", |it| {
        let currency = it.shape.value("53");
        it.ours == Some(4) && it.shape.value("54").is_some_and(|amount| !is_plain_amount(amount, currency))
    }),
    ("a dynamic code's amount is above zero: the SDKs take zero", |it| {
        let zero = |amount: &str| amount.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        it.ours == Some(47) && it.shape.value("01") == Some("12") && it.shape.value("54").is_some_and(zero)
    }),
    ("a UnionPay merchant is in riel: the SDKs demand it only when generating", |it| {
        it.ours == Some(44) && it.shape.value("15").is_some() && it.shape.value("53") == Some("840")
    }),
    ("an empty currency is absent (9): ts-khqr finds it unsupported (28)", |it| {
        it.package == Package::Other
            && it.ours == Some(9)
            && it.theirs == Answer::Refused(Some(28))
            && it.shape.value("53") == Some("")
    }),
    ("a checksum below 0010 has four digits: ts-khqr writes three", |it| {
        it.package == Package::Other
            && it.theirs == Answer::Refused(Some(8))
            && it.shape.value("63").is_some_and(|checksum| checksum.starts_with("000"))
    }),
    ("an empty 64 says nothing: ts-khqr misses the language in it", |it| {
        let nothing = ["00", "01", "02"].iter().all(|tag| it.shape.inner("64", tag).is_none());
        it.package == Package::Other
            && it.theirs == Answer::Refused(Some(38))
            && it.shape.value("64").is_some()
            && nothing
    }),
    ("a city in no language is refused, as by ts-khqr: bakong-khqr takes it", |it| {
        it.package == Package::Official
            && it.ours == Some(38)
            && it.shape.inner("64", "01").is_none_or(|name| name.is_empty())
    }),
    ("times are 13 digits: the SDKs take what JavaScript takes for a number", |it| {
        let times = ["00", "01"].map(|tag| it.shape.inner("99", tag));
        let odd = times.iter().flatten().any(|time| !is_time(time));
        matches!(it.ours, Some(8 | 45 | 49 | 50)) && odd
    }),
    ("01 may stand behind 99: the SDKs have passed the expiry by then", |it| {
        matches!(it.ours, Some(8 | 45 | 46 | 49 | 50)) && it.shape.place("01") > it.shape.place("99")
    }),
];

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Units of a template with these fields.
fn template(order: &Order, names: &[&str]) -> usize {
    let present = names.iter().map(|name| order.text(name)).filter(|text| !text.is_empty());
    present.map(|text| 4 + units(text)).sum()
}

const ADDITIONAL: [&str; 5] = ["billNumber", "mobileNumber", "storeLabel", "terminalLabel", "purposeOfTransaction"];
const LANGUAGE: [&str; 3] = ["languagePreference", "merchantNameAlternateLanguage", "merchantCityAlternateLanguage"];

/// On orders.
pub(crate) const MAKINGS: &[Row<Making>] = &[
    ("no length has three digits: the SDKs write one when a template passes 99", |it| {
        let payee = template(&it.order, &["bakongAccountID", "merchantID", "accountInformation", "acquiringBank"]);
        (it.ours == Some(33) && payee > 99)
            || (matches!(it.ours, Some(10 | 11 | 12 | 34 | 42)) && template(&it.order, &ADDITIONAL) > 99)
    }),
    ("an account has one @ and two sides: the SDKs want one @ or more", |it| {
        let account = it.order.text("bakongAccountID");
        it.ours == Some(3) && account.contains('@') && !is_account(account)
    }),
    ("empty counts as absent: ts-khqr misses what is empty", |it| {
        let empty = |name: &&str| it.order.texts.get(*name).is_some_and(String::is_empty);
        let named = ["merchantCity", "merchantCategoryCode"].iter().chain(&ADDITIONAL).chain(&LANGUAGE).any(empty);
        it.package == Package::Other
            && named
            && matches!(it.theirs, Answer::Refused(Some(10..=12 | 25 | 27 | 34 | 38..=42)))
    }),
    ("a name or a city in no language is refused, as by ts-khqr: bakong-khqr throws, or leaves it so", |it| {
        let without = it.order.text("languagePreference").is_empty();
        it.package == Package::Official
            && it.ours == Some(38)
            && without
            && matches!(it.theirs, Answer::Throws | Answer::Made(_) | Answer::Refused(Some(41 | 45 | 49 | 50)))
    }),
    ("a checksum below 0010 has four digits: ts-khqr writes three", |it| {
        let ours = it.order.generate().unwrap_or_default();
        let short = |payload: &String| payload.len() < ours.len() && ours.starts_with(&payload[..payload.len() - 3]);
        let zeros = ours.len() > 8 && ours[..ours.len() - 1].ends_with("6304000");
        it.package == Package::Other && zeros && matches!(&it.theirs, Answer::Made(payload) if short(payload))
    }),
    ("amounts are exact: JavaScript writes 1e21 so, in five letters", |it| {
        it.ours == Some(4) && it.order.amount == Some("1e21")
    }),
];

/// A payload that PyPI's package made, and this crate's reason to refuse it.
pub(crate) struct Python {
    pub(crate) payload: String,
    pub(crate) ours: u8,
}

/// On payloads of PyPI's package, which verifies nothing.
pub(crate) const PYTHON: &[Row<Python>] = &[
    ("lengths count units: the package counts characters, and an emoji is one", |it| {
        it.payload.contains('\u{1f35a}') && (MISSING.contains(&it.ours) || it.ours == 8)
    }),
    ("riel are whole: the package writes their hundredths", |it| {
        let shape = Shape::of(&it.payload);
        it.ours == 4 && shape.value("53") == Some("116") && shape.value("54").is_some_and(|amount| amount.contains('.'))
    }),
    ("an account has one @ and two sides: the package takes any text", |it| {
        let account = Shape::of(&it.payload).inner("29", "00");
        it.ours == 3 && account.is_some_and(|account| !is_account(&account))
    }),
];
