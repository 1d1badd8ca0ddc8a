//! How snapshots look: the list, one of them, and the line at the end of a capture.

use std::collections::BTreeSet;
use std::io::{self, Write};

use chrono::{DateTime, TimeDelta, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::archive::{Contents, Coverage, Manifest, Source, Standing};
use crate::capture::{self, Carried};
use crate::catalogue::{self, ObjectName};
use crate::cli::show::alarms::AlarmView;
use crate::cli::show::certificate::{self, Certified, Sum, Verified, cannot_see};
use crate::cli::show::drills::{Drill, Drilled};
use crate::cli::show::{View, count, moment, number, print, size, table};

/// One object of a snapshot.
#[derive(Serialize)]
pub(crate) struct ObjectLine {
    #[serde(skip)]
    title: String,
    records: u64,
    new: u64,
    changed: u64,
    deleted: u64,
    coverage: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carried: Option<Carried>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Certified>,
    #[serde(skip)]
    taken: DateTime<Utc>,
}

/// One snapshot with all its objects.
#[derive(Serialize)]
pub(crate) struct SnapshotView {
    snapshot: String,
    parent: Option<String>,
    sequence: u64,
    account: Source,
    started: DateTime<Utc>,
    finished: DateTime<Utc>,
    requests: u64,
    tokens: u64,
    bytes_added: u64,
    records: u64,
    complete: bool,
    /// How the records were counted; none in snapshots of a time before they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Sum>,
    /// What the token's user cannot see, whatever the snapshot holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cannot_see: Vec<String>,
    /// What reading all of it again found.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<Verified>,
    /// The budget was spent before everything was read; the next snapshot has more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    /// It was read by a diff, a restore or an undo to compare with; "latest" never means it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    on_the_way: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    tags: BTreeSet<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    /// The first moment at which it may be forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<DateTime<Utc>>,
    /// It raised an alarm that nobody has acknowledged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    alarmed: bool,
    /// Alarms that the end of this capture raised.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alarms: Vec<AlarmView>,
    /// What the newest drill of it found.
    #[serde(skip_serializing_if = "Option::is_none")]
    drill: Option<Drilled>,
    #[serde(serialize_with = "by_title")]
    objects: Vec<ObjectLine>,
    #[serde(skip)]
    whole_page: bool,
}

/// All snapshots of an archive, oldest first.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct SnapshotList(pub(crate) Vec<SnapshotView>);

/// How much of an object was seen, in words that scripts may rely on, and why not more.
fn coverage(coverage: &Coverage) -> (String, Option<String>) {
    match coverage {
        Coverage::Whole => ("whole".to_owned(), None),
        Coverage::Part { reason } => (format!("part: {reason}"), Some(reason.clone())),
        Coverage::NotOffered { reason } => ("not offered".to_owned(), Some(reason.clone())),
        Coverage::LeftOut { reason } => ("left out".to_owned(), Some(reason.clone())),
    }
}

fn by_title<S: Serializer>(objects: &[ObjectLine], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(objects.len()))?;
    for object in objects {
        map.serialize_entry(&object.title, object)?;
    }
    map.end()
}

impl ObjectLine {
    /// The line of an object; `only` is what it is limited to, however complete it is.
    fn of(manifest: &Manifest, contents: &Contents, only: Option<&str>) -> ObjectLine {
        let (coverage, reason) = match (&contents.coverage, only) {
            (Coverage::Whole, Some(only)) => coverage(&Coverage::Part { reason: only.to_owned() }),
            (seen, _) => coverage(seen),
        };
        ObjectLine {
            title: contents.object.title(),
            records: contents.records,
            new: contents.new,
            changed: contents.changed,
            deleted: contents.deleted,
            coverage,
            reason,
            gaps: contents.gaps.clone(),
            carried: capture::carried(manifest, &contents.object),
            certificate: Certified::of(contents),
            taken: manifest.started,
        }
    }

    /// What happened to it since the snapshot before: `312 changed, 4 gone`.
    fn news(&self) -> String {
        let parts = [(self.new, "new"), (self.changed, "changed"), (self.deleted, "gone")];
        let told =
            parts.iter().filter(|(amount, _)| *amount > 0).map(|(amount, word)| format!("{} {word}", number(*amount)));
        told.collect::<Vec<_>>().join(", ")
    }

