//! Personal data that is not sealed: refused by its bytes, before anything is queued. Every other fault of the bytes comes
//! first. What no client's types let through is written here byte by byte.

use super::Attempt;
use super::fixture::*;
use tonle_crypto::Digest;
use tonle_ledger::*;

/// A length-delimited protobuf field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut length = bytes.len();
    let mut message = vec![number << 3 | 2];
    while length >= 0x80 {
        message.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap());
    [message, bytes.to_vec()].concat()
}

/// The message `Operation` of a payment of one minor unit: a transfer (1), to a bank (12) or a request (15). `more` follows
/// its field of sealed bytes.
fn payment(number: u8, sealed: &[u8], more: &[u8]) -> Vec<u8> {
    let accounts = [field(1, b"alice@aba"), field(2, b"bob@acleda"), field(3, b"KHR")].concat();
    let sealed = if sealed.is_empty() { Vec::new() } else { field(if number == 1 { 8 } else { 9 }, sealed) };
    field(number, &[&accounts, [4 << 3, 1].as_slice(), &field(5, b"r"), &sealed, more].concat())
}

/// The body of these operations, on this chain.
fn body_of(change: fn(&mut TransactionBody), operations: &[Vec<u8>]) -> Vec<u8> {
    let mut body = body(genesis().digest(), Vec::new());
    change(&mut body);
    let operations: Vec<u8> = operations.iter().flat_map(|operation| field(6, operation)).collect();
    [body.to_bytes(), operations].concat()
}

/// The message `SignedTransaction`, with `signers` signatures that hold for nothing.
fn signed(body: &[u8], signers: usize) -> Vec<u8> {
    let entry = field(2, &[field(1, key("aba").public().as_bytes()), field(2, &[7; 64])].concat());
    [field(1, body), entry.repeat(signers)].concat()
}

/// Sealed bytes, but for the text: there it stands as it was written.
fn text_behind_a_header() -> Vec<u8> {
    let mut bytes = sealed(128).as_bytes().to_vec();
    let header = bytes.len() - 160;
    bytes[header..].copy_from_slice(&"Rice and fish for Sok Dara. ".repeat(6).as_bytes()[..160]);
    bytes
}

/// A payment to a bank whose beneficiary everybody can read, on another chain.
pub(super) fn rows() -> Vec<(RejectionCode, Attempt)> {
    let clear = body_of(|body| body.chain = Digest::ZERO, &[payment(12, &text_behind_a_header(), &[])]);
    vec![(RejectionCode::SealedInvalid, Attempt::Bytes(signed(&clear, 1)))]
}

fn refusal(bytes: &[u8]) -> (RejectionCode, &'static str, Option<u32>) {
    let rejection = SignedTransaction::from_bytes(bytes).unwrap_err();
    (rejection.code, rejection.field, rejection.operation)
}

#[test]
fn text_that_is_not_sealed_is_refused_by_its_bytes() {
    let fields = [(1, "transfer.sealed"), (12, "send_to_bank.sealed"), (15, "request_to_pay.sealed")];
    let good = sealed(128).as_bytes().to_vec();
    let longer = [good.as_slice(), &[0xee]].concat();
    for (number, name) in fields {
        let of = |bytes: &[u8]| signed(&body_of(|_| {}, &[payment(1, &[], &[]), payment(number, bytes, &[])]), 1);
        assert!(SignedTransaction::from_bytes(&of(&good)).is_ok(), "{name}");
        for bad in [b"x".as_slice(), b"the beneficiary is 0011223344", &good[1..], &longer, &text_behind_a_header()] {
            assert_eq!(refusal(&of(bad)), (RejectionCode::SealedInvalid, name, Some(1)));
        }
        let none = SignedTransaction::from_bytes(&of(&[]));
        assert_eq!(none.is_ok(), number != 12, "{name}: a bank must know for whom it is");
    }
}

#[test]
fn every_other_fault_of_the_bytes_comes_first() {
    use RejectionCode::{Malformed, SealedInvalid, TooManyOperations};
    let clear = || payment(12, &text_behind_a_header(), &[]);
    let one = body_of(|_| {}, &[clear()]);
    assert_eq!(refusal(&signed(&one, 1)).0, SealedInvalid);
    let after = body_of(|_| {}, &[payment(12, &text_behind_a_header(), &field(10, b"?"))]);
    assert_eq!(refusal(&signed(&after, 1)), (Malformed, "send_to_bank", Some(0)));
    let next = body_of(|_| {}, &[clear(), b"?".to_vec()]);
    assert_eq!(refusal(&signed(&next, 1)), (Malformed, "operation", Some(1)));
    assert_eq!(refusal(&signed(&[one.as_slice(), &field(7, b"?")].concat(), 1)), (Malformed, "body", None));
    assert_eq!(refusal(&signed(&one, 0)), (Malformed, "signatures", None));
    let mut many = vec![payment(1, &[], &[]); MAX_OPERATIONS];
    many.push(clear());
    assert_eq!(refusal(&signed(&body_of(|_| {}, &many), 1)).0, TooManyOperations);
    many.remove(0);
    let number = u32::try_from(MAX_OPERATIONS - 1).ok();
    assert_eq!(refusal(&signed(&body_of(|_| {}, &many), 1)), (SealedInvalid, "send_to_bank.sealed", number));
}
