//! `/history/variable-instance`, `/history/task` and `/history/incident`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::StoreError;
use mandate_runtime::query::{
    HISTORY_TASKS, HistoryIncidentFilter, HistoryIncidentSort, HistoryTask, HistoryTaskFilter, HistoryTaskSort, HistoryVariable,
    HistoryVariableFilter, HistoryVariableSort, IncidentRemembered, IncidentState, OfInstances, Order, Page, Reads, Remembered,
};
use serde_json::{Value, json};

use super::incident::{self, code_of_type, type_of};
use super::list::{List, by_query, by_query_or_body};
use super::task::open_state;
use super::variable_instance::activities;
use super::{NO_ACTIVITY, alternatives, camunda, variable_query};
use crate::error::stored;
use crate::extract::Segments;
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::record::{incident_dto, task_dto, variable_dto};
use crate::variable::stored_type;
use crate::{App, Error, date};

pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(by_query_or_body::<Variables>())
        .route("/history/variable-instance/{id}", get(variable))
        .route("/history/variable-instance/{id}/data", get(data))
        .merge(by_query_or_body::<Tasks>())
        .merge(by_query::<Incidents>())
}

async fn variable(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let missing = || Error::NotFound(format!("Variable instance with Id '{id}' does not exist."));
    let (scope, name) = id.split_once(':').ok_or_else(missing)?;
    let filter = HistoryVariableFilter {
        scopes: vec![super::scope_or_none(scope)],
        names: vec![name.to_owned()],
        removed_too: true,
        ..HistoryVariableFilter::default()
    };
    let found = stored(app.runtime.reads().remembered_variables(filter, Page::ALL, &[]).await)?;
    found.first().map(Variables::dto).map(Json).ok_or_else(missing)
}

/// Files and bytes are not supported, so that there is never anything binary to answer with.
async fn data(app: State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    variable(app, Segments(id.clone())).await.map(drop)?;
    Err(Error::Invalid(format!("Value of variable with id {id} is not a binary value.")))
}

struct Variables;

impl List for Variables {
    const PATH: &'static str = "/history/variable-instance";
    const CAMUNDA: &'static [&'static str] = camunda::HISTORIC_VARIABLE_INSTANCES;
    const SORTS: &'static [(&'static str, HistoryVariableSort)] = &[
        ("instanceId", HistoryVariableSort::Instance),
        ("variableName", HistoryVariableSort::Name),
        ("tenantId", HistoryVariableSort::Tenant),
    ];

    type Sort = HistoryVariableSort;
    type Filter = HistoryVariableFilter;
    type Row = Remembered<(HistoryVariable, Option<i64>)>;

    fn filter(fields: &mut Fields, _: &App) -> Result<HistoryVariableFilter, Error> {
        // Values are always as they are read.
        fields.ignore(&["deserializeValues"]);
        let of = OfInstances {
            ids: fields.instances("processInstanceId", Some("processInstanceIdIn"))?.into_iter().map(|id| id.0).collect(),
            ..of_instances(fields)?
        };
        let activities = activities(fields)?;
        let case = variable_query::ignoring_case(fields)?;
        let name = fields.text("variableName")?;
        Ok(HistoryVariableFilter {
            of,
            scopes: Vec::new(),
            activities: activities.iter().map(|id| super::scope_or_none(id)).collect(),
            tasks: fields.public_ids("taskIdIn", None)?.into_iter().map(super::numbered).collect(),
            value: variable_query::value(fields, name.as_deref(), case)?,
            names_ignoring_case: case.name,
            names: super::one_of(name, fields.filter_texts("variableNameIn")?),
            name_like: fields.like("variableNameLike")?,
            kinds: fields.filter_texts("variableTypeIn")?.iter().map(|name| stored_type(name)).collect(),
            removed_too: fields.flag("includeDeleted")?,
        })
    }

    fn check(app: &App, _: &HistoryVariableFilter) -> Result<(), Error> {
        variable_query::check_kept(app)
    }

    async fn rows(
        reads: &Reads,
        filter: HistoryVariableFilter,
        page: Page,
        sort: &[(HistoryVariableSort, Order)],
    ) -> Result<Vec<Self::Row>, StoreError> {
        reads.remembered_variables(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: HistoryVariableFilter) -> Result<i64, StoreError> {
        reads.count_remembered_variables(filter).await
    }

    /// Camunda's `HistoricVariableInstanceDto`. A variable's id is its scope's with its name.
    fn dto(row: &Self::Row) -> Value {
        let (variable, of_task_in) = &row.row;
        let scope = super::execution(row.instance, variable.scope);
        let mut dto = variable_dto(variable);
        dto["id"] = json!(format!("{scope}:{}", variable.name));
        dto["valueInfo"] = json!({});
        for absent in ["caseDefinitionKey", "caseDefinitionId", "caseInstanceId", "caseExecutionId", "taskId", "errorMessage"] {
            dto[absent] = Value::Null;
        }
        // A task's variables are shown in its activity.
        if let Some(activity) = of_task_in {
            dto["taskId"] = json!(scope);
            dto["activityInstanceId"] = json!(super::execution(row.instance, *activity));
        }
        dto["executionId"] = dto["activityInstanceId"].clone();
        with_instance(dto, row)
    }
}

