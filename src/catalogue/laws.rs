//! The laws of the table. Each names the guilty row.

use std::collections::BTreeSet;

use super::order::must_follow;
use super::*;

/// Panics with all breaches at once, each naming its row.
fn no_breach(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

fn known(name: &str) -> bool {
    ALL.iter().any(|object| object.name == name)
}

fn each(law: impl Fn(&'static Object, &mut Vec<String>)) {
    let mut breaches = Vec::new();
    for object in ALL {
        law(object, &mut breaches);
    }
    no_breach(breaches);
}

#[test]
fn names_are_unique_and_well_formed() {
    let mut seen = BTreeSet::new();
    each(|object, breaches| {
        let name = object.name;
        if !name.starts_with(|first: char| first.is_ascii_lowercase())
            || !name.bytes().all(|byte| byte.is_ascii_alphabetic())
        {
            breaches.push(format!("`{name}` is not a word as in the service's paths"));
        }
    });
    for object in ALL {
        assert!(seen.insert(object.name.to_ascii_lowercase()), "`{}` stands twice in ALL", object.name);
    }
}

#[test]
fn an_object_is_found_by_either_of_its_names() {
    each(|object, breaches| {
        for name in [ObjectName::known(object.name).title(), object.name.to_owned()] {
            if find(&ObjectName::new(&name)).map(|found| found.name) != Some(object.name) {
                breaches.push(format!("`{name}` does not find {}", object.name));
            }
        }
    });
    assert!(find(&ObjectName::new("nonsense")).is_none());
}

#[test]
fn every_object_that_an_entry_names_exists() {
    each(|object, breaches| {
        let mut named: Vec<(&str, &str)> = object.parents().iter().map(|parent| ("parents", *parent)).collect();
        for reference in object.references {
            match reference.to {
                Target::Record(objects) => named.extend(objects.iter().map(|object| (reference.field, *object))),
                Target::Named { object, .. } => named.push((reference.field, object)),
                Target::Choice { fields, .. } => named.push((reference.field, fields)),
                Target::Typed(types) => named.extend(types.iter().map(|(_, object)| (reference.field, *object))),
                Target::Conditions => {}
            }
        }
        named.extend(object.twin.map(|twin| ("twin", twin)));
        named.extend(object.custom.map(|custom| ("custom", custom.fields)));
        named.extend(object.contents.map(|contents| ("contents", contents.object)));
        if let Listing::Derived { from } | Listing::Within { from, .. } = object.listing {
            named.push(("listing", from));
        }
        for (place, name) in named.into_iter().filter(|(_, name)| !known(name)) {
            breaches.push(format!("{}.{place} points to `{name}`, which is not in ALL", object.name));
        }
    });
}

#[test]
fn parents_and_first_homes_are_read_before_what_needs_them() {
    let place = |name: &str| ALL.iter().position(|object| object.name == name);
    each(|object, breaches| {
        for parent in object.parents() {
            if place(parent) >= place(object.name) {
                breaches.push(format!("{} is read before its parent `{parent}`", object.name));
            }
        }
        if let Listing::Derived { from } | Listing::Within { from, .. } = object.listing
            && place(from) >= place(object.name)
        {
            breaches.push(format!("{} is read before `{from}`, whose contents it holds", object.name));
        }
    });
}

#[test]
fn what_is_pointed_to_at_creation_is_created_first_and_there_is_no_circle() {
    let order = in_restore_order();
    let mut breaches = Vec::new();
    for (at, later) in order.iter().enumerate() {
        for earlier in order[at + 1..].iter().filter(|earlier| must_follow(later, earlier)) {
            breaches.push(format!("{} is created before `{}`, which it points to", later.name, earlier.name));
        }
    }
    no_breach(breaches);
    assert_eq!(order.len(), ALL.iter().filter(|object| object.create.is_some()).count());
    assert_eq!(order.last().map(|object| object.name), Some("webhooks"));
}

#[test]
fn a_restore_goes_from_people_and_roads_to_deals_to_what_hangs_on_them() {
    let order: Vec<&str> = in_restore_order().iter().map(|object| object.name).collect();
    assert_eq!(
        order.join(" "),
        "users permissionSetsAssignments roles roleSettings roleAssignments legacyTeams productFields pipelines stages \
         dealFields personFields organizationFields projectFields rolePipelines activityTypes leadLabels organizations \
         persons products deals leads projectBoards archivedDeals archivedLeads projectPhases projects archivedProjects \
         tasks activities callLogs notes files organizationFollowers personFollowers organizationRelationships \
         productFollowers productVariations personPictures productImages dealProducts dealDiscounts dealInstallments \
         dealFollowers dealParticipants noteComments subscriptions filters goals webhooks"
    );
}

#[test]
fn the_matrix_and_the_calls_agree() {
    each(|object, breaches| {
        let pairs = [
            ("create", object.create.is_some(), object.dml.insert),
            ("update", object.update.is_some(), object.dml.update),
            ("delete", object.delete.is_some(), object.dml.delete),
        ];
        for (call, has, may) in pairs.into_iter().filter(|(_, has, may)| has != may) {
            breaches.push(format!("{}: {call} is there: {has}, allowed: {may}", object.name));
        }
        if !object.undelete.is_empty() && !object.dml.insert {
            breaches.push(format!("{} may come back from deletion, but may not be inserted", object.name));
        }
        if object.create.is_some() && matches!(object.restore, Restore::ByHand(_)) {
            breaches.push(format!("{} has a call to create and is said to be made by hand", object.name));
        }
        if object.create.is_none() && object.restore == Restore::Recreate {
            breaches.push(format!("{} is said to be made again and has no call for it", object.name));
        }
    });
}

#[test]
fn what_a_call_requires_it_also_takes() {
    each(|object, breaches| {
        for write in [object.create, object.update].into_iter().flatten() {
            for field in write.required.iter().filter(|field| !write.fields.contains(field)) {
                breaches.push(format!("{}.{field} is required by {} and not taken", object.name, write.call.path));
            }
        }
    });
}

#[test]
fn a_field_is_either_written_or_computed_or_volatile() {
    each(|object, breaches| {
        let writable: Vec<&str> = object.writable().collect();
        let groups = [("writable", &writable[..]), ("computed", object.computed), ("volatile", object.volatile)];
        for (at, (name, fields)) in groups.iter().enumerate() {
            for (other, others) in &groups[at + 1..] {
                for field in fields.iter().filter(|field| others.contains(field)) {
                    breaches.push(format!("{}.{field} is {name} and {other}", object.name));
                }
            }
            let unique: BTreeSet<_> = fields.iter().collect();
            if unique.len() != fields.len() {
                breaches.push(format!("{}: a field stands twice among the {name} ones", object.name));
            }
        }
    });
}

#[test]
fn keys_and_references_and_nested_ids_are_fields_of_the_record() {
    each(|object, breaches| {
        let is_field = |field: &str| object.writable().any(|own| own == field) || object.computed.contains(&field);
        let keys = match object.key {
            KeyIn::Field(field) | KeyIn::ParentAnd(field) => vec![field],
            KeyIn::ParentAndAll(fields) => fields.to_vec(),
            KeyIn::ParentAndDigest => Vec::new(),
            KeyIn::Both { parent, own } => vec![parent, own],
        };
        let references = object.references.iter().map(Reference::top);
        for field in keys.into_iter().chain(references).chain(object.nested.iter().copied()) {
            if !is_field(field) {
                breaches.push(format!("{}.{field} is neither writable nor computed", object.name));
            }
        }
        for reference in object.references {
            let created = object.create.is_some_and(|write| write.fields.contains(&reference.top()));
            if created != (reference.when == When::AtCreate) {
                breaches
                    .push(format!("{}.{} is said to be written {:?}", object.name, reference.field, reference.when));
            }
        }
    });
}

/// Whether contents are fetched from an address in a row instead of a call.
fn at_an_address(contents: &Object) -> bool {
    let of = ALL.iter().filter_map(|object| object.contents).find(|one| one.object == contents.name);
    of.is_some_and(|of| of.at.is_some())
}

#[test]
fn prices_and_limits_are_positive() {
    each(|object, breaches| {
        let free = matches!(object.listing, Listing::Derived { .. }) && at_an_address(object);
        let mut prices = if free { Vec::new() } else { vec![("list", object.price)] };
        prices.extend(object.single.map(|single| ("single", single.price)));
        let metered = object.contents.filter(|contents| contents.at.is_none());
        prices.extend(metered.map(|contents| ("contents", contents.price)));
        prices.extend(object.extended.iter().map(|extended| (extended.name, extended.price)));
        prices.extend(
            [object.create, object.update].into_iter().flatten().map(|write| (write.call.path, write.call.price)),
        );
        prices.extend(object.delete.into_iter().chain(object.archive).map(|call| (call.path, call.price)));
        prices.extend(object.undelete.iter().map(|form| (form.call.path, form.call.price)));
        for (place, _) in prices.into_iter().filter(|(_, price)| *price == 0) {
            breaches.push(format!("{}: {place} costs nothing", object.name));
        }
        let paging = match object.listing {
            Listing::Flat(paging) | Listing::Under { paging, .. } | Listing::Bulk { paging, .. } => paging,
            Listing::Derived { .. } | Listing::Within { .. } => Paging::Whole,
        };
        if matches!(paging, Paging::Cursor { limit: 0 } | Paging::Offset { limit: 0 }) {
            breaches.push(format!("{} has pages of no rows", object.name));
        }
        if matches!(object.listing, Listing::Bulk { batch: 0, .. }) {
            breaches.push(format!("{} takes no parents at once", object.name));
        }
    });
}

#[test]
fn every_path_has_the_places_its_ids_go_to() {
    each(|object, breaches| {
        let mut expect = |path: &str, parent: bool, id: bool| {
            if !path.starts_with('/') || path.contains("{parent}") != parent || path.contains("{id}") != id {
                breaches.push(format!("{}: {path} does not hold the ids it is called with", object.name));
            }
        };
        let under = matches!(object.listing, Listing::Under { .. });
        // What a row is known by may stand in the body instead, or its path name fields of the row.
        let said = |call: &Call, fields: &[&str]| {
            let own = matches!(object.key, KeyIn::Both { own, .. } if fields.contains(&own));
            own || !call.forms.is_empty() || fields.iter().any(|field| call.path.contains(&format!("{{{field}}}")))
        };
        let addressed = !matches!(object.key, KeyIn::Field(_));
        object.archive.iter().for_each(|call| expect(call.path, addressed, true));
        let asked = object.query.iter().any(|(_, value)| *value == "{parent}");
        let derived = matches!(object.listing, Listing::Derived { .. });
        let elsewhere = derived && at_an_address(object);
        expect(object.path, under && !asked || elsewhere, derived && !elsewhere);
        object.single.iter().for_each(|single| expect(single.path, addressed, true));
        object.extended.iter().for_each(|extended| expect(extended.path, false, true));
        let fetched = object.contents.iter().filter(|contents| contents.at.is_none());
        fetched.for_each(|contents| expect(contents.path, false, true));
        object.create.iter().for_each(|write| expect(write.call.path, addressed, false));
        object.update.iter().for_each(|write| expect(write.call.path, addressed, !said(&write.call, write.required)));
        let named = |call: &Call| call.path.ends_with("/{id}") || !said(call, &[]) && !object.is_single();
        object.delete.iter().for_each(|call| expect(call.path, addressed, named(call)));
        object.undelete.iter().for_each(|form| expect(form.call.path, addressed, true));
    });
}

#[test]
fn every_form_of_a_body_is_json_and_names_fields_of_the_row() {
    each(|object, breaches| {
        let calls = [object.create, object.update].into_iter().flatten().map(|write| write.call).chain(object.delete);
        for call in calls {
            let known = |name: &str| object.writable().any(|field| field == name) || object.computed.contains(&name);
            for form in call.forms {
                if serde_json::from_str::<serde_json::Value>(form).is_err() {
                    breaches.push(format!("{}: {form} is no JSON", object.name));
                }
                let names = form.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
                let words = |name: &&str| {
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                };
                for name in names.filter(words).filter(|name| !known(name)) {
                    breaches.push(format!("{}: {form} names {name}, which is no field", object.name));
                }
            }
        }
    });
}

#[test]
fn every_way_of_listing_occurs() {
    let has = |wanted: fn(&Object) -> bool| ALL.iter().any(|object| wanted(object));
    let flat =
        |object: &Object, wanted: fn(Paging) -> bool| matches!(object.listing, Listing::Flat(paging) if wanted(paging));
    assert!(ALL.iter().any(|object| flat(object, |paging| paging == Paging::Whole)), "whole");
    assert!(ALL.iter().any(|object| flat(object, |paging| matches!(paging, Paging::Cursor { .. }))), "cursor");
    assert!(ALL.iter().any(|object| flat(object, |paging| matches!(paging, Paging::Offset { .. }))), "offset");
    assert!(has(|object| matches!(object.listing, Listing::Under { counter: Some(_), .. })), "counted children");
    assert!(has(|object| matches!(object.listing, Listing::Under { counter: None, .. })), "uncounted children");
    assert!(has(|object| matches!(object.listing, Listing::Bulk { .. })), "bulk");
    assert!(has(|object| matches!(object.listing, Listing::Derived { .. })), "derived");
    assert!(has(|object| !object.extended.is_empty()), "extended");
    assert!(has(|object| matches!(object.listing, Listing::Within { .. })), "within");
    assert!(has(|object| !object.questions.is_empty()), "several questions");
}

#[test]
fn a_parent_s_counter_is_asked_for_and_left_out_of_the_archive() {
    each(|object, breaches| {
        let counter = match object.listing {
            Listing::Under { counter, .. } | Listing::Bulk { counter, .. } => counter.or(object.gate),
            Listing::Flat(_) | Listing::Derived { .. } | Listing::Within { .. } => None,
        };
        let Some(counter) = counter else { return };
        for parent in object.parents().iter().filter_map(|name| find(&ObjectName::new(name))) {
            let asked = parent
                .query
                .iter()
                .any(|(name, value)| *name == "include_fields" && value.split(',').any(|field| field == counter));
            // One that every row shows is a field like others: mail threads.
            let shown = parent.computed.contains(&counter);
            if !shown && (!asked || !parent.volatile.contains(&counter)) {
                breaches.push(format!("{}: `{}` must be asked for {counter} and drop it", object.name, parent.name));
            }
        }
    });
}

#[test]
fn parts_and_owners_are_fields_of_the_record_and_only_flat_lists_have_parts() {
    each(|object, breaches| {
        let named = object.parts.map(|parts| parts.field).into_iter().chain(object.own.map(|own| own.field));
        let held = |field: &str| object.computed.contains(&field) || object.writable().any(|own| own == field);
        for field in named.filter(|field| !held(field)) {
            breaches.push(format!("{}.{field} is not a field of the record", object.name));
        }
        let flat = matches!(object.listing, Listing::Flat(Paging::Offset { .. }));
        if (object.parts.is_some() || object.newest_first) && !(flat && object.since.is_none()) {
            breaches.push(format!("{} is read in a way that is known of flat offset lists only", object.name));
        }
        if object.extended.iter().flat_map(|one| one.fields).any(|field| !object.computed.contains(field))
            && object.dml == Dml::NOTHING
        {
            breaches.push(format!("{} does not name what its extended requests bring", object.name));
        }
    });
}

#[test]
fn twins_name_each_other_and_share_their_calls() {
    each(|object, breaches| {
        let Some(twin) = object.twin.and_then(|name| find(&ObjectName::new(name))) else { return };
        let same = twin.twin == Some(object.name)
            && (twin.create, twin.update, twin.delete) == (object.create, object.update, object.delete)
            && (twin.undelete, twin.archive, twin.flags) == (object.undelete, object.archive, object.flags)
            && twin.single == object.single
            && (twin.volatile, twin.computed, twin.key) == (object.volatile, object.computed, object.key);
        if !same {
            breaches.push(format!("{} and its twin `{}` differ in more than their list", object.name, twin.name));
        }
    });
}

#[test]
fn contents_are_kept_under_the_object_they_belong_to() {
    each(|object, breaches| {
        let Some(contents) = object.contents else { return };
        let kept = find(&ObjectName::new(contents.object));
        if !kept
            .is_some_and(|kept| kept.listing == Listing::Derived { from: object.name } && kept.path == contents.path)
        {
            breaches.push(format!("{}.contents and `{}` do not belong together", object.name, contents.object));
        }
    });
}

#[test]
fn every_entry_says_where_it_was_read_and_what_a_restore_cannot_do() {
    each(|object, breaches| {
        if !object.evidence.contains("api/objects.md") || !object.evidence.contains("2026-") {
            breaches.push(format!("{} does not say where it was read and when", object.name));
        }
        if object.limits.is_empty() || object.limits.ends_with('.') {
            breaches.push(format!("{} does not say what a restore cannot bring back", object.name));
        }
    });
}
