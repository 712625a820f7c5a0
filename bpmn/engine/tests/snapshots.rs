//! The stored form: today's code reads yesterday's bytes, and no bytes make it panic.
//!
//! `tests/snapshots/*.hex` were written by the version in their names and never change. A new version adds files of its own:
//! `cargo test -p mandate-engine --test snapshots -- --ignored` writes those that are missing.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots that way")]

use std::path::PathBuf;

use expect_test::{Expect, expect};
use mandate_engine::{
    Code, DelegateOutcome, Effect, Failure, Input, Instance, InstanceId, NewInstance, Retry, SnapshotError, Variable, Variables, WaitId,
    step,
};
use mandate_model::ProcessDefinition;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use uuid::Uuid;

/// Everything that an instance can hold stands somewhere in this model.
const MODEL: &str = "
    <definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:camunda='http://camunda.org/schema/1.0/bpmn' targetNamespace='t'>
      <message id='msg' name='paid'/>
      <process id='process' isExecutable='true'>
        <startEvent id='s'/><sequenceFlow id='f1' sourceRef='s' targetRef='fork'/>
        <parallelGateway id='fork'/>
        <sequenceFlow id='f2' sourceRef='fork' targetRef='task'/>
        <sequenceFlow id='f3' sourceRef='fork' targetRef='receive'/>
        <sequenceFlow id='f4' sourceRef='fork' targetRef='later'/>
        <sequenceFlow id='f5' sourceRef='fork' targetRef='sub'/>
        <sequenceFlow id='f6' sourceRef='fork' targetRef='join'/>
        <sequenceFlow id='f7' sourceRef='fork' targetRef='after'/>
        <userTask id='task' camunda:assignee='ann' camunda:candidateUsers='bob' camunda:candidateGroups='sales,ops' camunda:dueDate='2030-01-01T00:00:00Z'/>
        <boundaryEvent id='late' attachedToRef='task' cancelActivity='false'>
          <timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>
        </boundaryEvent>
        <sequenceFlow id='f8' sourceRef='late' targetRef='e'/>
        <sequenceFlow id='f9' sourceRef='task' targetRef='join'/>
        <receiveTask id='receive' messageRef='msg'/>
        <serviceTask id='later' camunda:class='A' camunda:asyncBefore='true' camunda:exclusive='false'/>
        <serviceTask id='next' camunda:class='B'/>
        <sequenceFlow id='f10' sourceRef='later' targetRef='both'/>
        <task id='both'/>
        <sequenceFlow id='f11' sourceRef='both' targetRef='next'/>
        <sequenceFlow id='f12' sourceRef='both' targetRef='next'/>
        <subProcess id='sub'>
          <extensionElements><camunda:inputOutput><camunda:inputParameter name='local'>text</camunda:inputParameter></camunda:inputOutput></extensionElements>
          <startEvent id='s2'/><sequenceFlow id='f13' sourceRef='s2' targetRef='lonely'/>
          <exclusiveGateway id='choice' default='f15'/>
          <sequenceFlow id='f14' sourceRef='lonely' targetRef='choice'/>
          <sequenceFlow id='f15' sourceRef='choice' targetRef='stuck'/>
          <sequenceFlow id='f16' sourceRef='choice' targetRef='stuck'><conditionExpression>= false</conditionExpression></sequenceFlow>
          <task id='lonely'/><parallelGateway id='stuck'/>
        </subProcess>
        <task id='after' camunda:asyncAfter='true'/><sequenceFlow id='f17' sourceRef='after' targetRef='e'/>
        <parallelGateway id='join'/><sequenceFlow id='f18' sourceRef='join' targetRef='e'/>
        <endEvent id='e'/>
      </process>
    </definitions>";

fn definition() -> ProcessDefinition {
    let parsed = mandate_model::parse("test.bpmn", MODEL.as_bytes()).unwrap_or_else(|all| panic!("{all:#?}"));
    parsed.processes.into_iter().next().expect("there is one process")
}

fn variables() -> Variables {
    let value = serde_json::json!({"a": [1, "two", null], "b": 1.5});
    [("json", &value), ("text", &"täxt".into()), ("number", &7.into()), ("long", &(1_i64 << 40).into()), ("none", &serde_json::Value::Null)]
        .map(|(name, value)| (name.to_owned(), Variable::from_json(value)))
        .into()
}

/// An instance with one of everything, at rest.
fn waiting(definition: &ProcessDefinition) -> Instance {
    let id = InstanceId(Uuid::from_u128(0x0123_4567_89ab_cdef));
    let mut instance = Instance::new(NewInstance { id, business_key: Some("order-17".into()), tenant: Some("acme".into()) });
    let element = definition.find("s").expect("it has a start");
    step(definition, &mut instance, Input::Start { element, variables: variables(), hold: false }, 1_000).expect("it starts");
    let wait = job(definition, &instance, "later");
    let failure = Failure { code: Code::CommandUnavailable, message: "503".into(), element: None, retry: Retry::Never };
    step(definition, &mut instance, Input::FailJob { wait, failure }, 2_000).expect("the job is there");
    instance
}

