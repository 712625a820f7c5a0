//! Signals on their way to their receivers.
//!
//! Whoever throws a signal writes a row for each receiver that there is at that moment, in the transaction that throws it. Whoever takes
//! such a row up removes it in the transaction that stores what it led to ([`InstanceWrite::delivery`](crate::InstanceWrite)), and is
//! refused if it is gone. So a crash before either commit has done nothing, one after it has done all, and of two hosts that take up the
//! same row one is too late.
//!
//! A row is locked by the host that is at it, to spare others the work, like a timer start event's: the lock counts by real time, while its
//! host's lease lasts in the epoch in which it was taken. When it is tried again after a failure goes by the clock that processes see.
//! Without retries it waits for an operator and is an incident (the view `any_incident`), as long as its receiver is there.

mod failed;
pub(crate) mod incident;
pub(crate) mod parked;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::batch::{Batch, Cell, Type, cells};
use crate::claim::Except;
use crate::db::{Columns, Param, Tx, params};
use crate::lease::HostRef;
use crate::rows::EventKind;
use crate::start_timers::HELD;
use crate::unit::{CommitError, InstanceWrite, Unit, check_key, check_text};
use crate::{Error, Store, message};
pub use failed::{DeliveryClaim, FailedDelivery};
use incident::End;

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
    /// How many throws led to it, its own included.
    pub hops: i64,
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
///
/// The numbers of a throw follow one that is made of its id and larger than any number of an instance, so that a delivery can be named, as
/// a job, by its receiver and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryName {
    /// The throw.
    pub signal: Uuid,
    /// Its number.
    pub n: i64,
}

/// The least number of a delivery.
pub const FIRST_DELIVERY: i64 = 1 << 62;

/// A signal that is to be delivered to one receiver, or a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name; of a message its id and the number that follows from it.
    pub name: DeliveryName,
    /// A signal or a message; of a row that cannot be read, a signal.
    pub kind: EventKind,
    /// The signal's or message's name.
    pub signal: String,
    /// Who is to get it.
    pub receiver: Receiver,
    /// The receiver's definition.
    pub definition_id: String,
    /// BPMN id of the element that waits or starts.
    pub activity_id: String,
    /// What goes along, as JSON.
    pub variables: String,
    /// The business key of an instance that it starts.
    pub business_key: Option<String>,
    /// How many throws led to it, each in the unit of work that took up the one before it; 1: only its own.
    pub hops: i64,
    /// Not tried before; without retries it is not tried.
    pub due: i64,
    /// Attempts left; 0 waits for an operator.
    pub retries: i64,
    /// Failed attempts.
    pub failures: i64,
    /// When it was thrown; of a message: when its receiver was found.
    pub created: i64,
}

impl Delivery {
    /// What names it as a job: its receiver's instance or, of an instance that is to be started, the throw.
    pub fn job(&self) -> (Uuid, i64) {
        match self.receiver {
            Receiver::Wait { instance, .. } | Receiver::Unreadable { instance: Some(instance) } => (instance, self.name.n),
            Receiver::Start | Receiver::Unreadable { instance: None } => (self.name.signal, self.name.n),
        }
    }
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
    /// Its row does not say: it is damaged, or of a kind that this host does not know. It is read all the same, so that it keeps back no
    /// other, and fails as any delivery may.
    Unreadable {
        /// The instance that it names.
        instance: Option<Uuid>,
    },
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
    ("first", Type::I64),
    ("name", Type::Text),
    ("thrower", Type::Uuid),
    ("tenant", Type::Text),
    ("or_none", Type::Bool),
    ("variables", Type::Text),
    ("business_key", Type::Text),
    ("hops", Type::I64),
    ("at", Type::I64),
    ("locked_by", Type::Uuid),
    ("locked_epoch", Type::I64),
];

