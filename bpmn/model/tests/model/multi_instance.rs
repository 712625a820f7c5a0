//! Multi-instance activities: what is read of them, and what is refused.

use crate::common;
use crate::common::{around, definition, diagnostics, element};
use expect_test::expect;
use mandate_model::{Element, MultiInstance, Source};

/// A user task with these loop characteristics.
fn task(attributes: &str, inside: &str) -> String {
    around(&format!(
        "<bpmn:userTask id='a' camunda:asyncBefore='true'>\n<bpmn:multiInstanceLoopCharacteristics{attributes}>{inside}\
         </bpmn:multiInstanceLoopCharacteristics></bpmn:userTask>"
    ))
}

fn read(attributes: &str, inside: &str) -> (Element, MultiInstance) {
    let element = element(&definition(&task(attributes, inside)), "a").clone();
    let each = element.multi_instance.clone().expect("it runs several times");
    (element, each)
}

fn collection(each: &MultiInstance) -> (&str, bool) {
    match each.collection.as_ref().expect("there is a collection") {
        Source::Variable(name) => (name, true),
        Source::Expression(expression) => (expression.source(), false),
    }
}

#[test]
fn cardinality_and_condition_are_expressions() {
    let (_, each) = read("", "<bpmn:loopCardinality>3</bpmn:loopCardinality>");
    assert!(!each.sequential && each.exclusive && each.collection.is_none() && each.completion_condition.is_none());
    assert_eq!(each.cardinality.unwrap().as_literal(), Some("3"));
    let inside = "<bpmn:loopCardinality>${n}</bpmn:loopCardinality><bpmn:completionCondition xsi:type='tFormalExpression'>= done</bpmn:completionCondition>";
    let (_, each) = read(" isSequential='true' behavior='All'", inside);
    assert!(each.sequential);
    assert_eq!(each.cardinality.unwrap().source(), "${n}");
    assert_eq!(each.completion_condition.unwrap().source(), "= done");
}

#[test]
fn a_collection_is_a_variable_or_an_expression_and_what_the_standard_says_goes_first() {
    let (_, each) = read(" camunda:collection='the items' camunda:elementVariable='item'", "");
    assert_eq!((collection(&each), each.element_variable.as_deref()), (("the items", true), Some("item")));
    let (_, each) = read(" camunda:collection='${order.items}'", "");
    assert_eq!((collection(&each), each.element_variable.as_deref()), (("${order.items}", false), None));
    let standard = "<bpmn:loopDataInputRef>= others</bpmn:loopDataInputRef><bpmn:inputDataItem id='i' name='other'/>";
    let (_, each) = read(" camunda:collection='items' camunda:elementVariable='item'", standard);
    assert_eq!((collection(&each), each.element_variable.as_deref()), (("= others", false), Some("other")));
}

#[test]
fn results_are_collected_as_the_standard_or_camunda_8_says() {
    let standard = "<bpmn:loopDataOutputRef>all</bpmn:loopDataOutputRef><bpmn:outputDataItem id='o' name='result'/>";
    let (_, each) = read(" camunda:collection='items'", standard);
    let output = each.output.expect("there is an output");
    assert!(!each.zeebe && output.collection == "all" && matches!(&output.element, Source::Variable(name) if name == "result"));
    let zeebe = |output: &str| {
        let (_, each) = read(
            "",
            &format!(
                "<bpmn:extensionElements><zeebe:loopCharacteristics inputCollection='= items' inputElement='item'{output}/></bpmn:extensionElements>"
            ),
        );
        assert!(each.zeebe);
        assert_eq!((collection(&each), each.element_variable.as_deref()), (("= items", false), Some("item")));
        each.output.map(|output| (output.collection, output.element))
    };
    assert!(zeebe("").is_none());
    let own = zeebe(" outputCollection='all' outputElement='= result'");
    assert!(matches!(own, Some((_, Source::Variable(name))) if name == "result"));
    let computed = zeebe(" outputCollection='all' outputElement='result.sum + 1'");
    assert!(matches!(computed, Some((_, Source::Expression(expression))) if expression.source() == "= result.sum + 1"));
}

#[test]
fn jobs_of_each_instance_are_told_from_those_around_all() {
    let (element, each) = read(
        " camunda:collection='items' camunda:asyncAfter='true' camunda:exclusive='false'",
        "<bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R2/PT1S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>",
    );
    assert_eq!((element.async_before, element.async_after, element.exclusive, element.retries), (true, false, true, None));
    assert_eq!((each.async_before, each.async_after, each.exclusive), (false, true, false));
    assert_eq!(each.retries.unwrap().fixed().unwrap().waits_ms, [1_000]);
    // What old models write.
    assert!(read(" camunda:collection='items' camunda:async='true'", "").1.async_before);
}

