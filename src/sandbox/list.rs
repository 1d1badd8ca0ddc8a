//! v2 lists: cursor paging, sorting, and the filters of the query.

use std::ops::Bound;

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, cursor_page, invalid, refusal};
use crate::sandbox::call::Call;
use crate::sandbox::clock;
use crate::sandbox::cursor::Cursor;
use crate::sandbox::filters::Condition;
use crate::sandbox::kinds::Gone;
use crate::sandbox::row::Id;
use crate::sandbox::show::Show;
use crate::sandbox::store::{Row, Table};

/// Largest page of a v2 list. api/objects.md, C500.
const LARGEST: usize = 500;
const DEFAULT: usize = 100;
/// From so many changed rows on, `updated_since` walks the table in id order instead of sorting the changes.
const FEW: usize = 5_000;

/// Which of the two lists of a kind is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shelf {
    Active,
    Archived,
}

/// One page of a v2 list of records.
pub(super) fn page(account: &Account, call: &Call<'_>, kind: &'static str, shelf: Shelf) -> Outcome {
    let table = account.store.table(kind);
    let request = Request::read(account, call, kind, shelf)?;
    let show = Show::asked(account, call, facts(kind))?;
    let wanted = |id: &Id, row: &Row| request.wants(account, table, id, row);
    let size = request.size;
    let mut found = request.candidates(account, table, &wanted, size + 1)?;
    let more = found.len() > size;
    found.truncate(size);
    let mut text = String::with_capacity(found.len() * 1024);
    for (at, id) in found.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        show.write(&mut text, table.kind, id, &table.rows[*id]);
    }
    let next = found.last().filter(|_| more).map(|id| request.cursor_after(id, &table.rows[*id]));
    cursor_page(&text, next)
}

/// The size of the page asked for.
pub(super) fn page_size(account: &Account, call: &Call<'_>) -> Result<usize, Answer> {
    let asked = call.asked_number("limit")?.unwrap_or(DEFAULT as u64) as usize;
    if asked == 0 || (asked > LARGEST && account.assume.is("over-limit", "reject")) {
        return Err(invalid("limit", "must be between 1 and 500"));
    }
    Ok(asked.min(LARGEST))
}

/// A page now and then is shorter than asked, though more follow: nothing promises full pages.
pub(super) fn odd_size(account: &Account, size: usize, after: u64) -> usize {
    let luck = after.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    if !account.assume.yes("odd") || size < 20 || !luck.is_multiple_of(4) {
        return size;
    }
    size - 1 - (luck as usize / 4) % (size / 10)
}

