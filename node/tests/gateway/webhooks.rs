//! Payments told to a shop's server: signed, again until they are taken, after a kill too, and never where the bank did
//! not say.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use tonle_crypto::{PublicKey, Signature, Strict, Verifier};

use crate::fixture::{Devnet, PATIENCE, command_in, text};
use crate::paying::{code, pay_code, riels, submit, transfer};

/// A message that a shop's server got.
struct Message {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn references(&self) -> Vec<String> {
        let json = self.json();
        let payments = json["payments"].as_array().or(json["transactions"].as_array()).unwrap();
        payments.iter().map(|payment| payment["instructionRef"].as_str().unwrap().to_owned()).collect()
    }
}

/// A server that answers its connections with these statuses, one after the other, then with 200.
fn server(statuses: &'static [&'static str]) -> (String, Receiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/paid?shop=1", listener.local_addr().unwrap());
    let (told, messages) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut headers, mut line) = (BTreeMap::new(), String::new());
            while reader.read_line(&mut line).unwrap() > 2 {
                let (name, value) = line.trim_end().split_once(": ").unwrap_or((line.trim_end(), ""));
                headers.insert(name.to_lowercase(), value.to_owned());
                line.clear();
            }
            let length = headers["content-length"].parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = statuses.next().unwrap_or(&"200 OK");
            let answer = format!("HTTP/1.1 {status}\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            if told.send(Message { headers, body: text(&body) }).is_err() {
                return;
            }
        }
    });
    (url, messages)
}

