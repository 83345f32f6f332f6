//! A code as people see it in a terminal: drawn, and as a table.
//!
//! Must not know: which values are valid.

use std::io::IsTerminal;
use std::time::Duration;

use tonle_khqr::{Currency, Field, Fields, Qr};

/// The code in block characters; on a terminal black on white, whatever its own colours are.
pub(super) fn blocks(payload: &str) -> anyhow::Result<String> {
    let blocks = Qr::new(payload)?.blocks();
    if !std::io::stdout().is_terminal() {
        return Ok(blocks);
    }
    Ok(blocks.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n")).collect())
}

/// A row for each field that is there.
pub(super) fn table(fields: &Fields<'_>, now_ms: u64) -> String {
    let rows = fields.iter().map(|(field, value)| row(label(field), &meaning(fields, field, value, now_ms)));
    rows.collect::<Vec<String>>().join("\n")
}

/// One row.
pub(super) fn row(label: &str, value: &str) -> String {
    format!("{label:<22}{}", safe(value)).trim_end().to_owned()
}

/// A code is a stranger's text: what could steer a terminal, or turn its direction of writing, is not printed.
pub(super) fn safe(value: &str) -> String {
    let steers = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    value.chars().map(|letter| if steers(letter) { '\u{fffd}' } else { letter }).collect()
}

/// What people call a field.
const fn label(field: Field) -> &'static str {
    match field {
        Field::MerchantType => "payee",
        Field::Account => "account",
        Field::AccountInformation => "account information",
        Field::MerchantId => "merchant id",
        Field::Bank => "bank",
        Field::BillNumber => "bill",
        Field::MobileNumber => "mobile number",
        Field::StoreLabel => "store",
        Field::TerminalLabel => "till",
        Field::Purpose => "purpose",
        Field::Language => "other language",
        Field::AlternateName => "name in it",
        Field::AlternateCity => "city in it",
        Field::Creation => "made",
        Field::Expiration => "expires",
        Field::Format => "format",
        Field::Initiation => "use",
        Field::UnionPay => "UnionPay merchant",
        Field::Category => "category",
        Field::Currency => "currency",
        Field::Amount => "amount",
        Field::Country => "country",
        Field::Name => "name",
        Field::City => "city",
        Field::Crc => "checksum",
    }
}

/// What a field's text means, where it does not say so itself.
fn meaning(fields: &Fields<'_>, field: Field, value: &str, now_ms: u64) -> String {
    let currency = || fields.get(Field::Currency).and_then(Currency::from_number);
    let plain = || value.to_owned();
    match (field, value) {
        (Field::MerchantType, "29") => "individual".to_owned(),
        (Field::MerchantType, "30") => "merchant".to_owned(),
        (Field::Initiation, "11") => "static: any number of payments".to_owned(),
        (Field::Initiation, "12") => "dynamic: one payment".to_owned(),
        (Field::Currency, _) => currency().map_or_else(plain, |currency| currency.code().to_owned()),
        (Field::Amount, _) => currency().map_or_else(plain, |currency| format!("{value} {}", currency.code())),
        (Field::Creation | Field::Expiration, _) => {
            value.parse::<u64>().map_or_else(|_| plain(), |time_ms| distance(time_ms, now_ms))
        }
        _ => plain(),
    }
}

/// `1767226200000 ms, in 9m 58s`.
fn distance(time_ms: u64, now_ms: u64) -> String {
    let span = span(Duration::from_millis(time_ms.abs_diff(now_ms)).as_secs());
    if time_ms < now_ms { format!("{time_ms} ms, {span} ago") } else { format!("{time_ms} ms, in {span}") }
}

/// The two largest units of a span of seconds.
fn span(seconds: u64) -> String {
    let [days, hours, minutes] = [86_400, 3_600, 60].map(|unit| seconds / unit);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_steers_no_terminal() {
        assert_eq!(row("name", "a\x1b[2Jb\u{202e}c\n"), "name                  a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(row("name", "កាហ្វេ"), "name                  កាហ្វេ");
    }

    #[test]
    fn a_span_has_two_units() {
        let spans = [59, 61, 3_661, 90_061].map(span);
        assert_eq!(spans, ["59s", "1m 1s", "1h 1m", "1d 1h"]);
    }
}
