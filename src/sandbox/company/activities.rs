//! Activities, notes and files: what hangs on the other records.

use serde_json::{Map, Value, json};

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::facts::Company;
use crate::sandbox::company::links::{Activity, Parents};
use crate::sandbox::company::rows::set;
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{deals, extras, texts};
use crate::sandbox::row::{Content, Id, Sink};

/// Sends every activity.
pub(super) fn activities(company: &Company, sink: &mut dyn Sink) {
    let count = company.counts.activities;
    let priorities = company.options("activityFields", "priority");
    let mut row = Map::new();
    for index in 0..count {
        let mut dice = company.dice("activity", index);
        let id = company.id_of("activities", index);
        let activity = company.activity(index);
        let owner = company.users[dice.skewed(company.users.len() as u64) as usize].id;
        let (type_name, type_key, ..) =
            company.activity_types[dice.skewed(company.activity_types.len() as u64) as usize];
        let done_at = (activity.due + dice.below(DAY as u64) as i64).clamp(activity.add, company.now);
        let changed = if activity.done { done_at } else { activity.add };
        let (given, family) = texts::person(&mut dice);
        set(&mut row, "id", id);
        set(&mut row, "subject", format!("{type_name}: {given} {family}"));
        set(&mut row, "type", type_key);
        set(&mut row, "owner_id", owner);
        set(&mut row, "creator_user_id", if dice.chance(850) { owner } else { company.users[0].id });
        set(&mut row, "is_deleted", false);
        set(&mut row, "add_time", time::rfc3339(activity.add));
        set(&mut row, "update_time", time::rfc3339(company.updated(&mut dice, changed)));
        parents(company, &activity.parents, &mut row);
        when(&mut dice, &activity, &mut row);
        set(&mut row, "done", activity.done);
        set(&mut row, "marked_as_done_time", activity.done.then(|| time::rfc3339(done_at)));
        set(&mut row, "location", dice.chance(100).then(|| texts::address(&mut dice, false)));
        people(company, &mut dice, activity.parents.person, &mut row);
        let video = dice.chance(50).then(|| dice.hex(9));
        set(&mut row, "conference_meeting_client", video.is_some().then_some("google_meet"));
        set(&mut row, "conference_meeting_url", video.as_ref().map(|code| format!("https://meet.google.com/{code}")));
        set(&mut row, "conference_meeting_id", video);
        set(&mut row, "public_description", dice.chance(120).then(|| texts::sentence(&mut dice)));
        set(&mut row, "priority", dice.chance(200).then(|| *dice.pick(&priorities)));
        set(&mut row, "note", dice.chance(350).then(|| texts::note(&mut dice)));
        sink.row("activities", Id::Number(id), &row);
    }
}

/// Sets the ids of what the row hangs on.
pub(super) fn parents(company: &Company, parents: &Parents, row: &mut Map<String, Value>) {
    set(row, "deal_id", parents.deal.map(|deal| company.id_of("deals", deal)));
    set(row, "lead_id", parents.lead.map(|lead| deals::lead_id(company, lead)));
    set(row, "person_id", parents.person.map(|person| company.id_of("persons", person)));
    set(row, "org_id", parents.organization.map(|organization| company.id_of("organizations", organization)));
    set(row, "project_id", Value::Null);
}

fn when(dice: &mut Dice, activity: &Activity, row: &mut Map<String, Value>) {
    set(row, "due_date", time::date(activity.due));
    set(row, "due_time", activity.timed.then(|| time::clock(activity.due)));
    set(row, "duration", activity.timed.then(|| time::clock(dice.between(1, 8) as i64 * 900)));
    set(row, "busy", activity.timed && dice.chance(500));
}

fn people(company: &Company, dice: &mut Dice, person: Option<u64>, row: &mut Map<String, Value>) {
    let mut participants = Vec::new();
    if let Some(person) = person {
        participants.push(json!({"person_id": company.id_of("persons", person), "primary": true}));
        let other = dice.below(company.counts.persons);
        if other != person && dice.chance(80) {
            participants.push(json!({"person_id": company.id_of("persons", other), "primary": false}));
        }
    }
    set(row, "participants", participants);
    let mut attendees = Vec::new();
    if dice.chance(50) {
        let user = dice.pick(&company.users);
        attendees.push(json!({
            "email": user.email, "name": user.name, "status": "accepted", "is_organizer": true, "person_id": null, "user_id": user.id,
        }));
        let (given, family) = texts::person(dice);
        attendees.push(json!({
            "email": format!("guest{}@mail.example", dice.below(10_000)), "name": format!("{given} {family}"), "status": "noreply",
            "is_organizer": false, "person_id": null, "user_id": null,
        }));
    }
    set(row, "attendees", attendees);
}

