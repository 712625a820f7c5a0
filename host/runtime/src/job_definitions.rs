//! What of a definition can make jobs: Camunda 7's job definitions. They follow from the model. Stored is only what operators have said of
//! them: that their jobs are suspended, or have another priority.
//!
//! A job that a unit of work makes gets what was said of its definition before it is stored. No unit reads it: this host remembers it, and
//! the store refuses what was made by a host that has not heard of a change.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use mandate_engine::{Input, InstanceId, JobKind, JobOrigin, Jobs, PublicId, Rejection};
use mandate_model::{CatchTrigger, Element, ElementIndex, ElementKind, EventTrigger, StartTrigger, Timer};
use mandate_store::query::{DELIVERY, DefinitionFilter, DefinitionRow, JobFilter, Page};
use mandate_store::{CarriedOut, JobDefinitionChange, JobDefinitionName, JobDefinitionRow, KnownJobDefinitions};
use uuid::Uuid;

use crate::definitions::Definition;
use crate::error::{Several, unless_gone};
use crate::operator::{Change, OPERATOR, Operation, Subject, suspension_verb};
use crate::unit::body_id;
use crate::{Error, Extent, Inner, Runtime};

/// One place of a definition that makes jobs of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDefinition {
    /// Its definition.
    pub definition: DefinitionRow,
    /// The BPMN id; of the body of a multi-instance activity the body's.
    pub activity_id: String,
    /// Camunda's name of the kind: `async-continuation`, `timer-start-event`, `timer-transition` and the like.
    pub job_type: &'static str,
    /// `async-before`, `async-after`, or what the timer says, such as `CYCLE: R3/PT10M`.
    pub configuration: String,
    /// An operator has suspended it: its new jobs are suspended.
    pub suspended: bool,
    /// The priority that an operator has given it: its new jobs have it, whatever the model says.
    pub priority: Option<i64>,
    /// What of the model it is.
    origin: JobOrigin,
}

/// The kinds that a [`JobDefinition`]'s id ends with.
const BEFORE: &str = "async-before";
const AFTER: &str = "async-after";
pub(crate) const TIMER: &str = "timer";

impl JobDefinition {
    /// Its id: the definition's, the activity's and the kind.
    pub fn id(&self) -> String {
        Self::id_from(&self.definition.id, &self.activity_id, self.kind())
    }

    /// Its name in the store, by which its jobs are found.
    pub fn name(&self) -> JobDefinitionName {
        let (definition_id, activity_id) = (self.definition.id.clone(), self.activity_id.clone());
        JobDefinitionName { definition_id, activity_id, kind: self.kind().to_owned() }
    }

    /// The id of the definition of a job; none for one that no model asks for.
    pub fn id_of(definition_id: &str, activity_id: &str, job_kind: &str) -> Option<String> {
        let kind = match job_kind {
            BEFORE | AFTER => job_kind,
            "start" | "return" | DELIVERY => return None,
            _ => TIMER,
        };
        Some(Self::id_from(definition_id, activity_id, kind))
    }

    /// The id of what makes the jobs of an origin.
    pub(crate) fn id_of_origin(definition: &Definition, origin: JobOrigin) -> Option<String> {
        let id = &definition.model.element(origin.element).id;
        let activity_id = if origin.body { body_id(id) } else { id.to_string() };
        Some(Self::id_from(&definition.row.id, &activity_id, kind_of(origin.kind)?))
    }

    pub(crate) fn id_from(definition_id: &str, activity_id: &str, kind: &str) -> String {
        format!("{definition_id}:{activity_id}:{kind}")
    }

    /// What an id names, whether there is such a job definition or not.
    pub fn named(id: &str) -> Option<JobDefinitionName> {
        let mut parts = id.rsplitn(3, ':').map(str::to_owned);
        let (kind, activity_id, definition_id) = (parts.next()?, parts.next()?, parts.next()?);
        Some(JobDefinitionName { definition_id, activity_id, kind })
    }

