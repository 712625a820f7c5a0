//! Jobs as operators see them.

use uuid::Uuid;

use super::select::{Select, Sort, ascending, keys, large_rows};
use super::{Order, Page, Reads};
use crate::Error;
use crate::claim::candidates::{PRIORITIZED, UNPRIORITIZED};
use crate::db::{Columns, Param, params};
use crate::job_definitions::JobDefinitionName;
use crate::rows::JobRow;

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobListed {
    /// Its instance; of a timer start event, or of a signal that starts one, what names it among others.
    pub instance: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The instance's definition, by key.
    pub definition_key: String,
    /// The name of the host that has it locked.
    pub locked_by: Option<String>,
    /// Hosts that died while they ran it.
    pub takeovers: i64,
    /// The job.
    pub row: JobRow,
}

/// Which jobs.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// One of these.
    pub ids: Vec<(Uuid, i64)>,
    /// Of one of these instances.
    pub instances: Vec<Uuid>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of this definition key.
    pub definition_key: Option<String>,
    /// Of this job definition.
    pub job_definition: Option<JobDefinitionName>,
    /// At this activity.
    pub activity_id: Option<String>,
    /// Of this activity instance.
    pub execution: Option<(Uuid, i64)>,
    /// That a host has locked.
    pub acquired: bool,
    /// At an activity that failed and is this one.
    pub failed_activity_id: Option<String>,
    /// With retries left.
    pub with_retries_left: bool,
    /// Without retries left.
    pub no_retries_left: bool,
    /// Due, with retries left and not suspended, at this moment.
    pub executable_at: Option<i64>,
    /// Of at least this priority.
    pub priority_from: Option<i64>,
    /// Of at most this priority.
    pub priority_to: Option<i64>,
    /// Timers only.
    pub timers: bool,
    /// Asynchronous continuations only.
    pub messages: bool,
    /// That have failed.
    pub with_exception: bool,
    /// With this failure message.
    pub exception_message: Option<String>,
    /// Due before this.
    pub due_before: Option<i64>,
    /// Due after this.
    pub due_after: Option<i64>,
    /// Created before this moment or in it, as Camunda 7 counts.
    pub created_before: Option<i64>,
    /// Created after this.
    pub created_after: Option<i64>,
    /// Suspended (true) or active (false).
    pub suspended: Option<bool>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
}

/// What jobs are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobSort {
    /// Their id.
    Id,
    /// Their instance.
    Instance,
    /// Their definition.
    DefinitionId,
    /// Their definition's key.
    DefinitionKey,
    /// Their retries.
    Retries,
    /// When they are due.
    Due,
    /// Their priority.
    Priority,
    /// Their tenant.
    Tenant,
}

impl Sort for JobSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id | Self::Instance => "job.instance_id",
            Self::DefinitionId => "job.definition_id",
            Self::DefinitionKey => "d.key",
            Self::Retries => "job.retries",
            Self::Due => "job.due",
            Self::Priority => "job.priority",
            Self::Tenant => "i.tenant",
        }
    }
}

pub(super) const ROW: &str = "job.wait, job.activity, job.activity_id, job.kind, job.definition_id, job.due, job.retries, job.failures, \
                              job.exclusive, job.priority, job.suspended, job.behind, job.created, job.failure, job.failed_activity, job.locked_by IS NOT NULL";

pub(super) fn row(columns: &mut Columns<'_>) -> Result<JobRow, Error> {
    Ok(JobRow {
        wait: columns.next()?,
        activity: columns.next()?,
        activity_id: columns.next()?,
        kind: columns.next()?,
        definition_id: columns.next()?,
        due: columns.next()?,
        retries: columns.next()?,
        failures: columns.next()?,
        exclusive: columns.next()?,
        priority: columns.next()?,
        suspended: columns.next()?,
        behind: columns.next()?,
        created: columns.next()?,
        failure: columns.next()?,
        failed_activity: columns.next()?,
        locked: columns.next()?,
    })
}

