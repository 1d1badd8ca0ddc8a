//! Looks at what is there before a step is sent, and after all of them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::archive::Snapshot;
use crate::catalogue::Object;
use crate::record::{Key, RecordId};
use crate::restore::cases::object_of;
use crate::restore::doubt;
use crate::restore::journal::{Journal, Outcome, Was};
use crate::restore::plan::{Action, Create, Expel, Look, Reason, Stamp, Step, Update};
use crate::restore::readback;
use crate::restore::replay::{Ready, Run, Stop, unseen};
use crate::restore::request::{
    MOVED, Request, Verb, changes, entry, identity, is_deleted, missing, plain, request, touched, unlike,
};

/// Records read by one call.
const BULK: usize = 100;

impl<'r> Run<'r> {
    /// Fills the step's places and looks at what is there.
    pub(super) async fn ready(&mut self, journal: &Journal, step: &'r Step) -> Result<Ready, Stop> {
        let Some(mut request) = request(step, journal, None) else {
            let words = missing(step, journal).map_or_else(
                || "this version cannot perform it".to_owned(),
                |record| format!("it needs {record}, which was not made"),
            );
            return Ok(Ready::Ended(plain(step, Was::Skipped, words)));
        };
        let ended = match &step.action {
            Action::Expel(expel) => self.uninvited(journal, expel, &mut request).await?,
            Action::Create(create) => self.look(create, &mut request).await?,
            Action::Revive { .. } => None,
            Action::Update(update) => self.check(journal, step, update, &mut request).await?,
            Action::Delete { live, seen } => match self.row(journal, step, &live.0).await? {
                Some(None) => Some(request.ended(Was::Done, "it was gone already")),
                Some(Some(row)) if !seen.holds(request.object, &row) => Some(request.ended(Was::Conflict, MOVED)),
                Some(row) => {
                    request.before = row;
                    None
                }
                None => None,
            },
        };
        Ok(ended.map_or_else(|| Ready::Send(Box::new(request)), Ready::Ended))
    }

    /// A row that the service may have added beside an earlier step; read now, because that step was just sent.
    async fn uninvited(
        &self,
        journal: &Journal,
        expel: &Expel,
        request: &mut Request,
    ) -> Result<Option<Outcome>, Stop> {
        let Verb::Expel { under } = request.verb.clone() else { return Ok(None) };
        if !touched(journal, &expel.host) {
            return Ok(Some(request.ended(Was::Equal, "")));
        }
        let rows = doubt::under(self.site.account, request.object, &under).await.or_else(unseen)?;
        let found = rows.into_iter().find(|row| unlike(row, &request.body).is_empty());
        let live = found.as_ref().and_then(|row| identity(request.object, Some(&under), row));
        let Some(live) = live else { return Ok(Some(request.ended(Was::Equal, ""))) };
        request.verb = Verb::Delete { live };
        request.before = found;
        Ok(None)
    }

    /// A record that may be there already.
    async fn look(&mut self, create: &Create, request: &mut Request) -> Result<Option<Outcome>, Stop> {
        let Verb::Create { under, .. } = &request.verb else { return Ok(None) };
        let found = match (create.look, under) {
            (Look::No, _) | (Look::UnderParent, None) => None,
            (Look::ById, _) => doubt::read(self.site.account, request.object, &create.record.key)
                .await
                .or_else(unseen)?
                .map(|row| (create.record.clone(), row)),
            (Look::UnderParent, Some(parent)) => {
                let slot = (request.object.name, parent.clone());
                if !self.lists.contains_key(&slot) {
                    let rows = doubt::under(self.site.account, request.object, parent).await.or_else(unseen)?;
                    self.lists.insert(slot.clone(), rows);
                }
                // Members are known by whom they name, other parts by their own row.
                let member = request.object.update.is_none();
                let same_row = |row: &&Map<String, Value>| {
                    let id = || identity(request.object, Some(parent), row);
                    if member {
                        unlike(row, &request.body).is_empty()
                    } else {
                        id().is_some_and(|id| id.key == create.record.key)
                    }
                };
                let rows = self.lists.get(&slot).map(Vec::as_slice).unwrap_or_default();
                rows.iter()
                    .find(same_row)
                    .and_then(|row| Some((identity(request.object, Some(parent), row)?, row.clone())))
            }
        };
        let Some((live, row)) = found else { return Ok(None) };
        let differs = unlike(&row, &request.body);
        if differs.is_empty() || request.object.update.is_none() {
            return Ok(Some(request.done(Was::Adopted, live, row)));
        }
        // It came back with its parent, but not as the goal had it.
        request.verb = Verb::Update { live };
        request.body = differs;
        request.before = Some(row);
        Ok(None)
    }

