//! Payments by KHQR codes: new ones, ones that were drawn before, and ones that are spoilt in one thing.
//!
//! Must not know: who signs.

use tonle_ledger::*;

use super::{Generator, Scene, remember};
use crate::fixture::{HOUR_MS, altered, amount, code, id, pay_khqr};

/// Most minor units that a code names here: what 13 characters hold, and more than anybody has.
const PRICE_MAX: u64 = 100_000_000_000;

impl Generator {
    pub(super) fn by_code(&mut self, scene: Scene<'_>) -> Operation {
        let (from, asset, available) = self.payer(scene);
        // Whoever is too late pays as somebody else did.
        if self.dice.one_in(6)
            && let Some(paid) = self.dice.of(self.codes.make_contiguous()).cloned()
        {
            return Operation::PayKhqr(Box::new(PayKhqr { from, ..paid }));
        }
        let to = self.payee(scene, from);
        let currency = if asset.as_str() == "USD" { "USD" } else { "KHR" };
        let asset = if asset.as_str() == "THB" { crate::fixture::asset("KHR") } else { asset };
        let wanted = self.some_of(available).minor();
        // A code names whole riel.
        let wanted = if currency == "KHR" { wanted - wanted % 100 } else { wanted };
        let priced = (1..PRICE_MAX).contains(&wanted) && !self.dice.one_in(4);
        let text = priced.then(|| format!("{}.{:02}", wanted / 100, wanted % 100));
        let life_ms = match self.dice.below(24) {
            0 => KHQR_LIFE_MAX_MS + 1 + self.dice.below(HOUR_MS),
            1 => KHQR_LIFE_MAX_MS,
            _ => 1 + self.dice.below(2 * HOUR_MS),
        };
        let expires_ms = if self.dice.one_in(24) { crate::fixture::START_MS } else { scene.now_ms + life_ms };
        let bill = format!("INV-{}", self.number());
        let payload = code(to.as_str(), currency, text.as_deref(), expires_ms, &bill);
        let (payload, paid_to, asked) = match self.dice.below(60) {
            0 => (payload.replace("63", "64"), to, wanted),
            1 => (altered(&payload, "5802KH", ""), to, wanted),
            2 => (altered(&payload, "52045999", "520459x9"), to, wanted),
            3 => (payload, id("reserve@nbc"), wanted),
            4 => (altered(&payload, "5303", "5203"), to, wanted),
            5 => (payload, to, wanted + 1),
            6 if currency == "KHR" => (altered(&payload, "5303116", "5303840"), to, wanted),
            _ => (payload, to, wanted),
        };
        let mut paid = pay_khqr(&payload, from.as_str(), paid_to.as_str(), asset.as_str(), 0);
        paid.amount = amount(asked);
        remember(&mut self.codes, paid.clone());
        paid.instruction_ref = self.maybe_reference();
        Operation::PayKhqr(Box::new(paid))
    }
}
