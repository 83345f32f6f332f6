//! Instructions of decoding and checking a batch of a hundred transfers, counted by callgrind. `make bench-instructions`
//! compares them with docs/performance/instructions.txt.
//!
//! Must not know: what is compared.

#![allow(missing_docs, unreachable_pub, reason = "gungraun's macros make public items")]

mod batch;

use std::hint::black_box;
use std::sync::Arc;

use gungraun::prelude::*;
use tonle_crypto::{Canonical, Strict};
use tonle_replica::{Batch, BatchContext, InvalidBatch, RawBatch};

const TRANSFERS: u64 = 100;

#[library_benchmark]
#[bench::transactions_of_1(batch::signed(TRANSFERS, 1))]
#[bench::transactions_of_100(batch::signed(TRANSFERS, TRANSFERS))]
fn batch_decode_and_check(
    (context, bytes): (BatchContext, Vec<u8>),
) -> (Result<Batch, InvalidBatch>, BatchContext, Vec<u8>) {
    let raw = RawBatch::decode(black_box(&bytes)).expect("well formed");
    // All is given back, so that freeing it does not count.
    (Batch::check(Arc::new(raw), &context, &Strict), context, bytes)
}

library_benchmark_group!(name = replica, benchmarks = [batch_decode_and_check]);
main!(library_benchmark_groups = replica);
