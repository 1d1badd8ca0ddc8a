//! How plans look: what will be written, what will not come back, what it costs and what it may set off.
//!
//! A plan is shown in words before anybody can consent to it, and what it cannot
//! do gets as much room as what it does.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::account::{Account, WRITES_A_DAY};
use crate::archive::{Archive, Error};
use crate::catalogue::ObjectName;
use crate::cli::show::conflicts::{self, ConflictView};
use crate::cli::show::{View, count, moment, number};
use crate::restore::{Counts, Dangling, Drawn, Plan};

/// How many different reasons or records of a kind are told one by one.
const TOLD: usize = 12;

/// A plan, and when the two states it was made from were seen.
pub(crate) struct PlanView<'a> {
    plan: &'a Plan,
    goal_seen: DateTime<Utc>,
    account_seen: DateTime<Utc>,
    conflicts: Vec<ConflictView>,
    /// Tokens left today, if the service told.
    tokens_left: Option<u64>,
    /// Tokens that this run may spend today and that one may spend on a whole day, where both are known.
    share: Option<(u64, u64)>,
    /// POST and PUT requests left today, if the service told.
    writes_left: Option<u64>,
}

impl<'a> PlanView<'a> {
    /// A plan beside what the archive and the account tell about it.
    pub(crate) fn new(plan: &'a Plan, archive: &Archive, account: &Account) -> Result<PlanView<'a>, Error> {
        Ok(PlanView {
            plan,
            goal_seen: archive.snapshot(&plan.goal)?.manifest().started,
            account_seen: archive.snapshot(&plan.seen)?.manifest().finished,
            conflicts: conflicts::views(archive, plan)?,
            tokens_left: account.tokens_today().map(|(left, _)| left),
            share: account.may_spend().zip(account.may_spend_a_day()),
            writes_left: account.writes_today(),
        })
    }

    /// How the plan is spread over days, where a day's tokens or writes do not suffice.
    pub(crate) fn days(&self) -> Option<String> {
        let price = self.plan.price();
        let writes = self.writes_left.and_then(|left| Days::of(price.counted, (left, WRITES_A_DAY)));
        let tokens = self.share.and_then(|share| Days::of(price.tokens(), share));
        let rations = [(writes, ("POST or PUT", "POST and PUT")), (tokens, ("token", "tokens"))];
        let rations = rations.into_iter().filter_map(|(days, words)| Some((days?, words)));
        let (Days { days, today, a_day }, (one, many)) = rations.max_by_key(|(days, _)| days.days)?;
        let (days, today, a_day) = (count(days, "day", "days"), count(today, one, many), number(a_day));
        Some(format!("about {days}: {today} today, up to {a_day} a day afterwards; \"pdbak restore --resume\" goes on"))
    }
}

/// How something that is rationed is spread over days.
#[derive(Clone, Copy)]
struct Days {
    days: u64,
    today: u64,
    a_day: u64,
}

impl Days {
    /// None where today's ration suffices, or where none of a day is known.
    fn of(needed: u64, (today, a_day): (u64, u64)) -> Option<Days> {
        let rest = needed.checked_sub(today).filter(|rest| *rest > 0 && a_day > 0)?;
        Some(Days { days: 1 + rest.div_ceil(a_day), today, a_day })
    }
}

/// `Organizations: 2 are gone, 3 records refer to them`.
pub(crate) fn gone(object: &str, found: Dangling) -> String {
    let title = ObjectName::new(object).title();
    let (are, them) = if found.records == 1 { ("is", "it") } else { ("are", "them") };
    let refer =
        if found.from == 1 { "1 record refers".to_owned() } else { format!("{} records refer", number(found.from)) };
    format!("{title}: {} {are} gone, {refer} to {them}", number(found.records))
}

/// `3 chosen of 40 that differ, 2 needed, 5 belonging to others`.
fn ways(drawn: &Drawn) -> String {
    let differ = drawn.chosen + drawn.passed_over;
    let chosen = match drawn.passed_over {
        0 if drawn.chosen == 0 => None,
        0 => Some(format!("{} chosen", number(drawn.chosen))),
        _ => Some(format!("{} of {} that differ pass the filter", number(drawn.chosen), number(differ))),
    };
    let others = [
        (drawn.needed, "needed by what comes back"),
        (drawn.belonging, "belonging to what was chosen"),
        (drawn.beyond, "further away, left out"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> =
        chosen.into_iter().chain(others.map(|(count, word)| format!("{} {word}", number(*count)))).collect();
    words.join(", ")
}

/// As JSON a plan is what `--from-plan` reads.
impl Serialize for PlanView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.plan.serialize(serializer)
    }
}

/// What a plan is called on the command line.
pub(crate) fn short(plan: &Plan) -> String {
    plan.digest()[..8].to_owned()
}

impl View for PlanView<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let plan = self.plan;
        let goal = format!("{} {} ({} UTC)", conflicts::way(plan), plan.goal.short(), moment(self.goal_seen));
        writeln!(out, "plan {}  ·  {goal}  ·  account read {} UTC", short(plan), moment(self.account_seen))?;
        if plan.is_empty() {
            writeln!(out, "  nothing to write: what was asked for is as it was")?;
        }
        self.drawn(out)?;
        self.steps(out)?;
        conflicts::text(&self.conflicts, out)?;
        self.notes(out)?;
        self.left_out(out)?;
        if plan.is_empty() {
            return Ok(());
        }
        self.side_effects(out)?;
        let price = plan.price();
        let left = self.tokens_left.map(|left| format!(" of {} left today", number(left))).unwrap_or_default();
        let time = count(price.seconds().max(1), "second", "seconds");
        let tokens = count(price.tokens(), "token", "tokens");
        writeln!(out, "  costs                about {tokens}{left} (at most {}), about {time}", number(price.most))?;
        self.days().map_or(Ok(()), |days| writeln!(out, "  takes                {days}"))
    }
}

