//! What one of many instances costs: as much as one of few, in whatever order they end.

use mandate_engine::{
    Cancel, Chain, Changes, Effect, Input, Instance, InstanceId, Instruction, Modification, NewInstance, Site, Stored, Variable, Variables,
    WaitId, step,
};
use mandate_model::ProcessDefinition;
use uuid::Uuid;

/// As many as the issue of this engine asks for: each with an element of its own.
const MANY: usize = 10_000;
const FEW: usize = 10;

/// `s > a > u`, where `a` runs once for each of `items`.
fn model(activity: &str) -> ProcessDefinition {
    let xml = format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:camunda='http://camunda.org/schema/1.0/bpmn' targetNamespace='t'>\
         <process id='p' isExecutable='true'><startEvent id='s'/><sequenceFlow id='f' sourceRef='s' targetRef='a'/>{}<userTask id='u'/>\
         <sequenceFlow id='g' sourceRef='a' targetRef='u'/></process></definitions>",
        activity
            .replace(
                "<results/>",
                "<multiInstanceLoopCharacteristics camunda:collection='items' camunda:elementVariable='item'>\
             <loopDataOutputRef>all</loopDataOutputRef><outputDataItem name='item'/></multiInstanceLoopCharacteristics>"
            )
            .replace(
                "<each/>",
                "<multiInstanceLoopCharacteristics camunda:collection='items' camunda:elementVariable='item'>\
             <completionCondition>${nrOfCompletedInstances &lt; 0}</completionCondition></multiInstanceLoopCharacteristics>"
            )
    );
    let parsed = mandate_model::parse("t.bpmn", xml.as_bytes()).unwrap_or_else(|all| panic!("{all:#?}"));
    parsed.processes.into_iter().next().expect("there is one process")
}

fn start(definition: &ProcessDefinition, instances: usize) -> (Instance, Vec<Effect>) {
    let id = InstanceId(Uuid::from_u128(7));
    let mut instance = Instance::new(NewInstance { id, business_key: None, tenant: None, traceparent: None, caller: None });
    let items: Vec<usize> = (0..instances).collect();
    let variables = Variables::from([("items".to_owned(), Variable::from_json(&items.into()))]);
    let element = definition.find("s").expect("it has a start");
    let effects = step(definition, &mut instance, Input::Start { element, variables, chain: Chain::AtOnce }, 1_000).expect("it starts");
    (instance, effects)
}

/// What a store writes: the snapshot, the parts that have changed, and the keys of those that are gone.
fn bytes(changes: &Changes) -> usize {
    let key = |variable: &str| 8 + variable.len();
    let put: usize = changes.put.iter().map(|(id, bytes)| key(&id.variable) + bytes.len()).sum();
    let remove: usize = changes.remove.iter().map(|id| key(&id.variable)).sum();
    changes.snapshot.len() + put + remove
}

fn average(total: usize, instances: usize) -> usize {
    total.div_ceil(instances)
}

/// Bytes per instance: to begin, and to end each by an input of its own, in this order.
fn cost(definition: &ProcessDefinition, instances: usize, order: impl Fn(usize) -> usize) -> (usize, usize) {
    let (mut instance, _) = start(definition, instances);
    let changes = instance.changes(None);
    let began = bytes(&changes);
    let mut stored = Stored::default();
    stored.apply(changes);
    let waits: Vec<WaitId> = instance.tasks().map(|task| task.wait).collect();
    assert_eq!(waits.len(), instances);
    let (mut ended, mut effects_of_one) = (0, 0);
    for nth in 0..instances {
        let before = instance.clone();
        let input = Input::CompleteTask { wait: waits[order(nth)], variables: Variables::new() };
        let effects = step(definition, &mut instance, input, 2_000).expect("the task is there");
        // The last one ends the body as well.
        effects_of_one = if nth == 0 { effects.len() } else { effects_of_one };
        assert!(nth + 1 == instances || effects.len() == effects_of_one, "{effects:?}");
        let changes = instance.changes(Some(&before));
        ended += bytes(&changes);
        stored.apply(changes);
    }
    assert_eq!(stored, instance.encode(), "writing what has changed is as good as writing everything");
    let next: Vec<_> = instance.tasks().map(|task| task.element).collect();
    assert_eq!(next, [definition.find("u").expect("the model has it")]);
    (average(began, instances), average(ended, instances))
}

