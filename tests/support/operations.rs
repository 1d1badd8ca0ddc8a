//! Every operation that the client can send, as the catalogue tells it: what the record of the stories has to show.

use pdbak::catalogue::{ALL, Call, Listing, Method, Object, ObjectName, Version, numbers};
use serde_json::{Value, json};

/// What the catalogue does not tell: who the token's user is.
const BESIDE: [(&str, Version, &str); 1] = [("GET", Version::V1, "/users/me")];

/// Method and path below the address of the account, each once, with the objects that have it.
pub(super) fn all() -> Value {
    let mut found: Vec<(String, &'static str)> = Vec::new();
    for object in ALL {
        let of_object = reads(object).into_iter().chain(writes(object));
        found.extend(of_object.map(|operation| (operation, object.name)));
        let numbered = numbers(&ObjectName::new(object.name)).map(reads).into_iter().flatten();
        found.extend(numbered.map(|operation| (operation, object.name)));
    }
    found.extend(BESIDE.map(|(method, version, path)| (operation(method, version, path), "account")));
    let all = found.into_iter().map(|(operation, object)| json!({"operation": operation, "object": object}));
    all.collect()
}

fn operation(method: &str, version: Version, path: &str) -> String {
    let base = if version == Version::V1 { "/v1" } else { "/api/v2" };
    format!("{method} {base}{path}")
}

fn reads(object: &'static Object) -> Vec<String> {
    let mut found = Vec::new();
    let listed = !matches!(object.listing, Listing::Derived { .. } | Listing::Within { .. });
    found.extend(listed.then(|| operation("GET", object.version, object.path)));
    found.extend(object.single.map(|single| operation("GET", single.version, single.path)));
    found.extend(object.extended.iter().map(|extended| operation("GET", extended.version, extended.path)));
    let called = object.contents.filter(|contents| contents.at.is_none());
    found.extend(called.map(|contents| operation("GET", Version::V1, contents.path)));
    found
}

fn writes(object: &'static Object) -> impl Iterator<Item = String> {
    let made = [object.create, object.update].into_iter().flatten().map(|write| write.call);
    let others = [object.delete, object.options, object.archive].into_iter().flatten();
    let undone = object.undelete.iter().map(|undelete| undelete.call);
    let otherwise = object.otherwise.into_iter().flat_map(move |other| {
        let create = object.create.map(|write| Call { path: other.create, ..write.call });
        let update = object.update.map(|write| Call { path: other.update, ..write.call });
        [create, update].into_iter().flatten()
    });
    made.chain(others).chain(undone).chain(otherwise).map(|call| {
        let method = match call.method {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        operation(method, call.version, call.path)
    })
}
