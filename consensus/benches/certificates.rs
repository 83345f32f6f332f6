//! Checking a certificate: as many signatures as make a quorum, by the chain's rule.
//!
//! Must not know: how a certificate comes about (`fixture`).

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod fixture;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tonle_crypto::{Strict, Verify};

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("certificate::verify");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2)).sample_size(30);
    for validators in [4, 16, 100] {
        let (context, certificate) = fixture::certificate(validators);
        certificate.verify(&context, &Strict).expect("a quorum signed");
        // Signatures a second.
        group.throughput(Throughput::Elements(certificate.signatures.len().try_into().expect("few")));
        group.bench_function(format!("validators={validators}"), |bencher| {
            bencher.iter(|| certificate.verify(&context, &Strict));
        });
    }
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
