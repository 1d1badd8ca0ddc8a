//! The story of the demo, chapter by chapter.

use std::env;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::account::{Account, Allowance, Endpoint, Token};
use crate::archive::{Archive, Manifest, Protection};
use crate::capture::{self, Outcome, Wanted};
use crate::cli::command::consent;
use crate::cli::command::demo::colleague::Colleague;
use crate::cli::command::demo::folder::Folder;
use crate::cli::command::demo::judge::{self, Restored, Verdict};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::changes::{ChangeStat, ChangeView};
use crate::cli::show::plans::PlanView;
use crate::cli::show::reports::ReportView;
use crate::cli::show::snapshots::SnapshotView;
use crate::cli::show::{View, count, number, size};
use crate::diff::{self, Change, Lineage, Names};
use crate::monitor::Silent;
use crate::restore::{self, Journal, Plan, Policy, Report};

/// Changes told one by one in the demo.
const CHANGES_TOLD: usize = 3;

/// Everything a chapter needs.
pub(super) struct Story<'a> {
    pub(super) session: &'a Session,
    pub(super) folder: &'a Folder,
    pub(super) url: String,
    pub(super) token: &'a str,
}

/// The demo's end, for scripts.
#[derive(Serialize)]
struct End<'a> {
    archive: String,
    config: String,
    first: &'a SnapshotView,
    second: &'a SnapshotView,
    restore: &'a Report,
    judge: &'a Verdict,
    all_back: bool,
}

