//! One page of a list: its rows as they came, and where the next page is.
//!
//! Rows are cut out of the answer as text and parsed once, by whoever makes records
//! of them. What is not said is not guessed: a page that does not tell whether it is
//! the last one is an error, for a list that ends early looks like deletions.

use std::collections::HashSet;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::address::{joined, segments};
use super::answer::{self, Additional, Asked, Envelope};
use super::budget::Limits;
use super::exchange::{Answer, Payload, Request};
use super::{Error, shape};
use crate::catalogue::{Listing, Object, Paging};
use crate::record::{Key, peek};

/// The smallest limit of any list (api/objects.md: call logs): a service that cuts ours may cut it to this.
const SMALLEST_LIMIT: usize = 50;

/// Where in a list a page begins.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Position {
    /// At the beginning.
    Start,
    /// Where the last page pointed to.
    Cursor(String),
    /// After so many rows.
    Offset(u64),
}

/// What one page is asked with.
pub struct Ask<'a> {
    /// The object whose list it is.
    pub object: &'static Object,
    /// The parents under which is asked: none, one, or a batch of them, as the listing takes it.
    pub parents: &'a [Key],
    /// Only rows changed at this time or later, where the list can tell.
    pub since: Option<DateTime<Utc>>,
    /// Further query parameters; one that the catalogue gives as well takes its place.
    pub extra: &'a [(&'a str, String)],
    /// Where the page begins.
    pub position: Position,
}

/// One page as it came: rows untouched.
#[derive(Debug)]
pub struct Page {
    /// The rows, each as its JSON text.
    pub rows: Vec<Box<RawValue>>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Position>,
}

impl Page {
    /// The page of what at most one record is answered to: the record, or a list that holds it.
    pub(super) fn of_one(row: Option<Box<RawValue>>) -> Result<Page, Error> {
        let rows = match row {
            Some(row) if row.get().starts_with('[') => serde_json::from_str(row.get())
                .map_err(|_| Error::Garbled("the answer is no list of records".to_owned()))?,
            Some(row) => vec![row],
            None => Vec::new(),
        };
        Ok(Page { rows, next: None })
    }
}

/// A walk along a list, page by page, that comes to an end even if the list does not.
#[derive(Debug)]
pub struct Walk {
    at: Option<Position>,
    cursors: HashSet<String>,
}

impl Default for Walk {
    fn default() -> Walk {
        Walk { at: Some(Position::Start), cursors: HashSet::new() }
    }
}

impl Walk {
    /// Where the page to be asked for begins; `None` after the last.
    pub fn position(&self) -> Option<Position> {
        self.at.clone()
    }

    /// Goes on to where a page pointed to; [`Error::Garbled`] when the list leads back to where it was before.
    pub fn turn(&mut self, next: Option<Position>) -> Result<(), Error> {
        if let Some(Position::Cursor(cursor)) = &next
            && !self.cursors.insert(cursor.clone())
        {
            return Err(Error::Garbled("the list leads back to a page it has shown".to_owned()));
        }
        // Offsets grow: `Ask::next` sees to that.
        self.at = next;
        Ok(())
    }
}

