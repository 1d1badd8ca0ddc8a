//! Which records of the objects that were asked for a filter lets through.
//!
//! It looks at the record as the goal has it, because that is what comes back; of what
//! was added since there is only the account's. The fields it names are those of the
//! goal's day.

use std::collections::BTreeMap;

use crate::catalogue::{self, ObjectName};
use crate::diff::{Names, Sieve};
use crate::record::RecordId;
use crate::restore::CannotPlan;
use crate::restore::cases::{Case, Cases};
use crate::restore::policy::Policy;
use crate::restore::state::{Pages, State};

/// The filter of a policy, for every object that was asked for.
pub(super) struct Sift<'b> {
    sieves: BTreeMap<ObjectName, Sieve>,
    then: Names<'b>,
    now: Names<'b>,
}

impl<'b> Sift<'b> {
    /// None where the policy filters nothing.
    pub(super) fn of<S: State>(
        policy: &Policy,
        goal: &'b Pages<'b, S>,
        seen: &'b Pages<'b, S>,
    ) -> Result<Option<Sift<'b>>, CannotPlan> {
        let Some(filter) = &policy.scope.filter else { return Ok(None) };
        if policy.scope.objects.is_empty() {
            return Err(CannotPlan::FilterOfNothing);
        }
        let (then, now) = (Names::of(goal)?, Names::of(seen)?);
        let mut sieves = BTreeMap::new();
        for name in &policy.scope.objects {
            let sieve = filter.on(&then, name)?;
            let twin = catalogue::find(name).and_then(|object| object.twin);
            sieves.extend(twin.map(|twin| (ObjectName::known(twin), sieve.clone())));
            sieves.insert(name.clone(), sieve);
        }
        Ok(Some(Sift { sieves, then, now }))
    }

    /// Whether what happened to a record is acted upon.
    pub(super) fn passes(&self, cases: &Cases, id: &RecordId) -> bool {
        let names = match cases.all.get(id) {
            Some(Case::Added(_)) => &self.now,
            _ => &self.then,
        };
        let (sieve, record) = (self.sieves.get(&id.object), || cases.either(id));
        sieve.is_none_or(|sieve| record().is_none_or(|record| sieve.passes(names, &record)))
    }
}
