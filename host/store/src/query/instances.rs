//! Live process instances.

use uuid::Uuid;

use super::incidents::has_incident;
use super::lead::{First, Lead, of_definition};
use super::select::{Place, Select, Sort, ascending, keys};
use super::standing::{Told, stands_at};
use super::variables::{In, VariableCondition, having};
use super::{CallFilter, Order, Page, Reads};
use super::{external_tasks, incidents, jobs, subscriptions, tasks};
use crate::Error;
use crate::db::{Columns, Param, Row, params};
use crate::lease::HostRef;
use crate::rows::{ExternalTaskRow, IncidentRow, JobRow, PartRow, RunningJob, SubscriptionRow, TaskRow};

/// A live instance with its snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRow {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// What it runs.
    pub definition_id: String,
    /// The caller's name for it.
    pub business_key: Option<String>,
    /// When it was started.
    pub started_at: i64,
    /// Counts its units of work.
    pub revision: i64,
    /// The unit that made this revision.
    pub last_unit: Uuid,
    /// It is suspended.
    pub suspended: bool,
    /// The engine's.
    pub snapshot: Vec<u8>,
    /// The job that a host runs from memory.
    pub running: Option<RunningJob>,
    /// What is stored apart from the snapshot.
    pub parts: Vec<PartRow>,
}

/// A live instance in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceListed {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// What it runs.
    pub definition_id: String,
    /// The caller's name for it.
    pub business_key: Option<String>,
    /// When it was started.
    pub started_at: i64,
    /// Counts its units of work.
    pub revision: i64,
    /// It is suspended.
    pub suspended: bool,
    /// What it runs, by key.
    pub definition_key: String,
}

/// The rows beside a snapshot, each kind in the order of its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexRows {
    /// Its jobs.
    pub jobs: Vec<JobRow>,
    /// Its user tasks.
    pub tasks: Vec<TaskRow>,
    /// Its external tasks.
    pub external_tasks: Vec<ExternalTaskRow>,
    /// Its waits for messages.
    pub subscriptions: Vec<SubscriptionRow>,
    /// Its open incidents.
    pub incidents: Vec<IncidentRow>,
    /// What it has called: the instance, and the activity that waits for it. In the order of the instances.
    pub called: Vec<(Uuid, String)>,
}

/// Which instances.
#[derive(Clone, Debug, Default)]
pub struct InstanceFilter {
    /// One of these.
    pub ids: Vec<Uuid>,
    /// With this business key.
    pub business_key: Option<String>,
    /// With a business key like this.
    pub business_key_like: Option<String>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of this definition key.
    pub definition_key: Option<String>,
    /// Of one of these definition keys.
    pub definition_keys: Vec<String>,
    /// Of none of these definition keys.
    pub definition_keys_not: Vec<String>,
    /// Of a definition of this deployment.
    pub deployment_id: Option<String>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
    /// Of a definition of no tenant.
    pub definition_without_tenant: bool,
    /// Suspended (true) or active (false).
    pub suspended: Option<bool>,
    /// With an open incident.
    pub with_incident: bool,
    /// With this open incident: the instance and the incident's number.
    pub incident: Option<(Uuid, i64)>,
    /// With an open incident of this code.
    pub incident_code: Option<String>,
    /// With an open incident of any other code than this.
    pub incident_code_not: Option<String>,
    /// With an open incident with this message.
    pub incident_message: Option<String>,
    /// With an open incident with a message like this.
    pub incident_message_like: Option<String>,
    /// Standing at one of these activities.
    pub activity_ids: Vec<String>,
    /// Which calls they come from.
    pub calls: CallFilter,
    /// Started after this.
    pub started_after: Option<i64>,
    /// Started before this.
    pub started_before: Option<i64>,
    /// Whose process has variables like these.
    pub variables: Vec<VariableCondition>,
    /// And, for each of these, like it in at least one way.
    pub any: Vec<InstanceFilter>,
}

/// What instances are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceSort {
    /// Their id.
    Id,
    /// Their definition's key.
    DefinitionKey,
    /// Their definition.
    DefinitionId,
    /// Their tenant.
    Tenant,
    /// Their business key.
    BusinessKey,
    /// When they were started.
    StartedAt,
}

