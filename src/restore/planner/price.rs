//! What a plan costs: what is likely to be spent, and the most that can be.
//!
//! The likely figure follows the replay request by request: looks ahead by a hundred
//! ids, one page for each list that has to be looked at, writes that turn out to be
//! needed, the reading back. Where the service decides (does a new deal's owner follow
//! it, does a deal come back with its id) it is taken to do what the API notes
//! hold for likely; the most is what it costs if each of these goes the dear way.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::catalogue::{self, Call, Object, ObjectName, Version};
use crate::record::RecordId;
use crate::restore::cases::object_of;
use crate::restore::fill::{BodyText, Fill};
use crate::restore::plan::{Action, Create, Expel, Look, Price, Reason, Step};
use crate::restore::planner::home;
use crate::restore::rules;

/// How many records one read by ids brings (api/objects.md: `ids=` with up to 100).
const BULK: u64 = 100;

/// Tokens and requests.
#[derive(Clone, Copy, Default)]
struct Cost {
    tokens: u64,
    requests: u64,
}

impl Cost {
    fn of(tokens: u64, requests: u64) -> Cost {
        Cost { tokens, requests }
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.tokens += other.tokens;
        self.requests += other.requests;
    }
}

/// What the plan costs.
pub(in crate::restore) fn price(steps: &[Step]) -> Price {
    let hosts = Hosts::of(steps);
    let mut likely = Likely::default();
    for step in steps {
        likely.step(step, &hosts);
    }
    let (writes, counted) = (likely.writes, likely.counted);
    let reads = likely.reads();
    let most = steps.iter().map(|step| step.price).sum::<u64>() + looks(steps).max(reads.tokens);
    Price {
        writes: writes.tokens,
        reads: reads.tokens,
        requests: writes.requests + reads.requests,
        most: most.max(writes.tokens + reads.tokens),
        counted,
    }
}

/// How the records that parts belong to come about.
struct Hosts<'s> {
    made: HashMap<&'s RecordId, &'s BodyText>,
    revived: BTreeSet<&'s RecordId>,
}

