//! `/history/process-instance` and `/history/activity-instance`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::StoreError;
use mandate_runtime::query::{
    CallFilter, HistoryActivity, HistoryActivityFilter, HistoryActivitySort, HistoryInstance, HistoryInstanceFilter, HistoryInstanceSort,
    IncidentOf, Order, Page, Reads,
};
use serde_json::{Value, json};

use super::list::{List, by_query_or_body};
use super::{alternatives, camunda, incident, variable_query};
use crate::error::stored;
use crate::extract::{Params, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::{App, Error, date};

pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(by_query_or_body::<Instances>())
        .route("/history/process-instance/{id}", get(instance).delete(remove))
        .merge(by_query_or_body::<Activities>())
        .route("/history/activity-instance/{id}", get(activity))
}

struct Instances;

impl List for Instances {
    const PATH: &'static str = "/history/process-instance";
    const CAMUNDA: &'static [&'static str] = camunda::HISTORIC_PROCESS_INSTANCES;
    const SORTS: &'static [(&'static str, HistoryInstanceSort)] = INSTANCE_SORTS;

    type Sort = HistoryInstanceSort;
    type Filter = HistoryInstanceFilter;
    type Row = HistoryInstance;

    fn filter(fields: &mut Fields, _: &App) -> Result<HistoryInstanceFilter, Error> {
        instance_filter(fields)
    }

    fn check(app: &App, filter: &HistoryInstanceFilter) -> Result<(), Error> {
        check_instance_filter(app, filter)
    }

    async fn rows(
        reads: &Reads,
        filter: HistoryInstanceFilter,
        page: Page,
        sort: &[(HistoryInstanceSort, Order)],
    ) -> Result<Vec<HistoryInstance>, StoreError> {
        reads.history_instances(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: HistoryInstanceFilter) -> Result<i64, StoreError> {
        reads.count_history_instances(filter).await
    }

    fn dto(row: &HistoryInstance) -> Value {
        instance_dto(row)
    }
}

struct Activities;

impl List for Activities {
    const PATH: &'static str = "/history/activity-instance";
    const CAMUNDA: &'static [&'static str] = camunda::HISTORIC_ACTIVITY_INSTANCES;
    const SORTS: &'static [(&'static str, HistoryActivitySort)] = ACTIVITY_SORTS;

    type Sort = HistoryActivitySort;
    type Filter = HistoryActivityFilter;
    type Row = HistoryActivity;

    fn filter(fields: &mut Fields, _: &App) -> Result<HistoryActivityFilter, Error> {
        activity_filter(fields)
    }

    async fn rows(
        reads: &Reads,
        filter: HistoryActivityFilter,
        page: Page,
        sort: &[(HistoryActivitySort, Order)],
    ) -> Result<Vec<HistoryActivity>, StoreError> {
        reads.history_activities(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: HistoryActivityFilter) -> Result<i64, StoreError> {
        reads.count_history_activities(filter).await
    }

    fn dto(row: &HistoryActivity) -> Value {
        activity_dto(row)
    }
}

const INSTANCE_SORTS: &[(&str, HistoryInstanceSort)] = &[
    ("instanceId", HistoryInstanceSort::Id),
    ("definitionId", HistoryInstanceSort::DefinitionId),
    ("definitionKey", HistoryInstanceSort::DefinitionKey),
    ("definitionName", HistoryInstanceSort::DefinitionName),
    ("definitionVersion", HistoryInstanceSort::DefinitionVersion),
    ("businessKey", HistoryInstanceSort::BusinessKey),
    ("startTime", HistoryInstanceSort::StartedAt),
    ("endTime", HistoryInstanceSort::EndedAt),
    ("duration", HistoryInstanceSort::Duration),
    ("tenantId", HistoryInstanceSort::Tenant),
];

/// The switches that ask for a state, with the state.
const STATES: &[(&str, &str)] = &[
    ("active", "ACTIVE"),
    ("suspended", "SUSPENDED"),
    ("completed", "COMPLETED"),
    ("externallyTerminated", "EXTERNALLY_TERMINATED"),
    ("internallyTerminated", "INTERNALLY_TERMINATED"),
];

/// Refuses what this host cannot answer.
pub(crate) fn check_instance_filter(app: &App, filter: &HistoryInstanceFilter) -> Result<(), Error> {
    variable_query::check(app, !filter.variables.is_empty() || filter.any.iter().any(|it| !it.variables.is_empty()))
}