/// Sends every note.
pub(super) fn notes(company: &Company, sink: &mut dyn Sink) {
    let count = company.counts.notes;
    let mut row = Map::new();
    for index in 0..count {
        let mut dice = company.dice("note", index);
        let id = company.id_of("notes", index);
        let on = company.note_parents(index);
        let add = company.added("notes", index, count);
        let author = &company.users[dice.skewed(company.users.len() as u64) as usize];
        let editor = if dice.chance(100) { dice.pick(&company.users).id } else { author.id };
        set(&mut row, "id", id);
        set(&mut row, "active_flag", true);
        set(&mut row, "content", texts::note(&mut dice));
        set(&mut row, "add_time", time::plain(add));
        set(&mut row, "update_time", time::plain(company.updated(&mut dice, add)));
        set(&mut row, "user_id", author.id);
        set(&mut row, "last_update_user_id", editor);
        parents(company, &on, &mut row);
        set(&mut row, "task_id", Value::Null);
        let pinned = dice.chance(80);
        set(&mut row, "pinned_to_deal_flag", pinned && on.deal.is_some());
        set(&mut row, "pinned_to_lead_flag", pinned && on.lead.is_some());
        set(&mut row, "pinned_to_person_flag", pinned && on.deal.is_none() && on.lead.is_none() && on.person.is_some());
        let only_organization =
            on.deal.is_none() && on.lead.is_none() && on.person.is_none() && on.organization.is_some();
        set(&mut row, "pinned_to_organization_flag", pinned && only_organization);
        set(&mut row, "pinned_to_project_flag", false);
        set(&mut row, "pinned_to_task_flag", false);
        sink.row("notes", Id::Number(id), &row);
        extras::comments(company, index, id, add, sink);
    }
}

/// Kinds of attachments: ending, mime type, what the service calls the kind.
const FILE_TYPES: &[(&str, &str, &str)] = &[
    ("pdf", "application/pdf", "pdf"),
    ("png", "image/png", "img"),
    ("jpg", "image/jpeg", "img"),
    ("csv", "text/csv", "csv"),
    ("txt", "text/plain", "txt"),
];

/// First words of file names.
const FILE_NAMES: &[&str] = &[
    "offer",
    "Angebot Größe XL",
    "contract (signed)",
    "Rechnung",
    "photo",
    "価格表",
    "minutes",
    "spec_v2.final",
    "devis n° 3",
];

/// Sends every file and its contents.
pub(super) fn files(company: &Company, sink: &mut dyn Sink) {
    let count = company.counts.files;
    let mut row = Map::new();
    for index in 0..count {
        let mut dice = company.dice("file", index);
        let id = company.id_of("files", index);
        let on = company.file_parents(index);
        let add = company.added("files", index, count);
        let (ending, mime, file_type) = *dice.pick(FILE_TYPES);
        // A few kilobytes mostly: an account of 100,000 records should not ask for gigabytes of downloads.
        let size = match dice.below(200) {
            0 => dice.between(200_000, 1_500_000),
            1..=20 => dice.between(20_000, 120_000),
            _ => dice.between(300, 12_000),
        };
        let name = format!("{} {}.{ending}", dice.pick(FILE_NAMES), dice.between(1, 9999));
        let stored = format!("{}_{}.{ending}", texts::ascii(&name), dice.hex(40));
        set(&mut row, "id", id);
        set(&mut row, "user_id", dice.pick(&company.users).id);
        parents(company, &on, &mut row);
        set(&mut row, "product_id", on.product.map(|product| company.id_of("products", product)));
        set(&mut row, "activity_id", on.activity.map(|activity| company.id_of("activities", activity)));
        set(&mut row, "log_id", Value::Null);
        set(&mut row, "add_time", time::plain(add));
        set(&mut row, "update_time", time::plain(company.updated(&mut dice, add)));
        set(&mut row, "remote_id", format!("company/{}/{stored}", company.id));
        set(&mut row, "file_name", stored);
        set(&mut row, "file_type", file_type);
        set(&mut row, "file_size", size);
        set(&mut row, "active_flag", true);
        set(&mut row, "inline_flag", false);
        set(&mut row, "remote_location", "s3");
        ["cid", "s3_bucket", "mail_message_id", "mail_template_id"].iter().for_each(|key| set(&mut row, key, ""));
        set(&mut row, "name", name);
        let description = if dice.chance(200) { texts::sentence(&mut dice) } else { String::new() };
        set(&mut row, "description", description);
        sink.row("files", Id::Number(id), &row);
        sink.content("files", Id::Number(id), Content::Made { seed: dice.next(), size, mime });
    }
}