    fn kind(&self) -> &'static str {
        kind_of(self.origin.kind).expect("a model makes no other jobs")
    }
}

/// The kind of the definition of such jobs; none of those that no model asks for.
pub(crate) fn kind_of(kind: JobKind) -> Option<&'static str> {
    match kind {
        JobKind::AsyncBefore => Some(BEFORE),
        JobKind::AsyncAfter => Some(AFTER),
        JobKind::Timer | JobKind::Timeout { .. } => Some(TIMER),
        JobKind::Start | JobKind::Return => None,
    }
}

/// What operators have said of job definitions, as far as this host knows.
#[derive(Default)]
pub(crate) struct Known {
    /// How many changes that includes.
    pub(crate) seen: i64,
    by_definition: HashMap<String, Vec<JobDefinitionRow>>,
    /// Process definitions whose jobs nobody runs.
    suspended: HashSet<String>,
}

impl Known {
    fn new(known: KnownJobDefinitions) -> Self {
        let mut by_definition: HashMap<String, Vec<JobDefinitionRow>> = HashMap::new();
        for row in known.rows {
            by_definition.entry(row.name.definition_id.clone()).or_default().push(row);
        }
        Self { seen: known.seen, by_definition, suspended: known.suspended.into_iter().collect() }
    }

    /// What is not as the model of a definition says.
    pub(crate) fn of(&self, definition_id: &str) -> &[JobDefinitionRow] {
        self.by_definition.get(definition_id).map_or(&[], Vec::as_slice)
    }

    /// Whether the definition is suspended, so that nobody runs its jobs.
    pub(crate) fn is_suspended(&self, definition_id: &str) -> bool {
        self.suspended.contains(definition_id)
    }
}

/// What this host remembers of it; none: it has not asked, or what it knew is old.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Option<Arc<Known>>>);

impl Remembered {
    /// The store knows more.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Inner {
    /// Refuses to run a job of a definition that is suspended, by the store's word.
    pub(crate) async fn refuse_suspended(&self, input: &Input, definition: &Definition) -> Result<(), Error> {
        let Input::RunJob { wait } = *input else { return Ok(()) };
        if self.known_job_definitions().await?.is_suspended(&definition.row.id) {
            self.job_definitions.forget();
            if self.known_job_definitions().await?.is_suspended(&definition.row.id) {
                return Err(Rejection::JobSuspended { wait }.into());
            }
        }
        Ok(())
    }

    /// What operators have said of job definitions. What is made of it must be stored with how much that was.
    pub(crate) async fn known_job_definitions(&self) -> Result<Arc<Known>, Error> {
        let slot = &self.job_definitions.0;
        if let Some(known) = &*slot.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known.clone());
        }
        let known = Arc::new(Known::new(self.store.job_definitions().await?));
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }
}

impl Runtime {
    /// The job definitions of these definitions, in the order of their definitions and models: without those of a definition that cannot be
    /// read, which is an error only where it is asked for by its id.
    pub async fn job_definitions(&self, filter: DefinitionFilter) -> Result<Vec<JobDefinition>, Error> {
        let mut found = Vec::new();
        let known = Known::new(self.0.store.job_definitions().await?);
        let by_id = !filter.ids.is_empty();
        for row in self.0.store.definitions(filter, Page::ALL, &[]).await? {
            let definition = if by_id {
                self.0.definition_of(&row.id).await?
            } else {
                let Some(definition) = self.0.definitions.get_if_readable(&self.0.store, &row.id).await? else { continue };
                definition
            };
            let said = known.of(&row.id);
            for (index, element) in definition.model.iter() {
                found.extend(of_element(index, element).into_iter().map(|(activity_id, job_type, configuration, origin)| {
                    let is_it = |said: &&JobDefinitionRow| {
                        said.name.activity_id == activity_id && Some(said.name.kind.as_str()) == kind_of(origin.kind)
                    };
                    let said = said.iter().find(is_it);
                    JobDefinition {
                        definition: row.clone(),
                        suspended: said.is_some_and(|said| said.suspended),
                        priority: said.and_then(|said| said.priority),
                        activity_id,
                        job_type,
                        configuration,
                        origin,
                    }
                }));
            }
        }
        Ok(found)
    }

