//! Processes that call each other: one unit of work for both, on either database; nothing is lost or happens twice, whoever ends what.

use crate::common::{Host, Setup, as_variables, commands, guest, on_both, postgres};
use mandate_runtime::deploy::Upload;
use mandate_runtime::engine::{InstanceId, PublicId};
use mandate_runtime::query::{CallFilter, HistoryInstanceFilter, InstanceFilter, Page};
use mandate_runtime::{Error, Runtime, Start};
use serde_json::{Value, json};

/// A file of processes.
fn file(processes: &str) -> Vec<u8> {
    format!(
        r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
          targetNamespace="test"><bpmn:error id="err" name="e" errorCode="E"/>
          <bpmn:escalation id="esc" escalationCode="LATE"/>{processes}</bpmn:definitions>"#
    )
    .into_bytes()
}

/// A process of elements in a row.
fn row(id: &str, elements: &[(&str, &str)], more: &str) -> String {
    use std::fmt::Write as _;
    let start = format!("{id}_s");
    let mut text = format!("<bpmn:process id='{id}' isExecutable='true' camunda:versionTag='{id}-tag'><bpmn:startEvent id='{start}'/>");
    let mut from = start.as_str();
    for (element, xml) in elements {
        write!(text, "{xml}<bpmn:sequenceFlow id='to_{element}' sourceRef='{from}' targetRef='{element}'/>").expect("text grows");
        from = element;
    }
    text + more + "</bpmn:process>"
}

const ALL: &str = "<bpmn:extensionElements><camunda:in variables='all'/><camunda:in businessKey='${execution.processBusinessKey}'/>\
                   <camunda:out variables='all'/></bpmn:extensionElements>";

fn call(id: &str, of: &str, attributes: &str) -> String {
    format!("<bpmn:callActivity id='{id}' calledElement='{of}' {attributes}>{ALL}</bpmn:callActivity>")
}

fn task(id: &str) -> String {
    format!("<bpmn:userTask id='{id}'/>")
}

const MANIFEST: &str = "[delegates.worker]\nfile = \"test_scripted.wasm\"\ncommands = [\"test.ok@1\", \"test.slow@1\"]\n";

async fn deploy(runtime: &Runtime, processes: &str) {
    let mut resources = vec![("p.bpmn".to_owned(), file(processes))];
    if processes.contains("worker") {
        resources.push(("test_scripted.wasm".to_owned(), guest("test_scripted.wasm")));
        resources.push(("mandate.toml".to_owned(), MANIFEST.as_bytes().to_vec()));
    }
    let report = runtime.deploy(Upload { resources, ..Upload::default() }).await;
    report.unwrap_or_else(|error| panic!("refused: {error:?}"));
}

async fn start(runtime: &Runtime, key: &str, variables: &Value) -> Result<mandate_runtime::Started, Error> {
    let start = Start { business_key: Some("order-1".into()), ..Start::of_key(key, as_variables(variables)) };
    runtime.start(start).await
}

/// What an instance has called, and lives.
async fn called(runtime: &Runtime, by: InstanceId) -> Vec<InstanceId> {
    let calls = CallFilter { of_super: Some(by.0), ..CallFilter::default() };
    let listed = runtime.reads().instances(InstanceFilter { calls, ..InstanceFilter::default() }, Page::ALL, &[]).await.expect("a list");
    listed.iter().map(|row| InstanceId(row.id)).collect()
}

async fn complete(runtime: &Runtime, id: InstanceId, variables: &Value) -> Result<(), Error> {
    let view = runtime.instance(id).await?;
    let wait = view.instance.tasks().next().expect("it has a task").wait;
    runtime.complete_task(PublicId { instance: id, number: wait.0 }, as_variables(variables)).await.map(drop)
}

/// The state of an ended instance and why it ended.
async fn end_of(runtime: &Runtime, id: InstanceId) -> (String, Option<String>) {
    let filter = HistoryInstanceFilter { ids: vec![id.0], ..HistoryInstanceFilter::default() };
    let found = runtime.reads().history_instances(filter, Page::ALL, &[]).await.expect("a list").pop().expect("it is remembered");
    (found.state, found.reason)
}

