//! The stored form: today's code reads yesterday's bytes, and no bytes make it panic.
//!
//! `tests/snapshots/*.hex` were written by the version in their names and never change. A new version adds files of its own:
//! `cargo test -p mandate-engine --test snapshots -- --ignored` writes those that are missing.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots that way")]

#[path = "common/property.rs"]
mod property;

use std::path::PathBuf;

use expect_test::{Expect, expect};
use mandate_engine::limits::MAX_INLINE_ACTIVITIES;
use mandate_engine::{
    ActivityId, Caller, Catch, CatchKind, Chain, Code, DelegateOutcome, Effect, Failure, Input, Instance, InstanceId, NewInstance, News,
    PartId, Report, Retry, Role, SnapshotError, Stored, SubscriptionKind, Variable, Variables, WaitId, step,
};
use mandate_model::ProcessDefinition;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use uuid::Uuid;

/// Everything that an instance can hold stands somewhere in this model.
const MODEL: &str = "
    <definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:camunda='http://camunda.org/schema/1.0/bpmn'
      xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' targetNamespace='t'>
      <message id='msg' name='paid'><extensionElements><zeebe:subscription correlationKey='= number'/></extensionElements></message>
      <signal id='sig' name='alarm'/><signal id='sig2' name='all-clear'/>
      <process id='process' isExecutable='true'>
        <startEvent id='s'/><sequenceFlow id='f1' sourceRef='s' targetRef='fork'/>
        <parallelGateway id='fork'/>
        <sequenceFlow id='f2' sourceRef='fork' targetRef='task'/>
        <sequenceFlow id='f3' sourceRef='fork' targetRef='receive'/>
        <sequenceFlow id='f4' sourceRef='fork' targetRef='later'/>
        <sequenceFlow id='f5' sourceRef='fork' targetRef='sub'/>
        <sequenceFlow id='f6' sourceRef='fork' targetRef='join'/>
        <sequenceFlow id='f7' sourceRef='fork' targetRef='after'/>
        <sequenceFlow id='f19' sourceRef='fork' targetRef='outside'/>
        <sequenceFlow id='f20' sourceRef='fork' targetRef='each'/>
        <sequenceFlow id='toCall' sourceRef='fork' targetRef='call'/>
        <callActivity id='call' calledElement='other'><extensionElements><camunda:out source='r' target='told'/></extensionElements></callActivity>
        <boundaryEvent id='told' attachedToRef='call' cancelActivity='false'><escalationEventDefinition/></boundaryEvent>
        <sequenceFlow id='fromTold' sourceRef='told' targetRef='e'/>
        <userTask id='each'><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask>
        <userTask id='task' camunda:assignee='ann' camunda:candidateUsers='bob' camunda:candidateGroups='sales,ops' camunda:dueDate='2030-01-01T00:00:00Z'/>
        <boundaryEvent id='late' attachedToRef='task' cancelActivity='false'>
          <timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>
        </boundaryEvent>
        <sequenceFlow id='f8' sourceRef='late' targetRef='e'/>
        <boundaryEvent id='alarmed' attachedToRef='task' cancelActivity='false'><signalEventDefinition signalRef='sig'/></boundaryEvent>
        <boundaryEvent id='full' attachedToRef='task'>
          <conditionalEventDefinition><condition>= number > 100</condition></conditionalEventDefinition>
        </boundaryEvent>
        <boundaryEvent id='all' attachedToRef='task' cancelActivity='false' parallelMultiple='true'>
          <messageEventDefinition messageRef='msg'/><signalEventDefinition signalRef='sig2'/><escalationEventDefinition/>
          <timerEventDefinition><timeCycle>R3/PT1H</timeCycle></timerEventDefinition>
          <timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>
        </boundaryEvent>
        <sequenceFlow id='f23' sourceRef='all' targetRef='e'/>
        <sequenceFlow id='f21' sourceRef='alarmed' targetRef='e'/><sequenceFlow id='f22' sourceRef='full' targetRef='e'/>
        <sequenceFlow id='f9' sourceRef='task' targetRef='join'/>
        <serviceTask id='outside' camunda:type='external' camunda:topic='charge' camunda:taskPriority='7'/>
        <receiveTask id='receive' messageRef='msg'/>
        <serviceTask id='later' camunda:jobPriority='5' camunda:class='A' camunda:asyncBefore='true' camunda:exclusive='false'/>
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
    let large = "large ".repeat(200).into();
    [
        ("large", &large),
        ("json", &value),
        ("text", &"täxt".into()),
        ("number", &7.into()),
        ("long", &(1_i64 << 40).into()),
        ("none", &serde_json::Value::Null),
    ]
    .map(|(name, value)| (name.to_owned(), Variable::from_json(value)))
    .into()
}

