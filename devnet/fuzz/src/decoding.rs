//! Decoders that a peer's bytes reach. What decodes is the only encoding of its value, ends where it ends, and is
//! within its stated bounds; what passes the checks without a signature has none to check.
//!
//! Must not know: how messages are made.

use std::fmt::Debug;
use std::sync::LazyLock;

use tonle_consensus::{
    Block, Certificate, Contradiction, Evidence, GuardRecord, Header, Message, PAYLOAD_BYTES_MAX, QuorumCertificate,
    SIDECAR_BYTES_MAX, SigningContext, TimeoutCertificate, VALIDATORS_MAX, contradict,
};
use tonle_crypto::{Canonical, Strict, Verify};
use tonle_ledger::Bucket;
use tonle_replica::bounds::{
    BATCH_BYTES_MAX, BATCH_CONTENT_BYTES_MAX, BATCH_OPERATIONS_MAX, BATCH_TRANSACTIONS_MAX, BOUNDARIES_MAX,
    RESPONSE_BATCHES_MAX, RESPONSE_BLOCKS_MAX,
};
use tonle_replica::{
    Batch, BatchContext, CheckedMessage, Cut, Found, MISBEHAVIOUR_BYTES_MAX, Misbehaviour, OffenceKind, PeerContext,
    PeerMessage, RawBatch, SnapshotFound,
};

use crate::forge::{CHAIN, NODES, peers, validators};
use crate::signing::{Anything, Nothing};

static PEERS: LazyLock<PeerContext> = LazyLock::new(peers);
static SIGNING: LazyLock<SigningContext> =
    LazyLock::new(|| SigningContext { genesis: CHAIN, set: validators(NODES, 0) });
static BATCHES: LazyLock<BatchContext> = LazyLock::new(|| PEERS.batches());

/// Decodes, and holds what every canonical decoder promises.
pub(crate) fn canonical<T: Canonical + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let value = T::decode(data).ok()?;
    assert_eq!(value.encode(), data, "a second encoding of {value:?} was accepted");
    assert_eq!(T::decode(data).as_ref(), Ok(&value), "decoded twice, two values");
    if let Some((_, shorter)) = data.split_last() {
        assert!(T::decode(&data[..shorter.len()]).is_err(), "a cut-off encoding was accepted");
    }
    assert!(T::decode(&[data, &[0]].concat()).is_err(), "a byte behind the encoding was accepted");
    Some(value)
}

/// A message between validators, from its bytes to the replica's door.
pub(crate) fn peer_message(data: &[u8]) {
    let Some(message) = canonical::<PeerMessage>(data) else { return };
    peer_bounds(&message);
    let signed = bears_signatures(&message);
    // With no signature valid, nothing that bears one gets in; with all of them valid, the form still has to hold.
    let unsigned = CheckedMessage::check(message.clone(), &PEERS, &Nothing);
    let counts = |checked: &Result<CheckedMessage, _>| checked.as_ref().is_ok_and(CheckedMessage::counts);
    assert!(!signed || !counts(&unsigned), "accepted without a valid signature: {message:?}");
    let form = CheckedMessage::check(message.clone(), &PEERS, &Anything);
    let real = CheckedMessage::check(message.clone(), &PEERS, &Strict);
    assert!(real.is_err() || form == real, "the verifier decided more than signatures");
    if !signed {
        assert_eq!(unsigned, real, "a message without signatures was judged by its signatures");
    }
    match (&message, counts(&form)) {
        (PeerMessage::Consensus(message), true) => {
            let epoch = message.epoch();
            well_formed(message, &SigningContext { genesis: CHAIN, set: validators(NODES, epoch.get()) });
        }
        (PeerMessage::Batch(raw), true) => assert!(raw.transactions().count() > 0, "an empty batch"),
        (PeerMessage::Acknowledge(acknowledgement), true) => {
            let mut lanes: Vec<_> = acknowledgement.lanes.iter().map(|line| line.lane).collect();
            lanes.sort_unstable();
            lanes.dedup();
            assert_eq!(lanes.len(), acknowledgement.lanes.len(), "a lane twice");
        }
        (PeerMessage::Response(response), true) => {
            if let Found::FinalBlocks(blocks) = &response.found {
                let linked = blocks.windows(2).all(|pair| {
                    let (parent, child) = (&pair[0].block, &pair[1].block);
                    child.header().parent() == parent.digest() && Some(child.height()) == parent.height().next()
                });
                assert!(linked, "final blocks that are not linked");
                assert!(blocks.last().is_none_or(|last| last.certificate.is_some()), "an uncovered end");
            }
        }
        (PeerMessage::Request(_) | PeerMessage::FinalTip { .. } | PeerMessage::MisbehaviourKnown { .. }, accepted) => {
            assert!(accepted, "these bear nothing")
        }
        (PeerMessage::Misbehaviour(_), true) => {}
        (_, false) => {}
    }
}

