//! Commands behind an input that ends no wait, or in another instance than the unit's own: they are sent from a job that is durable, once.

use mandate_runtime::deploy::Upload;
use mandate_runtime::engine::{InstanceId, JobKind, Phase, PublicId, ROOT_ACTIVITY, Rejection};
use mandate_runtime::{Error, Start};
use serde_json::{Value, json};

use crate::common::{Host, MANIFEST, as_variables, commands, guest, on_both, process};

/// An event sub-process that a condition begins, with a worker `a` inside.
fn when(condition: &str, interrupting: bool) -> String {
    format!(
        "<bpmn:subProcess id='v' triggeredByEvent='true'><bpmn:startEvent id='vs' isInterrupting='{interrupting}'>\
         <bpmn:conditionalEventDefinition><bpmn:condition>{condition}</bpmn:condition></bpmn:conditionalEventDefinition></bpmn:startEvent>\
         <bpmn:serviceTask id='a' camunda:class='worker'/><bpmn:sequenceFlow id='v1' sourceRef='vs' targetRef='a'/></bpmn:subProcess>"
    )
}

async fn applied(host: &Host, expected: &[&str]) {
    host.until(&format!("{expected:?} are applied"), async || host.domain.applied().len() >= expected.len()).await;
    let mut by: Vec<_> = host.domain.applied().into_iter().map(|applied| applied.body["by"].clone()).collect();
    by.sort_by_key(Value::to_string);
    assert_eq!(by, expected.iter().map(|id| json!(id)).collect::<Vec<_>>());
    assert!(host.domain.calls().values().all(|times| *times == 1), "{:?}", host.domain.calls());
}

async fn check(host: &Host) {
    let report = host.runtime.check_store().await.expect("it can be looked at");
    assert_eq!(report.findings, Vec::<String>::new());
}

