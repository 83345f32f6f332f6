//! Round trips, and all that must not open. That other programs open it and are opened is tested in node/tests/clients.

use tonle_crypto::{EncryptionKey, SecretKey};
use tonle_ledger::{SEALED_BUCKETS, SEALED_OVERHEAD, Sealed};
use tonle_proto::v1::PrivateDetails;

use super::{
    DetailsError, OpenError, Randomness, Recipients, decrypt, encrypt, identity_text, open, pad, parse_recipient,
    recipient_text, seal, unpad,
};

fn key(name: &str) -> SecretKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SecretKey::from_seed(&seed)
}

fn recipients() -> Recipients {
    ["aba", "wing", "nbc"].map(|name| key(name).public().encryption_key())
}

fn details(note: &str) -> PrivateDetails {
    PrivateDetails {
        note: note.to_owned(), payee_name: "សុខ ដារ៉ា".to_owned(), ..PrivateDetails::default()
    }
}

fn drawn() -> Randomness {
    Randomness::of_system().unwrap()
}

/// The vector in node/tests/clients: what is drawn is 1, 2, 3, … in the order in which it stands.
fn counted() -> Randomness {
    let mut next = 0u8;
    let mut count = || {
        next += 1;
        next
    };
    let file_key = std::array::from_fn(|_| count());
    let secrets = std::array::from_fn(|_| std::array::from_fn(|_| count()));
    Randomness::fixed(file_key, secrets, std::array::from_fn(|_| count()))
}

#[test]
fn each_of_the_three_opens_it_and_nobody_else() {
    let sealed = seal(&details("rent for May"), &recipients(), &drawn()).unwrap();
    for name in ["aba", "wing", "nbc"] {
        assert_eq!(open(&sealed, &[key(name)]), Ok(details("rent for May")));
        assert_eq!(open(&sealed, &[key("acleda"), key(name)]), Ok(details("rent for May")), "among other keys");
    }
    for keys in [Vec::new(), vec![key("acleda")], vec![key("acleda"), key("canadia")]] {
        assert_eq!(open(&sealed, &keys), Err(OpenError::NotForThisKey));
    }
}

#[test]
fn who_is_two_of_them_stands_twice() {
    let [aba, ..] = recipients();
    let sealed = seal(&details("between two accounts of one bank"), &[aba, aba, aba], &drawn()).unwrap();
    assert_eq!(sealed.as_bytes().len(), SEALED_OVERHEAD + 128);
    assert!(open(&sealed, &[key("aba")]).is_ok());
}

#[test]
fn the_same_text_is_never_sealed_alike() {
    let once = seal(&details("x"), &recipients(), &drawn()).unwrap();
    let again = seal(&details("x"), &recipients(), &drawn()).unwrap();
    assert_ne!(once, again);
    // Not a line of them, either: neither recipients nor text can be linked.
    let lines = |sealed: &Sealed| -> Vec<Vec<u8>> {
        let header = &sealed.as_bytes()[..SEALED_OVERHEAD - 32];
        header.split(|byte| *byte == b'\n').filter(|line| line.len() > 40).map(<[u8]>::to_vec).collect()
    };
    assert!(lines(&once).iter().all(|line| !lines(&again).contains(line)));
    assert_ne!(once.as_bytes()[SEALED_OVERHEAD - 16..], again.as_bytes()[SEALED_OVERHEAD - 16..]);
}

/// A changed byte, or a bit of one, is never opened as something else, by any of the recipients.
#[test]
fn nothing_changed_is_opened() {
    let sealed = seal(&details("rent"), &recipients(), &drawn()).unwrap();
    let bytes = sealed.as_bytes();
    let mut of_form = 0;
    for at in 0..bytes.len() {
        for flip in [1u8, 0x20, 0x80] {
            let mut changed = bytes.to_vec();
            changed[at] ^= flip;
            let Some(changed) = Sealed::from_bytes(&changed) else { continue };
            of_form += 1;
            for name in ["aba", "wing", "nbc"] {
                let error = open(&changed, &[key(name)]).unwrap_err();
                assert!(matches!(error, OpenError::NotForThisKey | OpenError::Changed), "{at}: {error:?}");
            }
        }
    }
    assert!(of_form > 3 * 160, "{of_form}: all of the text, and most of the header's characters");
    for length in 0..bytes.len() {
        assert_eq!(Sealed::from_bytes(&bytes[..length]), None, "the first {length} bytes");
    }
}

