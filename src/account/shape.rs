//! Rows out of answers that are no plain lists of them (api/wire.md, Irregular shapes).
//!
//! Where an answer has its rows is a fact of the catalogue; here it is acted upon, for lists, for single records and
//! for the answers to writes alike, so that the rest of the program meets nothing but rows.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Error;
use super::answer::Envelope;
use crate::catalogue::{KeyIn, Listing, Object, Rows};
use crate::record::{Key, Record, legible};

type Row = Map<String, Value>;

/// Whether a list of the object holds its rows as they are, so that they need not be parsed here.
pub(super) fn is_plain(object: &Object) -> bool {
    object.rows == Rows::Plain && object.spoken.is_empty() && !matches!(object.listing, Listing::Within { .. })
}

/// The rows of a list.
pub(super) fn listed(
    object: &'static Object,
    parent: Option<&Key>,
    envelope: Envelope<Value>,
) -> Result<Envelope<Vec<Box<RawValue>>>, Error> {
    let Envelope { success, data, additional_data } = envelope;
    let beside = additional_data.as_ref().map(|additional| &additional.others);
    let rows = match data {
        None => None,
        Some(None) => Some(None),
        Some(Some(data)) => Some(Some(raw(rows(object, parent, data, beside)?)?)),
    };
    Ok(Envelope { success, data: rows, additional_data })
}

/// The rows that a page of another object holds of this one.
pub(super) fn within(object: &'static Object, page: &[Box<RawValue>]) -> Result<Vec<Box<RawValue>>, Error> {
    let owners = page.iter().filter_map(|row| legible(row.get()));
    raw(owners.flat_map(|owner| inside(object, owner)).collect())
}

/// The row of one record among those of an answer.
pub(super) fn one(object: &'static Object, key: &Key, data: Box<RawValue>) -> Result<Option<Box<RawValue>>, Error> {
    let array = data.get().trim_start().starts_with('[');
    if is_plain(object) && !array {
        return Ok(Some(data));
    }
    let data: Value = serde_json::from_str(data.get()).map_err(|error| Error::Garbled(error.to_string()))?;
    let rows = raw(rows(object, None, data, None)?)?;
    let named = |row: &RawValue| Record::read(object, None, row).is_ok_and(|record| record.id().key == *key);
    Ok(rows.into_iter().find(|row| named(row)))
}

/// The row in the answer to a write: of several the one that shows what was sent.
pub(super) fn written(object: &'static Object, parent: Option<&Key>, data: Value, sent: &Row) -> Option<Row> {
    let whole = spelled_out(object, parent, found(object, data, None)?);
    let shows = |row: &Row| sent.iter().all(|(name, value)| row.get(name).is_none_or(|found| found == value));
    let mut row = match object.rows {
        Rows::Plain | Rows::Member { .. } => whole.into_iter().next()?,
        Rows::Pairs { .. } | Rows::Ids { .. } => whole.into_iter().find(shows)?,
    };
    // Who was named in the request need not be named in the answer.
    if let KeyIn::Both { own, .. } | KeyIn::ParentAnd(own) = object.key
        && let Some(value) = sent.get(own)
    {
        row.entry(own).or_insert_with(|| value.clone());
    }
    Some(row)
}

fn rows(object: &'static Object, parent: Option<&Key>, data: Value, beside: Option<&Row>) -> Result<Vec<Row>, Error> {
    let garbled = || Error::Garbled("the answer has its rows elsewhere than expected".to_owned());
    let found = found(object, data, beside).ok_or_else(garbled)?;
    let rows = spelled_out(object, parent, found);
    Ok(match object.listing {
        Listing::Within { .. } => rows.into_iter().flat_map(|row| inside(object, row)).collect(),
        _ => rows,
    })
}

/// The rows where the catalogue says they are.
fn found(object: &Object, data: Value, beside: Option<&Row>) -> Option<Vec<Row>> {
    let rows = |list: Vec<Value>| list.into_iter().filter_map(as_row).collect();
    match (object.rows, data) {
        (_, Value::Null) => Some(Vec::new()),
        (Rows::Plain, Value::Array(list)) => Some(rows(list)),
        (Rows::Plain, data) => Some(vec![as_row(data)?]),
        (Rows::Member { list, one }, Value::Object(mut data)) => match (data.remove(list), data.remove(one)) {
            (Some(Value::Array(list)), _) => Some(rows(list)),
            (Some(Value::Null), _) => Some(Vec::new()),
            (_, Some(row)) => Some(vec![as_row(row)?]),
            _ => None,
        },
        (Rows::Pairs { beside: place, name, value }, Value::Object(data)) => {
            let members = match place.and_then(|place| beside?.get(place)) {
                Some(members) => as_row(members.clone())?,
                None => data,
            };
            let pair = |(member, content)| {
                Row::from_iter([(name.to_owned(), Value::String(member)), (value.to_owned(), content)])
            };
            Some(members.into_iter().map(pair).collect())
        }
        (Rows::Ids { list, name }, Value::Object(mut data)) => match data.remove(list)? {
            Value::Array(ids) => Some(ids.into_iter().map(|id| Row::from_iter([(name.to_owned(), id)])).collect()),
            _ => None,
        },
        _ => None,
    }
}

/// Rows with their parent's id and with the words that writes take.
fn spelled_out(object: &Object, parent: Option<&Key>, mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        if let (KeyIn::Both { parent: field, .. }, Some(key)) = (object.key, parent) {
            row.entry(field).or_insert_with(|| id(key));
        }
        for path in object.spoken {
            speak(row, path);
        }
    }
    rows
}

