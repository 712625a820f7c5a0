//! `/variable-instance`: the variables of live instances.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::StoreError;
use mandate_runtime::query::{Order, Page, Reads, VariableFilter, VariableListed, VariableSort};
use serde_json::{Value, json};

use super::list::{List, by_query_or_body};
use super::{camunda, variable_query};
use crate::error::stored;
use crate::extract::Segments;
use crate::query_params::Fields;
use crate::record::variable_dto;
use crate::{App, Error};

pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(by_query_or_body::<VariableInstances>())
        .route("/variable-instance/{id}", get(one))
        .route("/variable-instance/{id}/data", get(data))
}

struct VariableInstances;

impl List for VariableInstances {
    const PATH: &'static str = "/variable-instance";
    const CAMUNDA: &'static [&'static str] = camunda::VARIABLE_INSTANCES;
    const SORTS: &'static [(&'static str, VariableSort)] = &[
        ("variableName", VariableSort::Name),
        ("variableType", VariableSort::Kind),
        ("activityInstanceId", VariableSort::Scope),
        ("tenantId", VariableSort::Tenant),
    ];

    type Sort = VariableSort;
    type Filter = VariableFilter;
    type Row = VariableListed;

    fn filter(fields: &mut Fields, _: &App) -> Result<VariableFilter, Error> {
        // Values are always as they are read.
        fields.ignore(&["deserializeValues"]);
        let scopes = fields.filter_texts("variableScopeIdIn")?;
        let activities = activities(fields)?;
        let case = variable_query::ignoring_case(fields)?;
        Ok(VariableFilter {
            instances: fields.instances("processInstanceId", Some("processInstanceIdIn"))?.into_iter().map(|id| id.0).collect(),
            scopes: scopes.iter().map(|id| super::scope_or_none(id)).collect(),
            activities: activities.iter().map(|id| super::scope_or_none(id)).collect(),
            tasks: fields.public_ids("taskId", Some("taskIdIn"))?.into_iter().map(super::numbered).collect(),
            name: fields.text("variableName")?,
            name_like: fields.like("variableNameLike")?,
            values: variable_query::conditions(fields, "variableValues", case)?,
            tenants: fields.tenants(None)?,
        })
    }

    fn check(app: &App, _: &VariableFilter) -> Result<(), Error> {
        variable_query::check_kept(app)
    }

    async fn rows(
        reads: &Reads,
        filter: VariableFilter,
        page: Page,
        sort: &[(VariableSort, Order)],
    ) -> Result<Vec<VariableListed>, StoreError> {
        reads.variables(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: VariableFilter) -> Result<i64, StoreError> {
        reads.count_variables(filter).await
    }

    /// Camunda's `VariableInstanceDto`. A variable's id is its scope's with its name.
    fn dto(listed: &VariableListed) -> Value {
        let row = &listed.row;
        let (scope, of_history) = (super::execution(row.instance, row.scope), variable_dto(row));
        // A task's variables are shown in its activity.
        let activity = listed.of_task_in.map_or_else(|| scope.clone(), |activity| super::execution(row.instance, activity));
        json!({
            "id": format!("{scope}:{}", row.name),
            "name": row.name,
            "type": of_history["type"],
            "value": of_history["value"],
            "valueInfo": {},
            "processDefinitionId": listed.definition_id,
            "processInstanceId": row.instance.to_string(),
            "executionId": activity,
            "activityInstanceId": activity,
            "taskId": listed.of_task_in.map(|_| scope),
            "tenantId": listed.tenant,
            "caseInstanceId": null,
            "caseExecutionId": null,
            "batchId": null,
            "errorMessage": null,
        })
    }
}

/// Takes the activity instances whose variables are asked for. One is its own execution; given both ways, those that are in both.
pub(super) fn activities(fields: &mut Fields) -> Result<Vec<String>, Error> {
    let (mut scopes, others) = (fields.filter_texts("executionIdIn")?, fields.filter_texts("activityInstanceIdIn")?);
    if scopes.is_empty() || others.is_empty() {
        scopes.extend(others);
    } else {
        scopes = scopes.into_iter().flat_map(|id| super::one_of(Some(id), others.clone())).collect();
    }
    Ok(scopes)
}

async fn find(app: &App, id: &str) -> Result<VariableListed, Error> {
    variable_query::check_kept(app)?;
    let missing = || Error::NotFound(format!("Variable instance with Id '{id}' does not exist."));
    let (scope, name) = id.split_once(':').ok_or_else(missing)?;
    let filter = VariableFilter { scopes: vec![super::scope_or_none(scope)], name: Some(name.to_owned()), ..VariableFilter::default() };
    stored(app.runtime.reads().variables(filter, Page::ALL, &[]).await)?.pop().ok_or_else(missing)
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    find(&app, &id).await.map(|found| Json(VariableInstances::dto(&found)))
}

/// Files and bytes are not supported, so that there is never anything binary to answer with.
async fn data(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    find(&app, &id).await?;
    Err(Error::Invalid(format!("Value of variable with id {id} is not a binary value.")))
}
