//! libFuzzer's door to the target `guard_record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("guard_record").expect("a target of this name").run)(data));
