//! Dual control: what takes effect, when, and by how many keys.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::BTreeMap;

use fixture::*;
use proptest::prelude::*;
use tonle_crypto::Digest;
use tonle_ledger::*;

const END: u64 = START_MS + 24 * HOUR_MS;
const DUAL: &[Permission] = &[Permission::Issue, Permission::Govern];
/// The operator's keys: of the first three two decide; the last replaces keys, and nothing else.
const KEYS: [(&str, &[Permission]); 4] =
    [("one", DUAL), ("two", DUAL), ("three", DUAL), ("root", &[Permission::ManageKeys])];

fn thresholds(dual: u8) -> Thresholds {
    Thresholds { issue: dual, govern: dual, ..Thresholds::default() }
}

/// A ledger whose operator has [`KEYS`].
fn ledger() -> Ledger {
    let mut ledger = Ledger::new();
    let result = ledger.run(vec![set_keys_with("nbc", &KEYS, thresholds(2))], &["nbc"]);
    assert_eq!(rejected(&result), None);
    ledger
}

fn rejected(result: &TransactionResult) -> Option<RejectionCode> {
    match result {
        TransactionResult::Executed(_) => None,
        TransactionResult::Rejected { code, .. } => Some(*code),
    }
}

fn only(result: TransactionResult) -> OperationResult {
    match result {
        TransactionResult::Executed(mut results) if results.len() == 1 => results.remove(0),
        other => panic!("not one result: {other:?}"),
    }
}

/// Proposes it; gives the id.
fn proposed(ledger: &mut Ledger, operation: Operation, effect_height: u64, signers: &[&str]) -> Digest {
    match only(ledger.run(vec![propose(operation, effect_height, END)], signers)) {
        OperationResult::Pending { proposal, .. } => proposal,
        other => panic!("not pending: {other:?}"),
    }
}

fn pending(result: TransactionResult) -> (u8, u8) {
    match only(result) {
        OperationResult::Pending { approvals, threshold, .. } => (approvals, threshold),
        other => panic!("not pending: {other:?}"),
    }
}

fn khr(ledger: &Ledger) -> u64 {
    ledger.available("alice@aba", "KHR") - 1_000_000
}

fn give(minor: u64) -> Operation {
    issue("alice@aba", "KHR", minor)
}

#[test]
fn what_takes_two_keys_takes_them_in_one_transaction_or_one_after_another() {
    let mut ledger = ledger();
    assert_eq!(rejected(&ledger.run(vec![give(1)], &["one"])), Some(RejectionCode::ThresholdNotMet));
    assert_eq!(rejected(&ledger.run(vec![give(1)], &["one", "two"])), None);
    assert_eq!(khr(&ledger), 1);

    let id = proposed(&mut ledger, give(10), 0, &["one"]);
    assert_eq!(khr(&ledger), 1);
    let body = ledger.body(vec![approve(id)]);
    let approval = ledger.sign(&body, &["three"]);
    let executed = ledger.execute(vec![approval]);
    let OperationResult::Applied(balances) = only(executed.receipts[0].result.clone()) else { panic!("applied") };
    assert_eq!((balances.len(), balances[0].account, balances[0].available), (1, id_of("alice"), amount(1_000_011)));
    assert_eq!(executed.history.len(), 1, "the account's history names the approval");
    assert_eq!(ledger.executor.proposals().count(), 0);
    assert_eq!(rejected(&ledger.run(vec![approve(id)], &["two"])), Some(RejectionCode::ProposalNotFound), "once");

    // A proposal that enough keys sign takes effect where it is made.
    let result = only(ledger.run(vec![propose(give(100), 0, END)], &["two", "three"]));
    assert!(matches!(result, OperationResult::Applied(balances) if balances.len() == 1));
    assert_eq!(khr(&ledger), 111);
}

fn id_of(name: &str) -> AccountId {
    id(&format!("{name}@aba"))
}

