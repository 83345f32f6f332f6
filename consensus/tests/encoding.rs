//! Canonical bytes: one encoding of each value, every other refused, and the layouts pinned by golden vectors.

#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;

use std::fmt::{Debug, Write};
use std::sync::Arc;

use harness::{secret, validators};
use proptest::prelude::*;
use tonle_consensus::{
    Bitmap, Block, Certificate, Checkpoint, Choice, Epoch, Evidence, GuardRecord, Header, HeaderFields, Height,
    Message, PAYLOAD_BYTES_MAX, Proposal, QuorumCertificate, QuorumKind, Signed, SigningContext, Statement, Surrender,
    Timeout, TimeoutCertificate, TimeoutVote, Timestamp, ValidatorIndex, View, Vote, payload_digest,
};
use tonle_crypto::{Canonical, Digest, Signature};

/// `T::decode` accepts exactly what `encode` writes: nothing shorter, nothing longer, and whatever it accepts it
/// writes again.
fn strict<T: Canonical + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = value.encode();
    prop_assert_eq!(&T::decode(&bytes).unwrap(), value);
    for cut in 0..bytes.len() {
        prop_assert!(T::decode(&bytes[..cut]).is_err(), "cut at {}", cut);
    }
    let mut longer = bytes.clone();
    longer.push(0);
    prop_assert!(T::decode(&longer).is_err());
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1 << (position % 8);
        if let Ok(other) = T::decode(&changed) {
            prop_assert_eq!(other.encode(), changed);
        }
    }
    Ok(())
}

