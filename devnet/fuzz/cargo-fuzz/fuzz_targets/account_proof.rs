//! libFuzzer's door to the target `account_proof`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("account_proof").expect("a target of this name").run)(data));
