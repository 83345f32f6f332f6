//! The protobuf messages that clients build and sign: the one definition of their layout, but for the operations.
//!
//! ```text
//! message SignedTransaction { bytes body = 1;                  // a TransactionBody, exactly as signed
//!                             repeated Signature signatures = 2; }   // by key, ascending; 1 to 16
//! message Signature         { bytes key = 1;                   // 32 bytes, ed25519
//!                             bytes signature = 2; }           // 64 bytes
//! message TransactionBody   { bytes chain = 1;                 // 32 bytes: the genesis digest
//!                             uint64 not_before_ms = 2;        // block time, ms since the Unix epoch
//!                             uint64 not_after_ms = 3;         // exclusive; at most 24 h later
//!                             bool independent = 4;            // false: all or nothing
//!                             bytes nonce = 5;                 // 0 to 32 bytes
//!                             repeated Operation operations = 6; }   // 1 to 8,190
//! message Operation         { oneof operation { … } }          // drawn in `operation`, beside what each does
//!
//! signed message = "tonle/v1/transaction\0" (21 bytes) ‖ chain digest (32 bytes) ‖ body bytes        plain ed25519
//! transaction id = BLAKE3.derive_key("tonle v1 transaction", chain digest ‖ body bytes)
//! ```
//!
//! Encoded canonically: fields in ascending order, defaults left out, shortest varints. Every protobuf library does
//! that when it serializes a freshly built message; whatever else is refused.
//!
//! Must not know: what the messages mean.

use tonle_crypto::{Digest, PublicKey, Signature};

use crate::operation::{Named, Parsed};
use crate::protobuf::{Encoder, Fields};
use crate::{MAX_NONCE_BYTES, MAX_OPERATIONS, MAX_SIGNATURES, Operation, Rejection, RejectionCode, TransactionBody};

/// A signed transaction taken apart; keys and signatures are still plain bytes.
pub(crate) struct SignedParts<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) body_range: std::ops::Range<usize>,
    pub(crate) signatures: Vec<(&'a [u8], &'a [u8])>,
}

pub(crate) fn decode_signed(bytes: &[u8]) -> Parsed<SignedParts<'_>> {
    let mut fields = Fields::new(bytes);
    let body = fields.bytes(1).named("body")?;
    let end = bytes.len().saturating_sub(fields.left());
    let body_range = end.saturating_sub(body.len())..end;
    let mut signatures = Vec::new();
    while let Some(entry) = fields.element(2).named("signatures")? {
        if signatures.len() == MAX_SIGNATURES {
            return Err(Rejection::malformed("signatures"));
        }
        let mut entry = Fields::new(entry);
        let key = entry.bytes(1).named("signatures.key")?;
        let signature = entry.bytes(2).named("signatures.signature")?;
        entry.finish().named("signatures")?;
        signatures.push((key, signature));
    }
    fields.finish().named("transaction")?;
    Ok(SignedParts { body, body_range, signatures })
}

/// A body as far as it could be read.
pub(crate) struct DecodedBody {
    pub(crate) body: TransactionBody,
    /// How many operations there are, with those that are not in `body`; one above the limit stands for all above it.
    pub(crate) operations: usize,
    /// The first operation with sealed bytes that are not of their form. Its code is not the lowest that may hold.
    pub(crate) unsealed: Option<Rejection>,
}

pub(crate) fn decode_body(bytes: &[u8]) -> Parsed<DecodedBody> {
    let mut fields = Fields::new(bytes);
    let chain = fields.bytes(1).named("body.chain")?;
    let chain = <[u8; 32]>::try_from(chain).map_err(|_| Rejection::malformed("body.chain"))?;
    let not_before_ms = fields.uint(2).named("body.not_before_ms")?;
    let not_after_ms = fields.uint(3).named("body.not_after_ms")?;
    let independent = fields.flag(4).named("body.independent")?;
    let nonce = fields.bytes(5).named("body.nonce")?;
    if nonce.len() > MAX_NONCE_BYTES {
        return Err(Rejection::malformed("body.nonce"));
    }
    let mut operations = Vec::new();
    let (mut count, mut unsealed) = (0usize, None);
    while let Some(entry) = fields.element(6).named("body.operations")? {
        let numbered = |fault| Rejection { operation: u32::try_from(count).ok(), ..fault };
        match Operation::decode(entry).map_err(numbered) {
            Ok(operation) if count < MAX_OPERATIONS => operations.push(operation),
            Ok(_) => {}
            Err(fault) if fault.code == RejectionCode::SealedInvalid => unsealed = unsealed.or(Some(fault)),
            Err(fault) => return Err(fault),
        }
        count = count.saturating_add(1).min(MAX_OPERATIONS.saturating_add(1));
    }
    fields.finish().named("body")?;
    let chain = Digest::from_bytes(chain);
    let body = TransactionBody { chain, not_before_ms, not_after_ms, independent, nonce: nonce.to_vec(), operations };
    Ok(DecodedBody { body, operations: count, unsealed })
}

pub(crate) fn encode_signed(body: &[u8], signatures: &[(PublicKey, Signature)]) -> Vec<u8> {
    let mut message = Encoder::default();
    message.bytes(1, body);
    for (key, signature) in signatures {
        let mut entry = Encoder::default();
        entry.bytes(1, key.as_bytes()).bytes(2, signature.as_bytes());
        message.element(2, &entry.finish());
    }
    message.finish()
}

pub(crate) fn encode_body(body: &TransactionBody) -> Vec<u8> {
    let mut message = Encoder::default();
    message.bytes(1, body.chain.as_bytes()).uint(2, body.not_before_ms).uint(3, body.not_after_ms);
    message.uint(4, u64::from(body.independent)).bytes(5, &body.nonce);
    for operation in &body.operations {
        message.element(6, &operation.encode());
    }
    message.finish()
}
