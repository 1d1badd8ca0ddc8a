//! `[schedule]` of the configuration file, and what it means.

use std::num::NonZeroU32;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use crate::archive::{Policy, Span};
use crate::schedule::due::When;
use crate::schedule::every::Every;
use crate::schedule::state::State;

/// Nobody wants a run to begin half a day later than its time.
const MOST_JITTER: TimeDelta = TimeDelta::hours(12);

/// What stands in the file, word by word.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    cron: Option<String>,
    time_zone: Option<String>,
    jitter: Option<String>,
    catch_up: Option<bool>,
    forget: Option<Keep>,
    prune: Option<String>,
    check: Option<String>,
    drill: Option<String>,
    offsite: Option<Vec<String>>,
    /// Tags that each snapshot of the schedule gets.
    #[serde(default)]
    pub tags: Vec<String>,
    /// How much a snapshot of the schedule may spend, if not what the profile says.
    pub budget: Option<String>,
    /// The share of its sweep, in percent, likewise.
    pub sweep: Option<u8>,
}

/// `[schedule.forget]`: the words of `pdbak forget`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keep {
    keep_last: Option<Amount>,
    keep_hourly: Option<Amount>,
    keep_daily: Option<Amount>,
    keep_weekly: Option<Amount>,
    keep_monthly: Option<Amount>,
    keep_yearly: Option<Amount>,
    keep_within: Option<String>,
    #[serde(default)]
    keep_tag: Vec<String>,
}

/// A number, or `"all"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(u32),
    Word(String),
}

/// What a schedule means.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    /// Its times.
    pub when: When,
    /// Whether a run that was missed is made up for.
    pub catch_up: bool,
    /// What is kept; nothing is forgotten without it.
    pub forget: Option<Policy>,
    /// How often room is given back.
    pub prune: Every,
    /// What of the archive is read again.
    pub check: Checks,
    /// How often a restore is tried.
    pub drill: Every,
    /// The names of the targets that get a copy.
    pub targets: Vec<String>,
}

/// What a run checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checks {
    /// Nothing.
    Never,
    /// Manifests, names and lengths.
    Structure,
    /// The same, and every byte of one of so many equal shares, in turn.
    Share(NonZeroU32),
    /// The same, and so often every byte.
    Whole(Every),
}

/// A word of the file that makes no sense, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("[schedule] {field}: {fact}")]
pub struct Unfit {
    field: &'static str,
    fact: String,
}

fn unfit(field: &'static str, fact: impl ToString) -> Unfit {
    Unfit { field, fact: fact.to_string() }
}

impl Settings {
    /// Reads what the words mean, where these targets are known.
    pub fn read(&self, known: &[String]) -> Result<Schedule, Unfit> {
        let pattern = self.cron.as_deref().ok_or_else(|| unfit("cron", "is missing: write cron = \"15 2 * * *\""))?;
        let jitter =
            self.jitter.as_deref().map_or(Ok(TimeDelta::zero()), jitter).map_err(|fact| unfit("jitter", fact))?;
        let when =
            When::new(pattern, self.zone()?, jitter).map_err(|fact| unfit("cron", format!("{pattern}: {fact}")))?;
        let every = |field: &'static str, text: &Option<String>, usual: Every| match text {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|fact: String| unfit(field, fact)),
        };
        let weekly = Every::from_str("weekly").expect("a word that is read");
        let monthly = Every::from_str("monthly").expect("a word that is read");
        let forget = self.forget.as_ref().map(Keep::policy).transpose()?;
        let prune = every("prune", &self.prune, if forget.is_some() { weekly } else { Every::NEVER })?;
        let check = self.check.as_deref().unwrap_or("1/7").parse().map_err(|fact: String| unfit("check", fact))?;
        let drill = every("drill", &self.drill, monthly)?;
        if let Some(sweep) = self.sweep.filter(|sweep| *sweep > 100) {
            return Err(unfit("sweep", format!("{sweep} is more than 100 percent")));
        }
        let catch_up = self.catch_up.unwrap_or(true);
        Ok(Schedule { when, catch_up, forget, prune, check, drill, targets: self.targets(known)? })
    }

    fn zone(&self) -> Result<Tz, Unfit> {
        let Some(name) = &self.time_zone else {
            // A machine that does not know where it stands counts in UTC.
            let name = iana_time_zone::get_timezone().unwrap_or_default();
            return Ok(name.parse().unwrap_or(Tz::UTC));
        };
        name.parse().map_err(|_| {
            unfit(
                "time_zone",
                format!("{name} is no zone; they are called \"Europe/Tallinn\", \"America/New_York\" or \"UTC\""),
            )
        })
    }

    fn targets(&self, known: &[String]) -> Result<Vec<String>, Unfit> {
        let Some(wanted) = &self.offsite else { return Ok(known.to_vec()) };
        match wanted.iter().find(|name| !known.contains(name)) {
            None => Ok(wanted.clone()),
            Some(name) => Err(unfit("offsite", format!("there is no [offsite.{name}]"))),
        }
    }
}

