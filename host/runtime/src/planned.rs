//! Suspensions and activations for a later date (Camunda 7's timers of the handler types `suspend-processdefinition` and the like).
//!
//! What is planned is a row. Hosts that run jobs carry it out when its date has come, on behalf of whoever has planned it, which the log tells twice: when it is
//! planned, and when it is done. What is meant by a key is looked up then: also the versions that have been deployed since. A change of a definition and the
//! end of its plan are one transaction; instances and jobs that go with it are a plan of their own, until each of them is done.

use std::sync::Arc;

use mandate_engine::{Input, InstanceId};
use mandate_store::query::{DefinitionFilter, DefinitionRow, Page};
use mandate_store::{CarriedOut, JobDefinitionName, Planned};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::executor::POLL;
use crate::job_definitions::JobDefinition;
use crate::operator::{Change, OPERATOR, Operation, Operator, Subject};
use crate::{Error, Inner, Runtime};

/// Plans that are looked at together.
const AT_ONCE: u32 = 100;

/// When something is tried again that could not be done, such as while the database is not there.
const PAUSE_MS: i64 = 10_000;

/// Something to be suspended or activated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// What of the definitions.
    pub what: Suspended,
    /// Suspended (true) or active.
    pub suspended: bool,
    /// With the instances of the definition, or the jobs of the job definition.
    pub include: bool,
    /// This definition; or none, and those of a key.
    pub process_definition_id: Option<String>,
    /// All versions of this key.
    pub process_definition_key: Option<String>,
    /// Of this tenant.
    pub tenant_id: Option<String>,
    /// Of no tenant.
    pub without_tenant_id: bool,
    /// Of job definitions only this one, of the definition that is named: its activity, and its kind.
    pub job_definition: Option<(String, String)>,
}

/// What of definitions is suspended or activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Suspended {
    /// They themselves.
    ProcessDefinitions,
    /// Their instances: what is left of them.
    ProcessInstances,
    /// Their job definitions.
    JobDefinitions,
    /// The jobs of those: what is left of them.
    Jobs,
}

/// A suspension that is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSuspension {
    /// Names it.
    pub id: Uuid,
    /// When it is done.
    pub due: i64,
    /// What.
    pub suspension: Suspension,
    /// Who has planned it, if they said so.
    pub user: Option<String>,
    /// When they did.
    pub created: i64,
}

impl Suspension {
    /// Of all definitions.
    pub fn of(what: Suspended, suspended: bool, include: bool) -> Self {
        Self {
            what,
            suspended,
            include,
            process_definition_id: None,
            process_definition_key: None,
            tenant_id: None,
            without_tenant_id: false,
            job_definition: None,
        }
    }

    fn filter(&self) -> DefinitionFilter {
        DefinitionFilter {
            ids: self.process_definition_id.iter().cloned().collect(),
            key: self.process_definition_key.clone(),
            tenants: self.tenant_id.iter().cloned().collect(),
            without_tenant: self.without_tenant_id,
            ..DefinitionFilter::default()
        }
    }

    fn is_meant(&self, it: &JobDefinition) -> bool {
        let JobDefinitionName { activity_id, kind, .. } = it.name();
        self.job_definition.as_ref().is_none_or(|only| *only == (activity_id, kind))
    }

    /// What the log says of it, without what it changes.
    fn operation(&self, changes: Vec<Change>) -> Operation {
        let (entity_type, verb) = match (self.what, self.suspended) {
            (Suspended::ProcessDefinitions | Suspended::ProcessInstances, true) => ("ProcessDefinition", "SuspendProcessDefinition"),
            (Suspended::ProcessDefinitions | Suspended::ProcessInstances, false) => ("ProcessDefinition", "ActivateProcessDefinition"),
            (Suspended::JobDefinitions | Suspended::Jobs, true) => ("JobDefinition", "SuspendJobDefinition"),
            (Suspended::JobDefinitions | Suspended::Jobs, false) => ("JobDefinition", "ActivateJobDefinition"),
        };
        let subject = Subject {
            tenant: self.tenant_id.clone(),
            definition_id: self.process_definition_id.clone(),
            definition_key: self.process_definition_key.clone(),
            ..Subject::default()
        };
        Operation { verb, entity_type, category: OPERATOR, changes, subject }
    }
}

impl Runtime {
    /// Plans a suspension or activation for a date; one that has passed is now.
    pub async fn plan_suspension(&self, suspension: &Suspension, due: i64) -> Result<(), Error> {
        let include = match suspension.what {
            Suspended::ProcessDefinitions | Suspended::ProcessInstances => "includeProcessInstances",
            Suspended::JobDefinitions | Suspended::Jobs => "includeJobs",
        };
        let changes =
            vec![Change::suspension(None, suspension.suspended), Change::to(include, suspension.include), Change::to("executionDate", due)];
        let operator = self.1.as_deref().cloned().unwrap_or_default();
        let planned = Planned {
            id: Uuid::now_v7(),
            due,
            change: to_json(suspension),
            user: operator.user,
            annotation: operator.annotation,
            created: self.now(),
        };
        self.0.store.plan(planned, &self.logged(suspension.operation(changes))).await?;
        Ok(())
    }

