//! Compares what was read back with what the goal had, in today's ids.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use crate::catalogue::{Custom, Object, Shape, Target};
use crate::record::{Key, RecordId};
use crate::restore::definitions::Definitions;
use crate::restore::fields::field_id;
use crate::restore::fill::{Body, BodyText, Fill, Known, key_value, value_key};
use crate::restore::links::{candidates, is_custom, linked, segments};
use crate::restore::plan::{Action, Plan, Reason, Step};
use crate::restore::planner::{home, named};
use crate::restore::report::{Difference, Verdict};
use crate::restore::same::{plain_text, same};
use crate::restore::stamp::is_custom_part;

/// Stamps that every write sets: a record that differs in nothing else is equal.
const STAMPS: &[&str] = &["update_time", "last_update_user_id", "modified"];

/// What the plan sends to each record, put together, and which fields it said would differ.
pub(super) struct Expected<'p> {
    bodies: HashMap<&'p RecordId, Vec<&'p BodyText>>,
    /// Object, key and field.
    announced: BTreeSet<(&'p str, &'p str, &'p str)>,
    kept: BTreeSet<&'p RecordId>,
    /// Fields in which the account keeps what it has.
    contested: BTreeSet<(&'p RecordId, &'p str)>,
    /// Records of which everything is compared; of others, only what the plan sends.
    asked: BTreeSet<&'p RecordId>,
    keys: &'p BTreeMap<String, String>,
    options: HashMap<&'p RecordId, &'p [String]>,
}

impl<'p> Expected<'p> {
    pub(super) fn of(plan: &'p Plan) -> Expected<'p> {
        let mut bodies: HashMap<&RecordId, Vec<&BodyText>> = HashMap::new();
        let mut options = HashMap::new();
        for step in &plan.steps {
            match &step.action {
                Action::Create(create) | Action::Revive { create, .. } => {
                    bodies.entry(&create.record).or_default().push(&create.body);
                }
                Action::Update(update) => bodies.entry(&update.record).or_default().push(&update.body),
                Action::AddOptions(added) => drop(options.insert(&added.record, added.labels.as_slice())),
                Action::Delete { .. } | Action::Expel(_) | Action::Trim(_) => {}
            }
        }
        let announced =
            plan.left_out.iter().filter_map(|left| Some((&*left.object, left.key.as_deref()?, left.field.as_deref()?)));
        let kept = plan.kept.iter().map(|kept| &kept.record).collect();
        let contested = plan.conflicts_kept().map(|conflict| (&conflict.record, conflict.field.as_str())).collect();
        let makes = |step: &Step| matches!(step.action, Action::Create(_) | Action::Revive { .. });
        let asked = |step: &&Step| !is_aside(&step.reason) && (!plan.is_partial() || makes(step));
        let asked = plan.steps.iter().filter(asked).map(Step::record).collect();
        Expected { bodies, announced: announced.collect(), kept, contested, asked, keys: &plan.keys, options }
    }

    /// Whether a field is none of the plan's business: of a record that nobody asked for, everything it does not write.
    fn passes_over(&self, record: &RecordId, is_written: bool) -> bool {
        !is_written && !self.asked.contains(record)
    }

    /// The fields that the plan sends to a record, custom ones as `custom_fields.<code>`.
    pub(super) fn sent(&self, record: &RecordId) -> BTreeSet<String> {
        let Sent(bodies) = self.bodies(record);
        bodies.iter().flat_map(|body| body.keys().flat_map(|name| named(name, body))).collect()
    }

    fn bodies(&self, record: &RecordId) -> Sent {
        Sent(self.bodies.get(record).into_iter().flatten().map(|body| body.fields()).collect())
    }

    /// The key of today of a custom field, or of a part of its value.
    fn today(&self, fields: &str, name: &str, known: &dyn Known) -> String {
        let (code, ending) = name.split_at_checked(40).unwrap_or((name, ""));
        let id = field_id(fields, code);
        let made = known.id(&id).map(|key| key.to_string());
        let today = made.or_else(|| self.keys.get(&id.to_string()).cloned());
        today.map_or_else(|| name.to_owned(), |today| format!("{today}{ending}"))
    }

    /// Whether the value was edited again, and that one stays.
    fn is_contested(&self, record: &RecordId, field: &str) -> bool {
        self.contested.contains(&(record, field))
    }

    fn is_announced(&self, record: &RecordId, field: &str) -> bool {
        let field = field.strip_prefix("custom_fields.").unwrap_or(field);
        // A part of a flat value goes with the value.
        let code = field.get(..40).filter(|_| is_custom_part(field));
        let (object, key) = (record.object.as_str(), record.key.to_string());
        [Some(field), code].into_iter().flatten().any(|field| self.announced.contains(&(object, &*key, field)))
    }
}

/// What the plan sends to one record, in the order of its steps.
struct Sent(Vec<Body>);

impl Sent {
    fn fill(&self, field: &str) -> Option<&Fill> {
        self.0.iter().rev().find_map(|body| body.get(field))
    }

