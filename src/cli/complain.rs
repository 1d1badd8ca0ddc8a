//! Errors as people meet them: what was being done, what failed, and what to do next.
//!
//! The libraries below say facts. Hints live only here, because only the command
//! line knows which command helps; each is a whole sentence that names one.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;

use crate::cli::exit::Exit;
use crate::{account, archive, capture, offsite, restore};

/// Why a command could not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    /// The reader of stdout went away, as `head` does: nothing to complain about.
    silent: bool,
}

impl Failure {
    /// A failure with a message of its own.
    pub(crate) fn new(exit: Exit, message: impl Display) -> Failure {
        Failure { exit, message: message.to_string(), causes: Vec::new(), hints: Vec::new(), silent: false }
    }

    /// The command line or the configuration makes no sense.
    pub(crate) fn usage(message: impl Display) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// A failure that an error explains.
    pub(crate) fn from_error(exit: Exit, error: &(dyn StdError + 'static)) -> Failure {
        let mut failure = Failure::new(exit, error);
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors already end with what caused them; nobody wants to read it twice.
            if !failure.message.contains(&text) {
                failure.causes.push(text);
            }
            cause = error.source();
        }
        failure
    }

    /// Says first what was being done.
    pub(crate) fn while_doing(mut self, doing: impl Display) -> Failure {
        let failed = std::mem::replace(&mut self.message, format!("cannot {doing}"));
        self.causes.insert(0, failed);
        self
    }

    /// Adds why.
    pub(crate) fn because(mut self, cause: impl Display) -> Failure {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Display) -> Failure {
        self.hints.push(hint.to_string());
        self
    }