/// As in Camunda 7 an instance that is suspended gets nothing. Waits have even numbers.
static TO_WAITS: Batch = Batch::new(
    "INSERT INTO delivery (signal, n, kind, name, instance_id, wait, activity, definition_id, activity_id, variables, business_key, hops, due, retries, \
     failures, created, locked_by, locked_epoch) \
     SELECT v.signal, v.first + 2 * ROW_NUMBER() OVER (PARTITION BY v.signal ORDER BY s.instance_id, s.wait), 'signal', v.name, s.instance_id, s.wait, \
     s.activity, s.definition_id, s.activity_id, v.variables, v.business_key, v.hops, v.at, 3, 0, v.at, v.locked_by, v.locked_epoch \
     FROM {rows} {pg:JOIN}{lite:CROSS JOIN} subscription s ON s.name = v.name AND s.kind = 'signal' \
     {pg:JOIN}{lite:CROSS JOIN} instance i ON i.id = s.instance_id \
     WHERE NOT i.suspended AND (v.thrower IS NULL OR s.instance_id <> v.thrower) \
     AND (v.tenant IS NULL OR s.tenant = v.tenant OR (v.or_none AND s.tenant = ''))",
    COLUMNS,
);

/// The newest versions, unless they are suspended. Starts have odd numbers.
static TO_STARTS: Batch = Batch::new(
    "INSERT INTO delivery (signal, n, kind, name, definition_id, activity_id, variables, business_key, hops, due, retries, failures, created, \
     locked_by, locked_epoch) \
     SELECT v.signal, v.first + 2 * ROW_NUMBER() OVER (PARTITION BY v.signal ORDER BY d.id, e.activity_id) + 1, 'signal', v.name, d.id, e.activity_id, \
     v.variables, v.business_key, v.hops, v.at, 3, 0, v.at, v.locked_by, v.locked_epoch \
     FROM {rows} {pg:JOIN}{lite:CROSS JOIN} start_event e ON e.name = v.name AND e.kind = 'signal' \
     {pg:JOIN}{lite:CROSS JOIN} definition d ON d.id = e.definition_id \
     WHERE NOT d.suspended AND (v.tenant IS NULL OR d.tenant = v.tenant OR (v.or_none AND d.tenant = '')) \
     AND NOT EXISTS (SELECT 1 FROM definition newer WHERE newer.tenant = d.tenant AND newer.key = d.key AND newer.version > d.version)",
    COLUMNS,
);

pub(crate) const NAME: &[(&str, Type)] = &[("signal", Type::Uuid), ("n", Type::I64)];

/// From here to the commit nobody else takes it up.
static HOLD: Batch = Batch::new(
    "SELECT d.signal, d.n FROM {rows} JOIN delivery d ON d.signal = v.signal AND d.n = v.n \
     {pg:FOR UPDATE OF d}",
    NAME,
);

static REMOVE: Batch = Batch::new(
    "DELETE FROM delivery WHERE (signal, n) IN (SELECT v.signal, v.n FROM {rows}) RETURNING COALESCE(instance_id, signal), n, failures",
    NAME,
);

static LOCK: Batch = Batch::new(
    "UPDATE delivery SET locked_by = v.locked_by, locked_epoch = v.locked_epoch FROM {rows} WHERE delivery.signal = v.signal AND delivery.n = v.n",
    &[("signal", Type::Uuid), ("n", Type::I64), ("locked_by", Type::Uuid), ("locked_epoch", Type::I64)],
);

/// What may be looked at of `t`: the predicate of the index `delivery_claimable`.
const IS_CLAIMABLE: &str = "t.retries > 0 AND NOT t.parked";

/// What may be tried of `t`: who is suspended gets a signal when he goes on, also if nobody has parked it yet.
fn runs() -> String {
    format!("{IS_CLAIMABLE} AND NOT {}", parked::IS_SUSPENDED)
}

/// The next moment after `$1` at which one becomes due.
pub(crate) fn next_sql() -> String {
    format!("SELECT t.due FROM delivery t WHERE {} AND t.due > $1 ORDER BY t.due LIMIT 1", runs())
}

/// Neither for one of the instances `$3`, nor of a throw among them, nor for what runs one of the definitions `$4`.
const NOT_EXCEPTED: &str = "NOT (t.signal {any_uuid:3}) AND (t.instance_id IS NULL OR NOT (t.instance_id {any_uuid:3})) \
                            AND NOT (t.definition_id {any_text:4})";

/// One is due at `$1` that could be claimed, but for `$3` and `$4`; or a host other than `$2` is at it.
pub(crate) fn is_due() -> String {
    format!("({} AND t.due <= $1 AND {NOT_EXCEPTED}) OR (t.locked_by <> $2 AND {HELD})", runs())
}

