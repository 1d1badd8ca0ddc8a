//! What comes back with a record that is brought back, though it was added since.
//!
//! A deleted deal shows nothing of its own. What was added to it after the goal and
//! before it was deleted is in no list, so no plan can name it; brought back, the deal
//! has it again (api/restore-hazards.md 1). Where what was added is to be deleted, a
//! step looks at each such deal once it is back, and removes every row that the goal
//! had not. Only what likely comes back is looked at: what is made anew has nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive;
use crate::catalogue::{self, Object, ObjectName};
use crate::record::{Key, RecordId};
use crate::restore::cases::object_of;
use crate::restore::fill::{Body, Fill, key_value};
use crate::restore::parts::{may_be_trimmed, names_member};
use crate::restore::plan::{Action, Reason, Trim};
use crate::restore::planner::expel::members;
use crate::restore::planner::price::comes_back;
use crate::restore::planner::{Draft, Phase, Planner, home, place};
use crate::restore::state::State;

/// What the rows that stay are known by, by the keys of the records that they belong to.
type Kept = BTreeMap<Key, Vec<Fill>>;

impl<S: State> Planner<'_, S> {
    /// Drafts the steps that look at what came back.
    pub(super) fn trim(&mut self) -> Result<(), archive::Error> {
        // In another company nothing is brought back.
        if !self.policy.delete_added || self.mapping.is_some() {
            return Ok(());
        }
        let hosts = self.returning();
        let keys: BTreeSet<Key> = hosts.iter().map(|(id, _)| id.key.clone()).collect();
        let mut keeps: BTreeMap<Key, Body> = BTreeMap::new();
        for part in catalogue::ALL.iter().filter(|part| may_be_trimmed(part)) {
            let name = ObjectName::known(part.name);
            let under = |home: &Object| part.parents().contains(&home.name);
            // Without the goal's own list nobody can tell what was added.
            let known = self.goal.contents(&name).is_some() && self.goal.blind(&name).is_none();
            if !known || !self.asked(&name) || !hosts.iter().any(|(_, home)| under(home)) {
                continue;
            }
            let mut kept = self.kept(part, &keys)?;
            for (id, _) in hosts.iter().filter(|(_, home)| under(home)) {
                let kept = kept.remove(&id.key).unwrap_or_default();
                keeps.entry(id.key.clone()).or_default().insert(part.name.to_owned(), Fill::List(kept));
            }
        }
        for (id, home) in hosts {
            if let Some(keeps) = keeps.remove(&id.key) {
                self.draft_trim(home, Trim { host: id, keeps: keeps.into() });
            }
        }
        Ok(())
    }

    /// Records that are looked at once they are back.
    pub(super) fn trimmed(&self) -> BTreeSet<RecordId> {
        let trims = self.drafts.iter().filter_map(|draft| match &draft.action {
            Action::Trim(trim) => Some(trim.host.clone()),
            _ => None,
        });
        trims.collect()
    }

    /// Records that the plan brings back, and that likely come back.
    fn returning(&self) -> Vec<(RecordId, &'static Object)> {
        let back = self.drafts.iter().filter_map(|draft| match &draft.action {
            Action::Revive { create, .. } => Some((create.record.clone(), home(object_of(&create.record)?))),
            _ => None,
        });
        back.filter(|(_, home)| comes_back(home)).collect()
    }

    /// The rows of the goal under these parents: whom they name where they are known by that, else their own ids.
    fn kept(&self, part: &'static Object, parents: &BTreeSet<Key>) -> Result<Kept, archive::Error> {
        let mut kept = Kept::new();
        if let Some(field) = names_member(part) {
            for (parent, member) in members(self.goal, part, parents)? {
                let member = key_value(&member);
                // Whoever is made again takes part under another number.
                let now = self.translator().field(part, field, &member).fill;
                kept.entry(parent).or_default().push(either(Fill::Is(member), now));
            }
            return Ok(kept);
        }
        let name = ObjectName::known(part.name);
        for key in self.goal.keys(&name)? {
            let id = RecordId::new(name.clone(), key?);
            let Some(parent) = id.key.parent().filter(|parent| parents.contains(parent)) else { continue };
            let then = Fill::Is(key_value(&id.key));
            let now = self.links.is_made(&id).then_some(Fill::IdOf(id));
            kept.entry(parent).or_default().push(either(then, now));
        }
        Ok(kept)
    }

    fn draft_trim(&mut self, home: &'static Object, trim: Trim) {
        self.drafts.push(Draft {
            phase: Phase::Expel,
            object: place(home),
            order: 1,
            key: trim.host.key.clone(),
            action: Action::Trim(trim),
            reason: Reason::Added,
            clears: Vec::new(),
            notes: vec!["removes what comes back with it and was added since".to_owned()],
        });
    }
}

