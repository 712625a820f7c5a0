//! External tasks: workers fetch them, complete them, fail at them.
//!
//! Fetching is the store's alone (`mandate_store::Fetch`): it locks rows and reads no instance. What a worker gets to see comes from memory
//! where that holds the revision that the store named with the task, and from one read for all others. Every answer of a worker is a unit
//! of work, which is stored only if the worker still has its task.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mandate_engine::{ActivityId, Input, Instance, InstanceId, PublicId, Variables, WaitId};
use mandate_store::query::{ExternalTaskListed, Page};
use mandate_store::{Fetch, Fetched, LockChange};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::advance::{Advanced, Work, Worker};
use crate::definitions::Definition;
use crate::error::Reach;
use crate::operator::{Change, OPERATOR, Operation, Subject};
use crate::{Error, Inner, Room, Runtime, text};

/// Clients that wait for tasks at once, as in Camunda 7: each holds a connection.
const MAX_WAITING: usize = 200;

/// How often a waiting client looks by itself: for locks that ran out, and for tasks of other hosts.
const LOOK: Duration = Duration::from_secs(1);

/// Tasks that are looked at for their instances' process variables: at once, and for one fetch.
const LOOKED_AT: u32 = 500;
const MAX_LOOKED_AT: u32 = 10_000;

/// Instances of fetched tasks that are read at once: what is too much for one answer is not read for it.
const READ_AT_ONCE: usize = 64;

/// Topics of one fetch, each of which is a query of its own: SQLite joins at most 500 in one statement.
const MAX_TOPICS: usize = 200;

/// The longest error message and the longest error details that are kept: people read them.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
const MAX_DETAILS_BYTES: usize = 256 * 1024;

/// A task that a worker has fetched, with what it needs to do it.
#[derive(Debug)]
pub struct FetchedTask {
    /// The task.
    pub task: ExternalTaskListed,
    /// What the instance runs.
    pub definition: Arc<Definition>,
    /// What the task sees, or its own variables only.
    pub variables: Variables,
    /// `camunda:property` pairs of its element.
    pub properties: Vec<(String, String)>,
}

/// What a worker wants of the tasks of a topic that only their instances know.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only these variables; none: all.
    pub names: Option<BTreeSet<String>>,
    /// Only the task's own variables.
    pub local: bool,
    /// Only tasks of instances whose process variables have these values.
    pub process_variables: Vec<(String, serde_json::Value)>,
}

/// A worker's failure at an external task.
#[derive(Clone, Debug, Default)]
pub struct WorkerFailure {
    /// What went wrong.
    pub message: Option<String>,
    /// The same at length.
    pub details: Option<String>,
    /// Attempts left; 0 is an incident.
    pub retries: u32,
    /// For how long nobody fetches the task, in milliseconds.
    pub rest_ms: i64,
    /// Variables to set.
    pub variables: Variables,
    /// Variables of the task's own to set.
    pub local_variables: Variables,
}

/// Clients that want tasks.
pub(crate) struct Workers {
    waiting: Mutex<Waiting>,
    /// Whoever asks for process variables makes this host read instances, up to [`MAX_LOOKED_AT`] for nothing: one client at a time.
    looking: Arc<Semaphore>,
}

impl Default for Workers {
    fn default() -> Self {
        Self { waiting: Mutex::default(), looking: Arc::new(Semaphore::new(1)) }
    }
}

#[derive(Default)]
struct Waiting {
    clients: BTreeMap<u64, Client>,
    last: u64,
    stopped: bool,
}

struct Client {
    topics: BTreeSet<String>,
    woken: Arc<Notify>,
}

/// A client that waits for tasks, until it is dropped.
struct Waiter<'a> {
    workers: &'a Workers,
    number: u64,
    woken: Arc<Notify>,
}

impl Workers {
    /// Tasks of these topics may be there.
    pub(crate) fn tell(&self, topics: &BTreeSet<String>) {
        if topics.is_empty() {
            return;
        }
        for client in self.lock().clients.values().filter(|client| !client.topics.is_disjoint(topics)) {
            client.woken.notify_one();
        }
    }