impl Keep {
    fn policy(&self) -> Result<Policy, Unfit> {
        let amount = |field: &'static str, amount: &Option<Amount>| match amount {
            None => Ok(0),
            Some(Amount::Number(number)) => Ok(*number),
            Some(Amount::Word(word)) if ["all", "unlimited"].contains(&word.as_str()) => Ok(u32::MAX),
            Some(Amount::Word(word)) => Err(unfit(field, format!("{word} is neither a number nor \"all\""))),
        };
        let within = self.keep_within.as_deref().map(Span::from_str).transpose();
        let policy = Policy {
            last: amount("forget.keep_last", &self.keep_last)?,
            hourly: amount("forget.keep_hourly", &self.keep_hourly)?,
            daily: amount("forget.keep_daily", &self.keep_daily)?,
            weekly: amount("forget.keep_weekly", &self.keep_weekly)?,
            monthly: amount("forget.keep_monthly", &self.keep_monthly)?,
            yearly: amount("forget.keep_yearly", &self.keep_yearly)?,
            within: within.map_err(|fact| unfit("forget.keep_within", fact))?,
            tags: self.keep_tag.iter().map(|list| list.split(',').map(str::to_owned).collect()).collect(),
        };
        match policy.is_empty() {
            true => Err(unfit(
                "forget",
                "no rule keeps anything: write keep_daily = 7 or the like, or leave [schedule.forget] out",
            )),
            false => Ok(policy),
        }
    }
}

/// Reads a short time: `90s`, `20m`, `1h`.
fn jitter(text: &str) -> Result<TimeDelta, String> {
    let refuse = || format!("{text} is no time such as 20m or 1h, at most {} hours", MOST_JITTER.num_hours());
    let seconds = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        _ => return Err(refuse()),
    };
    let number: u16 = text[..text.len() - 1].parse().map_err(|_| refuse())?;
    let time = TimeDelta::seconds(i64::from(number) * seconds);
    if time <= MOST_JITTER { Ok(time) } else { Err(refuse()) }
}

impl Checks {
    /// How often anything is checked.
    pub fn every(self) -> Every {
        if self == Checks::Never { Every::NEVER } else { Every::RUN }
    }

    /// The share that is read in this run: `(turn, of)`, turns counted from 1; `None` for the structure only.
    pub fn share(self, state: &State, now: DateTime<Utc>) -> Option<(u32, u32)> {
        match self {
            Checks::Never | Checks::Structure => None,
            Checks::Share(of) => Some((state.share_read % of.get() + 1, of.get())),
            Checks::Whole(every) => every.is_due(state.all_read, now).then_some((1, 1)),
        }
    }
}

impl FromStr for Checks {
    type Err = String;

