//! A valid certificate or message under a knife: the input says what to change in its bytes. Nothing but the valid one
//! may pass, so whatever still verifies afterwards must be the same to the byte.
//!
//! Must not know: what the bytes mean.

use std::sync::{Arc, LazyLock};

use tonle_consensus::{Certificate, Evidence, Message, QuorumKind, Signed, Statement, View};
use tonle_crypto::{Canonical, Digest, Verify};
use tonle_replica::{Batch, Cut, RawBatch, Tip};

use crate::Input;
use crate::forge::{Forge, NODES, child, every_operation, genesis, peers, roots, transaction, validator};
use crate::signing::Scheme;

const BLOCK: Digest = Digest::from_bytes([0x11; 32]);
const VIEW: View = View::new(9);

static FORGE: LazyLock<Forge> = LazyLock::new(|| Forge::new(Scheme::Ed25519, NODES, 0));

/// Messages with exactly a quorum of signers each: fewer are none, and nobody can add one. The proposal's sidecar is
/// empty and ends the message, since that part alone is not signed.
static VALID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let forge = &*FORGE;
    let quorum: Vec<_> = (0..3).map(validator).collect();
    let qc = |view| forge.quorum(QuorumKind::Notarized, View::new(view), BLOCK, &quorum);
    let fc = forge.quorum(QuorumKind::Finalized, VIEW, BLOCK, &quorum);
    let tc = forge.timeouts(View::new(8), &quorum, Some(qc(6)));
    let parent = genesis();
    let block = child(&parent, &Cut::genesis(usize::from(NODES)), roots(&parent), None);
    [
        Message::Certificate(Certificate::Quorum(qc(9))),
        Message::Certificate(Certificate::Quorum(fc)),
        Message::Certificate(Certificate::Timeout(tc.clone())),
        Message::Certificate(Certificate::Timeout(forge.timeouts(VIEW, &quorum, None))),
        Message::Notarize(forge.vote(QuorumKind::Notarized, VIEW, BLOCK, validator(1))),
        Message::Finalize(forge.vote(QuorumKind::Finalized, VIEW, BLOCK, validator(1))),
        Message::Timeout(forge.timeout(VIEW, validator(2), Some(qc(7)))),
        Message::Proposal(Arc::new(forge.proposal(VIEW, block, Some(qc(6)), Some(tc), &[]))),
    ]
    .iter()
    .map(Canonical::encode)
    .collect()
});

static EVIDENCE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let signed = |statement: Statement| Signed { statement, signature: FORGE.sign(validator(3), &statement) };
    let first = signed(Statement::Finalize { view: View::new(4), block: BLOCK });
    let second = signed(Statement::Timeout { view: View::new(5), high_view: View::new(3) });
    Evidence { epoch: FORGE.epoch(), signer: validator(3), first, second }.encode()
});

static BATCH: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let transactions = [transaction(Scheme::Ed25519, 1, 2, every_operation())];
    FORGE.batch(2, Tip { seq: 6, digest: BLOCK }, &transactions).encode()
});

/// How many subjects there are: the first byte of an input chooses one.
pub(crate) const SUBJECTS: u8 = 10;

/// See the module.
pub(crate) fn tampering(data: &[u8]) {
    let mut input = Input::new(data);
    let subject = input.below(usize::from(SUBJECTS));
    let valid: &[u8] = match subject {
        8 => &EVIDENCE,
        9 => &BATCH,
        message => &VALID[message],
    };
    let tampered = cut_open(valid, &mut input);
    let passes = match subject {
        8 => Evidence::decode(&tampered)
            .is_ok_and(|evidence| evidence.verify(&FORGE.context, Scheme::Ed25519.verifier()).is_ok()),
        9 => RawBatch::decode(&tampered).is_ok_and(|raw| {
            let context = peers().batches();
            Batch::check(Arc::new(raw), &context, Scheme::Ed25519.verifier()).is_ok()
        }),
        _ => Message::decode(&tampered)
            .is_ok_and(|message| message.verify(&FORGE.context, Scheme::Ed25519.verifier()).is_ok()),
    };
    // The two statements of an evidence may not be exchanged either: each has its place.
    let with_sidecar = subject == 7 && passes && same_but_for_the_sidecar(valid, &tampered);
    assert_eq!(passes, tampered == valid || with_sidecar, "subject {subject}: {valid:02x?} became {tampered:02x?}");
}

fn same_but_for_the_sidecar(valid: &[u8], tampered: &[u8]) -> bool {
    let signed = valid.len() - 4;
    tampered.get(..signed) == Some(&valid[..signed])
}

/// Carries out what the input says, up to eight changes.
fn cut_open(valid: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..8 {
        if input.is_empty() {
            break;
        }
        let (what, at) = (input.below(6), usize::from(input.u16()) % (bytes.len() + 1));
        match what {
            0 => {
                let mask = input.u8();
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= mask);
            }
            1 => {
                let value = input.u8();
                bytes.get_mut(at).into_iter().for_each(|byte| *byte = value);
            }
            2 => bytes.truncate(at),
            3 => {
                let length = usize::from(input.u8());
                let noise = input.bytes(length).to_vec();
                bytes.splice(at..at, noise);
            }
            4 => {
                let end = (at + 1 + usize::from(input.u8())).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            // A signature, a signer, a certificate twice, or in the place of another.
            _ => {
                let (to, length) = (usize::from(input.u16()) % (bytes.len() + 1), usize::from(input.u8()));
                let piece = bytes[at..(at + length).min(bytes.len())].to_vec();
                let end = (to + piece.len()).min(bytes.len());
                bytes.splice(to..end, piece);
            }
        }
    }
    bytes
}
