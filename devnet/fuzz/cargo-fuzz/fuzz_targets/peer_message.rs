//! libFuzzer's door to the target `peer_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (tonle_fuzz::target("peer_message").expect("a target of this name").run)(data));
