//! Deals, open and archived, with what hangs on them.

use super::contacts::FOLLOWERS;
use super::object::Target;
use super::object::{
    Call, Custom, Deletions, Dml, KeyIn, Listing, Method, Object, Paging, Reference, Shape, Single, Undelete, Version,
    When, Write,
};

const QUERY: &[(&str, &str)] = &[
    ("sort_by", "id"),
    ("sort_direction", "asc"),
    (
        "include_fields",
        "products_count,participants_count,followers_count,email_messages_count,first_won_time,source_lead_id",
    ),
];

// is_deleted stands in both schemas, yet the guide says that POST cannot make a deleted deal and PATCH cannot
// delete one: it is sent by the undelete form alone. api/restore-hazards.md 1.
const FIELDS: &[&str] = &[
    "title",
    "owner_id",
    "person_id",
    "org_id",
    "pipeline_id",
    "stage_id",
    "value",
    "currency",
    "is_archived",
    "archive_time",
    "status",
    "probability",
    "lost_reason",
    "visible_to",
    "close_time",
    "won_time",
    "lost_time",
    "expected_close_date",
    "label_ids",
];

/// Deals that are neither deleted nor archived.
pub(super) static DEALS: Object = Object {
    name: "deals",
    path: "/deals",
    price: 10,
    twin: Some("archivedDeals"),
    evidence: "api/objects.md Deals, api/restore-hazards.md 1 to 4, openapi v2, 2026-11-23",
    ..DEAL
};

/// Archived deals: the same records in another list, which the API lets nobody edit.
pub(super) static ARCHIVED_DEALS: Object = Object {
    name: "archivedDeals",
    path: "/deals/archived",
    price: 20,
    twin: Some("deals"),
    limits: "an archived deal is brought back by taking it out of the archive, changing it and archiving it again \
             (UNCONFIRMED); made again, it loses history, mail, add time and author",
    evidence: "api/objects.md Archived deals, api/restore-hazards.md 4, openapi v2, 2026-11-23",
    ..DEAL
};

/// What both lists have in common.
const DEAL: Object = Object {
    version: Version::V2,
    query: QUERY,
    from_the_end: &[("sort_direction", "desc")],
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    since: Some("updated_since"),
    // Deletions of the last 30 days: api/objects.md Deals.
    deletions: Deletions::Listed("status", "deleted"),
    single: Some(Single { path: "/deals/{id}", version: Version::V2, price: 1 }),
    bulk_ids: Some("ids"),
    references: &[
        Reference::to("owner_id", &["users"]),
        Reference::to("person_id", &["persons"]),
        Reference::to("org_id", &["organizations"]),
        Reference::to("pipeline_id", &["pipelines"]),
        Reference::to("stage_id", &["stages"]),
        Reference::named("currency", "currencies", "code"),
        Reference::option("label_ids[]", "dealFields", "label_ids"),
        Reference { field: "creator_user_id", to: Target::Record(&["users"]), when: When::Afterwards },
        Reference { field: "source_lead_id", to: Target::Record(&["leads"]), when: When::Afterwards },
        Reference {
            field: "channel",
            to: Target::Choice { fields: "dealFields", code: "channel" },
            when: When::Afterwards,
        },
    ],
    custom: Some(Custom { fields: "dealFields", shape: Shape::Nested }),
    create: Write::json(Call::v2(Method::Post, "/deals", 5), FIELDS, &["title"]),
    update: Write::json(Call::v2(Method::Patch, "/deals/{id}", 5), FIELDS, &[]),
    delete: Some(Call::v2(Method::Delete, "/deals/{id}", 3)),
    // UNCONFIRMED, the likelier form first: api/restore-hazards.md 1.
    undelete: &[
        Undelete { call: Call::v2(Method::Patch, "/deals/{id}", 5), body: ("is_deleted", "false") },
        Undelete { call: Call::v1(Method::Put, "/deals/{id}", 10), body: ("status", "\"open\"") },
    ],
    dml: Dml::ALL,
    volatile: &[
        "next_activity_id",
        "last_activity_id",
        "products_count",
        "files_count",
        "notes_count",
        "followers_count",
        "email_messages_count",
        "activities_count",
        "done_activities_count",
        "undone_activities_count",
        "participants_count",
        "last_incoming_mail_time",
        "last_outgoing_mail_time",
        "smart_bcc_email",
    ],
    computed: &[
        "id",
        "creator_user_id",
        "add_time",
        "update_time",
        "stage_change_time",
        "is_deleted",
        "first_won_time",
        "local_won_date",
        "local_lost_date",
        "local_close_date",
        "origin",
        "origin_id",
        "channel",
        "channel_id",
        "source_lead_id",
        "arr",
        "mrr",
        "acv",
    ],
    limits: "a deal made again loses history, mail, add time, author, origin and channel; its value follows its products",
    ..Object::READ_ONLY
};

