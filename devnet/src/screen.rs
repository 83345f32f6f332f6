//! What commands print: lines on standard output, progress on standard error, times and tables.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Columns after which a line's time stands.
const TIME_COLUMN: usize = 92;

/// Writes `text` and a line end to standard output. A reader that went away (a closed pipe) is no failure.
///
/// # Errors
/// What standard output says.
pub fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes `value` as one line of JSON.
///
/// # Errors
/// What standard output says.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string(value)?)
}

/// A step that is done, with the time since `start` in a column of its own.
#[must_use]
pub fn step(text: &str, start: Instant) -> String {
    let line = format!("✔ {text}");
    let width = TIME_COLUMN.saturating_sub(line.chars().count());
    format!("{line}{}{:.1} s", " ".repeat(width.max(1)), start.elapsed().as_secs_f64())
}

/// A spinner on standard error; nothing where that is no terminal.
#[must_use]
pub fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    // The template is a constant, so it parses; the default style is as good if it did not.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Rows under headings, columns as wide as their widest cell.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.chars().count())).max().unwrap_or(0)
    };
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let pad = width(column).saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(pad))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    std::iter::once(&headings).chain(rows).map(|row| line(row)).collect::<Vec<_>>().join("\n")
}

/// Milliseconds since the Unix epoch as `2027-01-15 08:00:00` UTC.
///
/// Days to civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
#[must_use]
pub fn utc(time_ms: u64) -> String {
    let seconds = time_ms / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::{table, utc};

    #[test]
    fn times_print_as_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_827_696_000), "2000-02-29 12:34:56");
        assert_eq!(utc(1_800_000_000_999), "2027-01-15 08:00:00");
        assert_eq!(utc(4_107_542_399_000), "2100-02-28 23:59:59");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["aba".to_owned(), "1".to_owned()], vec!["acleda".to_owned(), "20".to_owned()]];
        assert_eq!(table(&["name", "pid"], &rows), "name    pid\naba     1\nacleda  20");
    }
}
