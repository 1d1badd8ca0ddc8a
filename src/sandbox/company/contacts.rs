//! Organizations and persons with their counters and followers.

use serde_json::{Map, Value, json};

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::facts::Company;
use crate::sandbox::company::fields::{self, Reach};
use crate::sandbox::company::rows::{inner, set};
use crate::sandbox::company::tally::{Standing, Tallies, Tally};
use crate::sandbox::company::{extras, rows, texts, time, words};
use crate::sandbox::row::{Id, Sink};

/// Who may see records: the numbers of higher plans, the whole company most often.
const VISIBLE_TO: &[u64] = &[7, 7, 7, 7, 5, 3, 1];

/// A member of [`VISIBLE_TO`].
pub(super) fn visible_to(dice: &mut Dice) -> u64 {
    *dice.pick(VISIBLE_TO)
}

/// Up to two of the options.
pub(super) fn labels(dice: &mut Dice, options: &[u64]) -> Value {
    let count = dice.skewed(3) as usize;
    let first = dice.below(options.len() as u64) as usize;
    options.iter().cycle().skip(first).take(count).copied().collect()
}

/// The counters that activities, notes, files and mails make.
pub(super) fn counters(company: &Company, row: &mut Map<String, Value>, tally: &Tally, followers: u64) {
    let activity = |index: u64| company.id_of("activities", index);
    set(row, "next_activity_id", tally.next().map(activity));
    set(row, "last_activity_id", tally.last().map(activity));
    set(row, "activities_count", tally.activities);
    set(row, "done_activities_count", tally.done);
    set(row, "undone_activities_count", tally.activities - tally.done);
    set(row, "notes_count", tally.notes);
    set(row, "files_count", tally.files);
    set(row, "followers_count", followers);
    set(row, "email_messages_count", tally.mails);
}

/// When the last mail came and went.
pub(super) fn mail_times(tally: &Tally, row: &mut Map<String, Value>) {
    let shown = |at: Option<u32>| at.map(|at| time::rfc3339(i64::from(at)));
    set(row, "last_incoming_mail_time", shown(tally.received));
    set(row, "last_outgoing_mail_time", shown(tally.sent));
}

fn standing(row: &mut Map<String, Value>, prefix: &str, standing: &Standing) {
    let keys = match prefix {
        "" => ["open_deals_count", "closed_deals_count", "won_deals_count", "lost_deals_count"],
        _ => [
            "related_open_deals_count",
            "related_closed_deals_count",
            "related_won_deals_count",
            "related_lost_deals_count",
        ],
    };
    let counts = [standing.open, standing.closed(), standing.won, standing.lost];
    keys.iter().zip(counts).for_each(|(key, count)| set(row, key, count));
}

/// Sends the followers of one record.
pub(super) fn follow(
    sink: &mut dyn Sink,
    kind: &'static str,
    parent: (&str, u64),
    users: impl Iterator<Item = u64>,
    add: i64,
) {
    for user in users {
        let row = rows::object(json!({parent.0: parent.1, "user_id": user, "add_time": time::rfc3339(add)}));
        sink.row(kind, Id::Pair(parent.1, user), &row);
    }
}

/// Sends every organization with its followers.
pub(super) fn organizations(company: &Company, tallies: &Tallies, sink: &mut dyn Sink) {
    let count = company.counts.organizations;
    let (label_options, industries) =
        (company.options("organizationFields", "label_ids"), company.options("organizationFields", "industry"));
    let mut row = Map::new();
    for index in 0..count {
        let mut dice = company.dice("organization", index);
        let id = company.id_of("organizations", index);
        let add = company.added("organizations", index, count);
        let owner = dice.skewed(company.users.len() as u64) as usize;
        let name = texts::firm(&mut dice);
        let host = texts::ascii(&name);
        set(&mut row, "id", id);
        set(&mut row, "website", dice.chance(700).then(|| format!("https://www.{host}{index}.example")));
        set(&mut row, "linkedin", dice.chance(200).then(|| format!("https://www.linkedin.com/company/{host}")));
        set(&mut row, "name", name);
        set(&mut row, "owner_id", company.users[owner].id);
        set(&mut row, "add_time", time::rfc3339(add));
        set(&mut row, "update_time", time::rfc3339(company.updated(&mut dice, add)));
        set(&mut row, "is_deleted", false);
        set(&mut row, "visible_to", visible_to(&mut dice));
        set(&mut row, "address", dice.chance(800).then(|| texts::address(&mut dice, false)));
        set(&mut row, "label_ids", labels(&mut dice, &label_options));
        set(&mut row, "industry", dice.chance(600).then(|| *dice.pick(&industries)));
        set(&mut row, "annual_revenue", dice.chance(400).then(|| dice.between(1, 9000) * 10_000));
        set(&mut row, "employee_count", dice.chance(500).then(|| dice.between(1, 4000)));
        organization_counters(company, tallies, index, &mut row);
        let custom = inner(&mut row, "custom_fields");
        fields::values(company, "organizationFields", index, &reach(company), custom);
        main_contact(company, tallies, index, custom);
        sink.row("organizations", Id::Number(id), &row);
        let followers = company.follower_count("organization follower count", index, 40);
        let users = company.followers("organization followers", index, owner, followers);
        follow(sink, "organizationFollowers", ("org_id", id), users, add);
    }
}

