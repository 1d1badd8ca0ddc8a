//! What a capture has to know of the records below it, besides which there are.
//!
//! Where the key in use may not read what is in the archive, this is all that the
//! index keeps of them (`archive::Outlined`): numbers of users and parents, versions of
//! files, the parts of a list that a record stands in.

use crate::catalogue::{self, Listing, Object, ObjectName, Reference, Target};

/// The fields of an object's records that later captures look at.
pub(super) fn fields(name: &ObjectName) -> Vec<&'static str> {
    let Some(object) = catalogue::find(name) else { return Vec::new() };
    let mut fields: Vec<&'static str> = object.own.iter().map(|own| own.field).collect();
    fields.extend(object.parts.map(|parts| parts.field));
    fields.extend(object.parent_field());
    if object.is_shared() {
        fields.extend(to_parents(object).map(|reference| reference.field));
    }
    if let Listing::Derived { from } = object.listing {
        let owner = catalogue::find(&ObjectName::known(from));
        let version = owner.and_then(|owner| owner.contents.as_ref()).map(|contents| contents.version);
        fields.extend(version.into_iter().flatten().map(|(_, name)| name));
    }
    fields
}

/// The references of an object that is listed under two parents to either of them.
pub(super) fn to_parents(object: &Object) -> impl Iterator<Item = &Reference> {
    let to_parent = |target: Target| matches!(target, Target::Record(objects) if objects == object.parents());
    object.references.iter().filter(move |reference| to_parent(reference.to))
}

#[cfg(test)]
mod tests {
    use super::fields;
    use crate::catalogue::ObjectName;

    #[test]
    fn little_is_remembered_and_of_most_objects_nothing() {
        let of = |name| fields(&ObjectName::known(name));
        assert_eq!((of("deals"), of("persons"), of("activities")), (Vec::new(), Vec::new(), Vec::new()));
        assert_eq!(of("fileContents"), ["file_size", "update_time"]);
        assert!(!of("organizationRelationships").is_empty() && !of("mailThreads").is_empty());
    }
}
