//! The corpora: valid inputs of every kind, made by the product's own constructors, small and always the same.
//!
//! Must not know: where they are kept.

use std::sync::Arc;

use tonle_consensus::{
    Boundary, Certificate, Choice, Contradiction, Epoch, Evidence, GuardRecord, Height, Message, QuorumKind, Signed,
    Statement, Surrender, View,
};
use tonle_crypto::{Canonical, Digest, Writer};
use tonle_ledger::{Bucket, BucketChunk, BucketGroup, StateChunk, StateKey};
use tonle_replica::{
    AcknowledgedLane, Acknowledgement, CertifiedBlock, Cut, Found, LaneFork, Misbehaviour, PeerMessage, Query,
    RawBatch, Request, Response, SnapshotFound, SnapshotOffer, SnapshotQuery, Tip,
};

use crate::forge::{Forge, NODES, child, every_operation, genesis, key, roots, transaction, transfer_of, validator};
use crate::genesis::founding;
use crate::proofs::LEDGER;
use crate::signing::Scheme;
use crate::tampering::SUBJECTS;

type Seeds = Vec<(String, Vec<u8>)>;

const BLOCK: Digest = Digest::from_bytes([0x11; 32]);

fn named<'a>(seeds: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Seeds {
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn forge() -> Forge {
    Forge::new(Scheme::Ed25519, NODES, 0)
}

fn quorum() -> Vec<tonle_consensus::ValidatorIndex> {
    (1..4).map(validator).collect()
}

fn chain() -> Vec<tonle_consensus::Block> {
    let parent = genesis();
    let empty = Cut::genesis(usize::from(NODES));
    let tip = Tip { seq: 1, digest: batch().digest() };
    let first =
        child(&parent, &Cut::new(vec![tip, Tip::EMPTY, Tip::EMPTY, Tip::EMPTY]), parent.header().checkpoint(), None);
    let second = child(&first, &empty, roots(&first), Some(BLOCK));
    vec![parent, first, second]
}

fn batch() -> RawBatch {
    let transactions = [
        transaction(Scheme::Ed25519, 1, 1, vec![transfer_of(5)]),
        transaction(Scheme::Ed25519, 2, 2, every_operation()),
    ];
    forge().batch(0, Tip::EMPTY, &transactions)
}

fn messages() -> Vec<(&'static str, Message)> {
    let (forge, quorum, blocks) = (forge(), quorum(), chain());
    let qc = |view, block| forge.quorum(QuorumKind::Notarized, View::new(view), block, &quorum);
    let (first, second) = (blocks[1].clone(), blocks[2].clone());
    let fc = forge.quorum(QuorumKind::Finalized, View::new(4), second.digest(), &quorum);
    let tc = forge.timeouts(View::new(3), &quorum, Some(qc(1, first.digest())));
    let mut sidecar = Writer::new();
    sidecar.length(1).value(&batch());
    let opening = forge.proposal(View::new(1), first.clone(), None, None, &sidecar.finish());
    let later = forge.proposal(View::new(4), second.clone(), Some(qc(1, first.digest())), Some(tc.clone()), &[]);
    vec![
        ("proposal-first", Message::Proposal(Arc::new(opening))),
        ("proposal-after-timeout", Message::Proposal(Arc::new(later))),
        ("notarize", Message::Notarize(forge.vote(QuorumKind::Notarized, View::new(4), second.digest(), validator(2)))),
        ("finalize", Message::Finalize(forge.vote(QuorumKind::Finalized, View::new(4), second.digest(), validator(3)))),
        ("timeout", Message::Timeout(forge.timeout(View::new(2), validator(1), Some(qc(1, first.digest()))))),
        ("timeout-anchor", Message::Timeout(forge.timeout(View::new(1), validator(1), None))),
        ("quorum", Message::Certificate(Certificate::Quorum(qc(1, first.digest())))),
        ("final", Message::Certificate(Certificate::Quorum(fc))),
        ("timeouts", Message::Certificate(Certificate::Timeout(tc))),
        ("timeouts-anchor", Message::Certificate(Certificate::Timeout(forge.timeouts(View::new(1), &quorum, None)))),
    ]
}

