//! A shop that speaks HTTP/1.1 by hand, so that nothing between it and the node mends what is wrong.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{Devnet, PATIENCE};

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The envelope's error code; 0 when it is as asked.
    pub(crate) fn code(&self) -> u64 {
        let json = self.json();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["data", "errorCode", "responseCode", "responseMessage"], "{}", self.body);
        assert_eq!(json["responseCode"] == 0, json["errorCode"].is_null(), "{}", self.body);
        json["errorCode"].as_u64().unwrap_or(0)
    }
}

/// A shop at one bank's node.
pub(crate) struct Shop {
    pub(crate) address: String,
    pub(crate) token: Option<String>,
    pub(crate) token_id: String,
}

impl Shop {
    /// A shop without a token, at the node of `bank`.
    pub(crate) fn stranger(devnet: &Devnet, bank: &str) -> Self {
        let validators = devnet.description["validators"].as_array().unwrap();
        let node = validators.iter().find(|validator| validator["name"] == bank).unwrap();
        Shop { address: node["merchant"].as_str().unwrap().to_owned(), token: None, token_id: String::new() }
    }

    /// A shop whose token reaches `account`, issued by the account's bank.
    pub(crate) fn new(devnet: &Devnet, account: &str) -> Self {
        let bank = account.split_once('@').unwrap().1;
        let issued =
            desk(devnet, bank, &["new", "--account", account, "--name", "Shop", "--email", "till@shop.example"]);
        let issued: Value = serde_json::from_str(&issued).unwrap();
        Shop {
            token: Some(issued["issued"]["secret"].as_str().unwrap().to_owned()),
            token_id: issued["issued"]["token"]["id"].as_str().unwrap().to_owned(),
            ..Shop::stranger(devnet, bank)
        }
    }

    /// Sends bytes, and reads until the node closes.
    pub(crate) fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A node that refuses before it has read all closes its side.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// POSTs a body as it is.
    pub(crate) fn post_raw(&self, path: &str, body: &[u8]) -> Answer {
        let authorization = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}Connection: \
             close\r\n\r\n",
            self.address,
            body.len(),
            authorization.unwrap_or_default()
        );
        self.send(&[head.as_bytes(), body].concat())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_raw(path, &serde_json::to_vec(body).unwrap())
    }

    /// The data of an answer that must be as asked.
    pub(crate) fn data(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!((answer.status, answer.code()), (200, 0), "{path} {body}: {}", answer.body);
        answer.json()["data"].clone()
    }

    /// The error code of an answer with status 200.
    pub(crate) fn refused(&self, path: &str, body: &Value) -> u64 {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.body);
        answer.code()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        self.send(head.as_bytes())
    }

    /// The payment by the code of an MD5, once it is there.
    pub(crate) fn poll(&self, md5: &str) -> Value {
        let mut found = Value::Null;
        crate::fixture::wait_for("the payment", || {
            let answer = self.post("/v1/check_transaction_by_md5", &json!({ "md5": md5 }));
            found = answer.json();
            // As often as a token may ask: fifty times a second.
            std::thread::sleep(Duration::from_millis(20));
            answer.code() == 0
        });
        found["data"].clone()
    }
}

/// Runs `tonle merchant token …` on the host of a bank's node; its output.
pub(crate) fn desk(devnet: &Devnet, bank: &str, arguments: &[&str]) -> String {
    let output = desk_output(devnet, bank, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", crate::fixture::text(&output.stderr));
    crate::fixture::text(&output.stdout)
}

/// The same, whatever comes of it.
pub(crate) fn desk_output(devnet: &Devnet, bank: &str, arguments: &[&str]) -> std::process::Output {
    let data = devnet.dir().join("nodes").join(bank).join("data");
    let mut command = crate::fixture::command_in(devnet.folder.path(), &["merchant", "token"]);
    command.args(arguments).arg("--json").arg("--data").arg(data).output().unwrap()
}

/// A stream of payments.
pub(crate) struct Stream(BufReader<TcpStream>);

impl Stream {
    pub(crate) fn open(shop: &Shop, query: &str, seen: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(&shop.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let seen = seen.map(|seen| format!("Last-Event-ID: {seen}\r\n")).unwrap_or_default();
        let (address, token) = (&shop.address, shop.token.as_ref().unwrap());
        let head = format!(
            "GET /v1/payments{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{seen}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.contains("200 OK") && head.contains("text/event-stream"), "{head}");
        Stream(reader)
    }

    /// The next payment's id, and what is told of it.
    pub(crate) fn next(&mut self) -> (String, Value) {
        let (mut id, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended");
            match line.trim_end().split_once(": ") {
                Some(("id", text)) => id = text.to_owned(),
                Some(("data", text)) => return (id, serde_json::from_str(text).unwrap()),
                _ => {}
            }
        }
    }

    /// Waits for its end; `false` when something is told before.
    pub(crate) fn ends(&mut self) -> bool {
        let mut rest = String::new();
        let _ = self.0.read_to_string(&mut rest);
        !rest.contains("data:")
    }
}
