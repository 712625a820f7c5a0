//! The variables of a process instance, an execution or a user task: one resource, wherever it stands.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::InstanceView;
use mandate_runtime::engine::{ActivityId, Variable, Variables};
use serde_json::Value;

use crate::extract::{Body, Segments};
use crate::operator::Acting;
use crate::{App, Error, variable};

/// Whose variables.
pub(super) trait Scope: 'static {
    /// Where the resource stands; `{id}` is whose it is.
    const VARIABLES: &'static str;
    /// Camunda's name for whose they are.
    const WHAT: &'static str;
    /// Only the scope's own. Otherwise all that it sees; a new one becomes the process's.
    const LOCAL: bool;

    /// Camunda's name for what an id that is none, or no longer, would be.
    const IS_NULL: &'static str;

    /// The scope of an id. An error [that says so](Error::is_missing) if there is none.
    fn find(app: &App, id: &str) -> impl Future<Output = Result<(InstanceView, ActivityId), Error>> + Send;
}

/// What Camunda's engine says of an id that is none.
pub(super) fn is_null(what: &str, id: &str) -> String {
    format!("{what} {id} doesn't exist: {what} is null")
}

/// Its REST resources wrap that where something cannot be done.
fn cannot<S: Scope>(doing: &str, id: &str) -> impl FnOnce(Error) -> Error {
    let message = format!("Cannot {doing}: {}", is_null(S::IS_NULL, id));
    move |error| error.or_missing(|| Error::rest(message))
}

/// All that can be done with them.
pub(super) fn router<S: Scope>() -> Router<App> {
    let one = format!("{}/{{name}}", S::VARIABLES);
    Router::new()
        .route(S::VARIABLES, get(all::<S>).post(modify::<S>))
        .route(&one, get(one_of::<S>).put(set::<S>).delete(remove::<S>))
        .route(&format!("{one}/data"), get(data::<S>).post(binary))
}

/// The variables of a scope, its own or all that it sees.
async fn read<S: Scope>(app: &App, id: &str) -> Result<Variables, Error> {
    let (view, scope) = S::find(app, id).await?;
    if !S::LOCAL {
        return Ok(view.instance.visible_variables(scope));
    }
    Ok(view.instance.variables(scope).cloned().unwrap_or_default())
}

fn no_variable<S: Scope>(name: &str) -> Error {
    Error::NotFound(format!("{} variable with name {name} does not exist", S::WHAT))
}

async fn all<S: Scope>(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let variables = read::<S>(&app, &id).await;
    let variables = variables.map_err(|error| error.or_missing(|| Error::null_value(is_null(S::IS_NULL, &id))))?;
    Ok(Json(variable::write_all(&variables)))
}

async fn one_of<S: Scope>(State(app): State<App>, Segments((id, name)): Segments<(String, String)>) -> Result<Json<Value>, Error> {
    Ok(Json(variable::write(&named::<S>(&app, &id, &name).await?)))
}

async fn named<S: Scope>(app: &App, id: &str, name: &str) -> Result<Variable, Error> {
    let variables = read::<S>(app, id).await.map_err(cannot::<S>(&format!("get {} variable {name}", S::WHAT), id))?;
    variables.get(name).cloned().ok_or_else(|| no_variable::<S>(name))
}

/// Files and bytes are not supported, so that there is never anything binary to answer with.
async fn data<S: Scope>(State(app): State<App>, Segments((id, name)): Segments<(String, String)>) -> Result<Json<Value>, Error> {
    named::<S>(&app, &id, &name).await?;
    Err(Error::Invalid(format!("Value of variable with name {name} is not a binary value.")))
}

/// A file, bytes, or a Java object, uploaded: the answer says what to do instead.
async fn binary(Segments((_, name)): Segments<(String, String)>) -> Error {
    variable::no_binary(&name)
}

async fn set<S: Scope>(
    Acting(app): Acting,
    Segments((id, name)): Segments<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Error> {
    variable::check_name(&name)?;
    let value = variable::read(&name, body.into_object())?;
    let doing = format!("put {} variable {name}", S::WHAT);
    change::<S>(&app, &id, Variables::from([(name, value)]), Vec::new()).await.map_err(cannot::<S>(&doing, &id))
}

async fn remove<S: Scope>(Acting(app): Acting, Segments((id, name)): Segments<(String, String)>) -> Result<StatusCode, Error> {
    let doing = format!("delete {} variable {name}", S::WHAT);
    change::<S>(&app, &id, Variables::new(), vec![name]).await.map_err(cannot::<S>(&doing, &id))
}

async fn modify<S: Scope>(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let set = body.stored_variables("modifications")?;
    let remove = body.texts_or_none("deletions")?;
    body.finish(&["modifications", "deletions"])?;
    let doing = format!("modify variables for {} {id}", S::WHAT);
    change::<S>(&app, &id, set, remove).await.map_err(cannot::<S>(&doing, &id))
}

async fn change<S: Scope>(app: &App, id: &str, set: Variables, remove: Vec<String>) -> Result<StatusCode, Error> {
    let (view, scope) = S::find(app, id).await?;
    let instance = view.instance.id();
    let changed = if S::LOCAL {
        app.runtime.set_variables(instance, Some(scope), set, remove).await
    } else {
        app.runtime.set_visible_variables(instance, scope, set, remove).await
    };
    changed?;
    Ok(StatusCode::NO_CONTENT)
}
