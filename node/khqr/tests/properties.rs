//! Properties over drafts and payloads: what is made is read again, what is changed is refused, nothing panics, and the
//! work is linear in the length.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tonle_khqr::{
    Additional, Alternate, Currency, Decimal, Draft, Field, Language, Md5, PAYLOAD_BYTES_MAX, Payee, Terms, crc16,
    decode, generate, parse, verify,
};

const NOW_MS: u64 = 1_767_225_600_000;

/// Text as the caller owns it; `draft` borrows.
#[derive(Debug, Clone)]
struct Wish {
    merchant: bool,
    account: String,
    texts: Vec<Option<String>>,
    name: String,
    riel: bool,
    minor: u64,
    span_ms: u64,
    language: Option<(String, String, Option<String>)>,
}

/// Text of `units` letters at most: Latin, Khmer, and one that takes two units.
fn letters(units: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["[ -~]", "[\u{1780}-\u{17b3}]", Just("\u{1f35a}".to_owned())], 1..=units)
        .prop_map(|letters| letters.concat())
        .prop_filter("units", move |text| (1..=units).contains(&text.encode_utf16().count()))
}

fn wish() -> impl Strategy<Value = Wish> {
    let texts = proptest::collection::vec(proptest::option::of(letters(13)), 9);
    let language = proptest::option::of(("[a-z]{2}", letters(25), proptest::option::of(letters(15))));
    let amount = prop_oneof![Just(0u64), 1..10_000_000u64, 1..=999_999_999_999u64];
    (any::<bool>(), "[a-z0-9_.]{1,16}@[a-z]{1,15}", texts, letters(25), any::<bool>(), amount, 0..1u64 << 32, language)
        .prop_map(|(merchant, account, texts, name, riel, minor, span_ms, language)| Wish {
            merchant,
            account,
            texts,
            name,
            riel,
            minor: if riel { minor / 100 * 100 } else { minor },
            span_ms,
            language,
        })
}

impl Wish {
    fn text(&self, number: usize) -> Option<&str> {
        self.texts[number].as_deref()
    }
    fn amount(&self) -> Decimal {
        Decimal::new(self.minor, -2).unwrap()
    }
    fn currency(&self) -> Currency {
        if self.riel { Currency::Khr } else { Currency::Usd }
    }
    fn payee(&self) -> Payee<'_> {
        match self.merchant {
            true => Payee::Merchant {
                account: &self.account,
                id: self.text(0).unwrap_or("1"),
                bank: self.text(1).unwrap_or("Bank"),
            },
            false => Payee::Individual { account: &self.account, information: self.text(0), bank: self.text(1) },
        }
    }
    fn additional(&self) -> Additional<'_> {
        Additional {
            bill_number: self.text(2),
            mobile_number: self.text(3),
            store_label: self.text(4),
            terminal_label: self.text(5),
            purpose: self.text(6),
        }
    }
    fn payload(&self) -> String {
        let amount = self.amount().to_string();
        let language = self.language.as_ref();
        let draft = Draft {
            city: self.text(7),
            currency: Some(self.currency().number()),
            amount: Some(&amount),
            expires_ms: Some(NOW_MS + self.span_ms),
            additional: self.additional(),
            language: Alternate {
                preference: language.map(|(preference, ..)| preference.as_str()),
                name: language.map(|(_, name, _)| name.as_str()),
                city: language.and_then(|(.., city)| city.as_deref()),
            },
            union_pay: self.text(8).filter(|_| self.riel),
            ..Draft::new(self.payee(), &self.name)
        };
        generate(&draft, NOW_MS).unwrap()
    }
}

/// The same cases each time.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

#[test]
fn what_is_made_is_read_again() {
    let check = |wish: Wish| {
        let payload = wish.payload();
        let khqr = verify(&payload, NOW_MS + wish.span_ms).unwrap();
        prop_assert_eq!(khqr.payee, wish.payee());
        prop_assert_eq!((khqr.name, khqr.city), (wish.name.as_str(), wish.text(7).unwrap_or("Phnom Penh")));
        prop_assert_eq!((khqr.category, khqr.country, khqr.currency), ("5999", "KH", wish.currency()));
        let terms = match wish.minor {
            0 => Terms::Static { amount: None, created_ms: None },
            _ => Terms::Dynamic { amount: wish.amount(), created_ms: Some(NOW_MS), expires_ms: NOW_MS + wish.span_ms },
        };
        prop_assert_eq!(khqr.terms, terms);
        prop_assert_eq!(khqr.additional, wish.additional());
        let language = wish.language.as_ref();
        let language = language.map(|(preference, name, city)| Language { preference, name, city: city.as_deref() });
        prop_assert_eq!(khqr.language, language);
        prop_assert_eq!(khqr.union_pay, wish.text(8).filter(|_| wish.riel));
        prop_assert!(payload.encode_utf16().count() <= 511);
        prop_assert_eq!(decode(&payload).get(Field::Crc), Some(&payload[payload.len() - 4..]));
        Ok(())
    };
    runner(4_000).run(&wish(), check).unwrap();
}

