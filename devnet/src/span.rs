//! Spans of time as people write them on a command line: `50ms`, `30s`, `10m`, `2h`.

use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest span accepted: a day.
const LONGEST: Duration = Duration::from_hours(24);

/// Parses `50ms`, `30s`, `10m` or `2h`, up to a day; a unit is required.
///
/// # Errors
/// Says which forms are accepted.
pub fn parse(text: &str) -> Result<Duration> {
    up_to(LONGEST, text)
}

/// Parses `30s`, `10m`, `2h` or `7d`, up to 90 days; a unit is required.
///
/// # Errors
/// Says which forms are accepted.
pub fn parse_days(text: &str) -> Result<Duration> {
    up_to(LONGEST * 90, text)
}

fn up_to(longest: Duration, text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let number: u64 = digits.parse().with_context(|| format!("{text:?}: write a span such as 50ms, 30s or 10m"))?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => bail!("{text:?}: write a span with its unit: ms, s, m, h or d"),
    };
    let span = Duration::from_millis(number.saturating_mul(unit_ms));
    if span > longest {
        bail!("{text:?} is longer than {} days", longest.as_secs() / 86_400);
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn spans_need_a_unit() {
        assert_eq!(parse("50ms").unwrap(), Duration::from_millis(50));
        assert_eq!(parse("30s").unwrap(), Duration::from_secs(30));
        assert_eq!(parse("10m").unwrap(), Duration::from_mins(10));
        assert_eq!(parse("0ms").unwrap(), Duration::ZERO);
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "2d", "25h", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(super::parse_days("90d").unwrap(), super::LONGEST * 90);
        assert!(super::parse_days("91d").is_err());
    }
}
