//! The contract: what the published API descriptions promise, boiled down by `fixtures/contract/boil.py`.
//!
//! The sandbox routes, prices and checks requests by this table and by nothing else, so that a wrong belief of the client about a path, a
//! parameter or a writable field is contradicted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::sandbox::legacy;

/// Facts of one value.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Fact {
    /// `integer`, `number`, `string`, `boolean`, `array`, `object` or `any`.
    #[serde(rename = "type")]
    pub(super) shape: String,
    /// Whether null is described.
    #[serde(default)]
    pub(super) null: bool,
    /// Allowed values.
    #[serde(default, rename = "enum")]
    pub(super) choices: Vec<Value>,
    /// `date` or `uuid`.
    #[serde(default)]
    pub(super) format: Option<String>,
    /// Largest value.
    #[serde(default)]
    pub(super) max: Option<u64>,
    /// Whether a query parameter must be there.
    #[serde(default)]
    pub(super) needed: bool,
    /// Elements of an array.
    #[serde(default)]
    pub(super) items: Option<Box<Fact>>,
    /// Members of an object.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, Fact>,
    /// Members that must be there.
    #[serde(default)]
    pub(super) required: Vec<String>,
}

/// How a body is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sent {
    Json,
    Form,
    Upload,
}

/// The body of an operation.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct BodyFact {
    /// How it is sent.
    #[serde(rename = "as")]
    pub(super) form: Sent,
    /// What it holds.
    #[serde(flatten)]
    pub(super) fact: Fact,
}

/// The two versions of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Version {
    V1,
    V2,
}

/// One operation.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Operation {
    /// Which API.
    pub(super) version: Version,
    /// The verb, in capitals.
    pub(super) method: String,
    /// The path below the version, with `{names}`.
    pub(super) path: String,
    /// What a call costs.
    pub(super) tokens: u64,
    /// Query parameters.
    #[serde(default)]
    pub(super) query: BTreeMap<String, Fact>,
    /// The body, if one is described.
    #[serde(default)]
    pub(super) body: Option<BodyFact>,
    /// Members of the answer's data, with their types.
    #[serde(default)]
    pub(super) returned: BTreeMap<String, String>,
}

impl Operation {
    /// `GET /api/v2/deals/{id}`: how meter and log name it.
    pub(super) fn name(&self) -> String {
        let base = if self.version == Version::V2 { "/api/v2" } else { "/v1" };
        format!("{} {base}{}", self.method, self.path)
    }
}

/// Which operation a path means, and the values in the path.
pub(super) struct Found<'a> {
    /// The operation, or none if the path is known with other verbs only.
    pub(super) operation: Option<&'a Operation>,
    /// Names and values in the path.
    pub(super) values: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Table {
    operations: Vec<Operation>,
}

/// The whole contract.
pub(super) struct Contract {
    operations: Vec<Operation>,
    v1: matchit::Router<Vec<usize>>,
    v2: matchit::Router<Vec<usize>>,
}

impl Contract {
    /// The contract that is built in; with what the service has removed since, if asked for.
    pub(super) fn load(legacy: bool) -> Self {
        let table: Table = serde_json::from_str(include_str!("../../fixtures/contract/contract.json"))
            .expect("the built-in contract is read by a test");
        let mut operations = table.operations;
        operations.extend(old_restore());
        operations.extend(legacy::operations(legacy));
        let v1 = routes(&operations, Version::V1);
        let v2 = routes(&operations, Version::V2);
        Self { operations, v1, v2 }
    }