/// The checksum finds every change of one character, but that of its own letters' case.
#[test]
fn one_changed_character_is_refused_or_changes_nothing() {
    let check = |(wish, letter): (Wish, char)| {
        let payload = wish.payload();
        let khqr = parse(&payload).unwrap();
        for (at, old) in payload.char_indices() {
            for new in [letter, '0', '9', 'A', 'f', '@', ' ', old.to_ascii_lowercase(), old.to_ascii_uppercase()] {
                let mut changed = payload.clone();
                changed.replace_range(at..at + old.len_utf8(), new.encode_utf8(&mut [0; 4]));
                if let Ok(read) = parse(&changed) {
                    prop_assert_eq!(&read, &khqr, "{} became {}", &payload, &changed);
                    prop_assert!(changed.eq_ignore_ascii_case(&payload));
                    prop_assert!(old == new || at + 4 >= payload.len());
                }
            }
        }
        Ok(())
    };
    runner(100).run(&(wish(), any::<char>()), check).unwrap();
}

#[test]
fn two_codes_have_two_md5s() {
    let check = |(one, other): (Wish, Wish)| {
        let (one, other) = (one.payload(), other.payload());
        prop_assert_eq!(one == other, Md5::of(&one) == Md5::of(&other));
        Ok(())
    };
    runner(500).run(&(wish(), wish()), check).unwrap();
}

/// A small generator of numbers: which changes are made is the seed's.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((value ^ (value >> 31)) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// One to four changes, often among digits, where lengths and tags stand.
fn mutate(payload: &str, chance: &mut Chance) -> String {
    let mut letters: Vec<char> = payload.chars().collect();
    for _ in 0..=chance.below(4) {
        let at = chance.below(letters.len());
        let letter = ['0', '1', '2', '6', '9', '@', ' ', '.', '-', 'x', 'ក', '\u{1f35a}', '\0'][chance.below(13)];
        match chance.below(5) {
            0 => letters.insert(at, letter),
            1 if at < letters.len() => drop(letters.remove(at)),
            2 => letters.truncate(at.max(8)),
            3 => {
                let copy: Vec<char> = letters.iter().skip(at).take(chance.below(40)).copied().collect();
                let to = chance.below(letters.len());
                letters.splice(to..to, copy);
            }
            _ => letters.iter_mut().skip(at).take(1).for_each(|place| *place = letter),
        }
    }
    letters.into_iter().collect()
}

fn sealed(text: &str) -> String {
    let text = format!("{text}6304");
    format!("{text}{:04X}", crc16(text.as_bytes()))
}

/// Half of them with a checksum that holds, so that what stands behind it is reached.
#[test]
fn of_two_hundred_thousand_mutated_payloads_none_panics_or_lies() {
    let seeds = std::cell::RefCell::new(Vec::new());
    let keep = |wish: Wish| {
        seeds.borrow_mut().push(wish.payload());
        Ok(())
    };
    runner(200).run(&wish(), keep).unwrap();
    let seeds = seeds.into_inner();
    let (mut chance, mut valid) = (Chance(7), 0);
    for round in 0..200_000 {
        let seed = &seeds[chance.below(seeds.len())];
        let end = seed.len() - 8;
        let payload =
            if round % 2 == 0 { sealed(&mutate(&seed[..end], &mut chance)) } else { mutate(seed, &mut chance) };
        let fields = decode(&payload);
        if let Ok(khqr) = parse(&payload) {
            valid += 1;
            assert_eq!(fields.get(Field::Account), Some(khqr.payee.account()), "{payload}");
            assert_eq!(fields.get(Field::Name), Some(khqr.name), "{payload}");
            assert!(khqr.amount().is_none_or(|amount| !amount.is_zero()), "{payload}");
            assert!(khqr.payee.account().matches('@').count() == 1, "{payload}");
        }
        assert!(fields.iter().all(|(field, value)| field == Field::MerchantType || payload.contains(value)));
    }
    assert!(valid > 1_000, "only {valid} were valid: nothing behind the checksum was reached");
}

/// Each character is read at most twice (once at the top, once inside a template): the fields' texts, which are pieces of
/// the payload, lie apart from each other. Whatever is longer than the bound is not read at all.
#[test]
fn no_character_is_in_two_fields() {
    let mut chance = Chance(11);
    let tags = ["00", "01", "15", "29", "30", "52", "59", "62", "64", "99", "80", "63"];
    for _ in 0..20_000 {
        let mut payload = String::new();
        for _ in 0..chance.below(30) {
            let value = format!("{:02}{:02}{}", chance.below(9), 3, "abc").repeat(chance.below(14));
            let length = value.len() + chance.below(2);
            payload.push_str(&format!("{}{length:02}{value}", tags[chance.below(tags.len())]));
        }
        let whole = payload.as_ptr().addr();
        let mut places: Vec<(usize, usize)> = decode(&payload)
            .iter()
            .filter(|(field, value)| *field != Field::MerchantType && !value.is_empty())
            .map(|(_, value)| (value.as_ptr().addr() - whole, value.len()))
            .collect();
        places.sort_unstable();
        assert!(places.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{payload}");
        assert!(places.iter().all(|(start, length)| start + length <= payload.len()));
    }
    let long = sealed(&"8099".repeat(PAYLOAD_BYTES_MAX));
    assert!(parse(&long).is_err() && decode(&long).iter().next().is_none());
}