impl<'s> Hosts<'s> {
    fn of(steps: &'s [Step]) -> Hosts<'s> {
        let mut hosts = Hosts { made: HashMap::new(), revived: BTreeSet::new() };
        for step in steps {
            match &step.action {
                Action::Revive { create, .. } if object_of(&create.record).is_some_and(comes_back) => {
                    hosts.revived.insert(&create.record);
                }
                Action::Create(create) | Action::Revive { create, .. } => {
                    hosts.made.insert(&create.record, &create.body);
                }
                _ => {}
            }
        }
        hosts
    }

    /// Whether the service has likely put the part there when its turn comes.
    fn brings(&self, part: &'static Object, create: &Create) -> bool {
        let Some(Fill::IdOf(host)) = create.under.as_deref() else { return false };
        if self.revived.contains(host) {
            // Unless it names somebody who was made again.
            return create.body.fields().values().all(|fill| fill.needs().is_empty());
        }
        let beside = rules::added_beside(part.name).and_then(|field| self.made.get(host)?.fields().remove(field));
        beside.is_some_and(|member| create.body.fields().values().any(|fill| *fill == member))
    }

    /// Whether the service has likely added the row that is to be removed.
    fn added(&self, expel: &Expel) -> bool {
        match self.revived.contains(&expel.host) {
            // It came back with the rows that it had; one is added only for somebody who was made again.
            true => expel.member.fields().values().any(|fill| !fill.needs().is_empty()),
            false => self.made.contains_key(&expel.host) || expel.part == "dealParticipants",
        }
    }
}

/// What is likely to be spent.
#[derive(Default)]
struct Likely<'s> {
    writes: Cost,
    counted: u64,
    single: Cost,
    /// Records looked at by ids before they are written, and for what.
    ahead: BTreeMap<(&'static str, u8), BTreeSet<&'s RecordId>>,
    lists: BTreeSet<(&'static str, String)>,
    touched: BTreeMap<&'static str, BTreeSet<&'s RecordId>>,
}

impl<'s> Likely<'s> {
    fn step(&mut self, step: &'s Step, hosts: &Hosts<'_>) {
        let record = step.record();
        let Some(object) = object_of(record).map(home) else { return };
        let mut write = Some(step.price);
        match &step.action {
            Action::Create(create) => {
                match create.look {
                    Look::No => {}
                    Look::ById => self.single += one(object),
                    Look::UnderParent => self.list(object, create.under.as_deref()),
                }
                if create.look == Look::UnderParent && hosts.brings(object, create) {
                    write = None;
                }
            }
            // Read, tried to bring back, read again.
            Action::Revive { .. } if !comes_back(object) => {
                self.single += Cost::of(2 * one(object).tokens, 3);
                write = Some(tokens(object.create.map(|write| write.call)));
            }
            Action::Revive { mend, .. } => {
                // Read, brought back by the likelier form, read again, and mended where it names what was made again.
                self.single += Cost::of(2 * one(object).tokens, 2);
                write = object.undelete.first().map(|form| u64::from(form.call.price));
                if mend.fields().values().any(|fill| !fill.needs().is_empty()) {
                    self.writes += Cost::of(tokens(object.update.map(|update| update.call)), 1);
                }
            }
            Action::Update(update) if step.reason == Reason::AfterLines => {
                self.look(object, &update.record, 1);
                // The service has counted it from the lines by itself.
                write = None;
            }
            Action::Update(update) => {
                if let (Some(live), Some(_)) = (&update.live, &update.seen)
                    && !self.touched.get(object.name).is_some_and(|touched| touched.contains(record))
                {
                    self.look(object_of(&live.0).unwrap_or(object), &live.0, 0);
                }
            }
            Action::Delete { live, .. } => self.look(object_of(&live.0).unwrap_or(object), &live.0, 0),
            // Read before for the options it has, and after for their ids.
            Action::AddOptions(_) => self.single += Cost::of(2 * one(object).tokens, 2),
            Action::Expel(expel) => write = self.expel(expel, hosts).then_some(step.price),
            // Its counters tell whether anything came back with it; likely nothing did.
            Action::Trim(trim) => {
                self.look(object, &trim.host, 2);
                write = None;
            }
        }
        self.writes += write.map_or(Cost::default(), |tokens| Cost::of(tokens, 1));
        self.counted += u64::from(write.is_some() && call(&step.action).is_some_and(|call| call.is_counted()));
        if !matches!(step.action, Action::Delete { .. } | Action::Expel(_) | Action::Trim(_)) {
            self.touched.entry(object.name).or_default().insert(record);
        }
    }

    /// Looks at the counter of the record, and at the list where it is one too high.
    fn expel(&mut self, expel: &'s Expel, hosts: &Hosts<'_>) -> bool {
        let added = hosts.added(expel);
        let counted = crate::restore::request::host(expel);
        if let Some((host, _)) = counted {
            self.look(host, &expel.host, 2);
        }
        let part = catalogue::find(&ObjectName::new(&expel.part));
        if let Some(part) = part.filter(|_| added || counted.is_none()) {
            let under = format!("after {}", serde_json::to_string(&expel.under).unwrap_or_default());
            self.lists.insert((part.name, under));
        }
        added
    }

    fn look(&mut self, object: &'static Object, record: &'s RecordId, what_for: u8) {
        if object.bulk_ids.is_some() {
            self.ahead.entry((object.name, what_for)).or_default().insert(record);
        } else if object.single.is_some() {
            self.single += one(object);
        }
    }

    fn list(&mut self, part: &'static Object, under: Option<&Fill>) {
        let under = under.map(|under| serde_json::to_string(under).unwrap_or_default());
        self.lists.insert((part.name, under.unwrap_or_default()));
    }

    /// Everything that is read, before and after.
    fn reads(&self) -> Cost {
        let mut reads = self.single;
        let found = |name: &'static str| catalogue::find(&ObjectName::known(name));
        for ((name, _), records) in &self.ahead {
            reads += found(name).map_or(Cost::default(), |object| by_ids(object, records.len() as u64));
        }
        for (name, _) in &self.lists {
            reads += Cost::of(found(name).map_or(0, |part| u64::from(part.price)), 1);
        }
        for (name, records) in &self.touched {
            let Some(object) = found(name) else { continue };
            let records = records.len() as u64;
            if object.bulk_ids.is_some() {
                reads += by_ids(object, records);
            } else if !object.extended.is_empty() {
                let extended: u64 = object.extended.iter().map(|extended| u64::from(extended.price)).sum();
                let own = one(object);
                reads += Cost::of(
                    records * (own.tokens + extended),
                    records * (own.requests + object.extended.len() as u64),
                );
            }
        }
        reads
    }
}

/// Whether a deleted record of this object likely comes back with its id: v2 names a form for deals alone, and those of
/// v1 are out of support since 2026-08-01 (api/restore-hazards.md 1); what they refuse costs nothing.
pub(super) fn comes_back(object: &Object) -> bool {
    object.undelete.first().is_some_and(|form| form.call.version == Version::V2)
}

fn tokens(call: Option<Call>) -> u64 {
    call.map_or(0, |call| u64::from(call.price))
}

fn one(object: &Object) -> Cost {
    object.single.map_or(Cost::default(), |single| Cost::of(u64::from(single.price), 1))
}

fn by_ids(object: &Object, records: u64) -> Cost {
    let calls = records.div_ceil(BULK);
    Cost::of(calls * u64::from(object.price), calls)
}

/// The most that reading can cost: each record on its own, each list looked at.
fn looks(steps: &[Step]) -> u64 {
    let look = |step: &Step| {
        let object = object_of(step.record()).map(home);
        let own = object.map_or(0, |object| one(object).tokens.max(1));
        match &step.action {
            Action::Create(create) if create.look == Look::UnderParent => {
                own + object.map_or(0, |object| u64::from(object.price))
            }
            Action::Expel(expel) => {
                catalogue::find(&ObjectName::new(&expel.part)).map_or(0, |part| u64::from(part.price))
            }
            Action::Trim(trim) => trim.parts().map(|(part, _)| u64::from(part.price)).sum(),
            // Before and after each form, and at the end.
            Action::Revive { .. } => own * (2 + object.map_or(0, |object| object.undelete.len() as u64)),
            // Before, after for the ids, and at the end.
            Action::AddOptions(_) => 3 * own,
            _ => 2 * own,
        }
    };
    steps.iter().map(look).sum()
}

/// The call of a step, where the service decides the likelier one.
fn call(action: &Action) -> Option<Call> {
    let part = |name: &str| catalogue::find(&ObjectName::new(name));
    match action {
        Action::Create(create) => Some(object_of(&create.record)?.create?.call),
        Action::Revive { create, .. } => {
            let object = object_of(&create.record)?;
            let back = object.undelete.first().filter(|_| comes_back(object)).map(|form| form.call);
            back.or(object.create.map(|write| write.call))
        }
        Action::Update(update) => {
            let object = part(&update.through)?;
            let moved = object.archive.filter(|_| update.body.fields().contains_key("is_archived"));
            moved.or(object.update.map(|write| write.call))
        }
        Action::Delete { live, .. } => object_of(&live.0)?.delete,
        Action::Expel(expel) => part(&expel.part)?.delete,
        Action::Trim(trim) => trim.parts().next()?.0.delete,
        Action::AddOptions(added) => object_of(&added.record)?.options,
    }
}

/// The most that one step's writes can cost.
pub(in crate::restore) fn step_price(action: &Action) -> u64 {
    let Action::Revive { create, .. } = action else { return tokens(call(action)) };
    object_of(&create.record).map_or(0, |object| {
        let forms: u64 = object.undelete.iter().map(|form| u64::from(form.call.price)).sum();
        let make = tokens(object.create.map(|write| write.call));
        let mend = tokens(object.update.map(|write| write.call));
        // What came back archived is taken out of the archive first.
        let out = if home(object).name == object.name { 0 } else { mend };
        forms + make.max(out + mend)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::restore::Policy;
    use crate::restore::planner::tests::{company, planned};

    #[test]
    fn what_is_posted_or_put_counts_against_the_writes_of_a_day() {
        // A note is made by POST, a deal edited by PATCH, another note edited by PUT, a product deleted by DELETE.
        let goal = company().with("notes/12", json!({"content": "mail", "deal_id": 42}));
        let seen = company()
            .set("deals/42", "title", json!("Edited"))
            .set("notes/11", "content", json!("edited"))
            .with("products/4", json!({"name": "Junk"}));
        let plan = planned(&goal, &seen, &Policy { delete_added: true, ..Policy::default() });
        assert_eq!(plan.steps.len(), 4, "{:?}", plan.steps);
        assert_eq!(plan.price().counted, 2);
    }
}
