//! The exit codes, one table.
//!
//! Scripts decide by these numbers, so they never change; help texts, man pages
//! and the README print this table.

use std::process::ExitCode;

/// How a run of pdbak ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Everything that was asked for is done.
    Done,
    /// It failed; the message says at what.
    Failed,
    /// The command line or the configuration makes no sense.
    Usage,
    /// Done, but something could not be read; what it was is recorded and shown.
    Gaps,
    /// The tokens for today are spent; the next run goes on from here.
    BudgetSpent,
    /// Conflicts or refused steps are left, or consent was not given.
    LeftOver,
    /// `diff --exit-code` found differences.
    Different,
    /// Far more changed than usual, and nobody has acknowledged it.
    Alarm,
    /// There is no archive where one was expected.
    NoArchive,
    /// Another run is writing to the archive.
    Locked,
    /// The passphrase or key does not open the archive, or its role does not allow what was asked.
    WrongKey,
}

/// Every exit code with its number and its meaning.
pub static TABLE: &[(Exit, u8, &str)] = &[
    (Exit::Done, 0, "done"),
    (Exit::Failed, 1, "failed; the message says at what"),
    (Exit::Usage, 2, "the command line or the configuration makes no sense"),
    (Exit::Gaps, 3, "done with gaps: something could not be read, and the snapshot says what"),
    (Exit::BudgetSpent, 4, "budget spent: run the same command again later, it goes on from there"),
    (Exit::LeftOver, 5, "conflicts or refused steps are left, or consent was not given"),
    (Exit::Different, 6, "differences found (only with diff --exit-code)"),
    (Exit::Alarm, 7, "an alarm is open: far more changed than usual; \"pdbak brake\" shows what"),
    (Exit::NoArchive, 10, "there is no archive in that folder"),
    (Exit::Locked, 11, "the archive is locked: another run is writing to it"),
    (Exit::WrongKey, 12, "wrong key: it does not open the archive, or its role does not allow this"),
];

impl Exit {
    /// The number a script sees.
    pub fn number(self) -> u8 {
        let row = TABLE.iter().find(|(exit, ..)| *exit == self);
        row.map(|(_, number, _)| *number).expect("every exit code has a row")
    }

    /// What the number means.
    pub fn meaning(self) -> &'static str {
        let row = TABLE.iter().find(|(exit, ..)| *exit == self);
        row.map(|(.., meaning)| *meaning).expect("every exit code has a row")
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn every_number_and_every_meaning_is_used_once() {
        for (at, (exit, number, meaning)) in TABLE.iter().enumerate() {
            let twice = TABLE[..at].iter().any(|(_, other, text)| other == number || text == meaning);
            assert!(!twice, "{exit:?} repeats a row of the table");
            assert_eq!(exit.number(), *number);
        }
    }

    #[test]
    fn the_numbers_of_the_design_stand() {
        let numbers: Vec<u8> = TABLE.iter().map(|(_, number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12]);
    }
}
