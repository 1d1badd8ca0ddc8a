//! What hangs on records comes back with and without them: relationships, comments, variations, discounts, installments.

use std::collections::BTreeSet;

use pdbak::capture::Wanted;
use pdbak::restore::Policy;
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use super::restore::{planned_from, replayed, total};
use crate::support::{World, assert_holds_the_truth};

/// Everything is looked at: what was edited here shows nowhere else.
pub(super) fn closely() -> Wanted {
    Wanted { full: true, ..Wanted::default() }
}

/// The living rows of a kind.
fn rows(world: &World, kind: &str) -> Vec<Value> {
    let judge = world.judge();
    let rows = judge[kind].as_array().expect("rows").iter();
    rows.filter(|row| row["is_deleted"] != json!(true)).cloned().collect()
}

/// The rows of a kind by what people know of them: the given fields, with names for ids.
fn said(world: &World, kind: &str, fields: &[&str]) -> Vec<String> {
    let judge = world.judge();
    let name = |kind: &str, id: &Value, by: &str| {
        let mut rows = judge[kind].as_array().expect("rows").iter();
        rows.find(|row| row["id"] == *id).map_or(Value::Null, |row| row[by].clone())
    };
    let value = |row: &Value, field: &str| match field {
        "rel_owner_org_id" | "rel_linked_org_id" => name("Organizations", &row[field], "name"),
        "product_id" => name("Products", &row[field], "name"),
        "product_variation_id" => name("ProductVariations", &row[field], "name"),
        "deal_id" => name("Deals", &row[field], "title"),
        "note_id" => name("Notes", &row[field], "content"),
        _ => row[field].clone(),
    };
    let line = |row: &Value| fields.iter().map(|field| value(row, field).to_string()).collect::<Vec<_>>().join(" ");
    let mut said: Vec<String> = rows(world, kind).iter().map(line).collect();
    said.sort();
    said
}

