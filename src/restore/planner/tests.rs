//! The planner on a handful of rows: what happened, and which steps follow.

use serde_json::{Value, json};

use crate::archive::Coverage;
use crate::diff::Lineage;
use crate::record::RecordId;
use crate::restore::plan::{Action, Create, Look, Plan, Reason, Step};
use crate::restore::planner::specimen::World;
use crate::restore::{CannotPlan, Fill, Missing, Policy, check, check_against, plan};

/// A small company.
pub(super) fn company() -> World {
    World::of(&[
        ("users/1", json!({"email": "kim@acme.test", "name": "Kim"})),
        ("users/2", json!({"email": "lee@acme.test", "name": "Lee"})),
        ("currencies/1", json!({"code": "EUR"})),
        ("pipelines/1", json!({"name": "Sales"})),
        ("stages/1", json!({"name": "New", "pipeline_id": 1, "order_nr": 1})),
        ("stages/2", json!({"name": "Sent", "pipeline_id": 1, "order_nr": 2})),
        ("organizations/5", json!({"name": "Globex", "owner_id": 1, "add_time": "2026-01-01T00:00:00Z"})),
        (
            "persons/8",
            json!({"name": "Ann Lee", "org_id": 5, "owner_id": 1, "emails": [{"value": "ann@globex.test", "primary": true, "label": "work"}]}),
        ),
        (
            "products/3",
            json!({"name": "Pencil", "prices": [{"product_id": 3, "price": 5, "currency": "EUR", "cost": 2}]}),
        ),
        (
            "deals/42",
            json!({"title": "Big", "org_id": 5, "person_id": 8, "owner_id": 2, "value": 90, "currency": "EUR", "stage_id": 1, "pipeline_id": 1, "status": "open", "update_time": "2026-02-01T00:00:00Z"}),
        ),
        (
            "dealProducts/42:7",
            json!({"id": 7, "deal_id": 42, "product_id": 3, "item_price": 90, "quantity": 1, "order_nr": 1, "comments": ""}),
        ),
        ("dealFollowers/42:2", json!({"user_id": 2, "add_time": "2026-01-05T00:00:00Z"})),
        (
            "notes/11",
            json!({"content": "<b>call</b>", "deal_id": 42, "user_id": 2, "add_time": "2026-01-06 10:00:00", "pinned_to_deal_flag": true}),
        ),
    ])
}

pub(super) fn planned(goal: &World, seen: &World, policy: &Policy) -> Plan {
    let made = plan(goal, seen, policy, &Lineage::default()).expect("a plan");
    assert_eq!(check_against(&made, goal, seen).expect("states can be read"), []);
    assert_eq!(Plan::from_json(&made.to_json()).expect("its own JSON"), made);
    made
}

fn everything(goal: &World, seen: &World) -> Plan {
    planned(goal, seen, &Policy::default())
}

fn only(id: &str, related: bool) -> Policy {
    let mut policy = Policy { related, ..Policy::default() };
    policy.scope.records.insert(RecordId::parse(id).expect("an id"));
    policy
}

/// What is done to which record, in order; what may be removed beside it has a test of its own.
pub(super) fn told(plan: &Plan) -> Vec<String> {
    let verb = |step: &Step| match step.action {
        Action::Create(_) => "create",
        Action::Revive { .. } => "revive",
        Action::Update(_) => "update",
        Action::Expel(_) => "keep out",
        Action::Trim(_) => "trim",
        Action::AddOptions(_) => "add options",
        Action::Delete { .. } => "delete",
    };
    let steps = plan.steps.iter().filter(|step| !matches!(step.action, Action::Expel(_)));
    steps.map(|step| format!("{} {}", verb(step), step.record())).collect()
}

