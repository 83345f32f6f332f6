//! libFuzzer's door to the target `certificates`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("certificates").expect("a target of this name").run)(data));
