//! Money as people write it: `4000 KHR`, `1,000,000`, `250.00`. Integers in minor units inside, never a float.
//! Must not know which assets exist: the exponent is an argument.

use anyhow::{Context, Result, bail};

/// Highest exponent an asset may have (ISO 4217 ends at 4).
const EXPONENT_MAX: u32 = 18;

/// Parses an amount such as `4000`, `1,000,000` or `250.5` into minor units of an asset with `exponent` decimals.
///
/// # Errors
/// Says what is wrong: no number, a separator out of place, more decimals than the asset has, zero, or too large.
pub fn parse(text: &str, exponent: u32) -> Result<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = without_separators(whole).with_context(|| format!("{text:?} is no amount"))?;
    let fraction = fraction.unwrap_or_default();
    if text.ends_with('.') || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("{text:?} is no amount: digits must follow the point");
    }
    let decimals = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
    if decimals > exponent {
        bail!("{text:?} has {decimals} decimals; the asset has {exponent}");
    }
    let scale = scale(exponent)?;
    let whole: u64 = digits.parse().with_context(|| format!("{text:?} is too large"))?;
    let fraction = match fraction {
        "" => 0,
        digits => digits.parse::<u64>()?.checked_mul(10u64.pow(exponent - decimals)).context("too large")?,
    };
    let minor = whole.checked_mul(scale).and_then(|minor| minor.checked_add(fraction));
    match minor {
        None => bail!("{text:?} is too large"),
        Some(0) => bail!("the amount must be above zero"),
        Some(minor) => Ok(minor),
    }
}

/// Writes minor units with thousands separators; decimals only where the asset uses them: whole riel print without.
///
/// `KHR` has exponent 2 in ISO 4217 and is counted in whole riel on every screen, so zero decimals are left out for it.
#[must_use]
pub fn format(minor: u64, asset: &str, exponent: u32) -> String {
    let scale = scale(exponent).unwrap_or(1);
    let (whole, fraction) = (minor / scale, minor % scale);
    let mut text = separated(whole);
    if exponent > 0 && (fraction != 0 || asset != "KHR") {
        let width = usize::try_from(exponent).unwrap_or(0);
        text.push_str(&format!(".{fraction:0width$}"));
    }
    text
}

fn scale(exponent: u32) -> Result<u64> {
    if exponent > EXPONENT_MAX {
        bail!("an exponent of {exponent} is above {EXPONENT_MAX}");
    }
    Ok(10u64.pow(exponent))
}

/// Takes out commas, which must stand at every third digit or nowhere.
fn without_separators(whole: &str) -> Result<String> {
    let groups: Vec<&str> = whole.split(',').collect();
    let digits_only = groups.iter().all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !digits_only {
        bail!("write digits, such as 4000 or 1,000,000");
    }
    if let [first, rest @ ..] = groups.as_slice()
        && !rest.is_empty()
        && (first.len() > 3 || rest.iter().any(|group| group.len() != 3))
    {
        bail!("a comma stands between groups of three digits");
    }
    Ok(groups.concat())
}

/// `1234567` -> `1,234,567`.
#[must_use]
pub fn separated(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{format, parse, separated};

    #[test]
    fn amounts_become_minor_units() {
        let cases = [
            ("4000", 2, 400_000),
            ("1,000,000", 2, 100_000_000),
            ("250.00", 2, 25_000),
            ("250.5", 2, 25_050),
            ("0.01", 2, 1),
            ("7", 0, 7),
            ("184467440737095516.15", 2, u64::MAX),
        ];
        for (text, exponent, minor) in cases {
            assert_eq!(parse(text, exponent).unwrap(), minor, "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let texts = [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0",
            "0.00",
            "0.001",
            "1,00",
            "1000,000",
            "1,,000",
            ",100",
            "1 000",
            "1.0.0",
            "1.,0",
            "184467440737095516.16",
            "99999999999999999999",
            "١",
        ];
        for text in texts {
            assert!(parse(text, 2).is_err(), "{text}");
        }
    }

    #[test]
    fn riel_print_whole_and_dollars_with_cents() {
        assert_eq!(format(100_000_000, "KHR", 2), "1,000,000");
        assert_eq!(format(150, "KHR", 2), "1.50");
        assert_eq!(format(25_000, "USD", 2), "250.00");
        assert_eq!(format(7, "USD", 2), "0.07");
        assert_eq!(format(7, "XXX", 0), "7");
    }

    #[test]
    fn what_is_printed_parses_back() {
        for minor in [1, 99, 100, 12_345, 100_000_000, u64::MAX] {
            for asset in ["KHR", "USD"] {
                assert_eq!(parse(&format(minor, asset, 2), 2).unwrap(), minor);
            }
        }
    }

    #[test]
    fn separators_stand_at_every_third_digit() {
        let texts: Vec<String> = [0, 12, 123, 1_234, 123_456, 1_234_567].into_iter().map(separated).collect();
        assert_eq!(texts, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
    }
}