/// The same with a delegate running and another token yet to move.
fn in_unit(definition: &ProcessDefinition) -> Instance {
    let mut instance = waiting(definition);
    let wait = job(definition, &instance, "later");
    let effects = step(definition, &mut instance, Input::RunJob { wait }, 3_000).expect("the job is there");
    let Some(Effect::CallDelegate(call)) = effects.last() else { panic!("it calls: {effects:?}") };
    let outcome = DelegateOutcome::Completed { variables: Variables::new() };
    step(definition, &mut instance, Input::DelegateReturned { wait: call.wait, outcome }, 3_000).expect("the call is there");
    assert!(instance.in_unit());
    instance
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}")
}

fn job(definition: &ProcessDefinition, instance: &Instance, element: &str) -> WaitId {
    let element = definition.find(element).expect("the model has it");
    instance.jobs().find(|job| job.element == element).expect("it has a job").wait
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name)
}

fn yesterday(name: &str) -> Vec<u8> {
    let text: String = std::fs::read_to_string(path(name)).expect("the file is committed").split_whitespace().collect();
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal")).collect()
}

#[test]
#[ignore = "writes the files of a new version"]
fn write_what_is_missing() {
    let definition = definition();
    for (name, instance) in [("v1-waiting.hex", waiting(&definition)), ("v1-in-unit.hex", in_unit(&definition))] {
        if !path(name).exists() {
            let bytes = instance.encode();
            let lines: Vec<String> = bytes.chunks(60).map(|line| line.iter().copied().map(hex).collect()).collect();
            std::fs::write(path(name), lines.join("\n") + "\n").expect("the directory is there");
        }
    }
}

/// What is in yesterday's bytes, told so that a change is seen.
fn check(name: &str, expect: Expect) -> Instance {
    let definition = definition();
    let instance = Instance::decode(&yesterday(name)).expect("yesterday's bytes decode");
    assert!(instance.fits(&definition));
    let mut lines =
        vec![format!("{} {:?} {:?} in unit: {}", instance.id(), instance.business_key(), instance.tenant(), instance.in_unit())];
    lines.extend(instance.activities().map(|it| {
        let names: Vec<_> = it.variables.iter().map(|(name, value)| format!("{name}={}", value.json)).collect();
        let parent = it.parent.map(|parent| parent.0);
        format!("#{} {} in {parent:?} since {} {:?} {}", it.id.0, definition.element(it.element).id, it.since, it.phase, names.join(" "))
    }));
    lines.extend(instance.jobs().map(|it| format!("{it:?}")));
    lines.extend(instance.tasks().map(|it| format!("{it:?}")));
    lines.extend(instance.subscriptions().map(|it| format!("{it:?}")));
    lines.extend(instance.incidents().map(|it| format!("{it:?}")));
    expect.assert_eq(&(lines.join("\n") + "\n"));
    instance
}

