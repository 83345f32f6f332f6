//! Payments: by KHQR codes, looked up by the MD5 of the code; of an account, oldest first; under a reference.
//!
//! Must not know: who asks, which of several codes of one MD5 is meant.

use rocksdb::{Direction, IteratorMode, ReadOptions};
use tonle_crypto::Canonical;
use tonle_khqr::Md5;
use tonle_ledger::{AccountId, KhqrPayment, ReceiptLocation, Reference, instruction_key, instruction_location};

use super::tables::{PaymentPlace, history, khqr, state};
use super::{Error, ReceiptPlace, View};

/// After every payment.
const END: PaymentPlace = (u64::MAX, u32::MAX, u32::MAX);

impl View<'_> {
    /// Payments by codes of this MD5, newest first, at most `max`: those strictly before `before`, or all. A static code has
    /// any number of them; a dynamic one has one at most, unless somebody made two codes of one MD5.
    ///
    /// # Errors
    /// [`Error`].
    pub fn khqr_payments(&self, md5: Md5, before: Option<PaymentPlace>, max: usize) -> Result<Vec<KhqrPayment>, Error> {
        let before = before.unwrap_or(END);
        self.payments(md5, before, Direction::Forward, |place| place < before, max)
    }

    /// The same oldest first: those strictly after `after`, or all.
    ///
    /// # Errors
    /// [`Error`].
    pub fn khqr_payments_after(
        &self,
        md5: Md5,
        after: Option<PaymentPlace>,
        max: usize,
    ) -> Result<Vec<KhqrPayment>, Error> {
        // Genesis has no receipts, so nothing stands at height 0.
        let after = after.unwrap_or_default();
        self.payments(md5, after, Direction::Reverse, |place| place > after, max)
    }

    /// Where the receipts that concern an account stand, oldest first, at most `max`, all strictly after `after`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn history_after(
        &self,
        account: &AccountId,
        after: ReceiptPlace,
        max: usize,
    ) -> Result<Vec<ReceiptPlace>, Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(history::key(account, u64::MAX, u32::MAX));
        // Bounds are exclusive above, and what stands at `after` is not wanted.
        options.set_iterate_upper_bound(history::key(account, after.0, after.1));
        let mut found = Vec::new();
        for entry in self.entries(history::HISTORY, options, IteratorMode::End)?.take(max) {
            let (key, _) = entry?;
            found.push(history::parse(&key).ok_or_else(|| self.damaged(history::HISTORY, "a key does not decode"))?);
        }
        Ok(found)
    }

    /// Where the result stands of the instruction that took a reference of an account; those of the last 7 days are known.
    ///
    /// # Errors
    /// [`Error`].
    pub fn instruction(&self, account: AccountId, reference: &Reference) -> Result<Option<ReceiptLocation>, Error> {
        let Some(key) = instruction_key(account, reference) else { return Ok(None) };
        let value = self.state_value(&key)?;
        let location = value.map(|value| instruction_location(&value)).transpose();
        location.map_err(|_| self.damaged(state::STATE, "a reference does not decode"))
    }

    fn payments(
        &self,
        md5: Md5,
        from: PaymentPlace,
        direction: Direction,
        wanted: impl Fn(PaymentPlace) -> bool,
        max: usize,
    ) -> Result<Vec<KhqrPayment>, Error> {
        let mut options = ReadOptions::default();
        // The newest possible first, then the oldest possible with a byte more: bounds are exclusive above.
        options.set_iterate_lower_bound(khqr::key(md5, END));
        options.set_iterate_upper_bound([khqr::key(md5, PaymentPlace::default()), vec![0]].concat());
        let start = khqr::key(md5, from);
        let mut found = Vec::new();
        for entry in self.entries(khqr::KHQR, options, IteratorMode::From(&start, direction))? {
            let (_, value) = entry?;
            let damaged = |_| self.damaged(khqr::KHQR, "a payment does not decode");
            let payment = KhqrPayment::decode(&value).map_err(damaged)?;
            if found.len() == max {
                break;
            }
            if wanted(payment.location.place()) {
                found.push(payment);
            }
        }
        Ok(found)
    }
}
