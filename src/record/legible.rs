//! A row's text as fields, even where a text in it was cut in the middle of a letter.
//!
//! A service that shortens texts by UTF-16 units leaves half a surrogate pair behind (`"\ud83d"`). That is JSON, and it is archived as it
//! came, but no string: a parser gives up on the whole row, and a record that seemed empty would look as if all its values had been
//! cleared. Here the half letter becomes U+FFFD, as in any text that is shown.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The fields of a JSON object; `None` when the text is none.
pub fn legible(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok().or_else(|| match whole_letters(text) {
        Cow::Owned(text) => serde_json::from_str(&text).ok(),
        Cow::Borrowed(_) => None,
    })
}

/// Whether a JSON value can be read, half letters apart.
pub(super) fn is_legible(text: &str) -> bool {
    serde_json::from_str::<Value>(&whole_letters(text)).is_ok()
}

/// The text with U+FFFD for every half of a surrogate pair. In JSON a backslash stands in strings only.
fn whole_letters(text: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = text.as_bytes()[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        at += match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                out.push_str(&text[copied..at]);
                out.push('\u{fffd}');
                copied = at + 6;
                6
            }
            _ => 2,
        };
        at = at.min(text.len());
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::legible;

    #[test]
    fn half_a_letter_costs_that_letter_and_no_field() {
        let row = r#"{"id":7,"snippet":"see you \ud83d","whole":"\ud83d\ude00 \\ud83d \"","low":["\ude00x","\ud83d\n"],"ü":1}"#;
        let read = legible(row).expect("fields");
        let told = json!({"id": 7, "snippet": "see you \u{fffd}", "whole": "😀 \\ud83d \"", "low": ["\u{fffd}x", "\u{fffd}\n"], "ü": 1});
        assert_eq!(serde_json::Value::Object(read), told);
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for text in ["[]", "", "{", r#"{"a":"\ud8"#, r#"{"a":1e999}"#, "\\"] {
            assert_eq!(legible(text), None, "{text}");
        }
    }
}