struct Tasks;

impl List for Tasks {
    const PATH: &'static str = "/history/task";
    const CAMUNDA: &'static [&'static str] = camunda::HISTORIC_TASKS;
    const SORTS: &'static [(&'static str, HistoryTaskSort)] = &[
        ("taskId", HistoryTaskSort::Id),
        ("activityInstanceId", HistoryTaskSort::Id),
        ("executionId", HistoryTaskSort::Id),
        ("processInstanceId", HistoryTaskSort::Instance),
        ("processDefinitionId", HistoryTaskSort::DefinitionId),
        ("taskDefinitionKey", HistoryTaskSort::ActivityId),
        ("taskName", HistoryTaskSort::Name),
        ("taskDescription", HistoryTaskSort::Description),
        ("assignee", HistoryTaskSort::Assignee),
        ("owner", HistoryTaskSort::Owner),
        ("priority", HistoryTaskSort::Priority),
        ("deleteReason", HistoryTaskSort::Reason),
        ("dueDate", HistoryTaskSort::Due),
        ("followUpDate", HistoryTaskSort::FollowUp),
        ("startTime", HistoryTaskSort::Created),
        ("endTime", HistoryTaskSort::Ended),
        ("duration", HistoryTaskSort::Duration),
        ("tenantId", HistoryTaskSort::Tenant),
    ];

    type Sort = HistoryTaskSort;
    type Filter = HistoryTaskFilter;
    type Row = Remembered<(HistoryTask, bool)>;

    fn filter(fields: &mut Fields, _: &App) -> Result<HistoryTaskFilter, Error> {
        task_filter(fields)
    }

    fn check(app: &App, filter: &HistoryTaskFilter) -> Result<(), Error> {
        let asks = |it: &HistoryTaskFilter| !it.process_variables.is_empty() || !it.task_variables.is_empty();
        variable_query::check(app, asks(filter) || filter.any.iter().any(asks))
    }

    async fn rows(
        reads: &Reads,
        filter: HistoryTaskFilter,
        page: Page,
        sort: &[(HistoryTaskSort, Order)],
    ) -> Result<Vec<Self::Row>, StoreError> {
        reads.remembered_tasks(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: HistoryTaskFilter) -> Result<i64, StoreError> {
        reads.count_remembered_tasks(filter).await
    }

    /// Camunda's `HistoricTaskInstanceDto`.
    fn dto(row: &Self::Row) -> Value {
        let (task, canceled) = &row.row;
        let mut dto = task_dto(row.instance, task);
        let (reason, state) = match (task.ended_at, canceled) {
            (None, _) => (None, open_state(task.updated)),
            (Some(_), false) => (Some(COMPLETED), "Completed"),
            (Some(_), true) => (Some(DELETED), "Deleted"),
        };
        (dto["deleteReason"], dto["taskState"]) = (json!(reason), json!(state));
        dto["executionId"] = dto["activityInstanceId"].clone();
        for absent in ["caseDefinitionKey", "caseDefinitionId", "caseInstanceId", "caseExecutionId", "parentTaskId"] {
            dto[absent] = Value::Null;
        }
        with_instance(dto, row)
    }
}

