//! Values that were edited again after the accident: kept, listed, and decided.

use serde_json::{Value, json};

use super::capture::ids;
use crate::support::{Output, World};

/// A world with an archive, and the ids of some deals.
fn world() -> (World, Vec<u64>) {
    let world = World::of(300);
    drop(world.archive());
    let deals = ids(&world, "Deals");
    (world, deals)
}

fn snapshot(world: &World) -> String {
    let taken = world.pdbak(&["snapshot", "--json"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    taken.json()["snapshot"].as_str().expect("an id").to_owned()
}

fn edit(world: &World, deal: u64, fields: Value) {
    world.advance_seconds(5);
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&fields));
}

/// A deal as the judge has it.
fn deal(world: &World, id: u64) -> Value {
    let judge = world.judge();
    let deals = judge["Deals"].as_array().expect("deals");
    deals.iter().find(|row| row["id"] == json!(id)).expect("a deal").clone()
}

fn ran(world: &World, arguments: &[&str], code: i32) -> Output {
    let output = world.pdbak(arguments);
    assert_eq!(output.code, code, "{arguments:?}: {}{}", output.stdout, output.stderr);
    output
}

#[test]
fn a_value_that_was_edited_again_since_the_last_snapshot_is_kept_and_listed() {
    let (world, deals) = world();
    let before = deal(&world, deals[0]);
    let goal = snapshot(&world);
    edit(&world, deals[0], json!({"title": "import", "probability": 7}));
    edit(&world, deals[1], json!({"title": "import"}));
    snapshot(&world);
    edit(&world, deals[0], json!({"title": "by hand"}));

    let plan = ran(&world, &["restore", &goal, "--dry-run", "--json"], 0).json();
    let conflicts = plan["conflicts"].as_array().expect("conflicts");
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    let told = ["record", "field", "between", "account", "winner"].map(|name| conflicts[0][name].clone());
    let record = format!("deals/{}", deals[0]);
    assert_eq!(told, [json!(record), json!("title"), json!("import"), json!("by hand"), json!("account")]);
    let shown = ran(&world, &["restore", &goal, "--dry-run"], 0).stdout;
    assert!(shown.contains("conflict     edited again since, kept as they are"), "{shown}");

    let report = ran(&world, &["restore", &goal, "--yes", "--json"], 5).json();
    assert_eq!((&report["total"]["conflicts"], &report["total"]["failed"]), (&json!(1), &json!(0)), "{report}");
    assert_eq!(report["total"]["equal"], json!(1), "{report}");
    let after = deal(&world, deals[0]);
    assert_eq!(after["title"], json!("by hand"));
    assert_eq!(after["probability"], before["probability"]);
    assert_ne!(deal(&world, deals[1])["title"], json!("import"));
}

#[test]
fn whoever_says_so_writes_the_snapshots_value_over_the_later_edit() {
    let (world, deals) = world();
    let before = deal(&world, deals[0]);
    let goal = snapshot(&world);
    edit(&world, deals[0], json!({"title": "import"}));
    snapshot(&world);
    edit(&world, deals[0], json!({"title": "by hand"}));
    ran(&world, &["restore", &goal, "--yes", "--ours"], 5);
    assert_eq!(deal(&world, deals[0])["title"], json!("by hand"));
    ran(&world, &["restore", &goal, "--yes", "--theirs"], 0);
    assert_eq!(deal(&world, deals[0])["title"], before["title"]);
}

#[test]
fn without_a_snapshot_in_between_or_after_a_restore_nothing_is_taken_for_a_later_edit() {
    let (world, deals) = world();
    let before = deal(&world, deals[0]);
    let goal = snapshot(&world);
    for title in ["once", "twice", "thrice"] {
        edit(&world, deals[0], json!({"title": title}));
        ran(&world, &["restore", &goal, "--yes"], 0);
        assert_eq!(deal(&world, deals[0])["title"], before["title"]);
    }
}

