//! Payments by KHQR codes, looked up by the MD5 of the code.
//!
//! Must not know: who asks, which of several codes of one MD5 is meant.

use rocksdb::{Direction, IteratorMode, ReadOptions};
use tonle_crypto::Canonical;
use tonle_khqr::Md5;
use tonle_ledger::KhqrPayment;

use super::tables::{PaymentPlace, khqr};
use super::{Error, View};

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
