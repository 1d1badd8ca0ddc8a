//! Organizations, persons, and who follows them.

use super::object::{
    Call, Custom, Dml, KeyIn, Listing, Method, Object, Paging, Reference, Shape, Single, Undelete, Version, Write,
};

/// Organizations.
pub(super) static ORGANIZATIONS: Object = Object {
    name: "organizations",
    version: Version::V2,
    path: "/organizations",
    query: &[("sort_by", "id"), ("sort_direction", "asc"), ("include_fields", "followers_count,email_messages_count")],
    from_the_end: &[("sort_direction", "desc")],
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 10,
    since: Some("updated_since"),
    single: Some(Single { path: "/organizations/{id}", version: Version::V2, price: 1 }),
    bulk_ids: Some("ids"),
    references: &[
        Reference::to("owner_id", &["users"]),
        Reference::option("label_ids[]", "organizationFields", "label_ids"),
        Reference::option("industry", "organizationFields", "industry"),
    ],
    custom: Some(Custom { fields: "organizationFields", shape: Shape::Nested }),
    create: Write::json(
        Call::v2(Method::Post, "/organizations", 5),
        // add_time on POST only: api/restore-hazards.md 3.
        &[
            "name",
            "owner_id",
            "add_time",
            "visible_to",
            "label_ids",
            "address",
            "website",
            "linkedin",
            "industry",
            "annual_revenue",
            "employee_count",
        ],
        &["name"],
    ),
    update: Write::json(
        Call::v2(Method::Patch, "/organizations/{id}", 5),
        &[
            "name",
            "owner_id",
            "visible_to",
            "label_ids",
            "address",
            "website",
            "linkedin",
            "industry",
            "annual_revenue",
            "employee_count",
        ],
        &[],
    ),
    delete: Some(Call::v2(Method::Delete, "/organizations/{id}", 3)),
    // UNCONFIRMED: no parameter is documented, and v1 organizations are out of support: api/restore-hazards.md 1.
    undelete: &[Undelete { call: Call::v1(Method::Put, "/organizations/{id}", 10), body: ("active_flag", "true") }],
    dml: Dml::ALL,
    volatile: &[
        "next_activity_id",
        "last_activity_id",
        "open_deals_count",
        "related_open_deals_count",
        "closed_deals_count",
        "related_closed_deals_count",
        "email_messages_count",
        "people_count",
        "activities_count",
        "done_activities_count",
        "undone_activities_count",
        "files_count",
        "notes_count",
        "followers_count",
        "won_deals_count",
        "related_won_deals_count",
        "lost_deals_count",
        "related_lost_deals_count",
        "smart_bcc_email",
    ],
    // org_id and picture_id are strays of the published examples: api/objects.md.
    computed: &["id", "update_time", "is_deleted", "org_id", "picture_id"],
    limits: "an organization made again loses its history and its mail",
    evidence: "api/objects.md Organizations, api/restore-hazards.md 2 to 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

/// Persons.
pub(super) static PERSONS: Object = Object {
    name: "persons",
    version: Version::V2,
    path: "/persons",
    query: &[
        ("sort_by", "id"),
        ("sort_direction", "asc"),
        ("include_fields", "followers_count,email_messages_count,marketing_status,doi_status"),
    ],
    from_the_end: &[("sort_direction", "desc")],
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 10,
    since: Some("updated_since"),
    single: Some(Single { path: "/persons/{id}", version: Version::V2, price: 1 }),
    bulk_ids: Some("ids"),
    references: &[
        Reference::to("owner_id", &["users"]),
        Reference::to("org_id", &["organizations"]),
        Reference::option("label_ids[]", "personFields", "label_ids"),
    ],
    custom: Some(Custom { fields: "personFields", shape: Shape::Nested }),
    create: Write::json(
        Call::v2(Method::Post, "/persons", 5),
        &[
            "name",
            "owner_id",
            "org_id",
            "add_time",
            "emails",
            "phones",
            "visible_to",
            "label_ids",
            "postal_address",
            "notes",
            "im",
            "birthday",
            "job_title",
            "marketing_status",
        ],
        // The description marks nothing, the service wants a name: api/objects.md Persons.
        &["name"],
    ),
    update: Write::json(
        Call::v2(Method::Patch, "/persons/{id}", 5),
        &[
            "name",
            "owner_id",
            "org_id",
            "emails",
            "phones",
            "visible_to",
            "label_ids",
            "postal_address",
            "notes",
            "im",
            "birthday",
            "job_title",
            "marketing_status",
        ],
        &[],
    ),
    delete: Some(Call::v2(Method::Delete, "/persons/{id}", 3)),
    // UNCONFIRMED, as for organizations.
    undelete: &[Undelete { call: Call::v1(Method::Put, "/persons/{id}", 10), body: ("active_flag", "true") }],
    dml: Dml::ALL,
    volatile: &[
        "next_activity_id",
        "last_activity_id",
        "open_deals_count",
        "related_open_deals_count",
        "closed_deals_count",
        "related_closed_deals_count",
        "participant_open_deals_count",
        "participant_closed_deals_count",
        "email_messages_count",
        "activities_count",
        "done_activities_count",
        "undone_activities_count",
        "files_count",
        "notes_count",
        "followers_count",
        "won_deals_count",
        "related_won_deals_count",
        "lost_deals_count",
        "related_lost_deals_count",
        "last_incoming_mail_time",
        "last_outgoing_mail_time",
        "smart_bcc_email",
    ],
    computed: &["id", "first_name", "last_name", "update_time", "is_deleted", "picture_id", "doi_status"],
    limits: "a person made again loses history, mail and picture; contact-sync fields need Contact Sync to be set up; \
             the marketing status can be changed only once",
    evidence: "api/objects.md Persons, api/restore-hazards.md 2 to 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

/// Who follows an organization.
pub(super) static ORGANIZATION_FOLLOWERS: Object = Object {
    name: "organizationFollowers",
    path: "/organizations/{parent}/followers",
    listing: Listing::Under {
        parents: &["organizations"],
        counter: Some("followers_count"),
        paging: Paging::Cursor { limit: 500 },
    },
    create: Write::json(Call::v2(Method::Post, "/organizations/{parent}/followers", 5), &["user_id"], &["user_id"]),
    delete: Some(Call::v2(Method::Delete, "/organizations/{parent}/followers/{id}", 3)),
    evidence: "api/objects.md OrganizationFollowers, openapi v2, 2026-11-23",
    ..FOLLOWERS
};

/// Who follows a person.
pub(super) static PERSON_FOLLOWERS: Object = Object {
    name: "personFollowers",
    path: "/persons/{parent}/followers",
    listing: Listing::Under {
        parents: &["persons"],
        counter: Some("followers_count"),
        paging: Paging::Cursor { limit: 500 },
    },
    create: Write::json(Call::v2(Method::Post, "/persons/{parent}/followers", 5), &["user_id"], &["user_id"]),
    delete: Some(Call::v2(Method::Delete, "/persons/{parent}/followers/{id}", 3)),
    evidence: "api/objects.md PersonFollowers, openapi v2, 2026-11-23",
    ..FOLLOWERS
};

/// What the four follower lists have in common: a row is a user under a parent.
pub(super) const FOLLOWERS: Object = Object {
    version: Version::V2,
    price: 10,
    // v2 deletes by the user's id, v1 by a row's: api/objects.md DealFollowers.
    key: KeyIn::ParentAnd("user_id"),
    references: &[Reference::to("user_id", &["users"])],
    dml: Dml::INSERT_DELETE,
    computed: &["add_time"],
    limits: "the day since which somebody follows becomes today",
    ..Object::READ_ONLY
};

const RELATION: &[&str] = &["type", "rel_owner_org_id", "rel_linked_org_id"];

/// How organizations are related; each relationship is listed under both of its organizations.
pub(super) static ORGANIZATION_RELATIONSHIPS: Object = Object {
    name: "organizationRelationships",
    version: Version::V1,
    path: "/organizationRelationships",
    query: &[("org_id", "{parent}")],
    // The answer shows pagination, yet no parameter for it is described: followed where it leads on.
    listing: Listing::Under { parents: &["organizations"], counter: None, paging: Paging::Whole },
    price: 20,
    single: Some(Single { path: "/organizationRelationships/{id}", version: Version::V1, price: 2 }),
    references: &[
        Reference::to("rel_owner_org_id", &["organizations"]),
        Reference::to("rel_linked_org_id", &["organizations"]),
    ],
    create: Write::json(Call::v1(Method::Post, "/organizationRelationships", 10), RELATION, RELATION),
    update: Write::json(Call::v1(Method::Put, "/organizationRelationships/{id}", 10), RELATION, &[]),
    delete: Some(Call::v1(Method::Delete, "/organizationRelationships/{id}", 6)),
    dml: Dml::ALL,
    nested: &["rel_owner_org_id", "rel_linked_org_id"],
    // As seen from the organization it was listed under.
    volatile: &["calculated_type", "calculated_related_org_id", "related_organization_name"],
    computed: &["id", "add_time", "update_time", "active_flag"],
    limits: "a relationship made again loses its add time; the service limits how many an organization has",
    evidence: "api/objects.md OrganizationRelationships, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};
