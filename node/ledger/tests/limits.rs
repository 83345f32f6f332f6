//! Limits: what may leave an account in a day and how often in an hour, by tier, against a plain model over many days.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use proptest::prelude::*;
use tonle_ledger::*;

const PAYER: &str = "alice@aba";
const SHOP: &str = "bob@acleda";
const DAILY: u64 = 1_000;
const HOURLY: u32 = 4;
/// Days begin seven hours before those of UTC.
const DAY_OFFSET_MS: u64 = 7 * HOUR_MS;

fn code(result: &TransactionResult) -> Option<RejectionCode> {
    match result {
        TransactionResult::Executed(_) => None,
        TransactionResult::Rejected { code, .. } => Some(*code),
    }
}

fn limited(daily: u64, hourly: u32) -> Ledger {
    let mut ledger = Ledger::new();
    assert_eq!(code(&ledger.run(vec![set_limits("KHR", KycTier::Full, daily, hourly)], &["nbc"])), None);
    ledger
}

fn pay(ledger: &mut Ledger, minor: u64) -> Option<RejectionCode> {
    code(&ledger.run(vec![transfer(PAYER, SHOP, minor)], &["aba"]))
}

/// To just before the block that is the first of the next day.
fn to_midnight(ledger: &mut Ledger) {
    let day = 24 * HOUR_MS;
    ledger.now_ms = (ledger.now_ms + DAY_OFFSET_MS) / day * day + day - DAY_OFFSET_MS - 1;
}

#[derive(Debug, Clone)]
enum Step {
    Pay(u64),
    Hold(u64),
    Release(usize),
    Capture(usize, u64, bool),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u64..600).prop_map(Step::Pay),
        3 => (1u64..600).prop_map(Step::Hold),
        2 => (0usize..8).prop_map(Step::Release),
        2 => (0usize..8, 1u64..400, any::<bool>()).prop_map(|(at, minor, last)| Step::Capture(at, minor, last)),
        3 => prop_oneof![1u64..90, 600u64..1_800].prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What left, when, and less what went back on the same day.
#[derive(Default)]
struct Model {
    spent: Vec<(u64, u64)>,
    /// The reference, what is left of it, and its place in `spent`.
    holds: Vec<(String, u64, usize)>,
    made: usize,
}

impl Model {
    fn day(now_ms: u64) -> u64 {
        (now_ms + DAY_OFFSET_MS) / (24 * HOUR_MS)
    }
    fn today(&self, now_ms: u64) -> u64 {
        self.spent.iter().filter(|(at, _)| Model::day(*at) == Model::day(now_ms)).map(|(_, minor)| minor).sum()
    }
    fn spend(&mut self, now_ms: u64, minor: u64) -> Option<RejectionCode> {
        let times = self.spent.iter().filter(|(at, _)| at / HOUR_MS == now_ms / HOUR_MS).count();
        if self.today(now_ms) + minor > DAILY {
            return Some(RejectionCode::LimitExceeded);
        }
        if times >= usize::try_from(HOURLY).unwrap() {
            return Some(RejectionCode::VelocityExceeded);
        }
        self.spent.push((now_ms, minor));
        None
    }
    fn give_back(&mut self, now_ms: u64, at: usize, minor: u64) {
        let (begun, spent) = &mut self.spent[at];
        if Model::day(*begun) == Model::day(now_ms) {
            *spent -= minor;
        }
    }
}

fn take(ledger: &mut Ledger, model: &mut Model, step: &Step) {
    let now = ledger.now_ms + 1;
    match step {
        Step::Wait(minutes) => ledger.now_ms += minutes * HOUR_MS / 60,
        Step::Pay(minor) => assert_eq!(pay(ledger, *minor), model.spend(now, *minor)),
        Step::Hold(minor) => {
            let name = format!("h{}", model.made);
            model.made += 1;
            let operation = hold(PAYER, SHOP, *minor, &name, now + 80 * 24 * HOUR_MS);
            let expected = model.spend(now, *minor);
            assert_eq!(code(&ledger.run(vec![operation], &["aba"])), expected);
            if expected.is_none() {
                model.holds.push((name, *minor, model.spent.len() - 1));
            }
        }
        Step::Release(at) => {
            if *at < model.holds.len() {
                let (name, left, spent) = model.holds.remove(*at);
                assert_eq!(code(&ledger.run(vec![release(PAYER, SHOP, &name)], &["acleda"])), None);
                model.give_back(now, spent, left);
            }
        }
        Step::Capture(at, minor, last) => {
            if *at < model.holds.len() && *minor <= model.holds[*at].1 {
                let (name, left, spent) = model.holds.remove(*at);
                assert_eq!(code(&ledger.run(vec![capture(PAYER, SHOP, &name, *minor, *last)], &["acleda"])), None);
                if *last {
                    model.give_back(now, spent, left - minor);
                } else if left > *minor {
                    model.holds.insert(*at, (name, left - minor, spent));
                }
            }
        }
    }
    let now = ledger.now_ms;
    let spent = ledger.account(PAYER).unwrap().balance(asset("KHR")).spent;
    let today = spent.in_day_of(ledger.executor.parameters().hour(now)).minor();
    assert_eq!(today, model.today(now));
    assert!(today <= DAILY);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_limit_is_ever_passed_and_nothing_below_it_is_refused(steps in steps()) {
        let mut ledger = limited(DAILY, HOURLY);
        let mut model = Model::default();
        for step in &steps {
            take(&mut ledger, &mut model, step);
        }
        let again = ledger.reopened();
        prop_assert_eq!(again.point(), ledger.executor.point());
    }
}