    /// What a path means in one version.
    pub(super) fn find(&self, version: Version, method: &str, path: &str) -> Option<Found<'_>> {
        let router = if version == Version::V1 { &self.v1 } else { &self.v2 };
        let found = router.at(path).ok()?;
        let operation = found.value.iter().map(|at| &self.operations[*at]).find(|operation| operation.method == method);
        let names = operation.map(|operation| names_in(&operation.path)).unwrap_or_default();
        let values = names.into_iter().zip(found.params.iter().map(|(_, value)| value.to_owned())).collect();
        Some(Found { operation, values })
    }

    /// The operation with this version, verb and path.
    pub(super) fn operation(&self, version: Version, method: &str, path: &str) -> Option<&Operation> {
        self.operations.iter().find(|one| one.version == version && one.method == method && one.path == path)
    }

    /// Members of a kind that are shown on request only: what `include_fields` of the list offers and no answer shows unasked.
    pub(super) fn optional(&self, kind: &str) -> BTreeSet<String> {
        if kind == "mailMessages" {
            return crate::sandbox::mail::UNSHOWN.iter().map(|name| (*name).to_owned()).collect();
        }
        let Some(list) = self.operation(Version::V2, "GET", &format!("/{kind}")) else { return BTreeSet::new() };
        if kind.ends_with("Fields") {
            return BTreeSet::new();
        }
        let offered = list.query.get("include_fields").map(|fact| fact.choices.as_slice()).unwrap_or_default();
        // The example of the activities list shows attendees, its parameter says that they come on request.
        let shown = |name: &str| list.returned.contains_key(name) && name != "attendees";
        offered.iter().filter_map(Value::as_str).filter(|name| !shown(name)).map(str::to_owned).collect()
    }
}

/// `PUT /v1/deals/{id}`: out of support since 2026-08-01 and gone from the description, yet the one documented way to bring a deleted deal
/// back (api/changes.md, 2024-01-15). Served only under `--assume undelete=v1put`.
fn old_restore() -> Option<Operation> {
    serde_json::from_str(
        r#"{"version":"v1","method":"PUT","path":"/deals/{id}","tokens":10,
            "body":{"as":"json","type":"object","fields":{"status":{"type":"string"}}}}"#,
    )
    .ok()
}

fn routes(operations: &[Operation], version: Version) -> matchit::Router<Vec<usize>> {
    let mut by_path: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, operation) in operations.iter().enumerate().filter(|(_, operation)| operation.version == version) {
        by_path.entry(same_names(&operation.path)).or_default().push(at);
    }
    let mut router = matchit::Router::new();
    for (path, found) in by_path {
        router.insert(path, found).expect("paths of the description do not collide once their names are alike");
    }
    router
}

/// The path with its names replaced by their position: two verbs may name the same value differently.
fn same_names(path: &str) -> String {
    let mut number = 0;
    let step = |step: &str| {
        if !step.starts_with('{') {
            return step.to_owned();
        }
        number += 1;
        format!("{{p{number}}}")
    };
    path.split('/').map(step).collect::<Vec<_>>().join("/")
}

fn names_in(path: &str) -> Vec<String> {
    path.split('/').filter_map(|step| Some(step.strip_prefix('{')?.strip_suffix('}')?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::{Contract, Version};

    #[test]
    fn a_fixed_path_wins_over_a_name_in_the_same_place() {
        let contract = Contract::load(false);
        let found = contract.find(Version::V2, "GET", "/deals/archived").unwrap();
        assert_eq!(found.operation.unwrap().path, "/deals/archived");
        let found = contract.find(Version::V2, "GET", "/deals/42").unwrap();
        assert_eq!(found.operation.unwrap().tokens, 1);
        assert_eq!(found.values, [("id".to_owned(), "42".to_owned())]);
    }

    #[test]
    fn a_wrong_verb_finds_the_path_but_no_operation() {
        let contract = Contract::load(false);
        assert!(contract.find(Version::V1, "PATCH", "/notes/1").unwrap().operation.is_none());
        assert!(contract.find(Version::V2, "GET", "/nothing").is_none());
    }

    #[test]
    fn counters_are_optional_and_plain_members_are_not() {
        let optional = Contract::load(false).optional("deals");
        assert!(optional.contains("notes_count"));
        assert!(!optional.contains("title") && !optional.contains("source_lead_id"));
    }
}
