//! `/task`.

use serde_json::{Value, json};

use crate::common::{Host, assert_properties, hasty, model_with, review};

const TASK: &[&str] = &[
    "id",
    "name",
    "assignee",
    "owner",
    "created",
    "lastUpdated",
    "due",
    "followUp",
    "delegationState",
    "description",
    "executionId",
    "parentTaskId",
    "priority",
    "processDefinitionId",
    "processInstanceId",
    "caseExecutionId",
    "caseDefinitionId",
    "caseInstanceId",
    "taskDefinitionKey",
    "suspended",
    "formKey",
    "camundaFormRef",
    "tenantId",
    "taskState",
];
const REFUSED: &str = "InvalidRequestException";
const NOBODY: &str = "01936d0e-0000-7000-8000-000000000001.7";

#[tokio::test]
async fn tasks_are_listed_counted_and_read() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let instance = host.start("review", json!({"businessKey": "order-1"})).await;
    host.start("review", json!({"businessKey": "order-2"})).await;

    let task = host.only("/engine-rest/task?processInstanceBusinessKey=order-1&candidateGroup=sales&unassigned=true").await;
    assert_properties(&task, TASK, &[]);
    assert_eq!((&task["processInstanceId"], &task["taskDefinitionKey"]), (&json!(instance), &json!("look")));
    assert_eq!(
        (&task["name"], &task["formKey"], &task["description"]),
        (&json!("Look at it"), &json!("look-form"), &json!("Look closely."))
    );
    let id = task["id"].as_str().expect("an id");
    assert!(id.starts_with(&format!("{instance}.")), "{id}");
    assert_eq!(host.get(&format!("/engine-rest/task/{id}")).await.ok(), task);
    for (filter, expected) in [
        ("", 2),
        ("?candidateGroups=sales,none", 2),
        ("?candidateGroup=none", 0),
        ("?candidateGroupLike=sal%25", 2),
        ("?candidateGroupLike=al%25", 0),
        ("?activityInstanceIdIn=nonsense", 0),
        ("?assigned=true", 0),
        ("?taskDefinitionKey=look&nameLike=Look%25", 2),
        ("?processDefinitionKey=review&processInstanceBusinessKeyIn=order-2,order-3", 1),
        ("?createdBefore=2001-01-01T00:00:00.000%2B0000", 0),
        ("?createdAfter=2001-01-01T00:00:00.000+0000", 2),
        ("?taskId=nonsense", 0),
        ("?withoutDueDate=true&withCandidateGroups=true", 2),
        ("?withTaskVariablesInReturn=false", 2),
        ("?nameNotEqual=Look%20at%20it", 0),
        ("?nameNotEqual=x&nameNotLike=x%25", 2),
        ("?nameNotLike=Look%25", 0),
        ("?taskDefinitionKeyNotIn=a,look", 0),
        ("?taskDefinitionKeyNotIn=a,b&processDefinitionNameLike=Review%25", 2),
        ("?assigneeNotIn=ann", 0),
        ("?createdOn=2001-01-01T00:00:00.000%2B0000", 0),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/task/count{filter}")).await, expected, "{filter}");
    }
    let body = json!({"taskIdIn": [id], "sorting": [{"sortBy": "created", "sortOrder": "asc"}], "processVariables": []});
    assert_eq!(host.post("/engine-rest/task?maxResults=5", body.clone()).await.ok(), json!([task]));
    assert_eq!(host.post("/engine-rest/task/count", json!({"candidateGroups": ["sales"]})).await.ok(), json!({"count": 2}));
    let with_info = host.only(&format!("/engine-rest/task?taskId={id}&withCommentAttachmentInfo=true")).await;
    assert_eq!((&with_info["id"], &with_info["comment"], &with_info["attachment"]), (&json!(id), &json!(false), &json!(false)));

    host.get(&format!("/engine-rest/task/{NOBODY}")).await.error(404, REFUSED);
    host.get("/engine-rest/task/nonsense").await.error(404, REFUSED);
    for filter in ["processVariables=a", "candidateUser=a&candidateGroups=b", "includeAssignedTasks=true", "dueBefore=soon"] {
        host.get(&format!("/engine-rest/task?{filter}")).await.error(400, REFUSED);
    }
    for (alternatives, expected) in [
        (json!([{"name": "x"}]), 0),
        (json!([{"name": "x", "taskDefinitionKey": "look"}]), 2),
        (json!([{"name": "x", "processInstanceBusinessKey": "order-1"}, {"candidateGroup": "sales", "assignee": "ann"}]), 1),
        (json!([{"name": "x", "candidateGroup": "none"}]), 0),
        (json!([{}]), 2),
    ] {
        let found = host.post("/engine-rest/task/count", json!({"orQueries": alternatives})).await.ok();
        assert_eq!(found, json!({"count": expected}), "{alternatives}");
    }
    host.post("/engine-rest/task", json!({"orQueries": [{"orQueries": [{"name": "x"}]}]})).await.error(400, REFUSED);
    // No task is a part of another one.
    for query in [json!({"parentTaskId": id}), json!({"orQueries": [{"parentTaskId": id}]})] {
        assert_eq!(host.post("/engine-rest/task/count", query).await.ok(), json!({"count": 0}));
    }
    assert_eq!(host.count("/engine-rest/history/task/count?taskParentTaskId=x").await, 0);
    host.post("/engine-rest/task", json!({"orQueries": [{"assigneeExpression": "x"}]})).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn a_task_is_claimed_by_one_user_only() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    host.start("review", json!({})).await;
    let id = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{id}");
    host.post(&format!("{path}/claim"), json!({"userId": "ann"})).await.no_content();
    host.post(&format!("{path}/claim"), json!({"userId": "ann"})).await.no_content();
    let message = host.post(&format!("{path}/claim"), json!({"userId": "bob"})).await.error(500, "TaskAlreadyClaimedException");
    assert_eq!(message, format!("Task '{id}' is already claimed by someone else."));
    assert_eq!(host.count("/engine-rest/task/count?assignee=ann").await, 1);
    assert_eq!(host.count("/engine-rest/task/count?assigneeNotIn=bob,eve").await, 1);
    assert_eq!(host.count("/engine-rest/task/count?candidateGroup=sales").await, 0);
    assert_eq!(host.count("/engine-rest/task/count?candidateGroup=sales&includeAssignedTasks=true").await, 1);
    host.post(&format!("{path}/assignee"), json!({"userId": "bob"})).await.no_content();
    assert_eq!(host.get(&path).await.ok()["assignee"], "bob");
    host.raw("POST", &format!("{path}/unclaim"), Vec::new()).await.no_content();
    assert_eq!(host.get(&path).await.ok()["assignee"], json!(null));

    for verb in ["claim", "unclaim", "assignee"] {
        let message =
            host.post(&format!("/engine-rest/task/{NOBODY}/{verb}"), json!({"userId": "ann"})).await.error(500, "NullValueException");
        assert_eq!(message, format!("Cannot find task with id {NOBODY}: task is null"));
    }
    host.post(&format!("{path}/claim"), json!({"userId": 5})).await.error(400, REFUSED);
    host.post(&format!("{path}/claim"), json!({"userId": "x".repeat(300)})).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn a_completed_task_takes_the_process_on() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let instance = host.start("review", json!({"variables": {"a": {"value": 1}}})).await;
    let id = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{id}");
    let variables = host.get(&format!("{path}/variables")).await.ok();
    assert_eq!(variables, json!({"a": {"type": "Integer", "value": 1, "valueInfo": {}}}));
    assert_eq!(host.get(&format!("{path}/variables/a")).await.ok()["value"], 1);
    host.get(&format!("{path}/variables/b")).await.error(404, REFUSED);

    host.post(&format!("{path}/complete"), json!({"variables": {"b": {"value": "x", "type": "File"}}})).await.error(400, REFUSED);
    let body = json!({"variables": {"b": {"value": "x", "type": "string"}}, "withVariablesInReturn": true});
    let after = host.post(&format!("{path}/complete"), body).await.ok();
    assert_eq!((&after["a"]["value"], &after["b"]["type"]), (&json!(1), &json!("String")));
    let history = host.get(&format!("/engine-rest/history/process-instance/{instance}")).await.ok();
    assert_eq!(history["state"], "COMPLETED");

    let message = host.post(&format!("{path}/complete"), json!({})).await.error(500, "RestException");
    assert_eq!(message, format!("Cannot complete task {id}: Cannot find task with id {id}: task is null"));
    host.get(&format!("{path}/variables")).await.error(500, "NullValueException");
    host.close().await;
}

