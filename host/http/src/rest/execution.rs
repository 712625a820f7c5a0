//! `/execution`. An activity instance is its own execution, and the process has its instance's.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use mandate_runtime::engine::{ActivityId, Subscription, SubscriptionKind, Variables};
use mandate_runtime::query::{EventSubscriptionFilter, ExecutionFilter, ExecutionListed, ExecutionSort, Order, Page, Reads};
use mandate_runtime::{InstanceView, StoreError};
use serde_json::{Value, json};

use super::list::{List, by_query_or_body};
use super::scope_variables::{self, Scope};
use super::{camunda, event_subscription, incident, variable_query};
use crate::error::stored;
use crate::extract::{Body, Segments};
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::{App, Error};

pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(by_query_or_body::<Executions>())
        .route("/execution/{id}", get(one))
        .route("/execution/{id}/signal", post(signal))
        .route("/execution/{id}/messageSubscriptions/{name}", get(subscription))
        .route("/execution/{id}/messageSubscriptions/{name}/trigger", post(trigger))
        .merge(scope_variables::router::<OfExecution>())
}

struct Executions;

impl List for Executions {
    const PATH: &'static str = "/execution";
    const CAMUNDA: &'static [&'static str] = camunda::EXECUTIONS;
    const SORTS: &'static [(&'static str, ExecutionSort)] = &[
        ("instanceId", ExecutionSort::Instance),
        ("definitionKey", ExecutionSort::DefinitionKey),
        ("definitionId", ExecutionSort::DefinitionId),
        ("tenantId", ExecutionSort::Tenant),
    ];

    type Sort = ExecutionSort;
    type Filter = ExecutionFilter;
    type Row = ExecutionListed;

    fn filter(fields: &mut Fields, _: &App) -> Result<ExecutionFilter, Error> {
        let incident_type = incident::code_of_type(fields.text("incidentType")?);
        let case = variable_query::ignoring_case(fields)?;
        Ok(ExecutionFilter {
            ids: Vec::new(),
            instance: fields.text("processInstanceId")?.map(|id| instance_or_none(&id).0),
            business_key: fields.text("businessKey")?,
            definition_id: fields.text("processDefinitionId")?,
            definition_key: fields.text("processDefinitionKey")?,
            activity_id: fields.text("activityId")?,
            message: fields.text("messageEventSubscriptionName")?,
            signal: fields.text("signalEventSubscriptionName")?,
            incident: fields.text("incidentId")?.map(|id| super::numbered(public_or_none(&id))),
            incident_code: incident_type.code(),
            incident_code_not: incident_type.code_not(),
            incident_message: fields.text("incidentMessage")?,
            incident_message_like: fields.like("incidentMessageLike")?,
            suspended: fields.suspension()?,
            tenants: fields.tenants(None)?,
            variables: variable_query::conditions(fields, "variables", case)?,
            process_variables: variable_query::conditions(fields, "processVariables", case)?,
        })
    }

    fn check(app: &App, filter: &ExecutionFilter) -> Result<(), Error> {
        variable_query::check(app, !filter.variables.is_empty() || !filter.process_variables.is_empty())
    }

    async fn rows(
        reads: &Reads,
        filter: ExecutionFilter,
        page: Page,
        sort: &[(ExecutionSort, Order)],
    ) -> Result<Vec<ExecutionListed>, StoreError> {
        reads.executions(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: ExecutionFilter) -> Result<i64, StoreError> {
        reads.count_executions(filter).await
    }

    /// Camunda's `ExecutionDto`.
    fn dto(row: &ExecutionListed) -> Value {
        json!({
            "id": super::execution(row.instance, row.n),
            "processInstanceId": row.instance.to_string(),
            "ended": false,
            "tenantId": row.tenant,
        })
    }
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let filter = ExecutionFilter { ids: vec![super::scope_or_none(&id)], ..ExecutionFilter::default() };
    let found = stored(app.runtime.reads().executions(filter, Page::ALL, &[]).await)?;
    found.first().map(Executions::dto).map(Json).ok_or_else(|| Error::NotFound(format!("Execution with id {id} does not exist")))
}

