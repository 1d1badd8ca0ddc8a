//! What an account may answer one day: refusals, and answers that no service should give. Each is told by the program, deletes nothing in
//! the archive, and is over when the account is itself again.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::capture::ids;
use super::custom_values::{Field, custom_fields};
use super::restore_settings::make_filters;
use crate::support::{Forged, Output, World, assert_holds_the_truth};

fn world(records: u64) -> World {
    let world = World::of(records);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    world
}

/// Takes a snapshot that has to be without gaps.
fn whole(world: &World) -> Value {
    let output = world.pdbak(&["snapshot", "--json"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    output.json()
}

/// Nothing of any object was deleted by the snapshot.
fn assert_nothing_is_deleted(output: &Output) {
    let told = output.json();
    for (object, seen) in told["objects"].as_object().unwrap_or_else(|| panic!("{}", output.stderr)) {
        assert_eq!(seen["deleted"], 0, "{object}");
    }
}

/// The account is itself again, and so is the newest snapshot.
fn assert_is_over(world: &World) {
    whole(world);
    let manifest = world.archive().snapshots().expect("snapshots").pop().expect("one");
    assert_holds_the_truth(world, &manifest);
}

/// The answer with other rows; `None` for an answer that is no page.
fn with_rows(answer: &str, edit: impl FnOnce(&mut Vec<Value>)) -> Option<Forged> {
    let mut answer: Value = serde_json::from_str(answer).ok()?;
    edit(answer["data"].as_array_mut()?);
    Some(Forged::Text(answer.to_string()))
}

#[test]
fn what_the_plan_or_the_rights_do_not_include_is_told_once_as_a_gap_and_deletes_nothing() {
    for status in [402, 403, 404, 410, 415] {
        let world = world(300);
        let first = whole(&world);
        let paths = ["/api/v1/goals/find", "/api/v2/products", "/api/v1/leads", "/api/v2/deals/installments"];
        let orders: Vec<String> = paths.iter().map(|path| format!("GET {path} times=1000 status={status}")).collect();
        world.order(&orders.iter().map(String::as_str).collect::<Vec<_>>());
        let told = world.pdbak(&["snapshot"]);
        assert_eq!(told.code, 3, "{status}: {}", told.stdout);
        for title in ["Goals", "Products", "Leads", "ProductFollowers"] {
            let line = told.stdout.lines().find(|line| line.trim_start().starts_with(&format!("{title}: ")));
            assert!(line.is_some_and(|line| line.contains("not offered")), "{status} {title}: {}", told.stdout);
        }
        assert!(told.stdout.contains("it was offered before: what it had then is carried over"), "{}", told.stdout);
        let next = world.pdbak(&["snapshot", "--json"]);
        assert_nothing_is_deleted(&next);
        for object in ["Goals", "Products", "Leads", "ProductFollowers", "DealInstallments"] {
            let (before, now) = (&first["objects"][object], &next.json()["objects"][object]);
            assert_eq!(now["records"], before["records"], "{status} {object}");
        }
        // Told once; afterwards the coverage says it.
        assert_eq!(next.code, 0, "{status}: {}", next.stdout);
        assert!(world.pdbak(&["show", "latest"]).stdout.contains(&format!("not offered ({status}: ")), "{status}");
        world.clear_faults();
        assert_is_over(&world);
    }
}

#[test]
fn a_login_that_may_see_nothing_makes_no_snapshot() {
    let world = world(200);
    let refuse = ["GET /api/v2/* times=100000 status=403", "GET /api/v1/* after=1 times=100000 status=403"];
    for snapshots in [0, 1] {
        world.order(&refuse);
        let told = world.pdbak(&["snapshot"]);
        assert_eq!(told.code, 1, "{}", told.stdout);
        assert!(told.stderr.contains("none of its lists is offered to this login (403: "), "{}", told.stderr);
        assert!(told.stderr.contains("pdbak doctor"), "{}", told.stderr);
        assert_eq!(world.archive().snapshots().expect("snapshots").len(), snapshots);
        world.clear_faults();
        assert_is_over(&world);
    }
    // One that loses its rights in the middle fails, and goes on when it has them again.
    world.call("DELETE", &format!("/api/v2/persons/{}", ids(&world, "Persons")[0]), None);
    world.order(&["GET /api/v2/persons times=1000 status=401"]);
    let told = world.pdbak(&["snapshot"]);
    assert_eq!((told.code, told.stderr.contains("401") || told.stderr.contains("token")), (1, true), "{}", told.stderr);
    world.clear_faults();
    assert_is_over(&world);
}

#[test]
fn a_parent_that_vanishes_between_its_list_and_its_children_costs_nobody_else_a_child() {
    let world = world(600);
    whole(&world);
    let judge = world.judge();
    let follower = &judge["DealFollowers"].as_array().expect("followers")[0];
    let deal = follower["deal_id"].as_u64().expect("a number");
    // The deal was edited, so its followers are asked for; it is deleted before they are.
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "on its way out"})));
    let done = AtomicBool::new(false);
    let url = world.forged(move |request, _| {
        let lists_deals = request.starts_with("GET /api/v2/deals?") && !done.swap(true, Ordering::SeqCst);
        lists_deals.then(|| Forged::Meanwhile(hyper::Method::DELETE, format!("/api/v2/deals/{deal}")))
    });
    let told = world.pdbak_at(&url, &["snapshot"]);
    assert!(matches!(told.code, 0 | 3), "{}{}", told.stdout, told.stderr);
    if told.code == 3 {
        assert!(told.stdout.contains(&format!("under {deal}: the parent is gone")), "{}", told.stdout);
    }
    assert_is_over(&world);
}

