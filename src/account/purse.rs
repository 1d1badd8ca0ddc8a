//! The day's tokens: what a run may still spend of them, whatever the requests under way turn out to cost.
//!
//! Three things are not known when a request is sent: whether it costs what the
//! catalogue says, which of the requests under way the newest answer has counted
//! already, and what other clients of the company spend meanwhile. So all three are
//! taken at their worst. What the counter of the answers fell by is counted as spent
//! by this run, be it by others. What is under way is counted on top, at ten times the
//! catalogue's price while there is room for that, so that the last tokens are spent
//! by one request at a time, and that one at the highest price seen. A run may stop a
//! little early; it never takes what it was to leave.

use std::collections::BTreeMap;

use super::budget::Allowance;

/// No request is believed to cost more than so many times its price in the catalogue; what the counter falls by
/// beyond that was spent by somebody else.
const DEAREST: u64 = 10;

/// Which request it is, from the moment it is let through until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// Whether there is room for a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Room {
    /// There is.
    Enough,
    /// It depends on what the requests under way cost.
    Unclear,
    /// There is not.
    None,
}

/// What a run may spend, and what it has.
#[derive(Debug)]
pub(super) struct Purse {
    allowance: Allowance,
    /// What the run may spend in all; known when the day's tokens are.
    granted: Option<u64>,
    /// What is to be left of the day.
    reserve: u64,
    day: Option<Day>,
    /// How often the counter was seen to begin anew.
    days: u64,
    /// The prices in the catalogue of what is over.
    priced: u64,
    /// What the counter fell by, and what was spent before it was first seen.
    fallen: u64,
    /// What is over and in no reading yet.
    unread: Unread,
    open: BTreeMap<Ticket, Open>,
    asked: u64,
    /// The highest price seen, by the price in the catalogue.
    seen: BTreeMap<u64, u64>,
}

/// The day's tokens, as the lowest answer of the day told.
#[derive(Clone, Copy, Debug)]
struct Day {
    left: u64,
    limit: u64,
}

/// Requests that ended without telling what is left: a request asked after `until` tells it for them.
#[derive(Clone, Copy, Debug, Default)]
struct Unread {
    until: u64,
    tokens: u64,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    price: u64,
    /// What was left as far as known when it was asked for, and on which day that was.
    left: Option<u64>,
    days: u64,
    /// Nothing else was under way and everything before it was read.
    alone: bool,
}

impl Purse {
    pub(super) fn new(allowance: Allowance) -> Purse {
        let granted = match allowance {
            Allowance::Tokens(tokens) => Some(tokens),
            Allowance::Share(_) | Allowance::Unlimited => None,
        };
        Purse {
            allowance,
            granted,
            reserve: 0,
            day: None,
            days: 0,
            priced: 0,
            fallen: 0,
            unread: Unread::default(),
            open: BTreeMap::new(),
            asked: 0,
            seen: BTreeMap::new(),
        }
    }

    /// Tokens left today and the day's limit, if the service told.
    pub(super) fn today(&self) -> Option<(u64, u64)> {
        self.day.map(|day| (day.left, day.limit))
    }

    /// Tokens that a run with this allowance may spend of a day that has just begun, if that is known.
    pub(super) fn a_day(&self) -> Option<u64> {
        let limit = self.day.map(|day| day.limit);
        match self.allowance {
            Allowance::Share(share) => limit.map(|limit| (limit as f64 * share.clamp(0.0, 1.0)) as u64),
            Allowance::Tokens(tokens) => Some(limit.map_or(tokens, |limit| limit.min(tokens))),
            Allowance::Unlimited => limit,
        }
    }

    /// Requests under way.
    pub(super) fn under_way(&self) -> usize {
        self.open.len()
    }

    /// Tokens this run may still spend, if that is known.
    pub(super) fn may_spend(&self) -> Option<u64> {
        let open: u64 = self.open.values().map(|open| self.highest(open.price)).sum();
        self.left().map(|left| left.saturating_sub(open))
    }

    /// Whether a request of this price may be sent without a risk.
    pub(super) fn room(&self, price: u64) -> Room {
        let Some(left) = self.left() else { return Room::Enough };
        let open: u64 = self.open.values().map(|open| open.price * DEAREST).sum();
        if price > left || (self.open.is_empty() && self.highest(price) > left) {
            Room::None
        } else if !self.open.is_empty() && open + price * DEAREST > left {
            Room::Unclear
        } else {
            Room::Enough
        }
    }