    /// Under the key of the goal or of today.
    fn custom(&self, codes: [&str; 2], known: &dyn Known) -> Option<Value> {
        self.0.iter().rev().find_map(|body| match body.get("custom_fields")? {
            Fill::Fields(fields) => codes.iter().find_map(|code| fields.get(*code))?.value(known).ok(),
            Fill::Is(Value::Object(fields)) => codes.iter().find_map(|code| fields.get(*code)).cloned(),
            _ => None,
        })
    }
}

/// One record to compare.
pub(super) struct Compared<'a> {
    pub(super) object: &'static Object,
    pub(super) record: &'a RecordId,
    pub(super) goal: &'a Map<String, Value>,
    pub(super) row: &'a Map<String, Value>,
}

/// What a comparison found, field by field.
#[derive(Default)]
pub(super) struct Told {
    /// Fields that are as they were wanted.
    pub(super) equal: Vec<String>,
    /// Fields that are not.
    pub(super) differences: Vec<Difference>,
}

impl Told {
    pub(super) fn verdict(&self) -> Verdict {
        match self.differences.iter().map(|difference| difference.by_nature).reduce(|one, other| one && other) {
            None => Verdict::Equal,
            Some(true) => Verdict::ByNature,
            Some(false) => Verdict::Failed,
        }
    }

    /// Takes note of one field; of a contested one another part of the report tells.
    fn look(&mut self, one: &Compared<'_>, field: &str, [wanted, found]: [Value; 2], expected: &Expected<'_>) {
        if expected.is_contested(one.record, field) {
            return;
        }
        match difference(one, field, wanted, found, expected) {
            Some(difference) => self.differences.push(difference),
            None => self.equal.push(field.to_owned()),
        }
    }
}

/// Compares one record, field by field.
pub(super) fn compare(
    one: &Compared<'_>,
    expected: &Expected<'_>,
    known: &dyn Known,
    definitions: &Definitions,
) -> Told {
    let mut told = Told::default();
    let home = home(one.object);
    if home.options.is_some() {
        return field_compared(one, expected, known);
    }
    let sent = expected.bodies(one.record);
    for (name, value) in one.goal {
        let skipped = STAMPS.contains(&name.as_str()) || home.volatile.contains(&name.as_str());
        if skipped || (name == "custom_fields" && home.custom.is_some()) {
            continue;
        }
        let flat = home.custom.filter(|custom| custom.shape == Shape::Flat && name.get(..40).is_some_and(is_custom));
        let today = flat.map_or_else(|| name.clone(), |custom| expected.today(custom.fields, name, known));
        if expected.passes_over(one.record, sent.fill(&today).is_some()) {
            continue;
        }
        let fill = sent.fill(name).filter(|_| !home.computed.contains(&name.as_str()));
        let wanted = fill.and_then(|fill| fill.value(known).ok()).unwrap_or_else(|| moved(home, name, value, known));
        let wanted = match flat {
            Some(custom) => {
                // A fill of the plan stands under the key of today.
                let fill = sent.fill(&today).and_then(|fill| fill.value(known).ok());
                let wanted = fill.unwrap_or(wanted);
                moved_custom(custom, name, &wanted, known, definitions)
            }
            None => wanted,
        };
        let found = one.row.get(&today).cloned().unwrap_or_default();
        told.look(one, name, [wanted, found], expected);
    }
    if let Some(custom) = home.custom.filter(|custom| custom.shape == Shape::Nested) {
        nested(one, custom, (expected, &sent), (known, definitions), &mut told);
    }
    told
}