/// Runs `tonle merchant webhook …` on the host of wing's node.
fn desk(devnet: &Devnet, arguments: &[&str]) -> Result<String, String> {
    let data = devnet.dir().join("nodes/wing/data");
    let mut command = command_in(devnet.folder.path(), &["merchant", "webhook"]);
    let output = command.args(arguments).arg("--json").arg("--data").arg(data).output().unwrap();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn add(devnet: &Devnet, url: &str, more: &[&str]) -> Value {
    let arguments = [&["new", "--account", "bob@wing", "--url", url, "--allow-private"], more].concat();
    serde_json::from_str(&desk(devnet, &arguments).unwrap()).unwrap()
}

fn pay(devnet: &Devnet, at: &str, name: &str) {
    submit(devnet, at, &["aba"], vec![transfer("alice@aba", "bob@wing", riels(1), [name, name])]);
}

/// Does the message bear the node's signature?
fn is_signed(message: &Message, key: &str) -> bool {
    let key = PublicKey::from_bytes(&hex::decode(key).unwrap().try_into().unwrap()).unwrap();
    let signature: [u8; 64] = hex::decode(&message.headers["tonle-signature"]).unwrap().try_into().unwrap();
    let (time, id) = (&message.headers["tonle-timestamp"], &message.headers["tonle-delivery"]);
    let signed = format!("tonle/v1/webhook\0{time}.{id}.{}", message.body);
    Strict.verify(&key, signed.as_bytes(), &Signature::from_bytes(signature)).is_ok()
}

#[test]
fn a_payment_is_told_until_it_is_taken() {
    let devnet = Devnet::up();
    pay(&devnet, "wing", "before");
    let (url, messages) = server(&["500 Broken", "302 Found"]);
    let hook = add(&devnet, &url, &[]);
    let bill = code("bob@wing", "7", "INV-7");
    submit(&devnet, "wing", &["aba"], vec![pay_code(&bill, "bob@wing", ("KHR", riels(7)), ["seven", "seven"])]);
    let tries: Vec<Message> = (0..3).map(|_| messages.recv_timeout(PATIENCE).unwrap()).collect();
    for message in &tries {
        assert_eq!(message.references(), ["seven"], "what was before is not told, and nothing twice in one message");
        assert_eq!(message.headers["idempotency-key"], tries[0].headers["tonle-delivery"]);
        assert_eq!(message.body, tries[0].body, "each attempt says the same");
        assert!(is_signed(message, hook["key"].as_str().unwrap()), "{}", message.body);
    }
    let payment = &tries[2].json()["payments"][0];
    assert_eq!((&payment["amount"], &payment["trackingStatus"]), (&json!(7), &json!("ACKNOWLEDGED_BY_FI")));
    assert_eq!(payment["md5"], tonle_khqr::Md5::of(&bill).to_string());
    let spoilt = Message { body: tries[0].body.replace("INV-7", "INV-8"), headers: tries[0].headers.clone() };
    assert!(!is_signed(&spoilt, hook["key"].as_str().unwrap()));

    pay(&devnet, "wing", "after");
    assert_eq!(messages.recv_timeout(PATIENCE).unwrap().references(), ["after"], "what is taken is not told again");
    // From the beginning, on the bank's word.
    let id = hook["id"].as_str().unwrap();
    desk(&devnet, &["replay", id, "--after", "0.0.0"]).unwrap();
    assert_eq!(messages.recv_timeout(PATIENCE).unwrap().references(), ["before", "seven", "after"]);
    assert_eq!(desk(&devnet, &["dead", id]).unwrap(), "");
    desk(&devnet, &["remove", id]).unwrap();
    assert!(desk(&devnet, &["dead", id]).unwrap_err().contains("no webhook has this id"));
    assert_eq!(desk(&devnet, &["list"]).unwrap(), "");
}

#[test]
fn a_kill_between_final_and_told_loses_nothing() {
    let devnet = Devnet::up();
    let (url, messages) = server(&["503 Later"]);
    let bearer = "bakong-secret";
    add(&devnet, &url, &["--bakong-bearer", bearer]);
    let bill = code("bob@wing", "7", "INV-7");
    submit(&devnet, "wing", &["aba"], vec![pay_code(&bill, "bob@wing", ("KHR", riels(7)), ["seven", "seven"])]);
    let refused = messages.recv_timeout(PATIENCE).unwrap();
    devnet.done(&["devnet", "kill", "wing"]);
    pay(&devnet, "aba", "meanwhile");
    // An attempt may have come between.
    let early: Vec<Message> = messages.try_iter().collect();
    devnet.done(&["devnet", "restart", "wing"]);
    let mut told: Vec<Message> = early;
    while !told.iter().any(|message| message.references().contains(&"meanwhile".to_owned())) {
        told.push(messages.recv_timeout(PATIENCE).unwrap());
    }
    let first = refused.json();
    assert_eq!(refused.headers["authorization"], format!("Bearer {bearer}"));
    assert_eq!(
        (&first["transactions"][0]["qrCode"], &first["transactions"][0]["status"]),
        (&json!(bill), &json!("SUCCESS"))
    );
    let same = told.iter().find(|message| message.json()["requestId"] == first["requestId"]);
    assert_eq!(same.unwrap().body, refused.body, "what is sent again after a restart is known as the same");
}

#[test]
fn a_webhook_leads_only_where_it_may() {
    let devnet = Devnet::up();
    let (url, messages) = server(&[]);
    for (url, why) in [
        (url.as_str(), "https://"),
        ("https://user:password@shop.example/", "password"),
        ("ftp://shop.example/", "https://"),
        ("nowhere", "https://"),
    ] {
        let refused = desk(&devnet, &["new", "--account", "bob@wing", "--url", url]).unwrap_err();
        assert!(refused.contains(why), "{url}: {refused}");
    }
    let refused = desk(&devnet, &["new", "--account", "alice@aba", "--url", "https://shop.example/"]).unwrap_err();
    assert!(refused.contains("is kept by aba"), "{refused}");
    // A name of this machine, as a server in a private network would have: it is configured, and never reached.
    let secret = url.replace("http://127.0.0.1", "https://localhost");
    desk(&devnet, &["new", "--account", "bob@wing", "--url", &secret]).unwrap();
    pay(&devnet, "wing", "one");
    crate::fixture::wait_for("an attempt", || {
        let listed = desk(&devnet, &["list"]).unwrap();
        serde_json::from_str::<Value>(&listed).unwrap()["attempts"].as_u64() > Some(0)
    });
    assert!(messages.try_recv().is_err());
}
