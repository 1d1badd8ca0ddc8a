//! Projects: boards with phases, templates, projects, their groups, tasks and plan.

use serde_json::{Map, Value, json};

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::facts::Company;
use crate::sandbox::company::fields::{self, Reach};
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{rows, texts};
use crate::sandbox::row::{Id, Sink};

/// Boards with their phases.
const BOARDS: &[(&str, &[&str])] = &[
    ("Customer projects", &["Kick-off", "Implementation", "Review", "Done"]),
    ("Internal", &["Planned", "In progress", "Done"]),
];
const TEMPLATES: &[&str] = &["Onboarding", "Roll-out (DACH)"];
const GROUPS: &[&str] = &["Preparation", "Delivery"];
/// Of 1,000 deals, so many became a project; the smallest company has a few all the same.
const PERMILLE: u64 = 30;
const LEAST: u64 = 4;

/// Sends everything about projects.
pub(super) fn projects(company: &Company, sink: &mut dyn Sink) {
    let phases = boards(company, sink);
    for (index, title) in (0..).zip(TEMPLATES) {
        let id = company.id_of("projectTemplates", index);
        let time = time::millis(company.born, 204);
        let row = json!({
            "id": id, "title": title, "description": "", "projects_board_id": company.id_of("boards", 0),
            "owner_id": company.users[0].id, "add_time": time, "update_time": time,
        });
        sink.row("projectTemplates", Id::Number(id), &rows::object(row));
    }
    let count = (company.counts.deals * PERMILLE / 1000).max(LEAST);
    let (mut group, mut task) = (0, 0);
    for index in 0..count {
        let (id, row) = project(company, index, count, &phases);
        sink.row("projects", Id::Number(id), &row);
        let mut groups = Vec::new();
        for (order, name) in (1..).zip(GROUPS) {
            let id_of_group = company.id_of("projectGroups", group);
            let row = json!({"id": id_of_group, "name": name, "order_nr": order, "project_id": id});
            sink.row("projectGroups", Id::Number(id_of_group), &rows::object(row));
            groups.push(id_of_group);
            group += 1;
        }
        task = tasks(company, index, task, (id, &row, &groups), sink);
    }
}

/// Boards and phases; answers board and phase of every phase.
fn boards(company: &Company, sink: &mut dyn Sink) -> Vec<(u64, u64)> {
    let mut numbered = Vec::new();
    for (index, (name, phases)) in (0..).zip(BOARDS) {
        let board = company.id_of("boards", index);
        let time = time::millis(company.born + index as i64 * DAY, 852);
        let row = json!({"id": board, "name": name, "order_nr": index + 1, "add_time": time, "update_time": time});
        sink.row("boards", Id::Number(board), &rows::object(row));
        for (order, name) in (1..).zip(*phases) {
            let id = company.id_of("phases", numbered.len() as u64);
            let row = json!({
                "id": id, "name": name, "board_id": board, "order_nr": order, "add_time": time, "update_time": time,
            });
            sink.row("phases", Id::Number(id), &rows::object(row));
            numbered.push((board, id));
        }
    }
    numbered
}

fn project(company: &Company, index: u64, count: u64, phases: &[(u64, u64)]) -> (u64, Map<String, Value>) {
    let mut dice = company.dice("project", index);
    let id = company.id_of("projects", index);
    let add = company.added("projects", index, count);
    let (board, phase) = *dice.pick(phases);
    let labels = company.options("projectFields", "label_ids");
    // One in nine is archived, and the second of every company, so that the smallest has one.
    let archived = index == 1 || dice.chance(110);
    let completed = archived || dice.chance(200);
    let changed = company.updated(&mut dice, add);
    let mut linked = |kind: &str, targets: u64, permille: u64| -> Vec<u64> {
        if dice.chance(permille) { vec![company.id_of(kind, dice.below(targets))] } else { Vec::new() }
    };
    let counts = company.counts;
    let (deals, persons, organizations) = (
        linked("deals", counts.deals, 700),
        linked("persons", counts.persons, 600),
        linked("organizations", counts.organizations, 600),
    );
    let mut row = rows::object(json!({
        "id": id, "title": format!("{} – {}", texts::firm(&mut dice), TEMPLATES[index as usize % TEMPLATES.len()]),
        "description": dice.chance(500).then(|| texts::sentence(&mut dice)), "status": if completed { "completed" } else { "open" },
        "status_change_time": completed.then(|| time::millis(changed, 11)), "owner_id": dice.pick(&company.users).id,
        "board_id": board, "phase_id": phase, "start_date": time::date(add), "health_status": null,
        "end_date": dice.chance(600).then(|| time::date(add + 90 * DAY)),
        "label_ids": if dice.chance(400) { vec![*dice.pick(&labels)] } else { Vec::new() },
        "deal_ids": deals, "person_ids": persons, "org_ids": organizations,
        "add_time": time::millis(add, 310), "update_time": time::millis(changed, 852),
        "archive_time": archived.then(|| time::millis(changed, 500)),
    }));
    let reach = Reach { persons: counts.persons, organizations: counts.organizations };
    fields::values(company, "projectFields", index, &reach, rows::inner(&mut row, "custom_fields"));
    (id, row)
}

/// The tasks of one project, each with its place in the plan; answers how many tasks there are by now.
fn tasks(
    company: &Company,
    index: u64,
    from: u64,
    (project, row, groups): (u64, &Map<String, Value>, &[u64]),
    sink: &mut dyn Sink,
) -> u64 {
    let mut dice = company.dice("project tasks", index);
    let count = dice.between(3, 5);
    for at in 0..count {
        let id = company.id_of("tasks", from + at);
        // The third is a subtask of the first.
        let parent = (at == 2).then(|| company.id_of("tasks", from));
        let row_of = task(company, &mut dice, (id, project, parent));
        sink.row("tasks", Id::Number(id), &row_of);
        let place = json!({
            "item_id": id, "item_type": "task", "phase_id": row["phase_id"], "group_id": dice.pick(groups), "project_id": project,
        });
        sink.row("projectPlans", Id::Text(format!("task:{id}").into()), &rows::object(place));
    }
    from + count
}

fn task(company: &Company, dice: &mut Dice, (id, project, parent): (u64, u64, Option<u64>)) -> Map<String, Value> {
    let add = company.now - dice.below(400) as i64 * DAY;
    let done = dice.chance(500);
    let changed = (add + DAY).min(company.now);
    rows::object(json!({
        "id": id, "title": texts::sentence(dice), "description": dice.chance(300).then(|| texts::sentence(dice)),
        "project_id": project, "parent_task_id": parent, "creator_id": company.users[0].id,
        "assignee_ids": [dice.pick(&company.users).id], "is_done": done, "is_milestone": dice.chance(100),
        "marked_as_done_time": done.then(|| time::millis(changed, 120)), "priority": null,
        "start_date": time::date(add), "due_date": dice.chance(700).then(|| time::date(add + 14 * DAY)),
        "add_time": time::millis(add, 77), "update_time": time::millis(changed, 120),
    }))
}
