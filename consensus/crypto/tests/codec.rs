//! Canonical bytes: one encoding of each value, pinned; every other refused; nothing that a peer sends panics.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use proptest::prelude::*;
use tonle_crypto::{Canonical, CodecError, Digest, PublicKey, Reader, SecretKey, Signature, Writer};

const NOTE_BYTES_MAX: usize = 40;
const ITEMS_MAX: usize = 8;

/// One of everything a [`Writer`] writes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sample {
    flags: u8,
    kind: u16,
    count: u32,
    height: u64,
    amount: u128,
    known: bool,
    tag: [u8; 4],
    note: Vec<u8>,
    digest: Digest,
    key: PublicKey,
    signature: Signature,
    next: Option<Item>,
    items: Vec<Item>,
}

/// An enum, as messages are: a tag byte, then the variant's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Empty,
    Number(u64),
    Bytes(Vec<u8>),
}

impl Canonical for Item {
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            Item::Empty => writer.u8(0),
            Item::Number(number) => writer.u8(1).u64(*number),
            Item::Bytes(bytes) => writer.u8(2).bytes(bytes),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            0 => Ok(Item::Empty),
            1 => Ok(Item::Number(reader.u64()?)),
            2 => Ok(Item::Bytes(reader.bytes("item", NOTE_BYTES_MAX)?.to_vec())),
            _ => Err(CodecError::Invalid("item")),
        }
    }
}

impl Canonical for Sample {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u8(self.flags).u16(self.kind).u32(self.count).u64(self.height).u128(self.amount).bool(self.known);
        writer.raw(&self.tag).bytes(&self.note).digest(&self.digest).key(&self.key).signature(&self.signature);
        writer.option(self.next.as_ref()).list(&self.items).value(&Item::Empty);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let sample = Sample {
            flags: reader.u8()?,
            kind: reader.u16()?,
            count: reader.u32()?,
            height: reader.u64()?,
            amount: reader.u128()?,
            known: reader.bool()?,
            tag: reader.array()?,
            note: reader.bytes("note", NOTE_BYTES_MAX)?.to_vec(),
            digest: reader.digest()?,
            key: reader.key()?,
            signature: reader.signature()?,
            next: reader.option()?,
            items: reader.list("items", ITEMS_MAX)?,
        };
        match reader.value()? {
            Item::Empty => Ok(sample),
            Item::Number(_) | Item::Bytes(_) => Err(CodecError::Invalid("end")),
        }
    }
}

fn sample() -> Sample {
    Sample {
        flags: 0x01,
        kind: 0x0203,
        count: 0x0405_0607,
        height: 0x0809_0a0b_0c0d_0e0f,
        amount: 0x1011_1213_1415_1617_1819_1a1b_1c1d_1e1f,
        known: true,
        tag: *b"tag!",
        note: b"note".to_vec(),
        digest: Digest::from_bytes([0xd1; 32]),
        key: SecretKey::from_seed(&[7; 32]).public(),
        signature: Signature::from_bytes([0x51; 64]),
        next: Some(Item::Number(5)),
        items: vec![Item::Empty, Item::Bytes(vec![0xee, 0xff])],
    }
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        Just(Item::Empty),
        any::<u64>().prop_map(Item::Number),
        prop::collection::vec(any::<u8>(), 0..=NOTE_BYTES_MAX).prop_map(Item::Bytes),
    ]
}

prop_compose! {
    fn samples()(
        (flags, kind, count, height, amount) in any::<(u8, u16, u32, u64, u128)>(),
        (known, tag) in any::<(bool, [u8; 4])>(),
        note in prop::collection::vec(any::<u8>(), 0..=NOTE_BYTES_MAX),
        (digest, seed) in any::<([u8; 32], [u8; 32])>(),
        signature in prop::collection::vec(any::<u8>(), 64),
        next in prop::option::of(item()),
        items in prop::collection::vec(item(), 0..=ITEMS_MAX),
    ) -> Sample {
        Sample {
            flags, kind, count, height, amount, known, tag, note,
            digest: Digest::from_bytes(digest),
            key: SecretKey::from_seed(&seed).public(),
            signature: Signature::from_bytes(signature.try_into().unwrap()),
            next, items,
        }
    }
}