fn task_filter(fields: &mut Fields) -> Result<HistoryTaskFilter, Error> {
    let of = OfInstances {
        ids: fields.instances("processInstanceId", None)?.into_iter().map(|id| id.0).collect(),
        root: fields.text("rootProcessInstanceId")?.map(|id| instance_or_none(&id).0),
        business_key: fields.text("processInstanceBusinessKey")?,
        business_keys: fields.filter_texts("processInstanceBusinessKeyIn")?,
        business_key_like: fields.like("processInstanceBusinessKeyLike")?,
        definition_name: fields.text("processDefinitionName")?,
        ended: fields.either("processFinished", "processUnfinished")?,
        ..of_instances(fields)?
    };
    let case = variable_query::ignoring_case(fields)?;
    Ok(HistoryTaskFilter {
        of,
        ids: fields.public_ids("taskId", None)?.into_iter().map(super::numbered).collect(),
        activities: fields.public_ids("executionId", Some("activityInstanceIdIn"))?.into_iter().map(super::numbered).collect(),
        process_variables: variable_query::conditions(fields, "processVariables", case)?,
        task_variables: variable_query::conditions(fields, "taskVariables", case)?,
        asked: fields.asked(HISTORY_TASKS)?,
        any: alternatives(fields, camunda::HISTORIC_TASKS, task_filter)?,
    })
}

/// Camunda's reasons for which a task is over.
const COMPLETED: &str = "completed";
const DELETED: &str = "deleted";

struct Incidents;

