//! What the sandbox knows of each kind of row: how it is homed, linked, deleted and shown to the judge.
//!
//! The list is the sandbox's own on purpose: it shares nothing with the client's catalogue, so that what one side believes wrongly the
//! other contradicts.

/// How a kind writes its times. api/wire.md, "Time and value formats".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Times {
    /// `2024-01-01T00:00:00Z`: kinds with a v2 home.
    Zoned,
    /// `2024-01-01 00:00:00`: kinds with a v1 home.
    Plain,
    /// `2024-01-01T00:00:00.000Z`: leads, lead labels, webhooks, mail, projects and what belongs to them.
    Millis,
}

/// How a row says that it is deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gone {
    /// The row carries `is_deleted` and stays for 30 days.
    Marked,
    /// The row carries `active_flag`, false once deleted, and stays for 30 days.
    Inactive,
    /// The row stays for 30 days but no member says so.
    Hidden,
    /// The row is removed at once.
    Removed,
}

/// Facts of one kind of row.
#[derive(Debug)]
pub(super) struct Kind {
    /// Store table, and the word in the API's paths.
    pub(super) name: &'static str,
    /// What the judge calls it.
    pub(super) judge: &'static str,
    /// What errors call one of them.
    pub(super) one: &'static str,
    /// How its times look.
    pub(super) times: Times,
    /// How it disappears.
    pub(super) gone: Gone,
    /// The table of its custom field definitions, if it has any.
    pub(super) fields: Option<&'static str>,
    /// Members that point at a row of another table, and that table.
    pub(super) links: &'static [(&'static str, &'static str)],
}

use Gone::{Hidden, Inactive, Marked, Removed};
use Times::{Millis, Plain, Zoned};

