//! libFuzzer's door to the target `khqr_payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("khqr_payload").expect("a target of this name").run)(data));
