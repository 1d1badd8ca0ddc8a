//! How a company's people are organised: roles, permission sets, teams, goals, and the calls of the one whose token it is.
//!
//! Everything draws from dice of its own, so that no other row of a company changes with what stands here.

use serde_json::{Value, json};

use crate::sandbox::company::facts::Company;
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{rows, texts};
use crate::sandbox::roles::{DEFAULT, KEYS};
use crate::sandbox::row::{Id, Sink};

/// Fills all of it but the calls, which follow the activities.
pub(super) fn fill(company: &Company, sink: &mut dyn Sink) {
    roles(company, sink);
    permission_sets(company, sink);
    own(company, sink);
    if !company.newborn {
        teams(company, sink);
        goals(company, sink);
    }
}

fn put(sink: &mut dyn Sink, kind: &'static str, id: u64, row: Value) {
    sink.row(kind, Id::Number(id), &rows::object(row));
}

fn word(sink: &mut dyn Sink, kind: &'static str, id: &str, row: Value) {
    sink.row(kind, Id::Text(id.into()), &rows::object(row));
}

/// Roles below the default one: name, and the place of the role it stands below.
const ROLES: &[(&str, Option<usize>)] =
    &[("Vertriebsleitung", None), ("Sales", Some(0)), ("Inside sales", Some(1)), ("Service", None)];

fn role(company: &Company, index: usize) -> u64 {
    DEFAULT + company.id_of("roles", index as u64)
}

/// The role of a user; a newborn account has but the default one.
pub(super) fn role_of(company: &Company, user: usize) -> u64 {
    let mut dice = company.dice("role of a user", user as u64);
    let index = dice.below(ROLES.len() as u64) as usize;
    let unassigned = user > 0 && dice.chance(150);
    if company.newborn || unassigned { DEFAULT } else { role(company, if user == 0 { 0 } else { index }) }
}

fn roles(company: &Company, sink: &mut dyn Sink) {
    let unassigned =
        json!({"id": DEFAULT, "parent_role_id": DEFAULT, "name": "(Unassigned users)", "active_flag": true});
    put(sink, "roles", DEFAULT, unassigned);
    settings(company, DEFAULT, 0, sink);
    if company.newborn {
        return;
    }
    for (index, (name, above)) in ROLES.iter().enumerate() {
        let id = role(company, index);
        let parent = above.map_or(DEFAULT, |above| role(company, above));
        put(sink, "roles", id, json!({"id": id, "parent_role_id": parent, "name": name, "active_flag": true}));
        settings(company, id, index + 1, sink);
    }
}

fn settings(company: &Company, role: u64, index: usize, sink: &mut dyn Sink) {
    let mut dice = company.dice("role settings", index as u64);
    for (key, first) in KEYS {
        let value = if dice.chance(300) { *dice.pick(&[1, 5, 7]) } else { *first };
        word(
            sink,
            "roleSettings",
            &format!("{role}:{key}"),
            json!({"role_id": role, "setting_key": key, "value": value}),
        );
    }
    for (at, pipeline) in company.pipelines.iter().enumerate() {
        // Everybody sees the first pipeline: a role that sees none could not sell.
        if at == 0 || dice.chance(700) {
            let row = json!({"role_id": role, "pipeline_id": pipeline.id});
            sink.row("rolePipelines", Id::Pair(role, pipeline.id), &rows::object(row));
        }
    }
}

/// Ids of the permission sets that users have: regular, administrator, global.
pub(super) fn set_ids(company: &Company) -> [String; 3] {
    let mut dice = company.dice("permission sets", 0);
    [dice.uuid(), dice.uuid(), dice.uuid()]
}

fn permission_sets(company: &Company, sink: &mut dyn Sink) {
    let [regular, admin, global] = set_ids(company);
    let custom = company.dice("custom permission set", 0).uuid();
    let sell = ["can_add_products", "can_delete_activities", "can_edit_products", "can_share_filters", "can_use_api"];
    let all = [
        (regular, "Deals regular user", "sales", "regular", &sell[1..]),
        (admin, "Deals admin", "sales", "admin", &sell[..]),
        (global, "Global regular user", "global", "regular", &sell[3..]),
        (custom, "Nur lesen", "sales", "custom", &sell[4..]),
    ];
    for (id, name, app, kind, contents) in all {
        let row = json!({
            "id": id, "name": name, "app": app, "type": kind, "contents": contents,
            "description": format!("Access to {app} data and available actions"),
        });
        word(sink, "permissionSets", &id, row);
    }
}

const SOURCES: &[&str] = &[
    "Manually created",
    "Deal",
    "Web forms",
    "Prospector",
    "Leadbooster",
    "Live chat",
    "Import",
    "Website visitors",
    "Workflow automation",
    "API",
];

fn own(company: &Company, sink: &mut dyn Sink) {
    for name in SOURCES {
        word(sink, "leadSources", name, json!({"name": name}));
    }
    let settings = [
        ("marketplace_team", json!(false)),
        ("list_limit", json!(100)),
        ("beta_app", json!(false)),
        ("prevent_salesphone_callto_override", json!(false)),
        ("file_upload_destination", json!("s3")),
        ("callto_link_syntax", json!("callto:[number]")),
        ("autofill_deal_expected_close_date", json!(true)),
        ("person_duplicate_condition", json!("name && (org_id || email || phone)")),
    ];
    for (setting, value) in settings {
        word(sink, "userSettings", setting, json!({"setting": setting, "value": value}));
    }
    let google = company.dice("connection", 0).hex(16);
    word(sink, "userConnections", "google", json!({"service": "google", "connection": google}));
}