prop_compose! {
    fn digests()(bytes in any::<[u8; 32]>()) -> Digest { Digest::from_bytes(bytes) }
}
prop_compose! {
    fn signatures()(head in any::<[u8; 32]>(), tail in any::<[u8; 32]>()) -> Signature {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&head);
        bytes[32..].copy_from_slice(&tail);
        Signature::from_bytes(bytes)
    }
}
prop_compose! {
    fn headers()(
        (parent, payload, state_root, results_root) in (digests(), digests(), digests(), digests()),
        (height, timestamp, version, executed) in (any::<u64>(), any::<u64>(), any::<u16>(), any::<u64>()),
        next_set in proptest::option::of(digests()),
    ) -> HeaderFields {
        HeaderFields {
            parent,
            height: Height::new(height),
            timestamp: Timestamp::new(timestamp),
            protocol_version: version,
            payload,
            checkpoint: Checkpoint { height: Height::new(executed), state_root, results_root },
            next_set,
        }
    }
}
prop_compose! {
    fn blocks()(fields in headers(), payload in proptest::collection::vec(any::<u8>(), 0..50)) -> Block {
        let header = Header::new(HeaderFields { payload: payload_digest(&payload), ..fields });
        Block::new(header, payload).unwrap()
    }
}
prop_compose! {
    fn quorums()(
        kind in prop_oneof![Just(QuorumKind::Notarized), Just(QuorumKind::Finalized)],
        (epoch, view, block) in (any::<u64>(), any::<u64>(), digests()),
        bitmap in proptest::collection::vec(any::<u8>(), 0..14),
        signatures in proptest::collection::vec(signatures(), 0..5),
    ) -> QuorumCertificate {
        let (epoch, view) = (Epoch::new(epoch), View::new(view));
        QuorumCertificate { kind, epoch, view, block, signers: Bitmap::from_bytes(bitmap), signatures }
    }
}
prop_compose! {
    fn timeout_certificates()(
        (epoch, view) in (any::<u64>(), any::<u64>()),
        votes in proptest::collection::vec((any::<u16>(), any::<u64>(), signatures()), 0..5),
        high_qc in proptest::option::of(quorums()),
    ) -> TimeoutCertificate {
        let vote = |(signer, high, signature)| {
            TimeoutVote { signer: ValidatorIndex::new(signer), high_view: View::new(high), signature }
        };
        let votes = votes.into_iter().map(vote).collect();
        TimeoutCertificate { epoch: Epoch::new(epoch), view: View::new(view), votes, high_qc }
    }
}
fn certificates() -> impl Strategy<Value = Certificate> {
    prop_oneof![quorums().prop_map(Certificate::Quorum), timeout_certificates().prop_map(Certificate::Timeout)]
}
prop_compose! {
    fn votes()(epoch: u64, view: u64, block in digests(), signer: u16, signature in signatures()) -> Vote {
        let (epoch, view, signer) = (Epoch::new(epoch), View::new(view), ValidatorIndex::new(signer));
        Vote { epoch, view, block, signer, signature }
    }
}
prop_compose! {
    fn proposals()(
        (epoch, view, parent_view) in (any::<u64>(), any::<u64>(), any::<u64>()),
        block in blocks(),
        parent_qc in proptest::option::of(quorums()),
        timeout in proptest::option::of(timeout_certificates()),
        signature in signatures(),
        sidecar in proptest::collection::vec(any::<u8>(), 0..20),
    ) -> Proposal {
        let (epoch, view, parent_view) = (Epoch::new(epoch), View::new(view), View::new(parent_view));
        Proposal { epoch, view, parent_view, block, parent_qc, timeout, signature, sidecar: sidecar.into() }
    }
}
fn messages() -> impl Strategy<Value = Message> {
    let timeout = (votes(), any::<u64>(), proptest::option::of(quorums())).prop_map(|(vote, high, high_qc)| {
        let Vote { epoch, view, signer, signature, .. } = vote;
        Message::Timeout(Timeout { epoch, view, high_view: View::new(high), signer, signature, high_qc })
    });
    prop_oneof![
        proposals().prop_map(|proposal| Message::Proposal(Arc::new(proposal))),
        votes().prop_map(Message::Notarize),
        votes().prop_map(Message::Finalize),
        timeout,
        certificates().prop_map(Message::Certificate),
    ]
}
fn choices() -> impl Strategy<Value = Option<Choice>> {
    proptest::option::of((any::<u64>(), digests()).prop_map(|(view, block)| Choice { view: View::new(view), block }))
}
prop_compose! {
    fn guards()(
        epoch: u64,
        (last_proposal, last_notarize, last_finalize) in (choices(), choices(), choices()),
        timeout in proptest::option::of((any::<u64>(), any::<u64>())),
        high_qc in proptest::option::of(quorums()),
        entry in proptest::option::of(certificates()),
    ) -> GuardRecord {
        let surrender = |(view, high)| Surrender { view: View::new(view), high_view: View::new(high) };
        let last_timeout = timeout.map(surrender);
        GuardRecord { epoch: Epoch::new(epoch), last_proposal, last_notarize, last_finalize, last_timeout, high_qc, entry }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn headers_are_strict_and_keep_their_digest(fields in headers()) {
        let header = Header::new(fields);
        strict(&header)?;
        let again = Header::decode(header.bytes()).unwrap();
        prop_assert_eq!(again.digest(), header.digest());
        prop_assert_eq!(again.fields(), &fields);
    }
    #[test]
    fn blocks_are_strict(block in blocks()) { strict(&block)?; }
    #[test]
    fn certificates_are_strict(certificate in certificates()) { strict(&certificate)?; }
    #[test]
    fn messages_are_strict(message in messages()) { strict(&message)?; }
    #[test]
    fn guard_records_are_strict(record in guards()) { strict(&record)?; }
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(message) = Message::decode(&bytes) { prop_assert_eq!(message.encode(), bytes.clone()); }
        if let Ok(record) = GuardRecord::decode(&bytes) { prop_assert_eq!(record.encode(), bytes.clone()); }
        if let Ok(evidence) = Evidence::decode(&bytes) { prop_assert_eq!(evidence.encode(), bytes); }
    }
    #[test]
    fn a_later_guard_continues_an_earlier_one_only_upwards(record in guards()) {
        prop_assert!(record.continues(&record));
        let mut lower = record.clone();
        if let Some(choice) = &mut lower.last_notarize && choice.view > View::ZERO {
            choice.view = choice.view.saturating_sub(1);
            prop_assert!(!lower.continues(&record));
            prop_assert!(record.continues(&lower));
        }
        let mut other = record.clone();
        if let Some(choice) = &mut other.last_finalize && choice.block != Digest::ZERO {
            choice.block = Digest::ZERO;
            prop_assert!(!other.continues(&record), "another block in the same view");
        }
    }
    #[test]
    fn distinct_statements_have_distinct_preimages(a in any::<[u64; 2]>(), b in any::<[u64; 2]>(), block in digests()) {
        let context = SigningContext { genesis: Digest::ZERO, set: validators(4, 0) };
        let all = |[view, other]: [u64; 2]| {
            let (view, other) = (View::new(view), View::new(other));
            [
                Statement::Proposal { view, parent_view: other, block },
                Statement::Notarize { view, block },
                Statement::Finalize { view, block },
                Statement::Timeout { view, high_view: other },
            ]
        };
        for x in all(a) {
            for y in all(b) {
                prop_assert_eq!(x == y, x.preimage(&context) == y.preimage(&context));
            }
        }
    }
}

#[test]
fn a_block_holds_only_the_payload_its_header_names() {
    let header = golden_header();
    assert!(Block::new(header.clone(), b"another".to_vec()).is_none());
    let long = vec![0; PAYLOAD_BYTES_MAX + 1];
    let named = Header::new(HeaderFields { payload: payload_digest(&long), ..*header.fields() });
    assert!(Block::new(named, long).is_none());
}

fn golden_header() -> Header {
    Header::new(HeaderFields {
        parent: Digest::from_bytes([0x11; 32]),
        height: Height::new(42),
        timestamp: Timestamp::new(1_790_000_000_123),
        protocol_version: 1,
        payload: payload_digest(b"cut"),
        checkpoint: Checkpoint {
            height: Height::new(40),
            state_root: Digest::from_bytes([0x22; 32]),
            results_root: Digest::from_bytes([0x33; 32]),
        },
        next_set: None,
    })
}