#[test]
fn a_key_counts_once_whether_it_proposed_or_approved() {
    let mut ledger = ledger();
    ledger.run(vec![set_keys_with("nbc", &KEYS, thresholds(3))], &["root"]);
    let id = proposed(&mut ledger, give(1), 0, &["one"]);
    let mut approval = |signers: &[&str]| ledger.run(vec![approve(id)], signers);
    assert_eq!(rejected(&approval(&["one"])), Some(RejectionCode::AlreadyApproved));
    assert_eq!(pending(approval(&["one", "two"])), (2, 3));
    assert_eq!(rejected(&approval(&["two"])), Some(RejectionCode::AlreadyApproved));
    assert_eq!(rejected(&approval(&["root"])), Some(RejectionCode::NotAuthorized));
    assert_eq!(rejected(&approval(&["aba"])), Some(RejectionCode::NotAuthorized));
    assert!(matches!(only(approval(&["three"])), OperationResult::Applied(_)));
    assert_eq!(khr(&ledger), 1);
}

#[test]
fn proposal_and_approval_may_stand_in_one_block() {
    let mut ledger = ledger();
    let body = ledger.body(vec![transfer("bob@acleda", "sok@canadia", 5), propose(give(7), 0, END)]);
    let proposal = ledger.sign(&body, &["acleda", "one"]);
    let body = ledger.body(vec![approve(Proposal::id_of(&proposal.id(), 1))]);
    let (early, late) = (ledger.sign(&body, &["three"]), ledger.sign(&body, &["two"]));
    assert_eq!(early.id(), late.id());
    let executed = ledger.execute(vec![early.clone(), proposal, late]);
    let codes: Vec<_> = executed.receipts.iter().map(|receipt| rejected(&receipt.result)).collect();
    assert_eq!(codes, [Some(RejectionCode::ProposalNotFound), None], "the second approval has the id of the first");
    let id = *ledger.executor.proposals().next().unwrap().0;
    let result = ledger.run(vec![approve(id)], &["two"]);
    assert_eq!((rejected(&result), khr(&ledger)), (None, 7));

    let body = ledger.body(vec![propose(give(20), 0, END)]);
    let proposal = ledger.sign(&body, &["one"]);
    let body = ledger.body(vec![approve(Proposal::id_of(&proposal.id(), 0))]);
    let approval = ledger.sign(&body, &["two"]);
    let executed = ledger.execute(vec![proposal, approval]);
    assert_eq!(executed.receipts.iter().map(Receipt::applied).sum::<usize>(), 2);
    assert_eq!(khr(&ledger), 27);
}

#[test]
fn what_cannot_take_effect_rejects_the_approval_and_the_proposal_waits() {
    let mut ledger = ledger();
    let id = proposed(&mut ledger, redeem("sok@canadia", "KHR", 50), 0, &["one"]);
    let approval = |ledger: &mut Ledger| ledger.run(vec![approve(id)], &["two"]);
    assert_eq!(rejected(&approval(&mut ledger)), Some(RejectionCode::InsufficientFunds));
    let left = ledger.executor.proposals().next().unwrap().1;
    assert_eq!(left.approvals, [key("one").public()], "the approval was taken back too");
    ledger.run(vec![transfer("alice@aba", "sok@canadia", 50)], &["aba"]);
    assert_eq!(rejected(&approval(&mut ledger)), None);
    assert_eq!(ledger.available("sok@canadia", "KHR"), 0);
}

#[test]
fn what_is_taken_back_leaves_the_proposal_as_it_was() {
    let mut ledger = ledger();
    let id = proposed(&mut ledger, give(3), 0, &["one"]);
    let state = ledger.state.clone();
    let failing = || transfer("alice@aba", "nobody@aba", 1);
    for operations in [
        vec![approve(id), failing()],
        vec![withdraw(id), failing()],
        vec![propose(give(1), 0, END), approve(id), failing()],
        vec![set_keys("nbc", &[("root", DUAL), ("two", &[Permission::ManageKeys])]), failing()],
        vec![activate(2, 100), failing()],
    ] {
        let result = ledger.run(operations, &["root", "two", "three", "aba"]);
        assert_eq!(rejected(&result), Some(RejectionCode::UnknownAccount));
        let differs: Vec<_> = ledger.state.iter().filter(|(key, value)| state.get(key) != Some(value)).collect();
        let expected =
            |key: &StateKey| matches!(key, StateKey::Point | StateKey::IdBucket(_) | StateKey::Transaction { .. });
        assert!(differs.iter().all(|(key, _)| expected(key)), "{differs:?}");
    }
    assert_eq!(rejected(&ledger.run(vec![approve(id)], &["two"])), None);
}

