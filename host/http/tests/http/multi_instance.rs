//! Activities that run several times, as Camunda 7's clients see them.

use std::collections::BTreeSet;

use mandate_tests::domain::Domain;
use mandate_tests::program::root;
use serde_json::{Value, json};

use crate::common::{Host, model, on_both};

on_both! {
    jobs_around_all_and_around_each_are_told_apart
}

const MANIFEST: &str = "[delegates.worker]\nfile = \"test_scripted.wasm\"\ncommands = [\"test.ok@1\"]\n";

async fn history(host: &Host, activity: &str) -> Vec<Value> {
    let list = host.get(&format!("/engine-rest/history/activity-instance?activityId={activity}")).await.ok();
    list.as_array().expect("a list").clone()
}

#[tokio::test]
async fn two_of_three_votes_are_enough_and_a_delegate_works_through_a_list() {
    let domain = Domain::start().expect("a free port");
    let host = Host::open_before(&domain).await;
    let model = model(
        "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='vote'/>\
         <bpmn:userTask id='vote' name='Vote' camunda:assignee='${voter}'>\
         <bpmn:multiInstanceLoopCharacteristics camunda:collection='voters' camunda:elementVariable='voter'>\
         <bpmn:completionCondition>${nrOfCompletedInstances == 2}</bpmn:completionCondition></bpmn:multiInstanceLoopCharacteristics></bpmn:userTask>\
         <bpmn:sequenceFlow id='f2' sourceRef='vote' targetRef='order'/>\
         <bpmn:serviceTask id='order' camunda:class='worker'>\
         <bpmn:multiInstanceLoopCharacteristics isSequential='true' camunda:collection='${items}' camunda:elementVariable='item'/></bpmn:serviceTask>\
         <bpmn:sequenceFlow id='f3' sourceRef='order' targetRef='last'/><bpmn:userTask id='last'/></bpmn:process>",
    );
    let guest = root().join("delegates/target/wasm32-wasip2/release/test_scripted.wasm");
    let guest = std::fs::read(&guest).unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", guest.display()));
    let files = [("p.bpmn", model.as_bytes()), ("test_scripted.wasm", &guest), ("mandate.toml", MANIFEST.as_bytes())];
    host.upload("/engine-rest/deployment/create", &[("deployment-name", "votes")], &files).await.ok();
    let as_json = |value: Value| json!({"type": "Json", "value": value.to_string()});
    let script = json!({"order": {"commands": [{"name": "test.ok@1", "body": {"n": "$item"}}]}});
    let variables = json!({"voters": as_json(json!(["ann", "bob", "eve"])), "items": as_json(json!([7, 8, 9])), "script": as_json(script)});
    let id = host.start("p", json!({"variables": variables})).await;

    let body = host.tree(&id).await["childActivityInstances"][0].clone();
    assert_eq!((&body["activityId"], &body["activityType"]), (&json!("vote#multiInstanceBody"), &json!("multiInstanceBody")));
    assert_eq!(body["activityName"], json!(null));
    let votes = body["childActivityInstances"].as_array().expect("a list");
    assert_eq!(votes.len(), 3);
    for vote in votes {
        let kind = (&vote["activityId"], &vote["activityType"], &vote["name"]);
        assert_eq!(kind, (&json!("vote"), &json!("userTask"), &json!("Vote")));
        assert_eq!(vote["parentActivityInstanceId"], body["id"]);
    }
    let statistics = host.only("/engine-rest/process-definition/key/p/statistics").await;
    assert_eq!((&statistics["id"], &statistics["instances"]), (&json!("vote"), &json!(3)));

    for voter in ["eve", "ann"] {
        let task = host.only_id(&format!("/engine-rest/task?assignee={voter}")).await;
        host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    }
    // The second vote ends the vote, and its unit goes on to the delegate.
    let last = host.only("/engine-rest/task").await;
    assert_eq!(last["taskDefinitionKey"], "last");
    let applied = domain.applied();
    assert_eq!(applied.iter().map(|it| &it.body["n"]).collect::<Vec<_>>(), [&json!(7), &json!(8), &json!(9)]);
    assert_eq!(applied.iter().map(|it| &it.key).collect::<BTreeSet<_>>().len(), 3, "each has a key of its own");

    let [body] = history(&host, "vote%23multiInstanceBody").await.try_into().expect("one body");
    assert_eq!(
        (&body["activityType"], &body["canceled"], &body["activityName"]),
        (&json!("multiInstanceBody"), &json!(false), &json!(null))
    );
    assert!(body["endTime"].is_string());
    let votes = history(&host, "vote").await;
    assert!(votes.iter().all(|vote| vote["parentActivityInstanceId"] == body["id"] && vote["activityType"] == "userTask"), "{votes:#?}");
    assert_eq!(votes.iter().map(|vote| vote["canceled"] == true).filter(|canceled| *canceled).count(), 1, "bob's");
    let [body] = history(&host, "order%23multiInstanceBody").await.try_into().expect("one body");
    let orders = history(&host, "order").await;
    assert_eq!(orders.len(), 3);
    assert!(orders.iter().all(|order| order["parentActivityInstanceId"] == body["id"] && order["canceled"] == false), "{orders:#?}");
    host.check_store().await;
    host.close().await;
}

async fn jobs_around_all_and_around_each_are_told_apart(host: Host) {
    let model = model(
        "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='a'/>\
         <bpmn:userTask id='a' camunda:asyncBefore='true'><bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT1S\
         </camunda:failedJobRetryTimeCycle></bpmn:extensionElements>\
         <bpmn:multiInstanceLoopCharacteristics camunda:collection='items' camunda:asyncBefore='true'/></bpmn:userTask></bpmn:process>",
    );
    host.deploy("jobs", &model).await;
    let id = host.start("p", json!({})).await;
    let job = host.only_id("/engine-rest/job?activityId=a%23multiInstanceBody").await;
    let before = host.tree(&id).await["childTransitionInstances"][0].clone();
    assert_eq!((&before["activityId"], &before["activityType"]), (&json!("a#multiInstanceBody"), &json!("multiInstanceBody")));

    // There is no list yet: an operator mends that.
    let failed = host.raw("POST", &format!("/engine-rest/job/{job}/execute"), Vec::new()).await;
    assert!(failed.text().contains("the variable 'items', the collection of 'a', is not there"), "{}", failed.text());
    assert_eq!(host.only("/engine-rest/incident").await["activityId"], "a#multiInstanceBody");
    let items = json!({"type": "Json", "value": "[1, 2]"});
    host.put(&format!("/engine-rest/process-instance/{id}/variables/items"), items).await.no_content();
    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 1})).await.no_content();
    host.raw("POST", &format!("/engine-rest/job/{job}/execute"), Vec::new()).await.no_content();

    let body = host.tree(&id).await["childActivityInstances"][0].clone();
    assert_eq!(body["childActivityInstances"], json!([]));
    let inner = body["childTransitionInstances"].as_array().expect("a list");
    assert_eq!(inner.iter().map(|it| &it["activityId"]).collect::<Vec<_>>(), ["a", "a"]);
    assert_eq!(host.count("/engine-rest/job/count?activityId=a").await, 2);
    host.check_store().await;
    host.close().await;
}