/// An instance with one of everything, at rest.
fn waiting(definition: &ProcessDefinition) -> Instance {
    let id = InstanceId(Uuid::from_u128(0x0123_4567_89ab_cdef));
    let mut instance = Instance::new(NewInstance {
        id,
        business_key: Some("order-17".into()),
        tenant: Some("acme".into()),
        traceparent: None,
        caller: Some(caller()),
    });
    let element = definition.find("s").expect("it has a start");
    step(definition, &mut instance, Input::Start { element, variables: variables(), chain: Chain::AtOnce }, 1_000).expect("it starts");
    let wait = job(definition, &instance, "later");
    let failure = Failure { code: Code::CommandUnavailable, message: "503".into(), element: None, retry: Retry::Never };
    step(definition, &mut instance, Input::FailJob { wait, failure }, 2_000).expect("the job is there");
    let wait = instance.external_tasks().next().expect("it waits for a worker").wait;
    let (message, variables, local_variables) = (Some("declined".to_owned()), Variables::new(), Variables::new());
    let failed = Input::FailExternalTask { wait, message, details: None, retries: 2, variables, local_variables };
    step(definition, &mut instance, failed, 2_000).expect("the external task is there");
    let wait = instance.calls().next().expect("it calls").wait;
    let report = Report { number: 1, news: News::Escalation { code: Some("LATE".into()), ended: false }, variables: Variables::new() };
    let told = Input::Called { wait, report: Box::new(report), chain: Chain::Deferred };
    step(definition, &mut instance, told, 2_000).expect("the call is there");
    let task = instance.tasks().find(|task| definition.find("task") == Some(task.element)).expect("it waits for a person").clone();
    let (set, remove) = (Variables::from([("draft".to_owned(), Variable::from_json(&"Yes.".into()))]), Vec::new());
    step(definition, &mut instance, Input::SetVariables { scope: task.scope(), set, remove, local: true }, 2_000).expect("it is open");
    for input in all_but_one(definition, &instance, task.wait) {
        step(definition, &mut instance, input, 2_000).expect("it is waited for");
    }
    instance
}

/// What has happened of the event `all`, which goes on waiting for a signal.
fn all_but_one(definition: &ProcessDefinition, instance: &Instance, task: WaitId) -> Vec<Input> {
    let of_all = |element: mandate_model::ElementIndex| &*definition.element(element).id == "all";
    let jobs = instance.jobs().filter(|job| of_all(job.element)).map(|job| Input::RunJob { wait: job.wait });
    let messages = instance.subscriptions().filter(|it| of_all(it.element) && it.kind == SubscriptionKind::Message);
    let none = Variables::new;
    let messages =
        messages.map(|it| Input::Message { wait: it.wait, variables: none(), local_variables: none(), triggered_variables: none() });
    let escalation = Input::EscalateFromTask { wait: task, code: "LATE".into(), variables: none() };
    jobs.chain(messages).chain([escalation]).collect()
}