/// Jobs with what else a list tells of them. A cross join, as in the other lists of this folder, for SQLite's sake: it looks at tables in
/// their order here, and so comes to rows in the order of the first one's indexes.
const BESIDE: &str = "job {pg:JOIN}{lite:CROSS JOIN} instance i ON i.id = job.instance_id LEFT JOIN definition d ON d.id = job.definition_id \
                      LEFT JOIN host h ON h.id = job.locked_by";

/// Jobs with nothing else.
const ALONE: &str = "job";

/// The jobs that stand in their instances' rows, as rows of the table of jobs.
const RUNNING: &str = "SELECT id AS instance_id, job_wait AS wait, job_activity AS activity, job_activity_id AS activity_id, job_kind AS kind, \
                       definition_id, job_due AS due, job_retries AS retries, 0 AS failures, job_exclusive AS exclusive, \
                       COALESCE(job_priority, 0) AS priority, FALSE AS behind, job_created AS created, CAST(NULL AS TEXT) AS failure, CAST(NULL AS TEXT) AS failed_activity, \
                       suspended OR COALESCE(job_suspended, FALSE) AS suspended, job_host AS locked_by, 0 AS takeovers FROM instance";

/// The kind of a job that is a timer start event's: it has no instance.
pub const START_TIMER: &str = "start-timer";

/// The same of timer start events, each as a job of itself.
const FROM_START_TIMERS: &str = "(SELECT t.id AS instance_id, t.firing AS wait, 0 AS activity, t.activity_id, 'start-timer' AS kind, t.definition_id, \
                                 t.due, t.retries, t.failures, TRUE AS exclusive, t.priority, FALSE AS behind, t.created, t.failure, \
                                 t.failed_activity, td.suspended OR t.suspended AS suspended, t.locked_by, 0 AS takeovers \
                                 FROM start_timer t JOIN definition td ON td.id = t.definition_id) job \
                                 {pg:JOIN}{lite:CROSS JOIN} (SELECT s.id, sd.tenant FROM start_timer s JOIN definition sd ON sd.id = s.definition_id) i \
                                 ON i.id = job.instance_id \
                                 LEFT JOIN definition d ON d.id = job.definition_id LEFT JOIN host h ON h.id = job.locked_by";

/// The kind of a job that is the delivery of a signal. It is listed once it has failed.
pub const DELIVERY: &str = "delivery";

/// The same of deliveries, each as a job of its receiver; of an instance that it starts there is none yet.
const FROM_DELIVERIES: &str = "(SELECT COALESCE(t.instance_id, t.signal) AS instance_id, t.n AS wait, COALESCE(t.activity, 0) AS activity, t.activity_id, \
                               'delivery' AS kind, t.definition_id, t.due, t.retries, t.failures, TRUE AS exclusive, 0 AS priority, FALSE AS behind, t.created, \
                               t.failure, t.failed_activity, COALESCE(ti.suspended, td.suspended) AS suspended, t.locked_by, \
                               0 AS takeovers FROM delivery t JOIN definition td ON td.id = t.definition_id \
                               LEFT JOIN instance ti ON ti.id = t.instance_id WHERE t.failures > 0) job \
                               {pg:JOIN}{lite:CROSS JOIN} (SELECT COALESCE(s.instance_id, s.signal) AS id, s.n, COALESCE(si.tenant, sd.tenant) AS tenant \
                               FROM delivery s JOIN definition sd ON sd.id = s.definition_id LEFT JOIN instance si ON si.id = s.instance_id \
                               WHERE s.failures > 0) i ON i.id = job.instance_id AND i.n = job.wait \
                               LEFT JOIN definition d ON d.id = job.definition_id LEFT JOIN host h ON h.id = job.locked_by";

/// The jobs of timers.
const TIMERS: &str = "job.kind IN ('timer', 'event-timer', 'start-timer')";

/// The predicate of the indexes `job_failed` and `job_failed_due`.
const FAILED: &str = "j.retries = 0";

/// The predicate of the index `job_failure`.
const FAILURE: &str = "j.failure IS NOT NULL";

