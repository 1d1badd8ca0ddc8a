//! Two tellings of the judge, compared: what the account was and what it is, modulo the ids of what was made again.
//!
//! Naive on purpose, and nothing of it is the program's: rows are matched by their id, else by what they say, and then every field has
//! to be equal except those that this page calls different by nature.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::deeds::living;

/// Kinds of rows, those that others point to first.
const KINDS: &[&str] = &[
    "Roles",
    "Pipelines",
    "Stages",
    "LeadLabels",
    "ActivityTypes",
    "Organizations",
    "Persons",
    "Products",
    "ProductVariations",
    "Deals",
    "DealProducts",
    "DealDiscounts",
    "DealInstallments",
    "OrganizationRelationships",
    "Leads",
    "ProjectBoards",
    "ProjectPhases",
    "Projects",
    "Tasks",
    "Activities",
    "Notes",
    "NoteComments",
    "Files",
    "CallLogs",
    "Goals",
    "Filters",
    "Webhooks",
];

/// Kinds whose rows are parts of a deal.
pub(super) const PARTS: &[&str] = &["DealProducts", "DealDiscounts", "DealInstallments"];

/// Kinds without an id that means anything, and the fields that say which row is which; the first is the parent.
pub(super) const MEMBERS: &[(&str, [&str; 2])] = &[
    ("RolePipelines", ["role_id", "pipeline_id"]),
    ("DealFollowers", ["deal_id", "user_id"]),
    ("PersonFollowers", ["person_id", "user_id"]),
    ("OrganizationFollowers", ["org_id", "user_id"]),
    ("ProductFollowers", ["product_id", "user_id"]),
    ("DealParticipants", ["deal_id", "person_id"]),
    ("PersonPictures", ["item_id", "content_blake3"]),
    ("ProductImages", ["product_id", "content_blake3"]),
];

/// Fields that no write decides: api/restore-hazards.md 3 and api/objects.md. Not the client's list.
const BY_NATURE: &[&str] = &[
    "id",
    "uuid",
    "update_time",
    "active_flag",
    "is_deleted",
    "creator_user_id",
    "creator_id",
    "next_activity_id",
    "cc_email",
    "smart_bcc_email",
    "origin",
    "source_name",
    "source_deal_id",
    "source_lead_id",
    "stage_change_time",
    "first_won_time",
    "local_close_date",
    "local_lost_date",
    "local_won_date",
    "acv",
    "arr",
    "mrr",
    "close_time",
    "marked_as_done_time",
    "key_string",
    "remote_id",
    "file_name",
    "updater_id",
    "company_id",
    "added_by_user_id",
    "report_ids",
    "picture_id",
    "first_name",
    "last_name",
    "doi_status",
    "conditions",
    "order_nr",
    "sum",
    "archive_time",
    "status_change_time",
    "last_used_time",
    "conference_meeting_client",
    "conference_meeting_id",
    "is_custom_flag",
    "cid",
    "log_id",
    "s3_bucket",
];

/// The same, of one kind.
const BY_NATURE_OF: &[(&str, &[&str])] = &[
    ("Deals", &["channel", "channel_id", "origin_id", "add_time"]),
    ("DealProducts", &["name", "add_time"]),
    ("DealDiscounts", &["created_at", "created_by", "updated_at", "updated_by"]),
    ("Activities", &["person_id", "add_time", "conference_meeting_url"]),
    ("Files", &["user_id", "add_time", "file_type"]),
    ("NoteComments", &["user_id", "add_time"]),
    ("Notes", &["last_update_user_id"]),
    ("Webhooks", &["add_time", "last_delivery_time", "last_http_status", "http_auth_password", "owner_id", "admin_id"]),
    ("CallLogs", &["has_recording"]),
    // Made again, it is the caller's private one: api/restore-hazards.md 4, Filters.
    ("Filters", &["visible_to", "user_id", "temporary_flag"]),
];

/// Kinds whose `add_time` a creation may set.
const ADDED_WHEN: &[&str] = &["Notes", "Persons", "Organizations"];