/// Kind, the fields that tell, and the path of a row.
type Family = (&'static str, &'static [&'static str], fn(&Value) -> String);

const FAMILIES: &[Family] = &[
    ("OrganizationRelationships", &["type", "rel_owner_org_id", "rel_linked_org_id"], |row| {
        format!("/v1/organizationRelationships/{}", row["id"])
    }),
    ("NoteComments", &["note_id", "content"], |row| {
        format!("/v1/notes/{}/comments/{}", row["note_id"], row["uuid"].as_str().expect("a text"))
    }),
    ("ProductVariations", &["product_id", "name", "prices"], |row| {
        format!("/api/v2/products/{}/variations/{}", row["product_id"], row["id"])
    }),
    ("DealDiscounts", &["deal_id", "description", "amount", "type"], |row| {
        format!("/api/v2/deals/{}/discounts/{}", row["deal_id"], row["id"].as_str().expect("a text"))
    }),
    ("DealInstallments", &["deal_id", "description", "amount", "billing_date"], |row| {
        format!("/api/v2/deals/{}/installments/{}", row["deal_id"], row["id"])
    }),
];

fn everything(world: &World) -> Vec<Vec<String>> {
    let mut said: Vec<Vec<String>> = FAMILIES.iter().map(|(kind, fields, _)| self::said(world, kind, fields)).collect();
    said.push(self::said(world, "DealProducts", &["deal_id", "product_id", "product_variation_id", "quantity"]));
    said.push(self::said(world, "Deals", &["title", "value"]));
    said
}

/// Edits one, deletes one and adds one of each family.
fn vandalise(world: &World) {
    for (kind, _, path) in FAMILIES {
        let rows: Vec<Value> = rows(world, kind).into_iter().filter(|row| is_open(world, row)).collect();
        assert!(rows.len() >= 2, "{kind}: {}", rows.len());
        let (verb, body) = match *kind {
            "OrganizationRelationships" => {
                ("PUT", json!({"type": if rows[0]["type"] == "parent" { "related" } else { "parent" }}))
            }
            "NoteComments" => ("PUT", json!({"content": "vandalised"})),
            "ProductVariations" => ("PATCH", json!({"name": "vandalised"})),
            "DealDiscounts" => ("PATCH", json!({"amount": 50})),
            _ => ("PATCH", json!({"amount": 1})),
        };
        world.call(verb, &path(&rows[0]), Some(&body));
        world.call("DELETE", &path(rows.last().expect("two or more")), None);
    }
    let note = &rows(world, "NoteComments")[0]["note_id"];
    world.call("POST", &format!("/v1/notes/{note}/comments"), Some(&json!({"content": "junk"})));
    let product = &rows(world, "Products")[1]["id"];
    world.call("POST", &format!("/api/v2/products/{product}/variations"), Some(&json!({"name": "junk"})));
}

/// Rows of archived deals cannot be written.
fn is_open(world: &World, row: &Value) -> bool {
    let deals = rows(world, "Deals");
    row["deal_id"].is_null()
        || deals.iter().any(|deal| deal["id"] == row["deal_id"] && deal["is_archived"] != json!(true))
}

#[test]
fn a_snapshot_holds_everything_that_hangs_on_records() {
    let world = World::of(1_500);
    assert_holds_the_truth(&world, &world.snapshot());
}

#[test]
fn what_was_edited_deleted_and_added_under_records_comes_back() {
    for assume in ["odd=yes", "variation-prices=merge,relation-pages=paged,no-image=404,touch-parent=yes"] {
        let assume = assume.parse().expect("assumptions");
        let world = World::with(Options { records: 1_500, assume, ..Options::default() });
        let (goal, before) = (world.snapshot(), everything(&world));
        vandalise(&world);
        assert_ne!(everything(&world), before);
        let policy = Policy { delete_added: true, ..Policy::default() };
        let replayed = replayed(&world, &planned_from(&world, &goal, &policy, &closely()));
        assert!(total(&replayed).is_clean());
        assert_eq!(everything(&world), before);
        let left = planned_from(&world, &goal, &policy, &closely());
        assert!(left.is_empty(), "{:?}", left.steps());
    }
}

#[test]
fn what_hangs_on_deleted_records_comes_back_with_them_under_new_ids() {
    let world = World::of(1_500);
    let (goal, before) = (world.snapshot(), everything(&world));
    let parents = |kind: &str, parent: &str| -> Vec<String> {
        let parents: BTreeSet<String> = rows(&world, kind).iter().map(|row| row[parent].to_string()).collect();
        parents.into_iter().take(2).collect()
    };
    for organization in parents("OrganizationRelationships", "rel_owner_org_id") {
        world.call("DELETE", &format!("/api/v2/organizations/{organization}"), None);
    }
    for note in parents("NoteComments", "note_id") {
        world.call("DELETE", &format!("/v1/notes/{note}"), None);
    }
    for product in parents("ProductVariations", "product_id") {
        world.call("DELETE", &format!("/api/v2/products/{product}"), None);
    }
    let replayed = replayed(&world, &planned_from(&world, &goal, &Policy::default(), &closely()));
    assert!(total(&replayed).is_clean());
    assert_eq!(everything(&world), before);
}

/// A picture that nobody had before.
fn other_picture() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\0\0\0\x02\0".to_vec();
    bytes.extend_from_slice(b"another face");
    bytes
}

#[test]
fn pictures_and_images_that_were_deleted_or_replaced_come_back_with_what_they_showed() {
    let world = World::of(2_500);
    let shown = |world: &World| {
        let of = |kind: &str, parent: &str| -> Vec<String> {
            let told = |row: &Value| format!("{kind} {} {}", row[parent], row["content_blake3"]);
            rows(world, kind).iter().map(told).collect::<BTreeSet<_>>().into_iter().collect()
        };
        [of("PersonPictures", "item_id"), of("ProductImages", "product_id")]
    };
    let (goal, before) = (world.snapshot(), shown(&world));
    assert!(before.iter().all(|kind| kind.len() >= 3), "{before:?}");
    let persons = rows(&world, "PersonPictures");
    let products = rows(&world, "ProductImages");
    let picture = |at: usize| format!("/v1/persons/{}/picture", persons[at]["item_id"]);
    let image = |at: usize| format!("/api/v2/products/{}/images", products[at]["product_id"]);
    world.call("DELETE", &picture(0), None);
    world.upload(&picture(1), "file", other_picture());
    world.call("DELETE", &image(0), None);
    world.call("DELETE", &image(1), None);
    world.upload(&image(1), "data", other_picture());
    assert_ne!(shown(&world), before);
    let replayed = replayed(&world, &planned_from(&world, &goal, &Policy::default(), &closely()));
    assert!(total(&replayed).is_clean());
    assert_eq!(shown(&world), before);
    let left = planned_from(&world, &goal, &Policy::default(), &closely());
    assert!(left.is_empty(), "{:?}", left.steps());
}

#[test]
fn the_picture_of_a_person_that_is_made_again_comes_with_it() {
    let world = World::of(1_500);
    let goal = world.snapshot();
    let picture = rows(&world, "PersonPictures")[0].clone();
    world.call("DELETE", &format!("/api/v2/persons/{}", picture["item_id"]), None);
    let replayed = replayed(&world, &planned_from(&world, &goal, &Policy::default(), &Wanted::default()));
    assert!(total(&replayed).is_clean());
    let now = rows(&world, "PersonPictures");
    let now = now.iter().find(|row| row["content_blake3"] == picture["content_blake3"]).expect("the picture");
    assert_ne!(now["item_id"], picture["item_id"]);
}

#[test]
fn a_plan_without_installments_has_none_and_nothing_is_called_gone() {
    let assume = "installments-plan=no".parse().expect("an assumption");
    let world = World::with(Options { records: 400, assume, ..Options::default() });
    let manifest = world.snapshot();
    let installments = crate::support::contents(&manifest, "dealInstallments");
    assert!(matches!(installments.coverage, pdbak::archive::Coverage::NotOffered { .. }), "{installments:?}");
}
