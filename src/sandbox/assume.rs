//! What nobody could confirm about the service, as switches: the sandbox answers either way, and stories pass with both.
//!
//! Each row is one `UNCONFIRMED` of the API notes that concerns an object of the sandbox. The first answer is the default.

use std::fmt;
use std::str::FromStr;

/// One open question.
#[derive(Debug)]
pub struct Assumption {
    /// Its name on the command line.
    pub name: &'static str,
    /// Possible answers, the default first.
    pub answers: &'static [&'static str],
    /// The question in one line.
    pub question: &'static str,
}

const fn ask(name: &'static str, answers: &'static [&'static str], question: &'static str) -> Assumption {
    Assumption { name, answers, question }
}

/// Every open question.
pub static ASSUMPTIONS: &[Assumption] = &[
    ask(
        "undelete",
        &["yes", "no", "v1put"],
        "does PATCH is_deleted:false (or PUT /v1/deals/{id}) bring a deleted deal back",
    ),
    ask("unarchive", &["yes", "no"], "does is_archived:false bring deals and leads back from the archive"),
    ask("archived-single", &["yes", "no"], "does GET /deals/{id} answer an archived deal"),
    ask("archived-delete", &["yes", "no"], "can an archived deal be deleted"),
    ask("archived-project-edit", &["yes", "no"], "does PATCH change an archived project"),
    ask("removed", &["404", "410"], "what a call that was taken away answers"),
    ask("no-subscription", &["404", "null"], "what a deal without a subscription answers where these calls are served"),
    ask("deal-add-time", &["no", "yes"], "does POST /api/v2/deals take add_time although it is not described"),
    ask(
        "deal-value",
        &["follows", "writable"],
        "is the value of a deal with products its own, or the sum of its lines",
    ),
    ask("won-time", &["both", "rfc3339", "plain"], "which form won_time, lost_time and close_time are written in"),
    ask("owner-follows", &["yes", "no"], "does a new record get its owner as a follower"),
    ask("person-participates", &["yes", "no"], "does a deal's person become its participant"),
    ask("orphans", &["clear", "keep"], "do records lose the id of a deleted person or organization, or keep it"),
    ask(
        "variation-prices",
        &["replace", "merge"],
        "does PATCH of a variation replace its prices or merge them by currency",
    ),
    ask("no-image", &["empty", "404"], "how a product without an image answers"),
    ask("relation-pages", &["whole", "paged"], "does the list of an organization's relationships come in pages"),
    ask("installments-plan", &["yes", "no"], "does the account's plan have installments (403 without)"),
    ask("touch-parent", &["no", "yes"], "does a change of notes, files, followers … set the parent's update_time"),
    ask("pipeline-stages", &["none", "default"], "does POST pipelines make the default stages"),
    ask("new-pipeline-seen-by", &["nobody", "all"], "which roles see a pipeline that was just made"),
    ask("new-role-sees", &["nothing", "all"], "which pipelines a role sees that was just made"),
    ask("pipeline-lists", &["text", "list"], "how PUT /roles/{id}/pipelines takes its two lists: \"[1]\" or [1]"),
    ask("set-in-array", &["yes", "no"], "is a single permission set wrapped in an array, as in the example"),
    ask("stage-delete", &["keep", "refuse"], "may a stage or pipeline with deals be deleted (its deals keep the id)"),
    ask("deleted-listed", &["no", "yes"], "are deleted pipelines, stages and activity types listed"),
    ask("builtin-options", &["no", "yes"], "do built-in fields such as label take new options"),
    ask("done-stamps", &["yes", "no"], "does done:true set marked_as_done_time"),
    ask("null-clears", &["yes", "no"], "does null clear a member that is described as not nullable"),
    ask("unset-custom", &["null", "absent"], "are unset custom fields shown as null in v2 records or left out"),
    ask("lead-zone", &["yes", "no"], "does a v1 write take the time zone of a custom time (<key>_timezone_id)"),
    ask("references", &["checked", "unchecked"], "is an id that points to nothing refused"),
    ask("download", &["direct", "redirect"], "is a file answered at once or through a signed address elsewhere"),
    ask("webhook-check", &["no", "yes"], "is a webhook's address tried (nothing but this machine can be reached)"),
    ask("retry-after", &["yes", "no"], "does 429 carry Retry-After"),
    ask("over-limit", &["reject", "clamp"], "what a v2 limit above 500 does"),
    ask("last-page", &["honest", "odd"], "does the last v1 page claim more items with a null next_start"),
    ask("fair-use-patch", &["no", "yes"], "do PATCH and DELETE count against the 10,000 writes a day"),
    ask(
        "refresh-rotates",
        &["no", "yes"],
        "does a refresh of OAuth tokens give a new refresh token and end the old one",
    ),
    ask("query-token", &["no", "yes"], "is ?api_token= still taken"),
    ask("mail-links", &["clear", "keep"], "do mail threads lose the id of a deleted deal or lead, or keep it"),
    ask("mail-unlink", &["empty", "no"], "does an empty deal_id or lead_id take a mail thread's link away"),
    ask("mail-pages", &["told", "silent"], "does a page of mail threads say whether there is more"),
    ask("record-mail-pages", &["bare", "wrapped"], "does a record's page of mails wrap its pagination as others do"),
    ask("odd", &["yes", "no"], "turned key order, an unknown member now and then, pages shorter than asked"),
];

/// The answers a sandbox goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assumptions {
    answers: Vec<&'static str>,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self { answers: ASSUMPTIONS.iter().map(|one| one.answers[0]).collect() }
    }
}

