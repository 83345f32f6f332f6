//! libFuzzer's door to the target `cut`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("cut").expect("a target of this name").run)(data));
