//! The state root after a block that changed 10,000 of 100,000 accounts: the update of the state tree alone.
//!
//! Must not know: what changed the accounts.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

#[allow(unused, unreachable_pub, reason = "the product's source as it is, of which only the update is measured")]
#[path = "../src/proof.rs"]
mod proof;
mod touched;
#[allow(unused, unreachable_pub, reason = "the product's source as it is, of which only the update is measured")]
#[path = "../src/tree.rs"]
mod tree;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use proof::{StateProof, Terminal};
use tonle_ledger::{Account, AccountId, STATE_VERSIONS, StateKey};
use touched::Touched;

const ACCOUNTS: u64 = 100_000;
const CHANGED: u64 = 10_000;

fn update(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tree::update");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5)).sample_size(20);
    group.throughput(Throughput::Elements(CHANGED));
    let touched = Touched::new(ACCOUNTS, CHANGED);
    group.bench_function(format!("accounts={ACCOUNTS},changed={CHANGED}"), |bencher| {
        bencher.iter_with_large_drop(|| touched.update());
    });
    group.finish();
}

criterion_group!(benches, update);
criterion_main!(benches);