    /// What was not looked at again, and how old that look is: `340 carried over, oldest looked at 3 days ago`.
    fn age(&self) -> Option<String> {
        let carried = self.carried.as_ref()?;
        let ago = carried.oldest_looked_at.map(|at| format!(", oldest looked at {}", ago(self.taken - at)));
        Some(format!("{} carried over{}", number(carried.records), ago.unwrap_or_default()))
    }

    fn seen(&self) -> String {
        let age = self.age().map(|age| format!("; {age}")).unwrap_or_default();
        format!("{}{age}", self.coverage())
    }

    fn coverage(&self) -> String {
        match (&self.reason, self.gaps.len()) {
            (Some(reason), _) if !self.is_part() => format!("{} ({reason})", self.coverage),
            (_, 0) | (Some(_), _) => self.coverage.clone(),
            (None, gaps) => format!("{}, {}", self.coverage, count(gaps as u64, "gap", "gaps")),
        }
    }

    fn is_part(&self) -> bool {
        self.coverage.starts_with("part")
    }

    /// Whether the capture had not begun with it.
    fn is_unread(&self) -> bool {
        self.reason.as_deref() == Some(capture::NOT_READ)
    }

    /// Whether a person should hear of it.
    fn is_remarkable(&self) -> bool {
        self.coverage != "whole" || !self.gaps.is_empty()
    }

    /// How many records were not looked at again, and how old the oldest look at one of them is.
    fn swept(&self) -> Option<(u64, TimeDelta)> {
        let carried = self.carried.as_ref()?;
        Some((carried.records, self.taken - carried.oldest_looked_at?))
    }
}

impl SnapshotView {
    /// The page that `pdbak show` prints.
    pub(crate) fn page(manifest: &Manifest) -> SnapshotView {
        let mut contents: Vec<&Contents> = manifest.contents.iter().collect();
        contents.sort_by_key(|contents| place(&contents.object));
        let only = |contents: &Contents| manifest.notes["only"][contents.object.as_str()].as_str();
        SnapshotView {
            snapshot: manifest.id.0.clone(),
            parent: manifest.parent.as_ref().map(|parent| parent.0.clone()),
            sequence: manifest.sequence,
            account: manifest.source.clone(),
            started: manifest.started,
            finished: manifest.finished,
            requests: manifest.requests,
            tokens: manifest.tokens,
            bytes_added: manifest.bytes_added,
            records: manifest.contents.iter().map(|contents| contents.records).sum(),
            complete: !has_gaps(manifest),
            certificate: Sum::of(&manifest.contents),
            cannot_see: cannot_see(manifest),
            verified: None,
            partial: manifest.is_unfinished(),
            on_the_way: manifest.is_on_the_way(),
            tags: BTreeSet::new(),
            pinned: false,
            held_until: None,
            alarmed: false,
            alarms: Vec::new(),
            drill: None,
            objects: contents.into_iter().map(|contents| ObjectLine::of(manifest, contents, only(contents))).collect(),
            whole_page: true,
        }
    }

    /// The same with what the newest drill of it found.
    pub(crate) fn drilled(self, drill: Option<&Drill>, now: DateTime<Utc>) -> SnapshotView {
        SnapshotView { drill: drill.map(|drill| Drilled::of(drill, now)), ..self }
    }

    /// The same with what reading all of it again found.
    pub(crate) fn verified(self, verified: Verified) -> SnapshotView {
        SnapshotView { verified: Some(verified), ..self }
    }

    /// Whether the numbers contradict each other.
    pub(crate) fn is_contradictory(&self) -> bool {
        self.certificate.as_ref().is_some_and(|sum| !sum.agrees())
            || self.verified.as_ref().is_some_and(|one| !one.is_well())
    }

    /// What does not add up, object by object.
    fn contradictions(&self, out: &mut dyn Write) -> io::Result<()> {
        for object in &self.objects {
            if let Some(mismatch) = object.certificate.as_ref().and_then(|one| one.mismatch.as_ref()) {
                writeln!(out, "error in {}: the numbers contradict each other: {mismatch}", object.title)?;
            }
        }
        Ok(())
    }

    /// The same with what was decided about it; a hold that is over is none.
    pub(crate) fn standing(self, standing: Option<&Standing>, now: DateTime<Utc>) -> SnapshotView {
        let Standing { tags, pinned, held, alarmed } = standing.cloned().unwrap_or_default();
        SnapshotView { tags, pinned, held_until: held.filter(|until| *until > now), alarmed, ..self }
    }

