//! One history: blocks drawn from a seed, executed, and checked one by one.
//!
//! Must not know: how often what is met in all histories together.

mod codes;

use std::collections::{BTreeMap, BTreeSet};

use tonle_crypto::Digest;
use tonle_ledger::*;

use crate::dice::Dice;
use crate::fixture::Ledger;
use crate::generator::{Generator, Scene, Sent, Transaction};
use crate::model::{Model, Money, minor};
use crate::tally::Tally;
use crate::world::{self, Climate, View};

/// Above this many values in a state, what reads all of it is done less often.
const LARGE: usize = 30_000;

/// A history under way.
struct History<'a> {
    ledger: Ledger,
    /// Executes every block too.
    twin: Executor,
    generator: Generator,
    model: Model,
    view: View,
    tally: &'a mut Tally,
}

/// Runs the history of a seed for as many operations; those that it begins with do not count.
/// `done` is how many were.
pub(crate) fn run(seed: u64, operations: u64, tally: &mut Tally, done: &mut u64) {
    let climate = Climate::of(seed);
    let mut dice = Dice::new(seed);
    let (genesis, keys) = world::found(&mut dice, climate);
    let ledger = Ledger::of(genesis);
    let generator = Generator::new(dice, climate, keys, &ledger.genesis);
    let (twin, model, view) = (ledger.reopened(), Model::new(&ledger.genesis), View::of(&ledger.state));
    let mut history = History { ledger, twin, generator, model, view, tally };
    let begun = history.tally.operations;
    while *done < operations {
        history.block();
        *done = history.tally.operations - begun;
    }
}

