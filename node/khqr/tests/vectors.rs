//! Codes and reasons that the published packages gave, with the clock frozen. `vectors.json` says of each which package
//! in which version made it; the MD5 is of the payload's bytes.
//!
//! Those of npm's `bakong-khqr` and `ts-khqr` bind, except where [`DIFFERENT`] says why not. Those of other packages show
//! what hangs in shops, and are read only.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use serde_json::Value;
use tonle_khqr::{
    Additional, Alternate, Currency, Draft, ErrorCode, Field, Fields, Khqr, Md5, Payee, Terms, crc16, decode, generate,
    parse, verify,
};

/// What this crate does otherwise than the package: the vector, our reason, and why.
const DIFFERENT: [(&str, ErrorCode, &str); 4] = [
    ("V12", ErrorCode::BankLength, "the package says a length with three digits, which nobody can read again"),
    ("V15", ErrorCode::AccountInvalid, "the package takes a@b@c for an account, which names two banks"),
    ("X16", ErrorCode::KhqrInvalid, "the package never returns from a template 62 that is no TLV"),
    ("X18", ErrorCode::KhqrInvalid, "the package shows the last of two names, another reader the first"),
];

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap().clone();
    assert_eq!(vectors.len(), 61, "a vector was lost");
    vectors
}

fn id(vector: &Value) -> &str {
    vector["id"].as_str().unwrap()
}

fn now_ms(vector: &Value) -> u64 {
    vector["frozen_now_ms"].as_u64().unwrap()
}

fn different(vector: &Value) -> Option<ErrorCode> {
    DIFFERENT.into_iter().find(|(name, ..)| *name == id(vector)).map(|(_, code, _)| code)
}

/// Vectors of this kind whose package binds.
fn binding(kind: &str) -> Vec<Value> {
    let binds = |vector: &Value| {
        let package = vector["package"].as_str().unwrap();
        vector["kind"] == kind && (package.starts_with("npm:bakong-khqr@") || package.starts_with("npm:ts-khqr@"))
    };
    vectors().into_iter().filter(binds).collect()
}

/// A member of a vector's input as text: one of `names`, there or in a member of its own. A number stands as JSON has it.
fn text(input: &Value, names: &[&str]) -> Option<String> {
    let places = [input, &input["additionalData"], &input["languageData"]];
    let found =
        places.iter().flat_map(|place| names.iter().map(|name| &place[*name])).find(|value| !value.is_null())?;
    Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}

/// Generates what a vector asks for.
fn generated(vector: &Value) -> Result<String, ErrorCode> {
    let get = |names: &[&str]| text(&vector["input"], names);
    let account = get(&["bakongAccountID", "accountID"]).unwrap_or_default();
    let (information, id) = (get(&["accountInformation"]), get(&["merchantID"]).unwrap_or_default());
    let bank = get(&["acquiringBank"]);
    let payee = match vector["account_type"].as_str().unwrap() {
        "individual" => {
            Payee::Individual { account: &account, information: information.as_deref(), bank: bank.as_deref() }
        }
        "merchant" => Payee::Merchant { account: &account, id: &id, bank: bank.as_deref().unwrap_or_default() },
        other => panic!("{other}"),
    };
    let [bill, mobile, store, terminal, purpose, preference, name, city] = [
        "billNumber",
        "mobileNumber",
        "storeLabel",
        "terminalLabel",
        "purposeOfTransaction",
        "languagePreference",
        "merchantNameAlternateLanguage",
        "merchantCityAlternateLanguage",
    ]
    .map(|name| get(&[name]));
    let [currency, amount, category, own_city, country, union_pay] =
        ["currency", "amount", "merchantCategoryCode", "merchantCity", "countryCode", "upiMerchantAccount"]
            .map(|name| get(&[name]));
    let draft = Draft {
        payee,
        name: &get(&["merchantName"]).unwrap_or_default(),
        city: own_city.as_deref(),
        country: country.as_deref(),
        category: category.as_deref(),
        currency: currency.as_deref(),
        amount: amount.as_deref(),
        expires_ms: get(&["expirationTimestamp"]).map(|text| text.parse().unwrap()),
        additional: Additional {
            bill_number: bill.as_deref(),
            mobile_number: mobile.as_deref(),
            store_label: store.as_deref(),
            terminal_label: terminal.as_deref(),
            purpose: purpose.as_deref(),
        },
        language: Alternate { preference: preference.as_deref(), name: name.as_deref(), city: city.as_deref() },
        union_pay: union_pay.as_deref(),
    };
    generate(&draft, now_ms(vector))
}

/// The fields that a package decoded, against ours; absent and empty are one.
fn assert_fields(id: &str, fields: &Fields<'_>, decoded: &Value) {
    for field in Field::ALL {
        let theirs = decoded[field.name()].as_str().unwrap_or_default();
        assert_eq!(fields.get(field).unwrap_or_default(), theirs, "{id} {}", field.name());
    }
}

#[test]
fn generates_what_the_sdks_generate() {
    let mut made = 0;
    for vector in binding("generate") {
        let (id, expected) = (id(&vector), &vector["expected"]);
        let ours = generated(&vector);
        if let Some(code) = different(&vector) {
            assert_eq!(ours, Err(code), "{id}");
        } else if expected["ok"] == true {
            let payload = ours.unwrap();
            assert_eq!(payload, expected["payload"].as_str().unwrap(), "{id}");
            assert_eq!(Md5::of(&payload).to_string(), expected["md5"].as_str().unwrap(), "{id}");
            let checked = &vector["check_at_frozen_clock"];
            assert_eq!(checked["official_verify_isValid"], true, "{id}");
            verify(&payload, now_ms(&vector)).unwrap();
            assert_fields(id, &decode(&payload), &checked["official_decode"]);
            made += 1;
        } else {
            let code = ours.unwrap_err();
            assert_eq!(u64::from(code.number()), expected["errorCode"].as_u64().unwrap(), "{id}");
            assert_eq!(code.message(), expected["message"].as_str().unwrap(), "{id}");
        }
    }
    assert!(made >= 10, "only {made} codes were made");
}

