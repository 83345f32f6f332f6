//! Finality receipts across changes of the validators: chains made by hand, whose sets change at the end of some
//! epochs.
//! Each is proven with genesis alone, and nothing that leaves out, swaps or forges a step is.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::sync::{Arc, LazyLock};

use tonle_consensus::{
    Bitmap, Boundary, BoundaryInvalid, Checkpoint, Epoch, Header, HeaderFields, Height, QuorumCertificate, QuorumKind,
    SigningContext, Statement, Timestamp, Validator, ValidatorSet, View,
};
use tonle_crypto::{Digest, SecretKey, Strict};
use tonle_ledger::{
    Account, AccountId, AccountKind, Executor, Genesis, GenesisAccount, GenesisValidator, MemoryState, Mode,
    Parameters, Participant, ParticipantId, Role, StateKey, Thresholds,
};
use tonle_node::finality_receipt::{Document, DocumentInvalid, Proven, Subject, VerifyError, verify};
use tonle_replica::MisbehaviourJudge;

const EPOCH_LENGTH: u64 = 5;
const ACCOUNT: &str = "till@b0";

fn key(name: &str) -> SecretKey {
    let mut seed = [0u8; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SecretKey::from_seed(&seed)
}

/// Validator `number`, with the keys of its `generation`.
fn validator(number: usize, generation: usize) -> Validator {
    Validator {
        name: format!("b{number}"),
        key: key(&format!("{number} vote {generation}")).public(),
        network_key: key(&format!("{number} net {generation}")).public(),
    }
}

/// Who validates: numbers and generations.
type Members = [(usize, usize)];

fn set(epoch: u64, members: &Members) -> ValidatorSet {
    let validators = members.iter().map(|(number, generation)| validator(*number, *generation));
    ValidatorSet::new(Epoch::new(epoch), validators.collect()).unwrap()
}

const FIRST: &Members = &[(0, 0), (1, 0), (2, 0), (3, 0)];
const FIVE: &Members = &[(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)];
const ROTATED: &Members = &[(0, 0), (1, 1), (2, 0), (3, 0), (4, 0)];
const REMOVED: &Members = &[(1, 1), (2, 0), (3, 0), (4, 0)];

static GENESIS: LazyLock<Genesis> = LazyLock::new(|| {
    let participant = |number: usize| Participant {
        id: ParticipantId::new(&format!("b{number}")).unwrap(),
        legal_name: String::new(),
        bic: String::new(),
        role: Role::Bank,
        mode: Mode::Active,
        thresholds: Thresholds::default(),
        keys: Vec::new(),
        encryption_key: key(&format!("{number} open")).public().encryption_key(),
    };
    let account = Account::new(AccountKind::Wallet, &[], 0);
    Genesis {
        chain_name: "epochs".to_owned(),
        created_ms: 1_800_000_000_000,
        protocol_version: 1,
        signature_rule: 1,
        epoch_length: EPOCH_LENGTH,
        checkpoint_every: 1,
        max_lag: 16,
        max_block_bytes: 8 << 20,
        max_block_operations: 100_000,
        idle_interval_ms: 1_000,
        parameters: Parameters::default(),
        participants: (0..4).map(participant).collect(),
        assets: Vec::new(),
        accounts: vec![GenesisAccount { id: AccountId::new(ACCOUNT).unwrap(), account }],
        validators: FIRST
            .iter()
            .map(|(number, generation)| {
                let Validator { name, key, network_key } = validator(*number, *generation);
                GenesisValidator { participant: ParticipantId::new(&name).unwrap(), key, network_key }
            })
            .collect(),
    }
});

/// A finality certificate by the members whose secrets are these, of the set that they say they are.
fn certificate(epoch: u64, members: &Members, block: Digest) -> QuorumCertificate {
    let context = SigningContext { genesis: GENESIS.digest(), set: set(epoch, members) };
    let view = View::new(7);
    let statement = Statement::Finalize { view, block }.preimage(&context);
    let mut signers = Bitmap::new(members.len());
    let mut signatures = Vec::new();
    for ((index, _), (number, generation)) in context.set.iter().zip(members).take(context.set.quorum()) {
        assert!(signers.insert(index));
        signatures.push(key(&format!("{number} vote {generation}")).sign(&statement));
    }
    QuorumCertificate { kind: QuorumKind::Finalized, epoch: Epoch::new(epoch), view, block, signers, signatures }
}

fn header(height: u64, checkpoint: Checkpoint, next_set: Option<Digest>) -> Header {
    Header::new(HeaderFields {
        parent: Digest::from_bytes([9; 32]),
        height: Height::new(height),
        timestamp: Timestamp::new(1_800_000_000_000 + height),
        protocol_version: 1,
        payload: Digest::ZERO,
        checkpoint,
        next_set,
    })
}

/// The boundary at the end of `epoch`, of which `before` are the validators.
fn boundary(epoch: u64, before: &Members, after: &Members) -> Boundary {
    let next = set(epoch + 1, after);
    let checkpoint = Checkpoint { height: Height::new(0), state_root: Digest::ZERO, results_root: Digest::ZERO };
    let header = header((epoch + 1) * EPOCH_LENGTH, checkpoint, Some(next.digest()));
    let certificate = certificate(epoch, before, header.digest());
    let validators = next.iter().map(|(_, validator)| validator.clone()).collect();
    Boundary { header, certificate, validators }
}

/// The proof of an account at genesis' state, final in `epoch` by `members`.
fn document(boundaries: Vec<Boundary>, epoch: u64, members: &Members) -> Document {
    let (executor, changes) = Executor::create(&GENESIS, Arc::new(MisbehaviourJudge(Strict))).unwrap();
    let mut state = MemoryState::new();
    state.apply(&changes);
    let account = AccountId::new(ACCOUNT).unwrap();
    let proof = executor.proofs().prove_account(0, account, state.get(&StateKey::Account(account))).unwrap();
    let point = executor.point();
    let (state_root, results_root) = (point.state_root, point.results_root);
    let header =
        header(epoch * EPOCH_LENGTH + 1, Checkpoint { height: Height::new(0), state_root, results_root }, None);
    let certificate = certificate(epoch, members, header.digest());
    let subject = Subject::Account { height: 0, proof };
    Document { chain: GENESIS.digest(), subject, boundaries, headers: vec![header], certificate }
}

/// Three changes, of which two follow each other at once.
fn three() -> Document {
    let boundaries = vec![boundary(1, FIRST, FIVE), boundary(2, FIVE, ROTATED), boundary(6, ROTATED, REMOVED)];
    document(boundaries, 9, REMOVED)
}

fn check(document: &Document) -> Result<usize, VerifyError> {
    let report = verify(&document.to_bytes().unwrap(), &GENESIS)?;
    assert!(matches!(report.proven, Proven::Account { state: Some(_), .. }));
    Ok(report.quorum)
}

#[test]
fn chains_of_no_one_and_three_changes_are_proven_with_genesis_alone() {
    for epoch in [0, 4] {
        assert_eq!(check(&document(Vec::new(), epoch, FIRST)), Ok(3), "epoch {epoch}");
    }
    assert_eq!(check(&document(vec![boundary(0, FIRST, FIVE)], 1, FIVE)), Ok(4), "the first epoch that it serves in");
    assert_eq!(check(&document(vec![boundary(0, FIRST, FIVE)], 700, FIVE)), Ok(4));
    assert_eq!(check(&three()), Ok(3));
}

/// A file with three changes and its genesis, for whoever writes a verifier; docs/examples/verify.py is checked with
/// it. To
/// write them anew after a change of the protocol: `TONLE_WRITE_VECTORS=1 cargo test --release -p tonle-node --test
/// epochs`.
#[test]
fn the_published_example_is_as_it_was() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let genesis = tonle_devnet::genesis::to_json(&GENESIS).unwrap();
    for (name, content) in
        [("epochs.receipt", three().to_bytes().unwrap()), ("epochs.genesis.json", genesis.into_bytes())]
    {
        let path = folder.join(name);
        if std::env::var_os("TONLE_WRITE_VECTORS").is_some() {
            std::fs::write(&path, &content).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), content, "{name}");
    }
    let read = tonle_devnet::genesis::read(&folder.join("epochs.genesis.json")).unwrap();
    assert_eq!(read.digest(), GENESIS.digest());
}

