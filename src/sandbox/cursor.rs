//! Cursors: where a v2 list goes on.
//!
//! api/wire.md: the published example decodes to `{"field":"id","fieldValue":7,"sortDirection":"asc","id":7}`, keyset paging by the sort
//! field with the id as tie-breaker, so that inserts and deletes elsewhere neither skip nor double a row.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

/// The last row of the page before.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Cursor {
    /// The sort field.
    pub(super) field: String,
    /// Its value in that row, as it was compared.
    pub(super) value: String,
    /// Whether the list runs downwards.
    pub(super) down: bool,
    /// The id of that row.
    pub(super) id: u64,
}

impl Cursor {
    /// The opaque text.
    pub(super) fn written(&self) -> String {
        let direction = if self.down { "desc" } else { "asc" };
        let value = json!({"field": self.field, "fieldValue": self.value, "sortDirection": direction, "id": self.id});
        STANDARD_NO_PAD.encode(value.to_string())
    }

    /// Reads the opaque text.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        let value: Value = serde_json::from_slice(&bytes).ok()?;
        Some(Self {
            field: value["field"].as_str()?.to_owned(),
            value: value["fieldValue"].as_str()?.to_owned(),
            down: value["sortDirection"] == "desc",
            id: value["id"].as_u64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let cursor = Cursor { field: "id".into(), value: "7".into(), down: false, id: 7 };
        assert_eq!(Cursor::read(&cursor.written()), Some(cursor));
        assert_eq!(Cursor::read("7"), None);
    }
}