#[test]
fn what_is_wrong_or_not_built_is_refused_by_its_name() {
    let mut said = String::new();
    for (attributes, inside) in [
        ("", ""),
        ("", "<bpmn:loopCardinality> </bpmn:loopCardinality>"),
        ("", "<bpmn:loopCardinality>${n +}</bpmn:loopCardinality>"),
        ("", "<bpmn:loopCardinality>-1</bpmn:loopCardinality>"),
        (" camunda:elementVariable='item'", "<bpmn:loopCardinality>2</bpmn:loopCardinality>"),
        (" camunda:collection=''", ""),
        (" camunda:collection='items' camunda:elementVariable=' '", ""),
        (" camunda:collection='items' isSequential='perhaps'", ""),
        (" camunda:collection='items' behavior='One' oneBehaviorEventRef='e'", ""),
        (" camunda:collection='items'", "<bpmn:completionCondition>done</bpmn:completionCondition>"),
        (" camunda:collection='items'", "<bpmn:completionCondition/>"),
        (" camunda:collection='items'", "<bpmn:loopDataOutputRef>o</bpmn:loopDataOutputRef>"),
        (" camunda:collection='items'", "<bpmn:complexBehaviorDefinition/><bpmn:task id='t'/>"),
        ("", "<bpmn:extensionElements><zeebe:loopCharacteristics inputElement='item'/></bpmn:extensionElements>"),
        (
            "",
            "<bpmn:extensionElements><zeebe:loopCharacteristics inputCollection='= items' outputCollection='o' outputelement='x'/></bpmn:extensionElements>",
        ),
    ] {
        said += &diagnostics(task(attributes, inside).as_bytes());
    }
    expect![[r#"
        t.bpmn:3:1: error: multiInstanceLoopCharacteristics does not say how often (element 'a'); help: add a loopCardinality such as 3 or ${n}, or camunda:collection="items" with camunda:elementVariable="item"
        t.bpmn:3:40: error: loopCardinality is empty (element 'a'); help: write an expression, or remove it
        t.bpmn:3:40: error: loopCardinality '${n +}': expected a value, found "}", at character 6 (element 'a'); help: correct the expression
        t.bpmn:3:40: error: the loopCardinality '-1' is not a whole number from 0 (element 'a'); help: write for example 3, or an expression that gives a number
        t.bpmn:3:1: error: an element variable means nothing without a collection (element 'a'); help: add camunda:collection="items", or remove the element variable
        t.bpmn:3:1: error: camunda:collection is empty (element 'a'); help: name the variable that holds the list, such as items, or write ${order.items}
        t.bpmn:3:1: error: the variable ' ' of multiInstanceLoopCharacteristics is not a name of 1 to 255 characters (element 'a'); help: name the variable that holds the element or the list
        t.bpmn:3:1: error: isSequential="perhaps" is neither true nor false (element 'a'); help: write true or false
        t.bpmn:3:1: error: the event definition 'e' does not exist (element 'a'); help: put one with this id beside the process, or name that of the event that catches it
        t.bpmn:3:67: error: the completionCondition is a text, which is neither true nor false (element 'a'); help: write an expression, such as ${nrOfCompletedInstances >= 2}
        t.bpmn:3:67: error: completionCondition is empty (element 'a'); help: write an expression, or remove it
        t.bpmn:3:1: error: loopDataOutputRef and outputDataItem mean nothing without each other (element 'a'); help: name a variable in loopDataOutputRef, and the instances' own in <outputDataItem name="result"/>
        t.bpmn:3:67: error: the complexBehaviorDefinition has no condition or no event (element 'a'); help: give it both
        t.bpmn:3:100: error: task has no place in multiInstanceLoopCharacteristics (element 'a'); help: remove it, or check its spelling
        t.bpmn:3:64: error: zeebe:loopCharacteristics has no inputCollection (element 'a'); help: add one, such as inputCollection="= order.items"
        t.bpmn:3:64: error: outputCollection and outputElement mean nothing without each other (element 'a'); help: give both: outputCollection="results" outputElement="= result"
        t.bpmn:3:64: warning: the attribute outputelement of zeebe:loopCharacteristics is not known and has no effect (element 'a'); help: check its spelling
    "#]].assert_eq(&said);
}

#[test]
fn only_activities_run_several_times_and_say_so_once() {
    let often = "<bpmn:multiInstanceLoopCharacteristics camunda:collection='items'/>";
    let file = |inside: &str| {
        common::file(&format!(
            "<bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='a'/><bpmn:sequenceFlow id='g' sourceRef='a' targetRef='e'/>\
             <bpmn:endEvent id='e'/>{inside}"
        ))
    };
    let of = |kind: &str, times: &str| file(&format!("<bpmn:{kind} id='a'>{times}</bpmn:{kind}>"));
    let mut said = diagnostics(of("task", &often.repeat(2)).as_bytes());
    said += &diagnostics(of("parallelGateway", often).as_bytes());
    said += &diagnostics(file(&format!("<bpmn:task id='a'/>{often}")).as_bytes());
    expect![[r#"
        t.bpmn:2:244: error: task says more than once how often it runs (element 'a'); help: keep one of them
        t.bpmn:2:188: error: multiInstanceLoopCharacteristics has no place in parallelGateway (element 'a'); help: only tasks and sub-processes run several times: put it into one of them
        t.bpmn:2:178: error: multiInstanceLoopCharacteristics has no place in process (element 'p'); help: only tasks and sub-processes run several times: put it into one of them
    "#]].assert_eq(&said);
}

#[test]
fn a_timer_on_delegates_with_jobs_between_them_can_fire() {
    let file = |between: &str| {
        common::file(&format!(
            "<bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='a'/>\
             <bpmn:serviceTask id='a' camunda:class='A'><bpmn:multiInstanceLoopCharacteristics camunda:collection='items'{between}/></bpmn:serviceTask>\
             <bpmn:boundaryEvent id='b' attachedToRef='a'><bpmn:timerEventDefinition><bpmn:timeDuration>PT1S</bpmn:timeDuration></bpmn:timerEventDefinition>\
             </bpmn:boundaryEvent><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='g' sourceRef='b' targetRef='e'/>"
        ))
    };
    assert!(diagnostics(file("").as_bytes()).contains("the timer never fires"));
    assert_eq!(diagnostics(file(" camunda:asyncAfter='true'").as_bytes()), "fine\n");
}