#[test]
fn pins_the_encoding() {
    let expected = [
        "01",                                                               // u8
        "0203",                                                             // u16, big-endian
        "04050607",                                                         // u32
        "08090a0b0c0d0e0f",                                                 // u64
        "101112131415161718191a1b1c1d1e1f",                                 // u128
        "01",                                                               // bool
        "74616721",                                                         // four raw bytes, no length
        "000000046e6f7465",                                                 // length as u32, bytes
        "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1", // digest
        "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c", // key
        &"51".repeat(64),                                                   // signature
        "01010000000000000005",                                             // option: 1, then tag 1 and a u64
        "000000020002",                                                     // list: count as u32, tag 0, tag 2 …
        "00000002eeff",                                                     // … with its bytes
        "00",                                                               // a nested value: tag 0
    ];
    assert_eq!(hex::encode(sample().encode()), expected.concat());
}

#[test]
fn refuses_every_truncation_and_every_extension() {
    let bytes = sample().encode();
    for length in 0..bytes.len() {
        match Sample::decode(&bytes[..length]) {
            Err(CodecError::Truncated { needed, left }) => assert!(needed > left && left <= length),
            other => panic!("{length} bytes gave {other:?}"),
        }
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Sample::decode(&longer), Err(CodecError::Trailing(1)));
}

/// Which field refuses what, by a change of the pinned bytes.
#[test]
fn refuses_each_field_that_no_encoder_writes() {
    let bytes = sample().encode();
    let change = |offset: usize, with: &[u8]| {
        let mut changed = bytes.clone();
        changed[offset..offset + with.len()].copy_from_slice(with);
        Sample::decode(&changed)
    };
    let invalid = |what| Err(CodecError::Invalid(what));
    let too_long = |what, length, max| Err(CodecError::TooLong { what, length, max });
    assert_eq!(change(31, &[2]), invalid("bool"));
    assert_eq!(change(31, &[0xff]), invalid("bool"));
    assert_eq!(change(36, &[0, 0, 0, 41]), too_long("note", 41, NOTE_BYTES_MAX));
    assert_eq!(change(36, &[0xff; 4]), too_long("note", 0xffff_ffff, NOTE_BYTES_MAX));
    assert_eq!(change(76, &[0; 32]), invalid("public key"));
    assert_eq!(change(172, &[2]), invalid("option"));
    assert_eq!(change(173, &[3]), invalid("item"));
    assert_eq!(change(182, &[0, 0, 0, 9]), too_long("items", 9, ITEMS_MAX));
    assert_eq!(change(182, &[0, 0, 0, 1]), invalid("end"));
    assert!(matches!(change(188, &[0xff; 4]), Err(CodecError::TooLong { what: "item", .. })));
}

/// A count that the sender made up must cost the sender's bytes, not the receiver's memory.
#[test]
fn a_claimed_count_reserves_no_memory() {
    struct Large([u8; 1 << 16]);
    impl Canonical for Large {
        fn encode_to(&self, writer: &mut Writer) {
            writer.raw(&self.0);
        }
        fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
            reader.array().map(Large)
        }
    }
    // A terabyte, if the count were believed: the allocation alone would abort the process.
    let mut claim = Writer::new();
    claim.length(1 << 24).raw(&[0; 1 << 16]);
    let outcome = Reader::new(&claim.finish()).list::<Large>("large", 1 << 24).map(|values| values.len());
    assert_eq!(outcome, Err(CodecError::Truncated { needed: 1 << 16, left: 0 }));
}

#[test]
fn a_reader_tells_what_is_left() {
    let mut reader = Reader::new(&[1, 2, 3]);
    assert_eq!(reader.u8(), Ok(1));
    assert_eq!(reader.remaining(), &[2, 3]);
    assert_eq!(reader.clone().finish(), Err(CodecError::Trailing(2)));
    // A read that fails takes nothing.
    assert_eq!(reader.u64(), Err(CodecError::Truncated { needed: 8, left: 2 }));
    assert_eq!(reader.raw(2), Ok([2, 3].as_slice()));
    assert_eq!(reader.finish(), Ok(()));
}

proptest! {
    #[test]
    fn decodes_what_it_encoded(sample in samples()) {
        prop_assert_eq!(Sample::decode(&sample.encode()), Ok(sample));
    }

    /// Of the two sides of "one encoding", this is the one that attackers try: bytes that decode are the encoding.
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        sample in samples(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = sample.encode();
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(decoded) = Sample::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(decoded) = Item::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes.as_slice());
        }
        prop_assert!(Sample::decode(&bytes).is_err());
    }
}
