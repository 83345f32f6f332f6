//! libFuzzer's door to the target `consensus_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("consensus_message").expect("a target of this name").run)(data));