/// Whether a row of a kind is meant, by its id.
type Choice<'a> = &'a dyn Fn(&'static str, &str) -> bool;

/// A row of the judge's telling.
type Row = Map<String, Value>;

/// Rows by their old numbers, which earlier restores made again under these.
pub(super) type Heirs = HashMap<(&'static str, String), Value>;

/// Where each row of the goal is now.
#[derive(Default)]
pub(super) struct Places {
    of: HashMap<(&'static str, String), Value>,
    heirs: Heirs,
    alive: BTreeSet<(&'static str, String)>,
    types: BTreeMap<String, BTreeMap<String, String>>,
}

/// A row that has no equal, and where it differs.
#[derive(Clone, Debug)]
pub(super) struct Different {
    pub(super) kind: &'static str,
    pub(super) id: String,
    /// Empty when the row is not there at all.
    pub(super) fields: Vec<(String, String)>,
}

/// An id as text.
pub(super) fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// What a kind's rows are known by.
fn id_of(kind: &str, row: &Value) -> String {
    text(if kind == "NoteComments" { &row["uuid"] } else { &row["id"] })
}

/// Living rows by id.
pub(super) fn by_id(judge: &Value, kind: &str) -> BTreeMap<String, Row> {
    let rows = living(judge, kind).into_iter();
    rows.map(|row| (id_of(kind, &row), row.as_object().cloned().expect("a row"))).collect()
}

/// Whether two rows of one id are one. A part that a merge moved is another deal's: its number is one of the deal's.
pub(super) fn is_of_the_same(kind: &str, then: &Row, now: &Row) -> bool {
    !PARTS.contains(&kind) || then["deal_id"] == now["deal_id"]
}

/// Kinds of rows with ids.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().copied()
}

/// One form for what says the same.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Bool(flag) => json!(f64::from(u8::from(*flag))),
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(plain).filter(|item| !item.is_null()).collect();
            items.sort_by_key(ToString::to_string);
            if items.is_empty() { Value::Null } else { Value::Array(items) }
        }
        Value::Object(members) => {
            let derived = ["timezone_id", "formatted_address", "product_id"];
            let kept = members.iter().filter(|(name, _)| !derived.contains(&name.as_str()));
            let kept: Row =
                kept.map(|(name, value)| (name.clone(), plain(value))).filter(|(_, value)| !value.is_null()).collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        other => other.clone(),
    }
}

/// The kind that a field points to.
pub(super) fn target(kind: &str, field: &str) -> Option<&'static str> {
    Some(match (kind, field) {
        ("Leads", "label_ids") => "LeadLabels",
        ("Roles", "parent_role_id") | (_, "role_id") => "Roles",
        (_, "deal_id" | "deal_ids") => "Deals",
        ("PersonPictures", "item_id") | (_, "person_id" | "person_ids" | "participants" | "attendees") => "Persons",
        (_, "org_id" | "organization_id" | "org_ids" | "rel_owner_org_id" | "rel_linked_org_id") => "Organizations",
        (_, "lead_id") => "Leads",
        (_, "project_id") => "Projects",
        (_, "task_id" | "parent_task_id") => "Tasks",
        (_, "product_id") => "Products",
        (_, "product_variation_id") => "ProductVariations",
        (_, "activity_id") => "Activities",
        (_, "note_id") => "Notes",
        (_, "stage_id") => "Stages",
        (_, "pipeline_id") => "Pipelines",
        (_, "board_id") => "ProjectBoards",
        (_, "phase_id") => "ProjectPhases",
        _ => return None,
    })
}

impl Places {
    /// Finds each wanted row of the goal in the account: by its id, else the row that says most of what it said and is not
    /// told to be a twin.
    pub(super) fn find(goal: &Value, after: &Value, wanted: Choice<'_>, twin: Choice<'_>) -> Places {
        let mut places = Places { types: types(goal), ..Places::default() };
        for kind in kinds() {
            let (then, now) = (by_id(goal, kind), by_id(after, kind));
            let stays = |id: &String| match (then.get(id), now.get(id)) {
                (Some(then), Some(now)) => is_of_the_same(kind, then, now),
                _ => false,
            };
            let free: Vec<&String> = now.keys().filter(|id| !stays(id) && !twin(kind, id)).collect();
            places.alive.extend(then.keys().map(|id| (kind, id.clone())));
            for id in then.keys().filter(|id| stays(id)) {
                places.put(kind, id, &then[id], &now[id]);
            }
            // The most alike first: of two that are gone, the one that came back is not taken for the other.
            let gone = then.iter().filter(|(id, _)| !stays(id) && wanted(kind, id));
            let mut pairs: Vec<(usize, &String, &String)> = gone
                .flat_map(|(id, row)| free.iter().map(move |other| (id, row, *other)))
                .map(|(id, row, other)| (places.differences(kind, row, &now[other]), id, other))
                .filter(|(differing, ..)| !PARTS.contains(&kind) || differing.iter().all(|(name, _)| name != "deal_id"))
                .map(|(differing, id, other)| (differing.len(), id, other))
                // A row that shares next to nothing with it is another one.
                .filter(|(differing, id, _)| differing * 3 <= says(kind, &then[*id]))
                .collect();
            pairs.sort();
            let (mut placed, mut taken) = (BTreeSet::new(), BTreeSet::new());
            for (_, id, other) in pairs {
                if !placed.contains(id) && !taken.contains(other) {
                    placed.insert(id);
                    taken.insert(other);
                    places.put(kind, id, &then[id], &now[other]);
                }
            }
        }
        places
    }

