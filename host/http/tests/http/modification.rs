//! Process instance modification, starts with instructions, and suspension of several instances.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::common::{Host, model, review};

const REFUSED: &str = "InvalidRequestException";
const NOBODY: &str = "01936d0e-0000-7000-8000-000000000001";

/// `first`, then a sub-process `sub` with `inner` (a boundary timer on it) and `each`, three times at once; then `held`, behind a job.
fn nested() -> String {
    let flow = |from: &str, to: &str| format!("<bpmn:sequenceFlow id='{from}-{to}' sourceRef='{from}' targetRef='{to}'/>");
    let flows = [("start", "first"), ("first", "sub"), ("sub", "held"), ("held", "end")].map(|(from, to)| flow(from, to)).concat();
    let inside = [("in", "inner"), ("inner", "each"), ("each", "out")].map(|(from, to)| flow(from, to)).concat();
    model(&format!(
        "<bpmn:process id='nested' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:userTask id='first'/>\
         <bpmn:subProcess id='sub'><bpmn:startEvent id='in'/><bpmn:userTask id='inner'/><bpmn:boundaryEvent id='late' attachedToRef='inner'>\
         <bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent>\
         <bpmn:userTask id='each'><bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>3</bpmn:loopCardinality>\
         </bpmn:multiInstanceLoopCharacteristics></bpmn:userTask><bpmn:endEvent id='out'/>{inside}</bpmn:subProcess>\
         <bpmn:task id='held' camunda:asyncBefore='true'/><bpmn:endEvent id='end'/>{flows}</bpmn:process>"
    ))
}

