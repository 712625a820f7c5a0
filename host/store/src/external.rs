//! External tasks find a worker: fetched in batches, kept, given back. None of it touches an instance.
//!
//! Who has a task is a name that the worker gives, and until when; both are columns that only this file writes, but for a failure, which
//! says when the task is fetched again. A lock that has run out takes nothing from its worker by itself: only another worker that fetches
//! the task does. Units of work compare the name (`write.rs`), under a row lock that keeps others from fetching the task meanwhile.

use uuid::Uuid;

use crate::again::again;
use crate::batch::{Batch, Cell, Type, cells};
use crate::db::{Param, Row, params};
use crate::query::{ExternalTaskListed, Order, Page, fetched_columns, read_external_task};
use crate::rows::OperationRow;
use crate::write::operations;
use crate::{Error, Store};

/// A worker asks for tasks.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Whose they will be.
    pub worker: String,
    /// At most so many of all topics together.
    pub max: u32,
    /// Of which kinds.
    pub topics: Vec<FetchTopic>,
    /// By when they were created, instead of by when they could first have been fetched.
    pub by_created: Option<Order>,
    /// Those of a higher priority first. Without it they come so all the same unless another order is asked for: Camunda 7 promises none.
    pub by_priority: bool,
    /// The present moment.
    pub now: i64,
}

/// Which tasks of a topic, and for how long.
#[derive(Clone, Debug, Default)]
pub struct FetchTopic {
    /// The topic.
    pub topic: String,
    /// How long nobody else gets them, in milliseconds.
    pub lock_ms: i64,
    /// Only of instances with this business key.
    pub business_key: Option<String>,
    /// Only of one of these instances.
    pub instances: Option<Vec<Uuid>>,
    /// Only of one of these definitions.
    pub definition_ids: Vec<String>,
    /// Only of one of these definition keys.
    pub definition_keys: Vec<String>,
    /// Only of definitions with this version tag.
    pub version_tag: Option<String>,
    /// Only of instances of one of these tenants.
    pub tenants: Vec<String>,
    /// Only of instances of no tenant.
    pub without_tenant: bool,
}

/// A task that a worker has fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The task as it is now, without its details: it may have no room in the answer.
    pub task: ExternalTaskListed,
    /// How many bytes these have.
    pub details: usize,
    /// Its instance's revision; none: it has ended meanwhile.
    pub revision: Option<i64>,
}

/// What the change of a lock came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockChange {
    /// It is as it was asked for.
    Changed,
    /// There is no such task.
    Missing,
    /// Another worker has it, or none.
    NotHeld(Option<String>),
    /// The worker has it, but its lock ran out at this moment.
    Expired(i64),
}

/// What can be fetched: the same words as the index has, or it is not used.
pub(crate) const FETCHABLE: &str = "NOT e.suspended AND (e.retries IS NULL OR e.retries > 0)";

/// It comes before those that were created after it, as it did when it was fetched: if it went behind all others, some would never have
/// their turn where more are fetched than are kept.
static GIVE_BACK: Batch = Batch::new(
    "UPDATE external_task SET worker_id = NULL, lock_until = external_task.created FROM {rows} WHERE external_task.instance_id = v.instance_id \
     AND external_task.wait = v.wait AND external_task.worker_id = v.worker AND external_task.lock_until = v.lock_until",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("worker", Type::Text), ("lock_until", Type::I64)],
);

impl Store {
    /// Locks tasks for a worker, in one statement, and answers them in the order in which they are fetched. Tasks that somebody else is
    /// just fetching or completing are left to them.
    pub async fn fetch_external_tasks(&self, fetch: &Fetch) -> Result<Vec<Fetched>, Error> {
        if fetch.topics.is_empty() || fetch.max == 0 {
            return Ok(Vec::new());
        }
        let (sql, params) = fetch_sql(fetch);
        let rows = self.inner().jobs.fetch(&sql, params).await?;
        let mut fetched = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        // What a statement returns has no order.
        fetched.sort_by_key(|it| {
            let (row, sign) = (&it.task.row, if fetch.by_created == Some(Order::Desc) { -1 } else { 1 });
            let priority = if fetch.by_priority || fetch.by_created.is_none() { row.priority } else { 0 };
            (std::cmp::Reverse(priority), row.created * sign, it.task.instance, row.wait)
        });
        Ok(fetched)
    }

