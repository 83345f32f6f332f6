//! What makes a certificate or message acceptable, with real ed25519: quorum arithmetic for every size of set, and
//! every way of padding, repeating or borrowing signatures that was ever let through elsewhere.

#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::cell::Cell;

use harness::{genesis_block, secret, validators};
use tonle_consensus::{
    Bitmap, Certificate, Epoch, Evidence, Invalid, Message, QuorumCertificate, QuorumKind, Signed, SigningContext,
    Statement, Timeout, TimeoutCertificate, TimeoutVote, ValidatorIndex, View, Vote,
};
use tonle_crypto::{Digest, PublicKey, Signature, SignatureInvalid, Strict, Verified, Verifier, Verify};

fn context(n: u16) -> SigningContext {
    SigningContext { genesis: Digest::from_bytes([1; 32]), set: validators(n, 3) }
}

fn index(number: u16) -> ValidatorIndex {
    ValidatorIndex::new(number)
}

fn sign(context: &SigningContext, signer: u16, statement: &Statement) -> Signature {
    secret(signer).sign(&statement.preimage(context))
}

fn quorum(context: &SigningContext, signers: &[u16]) -> QuorumCertificate {
    let mut certificate = QuorumCertificate {
        kind: QuorumKind::Notarized,
        epoch: context.set.epoch(),
        view: View::new(5),
        block: genesis_block().digest(),
        signers: Bitmap::new(context.set.len()),
        signatures: Vec::new(),
    };
    for signer in signers {
        certificate.signers.insert(index(*signer));
        certificate.signatures.push(sign(context, *signer, &certificate.statement()));
    }
    certificate
}

fn timeouts(context: &SigningContext, signers: &[(u16, u64)], high: u64) -> TimeoutCertificate {
    let view = View::new(9);
    let vote = |(signer, high_view): &(u16, u64)| {
        let high_view = View::new(*high_view);
        let signature = sign(context, *signer, &Statement::Timeout { view, high_view });
        TimeoutVote { signer: index(*signer), high_view, signature }
    };
    let high_qc = (high > 0).then(|| {
        let mut certificate = quorum(context, &[]);
        certificate.view = View::new(high);
        for signer in 0..u16::try_from(context.set.quorum()).unwrap() {
            certificate.signers.insert(index(signer));
            certificate.signatures.push(sign(context, signer, &certificate.statement()));
        }
        certificate
    });
    TimeoutCertificate { epoch: context.set.epoch(), view, votes: signers.iter().map(vote).collect(), high_qc }
}

#[test]
fn any_two_quorums_share_an_honest_validator_for_every_set_size() {
    for n in 1..=100u16 {
        let set = validators(n, 0);
        let (n, f, q) = (usize::from(n), set.faults(), set.quorum());
        assert_eq!(f, (n - 1) / 3);
        assert_eq!(q, n - f);
        // Two quorums overlap in at least 2q - n; more than f of those means one honest.
        assert!(2 * q - n > f, "n {n}");
        // The honest alone are a quorum, and a quorum holds f + 1 honest at least.
        assert!(n - f >= q && q - f > f, "n {n}");
    }
}

#[test]
fn everyone_leads_once_in_n_views_in_an_order_of_the_epoch() {
    for n in [1u16, 4, 7, 100] {
        let mut leaders: Vec<u16> =
            (1..=u64::from(n)).map(|view| validators(n, 0).leader(View::new(view)).get()).collect();
        leaders.sort_unstable();
        assert_eq!(leaders, (0..n).collect::<Vec<_>>());
    }
    let order = |epoch| (1..=7).map(|view| validators(7, epoch).leader(View::new(view))).collect::<Vec<_>>();
    assert_ne!(order(0), order(1));
}

#[test]
fn a_certificate_of_a_quorum_holds_for_every_set_size() {
    for n in [1u16, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 100] {
        let context = context(n);
        let q = u16::try_from(context.set.quorum()).unwrap();
        let signers: Vec<u16> = (n - q..n).collect();
        assert_eq!(quorum(&context, &signers).verify(&context, &Strict), Ok(()), "n {n}");
        let short = quorum(&context, &signers[1..]).verify(&context, &Strict);
        let (signers, quorum) = (usize::from(q) - 1, usize::from(q));
        assert_eq!(short, Err(Invalid::Quorum { signers, quorum }), "n {n}");
    }
}

