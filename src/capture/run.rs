//! One run: what it stands on, in which order it reads, and what ends it early.

use std::cell::{Cell, RefCell, RefMut};
use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use super::desk::Desk;
use super::notes::{Asked, Failure, Notes, Phase, Progress};
use super::outline;
use super::shape::CUSTOM_FIELDS;
use super::way::{self, Terms, Way};
use super::{Error, Wanted};
use crate::account::{self, Account};
use crate::archive::{Archive, Contents, Snapshot, Source};
use crate::catalogue::{self, Listing, Object, ObjectName};
use crate::clock::Clock;
use crate::monitor::Monitor;

/// Lists read at once. Cursor lists are sequential, so this is what hides the time an answer takes.
const LISTS_AT_ONCE: usize = 4;
/// So many requests in a row without any answer mean that there is no connection at all.
const SILENT_REQUESTS: u32 = 4;
/// An unfinished capture older than this is not gone on with: its lists would be out of date.
const TAKEN_UP_WITHIN: TimeDelta = TimeDelta::hours(48);
/// A list read longer ago than this is caught up with before its children are read.
const CAUGHT_UP_AFTER: TimeDelta = TimeDelta::seconds(60);

/// What ends a run.
pub(super) enum Stop {
    /// Nothing more may be spent before this time.
    BudgetSpent(DateTime<Utc>),
    /// It cannot go on.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

/// What a failed request means.
pub(super) enum Trouble {
    /// The run ends.
    Stop(Stop),
    /// The record or parent asked for is not there.
    Gone,
    /// The object cannot be read; the run goes on.
    Object(Failure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Stop(Stop::Failed(error))
    }
}

/// One run of a capture.
pub(super) struct Run<'a> {
    pub(super) account: &'a Account,
    /// The snapshot this one stands on.
    pub(super) base: Option<Snapshot<'a>>,
    pub(super) wanted: &'a Wanted,
    pub(super) monitor: &'a dyn Monitor,
    /// Objects of which the snapshot below has records that cannot be read any more: they are read whole.
    hurt: Vec<ObjectName>,
    /// True when a record that is not shown now would have been shown to the eyes that saw the snapshot below.
    pub(super) same_eyes: bool,
    /// Whose eyes deletions are judged by, for the next snapshot.
    sight: Value,
    /// This machine's clock, by which the age of an unfinished capture is judged.
    clock: Clock,
    desk: RefCell<Desk<'a>>,
    /// Requests without any answer since the last one that got one.
    silent: Cell<u32>,
    answers: Cell<u64>,
    /// It ends before everything was read.
    pub(super) stopped: bool,
    /// Tokens that a rehearsal has spent in thought.
    pub(super) foreseen: Cell<u64>,
    /// It goes on with what an earlier run began.
    pub(super) taken_up: bool,
}

