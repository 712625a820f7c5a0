//! Storing a deployment, and suspending a definition.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::batch::{Batch, Type, cells};
use crate::db::{Dialect, Param, Tx, params};
use crate::delivery::parked;
use crate::deployment::{DelegatesSeen, Deployed, DeploymentWrite, NewDefinition};
use crate::job_definitions;
use crate::planned::{self, CarriedOut};
use crate::query::DefinitionRow;
use crate::rows::{EventKind, OperationRow};
use crate::start_timers;
use crate::unit::{check_key, check_text};
use crate::write::operations;
use crate::{Error, Store, query};

static INSERT_DELEGATES: Batch = Batch::new(
    "INSERT INTO delegate (deployment_id, name, version, digest, mandate, topics) \
     SELECT v.deployment_id, v.name, v.version, v.digest, v.mandate, v.topics FROM {rows}",
    &[
        ("deployment_id", Type::Text),
        ("name", Type::Text),
        ("version", Type::Text),
        ("digest", Type::Text),
        ("mandate", Type::Text),
        ("topics", Type::Text),
    ],
);

static INSERT_DEFINITIONS: Batch = Batch::new(
    "INSERT INTO definition (id, key, version, tenant, name, version_tag, history_ttl, category, startable_in_tasklist, starters, deployment_id, resource_name, identity, first_element, \
     suspended) \
     SELECT v.id, v.key, v.version, v.tenant, v.name, v.version_tag, v.history_ttl, v.category, v.startable_in_tasklist, v.starters, v.deployment_id, v.resource_name, v.identity, \
     v.first_element, FALSE \
     FROM {rows}",
    &[
        ("id", Type::Text),
        ("key", Type::Text),
        ("version", Type::I64),
        ("tenant", Type::Text),
        ("name", Type::Text),
        ("version_tag", Type::Text),
        ("history_ttl", Type::I64),
        ("category", Type::Text),
        ("startable_in_tasklist", Type::Bool),
        ("starters", Type::Text),
        ("deployment_id", Type::Text),
        ("resource_name", Type::Text),
        ("identity", Type::Text),
        ("first_element", Type::I64),
    ],
);

static INSERT_ELEMENTS: Batch = Batch::new(
    "INSERT INTO element (id, definition_id, activity_id, name, kind, delegate, digest) \
     SELECT v.id, v.definition_id, v.activity_id, v.name, v.kind, v.delegate, v.digest FROM {rows}",
    &[
        ("id", Type::I64),
        ("definition_id", Type::Text),
        ("activity_id", Type::Text),
        ("name", Type::Text),
        ("kind", Type::Text),
        ("delegate", Type::Text),
        ("digest", Type::Text),
    ],
);

static INSERT_BINDINGS: Batch = Batch::new(
    "INSERT INTO binding (definition_id, reference, delegate, version, digest, mandate) \
     SELECT v.definition_id, v.reference, v.delegate, v.version, v.digest, v.mandate FROM {rows}",
    &[
        ("definition_id", Type::Text),
        ("reference", Type::Text),
        ("delegate", Type::Text),
        ("version", Type::Text),
        ("digest", Type::Text),
        ("mandate", Type::Text),
    ],
);

static INSERT_START_EVENTS: Batch = Batch::new(
    "INSERT INTO start_event (definition_id, kind, name, activity_id) SELECT v.definition_id, v.kind, v.name, v.activity_id FROM {rows}",
    &[("definition_id", Type::Text), ("kind", Type::Text), ("name", Type::Text), ("activity_id", Type::Text)],
);

/// Keeps deployments one after the other, so that versions count up and duplicates are seen. On SQLite every writer is alone anyway.
pub(crate) async fn lock_deployments(tx: &mut Tx) -> Result<(), Error> {
    match tx.dialect {
        Dialect::Postgres => tx.execute("LOCK TABLE deployment IN SHARE ROW EXCLUSIVE MODE", Vec::new()).await.map(drop),
        Dialect::Sqlite => Ok(()),
    }
}