#[test]
fn only_members_that_nobody_had_are_removed_beside_a_write() {
    let expelled = |plan: &Plan| -> Vec<String> {
        let expels = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Expel(expel) => Some(format!("{} {}", expel.part, expel.host)),
            _ => None,
        });
        expels.collect()
    };
    // The goal has user 2 as a follower of the deal: when the deal is his, nothing is removed.
    let gone = |world: &World| {
        world.clone().without("deals/42").without("dealProducts/42:7").without("dealFollowers/42:2").without("notes/11")
    };
    let his = company().set("deals/42", "owner_id", json!(2));
    let plan = everything(&his, &gone(&his));
    assert!(!expelled(&plan).contains(&"dealFollowers deals/42".to_owned()), "{:?}", expelled(&plan));
    let hers = company().set("deals/42", "owner_id", json!(1));
    let plan = everything(&hers, &gone(&hers));
    assert!(expelled(&plan).contains(&"dealFollowers deals/42".to_owned()), "{:?}", expelled(&plan));
    // A title says nothing about who follows.
    let edited = company().set("deals/42", "title", json!("Small"));
    assert_eq!(expelled(&everything(&company(), &edited)), Vec::<String>::new());
}

fn sent(step: &Step) -> Value {
    serde_json::to_value(step.body().expect("a body")).expect("JSON")
}

fn created<'p>(plan: &'p Plan, id: &str) -> &'p Create {
    let step = plan.steps.iter().find(|step| step.record().to_string() == id).expect("a step");
    match &step.action {
        Action::Create(create) | Action::Revive { create, .. } => create,
        _ => panic!("{id} is not made"),
    }
}

#[test]
fn nothing_happened_so_nothing_is_planned() {
    let plan = everything(&company(), &company());
    assert!(plan.is_empty() && plan.left_out.is_empty());
    assert_eq!(plan.price().tokens(), 0);
}

#[test]
fn a_changed_record_gets_back_just_the_fields_that_differ() {
    let seen = company().set("deals/42", "title", json!("Small")).set(
        "deals/42",
        "update_time",
        json!("2026-03-01T00:00:00Z"),
    );
    let plan = everything(&company(), &seen);
    assert_eq!(told(&plan), ["update deals/42"]);
    assert_eq!(sent(&plan.steps[0]), json!({"title": {"is": "Big"}}));
    assert_eq!(plan.steps[0].reason, Reason::Edited(vec!["title".to_owned()]));
}

#[test]
fn a_value_written_in_another_way_is_no_change() {
    let seen = company().set("deals/42", "value", json!(90.0)).set("deals/42", "label_ids", json!([]));
    assert!(everything(&company(), &seen).is_empty());
}

#[test]
fn taking_a_value_away_is_said_on_its_own() {
    let seen = company().set("deals/42", "expected_close_date", json!("2026-09-09"));
    let plan = everything(&company().set("deals/42", "expected_close_date", Value::Null), &seen);
    assert_eq!(plan.steps[0].clears, ["expected_close_date"]);
    assert_eq!(sent(&plan.steps[0]), json!({"expected_close_date": {"is": null}}));
}

#[test]
fn a_deleted_deal_comes_back_with_what_hung_on_it_in_the_order_that_works() {
    let seen =
        company().without("deals/42").without("dealProducts/42:7").without("dealFollowers/42:2").without("notes/11");
    let plan = everything(&company(), &seen);
    assert_eq!(
        told(&plan),
        [
            "revive deals/42",
            "create notes/11",
            "create dealProducts/42:7",
            "create dealFollowers/42:2",
            "update deals/42"
        ]
    );
    let line = created(&plan, "dealProducts/42:7");
    assert_eq!(line.under.as_deref(), Some(&Fill::IdOf(RecordId::parse("deals/42").expect("an id"))));
    assert_eq!(line.look, Look::UnderParent);
    assert_eq!(created(&plan, "notes/11").look, Look::ById);
    // Its products decide the value.
    assert!(!created(&plan, "deals/42").body.fields().contains_key("value"));
    let note = serde_json::to_value(&created(&plan, "notes/11").body).expect("JSON");
    assert_eq!(note["deal_id"], json!({"id_of": "deals/42"}));
    assert_eq!(note["pinned_to_deal_flag"], json!({"is": 1}));
    assert_eq!(note["user_id"], json!({"is": 2}));
}

