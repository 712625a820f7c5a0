//! Script tasks, expressions that do a task, business rule tasks: what is read of them, and what is refused.

use crate::common::{around, check_activity, definition, element};
use expect_test::expect;
use mandate_model::{ElementKind, ExpressionTask};

fn read(activity: &str) -> ExpressionTask {
    match &element(&definition(&around(activity)), "a").kind {
        ElementKind::ExpressionTask(task) => task.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn scripts_are_juel_or_feel() {
    for (open, script, source) in [
        ("scriptFormat='feel'", "a + b", "= a + b"),
        ("scriptFormat='FEEL'", "= a + b", "= a + b"),
        ("scriptFormat='juel'", "${a + b}", "${a + b}"),
        ("", "${a}", "${a}"),
    ] {
        let task = read(&format!(
            "<bpmn:scriptTask id='a' {open} camunda:resultVariable='x'><bpmn:script>{script}</bpmn:script></bpmn:scriptTask>"
        ));
        assert_eq!((task.expression.source(), task.result_variable.as_deref(), task.element_type), (source, Some("x"), "scriptTask"));
    }
    let zeebe = "<bpmn:scriptTask id='a'><bpmn:extensionElements><zeebe:script expression='=a + b' resultVariable='x'/></bpmn:extensionElements></bpmn:scriptTask>";
    let task = read(zeebe);
    assert_eq!((task.expression.source(), task.result_variable.as_deref()), ("=a + b", Some("x")));
}

#[test]
fn expressions_do_tasks() {
    for kind in ["serviceTask", "sendTask", "businessRuleTask"] {
        let task = read(&format!("<bpmn:{kind} id='a' camunda:expression='${{n}}' camunda:asyncBefore='true'/>"));
        assert_eq!((task.expression.source(), task.result_variable, task.element_type), ("${n}", None, kind));
    }
}

#[test]
fn other_languages_and_code_in_the_engine_are_refused() {
    check_activity(
        "<bpmn:scriptTask id='a' scriptFormat='groovy'><bpmn:script>x = 1</bpmn:script></bpmn:scriptTask>",
        expect![[r#"
        t.bpmn:2:47: error: a script in the language 'groovy' is not supported (element 'a'); help: write it in FEEL (scriptFormat="feel") or JUEL, or use a service task with a delegate
    "#]],
    );
    check_activity(
        "<bpmn:scriptTask id='a' scriptFormat='feel'><bpmn:script>1 +</bpmn:script></bpmn:scriptTask>",
        expect![[r#"
        t.bpmn:2:45: error: the script '= 1 +': expected a value, found the end, at character 6 (element 'a'); help: correct the expression
    "#]],
    );
    check_activity(
        "<bpmn:scriptTask id='a'><bpmn:script> </bpmn:script></bpmn:scriptTask>",
        expect![[r#"
        t.bpmn:2:25: error: the script is empty (element 'a'); help: write one, such as amount * 2 in FEEL or ${amount * 2} in JUEL
    "#]],
    );
    check_activity(
        "<bpmn:serviceTask id='a' camunda:expression='${bean.go(x)}' camunda:resultVariable='x'/>",
        expect![[r#"
            t.bpmn:2:1: error: camunda:expression '${bean.go(x)}': the method 'go' cannot be called in an expression, at character 8 (element 'a'); help: let a delegate do the work and read its result, or use FEEL's functions, as in = count(items). Methods that can be called: equals, toString, contains, isEmpty, indexOf, get, length, startsWith, endsWith, equalsIgnoreCase, toLowerCase, toUpperCase, trim, concat, replace, substring, size, containsKey, toDate, plusSeconds, plusMinutes, plusHours, plusDays, plusWeeks, plusMonths, plusYears, minusSeconds, minusMinutes, minusHours, minusDays, minusWeeks, minusMonths, minusYears
        "#]],
    );
    check_activity(
        "<bpmn:serviceTask id='a' camunda:expression=''/>",
        expect![[r#"
        t.bpmn:2:1: error: camunda:expression is empty (element 'a'); help: write one, such as ${amount * 2}
    "#]],
    );
}

#[test]
fn a_result_variable_needs_an_expression() {
    check_activity(
        "<bpmn:serviceTask id='a' camunda:class='x' camunda:resultVariable='y'/>",
        expect![[r#"
        t.bpmn:2:1: error: camunda:resultVariable is only possible with camunda:expression (as in Camunda 7) (element 'a'); help: let the delegate or worker return the variable, and rename it by a camunda:outputParameter
    "#]],
    );
    check_activity(
        "<bpmn:serviceTask id='a' camunda:type='external' camunda:topic='t' camunda:resultVariable='y'/>",
        expect![[r#"
        t.bpmn:2:1: warning: camunda:resultVariable is only possible with camunda:expression (as in Camunda 7) (element 'a'); help: let the delegate or worker return the variable, and rename it by a camunda:outputParameter
    "#]],
    );
    check_activity(
        "<bpmn:serviceTask id='a' camunda:class='x' camunda:expression='${y}'/>",
        expect![[r#"
        t.bpmn:2:1: error: serviceTask says more than once who does it: camunda:class, camunda:expression (element 'a'); help: keep one of them
    "#]],
    );
    check_activity(
        "<bpmn:userTask id='a' camunda:resultVariable='y'/>",
        expect![[r#"
        t.bpmn:2:1: warning: camunda:resultVariable has no effect on userTask (element 'a'); help: remove it; it is read on other elements
    "#]],
    );
}

#[test]
fn decisions_are_refused() {
    check_activity(
        "<bpmn:businessRuleTask id='a' camunda:decisionRef='d' camunda:mapDecisionResult='singleEntry'/>",
        expect![[r#"
        t.bpmn:2:1: error: camunda:decisionRef on businessRuleTask is not supported yet (element 'a'); help: decisions are not executed yet: name a delegate that decides by camunda:class, or make it an external task
    "#]],
    );
    check_activity(
        "<bpmn:businessRuleTask id='a'><bpmn:extensionElements><zeebe:calledDecision decisionId='d'/></bpmn:extensionElements></bpmn:businessRuleTask>",
        expect![[r#"
            t.bpmn:2:1: error: businessRuleTask does not say who does it (element 'a'); help: name its delegate: camunda:class="reserve-line", camunda:delegateExpression="${reserveLine}", zeebe:taskDefinition type="reserve-line", mandate:delegate="reserve-line@^1.2", or camunda:type="external" with a camunda:topic that workers fetch or the manifest maps to a delegate; or compute it by a camunda:expression
            t.bpmn:2:55: error: zeebe:calledDecision on businessRuleTask is not supported yet (element 'a'); help: decisions are not executed yet: use a service task with a delegate that decides
        "#]],
    );
    check_activity(
        "<bpmn:businessRuleTask id='a' camunda:class='Decide'/>",
        expect![[r#"
        fine
    "#]],
    );
}

#[test]
fn what_an_expression_does_never_waits() {
    check_activity(
        "<bpmn:scriptTask id='a'><bpmn:script>${1}</bpmn:script></bpmn:scriptTask>\n<bpmn:boundaryEvent id='b' attachedToRef='a'>\
         <bpmn:timerEventDefinition><bpmn:timeDuration>PT1M</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent>\
         <bpmn:sequenceFlow id='g' sourceRef='b' targetRef='e'/>",
        expect![[r#"
            t.bpmn:3:1: warning: the timer never fires: a task done by an expression does not wait (as in Camunda 7) (element 'b'); help: limit the delegate's wall time in the manifest, or put the timer on a sub-process around tasks that wait
        "#]],
    );
}

#[test]
fn a_parameter_may_be_a_script() {
    let file = around(
        "<bpmn:userTask id='a'><bpmn:extensionElements><camunda:inputOutput><camunda:inputParameter name='x'>\
         <camunda:script scriptFormat='feel'>n * 2</camunda:script></camunda:inputParameter></camunda:inputOutput></bpmn:extensionElements></bpmn:userTask>",
    );
    let definition = definition(&file);
    assert_eq!(element(&definition, "a").inputs[0].source.source(), "= n * 2");
}