    /// Nobody waits any longer: what they would get could not be completed here.
    pub(crate) fn stop(&self) {
        let mut waiting = self.lock();
        waiting.stopped = true;
        waiting.clients.values().for_each(|client| client.woken.notify_one());
    }

    fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn enter(&self, topics: BTreeSet<String>) -> Result<Waiter<'_>, Error> {
        let mut waiting = self.lock();
        if waiting.clients.len() >= MAX_WAITING {
            return Err(Error::TooManyWaiting);
        }
        waiting.last += 1;
        let (number, woken) = (waiting.last, Arc::new(Notify::new()));
        waiting.clients.insert(number, Client { topics, woken: woken.clone() });
        Ok(Waiter { workers: self, number, woken })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.workers.lock().clients.remove(&self.number);
    }
}

/// Tasks on their way to the client that they are locked for. Those that do not arrive are given back: nobody would do them before their
/// locks run out.
struct OnTheWay {
    tasks: Vec<FetchedTask>,
    inner: Arc<Inner>,
}

impl OnTheWay {
    fn arrived(mut self) -> Vec<FetchedTask> {
        std::mem::take(&mut self.tasks)
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        let unwanted: Vec<_> = std::mem::take(&mut self.tasks).into_iter().map(|it| it.task).collect();
        if !unwanted.is_empty() {
            let inner = self.inner.clone();
            self.inner.tasks.spawn(async move { inner.give_back(unwanted).await });
        }
    }
}

impl Runtime {
    /// Locks tasks for a worker: so many as one answer holds with their variables, and one at least. If there are none, waits for some at
    /// the longest for `patience`. `wanted` says what is wanted of each topic; of one that it does not have, all variables of any task.
    pub async fn fetch_and_lock(
        &self,
        fetch: Fetch,
        wanted: BTreeMap<String, Wanted>,
        patience: Duration,
    ) -> Result<Vec<FetchedTask>, Error> {
        let wanted = Arc::new(wanted);
        if fetch.topics.len() > MAX_TOPICS {
            let asked = fetch.topics.len();
            return Err(Error::Invalid(format!("{asked} topics are asked for at once; ask for at most {MAX_TOPICS} in one request")));
        }
        let topics: BTreeSet<String> = fetch.topics.iter().map(|topic| topic.topic.clone()).collect();
        // From before the first look: what comes between it and the wait is not missed.
        let waiter = if patience.is_zero() { None } else { Some(self.0.workers.enter(topics.clone())?) };
        let until = Instant::now() + patience;
        loop {
            let fetched = self.0.fetch(fetch.clone(), wanted.clone()).await?;
            let Some(waiter) = waiter.as_ref().filter(|_| fetched.is_empty() && Instant::now() < until) else { return Ok(fetched) };
            if !self.0.wait_for_tasks(waiter, &topics, until).await? {
                return Ok(Vec::new());
            }
        }
    }

    /// Completes a task that this worker has, and sets variables; the process goes on in the same unit of work.
    pub async fn complete_external_task(
        &self,
        task: PublicId,
        worker: String,
        variables: Variables,
        local_variables: Variables,
    ) -> Result<(), Error> {
        let wait = WaitId(task.number);
        self.0.answer(task, worker, Input::CompleteExternalTask { wait, variables, local_variables }, None, 0).await
    }

    /// This worker could not do a task that it has.
    pub async fn fail_external_task(&self, task: PublicId, worker: String, failure: WorkerFailure) -> Result<(), Error> {
        let WorkerFailure { message, details, retries, rest_ms, variables, local_variables } = failure;
        let message = message.map(|message| text::storable(&message, MAX_MESSAGE_BYTES));
        let details = details.map(|details| text::storable(&details, MAX_DETAILS_BYTES));
        let input =
            Input::FailExternalTask { wait: WaitId(task.number), message, details: details.clone(), retries, variables, local_variables };
        self.0.answer(task, worker, input, details, rest_ms).await
    }

    /// This worker answers with a BPMN error for a task that it has. One that nothing catches is an incident of the task.
    pub async fn throw_from_external_task(
        &self,
        task: PublicId,
        worker: String,
        code: String,
        message: Option<String>,
        variables: Variables,
    ) -> Result<(), Error> {
        let message = message.map(|message| text::storable(&message, MAX_MESSAGE_BYTES));
        let input = Input::ThrowFromExternalTask { wait: WaitId(task.number), code, message, variables };
        self.0.answer(task, worker, input, None, 0).await
    }

