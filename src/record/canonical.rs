//! The canonical form of a row, in one pass over its text.
//!
//! A parser would build a tree of a row only to print it again; here every
//! value is copied to its place as it is met, and only objects whose names are
//! out of order are put in order afterwards. The text is known to be JSON
//! before it comes here (a `RawValue` is), so that what is left to find is
//! where each value ends.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::legible::is_legible;

/// Nesting below this depth is kept as it came; no record of the service comes near it.
const DEPTH_LIMIT: usize = 64;
/// What is nested deeper no parser of values reads: serde_json stops at 128, the row itself included.
const LEGIBLE_DEPTH: usize = 125;
/// A number of so few digits and without an exponent is one.
const SURELY_A_NUMBER: usize = 300;

/// One member of an object.
struct Member<'a> {
    name: Cow<'a, str>,
    /// The value as it came.
    raw: &'a str,
    /// Name and value in canonical form, in the output.
    written: Range<usize>,
}

/// The fields of one JSON object, their values in canonical form.
pub(super) struct Fields<'a> {
    members: Vec<Member<'a>>,
    out: String,
    illegible: Option<&'static str>,
}

impl<'a> Fields<'a> {
    /// `None` when the value is no object, or a field's name is no text.
    pub(super) fn of(row: &'a RawValue) -> Option<Fields<'a>> {
        Fields::read(row.get())
    }

    fn read(json: &'a str) -> Option<Fields<'a>> {
        let mut writer = Writer::over(json);
        if !json.starts_with('{') || !writer.members(0) {
            return None;
        }
        Some(Fields { members: writer.members, out: writer.out, illegible: writer.illegible })
    }

    /// What is in it that is JSON and that no parser of values reads.
    pub(super) fn illegible(&self) -> Option<&'static str> {
        self.illegible
    }

    /// The last value of a field, as parsers of JSON objects take it.
    pub(super) fn last(&self, name: &str) -> Option<&'a str> {
        self.members.iter().rev().find(|member| member.name == name).map(|member| member.raw)
    }

    /// Leaves fields out.
    pub(super) fn drop(&mut self, names: &[&str]) {
        self.members.retain(|member| !names.contains(&member.name.as_ref()));
    }

    /// Puts the id in the place of the copy of a row that v1 answers: `{"value":7,"name":…}` becomes `7`.
    pub(super) fn unnest(&mut self, field: &str) {
        for member in self.members.iter_mut().filter(|member| member.name == field) {
            let copy = Fields::read(member.raw);
            let Some(inner) = copy.and_then(|copy| copy.last("value").or(copy.last("id"))) else { continue };
            let mut writer = Writer::over(inner);
            writer.name(&member.name, true);
            writer.value(1);
            let start = self.out.len();
            self.out.push_str(&writer.out);
            member.written = start..self.out.len();
        }
    }

    /// The object in canonical form.
    pub(super) fn canonical(mut self) -> Box<str> {
        // A comma less than members, and two braces: what is exact need not be moved.
        let length = self.members.iter().map(|member| member.written.len() + 1).sum::<usize>().max(1) + 1;
        let mut canonical = String::with_capacity(length);
        canonical.push('{');
        in_order(&mut self.members, &self.out, &mut canonical);
        canonical.push('}');
        canonical.into()
    }
}

/// Appends the members by name; of a repeated name the last counts.
fn in_order(members: &mut [Member<'_>], from: &str, into: &mut String) {
    // A stable sort keeps the order of repeated names.
    members.sort_by(|left, right| left.name.cmp(&right.name));
    let mut first = true;
    for (at, member) in members.iter().enumerate() {
        if members.get(at + 1).is_some_and(|next| next.name == member.name) {
            continue;
        }
        if !first {
            into.push(',');
        }
        first = false;
        into.push_str(&from[member.written.clone()]);
    }
}

/// A place in a text that is known to be JSON, and what was written up to there.
struct Writer<'a> {
    text: &'a str,
    at: usize,
    out: String,
    /// Members of the objects that are open, the outermost first.
    members: Vec<Member<'a>>,
    illegible: Option<&'static str>,
}

