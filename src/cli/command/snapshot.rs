//! `pdbak snapshot`: captures the account.

use clap::Args;

use crate::account::{Account, Allowance};
use crate::archive::{Archive, Mark, Role};
use crate::brake::Limit;
use crate::capture::{self, Forecast, Outcome, Wanted};
use crate::catalogue::{self, Object, ObjectName};
use crate::cli::command::brake;
use crate::cli::command::tag::tag;
use crate::cli::complain::Failure;
use crate::cli::config::allowance;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::forecast::ForecastView;
use crate::cli::show::snapshots::SnapshotView;
use crate::cli::show::{count, moment, number};
use crate::cli::status::facts;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak snapshot                                       everything; only what changed, after the first time
  pdbak snapshot --budget 20%                          spend at most a fifth of the tokens left today
  pdbak snapshot --object Deals --object Persons       only these; the rest is carried over as it was
  pdbak snapshot --full                                walk every list again
  pdbak snapshot --forecast                            what it will cost, and when it is done; captures nothing";

/// Arguments of `pdbak snapshot`.
#[derive(Args, Debug)]
pub(crate) struct Snapshot {
    /// Walk every list again instead of asking for changes
    #[arg(long)]
    full: bool,
    /// Capture only this object; may be repeated
    #[arg(long, value_name = "OBJECT", value_parser = object)]
    object: Vec<&'static Object>,
    /// Of parents whose comments, relationships and the like may have changed unnoticed, look at this percentage again, or at
    /// "all"; the first look takes at most half of the budget a snapshot unless it is "all" [default: 2]
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    sweep: Option<u8>,
    /// Capture this object as well, which costs a call for each record and is left out otherwise; may be repeated
    #[arg(long, value_name = "OBJECT", value_parser = object)]
    with: Vec<&'static Object>,
    /// Capture the changelogs of deals, persons and organizations as well: 20 tokens for each record
    #[arg(long)]
    changelogs: bool,
    /// Leave custom fields out
    #[arg(long)]
    no_custom_fields: bool,
    /// Leave out what costs a call for each record, such as the conditions of filters
    #[arg(long)]
    suppress_extended: bool,
    /// Leave the contents of files out
    #[arg(long)]
    no_contents: bool,
    /// How much to spend: a share of the tokens left today, a number of tokens, or "all" [default: 50%]
    #[arg(long, value_name = "SHARE", value_parser = allowance)]
    budget: Option<Allowance>,
    /// Say what it would cost, object by object, and when it would be done; capture nothing
    ///
    /// Told by the last snapshot as if nothing had changed, or by what an unfinished capture has left. Without a
    /// snapshot the large lists are looked at from both ends, for at most 16 requests; what cannot be known before it
    /// is read is told as "at least".
    #[arg(long, conflicts_with = "tag")]
    forecast: bool,
    /// Raise an alarm when more than this of an object changed or is gone: a share (5%), a number of records, "learned" (more
    /// than usual), or "off" [default: as [brake] in pdbak.toml says, else learned]
    #[arg(long, value_name = "LIMIT", value_parser = brake::limit)]
    brake: Option<Limit>,
    /// Give the snapshot this tag; may be repeated
    #[arg(long, value_name = "TAG", value_parser = tag)]
    tag: Vec<String>,
}

/// An object of the catalogue, by its name on the command line.
pub(crate) fn object(name: &str) -> Result<&'static Object, String> {
    catalogue::find(&ObjectName::new(name))
        .ok_or_else(|| format!("there is no object {name}; \"pdbak objects\" lists them all"))
}

/// A share of a sweep.
fn percentage(text: &str) -> Result<u8, String> {
    let number = if text == "all" { Some(100) } else { text.parse().ok().filter(|percent| *percent <= 100) };
    number.ok_or_else(|| "a number from 0 to 100, or \"all\", is expected".to_owned())
}

