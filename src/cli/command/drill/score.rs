//! What a drill found, object by object.
//!
//! A record is equal when every field that can be written is, by nature when only what
//! the service sets itself differs or what the plan had announced, different or missing
//! otherwise. What the plan leaves out for a reason is counted by itself: it is no fault
//! of the restore, and whoever reads the score has to know of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::archive::Snapshot;
use crate::catalogue::{self, Object, ObjectName, Restore};
use crate::cli::complain::Failure;
use crate::cli::show::brief;
use crate::cli::show::drills::{Finding, LeftOut, Tally};
use crate::diff::{Off, Pairs, Remade, Remaking};
use crate::record::RecordId;
use crate::restore::{Mapping, Plan};

/// How many records that are not as they were are kept one by one.
const KEPT: usize = 200;

/// The states that are compared, and what is known of the way between them.
pub(super) struct Compared<'a> {
    pub(super) goal: &'a Snapshot<'a>,
    /// The account before the restore.
    pub(super) empty: &'a Snapshot<'a>,
    pub(super) after: &'a Snapshot<'a>,
    pub(super) pairs: &'a Pairs,
    pub(super) mapping: &'a Mapping,
    pub(super) plan: &'a Plan,
}

/// What the comparison brought.
#[derive(Default)]
pub(super) struct Found {
    pub(super) objects: BTreeMap<String, Tally>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) findings: Vec<Finding>,
}

/// What the plan says will not come back.
struct Announced {
    records: HashSet<RecordId>,
    fields: HashSet<(RecordId, String)>,
    objects: BTreeSet<String>,
}

impl Announced {
    fn by(plan: &Plan) -> Announced {
        let mut said = Announced { records: HashSet::new(), fields: HashSet::new(), objects: BTreeSet::new() };
        for left in plan.left_out() {
            let id = left.key.as_ref().and_then(|key| RecordId::parse(&format!("{}/{key}", left.object)));
            match (id, &left.field) {
                (Some(id), Some(field)) => drop(said.fields.insert((id, field.clone()))),
                (Some(id), None) => drop(said.records.insert(id)),
                (None, _) => drop(said.objects.insert(left.object.clone().into_owned())),
            }
        }
        said
    }

    fn is_field(&self, id: &RecordId, off: &Off) -> bool {
        let field = off.field.strip_prefix("custom_fields.").unwrap_or(&off.field);
        self.fields.contains(&(id.clone(), field.to_owned()))
    }

    /// Whether a record was announced as not coming back, or what it belongs to was.
    fn is_record(&self, object: &Object, id: &RecordId) -> bool {
        let by_hand = matches!(object.restore, Restore::ByHand(_));
        self.records.contains(id) || by_hand || self.objects.contains(object.name)
    }
}

/// Compares everything.
pub(super) fn compare(states: &Compared<'_>) -> Result<Found, Failure> {
    let remaking = Remaking::between(states.goal, states.after, states.pairs)?;
    let announced = Announced::by(states.plan);
    let mut found = Found::default();
    // An archived record may be found in the list it was archived from, so what is known is known in all lists.
    let mut heirs: HashSet<RecordId> = states.pairs.values().cloned().collect();
    for object in catalogue::ALL.iter().copied().filter(|object| remaking.compares(object)) {
        let title = ObjectName::known(object.name).title();
        let mut tally = Tally::default();
        for remade in remaking.object(object)? {
            let mut remade = remade?;
            // What stands for a record without being made is as it is where no call changes it: a user's address.
            if states.mapping.live(&remade.before).is_some() {
                let takes = object.update.map_or(&[][..], |write| write.fields);
                remade.fields.iter_mut().for_each(|off| off.writable &= takes.contains(&off.field.as_str()));
            }
            found.judge(object, &remade, &announced, &mut tally);
            heirs.extend(remade.after);
        }
        found.extra(object, states, &heirs, &mut tally)?;
        if tally != Tally::default() {
            found.objects.insert(title, tally);
        }
    }
    let mut left_out: BTreeMap<(String, String), u64> = BTreeMap::new();
    for left in states.plan.left_out().iter().filter(|left| left.field.is_none()) {
        *left_out.entry((ObjectName::new(&left.object).title(), left.why.clone().into_owned())).or_default() += 1;
    }
    found.left_out = left_out.into_iter().map(|((object, why), records)| LeftOut { object, why, records }).collect();
    Ok(found)
}

impl Found {
    fn judge(&mut self, object: &'static Object, remade: &Remade, announced: &Announced, tally: &mut Tally) {
        let id = &remade.before;
        let Some(now) = &remade.after else {
            if announced.is_record(object, id) {
                tally.left_out += 1;
            } else {
                tally.missing += 1;
                self.note(id, None, "is missing".to_owned());
            }
            return;
        };
        let wrong: Vec<&Off> =
            remade.fields.iter().filter(|off| off.writable && !announced.is_field(id, off)).collect();
        if !wrong.is_empty() {
            tally.different += 1;
            let told = wrong.iter().map(|off| format!("{}: {} → {}", off.field, brief(&off.before), brief(&off.after)));
            self.note(id, Some(now), told.collect::<Vec<_>>().join(", "));
        } else if remade.fields.is_empty() {
            tally.equal += 1;
        } else {
            tally.by_nature += 1;
        }
    }

    /// Rows that the restore brought and that the snapshot does not have.
    fn extra(
        &mut self,
        object: &'static Object,
        states: &Compared<'_>,
        heirs: &HashSet<RecordId>,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let name = ObjectName::known(object.name);
        if states.after.contents(&name).is_none() || !object.dml.insert {
            return Ok(());
        }
        for key in states.after.keys(&name)? {
            let id = RecordId::new(name.clone(), key?);
            let twin = object.twin.map(|twin| RecordId::new(ObjectName::known(twin), id.key.clone()));
            let paired = |id: &RecordId| heirs.contains(id);
            let known = paired(&id) || twin.as_ref().is_some_and(paired);
            let was_there = states.empty.contents(&name).is_some() && states.empty.find(&id)?.is_some();
            if !known && !was_there {
                tally.extra += 1;
                self.note(&id, Some(&id), "is there, and the snapshot has nothing like it".to_owned());
            }
        }
        Ok(())
    }

    fn note(&mut self, id: &RecordId, now: Option<&RecordId>, what: String) {
        if self.findings.len() < KEPT {
            self.findings.push(Finding { record: id.to_string(), now: now.map(ToString::to_string), what });
        }
    }
}
