//! One request as a handler sees it: routed, authenticated, paid for, its query and body read but not yet checked.

use bytes::Bytes;
use serde_json::Value;

use crate::sandbox::answer::{Answer, bad};
use crate::sandbox::contract::{Operation, Version};

/// A body, by how it was sent.
#[derive(Clone, Debug, Default)]
pub(super) enum Body {
    /// None, or an empty one.
    #[default]
    Empty,
    /// JSON.
    Json(Value),
    /// A form: names and values.
    Form(Vec<(String, String)>),
    /// A multipart upload.
    Upload(Upload),
}

/// A multipart upload.
#[derive(Clone, Debug, Default)]
pub(super) struct Upload {
    /// The part that holds contents: `file`, or `data` of product images.
    pub(super) part: String,
    /// Name and contents of that part.
    pub(super) file: Option<(String, Bytes)>,
    /// The other parts.
    pub(super) parts: Vec<(String, String)>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// What the contract says about it.
    pub(super) operation: &'a Operation,
    /// Names and values in the path.
    pub(super) values: Vec<(String, String)>,
    /// The query, in order.
    pub(super) query: Vec<(String, String)>,
    /// The body.
    pub(super) body: Body,
}

impl Call<'_> {
    /// Which API was asked.
    pub(super) fn version(&self) -> Version {
        self.operation.version
    }

    /// A query parameter that is not empty.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A query parameter that is a number.
    pub(super) fn asked_number(&self, name: &str) -> Result<Option<u64>, Answer> {
        self.asked(name).map(|text| text.parse().map_err(|_| bad(self.version(), name, "must be a number"))).transpose()
    }

    /// A comma list in a query parameter. Repeated parameters and `name[]` count as one list.
    pub(super) fn asked_list(&self, name: &str) -> Option<Vec<&str>> {
        let named = |key: &str| key == name || key.strip_suffix("[]") == Some(name);
        let values: Vec<&str> =
            self.query.iter().filter(|(key, _)| named(key)).map(|(_, value)| value.as_str()).collect();
        if values.is_empty() {
            return None;
        }
        Some(
            values
                .into_iter()
                .flat_map(|value| value.split(','))
                .map(str::trim)
                .filter(|one| !one.is_empty())
                .collect(),
        )
    }

    /// A value in the path, as text.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A value in the path that is a number.
    pub(super) fn number(&self, name: &str) -> Result<u64, Answer> {
        self.value(name).parse().map_err(|_| bad(self.version(), name, "must be a number"))
    }
}