/// Every spoilt certificate of three of four validators, and why it is refused.
#[test]
fn a_spoilt_quorum_certificate_is_refused() {
    let context = context(4);
    let good = quorum(&context, &[0, 1, 3]);
    let spoil = |change: &dyn Fn(&mut QuorumCertificate)| {
        let mut certificate = good.clone();
        change(&mut certificate);
        certificate.verify(&context, &Strict)
    };
    let bitmap = |bytes: &[u8]| Bitmap::from_bytes(bytes.to_vec());
    assert_eq!(spoil(&|_| ()), Ok(()));
    // Length of the bitmap, padding, signers out of range.
    assert_eq!(spoil(&|c| c.signers = bitmap(&[])), Err(Invalid::Bitmap));
    assert_eq!(spoil(&|c| c.signers = bitmap(&[0b1011, 0])), Err(Invalid::Bitmap));
    assert_eq!(spoil(&|c| c.signers = bitmap(&[0b1_1011])), Err(Invalid::Bitmap));
    assert_eq!(spoil(&|c| c.signers = bitmap(&[0b1001_1011])), Err(Invalid::Bitmap));
    // Signatures and signers do not match: padded, repeated, missing.
    let count = |signers, signatures| Err(Invalid::Count { signers, signatures });
    assert_eq!(spoil(&|c| c.signatures.push(c.signatures[0])), count(3, 4));
    assert_eq!(spoil(&|c| c.signatures.truncate(2)), count(3, 2));
    assert_eq!(spoil(&|c| c.signers = bitmap(&[0b0011])), count(2, 3));
    // A full count of signers, one of whose signatures is bad, another's, or of another statement.
    let bad = |signer| Err(Invalid::Signature(index(signer)));
    assert_eq!(spoil(&|c| c.signatures[1] = c.signatures[0]), bad(1));
    assert_eq!(spoil(&|c| c.signatures[2] = Signature::from_bytes([0; 64])), bad(3));
    assert_eq!(spoil(&|c| c.signatures.swap(0, 2)), bad(0));
    assert_eq!(spoil(&|c| c.kind = QuorumKind::Finalized), bad(0));
    assert_eq!(spoil(&|c| c.view = View::new(6)), bad(0));
    assert_eq!(spoil(&|c| c.block = Digest::ZERO), bad(0));
    assert_eq!(spoil(&|c| c.view = View::ZERO), Err(Invalid::View(View::ZERO)));
    let (expected, found) = (Epoch::new(3), Epoch::new(4));
    assert_eq!(spoil(&|c| c.epoch = found), Err(Invalid::Epoch { expected, found }));
    // One bad signature beyond the quorum spoils it all the same: every signature counts or none.
    let mut padded = quorum(&context, &[0, 1, 2, 3]);
    padded.signatures[3] = Signature::from_bytes([9; 64]);
    assert_eq!(padded.verify(&context, &Strict), bad(3));
}

#[test]
fn signatures_of_another_chain_epoch_or_set_do_not_count() {
    let here = context(4);
    let good = quorum(&here, &[0, 1, 2]);
    let other_chain = SigningContext { genesis: Digest::from_bytes([2; 32]), set: here.set.clone() };
    assert_eq!(good.verify(&other_chain, &Strict), Err(Invalid::Signature(index(0))));
    // The same members in the next epoch: the certificate says 4, its signers said 3.
    let next = SigningContext { genesis: here.genesis, set: here.set.for_next_epoch().unwrap() };
    let mut moved = good.clone();
    moved.epoch = Epoch::new(4);
    assert_eq!(moved.verify(&next, &Strict), Err(Invalid::Signature(index(0))));
    // One more member: the set's digest is another.
    let grown = SigningContext { genesis: here.genesis, set: validators(5, 3) };
    let mut larger = quorum(&here, &[0, 1, 2, 3]);
    larger.signers = Bitmap::from_bytes(vec![0b1111]);
    assert_eq!(larger.verify(&grown, &Strict), Err(Invalid::Signature(index(0))));
}

#[test]
fn a_spoilt_timeout_certificate_is_refused() {
    let context = context(4);
    let good = timeouts(&context, &[(0, 0), (2, 5), (3, 2)], 5);
    assert_eq!(good.verify(&context, &Strict), Ok(()));
    assert_eq!(good.high_view(), View::new(5));
    let high = |claimed, attached| {
        Err(Invalid::HighCertificate { claimed: View::new(claimed), attached: View::new(attached) })
    };
    let rows = [
        (timeouts(&context, &[(0, 0), (1, 0)], 0), Err(Invalid::Quorum { signers: 2, quorum: 3 })),
        (timeouts(&context, &[(0, 0), (1, 0), (1, 0)], 0), Err(Invalid::Repeated(index(1)))),
        (timeouts(&context, &[(0, 0), (2, 0), (1, 0)], 0), Err(Invalid::Repeated(index(1)))),
        (timeouts(&context, &[(0, 0), (1, 0), (4, 0)], 0), Err(Invalid::Signer(index(4)))),
        // The certificate is not the one of the highest view named, or is missing, or too much.
        (timeouts(&context, &[(0, 0), (1, 4), (2, 5)], 4), high(5, 4)),
        (timeouts(&context, &[(0, 0), (1, 4), (2, 5)], 0), high(5, 0)),
        (timeouts(&context, &[(0, 0), (1, 0), (2, 0)], 5), high(0, 5)),
        // Nobody holds a certificate of the view given up.
        (timeouts(&context, &[(0, 0), (1, 0), (2, 9)], 9), Err(Invalid::View(View::new(9)))),
    ];
    for (certificate, expected) in rows {
        assert_eq!(certificate.verify(&context, &Strict), expected, "{certificate:?}");
    }
    let mut claims = good.clone();
    claims.votes[2].high_view = View::new(4);
    assert_eq!(claims.verify(&context, &Strict), Err(Invalid::Signature(index(3))));
    let mut hollow = good;
    hollow.high_qc.as_mut().unwrap().signatures[0] = Signature::from_bytes([0; 64]);
    assert_eq!(hollow.verify(&context, &Strict), Err(Invalid::Signature(index(0))));
}