#[test]
fn any_key_that_may_approve_may_withdraw() {
    let mut ledger = ledger();
    let id = proposed(&mut ledger, give(3), 0, &["one"]);
    let mut by = |signer: &str| rejected(&ledger.run(vec![withdraw(id)], &[signer]));
    assert_eq!(by("root"), Some(RejectionCode::NotAuthorized));
    assert_eq!(by("three"), None);
    assert_eq!(by("one"), Some(RejectionCode::ProposalNotFound));
    assert_eq!(rejected(&ledger.run(vec![approve(id)], &["two"])), Some(RejectionCode::ProposalNotFound));
}

/// The result of the block's own receipt, if it has one.
fn of_block(executed: &Executed) -> Vec<OperationResult> {
    match executed.receipts.first().filter(|_| executed.positions[0].is_none()).map(|receipt| &receipt.result) {
        Some(TransactionResult::Executed(results)) => results.clone(),
        Some(TransactionResult::Rejected { .. }) => panic!("a block's own receipt is not rejected"),
        None => Vec::new(),
    }
}

#[test]
fn at_its_height_it_takes_effect_once_also_after_a_restart() {
    for restart_before in 0..4 {
        let mut ledger = ledger();
        let height = ledger.executor.point().height + 4;
        let id = proposed(&mut ledger, give(5), height, &["one"]);
        let result = ledger.run(vec![approve(id)], &["two"]);
        assert_eq!((pending(result), khr(&ledger)), ((2, 2), 0));
        for number in 0..4 {
            if number == restart_before {
                ledger.executor = ledger.reopened();
            }
            let executed = ledger.execute(Vec::new());
            assert_eq!(khr(&ledger), if executed.height >= height { 5 } else { 0 });
            let results = of_block(&executed);
            if executed.height == height {
                let [OperationResult::Decided { proposal, balances }] = results.as_slice() else { panic!("decided") };
                assert_eq!((*proposal, balances.len(), balances[0].available), (id, 1, amount(1_000_005)));
                assert_eq!((executed.history[0].account, executed.history[0].index), (id_of("alice"), 0));
            } else {
                assert!(results.is_empty());
            }
        }
    }
}

#[test]
fn what_is_due_comes_before_the_transactions_in_the_order_of_proposing() {
    let mut ledger = ledger();
    let height = ledger.executor.point().height + 4;
    let both = ["one", "two"];
    let ids = [admit("wb"), set("wb", "wb"), admit("wb")].map(|next| proposed(&mut ledger, next, height, &both));
    // Its key is one of the participant that is admitted in this block.
    let body = ledger.body(vec![open("new@wb")]);
    let transaction = ledger.sign(&body, &["wb"]);
    let executed = ledger.execute(vec![transaction]);
    let code = RejectionCode::ParticipantExists;
    let expected = [
        OperationResult::Decided { proposal: ids[0], balances: Vec::new() },
        OperationResult::Decided { proposal: ids[1], balances: Vec::new() },
        OperationResult::Lapsed { proposal: ids[2], code },
    ];
    assert_eq!(of_block(&executed), expected);
    assert_eq!(executed.receipts[1].applied(), 1);
    assert_eq!(executed.validators.unwrap().members.len(), 5);
}

