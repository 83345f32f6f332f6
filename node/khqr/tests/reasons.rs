//! A row for each reason to refuse a code, in the order in which reasons are found: reading, then making.

use tonle_khqr::{Additional, Alternate, Draft, ErrorCode, Payee, crc16, generate, parse, verify};

const NOW_MS: u64 = 1_767_225_600_000;

/// Elements of a valid dynamic code, without its checksum.
const ELEMENTS: [(&str, &str); 12] = [
    ("00", "01"),
    ("01", "12"),
    ("29", "0009khqr@aclb01061234560204Bank"),
    ("52", "5999"),
    ("53", "840"),
    ("54", "1.50"),
    ("58", "KH"),
    ("59", "Sok Dara"),
    ("60", "Battambang"),
    ("62", "0102B10202850302S1070201080213"),
    ("64", "0002km0106កាហ្វេ0206សៀមរាប"),
    ("99", "0013176722560000001131767226200000"),
];

fn sealed(elements: &[(&str, &str)]) -> String {
    let element = |(tag, value): &(&str, &str)| format!("{tag}{:02}{value}", value.encode_utf16().count());
    let payload = elements.iter().map(element).collect::<String>() + "6304";
    format!("{payload}{:04X}", crc16(payload.as_bytes()))
}

fn elements() -> Vec<(&'static str, &'static str)> {
    ELEMENTS.to_vec()
}

/// The code with `tag`'s value replaced, or left out.
fn with<'a>(tag: &str, value: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
    let replace = |(own, old)| if own == tag { value.map(|value| (own, value)) } else { Some((own, old)) };
    elements().into_iter().filter_map(replace).collect()
}

fn check(elements: &[(&str, &str)], code: ErrorCode) {
    let payload = sealed(elements);
    assert_eq!(parse(&payload), Err(code), "{payload}");
}

#[test]
fn the_code_that_the_others_are_made_of_is_valid() {
    let payload = sealed(&elements());
    assert!(verify(&payload, 1_767_226_200_000).is_ok(), "its last millisecond: {:?}", verify(&payload, NOW_MS));
    assert_eq!(verify(&payload, 1_767_226_200_001), Err(ErrorCode::Expired));
}

#[test]
fn a_code_is_refused_by_its_checksum_first() {
    let payload = sealed(&elements());
    let wrong = format!("{}0000", &payload[..payload.len() - 4]);
    let long = sealed(&[("00", "01"), ("80", &"0".repeat(99))].repeat(28));
    let shifted = payload.replace("6304", "6305");
    for payload in ["", "6304", "63046007", "khqr", &wrong, &long, &shifted, &format!("{payload}\n"), &payload[1..]] {
        assert_eq!(parse(payload), Err(ErrorCode::KhqrInvalid), "{payload}");
    }
    assert!(
        parse(&payload.replace(&payload[payload.len() - 4..], &payload[payload.len() - 4..].to_lowercase())).is_ok()
    );
}

/// What a code needs, in the order in which it is missed.
const REQUIRED: [(&str, ErrorCode); 7] = [
    ("00", ErrorCode::FormatRequired),
    ("29", ErrorCode::MerchantTypeRequired),
    ("52", ErrorCode::CategoryRequired),
    ("53", ErrorCode::CurrencyRequired),
    ("58", ErrorCode::CountryRequired),
    ("59", ErrorCode::NameRequired),
    ("60", ErrorCode::CityRequired),
];

