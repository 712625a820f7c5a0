//! `/task`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::Room;
use mandate_runtime::engine::Variables;
use mandate_runtime::query::{Order, SortedKind, TASKS, TaskFilter, TaskListed, TaskSort, VariableOf};
use serde_json::{Value, json};

use super::{alternatives, camunda, list, task_work, variable_query};
use crate::error::stored;
use crate::extract::{Params, Segments};
use crate::query_params::{DEFAULT_MAX_RESULTS, Fields, public_or_none};
use crate::{App, Error, date, variable};

pub(super) fn router() -> Router<App> {
    list::routes("/task", listed, counted).route("/task/{id}", get(one).put(task_work::update))
}

const SORTS: &[(&str, TaskSort)] = &[
    ("id", TaskSort::Id),
    ("instanceId", TaskSort::Instance),
    ("executionId", TaskSort::Instance),
    ("name", TaskSort::Name),
    ("nameCaseInsensitive", TaskSort::NameIgnoringCase),
    ("description", TaskSort::Description),
    ("dueDate", TaskSort::Due),
    ("followUpDate", TaskSort::FollowUp),
    ("priority", TaskSort::Priority),
    ("created", TaskSort::Created),
    ("lastUpdated", TaskSort::Updated),
    ("assignee", TaskSort::Assignee),
    ("tenantId", TaskSort::Tenant),
];

/// What bodies sort by besides: variables, whose name and type are parameters.
const VARIABLE_SORTS: &[(&str, VariableOf)] =
    &[("processVariable", VariableOf::Process), ("executionVariable", VariableOf::Execution), ("taskVariable", VariableOf::Task)];

/// The types of variables that are sorted by.
const SORTED_KINDS: &[(&str, SortedKind)] = &[
    ("string", SortedKind::String),
    ("integer", SortedKind::Integer),
    ("long", SortedKind::Long),
    ("double", SortedKind::Double),
    ("boolean", SortedKind::Boolean),
    ("date", SortedKind::Date),
];

/// Camunda's `SortTaskQueryParametersDto`.
fn by_variable(by: &str, parameters: &Value) -> Option<Result<TaskSort, Error>> {
    let (_, of) = VARIABLE_SORTS.iter().find(|(name, _)| *name == by)?;
    let text = |name: &str| {
        let missing = || Error::Invalid(format!("to sort by '{by}', 'parameters' has the texts 'variable', a name, and 'type'"));
        parameters[name].as_str().ok_or_else(missing)
    };
    let sort = || {
        let (name, kind) = (text("variable")?, text("type")?);
        let known = SORTED_KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind));
        let (_, kind) = known.ok_or_else(|| Error::Invalid(format!("Cannot order by variables of type {kind}")))?;
        Ok(TaskSort::Variable { of: *of, name: name.to_owned(), kind: *kind })
    };
    Some(sort())
}

fn sorting(fields: &mut Fields) -> Result<Vec<(TaskSort, Order)>, Error> {
    fields.sorting_or(SORTS, by_variable)
}

fn filter(fields: &mut Fields) -> Result<TaskFilter, Error> {
    let Candidates { user, group, groups } = Candidates::read(fields)?;
    if user.is_some() && group.is_some() {
        return Err(Error::Invalid("Invalid query usage: cannot set both candidateUser and candidateGroup".to_owned()));
    }
    if user.is_some() && !groups.is_empty() {
        return Err(Error::Invalid("Invalid query usage: cannot set both candidateUser and candidateGroupIn".to_owned()));
    }
    filter_of(fields, user, super::one_of(group, groups))
}

/// One of `orQueries`: whoever may claim a task himself, or by one of the groups.
fn alternative(fields: &mut Fields) -> Result<TaskFilter, Error> {
    let Candidates { user, group, mut groups } = Candidates::read(fields)?;
    groups.extend(group);
    filter_of(fields, user, groups)
}

/// Who is to be able to claim a task.
struct Candidates {
    user: Option<String>,
    group: Option<String>,
    groups: Vec<String>,
}

impl Candidates {
    fn read(fields: &mut Fields) -> Result<Self, Error> {
        let (user, group) = (fields.text("candidateUser")?, fields.text("candidateGroup")?);
        Ok(Self { user, group, groups: fields.filter_texts("candidateGroups")? })
    }
}

fn filter_of(fields: &mut Fields, candidate_user: Option<String>, candidate_groups: Vec<String>) -> Result<TaskFilter, Error> {
    let candidate_group_like = fields.like("candidateGroupLike")?;
    let with_candidate_groups = fields.either("withCandidateGroups", "withoutCandidateGroups")?;
    let with_candidate_users = fields.either("withCandidateUsers", "withoutCandidateUsers")?;
    let include_assigned = fields.flag("includeAssignedTasks")?;
    let of_candidates = candidate_user.is_some() || !candidate_groups.is_empty() || candidate_group_like.is_some();
    if include_assigned && !of_candidates && with_candidate_groups.is_none() && with_candidate_users.is_none() {
        let message = "Invalid query usage: candidateUser, candidateGroup, candidateGroupIn, withCandidateGroups, withoutCandidateGroups, \
                       withCandidateUsers, withoutCandidateUsers has to be called before 'includeAssignedTasks'.";
        return Err(Error::Invalid(message.to_owned()));
    }
    let case = variable_query::ignoring_case(fields)?;
    Ok(TaskFilter {
        ids: fields.public_ids("taskId", Some("taskIdIn"))?.into_iter().map(super::numbered).collect(),
        activities: fields.public_ids("executionId", Some("activityInstanceIdIn"))?.into_iter().map(super::numbered).collect(),
        instances: fields.instances("processInstanceId", Some("processInstanceIdIn"))?.into_iter().map(|id| id.0).collect(),
        process_variables: variable_query::conditions(fields, "processVariables", case)?,
        task_variables: variable_query::conditions(fields, "taskVariables", case)?,
        candidate_group_like,
        candidate_user,
        candidate_groups,
        with_candidate_groups,
        with_candidate_users,
        include_assigned,
        asked: fields.asked(TASKS)?,
        any: alternatives(fields, camunda::TASKS, alternative)?,
    })
}

