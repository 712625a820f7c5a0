//! Tasks, joins and calls beside thousands of others: of tokens that have come already, of tokens that never come, of scopes and of other
//! joins. What a step costs does not grow with them. Where it did, these tests would take minutes.

use std::fmt::Write as _;

use mandate_engine::{
    ActivityEnd, ActivityId, Chain, Code, Effect, HistoryEvent, Input, Instance, InstanceId, LeafState, NewInstance, News, Report, Stop,
    Variable, VariableKind, Variables, WaitId, step,
};
use mandate_model::ProcessDefinition;
use uuid::Uuid;

const BRANCHES: usize = 9_990;

fn parse(elements: &str) -> ProcessDefinition {
    let xml = format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:camunda='http://camunda.org/schema/1.0/bpmn' \
         targetNamespace='t'><process id='p' isExecutable='true'>{elements}</process></definitions>"
    );
    let parsed = mandate_model::parse("wide.bpmn", xml.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
    parsed.processes.into_iter().next().expect("there is one process")
}

fn created() -> Instance {
    let id = InstanceId(Uuid::from_u128(7));
    Instance::new(NewInstance { id, business_key: None, tenant: None, traceparent: None, caller: None })
}

fn started(definition: &ProcessDefinition) -> Instance {
    let mut instance = created();
    let element = definition.find("s").expect("it has a start");
    step(definition, &mut instance, Input::Start { element, variables: Variables::new(), chain: Chain::AtOnce }, 0).expect("it starts");
    instance
}

/// A sequence flow; several between the same two elements have numbers.
fn flow(elements: &mut String, from: &str, to: &str, number: usize) {
    write!(elements, "<sequenceFlow id='{from}_{to}_{number}' sourceRef='{from}' targetRef='{to}'/>").expect("text grows");
}

/// The tasks of an element, the oldest first.
fn tasks_of(definition: &ProcessDefinition, instance: &Instance, id: &str) -> Vec<WaitId> {
    let element = definition.find(id).expect("it is in the model");
    instance.tasks().filter(|task| task.element == element).map(|task| task.wait).collect()
}

fn complete(wait: WaitId) -> Input {
    Input::CompleteTask { wait, variables: Variables::new() }
}

/// What is there for a unit only is found without a look at the others.
#[test]
fn thousands_of_tasks_are_completed_with_a_transient_variable_each() {
    let mut elements = "<startEvent id='s'/><userTask id='u'><multiInstanceLoopCharacteristics><loopCardinality>9990</loopCardinality>\
                        </multiInstanceLoopCharacteristics></userTask>"
        .to_owned();
    flow(&mut elements, "s", "u", 0);
    let definition = parse(&elements);
    let mut instance = started(&definition);
    let passing = Variable { transient: true, ..Variable::new(VariableKind::Integer, "1") };
    for wait in tasks_of(&definition, &instance, "u") {
        let variables = Variables::from([("passing".to_owned(), passing.clone())]);
        step(&definition, &mut instance, Input::CompleteTask { wait, variables }, 0).expect("the task is there");
        assert!(instance.variables(instance.root()).is_some_and(|variables| !variables.contains_key("passing")));
    }
    assert!(instance.is_ended());
}

#[test]
fn ten_thousand_branches_meet_at_one_inclusive_join() {
    let mut elements = "<startEvent id='s'/><sequenceFlow id='f' sourceRef='s' targetRef='fork'/><inclusiveGateway id='fork'/>\
                        <inclusiveGateway id='join' camunda:asyncBefore='true'/><sequenceFlow id='out' sourceRef='join' targetRef='u'/>\
                        <userTask id='u'/><task id='never'/><sequenceFlow id='last' sourceRef='never' targetRef='join'/>"
        .to_owned();
    for branch in 0..BRANCHES {
        write!(elements, "<sequenceFlow id='f{branch}' sourceRef='fork' targetRef='join'/>").expect("text grows");
    }
    let definition = parse(&elements);
    let mut instance = started(&definition);
    let jobs: Vec<_> = instance.jobs().map(|job| job.wait).collect();
    assert_eq!(jobs.len(), BRANCHES);
    let mut effects = Vec::new();
    for (done, wait) in jobs.into_iter().enumerate() {
        assert_eq!(instance.tasks().count(), 0, "after {done} of them the join waits for the others");
        effects = step(&definition, &mut instance, Input::RunJob { wait }, 0).expect("the job is there");
    }
    // By one flow nobody has come, and nobody can.
    let ended = effects.iter().filter(|effect| {
        matches!(effect, Effect::Record(HistoryEvent::ActivityEnded { end: ActivityEnd::Left | ActivityEnd::CompletedScope, .. }))
    });
    assert_eq!((ended.count(), instance.tasks().count()), (BRANCHES, 1));
    let leaves = instance.leaves(&definition);
    assert!(matches!(&leaves[..], [leaf] if matches!(leaf.state, LeafState::Task { .. })), "{leaves:?}");
}

