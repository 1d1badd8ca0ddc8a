//! What single objects ask for beyond the catalogue: one rule a hazard, with its source.
//!
//! Everything here works on values of the goal before ids are translated, or on a
//! finished body, and says in words what it did.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::catalogue::Object;
use crate::record::Key;
use crate::restore::fill::{Body, Fill};
use crate::restore::same::{is_empty, same};

/// What rules need to know beyond the record.
#[derive(Default)]
pub(super) struct Facts {
    /// The token belongs to an administrator.
    pub(super) is_admin: bool,
    /// Deals whose products are not what they were: these decide the value, and where the plan leaves none, what was sent
    /// before the last one went would not last.
    pub(super) by_lines: BTreeSet<Key>,
}

/// Times that say when a deal was closed, and the status they belong to.
const CLOSED: &[(&str, &str)] = &[("won_time", "won"), ("lost_time", "lost")];

/// Fields that only moving between lists writes; never part of another step.
const MOVES: &[&str] = &["is_archived", "archive_time", "is_deleted"];

/// The flags of a note and the field whose id must stand in the same body (api/restore-hazards.md 4, Notes).
const PINS: &[(&str, &str)] = &[
    ("pinned_to_lead_flag", "lead_id"),
    ("pinned_to_deal_flag", "deal_id"),
    ("pinned_to_organization_flag", "org_id"),
    ("pinned_to_person_flag", "person_id"),
    ("pinned_to_project_flag", "project_id"),
    ("pinned_to_task_flag", "task_id"),
];

/// Why a note comes back without its pin.
pub(super) const UNPINNED: &str = "what it was pinned to is not there";

/// Of which fields at least one must be there: api/objects.md Leads, Notes.
pub(super) fn one_of(object: &str) -> &'static [&'static str] {
    match object {
        "leads" => &["person_id", "organization_id"],
        "notes" => &["lead_id", "deal_id", "person_id", "org_id", "project_id", "task_id"],
        _ => &[],
    }
}

/// What must be in place under the same parent before a row of this object: api/restore-hazards.md 4, Deal products.
pub(super) fn rests_on(object: &str) -> Option<&'static str> {
    matches!(object, "dealInstallments" | "dealDiscounts").then_some("dealProducts")
}

/// The object whose record stands in this field and must be where it belongs first: a stage goes with its pipeline, a
/// phase with its board (api/restore-hazards.md 4, Deals, Projects).
pub(super) fn goes_with(field: &str) -> Option<&'static str> {
    match field {
        "stage_id" => Some("stages"),
        "phase_id" => Some("projectPhases"),
        _ => None,
    }
}

/// Fields, each with the one that must stand in the same body: a pipeline alone throws a deal to its first stage, a flag
/// alone pins nothing.
pub(super) fn pairs(object: &str) -> &'static [(&'static str, &'static str)] {
    match object {
        "deals" => &[("pipeline_id", "stage_id"), ("stage_id", "pipeline_id")],
        "projects" => &[("board_id", "phase_id"), ("phase_id", "board_id")],
        "notes" => PINS,
        _ => &[],
    }
}

/// Adds what must stand in the same body.
pub(super) fn together(object: &str, differs: &mut Map<String, Value>, whole: &Map<String, Value>) {
    for (one, other) in pairs(object) {
        if let (true, Some(value)) = (differs.contains_key(*one), whole.get(*other)) {
            differs.insert((*other).to_owned(), value.clone());
        }
    }
}

/// Whether others rest on rows of this object.
pub(super) fn is_rested_on(object: &str) -> bool {
    object == "dealProducts"
}

/// The field that a row takes from its parent when it is made, and that no write sets: a line has the currency of its
/// deal (openapi v2, addDealProductRequest has none).
pub(super) fn taken_from_parent(object: &str) -> Option<&'static str> {
    (object == "dealProducts").then_some("currency")
}

/// Whether the value of a deal may be counted from rows of this object (api/restore-hazards.md 4, Value).
pub(super) fn decides_value(object: &str) -> bool {
    matches!(object, "dealProducts" | "dealDiscounts")
}

/// References without which the service makes the record that they would point to: a call log its activity
/// (api/restore-hazards.md 4, Call logs).
pub(super) fn beside_which_another_is_made(object: &str) -> &'static [&'static str] {
    match object {
        "callLogs" => &["activity_id"],
        _ => &[],
    }
}