#[test]
fn a_day_ends_at_midnight_of_its_parameters_and_an_hour_with_its_hour() {
    let mut ledger = limited(DAILY, 0);
    to_midnight(&mut ledger);
    ledger.now_ms -= 1;
    assert_eq!(pay(&mut ledger, DAILY), None, "the last millisecond of the day");
    assert_eq!((ledger.now_ms + 1 + DAY_OFFSET_MS) % (24 * HOUR_MS), 0);
    assert_eq!(pay(&mut ledger, DAILY), None, "the first of the next");
    assert_eq!(pay(&mut ledger, 1), Some(RejectionCode::LimitExceeded));

    let mut ledger = limited(0, 1);
    ledger.now_ms = (ledger.now_ms / HOUR_MS + 1) * HOUR_MS - 2;
    assert_eq!(pay(&mut ledger, 1), None, "the last millisecond of the hour");
    assert_eq!(pay(&mut ledger, 1), None, "the first of the next");
    assert_eq!(pay(&mut ledger, 1), Some(RejectionCode::VelocityExceeded));
}

#[test]
fn what_a_hold_kept_is_given_back_on_its_own_day_only() {
    let held = |wait_until_midnight: bool| {
        let mut ledger = limited(DAILY, 0);
        if wait_until_midnight {
            to_midnight(&mut ledger);
            ledger.now_ms -= 10;
        }
        let end = ledger.now_ms + 20;
        assert_eq!(code(&ledger.run(vec![hold(PAYER, SHOP, 900, "h", end)], &["aba"])), None);
        assert_eq!(pay(&mut ledger, 101), Some(RejectionCode::LimitExceeded));
        ledger.wait_until(end);
        assert_eq!(ledger.held(PAYER, "KHR"), 0);
        assert_eq!(pay(&mut ledger, 900), None, "the same day: given back; the next: a new day");
        pay(&mut ledger, 101)
    };
    assert_eq!(held(false), Some(RejectionCode::LimitExceeded));
    assert_eq!(held(true), Some(RejectionCode::LimitExceeded), "what was yesterday's gives nothing back today");
}

#[test]
fn an_account_that_was_emptied_remembers_what_it_spent() {
    let mut ledger = limited(1_500_000, 0);
    assert_eq!(pay(&mut ledger, 1_000_000), None);
    assert_eq!(ledger.available(PAYER, "KHR"), 0);
    ledger.run(vec![transfer(SHOP, PAYER, 1_000_000)], &["acleda"]);
    assert_eq!(pay(&mut ledger, 500_001), Some(RejectionCode::LimitExceeded));
    assert_eq!(pay(&mut ledger, 500_000), None);
}

#[test]
fn limits_go_by_tier_asset_and_kind() {
    let mut ledger = Ledger::new();
    let limits = [(KycTier::Basic, 10), (KycTier::Partial, 20), (KycTier::Full, 30), (KycTier::Interbank, 40)];
    let set = limits.map(|(tier, daily)| set_limits("KHR", tier, daily, 0));
    ledger.run(set.to_vec(), &["nbc"]);
    let kinds = [AccountKind::Settlement, AccountKind::Reserve];
    for (number, (tier, daily)) in limits.into_iter().enumerate() {
        for kind in kinds {
            let name = format!("a{number}{}@aba", kind.number());
            ledger.run(vec![open_as(&name, kind, Some(tier))], &["aba"]);
            ledger.run(vec![issue(&name, "KHR", 100), issue(&name, "USD", 100)], &["nbc"]);
            let mut pay = |asset, minor| code(&ledger.run(vec![transfer_of(asset, &name, SHOP, minor)], &["aba"]));
            let expected = (kind == AccountKind::Settlement).then_some(RejectionCode::LimitExceeded);
            assert_eq!(pay("KHR", daily), None);
            assert_eq!(pay("KHR", 1), expected, "{tier:?} {kind:?}");
            assert_eq!(pay("USD", 100), None, "another asset is counted by itself");
        }
    }
}

