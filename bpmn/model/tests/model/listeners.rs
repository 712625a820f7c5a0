//! Execution and task listeners: what is read of them, and what is refused.

use crate::common;
use crate::common::{around, definition, diagnostics, element};
use expect_test::{Expect, expect};
use mandate_model::{Implementation, Listener, ListenerAction};

fn shown(listeners: &[Listener]) -> Vec<String> {
    let shown = |listener: &Listener| match &listener.does {
        ListenerAction::Expression(expression) => format!("{} {}", listener.event.as_str(), expression.source()),
        ListenerAction::Delegate(Implementation::Delegate { name, .. }) => format!("{} by {name}", listener.event.as_str()),
        ListenerAction::Delegate(topic) => panic!("{topic:?}"),
    };
    listeners.iter().map(shown).collect()
}

/// The diagnostics of a user task with these extension elements, which begin on line 3.
fn check(elements: &str, expected: Expect) {
    let file = around(&format!("<bpmn:userTask id='a'><bpmn:extensionElements>\n{elements}</bpmn:extensionElements></bpmn:userTask>"));
    expected.assert_eq(&diagnostics(file.as_bytes()));
}

#[test]
fn they_are_delegates_expressions_or_scripts() {
    let file = around(
        "<bpmn:extensionElements><camunda:executionListener event='end' class='Done'/></bpmn:extensionElements>\
         <bpmn:userTask id='a'><bpmn:extensionElements><camunda:executionListener event='start' delegateExpression='${audit}'/>\
         <camunda:taskListener id='l' event='create' expression='${x}'/><camunda:executionListener event='end'>\
         <camunda:script scriptFormat='feel'>x + 1</camunda:script></camunda:executionListener><camunda:taskListener event='complete' class='Tell'/>\
         </bpmn:extensionElements></bpmn:userTask><bpmn:task id='b'/><bpmn:sequenceFlow id='f3' sourceRef='a' targetRef='b'>\
         <bpmn:extensionElements><camunda:executionListener event='take' class='Audit'/><camunda:executionListener expression='= x'/>\
         </bpmn:extensionElements></bpmn:sequenceFlow>",
    );
    let definition = definition(&file);
    assert_eq!(shown(&element(&definition, "p").listeners), ["end by Done"]);
    assert_eq!(shown(&element(&definition, "a").listeners), ["start by audit", "create ${x}", "end = x + 1", "complete by Tell"]);
    let flow = definition.flows.iter().find(|flow| &*flow.id == "f3").expect("the flow");
    assert_eq!(shown(&flow.listeners), ["take by Audit", "take = x"]);
}

#[test]
fn job_types_of_camunda_8_name_delegates() {
    let file = around(
        "<bpmn:extensionElements><zeebe:executionListeners><zeebe:executionListener eventType='start' type='begun'/></zeebe:executionListeners>\
         </bpmn:extensionElements><bpmn:userTask id='a'><bpmn:extensionElements><zeebe:executionListeners>\
         <zeebe:executionListener eventType='start' type='audit-log'/><zeebe:executionListener eventType='end' type='audit-log'/>\
         </zeebe:executionListeners><zeebe:taskListeners><zeebe:taskListener eventType='creating' type='tell'/>\
         <zeebe:taskListener eventType='assigning' type='tell'/><zeebe:taskListener eventType='updating' type='tell'/>\
         <zeebe:taskListener eventType='completing' type='tell'/><zeebe:taskListener eventType='canceling' type='tell'/></zeebe:taskListeners></bpmn:extensionElements></bpmn:userTask>",
    );
    let definition = definition(&file);
    assert_eq!(shown(&element(&definition, "p").listeners), ["start by begun"]);
    let of_task = ["create by tell", "assignment by tell", "update by tell", "complete by tell", "delete by tell"];
    let expect = ["start by audit-log", "end by audit-log"].into_iter().chain(of_task);
    assert_eq!(shown(&element(&definition, "a").listeners), expect.collect::<Vec<_>>());
}

