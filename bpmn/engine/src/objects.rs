//! The objects that expressions know from Camunda 7 beside variables (`VariableScopeElResolver`). They are to be looked at only, and what
//! is asked of them by a method (`execution.getId()`) is a property (`execution.id`) to the parser.

use mandate_feel::{Value, date_text};
use mandate_model::{ElementKind, Implementation, ListenerEvent, ServiceTask};
use serde_json::{Value as Json, json};

use crate::PublicId;
use crate::elements::At;
use crate::ids::WaitId;
use crate::variable::Variables;

/// The object with this name where an expression is evaluated.
pub(crate) fn object(at: &At<'_>, name: &str) -> Option<Value> {
    let json = match name {
        "execution" => execution(at),
        "task" => task(at)?,
        "externalTask" => external_task(at)?,
        "now()" | "dateTime()" => json!(date_text(at.moment.asked)),
        "currentUser()" | "authenticatedUserId" => json!(at.moment.user),
        // Nobody is known to be in a group: there are no users here, only names.
        "currentUserGroups()" => {
            if at.moment.user.is_some() {
                json!([])
            } else {
                Json::Null
            }
        }
        _ => return of_variables(at, name),
    };
    Some(Value::from_json(&json))
}

/// What a method gives that asks `execution` or `task` for variables, by the call as the parser writes it: `execution.hasVariable(x)`.
/// Local are those of the activity instance, to a task its own.
fn of_variables(at: &At<'_>, call: &str) -> Option<Value> {
    let (object, call) = call.split_once('.')?;
    let scope = match object {
        "execution" => at.activity,
        "task" => task(at).map(|_| at.scope())?,
        _ => return None,
    };
    let (method, variable) = call.strip_suffix(')')?.split_once('(')?;
    let local = || at.instance.variables(scope).cloned().unwrap_or_default();
    let visible = || at.instance.visible_variables(scope);
    let is_local = || at.instance.variables(scope).is_some_and(|variables| variables.contains_key(variable));
    Some(match method {
        "getVariableLocal" => return at.instance.variables(scope)?.get(variable)?.to_value(),
        "hasVariable" => at.instance.visible_variable(scope, variable).is_some().into(),
        "hasVariableLocal" => is_local().into(),
        "getVariables" => context(visible()),
        "getVariablesLocal" => context(local()),
        "getVariableNames" => names(&visible()),
        "getVariableNamesLocal" => names(&local()),
        "hasVariables" => (!visible().is_empty()).into(),
        "hasVariablesLocal" => (!local().is_empty()).into(),
        _ => return None,
    })
}

fn context(variables: Variables) -> Value {
    Value::context(variables.into_iter().map(|(name, variable)| (name, variable.to_value().unwrap_or_default())).collect())
}

fn names(variables: &Variables) -> Value {
    Value::list(variables.keys().map(|name| Value::from(name.as_str())).collect())
}

/// Camunda's `DelegateExecution`, as far as it is known here.
fn execution(at: &At<'_>) -> Json {
    json!({
        "id": public(at, at.activity.0),
        "processInstanceId": at.instance.id.to_string(),
        "processBusinessKey": at.instance.business_key,
        "businessKey": at.instance.business_key,
        "tenantId": at.instance.tenant,
        "currentActivityId": &*at.element().id,
        "currentActivityName": at.element().name,
        "activityInstanceId": public(at, at.activity.0),
        "parentActivityInstanceId": at.instance.at(at.activity).parent.map(|parent| public(at, parent.0)),
        "processDefinitionId": at.definition.id,
        "processInstance": {
            "id": at.instance.id.to_string(),
            "processInstanceId": at.instance.id.to_string(),
            "processDefinitionId": at.definition.id,
            "processBusinessKey": at.instance.business_key,
            "businessKey": at.instance.business_key,
            "tenantId": at.instance.tenant,
        },
        "eventName": at.event.map(ListenerEvent::as_str),
    })
}

/// Camunda's `DelegateTask`: the user task that waits here.
fn task(at: &At<'_>) -> Option<Json> {
    // Listeners and forms are attached to the task's element; a boundary event is not.
    let task = at.waits().find_map(|wait| at.instance.tasks.get(&wait)).filter(|task| task.element == at.index)?;
    let element = at.definition.element(task.element);
    let date = |moment: Option<i64>| moment.and_then(date_text);
    let documentation = if let ElementKind::UserTask(task) = &element.kind { task.documentation.as_ref() } else { None };
    Some(json!({
        "id": public(at, task.wait.0),
        "name": task.name.as_ref().or(element.name.as_ref()),
        "description": task.description.as_ref().or(documentation),
        "assignee": task.assignee,
        "owner": task.owner,
        "priority": task.priority,
        "dueDate": date(task.due),
        "followUpDate": date(task.follow_up),
        "createTime": date(Some(task.since)),
        "taskDefinitionKey": &*element.id,
        "executionId": public(at, task.activity.0),
        "processInstanceId": at.instance.id.to_string(),
        "processDefinitionId": at.definition.id,
        "eventName": at.event.map(ListenerEvent::as_str),
        "tenantId": at.instance.tenant,
    }))
}