pub(crate) fn consensus_messages() -> Seeds {
    named(messages().into_iter().map(|(name, message)| (name, message.encode())))
}

pub(crate) fn peer_messages() -> Seeds {
    let (blocks, quorum) = (chain(), quorum());
    let line = |lane, seq| AcknowledgedLane { lane: validator(lane), tip: Tip { seq, digest: BLOCK } };
    let response = |found| PeerMessage::Response(Response { id: 7, found });
    let request = |query| PeerMessage::Request(Request { id: 7, query });
    let certificate = forge().quorum(QuorumKind::Finalized, View::new(4), blocks[2].digest(), &quorum);
    let last = CertifiedBlock { block: blocks[2].clone(), certificate: Some(certificate) };
    let run = vec![CertifiedBlock { block: blocks[1].clone(), certificate: None }, last];
    let mut seeds: Vec<(&str, PeerMessage)> =
        messages().into_iter().map(|(name, message)| (name, PeerMessage::Consensus(message))).collect();
    seeds.extend([
        ("batch", PeerMessage::Batch(Arc::new(batch()))),
        ("acknowledge", PeerMessage::Acknowledge(Acknowledgement { set: BLOCK, lanes: vec![line(0, 3), line(2, 9)] })),
        ("request-block", request(Query::Block { digest: BLOCK })),
        ("request-batches", request(Query::Batches { digest: BLOCK, floor: 3 })),
        ("request-final", request(Query::FinalBlocks { from: Height::new(1) })),
        ("request-epoch", request(Query::Epoch)),
        ("response-epoch", response(Found::Epoch(Some(Epoch::new(7))))),
        ("response-none", response(Found::Block(None))),
        ("response-block", response(Found::Block(Some(blocks[1].clone())))),
        ("response-batches", response(Found::Batches(vec![Arc::new(batch())]))),
        ("response-final", response(Found::FinalBlocks(run))),
        ("final-tip", PeerMessage::FinalTip { height: Height::new(37) }),
        ("misbehaviour-known", PeerMessage::MisbehaviourKnown { offence: BLOCK }),
    ]);
    seeds.extend(proofs().into_iter().map(|(name, proof)| (name, PeerMessage::Misbehaviour(Arc::new(proof)))));
    let snapshots = snapshot_queries().into_iter().map(|(name, query)| (name, request(Query::Snapshot(query))));
    let found = snapshot_answers().into_iter().map(|(name, found)| (name, response(Found::Snapshot(found))));
    seeds.extend(snapshots.chain(found));
    named(seeds.into_iter().map(|(name, message)| (name, message.encode())))
}

fn snapshot_queries() -> Vec<(&'static str, SnapshotQuery)> {
    let height = Height::new(8);
    vec![
        ("request-boundaries", SnapshotQuery::Boundaries { from: Epoch::ZERO, to: Epoch::new(2) }),
        ("request-offer", SnapshotQuery::Offer),
        ("request-state", SnapshotQuery::State { height, path: BLOCK }),
        ("request-bucket", SnapshotQuery::Bucket { height, bucket: Bucket::Ids(7), link: BLOCK }),
    ]
}

fn snapshot_answers() -> Vec<(&'static str, SnapshotFound)> {
    let (blocks, quorum) = (chain(), quorum());
    let certificate = forge().quorum(QuorumKind::Finalized, View::new(4), blocks[2].digest(), &quorum);
    let members = crate::forge::validators(NODES, 1).iter().map(|(_, validator)| validator.clone()).collect();
    let boundary =
        Boundary { header: blocks[2].header().clone(), certificate: certificate.clone(), validators: members };
    let offer = SnapshotOffer {
        block: blocks[1].clone(),
        covering: vec![blocks[2].header().clone()],
        certificate,
        results_before: BLOCK,
        receipts_root: BLOCK,
    };
    let values = vec![
        (StateKey::IdBucket(7), vec![1; 32]),
        (StateKey::ReferenceBucket(8), vec![2; 32]),
        (StateKey::Offence(BLOCK), vec![5; 61]),
        (StateKey::CodeBucket(9), vec![6; 32]),
    ];
    let state = StateChunk { siblings: vec![BLOCK, Digest::ZERO], values };
    let groups = vec![
        BucketGroup { before: BLOCK, entries: vec![3; 44] },
        BucketGroup { before: Digest::ZERO, entries: vec![4; 44] },
    ];
    vec![
        ("response-boundaries", SnapshotFound::Boundaries(vec![boundary])),
        ("response-offer", SnapshotFound::Offer(Some(Box::new(offer)))),
        ("response-no-offer", SnapshotFound::Offer(None)),
        ("response-state", SnapshotFound::State(Some(state))),
        ("response-bucket", SnapshotFound::Bucket(Some(BucketChunk { groups }))),
    ]
}