impl PlanView<'_> {
    /// How records came to be in the plan, and what they refer to that did not.
    fn drawn(&self, out: &mut dyn Write) -> io::Result<()> {
        for (object, drawn) in &self.plan.drawn {
            writeln!(out, "  in scope             {}: {}", ObjectName::new(object).title(), ways(drawn))?;
        }
        for (object, found) in &self.plan.dangling {
            writeln!(out, "  not in scope         {}; see --missing", gone(object, *found))?;
        }
        Ok(())
    }

    /// One line a kind of write: sigil, number, word, and how many of which object.
    fn steps(&self, out: &mut dyn Write) -> io::Result<()> {
        type Kind = (&'static str, &'static str, fn(&Counts) -> u64);
        let kinds: [Kind; 10] = [
            ("+", "create again", |counts| counts.create),
            ("^", "bring back", |counts| counts.revive),
            ("*", "write back", |counts| counts.update),
            ("~", "link again", |counts| counts.relink),
            ("=", "complete", |counts| counts.complete),
            ("#", "archive", |counts| counts.archive),
            ("%", "pause", |counts| counts.pause),
            ("-", "delete", |counts| counts.delete),
            ("-", "keep out", |counts| counts.expel),
            ("-", "trim", |counts| counts.trim),
        ];
        let summary = self.plan.summary();
        for (sigil, word, of) in kinds {
            let total: u64 = summary.objects.values().map(of).sum();
            if total > 0 {
                let parts = summary.objects.iter().filter(|(_, counts)| of(counts) > 0);
                let parts: Vec<String> =
                    parts.map(|(title, counts)| format!("{title} {}", number(of(counts)))).collect();
                writeln!(out, "  {sigil} {:>6}  {word:12} {}", number(total), parts.join(", "))?;
            }
        }
        let clears: usize = self.plan.steps().iter().map(|step| step.clears.len()).sum();
        if clears > 0 {
            writeln!(out, "  ! {:>6}  clear        values that were empty in the snapshot", number(clears as u64))?;
        }
        Ok(())
    }

    /// What a person should know of single steps, and what is kept on purpose.
    fn notes(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut told: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for step in self.plan.steps() {
            for note in &step.notes {
                told.entry(note).or_default().push(step.record().to_string());
            }
        }
        for kept in &self.plan.kept {
            told.entry(&kept.why).or_default().push(kept.record.to_string());
        }
        self.grouped("note", told, out)
    }

    /// A line for each text with the records it is about.
    fn grouped(&self, word: &str, told: BTreeMap<&str, Vec<String>>, out: &mut dyn Write) -> io::Result<()> {
        let more = told.len().saturating_sub(TOLD);
        for (text, records) in told.into_iter().take(TOLD) {
            let about = match records.as_slice() {
                [one] => one.clone(),
                [one, two] => format!("{one}, {two}"),
                many => format!("{} and {} more", many[0], number(many.len() as u64 - 1)),
            };
            writeln!(out, "  {word:20} {about}: {text}")?;
        }
        match more {
            0 => Ok(()),
            more => writeln!(out, "  {word:20} and {} more, in the plan's JSON form", number(more as u64)),
        }
    }

    fn left_out(&self, out: &mut dyn Write) -> io::Result<()> {
        let left_out = self.plan.summary().left_out;
        for (title, why, records) in left_out.iter().take(TOLD) {
            writeln!(out, "  will not come back   {title} ({}): {why}", number(*records))?;
        }
        if left_out.len() > TOLD {
            let more = number((left_out.len() - TOLD) as u64);
            writeln!(out, "  will not come back   and {more} more reasons, in the plan's JSON form")?;
        }
        for nature in &self.plan.by_nature {
            let title = ObjectName::new(&nature.object).title();
            let fields = if nature.fields.is_empty() { "id".to_owned() } else { nature.fields.join(", ") };
            writeln!(out, "  comes back changed   {title} ({}): {fields}", number(nature.records))?;
        }
        Ok(())
    }

    fn side_effects(&self, out: &mut dyn Write) -> io::Result<()> {
        let effects = self.plan.side_effects();
        let mut told = Vec::new();
        if effects.webhooks > 0 {
            told.push(count(effects.webhooks, "webhook", "webhooks"));
        }
        if !effects.automations.is_empty() {
            told.push(format!("automations and notifications on {}", effects.automations.join(", ")));
        }
        if effects.new_users > 0 {
            told.push(count(
                effects.new_users,
                "new user with a mail and a paid seat",
                "new users, each with a mail and a paid seat",
            ));
        }
        if effects.invitations > 0 {
            told.push(count(effects.invitations, "invitation", "invitations"));
        }
        match told.is_empty() {
            true => Ok(()),
            false => writeln!(out, "  may set off          {}", told.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_today_does_not_suffice_for_takes_the_days_that_the_rest_needs() {
        let days = |needed, ration| Days::of(needed, ration).map(|days| days.days);
        assert_eq!(days(9_000, (9_000, 10_000)), None);
        assert_eq!(days(9_001, (9_000, 10_000)), Some(2));
        assert_eq!(days(29_000, (9_000, 10_000)), Some(3));
        assert_eq!(days(10_000, (0, 10_000)), Some(2));
        assert_eq!(days(5, (0, 0)), None, "nobody knows");
    }
}
