//! Reads before writes, as few as possible: what the steps ahead will ask for comes in one call.
//!
//! A hundred records by their ids cost what ten cost one by one. Which records the
//! steps ahead will need follows from the plan and the journal, so the first step
//! that asks brings the rows of the next hundred. The same way the counters of
//! records that were just written come in, which tell where the service has added a
//! follower or participant of its own: only there is a list worth its price.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::account::Account;
use crate::catalogue::{Object, ObjectName};
use crate::record::{Key, RecordId};
use crate::restore::cases::object_of;
use crate::restore::doubt;
use crate::restore::fill::value_key;
use crate::restore::journal::{Journal, Was};
use crate::restore::plan::{Action, Expel, Plan, Reason, Step, StepNumber};
use crate::restore::replay::{Row, Stop, unseen};
use crate::restore::request::{Request, Verb, at_home, changes, host, identity, is_deleted, request};

/// Records read by one call, and lists that are kept.
const BULK: usize = 100;

/// What a row is read for; each sees the account at another time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Ahead {
    /// Records that are changed or deleted, as they are before.
    Changes,
    /// Records whose parts were written, to see what the service made of them.
    Settles,
    /// Records that were written, to see whether the service added rows beside them.
    Hosts,
}

/// Rows of one object that the steps ahead ask for.
#[derive(Default)]
struct Queue {
    /// Which step asks for which, in the order of the plan.
    asked: Vec<(StepNumber, RecordId)>,
    read: tokio::sync::Mutex<Batches>,
}

impl Queue {
    /// The record and those that the steps from this one on ask for, as many as one call reads.
    fn batch(&self, step: StepNumber, live: &RecordId) -> Vec<RecordId> {
        let from = self.asked.partition_point(|(number, _)| *number < step);
        let mut ids: Vec<RecordId> = Vec::with_capacity(BULK);
        let mut taken = HashSet::new();
        for (_, id) in &self.asked[from..] {
            if ids.len() == BULK {
                break;
            }
            if taken.insert(id) {
                ids.push(id.clone());
            }
        }
        if taken.contains(live) { ids } else { vec![live.clone()] }
    }
}

/// The rows of the last call and of the one before it: steps are under way side by side.
#[derive(Default)]
struct Batches {
    last: HashMap<RecordId, Option<Row>>,
    before: HashMap<RecordId, Option<Row>>,
}

impl Batches {
    fn has(&self, id: &RecordId) -> bool {
        self.last.contains_key(id) || self.before.contains_key(id)
    }

    fn add(&mut self, rows: HashMap<RecordId, Option<Row>>) {
        match rows.len() {
            // Read by itself, it pushes nothing out.
            1 => self.last.extend(rows),
            _ => self.before = std::mem::replace(&mut self.last, rows),
        }
    }

    /// A row for the one step that asks for it.
    fn take(&mut self, id: &RecordId) -> Option<Row> {
        self.last.remove(id).or_else(|| self.before.remove(id)).flatten()
    }

    /// A row that others may ask for as well.
    fn get(&self, id: &RecordId) -> Option<Row> {
        self.last.get(id).or_else(|| self.before.get(id)).cloned().flatten()
    }
}

