//! How user tasks are found and sorted, open ones and those of history, over the real host on both databases.

use serde_json::{Value, json};

use crate::common::{Host, model, on_both, review};

on_both! {
    names_are_the_same_in_any_case
    candidates_are_asked_for_as_task_lists_do
    tasks_are_sorted_by_variables
    a_text_that_no_database_takes_keeps_no_list_from_being_sorted
    history_knows_who_ever_had_to_do_with_a_task
    a_count_takes_the_query_of_its_list
}

const REFUSED: &str = "InvalidRequestException";

async fn names_are_the_same_in_any_case(host: Host) {
    host.deploy("reviews", &review()).await;
    host.start("review", json!({})).await;
    let names = [
        ("name=LOOK+AT+IT", 1),
        ("name=look", 0),
        ("nameLike=l%25AT+it", 1),
        ("nameNotEqual=look+at+IT", 0),
        ("nameNotEqual=look", 1),
        ("nameNotLike=LOOK%25", 0),
        ("description=look+CLOSELY.", 1),
        ("descriptionLike=%25closelY%25", 1),
    ];
    host.counts("task", &names).await;
    let remembered = [
        ("taskName=LOOK+AT+IT", 1),
        ("taskNameLike=l%25AT+it", 1),
        ("taskDescription=look+CLOSELY.", 1),
        ("taskDescriptionLike=LOOK%25", 1),
    ];
    host.counts("history/task", &remembered).await;
    // What is no text that people read is what it is.
    host.counts("task", &[("taskDefinitionKey=LOOK", 0), ("taskDefinitionKeyLike=LO%25", 0), ("candidateGroup=SALES", 0)]).await;
    host.counts("process-definition", &[("nameLike=review+AN%25", 1), ("name=review+an+order", 0), ("name=Review+an+order", 1)]).await;
}

/// Three tasks: of a group, of a user, of nobody.
fn offered() -> String {
    let task = |id: &str, attributes: &str| {
        format!("<bpmn:userTask id='{id}' {attributes}/><bpmn:sequenceFlow id='f{id}' sourceRef='s' targetRef='{id}'/>")
    };
    let tasks = task("sold", "camunda:candidateGroups='sales'") + &task("asked", "camunda:candidateUsers='ann'") + &task("free", "");
    model(&format!("<bpmn:process id='offered' isExecutable='true'><bpmn:startEvent id='s'/>{tasks}</bpmn:process>"))
}

async fn candidates_are_asked_for_as_task_lists_do(host: Host) {
    host.deploy("offered", &offered()).await;
    host.start("offered", json!({})).await;
    let id = host.only_id("/engine-rest/task?taskDefinitionKey=sold").await;
    let open = [
        ("withCandidateGroups=true", 1),
        ("withoutCandidateGroups=true", 2),
        ("withCandidateUsers=true", 1),
        ("withoutCandidateUsers=true&withoutCandidateGroups=true", 1),
    ];
    host.counts("task", &open).await;
    host.post(&format!("/engine-rest/task/{id}/claim"), json!({"userId": "bob"})).await.no_content();
    // As in Camunda whoever asks for candidates asks for what can be claimed.
    let claimed = [
        ("withCandidateGroups=true", 0),
        ("withCandidateGroups=true&includeAssignedTasks=true", 1),
        ("withoutCandidateUsers=true", 1),
        ("withoutCandidateUsers=true&includeAssignedTasks=true", 2),
        ("candidateGroup=sales&candidateGroups=sales,support&includeAssignedTasks=true", 1),
        ("candidateGroup=sales&candidateGroups=support&includeAssignedTasks=true", 0),
    ];
    host.counts("task", &claimed).await;
    host.get("/engine-rest/task?includeAssignedTasks=true").await.error(400, REFUSED);
    host.get("/engine-rest/task?candidateUser=ann&candidateGroups=sales").await.error(400, REFUSED);
    // Mine, or my groups'.
    for (either, expected) in [
        (json!({"candidateUser": "ann", "candidateGroups": ["sales"]}), 1),
        (json!({"candidateUser": "ann", "candidateGroup": "sales", "candidateGroups": ["support"], "includeAssignedTasks": true}), 2),
        (json!({"candidateUser": "ann", "assignee": "bob"}), 2),
    ] {
        let found = host.post("/engine-rest/task/count", json!({"orQueries": [either.clone()]})).await.ok();
        assert_eq!(found["count"], expected, "{either}");
    }
}