fn teams(company: &Company, sink: &mut dyn Sink) {
    for (index, name) in ["Closers", "Müller & Söhne"].into_iter().enumerate() {
        let mut dice = company.dice("team", index as u64);
        let manager = dice.pick(&company.users).id;
        let mut users: Vec<u64> = (0..3).map(|_| dice.pick(&company.users).id).collect();
        users.sort_unstable();
        users.dedup();
        let id = company.id_of("teams", index as u64);
        let row = json!({
            "id": id, "name": name, "description": texts::sentence(&mut dice), "manager_id": manager, "users": users,
            "active_flag": 1 - index, "is_deleted": false, "add_time": time::plain(company.born + DAY),
            "created_by_user_id": company.users[0].id,
        });
        put(sink, "legacyTeams", id, row);
    }
}

/// Goals of a person, of a team and of the company; one of them is over.
fn goals(company: &Company, sink: &mut dyn Sink) {
    let colleague = company.users[company.users.len() - 1].id;
    let pipeline = &company.pipelines[0];
    let euro = company.id_of("currencies", 0);
    let call = company.id_of("activityTypes", 0);
    let (this_year, over) = (company.now + 90 * DAY, company.now - 90 * DAY);
    let quantity = |target: u64| json!({"target": target, "tracking_metric": "quantity"});
    let person = |id: u64| json!({"type": "person", "id": id});
    let all = [
        (
            "Neue Deals",
            "deals_started",
            json!({"pipeline_id": [pipeline.id]}),
            person(company.users[0].id),
            quantity(40),
            over,
        ),
        (
            "Abschlüsse",
            "deals_won",
            json!({"pipeline_id": null}),
            person(colleague),
            json!({"target": 250_000, "tracking_metric": "sum", "currency_id": euro}),
            this_year,
        ),
        (
            "Angebote",
            "deals_progressed",
            json!({"pipeline_id": [pipeline.id], "stage_id": pipeline.stages[2].0}),
            json!({"type": "team", "id": company.id_of("teams", 0)}),
            quantity(12),
            this_year,
        ),
        (
            "Telefonate",
            "activities_completed",
            json!({"activity_type_id": [call]}),
            json!({"type": "company", "id": company.id}),
            quantity(500),
            this_year,
        ),
        (
            "Forecast",
            "revenue_forecast",
            json!({"pipeline_id": [pipeline.id]}),
            person(colleague),
            json!({"target": 1_000_000, "tracking_metric": "sum", "currency_id": euro}),
            this_year,
        ),
    ];
    for (index, goal) in all.into_iter().enumerate() {
        put_goal(company, index as u64, goal, sink);
    }
}

/// Title, type with its parameters, who, what and until when.
type Goal = (&'static str, &'static str, Value, Value, Value, i64);

fn put_goal(company: &Company, index: u64, goal: Goal, sink: &mut dyn Sink) {
    let (title, name, params, assignee, outcome, end) = goal;
    let mut dice = company.dice("goal", index);
    let id = dice.hex(32);
    let row = json!({
        "id": id, "owner_id": company.users[0].id, "title": title, "type": {"name": name, "params": params}, "assignee": assignee,
        "interval": "monthly", "duration": {"start": time::date(company.born), "end": time::date(end)},
        "expected_outcome": outcome, "report_ids": [dice.hex(32)],
    });
    word(sink, "goals", &id, row);
}

/// Calls of the token's user, one in so many activities of the type; one belongs to a colleague and is not shown to us.
pub(super) fn calls(company: &Company, sink: &mut dyn Sink) {
    let count = (company.counts.activities / 20).clamp(2, 120);
    for index in 0..count {
        let mut dice = company.dice("call log", index);
        let activity = company.activity(index);
        let on = &activity.parents;
        let outcome = *dice.pick(&["connected", "no_answer", "left_message", "left_voicemail", "wrong_number", "busy"]);
        let seconds = dice.below(1_800) as i64;
        let user = if index % 7 == 6 { company.users[company.users.len() - 1].id } else { company.users[0].id };
        let id = format!("CA{}", dice.hex(30));
        let row = json!({
            "id": id, "activity_id": company.id_of("activities", index), "subject": texts::sentence(&mut dice),
            "person_id": on.person.map(|person| company.id_of("persons", person)),
            "org_id": on.organization.map(|organization| company.id_of("organizations", organization)),
            "deal_id": on.deal.map(|deal| company.id_of("deals", deal)), "lead_id": null, "duration": seconds.to_string(),
            "outcome": outcome, "from_phone_number": dice.chance(500).then(|| texts::phone(&mut dice)),
            "to_phone_number": texts::phone(&mut dice), "has_recording": false, "start_time": time::millis(activity.add, 0),
            // The company as `users/me` tells it.
            "end_time": time::millis(activity.add + seconds, 0), "user_id": user, "company_id": 54_235_233,
            "note": dice.chance(300).then(|| texts::sentence(&mut dice)),
        });
        word(sink, "callLogs", &id, row);
    }
}
