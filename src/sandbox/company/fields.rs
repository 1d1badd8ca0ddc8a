//! Field definitions, and values of custom fields in both shapes the service has.
//!
//! A definition row is the union of what v1 and v2 show of a field, since neither shows all of it (api/custom-fields.md): the server
//! cuts both views out of it. Codes of custom fields are random and differ from account to account, as do the numbers of options.

use serde_json::{Map, Value, json};

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::facts::{ACTIVE_CURRENCIES, CURRENCIES, Company};
use crate::sandbox::company::system::{self, System};
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{rows, texts};
use crate::sandbox::custom;

/// A field as the rest of the generator needs it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// The number that only v1 shows, and that filters use.
    pub(super) id: u64,
    pub(super) code: String,
    pub(super) name: &'static str,
    pub(super) field_type: &'static str,
    /// Number and label.
    pub(super) options: Vec<(u64, &'static str)>,
    pub(super) custom: bool,
    optional: bool,
    /// In how many of 1,000 records it is filled.
    filled: u64,
}

/// Names of the zones that time values carry, with the numbers the service has for them.
pub(in crate::sandbox) const ZONES: &[(u64, &str)] =
    &[(318, "Europe/London"), (266, "Europe/Berlin"), (158, "America/New_York"), (237, "Asia/Tokyo")];

/// Every field of the company, by kind.
pub(super) fn of(company: &Company) -> Vec<(&'static str, Vec<Field>)> {
    let (mut number, mut option) = (0, 0);
    let mut numbered = |labels: &[&'static str]| -> Vec<(u64, &'static str)> {
        let with_id =
            labels.iter().zip(option..).map(|(label, index)| (company.id_of("options", index), *label)).collect();
        option += labels.len() as u64;
        with_id
    };
    let mut kinds = Vec::new();
    for (kind, fields) in system::FIELDS {
        let mut made = Vec::new();
        for System { code, name, field_type, optional } in *fields {
            let labels = system::OPTIONS.iter().find(|(of, field, _)| of == kind && field == code);
            let options = labels.map(|(_, _, labels)| numbered(labels)).unwrap_or_default();
            let id = company.id_of("fields", number);
            made.push(Field {
                id,
                code: (*code).to_owned(),
                name,
                field_type,
                options,
                custom: false,
                optional: *optional,
                filled: 0,
            });
            number += 1;
        }
        let custom = system::CUSTOM.iter().find(|(of, _)| of == kind && !company.newborn);
        for spec in custom.map_or(&[][..], |(_, specs)| specs) {
            let (options, filled) = (numbered(spec.options), spec.filled);
            let code = company.dice("field code", number).hex(40);
            let id = company.id_of("fields", number);
            made.push(Field {
                id,
                code,
                name: spec.name,
                field_type: spec.field_type,
                options,
                custom: true,
                optional: false,
                filled,
            });
            number += 1;
        }
        kinds.push((*kind, made));
    }
    kinds
}

/// The row of a definition.
pub(super) fn definition(company: &Company, kind: &str, field: &Field, order: u64) -> Map<String, Value> {
    let mut dice = company.dice("definition", field.id);
    let add = if field.custom { company.born + dice.below(200) as i64 * DAY / 2 } else { company.born };
    let add = add.min(company.now);
    let mandatory = ["title", "name", "subject", "content"].contains(&field.code.as_str());
    let time = time::plain(add);
    let colors = ["green", "blue", "red", "yellow", "purple", "gray"];
    let options: Vec<Value> = field
        .options
        .iter()
        .zip(colors.iter().cycle())
        .map(|((id, label), color)| {
            let color = if field.code == "label_ids" { json!(color) } else { Value::Null };
            json!({"id": id, "label": label, "color": color, "add_time": time::rfc3339(add), "update_time": time::rfc3339(add)})
        })
        .collect();
    let user = if field.custom { json!(company.users[0].id) } else { Value::Null };
    rows::object(json!({
        "id": field.id, "field_code": field.code, "field_name": field.name, "field_type": field.field_type,
        "description": null, "options": if options.is_empty() { Value::Null } else { Value::Array(options) },
        "options_deleted": [], "subfields": subfields(field), "is_custom_field": field.custom,
        "is_optional_response_field": field.optional, "order_nr": order + 1, "mandatory_flag": mandatory,
        "add_time": time, "update_time": time, "created_by_user_id": user, "last_updated_by_user_id": user,
        "active_flag": true, "edit_flag": field.custom, "bulk_edit_allowed": field.custom, "searchable_flag": field.field_type == "varchar",
        "filtering_allowed": true, "sortable_flag": true, "important_flag": false, "index_visible_flag": true,
        "details_visible_flag": true, "add_visible_flag": mandatory,
        "ui_visibility": visibility(kind, mandatory),
        "important_fields": {"enabled": false, "stage_ids": []},
        "required_fields": if kind == "dealFields" {
            json!({"enabled": mandatory, "stage_ids": [], "statuses": {}})
        } else {
            json!({"enabled": mandatory})
        },
    }))
}

/// Where a field is shown; only those of deals know pipelines (contract, /dealFields and /personFields).
fn visibility(kind: &str, mandatory: bool) -> Value {
    let mut shown = json!({"add_visible_flag": mandatory, "details_visible_flag": true});
    if kind == "dealFields" {
        shown["projects_detail_visible_flag"] = json!(false);
        shown["show_in_pipelines"] = json!({"show_in_all": true, "pipeline_ids": []});
    }
    shown
}

