//! Asking before anything is written.
//!
//! The only place where a [`Consent`] is made. The more a plan would change, the
//! more has to be typed: a habit of pressing y must not delete a company.

use std::io::{self, BufRead, IsTerminal, Write, stderr, stdin};

use crate::account::Consent;
use crate::cli::command::prompt::line;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::show::plans::short;
use crate::cli::show::{count, number};
use crate::restore::{Action, Plan};

/// Plans with more steps than this want their number typed.
const BULK: usize = 100;

/// What a person has to type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Question {
    YesOrNo(usize),
    Number(usize),
}

impl Question {
    fn about(plan: &Plan) -> Question {
        let deletes = plan.steps().iter().any(|step| matches!(step.action, Action::Delete { .. } | Action::Trim(_)));
        Question::of(plan.steps().len(), deletes)
    }

    fn of(steps: usize, deletes: bool) -> Question {
        if deletes || steps > BULK { Question::Number(steps) } else { Question::YesOrNo(steps) }
    }

    /// Asks once. Only the exact answer is one; the end of input, a slip and garbage mean no.
    fn is_agreed_to(self, mut input: impl BufRead, mut output: impl Write) -> io::Result<bool> {
        let question = match self {
            Question::YesOrNo(steps) => {
                format!("send these {} to the account? [y/N] ", count(steps as u64, "write", "writes"))
            }
            Question::Number(steps) => {
                let steps = steps as u64;
                let these =
                    if steps == 1 { "this 1 write".to_owned() } else { format!("these {} writes", number(steps)) };
                format!("to send {these} to the account, type {}: ", number(steps))
            }
        };
        let Some(answer) = line(&question, &mut input, &mut output)? else { return Ok(false) };
        Ok(match self {
            Question::YesOrNo(_) => yes_or_no(&answer),
            Question::Number(steps) => answer == steps.to_string() || answer == number(steps as u64),
        })
    }
}

/// Refuses a plan that has not exactly the expected number of writes.
pub(crate) fn expect(plan: &Plan, writes: Option<usize>) -> Result<(), Failure> {
    let planned = plan.steps().len();
    match writes {
        Some(writes) if writes != planned => {
            let (planned, writes) = (count(planned as u64, "write", "writes"), number(writes as u64));
            Err(refused(plan, &format!("nothing has been written: the plan has {planned}, not {writes}")))
        }
        _ => Ok(()),
    }
}

/// Asks for consent to a plan that was shown; `yes` answers beforehand.
pub(crate) fn ask(plan: &Plan, yes: bool) -> Result<Consent, Failure> {
    if yes {
        return Ok(Consent::given());
    }
    if !stdin().is_terminal() {
        return Err(refused(plan, "nothing has been written: there is no terminal to ask for consent at"));
    }
    let agreed = Question::about(plan).is_agreed_to(stdin().lock(), stderr())?;
    if agreed { Ok(Consent::given()) } else { Err(refused(plan, "nothing has been written: you did not consent")) }
}

/// Asks whether something is to be done that touches this machine only; `yes` answers beforehand.
pub(crate) fn agree(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !stdin().is_terminal() {
        return Ok(false);
    }
    let answer = line(&format!("{question} [y/N] "), &mut stdin().lock(), &mut stderr())?;
    Ok(answer.is_some_and(|answer| yes_or_no(&answer)))
}

fn yes_or_no(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
}

fn refused(plan: &Plan, why: &str) -> Failure {
    Failure::new(Exit::LeftOver, why)
        .hint(format!("the plan is kept; to go on run \"pdbak restore --from-plan {} --yes\"", short(plan)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was asked, and whether the answer is consent.
    fn asked(question: Question, typed: &[u8]) -> (String, bool) {
        let mut output = Vec::new();
        let agreed = question.is_agreed_to(typed, &mut output).expect("nothing fails in memory");
        (String::from_utf8(output).expect("text"), agreed)
    }

    fn agrees(question: Question, typed: &str) -> bool {
        asked(question, typed.as_bytes()).1
    }

    #[test]
    fn a_small_plan_wants_a_yes() {
        let question = Question::of(3, false);
        assert_eq!(asked(question, b"y\n"), ("send these 3 writes to the account? [y/N] ".to_owned(), true));
        for yes in ["Y\n", "yes\n", " YES \r\n"] {
            assert!(agrees(question, yes), "{yes:?}");
        }
        for no in ["n\n", "no\n", "\n", "yy\n", "3\n", "yes please\n", "ja\n"] {
            assert!(!agrees(question, no), "{no:?}");
        }
    }

    #[test]
    fn a_large_plan_or_one_that_deletes_wants_its_number() {
        assert_eq!(Question::of(BULK, false), Question::YesOrNo(BULK));
        assert_eq!(Question::of(BULK + 1, false), Question::Number(BULK + 1));
        assert_eq!(
            asked(Question::of(1, true), b"1\n"),
            ("to send this 1 write to the account, type 1: ".to_owned(), true)
        );
        let large = Question::of(1_234, false);
        assert_eq!(asked(large, b"y\n"), ("to send these 1,234 writes to the account, type 1,234: ".to_owned(), false));
        assert!(agrees(large, "1234\n") && agrees(large, "1,234\n"));
        for no in ["yes\n", "123\n", "12345\n", "-1234\n", "1 2 3 4\n", "01234\n", "\n"] {
            assert!(!agrees(large, no), "{no:?}");
        }
    }

    #[test]
    fn the_end_of_input_half_an_answer_and_garbage_are_a_no() {
        for question in [Question::of(2, false), Question::of(2, true)] {
            for typed in [&b""[..], b"y", b"2", b"\xff\xfe\n", b"\0\n", &b"y".repeat(5_000)] {
                assert!(!asked(question, typed).1, "{question:?} {typed:?}");
            }
            assert!(asked(question, b"").0.ends_with(": \n") || asked(question, b"").0.ends_with("] \n"));
        }
    }
}
