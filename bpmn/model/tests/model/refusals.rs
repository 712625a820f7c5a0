//! What is not supported, not known or does not fit on one element: who does it, and extensions. In the words a modeller reads; fragments
//! begin on line 2.

use crate::common::{ENDS, around_with, check, check_activity, check_file};
use expect_test::expect;

mod unsupported {
    use super::*;

    #[test]
    fn elements_are_refused_by_their_names_without_errors_that_only_follow() {
        check(
            &format!(
                "{ENDS}<bpmn:task id='a'/>\n<bpmn:implicitThrowEvent id='b'/>\n<bpmn:scriptTask id='c'/>\n\
                 <bpmn:businessRuleTask id='d'/>\n<bpmn:eventBasedGateway id='g' instantiate='true' eventGatewayType='Parallel'/>\n\
                 <bpmn:sequenceFlow id='f2' sourceRef='a' targetRef='b'/>\n\
                 <bpmn:sequenceFlow id='f3' sourceRef='b' targetRef='e'/>"
            ),
            expect![[r#"
                t.bpmn:3:1: error: implicitThrowEvent is not supported yet (element 'b'); help: remove it
                t.bpmn:4:1: warning: the script task has no script, and passes through (element 'c'); help: write it: scriptFormat="feel" and <script>amount * 2</script>
                t.bpmn:5:1: error: businessRuleTask does not say who does it (element 'd'); help: name its delegate: camunda:class="reserve-line", camunda:delegateExpression="${reserveLine}", zeebe:taskDefinition type="reserve-line", mandate:delegate="reserve-line@^1.2", or camunda:type="external" with a camunda:topic that workers fetch or the manifest maps to a delegate; or compute it by a camunda:expression
            "#]],
        );
    }

    #[test]
    fn event_definitions_are_refused_by_their_names() {
        check(
            "<bpmn:startEvent id='s1'><bpmn:signalEventDefinition/></bpmn:startEvent>\n\
             <bpmn:startEvent id='s2'><bpmn:timerEventDefinition/></bpmn:startEvent>\n\
             <bpmn:startEvent id='s3'><bpmn:conditionalEventDefinition/></bpmn:startEvent>\n\
             <bpmn:endEvent id='e3'><bpmn:messageEventDefinition/></bpmn:endEvent>\n\
             <bpmn:intermediateThrowEvent id='c1'><bpmn:signalEventDefinition/></bpmn:intermediateThrowEvent>\n\
             <bpmn:boundaryEvent id='b1' attachedToRef='a'><bpmn:signalEventDefinition/></bpmn:boundaryEvent>\n\
             <bpmn:userTask id='a'/>",
            expect![[r#"
                t.bpmn:2:26: error: the signal event has no signalRef (element 's1'); help: choose its signal, or create one with a name
                t.bpmn:3:26: error: the timer does not say when it fires (element 's2'); help: give it a timeDuration such as PT10M, a timeDate, or a timeCycle such as R3/PT10M
                t.bpmn:4:26: error: the conditional event has no condition (element 's3'); help: give it one, such as ${amount > 100} or = amount > 100
                t.bpmn:5:1: error: messageEventDefinition does not say who does it (element 'e3'); help: name its delegate: camunda:class="reserve-line", camunda:delegateExpression="${reserveLine}", zeebe:taskDefinition type="reserve-line", mandate:delegate="reserve-line@^1.2", or camunda:type="external" with a camunda:topic that workers fetch or the manifest maps to a delegate; or compute it by a camunda:expression
                t.bpmn:6:38: error: the signal event has no signalRef (element 'c1'); help: choose its signal, or create one with a name
                t.bpmn:7:47: error: the signal event has no signalRef (element 'b1'); help: choose its signal, or create one with a name
            "#]],
        );
    }

    #[test]
    fn event_sub_processes_are_refused_by_their_definitions() {
        check(
            "<bpmn:startEvent id='s'/>\n\
             <bpmn:subProcess id='c' triggeredByEvent='true'><bpmn:startEvent id='cs'><bpmn:signalEventDefinition/></bpmn:startEvent></bpmn:subProcess>",
            expect![[r#"
                t.bpmn:3:74: error: the signal event has no signalRef (element 'cs'); help: choose its signal, or create one with a name
            "#]],
        );
    }

    #[test]
    fn attributes_that_change_execution_are_refused() {
        check_activity(
            "<bpmn:userTask id='a' isForCompensation='true' camunda:formHandlerClass='x'>\
             <bpmn:potentialOwner id='po'/></bpmn:userTask>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:formHandlerClass on userTask is not supported yet (element 'a'); help: validate what was entered in a service task behind it
                t.bpmn:2:1: error: the compensation handler, a userTask, has a sequence flow (element 'a'); help: remove the flow: the association from the boundary event begins it, and nothing follows it (BPMN 2.0, 10.6.1)
                t.bpmn:2:1: warning: the userTask is for compensation and undoes nothing: it never runs (element 'a'); help: draw an association to it from a compensation boundary event
                t.bpmn:2:77: warning: potentialOwner names nobody (element 'a'); help: write whom in a formalExpression in a resourceAssignmentExpression, or use Camunda's attributes
            "#]],
        );
        check_file(
            &around_with("<bpmn:message id='m' name='M'/>", "<bpmn:receiveTask id='a' messageRef='m' instantiate='true'/>"),
            expect![[r#"
                t.bpmn:2:1: error: this can't start a process (element 'a'); help: let it begin the process: in no sub-process, and without incoming flows (BPMN 2.0, 10.3.3 and 10.6.6)
            "#]],
        );
    }

    #[test]
    fn constants_of_expressions_that_are_always_wrong_are_refused() {
        check_activity(
            "<bpmn:userTask id='a' camunda:dueDate='= if late then date(\"2026-02-30\") else due'><bpmn:extensionElements><camunda:inputOutput>\n\
             <camunda:inputParameter name='x'>= matches(name, \"(\")</camunda:inputParameter>\n\
             <camunda:inputParameter name='y'>= duration(\"5 minutes\")</camunda:inputParameter></camunda:inputOutput></bpmn:extensionElements></bpmn:userTask>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:dueDate '= if late then date("2026-02-30") else due': date(): the string is no date such as 2026-11-20, at character 20 (element 'a'); help: this would be null whenever it is evaluated: correct the text
                t.bpmn:3:1: error: camunda:inputParameter 'x' '= matches(name, "(")': matches(): the pattern is no regular expression without look-around and references back (unclosed group), at character 10 (element 'a'); help: this would be null whenever it is evaluated: correct the text
                t.bpmn:4:1: error: camunda:inputParameter 'y' '= duration("5 minutes")': duration(): the string is no duration of either kind such as P1DT2H or P1Y6M, at character 11 (element 'a'); help: this would be null whenever it is evaluated: correct the text
            "#]],
        );
    }

    #[test]
    fn ways_to_run_code_in_the_engine_are_refused() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:expression='${bean.go()}' camunda:resultVariable='x'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:expression '${bean.go()}': the method 'go' cannot be called in an expression, at character 8 (element 'a'); help: let a delegate do the work and read its result, or use FEEL's functions, as in = count(items). Methods that can be called: equals, toString, contains, isEmpty, indexOf, get, length, startsWith, endsWith, equalsIgnoreCase, toLowerCase, toUpperCase, trim, concat, replace, substring, size, containsKey, toDate, plusSeconds, plusMinutes, plusHours, plusDays, plusWeeks, plusMonths, plusYears, minusSeconds, minusMinutes, minusHours, minusDays, minusWeeks, minusMonths, minusYears
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:class='x'><bpmn:extensionElements>\n<camunda:executionListener class='y' event='start'/>\n\
             <camunda:connector/>\n<camunda:field name='z'/></bpmn:extensionElements></bpmn:serviceTask>",
            expect![[r#"
                t.bpmn:4:1: error: camunda:connector on serviceTask is not supported yet (element 'a'); help: use a delegate that issues a domain command
                t.bpmn:5:1: error: camunda:field 'z' has 0 values (element 'a'); help: give it one: a stringValue or an expression
            "#]],
        );
        check_activity(
            "<bpmn:userTask id='a'><bpmn:extensionElements>\n<camunda:taskListener class='y' event='create'/>\n\
             <camunda:inputOutput>\n<camunda:inputParameter name='x'><camunda:script scriptFormat='groovy'>1</camunda:script></camunda:inputParameter>\n\
             <camunda:inputParameter name='y'><camunda:list><camunda:entry key='k'/></camunda:list></camunda:inputParameter>\n\
             <camunda:inputParameter name='y'><camunda:list/><camunda:map/></camunda:inputParameter>\n\
             <camunda:outputParameter name='z'><camunda:map><camunda:value>x</camunda:value></camunda:map></camunda:outputParameter>\
             </camunda:inputOutput>\
             </bpmn:extensionElements></bpmn:userTask>",
            expect![[r#"
                t.bpmn:5:34: error: a script in the language 'groovy' is not supported (element 'a'); help: write it in FEEL (scriptFormat="feel") or JUEL, or use a service task with a delegate
                t.bpmn:6:48: error: camunda:entry as the value of camunda:inputParameter 'y' is not supported (element 'a'); help: write an expression, a camunda:list, a camunda:map or a camunda:script
                t.bpmn:7:49: error: camunda:inputParameter 'y' has more than one value (element 'a'); help: put them into a camunda:list, or keep one
                t.bpmn:8:48: error: camunda:value in the map of camunda:outputParameter 'z' is no entry with a key (element 'a'); help: use camunda:entry with a key
            "#]],
        );
    }

    #[test]
    fn camunda_8_elements_that_change_execution_are_refused() {
        check_activity(
            "<bpmn:serviceTask id='a'><bpmn:extensionElements>\n<zeebe:taskDefinition type='x' retries='3'/>\n<zeebe:calledDecision/>\n\
             <zeebe:taskHeaders/></bpmn:extensionElements></bpmn:serviceTask>",
            expect![[r#"
                t.bpmn:3:1: warning: retries of zeebe:taskDefinition has no effect (element 'a'); help: the task is tried as often as the job that leads to it; with camunda:asyncBefore it has a job of its own
                t.bpmn:4:1: error: zeebe:calledDecision on serviceTask is not supported yet (element 'a'); help: decisions are not executed yet: use a service task with a delegate that decides
            "#]],
        );
    }
}

mod delegates {
    use super::*;

    #[test]
    fn a_service_task_must_say_who_does_it() {
        check_activity(
            "<bpmn:serviceTask id='a'/>",
            expect![[r#"
                t.bpmn:2:1: error: serviceTask does not say who does it (element 'a'); help: name its delegate: camunda:class="reserve-line", camunda:delegateExpression="${reserveLine}", zeebe:taskDefinition type="reserve-line", mandate:delegate="reserve-line@^1.2", or camunda:type="external" with a camunda:topic that workers fetch or the manifest maps to a delegate; or compute it by a camunda:expression
            "#]],
        );
        check_activity(
            "<bpmn:sendTask id='a' camunda:class=' '/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:class: the name is empty (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
            "#]],
        );
    }

    #[test]
    fn a_service_task_must_not_say_it_twice() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:class='x' mandate:delegate='y'/>",
            expect![[r#"
            t.bpmn:2:1: error: serviceTask says more than once who does it: camunda:class, mandate:delegate (element 'a'); help: keep one of them
        "#]],
        );
    }

    #[test]
    fn expressions_that_compute_are_no_names() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:delegateExpression='${beans.get(x)}'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:delegateExpression: '${beans.get(x)}' is more than a name, and is not supported (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:delegateExpression='${a.b}'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:delegateExpression: '${a.b}' is more than a name, and is not supported (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:class='${x}'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:class: '${x}' is an expression, and is not supported (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:type='external' camunda:topic='${x'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:topic '${x': this expression does not end, at character 1 (element 'a'); help: close it with }
            "#]],
        );
    }

    #[test]
    fn types_topics_and_requirements_must_fit() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:type='mail'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:type: the type 'mail' is not supported, only external is (element 'a'); help: let a worker do it: camunda:type="external" with a camunda:topic; or a delegate that sends a command: camunda:class="send-mail" in place of the type
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:type='external'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:type: an external task has no camunda:topic (element 'a'); help: name what its workers fetch, such as camunda:topic="reserve-line"
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:type='external' camunda:topic='x' camunda:taskPriority='high' camunda:jobPriority='1.5'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:jobPriority '1.5' is not a whole number (element 'a'); help: write for example 50, or an expression that gives a whole number
                t.bpmn:2:1: error: camunda:taskPriority 'high' is not a whole number (element 'a'); help: write for example 50, or an expression that gives a whole number
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:topic='x'/>",
            expect![[r#"
            t.bpmn:2:1: error: camunda:topic means nothing without camunda:type="external" (element 'a'); help: add camunda:type="external", or remove the topic
        "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' mandate:delegate='x@latest'/>",
            expect![[r#"
                t.bpmn:2:1: error: mandate:delegate: 'latest' is not a version requirement such as ^1.2 or =1.2.3: unexpected character 'l' while parsing major version number (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' mandate:delegate='@1'/>",
            expect![[r#"
                t.bpmn:2:1: error: mandate:delegate: the name is empty (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
            "#]],
        );
    }

    #[test]
    fn a_misspelt_attribute_of_our_own_is_an_error_and_of_others_a_warning() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:class='x' mandate:delegat='y' camunda:klass='z' other:thing='1' nonsense='2'/>",
            expect![[r#"
                t.bpmn:2:1: error: mandate:delegat is not an attribute of this version (element 'a'); help: the only attribute of this namespace is mandate:delegate
                t.bpmn:2:1: warning: the attribute camunda:klass of serviceTask is not known and has no effect (element 'a'); help: check its spelling, or ignore this if it is meant for another tool
                t.bpmn:2:1: warning: the attribute other:thing of serviceTask is not known and has no effect (element 'a'); help: check its spelling, or ignore this if it is meant for another tool
                t.bpmn:2:1: warning: the attribute nonsense of serviceTask is not known and has no effect (element 'a'); help: check its spelling, or ignore this if it is meant for another tool
            "#]],
        );
    }
}

mod extensions {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_warning() {
        check_activity(
            "<bpmn:userTask id='a' camunda:priority='50' camunda:followUpDate='P1D' camunda:class='x'><bpmn:extensionElements>\n\
             <camunda:formProperty id='decision'/>\n<other:thing><bpmn:userTask id='a'/></other:thing>\n\
             <camunda:unheard/>\n<zeebe:unheard/></bpmn:extensionElements>\n<camunda:properties/></bpmn:userTask>",
            expect![[r#"
                t.bpmn:2:1: warning: camunda:class has no effect on userTask (element 'a'); help: remove it; it is read on serviceTask, sendTask, businessRuleTask and messageEventDefinition
                t.bpmn:3:1: warning: camunda:formProperty has no effect: use camunda:formData with a camunda:formField (element 'a'); help: remove it, or do without what it asks for
                t.bpmn:4:1: warning: the extension element other:thing is not known and has no effect (element 'a'); help: remove it, or ignore this if it is meant for another tool
                t.bpmn:5:1: warning: the extension element camunda:unheard is not known and has no effect (element 'a'); help: remove it, or ignore this if it is meant for another tool
                t.bpmn:6:1: warning: the extension element zeebe:unheard is not known and has no effect (element 'a'); help: remove it, or ignore this if it is meant for another tool
                t.bpmn:7:1: warning: camunda:properties has no effect here (element 'a'); help: extensions stand inside of extensionElements
            "#]],
        );
    }

    #[test]
    fn mappings_and_retries_must_fit() {
        check_activity(
            "<bpmn:userTask id='a' camunda:asyncBefore='yes'><bpmn:extensionElements>\n<camunda:failedJobRetryTimeCycle>R/PT1S</camunda:failedJobRetryTimeCycle>\n\
             <camunda:inputOutput>\n<camunda:inputParameter>x</camunda:inputParameter>\n<camunda:inputParameter name='y'>${</camunda:inputParameter>\n\
             <camunda:other/></camunda:inputOutput>\n<camunda:properties><camunda:property value='v'/></camunda:properties>\
             </bpmn:extensionElements></bpmn:userTask>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:asyncBefore="yes" is neither true nor false (element 'a'); help: write true or false
                t.bpmn:3:1: error: camunda:failedJobRetryTimeCycle: 'R/PT1S' has no end: a cycle says how often, as in R3/PT10S (element 'a'); help: write R3/PT10S (three attempts), PT10S,PT1M (the waits), R3/PT5M,R2/PT30M (cycles), or an expression that gives one of them
                t.bpmn:5:1: error: camunda:inputParameter has no name of 1 to 255 characters (element 'a'); help: name the variable that it sets
                t.bpmn:6:1: error: camunda:inputParameter 'y' '${': expected a value, found the end, at character 3 (element 'a'); help: correct the expression
                t.bpmn:7:1: error: camunda:other has no place in camunda:inputOutput (element 'a'); help: use camunda:inputParameter or camunda:outputParameter
                t.bpmn:8:21: warning: camunda:property has no name, and is given to nobody (element 'a'); help: name it
            "#]],
        );
    }

    #[test]
    fn gateways_and_ends_map_nothing() {
        check_activity(
            "<bpmn:parallelGateway id='a'><bpmn:extensionElements><camunda:inputOutput/></bpmn:extensionElements></bpmn:parallelGateway>\n\
             <bpmn:endEvent id='e2'><bpmn:extensionElements><camunda:inputOutput><camunda:outputParameter name='x'/></camunda:inputOutput></bpmn:extensionElements></bpmn:endEvent>\
             <bpmn:sequenceFlow id='g' sourceRef='a' targetRef='e2'/>",
            expect![[r#"
                t.bpmn:2:54: warning: camunda:inputOutput has no effect on parallelGateway (element 'a'); help: remove it; it is read on other elements
                t.bpmn:3:69: error: camunda:outputParameter on endEvent is not possible: nothing follows it (element 'e2'); help: map the variable on the activity before it
            "#]],
        );
    }

    #[test]
    fn due_dates_must_be_dates() {
        check_activity(
            "<bpmn:userTask id='a' camunda:dueDate='soon' camunda:assignee='${a b}'/>",
            expect![[r#"
            t.bpmn:2:1: error: camunda:assignee '${a b}': expected an operator or "}", found 'b', at character 5 (element 'a'); help: correct the expression
            t.bpmn:2:1: error: camunda:dueDate: 'soon' is not an ISO 8601 date such as 2030-12-24T18:00:00Z: failed to parse four digit integer as year: invalid digit, expected 0-9 but got s (element 'a'); help: write a date such as 2030-12-24T18:00:00Z, a duration such as P2D, or an expression that gives one
        "#]],
        );
    }
}
