//! Filters and sorts of lists, over the real host on both databases.

use serde_json::{Value, json};

use crate::common::{Host, delayed, large, model_with, on_both, review};

on_both! {
    tasks_are_found_by_their_dates_and_shown_with_variables
    variables_that_are_too_many_for_one_answer_are_refused
    lists_of_variables_end_where_they_are_too_large
    history_has_alternatives_and_reasons
    definitions_are_found_by_their_deployment_and_incidents
    definitions_are_found_by_who_is_to_start_them
    jobs_and_instances_with_them_are_found
    what_no_list_can_answer_is_refused_by_name
    more_than_a_statement_takes_is_refused
}

const REFUSED: &str = "InvalidRequestException";
const LONG_AGO: &str = "2001-01-01T00:00:00.000%2B0000";

/// What a list has under a name, in its order.
async fn column(host: &Host, path: &str, name: &str) -> Vec<Value> {
    let list = host.get(&format!("/engine-rest/{path}")).await.ok();
    list.as_array().expect("a list").iter().map(|row| row[name].clone()).collect()
}

fn dated() -> String {
    let task = |id: &str, name: &str, due: &str| {
        format!(
            "<bpmn:userTask id='{id}' name='{name}' camunda:dueDate='{due}' camunda:followUpDate='2030-01-01T00:00:00Z'/>\
             <bpmn:sequenceFlow id='f{id}' sourceRef='s' targetRef='{id}'/>"
        )
    };
    let tasks = task("a", "beta", "2030-02-01T00:00:00Z") + &task("b", "Alpha", "2030-03-01T00:00:00Z");
    model_with("", &format!("<bpmn:process id='dated' isExecutable='true'><bpmn:startEvent id='s'/>{tasks}</bpmn:process>"))
}

async fn tasks_are_found_by_their_dates_and_shown_with_variables(host: Host) {
    host.deploy("dated", &dated()).await;
    host.start("dated", json!({"variables": {"order": {"value": 7}}})).await;
    let first = host.only("/engine-rest/task?taskDefinitionKey=a").await;
    let (id, execution) = (first["id"].as_str().expect("an id"), first["executionId"].as_str().expect("an id"));
    host.counts(
        "task",
        &[
            ("dueDate=2030-02-01T00:00:00.000%2B0000", 1),
            ("dueDate=2030-02-01T00:00:00.001%2B0000", 0),
            ("followUpDate=2030-01-01T00:00:00.000%2B0000", 2),
            (&format!("executionId={execution}"), 1),
            ("executionId=nonsense", 0),
        ],
    )
    .await;
    let names = column(&host, "task?sortBy=nameCaseInsensitive&sortOrder=asc", "name").await;
    assert_eq!(names, ["Alpha", "beta"]);

    host.put(&format!("/engine-rest/task/{id}/localVariables/mine"), json!({"value": true})).await.no_content();
    let with = async |switch: &str| host.only(&format!("/engine-rest/task?taskId={id}&{switch}=true")).await["variables"].clone();
    let visible = with("withTaskVariablesInReturn").await;
    assert_eq!((&visible["order"]["value"], &visible["mine"]["value"]), (&json!(7), &json!(true)));
    assert_eq!(with("withTaskLocalVariablesInReturn").await, json!({"mine": {"type": "Boolean", "value": true, "valueInfo": {}}}));
    assert_eq!(with("withCommentAttachmentInfo").await, json!(null));
    host.get("/engine-rest/task?withTaskVariablesInReturn=true&maxResults=2001").await.error(400, REFUSED);
}

/// Each of twenty tasks sees most of a mebibyte.
async fn variables_that_are_too_many_for_one_answer_are_refused(host: Host) {
    let model = model_with(
        "",
        "<bpmn:process id='many' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='each'/>\
         <bpmn:userTask id='each'><bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>20</bpmn:loopCardinality>\
         </bpmn:multiInstanceLoopCharacteristics></bpmn:userTask></bpmn:process>",
    );
    host.deploy("many", &model).await;
    host.start("many", json!({ "variables": large() })).await;
    host.get("/engine-rest/task?withTaskVariablesInReturn=true").await.error(400, REFUSED);
    host.get("/engine-rest/task?withTaskVariablesInReturn=true&maxResults=10").await.ok();
}