fn caller() -> Caller {
    let catches = vec![
        Catch { kind: CatchKind::Error, code: Some("E".into()) },
        Catch { kind: CatchKind::Escalation { interrupting: true }, code: None },
        Catch { kind: CatchKind::Escalation { interrupting: false }, code: None },
        Catch { kind: CatchKind::EscalationOfSeveral, code: None },
    ];
    let of = |id| InstanceId(Uuid::from_u128(id));
    Caller { instance: of(3), wait: WaitId(9), root: of(2), depth: 2, catches }
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

/// A fork to more branches than are stored with the snapshot.
fn wide() -> (ProcessDefinition, Instance) {
    use std::fmt::Write as _;
    let mut model = "<startEvent id='s'/><parallelGateway id='fork'/><sequenceFlow id='f' sourceRef='s' targetRef='fork'/>".to_owned();
    for n in 0..MAX_INLINE_ACTIVITIES + 2 {
        let _ = write!(model, "<userTask id='t{n}'/><sequenceFlow id='f{n}' sourceRef='fork' targetRef='t{n}'/>");
    }
    let model = format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' targetNamespace='t'>\
         <process id='wide' isExecutable='true'>{model}</process></definitions>"
    );
    let parsed = mandate_model::parse("wide.bpmn", model.as_bytes()).unwrap_or_else(|all| panic!("{all:#?}"));
    let definition = parsed.processes.into_iter().next().expect("there is one process");
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let id = InstanceId(Uuid::from_u128(7));
    let mut instance = Instance::new(NewInstance { id, business_key: None, tenant: None, traceparent, caller: None });
    let element = definition.find("s").expect("it has a start");
    step(&definition, &mut instance, Input::Start { element, variables: Variables::new(), chain: Chain::AtOnce }, 1_000)
        .expect("it starts");
    (definition, instance)
}

/// An instance that undoes a part of what has completed: records of an activity and of a scope, and a scope at work.
fn undoing() -> (ProcessDefinition, Instance) {
    let scope = |id: &str| {
        format!(
            "<subProcess id='{id}'><startEvent id='{id}s'/><task id='{id}t'/><sequenceFlow id='{id}f' sourceRef='{id}s' targetRef='{id}t'/>\
             <boundaryEvent id='{id}b' attachedToRef='{id}t'><compensateEventDefinition/></boundaryEvent>\
             <userTask id='{id}u' isForCompensation='true'/><association id='{id}a' sourceRef='{id}b' targetRef='{id}u'/></subProcess>"
        )
    };
    let model = format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' targetNamespace='t'><process id='undoing' isExecutable='true'>\
         <startEvent id='s'/>{}{}<task id='t'/><boundaryEvent id='b' attachedToRef='t'><compensateEventDefinition/></boundaryEvent>\
         <task id='u' isForCompensation='true'/><association id='a' sourceRef='b' targetRef='u'/><endEvent id='e'><compensateEventDefinition \
         activityRef='p'/></endEvent><sequenceFlow id='f1' sourceRef='s' targetRef='p'/><sequenceFlow id='f2' sourceRef='p' targetRef='q'/>\
         <sequenceFlow id='f3' sourceRef='q' targetRef='t'/><sequenceFlow id='f4' sourceRef='t' targetRef='e'/></process></definitions>",
        scope("p"),
        scope("q")
    );
    let parsed = mandate_model::parse("undoing.bpmn", model.as_bytes()).unwrap_or_else(|all| panic!("{all:#?}"));
    let definition = parsed.processes.into_iter().next().expect("there is one process");
    let id = InstanceId(Uuid::from_u128(8));
    let mut instance = Instance::new(NewInstance { id, business_key: None, tenant: None, traceparent: None, caller: None });
    let element = definition.find("s").expect("it has a start");
    step(&definition, &mut instance, Input::Start { element, variables: Variables::new(), chain: Chain::AtOnce }, 1_000)
        .expect("it starts");
    (definition, instance)
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}")
}

/// Stored bytes as hexadecimal lines, framed as `common/property.rs` reads them.
fn print(stored: &Stored) -> String {
    let parts: Vec<_> = stored.parts.iter().map(|(part, bytes)| (part.activity.0, &part.variable, bytes)).collect();
    let bytes = postcard::to_stdvec(&(&stored.snapshot, parts)).expect("nothing that postcard cannot write");
    let lines: Vec<String> = bytes.chunks(60).map(|line| line.iter().copied().map(hex).collect()).collect();
    lines.join("\n") + "\n"
}

