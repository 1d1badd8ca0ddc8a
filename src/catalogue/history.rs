//! What was done to a record, as the service remembers it: read only, and dear.
//!
//! A call for each record, and no call that brings any of it back, so these are read
//! on request only. They are told newest first and never change: an increment asks
//! under changed records and stops at the first row it knows.

use super::object::{KeyIn, Listing, Object, Paging, Reference, Restore, Version, When};

const CHANGE: &[&str] = &[
    "actor_user_id",
    "change_source",
    "change_source_user_agent",
    "field_key",
    "is_bulk_update_flag",
    "new_value",
    "old_value",
    "time",
];

const DEALS: &[&str] = &["deals", "archivedDeals"];
const PERSONS: &[&str] = &["persons"];
const ORGANIZATIONS: &[&str] = &["organizations"];

/// Changes of fields, one row a field.
const fn changelog(name: &'static str, path: &'static str, parents: &'static [&'static str]) -> Object {
    Object {
        name,
        path,
        listing: Listing::Under { parents, counter: None, paging: Paging::Cursor { limit: 500 } },
        price: 20,
        references: &[Reference {
            field: "actor_user_id",
            to: super::Target::Record(&["users"]),
            when: When::Afterwards,
        }],
        computed: CHANGE,
        evidence: "api/objects.md changelog, openapi v1, 2026-11-23",
        ..HISTORY
    }
}

/// Everything that happened around a record.
const fn flow(name: &'static str, path: &'static str, parents: &'static [&'static str]) -> Object {
    Object {
        name,
        path,
        listing: Listing::Under { parents, counter: None, paging: Paging::Offset { limit: 500 } },
        price: 40,
        computed: &["object", "timestamp", "data"],
        evidence: "api/objects.md flow, openapi v1, 2026-11-23",
        ..HISTORY
    }
}

const HISTORY: Object = Object {
    version: Version::V1,
    key: KeyIn::ParentAndDigest,
    on_request: true,
    restore: Restore::ByHand("history is the service's own and cannot be written"),
    limits: "nobody can write history; two equal rows of one second count as one",
    ..Object::READ_ONLY
};

/// Changes of deals.
pub(super) static DEAL_CHANGELOG: Object = changelog("dealChangelog", "/deals/{parent}/changelog", DEALS);
/// Changes of persons.
pub(super) static PERSON_CHANGELOG: Object = changelog("personChangelog", "/persons/{parent}/changelog", PERSONS);
/// Changes of organizations.
pub(super) static ORGANIZATION_CHANGELOG: Object =
    changelog("organizationChangelog", "/organizations/{parent}/changelog", ORGANIZATIONS);
/// What happened around deals.
pub(super) static DEAL_FLOW: Object = flow("dealFlow", "/deals/{parent}/flow", DEALS);
/// What happened around persons.
pub(super) static PERSON_FLOW: Object = flow("personFlow", "/persons/{parent}/flow", PERSONS);
/// What happened around organizations.
pub(super) static ORGANIZATION_FLOW: Object = flow("organizationFlow", "/organizations/{parent}/flow", ORGANIZATIONS);
