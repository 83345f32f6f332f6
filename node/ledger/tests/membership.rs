//! Who validates: which changes are taken, when, and what of them is kept.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fixture::*;
use proptest::prelude::*;
use tonle_crypto::Canonical;
use tonle_ledger::*;

const EPOCH_LENGTH: u64 = 10;
const WINDOW: u64 = 2 * EPOCH_LENGTH + 256;

fn ledger() -> Ledger {
    Ledger::of(Genesis { epoch_length: EPOCH_LENGTH, ..genesis() })
}

fn rejected(result: &TransactionResult) -> Option<RejectionCode> {
    match result {
        TransactionResult::Executed(_) => None,
        TransactionResult::Rejected { code, .. } => Some(*code),
    }
}

fn skip(ledger: &mut Ledger, heights: u64) {
    for _ in 0..heights {
        ledger.execute(Vec::new());
    }
}

fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.participant.as_str()).collect()
}

#[test]
fn the_first_version_is_genesis() {
    let ledger = ledger();
    let expected = SetVersion { since: 0, members: ledger.genesis.validators.clone() };
    assert_eq!(ledger.validators().versions(), [expected]);
    assert_eq!(window(EPOCH_LENGTH), WINDOW);
}

#[test]
fn a_block_that_changes_the_set_makes_one_version_and_says_so() {
    let mut ledger = ledger();
    skip(&mut ledger, 6);
    let body = ledger.body(vec![admit("wb"), set("wb", "first"), set("wb", "second")]);
    let transaction = ledger.sign(&body, &["nbc"]);
    let executed = ledger.execute(vec![transaction]);
    let version = executed.validators.unwrap();
    assert_eq!(version.since, 7);
    assert_eq!(names(&version.members), ["aba", "acleda", "wing", "canadia", "wb"], "places stay, new ones follow");
    assert_eq!(version.members[4], member("wb", "second"));
    assert_eq!(ledger.validators().versions().last(), Some(&version));
    assert!(
        ledger.validators().was_used(&key("first validator").public()),
        "a key that was never in force is gone too"
    );
    assert_eq!(ledger.validators().at(6).unwrap().since, 0);
    assert_eq!(ledger.validators().at(7), Some(&version));
    assert_eq!(ledger.execute(Vec::new()).validators, None);
    let mut ledger = Ledger::new();
    ledger.run(vec![set("wing", "new")], &["nbc"]);
    assert_eq!(names(ledger.validators().members()), ["aba", "acleda", "wing", "canadia"], "new keys, the same place");
    assert_eq!(ledger.validators().members()[2], member("wing", "new"));
}

#[test]
fn what_is_taken_back_leaves_nothing_but_used_keys_of_what_was_kept() {
    let mut ledger = ledger();
    let before = ledger.validators().clone();
    let atomic = vec![admit("wb"), set("wb", "wb"), unset("wb"), set("aba", "new"), unset("nbc")];
    assert_eq!(rejected(&ledger.run(atomic, &["nbc"])), Some(RejectionCode::NotValidator));
    assert_eq!(*ledger.validators(), before);
    assert!(!ledger.executor.participants().contains_key(&participant_id("wb")));

    let there_and_back = ledger.body(vec![set("nbc", "nbc"), unset("nbc")]);
    let transaction = ledger.sign(&there_and_back, &["nbc"]);
    let executed = ledger.execute(vec![transaction]);
    assert_eq!(executed.validators, None, "the set is as it was");
    assert_eq!(ledger.validators().versions(), before.versions());
    assert_eq!(rejected(&ledger.run(vec![set("nbc", "nbc")], &["nbc"])), Some(RejectionCode::ValidatorKeyUsed));
}