fn job(definition: &ProcessDefinition, instance: &Instance, element: &str) -> WaitId {
    let element = definition.find(element).expect("the model has it");
    instance.jobs().find(|job| job.element == element).expect("it has a job").wait
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name)
}

fn yesterday(name: &str) -> Stored {
    let text: String = std::fs::read_to_string(path(name)).expect("the file is committed").split_whitespace().collect();
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect();
    property::stored(&bytes).expect("it is framed")
}

#[test]
#[ignore = "writes the files of a new version"]
fn write_what_is_missing() {
    let definition = definition();
    let files = [
        ("v1-waiting.hex", waiting(&definition)),
        ("v1-in-unit.hex", in_unit(&definition)),
        ("v1-wide.hex", wide().1),
        ("v1-undoing.hex", undoing().1),
    ];
    for (name, instance) in files {
        if !path(name).exists() {
            std::fs::write(path(name), print(&instance.encode())).expect("the directory is there");
        }
    }
}

/// What is in yesterday's bytes, told so that a change is seen.
fn check(name: &str, expect: Expect) -> Instance {
    let definition = definition();
    let instance = yesterday(name).decode().expect("yesterday's bytes decode");
    assert!(instance.fits(&definition));
    let mut lines =
        vec![format!("{} {:?} {:?} in unit: {}", instance.id(), instance.business_key(), instance.tenant(), instance.in_unit())];
    lines.extend(instance.activities().map(|it| {
        let names: Vec<_> = it.variables.iter().map(|(name, value)| format!("{name}={}", shown(&value.json))).collect();
        let parent = it.parent.map(|parent| parent.0);
        let role = if it.role == Role::Element { String::new() } else { format!("{:?} ", it.role) };
        format!(
            "#{} {} in {parent:?} since {} {:?} {role}{}",
            it.id.0,
            definition.element(it.element).id,
            it.since,
            it.phase,
            names.join(" ")
        )
    }));
    lines.extend(instance.jobs().map(|it| format!("{it:?}")));
    lines.extend(instance.tasks().map(|it| format!("{it:?}")));
    lines.extend(instance.external_tasks().map(|it| format!("{it:?}")));
    lines.extend(instance.subscriptions().map(|it| format!("{it:?}")));
    lines.extend(instance.calls().map(|it| format!("{it:?}")));
    lines.extend(instance.caller().map(|it| format!("{it:?}")));
    lines.extend(instance.incidents().map(|it| format!("{it:?}")));
    expect.assert_eq(&(lines.join("\n") + "\n"));
    instance
}

fn shown(json: &str) -> String {
    if json.len() > 100 { format!("{} bytes", json.len()) } else { json.to_owned() }
}

#[test]
fn version_1_with_activities_apart() {
    let (definition, now) = wide();
    let mut instance = yesterday("v1-wide.hex").decode().expect("yesterday's bytes decode");
    assert_eq!(instance, now);
    assert!(instance.traceparent().is_some_and(|trace| trace.starts_with("00-0af7")));
    // The last branch is apart: it is found, goes on, and its part is all that goes.
    let before = instance.clone();
    let last = definition.find(&format!("t{}", MAX_INLINE_ACTIVITIES + 1)).expect("the model has it");
    let task = instance.tasks().find(|task| task.element == last).expect("it waits");
    let (wait, activity) = (task.wait, task.activity);
    step(&definition, &mut instance, Input::CompleteTask { wait, variables: Variables::new() }, 2_000).expect("the task is there");
    let changes = instance.changes(Some(&before));
    assert_eq!(changes.put, []);
    assert_eq!(changes.remove, [PartId { activity, variable: String::new() }]);
}

#[test]
fn version_1_that_undoes_something() {
    let (definition, now) = undoing();
    let instance = yesterday("v1-undoing.hex").decode().expect("yesterday's bytes decode");
    assert_eq!(instance, now);
    let roles: Vec<_> = instance.activities().map(|it| it.role).filter(|role| *role != Role::Element).collect();
    let of = |id: &str| roles.iter().filter(|role| format!("{role:?}").starts_with(id)).count();
    assert_eq!((of("Completed"), of("EventScope"), of("Compensating")), (2, 1, 1), "{roles:?}");
    let undone: Vec<_> = instance.compensable(&definition).map(|it| definition.element(it.element).id.to_string()).collect();
    assert_eq!(undone, ["qu", "q", "u"]);
}