pub(crate) fn instance_filter(fields: &mut Fields) -> Result<HistoryInstanceFilter, Error> {
    let mut states = Vec::new();
    for (name, state) in STATES {
        if fields.flag(name)? {
            states.push((*state).to_owned());
        }
    }
    if states.len() > 1 {
        return Err(Error::Invalid("Already querying for historic process instance with another state".to_owned()));
    }
    let open_incident = match fields.text("incidentStatus")?.as_deref() {
        None => None,
        Some("open") => Some(true),
        Some("resolved") => Some(false),
        Some(other) => return Err(Error::Invalid(format!("'incidentStatus' is open or resolved, not {other}"))),
    };
    let case = variable_query::ignoring_case(fields)?;
    Ok(HistoryInstanceFilter {
        ids: fields.instances("processInstanceId", Some("processInstanceIds"))?.into_iter().map(|id| id.0).collect(),
        ids_not: fields.filter_texts("processInstanceIdNotIn")?.iter().map(|id| instance_or_none(id).0).collect(),
        business_key: fields.text("processInstanceBusinessKey")?,
        business_keys: fields.filter_texts("processInstanceBusinessKeyIn")?,
        business_key_like: fields.like("processInstanceBusinessKeyLike")?,
        definition_id: fields.text("processDefinitionId")?,
        definition_key: fields.text("processDefinitionKey")?,
        definition_keys: fields.filter_texts("processDefinitionKeyIn")?,
        definition_keys_not: fields.filter_texts("processDefinitionKeyNotIn")?,
        definition_name: fields.text("processDefinitionName")?,
        definition_name_like: fields.like("processDefinitionNameLike")?,
        finished: fields.flag("finished")?,
        unfinished: fields.flag("unfinished")?,
        states,
        with_open_incident: open_incident == Some(true),
        incident: incident_of(fields, open_incident)?,
        with_incidents: fields.flag("withIncidents")?,
        with_jobs_retrying: fields.flag("withJobsRetrying")?,
        standing_at: fields.filter_texts("activityIdIn")?,
        active_activities: fields.filter_texts("activeActivityIdIn")?,
        variables: variable_query::conditions(fields, "variables", case)?,
        executed_activities: fields.filter_texts("executedActivityIdIn")?,
        executed_after: fields.date("executedActivityAfter")?,
        executed_before: fields.date("executedActivityBefore")?,
        calls: CallFilter {
            of_super: fields.text("superProcessInstanceId")?.map(|id| instance_or_none(&id).0),
            of_sub: fields.text("subProcessInstanceId")?.map(|id| instance_or_none(&id).0),
            of_root: fields.text("rootProcessInstanceId")?.map(|id| instance_or_none(&id).0),
            roots: fields.flag("rootProcessInstances")?,
            leaves: false,
        },
        started_by: fields.text("startedBy")?,
        started_before: fields.date("startedBefore")?,
        started_after: fields.date("startedAfter")?,
        finished_before: fields.date("finishedBefore")?,
        finished_after: fields.date("finishedAfter")?,
        tenants: fields.tenants(None)?,
        without_tenant: fields.flag("withoutTenantId")?,
        any: alternatives(fields, camunda::HISTORIC_PROCESS_INSTANCES, instance_filter)?,
    })
}

/// Camunda's filters by incidents, which are about one of them. That there is an open one is asked without looking at history.
fn incident_of(fields: &mut Fields, open: Option<bool>) -> Result<Option<IncidentOf>, Error> {
    let wanted = incident::code_of_type(fields.text("incidentType")?);
    let of = IncidentOf {
        own: fields.flag("withRootIncidents")?,
        open,
        ids: fields.public_ids("incidentIdIn", None)?.into_iter().map(super::numbered).collect(),
        code: wanted.code(),
        code_not: wanted.code_not(),
        message: fields.text("incidentMessage")?,
        message_like: fields.like("incidentMessageLike")?,
    };
    let is_asked = !of.ids.is_empty() || of.code.is_some() || of.code_not.is_some() || of.message.is_some() || of.message_like.is_some();
    Ok((of.own || is_asked || open == Some(false)).then_some(of))
}

async fn instance(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let found = stored(app.runtime.reads().history_instance(instance_or_none(&id).0).await)?;
    let missing = || Error::NotFound(format!("Historic process instance with id {id} does not exist"));
    found.as_ref().map(instance_dto).map(Json).ok_or_else(missing)
}

/// Camunda's `HistoricProcessInstanceDto`.
pub(crate) fn instance_dto(row: &HistoryInstance) -> Value {
    json!({
        "id": row.id.to_string(),
        "rootProcessInstanceId": row.root_instance.unwrap_or(row.id).to_string(),
        "superProcessInstanceId": row.super_instance.map(|id| id.to_string()),
        "superCaseInstanceId": null,
        "caseInstanceId": null,
        "processDefinitionName": row.definition_name,
        "processDefinitionKey": row.definition_key,
        "processDefinitionVersion": row.definition_version,
        "processDefinitionId": row.definition_id,
        "businessKey": row.business_key,
        "startTime": date::print(row.started_at),
        "endTime": date::print_option(row.ended_at),
        "removalTime": date::print_option(row.removal_at),
        "durationInMillis": row.ended_at.map(|ended| ended - row.started_at),
        "startUserId": row.started_by,
        "startActivityId": row.start_activity,
        "deleteReason": row.reason,
        "tenantId": row.tenant,
        "state": row.state,
        "restartedProcessInstanceId": null,
    })
}

