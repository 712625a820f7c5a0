//! What units of work look up before they begin: for many of them in one statement.

use std::collections::HashMap;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::Reads;
use super::instances::{FULL, InstanceRow, instance};
use super::subscriptions::{SubscriptionListed, listed};
use crate::Error;
use crate::batch::{Batch, Type, cells};
use crate::db::{Param, Pool};
use crate::gather::Gather;
use crate::message::Begun;

/// Lookups that are gathered.
#[derive(Clone)]
pub(crate) struct Gathered {
    /// What is wrong with one row is wrong with its instance only.
    instances: Gather<Uuid, Result<Option<InParts>, Error>>,
    revisions: Gather<Uuid, Option<i64>>,
    receivers: Gather<Message, Option<Vec<SubscriptionListed>>>,
    woken: Gather<Begun, Vec<Uuid>>,
}

/// An instance without its parts, and how many it has.
type InParts = (InstanceRow, i64);

/// An answer for each of what was asked, in its order.
type Answers<T> = BoxFuture<'static, Result<Vec<T>, Error>>;

/// A message's name, and the business key that it is for.
type Message = (String, String);

/// Waits that one statement finds for all of its messages; there is seldom more than one for each.
const MAX_FOUND: usize = 5_000;

/// For each message what waits for it, by index, whatever the statistics of the day say.
static RECEIVERS: Batch = Batch::new(
    "SELECT v.n, (SELECT i.suspended FROM instance i WHERE i.id = s.instance_id), s.instance_id, s.tenant, s.business_key, s.wait, s.activity, \
     s.activity_id, s.kind, s.name, s.of_event, s.definition_id, s.created, s.correlation_key FROM {rows} CROSS JOIN \
     {pg:LATERAL (SELECT * FROM subscription w WHERE w.name = v.name AND w.kind = 'message' AND w.business_key = v.business_key OFFSET 0) s}\
     {lite:subscription s ON s.name = v.name AND s.kind = 'message' AND s.business_key = v.business_key} LIMIT 5001",
    &[("n", Type::I64), ("name", Type::Text), ("business_key", Type::Text)],
);

/// For each wait that has begun the messages on their way to its process, under its business key or its correlation key: each by an index,
/// whatever the statistics of the day say.
static WOKEN: Batch = Batch::new(
    "WITH b AS (SELECT * FROM {rows}) \
     SELECT b.n, m.id FROM b CROSS JOIN \
     {pg:LATERAL (SELECT w.id, w.definition_id FROM message w WHERE w.name = b.name AND w.business_key = b.business_key \
     AND (b.correlation_key IS NULL OR w.correlation_key IS NULL) OFFSET 0) m}\
     {lite:message m ON m.name = b.name AND m.business_key = b.business_key AND (b.correlation_key IS NULL OR m.correlation_key IS NULL)} \
     {pg:JOIN}{lite:CROSS JOIN} definition d ON d.id = m.definition_id AND d.key = b.process AND d.tenant = b.tenant UNION ALL \
     SELECT b.n, m.id FROM b CROSS JOIN \
     {pg:LATERAL (SELECT w.id, w.definition_id FROM message w WHERE w.name = b.name AND w.correlation_key = b.correlation_key OFFSET 0) m}\
     {lite:message m ON m.name = b.name AND m.correlation_key = b.correlation_key} \
     {pg:JOIN}{lite:CROSS JOIN} definition d ON d.id = m.definition_id AND d.key = b.process AND d.tenant = b.tenant",
    &[
        ("n", Type::I64),
        ("process", Type::Text),
        ("tenant", Type::Text),
        ("name", Type::Text),
        ("business_key", Type::Text),
        ("correlation_key", Type::Text),
    ],
);

impl Gathered {
    /// Starts their tasks, on the runtime that this is called on.
    pub(crate) fn start(pool: &Pool) -> Self {
        Self {
            instances: Gather::start(pool.clone(), instances),
            revisions: Gather::start(pool.clone(), revisions),
            receivers: Gather::start(pool.clone(), receivers),
            woken: Gather::start(pool.clone(), woken),
        }
    }