#[test]
fn version_1_at_rest() {
    let instance = check(
        "v1-waiting.hex",
        expect![[r#"
            00000000-0000-0000-0123-456789abcdef Some("order-17") Some("acme") in unit: false
            #1 process in None since 1000 Active { by: None } json={"a":[1,"two",null],"b":1.5} large=1202 bytes long=1099511627776 none=null number=7 text="täxt"
            #4 task in Some(1) since 1000 Active { by: Some(FlowIndex(1)) } 
            #13 receive in Some(1) since 1000 Active { by: Some(FlowIndex(2)) } 
            #15 later in Some(1) since 1000 Before { by: Some(FlowIndex(3)) } 
            #17 sub in Some(1) since 1000 Active { by: Some(FlowIndex(4)) } local="text"
            #21 stuck in Some(17) since 1000 Joining { by: FlowIndex(21) } 
            #22 join in Some(1) since 1000 Joining { by: FlowIndex(5) } 
            #24 after in Some(1) since 1000 After { flow: Some(FlowIndex(23)) } 
            #26 outside in Some(1) since 1000 Active { by: Some(FlowIndex(7)) } 
            #28 each in Some(1) since 1000 Active { by: Some(FlowIndex(8)) } Body(Body { instances: 2, begun: 2, ended: 0, canceled: 0, first: Some(ActivityId(29)) }) nrOfActiveInstances=2 nrOfCompletedInstances=0 nrOfInstances=2
            #29 each in Some(28) since 1000 Active { by: None } Inner { index: 0 } loopCounter=0
            #30 each in Some(28) since 1000 Active { by: None } Inner { index: 1 } loopCounter=1
            #33 call in Some(1) since 1000 Active { by: Some(FlowIndex(9)) } 
            Job { wait: WaitId(6), activity: ActivityId(4), element: ElementIndex(7), kind: Timer, due: 3601000, first_due: None, retries: 3, failures: 0, exclusive: true, priority: 0, suspended: false, since: 1000, failure: None, failed: None, user: None, cycle: None }
            Job { wait: WaitId(16), activity: ActivityId(15), element: ElementIndex(17), kind: AsyncBefore, due: 1000, first_due: Some(1000), retries: 0, failures: 1, exclusive: false, priority: 5, suspended: false, since: 1000, failure: Some("503"), failed: Some(ElementIndex(17)), user: None, cycle: None }
            Job { wait: WaitId(25), activity: ActivityId(24), element: ElementIndex(25), kind: AsyncAfter, due: 1000, first_due: None, retries: 3, failures: 0, exclusive: true, priority: 0, suspended: false, since: 1000, failure: None, failed: None, user: None, cycle: None }
            Job { wait: WaitId(37), activity: ActivityId(33), element: ElementIndex(3), kind: Return, due: 2000, first_due: None, retries: 3, failures: 0, exclusive: true, priority: 0, suspended: false, since: 2000, failure: None, failed: None, user: None, cycle: None }
            Task { wait: WaitId(12), activity: ActivityId(4), element: ElementIndex(6), assignee: Some("ann"), candidate_users: ["bob"], candidate_groups: ["sales", "ops"], due: Some(1893456000000), follow_up: None, form_key: None, priority: 50, since: 1000, updated: Some(2000), owner: None, delegation: None, name: None, description: None, reports: 1, variables: {"draft": Variable { kind: String, json: "\"Yes.\"", transient: false }} }
            Task { wait: WaitId(31), activity: ActivityId(29), element: ElementIndex(5), assignee: None, candidate_users: [], candidate_groups: [], due: None, follow_up: None, form_key: None, priority: 50, since: 1000, updated: None, owner: None, delegation: None, name: None, description: None, reports: 0, variables: {} }
            Task { wait: WaitId(32), activity: ActivityId(30), element: ElementIndex(5), assignee: None, candidate_users: [], candidate_groups: [], due: None, follow_up: None, form_key: None, priority: 50, since: 1000, updated: None, owner: None, delegation: None, name: None, description: None, reports: 0, variables: {} }
            ExternalTask { wait: WaitId(27), activity: ActivityId(26), element: ElementIndex(15), topic: "charge", priority: 7, retries: Some(2), failures: 1, failure: Some("declined"), since: 1000 }
            Subscription { wait: WaitId(5), activity: ActivityId(4), element: ElementIndex(9), kind: Condition, name: "", correlation_key: None, since: 1000 }
            Subscription { wait: WaitId(7), activity: ActivityId(4), element: ElementIndex(8), kind: Signal, name: "alarm", correlation_key: None, since: 1000 }
            Subscription { wait: WaitId(9), activity: ActivityId(4), element: ElementIndex(11), kind: Signal, name: "all-clear", correlation_key: None, since: 1000 }
            Subscription { wait: WaitId(14), activity: ActivityId(13), element: ElementIndex(16), kind: Message, name: "paid", correlation_key: Some("7"), since: 1000 }
            Called { wait: WaitId(34), activity: ActivityId(33), element: ElementIndex(3), process: "other", since: 1000, heard: 1, deferred: [Escalation { code: Some("LATE"), ended: false }], outputs: Outputs { around: {"told": Variable { kind: Null, json: "null", transient: false }}, local: {}, delivered: {} }, over: false }
            Caller { instance: 00000000-0000-0000-0000-000000000003, wait: WaitId(9), root: 00000000-0000-0000-0000-000000000002, depth: 2, catches: [Catch { kind: Error, code: Some("E") }, Catch { kind: Escalation { interrupting: true }, code: None }, Catch { kind: Escalation { interrupting: false }, code: None }, Catch { kind: EscalationOfSeveral, code: None }] }
            Incident { id: IncidentId(35), wait: None, activity: ActivityId(21), element: ElementIndex(24), failed: None, code: JoinCannotComplete, message: "the parallel gateway 'stuck' waits for another token, and none can come any more", attempt: 1, since: 1000 }
            Incident { id: IncidentId(36), wait: Some(WaitId(16)), activity: ActivityId(15), element: ElementIndex(17), failed: Some(ElementIndex(17)), code: CommandUnavailable, message: "503", attempt: 1, since: 2000 }
        "#]],
    );
    assert_eq!(instance.encode().decode(), Ok(instance));
}

#[test]
fn version_1_in_a_unit_goes_on_where_it_was() {
    let instance = check(
        "v1-in-unit.hex",
        expect![[r#"
            00000000-0000-0000-0123-456789abcdef Some("order-17") Some("acme") in unit: true
            #1 process in None since 1000 Active { by: None } json={"a":[1,"two",null],"b":1.5} large=1202 bytes long=1099511627776 none=null number=7 text="täxt"
            #4 task in Some(1) since 1000 Active { by: Some(FlowIndex(1)) } 
            #13 receive in Some(1) since 1000 Active { by: Some(FlowIndex(2)) } 
            #17 sub in Some(1) since 1000 Active { by: Some(FlowIndex(4)) } local="text"
            #21 stuck in Some(17) since 1000 Joining { by: FlowIndex(21) } 
            #22 join in Some(1) since 1000 Joining { by: FlowIndex(5) } 
            #24 after in Some(1) since 1000 After { flow: Some(FlowIndex(23)) } 
            #26 outside in Some(1) since 1000 Active { by: Some(FlowIndex(7)) } 
            #28 each in Some(1) since 1000 Active { by: Some(FlowIndex(8)) } Body(Body { instances: 2, begun: 2, ended: 0, canceled: 0, first: Some(ActivityId(29)) }) nrOfActiveInstances=2 nrOfCompletedInstances=0 nrOfInstances=2
            #29 each in Some(28) since 1000 Active { by: None } Inner { index: 0 } loopCounter=0
            #30 each in Some(28) since 1000 Active { by: None } Inner { index: 1 } loopCounter=1
            #33 call in Some(1) since 1000 Active { by: Some(FlowIndex(9)) } 
            #40 next in Some(1) since 3000 Active { by: Some(FlowIndex(17)) } 
            Job { wait: WaitId(6), activity: ActivityId(4), element: ElementIndex(7), kind: Timer, due: 3601000, first_due: None, retries: 3, failures: 0, exclusive: true, priority: 0, suspended: false, since: 1000, failure: None, failed: None, user: None, cycle: None }
            Job { wait: WaitId(25), activity: ActivityId(24), element: ElementIndex(25), kind: AsyncAfter, due: 1000, first_due: None, retries: 3, failures: 0, exclusive: true, priority: 0, suspended: false, since: 1000, failure: None, failed: None, user: None, cycle: None }
            Job { wait: WaitId(37), activity: ActivityId(33), element: ElementIndex(3), kind: Return, due: 2000, first_due: None, retries: 3, failures: 0, exclusive: true, priority: 0, suspended: false, since: 2000, failure: None, failed: None, user: None, cycle: None }
            Task { wait: WaitId(12), activity: ActivityId(4), element: ElementIndex(6), assignee: Some("ann"), candidate_users: ["bob"], candidate_groups: ["sales", "ops"], due: Some(1893456000000), follow_up: None, form_key: None, priority: 50, since: 1000, updated: Some(2000), owner: None, delegation: None, name: None, description: None, reports: 1, variables: {"draft": Variable { kind: String, json: "\"Yes.\"", transient: false }} }
            Task { wait: WaitId(31), activity: ActivityId(29), element: ElementIndex(5), assignee: None, candidate_users: [], candidate_groups: [], due: None, follow_up: None, form_key: None, priority: 50, since: 1000, updated: None, owner: None, delegation: None, name: None, description: None, reports: 0, variables: {} }
            Task { wait: WaitId(32), activity: ActivityId(30), element: ElementIndex(5), assignee: None, candidate_users: [], candidate_groups: [], due: None, follow_up: None, form_key: None, priority: 50, since: 1000, updated: None, owner: None, delegation: None, name: None, description: None, reports: 0, variables: {} }
            ExternalTask { wait: WaitId(27), activity: ActivityId(26), element: ElementIndex(15), topic: "charge", priority: 7, retries: Some(2), failures: 1, failure: Some("declined"), since: 1000 }
            Subscription { wait: WaitId(5), activity: ActivityId(4), element: ElementIndex(9), kind: Condition, name: "", correlation_key: None, since: 1000 }
            Subscription { wait: WaitId(7), activity: ActivityId(4), element: ElementIndex(8), kind: Signal, name: "alarm", correlation_key: None, since: 1000 }
            Subscription { wait: WaitId(9), activity: ActivityId(4), element: ElementIndex(11), kind: Signal, name: "all-clear", correlation_key: None, since: 1000 }
            Subscription { wait: WaitId(14), activity: ActivityId(13), element: ElementIndex(16), kind: Message, name: "paid", correlation_key: Some("7"), since: 1000 }
            Called { wait: WaitId(34), activity: ActivityId(33), element: ElementIndex(3), process: "other", since: 1000, heard: 1, deferred: [Escalation { code: Some("LATE"), ended: false }], outputs: Outputs { around: {"told": Variable { kind: Null, json: "null", transient: false }}, local: {}, delivered: {} }, over: false }
            Caller { instance: 00000000-0000-0000-0000-000000000003, wait: WaitId(9), root: 00000000-0000-0000-0000-000000000002, depth: 2, catches: [Catch { kind: Error, code: Some("E") }, Catch { kind: Escalation { interrupting: true }, code: None }, Catch { kind: Escalation { interrupting: false }, code: None }, Catch { kind: EscalationOfSeveral, code: None }] }
            Incident { id: IncidentId(35), wait: None, activity: ActivityId(21), element: ElementIndex(24), failed: None, code: JoinCannotComplete, message: "the parallel gateway 'stuck' waits for another token, and none can come any more", attempt: 1, since: 1000 }
        "#]],
    );
    let definition = definition();
    // The second of the two tokens that were on their way is called after the first has returned.
    let outcome = |wait| Input::DelegateReturned { wait, outcome: DelegateOutcome::Completed { variables: Variables::new() } };
    let mut last = (1..200).rev().map(WaitId);
    let answered = last.find_map(|wait| step(&definition, &mut instance.clone(), outcome(wait), 0).ok()).expect("a call is outstanding");
    assert!(matches!(answered.last(), Some(Effect::CallDelegate(_))), "{answered:?}");
}

fn decode(snapshot: &[u8]) -> Result<Instance, SnapshotError> {
    Instance::decode(snapshot, [])
}

#[test]
fn what_is_not_a_snapshot_is_refused() {
    assert_eq!(decode(&[]), Err(SnapshotError::Empty));
    assert_eq!(decode(&[0]), Err(SnapshotError::UnknownVersion(0)));
    assert_eq!(decode(&[99, 1, 2]), Err(SnapshotError::UnknownVersion(99)));
    assert!(matches!(decode(&[1, 2, 3]), Err(SnapshotError::Damaged(_))));
    let mut longer = waiting(&definition()).encode();
    longer.snapshot.push(0);
    assert!(matches!(longer.decode(), Err(SnapshotError::Damaged(_))));
}

#[test]
fn every_shorter_snapshot_is_refused() {
    let mut stored = in_unit(&definition()).encode();
    while stored.snapshot.pop().is_some() {
        assert!(stored.decode().is_err(), "{} bytes", stored.snapshot.len());
    }
}

#[test]
fn a_part_that_is_missing_or_another_instances_is_refused() {
    for whole in [waiting(&definition()).encode(), wide().1.encode()] {
        for id in whole.parts.keys() {
            let mut less = whole.clone();
            let content = less.parts.remove(id).expect("it is there");
            assert!(less.decode().is_err(), "without {id:?}");
            let mut elsewhere = less.clone();
            elsewhere.parts.insert(PartId { activity: ActivityId(9_999), ..id.clone() }, content.clone());
            assert!(elsewhere.decode().is_err(), "{id:?} of another activity");
            let mut shorter = whole.clone();
            shorter.parts.insert(id.clone(), Vec::new());
            assert_eq!(shorter.decode(), Err(SnapshotError::Empty));
        }
        let mut more = whole.clone();
        more.parts.insert(PartId { activity: ActivityId(1), variable: "nobody's".to_owned() }, vec![1, b'1']);
        assert!(more.decode().is_err());
    }
}

#[test]
fn large_variable_is_written_when_it_changes_and_only_then() {
    let definition = definition();
    let mut instance = waiting(&definition);
    let large = PartId { activity: instance.root(), variable: "large".to_owned() };
    assert!(instance.encode().parts.contains_key(&large));
    let mut set = |name: &str, value: serde_json::Value| {
        let before = instance.clone();
        let set = Variables::from([(name.to_owned(), Variable::from_json(&value))]);
        let scope = instance.root();
        step(&definition, &mut instance, Input::SetVariables { scope, set, remove: Vec::new(), local: true }, 3_000).expect("it fits");
        instance.changes(Some(&before))
    };
    assert_eq!(set("number", 8.into()).put, []);
    let changes = set("large", "other ".repeat(300).into());
    assert_eq!(changes.put.iter().map(|(id, _)| id).collect::<Vec<_>>(), [&large]);
    let changes = set("large", "small".into());
    assert_eq!((changes.put, changes.remove, changes.parts), (vec![], vec![large], 0));
}

proptest! {
    // Failures are printed with what made them; no file is written.
    #![proptest_config(ProptestConfig { failure_persistence: Some(Box::new(FileFailurePersistence::Off)), ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), in_a_unit: bool) {
        let definition = definition();
        let mut bytes = if in_a_unit { in_unit(&definition) } else { waiting(&definition) }.encode();
        for (place, value) in changes {
            let place = place.index(bytes.snapshot.len());
            bytes.snapshot[place] = value;
        }
        if let Ok(instance) = bytes.decode() {
            prop_assert_eq!(instance.encode().decode(), Ok(instance.clone()));
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
        let _ = decode(&bytes);
    }
}
