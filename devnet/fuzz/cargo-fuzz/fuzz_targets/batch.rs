//! libFuzzer's door to the target `batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("batch").expect("a target of this name").run)(data));
