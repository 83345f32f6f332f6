//! Chains of boundaries whose validators change, told truly and falsely.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_consensus::{
    Bitmap, Block, Boundary, BoundaryInvalid, Checkpoint, Epoch, Header, HeaderFields, Height, QuorumCertificate,
    QuorumKind, SigningContext, Statement, Timestamp, Validator, ValidatorIndex, ValidatorSet, View, payload_digest,
};
use tonle_crypto::{Canonical, Digest, SecretKey, Strict};
use tonle_ledger::next_results_root;

use super::*;
use crate::{BlockSource, CertifiedBlock, Cut, RawBatch};

const LENGTH: u64 = 4;
/// The first of four members in each epoch: epochs 2 and 4 change the set, 1 and 3 do not.
const FIRST: [u8; 6] = [1, 1, 2, 2, 5, 5];

fn chain() -> Digest {
    Digest::from_bytes([9; 32])
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn set(epoch: u64) -> ValidatorSet {
    let first = FIRST[usize::try_from(epoch).unwrap()];
    let members = (first..first + 4).map(|number| Validator {
        name: format!("bank{number}"),
        key: key(number).public(),
        network_key: key(number + 100).public(),
    });
    ValidatorSet::new(Epoch::new(epoch), members.collect()).unwrap()
}

fn certify(block: &Block, signers: &ValidatorSet, count: u16) -> QuorumCertificate {
    let first = signers.iter().next().unwrap().1.name.trim_start_matches("bank").parse::<u8>().unwrap();
    let context = SigningContext { genesis: chain(), set: signers.clone() };
    let (kind, view) = (QuorumKind::Finalized, View::new(block.height().get()));
    let message = Statement::Finalize { view, block: block.digest() }.preimage(&context);
    let mut bits = Bitmap::new(4);
    (0..count).for_each(|index| {
        bits.insert(ValidatorIndex::new(index));
    });
    let signatures = (0..count).map(|index| key(first + u8::try_from(index).unwrap()).sign(&message)).collect();
    QuorumCertificate { kind, epoch: signers.epoch(), view, block: block.digest(), signers: bits, signatures }
}

fn root(height: u64) -> Digest {
    Digest::from_bytes([u8::try_from(height).unwrap(); 32])
}

/// R_h of receipts roots that are `root(100 + h)`.
fn results(height: u64) -> Digest {
    (1..=height).fold(chain(), |before, height| next_results_root(&before, &root(100 + height)))
}

/// Five epochs of four blocks; every other block has a certificate of its own, and each epoch's last.
struct Source {
    blocks: BTreeMap<u64, CertifiedBlock>,
    begun_from: Vec<Boundary>,
}

impl Source {
    fn new() -> Self {
        let mut blocks = BTreeMap::new();
        let mut parent = chain();
        for height in 1..=LENGTH * 5 {
            let epoch = (height - 1) / LENGTH;
            let is_last = height.is_multiple_of(LENGTH);
            let payload = Cut::genesis(4).encode();
            let named = height - 1;
            let header = Header::new(HeaderFields {
                parent,
                height: Height::new(height),
                timestamp: Timestamp::new(height),
                protocol_version: 1,
                payload: payload_digest(&payload),
                checkpoint: Checkpoint {
                    height: Height::new(named),
                    state_root: root(named),
                    results_root: results(named),
                },
                next_set: is_last.then(|| set(epoch + 1).digest()),
            });
            let block = Block::new(header, payload).unwrap();
            parent = block.digest();
            let certificate = height.is_multiple_of(2).then(|| certify(&block, &set(epoch), 3));
            blocks.insert(height, CertifiedBlock { block, certificate });
        }
        Source { blocks, begun_from: Vec::new() }
    }

    fn block(&self, height: u64) -> &Block {
        &self.blocks[&height].block
    }

    fn boundary(&self, epoch: u64) -> Boundary {
        let entry = &self.blocks[&((epoch + 1) * LENGTH)];
        let validators = set(epoch + 1).iter().map(|(_, validator)| validator.clone()).collect();
        Boundary { header: entry.block.header().clone(), certificate: entry.certificate.clone().unwrap(), validators }
    }

    fn offer(&self, height: u64) -> SnapshotOffer {
        let (covering, certificate) = covering(Height::new(height), self).unwrap();
        let (results_before, receipts_root) = (results(height - 1), root(100 + height));
        SnapshotOffer { block: self.block(height).clone(), covering, certificate, results_before, receipts_root }
    }
}

impl BlockSource for Source {
    fn final_block(&self, height: Height) -> Option<CertifiedBlock> {
        self.blocks.get(&height.get()).cloned()
    }
    fn block(&self, _: &Digest) -> Option<Block> {
        None
    }
    fn batch(&self, _: &Digest) -> Option<Arc<RawBatch>> {
        None
    }
}

impl BoundaryHistory for Source {
    fn epoch_length(&self) -> u64 {
        LENGTH
    }
    fn validators(&self, epoch: Epoch) -> Option<ValidatorSet> {
        usize::try_from(epoch.get()).ok().filter(|epoch| *epoch < FIRST.len()).map(|_| set(epoch.get()))
    }
    fn begun_from(&self) -> Vec<Boundary> {
        self.begun_from.clone()
    }
}

fn genesis() -> Trust {
    Trust::genesis(chain(), set(0), LENGTH)
}

/// Trust after the boundaries of these epochs.
fn followed(source: &Source, epochs: &[u64]) -> Trust {
    let mut trust = genesis();
    epochs.iter().for_each(|epoch| trust.follow(source.boundary(*epoch), &Strict).unwrap());
    trust
}

fn epochs(found: &[Boundary]) -> Vec<u64> {
    found.iter().map(|boundary| boundary.header.height().get() / LENGTH - 1).collect()
}

#[test]
fn only_boundaries_that_change_the_validators_travel_and_the_last() {
    let mut source = Source::new();
    let serve = |source: &Source, from, to| epochs(&boundaries(Epoch::new(from), Epoch::new(to), source));
    assert_eq!(serve(&source, 0, 5), [1, 3, 4]);
    assert_eq!(serve(&source, 0, 4), [1, 3]);
    assert_eq!(serve(&source, 0, 1), [0]);
    assert_eq!(serve(&source, 2, 3), [2]);
    assert_eq!(serve(&source, 0, 99), [1, 3, 4], "no further than what is on disk");
    assert_eq!(serve(&source, 3, 3), [0u64; 0]);
    // A node that itself began from the snapshot after epoch 3 has no earlier blocks, and passes on what it followed.
    source.begun_from = vec![source.boundary(1), source.boundary(3)];
    source.blocks.retain(|height, _| *height >= 4 * LENGTH);
    assert_eq!(serve(&source, 0, 5), [1, 3, 4]);
    assert_eq!(serve(&source, 2, 5), [3, 4]);
}

#[test]
fn trust_goes_from_genesis_over_the_boundaries_that_are_served() {
    let source = Source::new();
    let mut trust = genesis();
    for boundary in boundaries(Epoch::ZERO, Epoch::new(4), &source) {
        let bytes = boundary.encode();
        trust.follow(Boundary::decode(&bytes).unwrap(), &Strict).unwrap();
    }
    assert_eq!(trust.epoch(), Epoch::new(4));
    let offer = source.offer(16);
    assert_eq!(SnapshotOffer::decode(&offer.encode()).unwrap(), offer);
    let checkpoint = trust.accept(&offer, &Strict).unwrap();
    assert_eq!((checkpoint.height, checkpoint.state_root), (Height::new(16), root(16)));
}

#[test]
fn a_boundary_that_changes_the_validators_cannot_be_left_out() {
    let source = Source::new();
    for (followed_first, skipped_to) in [(vec![], 2), (vec![0], 3), (vec![1], 4)] {
        let mut trust = followed(&source, &followed_first);
        let refused = trust.follow(source.boundary(skipped_to), &Strict).unwrap_err();
        assert!(
            matches!(refused, InvalidSnapshot::Boundary(BoundaryInvalid::Certificate(_))),
            "{skipped_to}: {refused}"
        );
    }
    // Those that change nothing can.
    assert_eq!(followed(&source, &[1, 3]).epoch(), Epoch::new(4));
    assert_eq!(followed(&source, &[0, 1, 2, 3]).epoch(), Epoch::new(4));
    // And are not kept.
    assert_eq!(epochs(followed(&source, &[0, 1, 2, 3, 4]).path()), [1, 3, 4]);
    assert_eq!(epochs(followed(&source, &[0, 1, 2]).path()), [1, 2]);
}

#[test]
fn false_boundaries_are_refused_and_change_nothing() {
    let source = Source::new();
    let good = source.boundary(1);
    let other = source.boundary(0);
    let few = certify(source.block(8), &set(1), 2);
    let notarized = QuorumCertificate { kind: QuorumKind::Notarized, ..good.certificate.clone() };
    let removed = {
        let mut validators = good.validators.clone();
        validators.pop();
        validators
    };
    let mut forged_signature = good.certificate.clone();
    forged_signature.signatures.swap(0, 1);
    let in_the_middle = CertifiedBlock::clone(&source.blocks[&6]);
    let cases: Vec<(&str, Boundary)> = vec![
        ("too few signed", Boundary { certificate: few, ..good.clone() }),
        ("only notarized", Boundary { certificate: notarized, ..good.clone() }),
        ("another block's certificate", Boundary { certificate: other.certificate.clone(), ..good.clone() }),
        ("a signature of somebody else", Boundary { certificate: forged_signature, ..good.clone() }),
        ("a member removed", Boundary { validators: removed, ..good.clone() }),
        ("other members", Boundary { validators: other.validators, ..good.clone() }),
        ("no members", Boundary { validators: Vec::new(), ..good.clone() }),
        (
            "not at an epoch's end",
            Boundary {
                header: in_the_middle.block.header().clone(),
                certificate: in_the_middle.certificate.unwrap(),
                validators: good.validators.clone(),
            },
        ),
    ];
    for (what, boundary) in cases {
        let mut trust = genesis();
        assert!(trust.follow(boundary, &Strict).is_err(), "{what}");
        assert_eq!((trust.epoch(), trust.path().len()), (Epoch::ZERO, 0), "{what}");
        trust.follow(good.clone(), &Strict).unwrap();
    }
    let mut trust = followed(&source, &[1]);
    for (again, found) in [(source.boundary(0), Epoch::ZERO), (good, Epoch::new(1))] {
        let order = BoundaryInvalid::Order { known: Epoch::new(2), found };
        assert_eq!(trust.follow(again, &Strict), Err(order.into()));
    }
}

#[test]
fn false_offers_are_refused() {
    let source = Source::new();
    let trust = followed(&source, &[1]);
    let good = source.offer(8);
    assert!(trust.accept(&good, &Strict).is_ok());
    assert!(genesis().accept(&good, &Strict).is_err(), "no boundary is trusted");
    assert!(followed(&source, &[1, 3]).accept(&good, &Strict).is_err(), "another boundary is trusted");
    let mut unlinked = good.clone();
    unlinked.covering.insert(1, source.block(12).header().clone());
    let cases = [
        ("the state of another height", SnapshotOffer { covering: source.offer(9).covering, ..good.clone() }),
        ("no headers", SnapshotOffer { covering: Vec::new(), ..good.clone() }),
        ("headers that are not linked", unlinked),
        ("not certified", SnapshotOffer { covering: good.covering[..1].to_vec(), ..good.clone() }),
        ("certified by others", {
            let certificate = certify(source.block(10), &set(4), 3);
            SnapshotOffer { certificate, ..good.clone() }
        }),
        ("another block", SnapshotOffer { block: source.block(7).clone(), ..good.clone() }),
        ("other receipts", SnapshotOffer { receipts_root: root(1), ..good.clone() }),
        ("other results", SnapshotOffer { results_before: root(1), ..good.clone() }),
    ];
    assert_eq!(good.covering.len(), 2, "block 9 names the checkpoint and block 10 is certified");
    for (what, offer) in cases {
        assert!(trust.accept(&offer, &Strict).is_err(), "{what}");
    }
}

#[test]
fn headers_cover_a_height_only_once_one_is_certified() {
    let mut source = Source::new();
    source.blocks.retain(|height, _| *height <= 9);
    assert_eq!(covering(Height::new(8), &source), None);
    assert!(covering(Height::new(7), &source).is_some());
}
