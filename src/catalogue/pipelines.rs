//! Pipelines and their stages: the road of a deal.

use super::object::{Call, Dml, Listing, Method, Object, Paging, Reference, Single, Undelete, Version, Write};

const BY_ID: &[(&str, &str)] = &[("sort_by", "id"), ("sort_direction", "asc")];

/// Pipelines.
pub(super) static PIPELINES: Object = Object {
    name: "pipelines",
    version: Version::V2,
    path: "/pipelines",
    query: BY_ID,
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 5,
    single: Some(Single { path: "/pipelines/{id}", version: Version::V2, price: 1 }),
    create: Write::json(Call::v2(Method::Post, "/pipelines", 5), &["name", "is_deal_probability_enabled"], &["name"]),
    update: Write::json(Call::v2(Method::Patch, "/pipelines/{id}", 5), &["name", "is_deal_probability_enabled"], &[]),
    delete: Some(Call::v2(Method::Delete, "/pipelines/{id}", 3)),
    // UNCONFIRMED: v1 PUT had a writable `active`, and v1 pipelines are out of support: api/restore-hazards.md 1.
    undelete: &[Undelete { call: Call::v1(Method::Put, "/pipelines/{id}", 10), body: ("active", "true") }],
    dml: Dml::ALL,
    computed: &["id", "order_nr", "is_deleted", "add_time", "update_time"],
    limits: "a pipeline made again goes to the end: the order can only be changed in the app",
    evidence: "api/objects.md Pipelines, api/restore-hazards.md 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

/// Stages of all pipelines in one list.
pub(super) static STAGES: Object = Object {
    name: "stages",
    version: Version::V2,
    path: "/stages",
    query: BY_ID,
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 5,
    single: Some(Single { path: "/stages/{id}", version: Version::V2, price: 1 }),
    references: &[Reference::to("pipeline_id", &["pipelines"])],
    create: Write::json(
        Call::v2(Method::Post, "/stages", 5),
        &["name", "pipeline_id", "deal_probability", "is_deal_rot_enabled", "days_to_rotten"],
        &["name", "pipeline_id"],
    ),
    update: Write::json(
        Call::v2(Method::Patch, "/stages/{id}", 5),
        &["name", "pipeline_id", "deal_probability", "is_deal_rot_enabled", "days_to_rotten"],
        &[],
    ),
    delete: Some(Call::v2(Method::Delete, "/stages/{id}", 3)),
    dml: Dml::ALL,
    computed: &["id", "order_nr", "is_deleted", "add_time", "update_time"],
    limits: "the order of stages cannot be written: stages made again come last, in the order they are made",
    evidence: "api/objects.md Stages, api/restore-hazards.md 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};
