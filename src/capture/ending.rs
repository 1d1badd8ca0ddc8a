//! The end of a capture: every object is closed with the truth about how it was seen, then the snapshot exists.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Error;
use super::desk::Desk;
use super::notes::{Failure, Notes, Phase, Progress};
use super::run::Run;
use super::sweep::{self, Looked};
use super::way::{self, Way};
use crate::archive::{Contents, Coverage, Ending, Manifest, Tally};
use crate::catalogue::{self, Listing, Object, ObjectName};

/// Of what a first capture had not begun with when its budget was spent.
pub const NOT_READ: &str = "not read yet";

impl<'a> Run<'a> {
    /// Closes every object and writes the manifest.
    pub(super) fn finish(self) -> Result<Manifest, Error> {
        let (desk, tally) = self.close()?;
        Ok(desk.writer.finish(tally)?)
    }

    /// Closes every object as far as it was read and writes the manifest; the next run goes on from there.
    pub(super) fn publish(mut self) -> Result<Manifest, Error> {
        self.stopped = true;
        let now = self.local_now();
        let (Desk { writer, notes, .. }, tally) = self.close()?;
        // What this snapshot says it cost is not counted again in the next.
        let notes = Notes { requests: 0, tokens: 0, saved: now, ..notes };
        Ok(writer.publish(tally, &notes)?)
    }

    /// Closes every object with the truth about how it was seen.
    fn close(self) -> Result<(Desk<'a>, Tally), Error> {
        let mut endings = Vec::new();
        for object in catalogue::ALL.iter().copied() {
            let (progress, owner) = {
                let mut desk = self.desk();
                let owner = match object.listing {
                    Listing::Derived { from } | Listing::Within { from, .. } => Some(desk.notes.progress(from).clone()),
                    _ => None,
                };
                let own = desk.notes.progress(object.name).clone();
                // What stands inside other rows was seen when and as far as those were.
                match (object.listing, &owner) {
                    (Listing::Within { .. }, Some(owner)) => (seen_with(&own, owner), None),
                    _ => (own, owner),
                }
            };
            endings.push((object, self.ending(object, &progress, owner.as_ref()), progress));
        }
        let foreign = self.foreign();
        let spent = self.account.spent();
        let sight = self.sight().clone();
        let marks = [(Manifest::FULL, self.wanted.full), (Manifest::ON_THE_WAY, self.wanted.on_the_way)];
        let looked = endings.iter().filter_map(|(object, _, progress)| Some((object.name, progress.looked.clone()?)));
        let looked = sweep::notes(looked.collect(), self.base.as_ref().map(|base| base.manifest()));
        let mut desk = self.into_desk();
        let mut counts = Counts::default();
        for (object, ending, progress) in endings {
            let contents = desk.writer.close(&ObjectName::known(object.name), ending)?;
            counts.add(object, &progress, &contents);
            counts.bounds(object, &contents);
        }
        for (name, ending) in foreign {
            desk.writer.close(&name, ending)?;
        }
        let mut said = counts.notes(sight, looked);
        for (mark, _) in marks.into_iter().filter(|(_, holds)| *holds) {
            said[mark] = Value::Bool(true);
        }
        let notes = &desk.notes;
        let tally = Tally {
            started: notes.started,
            requests: notes.requests + spent.requests,
            tokens: notes.tokens + spent.tokens,
            notes: said,
        };
        Ok((desk, tally))
    }

    /// Why every list was refused, if every one was: the login may see nothing.
    pub(super) fn refused_everything(&self) -> Option<String> {
        let mut desk = self.desk();
        let lists =
            catalogue::ALL.iter().filter(|object| matches!(object.listing, Listing::Flat(_)) && !object.is_removed());
        let mut reasons =
            lists.filter(|object| self.wants(object)).map(|object| match &desk.notes.progress(object.name).failure {
                Some(Failure::NotOffered(reason)) => Some(reason.clone()),
                _ => None,
            });
        let first = reasons.next()??;
        // Of a single object that was asked for, its coverage says as much.
        let (more, all) = reasons.fold((0, true), |(more, all), reason| (more + 1, all && reason.is_some()));
        (all && more > 0).then_some(first)
    }