impl Sort for InstanceSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id => "i.id",
            Self::DefinitionKey => "d.key",
            Self::DefinitionId => "i.definition_id",
            Self::Tenant => "i.tenant",
            Self::BusinessKey => "i.business_key",
            Self::StartedAt => "i.started_at",
        }
    }
}

pub(super) const FULL: &str = "SELECT id, tenant, definition_id, business_key, started_at, revision, last_unit, suspended, snapshot, job_wait, job_activity, \
     job_activity_id, job_kind, job_due, job_retries, job_exclusive, job_priority, job_suspended, job_created, job_host, job_epoch, parts FROM instance";
const CALLED: &str = "SELECT id, super_activity FROM instance WHERE super_instance = $1 ORDER BY id";
const PARTS: &str = "SELECT activity, variable, bytes FROM instance_part WHERE instance_id = $1 ORDER BY activity, variable";

/// An instance as its row has it, and how many parts it has besides.
pub(super) fn instance(row: &Row) -> Result<(InstanceRow, i64), Error> {
    let mut columns = row.columns();
    let instance = InstanceRow {
        id: columns.next()?,
        tenant: columns.next_tenant()?,
        definition_id: columns.next()?,
        business_key: columns.next()?,
        started_at: columns.next()?,
        revision: columns.next()?,
        last_unit: columns.next()?,
        suspended: columns.next()?,
        snapshot: columns.next()?,
        running: running(&mut columns)?,
        parts: Vec::new(),
    };
    Ok((instance, columns.next()?))
}

/// The job in an instance's row.
fn running(columns: &mut Columns<'_>) -> Result<Option<RunningJob>, Error> {
    let (wait, activity): (Option<i64>, Option<i64>) = (columns.next()?, columns.next()?);
    let (activity_id, kind): (Option<String>, Option<String>) = (columns.next()?, columns.next()?);
    let (due, retries): (Option<i64>, Option<i64>) = (columns.next()?, columns.next()?);
    let (exclusive, priority): (Option<bool>, Option<i64>) = (columns.next()?, columns.next()?);
    let (suspended, created): (Option<bool>, Option<i64>) = (columns.next()?, columns.next()?);
    let (host, epoch): (Option<Uuid>, Option<i64>) = (columns.next()?, columns.next()?);
    let found = || {
        Some(RunningJob {
            wait: wait?,
            activity: activity?,
            activity_id: activity_id?,
            kind: kind?,
            due: due?,
            retries: retries?,
            exclusive: exclusive?,
            priority: priority.unwrap_or(0),
            suspended: suspended.unwrap_or(false),
            created: created?,
            holder: HostRef { id: host?, epoch: epoch? },
        })
    };
    Ok(found())
}

/// An instance with its parts, all of one moment. Whether they are all there, the snapshot says to who reads it.
fn whole(instances: &[Row], parts: &[Row]) -> Result<Option<InstanceRow>, Error> {
    let Some((mut found, _)) = instances.first().map(instance).transpose()? else { return Ok(None) };
    for row in parts {
        let mut columns = row.columns();
        found.parts.push(PartRow { activity: columns.next()?, variable: columns.next()?, bytes: columns.next()? });
    }
    Ok(Some(found))
}

/// Instances with their definitions.
const FROM: &str = "i LEFT JOIN definition d ON d.id = i.definition_id";

/// What lists show of them, from their table or from what is found first.
pub(super) fn places(lead: &Lead) -> Vec<Place> {
    match lead {
        Lead::All => vec![format!("instance {FROM}").into()],
        Lead::Suspended => vec![format!("(SELECT * FROM instance {{lite:INDEXED BY instance_suspended}} WHERE suspended) {FROM}").into()],
        Lead::Definitions(ids) => (1..=ids.len())
            .map(|at| {
                Place::from(format!("(SELECT * FROM instance x WHERE {}) {FROM}", of_definition("x", at)))
                    .led_by("i.definition_id")
                    .without(&["d.key", "i.definition_id"])
            })
            .collect(),
        Lead::OpenIncidents | Lead::Incidents | Lead::Standing(_) => lead
            .first()
            .iter()
            .map(|First { from, once }| {
                format!(
                    "(SELECT c.instance_id AS id, has.tenant, has.definition_id, has.business_key, has.started_at, has.revision, has.suspended, has.super_instance \
                     FROM {from} CROSS JOIN instance has WHERE has.id = c.instance_id AND {once}) {FROM}"
                )
                .into()
            })
            .collect(),
    }
}

