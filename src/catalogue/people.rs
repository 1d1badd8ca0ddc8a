//! How the company's people are organised: roles, permissions, teams, and what the token's user has for himself.
//!
//! Who has a role or a permission set stands in the list of users, which is read anyway: asking role by role would
//! cost 10 and set by set 20 tokens more (api/objects.md, Facts that shape the whole table).

use super::object::{
    Call, Dml, Extended, KeyIn, Listing, Method, Object, Paging, Reference, Removed, Restore, Rows, Single, Target,
    Undelete, Version, When, Write,
};

/// Permission sets; the list leaves out what they permit.
pub(super) static PERMISSION_SETS: Object = Object {
    name: "permissionSets",
    version: Version::V1,
    path: "/permissionSets",
    price: 20,
    single: Some(Single { path: "/permissionSets/{id}", version: Version::V1, price: 2 }),
    extended: &[Extended {
        name: "Contents",
        path: "/permissionSets/{id}",
        version: Version::V1,
        query: &[],
        fields: &["contents"],
        price: 2,
    }],
    // UNCONFIRMED: no description of the removed call is left; an account without it answers 404.
    update: Write::json(Call::v1(Method::Put, "/permissionSets/{id}", 10), &["name", "description", "contents"], &[]),
    removed: Removed::Writes,
    dml: Dml::UPDATE,
    restore: Restore::MatchBy("name"),
    volatile: &["assignment_count"],
    computed: &["id", "app", "type"],
    limits: "custom sets can only be made in the app; the call that changed a set was removed, so that only old accounts \
             may still take it",
    evidence: "api/objects.md PermissionSets, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Who has which permission set.
pub(super) static PERMISSION_SET_ASSIGNMENTS: Object = Object {
    name: "permissionSetsAssignments",
    version: Version::V1,
    path: "/users",
    listing: Listing::Within {
        from: "users",
        parents: &["permissionSets"],
        each: Some("access"),
        owner: &[("id", "user_id")],
    },
    price: 20,
    key: KeyIn::Both { parent: "permission_set_id", own: "user_id" },
    references: &[Reference::to("user_id", &["users"])],
    // UNCONFIRMED: removed like the call that changes a set; roles still take the user so.
    create: Write::json(Call::v1(Method::Post, "/permissionSets/{parent}/assignments", 10), &["user_id"], &["user_id"]),
    removed: Removed::Writes,
    dml: Dml::INSERT,
    computed: &["permission_set_id", "app", "admin"],
    limits: "access can be given only with an invitation today; the call that gave it to a user who is there was removed, \
             so that only old accounts may still take it",
    evidence: "api/objects.md PermissionSetsAssignments, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Roles, one below the other.
pub(super) static ROLES: Object = Object {
    name: "roles",
    version: Version::V1,
    path: "/roles",
    listing: Listing::Flat(Paging::Offset { limit: 500 }),
    price: 20,
    single: Some(Single { path: "/roles/{id}", version: Version::V1, price: 2 }),
    references: &[Reference::to("parent_role_id", &["roles"])],
    create: Write::json(Call::v1(Method::Post, "/roles", 10), &["name", "parent_role_id"], &["name"]),
    update: Write::json(Call::v1(Method::Put, "/roles/{id}", 10), &["name", "parent_role_id"], &[]),
    delete: Some(Call::v1(Method::Delete, "/roles/{id}", 6)),
    dml: Dml::ALL,
    volatile: &["assignment_count", "sub_role_count"],
    computed: &["id", "level", "active_flag"],
    limits: "a role made again has another id; the default role is never deleted, it receives who lost his own",
    evidence: "api/objects.md Roles, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

const SETTING: Option<Write> = Write::json(
    Call::v1(Method::Post, "/roles/{parent}/settings", 10),
    &["setting_key", "value"],
    &["setting_key", "value"],
);

/// What a role makes visible by default: read beside the role for 2 tokens, where the list of settings costs 20.
pub(super) static ROLE_SETTINGS: Object = Object {
    name: "roleSettings",
    version: Version::V1,
    path: "/roles/{parent}",
    listing: Listing::Under { parents: &["roles"], counter: None, paging: Paging::Whole },
    rows: Rows::Pairs { beside: Some("settings"), name: "setting_key", value: "value" },
    price: 2,
    key: KeyIn::Both { parent: "role_id", own: "setting_key" },
    create: SETTING,
    // One call makes and changes.
    update: SETTING,
    dml: Dml::INSERT_UPDATE,
    computed: &["role_id"],
    limits: "which values a setting takes depends on the plan of the company",
    evidence: "api/objects.md Role settings, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Which role a user has: one row a user.
pub(super) static ROLE_ASSIGNMENTS: Object = Object {
    name: "roleAssignments",
    version: Version::V1,
    path: "/users",
    listing: Listing::Within {
        from: "users",
        parents: &[],
        each: None,
        owner: &[("id", "user_id"), ("role_id", "role_id")],
    },
    price: 20,
    key: KeyIn::Field("user_id"),
    single: Some(Single { path: "/users/{id}", version: Version::V1, price: 2 }),
    references: &[Reference::to("user_id", &["users"]), Reference::to("role_id", &["roles"])],
    create: ASSIGN,
    update: ASSIGN,
    // The user goes into a body: api/restore-hazards.md 4, Roles.
    delete: Some(Call::v1(Method::Delete, "/roles/{role_id}/assignments", 6).with(&[r#"{"user_id":"{user_id}"}"#])),
    dml: Dml::ALL,
    limits: "a user has one role: a deletion gives him the default one",
    evidence: "api/objects.md RoleAssignments, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

const ASSIGN: Option<Write> = Write::json(
    Call::v1(Method::Post, "/roles/{role_id}/assignments", 10),
    &["user_id", "role_id"],
    &["user_id", "role_id"],
);

/// Which pipelines a role sees.
pub(super) static ROLE_PIPELINES: Object = Object {
    name: "rolePipelines",
    version: Version::V1,
    path: "/roles/{parent}/pipelines",
    query: &[("visible", "true")],
    listing: Listing::Under { parents: &["roles"], counter: None, paging: Paging::Whole },
    rows: Rows::Ids { list: "pipeline_ids", name: "pipeline_id" },
    price: 20,
    key: KeyIn::Both { parent: "role_id", own: "pipeline_id" },
    references: &[Reference::to("pipeline_id", &["pipelines"])],
    // The description wants its lists as texts; that a service takes what it is called is UNCONFIRMED.
    create: Write::json(
        Call::v1(Method::Put, "/roles/{parent}/pipelines", 10).with(&[
            r#"{"visible_pipeline_ids":{"add":"[{pipeline_id}]"}}"#,
            r#"{"visible_pipeline_ids":{"add":["{pipeline_id}"]}}"#,
        ]),
        &["pipeline_id"],
        &["pipeline_id"],
    ),
    delete: Some(Call::v1(Method::Put, "/roles/{parent}/pipelines", 10).with(&[
        r#"{"visible_pipeline_ids":{"remove":"[{pipeline_id}]"}}"#,
        r#"{"visible_pipeline_ids":{"remove":["{pipeline_id}"]}}"#,
    ])),
    dml: Dml::INSERT_DELETE,
    computed: &["role_id"],
    limits: "a pipeline or a role made again may be seen, or see, otherwise until the end of the restore (UNCONFIRMED)",
    evidence: "api/objects.md Role pipeline visibility, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Teams, deprecated and still described.
pub(super) static LEGACY_TEAMS: Object = Object {
    name: "legacyTeams",
    version: Version::V1,
    path: "/legacyTeams",
    price: 20,
    single: Some(Single { path: "/legacyTeams/{id}", version: Version::V1, price: 2 }),
    references: &[
        Reference::to("manager_id", &["users"]),
        Reference::to("users[]", &["users"]),
        Reference { field: "created_by_user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(
        Call::v1(Method::Post, "/legacyTeams", 10),
        &["name", "description", "manager_id", "users"],
        &["name", "manager_id"],
    ),
    update: Write::json(
        Call::v1(Method::Put, "/legacyTeams/{id}", 10),
        &["name", "description", "manager_id", "users", "active_flag"],
        &[],
    ),
    delete: Some(Call::v1(Method::Put, "/legacyTeams/{id}", 10).with(&[r#"{"deleted_flag":1}"#])),
    // UNCONFIRMED, but the only deleted flag whose description shows both values: api/objects.md Legacy teams.
    undelete: &[Undelete { call: Call::v1(Method::Put, "/legacyTeams/{id}", 10), body: ("deleted_flag", "0") }],
    dml: Dml::ALL,
    computed: &["id", "deleted_flag", "add_time", "created_by_user_id"],
    limits: "a team made again has another id, maker and time; the service calls teams deprecated",
    evidence: "api/objects.md Legacy teams, api/restore-hazards.md 1, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

const BY_HAND: Restore = Restore::ByHand("it belongs to the token's user and can only be set in the app");

/// Settings of the token's user.
pub(super) static USER_SETTINGS: Object = Object {
    name: "userSettings",
    version: Version::V1,
    path: "/userSettings",
    rows: Rows::Pairs { beside: None, name: "setting", value: "value" },
    price: 2,
    key: KeyIn::Field("setting"),
    restore: BY_HAND,
    computed: &["setting", "value"],
    limits: "only the token's user's own are shown, and they can only be set in the app",
    evidence: "api/objects.md UserSettings, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Connections of the token's user to other services.
pub(super) static USER_CONNECTIONS: Object = Object {
    name: "userConnections",
    version: Version::V1,
    path: "/userConnections",
    rows: Rows::Pairs { beside: None, name: "service", value: "connection" },
    price: 20,
    key: KeyIn::Field("service"),
    restore: BY_HAND,
    computed: &["service", "connection"],
    limits: "only the token's user's own are shown, and they can only be made in the app",
    evidence: "api/objects.md UserConnections, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};
