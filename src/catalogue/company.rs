//! The company itself: who works there and which money it counts in.
//!
//! Neither can be made anew by a restore without consequences: a new user gets an
//! invitation and takes a paid seat, a currency exists or does not. Both are
//! matched with what the target has.

use super::object::{Call, Dml, Method, Object, Paging, Reference, Restore, Single, Version, Write};
use super::object::{Deletions, KeyIn, Listing};

/// People with access; deals, activities and notes belong to them.
pub(super) static USERS: Object = Object {
    name: "users",
    version: Version::V1,
    path: "/users",
    listing: Listing::Flat(Paging::Whole),
    price: 20,
    key: KeyIn::Field("id"),
    deletions: Deletions::Sweep,
    single: Some(Single { path: "/users/{id}", version: Version::V1, price: 2 }),
    references: &[Reference::to("access[].permission_set_id", &["permissionSets"])],
    create: Write::json(Call::v1(Method::Post, "/users", 10), &["email", "access", "active_flag"], &["email"]),
    update: Write::json(Call::v1(Method::Put, "/users/{id}", 10), &["active_flag"], &["active_flag"]),
    dml: Dml::INSERT_UPDATE,
    // POST sends an invitation and takes a seat, so a missing user is never made unasked: api/restore-hazards.md 4.
    restore: Restore::MatchBy("email"),
    volatile: &["last_login", "is_you", "icon_url"],
    computed: &[
        "id",
        "name",
        "default_currency",
        "locale",
        "lang",
        "phone",
        "activated",
        "created",
        "modified",
        "has_created_company",
        "timezone_name",
        "timezone_offset",
        "role_id",
        "is_admin",
        "is_deleted",
    ],
    limits: "users cannot be renamed or deleted through the API; a missing user is matched by e-mail and invited only \
             with --invite-users, because a new one gets a mail and takes a paid seat",
    evidence: "api/objects.md Users, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Currencies; everything but goals refers to them by code.
pub(super) static CURRENCIES: Object = Object {
    name: "currencies",
    version: Version::V1,
    path: "/currencies",
    price: 20,
    restore: Restore::MatchBy("code"),
    computed: &["id", "code", "name", "decimal_points", "symbol", "active_flag", "is_custom_flag"],
    limits: "custom currencies can only be made in the app",
    evidence: "api/objects.md Currencies, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};
