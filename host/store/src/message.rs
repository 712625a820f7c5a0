//! Messages along message flows, on their way to the one instance that gets each.
//!
//! A message is a row from the transaction that sends it to the one that stores what it leads to, which removes it. Who gets it is looked
//! for meanwhile, for it may have to wait until its receiver does. Whoever finds somebody writes a delivery beside it, under its id
//! (`delivery.rs`); where the delivery ends without a receiver, the message is still there and looks again. There is one delivery of a
//! message at a time, by its key.
//!
//! Whoever writes or takes up a delivery of a message locks the message first, several by their ids ([`lock`]): else a host that has looked
//! a moment ago could write another delivery of one that was received in the meantime, and of two hosts each could wait for the other.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::batch::{Batch, Cell, Type, cells};
use crate::db::{Columns, Param, Row, Tx, params};
use crate::delivery::{self, NAME};
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
    /// The correlation key of the wait that gets it, among those that have one.
    pub correlation_key: Option<String>,
    /// What goes along, as JSON.
    pub variables: String,
    /// How many throws and sends led to it, its own included.
    pub hops: i64,
    /// When.
    pub at: i64,
}

/// A message for which somebody is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The addressee's process, as it was deployed with the sender.
    pub definition_id: String,
    /// BPMN id of what waits there or starts; none: whatever does.
    pub element: Option<String>,
    /// The business key of who gets it.
    pub business_key: Option<String>,
    /// The correlation key of the wait that gets it, among those that have one.
    pub correlation_key: Option<String>,
    /// When it was sent.
    pub created: i64,
    /// Counts who has begun to wait for it.
    woken: i64,
}

/// Who gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A wait.
    Wait(Waiting),
    /// An instance that begins at this start event of its definition.
    Start(String),
}

/// A wait for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its instance.
    pub instance: Uuid,
    /// The wait.
    pub wait: i64,
    /// The activity instance that waits.
    pub activity: i64,
    /// The instance's definition.
    pub definition_id: String,
    /// BPMN id of the element.
    pub activity_id: String,
}

/// A wait for messages that has begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Begun {
    /// The instance's process, by key.
    pub process: String,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The message's name.
    pub name: String,
    /// The instance's business key.
    pub business_key: Option<String>,
    /// What tells it from other waits, if anything does.
    pub correlation_key: Option<String>,
}

/// Who waits for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaiting {
    /// Nobody.
    Nobody,
    /// One instance: its oldest wait.
    One(Waiting),
    /// One instance, which is suspended.
    Suspended,
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
    /// The correlation key of the wait that gets it, among those that have one.
    pub correlation_key: Option<String>,
    /// When it was sent.
    pub created: i64,
    /// When somebody is looked for again, unless somebody begins to wait for it before.
    pub due: i64,
    /// Why nobody was found.
    pub reason: Option<String>,
    /// Who is to get it, if somebody that is there already.
    pub receiver: Option<Uuid>,
}

impl Message {
    pub(crate) fn check(&self) -> Result<(), String> {
        check_key("message name", &self.name)?;
        check_key("business key", self.business_key.as_deref().unwrap_or_default())?;
        check_key("correlation key", self.correlation_key.as_deref().unwrap_or_default())?;
        check_text("variables of a message", Some(&self.variables))
    }
}

/// Both processes are of one deployment ([`ADDRESSEES`]).
static SEND: Batch = Batch::new(
    "INSERT INTO message (id, name, sender_id, definition_id, activity_id, business_key, correlation_key, variables, hops, created, due, \
     woken) \
     SELECT v.id, v.name, v.sender, d.id, v.element, v.business_key, v.correlation_key, v.variables, v.hops, v.at, v.at, 0 \
     FROM {rows} JOIN definition s ON s.id = v.definition_id JOIN definition d ON d.deployment_id = s.deployment_id AND d.key = v.process",
    &[
        ("id", Type::Uuid),
        ("name", Type::Text),
        ("sender", Type::Uuid),
        ("definition_id", Type::Text),
        ("process", Type::Text),
        ("element", Type::Text),
        ("business_key", Type::Text),
        ("correlation_key", Type::Text),
        ("variables", Type::Text),
        ("hops", Type::I64),
        ("at", Type::I64),
    ],
);

