//! Removing the history of instances: of few and small ones at once, of what is large in slices, each a transaction of its own.
//!
//! An instance's own row goes with the first slice, so that it is gone from lists and is not exported once more, and its id stands in
//! `history_remains` until the last of it is gone: whoever dies in between leaves that to the next one who looks. Instances are counted
//! before they are taken, so that of several none is cut: only one that alone is more than a slice leaves anything.

use uuid::Uuid;

use crate::Error;
use crate::db::{Param, Tx};

/// What history has of instances beside their own rows, in the order in which it is removed: with what else is in each key, and as how many
/// rows one counts, for some may be large. What operators did goes with the instance itself: that somebody deleted its history is written
/// there and stays.
pub(crate) const TABLES: [(&str, &str, u64); 7] = [
    ("history_activity", "n", 1),
    ("history_variable", "scope, name", LARGE),
    ("history_variable_update", "revision, ordinal", LARGE),
    ("history_task", "wait", LARGE),
    ("history_task_link", "wait, kind, name", 1),
    ("history_incident", "n", LARGE),
    ("history_incident_caller", "root, n", 1),
];

/// A row that may have a megabyte counts as so many.
const LARGE: u64 = 20;

/// Rows of these tables that go in one transaction. On SQLite it keeps every other write waiting; on PostgreSQL an answer that does not
/// come within a minute is given up.
pub(crate) const SLICE: u32 = 5_000;

/// As how many rows an instance counts: of one that is more than a slice it is not told by how much. What operators did counts, though it
/// goes with the instance itself.
pub(crate) fn size_sql(instance: &str) -> String {
    let tables = TABLES.into_iter().chain([("history_operation", "", 1)]);
    let counts = tables.map(|(table, _, each)| {
        let most = u64::from(SLICE).div_ceil(each);
        format!("{each} * (SELECT COUNT(*) FROM (SELECT 1 FROM {table} t WHERE t.instance_id = {instance} LIMIT {most}) s)")
    });
    counts.collect::<Vec<_>>().join(" + ")
}

/// Removes the history of instances that are together less than a slice: all of it; or of one that is more, a first slice. Whoever does
/// holds the cleanup's row, or is the cleanup; so do the others here.
pub(crate) async fn begin(tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    if slice(tx, &ids).await? { remove_heads(tx, ids).await } else { put_off(tx, ids).await }
}

/// Leaves all of it that is beside the instances' own rows to whoever goes on.
pub(crate) async fn put_off(tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO history_remains (instance_id, since) SELECT {pg:unnest($1)}{lite:unhex(value)}, {now} {lite:FROM json_each($1)} \
               WHERE TRUE ON CONFLICT (instance_id) DO NOTHING";
    tx.execute(sql, vec![Param::Uuids(ids.clone())]).await?;
    remove_heads(tx, ids).await
}

/// Takes the next slice of what was left of these. True: that was all.
pub(crate) async fn go_on(tx: &mut Tx, ids: Vec<Uuid>) -> Result<bool, Error> {
    let is_all = slice(tx, &ids).await?;
    if is_all {
        tx.execute("DELETE FROM history_remains WHERE instance_id {any_uuid:1}", vec![Param::Uuids(ids)]).await?;
    }
    Ok(is_all)
}

async fn remove_heads(tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), Error> {
    for table in ["history_operation", "history_instance"] {
        tx.execute(&format!("DELETE FROM {table} WHERE instance_id {{any_uuid:1}}"), vec![Param::Uuids(ids.clone())]).await?;
    }
    Ok(())
}

/// Removes rows of these instances, a slice at the most. True: there are no more.
async fn slice(tx: &mut Tx, ids: &[Uuid]) -> Result<bool, Error> {
    let mut left = u64::from(SLICE);
    for (table, rest, each) in TABLES {
        let most = left.div_ceil(each);
        let param = i64::try_from(most).expect("a slice is small");
        let removed = tx.execute(&slice_sql(table, rest), vec![Param::Uuids(ids.to_vec()), param.into()]).await?;
        if removed >= most {
            return Ok(false);
        }
        left -= removed * each;
    }
    Ok(true)
}

fn slice_sql(table: &str, rest: &str) -> String {
    format!(
        "DELETE FROM {table} WHERE (instance_id, {rest}) IN (SELECT instance_id, {rest} FROM {table} WHERE instance_id {{any_uuid:1}} LIMIT $2)"
    )
}
