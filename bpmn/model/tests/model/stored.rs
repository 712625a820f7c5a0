//! Files that were deployed once, by a version that refused less.

use crate::common::{around, file};
use mandate_feel::{Error, Limits, Value};
use mandate_model::{ElementKind, ListenerAction, Parsed, parse, parse_stored};

/// Refused today with these words; read if it was deployed before.
fn check(file: &str, words: &str) -> Parsed {
    let refused = parse("t.bpmn", file.as_bytes()).expect_err(words);
    assert!(refused.iter().any(|diagnostic| diagnostic.message.contains(words)), "{refused:#?}");
    parse_stored("t.bpmn", file.as_bytes(), &|_| None).unwrap_or_else(|errors| panic!("{words}: {errors:#?}"))
}

#[test]
fn what_leaves_nothing_unread_is_read() {
    let gateway = |flow: &str| {
        file(&format!(
            "<bpmn:startEvent id='s'/><bpmn:exclusiveGateway id='x' default='f3'/><bpmn:endEvent id='e'/>\
             <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='x'/>{flow}\
             <bpmn:sequenceFlow id='f3' sourceRef='x' targetRef='e'/>"
        ))
    };
    let condition = |condition: &str| {
        gateway(&format!(
            "<bpmn:sequenceFlow id='f2' sourceRef='x' targetRef='e'><bpmn:conditionExpression>{condition}</bpmn:conditionExpression></bpmn:sequenceFlow>"
        ))
    };
    let timer = "<bpmn:intermediateCatchEvent id='a'><bpmn:timerEventDefinition><bpmn:timeDuration>soon</bpmn:timeDuration>\
                 </bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>";
    let escalation =
        "<bpmn:task id='a'/><bpmn:boundaryEvent id='b' attachedToRef='a'><bpmn:escalationEventDefinition/></bpmn:boundaryEvent>";
    for (file, words) in [
        (condition("= if"), "the condition '= if'"),
        (condition("yes"), "is a text, which is neither true nor false"),
        (gateway("<bpmn:sequenceFlow id='f2' sourceRef='x' targetRef='e'/>"), "has no condition and is not its default flow"),
        (around("<bpmn:task id='a' mandate:color='red'/>"), "is not an attribute of this version"),
        (around("<bpmn:userTask id='a' camunda:dueDate='soon'/>"), "camunda:dueDate"),
        (around("<bpmn:userTask id='a' camunda:priority='high'/>"), "is not a whole number"),
        (around("<bpmn:userTask id='a' camunda:assignee='${a b}'/>"), "camunda:assignee"),
        (around(timer), "timeDuration"),
        (around(escalation), "in which nothing can throw one"),
        (around("<bpmn:task id='a'><bpmn:unheardOf/></bpmn:task>"), "has no place in task"),
    ] {
        let parsed = check(&file, words);
        assert!(parsed.warnings.iter().all(|warning| !warning.message.contains(words)), "{:?}", parsed.warnings);
    }
}

#[test]
fn an_expression_that_does_not_parse_fails_when_it_is_evaluated() {
    let parsed = check(&around("<bpmn:userTask id='a' camunda:assignee='= if a'/>"), "camunda:assignee '= if a'");
    let process = &parsed.processes[0];
    let ElementKind::UserTask(task) = &process.element(process.find("a").expect("it is there")).kind else { panic!("a user task") };
    let assignee = task.assignee.as_ref().expect("it has one");
    let error = assignee.evaluate(&(), &Limits::default()).expect_err("it is no expression");
    assert!(matches!(&error, Error::Unreadable(reason) if reason.contains("then")), "{error}");
    assert_eq!((assignee.source(), assignee.as_literal(), assignee.names()), ("= if a", None, Vec::new()));
}

#[test]
fn a_task_in_what_was_deployed_before_may_be_a_variable() {
    let listener = "<camunda:taskListener event='create' expression='${task.color}'/>";
    let parsed = check(
        &around(&format!("<bpmn:userTask id='a'><bpmn:extensionElements>{listener}</bpmn:extensionElements></bpmn:userTask>")),
        "task has no property 'color'",
    );
    let process = &parsed.processes[0];
    let listener = &process.element(process.find("a").expect("it is there")).listeners[0];
    let ListenerAction::Expression(expression) = &listener.does else { panic!("an expression") };
    let variables = Value::from_json_text(r#"{"task": {"color": "red"}}"#).expect("JSON");
    assert_eq!(expression.evaluate(&variables, &Limits::default()).expect("it is read").value, Value::from("red"));
}

#[test]
fn what_would_be_another_process_is_not_read() {
    for file in [
        around("<bpmn:teaTime id='a'/>"),
        file("<bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='nowhere'/>"),
        around("<bpmn:serviceTask id='a'/>"),
        around("<bpmn:task id='a' camunda:asyncBefore='perhaps'/>"),
    ] {
        let deployed = parse("t.bpmn", file.as_bytes()).expect_err("refused");
        let stored = parse_stored("t.bpmn", file.as_bytes(), &|_| None).expect_err("refused");
        assert_eq!(stored, deployed);
    }
}