/// Refuses units whose delivery is not there any more.
pub(crate) async fn refuse_delivered(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<(), Error> {
    let mut asked = BTreeMap::new();
    for (at, unit) in units.iter().enumerate().filter(|(at, _)| answers[*at].is_none()) {
        asked.extend(unit.instances.iter().filter_map(|write| write.delivery).map(|name| (name, at)));
    }
    message::lock(tx, asked.keys().map(|name| name.signal)).await?;
    let rows = HOLD.fetch(tx, asked.keys().map(|name| cells![name.signal, name.n]).collect()).await?;
    for row in rows {
        asked.remove(&DeliveryName { signal: row.get(0)?, n: row.get(1)? });
    }
    for at in asked.into_values() {
        answers[at] = Some(CommitError::Delivered);
    }
    Ok(())
}

/// Writes down who gets the signals of units that are stored, and removes what they have taken up. Nobody has to wait any more for what was
/// parked for instances that have ended `suspended`: it is over.
pub(crate) async fn write<'u>(
    tx: &mut Tx,
    writes: impl Iterator<Item = &'u InstanceWrite> + Clone,
    suspended: Vec<Uuid>,
) -> Result<(), Error> {
    let taken: Vec<_> = writes.clone().filter_map(|write| write.delivery).map(|name| cells![name.signal, name.n]).collect();
    // What had been given up was an incident until now: until the last of these units, which are stored together.
    let removed = REMOVE.fetch(tx, taken.clone()).await?;
    let failed = removed.iter().map(|row| Ok((row.get::<i64>(2)? > 0).then_some((row.get(0)?, row.get(1)?))));
    let failed: Vec<_> = failed.filter_map(Result::transpose).collect::<Result<_, Error>>()?;
    if let Some(last) = writes.clone().map(crate::write::history::moment).max().filter(|_| !failed.is_empty()) {
        incident::end(tx, failed, last, End::Resolved).await?;
    }
    message::remove_received(tx, taken).await?;
    let go_on = writes.clone().filter(|write| write.suspended == Some(false)).map(|write| write.id);
    parked::wake(tx, go_on.chain(suspended).collect()).await?;
    let thrown = writes.flat_map(|write| write.signals.iter().map(move |signal| row(signal, Some(write.id), None)));
    throw(tx, thrown.collect()).await
}