impl Store {
    /// Stores a deployment: all of it or nothing. Definitions get the next version of their tenant and key. Artifacts that are there
    /// already are kept. Refused with [`Error::DelegatesMoved`] where other delegates are deployed than were seen, and with
    /// [`Error::StartMessageTaken`] where a message would start two processes.
    pub fn deploy(&self, write: DeploymentWrite) -> BoxFuture<'_, Result<Deployed, Error>> {
        Box::pin(self.deploy_checked(write))
    }

    async fn deploy_checked(&self, write: DeploymentWrite) -> Result<Deployed, Error> {
        check(&write).map_err(Error::Refused)?;
        let mut tx = self.inner().admin.begin().await?;
        lock_deployments(&mut tx).await?;
        if let Some(seen) = &write.seen
            && delegates_there(&mut tx, write.tenant.as_deref()).await? != *seen
        {
            tx.rollback().await;
            return Err(Error::DelegatesMoved);
        }
        if write.filter_duplicates
            && let Some(existing) = duplicate(&mut tx, &write).await?
        {
            tx.rollback().await;
            return Ok(existing);
        }
        if let Err(taken) = refuse_taken_messages(&mut tx, &write).await {
            tx.rollback().await;
            return Err(taken);
        }
        let at = moment(&mut tx, write.at).await?;
        let definitions = store(&mut tx, &write, at).await?;
        operations::write(&mut tx, self.inner().history, &write.operations).await?;
        tx.commit().await?;
        Ok(Deployed { id: write.id, existing: false, definitions, at })
    }

    /// Suspends a definition (true): none of its instances can start and none of its jobs is claimed. One that is activated (false) has its
    /// job definitions and timer start events activated, too. Answers whether there is such a definition. `operations` says what an
    /// operator did, given whether it was suspended before.
    pub async fn set_definition_suspended(
        &self,
        id: &str,
        suspended: bool,
        operations: impl FnOnce(bool) -> Vec<OperationRow> + Send,
    ) -> Result<bool, Error> {
        self.carry_out_suspension(id, suspended, None, operations).await
    }

    /// The same as it was planned: nothing happens if that was done already.
    pub async fn carry_out_suspension(
        &self,
        id: &str,
        suspended: bool,
        plan: Option<&CarriedOut>,
        operations: impl FnOnce(bool) -> Vec<OperationRow> + Send,
    ) -> Result<bool, Error> {
        let mut tx = job_definitions::begin_suspension(&self.inner().admin, id, suspended).await?;
        let before = tx.fetch("SELECT suspended FROM definition WHERE id = $1 {pg:FOR UPDATE}", params![id]).await?;
        let Some(before) = before.first().map(|row| row.get(0)).transpose()? else {
            tx.rollback().await;
            return Ok(false);
        };
        if !planned::take(&mut tx, self.host(), plan).await? {
            tx.rollback().await;
            return Ok(true);
        }
        tx.execute("UPDATE definition SET suspended = $2 WHERE id = $1", params![id, suspended]).await?;
        if !suspended {
            start_timers::hold_of(&mut tx, vec![id.to_owned()]).await?;
            tx.execute("UPDATE start_timer SET suspended = FALSE WHERE definition_id = $1 AND suspended", params![id]).await?;
            parked::wake_starts(&mut tx, id).await?;
        }
        operations::write(&mut tx, self.inner().history, &operations(before)).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn check(write: &DeploymentWrite) -> Result<(), String> {
    check_key("deployment id", &write.id)?;
    for (what, text) in [("deployment name", &write.name), ("source", &write.source), ("tenant", &write.tenant)] {
        check_key(what, text.as_deref().unwrap_or_default())?;
    }
    check_text("metadata", Some(&write.metadata))?;
    write.resources.iter().try_for_each(|resource| check_key("resource name", &resource.name))?;
    for delegate in &write.delegates {
        check_key("delegate name", &delegate.name)?;
        check_key("delegate version", &delegate.version)?;
        check_text("mandate", Some(&delegate.mandate))?;
        delegate.topics.iter().try_for_each(|topic| check_key("topic", topic))?;
    }
    for definition in &write.definitions {
        check_key("process id", &definition.key)?;
        check_text("process name", definition.name.as_deref())?;
        check_text("target namespace", definition.category.as_deref())?;
        definition.starters.iter().try_for_each(|name| check_text("candidate starter", Some(name)))?;
        check_key("version tag", definition.version_tag.as_deref().unwrap_or_default())?;
        definition.start_events.iter().try_for_each(|start| check_key("message or signal name", &start.name))?;
        definition.start_timers.iter().try_for_each(|timer| check_key("activity id", &timer.activity_id))?;
        definition.bindings.iter().try_for_each(|binding| check_key("reference", &binding.reference))?;
        for element in &definition.elements {
            check_key("activity id", &element.activity_id)?;
            check_text("activity name", element.name.as_deref())?;
        }
    }
    Ok(())
}

/// The delegates that a deployment of a tenant may bind to.
async fn delegates_there(tx: &mut Tx, tenant: Option<&str>) -> Result<DelegatesSeen, Error> {
    let sql = "SELECT g.deployment_id, COUNT(*) OVER () FROM delegate g JOIN deployment p ON p.id = g.deployment_id \
               WHERE p.tenant IN ('', $1) ORDER BY p.deployed_at DESC, p.id DESC LIMIT 1";
    let rows = tx.fetch(sql, params![tenant.unwrap_or_default()]).await?;
    let Some(newest) = rows.first() else { return Ok(DelegatesSeen::default()) };
    Ok(DelegatesSeen { newest: Some(newest.get(0)?), count: newest.get(1)? })
}

/// When a deployment counts as made: after all others, whatever the clocks of their hosts said, for the newest is whose moment is the last.
async fn moment(tx: &mut Tx, at: i64) -> Result<i64, Error> {
    let rows = tx.fetch("SELECT MAX(deployed_at) FROM deployment", Vec::new()).await?;
    let last: Option<i64> = rows.first().map_or(Ok(None), |row| row.get(0))?;
    Ok(last.map_or(at, |last| at.max(last.saturating_add(1))))
}

/// The newest deployment of the same name and tenant, if it has the same content.
async fn duplicate(tx: &mut Tx, write: &DeploymentWrite) -> Result<Option<Deployed>, Error> {
    let sql = "SELECT id, deployed_at, content_digest FROM deployment WHERE tenant = $1 AND COALESCE(name, '') = $2 \
               ORDER BY deployed_at DESC, id DESC LIMIT 1";
    let tenant = write.tenant.as_deref().unwrap_or_default();
    let rows = tx.fetch(sql, params![tenant, write.name.as_deref().unwrap_or_default()]).await?;
    let Some(newest) = rows.first().filter(|row| row.get::<String>(2).is_ok_and(|digest| digest == write.content_digest)) else {
        return Ok(None);
    };
    let (id, at): (String, i64) = (newest.get(0)?, newest.get(1)?);
    let sql = format!("SELECT {} FROM definition d WHERE d.deployment_id = $1 ORDER BY d.id", query::DEFINITION_COLUMNS);
    let rows = tx.fetch(&sql, params![id.as_str()]).await?;
    let definitions = rows.iter().map(query::read_definition).collect::<Result<_, _>>()?;
    Ok(Some(Deployed { id, existing: true, definitions, at }))
}

/// A message starts one process of a tenant. Deployments are one after the other from here on, so that two of them cannot both find it
/// free.
async fn refuse_taken_messages(tx: &mut Tx, write: &DeploymentWrite) -> Result<(), Error> {
    let mut starts = BTreeMap::new();
    for definition in &write.definitions {
        for start in definition.start_events.iter().filter(|start| start.kind == EventKind::Message) {
            if let Some(other) = starts.insert(start.name.clone(), definition.key.clone()) {
                return Err(Error::StartMessageTaken { key: definition.key.clone(), message: start.name.clone(), other });
            }
        }
    }
    if starts.is_empty() {
        return Ok(());
    }
    // A process of this deployment is about to have another newest version: what it started by does not count.
    let sql = format!(
        "SELECT e.name, d.key FROM start_event e JOIN definition d ON d.id = e.definition_id WHERE d.tenant = $1 AND e.kind = 'message' \
         AND e.name {{any_text:2}} AND NOT d.key {{any_text:3}} AND {} ORDER BY e.name, d.key LIMIT 1",
        query::NEWEST
    );
    let keys = write.definitions.iter().map(|definition| definition.key.clone()).collect();
    let tenant = write.tenant.as_deref().unwrap_or_default();
    let rows = tx.fetch(&sql, vec![tenant.into(), Param::Texts(starts.keys().cloned().collect()), Param::Texts(keys)]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let (message, other): (String, String) = (row.get(0)?, row.get(1)?);
    let key = starts.remove(&message).unwrap_or_default();
    Err(Error::StartMessageTaken { key, message, other })
}

async fn store(tx: &mut Tx, write: &DeploymentWrite, at: i64) -> Result<Vec<DefinitionRow>, Error> {
    insert_deployment(tx, write, at).await?;
    let definitions = insert_definitions(tx, write).await?;
    insert_what_is_of_them(tx, write, &definitions).await?;
    Ok(definitions)
}

/// The deployment with its files, and the delegates in it.
async fn insert_deployment(tx: &mut Tx, write: &DeploymentWrite, at: i64) -> Result<(), Error> {
    let tenant = write.tenant.as_deref().unwrap_or_default();
    let sql =
        "INSERT INTO deployment (id, name, source, tenant, deployed_at, content_digest, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let params = params![
        write.id.as_str(),
        write.name.clone(),
        write.source.clone(),
        tenant,
        at,
        write.content_digest.as_str(),
        write.metadata.as_str()
    ];
    tx.execute(sql, params).await?;
    for (digest, bytes) in &write.artifacts {
        let sql = "INSERT INTO artifact (digest, created, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        tx.execute(sql, vec![digest.as_str().into(), write.at.into(), Param::Bytes(bytes.clone())]).await?;
    }
    for resource in &write.resources {
        let size = i64::try_from(resource.bytes.len()).expect("an upload fits into memory");
        let mut params = params![resource.id.as_str(), write.id.as_str(), resource.name.as_str(), size];
        // One at a time, the bytes as they are: a batch would make one text of them all on SQLite.
        let sql = if let Some((digest, _)) = write.artifacts.iter().find(|(_, bytes)| *bytes == resource.bytes) {
            params.push(digest.as_str().into());
            "INSERT INTO resource (id, deployment_id, name, size, artifact) VALUES ($1, $2, $3, $4, $5)"
        } else {
            params.push(Param::Bytes(resource.bytes.clone()));
            "INSERT INTO resource (id, deployment_id, name, size, bytes) VALUES ($1, $2, $3, $4, $5)"
        };
        tx.execute(sql, params).await?;
    }
    let delegates = write.delegates.iter().map(|delegate| {
        let topics = serde_json::Value::from(delegate.topics.clone()).to_string();
        cells![&write.id, &delegate.name, &delegate.version, &delegate.digest, &delegate.mandate, topics]
    });
    INSERT_DELEGATES.execute(tx, delegates.collect()).await.map(drop)
}

/// Its definitions, each with the next version of its key.
async fn insert_definitions(tx: &mut Tx, write: &DeploymentWrite) -> Result<Vec<DefinitionRow>, Error> {
    let tenant = write.tenant.as_deref().unwrap_or_default();
    let mut definitions = Vec::with_capacity(write.definitions.len());
    for new in &write.definitions {
        definitions.push(numbered(tx, write, tenant, new).await?);
    }
    let rows = definitions.iter().zip(&write.definitions).map(|(definition, new)| {
        let starters = if new.starters.is_empty() { String::new() } else { format!(",{},", new.starters.join(",")) };
        cells![
            &definition.id,
            &definition.key,
            definition.version,
            tenant,
            &definition.name,
            &definition.version_tag,
            definition.history_ttl,
            &definition.category,
            definition.startable_in_tasklist,
            starters,
            &definition.deployment_id,
            &definition.resource_name,
            &definition.identity,
            definition.first_element
        ]
    });
    INSERT_DEFINITIONS.execute(tx, rows.collect()).await?;
    Ok(definitions)
}

/// What definitions are bound to, their elements, and what starts them.
async fn insert_what_is_of_them(tx: &mut Tx, write: &DeploymentWrite, definitions: &[DefinitionRow]) -> Result<(), Error> {
    let pairs = || definitions.iter().zip(&write.definitions);
    let bindings = pairs().flat_map(|(row, new)| {
        new.bindings
            .iter()
            .map(|binding| cells![&row.id, &binding.reference, &binding.delegate, &binding.version, &binding.digest, &binding.mandate])
    });
    INSERT_BINDINGS.execute(tx, bindings.collect()).await?;
    let elements = pairs().flat_map(|(row, new)| {
        new.elements.iter().map(|element| {
            let (delegate, digest) = element.delegate.clone().unzip();
            cells![row.first_element + element.n, &row.id, &element.activity_id, &element.name, &element.kind, delegate, digest]
        })
    });
    INSERT_ELEMENTS.execute(tx, elements.collect()).await?;
    let events = pairs()
        .flat_map(|(row, new)| new.start_events.iter().map(|start| cells![&row.id, start.kind.as_str(), &start.name, &start.activity_id]));
    INSERT_START_EVENTS.execute(tx, events.collect()).await?;
    let keys = definitions.iter().map(|definition| definition.key.clone()).collect();
    let timers = pairs().flat_map(|(row, new)| new.start_timers.iter().map(|timer| start_timers::new_row(&row.id, timer, write.at)));
    let tenant = write.tenant.as_deref().unwrap_or_default();
    start_timers::deployed(tx, tenant, keys, timers.collect(), write.at).await
}

/// Ids for so many elements, which nothing else ever has, also when they are deleted. Answers the first.
async fn element_ids(tx: &mut Tx, count: i64) -> Result<i64, Error> {
    let rows = tx.fetch("UPDATE next_element SET next = next + $1 WHERE id = 1 RETURNING next - $1", params![count]).await?;
    rows.first().map_or_else(|| Err(Error::Damaged("the table next_element has no row".to_owned())), |row| row.get(0))
}

/// What a definition's id begins with: `key:version:uuid`, and a key has no colon, for it is an XML name.
pub fn key_of_definition(id: &str) -> &str {
    id.split_once(':').map_or(id, |(key, _)| key)
}

/// A definition with the next version of its tenant and key, and an id.
async fn numbered(tx: &mut Tx, write: &DeploymentWrite, tenant: &str, new: &NewDefinition) -> Result<DefinitionRow, Error> {
    let sql = "SELECT COALESCE(MAX(version), 0) + 1 FROM definition WHERE tenant = $1 AND key = $2";
    let rows = tx.fetch(sql, params![tenant, new.key.as_str()]).await?;
    let version: i64 = rows.first().map_or(Ok(1), |row| row.get(0))?;
    Ok(DefinitionRow {
        id: format!("{}:{version}:{}", new.key, Uuid::now_v7()),
        key: new.key.clone(),
        version,
        tenant: write.tenant.clone(),
        name: new.name.clone(),
        version_tag: new.version_tag.clone(),
        history_ttl: new.history_ttl,
        category: new.category.clone(),
        startable_in_tasklist: new.startable_in_tasklist,
        deployment_id: write.id.clone(),
        resource_name: new.resource_name.clone(),
        identity: new.identity.clone(),
        first_element: element_ids(tx, new.elements.iter().map(|element| element.n + 1).max().unwrap_or(0)).await?,
        suspended: false,
    })
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&INSERT_DELEGATES, &INSERT_DEFINITIONS, &INSERT_ELEMENTS, &INSERT_BINDINGS, &INSERT_START_EVENTS];