/// Why a record is better left as it is than deleted and made again.
pub(super) fn cannot_replace(object: &str, live: &Map<String, Value>) -> Option<&'static str> {
    match object {
        // api/objects.md CallLogs: deleting one removes its recording, which nobody can read before.
        "callLogs" if truthy(live.get("has_recording").unwrap_or(&Value::Null)) => {
            Some("making it again would lose its recording: it is left as it is")
        }
        _ => None,
    }
}

/// The field of a parent beside which the service may add a row of this object by itself: an owner follows, a person
/// takes part (api/restore-hazards.md 4, Followers/participants; UNCONFIRMED).
pub(super) fn added_beside(part: &str) -> Option<&'static str> {
    match part {
        "dealFollowers" | "personFollowers" | "organizationFollowers" | "productFollowers" => Some("owner_id"),
        "dealParticipants" => Some("person_id"),
        _ => None,
    }
}

/// The field by which such a row names its member.
pub(super) fn member_field(part: &Object) -> Option<&'static str> {
    part.create.and_then(|write| write.required.first().copied())
}

/// Why a record cannot be made again, whatever the catalogue says.
pub(super) fn cannot_make(object: &str, fields: &Map<String, Value>) -> Option<&'static str> {
    let set = |name: &str| fields.get(name).is_some_and(|value| !is_empty(value));
    match object {
        _ if object.ends_with("Fields") => cannot_make_field(fields),
        // Every file has a remote_id; where it is kept tells a link from contents (api/objects.md Files).
        "files" if is_linked(fields) => Some("it is a link to a file kept elsewhere, which is not made again"),
        // api/restore-hazards.md 4, Files: neither can be attached to its mail again.
        "files" if set("mail_message_id") => Some("it was attached to a mail, and cannot be attached to it again"),
        "files" if truthy(fields.get("inline_flag").unwrap_or(&Value::Null)) => {
            Some("it is an image inside a mail, and cannot be put there again")
        }
        // api/restore-hazards.md 4: lines of purged products come back with null and cannot be recreated.
        "dealProducts" if !set("product_id") => Some("its product was purged long ago"),
        _ => None,
    }
}

/// Types that the service lets people make (api/custom-fields.md, "Definitions").
const MAKEABLE: &[&str] = &[
    "varchar",
    "varchar_auto",
    "text",
    "double",
    "monetary",
    "enum",
    "set",
    "user",
    "org",
    "people",
    "phone",
    "date",
    "daterange",
    "time",
    "timerange",
    "address",
    // Of old accounts; made as `double`.
    "int",
];

fn cannot_make_field(fields: &Map<String, Value>) -> Option<&'static str> {
    let kind = fields.get("field_type").and_then(Value::as_str).unwrap_or_default();
    let options = fields.get("options").and_then(Value::as_array).is_some_and(|options| !options.is_empty());
    if fields.get("is_custom_field") != Some(&Value::Bool(true)) {
        Some("it is a field of the service's own")
    } else if !MAKEABLE.contains(&kind) {
        Some("the service lets nobody make a field of its type")
    } else if matches!(kind, "enum" | "set") && !options {
        Some("it had no options, and the service makes no such field without one")
    } else {
        None
    }
}

/// A field as it is made: labels without ids and colours, and without what the service computes.
fn field(wanted: &mut Map<String, Value>) {
    // api/custom-fields.md: `int` stopped being creatable, `double` takes its values.
    wanted.entry("field_type").and_modify(|kind| {
        if kind == "int" {
            *kind = json!("double");
        }
    });
    if let Some(Value::Array(options)) = wanted.get_mut("options") {
        options.iter_mut().for_each(|option| *option = json!({"label": option.get("label")}));
    }
    // Its `order` is the service's: api/custom-fields.md, "Definitions".
    if let Some(Value::Object(settings)) = wanted.get_mut("ui_visibility") {
        let dialogs = settings.iter_mut().filter(|(name, _)| name.starts_with("show_in_add_"));
        dialogs.filter_map(|(_, dialog)| dialog.as_object_mut()).for_each(|dialog| drop(dialog.remove("order")));
    }
}