/// To what was found: a delivery, unless another host has found somebody in the meantime.
static ADDRESS: Batch = Batch::new(
    "INSERT INTO delivery (signal, n, kind, name, instance_id, wait, activity, definition_id, activity_id, variables, business_key, hops, due, \
     retries, failures, created) \
     SELECT m.id, v.n, 'message', m.name, v.instance_id, v.wait, v.activity, v.definition_id, v.activity_id, m.variables, NULLIF(m.business_key, ''), \
     m.hops, v.now, 3, 0, m.created FROM {rows} JOIN message m ON m.id = v.id WHERE TRUE ON CONFLICT DO NOTHING",
    &[
        ("id", Type::Uuid),
        ("n", Type::I64),
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("activity", Type::I64),
        ("definition_id", Type::Text),
        ("activity_id", Type::Text),
        ("now", Type::I64),
    ],
);

/// Who has begun to wait for it since it was looked at makes it due.
static HOLD: Batch = Batch::new(
    "UPDATE message SET reason = v.reason, due = CASE WHEN message.woken = v.woken THEN v.until ELSE message.due END FROM {rows} WHERE message.id = v.id",
    &[("id", Type::Uuid), ("reason", Type::Text), ("woken", Type::I64), ("until", Type::I64)],
);

static REMOVE: Batch = Batch::new("DELETE FROM message WHERE id IN (SELECT v.signal FROM {rows} WHERE v.n > 0)", NAME);

static ADDRESSEES: Batch = Batch::new(
    "SELECT v.definition_id, v.process, d.id FROM {rows} JOIN definition s ON s.id = v.definition_id \
     JOIN definition d ON d.deployment_id = s.deployment_id AND d.key = v.process",
    &[("definition_id", Type::Text), ("process", Type::Text)],
);

/// Where a unit sends messages: the sender's definition, and the process by key.
fn sent(unit: &Unit) -> impl Iterator<Item = (String, String)> {
    unit.instances.iter().flat_map(|write| &write.messages).map(|it| (it.definition_id.clone(), it.process.clone()))
}

/// The definitions that the messages of units go to. None is locked yet, nor does it follow that it will be there.
pub(crate) async fn addressees(tx: &mut Tx, units: &[&Unit]) -> Result<BTreeMap<(String, String), String>, Error> {
    let asked: BTreeSet<_> = units.iter().flat_map(|unit| sent(unit)).collect();
    let rows = ADDRESSEES.fetch(tx, asked.iter().map(|(definition, process)| cells![definition, process]).collect()).await?;
    rows.iter().map(|row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).collect()
}

/// Refuses units that send to a process whose definition is not there.
pub(crate) fn refuse_unaddressed(
    units: &[&Unit],
    addressees: &BTreeMap<(String, String), String>,
    is_there: impl Fn(&str) -> bool,
    answers: &mut [Option<CommitError>],
) {
    for (unit, answer) in units.iter().zip(answers).filter(|(_, answer)| answer.is_none()) {
        if let Some((_, process)) = sent(unit).find(|to| !addressees.get(to).is_some_and(|definition| is_there(definition))) {
            let reason =
                format!("the process '{process}', to which a message is sent, was deleted; deploy the file again, or modify the instance");
            *answer = Some(CommitError::Refused(reason));
        }
    }
}

/// Writes down the messages of units that are stored.
pub(crate) async fn write<'u>(tx: &mut Tx, writes: impl Iterator<Item = &'u InstanceWrite>) -> Result<(), Error> {
    let rows: Vec<Vec<Cell>> = writes
        .flat_map(|write| write.messages.iter().map(move |it| (write.id, it)))
        .map(|(sender, it)| {
            let (element, key) = (it.element.as_deref().unwrap_or_default(), it.business_key.as_deref().unwrap_or_default());
            let correlation_key = &it.correlation_key;
            cells![it.id, &it.name, sender, &it.definition_id, &it.process, element, key, correlation_key, &it.variables, it.hops, it.at]
        })
        .collect();
    SEND.execute(tx, rows).await.map(drop)
}

static LOCK: Batch = Batch::new(
    "SELECT m.id FROM {rows} JOIN message m ON m.id = v.id \
     ORDER BY m.id {pg:FOR UPDATE OF m}",
    &[("id", Type::Uuid)],
);