    fn ending(&self, object: &Object, progress: &Progress, owner: Option<&Progress>) -> Ending {
        let base = self.held(object.name);
        let coverage = self.coverage(object, progress);
        let whole = coverage == Coverage::Whole;
        let complete = match object.listing {
            Listing::Flat(_) | Listing::Within { .. } => progress.way == Some(Way::Walk) && whole,
            // Children of whatever was read were marked as gone one by one.
            Listing::Under { .. } | Listing::Bulk { .. } => false,
            // What stands for a file is gone when its file is.
            // What shows a record under a parent is marked as gone together with it.
            Listing::Derived { from } => {
                let flat = catalogue::find(&ObjectName::known(from)).is_some_and(|of| of.parents().is_empty());
                flat && owner.is_some_and(walked_whole) && progress.failure.is_none()
            }
        };
        let unseen_is_deleted = complete && self.sees(object) && (whole || owner.is_some());
        let started = progress.started.unwrap_or_else(|| self.now());
        let looked_at_all = match object.listing {
            Listing::Flat(_) => unseen_is_deleted.then_some(started),
            _ if !whole || !self.sees(object) => None,
            _ if progress.carried == 0 => Some(started),
            // Every parent was looked at then or later.
            _ => progress.looked.as_ref().and_then(Looked::oldest),
        };
        let below = base.and_then(|base| base.watermark);
        Ending {
            without: if progress.started.is_some() { self.without(object) } else { held_without(base) },
            gaps: lost_sight(base, &coverage).into_iter().chain(progress.all_gaps()).collect(),
            unseen_is_deleted,
            listed: Some(progress.listed),
            seen_at: if progress.started.is_some() { started } else { base.map_or(started, |base| base.seen_at) },
            deletions_seen_at: looked_at_all.or_else(|| base.and_then(|base| base.deletions_seen_at)),
            // Never past a record that failed: the next increment must meet it again.
            watermark: object.since.and_then(|_| if whole { Some(way::watermark(started)) } else { below }),
            coverage,
        }
    }

    fn coverage(&self, object: &Object, progress: &Progress) -> Coverage {
        if object.on_request && !self.wants(object) {
            let price = object.price;
            return Coverage::LeftOut {
                reason: format!("{price} tokens for each record, read with --with {}", object.name),
            };
        }
        if !self.wants(object) {
            return Coverage::LeftOut { reason: "not asked for".into() };
        }
        match &progress.failure {
            Some(Failure::NotOffered(reason)) => Coverage::NotOffered { reason: reason.clone() },
            Some(Failure::Part(reason) | Failure::Unreachable(reason)) => Coverage::Part { reason: reason.clone() },
            None if self.stopped && progress.phase != Phase::Read => {
                Coverage::Part { reason: so_far(object, progress) }
            }
            None if progress.bad > 0 => part(progress.bad, "row was no record", "rows were no records"),
            None if progress.unread > 0 => part(progress.unread, "could not be read", "could not be read"),
            None if progress.ahead > 0 => Coverage::Part { reason: not_yet(object, progress.ahead) },
            None => self.coverage_by_parents(object),
        }
    }

    /// Children cannot be complete when their parents are not, and are not offered when none of these is.
    fn coverage_by_parents(&self, object: &Object) -> Coverage {
        let mut desk = self.desk();
        let mut refused = |parent: &&str| matches!(desk.notes.progress(parent).failure, Some(Failure::NotOffered(_)));
        if !object.parents().is_empty() && object.parents().iter().all(&mut refused) {
            let parent = ObjectName::known(object.parents()[0]).title();
            return Coverage::NotOffered { reason: format!("{parent} are not offered") };
        }
        let broken = |parent: &&&str| {
            let parent = desk.notes.progress(parent);
            parent.bad > 0 || matches!(parent.failure, Some(Failure::Part(_) | Failure::Unreachable(_)))
        };
        match object.parents().iter().find(broken) {
            Some(parent) => {
                Coverage::Part { reason: format!("{} were read in part", ObjectName::known(parent).title()) }
            }
            None => Coverage::Whole,
        }
    }

    /// Objects of the snapshot below that this version does not know: carried over as they are.
    fn foreign(&self) -> Vec<(ObjectName, Ending)> {
        let below = self.base.iter().flat_map(|base| &base.manifest().contents);
        let names = below.map(|contents| (contents.object.clone(), contents));
        let unknown = names.filter(|(name, _)| catalogue::find(name).is_none());
        unknown.map(|(name, contents)| (name, left_as_it_was(contents))).collect()
    }
}