async fn stands_at(runtime: &Runtime, id: InstanceId) -> Vec<String> {
    let view = runtime.instance(id).await.expect("it lives");
    view.instance.leaves(&view.definition.model).iter().map(|leaf| view.definition.model.element(leaf.element).id.to_string()).collect()
}

async fn check(host: &Host) {
    let report = host.runtime.check_store().await.expect("it can be looked at");
    assert_eq!(report.findings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_through_a_called_process_and_back_is_one_unit() {
    on_both(async |host| {
        let runtime = &host.runtime;
        let inner = row("inner", &[("step", "<bpmn:task id='step'/>")], "");
        let middle = row("middle", &[("deeper", &call("deeper", "inner", "camunda:calledElementBinding='deployment'"))], "");
        let outer = row("outer", &[("c", &call("c", "middle", "")), ("u", &task("u"))], "");
        deploy(runtime, &(inner + &middle + &outer)).await;
        let started = start(runtime, "outer", &json!({"a": 1})).await.expect("it starts");
        assert_eq!(stands_at(runtime, started.id).await, ["u"]);
        let row = runtime.reads().revision(started.id.0).await.expect("read");
        assert_eq!(row, Some(1), "one commit for all of it");
        // All three are remembered, each with its caller and its root.
        let calls = CallFilter { of_root: Some(started.id.0), ..CallFilter::default() };
        let filter = HistoryInstanceFilter { calls, ..HistoryInstanceFilter::default() };
        let all = runtime.reads().history_instances(filter, Page::ALL, &[]).await.expect("a list");
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|it| it.business_key.as_deref() == Some("order-1")));
        assert_eq!(all.iter().filter(|it| it.root_instance == Some(started.id.0)).count(), 2);
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn called_instance_waits_and_gives_back_what_it_was_given_and_more() {
    on_both(async |host| {
        let runtime = &host.runtime;
        deploy(
            runtime,
            &(row("inner", &[("look", &task("look"))], "") + &row("outer", &[("c", &call("c", "inner", "")), ("u", &task("u"))], "")),
        )
        .await;
        let outer = start(runtime, "outer", &json!({"a": 1})).await.expect("it starts").id;
        let [inner] = called(runtime, outer).await.try_into().expect("one");
        check(&host).await;
        let view = runtime.instance(inner).await.expect("it lives");
        assert_eq!(view.instance.business_key(), Some("order-1"));
        complete(runtime, inner, &json!({"b": 2})).await.expect("completed");
        assert_eq!(stands_at(runtime, outer).await, ["u"]);
        let view = runtime.instance(outer).await.expect("it lives");
        let variables = view.instance.variables(view.instance.root()).expect("the root").clone();
        assert_eq!((variables["a"].to_json(), variables["b"].to_json()), (json!(1), json!(2)));
        assert_eq!(end_of(runtime, inner).await, ("COMPLETED".to_owned(), None));
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_escalations_go_through_two_callers() {
    on_both(async |host| {
        let runtime = &host.runtime;
        let throw =
            "<bpmn:intermediateThrowEvent id='late'><bpmn:escalationEventDefinition escalationRef='esc'/></bpmn:intermediateThrowEvent>";
        let error = "<bpmn:endEvent id='bad'><bpmn:errorEventDefinition errorRef='err'/></bpmn:endEvent>";
        let inner = row("inner", &[("late", throw), ("look", &task("look")), ("bad", error)], "");
        let middle = row("middle", &[("deeper", &call("deeper", "inner", ""))], "");
        let watching = "<bpmn:boundaryEvent id='be' attachedToRef='c'><bpmn:errorEventDefinition errorRef='err'/></bpmn:boundaryEvent>\
                        <bpmn:boundaryEvent id='bn' attachedToRef='c' cancelActivity='false'><bpmn:escalationEventDefinition/></bpmn:boundaryEvent>\
                        <bpmn:userTask id='caught'/><bpmn:userTask id='noted'/>\
                        <bpmn:sequenceFlow id='w1' sourceRef='be' targetRef='caught'/><bpmn:sequenceFlow id='w2' sourceRef='bn' targetRef='noted'/>";
        let outer = row("outer", &[("c", &call("c", "middle", ""))], watching);
        deploy(runtime, &(inner + &middle + &outer)).await;
        let outer = start(runtime, "outer", &json!({})).await.expect("it starts").id;
        // The escalation went out in the first unit, and the call goes on.
        assert_eq!(stands_at(runtime, outer).await, ["c", "noted"]);
        let [middle] = called(runtime, outer).await.try_into().expect("one");
        let [inner] = called(runtime, middle).await.try_into().expect("one");
        check(&host).await;
        complete(runtime, inner, &json!({"why": "sold out"})).await.expect("completed");
        assert_eq!(stands_at(runtime, outer).await, ["noted", "caught"]);
        let view = runtime.instance(outer).await.expect("it lives");
        assert_eq!(view.instance.variables(view.instance.root()).expect("the root")["why"].to_json(), json!("sold out"));
        for id in [middle, inner] {
            assert_eq!(end_of(runtime, id).await, ("INTERNALLY_TERMINATED".to_owned(), None));
        }
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_deleted_takes_the_other_along() {
    on_both(async |host| {
        let runtime = &host.runtime;
        let timer = "<bpmn:boundaryEvent id='t' attachedToRef='c'><bpmn:timerEventDefinition><bpmn:timeDuration>P1D</bpmn:timeDuration>\
                     </bpmn:timerEventDefinition></bpmn:boundaryEvent><bpmn:userTask id='later'/><bpmn:sequenceFlow id='w' sourceRef='t' targetRef='later'/>";
        let both = row("inner", &[("look", &task("look"))], "") + &row("middle", &[("d", &call("d", "inner", ""))], "");
        deploy(runtime, &(both + &row("outer", &[("c", &call("c", "middle", ""))], timer))).await;
        let tree = async || {
            let outer = start(runtime, "outer", &json!({})).await.expect("it starts").id;
            let [middle] = called(runtime, outer).await.try_into().expect("one");
            let [inner] = called(runtime, middle).await.try_into().expect("one");
            [outer, middle, inner]
        };
        // From above, and from below: nothing else is left to wait for.
        for doomed in [0, 2] {
            let all = tree().await;
            runtime.delete_instance(all[doomed], Some("no more".to_owned()), false).await.expect("deleted");
            for id in all {
                assert_eq!(end_of(runtime, id).await, ("EXTERNALLY_TERMINATED".to_owned(), Some("no more".to_owned())), "from {doomed}");
            }
        }
        // The caller goes another way.
        let [outer, middle, inner] = tree().await;
        let view = runtime.instance(outer).await.expect("it lives");
        let timer = view.instance.jobs().next().expect("a timer").wait;
        runtime.execute_job(PublicId { instance: outer, number: timer.0 }).await.expect("it fires");
        assert_eq!(stands_at(runtime, outer).await, ["later"]);
        for id in [middle, inner] {
            assert_eq!(end_of(runtime, id).await, ("INTERNALLY_TERMINATED".to_owned(), None));
        }
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_on_both_sides_of_a_call_are_sent_once_each_from_units_of_their_own() {
    on_both(async |host| {
        let runtime = &host.runtime;
        let work = |id: &str| format!("<bpmn:serviceTask id='{id}' camunda:class='worker'/>");
        let inner = row("inner", &[("i1", &work("i1")), ("i2", &work("i2"))], "");
        let outer = row("outer", &[("o1", &work("o1")), ("c", &call("c", "inner", "")), ("o2", &work("o2"))], "");
        deploy(runtime, &(inner + &outer)).await;
        let script = commands(&[("o1", "test.ok@1"), ("i1", "test.ok@1"), ("i2", "test.ok@1"), ("o2", "test.ok@1")]);
        let mut started = Vec::new();
        for _ in 0..20 {
            started.push(start(runtime, "outer", &json!({"script": script})).await.expect("it starts").id);
        }
        for id in &started {
            host.ended(*id).await;
        }
        let calls = host.domain.calls();
        assert_eq!(calls.len(), 80);
        assert!(calls.values().all(|times| *times == 1), "{calls:?}");
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_end_the_calls_of_one_instance_at_once_and_none_counts_twice() {
    let host = Host::start_with(Setup { database: Some(postgres()), ..Setup::default() }).await;
    let other = host.beside(Setup::default()).await;
    let several = "<bpmn:callActivity id='c' calledElement='inner'><bpmn:extensionElements><camunda:in source='loopCounter' target='n'/>\
                   </bpmn:extensionElements><bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>120</bpmn:loopCardinality>\
                   </bpmn:multiInstanceLoopCharacteristics></bpmn:callActivity>";
    let inner = row("inner", &[("work", "<bpmn:task id='work' camunda:asyncBefore='true'/>")], "");
    let outer = row("outer", &[("c", several), ("u", &task("u"))], "");
    deploy(&host.runtime, &(inner + &outer)).await;
    let mut started = Vec::new();
    for at in 0..4 {
        let runtime = if at % 2 == 0 { &host.runtime } else { &other };
        started.push(start(runtime, "outer", &json!({})).await.expect("it starts").id);
    }
    for id in started {
        host.until("all calls have ended", || async { stands_at(&host.runtime, id).await == ["u"] }).await;
        let filter = HistoryInstanceFilter {
            calls: CallFilter { of_super: Some(id.0), ..CallFilter::default() },
            states: vec!["COMPLETED".to_owned()],
            ..HistoryInstanceFilter::default()
        };
        assert_eq!(host.runtime.reads().count_history_instances(filter).await.expect("counted"), 120);
    }
    check(&host).await;
    other.shut_down(std::time::Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn end_of_a_call_is_durable_before_anybody_is_told_and_is_kept_while_the_caller_is_suspended() {
    on_both(async |host| {
        let runtime = &host.runtime;
        deploy(
            runtime,
            &(row("inner", &[("look", &task("look"))], "") + &row("outer", &[("c", &call("c", "inner", "")), ("u", &task("u"))], "")),
        )
        .await;
        let outer = start(runtime, "outer", &json!({})).await.expect("it starts").id;
        let [inner] = called(runtime, outer).await.try_into().expect("one");
        runtime.suspend_instance(outer, true).await.expect("suspended");
        // As in Camunda 7 what it has called is not.
        complete(runtime, inner, &json!({"b": 2})).await.expect("completed");
        // Everything that this host had in memory is gone.
        let host = host.restart().await;
        let runtime = &host.runtime;
        check(&host).await;
        assert!(matches!(complete(runtime, inner, &json!({})).await, Err(Error::NotFound { .. })));
        assert_eq!(stands_at(runtime, outer).await, ["c"]);
        runtime.suspend_instance(outer, false).await.expect("active");
        host.until("it goes on", || async { stands_at(runtime, outer).await == ["u"] }).await;
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_of_what_is_not_there_is_a_failure_that_a_deployment_mends() {
    on_both(async |host| {
        let runtime = &host.runtime;
        let waiting = call("c", "inner", "camunda:asyncBefore='true'").replace(
            "<bpmn:extensionElements>",
            "<bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT1S</camunda:failedJobRetryTimeCycle>",
        );
        let tagged = call("c2", "inner", "camunda:calledElementBinding='versionTag' camunda:calledElementVersionTag='inner-tag'");
        deploy(
            runtime,
            &(row("outer", &[("c", &waiting), ("c2", &tagged), ("u", &task("u"))], "")
                + &row("at-once", &[("x", &call("x", "inner", ""))], "")),
        )
        .await;
        let refused = start(runtime, "at-once", &json!({})).await;
        assert!(matches!(&refused, Err(Error::UnitFailed(failure)) if failure.message.contains("there is no such process")), "{refused:?}");
        let outer = start(runtime, "outer", &json!({})).await.expect("it starts").id;
        assert_eq!(host.incident(outer).await, "CALL_FAILED");
        deploy(runtime, &row("inner", &[("step", "<bpmn:task id='step'/>")], "")).await;
        host.retry(outer, 1).await;
        host.until("it goes on", || async { stands_at(runtime, outer).await == ["u"] }).await;
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn process_that_calls_itself_for_ever_meets_the_bound_and_leaves_nothing() {
    on_both(async |host| {
        let runtime = &host.runtime;
        deploy(runtime, &row("p", &[("c", &call("c", "p", ""))], "")).await;
        let refused = start(runtime, "p", &json!({})).await;
        assert!(matches!(&refused, Err(Error::UnitFailed(failure)) if failure.code.as_str() == "CALL_DEPTH"), "{refused:?}");
        assert_eq!(runtime.reads().count_instances(InstanceFilter::default()).await.expect("counted"), 0);
        // The same from job to job.
        deploy(runtime, &row("q", &[("c", &call("c", "q", "camunda:asyncBefore='true'"))], "")).await;
        start(runtime, "q", &json!({})).await.expect("it starts");
        let stuck = || InstanceFilter { incident_code: Some("CALL_DEPTH".to_owned()), ..InstanceFilter::default() };
        // The incident stands at all callers as well.
        host.until("the bound is met", || async { runtime.reads().count_instances(stuck()).await.expect("counted") == 51 }).await;
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_goes_with_what_its_instances_called_and_not_under_a_caller() {
    on_both(async |host| {
        let runtime = &host.runtime;
        let deploy = async |processes: &str| {
            let resources = vec![("p.bpmn".to_owned(), file(processes))];
            runtime.deploy(Upload { resources, ..Upload::default() }).await.expect("deployed").id.expect("it is stored")
        };
        let of_inner = deploy(&row("inner", &[("look", &task("look"))], "")).await;
        let of_outer = deploy(&row("outer", &[("c", &call("c", "inner", ""))], "")).await;
        start(runtime, "outer", &json!({})).await.expect("it starts");
        let refused = runtime.delete_deployment(&of_inner, true).await;
        assert!(
            matches!(&refused, Err(Error::Conflict(why)) if why.contains("1 instance(s) of definitions that are not deleted")),
            "{refused:?}"
        );
        runtime.delete_deployment(&of_outer, true).await.expect("deleted");
        assert_eq!(runtime.reads().count_instances(InstanceFilter::default()).await.expect("counted"), 0);
        check(&host).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_ends_while_its_caller_is_deleted_or_goes_another_way_ends_once() {
    on_both(async |host| {
        let runtime = &host.runtime;
        let timer = "<bpmn:boundaryEvent id='t' attachedToRef='c'><bpmn:timerEventDefinition><bpmn:timeDuration>P1D</bpmn:timeDuration>\
                     </bpmn:timerEventDefinition></bpmn:boundaryEvent><bpmn:userTask id='later'/><bpmn:sequenceFlow id='w' sourceRef='t' targetRef='later'/>";
        let outer = row("outer", &[("c", &call("c", "inner", "")), ("u", &task("u"))], timer);
        deploy(runtime, &(row("inner", &[("look", &task("look"))], "") + &outer)).await;
        for round in 0..40 {
            let outer = start(runtime, "outer", &json!({})).await.expect("it starts").id;
            let [inner] = called(runtime, outer).await.try_into().expect("one");
            let nothing = json!({});
            let completed = complete(runtime, inner, &nothing);
            if round % 2 == 0 {
                let (completed, deleted) = tokio::join!(completed, runtime.delete_instance(outer, None, false));
                deleted.expect("it is there until it is deleted");
                assert_eq!(end_of(runtime, outer).await.0, "EXTERNALLY_TERMINATED");
                let expected = if completed.is_ok() { "COMPLETED" } else { "EXTERNALLY_TERMINATED" };
                assert_eq!(end_of(runtime, inner).await.0, expected);
                continue;
            }
            let view = runtime.instance(outer).await.expect("it lives");
            let timer = view.instance.jobs().next().expect("a timer").wait;
            let (completed, fired) = tokio::join!(completed, runtime.execute_job(PublicId { instance: outer, number: timer.0 }));
            assert_ne!(completed.is_ok(), fired.is_ok(), "one of them wins: {completed:?} {fired:?}");
            let (place, state) = if completed.is_ok() { ("u", "COMPLETED") } else { ("later", "INTERNALLY_TERMINATED") };
            assert_eq!(stands_at(runtime, outer).await, [place]);
            assert_eq!(end_of(runtime, inner).await.0, state);
            runtime.delete_instance(outer, None, false).await.expect("deleted");
        }
        check(&host).await;
    })
    .await;
}
