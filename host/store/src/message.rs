//! Messages along message flows, on their way to the one instance that gets each.
//!
//! A message is written in the transaction that sends it, as a delivery without a receiver: who gets it is looked for when it is delivered, for it may
//! have to wait until its receiver does. Whoever stores what it leads to removes it in that transaction (`delivery.rs`).

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::batch::{Batch, Cell, Type, cells};
use crate::db::{Columns, Param, Tx, params};
use crate::delivery::{Delivery, DeliveryName};
use crate::query::{Page, Reads};
use crate::rows::OperationRow;
use crate::unit::{CommitError, InstanceWrite, Unit, check_key, check_text};
use crate::write::operations;
use crate::{Error, Store};

/// A message as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names it.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The sender's definition.
    pub definition_id: String,
    /// The process that gets it, by key: the one of the sender's deployment, when it starts.
    pub process: String,
    /// BPMN id of what waits there or starts; none: whatever does.
    pub element: Option<String>,
    /// The business key of who gets it; none: of an instance without.
    pub business_key: Option<String>,
    /// What goes along, as JSON.
    pub variables: String,
    /// When.
    pub at: i64,
}

/// Who waits for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaiting {
    /// Nobody.
    Nobody,
    /// One instance: its oldest wait.
    One {
        /// The instance.
        instance: Uuid,
        /// The wait.
        wait: i64,
        /// It is suspended.
        suspended: bool,
    },
    /// Several instances.
    Several,
}

/// A message that has not come to anybody yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageListed {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The instance that has sent it.
    pub sender: Uuid,
    /// The process that gets it, by key.
    pub process: String,
    /// Whose it is.
    pub tenant: Option<String>,
    /// BPMN id of what waits there or starts; none: whatever does.
    pub element: Option<String>,
    /// The business key of who gets it.
    pub business_key: Option<String>,
    /// When it was sent.
    pub created: i64,
    /// When it is tried next, unless somebody begins to wait for it before.
    pub due: i64,
    /// How often it was tried.
    pub attempts: i64,
    /// Why the last time did not deliver it.
    pub reason: Option<String>,
}

impl Message {
    pub(crate) fn check(&self) -> Result<(), String> {
        check_key("message name", &self.name)?;
        check_key("business key", self.business_key.as_deref().unwrap_or_default())?;
        check_text("variables of a message", Some(&self.variables))
    }
}

/// Both processes are of one deployment ([`ADDRESSEES`]).
static SEND: Batch = Batch::new(
    "INSERT INTO delivery (signal, n, kind, name, definition_id, activity_id, variables, business_key, sender_id, due, attempts, created) \
     SELECT v.id, 0, 'message', v.name, d.id, v.element, v.variables, v.business_key, v.sender, v.at, 0, v.at \
     FROM {rows} JOIN definition s ON s.id = v.definition_id JOIN definition d ON d.deployment_id = s.deployment_id AND d.key = v.process",
    &[
        ("id", Type::Uuid),
        ("name", Type::Text),
        ("definition_id", Type::Text),
        ("process", Type::Text),
        ("element", Type::Text),
        ("variables", Type::Text),
        ("business_key", Type::Text),
        ("sender", Type::Uuid),
        ("at", Type::I64),
    ],
);

/// Where messages go, which nobody deletes from here to the commit.
static ADDRESSEES: Batch = Batch::new(
    "SELECT v.definition_id, v.process FROM {rows} JOIN definition s ON s.id = v.definition_id \
     JOIN definition d ON d.deployment_id = s.deployment_id AND d.key = v.process {pg:FOR SHARE OF d}",
    &[("definition_id", Type::Text), ("process", Type::Text)],
);

/// Refuses units that send to a process whose definition is deleted.
pub(crate) async fn refuse_unaddressed(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<(), Error> {
    let sent = |unit: &'_ Unit| -> BTreeSet<(String, String)> {
        let messages = unit.instances.iter().flat_map(|write| &write.messages);
        messages.map(|it| (it.definition_id.clone(), it.process.clone())).collect()
    };
    let asked: BTreeSet<_> = units.iter().flat_map(|unit| sent(unit)).collect();
    let rows = ADDRESSEES.fetch(tx, asked.iter().map(|(definition, process)| cells![definition, process]).collect()).await?;
    let found = rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<BTreeSet<(String, String)>, Error>>()?;
    for (unit, answer) in units.iter().zip(answers).filter(|(_, answer)| answer.is_none()) {
        if let Some((_, process)) = sent(unit).difference(&found).next() {
            let reason =
                format!("the process '{process}', to which a message is sent, was deleted; deploy the file again, or modify the instance");
            *answer = Some(CommitError::Refused(reason));
        }
    }
    Ok(())
}

/// Writes down the messages of units that are stored.
pub(crate) async fn write<'u>(tx: &mut Tx, writes: impl Iterator<Item = &'u InstanceWrite>) -> Result<(), Error> {
    let rows: Vec<Vec<Cell>> = writes
        .flat_map(|write| write.messages.iter().map(move |it| (write.id, it)))
        .map(|(sender, it)| {
            let (element, key) = (it.element.as_deref().unwrap_or_default(), it.business_key.as_deref().unwrap_or_default());
            cells![it.id, &it.name, &it.definition_id, &it.process, element, &it.variables, key, sender, it.at]
        })
        .collect();
    SEND.execute(tx, rows).await.map(drop)
}

