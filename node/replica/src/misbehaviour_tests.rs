//! What a proof of misbehaviour holds and refuses: every kind, every field changed, one encoding, pinned bytes.

use proptest::prelude::*;
use tonle_consensus::{Contradiction, Epoch, Signed, SigningContext, Statement, ValidatorSet, View};
use tonle_crypto::{Canonical, Digest, SecretKey, Strict};
use tonle_ledger::Judge;

use super::{LaneFork, MISBEHAVIOUR_BYTES_MAX, Misbehaviour, OffenceKind};
use crate::testing::{batch, chain, key, set};
use crate::{MisbehaviourJudge, Tip};

fn block(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

/// What the validators sign by in an epoch.
fn in_epoch(epoch: u64) -> SigningContext {
    let members = set().iter().map(|(_, validator)| validator.clone()).collect();
    SigningContext { genesis: chain(), set: ValidatorSet::new(Epoch::new(epoch), members).unwrap() }
}

fn signed(key: &SecretKey, context: &SigningContext, statement: Statement) -> Signed {
    Signed { statement, signature: key.sign(&statement.preimage(context)) }
}

/// What validator 1 did in epoch 5, if these two contradict each other.
fn proof(one: Statement, other: Statement) -> Option<Misbehaviour> {
    let context = in_epoch(5);
    let (one, other) = (signed(&key(1), &context, one), signed(&key(1), &context, other));
    let place = (Epoch::new(5), context.set.digest());
    Contradiction::new(key(1).public(), place, one, other).map(Misbehaviour::Consensus)
}

/// One of each kind, in the order of their codes.
fn all_kinds() -> Vec<Misbehaviour> {
    let (view, parent_view) = (View::new(9), View::new(7));
    let pairs = [
        (
            Statement::Proposal { view, parent_view, block: block(2) },
            Statement::Proposal { view, parent_view: View::new(8), block: block(1) },
        ),
        (Statement::Notarize { view, block: block(2) }, Statement::Notarize { view, block: block(1) }),
        (Statement::Finalize { view, block: block(1) }, Statement::Finalize { view, block: block(2) }),
        (
            Statement::Timeout { view: View::new(11), high_view: View::new(8) },
            Statement::Finalize { view, block: block(1) },
        ),
    ];
    let mut all: Vec<Misbehaviour> = pairs.into_iter().map(|(one, other)| proof(one, other).unwrap()).collect();
    all.push(Misbehaviour::Lane(LaneFork::new(batch(1, Tip::EMPTY, 1).raw(), batch(1, Tip::EMPTY, 2).raw()).unwrap()));
    all
}

#[test]
fn each_kind_verifies_by_the_genesis_digest_alone_and_names_what_was_done() {
    for (proof, kind) in all_kinds().into_iter().zip(OffenceKind::ALL) {
        let offence = proof.verify(chain(), &Strict).unwrap();
        let expected = if kind == OffenceKind::Batches { (Epoch::ZERO, 1) } else { (Epoch::new(5), 9) };
        assert_eq!((offence.accused, offence.kind), (key(1).public(), kind));
        assert_eq!((offence.epoch, offence.place), expected);
        assert!(proof.verify(Digest::from_bytes([8; 32]), &Strict).is_err(), "{kind:?} of another chain");
        assert!(proof.encode().len() <= MISBEHAVIOUR_BYTES_MAX);
    }
    let longest = all_kinds().iter().map(|proof| proof.encode().len()).max();
    assert_eq!(longest, Some(MISBEHAVIOUR_BYTES_MAX));
}

#[test]
fn what_an_honest_validator_signs_is_no_contradiction() {
    let (view, later) = (View::new(9), View::new(10));
    let notarize = |view, byte| Statement::Notarize { view, block: block(byte) };
    let finalize = |view, byte| Statement::Finalize { view, block: block(byte) };
    let timeout = |view, high_view| Statement::Timeout { view, high_view };
    let propose = |view, parent_view, byte| Statement::Proposal { view, parent_view, block: block(byte) };
    let rows = [
        (notarize(view, 1), notarize(view, 1)),
        (notarize(view, 1), notarize(later, 2)),
        (finalize(view, 1), finalize(later, 2)),
        (notarize(view, 1), finalize(view, 2)),
        (propose(view, View::ZERO, 1), propose(view, View::new(1), 1)),
        (propose(view, View::ZERO, 1), notarize(view, 2)),
        (finalize(view, 1), timeout(later, view)),
        (finalize(later, 1), timeout(view, View::ZERO)),
        (timeout(view, View::ZERO), timeout(view, View::new(3))),
        // No message of view 0 is valid.
        (notarize(View::ZERO, 1), notarize(View::ZERO, 2)),
    ];
    for (one, other) in rows {
        assert_eq!(proof(one, other), None, "{one:?} {other:?}");
        assert_eq!(proof(other, one), None, "{other:?} {one:?}");
    }
    let (one, next) = (batch(1, Tip::EMPTY, 1), batch(2, Tip::EMPTY, 1));
    let second = batch(1, one.tip(), 2);
    for (this, that) in [(&one, &one), (&one, &next), (&one, &second)] {
        assert_eq!(LaneFork::new(this.raw(), that.raw()), None);
    }
}

#[test]
fn one_offence_has_one_identity_whichever_messages_show_it_and_in_whichever_order() {
    let view = View::new(9);
    let vote = |byte| Statement::Notarize { view, block: block(byte) };
    let identity = |one, other| proof(one, other).unwrap().offence().id();
    assert_eq!(proof(vote(1), vote(2)), proof(vote(2), vote(1)));
    assert_eq!(identity(vote(1), vote(2)), identity(vote(3), vote(4)));
    let mut ids: Vec<Digest> = all_kinds().iter().map(|proof| proof.offence().id()).collect();
    ids.push(identity(
        Statement::Notarize { view: View::new(10), block: block(1) },
        Statement::Notarize { view: View::new(10), block: block(2) },
    ));
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "two offences share an identity");
}

