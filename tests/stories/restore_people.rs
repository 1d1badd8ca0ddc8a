//! How people are organised comes back: roles and what belongs to them, teams, goals, permission sets, and the calls of the token's user.

use std::collections::{BTreeMap, BTreeSet};

use pdbak::archive::Coverage;
use pdbak::restore::{Action, Policy, Scope};
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use super::restore::{left, planned, replayed, total};
use crate::support::{World, contents};

/// The living rows of a kind.
fn rows<'j>(judge: &'j Value, kind: &str) -> Vec<&'j Value> {
    let living = |row: &&Value| row["is_deleted"] != json!(true) && row["active_flag"] != json!(false);
    judge[kind].as_array().unwrap_or_else(|| panic!("{kind}")).iter().filter(living).collect()
}

/// What somebody is called: ids differ, names do not.
fn name(judge: &Value, kind: &str, id: &Value, by: &str) -> String {
    let all = judge[kind].as_array().expect("rows");
    all.iter().find(|row| row["id"] == *id).map_or_else(|| format!("{kind} {id}?"), |row| row[by].to_string())
}

fn id_of(judge: &Value, kind: &str, by: &str, wanted: &str) -> u64 {
    let found = rows(judge, kind).into_iter().find(|row| row[by] == json!(wanted));
    found.unwrap_or_else(|| panic!("no {wanted} in {kind}"))["id"].as_u64().expect("a number")
}

/// Roles with their parents, settings, users and pipelines, by their names.
fn roles(judge: &Value) -> BTreeSet<String> {
    let role = |id: &Value| name(judge, "Roles", id, "name");
    let mut told: BTreeSet<String> = rows(judge, "Roles")
        .iter()
        .map(|row| format!("{} under {}", row["name"], role(&row["parent_role_id"])))
        .collect();
    told.extend(
        rows(judge, "RoleSettings")
            .iter()
            .map(|row| format!("{} {} {}", role(&row["role_id"]), row["setting_key"], row["value"])),
    );
    told.extend(
        judge["Users"]
            .as_array()
            .expect("users")
            .iter()
            .map(|row| format!("{} is {}", row["email"], role(&row["role_id"]))),
    );
    let pipeline = |id: &Value| name(judge, "Pipelines", id, "name");
    told.extend(
        rows(judge, "RolePipelines")
            .iter()
            .map(|row| format!("{} sees {}", role(&row["role_id"]), pipeline(&row["pipeline_id"]))),
    );
    told
}

/// A role is deleted, another is edited, one sees what it should not, a pipeline is gone.
fn reorganise(world: &World, empty: u64) {
    let judge = world.judge();
    let (sales, service) = (id_of(&judge, "Roles", "name", "Sales"), id_of(&judge, "Roles", "name", "Service"));
    world.call("DELETE", &format!("/v1/roles/{sales}"), None);
    world.call("PUT", &format!("/v1/roles/{service}"), Some(&json!({"name": "Support"})));
    let setting = json!({"setting_key": "lead_default_visibility", "value": 7});
    world.call("POST", &format!("/v1/roles/{service}/settings"), Some(&setting));
    let user = judge["Users"].as_array().expect("users").last().expect("somebody")["id"].clone();
    world.call("POST", &format!("/v1/roles/{service}/assignments"), Some(&json!({"user_id": user})));
    world.call("DELETE", &format!("/api/v2/pipelines/{empty}"), None);
}

/// A pipeline that nobody uses yet and that two roles see.
fn empty_pipeline(world: &World, list: bool) -> u64 {
    let made =
        world.call("POST", "/api/v2/pipelines", Some(&json!({"name": "Pilot"})))["data"]["id"].as_u64().expect("an id");
    let judge = world.judge();
    for role in rows(&judge, "Roles").iter().map(|row| row["id"].clone()) {
        let seen = [id_of(&judge, "Roles", "name", "Sales"), id_of(&judge, "Roles", "name", "Service")];
        let side = if seen.iter().any(|one| role == json!(one)) { "add" } else { "remove" };
        let ids = if list { json!([made]) } else { json!(format!("[{made}]")) };
        world.call("PUT", &format!("/v1/roles/{role}/pipelines"), Some(&json!({"visible_pipeline_ids": {side: ids}})));
    }
    made
}