/// Whether a file is kept with somebody else and only linked (googledocs, googledrive).
fn is_linked(fields: &Map<String, Value>) -> bool {
    fields.get("remote_location").and_then(Value::as_str).is_some_and(|place| place.starts_with("google"))
}

/// When a deal was closed, which nobody may say beside the time at which it was won or lost (api/restore-hazards.md 3):
/// it is said once more where it does not follow from that.
pub(super) fn closed_at(object: &str, goal: &Map<String, Value>) -> Option<Value> {
    let closed = CLOSED.iter().any(|(_, status)| goal.get("status").and_then(Value::as_str) == Some(status));
    goal.get("close_time").filter(|time| object == "deals" && closed && !is_empty(time)).cloned()
}

/// The fields sent to make a record, still with the goal's ids.
pub(super) fn for_create(object: &str, key: &Key, fields: &Map<String, Value>, facts: &Facts) -> Map<String, Value> {
    let mut wanted: Map<String, Value> =
        fields.iter().filter(|(name, value)| !is_empty(value) && !MOVES.contains(&name.as_str())).map(clone).collect();
    match object {
        _ if object.ends_with("Fields") => field(&mut wanted),
        "deals" => {
            closing(&mut wanted, fields.get("status"));
            if facts.by_lines.contains(key) {
                wanted.remove("value");
            }
        }
        "notes" => {
            // A flag that is not set needs no saying.
            wanted.retain(|name, value| !is_pin(name) || truthy(value));
            pins(&mut wanted);
            if !facts.is_admin {
                wanted.remove("user_id");
            }
        }
        "products" | "productVariations" => {
            wanted.entry("prices").and_modify(|prices| *prices = plain_prices(prices));
        }
        "subscriptions" => subscription(&mut wanted),
        // api/restore-hazards.md 4: value needs both amount and currency.
        "leads" if !whole_money(wanted.get("value")) => {
            wanted.remove("value");
        }
        _ => {}
    }
    wanted
}

/// What a rule did to the body of an update.
#[derive(Default)]
pub(super) struct Said {
    /// For the step.
    pub(super) notes: Vec<String>,
    /// Differences that stay.
    pub(super) kept: Vec<String>,
    /// Fields that cannot be written, and why.
    pub(super) lost: Vec<(String, String)>,
}

/// One changed record, both sides.
pub(super) struct Pair<'a> {
    /// The key in the goal.
    pub(super) key: &'a Key,
    /// The goal's fields.
    pub(super) goal: &'a Map<String, Value>,
    /// The account's fields.
    pub(super) live: &'a Map<String, Value>,
}

/// Whether a field is none of an update's business.
pub(super) fn is_move(field: &str) -> bool {
    MOVES.contains(&field)
}

/// Brings the body of an update into the form the service wants.
///
/// `fill` translates one field of the goal; rules use it for fields that must be sent along.
pub(super) fn for_update(
    object: &str,
    pair: &Pair<'_>,
    body: &mut Body,
    facts: &Facts,
    fill: &dyn Fn(&str) -> Option<Fill>,
) -> Said {
    let mut said = Said::default();
    match object {
        "deals" => deal(pair, body, facts, fill, &mut said),
        // Whether a variation's prices are replaced or merged is not confirmed: sent whole, both come to the same.
        "products" | "productVariations" => prices(pair, body, &mut said),
        "notes" => note(pair, body, facts, fill, &mut said),
        "subscriptions" => change_subscription(pair, body, &mut said),
        "leads" if body.contains_key("value") && !whole_money(pair.goal.get("value")) => {
            body.insert("value".to_owned(), Fill::Is(Value::Null));
        }
        _ => {}
    }
    said
}

