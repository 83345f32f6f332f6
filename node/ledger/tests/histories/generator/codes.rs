//! Payments by KHQR codes: new codes and those that were drawn before, payers who race for one, and slips in what a code
//! or its payment says.
//!
//! Must not know: who signs, which codes were paid.

use tonle_ledger::*;

use super::{Generator, Scene, Sent, remember};
use crate::fixture::{START_MS, altered, amount, asset, code, pay_khqr, reference};

/// Most minor units that a code asks for here: what 13 characters hold, and more than anybody has.
const PRICE_MAX: u64 = 100_000_000_000;
/// Payers who race for a code.
const RACING: usize = 3;
/// How codes begin that are paid any number of times, and once.
const STATIC: &str = "000201010211";
const DYNAMIC: &str = "000201010212";

/// A code, and what it asks for.
#[derive(Debug, Clone)]
pub(super) struct Code {
    payload: String,
    to: AccountId,
    asset: Asset,
    /// In minor units; `None` when the payer says how much.
    price: Option<u64>,
}

impl Generator {
    pub(super) fn by_code(&mut self, scene: Scene<'_>) -> Operation {
        let again = if self.dice.one_in(3) { self.dice.of(self.codes.make_contiguous()).cloned() } else { None };
        let (code, from) = match again {
            Some(code) => {
                let from = self.payer_of(scene, &code);
                (code, from)
            }
            None => self.new_code(scene),
        };
        let mut paid = self.payment_of(code, from);
        if self.dice.one_in(6) {
            self.slip(scene, &mut paid);
        }
        Operation::PayKhqr(Box::new(paid))
    }

    /// Some who pay one code in one block.
    pub(super) fn race(&mut self, scene: Scene<'_>) -> Vec<Sent> {
        let (code, first) = self.new_code(scene);
        let mut payers = vec![first];
        payers.extend((1..RACING).map(|_| self.payer_of(scene, &code)));
        let send = |from| {
            let operations = vec![Operation::PayKhqr(Box::new(self.payment_of(code.clone(), from)))];
            let signers = self.signers(scene, &operations);
            let body = self.body(scene, operations);
            Sent::Transaction(self.signed(&body, &signers))
        };
        payers.into_iter().map(send).collect()
    }

    /// A code that was never there, and who can pay it.
    fn new_code(&mut self, scene: Scene<'_>) -> (Code, AccountId) {
        let (from, of, available) = self.payer(scene);
        let to = self.payee(scene, from);
        let currency = if of == asset("USD") { "USD" } else { "KHR" };
        let wanted = self.some_of(available).minor();
        // A code asks for whole riel.
        let wanted = if currency == "KHR" { wanted - wanted % 100 } else { wanted };
        let price = ((1..PRICE_MAX).contains(&wanted) && !self.dice.one_in(4)).then_some(wanted);
        let text = price.map(|minor| format!("{}.{:02}", minor / 100, minor % 100));
        let expires_ms = self.end(scene, KHQR_LIFE_MAX_MS);
        let bill = format!("INV-{}", self.number());
        let mut payload = code(to.as_str(), currency, text.as_deref(), expires_ms, &bill);
        if price.is_some() && self.dice.one_in(4) {
            payload = altered(&payload, DYNAMIC, STATIC);
        }
        let code = Code { payload, to, asset: asset(currency), price };
        remember(&mut self.codes, code.clone());
        (code, from)
    }

    /// An account that can pay a code.
    fn payer_of(&mut self, scene: Scene<'_>, code: &Code) -> AccountId {
        let least = code.price.unwrap_or(1);
        let can = |id: AccountId, account: &Account| {
            let has = account.balance(code.asset).available.minor() >= least;
            has && id != code.to && account.can_debit() && Self::mode(scene, id).can_debit()
        };
        self.account(scene, can).0
    }

    fn payment_of(&mut self, code: Code, from: AccountId) -> PayKhqr {
        let minor = code.price.unwrap_or_else(|| self.some_of(1_000).minor());
        let external_ref = self.dice.one_in(3).then(|| reference("till 2"));
        let instruction_ref = self.maybe_reference();
        let paid = pay_khqr(&code.payload, from.as_str(), code.to.as_str(), code.asset.as_str(), minor);
        PayKhqr { instruction_ref, external_ref, ..paid }
    }

    /// Makes one thing wrong with a payment or its code.
    fn slip(&mut self, scene: Scene<'_>, paid: &mut PayKhqr) {
        let payload = paid.payload.as_ref();
        let (number, other) = if paid.asset == asset("KHR") { ("5303116", "USD") } else { ("5303840", "KHR") };
        let spoilt = match self.dice.below(13) {
            0 => payload.replace("6304", "6404"),
            1 => payload.chars().take(1 + self.dice.place(payload.chars().count() - 1)).collect(),
            2 => altered(payload, "5802KH", ""),
            // What is paid once says how much.
            3 if payload.starts_with(STATIC) => altered(payload, STATIC, DYNAMIC),
            4 => altered(payload, "52045999", "520459x9"),
            5 => altered(payload, number, "5303764"),
            6 => return paid.to = self.payee(scene, paid.from),
            7 => return paid.asset = asset(other),
            8..=9 => {
                // Good too short, or too long.
                let expires_ms = if self.dice.one_in(2) { START_MS } else { scene.now_ms + KHQR_LIFE_MAX_MS + 1 };
                paid.amount = amount(100);
                code(paid.to.as_str(), paid.asset.as_str(), Some("1"), expires_ms, "untimely")
            }
            10 => return paid.amount = amount(paid.amount.minor().saturating_add(1)),
            _ => return paid.amount = amount(paid.amount.minor() / 2 + 1),
        };
        paid.payload = spoilt.into();
    }
}
