//! Rows that the service adds by itself when this plan writes: the owner follows, the person takes part.
//!
//! UNCONFIRMED in general (api/restore-hazards.md 4, Followers/participants), so each
//! step looks first and removes only what is there. Only the member that this plan
//! itself writes to the parent is concerned, and only where neither the goal nor the
//! account had the row: who began to follow on his own stays.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive;
use crate::catalogue::{self, KeyIn, Object, ObjectName};
use crate::record::{Key, RecordId};
use crate::restore::cases::object_of;
use crate::restore::fill::{Body, Fill, key_value, value_key};
use crate::restore::links::Link;
use crate::restore::plan::{Action, Expel, Reason};
use crate::restore::planner::{Draft, Phase, Planner, home, place};
use crate::restore::rules;
use crate::restore::state::State;

/// A record that the plan writes.
struct Host {
    id: RecordId,
    home: &'static Object,
    /// Its key in the account, unless the plan makes it.
    live: Option<Key>,
    /// The fields that are written to it; none when all are.
    wrote: Option<BTreeSet<String>>,
}

/// Members of parents, by the parents' keys.
type Members = BTreeSet<(Key, Key)>;

impl<S: State> Planner<'_, S> {
    /// Drafts the steps that remove what the service adds beside this plan's writes.
    pub(super) fn expel(&mut self) -> Result<(), archive::Error> {
        // No row of another company names a person by the number of the goal.
        if self.mapping.is_none() {
            self.expel_leftovers();
        }
        self.expel_sights()?;
        let hosts = self.hosts();
        for part in catalogue::ALL {
            let Some(field) = rules::added_beside(part.name) else { continue };
            let name = ObjectName::known(part.name);
            // Without the goal's own list nobody can tell what was added.
            if self.goal.contents(&name).is_none() || self.goal.blind(&name).is_some() {
                continue;
            }
            let concerned = |host: &&Host| {
                part.parents().contains(&host.home.name)
                    && host.wrote.as_ref().is_none_or(|wrote| wrote.contains(field))
            };
            let hosts: Vec<&Host> = hosts.iter().filter(concerned).collect();
            let then = members(self.goal, part, &hosts.iter().map(|host| host.id.key.clone()).collect())?;
            let now = members(self.seen, part, &hosts.iter().filter_map(|host| host.live.clone()).collect())?;
            for host in hosts {
                if let Some(expel) = self.uninvited(part, field, host, (&then, &now))? {
                    self.draft_expel(part, expel);
                }
            }
        }
        Ok(())
    }

    /// Members that come back with a record which is brought back, and that name persons who are made again: the new
    /// row names the new person, and the old one points to nothing.
    fn expel_leftovers(&mut self) {
        let mut leftovers = Vec::new();
        for draft in &self.drafts {
            let Action::Create(create) = &draft.action else { continue };
            let Some(part) = object_of(&create.record).filter(|part| rules::added_beside(part.name).is_some()) else {
                continue;
            };
            let (Some(Fill::IdOf(host)), Some(named)) = (create.under.as_deref(), rules::member_field(part)) else {
                continue;
            };
            if let Some(Fill::IdOf(person)) = create.body.fields().get(named) {
                let member = Body::from([(named.to_owned(), Fill::Is(key_value(&person.key)))]).into();
                let under = Box::new(Fill::IdOf(host.clone()));
                leftovers
                    .push((part, Expel { host: host.clone(), part: part.name.to_owned(), under, member, were: 0 }));
            }
        }
        for (part, expel) in leftovers {
            self.draft_expel(part, expel);
        }
    }

    /// A role or a pipeline that is made may show, or be shown to, more than it was: which, nobody could confirm. What the
    /// goal kept out of sight is kept out of it again.
    fn expel_sights(&mut self) -> Result<(), archive::Error> {
        let (roles, pipelines) = (ObjectName::known("roles"), ObjectName::known("pipelines"));
        let sights = ObjectName::known("rolePipelines");
        let made = |object: &ObjectName| -> Vec<RecordId> {
            let ids = self.drafts.iter().filter_map(|draft| match &draft.action {
                Action::Create(create) | Action::Revive { create, .. } => Some(&create.record),
                _ => None,
            });
            ids.filter(|id| id.object == *object).cloned().collect()
        };
        let (new_roles, new_pipelines) = (made(&roles), made(&pipelines));
        let nothing = new_roles.is_empty() && new_pipelines.is_empty();
        let unknown = self.goal.contents(&sights).is_none() || self.goal.blind(&sights).is_some();
        let Some(part) = catalogue::find(&sights).filter(|_| !nothing && !unknown) else { return Ok(()) };
        let keys = |object: &ObjectName| -> Result<Vec<Key>, archive::Error> { self.goal.keys(object)?.collect() };
        let seen: BTreeSet<Key> = keys(&sights)?.into_iter().collect();
        let mut hidden = Vec::new();
        for role in keys(&roles)? {
            for pipeline in keys(&pipelines)? {
                let (Key::Number(one), Key::Number(other)) = (&role, &pipeline) else { continue };
                let pair = Key::Pair(*one, *other);
                let role = RecordId::new(roles.clone(), role.clone());
                let pipeline = RecordId::new(pipelines.clone(), pipeline);
                let host =
                    [(&new_pipelines, &pipeline), (&new_roles, &role)].into_iter().find(|(made, id)| made.contains(id));
                if let Some((_, host)) = host.filter(|_| !seen.contains(&pair))
                    && let (Some(under), Some(member)) = (self.place_of(&role), self.place_of(&pipeline))
                {
                    let member = Body::from([("pipeline_id".to_owned(), member)]).into();
                    let (host, part) = (host.clone(), part.name.to_owned());
                    hidden.push(Expel { host, part, under: Box::new(under), member, were: 0 });
                }
            }
        }
        hidden.into_iter().for_each(|expel| self.draft_expel(part, expel));
        Ok(())
    }

    /// Where a record of the goal is, if it is anywhere.
    fn place_of(&self, id: &RecordId) -> Option<Fill> {
        let object = object_of(id)?;
        match self.links.find(std::slice::from_ref(&object.name), &id.key) {
            Link::Made(record) => Some(Fill::IdOf(record)),
            Link::Live(key) => Some(Fill::Is(key_value(&key))),
            Link::Missing => None,
        }
    }

    /// What the drafts write, by record, where something may be added beside it.
    fn hosts(&self) -> Vec<Host> {
        let parts = catalogue::ALL.iter().filter(|part| rules::added_beside(part.name).is_some());
        let beside: BTreeSet<&str> = parts.flat_map(|part| part.parents()).copied().collect();
        let mut hosts: BTreeMap<RecordId, Host> = BTreeMap::new();
        for draft in &self.drafts {
            let (id, live, wrote) = match &draft.action {
                Action::Create(create) | Action::Revive { create, .. } => (&create.record, None, None),
                Action::Update(update) => match &update.live {
                    Some(live) => {
                        (&update.record, Some(live.0.key.clone()), Some(update.body.fields().into_keys().collect()))
                    }
                    None => continue,
                },
                Action::Delete { .. } | Action::Expel(_) | Action::Trim(_) | Action::AddOptions(_) => continue,
            };
            let Some(home) = object_of(id).map(home).filter(|home| beside.contains(home.name)) else { continue };
            let host = Host { id: id.clone(), home, live, wrote: wrote.clone() };
            let known = hosts.entry(id.clone()).or_insert(host);
            if let (Some(all), Some(more)) = (&mut known.wrote, wrote) {
                all.extend(more);
            }
        }
        hosts.into_values().collect()
    }

    /// The row that the service may add beside the host, unless it belongs there.
    fn uninvited(
        &self,
        part: &'static Object,
        field: &str,
        host: &Host,
        (then, now): (&Members, &Members),
    ) -> Result<Option<Expel>, archive::Error> {
        let Some(goal) = self.goal.find(&host.id)?.map(|record| record.fields()) else { return Ok(None) };
        let value = goal.get(field).cloned().unwrap_or_default();
        // Without an owner the record becomes the caller's.
        let caller = || Fill::Is(self.seen.manifest().source.user_id.into());
        let translated = self.translator().field(host.home, field, &value).fill.filter(|fill| !fill.clears());
        let member = match translated {
            Some(member) => member,
            None if field == "owner_id" && host.live.is_none() => caller(),
            None => return Ok(None),
        };
        let was_there = value_key(&value).is_some_and(|key| then.contains(&(host.id.key.clone(), key)))
            || self.mapping.is_some() && self.is_member(part, (&host.id.key, &member), then);
        let is_there = match (&host.live, &member) {
            (Some(live), Fill::Is(value)) => value_key(value).is_some_and(|key| now.contains(&(live.clone(), key))),
            _ => false,
        };
        let under = host.live.as_ref().map_or_else(|| Fill::IdOf(host.id.clone()), |live| Fill::Is(key_value(live)));
        let named = rules::member_field(part).filter(|_| !was_there && !is_there);
        Ok(named.map(|named| Expel {
            host: host.id.clone(),
            part: part.name.to_owned(),
            under: Box::new(under),
            member: Body::from([(named.to_owned(), member)]).into(),
            were: host.live.as_ref().map_or(0, |live| now.iter().filter(|(parent, _)| parent == live).count() as u64),
        }))
    }

    /// Whether the goal has such a member under another number: in another company two users may have become one.
    fn is_member(&self, part: &'static Object, (host, member): (&Key, &Fill), then: &Members) -> bool {
        let Some(field) = rules::member_field(part) else { return false };
        let same = |key: &Key| self.translator().field(part, field, &key_value(key)).fill.as_ref() == Some(member);
        let of_host = then.range((host.clone(), Key::Number(0))..).take_while(|(parent, _)| parent == host);
        of_host.map(|(_, key)| key).any(same)
    }

    fn draft_expel(&mut self, part: &'static Object, expel: Expel) {
        let what = match part.name {
            "dealParticipants" => "participants",
            "rolePipelines" => "pipelines in sight",
            _ => "followers",
        };
        self.drafts.push(Draft {
            phase: Phase::Expel,
            object: place(part),
            order: 0,
            key: expel.host.key.clone(),
            action: Action::Expel(expel),
            reason: Reason::AddedByItself,
            clears: Vec::new(),
            notes: vec![format!("removes {what} that the service adds by itself")],
        });
    }
}

