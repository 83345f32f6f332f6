//! Finding a shop's payments: by code, hash, reference. A query sees only what leaves or enters the accounts that its
//! token reaches; all else is not there.
//!
//! Must not know: HTTP, tokens. Everything here blocks.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonle_khqr::Md5;
use tonle_ledger::{
    Account, AccountId, OperationResult, PayKhqr, Receipt, ReceiptLocation, SignedTransaction, Stage, TimedContent,
    TimedKind, TransactionId, TransactionResult,
};

use super::Node;
use super::index::{Key, Outcome, at, place_of};
use super::payment::{Instructed, Payment, Place, Settled, Tracking};
use super::store::{Store, StoreError, Table};
use crate::storage::View;

/// Entries under one short hash that are looked at for the amount: four bytes of a hash are shared by few.
const SAME_SHORT_HASH_MAX: usize = 64;
/// Payments under one MD5 that are looked at.
const SAME_MD5_MAX: usize = 64;

/// What a look-up comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A payment.
    Payment(Box<Payment>),
    /// The transaction is final and moved nothing.
    Failed,
    /// Nothing that this token may see.
    Nothing,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    node: Node,
    store: Arc<Store>,
}

impl Lookup {
    pub(super) fn new(node: Node, store: Arc<Store>) -> Self {
        Lookup { node, store }
    }

    /// Decimal places of an asset's amounts.
    pub(super) fn exponent(&self, asset: &str) -> Option<u8> {
        let assets = &self.node.genesis.assets;
        assets.iter().find(|entry| entry.asset.as_str() == asset).map(|entry| entry.exponent)
    }

    /// The account as it stands.
    pub(super) fn account(&self, account: AccountId) -> Result<Option<Account>, StoreError> {
        Ok(self.node.database.view().account(account)?)
    }

    /// The earliest payment by a code of this MD5. Codes of one MD5 can be made, but not by who has only the MD5 or the
    /// code of somebody else; who made the code of his own shop twice sees the first payment of both.
    pub(super) fn by_md5(&self, scope: &[AccountId], md5: &Md5) -> Result<Found, StoreError> {
        let payments = self.node.database.view().khqr_payments_after(*md5, None, SAME_MD5_MAX)?;
        let concerns = |payment: &PayKhqr| scope.contains(&payment.to) || scope.contains(&payment.from);
        let Some(first) = payments.iter().find(|found| concerns(&found.payment)) else { return Ok(Found::Nothing) };
        let ReceiptLocation { height, index, operation, .. } = first.location;
        self.at(Place { height, index, operation })
    }

    /// The earliest payment under this instruction reference.
    pub(super) fn by_instruction(&self, scope: &[AccountId], reference: &str) -> Result<Found, StoreError> {
        self.earliest(scope, Key::Instruction(reference))
    }

    /// The earliest payment under this reference of another system.
    pub(super) fn by_external(&self, scope: &[AccountId], reference: &str) -> Result<Found, StoreError> {
        self.earliest(scope, Key::External(reference))
    }

    /// The earliest payment whose hash begins with these bytes, of this much.
    pub(super) fn by_short_hash(
        &self,
        scope: &[AccountId],
        hash: [u8; 4],
        asset: &str,
        minor: u64,
    ) -> Result<Found, StoreError> {
        for place in self.places(scope, Key::ShortHash(hash), SAME_SHORT_HASH_MAX)? {
            if let Found::Payment(payment) = self.at(place)?
                && payment.instructed.asset.as_str() == asset
                && payment.instructed.amount.minor() == minor
            {
                return Ok(Found::Payment(payment));
            }
        }
        Ok(Found::Nothing)
    }

    /// The first payment of a transaction that concerns the accounts.
    pub(super) fn by_hash(&self, scope: &[AccountId], hash: &TransactionId) -> Result<Found, StoreError> {
        let view = self.node.database.view();
        let Some((height, index)) = view.locate(hash)? else { return Ok(Found::Nothing) };
        let Some(settled) = settled(&view, height, index)? else { return Ok(Found::Nothing) };
        let operations = settled.transaction.as_ref().map(SignedTransaction::operations).unwrap_or_default();
        let mut found = Found::Nothing;
        for (operation, number) in operations.iter().zip(0u32..) {
            if Instructed::of(operation).is_none_or(|instructed| !instructed.touches(scope)) {
                continue;
            }
            match self.payment(&view, &settled, number)? {
                Found::Payment(payment) => return Ok(Found::Payment(payment)),
                Found::Failed => found = Found::Failed,
                Found::Nothing => {}
            }
        }
        Ok(found)
    }

    /// Was this very code paid?
    pub(super) fn is_paid(&self, payload: &str) -> Result<bool, StoreError> {
        let payments = self.node.database.view().khqr_payments_after(Md5::of(payload), None, SAME_MD5_MAX)?;
        Ok(payments.iter().any(|found| *found.payment.payload == *payload))
    }

    /// Payments that leave or enter the accounts, oldest first: at most `max`, those strictly after `after`, in blocks up
    /// to `height`.
    pub(super) fn since(
        &self,
        scope: &[AccountId],
        after: Place,
        height: u64,
        max: usize,
    ) -> Result<Vec<Payment>, StoreError> {
        let mut places = BTreeSet::new();
        for account in scope {
            let prefix = Key::All.prefix(account);
            let mut count = 0usize;
            self.store.scan(Table::Payments, &prefix, &at(prefix.clone(), after), |entry, _| {
                let place = place_of(entry);
                let place = place.ok_or_else(|| self.store.damaged("an entry of the index does not decode"))?;
                if place > after && place.height <= height {
                    places.insert(place);
                    count = count.saturating_add(1);
                }
                Ok(count < max && place.height <= height)
            })?;
        }
        let mut payments = Vec::new();
        for place in places.into_iter().take(max) {
            if let Found::Payment(payment) = self.at(place)? {
                payments.push(*payment);
            }
        }
        Ok(payments)
    }