/// Locks messages until the end of the transaction, and answers which of them are there. Signals have none.
pub(crate) async fn lock(tx: &mut Tx, ids: impl Iterator<Item = Uuid>) -> Result<BTreeSet<Uuid>, Error> {
    let ids: BTreeSet<Uuid> = ids.collect();
    LOCK.fetch(tx, ids.into_iter().map(|id| cells![id]).collect()).await?.iter().map(|row| row.get(0)).collect()
}

/// Removes the messages of deliveries that units have taken up. Signals have none.
pub(crate) async fn remove_received(tx: &mut Tx, names: Vec<Vec<Cell>>) -> Result<(), Error> {
    REMOVE.execute(tx, names).await.map(drop)
}

/// Nobody has been found for `m`, and it is due at `$1`.
pub(crate) const IS_DUE: &str = "m.due <= $1 AND NOT EXISTS (SELECT 1 FROM delivery t WHERE t.signal = m.id)";

/// The next moment after `$1` at which somebody is looked for.
pub(crate) const NEXT: &str =
    "SELECT m.due FROM message m WHERE m.due > $1 AND NOT EXISTS (SELECT 1 FROM delivery t WHERE t.signal = m.id) ORDER BY m.due LIMIT 1";

const ADDRESSED: &str = "m.id, m.name, m.definition_id, m.activity_id, m.business_key, m.correlation_key, m.created, m.woken";

fn addressed(row: &Row) -> Result<Addressed, Error> {
    let mut columns = row.columns();
    let (id, name, definition_id) = (columns.next()?, columns.next()?, columns.next()?);
    let (element, business_key, correlation_key) = (some(columns.next()?), some(columns.next()?), columns.next()?);
    Ok(Addressed { id, name, definition_id, element, business_key, correlation_key, created: columns.next()?, woken: columns.next()? })
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Of the addressee's process and tenant, any version.
const AWAITING: &str = "SELECT s.instance_id, s.wait, s.activity, s.definition_id, s.activity_id, \
     (SELECT i.suspended FROM instance i WHERE i.id = s.instance_id) AS suspended FROM definition t JOIN subscription s ON s.kind = 'message' AND s.name = $2 AND s.tenant = t.tenant \
     JOIN definition d ON d.id = s.definition_id AND d.key = t.key WHERE t.id = $1 AND ($3 = '' OR s.activity_id = $3)";

/// A message on its way to a definition, for tests of plans.
#[cfg(test)]
pub(crate) fn addressed_to(definition: &str, name: &str, business_key: Option<&str>, correlation_key: Option<&str>) -> Addressed {
    let [business_key, correlation_key] = [business_key, correlation_key].map(|key| key.map(str::to_owned));
    let (definition_id, name) = (definition.to_owned(), name.to_owned());
    Addressed { id: Uuid::nil(), name, definition_id, element: None, business_key, correlation_key, created: 0, woken: 0 }
}

/// Which of those who wait for a message are asked for.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    /// Two, whichever they are.
    Two,
    /// One that is not of this instance.
    NotOf(Uuid),
    /// The oldest wait of this instance.
    OldestOf(Uuid),
}

/// By what a message is looked for.
#[derive(Clone, Copy)]
pub(crate) enum By {
    /// Its correlation key.
    CorrelationKey,
    /// Its business key, of which an empty one is none. A message with a correlation key finds those who wait under none.
    BusinessKey,
}