#[test]
fn the_sixth_validator_waits_until_the_fifth_is_in_force_everywhere() {
    let mut ledger = ledger();
    assert_eq!(rejected(&ledger.run(vec![admit("wb"), set("wb", "wb")], &["nbc"])), None);
    let fifth = ledger.executor.point().height;
    let sixth = || vec![set("nbc", "nbc")];
    let kept = QuorumKept::of(
        &ledger.validators().versions()[0],
        &[ledger.validators().members(), &[member("nbc", "nbc")]].concat(),
    );
    assert_eq!((kept.before, kept.after, kept.quorum, kept.staying, kept.holds()), (4, 6, 5, 4, false));
    assert_eq!(rejected(&ledger.run(sixth(), &["nbc"])), Some(RejectionCode::QuorumLost));
    // The version of genesis was in force up to the height before the fifth; that height leaves the window when the
    // window begins at the height of the change.
    let heights = fifth + WINDOW - 2 - ledger.executor.point().height;
    skip(&mut ledger, heights);
    assert_eq!(rejected(&ledger.run(sixth(), &["nbc"])), Some(RejectionCode::QuorumLost));
    assert_eq!(rejected(&ledger.run(sixth(), &["nbc"])), None);
    assert_eq!(ledger.validators().versions().len(), 2, "that of genesis is gone");
    assert_eq!(ledger.validators().at(0), None);
}

#[test]
fn sets_below_four_grow_only_where_all_who_must_vote_are_there() {
    // n of the set before and after: at n below 4 all must vote, so nobody can be added who is not there yet.
    for (before, grows) in [(1, false), (2, false), (3, true), (4, true)] {
        let mut genesis = genesis();
        genesis.validators.truncate(before);
        let mut ledger = Ledger::of(genesis);
        let expected = (!grows).then_some(RejectionCode::QuorumLost);
        assert_eq!(rejected(&ledger.run(vec![set("nbc", "nbc")], &["nbc"])), expected, "{before}");
    }
    let mut genesis = genesis();
    genesis.validators.truncate(2);
    let mut ledger = Ledger::of(genesis);
    assert_eq!(rejected(&ledger.run(vec![unset("aba")], &["nbc"])), None, "one of two goes");
    assert_eq!(
        rejected(&ledger.run(vec![unset("acleda")], &["nbc"])),
        Some(RejectionCode::ValidatorSetSize),
        "not the last"
    );
}

#[test]
fn a_hundred_is_the_most() {
    let mut genesis = genesis();
    let first = genesis.participant(participant_id("aba")).unwrap().clone();
    for number in 0..97 {
        let name = format!("bank-{number}");
        genesis.participants.push(Participant { id: participant_id(&name), ..first.clone() });
        if number < 96 {
            genesis.validators.push(member(&name, &name));
        }
    }
    let mut ledger = Ledger::of(genesis.sorted());
    assert_eq!(rejected(&ledger.run(vec![set("bank-96", "late")], &["nbc"])), Some(RejectionCode::ValidatorSetSize));
    assert_eq!(rejected(&ledger.run(vec![unset("bank-3"), set("bank-96", "late")], &["nbc"])), None);
}

#[test]
fn a_chain_without_an_operator_changes_nothing() {
    let mut genesis = genesis();
    genesis.participants.retain(|participant| participant.role != Role::Operator);
    genesis.assets.clear();
    genesis.accounts.clear();
    genesis.parameters = Parameters::default();
    let mut ledger = Ledger::of(genesis);
    for operation in [admit("wb"), set("aba", "new"), unset("aba")] {
        assert_eq!(rejected(&ledger.run(vec![operation], &["aba"])), Some(RejectionCode::NotAuthorized));
    }
}

#[test]
fn the_operators_threshold_counts() {
    let mut genesis = genesis();
    let at = genesis.participants.iter().position(|participant| participant.role == Role::Operator).unwrap();
    let operator = &mut genesis.participants[at];
    operator.thresholds.govern = 2;
    let permissions = Permissions::of(&[Permission::Govern]);
    operator.keys.push(ParticipantKey { key: key("nbc-2").public(), permissions });
    let mut ledger = Ledger::of(genesis.sorted());
    assert_eq!(rejected(&ledger.run(vec![admit("wb")], &["nbc"])), Some(RejectionCode::ThresholdNotMet));
    assert_eq!(rejected(&ledger.run(vec![admit("wb")], &["nbc", "nbc-2"])), None);
}