#[test]
fn thousands_of_scopes_each_have_a_join_that_waits() {
    const SCOPES: usize = 3_000;
    let mut elements = "<startEvent id='s'/><sequenceFlow id='f' sourceRef='s' targetRef='fork'/><task id='fork'/>\
                        <subProcess id='sub'><startEvent id='ps'/><sequenceFlow id='pf' sourceRef='ps' targetRef='both'/><task id='both'/>\
                        <sequenceFlow id='pa' sourceRef='both' targetRef='a'/><userTask id='a'/>\
                        <sequenceFlow id='pb' sourceRef='both' targetRef='b'/><userTask id='b'/>\
                        <sequenceFlow id='aj' sourceRef='a' targetRef='j'/><sequenceFlow id='bj' sourceRef='b' targetRef='j'/>\
                        <inclusiveGateway id='j'/><sequenceFlow id='jk' sourceRef='j' targetRef='k'/>\
                        <sequenceFlow id='ak' sourceRef='a' targetRef='k'/><parallelGateway id='k'/></subProcess>"
        .to_owned();
    for scope in 0..SCOPES {
        write!(elements, "<sequenceFlow id='f{scope}' sourceRef='fork' targetRef='t{scope}'/>").expect("text grows");
        write!(elements, "<task id='t{scope}' camunda:asyncBefore='true'/>").expect("text grows");
        write!(elements, "<sequenceFlow id='g{scope}' sourceRef='t{scope}' targetRef='sub'/>").expect("text grows");
    }
    let definition = parse(&elements);
    let mut instance = started(&definition);
    let jobs: Vec<_> = instance.jobs().map(|job| job.wait).collect();
    for wait in jobs {
        step(&definition, &mut instance, Input::RunJob { wait }, 0).expect("the job is there");
    }
    for id in ["a", "b"] {
        let tasks = tasks_of(&definition, &instance, id);
        assert_eq!(tasks.len(), SCOPES);
        for wait in tasks {
            step(&definition, &mut instance, complete(wait), 0).expect("the task is there");
        }
    }
    assert!(instance.is_ended());
}

#[test]
fn loop_through_a_join_beside_twenty_thousand_tokens_meets_its_limit() {
    const TOGETHER: usize = 1_000;
    let mut elements = "<startEvent id='s'/><task id='both'/><userTask id='more'/><userTask id='beside'/><userTask id='go'/>\
                        <inclusiveGateway id='j'/><task id='t'/>"
        .to_owned();
    for (from, to) in [("s", "both"), ("both", "more"), ("both", "go"), ("more", "more"), ("go", "j"), ("j", "t"), ("t", "j")] {
        flow(&mut elements, from, to, 0);
    }
    for number in 0..TOGETHER {
        flow(&mut elements, "more", "beside", number);
    }
    let definition = parse(&elements);
    let mut instance = started(&definition);
    while tasks_of(&definition, &instance, "beside").len() < 20_000 {
        let more = tasks_of(&definition, &instance, "more")[0];
        step(&definition, &mut instance, complete(more), 0).expect("the task is there");
    }
    let go = tasks_of(&definition, &instance, "go")[0];
    let stop = step(&definition, &mut instance, complete(go), 0);
    assert!(matches!(&stop, Err(Stop::Failed(failure)) if failure.code == Code::StepLimit), "{stop:?}");
}