/// Completes the one task of an instance.
async fn complete(host: &Host, id: InstanceId, variables: Value) {
    let wait = host.runtime.instance(id).await.expect("it lives").instance.tasks().next().expect("it has a task").wait;
    host.runtime.complete_task(PublicId { instance: id, number: wait.0 }, as_variables(&variables)).await.expect("completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_that_a_person_begins_sends_from_its_own_job() {
    on_both(async |host| {
        host.deploy(process(
            "<bpmn:startEvent id='s'/><bpmn:adHocSubProcess id='h'><bpmn:completionCondition>= done = 2</bpmn:completionCondition>\
             <bpmn:userTask id='look'/><bpmn:serviceTask id='a' camunda:class='worker'/></bpmn:adHocSubProcess>\
             <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='h'/>",
        ))
        .await;
        let script = commands(&[("a", "test.ok@1")]);
        let id = host.start_instance(json!({"script": script, "done": 0})).await.expect("it starts").id;
        // What everybody begins with has been sent; the next is begun by hand.
        applied(&host, &["a"]).await;
        let view = host.runtime.instance(id).await.expect("it lives");
        let enabled = |it: &&mandate_runtime::engine::Activity| it.phase == Phase::Enabled { chosen: false };
        let is_worker = |it: &&mandate_runtime::engine::Activity| &*view.definition.model.element(it.element).id == "a";
        let activity = view.instance.activities().filter(enabled).find(is_worker).expect("it may begin").id;
        host.runtime.begin_activity(id, activity).await.expect("begun");
        applied(&host, &["a", "a"]).await;
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variable_that_an_operator_sets_begins_something_that_sends() {
    on_both(async |host| {
        let watched = "<bpmn:startEvent id='s'/><bpmn:userTask id='u'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='u'/>".to_owned();
        host.deploy(process(&(watched + &when("${x > 0}", false)))).await;
        let script = commands(&[("a", "test.ok@1")]);
        let id = host.start_instance(json!({"script": script, "x": 0})).await.expect("it starts").id;
        for x in 1..3 {
            host.runtime.set_variables(id, None, as_variables(&json!({"x": x})), Vec::new()).await.expect("set");
        }
        applied(&host, &["a", "a"]).await;
        host.runtime.suspend_instance(id, true).await.expect("suspended");
        host.runtime.suspend_instance(id, false).await.expect("it goes on");
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn condition_that_holds_at_a_deferred_start_begins_something_that_sends() {
    on_both(async |host| {
        let watched = "<bpmn:startEvent id='s' camunda:asyncBefore='true'/><bpmn:userTask id='u'/>\
                       <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='u'/>"
            .to_owned();
        host.deploy(process(&(watched + &when("${x > 0}", true)))).await;
        let script = commands(&[("a", "test.ok@1")]);
        let id = host.start_instance(json!({"script": script, "x": 1})).await.expect("it starts").id;
        applied(&host, &["a"]).await;
        host.ended(id).await;
        check(&host).await;
    })
    .await;
}

/// `p` calls `q`, which throws an escalation and ends when its task is completed; `p` has this inside.
fn calling(inside: &str) -> Vec<u8> {
    let called = "<bpmn:startEvent id='qs'/><bpmn:userTask id='look'/><bpmn:intermediateThrowEvent id='late'>\
                  <bpmn:escalationEventDefinition escalationRef='esc'/></bpmn:intermediateThrowEvent>\
                  <bpmn:sequenceFlow id='q1' sourceRef='qs' targetRef='look'/><bpmn:sequenceFlow id='q2' sourceRef='look' targetRef='late'/>";
    let caller = format!(
        "<bpmn:startEvent id='s'/><bpmn:callActivity id='c' calledElement='q'><bpmn:extensionElements><camunda:out variables='all'/>\
         </bpmn:extensionElements></bpmn:callActivity><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='c'/>{inside}"
    );
    let model = String::from_utf8(process(&caller)).expect("text");
    let both = format!(
        "<bpmn:escalation id='esc' escalationCode='LATE'/><bpmn:process id='q' isExecutable='true'>{called}</bpmn:process><bpmn:process id=\"p\""
    );
    model.replacen("<bpmn:process id=\"p\"", &both, 1).into_bytes()
}

/// The instance that the one call of an instance has called.
async fn called(host: &Host, id: InstanceId) -> InstanceId {
    let view = host.runtime.instance(id).await.expect("it lives");
    let call = view.instance.calls().next().expect("it calls").wait;
    InstanceId::called(id, call)
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_a_call_begins_something_that_sends() {
    on_both(async |host| {
        host.deploy(calling(&when("${x > 0}", false))).await;
        let script = commands(&[("a", "test.ok@1")]);
        let id = host.start_instance(json!({"script": script, "x": 0})).await.expect("it starts").id;
        complete(&host, called(&host, id).await, json!({"x": 1})).await;
        applied(&host, &["a"]).await;
        host.ended(id).await;
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn report_whose_job_fails_after_a_command_is_not_taken_up_by_the_next_one() {
    on_both(async |host| {
        // The escalation leads to two workers, of which the second fails at first; the end of the call waits behind it.
        host.deploy(calling(
            "<bpmn:boundaryEvent id='b' attachedToRef='c' cancelActivity='false'><bpmn:escalationEventDefinition escalationRef='esc'/>\
             </bpmn:boundaryEvent><bpmn:serviceTask id='a' camunda:class='worker'/><bpmn:serviceTask id='z' camunda:class='worker'/>\
             <bpmn:serviceTask id='o' camunda:class='worker'/><bpmn:sequenceFlow id='f2' sourceRef='b' targetRef='a'/>\
             <bpmn:sequenceFlow id='f3' sourceRef='a' targetRef='z'/><bpmn:sequenceFlow id='f4' sourceRef='c' targetRef='o'/>",
        ))
        .await;
        let mut script = commands(&[("a", "test.ok@1"), ("z", "test.ok@1"), ("o", "test.ok@1")]);
        script["z"]["failAttempts"] = json!(2);
        let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
        complete(&host, called(&host, id).await, json!({})).await;
        host.until("the first report's job has failed", async || {
            let view = host.runtime.instance(id).await.expect("it lives");
            view.instance.jobs().any(|job| job.kind == JobKind::Return && job.failures > 0)
        })
        .await;
        let view = host.runtime.instance(id).await.expect("it lives");
        assert_eq!(view.instance.jobs().count(), 1, "the end of the call waits its turn");
        let job = view.instance.jobs().next().expect("just counted").wait;
        applied(&host, &["a", "z"]).await;
        for fails in [true, false] {
            let ran = host.runtime.execute_job(PublicId { instance: id, number: job.0 }).await;
            assert_eq!(ran.is_err(), fails, "{ran:?}");
        }
        applied(&host, &["a", "o", "z"]).await;
        host.ended(id).await;
        check(&host).await;
    })
    .await;
}

/// A user task whose assignments a delegate is told of.
const TOLD: &str = "<bpmn:startEvent id='s'/><bpmn:userTask id='u'><bpmn:extensionElements>\
                    <camunda:taskListener event='assignment' class='worker'/></bpmn:extensionElements></bpmn:userTask>\
                    <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='u'/>";

#[tokio::test(flavor = "multi_thread")]
async fn delegate_that_is_told_of_changes_of_a_task_sends_nothing() {
    on_both(async |host| {
        let upload = |manifest: &str| {
            let files = [("p.bpmn", process(TOLD)), ("test_scripted.wasm", guest("test_scripted.wasm")), ("mandate.toml", manifest.into())];
            Upload { resources: files.map(|(name, bytes)| (name.to_owned(), bytes)).into(), ..Upload::default() }
        };
        let Err(Error::Deployment(problems)) = host.runtime.deploy(upload(MANIFEST)).await else { panic!("it may send commands") };
        assert!(problems[0].message.contains("which could be sent twice"), "{problems:#?}");
        assert_eq!(problems[0].element_id.as_deref(), Some("u"));
        let without = "[delegates.worker]\nfile = \"test_scripted.wasm\"\nversion = \"2.0.0\"\n";
        host.runtime.deploy(upload(without)).await.expect("it sends nothing");
        let script = json!({ "u": { "set": { "told": true } } });
        let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
        let view = host.runtime.instance(id).await.expect("it lives");
        let task = PublicId { instance: id, number: view.instance.tasks().next().expect("it has a task").wait.0 };
        assert!(view.instance.visible_variable(ROOT_ACTIVITY, "told").is_none(), "nobody has it yet");
        host.runtime.claim_task(task, "ann".to_owned()).await.expect("claimed");
        let view = host.runtime.instance(id).await.expect("it lives");
        assert!(view.instance.visible_variable(ROOT_ACTIVITY, "told").is_some(), "it was told");
        assert_eq!(view.instance.tasks().next().expect("it waits").assignee.as_deref(), Some("ann"));
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delegate_is_told_that_a_task_is_gone_before_what_is_deferred_sends() {
    const NOTES: &str =
        "[delegates.worker]\nfile = \"test_scripted.wasm\"\ncommands = [\"test.ok@1\"]\n[delegates.notes]\nfile = \"test_scripted.wasm\"\n";
    on_both(async |host| {
        let model = |teller: &str| {
            let watched = format!(
                "<bpmn:startEvent id='s'/><bpmn:userTask id='u'><bpmn:extensionElements><camunda:taskListener event='delete' class='{teller}'/>\
                 </bpmn:extensionElements></bpmn:userTask><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='u'/>"
            );
            process(&(watched + &when("${x > 0}", true)))
        };
        let upload = |teller: &str| {
            let files = [("p.bpmn", model(teller)), ("test_scripted.wasm", guest("test_scripted.wasm")), ("mandate.toml", NOTES.into())];
            Upload { resources: files.map(|(name, bytes)| (name.to_owned(), bytes)).into(), ..Upload::default() }
        };
        let Err(Error::Deployment(problems)) = host.runtime.deploy(upload("worker")).await else { panic!("it may send commands") };
        assert!(problems[0].message.contains("(listener for 'delete')"), "{problems:#?}");
        host.runtime.deploy(upload("notes")).await.expect("it sends nothing");
        let mut script = json!({"a": {"commands": [{"name": "test.ok@1", "body": {"by": "$told"}}]}, "u": {"failAttempts": 1}});
        let id = host.start_instance(json!({"script": script, "x": 0})).await.expect("it starts").id;
        // Setting a variable is a single attempt, and nothing of it is stored.
        let set = host.runtime.set_variables(id, None, as_variables(&json!({"x": 1})), Vec::new()).await;
        assert!(matches!(set, Err(Error::UnitFailed(_))), "{set:?}");
        assert_eq!(host.runtime.instance(id).await.expect("it lives").instance.tasks().count(), 1, "the task is where it was");
        script["u"] = json!({"set": {"told": "notes"}});
        host.runtime.set_variables(id, None, as_variables(&json!({"script": script, "x": 2})), Vec::new()).await.expect("set");
        applied(&host, &["notes"]).await;
        host.ended(id).await;
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn start_that_is_deferred_takes_no_transient_variables() {
    let host = Host::start().await;
    host.deploy(process(
        "<bpmn:startEvent id='s'/><bpmn:serviceTask id='a' camunda:class='worker'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='a'/>",
    ))
    .await;
    let mut variables = as_variables(&json!({ "script": commands(&[("a", "test.ok@1")]), "secret": 1 }));
    variables.get_mut("secret").expect("just put there").transient = true;
    let start = Start::of_key("p", variables);
    let refused = host.runtime.start(start).await;
    assert!(matches!(refused, Err(Error::Rejected(Rejection::TransientIsDeferred))), "{refused:?}");
    assert_eq!(host.domain.applied(), []);
}