#[test]
fn a_surviving_record_that_lost_its_link_is_linked_again() {
    let seen = company().without("organizations/5").set("persons/8", "org_id", Value::Null);
    // The deal kept an id that means nothing any more.
    let plan = planned(&company(), &seen, &only("organizations/5", false));
    assert_eq!(told(&plan), ["revive organizations/5", "update persons/8", "update deals/42"]);
    assert_eq!(sent(&plan.steps[1]), json!({"org_id": {"id_of": "organizations/5"}}));
    assert_eq!(plan.steps[2].reason, Reason::LostLink(vec!["org_id".to_owned()]));
}

#[test]
fn a_link_that_somebody_put_elsewhere_since_is_left_alone() {
    let goal = company().with("organizations/6", json!({"name": "Initech"}));
    let seen = goal_without_globex(&goal).set("persons/8", "org_id", json!(6)).set("deals/42", "org_id", json!(6));
    let plan = planned(&goal, &seen, &only("organizations/5", false));
    assert_eq!(told(&plan), ["revive organizations/5"]);
}

fn goal_without_globex(goal: &World) -> World {
    goal.clone().without("organizations/5")
}

#[test]
fn related_brings_back_what_is_pointed_to_and_what_belongs_to_it() {
    let seen = company()
        .without("organizations/5")
        .without("persons/8")
        .without("deals/42")
        .without("dealProducts/42:7")
        .without("dealFollowers/42:2")
        .without("notes/11");
    let plan = planned(&company(), &seen, &only("deals/42", true));
    let told = told(&plan);
    // The last one is the deal's value, once its lines are there.
    assert_eq!(told.len(), 7);
    let place = |what: &str| told.iter().position(|step| step.ends_with(what)).expect("a step");
    assert!(place("organizations/5") < place("persons/8") && place("persons/8") < place("deals/42"));
    assert!(place("deals/42") < place("notes/11"));
    assert_eq!(plan.summary().objects["Deals"].revive, 1);
}

#[test]
fn without_related_a_missing_target_is_left_empty_and_listed() {
    let seen =
        company().without("organizations/5").without("deals/42").without("dealProducts/42:7").without("notes/11");
    let plan = planned(&company(), &seen, &only("deals/42", false));
    assert_eq!(told(&plan), ["revive deals/42"]);
    assert!(!created(&plan, "deals/42").body.fields().contains_key("org_id"));
    let words: Vec<String> = plan.left_out.iter().map(|left| left.why.to_string()).collect();
    assert_eq!(
        words,
        [
            "1 of the chosen records' own are missing and were not asked for",
            "organizations/5 is not in the account and does not come back"
        ]
    );
    // Nothing decides its value but itself.
    assert!(created(&plan, "deals/42").body.fields().contains_key("value"));
}

#[test]
fn with_the_policy_skip_a_record_does_not_come_back_without_its_target() {
    let seen = company().without("organizations/5").without("deals/42");
    let policy = Policy { missing: Missing::Skip, ..only("deals/42", false) };
    let plan = planned(&company(), &seen, &policy);
    assert!(plan.is_empty());
    assert_eq!(plan.left_out[0].key.as_deref(), Some("42"));
}

#[test]
fn a_record_that_cannot_be_made_without_another_is_left_out() {
    let seen = company().without("products/3").without("dealProducts/42:7");
    let plan = planned(&company(), &seen, &only("dealProducts/42:7", false));
    assert!(plan.is_empty());
    assert!(plan.left_out[0].why.contains("cannot be made without product_id"), "{:?}", plan.left_out);
}