#[test]
fn what_is_missing_is_named_in_order() {
    check(&with("54", None), ErrorCode::DynamicInvalid);
    check(&with("99", None), ErrorCode::ExpirationRequired);
    let unmarked: Vec<_> = with("99", None).into_iter().filter(|(tag, _)| *tag != "01").collect();
    check(&unmarked, ErrorCode::ExpirationRequired);
    for (number, (tag, code)) in REQUIRED.into_iter().enumerate() {
        check(&with(tag, None), code);
        // With all that is missed later missing too.
        let later: Vec<&str> = REQUIRED[number..].iter().map(|(tag, _)| *tag).collect();
        let left: Vec<_> = elements().into_iter().filter(|(tag, _)| !later.contains(tag)).collect();
        check(&left, code);
    }
    // 80 takes what would have been the checksum's element.
    let whole = sealed(&elements());
    let swallowed = format!("{}80086304", &whole[..whole.len() - 8]);
    let payload = format!("{swallowed}{:04X}", crc16(swallowed.as_bytes()));
    assert_eq!(parse(&payload), Err(ErrorCode::CrcRequired));
}

#[test]
fn form_comes_before_values() {
    let plus = |tag, value| [elements(), vec![(tag, value)]].concat();
    check(&plus("59", "Other"), ErrorCode::KhqrInvalid);
    check(&plus("59", "Sok Dara"), ErrorCode::KhqrInvalid);
    check(&plus("30", "0009khqr@aclb0101102011"), ErrorCode::KhqrInvalid);
    check(&[plus("80", "x"), vec![("80", "y")]].concat(), ErrorCode::KhqrInvalid);
    check(&plus("63", "0000"), ErrorCode::KhqrInvalid);
    for template in ["29", "62", "64", "99"] {
        for value in ["abc", "000", "0005four", "0001a0001b", "00021"] {
            check(&with(template, Some(value)), ErrorCode::KhqrInvalid);
        }
    }
    let mut both = with("62", Some("abc"));
    both.retain(|(tag, _)| *tag != "59");
    check(&both, ErrorCode::NameRequired);
}

const X16: &str = "xxxxxxxxxxxxxxxx";
const X26: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxx";

