//! libFuzzer's door to the target `block`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("block").expect("a target of this name").run)(data));