impl Ask<'_> {
    /// The first page of an object's flat list.
    pub fn first(object: &'static Object) -> Ask<'static> {
        Ask { object, parents: &[], since: None, extra: &[], position: Position::Start }
    }

    /// Whether at most one record is answered, alone or in a list.
    pub(super) fn is_of_one(&self) -> bool {
        matches!(self.object.listing, Listing::Under { paging: Paging::One, .. })
    }

    pub(super) fn asked(&self) -> Asked {
        // With one parent a call, its absence is the parent's; with many, the service leaves those that are gone out.
        let alone = matches!(self.object.listing, Listing::Under { .. } | Listing::Bulk { batch: 1, .. });
        match (alone, self.object.is_removed()) {
            (true, true) => Asked::Retired,
            (true, false) => Asked::ListUnder,
            (false, _) => Asked::List,
        }
    }

    /// The request of this page.
    pub(super) fn request(&self) -> Result<Request<'static>, Error> {
        let object = self.object;
        let no_call = |why| Error::NoSuchCall { doing: "list", object: object.name, why };
        let mut query: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: String| query.push((name.to_owned(), value));
        let (paging, parent) = match (object.listing, self.parents) {
            (Listing::Flat(paging), []) => (paging, None),
            // All of them stand in the other object's list, whomever they belong to.
            (Listing::Within { .. }, _) => (Paging::Whole, None),
            (Listing::Under { paging, .. }, [parent]) => (paging, Some(parent.to_string())),
            (Listing::Bulk { paging, parameter, batch, .. }, parents @ [_, ..]) if parents.len() <= batch => {
                add(parameter, joined(parents));
                (paging, None)
            }
            (Listing::Derived { .. }, _) => return Err(no_call("it has no list of its own")),
            _ => return Err(no_call("it is listed under other parents")),
        };
        let replaced = |name: &str| self.extra.iter().any(|(extra, _)| *extra == name);
        for (name, value) in object.query.iter().filter(|(name, _)| !replaced(name)) {
            let value = if *value == "{parent}" { parent.clone().unwrap_or_default() } else { (*value).to_owned() };
            add(name, value);
        }
        match (self.since, object.since) {
            // Whole seconds: fractions are refused. api/objects.md, Facts that shape the whole table.
            (Some(since), Some(name)) => add(name, since.to_rfc3339_opts(SecondsFormat::Secs, true)),
            (Some(_), None) => return Err(no_call("it cannot be asked for changes since a time")),
            (None, _) => {}
        }
        for (name, value) in self.extra {
            add(name, value.clone());
        }
        if let Paging::Cursor { limit } | Paging::Offset { limit } = paging {
            add("limit", limit.to_string());
        }
        match &self.position {
            Position::Start => {}
            Position::Cursor(cursor) => add("cursor", cursor.clone()),
            Position::Offset(start) => add("start", start.to_string()),
        }
        let segments = segments(object.path, parent.as_deref(), None).ok_or_else(|| no_call("the parent has no id"))?;
        let (method, payload) = (reqwest::Method::GET, Payload::Nothing);
        Ok(Request { method, version: object.version, segments, query, payload, price: object.price })
    }

    /// Makes a page of the body of an answer that says it went well, as [`super::Account::page`] does; sends nothing.
    pub fn read(&self, body: impl Into<Bytes>) -> Result<Page, Error> {
        let answer = Answer { status: 200, limits: Limits::default(), html: false, body: body.into() };
        match (shape::is_plain(self.object), self.is_of_one()) {
            (false, _) => self.page(shape::listed(self.object, self.parents.first(), answer::open(&answer)?)?),
            (true, false) => self.page(answer::open(&answer)?),
            (true, true) => Page::of_one(super::present(answer::open(&answer))?),
        }
    }

    /// Makes a page of the answer.
    pub(super) fn page(&self, envelope: Envelope<Vec<Box<RawValue>>>) -> Result<Page, Error> {
        let Some(data) = envelope.data else { return Err(Error::Garbled("the answer has no data".to_owned())) };
        // v1 writes null for an empty list: api/wire.md, Irregular shapes.
        let rows = data.unwrap_or_default();
        let next = self.next(envelope.additional_data, rows.len())?;
        let rows = match self.object.wrapped {
            Some(member) => rows.into_iter().map(|row| unwrapped(row, member)).collect(),
            None => rows,
        };
        Ok(Page { rows, next })
    }

    fn next(&self, told: Option<Additional>, rows: usize) -> Result<Option<Position>, Error> {
        let paging = match self.object.listing {
            Listing::Flat(paging) | Listing::Under { paging, .. } | Listing::Bulk { paging, .. } => paging,
            Listing::Derived { .. } | Listing::Within { .. } => Paging::Whole,
        };
        let start = if let Position::Offset(start) = self.position { start } else { 0 };
        let following = match start.checked_add(rows as u64) {
            Some(next) => (rows > 0).then_some(Position::Offset(next)),
            None => return Err(Error::Garbled("the list goes on where no list can be".to_owned())),
        };
        match (paging, told) {
            (Paging::Cursor { limit }, None) if rows >= usize::from(limit) => {
                Err(Error::Garbled("a full page does not say whether there is more".to_owned()))
            }
            (Paging::Cursor { .. }, None) => Ok(None),
            (Paging::Cursor { .. }, Some(told)) => self.next_cursor(told.next_cursor),
            (
                Paging::Offset { .. },
                Some(Additional { pagination: None, more_items_in_collection: Some(more), .. }),
            ) => Ok(following.filter(|_| more)),
            // Nothing is said: unless the page is shorter than any limit the service may have, the next one tells.
            (Paging::Offset { .. }, Some(Additional { pagination: None, .. }) | None) => {
                Ok(following.filter(|_| rows >= SMALLEST_LIMIT))
            }
            (Paging::One, _) | (Paging::Whole, Some(Additional { pagination: None, .. }) | None) => Ok(None),
            // A list that came whole in the descriptions may yet have pages in an account.
            (Paging::Offset { .. } | Paging::Whole, Some(Additional { pagination: Some(told), .. })) => {
                // The last page may claim more and name no larger start: api/wire.md, Irregular shapes.
                let more = told.more_items_in_collection != Some(false);
                Ok(told.next_start.filter(|next| more && *next > start).map(Position::Offset))
            }
        }
    }

    fn next_cursor(&self, next: Option<String>) -> Result<Option<Position>, Error> {
        let next = next.filter(|next| !next.is_empty()).map(Position::Cursor);
        if next.as_ref() == Some(&self.position) {
            return Err(Error::Garbled("the page names itself as the next one".to_owned()));
        }
        Ok(next)
    }
}

