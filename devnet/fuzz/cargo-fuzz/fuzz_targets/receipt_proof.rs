//! libFuzzer's door to the target `receipt_proof`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("receipt_proof").expect("a target of this name").run)(data));
