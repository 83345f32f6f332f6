//! Planning and executing a block of 10,000 transfers between 100,000 accounts: one in a transaction, and a thousand.
//! Signatures, and reading and writing the state, are outside the figures.
//!
//! Must not know: where the payments come from (`payments`).

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod payments;

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use payments::{Books, Payer, genesis};

const ACCOUNTS: u64 = 100_000;
const TRANSFERS: u64 = 10_000;

/// What the executor takes for the next block.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn next_block(books: &mut Books, payer: &mut Payer, batch: u64) -> Duration {
    let block = payer.block(books.next_height(), TRANSFERS, batch);
    let begun = Instant::now();
    let plan = books.executor.plan(&block);
    let planned = begun.elapsed();
    let values = books.values(&plan);
    let begun = Instant::now();
    let executed = books.executor.execute(&plan, values).expect("a sound state");
    let took = planned + begun.elapsed();
    books.keep(&executed);
    took
}

fn execute(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger::execute");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(7));
    group.throughput(Throughput::Elements(TRANSFERS));
    let genesis = genesis(ACCOUNTS);
    for batch in [1, 1_000] {
        let (mut books, mut payer) = (Books::new(&genesis), Payer::new(&genesis));
        group.bench_function(format!("transfers={TRANSFERS},in_one={batch}"), |bencher| {
            bencher.iter_custom(|blocks| (0..blocks).map(|_| next_block(&mut books, &mut payer, batch)).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, execute);
criterion_main!(benches);