/// Choices: set size, kind of message, then zeros, which are honest.
pub(crate) fn certificates() -> Seeds {
    let mut seeds = Vec::new();
    for size in 0..6u8 {
        for kind in 0..7u8 {
            let mut bytes = vec![size, kind];
            bytes.resize(40, 0);
            seeds.push((format!("size{size}-kind{kind}"), bytes));
        }
    }
    // Evidence of two votes in one view, and of a Finalize below a Timeout.
    seeds.push(("evidence-votes".to_owned(), vec![0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]));
    seeds.push(("evidence-finalize-timeout".to_owned(), vec![0, 6, 0, 1, 0, 1, 0, 0, 0, 0, 2, 0, 0, 3, 0]));
    seeds
}

/// Each subject whole, and with one change of each kind.
pub(crate) fn tampering() -> Seeds {
    let mut seeds = Vec::new();
    for subject in 0..SUBJECTS {
        seeds.push((format!("subject{subject}"), vec![subject]));
        for change in 0..6u8 {
            seeds.push((format!("subject{subject}-change{change}"), vec![subject, change, 0, 40, 0, 8, 64, 1]));
        }
    }
    seeds
}

pub(crate) fn evidence() -> Seeds {
    let forge = forge();
    let made = |first: Statement, second: Statement| {
        let signed = |statement: Statement| Signed { statement, signature: forge.sign(validator(3), &statement) };
        let (first, second) = (signed(first), signed(second));
        Evidence { epoch: Epoch::ZERO, signer: validator(3), first, second }.encode()
    };
    let (view, other) = (View::new(4), Digest::from_bytes([0x22; 32]));
    let parent_view = View::new(2);
    named([
        ("notarize", made(Statement::Notarize { view, block: BLOCK }, Statement::Notarize { view, block: other })),
        (
            "finalize-timeout",
            made(Statement::Finalize { view, block: BLOCK }, Statement::Timeout { view, high_view: parent_view }),
        ),
        (
            "proposal",
            made(
                Statement::Proposal { view, parent_view, block: BLOCK },
                Statement::Proposal { view, parent_view, block: other },
            ),
        ),
        (
            "no-contradiction",
            made(Statement::Finalize { view, block: BLOCK }, Statement::Notarize { view, block: other }),
        ),
    ])
}

/// One proof of each kind.
pub(crate) fn proofs() -> Vec<(&'static str, Misbehaviour)> {
    let (forge, view, other) = (forge(), View::new(4), Digest::from_bytes([0x22; 32]));
    let parent_view = View::new(2);
    let made = |one: Statement, other: Statement| {
        let signed = |statement: Statement| Signed { statement, signature: forge.sign(validator(3), &statement) };
        let place = (forge.epoch(), forge.context.set.digest());
        let accused = key(3).public();
        let made = Contradiction::new(accused, place, signed(one), signed(other)).expect("a contradiction");
        Misbehaviour::Consensus(made)
    };
    let (one, two) = (batch(), forge.batch(0, Tip::EMPTY, &[transaction(Scheme::Ed25519, 3, 1, vec![transfer_of(5)])]));
    vec![
        (
            "proposals",
            made(
                Statement::Proposal { view, parent_view, block: BLOCK },
                Statement::Proposal { view, parent_view, block: other },
            ),
        ),
        ("notarizes", made(Statement::Notarize { view, block: BLOCK }, Statement::Notarize { view, block: other })),
        ("finalizes", made(Statement::Finalize { view, block: BLOCK }, Statement::Finalize { view, block: other })),
        (
            "finalize-and-timeout",
            made(Statement::Finalize { view, block: BLOCK }, Statement::Timeout { view, high_view: parent_view }),
        ),
        ("batches", Misbehaviour::Lane(LaneFork::new(&one, &two).expect("two batches at one place"))),
    ]
}

