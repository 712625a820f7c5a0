//! Live process instances.

use uuid::Uuid;

use super::incidents::CALLERS;
use super::select::{Place, Select, Sort, ascending, keys};
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

/// That an instance is one of the definition that this parameter names. See [`Place::led_by`]; SQLite reads the right index by `=` only.
pub(super) fn of_definition(instance: &str, param: usize) -> String {
    let id = format!("{instance}.definition_id");
    format!("{{pg:{id} >= ${param} AND {id} <= ${param}}}{{lite:{id} = ${param}}}")
}

/// Where the ids of instances with an incident are, `c`, each once, and which of them another place has: those with one of their own, those
/// to which a signal could not be delivered, and those that have called one of either. Incidents may be few among very many instances, or
/// very many: so they are read in their order, as many as it takes.
pub(super) const WITH_INCIDENT: [(&str, &str); 3] = [
    ("incident c", "EXISTS (SELECT 1 FROM incident p WHERE p.instance_id = c.instance_id AND p.n < c.n)"),
    (
        "(SELECT DISTINCT u.instance_id FROM undelivered_incident u) c",
        "EXISTS (SELECT 1 FROM incident p WHERE p.instance_id = c.instance_id)",
    ),
    (CALLERS, "EXISTS (SELECT 1 FROM any_incident p WHERE p.instance_id = c.instance_id)"),
];

/// Instances of a key are looked for at each of its definitions, if these are so many at the most: each gives its first ones in order. Of
/// more they are all looked at.
const MOST_DEFINITIONS: usize = 32;

fn select(mut filter: InstanceFilter, of_definitions: Option<Vec<String>>, keeps_activities: bool) -> Select {
    let mut select = if filter.is_by_incident() {
        filter.with_incident = false;
        let place = |(ids, elsewhere)| {
            format!(
                "(SELECT c.instance_id AS id, has.tenant, has.definition_id, has.business_key, has.started_at, has.revision, has.suspended, has.super_instance \
                 FROM {ids} CROSS JOIN instance has WHERE has.id = c.instance_id AND NOT {elsewhere}) {FROM}"
            )
        };
        Select::of(WITH_INCIDENT.map(place).to_vec())
    } else if let Some(ids) = of_definitions {
        filter.definition_id = None;
        let place =
            |at| Place::from(format!("(SELECT * FROM instance x WHERE {}) {FROM}", of_definition("x", at))).led_by("i.definition_id");
        Select::with_params((1..=ids.len()).map(place).collect(), ids.into_iter().map(Param::from).collect())
    } else {
        Select::of(vec![format!("instance {FROM}")])
    };
    let any = std::mem::take(&mut filter.any);
    conditions(&mut select, filter, keeps_activities);
    for filter in any {
        select.any(|select| conditions(select, filter, keeps_activities));
    }
    select
}

impl InstanceFilter {
    /// Whether all of them have an incident, or have called what has.
    fn is_by_incident(&self) -> bool {
        self.with_incident || self.incident_code.is_some() || self.incident_code_not.is_some()
    }

    /// Whether they are told in the order in which they began, which an index has for each definition; as a rule that is the order of their
    /// ids.
    fn is_by_start(&self, sort: &[(InstanceSort, Order)]) -> bool {
        sort.is_empty() && !self.is_by_incident() && (self.definition_id.is_some() || self.definition_key.is_some())
    }
}

/// Incidents of all that an instance has called.
const BELOW: &str = "WITH RECURSIVE below (id) AS (SELECT b.id FROM instance b WHERE b.super_instance = i.id \
                     UNION ALL SELECT b.id FROM below JOIN instance b ON b.super_instance = below.id) \
                     SELECT 1 FROM below JOIN any_incident c ON c.instance_id = below.id WHERE TRUE";

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
    select.maybe("i.suspended = $?", filter.suspended);
    let incident = |condition: &str| format!("EXISTS (SELECT 1 FROM any_incident c WHERE c.instance_id = i.id{condition})");
    // An incident of what an instance has called is one of its own, but for what it says.
    let or_called = |condition: &str| format!("({} OR EXISTS ({BELOW}{condition}))", incident(condition));
    select.when(filter.with_incident, &or_called(""));
    if let Some(id) = filter.incident {
        select.exists("any_incident c", |select| {
            select.condition("c.instance_id = i.id");
            select.numbered("c.instance_id", "c.n", vec![id]);
        });
    }
    select.maybe(&or_called(" AND c.code = $?"), filter.incident_code);
    select.maybe(&or_called(" AND c.code <> $?"), filter.incident_code_not);
    select.maybe(&incident(" AND c.message = $?"), filter.incident_message);
    select.maybe(&incident(" AND c.message LIKE $? ESCAPE '\\'"), filter.incident_message_like);
    having(select, "i.id", In::Scope("1"), filter.variables);
    stands_at(select, "i.id", filter.activity_ids, keeps_activities);
    filter.calls.add(select, "i", "instance", "id");
    select.maybe("i.started_at > $?", filter.started_after);
    select.maybe("i.started_at < $?", filter.started_before);
}

