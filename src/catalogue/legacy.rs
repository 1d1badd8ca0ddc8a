//! What the service has taken away and some accounts may still answer.
//!
//! The calls are those of the old description; nothing published describes them
//! any more, so their prices are the usual ones of v1. An account that says 404 or
//! 410 does not offer them, which is known after one question.

use super::object::{
    Call, Deletions, Dml, Inline, Listing, Method, Object, Otherwise, Paging, Reference, Removed, Restore, Single,
    Version, When, Write,
};

/// Subscriptions of deals, recurring or in installments; a row without cadence is one in installments.
pub(super) static SUBSCRIPTIONS: Object = Object {
    name: "subscriptions",
    version: Version::V1,
    path: "/subscriptions/find/{parent}",
    listing: Listing::Under { parents: &["deals", "archivedDeals"], counter: None, paging: Paging::One },
    price: 2,
    removed: Removed::Everything,
    single: Some(Single { path: "/subscriptions/{id}", version: Version::V1, price: 2 }),
    references: &[
        Reference::to("deal_id", &["deals"]),
        Reference { field: "user_id", to: super::Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(
        Call::v1(Method::Post, "/subscriptions/recurring", 10),
        &[
            "deal_id",
            "currency",
            "cadence_type",
            "cycle_amount",
            "start_date",
            "cycles_count",
            "infinite",
            "description",
            "payments",
            "update_deal_value",
        ],
        &["deal_id", "currency"],
    ),
    update: Write::json(
        Call::v1(Method::Put, "/subscriptions/recurring/{id}", 10),
        &["description", "cycle_amount", "effective_date", "payments", "update_deal_value"],
        &[],
    ),
    otherwise: Some(Otherwise {
        lacking: &["cadence_type", "effective_date"],
        create: "/subscriptions/installment",
        update: "/subscriptions/installment/{id}",
    }),
    inline: Some(Inline {
        field: "payments",
        from: "subscriptionPayments",
        take: &["amount", "description", "due_at"],
        only: ("payment_type", &["additional", "installment"]),
    }),
    delete: Some(Call::v1(Method::Delete, "/subscriptions/{id}", 6)),
    dml: Dml::ALL,
    computed: &["id", "user_id", "is_active", "end_date", "lifetime_value", "final_status", "add_time", "update_time"],
    limits: "only amount and description of a living recurring subscription can be changed; a cancellation is not repeated",
    evidence: "api/objects.md Subscriptions, api/restore-hazards.md 4, old description of v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Payments of subscriptions.
pub(super) static SUBSCRIPTION_PAYMENTS: Object = Object {
    name: "subscriptionPayments",
    version: Version::V1,
    path: "/subscriptions/{parent}/payments",
    listing: Listing::Under { parents: &["subscriptions"], counter: None, paging: Paging::Whole },
    price: 20,
    removed: Removed::Everything,
    references: &[Reference {
        field: "subscription_id",
        to: super::Target::Record(&["subscriptions"]),
        when: When::Afterwards,
    }],
    restore: Restore::ByHand("payments come back with their subscription"),
    computed: &[
        "id",
        "subscription_id",
        "deal_id",
        "is_active",
        "amount",
        "currency",
        "change_amount",
        "due_at",
        "revenue_movement_type",
        "payment_type",
        "description",
        "add_time",
        "update_time",
    ],
    limits: "recurring payments are made by the service anew; the others are sent with their subscription",
    evidence: "api/objects.md SubscriptionPayments, old description of v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Messages of the service to everybody; they can only be dismissed.
pub(super) static GLOBAL_MESSAGES: Object = Object {
    name: "globalMessages",
    version: Version::V1,
    path: "/globalMessages",
    listing: Listing::Flat(Paging::Whole),
    price: 20,
    removed: Removed::Everything,
    deletions: Deletions::Sweep,
    delete: Some(Call::v1(Method::Delete, "/globalMessages/{id}", 6)),
    dml: Dml { insert: false, update: false, delete: true },
    restore: Restore::ByHand("the service writes them itself"),
    computed: &["id"],
    limits: "a dismissed message does not come back",
    evidence: "api/objects.md GlobalMessages, old description of v1, 2026-11-23",
    ..Object::READ_ONLY
};