    /// Gives a task retries. Above 0 its incident is resolved; its lock stays.
    pub async fn set_external_task_retries(&self, task: PublicId, retries: u32) -> Result<(), Error> {
        self.operate(task.instance, Input::SetExternalTaskRetries { wait: WaitId(task.number), retries }).await.map(drop)
    }

    /// Gives a task another priority, by which those that fetch by priority find it sooner or later; its lock stays.
    pub async fn set_external_task_priority(&self, task: PublicId, priority: i64) -> Result<(), Error> {
        self.operate(task.instance, Input::SetExternalTaskPriority { wait: WaitId(task.number), priority }).await.map(drop)
    }

    /// Locks one task for a worker for so many milliseconds, unless another one has it.
    pub async fn lock_external_task(&self, task: PublicId, worker: &str, lock_ms: i64) -> Result<LockChange, Error> {
        let (now, wait) = (self.now(), stored_number(task));
        Ok(self.0.store.lock_external_task(task.instance.0, wait, worker, now, now.saturating_add(lock_ms)).await?)
    }

    /// Lets the lock of a worker that has a task last for so many milliseconds from now.
    pub async fn extend_external_task_lock(&self, task: PublicId, worker: &str, lock_ms: i64) -> Result<LockChange, Error> {
        let (now, wait) = (self.now(), stored_number(task));
        Ok(self.0.store.extend_external_task_lock(task.instance.0, wait, worker, now, now.saturating_add(lock_ms)).await?)
    }

    /// Takes a task from whoever has it: anybody may fetch it.
    pub async fn unlock_external_task(&self, task: PublicId) -> Result<LockChange, Error> {
        let (instance, wait) = (task.instance.0, stored_number(task));
        let Some(listed) = self.0.store.external_task(instance, wait).await? else { return Ok(LockChange::Missing) };
        let subject = Subject {
            instance: Some(task.instance),
            tenant: listed.tenant,
            definition_key: Some(mandate_store::key_of_definition(&listed.row.definition_id).to_owned()),
            definition_id: Some(listed.row.definition_id),
            activity: u64::try_from(listed.row.activity).ok().map(ActivityId),
            wait: Some(WaitId(task.number)),
            ..Subject::default()
        };
        let operations = |worker| {
            let changes = vec![Change::new("workerId", worker, None)];
            self.logged(Operation { verb: "Unlock", entity_type: "ExternalTask", category: OPERATOR, changes, subject })
        };
        let changed = self.0.store.unlock_external_task(instance, wait, self.now(), operations).await?;
        if changed == LockChange::Changed {
            self.0.workers.tell(&BTreeSet::from([listed.row.topic]));
        }
        Ok(changed)
    }
}

impl Inner {
    async fn answer(
        self: &Arc<Self>,
        task: PublicId,
        worker: String,
        input: Input,
        details: Option<String>,
        rest_ms: i64,
    ) -> Result<(), Error> {
        let holds = Worker { id: worker.clone(), wait: WaitId(task.number), details, rest_ms };
        let work = Work { worker: Some(holds), ..Work::new(task.instance, input) };
        let error = match self.advance(work).await {
            Ok(Advanced::Committed(_)) => return Ok(()),
            // The ledger lets nothing leave on the word of a worker that no longer has its task.
            Ok(Advanced::Withdrawn | Advanced::Contended) => Error::Cancelled(task.instance),
            Ok(Advanced::AlreadyStarted(_) | Advanced::Superseded | Advanced::NotBrief) => {
                unreachable!("it starts nothing, here or elsewhere")
            }
            // Whoever does not have the task is told so, and not what would have come of it.
            Err(error @ Error::UnitFailed(_)) => error,
            Err(error) => return Err(error),
        };
        match self.store.external_task_worker(task.instance.0, stored_number(task)).await? {
            Some(holder) if holder != worker => Err(Error::NotHeld { worker: Some(holder) }),
            _ => Err(error),
        }
    }