fn deal(pair: &Pair<'_>, body: &mut Body, facts: &Facts, fill: &dyn Fn(&str) -> Option<Fill>, said: &mut Said) {
    let status = pair.goal.get("status").and_then(Value::as_str).unwrap_or("open");
    for (time, of) in CLOSED {
        if status != *of || pair.goal.get(*time).is_none_or(is_empty) {
            body.remove(*time);
        }
    }
    if status != "lost" {
        body.remove("lost_reason");
    }
    // The time of closing is said by a step of its own; the service refuses it beside the others or on an open deal.
    body.remove("close_time");
    let closing = ["won_time", "lost_time", "lost_reason"].iter().any(|field| body.contains_key(*field));
    if closing && !body.contains_key("status") {
        body.insert("status".to_owned(), Fill::Is(json!(status)));
    }
    // A changed status stamps the time of today unless the old one is sent: api/restore-hazards.md 3.
    if body.contains_key("status") {
        for (time, of) in CLOSED {
            if status == *of && pair.goal.get(*time).is_some_and(|value| !is_empty(value)) {
                body.extend(fill(time).map(|fill| ((*time).to_owned(), fill)));
            }
        }
        if status == "lost" && pair.goal.get("lost_reason").is_some_and(|value| !is_empty(value)) {
            body.extend(fill("lost_reason").map(|fill| ("lost_reason".to_owned(), fill)));
        }
    }
    // Always a stage that belongs to the pipeline: api/restore-hazards.md 4, Deals.
    if body.contains_key("stage_id") || body.contains_key("pipeline_id") {
        for field in ["stage_id", "pipeline_id"] {
            body.extend(fill(field).map(|fill| (field.to_owned(), fill)));
        }
    }
    if body.contains_key("value") && facts.by_lines.contains(pair.key) {
        body.remove("value");
        said.notes.push("its value follows its products and is looked at after them".to_owned());
    }
}

/// Keeps every currency that the live product has and the goal has not: PATCH replaces the whole array.
fn prices(pair: &Pair<'_>, body: &mut Body, said: &mut Said) {
    if !body.contains_key("prices") {
        return;
    }
    let goal = by_currency(pair.goal.get("prices"));
    let live = by_currency(pair.live.get("prices"));
    let added: Vec<&String> = live.keys().filter(|currency| !goal.contains_key(*currency)).collect();
    let keeps = |currency: &&String| format!("keeps the price in {currency} added since");
    let equal = goal.iter().all(|(currency, price)| live.get(currency).is_some_and(|live| same(price, live)));
    if equal {
        body.remove("prices");
        said.kept.extend(added.iter().map(keeps));
        return;
    }
    said.notes.extend(added.iter().map(keeps));
    let all = goal.values().chain(added.iter().filter_map(|currency| live.get(*currency)));
    body.insert("prices".to_owned(), Fill::Is(plain_prices(&all.cloned().collect())));
}

fn note(pair: &Pair<'_>, body: &mut Body, facts: &Facts, fill: &dyn Fn(&str) -> Option<Fill>, said: &mut Said) {
    if !facts.is_admin && body.remove("user_id").is_some() {
        said.lost.push(("user_id".to_owned(), "only an administrator may set the author of a note".to_owned()));
    }
    for (flag, id) in PINS {
        if body.contains_key(*flag) {
            let on = pair.goal.get(*flag).is_some_and(truthy);
            body.insert((*flag).to_owned(), Fill::Is(json!(u8::from(on))));
            body.extend(fill(id).filter(|fill| !fill.clears()).map(|fill| ((*id).to_owned(), fill)));
        }
    }
    said.lost.extend(unpinned(body).into_iter().map(|flag| (flag.to_owned(), UNPINNED.to_owned())));
}

/// Takes away the flags that pin a note to what is not there: a flag is refused without the id beside it.
pub(super) fn unpinned(body: &mut Body) -> Vec<&'static str> {
    let on = |fill: &Fill| matches!(fill, Fill::Is(value) if truthy(value));
    let hangs = |(flag, id): &&(&str, &str)| body.get(*flag).is_some_and(on) && body.get(*id).is_none_or(Fill::clears);
    let loose: Vec<&str> = PINS.iter().filter(hangs).map(|(flag, _)| *flag).collect();
    body.retain(|name, _| !loose.contains(&name.as_str()));
    loose
}

/// Exactly one of a count and no end, and the deal keeps the value it has: api/restore-hazards.md 4, Subscriptions.
fn subscription(wanted: &mut Map<String, Value>) {
    wanted.insert("update_deal_value".to_owned(), json!(false));
    let recurring = wanted.contains_key("cadence_type");
    let counted = wanted.contains_key("cycles_count");
    wanted.retain(|name, value| match name.as_str() {
        "infinite" => recurring && !counted && truthy(value),
        "cycles_count" | "cycle_amount" | "start_date" | "description" => recurring,
        _ => true,
    });
}