async fn tasks_are_sorted_by_variables(host: Host) {
    host.deploy("reviews", &review()).await;
    for (key, variables) in [
        (
            "b",
            json!({"s": {"value": "beta"}, "n": {"value": 10}, "l": {"value": 9, "type": "Long"}, "d": {"value": 1.5}, "b": {"value": true},
                     "t": {"value": "2026-01-02T00:00:00.000+0000", "type": "Date"}}),
        ),
        (
            "a",
            json!({"s": {"value": "Alpha"}, "n": {"value": 9}, "l": {"value": 10, "type": "Long"}, "d": {"value": -2.5}, "b": {"value": false},
                     "t": {"value": "2026-01-02T02:00:00.000+0300", "type": "Date"}}),
        ),
        ("none", json!({"n": {"value": "text"}, "l": {"value": null, "type": "Long"}})),
    ] {
        host.start("review", json!({"businessKey": key, "variables": variables})).await;
    }
    let mut keys = std::collections::BTreeMap::new();
    for instance in host.get("/engine-rest/process-instance").await.ok().as_array().expect("a list") {
        keys.insert(instance["id"].to_string(), instance["businessKey"].as_str().expect("a key").to_owned());
    }
    let sorted = async |by: &str, order: &str, parameters: Value| {
        let sorting = json!([{"sortBy": by, "sortOrder": order, "parameters": parameters}, {"sortBy": "instanceId", "sortOrder": "asc"}]);
        let list = host.post("/engine-rest/task", json!({ "sorting": sorting })).await.ok();
        let key = |task: &Value| keys[&task["processInstanceId"].to_string()].clone();
        list.as_array().expect("a list").iter().map(key).collect::<Vec<_>>().join(" ")
    };
    for (name, kind, ascending) in [
        ("s", "String", "a b none"),
        ("n", "integer", "a b none"),
        ("l", "Long", "b a none"),
        ("d", "Double", "a b none"),
        ("b", "Boolean", "a b none"),
        ("t", "Date", "a b none"),
    ] {
        let parameters = json!({"variable": name, "type": kind});
        assert_eq!(sorted("processVariable", "asc", parameters.clone()).await, ascending, "{name}");
        let descending = ascending.split(' ').rev().collect::<Vec<_>>().join(" ");
        assert_eq!(sorted("processVariable", "desc", parameters).await, descending, "{name}");
    }
    // What the process has is not the task's own.
    let first = host.only("/engine-rest/task?processInstanceBusinessKey=none").await;
    let (id, execution) = (first["id"].as_str().expect("an id"), first["executionId"].as_str().expect("an id"));
    host.put(&format!("/engine-rest/task/{id}/localVariables/mine"), json!({"value": 1})).await.no_content();
    host.put(&format!("/engine-rest/execution/{execution}/localVariables/here"), json!({"value": 1})).await.no_content();
    for (by, name) in [("taskVariable", "mine"), ("executionVariable", "here")] {
        let parameters = json!({"variable": name, "type": "Integer"});
        assert!(sorted(by, "asc", parameters).await.starts_with("none"), "{by}");
    }
    // To ask for variables of the process is to ask for those of all its scopes, but for tasks.
    let found = async |list: &str, name: &str| {
        let body = json!({"processVariables": [{"name": name, "operator": "eq", "value": 1}]});
        host.post(&format!("/engine-rest/{list}/count"), body).await.ok()["count"].clone()
    };
    for list in ["task", "history/task"] {
        assert_eq!((found(list, "here").await, found(list, "mine").await), (json!(1), json!(0)), "{list}");
    }
    host.post(&format!("/engine-rest/task/{id}/complete"), json!({})).await.no_content();
    assert_eq!((found("task", "here").await, found("history/task", "here").await), (json!(0), json!(1)));
    for (by, parameters) in [
        ("processVariable", json!(null)),
        ("processVariable", json!({"variable": "n"})),
        ("processVariable", json!({"variable": "n", "type": "Json"})),
        ("caseInstanceVariable", json!({"variable": "n", "type": "Integer"})),
        ("name", json!({"variable": "n", "type": "Integer"})),
    ] {
        let sorting = json!([{"sortBy": by, "sortOrder": "asc", "parameters": parameters}]);
        host.post("/engine-rest/task", json!({ "sorting": sorting })).await.error(400, REFUSED);
    }
    host.get("/engine-rest/task?sortBy=processVariable&sortOrder=asc").await.error(400, REFUSED);
}

/// What comes over HTTP has no NUL; what an expression makes may.
async fn a_text_that_no_database_takes_keeps_no_list_from_being_sorted(host: Host) {
    let process = "<bpmn:process id='nul' isExecutable='true'><bpmn:startEvent id='a'/><bpmn:sequenceFlow id='f1' sourceRef='a' targetRef='make'/>\
        <bpmn:scriptTask id='make' scriptFormat='feel' camunda:resultVariable='s'><bpmn:script>\"a\\u0000b\"</bpmn:script></bpmn:scriptTask>\
        <bpmn:sequenceFlow id='f2' sourceRef='make' targetRef='wait'/><bpmn:userTask id='wait'/></bpmn:process>";
    host.deploy("nul", &model(process)).await;
    host.start("nul", json!({})).await;
    let sorting = json!([{"sortBy": "processVariable", "sortOrder": "asc", "parameters": {"variable": "s", "type": "String"}}]);
    let list = host.post("/engine-rest/task", json!({ "sorting": sorting })).await.ok();
    assert_eq!(list.as_array().expect("a list").len(), 1);
    let body = json!({"processVariables": [{"name": "s", "operator": "eq", "value": "a"}]});
    assert_eq!(host.post("/engine-rest/task/count", body).await.ok()["count"], json!(0));
}

