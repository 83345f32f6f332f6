//! A strict reader and writer of protobuf's wire form: one encoding of each message.
//!
//! It refuses what ordinary decoders take or drop silently: unknown fields, fields out of order, a singular field
//! twice, varints that are longer than needed, fields that are present with their default value, groups and fixed
//! width numbers (no message here has any).
//!
//! Must not know: the messages.

/// The bytes are not the one encoding of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCanonical;

const VARINT: u64 = 0;
const LENGTH_DELIMITED: u64 = 2;

/// Reads the fields of one message in ascending order of number.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Fields { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The message ends here.
    pub(crate) const fn finish(&self) -> Result<(), NotCanonical> {
        if self.rest.is_empty() { Ok(()) } else { Err(NotCanonical) }
    }

    /// A singular number; 0 when absent.
    pub(crate) fn uint(&mut self, number: u32) -> Result<u64, NotCanonical> {
        if !self.take_tag(number, VARINT)? {
            return Ok(0);
        }
        match self.varint()? {
            0 => Err(NotCanonical),
            value => Ok(value),
        }
    }

    /// A singular flag; `false` when absent.
    pub(crate) fn flag(&mut self, number: u32) -> Result<bool, NotCanonical> {
        match self.uint(number)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(NotCanonical),
        }
    }

    /// A singular byte string; empty when absent.
    pub(crate) fn bytes(&mut self, number: u32) -> Result<&'a [u8], NotCanonical> {
        match self.element(number)? {
            None => Ok(&[]),
            Some([]) => Err(NotCanonical),
            Some(bytes) => Ok(bytes),
        }
    }

    /// A singular text; empty when absent.
    pub(crate) fn text(&mut self, number: u32) -> Result<&'a str, NotCanonical> {
        std::str::from_utf8(self.bytes(number)?).map_err(|_| NotCanonical)
    }

    /// A message, or the next element of a repeated byte string or message; it may be empty.
    pub(crate) fn element(&mut self, number: u32) -> Result<Option<&'a [u8]>, NotCanonical> {
        if !self.take_tag(number, LENGTH_DELIMITED)? {
            return Ok(None);
        }
        self.length_delimited().map(Some)
    }

    fn length_delimited(&mut self) -> Result<&'a [u8], NotCanonical> {
        let length = usize::try_from(self.varint()?).map_err(|_| NotCanonical)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(NotCanonical)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A message in one of several fields: its field's number, and its bytes.
    pub(crate) fn alternative(&mut self) -> Result<(u64, &'a [u8]), NotCanonical> {
        let tag = self.varint()?;
        if tag & 0b111 == LENGTH_DELIMITED { Ok((tag >> 3, self.length_delimited()?)) } else { Err(NotCanonical) }
    }

    /// Takes the next tag if it is field `number`'s. A lower number is unknown, repeated or out of order.
    fn take_tag(&mut self, number: u32, wire_type: u64) -> Result<bool, NotCanonical> {
        if self.rest.is_empty() {
            return Ok(false);
        }
        let before = self.rest;
        let tag = self.varint()?;
        let (found, found_type) = (tag >> 3, tag & 0b111);
        match found.cmp(&u64::from(number)) {
            std::cmp::Ordering::Less => Err(NotCanonical),
            std::cmp::Ordering::Equal if found_type == wire_type => Ok(true),
            std::cmp::Ordering::Equal => Err(NotCanonical),
            std::cmp::Ordering::Greater => {
                self.rest = before;
                Ok(false)
            }
        }
    }

    fn varint(&mut self) -> Result<u64, NotCanonical> {
        let mut value = 0u64;
        for shift in (0..64u32).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(NotCanonical)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(NotCanonical);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                // A last byte of zero is padding, except as the only byte.
                return if *byte == 0 && shift != 0 { Err(NotCanonical) } else { Ok(value) };
            }
        }
        Err(NotCanonical)
    }
}

/// Writes the fields of one message; the caller goes in ascending order of number.
#[derive(Debug, Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// A singular number; left out when 0.
    pub(crate) fn uint(&mut self, number: u32, value: u64) -> &mut Self {
        if value != 0 {
            self.tag(number, VARINT).varint(value);
        }
        self
    }

    /// A singular byte string or text; left out when empty.
    pub(crate) fn bytes(&mut self, number: u32, bytes: &[u8]) -> &mut Self {
        if bytes.is_empty() { self } else { self.element(number, bytes) }
    }

    /// A message, or an element of a repeated field; written even when empty.
    pub(crate) fn element(&mut self, number: u32, bytes: &[u8]) -> &mut Self {
        self.tag(number, LENGTH_DELIMITED).varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
        self
    }

    fn tag(&mut self, number: u32, wire_type: u64) -> &mut Self {
        self.varint(u64::from(number) << 3 | wire_type)
    }

    fn varint(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            let [low, ..] = value.to_le_bytes();
            self.0.push(low | 0x80);
            value >>= 7;
        }
        let [low, ..] = value.to_le_bytes();
        self.0.push(low);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8], read: impl Fn(&mut Fields<'_>) -> Result<(), NotCanonical>) -> bool {
        let mut fields = Fields::new(bytes);
        read(&mut fields).and_then(|()| fields.finish()).is_err()
    }

    #[test]
    fn every_number_round_trips_at_the_edges_of_its_length() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift).wrapping_sub(1), u64::MAX >> shift] {
                let mut encoder = Encoder::default();
                encoder.uint(3, value);
                let bytes = encoder.finish();
                let mut fields = Fields::new(&bytes);
                assert_eq!(fields.uint(3), Ok(value));
                assert_eq!(fields.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn refuses_what_ordinary_decoders_accept() {
        let one = |fields: &mut Fields<'_>| fields.uint(1).map(|_| ());
        assert!(!refused(&[0x08, 0x01], one), "field 1 = 1");
        assert!(refused(&[0x08, 0x00], one), "default value present");
        assert!(refused(&[0x08, 0x81, 0x00], one), "padded varint");
        assert!(refused(&[0x88, 0x00, 0x01], one), "padded tag");
        assert!(refused(&[0x08, 0x01, 0x08, 0x01], one), "singular field twice");
        assert!(refused(&[0x08, 0x01, 0x10, 0x01], one), "unknown field after");
        assert!(refused(&[0x00, 0x01, 0x08, 0x01], one), "field number zero before");
        assert!(refused(&[0x0a, 0x01, 0x01], one), "wrong wire type");
        assert!(refused(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0], one), "fixed64");
        assert!(refused(&[0x08], one), "ends early");
        let too_long = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert!(refused(&too_long, one), "65 bits");
        let two = |fields: &mut Fields<'_>| fields.uint(1).and_then(|_| fields.bytes(2)).map(|_| ());
        assert!(!refused(&[0x08, 0x01, 0x12, 0x01, 0x61], two));
        assert!(refused(&[0x12, 0x01, 0x61, 0x08, 0x01], two), "out of order");
        assert!(refused(&[0x12, 0x00], two), "empty byte string present");
        assert!(refused(&[0x12, 0x02, 0x61], two), "length past the end");
    }
}
