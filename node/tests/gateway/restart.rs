//! A node that was away: tokens and links are kept, and what was paid meanwhile is found.

use serde_json::json;
use tonle_khqr::Md5;

use crate::fixture::{Devnet, wait_for};
use crate::paying::{code, pay_code, riels, submit, transfer};
use crate::shop::{Shop, Stream};

#[test]
fn a_node_that_was_killed_finds_what_was_paid_meanwhile() {
    let devnet = Devnet::up();
    // Paid before anybody enrolled the account: its past is indexed with the token.
    submit(&devnet, "wing", &["aba"], vec![transfer("alice@aba", "bob@wing", riels(10), ["before-1", "before"])]);
    let shop = Shop::new(&devnet, "bob@wing");
    let find = |shop: &Shop, reference: &str| {
        shop.post("/v1/check_transaction_by_instruction_ref", &json!({ "instructionRef": reference })).code()
    };
    assert_eq!((find(&shop, "before-1"), find(&shop, "meanwhile-1")), (0, 1));
    let bill = code("bob@wing", "4000", "INV-1");
    let link = shop.data("/v1/generate_deeplink_by_qr", &json!({ "qr": bill }))["shortLink"].clone();
    let page = format!("/pay/{}", link.as_str().unwrap().split_once("/pay/").unwrap().1);

    devnet.done(&["devnet", "kill", "wing"]);
    submit(
        &devnet,
        "aba",
        &["aba"],
        vec![
            transfer("alice@aba", "bob@wing", riels(20), ["meanwhile-1", "meanwhile"]),
            pay_code(&bill, "bob@wing", ("KHR", riels(4000)), ["code-1", "code"]),
        ],
    );
    devnet.done(&["devnet", "restart", "wing"]);
    wait_for("the gateway", || std::net::TcpStream::connect(&shop.address).is_ok());
    shop.poll(&Md5::of(&bill).to_string());
    for reference in ["before-1", "meanwhile-1", "code-1"] {
        assert_eq!(find(&shop, reference), 0, "{reference}");
    }
    assert!(shop.get(&page).body.contains("data-status=\"PAID\""));
}

#[test]
fn a_stream_of_payments_is_taken_up_where_it_broke_off() {
    let devnet = Devnet::up();
    let shop = Shop::new(&devnet, "bob@wing");
    let pay =
        |name: &str| submit(&devnet, "wing", &["aba"], vec![transfer("alice@aba", "bob@wing", riels(1), [name, name])]);
    let mut stream = Stream::open(&shop, "", None);
    pay("one");
    let (first, payment) = stream.next();
    assert_eq!((&payment["instructionRef"], &payment["amount"]), (&json!("one"), &json!(1)));
    drop(stream);
    pay("two");
    let bill = code("bob@wing", "7", "INV-7");
    submit(&devnet, "wing", &["aba"], vec![pay_code(&bill, "bob@wing", ("KHR", riels(7)), ["three", "three"])]);
    let mut again = Stream::open(&shop, "", Some(&first));
    assert_eq!(again.next().1["instructionRef"], "two");
    assert_eq!(again.next().1["md5"], Md5::of(&bill).to_string());
    let mut one_code = Stream::open(&shop, &format!("?after=0.0.0&md5={}", Md5::of(&bill)), None);
    assert_eq!(one_code.next().1["instructionRef"], "three", "all other payments are left out");
    for (query, status) in [("?md5=x", 200), ("?after=1", 200), ("?other=1", 200)] {
        let request = format!(
            "GET /v1/payments{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            shop.token.as_ref().unwrap()
        );
        let answer = shop.send(request.as_bytes());
        assert_eq!((answer.status, answer.code()), (status, 5), "{query}");
    }
    assert_eq!(shop.get("/v1/payments").status, 401);
    crate::shop::desk(&devnet, "wing", &["revoke", &shop.token_id]);
    pay("four");
    assert!(again.ends(), "a token that was taken back is told nothing more");
}
