//! libFuzzer's door to the target `evidence`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("evidence").expect("a target of this name").run)(data));
