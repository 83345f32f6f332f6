//! Holds, transfers to banks, requests, mandates and quotes: begun, and taken up by whoever may.
//!
//! Must not know: who signs.

use tonle_ledger::*;

use super::{Generator, Scene};
use crate::fixture::{amount, asset, id, reference, sealed};
use crate::world::CODES;

impl Generator {
    pub(super) fn agreement(&mut self, scene: Scene<'_>, kind: OperationKind) -> Option<Operation> {
        Some(match kind {
            OperationKind::PlaceHold => {
                let (from, asset, available) = self.payer(scene);
                let (to, amount) = (self.payee(scene, from), self.some_of(available));
                let (instruction_ref, expires_ms) = (self.own_reference(), self.end(scene, TIMED_LIFE_MAX_MS));
                Operation::PlaceHold(Box::new(PlaceHold { from, to, asset, amount, instruction_ref, expires_ms }))
            }
            OperationKind::SendToBank => {
                let (from, asset, available) = self.payer(scene);
                Operation::SendToBank(Box::new(SendToBank {
                    from,
                    to: self.payee(scene, from),
                    asset,
                    amount: self.some_of(available),
                    instruction_ref: self.own_reference(),
                    expires_ms: self.end(scene, TIMED_LIFE_MAX_MS),
                    purpose: None,
                    external_ref: None,
                    sealed: sealed(128),
                }))
            }
            OperationKind::RequestToPay => {
                let (from, asset, available) = self.payer(scene);
                Operation::RequestToPay(Box::new(RequestToPay {
                    from,
                    to: self.payee(scene, from),
                    asset,
                    amount: self.some_of(available),
                    instruction_ref: self.own_reference(),
                    expires_ms: self.end(scene, TIMED_LIFE_MAX_MS),
                    purpose: None,
                    external_ref: None,
                    sealed: None,
                }))
            }
            OperationKind::OfferQuote => self.offer(scene),
            OperationKind::GrantMandate => self.grant(scene),
            OperationKind::Collect | OperationKind::RevokeMandate => self.of_mandate(scene, kind),
            OperationKind::CaptureHold | OperationKind::ReleaseHold => self.of_hold(scene, kind),
            OperationKind::TrackTransfer => self.track(scene),
            OperationKind::AcceptRequest | OperationKind::DeclineRequest | OperationKind::CancelRequest => {
                self.of_request(scene, kind)
            }
            OperationKind::TakeQuote => self.take(scene),
            _ => return None,
        })
    }

    /// Something of a kind that stands: its reference and what it is; now and then under another reference.
    fn standing(&mut self, scene: Scene<'_>, kind: TimedKind) -> Option<(Reference, TimedContent)> {
        let timed = self.dice.of(scene.view.of_kind(kind))?;
        Some((self.or_other(timed.reference.clone(), reference("none")), timed.content.clone()))
    }

    fn of_hold(&mut self, scene: Scene<'_>, kind: OperationKind) -> Operation {
        let hold_ref = reference("none");
        let (from, to) = (id("w0@b0"), id("w0@b1"));
        let none = Operation::ReleaseHold(Box::new(ReleaseHold { from, to, hold_ref }));
        let Some((hold_ref, TimedContent::Hold(hold))) = self.standing(scene, TimedKind::Hold) else { return none };
        let Hold { from, to, asset, amount: left } = hold;
        if kind == OperationKind::ReleaseHold {
            return Operation::ReleaseHold(Box::new(ReleaseHold { from, to: self.or_other(to, from), hold_ref }));
        }
        let (amount, last) = (self.some_of(left.minor()), self.dice.one_in(2));
        let (asset, instruction_ref) = (self.some_asset(asset), self.maybe_reference());
        Operation::CaptureHold(Box::new(CaptureHold { from, to, asset, hold_ref, amount, last, instruction_ref }))
    }

    fn track(&mut self, scene: Scene<'_>) -> Operation {
        let standing = self.standing(scene, TimedKind::BankTransfer);
        let (transfer_ref, from, to) = match standing {
            Some((transfer_ref, TimedContent::BankTransfer(of))) => (transfer_ref, of.from, of.to),
            _ => (reference("none"), id("w0@b0"), id("w0@b1")),
        };
        let progress = self.dice.pick(&[Progress::Received, Progress::Acknowledged, Progress::Refused]);
        let reason = (progress == Progress::Refused && self.dice.one_in(2)).then(|| Text::new("AC03").unwrap());
        Operation::TrackTransfer(Box::new(TrackTransfer { from, to, transfer_ref, progress, reason }))
    }

