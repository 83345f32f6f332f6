//! Transactions that are refused by their bytes, before anything is ordered.
//!
//! Must not know: what a decoder looks at first.

use tonle_crypto::{Digest, Strict, Verified};
use tonle_ledger::*;

use super::{Generator, Scene};
use crate::fixture::{sealed, transfer};

impl Generator {
    /// Spoils a transaction in one of the ways there are, and says why it was refused.
    pub(super) fn refused(&mut self, scene: Scene<'_>) -> RejectionCode {
        let operations = self.operations(scene);
        let signers = self.signers(scene, &operations);
        let mut body = self.body(scene, operations);
        let way = self.dice.below(10);
        if way == 9 {
            let Operation::Transfer(plain) = transfer("w0@b0", "w0@b1", 1) else { unreachable!("a transfer") };
            let sealed = Some(sealed(128));
            body.operations = vec![Operation::Transfer(Box::new(Transfer { sealed, ..*plain }))];
        }
        match way {
            0 => body.chain = Digest::ZERO,
            1 => body.not_after_ms = body.not_before_ms - self.dice.below(2),
            2 => body.not_after_ms = body.not_before_ms + MAX_WINDOW_MS + 1,
            3 => body.operations.clear(),
            // Large ones take long: seldom.
            4 if self.dice.one_in(4) => body.operations = vec![body.operations[0].clone(); MAX_OPERATIONS + 1],
            5 if self.dice.one_in(4) => body.nonce = vec![0; MAX_TRANSACTION_BYTES],
            6 => body.nonce = vec![0; MAX_NONCE_BYTES + 1],
            _ => {}
        }
        let secrets: Vec<_> = signers.iter().map(|key| self.keys.secret(key)).collect();
        let signed = match body.sign(&secrets) {
            Ok(signed) => signed,
            Err(rejection) => return rejection.code,
        };
        // A bit of what was signed, or of a signature, is another.
        let mut bytes = signed.bytes().to_vec();
        if way == 9 {
            // The head of what is sealed.
            let head = b"age-encryption";
            let at = bytes.windows(head.len()).position(|window| window == head).unwrap();
            bytes[at] ^= 1;
        } else if way > 3 {
            let at = if way == 7 { bytes.len() - 1 } else { self.dice.place(bytes.len()) };
            bytes[at] ^= 1 << self.dice.below(8);
        }
        let read = SignedTransaction::from_bytes(&bytes);
        match read.and_then(|signed| Verified::check(signed, &self.chain, &Strict)) {
            Ok(_) => panic!("a spoilt transaction is taken: way {way}"),
            Err(rejection) => rejection.code,
        }
    }
}
