//! Instructions of the deterministic parts of consensus, counted by callgrind: a view of one engine of four, and the check
//! of a certificate. `make bench-instructions` compares them with docs/performance/instructions.txt.
//!
//! Must not know: what is compared.

#![allow(missing_docs, unreachable_pub, reason = "gungraun's macros make public items")]

mod fixture;

use std::hint::black_box;

use fixture::{Part, ReadyView};
use gungraun::prelude::*;
use tonle_consensus::{Consensus, Invalid, QuorumCertificate, SigningContext};
use tonle_crypto::{Strict, Verify};

#[library_benchmark]
#[bench::leader(ReadyView::new(Part::Leader))]
#[bench::follower(ReadyView::new(Part::Follower))]
fn view(ready: ReadyView) -> Consensus {
    black_box(ready).run()
}

#[library_benchmark]
#[bench::validators_4(fixture::certificate(4))]
fn certificate_verify(
    (context, certificate): (SigningContext, QuorumCertificate),
) -> (Result<(), Invalid>, SigningContext, QuorumCertificate) {
    // What was checked is given back, so that freeing it does not count.
    (black_box(&certificate).verify(black_box(&context), &Strict), context, certificate)
}

library_benchmark_group!(name = consensus, benchmarks = [view, certificate_verify]);
main!(library_benchmark_groups = consensus);
