//! Signals and conditions: what events say of them.

use crate::common;
use crate::common::{around_with, definition, diagnostics, element};
use expect_test::{Expect, expect};
use mandate_model::{
    CatchTrigger, Condition, ElementKind, EndResult, EventTrigger, Source, StartTrigger, ThrowInput, ThrowResult, VariableChange,
};

const ROOTS: &str = "<bpmn:signal id='sig' name='Alarm'/><bpmn:signal id='byKey' name='alarm-${key}'/><bpmn:signal id='unnamed'/>";
const SIGNAL: &str = "<bpmn:signalEventDefinition signalRef='sig'/>";

fn with(elements: &str) -> String {
    around_with(ROOTS, elements)
}

fn conditional(attributes: &str, condition: &str) -> String {
    format!("<bpmn:conditionalEventDefinition{attributes}><bpmn:condition>{condition}</bpmn:condition></bpmn:conditionalEventDefinition>")
}

fn throw(extensions: &str) -> String {
    format!(
        "<bpmn:intermediateThrowEvent id='a'><bpmn:signalEventDefinition signalRef='byKey'><bpmn:extensionElements>{extensions}\
         </bpmn:extensionElements></bpmn:signalEventDefinition></bpmn:intermediateThrowEvent>"
    )
}

fn catch(definition: &str) -> String {
    format!("<bpmn:intermediateCatchEvent id='a'>{definition}</bpmn:intermediateCatchEvent>")
}

fn check(elements: &str, expect: Expect) {
    expect.assert_eq(&diagnostics(with(elements).as_bytes()));
}

#[test]
fn signals_are_thrown_with_what_goes_along() {
    let inputs = "<camunda:in source='n' target='m'/><camunda:in sourceExpression='= n + 1' target='o'/><camunda:in variables='all'/>\
                  <camunda:in businessKey='${key}'/>";
    let definition = definition(&with(&throw(inputs)));
    let ElementKind::IntermediateThrowEvent(ThrowResult::Signal(signal)) = &element(&definition, "a").kind else { panic!() };
    assert_eq!(signal.name.source(), "alarm-${key}");
    assert_eq!(signal.business_key.as_ref().map(mandate_feel::Expression::source), Some("${key}"));
    let [
        ThrowInput::One { target, source: Source::Variable(source) },
        ThrowInput::One { source: Source::Expression(_), .. },
        ThrowInput::All,
    ] = &signal.inputs[..]
    else {
        panic!("{:?}", signal.inputs)
    };
    assert_eq!((source.as_str(), target.as_str()), ("n", "m"));
    assert!(!definition.has_conditions);
}

#[test]
fn signals_and_conditions_are_awaited_in_every_position() {
    let user_task = format!(
        "<bpmn:userTask id='a'/><bpmn:boundaryEvent id='b' attachedToRef='a' cancelActivity='false'>{}</bpmn:boundaryEvent>\
         <bpmn:startEvent id='s1'>{SIGNAL}</bpmn:startEvent><bpmn:startEvent id='s2'>{}</bpmn:startEvent><bpmn:endEvent id='e1'>{SIGNAL}</bpmn:endEvent>\
         <bpmn:sequenceFlow id='g1' sourceRef='s1' targetRef='a'/><bpmn:sequenceFlow id='g2' sourceRef='s2' targetRef='a'/>\
         <bpmn:sequenceFlow id='g3' sourceRef='b' targetRef='e1'/>",
        conditional(" camunda:variableName='n' camunda:variableEvents='create, delete'", "= n > 1"),
        conditional("", "${n > 1}")
    );
    let definition = definition(&with(&user_task));
    let kind = |id: &str| &element(&definition, id).kind;
    assert!(matches!(kind("s1"), ElementKind::StartEvent(StartTrigger::Signal(_))));
    assert!(matches!(kind("s2"), ElementKind::StartEvent(StartTrigger::Condition(_))));
    assert!(matches!(kind("e1"), ElementKind::EndEvent(EndResult::Signal(_))));
    let Some((EventTrigger::Condition(Condition { variable, changes, .. }), false)) = kind("b").trigger() else { panic!() };
    assert_eq!((variable.as_deref(), &changes[..]), (Some("n"), &[VariableChange::Create, VariableChange::Delete][..]));
    assert!(definition.has_conditions);
    for (trigger, is_signal) in [(SIGNAL.to_owned(), true), (conditional("", "= n > 1"), false)] {
        let definition = common::definition(&with(&catch(&trigger)));
        let ElementKind::IntermediateCatchEvent(found) = &element(&definition, "a").kind else { panic!() };
        assert_eq!(matches!(found, CatchTrigger::Signal(_)), is_signal);
    }
}