    /// One look, on a task of its own: what it has locked comes to the client or is given back, whenever that hangs up.
    async fn fetch(self: &Arc<Self>, mut fetch: Fetch, wanted: Arc<BTreeMap<String, Wanted>>) -> Result<Vec<FetchedTask>, Error> {
        // In line is the client itself: who hangs up leaves it, and nobody waits behind those that are gone.
        let turn = if wanted.values().all(|wanted| wanted.process_variables.is_empty()) {
            None
        } else {
            Some(self.workers.looking.clone().acquire_owned().await.map_err(|_| Error::Bug)?)
        };
        self.acting().map_err(Error::NotActing)?;
        fetch.now = self.clock.now_ms();
        let inner = self.clone();
        let looking = self.tasks.spawn(async move {
            if let Some(_turn) = turn {
                inner.narrow(&mut fetch, &wanted).await?;
            }
            let tasks = inner.hand_out(inner.store.fetch_external_tasks(&fetch).await?, &wanted).await?;
            Ok::<_, Error>(OnTheWay { tasks, inner })
        });
        Ok(looking.await??.arrived())
    }

    /// What the worker gets of tasks that are locked for it. Those that its answer has no room for are given back, for whoever asks next.
    async fn hand_out(&self, mut fetched: Vec<Fetched>, wanted: &BTreeMap<String, Wanted>) -> Result<Vec<FetchedTask>, Error> {
        let described = self.describe(&fetched, wanted).await;
        let count = described.as_ref().map_or(0, |(_, count)| *count);
        self.give_back(fetched.drain(count..).map(|it| it.task).collect()).await;
        described.map(|(handed_out, _)| handed_out)
    }

    /// Fetched tasks as the worker gets them, and how many of them one answer has room for. What is over or cannot be read is among these,
    /// and left out.
    async fn describe(&self, fetched: &[Fetched], wanted: &BTreeMap<String, Wanted>) -> Result<(Vec<FetchedTask>, usize), Error> {
        let (mut described, mut room) = (Vec::new(), Room::default());
        for (nth, some) in fetched.chunks(READ_AT_ONCE).enumerate() {
            let known = self.instances_of(some).await?;
            let (first, mut fitting, mut with_details) = (described.len(), some.len(), Vec::new());
            for (at, Fetched { task, details, .. }) in some.iter().enumerate() {
                let Some(instance) = known.get(&InstanceId(task.instance)) else { continue };
                let Some(it) = describe(task, instance, wanted) else { continue };
                let message = task.row.failure.as_ref().map_or(0, String::len);
                if !room.holds_with(&it.variables, message + details) {
                    fitting = at;
                    break;
                }
                described.push(it);
                with_details.extend((*details > 0).then_some((task.instance, task.row.wait)));
            }
            let mut details = self.store.external_task_details(with_details).await?;
            for FetchedTask { task, .. } in &mut described[first..] {
                task.details = details.remove(&(task.instance, task.row.wait));
            }
            if fitting < some.len() {
                return Ok((described, nth * READ_AT_ONCE + fitting));
            }
        }
        Ok((described, fetched.len()))
    }

    /// Names the instances that have the process variables that a topic asks for: only they know. A worker that asks so among more than
    /// [`MAX_LOOKED_AT`] tasks that have others gets none behind these.
    async fn narrow(&self, fetch: &mut Fetch, wanted: &BTreeMap<String, Wanted>) -> Result<(), Error> {
        let mut topics = std::mem::take(&mut fetch.topics);
        for topic in &mut topics {
            let values = wanted.get(&topic.topic).map_or(&[][..], |wanted| &wanted.process_variables);
            if values.is_empty() {
                continue;
            }
            let mut fitting = BTreeSet::new();
            for first in (0..MAX_LOOKED_AT).step_by(LOOKED_AT as usize) {
                let page = Page { first, max: LOOKED_AT };
                let found = self.store.fetchable_instances(fetch, topic, page).await?;
                let is_last = found.len() < LOOKED_AT as usize;
                let ids: BTreeSet<_> = found.into_iter().collect();
                for row in self.store.load_instances(ids.into_iter().collect()).await? {
                    let Ok(instance) = crate::cache::decode(&row) else { continue };
                    let variables = instance.variables(instance.root());
                    let has = |(name, value): &(String, serde_json::Value)| {
                        variables.and_then(|all| all.get(name)).is_some_and(|variable| variable.to_json() == *value)
                    };
                    if values.iter().all(has) {
                        fitting.insert(row.id);
                    }
                }
                if is_last || fitting.len() >= fetch.max as usize {
                    break;
                }
            }
            topic.instances = Some(fitting.into_iter().collect());
        }
        fetch.topics = topics;
        Ok(())
    }