/// Why an assumption could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AssumptionError {
    /// The text is not `name=answer`.
    #[error("cannot read assumption `{0}`: it is not NAME=ANSWER")]
    NotAPair(String),
    /// Nobody asks that.
    #[error("cannot read assumption `{0}`: no such question")]
    UnknownName(String),
    /// The question has other answers.
    #[error("cannot read assumption `{name}`: `{answer}` is none of {answers}")]
    UnknownAnswer {
        /// The question.
        name: String,
        /// What was given.
        answer: String,
        /// What may be given.
        answers: String,
    },
}

impl Assumptions {
    /// Takes one more `NAME=ANSWER`.
    pub fn set(&mut self, pair: &str) -> Result<(), AssumptionError> {
        let (name, answer) = pair.split_once('=').ok_or_else(|| AssumptionError::NotAPair(pair.to_owned()))?;
        let at = ASSUMPTIONS
            .iter()
            .position(|one| one.name == name)
            .ok_or_else(|| AssumptionError::UnknownName(name.to_owned()))?;
        let known = ASSUMPTIONS[at].answers.iter().find(|one| **one == answer);
        self.answers[at] = known.ok_or_else(|| AssumptionError::UnknownAnswer {
            name: name.to_owned(),
            answer: answer.to_owned(),
            answers: ASSUMPTIONS[at].answers.join(", "),
        })?;
        Ok(())
    }

    /// The answers of `other` that are not the defaults, laid over these: how several flags become one.
    pub fn over(mut self, other: &Assumptions) -> Self {
        for (at, answer) in other.answers.iter().enumerate() {
            if *answer != ASSUMPTIONS[at].answers[0] {
                self.answers[at] = answer;
            }
        }
        self
    }

    /// Whether `name` is answered so.
    pub(super) fn is(&self, name: &str, answer: &str) -> bool {
        let at = ASSUMPTIONS.iter().position(|one| one.name == name);
        at.is_some_and(|at| {
            debug_assert!(ASSUMPTIONS[at].answers.contains(&answer), "`{name}` has no answer `{answer}`");
            self.answers[at] == answer
        })
    }

    /// Whether `name` is answered yes.
    pub(super) fn yes(&self, name: &str) -> bool {
        self.is(name, "yes")
    }
}

impl FromStr for Assumptions {
    type Err = AssumptionError;

    /// Reads `NAME=ANSWER`, or several with commas between.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut read = Self::default();
        text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).try_for_each(|pair| read.set(pair))?;
        Ok(read)
    }
}

impl fmt::Display for Assumptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = ASSUMPTIONS.iter().zip(&self.answers).map(|(one, answer)| format!("{}={answer}", one.name));
        f.write_str(&pairs.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::{AssumptionError, Assumptions};

    #[test]
    fn what_is_printed_is_read_back() {
        let read: Assumptions = "undelete=no,download=redirect".parse().unwrap();
        assert_eq!(read.to_string().parse(), Ok(read));
    }

    #[test]
    fn a_question_nobody_asks_and_an_answer_it_has_not_are_refused() {
        assert_eq!("colour=red".parse::<Assumptions>(), Err(AssumptionError::UnknownName("colour".into())));
        assert!(matches!("odd=perhaps".parse::<Assumptions>(), Err(AssumptionError::UnknownAnswer { .. })));
    }
}