const ACTIVITY_SORTS: &[(&str, HistoryActivitySort)] = &[
    ("activityInstanceId", HistoryActivitySort::Id),
    ("instanceId", HistoryActivitySort::Instance),
    ("executionId", HistoryActivitySort::Id),
    ("activityId", HistoryActivitySort::ActivityId),
    ("activityName", HistoryActivitySort::Name),
    ("activityType", HistoryActivitySort::Kind),
    ("startTime", HistoryActivitySort::StartedAt),
    ("endTime", HistoryActivitySort::EndedAt),
    ("duration", HistoryActivitySort::Duration),
    ("definitionId", HistoryActivitySort::DefinitionId),
    ("occurrence", HistoryActivitySort::Occurrence),
    ("tenantId", HistoryActivitySort::Tenant),
];

fn activity_filter(fields: &mut Fields) -> Result<HistoryActivityFilter, Error> {
    // An activity instance is its own execution.
    let id = match (fields.text("activityInstanceId")?, fields.text("executionId")?) {
        (Some(one), Some(other)) if one != other => Some(String::new()),
        (one, other) => one.or(other),
    };
    Ok(HistoryActivityFilter {
        id: id.map(|id| super::numbered(public_or_none(&id))),
        instance: fields.text("processInstanceId")?.map(|id| instance_or_none(&id).0),
        definition_id: fields.text("processDefinitionId")?,
        activity_id: fields.text("activityId")?,
        name: fields.text("activityName")?,
        kind: fields.text("activityType")?,
        assignee: fields.text("taskAssignee")?,
        finished: fields.flag("finished")?,
        unfinished: fields.flag("unfinished")?,
        canceled: fields.flag("canceled")?,
        complete_scope: fields.flag("completeScope")?,
        started_before: fields.date("startedBefore")?,
        started_after: fields.date("startedAfter")?,
        finished_before: fields.date("finishedBefore")?,
        finished_after: fields.date("finishedAfter")?,
        tenants: fields.tenants(None)?,
        without_tenant: fields.flag("withoutTenantId")?,
        ..HistoryActivityFilter::default()
    })
}

/// Deletes what history has of an instance that has ended; ledger and start key stay.
async fn remove(Acting(app): Acting, Segments(id): Segments<String>, Params(mut params): Params) -> Result<StatusCode, Error> {
    let lenient = params.boolean("failIfNotExists")? == Some(false);
    let deleted = app.runtime.delete_history(instance_or_none(&id)).await;
    match deleted {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(mandate_runtime::Error::NotFound { .. }) if lenient => Ok(StatusCode::NO_CONTENT),
        Err(mandate_runtime::Error::NotFound { .. }) => Err(Error::NotFound(format!("No historic process instance found with id: {id}"))),
        // Camunda's status: the request makes no sense while the instance lives.
        Err(mandate_runtime::Error::Conflict(message)) => Err(Error::Invalid(message)),
        Err(error) => Err(error.into()),
    }
}

async fn activity(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let filter = HistoryActivityFilter { id: Some(super::numbered(public_or_none(&id))), ..HistoryActivityFilter::default() };
    let rows = stored(app.runtime.reads().history_activities(filter, Page::ALL, &[]).await)?;
    let missing = || Error::NotFound(format!("Historic activity instance with id '{id}' does not exist"));
    rows.first().map(activity_dto).map(Json).ok_or_else(missing)
}

/// Camunda's `HistoricActivityInstanceDto`, with the delegate that did it.
pub(crate) fn activity_dto(row: &HistoryActivity) -> Value {
    let id = super::public(row.instance, row.n);
    let instance = row.instance.to_string();
    json!({
        "id": id,
        "parentActivityInstanceId": super::execution(row.instance, row.parent),
        "activityId": row.activity_id,
        "activityName": row.name,
        "activityType": row.kind,
        "processDefinitionKey": row.definition_key,
        "processDefinitionId": row.definition_id,
        "processInstanceId": instance,
        "executionId": id,
        "taskId": row.task.as_ref().map(|(wait, _)| super::public(row.instance, *wait)),
        "assignee": row.task.as_ref().and_then(|(_, assignee)| assignee.as_deref()),
        "calledProcessInstanceId": row.called.map(|id| id.to_string()),
        "calledCaseInstanceId": null,
        "startTime": date::print(row.started_at),
        "endTime": date::print_option(row.ended_at),
        "durationInMillis": row.ended_at.map(|ended| ended - row.started_at),
        "canceled": row.canceled,
        "completeScope": row.complete_scope,
        "tenantId": row.tenant,
        "removalTime": date::print_option(row.removal_at),
        "rootProcessInstanceId": row.root_instance.unwrap_or(row.instance).to_string(),
        "delegateName": row.delegate,
        "delegateDigest": row.digest,
        "delegateAttempt": row.attempt,
    })
}