struct Request {
    shelf: Shelf,
    size: usize,
    sort: String,
    down: bool,
    after: Option<Cursor>,
    ids: Option<Vec<u64>>,
    statuses: Option<Vec<String>>,
    equal: Vec<(&'static str, String)>,
    among: Vec<(&'static str, u64)>,
    of_deal: Option<u64>,
    since: Option<i64>,
    until: Option<i64>,
    condition: Option<Condition>,
}

/// Query parameters that ask for one value of a member.
const EQUAL: &[&str] = &[
    "owner_id",
    "person_id",
    "org_id",
    "pipeline_id",
    "stage_id",
    "lead_id",
    "deal_id",
    "done",
    "project_id",
    "parent_task_id",
    "phase_id",
    "is_done",
    "is_milestone",
];
/// Query parameters that ask for one of the ids in a list of the row's.
const AMONG: &[(&str, &str, &str)] = &[
    ("projects", "deal_id", "deal_ids"),
    ("projects", "person_id", "person_ids"),
    ("projects", "org_id", "org_ids"),
    ("tasks", "assignee_id", "assignee_ids"),
];

impl Request {
    fn read(account: &Account, call: &Call<'_>, kind: &str, shelf: Shelf) -> Result<Self, Answer> {
        let after = match call.asked("cursor") {
            Some(text) => Some(Cursor::read(text).ok_or_else(|| invalid("cursor", "is not valid"))?),
            None => None,
        };
        let condition = call.asked_number("filter_id")?.map(|id| Condition::of(account, kind, id)).transpose()?;
        let time = |name| call.asked(name).and_then(clock::read_since).map(|time| time.timestamp());
        let mut equal = Vec::new();
        let lists = AMONG.iter().filter(|(of, ..)| *of == kind);
        let mut among = Vec::new();
        for (_, name, member) in lists.clone() {
            among.extend(call.asked_number(name)?.map(|id| (*member, id)));
        }
        let in_list =
            |name: &str| lists.clone().any(|(_, of, _)| *of == name) || (kind == "persons" && name == "deal_id");
        for name in EQUAL.iter().filter(|name| condition.is_none() && !in_list(name)) {
            if let Some(value) = call.asked(name) {
                equal.push((*name, if *name == "lead_id" { format!("\"{value}\"") } else { value.to_owned() }));
            }
        }
        let of_deal = if kind == "persons" { call.asked_number("deal_id")? } else { None };
        let size = page_size(account, call)?;
        let start = after.as_ref().map_or(0, |cursor| cursor.id);
        Ok(Self {
            shelf,
            size: odd_size(account, size, start),
            sort: call.asked("sort_by").unwrap_or("id").to_owned(),
            down: call.asked("sort_direction") == Some("desc"),
            after,
            ids: if condition.is_none() { ids(call)? } else { None },
            statuses: call.asked_list("status").map(|list| list.into_iter().map(str::to_owned).collect()),
            equal,
            among,
            of_deal,
            since: time("updated_since"),
            until: time("updated_until"),
            condition,
        })
    }

    /// Whether a row is on the list.
    fn wants(&self, account: &Account, table: &Table, id: &Id, row: &Row) -> bool {
        let listed_deleted = account.assume.yes("deleted-listed") && ["pipelines", "stages"].contains(&table.kind.name);
        let asked = |status: &str| self.statuses.as_ref().is_some_and(|list| list.iter().any(|one| one == status));
        let visible = if row.deleted {
            asked("deleted") || listed_deleted
        } else {
            self.statuses.is_none() || row.word("status").is_some_and(asked)
        };
        visible
            && row.archived == (self.shelf == Shelf::Archived)
            && self.since.is_none_or(|since| row.updated >= since)
            && self.until.is_none_or(|until| row.updated < until)
            && self.equal.iter().all(|(name, value)| row.member(name) == Some(value))
            && self.among.iter().all(|(member, id)| holds(row, member, *id))
            && self.of_deal.is_none_or(|deal| is_of_deal(account, deal, id))
            && self.condition.as_ref().is_none_or(|condition| condition.holds(row))
    }

    /// The next rows of the list, at most `most`.
    fn candidates<'a>(
        &self,
        account: &'a Account,
        table: &'a Table,
        wanted: &dyn Fn(&Id, &Row) -> bool,
        most: usize,
    ) -> Result<Vec<&'a Id>, Answer> {
        if let Some(cursor) = &self.after
            && (cursor.field != self.sort || cursor.down != self.down)
        {
            return Err(invalid("cursor", "belongs to another sorting"));
        }
        let keep = |id: &&Id| wanted(id, &table.rows[*id]);
        if let Some(ids) = &self.ids {
            let known = ids.iter().filter_map(|id| table.rows.get_key_value(&Id::Number(*id)).map(|(id, _)| id));
            return Ok(self.sorted(table, known.filter(keep).collect(), most));
        }
        if let Some(children) = self.by_parent(account, table) {
            return Ok(self.sorted(table, children.into_iter().filter(keep).collect(), most));
        }
        if self.sort == "id" {
            if let Some(since) = self.since {
                let changed = table.updates.range((since, Id::Number(0))..).map(|(_, id)| id);
                let few: Vec<&Id> = changed.take(FEW + 1).collect();
                if few.len() <= FEW {
                    return Ok(self.sorted(table, few.into_iter().filter(keep).collect(), most));
                }
            }
            return Ok(self.walk_ids(table).filter(keep).take(most).collect());
        }
        if self.sort == "update_time" && !table.updates.is_empty() {
            return Ok(self.walk_updates(table).filter(keep).take(most).collect());
        }
        Ok(self.sorted(table, table.rows.keys().filter(keep).collect(), most))
    }

    /// Rows under one parent, if the query names one that the index knows.
    fn by_parent<'a>(&self, account: &'a Account, table: &'a Table) -> Option<Vec<&'a Id>> {
        let links = table.kind.links;
        let (member, value) = self.equal.iter().find(|(name, _)| {
            *name != "pipeline_id" && *name != "stage_id" && links.iter().any(|(link, _)| link == name)
        })?;
        let target = match value.parse() {
            Ok(number) => Id::Number(number),
            Err(_) => Id::Text(value.trim_matches('"').into()),
        };
        Some(account.store.children(table.kind.name, member, &target).collect())
    }