    fn put(&mut self, kind: &'static str, id: &str, row: &Row, now: &Row) {
        self.of.insert((kind, id.to_owned()), now.get("id").cloned().unwrap_or_else(|| now["uuid"].clone()));
        if kind == "ActivityTypes" {
            self.of.insert(("keys of types", text(&row["key_string"])), now["key_string"].clone());
        }
    }

    /// What still named, in the goal, a row that was gone already may name the one that an earlier restore made of it.
    pub(super) fn with_heirs(mut self, heirs: &Heirs) -> Places {
        self.heirs.clone_from(heirs);
        self
    }

    /// Rows that stand under another number now.
    pub(super) fn moves(&self) -> Heirs {
        let moved = self.of.iter().filter(|((_, id), place)| text(place) != *id);
        moved.map(|(row, place)| (row.clone(), place.clone())).collect()
    }

    /// Where a row of the goal is.
    pub(super) fn place(&self, kind: &'static str, id: &str) -> Option<String> {
        self.of.get(&(kind, id.to_owned())).map(text)
    }

    /// The ids of all places of a kind.
    pub(super) fn taken(&self, kind: &'static str) -> BTreeSet<String> {
        self.of.iter().filter(|((of, _), _)| *of == kind).map(|(_, id)| text(id)).collect()
    }

    /// The fields in which a row differs from what the goal had, in words.
    pub(super) fn differences(&self, kind: &'static str, then: &Row, now: &Row) -> Vec<(String, String)> {
        let mut differing = Vec::new();
        let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        for name in names.into_iter().filter(|name| !by_nature(kind, name)) {
            let nothing = Value::Null;
            let (wanted, found) = (then.get(name).unwrap_or(&nothing), now.get(name).unwrap_or(&nothing));
            if name == "custom_fields" {
                let codes = |value: &Value| {
                    value.as_object().into_iter().flatten().map(|(code, _)| code.clone()).collect::<BTreeSet<_>>()
                };
                for code in codes(wanted).union(&codes(found)) {
                    let (wanted, found) = (&wanted[code.as_str()], &found[code.as_str()]);
                    if !self.is_same(self.linked(kind, code), wanted, found) {
                        differing.push((format!("custom_fields.{code}"), format!("{wanted} is {found}")));
                    }
                }
                continue;
            }
            if (kind, name.as_str()) == ("Goals", "type") {
                if !self.is_same_measure(wanted, found) {
                    differing.push((name.clone(), format!("{wanted} is {found}")));
                }
                continue;
            }
            let to = if name.len() == 40 { self.linked(kind, name) } else { target(kind, name) };
            let to = if (kind, name.as_str()) == ("Activities", "type") { Some("keys of types") } else { to };
            if !self.is_same(to, wanted, found) {
                differing.push((name.clone(), format!("{wanted} is {found}")));
            }
        }
        differing
    }

    /// Whether a goal measures what it measured: each parameter by the rows that it names.
    fn is_same_measure(&self, wanted: &Value, found: &Value) -> bool {
        let parameters = ["pipeline_id", "stage_id", "activity_type_id"];
        let rest = |measure: &Value| {
            let mut measure = measure.clone();
            if let Some(params) = measure["params"].as_object_mut() {
                params.retain(|name, _| !parameters.contains(&name.as_str()));
            }
            plain(&measure)
        };
        rest(wanted) == rest(found)
            && parameters.iter().all(|name| {
                let to = if *name == "activity_type_id" { Some("ActivityTypes") } else { target("Goals", name) };
                self.is_same(to, &wanted["params"][*name], &found["params"][*name])
            })
    }

