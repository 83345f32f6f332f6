//! Decoding and checking a batch as it comes from a peer: framing, the author's signature, the strict decoder and the
//! clients' signatures.
//!
//! Must not know: how a batch comes about (`batch`).

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod batch;

use std::sync::Arc;
use std::time::Duration;

use batch::TRANSFERS;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tonle_crypto::{Canonical, Strict};
use tonle_replica::{Batch, RawBatch};

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5)).sample_size(20);
    group.throughput(Throughput::Elements(TRANSFERS));
    for in_one in [1, TRANSFERS] {
        let (context, bytes) = batch::signed(TRANSFERS, in_one);
        let raw = Arc::new(RawBatch::decode(&bytes).expect("well formed"));
        assert_eq!(Batch::check(Arc::clone(&raw), &context, &Strict).expect("valid").operations(), TRANSFERS);
        let key = format!("transfers={TRANSFERS},in_one={in_one}");
        group.bench_function(format!("decode/{key}"), |bencher| {
            bencher.iter_with_large_drop(|| RawBatch::decode(&bytes));
        });
        group.bench_function(format!("check/{key}"), |bencher| {
            bencher.iter_with_large_drop(|| Batch::check(Arc::clone(&raw), &context, &Strict));
        });
    }
    group.finish();
}

criterion_group!(benches, batches);
criterion_main!(benches);
