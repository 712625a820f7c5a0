//! Signals on their way to their receivers.
//!
//! Whoever throws a signal writes a row for each receiver that there is at that moment, in the transaction that throws it. Whoever takes such a row up
//! removes it in the transaction that stores what it led to ([`InstanceWrite::delivery`](crate::InstanceWrite)), and is refused if it is gone. So a crash
//! before either commit has done nothing, one after it has done all, and of two hosts that take up the same row one is too late.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::batch::{Batch, Cell, Type, cells};
use crate::db::{Row, Tx, params};
use crate::unit::{CommitError, InstanceWrite, Unit, check_key, check_text};
use crate::{Error, Store};

/// A signal as it is thrown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Names this throw.
    pub id: Uuid,
    /// The signal's name.
    pub name: String,
    /// Whose receivers get it.
    pub tenants: SignalTenants,
    /// What goes along, as JSON.
    pub variables: String,
    /// The business key of instances that it starts.
    pub business_key: Option<String>,
    /// When.
    pub at: i64,
}

/// Whose receivers get a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalTenants {
    /// Everybody's.
    Any,
    /// Those of this tenant or, with none, those of no tenant.
    Only(Option<String>),
    /// Those of the tenant that throws it, if it is one's, and those of no tenant.
    AndNone(Option<String>),
}

/// Names a delivery: the throw, and its number in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryName {
    /// The throw.
    pub signal: Uuid,
    /// Its number.
    pub n: i64,
}

/// A signal that is to be delivered to one receiver, or a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub name: DeliveryName,
    /// The signal's or message's name.
    pub signal: String,
    /// Who is to get it.
    pub receiver: Receiver,
    /// The receiver's definition.
    pub definition_id: String,
    /// BPMN id of the element that waits or starts; empty: whatever waits for the message, or starts by it.
    pub activity_id: String,
    /// What goes along, as JSON.
    pub variables: String,
    /// The business key of an instance that it starts; of a message also of who waits for it.
    pub business_key: Option<String>,
    /// How often it was tried, this time included.
    pub attempts: i64,
    /// When it is tried again.
    pub due: i64,
    /// Why the last attempt has not delivered it.
    pub reason: Option<String>,
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// A wait.
    Wait {
        /// Its instance.
        instance: Uuid,
        /// The wait.
        wait: i64,
        /// The activity instance that waits.
        activity: i64,
    },
    /// A new instance.
    Start,
    /// Whoever waits for it: it is a message along a message flow.
    Addressee,
}

impl Delivery {
    /// How long a message that nobody waits for rests until it is looked at again, if nobody wakes it before: that is for a host that died in the moment.
    pub fn rest_ms(&self) -> i64 {
        pause(self.attempts, LONGEST_REST_MS)
    }
}

impl Signal {
    pub(crate) fn check(&self) -> Result<(), String> {
        check_key("signal name", &self.name)?;
        check_key("business key", self.business_key.as_deref().unwrap_or_default())?;
        check_text("variables of a signal", Some(&self.variables))
    }
}

/// A tenant's signal comes to receivers of that tenant and, where `or_none` says so, to those of none; NULL is any tenant.
const COLUMNS: &[(&str, Type)] = &[
    ("signal", Type::Uuid),
    ("name", Type::Text),
    ("thrower", Type::Uuid),
    ("tenant", Type::Text),
    ("or_none", Type::Bool),
    ("variables", Type::Text),
    ("business_key", Type::Text),
    ("due", Type::I64),
    ("at", Type::I64),
];

/// As in Camunda 7 an instance that is suspended gets nothing.
static TO_WAITS: Batch = Batch::new(
    "INSERT INTO delivery (signal, n, kind, name, instance_id, wait, activity, definition_id, activity_id, variables, business_key, due, attempts, \
     created) SELECT v.signal, ROW_NUMBER() OVER (PARTITION BY v.signal ORDER BY s.instance_id, s.wait), 'signal', v.name, s.instance_id, s.wait, s.activity, \
     s.definition_id, s.activity_id, v.variables, v.business_key, v.due, 0, v.at \
     FROM {rows} {pg:JOIN}{lite:CROSS JOIN} subscription s ON s.name = v.name AND s.kind = 'signal' \
     {pg:JOIN}{lite:CROSS JOIN} instance i ON i.id = s.instance_id \
     WHERE NOT i.suspended AND (v.thrower IS NULL OR s.instance_id <> v.thrower) \
     AND (v.tenant IS NULL OR s.tenant = v.tenant OR (v.or_none AND s.tenant = ''))",
    COLUMNS,
);

