//! What a Pipedrive account holds, as facts.
//!
//! One entry an object, in a file a family. Capture, diff and restore contain no
//! object's name: what they do follows from what stands here, so that a new
//! object is a new entry and nothing else. The laws of the table are tests
//! (`laws.rs`), and `tests/catalogue.rs` compares it with the service's own
//! description, which shares nothing with it.

mod activities;
mod call;
mod company;
mod contacts;
mod deals;
mod fields;
mod history;
#[cfg(test)]
mod laws;
mod leads;
mod legacy;
mod listing;
mod mail;
mod name;
mod notes;
mod object;
mod order;
mod parts;
mod people;
mod pictures;
mod pipelines;
mod products;
mod projects;
mod terms;
mod views;
mod workplace;

pub use name::ObjectName;
pub use object::{
    Call, Contents, Custom, Deletions, Dml, Encoding, Extended, Inline, KeyIn, Listing, Method, Object, Otherwise, Own,
    Paging, Parts, Reference, Removed, Restore, Rows, Shape, Single, Target, Undelete, Version, When, Write,
};
pub use order::in_restore_order;
pub use views::{Edge, VIEWS, View, find_view};

/// Every object, in the order in which a capture reads them.
///
/// Parents stand before their children, whose counters they carry; an archived
/// list stands after the list from which records move into it.
pub static ALL: &[&Object] = &[
    &people::PERMISSION_SETS,
    &company::USERS,
    &people::PERMISSION_SET_ASSIGNMENTS,
    &people::ROLES,
    &people::ROLE_SETTINGS,
    &people::ROLE_ASSIGNMENTS,
    &people::LEGACY_TEAMS,
    &people::USER_SETTINGS,
    &people::USER_CONNECTIONS,
    &company::CURRENCIES,
    &fields::DEAL_FIELDS,
    &fields::PERSON_FIELDS,
    &fields::ORGANIZATION_FIELDS,
    &fields::PRODUCT_FIELDS,
    &fields::ACTIVITY_FIELDS,
    &fields::PROJECT_FIELDS,
    &fields::LEAD_FIELDS,
    &fields::NOTE_FIELDS,
    &pipelines::PIPELINES,
    &pipelines::STAGES,
    &people::ROLE_PIPELINES,
    &activities::ACTIVITY_TYPES,
    &leads::LEAD_LABELS,
    &leads::LEAD_SOURCES,
    &contacts::ORGANIZATIONS,
    &contacts::PERSONS,
    &products::PRODUCTS,
    &deals::DEALS,
    &leads::LEADS,
    &projects::BOARDS,
    &projects::TEMPLATES,
    &projects::PROJECTS,
    &projects::TASKS,
    &activities::ACTIVITIES,
    &activities::CALL_LOGS,
    &notes::NOTES,
    &notes::FILES,
    &mail::MAIL_THREADS,
    &deals::ARCHIVED_DEALS,
    &leads::ARCHIVED_LEADS,
    &projects::ARCHIVED_PROJECTS,
    &projects::PHASES,
    &contacts::ORGANIZATION_FOLLOWERS,
    &contacts::PERSON_FOLLOWERS,
    &contacts::ORGANIZATION_RELATIONSHIPS,
    &products::PRODUCT_FOLLOWERS,
    &products::PRODUCT_VARIATIONS,
    &pictures::PERSON_PICTURES,
    &pictures::PRODUCT_IMAGES,
    &deals::DEAL_PRODUCTS,
    &terms::DEAL_DISCOUNTS,
    &terms::DEAL_INSTALLMENTS,
    &deals::DEAL_FOLLOWERS,
    &deals::DEAL_PARTICIPANTS,
    &mail::MAIL_MESSAGES,
    &mail::DEAL_MAIL_MESSAGES,
    &mail::PERSON_MAIL_MESSAGES,
    &mail::ORGANIZATION_MAIL_MESSAGES,
    &notes::NOTE_COMMENTS,
    &legacy::SUBSCRIPTIONS,
    &legacy::SUBSCRIPTION_PAYMENTS,
    &legacy::GLOBAL_MESSAGES,
    &projects::GROUPS,
    &projects::PLANS,
    &history::DEAL_CHANGELOG,
    &history::PERSON_CHANGELOG,
    &history::ORGANIZATION_CHANGELOG,
    &history::DEAL_FLOW,
    &history::PERSON_FLOW,
    &history::ORGANIZATION_FLOW,
    &notes::FILE_CONTENTS,
    &pictures::PERSON_PICTURE_CONTENTS,
    &pictures::PRODUCT_IMAGE_CONTENTS,
    &workplace::FILTERS,
    &workplace::GOALS,
    &workplace::WEBHOOKS,
];

/// The list that shows by which number filters know each field of those that `fields` defines.
pub fn numbers(fields: &ObjectName) -> Option<&'static Object> {
    fields::numbers(fields)
}

/// The entry with this name, as on disk (`dealProducts`) or as people read it (`DealProducts`).
pub fn find(name: &ObjectName) -> Option<&'static Object> {
    ALL.iter().copied().find(|object| object.name.eq_ignore_ascii_case(name.as_str()))
}
