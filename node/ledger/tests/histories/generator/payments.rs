//! Payments that are done at once, and what goes back of them.
//!
//! Must not know: who signs.

use tonle_ledger::*;

use super::{Generator, Scene};
use crate::fixture::{amount, asset, id, reference, sealed};

impl Generator {
    pub(super) fn payment(&mut self, scene: Scene<'_>, kind: OperationKind) -> Operation {
        match kind {
            OperationKind::Issue => self.issue(scene),
            OperationKind::Redeem => {
                let (from, asset, available) = self.payer(scene);
                let (amount, instruction_ref) = (self.some_of(available), self.maybe_reference());
                Operation::Redeem(Redeem { from, asset, amount, instruction_ref })
            }
            OperationKind::Seize => {
                let (from, asset, available) = self.payer(scene);
                let (to, amount) = (self.payee(scene, from), self.some_of(available));
                let (order_ref, instruction_ref) = (reference("court 7"), self.maybe_reference());
                Operation::Seize(Box::new(Seize { from, to, asset, amount, order_ref, instruction_ref }))
            }
            OperationKind::Return => self.give_back(scene),
            OperationKind::PayKhqr => self.by_code(scene),
            _ => self.transfer(scene),
        }
    }

    fn transfer(&mut self, scene: Scene<'_>) -> Operation {
        let (from, asset, available) = self.payer(scene);
        let purpose = self.dice.one_in(3).then(|| Text::new("SALA").unwrap());
        let external_ref = self.dice.one_in(3).then(|| reference("invoice"));
        Operation::Transfer(Box::new(Transfer {
            from,
            to: self.payee(scene, from),
            asset,
            amount: self.some_of(available),
            instruction_ref: self.maybe_reference(),
            purpose,
            external_ref,
            sealed: self.dice.one_in(16).then(|| sealed(128)),
        }))
    }

    fn issue(&mut self, scene: Scene<'_>) -> Operation {
        if self.dice.one_in(40) {
            let (to, asset) = (id("full@b0"), asset("USD"));
            let amount = amount(1 + self.dice.below(20_000));
            return Operation::Issue(Issue { to, asset, amount, instruction_ref: None });
        }
        let nobody = id("reserve@nbc");
        let to = self.payee(scene, nobody);
        let code = self.dice.pick(&crate::world::CODES);
        let amount = self.some_of(2_000_000);
        // What overflows 64 bits is drawn above.
        let amount = if amount.minor() == u64::MAX { Amount::from_minor(5) } else { amount };
        Operation::Issue(Issue {
            to,
            asset: self.some_asset(asset(code)),
            amount,
            instruction_ref: self.maybe_reference(),
        })
    }

    /// Gives back something that was drawn before, whether it was paid or not.
    fn give_back(&mut self, scene: Scene<'_>) -> Operation {
        let is_payment = |operation: &Operation| {
            matches!(operation, Operation::Transfer(_) | Operation::AcceptRequest(_) | Operation::Collect(_))
        };
        let mut payments: Vec<_> = self.drawn.iter().filter(|operation| is_payment(operation)).collect();
        // Late ones were paid by now; those of long ago are forgotten.
        payments.reverse();
        let Some(original) = self.dice.of(&payments).copied().cloned() else { return self.transfer(scene) };
        let ([Some(payer), Some(payee)], Some((asset, paid))) = (original.accounts(), original.money()) else {
            return self.transfer(scene);
        };
        let original_ref = original.reference().unwrap().clone();
        let returned = scene.view.of_kind(TimedKind::Returned).iter().find(|timed| timed.reference == original_ref);
        let returned = returned.map_or(0, |timed| match &timed.content {
            TimedContent::Returned(of) => of.returned.minor(),
            _ => 0,
        });
        let left = paid.minor().saturating_sub(returned);
        let original_amount = if self.slips() { amount(paid.minor() / 2 + 1) } else { paid };
        let mut back = Return {
            from: payee,
            to: self.or_other(payer, payee),
            asset,
            amount: match self.dice.below(6) {
                0 => paid,
                1 => amount(left),
                2 => amount(left.saturating_add(1)),
                _ => amount(1 + self.dice.below(left)),
            },
            instruction_ref: self.maybe_reference(),
            reason: None,
            original_kind: PaymentKind::Transfer,
            original_ref,
            original_amount,
            original_purpose: None,
            original_external_ref: None,
            original_agreement_ref: None,
        };
        match original {
            Operation::Transfer(of) => {
                back.original_purpose = of.purpose;
                back.original_external_ref = of.external_ref;
            }
            Operation::AcceptRequest(of) => {
                back.original_kind = PaymentKind::Request;
                back.original_agreement_ref = Some(of.request_ref);
            }
            Operation::Collect(of) => {
                back.original_kind = PaymentKind::Collection;
                back.original_agreement_ref = Some(of.mandate_ref);
            }
            _ => {}
        }
        Operation::Return(Box::new(back))
    }
}