/// Custom fields that a row holds in an object of their own.
fn nested(
    one: &Compared<'_>,
    custom: Custom,
    (expected, sent): (&Expected<'_>, &Sent),
    (known, definitions): (&dyn Known, &Definitions),
    told: &mut Told,
) {
    let fields =
        |row: &Map<String, Value>| row.get("custom_fields").and_then(Value::as_object).cloned().unwrap_or_default();
    let (then, now) = (fields(one.goal), fields(one.row));
    let heirs: BTreeSet<String> = then.keys().map(|code| expected.today(custom.fields, code, known)).collect();
    // Values of fields that are younger than the goal are none of its business.
    let own = |code: &&String| !heirs.contains(*code) && !definitions.lack(custom.fields, code);
    let codes: BTreeSet<&String> = then.keys().chain(now.keys().filter(own)).collect();
    for code in codes {
        let today = expected.today(custom.fields, code, known);
        let wanted = then.get(code).cloned().unwrap_or_default();
        let fill = sent.custom([code, &today], known);
        if expected.passes_over(one.record, fill.is_some()) {
            continue;
        }
        let wanted = fill.unwrap_or_else(|| moved_custom(custom, code, &wanted, known, definitions));
        let found = now.get(&today).cloned().unwrap_or_default();
        told.look(one, &format!("custom_fields.{code}"), [wanted, found], expected);
    }
}

/// Whether a step touches a record for the sake of others: it is linked again, or opened for a part of it.
fn is_aside(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::LostLink(_) | Reason::Unarchive | Reason::Archive | Reason::AfterLines | Reason::AddedByItself
    )
}

fn difference(
    one: &Compared<'_>,
    field: &str,
    wanted: Value,
    found: Value,
    expected: &Expected<'_>,
) -> Option<Difference> {
    if same(&wanted, &found) {
        return None;
    }
    let home = home(one.object);
    let custom = field.starts_with("custom_fields.") || is_custom_part(field);
    let writable = custom || home.writable().any(|name| name == field);
    let sanitised = matches!((&wanted, &found), (Value::String(wanted), Value::String(found))
        if plain_text(wanted) == plain_text(found) && wanted.contains('<'));
    let kept = field == "prices" && (expected.kept.contains(one.record) || has_all(&wanted, &found));
    // The size of the contents is nothing the service may choose.
    let contents = home.contents.is_some() && field == "file_size";
    let chosen = (writable && !home.computed.contains(&field)) || contents;
    let by_nature =
        !chosen || sanitised || kept || follows(home.name, field) || expected.is_announced(one.record, field);
    Some(Difference { field: field.to_owned(), wanted, found, by_nature })
}

/// Fields that follow from others, whatever is sent.
fn follows(object: &str, field: &str) -> bool {
    match object {
        "deals" => field == "archive_time",
        _ => false,
    }
}

/// Whether every wanted price is there: prices added since stay.
fn has_all(wanted: &Value, found: &Value) -> bool {
    let found = crate::restore::rules::by_currency(Some(found));
    crate::restore::rules::by_currency(Some(wanted))
        .iter()
        .all(|(currency, price)| found.get(currency).is_some_and(|found| same(found, price)))
}

/// A field that was made, or one that got options: its key, its numbers and its colours are the service's.
fn field_compared(one: &Compared<'_>, expected: &Expected<'_>, known: &dyn Known) -> Told {
    let labels = |row: &Map<String, Value>| -> Vec<Value> {
        let options = row.get("options").and_then(Value::as_array).into_iter().flatten();
        options.filter_map(|option| option.get("label").cloned()).collect()
    };
    let mut told = Told::default();
    let mut look = |name: &str, equal: bool, wanted: Value, found: Value| match equal {
        true => told.equal.push(name.to_owned()),
        false => told.differences.push(Difference { field: name.to_owned(), wanted, found, by_nature: false }),
    };
    if let Some(added) = expected.options.get(one.record) {
        let (wanted, found): (Vec<Value>, _) = (added.iter().map(|label| json!(label)).collect(), labels(one.row));
        let equal = wanted.iter().all(|label| found.contains(label));
        look("options", equal, Value::Array(wanted), Value::Array(found));
    } else {
        let Sent(bodies) = expected.bodies(one.record);
        for (name, fill) in bodies.iter().flatten() {
            let Ok(wanted) = fill.value(known) else { continue };
            let found = one.row.get(name).cloned().unwrap_or_default();
            let equal = if name == "options" { labels(one.goal) == labels(one.row) } else { covers(&wanted, &found) };
            look(name, equal, wanted, found);
        }
    }
    told
}

