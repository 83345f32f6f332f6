//! What is asked of every package: orders for codes, good and bad, and payloads, good and spoilt. All of it is a seed's.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tonle_khqr::{Additional, Alternate, Draft, ErrorCode, Payee, crc16, generate};

/// When everything happens, in milliseconds.
pub(crate) const NOW_MS: u64 = 1_767_225_600_000;

/// A stream of choices (SplitMix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// 0 to below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((value ^ (value >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
    /// Once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
    /// Text of so many letters, of one alphabet.
    pub(crate) fn text(&mut self, length: usize) -> String {
        let alphabet: Vec<char> =
            self.pick(&["abcXYZ019 -./", "abc 0123", "A.B-C", "កខគឃងចឆ ា្", "កa្ 1", "ab\u{1f35a}"]).chars().collect();
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

/// Fields of an order beside account, name and city, with their bounds.
const OPTIONAL: [(&str, usize); 10] = [
    ("acquiringBank", 32),
    ("billNumber", 25),
    ("mobileNumber", 25),
    ("storeLabel", 25),
    ("terminalLabel", 25),
    ("purposeOfTransaction", 25),
    ("languagePreference", 2),
    ("merchantNameAlternateLanguage", 25),
    ("merchantCityAlternateLanguage", 15),
    ("upiMerchantAccount", 99),
];
/// Amounts as JSON numbers.
const AMOUNTS: [&str; 18] = [
    "0",
    "1",
    "100",
    "50000",
    "1.5",
    "0.01",
    "0.10",
    "100.05",
    "9999999999.99",
    "99999999999.99",
    "9999999999999",
    "12345678901234",
    "1.005",
    "-1",
    "-0.5",
    "2.50",
    "1e3",
    "1e21",
];

/// An order for a code, in the words of npm's bakong-khqr.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) merchant: bool,
    pub(crate) texts: BTreeMap<&'static str, String>,
    pub(crate) amount: Option<&'static str>,
    pub(crate) currency: Option<&'static str>,
    pub(crate) expires_ms: Option<u64>,
}

