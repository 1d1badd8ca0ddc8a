//! What a diff says, and what it does not dare to say.

use chrono::{DateTime, Days, TimeZone, Utc};
use serde_json::{Value, json};

use super::*;
use crate::archive::{Archive, Ending, Protection, SnapshotId, Source, Tally};
use crate::clock::Clock;
use crate::record::Key;

fn day(number: u64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 1, 12, 0, 0).unwrap() + Days::new(number)
}

fn archive() -> (tempfile::TempDir, Archive) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::create(&folder.path().join("archive"), Protection::Clear, Clock::Fixed(day(0))).unwrap();
    (folder, archive)
}

fn record(object: &'static str, body: Value) -> Record {
    let fields = body.as_object().unwrap().clone();
    let key = fields.get("id").or(fields.get("field_code")).unwrap();
    let key = Key::parse(key.as_str().map(str::to_owned).unwrap_or(key.to_string()).as_str());
    Record::new(RecordId::new(ObjectName::known(object), key), &fields)
}

fn deals() -> ObjectName {
    ObjectName::known("deals")
}

struct Walk {
    coverage: Coverage,
    unseen_is_deleted: bool,
    walked: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
}

fn whole(at: DateTime<Utc>) -> Walk {
    Walk { coverage: Coverage::Whole, unseen_is_deleted: true, walked: Some(at), at }
}

fn part(at: DateTime<Utc>, walked: Option<DateTime<Utc>>) -> Walk {
    Walk { coverage: Coverage::Part { reason: "cut off".to_owned() }, unseen_is_deleted: walked.is_some(), walked, at }
}

