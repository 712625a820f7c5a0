//! Forms of user tasks and of what starts a process, below `/task/{id}` and `/process-definition/…` (Camunda 7, "Task Forms").

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mandate_runtime::engine::{FormError, FormOf, ShownField, Variables};
use mandate_runtime::model::FormFieldKind;
use mandate_runtime::{Definition, DefinitionRef, InstanceView, Modify, Start};
use serde_json::{Value, json};

use super::process_definition::Named;
use super::{form_html, start, task, task_work};
use crate::error::stored;
use crate::extract::{Body, Params, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, public_or_none};
use crate::{App, Error, variable};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/task/{id}/form", get(task_form))
        .route("/task/{id}/form-variables", get(task_variables))
        .route("/task/{id}/rendered-form", get(rendered_task_form))
        .route("/task/{id}/deployed-form", get(deployed_task_form))
        .route("/task/{id}/submit-form", post(submit_task_form))
        .merge(of_one("/process-definition/{id}"))
        .merge(of_one("/process-definition/key/{key}"))
        .merge(of_one("/process-definition/key/{key}/tenant-id/{tenant}"))
}

/// The forms of one definition, however its path names it.
fn of_one(path: &str) -> Router<App> {
    Router::new()
        .route(&format!("{path}/startForm"), get(start_form))
        .route(&format!("{path}/form-variables"), get(start_variables))
        .route(&format!("{path}/rendered-form"), get(rendered_start_form))
        .route(&format!("{path}/deployed-start-form"), get(deployed_start_form))
        .route(&format!("{path}/submit-form"), post(submit_start_form))
}

/// The instance of a task, and whose form it is there.
struct OfTask {
    view: InstanceView,
    task: mandate_runtime::engine::Task,
    now: i64,
}

impl OfTask {
    async fn find(app: &App, id: &str, missing: impl FnOnce() -> Error) -> Result<Self, Error> {
        let found = app.runtime.task_view(public_or_none(id)).await;
        let (view, task) = found.map_err(|error| Error::from(error).or_missing(missing))?;
        Ok(Self { view, task, now: app.runtime.now() })
    }

    /// As Camunda answers of forms: a task that is not there is not found.
    async fn listed(app: &App, id: &str) -> Result<Self, Error> {
        Self::find(app, id, || task::no_task(id)).await
    }

    fn form(&self) -> FormOf<'_> {
        FormOf::task(&self.view.definition.model, &self.view.instance, self.task.activity, self.now)
    }
}

/// What starts a process, and its form.
struct OfStart {
    definition: std::sync::Arc<Definition>,
    now: i64,
}

impl OfStart {
    async fn find(app: &App, named: &Named) -> Result<Self, Error> {
        let row = named.find(app).await?;
        Ok(Self { definition: app.runtime.definition(&row.id).await?, now: app.runtime.now() })
    }

    fn id(&self) -> &str {
        &self.definition.row.id
    }

    /// As in Camunda only what is started by nothing else than a request has a form to do it with; of several none start events none has.
    fn form(&self) -> Result<FormOf<'_>, Error> {
        FormOf::start(&self.definition.model, self.now).ok_or_else(|| {
            let id = self.id();
            Error::Invalid(format!(
                "Cannot get start form data for process definition {id}: No startFormHandler defined in process '{id}': it has no none start event, or several"
            ))
        })
    }
}

/// Camunda's `FormDto`, with what the fields are, for which Camunda's API has only HTML.
fn form_dto(form: &FormOf<'_>, rendered_at: &str) -> Result<Value, FormError> {
    let fields = form.shown()?;
    let key = form.key().filter(|key| !key.is_empty()).map(str::to_owned);
    let key = key.or_else(|| (!fields.is_empty()).then(|| format!("embedded:engine://engine/:engine{rendered_at}/rendered-form")));
    Ok(json!({
        "key": key,
        "camundaFormRef": null,
        "contextPath": null,
        "formFields": fields.iter().map(field_dto).collect::<Vec<_>>(),
    }))
}

