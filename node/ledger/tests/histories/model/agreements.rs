//! What payer and payee agreed on: what is kept for a time, mandates, payments that can be returned, and references.
//!
//! Must not know: balances.

use std::collections::BTreeMap;

use tonle_crypto::Digest;
use tonle_ledger::*;

use super::minor;
use crate::fixture::HOUR_MS;

/// Something that ends at a time, and the money that is kept for it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) account: AccountId,
    pub(crate) asset: Asset,
    pub(crate) left: u128,
    pub(crate) begun_ms: u64,
}

/// A payment that can be returned.
#[derive(Debug)]
struct Payment {
    from: AccountId,
    to: AccountId,
    asset: Asset,
    amount: u128,
    returned: u128,
    at_ms: u64,
}

#[derive(Debug)]
struct Granted {
    to: AccountId,
    asset: Asset,
    cap: u128,
    period: Period,
    granted_ms: u64,
    expires_ms: u64,
    /// When, and how much.
    collected: Vec<(u64, u128)>,
}

#[derive(Debug, Default)]
pub(crate) struct Agreements {
    /// What ends at which time, with the money that it keeps.
    timed: BTreeMap<Digest, (u64, Option<Kept>)>,
    /// By the account whose reference it is.
    payments: BTreeMap<(AccountId, Reference), Payment>,
    mandates: BTreeMap<(AccountId, Reference), Granted>,
    /// When a reference was used last.
    references: BTreeMap<(AccountId, Reference), u64>,
}

/// References of the same hour are free again together, 7 days after its end.
fn free_again_ms(taken_ms: u64) -> u64 {
    (taken_ms / HOUR_MS + 1) * HOUR_MS + REFERENCE_LIFE_MS
}

impl Agreements {
    /// What is kept of an account's money, by account and asset.
    pub(crate) fn sums(&self) -> BTreeMap<(AccountId, Asset), u128> {
        let mut sums = BTreeMap::new();
        for kept in self.timed.values().filter_map(|(_, kept)| kept.as_ref()) {
            *sums.entry((kept.account, kept.asset)).or_default() += kept.left;
        }
        sums
    }
    /// How many things there are that end by themselves.
    pub(crate) fn count(&self) -> usize {
        self.timed.len()
    }
    pub(crate) fn end_of(&self, id: &Digest) -> u64 {
        self.timed[id].0
    }
    pub(crate) fn kept(&self, id: &Digest) -> &Kept {
        self.timed[id].1.as_ref().expect("money is kept")
    }
    /// It is no more: gives what was kept for it.
    pub(crate) fn end(&mut self, id: &Digest) -> Option<Kept> {
        self.timed.remove(id).expect("what ends was there").1
    }
    /// Takes of what is kept: gives what was there.
    pub(crate) fn take(&mut self, id: &Digest, amount: u128, last: bool) -> Kept {
        let (ends_ms, kept) = self.timed.remove(id).expect("what is captured was there");
        let kept = kept.expect("money is kept");
        assert!(amount > 0 && amount <= kept.left, "{amount} of {} is captured", kept.left);
        if !last && amount < kept.left {
            self.timed.insert(*id, (ends_ms, Some(Kept { left: kept.left - amount, ..kept.clone() })));
        }
        kept
    }

    /// An operation's reference: used by its account for nothing else in 7 days.
    pub(crate) fn note_reference(&mut self, operation: &Operation, now_ms: u64) {
        let [first, second] = operation.accounts();
        let account = match operation {
            // Theirs is their payee's.
            Operation::CaptureHold(_)
            | Operation::RequestToPay(_)
            | Operation::Collect(_)
            | Operation::TakeQuote(_) => second,
            // Theirs is the issuer's.
            Operation::Issue(_) | Operation::Seize(_) => Some(AccountId::new("issuer@nbc").unwrap()),
            _ => first,
        };
        let (Some(account), Some(reference)) = (account, operation.reference()) else { return };
        if let Some(before) = self.references.insert((account, reference.clone()), now_ms) {
            assert!(now_ms >= free_again_ms(before), "{operation:?}: its reference was used at {before}");
        }
    }

    /// A return: of a payment as it was made, never above it.
    pub(crate) fn give_back(&mut self, of: &Return, now_ms: u64) {
        let account = if of.original_kind == PaymentKind::Collection { of.from } else { of.to };
        let payment = self.payments.get_mut(&(account, of.original_ref.clone())).expect("what is returned was paid");
        assert_eq!((payment.from, payment.to, payment.asset), (of.to, of.from, of.asset), "a return goes back");
        assert_eq!(payment.amount, minor(of.original_amount));
        assert!(now_ms < free_again_ms(payment.at_ms), "a return comes in time");
        payment.returned += minor(of.amount);
        assert!(payment.returned <= payment.amount, "{} of {} is returned", payment.returned, payment.amount);
        let ends_ms = free_again_ms(payment.at_ms);
        self.timed.insert(TimedKind::Returned.id(&account, &of.original_ref), (ends_ms, None));
    }