/// The newest versions, unless they are suspended; their numbers are below 0.
static TO_STARTS: Batch = Batch::new(
    "INSERT INTO delivery (signal, n, kind, name, definition_id, activity_id, variables, business_key, due, attempts, created) \
     SELECT v.signal, -ROW_NUMBER() OVER (PARTITION BY v.signal ORDER BY d.id, e.activity_id), 'signal', v.name, d.id, e.activity_id, v.variables, \
     v.business_key, v.due, 0, v.at \
     FROM {rows} {pg:JOIN}{lite:CROSS JOIN} start_event e ON e.name = v.name AND e.kind = 'signal' \
     {pg:JOIN}{lite:CROSS JOIN} definition d ON d.id = e.definition_id \
     WHERE NOT d.suspended AND (v.tenant IS NULL OR d.tenant = v.tenant OR (v.or_none AND d.tenant = '')) \
     AND NOT EXISTS (SELECT 1 FROM definition newer WHERE newer.tenant = d.tenant AND newer.key = d.key AND newer.version > d.version)",
    COLUMNS,
);

const NAME: &[(&str, Type)] = &[("signal", Type::Uuid), ("n", Type::I64)];

/// From here to the commit nobody else takes it up.
static HOLD: Batch = Batch::new(
    "SELECT d.signal, d.n FROM {rows} JOIN delivery d ON d.signal = v.signal AND d.n = v.n \
     {pg:FOR UPDATE OF d}",
    NAME,
);

static REMOVE: Batch = Batch::new("DELETE FROM delivery WHERE (signal, n) IN (SELECT v.signal, v.n FROM {rows})", NAME);

static PUT_OFF: Batch = Batch::new(
    "UPDATE delivery SET due = v.due, attempts = v.attempts FROM {rows} WHERE delivery.signal = v.signal AND delivery.n = v.n",
    &[("signal", Type::Uuid), ("n", Type::I64), ("due", Type::I64), ("attempts", Type::I64)],
);

/// How long after its first attempt a delivery is tried again: so long a host may take over it before another one tries, too.
const FIRST_PAUSE_MS: i64 = 10_000;
/// Doubled with each attempt, up to this.
const LONGEST_PAUSE_MS: i64 = 5 * 60_000;
/// The same of a message that nobody waits for, which whoever begins to wait makes due.
const LONGEST_REST_MS: i64 = 60 * 60_000;

/// Refuses units whose delivery is not there any more.
pub(crate) async fn refuse_delivered(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<(), Error> {
    let mut asked = BTreeMap::new();
    for (at, unit) in units.iter().enumerate().filter(|(at, _)| answers[*at].is_none()) {
        asked.extend(unit.instances.iter().filter_map(|write| write.delivery).map(|name| (name, at)));
    }
    let rows = HOLD.fetch(tx, asked.keys().map(|name| cells![name.signal, name.n]).collect()).await?;
    for row in rows {
        asked.remove(&DeliveryName { signal: row.get(0)?, n: row.get(1)? });
    }
    for at in asked.into_values() {
        answers[at] = Some(CommitError::Delivered);
    }
    Ok(())
}

/// Writes down who gets the signals of units that are stored, and removes what they have taken up.
pub(crate) async fn write<'u>(tx: &mut Tx, writes: impl Iterator<Item = &'u InstanceWrite> + Clone) -> Result<(), Error> {
    let taken = writes.clone().filter_map(|write| write.delivery).map(|name| cells![name.signal, name.n]);
    REMOVE.execute(tx, taken.collect()).await?;
    let thrown = writes.flat_map(|write| write.signals.iter().map(move |signal| row(signal, Some(write.id), signal.at)));
    throw(tx, thrown.collect()).await
}