impl History<'_> {
    fn block(&mut self) {
        self.ledger.now_ms += self.generator.pause_ms();
        let (height, now_ms) = (self.ledger.executor.point().height + 1, self.ledger.now_ms);
        let scene = Scene { executor: &self.ledger.executor, view: &self.view, height, now_ms };
        let (sent, is_flood) = self.generator.block(scene);
        let mut transactions = Vec::new();
        for sent in sent {
            match sent {
                Sent::Transaction(transaction) => transactions.push(transaction),
                Sent::Refused(code) => self.tally.reject(code),
            }
        }
        let is_large = self.ledger.state.len() > LARGE;
        let rarely = if is_large { 40 } else { 4 };
        if self.generator.dice.one_in(10 * rarely) {
            // From all values: rebuilds the tree, compares its root, adds up all money.
            self.twin = self.ledger.reopened();
            self.tally.rebuilt += 1;
        }
        let input = BlockInput { height, timestamp_ms: now_ms, transactions };
        let before = self.generator.dice.one_in(rarely).then(|| (self.ledger.reopened(), self.ledger.state.clone()));
        let twice = execute(&mut self.twin, &self.ledger.state, &input);
        let executed = self.ledger.execute_now(input.transactions.clone());
        assert_equal(&executed, &twice);
        if let Some((executor, state)) = before {
            let scene = Scene { executor: &executor, view: &self.view, height, now_ms };
            let refused = self.refused(&executed, &input).into_iter();
            let harmless = refused.map(|at| (at, self.generator.harmless(scene))).collect();
            self.check_traces(executor, &state, &input, &executed, harmless);
        }
        self.view = View::of(&self.ledger.state);
        self.model.now_ms = now_ms;
        self.replay(&input, &executed, is_flood);
        self.check_money(&executed);
        self.check_receipts(&input, &executed);
        self.check_codes(&input, &executed);
        self.ledger.executor.participants().values().for_each(|one| self.model.standing.check_participant(one));
        self.tally.blocks += 1;
        self.tally.operations += if is_flood { 0 } else { executed.operations };
        self.tally.receipts += u64::try_from(executed.receipts.len()).unwrap();
        self.tally.duplicates += u64::try_from(executed.duplicates.len()).unwrap();
    }

    /// Atomic transactions of a block that took no effect at all.
    fn refused(&self, executed: &Executed, input: &BlockInput) -> Vec<usize> {
        let busy = |result: &TransactionResult| {
            let code = |result: &OperationResult| *result == OperationResult::Rejected(RejectionCode::ReportsBusy);
            match result {
                TransactionResult::Rejected { code, .. } => *code == RejectionCode::ReportsBusy,
                TransactionResult::Executed(results) => results.iter().any(code),
            }
        };
        // How many signatures a block looks at is not taken back.
        if executed.receipts.iter().any(|receipt| busy(&receipt.result)) {
            return Vec::new();
        }
        let places = executed.positions.iter().zip(&executed.receipts).filter_map(|(position, receipt)| {
            let position = usize::try_from((*position)?).unwrap();
            // An id that stays free can come again in the block.
            let again = input.transactions.iter().filter(|one| one.id() == receipt.transaction).count() > 1;
            (matches!(receipt.result, TransactionResult::Rejected { .. }) && !again).then_some(position)
        });
        places.collect()
    }

    /// What was refused left nothing: the same block with harmless transactions in its place comes to the same state, but
    /// for the ids that are taken.
    fn check_traces(
        &mut self,
        mut executor: Executor,
        state: &MemoryState,
        input: &BlockInput,
        executed: &Executed,
        harmless: BTreeMap<usize, Transaction>,
    ) {
        if harmless.is_empty() {
            return;
        }
        let mut clean = input.clone();
        for (at, transaction) in harmless {
            clean.transactions[at] = transaction;
        }
        let clean = execute(&mut executor, state, &clean);
        let lasting = |executed: &Executed| -> BTreeMap<StateKey, Option<Vec<u8>>> {
            let changes = executed.changes.iter().filter_map(|change| match change {
                Change::Put(key, value) => Some((*key, Some(value.clone()))),
                Change::Delete(key) => Some((*key, None)),
                Change::DropIds { .. } | Change::DropCodes { .. } | Change::ForgetReferences { .. } => None,
            });
            let of_ids =
                |key: &StateKey| matches!(key, StateKey::Transaction { .. } | StateKey::IdBucket(_) | StateKey::Point);
            changes.filter(|(key, _)| !of_ids(key)).collect()
        };
        let (with, without) = (lasting(executed), lasting(&clean));
        for key in with.keys().chain(without.keys()) {
            assert_eq!(with.get(key), without.get(key), "what was refused left a trace at {key:?}");
        }
        self.tally.traces += 1;
    }

    /// Moves the model's money as the receipts say, and counts.
    fn replay(&mut self, input: &BlockInput, executed: &Executed, is_flood: bool) {
        for (receipt, position) in executed.receipts.iter().zip(&executed.positions) {
            let results = match &receipt.result {
                TransactionResult::Executed(results) => results,
                TransactionResult::Rejected { code, operation } => {
                    self.tally.reject(*code);
                    if *code == RejectionCode::KhqrPaid {
                        let position = usize::try_from(position.unwrap()).unwrap();
                        let operations = input.transactions[position].operations();
                        let at = usize::try_from(operation.unwrap()).unwrap();
                        self.check_paid(&operations[at], &operations[..at]);
                    }
                    continue;
                }
            };
            let Some(position) = position else {
                results.iter().for_each(|result| self.replay_own(result));
                continue;
            };
            let transaction = &input.transactions[usize::try_from(*position).unwrap()];
            assert_eq!(results.len(), transaction.operations().len(), "one result for each operation");
            for ((operation, result), number) in transaction.operations().iter().zip(results).zip(0u32..) {
                let independent = transaction.body().independent;
                assert!(independent || !matches!(result, OperationResult::Rejected(_)), "all or none");
                self.model.operation(operation, Proposal::id_of(&transaction.id(), number), result);
                // What a history begins with is not drawn.
                if !is_flood || matches!(result, OperationResult::Rejected(_)) {
                    self.count(operation, result);
                }
            }
        }
    }

    fn count(&mut self, operation: &Operation, result: &OperationResult) {
        match result {
            OperationResult::Applied(_) | OperationResult::Pending { .. } => {
                self.tally.apply(operation.kind());
                if let Operation::Return(of) = operation {
                    self.tally.give_back(of.original_kind);
                }
            }
            OperationResult::Repeated(_) => self.tally.repeated += 1,
            OperationResult::Rejected(code) => {
                self.tally.reject(*code);
                if *code == RejectionCode::KhqrPaid {
                    self.check_paid(operation, &[]);
                }
            }
            OperationResult::Ended { .. } | OperationResult::Decided { .. } | OperationResult::Lapsed { .. } => {
                panic!("{result:?} of an operation")
            }
        }
    }

    /// A result of the block's own receipt.
    fn replay_own(&mut self, result: &OperationResult) {
        match result {
            OperationResult::Ended { id, balances } => {
                self.model.ended(id, balances);
                self.tally.ended += 1;
            }
            OperationResult::Decided { proposal, balances } => {
                self.tally.apply(self.model.proposed(proposal).kind());
                self.model.decided(proposal, balances);
                self.tally.decided += 1;
            }
            OperationResult::Lapsed { proposal, code } => {
                self.model.lapsed(proposal);
                self.tally.reject(*code);
                self.tally.lapsed += 1;
            }
            _ => panic!("{result:?} of a block"),
        }
    }

    /// All that the state says of money is what the model says; it adds up; and what is held is what is kept.
    fn check_money(&self, executed: &Executed) {
        let mut sums: BTreeMap<Asset, u128> = BTreeMap::new();
        let mut held = self.model.agreements.sums();
        let mut seen = BTreeSet::new();
        for (id, account) in &self.view.accounts {
            for balance in account.balances() {
                let is = Money { available: minor(balance.available), held: minor(balance.held) };
                let place = (*id, balance.asset);
                assert_eq!(self.model.money.get(&place).copied().unwrap_or_default(), is, "{place:?}");
                assert_eq!(held.remove(&place).unwrap_or(0), is.held, "what {place:?} holds is kept for something");
                *sums.entry(balance.asset).or_default() += is.available + is.held;
                let hour = self.ledger.executor.parameters().hour(executed.timestamp_ms);
                let spent = (minor(balance.spent.in_day_of(hour)), balance.spent.times_in(hour));
                let (today, this_hour) = self.model.spending.lately(*id, balance.asset, executed.timestamp_ms);
                assert_eq!(spent, (today, u32::try_from(this_hour).unwrap()), "{place:?} spent in this day and hour");
                seen.insert(place);
            }
        }
        let unseen =
            self.model.money.iter().find(|(place, money)| **money != Money::default() && !seen.contains(place));
        assert_eq!(unseen, None, "money that the state does not know");
        assert!(held.values().all(|kept| *kept == 0), "what is kept is held: {held:?}");
        sums.retain(|_, sum| *sum > 0);
        for supply in [&executed.supply, &self.model.supply] {
            let supply: BTreeMap<_, _> =
                supply.iter().filter(|(_, sum)| **sum > 0).map(|(asset, sum)| (*asset, *sum)).collect();
            assert_eq!(supply, sums, "supply is what all accounts have");
        }
        let timed: usize = self.view.timed.values().map(Vec::len).sum();
        assert_eq!(timed, self.model.agreements.count(), "what ends by itself");
    }

    /// Every account that changed stands in a receipt of the block, and every entry of a history is true.
    fn check_receipts(&self, input: &BlockInput, executed: &Executed) {
        let mut named: BTreeMap<AccountId, BTreeSet<u32>> = BTreeMap::new();
        for entry in &executed.history {
            assert_eq!(entry.height, input.height);
            assert!(named.entry(entry.account).or_default().insert(entry.index), "each receipt once");
        }
        for change in executed.changes.iter() {
            if let Change::Put(StateKey::Account(id), _) = change {
                assert!(named.contains_key(id), "{id} changed without a receipt");
            }
            assert!(!matches!(change, Change::Delete(StateKey::Account(_))), "no account goes");
        }
        for (receipt, index) in executed.receipts.iter().zip(0u32..) {
            let TransactionResult::Executed(results) = &receipt.result else { continue };
            for result in results {
                let (OperationResult::Applied(balances)
                | OperationResult::Ended { balances, .. }
                | OperationResult::Decided { balances, .. }) = result
                else {
                    continue;
                };
                for balance in balances {
                    assert!(named[&balance.account].contains(&index), "{} is in its history", balance.account);
                }
            }
        }
    }
}

fn execute(executor: &mut Executor, state: &MemoryState, input: &BlockInput) -> Executed {
    let plan = executor.plan(input);
    executor.execute(&plan, state.load(plan.keys())).unwrap()
}

fn assert_equal(one: &Executed, other: &Executed) {
    let roots =
        |executed: &Executed| -> [Digest; 3] { [executed.state_root, executed.receipts_root, executed.results_root] };
    assert_eq!(roots(one), roots(other), "the same block from the same state");
    assert_eq!(one.encoded, other.encoded);
    assert_eq!(one.changes, other.changes);
    assert_eq!(one.history, other.history);
    assert_eq!(one.khqr, other.khqr);
    assert_eq!(one.supply, other.supply);
}