    /// Counts a request as under way.
    pub(super) fn take(&mut self, price: u64) -> Ticket {
        self.asked += 1;
        let ticket = Ticket(self.asked);
        let alone = self.open.is_empty() && self.unread.tokens == 0;
        let left = self.day.map(|day| day.left);
        self.open.insert(ticket, Open { price, left, days: self.days, alone });
        ticket
    }

    /// A request is over; `left` and `limit` are what its answer says of the day, if it does.
    pub(super) fn end(&mut self, ticket: Ticket, left: Option<u64>, limit: Option<u64>) {
        let Some(open) = self.open.remove(&ticket) else { return };
        self.priced += open.price;
        // An answer to what was sent before the counter began anew may tell of either day.
        let Some(left) = left.filter(|_| open.days == self.days) else { return self.end_unread(&open) };
        match (self.day, open.left) {
            (None, _) => {
                self.fallen += open.price;
                self.begin_day(left, limit);
            }
            // It cannot rise but by a new day: what was known when the request was sent had been counted before it.
            (Some(_), Some(before)) if left > before => {
                // What no reading told of may have been spent on the day before.
                self.fallen += self.believed(open.price) + std::mem::take(&mut self.unread).tokens;
                self.days += 1;
                self.begin_day(left, limit);
            }
            (Some(day), _) => {
                let fell = day.left.saturating_sub(left);
                self.fallen += fell;
                self.day = Some(Day { left: day.left.min(left), limit: limit.unwrap_or(day.limit) });
                if open.alone && ticket.0 == self.asked {
                    let believed = fell.min(open.price * DEAREST);
                    let seen = self.seen.entry(open.price).or_default();
                    *seen = believed.max(*seen);
                }
            }
        }
        if ticket.0 > self.unread.until {
            self.unread = Unread::default();
        }
    }

    fn begin_day(&mut self, left: u64, limit: Option<u64>) {
        self.day = Some(Day { left, limit: limit.unwrap_or(left) });
        if let Allowance::Share(share) = self.allowance {
            // A share is rounded down: never more than was said.
            let share = (left as f64 * share.clamp(0.0, 1.0)) as u64;
            self.reserve = left - share;
            // It is a share of the day on which the run began.
            self.granted = self.granted.or(Some(self.spent() + share));
        }
    }

    fn end_unread(&mut self, open: &Open) {
        if open.days != self.days {
            // It may have been spent on the day before, of which no reading will tell any more.
            self.fallen += self.believed(open.price);
        } else if self.day.is_some() {
            let tokens = self.unread.tokens + self.believed(open.price);
            self.unread = Unread { until: self.asked, tokens };
        } else {
            // An account that tells nothing is taken at the catalogue's word: there is no other.
            self.fallen += open.price;
        }
    }

    /// What is over, at its highest.
    fn spent(&self) -> u64 {
        self.priced.max(self.fallen + self.unread.tokens)
    }

    /// What this run may spend on what is under way and what is to come.
    fn left(&self) -> Option<u64> {
        let granted = self.granted.map(|granted| granted.saturating_sub(self.spent()));
        let day = self.day.map(|day| day.left.saturating_sub(self.reserve + self.unread.tokens));
        match (granted, day) {
            (Some(granted), Some(day)) => Some(granted.min(day)),
            (granted, day) => granted.or(day),
        }
    }

    /// What a request cost of which no reading tells: the highest price seen, and if none was, the highest believed.
    fn believed(&self, price: u64) -> u64 {
        self.seen.get(&price).map_or(price * DEAREST, |seen| price.max(*seen))
    }