/// The members of these parents.
pub(super) fn members<S: State>(
    state: &S,
    part: &'static Object,
    parents: &BTreeSet<Key>,
) -> Result<Members, archive::Error> {
    let mut members = Members::new();
    let name = ObjectName::known(part.name);
    let Some(field) = rules::member_field(part).filter(|_| !parents.is_empty() && state.contents(&name).is_some())
    else {
        return Ok(members);
    };
    let parent = |key: &Key| key.parent().filter(|parent| parents.contains(parent));
    let in_key = matches!(part.key, KeyIn::ParentAnd(own) if own == field);
    if in_key {
        for key in state.keys(&name)? {
            let key = key?;
            if let (Key::Pair(_, member), Some(parent)) = (&key, parent(&key)) {
                members.insert((parent, Key::Number(*member)));
            }
        }
        return Ok(members);
    }
    for record in state.records(&name)? {
        let record = record?;
        if let Some(parent) = parent(&record.id().key) {
            members.extend(record.fields().get(field).and_then(value_key).map(|member| (parent, member)));
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::restore::Policy;
    use crate::restore::planner::specimen::World;
    use crate::restore::planner::tests::{planned, told};

    #[test]
    fn who_left_and_came_again_is_neither_made_nor_deleted() {
        let goal = World::of(&[
            ("persons/8", json!({"name": "Ann Lee"})),
            ("persons/9", json!({"name": "Bo Lee"})),
            ("deals/42", json!({"title": "Big"})),
            ("dealParticipants/42:100", json!({"id": 100, "person_id": 8})),
        ]);
        let seen = goal
            .clone()
            .without("dealParticipants/42:100")
            .with("dealParticipants/42:101", json!({"id": 101, "person_id": 9}))
            .with("dealParticipants/42:102", json!({"id": 102, "person_id": 8}));
        let plan = planned(&goal, &seen, &Policy { delete_added: true, ..Policy::default() });
        assert_eq!(told(&plan), ["delete dealParticipants/42:101"]);
    }

    #[test]
    fn who_left_and_came_again_and_is_made_again_takes_part_once() {
        let goal = World::of(&[
            ("persons/8", json!({"name": "Ann Lee"})),
            ("deals/42", json!({"title": "Big"})),
            ("dealParticipants/42:100", json!({"id": 100, "person_id": 8})),
        ]);
        let seen = goal
            .clone()
            .without("persons/8")
            .without("dealParticipants/42:100")
            .with("dealParticipants/42:102", json!({"id": 102, "person_id": 8}));
        let plan = planned(&goal, &seen, &Policy { delete_added: true, ..Policy::default() });
        let steps = ["revive persons/8", "delete dealParticipants/42:102", "create dealParticipants/42:100"];
        assert_eq!(told(&plan), steps);
    }
}
