//! The small types an entry of the catalogue is made of.
//!
//! Facts only: no closures, no macros, nothing that acts. What a fact means for
//! reading, storing or restoring is decided by the module that reads it.

pub use super::call::{Call, Encoding, Inline, Method, Otherwise, Undelete, Write};
pub use super::listing::{KeyIn, Listing, Paging, Rows};
pub use super::parts::{Own, Parts};

/// The generation of the API that a call belongs to; it decides envelope, paging and verbs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// `/api/v1`.
    V1,
    /// `/api/v2`.
    V2,
}

/// One object: everything pdbak knows about a kind of record.
#[derive(Debug)]
pub struct Object {
    /// The word on disk and on the command line.
    pub name: &'static str,
    /// Which API generation lists it.
    pub version: Version,
    /// Where it is listed, as in the service's documentation; `{parent}` stands for the parent's id.
    pub path: &'static str,
    /// Query parameters sent with every page; `{parent}` stands for the parent's id.
    pub query: &'static [(&'static str, &'static str)],
    /// Parameters with each of which the list is read once, when no single question brings all rows; none asks once.
    pub questions: &'static [&'static [(&'static str, &'static str)]],
    /// How all records are found.
    pub listing: Listing,
    /// The parts in which the list comes, each read for itself.
    pub parts: Option<Parts>,
    /// Parameters that show the highest id first instead of the lowest; none where the service does not say that it can.
    pub from_the_end: &'static [(&'static str, &'static str)],
    /// What changed last stands first, and nothing can be asked for by time.
    pub newest_first: bool,
    /// The member of a row in which the record stands; a row is the record itself otherwise.
    pub wrapped: Option<&'static str>,
    /// The list shows nothing but what belongs to the token's own user.
    pub own: Option<Own>,
    /// A field of the parent that is empty or 0 when there is likely nothing to read under it, though it does not count:
    /// where nothing is held, nothing is asked.
    pub gate: Option<&'static str>,
    /// Where an answer has its rows.
    pub rows: Rows,
    /// Tokens of one page.
    pub price: u32,
    /// Where a row keeps its identity.
    pub key: KeyIn,
    /// The query parameter that asks for rows changed since a time.
    pub since: Option<&'static str>,
    /// How a deletion shows.
    pub deletions: Deletions,
    /// How one record is read by its id.
    pub single: Option<Single>,
    /// The query parameter of the list that asks for up to 100 records by id.
    pub bulk_ids: Option<&'static str>,
    /// Calls for each record that bring what the list leaves out.
    pub extended: &'static [Extended],
    /// Contents that a record stands for.
    pub contents: Option<Contents>,
    /// Fields that hold the identity of another record; restore order follows from these.
    pub references: &'static [Reference],
    /// Custom fields: who defines them and where they sit in a row.
    pub custom: Option<Custom>,
    /// The call that makes a record.
    pub create: Option<Write>,
    /// The call that changes a record.
    pub update: Option<Write>,
    /// The call that deletes a record.
    pub delete: Option<Call>,
    /// What brings a deleted record back with its id, each form tried once in this order.
    pub undelete: &'static [Undelete],
    /// The other list a record can move to and back from without being deleted.
    pub twin: Option<&'static str>,
    /// What of it the service has removed: an account that answers 404 or 410 there does not offer it.
    pub removed: Removed,
    /// The call that moves a record into the archive, where being archived is no field: nothing brings it out again.
    pub archive: Option<Call>,
    /// Fields that are written under another name than they are read, as 0 or 1: name read, name written.
    pub flags: &'static [(&'static str, &'static str)],
    /// Where a record goes that lacks certain fields.
    pub otherwise: Option<Otherwise>,
    /// A field that writes take and no list shows, filled from the records of another object.
    pub inline: Option<Inline>,
    /// True for what costs a call for each record of another object: read only when it is asked for.
    pub on_request: bool,
    /// The call that adds options to a field, for objects that define fields.
    pub options: Option<Call>,
    /// What the DML matrix of the design allows.
    pub dml: Dml,
    /// What a restore does about a record that is missing in the target.
    pub restore: Restore,
    /// Fields that v1 answers as a copy of the row they point to; archived as its id alone, which is what writes take.
    pub nested: &'static [&'static str],
    /// Fields that reads show as people say them and writes take as machines do; archived as writes take them.
    pub spoken: &'static [&'static str],
    /// Fields that change without anybody editing the record; left out of the archive.
    pub volatile: &'static [&'static str],
    /// Fields that the service computes or stamps; archived and compared, never sent.
    pub computed: &'static [&'static str],
    /// What a restore cannot bring back, in words for the person who reads the plan.
    pub limits: &'static str,
    /// Where this was read, and when last checked.
    pub evidence: &'static str,
}