#[test]
fn a_list_that_shifts_while_it_is_read_loses_nobody_but_the_deleted() {
    let world = world(8_000);
    let notes = ids(&world, "Notes");
    assert!(notes.len() > 500, "{} notes are one page", notes.len());
    let gone: Vec<u64> = notes.iter().copied().take(5).collect();
    let left = std::sync::Mutex::new(gone.clone());
    // One of the first is deleted before each page arrives, so that every later one moves up.
    let url = world.forged(move |request, _| {
        let lists_notes = request.starts_with("GET /api/v1/notes?");
        let note = left.lock().expect("nobody panics with it").pop().filter(|_| lists_notes)?;
        Some(Forged::Meanwhile(hyper::Method::DELETE, format!("/v1/notes/{note}")))
    });
    let told = world.pdbak_at(&url, &["snapshot"]);
    assert_eq!(told.code, 0, "{}", told.stdout);
    let listed = world.pdbak(&["ls", "latest", "Notes", "--json"]).stdout;
    let seen: Vec<u64> =
        listed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?["record"]["id"].as_u64()).collect();
    for note in notes.iter().filter(|note| !gone.contains(note)) {
        assert!(seen.contains(note), "{note} is missing: {} of {}", seen.len(), notes.len());
    }
    assert_is_over(&world);
}

#[test]
fn html_with_a_status_of_success_is_no_empty_list() {
    for kind in ["text/html", "application/json"] {
        let world = world(300);
        whole(&world);
        let url = world.forged(move |request, _| {
            let hit = ["GET /api/v2/persons?", "GET /api/v1/notes?", "GET /api/v1/users"];
            hit.iter().any(|start| request.starts_with(start) && !request.contains("/me")).then_some(Forged::Html(kind))
        });
        let told = world.pdbak_at(&url, &["snapshot"]);
        assert_eq!(told.code, 3, "{}", told.stdout);
        assert!(told.stdout.contains("Persons: part: garbled answer: an HTML page instead of JSON"), "{}", told.stdout);
        assert_nothing_is_deleted(&world.pdbak_at(&url, &["snapshot", "--json"]));
        assert_is_over(&world);
    }
}

