//! KHQR codes: whatever text a payer's camera hands over, reading it ends, agrees with itself, and takes no code for valid
//! that says two things.
//!
//! Must not know: who pays.

use tonle_khqr::{
    Alternate, Draft, ErrorCode, Field, Khqr, Md5, PAYLOAD_BYTES_MAX, Payee, Terms, crc16, decode, generate, parse,
    verify,
};

use crate::input::Input;

/// When a code is made, in milliseconds.
const NOW_MS: u64 = 1_767_225_600_000;

/// A payload as it came; and one with a checksum that holds, so that what stands behind it is reached.
pub(crate) fn khqr_payload(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    read(text);
    read(&sealed(text));
}

/// Letters of one, two and three bytes, of one unit and of two, and such as have a meaning elsewhere.
const LETTERS: [char; 16] = ['a', 'B', '0', '9', ' ', '@', '.', '-', '\'', '<', '\n', 'é', 'ក', '្', '€', '\u{1f35a}'];

/// Up to `max` letters, and rarely one more.
fn letters(input: &mut Input<'_>, max: usize) -> String {
    let length = input.below(max + 2);
    (0..length).map(|_| input.pick(&LETTERS)).collect()
}

/// A code that is made from choices: refused for a reason, or read again as it was asked for.
pub(crate) fn khqr_draft(data: &[u8]) {
    let mut input = Input::new(data);
    let (merchant, riel) = (input.u8() & 1 == 1, input.u8() & 1 == 0);
    let minor = input.u64() >> (input.u8() % 64);
    let amount = format!("{minor}e-{}", input.u8() % 4);
    let mut text = |max| letters(&mut input, max);
    let (owner, id, bank, name, city, bill) = (text(28), text(32), text(32), text(25), text(15), text(25));
    let (preference, other_name, store, union_pay) = (text(2), text(25), text(25), text(99));
    let account = format!("d{}@aba", owner.replace('@', ""));
    let payee = if merchant {
        Payee::Merchant { account: &account, id: &id, bank: &bank }
    } else {
        Payee::Individual { account: &account, information: Some(&id), bank: Some(&bank) }
    };
    let mut draft = Draft {
        city: Some(&city),
        currency: Some(if riel { "116" } else { "840" }),
        amount: Some(&amount),
        expires_ms: Some(NOW_MS),
        language: Alternate { preference: Some(&preference), name: Some(&other_name), city: None },
        union_pay: Some(&union_pay),
        ..Draft::new(payee, &name)
    };
    draft.additional.bill_number = Some(&bill);
    draft.additional.store_label = Some(&store);
    let Ok(payload) = generate(&draft, NOW_MS) else { return };
    assert!(payload.encode_utf16().count() <= 511 && payload.len() <= PAYLOAD_BYTES_MAX);
    assert_eq!(generate(&draft, NOW_MS).as_ref(), Ok(&payload), "made twice, two codes");
    let khqr = verify(&payload, NOW_MS).unwrap_or_else(|code| panic!("{code:?}: {payload}"));
    assert_eq!((khqr.payee.account(), khqr.name), (account.as_str(), name.as_str()));
    assert_eq!(khqr.amount().is_some(), minor != 0);
    assert_eq!(khqr.additional.bill_number.unwrap_or_default(), bill);
    assert_eq!(khqr.union_pay.unwrap_or_default(), union_pay);
    read(&payload);
}

fn sealed(text: &str) -> String {
    let text = format!("{text}6304");
    format!("{text}{:04X}", crc16(text.as_bytes()))
}

fn read(text: &str) {
    let fields = decode(text);
    assert!(fields.iter().all(|(field, value)| field == Field::MerchantType || text.contains(value)));
    assert!(text.len() <= PAYLOAD_BYTES_MAX || fields.iter().next().is_none());
    let khqr = match parse(text) {
        Ok(khqr) => khqr,
        Err(code) => {
            assert_ne!(code, ErrorCode::Expired, "a reason that needs a clock");
            assert_eq!(verify(text, NOW_MS), Err(code));
            return;
        }
    };
    valid(text, &khqr);
    for now_ms in [0, NOW_MS, u64::MAX] {
        let late = matches!(khqr.terms, Terms::Dynamic { expires_ms, .. } if now_ms > expires_ms);
        assert_eq!(verify(text, now_ms), if late { Err(ErrorCode::Expired) } else { Ok(khqr.clone()) });
    }
    assert_eq!(Md5::from_hex(&Md5::of(text).to_string()), Some(Md5::of(text)));
}