impl List for Incidents {
    const PATH: &'static str = "/history/incident";
    const CAMUNDA: &'static [&'static str] = camunda::HISTORIC_INCIDENTS;
    const SORTS: &'static [(&'static str, HistoryIncidentSort)] = &[
        ("incidentId", HistoryIncidentSort::Id),
        ("executionId", HistoryIncidentSort::Id),
        ("configuration", HistoryIncidentSort::Id),
        ("causeIncidentId", HistoryIncidentSort::Cause),
        ("rootCauseIncidentId", HistoryIncidentSort::Root),
        ("incidentState", HistoryIncidentSort::State),
        ("processInstanceId", HistoryIncidentSort::Instance),
        ("incidentMessage", HistoryIncidentSort::Message),
        ("createTime", HistoryIncidentSort::Created),
        ("endTime", HistoryIncidentSort::Resolved),
        ("incidentType", HistoryIncidentSort::Code),
        ("activityId", HistoryIncidentSort::ActivityId),
        ("processDefinitionId", HistoryIncidentSort::DefinitionId),
        ("processDefinitionKey", HistoryIncidentSort::DefinitionKey),
        ("tenantId", HistoryIncidentSort::Tenant),
    ];

    type Sort = HistoryIncidentSort;
    type Filter = HistoryIncidentFilter;
    type Row = Remembered<IncidentRemembered>;

    fn filter(fields: &mut Fields, _: &App) -> Result<HistoryIncidentFilter, Error> {
        let ids = fields.instances("processInstanceId", None)?.into_iter().map(|id| id.0).collect();
        let of = OfInstances { ids, ..of_instances(fields)? };
        let wanted = code_of_type(fields.text("incidentType")?);
        Ok(HistoryIncidentFilter {
            of,
            name: fields.text("incidentId")?.map(|id| incident::name(&id)),
            cause: fields.text("causeIncidentId")?.map(|id| incident::name(&id)),
            root: fields.text("rootCauseIncidentId")?.map(|id| incident::name(&id)),
            activity: fields.text("executionId")?.map(|id| super::scope_or_none(&id)),
            activity_id: fields.text("activityId")?,
            failed_activity_id: fields.text("failedActivityId")?,
            job_definition_ids: fields.filter_texts("jobDefinitionIdIn")?,
            code: wanted.code(),
            code_not: wanted.code_not(),
            message: fields.text("incidentMessage")?,
            message_like: fields.like("incidentMessageLike")?,
            wait: fields.text("configuration")?.map(|id| super::numbered(public_or_none(&id))),
            state: state(fields)?,
            created_before: fields.date("createTimeBefore")?,
            created_after: fields.date("createTimeAfter")?,
            resolved_before: fields.date("endTimeBefore")?,
            resolved_after: fields.date("endTimeAfter")?,
        })
    }

    async fn rows(
        reads: &Reads,
        filter: HistoryIncidentFilter,
        page: Page,
        sort: &[(HistoryIncidentSort, Order)],
    ) -> Result<Vec<Self::Row>, StoreError> {
        reads.remembered_incidents(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: HistoryIncidentFilter) -> Result<i64, StoreError> {
        reads.count_remembered_incidents(filter).await
    }

    /// Camunda's `HistoricIncidentDto`, with our `code`. As in Camunda a caller's has no message.
    fn dto(row: &Self::Row) -> Value {
        let IncidentRemembered { incident, state, cause } = &row.row;
        let mut dto = with_instance(incident_dto(row.instance, incident), row);
        if incident.activity == NO_ACTIVITY {
            for of_instance in ["processInstanceId", "rootProcessInstanceId", "executionId"] {
                dto[of_instance] = Value::Null;
            }
        }
        if cause.is_some() {
            dto["incidentMessage"] = Value::Null;
        }
        let [id, from, root] = incident::ids(row.instance, incident.n, cause.as_ref());
        (dto["id"], dto["causeIncidentId"], dto["rootCauseIncidentId"]) = (json!(id), json!(from), json!(root));
        dto["incidentType"] = json!(type_of(&incident.code));
        dto["open"] = json!(*state == IncidentState::Open);
        dto["resolved"] = json!(*state == IncidentState::Resolved);
        dto["deleted"] = json!(*state == IncidentState::Deleted);
        for absent in ["historyConfiguration", "annotation"] {
            dto[absent] = Value::Null;
        }
        dto
    }
}

/// Camunda's three switches, of which one counts.
fn state(fields: &mut Fields) -> Result<Option<IncidentState>, Error> {
    let mut asked = Vec::new();
    for (name, state) in [("open", IncidentState::Open), ("resolved", IncidentState::Resolved), ("deleted", IncidentState::Deleted)] {
        if fields.flag(name)? {
            asked.push(state);
        }
    }
    if asked.len() > 1 {
        return Err(Error::Invalid("Already querying for incidents with another incident state".to_owned()));
    }
    Ok(asked.pop())
}

/// What all of them can ask of the instance.
fn of_instances(fields: &mut Fields) -> Result<OfInstances, Error> {
    Ok(OfInstances {
        definition_id: fields.text("processDefinitionId")?,
        definition_keys: super::one_of(fields.text("processDefinitionKey")?, fields.filter_texts("processDefinitionKeyIn")?),
        tenants: fields.tenants(None)?,
        without_tenant: fields.flag("withoutTenantId")?,
        ..OfInstances::default()
    })
}

pub(super) fn with_instance<T>(mut dto: Value, row: &Remembered<T>) -> Value {
    let instance = row.instance.to_string();
    dto["processDefinitionKey"] = json!(row.definition_key);
    dto["processDefinitionId"] = json!(row.definition_id);
    dto["processInstanceId"] = json!(instance);
    dto["rootProcessInstanceId"] = json!(row.root_instance.to_string());
    dto["tenantId"] = json!(row.tenant);
    dto["removalTime"] = json!(date::print_option(row.removal_at));
    dto
}
