//! The order in which a restore creates records: what is pointed to comes first.
//!
//! Computed from the references, so that an entry cannot be forgotten in a second
//! list. Where references leave it open, the order of [`ALL`] decides: it puts
//! webhooks last, which would otherwise tell the world about every restored record.

use std::sync::LazyLock;

use super::object::{Object, Target, When};
use super::{ALL, find};
use crate::catalogue::ObjectName;

/// Every object a restore may create, so ordered that what is pointed to at creation comes first.
pub fn in_restore_order() -> &'static [&'static Object] {
    /// Planning asks for it record by record.
    static ORDER: LazyLock<Vec<&'static Object>> = LazyLock::new(ordered);
    &ORDER
}

fn ordered() -> Vec<&'static Object> {
    let mut waiting: Vec<&'static Object> = ALL.iter().copied().filter(|object| object.create.is_some()).collect();
    let mut ordered: Vec<&'static Object> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let free = |object: &&Object| !waiting.iter().any(|other| must_follow(object, other));
        // A circle is against the laws of the table; should one slip in, the order of ALL breaks it.
        let next = waiting.iter().position(free).unwrap_or(0);
        ordered.push(waiting.remove(next));
    }
    ordered
}

/// Whether records of `later` can only be made when those of `earlier` exist.
pub(super) fn must_follow(later: &Object, earlier: &Object) -> bool {
    if later.name == earlier.name {
        return false;
    }
    let names = |list: &[&str]| list.iter().any(|name| is_or_is_twin_of(earlier, name));
    let parents = later.parents().contains(&earlier.name);
    let pointed = later.references.iter().filter(|reference| reference.when == When::AtCreate).any(|reference| {
        match reference.to {
            Target::Record(objects) => names(objects),
            Target::Named { object, .. } => object == earlier.name,
            Target::Choice { fields, .. } => fields == earlier.name,
            Target::Typed(types) => types.iter().any(|(_, object)| *object == earlier.name),
            Target::Conditions => stands_before(earlier, later),
        }
    });
    parents || pointed || later.custom.is_some_and(|custom| custom.fields == earlier.name)
}

fn is_or_is_twin_of(object: &Object, name: &str) -> bool {
    object.name == name || find(&ObjectName::new(name)).is_some_and(|named| named.twin == Some(object.name))
}

/// Conditions can hold the id of nearly anything; filters stand in [`ALL`] after all of that.
fn stands_before(earlier: &Object, later: &Object) -> bool {
    let place = |wanted: &Object| ALL.iter().position(|object| object.name == wanted.name);
    place(earlier) < place(later)
}
