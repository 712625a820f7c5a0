//! `/incident`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::StoreError;
use mandate_runtime::engine::Code;
use mandate_runtime::query::{Cause, IncidentFilter, IncidentListed, IncidentName, IncidentSort, Order, Page, Reads};
use serde_json::{Value, json};
use uuid::Uuid;

use super::list::{List, by_query};
use super::{NO_ACTIVITY, camunda};
use crate::error::stored;
use crate::extract::Segments;
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::{App, Error, date};

/// Camunda's names for the kinds of incident there are here: dashboards and alerts filter by them. What exactly went wrong is our `code`.
pub(super) const FAILED_JOB: &str = "failedJob";
pub(super) const FAILED_EXTERNAL_TASK: &str = "failedExternalTask";

/// The code of every incident of an external task, and of no other.
const OF_EXTERNAL_TASKS: Code = Code::ExternalTaskFailed;

/// Camunda's type of an incident with this code.
pub(super) fn type_of(code: &str) -> &'static str {
    if code == OF_EXTERNAL_TASKS.as_str() { FAILED_EXTERNAL_TASK } else { FAILED_JOB }
}

pub(super) fn router() -> Router<App> {
    by_query::<Incidents>().route("/incident/{id}", get(one))
}

struct Incidents;

impl List for Incidents {
    const PATH: &'static str = "/incident";
    const CAMUNDA: &'static [&'static str] = camunda::INCIDENTS;
    const SORTS: &'static [(&'static str, IncidentSort)] = SORTS;

    type Sort = IncidentSort;
    type Filter = IncidentFilter;
    type Row = IncidentListed;

    fn filter(fields: &mut Fields, _: &App) -> Result<IncidentFilter, Error> {
        filter(fields)
    }

    async fn rows(
        reads: &Reads,
        filter: IncidentFilter,
        page: Page,
        sort: &[(IncidentSort, Order)],
    ) -> Result<Vec<IncidentListed>, StoreError> {
        reads.incidents(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: IncidentFilter) -> Result<i64, StoreError> {
        reads.count_incidents(filter).await
    }

    fn dto(row: &IncidentListed) -> Value {
        dto(row)
    }
}

const SORTS: &[(&str, IncidentSort)] = &[
    ("incidentId", IncidentSort::Id),
    ("executionId", IncidentSort::Id),
    ("configuration", IncidentSort::Id),
    ("causeIncidentId", IncidentSort::Cause),
    ("rootCauseIncidentId", IncidentSort::Root),
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
    /// Incidents of jobs and joins, whatever their code.
    FailedJob,
    /// Those of one code: a finer type than Camunda's.
    Code(String),
}

/// What is neither of Camunda's types is a code, or matches nothing.
pub(super) fn code_of_type(kind: Option<String>) -> Wanted {
    match kind {
        None => Wanted::Unsaid,
        Some(kind) if kind == FAILED_JOB => Wanted::FailedJob,
        Some(kind) if kind == FAILED_EXTERNAL_TASK => Wanted::Code(OF_EXTERNAL_TASKS.as_str().to_owned()),
        Some(kind) => Wanted::Code(kind),
    }
}

impl Wanted {
    /// Only incidents with this code.
    pub(super) fn code(&self) -> Option<String> {
        match self {
            Self::Code(code) => Some(code.clone()),
            Self::Unsaid | Self::FailedJob => None,
        }
    }

    /// Only incidents with any other code.
    pub(super) fn code_not(&self) -> Option<String> {
        (*self == Self::FailedJob).then(|| OF_EXTERNAL_TASKS.as_str().to_owned())
    }
}

fn filter(fields: &mut Fields) -> Result<IncidentFilter, Error> {
    let wanted = code_of_type(fields.text("incidentType")?);
    Ok(IncidentFilter {
        name: fields.text("incidentId")?.map(|id| name(&id)),
        cause: fields.text("causeIncidentId")?.map(|id| name(&id)),
        root: fields.text("rootCauseIncidentId")?.map(|id| name(&id)),
        of_called: false,
        of_starts: fields.flag("withoutProcessInstance")?,
        instances: fields.instances("processInstanceId", None)?.into_iter().map(|id| id.0).collect(),
        activity: fields.text("executionId")?.map(|id| super::scope_or_none(&id)),
        definition_id: fields.text("processDefinitionId")?,
        definition_keys: fields.filter_texts("processDefinitionKeyIn")?,
        business_key: None,
        activity_id: fields.text("activityId")?,
        failed_activity_id: fields.text("failedActivityId")?,
        job_definition_ids: fields.filter_texts("jobDefinitionIdIn")?,
        code: wanted.code(),
        code_not: wanted.code_not(),
        message: fields.text("incidentMessage")?,
        message_like: fields.like("incidentMessageLike")?,
        wait: fields.text("configuration")?.map(|id| super::numbered(public_or_none(&id))),
        created_before: fields.date("incidentTimestampBefore")?,
        created_after: fields.date("incidentTimestampAfter")?,
        tenants: fields.tenants(None)?,
        without_tenant: false,
    })
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    find(&app, &id).await.map(|row| Json(dto(&row)))
}

/// An open incident by its public id.
pub(crate) async fn find(app: &App, id: &str) -> Result<IncidentListed, Error> {
    let filter = IncidentFilter { name: Some(name(id)), ..IncidentFilter::default() };
    let found = stored(app.runtime.reads().incidents(filter, Page::ALL, &[]).await)?.pop();
    found.ok_or_else(|| Error::NotFound(format!("No matching incident with id {id}")))
}

/// The incident of a called instance has an id of its own at each of the callers: the caller's, a dot, and that of the incident.
pub(super) fn name(id: &str) -> IncidentName {
    let (at, own) = match id.split_once('.') {
        Some((caller, own)) if own.contains('.') => (Some(instance_or_none(caller).0), own),
        _ => (None, id),
    };
    let (instance, n) = super::numbered(public_or_none(own));
    IncidentName { instance, n, at }
}

/// The ids of an incident, of what it comes from, and of the one that is at the root of both. Nobody else's consequence comes from itself.
pub(super) fn ids(instance: Uuid, n: i64, cause: Option<&Cause>) -> [String; 3] {
    let Some(cause) = cause else { return std::array::from_fn(|_| super::public(instance, n)) };
    let root = super::public(cause.root, n);
    let from = if cause.called == cause.root { root.clone() } else { format!("{}.{root}", cause.called) };
    [format!("{instance}.{root}"), from, root]
}

/// Camunda's `IncidentDto`, with our `code`. As in Camunda a caller's has no message.
fn dto(listed: &IncidentListed) -> Value {
    let row = &listed.row;
    let in_instance = row.activity != NO_ACTIVITY;
    let [id, cause, root] = ids(listed.instance, row.n, listed.cause.as_ref());
    json!({
        "id": id,
        "processDefinitionId": row.definition_id,
        "processInstanceId": in_instance.then(|| listed.instance.to_string()),
        "executionId": in_instance.then(|| super::execution(listed.instance, row.activity)),
        "incidentTimestamp": date::print(row.created),
        "incidentType": type_of(&row.code),
        "activityId": row.activity_id,
        "failedActivityId": row.failed_activity_id,
        "causeIncidentId": cause,
        "rootCauseIncidentId": root,
        "configuration": row.wait.map(|wait| super::public(listed.instance, wait)),
        "tenantId": listed.tenant,
        "incidentMessage": listed.cause.is_none().then_some(&row.message),
        "jobDefinitionId": row.job_definition_id,
        "annotation": null,
        "code": row.code,
    })
}