    async fn give_back(&self, tasks: Vec<ExternalTaskListed>) {
        if tasks.is_empty() {
            return;
        }
        if let Err(error) = self.store.give_back_external_tasks(&tasks).await {
            let count = tasks.len();
            tracing::warn!(count, "external tasks stay locked for a client that did not get them, until their locks run out: {error}");
        }
        self.workers.tell(&tasks.into_iter().map(|task| task.row.topic).collect());
    }

    /// Waits until there may be tasks. False: there was none in time.
    async fn wait_for_tasks(&self, waiter: &Waiter<'_>, topics: &BTreeSet<String>, until: Instant) -> Result<bool, Error> {
        loop {
            let look = (Instant::now() + LOOK).min(until);
            let told = tokio::time::timeout_at(look, waiter.woken.notified()).await.is_ok();
            if self.workers.is_stopped() {
                return Ok(false);
            }
            if told || self.store.has_external_tasks(topics.iter().cloned().collect(), self.clock.now_ms()).await? {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
        }
    }

    /// The instances of fetched tasks, as they were when the tasks were locked or later. One that ended meanwhile is left out.
    async fn instances_of(&self, fetched: &[Fetched]) -> Result<HashMap<InstanceId, (Instance, Arc<Definition>)>, Error> {
        let mut known = HashMap::new();
        let mut unknown = BTreeSet::new();
        for it in fetched {
            let id = InstanceId(it.task.instance);
            match it.revision.and_then(|revision| self.instances.at(id, revision)) {
                Some(found) => drop(known.insert(id, found)),
                None => drop(unknown.insert(id.0)),
            }
        }
        if unknown.is_empty() {
            return Ok(known);
        }
        for row in self.store.load_instances(unknown.into_iter().collect()).await? {
            let id = InstanceId(row.id);
            let definition = match self.definition_of(&row.definition_id).await {
                Err(error) if error.reach() >= Reach::Host => return Err(error),
                definition => definition,
            };
            let instance = definition.and_then(|definition| {
                let instance = crate::cache::decode(&row).map_err(|error| Error::Unreadable { instance: id, reason: error.to_string() })?;
                Ok((instance, definition))
            });
            match instance {
                Ok((instance, definition)) => {
                    self.instances.keep(&instance, &definition, row.revision, row.running.clone());
                    known.insert(id, (instance, definition));
                }
                // Another host may be able to: the lock runs out, and the others are not kept from their workers.
                Err(error) => {
                    tracing::error!(instance = %id, "an external task is not handed out, for its instance cannot be read: {error}");
                }
            }
        }
        Ok(known)
    }
}

/// A number that no instance reaches names nothing.
fn stored_number(task: PublicId) -> i64 {
    i64::try_from(task.number).unwrap_or(i64::MAX)
}

/// What the worker gets. None: the task was over a moment after it was locked.
fn describe(
    task: &ExternalTaskListed,
    (instance, definition): &(Instance, Arc<Definition>),
    wanted: &BTreeMap<String, Wanted>,
) -> Option<FetchedTask> {
    let found = instance.external_task(WaitId(u64::try_from(task.row.wait).ok()?))?;
    let wanted = wanted.get(&found.topic);
    let mut variables = if wanted.is_some_and(|wanted| wanted.local) {
        instance.variables(found.activity).cloned().unwrap_or_default()
    } else {
        instance.visible_variables(found.activity)
    };
    if let Some(names) = wanted.and_then(|wanted| wanted.names.as_ref()) {
        variables.retain(|name, _| names.contains(name));
    }
    let properties = definition.model.element(found.element).properties.clone();
    Some(FetchedTask { task: task.clone(), definition: definition.clone(), variables, properties })
}