impl Order {
    /// One that is good but for a fault now and then.
    pub(crate) fn any(chance: &mut Chance) -> Self {
        let merchant = chance.once_in(2);
        let mut texts = BTreeMap::new();
        let bank = chance.pick(&["aba", "wing", "aclb"]);
        let account = format!("{}@{bank}", "dara".repeat(1 + chance.below(6)));
        let odd = ["", "dara", "a@b@c", "@aba", "dara@", "abcdefghijklmnopqrstuvwxyz0123@aba", "a@@b"];
        texts.insert("bakongAccountID", if chance.once_in(20) { chance.pick(&odd).to_owned() } else { account });
        for (name, max) in [("merchantName", 25), ("merchantCity", 15)] {
            let length = length(chance, max);
            texts.insert(name, chance.text(length));
        }
        let own = if merchant { ("merchantID", 32) } else { ("accountInformation", 32) };
        for (name, max) in [own].into_iter().chain(OPTIONAL) {
            let needed = merchant && ["merchantID", "acquiringBank"].contains(&name);
            if needed && !chance.once_in(20) || chance.once_in(4) {
                let length = length(chance, max);
                texts.insert(name, chance.text(length));
            }
        }
        if chance.once_in(4) {
            texts.insert(
                "merchantCategoryCode",
                chance.pick(&["5411", "0000", "742", "5999", "59A9", "54111"]).to_owned(),
            );
        }
        Order {
            merchant,
            texts,
            amount: if chance.once_in(3) { None } else { Some(chance.pick(&AMOUNTS)) },
            currency: if chance.once_in(30) { Some("978") } else { chance.pick(&[None, Some("116"), Some("840")]) },
            expires_ms: if chance.once_in(10) {
                chance.pick(&[None, Some(0), Some(NOW_MS - 1), Some(NOW_MS / 1_000), Some(NOW_MS * 10)])
            } else {
                Some(NOW_MS + chance.pick(&[0, 600_000, 86_400_000]))
            },
        }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", String::as_str)
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// As the JavaScript packages are asked. The amount stands as it is written: only they make a float of it.
    pub(crate) fn line(&self) -> String {
        let mut input: Map<String, Value> =
            self.texts.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        input.insert("account_type".to_owned(), json!(if self.merchant { "merchant" } else { "individual" }));
        if let Some(currency) = self.currency {
            input.insert("currency".to_owned(), json!(currency.parse::<u32>().unwrap()));
        }
        if let Some(expires_ms) = self.expires_ms {
            input.insert("expirationTimestamp".to_owned(), json!(expires_ms));
        }
        if self.amount.is_some() {
            input.insert("amount".to_owned(), json!("AMOUNT"));
        }
        let line = json!({ "now": NOW_MS, "input": input }).to_string();
        line.replace("\"AMOUNT\"", self.amount.unwrap_or_default())
    }

    /// The code that this crate makes.
    pub(crate) fn generate(&self) -> Result<String, ErrorCode> {
        let account = self.text("bakongAccountID");
        let payee = if self.merchant {
            Payee::Merchant { account, id: self.text("merchantID"), bank: self.text("acquiringBank") }
        } else {
            let information = self.optional("accountInformation");
            Payee::Individual { account, information, bank: self.optional("acquiringBank") }
        };
        let draft = Draft {
            city: self.optional("merchantCity"),
            category: self.optional("merchantCategoryCode"),
            currency: self.currency,
            amount: self.amount,
            expires_ms: self.expires_ms,
            additional: Additional {
                bill_number: self.optional("billNumber"),
                mobile_number: self.optional("mobileNumber"),
                store_label: self.optional("storeLabel"),
                terminal_label: self.optional("terminalLabel"),
                purpose: self.optional("purposeOfTransaction"),
            },
            language: Alternate {
                preference: self.optional("languagePreference"),
                name: self.optional("merchantNameAlternateLanguage"),
                city: self.optional("merchantCityAlternateLanguage"),
            },
            union_pay: self.optional("upiMerchantAccount"),
            ..Draft::new(payee, self.text("merchantName"))
        };
        generate(&draft, NOW_MS)
    }
}

/// A length within a bound; rarely none, all of it, or one too many.
fn length(chance: &mut Chance, max: usize) -> usize {
    match chance.below(80) {
        0 => 0,
        1 => max,
        2 => max + 1,
        _ => 1 + chance.below(max.min(12)),
    }
}

/// An order in the words of PyPI's package, which knows individuals only.
pub(crate) fn python_order(chance: &mut Chance) -> Value {
    let account = chance.pick(&["dara@aba", "shop@wing", "dara@aba", "dara", "a@b@c"]);
    let (name, city) = (1 + chance.below(25), 1 + chance.below(15));
    let mut input = json!({
        "account_id": account,
        "merchant_name": chance.text(name),
        "merchant_city": chance.text(city),
        "currency": chance.pick(&["KHR", "USD"]),
        "amount": chance.pick(&[0.0, 1.0, 100.0, 50_000.0, 1.5, 0.01, 100.05, 0.1, 9_999_999.99]),
        "expiration": 1 + chance.below(3),
    });
    for name in ["bill_number", "store_label", "terminal_label"] {
        if chance.once_in(2) {
            let length = 1 + chance.below(20);
            input[name] = json!(chance.text(length));
        }
    }
    input
}

/// The payload under a checksum that holds.
pub(crate) fn sealed(text: &str) -> String {
    let text = format!("{text}6304");
    format!("{text}{:04X}", crc16(text.as_bytes()))
}

/// A valid payload, spoilt: one or two of its elements, or some of its letters; mostly under a checksum that holds.
pub(crate) fn spoilt(payload: &str, chance: &mut Chance) -> String {
    let body = &payload[..payload.len() - 8];
    let mut elements = cut(body);
    for _ in 0..=chance.below(2) {
        let at = chance.below(elements.len());
        match chance.below(9) {
            0 => drop(elements.remove(at)),
            1 => elements.push(elements[at].clone()),
            2 => {
                let to = chance.below(elements.len());
                elements.swap(at, to);
            }
            3 => elements[at].1 = chance.pick(&VALUES).to_owned(),
            4 => {
                let length = chance.below(40);
                elements[at].1 = chance.text(length);
            }
            5 => {
                elements[at].0 =
                    chance.pick(&["00", "01", "15", "29", "30", "54", "59", "62", "80", "99", "5A", "63"]).to_owned()
            }
            6 => {
                let length = chance.below(20);
                elements.insert(
                    at,
                    (chance.pick(&["15", "29", "30", "54", "62", "64", "80", "99"]).to_owned(), chance.text(length)),
                );
            }
            _ => elements[at].1 = one_letter(&elements[at].1, chance),
        }
        if elements.is_empty() {
            break;
        }
    }
    let mut text: String =
        elements.iter().map(|(tag, value)| format!("{tag}{:02}{value}", value.encode_utf16().count())).collect();
    if chance.once_in(4) && !text.is_empty() {
        text = one_letter(&text, chance);
    }
    if chance.once_in(20) { one_letter(payload, chance) } else { sealed(&text) }
}

/// Values that are wrong in one way each, or right elsewhere.
const VALUES: [&str; 20] = [
    "",
    "01",
    "11",
    "12",
    "13",
    "116",
    "840",
    "978",
    "0",
    "1.5",
    "1.005",
    "-1",
    "abc",
    "0005a@b@c",
    "0003a@b01010",
    "0003a@b0101x0201y",
    "0002km",
    "0002km0101x",
    "0103B-10",
    "0013176722560000001131767226200000",
];

fn cut(body: &str) -> Vec<(String, String)> {
    let units: Vec<u16> = body.encode_utf16().collect();
    let text = |from: usize, to: usize| String::from_utf16(&units[from..to]).unwrap();
    let (mut elements, mut at) = (Vec::new(), 0);
    while at < units.len() {
        let end = at + 4 + text(at + 2, at + 4).parse::<usize>().unwrap();
        elements.push((text(at, at + 2), text(at + 4, end)));
        at = end;
    }
    elements
}

/// One letter changed, gone, or one more.
fn one_letter(text: &str, chance: &mut Chance) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = chance.below(letters.len() + 1);
    let letter = chance.pick(&['0', '1', '2', '5', '9', 'x', '@', ' ', '+', '.', 'ក', '\u{1f35a}']);
    match chance.below(3) {
        0 => letters.insert(at, letter),
        1 if at < letters.len() => letters[at] = letter,
        _ => drop(letters.drain(at.min(letters.len().saturating_sub(1))..(at + 1).min(letters.len()))),
    }
    letters.into_iter().collect()
}
