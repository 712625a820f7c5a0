//! Delegates: their versions, their components' digests, and who is bound to them.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::query::{DelegateFilter, DelegateListed, Page};
use serde_json::{Value, json};

use crate::error::stored;
use crate::extract::Params;
use crate::{App, Error, date};

pub(super) fn router() -> Router<App> {
    Router::new().route("/delegates", get(delegates))
}

/// `name`, `version`, `digest`, `tenantIdIn`, `firstResult`, `maxResults`; the newest last. A delegate that several deployments brought is
/// listed once for each.
async fn delegates(State(app): State<App>, Params(mut params): Params) -> Result<Json<Value>, Error> {
    let filter = DelegateFilter {
        name: params.text("name")?,
        version: params.text("version")?,
        digest: params.text("digest")?,
        tenants: params.tenants(None)?,
        ..DelegateFilter::default()
    };
    let page: Page = params.page()?;
    params.finish_own()?;
    let reads = app.runtime.reads();
    let rows = stored(reads.list_delegates(filter, page).await)?;
    let mut bound: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for row in &rows {
        if !bound.contains_key(row.digest.as_str()) {
            bound.insert(&row.digest, stored(reads.bound_definitions(&row.digest).await)?);
        }
    }
    let dtos = rows.iter().map(|row| {
        // The same bytes may be another delegate under another name.
        let by = bound[row.digest.as_str()].iter().filter(|by| by.delegate == row.name && by.delegate_version == row.version);
        let mut ids: Vec<_> = by.map(|by| by.definition_id.as_str()).collect();
        ids.dedup();
        dto(row, &ids)
    });
    Ok(Json(dtos.collect()))
}

fn dto(row: &DelegateListed, bound_by: &[&str]) -> Value {
    json!({
        "name": row.name,
        "version": row.version,
        "digest": row.digest,
        "mandate": serde_json::from_str::<Value>(&row.mandate).unwrap_or(Value::Null),
        "topics": row.topics,
        "deploymentId": row.deployment_id,
        "tenantId": row.tenant,
        "deploymentTime": date::print(row.deployed_at),
        "boundBy": bound_by,
    })
}
