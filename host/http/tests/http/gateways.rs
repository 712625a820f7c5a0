//! Event-based and inclusive gateways over the API: what is waited for, what wins, and what history says of it.

use serde_json::{Value, json};

use crate::common::{Host, model, model_with};

/// A payment, a refusal or a deadline, whichever comes first, each with a task behind it: `claim`.
fn claim() -> String {
    model_with(
        "<bpmn:message id='m' name='paid'/><bpmn:message id='n' name='refused'/>",
        "<bpmn:process id='claim' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:eventBasedGateway id='wait'/>\
         <bpmn:intermediateCatchEvent id='payment'><bpmn:messageEventDefinition messageRef='m'/></bpmn:intermediateCatchEvent>\
         <bpmn:intermediateCatchEvent id='refusal'><bpmn:messageEventDefinition messageRef='n'/></bpmn:intermediateCatchEvent>\
         <bpmn:intermediateCatchEvent id='deadline'><bpmn:timerEventDefinition><bpmn:timeDuration>P14D</bpmn:timeDuration>\
         </bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>\
         <bpmn:userTask id='book'/><bpmn:userTask id='ask'/><bpmn:userTask id='dun'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='wait'/>\
         <bpmn:sequenceFlow id='f2' sourceRef='wait' targetRef='payment'/><bpmn:sequenceFlow id='f3' sourceRef='payment' targetRef='book'/>\
         <bpmn:sequenceFlow id='f4' sourceRef='wait' targetRef='refusal'/><bpmn:sequenceFlow id='f5' sourceRef='refusal' targetRef='ask'/>\
         <bpmn:sequenceFlow id='f6' sourceRef='wait' targetRef='deadline'/><bpmn:sequenceFlow id='f7' sourceRef='deadline' targetRef='dun'/>\
         </bpmn:process>",
    )
}

/// What an order asks for, each on a branch of its own, then a task: `fulfil`. Who looks at the site may find that there is nothing to do
/// there.
fn fulfil() -> String {
    let condition = |of: &str| format!("<bpmn:conditionExpression xsi:type='bpmn:tFormalExpression'>{of}</bpmn:conditionExpression>");
    model(&format!(
        "<bpmn:process id='fulfil' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:inclusiveGateway id='which' default='nothing'/>\
         <bpmn:userTask id='device'/><bpmn:userTask id='site' default='unfit'/><bpmn:endEvent id='left'/>\
         <bpmn:inclusiveGateway id='done'/><bpmn:userTask id='bill'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='which'/>\
         <bpmn:sequenceFlow id='f2' sourceRef='which' targetRef='device'>{}</bpmn:sequenceFlow>\
         <bpmn:sequenceFlow id='f3' sourceRef='which' targetRef='site'>{}</bpmn:sequenceFlow>\
         <bpmn:sequenceFlow id='nothing' sourceRef='which' targetRef='done'/>\
         <bpmn:sequenceFlow id='f4' sourceRef='device' targetRef='done'/>\
         <bpmn:sequenceFlow id='fit' sourceRef='site' targetRef='done'>{}</bpmn:sequenceFlow>\
         <bpmn:sequenceFlow id='unfit' sourceRef='site' targetRef='left'/>\
         <bpmn:sequenceFlow id='f5' sourceRef='done' targetRef='bill'/></bpmn:process>",
        condition("${devices &gt; 0}"),
        condition("= newSite"),
        condition("= fits"),
    ))
}

/// The activities of an instance in the order in which they began: id, type, whether cancelled, whether over.
async fn history(host: &Host, instance: &str) -> Vec<(String, String, bool, bool)> {
    let path = format!("/engine-rest/history/activity-instance?processInstanceId={instance}&sortBy=occurrence&sortOrder=asc");
    let rows = host.get(&path).await.ok();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let row = |row: &Value| {
        (text(&row["activityId"]), text(&row["activityType"]), row["canceled"].as_bool().expect("a boolean"), !row["endTime"].is_null())
    };
    rows.as_array().expect("a list").iter().map(row).collect()
}

