//! A unit of work takes along the asynchronous jobs that come next, where nobody can tell the difference: by what is stored, told and sent
//! it is as if each had been stored by itself.

use std::fmt::Write as _;

use crate::common::{self, Host, commands, process};
use mandate_runtime::Extent;
use mandate_runtime::engine::{InstanceId, Variable};
use mandate_runtime::query::{
    DefinitionFilter, HistoryActivityFilter, HistoryIncidentFilter, HistoryTaskFilter, IncidentState, JobFilter, OfInstances, Page,
};
use serde_json::{Value, json};

/// `quiet` is the scripted guest without any command, `worker` the same with one.
const MANIFEST: &str = r#"
[delegates.quiet]
file = "test_scripted.wasm"
version = "1.0.0"
commands = []

[delegates.quiet.limits]
cpu = "60s"
wall = "60s"

[delegates.worker]
file = "test_scripted.wasm"
version = "1.0.0"
commands = ["test.ok@1", "test.held@1"]
"#;

/// On a slow machine a unit may end earlier than it need: of so many instances some are stored with fewer.
const INSTANCES: u64 = 50;

/// Asynchronous tasks of these ids, done by these delegates, one after the other, and then a user task.
fn chain(tasks: &[(&str, &str)]) -> Vec<u8> {
    let mut elements = String::from(r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/>"#);
    let mut from = "s";
    for (id, delegate) in tasks {
        let _ = write!(
            elements,
            r#"<bpmn:serviceTask id="{id}" camunda:class="{delegate}" camunda:asyncBefore="true">
              <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT1H</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
            </bpmn:serviceTask>
            <bpmn:sequenceFlow id="to_{id}" sourceRef="{from}" targetRef="{id}"/>"#
        );
        from = id;
    }
    let _ = write!(elements, r#"<bpmn:sequenceFlow id="to_u" sourceRef="{from}" targetRef="u"/>"#);
    process(&elements)
}

async fn on_both(model: Vec<u8>, test: impl AsyncFn(&Host)) {
    common::on_both(async |host| {
        host.deploy_with(model.clone(), MANIFEST).await;
        test(&host).await;
    })
    .await;
}

async fn start(host: &Host, variables: Value) -> InstanceId {
    host.start_instance(variables).await.expect("it starts").id
}

async fn waits_at_u(host: &Host, id: InstanceId) {
    host.until("it comes to the user task", async || {
        host.runtime.instance(id).await.is_ok_and(|view| view.instance.tasks().next().is_some())
    })
    .await;
}

async fn variable(host: &Host, id: InstanceId, name: &str) -> Option<Value> {
    let view = host.runtime.instance(id).await.expect("it lives");
    view.instance.variables(view.instance.root())?.get(name).map(Variable::to_json)
}

/// Where the jobs of an instance stand, by their rows.
async fn jobs(host: &Host, id: InstanceId) -> Vec<String> {
    let filter = JobFilter { instances: vec![id.0], ..JobFilter::default() };
    let listed = host.runtime.reads().jobs(filter, Page::ALL, &[]).await.expect("read");
    listed.into_iter().map(|job| job.row.activity_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_leave_nothing_outside_are_stored_with_the_one_before_them() {
    on_both(chain(&[("a", "quiet"), ("b", "quiet"), ("c", "quiet")]), async |host| {
        let before = host.runtime.counters().units;
        for _ in 0..INSTANCES {
            let id = start(host, json!({ "script": { "a": { "set": { "x": 1 } }, "c": { "set": { "y": 2 } } } })).await;
            waits_at_u(host, id).await;
        }
        let units = host.runtime.counters().units - before;
        assert!(units < 4 * INSTANCES, "{units} units, and not one each for the starts and for all jobs");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_of_each_as_if_it_had_been_stored_by_itself() {
    let told = async |host: &Host| {
        let id = start(host, json!({ "script": { "a": { "set": { "x": 1 } }, "b": { "set": { "x": 2 } } } })).await;
        waits_at_u(host, id).await;
        let filter = HistoryActivityFilter { instance: Some(id.0), ..HistoryActivityFilter::default() };
        let activities = host.runtime.reads().history_activities(filter, Page::ALL, &[]).await.expect("read");
        let activities: Vec<_> = activities.into_iter().map(|it| (it.activity_id, it.n, it.attempt, it.ended_at.is_some())).collect();
        (activities, variable(host, id, "x").await)
    };
    on_both(chain(&[("a", "quiet"), ("b", "quiet")]), async |host| {
        let together = told(host).await;
        // Jobs of a delegate that may issue commands are stored each by itself.
        host.deploy(chain(&[("a", "worker"), ("b", "worker")])).await;
        assert_eq!(together, told(host).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_takes_nothing_with_it() {
    on_both(chain(&[("a", "quiet"), ("b", "quiet"), ("c", "quiet")]), async |host| {
        for _ in 0..3 {
            let id = start(host, json!({ "script": { "a": { "set": { "x": 1 } }, "b": { "failAttempts": 1 } } })).await;
            assert_eq!(host.incident(id).await, "DELEGATE_FAILED");
            let view = host.runtime.instance(id).await.expect("it lives");
            let incident = view.instance.incidents().next().expect("just seen");
            let at = &view.definition.model.element(incident.element).id;
            assert_eq!((&**at, incident.attempt), ("b", 1), "its own attempts are counted");
            assert_eq!(variable(host, id, "x").await, Some(json!(1)), "what came before is stored");
            assert_eq!(jobs(host, id).await, ["b"]);
            host.retry(id, 1).await;
            waits_at_u(host, id).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_its_time_keeps_nothing_from_being_stored() {
    on_both(chain(&[("a", "quiet"), ("b", "quiet")]), async |host| {
        // The delegate is known to be quick.
        let id = start(host, json!({ "script": {} })).await;
        waits_at_u(host, id).await;
        for _ in 0..3 {
            let id = start(host, json!({ "script": { "a": { "set": { "x": 1 } }, "b": { "spin": true } } })).await;
            host.until("the first is stored while the second runs", async || variable(host, id, "x").await.is_some()).await;
            assert_eq!(jobs(host, id).await, ["b"]);
            let view = host.runtime.instance(id).await.expect("it lives");
            let job = view.instance.jobs().next().expect("it has one");
            assert_eq!((job.failures, job.failure.as_deref()), (0, None), "its attempt goes on, or begins anew by itself");
            host.runtime.delete_instance(id, None, false).await.expect("deleted");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_leaves_from_a_wait_that_is_stored() {
    // Right before the job of the delegate that sends, and where the job before it goes on to such a delegate by itself.
    for last in ["camunda:asyncBefore='true'", ""] {
        let sends = format!("<bpmn:serviceTask id=\"w\" camunda:class=\"worker\" {last}/>");
        let model = String::from_utf8(chain(&[("a", "quiet"), ("b", "quiet")])).expect("it is text");
        let model = model
            .replace("<bpmn:userTask id=\"u\"/>", &format!("{sends}<bpmn:userTask id=\"u\"/>"))
            .replace("targetRef=\"u\"/>", "targetRef=\"w\"/><bpmn:sequenceFlow id=\"from_w\" sourceRef=\"w\" targetRef=\"u\"/>");
        let stored = if last.is_empty() { "b" } else { "w" };
        on_both(model.into_bytes(), async |host| {
            // Before the second one it is known how quick the delegates are.
            for nth in 1..=3 {
                let id = start(host, json!({ "script": commands(&[("w", "test.held@1")]) })).await;
                host.until("the command is under way", async || host.domain.held() == 1).await;
                assert_eq!(jobs(host, id).await, [stored]);
                host.domain.let_go(1);
                waits_at_u(host, id).await;
                assert_eq!(host.domain.applied().len(), nth);
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_an_operator_has_suspended_is_left_where_it_is() {
    on_both(chain(&[("a", "quiet"), ("b", "quiet")]), async |host| {
        let definitions = host.runtime.job_definitions(DefinitionFilter::default()).await.expect("read");
        let of_b: Vec<_> = definitions.into_iter().filter(|it| it.activity_id == "b").collect();
        for _ in 0..3 {
            host.runtime.suspend_job_definitions(&of_b, true, Extent::Definitions).await.expect("suspended");
            let id = start(host, json!({ "script": { "a": { "set": { "x": 1 } } } })).await;
            host.until("the first is done", async || variable(host, id, "x").await.is_some()).await;
            let view = host.runtime.instance(id).await.expect("it lives");
            assert_eq!(view.instance.jobs().map(|job| job.suspended).collect::<Vec<_>>(), [true]);
            host.runtime.suspend_job_definitions(&of_b, false, Extent::All).await.expect("activated");
            waits_at_u(host, id).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_refuses_is_the_fault_of_the_job_that_made_it() {
    let model = String::from_utf8(chain(&[("a", "quiet")])).expect("it is text");
    let retries =
        "<bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT1H</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>";
    let task = format!("<bpmn:userTask id=\"u\" camunda:assignee=\"${{who}}\" camunda:asyncBefore=\"true\">{retries}</bpmn:userTask>");
    let model = model.replace("<bpmn:userTask id=\"u\"/>", &task);
    on_both(model.into_bytes(), async |host| {
        for _ in 0..3 {
            let id = start(host, json!({ "script": { "a": { "set": { "x": 1 } } }, "who": "w".repeat(1_000) })).await;
            host.incident(id).await;
            assert_eq!(jobs(host, id).await, ["u"]);
            assert_eq!(variable(host, id, "x").await, Some(json!(1)), "what came before is stored");
        }
    })
    .await;
}

/// A fork to a quiet task `a`, whose job runs first, and to `b`, which ends the process.
fn fork(at_b: &str) -> Vec<u8> {
    process(&format!(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:parallelGateway id="g"/>
      <bpmn:serviceTask id="a" camunda:class="quiet" camunda:asyncBefore="true" camunda:jobPriority="9"/>
      <bpmn:parallelGateway id="h"/>
      <bpmn:userTask id="u"/>
      {at_b}
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="g"/>
      <bpmn:sequenceFlow id="f2" sourceRef="g" targetRef="a"/>
      <bpmn:sequenceFlow id="f3" sourceRef="a" targetRef="h"/>
      <bpmn:sequenceFlow id="f4" sourceRef="h" targetRef="u"/>
      <bpmn:sequenceFlow id="f5" sourceRef="h" targetRef="b"/>"#
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_cancelled_in_the_unit_that_made_it_is_in_history() {
    // By a job that is taken along, and by what follows without one.
    for job in ["camunda:asyncBefore=\"true\"", ""] {
        let model = fork(&format!(r#"<bpmn:endEvent id="b" {job}><bpmn:terminateEventDefinition/></bpmn:endEvent>"#));
        on_both(model, async |host| {
            for _ in 0..3 {
                let id = start(host, json!({ "script": {} })).await;
                host.ended(id).await;
                let filter = HistoryTaskFilter { of: of(id), ..HistoryTaskFilter::default() };
                let tasks = host.runtime.reads().remembered_tasks(filter, Page::ALL, &[]).await.expect("read");
                let tasks: Vec<_> = tasks.iter().map(|it| (&*it.row.0.activity_id, it.row.0.ended_at.is_some(), it.row.1)).collect();
                assert_eq!(tasks, [("u", true, true)]);
            }
        })
        .await;
    }
}

/// The token that has done `a` waits at `h` for one that went another way, which is an incident until `b` ends everything.
const IN_VAIN: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:exclusiveGateway id="c" default="to_g"/>
  <bpmn:task id="x"/>
  <bpmn:parallelGateway id="g"/>
  <bpmn:serviceTask id="a" camunda:class="quiet" camunda:asyncBefore="true" camunda:jobPriority="9"/>
  <bpmn:parallelGateway id="h"/>
  <bpmn:endEvent id="b" camunda:asyncBefore="true"><bpmn:terminateEventDefinition/></bpmn:endEvent>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="c"/>
  <bpmn:sequenceFlow id="to_g" sourceRef="c" targetRef="g"/>
  <bpmn:sequenceFlow id="f2" sourceRef="c" targetRef="x"><bpmn:conditionExpression>${false}</bpmn:conditionExpression></bpmn:sequenceFlow>
  <bpmn:sequenceFlow id="f3" sourceRef="x" targetRef="h"/>
  <bpmn:sequenceFlow id="f4" sourceRef="g" targetRef="a"/>
  <bpmn:sequenceFlow id="f5" sourceRef="a" targetRef="h"/>
  <bpmn:sequenceFlow id="f6" sourceRef="g" targetRef="b"/>"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_that_ends_in_the_unit_that_raised_it_is_in_history() {
    on_both(process(IN_VAIN), async |host| {
        for _ in 0..3 {
            let id = start(host, json!({ "script": {} })).await;
            host.ended(id).await;
            let filter = HistoryIncidentFilter { of: of(id), ..HistoryIncidentFilter::default() };
            let found = host.runtime.reads().remembered_incidents(filter, Page::ALL, &[]).await.expect("read");
            let found: Vec<_> = found
                .iter()
                .map(|it| &it.row)
                .map(|it| (&*it.incident.activity_id, &*it.incident.code, it.state, it.incident.ended_at.is_some()))
                .collect();
            assert_eq!(found, [("h", "JOIN_CANNOT_COMPLETE", IncidentState::Deleted, true)]);
        }
    })
    .await;
}

fn of(id: InstanceId) -> OfInstances {
    OfInstances { ids: vec![id.0], ..OfInstances::default() }
}