#[test]
fn rows_that_are_no_records_are_gaps_and_delete_nothing() {
    // An id of another kind, and values that nothing could read again.
    let members = [
        "\"id\":-4".to_owned(),
        "\"id\":1.5".to_owned(),
        "\"id\":1e3".to_owned(),
        "\"id\":99999999999999999999999".to_owned(),
        "\"id\":true".to_owned(),
        "\"id\":\"\"".to_owned(),
        "\"id\":[1]".to_owned(),
        "\"zz\":1e999".to_owned(),
        format!("\"zz\":{}{}", "[".repeat(50_000), "]".repeat(50_000)),
    ];
    let lists = ["GET /api/v2/persons?", "GET /api/v1/files?", "GET /api/v1/leadLabels"];
    for three in members.chunks(lists.len()) {
        let world = world(150);
        whole(&world);
        let hits: Vec<(&str, String)> = lists.into_iter().zip(three.iter().cloned()).collect();
        let url = world.forged(move |request, answer| {
            let (_, member) = hits.iter().find(|(start, _)| request.starts_with(start))?;
            with_last(answer, member)
        });
        let told = world.pdbak_at(&url, &["snapshot", "--json"]);
        let shown: Vec<String> = three.iter().map(|member| member.chars().take(40).collect()).collect();
        assert_eq!(told.code, 3, "{shown:?}: {}{}", told.stdout, told.stderr);
        assert_nothing_is_deleted(&told);
        assert_eq!(told.stdout.matches("row 1 of page 1 has ").count(), three.len(), "{shown:?}: {}", told.stdout);
        assert_is_over(&world);
    }
}

/// The page whose first row has this member as its last: of a repeated member the last counts.
fn with_last(answer: &str, member: &str) -> Option<Forged> {
    let rows = answer.find("\"data\":[{")? + "\"data\":[".len();
    let mut stream = serde_json::Deserializer::from_str(&answer[rows..]).into_iter::<Value>();
    stream.next()?.ok()?;
    let end = rows + stream.byte_offset() - 1;
    Some(Forged::Text(format!("{},{member}{}", &answer[..end], &answer[end..])))
}

