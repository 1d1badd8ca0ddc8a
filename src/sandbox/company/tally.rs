//! The counters of records, taken in one pass over the links before the first row is made.
//!
//! This is all that is kept of a company: about 40 bytes a deal, person, organization or lead, whatever the rows weigh.

use crate::sandbox::company::facts::Company;
use crate::sandbox::company::links::{Parents, Status};
use crate::sandbox::company::mail::Thread;

/// Counters that deals, persons, organizations and leads have in common.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tally {
    pub(super) activities: u32,
    pub(super) done: u32,
    pub(super) notes: u32,
    pub(super) files: u32,
    pub(super) mails: u32,
    /// When the last one was received and sent.
    pub(super) received: Option<u32>,
    pub(super) sent: Option<u32>,
    /// Due time and position of the next activity to do, and of the last one done.
    next: Option<(u32, u32)>,
    last: Option<(u32, u32)>,
}

/// Deals by how they stand.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Standing {
    pub(super) open: u32,
    pub(super) won: u32,
    pub(super) lost: u32,
}

/// Every counter of the company.
#[derive(Debug)]
pub(super) struct Tallies {
    pub(super) deals: Vec<Tally>,
    pub(super) leads: Vec<Tally>,
    pub(super) persons: Vec<Tally>,
    pub(super) organizations: Vec<Tally>,
    /// Deals whose contact person it is.
    pub(super) own: Vec<Standing>,
    /// Deals of the person's own organization whose contact person it is.
    pub(super) own_at_employer: Vec<Standing>,
    /// Deals in which the person takes part.
    pub(super) joined: Vec<Standing>,
    /// Deals of the organization.
    pub(super) firm: Vec<Standing>,
    /// Deals of the organization's people that belong to no or another organization.
    pub(super) related: Vec<Standing>,
    /// People of the organization, and the first of them.
    pub(super) people: Vec<u32>,
    pub(super) first_person: Vec<Option<u32>>,
}

impl Standing {
    fn add(&mut self, status: Status) {
        match status {
            Status::Open => self.open += 1,
            Status::Won => self.won += 1,
            Status::Lost => self.lost += 1,
        }
    }

    /// Won or lost.
    pub(super) fn closed(&self) -> u32 {
        self.won + self.lost
    }

    /// What is left without `part`.
    pub(super) fn without(&self, part: &Standing) -> Standing {
        Standing { open: self.open - part.open, won: self.won - part.won, lost: self.lost - part.lost }
    }
}

impl Tally {
    fn add_activity(&mut self, index: u64, due: i64, done: bool) {
        // Seconds since 1970 fit until 2106.
        let this = (due.max(0) as u32, index as u32);
        self.activities += 1;
        if done {
            self.done += 1;
            self.last = self.last.max(Some(this));
        } else {
            self.next = Some(self.next.map_or(this, |next| next.min(this)));
        }
    }

    /// Position of the next activity to do.
    pub(super) fn next(&self) -> Option<u64> {
        self.next.map(|(_, index)| u64::from(index))
    }

    /// Position of the last activity done.
    pub(super) fn last(&self) -> Option<u64> {
        self.last.map(|(_, index)| u64::from(index))
    }
}

impl Tallies {
    /// Counts the whole company.
    pub(super) fn take(company: &Company) -> Tallies {
        let counts = company.counts;
        let (persons, organizations) = (counts.persons as usize, counts.organizations as usize);
        let mut tallies = Tallies {
            deals: vec![Tally::default(); counts.deals as usize],
            leads: vec![Tally::default(); counts.leads as usize],
            persons: vec![Tally::default(); persons],
            organizations: vec![Tally::default(); organizations],
            own: vec![Standing::default(); persons],
            own_at_employer: vec![Standing::default(); persons],
            joined: vec![Standing::default(); persons],
            firm: vec![Standing::default(); organizations],
            related: vec![Standing::default(); organizations],
            people: vec![0; organizations],
            first_person: vec![None; organizations],
        };
        tallies.people(company);
        tallies.standings(company);
        for index in 0..counts.activities {
            let activity = company.activity(index);
            tallies.each(&activity.parents, |tally| tally.add_activity(index, activity.due, activity.done));
        }
        for index in 0..counts.notes {
            tallies.each(&company.note_parents(index), |tally| tally.notes += 1);
        }
        for index in 0..counts.files {
            tallies.each(&company.file_parents(index), |tally| tally.files += 1);
        }
        for index in 0..counts.threads {
            tallies.mail(&company.thread(index));
        }
        tallies
    }

    fn people(&mut self, company: &Company) {
        for person in 0..company.counts.persons {
            if let Some(employer) = company.employer(person) {
                self.people[employer as usize] += 1;
                self.first_person[employer as usize].get_or_insert(person as u32);
            }
        }
    }

    fn standings(&mut self, company: &Company) {
        for index in 0..company.counts.deals {
            let deal = company.deal(index);
            if let Some(organization) = deal.organization {
                self.firm[organization as usize].add(deal.status);
            }
            if let Some(person) = deal.person {
                self.own[person as usize].add(deal.status);
                match company.employer(person) {
                    Some(employer) if deal.organization == Some(employer) => {
                        self.own_at_employer[person as usize].add(deal.status)
                    }
                    Some(employer) => self.related[employer as usize].add(deal.status),
                    None => {}
                }
            }
            for person in company.participants(index, &deal) {
                self.joined[person as usize].add(deal.status);
            }
        }
    }

    /// Messages count where the token's user sees them, attachments always.
    fn mail(&mut self, thread: &Thread) {
        for letter in &thread.letters {
            let at = Some(letter.at.max(0) as u32);
            self.each(&thread.on, |tally| {
                tally.files += u32::from(letter.attached);
                if thread.is_seen() {
                    tally.mails += 1;
                    let place = if letter.came() { &mut tally.received } else { &mut tally.sent };
                    *place = (*place).max(at.filter(|_| !letter.draft));
                }
            });
        }
    }

    fn each(&mut self, parents: &Parents, mut count: impl FnMut(&mut Tally)) {
        let places = [
            (&mut self.deals, parents.deal),
            (&mut self.leads, parents.lead),
            (&mut self.persons, parents.person),
            (&mut self.organizations, parents.organization),
        ];
        for (tallies, index) in places {
            if let Some(index) = index {
                count(&mut tallies[index as usize]);
            }
        }
    }
}
