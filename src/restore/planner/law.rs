//! What may be planned at all: the DML matrix of the design, stated a second time; and what holds of people.

use serde_json::{Value, json};

use crate::catalogue::{self, Object, ObjectName};
use crate::record::{Key, RecordId};
use crate::restore::fill::{Body, Fill};
use crate::restore::plan::{Action, Create, LiveId, Look, Plan, Reason, Stamp, Step, Update};
use crate::restore::planner::specimen::World;
use crate::restore::planner::tests::{company, planned, told};
use crate::restore::{Policy, StandIn, check};

/// The matrix as the design states it: letters for INSERT, UPDATE and DELETE.
const MATRIX: &[(&str, &[&str])] = &[
    (
        "IUD",
        &[
            "activities",
            "activityTypes",
            "deals",
            "archivedDeals",
            "dealProducts",
            "filters",
            "goals",
            "leadLabels",
            "leads",
            "archivedLeads",
            "notes",
            "organizations",
            "persons",
            "products",
            "pipelines",
            "roles",
            "stages",
            "files",
            "roleAssignments",
            "legacyTeams",
        ],
    ),
    (
        "ID",
        &[
            "dealFollowers",
            "dealParticipants",
            "organizationFollowers",
            "personFollowers",
            "productFollowers",
            "webhooks",
            "callLogs",
            "rolePipelines",
        ],
    ),
    ("IU", &["users", "roleSettings"]),
    ("U", &["permissionSets"]),
    ("I", &["permissionSetsAssignments"]),
    (
        "",
        &[
            "activityFields",
            "dealFields",
            "leadFields",
            "noteFields",
            "organizationFields",
            "personFields",
            "productFields",
            "currencies",
            "leadSources",
            "userConnections",
            "userSettings",
            "fileContents",
        ],
    ),
];

fn letters(name: &str) -> Option<&'static str> {
    MATRIX.iter().find(|(_, objects)| objects.contains(&name)).map(|(letters, _)| *letters)
}

/// Plans of one step each: made, changed and deleted.
fn attempts(object: &'static Object) -> [(char, Plan); 3] {
    let id = RecordId::new(ObjectName::known(object.name), Key::Number(1));
    let body = Body::from([("name".to_owned(), Fill::Is(json!("x")))]);
    let create = Create { record: id.clone(), under: None, body: body.clone(), look: Look::No, contents: None };
    let seen = Stamp { time: None, fields: String::new(), without: Vec::new() };
    let live = Some(LiveId(id.clone()));
    let through = object.name.to_owned();
    let update = Update { record: id.clone(), live, through, body, seen: Some(seen.clone()) };
    let plan = |action, reason| {
        let policy = Policy { delete_added: true, invite_users: true, ..Policy::default() };
        let mut plan = planned(&company(), &company(), &policy);
        let (after, clears, notes) = (Vec::new(), Vec::new(), Vec::new());
        plan.steps = vec![Step { number: 0, action, reason, after, clears, notes, price: 0 }];
        plan
    };
    [
        ('I', plan(Action::Create(create), Reason::Deleted)),
        ('U', plan(Action::Update(update), Reason::Edited(vec!["name".to_owned()]))),
        ('D', plan(Action::Delete { live: LiveId(id), seen }, Reason::Added)),
    ]
}

#[test]
fn an_operation_outside_the_matrix_cannot_be_planned() {
    for object in catalogue::ALL {
        let Some(letters) = letters(object.name) else { continue };
        let dml = object.dml;
        let own: String = [(dml.insert, 'I'), (dml.update, 'U'), (dml.delete, 'D')]
            .iter()
            .filter(|(may, _)| *may)
            .map(|(_, one)| *one)
            .collect();
        assert_eq!(own, letters, "{}", object.name);
        for (letter, plan) in attempts(object) {
            let objections = check(&plan);
            let forbidden = objections
                .iter()
                .any(|one| one.why.starts_with("a restore never") || one.why.starts_with("the service has no call"));
            assert_eq!(forbidden, !letters.contains(letter), "{} {letter}: {objections:?}", object.name);
        }
    }
}