/// A field under the names that Camunda's `FormField` has in Java.
fn field_dto(it: &ShownField<'_>) -> Value {
    let field = it.field;
    let constraint = |it: &mandate_runtime::model::FormConstraint| json!({"name": it.name(), "configuration": it.config()});
    let mut dto = json!({
        "id": field.id,
        "label": it.label,
        "typeName": field.kind.as_str(),
        "businessKey": it.is_business_key,
        "defaultValue": it.default.as_ref().map(variable::write),
        "value": variable::write(&it.value),
        "validationConstraints": field.constraints.iter().map(constraint).collect::<Vec<_>>(),
        "properties": field.properties.iter().cloned().map(|(id, value)| (id, value.into())).collect::<serde_json::Map<_, Value>>(),
    });
    match &field.kind {
        FormFieldKind::Date(pattern) => dto["datePattern"] = json!(pattern.source()),
        FormFieldKind::Enum(values) => {
            dto["values"] = values.iter().map(|(value, name)| json!({"id": value, "name": name})).collect();
        }
        FormFieldKind::String | FormFieldKind::Long | FormFieldKind::Boolean => {}
    }
    dto
}

async fn task_form(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let of = OfTask::listed(&app, &id).await?;
    let dto = form_dto(&of.form(), &format!("/task/{id}"));
    dto.map(Json).map_err(|error| Error::rest_with(StatusCode::BAD_REQUEST, format!("Cannot get form for task {id}: {error}")))
}

async fn start_form(State(app): State<App>, Segments(named): Segments<Named>) -> Result<Json<Value>, Error> {
    let of = OfStart::find(&app, &named).await?;
    let dto = form_dto(&of.form()?, &format!("/process-definition/{}", of.id()));
    dto.map(Json).map_err(|error| Error::Invalid(format!("Cannot get start form data for process definition {}: {error}", of.id())))
}

/// Which variables are asked for: `variableNames`, or all.
fn wanted(mut params: Fields) -> Result<Vec<String>, Error> {
    let names = params.filter_texts("variableNames")?;
    params.ignore(&["deserializeValues"]);
    params.finish(&["variableNames"])?;
    Ok(names)
}

/// The fields' values under their names.
fn field_values(form: &FormOf<'_>, names: &[String]) -> Result<Variables, FormError> {
    let asked = |it: &ShownField<'_>| names.is_empty() || names.contains(&it.field.id);
    Ok(form.shown()?.into_iter().filter(asked).map(|it| (it.field.id.clone(), it.value)).collect())
}

/// What a form needs to know: its fields' values, and all other variables that the task sees (Camunda's `GetTaskFormVariablesCmd`).
async fn task_variables(State(app): State<App>, Segments(id): Segments<String>, Params(params): Params) -> Result<Json<Value>, Error> {
    let names = wanted(params)?;
    let missing = || Error::Refused {
        status: StatusCode::BAD_REQUEST,
        kind: "BadUserRequestException",
        message: format!("Cannot find task with id '{id}'.: task is null"),
    };
    let of = OfTask::find(&app, &id, missing).await?;
    let fields = field_values(&of.form(), &names)
        .map_err(|error| Error::rest_with(StatusCode::BAD_REQUEST, format!("Cannot get form variables of task {id}: {error}")))?;
    let mut variables = of.view.instance.visible_variables(of.task.scope());
    variables.retain(|name, _| names.is_empty() || names.contains(name));
    variables.extend(fields);
    Ok(Json(variable::write_all(&variables)))
}

async fn start_variables(State(app): State<App>, Segments(named): Segments<Named>, Params(params): Params) -> Result<Json<Value>, Error> {
    let names = wanted(params)?;
    let of = OfStart::find(&app, &named).await?;
    let values =
        field_values(&of.form()?, &names).map_err(|error| Error::Invalid(format!("Cannot get form variables of {}: {error}", of.id())))?;
    Ok(Json(variable::write_all(&values)))
}