    fn highest(&self, price: u64) -> u64 {
        self.seen.get(&price).map_or(price, |seen| price.max(*seen))
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    /// A company's day as the service counts it, with others who spend from it and prices that are not the catalogue's.
    struct Service {
        left: u64,
        /// By the price in the catalogue.
        factor: [u64; 3],
        /// What this run was charged.
        charged: u64,
    }

    const PRICES: [u64; 3] = [1, 10, 20];

    impl Service {
        fn count(&mut self, kind: usize) -> u64 {
            let price = PRICES[kind] * self.factor[kind];
            self.charged += price;
            self.left = self.left.saturating_sub(price);
            self.left
        }
    }

    /// Sixteen requests under way; the service counts them, and answers arrive, in any order.
    fn day(seed: u64, allowance: Allowance, others: bool, midnight: bool) -> (Purse, Service, u64) {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut below = move |limit: u64| dice.next_u64() % limit;
        let factor = [1 + below(6), 1 + below(6), 1 + below(6)];
        let began = 2_000 + below(18_000);
        let mut service = Service { left: began, factor, charged: 0 };
        let mut purse = Purse::new(allowance);
        // As an account does: the first request is alone.
        let first = purse.take(1);
        let left = service.count(0);
        purse.end(first, Some(left), Some(30_000));
        let begin = left;
        let mut sent: Vec<(Ticket, usize)> = Vec::new();
        let mut counted: Vec<(Ticket, Option<u64>)> = Vec::new();
        for turn in 0..200_000 {
            match below(10) {
                0..=3 if sent.len() + counted.len() < 16 => {
                    let kind = below(3) as usize;
                    match purse.room(PRICES[kind]) {
                        Room::Enough => sent.push((purse.take(PRICES[kind]), kind)),
                        Room::None if kind == 0 && sent.is_empty() && counted.is_empty() => {
                            return (purse, service, begin);
                        }
                        Room::None | Room::Unclear => {}
                    }
                }
                4..=6 if !sent.is_empty() => {
                    let (ticket, kind) = sent.swap_remove(below(sent.len() as u64) as usize);
                    let left = service.count(kind);
                    counted.push((ticket, (below(10) > 0).then_some(left)));
                }
                7..=8 if !counted.is_empty() => {
                    let (ticket, left) = counted.swap_remove(below(counted.len() as u64) as usize);
                    purse.end(ticket, left, None);
                }
                9 if others && below(10) == 0 => {
                    service.left = service.left.saturating_sub(1 + below(59));
                }
                9 if midnight && turn == 400 + seed => service.left = 30_000,
                _ => {}
            }
        }
        panic!("seed {seed}: the run never ends: {purse:?}");
    }

    /// What a single request can cost more than was seen of its kind before.
    fn one_surprise(service: &Service) -> u64 {
        let surprises = PRICES.iter().zip(service.factor).map(|(price, factor)| price * (factor - 1));
        // The very first has no reading before it.
        surprises.max().unwrap_or(0) + PRICES[0] * (service.factor[0] - 1)
    }

    #[test]
    fn a_number_of_tokens_is_never_overshot_whatever_the_order_of_answers() {
        for seed in 0..400 {
            let (_, service, _) = day(seed, Allowance::Tokens(1_500), seed % 2 == 0, seed % 3 == 0);
            // A price that was never seen can surprise once, when it is alone; nothing under way adds to it.
            assert!(service.charged <= 1_500 + one_surprise(&service), "seed {seed}: {}", service.charged);
        }
    }

    #[test]
    fn the_reserve_is_never_touched_by_this_run_even_when_others_spend() {
        for seed in 0..400 {
            let (_, service, began) = day(seed, Allowance::Share(0.5), false, seed % 3 == 0);
            assert!(service.charged <= began.div_ceil(2) + 1 + one_surprise(&service), "seed {seed}");
            let (_, service, began) = day(seed, Allowance::Share(0.5), true, false);
            assert!(service.charged <= began.div_ceil(2) + 1 + one_surprise(&service), "seed {seed}");
        }
    }

    #[test]
    fn a_run_at_the_catalogue_s_prices_spends_what_it_may() {
        let mut purse = Purse::new(Allowance::Tokens(1_000));
        let mut left = 5_000;
        let mut under_way: Vec<Ticket> = Vec::new();
        loop {
            match purse.room(20) {
                Room::Enough => under_way.push(purse.take(20)),
                Room::None if under_way.is_empty() => break,
                Room::None | Room::Unclear => {
                    left -= 20;
                    purse.end(under_way.remove(0), Some(left), None);
                }
            }
        }
        assert_eq!(left, 4_000);
    }

    #[test]
    fn a_price_once_seen_is_kept_free() {
        let mut purse = Purse::new(Allowance::Tokens(100));
        let first = purse.take(1);
        purse.end(first, Some(1_000), None);
        let dear = purse.take(10);
        purse.end(dear, Some(960), None);
        assert_eq!((purse.may_spend(), purse.room(10)), (Some(59), Room::Enough));
        let dear = purse.take(10);
        purse.end(dear, Some(920), None);
        assert_eq!((purse.may_spend(), purse.room(10), purse.room(1)), (Some(19), Room::None, Room::Enough));
    }

    #[test]
    fn an_answer_of_yesterday_that_comes_late_is_not_taken_for_today_s() {
        let mut purse = Purse::new(Allowance::Tokens(5_000));
        let first = purse.take(1);
        purse.end(first, Some(6_000), None);
        let (late, new) = (purse.take(10), purse.take(10));
        purse.end(new, Some(29_990), None);
        purse.end(late, Some(5_990), None);
        assert_eq!(purse.today().map(|(left, _)| left), Some(29_990));
        // What either cost is in no reading: both are counted at the highest.
        assert_eq!(purse.may_spend(), Some(5_000 - 1 - 200));
    }
}