#[test]
fn odd_values_are_kept_as_they_came_and_read_by_every_command() {
    let world = world(300);
    whole(&world);
    let deal = ids(&world, "Deals")[0];
    let huge = "x".repeat(10 << 20);
    let nested = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    // A number that no float holds, half a letter, flags and links of any type, 10 MB of text.
    let odd = format!(
        "\"zz_number\":123456789012345678901234567890.125,\"zz_half\":\"cut \\ud83d\",\"zz_nested\":{nested},\
         \"content\":{{\"not\":\"a text\"}},\"deal_id\":\"12abc\",\"pinned_to_deal_flag\":\"maybe\""
    );
    let huge = format!("{odd},\"zz_huge\":\"{huge}\"");
    let url = world.forged(move |request, answer| match request {
        _ if request.starts_with("GET /api/v1/notes?") => with_last(answer, &huge),
        _ if request.starts_with("GET /api/v2/deals?") => with_last(answer, &odd),
        _ => None,
    });
    let told = world.pdbak_at(&url, &["snapshot", "--json"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_nothing_is_deleted(&told);
    let got = world.pdbak(&["get", &format!("deals/{deal}"), "--json"]);
    assert_eq!(got.code, 0, "{}", got.stderr);
    assert!(got.stdout.contains("123456789012345678901234567890.125"), "numbers stay as they came");
    for arguments in [
        &["ls", "latest", "Notes"][..],
        &["ls", "latest", "Deals", "--json"],
        &["diff", "latest~1", "latest"],
        &["diff", "latest~1", "latest", "--json"],
        &["get", &format!("deals/{deal}")],
        &["check", "--read-data"],
    ] {
        let output = world.pdbak(arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.stderr);
    }
    // The record is not empty for all that: nothing but what was odd has changed.
    let changed = world.pdbak(&["diff", "latest~1", "latest", "--record", &format!("deals/{deal}"), "--json"]);
    let changed: Value = serde_json::from_str(changed.stdout.trim()).expect("one change");
    let known = ["zz_number", "zz_half", "zz_nested", "content", "deal_id", "pinned_to_deal_flag"];
    for field in changed["fields"].as_object().expect("fields").keys() {
        assert!(known.iter().any(|known| field.starts_with(known)), "{field}");
    }
    // And a way back to it clears nothing.
    let plan = world.pdbak(&["restore", "latest", "--record", &format!("deals/{deal}"), "--dry-run"]);
    assert!(matches!(plan.code, 0 | 5), "{}", plan.stderr);
    assert!(!plan.stdout.contains("clear"), "{}", plan.stdout);
    assert_is_over(&world);
}

#[test]
fn an_id_that_is_a_text_today_is_the_same_record() {
    let world = world(300);
    let first = whole(&world);
    let url = world.forged(|request, answer| {
        let hit = ["GET /api/v2/persons?", "GET /api/v1/notes?"].iter().any(|start| request.starts_with(start));
        hit.then(|| with_rows(answer, |rows| rows.iter_mut().for_each(|row| row["id"] = json!(row["id"].to_string()))))?
    });
    // A walk over the whole list, which would see what is gone.
    let told = world.pdbak_at(&url, &["snapshot", "--full", "--json"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_nothing_is_deleted(&told);
    for object in ["Persons", "Notes"] {
        assert_eq!(told.json()["objects"][object]["records"], first["objects"][object]["records"], "{object}");
        assert_eq!(told.json()["objects"][object]["new"], 0, "{object}");
    }
    assert_is_over(&world);
}

#[test]
fn of_rows_with_one_id_in_one_list_the_last_counts() {
    let world = world(300);
    let person = ids(&world, "Persons")[0];
    let url = world.forged(|request, answer| {
        request.starts_with("GET /api/v2/persons?").then(|| {
            with_rows(answer, |rows| {
                let mut twin = rows[0].clone();
                twin["name"] = json!("Twin");
                rows.insert(1, twin);
            })
        })?
    });
    let told = world.pdbak_at(&url, &["snapshot", "--json"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_eq!(told.json()["objects"]["Persons"]["records"], json!(ids(&world, "Persons").len()));
    assert!(world.pdbak(&["get", &format!("persons/{person}")]).stdout.contains("Twin"));
    let next = world.pdbak(&["snapshot", "--full", "--json"]);
    assert_eq!(next.json()["objects"]["Persons"]["changed"], 1);
    assert_is_over(&world);
}

/// The first custom field of deals of a type, and a living deal with a value in it.
fn with_value(world: &World, kind: &str) -> (Field, u64) {
    let field = custom_fields(world, "dealFields").into_iter().find(|field| field.kind == kind).expect("a field");
    let judge = world.judge();
    let mut rows = judge["Deals"].as_array().expect("deals").iter();
    let row = rows.find(|row| {
        let living = row["is_deleted"] == false && row["is_archived"] == false;
        living && !row["custom_fields"][&field.code].is_null()
    });
    let id = row.expect("a deal with a value")["id"].as_u64().expect("a number");
    (field, id)
}

/// Puts a value in the place of each that the deals have in a field.
fn deals_with(answer: &str, code: &str, value: &Value) -> Option<Forged> {
    with_rows(answer, |rows| {
        for row in rows.iter_mut().filter(|row| !row["custom_fields"][code].is_null()) {
            row["custom_fields"][code] = value.clone();
        }
    })
}

#[test]
fn a_field_of_a_type_that_nobody_knows_is_captured_shown_and_left_alone() {
    let world = world(300);
    let (field, deal) = with_value(&world, "varchar");
    let code = field.code.clone();
    let url = world.forged(move |request, answer| {
        if request.starts_with("GET /api/v2/dealFields?") {
            return with_rows(answer, |rows| {
                let own = rows.iter_mut().find(|row| row["field_code"] == code.as_str());
                own.into_iter().for_each(|row| row["field_type"] = json!("hologram"));
            });
        }
        let lists_deals =
            ["GET /api/v2/deals?", "GET /api/v2/deals/archived?"].iter().any(|start| request.starts_with(start));
        lists_deals.then(|| deals_with(answer, &code, &json!({"beam": [1, {"x": null}]})))?
    });
    let told = world.pdbak_at(&url, &["snapshot", "--json"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let record = format!("deals/{deal}");
    let got = world.pdbak(&["get", &record]);
    assert!(got.code == 0 && got.stdout.contains("beam"), "{}{}", got.stdout, got.stderr);
    world.call("PATCH", &format!("/api/v2/{record}"), Some(&json!({"title": "oops"})));
    assert_eq!(world.pdbak_at(&url, &["snapshot"]).code, 0);
    let diff = world.pdbak(&["diff", "latest~1", "latest"]);
    assert!(diff.code == 0 && diff.stdout.contains("oops"), "{}", diff.stderr);
    // What is as it was is not written: the title alone comes back, and the value stays.
    let value = |world: &World| {
        world.call("GET", &format!("/api/v2/{record}"), None)["data"]["custom_fields"][&field.code].clone()
    };
    let before = value(&world);
    let restored = world.pdbak_at(&url, &["restore", "latest~1", "--record", &record, "--yes"]);
    assert_eq!(restored.code, 0, "{}{}", restored.stdout, restored.stderr);
    assert_ne!(world.call("GET", &format!("/api/v2/{record}"), None)["data"]["title"], "oops");
    assert_eq!(value(&world), before);
}

#[test]
fn an_option_that_does_not_resolve_is_shown_by_its_number_and_never_written() {
    let world = world(300);
    let (field, deal) = with_value(&world, "enum");
    let code = field.code.clone();
    let url = world.forged(move |request, answer| {
        request.starts_with("GET /api/v2/deals?").then(|| deals_with(answer, &code, &json!(987_654_321)))?
    });
    let told = world.pdbak_at(&url, &["snapshot"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let record = format!("deals/{deal}");
    let got = world.pdbak(&["get", &record]);
    assert!(got.code == 0 && got.stdout.contains("987654321"), "{}{}", got.stdout, got.stderr);
    let before = world.call("GET", &format!("/api/v2/{record}"), None)["data"]["custom_fields"].clone();
    let restored = world.pdbak(&["restore", "latest", "--record", &record, "--yes"]);
    assert!(matches!(restored.code, 0 | 5), "{}{}", restored.stdout, restored.stderr);
    assert!(restored.stdout.contains("987654321") || restored.stderr.contains("987654321"), "{}", restored.stdout);
    assert_eq!(world.call("GET", &format!("/api/v2/{record}"), None)["data"]["custom_fields"], before);
    // The forged page was believed; a walk over the honest one mends it.
    world.pdbak(&["snapshot", "--full"]);
    assert_is_over(&world);
}

#[test]
fn a_filter_with_an_operator_that_was_removed_is_captured_and_its_refusal_told() {
    let world = world(300);
    make_filters(&world);
    let url = world.forged(|request, answer| {
        let one = request.starts_with("GET /api/v1/filters/");
        one.then(|| Forged::Text(answer.replace("\"operator\":\"=\"", "\"operator\":\"LIKE '%$'\"")))
    });
    let told = world.pdbak_at(&url, &["snapshot", "--json"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let judge = world.judge();
    let mine = judge["Filters"].as_array().expect("filters").iter().find(|filter| filter["name"] == "Mine");
    let id = mine.expect("it")["id"].clone();
    let got = world.pdbak(&["get", &format!("filters/{id}")]);
    assert!(got.code == 0 && got.stdout.contains("LIKE '%$'"), "{}{}", got.stdout, got.stderr);
    world.call("DELETE", &format!("/v1/filters/{id}"), None);
    let restored = world.pdbak(&["restore", "latest", "--record", &format!("filters/{id}"), "--yes"]);
    assert_eq!(restored.code, 5, "{}{}", restored.stdout, restored.stderr);
    assert!(
        format!("{}{}", restored.stdout, restored.stderr).contains("operator"),
        "{}{}",
        restored.stdout,
        restored.stderr
    );
    // What was forged was believed as long as nobody edited it; a look at everything mends it.
    world.pdbak(&["snapshot", "--full"]);
    assert_is_over(&world);
}