/// `Deals started` becomes `deals_started`.
fn speak(row: &mut Row, path: &str) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match row.get_mut(first) {
        Some(Value::Object(inner)) if !rest.is_empty() => speak(inner, rest),
        Some(Value::String(text)) if rest.is_empty() => *text = text.to_lowercase().replace(' ', "_"),
        _ => {}
    }
}

/// The rows inside one of another object.
fn inside(object: &Object, owner: Row) -> Vec<Row> {
    let Listing::Within { each, owner: members, .. } = object.listing else { return vec![owner] };
    let own = || {
        let named = members.iter().filter_map(|(there, here)| Some(((*here).to_owned(), owner.get(*there)?.clone())));
        named.collect::<Row>()
    };
    let Some(each) = each else { return vec![own()] };
    let list = owner.get(each).and_then(Value::as_array).into_iter().flatten();
    let whole = list.filter_map(|row| as_row(row.clone())).map(|mut row| {
        row.extend(own());
        row
    });
    // A row without its key stands for nothing: an application without a set.
    let KeyIn::Both { parent, .. } = object.key else { return whole.collect() };
    whole.filter(|row| row.get(parent).is_some_and(|value| !value.is_null())).collect()
}

/// The one row of an answer; some wrap it in an array (api/wire.md, Irregular shapes: permission sets).
pub(super) fn lone(data: Value) -> Option<Row> {
    match data {
        Value::Array(list) => list.into_iter().next().and_then(as_row),
        data => as_row(data),
    }
}

fn as_row(value: Value) -> Option<Row> {
    if let Value::Object(row) = value { Some(row) } else { None }
}

fn raw(rows: Vec<Row>) -> Result<Vec<Box<RawValue>>, Error> {
    let texts = rows.into_iter().map(|row| serde_json::value::to_raw_value(&row));
    texts.collect::<Result<_, _>>().map_err(|error| Error::Garbled(error.to_string()))
}

/// An id as the service writes it.
pub(super) fn id(key: &Key) -> Value {
    match key {
        Key::Number(number) => Value::from(*number),
        other => Value::String(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::{ObjectName, find};

    fn object(name: &str) -> &'static Object {
        find(&ObjectName::new(name)).expect("an object")
    }

    fn shown(name: &str, parent: Option<u64>, answer: Value) -> Value {
        let parent = parent.map(Key::Number);
        let envelope: Envelope<Value> = serde_json::from_value(answer).expect("an envelope");
        let rows = listed(object(name), parent.as_ref(), envelope).expect("rows").data.flatten().expect("a list");
        rows.iter().map(|row| serde_json::from_str::<Value>(row.get()).expect("a row")).collect()
    }

    #[test]
    fn settings_stand_beside_their_role() {
        let answer = json!({"data": {"id": 5, "name": "Sales"}, "additional_data": {"settings": {"deal_default_visibility": 3}}});
        let row = json!([{"role_id": 5, "setting_key": "deal_default_visibility", "value": 3}]);
        assert_eq!(shown("roleSettings", Some(5), answer), row);
    }

    #[test]
    fn a_list_of_ids_is_a_list_of_rows() {
        let answer = json!({"data": {"pipeline_ids": [1, 2], "visible": true}});
        let rows = json!([{"role_id": 5, "pipeline_id": 1}, {"role_id": 5, "pipeline_id": 2}]);
        assert_eq!(shown("rolePipelines", Some(5), answer), rows);
    }

    #[test]
    fn a_goal_is_named_as_writes_name_it() {
        let answer = json!({"data": {"goals": [{"id": "a", "type": {"name": "Deals started", "params": {}}}]}});
        assert_eq!(shown("goals", None, answer)[0]["type"]["name"], "deals_started");
    }

    #[test]
    fn members_of_an_object_are_rows() {
        let rows = json!([{"setting": "beta_app", "value": true}]);
        assert_eq!(shown("userSettings", None, json!({"data": {"beta_app": true}})), rows);
        let nothing: Envelope<Value> = serde_json::from_value(json!({"data": null})).expect("an envelope");
        assert!(matches!(listed(object("userSettings"), None, nothing).expect("no rows").data, Some(None)));
    }

    #[test]
    fn roles_and_sets_of_users_stand_in_the_list_of_users() {
        let users = json!({"data": [{"id": 7, "role_id": 5, "access": [{"app": "sales", "permission_set_id": "u"}, {"app": "x"}]}]});
        assert_eq!(shown("roleAssignments", None, users.clone()), json!([{"user_id": 7, "role_id": 5}]));
        let sets = json!([{"app": "sales", "permission_set_id": "u", "user_id": 7}]);
        assert_eq!(shown("permissionSetsAssignments", None, users), sets);
    }

    #[test]
    fn the_answer_to_a_write_is_the_row_that_was_written() {
        let sent = json!({"setting_key": "lead_default_visibility", "value": 5});
        let answer = json!({"id": 2, "lead_default_visibility": 5});
        let row = written(object("roleSettings"), Some(&Key::Number(2)), answer, sent.as_object().expect("fields"));
        assert_eq!(
            row.map(Value::Object),
            Some(json!({"role_id": 2, "setting_key": "lead_default_visibility", "value": 5}))
        );
        let sent = json!({"title": "x"});
        let row = written(object("goals"), None, json!({"goal": {"id": "a"}}), sent.as_object().expect("fields"));
        assert_eq!(row.map(Value::Object), Some(json!({"id": "a"})));
    }

    #[test]
    fn rows_elsewhere_than_expected_are_garbled() {
        let envelope: Envelope<Value> = serde_json::from_value(json!({"data": [1]})).expect("an envelope");
        assert!(matches!(listed(object("goals"), None, envelope), Err(Error::Garbled(_))));
    }
}