#[test]
fn just_what_happened_between_two_snapshots_is_undone() {
    let (world, deals) = world();
    let [one, two, three, four, five] = deals[..5] else { panic!("five deals") };
    let before = |id: u64| deal(&world, id);
    edit(&world, four, json!({"title": "early"}));
    let since = snapshot(&world);
    let was = [one, two, three, four, five].map(before);
    edit(&world, one, json!({"title": "import", "value": 1}));
    edit(&world, two, json!({"title": "import"}));
    world.call("DELETE", &format!("/api/v2/deals/{three}"), None);
    let junk = world.call("POST", "/api/v2/organizations", Some(&json!({"name": "Junk"})))["data"]["id"].clone();
    let until = snapshot(&world);
    edit(&world, one, json!({"title": "by hand"}));
    edit(&world, four, json!({"title": "late"}));
    world.call("DELETE", &format!("/api/v2/deals/{five}"), None);
    let later = world.call("POST", "/api/v2/organizations", Some(&json!({"name": "Later"})))["data"]["id"].clone();
    snapshot(&world);

    let arguments = ["restore", "--since", &since, "--until", &until, "--delete-added", "--yes", "--json"];
    let report = ran(&world, &arguments, 5).json();
    assert_eq!((&report["total"]["conflicts"], &report["total"]["failed"]), (&json!(1), &json!(0)), "{report}");
    let now = [one, two, three, four].map(|id| deal(&world, id));
    assert_eq!((&now[0]["title"], &now[0]["value"]), (&json!("by hand"), &was[0]["value"]));
    assert_eq!(now[1]["title"], was[1]["title"]);
    assert_eq!(now[2]["is_deleted"], json!(false));
    // What happened later stays.
    assert_eq!(now[3]["title"], json!("late"));
    assert_eq!(deal(&world, five)["is_deleted"], json!(true));
    let judge = world.judge();
    let organizations = judge["Organizations"].as_array().expect("organizations");
    let gone = |id: &Value| organizations.iter().all(|row| row["id"] != *id || row["is_deleted"] == json!(true));
    assert!(gone(&junk) && !gone(&later));
    // The same once more has nothing to do but to say what it keeps.
    let plan = ran(&world, &[&arguments[..6], &["--dry-run", "--json"]].concat(), 0).json();
    assert_eq!(plan["steps"], json!([]), "{plan}");
}

#[test]
fn the_end_of_what_is_undone_comes_after_its_beginning() {
    let (world, _) = world();
    let (since, until) = (snapshot(&world), snapshot(&world));
    let refused = ran(&world, &["restore", "--since", &until, "--until", &since], 2);
    assert!(refused.stderr.contains("is not later than"), "{}", refused.stderr);
    ran(&world, &["restore", "--since", &since], 2);
}

#[test]
fn one_field_by_its_name_or_key_comes_back_and_nothing_else() {
    let (world, deals) = world();
    let before = deal(&world, deals[0]);
    let goal = snapshot(&world);
    edit(&world, deals[0], json!({"title": "oops", "probability": 7}));
    world.call("DELETE", &format!("/api/v2/deals/{}", deals[1]), None);
    let arguments = ["restore", &goal, "--object", "deals", "--field", "title", "--yes", "--json"];
    let report = ran(&world, &arguments, 0).json();
    assert_eq!((&report["total"]["equal"], &report["total"]["failed"]), (&json!(1), &json!(0)), "{report}");
    let after = deal(&world, deals[0]);
    assert_eq!((&after["title"], &after["probability"]), (&before["title"], &json!(7)));
    assert_eq!(deal(&world, deals[1])["is_deleted"], json!(true));
    ran(&world, &["restore", &goal, "--record", &format!("deals/{}", deals[0]), "--field", "Probability", "--yes"], 0);
    assert_eq!(deal(&world, deals[0])["probability"], before["probability"]);
    let refused = ran(&world, &["restore", &goal, "--object", "deals", "--field", "no such", "--yes"], 2);
    assert!(refused.stderr.contains("no field"), "{}", refused.stderr);
}