    fn walk_ids<'a>(&self, table: &'a Table) -> Box<dyn Iterator<Item = &'a Id> + 'a> {
        let after = self.after.as_ref().map(|cursor| Id::Number(cursor.id));
        match (after, self.down) {
            (Some(id), false) => Box::new(table.rows.range((Bound::Excluded(id), Bound::Unbounded)).map(|(id, _)| id)),
            (Some(id), true) => Box::new(table.rows.range(..id).rev().map(|(id, _)| id)),
            (None, false) => Box::new(table.rows.keys()),
            (None, true) => Box::new(table.rows.keys().rev()),
        }
    }

    fn walk_updates<'a>(&self, table: &'a Table) -> Box<dyn Iterator<Item = &'a Id> + 'a> {
        let after = self.after.as_ref().and_then(|cursor| Some((cursor.value.parse().ok()?, Id::Number(cursor.id))));
        let first = (self.since.unwrap_or(i64::MIN), Id::Number(0));
        let updates = &table.updates;
        match (after, self.down) {
            (Some(at), false) => Box::new(updates.range((Bound::Excluded(at), Bound::Unbounded)).map(|(_, id)| id)),
            (Some(at), true) => Box::new(updates.range(..at).rev().map(|(_, id)| id)),
            (None, false) => Box::new(updates.range(first..).map(|(_, id)| id)),
            (None, true) => Box::new(updates.iter().rev().map(|(_, id)| id)),
        }
    }

    fn sorted<'a>(&self, table: &'a Table, ids: Vec<&'a Id>, most: usize) -> Vec<&'a Id> {
        let mut keyed: Vec<(String, &Id)> = ids.into_iter().map(|id| (self.key(id, &table.rows[id]), id)).collect();
        keyed.sort_unstable();
        if self.down {
            keyed.reverse();
        }
        let after = self.after.as_ref().map(|cursor| (self.comparable(&cursor.value), Id::Number(cursor.id)));
        let past = |(key, id): &(String, &Id)| {
            after.as_ref().is_none_or(|(value, last)| {
                let order = (key.as_str(), *id).cmp(&(value.as_str(), last));
                if self.down { order.is_lt() } else { order.is_gt() }
            })
        };
        keyed.into_iter().filter(past).map(|(_, id)| id).take(most).collect()
    }

    /// What a row is sorted by; numbers are padded so that they compare as text.
    fn key(&self, id: &Id, row: &Row) -> String {
        self.comparable(&self.raw_key(id, row))
    }

    fn raw_key(&self, id: &Id, row: &Row) -> String {
        match (self.sort.as_str(), id) {
            ("id", Id::Number(number)) => number.to_string(),
            ("update_time", _) => row.updated.to_string(),
            (member, _) => row.member(member).unwrap_or_default().trim_matches('"').to_owned(),
        }
    }

    fn comparable(&self, raw: &str) -> String {
        if raw.bytes().all(|byte| byte.is_ascii_digit()) { format!("{raw:0>20}") } else { raw.to_owned() }
    }

    fn cursor_after(&self, id: &Id, row: &Row) -> String {
        let number = if let Id::Number(number) = id { *number } else { 0 };
        Cursor { field: self.sort.clone(), value: self.raw_key(id, row), down: self.down, id: number }.written()
    }
}

/// Whether a list of ids in a row holds this one.
fn holds(row: &Row, member: &str, id: u64) -> bool {
    let listed = row.member(member).unwrap_or_default().trim_matches(['[', ']']);
    listed.split(',').any(|one| one == id.to_string())
}

/// api/objects.md: up to 100 ids; gone and invisible ones are left out without a word.
fn ids(call: &Call<'_>) -> Result<Option<Vec<u64>>, Answer> {
    let Some(list) = call.asked_list("ids") else { return Ok(None) };
    if list.len() > 100 {
        return Err(invalid("ids", "at most 100 ids"));
    }
    let number = |text: &str| text.parse().map_err(|_| invalid("ids", "must be numbers"));
    list.into_iter().map(number).collect::<Result<_, _>>().map(Some)
}

/// A deal's persons: its own and its participants. api/objects.md, DealPersons.
fn is_of_deal(account: &Account, deal: u64, person: &Id) -> bool {
    let deal = Id::Number(deal);
    let own = account.store.table("deals").rows.get(&deal).and_then(|row| row.number("person_id")).map(Id::Number);
    let participants = &account.store.table("dealParticipants").rows;
    own.as_ref() == Some(person)
        || account
            .store
            .children("dealParticipants", "deal_id", &deal)
            .any(|id| participants[id].number("person_id").map(Id::Number).as_ref() == Some(person))
}

/// One record of a v2 kind.
pub(super) fn single(account: &Account, call: &Call<'_>, kind: &'static str) -> Outcome {
    let id = Id::Number(call.number("id")?);
    let found = account.store.table(kind).rows.get(&id);
    // A deleted row that no member marks would pass for a living one.
    let row = found.filter(|row| !row.deleted || facts(kind).gone != Gone::Hidden);
    let row = row.ok_or_else(|| crate::sandbox::answer::not_found(facts(kind)))?;
    if row.archived && kind == "deals" && !account.assume.yes("archived-single") {
        return Err(refusal(404, "Deal not found"));
    }
    let mut text = String::from("{\"success\":true,\"data\":");
    Show::asked(account, call, facts(kind))?.write(&mut text, facts(kind), &id, row);
    text.push('}');
    Ok(Answer::text(200, text))
}
