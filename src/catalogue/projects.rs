//! Projects, an add-on: boards with phases, projects, their tasks and their plan.
//!
//! An account without the add-on refuses these lists, which is told as "not offered".
//! None of them can be asked for changes, so each capture walks them. Into the archive
//! leads a call of its own, and out of it none: what is archived stays so.

use super::object::{
    Call, Custom, Dml, KeyIn, Listing, Method, Object, Paging, Reference, Restore, Shape, Single, Version, When, Write,
};

const BOARD_FIELDS: &[&str] = &["name", "order_nr"];

/// Boards of projects.
pub(super) static BOARDS: Object = Object {
    name: "projectBoards",
    path: "/boards",
    listing: Listing::Flat(Paging::Whole),
    price: 10,
    single: Some(Single { path: "/boards/{id}", version: Version::V2, price: 10 }),
    create: Write::json(Call::v2(Method::Post, "/boards", 5), BOARD_FIELDS, &["name"]),
    update: Write::json(Call::v2(Method::Patch, "/boards/{id}", 5), BOARD_FIELDS, &[]),
    delete: Some(Call::v2(Method::Delete, "/boards/{id}", 3)),
    dml: Dml::ALL,
    computed: &["id", "add_time", "update_time"],
    limits: "a board made again has another id and add time",
    evidence: "api/objects.md Project boards, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

const PHASE_FIELDS: &[&str] = &["name", "board_id", "order_nr"];

/// Phases, listed board by board.
pub(super) static PHASES: Object = Object {
    name: "projectPhases",
    path: "/phases",
    listing: Listing::Bulk {
        parents: &["projectBoards"],
        counter: None,
        parameter: "board_id",
        batch: 1,
        paging: Paging::Whole,
    },
    price: 10,
    single: Some(Single { path: "/phases/{id}", version: Version::V2, price: 10 }),
    references: &[Reference::to("board_id", &["projectBoards"])],
    create: Write::json(Call::v2(Method::Post, "/phases", 5), PHASE_FIELDS, &["name", "board_id"]),
    update: Write::json(Call::v2(Method::Patch, "/phases/{id}", 5), PHASE_FIELDS, &[]),
    delete: Some(Call::v2(Method::Delete, "/phases/{id}", 3)),
    dml: Dml::ALL,
    computed: &["id", "add_time", "update_time"],
    limits: "a phase made again has another id and add time",
    evidence: "api/objects.md Project phases, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

/// Templates of projects: what they contain is not told.
pub(super) static TEMPLATES: Object = Object {
    name: "projectTemplates",
    path: "/projectTemplates",
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 10,
    single: Some(Single { path: "/projectTemplates/{id}", version: Version::V2, price: 1 }),
    references: &[
        Reference { field: "owner_id", to: super::Target::Record(&["users"]), when: When::Afterwards },
        Reference { field: "projects_board_id", to: super::Target::Record(&["projectBoards"]), when: When::Afterwards },
    ],
    restore: Restore::ByHand("the API has no call that makes a template"),
    computed: &["id", "title", "description", "projects_board_id", "owner_id", "add_time", "update_time"],
    limits: "tasks and groups of a template are not told by the API",
    evidence: "api/objects.md Project templates, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

// template_id makes tasks beside the project, which come back by themselves: never sent.
const FIELDS: &[&str] = &[
    "title",
    "description",
    "status",
    "board_id",
    "phase_id",
    "owner_id",
    "start_date",
    "end_date",
    "health_status",
    "deal_ids",
    "person_ids",
    "org_ids",
    "label_ids",
];

/// Projects that are not archived.
pub(super) static PROJECTS: Object = Object {
    name: "projects",
    path: "/projects",
    twin: Some("archivedProjects"),
    evidence: "api/objects.md Projects, api/restore-hazards.md 2 to 4, openapi v2, 2026-11-23",
    ..PROJECT
};

/// Archived projects: the same records in another list.
pub(super) static ARCHIVED_PROJECTS: Object = Object {
    name: "archivedProjects",
    path: "/projects/archived",
    twin: Some("projects"),
    limits: "no call takes a project out of the archive; one made again is archived today",
    evidence: "api/objects.md Archived projects, api/restore-hazards.md 4, openapi v2, 2026-11-23",
    ..PROJECT
};

/// What both lists have in common.
const PROJECT: Object = Object {
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 10,
    single: Some(Single { path: "/projects/{id}", version: Version::V2, price: 1 }),
    references: &[
        Reference::to("owner_id", &["users"]),
        Reference::to("board_id", &["projectBoards"]),
        Reference::to("phase_id", &["projectPhases"]),
        Reference::to("deal_ids[]", &["deals"]),
        Reference::to("person_ids[]", &["persons"]),
        Reference::to("org_ids[]", &["organizations"]),
        Reference::option("label_ids[]", "projectFields", "label_ids"),
    ],
    custom: Some(Custom { fields: "projectFields", shape: Shape::Nested }),
    create: Write::json(Call::v2(Method::Post, "/projects", 5), FIELDS, &["title"]),
    update: Write::json(Call::v2(Method::Patch, "/projects/{id}", 5), FIELDS, &[]),
    delete: Some(Call::v2(Method::Delete, "/projects/{id}", 3)),
    archive: Some(Call::v2(Method::Post, "/projects/{id}/archive", 3)),
    dml: Dml::ALL,
    computed: &["id", "add_time", "update_time", "status_change_time", "archive_time"],
    limits: "a project made again has another id, and loses its groups, its plan and its history",
    ..Object::READ_ONLY
};

const TASK_FIELDS: &[&str] = &[
    "title",
    "project_id",
    "parent_task_id",
    "description",
    "assignee_ids",
    "is_done",
    "is_milestone",
    "start_date",
    "due_date",
    "priority",
];

/// Tasks of projects; one may stand under another.
pub(super) static TASKS: Object = Object {
    name: "tasks",
    path: "/tasks",
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 10,
    single: Some(Single { path: "/tasks/{id}", version: Version::V2, price: 1 }),
    references: &[
        Reference::to("project_id", &["projects"]),
        Reference::to("parent_task_id", &["tasks"]),
        Reference::to("assignee_ids[]", &["users"]),
        Reference { field: "creator_id", to: super::Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(Call::v2(Method::Post, "/tasks", 5), TASK_FIELDS, &["title", "project_id"]),
    update: Write::json(Call::v2(Method::Patch, "/tasks/{id}", 5), TASK_FIELDS, &[]),
    delete: Some(Call::v2(Method::Delete, "/tasks/{id}", 3)),
    flags: &[("is_done", "done"), ("is_milestone", "milestone")],
    dml: Dml::ALL,
    computed: &["id", "creator_id", "add_time", "update_time", "marked_as_done_time"],
    limits: "creator and time of completion do not come back",
    evidence: "api/objects.md Project tasks, api/restore-hazards.md 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

const IN_PROJECTS: &[&str] = &["projects", "archivedProjects"];

/// Groups of a project's plan.
pub(super) static GROUPS: Object = Object {
    name: "projectGroups",
    version: Version::V1,
    path: "/projects/{parent}/groups",
    listing: Listing::Under { parents: IN_PROJECTS, counter: None, paging: Paging::Whole },
    price: 20,
    key: KeyIn::ParentAnd("id"),
    on_request: true,
    restore: Restore::ByHand("the API has no call that makes a group; make it in the app"),
    computed: &["id", "name", "order_nr"],
    limits: "groups can only be read",
    evidence: "api/objects.md Project plan / groups, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Where the tasks and activities of a project stand in its plan.
pub(super) static PLANS: Object = Object {
    name: "projectPlans",
    version: Version::V1,
    path: "/projects/{parent}/plan",
    listing: Listing::Under { parents: IN_PROJECTS, counter: None, paging: Paging::Whole },
    price: 20,
    key: KeyIn::ParentAndAll(&["item_type", "item_id"]),
    on_request: true,
    references: &[Reference {
        field: "phase_id",
        to: super::Target::Record(&["projectPhases"]),
        when: When::Afterwards,
    }],
    restore: Restore::ByHand("a place in the plan belongs to its task or activity; set it in the app"),
    computed: &["item_id", "item_type", "phase_id", "group_id"],
    limits: "places in the plan are kept to be looked up and are not written",
    evidence: "api/objects.md Project plan / groups, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};