fn bears_signatures(message: &PeerMessage) -> bool {
    match message {
        PeerMessage::Consensus(_) | PeerMessage::Batch(_) | PeerMessage::Misbehaviour(_) => true,
        PeerMessage::Acknowledge(_)
        | PeerMessage::Request(_)
        | PeerMessage::FinalTip { .. }
        | PeerMessage::MisbehaviourKnown { .. } => false,
        PeerMessage::Response(response) => match &response.found {
            Found::Block(_) | Found::Epoch(_) | Found::Snapshot(_) => false,
            Found::Batches(batches) => !batches.is_empty(),
            Found::FinalBlocks(blocks) => !blocks.is_empty(),
        },
    }
}

fn peer_bounds(message: &PeerMessage) {
    match message {
        PeerMessage::Consensus(message) => message_bounds(message),
        PeerMessage::Batch(batch) => batch_bounds(batch),
        PeerMessage::Acknowledge(acknowledgement) => assert!(acknowledgement.lanes.len() <= VALIDATORS_MAX),
        PeerMessage::Response(response) => match &response.found {
            Found::Block(block) => block.iter().for_each(block_bounds),
            Found::Epoch(_) => {}
            Found::Snapshot(found) => snapshot_bounds(found),
            Found::Batches(batches) => {
                assert!(batches.len() <= RESPONSE_BATCHES_MAX);
                batches.iter().for_each(|batch| batch_bounds(batch));
            }
            Found::FinalBlocks(blocks) => {
                assert!(blocks.len() <= RESPONSE_BLOCKS_MAX);
                blocks.iter().for_each(|entry| block_bounds(&entry.block));
            }
        },
        PeerMessage::Misbehaviour(proof) => assert!(proof.encode().len() <= MISBEHAVIOUR_BYTES_MAX),
        PeerMessage::Request(_) | PeerMessage::FinalTip { .. } | PeerMessage::MisbehaviourKnown { .. } => {}
    }
}

fn snapshot_bounds(found: &SnapshotFound) {
    match found {
        SnapshotFound::Boundaries(boundaries) => {
            assert!(boundaries.len() <= BOUNDARIES_MAX);
            assert!(boundaries.iter().all(|boundary| boundary.validators.len() <= VALIDATORS_MAX));
            boundaries.iter().for_each(|boundary| quorum_bounds(&boundary.certificate));
        }
        SnapshotFound::Offer(offer) => {
            if let Some(offer) = offer {
                block_bounds(&offer.block);
                quorum_bounds(&offer.certificate);
                assert!(offer.covering.len() <= RESPONSE_BLOCKS_MAX);
            }
        }
        // Whatever decodes is judged without a panic, against any root.
        SnapshotFound::State(chunk) => {
            if let Some(chunk) = chunk {
                assert!(chunk.verify(&CHAIN, &CHAIN).is_err(), "a state for a root that is none");
            }
        }
        SnapshotFound::Bucket(chunk) => {
            if let Some(chunk) = chunk {
                assert!(chunk.verify(Bucket::Ids(1), &CHAIN).is_err(), "a bucket for a digest that is none");
                assert!(chunk.verify(Bucket::References(1), &CHAIN).is_err(), "a bucket for a digest that is none");
            }
        }
    }
}

fn message_bounds(message: &Message) {
    match message {
        Message::Proposal(proposal) => {
            block_bounds(&proposal.block);
            assert!(proposal.sidecar.len() <= SIDECAR_BYTES_MAX);
            proposal.parent_qc.iter().for_each(quorum_bounds);
            proposal.timeout.iter().for_each(timeout_bounds);
        }
        Message::Notarize(_) | Message::Finalize(_) => {}
        Message::Timeout(timeout) => timeout.high_qc.iter().for_each(quorum_bounds),
        Message::Certificate(Certificate::Quorum(certificate)) => quorum_bounds(certificate),
        Message::Certificate(Certificate::Timeout(certificate)) => timeout_bounds(certificate),
    }
}

