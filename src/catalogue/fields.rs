//! Definitions of fields, built in and custom.
//!
//! They are read so that a snapshot can say what a key meant on its day, and so
//! that keys and options can be matched with those of today. A restore makes one
//! again only when asked to (`--with-fields`): it gets another key, by which every
//! value is written from then on (api/custom-fields.md). It never changes one.

use super::ObjectName;
use super::object::{Call, Dml, KeyIn, Listing, Method, Object, Paging, Reference, Restore, Single, Version, Write};

const ON_REQUEST: Restore = Restore::OnRequest(
    "fields are made again only with --with-fields; one that is made in the app is found by its name and type",
);

const LIMITS: &str = "key, option ids, option colours and order are the service's and cannot be chosen";

const SETTINGS: &[(&str, &str)] = &[("include_fields", "ui_visibility,important_fields,required_fields")];

/// What the service gives to a field by itself; a description can be written for fields of deals alone.
const GIVEN: &[&str] = &["field_code", "subfields", "is_custom_field", "is_optional_response_field", "description"];

const REQUIRED: &[&str] = &["field_name", "field_type"];

/// Settings name stages, which must exist (api/custom-fields.md, "Definitions").
const STAGES: [Reference; 2] = [
    Reference::to("important_fields.stage_ids[]", &["stages"]),
    Reference::to("required_fields.stage_ids[]", &["stages"]),
];

/// What the lists of v2 have in common.
const V2: Object = Object {
    version: Version::V2,
    listing: Listing::Flat(Paging::Cursor { limit: 500 }),
    price: 10,
    key: KeyIn::Field("field_code"),
    restore: ON_REQUEST,
    dml: Dml { insert: true, update: false, delete: false },
    computed: GIVEN,
    limits: LIMITS,
    ..Object::READ_ONLY
};

/// Fields of deals; leads use them too.
pub(super) static DEAL_FIELDS: Object = Object {
    name: "dealFields",
    computed: &["field_code", "subfields", "is_custom_field", "is_optional_response_field"],
    path: "/dealFields",
    query: SETTINGS,
    single: Some(Single { path: "/dealFields/{id}", version: Version::V2, price: 1 }),
    references: &[
        Reference::to("ui_visibility.show_in_pipelines.pipeline_ids[]", &["pipelines"]),
        STAGES[0],
        STAGES[1],
    ],
    create: Write::json(
        Call::v2(Method::Post, "/dealFields", 5),
        &["field_name", "field_type", "options", "description", "ui_visibility", "important_fields", "required_fields"],
        REQUIRED,
    ),
    options: Some(Call::v2(Method::Post, "/dealFields/{id}/options", 5)),
    evidence: "api/objects.md DealFields, api/custom-fields.md, openapi v2, 2026-11-23",
    ..V2
};

/// Fields of persons.
pub(super) static PERSON_FIELDS: Object = Object {
    name: "personFields",
    path: "/personFields",
    query: SETTINGS,
    single: Some(Single { path: "/personFields/{id}", version: Version::V2, price: 1 }),
    references: &STAGES,
    create: Write::json(
        Call::v2(Method::Post, "/personFields", 5),
        &["field_name", "field_type", "options", "ui_visibility", "important_fields", "required_fields"],
        REQUIRED,
    ),
    options: Some(Call::v2(Method::Post, "/personFields/{id}/options", 5)),
    evidence: "api/objects.md PersonFields, api/custom-fields.md, openapi v2, 2026-11-23",
    ..V2
};

/// Fields of organizations.
pub(super) static ORGANIZATION_FIELDS: Object = Object {
    name: "organizationFields",
    path: "/organizationFields",
    query: SETTINGS,
    single: Some(Single { path: "/organizationFields/{id}", version: Version::V2, price: 1 }),
    references: &STAGES,
    create: Write::json(
        Call::v2(Method::Post, "/organizationFields", 5),
        &["field_name", "field_type", "options", "ui_visibility", "important_fields", "required_fields"],
        REQUIRED,
    ),
    options: Some(Call::v2(Method::Post, "/organizationFields/{id}/options", 5)),
    evidence: "api/objects.md OrganizationFields, api/custom-fields.md, openapi v2, 2026-11-23",
    ..V2
};

