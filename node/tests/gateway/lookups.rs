//! What a shop finds, and what it does not.

use serde_json::{Value, json};
use tonle_khqr::Md5;
use tonle_ledger::{Amount, Progress};

use crate::fixture::Devnet;
use crate::paying::{code, pay_code, riels, static_code, submit, to_bank, track, transfer};
use crate::shop::Shop;

fn md5(payload: &str) -> String {
    Md5::of(payload).to_string()
}

#[test]
fn a_shop_finds_its_payments_by_every_name_and_nobody_elses() {
    let devnet = Devnet::up();
    let shop = Shop::new(&devnet, "bob@wing");
    let bill = code("bob@wing", "4000", "INV-1");
    assert_eq!(shop.refused("/v1/check_transaction_by_md5", &json!({ "md5": md5(&bill) })), 1);
    let hash = submit(
        &devnet,
        "wing",
        &["aba"],
        vec![pay_code(&bill, "bob@wing", ("KHR", riels(4000)), ["instruction-1", "external-1"])],
    );
    let short = shop.poll(&md5(&bill));
    let time = short["createdDateMs"].as_u64().unwrap();
    assert_eq!(
        short,
        json!({
            "hash": hash, "fromAccountId": "alice@aba", "toAccountId": "bob@wing", "currency": "KHR", "amount": 4000,
            "description": "INV-1", "createdDateMs": time, "acknowledgedDateMs": time,
        })
    );
    let mut long = short.clone();
    let more = json!({
        "trackingStatus": "ACKNOWLEDGED_BY_FI", "receiverBank": "wing", "receiverBankAccount": "bob@wing",
        "instructionRef": "instruction-1", "externalRef": "external-1",
    });
    long.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let questions = [
        ("/v1/check_transaction_by_hash", json!({ "hash": hash })),
        ("/v1/check_transaction_by_hash", json!({ "hash": hash.to_uppercase() })),
        ("//v1//check_transaction_by_hash", json!({ "hash": hash })),
        ("/v1/check_transaction_by_short_hash", json!({ "hash": hash[..8], "amount": 4000, "currency": "KHR" })),
        (
            "/v1/check_transaction_by_short_hash",
            json!({ "shortHash": hash[..8], "amount": "4000.00", "currency": "KHR" }),
        ),
        ("/v1/check_transaction_by_instruction_ref", json!({ "instructionRef": "instruction-1" })),
        ("/v1/check_transaction_by_external_ref", json!({ "externalRef": "external-1" })),
    ];
    for (path, body) in &questions {
        assert_eq!(shop.data(path, body), long, "{path} {body}");
    }
    let other = Shop::new(&devnet, "sokha@acleda");
    let payer = Shop::new(&devnet, "alice@aba");
    payer.poll(&md5(&bill));
    // Another shop has a good token, and sees nothing; the payer's bank sees the same as the payee's.
    for (path, body) in questions.iter().chain([&("/v1/check_transaction_by_md5", json!({ "md5": md5(&bill) }))]) {
        assert_eq!(other.refused(path, body), 1, "{path} {body}");
        assert_eq!(payer.data(path, body)["hash"], hash.as_str(), "{path} {body}");
    }
    for (amount, currency) in [(json!(4001), "KHR"), (json!(4000), "USD"), (json!(40), "XXX"), (json!(0.001), "KHR")] {
        let body = json!({ "hash": hash[..8], "amount": amount, "currency": currency });
        assert_eq!(shop.refused("/v1/check_transaction_by_short_hash", &body), 1, "{body}");
    }
    lists(&devnet, &shop, &bill, &hash);
}

/// Lists answer in the order asked, each for itself.
fn lists(devnet: &Devnet, shop: &Shop, bill: &str, hash: &str) {
    let print = static_code("bob@wing");
    submit(
        devnet,
        "wing",
        &["aba"],
        vec![pay_code(&print, "bob@wing", ("USD", Amount::from_minor(150)), ["usd-1", "usd-1"])],
    );
    assert_eq!(shop.refused("/v1/check_transaction_by_md5", &json!({ "md5": md5(&print) })), 2);
    assert_eq!(
        shop.data("/v1/check_transaction_by_external_ref", &json!({ "externalRef": "usd-1" }))["amount"].to_string(),
        "1.5"
    );
    let unknown = "0".repeat(32);
    let asked = json!([unknown, md5(&print), "no md5", md5(bill), md5(bill)]);
    for body in [asked.clone(), json!({ "md5List": asked })] {
        let answer = shop.data("/v1/check_transaction_by_md5_list", &body);
        let entries: Vec<(&Value, &str)> = entries(&answer, "md5");
        let status = ["NOT_FOUND", "STATIC_QR", "NOT_FOUND", "SUCCESS", "SUCCESS"];
        assert_eq!(entries, asked.as_array().unwrap().iter().zip(status).collect::<Vec<_>>());
        assert_eq!(answer[3]["data"]["hash"], hash);
    }
    // More than alice has.
    let rejected =
        submit(devnet, "wing", &["aba"], vec![transfer("alice@aba", "bob@wing", riels(90_000_000), ["poor", "poor"])]);
    assert_eq!(shop.refused("/v1/check_transaction_by_hash", &json!({ "hash": rejected })), 3);
    let asked = json!(["f".repeat(64), rejected, hash, ""]);
    for body in [asked.clone(), json!({ "hashList": asked })] {
        let answer = shop.data("/v1/check_transaction_by_hash_list", &body);
        let status = ["NOT_FOUND", "FAILED", "SUCCESS", "NOT_FOUND"];
        assert_eq!(entries(&answer, "hash"), asked.as_array().unwrap().iter().zip(status).collect::<Vec<_>>());
        assert_eq!(answer[2]["data"]["trackingStatus"], "ACKNOWLEDGED_BY_FI");
    }
    for (path, item) in [("/v1/check_transaction_by_md5_list", 32), ("/v1/check_transaction_by_hash_list", 64)] {
        assert_eq!(shop.data(path, &json!(vec!["0".repeat(item); 50])).as_array().unwrap().len(), 50);
        assert_eq!(shop.refused(path, &json!(vec!["0".repeat(item); 51])), 5);
        assert_eq!(shop.data(path, &json!([])), json!([]));
    }
}

