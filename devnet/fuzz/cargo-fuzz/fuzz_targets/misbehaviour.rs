//! libFuzzer's door to the target `misbehaviour`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("misbehaviour").expect("a target of this name").run)(data));