#[test]
fn a_change_of_any_byte_is_refused() {
    for proof in all_kinds() {
        let bytes = proof.encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let accepted = Misbehaviour::decode(&changed).is_ok_and(|proof| proof.verify(chain(), &Strict).is_ok());
            assert!(!accepted, "byte {at} of {:?}", proof.offence().kind);
        }
    }
}

#[test]
fn two_signers_epochs_or_sets_make_no_proof() {
    let context = in_epoch(5);
    let vote = |byte| Statement::Notarize { view: View::new(9), block: block(byte) };
    let place = (Epoch::new(5), context.set.digest());
    let honest = signed(&key(1), &context, vote(1));
    let others = [
        signed(&key(2), &context, vote(2)),
        signed(&key(1), &in_epoch(6), vote(2)),
        signed(&key(1), &SigningContext { genesis: block(9), set: context.set.clone() }, vote(2)),
    ];
    for other in others {
        let proof = Contradiction::new(key(1).public(), place, honest, other).map(Misbehaviour::Consensus).unwrap();
        assert!(proof.verify(chain(), &Strict).is_err(), "{other:?}");
        let back = Contradiction::new(key(1).public(), place, other, honest).map(Misbehaviour::Consensus).unwrap();
        assert!(back.verify(chain(), &Strict).is_err(), "{other:?}");
    }
}

#[test]
fn the_second_order_is_no_second_encoding() {
    for proof in all_kinds() {
        let bytes = proof.encode();
        let (head, length) = match proof {
            Misbehaviour::Lane(_) => (22 + 1 + 32 + 8, 32 + 64),
            Misbehaviour::Consensus(_) => (22 + 1 + 32 + 8 + 32, (bytes.len() - 22 - 1 - 72) / 2),
        };
        if bytes.len() == head + 2 * length && proof.offence().kind != OffenceKind::FinalizeAndTimeout {
            let swapped = [&bytes[..head], &bytes[head + length..], &bytes[head..head + length]].concat();
            assert!(Misbehaviour::decode(&swapped).is_err(), "{:?} in the other order", proof.offence().kind);
        }
    }
}

/// To change the layout on purpose, put what the failing test prints into the file: every proof kept before is lost.
#[test]
fn the_bytes_are_pinned() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let line = |proof: &Misbehaviour| {
        let offence = proof.offence();
        format!("{} {} {}\n", offence.kind.name(), hex(offence.id().as_bytes()), hex(&proof.encode()))
    };
    let text: String = all_kinds().iter().map(line).collect();
    assert!(text == include_str!("misbehaviour_golden.txt"), "the layout has changed; it is now:\n{text}");
}

proptest! {
    #[test]
    fn whatever_decodes_is_its_only_encoding(
        kind in 0usize..5,
        at in 0usize..400,
        byte in any::<u8>(),
        cut in 0usize..400,
    ) {
        let mut bytes = all_kinds()[kind].encode();
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        if let Ok(proof) = Misbehaviour::decode(&bytes) {
            prop_assert_eq!(proof.encode(), bytes.clone());
            prop_assert_eq!(proof.offence().place != 0, true);
        }
        if cut < bytes.len() {
            prop_assert!(Misbehaviour::decode(&bytes[..cut]).is_err());
        }
        bytes.push(byte);
        prop_assert!(Misbehaviour::decode(&bytes).is_err());
    }

    #[test]
    fn noise_does_not_decode(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Misbehaviour::decode(&bytes).is_err());
    }
}

#[test]
fn the_ledger_is_told_what_a_proof_shows_and_whether_it_holds_on_its_chain() {
    let judge = MisbehaviourJudge(Strict);
    for proof in all_kinds() {
        let (offence, bytes) = (proof.offence(), proof.encode());
        let claim = judge.claim(&bytes).unwrap();
        assert_eq!((claim.id, claim.accused), (offence.id(), offence.accused));
        assert_eq!((claim.kind, claim.epoch, claim.place), (offence.kind.code(), offence.epoch.get(), offence.place));
        assert!(judge.holds(&chain(), &bytes));
        assert!(!judge.holds(&Digest::from_bytes([8; 32]), &bytes), "another chain");
        let mut spoilt = bytes.clone();
        *spoilt.last_mut().unwrap() ^= 1;
        assert_eq!(judge.claim(&spoilt), Some(claim), "what is claimed does not hang on signatures");
        assert!(!judge.holds(&chain(), &spoilt));
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!((judge.claim(cut), judge.holds(&chain(), cut)), (None, false));
    }
}