#[test]
fn an_added_price_is_kept_and_the_plan_says_so() {
    let prices = json!([
        {"product_id": 3, "price": 6, "currency": "EUR", "cost": 2},
        {"product_id": 3, "price": 60, "currency": "SEK"}
    ]);
    let plan = everything(&company(), &company().set("products/3", "prices", prices));
    assert_eq!(
        sent(&plan.steps[0])["prices"]["is"],
        json!([{"price": 5, "currency": "EUR", "cost": 2}, {"price": 60, "currency": "SEK"}])
    );
    assert_eq!(plan.steps[0].notes, ["keeps the price in SEK added since"]);
}

#[test]
fn when_only_prices_were_added_there_is_nothing_to_do() {
    let prices = json!([
        {"product_id": 3, "price": 5, "currency": "EUR", "cost": 2},
        {"product_id": 3, "price": 60, "currency": "SEK"}
    ]);
    let plan = everything(&company(), &company().set("products/3", "prices", prices));
    assert!(plan.is_empty());
    assert_eq!(plan.kept[0].why, "keeps the price in SEK added since");
}

#[test]
fn what_was_added_goes_only_when_asked_and_children_go_first() {
    let seen = company()
        .with("organizations/9", json!({"name": "Junk"}))
        .with("notes/12", json!({"content": "x", "org_id": 9}));
    let kept = everything(&company(), &seen);
    assert!(kept.is_empty());
    assert_eq!(kept.left_out.len(), 2);
    let gone = planned(&company(), &seen, &Policy { delete_added: true, ..Policy::default() });
    assert_eq!(told(&gone), ["delete notes/12", "delete organizations/9"]);
    assert!(gone.steps[1].after_all);
}

#[test]
fn an_archived_deal_is_taken_out_changed_and_archived_again() {
    let archived = |title: &str| {
        company().without("deals/42").with(
            "archivedDeals/42",
            json!({"title": title, "is_archived": true, "archive_time": "2026-02-03T04:05:06Z", "status": "open"}),
        )
    };
    let plan = everything(&archived("Big"), &archived("Small"));
    let reasons: Vec<&Reason> = plan.steps.iter().map(|step| &step.reason).collect();
    assert_eq!(reasons, [&Reason::Unarchive, &Reason::Edited(vec!["title".to_owned()]), &Reason::Archive]);
    assert_eq!(
        sent(&plan.steps[2]),
        json!({"is_archived": {"is": true}, "archive_time": {"is": "2026-02-03 04:05:06"}})
    );
}

#[test]
fn a_deal_that_moved_to_the_archive_is_moved_back_and_not_made_again() {
    let row = company().records[&RecordId::parse("deals/42").expect("an id")].clone();
    let seen = company().without("deals/42").with("archivedDeals/42", Value::Object(row));
    let plan = everything(&company(), &seen);
    assert_eq!(told(&plan), ["update deals/42"]);
    assert_eq!(plan.steps[0].reason, Reason::Unarchive);
}

#[test]
fn a_lost_deal_gets_its_status_with_the_day_and_the_reason() {
    let goal = company()
        .set("deals/42", "status", json!("lost"))
        .set("deals/42", "lost_time", json!("2026-02-02T00:00:00Z"))
        .set("deals/42", "lost_reason", json!("price"))
        .set("deals/42", "close_time", json!("2026-02-02T00:00:00Z"));
    let plan = everything(&goal, &company());
    let body = sent(&plan.steps[0]);
    assert_eq!(body["status"], json!({"is": "lost"}));
    assert_eq!(body["lost_time"], json!({"is": "2026-02-02T00:00:00Z"}));
    assert!(body.get("won_time").is_none() && body.get("close_time").is_none());
    // And back again: only the status.
    let back = everything(&company(), &goal);
    assert_eq!(sent(&back.steps[0]), json!({"status": {"is": "open"}}));
}