    /// Instances of the tasks that a fetch would lock of a topic, in its order, one page of them; one with several tasks may come again.
    pub async fn fetchable_instances(&self, fetch: &Fetch, topic: &FetchTopic, page: Page) -> Result<Vec<Uuid>, Error> {
        let mut params = params![fetch.now, i64::from(page.max), i64::from(page.first)];
        let conditions = conditions(topic, 1, &mut params);
        let order = order(fetch);
        let sql = format!(
            "SELECT e.instance_id FROM external_task e WHERE {conditions} ORDER BY {order}, e.instance_id, e.wait LIMIT $2 OFFSET $3"
        );
        self.pool.fetch(&sql, params).await?.iter().map(|row| row.get(0)).collect()
    }

    /// Locks one task for a worker until a moment, unless another one's lock lasts.
    pub async fn lock_external_task(&self, instance: Uuid, wait: i64, worker: &str, now: i64, until: i64) -> Result<LockChange, Error> {
        let sql = "UPDATE external_task SET worker_id = $3, lock_until = $5 WHERE instance_id = $1 AND wait = $2 \
                   AND (worker_id IS NULL OR worker_id = $3 OR lock_until <= $4) RETURNING wait";
        self.change_lock(sql, params![instance, wait, worker, now, until], instance, wait, worker).await
    }

    /// Moves the end of a lock that lasts.
    pub async fn extend_external_task_lock(
        &self,
        instance: Uuid,
        wait: i64,
        worker: &str,
        now: i64,
        until: i64,
    ) -> Result<LockChange, Error> {
        let sql = "UPDATE external_task SET lock_until = $5 WHERE instance_id = $1 AND wait = $2 AND worker_id = $3 AND lock_until >= $4 \
                   RETURNING wait";
        self.change_lock(sql, params![instance, wait, worker, now, until], instance, wait, worker).await
    }

    /// Takes a task from whoever has it: anybody may fetch it now. `operations` says what an operator did, given who had it.
    pub async fn unlock_external_task(
        &self,
        instance: Uuid,
        wait: i64,
        now: i64,
        operations: impl FnOnce(Option<String>) -> Vec<OperationRow> + Send,
    ) -> Result<LockChange, Error> {
        let mut tx = self.inner().jobs.begin().await?;
        let sql = "SELECT worker_id FROM external_task WHERE instance_id = $1 AND wait = $2 {pg:FOR UPDATE}";
        let found = tx.fetch(sql, params![instance, wait]).await?;
        let Some(worker) = found.first().map(|row| row.get(0)).transpose()? else {
            tx.rollback().await;
            return Ok(LockChange::Missing);
        };
        let sql = "UPDATE external_task SET worker_id = NULL, lock_until = CASE WHEN lock_until > $3 THEN $3 ELSE lock_until END \
                   WHERE instance_id = $1 AND wait = $2";
        tx.execute(sql, params![instance, wait, now]).await?;
        operations::write(&mut tx, self.inner().history, &operations(worker)).await?;
        tx.commit().await?;
        Ok(LockChange::Changed)
    }

    /// Gives fetched tasks back that their worker did not get, but for those that somebody else has fetched since.
    pub async fn give_back_external_tasks(&self, tasks: &[ExternalTaskListed]) -> Result<(), Error> {
        // In the order in which units of work lock them.
        let mut tasks: Vec<&ExternalTaskListed> = tasks.iter().collect();
        tasks.sort_by_key(|it| (it.instance, it.row.wait));
        let rows: Vec<_> = tasks.into_iter().map(|it| cells![it.instance, it.row.wait, &it.worker, it.lock_until]).collect();
        again(|| self.give_back_once(rows.clone())).await
    }

    async fn give_back_once(&self, rows: Vec<Vec<Cell>>) -> Result<(), Error> {
        let mut tx = self.inner().jobs.begin().await?;
        GIVE_BACK.execute(&mut tx, rows).await?;
        tx.commit().await
    }

    async fn change_lock(&self, sql: &str, params: Vec<Param>, instance: Uuid, wait: i64, worker: &str) -> Result<LockChange, Error> {
        if !self.inner().jobs.fetch(sql, params).await?.is_empty() {
            return Ok(LockChange::Changed);
        }
        let sql = "SELECT worker_id, lock_until FROM external_task WHERE instance_id = $1 AND wait = $2";
        let rows = self.lookups.fetch(sql, params![instance, wait]).await?;
        let Some(row) = rows.first() else { return Ok(LockChange::Missing) };
        let (holder, until): (Option<String>, i64) = (row.get(0)?, row.get(1)?);
        Ok(if holder.as_deref() == Some(worker) { LockChange::Expired(until) } else { LockChange::NotHeld(holder) })
    }
}

