//! Deals with their products, followers and participants, and leads.

use serde_json::{Map, Value, json};

use crate::sandbox::company::contacts::{bcc, counters, follow, labels, mail_times, reach, visible_to};
use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::facts::{CURRENCIES, Company};
use crate::sandbox::company::fields;
use crate::sandbox::company::links::{Deal, Line, Status};
use crate::sandbox::company::rows::{inner, money, object, set};
use crate::sandbox::company::tally::Tallies;
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{extras, products, texts, words};
use crate::sandbox::row::{Id, Sink};

/// Positions of the rows under deals, which have ids of their own.
#[derive(Default)]
struct Children {
    lines: u64,
    participants: u64,
}

/// The title of a deal.
pub(super) fn title(company: &Company, index: u64) -> String {
    let mut dice = company.dice("deal title", index);
    let mut title = texts::firm(&mut dice);
    title.push(' ');
    let matter: &&str = dice.pick(words::MATTERS);
    title.push_str(matter);
    title
}

/// Sends every deal with what is under it.
pub(super) fn deals(company: &Company, tallies: &Tallies, sink: &mut dyn Sink) {
    let label_options = company.options("dealFields", "label_ids");
    let channels = company.options("dealFields", "channel");
    let mut children = Children::default();
    let mut row = Map::new();
    for index in 0..company.counts.deals {
        let mut dice = company.dice("deal", index);
        let deal = company.deal(index);
        let id = company.id_of("deals", index);
        let lines = company.lines(index, &deal);
        head(company, index, &deal, &mut dice, &mut row);
        set(&mut row, "id", id);
        set(&mut row, "label_ids", labels(&mut dice, &label_options));
        let origin = *dice.pick(&["ManuallyCreated", "ManuallyCreated", "Import", "API", "WebForms"]);
        set(&mut row, "origin", origin);
        set(&mut row, "origin_id", (origin == "WebForms").then(|| dice.hex(12)));
        set(&mut row, "channel", dice.chance(300).then(|| *dice.pick(&channels)));
        set(&mut row, "channel_id", dice.chance(50).then_some("Messe Hannover #4"));
        let less = extras::discount_percent(company, index, &lines).unwrap_or(0);
        let value = company.value(index, &lines);
        // Rounded as a person would: half a hundredth up.
        set(&mut row, "value", money((value * (100 - less) + 50).div_euclid(100)));
        revenue(&lines, &mut row);
        times(company, &deal, &mut dice, &mut row);
        counters(company, &mut row, &tallies.deals[index as usize], deal.followers);
        set(&mut row, "products_count", deal.lines);
        set(&mut row, "participants_count", deal.participants);
        mail_times(&tallies.deals[index as usize], &mut row);
        set(&mut row, "source_lead_id", Value::Null);
        set(&mut row, "smart_bcc_email", bcc(company));
        fields::values(company, "dealFields", index, &reach(company), inner(&mut row, "custom_fields"));
        sink.row("deals", Id::Number(id), &row);
        under(company, index, (&deal, id, &lines), &mut children, sink);
    }
}

fn head(company: &Company, index: u64, deal: &Deal, dice: &mut Dice, row: &mut Map<String, Value>) {
    let pipeline = &company.pipelines[dice.skewed(company.pipelines.len() as u64) as usize];
    let stage = dice.pick(&pipeline.stages);
    let owner = company.users[deal.owner].id;
    set(row, "title", title(company, index));
    set(row, "creator_user_id", if dice.chance(800) { owner } else { company.users[0].id });
    set(row, "owner_id", owner);
    set(row, "person_id", deal.person.map(|person| company.id_of("persons", person)));
    set(row, "org_id", deal.organization.map(|organization| company.id_of("organizations", organization)));
    set(row, "pipeline_id", pipeline.id);
    set(row, "stage_id", stage.0);
    set(row, "currency", CURRENCIES[deal.currency].0);
    set(row, "is_deleted", false);
    set(row, "is_archived", deal.archived);
    let (status, reason) = match deal.status {
        Status::Open => ("open", None),
        Status::Won => ("won", None),
        Status::Lost => ("lost", dice.chance(800).then(|| *dice.pick(words::LOST_REASONS))),
    };
    set(row, "status", status);
    set(row, "lost_reason", reason);
    set(row, "probability", dice.chance(250).then(|| *dice.pick(&[10, 25, 50, 75, 90])));
    set(row, "visible_to", visible_to(dice));
}

/// Yearly lines as recurring revenue; a deal without them has none.
fn revenue(lines: &[Line], row: &mut Map<String, Value>) {
    let yearly: i64 = lines.iter().filter(|line| line.enabled && line.yearly).map(|line| line.sum).sum();
    let shown = |hundredths: i64| if yearly == 0 { Value::Null } else { money(hundredths) };
    set(row, "acv", shown(yearly));
    set(row, "arr", shown(yearly));
    set(row, "mrr", shown(yearly / 12));
}

fn times(company: &Company, deal: &Deal, dice: &mut Dice, row: &mut Map<String, Value>) {
    let changed =
        deal.close.unwrap_or_else(|| deal.add + dice.below((company.now - deal.add).max(0) as u64 + 1) as i64);
    let archived = deal.archived.then(|| company.now.min(changed + 30 * DAY));
    let updated = company.updated(dice, changed).max(archived.unwrap_or(changed));
    let won = deal.close.filter(|_| deal.status == Status::Won);
    let lost = deal.close.filter(|_| deal.status == Status::Lost);
    set(row, "add_time", time::rfc3339(deal.add));
    set(row, "update_time", time::rfc3339(updated));
    set(row, "stage_change_time", (changed > deal.add).then(|| time::rfc3339((deal.add + changed) / 2)));
    set(row, "close_time", deal.close.map(time::rfc3339));
    set(row, "won_time", won.map(time::rfc3339));
    set(row, "first_won_time", won.map(time::rfc3339));
    set(row, "lost_time", lost.map(time::rfc3339));
    set(row, "local_close_date", deal.close.map(time::date));
    set(row, "local_won_date", won.map(time::date));
    set(row, "local_lost_date", lost.map(time::date));
    set(row, "archive_time", archived.map(time::rfc3339));
    let expected = deal.add + dice.between(14, 240) as i64 * DAY;
    set(row, "expected_close_date", dice.chance(700).then(|| time::date(expected)));
}

