//! A record that a crash tore is never read, at whatever byte it was cut; one with a flipped bit is damage, whatever bit.

use tonle_simulator::tape::{Found, Tape};

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).expect("below 251") | 1).collect()
}

#[test]
fn a_whole_record_is_read_and_one_cut_at_any_byte_is_not() {
    for length in [0, 1, 40, 700, 1_500] {
        let tape = Tape::frame(&payload(length));
        assert_eq!(tape.read(), Found::Whole(payload(length)));
        for end in 0..tape.length() {
            assert_eq!(tape.clone().cut(end).read(), Found::Torn, "{end} of {} bytes", tape.length());
        }
    }
}

#[test]
fn a_record_with_any_bit_flipped_is_damaged() {
    let tape = Tape::frame(&payload(300));
    for place in 0..tape.length() {
        for bit in 0..8 {
            assert_eq!(tape.clone().flipped(place, 1 << bit).read(), Found::Corrupt, "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn a_record_with_a_sector_that_was_never_written_is_torn() {
    let tape = Tape::frame(&payload(1_300));
    for sector in [0, 512, 1_024] {
        assert_eq!(tape.clone().without_sector(sector).read(), Found::Torn, "sector at {sector}");
    }
}

/// The bytes that the product's segments have: length, kind, checksum of both, payload, checksum of all.
#[test]
fn a_frame_is_thirteen_bytes_longer_than_its_payload() {
    assert_eq!(Tape::frame(&payload(20)).length(), 33);
}