fn modification(id: &str) -> String {
    format!("/engine-rest/process-instance/{id}/modification")
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|it| it["activityId"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn what_the_tree_shows_is_cancelled_and_scopes_are_made() {
    let host = Host::open().await;
    host.deploy("nested", &nested()).await;
    let id = host.start("nested", json!({})).await;
    let first = host.tree(&id).await["childActivityInstances"][0]["id"].clone();
    let variables = json!({"shared": {"value": 1}, "own": {"value": "x", "type": "String", "local": true}});
    let instructions = json!([
        {"type": "cancel", "activityInstanceId": first},
        {"type": "startBeforeActivity", "activityId": "inner", "variables": variables},
        {"type": "startBeforeActivity", "activityId": "held"},
    ]);
    host.post(&modification(&id), json!({"instructions": instructions, "annotation": "by ann", "skipCustomListeners": true}))
        .await
        .no_content();
    let now = host.tree(&id).await;
    let sub = &now["childActivityInstances"][0];
    assert_eq!((ids(&now["childActivityInstances"]), ids(&sub["childActivityInstances"])), (vec!["sub"], vec!["inner"]));
    let (inner, held) = (&sub["childActivityInstances"][0]["id"], &now["childTransitionInstances"][0]["id"]);
    let all = host.get(&format!("/engine-rest/process-instance/{id}/variables")).await.ok();
    assert_eq!((&all["shared"]["value"], all.get("own")), (&json!(1), None));
    assert_eq!(host.count(&format!("/engine-rest/job/count?processInstanceId={id}&timers=true")).await, 1);
    let canceled = host.only(&format!("/engine-rest/history/activity-instance?processInstanceId={id}&canceled=true")).await;
    assert_eq!((&canceled["activityId"], &canceled["id"]), (&json!("first"), &first));

    let wrong_kind = json!({"instructions": [{"type": "cancel", "activityInstanceId": held}]});
    let message = host.post(&modification(&id), wrong_kind).await.error(400, REFUSED);
    assert!(message.starts_with("Cannot perform instruction: Cancel activity instance"), "{message}");
    let instructions = json!([
        {"type": "cancel", "transitionInstanceId": held},
        {"type": "startAfterActivity", "activityId": "inner", "ancestorActivityInstanceId": sub["id"]},
        {"type": "cancel", "activityInstanceId": inner},
    ]);
    host.post(&modification(&id), json!({"instructions": instructions})).await.no_content();
    let now = host.tree(&id).await;
    let body = &now["childActivityInstances"][0]["childActivityInstances"][0];
    assert_eq!((&body["activityId"], &body["activityType"]), (&json!("each#multiInstanceBody"), &json!("multiInstanceBody")));
    assert_eq!(body["childActivityInstances"].as_array().map(Vec::len), Some(3));
    host.post(&modification(&id), json!({"instructions": [{"type": "startBeforeActivity", "activityId": "each"}]})).await.no_content();
    assert_eq!(host.count(&format!("/engine-rest/task/count?processInstanceId={id}")).await, 4);
    host.check_store().await;

    host.post(&modification(&id), json!({"instructions": [{"type": "cancel", "activityId": "each#multiInstanceBody"}]})).await.no_content();
    host.get(&format!("/engine-rest/process-instance/{id}")).await.error(404, REFUSED);
    let history = host.get(&format!("/engine-rest/history/process-instance/{id}")).await.ok();
    assert_eq!(history["state"], "EXTERNALLY_TERMINATED");
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn instructions_that_do_not_fit_are_refused_in_words() {
    let host = Host::open().await;
    host.deploy("nested", &nested()).await;
    let id = host.start("nested", json!({})).await;
    let before = host.tree(&id).await;
    let refused = [
        (json!({"type": "startBeforeActivity", "activityId": "nothing"}), "Element 'nothing' does not exist"),
        (json!({"type": "startBeforeActivity", "activityId": "nested"}), "Element 'nested' does not exist"),
        (json!({"type": "startBeforeActivity", "activityId": "inner#multiInstanceBody"}), "does not exist"),
        (json!({"type": "startBeforeActivity"}), "'activityId' must be set"),
        (json!({"type": "startTransition", "activityId": "inner"}), "'transitionId' must be set"),
        (json!({"type": "startTransition", "transitionId": "nothing"}), "Element 'nothing' does not exist"),
        (json!({"type": "startAfterActivity", "activityId": "end"}), "no outgoing sequence flow"),
        (json!({"type": "cancel"}), "exactly one, 'activityId', 'activityInstanceId', or 'transitionInstanceId', is required"),
        (json!({"type": "cancel", "activityId": "nothing"}), "Element 'nothing' does not exist"),
        (json!({"type": "cancel", "activityInstanceId": format!("{NOBODY}.3")}), "does not exist"),
        (json!({"type": "cancel", "activityInstanceId": format!("{id}.99")}), "no activity instance with number 99"),
        (json!({"type": "jump"}), "there is no such type"),
        (json!({}), "type must be set"),
        (json!({"type": "cancel", "activityId": "first", "colour": "red"}), "colour"),
        (json!({"type": "startBeforeActivity", "activityId": "first", "variables": {"a": {"value": 1, "local": "so"}}}), "'local'"),
        (
            json!({"type": "startBeforeActivity", "activityId": "inner", "ancestorActivityInstanceId": before["childActivityInstances"][0]["id"]}),
            "is no scope around 'inner'",
        ),
    ];
    for (instruction, expected) in refused {
        let message = host.post(&modification(&id), json!({"instructions": [instruction]})).await.error(400, REFUSED);
        assert!(message.contains(expected), "{instruction}: {message}");
    }
    host.post(&modification(NOBODY), json!({"instructions": []})).await.error(400, REFUSED);
    host.post(&modification(&id), json!({"instructions": [], "colour": "red"})).await.error(400, REFUSED);
    host.post(&format!("{}-async", modification(&id)), json!({})).await.error(400, REFUSED);
    host.post("/engine-rest/modification/executeAsync", json!({})).await.error(400, REFUSED);

    // What follows from the instructions before fails the whole, and nothing is stored.
    let before_twice = json!([{"type": "cancel", "activityId": "first"}, {"type": "startBeforeActivity", "activityId": "sub"},
        {"type": "startBeforeActivity", "activityId": "sub"}, {"type": "startBeforeActivity", "activityId": "inner"}]);
    let message = host.post(&modification(&id), json!({"instructions": before_twice})).await.error(500, "ProcessEngineException");
    assert!(message.contains("instruction 4: the scope of 'inner' is ambiguous: 2 instances of 'sub' are active"), "{message}");
    assert_eq!(host.tree(&id).await, before);
    host.post(&modification(&id), json!({})).await.no_content();
    assert_eq!(host.tree(&id).await, before);
    host.close().await;
}

#[tokio::test]
async fn instances_begin_where_instructions_say() {
    let host = Host::open().await;
    host.deploy("nested", &nested()).await;
    let path = "/engine-rest/process-definition/key/nested/start";
    let instructions = json!([{"type": "startBeforeActivity", "activityId": "inner", "variables": {"seen": {"value": true}}},
        {"type": "startTransition", "transitionId": "start-first"}]);
    let body =
        json!({"businessKey": "b", "variables": {"n": {"value": 1}}, "startInstructions": instructions, "withVariablesInReturn": true});
    let started = host.post(path, body).await.ok();
    assert_eq!((&started["variables"]["n"]["value"], &started["variables"]["seen"]["value"]), (&json!(1), &json!(true)));
    let id = started["id"].as_str().expect("an id");
    assert_eq!(ids(&host.tree(id).await["childActivityInstances"]), ["sub", "first"]);
    let history = host.get(&format!("/engine-rest/history/process-instance/{id}")).await.ok();
    assert_eq!(history["startActivityId"], "inner");

    host.post(path, json!({"skipIoMappings": true})).await.error(400, REFUSED);
    let start = |instruction: Value| json!({"startInstructions": [instruction]});
    host.post(path, start(json!({"type": "cancel", "activityId": "inner"}))).await.error(400, REFUSED);
    let message = host.post(path, start(json!({"type": "startBeforeActivity", "activityId": "nothing"}))).await.error(400, REFUSED);
    assert!(message.starts_with("Cannot perform instruction: Start before activity 'nothing'; Element 'nothing'"), "{message}");
    let ended = host.post(path, start(json!({"type": "startBeforeActivity", "activityId": "end"}))).await.ok();
    assert_eq!(ended["ended"], true);
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 1);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn several_instances_are_modified_alike_or_none_is() {
    let host = Host::open().await;
    host.deploy("nested", &nested()).await;
    host.deploy("reviews", &review()).await;
    let (a, b) = (host.start("nested", json!({"businessKey": "x"})).await, host.start("nested", json!({"businessKey": "x"})).await);
    let other = host.start("review", json!({})).await;
    let definition = host.only_id("/engine-rest/process-definition?key=nested").await;
    let path = "/engine-rest/modification/execute";
    let instructions = json!([{"type": "startBeforeActivity", "activityId": "inner"}, {"type": "cancel", "activityId": "first"}]);
    let body = |of: Value| {
        let mut body = json!({"processDefinitionId": definition, "instructions": instructions, "annotation": "all of them"});
        body.as_object_mut().expect("an object").extend(of.as_object().expect("an object").clone());
        body
    };
    let message = host.post(path, body(json!({"processInstanceIds": [a, other]}))).await.error(400, REFUSED);
    assert!(message.contains("doesn't match the process definition"), "{message}");
    host.post(path, body(json!({"processInstanceIds": [a, NOBODY]}))).await.error(404, REFUSED);
    host.post(path, body(json!({"processInstanceIds": []}))).await.error(400, REFUSED);
    host.post(path, json!({"processDefinitionId": definition, "processInstanceIds": [a]})).await.error(400, REFUSED);
    host.post(path, json!({"instructions": instructions, "processInstanceIds": [a]})).await.error(400, REFUSED);
    let named = json!([{"type": "cancel", "activityInstanceId": "x"}]);
    host.post(path, json!({"processDefinitionId": definition, "instructions": named, "processInstanceIds": [a]})).await.error(400, REFUSED);
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=first").await, 2);

    host.post(path, body(json!({"processInstanceIds": [a, a], "processInstanceQuery": {"businessKey": "x"}}))).await.no_content();
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=first").await, 0);
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=inner").await, 2);
    assert_eq!(ids(&host.tree(&b).await["childActivityInstances"]), ["sub"]);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn suspended_instances_are_modified_and_go_on_when_they_are_active_again() {
    let host = Host::open().await;
    let mapping = |kind: &str| {
        format!(
            "><bpmn:extensionElements><camunda:inputOutput><camunda:{kind} name='m'>${{nobody}}</camunda:{kind}></camunda:inputOutput>\
             </bpmn:extensionElements></bpmn:"
        )
    };
    let first = format!("<bpmn:userTask id='first'{}userTask>", mapping("outputParameter"));
    let last = format!("<bpmn:task id='held' camunda:asyncBefore='true'{}task>", mapping("inputParameter"));
    let model = nested().replace("<bpmn:userTask id='first'/>", &first).replace("<bpmn:task id='held' camunda:asyncBefore='true'/>", &last);
    host.deploy("nested", &model).await;
    let (a, b) = (host.start("nested", json!({"businessKey": "x"})).await, host.start("nested", json!({})).await);
    let path = "/engine-rest/process-instance/suspended";
    host.put(path, json!({"suspended": true, "processInstanceQuery": {"businessKey": "x"}})).await.no_content();
    assert_eq!(host.only_id("/engine-rest/process-instance?suspended=true").await, a);
    let instructions = json!([{"type": "cancel", "activityId": "first"}, {"type": "startBeforeActivity", "activityId": "inner"}]);
    let mapped = json!([{"type": "startBeforeActivity", "activityId": "held"}]);
    host.post(&modification(&a), json!({"instructions": mapped, "skipIoMappings": true})).await.error(400, REFUSED);
    // What is cancelled has an output that nothing gives.
    host.post(&modification(&a), json!({"instructions": instructions, "skipIoMappings": true})).await.no_content();
    let waiting = &host.tree(&a).await["childActivityInstances"][0]["childTransitionInstances"][0];
    assert_eq!(waiting["activityId"], "inner");
    host.put(path, json!({"suspended": true, "processDefinitionKey": "nested"})).await.no_content();
    assert_eq!(host.count("/engine-rest/process-instance/count?suspended=true").await, 2);
    host.put(path, json!({"suspended": false, "processInstanceIds": [a, b]})).await.no_content();
    assert_eq!(host.count("/engine-rest/process-instance/count?active=true").await, 2);
    let job = host.only_id(&format!("/engine-rest/job?processInstanceId={a}")).await;
    host.raw("POST", &format!("/engine-rest/job/{job}/execute"), Vec::new()).await.no_content();
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=inner").await, 1);

    host.put(path, json!({"suspended": true})).await.error(400, REFUSED);
    host.put(path, json!({"suspended": true, "processInstanceIds": [NOBODY]})).await.error(404, REFUSED);
    host.put(path, json!({"suspended": true, "processInstanceIds": [a], "processDefinitionKey": "nested"})).await.error(400, REFUSED);
    host.put(path, json!({"processInstanceIds": [a]})).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn the_same_key_modifies_an_instance_once() {
    let host = Host::open().await;
    let deployed = host.deploy("nested", &nested()).await;
    let definition = deployed["deployedProcessDefinitions"].as_object().expect("one").keys().next().expect("one").clone();
    let id = host.start("nested", json!({})).await;
    let instructions = json!([{"type": "startBeforeActivity", "activityId": "first"}]);
    let send = async |path: &str, body: Value| {
        let request = Request::post(path).header("Idempotency-Key", "move-1").header("content-type", "application/json");
        host.send(request.body(Body::from(body.to_string())).expect("a request")).await
    };
    let one = json!({"instructions": instructions});
    let several = json!({"instructions": instructions, "processDefinitionId": definition, "processInstanceIds": [id]});
    let (one_path, several_path) = (modification(&id), "/engine-rest/modification/execute");
    for (path, body, replayed) in [(&*one_path, &one, false), (&*one_path, &one, true), (several_path, &several, true)] {
        let answer = send(path, body.clone()).await;
        answer.no_content();
        assert_eq!(answer.headers.contains_key("idempotency-replayed"), replayed, "{path}");
    }
    assert_eq!(host.count(&format!("/engine-rest/task/count?processInstanceId={id}")).await, 2);
    host.close().await;
}