/// An update of a recurring one takes effect on a date, here from its start; one in installments has nothing but payments.
fn change_subscription(pair: &Pair<'_>, body: &mut Body, said: &mut Said) {
    let recurring = pair.goal.get("cadence_type").is_some_and(|value| !is_empty(value));
    if recurring && !body.is_empty() {
        body.insert("effective_date".to_owned(), Fill::Is(pair.goal.get("start_date").cloned().unwrap_or_default()));
        body.insert("update_deal_value".to_owned(), Fill::Is(json!(false)));
    } else if !body.is_empty() {
        let why = "a subscription in installments takes no change but its payments";
        said.lost.extend(body.keys().map(|field| (field.clone(), why.to_owned())));
        body.clear();
    }
}

/// Closing times and reasons only with the status they belong to: api/restore-hazards.md 3.
fn closing(wanted: &mut Map<String, Value>, status: Option<&Value>) {
    let status = status.and_then(Value::as_str).unwrap_or("open");
    for (time, of) in CLOSED {
        if status != *of {
            wanted.remove(*time);
        }
    }
    if status != "lost" {
        wanted.remove("lost_reason");
    }
    wanted.remove("close_time");
}

fn is_pin(name: &str) -> bool {
    PINS.iter().any(|(flag, _)| *flag == name)
}

/// Flags are written as 0 and 1.
fn pins(wanted: &mut Map<String, Value>) {
    for (flag, _) in PINS {
        wanted.entry(*flag).and_modify(|value| *value = json!(u8::from(truthy(value))));
        if wanted.get(*flag).is_some_and(Value::is_null) {
            wanted.remove(*flag);
        }
    }
}

fn truthy(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_u64() == Some(1) || value.as_str() == Some("1")
}

fn whole_money(value: Option<&Value>) -> bool {
    value.is_some_and(|value| ["amount", "currency"].iter().all(|part| !value[*part].is_null()))
}

/// Prices without the product's id, which no write takes.
fn plain_prices(prices: &Value) -> Value {
    let plain = |price: &Value| match price {
        Value::Object(parts) => {
            Value::Object(parts.iter().filter(|(name, _)| name.as_str() != "product_id").map(clone).collect())
        }
        other => other.clone(),
    };
    prices.as_array().map_or_else(|| json!([]), |prices| Value::Array(prices.iter().map(plain).collect()))
}

/// Prices of a product by currency; there is one of each.
pub(super) fn by_currency(prices: Option<&Value>) -> BTreeMap<String, Value> {
    let prices = prices.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    prices.iter().filter_map(|price| Some((price.get("currency")?.as_str()?.to_owned(), price.clone()))).collect()
}

fn clone((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_the_service_keeps_itself_are_made_again() {
        let why = |value: Value| cannot_make("files", value.as_object().expect("a row"));
        assert_eq!(why(json!({"remote_location": "s3", "remote_id": "company/1/a.pdf", "mail_message_id": ""})), None);
        for elsewhere in ["googledocs", "googledrive"] {
            assert!(why(json!({"remote_location": elsewhere, "remote_id": "1x"})).is_some(), "{elsewhere}");
        }
        assert!(why(json!({"remote_location": "s3", "mail_message_id": "17"})).is_some());
        assert!(why(json!({"remote_location": "s3", "inline_flag": true})).is_some());
    }

    #[test]
    fn what_goes_together_is_written_together() {
        let row = |value: Value| value.as_object().cloned().expect("a row");
        let sent = |object: &str, differs: Value, whole: Value| {
            let mut differs = row(differs);
            together(object, &mut differs, &row(whole));
            Value::Object(differs)
        };
        let deal = json!({"pipeline_id": 2, "stage_id": 7, "title": "x"});
        assert_eq!(sent("deals", json!({"pipeline_id": 2}), deal.clone()), json!({"pipeline_id": 2, "stage_id": 7}));
        assert_eq!(sent("deals", json!({"title": "x"}), deal), json!({"title": "x"}));
        let note = json!({"pinned_to_deal_flag": 1, "deal_id": 4});
        assert_eq!(sent("notes", json!({"pinned_to_deal_flag": 1}), note.clone()), note);
    }
}