fn organization_counters(company: &Company, tallies: &Tallies, index: u64, row: &mut Map<String, Value>) {
    let place = index as usize;
    counters(
        company,
        row,
        &tallies.organizations[place],
        company.follower_count("organization follower count", index, 40),
    );
    set(row, "people_count", tallies.people[place]);
    standing(row, "", &tallies.firm[place]);
    standing(row, "related_", &tallies.related[place]);
    set(row, "smart_bcc_email", bcc(company));
}

/// Closes a circle: the organization points at one of its own people, who points back with `org_id`.
fn main_contact(company: &Company, tallies: &Tallies, index: u64, custom: &mut Map<String, Value>) {
    let field = company.fields("organizationFields").iter().find(|field| field.custom && field.field_type == "people");
    let (Some(field), Some(person)) = (field, tallies.first_person[index as usize]) else { return };
    if custom.get(&field.code).is_some_and(Value::is_u64) {
        set(custom, &field.code, company.id_of("persons", u64::from(person)));
    }
}

/// The mail address that files a mail under a record.
pub(super) fn bcc(company: &Company) -> String {
    format!("acme{}@pipedrivemail.example", company.id % 1000)
}

/// Custom fields may point at any record of the company, earlier or later: circles are wanted.
pub(super) fn reach(company: &Company) -> Reach {
    Reach { persons: company.counts.persons, organizations: company.counts.organizations }
}

/// Sends every person with its followers.
pub(super) fn persons(company: &Company, tallies: &Tallies, sink: &mut dyn Sink) {
    let count = company.counts.persons;
    let label_options = company.options("personFields", "label_ids");
    let mut row = Map::new();
    for index in 0..count {
        let mut dice = company.dice("person", index);
        let id = company.id_of("persons", index);
        let add = company.added("persons", index, count);
        let owner = dice.skewed(company.users.len() as u64) as usize;
        let (given, family) = texts::person(&mut dice);
        set(&mut row, "id", id);
        set(&mut row, "name", format!("{given} {family}"));
        set(&mut row, "first_name", given);
        set(&mut row, "last_name", family);
        set(&mut row, "owner_id", company.users[owner].id);
        set(&mut row, "org_id", company.employer(index).map(|employer| company.id_of("organizations", employer)));
        set(&mut row, "add_time", time::rfc3339(add));
        set(&mut row, "update_time", time::rfc3339(company.updated(&mut dice, add)));
        set(&mut row, "is_deleted", false);
        set(&mut row, "visible_to", visible_to(&mut dice));
        set(&mut row, "label_ids", labels(&mut dice, &label_options));
        set(&mut row, "picture_id", extras::picture_id(company, index));
        reachable(&mut dice, index, (given, family), &mut row);
        private(company, &mut dice, &mut row);
        person_counters(company, tallies, index, &mut row);
        fields::values(company, "personFields", index, &reach(company), inner(&mut row, "custom_fields"));
        sink.row("persons", Id::Number(id), &row);
        extras::picture(company, index, id, sink);
        let followers = company.follower_count("person follower count", index, 20);
        follow(
            sink,
            "personFollowers",
            ("person_id", id),
            company.followers("person followers", index, owner, followers),
            add,
        );
    }
}

fn reachable(dice: &mut Dice, index: u64, (given, family): (&str, &str), row: &mut Map<String, Value>) {
    let (given, family) = (texts::ascii(given), texts::ascii(family));
    let mut emails = Vec::new();
    if !dice.chance(60) {
        emails.push((format!("{given}.{family}{index}@firm{}.example", dice.below(5000)), "work"));
        if dice.chance(250) {
            emails.push((format!("{given}{}@mail.example", dice.between(1, 99)), "home"));
        }
    }
    let mut phones = Vec::new();
    if dice.chance(800) {
        phones.push((texts::phone(dice), if dice.chance(500) { "mobile" } else { "work" }));
        if dice.chance(300) {
            phones.push((texts::phone(dice), "Zentrale"));
        }
    }
    let subscribed = !emails.is_empty() && dice.chance(400);
    set(row, "marketing_status", if subscribed { "subscribed" } else { "no_consent" });
    set(row, "doi_status", if subscribed { "confirmed" } else { "not_sent" });
    set(row, "emails", texts::contacts(emails));
    set(row, "phones", texts::contacts(phones));
    let im = if dice.chance(50) { vec![(format!("{given}_{family}"), "skype")] } else { Vec::new() };
    set(row, "im", texts::contacts(im));
}

/// The members that exist since contacts were once synchronised. api/objects.md, Persons.
fn private(company: &Company, dice: &mut Dice, row: &mut Map<String, Value>) {
    let age = dice.between(7_000, 24_000) as i64 * time::DAY;
    set(row, "birthday", dice.chance(120).then(|| time::date(company.now - age)));
    set(row, "job_title", dice.chance(450).then(|| *dice.pick(words::POSITIONS)));
    set(row, "notes", dice.chance(100).then(|| texts::sentence(dice)));
    set(row, "postal_address", dice.chance(150).then(|| texts::address(dice, false)));
}

fn person_counters(company: &Company, tallies: &Tallies, index: u64, row: &mut Map<String, Value>) {
    let place = index as usize;
    counters(company, row, &tallies.persons[place], company.follower_count("person follower count", index, 20));
    standing(row, "", &tallies.own[place]);
    let firm = company.employer(index).map(|employer| tallies.firm[employer as usize]).unwrap_or_default();
    standing(row, "related_", &firm.without(&tallies.own_at_employer[place]));
    set(row, "participant_open_deals_count", tallies.joined[place].open);
    set(row, "participant_closed_deals_count", tallies.joined[place].closed());
    mail_times(&tallies.persons[place], row);
    set(row, "smart_bcc_email", bcc(company));
}
