//! How changes look: one sigil a record, one line a field, before and after.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::catalogue::ObjectName;
use crate::cli::show::records::title;
use crate::cli::show::{View, brief, count, number, print, table};
use crate::diff::{Change, Names};

/// One field of a change.
#[derive(Serialize)]
struct FieldView {
    /// The field's human name.
    name: String,
    before: Value,
    after: Value,
}

/// One change: a line of JSON, or some lines of text.
#[derive(Serialize)]
pub(crate) struct ChangeView<'a> {
    /// Asked only for text: a name may have to be looked up in the archive.
    #[serde(skip)]
    names: [&'a Names<'a>; 2],
    op: &'static str,
    object: String,
    id: String,
    title: String,
    /// By the field's path, which stays the same when somebody renames the field.
    fields: BTreeMap<String, FieldView>,
}

/// What a kind of change is called in JSON, and its sigil in text.
fn kind(change: &Change) -> (&'static str, &'static str) {
    match change {
        Change::Insert(_) => ("insert", "+"),
        Change::Update { .. } => ("update", "*"),
        Change::Delete(_) => ("delete", "-"),
    }
}

impl<'a> ChangeView<'a> {
    /// A change under the names of the older and the newer snapshot.
    pub(crate) fn new(change: &Change, older: &'a Names<'a>, newer: &'a Names<'a>) -> ChangeView<'a> {
        let id = change.id();
        let known = match change {
            Change::Insert(record) | Change::Delete(record) => record,
            Change::Update { after, .. } => after,
        };
        let names = if matches!(change, Change::Delete(_)) { older } else { newer };
        let field = |field: crate::diff::FieldChange| {
            let name = names.field(&id.object, &field.field);
            (field.field, FieldView { name, before: field.before, after: field.after })
        };
        ChangeView {
            names: [older, newer],
            op: kind(change).0,
            object: id.object.to_string(),
            id: id.key.to_string(),
            title: title(known),
            fields: change.fields().into_iter().map(field).collect(),
        }
    }
}

fn say(names: &Names<'_>, object: &ObjectName, path: &str, value: &Value) -> String {
    if value.is_null() { brief(value) } else { super::cut(&names.value(object, path, value)) }
}

impl View for ChangeView<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let sigil = match self.op {
            "insert" => '+',
            "delete" => '-',
            _ => '*',
        };
        writeln!(out, "{}", format!("{sigil} {}/{}  {}", self.object, self.id, self.title).trim_end())?;
        if self.op != "update" {
            return Ok(());
        }
        let width = self.fields.values().map(|field| field.name.chars().count()).max().unwrap_or(0).min(32);
        let (object, [older, newer]) = (ObjectName::new(&self.object), self.names);
        for (path, field) in &self.fields {
            // A field that was made again since is told under its key of today, which only the newer one knows.
            let older = if older.knows(&object, path) { older } else { newer };
            let (before, after) = (say(older, &object, path, &field.before), say(newer, &object, path, &field.after));
            writeln!(out, "    {:width$}  {before} → {after}", field.name)?;
        }
        Ok(())
    }
}

/// Changes of one object, counted.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Tally {
    insert: u64,
    update: u64,
    delete: u64,
}

/// Changes counted by object.
#[derive(Default, Serialize)]
pub(crate) struct ChangeStat {
    objects: BTreeMap<String, Tally>,
    insert: u64,
    update: u64,
    delete: u64,
}

impl ChangeStat {
    /// Counts one more.
    pub(crate) fn add(&mut self, change: &Change) {
        let one = self.objects.entry(change.id().object.title()).or_default();
        let (own, all) = match change {
            Change::Insert(_) => (&mut one.insert, &mut self.insert),
            Change::Update { .. } => (&mut one.update, &mut self.update),
            Change::Delete(_) => (&mut one.delete, &mut self.delete),
        };
        *own += 1;
        *all += 1;
    }

    /// How many changes there are.
    pub(crate) fn total(&self) -> u64 {
        self.insert + self.update + self.delete
    }

    /// `12 added, 312 changed, 4 gone`, or that nothing changed.
    pub(crate) fn sentence(&self) -> String {
        if self.total() == 0 {
            return "nothing changed".to_owned();
        }
        let objects = count(self.objects.len() as u64, "object", "objects");
        let numbers = [self.insert, self.update, self.delete].map(number);
        format!("{} added, {} changed, {} gone in {objects}", numbers[0], numbers[1], numbers[2])
    }
}

impl View for ChangeStat {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.total() > 0 {
            let mut lines = table(&["object", "+ added", "* changed", "- gone"], &[1, 2, 3]);
            for (object, one) in &self.objects {
                lines.add_row([object.clone(), number(one.insert), number(one.update), number(one.delete)]);
            }
            print(&lines, out)?;
        }
        writeln!(out, "{}", self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::{ChangeStat, View};
    use crate::catalogue::ObjectName;
    use crate::diff::Change;
    use crate::record::{Key, Record, RecordId};

    fn deal(id: u64) -> Record {
        let id = RecordId::new(ObjectName::known("deals"), Key::Number(id));
        Record::new(id, &serde_json::Map::new())
    }

    #[test]
    fn changes_are_counted_by_object() {
        let mut stat = ChangeStat::default();
        stat.add(&Change::Insert(deal(1)));
        stat.add(&Change::Delete(deal(2)));
        stat.add(&Change::Update { before: deal(3), after: deal(3) });
        let mut out = Vec::new();
        stat.text(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("1 added, 1 changed, 1 gone in 1 object\n"), "{text}");
        assert_eq!(serde_json::to_value(&stat).unwrap()["objects"]["Deals"]["insert"], 1);
    }

    #[test]
    fn no_change_is_said_in_words() {
        let mut out = Vec::new();
        ChangeStat::default().text(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "nothing changed\n");
    }
}