impl<'a> Run<'a> {
    /// Begins a snapshot, or takes up an unfinished one.
    pub(super) fn begin(
        account: &'a Account,
        archive: &'a Archive,
        wanted: &'a Wanted,
        clock: Clock,
        monitor: &'a dyn Monitor,
    ) -> Result<Run<'a>, Error> {
        let mut writer = archive.begin_outlining(source(account, wanted), outline::fields)?;
        if writer.has_forgotten() {
            monitor.warned(
                "this key may not read the snapshots below, and this machine does not remember them: everything is read again",
            );
        }
        let now = account.now();
        let left = writer.resumed().and_then(|notes| serde_json::from_value::<Notes>(notes.clone()).ok());
        let left = left.filter(|notes| notes.asked == Asked::of(wanted) && clock.now() - notes.saved < TAKEN_UP_WITHIN);
        if left.is_none() && writer.resumed().is_some() {
            writer.start_over();
        }
        let parent = writer.parent().map(|parent| parent.manifest().id.clone());
        let first = parent.is_none();
        let taken_up = left.is_some();
        let notes = left.unwrap_or_else(|| Notes { first, ..Notes::new(wanted, now) });
        // What a first capture published itself is no older state that it could be compared with.
        let base =
            parent.filter(|_| !notes.first).map(|id| archive.snapshot(&id)).transpose()?.map(Snapshot::leniently);
        let hurt = base.as_ref().map(|base| archive.hurt(&base.manifest().id)).transpose()?.unwrap_or_default();
        if !hurt.is_empty() {
            let names: Vec<&str> = hurt.iter().map(ObjectName::as_str).collect();
            monitor.warned(&format!(
                "the archive is damaged: records of {} cannot be read, and are read from the account again",
                names.join(", ")
            ));
        }
        let own = sight_of(account);
        let seen_by = base.as_ref().map_or_else(|| own.clone(), |base| seen_by(base));
        let same_eyes = seen_by == own;
        if !same_eyes {
            monitor
                .warned("the token is another user's than before: what it does not show is carried over, not deleted");
        }
        let sight = if wanted.full { own } else { seen_by };
        let desk = RefCell::new(Desk::new(writer, notes));
        Ok(Run {
            account,
            base,
            hurt,
            wanted,
            monitor,
            same_eyes,
            sight,
            clock,
            desk,
            silent: Cell::new(0),
            answers: Cell::new(0),
            stopped: false,
            foreseen: Cell::new(0),
            taken_up,
        })
    }

    /// Reads every object that is wanted.
    pub(super) async fn read_everything(&self) -> Result<(), Stop> {
        let flat = || catalogue::ALL.iter().copied().filter(|object| is_flat(object) && self.wants(object));
        if !self.desk().notes.lists_settled {
            self.at_once(flat().filter(|object| !follows_twin(object)), |object| self.read_list(object)).await?;
            self.at_once(flat().filter(|object| follows_twin(object)), |object| self.read_list(object)).await?;
            // Lists that got no answer are asked once more: by now the connection may be back.
            self.at_once(flat(), |object| self.read_list(object)).await?;
            self.at_once(flat(), |object| self.catch_up(object)).await?;
            self.desk().notes.lists_settled = true;
        }
        for object in catalogue::ALL.iter().copied().filter(|object| self.wants(object)) {
            match object.listing {
                // What stands inside other rows was read with them.
                Listing::Flat(_) | Listing::Within { .. } => {}
                Listing::Under { .. } | Listing::Bulk { .. } => self.read_children(object).await?,
                Listing::Derived { .. } => self.read_contents(object).await?,
            }
        }
        Ok(())
    }

    /// Runs the work for several objects at a time. When one stops the run, the others still finish their page.
    async fn at_once<F, Work>(&self, objects: impl Iterator<Item = &'static Object>, work: F) -> Result<(), Stop>
    where
        F: Fn(&'static Object) -> Work,
        Work: Future<Output = Result<(), Stop>>,
    {
        let mut ends = stream::iter(objects).map(work).buffer_unordered(LISTS_AT_ONCE);
        let mut stop = Ok(());
        while let Some(end) = ends.next().await {
            match end {
                Ok(()) => {}
                Err(failed @ Stop::Failed(_)) => return Err(failed),
                Err(spent) => stop = Err(spent),
            }
        }
        stop
    }

    /// Reads what changed in a list since it was begun, if that was a while ago.
    async fn catch_up(&self, object: &'static Object) -> Result<(), Stop> {
        let now = self.now();
        let started = {
            let mut desk = self.desk();
            let progress = desk.notes.progress(object.name);
            progress.started.filter(|_| progress.failure.is_none() && object.since.is_some())
        };
        match started.filter(|started| now - *started > CAUGHT_UP_AFTER) {
            Some(started) => self.reread_since(object, way::watermark(started), now).await,
            None => Ok(()),
        }
    }

    /// Begins work on an object; false when there is nothing left to do.
    pub(super) fn set_out(&self, object: &'static Object) -> bool {
        let name = ObjectName::known(object.name);
        let base = self.held(object.name);
        let terms = Terms { full: self.fully(object), now: self.now(), spendable: self.spendable() };
        let way = way::choose(object, base, &self.without(object), terms);
        let mut desk = self.desk();
        let progress = desk.notes.progress(object.name);
        if progress.phase == Phase::Read {
            return false;
        }
        progress.failure = None;
        if progress.phase == Phase::Waiting {
            progress.phase = Phase::Rows;
            progress.way = Some(way);
            progress.started = Some(self.now());
        }
        let expected = base.map(|base| base.records).filter(|_| progress.way == Some(Way::Walk));
        drop(desk);
        self.monitor.began(&name, expected);
        true
    }

    /// Ends work on an object.
    pub(super) fn arrive(&self, object: &'static Object, end: Result<(), Trouble>) -> Result<(), Stop> {
        let failure = match end {
            Ok(()) => None,
            Err(Trouble::Stop(stop)) => return Err(stop),
            Err(Trouble::Gone) => Some(Failure::NotOffered("the service no longer answers for it".into())),
            Err(Trouble::Object(failure)) => Some(failure),
        };
        let mut desk = self.desk();
        let progress = desk.notes.progress(object.name);
        if !matches!(failure, Some(Failure::Unreachable(_))) {
            progress.phase = Phase::Read;
        }
        progress.failure = failure;
        // Of what hangs on other records only a part is asked for: no news is not "none".
        let kept = self.held(object.name).map_or(0, |held| held.records);
        let outcome = match &progress.failure {
            None if progress.listed + progress.bad + progress.unread == 0 && kept > 0 && !is_flat(object) => {
                "nothing new".to_owned()
            }
            _ => outcome(progress),
        };
        drop(desk);
        self.save_if_due()?;
        self.monitor.ended(&ObjectName::known(object.name), &outcome);
        Ok(())
    }

    /// What an answer means for the run.
    pub(super) fn judged<T>(&self, answer: Result<T, account::Error>) -> Result<T, Trouble> {
        use account::Error as No;
        let error = match answer {
            Ok(answer) => {
                self.silent.set(0);
                self.answers.set(self.answers.get() + 1);
                return Ok(answer);
            }
            Err(error) => error,
        };
        if !matches!(error, No::Unreachable(_)) {
            self.silent.set(0);
        }
        Err(match error {
            No::BudgetSpent(until) => Trouble::Stop(Stop::BudgetSpent(until)),
            No::Unauthorised(_) | No::LoggedOut(_) | No::Local { .. } | No::NoSuchCall { .. } | No::BadEndpoint(_) => {
                Trouble::Stop(Stop::Failed(error.into()))
            }
            No::NotOffered(reason) => Trouble::Object(Failure::NotOffered(reason)),
            No::Gone => Trouble::Gone,
            No::Unreachable(ref reason) => {
                self.silent.set(self.silent.get() + 1);
                let deaf = self.silent.get() >= SILENT_REQUESTS || (self.silent.get() > 1 && self.answers.get() == 0);
                if deaf {
                    Trouble::Stop(Stop::Failed(error.into()))
                } else {
                    Trouble::Object(Failure::Unreachable(reason.clone()))
                }
            }
            _ => Trouble::Object(Failure::Part(error.to_string())),
        })
    }

    /// True when the object is to be read, be it for its own sake or for that of what hangs on it.
    pub(super) fn wants(&self, object: &Object) -> bool {
        let Wanted { objects: asked, also, .. } = self.wanted;
        let named = |object: &Object| asked.iter().chain(also).any(|one| one.name == object.name);
        if object.on_request && !named(object) {
            return false;
        }
        if let Listing::Derived { from } = object.listing {
            let named = asked.is_empty() || asked.iter().any(|one| one.name == object.name || one.name == from);
            return self.wanted.contents && named;
        }
        asked.is_empty() || asked.iter().chain(also).any(|one| {
            let derived =
                matches!(one.listing, Listing::Derived { from } | Listing::Within { from, .. } if from == object.name);
            one.name == object.name || derived || one.parents().contains(&object.name)
        })
    }

    /// The fields that are left out of the object on purpose.
    pub(super) fn without(&self, object: &Object) -> Vec<String> {
        let custom = object.custom.filter(|_| !self.wanted.custom_fields).map(|_| CUSTOM_FIELDS);
        let extended =
            object.extended.iter().filter(|_| !self.wanted.extended).flat_map(|one| one.fields.iter().copied());
        custom.into_iter().chain(extended).map(str::to_owned).collect()
    }

    /// Whether all of an object is read again, whatever it costs.
    pub(super) fn fully(&self, object: &Object) -> bool {
        self.wanted.full || self.hurt.iter().any(|hurt| hurt.as_str() == object.name)
    }

    /// What the snapshot below says of an object.
    pub(super) fn held(&self, object: &str) -> Option<&Contents> {
        self.base.as_ref()?.contents(&ObjectName::new(object))
    }

    /// Writer and notes; never held while a request is under way.
    pub(super) fn desk(&self) -> RefMut<'_, Desk<'a>> {
        self.desk.borrow_mut()
    }

    /// The writer and the notes, at the end.
    pub(super) fn into_desk(self) -> Desk<'a> {
        self.desk.into_inner()
    }

    /// Puts everything on disk for the next run and names the objects that are read.
    pub(super) fn pause(&self) -> Result<Vec<String>, Error> {
        let mut desk = self.desk();
        desk.save(self.account.spent(), self.clock.now())?;
        let read = |object: &&&Object| desk.notes.is_read(object.name);
        Ok(catalogue::ALL.iter().filter(read).map(|object| object.name.to_owned()).collect())
    }

    /// Whether what was read so far is worth a snapshot: of a first capture, which may take days, it is all there is.
    pub(super) fn is_worth_publishing(&self) -> bool {
        let desk = self.desk();
        desk.notes.first && !self.wanted.aside && desk.writer.has_news()
    }

    /// What time it is by this machine's clock, by which the age of an unfinished capture is judged.
    pub(super) fn local_now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whose eyes this snapshot's deletions are judged by.
    pub(super) fn sight(&self) -> &Value {
        &self.sight
    }

    /// Saves what was read so far if a kill would cost too much.
    pub(super) fn save_if_due(&self) -> Result<(), Error> {
        self.desk().save_if_due(self.account.spent(), self.clock.now())
    }

    /// What time it is for the service: watermarks must not depend on how this machine's clock is set.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.account.now()
    }

    /// Tokens that may be spent today, when known.
    pub(super) fn spendable(&self) -> Option<u64> {
        self.account.may_spend().map(|tokens| tokens.saturating_sub(self.foreseen.get()))
    }
}