#[test]
fn a_timeout_without_its_certificate_is_refused() {
    let context = context(4);
    let (view, high_view) = (View::new(9), View::new(5));
    let signature = sign(&context, 1, &Statement::Timeout { view, high_view });
    let epoch = context.set.epoch();
    let timeout = Timeout { epoch, view, high_view, signer: index(1), signature, high_qc: None };
    let refused = Invalid::HighCertificate { claimed: high_view, attached: View::ZERO };
    assert_eq!(Verified::check(Message::Timeout(timeout.clone()), &context, &Strict), Err(refused));
    let whole = Timeout { high_qc: Some(quorum(&context, &[0, 1, 2])), ..timeout };
    assert!(Verified::check(Message::Timeout(whole), &context, &Strict).is_ok());
}

#[test]
fn a_vote_counts_for_its_kind_signer_and_view_only() {
    let context = context(4);
    let (view, block, signer, epoch) = (View::new(5), Digest::from_bytes([8; 32]), index(2), context.set.epoch());
    let signature = sign(&context, 2, &Statement::Notarize { view, block });
    let vote = Vote { epoch, view, block, signer, signature };
    let bad = |signer: u16| Err(Invalid::Signature(index(signer)));
    let check = |message: Message| message.verify(&context, &Strict);
    assert_eq!(check(Message::Notarize(vote)), Ok(()));
    assert_eq!(check(Message::Finalize(vote)), bad(2));
    assert_eq!(check(Message::Notarize(Vote { signer: index(1), ..vote })), bad(1));
    assert_eq!(check(Message::Notarize(Vote { signer: index(4), ..vote })), Err(Invalid::Signer(index(4))));
    assert_eq!(check(Message::Notarize(Vote { view: View::new(6), ..vote })), bad(2));
    assert_eq!(check(Message::Notarize(Vote { view: View::ZERO, ..vote })), Err(Invalid::View(View::ZERO)));
}

/// Counts the signatures that are checked.
struct Counting(Cell<usize>);

impl Verifier for Counting {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        self.0.set(self.0.get() + 1);
        Strict.verify(key, message, signature)
    }
}

#[test]
fn every_signature_is_checked() {
    let context = context(7);
    let counting = Counting(Cell::new(0));
    let certificate = Certificate::Timeout(timeouts(&context, &[(0, 0), (1, 5), (2, 0), (3, 0), (6, 1)], 5));
    certificate.verify(&context, &counting).unwrap();
    // Five Timeouts and the five votes of the certificate they name.
    assert_eq!(counting.0.get(), 10);
}

#[test]
fn evidence_holds_only_for_a_contradiction() {
    let context = context(4);
    let (a, b) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
    let view = View::new(7);
    let finalize = |view: u64, block| Statement::Finalize { view: View::new(view), block };
    let timeout = |view: u64, high: u64| Statement::Timeout { view: View::new(view), high_view: View::new(high) };
    let rows = [
        (Statement::Notarize { view, block: a }, Statement::Notarize { view, block: b }, true),
        (Statement::Notarize { view, block: a }, Statement::Notarize { view, block: a }, false),
        (Statement::Notarize { view, block: a }, Statement::Notarize { view: View::new(8), block: b }, false),
        (Statement::Notarize { view, block: a }, Statement::Finalize { view, block: b }, false),
        (finalize(7, a), finalize(7, b), true),
        (
            Statement::Proposal { view, parent_view: View::new(6), block: a },
            Statement::Proposal { view, parent_view: View::new(6), block: b },
            true,
        ),
        (
            Statement::Proposal { view, parent_view: View::new(6), block: a },
            Statement::Proposal { view, parent_view: View::new(5), block: a },
            false,
        ),
        // Finalize(w) and Timeout(v >= w) that knows less than QC(w).
        (finalize(7, a), timeout(7, 6), true),
        (finalize(7, a), timeout(9, 6), true),
        (finalize(7, a), timeout(9, 7), false),
        (finalize(7, a), timeout(6, 5), false),
        (timeout(9, 6), timeout(9, 7), false),
    ];
    for (first, second, holds) in rows {
        let signed = |statement: Statement| Signed { statement, signature: sign(&context, 1, &statement) };
        let evidence =
            Evidence { epoch: context.set.epoch(), signer: index(1), first: signed(first), second: signed(second) };
        assert_eq!(evidence.verify(&context, &Strict).is_ok(), holds, "{first:?} {second:?}");
        let framed = Evidence { signer: index(2), ..evidence };
        assert!(framed.verify(&context, &Strict).is_err());
    }
}