/// Somebody has left, with a deal of his own and a place in a role.
fn left() -> (World, World) {
    let lee =
        json!({"email": "lee@acme.test", "name": "Lee", "role_id": 5, "access": [{"app": "sales", "admin": false}]});
    let goal = company()
        .with("users/2", lee)
        .with("roles/5", json!({"name": "Sales", "parent_role_id": null}))
        .with("roleAssignments/2", json!({"user_id": 2, "role_id": 5}));
    let seen = company()
        .without("users/2")
        .without("dealFollowers/42:2")
        .without("deals/42")
        .without("dealProducts/42:7")
        .without("notes/11")
        .with("roles/5", json!({"name": "Sales", "parent_role_id": null}));
    (goal, seen)
}

fn owner(plan: &Plan) -> Option<Value> {
    plan.steps
        .iter()
        .filter(|step| step.record().to_string() == "deals/42")
        .find_map(|step| serde_json::to_value(step.body()?.get("owner_id")?).ok())
}

#[test]
fn nobody_is_invited_unless_asked_for() {
    let (goal, seen) = left();
    let plan = planned(&goal, &seen, &Policy::default());
    assert!(
        !told(&plan).iter().any(|step| step.contains("users/") || step.contains("roleAssignments/")),
        "{:?}",
        told(&plan)
    );
    assert_eq!((owner(&plan), plan.side_effects.new_users), (None, 0));
    assert!(plan.left_out.iter().any(|left| left.object == "users" && left.why.contains("only if that is asked for")));
}

#[test]
fn an_invited_user_gets_his_role_and_his_deals_again() {
    let (goal, seen) = left();
    let plan = planned(&goal, &seen, &Policy { invite_users: true, ..Policy::default() });
    assert_eq!(told(&plan)[..2], ["create users/2", "create roleAssignments/2"]);
    assert_eq!((owner(&plan), plan.side_effects.new_users), (Some(json!({"id_of": "users/2"})), 1));
}

#[test]
fn a_user_with_the_same_mail_is_not_invited() {
    let (goal, seen) = left();
    let seen = seen.with("users/9", json!({"email": "LEE@acme.test", "name": "Lee"}));
    let plan = planned(&goal, &seen, &Policy { invite_users: true, ..Policy::default() });
    assert_eq!(plan.side_effects.new_users, 0);
    assert_eq!(owner(&plan), Some(json!({"is": 9})));
}

#[test]
fn somebody_chosen_takes_over_what_is_owned_and_nothing_else() {
    let (goal, seen) = left();
    for who in [StandIn::Id(1), StandIn::Email("Kim@acme.test".to_owned())] {
        let plan = planned(&goal, &seen, &Policy { owner_fallback: Some(who), ..Policy::default() });
        assert_eq!(owner(&plan), Some(json!({"is": 1})));
        assert!(
            !told(&plan).iter().any(|step| step.contains("roleAssignments") || step.contains("create dealFollowers"))
        );
        let said = plan.left_out.iter().find(|left| left.field.as_deref() == Some("owner_id")).expect("it is said");
        assert_eq!(said.why, "users/2 is not in the account: users/1 takes over");
    }
    let nobody = Policy { owner_fallback: Some(StandIn::Id(77)), ..Policy::default() };
    let error = crate::restore::plan(&goal, &seen, &nobody, &crate::diff::Lineage::default()).expect_err("nobody");
    assert_eq!(error.to_string(), "no user of the account is 77");
}

#[test]
fn a_call_log_without_its_activity_is_left_out_and_one_with_a_recording_is_left_alone() {
    let log = |recording: bool| {
        json!({"id": "CA1", "activity_id": 4, "outcome": "busy", "to_phone_number": "1", "start_time": "a", "end_time": "b",
               "has_recording": recording})
    };
    let activity = json!({"subject": "Call", "type": "call"});
    let goal = company().with("activities/4", activity).with("callLogs/CA1", log(true));
    let alone = Policy {
        scope: crate::restore::Scope { objects: [ObjectName::known("callLogs")].into(), ..Default::default() },
        ..Policy::default()
    };
    let plan = planned(&goal, &company(), &alone);
    assert_eq!(told(&plan), Vec::<String>::new());
    assert!(
        plan.left_out.iter().any(|left| left.why.contains("the service would make another one")),
        "{:?}",
        plan.left_out
    );
    // The activity comes back under another id; the call log keeps its recording rather than its link.
    let plan = planned(&goal, &company().with("callLogs/CA1", log(true)), &Policy::default());
    assert!(!told(&plan).iter().any(|step| step.contains("callLogs")), "{:?}", told(&plan));
    assert!(plan.kept.iter().any(|kept| kept.why.contains("recording")));
}
