//! Reads single members out of compact JSON text without parsing the rest.
//!
//! A page of 500 rows is filtered and sorted by one or two members of each row; parsing every row whole would make the sandbox slower
//! than the client that it measures. The text comes from our own serialiser, so it is compact and well formed.

/// The members of `"a":1,"b":[…]` (an object without its braces), as (key, value text) in order.
pub(super) struct Members<'a> {
    text: &'a str,
}

impl<'a> Members<'a> {
    /// Walks the members of an object's inside.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.text.strip_prefix(',').unwrap_or(self.text);
        let key_end = string_end(text.as_bytes())?;
        let key = &text[1..key_end - 1];
        let rest = &text[key_end + 1..];
        let value_end = value_end(rest.as_bytes());
        self.text = &rest[value_end..];
        Some((key, &rest[..value_end]))
    }
}

/// The value text of one member, if it is there.
pub(super) fn member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    Members::new(text).find(|(found, _)| *found == key).map(|(_, value)| value)
}

/// The contents of a JSON string that needs no unescaping (times, ids, names of states).
pub(super) fn plain_string(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// Length of the string literal the bytes start with.
fn string_end(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Length of the value the bytes start with.
fn value_end(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += string_end(&bytes[at..]).unwrap_or(bytes.len() - at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::{Members, member, plain_string};

    const TEXT: &str = r#""id":7,"name":"a \"quoted\", {odd} name","tags":[1,{"id":9}],"status":"open","last":null"#;

    #[test]
    fn members_come_in_order_and_whole() {
        let keys: Vec<_> = Members::new(TEXT).map(|(key, _)| key).collect();
        assert_eq!(keys, ["id", "name", "tags", "status", "last"]);
        assert_eq!(member(TEXT, "tags"), Some(r#"[1,{"id":9}]"#));
        assert_eq!(member(TEXT, "last"), Some("null"));
    }

    #[test]
    fn a_key_inside_a_value_is_not_a_member() {
        assert_eq!(member(TEXT, "odd"), None);
        assert_eq!(member(TEXT, "id"), Some("7"));
        assert_eq!(member(TEXT, "status").and_then(plain_string), Some("open"));
    }
}
