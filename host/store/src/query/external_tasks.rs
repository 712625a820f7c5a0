//! External tasks.

use std::collections::HashMap;

use uuid::Uuid;

use super::select::{Select, Sort, ascending, keys};
use super::variables::{In, VariableCondition, having};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::{Columns, Param, params};
use crate::external::FETCHABLE;
use crate::rows::ExternalTaskRow;

/// An external task in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalTaskListed {
    /// Its instance.
    pub instance: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The instance's business key.
    pub business_key: Option<String>,
    /// The instance is suspended.
    pub suspended: bool,
    /// The worker that fetched it last, if it was not given back.
    pub worker: Option<String>,
    /// Nobody fetches it before: the end of its lock, or of its rest after a failure.
    pub lock_until: i64,
    /// What the worker said at length about the last failure; it is not read for lists.
    pub details: Option<String>,
    /// The task.
    pub row: ExternalTaskRow,
}

/// Which external tasks.
#[derive(Clone, Debug, Default)]
pub struct ExternalTaskFilter {
    /// One of these.
    pub ids: Vec<(Uuid, i64)>,
    /// Of this topic.
    pub topic: Option<String>,
    /// Fetched last by this worker.
    pub worker: Option<String>,
    /// Locked (true) or not (false) at a moment.
    pub locked: Option<(bool, i64)>,
    /// Its lock ends before this.
    pub lock_until_before: Option<i64>,
    /// Its lock ends after this.
    pub lock_until_after: Option<i64>,
    /// With (true) or without (false) retries left.
    pub retries_left: Option<bool>,
    /// At one of these activities.
    pub activity_ids: Vec<String>,
    /// At this activity instance.
    pub execution: Option<(Uuid, i64)>,
    /// Of one of these instances.
    pub instances: Vec<Uuid>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of a definition with this name.
    pub definition_name: Option<String>,
    /// Of a definition with a name like this.
    pub definition_name_like: Option<String>,
    /// Of one of these definition keys.
    pub definition_keys: Vec<String>,
    /// With at least this priority.
    pub priority_from: Option<i64>,
    /// With at most this priority.
    pub priority_to: Option<i64>,
    /// Suspended (true) or active (false).
    pub suspended: Option<bool>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of an instance whose process has variables like these.
    pub variables: Vec<VariableCondition>,
}

/// What external tasks are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalTaskSort {
    /// Their id.
    Id,
    /// The end of their lock.
    LockUntil,
    /// Their instance.
    Instance,
    /// Their definition.
    DefinitionId,
    /// Their definition's key.
    DefinitionKey,
    /// Their tenant.
    Tenant,
    /// Their priority.
    Priority,
    /// When they were created.
    Created,
}

impl Sort for ExternalTaskSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id | Self::Instance => "external_task.instance_id",
            Self::LockUntil => "CASE WHEN external_task.worker_id IS NOT NULL THEN external_task.lock_until END",
            Self::DefinitionId => "external_task.definition_id",
            Self::DefinitionKey => "d.key",
            Self::Tenant => "external_task.tenant",
            Self::Priority => "external_task.priority",
            Self::Created => "external_task.created",
        }
    }
}

pub(super) const ROW: &str = "external_task.wait, external_task.activity, external_task.activity_id, external_task.topic, \
                              external_task.definition_id, external_task.priority, external_task.retries, external_task.failures, \
                              external_task.failure, external_task.created";

pub(super) fn row(columns: &mut Columns<'_>) -> Result<ExternalTaskRow, Error> {
    Ok(ExternalTaskRow {
        wait: columns.next()?,
        activity: columns.next()?,
        activity_id: columns.next()?,
        topic: columns.next()?,
        definition_id: columns.next()?,
        priority: columns.next()?,
        retries: columns.next()?,
        failures: columns.next()?,
        failure: columns.next()?,
        created: columns.next()?,
    })
}

/// What an [`ExternalTaskListed`] is read from.
fn columns() -> String {
    columns_with("external_task.details")
}

const NO_DETAILS: &str = "CAST(NULL AS TEXT)";

/// The same without the details, behind how many bytes these have.
pub(crate) fn fetched_columns() -> String {
    let bytes = "COALESCE({pg:OCTET_LENGTH(external_task.details)}{lite:LENGTH(CAST(external_task.details AS BLOB))}, 0)";
    format!("CAST({bytes} AS BIGINT), {}", columns_with(NO_DETAILS))
}

fn columns_with(details: &str) -> String {
    format!(
        "external_task.instance_id, external_task.tenant, external_task.business_key, external_task.suspended, external_task.worker_id, \
         external_task.lock_until, {details}, {ROW}"
    )
}

pub(crate) fn read(columns: &mut Columns<'_>) -> Result<ExternalTaskListed, Error> {
    Ok(ExternalTaskListed {
        instance: columns.next()?,
        tenant: columns.next_tenant()?,
        business_key: columns.next()?,
        suspended: columns.next()?,
        worker: columns.next()?,
        lock_until: columns.next()?,
        details: columns.next()?,
        row: row(columns)?,
    })
}

const FROM: &str = "external_task JOIN definition d ON d.id = external_task.definition_id";

