//! `Verified<T>`: what passes, what does not, and that the verifier that was given is the one that is asked.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::cell::RefCell;

use tonle_crypto::{PublicKey, SecretKey, Signature, SignatureInvalid, Strict, Verified, Verifier, Verify};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Order {
    text: String,
    signatures: Vec<(PublicKey, Signature)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Refused {
    WrongChain,
    Signature(usize),
}

impl Verify for Order {
    type Context = str;
    type Error = Refused;

    fn verify(&self, chain: &str, verifier: &dyn Verifier) -> Result<(), Refused> {
        if !self.text.starts_with(chain) {
            return Err(Refused::WrongChain);
        }
        for (index, (key, signature)) in self.signatures.iter().enumerate() {
            verifier.verify(key, self.text.as_bytes(), signature).map_err(|_| Refused::Signature(index))?;
        }
        Ok(())
    }
}

fn order(text: &str, signers: &[u8]) -> Order {
    let signatures = signers
        .iter()
        .map(|seed| {
            let secret = SecretKey::from_seed(&[*seed; 32]);
            (secret.public(), secret.sign(text.as_bytes()))
        })
        .collect();
    Order { text: text.to_owned(), signatures }
}

#[test]
fn wraps_what_holds_and_gives_it_back_unchanged() {
    let order = order("riel: pay", &[1, 2, 3]);
    let verified = Verified::check(order.clone(), "riel", &Strict).unwrap();
    assert_eq!(verified.text, order.text);
    assert_eq!(verified.clone(), verified);
    assert_eq!(verified.into_inner(), order);
}

#[test]
fn refuses_another_context() {
    assert_eq!(Verified::check(order("riel: pay", &[1]), "dollar", &Strict), Err(Refused::WrongChain));
}

#[test]
fn refuses_when_any_one_signature_is_bad() {
    for bad in 0..3 {
        let mut order = order("riel: pay", &[1, 2, 3]);
        order.signatures[bad].1 = SecretKey::from_seed(&[9; 32]).sign(b"riel: pay");
        assert_eq!(Verified::check(order, "riel", &Strict), Err(Refused::Signature(bad)));
    }
}

#[test]
fn asks_the_verifier_it_was_given_for_each_signature() {
    struct Recorder(RefCell<Vec<PublicKey>>);
    impl Verifier for Recorder {
        fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
            self.0.borrow_mut().push(*key);
            Strict.verify(key, message, signature)
        }
    }
    let recorder = Recorder(RefCell::default());
    let order = order("riel: pay", &[1, 2, 3]);
    let keys: Vec<PublicKey> = order.signatures.iter().map(|(key, _)| *key).collect();
    Verified::check(order, "riel", &recorder).unwrap();
    assert_eq!(recorder.0.into_inner(), keys);
}