fn select(mut filter: InstanceFilter, lead: &Lead, keeps_activities: bool) -> Select {
    let mut select = Select::with_params(places(lead), lead.params());
    if lead.overlaps() {
        select = select.overlapping("i.id");
    }
    let any = std::mem::take(&mut filter.any);
    conditions(&mut select, filter, keeps_activities);
    for filter in any {
        select.any(|select| conditions(select, filter, keeps_activities));
    }
    select
}

impl InstanceFilter {
    /// Whether all of them have an open incident, or have called what has.
    fn is_by_incident(&self) -> bool {
        let asked = [&self.incident_code, &self.incident_code_not, &self.incident_message, &self.incident_message_like];
        self.with_incident || asked.iter().any(|it| it.is_some())
    }

    /// Whether it is of few instances by itself.
    fn is_narrow(&self) -> bool {
        !self.ids.is_empty() || self.business_key.is_some() || self.incident.is_some() || self.calls.is_narrow()
    }

    /// What a list of them begins with, or a count, which has no order; what that says by itself is no condition any more.
    async fn lead(&mut self, reads: &Reads, sort: Option<&[(InstanceSort, Order)]>) -> Result<Lead, Error> {
        let by_definition = match sort {
            None => false,
            Some([]) => self.definition_id.is_some() || self.definition_key.is_some(),
            Some([(by, _), ..]) => matches!(by, InstanceSort::DefinitionKey | InstanceSort::DefinitionId),
        };
        if self.is_narrow() {
            return Ok(Lead::All);
        }
        let of_definitions = reads.definitions_asked(self.definition_id.as_ref(), self.definition_key.as_ref()).await?;
        let is_sorted = sort.is_some_and(|sort| sort.first().is_some_and(|(by, _)| *by != InstanceSort::Id));
        if !self.activity_ids.is_empty() {
            let standing = reads.standing(self.activity_ids.clone(), of_definitions.clone(), Told::InAnyWay, sort.is_some()).await?;
            if !is_sorted || !standing.is_much(reads).await? {
                self.activity_ids.clear();
                return Ok(Lead::Standing(standing));
            }
        }
        if self.is_by_incident() {
            self.with_incident = false;
            return Ok(Lead::OpenIncidents);
        }
        if self.suspended == Some(true) && sort.is_none_or(<[_]>::is_empty) {
            return Ok(Lead::Suspended);
        }
        if !by_definition {
            return Ok(Lead::All);
        }
        if of_definitions.is_some() {
            if self.definition_id.take().is_none() {
                self.definition_key = None;
            }
            return Ok(of_definitions.map_or(Lead::All, Lead::Definitions));
        }
        Ok(match self.definition_key {
            Some(_) => Lead::All,
            None => reads.definitions_of(None).await?.map_or(Lead::All, Lead::Definitions),
        })
    }
}

/// That an instance has an open incident for which this holds, or one of all that it has called.
pub(super) fn has_or_called(instance: &str, that: &str) -> String {
    format!(
        "({} OR EXISTS (WITH RECURSIVE below (id) AS (SELECT b.id FROM instance b WHERE b.super_instance = {instance} \
         UNION ALL SELECT b.id FROM below JOIN instance b ON b.super_instance = below.id) SELECT 1 FROM below WHERE {}))",
        has_incident(instance, that),
        has_incident("below.id", that)
    )
}