#[test]
fn joins_of_thousands_of_scopes_go_on_in_one_unit_beside_thousands_that_wait() {
    const SCOPES: usize = 9_000;
    // By the flow from `never` nobody comes, so that each join asks who may.
    let sub = |id: &str, beside: &str| {
        let mut inside = format!(
            "<startEvent id='{id}s'/><task id='{id}f'/><inclusiveGateway id='{id}j'/><task id='{id}never'/><userTask id='{id}z'/>{beside}"
        );
        for (from, to) in [("s", "f"), ("f", "j"), ("never", "j"), ("j", "z")] {
            flow(&mut inside, &format!("{id}{from}"), &format!("{id}{to}"), 0);
        }
        format!("<subProcess id='{id}'>{inside}</subProcess>")
    };
    let mut waits = "<userTask id='u'/>".to_owned();
    flow(&mut waits, "af", "u", 0);
    flow(&mut waits, "u", "aj", 0);
    let mut elements = format!("<startEvent id='s'/><task id='fork'/>{}{}", sub("a", &waits), sub("b", ""));
    flow(&mut elements, "s", "fork", 0);
    for number in 0..SCOPES {
        flow(&mut elements, "fork", "a", number);
        flow(&mut elements, "fork", "b", number);
    }
    let definition = parse(&elements);
    let instance = started(&definition);
    let tasks = ["u", "az", "bz"].map(|id| tasks_of(&definition, &instance, id).len());
    assert_eq!(tasks, [SCOPES, 0, SCOPES]);
}

#[test]
fn thousands_of_joins_of_one_scope_each_tell_what_they_wait_for() {
    /// As many as there is room for in a model.
    const JOINS: usize = 4_990;
    let mut elements = "<startEvent id='s'/><task id='fork'/><userTask id='u'/><task id='x'/><userTask id='w'/>".to_owned();
    for (from, to) in [("s", "fork"), ("fork", "u"), ("u", "x"), ("w", "x")] {
        flow(&mut elements, from, to, 0);
    }
    for number in 0..JOINS {
        let join = format!("j{number}");
        write!(elements, "<inclusiveGateway id='{join}'/>").expect("text grows");
        for (from, to) in [("fork", &*join), ("x", &*join), (&*join, "w")] {
            flow(&mut elements, from, to, 0);
        }
    }
    let definition = parse(&elements);
    let instance = started(&definition);
    // As a list of a hundred such instances asks.
    for _ in 0..100 {
        let leaves = instance.leaves(&definition);
        let waits = leaves.iter().filter(|leaf| {
            let LeafState::Join { missing } = &leaf.state else { return false };
            let missing: Vec<_> = missing.iter().map(|flow| &*definition.flow(*flow).id).collect();
            missing == [format!("x_{}_0", definition.element(leaf.element).id)]
        });
        assert_eq!((waits.count(), leaves.len()), (JOINS, JOINS + 1));
    }
}

/// Whether one is still on its way in a scope is known without a look at those outside.
#[test]
fn thousands_of_sub_processes_end_beside_thousands_of_tokens_on_their_way() {
    let mut elements = "<startEvent id='s'/><task id='many' completionQuantity='1000'/>\
                        <subProcess id='sub'><startEvent id='ps'/></subProcess><userTask id='u'/>"
        .to_owned();
    flow(&mut elements, "s", "many", 0);
    for number in 0..30 {
        flow(&mut elements, "many", "sub", number);
    }
    flow(&mut elements, "s", "u", 0);
    let definition = parse(&elements);
    let instance = started(&definition);
    assert_eq!(instance.activities().count(), 2, "the process and its user task");
}

/// A body counts its instances, and each count is a change of a variable: that one condition waits somewhere costs a look at it.
#[test]
fn thousands_of_tasks_are_completed_beside_a_condition() {
    let elements = "<startEvent id='s'/><task id='both'/><userTask id='u'><multiInstanceLoopCharacteristics><loopCardinality>9990</loopCardinality>\
                    </multiInstanceLoopCharacteristics></userTask><intermediateCatchEvent id='c'><conditionalEventDefinition>\
                    <condition>${nrOfCompletedInstances > 9000}</condition></conditionalEventDefinition></intermediateCatchEvent>";
    let mut elements = elements.to_owned();
    for (from, to) in [("s", "both"), ("both", "c"), ("both", "u")] {
        flow(&mut elements, from, to, 0);
    }
    let definition = parse(&elements);
    let mut instance = started(&definition);
    for wait in tasks_of(&definition, &instance, "u") {
        step(&definition, &mut instance, complete(wait), 0).expect("the task is there");
    }
    // What it counts lies in the body, where no other activity sees it.
    let leaves = instance.leaves(&definition);
    assert!(matches!(&leaves[..], [leaf] if matches!(leaf.state, LeafState::Condition { .. })), "{leaves:?}");
}