/// Who waits for a message. Each kind by its index, and none sorted: however many wait, few are looked at.
pub(crate) fn awaiting_sql(message: &Addressed, by: By, who: Who) -> (String, Vec<Param>) {
    let element = message.element.as_deref().unwrap_or_default();
    let key = match by {
        By::CorrelationKey => &message.correlation_key,
        By::BusinessKey => &message.business_key,
    };
    let key = key.as_deref().unwrap_or_default();
    let mut params = params![message.definition_id.as_str(), message.name.as_str(), element, key];
    let unkeyed = if message.correlation_key.is_some() { " AND s.correlation_key IS NULL" } else { "" };
    let kinds = match by {
        By::CorrelationKey => vec!["s.correlation_key = $4".to_owned()],
        By::BusinessKey if key.is_empty() => vec![format!("s.business_key = $4{unkeyed}"), format!("s.business_key IS NULL{unkeyed}")],
        By::BusinessKey => vec![format!("s.business_key = $4{unkeyed}")],
    };
    let (narrowed, tail) = match who {
        Who::Two => (None, "LIMIT 2"),
        Who::NotOf(instance) => (Some(("<>", instance)), "LIMIT 1"),
        Who::OldestOf(instance) => (Some(("=", instance)), "ORDER BY f.wait LIMIT 1"),
    };
    let narrowed = narrowed.map_or_else(String::new, |(comparison, instance)| {
        params.push(Param::Uuid(instance));
        format!(" AND s.instance_id {comparison} ${}", params.len())
    });
    let each: Vec<String> = kinds.iter().map(|kind| format!("{AWAITING} AND {kind}{narrowed}")).collect();
    (format!("SELECT f.* FROM ({}) f {tail}", each.join(" UNION ALL ")), params)
}

impl Store {
    /// Messages that are due and for which nobody has been found, the longest due first.
    pub async fn due_messages(&self, now: i64, max: u32) -> Result<Vec<Addressed>, Error> {
        let sql = format!("SELECT {ADDRESSED} FROM message m WHERE {IS_DUE} ORDER BY m.due, m.id LIMIT $2");
        self.lookups.fetch(&sql, params![now, i64::from(max)]).await?.iter().map(addressed).collect()
    }

    /// Who waits for a message: under its correlation key, if it has one, or else, where nobody does, by its business key.
    pub async fn awaiting(&self, message: &Addressed) -> Result<Awaiting, Error> {
        if message.correlation_key.is_some() {
            match self.awaiting_by(message, By::CorrelationKey).await? {
                Awaiting::Nobody => {}
                found => return Ok(found),
            }
        }
        self.awaiting_by(message, By::BusinessKey).await
    }

    async fn awaiting_by(&self, message: &Addressed, by: By) -> Result<Awaiting, Error> {
        let mut found = self.who_awaits(message, by, Who::Two).await?;
        if let [(one, _), (other, _)] = &found[..] {
            if one.instance != other.instance || !self.who_awaits(message, by, Who::NotOf(one.instance)).await?.is_empty() {
                return Ok(Awaiting::Several);
            }
            // One instance waits more than once.
            found = self.who_awaits(message, by, Who::OldestOf(one.instance)).await?;
        }
        Ok(match found.pop() {
            None => Awaiting::Nobody,
            Some((_, true)) => Awaiting::Suspended,
            Some((wait, false)) => Awaiting::One(wait),
        })
    }

    /// Waits, and whether the instance of each is suspended.
    async fn who_awaits(&self, message: &Addressed, by: By, who: Who) -> Result<Vec<(Waiting, bool)>, Error> {
        let (sql, params) = awaiting_sql(message, by, who);
        let waiting = |row: &Row| {
            let mut columns = row.columns();
            let wait = Waiting {
                instance: columns.next()?,
                wait: columns.next()?,
                activity: columns.next()?,
                definition_id: columns.next()?,
                activity_id: columns.next()?,
            };
            // One whose instance is gone was on its way out when the statement began.
            Ok((wait, columns.next::<Option<bool>>()?.unwrap_or(false)))
        };
        self.lookups.fetch(&sql, params).await?.iter().map(waiting).collect()
    }

    /// Hands messages over to deliveries, and puts off those for which nobody was found, for a reason and until a moment.
    pub async fn address(&self, found: &[(Addressed, Address)], held: &[(Addressed, &str, i64)], now: i64) -> Result<(), Error> {
        let mut tx = self.begin_in_epoch().await?;
        let all = found.iter().map(|(message, _)| message.id).chain(held.iter().map(|(message, ..)| message.id));
        let there = lock(&mut tx, all).await?;
        let row = |(message, address): &(Addressed, Address)| {
            let n = delivery::first(message.id);
            match address {
                Address::Wait(it) => {
                    cells![message.id, n, Some(it.instance), Some(it.wait), Some(it.activity), &it.definition_id, &it.activity_id, now]
                }
                Address::Start(element) => {
                    cells![message.id, n, None::<Uuid>, None::<i64>, None::<i64>, &message.definition_id, element, now]
                }
            }
        };
        ADDRESS.execute(&mut tx, found.iter().filter(|(message, _)| there.contains(&message.id)).map(row).collect()).await?;
        HOLD.execute(&mut tx, held.iter().map(|(message, reason, until)| cells![message.id, *reason, message.woken, *until]).collect())
            .await?;
        tx.commit().await
    }