async fn rendered_task_form(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, Error> {
    let of = OfTask::listed(&app, &id).await?;
    let missing = || Error::NotFound(format!("No matching rendered form for task with the id {id} found."));
    rendered(&of.form(), &format!("Cannot render the form of task {id}"), missing)
}

async fn rendered_start_form(State(app): State<App>, Segments(named): Segments<Named>) -> Result<Response, Error> {
    let of = OfStart::find(&app, &named).await?;
    let missing = || Error::NotFound(format!("No matching rendered start form for process definition with the id {} found.", of.id()));
    rendered(&of.form()?, &format!("Cannot render the start form of {}", of.id()), missing)
}

fn rendered(form: &FormOf<'_>, what: &str, missing: impl FnOnce() -> Error) -> Result<Response, Error> {
    let fields = form.shown().map_err(|error| Error::rest_with(StatusCode::BAD_REQUEST, format!("{what}: {error}")))?;
    if fields.is_empty() {
        return Err(missing());
    }
    Ok(([(header::CONTENT_TYPE, "application/xhtml+xml")], form_html::render(&fields)).into_response())
}

async fn deployed_task_form(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, Error> {
    let of = OfTask::listed(&app, &id).await?;
    deployed(&app, &of.view.definition, &of.form()).await
}

async fn deployed_start_form(State(app): State<App>, Segments(named): Segments<Named>) -> Result<Response, Error> {
    let of = OfStart::find(&app, &named).await?;
    deployed(&app, &of.definition, &of.form()?).await
}

/// What prefixes a key may have, and what is behind it (Camunda's `AbstractGetDeployedFormCmd`).
const DEPLOYED: &[(&str, &str)] = &[("embedded:", "application/xhtml+xml"), ("camunda-forms:", "application/json")];

/// The file of its deployment that a form's key names: a download and never a page, for it must not run as ours in a browser.
async fn deployed(app: &App, definition: &Definition, form: &FormOf<'_>) -> Result<Response, Error> {
    let key = form.key().filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Error::Invalid("The form key is not set.".to_owned()))?;
    let found = DEPLOYED.iter().find_map(|(prefix, kind)| Some((key.strip_prefix(prefix)?, *kind)));
    let (location, kind) = found.unwrap_or((key, "application/octet-stream"));
    let name = location.strip_prefix("deployment:");
    let name = name.ok_or_else(|| Error::Invalid(format!("The form key '{key}' does not reference a deployed form.")))?;
    let bytes = stored(app.runtime.reads().resource_bytes(&definition.row.deployment_id, name).await)?;
    let deployment = &definition.row.deployment_id;
    let bytes = bytes.ok_or_else(|| Error::NotFound(format!("no resource found with name '{name}' in deployment '{deployment}'")))?;
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, "attachment"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, bytes).into_response())
}

/// Completes a task with what was entered: a value of a field as the field's type, a default where nothing was entered.
async fn submit_task_form(Acting(app): Acting, Segments(id): Segments<String>, Body(body): Body) -> Result<Response, Error> {
    let doing = format!("submit task form {id}");
    let (variables, with_variables) = task_work::completion(body)?;
    let of = OfTask::find(&app, &id, || task_work::cannot(&doing, &id)).await?;
    let variables = of.form().submitted(variables);
    let variables = variables.map_err(|error| Error::rest_with(StatusCode::BAD_REQUEST, format!("Cannot {doing}: {error}")))?;
    task_work::complete_with(&app, &id, &doing, variables, with_variables).await
}

/// Starts an instance with what was entered.
async fn submit_start_form(
    Acting(app): Acting,
    Segments(named): Segments<Named>,
    headers: HeaderMap,
    Body(mut body): Body,
) -> Result<Response, Error> {
    let (business_key, variables) = (body.stored_text("businessKey")?, body.variables("variables")?);
    body.finish(&["businessKey", "variables"])?;
    let idempotency_key = start::text_header(&headers, &start::IDEMPOTENCY_KEY)?;
    // Whatever has become of the form since.
    if let Some(key) = &idempotency_key
        && let Some(before) = app.runtime.started_before(&named.reference(), key).await?
    {
        return Ok(start::answer(&before, false));
    }
    let of = OfStart::find(&app, &named).await?;
    let variables = of.form()?.submitted(variables);
    let variables = variables.map_err(|error| {
        Error::rest_with(StatusCode::BAD_REQUEST, format!("Cannot instantiate process definition {}: {error}", of.id()))
    })?;
    // The version whose form it was, also if there is a newer one by now.
    let request = Start {
        definition: DefinitionRef::Id(of.id().to_owned()),
        business_key,
        variables,
        idempotency_key,
        traceparent: start::traceparent(&headers),
    };
    start::run(&app, request, Modify::default(), false).await
}