#[test]
fn issuing_redeeming_and_seizing_are_not_spending() {
    let mut ledger = limited(DAILY, 1);
    assert_eq!(pay(&mut ledger, DAILY), None);
    let operations = vec![redeem(PAYER, "KHR", 5_000), seize(PAYER, "reserve@nbc", 5_000), issue(PAYER, "KHR", 7)];
    assert_eq!(code(&ledger.run(operations, &["nbc"])), None);
    assert_eq!(ledger.account(PAYER).unwrap().balance(asset("KHR")).spent.count, 1);
}

#[test]
fn a_new_limit_and_a_new_tier_count_what_was_spent_before() {
    let mut ledger = Ledger::new();
    assert_eq!(pay(&mut ledger, 600), None);
    ledger.run(vec![set_limits("KHR", KycTier::Full, DAILY, 0), set_limits("KHR", KycTier::Basic, 600, 0)], &["nbc"]);
    ledger.executor = ledger.reopened();
    assert_eq!(pay(&mut ledger, 401), Some(RejectionCode::LimitExceeded));
    assert_eq!(code(&ledger.run(vec![set_tier(PAYER, KycTier::Basic)], &["aba"])), None);
    assert_eq!(pay(&mut ledger, 1), Some(RejectionCode::LimitExceeded));
    ledger.run(vec![set_limits("KHR", KycTier::Basic, 0, 0)], &["nbc"]);
    assert_eq!(pay(&mut ledger, 100_000), None, "no limit");
}

#[test]
fn only_the_operator_sets_limits_within_their_bounds_and_what_fails_later_leaves_none() {
    let mut ledger = Ledger::new();
    let before = ledger.executor.parameters().clone();
    let set = |daily, hourly| set_limits("KHR", KycTier::Full, daily, hourly);
    assert_eq!(code(&ledger.run(vec![set(1, 1)], &["aba"])), Some(RejectionCode::NotAuthorized));
    assert_eq!(code(&ledger.run(vec![set(DAILY_MAX + 1, 0)], &["nbc"])), Some(RejectionCode::LimitsInvalid));
    assert_eq!(code(&ledger.run(vec![set(0, HOURLY_MAX + 1)], &["nbc"])), Some(RejectionCode::LimitsInvalid));
    let unknown = set_limits("XAU", KycTier::Full, DAILY_MAX + 1, 0);
    assert_eq!(code(&ledger.run(vec![unknown], &["nbc"])), Some(RejectionCode::AssetUnknown));
    let failing = vec![set(1, 1), transfer(PAYER, SHOP, 2)];
    assert_eq!(code(&ledger.run(failing, &["nbc", "aba"])), Some(RejectionCode::LimitExceeded));
    assert_eq!(*ledger.executor.parameters(), before);
    assert_eq!(ledger.reopened().parameters(), &before);
    assert_eq!(code(&ledger.run(vec![set(DAILY_MAX, HOURLY_MAX)], &["nbc"])), None);
    let limit = ledger.executor.parameters().limit(asset("KHR"), KycTier::Full);
    assert_eq!(limit.numbers(), (DAILY_MAX, HOURLY_MAX));
}

#[test]
fn a_transaction_that_fails_later_has_spent_nothing() {
    let mut ledger = limited(DAILY, HOURLY);
    let failing = vec![transfer(PAYER, SHOP, 600), transfer(PAYER, SHOP, 600)];
    assert_eq!(code(&ledger.run(failing, &["aba"])), Some(RejectionCode::LimitExceeded));
    assert_eq!(ledger.account(PAYER).unwrap().balance(asset("KHR")).spent, Spent::NONE);
    assert_eq!(pay(&mut ledger, DAILY), None);
}

#[test]
fn a_chain_begins_with_the_limits_of_the_design() {
    let ledger = Ledger::new();
    let daily = |code, tier| ledger.executor.parameters().limit(asset(code), tier).numbers();
    let all = |code| KycTier::ALL.map(|tier| daily(code, tier));
    assert_eq!(all("KHR"), [(200_000_000, 120), (1_200_000_000, 600), (4_000_000_000, 0), (20_000_000_000, 0)]);
    assert_eq!(all("USD"), [(50_000, 120), (300_000, 600), (1_000_000, 0), (5_000_000, 0)]);
    assert_eq!(ledger.executor.parameters().day_offset_ms(), 25_200_000);
}
