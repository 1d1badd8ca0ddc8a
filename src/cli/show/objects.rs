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
    pub(crate) incremental: &'static str,
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
            incremental: match object {
                Object { on_request: true, .. } => "on request",
                Object { since: Some(_), .. } => "changes since",
                Object { newest_first: true, .. } => "newest first",
                _ => "whole list",
            },
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
            incremental: "free",
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
    match object.restore {
        Restore::ByHand(reason) if words.is_empty() => format!("by hand: {reason}"),
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
                one.incremental,
                one.restore.as_str(),
            ]);
        }
        print(&lines, out)
    }
}
