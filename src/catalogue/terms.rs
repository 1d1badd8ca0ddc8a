//! On what terms a deal is paid: discounts and installments.
//!
//! Both hang on the products of a deal. Whether a discount outlives the last of them is not confirmed: what is held is
//! asked for, and a deal without products of which nothing is held is not (api/objects.md: there is no counter, and a
//! call for each deal is dear).

use super::object::{Call, Dml, KeyIn, Listing, Method, Object, Paging, Reference, Target, Version, When, Write};

const DISCOUNT: &[&str] = &["description", "amount", "type"];

/// Discounts of a deal as a whole; its value follows them.
pub(super) static DEAL_DISCOUNTS: Object = Object {
    name: "dealDiscounts",
    version: Version::V2,
    path: "/deals/{parent}/discounts",
    listing: Listing::Under { parents: &["deals", "archivedDeals"], counter: None, paging: Paging::Whole },
    gate: Some("products_count"),
    price: 10,
    key: KeyIn::Both { parent: "deal_id", own: "id" },
    references: &[
        Reference { field: "deal_id", to: Target::Record(&["deals"]), when: When::Afterwards },
        Reference { field: "created_by", to: Target::Record(&["users"]), when: When::Afterwards },
        Reference { field: "updated_by", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Write::json(Call::v2(Method::Post, "/deals/{parent}/discounts", 5), DISCOUNT, DISCOUNT),
    update: Write::json(Call::v2(Method::Patch, "/deals/{parent}/discounts/{id}", 5), DISCOUNT, &[]),
    delete: Some(Call::v2(Method::Delete, "/deals/{parent}/discounts/{id}", 3)),
    dml: Dml::ALL,
    computed: &["id", "deal_id", "created_at", "created_by", "updated_at", "updated_by"],
    limits: "a discount made again has another id, and its author and times are the token's user and now; under a deal \
             without products none is looked for, unless one was held, and none is made",
    evidence: "api/objects.md Deal discounts, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

const INSTALLMENT: &[&str] = &["description", "amount", "billing_date"];

/// Installments of deals, listed for a hundred deals at once; only some plans have them.
pub(super) static DEAL_INSTALLMENTS: Object = Object {
    name: "dealInstallments",
    version: Version::V2,
    path: "/deals/installments",
    query: &[("sort_by", "id"), ("sort_direction", "asc")],
    listing: Listing::Bulk {
        parents: &["deals", "archivedDeals"],
        counter: None,
        parameter: "deal_ids",
        batch: 100,
        paging: Paging::Cursor { limit: 500 },
    },
    gate: Some("products_count"),
    price: 10,
    key: KeyIn::Both { parent: "deal_id", own: "id" },
    references: &[Reference { field: "deal_id", to: Target::Record(&["deals"]), when: When::Afterwards }],
    create: Write::json(Call::v2(Method::Post, "/deals/{parent}/installments", 5), INSTALLMENT, INSTALLMENT),
    update: Write::json(Call::v2(Method::Patch, "/deals/{parent}/installments/{id}", 5), INSTALLMENT, &[]),
    delete: Some(Call::v2(Method::Delete, "/deals/{parent}/installments/{id}", 3)),
    dml: Dml::ALL,
    computed: &["id", "deal_id"],
    limits: "the deal needs a product billed once and bears none billed again and again; the plan must have installments",
    evidence: "api/objects.md Deal installments, api/restore-hazards.md 4, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};
