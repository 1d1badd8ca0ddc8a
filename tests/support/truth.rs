//! Compares a snapshot with the truth as the sandbox's judge tells it, which shares nothing with the client.

use std::collections::{BTreeMap, BTreeSet};

use pdbak::archive::{Coverage, Manifest, Snapshot};
use pdbak::catalogue::ObjectName;
use serde_json::{Map, Value};

use super::{World, mail};

pub(super) type Rows = BTreeMap<String, Map<String, Value>>;

/// Every living row of the account is in the snapshot with the same values, and nothing else is.
pub(crate) fn assert_holds_the_truth(world: &World, manifest: &Manifest) {
    let objects = objects(&world.judge());
    world.read(manifest, |snapshot| {
        for (object, truth) in objects {
            let held = snapshot.contents(&ObjectName::new(&object));
            if held.is_some_and(|held| matches!(held.coverage, Coverage::LeftOut { .. } | Coverage::NotOffered { .. }))
            {
                continue;
            }
            let found = stored(snapshot, &object);
            if object == "LeadFields" {
                // Leads inherit the fields of deals; their list shows each part of a composite one as a field.
                assert!(truth.keys().filter(|key| key.len() == 40).all(|key| found.contains_key(key)), "{object}");
                continue;
            }
            let (there, told): (BTreeSet<_>, BTreeSet<_>) = (found.keys().collect(), truth.keys().collect());
            let differing: Vec<_> = there.symmetric_difference(&told).collect();
            assert!(differing.is_empty(), "{object}: {differing:?}");
            let same = found.iter().map(|(key, record)| same_fields(&object, key, record, &truth[key])).sum::<usize>();
            assert!(
                same >= truth.len() * if object == "LeadSources" { 1 } else { 2 },
                "{object}: only {same} values of {} rows could be compared",
                truth.len()
            );
        }
    });
}

/// What of the truth a snapshot has: an object's living rows, its records, and of how many rows it lacks which field.
pub(crate) struct Held {
    /// Living rows, by the judge.
    pub(crate) rows: usize,
    /// Records in the snapshot.
    pub(crate) records: usize,
    /// Fields of the judge's rows that their records do not have, custom ones as `custom_fields.KEY`.
    pub(crate) lacking: BTreeMap<String, usize>,
}

/// Every object that the judge tells, field by field.
pub(crate) fn held(world: &World, manifest: &Manifest) -> BTreeMap<String, Held> {
    let objects = objects(&world.judge());
    world.read(manifest, |snapshot| {
        let one = |(object, truth): (String, Rows)| {
            let found = stored(snapshot, &object);
            let mut lacking: BTreeMap<String, usize> = BTreeMap::new();
            for (key, row) in &truth {
                let fields = found.get(key).map(fields).unwrap_or_default();
                for field in self::fields(row).difference(&fields) {
                    *lacking.entry(field.clone()).or_default() += 1;
                }
            }
            (object, Held { rows: truth.len(), records: found.len(), lacking })
        };
        objects.into_iter().map(one).collect()
    })
}

/// The names of a row's fields, custom ones one by one; an empty custom value is as good as none.
fn fields(row: &Map<String, Value>) -> BTreeSet<String> {
    let custom = row.get("custom_fields").and_then(Value::as_object).into_iter().flatten();
    let custom = custom.filter(|(_, value)| !value.is_null()).map(|(key, _)| format!("custom_fields.{key}"));
    row.keys().filter(|name| *name != "custom_fields").cloned().chain(custom).collect()
}

/// The living rows of every object, as the client lists them.
fn objects(judge: &Value) -> BTreeMap<String, Rows> {
    let users = judge["Users"].as_array().expect("users").iter();
    let me = users.clone().find(|user| user["is_you"] == true).expect("the token's user")["id"].clone();
    let plain = judge.as_object().expect("objects").iter().filter(|(kind, _)| !kind.starts_with("Mail"));
    let objects = plain.flat_map(|(kind, rows)| sorted_by_object(kind, rows, &me));
    objects.chain(mail::objects(judge)).collect()
}

