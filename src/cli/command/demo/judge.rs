//! Did everything come back? Asked of the account itself, not of pdbak.
//!
//! The sandbox tells its whole truth at an endpoint of its own. The truth of
//! before the accident and that of after the restore are compared row by row;
//! pdbak is asked only which record of today is which record of then.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::catalogue::ObjectName;
use crate::diff::Lineage;
use crate::record::{Key, RecordId};
use crate::restore::Plan;

/// Fields that the service sets itself when a record is written or made again; counters are the others.
///
/// Counters follow from rows, and the rows are compared one by one.
const NATURE: &[&str] = &[
    "id",
    "add_time",
    "update_time",
    "stage_change_time",
    "creator_user_id",
    "last_update_user_id",
    "user_id",
    "doi_status",
    "smart_bcc_email",
    "last_activity_id",
    "next_activity_id",
    "last_incoming_mail_time",
    "last_outgoing_mail_time",
];

/// Rows that the service adds by itself: a new record's owner follows it, a deal's person takes part in it.
const ADDED_BY_ITSELF: &[&str] = &["DealFollowers", "DealParticipants", "OrganizationFollowers", "PersonFollowers"];

/// What the account says.
#[derive(Default, Serialize)]
pub(super) struct Verdict {
    /// Records that are exactly as they were.
    pub(super) equal: u64,
    /// Records that are as they were but for what the service sets itself.
    pub(super) by_nature: u64,
    /// Which fields those are.
    pub(super) nature: BTreeSet<String>,
    /// Rows that the service added by itself while records were written, by object.
    pub(super) added_by_service: BTreeMap<String, u64>,
    /// Rows that still point to the record that was deleted, beside those that point to the new one, by object.
    pub(super) stale: BTreeMap<String, u64>,
    /// Mails that stay linked to a person or organization that has another number now, by object.
    pub(super) unlinked: BTreeMap<String, u64>,
    /// What the plan said would not come back, a line each.
    pub(super) announced: Vec<String>,
    /// What is wrong, a line each.
    pub(super) wrong: Vec<String>,
    /// Differences that are meant, a line each.
    pub(super) kept: Vec<String>,
}

type Rows<'t> = BTreeMap<String, &'t Map<String, Value>>;

/// Rows under another one, by that and by what people know them by; of most records there is one.
const PARTS: &[(&str, &str, &str)] = &[
    ("NoteComments", "note_id", "content"),
    ("DealDiscounts", "deal_id", "description"),
    ("DealInstallments", "deal_id", "description"),
    ("ProductVariations", "product_id", "name"),
    ("PersonPictures", "item_id", ""),
    ("ProductImages", "product_id", ""),
];

/// What the service sets by itself in rows of one kind, beyond [`NATURE`].
const NATURE_OF: &[(&str, &[&str])] = &[
    ("NoteComments", &["uuid", "user_id", "updater_id", "company_id"]),
    ("DealDiscounts", &["created_at", "created_by", "updated_at", "updated_by"]),
    ("Persons", &["picture_id"]),
    ("PersonPictures", &["added_by_user_id", "file_size"]),
    ("ProductImages", &["company_id", "mime_type"]),
];

/// Old numbers and the new ones that stand for them.
type Renumbered = HashMap<Key, Key>;

/// What the comparison knows of the restore.
pub(super) struct Restored {
    renumbered: Renumbered,
    /// Keys of the records that were written.
    written: BTreeSet<String>,
    /// Object, key and field of what the plan said would not come back.
    announced: BTreeSet<(String, String, Option<String>)>,
}

impl Restored {
    pub(super) fn new(before: &Value, lineage: &Lineage, plan: &Plan) -> Restored {
        let renumbered = renumbered(before, lineage);
        let today = |key: &Key| renumbered.get(key).unwrap_or(key).to_string();
        let written = plan.steps().iter().map(|step| today(&step.record().key)).collect();
        let announced = plan.left_out().iter().filter_map(|left| {
            let title = ObjectName::new(&left.object).title();
            Some((title, today(&Key::parse(left.key.as_ref()?)), left.field.clone()))
        });
        let announced = announced.collect();
        Restored { renumbered, written, announced }
    }

    fn is_announced(&self, title: &str, key: &str, field: Option<&str>) -> bool {
        let row = (title.to_owned(), key.to_owned(), None);
        let field = (title.to_owned(), key.to_owned(), field.map(str::to_owned));
        self.announced.contains(&row) || self.announced.contains(&field)
    }

    /// Whether the row points to a record that was deleted and has another number now.
    fn is_stale(&self, title: &str, row: &Map<String, Value>) -> bool {
        let links = row.iter().filter(|(field, _)| field.ends_with("_id"));
        ADDED_BY_ITSELF.contains(&title)
            && links.map(|(_, id)| key_of(id)).any(|key| self.renumbered.contains_key(&key))
    }

