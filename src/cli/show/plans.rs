//! How plans look: what will be written, what will not come back, what it costs and what it may set off.
//!
//! A plan is shown in words before anybody can consent to it, and what it cannot
//! do gets as much room as what it does.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::catalogue::ObjectName;
use crate::cli::show::{View, conflicts, count, moment, number};
use crate::restore::{Counts, Plan};

/// How many different reasons or records of a kind are told one by one.
const TOLD: usize = 12;

/// A plan, and when the two states it was made from were seen.
pub(crate) struct PlanView<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) goal_seen: DateTime<Utc>,
    pub(crate) account_seen: DateTime<Utc>,
    /// Tokens left today, if the service told.
    pub(crate) tokens_left: Option<u64>,
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
        self.steps(out)?;
        conflicts::text(self.plan, out)?;
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
        writeln!(out, "  costs                about {tokens}{left} (at most {}), about {time}", number(price.most))
    }
}

impl PlanView<'_> {
    /// One line a kind of write: sigil, number, word, and how many of which object.
    fn steps(&self, out: &mut dyn Write) -> io::Result<()> {
        type Kind = (&'static str, &'static str, fn(&Counts) -> u64);
        let kinds: [Kind; 9] = [
            ("+", "create again", |counts| counts.create),
            ("^", "bring back", |counts| counts.revive),
            ("*", "write back", |counts| counts.update),
            ("~", "link again", |counts| counts.relink),
            ("=", "complete", |counts| counts.complete),
            ("#", "archive", |counts| counts.archive),
            ("%", "pause", |counts| counts.pause),
            ("-", "delete", |counts| counts.delete),
            ("-", "keep out", |counts| counts.expel),
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