type Slot = (&'static str, Key, Ahead);
type List = Arc<OnceCell<Arc<Vec<Row>>>>;

/// Rows under parents, of those that were asked for last: steps under one parent stand together in a plan.
#[derive(Default)]
struct Lists {
    open: HashMap<Slot, List>,
    order: VecDeque<Slot>,
}

impl Lists {
    fn list(&mut self, slot: Slot) -> List {
        if let Some(list) = self.open.get(&slot) {
            return list.clone();
        }
        if self.order.len() == BULK {
            self.order.pop_front().and_then(|oldest| self.open.remove(&oldest));
        }
        self.order.push_back(slot.clone());
        self.open.entry(slot).or_default().clone()
    }
}

/// What was read, for whoever asks next.
pub(super) struct Reads<'r> {
    account: &'r Account,
    queues: Mutex<HashMap<(Ahead, &'static str), Arc<Queue>>>,
    /// Rows under parents.
    lists: Mutex<Lists>,
    /// Rows that this replay has put under parents, by the object of the rows; known once all of them are.
    made: OnceCell<HashMap<(String, Key), i64>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds what was read")
}

impl<'r> Reads<'r> {
    pub(super) fn new(account: &'r Account) -> Reads<'r> {
        Reads { account, queues: Mutex::default(), lists: Mutex::default(), made: OnceCell::new() }
    }

    /// Notes what the steps from this one on will ask for, the first time one of its kind begins.
    pub(super) fn look_ahead(&self, plan: &Plan, journal: &Journal, step: &Step, own: &Request) {
        let kind = match &step.action {
            Action::Expel(_) | Action::Trim(_) => Ahead::Hosts,
            Action::Update(_) if step.reason == Reason::AfterLines => Ahead::Settles,
            Action::Update(_) | Action::Delete { .. } => Ahead::Changes,
            Action::Create(_) | Action::Revive { .. } | Action::AddOptions(_) => return,
        };
        let Some(object) = asked(kind, step, own).and_then(|id| object_of(&id)) else { return };
        let mut queues = locked(&self.queues);
        if queues.contains_key(&(kind, object.name)) {
            return;
        }
        let wanted = plan.steps[step.number as usize..].iter().filter_map(|step| {
            let id = match kind {
                Ahead::Changes => changes(step),
                Ahead::Settles if step.reason != Reason::AfterLines => None,
                Ahead::Hosts if !matches!(step.action, Action::Expel(_) | Action::Trim(_)) => None,
                Ahead::Settles | Ahead::Hosts => asked(kind, step, &request(step, journal, None)?),
            };
            id.filter(|id| id.object.as_str() == object.name).map(|id| (step.number, id))
        });
        let asked = wanted.collect();
        queues.insert((kind, object.name), Arc::new(Queue { asked, ..Queue::default() }));
    }

    /// The row as it is now. None when the service has no way to ask for it; none within when it is gone.
    pub(super) async fn row(
        &self,
        kind: Ahead,
        step: StepNumber,
        live: &RecordId,
    ) -> Result<Option<Option<Row>>, Stop> {
        let Some(object) = object_of(live) else { return Ok(None) };
        if object.bulk_ids.is_none() {
            return match object.single {
                Some(_) => Ok(Some(self.one(object, &live.key).await?)),
                None => Ok(None),
            };
        }
        let queue = locked(&self.queues).get(&(kind, object.name)).cloned().unwrap_or_default();
        let mut read = queue.read.lock().await;
        if !read.has(live) {
            let ids = queue.batch(step, live);
            let keys: Vec<Key> = ids.iter().map(|id| id.key.clone()).collect();
            let found = self.account.many(object, &keys).await.or_else(unseen)?;
            let mut rows: HashMap<RecordId, Option<Row>> = ids.into_iter().map(|id| (id, None)).collect();
            for row in found.iter().filter_map(|row| doubt::fields(row)).filter(|row| !is_deleted(object, row)) {
                rows.extend(identity(object, None, &row).map(|id| (id, Some(row))));
            }
            read.add(rows);
        }
        // Several steps may ask for one host; every other row is asked for once.
        Ok(Some(if kind == Ahead::Hosts { read.get(live) } else { read.take(live) }))
    }

    /// One record by its id.
    pub(super) async fn one(&self, object: &'static Object, key: &Key) -> Result<Option<Row>, Stop> {
        doubt::read(self.account, object, key).await.or_else(unseen)
    }

    /// The rows under a parent, read once for the steps that stand together.
    pub(super) async fn under(
        &self,
        object: &'static Object,
        parent: &Key,
        kind: Ahead,
    ) -> Result<Arc<Vec<Row>>, Stop> {
        let slot = (object.name, parent.clone(), kind);
        let cell = locked(&self.lists).list(slot);
        let read = || async { doubt::under(self.account, object, parent).await.map(Arc::new).or_else(unseen) };
        cell.get_or_try_init(read).await.cloned()
    }

    /// How many rows the service counts beside a record that was just written, if it counts them.
    pub(super) async fn counted(&self, step: StepNumber, expel: &Expel, under: &Key) -> Result<Option<u64>, Stop> {
        let Some((host, counter)) = host(expel) else { return Ok(None) };
        let live = RecordId::new(ObjectName::known(host.name), under.clone());
        let row = self.row(Ahead::Hosts, step, &live).await?.flatten();
        Ok(row.and_then(|row| row.get(counter).and_then(Value::as_u64)))
    }

    /// How many rows there are to be beside a record that was written: those that were there and those made since.
    /// None where the service counts none.
    pub(super) fn wanted(&self, plan: &Plan, journal: &Journal, expel: &Expel, request: &Request) -> Option<u64> {
        let Verb::Expel { under } = &request.verb else { return None };
        host(expel)?;
        if self.made.get().is_none() {
            // Every row is written before the first step of this kind begins.
            self.made.set(made(plan, journal)).ok()?;
        }
        let made = self.made.get()?.get(&(expel.part.clone(), under.clone())).copied().unwrap_or_default();
        u64::try_from(i64::try_from(expel.were).ok()? + made).ok()
    }
}

/// The record that a step of this kind asks for.
fn asked(kind: Ahead, step: &Step, request: &Request) -> Option<RecordId> {
    match (kind, &request.verb, &step.action) {
        (Ahead::Hosts, Verb::Expel { under }, Action::Expel(expel)) => {
            Some(RecordId::new(ObjectName::known(host(expel)?.0.name), under.clone()))
        }
        (Ahead::Settles, Verb::Update { live }, _) => Some(at_home(request.object, live)),
        (_, Verb::Update { live } | Verb::Delete { live } | Verb::Trim { live, .. }, _) => Some(live.clone()),
        _ => None,
    }
}

/// Rows that this replay has put under parents, less those it took away.
fn made(plan: &Plan, journal: &Journal) -> HashMap<(String, Key), i64> {
    let mut made: HashMap<(String, Key), i64> = HashMap::new();
    for step in &plan.steps {
        let Some(outcome) = journal.ended(step.number) else { continue };
        match (&step.action, outcome.was) {
            (Action::Create(create), Was::Done | Was::Adopted | Was::Revived) => {
                let under = create.under.as_ref().and_then(|under| under.value(journal).ok());
                if let Some(under) = under.as_ref().and_then(value_key) {
                    *made.entry((create.record.object.to_string(), under)).or_default() += 1;
                }
            }
            (Action::Delete { live, .. }, Was::Done) => {
                if let Some(under) = live.0.key.parent() {
                    *made.entry((live.0.object.to_string(), under)).or_default() -= 1;
                }
            }
            _ => {}
        }
    }
    made
}