#[test]
fn a_file_without_changes_has_no_field_for_them() {
    let without = String::from_utf8(document(Vec::new(), 3, FIRST).to_bytes().unwrap()).unwrap();
    assert!(!without.contains("boundaries"));
    let empty = without.replacen("  \"headers\"", "  \"boundaries\": [],\n  \"headers\"", 1);
    assert_eq!(Document::from_bytes(empty.as_bytes()), Err(DocumentInvalid::NotCanonical), "one form");
    let three = three();
    let bytes = three.to_bytes().unwrap();
    assert_eq!(Document::from_bytes(&bytes), Ok(three));
    assert_eq!(String::from_utf8(bytes).unwrap().matches("\"validators\"").count(), 3);
}

#[test]
fn each_changed_byte_is_refused() {
    let file = document(vec![boundary(0, FIRST, FIVE), boundary(1, FIVE, ROTATED)], 2, ROTATED).to_bytes().unwrap();
    assert!(verify(&file, &GENESIS).is_ok());
    for place in 0..file.len() {
        for flip in [0x01, 0x20] {
            let mut changed = file.clone();
            changed[place] ^= flip;
            assert!(verify(&changed, &GENESIS).is_err(), "byte {place} ^ {flip:#x}");
        }
    }
    for length in [0, 1, file.len() / 3, file.len() / 2, file.len() - 1] {
        assert!(verify(&file[..length], &GENESIS).is_err());
    }
}

/// Changes a sound document with three boundaries, and names why it proves nothing.
fn broken(change: impl FnOnce(&mut Document)) -> VerifyError {
    let mut document = three();
    change(&mut document);
    check(&document).unwrap_err()
}