#[test]
fn at_its_height_only_keys_of_that_moment_count() {
    // Keys after the replacement, their threshold, what becomes of a proposal that one and two approved.
    for (keys, threshold, code) in [
        (&KEYS[..], 2, None),
        (&KEYS[..], 3, Some(RejectionCode::ThresholdNotMet)),
        (&KEYS[1..], 2, Some(RejectionCode::ThresholdNotMet)),
        (&KEYS[1..], 1, None),
    ] {
        let mut ledger = ledger();
        let height = ledger.executor.point().height + 3;
        let id = proposed(&mut ledger, give(5), height, &["one", "two"]);
        let result = ledger.run(vec![set_keys_with("nbc", keys, thresholds(threshold))], &["root"]);
        assert_eq!(rejected(&result), None);
        let executed = ledger.execute(Vec::new());
        match (of_block(&executed).as_slice(), code) {
            ([OperationResult::Decided { proposal, .. }], None) => assert_eq!((*proposal, khr(&ledger)), (id, 5)),
            ([OperationResult::Lapsed { proposal, code }], Some(expected)) => {
                assert_eq!((*proposal, *code, khr(&ledger)), (id, expected, 0));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(ledger.executor.proposals().count(), 0);
    }
}

#[test]
fn a_revoked_keys_approval_is_gone_for_good() {
    let mut ledger = ledger();
    let id = proposed(&mut ledger, give(5), 0, &["one"]);
    ledger.run(vec![set_keys_with("nbc", &KEYS[1..], thresholds(2))], &["root"]);
    assert_eq!(rejected(&ledger.run(vec![approve(id)], &["one"])), Some(RejectionCode::NotAuthorized));
    assert_eq!(pending(ledger.run(vec![approve(id)], &["two"])), (1, 2));
    ledger.run(vec![set_keys_with("nbc", &KEYS, thresholds(2))], &["root"]);
    assert_eq!(ledger.executor.proposals().next().unwrap().1.approvals, [key("two").public()]);
    assert_eq!(khr(&ledger), 0, "it comes back without what it approved");
    assert_eq!(rejected(&ledger.run(vec![approve(id)], &["one"])), None);
    assert_eq!(khr(&ledger), 5);
}

#[test]
fn after_the_threshold_was_lowered_a_key_that_approved_brings_the_effect() {
    let mut ledger = ledger();
    let id = proposed(&mut ledger, give(5), 0, &["one"]);
    ledger.run(vec![set_keys_with("nbc", &KEYS, thresholds(1))], &["root"]);
    assert_eq!(khr(&ledger), 0);
    assert_eq!(rejected(&ledger.run(vec![approve(id)], &["one"])), None);
    assert_eq!(khr(&ledger), 5);
}

#[test]
fn at_its_time_it_lapses() {
    let mut ledger = ledger();
    let id = proposed(&mut ledger, give(5), 0, &["one"]);
    let due = ledger.executor.point().height + 3;
    let scheduled = proposed(&mut ledger, give(5), due, &["one", "two"]);
    assert!(ledger.wait_until(END - 1).receipts.is_empty());
    let executed = ledger.wait_until(END);
    assert_eq!(executed.height, due);
    let code = RejectionCode::Expired;
    let expected = [id, scheduled].map(|proposal| OperationResult::Lapsed { proposal, code });
    assert_eq!(of_block(&executed), expected, "its end goes before its height");
    assert_eq!(khr(&ledger), 0);
    for expires_ms in [END, END + PROPOSAL_LIFE_MAX_MS + 1] {
        let result = ledger.run(vec![propose(give(1), 0, expires_ms)], &["one"]);
        let expected = (expires_ms == END).then_some(RejectionCode::DeadlineInvalid);
        assert_eq!(rejected(&result), expected, "within 30 days of {}", ledger.now_ms);
    }
    let late = ledger.now_ms + 2 + PROPOSAL_LIFE_MAX_MS;
    let result = ledger.run(vec![propose(give(1), 0, late)], &["one"]);
    assert_eq!(rejected(&result), Some(RejectionCode::DeadlineInvalid));
}

#[test]
fn a_reference_counts_when_what_is_proposed_takes_effect() {
    let mut ledger = ledger();
    let id = proposed(&mut ledger, with_ref(give(5), "I-1"), 0, &["one"]);
    ledger.run(vec![with_ref(give(5), "I-1")], &["one", "two"]);
    let first = ledger.receipts.last().unwrap()[0].transaction;
    let result = only(ledger.run(vec![approve(id)], &["two"]));
    assert!(matches!(result, OperationResult::Repeated(location) if location.transaction == first));
    assert_eq!(khr(&ledger), 5);
    let id = proposed(&mut ledger, with_ref(give(6), "I-1"), 0, &["one"]);
    let result = ledger.run(vec![approve(id)], &["two"]);
    assert_eq!(rejected(&result), Some(RejectionCode::DuplicateReference));
    // What a proposal brought to effect takes the reference.
    let id = proposed(&mut ledger, with_ref(give(7), "I-2"), 0, &["one"]);
    ledger.run(vec![approve(id)], &["three"]);
    let again = only(ledger.run(vec![with_ref(give(7), "I-2")], &["one", "two"]));
    assert!(matches!(again, OperationResult::Repeated(_)));
    assert_eq!(khr(&ledger), 12);
    let height = ledger.executor.point().height + 2;
    let id = proposed(&mut ledger, with_ref(give(7), "I-2"), height, &["one", "two"]);
    let expected = OperationResult::Lapsed { proposal: id, code: RejectionCode::DuplicateReference };
    assert_eq!(of_block(&ledger.execute(Vec::new())), [expected]);
}

#[test]
fn only_what_is_under_dual_control_can_be_proposed() {
    let chain = genesis().digest();
    let form = |operation: Operation| body(chain, vec![propose(operation, 0, END)]).sign(&[&key("nbc")]).err();
    let malformed = |operation| form(operation).map(|fault| (fault.code, fault.field));
    let refused = Some((RejectionCode::Malformed, "propose.operation"));
    for operation in [transfer("alice@aba", "bob@acleda", 1), open("new@aba"), approve(Digest::ZERO)] {
        assert_eq!(malformed(operation), refused);
    }
    assert_eq!(malformed(propose(give(1), 0, END)), refused, "no proposals of proposals");
    for operation in [give(1), unset("aba"), set_mode("aba", Mode::Suspended), admit("wb"), activate(2, 9)] {
        assert_eq!(malformed(operation), None);
    }
    let mut ledger = ledger();
    let mine = propose(set_keys("aba", &[("aba", &[Permission::ManageKeys])]), 0, END);
    let Operation::Propose(mut propose) = mine else { unreachable!("a proposal") };
    for (participant, signer) in [("aba", "aba"), ("nbc", "aba"), ("nowhere", "one"), ("nbc", "root")] {
        propose.participant = participant_id(participant);
        let result = ledger.run(vec![Operation::Propose(propose.clone())], &[signer]);
        assert_eq!(rejected(&result), Some(RejectionCode::NotAuthorized), "{participant} {signer}");
    }
}

#[test]
fn there_are_a_thousand_at_most() {
    let mut genesis = genesis();
    let operator = genesis.participant(participant_id("nbc")).unwrap().clone();
    let operators = PROPOSALS_MAX / PROPOSALS_PER_PARTICIPANT_MAX + 1;
    let names: Vec<_> = (0..operators).map(|number| participant_id(&format!("op-{number}"))).collect();
    genesis.participants.extend(names.iter().map(|id| Participant { id: *id, ..operator.clone() }));
    let mut ledger = Ledger::of(genesis.sorted());
    let mut made = 0;
    for name in names {
        let Operation::Propose(proposal) = propose(unset("aba"), 1_000, END) else { unreachable!("a proposal") };
        let proposal = Operation::Propose(Box::new(Propose { participant: name, ..*proposal }));
        let body = ledger.body(vec![proposal; PROPOSALS_PER_PARTICIPANT_MAX]);
        let signed = ledger.sign(&TransactionBody { independent: true, ..body }, &["nbc"]);
        made += ledger.execute(vec![signed]).receipts[0].applied();
    }
    assert_eq!((made, ledger.executor.proposals().count()), (PROPOSALS_MAX, PROPOSALS_MAX));
    ledger.executor = ledger.reopened();
    let executed = ledger.wait_until(END);
    assert_eq!(of_block(&executed).len(), PROPOSALS_MAX);
    assert_eq!(ledger.executor.proposals().count(), 0);
}

#[test]
fn a_version_of_the_protocol_comes_into_force_at_its_height() {
    let mut ledger = ledger();
    let versions = |ledger: &Ledger| [1, 9, 10, 11, 19, 20].map(|height| ledger.executor.protocol().at(height));
    assert_eq!(versions(&ledger), [1; 6]);
    let mut decide = |version, height| rejected(&ledger.run(vec![activate(version, height)], &["one", "two"]));
    assert_eq!(decide(2, 2), Some(RejectionCode::ActivationInvalid), "not above the block's height");
    assert_eq!(decide(1, 10), Some(RejectionCode::ActivationInvalid), "the one in force");
    assert_eq!(decide(2, 10), None);
    assert_eq!(versions(&ledger), [1, 1, 2, 2, 2, 2]);
    ledger.run(vec![activate(3, 11)], &["one", "two"]);
    assert_eq!(versions(&ledger), [1, 1, 1, 3, 3, 3], "in place of the one that was to come");
    ledger.run(vec![activate(1, 1_000)], &["one", "two"]);
    assert_eq!(versions(&ledger), [1; 6], "taken away");
    assert!(ledger.state.get(&StateKey::Protocol).is_none());
    ledger.run(vec![activate(4, 10)], &["one", "two"]);
    while ledger.executor.point().height < 10 {
        ledger.execute(Vec::new());
    }
    ledger.run(vec![activate(7, 20)], &["one", "two"]);
    assert_eq!(versions(&ledger), [1, 1, 4, 4, 4, 7], "what was in force stays on record");
    assert_eq!(ledger.reopened().protocol(), ledger.executor.protocol());
}

/// One step of a random history; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    /// By these of the pool's keys; with effect after so many heights, or at once.
    Propose(u8, u64),
    Approve(usize, u8),
    Withdraw(usize, u8),
    /// Without a proposal.
    Direct(u8),
    /// These keys decide from here on, so many of them.
    Rotate(u8, u8),
    /// Of this proposal, in a transaction that fails.
    Failing(usize, u8),
    Restart,
    Wait,
}

const POOL: [&str; 5] = ["k0", "k1", "k2", "k3", "k4"];

fn chosen(bits: u8) -> Vec<&'static str> {
    POOL.into_iter().enumerate().filter(|(number, _)| bits >> number & 1 == 1).map(|(_, name)| name).collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bits = || 1u8..32;
    let step = prop_oneof![
        3 => (bits(), 0u64..5).prop_map(|(bits, after)| Step::Propose(bits, after)),
        5 => (any::<usize>(), bits()).prop_map(|(which, bits)| Step::Approve(which, bits)),
        1 => (any::<usize>(), bits()).prop_map(|(which, bits)| Step::Withdraw(which, bits)),
        1 => bits().prop_map(Step::Direct),
        3 => (bits(), 1u8..5).prop_map(|(bits, threshold)| Step::Rotate(bits, threshold)),
        1 => (any::<usize>(), bits()).prop_map(|(which, bits)| Step::Failing(which, bits)),
        1 => Just(Step::Restart),
        1 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 1..40)
}

