//! Modifications whose chain sends commands: they are deferred, so that a retry, a repetition and another host find the keys sent.

use std::collections::BTreeSet;

use crate::common::{Host, as_variables, commands, on_both, process};
use mandate_runtime::engine::{InstanceId, Variables};
use mandate_runtime::query::Page;
use mandate_runtime::{Error, Finding, Instruction, Modify, Place, Start, Verdict};
use serde_json::json;

/// A person, then two delegates one behind the other, in a sub-process.
const MODEL: &str = r#"
  <bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:endEvent id="e"/>
  <bpmn:subProcess id="sub">
    <bpmn:startEvent id="in"/><bpmn:endEvent id="out"/>
    <bpmn:serviceTask id="a" camunda:class="worker">
      <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R4/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:serviceTask id="b" camunda:class="worker"/>
    <bpmn:sequenceFlow id="g1" sourceRef="in" targetRef="a"/><bpmn:sequenceFlow id="g2" sourceRef="a" targetRef="b"/>
    <bpmn:sequenceFlow id="g3" sourceRef="b" targetRef="out"/>
  </bpmn:subProcess>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/><bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="sub"/>
  <bpmn:sequenceFlow id="f3" sourceRef="sub" targetRef="e"/>"#;

/// How often several are tried at once until two of them meet.
const MOST_ROUNDS: usize = 200;

fn before(id: &str) -> Instruction {
    let at = Place::Before(id.to_owned());
    Instruction::Start { at, ancestor: None, variables: Variables::new(), local_variables: Variables::new() }
}

fn modify(instructions: Vec<Instruction>) -> Modify {
    Modify { instructions, ..Modify::default() }
}

fn cancel(activity_id: &str) -> Instruction {
    Instruction::CancelAll { activity_id: activity_id.to_owned(), current: false }
}

