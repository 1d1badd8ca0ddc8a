//! When two values say the same, however they are written.
//!
//! The service answers one thing in many ways: null or absent, `true` or `1`,
//! `…T10:00:00Z` or `… 10:00:00`, options in any order. Comparing normal forms
//! keeps a plan free of writes that change nothing, and gives a record a digest
//! that does not change with the way it was read (api/custom-fields.md, Restore recipe 6).

use chrono::{DateTime, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

/// Parts of composite values that the service derives: no write takes them, so they decide nothing.
const DERIVED: &[&str] = &["timezone_id", "formatted_address", "product_id", "field_code"];

/// Whether two values say the same.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    left == right || normal(left) == normal(right)
}

/// Whether a value says nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    normal(value).is_null()
}

/// The one form of everything that says the same.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(flag) => Value::String(if *flag { "1" } else { "0" }.to_owned()),
        Value::Number(number) => Value::String(plain_number(number)),
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => Value::String(plain_time(text).unwrap_or_else(|| text.clone())),
        Value::Array(list) => normal_list(list),
        Value::Object(fields) => normal_fields(fields),
    }
}

/// A digest of fields in normal form.
pub(super) fn digest<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let normal: Map<String, Value> =
        fields.map(|(name, value)| (name.to_owned(), normal(value))).filter(|(_, value)| !value.is_null()).collect();
    let text = serde_json::to_vec(&normal).expect("a map with text keys always serialises");
    blake3::hash(&text).to_hex()[..32].to_owned()
}

fn normal_list(list: &[Value]) -> Value {
    // Order carries no meaning in any list of the service that a restore writes.
    let mut list: Vec<Value> = list.iter().map(normal).filter(|value| !value.is_null()).collect();
    list.sort_by_cached_key(ToString::to_string);
    if list.is_empty() { Value::Null } else { Value::Array(list) }
}

fn normal_fields(fields: &Map<String, Value>) -> Value {
    let mut normalised = Map::new();
    for (name, value) in fields {
        let value = normal(value);
        // What the service fills in by itself: api/custom-fields.md, emails and phones.
        let default = matches!((name.as_str(), value.as_str()), ("primary", Some("0")) | ("label", Some("work")));
        if !value.is_null() && !default && !DERIVED.contains(&name.as_str()) {
            normalised.insert(name.clone(), value);
        }
    }
    if normalised.is_empty() { Value::Null } else { Value::Object(normalised) }
}

/// Whole numbers as they are, others to fifteen digits: more than that no number of the service keeps, and an amount
/// of millions has its cents within them.
fn plain_number(number: &serde_json::Number) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    let Some(float) = number.as_f64() else { return number.to_string() };
    if float.fract() == 0.0 && float.abs() <= 9e15 { format!("{float:.0}") } else { format!("{float:.14e}") }
}

/// One form for the two ways in which moments and times of day are written.
fn plain_time(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() >= 19 && bytes[4] == b'-' && bytes[13] == b':' {
        let moment = DateTime::parse_from_rfc3339(text)
            .map(|moment| moment.with_timezone(&Utc))
            .ok()
            .or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").map(|moment| moment.and_utc()).ok())?;
        return Some(moment.to_rfc3339_opts(SecondsFormat::Secs, true));
    }
    let short = bytes.len() == 5 && bytes[2] == b':';
    (short && NaiveTime::parse_from_str(text, "%H:%M").is_ok()).then(|| format!("{text}:00"))
}

/// The text of HTML, without tags and with one space between words: what a sanitiser leaves alone.
pub(super) fn plain_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                out.push(' ');
            }
            _ if !inside => out.push(letter),
            _ => {}
        }
    }
    let out = out.replace("&nbsp;", " ").replace('\u{a0}', " ").replace("&amp;", "&").replace("&quot;", "\"");
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_null_and_empty_say_the_same() {
        for empty in [json!(null), json!(""), json!([]), json!({}), json!({"value": null})] {
            assert!(is_empty(&empty), "{empty}");
        }
        assert!(!is_empty(&json!(0)) && !is_empty(&json!(false)));
    }

    #[test]
    fn one_value_written_in_two_ways_is_the_same() {
        let pairs = [
            (json!(true), json!(1)),
            (json!(90), json!(90.0)),
            (json!(0.3), json!(0.1 + 0.2)),
            (json!(1e15), json!(1_000_000_000_000_000_u64)),
            (json!([3, 1]), json!([1, 3])),
            (json!("2026-01-02T03:04:05Z"), json!("2026-01-02 03:04:05")),
            (json!("09:00"), json!("09:00:00")),
            (json!({"value": "09:00:00", "timezone_id": 3}), json!({"value": "09:00:00"})),
            (json!([{"value": "a@b.c", "label": "work", "primary": false}]), json!([{"value": "a@b.c"}])),
        ];
        for (left, right) in pairs {
            assert!(same(&left, &right), "{left} {right}");
        }
    }

    #[test]
    fn different_values_are_not_the_same() {
        let pairs = [
            (json!("a"), json!("b")),
            (json!(1), json!(2)),
            (json!(1_234_567_890.12), json!(1_234_567_890.13)),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)),
            (json!([1]), json!([1, 2])),
            (json!({"value": 5, "currency": "EUR"}), json!({"value": 5, "currency": "USD"})),
            (json!(null), json!(0)),
        ];
        for (left, right) in pairs {
            assert!(!same(&left, &right), "{left} {right}");
        }
    }

    #[test]
    fn html_and_what_a_sanitiser_makes_of_it_have_the_same_text() {
        assert_eq!(plain_text("<p>Hello&nbsp;<b>you</b></p>"), plain_text("Hello <b>you</b>"));
    }
}
