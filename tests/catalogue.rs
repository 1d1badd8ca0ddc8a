//! The catalogue against the service's own description.
//!
//! `fixtures/contract/` is boiled down from what the service publishes and shares
//! nothing with the catalogue: what one side believes wrongly, the other
//! contradicts here, row by row.

use std::collections::BTreeMap;

use pdbak::catalogue::{ALL, Call, Encoding, KeyIn, Listing, Method, Object, Paging, Rows, Version, Write};
use serde_json::Value;

/// Method, version and path with nameless places for ids.
type Place = (String, &'static str, String);

struct Contract(BTreeMap<Place, Value>);

impl Contract {
    fn read() -> Contract {
        let text = include_str!("../fixtures/contract/contract.json");
        let contract: Value = serde_json::from_str(text).expect("the contract is JSON");
        let operations = contract["operations"].as_array().expect("operations").iter();
        let text = |operation: &Value, name: &str| operation[name].as_str().expect("a text").to_owned();
        Contract(
            operations
                .map(|operation| {
                    let version = if operation["version"] == "v1" { "v1" } else { "v2" };
                    let place = (text(operation, "method"), version, nameless(&text(operation, "path")));
                    (place, operation.clone())
                })
                .collect(),
        )
    }

    fn find(&self, method: &str, version: Version, path: &str) -> Option<&Value> {
        let version = if version == Version::V1 { "v1" } else { "v2" };
        self.0.get(&(method.to_owned(), version, nameless(path)))
    }
}

/// Writes that the service has removed: made where an account still answers them.
const REMOVED: &[(&str, &str, &str)] = &[
    ("permissionSets", "/permissionSets/{id}", "UPDATE of the matrix"),
    ("permissionSetsAssignments", "/permissionSets/{parent}/assignments", "INSERT of the matrix"),
];

/// `/deals/{id}/products/{product_attachment_id}` and `/deals/{parent}/products/{id}` are one place.
fn nameless(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
    segments.join("/")
}

fn each(law: impl Fn(&Contract, &'static Object, &mut Vec<String>)) {
    let contract = Contract::read();
    let mut breaches = Vec::new();
    // What was taken away is in no published description.
    for object in ALL.iter().filter(|object| !object.is_removed()) {
        law(&contract, object, &mut breaches);
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

/// Reading calls: what for, version, path, price, query parameters.
fn reads(object: &'static Object) -> Vec<(&'static str, Version, &'static str, u32, Vec<&'static str>)> {
    let mut reads = Vec::new();
    let mut listed: Vec<&str> = object.query.iter().map(|(name, _)| *name).collect();
    listed.extend(object.questions.iter().flat_map(|asked| asked.iter()).map(|(name, _)| *name));
    listed.extend(object.since);
    listed.extend(object.bulk_ids);
    listed.extend(object.parts.map(|parts| parts.parameter));
    let paging = match object.listing {
        Listing::Flat(paging) | Listing::Under { paging, .. } => paging,
        Listing::Bulk { paging, parameter, .. } => {
            listed.push(parameter);
            paging
        }
        Listing::Derived { .. } | Listing::Within { .. } => Paging::Whole,
    };
    match paging {
        Paging::Whole | Paging::One => {}
        Paging::Cursor { .. } => listed.extend(["limit", "cursor"]),
        Paging::Offset { .. } => listed.extend(["limit", "start"]),
    }
    // What is fetched from an address in a row is no call of the service.
    if object.price > 0 {
        reads.push(("list", object.version, object.path, object.price, listed));
    }
    if let Some(single) = object.single {
        // The client sends of the list's parameters only this one.
        let query = object.query.iter().map(|(name, _)| *name).filter(|name| *name == "include_fields").collect();
        reads.push(("single", single.version, single.path, single.price, query));
    }
    for extended in object.extended {
        let query = extended.query.iter().map(|(name, _)| *name).collect();
        reads.push((extended.name, extended.version, extended.path, extended.price, query));
    }
    if let Some(contents) = object.contents.filter(|contents| contents.at.is_none()) {
        reads.push(("contents", Version::V1, contents.path, contents.price, Vec::new()));
    }
    reads
}

/// The name under which a field is written.
fn written<'n>(object: &'static Object, field: &'n str) -> &'n str
where
    'static: 'n,
{
    object.flags.iter().find(|(read, _)| *read == field).map_or(field, |(_, written)| written)
}

fn method(call: &Call) -> &'static str {
    match call.method {
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

#[test]
fn every_read_is_described_at_its_price_and_with_its_parameters() {
    each(|contract, object, breaches| {
        for (what, version, path, price, query) in reads(object) {
            let Some(operation) = contract.find("GET", version, path) else {
                breaches.push(format!("{}: {what} GET {version:?} {path} is not described", object.name));
                continue;
            };
            if operation["tokens"] != price {
                breaches.push(format!("{}: {what} costs {}, not {price}", object.name, operation["tokens"]));
            }
            for name in query.into_iter().filter(|name| operation["query"].get(name).is_none()) {
                breaches.push(format!("{}: {what} does not know the parameter {name}", object.name));
            }
        }
    });
}

#[test]
fn the_parts_of_a_list_are_all_its_parts() {
    each(|contract, object, breaches| {
        let Some(parts) = object.parts else { return };
        let described =
            contract.find("GET", object.version, object.path).map(|one| &one["query"][parts.parameter]["enum"]);
        if described != Some(&serde_json::json!(parts.values)) {
            breaches.push(format!("{}: {} are not all of {}", object.name, parts.values.join(", "), parts.parameter));
        }
    });
}

#[test]
fn every_counter_and_extra_field_can_be_asked_for() {
    each(|contract, object, breaches| {
        let Some(operation) = contract.find("GET", object.version, object.path) else { return };
        let Some((_, asked)) = object.query.iter().find(|(name, _)| *name == "include_fields") else { return };
        let may = operation["query"]["include_fields"]["enum"].as_array().expect("an enum").iter();
        // Some lists describe their combinations instead of their members.
        let may: Vec<&str> = may.filter_map(Value::as_str).flat_map(|names| names.split(',')).collect();
        for field in asked.split(',').filter(|field| !may.contains(field)) {
            breaches.push(format!("{}: {field} cannot be asked for", object.name));
        }
    });
}

#[test]
fn every_write_is_described_at_its_price_and_takes_its_fields() {
    each(|contract, object, breaches| {
        let writes = [object.create, object.update].into_iter().flatten();
        for Write { call, encoding, fields, required } in writes {
            let removed = REMOVED.iter().any(|(name, path, _)| *name == object.name && *path == call.path);
            let Some(operation) = contract.find(method(&call), call.version, call.path) else {
                if removed {
                    continue;
                }
                breaches.push(format!("{}: {} {} is not described", object.name, method(&call), call.path));
                continue;
            };
            if operation["tokens"] != call.price {
                breaches.push(format!("{}: {} costs {}", object.name, call.path, operation["tokens"]));
            }
            let (body, kind) = (
                &operation["body"],
                match encoding {
                    Encoding::Json => "json",
                    Encoding::Form => "form",
                    Encoding::Multipart => "upload",
                },
            );
            if body["as"] != kind {
                breaches.push(format!("{}: {} takes {}, not {kind}", object.name, call.path, body["as"]));
            }
            // A form of its own and a path that names fields say where they go.
            let placed = |field: &str| !call.forms.is_empty() || call.path.contains(&format!("{{{field}}}"));
            let taken = |field: &str| placed(field) || body["fields"].get(written(object, field)).is_some();
            for field in fields.iter().filter(|field| !taken(field)) {
                breaches.push(format!("{}: {} does not take {field}", object.name, call.path));
            }
            let formed = !call.forms.is_empty();
            let wanted = body["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            // The contents of an upload are always sent, under this name.
            let wanted = wanted.filter(|field| !(encoding == Encoding::Multipart && ["file", "data"].contains(field)));
            for field in wanted.filter(|field| !formed && !required.contains(field)) {
                breaches.push(format!("{}: {} requires {field}", object.name, call.path));
            }
        }
        if let Some(call) = object.delete {
            let operation = contract.find(method(&call), call.version, call.path);
            if operation.is_none_or(|operation| operation["tokens"] != call.price) {
                breaches.push(format!("{}: DELETE {} is not described at {}", object.name, call.path, call.price));
            }
        }
    });
}

#[test]
fn every_field_that_the_service_takes_is_one_a_restore_may_send() {
    // Each exception with its reason.
    let kept_back = [
        ("deals", "is_deleted", "sent by the undelete form alone"),
        ("archivedDeals", "is_deleted", "sent by the undelete form alone"),
        ("organizationRelationships", "org_id", "only says from which side the answer is seen"),
        ("personPictures", "crop_x", "what is uploaded is a square"),
        ("personPictures", "crop_y", "what is uploaded is a square"),
        ("personPictures", "crop_width", "what is uploaded is a square"),
        ("personPictures", "crop_height", "what is uploaded is a square"),
        ("legacyTeams", "deleted_flag", "sent by deletion and undelete alone"),
        ("rolePipelines", "visible_pipeline_ids", "the form of the body"),
        ("activities", "person_id", "v2 takes it from the primary participant"),
        ("projects", "template_id", "a template would make its tasks beside those that come back"),
        ("archivedProjects", "template_id", "a template would make its tasks beside those that come back"),
        ("tasks", "assignee_id", "assignee_ids says it as well"),
    ];
    each(|contract, object, breaches| {
        for write in [object.create, object.update].into_iter().flatten() {
            let Some(operation) = contract.find(method(&write.call), write.call.version, write.call.path) else {
                return;
            };
            let taken = operation["body"]["fields"].as_object().into_iter().flat_map(|fields| fields.keys());
            for field in taken.filter(|field| !["custom_fields", "file", "data"].contains(&field.as_str())) {
                let excused = kept_back.iter().any(|(name, kept, _)| *name == object.name && kept == field);
                if !write.fields.iter().any(|own| written(object, own) == field) && !excused {
                    breaches.push(format!("{}: {} takes {field}, which is not sent", object.name, write.call.path));
                }
            }
        }
    });
}

#[test]
fn every_field_that_the_service_returns_has_its_place() {
    each(|contract, object, breaches| {
        // Answers that are no rows as they are: `account/shape.rs` makes the rows, and its tests say which.
        if object.rows != Rows::Plain || matches!(object.listing, Listing::Within { .. }) {
            return;
        }
        let derived = matches!(object.listing, Listing::Derived { .. });
        let Some(operation) = contract.find("GET", object.version, object.path).filter(|_| !derived) else { return };
        if let Some(member) = object.wrapped {
            // The description names the wrapping only; what is within is a mail message like others.
            if operation["returned"].get(member).is_none() {
                breaches.push(format!("{}: rows have no {member}", object.name));
            }
            return;
        }
        let returned = operation["returned"].as_object().into_iter().flat_map(|fields| fields.keys());
        let keys = match object.key {
            KeyIn::Field(field) | KeyIn::ParentAnd(field) => [field, field],
            KeyIn::Both { parent, own } => [parent, own],
            // Told by fields of the row that are checked as such, or by the whole of it.
            KeyIn::ParentAndAll(_) | KeyIn::ParentAndDigest => ["", ""],
        };
        for field in returned.map(String::as_str).filter(|field| *field != "custom_fields") {
            let written = object.writable().any(|own| own == field);
            let known = written || object.computed.contains(&field) || object.volatile.contains(&field);
            if !known && !keys.contains(&field) {
                breaches.push(format!("{}.{field} is neither writable nor computed nor volatile", object.name));
            }
        }
    });
}

#[test]
fn custom_fields_are_taken_where_the_catalogue_says_so() {
    each(|contract, object, breaches| {
        let Some(write) = object.create.filter(|_| object.custom.is_some()) else { return };
        let nested = object.custom.is_some_and(|custom| custom.shape == pdbak::catalogue::Shape::Nested);
        let operation = contract.find(method(&write.call), write.call.version, write.call.path);
        let taken = operation.is_some_and(|operation| operation["body"]["fields"].get("custom_fields").is_some());
        if nested != taken {
            breaches.push(format!("{}: custom fields nested: {nested}, taken so: {taken}", object.name));
        }
    });
}