pub(super) fn is_flat(object: &Object) -> bool {
    matches!(object.listing, Listing::Flat(_))
}

/// True for the later of two lists between which records move: read last, it has what left the other meanwhile.
pub(super) fn follows_twin(object: &Object) -> bool {
    let place = |name: &str| catalogue::ALL.iter().position(|one| one.name == name);
    object.twin.is_some_and(|twin| place(twin) < place(object.name))
}

fn source(account: &Account, wanted: &Wanted) -> Source {
    let who = account.identity();
    Source {
        company_id: who.company_id,
        company_name: who.company_name.clone(),
        company_domain: who.company_domain.clone(),
        user_id: who.user_id,
        user_name: who.user_name.clone(),
        is_admin: who.is_admin,
        kind: if wanted.aside { Source::TARGET } else { "api" }.into(),
    }
}

fn sight_of(account: &Account) -> Value {
    let who = account.identity();
    json!({"user_id": who.user_id, "is_admin": who.is_admin})
}

/// Whose eyes the deletions of a snapshot were judged by: its own user's, unless it says otherwise.
fn seen_by(base: &Snapshot<'_>) -> Value {
    let manifest = base.manifest();
    let own = || json!({"user_id": manifest.source.user_id, "is_admin": manifest.source.is_admin});
    manifest.notes.get("sight").cloned().unwrap_or_else(own)
}

fn outcome(progress: &Progress) -> String {
    match &progress.failure {
        None if progress.bad + progress.unread == 0 => format!("{} listed", progress.listed),
        None => format!("{} listed, {} could not be read", progress.listed, progress.bad + progress.unread),
        Some(Failure::NotOffered(reason)) => format!("not offered: {reason}"),
        Some(Failure::Part(reason) | Failure::Unreachable(reason)) => format!("in part: {reason}"),
    }
}
