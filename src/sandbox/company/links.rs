//! Who belongs to whom: the facts of a row that other rows need, as functions of its position.
//!
//! Counters and sums are right because they are taken from the same functions that make the rows, not because anything was kept.

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::facts::{ACTIVE_CURRENCIES, CURRENCIES, Company};
use crate::sandbox::company::time::DAY;

/// How a deal stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    Open,
    Won,
    Lost,
}

/// What others need to know of a deal; numbers are positions.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    pub(super) person: Option<u64>,
    pub(super) organization: Option<u64>,
    pub(super) owner: usize,
    pub(super) status: Status,
    pub(super) add: i64,
    pub(super) close: Option<i64>,
    pub(super) archived: bool,
    pub(super) currency: usize,
    pub(super) lines: u64,
    pub(super) followers: u64,
    pub(super) participants: u64,
}

/// One product on a deal; money in hundredths.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) product: u64,
    pub(super) price: i64,
    /// In tenths.
    pub(super) quantity: i64,
    pub(super) discount: i64,
    pub(super) discount_is_percentage: bool,
    pub(super) tax: i64,
    pub(super) tax_method: &'static str,
    pub(super) enabled: bool,
    pub(super) yearly: bool,
    /// Price times quantity less discount, plus tax that the price does not include.
    pub(super) sum: i64,
}

/// What an activity, a note or a file hangs on; numbers are positions.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Parents {
    pub(super) deal: Option<u64>,
    pub(super) lead: Option<u64>,
    pub(super) person: Option<u64>,
    pub(super) organization: Option<u64>,
    pub(super) product: Option<u64>,
    pub(super) activity: Option<u64>,
}

/// What others need to know of an activity.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    pub(super) parents: Parents,
    pub(super) add: i64,
    /// Midnight if no time of day is set.
    pub(super) due: i64,
    pub(super) timed: bool,
    pub(super) done: bool,
}

impl Company {
    /// The organization of a person.
    pub(super) fn employer(&self, person: u64) -> Option<u64> {
        let mut dice = self.dice("employer", person);
        let employed = dice.chance(850) || person == 0;
        employed.then(|| self.earlier(&mut dice, person, self.counts.persons, self.counts.organizations))
    }

    /// The facts of a deal.
    pub(super) fn deal(&self, index: u64) -> Deal {
        let count = self.counts.deals;
        let mut dice = self.dice("deal links", index);
        let someone = dice.chance(880).then(|| self.earlier(&mut dice, index, count, self.counts.persons));
        let organization = match someone.and_then(|person| self.employer(person)) {
            Some(employer) if dice.chance(900) => Some(employer),
            // The web application wants a person or an organization on every deal, so nobody is alone.
            _ if someone.is_none() || dice.chance(300) => {
                Some(self.earlier(&mut dice, index, count, self.counts.organizations))
            }
            _ => None,
        };
        let add = self.added("deals", index, count);
        let takes = dice.between(3, 200) as i64 * DAY + dice.below(DAY as u64) as i64;
        let closes = add + takes < self.now && !dice.chance(120);
        let status = match (closes, dice.below(100)) {
            (false, _) => Status::Open,
            (true, ..=42) => Status::Won,
            (true, _) => Status::Lost,
        };
        let age = self.now - add;
        // The first two show an archived deal, and a live one with lines, followers and participants, in the smallest company.
        let archived = index == 1 || (index > 1 && age > 500 * DAY && dice.chance(if closes { 200 } else { 30 }));
        let mut some = |permille: u64, most: u64| {
            let any = index == 0 || dice.chance(permille);
            if any { dice.between(1, most) } else { 0 }
        };
        Deal {
            person: someone,
            organization,
            lines: some(350, 4).min(self.counts.products),
            followers: some(60, 3).min(self.users.len() as u64 - 1),
            participants: some(50, 2).min(self.counts.persons - 1),
            owner: dice.skewed(self.users.len() as u64) as usize,
            status,
            add,
            close: closes.then_some(add + takes),
            archived,
            currency: dice.skewed(ACTIVE_CURRENCIES) as usize,
        }
    }

