//! How the price of a capture looks before it is paid.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::account::{Account, Spent};
use crate::capture::{Basis, Course, Expected, Forecast};
use crate::catalogue::ObjectName;
use crate::cli::show::{View, count, moment, number, print, table};

/// One object of a forecast.
#[derive(Serialize)]
struct PriceLine {
    #[serde(skip)]
    title: String,
    requests: u64,
    tokens: u64,
    basis: Basis,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Tokens of first looks that later snapshots take.
    #[serde(skip_serializing_if = "is_nothing")]
    later_tokens: u64,
}

/// What there is to spend.
#[derive(Serialize)]
struct Today {
    /// Tokens left today; absent where the account does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    /// Tokens of a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// What this run may spend of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<u64>,
    /// What a run may spend of a whole day.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_a_day: Option<u64>,
    /// The forecast's share of what this run may spend, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_percent: Option<f64>,
}

/// The price of the next capture.
#[derive(Serialize)]
pub(crate) struct ForecastView {
    requests: u64,
    tokens: u64,
    at_least: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<u64>,
    /// The snapshot by which it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_snapshot: Option<String>,
    /// It is what is left of a capture that is not at its end.
    goes_on: bool,
    today: Today,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<DateTime<Utc>>,
    #[serde(serialize_with = "by_title")]
    objects: Vec<PriceLine>,
    /// What the forecast itself cost.
    asking: Asking,
    #[serde(skip)]
    now: DateTime<Utc>,
}

#[derive(Serialize)]
struct Asking {
    requests: u64,
    tokens: u64,
}

fn is_nothing(tokens: &u64) -> bool {
    *tokens == 0
}

fn by_title<S: Serializer>(objects: &[PriceLine], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(objects.len()))?;
    for object in objects {
        map.serialize_entry(&object.title, object)?;
    }
    map.end()
}

impl PriceLine {
    fn of(expected: &Expected) -> PriceLine {
        let Expected { object, requests, tokens, basis, later } = *expected;
        let reason = match basis {
            Basis::Known | Basis::Snapshot => None,
            Basis::Counted => Some("estimated by both ends of the list"),
            Basis::AtMost => Some("at most: not looked at yet, there may be nothing"),
            Basis::AtLeast => Some("at least: nothing tells how many before they are read"),
        };
        let title = ObjectName::known(object).title();
        PriceLine { title, requests, tokens, basis, reason, later_tokens: later }
    }

    fn remark(&self) -> String {
        let later = (self.later_tokens > 0)
            .then(|| format!("{} more by turns, in the next snapshots", count(self.later_tokens, "token", "tokens")));
        self.reason.map(str::to_owned).into_iter().chain(later).collect::<Vec<_>>().join("; ")
    }
}

impl ForecastView {
    /// The forecast, beside what the account says it has left.
    pub(crate) fn of(forecast: &Forecast, account: &Account) -> ForecastView {
        let (today, budget) = (account.tokens_today(), account.may_spend());
        let share = budget.filter(|budget| *budget > 0).map(|budget| {
            let tenths = forecast.tokens as f64 * 1000.0 / budget as f64;
            tenths.round() / 10.0
        });
        let Spent { requests, tokens } = account.spent();
        ForecastView {
            requests: forecast.requests,
            tokens: forecast.tokens,
            at_least: forecast.at_least,
            at_most: forecast.at_most,
            by_snapshot: forecast.below.as_ref().map(|id| id.0.clone()),
            goes_on: forecast.goes_on,
            today: Today {
                left: today.map(|(left, _)| left),
                limit: today.map(|(_, limit)| limit),
                budget,
                budget_a_day: account.may_spend_a_day(),
                share_percent: share,
            },
            days: forecast.course.map(|course| course.days),
            ends: forecast.course.map(|Course { ends, .. }| ends),
            objects: forecast.objects.iter().map(PriceLine::of).collect(),
            asking: Asking { requests, tokens },
            now: account.now(),
        }
    }

