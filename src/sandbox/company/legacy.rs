//! What an old account still has: subscriptions with payments, and messages to everybody.

use serde_json::json;

use crate::sandbox::company::facts::Company;
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{fields, rows, texts};
use crate::sandbox::row::{Id, Sink};

/// Every so manieth deal has a subscription.
const EVERY: u64 = 60;

/// Sends all of it; a company keeps it whether its account still answers for it or not.
pub(super) fn legacy(company: &Company, sink: &mut dyn Sink) {
    let mut paid = 0;
    let open = (0..company.counts.deals).step_by(EVERY as usize);
    for (index, deal) in (0..).zip(open) {
        let mut dice = company.dice("subscription", index);
        let id = company.id_of("subscriptions", index);
        let recurring = index % 2 == 0;
        let start = company.now - dice.between(30, 400) as i64 * DAY;
        let amount = rows::money(dice.between(10, 900) as i64 * 100);
        let (currency, deal) = (fields::currency(&mut dice), company.id_of("deals", deal));
        let stamp = time::plain(start);
        let mut row = json!({
            "id": id, "user_id": company.users[0].id, "deal_id": deal, "description": recurring.then(|| texts::sentence(&mut dice)),
            "is_active": true, "cycles_count": recurring.then_some(12), "cycle_amount": recurring.then(|| amount.clone()),
            "infinite": false, "currency": currency, "start_date": time::date(start), "end_date": null, "lifetime_value": amount,
            "final_status": null, "add_time": stamp, "update_time": stamp,
        });
        if recurring {
            row["cadence_type"] = json!(dice.pick(&["weekly", "monthly", "quarterly", "yearly"]));
        }
        sink.row("subscriptions", Id::Number(id), &rows::object(row));
        for at in 0..3_i64 {
            let payment = company.id_of("subscriptionPayments", paid);
            paid += 1;
            let word = if !recurring {
                "installment"
            } else if at == 0 {
                "recurring"
            } else {
                "additional"
            };
            let row = json!({
                "id": payment, "subscription_id": id, "deal_id": deal, "is_active": true, "amount": amount, "currency": currency,
                "change_amount": amount, "due_at": time::date(start + at * 30 * DAY), "revenue_movement_type": "new",
                "payment_type": word, "description": texts::sentence(&mut dice), "add_time": stamp, "update_time": stamp,
            });
            sink.row("subscriptionPayments", Id::Number(payment), &rows::object(row));
        }
    }
    for index in 0..2 {
        let mut dice = company.dice("global message", index);
        let id = company.id_of("globalMessages", index);
        let row = json!({"id": id, "title": texts::sentence(&mut dice), "type": "info"});
        sink.row("globalMessages", Id::Number(id), &rows::object(row));
    }
}
