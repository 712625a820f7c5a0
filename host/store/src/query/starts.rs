//! Starts that were made under an idempotency key.

use uuid::Uuid;

use super::Reads;
use crate::Error;
use crate::db::{Row, params};
use crate::deploy::key_of_definition;
use crate::unit::StartKey;

/// What a key started, once and for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedStart {
    /// The instance. It may be over, or deleted with its history.
    pub instance: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// What it runs. May be deleted.
    pub definition_id: String,
    /// What it runs, by key.
    pub definition_key: String,
    /// The caller's name for it.
    pub business_key: Option<String>,
}

const START: &str = "SELECT instance_id, tenant, definition_id, definition_key, business_key FROM start_key";

fn start(row: &Row) -> Result<KeyedStart, Error> {
    let mut columns = row.columns();
    Ok(KeyedStart {
        instance: columns.next()?,
        tenant: columns.next_tenant()?,
        definition_id: columns.next()?,
        definition_key: columns.next()?,
        business_key: columns.next()?,
    })
}

impl Reads {
    /// What a key has started.
    pub async fn keyed_start(&self, key: &StartKey) -> Result<Option<KeyedStart>, Error> {
        let sql = format!("{START} WHERE definition_key = $1 AND key = $2 AND tenant = $3");
        let rows = self.lookups.fetch(&sql, params![key.definition_key.as_str(), key.key.as_str(), key.tenant.as_str()]).await?;
        rows.first().map(start).transpose()
    }

    /// What a key has started of one definition, when nobody knows its tenant any more: the definition is deleted.
    pub async fn keyed_start_of(&self, definition_id: &str, key: &str) -> Result<Option<KeyedStart>, Error> {
        let definition_key = key_of_definition(definition_id);
        let sql = format!("{START} WHERE definition_key = $1 AND key = $2 AND definition_id = $3");
        let rows = self.lookups.fetch(&sql, params![definition_key, key, definition_id]).await?;
        rows.first().map(start).transpose()
    }
}