fn roles_come_back(assume: &str) {
    let world = World::with(Options { records: 300, assume: assume.parse().expect("answers"), ..Options::default() });
    let empty = empty_pipeline(&world, assume.contains("pipeline-lists=list"));
    let goal = world.snapshot();
    let before = roles(&world.judge());
    reorganise(&world, empty);
    assert_ne!(roles(&world.judge()), before);
    let plan = planned(&world, &goal, &Policy::default());
    let replayed = replayed(&world, &plan);
    assert!(total(&replayed).is_clean(), "{assume}");
    let after = roles(&world.judge());
    assert_eq!(after.symmetric_difference(&before).collect::<Vec<_>>(), Vec::<&String>::new(), "{assume}");
    assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new(), "{assume}");
}

#[test]
fn roles_come_back_with_their_settings_their_users_and_what_they_see() {
    roles_come_back("odd=yes");
}

#[test]
fn a_role_made_again_sees_no_more_than_before_where_new_ones_see_everything() {
    roles_come_back("new-role-sees=all,new-pipeline-seen-by=all,pipeline-lists=list,deleted-listed=yes");
}

#[test]
fn roles_and_sets_cost_nothing_beside_the_users() {
    let world = World::of(300);
    let first = world.snapshot();
    let meter = world.meter().to_string();
    assert!(!meter.contains("/assignments") && !meter.contains("/roles/{id}/settings"), "{meter}");
    for (object, least) in
        [("roleAssignments", 2), ("permissionSetsAssignments", 4), ("roleSettings", 25), ("goals", 5)]
    {
        let seen = contents(&first, object);
        assert!(seen.records >= least && seen.coverage == Coverage::Whole, "{object}: {seen:?}");
    }
    world.read(&first, |snapshot| {
        let goals = snapshot.records(&pdbak::catalogue::ObjectName::new("goals")).expect("goals");
        let kinds: BTreeSet<String> =
            goals.map(|goal| goal.expect("a goal").fields()["type"]["name"].to_string()).collect();
        // The search by kind does not know this one.
        assert!(kinds.contains("\"revenue_forecast\""), "{kinds:?}");
    });
}

/// Goals by what they say, with names for ids.
fn goals(judge: &Value) -> BTreeMap<String, String> {
    let told = |goal: &&Value| {
        let params = &goal["type"]["params"];
        let named = |kind: &str, ids: &Value| -> Vec<String> {
            ids.as_array().into_iter().flatten().map(|id| name(judge, kind, id, "name")).collect()
        };
        let who = match goal["assignee"]["type"].as_str() {
            Some("person") => name(judge, "Users", &goal["assignee"]["id"], "email"),
            Some("team") => name(judge, "LegacyTeams", &goal["assignee"]["id"], "name"),
            _ => goal["assignee"]["id"].to_string(),
        };
        let (pipelines, types) =
            (named("Pipelines", &params["pipeline_id"]), named("ActivityTypes", &params["activity_type_id"]));
        let stage = name(judge, "Stages", &params["stage_id"], "name");
        let text = format!(
            "{} {pipelines:?} {types:?} {stage} {who} {} {} {}",
            goal["type"]["name"], goal["interval"], goal["duration"], goal["expected_outcome"]
        );
        (goal["title"].to_string(), text)
    };
    rows(judge, "Goals").iter().map(told).collect()
}

/// Teams by what they say.
fn teams(judge: &Value) -> BTreeSet<String> {
    let told = |row: &&Value| {
        format!("{} {} {} {} {}", row["name"], row["description"], row["manager_id"], row["users"], row["active_flag"])
    };
    rows(judge, "LegacyTeams").iter().map(told).collect()
}