    /// The price in words: `about 12,400 tokens in 610 requests`.
    fn price(&self) -> String {
        let price =
            format!("{} in {}", count(self.tokens, "token", "tokens"), count(self.requests, "request", "requests"));
        let is = |basis| self.objects.iter().any(|object| object.basis == basis);
        match (is(Basis::AtLeast), is(Basis::Counted)) {
            (true, _) => format!("at least about {price}"),
            (false, true) => format!("about {price}"),
            (false, false) => price,
        }
    }

    fn range(&self) -> Option<String> {
        let is_range = self.at_least < self.tokens || self.at_most.is_some_and(|most| most > self.tokens);
        is_range.then(|| match self.at_most {
            Some(most) => format!("not less than {}, not more than {}", number(self.at_least), number(most)),
            None => format!("not less than {}", number(self.at_least)),
        })
    }

    /// On what condition that holds.
    fn condition(&self) -> String {
        match (&self.by_snapshot, self.goes_on) {
            (Some(id), false) => {
                format!("if nothing changed since snapshot {}; what did comes on top", &id[..id.len().min(8)])
            }
            (Some(_), true) => {
                "left of the capture that is under way, if nothing changed; what did comes on top".to_owned()
            }
            (None, true) => "left of the first capture, which is under way".to_owned(),
            (None, false) => "for the first snapshot".to_owned(),
        }
    }

    fn budget(&self) -> String {
        let Today { left, limit, budget, share_percent, .. } = &self.today;
        let told = match (left, limit) {
            (Some(left), Some(limit)) => format!("{} of {} tokens are left today", number(*left), number(*limit)),
            _ => "the account does not say how many tokens are left today".to_owned(),
        };
        let Some(budget) = budget else { return told };
        let kept = left.map(|left| format!(", {} stay untouched", number(left.saturating_sub(*budget))));
        let share = share_percent.map(|share| format!("; the forecast is {share} % of that"));
        format!(
            "{told}; this run may spend {}{}{}",
            number(*budget),
            kept.unwrap_or_default(),
            share.unwrap_or_default()
        )
    }

    fn end(&self) -> String {
        match (self.days, self.ends) {
            (Some(1), Some(ends)) => match (ends - self.now).num_seconds().max(0) as u64 {
                0 => "done today".to_owned(),
                seconds if seconds < 120 => format!("done in about {}", count(seconds, "second", "seconds")),
                seconds => format!("done in about {} ({} UTC)", count(seconds / 60, "minute", "minutes"), moment(ends)),
            },
            (Some(days), Some(ends)) => {
                let a_day = self.today.budget_a_day.unwrap_or(0);
                format!(
                    "done on {} UTC at the earliest, on the {} day: run \"pdbak snapshot\" again each day, it goes on and spends up to {} a day",
                    moment(ends),
                    ordinal(days),
                    count(a_day, "token", "tokens")
                )
            }
            _ => "never done: nothing may be spent; give it more with --budget".to_owned(),
        }
    }
}

/// `2nd`, `3rd`, `11th`.
fn ordinal(number: u64) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

impl View for ForecastView {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines = table(&["object", "requests", "tokens", ""], &[1, 2]);
        for object in &self.objects {
            lines.add_row([object.title.clone(), number(object.requests), number(object.tokens), object.remark()]);
        }
        print(&lines, out)?;
        writeln!(out, "\nin all    {}, {}", self.price(), self.condition())?;
        if let Some(range) = self.range() {
            writeln!(out, "          {range}")?;
        }
        writeln!(out, "budget    {}", self.budget())?;
        writeln!(out, "end       {}", self.end())?;
        let Asking { requests, tokens } = self.asking;
        let asked = (count(tokens, "token", "tokens"), count(requests, "request", "requests"));
        writeln!(out, "nothing was captured; asking for this cost {} in {}", asked.0, asked.1)
    }
}

#[cfg(test)]
mod tests {
    use super::ordinal;

    #[test]
    fn days_are_counted_in_english() {
        assert_eq!([2, 3, 4, 11, 12, 21, 22].map(ordinal), ["2nd", "3rd", "4th", "11th", "12th", "21st", "22nd"]);
    }
}