    fn earliest(&self, scope: &[AccountId], key: Key<'_>) -> Result<Found, StoreError> {
        let place = self.places(scope, key, 1)?.into_iter().min();
        place.map_or(Ok(Found::Nothing), |place| self.at(place))
    }

    /// Where payments of the accounts stand under `key`: the earliest `max` of each account.
    fn places(&self, scope: &[AccountId], key: Key<'_>, max: usize) -> Result<Vec<Place>, StoreError> {
        let mut places = Vec::new();
        for account in scope {
            let (prefix, mut count) = (key.prefix(account), 0usize);
            self.store.scan(Table::Payments, &prefix, &prefix, |entry, _| {
                let place = place_of(entry);
                places.push(place.ok_or_else(|| self.store.damaged("an entry of the index does not decode"))?);
                count = count.saturating_add(1);
                Ok(count < max)
            })?;
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    fn at(&self, place: Place) -> Result<Found, StoreError> {
        let view = self.node.database.view();
        let Some(settled) = settled(&view, place.height, place.index)? else { return Ok(Found::Nothing) };
        self.payment(&view, &settled, place.operation)
    }

    /// What operation `number` of a settled transaction paid.
    fn payment(&self, view: &View<'_>, settled: &Settled, number: u32) -> Result<Found, StoreError> {
        let receipt = &settled.receipt;
        let result = match &receipt.result {
            TransactionResult::Executed(results) => results.get(usize::try_from(number).unwrap_or(usize::MAX)),
            TransactionResult::Rejected { .. } => None,
        };
        match (result, settled.operation(number).and_then(Instructed::of)) {
            (Some(OperationResult::Applied(_)), Some(instructed)) => {
                let place = Place { height: receipt.height, index: receipt.index, operation: number };
                self.tracked(view, receipt, instructed, place).map(|payment| Found::Payment(Box::new(payment)))
            }
            // The same instruction came before, and that is what moved the money.
            (Some(OperationResult::Repeated(first)), Some(_)) => {
                let Some(earlier) = self::settled(view, first.height, first.index)? else { return Ok(Found::Nothing) };
                let instructed = earlier.operation(first.operation).and_then(Instructed::of);
                let place = Place { height: first.height, index: first.index, operation: first.operation };
                let Some(instructed) = instructed else { return Ok(Found::Nothing) };
                let payment = self.tracked(view, &earlier.receipt, instructed, place)?;
                Ok(Found::Payment(Box::new(payment)))
            }
            (_, Some(_)) => Ok(Found::Failed),
            (_, None) => Ok(Found::Nothing),
        }
    }

    fn tracked(
        &self,
        view: &View<'_>,
        receipt: &Receipt,
        instructed: Instructed,
        place: Place,
    ) -> Result<Payment, StoreError> {
        let (tracking, acknowledged_ms) = if instructed.is_bank_transfer {
            self.bank_transfer(view, receipt, &instructed, place)?
        } else {
            (Tracking::Acknowledged, Some(receipt.time_ms))
        };
        let (hash, created_ms) = (receipt.transaction, receipt.time_ms);
        Ok(Payment { hash, place, instructed, created_ms, acknowledged_ms, tracking })
    }

    /// How far a transfer to a bank has come, and when its payee had it.
    fn bank_transfer(
        &self,
        view: &View<'_>,
        receipt: &Receipt,
        instructed: &Instructed,
        place: Place,
    ) -> Result<(Tracking, Option<u64>), StoreError> {
        let Some(reference) = &instructed.instruction_ref else { return Ok((Tracking::AtLedger, None)) };
        let id = TimedKind::BankTransfer.id(&instructed.from, reference);
        // A reference is free again after a while: another transfer may stand under it.
        let kept = view.timed(id)?.filter(|timed| timed.begun_ms == receipt.time_ms);
        if let Some(TimedContent::BankTransfer(transfer)) = kept.map(|timed| timed.content) {
            let tracking = match transfer.stage {
                Stage::Received => Tracking::AtLedger,
                Stage::AtBank => Tracking::AtBank,
            };
            return Ok((tracking, None));
        }
        let mut last = None;
        let prefix = Outcome::prefix(&id);
        self.store.scan(Table::Payments, &prefix, &prefix, |key, value| {
            let damaged = || self.store.damaged("an outcome does not decode");
            let at = place_of(key).ok_or_else(damaged)?;
            let outcome = Outcome::parse(value).ok_or_else(damaged)?;
            if at > place {
                last = Some(outcome);
            }
            // Received comes before the word that ends it.
            Ok(at <= place || outcome.tracking == Tracking::AtBank)
        })?;
        Ok(match last {
            Some(Outcome { tracking: Tracking::Acknowledged, time_ms }) => (Tracking::Acknowledged, Some(time_ms)),
            // Refused; or nobody ended it, and so its time did.
            Some(_) | None => (Tracking::Refunded, None),
        })
    }
}

fn settled(view: &View<'_>, height: u64, index: u32) -> Result<Option<Settled>, StoreError> {
    let Some(receipt) = view.receipt(height, index)? else { return Ok(None) };
    let bytes = view.transaction(height, index)?.unwrap_or_default();
    Ok(Some(Settled { receipt, transaction: SignedTransaction::from_bytes(&bytes).ok() }))
}