#[tokio::test]
async fn a_unit_that_fails_leaves_the_task_where_it_was() {
    let host = Host::open().await;
    host.deploy("hasty", &hasty()).await;
    host.start("hasty", json!({})).await;
    let id = host.only_id("/engine-rest/task").await;
    let complete = format!("/engine-rest/task/{id}/complete");
    let message = host.post(&complete, json!({})).await.error(500, "RestException");
    assert!(message.starts_with(&format!("Cannot complete task {id}: EXPRESSION_FAILED: ")), "{message}");
    let message = host.post(&complete, json!({"variables": {"good": {"value": false}}})).await.error(500, "RestException");
    assert!(message.starts_with(&format!("Cannot complete task {id}: NO_FLOW_TAKEN: ")), "{message}");
    assert_eq!(host.only_id("/engine-rest/task").await, id);
    host.post(&complete, json!({"variables": {"good": {"value": true}}})).await.no_content();
    host.close().await;
}

const ANSWERED: &str = "<bpmn:error id='err' errorCode='E'/><bpmn:escalation id='esc' escalationCode='LATE'/>";

/// A task that may be answered with an error or an escalation, neither of which ends the instance: `answered`.
fn answered() -> String {
    let caught = |id: &str, attributes: &str, definition: &str| {
        format!(
            "<bpmn:boundaryEvent id='{id}' attachedToRef='task' {attributes}>{definition}</bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='{id}-f' sourceRef='{id}' targetRef='{id}-task'/><bpmn:userTask id='{id}-task'/>"
        )
    };
    model_with(
        ANSWERED,
        &format!(
            "<bpmn:process id='answered' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='task'/>\
             <bpmn:userTask id='task'/>{}{}</bpmn:process>",
            caught("error", "", "<bpmn:errorEventDefinition errorRef='err' camunda:errorMessageVariable='text'/>"),
            caught("late", "cancelActivity='false'", "<bpmn:escalationEventDefinition escalationRef='esc'/>"),
        ),
    )
}

