//! The drill itself: an empty account, a restore into it, and a second look.
//!
//! What the sandbox holds is customer data, so the archive of the second look is
//! encrypted with a passphrase that nobody ever sees, and goes with its folder.

use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::account::{Account, Allowance, Consent, Endpoint, Token};
use crate::archive::{Archive, Coverage, Manifest, Protection, Snapshot, SnapshotId};
use crate::capture::{self, Outcome, Wanted};
use crate::catalogue::ObjectName;
use crate::cli::command::drill::score::{Compared, Found, compare};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::count;
use crate::cli::show::drills::{Drill, Real, Tally};
use crate::diff::Pairs;
use crate::record::{Key, RecordId};
use crate::restore::{self, Entry, Fate, Journal, Mapping, Plan, Policy, Site, Stop};
use crate::sandbox::{FaultOrder, Options, Running, Sandbox};

/// Tokens a day for each seat of the smallest plan (api/wire.md, Rate limits).
const TOKENS_A_SEAT: u64 = 30_000;

/// What a drill works with.
pub(super) struct Rehearsal<'a> {
    pub(super) session: &'a Session,
    pub(super) archive: &'a Archive,
    pub(super) faults: Vec<FaultOrder>,
    pub(super) daily_tokens: Option<u64>,
}

/// The sandbox, and the archive that looks at it.
struct Stage {
    sandbox: Running,
    archive: Archive,
    /// Removed with everything in it when the drill ends, however it ends.
    _folder: tempfile::TempDir,
}