/// Whether everything that was sent is there; the service adds to settings.
fn covers(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(name, value)| covers(value, found.get(name).unwrap_or(&Value::Null)))
        }
        (wanted, found) => same(wanted, found),
    }
}

/// A value of the goal with the ids that its records have now.
fn moved(object: &'static Object, name: &str, value: &Value, known: &dyn Known) -> Value {
    let mut value = value.clone();
    for reference in object.references.iter().filter(|reference| reference.top() == name) {
        if let (Target::Typed(types), Value::Object(parts)) = (reference.to, &mut value)
            && let Some(object) = crate::restore::links::typed(parts, types)
            && let Some(id) = parts.get_mut("id")
        {
            renew(id, &[], &|key| now(&[object], key, known));
        }
        let Target::Record(objects) = reference.to else { continue };
        let path: Vec<&str> = segments(reference.field).skip(1).collect();
        renew(&mut value, &path, &|key| now(objects, key, known));
    }
    value
}

fn moved_custom(custom: Custom, code: &str, value: &Value, known: &dyn Known, definitions: &Definitions) -> Value {
    let objects = definitions.find(custom.fields, code).and_then(|definition| linked(&definition.kind));
    let key = objects.zip(value_key(value)).and_then(|(objects, key)| now(objects, &key, known));
    key.map_or_else(|| value.clone(), |key| key_value(&key))
}

fn now(objects: &[&'static str], key: &Key, known: &dyn Known) -> Option<Key> {
    candidates(objects, key).iter().find_map(|id| known.id(id))
}

fn renew(value: &mut Value, path: &[&str], now: &dyn Fn(&Key) -> Option<Key>) {
    match (path.split_first(), value) {
        (None, leaf) => {
            if let Some(key) = value_key(leaf).and_then(|key| now(&key)) {
                *leaf = key_value(&key);
            }
        }
        (Some((&"[]", rest)), Value::Array(list)) => list.iter_mut().for_each(|item| renew(item, rest, now)),
        (Some((name, rest)), Value::Object(fields)) => {
            if let Some(value) = fields.get_mut(*name) {
                renew(value, rest, now);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::{ObjectName, find};

    #[test]
    fn parts_of_a_flat_value_that_the_service_derives_or_the_plan_leaves_out_differ_by_nature() {
        let leads = find(&ObjectName::known("leads")).expect("leads");
        let (record, row) = (RecordId::parse("leads/a").expect("an id"), Map::new());
        let one = Compared { object: leads, record: &record, goal: &row, row: &row };
        let mut expected = Expected {
            bodies: HashMap::new(),
            announced: BTreeSet::new(),
            contested: BTreeSet::new(),
            kept: BTreeSet::new(),
            asked: BTreeSet::new(),
            keys: &BTreeMap::new(),
            options: HashMap::new(),
        };
        let code = "0123456789abcdef0123456789abcdef01234567";
        let by_nature = |part: &str, expected: &Expected<'_>| {
            let found = difference(&one, &format!("{code}{part}"), json!("then"), Value::Null, expected);
            found.expect("a difference").by_nature
        };
        assert!(by_nature("_formatted_address", &expected) && by_nature("_timezone_id", &expected));
        assert!(!by_nature("", &expected) && !by_nature("_locality", &expected));
        // A part goes with a value of which the plan said that it does not come back.
        expected.announced.insert(("leads", "a", code));
        assert!(by_nature("", &expected) && by_nature("_locality", &expected));
    }
}