async fn applied(host: &Host, id: InstanceId) -> Vec<String> {
    host.ended(id).await;
    let keys: BTreeSet<_> = host.domain.calls().into_keys().collect();
    assert!(host.domain.calls().values().all(|calls| *calls == 1), "nothing was sent twice: {:?}", host.domain.calls());
    let applied: Vec<_> =
        host.domain.applied().into_iter().map(|applied| applied.body["by"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(keys.len(), applied.len(), "each under a key of its own");
    applied
}

#[tokio::test(flavor = "multi_thread")]
async fn started_delegates_send_once_each_through_retries_and_a_restart() {
    on_both(async |host: Host| {
        host.deploy(process(MODEL)).await;
        let mut script = commands(&[("a", "test.ok@1")]);
        script["b"] = json!({ "failAttempts": 2 });
        let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
        // The same one twice: two tokens, two keys.
        host.runtime.modify_instance(started.id, modify(vec![before("a"), before("a"), cancel("u")])).await.expect("it is modified");
        let host = host.restart().await;
        assert_eq!(applied(&host, started.id).await, ["a", "a"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_before_what_was_started_is_stored() {
    on_both(async |host: Host| {
        host.deploy(process(MODEL)).await;
        let script = commands(&[("a", "test.ok@1"), ("b", "test.ok@1")]);
        let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
        host.runtime.suspend_instance(started.id, true).await.expect("it is suspended");
        host.runtime.modify_instance(started.id, modify(vec![cancel("u"), before("b")])).await.expect("it is modified");
        // Done again, as the second call says.
        host.runtime.modify_instance(started.id, modify(vec![before("a")])).await.expect("it is modified");
        assert_eq!(host.domain.applied().len(), 0);
        let view = host.runtime.instance(started.id).await.expect("it lives");
        assert_eq!(view.instance.jobs().count(), 2, "each token stands before its element");
        host.runtime.suspend_instance(started.id, false).await.expect("it is active");
        let mut all = applied(&host, started.id).await;
        all.sort();
        assert_eq!(all, ["a", "b", "b"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_that_begins_at_a_delegate_sends_once_for_its_start_key() {
    on_both(async |host: Host| {
        host.deploy(process(MODEL)).await;
        let mut script = commands(&[("a", "test.ok@1")]);
        script["b"] = json!({ "failAttempts": 1 });
        let start = Start { idempotency_key: Some("once".into()), ..Start::of_key("p", as_variables(&json!({ "script": script }))) };
        let first = host.runtime.start_with_instructions(start.clone(), modify(vec![before("a")])).await.expect("it starts");
        let second = host.runtime.start_with_instructions(start, modify(vec![before("a")])).await.expect("it was started");
        assert_eq!((first.id, second.existing), (second.id, true));
        assert_eq!(applied(&host, first.id).await, ["a"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_away_that_has_sent_a_command_of_which_nobody_knows() {
    on_both(async |host: Host| {
        host.deploy(process(MODEL)).await;
        let started = host.start_instance(json!({ "script": commands(&[("a", "test.dark@1")]) })).await.expect("it starts");
        host.runtime.modify_instance(started.id, modify(vec![cancel("u"), before("a")])).await.expect("it is modified");
        assert_eq!(host.incident(started.id).await, "COMMAND_OUTCOME_UNKNOWN");
        let [sent] = &host.runtime.reads().ledger_of_instance(started.id.0, Page::ALL).await.expect("read")[..] else {
            panic!("one attempt")
        };
        let again = || modify(vec![cancel("a"), before("b")]);
        let refused = host.runtime.modify_instance(started.id, again()).await;
        let Err(Error::Conflict(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("test.dark@1") && reason.contains(&sent.key) && reason.contains("verdict"), "{reason}");
        // What else there is may be changed.
        host.runtime.modify_instance(started.id, modify(vec![before("u")])).await.expect("it is modified");
        let verdict = Verdict {
            tenant: None,
            command: sent.command.clone(),
            key: sent.key.clone(),
            attempt: sent.attempt,
            finding: Finding::Applied { reply: None },
            by: "ann".into(),
            reason: "asked the service".into(),
        };
        host.runtime.give_verdict(verdict).await.expect("given");
        host.runtime.modify_instance(started.id, modify(vec![cancel("u"), cancel("a"), before("b")])).await.expect("it is decided");
        assert_eq!(applied(&host, started.id).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modification_of_an_instance_that_has_changed_meanwhile_is_refused() {
    let host = Host::start().await;
    host.deploy(process(MODEL)).await;
    let id = host.start_instance(json!({})).await.expect("it starts").id;
    let (mut done, mut refused) = (0, 0);
    for _ in 0..MOST_ROUNDS {
        let one = || host.runtime.modify_instance(id, modify(vec![before("u")]));
        for modified in futures_util::future::join_all((0..4).map(|_| one())).await {
            match modified {
                Ok(before) => done += usize::from(!before),
                Err(Error::Conflict(reason)) if reason.contains("has changed") => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        let view = host.runtime.instance(id).await.expect("it lives");
        assert_eq!(view.instance.tasks().count(), 1 + done, "each was done once or not at all");
        if refused > 0 {
            return;
        }
    }
    panic!("no two of them came at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_that_broke_off_goes_on_under_its_key_where_it_stopped() {
    let host = Host::start().await;
    let definition = host.deploy(process(MODEL)).await.definitions.pop().expect("one was deployed").id;
    let first = host.start_instance(json!({})).await.expect("it starts").id;
    let second = host.start_instance(json!({})).await.expect("it starts").id;
    let keyed = |key: &str| Modify { idempotency_key: Some(key.to_owned()), ..modify(vec![before("u")]) };
    let tasks = async |id| host.runtime.instance(id).await.expect("it lives").instance.tasks().count();
    assert!(!host.runtime.modify_instance(first, keyed("k")).await.expect("it is modified"));
    let several = async |instances: Vec<InstanceId>| host.runtime.modify_instances(&definition, instances, keyed("k")).await;
    assert!(!several(vec![first, second]).await.expect("the second is modified"));
    assert_eq!((tasks(first).await, tasks(second).await), (2, 2));
    assert!(several(vec![first, second]).await.expect("both were"), "nothing is left to do");
    assert!(host.runtime.modify_instance(second, keyed("k")).await.expect("it was"));
    assert!(!host.runtime.modify_instance(second, keyed("another")).await.expect("it is modified"));
    assert_eq!((tasks(first).await, tasks(second).await), (2, 3));
    assert!(matches!(host.runtime.modify_instance(first, keyed("")).await, Err(Error::Invalid(_))));
    let many = Modify { instructions: vec![before("u"); 20_001], ..Modify::default() };
    assert!(matches!(host.runtime.modify_instance(first, many).await, Err(Error::Invalid(_))), "a request has a bound");
}