/// What a row was known by, and what it is known by now if that is something else.
fn either(then: Fill, now: Option<Fill>) -> Fill {
    match now.filter(|now| !now.clears() && *now != then) {
        Some(now) => Fill::List(vec![then, now]),
        None => then,
    }
}

#[cfg(test)]
mod tests {
    use crate::restore::fill::Fill;
    use crate::restore::plan::{Action, Trim};
    use crate::restore::planner::specimen::World;
    use crate::restore::planner::tests::{company, planned};
    use crate::restore::{Plan, Policy, check_against};

    fn gone() -> World {
        company().without("deals/42").without("dealProducts/42:7").without("dealFollowers/42:2").without("notes/11")
    }

    fn policy() -> Policy {
        Policy { delete_added: true, ..Policy::default() }
    }

    /// The one trim of a plan.
    fn trim(plan: &mut Plan) -> &mut Trim {
        let mut trims = plan.steps.iter_mut().filter_map(|step| match &mut step.action {
            Action::Trim(trim) => Some(trim),
            _ => None,
        });
        let first = trims.next().expect("a trim");
        assert!(trims.next().is_none());
        first
    }

    #[test]
    fn what_the_goal_had_is_kept_and_a_plan_edited_to_keep_less_is_refused() {
        let mut plan = planned(&company(), &gone(), &policy());
        let trim = trim(&mut plan);
        let mut keeps = trim.keeps.fields();
        let known = |part: &str| match &keeps[part] {
            Fill::List(kept) => kept.clone(),
            other => panic!("{part}: {other:?}"),
        };
        assert!(known("dealProducts").iter().any(|row| matches!(row, Fill::List(row) if row[0] == Fill::Is(7.into()))));
        assert_eq!(known("dealFollowers"), [Fill::Is(2.into())]);
        assert!(known("dealParticipants").is_empty());
        keeps.insert("dealFollowers".to_owned(), Fill::List(Vec::new()));
        trim.keeps = keeps.into();
        let objections = check_against(&plan, &company(), &gone()).expect("both states");
        let words: Vec<String> = objections.iter().map(ToString::to_string).collect();
        assert!(
            words.iter().any(|words| words.ends_with("it would remove dealFollowers/42:2, which the snapshot has"))
        );

        let mut plan = planned(&company(), &gone(), &policy());
        plan.policy.delete_added = false;
        let objections = check_against(&plan, &company(), &gone()).expect("both states");
        assert!(objections.iter().any(|objection| objection.why == "nobody asked to delete what was added"));
    }

    #[test]
    fn nothing_is_looked_through_that_nobody_asked_to_delete_from() {
        let trims = |policy: &Policy| {
            let plan = planned(&company(), &gone(), policy);
            plan.steps.iter().filter(|step| matches!(step.action, Action::Trim(_))).count()
        };
        assert_eq!(trims(&Policy::default()), 0);
        let mut of_deals = policy();
        of_deals.scope.objects.insert(crate::catalogue::ObjectName::known("deals"));
        assert_eq!(trims(&of_deals), 0);
        of_deals.scope.objects.insert(crate::catalogue::ObjectName::known("dealProducts"));
        assert_eq!(trims(&of_deals), 1);
    }
}
