//! Mail: threads of the four folders, their messages, and the messages that records show.
//!
//! A thread stands in several folders at once and moves between them, so threads are one object whose rows name their
//! folders: a thread that is archived is a change, not a deletion and a new thread. Messages belong to their thread.

use super::object::{
    Call, Dml, Encoding, Extended, KeyIn, Listing, Method, Object, Own, Paging, Parts, Reference, Restore, Single,
    Target, Version, When, Write,
};

const OWN: Option<Own> = Some(Own { field: "user_id", words: "only your own mailbox" });

/// Mail threads of inbox, drafts, sent and archive.
pub(super) static MAIL_THREADS: Object = Object {
    name: "mailThreads",
    version: Version::V1,
    path: "/mailbox/mailThreads",
    // In the order in which mail moves: what is sent or archived while the lists are read is met once more, not missed.
    parts: Some(Parts { parameter: "folder", values: &["inbox", "drafts", "sent", "archive"], field: "folders" }),
    // "ordered by the most recent message within": openapi v1. No sort, no filter.
    newest_first: true,
    listing: Listing::Flat(Paging::Offset { limit: 500 }),
    price: 20,
    own: OWN,
    single: Some(Single { path: "/mailbox/mailThreads/{id}", version: Version::V1, price: 20 }),
    references: &[
        Reference { field: "deal_id", to: Target::Record(&["deals"]), when: When::Afterwards },
        Reference { field: "lead_id", to: Target::Record(&["leads"]), when: When::Afterwards },
        Reference { field: "user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    update: Some(Write {
        call: Call::v1(Method::Put, "/mailbox/mailThreads/{id}", 10),
        encoding: Encoding::Form,
        fields: &["deal_id", "lead_id", "shared_flag", "read_flag", "archived_flag"],
        required: &[],
    }),
    delete: Some(Call::v1(Method::Delete, "/mailbox/mailThreads/{id}", 6)),
    dml: Dml::UPDATE_DELETE,
    restore: Restore::ByHand("a thread comes from the mail provider only"),
    // A copy of the deal's status, and a count of writes.
    volatile: &["deal_status", "version"],
    computed: &[
        "id",
        "account_id",
        "user_id",
        "subject",
        "snippet",
        "snippet_draft",
        "snippet_sent",
        "parties",
        "drafts_parties",
        "folders",
        "message_count",
        "mail_tracking_status",
        "has_attachments_flag",
        "has_inline_attachments_flag",
        "has_real_attachments_flag",
        "has_draft_flag",
        "has_sent_flag",
        "deleted_flag",
        "synced_flag",
        "external_deleted_flag",
        "smart_bcc_flag",
        "first_message_to_me_flag",
        "mail_link_tracking_enabled_flag",
        "last_message_timestamp",
        "first_message_timestamp",
        "last_message_sent_timestamp",
        "last_message_received_timestamp",
        "all_messages_sent_flag",
        "add_time",
        "update_time",
    ],
    limits: "deleted threads, whichever of the four folders they stood in: the API makes none; links, sharing, read and \
             archived flags of living ones are written again (only threads of the inbox can be archived); one object for \
             all folders, the field folders says where a thread stands",
    evidence: "api/objects.md MailThreads, api/restore-hazards.md 4 Mail, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

const MESSAGE: &[&str] = &[
    "id",
    "mail_thread_id",
    "user_id",
    "account_id",
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "snippet",
    "body",
    "mail_tracking_status",
    "mail_link_tracking_enabled_flag",
    "read_flag",
    "draft",
    "draft_flag",
    "synced_flag",
    "deleted_flag",
    "external_deleted_flag",
    "has_body_flag",
    "sent_flag",
    "sent_from_pipedrive_flag",
    "smart_bcc_flag",
    "message_time",
    "add_time",
    "update_time",
    "timestamp",
    "has_attachments_flag",
    "has_inline_attachments_flag",
    "has_real_attachments_flag",
];

/// What messages have in common wherever they are read.
const MAIL: Object = Object {
    version: Version::V1,
    price: 20,
    references: &[
        Reference { field: "mail_thread_id", to: Target::Record(&["mailThreads"]), when: When::Afterwards },
        Reference { field: "user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    restore: Restore::ByHand("a message comes from the mail provider only"),
    // A link whose lifetime nobody states: api/objects.md. The body itself is captured.
    volatile: &["body_url"],
    computed: MESSAGE,
    ..Object::READ_ONLY
};

/// Messages of the mailbox's threads, with their bodies.
pub(super) static MAIL_MESSAGES: Object = Object {
    name: "mailMessages",
    path: "/mailbox/mailThreads/{parent}/mailMessages",
    listing: Listing::Under { parents: &["mailThreads"], counter: Some("message_count"), paging: Paging::Whole },
    key: KeyIn::Both { parent: "mail_thread_id", own: "id" },
    own: OWN,
    extended: &[Extended {
        name: "Body",
        path: "/mailbox/mailMessages/{id}",
        version: Version::V1,
        query: &[("include_body", "1")],
        fields: &["body"],
        price: 2,
    }],
    limits: "all of it: the API makes no messages",
    evidence: "api/objects.md MailMessages, openapi v1, 2026-11-23",
    ..MAIL
};

/// Messages that deals show.
pub(super) static DEAL_MAIL_MESSAGES: Object = Object {
    name: "dealMailMessages",
    path: "/deals/{parent}/mailMessages",
    listing: Listing::Under {
        parents: &["deals", "archivedDeals"],
        counter: Some("email_messages_count"),
        paging: Paging::Offset { limit: 500 },
    },
    limits: "all of it: the API makes no messages; they show under the deal again once their thread is linked to it",
    evidence: "api/objects.md DealMailMessages, openapi v1, 2026-11-23",
    ..SHOWN
};

/// Messages that persons show.
pub(super) static PERSON_MAIL_MESSAGES: Object = Object {
    name: "personMailMessages",
    path: "/persons/{parent}/mailMessages",
    listing: Listing::Under {
        parents: &["persons"],
        counter: Some("email_messages_count"),
        paging: Paging::Offset { limit: 500 },
    },
    limits: "all of it: the API makes no messages; those of a person that is made again stay unlinked",
    evidence: "api/objects.md PersonMailMessages, openapi v1, 2026-11-23",
    ..SHOWN
};

/// Messages that organizations show.
pub(super) static ORGANIZATION_MAIL_MESSAGES: Object = Object {
    name: "organizationMailMessages",
    path: "/organizations/{parent}/mailMessages",
    listing: Listing::Under {
        parents: &["organizations"],
        counter: Some("email_messages_count"),
        paging: Paging::Offset { limit: 500 },
    },
    limits: "all of it: the API makes no messages; those of an organization that is made again stay unlinked",
    evidence: "api/objects.md OrganizationMailMessages, openapi v1, 2026-11-23",
    ..SHOWN
};

/// What the three views have in common: bodies inline, rows wrapped.
const SHOWN: Object =
    Object { query: &[("include_body", "1")], key: KeyIn::ParentAnd("id"), wrapped: Some("data"), ..MAIL };
