//! The JSON form, read strictly and written back.

use tonle_ledger::{Genesis, Participant, Permission, Role, Thresholds};

use super::{parse, to_json};
use crate::defaults;
use crate::keys::KeySource;

fn genesis() -> Genesis {
    defaults::genesis(4, &KeySource::seeded("test"), 1_800_000_000_000).unwrap()
}

#[test]
fn what_is_written_reads_back_with_the_same_digest() {
    let genesis = genesis();
    let text = to_json(&genesis).unwrap();
    let again = parse(&text).unwrap();
    assert_eq!(again, genesis);
    assert_eq!(again.digest(), genesis.digest());
    assert_eq!(to_json(&again).unwrap(), text);
}

#[test]
fn space_and_order_of_entries_do_not_change_the_digest() {
    let genesis = genesis();
    let mut value: serde_json::Value = serde_json::from_str(&to_json(&genesis).unwrap()).unwrap();
    for list in ["participants", "assets", "accounts"] {
        value[list].as_array_mut().unwrap().reverse();
    }
    assert_eq!(parse(&value.to_string()).unwrap().digest(), genesis.digest());
}

#[test]
fn parameters_that_are_absent_are_the_usual_ones_and_those_that_are_there_are_kept() {
    let genesis = genesis();
    let mut value: serde_json::Value = serde_json::from_str(&to_json(&genesis).unwrap()).unwrap();
    value["parameters"]["day_offset_ms"] = 0.into();
    value["parameters"]["limits"].as_array_mut().unwrap().truncate(1);
    let other = parse(&value.to_string()).unwrap();
    assert_eq!((other.parameters.day_offset_ms(), other.parameters.limits().count()), (0, 1));
    assert_ne!(other.digest(), genesis.digest());
    value.as_object_mut().unwrap().remove("parameters");
    assert_eq!(parse(&value.to_string()).unwrap().digest(), genesis.digest());
}

#[test]
fn an_account_that_json_cannot_say_is_not_written() {
    let mut genesis = genesis();
    genesis.accounts[0].account.status = tonle_ledger::AccountStatus::Frozen;
    assert!(to_json(&genesis).unwrap_err().to_string().contains("frozen"));
}

/// Changes the JSON, and expects an error that names what is wrong.
fn check(change: impl FnOnce(&mut serde_json::Value), names: &str) {
    let mut value: serde_json::Value = serde_json::from_str(&to_json(&genesis()).unwrap()).unwrap();
    change(&mut value);
    let error = format!("{:#}", parse(&value.to_string()).unwrap_err());
    assert!(error.contains(names), "{error:?} does not name {names:?}");
}

#[test]
fn what_is_wrong_is_named() {
    check(|json| json["surprise"] = 1.into(), "surprise");
    check(|json| json["participants"][1]["surprise"] = 1.into(), "surprise");
    check(|json| drop(json.as_object_mut().unwrap().remove("max_lag")), "max_lag");
    check(|json| json["max_lag"] = (-1).into(), "invalid value");
    check(|json| json["max_lag"] = 0.into(), "lag");
    check(|json| json["validators"][2]["key"] = "00".into(), "validators[2]: key");
    check(|json| json["validators"][2]["network_key"] = "00".repeat(32).into(), "validators[2]: network_key");
    check(|json| json["participants"][3]["id"] = "Aba".into(), "participants[3]: id");
    check(|json| json["participants"][0]["role"] = "king".into(), "king");
    check(|json| json["participants"][0]["bic"] = "abc".into(), "bic");
    check(|json| json["participants"][0]["keys"][0]["permissions"] = vec!["reign"].into(), "reign");
    check(
        |json| json["participants"][0]["keys"][0]["permissions"] = vec!["freeze", "issue"].into(),
        "freeze and issue",
    );
    check(|json| json["accounts"][5]["id"] = "alice".into(), "accounts[5]: id");
    check(|json| json["parameters"]["day_offset_ms"] = 86_400_000.into(), "day_offset_ms");
    check(|json| json["parameters"]["limits"][0]["daily_minor"] = 0.into(), "limit of zero");
    check(|json| json["parameters"]["limits"][0]["daily_minor"] = u64::MAX.into(), "above its bound");
    check(|json| json["parameters"]["limits"][0]["asset"] = "EUR".into(), "EUR");
    check(|json| json["accounts"][0]["tier"] = "interbank".into(), "tier");
    check(|json| json["accounts"][0]["balances"][0]["available_minor"] = 0.into(), "accounts[0]: balances");
    check(|json| json["accounts"][0]["balances"][0]["available_minor"] = "1".into(), "invalid type");
    check(|json| json["accounts"][0]["balances"][0]["asset"] = "EUR".into(), "EUR");
    check(|json| json["assets"][0]["issuer"] = "aba".into(), "issuer");
    check(|json| json["validators"][0]["participant"] = "nobody".into(), "nobody");
    check(
        |json| {
            let twice = json["accounts"][0]["balances"][0].clone();
            json["accounts"][0]["balances"].as_array_mut().unwrap().push(twice);
        },
        "stands twice",
    );
    check(
        |json| {
            let twice = json["accounts"][0].clone();
            json["accounts"].as_array_mut().unwrap().push(twice);
        },
        "accounts",
    );
}

/// What a document of before there was `govern` means: keys that may issue govern, as many as issuing needs.
#[test]
fn where_nothing_is_said_of_governing_those_who_issue_govern() {
    let mut document: serde_json::Value = serde_json::from_str(&to_json(&genesis()).unwrap()).unwrap();
    let participants = document["participants"].as_array_mut().unwrap();
    let operator = participants.iter_mut().find(|entry| entry["role"] == "operator").unwrap();
    operator["thresholds"] = serde_json::json!({ "pay": 1, "open_accounts": 1, "issue": 1 });
    operator["keys"][0]["permissions"] = serde_json::json!(["pay", "open_accounts", "issue"]);
    let of = |document: &serde_json::Value| {
        let genesis = parse(&document.to_string()).unwrap();
        genesis.participants.into_iter().find(|participant| participant.role == Role::Operator).unwrap()
    };
    let may = |operator: &Participant| operator.keys[0].permissions.iter().collect::<Vec<_>>();
    let silent = of(&document);
    assert_eq!(may(&silent), [Permission::Pay, Permission::OpenAccounts, Permission::Issue, Permission::Govern]);
    assert_eq!(silent.thresholds, Thresholds::default());
    let operator = document["participants"].as_array_mut().unwrap().iter_mut();
    let operator = operator.into_iter().find(|entry| entry["role"] == "operator").unwrap();
    operator["thresholds"]["govern"] = serde_json::json!(1);
    assert_eq!(may(&of(&document)), [Permission::Pay, Permission::OpenAccounts, Permission::Issue], "it is said");
}
