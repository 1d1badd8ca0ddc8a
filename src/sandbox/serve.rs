//! Which handler serves which operation of the contract.
//!
//! An operation that the contract knows and the sandbox does not serve is answered with 501, so that nobody takes silence for an empty
//! account.

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Outcome, refusal};
use crate::sandbox::call::Call;
use crate::sandbox::contract::{Contract, Version};
use crate::sandbox::list::{self, Shelf};
use crate::sandbox::records::{self, RECORDS};
use crate::sandbox::{
    boards, call_logs, check, comments, deals, discounts, fields, files, filters, followers, goals, history,
    installments, leads, legacy, lines, mail, merge, notes, own, participants, permissions, pictures, projects,
    relationships, roles, settings, teams, variations, webhooks,
};

/// Serves one call.
pub(super) fn serve(account: &mut Account, contract: &Contract, call: &Call<'_>) -> Outcome {
    account.purge();
    check::query(call, account.rigour())?;
    let steps: Vec<&str> = call.operation.path.split('/').skip(1).collect();
    match call.version() {
        Version::V2 => v2(account, contract, call, &steps),
        Version::V1 => v1(account, call, &steps),
    }
}

fn v2(account: &mut Account, contract: &Contract, call: &Call<'_>, steps: &[&str]) -> Outcome {
    let kind = RECORDS.iter().copied().find(|kind| Some(kind) == steps.first());
    match (call.operation.method.as_str(), steps, kind) {
        (_, [table, ..], _) if table.ends_with("Fields") => fields::serve_v2(account, call),
        ("GET", ["boards" | "phases"], _) => boards::list(account, call),
        ("GET", ["projectTemplates"], _) => list::page(account, call, "projectTemplates", Shelf::Active),
        ("GET", ["projectTemplates", "{id}"], _) => list::single(account, call, "projectTemplates"),
        ("GET", ["projects", "archived"], _) => list::page(account, call, "projects", Shelf::Archived),
        ("POST", ["projects", "{id}", "archive"], _) => projects::archive(account, call),
        ("GET", ["deals", "archived"], _) => list::page(account, call, "deals", Shelf::Archived),
        (_, ["deals", "products"], _) | (_, ["deals", "{id}", "products", ..], _) => lines::serve(account, call),
        (_, ["deals", "installments"] | ["deals", "{id}", "installments", ..], _) => installments::serve(account, call),
        (_, ["deals", "{id}", "discounts", ..], _) => discounts::serve(account, call),
        (_, ["products", "{id}", "variations", ..], _) => variations::serve(account, call),
        (_, ["products", "{id}", "images"] | ["persons", "{id}", "picture"], _) => pictures::serve(account, call),
        (_, [_, "{id}", "followers"] | [_, "{id}", "followers", "{follower_id}"], Some(kind)) => {
            followers::serve(account, call, kind)
        }
        ("GET", [_], Some(kind)) => list::page(account, call, kind, Shelf::Active),
        ("GET", [_, "{id}"], Some(kind)) => list::single(account, call, kind),
        ("POST", [_], Some(kind)) => records::create(account, contract, call, kind),
        ("PATCH", [_, "{id}"], Some(kind)) => records::update(account, call, kind),
        ("DELETE", [_, "{id}"], Some(kind)) => records::delete(account, call, kind),
        _ => Err(not_served()),
    }
}

fn v1(account: &mut Account, call: &Call<'_>, steps: &[&str]) -> Outcome {
    let kind = RECORDS.iter().copied().find(|kind| Some(kind) == steps.first());
    match (call.operation.method.as_str(), steps, kind) {
        (_, [table, ..], _) if table.ends_with("Fields") => fields::serve_v1(account, call),
        ("PUT", ["deals", "{id}"], _) => deals::old_restore(account, call),
        (_, [_, "{id}", "merge"], Some(kind)) => merge::serve(account, call, kind),
        (_, [_, "{id}", "followers"] | [_, "{id}", "followers", "{follower_id}"], Some(kind)) => {
            followers::serve(account, call, kind)
        }
        (_, ["deals", "{id}", "participants"] | ["deals", "{id}", "participants", "{deal_participant_id}"], _) => {
            participants::serve(account, call)
        }
        ("GET", [_, "{id}", "changelog" | "flow"], Some(kind)) => history::serve(account, call, kind),
        ("GET", [_, "{id}", "files"], Some(kind)) => files::of_parent(account, call, kind),
        (_, ["files"] | ["files", "{id}"] | ["files", "{id}", "download"], _) => files::serve(account, call),
        ("GET", [_, "{id}", "mailMessages"], Some(kind)) => mail::of_parent(account, call, kind),
        (_, ["mailbox", ..], _) => mail::serve(account, call),
        (_, ["persons", "{id}", "picture"], _) => pictures::serve(account, call),
        (_, ["organizationRelationships", ..], _) => relationships::serve(account, call),
        (_, ["notes", "{id}", "comments", ..], _) => comments::serve(account, call),
        (_, ["notes"] | ["notes", "{id}"], _) => notes::serve(account, call),
        (_, ["leads"] | ["leads", "{id}"] | ["leads", "archived"], _) => leads::serve(account, call),
        (_, ["leadLabels", ..], _) => settings::lead_labels(account, call),
        (_, ["activityTypes", ..], _) => settings::activity_types(account, call),
        (_, ["roles", ..], _) => roles::serve(account, call, steps),
        (_, ["permissionSets", ..], _) => permissions::serve(account, call, steps),
        (_, ["goals", ..], _) => goals::serve(account, call),
        (_, ["callLogs", ..], _) => call_logs::serve(account, call),
        (_, ["legacyTeams", ..], _) => teams::serve(account, call, steps),
        ("GET", ["userSettings"], _) => own::settings(account),
        ("GET", ["userConnections"], _) => own::connections(account),
        ("GET", ["leadSources"], _) => own::sources(account),
        (_, ["users"] | ["users", "{id}"] | ["users", "me"], _) => settings::users(account, call),
        ("GET", ["currencies"], _) => settings::currencies(account, call),
        (_, ["filters"] | ["filters", "{id}"], _) => filters::serve(account, call),
        (_, ["webhooks"] | ["webhooks", "{id}"], _) => webhooks::serve(account, call),
        (_, ["projects", "{id}", "plan" | "groups", ..], _) => projects::plan(account, call),
        (_, ["subscriptions" | "globalMessages", ..], _) => legacy::serve(account, call),
        _ => Err(not_served()),
    }
}

fn not_served() -> crate::sandbox::answer::Answer {
    refusal(501, "The sandbox does not offer this.")
}