#[test]
fn what_a_signal_event_must_say() {
    check(
        &catch("<bpmn:signalEventDefinition/>"),
        expect![[r#"
        t.bpmn:2:37: error: the signal event has no signalRef (element 'a'); help: choose its signal, or create one with a name
    "#]],
    );
    check(
        &catch("<bpmn:signalEventDefinition signalRef='gone'/>"),
        expect![[r#"
        t.bpmn:2:37: error: the signal 'gone' does not exist (element 'a'); help: choose one of the file's signals, or create one with this id and a name
    "#]],
    );
    check(
        &catch("<bpmn:signalEventDefinition signalRef='unnamed'/>"),
        expect![[r#"
        t.bpmn:2:37: error: the signal 'unnamed' has no name of 1 to 255 characters (element 'a'); help: name it: a signal is known by its name
    "#]],
    );
    check(
        &throw("<camunda:in source='n'/>"),
        expect![[r#"
        t.bpmn:2:107: error: camunda:in has no target of 1 to 255 characters (element 'a'); help: name the variable that the receivers get
    "#]],
    );
    check(
        &throw("<camunda:in target='n'/>"),
        expect![[r#"
            t.bpmn:2:107: error: camunda:in does not say what goes along (element 'a'); help: give it either a source or a sourceExpression, and a target
        "#]],
    );
    check(
        &throw("<camunda:in variables='some'/>"),
        expect![[r#"
        t.bpmn:2:107: error: variables="some" of camunda:in is not all (element 'a'); help: write all, or name each variable by source and target
    "#]],
    );
    check(
        &throw("<camunda:in variables='all' local='true'/>"),
        expect![[r#"
            t.bpmn:2:107: error: local of camunda:in is not supported here (element 'a'); help: use source or sourceExpression with target, variables="all", or businessKey
        "#]],
    );
    let input = "<bpmn:signalEventDefinition signalRef='sig'><bpmn:extensionElements><camunda:in variables='all'/></bpmn:extensionElements>\
                 </bpmn:signalEventDefinition>";
    check(
        &catch(input),
        expect![[r#"
        t.bpmn:2:105: warning: camunda:in has no effect on an event that waits for a signal (element 'a'); help: remove it: what comes with the signal is said by the event that throws it
    "#]],
    );
}

#[test]
fn what_starts_a_process_has_a_fixed_name_and_starts_it_once() {
    let start = |id: &str, inside: &str| {
        format!("<bpmn:startEvent id='{id}'>{inside}</bpmn:startEvent><bpmn:sequenceFlow id='{id}-flow' sourceRef='{id}' targetRef='a'/>")
    };
    let task = "<bpmn:userTask id='a'/>";
    check(
        &(task.to_owned() + &start("x", "<bpmn:signalEventDefinition signalRef='byKey'/>")),
        expect![[r#"
        t.bpmn:2:24: error: the signal name 'alarm-${key}' is an expression (element 'x'); help: a signal that starts a process has a fixed name: there are no variables yet
    "#]],
    );
    check(
        &(task.to_owned() + &start("x", SIGNAL) + &start("y", SIGNAL)),
        expect![[r#"
        t.bpmn:2:171: error: the signal 'Alarm' starts this process twice (element 'y'); help: give every signal start event a signal of its own
    "#]],
    );
    let inside =
        format!("<bpmn:subProcess id='a'><bpmn:startEvent id='x'>{}</bpmn:startEvent></bpmn:subProcess>", conditional("", "= n > 1"));
    check(
        &inside,
        expect![[r#"
        t.bpmn:2:25: error: a conditional start event can't start a sub-process (element 'x'); help: make it a none start event, or the sub-process an event sub-process (triggeredByEvent="true")
    "#]],
    );
}

#[test]
fn what_a_conditional_event_must_say() {
    check(
        &catch("<bpmn:conditionalEventDefinition/>"),
        expect![[r#"
        t.bpmn:2:37: error: the conditional event has no condition (element 'a'); help: give it one, such as ${amount > 100} or = amount > 100
    "#]],
    );
    check(
        &catch(&conditional("", "")),
        expect![[r#"
        t.bpmn:2:70: error: the condition is empty (element 'a'); help: write one, such as ${amount > 100} or = amount > 100
    "#]],
    );
    check(
        &catch(&conditional("", "n > 1")),
        expect![[r#"
        t.bpmn:2:70: error: the condition 'n > 1' is a text, which is neither true nor false (element 'a'); help: write an expression, such as ${amount > 100} or = amount > 100
    "#]],
    );
    check(
        &catch(&conditional("", "${n >}")),
        expect![[r#"
        t.bpmn:2:70: error: the condition '${n >}': expected a value, found "}", at character 6 (element 'a'); help: correct the expression
    "#]],
    );
    check(
        &catch(&conditional(" camunda:variableEvents='create, set'", "${n > 1}")),
        expect![[r#"
        t.bpmn:2:37: error: camunda:variableEvents: 'set' is no change of a variable (element 'a'); help: write create, update or delete, several with commas between them
    "#]],
    );
}

#[test]
fn nothing_waits_for_the_same_twice() {
    let boundary = |id: &str, inside: &str| {
        format!(
            "<bpmn:boundaryEvent id='{id}' attachedToRef='a'>{inside}</bpmn:boundaryEvent><bpmn:sequenceFlow id='{id}-flow' sourceRef='{id}' targetRef='e'/>"
        )
    };
    let condition = conditional("", "= n > 1");
    let all = ["b1", "b2"].map(|id| boundary(id, SIGNAL)).concat() + &["b3", "b4"].map(|id| boundary(id, &condition)).concat();
    check(
        &("<bpmn:userTask id='a'/>".to_owned() + &all),
        expect![[r#"
            t.bpmn:2:198: error: two events of 'a' wait for the signal 'Alarm' (element 'b2'); help: keep one of them
        "#]],
    );
    check(
        &format!(
            "<bpmn:eventBasedGateway id='a'/><bpmn:intermediateCatchEvent id='x'>{SIGNAL}</bpmn:intermediateCatchEvent>\
             <bpmn:intermediateCatchEvent id='y'>{SIGNAL}</bpmn:intermediateCatchEvent>\
             <bpmn:sequenceFlow id='g1' sourceRef='a' targetRef='x'/><bpmn:sequenceFlow id='g2' sourceRef='a' targetRef='y'/>"
        ),
        expect![[r#"
            t.bpmn:2:1: error: the event-based gateway waits for the signal 'Alarm' twice (element 'a'); help: keep one of them
            t.bpmn:3:105: error: the event-based gateway 'a' leads to a endEvent (element 'f2'); help: lead it to intermediate catch events or receive tasks
        "#]],
    );
}
