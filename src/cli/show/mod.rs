//! How things look: text for people and JSON for scripts, from the same value.
//!
//! A view is a plain value that serialises itself; its text is written from the
//! same fields, so the two cannot tell different stories.

pub(crate) mod alarms;
pub(crate) mod certificate;
pub(crate) mod changes;
pub(crate) mod conflicts;
pub(crate) mod copies;
pub(crate) mod damage;
pub(crate) mod drills;
pub(crate) mod forecast;
pub(crate) mod keys;
pub(crate) mod objects;
pub(crate) mod plans;
pub(crate) mod records;
pub(crate) mod repairs;
pub(crate) mod reports;
pub(crate) mod restores;
pub(crate) mod schedules;
pub(crate) mod snapshots;

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::Value;

/// A value that can be read by people.
pub(crate) trait View: Serialize {
    /// Writes it as text; whole lines.
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// A number with thousands separators: `78,412`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 record`, `78,412 records`.
pub(crate) fn count(amount: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(amount), if amount == 1 { one } else { many })
}

/// A size as people say it: `310 B`, `1.2 kB`, `3.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1000.0;
    let mut unit = 0;
    while amount >= 999.95 && unit + 1 < UNITS.len() {
        amount /= 1000.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// A moment to the minute, UTC: `2026-11-02 10:00`.
pub(crate) fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

/// A table without lines; `right` names the columns of numbers.
pub(crate) fn table(header: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Writes a table without trailing blanks, so that output can be compared and pasted.
pub(crate) fn print(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    let text = table.to_string();
    let margin = text.lines().all(|line| line.starts_with(' ') || line.is_empty());
    for line in text.lines() {
        let line = if margin { line.get(1..).unwrap_or("") } else { line };
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A value on one line: texts without quotes, nothing as a dash, long ones cut.
pub(crate) fn brief(value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::String(text) if text.is_empty() => "—".to_owned(),
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    }
}

/// A text on one line of bearable length.
pub(crate) fn cut(text: &str) -> String {
    const LONGEST: usize = 72;
    let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &flat[..end]),
        None => flat,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{brief, count, number, print, size, table};

    #[test]
    fn numbers_have_thousands_separators() {
        assert_eq!([0, 999, 1_000, 78_412, 1_000_000].map(number), ["0", "999", "1,000", "78,412", "1,000,000"]);
        assert_eq!(
            (count(1, "record", "records"), count(2, "record", "records")),
            ("1 record".into(), "2 records".into())
        );
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        assert_eq!([0, 999, 1_000, 310_000, 999_949_999].map(size), ["0 B", "999 B", "1.0 kB", "310.0 kB", "999.9 MB"]);
        assert_eq!(size(u64::MAX), "18446744.1 TB");
    }

    #[test]
    fn a_table_has_no_blanks_at_the_ends_of_lines() {
        let mut small = table(&["object", "records"], &[1]);
        small.add_row(["Deals", "10,214"]);
        let mut out = Vec::new();
        print(&small, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "object  records\nDeals    10,214\n");
    }

    #[test]
    fn a_value_is_told_on_one_line() {
        assert_eq!(brief(&json!("two\nlines")), "two lines");
        assert_eq!(brief(&json!(null)), "—");
        assert_eq!(brief(&json!("x".repeat(100))).chars().count(), 73);
    }
}
