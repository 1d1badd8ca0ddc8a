//! What is new about an exchange: kinds of values, by operation and by where they stand.
//!
//! A description says of each place which kinds of values may stand there. So an exchange that shows no new kind of value in any place
//! proves nothing that one before it has not proved. A kind is finer than a type: a date is another text than a number in quotes, a word
//! may be one of an enum, and a small object counts as a whole, because its members may depend on each other.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// Objects with more members are seen member by member.
const SMALL: usize = 6;
/// Rows of a list that are kept although they have nothing new.
const KEPT: usize = 1;

/// What has been seen so far.
#[derive(Default)]
pub(super) struct Novelty {
    seen: HashSet<u64>,
}

impl Novelty {
    /// The exchange with the rows that have something new, or nothing if the whole has nothing.
    pub(super) fn of(&mut self, mut exchange: Value) -> Option<Value> {
        let operation = format!(
            "{} {} {} {} {}",
            exchange["method"],
            placed(exchange["path"].as_str().unwrap_or_default()),
            exchange["by_pdbak"],
            exchange["spoiled"],
            exchange["status"]
        );
        let mut asked = Vec::new();
        for member in ["query", "body", "sent", "mime"] {
            facts(&exchange[member], &format!("{operation} {member}"), &mut asked);
        }
        let rows = exchange["answer"].get_mut("data").and_then(Value::as_array_mut);
        let mut is_new = rows.is_some_and(|rows| self.thin(rows, &operation));
        facts(&exchange["answer"], &operation, &mut asked);
        for fact in asked {
            is_new |= self.seen.insert(fact);
        }
        is_new.then_some(exchange)
    }

    /// Leaves the rows that have something new, and a few; true when there are any new.
    fn thin(&mut self, rows: &mut Vec<Value>, operation: &str) -> bool {
        let (mut kept, mut any) = (0, false);
        rows.retain(|row| {
            let mut found = Vec::new();
            facts(row, &format!("{operation}/data/*"), &mut found);
            let mut is_new = false;
            for fact in found {
                is_new |= self.seen.insert(fact);
            }
            any |= is_new;
            kept += usize::from(!is_new);
            is_new || kept <= KEPT
        });
        any
    }
}

/// A path with its numbers and keys replaced: they are the steps with a digit, apart from the version.
fn placed(path: &str) -> String {
    let steps = path.split('/').enumerate().map(|(at, step)| match step {
        step if at > 2 && step.contains(|letter: char| letter.is_ascii_digit()) => "{}",
        step => step,
    });
    steps.collect::<Vec<_>>().join("/")
}

/// Every place of a value with its kind.
fn facts(value: &Value, place: &str, found: &mut Vec<u64>) {
    let mut hasher = DefaultHasher::new();
    (place, kind(value)).hash(&mut hasher);
    found.push(hasher.finish());
    match value {
        Value::Array(items) => items.iter().for_each(|item| facts(item, &format!("{place}/*"), found)),
        Value::Object(members) => {
            for (name, member) in members {
                facts(member, &format!("{place}/{}", named(name)), found);
            }
        }
        _ => {}
    }
}

/// A name of a member; keys of custom fields are all alike.
fn named(name: &str) -> &str {
    let is_key = name.len() >= 40 && name.as_bytes()[..40].iter().all(u8::is_ascii_hexdigit);
    if is_key { "{key}" } else { name }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "flag".to_owned(),
        Value::Number(number) => match number.as_i64() {
            Some(small @ -1..=9) => small.to_string(),
            Some(_) => "whole".to_owned(),
            None => "broken".to_owned(),
        },
        Value::String(text) => worded(text),
        Value::Array(items) => format!("list {}", items.is_empty()),
        Value::Object(members) if members.len() <= SMALL => {
            members.iter().map(|(name, value)| format!("{}:{} ", named(name), kind(value))).collect()
        }
        Value::Object(members) => members.keys().map(|name| format!("{} ", named(name))).collect(),
    }
}

/// A word in lower case may be one of an enum and is itself; of other text the pattern of letters and digits counts.
fn worded(text: &str) -> String {
    let is_word = text.len() <= 24 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word {
        return format!("word {text}");
    }
    let is_code = text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"-:TZ. ".contains(&byte));
    if !is_code {
        return "text".to_owned();
    }
    let mut pattern: Vec<u8> = text.bytes().map(|byte| if byte.is_ascii_hexdigit() { b'9' } else { byte }).collect();
    pattern.dedup();
    String::from_utf8_lossy(&pattern).into_owned()
}
