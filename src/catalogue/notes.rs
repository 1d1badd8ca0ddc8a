//! What people attached to records: notes, files, and the files' contents.

use super::object::{
    Call, Contents, Dml, Encoding, KeyIn, Listing, Method, Object, Paging, Reference, Restore, Single, Target, Version,
    When, Write,
};

const NOTE_FIELDS: &[&str] = &[
    "content",
    "lead_id",
    "deal_id",
    "person_id",
    "org_id",
    "project_id",
    "task_id",
    "user_id",
    "add_time",
    "pinned_to_lead_flag",
    "pinned_to_deal_flag",
    "pinned_to_organization_flag",
    "pinned_to_person_flag",
    "pinned_to_project_flag",
    "pinned_to_task_flag",
];

/// Notes.
pub(super) static NOTES: Object = Object {
    name: "notes",
    version: Version::V1,
    path: "/notes",
    // The default order is not promised: api/wire.md Pagination.
    query: &[("sort", "id ASC")],
    from_the_end: &[("sort", "id DESC")],
    listing: Listing::Flat(Paging::Offset { limit: 500 }),
    price: 20,
    since: Some("updated_since"),
    single: Some(Single { path: "/notes/{id}", version: Version::V1, price: 2 }),
    references: &[
        Reference::to("user_id", &["users"]),
        Reference::to("lead_id", &["leads"]),
        Reference::to("deal_id", &["deals"]),
        Reference::to("person_id", &["persons"]),
        Reference::to("org_id", &["organizations"]),
        Reference::to("project_id", &["projects"]),
        Reference::to("task_id", &["tasks"]),
        Reference { field: "last_update_user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(Call::v1(Method::Post, "/notes", 10), NOTE_FIELDS, &["content"]),
    update: Write::json(Call::v1(Method::Put, "/notes/{id}", 10), NOTE_FIELDS, &[]),
    delete: Some(Call::v1(Method::Delete, "/notes/{id}", 6)),
    dml: Dml::ALL,
    // Copies of names, which change when the other record does.
    volatile: &["user", "organization", "person", "deal", "lead", "project", "task"],
    computed: &["id", "update_time", "last_update_user_id", "active_flag"],
    limits: "only an administrator's token keeps the author",
    evidence: "api/objects.md Notes, api/restore-hazards.md 3 and 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Comments on notes. Whether one moves its note's update_time is not told, so they are swept.
pub(super) static NOTE_COMMENTS: Object = Object {
    name: "noteComments",
    version: Version::V1,
    path: "/notes/{parent}/comments",
    listing: Listing::Under { parents: &["notes"], counter: None, paging: Paging::Offset { limit: 500 } },
    price: 20,
    key: KeyIn::ParentAnd("uuid"),
    single: Some(Single { path: "/notes/{parent}/comments/{id}", version: Version::V1, price: 2 }),
    references: &[
        Reference { field: "object_id", to: Target::Record(&["notes"]), when: When::Afterwards },
        Reference { field: "user_id", to: Target::Record(&["users"]), when: When::Afterwards },
        Reference { field: "updater_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(Call::v1(Method::Post, "/notes/{parent}/comments", 10), &["content"], &["content"]),
    update: Write::json(Call::v1(Method::Put, "/notes/{parent}/comments/{id}", 10), &["content"], &["content"]),
    delete: Some(Call::v1(Method::Delete, "/notes/{parent}/comments/{id}", 6)),
    dml: Dml::ALL,
    computed: &[
        "uuid",
        "user_id",
        "updater_id",
        "add_time",
        "update_time",
        "active_flag",
        "company_id",
        "object_id",
        "object_type",
    ],
    limits: "author and time of a comment made again are the token's user and now",
    evidence: "api/objects.md Note comments, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Files: what is known of them; the bytes are fetched apart.
pub(super) static FILES: Object = Object {
    name: "files",
    version: Version::V1,
    path: "/files",
    query: &[("sort", "id ASC")],
    from_the_end: &[("sort", "id DESC")],
    // The limit is 100 since 2025-01-15: api/changes.md.
    listing: Listing::Flat(Paging::Offset { limit: 100 }),
    price: 20,
    single: Some(Single { path: "/files/{id}", version: Version::V1, price: 2 }),
    contents: Some(Contents {
        object: "fileContents",
        path: "/files/{id}/download",
        price: 20,
        at: None,
        version: [("file_size", "file_size"), ("update_time", "update_time")],
        part: "file",
    }),
    references: &[
        Reference::to("deal_id", &["deals"]),
        Reference::to("person_id", &["persons"]),
        Reference::to("org_id", &["organizations"]),
        Reference::to("product_id", &["products"]),
        Reference::to("activity_id", &["activities"]),
        Reference::to("lead_id", &["leads"]),
        Reference::to("project_id", &["projects"]),
        Reference { field: "user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Some(Write {
        call: Call::v1(Method::Post, "/files", 10),
        encoding: Encoding::Multipart,
        fields: &["deal_id", "person_id", "org_id", "product_id", "activity_id", "lead_id", "project_id"],
        required: &[],
    }),
    update: Some(Write {
        call: Call::v1(Method::Put, "/files/{id}", 10),
        encoding: Encoding::Form,
        fields: &["name", "description"],
        required: &[],
    }),
    delete: Some(Call::v1(Method::Delete, "/files/{id}", 6)),
    dml: Dml::ALL,
    volatile: &[
        "deal_name",
        "person_name",
        "org_name",
        "product_name",
        "lead_name",
        "project_name",
        "url",
        "s3_bucket",
    ],
    computed: &[
        "id",
        "user_id",
        "log_id",
        "add_time",
        "update_time",
        "file_name",
        "file_type",
        "file_size",
        "active_flag",
        "inline_flag",
        "remote_location",
        "remote_id",
        "cid",
        "mail_message_id",
        "mail_template_id",
    ],
    limits: "author and add time become the token's user and now; attachments of mails and links to Google Drive are not \
             made again; a living file cannot be linked to a record again",
    evidence: "api/objects.md Files, api/restore-hazards.md 4, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Contents of files: one record a file, made by pdbak, that says which blob holds the bytes.
pub(super) static FILE_CONTENTS: Object = Object {
    name: "fileContents",
    version: Version::V1,
    path: "/files/{id}/download",
    listing: Listing::Derived { from: "files" },
    price: 20,
    key: KeyIn::Field("id"),
    references: &[Reference { field: "id", to: Target::Record(&["files"]), when: When::Afterwards }],
    restore: Restore::ByHand("contents come back with their file"),
    computed: &["id", "blob", "bytes", "blake3", "file_size", "update_time"],
    limits: "contents of a living file cannot be replaced: the file would have to be made again",
    evidence: "api/objects.md File contents, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};