    /// All that are planned, the next first.
    pub async fn planned_suspensions(&self, page: Page) -> Result<Vec<PlannedSuspension>, Error> {
        let planned = self.0.store.plans(page).await?;
        let read =
            |it: Planned| Ok(PlannedSuspension { id: it.id, due: it.due, suspension: from_json(&it)?, user: it.user, created: it.created });
        planned.into_iter().map(read).collect()
    }

    /// Forgets one that is planned.
    pub async fn forget_planned_suspension(&self, id: Uuid) -> Result<(), Error> {
        let not_found = || Error::NotFound { what: "planned suspension", id: id.to_string() };
        let planned = self.0.store.planned(id).await?.ok_or_else(not_found)?;
        let changes = vec![Change::new("executionDate", Some(planned.due.to_string()), None)];
        let operation = Operation { verb: "Delete", ..from_json(&planned)?.operation(changes) };
        let forgotten = self.0.store.end_plan(&CarriedOut { id, then: Vec::new() }, &self.logged(operation)).await?;
        if forgotten { Ok(()) } else { Err(not_found()) }
    }

    /// Does what was planned, or what is next of it.
    async fn carry_out(&self, planned: &Planned) -> Result<(), Error> {
        let suspension = from_json(planned)?;
        let then = |suspension: Suspension| Planned { id: Uuid::now_v7(), change: to_json(&suspension), ..planned.clone() };
        let is_done = CarriedOut { id: planned.id, then: Vec::new() };
        let rows = self.0.store.definitions(suspension.filter(), Page::ALL, &[]).await?;
        match (suspension.what, &rows[..]) {
            (_, []) => {
                tracing::info!(plan = %planned.id, "what was to be suspended or activated is not there any more");
                self.0.store.end_plan(&is_done, &[]).await?;
            }
            (Suspended::ProcessDefinitions, [one]) => {
                let left = Suspension { what: Suspended::ProcessInstances, ..of(&suspension, one) };
                let left = suspension.include.then(|| then(left));
                let plan = CarriedOut { then: left.into_iter().collect(), ..is_done };
                self.suspend_definition_row(one, suspension.suspended, suspension.include, Some(&plan)).await?;
            }
            (Suspended::ProcessDefinitions, several) => {
                let each = several.iter().map(|row| then(of(&suspension, row))).collect();
                self.0.store.end_plan(&CarriedOut { then: each, ..is_done }, &[]).await?;
            }
            (Suspended::ProcessInstances, definitions) => {
                for definition in definitions {
                    let all = self.0.store.instances_of(&definition.id).await?;
                    self.suspend_instances(all.into_iter().map(InstanceId).collect(), suspension.suspended).await?;
                }
                self.0.store.end_plan(&is_done, &[]).await?;
            }
            (Suspended::JobDefinitions, _) => {
                let which = self.meant(&suspension).await?;
                let left = suspension.include.then(|| then(Suspension { what: Suspended::Jobs, ..suspension.clone() }));
                let plan = CarriedOut { then: left.into_iter().collect(), ..is_done };
                self.suspend_job_definitions_as(&which, suspension.suspended, suspension.include, Some(&plan)).await?;
            }
            (Suspended::Jobs, _) => {
                let which = self.meant(&suspension).await?;
                let suspended = suspension.suspended;
                self.change_jobs_of(&which, |jobs| Input::SuspendJobs { jobs, suspended }).await?;
                self.0.store.end_plan(&is_done, &[]).await?;
            }
        }
        Ok(())
    }

    async fn meant(&self, suspension: &Suspension) -> Result<Vec<JobDefinition>, Error> {
        let mut which = self.job_definitions(suspension.filter()).await?;
        which.retain(|it| suspension.is_meant(it));
        Ok(which)
    }
}

impl Inner {
    /// Carries out what is planned, each at its date, until the host stops.
    pub(crate) async fn plan_loop(self: Arc<Self>) {
        while !self.executor.is_stopping() {
            match self.carry_out_due().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::error!("what is planned could not be looked for: {error}"),
            }
            tokio::select! {
                () = self.executor.stopped() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Carries out what is due. Answers how much there was.
    async fn carry_out_due(self: &Arc<Self>) -> Result<usize, Error> {
        if !self.store.may_act() {
            return Ok(0);
        }
        let due = self.store.due_plans(self.clock.now_ms(), AT_ONCE).await?;
        for planned in &due {
            let operator = Operator { user: planned.user.clone(), annotation: planned.annotation.clone() };
            let runtime = Runtime(self.clone(), Some(Arc::new(operator)));
            if let Err(error) = runtime.carry_out(planned).await {
                tracing::error!(plan = %planned.id, "what was planned could not be done, and is tried again: {error}");
                self.store.put_off_plan(planned.id, self.clock.now_ms().saturating_add(PAUSE_MS)).await?;
            }
        }
        Ok(due.len())
    }
}

/// The same of one definition.
fn of(suspension: &Suspension, definition: &DefinitionRow) -> Suspension {
    Suspension { process_definition_id: Some(definition.id.clone()), process_definition_key: None, ..suspension.clone() }
}

fn to_json(suspension: &Suspension) -> String {
    serde_json::to_string(suspension).expect("names and flags always serialise")
}

fn from_json(planned: &Planned) -> Result<Suspension, Error> {
    serde_json::from_str(&planned.change).map_err(|error| Error::Damaged(format!("the plan {} cannot be read: {error}", planned.id)))
}
