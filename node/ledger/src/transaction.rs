//! A signed transaction: the bytes as they were sent, what they say, and the id.
//!
//! Must not know: the protobuf encoding (that is `wire`), or the state.

use tonle_crypto::{
    Canonical, CodecError, Digest, Domain, PublicKey, Reader, SecretKey, Signature, Verifier, Verify, Writer,
};

use crate::{
    MAX_OPERATIONS, MAX_SIGNATURES, MAX_TRANSACTION_BYTES, MAX_WINDOW_MS, Operation, Rejection, RejectionCode,
    TransactionId, wire,
};

static TRANSACTION_ID: Domain = Domain::new("tonle v1 transaction");

/// What stands before chain digest and body in the signed message.
pub(crate) const SIGNING_PREFIX: &[u8] = b"tonle/v1/transaction\0";

/// What a client signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionBody {
    /// The digest of the genesis: the chain it is for.
    pub chain: Digest,
    /// First block time at which it may execute, in ms since the Unix epoch.
    pub not_before_ms: u64,
    /// First block time at which it may not any more; at most 24 hours after `not_before_ms`.
    pub not_after_ms: u64,
    /// `false`: all operations or none. `true`: each for itself, in order.
    pub independent: bool,
    /// 0 to 32 bytes that make equal payments distinct.
    pub nonce: Vec<u8>,
    /// 1 to 8,190 operations, executed in order.
    pub operations: Vec<Operation>,
}

impl TransactionBody {
    /// The canonical protobuf bytes: what is signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::encode_body(self)
    }
    /// Signs it with each of `keys`.
    ///
    /// # Errors
    /// [`Rejection`] when no node would accept the result, such as for a window that is too long.
    pub fn sign(&self, keys: &[&SecretKey]) -> Result<SignedTransaction, Rejection> {
        let body = self.to_bytes();
        let message = SignedTransaction::signed_message(&self.chain, &body);
        let mut signatures: Vec<(PublicKey, Signature)> =
            keys.iter().map(|key| (key.public(), key.sign(&message))).collect();
        signatures.sort_unstable_by_key(|(key, _)| *key);
        signatures.dedup_by_key(|(key, _)| *key);
        SignedTransaction::from_parts(&body, &signatures)
    }
}

/// A transaction as it was received: well-formed by its bytes, its signatures not yet checked (that is
/// `Verified<SignedTransaction>`). It keeps its bytes, and is never encoded again.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    bytes: Box<[u8]>,
    body_range: std::ops::Range<usize>,
    body: TransactionBody,
    signatures: Vec<(PublicKey, Signature)>,
    id: TransactionId,
}

impl SignedTransaction {
    /// Parses the protobuf form. Whether it is for this chain, and whether the signatures hold, is
    /// [`Verify::verify`]'s question.
    ///
    /// # Errors
    /// [`Rejection`] with a code below 20.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Rejection> {
        if bytes.len() > MAX_TRANSACTION_BYTES {
            return Err(Rejection::new(RejectionCode::TransactionTooLarge, "transaction"));
        }
        let parts = wire::decode_signed(bytes)?;
        let wire::DecodedBody { body, operations, unsealed } = wire::decode_body(parts.body)?;
        let signatures = parse_signatures(&parts.signatures)?;
        check_count(operations)?;
        unsealed.map_or(Ok(()), Err)?;
        let id = TransactionId::new(TRANSACTION_ID.digest_parts(&[body.chain.as_bytes(), parts.body]));
        Ok(SignedTransaction { body_range: parts.body_range, bytes: bytes.into(), body, signatures, id })
    }

    /// Joins body bytes and signatures, such as a client collects them from several signers.
    ///
    /// # Errors
    /// As [`SignedTransaction::from_bytes`].
    pub fn from_parts(body: &[u8], signatures: &[(PublicKey, Signature)]) -> Result<Self, Rejection> {
        Self::from_bytes(&wire::encode_signed(body, signatures))
    }

    /// The bytes to sign with plain ed25519: the prefix, the chain digest, the body bytes.
    #[must_use]
    pub fn signed_message(chain: &Digest, body: &[u8]) -> Vec<u8> {
        [SIGNING_PREFIX, chain.as_bytes().as_slice(), body].concat()
    }

    /// The bytes as received: the protobuf message `SignedTransaction`.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// The body's bytes as received.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        self.bytes.get(self.body_range.clone()).unwrap_or_default()
    }
    /// What it says.
    #[must_use]
    pub fn body(&self) -> &TransactionBody {
        &self.body
    }
    /// Its operations.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.body.operations
    }
    /// The signatures, by key, ascending.
    #[must_use]
    pub fn signatures(&self) -> &[(PublicKey, Signature)] {
        &self.signatures
    }
    /// Its id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.id
    }
    /// Did this key sign it?
    pub(crate) fn is_signed_by(&self, key: &[u8; 32]) -> bool {
        self.signatures.binary_search_by(|(other, _)| other.as_bytes().cmp(key)).is_ok()
    }
}