/// When which key signed.
type Signed = Vec<(&'static str, u32)>;
/// The id of a proposal, when each key signed, and the height of effect.
type Open = (Digest, Signed, u64);

/// What should be, kept as events: who signed for what, and when a key was last no key. Nothing is struck off here.
#[derive(Default)]
struct History {
    now: u32,
    /// The deciding keys, and how many of them must sign.
    keys: Vec<&'static str>,
    threshold: usize,
    revoked: BTreeMap<&'static str, u32>,
    /// By amount.
    open: BTreeMap<u64, Open>,
    effective: u64,
}

impl History {
    /// How many keys that decide today signed for it since they last were none.
    fn valid(&self, signed: &[(&'static str, u32)]) -> usize {
        let counts = |key: &&&str| {
            let since = self.revoked.get(**key).copied().unwrap_or(0);
            signed.iter().any(|(signer, when)| signer == *key && *when > since)
        };
        self.keys.iter().filter(counts).count()
    }
    fn signs(&self, signers: &[&'static str]) -> Signed {
        signers.iter().filter(|key| self.keys.contains(key)).map(|key| (*key, self.now)).collect()
    }
    fn pick(&self, which: usize) -> Option<u64> {
        self.open.keys().nth(which.checked_rem(self.open.len())?).copied()
    }
    /// What is due at a height takes effect or lapses.
    fn reach(&mut self, height: u64) {
        let due: Vec<u64> = self.open.iter().filter(|(_, open)| open.2 == height).map(|(minor, _)| *minor).collect();
        for minor in due {
            let (_, signed, _) = self.open.remove(&minor).unwrap();
            if self.valid(&signed) >= self.threshold {
                self.effective += minor;
            }
        }
    }
}

fn rotate(ledger: &mut Ledger, history: &mut History, keys: Vec<&'static str>, threshold: usize) {
    let mut entries: Vec<(&str, &[Permission])> = keys.iter().map(|key| (*key, DUAL)).collect();
    entries.push(("root", &[Permission::ManageKeys]));
    let threshold = threshold.min(keys.len());
    let result =
        ledger.run(vec![set_keys_with("nbc", &entries, thresholds(u8::try_from(threshold).unwrap()))], &["root"]);
    assert_eq!(rejected(&result), None);
    for key in POOL.into_iter().filter(|key| !keys.contains(key)) {
        history.revoked.insert(key, history.now);
    }
    (history.keys, history.threshold) = (keys, threshold);
}

/// The next amount: one bit, so that the sum says which took effect.
fn bit(number: &mut u32) -> u64 {
    *number += 1;
    1 << *number
}

fn run_step(ledger: &mut Ledger, history: &mut History, amounts: &mut u32, step: Step) {
    let height = ledger.executor.point().height + 1;
    history.now += 1;
    if !matches!(step, Step::Restart) {
        history.reach(height);
    }
    match step {
        Step::Propose(bits, after) => {
            let (signers, minor) = (chosen(bits), bit(amounts));
            let effect = if after == 0 { 0 } else { height + after };
            let body = ledger.body(vec![propose(give(minor), effect, END)]);
            let signed = ledger.sign(&body, &signers);
            let id = Proposal::id_of(&signed.id(), 0);
            let executed = ledger.execute(vec![signed]);
            let approvals = history.signs(&signers);
            let accepted = rejected(&executed.receipts.last().unwrap().result).is_none();
            assert_eq!(accepted, !approvals.is_empty());
            if effect == 0 && history.valid(&approvals) >= history.threshold {
                history.effective += minor;
            } else if accepted {
                history.open.insert(minor, (id, approvals, effect));
            }
        }
        Step::Approve(which, bits) | Step::Failing(which, bits) => {
            let Some(minor) = history.pick(which) else { return drop(ledger.execute(Vec::new())) };
            let (signers, (id, signed, effect)) = (chosen(bits), history.open[&minor].clone());
            if matches!(step, Step::Failing(..)) {
                let failing = vec![approve(id), transfer("bob@acleda", "nobody@aba", 1)];
                ledger.run(failing, &[signers, vec!["acleda"]].concat());
                return;
            }
            ledger.run(vec![approve(id)], &signers);
            let new = history.signs(&signers);
            let all = [signed, new.clone()].concat();
            if effect == 0 && !new.is_empty() && history.valid(&all) >= history.threshold {
                history.open.remove(&minor);
                history.effective += minor;
            } else if let Some(open) = history.open.get_mut(&minor) {
                open.1 = all;
            }
        }
        Step::Withdraw(which, bits) => {
            let Some(minor) = history.pick(which) else { return drop(ledger.execute(Vec::new())) };
            let (signers, id) = (chosen(bits), history.open[&minor].0);
            ledger.run(vec![withdraw(id)], &signers);
            if !history.signs(&signers).is_empty() {
                history.open.remove(&minor);
            }
        }
        Step::Direct(bits) => {
            let (signers, minor) = (chosen(bits), bit(amounts));
            ledger.run(vec![give(minor)], &signers);
            if history.signs(&signers).len() >= history.threshold {
                history.effective += minor;
            }
        }
        Step::Rotate(bits, threshold) => rotate(ledger, history, chosen(bits), usize::from(threshold)),
        Step::Restart => ledger.executor = ledger.reopened(),
        Step::Wait => drop(ledger.execute(Vec::new())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_takes_effect_with_fewer_keys_than_the_threshold(steps in steps()) {
        let mut ledger = ledger();
        let mut history = History::default();
        let mut amounts = 0;
        rotate(&mut ledger, &mut history, POOL.to_vec(), 2);
        for step in steps {
            run_step(&mut ledger, &mut history, &mut amounts, step);
            prop_assert_eq!(khr(&ledger), history.effective);
            let open: Vec<Digest> = history.open.values().map(|(id, _, _)| *id).collect();
            let mut standing: Vec<Digest> = ledger.executor.proposals().map(|(id, _)| *id).collect();
            standing.sort_by_key(|id| open.iter().position(|other| other == id));
            prop_assert_eq!(standing, open);
        }
    }
}