#[test]
fn a_deal_is_closed_before_the_day_is_written_on_which_that_was() {
    // Its line was added since: its value, and with it its status, are written only when that is gone.
    let won = |world: World| {
        let world = world.set("deals/42", "status", json!("won")).set("deals/42", "value", json!(80));
        world.set("deals/42", "close_time", json!("2026-02-02T00:00:00Z"))
    };
    let goal = won(company()).without("dealProducts/42:7");
    let plan = planned(&goal, &company(), &Policy { delete_added: true, ..Policy::default() });
    let step = |field: &str| {
        let place = plan.steps.iter().position(|step| step.body().is_some_and(|body| body.contains_key(field)));
        place.expect("a step")
    };
    assert!(step("status") < step("close_time"), "{:?}", plan.steps);
    assert!(plan.steps[step("close_time")].after.contains(&(step("status") as u32)));
}

#[test]
fn a_stage_is_sent_with_its_pipeline() {
    let plan = everything(&company(), &company().set("deals/42", "stage_id", json!(2)));
    assert_eq!(sent(&plan.steps[0]), json!({"stage_id": {"is": 1}, "pipeline_id": {"is": 1}}));
}

#[test]
fn a_record_that_a_restore_made_again_is_changed_where_it_lives_now() {
    let seen = company()
        .without("organizations/5")
        .with("organizations/50", json!({"name": "Globex Inc", "owner_id": 1}))
        .set("persons/8", "org_id", json!(50))
        .set("deals/42", "org_id", json!(50));
    let id = |text: &str| RecordId::parse(text).expect("an id");
    let lineage: Lineage = [(id("organizations/5"), id("organizations/50"))].into_iter().collect();
    let made = plan(&company(), &seen, &Policy::default(), &lineage).expect("a plan");
    assert_eq!(told(&made), ["update organizations/5"]);
    assert_eq!(sent(&made.steps[0]), json!({"name": {"is": "Globex"}}));
}

const HEX: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba98";

fn with_fields(world: World, options: Value) -> World {
    world
        .with(&format!("dealFields/{HEX}"), json!({"field_code": HEX, "field_type": "enum", "options": options}))
        .with(&format!("organizationFields/{OTHER}"), json!({"field_code": OTHER, "field_type": "people"}))
}

#[test]
fn an_option_that_has_another_id_now_is_found_by_its_label() {
    let goal = with_fields(company(), json!([{"id": 12, "label": "Red"}, {"id": 13, "label": "Blue"}]));
    let goal = goal.set("deals/42", "custom_fields", json!({HEX: 12}));
    let seen = with_fields(company(), json!([{"id": 21, "label": "Red"}]));
    let plan = everything(&goal, &seen);
    assert_eq!(sent(&plan.steps[0]), json!({"custom_fields": {"is": {HEX: 21}}}));
    let lost = everything(&goal.set("deals/42", "custom_fields", json!({HEX: 13})), &seen);
    assert!(lost.is_empty());
    assert!(lost.left_out.iter().any(|left| left.why.contains("\"Blue\"")), "{:?}", lost.left_out);
}

#[test]
fn a_circle_is_closed_by_a_second_pass() {
    let goal = with_fields(company(), json!([])).set("organizations/5", "custom_fields", json!({OTHER: 8}));
    let seen = with_fields(company(), json!([])).without("organizations/5").without("persons/8");
    let plan = everything(&goal, &seen);
    let circle = plan.steps.iter().find(|step| step.reason == Reason::CompletesCircle).expect("a second pass");
    assert_eq!(circle.record().to_string(), "organizations/5");
    assert_eq!(sent(circle), json!({"custom_fields": {"fields": {OTHER: {"id_of": "persons/8"}}}}));
    assert!(circle.after.len() >= 2);
}

#[test]
fn custom_values_whose_field_is_gone_are_dropped_and_listed() {
    let goal =
        with_fields(company(), json!([{"id": 12, "label": "Red"}])).set("deals/42", "custom_fields", json!({HEX: 12}));
    let seen = with_fields(company(), json!([])).without(&format!("dealFields/{HEX}")).without("deals/42");
    let plan = planned(&goal, &seen, &only("deals/42", false));
    assert!(!created(&plan, "deals/42").body.fields().contains_key("custom_fields"));
    assert!(plan.left_out.iter().any(|left| left.field.as_deref() == Some(HEX)));
}