impl Story<'_> {
    /// Tells it to the end; the exit code says whether everything came back.
    pub(super) async fn tell(&self) -> Result<Exit, Failure> {
        let protection = Protection::Encrypted { passphrase: self.folder.passphrase.clone(), recovery: None };
        let archive = Archive::create(&self.folder.archive(), protection, self.session.clock())?;
        self.say(&format!("A made-up company answers at {}. Nothing here leaves this machine.", self.url))?;

        self.title("1. A snapshot")?;
        let first = self.capture(&archive).await?;
        let first_page = SnapshotView::closing(&first);
        self.view(&first_page)?;
        let before = self.truth().await?;

        self.title("2. The accident")?;
        for line in Colleague::new(&self.url, self.token).cause_the_accident().await? {
            self.say(&format!("  {line}"))?;
        }

        self.title("3. What happened?")?;
        let second = self.capture(&archive).await?;
        let second_page = SnapshotView::closing(&second);
        self.view(&second_page)?;
        self.say(&cost(&first, &second))?;
        self.changes(&archive, &first, &second)?;

        self.title("4. The plan")?;
        let account = self.connect().await?;
        let plan = self.plan(&account, &archive, &first, &second)?;

        self.title("5. The restore")?;
        let report = self.restore(&account, &archive, &plan).await?;

        self.title("6. Is everything back?")?;
        let restored = Restored::new(&before, &restore::lineage(&archive, plan.company)?, &plan);
        let verdict = judge::compare(&before, &self.truth().await?, &restored);
        self.end(End {
            archive: self.folder.archive().display().to_string(),
            config: self.folder.config().display().to_string(),
            first: &first_page,
            second: &second_page,
            restore: &report,
            judge: &verdict,
            all_back: verdict.wrong.is_empty() && report.total.is_clean(),
        })
    }

    async fn connect(&self) -> Result<Account, Failure> {
        let (endpoint, token) = (Endpoint::parse(&self.url)?, Token::new(self.token.to_owned()));
        Ok(Account::connect(endpoint, token, Allowance::Unlimited, self.session.clock()).await?)
    }

    async fn capture(&self, archive: &Archive) -> Result<Manifest, Failure> {
        match capture::capture(&self.connect().await?, archive, &Wanted::default(), self.session.clock(), &Silent)
            .await?
        {
            Outcome::Finished(manifest) => Ok(manifest),
            Outcome::Paused { .. } => Err(Failure::new(Exit::BudgetSpent, "the demo's tokens are spent")
                .hint("run \"pdbak demo\" with fewer --records")),
        }
    }

    /// The whole truth, as the account tells it.
    async fn truth(&self) -> Result<Value, Failure> {
        let failed = |error: reqwest::Error| {
            Failure::from_error(Exit::Failed, &error).while_doing("ask the account for the truth")
        };
        let answer = reqwest::get(format!("{}/sandbox/judge", self.url)).await.map_err(failed)?;
        answer.json().await.map_err(failed)
    }

    /// Counts the changes, and tells some of them.
    fn changes(&self, archive: &Archive, first: &Manifest, second: &Manifest) -> Result<(), Failure> {
        let (before, after) = (archive.snapshot(&first.id)?, archive.snapshot(&second.id)?);
        let (older, newer) = (Names::of(&before)?, Names::of(&after)?);
        let (mut stat, mut told) = (ChangeStat::default(), Vec::new());
        for object in diff::objects(&before, &after) {
            for change in diff::compare(&before, &after, &object, &Lineage::default())?.changes {
                let change = change?;
                stat.add(&change);
                if told.len() < CHANGES_TOLD && matches!(change, Change::Update { .. }) && object.as_str() == "deals" {
                    told.push(ChangeView::new(&change, &older, &newer));
                }
            }
        }
        self.view(&stat)?;
        self.say("for example:")?;
        told.iter().try_for_each(|change| self.view(change))
    }

    fn plan(&self, account: &Account, archive: &Archive, first: &Manifest, second: &Manifest) -> Result<Plan, Failure> {
        let (goal, seen) = (archive.snapshot(&first.id)?, archive.snapshot(&second.id)?);
        let policy = Policy { delete_added: true, ..Policy::default() };
        let plan =
            restore::plan(&goal, &seen, &policy, &restore::lineage(archive, goal.manifest().source.company_id)?)?;
        if let Some(objection) = restore::check_against(&plan, &goal, &seen)?.first() {
            return Err(Failure::new(Exit::Failed, "the plan did not pass its own check").because(objection));
        }
        self.view(&PlanView::new(&plan, archive, account)?)?;
        Ok(plan)
    }

    async fn restore(&self, account: &Account, archive: &Archive, plan: &Plan) -> Result<Arc<Report>, Failure> {
        let mut journal = Journal::create(archive, plan, self.session.clock())?;
        let consent = consent::ask(plan, true)?;
        let writer = account.writer(&consent);
        let site = restore::Site { account, writer: &writer, archive };
        let replayed = restore::replay(plan, &mut journal, &site, &Silent).await?;
        let report =
            replayed.report.ok_or_else(|| Failure::new(Exit::Failed, "the restore did not come to its end"))?;
        self.view(&ReportView::brief(&report))?;
        Ok(report)
    }

    /// The verdict, and what to try next.
    fn end(&self, end: End<'_>) -> Result<Exit, Failure> {
        let Verdict { equal, by_nature, nature, added_by_service, stale, unlinked, announced, wrong, kept } = end.judge;
        let (equal, changed) = (count(*equal, "record is", "records are"), count(*by_nature, "is", "are"));
        self.say("Asked directly, past pdbak, the account says:")?;
        self.say(&format!("  {equal} exactly as before the accident"))?;
        let counters = nature.iter().any(|field| field.ends_with("_count")).then_some("counters");
        let fields = nature.iter().map(String::as_str).filter(|field| !field.ends_with("_count"));
        let nature: Vec<&str> = fields.chain(counters).collect();
        self.say(&format!("  {changed} as before, but for what Pipedrive sets by itself: {}", nature.join(", ")))?;
        for (title, rows) in added_by_service {
            self.say(&format!(
                "  {} {title} were added by Pipedrive itself while records were written",
                number(*rows)
            ))?;
        }
        for (title, rows) in stale {
            self.say(&format!(
                "  {} {title} still point to a deleted record, beside those that point to the new one",
                number(*rows)
            ))?;
        }
        for (title, rows) in unlinked {
            self.say(&format!("  {} {title} stay linked to a deleted person or organization", number(*rows)))?;
        }
        for line in kept {
            self.say(&format!("  kept on purpose: {line}"))?;
        }
        for line in announced {
            self.say(&format!("  not back, as the plan said: {line}"))?;
        }
        for line in wrong {
            self.say(&format!("  WRONG: {line}"))?;
        }
        self.say(match (end.all_back, announced.is_empty()) {
            (true, true) => "Everything is back.",
            (true, false) => "Everything is back that the plan promised.",
            (false, _) => "Not everything came back.",
        })?;
        self.next_commands()?;
        if self.session.json() {
            self.session.document(&end)?;
        }
        Ok(if end.all_back { Exit::Done } else { Exit::Failed })
    }

    fn next_commands(&self) -> Result<(), Failure> {
        let program = env::current_exe().ok();
        let here = env::current_dir().ok();
        let near = program.as_ref().and_then(|program| program.strip_prefix(here.as_ref()?).ok());
        let program = near
            .filter(|near| near.components().count() > 1)
            .map_or("pdbak".to_owned(), |near| near.display().to_string());
        self.say("\nThe archive stays. Try on it:")?;
        self.say(&format!("  export PDBAK_CONFIG={}", self.folder.config().display()))?;
        for command in ["snapshots", "show latest", "ls latest Deals", "diff latest~1 latest", "check --read-data"] {
            self.say(&format!("  {program} {command}"))?;
        }
        Ok(())
    }

    fn title(&self, title: &str) -> Result<(), Failure> {
        self.say(&format!("\n{title}"))
    }

    /// The story is data, unless JSON is.
    fn say(&self, text: &str) -> Result<(), Failure> {
        match self.session.json() {
            true => {
                self.session.say(text);
                Ok(())
            }
            false => self.session.print(text),
        }
    }

    fn view(&self, view: &impl View) -> Result<(), Failure> {
        match self.session.json() {
            true => self.session.tell(view),
            false => self.session.show(view),
        }
    }
}

/// What the second snapshot cost beside the first.
fn cost(first: &Manifest, second: &Manifest) -> String {
    format!(
        "It cost {} tokens after {}, and {} after {}: only what changed is stored.",
        number(second.tokens),
        number(first.tokens),
        size(second.bytes_added),
        size(first.bytes_added)
    )
}