/// The predicate of the index `job_suspended`.
const SUSPENDED: &str = "j.suspended";

/// Which rows of the table of jobs are in which of its indexes by the due date; together they are all rows. The last have no such index:
/// what runs and what is behind another job.
const BY_DUE: [&str; 5] = [
    UNPRIORITIZED,
    PRIORITIZED,
    FAILED,
    "j.suspended AND j.retries > 0",
    "NOT j.suspended AND j.retries > 0 AND (j.locked_by IS NOT NULL OR j.behind)",
];

impl JobFilter {
    /// Whether it names instances: what they have is found by them.
    fn of_instances(&self) -> bool {
        !self.ids.is_empty() || !self.instances.is_empty() || self.execution.is_some()
    }

    /// Whether what it asks for is found by an index that has the due date, in whose order it is told if no other is asked for.
    fn of_due(&self) -> bool {
        let dated = self.executable_at.is_some() || self.due_before.is_some() || self.due_after.is_some();
        !self.of_instances() && (dated || self.no_retries_left || self.with_exception || self.suspended == Some(true))
    }

    /// Which rows of the table of jobs are looked at, one part after the other, each by an index of its own; none: all of them.
    fn parts(&self, by_due: bool) -> Vec<&'static str> {
        if self.of_instances() {
            Vec::new()
        } else if self.no_retries_left {
            vec![FAILED]
        } else if self.with_exception || self.exception_message.is_some() {
            vec![FAILURE]
        } else if self.suspended == Some(true) {
            vec![SUSPENDED]
        } else if self.executable_at.is_some() {
            vec![BY_DUE[0], BY_DUE[1], BY_DUE[4]]
        } else if by_due {
            BY_DUE.to_vec()
        } else {
            Vec::new()
        }
    }

    /// Whether it asks for nothing but what jobs have themselves.
    fn is_of_jobs_alone(&self) -> bool {
        self.tenants.is_empty() && !self.without_tenant && self.executable_at.is_none()
    }
}

/// Where the jobs of instances are: `jobs` is them, with or without what is told beside them.
fn of_instances(filter: &JobFilter, by_due: bool, jobs: &str) -> Vec<String> {
    // SQLite, which keeps no statistics, would rather read all instances in their order than the few that have such a job.
    let index = if filter.of_instances() { "" } else { " {lite:INDEXED BY instance_job}" };
    let running = format!("({RUNNING}{index} WHERE job_host IS NOT NULL) {jobs}");
    let mut places: Vec<String> = filter.parts(by_due).iter().map(|part| format!("(SELECT j.* FROM job j WHERE {part}) {jobs}")).collect();
    if places.is_empty() {
        places.push(jobs.to_owned());
    }
    places.push(running);
    places
}

fn select(filter: JobFilter, by_due: bool, jobs: &str) -> Select {
    let mut places = of_instances(&filter, by_due, jobs);
    places.extend([FROM_START_TIMERS, FROM_DELIVERIES].map(str::to_owned));
    select_of(places, filter)
}