impl Rehearsal<'_> {
    /// Plays the restore of a snapshot and compares.
    pub(super) async fn of(&self, goal: &SnapshotId) -> Result<Drill, Failure> {
        let begun = Instant::now();
        let started = self.session.clock().now();
        let goal = self.archive.snapshot(goal)?;
        let stage = self.stage(&goal).await?;
        self.say(&format!("an empty account answers at {}", stage.sandbox.url()));
        let empty = self.look(&stage).await?;
        let empty = stage.archive.snapshot(&empty.id)?;
        let (plan, mapping) = self.plan(&goal, &empty)?;
        self.say(&format!("restoring: {}", count(plan.steps().len() as u64, "write", "writes")));
        stage.meter(reqwest::Method::DELETE).await?;
        self.replay(&plan, &stage, [&goal, &empty]).await?;
        let meter = stage.meter(reqwest::Method::GET).await?;
        self.say("reading it back and comparing");
        let after = self.look(&stage).await?;
        let after = stage.archive.snapshot(&after.id)?;
        let pairs = pairs(&stage.archive, &mapping)?;
        let found = compare(&Compared {
            goal: &goal,
            empty: &empty,
            after: &after,
            pairs: &pairs,
            mapping: &mapping,
            plan: &plan,
        })?;
        let real = self.real(&goal, &plan, &meter)?;
        stage.sandbox.stop().await;
        let seconds = (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        let Found { objects, left_out, findings } = found;
        let total = objects.values().fold(Tally::default(), |sum, one| sum.and(*one));
        Ok(Drill {
            drill: name(started, &goal.manifest().id),
            snapshot: goal.manifest().id.0.clone(),
            taken: goal.manifest().started,
            at: started,
            seconds,
            restorable: total.wrong() == 0,
            total,
            objects,
            left_out,
            findings,
            real,
        })
    }

    /// An account that was just made, of another company than the snapshot's, and a place to look at it from.
    async fn stage(&self, goal: &Snapshot<'_>) -> Result<Stage, Failure> {
        let legacy = offered(goal, "subscriptions");
        // Numbers of one company mean nothing in another, and must not seem to.
        let company = if goal.manifest().source.company_id == 1 { 2 } else { 1 };
        let options =
            Options { records: 0, seed: 1, company, faults: self.faults.clone(), legacy, ..Options::default() };
        let sandbox = Sandbox::start(options).await.map_err(|error| Failure::from_error(Exit::Failed, &error))?;
        let folder =
            tempfile::tempdir().map_err(|error| Failure::from(error).while_doing("make a folder for the drill"))?;
        let passphrase = zeroize::Zeroizing::new(hex::encode(rand::random::<[u8; 32]>()));
        let protection = Protection::Encrypted { passphrase, recovery: None };
        let archive = Archive::create(&folder.path().join("archive"), protection, self.session.clock())?;
        Ok(Stage { sandbox, archive, _folder: folder })
    }

    /// Captures the sandbox as it is.
    async fn look(&self, stage: &Stage) -> Result<Manifest, Failure> {
        let account = stage.connect(self.session).await?;
        // Nothing is taken from the first look on trust.
        let wanted = Wanted { full: true, ..Wanted::default() };
        let monitor = self.session.monitor();
        match capture::capture(&account, &stage.archive, &wanted, self.session.clock(), &monitor).await? {
            Outcome::Finished(manifest) => Ok(manifest),
            Outcome::Paused { .. } => Err(Failure::new(Exit::Failed, "the sandbox has no budget, and it was spent")),
        }
    }

    /// Plans the whole snapshot into the empty account: nothing is spared that a real company would be asked about.
    fn plan(&self, goal: &Snapshot<'_>, empty: &Snapshot<'_>) -> Result<(Plan, Mapping), Failure> {
        let policy = Policy {
            with_fields: true,
            invite_users: true,
            change_matched: true,
            with_webhooks: true,
            ..Policy::default()
        };
        let (of, at) = (&goal.manifest().source, &empty.manifest().source);
        let mut begun = Mapping::between(of.company_id, at.company_id);
        // Whoever took the snapshot is whoever restores it.
        let user = |id: u64| RecordId::new(ObjectName::known("users"), Key::Number(id));
        if goal.contents(&ObjectName::known("users")).is_some() && goal.find(&user(of.user_id))?.is_some() {
            let entry = Entry { name: of.user_name.clone(), fate: Fate::Is(user(at.user_id)) };
            begun.set(user(of.user_id), entry);
        }
        let carried = restore::Carried::default();
        let mapping = restore::propose((goal, empty), begun, &carried, policy.with_webhooks)?;
        let plan = restore::plan_elsewhere(goal, empty, &policy, &mapping)?;
        let objections = restore::check_against(&plan, goal, empty)?;
        match objections.first() {
            None => Ok((plan, mapping)),
            Some(first) => Err(Failure::new(Exit::Failed, "the plan did not pass its own check").because(first)),
        }
    }

    async fn replay(&self, plan: &Plan, stage: &Stage, states: [&Snapshot<'_>; 2]) -> Result<(), Failure> {
        let mut journal = Journal::create(&stage.archive, plan, self.session.clock())?;
        // The account is this program's own and goes with it: nobody has to be asked.
        let consent = Consent::given();
        let monitor = self.session.monitor();
        let mut done = 0;
        loop {
            let account = stage.connect(self.session).await?;
            let writer = account.writer(&consent);
            let site = Site { account: &account, writer: &writer, archive: self.archive };
            let replayed = restore::replay_between(plan, &mut journal, &site, states, &monitor).await?;
            match replayed.stopped {
                None => return Ok(()),
                // The sandbox lets a token write so often a day, as the service does; its days are short.
                Some(Stop::BudgetSpent(_)) if replayed.done > done => stage.next_day().await?,
                Some(stop) => {
                    return Err(Failure::new(Exit::Failed, format!("the drill's restore stopped: {stop:?}")));
                }
            }
            done = replayed.done;
        }
    }

    /// What the same restore would cost in the account of the snapshot.
    fn real(&self, goal: &Snapshot<'_>, plan: &Plan, meter: &Value) -> Result<Real, Failure> {
        let daily = match self.daily_tokens {
            Some(daily) => daily.max(1),
            None => TOKENS_A_SEAT * seats(goal)?.max(1),
        };
        let number = |name: &str| meter.get(name).and_then(Value::as_u64).unwrap_or_default();
        Ok(Real::new((number("requests"), number("tokens")), plan.steps().len() as u64, daily))
    }

    fn say(&self, text: &str) {
        self.session.say(text);
    }
}

impl Stage {
    async fn connect(&self, session: &Session) -> Result<Account, Failure> {
        let (endpoint, token) = (Endpoint::parse(&self.sandbox.url())?, Token::new(self.sandbox.token().to_owned()));
        Ok(Account::connect(endpoint, token, Allowance::Unlimited, session.clock()).await?)
    }

    /// Moves the sandbox's clock to the day after.
    async fn next_day(&self) -> Result<(), Failure> {
        let failed =
            |error: reqwest::Error| Failure::from_error(Exit::Failed, &error).while_doing("move the sandbox's clock");
        let request = reqwest::Client::new().post(format!("{}/sandbox/clock", self.sandbox.url()));
        let request = request.json(&serde_json::json!({"advance_seconds": 24 * 60 * 60}));
        request.send().await.map_err(failed)?.error_for_status().map(drop).map_err(failed)
    }

    /// What the sandbox's own meter says; asking to delete resets it.
    async fn meter(&self, method: reqwest::Method) -> Result<Value, Failure> {
        let failed = |error: reqwest::Error| {
            Failure::from_error(Exit::Failed, &error).while_doing("ask the sandbox for its meter")
        };
        let request = reqwest::Client::new().request(method, format!("{}/sandbox/meter", self.sandbox.url()));
        request.send().await.map_err(failed)?.json().await.map_err(failed)
    }
}

/// Whether the account of the snapshot offered this object.
fn offered(goal: &Snapshot<'_>, object: &'static str) -> bool {
    let contents = goal.contents(&ObjectName::known(object));
    contents
        .is_some_and(|contents| !matches!(contents.coverage, Coverage::NotOffered { .. } | Coverage::LeftOut { .. }))
}

/// Active users, each of whom has a seat.
fn seats(goal: &Snapshot<'_>) -> Result<u64, Failure> {
    let users = ObjectName::known("users");
    let mut seats = 0;
    if goal.contents(&users).is_some() {
        for user in goal.records(&users)? {
            seats += u64::from(user?.fields().get("active_flag").and_then(Value::as_bool) == Some(true));
        }
    }
    Ok(seats)
}

/// Which record of the sandbox is which of the snapshot: what was matched, and what the journal says was made.
fn pairs(archive: &Archive, mapping: &Mapping) -> Result<Pairs, Failure> {
    let mut pairs: Pairs = mapping.matched().map(|(id, live)| (id.clone(), live.clone())).collect();
    let carried = restore::carried(archive, mapping.from, mapping.to)?;
    for id in carried.records() {
        pairs.extend(carried.heirs(id).last().map(|heir| (id.clone(), (*heir).clone())));
    }
    Ok(pairs)
}

/// When a drill began, as its name says it.
fn name(started: DateTime<Utc>, snapshot: &SnapshotId) -> String {
    format!("{}-{}", started.format("%Y%m%dT%H%M%SZ"), snapshot.short())
}
