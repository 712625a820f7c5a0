//! Camunda 7's REST API, one file per noun.

mod activity_tree;
mod batch;
mod camunda;
mod condition;
mod deployment;
mod event_subscription;
mod execution;
mod external_task;
mod file_name;
mod form;
mod form_html;
mod history;
mod history_detail;
mod incident;
mod job;
mod job_definition;
mod job_suspension;
mod list;
mod message;
mod modification;
mod process_definition;
mod process_instance;
mod remembered;
mod scope_variables;
mod signal;
mod start;
mod suspension;
mod task;
mod task_work;
mod user_operation;
mod variable_instance;
mod variable_query;

use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::engine::{InstanceId, PublicId};
use mandate_runtime::query::Page;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use history::{activity_dto, check_instance_filter as check_history_filter, instance_dto, instance_filter as history_filter};
pub(crate) use incident::find as find_incident;
pub(crate) use user_operation::operation_dto;

use crate::extract::Params;
use crate::query_params::{Fields, public_or_none};
use crate::{App, Error};

/// The version of Camunda 7 whose API this is. The Modeler asks for it before it deploys.
const VERSION: &str = "7.24.0";

/// The number of the process itself in every instance's tree: always the first.
const ROOT: i64 = 1;

/// Everything under `/engine-rest`.
pub(crate) fn router(upload_limit: usize) -> Router<App> {
    Router::new()
        .route("/version", get(version))
        .route("/engine", get(engines))
        .merge(deployment::router(upload_limit))
        .merge(process_definition::router())
        .merge(start::router())
        .merge(process_instance::router())
        .merge(execution::router())
        .merge(variable_instance::router())
        .merge(modification::router())
        .merge(batch::router())
        .merge(suspension::router())
        .merge(job_suspension::router())
        .merge(task::router())
        .merge(task_work::router())
        .merge(form::router())
        .merge(external_task::router())
        .merge(message::router())
        .merge(signal::router())
        .merge(condition::router())
        .merge(event_subscription::router())
        .merge(job::router())
        .merge(job_definition::router())
        .merge(incident::router())
        .merge(history::router())
        .merge(remembered::router())
        .merge(history_detail::router())
        .merge(user_operation::router())
}

async fn version() -> Json<Value> {
    Json(json!({"version": VERSION}))
}

async fn engines() -> Json<Value> {
    Json(json!([{"name": "default"}]))
}

/// Camunda's `CountResultDto`.
fn count(count: i64) -> Json<Value> {
    Json(json!({"count": count}))
}

/// Which part of a list is asked for: by the query string in any case, by a POST twin beside the filter in its body.
fn page(filter: &mut Fields, paging: Option<Params>) -> Result<Page, Error> {
    let Some(Params(mut paging)) = paging else { return filter.page() };
    let page = paging.page()?;
    paging.finish(&[])?;
    Ok(page)
}

/// A public id as the store knows it. A number that no instance reaches matches nothing.
fn numbered(id: PublicId) -> (Uuid, i64) {
    (id.instance.0, i64::try_from(id.number).unwrap_or(i64::MAX))
}

/// The most `orQueries` of one query. Each of its filters is a condition of the statement, of which a database takes some hundreds in a row
/// and, over all, some ten thousand values.
const MAX_ALTERNATIVES: usize = 40;

/// Camunda's `orQueries`: for each of them, one of its filters must hold. They are read as the query itself is, and have none themselves.
fn alternatives<F>(fields: &mut Fields, camunda: &[&str], read: fn(&mut Fields) -> Result<F, Error>) -> Result<Vec<F>, Error> {
    let alternatives = fields.objects("orQueries")?;
    if alternatives.len() > MAX_ALTERNATIVES {
        let count = alternatives.len();
        return Err(Error::Invalid(format!("'orQueries' has {count} entries; at most {MAX_ALTERNATIVES} are allowed")));
    }
    let read = |mut query: Fields| {
        if query.has("orQueries") || query.has("sorting") {
            return Err(Error::Invalid("Invalid query usage: orQueries have neither sorting nor orQueries".to_owned()));
        }
        let filter = read(&mut query)?;
        query.finish(camunda)?;
        Ok(filter)
    };
    alternatives.into_iter().map(read).collect()
}

/// Texts that were given alone or as a list; given both ways, those that are in both: if there is none, one that nothing has.
fn one_of(one: Option<String>, many: Vec<String>) -> Vec<String> {
    match one {
        None => many,
        Some(one) if many.is_empty() || many.contains(&one) => vec![one],
        Some(_) => vec![String::new()],
    }
}

/// An execution as the store knows it: the process's own has the instance's id.
fn scope_or_none(id: &str) -> (Uuid, i64) {
    match id.parse::<InstanceId>() {
        Ok(instance) => (instance.0, ROOT),
        Err(_) => numbered(public_or_none(id)),
    }
}

/// The other way round.
pub(crate) fn public(instance: Uuid, number: i64) -> String {
    // Numbers count up from 1.
    PublicId { instance: InstanceId(instance), number: u64::try_from(number).unwrap_or(0) }.to_string()
}

/// The activity instance of what is to start an instance: there is none yet.
const NO_ACTIVITY: i64 = 0;

/// Camunda's execution, which here is an activity instance. The process itself has its instance's id, as in Camunda.
pub(crate) fn execution(instance: Uuid, activity: i64) -> String {
    if activity == ROOT { instance.to_string() } else { public(instance, activity) }
}