fn block_bounds(block: &Block) {
    assert!(block.payload().len() <= PAYLOAD_BYTES_MAX);
    assert_eq!(tonle_consensus::payload_digest(block.payload()), block.header().payload(), "another payload");
}

fn quorum_bounds(certificate: &QuorumCertificate) {
    assert!(certificate.signatures.len() <= VALIDATORS_MAX);
    assert!(certificate.signers.as_bytes().len() <= VALIDATORS_MAX.div_ceil(8));
}

fn timeout_bounds(certificate: &TimeoutCertificate) {
    assert!(certificate.votes.len() <= VALIDATORS_MAX);
    certificate.high_qc.iter().for_each(quorum_bounds);
}

fn batch_bounds(batch: &RawBatch) {
    assert!(batch.bytes().len() <= BATCH_BYTES_MAX);
    let (mut count, mut bytes) = (0, 0);
    for transaction in batch.transactions() {
        count += 1;
        bytes += transaction.len();
    }
    assert!(count <= BATCH_TRANSACTIONS_MAX && bytes <= BATCH_CONTENT_BYTES_MAX);
}

/// What stands in an accepted message whoever signed it, counted again.
fn well_formed(message: &Message, context: &SigningContext) {
    let n = context.set.len();
    let quorum = n - (n - 1) / 3;
    let certificate = |certificate: &QuorumCertificate| {
        let bits: Vec<usize> = certificate.signers.iter().map(tonle_consensus::ValidatorIndex::index).collect();
        assert!(bits.iter().all(|bit| *bit < n) && certificate.signers.as_bytes().len() == n.div_ceil(8));
        assert!(bits.len() >= quorum && bits.len() == certificate.signatures.len(), "{certificate:?}");
        assert!(certificate.view.get() > 0 && certificate.epoch == context.set.epoch());
    };
    let timeouts = |timeouts: &TimeoutCertificate| {
        assert!(timeouts.votes.len() >= quorum, "{timeouts:?}");
        assert!(timeouts.votes.windows(2).all(|pair| pair[0].signer < pair[1].signer), "{timeouts:?}");
        assert!(timeouts.votes.iter().all(|vote| vote.signer.index() < n && vote.high_view < timeouts.view));
        assert_eq!(timeouts.high_qc.as_ref().map_or(0, |high| high.view.get()), timeouts.high_view().get());
        timeouts.high_qc.iter().for_each(certificate);
    };
    match message {
        Message::Proposal(proposal) => {
            assert!(proposal.view.get() > 0);
            assert_eq!(proposal.parent_qc.as_ref().map_or(0, |qc| qc.view.get()), proposal.parent_view.get());
            proposal.parent_qc.iter().for_each(certificate);
            proposal.timeout.iter().for_each(timeouts);
        }
        Message::Notarize(vote) | Message::Finalize(vote) => {
            assert!(vote.signer.index() < n && vote.view.get() > 0 && vote.epoch == context.set.epoch());
        }
        Message::Timeout(timeout) => {
            assert!(timeout.high_view < timeout.view && timeout.signer.index() < n);
            timeout.high_qc.iter().for_each(certificate);
        }
        Message::Certificate(Certificate::Quorum(quorum)) => certificate(quorum),
        Message::Certificate(Certificate::Timeout(certificate)) => timeouts(certificate),
    }
}

/// A message of consensus alone.
pub(crate) fn consensus_message(data: &[u8]) {
    let Some(message) = canonical::<Message>(data) else { return };
    message_bounds(&message);
    assert!(message.verify(&SIGNING, &Nothing).is_err(), "every message of consensus bears a signature");
    if message.verify(&SIGNING, &Anything).is_ok() {
        well_formed(&message, &SIGNING);
    }
}

/// Blocks and headers.
pub(crate) fn block(data: &[u8]) {
    if let Some(block) = canonical::<Block>(data) {
        block_bounds(&block);
        let header = canonical::<Header>(block.header().bytes());
        assert_eq!(header.map(|header| header.digest()), Some(block.digest()), "a header's digest is its bytes'");
    }
}

