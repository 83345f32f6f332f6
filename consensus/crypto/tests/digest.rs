//! Digests: pinned, apart by purpose, and their hexadecimal form.

use tonle_crypto::{Digest, Domain};

/// 0, 1, … 255.
const ASCENDING: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut index = 0;
    while index < 256 {
        bytes[index] = index as u8;
        index += 1;
    }
    bytes
};

/// Computed by another implementation of BLAKE3: `blake3(data, derive_key_context=context)` of Python's `blake3`.
const GOLDEN: [(&str, &[u8], &str); 4] = [
    ("tonle v1 genesis", b"", "6face8239a56fdce1276e7bbbd6207c842460e22f3f588c3f841192b58014759"),
    ("tonle v1 transaction", b"abc", "6817996023907e743bf2e43f7e1efd5f4127d928aead3fa74906bbb326f0026c"),
    ("tonle v1 example", &ASCENDING, "80be0dc3c1812d6777bb40088d25835e612b395a908b5a6ed9bc9cb7657369a4"),
    (
        "tonle v1 longer than one chunk",
        &[0xa5; 2049],
        "1e3e4f05e7ef64767d1eedb2195fc6b2a620797829bb6e95c693897b4dca6c16",
    ),
];

#[test]
fn pins_digests_of_domains() {
    for (context, input, expected) in GOLDEN {
        let domain: &'static Domain = Box::leak(Box::new(Domain::new(context)));
        assert_eq!(domain.digest(input).to_string(), expected, "{context}");
        assert_eq!(domain.context(), context);
    }
}

#[test]
fn digests_of_two_purposes_differ() {
    static LEFT: Domain = Domain::new("tonle v1 left");
    static RIGHT: Domain = Domain::new("tonle v1 right");
    assert_ne!(LEFT.digest(b"same"), RIGHT.digest(b"same"));
    // The context is no prefix of the input: moving a byte between them gives another digest.
    static LONGER: Domain = Domain::new("tonle v1 leftx");
    assert_ne!(LEFT.digest(b"xy"), LONGER.digest(b"y"));
    assert_ne!(LEFT.digest(b""), Digest::ZERO);
}

#[test]
fn a_stream_may_be_finished_and_fed_on() {
    static DOMAIN: Domain = Domain::new("tonle v1 stream");
    let mut stream = DOMAIN.stream();
    stream.update(b"ab");
    let copy = stream.clone();
    assert_eq!(stream.finish(), DOMAIN.digest(b"ab"));
    stream.update(b"c");
    assert_eq!(stream.finish(), DOMAIN.digest(b"abc"));
    assert_eq!(copy.finish(), DOMAIN.digest(b"ab"));
}

#[test]
fn hexadecimal_goes_both_ways() {
    static DOMAIN: Domain = Domain::new("tonle v1 hexadecimal");
    for input in 0..=255u8 {
        let digest = DOMAIN.digest(&[input]);
        let text = digest.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(Digest::from_hex(&text), Some(digest));
        assert_eq!(Digest::from_hex(&text.to_uppercase()), Some(digest));
        assert_eq!(format!("{digest:?}"), text[..8]);
        assert_eq!(Digest::from_bytes(*digest.as_bytes()), digest);
    }
}

#[test]
fn refuses_what_is_no_hexadecimal_digest() {
    let zeros = "0".repeat(64);
    let cases = [
        String::new(),
        zeros[1..].to_owned(),
        format!("{zeros}0"),
        format!("{}g", &zeros[1..]),
        format!("+{}", &zeros[1..]),
        format!("-{}", &zeros[1..]),
        format!("{} 0", &zeros[2..]),
        format!("0x{}", &zeros[2..]),
        // Three bytes of one character across the pairs' boundaries.
        format!("{}€", &zeros[3..]),
        format!("0{}€", &zeros[4..]),
    ];
    for text in cases {
        assert_eq!(Digest::from_hex(&text), None, "{text:?}");
    }
}