impl std::fmt::Debug for SignedTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedTransaction({}, {} operations)", self.id, self.body.operations.len())
    }
}

fn check_count(operations: usize) -> Result<(), Rejection> {
    if operations == 0 {
        return Err(Rejection::new(RejectionCode::NoOperations, "body.operations"));
    }
    if operations > MAX_OPERATIONS {
        return Err(Rejection::new(RejectionCode::TooManyOperations, "body.operations"));
    }
    Ok(())
}

fn check_window(body: &TransactionBody) -> Result<(), Rejection> {
    match body.not_after_ms.checked_sub(body.not_before_ms) {
        None | Some(0) => Err(Rejection::new(RejectionCode::WindowEmpty, "body.not_after_ms")),
        Some(length) if length > MAX_WINDOW_MS => {
            Err(Rejection::new(RejectionCode::WindowTooLong, "body.not_after_ms"))
        }
        Some(_) => Ok(()),
    }
}

fn parse_signatures(raw: &[(&[u8], &[u8])]) -> Result<Vec<(PublicKey, Signature)>, Rejection> {
    let invalid = Rejection::malformed;
    if raw.is_empty() || raw.len() > MAX_SIGNATURES {
        return Err(invalid("signatures"));
    }
    let mut signatures: Vec<(PublicKey, Signature)> = Vec::with_capacity(raw.len());
    for (key, signature) in raw {
        let key = <[u8; 32]>::try_from(*key).map_err(|_| invalid("signatures.key"))?;
        let key = PublicKey::from_bytes(&key).map_err(|_| invalid("signatures.key"))?;
        let signature = <[u8; 64]>::try_from(*signature).map_err(|_| invalid("signatures.signature"))?;
        if signatures.last().is_some_and(|(last, _)| *last >= key) {
            return Err(invalid("signatures.key"));
        }
        signatures.push((key, Signature::from_bytes(signature)));
    }
    Ok(signatures)
}

impl Verify for SignedTransaction {
    /// The chain digest.
    type Context = Digest;
    type Error = Rejection;

    fn verify(&self, chain: &Digest, verifier: &dyn Verifier) -> Result<(), Rejection> {
        if self.body.chain != *chain {
            return Err(Rejection::new(RejectionCode::WrongChain, "body.chain"));
        }
        check_window(&self.body)?;
        let message = Self::signed_message(chain, self.body_bytes());
        for (key, signature) in &self.signatures {
            let invalid = |_| Rejection::new(RejectionCode::SignatureInvalid, "signatures.signature");
            verifier.verify(key, &message, signature).map_err(invalid)?;
        }
        Ok(())
    }
}

impl Canonical for SignedTransaction {
    /// The received bytes, after their length.
    fn encode_to(&self, writer: &mut Writer) {
        writer.bytes(&self.bytes);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let bytes = reader.bytes("transaction", MAX_TRANSACTION_BYTES)?;
        SignedTransaction::from_bytes(bytes).map_err(|_| CodecError::Invalid("transaction"))
    }
}