impl Object {
    /// An object that can be listed and no more: what an entry starts from, so that it states only what it has.
    pub(super) const READ_ONLY: Object = Object {
        name: "",
        version: Version::V2,
        path: "",
        query: &[],
        questions: &[],
        listing: Listing::Flat(Paging::Whole),
        parts: None,
        from_the_end: &[],
        newest_first: false,
        wrapped: None,
        own: None,
        gate: None,
        rows: Rows::Plain,
        price: 0,
        key: KeyIn::Field("id"),
        since: None,
        deletions: Deletions::Sweep,
        single: None,
        bulk_ids: None,
        extended: &[],
        contents: None,
        references: &[],
        custom: None,
        create: None,
        update: None,
        delete: None,
        options: None,
        undelete: &[],
        twin: None,
        removed: Removed::Nothing,
        archive: None,
        flags: &[],
        otherwise: None,
        inline: None,
        on_request: false,
        dml: Dml::NOTHING,
        restore: Restore::Recreate,
        nested: &[],
        spoken: &[],
        volatile: &[],
        computed: &[],
        limits: "",
        evidence: "",
    };

    /// True when a record is reached through its parent: its key and its calls name the parent.
    pub fn is_under_parent(&self) -> bool {
        !matches!(self.key, KeyIn::Field(_))
    }

    /// The field with which rows that are listed under a parent, but have a number of their own, point to it; the first
    /// of two.
    pub fn parent_field(&self) -> Option<&'static str> {
        self.to_parents().next().filter(|_| !self.is_under_parent()).map(Reference::top)
    }

    /// The references that lead to the objects under which it is listed.
    fn to_parents(&self) -> impl Iterator<Item = &'static Reference> {
        let parents = self.parents();
        self.references.iter().filter(move |reference| match reference.to {
            Target::Record(objects) => objects.iter().any(|name| parents.contains(name)),
            _ => false,
        })
    }

    /// The objects under whose records this one is listed; none for a flat list.
    pub fn parents(&self) -> &'static [&'static str] {
        match self.listing {
            Listing::Flat(_) | Listing::Derived { .. } => &[],
            Listing::Under { parents, .. } | Listing::Bulk { parents, .. } | Listing::Within { parents, .. } => parents,
        }
    }

    /// The field of a parent's row that counts the records under it.
    pub fn counter(&self) -> Option<&'static str> {
        match self.listing {
            Listing::Under { counter, .. } | Listing::Bulk { counter, .. } => counter,
            Listing::Flat(_) | Listing::Derived { .. } | Listing::Within { .. } => None,
        }
    }

    /// Whether every call is out of the service's description, so that only old accounts may answer.
    pub fn is_removed(&self) -> bool {
        matches!(self.removed, Removed::Everything)
    }

    /// Whether a record belongs to two parents and is listed under both: its own id is its key, and it names them.
    pub fn is_shared(&self) -> bool {
        matches!(self.listing, Listing::Under { .. }) && !self.is_under_parent() && self.to_parents().count() > 1
    }

    /// Whether a parent has at most one of them, which is known by its parent alone.
    pub fn is_single(&self) -> bool {
        matches!(self.key, KeyIn::Both { parent, own } if parent == own)
    }

    /// The fields that a restore may send, at creation or afterwards, custom fields apart.
    pub fn writable(&self) -> impl Iterator<Item = &'static str> {
        let created = self.create.map_or(&[][..], |write| write.fields);
        let updated = self.update.map_or(&[][..], |write| write.fields);
        created.iter().chain(updated.iter().filter(|field| !created.contains(field))).copied()
    }
}

/// What of an object the service has taken out of its description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// All is described and answers.
    Nothing,
    /// The calls that write.
    Writes,
    /// Every call: one question is enough to know that an account does not offer it.
    Everything,
}

/// How a deletion shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deletions {
    /// Nothing but a walk over the whole list shows that a record is gone.
    Sweep,
    /// The list can be asked for deleted rows with this query.
    Listed(&'static str, &'static str),
}

/// How one record is read by its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Single {
    /// Path with `{id}`.
    pub path: &'static str,
    /// API generation of this call.
    pub version: Version,
    /// Tokens of the call.
    pub price: u32,
}

/// A call for each record that brings a field the list leaves out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extended {
    /// Its name in the design: `Conditions`.
    pub name: &'static str,
    /// Path with `{id}`.
    pub path: &'static str,
    /// API generation of this call.
    pub version: Version,
    /// Query parameters of the call.
    pub query: &'static [(&'static str, &'static str)],
    /// The fields of the answer that are added to the record.
    pub fields: &'static [&'static str],
    /// Tokens of the call.
    pub price: u32,
}