impl<'a> Writer<'a> {
    fn over(text: &'a str) -> Writer<'a> {
        Writer { text, at: 0, out: String::with_capacity(text.len()), members: Vec::with_capacity(64), illegible: None }
    }

    /// The next byte that is no white space; zero at the end.
    fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or_default()
    }

    /// The next byte if it is the start of another item; passes what stands before it, and the bracket at the end.
    fn item(&mut self) -> Option<u8> {
        if self.peek() == b',' {
            self.at += 1;
        }
        let byte = self.peek();
        if matches!(byte, b'}' | b']' | 0) {
            self.at += 1;
            return None;
        }
        Some(byte)
    }

    /// Writes the members of an object that begins here and leaves them on the stack; false when a name is no text.
    fn members(&mut self, depth: usize) -> bool {
        self.at += 1;
        let floor = self.members.len();
        while self.item().is_some() {
            let quoted = self.string();
            let Some(name) = quoted.text() else { return false };
            // A colon.
            self.peek();
            self.at += 1;
            self.peek();
            if self.members.len() > floor {
                self.out.push(',');
            }
            let start = self.out.len();
            self.name(&name, quoted.escaped);
            let value = self.at;
            self.value(depth + 1);
            let raw = &self.text[value..self.at];
            self.members.push(Member { name, raw, written: start..self.out.len() });
        }
        true
    }

    fn name(&mut self, name: &str, escaped: bool) {
        write_text(name, escaped, &mut self.out);
        self.out.push(':');
    }

    fn value(&mut self, depth: usize) {
        match self.peek() {
            b'{' if depth < DEPTH_LIMIT => self.object(depth),
            b'[' if depth < DEPTH_LIMIT => self.items(depth),
            b'"' => {
                let quoted = self.string();
                match quoted.text() {
                    Some(text) => write_text(&text, quoted.escaped, &mut self.out),
                    // Half a surrogate pair is no text; it is kept as it came rather than lost.
                    None => self.out.push_str(quoted.raw),
                }
            }
            first => {
                let raw = self.skip(depth);
                let number = matches!(first, b'-' | b'0'..=b'9');
                let doubtful = raw.len() > SURELY_A_NUMBER || raw.bytes().any(|byte| matches!(byte, b'e' | b'E'));
                self.copy(raw, matches!(first, b'{' | b'[') || (number && doubtful));
            }
        }
    }

    /// Writes a value as it came, and notes if no parser of values would read it.
    fn copy(&mut self, raw: &str, is_doubtful: bool) {
        if is_doubtful && self.illegible.is_none() && !is_legible(raw) {
            self.illegible = Some("a number beyond all numbers");
        }
        self.out.push_str(raw);
    }

    fn object(&mut self, depth: usize) {
        let (begin, start, floor) = (self.at, self.out.len(), self.members.len());
        self.out.push('{');
        if self.members(depth) {
            let members = &mut self.members[floor..];
            if !members.is_sorted_by(|left, right| left.name < right.name) {
                let mut ordered = String::with_capacity(self.out.len() - start);
                in_order(members, &self.out, &mut ordered);
                self.out.truncate(start + 1);
                self.out.push_str(&ordered);
            }
            self.out.push('}');
        } else {
            self.at = begin;
            self.out.truncate(start);
            let raw = self.skip(depth);
            self.copy(raw, true);
        }
        self.members.truncate(floor);
    }

    fn items(&mut self, depth: usize) {
        self.at += 1;
        self.out.push('[');
        let mut first = true;
        while self.item().is_some() {
            if !first {
                self.out.push(',');
            }
            first = false;
            self.value(depth + 1);
        }
        self.out.push(']');
    }