fn at(number: usize, error: &VerifyError) -> &BoundaryInvalid {
    match error {
        VerifyError::Boundary { number: found, reason } if *found == number => reason,
        other => panic!("not boundary {number}: {other}"),
    }
}

#[test]
fn a_step_that_is_left_out_or_out_of_order_proves_nothing() {
    assert!(matches!(at(0, &broken(|document| drop(document.boundaries.remove(0)))), BoundaryInvalid::Certificate(_)));
    assert!(matches!(at(1, &broken(|document| drop(document.boundaries.remove(1)))), BoundaryInvalid::Certificate(_)));
    assert!(matches!(broken(|document| drop(document.boundaries.pop())), VerifyError::Certificate(_)));
    assert!(matches!(broken(|document| document.boundaries.clear()), VerifyError::Certificate(_)));
    let twice = broken(|document| document.boundaries.insert(1, document.boundaries[0].clone()));
    assert_eq!(*at(1, &twice), BoundaryInvalid::Order { known: Epoch::new(2), found: Epoch::new(1) });
    let swapped = broken(|document| document.boundaries.swap(0, 2));
    assert!(matches!(at(0, &swapped), BoundaryInvalid::Certificate(_)));
    // Descending, and each signed by the set that stands at its place.
    let descending = document(vec![boundary(6, FIRST, FIVE), boundary(2, FIVE, ROTATED)], 9, ROTATED);
    let error = check(&descending).unwrap_err();
    assert_eq!(*at(1, &error), BoundaryInvalid::Order { known: Epoch::new(7), found: Epoch::new(2) });
    let early = document(vec![boundary(6, FIRST, FIVE)], 6, FIVE);
    assert_eq!(check(&early), Err(VerifyError::BeforeBoundary { certificate: 6, begins: 7 }));
}

#[test]
fn a_boundary_that_was_not_decided_proves_nothing() {
    let first = |boundary: Boundary| at_first(document(vec![boundary], 3, FIVE));
    let sound = || boundary(2, FIRST, FIVE);
    let changed = |change: &dyn Fn(&mut Boundary)| {
        let mut boundary = sound();
        change(&mut boundary);
        boundary
    };
    // Signed by the set that it names, by another one, in another epoch, for another block.
    assert!(matches!(first(boundary(2, FIVE, FIVE)), BoundaryInvalid::Certificate(_)));
    assert!(matches!(first(boundary(2, ROTATED, FIVE)), BoundaryInvalid::Certificate(_)));
    let digest = sound().header.digest();
    let other_epoch = changed(&|boundary| boundary.certificate.epoch = Epoch::new(1));
    assert_eq!(first(other_epoch), not_last(10, 15));
    let other_block = changed(&|boundary| boundary.certificate.block = Digest::ZERO);
    assert_eq!(first(other_block), BoundaryInvalid::OtherBlock { expected: digest, found: Digest::ZERO });
    let notarized = changed(&|boundary| boundary.certificate.kind = QuorumKind::Notarized);
    assert_eq!(first(notarized), BoundaryInvalid::NotFinal);
    let too_few = changed(&|boundary| boundary.certificate.signatures.truncate(2));
    assert!(matches!(first(too_few), BoundaryInvalid::Certificate(_)));

    // Members that the header does not commit to: one more, one less, another key, another order.
    for forge in [
        &(|boundary: &mut Boundary| boundary.validators.push(validator(9, 0))) as &dyn Fn(&mut Boundary),
        &|boundary| drop(boundary.validators.pop()),
        &|boundary| boundary.validators[2].key = key("mine").public(),
        &|boundary| boundary.validators[2].network_key = key("mine").public(),
        &|boundary| boundary.validators[2].name.push('x'),
        &|boundary| boundary.validators.swap(0, 1),
    ] {
        assert_eq!(first(changed(forge)), BoundaryInvalid::NextSet);
    }
    let repeated = changed(&|boundary| boundary.validators[1] = boundary.validators[0].clone());
    assert!(matches!(first(repeated), BoundaryInvalid::Validators(_)));
    // There is none for an epoch that changes nothing.
    let unchanged = document(vec![boundary(2, FIRST, FIRST)], 3, FIRST);
    assert_eq!(check(&unchanged), Err(VerifyError::Unchanged(0)));

    // A final block of the epoch that is not its last names no next set.
    let checkpoint = Checkpoint { height: Height::new(0), state_root: Digest::ZERO, results_root: Digest::ZERO };
    for (height, next_set, expected) in
        [(14, Some(set(3, FIVE).digest()), not_last(15, 14)), (15, None, BoundaryInvalid::NextSet)]
    {
        let header = header(height, checkpoint, next_set);
        let certificate = certificate(2, FIRST, header.digest());
        assert_eq!(first(Boundary { header, certificate, validators: sound().validators }), expected);
    }
}

fn not_last(expected: u64, found: u64) -> BoundaryInvalid {
    BoundaryInvalid::Height { expected: Height::new(expected), found: Height::new(found) }
}

fn at_first(document: Document) -> BoundaryInvalid {
    at(0, &check(&document).unwrap_err()).clone()
}