/// The record in a row; a row that has none is left as it is, and is found to be no record later.
fn unwrapped(row: Box<RawValue>, member: &str) -> Box<RawValue> {
    match peek(row.get(), &[member])[0] {
        Some(record) => record.to_owned(),
        None => row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{ObjectName, find};

    fn ask(object: &str, position: Position) -> Ask<'static> {
        let object = find(&ObjectName::new(object)).expect("an object");
        Ask { position, ..Ask::first(object) }
    }

    fn page(ask: &Ask<'_>, body: &str) -> Result<Page, Error> {
        ask.page(serde_json::from_str(body).expect("json"))
    }

    fn next(ask: &Ask<'_>, body: &str) -> Option<Position> {
        page(ask, body).expect("a page").next
    }

    fn query(ask: &Ask<'_>) -> String {
        let request = ask.request().expect("a request");
        let pairs: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", request.segments.join("/"), pairs.join(" "))
    }

    #[test]
    fn a_page_is_asked_as_the_catalogue_says() {
        assert_eq!(query(&ask("pipelines", Position::Start)), "pipelines sort_by=id sort_direction=asc limit=500");
        let cursor = ask("pipelines", Position::Cursor("abc".into()));
        assert_eq!(query(&cursor), "pipelines sort_by=id sort_direction=asc limit=500 cursor=abc");
        assert_eq!(query(&ask("files", Position::Offset(100))), "files sort=id ASC limit=100 start=100");
        assert_eq!(query(&ask("users", Position::Start)), "users ");
        let since = DateTime::parse_from_rfc3339("2026-11-23T10:00:00.750Z").expect("a time").to_utc();
        let changed = Ask { since: Some(since), ..ask("notes", Position::Start) };
        assert_eq!(query(&changed), "notes sort=id ASC updated_since=2026-11-23T10:00:00Z limit=500");
    }

    #[test]
    fn the_caller_s_parameter_takes_the_place_of_the_catalogue_s() {
        let extra = [("sort_by", "update_time".to_owned()), ("status", "deleted".to_owned())];
        let asked = Ask { extra: &extra, ..ask("pipelines", Position::Start) };
        assert_eq!(query(&asked), "pipelines sort_direction=asc sort_by=update_time status=deleted limit=500");
    }

    #[test]
    fn children_are_asked_under_their_parents() {
        let parents = [Key::Number(7), Key::Number(9)];
        let lines = Ask { parents: &parents, ..ask("dealProducts", Position::Start) };
        assert_eq!(query(&lines), "deals/products deal_ids=7,9 sort_by=id sort_direction=asc limit=500");
        let followers = Ask { parents: &parents[..1], ..ask("dealFollowers", Position::Start) };
        assert_eq!(query(&followers), "deals/7/followers limit=500");
        let why = |ask: &Ask<'_>| ask.request().expect_err("no request").to_string();
        assert_eq!(
            why(&ask("dealFollowers", Position::Start)),
            "cannot list dealFollowers: it is listed under other parents"
        );
        assert_eq!(why(&ask("fileContents", Position::Start)), "cannot list fileContents: it has no list of its own");
        let filters = Ask { since: Some(DateTime::UNIX_EPOCH), ..ask("filters", Position::Start) };
        assert_eq!(why(&filters), "cannot list filters: it cannot be asked for changes since a time");
    }

    #[test]
    fn null_is_an_empty_list_and_no_data_is_not() {
        let notes = ask("notes", Position::Start);
        let empty =
            page(&notes, r#"{"success":true,"data":null,"additional_data":{"pagination":{"next_start":null}}}"#);
        assert!(empty.expect("a page").rows.is_empty());
        assert!(matches!(page(&notes, r#"{"success":true}"#), Err(Error::Garbled(_))));
    }

    #[test]
    fn a_cursor_leads_on_until_it_is_null() {
        let deals = ask("deals", Position::Start);
        let more = r#"{"data":[{"id":1}],"additional_data":{"next_cursor":"b"}}"#;
        assert_eq!(next(&deals, more), Some(Position::Cursor("b".into())));
        assert_eq!(next(&deals, r#"{"data":[],"additional_data":{"next_cursor":null}}"#), None);
        assert_eq!(next(&deals, r#"{"data":[],"additional_data":null}"#), None);
    }

    #[test]
    fn a_page_that_names_itself_as_the_next_one_is_garbled() {
        let deals = ask("deals", Position::Cursor("b".into()));
        let again = page(&deals, r#"{"data":[{"id":1}],"additional_data":{"next_cursor":"b"}}"#);
        assert!(matches!(again, Err(Error::Garbled(_))));
    }

    #[test]
    fn a_walk_ends_when_the_list_leads_back() {
        let mut walk = Walk::default();
        for cursor in ["a", "b"] {
            walk.turn(Some(Position::Cursor(cursor.into()))).expect("a new page");
        }
        let back = walk.turn(Some(Position::Cursor("a".into()))).expect_err("a circle").to_string();
        assert_eq!(back, "garbled answer: the list leads back to a page it has shown");
        walk.turn(None).expect("the end");
        assert_eq!(walk.position(), None);
    }

    #[test]
    fn an_offset_that_no_list_has_is_garbled() {
        let notes = ask("notes", Position::Offset(u64::MAX));
        let rows = page(&notes, r#"{"data":[{"id":1}],"additional_data":{"pagination":{"next_start":null}}}"#);
        assert!(matches!(rows, Err(Error::Garbled(_))));
    }

    #[test]
    fn an_offset_leads_on_while_it_grows() {
        let notes = ask("notes", Position::Offset(500));
        let told = |pagination: &str| {
            next(&notes, &format!(r#"{{"data":[{{"id":1}}],"additional_data":{{"pagination":{pagination}}}}}"#))
        };
        assert_eq!(told(r#"{"more_items_in_collection":true,"next_start":1000}"#), Some(Position::Offset(1_000)));
        for last in [
            r#"{"more_items_in_collection":false,"next_start":1000}"#,
            r#"{"more_items_in_collection":true,"next_start":null}"#,
            r#"{"more_items_in_collection":true,"next_start":500}"#,
            r#"{"more_items_in_collection":true}"#,
        ] {
            assert_eq!(told(last), None, "{last}");
        }
    }

    #[test]
    fn a_full_page_that_does_not_say_whether_there_is_more_is_garbled() {
        let rows = vec![r#"{"id":1}"#; 500].join(",");
        let full = page(&ask("deals", Position::Start), &format!(r#"{{"data":[{rows}]}}"#));
        assert!(matches!(full, Err(Error::Garbled(_))));
    }

    #[test]
    fn an_offset_list_that_says_nothing_is_asked_for_its_next_page_unless_the_page_is_short() {
        let of = |rows: usize, more: &str| {
            let rows = vec![r#"{"id":1}"#; rows].join(",");
            next(&ask("mailThreads", Position::Offset(500)), &format!(r#"{{"data":[{rows}]{more}}}"#))
        };
        assert_eq!(of(500, ""), Some(Position::Offset(1_000)));
        assert_eq!(of(50, ""), Some(Position::Offset(550)));
        assert_eq!((of(49, ""), of(0, "")), (None, None));
        let bare =
            |more| format!(r#","additional_data":{{"start":500,"limit":100,"more_items_in_collection":{more}}}"#);
        assert_eq!(of(30, &bare(true)), Some(Position::Offset(530)));
        assert_eq!(of(500, &bare(false)), None);
    }

    #[test]
    fn a_wrapped_row_is_the_record_within() {
        let mails = Ask { parents: &[Key::Number(7)], ..ask("dealMailMessages", Position::Start) };
        assert_eq!(query(&mails), "deals/7/mailMessages include_body=1 limit=500");
        let body = r#"{"data":[{"object":"mailMessage","timestamp":"x","data":{"id":3}},{"id":4}]}"#;
        let texts: Vec<String> =
            page(&mails, body).expect("a page").rows.iter().map(|row| row.get().to_owned()).collect();
        assert_eq!(texts, [r#"{"id":3}"#, r#"{"id":4}"#]);
    }

    #[test]
    fn rows_are_not_touched() {
        let body = r#"{"data":[{ "b":1.10, "a":"\u00e9" }, 7],"additional_data":{"next_cursor":null}}"#;
        let page = page(&ask("deals", Position::Start), body).expect("a page");
        let texts: Vec<&str> = page.rows.iter().map(|row| row.get()).collect();
        assert_eq!(texts, [r#"{ "b":1.10, "a":"\u00e9" }"#, "7"]);
    }
}
