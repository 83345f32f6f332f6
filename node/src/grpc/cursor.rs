//! Opaque cursors: where a list goes on, at which height it is pinned, and which list it belongs to.
//!
//! ```text
//! version 2 | list digest (8 bytes) | pinned height (8) | height (8) | index (4) | operation (4) | check (8)
//!                                                                                              in hexadecimal
//! ```
//! The list digest binds a cursor to the list that it was made for. The check finds a damaged cursor; it is no secret:
//! a client that forges a cursor gets a page that it could have asked for anyway.

use tonle_crypto::{Canonical, CodecError, Domain, Reader, Writer};

static LIST: Domain = Domain::new("tonle v1 cursor list");
static CHECK: Domain = Domain::new("tonle v1 cursor check");

/// Where a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Names the list; see [`Cursor::list`].
    pub(super) list: [u8; 8],
    /// Nothing above this height is listed.
    pub(super) pinned: u64,
    /// The last entry that was answered: its height.
    pub(super) height: u64,
    /// And its index in the block; 0 for lists of blocks.
    pub(super) index: u32,
    /// And its operation; 0 for lists of blocks and of transactions.
    pub(super) operation: u32,
}

impl Cursor {
    /// The name of the list that `parts` describe.
    pub(super) fn list(kind: &str, subject: &[u8]) -> [u8; 8] {
        first_eight(&LIST, &[kind.as_bytes(), b"\0", subject])
    }

    /// The cursor as text.
    pub(super) fn to_text(self) -> String {
        let body = self.encode();
        hex::encode([body.as_slice(), &first_eight(&CHECK, &[&body])].concat())
    }

    /// Reads a cursor of the list named `list`; `None` for anything else.
    pub(super) fn from_text(text: &str, list: [u8; 8]) -> Option<Self> {
        let bytes = hex::decode(text).ok()?;
        let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        if check != first_eight(&CHECK, &[body]) {
            return None;
        }
        Cursor::decode(body).ok().filter(|cursor| cursor.list == list)
    }
}

impl Canonical for Cursor {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u8(2).raw(&self.list).u64(self.pinned).u64(self.height).u32(self.index).u32(self.operation);
    }

    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        if reader.u8()? != 2 {
            return Err(CodecError::Invalid("cursor version"));
        }
        let (list, pinned, height) = (reader.array()?, reader.u64()?, reader.u64()?);
        Ok(Cursor { list, pinned, height, index: reader.u32()?, operation: reader.u32()? })
    }
}

fn first_eight(domain: &Domain, parts: &[&[u8]]) -> [u8; 8] {
    let mut out = [0; 8];
    for (slot, byte) in out.iter_mut().zip(domain.digest_parts(parts).as_bytes()) {
        *slot = *byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_serves_its_own_list_only_and_undamaged_only() {
        let list = Cursor::list("account", b"alice@aba");
        let cursor = Cursor { list, pinned: 9, height: 7, index: 3, operation: 2 };
        let text = cursor.to_text();
        assert_eq!(Cursor::from_text(&text, list), Some(cursor));
        assert_eq!(Cursor::from_text(&text, Cursor::list("account", b"bob@wing")), None);
        for place in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[place] = if damaged[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(Cursor::from_text(std::str::from_utf8(&damaged).unwrap(), list), None, "byte {place}");
        }
        for wrong in ["", "00", "zz", "é"] {
            assert_eq!(Cursor::from_text(wrong, list), None);
        }
    }
}