impl Snapshot {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let changelogs = catalogue::ALL.iter().copied().filter(|object| object.name.ends_with("Changelog"));
        let also = self.with.into_iter().chain(changelogs.filter(|_| self.changelogs)).collect();
        let wanted = Wanted {
            objects: self.object,
            also,
            full: self.full,
            sweep: self.sweep.or(session.sweep()).unwrap_or(capture::SWEEP),
            anew: Vec::new(),
            custom_fields: !self.no_custom_fields,
            extended: !self.suppress_extended,
            contents: !self.no_contents,
            aside: false,
            on_the_way: false,
        };
        let archive = session.archive()?;
        if self.forecast {
            return wait(forecast(session, &archive, &wanted, self.budget));
        }
        let outcome = wait(take(session, &archive, &wanted, self.budget, &self.tag))?;
        close(session, &archive, outcome, self.brake)
    }
}

/// Says what a capture would cost.
async fn forecast(
    session: &Session,
    archive: &Archive,
    wanted: &Wanted,
    budget: Option<Allowance>,
) -> Result<Exit, Failure> {
    let account = session.account(budget).await?;
    session.say(&whose(&account));
    let forecast = capture::forecast_counted(&account, archive, wanted, session.clock()).await?;
    session.show(&ForecastView::of(&forecast, &account))?;
    Ok(Exit::Done)
}

/// Captures the account, and gives the snapshot its tags.
pub(crate) async fn take(
    session: &Session,
    archive: &Archive,
    wanted: &Wanted,
    budget: Option<Allowance>,
    tags: &[String],
) -> Result<Outcome, Failure> {
    if !tags.is_empty() && archive.role() == Role::Put {
        // Before anything is spent: the mark would fail when the snapshot is there.
        let what = "cannot tag a snapshot: this takes a list key, and the archive was opened with a put key";
        return Err(Failure::new(Exit::WrongKey, what)
            .hint("leave --tag away, and tag it later with \"pdbak tag\" and another key"));
    }
    let account = session.account(budget).await?;
    let forecast = capture::forecast(&account, archive, wanted, session.clock())?;
    session.say(&greeting(&account, &forecast));
    let outcome = capture::capture(&account, archive, wanted, session.clock(), &session.monitor()).await?;
    if let (Outcome::Finished(manifest), false) = (&outcome, tags.is_empty()) {
        archive.mark(&[manifest], Mark::Tagged { add: tags.to_vec(), remove: Vec::new() })?;
    }
    if let Outcome::Paused { until, .. } = outcome {
        facts::Pause { until }.note(session, archive);
    }
    Ok(outcome)
}

/// Who reads what.
fn whose(account: &Account) -> String {
    let who = account.identity();
    let rank = if who.is_admin { "admin" } else { "not an admin: only what this user may see can be captured" };
    format!("{} (company {}) as {}, {rank}", who.company_name, who.company_id, who.user_name)
}

/// Who reads what, and what it will cost.
pub(crate) fn greeting(account: &Account, forecast: &Forecast) -> String {
    let mut text = whose(account);
    // Of a first capture nothing is known without asking; --forecast asks.
    if forecast.below.is_some() {
        text.push_str(&format!("  ·  forecast at least {}", count(forecast.tokens, "token", "tokens")));
    }
    if let Some((left, _)) = account.tokens_today() {
        text.push_str(&format!("  ·  {} left today", number(left)));
    }
    if let Some(course) = forecast.course.filter(|course| course.days > 1) {
        text.push_str(&format!("  ·  done on day {}, {} UTC at the earliest", course.days, moment(course.ends)));
    }
    text
}

/// Shows how a capture ended.
fn close(session: &Session, archive: &Archive, outcome: Outcome, limit: Option<Limit>) -> Result<Exit, Failure> {
    match outcome {
        Outcome::Finished(manifest) => brake::close(session, archive, &manifest, limit),
        Outcome::Paused { until, done, partial } => {
            if let Some(partial) = &partial {
                session.show(&SnapshotView::closing(partial))?;
            }
            let count = count(done.len() as u64, "object is", "objects are");
            let spent = format!("the tokens this run may spend are spent; {count} done so far");
            Err(Failure::new(Exit::BudgetSpent, spent).hint(format!(
                "run \"pdbak snapshot\" again after {} UTC: it goes on from here and reads nothing twice",
                moment(until)
            )))
        }
    }
}
