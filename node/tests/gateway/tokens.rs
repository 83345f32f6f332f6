//! Who may ask: tokens of the bank, on the host of its node.

use serde_json::{Value, json};

use crate::fixture::{Devnet, text};
use crate::shop::{Shop, desk, desk_output};

const MD5: &str = "/v1/check_transaction_by_md5";

#[test]
fn a_token_is_asked_for_renewed_and_taken_back() {
    let devnet = Devnet::up();
    let shop = Shop::new(&devnet, "bob@wing");
    let unknown = json!({ "md5": "0".repeat(32) });
    let ask = |token: Option<&str>| {
        let shop = Shop { token: token.map(str::to_owned), token_id: String::new(), ..Shop::stranger(&devnet, "wing") };
        let answer = shop.post(MD5, &unknown);
        if answer.status == 401 {
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
        }
        (answer.status, answer.code())
    };
    let secret = shop.token.clone().unwrap();
    assert_eq!(ask(Some(&secret)), (200, 1));
    for bad in [None, Some(""), Some("tonle_00"), Some(&secret[..69]), Some(&secret.replace(&secret[30..34], "zzzz"))] {
        assert_eq!(ask(bad), (401, 6), "{bad:?}");
    }
    // Where none is needed, one that is not good is refused all the same.
    let stranger = Shop { token: Some("tonle_00".to_owned()), ..Shop::stranger(&devnet, "wing") };
    assert_eq!(stranger.post("/v1/check_bakong_account", &json!({ "accountId": "bob@wing" })).status, 401);
    // The token of one bank is nothing at another's node.
    let elsewhere = Shop { token: Some(secret.clone()), ..Shop::stranger(&devnet, "aba") };
    assert_eq!(elsewhere.post(MD5, &unknown).status, 401);

    assert_eq!(shop.refused("/v1/renew_token", &json!({ "email": "someone@shop.example" })), 10);
    let renewed = shop.data("/v1/renew_token", &json!({ "email": "till@shop.example" }))["token"].clone();
    let renewed = renewed.as_str().unwrap();
    assert_eq!((ask(Some(renewed)), ask(Some(&secret))), ((200, 1), (200, 1)), "both are good for an hour");

    let listed: Vec<Value> =
        desk(&devnet, "wing", &["list"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["id"], &listed[0]["accounts"]), (&json!(shop.token_id), &json!(["bob@wing"])));
    assert!(!format!("{listed:?}").contains(&secret[6..]), "a token is shown once");
    let id = listed[1]["id"].as_str().unwrap();
    desk(&devnet, "wing", &["revoke", id]);
    assert_eq!((ask(Some(renewed)), ask(Some(&secret))), ((401, 6), (200, 1)));
    for (arguments, why) in [
        (vec!["revoke", "0011223344556677"], "no token has this id"),
        (vec!["new", "--account", "alice@aba", "--name", "x"], "is kept by aba"),
        (vec!["new", "--account", "nobody@wing", "--name", "x"], "there is no account"),
        (vec!["new", "--account", "a@b@c", "--name", "x"], "is no account"),
        (vec!["new", "--account", "bob@wing", "--name", "x", "--days", "0"], "1 to 3,650 days"),
    ] {
        let output = desk_output(&devnet, "wing", &arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(why), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn who_asks_too_often_is_told_when_to_ask_again() {
    let devnet = Devnet::up();
    let (shop, other) = (Shop::new(&devnet, "bob@wing"), Shop::new(&devnet, "bob@wing"));
    let unknown = json!({ "md5": "0".repeat(32) });
    let refused = (0..2_000).find_map(|_| Some(shop.post(MD5, &unknown)).filter(|answer| answer.status == 429));
    let refused = refused.expect("2,000 requests in a row are more than fifty a second");
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    assert_eq!(refused.json()["errorCode"], Value::Null);
    assert_eq!(other.refused(MD5, &unknown), 1, "another token has its own measure");
}
