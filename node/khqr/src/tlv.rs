//! Elements of tag, length and value, as EMVCo's QR codes are made of them.
//!
//! ```text
//! ┌─────────────┬─────────────────────┬────────────────┐
//! │ tag 2 digits│ length L, 2 digits  │ value, L units │
//! └─────────────┴─────────────────────┴────────────────┘
//! ```
//! A unit is one of UTF-16: what the SDKs count, which are JavaScript. A Khmer letter is one unit and three bytes; a
//! character outside the basic plane is two units, and no length may cut it in half.
//!
//! Must not know: what a tag means.

/// Most units of a value: what two digits can say.
pub(crate) const VALUE_UNITS_MAX: usize = 99;

/// One element of a payload or of a template in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    /// 0 to 99.
    pub(crate) tag: u8,
    /// 0 to 99 units.
    pub(crate) value: &'a str,
}

/// What stands here is no element: no two digits, or a value that ends too early or inside a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The tag, if there is one.
    pub(crate) tag: Option<u8>,
}

/// Reads elements one behind the other, and ends with the first that is broken. Every character is visited once: an
/// element is a piece of the input that begins where the one before it ended.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Elements<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Elements { rest: text }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = element(self.rest);
        self.rest = read.as_ref().map_or("", |(_, rest)| rest);
        Some(read.map(|(element, _)| element))
    }
}

fn element(text: &str) -> Result<(Element<'_>, &str), Broken> {
    let (tag, text) = two_digits(text).ok_or(Broken { tag: None })?;
    let value = two_digits(text).and_then(|(length, text)| split_at_unit(text, usize::from(length)));
    let (value, rest) = value.ok_or(Broken { tag: Some(tag) })?;
    Ok((Element { tag, value }, rest))
}

fn two_digits(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    // `parse` alone would take a sign.
    let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
    Some((number?, rest))
}

fn split_at_unit(text: &str, units: usize) -> Option<(&str, &str)> {
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return text.split_at_checked(at);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some((text, ""))
}

/// Units of `text`.
pub(crate) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Appends one element; `false`, and nothing appended, when no two digits can say the value's length.
pub(crate) fn push(to: &mut String, tag: u8, value: &str) -> bool {
    let length = units(value);
    let fits = tag <= 99 && length <= VALUE_UNITS_MAX;
    if fits {
        to.push_str(&format!("{tag:02}{length:02}"));
        to.push_str(value);
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<(u8, &str), Option<u8>>> {
        let read = Elements::new(text);
        read.map(|read| read.map(|Element { tag, value }| (tag, value)).map_err(|broken| broken.tag)).collect()
    }

    #[test]
    fn reads_elements_to_the_end() {
        assert_eq!(read(""), []);
        assert_eq!(read("000201"), [Ok((0, "01"))]);
        assert_eq!(read("0002015900990412345"), [Ok((0, "01")), Ok((59, "")), Ok((99, "1234")), Err(None)]);
    }

    #[test]
    fn ends_with_the_first_that_is_broken() {
        for broken in ["59", "590", "5905", "5905four", "59 4four", "59+4four", "59-1", "5904fou", "591"] {
            assert_eq!(read(&format!("000201{broken}")), [Ok((0, "01")), Err(Some(59))], "{broken}");
        }
        for broken in ["5", "5x04four", "+504four", " 504four"] {
            assert_eq!(read(&format!("000201{broken}")), [Ok((0, "01")), Err(None)], "{broken}");
        }
        // Digits of other scripts are none here.
        assert_eq!(read("59\u{17e1}\u{17e2}x"), [Err(Some(59))]);
    }

    #[test]
    fn counts_units_of_utf_16() {
        assert_eq!(read("5906កាហ្វេ0001x"), [Ok((59, "កាហ្វេ")), Ok((0, "x"))]);
        assert_eq!(read("5902\u{1f35a}0001x"), [Ok((59, "\u{1f35a}")), Ok((0, "x"))]);
        assert_eq!(read("5901\u{1f35a}0001x"), [Err(Some(59))], "a surrogate pair cut in half");
        let mut written = String::new();
        assert!(push(&mut written, 59, "ក\u{1f35a}"));
        assert_eq!(written, "5903ក\u{1f35a}");
    }

    #[test]
    fn never_writes_a_length_of_three_digits() {
        let mut written = String::new();
        assert!(push(&mut written, 62, &"ក".repeat(99)));
        assert!(!push(&mut written, 62, &"ក".repeat(100)) && !push(&mut written, 100, ""));
        assert_eq!(read(&written).len(), 1);
    }

    /// No character is read twice, whatever the input: what an element takes lies behind what the one before it took.
    #[test]
    fn every_element_begins_where_the_one_before_it_ended() {
        for text in ["", "00020101021129180014jonhsmith@nbcq", "5906កាហ្វេ00", "0000".repeat(1_000).as_str(), "59999"]
        {
            let mut end = 0;
            for element in Elements::new(text).map_while(Result::ok) {
                end += 4;
                assert!(std::ptr::eq(element.value, &text[end..end + element.value.len()]));
                end += element.value.len();
            }
            assert!(end <= text.len());
        }
    }
}
