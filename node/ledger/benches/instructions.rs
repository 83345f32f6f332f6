//! Instructions of the ledger's parts, counted by callgrind: 1,000 transfers in one transaction and in a thousand, and the
//! state tree after 1,000 changes. `make bench-instructions` compares them with docs/performance/instructions.txt.
//!
//! Must not know: what is compared.

#![allow(missing_docs, unreachable_pub, reason = "gungraun's macros make public items")]

mod payments;
#[allow(unused, unreachable_pub, reason = "the product's source as it is, of which only the update is measured")]
#[path = "../src/proof.rs"]
mod proof;
mod touched;
#[allow(unused, unreachable_pub, reason = "the product's source as it is, of which only the update is measured")]
#[path = "../src/tree.rs"]
mod tree;

use std::hint::black_box;

use gungraun::prelude::*;
use payments::{Books, Payer, genesis};
use proof::{StateProof, Terminal};
use tonle_ledger::{Account, AccountId, BlockInput, Executed, STATE_VERSIONS, StateKey};
use touched::Touched;
use tree::Tree;

const ACCOUNTS: u64 = 10_000;
const TRANSFERS: u64 = 1_000;

/// A ledger, its next block, and the values that the block asks for.
struct Ready {
    books: Books,
    block: BlockInput,
    values: Vec<Option<Vec<u8>>>,
}

fn ready(batch: u64) -> Ready {
    let genesis = genesis(ACCOUNTS);
    let mut books = Books::new(&genesis);
    let mut payer = Payer::new(&genesis);
    // The first block has more to found than those after it.
    let first = payer.block(books.next_height(), batch, batch);
    let plan = books.executor.plan(&first);
    let values = books.values(&plan);
    let executed = books.executor.execute(&plan, values).expect("a sound state");
    books.keep(&executed);
    let block = payer.block(books.next_height(), TRANSFERS, batch);
    let values = books.values(&books.executor.plan(&block));
    Ready { books, block, values }
}

#[library_benchmark]
#[bench::transactions_of_1(ready(1))]
#[bench::transactions_of_1000(ready(1_000))]
fn execute(ready: Ready) -> (Executed, Books, BlockInput) {
    let Ready { mut books, block, values } = black_box(ready);
    let plan = books.executor.plan(&block);
    let executed = books.executor.execute(&plan, values).expect("a sound state");
    drop(plan);
    // All is given back, so that freeing it does not count.
    (executed, books, block)
}

#[library_benchmark]
#[bench::changed_1000(Touched::new(ACCOUNTS, TRANSFERS))]
fn tree_update(touched: Touched) -> (Tree, Touched) {
    (black_box(&touched).update(), touched)
}

library_benchmark_group!(name = ledger, benchmarks = [execute, tree_update]);
main!(library_benchmark_groups = ledger);