/// Whether anything else runs or may begin is known without a look at all that does.
#[test]
fn thousands_of_activities_of_an_ad_hoc_sub_process_are_begun_and_end() {
    let mut elements =
        "<startEvent id='s'/><adHocSubProcess id='sub'><userTask id='a'/><completionCondition>${false}</completionCondition>\
                        </adHocSubProcess>"
            .to_owned();
    flow(&mut elements, "s", "sub", 0);
    let definition = parse(&elements);
    let mut instance = started(&definition);
    let leaves = instance.leaves(&definition);
    let mut enabled = leaves.iter().find(|leaf| matches!(leaf.state, LeafState::Enabled { .. })).expect("it may begin").activity;
    for _ in 0..BRANCHES {
        step(&definition, &mut instance, Input::BeginActivity { activity: enabled }, 0).expect("it may begin");
        // Another one takes its place, with the number behind those of the activity and the task that were there before.
        enabled = ActivityId(enabled.0 + 3);
    }
    let tasks = tasks_of(&definition, &instance, "a");
    assert_eq!(tasks.len(), BRANCHES + 1, "the first has begun by itself");
    for wait in tasks {
        step(&definition, &mut instance, complete(wait), 0).expect("the task is there");
    }
    let leaves = instance.leaves(&definition);
    assert!(matches!(&leaves[..], [leaf] if matches!(leaf.state, LeafState::Enabled { .. })), "{leaves:?}");
}

/// The collection is parsed once for all of them.
#[test]
fn thousands_of_instances_run_one_after_the_other_over_one_collection() {
    const ELEMENTS: u32 = 20_000;
    let mut elements = "<startEvent id='s'/><task id='a'><multiInstanceLoopCharacteristics isSequential='true' camunda:collection='items' \
                        camunda:elementVariable='item'/></task>"
        .to_owned();
    flow(&mut elements, "s", "a", 0);
    let definition = parse(&elements);
    let items = format!("[{}]", (0..ELEMENTS).map(|nth| (nth % 10).to_string()).collect::<Vec<_>>().join(","));
    let variables = Variables::from([("items".to_owned(), Variable::new(VariableKind::Json, items))]);
    let mut instance = created();
    let start = Input::Start { element: definition.find("s").expect("it has a start"), variables, chain: Chain::AtOnce };
    let effects = step(&definition, &mut instance, start, 0).expect("it starts");
    let ended = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Record(HistoryEvent::ActivityEnded { end: ActivityEnd::CompletedScope, .. })));
    // And the activity itself, behind which there is nothing.
    assert_eq!((ended.count(), instance.is_ended()), (ELEMENTS as usize + 1, true));
}

/// What each of them holds is looked for among its own waits.
#[test]
fn thousands_of_calls_whose_outcomes_are_deferred_are_read_again() {
    let mut elements =
        "<startEvent id='s'/><callActivity id='c' calledElement='other'><multiInstanceLoopCharacteristics><loopCardinality>9990\
                        </loopCardinality></multiInstanceLoopCharacteristics></callActivity>"
            .to_owned();
    flow(&mut elements, "s", "c", 0);
    let definition = parse(&elements);
    let mut instance = started(&definition);
    let calls: Vec<_> = instance.calls().map(|call| call.wait).collect();
    assert_eq!(calls.len(), BRANCHES);
    for wait in calls {
        let report = Box::new(Report { number: 1, news: News::Completed, variables: Variables::new() });
        step(&definition, &mut instance, Input::Called { wait, report, chain: Chain::Deferred }, 0).expect("the call is there");
    }
    assert_eq!(instance.jobs().count(), BRANCHES);
    assert_eq!(instance.encode().decode().as_ref(), Ok(&instance));
}