    /// Whether the service added the row by itself, to a record that the restore wrote.
    fn is_added_by_service(&self, title: &str, row: &Map<String, Value>) -> bool {
        let parents = row.iter().filter(|(field, _)| field.ends_with("_id"));
        ADDED_BY_ITSELF.contains(&title)
            && parents.map(|(_, id)| key_of(id).to_string()).any(|key| self.written.contains(&key))
    }
}

/// Compares the truth of before with that of after.
pub(super) fn compare(before: &Value, after: &Value, restored: &Restored) -> Verdict {
    let mut verdict = Verdict::default();
    let empty = Map::new();
    for (title, rows) in before.as_object().unwrap_or(&empty) {
        let then = alive(title, rows, &restored.renumbered);
        let mut now = alive(title, &after[title], &Renumbered::new());
        for (key, row) in then {
            match now.remove(&key) {
                Some(found) => verdict.judge(title, row, found, restored),
                None if restored.is_announced(title, &key, None) => verdict.announced.push(format!("{title} {key}")),
                None => verdict.wrong.push(format!("{title} {key} is missing")),
            }
        }
        for (key, row) in now {
            if restored.is_stale(title, row) {
                *verdict.stale.entry(title.clone()).or_default() += 1;
            } else if restored.is_added_by_service(title, row) {
                *verdict.added_by_service.entry(title.clone()).or_default() += 1;
            } else {
                verdict.wrong.push(format!("{title} {key} was not there before"));
            }
        }
    }
    verdict
}

/// Which number became which.
fn renumbered(before: &Value, lineage: &Lineage) -> Renumbered {
    let mut renumbered = Renumbered::new();
    for (title, rows) in before.as_object().into_iter().flatten() {
        for id in rows.as_array().into_iter().flatten().filter_map(|row| row.get("id")) {
            let id = RecordId::new(ObjectName::new(title), key_of(id));
            if let Some(latest) = lineage.after(&id).last() {
                renumbered.insert(id.key, latest.key.clone());
            }
        }
    }
    renumbered
}

fn key_of(id: &Value) -> Key {
    id.as_str().map_or_else(|| Key::parse(&id.to_string()), Key::parse)
}

/// Rows that are not deleted, by the name they have today.
fn alive<'t>(title: &str, rows: &'t Value, renumbered: &Renumbered) -> Rows<'t> {
    let rows = rows.as_array().into_iter().flatten().filter_map(Value::as_object);
    let gone = |row: &Map<String, Value>| {
        row.get("is_deleted") == Some(&Value::Bool(true)) || row.get("active_flag") == Some(&Value::Bool(false))
    };
    rows.filter(|row| !gone(row)).map(|row| (name(title, row, renumbered), row)).collect()
}

/// What a row is known by: its id, or if it is only a link, the two it links.
fn name(title: &str, row: &Map<String, Value>, renumbered: &Renumbered) -> String {
    let today = |value: &Value| {
        let key = key_of(value);
        renumbered.get(&key).unwrap_or(&key).to_string()
    };
    if let Some((_, parent, own)) = PARTS.iter().find(|(part, ..)| *part == title) {
        let own = row.get(*own).map(Value::to_string).unwrap_or_default();
        return format!("{parent} {}, {own}", row.get(*parent).map(today).unwrap_or_default());
    }
    match row.get("id") {
        Some(id) if !ADDED_BY_ITSELF.contains(&title) => today(id),
        _ => {
            let links = ["deal_id", "person_id", "org_id", "user_id"];
            let own = links.iter().filter_map(|field| Some(format!("{field} {}", today(row.get(*field)?))));
            own.collect::<Vec<_>>().join(", ")
        }
    }
}

impl Verdict {
    fn judge(&mut self, title: &str, then: &Map<String, Value>, now: &Map<String, Value>, restored: &Restored) {
        let fields: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let null = Value::Null;
        let pair = |field: &str| (then.get(field).unwrap_or(&null), now.get(field).unwrap_or(&null));
        let key = name(title, then, &restored.renumbered);
        let (mut nature, mut told) = (BTreeSet::new(), Vec::new());
        let mut old_link = false;
        let mut announced = false;
        for field in fields {
            let (before, after) = pair(field);
            // A new number of its own is a difference, by nature; in a link it is none.
            // Mails stay linked to the person who was deleted: they come from elsewhere and cannot be written.
            let is_old_link = title.starts_with("Mail") && before == after;
            let is_same = match field.as_str() {
                "id" => before == after,
                _ => same(field, (before, after), &restored.renumbered),
            };
            if is_old_link && !is_same {
                old_link = true;
                continue;
            }
            if is_same || self.is_kept_price(field, then, now) {
                continue;
            }
            let own = NATURE_OF.iter().any(|(kind, own)| *kind == title && own.contains(&field.as_str()));
            if own || NATURE.contains(&field.as_str()) || field.ends_with("_count") {
                nature.insert(field.clone());
            } else if restored.is_announced(title, &key, Some(field)) {
                announced = true;
                self.announced.push(format!("{title} {key}: {field}"));
            } else {
                told.push(format!("{field}: {before} → {after}"));
            }
        }
        if old_link {
            *self.unlinked.entry(title.to_owned()).or_default() += 1;
        }
        if !told.is_empty() {
            self.wrong.push(format!("{title} {key}: {}", told.join(", ")));
        } else if !nature.is_empty() || announced {
            self.by_nature += 1;
            self.nature.extend(nature);
        } else {
            self.equal += 1;
        }
    }