/// Camunda's `ExternalTask`: the one that waits here, or that a delegate does in place of a worker. Who has it locked is not known here.
fn external_task(at: &At<'_>) -> Option<Json> {
    let ElementKind::ServiceTask(ServiceTask { implementation: Implementation::Topic(topic), .. }) = &at.element().kind else {
        return None;
    };
    let task = at.waits().find_map(|wait| at.instance.external_tasks.get(&wait));
    Some(json!({
        "id": task.map(|task| public(at, task.wait.0)),
        "activityId": &*at.element().id,
        "processInstanceId": at.instance.id.to_string(),
        "processDefinitionId": at.definition.id,
        "processDefinitionKey": &*at.definition.key,
        "businessKey": at.instance.business_key,
        "tenantId": at.instance.tenant,
        "topicName": task.map_or(topic, |task| &task.topic),
        "priority": task.map(|task| task.priority),
        "retries": task.and_then(|task| task.retries),
        "errorMessage": task.and_then(|task| task.failure.as_ref()),
        "errorDetails": at.error_details,
    }))
}

fn public(at: &At<'_>, number: u64) -> String {
    PublicId { instance: at.instance.id, number }.to_string()
}

impl At<'_> {
    /// What the activity waits for.
    pub(crate) fn waits(&self) -> impl Iterator<Item = WaitId> {
        self.instance.index.waits.get(&self.activity).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn execution_and_task_know_their_variables_and_the_occasion() {
        let given = |name: &str, expression: &str| format!("<camunda:inputParameter name='{name}'>{expression}</camunda:inputParameter>");
        let has = "${execution.hasVariable('n')} ${execution.hasVariableLocal('n')} ${execution.hasVariable('none')} ${execution.hasVariablesLocal()}";
        let inputs = [
            given("own", "${1}"),
            given("has", has),
            given("local", "${execution.getVariableLocal('own')} ${execution.getVariableLocal('n') == null}"),
            given("all", "${execution.variableNames}"),
            given("some", "${execution.getVariablesLocal()}"),
            given("sum", "${execution.variables.n + execution.getVariables().own}"),
            given("of", "${execution.processInstance.businessKey} ${execution.processDefinitionId == null}"),
            given("when", "${execution.eventName == null}"),
        ];
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput>{}</camunda:inputOutput>\
                 <camunda:executionListener event='end' class='Log'><camunda:field name='on' expression='${{execution.eventName}}'/>\
                 </camunda:executionListener><camunda:taskListener event='complete' class='Tell'>\
                 <camunda:field name='on' expression=\"${{task.eventName}} ${{task.hasVariableLocal('own')}} ${{task.hasVariable('own')}}\"/>\
                 </camunda:taskListener></extensionElements></userTask>{{s>u}}",
                inputs.concat()
            ),
            r#"
                start {"n": 2}
                complete u
                return
                return
            "#,
            expect![[r#"
                > start {"n": 2}
                  started at s
                  n = 2
                  + s #2
                  - #2
                  + u #3
                  own = 1 in #3
                  has = "true false false true" in #3
                  local = "1 true" in #3
                  all = ["has","local","n","own"] in #3
                  some = {"all":["has","local","n","own"],"has":"true false false true","local":"1 true","own":1} in #3
                  sum = 3 in #3
                  of = "order-17 true" in #3
                  when = true in #3
                  task u !4 of nobody users [] groups []
                > complete u
                  call complete u !5 attempt 1, 0 left {all: ["has","local","n","own"], has: "true false false true", local: "1 true", n: 2, of: "order-17 true", own: 1, some: {"all":["has","local","n","own"],"has":"true false false true","local":"1 true","own":1}, sum: 3, when: true} on=complete false true
                > return
                  task !4 gone
                  call end u !6 attempt 1, 0 left {all: ["has","local","n","own"], has: "true false false true", local: "1 true", n: 2, of: "order-17 true", own: 1, some: {"all":["has","local","n","own"],"has":"true false false true","local":"1 true","own":1}, sum: 3, when: true} on=end
                > return
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }
}