/// One `SELECT` a topic, each from the index and each with its own locks, and the best of all of them.
pub(crate) fn fetch_sql(fetch: &Fetch) -> (String, Vec<Param>) {
    let order = order(fetch);
    let mut params = params![fetch.worker.as_str(), fetch.now, i64::from(fetch.max)];
    let mut arms: Vec<String> = Vec::with_capacity(fetch.topics.len());
    for topic in &fetch.topics {
        params.push(Param::I64(fetch.now.saturating_add(topic.lock_ms)));
        let until = params.len();
        let conditions = conditions(topic, 2, &mut params);
        arms.push(format!(
            "SELECT x.*, CAST(${until} AS BIGINT) AS locked_until FROM (SELECT e.instance_id, e.wait, e.priority, e.created, e.lock_until \
             FROM external_task e WHERE {conditions} ORDER BY {order} LIMIT $3 {{pg:FOR UPDATE SKIP LOCKED}}) x"
        ));
    }
    let picked = match &arms[..] {
        [only] => only.clone(),
        _ => format!("SELECT * FROM ({}) e ORDER BY {order} LIMIT $3", arms.join(" UNION ALL ")),
    };
    let columns = fetched_columns();
    let sql = format!(
        "WITH picked AS MATERIALIZED ({picked}) UPDATE external_task SET worker_id = $1, lock_until = p.locked_until FROM picked p \
         WHERE external_task.instance_id = p.instance_id AND external_task.wait = p.wait \
         RETURNING (SELECT i.revision FROM instance i WHERE i.id = external_task.instance_id), {columns}"
    );
    (sql, params)
}

/// What must hold of a task `e` of a topic; `now` is the place of the present moment among the parameters.
fn conditions(topic: &FetchTopic, now: usize, params: &mut Vec<Param>) -> String {
    let mut bind = |value: Param| {
        params.push(value);
        params.len()
    };
    let mut all = format!("e.topic = ${} AND {FETCHABLE} AND e.lock_until <= ${now}", bind(topic.topic.as_str().into()));
    let mut and = |condition: String| {
        all.push_str(" AND ");
        all.push_str(&condition);
    };
    let definition = "e.definition_id IN (SELECT d.id FROM definition d WHERE";
    if let Some(key) = &topic.business_key {
        and(format!("e.business_key = ${}", bind(key.as_str().into())));
    }
    if let Some(instances) = &topic.instances {
        and(format!("e.instance_id {{any_uuid:{}}}", bind(Param::Uuids(instances.clone()))));
    }
    if !topic.definition_ids.is_empty() {
        and(format!("e.definition_id {{any_text:{}}}", bind(Param::Texts(topic.definition_ids.clone()))));
    }
    if !topic.definition_keys.is_empty() {
        and(format!("{definition} d.key {{any_text:{}}})", bind(Param::Texts(topic.definition_keys.clone()))));
    }
    if let Some(tag) = &topic.version_tag {
        and(format!("{definition} d.version_tag = ${})", bind(tag.as_str().into())));
    }
    if !topic.tenants.is_empty() {
        and(format!("e.tenant {{any_text:{}}}", bind(Param::Texts(topic.tenants.clone()))));
    }
    if topic.without_tenant {
        and("e.tenant = ''".to_owned());
    }
    all
}

/// The index's, unless another one is asked for.
fn order(fetch: &Fetch) -> String {
    let priority = if fetch.by_priority { "e.priority DESC, " } else { "" };
    match fetch.by_created {
        None => "e.priority DESC, e.lock_until".to_owned(),
        Some(Order::Asc) => format!("{priority}e.created"),
        Some(Order::Desc) => format!("{priority}e.created DESC"),
    }
}

fn read(row: &Row) -> Result<Fetched, Error> {
    let mut columns = row.columns();
    let (revision, details) = (columns.next()?, columns.next::<i64>()?);
    Ok(Fetched { revision, details: usize::try_from(details).unwrap_or_default(), task: read_external_task(&mut columns)? })
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&GIVE_BACK];