    /// The products on a deal, in their order.
    pub(super) fn lines(&self, index: u64, deal: &Deal) -> Vec<Line> {
        let mut dice = self.dice("deal lines", index);
        // One tax method for all: api/restore-hazards.md, "tax_method on one line changes all lines of the deal".
        let tax_method = *dice.pick(&["none", "inclusive", "inclusive", "exclusive"]);
        let first = dice.below(self.counts.products);
        let rate = CURRENCIES[deal.currency].3 as i64;
        (0..deal.lines)
            .map(|number| {
                let product = (first + number) % self.counts.products;
                line(&mut dice, product, self.base_price(product) * rate, tax_method)
            })
            .collect()
    }

    /// What a product costs in euro, in hundredths; a multiple of 40, so that the usual discounts leave whole hundredths.
    pub(super) fn base_price(&self, product: u64) -> i64 {
        let mut dice = self.dice("price", product);
        let most = *dice.pick(&[50, 500, 5000, 25_000]);
        dice.between(1, most) as i64 * 40 + 960
    }

    /// The value of a deal in hundredths: the sum of its enabled lines, or what somebody typed.
    pub(super) fn value(&self, index: u64, lines: &[Line]) -> i64 {
        if !lines.is_empty() {
            return lines.iter().filter(|line| line.enabled).map(|line| line.sum).sum();
        }
        let mut dice = self.dice("deal value", index);
        match dice.below(10) {
            0 => 0,
            1..=6 => dice.between(1, 800) as i64 * 10_000,
            _ => dice.below(8_000_000) as i64,
        }
    }

