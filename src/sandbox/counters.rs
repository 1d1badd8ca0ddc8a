//! Counters and sums that the service keeps on deals, persons and organizations.
//!
//! They are counted anew from the rows each time a child changes: slower than adding one, but a counter can then never drift from the
//! truth that the judge tells. `related_*` stay as the company generator wrote them; nothing described says how the service derives them.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::clock;
use crate::sandbox::kinds::Times;
use crate::sandbox::mail;
use crate::sandbox::row::Id;
use crate::sandbox::store::Row;

/// Brings a row's counters up to date after rows of `child_kind` changed under it.
pub(super) fn recount(account: &mut Account, kind: &'static str, id: &Id, child_kind: &str) {
    let Some(mut row) = account.store.get(kind, id) else { return };
    let before = row.clone();
    match (kind, child_kind) {
        ("deals", "dealProducts" | "dealDiscounts") => lines(account, id, &mut row),
        ("deals", "dealInstallments") | ("notes", "noteComments") => {}
        ("products", "productVariations" | "productImages" | "productFollowers") | ("persons", "personPictures") => {}
        ("organizations", "organizationRelationships") => {}
        ("deals", "dealParticipants") => set(&mut row, "participants_count", count(account, child_kind, "deal_id", id)),
        ("persons", "dealParticipants") => participations(account, id, &mut row),
        ("deals" | "persons" | "organizations", "activities") => activities(account, link_to(kind), id, &mut row),
        ("leads", "activities") => {
            let next = edge(account, "lead_id", id, false);
            row.insert("next_activity_id".into(), next);
        }
        ("deals" | "persons" | "organizations", "notes") => {
            set(&mut row, "notes_count", count(account, "notes", link_to(kind), id))
        }
        ("deals" | "persons" | "organizations", "files") => {
            set(&mut row, "files_count", count(account, "files", link_to(kind), id))
        }
        ("deals" | "persons" | "organizations", "mailMessages") => mails(account, kind, id, &mut row),
        ("persons" | "organizations", "deals") => deals(account, link_to(kind), id, &mut row),
        ("organizations", "persons") => set(&mut row, "people_count", count(account, "persons", "org_id", id)),
        ("deals" | "persons" | "organizations", followers) if followers.ends_with("Followers") => {
            set(&mut row, "followers_count", count(account, followers, link_to(kind), id));
        }
        _ => return,
    }
    let own_value_changed = row.get("value") != before.get("value");
    let touches = account.assume.yes("touch-parent") && child_kind != "deals" && child_kind != "persons";
    if own_value_changed || touches {
        row.insert("update_time".into(), account.stamp(kind).into());
    }
    if row != before {
        account.store.put(kind, id.clone(), &row);
    }
}

/// The member with which children point to a row of the kind.
pub(super) fn link_to(kind: &str) -> &'static str {
    match kind {
        "deals" => "deal_id",
        "persons" => "person_id",
        "organizations" => "org_id",
        "products" => "product_id",
        _ => "lead_id",
    }
}

fn set(row: &mut Map<String, Value>, member: &str, count: usize) {
    row.insert(member.to_owned(), json!(count));
}

fn alive<'a>(account: &'a Account, kind: &'a str, member: &str, id: &Id) -> impl Iterator<Item = (&'a Id, &'a Row)> {
    let rows = &account.store.table(kind).rows;
    account.store.children(kind, member, id).map(|child| (child, &rows[child])).filter(|(_, row)| !row.deleted)
}

fn count(account: &Account, kind: &str, member: &str, id: &Id) -> usize {
    alive(account, kind, member, id).count()
}

fn activities(account: &Account, member: &str, id: &Id, row: &mut Map<String, Value>) {
    let (mut done, mut undone) = (0, 0);
    for (_, activity) in alive(account, "activities", member, id) {
        *(if activity.member("done") == Some("true") { &mut done } else { &mut undone }) += 1;
    }
    set(row, "activities_count", done + undone);
    set(row, "done_activities_count", done);
    set(row, "undone_activities_count", undone);
    row.insert("next_activity_id".into(), edge(account, member, id, false));
    row.insert("last_activity_id".into(), edge(account, member, id, true));
}