#[tokio::test]
async fn a_task_is_answered_with_an_error_or_an_escalation_that_is_caught() {
    let host = Host::open().await;
    host.deploy("answered", &answered()).await;
    let instance = host.start("answered", json!({})).await;
    let task = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{task}");
    let message = host.post(&format!("{path}/bpmnEscalation"), json!({"escalationCode": "NO"})).await.error(500, "ProcessEngineException");
    assert_eq!(message, "Nothing catches the escalation 'NO' of the task");
    let late = json!({"escalationCode": "LATE", "variables": {"why": {"value": "ill"}}});
    host.post(&format!("{path}/bpmnEscalation"), late).await.no_content();
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKeyIn=task,late-task").await, 2, "the task is still there");

    host.post(&format!("{path}/bpmnError"), json!({"errorCode": "OTHER"})).await.error(500, "ProcessEngineException");
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=task").await, 1, "what nothing catches changes nothing");
    for body in [json!({}), json!({"errorCode": ""}), json!({"errorCode": "E", "wrong": 1})] {
        host.post(&format!("{path}/bpmnError"), body).await.error(400, REFUSED);
    }
    let error = json!({"errorCode": "E", "errorMessage": "sold out", "variables": {"line": {"value": 3}}});
    host.post(&format!("{path}/bpmnError"), error.clone()).await.no_content();
    let message = host.post(&format!("{path}/bpmnError"), error).await.error(404, "RestException");
    assert!(message.ends_with("task is null"), "{message}");
    host.post(&format!("{path}/bpmnEscalation"), json!({"escalationCode": "LATE"})).await.error(404, "RestException");
    let message = host.put(&path, json!({"name": "new"})).await.error(404, REFUSED);
    assert_eq!(message, format!("No matching task with id {task}"));
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKeyIn=task,error-task").await, 1);
    let variables = host.get(&format!("/engine-rest/process-instance/{instance}/variables")).await.ok();
    let values = ["why", "text", "line"].map(|name| variables[name]["value"].clone());
    assert_eq!(values, [json!("ill"), json!("sold out"), json!(3)]);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_task_is_delegated_resolved_and_changed_by_hand() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    host.start("review", json!({})).await;
    let id = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{id}");
    host.post(&format!("{path}/claim"), json!({"userId": "ann"})).await.no_content();
    host.post(&format!("{path}/delegate"), json!({"userId": "bob"})).await.no_content();
    let state = async || {
        let task = host.get(&path).await.ok();
        ["assignee", "owner", "delegationState"].map(|name| task[name].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(state().await, ["bob", "ann", "PENDING"]);
    for filter in ["owner=ann", "delegationState=PENDING", "involvedUser=ann", "involvedUser=bob"] {
        assert_eq!(host.count(&format!("/engine-rest/task/count?{filter}")).await, 1, "{filter}");
    }
    assert_eq!(host.count("/engine-rest/task/count?involvedUser=eve").await, 0);
    host.post(&format!("{path}/resolve"), json!({"variables": {"ok": {"value": true}}})).await.no_content();
    assert_eq!(state().await, ["ann", "ann", "RESOLVED"]);
    assert_eq!(host.get(&format!("{path}/variables/ok")).await.ok()["value"], true);

    let links = |kinds: &[(&str, &str)]| -> Value {
        kinds.iter().map(|(kind, user)| json!({"type": kind, "userId": user, "groupId": null})).collect()
    };
    host.post(&format!("{path}/identity-links"), json!({"userId": "eve", "type": "candidate"})).await.no_content();
    host.post(&format!("{path}/identity-links"), json!({"groupId": "audit", "type": "candidate"})).await.no_content();
    host.post(&format!("{path}/identity-links/delete"), json!({"groupId": "sales", "type": "candidate"})).await.no_content();
    let mut expected = links(&[("assignee", "ann"), ("owner", "ann"), ("candidate", "eve")]);
    for group in ["support", "audit"] {
        expected.as_array_mut().expect("a list").push(json!({"type": "candidate", "userId": null, "groupId": group}));
    }
    assert_eq!(host.get(&format!("{path}/identity-links")).await.ok(), expected);
    assert_eq!(host.get(&format!("{path}/identity-links?type=owner")).await.ok(), links(&[("owner", "ann")]));
    for (group, found) in [("sales", 0), ("audit", 1)] {
        let filter = format!("candidateGroup={group}&includeAssignedTasks=true");
        assert_eq!(host.count(&format!("/engine-rest/task/count?{filter}")).await, found, "{group}");
    }
    host.post(&format!("{path}/identity-links"), json!({"userId": "eve", "groupId": "x", "type": "candidate"})).await.error(400, REFUSED);
    let message = host.post(&format!("{path}/identity-links"), json!({"userId": "eve", "type": "watcher"})).await.error(400, REFUSED);
    assert!(message.contains("watcher"), "{message}");

    // What a client was given it may send back, changed.
    let mut task = host.get(&path).await.ok();
    (task["name"], task["priority"], task["description"]) = (json!("Look twice"), json!(80), json!(null));
    (task["due"], task["followUp"], task["owner"]) = (json!("2030-01-31T12:00:00.000+0000"), json!(null), json!(null));
    host.put(&path, task.clone()).await.no_content();
    let changed = host.get(&path).await.ok();
    task["lastUpdated"] = changed["lastUpdated"].clone();
    assert_eq!(changed, task);
    let historic = host.only(&format!("/engine-rest/history/task?taskId={id}")).await;
    let changed = ["name", "priority", "description", "due", "owner"];
    assert_eq!(changed.map(|name| historic[name].clone()), changed.map(|name| task[name].clone()));
    host.put(&path, json!({"parentTaskId": "x"})).await.error(400, REFUSED);
    host.put(&path, json!({"delegationState": "LOST"})).await.error(400, REFUSED);
    host.put(&path, json!({"description": "x".repeat(4_001)})).await.error(400, REFUSED);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_tasks_own_variables_are_apart_from_those_that_it_sees() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let instance = host.start("review", json!({"variables": {"a": {"value": 1}}})).await;
    let path = format!("/engine-rest/task/{}", host.only_id("/engine-rest/task").await);
    host.put(&format!("{path}/localVariables/own"), json!({"value": "x"})).await.no_content();
    let changes = json!({"modifications": {"a": {"value": 2}, "own": {"value": "y"}, "new": {"value": true}}, "deletions": ["none"]});
    host.post(&format!("{path}/variables"), changes).await.no_content();
    let values = async |path: &str| {
        let all = host.get(path).await.ok();
        all.as_object().expect("an object").iter().map(|(name, it)| format!("{name}={}", it["value"])).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(values(&format!("{path}/localVariables")).await, "own=\"y\"");
    assert_eq!(values(&format!("{path}/variables")).await, "a=2 new=true own=\"y\"");
    assert_eq!(values(&format!("{path}/form-variables?variableNames=a,own")).await, "a=2 own=\"y\"");
    assert_eq!(values(&format!("/engine-rest/process-instance/{instance}/variables")).await, "a=2 new=true");
    // A task is a scope of its own, inside of its activity.
    let execution = host.only("/engine-rest/task").await["executionId"].as_str().expect("an id").to_owned();
    host.put(&format!("/engine-rest/execution/{execution}/localVariables/given"), json!({"value": 1})).await.no_content();
    assert_eq!(values(&format!("/engine-rest/execution/{execution}/localVariables")).await, "given=1");
    assert_eq!(values(&format!("{path}/localVariables")).await, "own=\"y\"");
    let shown = host.only("/engine-rest/variable-instance?variableName=own").await;
    let task = path.rsplit('/').next().expect("an id");
    assert_eq!((&shown["taskId"], &shown["executionId"]), (&json!(task), &json!(execution)));
    assert_eq!(host.count(&format!("/engine-rest/variable-instance/count?taskIdIn={task}")).await, 1);
    assert_eq!(host.count(&format!("/engine-rest/variable-instance/count?executionIdIn={execution}")).await, 2);
    let remembered = host.only("/engine-rest/history/variable-instance?variableName=own").await;
    assert_eq!((&remembered["taskId"], &remembered["activityInstanceId"]), (&json!(task), &json!(execution)));
    assert_eq!(host.only(&format!("/engine-rest/history/variable-instance?taskIdIn={task}")).await, remembered);
    host.delete(&format!("{path}/variables/a")).await.no_content();
    host.get(&format!("{path}/variables/a")).await.error(404, REFUSED);
    host.get(&format!("{path}/localVariables/new")).await.error(404, REFUSED);
    host.get(&format!("{path}/variables/new/data")).await.error(400, REFUSED);
    for (filter, found) in
        [("taskVariables=OWN_eq_Y&variableNamesIgnoreCase=true&variableValuesIgnoreCase=true", 1), ("taskVariables=own_eq_Y", 0)]
    {
        assert_eq!(host.count(&format!("/engine-rest/task/count?{filter}")).await, found, "{filter}");
    }
    for (filter, found) in [("taskVariables=own_eq_y", 1), ("taskVariables=new_eq_y", 0), ("processVariables=own_eq_y", 0)] {
        assert_eq!(host.count(&format!("/engine-rest/task/count?{filter}")).await, found, "{filter}");
    }
    let body = json!({"processVariables": [{"name": "new", "operator": "eq", "value": true}]});
    assert_eq!(host.post("/engine-rest/task/count", body).await.ok(), json!({"count": 1}));
    host.put(&format!("/engine-rest/task/{NOBODY}/localVariables/own"), json!({"value": 1})).await.error(500, "RestException");
    // What comes with it is the process's, whatever the task has of that name.
    let entered = json!({"variables": {"done": {"value": true}, "own": {"value": "z"}}});
    host.post(&format!("{path}/submit-form"), entered).await.no_content();
    assert_eq!(host.count("/engine-rest/task/count").await, 0);
    assert_eq!(host.count(&format!("/engine-rest/history/variable-instance/count?variableName=own&processInstanceId={instance}")).await, 2);
    assert_eq!(host.count("/engine-rest/variable-instance/count?variableName=own").await, 0);
    host.close().await;
}