async fn lists_of_variables_end_where_they_are_too_large(host: Host) {
    host.deploy("reviews", &review()).await;
    for _ in 0..20 {
        host.start("review", json!({ "variables": large() })).await;
    }
    for list in ["/engine-rest/variable-instance", "/engine-rest/history/variable-instance"] {
        let message = host.get(list).await.error(400, REFUSED);
        assert_eq!(message, "more than 279 of these rows are too much for one answer; ask for fewer with maxResults");
        host.post(list, json!({"variableNameLike": "large%"})).await.error(400, REFUSED);
        assert_eq!(host.get(&format!("{list}?maxResults=279")).await.ok().as_array().map(Vec::len), Some(279));
        assert_eq!(host.get(&format!("{list}?firstResult=279")).await.ok().as_array().map(Vec::len), Some(21));
        assert_eq!(host.count(&format!("{list}/count")).await, 300);
        assert_eq!(host.get(&format!("{list}?variableName=large7")).await.ok().as_array().map(Vec::len), Some(20));
    }
    host.close().await;
}

async fn history_has_alternatives_and_reasons(host: Host) {
    host.deploy("reviews", &review()).await;
    let [done, gone, open] = [
        host.start("review", json!({"businessKey": "done"})).await,
        host.start("review", json!({"businessKey": "gone"})).await,
        host.start("review", json!({"businessKey": "open"})).await,
    ];
    let task = host.only_id(&format!("/engine-rest/task?processInstanceId={done}")).await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    host.delete(&format!("/engine-rest/process-instance/{gone}")).await.no_content();
    host.counts(
        "history/task",
        &[
            ("taskDeleteReason=completed", 1),
            ("taskDeleteReason=deleted", 1),
            ("taskDeleteReason=other", 0),
            ("taskDeleteReasonLike=%25leted", 2),
        ],
    )
    .await;
    let reasons = column(&host, "history/task?sortBy=deleteReason&sortOrder=asc", "deleteReason").await;
    assert_eq!(reasons, [json!("completed"), json!("deleted"), json!(null)]);

    let definition = host.only_id("/engine-rest/process-definition").await;
    for (list, either, expected) in [
        ("process-instance", json!({"processInstanceBusinessKey": "done", "unfinished": true}), 2),
        ("process-instance", json!({"processDefinitionId": "review:9:none", "externallyTerminated": true}), 1),
        ("process-instance", json!({"processDefinitionId": definition}), 3),
        ("process-instance", json!({"activityIdIn": ["look"], "processInstanceBusinessKeyLike": "g%"}), 2),
        ("task", json!({"processInstanceBusinessKey": "open", "taskDeleteReason": "deleted"}), 2),
        ("task", json!({"taskName": "nothing"}), 0),
    ] {
        let count = format!("/engine-rest/history/{list}/count");
        assert_eq!(host.post(&count, json!({"orQueries": [either.clone()]})).await.ok()["count"], expected, "{list} {either}");
        let both = json!({"processInstanceId": open, "orQueries": [either.clone(), {"processInstanceId": done}]});
        assert_eq!(host.post(&count, both).await.ok()["count"], 0, "{list} {either}");
    }
    host.counts("history/process-instance", &[("activityIdIn=look", 1), ("activityIdIn=look&finished=true", 0)]).await;
}

async fn definitions_are_found_by_their_deployment_and_incidents(host: Host) {
    let deployment = host.deploy("delayed", &delayed()).await;
    host.deploy("reviews", &review()).await;
    let at = deployment["deploymentTime"].as_str().expect("a date").replace('+', "%2B");
    host.start("delayed", json!({})).await;
    let job = host.only_id("/engine-rest/job").await;
    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 0})).await.no_content();
    let incident = host.only("/engine-rest/incident?sortBy=rootCauseIncidentId&sortOrder=asc").await;
    let id = incident["id"].as_str().expect("an id");
    host.counts(
        "process-definition",
        &[
            (&format!("deployedAfter={LONG_AGO}"), 2),
            (&format!("deployedAt={at}&key=delayed"), 1),
            (&format!("deployedAt={LONG_AGO}"), 0),
            ("resourceNameLike=%25.bpmn", 2),
            ("withoutVersionTag=true", 1),
            ("startablePermissionCheck=true", 2),
            (&format!("incidentId={id}"), 1),
            ("incidentType=failedJob", 1),
            ("incidentType=failedExternalTask", 0),
            ("incidentMessageLike=%25", 1),
            ("incidentMessage=nothing", 0),
        ],
    )
    .await;
    let keys = column(&host, "process-definition?sortBy=deployTime&sortOrder=desc", "key").await;
    assert_eq!(keys.last(), Some(&json!("delayed")));
    let history = host.only(&format!("/engine-rest/history/incident?rootCauseIncidentId={id}&sortBy=incidentState&sortOrder=asc")).await;
    assert_eq!((&history["id"], &history["open"]), (&json!(id), &json!(true)));
    host.counts("history/incident", &[(&format!("causeIncidentId={id}"), 1), ("causeIncidentId=nonsense", 0)]).await;
    host.counts("incident", &[(&format!("causeIncidentId={id}"), 1), (&format!("rootCauseIncidentId={id}"), 1)]).await;
}