    /// The same with the alarms that were raised at its end.
    pub(crate) fn alarming(self, alarms: Vec<AlarmView>) -> SnapshotView {
        SnapshotView { alarms, ..self }
    }

    /// What keeps it and what it is called, after its account: `  pinned  #before-import`.
    fn decided(&self) -> String {
        let held = self.held_until.map(|until| format!("  held until {} UTC", moment(until)));
        let tags: String = self.tags.iter().map(|tag| format!("  #{tag}")).collect();
        let alarmed = if self.alarmed { "  ALARM" } else { "" };
        format!("{alarmed}{}{}{tags}", if self.pinned { "  pinned" } else { "" }, held.unwrap_or_default())
    }

    /// The closing lines of a capture.
    pub(crate) fn closing(manifest: &Manifest) -> SnapshotView {
        SnapshotView { whole_page: false, ..SnapshotView::page(manifest) }
    }

    fn short(&self) -> &str {
        &self.snapshot[..self.snapshot.len().min(8)]
    }

    fn whose(&self) -> String {
        let Source { company_id, company_name, user_name, is_admin, kind, .. } = &self.account;
        match kind.as_str() {
            "import" => "imported from files".to_owned(),
            _ => {
                let rank = if *is_admin { "admin" } else { "not an admin: sees only what this user may see" };
                format!("{company_name} (company {company_id}) as {user_name}, {rank}")
            }
        }
    }

    /// What a partial snapshot lacks: `partial: 40 objects are not read yet, 1 in part`.
    fn lacks(&self) -> Option<String> {
        let unread = self.objects.iter().filter(|object| object.is_unread()).count() as u64;
        let part = self.objects.iter().filter(|object| object.is_part() && !object.is_unread()).count();
        let unread = count(unread, "object is", "objects are");
        self.partial.then(|| format!("partial: {unread} not read yet, {part} in part"))
    }

    fn closing_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        let seen = self.objects.iter().filter(|object| object.coverage == "whole" || object.is_part()).count();
        writeln!(
            out,
            "snapshot {} {}  ·  {} in {}  ·  {} in {}  ·  {} added",
            self.short(),
            match (self.partial, self.complete) {
                (true, _) => "partial",
                (false, true) => "complete",
                (false, false) => "done with gaps",
            },
            count(self.records, "record", "records"),
            count(seen as u64, "object", "objects"),
            count(self.tokens, "token", "tokens"),
            count(self.requests, "request", "requests"),
            size(self.bytes_added)
        )?;
        if let Some(sum) = &self.certificate {
            writeln!(out, "  {}", sum.words())?;
        }
        self.contradictions(out)?;
        let (on_request, others): (Vec<_>, Vec<_>) = self
            .objects
            .iter()
            .filter(|object| object.is_remarkable())
            .partition(|object| object.coverage == "left out" && is_on_request(&object.title));
        if !on_request.is_empty() {
            let objects = count(on_request.len() as u64, "object is", "objects are");
            writeln!(out, "  {objects} read on request only, with --with; \"pdbak show\" names them")?;
        }
        let (unread, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|object| self.partial && object.is_unread());
        if !unread.is_empty() {
            let titles: Vec<&str> = unread.iter().map(|object| object.title.as_str()).collect();
            writeln!(out, "  {}: {}", capture::NOT_READ, titles.join(", "))?;
        }
        for object in others {
            writeln!(out, "  {}: {}", object.title, object.seen())?;
            for gap in &object.gaps {
                writeln!(out, "    {gap}")?;
            }
        }
        let swept = || self.objects.iter().filter_map(ObjectLine::swept);
        if let Some(oldest) = swept().map(|(_, age)| age).max() {
            let records = count(swept().map(|(records, _)| records).sum(), "record", "records");
            let objects = count(swept().count() as u64, "object", "objects");
            writeln!(out, "  {records} of {objects} carried over; the oldest was looked at {}", ago(oldest))?;
        }
        self.alarms.iter().try_for_each(|alarm| alarm.text(out))
    }
}