#[test]
fn one_of_ten_thousand_writes_at_most_twice_what_one_of_ten_does() {
    let inside = "<startEvent id='as'/><sequenceFlow id='h' sourceRef='as' targetRef='t'/><userTask id='t'/>";
    for activity in [
        "<userTask id='a'><each/></userTask>".to_owned(),
        "<userTask id='a'><results/></userTask>".to_owned(),
        format!("<subProcess id='a'><each/>{inside}</subProcess>"),
    ] {
        let definition = model(&activity);
        let few = cost(&definition, FEW, |nth| nth);
        // The first first, the last first, and far apart from each other: 7,919 is a prime.
        let orders: [(&str, &dyn Fn(usize) -> usize); 3] =
            [("forward", &|nth| nth), ("backward", &|nth| MANY - 1 - nth), ("scattered", &|nth| nth * 7_919 % MANY)];
        for (order, by) in orders {
            let many = cost(&definition, MANY, by);
            println!("{order}: {many:?} bytes to begin and to end one of {MANY}, {few:?} one of {FEW}: {activity}");
            assert!(many.0 <= 2 * few.0 && many.1 <= 2 * few.1, "{order}: {many:?} and {few:?}, {activity}");
        }
    }
}

#[test]
fn ten_thousand_delegates_are_one_unit() {
    let definition = model("<serviceTask id='a' camunda:class='A'><each/></serviceTask>");
    let (mut instance, mut effects) = start(&definition, MANY);
    for _ in 0..MANY {
        let Some(Effect::CallDelegate(call)) = effects.last() else { panic!("it calls: {effects:?}") };
        let outcome = mandate_engine::DelegateOutcome::Completed { variables: Variables::new() };
        effects = step(&definition, &mut instance, Input::DelegateReturned { wait: call.wait, outcome }, 1_000).expect("the call is there");
    }
    assert!(!instance.in_unit());
    assert_eq!(instance.activities().count(), 2, "only the process and what follows are left");
}

#[test]
fn sub_processes_without_a_wait_state_are_one_unit() {
    let inside = "<startEvent id='as'/><task id='t'/><endEvent id='ae'/><sequenceFlow id='h' sourceRef='as' targetRef='t'/>\
                  <sequenceFlow id='i' sourceRef='t' targetRef='ae'/>";
    for sequential in ["", " isSequential='true'"] {
        let activity = format!("<subProcess id='a'><each/>{inside}</subProcess>");
        let definition = model(&activity.replace(
            "<each/>",
            &format!(
                "<multiInstanceLoopCharacteristics{sequential}><loopCardinality>10000</loopCardinality></multiInstanceLoopCharacteristics>"
            ),
        ));
        let (instance, _) = start(&definition, 1);
        assert_eq!(instance.activities().count(), 2, "only the process and what follows are left");
    }
}

/// Were the results to be looked at for each that is cancelled, this would take twenty times as long.
#[test]
fn what_is_left_of_ten_thousand_is_cancelled_beside_the_results_of_the_others() {
    let definition = model("<userTask id='a'><results/></userTask>");
    let (mut instance, _) = start(&definition, MANY);
    let tasks: Vec<_> = instance.tasks().map(|task| task.wait).collect();
    for wait in &tasks[..MANY / 2] {
        step(&definition, &mut instance, Input::CompleteTask { wait: *wait, variables: Variables::new() }, 1_000).expect("it is there");
    }
    let at = Site { element: definition.find("a").expect("it is in the model"), body: false };
    let instructions = vec![Instruction::Cancel(Cancel::All { at, current: false })];
    let modification = Modification { instructions, ..Modification::default() };
    step(&definition, &mut instance, Input::Modify(modification), 1_000).expect("all of them are cancelled");
    assert!(instance.is_ended(), "nothing is left in it");
}

/// Were each of them to be looked at whenever one changes, this would take minutes.
#[test]
fn joins_inside_ask_nothing_of_each_other() {
    let inside = "<startEvent id='as'/><parallelGateway id='fork'/><userTask id='t'/><userTask id='o'/><parallelGateway id='j'/>\
                  <sequenceFlow id='h' sourceRef='as' targetRef='fork'/><sequenceFlow id='i' sourceRef='fork' targetRef='t'/>\
                  <sequenceFlow id='k' sourceRef='fork' targetRef='o'/><sequenceFlow id='l' sourceRef='t' targetRef='j'/>\
                  <sequenceFlow id='m' sourceRef='o' targetRef='j'/>";
    let definition = model(&format!("<subProcess id='a'><each/>{inside}</subProcess>"));
    let (mut instance, _) = start(&definition, MANY);
    for element in ["t", "o"].map(|id| definition.find(id)) {
        let waits: Vec<WaitId> = instance.tasks().filter(|task| Some(task.element) == element).map(|task| task.wait).collect();
        assert_eq!(waits.len(), MANY);
        for wait in waits {
            step(&definition, &mut instance, Input::CompleteTask { wait, variables: Variables::new() }, 2_000).expect("the task is there");
        }
    }
    assert_eq!(instance.activities().count(), 2, "only the process and what follows are left");
}