    fn linked(&self, kind: &str, code: &str) -> Option<&'static str> {
        match self.types.get(kind)?.get(code)?.as_str() {
            "org" => Some("Organizations"),
            "people" => Some("Persons"),
            _ => None,
        }
    }

    /// Whether a value is what it was, its ids replaced by those of today. What pointed to a row that was not there, or that is not
    /// there now, may point nowhere.
    fn is_same(&self, to: Option<&'static str>, wanted: &Value, found: &Value) -> bool {
        let Some(kind) = to else { return plain(wanted) == plain(found) };
        if wanted.is_null() {
            return plain(found).is_null();
        }
        let unknown: [&dyn Fn(&Value) -> Value; 3] = [&Value::clone, &|_| Value::Null, &|id| self.heir(kind, id)];
        unknown.into_iter().any(|unknown| plain(&self.moved(kind, wanted, unknown)) == plain(found))
    }

    /// What the restores before made of a row.
    fn heir(&self, kind: &'static str, id: &Value) -> Value {
        let next = |id: &&Value| self.heirs.get(&(kind, text(id)));
        let heirs = std::iter::successors(Some(id), next).take(self.heirs.len() + 1);
        heirs.last().unwrap_or(id).clone()
    }

    /// The value with the ids of today, those that mean nothing replaced.
    fn moved(&self, kind: &'static str, value: &Value, unknown: &dyn Fn(&Value) -> Value) -> Value {
        match value {
            Value::Array(items) => {
                let names = |item: &Value| item.get("person_id").is_some_and(|id| !id.is_null());
                let items = items.iter().map(|item| (names(item), self.moved(kind, item, unknown)));
                let kept = items.filter(|(named, item)| !(item.is_null() || *named && item["person_id"].is_null()));
                kept.map(|(_, item)| item).collect()
            }
            Value::Object(members) => {
                let mut members = members.clone();
                if let Some(id) = members.get_mut("person_id").filter(|id| !id.is_null()) {
                    *id = self.moved(kind, id, unknown);
                }
                Value::Object(members)
            }
            Value::Null => Value::Null,
            id => match self.of.get(&(kind, text(id))) {
                Some(place) => place.clone(),
                None => unknown(id),
            },
        }
    }

    /// Members of a kind in the ids of today, with those that name a row which is nowhere left out.
    pub(super) fn members(&self, judge: &Value, (kind, fields): (&str, [&str; 2])) -> BTreeSet<[String; 2]> {
        let mut members = BTreeSet::new();
        for row in living(judge, kind) {
            let today = fields.map(|field| match target(kind, field) {
                Some(to) if self.alive.contains(&(to, text(&row[field]))) => self.place(to, &text(&row[field])),
                // Who was not there then may be named all the same, or what an earlier restore made of him.
                Some(to) => Some(text(&self.heir(to, &row[field]))),
                None => Some(text(&row[field])),
            });
            if let [Some(one), Some(other)] = today {
                members.insert([one, other]);
            }
        }
        members
    }

    /// Members as they are told, with what earlier restores made of those whose rows are gone.
    pub(super) fn with_heirs_of(&self, judge: &Value, (kind, fields): (&str, [&str; 2])) -> BTreeSet<[String; 2]> {
        let there = |kind: &'static str, id: &String| by_id(judge, kind).contains_key(id);
        let today = |field: &str, id: String| match target(kind, field).filter(|to| !there(to, &id)) {
            Some(to) => text(&self.heir(to, &Value::String(id))),
            None => id,
        };
        let told = members(judge, (kind, fields)).into_iter();
        told.map(|[one, other]| [today(fields[0], one), today(fields[1], other)]).collect()
    }
}

/// Members of a kind as they are told.
fn members(judge: &Value, (kind, fields): (&str, [&str; 2])) -> BTreeSet<[String; 2]> {
    living(judge, kind).iter().map(|row| fields.map(|field| text(&row[field]))).collect()
}

/// How much a row says that a write decides.
fn says(kind: &str, row: &Row) -> usize {
    let custom = row.get("custom_fields").and_then(Value::as_object).into_iter().flatten();
    let own = row.iter().filter(|(name, _)| *name != "custom_fields" && !by_nature(kind, name));
    own.chain(custom).filter(|(_, value)| !plain(value).is_null()).count()
}

/// Whether no write decides a field.
fn by_nature(kind: &str, name: &str) -> bool {
    let counted = name.ends_with("_count") || name.starts_with("last_") || name.starts_with("related_");
    let when = name == "add_time" && !ADDED_WHEN.contains(&kind);
    let own = BY_NATURE_OF.iter().any(|(of, names)| *of == kind && names.contains(&name));
    counted
        || when
        || own
        || BY_NATURE.contains(&name)
        || name.len() > 40 && (name.ends_with("_timezone_id") || name.ends_with("_formatted_address"))
}

/// The types of custom fields: kind → code → type.
fn types(judge: &Value) -> BTreeMap<String, BTreeMap<String, String>> {
    let tables = [
        ("Deals", "DealFields"),
        ("Leads", "DealFields"),
        ("Persons", "PersonFields"),
        ("Organizations", "OrganizationFields"),
        ("Products", "ProductFields"),
        ("Projects", "ProjectFields"),
    ];
    let types = |table: &str| {
        let rows = judge[table].as_array().into_iter().flatten();
        rows.map(|row| (text(&row["field_code"]), text(&row["field_type"]))).collect()
    };
    tables.iter().map(|(kind, table)| ((*kind).to_owned(), types(table))).collect()
}
