//! `/incident`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::query::{IncidentFilter, IncidentListed, IncidentSort, Page};
use serde_json::{Value, json};

use super::camunda;
use crate::error::stored;
use crate::extract::{Params, Segments};
use crate::query_params::{Fields, public_or_none};
use crate::{App, Error, date};

/// Camunda's name for the kind of incident there is here: dashboards and alerts filter by it. What exactly went wrong is our `code`.
pub(super) const TYPE: &str = "failedJob";

pub(super) fn router() -> Router<App> {
    Router::new().route("/incident", get(list)).route("/incident/count", get(count)).route("/incident/{id}", get(one))
}

const SORTS: &[(&str, IncidentSort)] = &[
    ("incidentId", IncidentSort::Id),
    ("incidentTimestamp", IncidentSort::Created),
    ("incidentMessage", IncidentSort::Message),
    ("incidentType", IncidentSort::Code),
    ("activityId", IncidentSort::ActivityId),
    ("processInstanceId", IncidentSort::Instance),
    ("processDefinitionId", IncidentSort::DefinitionId),
    ("tenantId", IncidentSort::Tenant),
];

/// What a filter by type asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Unsaid,
    /// Incidents, whatever their code.
    Any,
    /// Those of one code: a finer type than Camunda's.
    Code(String),
}

/// Camunda's type is every incident's; anything else is a code, or matches nothing.
pub(super) fn code_of_type(kind: Option<String>) -> Wanted {
    match kind {
        None => Wanted::Unsaid,
        Some(kind) if kind == TYPE => Wanted::Any,
        Some(kind) => Wanted::Code(kind),
    }
}

impl Wanted {
    pub(super) fn code(self) -> Option<String> {
        match self {
            Self::Code(code) => Some(code),
            Self::Unsaid | Self::Any => None,
        }
    }
}

fn filter(fields: &mut Fields) -> Result<IncidentFilter, Error> {
    // An incident stands at the activity that failed; Camunda has two names for it.
    let activity_id = match (fields.text("activityId")?, fields.text("failedActivityId")?) {
        (Some(one), Some(other)) if one != other => Some(String::new()),
        (one, other) => one.or(other),
    };
    Ok(IncidentFilter {
        ids: fields.public_ids("incidentId", None)?.into_iter().map(super::numbered).collect(),
        instances: fields.instances("processInstanceId", None)?.into_iter().map(|id| id.0).collect(),
        definition_id: fields.text("processDefinitionId")?,
        definition_keys: fields.filter_texts("processDefinitionKeyIn")?,
        business_key: None,
        activity_id,
        code: code_of_type(fields.text("incidentType")?).code(),
        message: fields.text("incidentMessage")?,
        message_like: fields.like("incidentMessageLike")?,
        wait: fields.text("configuration")?.map(|id| super::numbered(public_or_none(&id))),
        created_before: fields.date("incidentTimestampBefore")?,
        created_after: fields.date("incidentTimestampAfter")?,
        tenants: fields.tenants(None)?,
        without_tenant: false,
    })
}

async fn list(State(app): State<App>, Params(mut fields): Params) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    let (page, sort) = (fields.page()?, fields.sorting(SORTS)?);
    fields.finish(camunda::INCIDENTS)?;
    let rows = stored(app.runtime.reads().incidents(filter, page, &sort).await)?;
    Ok(Json(rows.iter().map(dto).collect()))
}

async fn count(State(app): State<App>, Params(mut fields): Params) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    fields.finish(camunda::INCIDENTS)?;
    Ok(super::count(stored(app.runtime.reads().count_incidents(filter).await)?))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    find(&app, &id).await.map(|row| Json(dto(&row)))
}

/// An open incident by its public id.
pub(crate) async fn find(app: &App, id: &str) -> Result<IncidentListed, Error> {
    let filter = IncidentFilter { ids: vec![super::numbered(public_or_none(id))], ..IncidentFilter::default() };
    let found = stored(app.runtime.reads().incidents(filter, Page::ALL, &[]).await)?.pop();
    found.ok_or_else(|| Error::NotFound(format!("No matching incident with id {id}")))
}

/// Camunda's `IncidentDto`, with our `code`.
fn dto(listed: &IncidentListed) -> Value {
    let row = &listed.row;
    let id = super::public(listed.instance, row.n);
    json!({
        "id": id,
        "processDefinitionId": row.definition_id,
        "processInstanceId": listed.instance.to_string(),
        "executionId": super::execution(listed.instance, row.activity),
        "incidentTimestamp": date::print(row.created),
        "incidentType": TYPE,
        "activityId": row.activity_id,
        "failedActivityId": row.activity_id,
        // It is nobody else's consequence.
        "causeIncidentId": id,
        "rootCauseIncidentId": id,
        "configuration": row.wait.map(|wait| super::public(listed.instance, wait)),
        "tenantId": listed.tenant,
        "incidentMessage": row.message,
        "jobDefinitionId": null,
        "annotation": null,
        "code": row.code,
    })
}
