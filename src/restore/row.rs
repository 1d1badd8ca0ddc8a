//! A row of the account while many of them are kept: as text, a tenth of what its fields take.

use std::sync::Arc;

use serde_json::{Map, Value};

/// A row as JSON text; copies share it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RowText(Arc<str>);

impl RowText {
    pub(super) fn of(row: &Map<String, Value>) -> RowText {
        RowText(serde_json::to_string(row).expect("a row has only text keys").into())
    }

    /// Its fields. Parses; keep the result when it is needed twice.
    pub(super) fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).expect("it was written from fields")
    }
}