/// The undone activity that is due first, or the done one that was due last.
fn edge(account: &Account, member: &str, id: &Id, done: bool) -> Value {
    let due =
        |row: &Row| (row.word("due_date").unwrap_or("9999").to_owned(), row.word("due_time").unwrap_or("").to_owned());
    let wanted = if done { Some("true") } else { Some("false") };
    let of_state = alive(account, "activities", member, id).filter(|(_, row)| row.member("done") == wanted);
    let keyed = of_state.map(|(id, row)| (due(row), id));
    let found = if done { keyed.max() } else { keyed.min() };
    match found {
        Some((_, Id::Number(id))) => json!(id),
        _ => Value::Null,
    }
}

fn deals(account: &Account, member: &str, id: &Id, row: &mut Map<String, Value>) {
    let (mut open, mut won, mut lost) = (0, 0, 0);
    for (_, deal) in alive(account, "deals", member, id) {
        match deal.word("status") {
            Some("won") => won += 1,
            Some("lost") => lost += 1,
            _ => open += 1,
        }
    }
    set(row, "open_deals_count", open);
    set(row, "won_deals_count", won);
    set(row, "lost_deals_count", lost);
    set(row, "closed_deals_count", won + lost);
}

fn mails(account: &Account, kind: &str, id: &Id, row: &mut Map<String, Value>) {
    let under = mail::under(account, kind, id);
    set(row, "email_messages_count", under.len());
    let rows = &account.store.table("mailMessages").rows;
    let last = |sent: &str| {
        let sent_so = under
            .iter()
            .map(|id| &rows[id])
            .filter(|one| one.member("sent_flag") == Some(sent) && one.member("draft_flag") == Some("0"));
        sent_so.filter_map(|one| one.word("message_time").and_then(clock::read)).max()
    };
    for (member, sent) in [("last_incoming_mail_time", "0"), ("last_outgoing_mail_time", "1")] {
        if row.contains_key(member) {
            let time = last(sent).map(|time| clock::written(time, Times::Zoned));
            row.insert(member.to_owned(), json!(time));
        }
    }
}

fn participations(account: &Account, id: &Id, row: &mut Map<String, Value>) {
    let rows = &account.store.table("deals").rows;
    let (mut open, mut closed) = (0, 0);
    for (_, participant) in alive(account, "dealParticipants", "person_id", id) {
        let Some(deal) = participant.number("deal_id").and_then(|deal| rows.get(&Id::Number(deal))) else { continue };
        let own = deal.number("person_id").map(Id::Number).as_ref() == Some(id);
        if !deal.deleted && !own {
            *(if deal.word("status") == Some("open") { &mut open } else { &mut closed }) += 1;
        }
    }
    set(row, "participant_open_deals_count", open);
    set(row, "participant_closed_deals_count", closed);
}

/// Counts the lines of a deal; its value follows them. api/restore-hazards.md, "Value".
fn lines(account: &Account, id: &Id, row: &mut Map<String, Value>) {
    let lines: Vec<&Row> = alive(account, "dealProducts", "deal_id", id).map(|(_, row)| row).collect();
    set(row, "products_count", lines.len());
    if lines.is_empty() || account.assume.is("deal-value", "writable") {
        return;
    }
    let enabled = lines.iter().filter(|line| line.member("is_enabled") != Some("false"));
    let sum: f64 = enabled.filter_map(|line| line.member("sum")?.parse::<f64>().ok()).sum();
    row.insert("value".into(), money(discounted(account, id, &lines, sum)));
}

/// What the discounts of a deal leave of its lines: they count where there are one-time products. api/objects.md, Deal discounts.
fn discounted(account: &Account, id: &Id, lines: &[&Row], sum: f64) -> f64 {
    if !lines.iter().any(|line| line.word("billing_frequency") == Some("one-time")) {
        return sum;
    }
    let less = |discount: &Row| {
        let amount = discount.member("amount").and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        if discount.word("type") == Some("percentage") { sum * amount / 100.0 } else { amount }
    };
    sum - alive(account, "dealDiscounts", "deal_id", id).map(|(_, discount)| less(discount)).sum::<f64>()
}

/// An amount with two decimals, whole if it is.
pub(super) fn money(amount: f64) -> Value {
    let cents = (amount * 100.0).round();
    if cents % 100.0 == 0.0 { json!((cents / 100.0) as i64) } else { json!(cents / 100.0) }
}
