//! A company from a seed: every row of a Pipedrive account that people have worked in for years.
//!
//! The same seed, size and moment give the same rows on every machine, so a benchmark or a bug report needs two numbers and no data.
//! Rows stream out one by one and none is kept: links are functions of positions ([`links`]), counters come from one pass over the
//! links ([`tally`]). What the published API leaves open is settled so:
//!
//! - A record's `related_` deals are those of its organization (person) or of its people (organization) that are not its own.
//! - Deals count whether archived or not; a deal's contact person is not its participant.
//! - A line's `sum` is price times quantity less discount, plus tax if the price excludes it; a deal's value is the sum of its enabled
//!   lines. `products_count` counts lines.
//! - An activity, note or file of a deal or lead also carries that deal's or lead's person and organization, and counts for all three.
//! - Mail counters count the messages of the token's user's own threads and of shared ones; mail comes on top of `records` ([`mail`]).
//! - A deal's discount is a share of the sum of its enabled lines.
//! - Projects come on top of `records`: they are an add-on, and a company is not smaller for having it.
//!
//! Rows hold no copy of another row's name (`deal.title` in a note): the server adds those when it answers.

mod activities;
mod bytes;
mod contacts;
mod deals;
mod dice;
mod extras;
mod facts;
mod fields;
mod legacy;
mod links;
mod mail;
mod people;
mod products;
mod projects;
mod rows;
mod size;
mod system;
mod tally;
mod texts;
mod time;
mod words;
mod workplace;

use chrono::{DateTime, Utc};

pub use self::bytes::made_bytes;
use self::facts::Company;
pub(super) use self::fields::ZONES;
pub use self::size::{Count, CountError, Size};
use self::tally::Tallies;
use crate::sandbox::row::Sink;

/// Sends a whole company to the sink. The size counts the rows that people make: deals, persons, organizations, products, activities,
/// notes, leads, files and the rows under them; 0 gives what a newborn account has. A company with records has at least a few dozen.
pub fn fill(seed: u64, size: &Size, now: DateTime<Utc>, sink: &mut dyn Sink) {
    let mut company = Company::new(seed, size.records, now.timestamp());
    company.counts.activities = activities_left(&company, size.records);
    size.counts.iter().for_each(|count| count.settle(&mut company.counts));
    workplace::fill(&company, sink);
    people::fill(&company, sink);
    if company.newborn {
        return;
    }
    let tallies = Tallies::take(&company);
    contacts::organizations(&company, &tallies, sink);
    contacts::persons(&company, &tallies, sink);
    extras::relationships(&company, sink);
    products::products(&company, sink);
    deals::deals(&company, &tallies, sink);
    deals::leads(&company, &tallies, sink);
    activities::activities(&company, sink);
    people::calls(&company, sink);
    activities::notes(&company, sink);
    activities::files(&company, sink);
    mail::mail(&company, sink);
    projects::projects(&company, sink);
    legacy::legacy(&company, sink);
}

/// How many activities make the company as large as asked: all other rows are counted first.
fn activities_left(company: &Company, records: u64) -> u64 {
    let counts = company.counts;
    if company.newborn {
        return 0;
    }
    let own = counts.organizations
        + counts.persons
        + counts.products
        + counts.deals
        + counts.leads
        + counts.notes
        + counts.files;
    let under_deals: u64 = (0..counts.deals)
        .map(|index| company.deal(index))
        .map(|deal| deal.lines + deal.followers + deal.participants)
        .sum();
    let followed = |purpose: &str, count: u64, permille: u64| -> u64 {
        (0..count).map(|index| company.follower_count(purpose, index, permille)).sum()
    };
    let followers = followed("organization follower count", counts.organizations, 40)
        + followed("person follower count", counts.persons, 20)
        + followed("product follower count", counts.products, 200);
    records.saturating_sub(own + under_deals + followers).max(2)
}

#[cfg(test)]
mod tests;
