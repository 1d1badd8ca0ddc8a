//! What is settled about a company before its first row: how many rows of each kind, their ids, their times, its people and fields.
//!
//! Ids and times are functions of a row's position, so a row can point at another that has not been made yet.

use crate::sandbox::company::dice::Dice;
use crate::sandbox::company::fields::{self, Field};
use crate::sandbox::company::texts;
use crate::sandbox::company::time::DAY;

/// How many rows of the kinds that have ids of their own; rows under a parent are counted by the parent's dice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) organizations: u64,
    pub(super) persons: u64,
    pub(super) products: u64,
    pub(super) deals: u64,
    pub(super) leads: u64,
    pub(super) activities: u64,
    pub(super) notes: u64,
    pub(super) files: u64,
    pub(super) threads: u64,
}

/// A colleague in the company.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) active: bool,
}

/// A pipeline and its stages.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) id: u64,
    pub(super) name: &'static str,
    /// Id, name and probability of each stage.
    pub(super) stages: Vec<(u64, &'static str, u64)>,
}

/// A currency: code, name, symbol, how many of it make one euro.
pub(super) const CURRENCIES: &[(&str, &str, &str, u64)] = &[
    ("EUR", "Euro", "€", 1),
    ("USD", "US Dollar", "$", 1),
    ("GBP", "British Pound Sterling", "£", 1),
    ("SEK", "Swedish Krona", "kr", 11),
    ("CHF", "Swiss Franc", "CHF", 1),
    ("PLN", "Polish Złoty", "zł", 4),
    ("JPY", "Japanese Yen", "¥", 160),
    ("EEK", "Estonian Kroon", "kr", 16),
];

/// How many of [`CURRENCIES`] are still in use; the rest are shown as not active.
pub(super) const ACTIVE_CURRENCIES: u64 = 7;

const PIPELINES: &[(&str, &[(&str, u64)])] = &[
    (
        "Pipeline",
        &[
            ("Qualified", 10),
            ("Contact Made", 20),
            ("Demo Scheduled", 40),
            ("Proposal Made", 60),
            ("Negotiations Started", 80),
        ],
    ),
    ("Renewals & Upsell", &[("Due in 90 days", 50), ("Offer sent", 70), ("Verbal \"yes\"", 90)]),
    ("Partner-Vertrieb (DACH)", &[("Erstkontakt", 5), ("Prüfung", 25), ("Angebot", 50), ("Abschluss", 90)]),
    ("Tenders", &[("Published", 5), ("Bid / no bid", 10), ("Submitted", 30), ("Shortlist", 60), ("Award", 95)]),
];

/// Activity types: name, key, icon, and whether the company made it itself.
pub(super) const ACTIVITY_TYPES: &[(&str, &str, &str, bool)] = &[
    ("Call", "call", "call", false),
    ("Meeting", "meeting", "meeting", false),
    ("Task", "task", "task", false),
    ("Deadline", "deadline", "deadline", false),
    ("Email", "email", "email", false),
    ("Lunch", "lunch", "lunch", false),
    ("Product demo", "product_demo", "presentation", true),
    ("Vor-Ort-Termin", "vor_ort_termin", "car", true),
];

/// Lead labels: name and colour.
pub(super) const LEAD_LABELS: &[(&str, &str)] =
    &[("Hot", "red"), ("Warm", "yellow"), ("Cold", "blue"), ("Empfehlung", "green"), ("Re-engage", "dark-gray")];

/// Everything settled.
#[derive(Clone, Debug)]
pub(super) struct Company {
    pub(super) seed: u64,
    /// Seconds at which the rows are looked at.
    pub(super) now: i64,
    /// Seconds at which the account was opened.
    pub(super) born: i64,
    /// True for an account in which nobody has worked yet.
    pub(super) newborn: bool,
    pub(super) counts: Counts,
    pub(super) users: Vec<User>,
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) activity_types: &'static [(&'static str, &'static str, &'static str, bool)],
    pub(super) lead_labels: Vec<String>,
    /// Definitions by kind, system fields first.
    pub(super) fields: Vec<(&'static str, Vec<Field>)>,
    /// The company's own number.
    pub(super) id: u64,
}

impl Company {
    /// Settles a company of about `records` rows; the counts of rows are refined by [`crate::sandbox::company`].
    pub(super) fn new(seed: u64, records: u64, now: i64) -> Company {
        let newborn = records == 0;
        let years = if newborn { 0 } else { 2 + i64::from(records.max(50).ilog10()) };
        let mut company = Company {
            seed,
            now,
            born: now - years * 365 * DAY - DAY,
            newborn,
            counts: Counts::of(records),
            users: Vec::new(),
            pipelines: Vec::new(),
            activity_types: if newborn { &ACTIVITY_TYPES[..6] } else { ACTIVITY_TYPES },
            lead_labels: Vec::new(),
            fields: Vec::new(),
            id: Dice::of(seed, "company", 0).between(1_000_000, 14_000_000),
        };
        company.hire(if newborn { 1 } else { (3 + records / 2500).min(200) });
        company.open_pipelines();
        let labels = if newborn { 3 } else { LEAD_LABELS.len() };
        company.lead_labels = (0..labels as u64).map(|index| company.dice("lead label", index).uuid()).collect();
        company.fields = fields::of(&company);
        company
    }

