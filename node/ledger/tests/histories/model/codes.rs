//! What KHQR codes ask for, read here a second time, and which of them were paid that are paid once.
//!
//! Must not know: money; the library that the ledger reads codes with.

use std::collections::BTreeMap;

use tonle_ledger::*;

use crate::fixture::HOUR_MS;

/// A code that was paid and is paid once.
#[derive(Debug)]
struct Paid {
    expires_ms: u64,
    at_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Codes(BTreeMap<Box<str>, Paid>);

impl Codes {
    /// A payment that took effect: what its code asks for, in time, and once if the code says so.
    pub(crate) fn pay(&mut self, of: &PayKhqr, now_ms: u64) {
        let fields = elements(&of.payload);
        assert_eq!(elements(&fields["29"])["00"], of.to.as_str(), "who is paid");
        let currency = match fields["53"].as_str() {
            "116" => "KHR",
            "840" => "USD",
            other => panic!("currency {other}"),
        };
        assert_eq!(currency, of.asset.as_str(), "what is paid");
        if let Some(price) = fields.get("54") {
            assert_eq!(hundredths(price), of.amount.minor(), "how much of {price} is paid");
        }
        if fields["01"] == "11" {
            return;
        }
        assert_eq!((fields["01"].as_str(), fields.contains_key("54")), ("12", true), "{}", of.payload);
        let expires_ms = elements(&fields["99"])["01"].parse().unwrap();
        assert!(now_ms <= expires_ms && expires_ms <= now_ms + KHQR_LIFE_MAX_MS, "{expires_ms} is paid at {now_ms}");
        let paid = Paid { expires_ms, at_ms: now_ms };
        assert!(self.0.insert(of.payload.clone(), paid).is_none(), "{} is paid a second time", of.payload);
    }

    /// When a code was paid that is paid once.
    pub(crate) fn paid_ms(&self, payload: &str) -> Option<u64> {
        self.0.get(payload).map(|paid| paid.at_ms)
    }

    /// How many are remembered after a block of this time: those of the hours that are not over.
    pub(crate) fn keep(&mut self, now_ms: u64) -> usize {
        self.0.retain(|_, paid| paid.expires_ms / HOUR_MS >= now_ms / HOUR_MS);
        self.0.len()
    }
}

/// The elements of a code or of a template in it: two characters of a tag, two that say how long, and so many characters.
fn elements(text: &str) -> BTreeMap<String, String> {
    let mut rest = text.chars();
    let mut elements = BTreeMap::new();
    loop {
        let mut next = |count| rest.by_ref().take(count).collect::<String>();
        let tag = next(2);
        if tag.is_empty() {
            return elements;
        }
        let length = next(2).parse().unwrap();
        let value = next(length);
        assert!(elements.insert(tag, value).is_none(), "{text} says something twice");
    }
}

/// `40` and `40.5` in hundredths.
fn hundredths(text: &str) -> u64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    assert!(part.len() <= 2, "{text} is in hundredths");
    format!("{whole}{part:0<2}").parse().unwrap()
}