async fn history_knows_who_ever_had_to_do_with_a_task(host: Host) {
    host.deploy("offered", &offered()).await;
    let instance = host.start("offered", json!({})).await;
    let id = host.only_id("/engine-rest/task?taskDefinitionKey=sold").await;
    let path = format!("/engine-rest/task/{id}");
    for user in ["bob", "eve"] {
        host.post(&format!("{path}/assignee"), json!({"userId": user})).await.no_content();
    }
    let links = [json!({"userId": "olga", "type": "owner"}), json!({"groupId": "support", "type": "candidate"})];
    for link in &links {
        host.post(&format!("{path}/identity-links"), link.clone()).await.no_content();
        host.post(&format!("{path}/identity-links/delete"), link.clone()).await.no_content();
    }
    let expected = [
        ("taskInvolvedUser=bob", 1),
        ("taskInvolvedUser=eve", 1),
        ("taskInvolvedUser=olga", 1),
        ("taskInvolvedUser=ann", 1),
        ("taskInvolvedUser=sales", 0),
        ("taskInvolvedGroup=sales", 1),
        ("taskInvolvedGroup=ann", 0),
        ("taskHadCandidateGroup=support", 1),
        ("taskHadCandidateGroup=sales&taskInvolvedUser=bob", 1),
        ("taskHadCandidateUser=ann", 1),
        ("taskHadCandidateUser=bob", 0),
        ("withCandidateGroups=true", 1),
        ("withoutCandidateGroups=true", 2),
        ("withoutCandidateGroups=true&taskHadCandidateUser=ann", 1),
    ];
    host.counts("history/task", &expected).await;
    host.post(&format!("{path}/complete"), json!({})).await.no_content();
    host.delete(&format!("/engine-rest/process-instance/{instance}")).await.no_content();
    host.counts("history/task", &expected).await;
    let either = json!({"orQueries": [{"taskHadCandidateUser": "ann", "taskInvolvedUser": "eve"}]});
    assert_eq!(host.post("/engine-rest/history/task/count", either).await.ok()["count"], 2);

    let exported = host.get("/api/v1/history/export").await;
    let line: Value = serde_json::from_str(exported.text().trim()).expect("a line");
    let tasks = line["taskInstances"].as_array().expect("a list");
    let sold = tasks.iter().find(|task| task["taskDefinitionKey"] == "sold").expect("the task");
    let of = |kind: &str, user: Value, group: Value| json!({"type": kind, "userId": user, "groupId": group});
    let who = [
        of("assignee", json!("bob"), json!(null)),
        of("assignee", json!("eve"), json!(null)),
        of("candidate", json!(null), json!("sales")),
        of("candidate", json!(null), json!("support")),
        of("owner", json!("olga"), json!(null)),
    ];
    assert_eq!(sold["identityLinks"], json!(who));
    // It goes with the rest.
    host.delete(&format!("/engine-rest/history/process-instance/{instance}")).await.no_content();
    host.counts("history/task", &[("taskInvolvedUser=bob", 0)]).await;
    host.check_store().await;
}

/// Clients page through what they have counted by the same words.
async fn a_count_takes_the_query_of_its_list(host: Host) {
    host.deploy("reviews", &review()).await;
    host.start("review", json!({})).await;
    for (list, by, expected) in [
        ("task", "created", 1),
        ("process-instance", "instanceId", 1),
        ("process-definition", "key", 1),
        ("deployment", "name", 1),
        ("job", "jobId", 0),
        ("job-definition", "activityId", 0),
        ("external-task", "id", 0),
        ("history/task", "startTime", 1),
        ("history/process-instance", "startTime", 1),
        ("incident", "incidentId", 0),
    ] {
        host.counts(list, &[(&format!("sortBy={by}&sortOrder=desc&firstResult=5&maxResults=10"), expected)]).await;
        host.get(&format!("/engine-rest/{list}/count?sortBy=wibble&sortOrder=asc")).await.error(400, REFUSED);
        if ["process-definition", "deployment", "incident"].contains(&list) {
            continue;
        }
        let sorting = json!({"sorting": [{"sortBy": by, "sortOrder": "asc"}]});
        assert_eq!(host.post(&format!("/engine-rest/{list}/count"), sorting).await.ok()["count"], expected, "{list}");
    }
    let shown = json!({"withTaskVariablesInReturn": true, "sorting": [{"sortBy": "taskVariable", "sortOrder": "asc",
                       "parameters": {"variable": "n", "type": "Integer"}}]});
    assert_eq!(host.post("/engine-rest/task/count", shown).await.ok()["count"], 1);
}
