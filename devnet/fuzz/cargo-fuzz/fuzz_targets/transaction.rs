//! libFuzzer's door to the target `transaction`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("transaction").expect("a target of this name").run)(data));
