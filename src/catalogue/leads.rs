//! Leads, in the inbox and archived, and their labels.

use super::object::{
    Call, Custom, Dml, KeyIn, Listing, Method, Object, Paging, Reference, Restore, Shape, Single, Target, Version,
    When, Write,
};

/// Labels of leads; other objects' labels are options of a field.
pub(super) static LEAD_LABELS: Object = Object {
    name: "leadLabels",
    version: Version::V1,
    path: "/leadLabels",
    listing: Listing::Flat(Paging::Whole),
    price: 10,
    create: Write::json(Call::v1(Method::Post, "/leadLabels", 10), &["name", "color"], &["name", "color"]),
    update: Write::json(Call::v1(Method::Patch, "/leadLabels/{id}", 10), &["name", "color"], &[]),
    delete: Some(Call::v1(Method::Delete, "/leadLabels/{id}", 6)),
    dml: Dml::ALL,
    computed: &["id", "add_time", "update_time"],
    limits: "a label made again has another id",
    evidence: "api/objects.md LeadLabels, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Where leads may come from: a fixed list of words.
pub(super) static LEAD_SOURCES: Object = Object {
    name: "leadSources",
    version: Version::V1,
    path: "/leadSources",
    price: 2,
    key: KeyIn::Field("name"),
    restore: Restore::ByHand("the service has a fixed list of sources"),
    computed: &["name"],
    limits: "the service has a fixed list of sources",
    evidence: "api/objects.md LeadSources, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Leads that are not archived.
pub(super) static LEADS: Object = Object {
    name: "leads",
    path: "/leads",
    price: 20,
    since: Some("updated_since"),
    twin: Some("archivedLeads"),
    evidence: "api/objects.md Leads, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..LEAD
};

/// Archived leads: no filter by time, and the dearest list there is.
pub(super) static ARCHIVED_LEADS: Object = Object {
    name: "archivedLeads",
    path: "/leads/archived",
    price: 40,
    twin: Some("leads"),
    limits: "a lead is made outside the archive and archived afterwards; changing one means taking it out first \
             (UNCONFIRMED); made again, it has another id, source API, and loses its history",
    evidence: "api/objects.md Archived leads, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..LEAD
};

/// What both lists have in common.
const LEAD: Object = Object {
    version: Version::V1,
    query: &[("sort", "id ASC")],
    listing: Listing::Flat(Paging::Offset { limit: 500 }),
    key: KeyIn::Field("id"),
    single: Some(Single { path: "/leads/{id}", version: Version::V1, price: 2 }),
    references: &[
        Reference::to("owner_id", &["users"]),
        Reference::to("person_id", &["persons"]),
        Reference::to("organization_id", &["organizations"]),
        Reference::to("label_ids[]", &["leadLabels"]),
        Reference::option("channel", "dealFields", "channel"),
        Reference::named("value.currency", "currencies", "code"),
        Reference { field: "creator_id", to: Target::Record(&["users"]), when: When::Afterwards },
        Reference { field: "source_deal_id", to: Target::Record(&["deals"]), when: When::Afterwards },
    ],
    custom: Some(Custom { fields: "dealFields", shape: Shape::Flat }),
    create: Write::json(
        Call::v1(Method::Post, "/leads", 10),
        &[
            "title",
            "owner_id",
            "label_ids",
            "person_id",
            "organization_id",
            "value",
            "expected_close_date",
            "visible_to",
            "was_seen",
            "origin_id",
            "channel",
            "channel_id",
        ],
        // And a person or an organization: api/objects.md Leads.
        &["title"],
    ),
    update: Write::json(
        Call::v1(Method::Patch, "/leads/{id}", 10),
        &[
            "title",
            "owner_id",
            "label_ids",
            "person_id",
            "organization_id",
            "is_archived",
            "value",
            "expected_close_date",
            "visible_to",
            "was_seen",
            "channel",
            "channel_id",
        ],
        &[],
    ),
    delete: Some(Call::v1(Method::Delete, "/leads/{id}", 6)),
    dml: Dml::ALL,
    volatile: &["next_activity_id"],
    computed: &["id", "creator_id", "source_name", "origin", "source_deal_id", "add_time", "update_time", "cc_email"],
    limits: "a lead made again has another id, source API, and loses its history",
    ..Object::READ_ONLY
};