fn goals_and_teams_come_back(assume: &str) {
    let world = World::with(Options { records: 300, assume: assume.parse().expect("answers"), ..Options::default() });
    let goal = world.snapshot();
    let before = world.judge();
    // A team and its goal are deleted, another team and another goal are edited, one goal is added.
    for row in rows(&before, "Goals") {
        let path = format!("/v1/goals/{}", row["id"].as_str().expect("an id"));
        match row["title"].as_str() {
            Some("Angebote" | "Neue Deals") => drop(world.call("DELETE", &path, None)),
            Some("Abschlüsse") => {
                let body = json!({"title": "Mehr", "type": {"name": "deals_started", "params": {"pipeline_id": null}}});
                world.call("PUT", &path, Some(&body));
            }
            _ => {}
        }
    }
    let closers = id_of(&before, "LegacyTeams", "name", "Closers");
    world.call("PUT", &format!("/v1/legacyTeams/{closers}"), Some(&json!({"deleted_flag": 1})));
    let others = id_of(&before, "LegacyTeams", "name", "Müller & Söhne");
    world.call("PUT", &format!("/v1/legacyTeams/{others}"), Some(&json!({"name": "Others", "users": []})));
    let added = json!({"title": "Added", "assignee": {"type": "company", "id": 1}, "interval": "weekly",
        "type": {"name": "deals_won", "params": {"pipeline_id": null}}, "duration": {"start": "2026-01-01", "end": null},
        "expected_outcome": {"target": 1, "tracking_metric": "quantity"}});
    world.call("POST", "/v1/goals", Some(&added));
    let policy = Policy { delete_added: true, ..Policy::default() };
    let plan = planned(&world, &goal, &policy);
    let replayed = replayed(&world, &plan);
    assert!(total(&replayed).is_clean(), "{assume}");
    let after = world.judge();
    assert_eq!((goals(&after), teams(&after)), (goals(&before), teams(&before)), "{assume}");
    assert_eq!(left(&world, &goal, &policy), Vec::<String>::new(), "{assume}");
}

#[test]
fn goals_and_teams_come_back_whether_a_team_can_be_revived_or_not() {
    goals_and_teams_come_back("undelete=yes");
    goals_and_teams_come_back("undelete=no,deleted-listed=yes");
}

#[test]
fn call_logs_come_back_with_their_activities_and_make_none_beside() {
    let world = World::of(600);
    let goal = world.snapshot();
    let before = world.judge();
    let me = before["Users"].as_array().expect("users").iter().find(|user| user["is_you"] == true).expect("me")["id"]
        .clone();
    let own: Vec<&Value> = rows(&before, "CallLogs").into_iter().filter(|log| log["user_id"] == me).collect();
    let path = |log: &Value| format!("/v1/callLogs/{}", log["id"].as_str().expect("an id"));
    world.call("DELETE", &path(own[0]), None);
    assert_eq!(world.attempt("GET", &path(own[0]), None).0, 410);
    // The activity of another one is deleted, and of a third one both.
    world.call("DELETE", &format!("/api/v2/activities/{}", own[1]["activity_id"]), None);
    world.call("DELETE", &format!("/api/v2/activities/{}", own[2]["activity_id"]), None);
    world.call("DELETE", &path(own[2]), None);
    let plan = planned(&world, &goal, &Policy::default());
    // What cannot be changed is deleted and made again; both answers get lost.
    assert!(plan.steps().iter().any(|step| matches!(step.action, Action::Delete { .. })));
    world.order(&["POST /api/v1/callLogs lose-answer", "DELETE /api/v1/callLogs/* lose-answer"]);
    let replayed = replayed(&world, &plan);
    assert!(total(&replayed).is_clean());
    let after = world.judge();
    let told = |judge: &Value| -> BTreeSet<String> {
        let subject = |id: &Value| name(judge, "Activities", id, "subject");
        rows(judge, "CallLogs")
            .iter()
            .map(|log| {
                format!(
                    "{} {} {} {} {}",
                    log["subject"],
                    log["outcome"],
                    log["start_time"],
                    log["deal_id"],
                    subject(&log["activity_id"])
                )
            })
            .collect()
    };
    assert_eq!(told(&after), told(&before));
    for kind in ["CallLogs", "Activities"] {
        assert_eq!(rows(&after, kind).len(), rows(&before, kind).len(), "{kind}");
    }
    assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
}

#[test]
fn a_user_who_was_switched_off_is_switched_on_again() {
    let world = World::of(300);
    let goal = world.snapshot();
    let judge = world.judge();
    let user = judge["Users"]
        .as_array()
        .expect("users")
        .iter()
        .find(|user| user["active_flag"] == true && user["is_you"] == false);
    let user = user.expect("a colleague")["id"].clone();
    world.call("PUT", &format!("/v1/users/{user}"), Some(&json!({"active_flag": false})));
    let plan = planned(&world, &goal, &Policy::default());
    assert_eq!(plan.steps().len(), 1);
    assert!(total(&replayed(&world, &plan)).is_clean());
    let now = world.call("GET", &format!("/v1/users/{user}"), None);
    assert_eq!(now["data"]["active_flag"], true);
}

