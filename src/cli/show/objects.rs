//! How the catalogue looks: what is read, how, at which price, and what a restore may do.

use std::io::{self, Write};

use serde::Serialize;

use crate::catalogue::{self, Dml, Listing, Object, Paging, Restore, Version};
use crate::cli::show::{View, print, table};

/// One object of the catalogue.
#[derive(Serialize)]
pub(crate) struct ObjectView {
    pub(crate) object: &'static str,
    pub(crate) title: String,
    pub(crate) path: String,
    pub(crate) listing: String,
    pub(crate) price: u32,
    pub(crate) incremental: String,
    pub(crate) restore: String,
    pub(crate) limits: &'static str,
}

/// The whole catalogue.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Catalogue(pub(crate) Vec<ObjectView>);

impl From<&'static Object> for ObjectView {
    fn from(object: &'static Object) -> ObjectView {
        let version = match object.version {
            Version::V1 => "v1",
            Version::V2 => "v2",
        };
        ObjectView {
            object: object.name,
            title: crate::catalogue::ObjectName::known(object.name).title(),
            path: format!("{version} {}", object.path),
            listing: listed(object),
            price: object.price,
            incremental: incremental(object),
            restore: restore(object),
            limits: object.limits,
        }
    }
}

/// How the list is read, and whose records it shows.
fn listed(object: &Object) -> String {
    let parts = object.parts.map(|parts| format!(", for each {} of {}", parts.parameter, parts.values.join(", ")));
    let only = object.own.map(|own| format!(", {}", own.words));
    format!("{}{}{}", listing(&object.listing), parts.unwrap_or_default(), only.unwrap_or_default())
}

impl From<&'static catalogue::View> for ObjectView {
    fn from(view: &'static catalogue::View) -> ObjectView {
        let from: Vec<&str> = view.from.iter().map(|edge| edge.object).collect();
        ObjectView {
            object: view.name,
            title: catalogue::ObjectName::known(view.name).title(),
            path: "derived".to_owned(),
            listing: format!("derived from {}", from.join(", ")),
            price: 0,
            incremental: "free".to_owned(),
            restore: "with what it is derived from".to_owned(),
            limits: "a view: nothing is read or stored for it",
        }
    }
}

/// Every object and every view.
pub(crate) fn everything() -> Vec<ObjectView> {
    let objects = catalogue::ALL.iter().copied().map(ObjectView::from);
    objects.chain(catalogue::VIEWS.iter().map(ObjectView::from)).collect()
}

/// What the next snapshot asks for: the ways of `capture`, in words.
fn incremental(object: &Object) -> String {
    let told = match object {
        Object { on_request: true, .. } => "on request",
        Object { since: Some(_), .. } => "changes since",
        Object { newest_first: true, .. } => "newest first",
        Object { listing: Listing::Within { from, .. }, .. } => return format!("with {}", titled(from)),
        Object { listing: Listing::Derived { .. }, .. } => "new versions",
        Object {
            listing: Listing::Under { counter: Some(_), .. } | Listing::Bulk { counter: Some(_), .. }, ..
        } => "where counters moved",
        Object { listing: Listing::Under { .. } | Listing::Bulk { .. }, .. } => "changed parents, others by turns",
        _ => "whole list",
    };
    told.to_owned()
}

fn titled(name: &'static str) -> String {
    catalogue::ObjectName::known(name).title()
}

fn listing(listing: &Listing) -> String {
    let paged = |paging: &Paging| match paging {
        Paging::Whole => "in one answer".to_owned(),
        Paging::One => "one at most".to_owned(),
        Paging::Cursor { limit } => format!("by cursor, {limit} a page"),
        Paging::Offset { limit } => format!("by offset, {limit} a page"),
    };
    match listing {
        Listing::Flat(paging) => paged(paging),
        Listing::Under { parents, paging, .. } => format!("under each of {}, {}", parents.join(" and "), paged(paging)),
        Listing::Within { from, .. } => format!("inside the rows of {from}, for nothing"),
        Listing::Derived { from } => format!("made by pdbak, one for each of {from}"),
        Listing::Bulk { parents, batch, .. } => format!("under {batch} of {} at a time", parents.join(" and ")),
    }
}

/// What a restore may do: `create, update, delete`, or why nothing.
fn restore(object: &Object) -> String {
    let Dml { insert, update, delete } = object.dml;
    let allowed = [(insert, "create"), (update, "update"), (delete, "delete")];
    let words: Vec<&str> = allowed.iter().filter(|(allowed, _)| *allowed).map(|(_, word)| *word).collect();
    // What it takes to change a record that no call changes, and that says more than who belongs to whom.
    let remade = insert && delete && !update && object.create.is_some_and(|write| write.fields.len() > 1);
    match object.restore {
        _ if remade => format!("{}; what changed is deleted and made again", words.join(", ")),
        Restore::ByHand(reason) if words.is_empty() => format!("by hand: {reason}"),
        Restore::Mirror(shown) => format!("nothing: it shows {} once more", titled(shown)),
        Restore::OnRequest(_) => format!("{}, only with --with-fields", words.join(", ")),
        Restore::MatchBy(field) if words.is_empty() => format!("matched by {field}"),
        Restore::MatchBy(field) => format!("matched by {field}; {}", words.join(", ")),
        _ if words.is_empty() => "read only".to_owned(),
        _ => words.join(", "),
    }
}

impl View for Catalogue {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines = table(&["object", "read from", "tokens a page", "next time", "a restore may"], &[2]);
        for one in &self.0 {
            lines.add_row([
                one.title.as_str(),
                one.path.as_str(),
                &one.price.to_string(),
                one.incremental.as_str(),
                one.restore.as_str(),
            ]);
        }
        let mut rows = Vec::new();
        print(&lines, &mut rows)?;
        // Below each row what a restore cannot do about it, which would make the table too wide.
        let mut rows = rows.split_inclusive(|byte| *byte == b'\n');
        out.write_all(rows.next().unwrap_or_default())?;
        for (row, one) in rows.zip(&self.0) {
            out.write_all(row)?;
            if !one.limits.is_empty() {
                writeln!(out, "    cannot: {}", one.limits)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_stands_with_its_facts_and_with_what_a_restore_cannot_do() {
        let all = Catalogue(everything());
        let mut told = Vec::new();
        all.text(&mut told).expect("a text");
        let told = String::from_utf8(told).expect("a text");
        let mut lines = told.lines().skip(1);
        for one in &all.0 {
            let row = lines.next().expect("a row");
            let facts = [&one.title, &one.path, &one.incremental, &one.restore];
            assert!(row.starts_with(&one.title) && facts.iter().all(|fact| row.contains(fact.as_str())), "{row}");
            assert_eq!(lines.next(), Some(format!("    cannot: {}", one.limits).as_str()));
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn an_object_says_how_it_is_read_the_next_time_and_how_it_is_changed() {
        let of = |title: &str| everything().into_iter().find(|one| one.title == title).expect("an object");
        let next = ["Deals", "DealFollowers", "NoteComments", "RoleAssignments", "Filters", "FileContents", "DealFlow"];
        let next = next.map(|title| of(title).incremental);
        assert_eq!(
            next,
            [
                "changes since",
                "where counters moved",
                "changed parents, others by turns",
                "with Users",
                "whole list",
                "new versions",
                "on request"
            ]
        );
        assert_eq!(of("Webhooks").restore, "create, delete; what changed is deleted and made again");
        assert_eq!(of("DealFollowers").restore, "create, delete");
        assert_eq!(of("LeadFields").restore, "nothing: it shows DealFields once more");
    }
}
