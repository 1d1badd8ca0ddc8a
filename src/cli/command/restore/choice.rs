//! What is to come back: which records, what else comes along, and what becomes of references to what does not.

use clap::{Args, ValueEnum};

use crate::archive::Snapshot;
use crate::catalogue::{self, Object, ObjectName};
use crate::cli::command::get::record_id;
use crate::cli::command::live::Looking;
use crate::cli::command::snapshot::object;
use crate::cli::complain::Failure;
use crate::diff::{Filter, Names};
use crate::record::RecordId;
use crate::restore::{CannotPlan, Missing, Policy, Scope};

/// Arguments that choose records.
#[derive(Args, Debug)]
pub(crate) struct Choice {
    /// Only this record, such as deals/42; may be repeated
    #[arg(long, value_name = "RECORD", value_parser = record_id)]
    record: Vec<RecordId>,
    /// Only this object; may be repeated
    #[arg(long, value_name = "OBJECT", value_parser = object)]
    object: Vec<&'static Object>,
    #[arg(long, value_name = "EXPR", value_parser = Filter::parse, requires = "object", help = FILTER_HELP)]
    filter: Option<Filter>,
    /// Also what the chosen records point to and what belongs to them, as far as it is missing
    #[arg(long)]
    related: bool,
    /// With --related: no further than so many links away from a chosen record
    #[arg(long, value_name = "LINKS", requires = "related")]
    depth: Option<u32>,
    /// Where a record refers to another that is gone: leave the reference empty, skip the record, create the other one as well, or ask at the terminal
    #[arg(long, value_name = "WHAT", default_value = "empty")]
    missing: WhatIsMissing,
}

/// The language of `--filter` in a sentence, wherever it is offered.
pub(crate) const FILTER_HELP: &str = "\
Of the objects only records like this, as they were before: fields by key or name (of several words: in quotes), \
= != < <= > >= in (…) contains, and or not; numbers, dates, null, texts in quotes";

/// What to do where a record refers to another that is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum WhatIsMissing {
    Empty,
    Skip,
    Create,
    Ask,
}

impl Choice {
    /// Whether it is to be asked what becomes of references to what is gone.
    pub(super) fn asks(&self) -> bool {
        self.missing == WhatIsMissing::Ask
    }

    /// Refuses a filter that makes no sense, before a token is spent on reading the account.
    pub(super) fn check(&self, goal: &Snapshot<'_>) -> Result<(), Failure> {
        let Some(filter) = &self.filter else { return Ok(()) };
        let names = Names::of(goal)?;
        for object in &self.object {
            filter.on(&names, &ObjectName::known(object.name)).map_err(CannotPlan::from)?;
        }
        Ok(())
    }

    /// What is named is looked at whatever it costs: a comment that was edited or deleted shows nowhere else.
    pub(super) fn looking(&self, full: bool) -> Looking {
        let of_records = self.record.iter().filter_map(|record| catalogue::find(&record.object));
        let anew = self.object.iter().copied().chain(of_records).collect();
        Looking { full, anew, ..Looking::default() }
    }

    /// In the planner's words.
    pub(super) fn policy(&self) -> Policy {
        let objects = self.object.iter().map(|object| ObjectName::known(object.name)).collect();
        let records = self.record.iter().cloned().collect();
        Policy {
            scope: Scope { objects, records, filter: self.filter.clone() },
            related: self.related,
            depth: self.depth,
            missing: match self.missing {
                // Until it was asked: the plan says what dangles.
                WhatIsMissing::Empty | WhatIsMissing::Ask => Missing::Empty,
                WhatIsMissing::Skip => Missing::Skip,
                WhatIsMissing::Create => Missing::Create,
            },
            ..Policy::default()
        }
    }
}
