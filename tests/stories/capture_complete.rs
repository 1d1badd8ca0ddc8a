//! Nothing is left out, counted: of each object as many records as the account has rows, and in each every field that the row has.
//!
//! The published description marks almost nothing as required, so an answer that lacks half of its fields still fits it
//! (tests/contract). The sandbox's judge tells rows as they are stored, which no description can weaken.

use std::collections::BTreeSet;

use pdbak::archive::Coverage;
use pdbak::capture::Wanted;
use pdbak::catalogue::{self, ObjectName};
use pdbak::sandbox::Options;
use serde_json::Value;

use crate::support::{World, contents, held};

/// Members of a field's definition that v1 shows and v2 does not.
const OF_V1: &[&str] = &[
    "active_flag",
    "add_time",
    "add_visible_flag",
    "bulk_edit_allowed",
    "created_by_user_id",
    "details_visible_flag",
    "edit_flag",
    "filtering_allowed",
    "id",
    "important_flag",
    "index_visible_flag",
    "last_updated_by_user_id",
    "mandatory_flag",
    "options_deleted",
    "order_nr",
    "searchable_flag",
    "sortable_flag",
    "update_time",
];
/// And those that v2 shows and v1 does not, or calls otherwise.
const OF_V2: &[&str] = &[
    "description",
    "field_code",
    "field_name",
    "important_fields",
    "is_custom_field",
    "is_optional_response_field",
    "required_fields",
    "subfields",
    "ui_visibility",
];
const BY_V2: &str = "read from v2; leadFields show those of deals as v1 does";
const BY_V1: &str = "v1 alone has this list";
const IN_KEY: &str = "the record's key names its parent";
const OF_MAIL: &str = "the thread and the record under which it is listed say it";
const CONTENTS: &str = "the judge's alone; the contents have a record of their own";

/// What the sandbox's rows have and no answer of the list shows: objects, fields, why not.
const HIDDEN: &[(&[&str], &[&str], &str)] = &[
    (
        &["ActivityFields", "DealFields", "OrganizationFields", "PersonFields", "ProductFields", "ProjectFields"],
        OF_V1,
        BY_V2,
    ),
    (&["LeadFields", "NoteFields"], OF_V2, BY_V1),
    (&["LeadFields", "NoteFields"], &["options"], "v1 leaves it out where there are none"),
    (&["OrganizationFields", "ProductFields", "ProjectFields"], &["description"], "not described there"),
    (&["ActivityFields", "ProductFields"], &["important_fields", "required_fields"], "not described there"),
    (&["DealFollowers", "DealParticipants"], &["deal_id"], IN_KEY),
    (&["PersonFollowers"], &["person_id"], IN_KEY),
    (&["OrganizationFollowers"], &["org_id"], IN_KEY),
    (&["ProductFollowers"], &["product_id"], IN_KEY),
    (&["ProjectGroups", "ProjectPlans"], &["project_id"], IN_KEY),
    (&["NoteComments"], &["note_id"], "shown as object_id"),
    (
        &["MailMessages", "DealMailMessages", "PersonMailMessages", "OrganizationMailMessages"],
        &["deal_id", "org_id", "person_id"],
        OF_MAIL,
    ),
    (&["Files", "PersonPictures", "ProductImages"], &["content_blake3"], CONTENTS),
];

/// Types that the service lets people make (api/custom-fields.md).
const TYPES: &[&str] = &[
    "address",
    "date",
    "daterange",
    "double",
    "enum",
    "monetary",
    "org",
    "people",
    "phone",
    "set",
    "text",
    "time",
    "timerange",
    "user",
    "varchar",
    "varchar_auto",
];

#[test]
fn every_row_and_every_field_of_it_is_in_the_archive() {
    let world = World::with(Options { records: 3_000, legacy: true, ..Options::default() });
    let also = catalogue::ALL.iter().copied().filter(|object| object.on_request).collect();
    let first = world.snapshot_of(&Wanted { also, ..Wanted::default() });
    let objects = held(&world, &first);
    let mut breaches = Vec::new();
    let mut used = BTreeSet::new();
    for (name, held) in &objects {
        let object = catalogue::find(&ObjectName::new(name)).unwrap_or_else(|| panic!("no entry for {name}"));
        // Leads show each part of a composite field as a field.
        let counted = if name == "LeadFields" { held.records >= held.rows } else { held.records == held.rows };
        if !counted || held.rows == 0 {
            breaches.push(format!("{name}: {} records of {} rows", held.records, held.rows));
        }
        for (field, rows) in held.lacking.iter().filter(|(field, _)| !object.volatile.contains(&field.as_str())) {
            let excuse = HIDDEN
                .iter()
                .position(|(objects, fields, _)| objects.contains(&name.as_str()) && fields.contains(&field.as_str()));
            match excuse {
                Some(at) => drop(used.insert((at, name.as_str(), field.as_str()))),
                None => breaches.push(format!("{name}.{field} is missing in {rows} of {} records", held.rows)),
            }
        }
    }
    for (at, (objects, fields, why)) in HIDDEN.iter().enumerate() {
        let pairs = objects.iter().flat_map(|object| fields.iter().map(move |field| (at, *object, *field)));
        let unused = pairs.filter(|pair| !used.contains(pair));
        breaches.extend(unused.map(|(_, object, field)| format!("{object}.{field} is there after all: {why}")));
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
    // What the judge does not tell is counted where it comes from.
    for (object, of) in [
        ("fileContents", "files"),
        ("personPictureContents", "personPictures"),
        ("productImageContents", "productImages"),
    ] {
        assert_eq!(contents(&first, object).records, contents(&first, of).records, "{object}");
    }
    for object in catalogue::ALL {
        let seen = contents(&first, object.name);
        assert_eq!((&seen.coverage, seen.gaps.len()), (&Coverage::Whole, 0), "{}: {:?}", object.name, seen.gaps);
        assert!(seen.records > 0, "{} has no record that could be missed", object.name);
    }
}

#[test]
fn the_company_has_values_of_every_type_of_custom_field() {
    let world = World::of(3_000);
    let judge = world.judge();
    let mut seen = BTreeSet::new();
    for (kind, list) in [("Deals", "DealFields"), ("Persons", "PersonFields"), ("Organizations", "OrganizationFields")]
    {
        let fields = judge[list].as_array().expect("fields").iter().filter(|field| field["is_custom_field"] == true);
        for field in fields {
            let code = field["field_code"].as_str().expect("a code");
            let set = |row: &Value| !row["custom_fields"][code].is_null();
            let rows = judge[kind].as_array().expect("rows");
            assert!(rows.iter().any(set), "nothing of {kind} has a value in {}", field["field_name"]);
            seen.insert(field["field_type"].as_str().expect("a type"));
        }
    }
    let missing: Vec<_> = TYPES.iter().filter(|kind| !seen.contains(*kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
