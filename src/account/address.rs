//! Where a call goes: the catalogue's paths with ids in their places.

use crate::catalogue::{KeyIn, Object};
use crate::record::Key;

/// The segments of a path of the catalogue; `None` when an id is missing or could change the path.
pub(super) fn segments(path: &str, parent: Option<&str>, id: Option<&str>) -> Option<Vec<String>> {
    let mut filled = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let text = match segment {
            "{parent}" => parent?,
            "{id}" => id?,
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
