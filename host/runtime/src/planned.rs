//! Suspensions and activations for a later date (Camunda 7's timers of the handler types `suspend-processdefinition` and the like).
//!
//! What is planned is a row. Hosts that run jobs carry it out when its date has come, on behalf of whoever has planned it, which the log
//! tells twice: when it is planned, and when it is done. What is meant by a key is looked up then: also the versions that have been
//! deployed since. A change of a definition and the end of its plan are one transaction; instances and jobs that go with it are a plan of
//! their own, until each of them is done.
//!
//! An instance that fails does not keep the others: it alone is tried again, with pauses that grow, and given up in the end. A plan never
//! overtakes one that was for an earlier date: it takes the place of those that have failed and that it covers, and waits for all others of
//! the same definitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mandate_engine::{Input, InstanceId};
use mandate_store::query::{DefinitionFilter, DefinitionRow, Page};
use mandate_store::{CarriedOut, JobDefinitionName, Planned, key_of_definition};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::unless_gone;
use crate::executor::POLL;
use crate::job_definitions::JobDefinition;
use crate::operator::{Change, OPERATOR, Operation, Subject, suspension_verb};
use crate::{Error, Extent, Inner, Runtime};

mod by_hand;

/// Plans that are looked at together.
const AT_ONCE: u32 = 100;

/// How long the first pause is before something is tried again that could not be done; each is twice the one before.
const PAUSE_MS: i64 = 10_000;

/// The longest.
const LONGEST_PAUSE_MS: i64 = 60 * 60 * 1_000;

/// How often it is tried, which takes half a day.
const MAX_ATTEMPTS: i64 = 20;

/// Instances after which it is put down how far a plan has come. Whoever goes on after a crash looks at so many once more, at the most:
/// those that are done are as they should be, and are not found; only one that somebody has changed back by hand between its turn and the
/// crash is changed again.
const CHUNK: usize = 100;

/// Instances that could not be changed and are put down by their ids, each 39 bytes of a text that has at most a MiB (`MAX_TEXT_BYTES`).
/// What had its turn after those has another one with them.
const MAX_FAILED: usize = 10_000;

/// What is told of a failure.
const MAX_FAILURE_CHARS: usize = 2_000;

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
    /// What; none: this host cannot read it.
    pub suspension: Option<Suspension>,
    /// Who has planned it, if they said so.
    pub user: Option<String>,
    /// When they did.
    pub created: i64,
    /// When it is tried; none: it was given up.
    pub next: Option<i64>,
    /// How often it has failed.
    pub attempts: i64,
    /// Why it has failed, or cannot be read.
    pub failure: Option<String>,
}

impl PlannedSuspension {
    fn read(it: Planned) -> Self {
        let (suspension, failure) = match from_json(&it) {
            Ok(plan) => (Some(plan.suspension), it.failure),
            Err(error) => (None, Some(error.to_string())),
        };
        let Planned { id, due, user, created, next, attempts, .. } = it;
        Self { id, due, suspension, user, created, next, attempts, failure }
    }
}

/// What is put down of a plan.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    #[serde(flatten)]
    suspension: Suspension,
    /// The instances up to this one have had their turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Uuid>,
    /// Those of them that could not be changed, [`MAX_FAILED`] at the most.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    failed: BTreeSet<Uuid>,
    /// How many more this attempt could not change, all of them behind `after`.
    #[serde(skip)]
    more: usize,
}

/// What became of a plan.
enum Outcome {
    /// It is done, or these take its place.
    Done(Vec<Uuid>),
    /// Something could not be done.
    Failed(String),
    /// This host stops, or does not have it any more.
    Stopped,
}

