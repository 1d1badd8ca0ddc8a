//! What people set up to work with: filters and webhooks.

use super::object::{
    Call, Dml, Extended, Listing, Method, Object, Paging, Reference, Single, Target, Version, When, Write,
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
