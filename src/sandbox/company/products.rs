//! Products with their prices and followers.

use serde_json::{Map, Value, json};

use crate::sandbox::company::contacts::{follow, reach, visible_to};
use crate::sandbox::company::facts::{ACTIVE_CURRENCIES, CURRENCIES, Company};
use crate::sandbox::company::fields;
use crate::sandbox::company::rows::{inner, money, set};
use crate::sandbox::company::{extras, texts, time, words};
use crate::sandbox::row::{Id, Sink};

/// The name of a product.
pub(super) fn name(company: &Company, index: u64) -> String {
    texts::goods(&mut company.dice("product name", index), index)
}

/// Sends every product with its followers.
pub(super) fn products(company: &Company, sink: &mut dyn Sink) {
    let count = company.counts.products;
    let categories = company.options("productFields", "category");
    let mut row = Map::new();
    for index in 0..count {
        let mut dice = company.dice("product", index);
        let id = company.id_of("products", index);
        let add = company.added("products", index, count);
        let owner = dice.skewed(company.users.len() as u64) as usize;
        let frequency = *dice.pick(&["one-time", "one-time", "one-time", "monthly", "annually"]);
        set(&mut row, "id", id);
        set(&mut row, "name", name(company, index));
        set(
            &mut row,
            "code",
            dice.chance(800).then(|| format!("{}-{:04}", dice.pick(&["HW", "SW", "SV", "Ä"]), 1000 + index)),
        );
        set(&mut row, "unit", *dice.pick(words::UNITS));
        set(&mut row, "tax", *dice.pick(&[0, 7, 19, 20, 22]));
        set(&mut row, "description", dice.chance(600).then(|| texts::sentence(&mut dice)));
        // A string on reads, a number on writes: api/restore-hazards.md, Products.
        set(&mut row, "category", dice.chance(700).then(|| dice.pick(&categories).to_string()));
        set(&mut row, "is_deleted", false);
        set(&mut row, "is_linkable", !dice.chance(50));
        set(&mut row, "visible_to", visible_to(&mut dice));
        set(&mut row, "owner_id", company.users[owner].id);
        set(&mut row, "add_time", time::rfc3339(add));
        set(&mut row, "update_time", time::rfc3339(company.updated(&mut dice, add)));
        set(&mut row, "billing_frequency", frequency);
        // api/restore-hazards.md, Deal products: "one-time needs cycles null".
        set(&mut row, "billing_frequency_cycles", (frequency == "monthly" && dice.chance(500)).then_some(12));
        set(&mut row, "prices", prices(company, index, id));
        fields::values(company, "productFields", index, &reach(company), inner(&mut row, "custom_fields"));
        sink.row("products", Id::Number(id), &row);
        let followers = company.follower_count("product follower count", index, 200);
        let users = company.followers("product followers", index, owner, followers);
        follow(sink, "productFollowers", ("product_id", id), users, add);
        extras::of_product(company, index, id, add, sink);
    }
}

/// One price in each of one to four currencies.
fn prices(company: &Company, index: u64, id: u64) -> Value {
    let mut dice = company.dice("prices", index);
    let base = company.base_price(index);
    let first = dice.skewed(ACTIVE_CURRENCIES);
    (0..dice.skewed(4) + 1)
        .map(|number| {
            let (code, _, _, rate) = CURRENCIES[((first + number) % ACTIVE_CURRENCIES) as usize];
            let price = base * rate as i64;
            let notes = if dice.chance(100) { texts::sentence(&mut dice) } else { String::new() };
            json!({
                "product_id": id, "price": money(price), "currency": code, "cost": money(price * 6 / 10),
                "direct_cost": dice.chance(200).then(|| money(price / 10)), "notes": notes,
            })
        })
        .collect()
}