    /// The users who follow a record that has this owner.
    pub(super) fn followers(
        &self,
        purpose: &str,
        index: u64,
        owner: usize,
        count: u64,
    ) -> impl Iterator<Item = u64> + use<'_> {
        let users = self.users.len() as u64;
        let first = self.dice(purpose, index).below((users - count).max(1));
        (0..count).map(move |number| self.users[((owner as u64 + 1 + first + number) % users) as usize].id)
    }

    /// How many users follow a person, an organization or a product.
    pub(super) fn follower_count(&self, purpose: &str, index: u64, permille: u64) -> u64 {
        let mut dice = self.dice(purpose, index);
        let any = index == 0 || dice.chance(permille);
        if any { dice.between(1, 2).min(self.users.len() as u64 - 1) } else { 0 }
    }

    /// The further persons of a deal, by position; never its contact person.
    pub(super) fn participants(&self, index: u64, deal: &Deal) -> impl Iterator<Item = u64> + use<> {
        let (persons, count) = (self.counts.persons, deal.participants);
        let contact = deal.person.unwrap_or(0);
        let first = self.dice("participants", index).below((persons - count).max(1));
        (0..count).map(move |number| (contact + 1 + first + number) % persons)
    }

    /// The person and the organization of a lead.
    pub(super) fn lead_parents(&self, index: u64) -> (Option<u64>, Option<u64>) {
        let mut dice = self.dice("lead links", index);
        let count = self.counts.leads;
        let person = dice.chance(700).then(|| self.earlier(&mut dice, index, count, self.counts.persons));
        let organization = match person {
            Some(person) => self.employer(person),
            None => Some(self.earlier(&mut dice, index, count, self.counts.organizations)),
        };
        (person, organization)
    }

    /// The facts of an activity.
    pub(super) fn activity(&self, index: u64) -> Activity {
        let count = self.counts.activities;
        let mut dice = self.dice("activity links", index);
        let parents = match dice.below(100) {
            0..=61 => self.of_deal(self.earlier(&mut dice, index, count, self.counts.deals)),
            // An activity hangs on one of deal, lead and project: api/changes.md, 2024-03-25.
            62..=69 => self.of_lead(self.earlier(&mut dice, index, count, self.counts.leads)),
            70..=89 => self.of_person(self.earlier(&mut dice, index, count, self.counts.persons)),
            90..=95 => self.of_organization(self.earlier(&mut dice, index, count, self.counts.organizations)),
            _ => Parents::default(),
        };
        let add = self.added("activities", index, count);
        let (day, timed) = (add - add.rem_euclid(DAY) + dice.below(21) as i64 * DAY, dice.chance(650));
        let due = if timed { day + dice.between(28, 68) as i64 * 900 } else { day };
        Activity { parents, add, due, timed, done: due < self.now && !dice.chance(60) }
    }

    /// What a note hangs on.
    pub(super) fn note_parents(&self, index: u64) -> Parents {
        let (mut dice, count) = (self.dice("note links", index), self.counts.notes);
        match (index, dice.below(100)) {
            (0, _) | (_, 0..=49) => self.of_deal(self.earlier(&mut dice, index, count, self.counts.deals)),
            (_, 50..=69) => self.of_person(self.earlier(&mut dice, index, count, self.counts.persons)),
            (_, 70..=89) => self.of_organization(self.earlier(&mut dice, index, count, self.counts.organizations)),
            _ => self.of_lead(self.earlier(&mut dice, index, count, self.counts.leads)),
        }
    }

    /// What a file hangs on.
    pub(super) fn file_parents(&self, index: u64) -> Parents {
        let (mut dice, count) = (self.dice("file links", index), self.counts.files);
        match (index, dice.below(100)) {
            (0, _) | (_, 0..=49) => self.of_deal(self.earlier(&mut dice, index, count, self.counts.deals)),
            (_, 50..=64) => self.of_person(self.earlier(&mut dice, index, count, self.counts.persons)),
            (_, 65..=79) => self.of_organization(self.earlier(&mut dice, index, count, self.counts.organizations)),
            (_, 80..=86) => self.of_lead(self.earlier(&mut dice, index, count, self.counts.leads)),
            (_, 87..=92) => Parents {
                product: Some(self.earlier(&mut dice, index, count, self.counts.products)),
                ..Parents::default()
            },
            _ => Parents {
                activity: Some(self.earlier(&mut dice, index, count, self.counts.activities)),
                ..Parents::default()
            },
        }
    }

    pub(super) fn of_deal(&self, index: u64) -> Parents {
        let deal = self.deal(index);
        Parents { deal: Some(index), person: deal.person, organization: deal.organization, ..Parents::default() }
    }

    pub(super) fn of_lead(&self, index: u64) -> Parents {
        let (person, organization) = self.lead_parents(index);
        Parents { lead: Some(index), person, organization, ..Parents::default() }
    }

    pub(super) fn of_person(&self, index: u64) -> Parents {
        Parents { person: Some(index), organization: self.employer(index), ..Parents::default() }
    }

    fn of_organization(&self, index: u64) -> Parents {
        Parents { organization: Some(index), ..Parents::default() }
    }
}

fn line(dice: &mut Dice, product: u64, price: i64, tax_method: &'static str) -> Line {
    let quantity = if dice.chance(100) { dice.between(1, 40) as i64 * 5 } else { dice.between(1, 20) as i64 * 10 };
    let discount_is_percentage = !dice.chance(200);
    let whole = price * quantity / 10;
    let discount = match (dice.below(4), discount_is_percentage) {
        (0, true) => *dice.pick(&[5, 10, 15, 20, 25]),
        (0, false) => (whole / 10_000 * 10).min(2000),
        _ => 0,
    };
    let less = if discount_is_percentage { whole * discount / 100 } else { discount * 100 };
    let tax = if tax_method == "none" { 0 } else { *dice.pick(&[0, 20, 20, 20]) };
    let added = if tax_method == "exclusive" { ((whole - less) * tax + 50) / 100 } else { 0 };
    let (enabled, yearly) = (!dice.chance(40), dice.chance(80));
    Line {
        product,
        price,
        quantity,
        discount,
        discount_is_percentage,
        tax,
        tax_method,
        enabled,
        yearly,
        sum: whole - less + added,
    }
}
