//! `/external-task`.

use std::task::Poll;

use serde_json::{Value, json};

use crate::common::{Host, assert_properties, large, model_with, some_of_each};

const FETCH: &str = "/engine-rest/external-task/fetchAndLock";
const NOBODY: &str = "01936d0e-0000-7000-8000-000000000001.7";

/// Camunda's `ExternalTaskDto`.
const TASK: &[&str] = &[
    "activityId",
    "activityInstanceId",
    "errorMessage",
    "executionId",
    "id",
    "lockExpirationTime",
    "processDefinitionId",
    "processDefinitionKey",
    "processDefinitionVersionTag",
    "processInstanceId",
    "tenantId",
    "retries",
    "suspended",
    "workerId",
    "topicName",
    "priority",
    "businessKey",
    "createTime",
];
/// What a `LockedExternalTaskDto` has besides.
const LOCKED: &[&str] = &["errorDetails", "variables", "extensionProperties"];

/// A process that waits for a worker: `payment`, topic `charge`; a BPMN error `DECLINED` leads to a user task.
fn payment() -> String {
    model_with(
        "<bpmn:error id='declined' name='declined' errorCode='DECLINED'/>",
        "<bpmn:process id='payment' isExecutable='true' camunda:versionTag='1.2'>\
         <bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='charge'/>\
         <bpmn:serviceTask id='charge' camunda:type='external' camunda:topic='charge' camunda:taskPriority='${priority}'>\
         <bpmn:extensionElements><camunda:properties><camunda:property name='queue' value='fast'/></camunda:properties>\
         <camunda:inputOutput><camunda:inputParameter name='cents'>= amount * 100</camunda:inputParameter>\
         <camunda:outputParameter name='receipt'>= number</camunda:outputParameter></camunda:inputOutput></bpmn:extensionElements>\
         </bpmn:serviceTask>\
         <bpmn:boundaryEvent id='no' attachedToRef='charge'><bpmn:errorEventDefinition errorRef='declined'/></bpmn:boundaryEvent>\
         <bpmn:sequenceFlow id='f2' sourceRef='charge' targetRef='pack'/><bpmn:userTask id='pack'/>\
         <bpmn:sequenceFlow id='f3' sourceRef='no' targetRef='call'/><bpmn:userTask id='call'/></bpmn:process>",
    )
}

async fn deployed() -> Host {
    let host = Host::open().await;
    host.deploy("payments", &payment()).await;
    host
}

/// Starts a payment, and answers with its instance.
async fn begin(host: &Host, priority: i64) -> String {
    host.start("payment", json!({"businessKey": "order-1", "variables": {"priority": {"value": priority}, "amount": {"value": 3}}})).await
}

fn asking(worker: &str) -> Value {
    json!({"workerId": worker, "maxTasks": 10, "topics": [{"topicName": "charge", "lockDuration": 60_000}]})
}

/// What a worker gets.
async fn fetch(host: &Host, body: Value) -> Vec<Value> {
    host.post(FETCH, body).await.ok().as_array().expect("a list").clone()
}

/// The id of the only task that a worker gets.
async fn fetch_one(host: &Host, worker: &str) -> String {
    let got = fetch(host, asking(worker)).await;
    assert_eq!(got.len(), 1, "{got:#?}");
    got[0]["id"].as_str().expect("an id").to_owned()
}

fn at(id: &str, what: &str) -> String {
    format!("/engine-rest/external-task/{id}/{what}")
}

