//! Looks at what is there before a step is sent.
//!
//! What the journal knows is asked first, without waiting (`brief`); only what the
//! account alone can tell is read (`look`), so that several steps can be looked at
//! while others are under way.

use crate::restore::fill::Known;
use crate::restore::journal::{Journal, Outcome, Was};
use crate::restore::plan::{Action, Create, Expel, Look, Reason, Stamp, Step, Update};
use crate::restore::replay::reads::Ahead;
use crate::restore::replay::{Ready, Row, Run, Stop};
use crate::restore::request::{
    DELETED, MOVED, Request, Verb, at_home, identity, is_archived, request, touched, unlike,
};
use crate::restore::row::RowText;
use crate::restore::same::is_empty;

/// A step, after the journal was asked.
pub(super) enum Brief<'r> {
    /// Something it needs is not known.
    Lacks,
    /// There is nothing to send.
    Ended(Outcome),
    /// Nothing has to be read before it.
    Send(Box<Request>),
    /// The account has to be looked at.
    Look(Box<Glance<'r>>),
}

/// What is looked at, and what the journal knew.
pub(super) struct Glance<'r> {
    step: &'r Step,
    request: Request,
    /// This replay has written the record before.
    touched: bool,
    /// How many rows its parent is to have, of a step that removes what the service added.
    wanted: Option<u64>,
}

impl<'r> Run<'r> {
    /// Fills the step's places and asks the journal about it.
    pub(super) fn brief(&self, journal: &Journal, step: &'r Step) -> Brief<'r> {
        let Some(mut request) = request(step, journal, None) else { return Brief::Lacks };
        let touched = touched(journal, step.record());
        let mut wanted = None;
        match &step.action {
            Action::Create(Create { look: Look::No, .. }) | Action::Revive { .. } => {
                return match self.in_the_way(journal, step) {
                    Some(words) => Brief::Ended(request.ended(Was::Skipped, words)),
                    None => Brief::Send(Box::new(request)),
                };
            }
            // Its number is one that the service has just given to another record of this plan.
            Action::Create(create)
                if create.look == Look::ById && journal.claims(&at_home(request.object, &create.record)) =>
            {
                without_empty(&mut request);
                return Brief::Send(Box::new(request));
            }
            Action::Create(_) | Action::Delete { .. } | Action::AddOptions(_) => {}
            Action::Expel(_) if !touched => return Brief::Ended(request.ended(Was::Equal, "")),
            // What was made anew brought nothing with it.
            Action::Trim(trim) if journal.id(&trim.host).as_ref() != Some(&trim.host.key) => {
                return Brief::Ended(request.ended(Was::Equal, ""));
            }
            Action::Trim(_) => {}
            Action::Expel(expel) => wanted = self.reads.wanted(self.plan, journal, expel, &request),
            Action::Update(_) if step.reason == Reason::AfterLines => {}
            Action::Update(update) if update.seen.is_none() || touched => {
                return written(journal, step, update, request);
            }
            Action::Update(_) => {}
        }
        self.reads.look_ahead(self.plan, journal, step, &request);
        Brief::Look(Box::new(Glance { step, request, touched, wanted }))
    }

    /// Why a record that was to be deleted first must not be made: it is there still, and would be there twice.
    fn in_the_way(&self, journal: &Journal, step: &Step) -> Option<&'static str> {
        if !matches!(step.reason, Reason::Replaced | Reason::Paused) {
            return None;
        }
        let earlier = step.after.iter().filter_map(|number| self.plan.steps.get(*number as usize));
        let mut removals = earlier
            .filter(|earlier| matches!(earlier.action, Action::Delete { .. }) && earlier.record() == step.record());
        let removal = removals.next()?.number;
        match journal.ended(removal)?.was {
            Was::Done => None,
            _ => Some("it could not be deleted and is there still"),
        }
    }

    /// Looks at what is there.
    pub(super) async fn look(&self, glance: Glance<'r>) -> Result<Ready, Stop> {
        let Glance { step, mut request, touched, wanted } = glance;
        let ended = match &step.action {
            Action::Expel(expel) => self.uninvited(expel, &mut request, (step, wanted)).await?,
            Action::Trim(_) => self.came_back(step, &mut request).await?,
            Action::Create(create) => self.find(create, &mut request).await?,
            Action::Revive { .. } => None,
            Action::AddOptions(added) => self.options_left(&added.live.0, &mut request).await?,
            Action::Update(update) if step.reason == Reason::AfterLines => {
                self.settled(step, update, &mut request, touched).await?
            }
            Action::Update(update) => self.check(step, update, &mut request).await?,
            Action::Delete { live, seen } => match self.reads.row(Ahead::Changes, step.number, &live.0).await? {
                Some(None) => Some(request.ended(Was::Done, "it was gone already")),
                Some(Some(row)) if !seen.holds(request.object, &row) => Some(request.ended(Was::Conflict, MOVED)),
                Some(row) => {
                    request.before = row;
                    None
                }
                None => {
                    // Nobody can ask for it; its call may need more than its key.
                    request.before = self.seen.find(&live.0).ok().flatten().map(|record| record.fields());
                    None
                }
            },
        };
        Ok(ended.map_or_else(|| Ready::Send(Box::new(request)), Ready::Ended))
    }

