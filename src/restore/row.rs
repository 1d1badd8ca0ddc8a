//! A row of the account while many of them are kept: as text, a tenth of what its fields take.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
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

/// As it is, not taken apart: very many are written at once.
impl Serialize for RowText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        row.serialize(serializer)
    }
}