/// Evidence against a validator.
pub(crate) fn evidence(data: &[u8]) {
    let Some(evidence) = canonical::<Evidence>(data) else { return };
    assert!(evidence.verify(&SIGNING, &Nothing).is_err(), "evidence without a valid signature");
    if evidence.verify(&SIGNING, &Anything).is_ok() {
        assert!(evidence.signer.index() < SIGNING.set.len() && evidence.epoch == SIGNING.set.epoch());
        assert!(contradict(&evidence.first.statement, &evidence.second.statement));
        assert_ne!(evidence.first.statement, evidence.second.statement, "nobody contradicts himself by one statement");
    }
}

/// A proof of misbehaviour, as a peer, a file or an operation bears it.
pub(crate) fn misbehaviour(data: &[u8]) {
    let Some(proof) = canonical::<Misbehaviour>(data) else { return };
    assert!(data.len() <= MISBEHAVIOUR_BYTES_MAX, "a proof of {} bytes", data.len());
    assert!(proof.verify(CHAIN, &Nothing).is_err(), "a proof without signatures");
    let offence = proof.offence();
    assert_eq!(proof.verify(CHAIN, &Anything), Ok(offence), "the verifier decided more than signatures");
    assert!(offence.place > 0, "nothing valid stands at place 0");
    assert_eq!(offence.kind == OffenceKind::Batches, matches!(proof, Misbehaviour::Lane(_)));
    if let Misbehaviour::Consensus(contradiction) = &proof {
        let (first, second) = (contradiction.first(), contradiction.second());
        assert!(contradict(&first.statement, &second.statement), "no contradiction");
        let again = |one, other| {
            let place = (contradiction.epoch(), contradiction.set());
            Contradiction::new(contradiction.accused(), place, one, other)
        };
        assert_eq!(again(*second, *first), Some(*contradiction), "the order of finding shows in the proof");
    }
    // Signed for real, it holds on its own chain and on no other.
    if proof.verify(CHAIN, &Strict).is_ok() {
        assert!(proof.verify(tonle_crypto::Digest::ZERO, &Strict).is_err(), "a proof for every chain");
    }
}

/// The guard record as it is read back from disk.
pub(crate) fn guard_record(data: &[u8]) {
    let Some(record) = canonical::<GuardRecord>(data) else { return };
    assert!(record.continues(&record), "a record goes on from itself");
    assert!(record.continues(&GuardRecord::empty(record.epoch)), "every record goes on from nothing");
    let nothing = GuardRecord::empty(record.epoch);
    assert!(nothing == record || !nothing.continues(&record), "a record was forgotten: {record:?}");
    // Of the same choices with one view less, this one is the later.
    if let Some(last) = record.last_notarize
        && let Some(view) = last.view.previous()
    {
        let mut earlier = record.clone();
        earlier.last_notarize = Some(tonle_consensus::Choice { view, block: last.block });
        assert!(record.continues(&earlier) && !earlier.continues(&record), "views only grow: {record:?}");
    }
    record.high_qc.iter().for_each(quorum_bounds);
}

/// The payload of a block.
pub(crate) fn cut(data: &[u8]) {
    if let Some(cut) = canonical::<Cut>(data) {
        assert!(cut.tips().len() <= VALIDATORS_MAX);
        assert!(data.len() <= PAYLOAD_BYTES_MAX, "a cut always fits a payload");
    }
}

/// A batch, from its bytes to its transactions.
pub(crate) fn batch(data: &[u8]) {
    let Some(raw) = canonical::<RawBatch>(data) else { return };
    batch_bounds(&raw);
    let raw = std::sync::Arc::new(raw);
    let check = |verifier| Batch::check(std::sync::Arc::clone(&raw), &BATCHES, verifier);
    assert!(check(&Nothing).is_err(), "a batch without its author's signature");
    let (form, real) = (check(&Anything), check(&Strict));
    assert!(real.is_err() || real == form, "the verifier decided more than signatures");
    if let Ok(batch) = form {
        assert_eq!(batch.raw().bytes(), data, "a batch keeps its bytes");
        let operations: usize = batch.transactions().iter().map(|transaction| transaction.operations().len()).sum();
        assert!(operations <= BATCH_OPERATIONS_MAX && u64::try_from(operations) == Ok(batch.operations()));
        let kept = batch.transactions().iter().map(|transaction| transaction.bytes());
        assert!(kept.eq(raw.transactions()), "a transaction keeps the bytes that its client signed");
        assert!(batch.transactions().iter().all(|transaction| transaction.body().chain == CHAIN));
        assert!(BATCHES.lanes.contains(batch.lane()) && batch.lane() == raw.lane());
    }
}