pub(crate) fn misbehaviour() -> Seeds {
    named(proofs().into_iter().map(|(name, proof)| (name, proof.encode())))
}

pub(crate) fn guard_records() -> Seeds {
    let (forge, quorum) = (forge(), quorum());
    let choice = |view| Some(Choice { view: View::new(view), block: BLOCK });
    let qc = forge.quorum(QuorumKind::Notarized, View::new(8), BLOCK, &quorum);
    let tc = forge.timeouts(View::new(9), &quorum, Some(qc.clone()));
    let full = GuardRecord {
        epoch: Epoch::new(2),
        last_proposal: choice(10),
        last_notarize: choice(9),
        last_finalize: choice(8),
        last_timeout: Some(Surrender { view: View::new(9), high_view: View::new(8) }),
        high_qc: Some(qc),
        entry: Some(Certificate::Timeout(tc)),
    };
    let voted = GuardRecord { last_notarize: choice(1), ..GuardRecord::empty(Epoch::ZERO) };
    named([("empty", GuardRecord::empty(Epoch::ZERO).encode()), ("voted", voted.encode()), ("full", full.encode())])
}

pub(crate) fn blocks() -> Seeds {
    chain().iter().enumerate().map(|(at, block)| (format!("height{at}"), block.encode())).collect()
}

pub(crate) fn cuts() -> Seeds {
    let tip = |seq: u8| Tip { seq: u64::from(seq), digest: Digest::from_bytes([seq; 32]) };
    named([
        ("none", Cut::new(Vec::new()).encode()),
        ("genesis", Cut::genesis(4).encode()),
        ("hundred", Cut::new((0..100).map(tip).collect()).encode()),
    ])
}

pub(crate) fn batches() -> Seeds {
    let one = transaction(Scheme::Ed25519, 3, 1, vec![transfer_of(1)]);
    let later = forge().batch(3, Tip { seq: 41, digest: BLOCK }, &[one]);
    named([
        ("first", batch().encode()),
        ("later", later.encode()),
        ("empty", forge().batch(1, Tip::EMPTY, &[]).encode()),
    ])
}

pub(crate) fn transactions() -> Seeds {
    let made = |number, signers, operations| transaction(Scheme::Ed25519, number, signers, operations).bytes().to_vec();
    let mut seeds = named([
        ("transfer", made(4, 1, vec![transfer_of(1)])),
        ("every-operation", made(5, 3, every_operation())),
        ("sixteen-signers", made(6, 16, vec![transfer_of(1)])),
        ("many-operations", made(7, 1, vec![transfer_of(1); 40])),
    ]);
    for (at, operation) in every_operation().into_iter().enumerate() {
        seeds.push((format!("operation{at}"), made(8, 1, vec![operation])));
    }
    seeds
}

pub(crate) fn receipt_proofs() -> Seeds {
    let places = [(1, 0), (2, 1), (3, 2), (4, 0), (5, 4)];
    let proof = |(height, index)| Some((format!("receipt{height}-{index}"), LEDGER.prove(height, index)?.encode()));
    places.into_iter().filter_map(proof).collect()
}

pub(crate) fn account_proofs() -> Seeds {
    let proof = |name: &&str| Some(((*name).replace('@', "-"), LEDGER.prove_account(name)?.encode()));
    ["a@bank0", "b@bank1", "r@nbc", "nobody@bank0", "x@y"].iter().filter_map(proof).collect()
}

pub(crate) fn genesis_bytes() -> Seeds {
    let mut small = founding();
    small.accounts.clear();
    named([("founding", founding().encode()), ("without-accounts", small.encode())])
}

#[cfg(feature = "complete")]
pub(crate) fn genesis_json() -> Seeds {
    let mut small = founding();
    small.accounts.clear();
    let written = |genesis| tonle_devnet::genesis::to_json(genesis).map(String::into_bytes).unwrap_or_default();
    named([("founding", written(&founding())), ("without-accounts", written(&small))])
}