/// Refuses what this host cannot answer.
fn check(app: &App, filter: &TaskFilter, sort: &[(TaskSort, Order)]) -> Result<(), Error> {
    let asks = |it: &TaskFilter| !it.process_variables.is_empty() || !it.task_variables.is_empty();
    let sorts = sort.iter().any(|(by, _)| matches!(by, TaskSort::Variable { .. }));
    variable_query::check(app, asks(filter) || filter.any.iter().any(asks) || sorts)
}

async fn listed(app: App, mut fields: Fields, paging: Option<Params>) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    let (page, sort) = (super::page(&mut fields, paging)?, sorting(&mut fields)?);
    let with_info = fields.flag("withCommentAttachmentInfo")?;
    let with_variables = [fields.flag("withTaskVariablesInReturn")?, fields.flag("withTaskLocalVariablesInReturn")?];
    fields.finish(camunda::TASKS)?;
    if with_variables.contains(&true) && page.max > DEFAULT_MAX_RESULTS {
        return Err(Error::Invalid(format!("at most {DEFAULT_MAX_RESULTS} tasks are answered with their variables")));
    }
    check(&app, &filter, &sort)?;
    let rows = stored(app.runtime.reads().tasks(filter, page, &sort).await)?;
    let mut dtos = Vec::with_capacity(rows.len());
    let mut room = Room::default();
    for row in &rows {
        let mut dto = dto(row);
        if with_info {
            // There are none of either.
            (dto["attachment"], dto["comment"]) = (json!(false), json!(false));
        }
        if let Some(visible) = with_variables.iter().position(|asked| *asked).map(|first| first == 0) {
            let variables = variables(&app, row, visible).await?;
            if !room.holds(&variables) {
                let tasks = dtos.len();
                let message =
                    format!("the variables of more than {tasks} of these tasks are too much for one answer; ask for fewer with maxResults");
                return Err(Error::Invalid(message));
            }
            dto["variables"] = variable::write_all(&variables);
        }
        dtos.push(dto);
    }
    Ok(Json(Value::Array(dtos)))
}

/// What a task sees, or has of its own; nothing of one that is gone meanwhile.
async fn variables(app: &App, listed: &TaskListed, visible: bool) -> Result<Variables, Error> {
    let found = app.runtime.task_view(public_or_none(&super::public(listed.instance, listed.row.wait))).await;
    let (view, task) = match found.map_err(Error::from) {
        Err(error) if error.is_missing() => return Ok(Variables::new()),
        found => found?,
    };
    Ok(if visible { view.instance.visible_variables(task.scope()) } else { task.variables })
}

async fn counted(app: App, mut fields: Fields) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    fields.of_list_only_or(SORTS, by_variable)?;
    // What the list shows of each task besides.
    for shown in ["withCommentAttachmentInfo", "withTaskVariablesInReturn", "withTaskLocalVariablesInReturn"] {
        fields.flag(shown)?;
    }
    fields.finish(camunda::TASKS)?;
    check(&app, &filter, &[])?;
    Ok(super::count(stored(app.runtime.reads().count_tasks(filter).await)?))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let found = find(&app, &id).await?;
    found.as_ref().map(dto).map(Json).ok_or_else(|| no_task(&id))
}

pub(super) fn no_task(id: &str) -> Error {
    Error::NotFound(format!("No matching task with id {id}"))
}

/// An open task by its public id.
pub(super) async fn find(app: &App, id: &str) -> Result<Option<TaskListed>, Error> {
    let (instance, wait) = super::numbered(public_or_none(id));
    stored(app.runtime.reads().task(instance, wait).await)
}

/// Camunda's `TaskDto`.
fn dto(listed: &TaskListed) -> Value {
    let row = &listed.row;
    json!({
        "id": super::public(listed.instance, row.wait),
        "name": row.name,
        "assignee": row.assignee,
        "owner": row.owner,
        "created": date::print(row.created),
        "lastUpdated": date::print_option(row.updated),
        "due": date::print_option(row.due),
        "followUp": date::print_option(row.follow_up),
        "delegationState": row.delegation,
        "description": row.description,
        "executionId": super::execution(listed.instance, row.activity),
        "parentTaskId": null,
        "priority": row.priority,
        "processDefinitionId": row.definition_id,
        "processInstanceId": listed.instance.to_string(),
        "caseExecutionId": null,
        "caseDefinitionId": null,
        "caseInstanceId": null,
        "taskDefinitionKey": row.activity_id,
        "suspended": listed.suspended,
        "formKey": row.form_key,
        "camundaFormRef": null,
        "tenantId": listed.tenant,
        "taskState": open_state(row.updated),
    })
}

/// The state of a task that is open, which somebody changed at this moment last (Camunda 7, `TaskEntity.TaskState`).
pub(super) fn open_state(updated: Option<i64>) -> &'static str {
    if updated.is_some() { "Updated" } else { "Created" }
}