/// Of the addressee's process and tenant, any version; an empty business key is none.
const AWAITING: &str = "SELECT s.instance_id, s.wait, i.suspended FROM definition t \
     JOIN subscription s ON s.kind = 'message' AND s.name = $2 AND s.tenant = t.tenant \
     JOIN definition d ON d.id = s.definition_id AND d.key = t.key JOIN instance i ON i.id = s.instance_id \
     WHERE t.id = $1 AND ($3 = '' OR s.activity_id = $3)";

impl Store {
    /// Who waits for a message.
    pub async fn awaiting(&self, message: &Delivery) -> Result<Awaiting, Error> {
        let key = message.business_key.clone().unwrap_or_default();
        let of_key = if key.is_empty() { "(s.business_key IS NULL OR s.business_key = $4)" } else { "s.business_key = $4" };
        let mut ends = Vec::new();
        for order in ["s.instance_id, s.wait", "s.instance_id DESC, s.wait"] {
            let sql = format!("{AWAITING} AND {of_key} ORDER BY {order} LIMIT 1");
            let params = params![message.definition_id.as_str(), message.signal.as_str(), message.activity_id.as_str(), key.as_str()];
            let rows = self.pool.fetch(&sql, params).await?;
            let Some(row) = rows.first() else { return Ok(Awaiting::Nobody) };
            ends.push((row.get::<Uuid>(0)?, row.get::<i64>(1)?, row.get::<bool>(2)?));
        }
        let (instance, wait, suspended) = ends[0];
        Ok(if ends[1].0 == instance { Awaiting::One { instance, wait, suspended } } else { Awaiting::Several })
    }

    /// Makes messages due that somebody begins to wait for. True if there are any.
    pub async fn wake_messages(&self, name: &str, business_key: Option<&str>, now: i64) -> Result<bool, Error> {
        let which = "kind = 'message' AND name = $1 AND business_key = $2 AND due > $3";
        let params = || params![name, business_key.unwrap_or_default(), now];
        // There are none most of the time: a read costs no transaction.
        if self.pool.fetch(&format!("SELECT 1 FROM delivery WHERE {which} LIMIT 1"), params()).await?.is_empty() {
            return Ok(false);
        }
        let mut tx = self.begin_in_epoch().await?;
        tx.execute(&format!("UPDATE delivery SET due = $3 WHERE {which}"), params()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Notes why a delivery has come to nobody. With `until` it is not tried before, unless somebody has made it due since it was claimed.
    pub async fn hold_delivery(&self, delivery: &Delivery, reason: &str, until: Option<i64>) -> Result<(), Error> {
        let DeliveryName { signal, n } = delivery.name;
        let mut tx = self.begin_in_epoch().await?;
        tx.execute("UPDATE delivery SET reason = $3 WHERE signal = $1 AND n = $2", params![signal, n, reason]).await?;
        if let Some(until) = until {
            let sql = "UPDATE delivery SET due = $3 WHERE signal = $1 AND n = $2 AND due = $4";
            tx.execute(sql, params![signal, n, until, delivery.due]).await?;
        }
        tx.commit().await
    }

    /// Removes a message that nobody is to get. False if there is none.
    pub async fn remove_message(&self, id: Uuid, operations: &[OperationRow]) -> Result<bool, Error> {
        let mut tx = self.begin_in_epoch().await?;
        if tx.execute("DELETE FROM delivery WHERE signal = $1 AND kind = 'message'", params![id]).await? == 0 {
            tx.rollback().await;
            return Ok(false);
        }
        operations::write(&mut tx, self.inner().history, operations).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// How many messages are on their way to these definitions.
pub(crate) async fn count_to(tx: &mut Tx, definitions: &[String]) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM delivery WHERE kind = 'message' AND definition_id {any_text:1}";
    tx.fetch(sql, vec![Param::Texts(definitions.to_vec())]).await?.first().map_or(Ok(0), |row| row.get(0))
}

/// Removes them, with the definitions.
pub(crate) async fn remove_to(tx: &mut Tx, definitions: &[String]) -> Result<(), Error> {
    let sql = "DELETE FROM delivery WHERE kind = 'message' AND definition_id {any_text:1}";
    tx.execute(sql, vec![Param::Texts(definitions.to_vec())]).await.map(drop)
}

const LISTED: &str = "SELECT m.signal, m.name, m.sender_id, d.key, d.tenant, m.activity_id, m.business_key, m.created, m.due, m.attempts, m.reason \
     FROM delivery m JOIN definition d ON d.id = m.definition_id WHERE m.kind = 'message'";

fn listed(mut columns: Columns<'_>) -> Result<MessageListed, Error> {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(MessageListed {
        id: columns.next()?,
        name: columns.next()?,
        sender: columns.next()?,
        process: columns.next()?,
        tenant: columns.next_tenant()?,
        element: some(columns.next()?),
        business_key: some(columns.next()?),
        created: columns.next()?,
        due: columns.next()?,
        attempts: columns.next()?,
        reason: columns.next()?,
    })
}

impl Reads {
    /// Messages along message flows that have not come to anybody yet, the oldest first.
    pub async fn messages(&self, page: Page) -> Result<Vec<MessageListed>, Error> {
        let sql = format!("{LISTED} ORDER BY m.signal LIMIT $1 OFFSET $2");
        let rows = self.pool.fetch(&sql, params![i64::from(page.max), i64::from(page.first)]).await?;
        rows.iter().map(|row| listed(row.columns())).collect()
    }

    /// One of them.
    pub async fn message(&self, id: Uuid) -> Result<Option<MessageListed>, Error> {
        let rows = self.pool.fetch(&format!("{LISTED} AND m.signal = $1"), params![id]).await?;
        rows.first().map(|row| listed(row.columns())).transpose()
    }
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&ADDRESSEES, &SEND];