    /// A collection: under a mandate, within its cap.
    pub(crate) fn collect(&mut self, of: &Collect, now_ms: u64) {
        let mandate = self.mandates.get_mut(&(of.from, of.mandate_ref.clone())).expect("there is a mandate");
        assert_eq!((mandate.to, mandate.asset), (of.to, of.asset), "who collects may");
        assert!(now_ms < mandate.expires_ms, "the mandate is not over");
        mandate.collected.push((now_ms, minor(of.amount)));
        let number = |at_ms: u64| (at_ms - mandate.granted_ms) / mandate.period.length_ms();
        let collected =
            mandate.collected.iter().filter(|(at, _)| number(*at) == number(now_ms)).map(|(_, minor)| minor);
        let collected: u128 = collected.sum();
        assert!(collected <= mandate.cap, "{collected} of {} is collected", mandate.cap);
    }

    fn end_request(&mut self, to: AccountId, reference: &Reference) {
        self.end(&TimedKind::Request.id(&to, reference));
    }
    fn begin(&mut self, id: Digest, ends_ms: u64, kept: Option<Kept>) {
        assert!(self.timed.insert(id, (ends_ms, kept)).is_none(), "what begins was not there");
    }
    fn paid(&mut self, account: AccountId, reference: Option<&Reference>, payment: Payment) {
        if let Some(reference) = reference {
            self.payments.insert((account, reference.clone()), payment);
        }
    }

    pub(crate) fn apply(&mut self, operation: &Operation, now_ms: u64) {
        let keeps = |account, (asset, amount): (Asset, Amount)| {
            Some(Kept { account, asset, left: minor(amount), begun_ms: now_ms })
        };
        let payment =
            |from, to, asset, amount| Payment { from, to, asset, amount: minor(amount), returned: 0, at_ms: now_ms };
        match operation {
            Operation::PlaceHold(of) => {
                let id = TimedKind::Hold.id(&of.from, &of.instruction_ref);
                self.begin(id, of.expires_ms, keeps(of.from, (of.asset, of.amount)));
            }
            Operation::SendToBank(of) => {
                let id = TimedKind::BankTransfer.id(&of.from, &of.instruction_ref);
                self.begin(id, of.expires_ms, keeps(of.from, (of.asset, of.amount)));
            }
            Operation::OfferQuote(of) => {
                let id = TimedKind::Quote.id(&of.maker, &of.instruction_ref);
                self.begin(id, of.expires_ms, keeps(of.maker, of.sold));
            }
            Operation::RequestToPay(of) => {
                self.begin(TimedKind::Request.id(&of.to, &of.instruction_ref), of.expires_ms, None);
            }
            Operation::DeclineRequest(of) => self.end_request(of.to, &of.request_ref),
            Operation::CancelRequest(of) => self.end_request(of.to, &of.request_ref),
            Operation::AcceptRequest(of) => {
                self.end_request(of.to, &of.request_ref);
                let payment = payment(of.from, of.to, of.asset, of.amount);
                self.paid(of.from, of.instruction_ref.as_ref(), payment);
            }
            Operation::Transfer(of) => {
                self.paid(of.from, of.instruction_ref.as_ref(), payment(of.from, of.to, of.asset, of.amount));
            }
            Operation::PayKhqr(of) => {
                self.paid(of.from, of.instruction_ref.as_ref(), payment(of.from, of.to, of.asset, of.amount));
            }
            Operation::Collect(of) => {
                self.paid(of.to, of.instruction_ref.as_ref(), payment(of.from, of.to, of.asset, of.amount));
            }
            Operation::GrantMandate(of) => {
                let granted = Granted {
                    to: of.to,
                    asset: of.asset,
                    cap: minor(of.cap),
                    period: of.period,
                    granted_ms: now_ms,
                    expires_ms: of.expires_ms,
                    collected: Vec::new(),
                };
                let before = self.mandates.insert((of.from, of.instruction_ref.clone()), granted);
                assert!(before.is_none_or(|before| before.expires_ms <= now_ms), "a mandate's reference is its own");
            }
            Operation::RevokeMandate(of) => {
                self.mandates.remove(&(of.from, of.mandate_ref.clone())).expect("what is revoked was granted");
            }
            Operation::CloseAccount(of) => self.mandates.retain(|(account, _), _| *account != of.account),
            _ => {}
        }
    }
}