/// Each way of a filter is one condition.
fn conditions(select: &mut Select, filter: InstanceFilter, keeps_activities: bool) {
    select.uuids("i.id", filter.ids);
    select.maybe("i.business_key = $?", filter.business_key);
    select.like("i.business_key", filter.business_key_like);
    select.maybe("i.definition_id = $?", filter.definition_id);
    select.maybe("i.definition_id IN (SELECT k.id FROM definition k WHERE k.key = $?)", filter.definition_key);
    if !filter.definition_keys.is_empty() {
        select.texts("i.definition_id IN (SELECT k.id FROM definition k WHERE k.key", filter.definition_keys);
        select.close();
    }
    select.texts("NOT d.key", filter.definition_keys_not);
    select.maybe("d.deployment_id = $?", filter.deployment_id);
    select.tenants("i.tenant", filter.tenants, filter.without_tenant);
    select.when(filter.definition_without_tenant, "d.tenant = ''");
    // As the index of those that are says it.
    select.when(filter.suspended == Some(true), "i.suspended");
    select.when(filter.suspended == Some(false), "NOT i.suspended");
    // An incident of what an instance has called is one of its own, but for what it says.
    select.when(filter.with_incident, &has_or_called("i.id", "TRUE"));
    if let Some((instance, n)) = filter.incident {
        let numbered = format!("(i.id = $? AND {})", has_incident("i.id", "w.n = $?"));
        select.with_each(&numbered, [instance.into(), n.into(), n.into()]);
    }
    select.maybe(&has_or_called("i.id", "w.code = $?"), filter.incident_code);
    select.maybe(&has_or_called("i.id", "w.code <> $?"), filter.incident_code_not);
    select.maybe(&has_incident("i.id", "w.message = $?"), filter.incident_message);
    select.maybe(&has_incident("i.id", "w.message LIKE $? ESCAPE '\\'"), filter.incident_message_like);
    having(select, "i.id", In::Scope("1"), filter.variables);
    stands_at(select, "i.id", filter.activity_ids, keeps_activities);
    filter.calls.add(select, "i", "instance", "id");
    select.maybe("i.started_at > $?", filter.started_after);
    select.maybe("i.started_at < $?", filter.started_before);
}

const COLUMNS: &str = "i.id, i.tenant, i.definition_id, i.business_key, i.started_at, i.revision, i.suspended, d.key";

