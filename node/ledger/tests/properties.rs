//! Properties over random blocks, against a plain model of what the ledger should do.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::BTreeMap;

use fixture::*;
use proptest::prelude::*;
use tonle_ledger::*;

const NAMES: [&str; 6] = ["alice@aba", "bob@acleda", "sok@canadia", "shut@aba", "nobody@aba", "full@aba"];
const SIGNERS: [&str; 4] = ["aba", "acleda", "canadia", "nbc"];

#[derive(Debug, Clone)]
struct Plan {
    operations: Vec<Operation>,
    independent: bool,
}

fn operation() -> impl Strategy<Value = Operation> {
    let name = || proptest::sample::select(NAMES.to_vec());
    let code = || proptest::sample::select(vec!["KHR", "USD"]);
    let minor = || prop_oneof![0u64..500, 400_000u64..1_200_000, Just(u64::MAX)];
    let reference = |operation: BoxedStrategy<Operation>| {
        (operation, proptest::option::of(0u8..4)).prop_map(|(operation, number)| match number {
            Some(number) => with_ref(operation, &format!("ref {number}")),
            None => operation,
        })
    };
    prop_oneof![
        6 => reference((code(), name(), name(), minor())
            .prop_map(|(code, from, to, minor)| transfer_of(code, from, to, minor)).boxed()),
        1 => reference((name(), code(), minor()).prop_map(|(to, code, minor)| issue(to, code, minor)).boxed()),
        1 => reference((name(), code(), minor()).prop_map(|(from, code, minor)| redeem(from, code, minor)).boxed()),
        1 => name().prop_map(open),
    ]
}

fn plans() -> impl Strategy<Value = Vec<Vec<Plan>>> {
    let plan = (proptest::collection::vec(operation(), 1..6), any::<bool>())
        .prop_map(|(operations, independent)| Plan { operations, independent });
    proptest::collection::vec(proptest::collection::vec(plan, 0..5), 1..6)
}

/// Balances as a plain map, moved by what the receipts say was applied.
#[derive(Default, Clone, PartialEq, Debug)]
struct Model(BTreeMap<(AccountId, Asset), i128>);

impl Model {
    fn of(ledger: &Ledger) -> Self {
        let mut model = Model::default();
        for (key, value) in ledger.state.iter() {
            if let StateKey::Account(id) = key {
                let account: Account = tonle_crypto::Canonical::decode(&value).unwrap();
                for balance in account.balances() {
                    model.add(id, balance.asset, i128::from(balance.available.minor()));
                }
            }
        }
        model
    }
    fn add(&mut self, id: AccountId, asset: Asset, minor: i128) {
        let balance = self.0.entry((id, asset)).or_insert(0);
        *balance += minor;
        assert!(*balance >= 0 && *balance <= i128::from(u64::MAX));
        if *balance == 0 {
            self.0.remove(&(id, asset));
        }
    }
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Transfer(transfer) => {
                self.add(transfer.from, transfer.asset, -i128::from(transfer.amount.minor()));
                self.add(transfer.to, transfer.asset, i128::from(transfer.amount.minor()));
            }
            Operation::Seize(seize) => {
                self.add(seize.from, seize.asset, -i128::from(seize.amount.minor()));
                self.add(seize.to, seize.asset, i128::from(seize.amount.minor()));
            }
            Operation::Issue(issue) => self.add(issue.to, issue.asset, i128::from(issue.amount.minor())),
            Operation::Redeem(redeem) => self.add(redeem.from, redeem.asset, -i128::from(redeem.amount.minor())),
            Operation::OpenAccount(_) => {}
            other => panic!("no plan holds {}", other.kind().name()),
        }
    }
}

fn execute_all(ledger: &mut Ledger, blocks: &[Vec<Plan>]) -> Vec<Executed> {
    blocks
        .iter()
        .map(|block| {
            let transactions = block
                .iter()
                .map(|plan| {
                    let mut body = ledger.body(plan.operations.clone());
                    body.independent = plan.independent;
                    ledger.sign(&body, &SIGNERS)
                })
                .collect();
            ledger.execute(transactions)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn money_moves_only_as_the_receipts_say_and_adds_up(blocks in plans()) {
        let mut ledger = Ledger::new();
        for block in &blocks {
            let mut model = Model::of(&ledger);
            let executed = execute_all(&mut ledger, std::slice::from_ref(block)).remove(0);
            for (receipt, plan) in executed.receipts.iter().zip(block) {
                if let TransactionResult::Executed(results) = &receipt.result {
                    for (operation, result) in plan.operations.iter().zip(results) {
                        if matches!(result, OperationResult::Applied(_)) {
                            model.apply(operation);
                        }
                        prop_assert!(plan.independent || !matches!(result, OperationResult::Rejected(_)));
                    }
                }
            }
            prop_assert_eq!(model, Model::of(&ledger));
            prop_assert_eq!(audit(ledger.state.iter()).unwrap().supply, executed.supply);
        }
    }

    #[test]
    fn the_same_blocks_give_the_same_roots_also_after_restarts(blocks in plans()) {
        let (mut first, mut second) = (Ledger::new(), Ledger::new());
        let expected = execute_all(&mut first, &blocks);
        for (block, expected) in blocks.iter().zip(expected) {
            second.executor = second.reopened();
            let executed = execute_all(&mut second, std::slice::from_ref(block)).remove(0);
            prop_assert_eq!(executed.state_root, expected.state_root);
            prop_assert_eq!(executed.results_root, expected.results_root);
            prop_assert_eq!(executed.changes, expected.changes);
        }
        prop_assert_eq!(first.state, second.state);
    }

    #[test]
    fn replaying_transactions_moves_nothing(blocks in plans()) {
        let mut ledger = Ledger::new();
        let mut all = Vec::new();
        for block in &blocks {
            let transactions: Vec<_> = block.iter().map(|plan| {
                let mut body = ledger.body(plan.operations.clone());
                body.independent = plan.independent;
                ledger.sign(&body, &SIGNERS)
            }).collect();
            all.extend(transactions.iter().cloned());
            ledger.execute(transactions);
        }
        let root = ledger.executor.point().state_root;
        let executed = ledger.execute(all.clone());
        prop_assert_eq!(executed.duplicates.len(), all.len());
        prop_assert_eq!(executed.state_root, root);
        prop_assert_eq!(executed.receipts.len(), 0);
    }

    #[test]
    fn transactions_of_different_accounts_can_change_places(
        amounts in proptest::collection::vec(1u64..100, 2..6), order in any::<u64>()
    ) {
        let run = |reverse: bool| {
            let mut ledger = Ledger::new();
            let mut transactions: Vec<_> = amounts.iter().enumerate().map(|(number, minor)| {
                let (from, to) = [("alice@aba", "noout@aba"), ("bob@acleda", "sok@canadia")][number % 2];
                let mut body = ledger.body(vec![transfer(from, to, *minor)]);
                body.nonce = vec![u8::try_from(number).unwrap() + 1];
                ledger.sign(&body, &SIGNERS)
            }).collect();
            if reverse {
                let by = usize::try_from(order % 5).unwrap() % transactions.len();
                transactions.rotate_left(by);
                transactions.reverse();
            }
            ledger.execute(transactions);
            Model::of(&ledger)
        };
        prop_assert_eq!(run(false), run(true));
    }
}
