//! The corpora as stable tests: every file of every target, and seeded mutations of them, on any toolchain. A finding
//! of a longer run is kept by putting its input into the target's folder.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail by a panic, and says which input failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tonle_fuzz::{Dice, TARGETS, Target, mutate, target};

/// What all of a target's mutations may take together is set by their number; each suite run does the same.
const MUTATIONS: u64 = 4_000;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora")
}

fn corpus(target: &Target) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(corpora().join(target.name)).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

/// Names the input when it fails: the panic itself says what did not hold.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed on {}", self.0);
        }
    }
}

fn replay(name: &str, mutations: u64) {
    let target = target(name).unwrap();
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for (file, input) in &corpus {
        let _named = Named(format!("corpora/{name}/{file}"));
        (target.run)(input);
    }
    let inputs: Vec<&Vec<u8>> = corpus.values().collect();
    for seed in 0..mutations {
        let mut dice = Dice::new(seed);
        let (one, other) = (dice.below(inputs.len()), dice.below(inputs.len()));
        let _named = Named(format!("mutation {seed} of {name}"));
        (target.run)(&mutate(inputs[one], inputs[other], &mut dice));
    }
}

macro_rules! replays {
    ($($target:ident: $mutations:expr),* $(,)?) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), $mutations);
        })*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($target)),*];
            let targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(targets, replayed);
        }
    };
}

replays! {
    peer_message: MUTATIONS,
    consensus_message: MUTATIONS,
    certificates: MUTATIONS,
    tampering: MUTATIONS,
    evidence: MUTATIONS,
    misbehaviour: MUTATIONS,
    guard_record: MUTATIONS,
    block: MUTATIONS,
    cut: MUTATIONS,
    batch: MUTATIONS,
    transaction: MUTATIONS,
    receipt_proof: MUTATIONS,
    account_proof: MUTATIONS,
    genesis_bytes: MUTATIONS,
    genesis_json: MUTATIONS,
    khqr_payload: MUTATIONS,
    khqr_draft: MUTATIONS,
    replica_events: MUTATIONS,
}

/// A change of a format shows here: the corpora are made anew by `cargo run --release -p tonle-fuzz -- seeds`.
#[test]
fn the_corpora_hold_what_the_constructors_make() {
    for target in TARGETS {
        let corpus = corpus(target);
        for (name, bytes) in (target.seeds)() {
            assert_eq!(corpus.get(&name), Some(&bytes), "{}/{name} is out of date", target.name);
        }
    }
}
