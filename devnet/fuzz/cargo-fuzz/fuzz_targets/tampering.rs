//! libFuzzer's door to the target `tampering`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("tampering").expect("a target of this name").run)(data));
