//! libFuzzer's door to the target `khqr_draft`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("khqr_draft").expect("a target of this name").run)(data));