    /// A record must still be what the plan saw; what it shows already need not be sent.
    async fn check(
        &mut self,
        journal: &Journal,
        step: &'r Step,
        update: &Update,
        request: &mut Request,
    ) -> Result<Option<Outcome>, Stop> {
        let Verb::Update { live } = request.verb.clone() else { return Ok(None) };
        if step.reason == Reason::AfterLines {
            return self.settled(journal, update, request, live).await;
        }
        let Some(seen) = update.seen.as_ref().filter(|_| !touched(journal, &update.record)) else {
            let shown = journal.row(&update.record).is_some_and(|row| unlike(row, &request.body).is_empty());
            let row = journal.row(&update.record).cloned().unwrap_or_default();
            let finishing = matches!(step.reason, Reason::Completes | Reason::CompletesCircle);
            return Ok((shown && finishing).then(|| request.done(Was::Equal, live, row)));
        };
        match self.row(journal, step, &live).await? {
            Some(None) => Ok(Some(request.ended(Was::Conflict, "it was deleted since the plan was made"))),
            // First: whoever has put it right meanwhile, there is nothing left to overwrite.
            Some(Some(row)) if unlike(&row, &request.body).is_empty() => Ok(Some(request.done(Was::Equal, live, row))),
            Some(Some(row)) if !seen.holds(request.object, &row) => Ok(Some(request.ended(Was::Conflict, MOVED))),
            Some(row) => {
                request.before = row;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// What the service has counted by itself need not be sent; read now, because the lines were just written.
    async fn settled(
        &self,
        journal: &Journal,
        update: &Update,
        request: &mut Request,
        live: RecordId,
    ) -> Result<Option<Outcome>, Stop> {
        let row = doubt::read(self.site.account, request.object, &live.key).await.or_else(unseen)?;
        let Some(row) = row else {
            return Ok(Some(request.ended(Was::Conflict, "it was deleted since the plan was made")));
        };
        if unlike(&row, &request.body).is_empty() {
            return Ok(Some(request.done(Was::Equal, live, row)));
        }
        // A deal that somebody moved was left alone before, and is now.
        if update.live.is_some()
            && !touched(journal, &update.record)
            && let Ok(Some(seen)) = self.seen.find(&live)
            && !Stamp::of(request.object, &seen.fields(), &["value".to_owned()]).holds(request.object, &row)
        {
            return Ok(Some(request.ended(Was::Conflict, MOVED)));
        }
        request.before = Some(row);
        Ok(None)
    }

    /// The row as it is now: read in bulk for the steps ahead. None when the service has no way to ask for it.
    async fn row(
        &mut self,
        journal: &Journal,
        step: &Step,
        live: &RecordId,
    ) -> Result<Option<Option<Map<String, Value>>>, Stop> {
        let Some(object) = object_of(live) else { return Ok(None) };
        if let Some(row) = self.fresh.remove(live) {
            return Ok(Some(row));
        }
        if object.bulk_ids.is_none() {
            if object.single.is_none() {
                return Ok(None);
            }
            let row = self.site.account.one(object, &live.key).await.or_else(unseen)?;
            return Ok(Some(row.as_deref().and_then(doubt::fields).filter(|row| !is_deleted(row))));
        }
        let ahead = self.plan.steps[step.number as usize..].iter().filter(|step| journal.ended(step.number).is_none());
        let mut ids: Vec<RecordId> =
            ahead.filter_map(changes).filter(|id| id.object == live.object).take(BULK).collect();
        ids.dedup();
        let keys: Vec<Key> = ids.iter().map(|id| id.key.clone()).collect();
        let rows = self.site.account.many(object, &keys).await.or_else(unseen)?;
        self.fresh.extend(ids.into_iter().map(|id| (id, None)));
        for row in rows.iter().filter_map(|row| doubt::fields(row)).filter(|row| !is_deleted(row)) {
            if let Some(id) = identity(object, None, &row) {
                self.fresh.insert(id, Some(row));
            }
        }
        Ok(Some(self.fresh.remove(live).flatten()))
    }

    /// The rows of every touched record, by its name in the goal.
    pub(super) async fn read_back(
        &self,
        journal: &Journal,
        goal: &Snapshot<'_>,
    ) -> Result<HashMap<RecordId, Map<String, Value>>, Stop> {
        let mut rows = HashMap::new();
        for (name, records) in readback::touched(self.plan, journal) {
            let Some(object) = entry(name) else { continue };
            if object.bulk_ids.is_some() {
                // In order: the same restore asks the same questions each time.
                let goals: BTreeMap<Key, RecordId> = records.into_iter().map(|(record, now)| (now, record)).collect();
                let keys: Vec<Key> = goals.keys().cloned().collect();
                for row in self.site.account.many(object, &keys).await.or_else(unseen)? {
                    let row = doubt::fields(&row).unwrap_or_default();
                    let record = identity(object, None, &row).and_then(|id| goals.get(&id.key));
                    rows.extend(record.map(|record| (record.clone(), row)));
                }
                continue;
            }
            for (record, now) in records {
                let answered = journal.row(&record).cloned().unwrap_or_default();
                let whole = readback::is_whole(goal, object, &record, &answered);
                let row = if whole { Some(answered) } else { self.read_one(object, &now, answered).await? };
                rows.extend(row.map(|row| (record, row)));
            }
        }
        Ok(rows)
    }

    /// One record with everything its list leaves out.
    async fn read_one(
        &self,
        object: &'static Object,
        key: &Key,
        answered: Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, Stop> {
        let mut row = match object.single {
            Some(_) => {
                match self.site.account.one(object, key).await.or_else(unseen)?.as_deref().and_then(doubt::fields) {
                    Some(row) => row,
                    None => return Ok(None),
                }
            }
            None => match doubt::read(self.site.account, object, key).await.or_else(unseen)? {
                Some(row) => row,
                None => answered,
            },
        };
        for extended in object.extended {
            row.extend(self.site.account.extended(extended, key).await.or_else(unseen)?);
        }
        Ok(Some(row))
    }
}