    /// Passes a value of any depth without recursion.
    fn skip(&mut self, depth: usize) -> &'a str {
        let (begin, bytes) = (self.at, self.text.as_bytes());
        let mut open = 0usize;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.string();
                    if open == 0 {
                        break;
                    }
                    continue;
                }
                b'{' | b'[' => {
                    open += 1;
                    if depth + open > LEGIBLE_DEPTH {
                        self.illegible = Some("values nested too deep");
                    }
                }
                b'}' | b']' if open == 0 => break,
                b'}' | b']' => {
                    open -= 1;
                    if open == 0 {
                        self.at += 1;
                        break;
                    }
                }
                b',' | b' ' | b'\n' | b'\t' | b'\r' if open == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        &self.text[begin..self.at]
    }

    /// Passes a string.
    fn string(&mut self) -> Quoted<'a> {
        let (begin, bytes) = (self.at, self.text.as_bytes());
        let (mut at, mut escaped) = (begin + 1, false);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = bytes.len().min(at + 1);
        Quoted { raw: &self.text[begin..self.at], escaped }
    }
}

/// A string as it came, with its quotes.
struct Quoted<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Quoted<'a> {
    /// What it says; `None` where its escapes make no text.
    fn text(&self) -> Option<Cow<'a, str>> {
        if self.escaped {
            return serde_json::from_str(self.raw).ok().map(Cow::Owned);
        }
        self.raw.get(1..self.raw.len() - 1).map(Cow::Borrowed)
    }
}

/// Appends a text in the one form it has here; one that came without escapes needs none.
fn write_text(text: &str, escaped: bool, out: &mut String) {
    if escaped {
        out.push_str(&serde_json::to_string(text).expect("a text always serialises"));
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(row: &str) -> Option<String> {
        let row: &RawValue = serde_json::from_str(row).expect("json");
        Fields::of(row).map(|fields| fields.canonical().into())
    }

    #[test]
    fn white_space_goes_and_what_is_empty_stays() {
        let row = " {\t\"c\" : [ ] ,\n \"b\":{ } , \"a\" : [ 1 , [ true , null ] , \"\" , { \"z\":-1.50E+2 ,\"y\" : \"\" } ] } ";
        assert_eq!(canonical(row).as_deref(), Some(r#"{"a":[1,[true,null],"",{"y":"","z":-1.50E+2}],"b":{},"c":[]}"#));
    }

    #[test]
    fn names_are_ordered_by_what_they_say_at_every_depth() {
        let row = r#"{"o":{"b":{"d":1,"c":2},"\u0061":[{"f":"\\","e":"\""}],"b":3}}"#;
        assert_eq!(canonical(row).as_deref(), Some(r#"{"o":{"a":[{"e":"\"","f":"\\"}],"b":3}}"#));
    }

    #[test]
    fn an_object_with_a_name_that_is_no_text_is_kept_as_it_came() {
        let row = r#"{"b":[{"y":{},"\ud83d":[ "}" ],"x":1}, {"d":1,"c":2}],"a":0}"#;
        assert_eq!(canonical(row).as_deref(), Some(r#"{"a":0,"b":[{"y":{},"\ud83d":[ "}" ],"x":1},{"c":2,"d":1}]}"#));
        assert_eq!(canonical(r#"{"\ud83d":1}"#), None);
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for row in ["[]", "7", "\"{\"", "null"] {
            assert_eq!(canonical(row), None);
        }
    }

    #[test]
    fn a_copy_gives_way_to_its_id_and_fields_are_left_out() {
        let row: &RawValue =
            serde_json::from_str(r#"{"p":{"name":"x","value":7},"q":{"id":"u"},"r":1}"#).expect("json");
        let mut fields = Fields::of(row).expect("an object");
        fields.unnest("p");
        fields.unnest("q");
        fields.drop(&["r"]);
        assert_eq!(&*fields.canonical(), r#"{"p":7,"q":"u"}"#);
    }
}
