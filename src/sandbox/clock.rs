//! The sandbox's own time, and the forms in which the service writes it.
//!
//! A story about a purge after 30 days cannot wait for one, so the clock can be moved; it goes on ticking, since the burst window is
//! measured in seconds that pass.

use std::time::Instant;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use crate::sandbox::kinds::Times;

/// A clock that starts where it is told and can be moved.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    base: DateTime<Utc>,
    since: Instant,
}

impl Clock {
    /// A clock that shows `now` now.
    pub(super) fn starting(now: DateTime<Utc>) -> Self {
        Self { base: now, since: Instant::now() }
    }

    /// What the clock shows.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.base + TimeDelta::from_std(self.since.elapsed()).unwrap_or_else(|_| TimeDelta::zero())
    }

    /// Moves the clock; it may go back.
    pub(super) fn set(&mut self, now: DateTime<Utc>) {
        *self = Self::starting(now);
    }
}

/// A time in the form of a kind.
pub(super) fn written(time: DateTime<Utc>, times: Times) -> String {
    let form = match times {
        Times::Zoned => "%Y-%m-%dT%H:%M:%SZ",
        Times::Plain => "%Y-%m-%d %H:%M:%S",
        Times::Millis => "%Y-%m-%dT%H:%M:%S%.3fZ",
    };
    time.format(form).to_string()
}

/// Reads a time in any of the service's forms.
pub(super) fn read(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").map(|time| time.and_utc()))
        .ok()
}

/// Reads the value of `updated_since`: RFC 3339, whole seconds only. api/objects.md: both refuse fractional seconds with 400.
pub(super) fn read_since(text: &str) -> Option<DateTime<Utc>> {
    if text.contains('.') {
        return None;
    }
    DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc)).ok()
}

/// Whether the text is a calendar day `YYYY-MM-DD`.
pub(super) fn is_day(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Times, read, read_since, written};

    #[test]
    fn each_form_is_read_back() {
        let time = read("2024-01-02T03:04:05Z").unwrap();
        for times in [Times::Zoned, Times::Plain, Times::Millis] {
            assert_eq!(read(&written(time, times)), Some(time));
        }
    }

    #[test]
    fn fractions_of_a_second_are_refused_in_updated_since() {
        assert!(read_since("2024-01-02T03:04:05Z").is_some());
        assert!(read_since("2024-01-02T03:04:05.000Z").is_none());
        assert!(read_since("2024-01-02 03:04:05").is_none());
    }
}
