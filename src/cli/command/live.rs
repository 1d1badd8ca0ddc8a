//! The live account as a snapshot: what diff and restore compare with.
//!
//! Comparing with the account means capturing it first, so both sides of every
//! comparison are immutable and can be looked at again.

use crate::account::Account;
use crate::archive::{Archive, Manifest};
use crate::capture::{self, Outcome, Wanted};
use crate::catalogue::Object;
use crate::cli::command::snapshot::greeting;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::moment;

/// Connects, and captures what changed since the newest snapshot.
pub(crate) fn capture(session: &Session, archive: &Archive) -> Result<Manifest, Failure> {
    wait(async {
        let account = session.account(None).await?;
        capture_from(session, archive, &account, Looking::default()).await
    })
}

/// How closely the account is looked at.
#[derive(Default)]
pub(crate) struct Looking {
    /// Everything is read again.
    pub(crate) full: bool,
    /// Of these, everything is read again, even where nothing says that it changed.
    pub(crate) anew: Vec<&'static Object>,
    /// It is another company's, read only to restore into it.
    pub(crate) aside: bool,
}

/// Captures what changed since the newest snapshot.
pub(crate) async fn capture_from(
    session: &Session,
    archive: &Archive,
    account: &Account,
    Looking { full, anew, aside }: Looking,
) -> Result<Manifest, Failure> {
    let sweep = session.sweep().unwrap_or(capture::SWEEP);
    // Contents of files are carried across, never compared with those of another company.
    let wanted = Wanted { full, anew, sweep, aside, contents: !aside, on_the_way: true, ..Wanted::default() };
    let forecast = capture::forecast(account, archive, &wanted, session.clock())?;
    session.say(&format!("reading the account as it is now: {}", greeting(account, &forecast)));
    match capture::capture(account, archive, &wanted, session.clock(), &session.monitor()).await? {
        Outcome::Finished(manifest) => Ok(manifest),
        Outcome::Paused { until, .. } => Err(Failure::new(
            Exit::BudgetSpent,
            "the tokens this run may spend are spent before the account was read",
        )
        .hint(format!(
            "run the same command again after {} UTC, or give it more with \"pdbak snapshot --budget 90%\" first",
            moment(until)
        ))),
    }
}
