//! Plays a history: deeds, snapshots, and restores with whatever gets in their way.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll};

use pdbak::account::{Allowance, Consent};
use pdbak::archive::Manifest;
use pdbak::capture::Wanted;
use pdbak::catalogue::ObjectName;
use pdbak::monitor::Silent;
use pdbak::record::RecordId;
use pdbak::restore::{self, Journal, Missing, Plan, Policy, Replayed, Scope, Site};
use pdbak::sandbox::Options;
use serde_json::Value;

use super::deeds::{self, living};
use super::dice::{Deed, Dice, Step};
use super::truth::{Heirs, text};
use super::verdict::{Seen, is_orphan};
use crate::stories::restore::{clock, planned_from};
use crate::support::World;

/// What is not known about the service; each history meets one set of answers.
const ANSWERS: &[&str] = &[
    "odd=yes",
    "undelete=no",
    "undelete=no,odd=no",
    "undelete=v1put",
    "undelete=no,orphans=keep",
    "owner-follows=no,person-participates=no,undelete=no",
    "unset-custom=absent,touch-parent=yes",
    "references=unchecked,undelete=no,stage-delete=refuse",
];

/// Objects that a scope may name.
const OBJECTS: &[&str] = &[
    "deals",
    "persons",
    "organizations",
    "activities",
    "notes",
    "leads",
    "products",
    "dealProducts",
    "stages",
    "files",
];

/// Runs after which a restore that is interrupted again and again should have come to its end.
const RUNS: usize = 400;

/// A snapshot, and the judge's words at that moment.
struct Goal {
    manifest: Manifest,
    truth: Value,
}

/// A history while it is played.
pub(super) struct Play {
    world: World,
    goals: Vec<Goal>,
    /// What the restores so far made again.
    heirs: Heirs,
    /// What happened, for who reads about a failure.
    pub(super) told: Vec<String>,
}

/// Everything is looked at: a comment that was edited shows nowhere else.
pub(super) fn closely() -> Wanted {
    Wanted { full: true, ..Wanted::default() }
}

impl Play {
    /// The account of a seed.
    pub(super) fn of(seed: u64) -> Play {
        let mut dice = Dice::of(seed ^ 0x5eed);
        let answers = dice.pick(ANSWERS).expect("there are some");
        let assume = answers.parse().expect("answers");
        let records = 40 + dice.below(50) as u64;
        let world = World::with(Options { records, seed, assume, ..Options::default() });
        Play {
            world,
            goals: Vec::new(),
            heirs: Heirs::new(),
            told: vec![format!("a company of {records} records, {answers}")],
        }
    }

    /// Does one step; what does not hold after it, in words.
    pub(super) fn step(&mut self, step: &Step) -> Vec<String> {
        let mut dice = Dice::of(step.dice);
        match step.deed {
            Deed::Snapshot => {
                let manifest = self.world.snapshot_of(&closely());
                self.told.push("a snapshot".to_owned());
                self.goals.push(Goal { manifest, truth: self.world.judge() });
                Vec::new()
            }
            Deed::Restore => self.restore(&mut dice),
            deed => {
                let words = deeds::perform(&self.world, deed, &mut dice);
                self.told.push(words);
                Vec::new()
            }
        }
    }

    fn restore(&mut self, dice: &mut Dice) -> Vec<String> {
        // The newest more often than another.
        let at = if dice.chance(70) { self.goals.len().saturating_sub(1) } else { dice.below(self.goals.len()) };
        let Some(goal) = self.goals.get(at) else { return Vec::new() };
        let policy = policy(&goal.truth, dice);
        let before = self.world.judge();
        let plan = planned_from(&self.world, &goal.manifest, &policy, &closely());
        let calamity = Calamity::of(dice);
        self.told.push(format!("restore {at} {policy:?} with {calamity:?}: {} steps", plan.steps.len()));
        let (replayed, lives, _) = calamity.survived(&self.world, &plan);
        self.told.push(format!("came to its end in {lives} lives"));
        let after = self.world.judge();
        let Some(report) = replayed.report else { return vec![format!("it never ends: {:?}", replayed.stopped)] };
        let (heirs, report) = (&self.heirs, &report);
        let seen =
            Seen { goal: &goal.truth, before: &before, after: &after, policy: &policy, plan: &plan, report, heirs };
        let places = seen.places();
        let mut faults = seen.faults(&places);
        let surprises = seen.surprises();
        // A twin is told, and the next restore removes it.
        let twins: BTreeSet<String> = seen.twins().map(str::to_owned).collect();
        self.heirs.extend(places.moves());
        // What came back with a deal is seen by the next restore.
        let is_surprise = |record: &str| {
            let key = record.split_once('/').map_or(record, |(_, key)| key);
            surprises.contains(key.split_once(':').map_or(key, |(deal, _)| deal))
        };
        if !report.total.is_clean() && !calamity.may_refuse() {
            let is_fault = |finding: &&restore::Finding| {
                finding.verdict != restore::Verdict::ByNature && !is_surprise(&finding.record) && !is_orphan(finding)
            };
            let findings = report.findings.iter().filter(is_fault);
            faults.extend(
                findings.map(|finding| format!("the report: {}", serde_json::to_string(finding).expect("JSON"))),
            );
        }
        if faults.is_empty() && policy.scope.is_everything() && policy.delete_added {
            let left = planned_from(&self.world, &goal.manifest, &policy, &closely());
            let orphans: Vec<&str> = report
                .findings
                .iter()
                .filter(|finding| is_orphan(finding))
                .map(|finding| finding.record.as_str())
                .collect();
            let own = left.steps.iter().filter(|step| {
                let record = step.record().to_string();
                !is_surprise(&record) && !orphans.contains(&record.as_str()) && !twins.contains(&record)
            });
            faults.extend(own.map(|step| {
                format!(
                    "left to do: {} {:?} {}",
                    step.record(),
                    step.reason,
                    serde_json::to_string(&step.body()).expect("JSON")
                )
            }));
        }
        faults
    }
}