#[tokio::test]
async fn a_worker_fetches_a_task_with_its_variables_and_completes_it() {
    let host = deployed().await;
    let instance = begin(&host, 7).await;
    let mut body = asking("ann");
    body["topics"][0]["includeExtensionProperties"] = json!(true);
    let got = fetch(&host, body).await;
    let [task] = &got[..] else { panic!("{got:#?}") };
    assert_properties(task, &[TASK, LOCKED].concat(), &[]);
    let id = task["id"].as_str().expect("an id");
    assert!(id.starts_with(&format!("{instance}.")), "{id}");
    for (field, expected) in [
        ("activityId", json!("charge")),
        ("businessKey", json!("order-1")),
        ("errorDetails", json!(null)),
        ("errorMessage", json!(null)),
        ("extensionProperties", json!({"queue": "fast"})),
        ("priority", json!(7)),
        ("processDefinitionKey", json!("payment")),
        ("processDefinitionVersionTag", json!("1.2")),
        ("processInstanceId", json!(instance)),
        ("retries", json!(null)),
        ("suspended", json!(false)),
        ("tenantId", json!(null)),
        ("topicName", json!("charge")),
        ("workerId", json!("ann")),
    ] {
        assert_eq!(task[field], expected, "{field}");
    }
    assert_eq!(
        task["variables"],
        json!({
            "amount": {"type": "Integer", "value": 3, "valueInfo": {}},
            "cents": {"type": "Integer", "value": 300, "valueInfo": {}},
            "priority": {"type": "Integer", "value": 7, "valueInfo": {}},
        })
    );
    assert_eq!(fetch(&host, asking("bob")).await, [] as [Value; 0]);
    let waiting = host.get("/api/v1/waiting").await.ok();
    let leaf = &waiting["items"][0];
    assert_eq!((&leaf["reason"], &leaf["topic"], &leaf["id"]), (&json!("external-task"), &json!("charge"), &json!(id)));

    let body = json!({"workerId": "ann", "variables": {"number": {"value": "r-17", "type": null}}, "localVariables": null});
    host.post(&at(id, "complete"), body.clone()).await.no_content();
    let next = host.only("/engine-rest/task").await;
    assert_eq!((&next["taskDefinitionKey"], &next["processInstanceId"]), (&json!("pack"), &json!(instance)));
    let variables = host.get(&format!("/engine-rest/process-instance/{instance}/variables")).await.ok();
    // What a worker brings is the process's, whatever is mapped besides, as in Camunda 7.
    assert_eq!((&variables["receipt"]["value"], &variables["number"]["value"]), (&json!("r-17"), &json!("r-17")), "{variables:#}");
    let activity = host.only("/engine-rest/history/activity-instance?activityId=charge").await;
    assert_eq!((&activity["activityType"], &activity["canceled"]), (&json!("serviceTask"), &json!(false)));
    let message = host.post(&at(id, "complete"), body).await.error(404, "RestException");
    assert_eq!(message, format!("External task with id {id} does not exist"));
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn only_the_variables_that_are_asked_for_come_along() {
    let host = deployed().await;
    for _ in 0..3 {
        begin(&host, 1).await;
    }
    let names = async |topic: Value| {
        let mut body = asking("ann");
        body["maxTasks"] = json!(1);
        for (name, value) in topic.as_object().expect("an object") {
            body["topics"][0][name] = value.clone();
        }
        let got = fetch(&host, body).await;
        got[0]["variables"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(json!({"variables": ["amount", "none"]})).await, ["amount"]);
    assert_eq!(names(json!({"variables": null, "localVariables": true})).await, ["cents"]);
    assert_eq!(names(json!({"variables": []})).await, [] as [&str; 0]);
    host.close().await;
}

/// Tasks of twenty instances are locked, of which eighteen fit: the others are nobody's, and come first with the next fetch.
#[tokio::test]
async fn what_one_answer_has_no_room_for_is_the_next_ones() {
    let host = Host::open().await;
    host.deploy("payments", &payment().replace("= amount * 100", "1").replace(" camunda:taskPriority='${priority}'", "")).await;
    let mut instances = Vec::new();
    for _ in 0..20 {
        instances.push(host.start("payment", json!({ "variables": large() })).await);
    }
    let most = |worker: &str, variables: Value| {
        let topic = json!({"topicName": "charge", "lockDuration": 60_000, "variables": variables});
        json!({"workerId": worker, "maxTasks": 1_000, "topics": [topic]})
    };
    let of = |got: &[Value]| got.iter().map(|task| task["processInstanceId"].as_str().expect("an id").to_owned()).collect::<Vec<_>>();
    let got = fetch(&host, most("ann", Value::Null)).await;
    assert_eq!(of(&got), instances[..18]);
    assert!(got.iter().all(|task| task["variables"].as_object().is_some_and(|variables| variables.len() == 16)));
    assert_eq!(host.count("/engine-rest/external-task/count?workerId=ann").await, 18);
    assert_eq!(host.count("/engine-rest/external-task/count?notLocked=true").await, 2);

    let later = host.start("payment", json!({ "variables": large() })).await;
    let mut body = most("bob", Value::Null);
    body["maxTasks"] = json!(2);
    assert_eq!(of(&fetch(&host, body).await), instances[18..]);
    assert_eq!(of(&fetch(&host, most("bob", Value::Null)).await), [later]);
    for task in host.get("/engine-rest/external-task").await.ok().as_array().expect("a list") {
        host.raw("POST", &at(task["id"].as_str().expect("an id"), "unlock"), Vec::new()).await.no_content();
    }
    // What is not asked for takes no room.
    assert_eq!(fetch(&host, most("ann", json!(["large3"]))).await.len(), 21);
    host.close().await;
}

/// What workers have said at length takes room like variables: of seventy tasks with a quarter of a mebibyte each 63 fit, beside all else.
#[tokio::test]
async fn what_was_said_at_length_of_failures_takes_room() {
    let host = Host::open().await;
    host.deploy("payments", &payment().replace("= amount * 100", "1").replace(" camunda:taskPriority='${priority}'", "")).await;
    for _ in 0..70 {
        host.start("payment", json!({})).await;
    }
    let most = |worker: &str| {
        let topic = json!({"topicName": "charge", "lockDuration": 60_000});
        json!({"workerId": worker, "maxTasks": 1_000, "topics": [topic]})
    };
    for (n, task) in fetch(&host, most("ann")).await.iter().enumerate() {
        let details = format!("{n} {}", "x".repeat(256 * 1024 - 10));
        let failure = json!({"workerId": "ann", "errorMessage": "smtp", "errorDetails": details, "retries": 1, "retryTimeout": 0});
        host.post(&at(task["id"].as_str().expect("an id"), "failure"), failure).await.no_content();
    }
    let got = fetch(&host, most("bob")).await;
    assert_eq!(got.len(), 63);
    for task in &got {
        let details = host.get(&at(task["id"].as_str().expect("an id"), "errorDetails")).await.text();
        assert!(details.len() > 256 * 1024 - 10 && task["errorDetails"] == details, "each has its own");
    }
    assert_eq!(fetch(&host, most("cid")).await.len(), 7, "the others are given back");
    host.close().await;
}

#[tokio::test]
async fn tasks_are_chosen_by_process_variables() {
    let host = deployed().await;
    let (one, two) = (begin(&host, 1).await, begin(&host, 2).await);
    let instances = async |values: Value| {
        let mut body = asking("ann");
        body["topics"][0]["processVariables"] = values;
        body["topics"][0]["lockDuration"] = json!(1);
        fetch(&host, body).await.into_iter().map(|task| task["processInstanceId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(instances(json!({"priority": 3})).await, [] as [Value; 0]);
    // A variable of the task's own is none of the process's.
    assert_eq!(instances(json!({"cents": 300})).await, [] as [Value; 0]);
    assert_eq!(instances(json!({"priority": 1, "amount": 3})).await, [json!(one)]);
    assert_eq!(instances(json!({"priority": 2})).await, [json!(two)]);
    host.close().await;
}

#[tokio::test]
async fn a_worker_that_does_not_have_the_task_is_told_who_has() {
    let host = deployed().await;
    begin(&host, 1).await;
    let id = host.only_id("/engine-rest/external-task").await;
    let said = host.post(&at(&id, "complete"), json!({"workerId": "bob"})).await.error(400, "RestException");
    assert_eq!(said, format!("External Task {id} cannot be completed by worker 'bob'. It is locked by worker 'null'."));
    assert_eq!(fetch_one(&host, "ann").await, id);
    for (what, body, says) in [
        ("complete", json!({"workerId": "bob"}), format!("External Task {id} cannot be completed")),
        ("failure", json!({"workerId": "bob"}), format!("Failure of External Task {id} cannot be reported")),
        ("bpmnError", json!({"workerId": "bob", "errorCode": "DECLINED"}), format!("Bpmn error of External Task {id} cannot be reported")),
        ("extendLock", json!({"workerId": "bob", "newDuration": 5}), format!("The lock of the External Task {id} cannot be extended")),
        ("lock", json!({"workerId": "bob", "lockDuration": 5}), format!("External Task {id} cannot be locked")),
    ] {
        let said = host.post(&at(&id, what), body.clone()).await.error(400, "RestException");
        assert_eq!(said, format!("{says} by worker 'bob'. It is locked by worker 'ann'."));
        let said = host.post(&at(NOBODY, what), body).await.error(404, "RestException");
        assert_eq!(said, format!("External task with id {NOBODY} does not exist"));
    }
    // Given back, it is anybody's; its last worker has lost it.
    host.raw("POST", &at(&id, "unlock"), Vec::new()).await.no_content();
    host.post(&at(&id, "complete"), json!({"workerId": "ann"})).await.error(400, "RestException");
    assert_eq!(fetch_one(&host, "bob").await, id);
    host.post(&at(&id, "extendLock"), json!({"workerId": "bob", "newDuration": 90_000})).await.no_content();
    host.post(&at(&id, "complete"), json!({"workerId": "bob", "localVariables": {"number": {"value": 1}}})).await.no_content();
    host.raw("POST", &at(&id, "unlock"), Vec::new()).await.error(404, "RestException");
    host.close().await;
}

#[tokio::test]
async fn who_has_the_task_is_said_before_what_would_come_of_it() {
    let host = Host::open().await;
    host.deploy("payments", &payment().replace("= number", "${number}")).await;
    begin(&host, 1).await;
    let id = fetch_one(&host, "ann").await;
    let said = host.post(&at(&id, "complete"), json!({"workerId": "bob"})).await.error(400, "RestException");
    assert!(said.ends_with("by worker 'bob'. It is locked by worker 'ann'."), "{said}");
    let said = host.post(&at(&id, "complete"), json!({"workerId": "ann"})).await.error(500, "ProcessEngineException");
    assert!(said.starts_with("EXPRESSION_FAILED: "), "{said}");
    host.close().await;
}

#[tokio::test]
async fn failures_come_back_until_they_are_an_incident() {
    let host = deployed().await;
    let instance = begin(&host, 1).await;
    let id = fetch_one(&host, "ann").await;
    let failure = json!({"workerId": "ann", "errorMessage": "smtp", "errorDetails": "at length", "retries": 1, "retryTimeout": 0});
    host.post(&at(&id, "failure"), failure).await.no_content();
    let got = fetch(&host, asking("bob")).await;
    assert_eq!(
        (&got[0]["retries"], &got[0]["errorMessage"], &got[0]["errorDetails"]),
        (&json!(1), &json!("smtp"), &json!("at length")),
        "{got:#?}"
    );
    let details = host.get(&at(&id, "errorDetails")).await;
    assert_eq!((details.status.as_u16(), details.text()), (200, "at length".to_owned()));
    // It rests for an hour: nobody gets it, and it is still its worker's.
    host.post(&at(&id, "failure"), json!({"workerId": "bob", "retries": 1, "retryTimeout": 3_600_000})).await.no_content();
    assert_eq!(fetch(&host, asking("ann")).await, [] as [Value; 0]);
    assert_eq!(host.count("/engine-rest/external-task/count?locked=true&workerId=bob&withRetriesLeft=true").await, 1);

    // Whoever does not say how many are left has none left.
    host.post(&at(&id, "failure"), json!({"workerId": "bob", "errorMessage": "dns"})).await.no_content();
    let incident = host.only("/engine-rest/incident?incidentType=failedExternalTask").await;
    assert_eq!(
        (&incident["incidentType"], &incident["configuration"], &incident["incidentMessage"], &incident["code"]),
        (&json!("failedExternalTask"), &json!(id), &json!("dns"), &json!("EXTERNAL_TASK_FAILED"))
    );
    assert_eq!(host.count("/engine-rest/incident/count?incidentType=failedJob").await, 0);
    assert_eq!(host.count("/engine-rest/process-instance/count?incidentType=failedExternalTask").await, 1);
    let statistics = host.get("/engine-rest/process-definition/key/payment/statistics?incidents=true").await.ok();
    assert_eq!(statistics[0]["instances"], 1, "{statistics:#}");
    assert_eq!(statistics[0]["incidents"], json!([{"incidentType": "failedExternalTask", "incidentCount": 1}]));
    let waiting = host.get("/api/v1/waiting").await.ok();
    assert_eq!(waiting["items"][0]["reason"], "incident", "{waiting:#}");
    assert_eq!(fetch(&host, asking("ann")).await, [] as [Value; 0]);
    host.check_store().await;

    host.put(&at(&id, "retries"), json!({"retries": 2})).await.no_content();
    assert_eq!(host.count("/engine-rest/incident/count").await, 0);
    let task = host.get(&format!("/engine-rest/external-task/{id}")).await.ok();
    assert_properties(&task, TASK, &[]);
    assert_eq!((&task["retries"], &task["errorMessage"], &task["processInstanceId"]), (&json!(2), &json!("dns"), &json!(instance)));
    assert_eq!(fetch_one(&host, "ann").await, id);
    host.put(&at(NOBODY, "retries"), json!({"retries": 2})).await.error(404, "RestException");
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_business_error_takes_its_path_or_is_an_incident() {
    let host = deployed().await;
    begin(&host, 1).await;
    let id = fetch_one(&host, "ann").await;
    host.post(&at(&id, "bpmnError"), json!({"workerId": "ann"})).await.error(400, "InvalidRequestException");
    let unknown = json!({"workerId": "ann", "errorCode": "ODD", "errorMessage": "never heard of"});
    host.post(&at(&id, "bpmnError"), unknown).await.no_content();
    let incident = host.only("/engine-rest/incident").await;
    assert_eq!(incident["incidentMessage"], "BPMN error 'ODD', which nothing catches: never heard of");
    host.put(&at(&id, "retries"), json!({"retries": 1})).await.no_content();
    let declined = json!({"workerId": "ann", "errorCode": "DECLINED", "variables": {"limit": {"value": 10}}});
    host.post(&at(&id, "bpmnError"), declined).await.no_content();
    assert_eq!(host.only("/engine-rest/task").await["taskDefinitionKey"], "call");
    assert_eq!(host.count("/engine-rest/external-task/count").await, 0);
    host.close().await;
}

#[tokio::test]
async fn higher_priorities_come_first() {
    let host = deployed().await;
    for priority in [1, 9, 5] {
        begin(&host, priority).await;
    }
    let mut body = asking("ann");
    body["usePriority"] = json!(true);
    body["sorting"] = json!([{"sortBy": "createTime", "sortOrder": "asc"}]);
    body["maxTasks"] = json!(2);
    let got = fetch(&host, body).await;
    assert_eq!(got.iter().map(|task| task["priority"].clone()).collect::<Vec<_>>(), [9, 5]);
    let listed = host.get("/engine-rest/external-task?sortBy=taskPriority&sortOrder=desc&notLocked=true").await.ok();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["priority"]), (Some(1), &json!(1)));
    host.close().await;
}

#[tokio::test]
async fn a_priority_that_somebody_sets_counts_when_the_task_is_fetched() {
    let host = deployed().await;
    let mut tasks = Vec::new();
    for priority in [1, 9] {
        let instance = begin(&host, priority).await;
        tasks.push((host.only_id(&format!("/engine-rest/external-task?processInstanceId={instance}")).await, instance));
    }
    let (low, instance) = &tasks[0];
    for (body, kind, expected) in [
        (json!({}), "RestException", "priority"),
        (json!({"priority": "high"}), "InvalidRequestException", "priority"),
        (json!({"priority": 5, "wibble": 1}), "InvalidRequestException", "wibble"),
    ] {
        let message = host.put(&at(low, "priority"), body).await.error(400, kind);
        assert!(message.contains(expected), "{message}");
    }
    host.put(&at(NOBODY, "priority"), json!({"priority": 5})).await.error(404, "RestException");
    assert_eq!(host.count("/engine-rest/history/user-operation/count?entityType=ExternalTask").await, 0);
    // Also of a suspended instance, and whoever has the task.
    host.put(&format!("/engine-rest/process-instance/{instance}/suspended"), json!({"suspended": true})).await.no_content();
    host.put(&at(low, "priority"), json!({"priority": 50_000_000_000_i64})).await.no_content();
    host.put(&format!("/engine-rest/process-instance/{instance}/suspended"), json!({"suspended": false})).await.no_content();
    let mut body = asking("ann");
    body["usePriority"] = json!(true);
    body["maxTasks"] = json!(1);
    let got = fetch(&host, body).await;
    assert_eq!((&got[0]["id"], &got[0]["priority"]), (&json!(low), &json!(50_000_000_000_i64)));
    host.put(&at(low, "priority"), json!({"priority": -3})).await.no_content();
    let task = host.get(&format!("/engine-rest/external-task/{low}")).await.ok();
    assert_eq!((&task["priority"], &task["workerId"]), (&json!(-3), &json!("ann")));
    let logged = host.get("/engine-rest/history/user-operation?operationType=SetPriority&sortBy=timestamp&sortOrder=asc").await.ok();
    let logged: Vec<_> =
        logged.as_array().expect("a list").iter().map(|it| [&it["entityType"], &it["orgValue"], &it["newValue"]]).collect();
    assert_eq!(json!(logged), json!([["ExternalTask", "1", "50000000000"], ["ExternalTask", "50000000000", "-3"]]));
    host.post(&at(low, "complete"), json!({"workerId": "ann", "variables": {"number": {"value": 1}}})).await.no_content();
    host.put(&at(low, "priority"), json!({"priority": 5})).await.error(404, "RestException");
    host.close().await;
}

#[tokio::test]
async fn a_client_that_waits_gets_a_task_as_soon_as_there_is_one() {
    let host = deployed().await;
    let mut body = asking("ann");
    body["asyncResponseTimeout"] = json!(1_800_000);
    let (waited, _) = tokio::join!(fetch(&host, body.clone()), async {
        // Polled after it: the client waits by now.
        tokio::task::yield_now().await;
        begin(&host, 1).await
    });
    let id = waited[0]["id"].as_str().expect("an id").to_owned();

    // One that came back is told as well.
    let (waited, ()) = tokio::join!(fetch(&host, body.clone()), async {
        tokio::task::yield_now().await;
        host.post(&at(&id, "failure"), json!({"workerId": "ann", "retries": 1})).await.no_content();
    });
    assert_eq!(waited[0]["id"], json!(id));

    // And nobody waits for longer than it wants to, or than the host lives.
    let mut briefly = body.clone();
    briefly["asyncResponseTimeout"] = json!(20);
    assert_eq!(fetch(&host, briefly).await, [] as [Value; 0]);
    let (waited, ()) = tokio::join!(fetch(&host, body), async {
        tokio::task::yield_now().await;
        host.runtime().wind_down();
    });
    assert_eq!(waited, [] as [Value; 0]);
    host.close().await;
}

#[tokio::test]
async fn clients_that_wait_are_bounded() {
    let host = deployed().await;
    let mut body = asking("ann");
    body["asyncResponseTimeout"] = json!(60_000);
    let mut waiting: Vec<_> = (0..200).map(|_| Box::pin(host.post(FETCH, body.clone()))).collect();
    std::future::poll_fn(|context| {
        for client in &mut waiting {
            assert!(client.as_mut().poll(context).is_pending(), "there is nothing to get");
        }
        Poll::Ready(())
    })
    .await;
    let said = host.post(FETCH, body).await.error(500, "InvalidRequestException");
    assert_eq!(said, "At the moment the server has to handle too many requests at the same time. Please try again later.");
    // Who does not wait needs no place.
    assert_eq!(fetch(&host, asking("ann")).await, [] as [Value; 0]);
    host.runtime().wind_down();
    for client in waiting {
        assert_eq!(client.await.ok(), json!([]));
    }
    host.close().await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_by_name() {
    let host = deployed().await;
    let topic = |more: Value| {
        let mut body = asking("ann");
        for (name, value) in more.as_object().expect("an object") {
            body["topics"][0][name] = value.clone();
        }
        body
    };
    let with = |name: &str, value: Value| {
        let mut body = asking("ann");
        body[name] = value;
        body
    };
    for (body, expected) in [
        (with("workerId", json!(null)), "workerId is null"),
        (with("asyncResponseTimeout", json!(1_800_001)), "cannot be set to a value greater than 1800000 milliseconds"),
        (with("topics", json!([{"lockDuration": 5}])), "topicName is null"),
        (with("topics", json!([{"topicName": "charge"}])), "lockTime is null"),
        (with("topics", json!(["charge"])), "a list of objects"),
        (with("sorting", json!([{"sortBy": "priority", "sortOrder": "asc"}])), "priority"),
        (with("wibble", json!(1)), "wibble"),
        (topic(json!({"lockDuration": 0})), "lockTime is not greater than 0"),
        (topic(json!({"processVariables": [1]})), "processVariables"),
        (topic(json!({"wibble": 1})), "wibble"),
    ] {
        let said = host.post(FETCH, body.clone()).await.error(400, "InvalidRequestException");
        assert!(said.contains(expected), "{body}: {said}");
    }
    host.get("/engine-rest/external-task?processVariables=a").await.error(400, "InvalidRequestException");
    let said = host.get(&format!("/engine-rest/external-task/{NOBODY}")).await.error(404, "RestException");
    assert_eq!(said, format!("External task with id {NOBODY} does not exist"));
    // What asks for nothing is what clients send all the time.
    let quiet = topic(json!({"processVariables": {}, "deserializeValues": true, "withoutTenantId": false, "variables": null}));
    assert_eq!(fetch(&host, quiet).await, [] as [Value; 0]);
    host.close().await;
}

#[tokio::test]
async fn every_type_of_variable_comes_from_a_worker_and_goes_to_the_next() {
    let host = deployed().await;
    let instance = begin(&host, 1).await;
    let id = fetch_one(&host, "ann").await;
    let failure =
        json!({"workerId": "ann", "retries": 1, "variables": some_of_each(), "localVariables": {"loc": {"type": "integer", "value": 1}}});
    host.post(&at(&id, "failure"), failure).await.no_content();
    let again = fetch(&host, asking("bob")).await;
    let variables = &again[0]["variables"];
    assert_eq!((&variables["o"]["type"], &variables["o"]["value"]), (&json!("Json"), &json!("{\"a\":[1]}")), "{variables:#}");
    assert_eq!((&variables["dt"]["value"], &variables["loc"]["value"]), (&json!("1970-01-01T00:00:00.000+0000"), &json!(1)));
    host.put(&format!("/engine-rest/process-instance/{instance}/suspended"), json!({"suspended": true})).await.no_content();
    let said = host.post(&at(&id, "complete"), json!({"workerId": "bob"})).await;
    said.error(500, "SuspendedEntityInteractionException");
    host.close().await;
}

#[tokio::test]
async fn several_tasks_get_retries_at_once() {
    const RETRIES: &str = "/engine-rest/external-task/retries";
    let host = deployed().await;
    let mut tasks = Vec::new();
    for priority in 1..=3 {
        let instance = begin(&host, priority).await;
        tasks.push((host.only_id(&format!("/engine-rest/external-task?processInstanceId={instance}")).await, instance));
    }
    for (body, expected) in [
        (json!({"externalTaskIds": [tasks[0].0]}), "number of retries"),
        (json!({"retries": 3}), "externalTaskIds"),
        (json!({"retries": 3, "externalTaskIds": []}), "externalTaskIds"),
        (json!({"retries": -1, "externalTaskIds": [tasks[0].0]}), "retries"),
        (json!({"retries": 3, "externalTaskQuery": {"wibble": 1}}), "wibble"),
        (json!({"retries": 3, "historicProcessInstanceQuery": {"finished": true}}), "historicProcessInstanceQuery"),
    ] {
        let message = host.put(RETRIES, body).await.error(400, "InvalidRequestException");
        assert!(message.contains(expected), "{message}");
    }
    // One that is not there is said before any is changed.
    host.put(RETRIES, json!({"retries": 3, "externalTaskIds": [tasks[0].0, NOBODY]})).await.error(404, "InvalidRequestException");
    assert_eq!(host.count("/engine-rest/history/user-operation/count?entityType=ExternalTask").await, 0);
    host.put(RETRIES, json!({"retries": 0, "externalTaskIds": [tasks[0].0], "processInstanceIds": [tasks[0].1, tasks[1].1]}))
        .await
        .no_content();
    assert_eq!(host.count("/engine-rest/external-task/count?noRetriesLeft=true").await, 2);
    assert_eq!(host.count("/engine-rest/incident/count").await, 2);
    host.put(RETRIES, json!({"retries": 5, "externalTaskQuery": {"noRetriesLeft": true}})).await.no_content();
    assert_eq!(host.count("/engine-rest/incident/count").await, 0);
    assert_eq!(host.count("/engine-rest/history/user-operation/count?operationType=SetExternalTaskRetries").await, 4);
    host.close().await;
}

#[tokio::test]
async fn topics_are_listed_once_each() {
    const TOPICS: &str = "/engine-rest/external-task/topic-names";
    let host = deployed().await;
    host.deploy("others", &payment().replace("'payment'", "'other'").replace("'charge'", "'audit'")).await;
    assert_eq!(host.get(TOPICS).await.ok(), json!([]));
    begin(&host, 1).await;
    begin(&host, 1).await;
    host.start("other", json!({"variables": {"priority": {"value": 1}, "amount": {"value": 1}}})).await;
    host.post(FETCH, json!({"workerId": "ann", "maxTasks": 9, "topics": [{"topicName": "audit", "lockDuration": 60_000}]})).await.ok();
    for (filter, expected) in [
        ("", json!(["audit", "charge"])),
        ("?withLockedTasks=true", json!(["audit"])),
        ("?withUnlockedTasks=true&withRetriesLeft=true", json!(["charge"])),
    ] {
        assert_eq!(host.get(&format!("{TOPICS}{filter}")).await.ok(), expected, "{filter}");
    }
    host.get(&format!("{TOPICS}?withLockedTasks=perhaps")).await.error(400, "InvalidRequestException");
    host.close().await;
}
