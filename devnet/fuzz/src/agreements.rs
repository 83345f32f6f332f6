//! One operation of each way to pay besides a transfer.
//!
//! Must not know: transactions.

use tonle_khqr::{Draft, Payee, generate};
use tonle_ledger::{
    AcceptRequest, AccountId, Amount, Asset, CancelRequest, CaptureHold, Collect, DeclineRequest, GrantMandate,
    OfferQuote, Operation, PayKhqr, PaymentKind, Period, PlaceHold, Progress, Reference, ReleaseHold, RequestToPay,
    Return, RevokeMandate, SendToBank, TakeQuote, Text, TrackTransfer,
};

const END_MS: u64 = 1_800_000_000_000;

fn parties() -> [AccountId; 2] {
    ["a@bank0", "b@bank1"].map(|name| AccountId::new(name).expect("a name"))
}

fn money() -> (Asset, Amount) {
    (Asset::new("KHR").expect("a code"), Amount::from_minor(300))
}

fn dollars() -> (Asset, Amount) {
    (Asset::new("USD").expect("a code"), Amount::from_minor(1))
}

fn name() -> Reference {
    Reference::new("r 1").expect("printable")
}

fn own() -> Option<Reference> {
    Some(Reference::new("r 2").expect("printable"))
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).expect("printable")
}

/// All of them.
pub(crate) fn agreements() -> Vec<Operation> {
    [holds(), payments(), codes(), requests(), mandates(), quotes()].concat()
}

/// Holds.
fn holds() -> Vec<Operation> {
    let [from, to] = parties();
    let (asset, amount) = money();
    vec![
        Operation::PlaceHold(Box::new(PlaceHold {
            from,
            to,
            asset,
            amount,
            instruction_ref: name(),
            expires_ms: END_MS,
        })),
        Operation::CaptureHold(Box::new(CaptureHold {
            from,
            to,
            asset,
            amount,
            hold_ref: name(),
            instruction_ref: own(),
            last: true,
        })),
        Operation::ReleaseHold(Box::new(ReleaseHold { from, to, hold_ref: name() })),
    ]
}

/// Payments to banks and back.
fn payments() -> Vec<Operation> {
    let [from, to] = parties();
    let (asset, amount) = money();
    vec![
        Operation::SendToBank(Box::new(SendToBank {
            from,
            to,
            asset,
            amount,
            instruction_ref: name(),
            expires_ms: END_MS,
            purpose: Some(text("SALA")),
            external_ref: own(),
            remittance: vec![7; 3],
        })),
        Operation::TrackTransfer(Box::new(TrackTransfer {
            from,
            to,
            transfer_ref: name(),
            progress: Progress::Refused,
            reason: Some(text("AC04")),
        })),
        Operation::Return(Box::new(Return {
            from: to,
            to: from,
            asset,
            amount,
            instruction_ref: own(),
            reason: Some(text("AC04")),
            original_kind: PaymentKind::Collection,
            original_ref: name(),
            original_amount: amount,
            original_purpose: Some(text("SALA")),
            original_external_ref: own(),
            original_agreement_ref: own(),
        })),
    ]
}

/// Payments by KHQR codes.
fn codes() -> Vec<Operation> {
    let [from, to] = parties();
    let (asset, amount) = money();
    vec![Operation::PayKhqr(Box::new(PayKhqr {
        from,
        to,
        asset,
        amount,
        payload: code(&to),
        instruction_ref: own(),
        external_ref: own(),
    }))]
}

/// A code for 3 riel, which is paid once, with Khmer text.
fn code(to: &AccountId) -> Box<str> {
    let payee = Payee::Individual { account: to.as_str(), information: None, bank: None };
    let draft = Draft { amount: Some("3"), expires_ms: Some(END_MS), ..Draft::new(payee, "ហាង") };
    generate(&draft, END_MS - 1).expect("a code").into()
}

/// Requests to pay.
fn requests() -> Vec<Operation> {
    let [from, to] = parties();
    let (asset, amount) = money();
    vec![
        Operation::RequestToPay(Box::new(RequestToPay {
            from,
            to,
            asset,
            amount,
            instruction_ref: name(),
            expires_ms: END_MS,
            purpose: Some(text("SALA")),
            external_ref: own(),
            remittance: vec![7; 3],
        })),
        Operation::AcceptRequest(Box::new(AcceptRequest {
            from,
            to,
            asset,
            amount,
            request_ref: name(),
            instruction_ref: own(),
        })),
        Operation::DeclineRequest(Box::new(DeclineRequest { from, to, request_ref: name() })),
        Operation::CancelRequest(Box::new(CancelRequest { from, to, request_ref: name() })),
    ]
}

/// Mandates.
fn mandates() -> Vec<Operation> {
    let [from, to] = parties();
    let (asset, amount) = money();
    vec![
        Operation::GrantMandate(Box::new(GrantMandate {
            from,
            to,
            asset,
            cap: amount,
            period: Period::Week,
            instruction_ref: name(),
            expires_ms: END_MS,
        })),
        Operation::Collect(Box::new(Collect { from, to, asset, amount, mandate_ref: name(), instruction_ref: own() })),
        Operation::RevokeMandate(Box::new(RevokeMandate { from, to, mandate_ref: name() })),
    ]
}

/// Quotes.
fn quotes() -> Vec<Operation> {
    let [from, to] = parties();
    let (asset, amount) = money();
    vec![
        Operation::OfferQuote(Box::new(OfferQuote {
            maker: from,
            taker: Some(to),
            sold: (asset, amount),
            bought: dollars(),
            instruction_ref: name(),
            expires_ms: END_MS,
        })),
        Operation::TakeQuote(Box::new(TakeQuote {
            maker: from,
            taker: to,
            sold: (asset, amount),
            bought: dollars(),
            quote_ref: name(),
            instruction_ref: own(),
        })),
    ]
}