/// What a restore is asked for.
fn policy(goal: &Value, dice: &mut Dice) -> Policy {
    let mut policy = Policy { delete_added: dice.chance(60), ..Policy::default() };
    let mut scope = Scope::default();
    match dice.below(100) {
        0..55 => {}
        55..80 => {
            let names = (0..1 + dice.below(3)).filter_map(|_| dice.pick(OBJECTS));
            scope.objects = names.map(|name| ObjectName::known(name)).collect();
            policy.related = dice.chance(50);
        }
        _ => {
            for _ in 0..1 + dice.below(4) {
                let (kind, object) = *dice
                    .pick(&[
                        ("Deals", "deals"),
                        ("Persons", "persons"),
                        ("Notes", "notes"),
                        ("Organizations", "organizations"),
                    ])
                    .expect("some");
                // Of some kinds none may be left.
                let id = dice.value(&living(goal, kind), "id");
                let named = (!id.is_null()).then(|| RecordId::parse(&format!("{object}/{}", text(&id))));
                scope.records.extend(named.flatten());
            }
            policy.related = dice.chance(50);
        }
    }
    policy.scope = scope;
    policy.missing = if dice.chance(15) { Missing::Skip } else { Missing::Empty };
    policy
}

/// What gets in the way of a restore.
#[derive(Debug)]
pub(super) struct Calamity {
    /// Faults of the service.
    pub(super) orders: Vec<String>,
    /// At which of its awaits the program dies, life after life.
    pub(super) deaths: Vec<usize>,
}

impl Calamity {
    fn of(dice: &mut Dice) -> Calamity {
        let mut calamity = Calamity { orders: Vec::new(), deaths: Vec::new() };
        if dice.chance(45) {
            for _ in 0..1 + dice.below(5) {
                calamity.orders.push(fault(dice, 40));
            }
        }
        if dice.chance(35) {
            calamity.deaths = (0..1 + dice.below(12)).map(|_| 4 + dice.below(60)).collect();
        }
        calamity
    }

    /// A request that takes place after it was sent again leaves a twin, and the report says so.
    fn may_refuse(&self) -> bool {
        self.orders.iter().any(|order| order.contains("late"))
    }

    /// Replays the plan, life after life, to its end; how it ended, in which life, and how many faults had not struck by then.
    pub(super) fn survived(&self, world: &World, plan: &Plan) -> (Replayed, usize, u64) {
        let archive = world.archive();
        drop(Journal::create(&archive, plan, clock()).expect("a journal"));
        let orders: Vec<&str> = self.orders.iter().map(String::as_str).collect();
        world.order(&orders);
        let mut deaths = self.deaths.iter();
        for life in 1.. {
            let (mut journal, _) = Journal::resume(&archive, &plan.digest()[..16], clock()).expect("a journal");
            let polls = deaths.next().copied().unwrap_or(usize::MAX);
            let body = async {
                let account = world.connect(&world.url(), Allowance::Unlimited).await.ok()?;
                let writer = account.writer(&Consent::given());
                let site = Site { account: &account, writer: &writer, archive: &archive };
                Some(restore::replay(plan, &mut journal, &site, &Silent).await.expect("a replay"))
            };
            let ended = world.run(Mortal { body: Box::pin(body), polls }).flatten();
            // What a dead process had sent arrives before anybody can start it again.
            world.judge();
            if let Some(replayed) = ended.filter(|replayed| replayed.stopped.is_none() || life == RUNS) {
                let left = world.call("GET", "/sandbox/faults", None);
                let left = left.as_array().into_iter().flatten().filter_map(|order| order["times"].as_u64()).sum();
                world.clear_faults();
                return (replayed, life, left);
            }
        }
        unreachable!("the last life is told however it ends")
    }
}

/// One fault, somewhere in the next requests.
pub(super) fn fault(dice: &mut Dice, within: usize) -> String {
    let method = ["POST", "PATCH", "DELETE", "GET", "*", "POST"][dice.below(6)];
    let fault = [
        "lose-answer",
        "drop",
        "cut=10",
        "status=500",
        "status=503",
        "status=429 retry-after=0",
        "slow=3",
        "late=1",
        "late=2",
        "malformed",
        "html",
        "status=502",
    ][dice.below(12)];
    let times = if fault.starts_with("late") { 1 } else { 1 + dice.below(2) };
    format!("{method} * after={} times={times} {fault}", dice.below(within))
}

/// A future that dies when it was polled so many times, as a process dies: at any await.
struct Mortal<F> {
    body: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.body.as_mut().poll(context).map(Some)
    }
}