    fn from_str(text: &str) -> Result<Checks, String> {
        match text {
            "never" => return Ok(Checks::Never),
            "structure" => return Ok(Checks::Structure),
            _ => {}
        }
        if let Some(of) = text.strip_prefix("1/").and_then(|of| of.parse::<NonZeroU32>().ok()) {
            return Ok(Checks::Share(of));
        }
        text.parse().map(Checks::Whole).map_err(|_| {
            format!(
                "{text} says nothing to check: write \"1/7\" for a seventh of the data with each run, \"weekly\" or the like for all of it, \
                 \"structure\" or \"never\""
            )
        })
    }
}

impl std::fmt::Display for Checks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Checks::Never => out.write_str("never"),
            Checks::Structure => out.write_str("structure"),
            Checks::Share(of) => write!(out, "1/{of}"),
            Checks::Whole(every) => every.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Schedule, Settings};
    use crate::schedule::{Every, State};

    fn read(text: &str) -> Result<Schedule, String> {
        let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.read(&["disk".to_owned(), "vault".to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_pattern_alone_is_a_schedule_that_forgets_nothing() {
        let schedule = read("cron = \"15 2 * * *\"\ntime_zone = \"Europe/Tallinn\"\n").unwrap();
        assert_eq!((schedule.forget, schedule.prune), (None, Every::NEVER));
        assert_eq!((schedule.check.to_string(), schedule.drill.to_string()), ("1/7".into(), "monthly".into()));
        assert_eq!(schedule.targets, ["disk", "vault"]);
        assert!(schedule.catch_up);
    }

    #[test]
    fn the_words_of_forget_are_those_of_the_command() {
        let text = "cron = \"@daily\"\n[forget]\nkeep_daily = 7\nkeep_yearly = \"all\"\nkeep_within = \"30d\"\nkeep_tag = [\"a,b\"]\n";
        let schedule = read(text).unwrap();
        let policy = schedule.forget.unwrap();
        assert_eq!((policy.daily, policy.yearly, policy.last), (7, u32::MAX, 0));
        assert_eq!((policy.within, policy.tags), ("30d".parse().ok(), vec![vec!["a".to_owned(), "b".to_owned()]]));
        assert_eq!(schedule.prune.to_string(), "weekly");
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_place() {
        for (text, told) in [
            ("", "cron: is missing"),
            ("cron = \"15 2\"", "cron: 15 2: "),
            ("cron = \"@daily\"\ntime_zone = \"Tallinn\"", "time_zone: Tallinn is no zone"),
            ("cron = \"@daily\"\njitter = \"13h\"", "jitter: 13h"),
            ("cron = \"@daily\"\nprune = \"often\"", "prune: often"),
            ("cron = \"@daily\"\ncheck = \"2/7\"", "check: 2/7"),
            ("cron = \"@daily\"\ncheck = \"1/0\"", "check: 1/0"),
            ("cron = \"@daily\"\noffsite = [\"moon\"]", "offsite: there is no [offsite.moon]"),
            ("cron = \"@daily\"\n[forget]\n", "forget: no rule"),
            ("cron = \"@daily\"\n[forget]\nkeep_daily = \"few\"", "forget.keep_daily: few"),
            ("cron = \"@daily\"\nevery = 3", "unknown field `every`"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(told), "{text}: {refused}");
        }
    }

    #[test]
    fn shares_take_turns_and_the_whole_has_its_time() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let mut state = State::default();
        let third = read("cron = \"@daily\"\ncheck = \"1/3\"").unwrap().check;
        let turns = [0, 1, 2, 3].map(|read| {
            state.share_read = read;
            third.share(&state, now)
        });
        assert_eq!(turns, [Some((1, 3)), Some((2, 3)), Some((3, 3)), Some((1, 3))]);
        let weekly = read("cron = \"@daily\"\ncheck = \"weekly\"").unwrap().check;
        assert_eq!(weekly.share(&state, now), Some((1, 1)));
        state.all_read = Some(now);
        assert_eq!(weekly.share(&state, now + TimeDelta::days(3)), None);
    }
}