    /// A price that was added since stays; all others must be as they were.
    fn is_kept_price(&mut self, field: &str, then: &Map<String, Value>, now: &Map<String, Value>) -> bool {
        if field != "prices" {
            return false;
        }
        let prices = |row: &Map<String, Value>| -> BTreeMap<String, Value> {
            let prices = row.get("prices").and_then(Value::as_array).into_iter().flatten();
            prices.map(|price| (price["currency"].to_string(), price.clone())).collect()
        };
        let (then, mut now) = (prices(then), prices(now));
        let all_back = then.iter().all(|(currency, price)| {
            now.remove(currency).as_ref().is_some_and(|found| found["price"] == price["price"])
        });
        if all_back {
            let added: Vec<String> = now.into_keys().collect();
            self.kept
                .push(format!("a product kept the price it gained since, in {}", added.join(", ").replace('"', "")));
        }
        all_back
    }
}

/// Whether two values are the same, ids of records that were made again counted as the same.
fn same(field: &str, values: (&Value, &Value), renumbered: &Renumbered) -> bool {
    let null = Value::Null;
    match values {
        (Value::Array(then), Value::Array(now)) => {
            then.len() == now.len() && then.iter().zip(now).all(|pair| same(field, pair, renumbered))
        }
        (Value::Object(then), Value::Object(now)) => {
            let fields: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
            // The service writes an address out and numbers a time zone by itself.
            let fields =
                fields.into_iter().filter(|field| !["formatted_address", "timezone_id"].contains(&field.as_str()));
            let mut pairs =
                fields.map(|field| (field, then.get(field).unwrap_or(&null), now.get(field).unwrap_or(&null)));
            pairs.all(|(field, then, now)| same(field, (then, now), renumbered))
        }
        (then @ (Value::Number(_) | Value::String(_)), now @ (Value::Number(_) | Value::String(_))) => {
            let latest = renumbered.get(&key_of(then));
            // A link to the deleted record is not what it was, though it reads the same.
            let is_link = field.ends_with("_id") && latest.is_some();
            latest == Some(&key_of(now)) || (then == now && !is_link)
        }
        (then, now) => then == now,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::{Restored, compare, renumbered};
    use crate::diff::Lineage;
    use crate::record::RecordId;

    fn restored(before: &Value, pairs: &[(&str, &str)]) -> Restored {
        let id = |text: &str| RecordId::parse(text).unwrap();
        let lineage: Lineage = pairs.iter().map(|(old, new)| (id(old), id(new))).collect();
        Restored { renumbered: renumbered(before, &lineage), written: BTreeSet::new(), announced: BTreeSet::new() }
    }

    #[test]
    fn a_record_with_a_new_number_is_the_same_record_and_so_are_links_to_it() {
        let before = json!({"Organizations": [{"id": 1, "name": "A"}], "Deals": [{"id": 5, "org_id": 1}]});
        let mut after = json!({"Organizations": [{"id": 1, "name": "A", "is_deleted": true}, {"id": 9, "name": "A"}],
                               "Deals": [{"id": 5, "org_id": 9}]});
        let restored = restored(&before, &[("organizations/1", "organizations/9")]);
        let verdict = compare(&before, &after, &restored);
        assert_eq!((verdict.equal, verdict.by_nature, verdict.wrong.len()), (1, 1, 0), "{:?}", verdict.wrong);
        after["Deals"][0]["org_id"] = json!(1);
        assert_eq!(compare(&before, &after, &restored).wrong.len(), 1, "a link to the deleted record is wrong");
    }

    #[test]
    fn what_is_missing_added_or_different_is_wrong() {
        let before = json!({"Deals": [{"id": 1, "title": "A"}, {"id": 2, "title": "B"}]});
        let after = json!({"Deals": [{"id": 1, "title": "X"}, {"id": 3, "title": "C"}]});
        let wrong = compare(&before, &after, &restored(&before, &[])).wrong;
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }
}
