//! Seconds since 1970 as the texts the service shows.
//!
//! A row carries up to eight times; chrono's formatter would cost more than the rest of the row, so the calendar is worked out here
//! and chrono only checks it in the tests.

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Year, month and day of a second (Hinnant's `civil_from_days`).
fn civil(seconds: i64) -> (i64, i64, i64) {
    let days = seconds.div_euclid(DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn two(text: &mut String, number: i64) {
    text.push((b'0' + (number / 10 % 10) as u8) as char);
    text.push((b'0' + (number % 10) as u8) as char);
}

fn push_date(text: &mut String, seconds: i64) {
    let (year, month, day) = civil(seconds);
    two(text, year / 100);
    two(text, year);
    text.push('-');
    two(text, month);
    text.push('-');
    two(text, day);
}

fn push_clock(text: &mut String, seconds: i64) {
    let seconds = seconds.rem_euclid(DAY);
    two(text, seconds / 3600);
    text.push(':');
    two(text, seconds / 60 % 60);
    text.push(':');
    two(text, seconds % 60);
}

/// `2024-01-31`.
pub(super) fn date(seconds: i64) -> String {
    let mut text = String::with_capacity(10);
    push_date(&mut text, seconds);
    text
}

/// `09:30:00`.
pub(super) fn clock(seconds: i64) -> String {
    let mut text = String::with_capacity(8);
    push_clock(&mut text, seconds);
    text
}

/// The form of v2: `2024-01-31T09:30:00Z`.
pub(super) fn rfc3339(seconds: i64) -> String {
    let mut text = String::with_capacity(20);
    push_date(&mut text, seconds);
    text.push('T');
    push_clock(&mut text, seconds);
    text.push('Z');
    text
}

/// The form of v1: `2024-01-31 09:30:00`.
pub(super) fn plain(seconds: i64) -> String {
    let mut text = String::with_capacity(19);
    push_date(&mut text, seconds);
    text.push(' ');
    push_clock(&mut text, seconds);
    text
}

/// The form of leads, lead labels and webhooks: `2024-01-31T09:30:00.551Z`.
pub(super) fn millis(seconds: i64, thousandths: u64) -> String {
    let mut text = rfc3339(seconds);
    text.pop();
    text.push_str(&format!(".{thousandths:03}Z"));
    text
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    #[test]
    fn every_form_agrees_with_the_calendar() {
        for seconds in (-2_000_000_000..4_000_000_000_i64).step_by(7_654_321) {
            let moment = DateTime::from_timestamp(seconds, 0).unwrap();
            assert_eq!(super::rfc3339(seconds), moment.format("%Y-%m-%dT%H:%M:%SZ").to_string());
            assert_eq!(super::plain(seconds), moment.format("%Y-%m-%d %H:%M:%S").to_string());
            assert_eq!(super::date(seconds), moment.format("%Y-%m-%d").to_string());
            assert_eq!(super::clock(seconds), moment.format("%H:%M:%S").to_string());
        }
        assert_eq!(super::millis(0, 7), "1970-01-01T00:00:00.007Z");
    }
}
