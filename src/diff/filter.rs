//! Records by what is in them: `value > 10000 and status = "open"`.
//!
//! ```text
//! expression  =  part, { "and" | "or", part }          "and" binds closer than "or"
//! part        =  "not", part  |  "(", expression, ")"  |  test
//! test        =  field, "=" | "!=" | "<" | "<=" | ">" | ">=", value
//!             |  field, [ "not" ], "in", "(", value, { ",", value }, ")"
//!             |  field, [ "not" ], "contains", text
//! field       =  a key, a name as people know it, or a part of a field: org_id, "Contact person", Budget.currency
//! value       =  12.5 | "text" | 2026-11-02 | 2026-11-02T10:00:00Z | true | false | null
//! ```
//!
//! A field of several words stands in quotes. Keywords and texts do not care for capital
//! letters. A text is equal to what the field holds or to what people read there: an
//! option's label, the name of a user, a stage, a linked person. `= null` is a field that
//! is empty; a list is equal to each value in it; a day stands for all its moments.
//!
//! A field that no record of the object has is an error and not an empty answer: a slip of
//! the pen must not look like a restore with nothing to do.

mod fields;
mod matching;
mod parse;

use std::fmt;

use crate::archive::Error;
use crate::catalogue::ObjectName;
use crate::diff::Names;
use crate::record::Record;

use parse::Expr;

/// An expression that was read, not yet bound to an object's fields.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    root: Expr,
}

/// Why a text is no filter, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct NotAFilter {
    text: String,
    /// In bytes.
    at: usize,
    what: String,
}

impl NotAFilter {
    fn new(text: &str, at: usize, what: impl Into<String>) -> NotAFilter {
        NotAFilter { text: text.to_owned(), at, what: what.into() }
    }
}

/// What is wrong, and under the expression a mark where.
impl fmt::Display for NotAFilter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.text.get(..self.at).unwrap_or_default().chars().count();
        // A line break in the expression must not move the mark.
        let line: String = self.text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        write!(out, "{}\n    {line}\n    {:before$}^", self.what, "")
    }
}

/// Why a filter cannot be bound to an object.
#[derive(Debug, thiserror::Error)]
pub enum Unbound {
    /// It names a field that the object does not have.
    #[error(transparent)]
    Field(#[from] NotAFilter),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] Error),
}

/// A filter whose fields were found among those of an object.
#[derive(Clone, Debug)]
pub struct Sieve(matching::Bound);

impl Filter {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Filter, NotAFilter> {
        Ok(Filter { text: text.to_owned(), root: parse::parse(text)? })
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Finds the fields it names among those that records of the object have.
    pub fn on(&self, names: &Names<'_>, object: &ObjectName) -> Result<Sieve, Unbound> {
        let known = fields::Known::of(names, object)?;
        Ok(Sieve(matching::bind(&self.root, &mut |test| known.find(&self.text, test))?))
    }
}

/// Two filters are the same when they were typed the same.
impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

impl Sieve {
    /// Whether the record is what the filter asks for, under the names of its day.
    pub fn passes(&self, names: &Names<'_>, record: &Record) -> bool {
        self.0.passes(names, &record.id().object, &record.fields())
    }
}

#[cfg(test)]
mod tests;
