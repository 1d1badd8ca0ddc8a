//! Objects of the service that are no data of their own: made of what other objects hold, at no price.
//!
//! The service lists the persons of a deal and of an organization; both follow from
//! fields that every snapshot has, so nothing is read and nothing is stored for them.

use super::ObjectName;

/// A list that follows from other objects.
#[derive(Debug)]
pub struct View {
    /// The word on the command line.
    pub name: &'static str,
    /// The objects whose records have the view, with the field that points to a person or is pointed from one.
    pub from: &'static [Edge],
    /// The field under which the first half of the key is shown.
    pub parent: &'static str,
    /// Where this was read, and when last checked.
    pub evidence: &'static str,
}

/// Where pairs of parent and person stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The object whose records hold them.
    pub object: &'static str,
    /// The field with the parent's id; none where rows are listed under it and their key names it.
    pub parent: Option<&'static str>,
    /// The field with the person's id.
    pub person: &'static str,
}

/// Every view.
pub static VIEWS: &[View] = &[
    View {
        name: "dealPersons",
        from: &[
            Edge { object: "deals", parent: Some("id"), person: "person_id" },
            Edge { object: "archivedDeals", parent: Some("id"), person: "person_id" },
            Edge { object: "dealParticipants", parent: None, person: "person_id" },
        ],
        parent: "deal_id",
        evidence: "api/objects.md DealPersons, 2026-11-23",
    },
    View {
        name: "organizationPersons",
        from: &[Edge { object: "persons", parent: Some("org_id"), person: "id" }],
        parent: "org_id",
        evidence: "api/objects.md OrganizationPersons, 2026-11-23",
    },
];

/// The view with this name, as it is typed.
pub fn find_view(name: &ObjectName) -> Option<&'static View> {
    VIEWS.iter().find(|view| view.name.eq_ignore_ascii_case(name.as_str()))
}