fn entries<'a>(answer: &'a Value, key: &str) -> Vec<(&'a Value, &'a str)> {
    answer.as_array().unwrap().iter().map(|entry| (&entry[key], entry["status"].as_str().unwrap())).collect()
}

#[test]
fn a_transfer_to_a_bank_is_tracked_to_its_end() {
    let devnet = Devnet::up();
    let shop = Shop::new(&devnet, "bob@wing");
    let stage = |name: &str| {
        let found = shop.data("/v1/check_transaction_by_instruction_ref", &json!({ "instructionRef": name }));
        (found["trackingStatus"].as_str().unwrap().to_owned(), found["acknowledgedDateMs"].is_u64())
    };
    let is = |status: &str, acknowledged| (status.to_owned(), acknowledged);
    for (name, end, status, acknowledged) in [
        ("kept", Progress::Acknowledged, "ACKNOWLEDGED_BY_FI", true),
        ("returned", Progress::Refused, "REFUNDED_BY_RECEIVER", false),
    ] {
        submit(&devnet, "wing", &["aba"], vec![to_bank(riels(100), name)]);
        assert_eq!(stage(name), is("RECEIVE_AT_ACH", false));
        submit(&devnet, "wing", &["wing"], vec![track(name, Progress::Received)]);
        assert_eq!(stage(name), is("RECEIVE_AT_RECEIVER_BANK", false));
        submit(&devnet, "wing", &["wing"], vec![track(name, end)]);
        assert_eq!(stage(name), is(status, acknowledged));
    }
}

#[test]
fn what_is_no_question_is_answered_in_the_envelope() {
    let devnet = Devnet::up();
    let (shop, stranger) = (Shop::new(&devnet, "bob@wing"), Shop::stranger(&devnet, "wing"));
    for (path, bodies) in [
        ("/v1/check_transaction_by_md5", vec!["", "{}", "[]", "{\"md5\":1}", "{\"md5\":\"x\"}", "\u{feff}{}"]),
        ("/v1/check_transaction_by_hash", vec!["{\"hash\":\"00\"}", "{\"md5\":\"00\"}"]),
        (
            "/v1/check_transaction_by_short_hash",
            vec![
                "{\"hash\":\"0011aabb\"}",
                "{\"hash\":\"0011aabb\",\"amount\":null,\"currency\":\"KHR\"}",
                "{\"hash\":\"0011aabb\",\"amount\":-1,\"currency\":\"KHR\"}",
                "{\"hash\":\"0011aab\",\"amount\":1,\"currency\":\"KHR\"}",
            ],
        ),
        ("/v1/check_transaction_by_instruction_ref", vec!["{\"externalRef\":\"x\"}"]),
        ("/v1/check_transaction_by_external_ref", vec!["{\"externalRef\":null}"]),
        ("/v1/check_transaction_by_md5_list", vec!["{}", "[1]", "null"]),
        ("/v1/renew_token", vec!["{}"]),
    ] {
        for body in bodies {
            let answer = shop.post_raw(path, body.as_bytes());
            assert_eq!((answer.status, answer.code()), (200, 5), "{path} {body}: {}", answer.body);
        }
    }
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(shop.post_raw("/v1/check_transaction_by_md5", deep.as_bytes()).code(), 5);
    let long = vec![b' '; 65_537];
    assert_eq!(shop.post_raw("/v1/check_transaction_by_md5", &long).status, 413);
    for (path, status) in [("/", 404), ("/v1/nothing", 404), ("/v1/check_transaction_by_md5", 405)] {
        let answer = stranger.get(path);
        assert_eq!((answer.status, answer.json()["responseCode"].as_u64()), (status, Some(1)), "{path}");
    }
    let accounts = [
        (json!({ "accountId": "bob@wing" }), 0),
        (json!({ "bakongAccountID": "bob@wing" }), 0),
        (json!({ "accountId": "nobody@wing" }), 11),
        (json!({ "accountId": "a@b@c" }), 12),
        (json!({ "accountId": "" }), 12),
        (json!({ "account": "bob@wing" }), 5),
    ];
    for (body, code) in accounts {
        let answer = stranger.post("/v1/check_bakong_account", &body);
        assert_eq!((answer.code(), &answer.json()["data"]), (code, &Value::Null), "{body}");
    }
}