const LINE: &[&str] = &[
    "product_id",
    "item_price",
    "quantity",
    "tax",
    "comments",
    "discount",
    "is_enabled",
    "tax_method",
    "discount_type",
    "product_variation_id",
    "billing_frequency",
    "billing_frequency_cycles",
    "billing_start_date",
];

/// Products attached to deals, listed for a hundred deals at once.
pub(super) static DEAL_PRODUCTS: Object = Object {
    name: "dealProducts",
    version: Version::V2,
    path: "/deals/products",
    query: &[("sort_by", "id"), ("sort_direction", "asc")],
    listing: Listing::Bulk {
        parents: &["deals", "archivedDeals"],
        counter: Some("products_count"),
        parameter: "deal_ids",
        batch: 100,
        paging: Paging::Cursor { limit: 500 },
    },
    price: 10,
    key: KeyIn::Both { parent: "deal_id", own: "id" },
    references: &[
        Reference { field: "deal_id", to: Target::Record(&["deals"]), when: When::Afterwards },
        Reference::to("product_id", &["products"]),
        Reference::to("product_variation_id", &["productVariations"]),
        Reference { field: "currency", to: Target::Named { object: "currencies", by: "code" }, when: When::Afterwards },
    ],
    create: Write::json(
        Call::v2(Method::Post, "/deals/{parent}/products", 5),
        LINE,
        &["product_id", "item_price", "quantity"],
    ),
    update: Write::json(Call::v2(Method::Patch, "/deals/{parent}/products/{id}", 5), LINE, &[]),
    // Never the bulk form: without ids it removes a hundred lines. api/restore-hazards.md 4.
    delete: Some(Call::v2(Method::Delete, "/deals/{parent}/products/{id}", 3)),
    dml: Dml::ALL,
    computed: &["id", "deal_id", "name", "sum", "currency", "order_nr", "add_time", "update_time"],
    limits: "a line whose product was purged long ago cannot be made again; the tax method of one line is that of all \
             lines of the deal; billing needs the plan that has it",
    evidence: "api/objects.md DealProducts, api/restore-hazards.md 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

/// Who follows a deal.
pub(super) static DEAL_FOLLOWERS: Object = Object {
    name: "dealFollowers",
    path: "/deals/{parent}/followers",
    listing: Listing::Under {
        parents: &["deals", "archivedDeals"],
        counter: Some("followers_count"),
        paging: Paging::Cursor { limit: 500 },
    },
    create: Write::json(Call::v2(Method::Post, "/deals/{parent}/followers", 5), &["user_id"], &["user_id"]),
    delete: Some(Call::v2(Method::Delete, "/deals/{parent}/followers/{id}", 3)),
    evidence: "api/objects.md DealFollowers, openapi v2, 2026-11-23",
    ..FOLLOWERS
};

/// Persons who take part in a deal.
pub(super) static DEAL_PARTICIPANTS: Object = Object {
    name: "dealParticipants",
    version: Version::V1,
    path: "/deals/{parent}/participants",
    listing: Listing::Under {
        parents: &["deals", "archivedDeals"],
        counter: Some("participants_count"),
        paging: Paging::Offset { limit: 500 },
    },
    price: 10,
    key: KeyIn::ParentAnd("id"),
    references: &[
        Reference::to("person_id", &["persons"]),
        Reference { field: "added_by_user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(Call::v1(Method::Post, "/deals/{parent}/participants", 10), &["person_id"], &["person_id"]),
    delete: Some(Call::v1(Method::Delete, "/deals/{parent}/participants/{id}", 6)),
    dml: Dml::INSERT_DELETE,
    nested: &["person_id", "added_by_user_id"],
    // Copies of the person and of the deal, which change with them.
    volatile: &["person", "related_item_data"],
    computed: &["id", "add_time", "active_flag", "added_by_user_id", "related_item_type", "related_item_id"],
    limits: "the service lists a deal's own person among its participants (UNCONFIRMED)",
    evidence: "api/objects.md DealParticipants, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};