#[test]
fn verifies_as_the_sdks_verify() {
    let vectors = binding("verify");
    assert_eq!(vectors.len(), 14);
    for vector in vectors {
        let (id, expected) = (id(&vector), &vector["expected"]);
        let payload = vector["payload"].as_str().unwrap();
        let ours = verify(payload, now_ms(&vector));
        if let Some(code) = different(&vector) {
            assert_eq!(ours, Err(code), "{id}");
        } else if expected["official_verify_isValid"] == true {
            ours.unwrap();
        } else {
            let code = ours.unwrap_err();
            assert_eq!(u64::from(code.number()), expected["ts_khqr_errorCode"].as_u64().unwrap(), "{id}");
            assert_eq!(code.message(), expected["ts_khqr_message"].as_str().unwrap(), "{id}");
        }
        assert_eq!(Md5::of(payload).to_string(), vector["md5"].as_str().unwrap(), "{id}");
        if expected["official_decode"].is_object() {
            assert_fields(id, &decode(payload), &expected["official_decode"]);
        }
    }
}

/// V12's payload has lengths of three digits. Both SDKs refuse it, for what one of them says; neither decodes it.
#[test]
fn a_length_of_three_digits_is_refused_as_the_sdks_refuse_it() {
    let vector = vectors().into_iter().find(|vector| id(vector) == "V12").unwrap();
    let payload = vector["expected"]["payload"].as_str().unwrap();
    assert_eq!(verify(payload, now_ms(&vector)), Err(ErrorCode::DynamicInvalid));
    assert_eq!(vector["check_at_frozen_clock"]["ts_khqr_errorCode"], 47);
}

/// Where V15, X16 and X18 differ, what is said of the code is still to be had.
#[test]
fn what_is_refused_is_still_shown() {
    let shown = |name: &str, field| {
        let vector = vectors().into_iter().find(|vector| id(vector) == name).unwrap();
        let payload = vector["payload"].as_str().or(vector["expected"]["payload"].as_str()).unwrap().to_owned();
        decode(&payload).get(field).map(str::to_owned)
    };
    assert_eq!(shown("V15", Field::Account).as_deref(), Some("a@b@c"));
    assert_eq!(shown("X16", Field::Name).as_deref(), Some("Jonh Smith"));
    assert_eq!(shown("X18", Field::Name).as_deref(), Some("Other"));
}

fn payload_of(name: &str) -> (String, u64) {
    let vector = vectors().into_iter().find(|vector| id(vector) == name).unwrap();
    (vector["expected"]["payload"].as_str().unwrap().to_owned(), now_ms(&vector))
}

fn individual<'a>(khqr: &Khqr<'a>) -> &'a str {
    assert!(matches!(khqr.payee, Payee::Individual { information: None, bank: None, .. }));
    khqr.payee.account()
}

/// Codes of PyPI's package hang in shops: the time of making on a static code, an amount that is not padded, the fields
/// of 62 in another order.
#[test]
fn reads_what_other_packages_emit() {
    let (payload, now) = payload_of("P01");
    let khqr = verify(&payload, now).unwrap();
    assert_eq!((individual(&khqr), khqr.name, khqr.city), ("jonhsmith@nbcq", "Jonh Smith", "Phnom Penh"));
    assert_eq!(khqr.terms, Terms::Static { amount: None, created_ms: Some(now) });

    let (payload, now) = payload_of("P02");
    let khqr = verify(&payload, now).unwrap();
    assert_eq!((khqr.amount().unwrap().scaled(2), khqr.currency), (Some(150), Currency::Usd));

    let (payload, now) = payload_of("P03");
    let additional = verify(&payload, now).unwrap().additional;
    assert_eq!((additional.bill_number, additional.mobile_number), (Some("TRX1"), Some("012345678")));
    assert_eq!((additional.store_label, additional.terminal_label), (Some("Shop"), Some("T1")));

    for name in ["P01", "P02", "P03", "P04", "K01"] {
        let vector = vectors().into_iter().find(|vector| id(vector) == name).unwrap();
        let (payload, now) = payload_of(name);
        assert!(verify(&payload, now).is_ok(), "{name}");
        assert_eq!(Md5::of(&payload).to_string(), vector["expected"]["md5"].as_str().unwrap(), "{name}");
    }
}

/// crates.io's `khqr` writes no length for its checksum, so it is none. Who is paid can still be read.
#[test]
fn shows_what_is_no_khqr_and_refuses_it() {
    let vector = vectors().into_iter().find(|vector| id(vector) == "R01").unwrap();
    let payload = vector["payload"].as_str().unwrap();
    assert_eq!(parse(payload), Err(ErrorCode::KhqrInvalid));
    let fields = decode(payload);
    assert_eq!(fields.get(Field::Account), Some("jonhsmith@nbcq"));
    assert_eq!((fields.get(Field::Name), fields.get(Field::Crc)), (Some("Jonh Smith"), None));
    let recomputed = format!("{:04X}", crc16(&payload.as_bytes()[..payload.len() - 4]));
    assert_eq!(recomputed, vector["crc_recomputed"].as_str().unwrap());
}