fn subfields(field: &Field) -> Value {
    let parts: &[(&str, &str)] = match field.field_type {
        "monetary" => &[("currency", "varchar")],
        "daterange" => &[("until", "date")],
        "time" => &[("timezone_id", "int")],
        "timerange" => &[("until", "time"), ("timezone_id", "int")],
        "address" => {
            return custom::ADDRESS.iter().map(|part| subfield(field, part, "varchar")).collect();
        }
        _ => return Value::Null,
    };
    parts.iter().map(|(part, field_type)| subfield(field, part, field_type)).collect()
}

fn subfield(field: &Field, part: &str, field_type: &str) -> Value {
    let code = format!("{}_{part}", field.code);
    json!({"field_code": code, "field_name": format!("{} ({part})", field.name), "field_type": field_type})
}

/// Where a custom value may point to: how many persons and organizations there are by now.
pub(super) struct Reach {
    pub(super) persons: u64,
    pub(super) organizations: u64,
}

/// The custom values of one record in the v2 shape: every field of the kind, most of them null. The record at position 0 has all of
/// them, so that even the smallest company shows every type.
pub(super) fn values(company: &Company, kind: &str, index: u64, reach: &Reach, into: &mut Map<String, Value>) {
    let mut dice = company.dice(kind, index);
    for field in company.fields(kind).iter().filter(|field| field.custom) {
        let filled = index == 0 || dice.chance(field.filled);
        let value = if filled { value(company, field, reach, &mut dice) } else { Value::Null };
        rows::set(into, &field.code, value);
    }
}

/// The same values in the flat shape of leads: suffixed keys, unset ones left out. api/custom-fields.md, "Value shapes by type".
pub(super) fn flat_values(company: &Company, index: u64, reach: &Reach, into: &mut Map<String, Value>) {
    let mut dice = company.dice("lead fields", index);
    for field in company.fields("dealFields").iter().filter(|field| field.custom) {
        if index == 0 || dice.chance(field.filled / 2) {
            let value = value(company, field, reach, &mut dice);
            flatten(&field.code, field.field_type, value, into);
        }
    }
}

fn flatten(code: &str, field_type: &str, value: Value, into: &mut Map<String, Value>) {
    let main = match (field_type, value) {
        ("enum", Value::Number(id)) => Value::String(id.to_string()),
        ("set", Value::Array(ids)) => ids.iter().map(Value::to_string).collect::<Vec<_>>().join(",").into(),
        (_, Value::Object(mut parts)) => {
            parts.remove("timezone_name");
            let main = parts.remove("value").unwrap_or(Value::Null);
            into.extend(parts.into_iter().map(|(part, value)| (format!("{code}_{part}"), value)));
            main
        }
        (_, plain) => plain,
    };
    into.insert(code.to_owned(), main);
}

fn value(company: &Company, field: &Field, reach: &Reach, dice: &mut Dice) -> Value {
    let span = ((company.now - company.born) / DAY) as u64;
    let day = |dice: &mut Dice| company.born + dice.below(span + 120) as i64 * DAY;
    match field.field_type {
        "varchar" => match dice.below(3) {
            0 => texts::firm(dice).into(),
            1 => format!(
                "{}-{:05}/{}",
                ["VT", "№", "DE"][dice.below(3) as usize],
                dice.below(100_000),
                dice.between(1, 9)
            )
            .into(),
            _ => format!("https://docs.example/{}?q=1&ref={}", dice.hex(8), dice.below(99)).into(),
        },
        "varchar_auto" => {
            (*dice.pick(&["Spring mailing", "Messe Köln 2025", "webinar #7", "Été 24", "Référence client"])).into()
        }
        "text" => {
            let sentences = dice.between(1, 6);
            texts::lines(dice, sentences).into()
        }
        "double" => rows::money(dice.below(1_000_000) as i64),
        "monetary" => json!({"value": rows::money(dice.below(5_000_000) as i64), "currency": currency(dice)}),
        "enum" => dice.pick(&field.options).0.into(),
        "set" => {
            let some = dice.between(1, 3) as usize;
            let first = dice.below(field.options.len() as u64) as usize;
            field.options.iter().cycle().skip(first).take(some).map(|option| option.0).collect()
        }
        "user" => dice.pick(&company.users).id.into(),
        "org" => company.id_of("organizations", dice.below(reach.organizations)).into(),
        "people" => company.id_of("persons", dice.below(reach.persons)).into(),
        "phone" => texts::phone(dice).into(),
        "date" => time::date(day(dice)).into(),
        "daterange" => {
            let from = day(dice);
            json!({"value": time::date(from), "until": time::date(from + dice.between(1, 730) as i64 * DAY)})
        }
        "time" | "timerange" => {
            let (from, zone) = (dice.between(6, 17), dice.pick(ZONES));
            let mut parts = json!({
                "value": time::clock(from as i64 * 3600 + dice.below(4) as i64 * 900),
                "timezone_id": zone.0, "timezone_name": zone.1,
            });
            if field.field_type == "timerange" {
                parts["until"] = time::clock((from + dice.between(1, 6)) as i64 * 3600).into();
            }
            parts
        }
        "address" => texts::address(dice, true).into(),
        other => unreachable!("`{other}` is not a type of the custom fields above"),
    }
}

/// The code of a currency in use, the first ones more often.
pub(super) fn currency(dice: &mut Dice) -> &'static str {
    CURRENCIES[dice.skewed(ACTIVE_CURRENCIES) as usize].0
}