/// Contents that a record stands for, kept as blobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contents {
    /// The object whose records say which blob belongs to which record.
    pub object: &'static str,
    /// Path with `{id}`.
    pub path: &'static str,
    /// Tokens of one download.
    pub price: u32,
    /// Where in the row the address of the contents stands, if the path does not lead to them: `pictures.512`.
    pub at: Option<&'static str>,
    /// By which fields of the row a newer version is told, and how the record of the contents calls them.
    pub version: [(&'static str, &'static str); 2],
    /// The part of an upload that holds them.
    pub part: &'static str,
}

/// A field that holds the identity of another record.
///
/// `field` is a path: `org_id`, `label_ids[]`, `participants[].person_id`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// The path of the field.
    pub field: &'static str,
    /// What it points to.
    pub to: Target,
    /// When it can be written.
    pub when: When,
}

impl Reference {
    /// A field that holds the id of a record of one of these objects, written when the record is made.
    pub(super) const fn to(field: &'static str, objects: &'static [&'static str]) -> Reference {
        Reference { field, to: Target::Record(objects), when: When::AtCreate }
    }

    /// A field that holds the id of an option of a field of the service's own.
    pub(super) const fn option(field: &'static str, fields: &'static str, code: &'static str) -> Reference {
        Reference { field, to: Target::Choice { fields, code }, when: When::AtCreate }
    }

    /// A field that holds a word by which a record of the object is known.
    pub(super) const fn named(field: &'static str, object: &'static str, by: &'static str) -> Reference {
        Reference { field, to: Target::Named { object, by }, when: When::AtCreate }
    }

    /// The name of the top-level field: `participants` of `participants[].person_id`.
    pub fn top(&self) -> &'static str {
        self.field.split(['[', '.']).next().unwrap_or(self.field)
    }
}

/// What a reference points to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A record of one of these objects (an archived twin counts).
    Record(&'static [&'static str]),
    /// A record of the object, known by the value of a field of its instead of its id.
    Named {
        /// The object pointed to.
        object: &'static str,
        /// The field that holds the name.
        by: &'static str,
    },
    /// An option of a field; options are matched by label.
    Choice {
        /// The object that defines fields.
        fields: &'static str,
        /// The field's code.
        code: &'static str,
    },
    /// Ids inside a filter's conditions: fields, options, users, stages and so on.
    Conditions,
    /// An object whose member `id` points to a record of the object that its member `type` names; other types stay.
    Typed(&'static [(&'static str, &'static str)]),
}

/// When a reference can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// In the creating call: the other record must exist before.
    AtCreate,
    /// In a later update, or never when the service stamps the field: such edges break circles.
    Afterwards,
}

/// Custom fields of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Custom {
    /// The object that defines them.
    pub fields: &'static str,
    /// Where they sit in a row.
    pub shape: Shape,
}

/// Where custom fields sit in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Under `custom_fields`, key to value.
    Nested,
    /// At the top level, composite values spread over suffixed keys; unset keys are absent.
    Flat,
}

/// What the DML matrix allows a restore to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dml {
    /// A missing record may be created.
    pub insert: bool,
    /// A changed record may be changed back.
    pub update: bool,
    /// An added record may be deleted.
    pub delete: bool,
}

impl Dml {
    /// Read only.
    pub const NOTHING: Dml = Dml { insert: false, update: false, delete: false };
    /// INSERT, UPDATE, DELETE.
    pub(super) const ALL: Dml = Dml { insert: true, update: true, delete: true };
    /// INSERT.
    pub(super) const INSERT: Dml = Dml { insert: true, update: false, delete: false };
    /// UPDATE.
    pub(super) const UPDATE: Dml = Dml { insert: false, update: true, delete: false };
    /// INSERT, DELETE.
    pub(super) const INSERT_DELETE: Dml = Dml { insert: true, update: false, delete: true };
    /// UPDATE, DELETE.
    pub(super) const UPDATE_DELETE: Dml = Dml { insert: false, update: true, delete: true };
    /// INSERT, UPDATE.
    pub(super) const INSERT_UPDATE: Dml = Dml { insert: true, update: true, delete: false };
}

/// What a restore does about a record that is missing in the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restore {
    /// Create it again.
    Recreate,
    /// Adopt the target's record with the same value in this field; never create.
    MatchBy(&'static str),
    /// Create it again, but only when that was asked for; otherwise the reason is shown in the plan.
    OnRequest(&'static str),
    /// Nothing, and nothing to say: it shows records of this object once more.
    Mirror(&'static str),
    /// Nothing; the reason is shown in the plan.
    ByHand(&'static str),
}