    pub(super) async fn instance(&self, id: Uuid) -> Result<Option<InParts>, Error> {
        self.instances.look_up(id).await?
    }
}

impl Reads {
    /// How many units of work an instance has seen; none if it is not there.
    pub async fn revision(&self, id: Uuid) -> Result<Option<i64>, Error> {
        self.gathered.revisions.look_up(id).await
    }

    /// What waits for a message in instances with a business key, of whichever tenant, that are not suspended: the oldest first. None:
    /// there is so much of it, here or for a message that somebody else asks for, that it must be listed, or the texts are not such as are
    /// stored.
    pub async fn receivers(&self, message: &str, business_key: &str) -> Result<Option<Vec<SubscriptionListed>>, Error> {
        if message.contains('\0') || business_key.contains('\0') {
            return Ok(None);
        }
        self.gathered.receivers.look_up((message.to_owned(), business_key.to_owned())).await
    }

    /// The messages along message flows that may be for a wait that has begun.
    pub(crate) async fn waiting_messages(&self, begun: Begun) -> Result<Vec<Uuid>, Error> {
        self.gathered.woken.look_up(begun).await
    }
}

fn instances(pool: Pool, ids: Vec<Uuid>) -> Answers<Result<Option<InParts>, Error>> {
    async move {
        let rows = pool.fetch(&format!("{FULL} WHERE id {{any_uuid:1}}"), vec![Param::Uuids(ids.clone())]).await?;
        let found = rows.iter().map(|row| Ok((row.get(0)?, instance(row)))).collect::<Result<HashMap<Uuid, _>, Error>>()?;
        Ok(ids.iter().map(|id| found.get(id).cloned().transpose()).collect())
    }
    .boxed()
}

fn revisions(pool: Pool, ids: Vec<Uuid>) -> Answers<Option<i64>> {
    async move {
        let rows = pool.fetch("SELECT id, revision FROM instance WHERE id {any_uuid:1}", vec![Param::Uuids(ids.clone())]).await?;
        let found = rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<HashMap<Uuid, i64>, Error>>()?;
        Ok(ids.iter().map(|id| found.get(id).copied()).collect())
    }
    .boxed()
}

fn receivers(pool: Pool, messages: Vec<Message>) -> Answers<Option<Vec<SubscriptionListed>>> {
    async move {
        let mut found = vec![Some(Vec::new()); messages.len()];
        let rows = (0_i64..).zip(messages).map(|(n, (name, business_key))| cells![n, name, business_key]).collect();
        let rows = RECEIVERS.read(&pool, rows).await?;
        if rows.len() > MAX_FOUND {
            return Ok(vec![None; found.len()]);
        }
        for row in &rows {
            let mut columns = row.columns();
            let (n, suspended): (i64, Option<bool>) = (columns.next()?, columns.next()?);
            let of_message = usize::try_from(n).ok().and_then(|n| found.get_mut(n)?.as_mut());
            if let Some(of_message) = of_message.filter(|_| suspended != Some(true)) {
                of_message.push(listed(&mut columns)?);
            }
        }
        for of_message in found.iter_mut().flatten() {
            of_message.sort_unstable_by_key(|it| (it.created, it.instance, it.wait));
        }
        Ok(found)
    }
    .boxed()
}

fn woken(pool: Pool, begun: Vec<Begun>) -> Answers<Vec<Uuid>> {
    async move {
        let mut found = vec![Vec::new(); begun.len()];
        let row = |(n, it): (i64, Begun)| {
            cells![n, it.process, it.tenant.unwrap_or_default(), it.name, it.business_key.unwrap_or_default(), it.correlation_key]
        };
        for row in WOKEN.read(&pool, (0..).zip(begun).map(row).collect()).await? {
            let of_wait = usize::try_from(row.get::<i64>(0)?).ok().and_then(|n| found.get_mut(n));
            of_wait.ok_or_else(|| Error::Damaged("a message is for nobody who was asked about".to_owned()))?.push(row.get(1)?);
        }
        Ok(found)
    }
    .boxed()
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&RECEIVERS, &WOKEN];