const fn kind(
    names: (&'static str, &'static str, &'static str),
    times: Times,
    gone: Gone,
    fields: Option<&'static str>,
    links: &'static [(&'static str, &'static str)],
) -> Kind {
    Kind { name: names.0, judge: names.1, one: names.2, times, gone, fields, links }
}

/// Every kind, in the order in which the judge tells them.
pub(super) static KINDS: &[Kind] = &[
    kind(("users", "Users", "User"), Plain, Marked, None, &[]),
    kind(("roles", "Roles", "Role"), Plain, Inactive, None, &[("parent_role_id", "roles")]),
    kind(("roleSettings", "RoleSettings", "Setting"), Plain, Removed, None, &[("role_id", "roles")]),
    kind(("permissionSets", "PermissionSets", "Permission set"), Plain, Removed, None, &[]),
    kind(("legacyTeams", "LegacyTeams", "Team"), Plain, Hidden, None, &[]),
    kind(("userSettings", "UserSettings", "Setting"), Plain, Removed, None, &[]),
    kind(("userConnections", "UserConnections", "Connection"), Plain, Removed, None, &[]),
    kind(("currencies", "Currencies", "Currency"), Plain, Hidden, None, &[]),
    kind(("pipelines", "Pipelines", "Pipeline"), Zoned, Marked, None, &[]),
    kind(("stages", "Stages", "Stage"), Zoned, Marked, None, &[("pipeline_id", "pipelines")]),
    kind(("rolePipelines", "RolePipelines", "Pipeline"), Plain, Removed, None, &[("role_id", "roles")]),
    kind(("dealFields", "DealFields", "Field"), Plain, Hidden, None, &[]),
    kind(("personFields", "PersonFields", "Field"), Plain, Hidden, None, &[]),
    kind(("organizationFields", "OrganizationFields", "Field"), Plain, Hidden, None, &[]),
    kind(("productFields", "ProductFields", "Field"), Plain, Hidden, None, &[]),
    kind(("activityFields", "ActivityFields", "Field"), Plain, Hidden, None, &[]),
    kind(("leadFields", "LeadFields", "Field"), Plain, Hidden, None, &[]),
    kind(("projectFields", "ProjectFields", "Field"), Plain, Hidden, None, &[]),
    kind(("noteFields", "NoteFields", "Field"), Plain, Hidden, None, &[]),
    kind(("activityTypes", "ActivityTypes", "Activity type"), Plain, Inactive, None, &[]),
    kind(("organizations", "Organizations", "Organization"), Zoned, Marked, Some("organizationFields"), &[]),
    kind(("persons", "Persons", "Person"), Zoned, Marked, Some("personFields"), &[("org_id", "organizations")]),
    kind(("products", "Products", "Product"), Zoned, Marked, Some("productFields"), &[]),
    kind(
        ("deals", "Deals", "Deal"),
        Zoned,
        Marked,
        Some("dealFields"),
        &[("person_id", "persons"), ("org_id", "organizations"), ("stage_id", "stages"), ("pipeline_id", "pipelines")],
    ),
    kind(
        ("dealProducts", "DealProducts", "Deal product"),
        Zoned,
        Removed,
        None,
        &[("deal_id", "deals"), ("product_id", "products")],
    ),
    kind(("dealFollowers", "DealFollowers", "Follower"), Zoned, Removed, None, &[("deal_id", "deals")]),
    kind(
        ("dealParticipants", "DealParticipants", "Participant"),
        Plain,
        Removed,
        None,
        &[("deal_id", "deals"), ("person_id", "persons")],
    ),
    kind(("personFollowers", "PersonFollowers", "Follower"), Zoned, Removed, None, &[("person_id", "persons")]),
    kind(
        ("organizationFollowers", "OrganizationFollowers", "Follower"),
        Zoned,
        Removed,
        None,
        &[("org_id", "organizations")],
    ),
    kind(("productFollowers", "ProductFollowers", "Follower"), Zoned, Removed, None, &[("product_id", "products")]),
    kind(
        ("organizationRelationships", "OrganizationRelationships", "Organization relationship"),
        Plain,
        Removed,
        None,
        &[("rel_owner_org_id", "organizations"), ("rel_linked_org_id", "organizations")],
    ),
    kind(("personPictures", "PersonPictures", "Picture"), Plain, Removed, None, &[("item_id", "persons")]),
    kind(
        ("productVariations", "ProductVariations", "Product variation"),
        Zoned,
        Removed,
        None,
        &[("product_id", "products")],
    ),
    kind(("productImages", "ProductImages", "Product image"), Zoned, Removed, None, &[("product_id", "products")]),
    kind(("dealDiscounts", "DealDiscounts", "Discount"), Zoned, Removed, None, &[("deal_id", "deals")]),
    kind(("dealInstallments", "DealInstallments", "Installment"), Zoned, Removed, None, &[("deal_id", "deals")]),
    kind(("noteComments", "NoteComments", "Comment"), Plain, Removed, None, &[("note_id", "notes")]),
    kind(("leadSources", "LeadSources", "Lead source"), Plain, Removed, None, &[]),
    kind(("subscriptions", "Subscriptions", "Subscription"), Plain, Hidden, None, &[("deal_id", "deals")]),
    kind(
        ("subscriptionPayments", "SubscriptionPayments", "Payment"),
        Plain,
        Removed,
        None,
        &[("subscription_id", "subscriptions")],
    ),
    kind(("globalMessages", "GlobalMessages", "Global message"), Plain, Removed, None, &[]),
    kind(("leadLabels", "LeadLabels", "Lead label"), Millis, Removed, None, &[]),
    kind(
        ("leads", "Leads", "lead"),
        Millis,
        Hidden,
        None,
        &[("person_id", "persons"), ("organization_id", "organizations")],
    ),
    kind(("boards", "ProjectBoards", "Board"), Millis, Hidden, None, &[]),
    kind(("phases", "ProjectPhases", "Phase"), Millis, Hidden, None, &[("board_id", "boards")]),
    kind(("projectTemplates", "ProjectTemplates", "Project template"), Millis, Hidden, None, &[]),
    kind(
        ("projects", "Projects", "Project"),
        Millis,
        Hidden,
        Some("projectFields"),
        &[("board_id", "boards"), ("phase_id", "phases")],
    ),
    kind(("projectGroups", "ProjectGroups", "Group"), Millis, Removed, None, &[("project_id", "projects")]),
    kind(("tasks", "Tasks", "Task"), Millis, Hidden, None, &[("project_id", "projects"), ("parent_task_id", "tasks")]),
    kind(("projectPlans", "ProjectPlans", "Plan item"), Millis, Removed, None, &[("project_id", "projects")]),
    kind(
        ("activities", "Activities", "Activity"),
        Zoned,
        Marked,
        None,
        &[
            ("deal_id", "deals"),
            ("person_id", "persons"),
            ("org_id", "organizations"),
            ("lead_id", "leads"),
            ("project_id", "projects"),
        ],
    ),
    kind(
        ("notes", "Notes", "Note"),
        Plain,
        Inactive,
        None,
        &[
            ("deal_id", "deals"),
            ("person_id", "persons"),
            ("org_id", "organizations"),
            ("lead_id", "leads"),
            ("project_id", "projects"),
            ("task_id", "tasks"),
        ],
    ),
    kind(
        ("files", "Files", "File"),
        Plain,
        Inactive,
        None,
        &[
            ("deal_id", "deals"),
            ("person_id", "persons"),
            ("org_id", "organizations"),
            ("lead_id", "leads"),
            ("product_id", "products"),
            ("activity_id", "activities"),
            ("project_id", "projects"),
        ],
    ),
    kind(
        ("mailThreads", "MailThreads", "Mail thread"),
        Millis,
        Hidden,
        None,
        &[("deal_id", "deals"), ("lead_id", "leads")],
    ),
    kind(
        ("mailMessages", "MailMessages", "Mail message"),
        Millis,
        Hidden,
        None,
        &[
            ("mail_thread_id", "mailThreads"),
            ("deal_id", "deals"),
            ("person_id", "persons"),
            ("org_id", "organizations"),
        ],
    ),
    kind(("callLogs", "CallLogs", "Call log"), Millis, Removed, None, &[]),
    kind(("goals", "Goals", "Goal"), Plain, Removed, None, &[]),
    kind(("filters", "Filters", "Filter"), Plain, Inactive, None, &[]),
    kind(("webhooks", "Webhooks", "Webhook"), Millis, Removed, None, &[]),
];

/// The position of a kind in [`KINDS`].
pub(super) fn position(name: &str) -> Option<usize> {
    KINDS.iter().position(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::{KINDS, position};

    #[test]
    fn every_link_leads_to_a_kind_of_the_table() {
        for kind in KINDS {
            for (member, target) in kind.links {
                assert!(position(target).is_some(), "{}.{member} points to `{target}`", kind.name);
            }
            if let Some(fields) = kind.fields {
                assert!(position(fields).is_some(), "{} has fields in `{fields}`", kind.name);
            }
        }
    }
}