/// Every layout that is hashed, signed or kept, with fixed contents and real signatures.
#[allow(clippy::too_many_lines, reason = "a list of layouts")]
fn golden() -> Vec<(&'static str, Vec<u8>)> {
    let context = SigningContext { genesis: Digest::from_bytes([0x44; 32]), set: validators(4, 7) };
    let epoch = context.set.epoch();
    let header = golden_header();
    let last = Header::new(HeaderFields { next_set: Some(Digest::from_bytes([0x55; 32])), ..*header.fields() });
    let (view, parent_view, block) = (View::new(100), View::new(99), header.digest());
    let notarize = Statement::Notarize { view: parent_view, block };
    let finalize = Statement::Finalize { view: parent_view, block };
    let timeout = Statement::Timeout { view, high_view: parent_view };
    let proposal = Statement::Proposal { view, parent_view, block };
    let sign = |signer: u16, statement: &Statement| secret(signer).sign(&statement.preimage(&context));
    let quorum = |kind, statement: &Statement| {
        let mut signers = Bitmap::new(4);
        let signatures = [0, 2, 3].map(|signer| {
            signers.insert(ValidatorIndex::new(signer));
            sign(signer, statement)
        });
        QuorumCertificate { kind, epoch, view: parent_view, block, signers, signatures: signatures.to_vec() }
    };
    let qc = quorum(QuorumKind::Notarized, &notarize);
    let fc = quorum(QuorumKind::Finalized, &finalize);
    let votes = [0, 1, 3].map(|signer| TimeoutVote {
        signer: ValidatorIndex::new(signer),
        high_view: parent_view,
        signature: sign(signer, &timeout),
    });
    let tc = TimeoutCertificate { epoch, view, votes: votes.to_vec(), high_qc: Some(qc.clone()) };
    let vote = |signer, statement: &Statement| Vote {
        epoch,
        view: parent_view,
        block,
        signer: ValidatorIndex::new(signer),
        signature: sign(signer, statement),
    };
    let evidence = Evidence {
        epoch,
        signer: ValidatorIndex::new(2),
        first: Signed { statement: finalize, signature: sign(2, &finalize) },
        second: Signed { statement: timeout, signature: sign(2, &timeout) },
    };
    let timeout_message = Timeout {
        epoch,
        view,
        high_view: parent_view,
        signer: ValidatorIndex::new(1),
        signature: sign(1, &timeout),
        high_qc: Some(qc.clone()),
    };
    let proposal_message = Proposal {
        epoch,
        view,
        parent_view,
        block: Block::new(header.clone(), b"cut".to_vec()).unwrap(),
        parent_qc: Some(qc.clone()),
        timeout: None,
        signature: sign(context.set.leader(view).get(), &proposal),
        sidecar: Arc::from(*b"inline"),
    };
    let record = GuardRecord {
        epoch,
        last_proposal: Some(Choice { view, block }),
        last_notarize: Some(Choice { view, block }),
        last_finalize: Some(Choice { view: parent_view, block }),
        last_timeout: Some(Surrender { view, high_view: parent_view }),
        high_qc: Some(qc.clone()),
        entry: Some(Certificate::Timeout(tc.clone())),
    };
    vec![
        ("validator_set_digest", context.set.digest().as_bytes().to_vec()),
        ("leaders_of_views_1_to_4", (1..=4).map(|v| context.set.leader(View::new(v)).get().to_be_bytes()[1]).collect()),
        ("payload_digest", payload_digest(b"cut").as_bytes().to_vec()),
        ("header", header.encode()),
        ("header_digest", header.digest().as_bytes().to_vec()),
        ("header_with_next_set", last.encode()),
        ("header_with_next_set_digest", last.digest().as_bytes().to_vec()),
        ("block", Block::new(header, b"cut".to_vec()).unwrap().encode()),
        ("preimage_proposal", proposal.preimage(&context)),
        ("preimage_notarize", notarize.preimage(&context)),
        ("preimage_finalize", finalize.preimage(&context)),
        ("preimage_timeout", timeout.preimage(&context)),
        ("notarize", Message::Notarize(vote(1, &notarize)).encode()),
        ("finalize", Message::Finalize(vote(1, &finalize)).encode()),
        ("timeout", Message::Timeout(timeout_message).encode()),
        ("proposal", Message::Proposal(Arc::new(proposal_message)).encode()),
        ("quorum_certificate_notarized", qc.encode()),
        ("quorum_certificate_finalized", fc.encode()),
        ("timeout_certificate", tc.encode()),
        ("evidence", evidence.encode()),
        ("guard_record_empty", GuardRecord::empty(epoch).encode()),
        ("guard_record", record.encode()),
    ]
}

/// The file names each layout and its bytes in hexadecimal. To change a layout on purpose, put what the failing test
/// prints into the file, and say so in a decision: every signature and digest made before is lost with it.
#[test]
fn layouts_match_their_golden_vectors() {
    let mut text = String::new();
    for (name, bytes) in golden() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{name} {hex}").unwrap();
    }
    let pinned = include_str!("vectors/layouts.txt");
    assert!(text == pinned, "layouts have changed; they are now:\n{text}");
}