/// Waits tell where tokens stand, also before and behind an element; what triggers an event is not such a place. History, where it is kept,
/// knows scopes and joins as well.
pub(super) fn stands_at(select: &mut Select, instance: &str, activity_ids: Vec<String>, keeps_activities: bool) {
    if activity_ids.is_empty() {
        return;
    }
    let open = if keeps_activities {
        " UNION ALL SELECT a.instance_id, e.activity_id FROM history_activity a CROSS JOIN element e WHERE e.id = a.element AND a.ended_at IS NULL"
    } else {
        ""
    };
    let condition = format!(
        "EXISTS (SELECT 1 FROM (SELECT instance_id, activity_id FROM task UNION ALL SELECT instance_id, activity_id FROM external_task \
         UNION ALL SELECT instance_id, activity_id FROM subscription WHERE NOT of_event \
         UNION ALL SELECT super_instance, super_activity FROM instance WHERE super_instance IS NOT NULL \
         UNION ALL SELECT instance_id, activity_id FROM any_job WHERE kind <> 'event-timer'{open}) w \
         WHERE w.instance_id = {instance} AND w.activity_id"
    );
    select.texts(&condition, activity_ids);
    select.close();
}

/// The statement of a list of instances, of these definitions if any are given.
pub(crate) fn instances_sql(
    filter: InstanceFilter,
    of_definitions: Option<Vec<String>>,
    page: Page,
    sort: &[(InstanceSort, Order)],
    keeps_activities: bool,
) -> (String, Vec<Param>) {
    let columns = "i.id, i.tenant, i.definition_id, i.business_key, i.started_at, i.revision, i.suspended, d.key";
    let by_start = [(InstanceSort::StartedAt, Order::Asc)];
    let sort = if filter.is_by_start(sort) { &by_start } else { sort };
    select(filter, of_definitions, keeps_activities).statement(columns, &keys(sort, &["i.id"]), page)
}

impl Reads {
    /// Live instances.
    pub async fn instances(
        &self,
        filter: InstanceFilter,
        page: Page,
        sort: &[(InstanceSort, Order)],
    ) -> Result<Vec<InstanceListed>, Error> {
        let ids = match (&filter.definition_id, &filter.definition_key) {
            _ if !filter.is_by_start(sort) => None,
            (Some(id), _) => Some(vec![id.clone()]),
            (None, Some(key)) => self.definitions_of(key).await?,
            (None, None) => None,
        };
        if ids.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let (sql, params) = instances_sql(filter, ids, page, sort, self.keeps_activities);
        let rows = self.pool.fetch(&sql, params).await?;
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

    /// The definitions of a key, if there are not too many to ask each by itself.
    pub(super) async fn definitions_of(&self, key: &str) -> Result<Option<Vec<String>>, Error> {
        let rows = self.pool.fetch("SELECT id FROM definition WHERE key = $1 ORDER BY id", params![key]).await?;
        (rows.len() <= MOST_DEFINITIONS).then(|| rows.iter().map(|row| row.get(0)).collect()).transpose()
    }

    /// How many there are.
    pub async fn count_instances(&self, filter: InstanceFilter) -> Result<i64, Error> {
        select(filter, None, self.keeps_activities).count(&self.pool).await
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
    pub async fn instance_ids(&self, filter: InstanceFilter) -> Result<Vec<Uuid>, Error> {
        let select = select(filter, None, self.keeps_activities);
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