/// Restores a permission set and who has it; the words of what was refused.
fn permissions(legacy: bool) -> (World, Vec<String>) {
    let world = World::with(Options { records: 300, legacy: true, ..Options::default() });
    let goal = world.snapshot();
    let before = world.judge();
    let set = |name: &str| {
        let sets = rows(&before, "PermissionSets");
        sets.into_iter().find(|set| set["name"] == json!(name)).expect("a set")["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let colleague = before["Users"].as_array().expect("users").last().expect("somebody")["id"].clone();
    world.call("PUT", &format!("/v1/permissionSets/{}", set("Deals regular user")), Some(&json!({"contents": []})));
    world.call(
        "POST",
        &format!("/v1/permissionSets/{}/assignments", set("Nur lesen")),
        Some(&json!({"user_id": colleague})),
    );
    if !legacy {
        world.order(&[
            "PUT /api/v1/permissionSets/* times=9 status=404",
            "POST /api/v1/permissionSets/* times=9 status=404",
        ]);
    }
    let objects = ["permissionSets", "permissionSetsAssignments"].map(pdbak::catalogue::ObjectName::known);
    let policy = Policy { scope: Scope { objects: objects.into(), ..Scope::default() }, ..Policy::default() };
    let plan = planned(&world, &goal, &policy);
    let report = replayed(&world, &plan).report.expect("a report");
    let words = report.findings.iter().flat_map(|finding| finding.words.clone()).collect();
    if legacy {
        let after = world.judge();
        assert_eq!(rows(&after, "PermissionSets"), rows(&before, "PermissionSets"));
        let access = |judge: &Value| -> BTreeSet<String> {
            let users = judge["Users"].as_array().expect("users").iter();
            users
                .flat_map(|user| {
                    user["access"].as_array().expect("access").iter().map(|one| format!("{} {one}", user["id"]))
                })
                .collect()
        };
        assert_eq!(access(&after), access(&before));
    }
    (world, words)
}

#[test]
fn permission_sets_come_back_where_the_account_still_takes_them_and_are_not_offered_elsewhere() {
    assert_eq!(permissions(true).1, Vec::<String>::new());
    let refused = permissions(false).1;
    assert_eq!(refused, vec!["not offered: the service has removed this call"; 2]);
}

#[test]
fn what_an_account_does_not_offer_is_said_and_not_taken_for_deleted() {
    let world = World::of(300);
    let first = world.snapshot();
    world.order(&[
        "GET /api/v1/goals/find times=99 status=402",
        "GET /api/v1/roles times=99 status=403",
        "GET /api/v1/legacyTeams times=99 status=410",
        "GET /api/v1/callLogs times=99 status=404",
    ]);
    let second = world.snapshot();
    for object in ["goals", "roles", "legacyTeams", "callLogs"] {
        let (before, now) = (contents(&first, object), contents(&second, object));
        assert!(matches!(now.coverage, Coverage::NotOffered { .. }), "{object}: {:?}", now.coverage);
        assert_eq!((now.records, now.deleted), (before.records, 0), "{object}");
    }
    // What belongs to roles was not looked at either, and stays.
    for object in ["roleSettings", "rolePipelines"] {
        assert_eq!(contents(&second, object).records, contents(&first, object).records, "{object}");
    }
}

#[test]
fn colleagues_who_are_not_in_the_account_are_invited_only_when_asked() {
    // The same administrator in a company that lost everybody else.
    let world = World::of(200);
    let goal = world.snapshot();
    let archive = world.path("archive");
    let other = World::with(Options { records: 0, ..Options::default() });
    copy(&archive, &other.path("archive"));
    let users = goal.contents.iter().find(|contents| contents.object.as_str() == "users").expect("users").records;
    let policy = |invite_users| {
        let objects = ["users"].map(pdbak::catalogue::ObjectName::known);
        Policy { scope: Scope { objects: objects.into(), ..Scope::default() }, invite_users, ..Policy::default() }
    };
    assert_eq!(planned(&other, &goal, &policy(false)).steps().len(), 0);
    let plan = planned(&other, &goal, &policy(true));
    assert!(plan.side_effects().new_users > 0 && plan.side_effects().new_users <= users);
    let invited = plan.side_effects().new_users;
    assert!(total(&replayed(&other, &plan)).is_clean());
    let judge = other.judge();
    assert_eq!(judge["Users"].as_array().expect("users").len() as u64, invited + 1);
    assert_eq!(left(&other, &goal, &policy(true)), Vec::<String>::new());
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
