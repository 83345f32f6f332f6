//! A payment as a shop sees it: what an operation of a final transaction moved, between whom, under which references.
//!
//! Must not know: HTTP, where it is stored.

use tonle_khqr::{Field, Md5, Terms, decode, parse};
use tonle_ledger::{
    AccountId, Amount, Asset, Moves, Operation, Receipt, Reference, SignedTransaction, Text, TransactionId,
};

/// Where an operation stands: height, the receipt's index there, the operation in the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    pub(super) height: u64,
    pub(super) index: u32,
    pub(super) operation: u32,
}

impl Place {
    /// Before every payment of the blocks above `height`.
    pub(super) const fn after(height: u64) -> Self {
        Place { height, index: u32::MAX, operation: u32::MAX }
    }

    /// Parses `height.index.operation`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (height, index, operation) = (parts.next()?, parts.next()?, parts.next()?);
        let is_plain = parts.next().is_none() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let place =
            Place { height: height.parse().ok()?, index: index.parse().ok()?, operation: operation.parse().ok()? };
        is_plain.then_some(place)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.height, self.index, self.operation)
    }
}

/// How far a payment has come, as Bakong names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tracking {
    /// A transfer to a bank's own books: the money is kept for the bank, which has not said anything.
    AtLedger,
    /// The bank has it, and has not decided.
    AtBank,
    /// The payee has it.
    Acknowledged,
    /// It went back: the bank refused it, or its time came.
    Refunded,
}

impl Tracking {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Tracking::AtLedger => "RECEIVE_AT_ACH",
            Tracking::AtBank => "RECEIVE_AT_RECEIVER_BANK",
            Tracking::Acknowledged => "ACKNOWLEDGED_BY_FI",
            Tracking::Refunded => "REFUNDED_BY_RECEIVER",
        }
    }
}

/// The KHQR code that was paid by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) md5: Md5,
    pub(super) payload: String,
    pub(super) is_static: bool,
    /// The bill, as the code names it; else what is paid for.
    pub(super) bill: Option<String>,
}

impl Code {
    pub(super) fn of(payload: &str) -> Self {
        let fields = decode(payload);
        let bill = fields.get(Field::BillNumber).or_else(|| fields.get(Field::Purpose));
        Code {
            md5: Md5::of(payload),
            payload: payload.to_owned(),
            is_static: parse(payload).is_ok_and(|khqr| matches!(khqr.terms, Terms::Static { .. })),
            bill: bill.filter(|bill| !bill.is_empty()).map(str::to_owned),
        }
    }
}

/// What an operation says that pays, whether or not it took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instructed {
    pub(super) from: AccountId,
    pub(super) to: AccountId,
    pub(super) asset: Asset,
    pub(super) amount: Amount,
    pub(super) description: String,
    pub(super) instruction_ref: Option<Reference>,
    pub(super) external_ref: Option<Reference>,
    pub(super) code: Option<Code>,
    /// The money waits for a bank's word.
    pub(super) is_bank_transfer: bool,
}

impl Instructed {
    /// What `operation` pays; `None` for one that pays nobody, or both ways at once.
    pub(super) fn of(operation: &Operation) -> Option<Self> {
        let text = |purpose: Option<&Text<35>>| purpose.map(|text| text.as_str().to_owned()).unwrap_or_default();
        match operation.kind().moves() {
            Moves::Payment | Moves::BankTransfer => {}
            Moves::Seizure | Moves::Exchange | Moves::Issue | Moves::Redemption | Moves::Nothing => return None,
        }
        let (description, external_ref) = match operation {
            Operation::Transfer(transfer) => (text(transfer.purpose.as_ref()), transfer.external_ref.clone()),
            Operation::SendToBank(transfer) => (text(transfer.purpose.as_ref()), transfer.external_ref.clone()),
            Operation::PayKhqr(payment) => (String::new(), payment.external_ref.clone()),
            _ => (String::new(), None),
        };
        let ([Some(from), Some(to)], Some((asset, amount))) = (operation.accounts(), operation.money()) else {
            return None;
        };
        Some(Instructed {
            from,
            to,
            asset,
            amount,
            description,
            instruction_ref: operation.reference().cloned(),
            external_ref,
            code: if let Operation::PayKhqr(payment) = operation { Some(Code::of(&payment.payload)) } else { None },
            is_bank_transfer: matches!(operation, Operation::SendToBank(_)),
        })
    }

    /// Does it leave or enter one of these accounts?
    pub(super) fn touches(&self, accounts: &[AccountId]) -> bool {
        accounts.contains(&self.from) || accounts.contains(&self.to)
    }
}

/// A payment that is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payment {
    pub(super) hash: TransactionId,
    pub(super) place: Place,
    pub(super) instructed: Instructed,
    /// The block's time, ms since the Unix epoch.
    pub(super) created_ms: u64,
    /// When the payee had it, ms since the Unix epoch; `None` while a bank has not said so.
    pub(super) acknowledged_ms: Option<u64>,
    pub(super) tracking: Tracking,
}

/// A final transaction with its receipt.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    pub(super) receipt: Receipt,
    /// `None` for a block's own receipt, which no transaction left.
    pub(super) transaction: Option<SignedTransaction>,
}

impl Settled {
    pub(super) fn operation(&self, number: u32) -> Option<&Operation> {
        self.transaction.as_ref()?.operations().get(usize::try_from(number).ok()?)
    }
}
