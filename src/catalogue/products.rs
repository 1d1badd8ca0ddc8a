//! Products with their prices, and who follows them.

use super::contacts::FOLLOWERS;
use super::object::{
    Call, Custom, Dml, KeyIn, Listing, Method, Object, Paging, Reference, Shape, Single, Target, Undelete, Version,
    When, Write,
};

/// What a product takes, made or changed.
const FIELDS: &[&str] = &[
    "name",
    "code",
    "description",
    "unit",
    "tax",
    "category",
    "owner_id",
    "is_linkable",
    "visible_to",
    "prices",
    "billing_frequency",
    "billing_frequency_cycles",
];

/// Products; prices are part of the record and are always written as a whole.
pub(super) static PRODUCTS: Object = Object {
    name: "products",
    version: Version::V2,
    path: "/products",
    query: &[("sort_by", "id"), ("sort_direction", "asc")],
    from_the_end: &[("sort_direction", "desc")],
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 10,
    since: Some("updated_since"),
    single: Some(Single { path: "/products/{id}", version: Version::V2, price: 1 }),
    bulk_ids: Some("ids"),
    references: &[
        Reference::to("owner_id", &["users"]),
        // A number when written, a text when read: api/restore-hazards.md 4.
        Reference::option("category", "productFields", "category"),
        Reference::named("prices[].currency", "currencies", "code"),
    ],
    custom: Some(Custom { fields: "productFields", shape: Shape::Nested }),
    create: Write::json(Call::v2(Method::Post, "/products", 5), FIELDS, &["name"]),
    update: Write::json(Call::v2(Method::Patch, "/products/{id}", 5), FIELDS, &[]),
    delete: Some(Call::v2(Method::Delete, "/products/{id}", 3)),
    // UNCONFIRMED: v1 PUT had a writable active_flag, and v1 products are out of support: api/restore-hazards.md 1.
    undelete: &[Undelete { call: Call::v1(Method::Put, "/products/{id}", 10), body: ("active_flag", "true") }],
    dml: Dml::ALL,
    computed: &["id", "is_deleted", "add_time", "update_time"],
    limits: "a product made again loses its history and its image",
    evidence: "api/objects.md Products, api/restore-hazards.md 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

/// Who follows a product; products have no counter, so every product is asked.
pub(super) static PRODUCT_FOLLOWERS: Object = Object {
    name: "productFollowers",
    path: "/products/{parent}/followers",
    listing: Listing::Under { parents: &["products"], counter: None, paging: Paging::Cursor { limit: 500 } },
    create: Write::json(Call::v2(Method::Post, "/products/{parent}/followers", 5), &["user_id"], &["user_id"]),
    delete: Some(Call::v2(Method::Delete, "/products/{parent}/followers/{id}", 3)),
    evidence: "api/objects.md ProductFollowers, openapi v2, 2026-11-23",
    ..FOLLOWERS
};

const VARIATION: &[&str] = &["name", "prices"];

/// Variations of a product, each with prices of its own.
pub(super) static PRODUCT_VARIATIONS: Object = Object {
    name: "productVariations",
    version: Version::V2,
    path: "/products/{parent}/variations",
    listing: Listing::Under { parents: &["products"], counter: None, paging: Paging::Cursor { limit: 500 } },
    price: 10,
    key: KeyIn::Both { parent: "product_id", own: "id" },
    references: &[Reference { field: "product_id", to: Target::Record(&["products"]), when: When::Afterwards }],
    create: Write::json(Call::v2(Method::Post, "/products/{parent}/variations", 5), VARIATION, &["name"]),
    update: Write::json(Call::v2(Method::Patch, "/products/{parent}/variations/{id}", 5), VARIATION, &[]),
    delete: Some(Call::v2(Method::Delete, "/products/{parent}/variations/{id}", 3)),
    dml: Dml::ALL,
    computed: &["id", "product_id"],
    limits: "a price added since stays; a variation made again has another id, and lines of deals are linked to it again",
    evidence: "api/objects.md Product variations, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};
