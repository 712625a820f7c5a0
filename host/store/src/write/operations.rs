//! What operators did, written with what they did: in its transaction or not at all.

use uuid::Uuid;

use crate::Error;
use crate::batch::{Batch, Cell, Type, cells};
use crate::config::HistoryLevel;
use crate::db::Tx;
use crate::rows::OperationRow;
use crate::unit::{check_key, check_text};

static INSERT_OPERATIONS: Batch = Batch::new(
    "INSERT INTO history_operation (instance_id, operation, ordinal, at, user_id, annotation, operation_type, entity_type, category, property, \
     org_value, new_value, tenant, definition_id, definition_key, deployment_id, activity, wait, job_definition_id) \
     SELECT v.instance_id, v.operation, v.ordinal, v.at, v.user_id, v.annotation, v.operation_type, v.entity_type, v.category, v.property, \
     v.org_value, v.new_value, v.tenant, v.definition_id, v.definition_key, v.deployment_id, v.activity, v.wait, v.job_definition_id FROM {rows}",
    &[
        ("instance_id", Type::Uuid),
        ("operation", Type::Uuid),
        ("ordinal", Type::I64),
        ("at", Type::I64),
        ("user_id", Type::Text),
        ("annotation", Type::Text),
        ("operation_type", Type::Text),
        ("entity_type", Type::Text),
        ("category", Type::Text),
        ("property", Type::Text),
        ("org_value", Type::Text),
        ("new_value", Type::Text),
        ("tenant", Type::Text),
        ("definition_id", Type::Text),
        ("definition_key", Type::Text),
        ("deployment_id", Type::Text),
        ("activity", Type::I64),
        ("wait", Type::I64),
        ("job_definition_id", Type::Text),
    ],
);

/// Stands for no instance. What nobody's id is, is all zeros where somebody asks for it.
pub(crate) const NO_INSTANCE: Uuid = Uuid::max();

/// Refuses what no database takes.
pub(crate) fn check(rows: &[OperationRow]) -> Result<(), String> {
    rows.iter().try_for_each(|row| {
        check_key("user", row.user.as_deref().unwrap_or_default())?;
        for text in [&row.annotation, &row.property, &row.org_value, &row.new_value] {
            check_text("text of an operation", text.as_deref())?;
        }
        Ok(())
    })
}

/// The cells of what was done in one go, in order.
pub(super) fn cells(rows: &[OperationRow]) -> impl Iterator<Item = Vec<Cell>> {
    rows.iter().zip(0_i64..).map(|(row, ordinal)| {
        cells![
            row.instance.unwrap_or(NO_INSTANCE),
            row.operation,
            ordinal,
            row.at,
            &row.user,
            &row.annotation,
            &row.operation_type,
            &row.entity_type,
            &row.category,
            &row.property,
            &row.org_value,
            &row.new_value,
            row.tenant.as_deref().unwrap_or_default(),
            &row.definition_id,
            &row.definition_key,
            &row.deployment_id,
            row.activity,
            row.wait,
            &row.job_definition_id
        ]
    })
}

/// Writes the cells of any number of operations: no statement for none.
pub(super) async fn insert(tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<(), Error> {
    INSERT_OPERATIONS.later(tx, rows).await
}

/// Writes one operation beside what it did in a transaction of its own. A host that keeps no history keeps no operations.
pub(crate) async fn write(tx: &mut Tx, level: HistoryLevel, rows: &[OperationRow]) -> Result<(), Error> {
    check(rows).map_err(Error::Refused)?;
    match level {
        HistoryLevel::None => Ok(()),
        _ => insert(tx, cells(rows).collect()).await,
    }
}

/// The multi-row statement of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&INSERT_OPERATIONS];
