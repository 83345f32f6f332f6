//! libFuzzer's door to the target `replica_events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("replica_events").expect("a target of this name").run)(data));