#[test]
fn what_one_user_changed_is_undone_where_the_data_tells_and_the_rest_is_said() {
    let (world, deals) = world();
    let note = ids(&world, "Notes")[0];
    let before = deal(&world, deals[0]);
    let goal = snapshot(&world);
    edit(&world, deals[0], json!({"title": "oops"}));
    world.call("PUT", &format!("/v1/notes/{note}"), Some(&json!({"content": "oops"})));
    let judge = world.judge();
    let users = judge["Users"].as_array().expect("users");
    let me = world.call("GET", "/v1/users/me", None)["data"]["id"].clone();
    let other = users.iter().map(|user| &user["id"]).find(|id| **id != me).expect("another user").to_string();
    // Without changelogs a note tells who edited it last, and a deal does not.
    let asked = |user: &str| ran(&world, &["restore", &goal, "--by-user", user, "--dry-run", "--json"], 0).json();
    let plan = asked("me");
    let written: Vec<&Value> =
        plan["steps"].as_array().expect("steps").iter().map(|step| &step["action"]["record"]).collect();
    assert_eq!(written, [&json!(format!("notes/{note}"))], "{plan}");
    let untold = plan["left_out"].as_array().expect("left out").iter();
    let untold: Vec<&Value> = untold.filter(|left| left["field"] == json!("title")).collect();
    assert!(untold[0]["why"].as_str().expect("a text").starts_with("nothing tells who changed it"), "{plan}");
    assert_eq!(asked(&other)["steps"], json!([]));
    ran(&world, &["snapshot", "--changelogs"], 0);
    let until = world
        .pdbak(&["snapshots", "--json"])
        .json()
        .as_array()
        .and_then(|all| all.last())
        .map(|one| one["snapshot"].clone());
    let until = until.expect("a snapshot").as_str().expect("an id").to_owned();
    let window = ["restore", "--since", &goal, "--until", &until, "--by-user"];
    let none = ran(&world, &[&window[..], &[&other, "--dry-run", "--json"]].concat(), 0).json();
    assert_eq!(none["steps"], json!([]), "{none}");
    ran(&world, &[&window[..], &["me", "--yes"]].concat(), 0);
    assert_eq!(deal(&world, deals[0])["title"], before["title"]);
}

#[test]
fn an_edited_plan_may_decide_conflicts_and_take_fields_out_and_nothing_else() {
    let (world, deals) = world();
    let before = deal(&world, deals[0]);
    let goal = snapshot(&world);
    edit(&world, deals[0], json!({"title": "import", "probability": 7}));
    edit(&world, deals[1], json!({"title": "import"}));
    snapshot(&world);
    edit(&world, deals[0], json!({"title": "by hand"}));
    ran(&world, &["restore", &goal, "--plan", "plan.json"], 0);
    let path = world.path("plan.json");
    let plan = std::fs::read_to_string(&path).expect("the plan");
    let mut plan: Value = serde_json::from_str(&plan).expect("JSON");
    let write = |plan: &Value| std::fs::write(&path, plan.to_string()).expect("a file");

    let steps = plan["steps"].as_array().expect("steps").clone();
    let about = |id: u64| {
        let record = json!(format!("deals/{id}"));
        steps.iter().position(|step| step["action"]["record"] == record).expect("a step")
    };
    let mut wrong = plan.clone();
    wrong["steps"][about(deals[1])]["action"]["body"]["title"] = json!({"is": "mine"});
    write(&wrong);
    let refused = ran(&world, &["restore", "--from-plan", "plan.json", "--yes"], 2);
    assert!(refused.stderr.contains("fields can only be taken out"), "{}", refused.stderr);

    // The conflict goes to the snapshot, and the other deal stays as it is.
    plan["conflicts"][0]["winner"] = json!("snapshot");
    plan["steps"].as_array_mut().expect("steps").remove(about(deals[1]));
    write(&plan);
    ran(&world, &["restore", "--from-plan", "plan.json", "--yes"], 0);
    let after = deal(&world, deals[0]);
    assert_eq!((&after["title"], &after["probability"]), (&before["title"], &before["probability"]));
    assert_eq!(deal(&world, deals[1])["title"], json!("import"));
}