fn select_of(places: Vec<String>, filter: JobFilter) -> Select {
    let mut select = Select::of(places);
    select.numbered("job.instance_id", "job.wait", filter.ids);
    select.uuids("job.instance_id", filter.instances);
    select.maybe("job.definition_id = $?", filter.definition_id);
    select.maybe("job.definition_id IN (SELECT k.id FROM definition k WHERE k.key = $?)", filter.definition_key);
    if let Some(JobDefinitionName { definition_id, activity_id, kind }) = filter.job_definition {
        select.with("job.definition_id = $?", definition_id);
        select.with("job.activity_id = $?", activity_id);
        match kind.as_str() {
            "timer" => select.condition(TIMERS),
            _ => select.with("job.kind = $?", kind),
        }
    }
    select.maybe("job.activity_id = $?", filter.activity_id);
    select.numbered("job.instance_id", "job.activity", filter.execution.into_iter().collect());
    select.when(filter.acquired, "job.locked_by IS NOT NULL");
    select.maybe("COALESCE(job.failed_activity, job.activity_id) = $?", filter.failed_activity_id.clone());
    select.when(filter.failed_activity_id.is_some(), "job.failures > 0");
    select.when(filter.with_retries_left, "job.retries > 0");
    select.when(filter.no_retries_left, "job.retries = 0");
    select.maybe("job.due <= $? AND job.retries > 0 AND NOT job.suspended AND NOT d.suspended", filter.executable_at);
    select.maybe("job.priority <= $?", filter.priority_to);
    select.maybe("job.priority >= $?", filter.priority_from);
    select.when(filter.timers, TIMERS);
    select.when(filter.messages, "job.kind NOT IN ('timer', 'event-timer', 'start-timer')");
    select.when(filter.with_exception, "job.failure IS NOT NULL");
    select.maybe("job.failure = $?", filter.exception_message);
    select.maybe("job.due < $?", filter.due_before);
    select.maybe("job.due > $?", filter.due_after);
    select.maybe("job.created <= $?", filter.created_before);
    select.maybe("job.created > $?", filter.created_after);
    select.maybe("job.suspended = $?", filter.suspended);
    select.tenants("i.tenant", filter.tenants, filter.without_tenant);
    select
}

/// The statement of a list of jobs.
pub(crate) fn jobs_sql(filter: JobFilter, page: Page, sort: &[(JobSort, Order)]) -> (String, Vec<Param>) {
    let columns = format!("job.instance_id, i.tenant, d.key, h.name, job.takeovers, {ROW}");
    let by_due = [(JobSort::Due, Order::Asc)];
    let sort = if sort.is_empty() && filter.of_due() { &by_due } else { sort };
    let select = select(filter, sort.first().is_some_and(|(first, _)| *first == JobSort::Due), BESIDE);
    select.statement(&columns, &keys(sort, &["job.instance_id", "job.wait"]), page)
}

impl Reads {
    /// Jobs.
    pub async fn jobs(&self, filter: JobFilter, page: Page, sort: &[(JobSort, Order)]) -> Result<Vec<JobListed>, Error> {
        let rows = large_rows(&self.pool, jobs_sql(filter, page, sort), page).await?;
        rows.iter()
            .map(|found| {
                let mut columns = found.columns();
                Ok(JobListed {
                    instance: columns.next()?,
                    tenant: columns.next_tenant()?,
                    definition_key: columns.next()?,
                    locked_by: columns.next()?,
                    takeovers: columns.next()?,
                    row: row(&mut columns)?,
                })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_jobs(&self, filter: JobFilter) -> Result<i64, Error> {
        let jobs = if filter.is_of_jobs_alone() { ALONE } else { BESIDE };
        select(filter, false, jobs).count(&self.pool).await
    }

    /// Which jobs there are, and nothing else of them.
    pub async fn job_names(&self, filter: JobFilter) -> Result<Vec<(Uuid, i64)>, Error> {
        let order = ascending(&["job.instance_id", "job.wait"]);
        let rows = select(filter, false, BESIDE).rows(&self.pool, "job.instance_id, job.wait", &order, Page::ALL).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// The instances that have such jobs, in the order of their ids.
    pub async fn instances_with_jobs(&self, filter: JobFilter) -> Result<Vec<Uuid>, Error> {
        let select = select_of(of_instances(&filter, false, BESIDE), filter);
        let rows = select.rows(&self.pool, "job.instance_id", &ascending(&["job.instance_id"]), Page::ALL).await?;
        let mut ids = rows.iter().map(|row| row.get(0)).collect::<Result<Vec<Uuid>, _>>()?;
        ids.dedup();
        Ok(ids)
    }

    /// Which host holds which of an instance's jobs, by the host's name.
    pub async fn job_holders(&self, instance: Uuid) -> Result<Vec<(i64, String)>, Error> {
        let sql =
            "SELECT job.wait, h.name FROM any_job job JOIN host h ON h.id = job.locked_by WHERE job.instance_id = $1 ORDER BY job.wait";
        let rows = self.pool.fetch(sql, params![instance]).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }
}
