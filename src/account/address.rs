//! Where a call goes: the catalogue's paths with ids in their places.

use serde_json::{Map, Value};

use crate::catalogue::{KeyIn, Object};
use crate::record::Key;

/// The segments of a path of the catalogue; `None` when an id is missing or could change the path.
pub(super) fn segments(path: &str, parent: Option<&str>, id: Option<&str>) -> Option<Vec<String>> {
    filled(path, parent, id, &Map::new())
}

/// The same for a path that also names fields of the record.
pub(super) fn filled(
    path: &str,
    parent: Option<&str>,
    id: Option<&str>,
    fields: &Map<String, Value>,
) -> Option<Vec<String>> {
    let mut filled = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let field;
        let text = match segment {
            "{parent}" => parent?,
            "{id}" => id?,
            named if named.starts_with('{') => {
                field = text(fields.get(named.trim_matches(['{', '}']))?);
                &field
            }
            plain => plain,
        };
        // Dots would be resolved before the request leaves, and reach another call.
        if text.is_empty() || text == "." || text == ".." {
            return None;
        }
        filled.push(text.to_owned());
    }
    Some(filled)
}

/// A record's key as its calls take it: the parent's id, if they need one, and its own.
pub(super) fn split(object: &Object, key: &Key) -> (Option<String>, String) {
    match (object.key, key) {
        (KeyIn::Field(_), key) => (None, key.to_string()),
        (_, Key::Pair(parent, own)) => (Some(parent.to_string()), own.to_string()),
        (_, key) => match key.to_string().split_once(':') {
            Some((parent, own)) => (Some(parent.to_owned()), own.to_owned()),
            None => (None, key.to_string()),
        },
    }
}

/// A body from its form: a text that is nothing but a name in braces becomes the field's value, in other texts the name
/// becomes the value's text.
pub(super) fn rendered(form: &str, fields: &Map<String, Value>) -> Value {
    let form = serde_json::from_str(form).expect("the catalogue's forms are JSON: a test reads them all");
    fill(form, fields)
}

fn fill(form: Value, fields: &Map<String, Value>) -> Value {
    match form {
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, fill(member, fields))).collect(),
        Value::Array(items) => items.into_iter().map(|item| fill(item, fields)).collect(),
        Value::String(words) => {
            let whole = words.strip_prefix('{').and_then(|words| words.strip_suffix('}'));
            if let Some(value) = whole.and_then(|name| fields.get(name)) {
                return value.clone();
            }
            let put =
                |words: String, (name, value): (&String, &Value)| words.replace(&format!("{{{name}}}"), &text(value));
            Value::String(fields.iter().fold(words, put))
        }
        other => other,
    }
}

/// A value as a path or a text takes it.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Ids as one query parameter takes them.
pub(super) fn joined(keys: &[Key]) -> String {
    let texts: Vec<String> = keys.iter().map(Key::to_string).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{ObjectName, find};

    #[test]
    fn ids_go_to_their_places() {
        let path = segments("/deals/{parent}/products/{id}", Some("7"), Some("12"));
        assert_eq!(path.expect("a path"), ["deals", "7", "products", "12"]);
        assert_eq!(segments("/deals/{id}", None, None), None);
    }

    #[test]
    fn a_body_follows_its_form() {
        let fields = Map::from_iter([("pipeline_id".to_owned(), Value::from(7))]);
        let body = |form| rendered(form, &fields).to_string();
        assert_eq!(body(r#"{"ids":{"add":["{pipeline_id}"]}}"#), r#"{"ids":{"add":[7]}}"#);
        assert_eq!(body(r#"{"ids":{"add":"[{pipeline_id}]"},"flag":1}"#), r#"{"flag":1,"ids":{"add":"[7]"}}"#);
        assert_eq!(filled("/x/{pipeline_id}/y", None, None, &fields).expect("a path"), ["x", "7", "y"]);
    }

    #[test]
    fn an_id_that_would_reach_another_call_is_none() {
        for id in ["", ".", ".."] {
            assert_eq!(segments("/deals/{id}", None, Some(id)), None, "`{id}`");
        }
    }

    #[test]
    fn a_row_under_a_parent_is_addressed_through_it() {
        let object = |name| find(&ObjectName::known(name)).expect("an object");
        assert_eq!(split(object("dealProducts"), &Key::Pair(7, 12)), (Some("7".into()), "12".into()));
        assert_eq!(split(object("dealFollowers"), &Key::parse("a-b:3")), (Some("a-b".into()), "3".into()));
        assert_eq!(split(object("deals"), &Key::Number(7)), (None, "7".into()));
        assert_eq!(joined(&[Key::Number(1), Key::Number(2)]), "1,2");
    }
}
