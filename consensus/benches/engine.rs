//! One view of one engine of four, from the proposal to the final block, signatures imitated: what the protocol itself
//! costs.
//!
//! Must not know: how a view comes about (`fixture`).

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod fixture;

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fixture::{Part, ReadyView};

fn view(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine::view");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2)).sample_size(30);
    group.throughput(Throughput::Elements(1));
    for (name, part) in [("part=leader", Part::Leader), ("part=follower", Part::Follower)] {
        let ready = ReadyView::new(part);
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| ready.clone(), ReadyView::run, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, view);
criterion_main!(benches);
