//! libFuzzer's door to the target `genesis_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("genesis_bytes").expect("a target of this name").run)(data));