fn select(filter: ExternalTaskFilter) -> Select {
    let mut select = Select::new(FROM);
    select.numbered("external_task.instance_id", "external_task.wait", filter.ids);
    select.maybe("external_task.topic = $?", filter.topic);
    select.maybe("d.name = $?", filter.definition_name);
    select.like("d.name", filter.definition_name_like);
    select.maybe("external_task.worker_id = $?", filter.worker);
    match filter.locked {
        Some((true, now)) => select.with("external_task.worker_id IS NOT NULL AND external_task.lock_until > $?", now),
        Some((false, now)) => select.with("(external_task.worker_id IS NULL OR external_task.lock_until <= $?)", now),
        None => {}
    }
    select.maybe("external_task.worker_id IS NOT NULL AND external_task.lock_until < $?", filter.lock_until_before);
    select.maybe("external_task.worker_id IS NOT NULL AND external_task.lock_until > $?", filter.lock_until_after);
    match filter.retries_left {
        Some(true) => select.condition("(external_task.retries IS NULL OR external_task.retries > 0)"),
        Some(false) => select.condition("external_task.retries = 0"),
        None => {}
    }
    select.texts("external_task.activity_id", filter.activity_ids);
    if let Some(execution) = filter.execution {
        select.numbered("external_task.instance_id", "external_task.activity", vec![execution]);
    }
    select.uuids("external_task.instance_id", filter.instances);
    select.maybe("external_task.definition_id = $?", filter.definition_id);
    select.texts("d.key", filter.definition_keys);
    select.maybe("external_task.priority >= $?", filter.priority_from);
    select.maybe("external_task.priority <= $?", filter.priority_to);
    select.maybe("external_task.suspended = $?", filter.suspended);
    select.texts("external_task.tenant", filter.tenants);
    having(&mut select, "external_task.instance_id", In::Scope("1"), filter.variables);
    select
}

impl Reads {
    /// External tasks.
    pub async fn external_tasks(
        &self,
        filter: ExternalTaskFilter,
        page: Page,
        sort: &[(ExternalTaskSort, Order)],
    ) -> Result<Vec<ExternalTaskListed>, Error> {
        let ties = ["external_task.instance_id", "external_task.wait"];
        let columns = columns_with(NO_DETAILS);
        let rows = select(filter).large_rows(&self.pool, &columns, &keys(sort, &ties), page).await?;
        rows.iter().map(|row| read(&mut row.columns())).collect()
    }

    /// Which external tasks there are, up to so many of them, and nothing else of them.
    pub async fn external_task_names(&self, filter: ExternalTaskFilter, max: u32) -> Result<Vec<(Uuid, i64)>, Error> {
        let names = ["external_task.instance_id", "external_task.wait"];
        let rows = select(filter).rows(&self.pool, &names.join(", "), &ascending(&names), Page { first: 0, max }).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// What the workers of these tasks have said at length when they failed last.
    pub async fn external_task_details(&self, names: Vec<(Uuid, i64)>) -> Result<HashMap<(Uuid, i64), String>, Error> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let mut select = Select::new("external_task");
        select.numbered("external_task.instance_id", "external_task.wait", names);
        select.condition("external_task.details IS NOT NULL");
        let key = ["external_task.instance_id", "external_task.wait"];
        let rows = select.rows(&self.lookups, &format!("{}, external_task.details", key.join(", ")), &ascending(&key), Page::ALL).await?;
        rows.iter().map(|row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).collect()
    }

    /// How many there are.
    pub async fn count_external_tasks(&self, filter: ExternalTaskFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }

    /// The topics that there are tasks of, each once, in their order.
    pub async fn external_task_topics(&self, filter: ExternalTaskFilter) -> Result<Vec<String>, Error> {
        const TOPIC: &str = "external_task.topic";
        let rows = select(filter).rows(&self.pool, &format!("DISTINCT {TOPIC}"), &ascending(&[TOPIC]), Page::ALL).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// One external task.
    pub async fn external_task(&self, instance: Uuid, wait: i64) -> Result<Option<ExternalTaskListed>, Error> {
        let sql = format!("SELECT {} FROM external_task WHERE instance_id = $1 AND wait = $2", columns());
        self.lookups.fetch(&sql, params![instance, wait]).await?.first().map(|row| read(&mut row.columns())).transpose()
    }

    /// Whether anything of these topics could be fetched, without locking it.
    pub async fn has_external_tasks(&self, topics: Vec<String>, now: i64) -> Result<bool, Error> {
        let sql = format!("SELECT 1 FROM external_task e WHERE e.topic {{any_text:1}} AND {FETCHABLE} AND e.lock_until <= $2 LIMIT 1");
        Ok(!self.lookups.fetch(&sql, vec![Param::Texts(topics), Param::I64(now)]).await?.is_empty())
    }

    /// The worker that fetched a task last. None: nobody has it, or there is no such task.
    pub async fn external_task_worker(&self, instance: Uuid, wait: i64) -> Result<Option<String>, Error> {
        let sql = "SELECT worker_id FROM external_task WHERE instance_id = $1 AND wait = $2 AND worker_id IS NOT NULL";
        self.lookups.fetch(sql, params![instance, wait]).await?.first().map(|row| row.get(0)).transpose()
    }
}
