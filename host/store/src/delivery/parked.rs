//! Deliveries to receivers that were suspended after the throw. Whoever finds one that is due parks it, and nobody looks at it until its
//! receiver goes on: ten thousand of them would otherwise be looked at by each claim, before those behind them.
//!
//! A receiver that goes on, ends or is deleted wakes them in the transaction that stores so. Whoever parks holds the receiver's row,
//! suspended, until its own commit, and leaves alone what somebody changes at that moment: so no wake-up is missed, nobody waits for
//! another, and a host that dies has parked nothing or all. What was parked for one that is gone is then dropped like any delivery that
//! nobody is there for.
//!
//! Whoever wakes has the receiver's row before those of its deliveries, so that of two who would wake the same the second waits there; and
//! whoever parks waits for nobody.

use uuid::Uuid;

use super::{Delivery, NAME, Receiver};
use crate::Error;
use crate::batch::{Batch, cells};
use crate::db::{Param, Tx, params};

/// Whether the receiver of `t` is suspended.
pub(super) const IS_SUSPENDED: &str = "CASE WHEN t.instance_id IS NULL \
     THEN EXISTS (SELECT 1 FROM definition d WHERE d.id = t.definition_id AND d.suspended) \
     ELSE EXISTS (SELECT 1 FROM instance i WHERE i.id = t.instance_id AND i.suspended) END";

pub(super) static PARK: Batch = Batch::new(
    "UPDATE delivery SET parked = TRUE FROM {rows} \
     WHERE delivery.signal = v.signal AND delivery.n = v.n",
    NAME,
);

/// Parks deliveries whose rows this transaction holds, as far as their receivers are suspended. Answers how many.
pub(super) async fn park(tx: &mut Tx, suspended: &[Delivery]) -> Result<u64, Error> {
    let mut instances: Vec<Uuid> = suspended.iter().filter_map(instance).collect();
    instances.dedup();
    let sql = "SELECT id FROM instance WHERE id {any_uuid:1} AND suspended ORDER BY id {pg:FOR SHARE SKIP LOCKED}";
    let held = tx.fetch(sql, vec![Param::Uuids(instances)]).await?;
    let instances = held.iter().map(|row| row.get(0)).collect::<Result<Vec<Uuid>, _>>()?;
    let definitions = suspended.iter().filter(|it| instance(it).is_none()).map(|it| it.definition_id.clone()).collect();
    let sql = "SELECT id FROM definition WHERE id {any_text:1} AND suspended ORDER BY id {pg:FOR SHARE SKIP LOCKED}";
    let held = tx.fetch(sql, vec![Param::Texts(definitions)]).await?;
    let definitions = held.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
    let is_held = |it: &&Delivery| match instance(it) {
        Some(id) => instances.contains(&id),
        None => definitions.contains(&it.definition_id),
    };
    PARK.execute(tx, suspended.iter().filter(is_held).map(|it| cells![it.name.signal, it.name.n]).collect()).await
}

fn instance(delivery: &Delivery) -> Option<Uuid> {
    match delivery.receiver {
        Receiver::Wait { instance, .. } => Some(instance),
        Receiver::Unreadable { instance } => instance,
        Receiver::Start => None,
    }
}

/// Within the transaction in which instances go on or are removed.
pub(crate) async fn wake(tx: &mut Tx, instances: Vec<Uuid>) -> Result<(), Error> {
    if instances.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE delivery SET parked = FALSE WHERE parked AND instance_id {any_uuid:1}";
    tx.execute(sql, vec![Param::Uuids(instances)]).await.map(drop)
}

/// Within the transaction in which a definition goes on or is deleted.
pub(crate) async fn wake_starts(tx: &mut Tx, definition: &str) -> Result<(), Error> {
    let sql = "UPDATE delivery SET parked = FALSE WHERE parked AND instance_id IS NULL AND definition_id = $1";
    tx.execute(sql, params![definition]).await.map(drop)
}