    /// Suspends job definitions: their new jobs are suspended until somebody activates them. If it reaches that far, so are those that
    /// there are, those of each instance in a unit of work of its own: whatever ends the request in between leaves definitions that are
    /// suspended, and may be repeated.
    pub async fn suspend_job_definitions(&self, which: &[JobDefinition], suspended: bool, extent: Extent) -> Result<(), Error> {
        self.suspend_job_definitions_as(which, suspended, extent, None).await?;
        if extent.includes() { self.change_jobs_of(which, |jobs| Input::SuspendJobs { jobs, suspended }).await } else { Ok(()) }
    }

    /// The same without the jobs, perhaps as it was planned.
    pub(crate) async fn suspend_job_definitions_as(
        &self,
        which: &[JobDefinition],
        suspended: bool,
        extent: Extent,
        plan: Option<&CarriedOut>,
    ) -> Result<(), Error> {
        let verb = suspension_verb("JobDefinition", suspended);
        let change = |it: &JobDefinition| Change::suspension(Some(it.suspended), suspended);
        self.change_job_definitions(which, (JobDefinitionChange::Suspended(suspended), extent), plan, verb, change).await
    }

    /// Gives job definitions a priority, which their new jobs have whatever the model says, or takes it from them. If it reaches that far,
    /// those that there are get it, too.
    pub async fn prioritize_job_definitions(&self, which: &[JobDefinition], priority: Option<i64>, extent: Extent) -> Result<(), Error> {
        let shown = |priority: Option<i64>| priority.map(|it| it.to_string());
        let change = |it: &JobDefinition| Change::new("overridingPriority", shown(it.priority), shown(priority));
        self.change_job_definitions(which, (JobDefinitionChange::Priority(priority), extent), None, "SetPriority", change).await?;
        match priority {
            Some(priority) if extent.includes() => self.change_jobs_of(which, |jobs| Input::SetPriority { jobs, priority }).await,
            _ => Ok(()),
        }
    }

    /// Gives retries, and another due date if there is one, to those jobs of job definitions that have none left, each in a unit of work of
    /// its own.
    pub async fn set_retries_of_job_definitions(&self, which: &[JobDefinition], retries: u32, due: Option<i64>) -> Result<(), Error> {
        let mut all = Several::NONE;
        for it in which {
            let filter = JobFilter { job_definition: Some(it.name()), no_retries_left: true, ..JobFilter::default() };
            for (instance, wait) in self.reads().job_names(filter).await? {
                let Ok(number) = u64::try_from(wait) else { continue };
                let set = self.set_job_retries(PublicId { instance: InstanceId(instance), number }, retries, due).await;
                all.and(unless_gone(set))?;
            }
        }
        all.outcome()
    }

    async fn change_job_definitions(
        &self,
        which: &[JobDefinition],
        (change, extent): (JobDefinitionChange, Extent),
        plan: Option<&CarriedOut>,
        verb: &'static str,
        changed: impl Fn(&JobDefinition) -> Change + Send,
    ) -> Result<(), Error> {
        let operation = |it: &JobDefinition| {
            let changes = vec![changed(it), Change::to("jobDefinitionId", it.id()), Change::to("includeJobs", extent.includes())];
            let subject = Subject { job_definition: Some(it.id()), ..Subject::of_definition(&it.definition) };
            self.logged(Operation { verb, entity_type: "JobDefinition", category: OPERATOR, changes, subject })
        };
        let operations: Vec<_> = which.iter().flat_map(operation).collect();
        let names: Vec<_> = which.iter().map(JobDefinition::name).collect();
        self.0.store.carry_out_job_definitions(&names, change, extent.includes(), plan, &operations).await?;
        self.0.job_definitions.forget();
        self.0.executor.look_again();
        Ok(())
    }

