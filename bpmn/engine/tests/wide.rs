//! Joins of about ten thousand tokens, each of which comes in a step of its own: what a step costs does not grow with those that have come already.

use std::fmt::Write as _;

use mandate_engine::{Effect, HistoryEvent, Input, Instance, InstanceId, LeafState, NewInstance, Variables, step};
use mandate_model::ProcessDefinition;
use uuid::Uuid;

/// A unit of work enters ten thousand elements at most, and the fork's enters more than these.
const BRANCHES: usize = 9_990;

fn parse(elements: &str) -> ProcessDefinition {
    let xml = format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:camunda='http://camunda.org/schema/1.0/bpmn' \
         targetNamespace='t'><process id='p' isExecutable='true'>{elements}</process></definitions>"
    );
    let parsed = mandate_model::parse("wide.bpmn", xml.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
    parsed.processes.into_iter().next().expect("there is one process")
}

fn started(definition: &ProcessDefinition) -> Instance {
    let id = InstanceId(Uuid::from_u128(7));
    let mut instance = Instance::new(NewInstance { id, business_key: None, tenant: None, traceparent: None });
    let element = definition.find("s").expect("it has a start");
    step(definition, &mut instance, Input::Start { element, variables: Variables::new(), hold: false }, 0).expect("it starts");
    instance
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
    let ended = effects.iter().filter(|effect| matches!(effect, Effect::Record(HistoryEvent::ActivityEnded { canceled: false, .. })));
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
        let element = definition.find(id).expect("it is in the model");
        let tasks: Vec<_> = instance.tasks().filter(|task| task.element == element).map(|task| task.wait).collect();
        assert_eq!(tasks.len(), SCOPES);
        for wait in tasks {
            step(&definition, &mut instance, Input::CompleteTask { wait, variables: Variables::new() }, 0).expect("the task is there");
        }
    }
    assert!(instance.is_ended());
}