/// What was there in the snapshot below and is not offered any more is told as a gap once; afterwards the coverage says it.
fn lost_sight(base: Option<&Contents>, coverage: &Coverage) -> Option<String> {
    let was_seen = |base: &&Contents| !matches!(base.coverage, Coverage::NotOffered { .. }) && base.records > 0;
    let base = base.filter(|_| matches!(coverage, Coverage::NotOffered { .. })).filter(was_seen)?;
    Some(format!("it was offered before: what it had then is carried over ({})", base.records))
}

/// How far an object was read when the run had to stop.
fn so_far(object: &Object, progress: &Progress) -> String {
    match (object.listing, progress.pages) {
        (_, 0) => NOT_READ.to_owned(),
        (Listing::Flat(_) | Listing::Within { .. }, pages) => format!("read up to page {pages}"),
        _ => format!("{} read so far", progress.listed),
    }
}

/// How far an object is whose rows stand inside another's.
fn seen_with(own: &Progress, owner: &Progress) -> Progress {
    let Progress { listed, bad, gaps, more_gaps, .. } = own.clone();
    Progress { listed, bad, gaps, more_gaps, carried: 0, unread: 0, ..owner.clone() }
}

fn walked_whole(progress: &Progress) -> bool {
    progress.way == Some(Way::Walk) && progress.failure.is_none() && progress.bad == 0
}

fn held_without(base: Option<&Contents>) -> Vec<String> {
    base.map(|base| base.without.clone()).unwrap_or_default()
}

fn left_as_it_was(contents: &Contents) -> Ending {
    Ending {
        without: contents.without.clone(),
        coverage: Coverage::LeftOut { reason: "not known to this version of pdbak".into() },
        unseen_is_deleted: false,
        listed: Some(0),
        gaps: Vec::new(),
        seen_at: contents.seen_at,
        deletions_seen_at: contents.deletions_seen_at,
        watermark: contents.watermark,
    }
}

/// What the next captures have still to look at for the first time.
fn not_yet(object: &Object, ahead: u64) -> String {
    let parents: Vec<String> = object.parents().iter().map(|parent| ObjectName::known(parent).title()).collect();
    format!("{ahead} {} not looked at yet, the next snapshots go on", parents.join(" and "))
}

fn part(count: u64, one: &str, many: &str) -> Coverage {
    Coverage::Part { reason: format!("{count} {}", if count == 1 { one } else { many }) }
}

/// What was listed and what was carried over, for the notes of the snapshot.
#[derive(Default)]
struct Counts {
    listed: BTreeMap<&'static str, u64>,
    carried: BTreeMap<&'static str, u64>,
    /// Parents that no capture has looked at yet.
    ahead: BTreeMap<&'static str, u64>,
    /// What an object is limited to, however complete it is.
    only: BTreeMap<&'static str, &'static str>,
}

impl Counts {
    fn add(&mut self, object: &Object, progress: &Progress, contents: &Contents) {
        if progress.started.is_some() {
            self.listed.insert(object.name, progress.listed);
        }
        if progress.ahead > 0 {
            self.ahead.insert(object.name, progress.ahead);
        }
        let carried = contents.certificate.map_or(0, |certificate| certificate.carried);
        if carried > 0 {
            self.carried.insert(object.name, carried);
        }
    }

    /// Notes what the coverage of an object cannot say.
    fn bounds(&mut self, object: &Object, contents: &Contents) {
        let asked = matches!(contents.coverage, Coverage::Whole | Coverage::Part { .. });
        if let Some(own) = object.own.filter(|_| asked) {
            self.only.insert(object.name, own.words);
        }
    }

    fn notes(self, sight: Value, looked: Value) -> Value {
        let Counts { listed, carried, ahead, only } = self;
        let mut notes = json!({"listed": listed, "carried": carried, "sight": sight, "looked": looked});
        // Absent where there is nothing to say: most snapshots.
        if !ahead.is_empty() {
            notes["ahead"] = json!(ahead);
        }
        if !only.is_empty() {
            notes["only"] = json!(only);
        }
        notes
    }
}
