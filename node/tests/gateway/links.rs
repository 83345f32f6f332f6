//! Deep links: made of good codes, shown on a page of the node's own, turning to PAID without being asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::fixture::{Devnet, PATIENCE, wait_for};
use crate::paying::{code, now_ms, pay_code, riels, static_code, submit};
use crate::shop::Shop;

const PATH: &str = "/v1/generate_deeplink_by_qr";

/// The stream of a link's status, after its head.
fn events(shop: &Shop, page: &str, seen: Option<&str>) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(&shop.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let seen = seen.map(|seen| format!("Last-Event-ID: {seen}\r\n")).unwrap_or_default();
    write!(stream, "GET {page}/events HTTP/1.1\r\nHost: {}\r\n{seen}\r\n", shop.address).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    assert!(head.contains("200 OK") && head.contains("text/event-stream"), "{head}");
    reader
}

/// The next status on a stream.
fn next(reader: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the stream ended");
        if let Some(data) = line.trim_end().strip_prefix("data: ") {
            return data.to_owned();
        }
    }
}

#[test]
fn the_page_of_a_link_turns_to_paid() {
    let devnet = Devnet::up();
    let shop = Shop::stranger(&devnet, "wing");
    let bill = code("bob@wing", "4000", "INV-<1>");
    let source = json!({
        "appIconUrl": "https://shop.example/icon.png", "appName": "<script>alert(1)</script>",
        "appDeepLinkCallback": "https://shop.example/?a=\"b\"",
    });
    let link = shop.data(PATH, &json!({ "qr": bill, "sourceInfo": source }))["shortLink"].clone();
    assert_eq!(shop.data(PATH, &json!({ "qr": bill, "sourceInfo": source }))["shortLink"], link, "the same link again");
    let link = link.as_str().unwrap();
    let page = link.strip_prefix(&format!("http://{}", shop.address)).unwrap();
    let answer = shop.get(page);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{}", answer.head);
    assert!(answer.body.contains("<svg") && answer.body.contains("data-status=\"WAITING\""), "{}", answer.body);
    assert!(answer.body.contains("&lt;script&gt;alert") && !answer.body.contains("<script>alert"), "{}", answer.body);
    assert!(!answer.body.contains("<?xml") && !answer.body.contains("style=\""), "{}", answer.body);
    for asset in ["/pay/page.js", "/pay/page.css"] {
        assert_eq!(shop.get(asset).status, 200, "{asset}");
    }

    let mut stream = events(&shop, page, None);
    assert_eq!(next(&mut stream), "{\"status\":\"WAITING\"}");
    let mut again = events(&shop, page, Some("WAITING"));
    submit(&devnet, "wing", &["aba"], vec![pay_code(&bill, "bob@wing", ("KHR", riels(4000)), ["i", "e"])]);
    assert_eq!(next(&mut stream), "{\"status\":\"PAID\"}");
    assert_eq!(next(&mut again), "{\"status\":\"PAID\"}", "what was seen is not told again");
    assert!(shop.get(page).body.contains("data-status=\"PAID\""));
    // Every other bank's node knows as much.
    let elsewhere = Shop::stranger(&devnet, "acleda");
    let link = elsewhere.data(PATH, &json!({ "qr": bill }))["shortLink"].clone();
    let path = link.as_str().unwrap().split_once("/pay/").unwrap().1.to_owned();
    wait_for("the other node", || elsewhere.get(&format!("/pay/{path}")).body.contains("data-status=\"PAID\""));
}

#[test]
fn only_codes_that_can_be_paid_have_links() {
    let devnet = Devnet::up();
    let shop = Shop::stranger(&devnet, "wing");
    let print = static_code("bob@wing");
    let link = shop.data(PATH, &json!({ "qr": print }))["shortLink"].clone();
    let page = format!("/pay/{}", link.as_str().unwrap().split_once("/pay/").unwrap().1);
    assert!(shop.get(&page).body.contains("data-status=\"OPEN\""));
    let expired = {
        let payee = tonle_khqr::Payee::Individual { account: "bob@wing", information: None, bank: None };
        let made = now_ms() - 7_200_000;
        let draft = tonle_khqr::Draft {
            amount: Some("4000"),
            expires_ms: Some(made + 60_000),
            ..tonle_khqr::Draft::new(payee, "Shop")
        };
        tonle_khqr::generate(&draft, made).unwrap()
    };
    let broken = print.replace("Coffee", "Cofee!");
    for qr in ["", "hello", &expired, &broken, &"0".repeat(5_000)] {
        assert_eq!(shop.refused(PATH, &json!({ "qr": qr })), 5, "{qr}");
    }
    for source in [
        json!({}),
        json!({ "appName": "Shop" }),
        json!({ "appIconUrl": "x", "appName": "", "appDeepLinkCallback": "" }),
    ] {
        assert_eq!(shop.refused(PATH, &json!({ "qr": print, "sourceInfo": source })), 5, "{source}");
    }
    for path in ["/pay/x", "/pay/00112233445566778899", "/pay/00112233445566778899/events"] {
        let answer = shop.get(path);
        assert!(answer.status == 404 && answer.head.contains("text/html"), "{path}: {}", answer.head);
    }
}