async fn throw(tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<(), Error> {
    TO_WAITS.execute(tx, rows.clone()).await?;
    TO_STARTS.execute(tx, rows).await.map(drop)
}

fn row(signal: &Signal, thrower: Option<Uuid>, lock: Option<HostRef>) -> Vec<Cell> {
    let (tenant, or_none) = match &signal.tenants {
        SignalTenants::Any => (None, false),
        SignalTenants::Only(tenant) => (Some(tenant.clone().unwrap_or_default()), false),
        SignalTenants::AndNone(tenant) => (Some(tenant.clone().unwrap_or_default()), true),
    };
    let (host, epoch) = (lock.map(|host| host.id), lock.map(|host| host.epoch));
    let (variables, business_key) = (&signal.variables, &signal.business_key);
    cells![
        signal.id,
        first(signal.id),
        &signal.name,
        thrower,
        tenant,
        or_none,
        variables,
        business_key,
        signal.hops,
        signal.at,
        host,
        epoch
    ]
}

/// What the numbers of a throw's deliveries follow: its random bits, as far as there is room for two billion numbers.
pub(crate) fn first(signal: Uuid) -> i64 {
    let (_, random) = signal.as_u64_pair();
    FIRST_DELIVERY + i64::try_from(random & ((1 << 61) - 1)).expect("61 bits")
}

const DELIVERY: &str = "t.signal, t.n, t.kind, t.name, t.instance_id, t.wait, t.activity, t.definition_id, t.activity_id, t.variables, t.business_key, \
                        t.hops, t.due, t.retries, t.failures, t.created";

fn delivery(columns: &mut Columns<'_>) -> Result<Delivery, Error> {
    let name = DeliveryName { signal: columns.next()?, n: columns.next()? };
    let kind: String = columns.next()?;
    let kind = EventKind::of(&kind).filter(|kind| matches!(kind, EventKind::Signal | EventKind::Message));
    let signal = columns.next()?;
    let receiver = match (kind, columns.next()?, columns.next()?, columns.next()?) {
        (Some(_), Some(instance), Some(wait), Some(activity)) => Receiver::Wait { instance, wait, activity },
        (Some(_), None, None::<i64>, None::<i64>) => Receiver::Start,
        (_, instance, ..) => Receiver::Unreadable { instance },
    };
    Ok(Delivery {
        name,
        kind: kind.unwrap_or(EventKind::Signal),
        signal,
        receiver,
        definition_id: columns.next()?,
        activity_id: columns.next()?,
        variables: columns.next()?,
        business_key: columns.next()?,
        hops: columns.next()?,
        due: columns.next()?,
        retries: columns.next()?,
        failures: columns.next()?,
        created: columns.next()?,
    })
}

/// Up to `$2` that are due at `$1`, but for `$3` and `$4`, as far as no host but `$5` is at them; each with whether its receiver is
/// suspended.
pub(crate) fn look() -> String {
    format!(
        "SELECT {DELIVERY}, {} FROM delivery t WHERE {IS_CLAIMABLE} AND t.due <= $1 AND {NOT_EXCEPTED} \
         AND (t.locked_by IS NULL OR t.locked_by = $5 OR NOT {HELD}) ORDER BY t.due, t.signal, t.n LIMIT $2",
        parked::IS_SUSPENDED
    )
}

fn deliveries(rows: &[crate::db::Row]) -> Result<Vec<Delivery>, Error> {
    rows.iter().map(|row| delivery(&mut row.columns())).collect()
}

impl Store {
    /// Throws a signal that comes from no instance: who gets it is durable when this answers, and locked by this host, which tries it first
    /// ([`thrown_here`](Self::thrown_here)).
    pub async fn throw(&self, signal: &Signal) -> Result<(), Error> {
        signal.check().map_err(Error::Refused)?;
        let mut tx = self.begin_in_epoch().await?;
        throw(&mut tx, vec![row(signal, None, Some(self.host()))]).await?;
        tx.commit().await
    }

    /// The next deliveries of a throw that this host has locked, in the order of their numbers.
    pub async fn thrown_here(&self, signal: Uuid, after: Option<i64>, max: u32) -> Result<Vec<Delivery>, Error> {
        let me = self.host();
        let sql = format!(
            "SELECT {DELIVERY} FROM delivery t WHERE t.signal = $1 AND t.n > $2 AND t.locked_by = $4 AND t.locked_epoch = $5 ORDER BY t.n LIMIT $3"
        );
        let params = params![signal, after.unwrap_or(i64::MIN), i64::from(max), me.id, me.epoch];
        deliveries(&self.lookups.fetch(&sql, params).await?)
    }

    /// Locks deliveries that are due, the longest due first, and parks those whose receivers are suspended. `busy` are instances to which
    /// this host is delivering, and throws whose deliveries it has: what it has locked besides, it has forgotten.
    pub async fn claim_deliveries(&self, now: i64, max: u32, busy: &[Uuid], except: &Except) -> Result<Vec<Delivery>, Error> {
        let (me, look) = (self.host(), look());
        let instances: Vec<Uuid> = busy.iter().chain(&except.instances).copied().collect();
        let params = |max: i64| {
            let (instances, definitions) = (Param::Uuids(instances.clone()), Param::Texts(except.definitions.clone()));
            vec![Param::I64(now), Param::I64(max), instances, definitions, Param::Uuid(me.id)]
        };
        // There are none most of the time: a read costs no transaction.
        if self.lookups.fetch(&look, params(1)).await?.is_empty() {
            return Ok(Vec::new());
        }
        loop {
            let mut tx = self.begin_in_epoch().await?;
            let found = tx.fetch(&format!("{look} {{pg:FOR UPDATE OF t SKIP LOCKED}}"), params(i64::from(max))).await?;
            let (mut claimed, mut suspended) = (Vec::new(), Vec::new());
            for row in &found {
                let mut columns = row.columns();
                let delivery = delivery(&mut columns)?;
                if columns.next()? { suspended.push(delivery) } else { claimed.push(delivery) }
            }
            let parked = parked::park(&mut tx, &suspended).await?;
            lock(&mut tx, me, &claimed).await?;
            tx.commit().await?;
            // There may be others behind those that are parked now.
            if !claimed.is_empty() || parked == 0 {
                return Ok(claimed);
            }
        }
    }

    /// The deliveries that this host has locked, each with its receiver: those that may be claimed, and those that have failed, which an
    /// operator may have tried.
    pub async fn locked_deliveries(&self) -> Result<Vec<(DeliveryName, Uuid)>, Error> {
        let me = self.host();
        // Each by its index: parked ones, which may be many, are nobody's.
        let of = |which: &str| {
            format!(
                "SELECT t.signal, t.n, COALESCE(t.instance_id, t.signal) FROM delivery t WHERE {which} AND t.locked_by = $1 AND t.locked_epoch = $2"
            )
        };
        let sql = format!("{} UNION {}", of(IS_CLAIMABLE), of("t.failures > 0"));
        let rows = self.lookups.fetch(&sql, params![me.id, me.epoch]).await?;
        rows.iter().map(|row| Ok((DeliveryName { signal: row.get(0)?, n: row.get(1)? }, row.get(2)?))).collect()
    }

    /// Unlocks a delivery of this host, unchanged. As [`release`](Self::release) it does not wait long for a lock.
    pub async fn release_delivery(&self, name: DeliveryName) -> Result<(), Error> {
        let me = self.host();
        let sql = "UPDATE delivery SET locked_by = NULL, locked_epoch = NULL WHERE signal = $1 AND n = $2 AND locked_by = $3 AND locked_epoch = $4";
        let mut tx = self.inner().jobs.begin().await?;
        tx.execute(sql, params![name.signal, name.n, me.id, me.epoch]).await?;
        tx.commit().await
    }

    /// Deliveries in the order of their names, after one.
    pub async fn deliveries_after(&self, after: Option<DeliveryName>, max: u32) -> Result<Vec<Delivery>, Error> {
        let after = after.unwrap_or(DeliveryName { signal: Uuid::nil(), n: 0 });
        let sql = format!("SELECT {DELIVERY} FROM delivery t WHERE (t.signal, t.n) > ($1, $2) ORDER BY t.signal, t.n LIMIT $3");
        deliveries(&self.pool.fetch(&sql, params![after.signal, after.n, i64::from(max)]).await?)
    }

    /// Removes a delivery that nobody is there for any more.
    pub async fn drop_delivery(&self, delivery: &Delivery, at: i64) -> Result<(), Error> {
        let name = delivery.name;
        let mut tx = self.begin_in_epoch().await?;
        tx.execute("DELETE FROM delivery WHERE signal = $1 AND n = $2", params![name.signal, name.n]).await?;
        incident::end(&mut tx, vec![delivery.job()], at, End::Deleted).await?;
        tx.commit().await
    }

    /// Removes deliveries that were given up and whose receivers are gone since. Answers how many.
    pub async fn drop_orphaned_deliveries(&self, at: i64) -> Result<usize, Error> {
        let orphaned = "failures > 0 AND retries = 0 AND NOT EXISTS \
                        (SELECT 1 FROM any_incident c WHERE c.instance_id = COALESCE(delivery.instance_id, delivery.signal) AND c.n = delivery.n)";
        let look = format!("SELECT 1 FROM delivery WHERE {orphaned} LIMIT 1");
        if self.lookups.fetch(&look, Vec::new()).await?.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin_in_epoch().await?;
        // In the order of their names, as by everybody who locks several.
        let held = format!("SELECT signal, n FROM delivery WHERE {orphaned} ORDER BY signal, n {{pg:FOR UPDATE SKIP LOCKED}}");
        let sql = format!("DELETE FROM delivery WHERE (signal, n) IN ({held}) RETURNING COALESCE(instance_id, signal), n");
        let dropped = tx.fetch(&sql, Vec::new()).await?;
        let jobs: Vec<_> = dropped.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<_, Error>>()?;
        incident::end(&mut tx, jobs, at, End::Deleted).await?;
        tx.commit().await?;
        Ok(dropped.len())
    }
}

async fn lock(tx: &mut Tx, me: HostRef, deliveries: &[Delivery]) -> Result<(), Error> {
    LOCK.execute(tx, deliveries.iter().map(|it| cells![it.name.signal, it.name.n, me.id, me.epoch]).collect()).await.map(drop)
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&TO_WAITS, &TO_STARTS, &HOLD, &REMOVE, &LOCK, &parked::PARK, &incident::END];