#[test]
fn a_changed_webhook_is_deleted_and_made_again_at_the_very_end() {
    let hook = |url: &str| json!({"subscription_url": url, "event_action": "*", "event_object": "*", "name": "all", "user_id": 1});
    let goal = company().with("webhooks/4", hook("https://a.test"));
    let seen = company().with("webhooks/4", hook("https://b.test")).set("deals/42", "title", json!("x"));
    let plan = everything(&goal, &seen);
    assert_eq!(told(&plan), ["update deals/42", "delete webhooks/4", "create webhooks/4"]);
}

#[test]
fn what_was_not_seen_is_never_called_deleted() {
    let mut seen = company().without("deals/42").without("dealProducts/42:7").without("notes/11");
    for contents in &mut seen.manifest.contents {
        contents.coverage = Coverage::Part { reason: "the list was cut".to_owned() };
    }
    let plan = everything(&company(), &seen);
    assert!(plan.is_empty());
    assert!(plan.left_out.iter().all(|left| left.why.contains("the list was cut")), "{:?}", plan.left_out);
}

#[test]
fn another_companys_snapshot_is_refused() {
    let mut seen = company();
    seen.manifest.source.company_id = 8;
    let refused = plan(&company(), &seen, &Policy::default(), &Lineage::default()).expect_err("no plan");
    assert!(matches!(refused, CannotPlan::OtherAccount { goal: 7, seen: 8 }));
    let unknown = plan(&company(), &company(), &only("deals/1", false), &Lineage::default()).expect_err("no plan");
    assert_eq!(unknown.to_string(), "neither the snapshot nor the account has deals/1");
}

#[test]
fn the_checker_objects_to_an_edited_plan() {
    let seen = company().with("organizations/9", json!({"name": "Junk"})).set("deals/42", "title", json!("x"));
    let mut plan = planned(&company(), &seen, &Policy { delete_added: true, ..Policy::default() });
    plan.policy.delete_added = false;
    if let Action::Update(update) = &mut plan.steps[0].action {
        let mut body = update.body.fields();
        body.insert("add_time".to_owned(), Fill::Is(json!("2026-01-01T00:00:00Z")));
        body.insert("org_id".to_owned(), Fill::IdOf(RecordId::parse("organizations/77").expect("an id")));
        update.body = body.into();
    }
    let words: Vec<String> = check(&plan).iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "step 0: deals/42: add_time is not a field that the call takes",
            "step 0: deals/42: it refers to organizations/77, which no earlier step makes",
            "step 1: organizations/9: nobody asked for what was added to be deleted"
        ]
    );
}

#[test]
fn a_plan_is_the_same_however_often_it_is_made() {
    let seen = company().without("deals/42").without("dealProducts/42:7").without("notes/11").without("persons/8");
    assert_eq!(everything(&company(), &seen).digest(), everything(&company(), &seen).digest());
}

#[test]
fn an_archived_lead_that_lost_its_links_gets_them_with_the_move_out_of_the_archive() {
    let lead = |person: Value| json!({"title": "Lead", "person_id": person, "is_archived": true});
    let goal = company().with("archivedLeads/1f0c", lead(json!(8)));
    let seen = company().without("persons/8").with("archivedLeads/1f0c", lead(Value::Null));
    let plan = everything(&goal, &seen);
    let open = plan.steps.iter().find(|step| step.reason == Reason::Unarchive).expect("a step");
    assert_eq!(sent(open), json!({"is_archived": {"is": false}, "person_id": {"id_of": "persons/8"}}));
    let made = plan.steps.iter().position(|step| step.record().to_string() == "persons/8").expect("a step");
    assert!(made < open.number as usize);
}