    /// What is left to be done where the jobs of job definitions are to be suspended (true) or active: the inputs of each instance.
    pub(crate) async fn jobs_to_suspend(&self, which: &[JobDefinition], suspended: bool) -> Result<BTreeMap<Uuid, Vec<Input>>, Error> {
        let mut found: BTreeMap<Uuid, Vec<Input>> = BTreeMap::new();
        for it in which {
            let filter = JobFilter { job_definition: Some(it.name()), suspended: Some(!suspended), ..JobFilter::default() };
            for instance in self.reads().instances_with_jobs(filter).await? {
                found.entry(instance).or_default().push(Input::SuspendJobs { jobs: Jobs::Of(it.origin), suspended });
            }
        }
        Ok(found)
    }

    /// Changes the jobs of job definitions that instances have, those of each instance in a unit of its own. One that fails keeps no other,
    /// and is what is answered.
    pub(crate) async fn change_jobs_of(&self, which: &[JobDefinition], input: impl Fn(Jobs) -> Input + Send) -> Result<(), Error> {
        let mut all = Several::NONE;
        for it in which {
            let filter = JobFilter { job_definition: Some(it.name()), ..JobFilter::default() };
            for instance in self.reads().instances_with_jobs(filter).await? {
                all.and(unless_gone(self.operate(InstanceId(instance), input(Jobs::Of(it.origin))).await))?;
            }
        }
        all.outcome()
    }
}

type Found = (String, &'static str, String, JobOrigin);

fn of_element(index: ElementIndex, element: &Element) -> Vec<Found> {
    let id = element.id.to_string();
    let mut found = Vec::new();
    let mut asynchronous = |id: &str, body: bool, before: bool, after: bool| {
        for (name, kind, _) in
            [(BEFORE, JobKind::AsyncBefore, before), (AFTER, JobKind::AsyncAfter, after)].into_iter().filter(|(_, _, is)| *is)
        {
            found.push((id.to_owned(), "async-continuation", name.to_owned(), JobOrigin { element: index, body, kind }));
        }
    };
    match &element.multi_instance {
        None => asynchronous(&id, false, element.async_before, element.async_after),
        Some(each) => {
            asynchronous(&body_id(&id), true, element.async_before, element.async_after);
            asynchronous(&id, false, each.async_before, each.async_after);
        }
    }
    let timer = match &element.kind {
        ElementKind::StartEvent(StartTrigger::Timer(timer)) => Some(("timer-start-event", timer)),
        ElementKind::IntermediateCatchEvent(CatchTrigger::Timer(timer)) => Some(("timer-intermediate-transition", timer)),
        ElementKind::BoundaryEvent(event) => of_trigger(&event.trigger).map(|timer| ("timer-transition", timer)),
        ElementKind::EventSubProcessStart(event) => of_trigger(&event.trigger).map(|timer| ("timer-start-event-subprocess", timer)),
        _ => None,
    };
    let origin = JobOrigin { element: index, body: false, kind: JobKind::Timer };
    found.extend(timer.map(|(job_type, timer)| (id.clone(), job_type, configuration(timer), origin)));
    // All timeouts of a task are one, shown by the first.
    let timeout = element.listeners.iter().find_map(|listener| listener.timer.as_ref());
    let origin = JobOrigin { kind: JobKind::Timeout { listener: 0 }, ..origin };
    found.extend(timeout.map(|timer| (id, "timer-task-listener", configuration(timer), origin)));
    found
}

fn of_trigger(trigger: &EventTrigger) -> Option<&Timer> {
    match trigger {
        EventTrigger::Timer(timer) => Some(timer),
        _ => None,
    }
}

/// Camunda's `TimerDeclarationImpl.getJobConfiguration`.
fn configuration(timer: &Timer) -> String {
    let kind = match timer {
        Timer::Date(_) => "DATE",
        Timer::Duration(_) => "DURATION",
        Timer::Cycle(_) => "CYCLE",
    };
    format!("{kind}: {}", timer.expression().source())
}
