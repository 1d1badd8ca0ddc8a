//! Links that lie deep inside a record, or in one that nothing takes out of its archive, are written again.

use pdbak::restore::{self, Policy};
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use super::restore::{planned, replayed, total};
use crate::support::World;

/// Rows of an object that fit.
fn rows(world: &World, object: &str, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
    let truth = world.judge();
    truth[object]
        .as_array()
        .expect("rows")
        .iter()
        .filter(|row| row["is_deleted"] != true && fits(row))
        .cloned()
        .collect()
}

#[test]
fn a_goal_counts_activities_of_the_type_that_was_made_again() {
    let world = World::of(400);
    let counted = |goal: &Value| goal["type"]["params"]["activity_type_id"][0].as_u64();
    let goal = rows(&world, "Goals", |goal| counted(goal).is_some()).into_iter().next().expect("a goal on a type");
    let snapshot = world.snapshot();
    let old = counted(&goal).expect("a type");
    world.call("DELETE", &format!("/v1/activityTypes/{old}"), None);
    let plan = planned(&world, &snapshot, &Policy::default());
    assert!(total(&replayed(&world, &plan)).is_clean());
    let lineage = restore::lineage(&world.archive(), plan.company).expect("the journals");
    let id = pdbak::record::RecordId::parse(&format!("activityTypes/{old}")).expect("an id");
    let heir = lineage.after(&id).last().map(|heir| heir.key.to_string()).expect("it was made again");
    let now = rows(&world, "Goals", |now| now["id"] == goal["id"]);
    assert_eq!(counted(&now[0]).map(|id| id.to_string()), Some(heir));
}

#[test]
fn an_archived_project_is_linked_again_where_it_is() {
    let world = World::of(1_500);
    let links = [("deal_ids", "deals"), ("person_ids", "persons"), ("org_ids", "organizations")];
    let linked = |project: &Value| {
        let found = links.iter().find_map(|(field, path)| Some(format!("{path}/{}", project[*field][0].as_u64()?)));
        found.filter(|_| project["is_archived"] == true || project["archive_time"].is_string())
    };
    let projects = rows(&world, "Projects", |project| linked(project).is_some());
    let target = linked(projects.first().expect("an archived project that belongs to something")).expect("a link");
    let snapshot = world.snapshot();
    world.call("DELETE", &format!("/api/v2/{target}"), None);
    let plan = planned(&world, &snapshot, &Policy::default());
    assert!(total(&replayed(&world, &plan)).is_clean());
}

#[test]
fn a_link_to_what_an_earlier_restore_made_again_is_equal_in_the_next_report() {
    let world =
        World::with(Options { records: 400, assume: "undelete=no".parse().expect("answers"), ..Options::default() });
    let deal = rows(&world, "Deals", |deal| deal["org_id"].is_u64() && deal["is_archived"] != true).remove(0);
    let snapshot = world.snapshot();
    world.call("DELETE", &format!("/api/v2/organizations/{}", deal["org_id"]), None);
    assert!(total(&replayed(&world, &planned(&world, &snapshot, &Policy::default()))).is_clean());
    world.call("PATCH", &format!("/api/v2/deals/{}", deal["id"]), Some(&json!({"title": "Edited"})));
    let replayed = replayed(&world, &planned(&world, &snapshot, &Policy::default()));
    let report = replayed.report.expect("a report");
    assert_eq!((report.total.equal, report.total.failed), (1, 0), "{:?}", report.findings);
}