#[test]
fn what_camunda_8_can_say_of_listeners_and_this_engine_cannot_do_is_refused_or_warned_of() {
    check(
        "<zeebe:executionListeners>\n<zeebe:executionListener eventType='take' type='x'/>\n<zeebe:executionListener eventType='start'/>\n\
         <zeebe:executionListener eventType='start' type='= kind'/>\n<zeebe:executionListener eventType='start' type='x' retries='5'/>\n\
         <zeebe:executionListener eventType='end' type='x'>\n<zeebe:taskHeaders/></zeebe:executionListener>\n\
         <zeebe:taskListener eventType='creating' type='x'/></zeebe:executionListeners>",
        expect![[r#"
            t.bpmn:4:1: error: zeebe:executionListener is called on no eventType 'take' (element 'a'); help: name one of start, end
            t.bpmn:5:1: error: zeebe:executionListener: it has no type (element 'a'); help: write the name of a delegate, such as type="audit-log"
            t.bpmn:6:1: error: zeebe:executionListener: '= kind' is an expression, and is not supported (element 'a'); help: write the name of a delegate, such as type="audit-log"
            t.bpmn:7:1: warning: retries of zeebe:executionListener has no effect: a listener is called in the unit of work of its element (element 'a'); help: remove it; the job that leads to the element says how often all of it is tried
            t.bpmn:9:1: error: zeebe:taskHeaders has no place in zeebe:executionListener (element 'a'); help: remove it; the headers of the element go to all of its delegates
            t.bpmn:10:1: error: zeebe:taskListener has no place in zeebe:executionListeners (element 'a'); help: use zeebe:executionListener
        "#]],
    );
    let flow = around(
        "<bpmn:task id='a'/><bpmn:task id='b'/><bpmn:sequenceFlow id='f3' sourceRef='a' targetRef='b'><bpmn:extensionElements>\n\
         <zeebe:executionListeners/></bpmn:extensionElements></bpmn:sequenceFlow>",
    );
    expect![[r#"
        t.bpmn:3:1: error: zeebe:executionListeners on sequenceFlow is not possible: in Camunda 8 flows have no listeners (element 'f3'); help: use camunda:executionListener, or a listener of the element it leads to
    "#]].assert_eq(&diagnostics(flow.as_bytes()));
}

#[test]
fn events_that_nothing_calls_are_refused() {
    check(
        "<camunda:executionListener class='x'/>\n<camunda:executionListener event='take' class='x'/>\n\
         <camunda:taskListener event='timeout' class='x'/>\n<camunda:taskListener class='x'/>",
        expect![[r#"
            t.bpmn:3:1: error: camunda:executionListener is called on no event '' (element 'a'); help: name its event: start or end
            t.bpmn:4:1: error: camunda:executionListener is called on no event 'take' (element 'a'); help: name its event: start or end
            t.bpmn:5:1: error: a task listener for the event 'timeout' does not say when (element 'a'); help: put a timerEventDefinition into it
            t.bpmn:6:1: error: camunda:taskListener is called on no event '' (element 'a'); help: name its event: create, assignment, update, complete, delete or timeout
        "#]],
    );
}

#[test]
fn what_they_do_must_be_one_thing_that_can_be_done() {
    check(
        "<camunda:executionListener event='start'/>\n<camunda:executionListener event='start' class='x' expression='${y}'/>\n\
         <camunda:executionListener event='start' class='x'><camunda:field name='f'/></camunda:executionListener>\n\
         <camunda:executionListener event='start' class='x'><camunda:other/></camunda:executionListener>\n\
         <camunda:executionListener event='start' expression='${bean.go()}'/>\n<camunda:executionListener event='start' delegateExpression='${a.b}'/>\n\
         <camunda:executionListener event='start'><camunda:script scriptFormat='groovy'>x</camunda:script></camunda:executionListener>\n\
         <camunda:executionListener event='start' class='x'><camunda:field name='f' expression='${'/></camunda:executionListener>\n\
         <camunda:executionListener event='start'><camunda:script>${x.go()}</camunda:script></camunda:executionListener>",
        expect![[r#"
            t.bpmn:3:1: error: camunda:executionListener does not say what it does (element 'a'); help: name a delegate by class or delegateExpression, or write an expression
            t.bpmn:4:1: error: camunda:executionListener says more than once what it does (element 'a'); help: keep one of them
            t.bpmn:5:52: error: camunda:field 'f' has 0 values (element 'a'); help: give it one: a stringValue or an expression
            t.bpmn:6:52: error: camunda:other has no place in camunda:executionListener (element 'a'); help: remove it
            t.bpmn:7:1: error: the listener's expression '${bean.go()}': the method 'go' cannot be called in an expression, at character 8 (element 'a'); help: let a delegate do the work and read its result, or use FEEL's functions, as in = count(items). Methods that can be called: equals, toString, contains, isEmpty, indexOf, get, length, startsWith, endsWith, equalsIgnoreCase, toLowerCase, toUpperCase, trim, concat, replace, substring, size, containsKey, toDate, plusSeconds, plusMinutes, plusHours, plusDays, plusWeeks, plusMonths, plusYears, minusSeconds, minusMinutes, minusHours, minusDays, minusWeeks, minusMonths, minusYears; a listener names its delegate in place of the expression, such as class="audit-log"
            t.bpmn:8:1: error: delegateExpression of camunda:executionListener: '${a.b}' is more than a name, and is not supported (element 'a'); help: name a delegate, such as class="audit-log"
            t.bpmn:9:42: error: a script in the language 'groovy' is not supported (element 'a'); help: write it in FEEL (scriptFormat="feel") or JUEL, or name a delegate in place of the script, such as class="audit-log" on the listener
            t.bpmn:10:52: error: camunda:field 'f' '${': expected a value, found the end, at character 3 (element 'a'); help: correct the expression
            t.bpmn:11:42: error: the script '${x.go()}': the method 'go' cannot be called in an expression, at character 5 (element 'a'); help: let a delegate do the work and read its result, or use FEEL's functions, as in = count(items). Methods that can be called: equals, toString, contains, isEmpty, indexOf, get, length, startsWith, endsWith, equalsIgnoreCase, toLowerCase, toUpperCase, trim, concat, replace, substring, size, containsKey, toDate, plusSeconds, plusMinutes, plusHours, plusDays, plusWeeks, plusMonths, plusYears, minusSeconds, minusMinutes, minusHours, minusDays, minusWeeks, minusMonths, minusYears; a listener names its delegate in place of the expression, such as class="audit-log"
        "#]],
    );
}

#[test]
fn a_task_is_asked_for_what_it_has_where_it_is_there() {
    let has_no = |file: &str| {
        let said = diagnostics(file.as_bytes());
        let errors: Vec<_> = said.lines().filter(|line| line.contains(": error: ")).collect();
        assert!(errors.iter().all(|line| line.contains("task has no property 'color'") && line.contains("taskDefinitionKey")), "{said}");
        errors.len()
    };
    let listener = |what: &str, event: &str, does: &str| {
        around(&format!(
            "<bpmn:userTask id='a'><bpmn:extensionElements><camunda:{what} event='{event}'{does}</camunda:{what}></bpmn:extensionElements></bpmn:userTask>"
        ))
    };
    let asks = |way: &str| match way {
        "expression" => " expression='${task.color}'>",
        "script" => "><camunda:script scriptFormat='juel'>${task.color}</camunda:script>",
        _ => " class='Tell'><camunda:field name='f' expression='${task.color} ${task.assignee}'/>",
    };
    for way in ["expression", "script", "field"] {
        for event in ["create", "assignment", "update", "complete", "delete"] {
            assert_eq!(has_no(&listener("taskListener", event, asks(way))), 1, "{event} {way}");
        }
        // There it is a variable's name.
        assert_eq!(has_no(&listener("executionListener", "end", asks(way))), 0, "{way}");
    }
    let form = "<bpmn:extensionElements><camunda:formData><camunda:formField id='f' type='string' defaultValue='${task.color}'/></camunda:formData>\
                </bpmn:extensionElements>";
    assert_eq!(has_no(&around(&format!("<bpmn:userTask id='a'>{form}</bpmn:userTask>"))), 1);
    assert_eq!(has_no(&around("<bpmn:userTask id='a' camunda:assignee='${task.color}' camunda:dueDate='${task.color}'/>")), 0);
    let started =
        around("<bpmn:task id='a'/>").replace("<bpmn:startEvent id='s'/>", &format!("<bpmn:startEvent id='s'>{form}</bpmn:startEvent>"));
    assert_eq!(has_no(&started), 0);
}

#[test]
fn an_event_that_throws_does_not_always_end_by_itself() {
    let file = common::file_with(
        "<bpmn:error id='err' errorCode='E'/>",
        "<bpmn:startEvent id='s'/><bpmn:endEvent id='a'><bpmn:extensionElements><camunda:executionListener event='end' class='x'/>\
         </bpmn:extensionElements><bpmn:errorEventDefinition errorRef='err'/></bpmn:endEvent>\
         <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='a'/>",
    );
    expect![[r#"
        t.bpmn:2:26: warning: the end listener is not called where what the event throws is caught and interrupts the scope around it (element 'a'); help: use a listener for the event start, or put it on what catches the error or escalation
    "#]].assert_eq(&diagnostics(file.as_bytes()));
}

#[test]
fn a_timeout_says_when() {
    check(
        "<camunda:taskListener id='t' event='timeout' class='x'><bpmn:timerEventDefinition><bpmn:timeDuration>${p}</bpmn:timeDuration>\
         </bpmn:timerEventDefinition></camunda:taskListener>\n\
         <camunda:taskListener event='timeout' class='x'><bpmn:timerEventDefinition/></camunda:taskListener>\n\
         <camunda:taskListener event='timeout' class='x'><bpmn:timerEventDefinition><bpmn:timeCycle>often</bpmn:timeCycle>\
         </bpmn:timerEventDefinition></camunda:taskListener>\n\
         <camunda:taskListener event='create' class='x'><bpmn:timerEventDefinition/></camunda:taskListener>",
        expect![[r#"
            t.bpmn:4:49: error: the timer does not say when it fires (element 'a'); help: give it a timeDuration such as PT10M, a timeDate, or a timeCycle such as R3/PT10M
            t.bpmn:5:76: error: timeCycle: 'often' is neither a repeating interval such as R3/PT10M nor a cron expression such as '0 0/5 * * * *': a cron expression has six fields from second to day of week, and perhaps a year; this one has 1 (element 'a'); help: write it as it says, or as an expression such as ${timeout} that gives it
            t.bpmn:6:48: error: timerEventDefinition has no place in camunda:taskListener (element 'a'); help: remove it
        "#]],
    );
}