    /// A row that the service may have added beside an earlier step; read now, because that step was just sent.
    async fn uninvited(
        &self,
        expel: &Expel,
        request: &mut Request,
        (step, wanted): (&Step, Option<u64>),
    ) -> Result<Option<Outcome>, Stop> {
        let Verb::Expel { under } = request.verb.clone() else { return Ok(None) };
        if let Some(wanted) = wanted
            && self.reads.counted(step.number, expel, &under).await? == Some(wanted)
        {
            return Ok(Some(request.ended(Was::Equal, "")));
        }
        let rows = self.reads.under(request.object, &under, Ahead::Hosts).await?;
        let found = rows.iter().find(|row| unlike(row, &request.body).is_empty());
        let live = found.and_then(|row| identity(request.object, Some(&under), row));
        let Some(live) = live else { return Ok(Some(request.ended(Was::Equal, ""))) };
        request.verb = Verb::Delete { live };
        request.before = found.cloned();
        Ok(None)
    }

    /// A record that may be there already.
    async fn find(&self, create: &Create, request: &mut Request) -> Result<Option<Outcome>, Stop> {
        let Verb::Create { under, .. } = &request.verb else { return Ok(None) };
        let found = match (create.look, under) {
            (Look::No, _) | (Look::UnderParent, None) => None,
            (Look::ById, _) => {
                self.reads.one(request.object, &create.record.key).await?.map(|row| (create.record.clone(), row))
            }
            (Look::UnderParent, Some(parent)) => {
                // Members are known by whom they name, other parts by their own row.
                let member = request.object.update.is_none();
                let same_row = |row: &&Row| {
                    let id = || identity(request.object, Some(parent), row);
                    if member {
                        unlike(row, &request.body).is_empty()
                    } else {
                        id().is_some_and(|id| id.key == create.record.key)
                    }
                };
                let rows = self.reads.under(request.object, parent, Ahead::Changes).await?;
                rows.iter()
                    .find(same_row)
                    .and_then(|row| Some((identity(request.object, Some(parent), row)?, row.clone())))
            }
        };
        let Some((live, row)) = found else {
            without_empty(request);
            return Ok(None);
        };
        let differs = unlike(&row, &request.body);
        // A subscription comes back with its deal as it was. Which call changes it, and what it was told of payments, no row
        // says: the report tells whether it is as the goal had it.
        if differs.is_empty() || request.object.update.is_none() || request.object.otherwise.is_some() {
            return Ok(Some(request.done(Was::Adopted, live, row)));
        }
        // It came back with its parent, but not as the goal had it.
        request.verb = Verb::Update { live };
        request.body = differs;
        request.before = Some(row);
        Ok(None)
    }

    /// A record must still be what the plan saw; what it shows already need not be sent.
    async fn check(&self, step: &Step, update: &Update, request: &mut Request) -> Result<Option<Outcome>, Stop> {
        let (Verb::Update { live }, Some(seen)) = (request.verb.clone(), &update.seen) else { return Ok(None) };
        Ok(match self.reads.row(Ahead::Changes, step.number, &live).await? {
            Some(None) => Some(request.ended(Was::Conflict, DELETED)),
            // First: whoever has put it right meanwhile, there is nothing left to overwrite.
            Some(Some(row)) if unlike(&row, &request.body).is_empty() => Some(request.done(Was::Equal, live, row)),
            Some(Some(row)) if !seen.holds(request.object, &row) => Some(request.ended(Was::Conflict, MOVED)),
            Some(row) => {
                request.before = row;
                None
            }
            None => None,
        })
    }

    /// What the service has counted by itself need not be sent; read now, because the lines were just written.
    async fn settled(
        &self,
        step: &Step,
        update: &Update,
        request: &mut Request,
        touched: bool,
    ) -> Result<Option<Outcome>, Stop> {
        let Verb::Update { live } = request.verb.clone() else { return Ok(None) };
        let place = at_home(request.object, &live);
        let Some(Some(row)) = self.reads.row(Ahead::Settles, step.number, &place).await? else {
            let still = place != live && self.reads.one(request.object, &live.key).await?.is_some();
            let words = if still { "it could not be taken out of the archive" } else { DELETED };
            return Ok(Some(request.ended(Was::Conflict, words)));
        };
        if unlike(&row, &request.body).is_empty() {
            return Ok(Some(request.done(Was::Equal, live, row)));
        }
        // A deal that somebody moved was left alone before, and is now.
        if update.live.is_some()
            && !touched
            && let Ok(Some(seen)) = self.seen.find(&live)
            && !Stamp::of(request.object, &seen.fields(), &["value".to_owned()]).holds(request.object, &row)
        {
            return Ok(Some(request.ended(Was::Conflict, MOVED)));
        }
        request.before = Some(row);
        Ok(None)
    }
}

/// What is made has nothing that would have to be emptied.
fn without_empty(request: &mut Request) {
    request.body.retain(|_, value| !is_empty(value));
}

/// An update of a record that this replay has made or written: the last answer shows what is there.
fn written<'r>(journal: &Journal, step: &Step, update: &Update, request: Request) -> Brief<'r> {
    let finishing = matches!(step.reason, Reason::Completes | Reason::CompletesCircle);
    let row = journal.row(&update.record).map(RowText::fields);
    match (row, &request.verb) {
        // It never left the archive, which takes no second archiving either.
        (Some(row), Verb::Update { live }) if step.reason == Reason::Archive && is_archived(&row) => {
            Brief::Ended(request.done(Was::Equal, live.clone(), row))
        }
        (Some(row), Verb::Update { live }) if finishing && unlike(&row, &request.body).is_empty() => {
            Brief::Ended(request.done(Was::Equal, live.clone(), row))
        }
        _ => Brief::Send(Box::new(request)),
    }
}