#[test]
fn an_admitted_participant_is_as_one_of_genesis() {
    let mut ledger = ledger();
    assert_eq!(rejected(&ledger.run(vec![admit("wb")], &["nbc"])), None);
    assert_eq!(rejected(&ledger.run(vec![open("till@wb")], &["aba"])), Some(RejectionCode::NotAuthorized));
    assert_eq!(rejected(&ledger.run(vec![open("till@wb")], &["wb"])), None);
    assert_eq!(rejected(&ledger.run(vec![transfer("alice@aba", "till@wb", 7)], &["aba"])), None);
    ledger.executor = ledger.reopened();
    assert_eq!(rejected(&ledger.run(vec![transfer("till@wb", "alice@aba", 7)], &["wb"])), None);
}

#[test]
fn a_state_without_validators_does_not_open() {
    let ledger = ledger();
    let values = ledger.state.iter().filter(|(key, _)| *key != StateKey::Validators);
    assert!(matches!(
        Executor::open(&ledger.genesis, values, Arc::new(Numbers)),
        Err(Fatal::NoValidators | Fatal::RootMismatch { .. })
    ));
    let spoilt = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = ledger.validators().encode();
        change(&mut bytes);
        Validators::decode(&bytes)
    };
    assert_eq!(spoilt(&|_| {}).as_ref(), Ok(ledger.validators()));
    let (since, first) = (4..12, 16..);
    assert!(spoilt(&|bytes| bytes[since.end - 1] = 1).is_ok(), "since when");
    assert!(spoilt(&|bytes| bytes[first.start + 4] = b'z').is_ok(), "another name");
    assert!(spoilt(&|bytes| bytes.truncate(bytes.len() - 1)).is_err());
    assert!(spoilt(&|bytes| *bytes.last_mut().unwrap() ^= 1).is_err(), "a member's key is not among the used");
}

fn with_keys_of(operation: Operation, name: &str) -> Operation {
    let Operation::AddParticipant(mut add) = operation else { unreachable!("an admission") };
    add.keys[0].key = key(name).public();
    Operation::AddParticipant(add)
}

