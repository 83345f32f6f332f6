//! Amounts as JSON numbers, exact: from minor units to digits and back, never through a float.
//!
//! Must not know: which asset has how many decimal places.

use serde_json::value::RawValue;
use tonle_khqr::Decimal;

/// `minor` units of ten to the power of minus `exponent`, as a JSON number without needless zeros.
pub(super) fn number(minor: u64, exponent: u8) -> Option<Box<RawValue>> {
    let digits = minor.to_string();
    let places = usize::from(exponent);
    let padded = format!("{digits:0>width$}", width = places.saturating_add(1));
    let (whole, fraction) = padded.split_at_checked(padded.len().saturating_sub(places))?;
    let fraction = fraction.trim_end_matches('0');
    let text = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    RawValue::from_string(text).ok()
}

/// A JSON number, or one in a string, in units of ten to the power of minus `exponent`; `None` when it is no whole
/// number of them.
pub(super) fn minor(value: &RawValue, exponent: u8) -> Option<u64> {
    let text = value.get();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    Decimal::parse(text)?.scaled(exponent)
}

#[cfg(test)]
mod tests {
    use super::{minor, number};
    use serde_json::value::RawValue;

    #[test]
    fn amounts_are_exact_both_ways() {
        for (units, exponent, text) in [
            (0, 2, "0"),
            (1, 2, "0.01"),
            (150, 2, "1.5"),
            (400_000, 2, "4000"),
            (10, 2, "0.1"),
            (4_000, 0, "4000"),
            (u64::MAX, 2, "184467440737095516.15"),
            (u64::MAX, 18, "18.446744073709551615"),
            (5, 18, "0.000000000000000005"),
        ] {
            let written = number(units, exponent).unwrap();
            assert_eq!((written.get(), minor(&written, exponent)), (text, Some(units)));
        }
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(minor(&raw("1.50"), 2), Some(150));
        assert_eq!(minor(&raw("\"1.50\""), 2), Some(150));
        assert_eq!(minor(&raw("15e-1"), 2), Some(150));
        for bad in ["1.005", "-1", "\"\"", "null", "true", "[]", "1e99", "\"១\""] {
            assert_eq!(minor(&raw(bad), 2), None, "{bad}");
        }
    }
}
