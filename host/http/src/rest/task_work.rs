//! What people do with user tasks, below `/task/{id}`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mandate_runtime::InstanceView;
use mandate_runtime::engine::{ActivityId, Delegation, Rejection, TaskFields, TaskRevision, Variables};
use serde_json::{Value, json};

use super::scope_variables::{self, Scope};
use super::task;
use crate::extract::{Body, Params, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, public_or_none};
use crate::{App, Error, variable};

/// The longest description that is set by hand, as in Camunda: it stands in the instance's snapshot.
const MAX_DESCRIPTION_CHARS: usize = 4_000;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/task/{id}/claim", post(claim))
        .route("/task/{id}/unclaim", post(unclaim))
        .route("/task/{id}/assignee", post(assign))
        .route("/task/{id}/delegate", post(delegate))
        .route("/task/{id}/resolve", post(resolve))
        .route("/task/{id}/complete", post(complete))
        .route("/task/{id}/bpmnError", post(bpmn_error))
        .route("/task/{id}/bpmnEscalation", post(bpmn_escalation))
        .route("/task/{id}/identity-links", get(identity_links).post(add_link))
        .route("/task/{id}/identity-links/delete", post(remove_link))
        .merge(scope_variables::router::<Visible>())
        .merge(scope_variables::router::<Local>())
}

/// Camunda's words for a task that does not exist, or no longer does.
fn is_null(id: &str) -> String {
    format!("Cannot find task with id {id}: task is null")
}

/// They are its engine's exception where its REST resources leave that alone.
fn gone(id: &str) -> Error {
    Error::null_value(is_null(id))
}

/// A resource of theirs wraps it where something cannot be done.
pub(super) fn cannot(doing: &str, id: &str) -> Error {
    Error::rest(format!("Cannot {doing}: {}", is_null(id)))
}

/// And says 404 where an error or an escalation is reported.
fn unreported(id: &str) -> Error {
    Error::rest_with(StatusCode::NOT_FOUND, is_null(id))
}

async fn revise(app: &App, id: &str, revision: TaskRevision) -> Result<StatusCode, Error> {
    revise_or(app, id, revision, gone).await
}

