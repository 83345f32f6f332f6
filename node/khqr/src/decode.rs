//! Cuts a payload into its fields, and notes what its form has wrong. Whatever the payload, the work is one pass over
//! its characters and one over those inside templates.
//!
//! Must not know: which values are valid.

use crate::fields::{Field, Fields};
use crate::tlv::{Element, Elements};

/// Most bytes of a payload that is read at all: what the largest QR code holds (version 40, level L, bytes). What the
/// generator emits has at most 511 units.
pub const PAYLOAD_BYTES_MAX: usize = 2_953;

/// The fields of a payload as they stand there, valid or not: what there is of a broken one, the last of what is there
/// twice, nothing of one longer than [`PAYLOAD_BYTES_MAX`].
#[must_use]
pub fn decode(payload: &str) -> Fields<'_> {
    Reading::new(payload).fields
}

/// A payload as read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading<'a> {
    pub(crate) fields: Fields<'a>,
    /// Tags in the order in which they came, each once.
    pub(crate) tags: Vec<u8>,
    /// Every element is whole, in templates too; no tag is there twice, no second payee; nothing follows 63.
    pub(crate) in_form: bool,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(payload: &'a str) -> Self {
        let mut reading = Reading { in_form: payload.len() <= PAYLOAD_BYTES_MAX, ..Reading::default() };
        let mut seen = Seen::default();
        for read in Elements::new(payload).take_while(|_| payload.len() <= PAYLOAD_BYTES_MAX) {
            let after_crc = reading.tags.last() == Some(&63);
            match read {
                Ok(Element { tag, value }) => {
                    let again = !seen.insert(tag) || after_crc;
                    let second_payee = matches!(tag, 29 | 30) && seen.has(29) && seen.has(30);
                    reading.in_form &= !again && !second_payee;
                    reading.take(tag, value);
                }
                Err(broken) => {
                    reading.in_form = false;
                    // It is there, so it is not what is missing; its value is not to be had.
                    if let Some(tag) = broken.tag {
                        reading.note(tag);
                    }
                }
            }
        }
        reading
    }

    pub(crate) fn has(&self, tag: u8) -> bool {
        self.tags.contains(&tag)
    }

    fn note(&mut self, tag: u8) {
        if !self.has(tag) {
            self.tags.push(tag);
        }
    }

    fn take(&mut self, tag: u8, value: &'a str) {
        self.note(tag);
        if let Some(field) = Field::of_tag(tag) {
            self.fields.set(field, value);
        }
        if Field::is_template(tag) {
            self.take_template(tag, value);
        }
        match tag {
            29 => self.fields.set(Field::MerchantType, "29"),
            30 => self.fields.set(Field::MerchantType, "30"),
            _ => {}
        }
    }

    fn take_template(&mut self, template: u8, value: &'a str) {
        let mut seen = Seen::default();
        for read in Elements::new(value) {
            let Ok(Element { tag, value }) = read else {
                self.in_form = false;
                return;
            };
            self.in_form &= seen.insert(tag);
            if let Some(field) = Field::of_template(template, tag) {
                self.fields.set(field, value);
            }
        }
    }
}

/// A set of tags.
#[derive(Debug, Clone, Copy, Default)]
struct Seen(u128);

impl Seen {
    fn bit(tag: u8) -> u128 {
        1u128.checked_shl(u32::from(tag)).unwrap_or_default()
    }
    fn has(self, tag: u8) -> bool {
        self.0 & Seen::bit(tag) != 0
    }
    /// `false` when it was in it.
    fn insert(&mut self, tag: u8) -> bool {
        let new = !self.has(tag);
        self.0 |= Seen::bit(tag);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(payload: &str) -> (Vec<u8>, bool) {
        let reading = Reading::new(payload);
        (reading.tags, reading.in_form)
    }

    #[test]
    fn notes_what_is_there_and_whether_it_is_whole() {
        assert_eq!(form("00020129050001a6304ABCD"), (vec![0, 29, 63], true));
        assert_eq!(form("0002015901A5901B"), (vec![0, 59], false), "a tag twice");
        assert_eq!(form("2904000030040000"), (vec![29, 30], false), "two payees");
        assert_eq!(form("6203abc"), (vec![62], false), "a template that is none");
        assert!(!form("621001010101a").1, "a template cut short");
        assert!(!form("62100101a0101b").1, "a tag twice in a template");
        assert_eq!(form("6304ABCD000201"), (vec![63, 0], false), "something behind the checksum");
        assert_eq!(form("00020159x5A"), (vec![0, 59], false), "the element that breaks off counts as there");
        assert_eq!(form("0002015"), (vec![0], false));
        assert_eq!(form(""), (vec![], true));
    }

    #[test]
    fn reads_nothing_of_what_is_too_long() {
        let payload = "0001a".repeat(PAYLOAD_BYTES_MAX / 5 + 1);
        assert_eq!(form(&payload), (vec![], false));
        assert_eq!(decode(&payload), Fields::default());
    }

    #[test]
    fn the_last_of_what_is_there_twice_is_shown() {
        assert_eq!(decode("5901A6001B5901C").get(Field::Name), Some("C"));
    }
}
