//! How often something is done: `weekly`, `10d`, or never.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

/// The words people use, and how many hours each is.
const WORDS: &[(&str, i64)] = &[
    ("hourly", 1),
    ("daily", 24),
    ("weekly", 7 * 24),
    ("monthly", 30 * 24),
    ("quarterly", 91 * 24),
    ("yearly", 365 * 24),
];
/// The units of a number, likewise.
const UNITS: &[(char, i64)] = &[('h', 1), ('d', 24), ('w', 7 * 24), ('m', 30 * 24), ('y', 365 * 24)];

/// How often something is done, in hours; `None` is never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Every(Option<i64>);

impl Every {
    /// Not at all.
    pub const NEVER: Every = Every(None);
    /// With each run.
    pub const RUN: Every = Every(Some(0));

    /// Whether it is done at all.
    pub fn is_never(self) -> bool {
        self == Every::NEVER
    }

    /// When it is due again after it was done; `None` for never.
    ///
    /// A tenth of the time, at most half a day, is given away: otherwise a weekly step of a nightly run that began a
    /// minute earlier than last week would wait for the night after.
    pub fn after(self, done: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let hours = self.0?;
        let early = (TimeDelta::hours(hours) / 10).min(TimeDelta::hours(12));
        done.checked_add_signed(TimeDelta::hours(hours) - early)
    }

    /// Whether it is due; what was never done, or is said to have been done in days to come, is.
    pub fn is_due(self, done: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let known = done.filter(|done| *done <= now + TimeDelta::days(1));
        match known {
            None => !self.is_never(),
            Some(done) => self.after(done).is_some_and(|due| due <= now),
        }
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Every, String> {
        match text {
            "never" => return Ok(Every::NEVER),
            "always" => return Ok(Every::RUN),
            _ => {}
        }
        if let Some((_, hours)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(Every(Some(*hours)));
        }
        let unit = text.chars().last().and_then(|last| UNITS.iter().find(|(unit, _)| *unit == last));
        let number = unit.and_then(|(unit, hours)| Some((text.strip_suffix(*unit)?.parse::<u16>().ok()?, hours)));
        match number {
            Some((number, hours)) if number > 0 => Ok(Every(Some(i64::from(number) * hours))),
            _ => Err(format!(
                "{text} says no time: write \"weekly\", \"monthly\" or the like, a number such as 10d or 12h, \"always\" or \"never\""
            )),
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => out.write_str("never"),
            Some(0) => out.write_str("always"),
            Some(hours) => match WORDS.iter().find(|(_, of_word)| *of_word == hours) {
                Some((word, _)) => out.write_str(word),
                None if hours % 24 == 0 => write!(out, "{}d", hours / 24),
                None => write!(out, "{hours}h"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::Every;

    #[test]
    fn words_and_numbers_are_read_and_written_back() {
        for text in ["never", "always", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "10d", "12h"] {
            assert_eq!(text.parse::<Every>().unwrap().to_string(), text);
        }
        assert_eq!("2w".parse::<Every>().unwrap().to_string(), "14d");
        for text in ["", "d", "0d", "-1d", "sometimes", "1.5d", "7", "99999d"] {
            assert!(text.parse::<Every>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_weekly_step_of_a_nightly_run_is_due_every_seventh_night() {
        let weekly: Every = "weekly".parse().unwrap();
        let done = DateTime::<Utc>::UNIX_EPOCH;
        let night = |number: i64| done + TimeDelta::days(number) - TimeDelta::minutes(20);
        assert!(!weekly.is_due(Some(done), night(6)) && weekly.is_due(Some(done), night(7)));
    }

    #[test]
    fn what_was_never_done_or_is_done_in_the_future_is_due() {
        let (now, later) = (DateTime::<Utc>::UNIX_EPOCH, DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(30));
        let monthly: Every = "monthly".parse().unwrap();
        assert!(monthly.is_due(None, now) && monthly.is_due(Some(later), now) && !monthly.is_due(Some(now), now));
        assert!(!Every::NEVER.is_due(None, now) && Every::RUN.is_due(Some(now), now));
    }
}