async fn revise_or(app: &App, id: &str, revision: TaskRevision, missing: fn(&str) -> Error) -> Result<StatusCode, Error> {
    let revised = app.runtime.revise_task(public_or_none(id), revision).await;
    revised.map_err(|error| Error::from(error).or_missing(|| missing(id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The only field of Camunda's `UserIdDto`.
fn user_of(mut body: Fields) -> Result<Option<String>, Error> {
    let user = body.stored_text("userId")?;
    body.finish(&["userId"])?;
    Ok(user)
}

async fn claim(Acting(app): Acting, Segments(id): Segments<String>, Body(body): Body) -> Result<StatusCode, Error> {
    // Camunda takes a claim without a user for the opposite.
    let Some(user) = user_of(body)? else { return revise(&app, &id, TaskRevision::Assign { user: None }).await };
    let claimed = app.runtime.claim_task(public_or_none(&id), user).await;
    claimed.map_err(|error| match error {
        mandate_runtime::Error::Rejected(Rejection::AlreadyClaimed { .. }) => Error::Refused {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "TaskAlreadyClaimedException",
            message: format!("Task '{id}' is already claimed by someone else."),
        },
        error => Error::from(error).or_missing(|| gone(&id)),
    })?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unclaim(Acting(app): Acting, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    revise(&app, &id, TaskRevision::Assign { user: None }).await
}

async fn assign(Acting(app): Acting, Segments(id): Segments<String>, Body(body): Body) -> Result<StatusCode, Error> {
    revise(&app, &id, TaskRevision::Assign { user: user_of(body)? }).await
}

async fn delegate(Acting(app): Acting, Segments(id): Segments<String>, Body(body): Body) -> Result<StatusCode, Error> {
    revise(&app, &id, TaskRevision::Delegate { user: user_of(body)? }).await
}

async fn resolve(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let variables = body.variables("variables")?;
    // Camunda's DTO is the one of completing, which a resolution does not answer.
    body.finish(&["variables", "withVariablesInReturn"])?;
    revise(&app, &id, TaskRevision::Resolve { variables }).await
}

async fn complete(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<Response, Error> {
    let variables = body.variables("variables")?;
    let (_, with_variables) = completion(body)?;
    complete_with(&app, &id, &format!("complete task {id}"), variables, with_variables).await
}

/// Camunda's `CompleteTaskDto`: variables, and whether the process's are to be answered.
pub(super) fn completion(mut body: Fields) -> Result<(Variables, bool), Error> {
    let read = (body.variables("variables")?, body.flag("withVariablesInReturn")?);
    body.finish(&["variables", "withVariablesInReturn"])?;
    Ok(read)
}

/// Completes a task, which is `doing` something.
pub(super) async fn complete_with(app: &App, id: &str, doing: &str, variables: Variables, with_variables: bool) -> Result<Response, Error> {
    let after = app.runtime.complete_task(public_or_none(id), variables).await;
    let after = after.map_err(|error| Error::from(error).or_missing(|| cannot(doing, id)).of_doing(doing))?;
    if with_variables {
        return Ok(Json(variable::write_all(&after)).into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn bpmn_error(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let code = required_code(&mut body, "errorCode")?;
    let (message, variables) = (body.text("errorMessage")?, body.variables("variables")?);
    body.finish(&["errorCode", "errorMessage", "variables"])?;
    let thrown = app.runtime.throw_from_task(public_or_none(&id), code, message, variables).await;
    thrown.map_err(|error| Error::from(error).or_missing(|| unreported(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn bpmn_escalation(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let code = required_code(&mut body, "escalationCode")?;
    let variables = body.variables("variables")?;
    body.finish(&["escalationCode", "variables"])?;
    let reported = app.runtime.escalate_from_task(public_or_none(&id), code, variables).await;
    reported.map_err(|error| Error::from(error).or_missing(|| unreported(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

fn required_code(body: &mut Fields, name: &str) -> Result<String, Error> {
    body.stored_text(name)?.filter(|code| !code.is_empty()).ok_or_else(|| Error::Invalid(format!("{name} is null or empty")))
}

/// The fields of Camunda's `TaskDto`: a client may send back what it was given.
#[rustfmt::skip]
const TASK_FIELDS: &[&str] = &[
    "id", "name", "assignee", "owner", "created", "lastUpdated", "due", "followUp", "delegationState", "description", "executionId",
    "parentTaskId", "priority", "processDefinitionId", "processInstanceId", "caseExecutionId", "caseDefinitionId", "caseInstanceId",
    "taskDefinitionKey", "suspended", "formKey", "camundaFormRef", "tenantId", "taskState",
];

/// Sets all that can be set of a task: what is not given has no value afterwards, but for the priority and the state of its delegation, as
/// in Camunda. Sub-tasks and cases do not exist; the rest of a task is what it is.
pub(super) async fn update(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let description = body.text("description")?;
    if description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION_CHARS) {
        return Err(Error::Invalid(format!("'description' has more than {MAX_DESCRIPTION_CHARS} characters")));
    }
    let fields = TaskFields {
        name: body.stored_text("name")?,
        description,
        assignee: body.stored_text("assignee")?,
        owner: body.stored_text("owner")?,
        due: body.date("due")?,
        follow_up: body.date("followUp")?,
        priority: body.whole("priority")?,
        delegation: match body.text("delegationState")?.as_deref() {
            None => None,
            Some("PENDING") => Some(Delegation::Pending),
            Some("RESOLVED") => Some(Delegation::Resolved),
            Some(other) => return Err(Error::Invalid(format!("'delegationState' is PENDING or RESOLVED, not {other}"))),
        },
    };
    body.ignore(&[
        "id",
        "created",
        "lastUpdated",
        "executionId",
        "processDefinitionId",
        "processInstanceId",
        "taskDefinitionKey",
        "suspended",
        "formKey",
        "camundaFormRef",
        "tenantId",
        "taskState",
    ]);
    body.finish(TASK_FIELDS)?;
    revise_or(&app, &id, TaskRevision::Update(Box::new(fields)), task::no_task).await
}

/// Camunda's `IdentityLinkDto`s of a task: whoever has it, whoever is responsible, and whoever may claim it.
async fn identity_links(State(app): State<App>, Segments(id): Segments<String>, Params(mut params): Params) -> Result<Json<Value>, Error> {
    let wanted = params.text("type")?;
    params.finish(&["type"])?;
    let row = task::find(&app, &id).await?.ok_or_else(|| gone(&id))?.row;
    let user = |user: &String, kind: &str| json!({"userId": user, "groupId": null, "type": kind});
    let links = (row.assignee.iter().map(|it| user(it, "assignee")))
        .chain(row.owner.iter().map(|it| user(it, "owner")))
        .chain(row.candidate_users.iter().map(|it| user(it, "candidate")))
        .chain(row.candidate_groups.iter().map(|it| json!({"userId": null, "groupId": it, "type": "candidate"})));
    Ok(Json(links.filter(|link| wanted.as_deref().is_none_or(|wanted| link["type"] == wanted)).collect()))
}

/// A link as a body names it: of whom to what.
struct Link {
    user: Option<String>,
    group: Option<String>,
    kind: String,
}

fn link(mut body: Fields) -> Result<Link, Error> {
    let link =
        Link { user: body.stored_text("userId")?, group: body.stored_text("groupId")?, kind: body.text("type")?.unwrap_or_default() };
    body.finish(&["userId", "groupId", "type"])?;
    if link.user.is_some() == link.group.is_some() {
        return Err(Error::Invalid("Identity Link requires userId or groupId to be set, and not both.".to_owned()));
    }
    Ok(link)
}

/// Other types of links than these decide nothing and are not kept.
fn unknown_link(kind: &str) -> Error {
    Error::Invalid(format!(
        "an identity link of type '{kind}' is not supported by this host; candidate is, and of users assignee and owner"
    ))
}

async fn add_link(Acting(app): Acting, Segments(id): Segments<String>, Body(body): Body) -> Result<StatusCode, Error> {
    let revision = match link(body)? {
        Link { user: Some(user), kind, .. } if kind == "candidate" => TaskRevision::AddCandidateUser(user),
        Link { group: Some(group), kind, .. } if kind == "candidate" => TaskRevision::AddCandidateGroup(group),
        Link { user: user @ Some(_), kind, .. } if kind == "assignee" => TaskRevision::Assign { user },
        Link { user: user @ Some(_), kind, .. } if kind == "owner" => TaskRevision::SetOwner { user },
        Link { kind, .. } => return Err(unknown_link(&kind)),
    };
    revise(&app, &id, revision).await
}

async fn remove_link(Acting(app): Acting, Segments(id): Segments<String>, Body(body): Body) -> Result<StatusCode, Error> {
    let revision = match link(body)? {
        Link { user: Some(user), kind, .. } if kind == "candidate" => TaskRevision::RemoveCandidateUser(user),
        Link { group: Some(group), kind, .. } if kind == "candidate" => TaskRevision::RemoveCandidateGroup(group),
        // As in Camunda, whoever it is.
        Link { user: Some(_), kind, .. } if kind == "assignee" => TaskRevision::Assign { user: None },
        Link { user: Some(_), kind, .. } if kind == "owner" => TaskRevision::SetOwner { user: None },
        Link { kind, .. } => return Err(unknown_link(&kind)),
    };
    revise(&app, &id, revision).await
}

/// All that a task sees.
struct Visible;

impl Scope for Visible {
    const VARIABLES: &'static str = "/task/{id}/variables";
    const WHAT: &'static str = "task";
    const LOCAL: bool = false;
    const IS_NULL: &'static str = "task";

    async fn find(app: &App, id: &str) -> Result<(InstanceView, ActivityId), Error> {
        of_task(app, id).await
    }
}

/// A task's own variables.
struct Local;

impl Scope for Local {
    const VARIABLES: &'static str = "/task/{id}/localVariables";
    const WHAT: &'static str = "task";
    const LOCAL: bool = true;
    const IS_NULL: &'static str = "task";

    async fn find(app: &App, id: &str) -> Result<(InstanceView, ActivityId), Error> {
        of_task(app, id).await
    }
}

async fn of_task(app: &App, id: &str) -> Result<(InstanceView, ActivityId), Error> {
    let (view, task) = app.runtime.task_view(public_or_none(id)).await?;
    Ok((view, task.scope()))
}