/// A tag, what stands there instead, and why the code is refused then.
const FAULTS: [(&str, &str, ErrorCode); 55] = [
    ("00", "", ErrorCode::FormatRequired),
    ("00", "001", ErrorCode::FormatLength),
    ("00", "02", ErrorCode::KhqrInvalid),
    ("29", "", ErrorCode::MerchantTypeRequired),
    ("29", "5001x", ErrorCode::MerchantTypeRequired),
    ("29", "0000", ErrorCode::AccountRequired),
    ("29", "0101a", ErrorCode::AccountRequired),
    ("29", "0033xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@b", ErrorCode::AccountLength),
    ("29", "0004khqr", ErrorCode::AccountInvalid),
    ("29", "0005a@b@c", ErrorCode::AccountInvalid),
    ("29", "0003a@b0133xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::AccountInformationLength),
    ("29", "0003a@b0200", ErrorCode::BankRequired),
    ("29", "0003a@b0233xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::BankLength),
    ("52", "", ErrorCode::CategoryRequired),
    ("52", "05999", ErrorCode::CategoryLength),
    ("52", "59A9", ErrorCode::CategoryInvalid),
    ("53", "", ErrorCode::CurrencyRequired),
    ("53", "0840", ErrorCode::CurrencyLength),
    ("53", "978", ErrorCode::CurrencyUnsupported),
    ("53", "116", ErrorCode::AmountInvalid),
    ("54", "", ErrorCode::AmountInvalid),
    ("54", "1.505", ErrorCode::AmountInvalid),
    ("54", "-1", ErrorCode::AmountInvalid),
    ("54", "1e2", ErrorCode::AmountInvalid),
    ("54", "00000000000001", ErrorCode::AmountInvalid),
    ("54", "0.00", ErrorCode::DynamicInvalid),
    ("58", "", ErrorCode::CountryRequired),
    ("58", "KHMR", ErrorCode::CountryLength),
    ("59", "", ErrorCode::NameRequired),
    ("59", X26, ErrorCode::NameLength),
    ("60", "", ErrorCode::CityRequired),
    ("60", X16, ErrorCode::CityLength),
    ("62", "0100", ErrorCode::BillNumberLength),
    ("62", "0126xxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::BillNumberLength),
    ("62", "0226xxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::MobileNumberLength),
    ("62", "0326xxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::StoreLabelLength),
    ("62", "0726xxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::TerminalLabelLength),
    ("62", "0826xxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::PurposeLength),
    ("64", "0101x", ErrorCode::LanguageLength),
    ("64", "0201x", ErrorCode::LanguageLength),
    ("64", "0003khm0101x", ErrorCode::LanguageLength),
    ("64", "0002km", ErrorCode::AlternateNameRequired),
    ("64", "0002km0100", ErrorCode::AlternateNameRequired),
    ("64", "0002km0126xxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::AlternateNameLength),
    ("64", "0002km0101x0216xxxxxxxxxxxxxxxx", ErrorCode::AlternateCityLength),
    ("64", "0002km0101x0200", ErrorCode::AlternateCityLength),
    ("99", "00131767225600000", ErrorCode::ExpirationRequired),
    ("99", "001317672256000000100", ErrorCode::ExpirationRequired),
    ("99", "0013176722560000001041e12", ErrorCode::ExpirationRequired),
    ("99", "0013176722560000001101767225601", ErrorCode::ExpirationLength),
    ("99", "00131767225600000011417672262000000", ErrorCode::ExpirationLength),
    ("99", "0013176722560000001130000000000000", ErrorCode::ExpirationRequired),
    ("99", "0013176722560000001130767226200000", ErrorCode::ExpirationLength),
    ("99", "0013176722560000001131767225599999", ErrorCode::ExpirationInPast),
    ("99", "0001x01131767226200000", ErrorCode::KhqrInvalid),
];

#[test]
fn every_field_has_its_rule() {
    for (tag, value, code) in FAULTS {
        check(&with(tag, Some(value)), code);
    }
    check(&with("01", Some("13")), ErrorCode::InitiationInvalid);
    check(&with("01", Some("")), ErrorCode::InitiationLength);
    check(&with("01", Some("012")), ErrorCode::InitiationLength);
    check(&[elements(), vec![("15", "UP")]].concat(), ErrorCode::UnionPayCurrency);
    for (value, code) in [
        ("0003a@b02011", ErrorCode::MerchantIdRequired),
        ("0003a@b0133xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx02011", ErrorCode::MerchantIdLength),
        ("0003a@b01011", ErrorCode::BankRequired),
        ("0003a@b010110233xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ErrorCode::BankLength),
    ] {
        let mut merchant = with("29", None);
        merchant.insert(2, ("30", value));
        check(&merchant, code);
    }
}

#[test]
fn of_two_faults_the_first_in_the_payload_is_named() {
    let mut elements = with("59", Some(""));
    elements.iter_mut().filter(|(tag, _)| *tag == "60").for_each(|(_, value)| *value = "");
    check(&elements, ErrorCode::NameRequired);
    elements.reverse();
    check(&elements, ErrorCode::CityRequired);
}

#[test]
fn any_order_is_read_alike() {
    let straight = sealed(&elements());
    let mut reversed = elements();
    reversed.reverse();
    let reversed = sealed(&reversed);
    assert_eq!(parse(&straight), parse(&reversed));
}

#[test]
fn what_says_nothing_is_absent() {
    for (tag, value) in [("62", ""), ("64", ""), ("62", "5001x"), ("29", "0009khqr@aclb0100")] {
        assert!(parse(&sealed(&with(tag, Some(value)))).is_ok(), "{tag} {value}");
    }
    let mut unmarked = elements();
    unmarked.retain(|(tag, _)| *tag != "01");
    assert!(verify(&sealed(&unmarked), u64::MAX).is_ok(), "a code that is not dynamic does not expire");
}

fn draft() -> Draft<'static> {
    let payee = Payee::Individual { account: "khqr@aclb", information: None, bank: None };
    Draft { amount: Some("5"), expires_ms: Some(NOW_MS + 1), ..Draft::new(payee, "Sok Dara") }
}

/// A change to a draft, and why no code comes of it.
type Row = (fn(&mut Draft<'static>), ErrorCode);

#[test]
fn a_draft_is_refused_as_the_sdks_refuse_it() {
    const TOO_LONG: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    const RICH: &str = "xxxxxxxxxxxxxxxxxxxxxxxxx";
    const ALL: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    const ACCOUNT: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@b";
    let rows: [Row; 24] = [
        (
            |draft| draft.payee = Payee::Individual { account: "", information: None, bank: None },
            ErrorCode::AccountRequired,
        ),
        (|draft| draft.payee = Payee::Merchant { account: "a@b@c", id: "", bank: "" }, ErrorCode::AccountInvalid),
        (|draft| draft.payee = Payee::Merchant { account: "a@b", id: "", bank: "" }, ErrorCode::MerchantIdRequired),
        (|draft| draft.payee = Payee::Merchant { account: "a@b", id: "1", bank: "" }, ErrorCode::BankRequired),
        (|draft| draft.payee = Payee::Merchant { account: ACCOUNT, id: ALL, bank: ALL }, ErrorCode::BankLength),
        (
            |draft| draft.payee = Payee::Individual { account: ACCOUNT, information: Some(ALL), bank: Some(ALL) },
            ErrorCode::BankLength,
        ),
        (|draft| draft.category = Some("59A9"), ErrorCode::CategoryInvalid),
        (|draft| draft.currency = Some("978"), ErrorCode::CurrencyUnsupported),
        (|draft| (draft.currency, draft.union_pay) = (Some("840"), Some("UP")), ErrorCode::UnionPayCurrency),
        (|draft| draft.amount = Some("5.5"), ErrorCode::AmountInvalid),
        (|draft| draft.amount = Some("five"), ErrorCode::AmountInvalid),
        (|draft| draft.amount = Some("-5"), ErrorCode::AmountInvalid),
        (|draft| draft.country = Some("KHMR"), ErrorCode::CountryLength),
        (|draft| draft.name = "", ErrorCode::NameRequired),
        (|draft| draft.name = TOO_LONG, ErrorCode::NameLength),
        (|draft| draft.city = Some(TOO_LONG), ErrorCode::CityLength),
        (
            |draft| {
                let [bill_number, mobile_number, store_label, terminal_label] = [Some(RICH); 4];
                draft.additional =
                    Additional { bill_number, mobile_number, store_label, terminal_label, purpose: None };
            },
            ErrorCode::TerminalLabelLength,
        ),
        (|draft| draft.language = Alternate { name: Some("x"), ..Alternate::default() }, ErrorCode::LanguageLength),
        (|draft| draft.language = Alternate { city: Some("x"), ..Alternate::default() }, ErrorCode::LanguageLength),
        (
            |draft| draft.language = Alternate { preference: Some("km"), ..Alternate::default() },
            ErrorCode::AlternateNameRequired,
        ),
        (|draft| draft.expires_ms = None, ErrorCode::ExpirationRequired),
        (|draft| draft.expires_ms = Some(0), ErrorCode::ExpirationRequired),
        (|draft| draft.expires_ms = Some(NOW_MS * 10), ErrorCode::ExpirationLength),
        (|draft| draft.expires_ms = Some(NOW_MS - 1), ErrorCode::ExpirationInPast),
    ];
    for (number, (change, code)) in rows.into_iter().enumerate() {
        let mut draft = draft();
        assert!(generate(&draft, NOW_MS).is_ok());
        change(&mut draft);
        assert_eq!(generate(&draft, NOW_MS), Err(code), "row {number}");
    }
    assert_eq!(generate(&draft(), 5), Err(ErrorCode::Internal), "a clock that is wrong by centuries");
}
