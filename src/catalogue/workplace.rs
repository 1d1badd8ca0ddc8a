//! What people set up to work with: filters, goals and webhooks.

use super::object::{
    Call, Dml, Extended, Listing, Method, Object, Paging, Reference, Rows, Single, Target, Version, When, Write,
};

/// Filters; the list leaves their conditions out.
pub(super) static FILTERS: Object = Object {
    name: "filters",
    version: Version::V1,
    path: "/filters",
    listing: Listing::Flat(Paging::Whole),
    price: 20,
    single: Some(Single { path: "/filters/{id}", version: Version::V1, price: 2 }),
    extended: &[Extended {
        name: "Conditions",
        path: "/filters/{id}",
        version: Version::V1,
        // Numeric field ids mean nothing to v2, codes do: api/restore-hazards.md 4.
        query: &[("include_field_code", "true")],
        fields: &["conditions"],
        price: 2,
    }],
    references: &[
        Reference { field: "conditions", to: Target::Conditions, when: When::AtCreate },
        Reference { field: "user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(
        Call::v1(Method::Post, "/filters", 10),
        &["name", "conditions", "type"],
        &["name", "conditions", "type"],
    ),
    update: Write::json(Call::v1(Method::Put, "/filters/{id}", 10), &["name", "conditions"], &["conditions"]),
    delete: Some(Call::v1(Method::Delete, "/filters/{id}", 6)),
    dml: Dml::ALL,
    volatile: &["last_used_time"],
    computed: &[
        "id",
        "filter_code",
        "is_editable",
        "active_flag",
        "temporary_flag",
        "user_id",
        "add_time",
        "update_time",
        "visible_to",
        "custom_view_id",
    ],
    limits: "a filter made again belongs to the token's user and is private; operators that were removed (ends with, \
             does not contain) cannot be written",
    evidence: "api/objects.md Filters, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Goals of persons, teams and the company. Of all criteria the metric alone brings everybody's goals of every kind:
/// without one only the caller's own come, and the search by kind does not know `revenue_forecast`.
pub(super) static GOALS: Object = Object {
    name: "goals",
    version: Version::V1,
    path: "/goals/find",
    questions: &[
        &[("expected_outcome.tracking_metric", "quantity"), ("is_active", "true")],
        &[("expected_outcome.tracking_metric", "quantity"), ("is_active", "false")],
        &[("expected_outcome.tracking_metric", "sum"), ("is_active", "true")],
        &[("expected_outcome.tracking_metric", "sum"), ("is_active", "false")],
    ],
    listing: Listing::Flat(Paging::Whole),
    rows: Rows::Member { list: "goals", one: "goal" },
    price: 20,
    references: &[
        Reference {
            field: "assignee",
            to: Target::Typed(&[("person", "users"), ("team", "legacyTeams")]),
            when: When::AtCreate,
        },
        Reference::to("type.params.pipeline_id[]", &["pipelines"]),
        Reference::to("type.params.stage_id", &["stages"]),
        Reference::to("type.params.activity_type_id[]", &["activityTypes"]),
        Reference::to("expected_outcome.currency_id", &["currencies"]),
        Reference { field: "owner_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(
        Call::v1(Method::Post, "/goals", 10),
        &["title", "assignee", "type", "expected_outcome", "duration", "interval"],
        &["assignee", "type", "expected_outcome", "duration", "interval"],
    ),
    update: Write::json(
        Call::v1(Method::Put, "/goals/{id}", 10),
        &["title", "assignee", "type", "expected_outcome", "duration", "interval"],
        &[],
    ),
    delete: Some(Call::v1(Method::Delete, "/goals/{id}", 6)),
    dml: Dml::ALL,
    // "Deals started" is written `deals_started`: the examples of the description against its text.
    spoken: &["type.name"],
    computed: &["id", "owner_id", "is_active", "report_ids"],
    limits: "a goal made again belongs to the token's user and gets a new report; team goals need their team",
    evidence: "api/objects.md Goals, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Webhooks; the API cannot change one, so a changed one is deleted and made again.
pub(super) static WEBHOOKS: Object = Object {
    name: "webhooks",
    version: Version::V1,
    path: "/webhooks",
    listing: Listing::Flat(Paging::Whole),
    price: 10,
    references: &[
        Reference::to("user_id", &["users"]),
        Reference { field: "owner_id", to: Target::Record(&["users"]), when: When::Afterwards },
        Reference { field: "admin_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(
        Call::v1(Method::Post, "/webhooks", 10),
        &[
            "subscription_url",
            "event_action",
            "event_object",
            "name",
            "user_id",
            "http_auth_user",
            "http_auth_password",
            "version",
        ],
        &["subscription_url", "event_action", "event_object", "name"],
    ),
    delete: Some(Call::v1(Method::Delete, "/webhooks/{id}", 6)),
    dml: Dml::INSERT_DELETE,
    volatile: &["last_delivery_time", "last_http_status"],
    computed: &[
        "id",
        "company_id",
        "owner_id",
        "is_active",
        "add_time",
        "remove_time",
        "type",
        "remove_reason",
        "admin_id",
    ],
    limits: "the address must answer while the webhook is made; a password that the API does not show is lost",
    evidence: "api/objects.md Webhooks, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};