/// An execution's own variables.
struct OfExecution;

impl Scope for OfExecution {
    const VARIABLES: &'static str = "/execution/{id}/localVariables";
    const WHAT: &'static str = "execution";
    const LOCAL: bool = true;
    const IS_NULL: &'static str = "execution";

    async fn find(app: &App, id: &str) -> Result<(InstanceView, ActivityId), Error> {
        find(app, id).await
    }
}

async fn find(app: &App, id: &str) -> Result<(InstanceView, ActivityId), Error> {
    let (instance, number) = super::scope_or_none(id);
    let missing = || Error::NotFound(format!("Execution with id {id} does not exist"));
    let view = app.runtime.instance(mandate_runtime::engine::InstanceId(instance)).await?;
    let scope = u64::try_from(number).ok().map(ActivityId).filter(|scope| view.instance.activity(*scope).is_some()).ok_or_else(missing)?;
    Ok((view, scope))
}

/// What Camunda says where nothing can be done to an execution that is not there, or no longer.
fn cannot(doing: &str, id: &str) -> impl FnOnce(Error) -> Error {
    let message = format!("Cannot {doing}: {}", scope_variables::is_null("execution", id));
    move |error| error.or_missing(|| Error::rest(message))
}

/// The only field of Camunda's `ExecutionTriggerDto`.
fn variables_of(mut body: Fields) -> Result<Variables, Error> {
    let variables = body.variables("variables")?;
    body.finish(&["variables"])?;
    Ok(variables)
}

/// Lets a receive task go on. Nothing else that waits here is meant to be signalled: tasks are completed, jobs executed, messages
/// correlated.
async fn signal(State(app): State<App>, Segments(id): Segments<String>, Body(body): Body) -> Result<StatusCode, Error> {
    let variables = variables_of(body)?;
    let doing = format!("signal execution {id}");
    let (view, scope) = find(&app, &id).await.map_err(cannot(&doing, &id))?;
    let own = view.instance.activity(scope).map(|activity| activity.element);
    let waits = view.instance.subscriptions().find(|it| is_message(it) && it.activity == scope && Some(it.element) == own);
    let waits = waits.ok_or_else(|| {
        Error::Invalid(format!(
            "Cannot signal execution {id}: it does not wait for a signal. Tasks are completed, jobs executed, messages correlated"
        ))
    })?;
    receive(&app, &view, waits, variables).await.map_err(cannot(&doing, &id))
}

async fn trigger(State(app): State<App>, Segments((id, name)): Segments<(String, String)>, Body(body): Body) -> Result<StatusCode, Error> {
    let variables = variables_of(body)?;
    let doing = format!("trigger message {name} for execution {id}");
    let (view, scope) = find(&app, &id).await.map_err(cannot(&doing, &id))?;
    let waits = view.instance.subscriptions().find(|it| is_message(it) && it.activity == scope && it.name == name);
    let waits = waits.ok_or_else(|| {
        Error::rest(format!("Cannot {doing}: Execution with id '{id}' does not have a subscription to a message event with name '{name}'"))
    })?;
    receive(&app, &view, waits, variables).await.map_err(cannot(&doing, &id))
}

fn is_message(subscription: &Subscription) -> bool {
    subscription.kind == SubscriptionKind::Message
}

async fn receive(app: &App, view: &InstanceView, waits: &Subscription, variables: Variables) -> Result<StatusCode, Error> {
    app.runtime.receive(view.instance.id(), waits.wait, variables).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn subscription(State(app): State<App>, Segments((id, name)): Segments<(String, String)>) -> Result<Json<Value>, Error> {
    let missing = || Error::NotFound(format!("Message event subscription for execution {id} named {name} does not exist"));
    let (kind, execution) = (Some("message".to_owned()), Some(super::scope_or_none(&id)));
    let filter = EventSubscriptionFilter { kind, name: Some(name.clone()), execution, ..EventSubscriptionFilter::default() };
    let found = stored(app.runtime.reads().event_subscriptions(filter, Page::ALL, &[]).await)?;
    found.first().map(event_subscription::dto).map(Json).ok_or_else(missing)
}