fn under(
    company: &Company,
    index: u64,
    (deal, id, lines): (&Deal, u64, &[Line]),
    children: &mut Children,
    sink: &mut dyn Sink,
) {
    for (line, order) in lines.iter().zip(1..) {
        let line_id = company.id_of("dealProducts", children.lines);
        children.lines += 1;
        sink.row("dealProducts", Id::Number(line_id), &line_row(company, (line_id, id, order), deal, line));
    }
    extras::of_deal(company, index, (deal, id, lines), sink);
    let users = company.followers("deal followers", index, deal.owner, deal.followers);
    follow(sink, "dealFollowers", ("deal_id", id), users, deal.add);
    for person in company.participants(index, deal) {
        let participant_id = company.id_of("dealParticipants", children.participants);
        children.participants += 1;
        // The person itself is the server's to show: a copy of it in here would grow stale with the first change.
        let row = object(json!({
            "id": participant_id, "deal_id": id, "person_id": company.id_of("persons", person), "add_time": time::plain(deal.add),
            "active_flag": true, "added_by_user_id": company.users[deal.owner].id,
        }));
        sink.row("dealParticipants", Id::Number(participant_id), &row);
    }
}

fn line_row(company: &Company, (id, deal_id, order): (u64, u64, u64), deal: &Deal, line: &Line) -> Map<String, Value> {
    let mut dice = company.dice("line row", id);
    let comments = if dice.chance(100) { texts::sentence(&mut dice) } else { String::new() };
    let time = time::rfc3339(deal.add);
    let tenths = line.quantity;
    object(json!({
        "id": id, "sum": money(line.sum), "tax": line.tax, "deal_id": deal_id, "name": products::name(company, line.product),
        "product_id": company.id_of("products", line.product), "product_variation_id": extras::variation_of(company, id, line.product), "order_nr": order * 10, "add_time": time,
        "update_time": time, "comments": comments, "currency": CURRENCIES[deal.currency].0, "discount": line.discount,
        "discount_type": if line.discount_is_percentage { "percentage" } else { "amount" }, "quantity": money(tenths * 10),
        "item_price": money(line.price), "tax_method": line.tax_method, "is_enabled": line.enabled,
        "billing_frequency": if line.yearly { "annually" } else { "one-time" }, "billing_frequency_cycles": null,
        "billing_start_date": line.yearly.then(|| time::date(deal.add)),
    }))
}

/// Identifies the lead at a position.
pub(super) fn lead_id(company: &Company, index: u64) -> String {
    company.dice("lead id", index).uuid()
}

/// The title of a lead.
pub(super) fn lead_title(company: &Company, index: u64) -> String {
    let mut dice = company.dice("lead title", index);
    format!("{} lead", texts::firm(&mut dice))
}

/// Sends every lead. Its custom fields are those of deals, flat and without the unset ones, so each lead is a map of its own.
pub(super) fn leads(company: &Company, tallies: &Tallies, sink: &mut dyn Sink) {
    let count = company.counts.leads;
    for index in 0..count {
        let mut dice = company.dice("lead", index);
        let id = lead_id(company, index);
        let (person, organization) = company.lead_parents(index);
        let add = company.added("leads", index, count);
        let owner = dice.pick(&company.users).id;
        let label_count = dice.skewed(3) as usize;
        let label_ids: Vec<&String> =
            company.lead_labels.iter().skip(dice.below(3) as usize).take(label_count).collect();
        let value =
            json!({"amount": money(dice.between(1, 500) as i64 * 10_000), "currency": fields::currency(&mut dice)});
        let archived = index == 1 || (index > 1 && dice.chance(150));
        let expected = add + dice.between(20, 300) as i64 * DAY;
        let next = tallies.leads[index as usize].next().map(|activity| company.id_of("activities", activity));
        let mut row = object(json!({
            "id": id, "title": lead_title(company, index), "owner_id": owner, "creator_id": owner, "label_ids": label_ids,
            "person_id": person.map(|person| company.id_of("persons", person)),
            "organization_id": organization.map(|organization| company.id_of("organizations", organization)),
            "source_name": dice.pick(&["Manually created", "API", "Import", "Web forms"]), "origin": "ManuallyCreated", "origin_id": null,
            "channel": null, "channel_id": null, "source_deal_id": null, "is_archived": archived, "was_seen": dice.chance(900),
            "value": if dice.chance(600) { value } else { Value::Null },
            "expected_close_date": dice.chance(400).then(|| time::date(expected)), "next_activity_id": next,
            "add_time": time::millis(add, dice.below(1000)), "update_time": Value::Null,
            "visible_to": visible_to(&mut dice).to_string(),
            "cc_email": format!("acme+{}+lead{}@pipedrivemail.example", company.id, dice.hex(16)),
        }));
        // At least a second later, because the thousandths are drawn for each time.
        let updated = company.updated(&mut dice, add) + 1;
        set(&mut row, "update_time", time::millis(updated.min(company.now), dice.below(1000)));
        fields::flat_values(company, index, &reach(company), &mut row);
        sink.row("leads", Id::Text(id.into()), &row);
    }
}