#[test]
fn version_1_at_rest() {
    let instance = check(
        "v1-waiting.hex",
        expect![[r#"
        00000000-0000-0000-0123-456789abcdef Some("order-17") Some("acme") in unit: false
        #1 process in None since 1000 Active { by: None } json={"a":[1,"two",null],"b":1.5} long=1099511627776 none=null number=7 text="täxt"
        #4 task in Some(1) since 1000 Active { by: Some(FlowIndex(1)) } 
        #7 receive in Some(1) since 1000 Active { by: Some(FlowIndex(2)) } 
        #9 later in Some(1) since 1000 Before { by: Some(FlowIndex(3)) } 
        #11 sub in Some(1) since 1000 Active { by: Some(FlowIndex(4)) } local="text"
        #15 stuck in Some(11) since 1000 Joining { by: FlowIndex(14) } 
        #16 join in Some(1) since 1000 Joining { by: FlowIndex(5) } 
        #18 after in Some(1) since 1000 After { flow: Some(FlowIndex(16)) } 
        Job { wait: WaitId(5), activity: ActivityId(4), element: ElementIndex(4), kind: Timer, due: 3601000, retries: 3, failures: 0, exclusive: true, since: 1000, failure: None }
        Job { wait: WaitId(10), activity: ActivityId(9), element: ElementIndex(6), kind: AsyncBefore, due: 1000, retries: 0, failures: 1, exclusive: false, since: 1000, failure: Some("503") }
        Job { wait: WaitId(19), activity: ActivityId(18), element: ElementIndex(14), kind: AsyncAfter, due: 1000, retries: 3, failures: 0, exclusive: true, since: 1000, failure: None }
        Task { wait: WaitId(6), activity: ActivityId(4), element: ElementIndex(3), assignee: Some("ann"), candidate_users: ["bob"], candidate_groups: ["sales", "ops"], due: Some(1893456000000), since: 1000 }
        Subscription { wait: WaitId(8), activity: ActivityId(7), element: ElementIndex(5), message: "paid", since: 1000 }
        Incident { id: IncidentId(20), wait: None, activity: ActivityId(15), element: ElementIndex(13), code: JoinCannotComplete, message: "the parallel gateway 'stuck' waits for 'f16', on which nothing can arrive any more", attempt: 1, since: 1000 }
        Incident { id: IncidentId(21), wait: Some(WaitId(10)), activity: ActivityId(9), element: ElementIndex(6), code: CommandUnavailable, message: "503", attempt: 1, since: 2000 }
    "#]],
    );
    assert_eq!(Instance::decode(&instance.encode()), Ok(instance));
}

#[test]
fn version_1_in_a_unit_goes_on_where_it_was() {
    let instance = check(
        "v1-in-unit.hex",
        expect![[r#"
        00000000-0000-0000-0123-456789abcdef Some("order-17") Some("acme") in unit: true
        #1 process in None since 1000 Active { by: None } json={"a":[1,"two",null],"b":1.5} long=1099511627776 none=null number=7 text="täxt"
        #4 task in Some(1) since 1000 Active { by: Some(FlowIndex(1)) } 
        #7 receive in Some(1) since 1000 Active { by: Some(FlowIndex(2)) } 
        #11 sub in Some(1) since 1000 Active { by: Some(FlowIndex(4)) } local="text"
        #15 stuck in Some(11) since 1000 Joining { by: FlowIndex(14) } 
        #16 join in Some(1) since 1000 Joining { by: FlowIndex(5) } 
        #18 after in Some(1) since 1000 After { flow: Some(FlowIndex(16)) } 
        #24 next in Some(1) since 3000 Active { by: Some(FlowIndex(10)) } 
        Job { wait: WaitId(5), activity: ActivityId(4), element: ElementIndex(4), kind: Timer, due: 3601000, retries: 3, failures: 0, exclusive: true, since: 1000, failure: None }
        Job { wait: WaitId(19), activity: ActivityId(18), element: ElementIndex(14), kind: AsyncAfter, due: 1000, retries: 3, failures: 0, exclusive: true, since: 1000, failure: None }
        Task { wait: WaitId(6), activity: ActivityId(4), element: ElementIndex(3), assignee: Some("ann"), candidate_users: ["bob"], candidate_groups: ["sales", "ops"], due: Some(1893456000000), since: 1000 }
        Subscription { wait: WaitId(8), activity: ActivityId(7), element: ElementIndex(5), message: "paid", since: 1000 }
        Incident { id: IncidentId(20), wait: None, activity: ActivityId(15), element: ElementIndex(13), code: JoinCannotComplete, message: "the parallel gateway 'stuck' waits for 'f16', on which nothing can arrive any more", attempt: 1, since: 1000 }
    "#]],
    );
    let definition = definition();
    // The second of the two tokens that were on their way is called after the first has returned.
    let outcome = |wait| Input::DelegateReturned { wait, outcome: DelegateOutcome::Completed { variables: Variables::new() } };
    let mut last = (1..200).rev().map(WaitId);
    let answered = last.find_map(|wait| step(&definition, &mut instance.clone(), outcome(wait), 0).ok()).expect("a call is outstanding");
    assert!(matches!(answered.last(), Some(Effect::CallDelegate(_))), "{answered:?}");
}

#[test]
fn what_is_not_a_snapshot_is_refused() {
    assert_eq!(Instance::decode(&[]), Err(SnapshotError::Empty));
    assert_eq!(Instance::decode(&[0]), Err(SnapshotError::UnknownVersion(0)));
    assert_eq!(Instance::decode(&[99, 1, 2]), Err(SnapshotError::UnknownVersion(99)));
    assert!(matches!(Instance::decode(&[1, 2, 3]), Err(SnapshotError::Damaged(_))));
    let mut longer = waiting(&definition()).encode();
    longer.push(0);
    assert!(matches!(Instance::decode(&longer), Err(SnapshotError::Damaged(_))));
}

#[test]
fn every_shorter_snapshot_is_refused() {
    let bytes = in_unit(&definition()).encode();
    for length in 0..bytes.len() {
        assert!(Instance::decode(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
}

proptest! {
    // Failures are printed with what made them; no file is written.
    #![proptest_config(ProptestConfig { failure_persistence: Some(Box::new(FileFailurePersistence::Off)), ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), in_a_unit: bool) {
        let definition = definition();
        let mut bytes = if in_a_unit { in_unit(&definition) } else { waiting(&definition) }.encode();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(instance) = Instance::decode(&bytes) {
            prop_assert_eq!(Instance::decode(&instance.encode()), Ok(instance.clone()));
            if instance.fits(&definition) {
                let _ = instance.leaves(&definition);
            }
            for activity in instance.activities() {
                for variable in instance.visible_variables(activity.id).values() {
                    let _ = variable.to_json();
                }
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400), version in 0..3_u8) {
        bytes.insert(0, version);
        let _ = Instance::decode(&bytes);
    }
}