#[test]
fn who_may_and_what_may_be_done() {
    use RejectionCode::*;
    type Case = (&'static str, Vec<Operation>, &'static [&'static str], Option<RejectionCode>);
    let cases: Vec<Case> = vec![
        ("a fifth bank validates", vec![admit("wb"), set("wb", "wb")], &["nbc"], None),
        ("the operator validates", vec![set("nbc", "nbc")], &["nbc"], None),
        ("a bank adds no validator", vec![set("aba", "new")], &["aba"], Some(NotAuthorized)),
        ("a bank removes no validator", vec![unset("wing")], &["aba"], Some(NotAuthorized)),
        ("a bank admits nobody", vec![admit("wb")], &["aba"], Some(NotAuthorized)),
        ("an unknown participant validates nothing", vec![set("wb", "wb")], &["nbc"], Some(UnknownParticipant)),
        ("an unknown participant has no validator", vec![unset("wb")], &["nbc"], Some(UnknownParticipant)),
        ("three are left of four", vec![unset("wing")], &["nbc"], Some(ValidatorSetSize)),
        ("keys of a validator cannot go to another", vec![set("nbc", "wing")], &["nbc"], Some(ValidatorKeyUsed)),
        ("what stands already is not set again", vec![set("wing", "wing")], &["nbc"], Some(ValidatorKeyUsed)),
        ("the admitted signs for its accounts", vec![admit("wb"), open("a@wb")], &["nbc", "wb"], None),
        ("nobody else does", vec![admit("wb"), open("a@wb")], &["nbc"], Some(NotAuthorized)),
        (
            "nor a key that a second admission names",
            vec![admit("wb"), with_keys_of(admit("wb"), "nbc"), open("a@wb")],
            &["nbc"],
            Some(NotAuthorized),
        ),
    ];
    for (what, operations, signers, expected) in cases {
        assert_eq!(rejected(&Ledger::new().run(operations, signers)), expected, "{what}");
    }
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Set(usize, usize),
    Unset(usize),
    Wait(u64),
}

const PARTICIPANTS: [&str; 9] = ["aba", "acleda", "wing", "canadia", "nbc", "gone", "takes", "pays", "wb"];

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![
        6 => (0..PARTICIPANTS.len(), 0..40usize).prop_map(|(participant, name)| Step::Set(participant, name)),
        2 => (0..PARTICIPANTS.len()).prop_map(Step::Unset),
        2 => prop_oneof![1u64..20, 250u64..300].prop_map(Step::Wait),
    ];
    proptest::collection::vec(proptest::collection::vec(step, 1..4), 1..14)
}

/// What is in force at each height, kept in full: the model that the leaf must agree with.
struct History(Vec<Vec<Member>>);

impl History {
    /// Every set that may be in force at heights `now - WINDOW ..= now`.
    fn in_force(&self, now: usize) -> &[Vec<Member>] {
        &self.0[now.saturating_sub(usize::try_from(WINDOW).unwrap())..]
    }
}

/// Runs the steps of each block; checks after each block what must hold.
fn play(blocks: &[Vec<Step>]) -> Ledger {
    let mut ledger = ledger();
    ledger.run(vec![admit("wb")], &["nbc"]);
    let genesis = ledger.genesis.validators.clone();
    let mut history = History(vec![genesis.clone(), genesis]);
    let mut owners: BTreeMap<[u8; 32], ParticipantId> = BTreeMap::new();
    let mut gone: BTreeSet<[u8; 32]> = BTreeSet::new();
    for block in blocks {
        let mut transactions = Vec::new();
        for step in block {
            let operation = match step {
                Step::Set(participant, name) => set(PARTICIPANTS[*participant], &format!("name {name}")),
                Step::Unset(participant) => unset(PARTICIPANTS[*participant]),
                Step::Wait(heights) => {
                    for _ in 0..*heights {
                        ledger.execute(Vec::new());
                        history.0.push(history.0.last().unwrap().clone());
                    }
                    continue;
                }
            };
            let body = ledger.body(vec![operation]);
            transactions.push(ledger.sign(&body, &["nbc"]));
        }
        let executed = ledger.execute(transactions);
        let (before, members) = (history.0.last().unwrap().clone(), ledger.validators().members().to_vec());
        assert_eq!(executed.validators.is_some(), before != members);
        assert_eq!(executed.validators.map(|version| version.members), (before != members).then(|| members.clone()));
        let now = usize::try_from(ledger.executor.point().height).unwrap();
        if before != members {
            for set in history.in_force(now) {
                let staying = set.iter().filter(|old| members.iter().any(|new| new.key == old.key)).count();
                assert!(staying >= members.len() - (members.len() - 1) / 3, "a quorum stays");
            }
            assert!((VALIDATORS_FLOOR..=VALIDATORS_MAX).contains(&members.len()));
        }
        history.0.push(members.clone());
        let now_used: BTreeSet<[u8; 32]> =
            members.iter().flat_map(|member| [*member.key.as_bytes(), *member.network_key.as_bytes()]).collect();
        assert_eq!(now_used.len(), 2 * members.len());
        assert!(now_used.is_disjoint(&gone), "no key returns");
        for member in &members {
            for used in [member.key, member.network_key] {
                assert_eq!(*owners.entry(*used.as_bytes()).or_insert(member.participant), member.participant);
            }
        }
        gone.extend(owners.keys().filter(|key| !now_used.contains(*key)));
        // What the leaf keeps is what was, at every height that may still count.
        for height in now.saturating_sub(usize::try_from(WINDOW).unwrap())..=now {
            assert_eq!(ledger.validators().at(u64::try_from(height).unwrap()).unwrap().members, history.0[height]);
        }
        assert!(ledger.validators().versions().len() <= VALIDATOR_VERSIONS_MAX);
    }
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_quorum_of_every_set_in_force_stays_and_no_key_returns(blocks in steps()) {
        let ledger = play(&blocks);
        let again = play(&blocks);
        prop_assert_eq!(ledger.executor.point(), again.executor.point());
        let reopened = ledger.reopened();
        prop_assert_eq!(reopened.point(), ledger.executor.point());
        prop_assert_eq!(reopened.validators(), ledger.validators());
        prop_assert_eq!(&Validators::decode(&ledger.validators().encode()).unwrap(), ledger.validators());
    }
}
