//! What becomes of user tasks that people change, over the real host on both databases.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::common::{Host, model_with, on_both, review};

on_both! {
    a_change_has_a_moment_and_a_state
    what_an_update_leaves_out_is_gone_and_the_log_says_from_what
}

const TASK: &str = "/engine-rest/task";
const HISTORY: &str = "/engine-rest/history/task";
const LONG_AGO: &str = "2001-01-01T00:00:00.000%2B0000";
const FAR_AWAY: &str = "2100-01-01T00:00:00.000%2B0000";

/// When a task was changed last, and its state, which history tells alike.
async fn state(host: &Host, id: &str) -> (bool, Value) {
    let task = host.get(&format!("{TASK}/{id}")).await.ok();
    let remembered = host.only(&format!("{HISTORY}?taskId={id}")).await;
    assert_eq!(task["taskState"], remembered["taskState"]);
    (task["lastUpdated"].is_string(), task["taskState"].clone())
}

async fn a_change_has_a_moment_and_a_state(host: Host) {
    host.deploy("reviews", &review()).await;
    let (instance, other) = (host.start("review", json!({})).await, host.start("review", json!({})).await);
    let of = |instance: &str| format!("{TASK}?processInstanceId={instance}");
    let (id, untouched) = (host.only_id(&of(&instance)).await, host.only_id(&of(&other)).await);
    assert_eq!(state(&host, &id).await, (false, json!("Created")));
    // What is the process's is no change of the task.
    host.put(&format!("{TASK}/{id}/variables/everybody_s"), json!({"value": 1})).await.no_content();
    assert_eq!(state(&host, &id).await, (false, json!("Created")));

    for (method, path, body) in [
        ("PUT", "localVariables/seen", json!({"value": true})),
        ("POST", "claim", json!({"userId": "ann"})),
        ("POST", "delegate", json!({"userId": "bob"})),
        ("POST", "identity-links", json!({"userId": "eve", "type": "candidate"})),
    ] {
        let before = host.get(&format!("{TASK}/{id}")).await.ok()["lastUpdated"].to_string();
        host.json(method, &format!("{TASK}/{id}/{path}"), body).await.no_content();
        assert_eq!(state(&host, &id).await, (true, json!("Updated")), "{path}");
        let after = host.get(&format!("{TASK}/{id}")).await.ok()["lastUpdated"].to_string();
        assert!(after >= before || before == "null", "{before} {after}");
    }
    let [first, last] = ["asc", "desc"].map(|order| format!("{TASK}?sortBy=lastUpdated&sortOrder={order}"));
    assert_eq!(host.get(&first).await.ok()[0]["id"], id, "what nobody has changed comes last");
    assert_eq!(host.get(&last).await.ok()[0]["id"], untouched);
    // Of one that nobody has changed it is the creation that counts.
    for (filter, expected) in [(LONG_AGO, 2), (FAR_AWAY, 0)] {
        assert_eq!(host.count(&format!("{TASK}/count?updatedAfter={filter}")).await, expected, "{filter}");
    }
    let task = host.get(&format!("{TASK}/{id}")).await.ok();
    let moment = task["lastUpdated"].as_str().expect("a date");
    let body = json!({"updatedAfter": moment, "processInstanceId": instance});
    assert_eq!(host.post(&format!("{TASK}/count"), body).await.ok()["count"], 0, "after that moment, not in it");

    host.post(&format!("{TASK}/{id}/resolve"), json!({})).await.no_content();
    host.post(&format!("{TASK}/{id}/complete"), json!({})).await.no_content();
    assert_eq!(host.only(&format!("{HISTORY}?taskId={id}")).await["taskState"], "Completed");
    host.delete(&format!("/engine-rest/process-instance/{other}")).await.no_content();
    assert_eq!(host.only(&format!("{HISTORY}?taskId={untouched}")).await["taskState"], "Deleted");
    host.check_store().await;
}

/// A task with a name, and no description.
fn bare() -> String {
    model_with(
        "",
        "<bpmn:process id='bare' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='u'/>\
         <bpmn:userTask id='u' name='Look' camunda:priority='7'/></bpmn:process>",
    )
}

async fn what_an_update_leaves_out_is_gone_and_the_log_says_from_what(host: Host) {
    host.deploy("bare", &bare()).await;
    host.start("bare", json!({})).await;
    let id = host.only_id(TASK).await;
    let update = async |body: Value| {
        let request = Request::put(format!("{TASK}/{id}")).header(header::CONTENT_TYPE, "application/json").header("Mandate-User", "ann");
        host.send(request.body(Body::from(body.to_string())).expect("a request")).await.no_content();
        host.get(&format!("{TASK}/{id}")).await.ok()
    };
    let task = update(json!({"name": "Look", "assignee": "ann"})).await;
    assert_eq!((&task["name"], &task["description"], &task["priority"]), (&json!("Look"), &json!(null), &json!(7)));
    let task = update(json!({"assignee": "ann", "description": "closely"})).await;
    assert_eq!((&task["name"], &task["description"]), (&json!(null), &json!("closely")));
    update(json!({"assignee": "ann"})).await;

    let log = host.get("/engine-rest/history/user-operation?operationType=Update&sortBy=timestamp&sortOrder=asc").await.ok();
    let entries = log.as_array().expect("a list").iter();
    let mut changes: Vec<_> = entries.map(|it| [it["property"].clone(), it["orgValue"].clone(), it["newValue"].clone()]).collect();
    changes[1..3].sort_by_key(|change| change[0].to_string());
    let expected = [
        [json!("assignee"), json!(null), json!("ann")],
        [json!("description"), json!(null), json!("closely")],
        [json!("name"), json!("Look"), json!(null)],
        [json!("description"), json!("closely"), json!(null)],
    ];
    assert_eq!(changes, expected);
    host.check_store().await;
}