/// Fields of products; they know no stages, hence fewer settings.
pub(super) static PRODUCT_FIELDS: Object = Object {
    name: "productFields",
    path: "/productFields",
    query: &[("include_fields", "ui_visibility")],
    single: Some(Single { path: "/productFields/{id}", version: Version::V2, price: 1 }),
    create: Write::json(
        Call::v2(Method::Post, "/productFields", 5),
        &["field_name", "field_type", "options", "ui_visibility"],
        REQUIRED,
    ),
    options: Some(Call::v2(Method::Post, "/productFields/{id}/options", 5)),
    evidence: "api/objects.md ProductFields, api/custom-fields.md, openapi v2, 2026-11-23",
    ..V2
};

/// Fields of projects.
pub(super) static PROJECT_FIELDS: Object = Object {
    name: "projectFields",
    path: "/projectFields",
    single: Some(Single { path: "/projectFields/{id}", version: Version::V2, price: 1 }),
    references: &STAGES,
    create: Write::json(
        Call::v2(Method::Post, "/projectFields", 5),
        &["field_name", "field_type", "options", "ui_visibility", "important_fields", "required_fields"],
        REQUIRED,
    ),
    options: Some(Call::v2(Method::Post, "/projectFields/{id}/options", 5)),
    evidence: "api/objects.md Project fields, api/custom-fields.md, openapi v2, 2026-11-23",
    ..V2
};

/// Fields of activities; the API has no call that writes them.
pub(super) static ACTIVITY_FIELDS: Object = Object {
    name: "activityFields",
    path: "/activityFields",
    query: &[("include_fields", "ui_visibility")],
    single: Some(Single { path: "/activityFields/{id}", version: Version::V2, price: 1 }),
    restore: Restore::ByHand("the API has no call that makes a field of activities"),
    dml: Dml::NOTHING,
    computed: &[
        "field_name",
        "field_code",
        "description",
        "field_type",
        "options",
        "subfields",
        "is_custom_field",
        "is_optional_response_field",
        "ui_visibility",
    ],
    evidence: "api/objects.md ActivityFields, openapi v2, 2026-11-23",
    ..V2
};

const V1_COLUMNS: &[&str] = &[
    "id",
    "key",
    "name",
    "order_nr",
    "field_type",
    "add_time",
    "update_time",
    "last_updated_by_user_id",
    "created_by_user_id",
    "active_flag",
    "edit_flag",
    "index_visible_flag",
    "details_visible_flag",
    "add_visible_flag",
    "important_flag",
    "bulk_edit_allowed",
    "searchable_flag",
    "filtering_allowed",
    "sortable_flag",
    "mandatory_flag",
    "options",
    "options_deleted",
    "is_subfield",
    "subfields",
];

/// Fields of leads: those of deals as v1 shows them, with numeric ids and deleted options.
pub(super) static LEAD_FIELDS: Object = Object {
    name: "leadFields",
    version: Version::V1,
    path: "/leadFields",
    listing: Listing::Flat(Paging::Offset { limit: 500 }),
    price: 20,
    key: KeyIn::Field("key"),
    restore: Restore::Mirror("dealFields"),
    computed: V1_COLUMNS,
    limits: LIMITS,
    evidence: "api/objects.md LeadFields, api/custom-fields.md, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// Fields of notes: a fixed list.
pub(super) static NOTE_FIELDS: Object = Object {
    name: "noteFields",
    version: Version::V1,
    path: "/noteFields",
    listing: Listing::Flat(Paging::Whole),
    price: 20,
    key: KeyIn::Field("key"),
    restore: Restore::ByHand("notes have a fixed set of fields"),
    computed: V1_COLUMNS,
    limits: "the list is the service's own",
    evidence: "api/objects.md NoteFields, openapi v1, 2026-11-23",
    ..Object::READ_ONLY
};

/// The list of v1 that shows the numbers by which filters know the fields that an object defines: lists of v2 show none
/// (api/restore-hazards.md 4, Filters).
pub(super) fn numbers(fields: &ObjectName) -> Option<&'static Object> {
    /// A list of v1, read for its numbers alone.
    const NUMBERS: Object = Object { computed: V1_COLUMNS, ..LEAD_FIELDS };
    static PERSON: Object = Object { path: "/personFields", ..NUMBERS };
    static ORGANIZATION: Object = Object { path: "/organizationFields", ..NUMBERS };
    static PRODUCT: Object = Object { path: "/productFields", ..NUMBERS };
    match fields.as_str() {
        "dealFields" => Some(&LEAD_FIELDS),
        "personFields" => Some(&PERSON),
        "organizationFields" => Some(&ORGANIZATION),
        "productFields" => Some(&PRODUCT),
        _ => None,
    }
}