async fn throw(tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<(), Error> {
    TO_WAITS.execute(tx, rows.clone()).await?;
    TO_STARTS.execute(tx, rows).await.map(drop)
}

fn row(signal: &Signal, thrower: Option<Uuid>, due: i64) -> Vec<Cell> {
    let (tenant, or_none) = match &signal.tenants {
        SignalTenants::Any => (None, false),
        SignalTenants::Only(tenant) => (Some(tenant.clone().unwrap_or_default()), false),
        SignalTenants::AndNone(tenant) => (Some(tenant.clone().unwrap_or_default()), true),
    };
    cells![signal.id, &signal.name, thrower, tenant, or_none, &signal.variables, &signal.business_key, due, signal.at]
}

const DELIVERY: &str =
    "signal, n, kind, name, instance_id, wait, activity, definition_id, activity_id, variables, business_key, attempts, reason";

/// A delivery that is tried now.
fn delivery(row: &Row, now: i64) -> Result<Delivery, Error> {
    let mut columns = row.columns();
    let name = DeliveryName { signal: columns.next()?, n: columns.next()? };
    let is_message = columns.next::<String>()? == "message";
    let signal = columns.next()?;
    let receiver = match (columns.next()?, columns.next()?, columns.next()?) {
        (Some(instance), Some(wait), Some(activity)) => Receiver::Wait { instance, wait, activity },
        (None::<Uuid>, None::<i64>, None::<i64>) => {
            if is_message {
                Receiver::Addressee
            } else {
                Receiver::Start
            }
        }
        _ => return Err(Error::Damaged("a delivery has half a receiver".to_owned())),
    };
    let (definition_id, activity_id, variables) = (columns.next()?, columns.next()?, columns.next()?);
    let (business_key, attempts, reason) = (columns.next::<Option<String>>()?, columns.next::<i64>()? + 1, columns.next()?);
    Ok(Delivery {
        name,
        signal,
        receiver,
        definition_id,
        activity_id,
        variables,
        business_key: business_key.filter(|key| !is_message || !key.is_empty()),
        attempts,
        due: now.saturating_add(pause(attempts, LONGEST_PAUSE_MS)),
        reason,
    })
}

/// How long after an attempt the next one is made.
fn pause(attempts: i64, longest: i64) -> i64 {
    FIRST_PAUSE_MS.saturating_mul(1 << (attempts - 1).clamp(0, 16)).min(longest)
}

impl Store {
    /// Throws a signal that comes from no instance: who gets it is durable when this answers. It is left to the caller for a while, who takes the
    /// deliveries by the throw's id.
    pub async fn throw(&self, signal: &Signal) -> Result<(), Error> {
        signal.check().map_err(Error::Refused)?;
        let mut tx = self.begin_in_epoch().await?;
        throw(&mut tx, vec![row(signal, None, signal.at.saturating_add(FIRST_PAUSE_MS))]).await?;
        tx.commit().await
    }

    /// Takes deliveries that are due, or those of one throw that nobody has tried, and puts each off, so that nobody else tries it at the same time.
    pub async fn claim_deliveries(&self, now: i64, max: u32, of: Option<Uuid>) -> Result<Vec<Delivery>, Error> {
        let (which, first) = match of {
            Some(signal) => ("signal = $2 AND attempts = 0", params![i64::from(max), signal]),
            None => ("due <= $2", params![i64::from(max), now]),
        };
        // There are none most of the time: a read costs no transaction.
        let look = format!("SELECT {DELIVERY} FROM delivery WHERE {which} ORDER BY due, signal, n LIMIT $1");
        if self.pool.fetch(&look, first.clone()).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin_in_epoch().await?;
        let rows = tx.fetch(&format!("{look} {{pg:FOR UPDATE SKIP LOCKED}}"), first).await?;
        let deliveries = rows.iter().map(|row| delivery(row, now)).collect::<Result<Vec<_>, _>>()?;
        let put_off = deliveries.iter().map(|it| cells![it.name.signal, it.name.n, it.due, it.attempts]);
        PUT_OFF.execute(&mut tx, put_off.collect()).await?;
        tx.commit().await?;
        Ok(deliveries)
    }

    /// When the next delivery after this moment is tried.
    pub(crate) async fn next_delivery(&self, now: i64) -> Result<Option<i64>, Error> {
        let rows = self.pool.fetch("SELECT due FROM delivery WHERE due > $1 ORDER BY due LIMIT 1", params![now]).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }

    /// Removes a delivery that nobody is there for any more.
    pub async fn drop_delivery(&self, name: DeliveryName) -> Result<(), Error> {
        let mut tx = self.begin_in_epoch().await?;
        tx.execute("DELETE FROM delivery WHERE signal = $1 AND n = $2", params![name.signal, name.n]).await?;
        tx.commit().await
    }
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&TO_WAITS, &TO_STARTS, &HOLD, &REMOVE, &PUT_OFF];