/// The one leaf of the host: where it stands, why, and what it waits for.
async fn waiting(host: &Host) -> Vec<(Value, Value)> {
    let items = host.get("/api/v1/waiting").await.ok()["items"].clone();
    items.as_array().expect("a list").iter().map(|item| (item["activityId"].clone(), item["reason"].clone())).collect()
}

#[tokio::test]
async fn first_of_message_and_timer_wins_and_the_late_one_finds_nobody() {
    let host = Host::open().await;
    host.deploy("claims", &claim()).await;
    let message = |name: &str, instance: &str| json!({"messageName": name, "processInstanceId": instance});
    for by_timer in [false, true] {
        let instance = host.start("claim", json!({})).await;
        assert_eq!(waiting(&host).await, [(json!("wait"), json!("events"))]);
        let tree = host.tree(&instance).await;
        let children = tree["childActivityInstances"].as_array().expect("a list");
        assert_eq!(
            (children.len(), &children[0]["activityId"], &children[0]["activityType"]),
            (1, &json!("wait"), &json!("eventBasedGateway"))
        );
        let job = host.only_id("/engine-rest/job?timers=true").await;
        let execute = format!("/engine-rest/job/{job}/execute");
        host.check_store().await;
        let (event, kind, task) = if by_timer {
            host.post(&execute, json!({})).await.no_content();
            ("deadline", "intermediateTimer", "dun")
        } else {
            host.post("/engine-rest/message", message("paid", &instance)).await.no_content();
            ("payment", "intermediateMessageCatch", "book")
        };
        // What was waited for besides is waited for no longer.
        for late in ["paid", "refused"] {
            host.post("/engine-rest/message", message(late, &instance)).await.error(400, "RestException");
        }
        assert_eq!(host.count("/engine-rest/job/count").await, 0);
        assert_eq!(host.post(&execute, json!({})).await.status, 404);
        let seen = history(&host, &instance).await;
        let row = |id: &str, kind: &str, canceled, over| (id.to_owned(), kind.to_owned(), canceled, over);
        let expected = [
            row("start", "startEvent", false, true),
            row("wait", "eventBasedGateway", true, true),
            row(event, kind, false, true),
            row(task, "userTask", false, false),
        ];
        assert_eq!(seen, expected);
        host.check_store().await;
        host.complete(task, json!({})).await;
    }
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.close().await;
}

#[tokio::test]
async fn inclusive_join_waits_for_what_was_begun_and_for_nothing_else() {
    let host = Host::open().await;
    host.deploy("orders", &fulfil()).await;
    let order = |devices: i64, site: bool| json!({"variables": {"devices": {"value": devices}, "newSite": {"value": site}}});

    // Neither: the default flow leads straight to the join.
    host.start("fulfil", order(0, false)).await;
    host.complete("bill", json!({})).await;

    // Both: the second lets the join go on, whether it comes to it or ends elsewhere.
    for fits in [true, false] {
        let instance = host.start("fulfil", order(2, true)).await;
        host.complete("device", json!({})).await;
        let stands = waiting(&host).await;
        assert!(stands.contains(&(json!("done"), json!("join"))) && stands.contains(&(json!("site"), json!("task"))), "{stands:?}");
        assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=bill").await, 0);
        host.check_store().await;
        host.complete("site", json!({"fits": {"value": fits}})).await;
        host.check_store().await;
        host.complete("bill", json!({})).await;
        let seen = history(&host, &instance).await;
        let joins = seen.iter().filter(|(id, kind, canceled, over)| id == "done" && kind == "inclusiveGateway" && !canceled && *over);
        assert_eq!(joins.count(), if fits { 2 } else { 1 }, "{seen:?}");
    }
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.close().await;
}