impl Reads {
    async fn list_of_instances(
        &self,
        mut filter: InstanceFilter,
        sort: &[(InstanceSort, Order)],
    ) -> Result<(Select, Vec<(String, &'static str)>), Error> {
        let lead = filter.lead(self, Some(sort)).await?;
        Ok((select(filter, &lead, self.keeps_activities), keys(sort, lead.ties())))
    }

    /// The statement of a list.
    #[cfg(test)]
    pub(crate) async fn instances_sql(&self, filter: InstanceFilter, page: Page, sort: &[(InstanceSort, Order)]) -> (String, Vec<Param>) {
        let (select, order) = self.list_of_instances(filter, sort).await.expect("read");
        select.statement(COLUMNS, &order, page)
    }

    /// Live instances.
    pub async fn instances(
        &self,
        filter: InstanceFilter,
        page: Page,
        sort: &[(InstanceSort, Order)],
    ) -> Result<Vec<InstanceListed>, Error> {
        let (select, order) = self.list_of_instances(filter, sort).await?;
        let rows = select.rows(&self.pool, COLUMNS, &order, page).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(InstanceListed {
                    id: columns.next()?,
                    tenant: columns.next_tenant()?,
                    definition_id: columns.next()?,
                    business_key: columns.next()?,
                    started_at: columns.next()?,
                    revision: columns.next()?,
                    suspended: columns.next()?,
                    definition_key: columns.next()?,
                })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_instances(&self, mut filter: InstanceFilter) -> Result<i64, Error> {
        let lead = filter.lead(self, None).await?;
        select(filter, &lead, self.keeps_activities).count(&self.pool).await
    }

    /// An instance with its snapshot.
    pub async fn load_instance(&self, id: Uuid) -> Result<Option<InstanceRow>, Error> {
        match self.gathered.instance(id).await? {
            Some((_, parts)) if parts > 0 => {
                let full = format!("{FULL} WHERE id = $1");
                let answers = self.lookups.snapshot(vec![(&full, params![id]), (PARTS, params![id])]).await?;
                let [instances, parts] = &answers[..] else { unreachable!("two statements have two answers") };
                whole(instances, parts)
            }
            found => Ok(found.map(|(instance, _)| instance)),
        }
    }

    /// Instances with their snapshots, in the order of their ids. Those that are not there are left out.
    pub async fn load_instances(&self, ids: Vec<Uuid>) -> Result<Vec<InstanceRow>, Error> {
        let rows = self.lookups.fetch(&format!("{FULL} WHERE id {{any_uuid:1}} ORDER BY id"), vec![Param::Uuids(ids)]).await?;
        self.with_parts(&rows).await
    }

    /// All instances in the order of their ids, `max` at a time. Also the id behind which there may be more: one that ended while it was
    /// looked at is not among them, and so a page may be empty that is not the last one.
    pub async fn instances_after(&self, after: Option<Uuid>, max: u32) -> Result<(Vec<InstanceRow>, Option<Uuid>), Error> {
        let sql = format!("{FULL} WHERE id > $1 ORDER BY id LIMIT $2");
        let rows = self.pool.fetch(&sql, params![after.unwrap_or(Uuid::nil()), i64::from(max)]).await?;
        let last = rows.last().filter(|_| rows.len() == max as usize).map(|row| row.get(0)).transpose()?;
        Ok((self.with_parts(&rows).await?, last))
    }

    /// Few instances have parts: those are read one by one. One that ended meanwhile is left out.
    async fn with_parts(&self, rows: &[Row]) -> Result<Vec<InstanceRow>, Error> {
        let mut instances = Vec::with_capacity(rows.len());
        for row in rows {
            let (instance, parts) = instance(row)?;
            if parts == 0 {
                instances.push(instance);
            } else {
                instances.extend(self.load_instance(instance.id).await?);
            }
        }
        Ok(instances)
    }

    /// The ids of all live instances that a filter finds, in their order.
    pub async fn instance_ids(&self, mut filter: InstanceFilter) -> Result<Vec<Uuid>, Error> {
        let lead = filter.lead(self, None).await?;
        let select = select(filter, &lead, self.keeps_activities);
        let rows = select.rows(&self.pool, "i.id", &ascending(&["i.id"]), Page::ALL).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The ids of a definition's instances that are not suspended (true), or not active with all their jobs (false).
    pub async fn instances_to_suspend(&self, definition_id: &str, suspended: bool) -> Result<Vec<Uuid>, Error> {
        let sql = "SELECT i.id FROM instance i WHERE i.definition_id = $1 AND (i.suspended <> $2 OR (NOT $2 AND (COALESCE(i.job_suspended, FALSE) \
                   OR EXISTS (SELECT 1 FROM job j WHERE j.instance_id = i.id AND j.suspended)))) ORDER BY i.id";
        let rows = self.pool.fetch(sql, params![definition_id, suspended]).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// An instance with the rows beside its snapshot, all of one moment.
    pub async fn instance_with_rows(&self, id: Uuid) -> Result<Option<(InstanceRow, IndexRows)>, Error> {
        let full = format!("{FULL} WHERE id = $1");
        let of = |columns: &str, table: &str, n: &str| format!("SELECT {columns} FROM {table} WHERE {table}.instance_id = $1 ORDER BY {n}");
        let jobs = format!("SELECT {} FROM any_job job WHERE job.instance_id = $1 ORDER BY wait", jobs::ROW);
        let tasks = of(tasks::ROW, "task", "wait");
        let external_tasks = of(external_tasks::ROW, "external_task", "wait");
        let subscriptions = of(subscriptions::ROW, "subscription", "wait");
        let incidents = of(&incidents::columns(), "incident", "n");
        let statements =
            [full.as_str(), PARTS, &jobs, &tasks, &external_tasks, &subscriptions, &incidents, CALLED].map(|sql| (sql, params![id])).into();
        let answers = self.pool.snapshot(statements).await?;
        let [instances, parts, jobs, tasks, external_tasks, subscriptions, incidents, called] = &answers[..] else {
            unreachable!("eight statements have eight answers")
        };
        let Some(found) = whole(instances, parts)? else { return Ok(None) };
        let rows = IndexRows {
            jobs: jobs.iter().map(|row| jobs::row(&mut row.columns())).collect::<Result<_, _>>()?,
            tasks: tasks.iter().map(|row| tasks::row(&mut row.columns())).collect::<Result<_, _>>()?,
            external_tasks: external_tasks.iter().map(|row| external_tasks::row(&mut row.columns())).collect::<Result<_, _>>()?,
            subscriptions: subscriptions.iter().map(|row| subscriptions::row(&mut row.columns())).collect::<Result<_, _>>()?,
            incidents: incidents.iter().map(|row| incidents::row(&mut row.columns())).collect::<Result<_, _>>()?,
            called: called.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<_, Error>>()?,
        };
        Ok(Some((found, rows)))
    }
}