fn take(archive: &Archive, objects: Vec<(&'static str, Vec<Value>, Walk)>) -> SnapshotId {
    let source = Source {
        company_id: 1,
        company_name: String::new(),
        company_domain: String::new(),
        user_id: 1,
        user_name: String::new(),
        is_admin: true,
        kind: "api".to_owned(),
    };
    let mut writer = archive.begin(source).unwrap();
    for (object, rows, Walk { coverage, unseen_is_deleted, walked, at }) in objects {
        let records: Vec<Record> = rows.into_iter().map(|row| record(object, row)).collect();
        writer.take(&records).unwrap();
        let ending = Ending {
            coverage,
            unseen_is_deleted,
            listed: None,
            gaps: Vec::new(),
            seen_at: at,
            deletions_seen_at: walked,
            watermark: None,
            without: Vec::new(),
        };
        writer.close(&ObjectName::known(object), ending).unwrap();
    }
    writer.finish(Tally { started: day(0), requests: 0, tokens: 0, notes: Value::Null }).unwrap().id
}

/// Each change as `+ deals/1`, `- deals/2`, `* deals/3 title`, then what is said about unseen records.
fn told(
    archive: &Archive,
    before: &SnapshotId,
    after: &SnapshotId,
    object: &ObjectName,
) -> (Vec<String>, Option<String>, Option<String>) {
    told_knowing(archive, [before, after], object, &Lineage::default())
}

/// The same, where restores made records again.
fn told_knowing(
    archive: &Archive,
    [before, after]: [&SnapshotId; 2],
    object: &ObjectName,
    lineage: &Lineage,
) -> (Vec<String>, Option<String>, Option<String>) {
    let (before, after) = (archive.snapshot(before).unwrap(), archive.snapshot(after).unwrap());
    let comparison = compare(&before, &after, object, lineage).unwrap();
    let changes = comparison.changes.map(|change| {
        let change = change.unwrap();
        let fields = change.fields().into_iter().map(|field| field.field).collect::<Vec<_>>().join(" ");
        match &change {
            Change::Insert(_) => format!("+ {}", change.id()),
            Change::Delete(_) => format!("- {}", change.id()),
            Change::Update { .. } => format!("* {} {fields}", change.id()),
        }
    });
    (changes.collect(), comparison.unseen, comparison.unseen_before)
}

#[test]
fn changes_come_in_key_order() {
    let (_folder, archive) = archive();
    let first = take(
        &archive,
        vec![("deals", vec![json!({"id":1,"title":"a"}), json!({"id":2}), json!({"id":3})], whole(day(1)))],
    );
    let second = take(
        &archive,
        vec![("deals", vec![json!({"id":1,"title":"b"}), json!({"id":3}), json!({"id":10})], whole(day(2)))],
    );
    let (changes, unseen, unseen_before) = told(&archive, &first, &second, &deals());
    assert_eq!(changes, ["* deals/1 title", "- deals/2", "+ deals/10"]);
    assert_eq!((unseen, unseen_before), (None, None));
    assert_eq!(told(&archive, &second, &first, &deals()).0, ["* deals/1 title", "+ deals/2", "- deals/10"]);
}

#[test]
fn a_record_that_was_made_again_is_the_same_record_and_a_link_that_followed_it_no_change() {
    let (_folder, archive) = archive();
    let persons = ObjectName::known("persons");
    let first = take(
        &archive,
        vec![
            ("dealFields", vec![json!({"id":"k","field_code":"k","field_type":"people"})], whole(day(1))),
            ("persons", vec![json!({"id":5,"name":"Ann"}), json!({"id":6,"name":"Bo"})], whole(day(1))),
            (
                "deals",
                vec![
                    json!({"id":1,"person_id":5,"custom_fields":{"k":5,"seats":5}}),
                    json!({"id":2,"person_id":5}),
                    json!({"id":3,"person_id":6}),
                ],
                whole(day(1)),
            ),
        ],
    );
    let second = take(
        &archive,
        vec![
            ("persons", vec![json!({"id":9,"name":"Anna"}), json!({"id":10,"name":"Cy"})], whole(day(2))),
            (
                "deals",
                vec![
                    json!({"id":1,"person_id":9,"custom_fields":{"k":9,"seats":5}}),
                    json!({"id":2,"person_id":null}),
                    json!({"id":3,"person_id":9}),
                ],
                whole(day(2)),
            ),
        ],
    );
    let id = |text: &str| RecordId::parse(text).unwrap();
    // Made again twice: the first time it lived only between the snapshots.
    let lineage: Lineage = [("persons/5", "persons/7"), ("persons/7", "persons/9")]
        .map(|(old, new)| (id(old), id(new)))
        .into_iter()
        .collect();
    let both = [&first, &second];
    assert_eq!(
        told_knowing(&archive, both, &persons, &lineage).0,
        ["* persons/5 id name", "- persons/6", "+ persons/10"]
    );
    assert_eq!(told_knowing(&archive, both, &deals(), &lineage).0, ["* deals/2 person_id", "* deals/3 person_id"]);
    assert_eq!(told(&archive, &first, &second, &persons).0.len(), 4, "without the journals they are strangers");
}

#[test]
fn a_record_missing_from_a_part_is_called_neither_deleted_nor_added() {
    let (_folder, archive) = archive();
    let first = take(&archive, vec![("deals", vec![json!({"id":1})], part(day(1), None))]);
    let second = take(&archive, vec![("deals", vec![json!({"id":1}), json!({"id":2})], whole(day(2)))]);
    let (changes, unseen, _) = told(&archive, &second, &first, &deals());
    assert_eq!(changes, [""; 0]);
    assert_eq!(unseen.as_deref(), Some("the later snapshot saw it in part: cut off"));
    // Nor is one added that a list which was never walked to its end lacks.
    let (changes, _, unseen_before) = told(&archive, &first, &second, &deals());
    assert_eq!(changes, [""; 0]);
    assert_eq!(unseen_before.as_deref(), Some("the earlier snapshot saw it in part: cut off"));
}

#[test]
fn a_part_whose_list_was_walked_since_shows_deletions() {
    let (_folder, archive) = archive();
    let first = take(&archive, vec![("deals", vec![json!({"id":1}), json!({"id":2})], whole(day(1)))]);
    let second = take(&archive, vec![("deals", vec![json!({"id":1})], part(day(2), Some(day(2))))]);
    assert_eq!(told(&archive, &first, &second, &deals()), (vec!["- deals/2".to_owned()], None, None));
}

#[test]
fn an_object_that_was_left_out_yields_neither_deletions_nor_insertions() {
    let (_folder, archive) = archive();
    let left_out = |at| Walk {
        coverage: Coverage::LeftOut { reason: "--object persons".to_owned() },
        unseen_is_deleted: false,
        walked: None,
        at,
    };
    let first = take(&archive, vec![("deals", vec![], left_out(day(1)))]);
    let second = take(&archive, vec![("deals", vec![json!({"id":1})], whole(day(2)))]);
    let (changes, _, unseen_before) = told(&archive, &first, &second, &deals());
    assert_eq!(changes, [""; 0]);
    assert_eq!(unseen_before.as_deref(), Some("the earlier snapshot left it out: --object persons"));
    let (changes, unseen, _) = told(&archive, &second, &first, &deals());
    assert_eq!(changes, [""; 0]);
    assert_eq!(unseen.as_deref(), Some("the later snapshot left it out: --object persons"));
    let persons = ObjectName::known("persons");
    assert_eq!(told(&archive, &first, &second, &persons).1.as_deref(), Some("the later snapshot did not look at it"));
}

#[test]
fn fields_are_opened_and_custom_fields_are_one_value() {
    let before = record(
        "deals",
        json!({"id":1,"address":{"value":"Oak 1","postal":"10"},"custom_fields":{"k":{"value":5,"currency":"EUR"}},"label_ids":[1],"gone":null}),
    );
    let after = record(
        "deals",
        json!({"id":1,"address":{"value":"Oak 1","postal":"11"},"custom_fields":{"k":{"value":5,"currency":"USD"}},"label_ids":[1,2]}),
    );
    let fields = Change::Update { before, after }.fields();
    let told: Vec<(&str, String, String)> =
        fields.iter().map(|field| (field.field.as_str(), field.before.to_string(), field.after.to_string())).collect();
    let expected = [
        ("address.postal", r#""10""#, r#""11""#),
        ("custom_fields.k", r#"{"currency":"EUR","value":5}"#, r#"{"currency":"USD","value":5}"#),
        ("label_ids", "[1]", "[1,2]"),
    ];
    assert_eq!(told, expected.map(|(field, before, after)| (field, before.to_owned(), after.to_owned())));
}

#[test]
fn names_are_those_of_the_snapshots_day() {
    let (_folder, archive) = archive();
    let key = "0123456789012345678901234567890123456789";
    let definitions = vec![
        json!({"field_code": key, "field_name": "Region", "field_type": "set", "options": [{"id": 7, "label": "North"}, {"id": 8, "label": "South"}]}),
        json!({"field_code": "title", "field_name": "Title", "field_type": "varchar"}),
        json!({"field_code": "contact", "field_name": "Contact", "field_type": "people"}),
    ];
    let users = vec![json!({"id": 5, "name": "Kim"})];
    let persons = vec![json!({"id": 11, "name": "Zoë"})];
    let id = take(
        &archive,
        vec![
            ("dealFields", definitions, whole(day(1))),
            ("users", users, whole(day(1))),
            ("persons", persons, whole(day(1))),
        ],
    );
    let snapshot = archive.snapshot(&id).unwrap();
    let names = Names::of(&snapshot).unwrap();
    let custom = format!("custom_fields.{key}");
    assert_eq!(names.field(&deals(), &custom), "Region");
    assert_eq!(names.field(&deals(), &format!("{key}_currency")), "Region (currency)");
    assert_eq!(names.field(&deals(), "title"), "Title");
    assert_eq!(names.field(&deals(), "nobody_knows"), "nobody_knows");
    assert_eq!(names.value(&deals(), &custom, &json!([7, 9])), "North, 9");
    assert_eq!(names.value(&deals(), &custom, &json!("7,8")), "North, South");
    assert_eq!(names.value(&deals(), "owner_id", &json!(5)), "Kim");
    assert_eq!(names.value(&deals(), "person_id", &json!(11)), "Zoë (11)");
    assert_eq!(names.value(&deals(), "custom_fields.contact", &json!(11)), "Zoë (11)");
    assert_eq!(names.value(&deals(), "person_id", &json!(12)), "12");
    assert_eq!(names.value(&deals(), "title", &json!("x")), "x");
    assert_eq!(names.value(&deals(), "value", &json!({"value": 3, "currency": "EUR"})), "3 EUR");
    assert_eq!(names.value(&deals(), "title", &Value::Null), "(empty)");
}

#[test]
fn fields_that_one_capture_left_out_are_not_changes() {
    let key = "0123456789012345678901234567890123456789";
    let without = ["custom_fields".to_owned()];
    let before = record("deals", json!({"id":1,"title":"a","custom_fields":{"k":1}}));
    let after = record("deals", json!({"id":1,"title":"a"}));
    assert_eq!(fields::seen_by_both(before.clone(), after, &without), None);
    let flat = record("leads", json!({"id":1,key:"x",format!("{key}_currency"):"EUR"}));
    assert_eq!(fields::seen_by_both(flat, record("leads", json!({"id":1})), &without), None);
    let after = record("deals", json!({"id":1,"title":"b"}));
    let (before, after) = fields::seen_by_both(before, after, &without).unwrap();
    let fields = Change::Update { before, after }.fields();
    assert_eq!(fields.iter().map(|field| field.field.as_str()).collect::<Vec<_>>(), ["title"]);
}
