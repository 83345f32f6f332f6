//! BLAKE3's official vectors for key derivation, the mode that every digest here uses.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use serde_json::Value;
use tonle_crypto::{Digest, Domain};

static CONTEXT: Domain = Domain::new("BLAKE3 2019-12-27 16:29:52 test vectors context");

/// The input that the vectors define: 0, 1, … 250, 0, 1, …
fn input(length: usize) -> Vec<u8> {
    (0..=250u8).cycle().take(length).collect()
}

fn cases() -> Vec<(usize, Digest)> {
    let vectors: Value = serde_json::from_str(include_str!("vectors/blake3.json")).unwrap();
    assert_eq!(vectors["context_string"], CONTEXT.context());
    let cases = vectors["cases"].as_array().unwrap();
    cases
        .iter()
        .map(|case| {
            let length = usize::try_from(case["input_len"].as_u64().unwrap()).unwrap();
            // The vectors are extended outputs; a digest is their first 32 bytes.
            let digest = Digest::from_hex(&case["derive_key"].as_str().unwrap()[..64]).unwrap();
            (length, digest)
        })
        .collect()
}

#[test]
fn derives_every_official_vector() {
    let cases = cases();
    assert_eq!(cases.len(), 35);
    for (length, digest) in cases {
        assert_eq!(CONTEXT.digest(&input(length)), digest, "input of {length} bytes");
    }
}

#[test]
fn derives_the_same_piece_by_piece() {
    for (length, digest) in cases() {
        let input = input(length);
        for piece in [1, 63, 64, 1024, 1025] {
            // A megabyte byte by byte shows nothing that these lengths do not.
            if length / piece > 4096 {
                continue;
            }
            let mut stream = CONTEXT.stream();
            input.chunks(piece).for_each(|chunk| stream.update(chunk));
            assert_eq!(stream.finish(), digest, "input of {length} bytes in pieces of {piece}");
        }
        let (head, tail) = input.split_at(length / 2);
        assert_eq!(CONTEXT.digest_parts(&[head, &[], tail]), digest);
    }
}