    /// Makes messages due that somebody has begun to wait for: those to his process, under his business key or his correlation key. True if
    /// there are any. What is sent from this moment on finds him by itself.
    pub async fn wake_messages(&self, begun: Begun, now: i64) -> Result<bool, Error> {
        // There are none most of the time: a read costs no transaction.
        let woken = self.waiting_messages(begun).await?;
        if woken.is_empty() {
            return Ok(false);
        }
        let mut tx = self.begin_in_epoch().await?;
        let there = lock(&mut tx, woken.into_iter()).await?;
        let sql = "UPDATE message SET woken = woken + 1, due = CASE WHEN due > $2 THEN $2 ELSE due END WHERE id {any_uuid:1}";
        tx.execute(sql, vec![Param::Uuids(there.into_iter().collect()), Param::I64(now)]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a message that nobody is to get, unless it is being delivered. False if there is none.
    pub async fn remove_message(&self, id: Uuid, operations: &[OperationRow]) -> Result<bool, Error> {
        let mut tx = self.begin_in_epoch().await?;
        lock(&mut tx, std::iter::once(id)).await?;
        let sql = "DELETE FROM message WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM delivery t WHERE t.signal = message.id)";
        if tx.execute(sql, params![id]).await? == 0 {
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
    let sql = "SELECT COUNT(*) FROM message WHERE definition_id {any_text:1}";
    tx.fetch(sql, vec![Param::Texts(definitions.to_vec())]).await?.first().map_or(Ok(0), |row| row.get(0))
}

/// Removes them, with the definitions.
pub(crate) async fn remove_to(tx: &mut Tx, definitions: &[String]) -> Result<(), Error> {
    let sql = "SELECT id FROM message WHERE definition_id {any_text:1} ORDER BY id {pg:FOR UPDATE}";
    tx.fetch(sql, vec![Param::Texts(definitions.to_vec())]).await?;
    for sql in [
        "DELETE FROM delivery WHERE kind = 'message' AND signal IN (SELECT id FROM message WHERE definition_id {any_text:1})",
        "DELETE FROM message WHERE definition_id {any_text:1}",
    ] {
        tx.execute(sql, vec![Param::Texts(definitions.to_vec())]).await?;
    }
    Ok(())
}

const LISTED: &str = "SELECT m.id, m.name, m.sender_id, d.key, d.tenant, m.activity_id, m.business_key, m.correlation_key, \
     m.created, m.due, m.reason, t.instance_id \
     FROM message m JOIN definition d ON d.id = m.definition_id LEFT JOIN delivery t ON t.signal = m.id";

fn listed(mut columns: Columns<'_>) -> Result<MessageListed, Error> {
    Ok(MessageListed {
        id: columns.next()?,
        name: columns.next()?,
        sender: columns.next()?,
        process: columns.next()?,
        tenant: columns.next_tenant()?,
        element: some(columns.next()?),
        business_key: some(columns.next()?),
        correlation_key: columns.next()?,
        created: columns.next()?,
        due: columns.next()?,
        reason: columns.next()?,
        receiver: columns.next()?,
    })
}

impl Reads {
    /// Messages along message flows that have not come to anybody yet, the oldest first.
    pub async fn messages(&self, page: Page) -> Result<Vec<MessageListed>, Error> {
        let sql = format!("{LISTED} ORDER BY m.id LIMIT $1 OFFSET $2");
        let rows = self.pool.fetch(&sql, params![i64::from(page.max), i64::from(page.first)]).await?;
        rows.iter().map(|row| listed(row.columns())).collect()
    }

    /// One of them.
    pub async fn message(&self, id: Uuid) -> Result<Option<MessageListed>, Error> {
        let rows = self.pool.fetch(&format!("{LISTED} WHERE m.id = $1"), params![id]).await?;
        rows.first().map(|row| listed(row.columns())).transpose()
    }
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&SEND, &ADDRESS, &HOLD, &REMOVE, &LOCK, &ADDRESSEES];
