//! What hangs on records here and there: relationships, pictures, variations, images, discounts, installments, comments.
//!
//! These rows come on top of the size that was asked for, about three in a hundred, and draw from dice of their own: a company made
//! before they existed is the same company without them.

use serde_json::{Map, Value, json};

use crate::sandbox::company::facts::{CURRENCIES, Company};
use crate::sandbox::company::links::{Deal, Line};
use crate::sandbox::company::rows::{money, object};
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{texts, words};
use crate::sandbox::row::{Content, Id, Sink};

/// Sends the relationships of organizations: mothers and daughters, partners and suppliers.
pub(super) fn relationships(company: &Company, sink: &mut dyn Sink) {
    let organizations = company.counts.organizations;
    let mut count = 0;
    for index in 0..organizations {
        let mut dice = company.dice("relationship", index);
        let other = dice.below(organizations);
        if (index > 0 && !dice.chance(80)) || other == index && organizations < 2 {
            continue;
        }
        let other = if other == index { (index + 1) % organizations } else { other };
        let id = company.id_of("organizationRelationships", count);
        count += 1;
        let add = company.added("organizations", index.max(other), organizations);
        let row = object(json!({
            "id": id, "type": if dice.chance(500) { "parent" } else { "related" },
            "rel_owner_org_id": company.id_of("organizations", index), "rel_linked_org_id": company.id_of("organizations", other),
            "add_time": time::plain(add), "update_time": time::plain(add),
        }));
        sink.row("organizationRelationships", Id::Number(id), &row);
    }
}

/// The id of a person's picture, if it has one.
pub(super) fn picture_id(company: &Company, person: u64) -> Option<u64> {
    (person == 0 || company.dice("picture", person).chance(60)).then(|| company.id_of("personPictures", person))
}

/// Sends the picture of a person.
pub(super) fn picture(company: &Company, person: u64, person_id: u64, sink: &mut dyn Sink) {
    let Some(id) = picture_id(company, person) else { return };
    let mut dice = company.dice("picture row", person);
    let size = dice.between(400, 6_000);
    let row = object(json!({
        "id": id, "item_type": "person", "item_id": person_id, "active_flag": true,
        "added_by_user_id": dice.pick(&company.users).id, "file_size": size,
    }));
    sink.row("personPictures", Id::Number(id), &row);
    sink.content("personPictures", Id::Number(id), Content::Made { seed: dice.next(), size, mime: "image/png" });
}

fn variation_count(company: &Company, product: u64) -> u64 {
    let mut dice = company.dice("variations", product);
    if product == 0 || dice.chance(250) { dice.between(1, 3) } else { 0 }
}

fn variation_id(company: &Company, product: u64, number: u64) -> u64 {
    company.id_of("productVariations", product * 3 + number)
}

/// The variation that a line of a product names.
pub(super) fn variation_of(company: &Company, line: u64, product: u64) -> Option<u64> {
    let count = variation_count(company, product);
    let mut dice = company.dice("line variation", line);
    (count > 0 && dice.chance(600)).then(|| variation_id(company, product, dice.below(count)))
}

/// Sends the variations and the image of a product.
pub(super) fn of_product(company: &Company, product: u64, product_id: u64, add: i64, sink: &mut dyn Sink) {
    for number in 0..variation_count(company, product) {
        let id = variation_id(company, product, number);
        let mut dice = company.dice("variation row", id);
        let (code, _, _, rate) = CURRENCIES[number as usize];
        let price = company.base_price(product) * rate as i64 * (10 + number as i64) / 10;
        let row = object(json!({
            "id": id, "product_id": product_id, "name": format!("{} {}", dice.pick(words::UNITS), number + 1),
            "prices": [{"currency": code, "price": money(price), "cost": money(price / 2), "direct_cost": null, "notes": ""}],
        }));
        sink.row("productVariations", Id::Number(id), &row);
    }
    let mut dice = company.dice("image", product);
    if product == 0 || dice.chance(300) {
        let id = company.id_of("productImages", product);
        let size = dice.between(400, 9_000);
        let row = object(json!({
            "id": id, "product_id": product_id, "company_id": company.id.to_string(), "name": format!("image {product}.png"),
            "mime_type": "image/png", "add_time": time::date(add),
        }));
        sink.row("productImages", Id::Number(id), &row);
        sink.content("productImages", Id::Number(id), Content::Made { seed: dice.next(), size, mime: "image/png" });
    }
}

/// What a deal gives away: percent of its lines, if anything.
pub(super) fn discount_percent(company: &Company, deal: u64, lines: &[Line]) -> Option<i64> {
    let mut dice = company.dice("deal discount", deal);
    let one_time = lines.iter().any(|line| !line.yearly);
    (one_time && dice.chance(120)).then(|| *dice.pick(&[2, 3, 5, 10]))
}

/// Sends the discount and the installments of a deal.
pub(super) fn of_deal(
    company: &Company,
    index: u64,
    (deal, deal_id, lines): (&Deal, u64, &[Line]),
    sink: &mut dyn Sink,
) {
    if let Some(percent) = discount_percent(company, index, lines) {
        let id = company.dice("deal discount id", index).uuid();
        let row = object(json!({
            "id": id, "deal_id": deal_id, "description": "Messerabatt", "amount": percent, "type": "percentage",
            "created_at": time::rfc3339(deal.add), "created_by": company.users[deal.owner].id, "updated_at": time::rfc3339(deal.add), "updated_by": company.users[deal.owner].id,
        }));
        sink.row("dealDiscounts", Id::Text(id.into()), &row);
    }
    let mut dice = company.dice("installments", index);
    let fit = lines.iter().any(|line| line.enabled) && lines.iter().all(|line| !line.yearly);
    let count = if fit && dice.chance(100) { dice.between(2, 4) } else { 0 };
    for number in 0..count {
        let id = company.id_of("dealInstallments", index * 4 + number);
        let row = object(json!({
            "id": id, "deal_id": deal_id, "description": format!("Part {} of {count}", number + 1),
            "amount": dice.between(1, 200) * 50, "billing_date": time::date(deal.add + (number as i64 + 1) * 30 * DAY),
        }));
        sink.row("dealInstallments", Id::Number(id), &row);
    }
}

/// Sends the comments on a note.
pub(super) fn comments(company: &Company, note: u64, note_id: u64, add: i64, sink: &mut dyn Sink) {
    let mut dice = company.dice("comments", note);
    let count = if note == 0 || dice.chance(120) { dice.between(1, 3) } else { 0 };
    for number in 0..count {
        let uuid = dice.uuid();
        let at = (add + (number as i64 + 1) * DAY).min(company.now);
        let content = texts::sentence(&mut dice).replace('&', "and").replace(['<', '>'], "");
        let author = dice.pick(&company.users).id;
        let row: Map<String, Value> = object(json!({
            "uuid": uuid, "note_id": note_id, "content": content, "active_flag": true, "add_time": time::plain(at),
            "update_time": time::plain(at), "user_id": author, "updater_id": author,
            "company_id": company.id,
        }));
        sink.row("noteComments", Id::Text(uuid.into()), &row);
    }
}
