//! CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF, neither reflected nor inverted, over bytes (ISO/IEC 13239
//! as EMVCo's merchant-presented QR code uses it).
//!
//! Must not know: where in a payload it stands.

/// The checksum of `bytes`; eight steps a byte.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| shift(crc)))
}

/// One step of the division.
fn shift(crc: u16) -> u16 {
    if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_check_value() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
        assert_eq!(crc16(b""), 0xffff);
    }

    #[test]
    fn tells_every_change_of_one_byte() {
        let text = b"00020101021129180014jonhsmith@nbcq";
        for at in 0..text.len() {
            for byte in (0..=u8::MAX).filter(|byte| *byte != text[at]) {
                let mut changed = *text;
                changed[at] = byte;
                assert_ne!(crc16(&changed), crc16(text));
            }
        }
    }
}