/// How long ago, in the largest unit that tells.
pub(crate) fn ago(time: TimeDelta) -> String {
    match (time.num_days(), time.num_hours(), time.num_minutes()) {
        (days @ 1.., ..) => format!("{} ago", count(days.unsigned_abs(), "day", "days")),
        (_, hours @ 1.., _) => format!("{} ago", count(hours.unsigned_abs(), "hour", "hours")),
        (_, _, minutes @ 1..) => format!("{} ago", count(minutes.unsigned_abs(), "minute", "minutes")),
        _ => "less than a minute ago".to_owned(),
    }
}

/// Whether the object costs so much that it is read only when asked for.
fn is_on_request(title: &str) -> bool {
    catalogue::find(&ObjectName::new(title)).is_some_and(|object| object.on_request)
}

/// The object's place in the catalogue; objects that it does not know come last.
fn place(object: &ObjectName) -> usize {
    catalogue::ALL.iter().position(|known| known.name == object.as_str()).unwrap_or(usize::MAX)
}

/// Whether something could not be read that should have been.
pub(crate) fn has_gaps(manifest: &Manifest) -> bool {
    manifest.contents.iter().any(|contents| {
        let part = matches!(contents.coverage, Coverage::Part { .. });
        part || !contents.gaps.is_empty() || certificate::mismatch(contents).is_some()
    })
}

impl View for SnapshotView {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.whole_page {
            return self.closing_lines(out);
        }
        let seconds = (self.finished - self.started).num_seconds().max(0) as u64;
        writeln!(out, "snapshot {}", self.snapshot)?;
        writeln!(out, "of       {}", self.whose())?;
        writeln!(out, "taken    {} UTC, in {}", moment(self.started), count(seconds, "second", "seconds"))?;
        let cost = (count(self.tokens, "token", "tokens"), count(self.requests, "request", "requests"));
        writeln!(out, "cost     {} in {}, {} added to the archive", cost.0, cost.1, size(self.bytes_added))?;
        writeln!(out, "holds    {}", count(self.records, "record", "records"))?;
        if let Some(lacks) = self.lacks() {
            writeln!(out, "         {lacks}; \"pdbak snapshot\" goes on from here")?;
        }
        writeln!(out)?;
        let header =
            ["object", "listed", "carried over", "stored", "read back", "since the snapshot before", "coverage"];
        let mut lines = table(&header, &[1, 2, 3, 4]);
        for object in &self.objects {
            let [listed, carried, read_back] = certificate::columns(object.certificate.as_ref());
            let stored = number(object.records);
            lines.add_row([object.title.clone(), listed, carried, stored, read_back, object.news(), object.seen()]);
        }
        print(&lines, out)?;
        for object in &self.objects {
            for gap in &object.gaps {
                writeln!(out, "gap in {}: {gap}", object.title)?;
            }
        }
        self.contradictions(out)?;
        if let Some(sum) = &self.certificate {
            writeln!(out, "\n{}", sum.words())?;
        }
        for unseen in &self.cannot_see {
            writeln!(out, "not in it: {unseen}")?;
        }
        self.verified.as_ref().map_or(Ok(()), |verified| verified.text(out))
    }
}

impl View for SnapshotList {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.0.is_empty() {
            return writeln!(out, "no snapshots yet; \"pdbak snapshot\" takes the first one");
        }
        let header = ["snapshot", "taken (UTC)", "records", "new", "changed", "gone", "added", "tokens", "account"];
        let mut lines = table(&header, &[2, 3, 4, 5, 6, 7]);
        for one in &self.0 {
            let sum = |of: fn(&ObjectLine) -> u64| number(one.objects.iter().map(of).sum());
            let whose = if one.account.kind == "import" { "(imported)" } else { one.account.company_name.as_str() };
            let aside = match (one.account.is_aside(), one.on_the_way) {
                (true, _) => "  read to restore into it",
                (false, true) => "  read to compare with",
                (false, false) => "",
            };
            let drill = one.drill.as_ref().map(|drill| format!("  {}", drill.words)).unwrap_or_default();
            let gaps = if one.complete { "" } else { "  with gaps" };
            let gaps = one.lacks().map_or_else(|| gaps.to_owned(), |lacks| format!("  {lacks}"));
            lines.add_row([
                one.short().to_owned(),
                moment(one.started),
                number(one.records),
                sum(|object| object.new),
                sum(|object| object.changed),
                sum(|object| object.deleted),
                size(one.bytes_added),
                number(one.tokens),
                format!("{whose}{gaps}{aside}{drill}{}", one.decided()),
            ]);
        }
        print(&lines, out)
    }
}