/// The header of one and the text of another, under the same keys.
#[test]
fn halves_of_two_do_not_make_one() {
    let [one, other] = ["one", "other"].map(|note| seal(&details(note), &recipients(), &drawn()).unwrap());
    let header = SEALED_OVERHEAD - 32;
    let mixed = [&one.as_bytes()[..header], &other.as_bytes()[header..]].concat();
    assert_eq!(open(&Sealed::from_bytes(&mixed).unwrap(), &[key("aba")]), Err(OpenError::Changed));
}

#[test]
fn the_size_says_only_which_of_four_it_is() {
    let mut sizes = Vec::new();
    for length in 0..1_100 {
        let message = PrivateDetails { note: "x".repeat(length), ..PrivateDetails::default() };
        match seal(&message, &recipients(), &counted()) {
            Ok(sealed) => sizes.push(sealed.as_bytes().len()),
            Err(error) => {
                assert_eq!(error, DetailsError::TooLong { bytes: length + 3 });
                assert!(length + 3 >= 1_024);
                continue;
            }
        }
        assert_eq!(open(&seal(&message, &recipients(), &counted()).unwrap(), &[key("nbc")]), Ok(message));
    }
    assert_eq!(sizes.len(), 1_021);
    sizes.dedup();
    assert_eq!(sizes, SEALED_BUCKETS.map(|bucket| bucket + SEALED_OVERHEAD));
}

#[test]
fn what_is_opened_is_padded_details_or_an_error() {
    let of = |plain: &[u8]| open(&Sealed::from_bytes(&encrypt(plain, &recipients(), &drawn())).unwrap(), &[key("aba")]);
    assert_eq!(of(&[0; 128]), Err(OpenError::Details(DetailsError::Padding)), "nothing but zeros");
    assert_eq!(of(&[b'x'; 128]), Err(OpenError::Details(DetailsError::Padding)), "no padding");
    let mut plain = [0; 128];
    (plain[0], plain[1]) = (0xff, 0x80);
    assert_eq!(of(&plain), Err(OpenError::Details(DetailsError::Message)));
    let empty = unpad(&pad(&PrivateDetails::default()).unwrap());
    assert_eq!(empty, Ok(PrivateDetails::default()));
    // What ends in zeros or in 80 is itself again.
    for note in ["\0", "\0\0", "\u{80}", "a\u{80}\0"] {
        assert_eq!(unpad(&pad(&details(note)).unwrap()), Ok(details(note)));
    }
}

/// After a bank changed its key: the new one opens what is sealed from then on, the old one what was before.
#[test]
fn an_old_key_opens_what_was_sealed_for_it() {
    let [_, wing, nbc] = recipients();
    let before = seal(&details("before"), &recipients(), &drawn()).unwrap();
    let after = seal(&details("after"), &[key("aba 2").public().encryption_key(), wing, nbc], &drawn()).unwrap();
    assert_eq!(open(&before, &[key("aba 2")]), Err(OpenError::NotForThisKey));
    assert_eq!(open(&after, &[key("aba")]), Err(OpenError::NotForThisKey));
    let both = [key("aba 2"), key("aba")];
    assert_eq!((open(&before, &both), open(&after, &both)), (Ok(details("before")), Ok(details("after"))));
}

/// A share of small order gives a secret that everybody knows: it opens nothing.
#[test]
fn a_share_that_anybody_could_have_sent_is_not_opened() {
    let sealed = seal(&details("x"), &recipients(), &drawn()).unwrap();
    let mut bytes = sealed.as_bytes().to_vec();
    bytes[32..75].copy_from_slice("A".repeat(43).as_bytes());
    assert_eq!(decrypt(&Sealed::from_bytes(&bytes).unwrap(), &key("aba")), Err(OpenError::NotForThisKey));
}

#[test]
fn keys_are_written_as_the_age_tool_writes_them() {
    // The vectors of the age specification's reference implementation: the scalar 42, 42, …, and its point.
    let key = key("aba");
    let text = recipient_text(&key.public().encryption_key());
    assert!(text.starts_with("age1") && text.len() == 62, "{text}");
    assert_eq!(parse_recipient(&text), Some(key.public().encryption_key()));
    assert_eq!(parse_recipient(&key.public().encryption_key().to_string()), Some(key.public().encryption_key()));
    let identity = identity_text(&key);
    assert!(identity.starts_with("AGE-SECRET-KEY-1") && identity.len() == 74);
    for bad in ["", "age1", "AGE-SECRET-KEY-1", "00", &text[1..], &text.replace('q', "p"), &"00".repeat(32)] {
        assert_eq!(parse_recipient(bad), None, "{bad}");
    }
    assert_eq!(EncryptionKey::LENGTH, 32);
}
