//! How large a company is: in all, and of single kinds where their share of the whole will not do.

use std::str::FromStr;

use super::facts::Counts;

/// The size of a company.
#[derive(Clone, Default, Debug)]
pub struct Size {
    /// Rows that people make, those under a parent included; 0 is an account that was just made.
    pub records: u64,
    /// Kinds with a number of their own instead of their share of the records; the later of two about one kind counts.
    pub counts: Vec<Count>,
}

/// So many rows of one kind; written `deals=10000`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    kind: Kind,
    number: u64,
}

/// Kinds whose rows are counted by themselves; those of others follow from their parents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Organizations,
    Persons,
    Products,
    Deals,
    Leads,
    Activities,
    Notes,
    Files,
    MailThreads,
}

const KINDS: [(&str, Kind); 9] = [
    ("organizations", Kind::Organizations),
    ("persons", Kind::Persons),
    ("products", Kind::Products),
    ("deals", Kind::Deals),
    ("leads", Kind::Leads),
    ("activities", Kind::Activities),
    ("notes", Kind::Notes),
    ("files", Kind::Files),
    ("mailThreads", Kind::MailThreads),
];

/// Why a count makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// It is not `KIND=NUMBER`.
    #[error("{0} is not KIND=NUMBER")]
    Form(String),
    /// Rows of this kind are not counted by themselves.
    #[error("there is no number of {name}; there is one of {known}", name = .0, known = KINDS.map(|(name, _)| name).join(", "))]
    Kind(String),
}

impl FromStr for Count {
    type Err = CountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || CountError::Form(text.to_owned());
        let (name, number) = text.split_once('=').ok_or_else(form)?;
        let kind = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, kind) = kind.ok_or_else(|| CountError::Kind(name.to_owned()))?;
        Ok(Self { kind: *kind, number: number.parse().map_err(|_| form())? })
    }
}

impl Count {
    /// Puts the number in the place of the share; a company with records has at least one row of each kind.
    pub(super) fn settle(&self, counts: &mut Counts) {
        let place = match self.kind {
            Kind::Organizations => &mut counts.organizations,
            Kind::Persons => &mut counts.persons,
            Kind::Products => &mut counts.products,
            Kind::Deals => &mut counts.deals,
            Kind::Leads => &mut counts.leads,
            Kind::Activities => &mut counts.activities,
            Kind::Notes => &mut counts.notes,
            Kind::Files => &mut counts.files,
            Kind::MailThreads => &mut counts.threads,
        };
        *place = self.number.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_names_a_kind_and_a_number() {
        let count: Count = "deals=10000".parse().expect("a count");
        assert_eq!(count, Count { kind: Kind::Deals, number: 10_000 });
        assert!(matches!("deals".parse::<Count>(), Err(CountError::Form(_))));
        assert!(matches!("deals=many".parse::<Count>(), Err(CountError::Form(_))));
        assert!(matches!("roles=3".parse::<Count>(), Err(CountError::Kind(_))));
    }
}
