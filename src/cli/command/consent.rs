//! Asking before anything is written.
//!
//! The only place where a [`Consent`] is made. The more a plan would change, the
//! more has to be typed: a habit of pressing y must not delete a company.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use crate::account::Consent;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::show::plans::short;
use crate::cli::show::{count, number};
use crate::restore::{Action, Plan};

/// Plans with more steps than this want their number typed.
const BULK: usize = 25;

/// What a person has to type.
#[derive(PartialEq, Eq, Debug)]
enum Question {
    YesOrNo,
    Number(usize),
}

fn question(plan: &Plan) -> Question {
    let steps = plan.steps().len();
    let deletes = plan.steps().iter().any(|step| matches!(step.action, Action::Delete { .. }));
    if deletes || steps > BULK { Question::Number(steps) } else { Question::YesOrNo }
}

/// Asks for consent to a plan that was shown; `yes` answers beforehand.
pub(crate) fn ask(plan: &Plan, yes: bool) -> Result<Consent, Failure> {
    if yes {
        return Ok(Consent::given());
    }
    if !stdin().is_terminal() {
        return Err(refused(plan, "nothing has been written: there is no terminal to ask for consent at"));
    }
    let steps = count(plan.steps().len() as u64, "write", "writes");
    let mut out = stderr();
    let agreed = match question(plan) {
        Question::YesOrNo => {
            write!(out, "send these {steps} to the account? [y/N] ")?;
            matches!(answer()?.to_ascii_lowercase().as_str(), "y" | "yes")
        }
        Question::Number(steps) => {
            write!(out, "to send these {0} writes to the account, type {0}: ", number(steps as u64))?;
            answer()?.replace([',', ' '], "") == steps.to_string()
        }
    };
    if agreed { Ok(Consent::given()) } else { Err(refused(plan, "nothing has been written: you did not consent")) }
}

fn answer() -> Result<String, Failure> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn refused(plan: &Plan, why: &str) -> Failure {
    Failure::new(Exit::LeftOver, why)
        .hint(format!("the plan is kept; to go on run \"pdbak restore --from-plan {} --yes\"", short(plan)))
}
