//! Executions: every resource that has an `executionId` names the same activity instance by it.

use serde_json::{Value, json};

use crate::common::{Host, fragile, nested, payment};

async fn tree(host: &Host, instance: &str) -> Value {
    host.get(&format!("/engine-rest/process-instance/{instance}/activity-instances")).await.ok()
}

/// Of the history of an element that was entered once.
async fn execution_in_history(host: &Host, activity: &str) -> Value {
    host.only(&format!("/engine-rest/history/activity-instance?activityId={activity}")).await["executionId"].clone()
}

#[tokio::test]
async fn a_task_and_its_timer_are_of_the_activity_instance_inside_its_scope() {
    let host = Host::open().await;
    host.deploy("nested", &nested("2100-01-01T00:00:00Z")).await;
    let instance = host.start("nested", json!({})).await;
    let scope = &tree(&host, &instance).await["childActivityInstances"][0];
    let inner = &scope["childActivityInstances"][0]["id"];
    assert!(inner.as_str().expect("an id").starts_with(&format!("{instance}.")), "{inner}");

    let task = host.only("/engine-rest/task").await;
    assert_eq!((&task["executionId"], &task["processInstanceId"]), (inner, &json!(instance)));
    assert_eq!(execution_in_history(&host, "task").await, *inner);
    assert_eq!(host.only("/engine-rest/job?activityId=task-late").await["executionId"], *inner);
    assert_eq!(host.only("/engine-rest/job?activityId=scope-late").await["executionId"], scope["id"]);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_job_before_its_element_and_its_incident_are_of_the_transition_instance() {
    let host = Host::open().await;
    host.deploy("fragile", &fragile()).await;
    let instance = host.start("fragile", json!({})).await;
    let transition = tree(&host, &instance).await["childTransitionInstances"][0]["executionId"].clone();
    let job = host.only("/engine-rest/job").await;
    assert_eq!(job["executionId"], transition);
    let id = job["id"].as_str().expect("an id");
    host.post(&format!("/engine-rest/job/{id}/execute"), json!({})).await.error(500, "RestException");
    let incident = host.only("/engine-rest/incident").await;
    assert_eq!((&incident["executionId"], &incident["activityId"]), (&transition, &json!("decide")));
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_correlation_names_the_activity_instance_that_waited() {
    let host = Host::open().await;
    host.deploy("payments", &payment()).await;
    let instance = host.start("payment", json!({})).await;
    let waiting = tree(&host, &instance).await["childActivityInstances"][0]["id"].clone();
    let message = json!({"messageName": "paid", "resultEnabled": true});
    let result = host.post("/engine-rest/message", message).await.ok()[0]["execution"].clone();
    assert_eq!(result, json!({"id": waiting, "processInstanceId": instance, "ended": true, "tenantId": null}));
    assert_eq!(execution_in_history(&host, "wait").await, waiting);
    host.check_store().await;
    host.close().await;
}
