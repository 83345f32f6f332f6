//! Shows that reading takes time in proportion to the length: nanoseconds, and nanoseconds a byte, for valid payloads,
//! for ones that are worst for the reader, and for random text, of growing length.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it needs a clock, and what it prints is its result"
)]

use std::hint::black_box;
use std::time::Instant;

use tonle_khqr::{PAYLOAD_BYTES_MAX, crc16, verify};

const NOW_MS: u64 = 1_767_225_600_000;
const ROUNDS: u32 = 20_000;

fn sealed(text: &str) -> String {
    let text = format!("{text}6304");
    format!("{text}{:04X}", crc16(text.as_bytes()))
}

fn nanoseconds(payload: &str) -> f64 {
    let began = Instant::now();
    for _ in 0..ROUNDS {
        let _ = black_box(verify(black_box(payload), NOW_MS));
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}

fn main() {
    let base = "00020101021129180014jonhsmith@nbcq5204599953031165802KH5910Jonh Smith6010Phnom Penh";
    println!("{:<28}{:>8}{:>12}{:>12}  verdict", "payload", "bytes", "ns", "ns/byte");
    for length in [91, 200, 400, 800, 1_600, PAYLOAD_BYTES_MAX] {
        let rest = length.saturating_sub(base.len() + 8);
        // Tags 80 to 98 hold 99 letters each; then it repeats them, which is refused, but read all the same.
        let tags = (80..99).cycle().flat_map(|tag| format!("{tag}99{}", "x".repeat(99)).into_bytes());
        let padding = String::from_utf8_lossy(&tags.take(rest).collect::<Vec<u8>>()).into_owned();
        let empties = "8000".repeat(rest / 4);
        let template = format!("62{:02}{}", 96, "5000".repeat(24)).repeat(rest / 100);
        for (name, text) in [
            ("padded", format!("{base}{padding}")),
            ("elements without values", format!("{base}{empties}")),
            ("templates of such", format!("{base}{template}")),
            ("no elements at all", "x".repeat(base.len() + rest)),
        ] {
            let payload = sealed(&text);
            let verdict = verify(&payload, NOW_MS).map_or_else(|code| code.name(), |_| "valid");
            let time = nanoseconds(&payload);
            let bytes = payload.len();
            println!("{name:<28}{bytes:>8}{time:>12.0}{:>12.2}  {verdict}", time / bytes as f64);
        }
    }
}