impl Suspension {
    /// Of all definitions, and without what there is of them.
    pub fn of(what: Suspended, suspended: bool) -> Self {
        Self {
            what,
            suspended,
            include: false,
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

    fn key(&self) -> Option<&str> {
        let of_id = || self.process_definition_id.as_deref().map(key_of_definition);
        self.process_definition_key.as_deref().or_else(of_id)
    }

    /// Whether both may be of the same definition.
    fn touches(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.zip(other).is_some_and(|(one, other)| one != other)
        }
        !(differ(self.process_definition_id.as_ref(), other.process_definition_id.as_ref())
            || differ(self.key(), other.key())
            || differ(self.tenant_id.as_ref(), other.tenant_id.as_ref())
            || (self.without_tenant_id && other.tenant_id.is_some())
            || (other.without_tenant_id && self.tenant_id.is_some())
            || differ(self.job_definition.as_ref(), other.job_definition.as_ref()))
    }

    /// Whether nothing of the other one is left to be done when this one is.
    fn covers(&self, other: &Self) -> bool {
        fn within<T: PartialEq>(all: Option<T>, one: Option<T>) -> bool {
            all.is_none() || all == one
        }
        let as_much = match (self.what, other.what) {
            (Suspended::ProcessDefinitions, Suspended::ProcessDefinitions) | (Suspended::JobDefinitions, Suspended::JobDefinitions) => {
                self.include || !other.include
            }
            (Suspended::ProcessDefinitions, Suspended::ProcessInstances) | (Suspended::JobDefinitions, Suspended::Jobs) => self.include,
            (one, other) => one == other,
        };
        as_much
            && within(self.process_definition_id.as_ref(), other.process_definition_id.as_ref())
            && within(self.key(), other.key())
            && within(self.tenant_id.as_ref(), other.tenant_id.as_ref())
            && (!self.without_tenant_id || other.without_tenant_id)
            && within(self.job_definition.as_ref(), other.job_definition.as_ref())
    }

    fn is_meant(&self, it: &JobDefinition) -> bool {
        let JobDefinitionName { activity_id, kind, .. } = it.name();
        self.job_definition.as_ref().is_none_or(|only| *only == (activity_id, kind))
    }

    /// What the log says of it, without what it changes.
    fn operation(&self, changes: Vec<Change>) -> Operation {
        let entity_type = match self.what {
            Suspended::ProcessDefinitions | Suspended::ProcessInstances => "ProcessDefinition",
            Suspended::JobDefinitions | Suspended::Jobs => "JobDefinition",
        };
        let verb = suspension_verb(entity_type, self.suspended);
        let subject = Subject {
            tenant: self.tenant_id.clone(),
            definition_id: self.process_definition_id.clone(),
            definition_key: self.process_definition_key.clone(),
            job_definition: self
                .process_definition_id
                .as_ref()
                .zip(self.job_definition.as_ref())
                .map(|(id, (activity_id, kind))| JobDefinition::id_from(id, activity_id, kind)),
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
            change: to_json(&Plan::new(suspension.clone())),
            definition_id: suspension.process_definition_id.clone(),
            user: operator.user,
            annotation: operator.annotation,
            created: self.now(),
            next: Some(due),
            attempts: 0,
            failure: None,
        };
        if self.0.store.plan(planned, &self.logged(suspension.operation(changes))).await? {
            return Ok(());
        }
        Err(Error::NotFound { what: "process definition", id: suspension.process_definition_id.clone().unwrap_or_default() })
    }

    /// All that are planned, in the order of their dates.
    pub async fn planned_suspensions(&self, page: Page) -> Result<Vec<PlannedSuspension>, Error> {
        Ok(self.0.store.plans(page).await?.into_iter().map(PlannedSuspension::read).collect())
    }

    /// One of them.
    pub async fn planned_suspension(&self, id: Uuid) -> Result<Option<PlannedSuspension>, Error> {
        Ok(self.0.store.planned(id).await?.map(PlannedSuspension::read))
    }

    /// Forgets one that is planned, whether it can be read or not.
    pub async fn forget_planned_suspension(&self, id: Uuid) -> Result<(), Error> {
        let not_found = || Error::NotFound { what: "planned suspension", id: id.to_string() };
        let planned = self.0.store.planned(id).await?.ok_or_else(not_found)?;
        if self.forget(&planned).await? { Ok(()) } else { Err(not_found()) }
    }

    async fn forget(&self, planned: &Planned) -> Result<bool, Error> {
        let changes = vec![Change::new("executionDate", Some(planned.due.to_string()), None)];
        let operation = match from_json(planned) {
            Ok(plan) => plan.suspension.operation(changes),
            Err(_) => Suspension::of(Suspended::ProcessDefinitions, true).operation(changes),
        };
        let operations = self.logged(Operation { verb: "Delete", ..operation });
        Ok(self.0.store.end_plan(&CarriedOut { id: planned.id, then: Vec::new() }, &operations).await?)
    }

    /// Whether nothing older keeps this one. Older ones that have failed and that it covers go.
    async fn is_next(&self, planned: &Planned, now: i64) -> Result<bool, Error> {
        // Nobody knows what it is for: it has its turn, and fails.
        let Ok(Plan { suspension, .. }) = from_json(planned) else { return Ok(true) };
        let mut kept = None;
        for older in self.0.store.plans_before(planned).await? {
            let Ok(of_older) = from_json(&older) else { continue };
            if !suspension.touches(&of_older.suspension) {
                continue;
            }
            let goes = older.attempts > 0 && suspension.covers(&of_older.suspension);
            if goes && self.0.store.lock_plan(older.id, Some(i64::MAX)).await?.is_some() {
                tracing::warn!(plan = %older.id, newer = %planned.id, "what was planned and could not be done is not tried again: a later plan takes its place");
                self.forget(&older).await?;
            } else {
                kept = kept.max(older.next.map(|next| (next, older.id)));
            }
        }
        if let Some((next, older)) = kept.filter(|(next, _)| *next > now) {
            self.0.store.hold_back_plan(planned.id, older, next).await?;
        }
        Ok(kept.is_none())
    }

    /// Does what was planned, or what is next of it.
    async fn carry_out(&self, planned: &Planned) -> Result<Outcome, Error> {
        let plan = from_json(planned)?;
        let suspension = &plan.suspension;
        let now = self.now();
        // Where a plan is carried out before its date, what it leaves is due at once: whatever becomes of this host, and before what is
        // planned meanwhile.
        let then = |suspension: Suspension| Planned {
            id: Uuid::now_v7(),
            due: planned.due.min(now),
            definition_id: suspension.process_definition_id.clone(),
            change: to_json(&Plan::new(suspension)),
            ..planned.clone()
        };
        let is_done = CarriedOut { id: planned.id, then: Vec::new() };
        let rows = self.0.store.definitions(suspension.filter(), Page::ALL, &[]).await?;
        let ends = match (suspension.what, &rows[..]) {
            (_, []) => {
                tracing::info!(plan = %planned.id, "what was to be suspended or activated is not there any more");
                self.0.store.end_plan(&is_done, &[]).await?;
                is_done
            }
            (Suspended::ProcessDefinitions, [one]) => {
                let left = Suspension { what: Suspended::ProcessInstances, ..of(suspension, one) };
                let left = suspension.include.then(|| then(left));
                let ends = CarriedOut { then: left.into_iter().collect(), ..is_done };
                self.suspend_definition_row(one, suspension.suspended, Extent::including(suspension.include), Some(&ends)).await?;
                ends
            }
            (Suspended::ProcessInstances, [one]) => {
                let input = if suspension.suspended { Input::Suspend } else { Input::Activate };
                let all = self.0.store.instances_to_suspend(&one.id, suspension.suspended).await?;
                let all = all.into_iter().map(|id| (id, vec![input.clone()])).collect();
                return self.visit(planned, plan, all).await;
            }
            (Suspended::ProcessDefinitions | Suspended::ProcessInstances, several) => {
                let ends = CarriedOut { then: several.iter().map(|row| then(of(suspension, row))).collect(), ..is_done };
                self.0.store.end_plan(&ends, &[]).await?;
                ends
            }
            (Suspended::JobDefinitions, _) => {
                let which = self.meant(suspension).await?;
                let left = suspension.include.then(|| then(Suspension { what: Suspended::Jobs, ..suspension.clone() }));
                let ends = CarriedOut { then: left.into_iter().collect(), ..is_done };
                self.suspend_job_definitions_as(&which, suspension.suspended, Extent::including(suspension.include), Some(&ends)).await?;
                ends
            }
            (Suspended::Jobs, _) => {
                let all = self.jobs_to_suspend(&self.meant(suspension).await?, suspension.suspended).await?;
                return self.visit(planned, plan, all).await;
            }
        };
        Ok(Outcome::Done(ends.then.iter().map(|it| it.id).collect()))
    }

    /// Changes instances that are not yet as they should be: those that have not had their turn, and those that have failed. What was
    /// changed by hand after its turn stays so.
    async fn visit(&self, planned: &Planned, mut plan: Plan, mut all: BTreeMap<Uuid, Vec<Input>>) -> Result<Outcome, Error> {
        all.retain(|id, _| plan.after.is_none_or(|after| *id > after) || plan.failed.contains(id));
        plan.failed.retain(|id| all.contains_key(id));
        let mut reason = String::new();
        for (n, (id, inputs)) in all.into_iter().enumerate() {
            if n > 0 && n % CHUNK == 0 && !self.0.store.save_plan(planned.id, &to_json(&plan)).await? {
                return Ok(Outcome::Stopped);
            }
            let done = if self.is_ending() { Ok(()) } else { self.change(InstanceId(id), inputs).await };
            if self.is_ending() {
                // A unit that was under way may be done: then this instance is as it should be, whoever looks.
                self.0.store.save_plan(planned.id, &to_json(&plan)).await?;
                return Ok(Outcome::Stopped);
            }
            plan.had_its_turn(id, done.is_ok());
            if let Err(error) = done {
                tracing::error!(plan = %planned.id, instance = %id, "an instance could not be suspended or activated as planned: {error}");
                reason = format!("instance {id}: {error}");
            }
        }
        let failed = plan.failed.len() + plan.more;
        if failed == 0 {
            self.0.store.end_plan(&CarriedOut { id: planned.id, then: Vec::new() }, &[]).await?;
            return Ok(Outcome::Done(Vec::new()));
        }
        let is_mine = self.0.store.save_plan(planned.id, &to_json(&plan)).await?;
        let several = format!("{failed} instances are not done; the last: {reason}");
        Ok(if is_mine { Outcome::Failed(if failed > 1 { several } else { reason }) } else { Outcome::Stopped })
    }

    async fn change(&self, id: InstanceId, inputs: Vec<Input>) -> Result<(), Error> {
        for input in inputs {
            unless_gone(self.operate(id, input).await)?;
        }
        Ok(())
    }

    /// Whatever fails now says nothing of the plan.
    fn is_ending(&self) -> bool {
        self.0.executor.is_stopping() || !self.0.store.may_act()
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

    /// Carries out what is due. Answers how much was done of it.
    async fn carry_out_due(self: &Arc<Self>) -> Result<usize, Error> {
        if !self.store.may_act() {
            return Ok(0);
        }
        let mut done = 0;
        for planned in self.store.due_plans(self.clock.now_ms(), AT_ONCE).await? {
            if self.executor.is_stopping() {
                break;
            }
            let runtime = Runtime(self.clone(), None).on_behalf_of_planner(&planned);
            done += usize::from(runtime.carry_out_next(planned).await?);
        }
        Ok(done)
    }
}

impl Runtime {
    /// Carries out a plan that is due, if it is its turn and no other host is at it. Answers whether it is done.
    async fn carry_out_next(&self, planned: Planned) -> Result<bool, Error> {
        let _planning = self.0.planning.lock().await;
        let now = self.now();
        if !self.is_next(&planned, now).await? {
            return Ok(false);
        }
        let Some(planned) = self.0.store.lock_plan(planned.id, Some(now)).await? else { return Ok(false) };
        Ok(matches!(self.try_once(&planned).await?, Outcome::Done(_)))
    }

    /// Tries a plan that this host has locked. One that fails is put off.
    async fn try_once(&self, planned: &Planned) -> Result<Outcome, Error> {
        let reason = match self.carry_out(planned).await {
            Ok(Outcome::Failed(reason)) => reason,
            Ok(ended) => return Ok(ended),
            Err(_) if self.is_ending() => return Ok(Outcome::Stopped),
            Err(error) => error.to_string(),
        };
        let attempts = planned.attempts + 1;
        let next = (attempts < MAX_ATTEMPTS).then(|| self.now().saturating_add(pause(attempts)));
        let then = if next.is_some() { "is tried again" } else { "is given up" };
        tracing::error!(plan = %planned.id, attempts, "what was planned could not be done, and {then}: {reason}");
        let told: String = reason.chars().filter(|it| *it != '\0').take(MAX_FAILURE_CHARS).collect();
        self.0.store.put_off_plan(planned.id, next, &told).await?;
        Ok(Outcome::Failed(told))
    }
}

impl Plan {
    fn new(suspension: Suspension) -> Self {
        Self { suspension, after: None, failed: BTreeSet::new(), more: 0 }
    }

    /// From the first one on that failed and cannot be put down, nothing counts as having had its turn: all of it is looked at once more,
    /// with what was changed by hand meanwhile.
    fn had_its_turn(&mut self, id: Uuid, is_done: bool) {
        if is_done {
            self.failed.remove(&id);
        } else if self.failed.len() < MAX_FAILED || self.failed.contains(&id) {
            self.failed.insert(id);
        } else {
            self.more += 1;
        }
        if self.more == 0 {
            self.after = self.after.max(Some(id));
        }
    }
}

/// How long it is until what has failed so often is tried again.
fn pause(attempts: i64) -> i64 {
    let doubled = u32::try_from(attempts - 1).ok().and_then(|times| 2_i64.checked_pow(times));
    doubled.map_or(LONGEST_PAUSE_MS, |times| PAUSE_MS.saturating_mul(times).min(LONGEST_PAUSE_MS))
}

/// The same of one definition.
fn of(suspension: &Suspension, definition: &DefinitionRow) -> Suspension {
    Suspension { process_definition_id: Some(definition.id.clone()), process_definition_key: None, ..suspension.clone() }
}

fn to_json(plan: &Plan) -> String {
    serde_json::to_string(plan).expect("names and flags always serialise")
}

fn from_json(planned: &Planned) -> Result<Plan, Error> {
    serde_json::from_str(&planned.change).map_err(|error| Error::Damaged(format!("the plan {} cannot be read: {error}", planned.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_key(what: Suspended, include: bool, key: &str) -> Suspension {
        Suspension { process_definition_key: Some(key.into()), include, ..Suspension::of(what, true) }
    }

    fn of_id(what: Suspended, id: &str) -> Suspension {
        Suspension { process_definition_id: Some(id.into()), include: true, ..Suspension::of(what, true) }
    }

    #[test]
    fn plans_of_a_definition_know_each_other() {
        use Suspended::{JobDefinitions, Jobs, ProcessDefinitions, ProcessInstances};
        let all = of_key(ProcessDefinitions, true, "p");
        let (first, second) = (of_id(ProcessInstances, "p:1:a"), of_id(ProcessInstances, "p:2:b"));
        assert!(all.touches(&first) && first.touches(&all) && all.covers(&first) && !first.covers(&all));
        assert!(!first.touches(&second) && !first.covers(&second));
        assert!(!of_key(ProcessDefinitions, true, "q").touches(&first));
        assert!(!of_key(ProcessDefinitions, false, "p").covers(&first) && all.covers(&of_key(ProcessDefinitions, false, "p")));
        // Jobs are suspended with an instance, but not as it is.
        let jobs = of_id(Jobs, "p:1:a");
        assert!(all.touches(&jobs) && !all.covers(&jobs) && of_key(JobDefinitions, true, "p").covers(&jobs));
        let (of_acme, of_nobody) =
            (Suspension { tenant_id: Some("acme".into()), ..all.clone() }, Suspension { without_tenant_id: true, ..all.clone() });
        assert!(!of_acme.touches(&of_nobody) && !of_nobody.touches(&of_acme) && all.covers(&of_acme) && !of_acme.covers(&all));
        assert!(all.covers(&of_nobody) && !of_nobody.covers(&all));
        let one = Suspension { job_definition: Some(("a".into(), "timer".into())), ..jobs.clone() };
        assert!(jobs.covers(&one) && !one.covers(&jobs));
    }

    #[test]
    fn what_is_put_down_of_a_plan_fits_however_many_have_failed() {
        let mut plan = Plan::new(of_id(Suspended::ProcessInstances, "p:1:a"));
        let ids: Vec<_> = (1..=40_000).map(Uuid::from_u128).collect();
        for id in &ids {
            plan.had_its_turn(*id, false);
        }
        let stored = to_json(&plan);
        assert!(stored.len() < mandate_store::MAX_TEXT_BYTES, "{} bytes", stored.len());
        assert_eq!((plan.failed.len(), plan.more, plan.after), (MAX_FAILED, 30_000, Some(ids[MAX_FAILED - 1])));
        // The next attempt looks at all that is not put down, and comes to its end.
        let mut plan: Plan = serde_json::from_str(&stored).expect("it is read");
        assert_eq!(plan.more, 0);
        for id in &ids {
            plan.had_its_turn(*id, true);
        }
        assert_eq!((plan.failed.len() + plan.more, plan.after), (0, ids.last().copied()));
    }

    #[test]
    fn pauses_grow_up_to_an_hour() {
        let pauses: Vec<_> = [1, 2, 3, 9, 10, 1_000].map(|attempts| pause(attempts) / 1_000).into();
        assert_eq!(pauses, [10, 20, 40, 2_560, 3_600, 3_600]);
    }
}