/// What is read is what stands there, within its bounds, and its checksum is its own.
fn valid(text: &str, khqr: &Khqr<'_>) {
    let (before, digits) = text.split_at(text.len() - 4);
    assert_eq!(u16::from_str_radix(digits, 16), Ok(crc16(before.as_bytes())));
    let units = |value: &str| value.encode_utf16().count();
    let account = khqr.payee.account();
    assert!(units(account) <= 32 && account.matches('@').count() == 1);
    assert!(!account.starts_with('@') && !account.ends_with('@'));
    assert!((1..=25).contains(&units(khqr.name)) && (1..=15).contains(&units(khqr.city)));
    if let Some(amount) = khqr.amount() {
        assert!(!amount.is_zero() && amount.to_payload(khqr.currency).is_some());
        assert!(amount.scaled(2).is_some(), "hundredths hold every amount");
    }
    for (tag, value) in [("59", khqr.name), ("60", khqr.city)] {
        assert!(text.contains(&format!("{tag}{:02}{value}", units(value))));
    }
}

/// Payloads: what is made, what other packages make, and what is wrong in one way each.
pub(crate) fn khqr_payloads() -> Vec<(String, Vec<u8>)> {
    let payee = Payee::Merchant { account: "shop@wing", id: "4711", bank: "Wing" };
    let language =
        Alternate { preference: Some("km"), name: Some("កាហ្វេ"), city: Some("ភ្នំពេញ") };
    let mut full = Draft {
        amount: Some("1.50"),
        currency: Some("840"),
        expires_ms: Some(NOW_MS + 600_000),
        language,
        ..Draft::new(payee, "Shop")
    };
    full.additional.bill_number = Some("INV-1");
    full.additional.terminal_label = Some("2");
    let person = Payee::Individual { account: "dara@aba", information: Some("000123"), bank: None };
    let union_pay = Draft { union_pay: Some("KHCCKHPPXXX1234567890"), ..Draft::new(person, "Dara \u{1f35a}") };
    let made = [("dynamic", full), ("static", Draft::new(person, "Dara")), ("union-pay", union_pay)];
    let made = made.map(|(name, draft)| (name, generate(&draft, NOW_MS).unwrap_or_default()));
    let base = "00020129180014jonhsmith@nbcq5204599953031165802KH5910Jonh Smith6010Phnom Penh";
    let hand = [
        ("no-initiation", base.to_owned()),
        ("creation-only", format!("{base}991700131767225600000")),
        ("template-broken", format!("{base}6203abc")),
        ("name-twice", format!("{base}5905Other")),
        ("two-payees", format!("{base}30070003a@b")),
        ("proprietary", format!("{base}80080004TEST")),
        ("length-of-three-digits", format!("{base}62116012511111")),
        ("empty", String::new()),
    ];
    let hand = hand.map(|(name, text)| (name, sealed(&text)));
    made.into_iter().chain(hand).map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
}

/// Choices for drafts.
pub(crate) fn khqr_drafts() -> Vec<(String, Vec<u8>)> {
    // Kind, currency, minor units, shift, decimals; then a length and so many letters for each text.
    let row = |merchant: u8, currency: u8, minor: u64, decimals: u8, lengths: [u8; 10], letter: u8| {
        let texts = lengths.into_iter().flat_map(|length| [vec![length], vec![letter; usize::from(length)]].concat());
        [vec![merchant, currency], minor.to_be_bytes().to_vec(), vec![0, decimals], texts.collect()].concat()
    };
    [
        ("zeros", Vec::new()),
        ("person", row(0, 0, 4_000, 0, [4, 0, 0, 8, 0, 0, 0, 0, 0, 0], 0)),
        ("merchant", row(1, 1, 150, 2, [4, 6, 4, 8, 10, 5, 2, 8, 9, 0], 1)),
        ("khmer", row(1, 1, 999_999_999_999, 2, [0, 6, 4, 25, 15, 25, 2, 25, 25, 0], 12)),
        ("wide", row(0, 0, 1, 0, [2, 3, 4, 5, 6, 7, 1, 8, 9, 49], 15)),
        ("union-pay", row(0, 0, 0, 0, [2, 9, 9, 9, 9, 9, 0, 0, 9, 99], 2)),
        ("too-long-a-template", row(1, 0, 500, 0, [27, 32, 32, 5, 5, 5, 0, 0, 0, 0], 0)),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .collect()
}