/// What a model says of its process besides: who is to start it, where, and of which category it is.
async fn definitions_are_found_by_who_is_to_start_them(host: Host) {
    let process = |id: &str, attributes: &str| {
        model_with("", &format!("<bpmn:process id='{id}' isExecutable='true' {attributes}><bpmn:startEvent id='s'/></bpmn:process>"))
    };
    host.deploy("one", &process("one", "camunda:candidateStarterUsers='ann, bob' camunda:isStartableInTasklist='false'")).await;
    host.deploy("two", &process("two", "").replace("targetNamespace='t'", "targetNamespace='urn:b_ills'")).await;
    let filters = [
        ("startableBy=bob", 1),
        ("startableBy=bo", 0),
        ("startableBy=ann,bob", 0),
        ("startableBy=", 0),
        ("startableInTasklist=true", 1),
        ("notStartableInTasklist=true&key=one", 1),
        ("category=t", 1),
        ("categoryLike=urn:b%5C_%25", 1),
        ("category=T", 0),
    ];
    host.counts("process-definition", &filters).await;
    let listed = host.get("/engine-rest/process-definition?sortBy=category&sortOrder=desc").await.ok();
    assert_eq!((&listed[0]["category"], &listed[0]["startableInTasklist"]), (&json!("urn:b_ills"), &json!(true)));
    assert_eq!((&listed[1]["category"], &listed[1]["startableInTasklist"]), (&json!("t"), &json!(false)));
    host.get("/engine-rest/process-definition?startableInTasklist=true&notStartableInTasklist=true").await.error(400, REFUSED);
    host.get("/engine-rest/process-definition/key/one").await.ok();
    host.close().await;
}

async fn jobs_and_instances_with_them_are_found(host: Host) {
    host.deploy("delayed", &delayed()).await;
    host.start("delayed", json!({})).await;
    let job = host.only("/engine-rest/job").await;
    let execution = job["executionId"].as_str().expect("an id");
    host.counts("job", &[(&format!("executionId={execution}"), 1), ("executionId=nonsense", 0), ("acquired=true", 0)]).await;
    host.counts("history/process-instance", &[("withJobsRetrying=true", 0)]).await;
    host.counts("process-instance", &[("processDefinitionWithoutTenantId=true", 1)]).await;
    let path = format!("/engine-rest/job/{}", job["id"].as_str().expect("an id"));
    host.put(&format!("{path}/retries"), json!({"retries": 5})).await.no_content();
    host.post(&format!("{path}/execute"), json!({})).await.error(500, "RestException");
    host.counts("history/process-instance", &[("withJobsRetrying=true", 1), ("withJobsRetrying=true&finished=true", 0)]).await;
}

async fn what_no_list_can_answer_is_refused_by_name(host: Host) {
    for (list, filter) in [
        ("task", "assigneeExpression=x"),
        ("history/process-instance", "executedJobAfter=2030-01-01T00:00:00.000%2B0000"),
        ("task", "caseInstanceId=x"),
        ("history/detail", "formFields=true"),
    ] {
        let name = filter.split('=').next().expect("a name");
        let refused = host.get(&format!("/engine-rest/{list}?{filter}")).await.error(400, REFUSED);
        assert!(refused.contains(&format!("'{name}'")), "{refused}");
    }
    let variables = json!({"processVariables": [{"name": "A", "operator": "eq", "value": 1}], "variableNamesIgnoreCase": true});
    assert_eq!(host.post("/engine-rest/external-task/count", variables).await.ok()["count"], 0);
}

async fn more_than_a_statement_takes_is_refused(host: Host) {
    let conditions = |count: usize| Value::from(vec![json!({"name": "a", "operator": "eq", "value": 1}); count]);
    for (list, field) in [
        ("process-instance", "variables"),
        ("task", "taskVariables"),
        ("external-task", "processVariables"),
        ("history/process-instance", "variables"),
        ("history/task", "processVariables"),
    ] {
        let path = format!("/engine-rest/{list}/count");
        assert_eq!(host.post(&path, json!({field: conditions(100)})).await.ok()["count"], 0, "{list}");
        host.post(&path, json!({field: conditions(1_000)})).await.error(400, REFUSED);
    }
    let count = "/engine-rest/history/process-instance/count";
    let either = |count: usize| Value::from(vec![json!({"variables": conditions(100)}); count]);
    assert_eq!(host.post(count, json!({"orQueries": either(40)})).await.ok()["count"], 0);
    host.post(count, json!({"orQueries": either(41)})).await.error(400, REFUSED);
    let sorts = |count: usize| json!({"sorting": vec![json!({"sortBy": "instanceId", "sortOrder": "asc"}); count]});
    host.post("/engine-rest/history/process-instance", sorts(40)).await.ok();
    host.post("/engine-rest/history/process-instance", sorts(2_000)).await.error(400, REFUSED);
}
