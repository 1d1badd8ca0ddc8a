//! How an object's rows are found: which list, cut how, its rows where in the answer, known by what.
//!
//! Facts only, like everything of an entry; `account` asks by them and `capture` decides by them what to ask.

/// How all records of an object are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    /// One flat list.
    Flat(Paging),
    /// One list under each parent.
    Under {
        /// The objects whose records are parents.
        parents: &'static [&'static str],
        /// The parent's counter that is 0 when there is nothing to read.
        counter: Option<&'static str>,
        /// Paging of each parent's list.
        paging: Paging,
    },
    /// One list for many parents at once.
    Bulk {
        /// The objects whose records are parents.
        parents: &'static [&'static str],
        /// The parent's counter that is 0 when there is nothing to read.
        counter: Option<&'static str>,
        /// The query parameter that takes the parents' ids.
        parameter: &'static str,
        /// How many ids it takes.
        batch: usize,
        /// Paging of one call's list.
        paging: Paging,
    },
    /// No list: pdbak itself makes one record for the contents of each record of another object.
    Derived {
        /// The object whose records have contents.
        from: &'static str,
    },
    /// No list of its own that is worth its price: the rows stand inside those of another object, which is read anyway.
    Within {
        /// The object whose rows hold these.
        from: &'static str,
        /// The objects to whose records these rows belong, if their keys name one.
        parents: &'static [&'static str],
        /// The member of the other's row with a list of rows; none when the other's row itself is one.
        each: Option<&'static str>,
        /// The members of the other's row that become members here: their name there, their name here.
        owner: &'static [(&'static str, &'static str)],
    },
}

/// Where an answer has its rows: most have them in `data` as they are, v1 knows more ways (api/wire.md, Irregular shapes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rows {
    /// `data` is the row, or the list of them.
    Plain,
    /// `data` has a member with the list, or one with the row.
    Member {
        /// The list's name in `data`.
        list: &'static str,
        /// The name of a single row.
        one: &'static str,
    },
    /// Each member of an object is a row: its name and its value.
    Pairs {
        /// The member of `additional_data` that is the object; none when `data` is.
        beside: Option<&'static str>,
        /// What the member's name is called in a row.
        name: &'static str,
        /// What the member's value is called in a row.
        value: &'static str,
    },
    /// `data` has a list of ids, each of which is a row.
    Ids {
        /// The list's name in `data`.
        list: &'static str,
        /// What the id is called in a row.
        name: &'static str,
    },
}

/// How a list is cut into pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paging {
    /// Everything in one answer.
    Whole,
    /// At most one record, alone or in a list; that there is none may be told as 404.
    One,
    /// An opaque cursor and at most `limit` rows.
    Cursor {
        /// The most rows a page can have.
        limit: u16,
    },
    /// `start` and `limit`.
    Offset {
        /// The most rows a page can have.
        limit: u16,
    },
}

/// Where a row keeps its identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyIn {
    /// In one field.
    Field(&'static str),
    /// In the parent's id and one field; the row itself does not name its parent.
    ParentAnd(&'static str),
    /// In the parent's id and several fields, which only together tell rows apart.
    ParentAndAll(&'static [&'static str]),
    /// In the parent's id and a digest of the whole row: for history, whose rows have no number and never change.
    ParentAndDigest,
    /// In the parent's id and the row's own, both in the row; calls need the parent's.
    Both {
        /// The field with the parent's id.
        parent: &'static str,
        /// The field with the row's own id.
        own: &'static str,
    },
}