/// The records of an object in a snapshot.
fn stored(snapshot: &Snapshot<'_>, object: &str) -> Rows {
    let records = snapshot.records(&ObjectName::new(object)).expect("records");
    records
        .map(|record| record.expect("a record"))
        .map(|record| (record.id().key.to_string(), record.fields()))
        .collect()
}

/// The living rows of a kind, by the object under which the client lists them.
fn sorted_by_object(kind: &str, rows: &Value, me: &Value) -> BTreeMap<String, Rows> {
    let mut objects = BTreeMap::from([(kind.to_owned(), Rows::new())]);
    for row in rows.as_array().expect("rows").iter().filter_map(Value::as_object) {
        // Of call logs only the token's user's own are shown: api/objects.md.
        if kind == "CallLogs" && row.get("user_id") != Some(me) {
            continue;
        }
        // Users and currencies that are not active are there all the same.
        let inactive = row.get("active_flag") == Some(&Value::Bool(false)) && !matches!(kind, "Users" | "Currencies");
        if row.get("is_deleted") == Some(&Value::Bool(true)) || inactive {
            continue;
        }
        let archived = match kind {
            "Deals" | "Leads" => row.get("is_archived") == Some(&Value::Bool(true)),
            "Projects" => row["archive_time"].is_string(),
            _ => false,
        };
        let object = if archived { format!("Archived{kind}") } else { kind.to_owned() };
        objects.entry(object).or_default().insert(key(kind, row), row.clone());
    }
    objects
}

/// A row's identity as the client writes it: under a parent, the parent's comes first.
fn key(kind: &str, row: &Map<String, Value>) -> String {
    let text =
        |field: &str| row.get(field).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let parent = match kind {
        "DealProducts" | "DealFollowers" | "DealParticipants" | "DealDiscounts" | "DealInstallments" => text("deal_id"),
        "ProductVariations" | "ProductImages" => text("product_id"),
        "PersonPictures" => text("item_id"),
        "NoteComments" => text("note_id"),
        "PersonFollowers" => text("person_id"),
        "OrganizationFollowers" => text("org_id"),
        "ProductFollowers" => text("product_id"),
        "RoleSettings" | "RolePipelines" => text("role_id"),
        "ProjectGroups" | "ProjectPlans" => text("project_id"),
        _ => None,
    };
    let own = match kind {
        "RoleSettings" => text("setting_key"),
        "RolePipelines" => text("pipeline_id"),
        "UserSettings" => text("setting"),
        "UserConnections" => text("service"),
        "LeadSources" => text("name"),
        // One a record: its parent is who it is.
        "ProductImages" | "PersonPictures" => parent.clone(),
        "NoteComments" => text("uuid"),
        _ if kind.ends_with("Followers") => text("user_id"),
        _ => None,
    };
    let own = own
        .or_else(|| text("field_code").filter(|_| kind.ends_with("Fields")))
        .or_else(|| text("key").filter(|_| kind.ends_with("Fields")));
    let own = own.or_else(|| Some(format!("{}:{}", text("item_type")?, text("item_id")?)));
    let own = own.or_else(|| text("id")).unwrap_or_default();
    parent.map_or_else(|| own.clone(), |parent| format!("{parent}:{own}"))
}

/// Counts the fields that both know by the same name; they have to be equal.
fn same_fields(object: &str, key: &str, record: &Map<String, Value>, truth: &Map<String, Value>) -> usize {
    let mut same = 0;
    for (field, value) in record {
        if let Some(told) = truth.get(field) {
            assert_eq!(plain(value), plain(told), "{object}/{key} {field}");
            same += 1;
        }
    }
    same
}

/// A value as both tell it: a condition's field code is only added to answers, and an unset custom value is null or absent.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) if members.contains_key("operator") => Value::Object(
            members
                .iter()
                .filter(|(name, _)| *name != "field_code")
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect(),
        ),
        Value::Object(members) => {
            let set = members.iter().filter(|(_, value)| !value.is_null());
            set.map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        other => other.clone(),
    }
}