    fn hire(&mut self, users: u64) {
        for index in 0..users {
            let mut dice = self.dice("user", index);
            // Addresses are ASCII, so the admin, whose name every command shows, has one that can be read in them.
            let (given, family) = if index == 0 { ("Kim", "Walker") } else { texts::person(&mut dice) };
            let email = format!("{}.{}{index}@{}", texts::ascii(given), texts::ascii(family), self.domain());
            // The first is the admin whose token everybody uses; a few have left and still own records.
            let active = index < 2 || !dice.chance(120);
            self.users.push(User { id: self.id_of("users", index), name: format!("{given} {family}"), email, active });
        }
    }

    fn open_pipelines(&mut self) {
        let pipelines = if self.newborn { 1 } else { (2 + self.users.len() / 10).min(PIPELINES.len()) };
        let mut stage = 0;
        for (index, (name, stages)) in PIPELINES[..pipelines].iter().enumerate() {
            let mut numbered = Vec::new();
            for (stage_name, probability) in *stages {
                numbered.push((self.id_of("stages", stage), *stage_name, *probability));
                stage += 1;
            }
            self.pipelines.push(Pipeline { id: self.id_of("pipelines", index as u64), name, stages: numbered });
        }
    }

    /// The host part of the company's own addresses.
    pub(super) fn domain(&self) -> String {
        format!("acme{}.example", self.id % 1000)
    }

    /// The dice of one purpose for the `index`th row.
    pub(super) fn dice(&self, purpose: &str, index: u64) -> Dice {
        Dice::of(self.seed, purpose, index)
    }

    /// The id of the `index`th row of a kind: numbers begin at a random offset and have gaps of one to four in every sixteen, so an id
    /// never happens to be a position, nor the id of the same row elsewhere.
    pub(super) fn id_of(&self, kind: &str, index: u64) -> u64 {
        let base = Dice::of(self.seed, kind, u64::MAX).between(100, 400_000);
        let (block, within) = (index / 16, index % 16);
        let mut dice = Dice::of(self.seed ^ base, "gap", block);
        let gap = if within >= dice.below(16) { dice.between(1, 4) } else { 0 };
        base + block * 20 + within + gap
    }

    /// When the `index`th of `count` rows was added: in the order of their ids, denser towards the present.
    pub(super) fn added(&self, purpose: &str, index: u64, count: u64) -> i64 {
        let jitter = Dice::of(self.seed ^ 1, purpose, index).below(1024);
        let part = (index * 1024 + jitter) as f64 / (count.max(1) * 1024) as f64;
        // Slope 3/2 at the beginning would be a shrinking company; this one grows.
        let grown = part * (3.0 - part) / 2.0;
        self.born + ((self.now - self.born) as f64 * grown) as i64
    }

    /// When a row added at `add` was changed last: soon after, seldom now.
    pub(super) fn updated(&self, dice: &mut Dice, add: i64) -> i64 {
        let since = (self.now - add).max(0) as u64;
        match dice.below(10) {
            0..=3 => add,
            4..=8 => add + dice.below(since.min(60 * DAY as u64) + 1) as i64,
            _ => add + dice.below(since + 1) as i64,
        }
    }

    /// A row of another kind that was there when this one, at `index` of `count`, was added; the first are met more often. A tenth was
    /// there from the start: accounts begin with an import of contacts.
    pub(super) fn earlier(&self, dice: &mut Dice, index: u64, count: u64, targets: u64) -> u64 {
        let there = ((index + 1) * targets).div_ceil(count.max(1)).max(targets / 10).clamp(1, targets.max(1));
        if dice.chance(600) { dice.below(there) } else { dice.skewed(there) }
    }

    /// The fields of a kind.
    pub(super) fn fields(&self, kind: &str) -> &[Field] {
        self.fields.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, fields)| fields)
    }

    /// The option ids of a built-in field.
    pub(super) fn options(&self, kind: &str, code: &str) -> Vec<u64> {
        let field = self.fields(kind).iter().find(|field| field.code == code);
        field.map(|field| field.options.iter().map(|option| option.0).collect()).unwrap_or_default()
    }
}

impl Counts {
    /// Shares as in the accounts of small and mid-size sales teams; the small ones have at least a few of everything.
    fn of(records: u64) -> Counts {
        if records == 0 {
            return Counts {
                organizations: 0,
                persons: 0,
                products: 0,
                deals: 0,
                leads: 0,
                activities: 0,
                notes: 0,
                files: 0,
                threads: 0,
            };
        }
        let share = |permille: u64, least: u64| (records * permille / 1000).max(least);
        Counts {
            organizations: share(70, 2),
            persons: share(150, 3),
            products: share(8, 2),
            deals: share(150, 3),
            leads: share(30, 2),
            notes: share(90, 3),
            files: share(15, 1),
            threads: share(20, 5),
            // What is left once the rows under parents are counted.
            activities: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Company;

    #[test]
    fn ids_rise_with_the_position_and_have_gaps() {
        let company = Company::new(7, 5000, 1_750_000_000);
        let ids: Vec<u64> = (0..2000).map(|index| company.id_of("deals", index)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.windows(2).any(|pair| pair[0] + 1 < pair[1]));
        assert_ne!(Company::new(8, 5000, 1_750_000_000).id_of("deals", 0), ids[0]);
    }

    #[test]
    fn rows_are_added_in_the_order_of_their_ids() {
        let company = Company::new(7, 5000, 1_750_000_000);
        let times: Vec<i64> = (0..750).map(|index| company.added("deals", index, 750)).collect();
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(company.born <= times[0] && times[749] <= company.now);
    }
}
