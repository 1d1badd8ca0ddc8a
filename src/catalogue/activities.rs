//! Activities and the types they are of.

use super::object::{
    Call, Dml, Listing, Method, Object, Own, Paging, Reference, Single, Target, Undelete, Version, When, Write,
};

/// Types of activities; an activity names its type by `key_string`, not by id.
pub(super) static ACTIVITY_TYPES: Object = Object {
    name: "activityTypes",
    version: Version::V1,
    path: "/activityTypes",
    listing: Listing::Flat(Paging::Whole),
    price: 20,
    create: Write::json(
        Call::v1(Method::Post, "/activityTypes", 10),
        &["name", "icon_key", "color"],
        &["name", "icon_key"],
    ),
    update: Write::json(
        Call::v1(Method::Put, "/activityTypes/{id}", 10),
        &["name", "icon_key", "color", "order_nr"],
        &[],
    ),
    delete: Some(Call::v1(Method::Delete, "/activityTypes/{id}", 6)),
    dml: Dml::ALL,
    computed: &["id", "key_string", "active_flag", "is_custom_flag", "add_time", "update_time"],
    limits: "a type made again gets a key made from its name, which may differ from the old one",
    evidence: "api/objects.md ActivityTypes, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

// person_id stands in both schemas, yet v2 takes it from the primary participant: api/objects.md Activities.
const FIELDS: &[&str] = &[
    "subject",
    "type",
    "owner_id",
    "deal_id",
    "lead_id",
    "org_id",
    "project_id",
    "due_date",
    "due_time",
    "duration",
    "busy",
    "done",
    "location",
    "participants",
    "attendees",
    "public_description",
    "priority",
    "note",
];

/// Activities.
pub(super) static ACTIVITIES: Object = Object {
    name: "activities",
    version: Version::V2,
    path: "/activities",
    query: &[("sort_by", "id"), ("sort_direction", "asc"), ("include_fields", "attendees")],
    from_the_end: &[("sort_direction", "desc")],
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 10,
    since: Some("updated_since"),
    single: Some(Single { path: "/activities/{id}", version: Version::V2, price: 1 }),
    bulk_ids: Some("ids"),
    references: &[
        Reference::named("type", "activityTypes", "key_string"),
        Reference::to("owner_id", &["users"]),
        Reference::to("deal_id", &["deals"]),
        Reference::to("lead_id", &["leads"]),
        Reference::to("org_id", &["organizations"]),
        Reference::to("project_id", &["projects"]),
        Reference::to("participants[].person_id", &["persons"]),
        Reference::to("attendees[].person_id", &["persons"]),
        Reference::to("attendees[].user_id", &["users"]),
        Reference::option("priority", "activityFields", "priority"),
        Reference { field: "person_id", to: Target::Record(&["persons"]), when: When::Afterwards },
        Reference { field: "creator_user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(Call::v2(Method::Post, "/activities", 5), FIELDS, &[]),
    update: Write::json(Call::v2(Method::Patch, "/activities/{id}", 5), FIELDS, &[]),
    delete: Some(Call::v2(Method::Delete, "/activities/{id}", 3)),
    // UNCONFIRMED: v1 PUT understood active_flag 0 as delete in 2019: api/restore-hazards.md 1.
    undelete: &[Undelete { call: Call::v1(Method::Put, "/activities/{id}", 10), body: ("active_flag", "true") }],
    dml: Dml::ALL,
    computed: &[
        "id",
        "person_id",
        "creator_user_id",
        "is_deleted",
        "add_time",
        "update_time",
        "marked_as_done_time",
        "conference_meeting_client",
        "conference_meeting_url",
        "conference_meeting_id",
    ],
    limits: "series, calendar links and the time of completion do not come back; attendees may be invited again \
             (UNCONFIRMED)",
    evidence: "api/objects.md Activities, api/restore-hazards.md 2 to 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

/// Calls of the token's user; each belongs to an activity.
pub(super) static CALL_LOGS: Object = Object {
    name: "callLogs",
    version: Version::V1,
    path: "/callLogs",
    listing: Listing::Flat(Paging::Offset { limit: 50 }),
    price: 20,
    // "only the token user's call logs": api/objects.md CallLogs.
    own: Some(Own { field: "user_id", words: "only your own calls" }),
    single: Some(Single { path: "/callLogs/{id}", version: Version::V1, price: 2 }),
    references: &[
        Reference::to("user_id", &["users"]),
        Reference::to("activity_id", &["activities"]),
        Reference::to("person_id", &["persons"]),
        Reference::to("org_id", &["organizations"]),
        Reference::to("deal_id", &["deals"]),
        Reference::to("lead_id", &["leads"]),
    ],
    create: Write::json(
        Call::v1(Method::Post, "/callLogs", 10),
        &[
            "user_id",
            "activity_id",
            "subject",
            "duration",
            "outcome",
            "from_phone_number",
            "to_phone_number",
            "start_time",
            "end_time",
            "person_id",
            "org_id",
            "deal_id",
            "lead_id",
            "note",
        ],
        &["outcome", "to_phone_number", "start_time", "end_time"],
    ),
    delete: Some(Call::v1(Method::Delete, "/callLogs/{id}", 6)),
    dml: Dml::INSERT_DELETE,
    computed: &["id", "company_id", "has_recording"],
    limits: "only the token's user's own are shown; recordings cannot be read and go with their call log",
    evidence: "api/objects.md CallLogs, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};