    fn of_request(&mut self, scene: Scene<'_>, kind: OperationKind) -> Operation {
        let (request_ref, from, to, asked) = match self.standing(scene, TimedKind::Request) {
            Some((request_ref, TimedContent::Request(of))) => (request_ref, of.from, of.to, (of.asset, of.amount)),
            _ => (reference("none"), id("w0@b0"), id("w0@b1"), (asset("KHR"), amount(1))),
        };
        match kind {
            OperationKind::DeclineRequest => {
                Operation::DeclineRequest(Box::new(DeclineRequest { from, to, request_ref }))
            }
            OperationKind::CancelRequest => Operation::CancelRequest(Box::new(CancelRequest { from, to, request_ref })),
            _ => {
                let (asset, minor) = asked;
                let amount = if self.dice.one_in(12) { amount(minor.minor() / 2 + 1) } else { minor };
                let instruction_ref = self.maybe_reference();
                Operation::AcceptRequest(Box::new(AcceptRequest {
                    from,
                    to,
                    asset,
                    amount,
                    request_ref,
                    instruction_ref,
                }))
            }
        }
    }

    fn grant(&mut self, scene: Scene<'_>) -> Operation {
        let (from, asset, _) = self.payer(scene);
        self.grant_from(scene, from, asset)
    }

    /// More mandates than an account may have, for a long time.
    pub(super) fn many_grants(&mut self, scene: Scene<'_>) -> Vec<Operation> {
        let (from, asset, _) = self.payer(scene);
        (0..=MANDATES_MAX).map(|_| self.grant_from(scene, from, asset)).collect()
    }

    fn grant_from(&mut self, scene: Scene<'_>, from: AccountId, asset: Asset) -> Operation {
        let far = scene.now_ms + self.dice.below(400 * 24) * crate::fixture::HOUR_MS;
        Operation::GrantMandate(Box::new(GrantMandate {
            from,
            to: self.payee(scene, from),
            asset,
            cap: self.some_of(5_000),
            period: self.dice.pick(&[Period::Day, Period::Week, Period::Month]),
            instruction_ref: self.own_reference(),
            expires_ms: if self.dice.one_in(8) { self.end(scene, TIMED_LIFE_MAX_MS) } else { far },
        }))
    }

    fn of_mandate(&mut self, scene: Scene<'_>, kind: OperationKind) -> Operation {
        let (from, payer) = self.account(scene, |_, account| !account.mandates.is_empty());
        let granted = payer.as_ref().map(|payer| payer.mandates.as_slice()).unwrap_or_default();
        let mandate = self.dice.of(granted).cloned();
        let (mandate_ref, to, money) = match mandate {
            // What is left of this period, if it still is.
            Some(of) => {
                let left = amount(of.cap.minor() - of.collected.minor());
                (of.reference, of.to, (of.asset, if self.dice.one_in(2) { left } else { of.cap }))
            }
            None => (reference("none"), id("w0@b1"), (asset("KHR"), amount(10))),
        };
        let mandate_ref = self.or_other(mandate_ref, reference("none"));
        if kind == OperationKind::RevokeMandate {
            return Operation::RevokeMandate(Box::new(RevokeMandate { from, to, mandate_ref }));
        }
        let (asset, cap) = money;
        let (amount, instruction_ref) = (self.some_of(cap.minor()), self.maybe_reference());
        Operation::Collect(Box::new(Collect { from, to, asset, amount, mandate_ref, instruction_ref }))
    }

    fn offer(&mut self, scene: Scene<'_>) -> Operation {
        let (maker, sold, available) = self.payer(scene);
        let bought = asset(self.dice.pick(&CODES));
        let bought = if bought == sold && !self.dice.one_in(8) {
            asset(if sold == asset("KHR") { "USD" } else { "KHR" })
        } else {
            bought
        };
        let taker = if self.dice.one_in(2) { Some(self.payee(scene, maker)) } else { None };
        Operation::OfferQuote(Box::new(OfferQuote {
            maker,
            taker,
            sold: (sold, self.some_of(available)),
            bought: (bought, amount(1 + self.dice.below(2_000))),
            instruction_ref: self.own_reference(),
            expires_ms: self.end(scene, TIMED_LIFE_MAX_MS),
        }))
    }

    fn take(&mut self, scene: Scene<'_>) -> Operation {
        let (quote_ref, quote) = match self.standing(scene, TimedKind::Quote) {
            Some((quote_ref, TimedContent::Quote(quote))) => (quote_ref, quote),
            _ => {
                let (sold, bought) = ((asset("KHR"), amount(1)), (asset("USD"), amount(1)));
                (reference("none"), Quote { maker: id("w0@b0"), taker: None, sold, bought })
            }
        };
        let Quote { maker, taker, sold, bought } = quote;
        let taker = match taker {
            Some(taker) => self.or_other(taker, maker),
            None => self.payer_like(scene, |id| id != maker).0,
        };
        let bought = if self.dice.one_in(12) { (bought.0, amount(bought.1.minor() + 1)) } else { bought };
        let instruction_ref = self.maybe_reference();
        Operation::TakeQuote(Box::new(TakeQuote { maker, taker, sold, bought, quote_ref, instruction_ref }))
    }
}