    /// The code to leave with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What failed and why, in a line.
    pub(crate) fn line(&self) -> String {
        std::iter::once(&self.message).chain(&self.causes).map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// What to do next, in a line.
    pub(crate) fn advice(&self) -> Option<String> {
        (!self.hints.is_empty()).then(|| self.hints.join("; "))
    }

    /// What is printed on stderr; nothing when nobody is there to read the output.
    pub(crate) fn text(&self) -> String {
        if self.silent {
            return String::new();
        }
        let mut text = format!("error: {}\n", self.message);
        for cause in &self.causes {
            text.push_str(&format!("  because: {cause}\n"));
        }
        for hint in &self.hints {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let mut failure = Failure::from_error(Exit::Failed, &error);
        if error.kind() == io::ErrorKind::BrokenPipe {
            failure.exit = Exit::Done;
            failure.silent = true;
        }
        failure
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        // Writing JSON to stdout fails only as writing does.
        Failure::from(io::Error::from(error))
    }
}

impl From<archive::Error> for Failure {
    fn from(error: archive::Error) -> Failure {
        use archive::Error;
        match &error {
            Error::NotAnArchive(_) => Failure::from_error(Exit::NoArchive, &error)
                .hint("run \"pdbak init\" to make an archive there, or name another folder with --archive"),
            Error::WrongKey => Failure::from_error(Exit::WrongKey, &error).hint(
                "set PDBAK_PASSPHRASE or PDBAK_PASSPHRASE_FILE, or give --key-file FILE, and run \"pdbak check\"",
            ),
            Error::NeedsKey { needs, .. } => Failure::from_error(Exit::WrongKey, &error).hint(format!(
                "open it with a key whose role is {needs} or more: --key-file FILE or its passphrase; \"pdbak key list\" shows who holds one"
            )),
            Error::Superseded(_) => Failure::from_error(Exit::WrongKey, &error).hint(
                "use a key of \"pdbak key list\"; if nobody rotated the keys, fetch archive.json again with \"pdbak offsite pull\"",
            ),
            Error::KeysReplaced => Failure::from_error(Exit::Locked, &error).hint("run the same command again"),
            Error::NotEncrypted => Failure::from_error(Exit::Usage, &error)
                .hint("\"pdbak init\" makes an archive that is encrypted, unless it is told otherwise"),
            Error::NoKey(_) | Error::AmbiguousKey(_) => {
                Failure::from_error(Exit::Usage, &error).hint("run \"pdbak key list\" to see what there is")
            }
            Error::LastKey(_) => Failure::from_error(Exit::LeftOver, &error)
                .hint("add another key first with \"pdbak key add\", then remove this one"),
            Error::Busy(_) => Failure::from_error(Exit::Locked, &error)
                .hint("wait until the other run has ended; \"pdbak snapshots\" and \"pdbak check\" work meanwhile"),
            Error::NoSnapshot(_) | Error::AmbiguousSnapshot { .. } => {
                Failure::from_error(Exit::Failed, &error).hint("run \"pdbak snapshots\" to see what there is")
            }
            Error::HasToStay { .. } => Failure::from_error(Exit::Failed, &error).hint(
                "\"pdbak pin SNAPSHOT --off\" and \"pdbak hold SNAPSHOT --off\" let it go; the newest one always stays",
            ),
            Error::Alarmed { .. } => Failure::from_error(Exit::Alarm, &error).hint(
                "\"pdbak brake\" shows what changed and how to undo it; \"pdbak brake --acknowledge\" lets retention go on",
            ),
            Error::BegunElsewhere(_) => Failure::from_error(Exit::Failed, &error).hint(
                "run \"pdbak restore --resume\" on that machine; if it is gone for good, make a new plan with \"pdbak restore\" and look for what it would make twice",
            ),
            Error::Home(unreached) => Failure::from_error(Exit::Failed, &error).hint(at_store(unreached.cause)),
            Error::Damaged { .. } | Error::Missing(_) => Failure::from_error(Exit::Failed, &error)
                .hint("run \"pdbak check\" to see which snapshots are affected; the others are intact"),
            Error::Index(_) if error.is_disk_full() => Failure::from_error(Exit::Failed, &error)
                .hint("make room on the disk that holds the archive, then run the same command again: it goes on"),
            Error::File { source, .. } => {
                let failure = Failure::from_error(Exit::Failed, &error);
                match of_disk(source) {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            Error::IndexDamaged(_) | Error::Index(_) => Failure::from_error(Exit::Failed, &error)
                .hint("run \"pdbak reindex\": the index can always be made again"),
            _ => Failure::from_error(Exit::Failed, &error),
        }
    }
}

/// What to do when the store that the archive lives in does not do what it is asked.
fn at_store(cause: archive::Cause) -> String {
    use archive::Cause;
    let first = match cause {
        Cause::Address => {
            return "check the bucket in --archive, and the region and endpoint of the archive's store".to_owned();
        }
        Cause::Line => "check the network, and the endpoint of the archive's store",
        Cause::Credentials => {
            "check PDBAK_ARCHIVE_CREDENTIALS or credentials_file of the profile's store, and what they are allowed there"
        }
        Cause::Room => "make room in the archive's store or have its limit raised",
        Cause::Clock => "set this machine's clock",
    };
    format!("{first}, then run the same command again: what was read so far is kept on this machine, and is sent then")
}

/// What to do when the system refuses to read or write a file.
fn of_disk(refusal: &io::Error) -> Option<&'static str> {
    use io::ErrorKind;
    /// The number of "input/output error" on every Unix.
    const EIO: i32 = 5;
    match refusal.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(
            "make room on that disk, then run the same command again: finished snapshots are whole, and what was under way goes on",
        ),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(
            "run it as the user whose folder that is, or let this one read and write there, then run the same command again",
        ),
        ErrorKind::AlreadyExists => Some("name another file: one that is there is never written over"),
        _ if cfg!(unix) && refusal.raw_os_error() == Some(EIO) => Some(
            "the disk may be failing: copy the archive to another with \"pdbak offsite push FOLDER\" before anything else, then run \"pdbak check --read-data\"",
        ),
        _ => None,
    }
}

impl From<account::Error> for Failure {
    fn from(error: account::Error) -> Failure {
        use account::Error;
        match &error {
            Error::BudgetSpent(_) => Failure::from_error(Exit::BudgetSpent, &error)
                .hint("run the same command again then, or allow more now with \"pdbak snapshot --budget 90%\""),
            Error::Unauthorised(_) => Failure::from_error(Exit::Failed, &error).hint(
                "check the token in PDBAK_API_TOKEN (in Pipedrive: Personal preferences, API), then run \"pdbak snapshot\" again",
            ),
            Error::LoggedOut(_) => Failure::from_error(Exit::Failed, &error)
                .hint("run \"pdbak login --oauth\" again: the service wants a person to allow pdbak once more"),
            Error::BadEndpoint(_) => Failure::from_error(Exit::Usage, &error)
                .hint("write --base-url as https://YOURCOMPANY.pipedrive.com; \"pdbak sandbox\" prints the address of a sandbox"),
            Error::Unreachable(_) => Failure::from_error(Exit::Failed, &error)
                .hint("check the address in --base-url or PDBAK_BASE_URL; \"pdbak demo\" works without any network"),
            _ => Failure::from_error(Exit::Failed, &error),
        }
    }
}

impl From<capture::Error> for Failure {
    fn from(error: capture::Error) -> Failure {
        match error {
            capture::Error::Account(error) => error.into(),
            capture::Error::Archive(error) => error.into(),
            capture::Error::NothingOffered(_) => Failure::from_error(Exit::Failed, &error)
                .hint("run \"pdbak doctor\" to see what the login may do; the token should belong to an administrator"),
            error @ capture::Error::Scratch(_) => Failure::from_error(Exit::Failed, &error),
        }
    }
}

impl From<offsite::Error> for Failure {
    fn from(error: offsite::Error) -> Failure {
        use offsite::Error;
        let failure = |exit, hint: &str| Failure::from_error(exit, &error).hint(hint);
        match error {
            Error::Archive(error) => error.into(),
            Error::Address { .. } => failure(
                Exit::Usage,
                "write a target as s3://BUCKET/PREFIX, gs://…, az://…, sftp://HOST/PATH, file:///PATH or a folder, or name one of pdbak.toml; \"pdbak man\" describes them",
            ),
            Error::Unreached { .. } => failure(
                Exit::Failed,
                "connect with ssh yourself first: pdbak goes the same way, and answers none of its questions; ssh_command of the target names another ssh",
            ),
            Error::Denied { .. } => failure(
                Exit::Failed,
                "check the target's credentials in pdbak.toml or the environment, then run the same command again: it goes on",
            ),
            Error::NoCredentials { .. } => failure(
                Exit::Failed,
                "give the target credentials_file in pdbak.toml, or set PDBAK_OFFSITE_NAME for the target NAME",
            ),
            Error::NoBucket { .. } => {
                failure(Exit::Failed, "check the address, or make the bucket first: pdbak makes none")
            }
            Error::OtherRegion { .. } => failure(Exit::Failed, "set the target's region in pdbak.toml"),
            Error::Full { .. } => failure(
                Exit::Failed,
                "make room there or have its limit raised, then run the same command again: it goes on with what is missing",
            ),
            Error::ClockIsOff { .. } => {
                failure(Exit::Failed, "set this machine's clock, then run the same command again: it goes on")
            }
            Error::OtherArchive { .. } | Error::Occupied { .. } => {
                failure(Exit::Usage, "choose another folder or prefix: one target holds the copy of one archive")
            }
            Error::NewerKeys(_) => failure(
                Exit::Usage,
                "rotate keys where the archive is; to go on with that copy, fetch it into a new folder with \"pdbak offsite pull\" or \"pdbak bundle import\"",
            ),
            Error::NoCopy(_) => {
                failure(Exit::NoArchive, "check the address, or run \"pdbak offsite push\" to make the copy")
            }
            Error::HalfCopy(_) => failure(
                Exit::NoArchive,
                "run \"pdbak offsite push\" on the machine that has the archive: it goes on where it stood",
            ),
            Error::Store { .. } => failure(Exit::Failed, "run the same command again: it goes on with what is missing"),
            Error::Bundle { .. } => failure(
                Exit::Failed,
                "make the bundle again with \"pdbak bundle create\"; nothing of it was written outside the archive",
            ),
        }
    }
}

impl From<restore::CannotPlan> for Failure {
    fn from(error: restore::CannotPlan) -> Failure {
        use restore::CannotPlan;
        match error {
            CannotPlan::Archive(error) => Failure::from(error).while_doing("plan the restore"),
            CannotPlan::OtherAccount { .. } => Failure::from_error(Exit::Usage, &error)
                .hint("check --base-url and the token, and run \"pdbak show SNAPSHOT\" to see which account it is of"),
            CannotPlan::UnknownObject(_) => {
                Failure::from_error(Exit::Usage, &error).hint("run \"pdbak objects\" to see what they are called")
            }
            CannotPlan::FilterOfNothing => Failure::from_error(Exit::Usage, &error)
                .hint("name the objects it looks at, such as --object Deals"),
            CannotPlan::Filter(_) => Failure::from_error(Exit::Usage, &error).hint(
                "\"pdbak ls SNAPSHOT dealFields\" lists the fields of deals, \"pdbak get deals/42 --snapshot SNAPSHOT\" those of one record",
            ),
            CannotPlan::NoSuchField(_) => Failure::from_error(Exit::Usage, &error)
                .hint("\"pdbak ls SNAPSHOT dealFields\" lists the fields of deals; the other objects likewise"),
            CannotPlan::NoSuchUser(_) => {
                Failure::from_error(Exit::Usage, &error).hint("run \"pdbak ls latest users\" to see who is there")
            }
            CannotPlan::NoSuchRecord(_) => Failure::from_error(Exit::Usage, &error)
                .hint("run \"pdbak ls SNAPSHOT OBJECT\" to find the record's id"),
        }
    }
}

impl From<restore::Unfit> for Failure {
    fn from(error: restore::Unfit) -> Failure {
        Failure::from_error(Exit::Usage, &error).while_doing("read the edited plan; nothing has been written").hint(
            "take whole steps or fields of updates out, or set a conflict's winner to \"snapshot\" or \"account\"",
        )
    }
}

impl From<restore::NoJournal> for Failure {
    fn from(error: restore::NoJournal) -> Failure {
        match error {
            restore::NoJournal::Archive(error) => error.into(),
            restore::NoJournal::Cut(_) => Failure::from_error(Exit::Usage, &error)
                .hint("make the plan again with the same \"pdbak restore\" command"),
            _ => Failure::from_error(Exit::Failed, &error).hint("run \"pdbak check\" to see what else is damaged"),
        }
    }
}

impl From<restore::Error> for Failure {
    fn from(error: restore::Error) -> Failure {
        match error {
            restore::Error::Archive(error) => Failure::from(error).while_doing("write the restore's journal"),
            restore::Error::WentOn { .. } => Failure::from_error(Exit::Locked, &error)
                .hint("run \"pdbak restore --resume\" to go on from where it stands now"),
            _ => Failure::from_error(Exit::Usage, &error)
                .hint("check --base-url and the token, then run \"pdbak restore --from-plan\" again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::Failure;
    use crate::archive;
    use crate::cli::exit::Exit;

    #[test]
    fn a_message_names_doing_fact_and_next_command() {
        let failure =
            Failure::from(archive::Error::NotAnArchive(PathBuf::from("backup"))).while_doing("list snapshots");
        assert_eq!(failure.exit(), Exit::NoArchive);
        let text = failure.text();
        assert!(text.starts_with("error: cannot list snapshots\n  because: "), "{text}");
        assert!(text.contains("hint: run \"pdbak init\""), "{text}");
    }

    #[test]
    fn what_a_disk_refuses_is_told_with_what_to_do() {
        let told = |source: io::Error| {
            let path = PathBuf::from("backup/segments");
            Failure::from(archive::Error::File { doing: "write", path, source }).text()
        };
        for (kind, hint) in [
            (io::ErrorKind::StorageFull, "hint: make room on that disk"),
            (io::ErrorKind::QuotaExceeded, "hint: make room on that disk"),
            (io::ErrorKind::PermissionDenied, "hint: run it as the user"),
            (io::ErrorKind::ReadOnlyFilesystem, "hint: run it as the user"),
        ] {
            let text = told(kind.into());
            assert!(text.starts_with("error: cannot write backup/segments: ") && text.contains(hint), "{text}");
        }
        #[cfg(unix)]
        assert!(told(io::Error::from_raw_os_error(5)).contains("hint: the disk may be failing: copy the archive"));
    }

    #[test]
    fn a_reader_who_goes_away_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit(), failure.text().as_str()), (Exit::Done, ""));
    }
}
