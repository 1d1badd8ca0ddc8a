//! Into the archive and out of it.
//!
//! An archived record takes no other change since 2025-07-15 (api/restore-hazards.md 4),
//! so it is taken out, changed, and archived again at the end. A project is changed where it
//! is: nothing takes it out again (api/restore-hazards.md 4, Projects).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::archive;
use crate::catalogue::{self, Object, ObjectName};
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::present;
use crate::restore::fill::{Body, Fill};
use crate::restore::plan::{Action, LiveId, Reason, Stamp, Update};
use crate::restore::planner::{Draft, Phase, Planner, home, place};
use crate::restore::rules;
use crate::restore::same::is_empty;
use crate::restore::state::State;

impl<S: State> Planner<'_, S> {
    /// Out of the archive.
    ///
    /// A lead without person and organization is refused whatever is written to it, so the links that come back with
    /// this change go along (api/objects.md, Leads).
    pub(super) fn draft_open(&mut self, home: &'static Object, id: &RecordId, live: &Record, change: &Body) {
        let mut body: Body = rules::one_of(home.name)
            .iter()
            .filter_map(|field| Some(((*field).to_owned(), change.get(*field)?.clone())))
            .collect();
        let phase = if body.is_empty() { Phase::Open } else { self.phase(home, &body) };
        body.insert("is_archived".to_owned(), Fill::Is(json!(false)));
        let stamp = Stamp::of(home, &live.fields(), &[]);
        let update = Update {
            record: id.clone(),
            live: Some(LiveId(live.id().clone())),
            through: home.name.to_owned(),
            body: body.into(),
            seen: Some(Box::new(stamp)),
        };
        self.draft_move(home, phase, update, Reason::Unarchive);
    }

    /// Into the archive, on the day it was there if the service takes it.
    pub(super) fn draft_close(
        &mut self,
        home: &'static Object,
        id: &RecordId,
        live: Option<&Record>,
        then: &Map<String, Value>,
    ) {
        let mut body = Body::from([("is_archived".to_owned(), Fill::Is(json!(true)))]);
        let takes_time = home.update.is_some_and(|write| write.fields.contains(&"archive_time"));
        if let Some(time) = then.get("archive_time").filter(|time| takes_time && !is_empty(time)) {
            body.insert("archive_time".to_owned(), Fill::Is(plain(time)));
        }
        // The steps before it change the record, so only its being archived is looked at.
        let seen = live.map(|live| Box::new(Stamp::of(home, &live.fields(), &[])));
        let live = live.map(|live| LiveId(live.id().clone()));
        let update = Update { record: id.clone(), live, through: home.name.to_owned(), body: body.into(), seen };
        self.draft_move(home, Phase::Close, update, Reason::Archive);
    }

    fn draft_move(&mut self, home: &'static Object, phase: Phase, update: Update, reason: Reason) {
        self.drafts.push(Draft {
            phase,
            object: place(home),
            order: 0,
            key: update.record.key.clone(),
            action: Action::Update(update),
            reason,
            clears: Vec::new(),
            notes: Vec::new(),
        });
    }

    /// Parts of archived records can only be written while these are out of the archive.
    pub(super) fn open_archived_parents(&mut self) -> Result<(), archive::Error> {
        let mut wanted: BTreeMap<&'static str, BTreeSet<Key>> = BTreeMap::new();
        for draft in &self.drafts {
            let id = match &draft.action {
                Action::Create(create) => &create.record,
                Action::Update(update) => &update.record,
                Action::Delete { live, .. } => &live.0,
                // What is brought back to be written or trimmed is taken out of the archive by the step that does so.
                Action::Revive { .. } | Action::Expel(_) | Action::Trim(_) | Action::AddOptions(_) => continue,
            };
            let parents = catalogue::find(&id.object).map_or(&[][..], Object::parents);
            for parent in parents.iter().filter_map(|name| catalogue::find(&ObjectName::known(name))) {
                if let Some(key) = id.key.parent().filter(|_| home(parent).name != parent.name) {
                    wanted.entry(parent.name).or_default().insert(key);
                }
            }
        }
        let opened: BTreeSet<RecordId> = self.drafts.iter().filter_map(Draft::opens).collect();
        for (name, keys) in wanted {
            let name = ObjectName::known(name);
            for key in present(self.seen, &name, &keys)? {
                let id = RecordId::new(name.clone(), key);
                let Some(live) = self.seen.find(&id)?.filter(|_| !opened.contains(&id)) else { continue };
                let home = home(catalogue::find(&name).expect("it was found before"));
                if home.archive.is_some() {
                    continue;
                }
                self.draft_open(home, &id, &live, &Body::new());
                self.draft_close(home, &id, Some(&live), &live.fields());
            }
        }
        Ok(())
    }
}

impl Draft {
    fn opens(&self) -> Option<RecordId> {
        match &self.action {
            Action::Update(update) if self.reason == Reason::Unarchive => {
                Some(update.live.as_ref().map_or_else(|| update.record.clone(), |live| live.0.clone()))
            }
            _ => None,
        }
    }
}

/// archive_time is written without zone mark even in v2: api/restore-hazards.md 3.
fn plain(time: &Value) -> Value {
    match time.as_str().and_then(|text| text.get(..19)) {
        Some(text) => Value::String(text.replace('T', " ")),
        None => time.clone(),
    }
}
