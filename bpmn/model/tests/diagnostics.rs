//! What is refused or warned of, in the words a modeller reads. The fragment begins on line 2 of its file.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes the snapshots so")]

mod common;

use common::{around, around_with, diagnostics, file, file_with};
use expect_test::{Expect, expect};

/// The diagnostics of a file.
fn check_file(file: &str, expected: Expect) {
    expected.assert_eq(&diagnostics(file.as_bytes()));
}

/// The diagnostics of a process with these elements.
fn check(process: &str, expected: Expect) {
    check_file(&file(process), expected);
}

/// The diagnostics of a process with this activity, which has the id `a`, between start and end.
fn check_activity(activity: &str, expected: Expect) {
    check_file(&around(activity), expected);
}

/// A start event that leads to `a`, and an end event.
const ENDS: &str = "<bpmn:startEvent id='s'/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='a'/>";

mod unsupported {
    use super::*;

    #[test]
    fn elements_are_refused_by_their_names_without_errors_that_only_follow() {
        check(
            &format!(
                "{ENDS}<bpmn:inclusiveGateway id='a'/>\n<bpmn:callActivity id='b' calledElement='x'/>\n<bpmn:scriptTask id='c'/>\n\
                 <bpmn:businessRuleTask id='d'/>\n<bpmn:eventBasedGateway id='g'/>\n<bpmn:complexGateway id='h'/>\n\
                 <bpmn:transaction id='i'><bpmn:startEvent id='is'/></bpmn:transaction>\n<bpmn:adHocSubProcess id='j'/>\n\
                 <bpmn:intermediateThrowEvent id='k'/>\n<bpmn:sequenceFlow id='f2' sourceRef='a' targetRef='b'/>\n\
                 <bpmn:sequenceFlow id='f3' sourceRef='b' targetRef='e'/>"
            ),
            expect![[r#"
                t.bpmn:2:104: error: inclusiveGateway is not supported yet (element 'a'); help: use an exclusive gateway, or a parallel gateway with an exclusive gateway on each branch
                t.bpmn:3:1: error: callActivity is not supported yet (element 'b'); help: use an embedded sub-process, or start the other process from a delegate
                t.bpmn:4:1: error: scriptTask is not supported yet (element 'c'); help: use a service task with a delegate
                t.bpmn:5:1: error: businessRuleTask is not supported yet (element 'd'); help: use a service task with a delegate
                t.bpmn:6:1: error: eventBasedGateway is not supported yet (element 'g'); help: use a receive task with a boundary timer event
                t.bpmn:7:1: error: complexGateway is not supported yet (element 'h'); help: use exclusive and parallel gateways
                t.bpmn:8:1: error: transaction is not supported yet (element 'i'); help: use an embedded sub-process with boundary error events
                t.bpmn:9:1: error: adHocSubProcess is not supported yet (element 'j'); help: use an embedded sub-process
                t.bpmn:10:1: error: intermediateThrowEvent is not supported yet (element 'k'); help: leave it out if it has no event definition; else use a service or send task with a delegate
            "#]],
        );
    }

    #[test]
    fn event_definitions_are_refused_by_their_names() {
        check(
            "<bpmn:startEvent id='s1'><bpmn:signalEventDefinition/></bpmn:startEvent>\n\
             <bpmn:startEvent id='s2'><bpmn:timerEventDefinition/></bpmn:startEvent>\n\
             <bpmn:startEvent id='s3'><bpmn:conditionalEventDefinition/></bpmn:startEvent>\n\
             <bpmn:endEvent id='e1'><bpmn:escalationEventDefinition/></bpmn:endEvent>\n\
             <bpmn:endEvent id='e2'><bpmn:compensateEventDefinition/></bpmn:endEvent>\n\
             <bpmn:endEvent id='e3'><bpmn:messageEventDefinition/></bpmn:endEvent>\n\
             <bpmn:endEvent id='e4'><bpmn:cancelEventDefinition/></bpmn:endEvent>\n\
             <bpmn:intermediateCatchEvent id='c1'><bpmn:linkEventDefinition/></bpmn:intermediateCatchEvent>\n\
             <bpmn:boundaryEvent id='b1' attachedToRef='a'><bpmn:messageEventDefinition/></bpmn:boundaryEvent>\n\
             <bpmn:userTask id='a'/>",
            expect![[r#"
                t.bpmn:2:26: error: signalEventDefinition on startEvent is not supported yet (element 's1'); help: use a message
                t.bpmn:3:26: error: timerEventDefinition on startEvent is not supported yet (element 's2'); help: use a none or message start event; whoever knows when to start can start it by the API
                t.bpmn:4:26: error: conditionalEventDefinition on startEvent is not supported yet (element 's3'); help: use a message, or an exclusive gateway in a loop with a timer
                t.bpmn:5:24: error: escalationEventDefinition on endEvent is not supported yet (element 'e1'); help: use an error event, or a message
                t.bpmn:6:24: error: compensateEventDefinition on endEvent is not supported yet (element 'e2'); help: model the undoing as activities of their own behind a boundary error event
                t.bpmn:7:24: error: messageEventDefinition on endEvent is not supported yet (element 'e3'); help: use a none end event, behind a send task with a delegate if something is to be sent
                t.bpmn:8:24: error: cancelEventDefinition on endEvent is not supported yet (element 'e4'); help: use an error end event and a boundary error event
                t.bpmn:9:38: error: linkEventDefinition on intermediateCatchEvent is not supported yet (element 'c1'); help: connect the two ends by a sequence flow
                t.bpmn:10:47: error: messageEventDefinition on boundaryEvent is not supported yet (element 'b1'); help: use a timer or error boundary event; to react to a message, wait for it in a receive task
            "#]],
        );
    }

    #[test]
    fn loops_and_event_sub_processes_are_refused_by_their_names() {
        check(
            "<bpmn:startEvent id='s'/>\n<bpmn:userTask id='a'><bpmn:multiInstanceLoopCharacteristics/></bpmn:userTask>\n\
             <bpmn:subProcess id='b'><bpmn:standardLoopCharacteristics/><bpmn:startEvent id='bs'/></bpmn:subProcess>\n\
             <bpmn:subProcess id='c' triggeredByEvent='true'><bpmn:startEvent id='cs'><bpmn:signalEventDefinition/></bpmn:startEvent></bpmn:subProcess>",
            expect![[r#"
                t.bpmn:3:23: error: multiInstanceLoopCharacteristics is not supported yet (element 'a'); help: draw the loop with an exclusive gateway, or let the delegate work through the list
                t.bpmn:4:25: error: standardLoopCharacteristics is not supported yet (element 'b'); help: draw the loop with an exclusive gateway
                t.bpmn:5:1: error: an event sub-process (subProcess with triggeredByEvent) is not supported yet (element 'c'); help: use boundary events on an embedded sub-process around what it should watch
            "#]],
        );
    }

    #[test]
    fn attributes_that_change_execution_are_refused() {
        check_activity(
            "<bpmn:userTask id='a' isForCompensation='true' startQuantity='2' completionQuantity='1' camunda:formHandlerClass='x'>\
             <bpmn:potentialOwner id='po'/></bpmn:userTask>",
            expect![[r#"
                t.bpmn:2:1: error: isForCompensation="true" on userTask is not supported yet (element 'a'); help: model the undoing as activities of their own behind a boundary error event
                t.bpmn:2:1: error: startQuantity="2" on userTask is not supported yet (element 'a'); help: use a parallel gateway to wait for several tokens
                t.bpmn:2:1: error: camunda:formHandlerClass on userTask is not supported yet (element 'a'); help: validate what was entered in a service task behind it
                t.bpmn:2:118: error: potentialOwner is not supported yet (element 'po'); help: use camunda:candidateUsers or camunda:candidateGroups
            "#]],
        );
        check_file(
            &around_with("<bpmn:message id='m' name='M'/>", "<bpmn:receiveTask id='a' messageRef='m' instantiate='true'/>"),
            expect![[r#"
                t.bpmn:2:1: error: instantiate="true" on receiveTask is not supported yet (element 'a'); help: use a message start event, followed by what the task leads to
            "#]],
        );
    }

    #[test]
    fn ways_to_run_code_in_the_engine_are_refused() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:expression='${bean.go()}' camunda:resultVariable='x'/>",
            expect![[r#"
            t.bpmn:2:1: error: camunda:expression on serviceTask is not supported yet (element 'a'); help: name a delegate by camunda:class or camunda:delegateExpression
            t.bpmn:2:1: error: camunda:resultVariable on serviceTask is not supported yet (element 'a'); help: let the delegate return the variable, and rename it by a camunda:outputParameter
        "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:class='x'><bpmn:extensionElements>\n<camunda:executionListener class='y' event='start'/>\n\
             <camunda:connector/>\n<camunda:field name='z'/></bpmn:extensionElements></bpmn:serviceTask>",
            expect![[r#"
                t.bpmn:3:1: error: camunda:executionListener on serviceTask is not supported yet (element 'a'); help: use a service task with a delegate before or behind it
                t.bpmn:4:1: error: camunda:connector on serviceTask is not supported yet (element 'a'); help: use a delegate that issues a domain command
                t.bpmn:5:1: error: camunda:field on serviceTask is not supported yet (element 'a'); help: use a camunda:inputParameter, or a camunda:property, which the delegate is given
            "#]],
        );
        check_activity(
            "<bpmn:userTask id='a'><bpmn:extensionElements>\n<camunda:taskListener class='y' event='create'/>\n\
             <camunda:inputOutput>\n<camunda:inputParameter name='x'><camunda:script scriptFormat='groovy'>1</camunda:script></camunda:inputParameter>\n\
             <camunda:inputParameter name='y'><camunda:list/></camunda:inputParameter>\n\
             <camunda:outputParameter name='z'><camunda:map/></camunda:outputParameter></camunda:inputOutput>\
             </bpmn:extensionElements></bpmn:userTask>",
            expect![[r#"
                t.bpmn:3:1: error: camunda:taskListener on userTask is not supported yet (element 'a'); help: use a service task with a delegate before or behind it
                t.bpmn:5:34: error: camunda:script as the value of 'x' is not supported yet (element 'a'); help: write an expression, such as = [1, 2] or = {a: 1}
                t.bpmn:6:34: error: camunda:list as the value of 'y' is not supported yet (element 'a'); help: write an expression, such as = [1, 2] or = {a: 1}
                t.bpmn:7:35: error: camunda:map as the value of 'z' is not supported yet (element 'a'); help: write an expression, such as = [1, 2] or = {a: 1}
            "#]],
        );
    }

    #[test]
    fn camunda_8_elements_that_change_execution_are_refused() {
        check_activity(
            "<bpmn:serviceTask id='a'><bpmn:extensionElements>\n<zeebe:taskDefinition type='x' retries='3'/>\n<zeebe:ioMapping/>\n\
             <zeebe:taskHeaders/></bpmn:extensionElements></bpmn:serviceTask>",
            expect![[r#"
                t.bpmn:3:1: warning: retries of zeebe:taskDefinition has no effect (element 'a'); help: use camunda:failedJobRetryTimeCycle, which says how long to wait as well
                t.bpmn:4:1: error: zeebe:ioMapping on serviceTask is not supported yet (element 'a'); help: use camunda:inputOutput
                t.bpmn:5:1: warning: zeebe:taskHeaders has no effect: the delegate is not given it; use camunda:properties (element 'a'); help: remove it, or do without what it asks for
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
            t.bpmn:2:1: error: serviceTask does not say who does it (element 'a'); help: name its delegate: camunda:class="reserve-line", camunda:delegateExpression="${reserveLine}", zeebe:taskDefinition type="reserve-line", mandate:delegate="reserve-line@^1.2", or camunda:type="external" with a camunda:topic that the manifest maps to a delegate
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
            "<bpmn:serviceTask id='a' camunda:type='external' camunda:topic='${x}'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:type: '${x}' is an expression, and is not supported (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
            "#]],
        );
    }

    #[test]
    fn types_topics_and_requirements_must_fit() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:type='mail'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:type: the type 'mail' is not supported, only external is (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
            "#]],
        );
        check_activity(
            "<bpmn:serviceTask id='a' camunda:type='external'/>",
            expect![[r#"
                t.bpmn:2:1: error: camunda:type: an external task has no camunda:topic (element 'a'); help: write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate
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

mod events {
    use super::*;

    #[test]
    fn messages_must_exist_and_have_names() {
        check_activity(
            "<bpmn:receiveTask id='a'/>",
            expect![[r#"
            t.bpmn:2:1: error: receiveTask has no messageRef (element 'a'); help: choose the message that it waits for, or create one with a name
        "#]],
        );
        check_activity(
            "<bpmn:receiveTask id='a' messageRef='nobody'/>",
            expect![[r#"
            t.bpmn:2:1: error: the message 'nobody' does not exist (element 'a'); help: choose one of the file's messages, or create one with this id and a name
        "#]],
        );
        check_file(
            &around_with("<bpmn:message id='m'/>", "<bpmn:receiveTask id='a' messageRef='m'/>"),
            expect![[r#"
            t.bpmn:2:1: error: the message 'm' has no name of 1 to 255 characters (element 'a'); help: name it: messages are correlated by name
        "#]],
        );
        check_file(
            &around_with("<bpmn:message id='m' name='x-${'/>", "<bpmn:receiveTask id='a' messageRef='m'/>"),
            expect![[r#"
            t.bpmn:4:16: error: the message name 'x-${': expected a value, found the end, at character 5 (element 'a'); help: correct the expression
        "#]],
        );
    }

    #[test]
    fn a_message_that_starts_a_process_has_a_fixed_name_of_its_own() {
        check_file(
            &file_with(
                "<bpmn:message id='m' name='M'/><bpmn:message id='x' name='${x}'/>",
                "<bpmn:startEvent id='s1'><bpmn:messageEventDefinition messageRef='m'/></bpmn:startEvent>\n\
                 <bpmn:startEvent id='s2'><bpmn:messageEventDefinition messageRef='m'/></bpmn:startEvent>\n\
                 <bpmn:startEvent id='s3'><bpmn:messageEventDefinition messageRef='x'/></bpmn:startEvent>\n\
                 <bpmn:subProcess id='a'><bpmn:startEvent id='s4'><bpmn:messageEventDefinition messageRef='m'/></bpmn:startEvent></bpmn:subProcess>",
            ),
            expect![[r#"
                t.bpmn:3:1: error: the message 'M' starts this process twice (element 's2'); help: give every message start event a message of its own
                t.bpmn:4:1: error: the message name '${x}' is an expression (element 's3'); help: a message that starts a process has a fixed name: there are no variables yet
                t.bpmn:5:25: error: a message start event can't start a sub-process (element 's4'); help: make it a none start event: a sub-process starts when its incoming sequence flow is taken
            "#]],
        );
    }

    #[test]
    fn errors_must_exist_and_have_codes() {
        let ends = "<bpmn:startEvent id='s'/>\n<bpmn:endEvent id='e1'><bpmn:errorEventDefinition/></bpmn:endEvent>\n\
                    <bpmn:endEvent id='e2'><bpmn:errorEventDefinition errorRef='nobody'/></bpmn:endEvent>\n\
                    <bpmn:endEvent id='e3'><bpmn:errorEventDefinition errorRef='x'/></bpmn:endEvent>\n\
                    <bpmn:endEvent id='e4'><bpmn:errorEventDefinition errorRef='y'/></bpmn:endEvent>\n\
                    <bpmn:userTask id='t'/><bpmn:boundaryEvent id='b' attachedToRef='t'><bpmn:errorEventDefinition errorRef='x'/></bpmn:boundaryEvent>";
        check_file(
            &file_with("<bpmn:error id='x'/><bpmn:error id='y' errorCode='${code}'/>", ends),
            expect![[r#"
            t.bpmn:3:1: error: the error end event has no errorRef (element 'e1'); help: choose the error that it throws (errorRef)
            t.bpmn:4:24: error: the error 'nobody' does not exist (element 'e2'); help: choose one of the file's errors, or create one with this id and a code
            t.bpmn:5:24: error: the error 'x' has no errorCode of 1 to 255 characters (element 'e3'); help: give it an errorCode: errors are caught by code
            t.bpmn:6:24: error: an expression in the code or message of the error 'y' is not supported yet (element 'e4'); help: write fixed texts
            t.bpmn:7:69: error: the error 'x' has no errorCode of 1 to 255 characters (element 'b'); help: give it an errorCode: errors are caught by code
        "#]],
        );
    }

    #[test]
    fn timers_must_say_when() {
        let timer = |inside: &str| {
            around(&format!(
                "<bpmn:intermediateCatchEvent id='a'><bpmn:timerEventDefinition>{inside}</bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>"
            ))
        };
        check_file(
            &timer(""),
            expect![[r#"
            t.bpmn:2:37: error: the timer does not say when it fires (element 'a'); help: give it a timeDuration such as PT10M, or a timeDate
        "#]],
        );
        check_file(
            &timer("<bpmn:timeDuration/>"),
            expect![[r#"
            t.bpmn:2:64: error: the timer's timeDuration is empty (element 'a'); help: give it a timeDuration such as PT10M, or a timeDate
        "#]],
        );
        check_file(
            &timer("<bpmn:timeDuration>10 minutes</bpmn:timeDuration>"),
            expect![[r#"
            t.bpmn:2:64: error: timeDuration: '10 minutes' is not an ISO 8601 duration such as PT30S, PT10M, P1D or P1M: expected to find duration beginning with `P` or `p`, but found `1` instead (element 'a'); help: write ISO 8601, or an expression such as ${timeout} that gives it
        "#]],
        );
        check_file(
            &timer("<bpmn:timeDuration>${</bpmn:timeDuration>"),
            expect![[r#"
            t.bpmn:2:64: error: timeDuration '${': expected a value, found the end, at character 3 (element 'a'); help: correct the expression
        "#]],
        );
        check_file(
            &timer("<bpmn:timeDate>tomorrow</bpmn:timeDate>"),
            expect![[r#"
            t.bpmn:2:64: error: timeDate: 'tomorrow' is not an ISO 8601 date such as 2030-12-24T18:00:00Z: failed to parse four digit integer as year: invalid digit, expected 0-9 but got t (element 'a'); help: write ISO 8601, or an expression such as ${timeout} that gives it
        "#]],
        );
        check_file(
            &timer("<bpmn:timeCycle>R3/PT1H</bpmn:timeCycle>"),
            expect![[r#"
            t.bpmn:2:64: error: timeCycle is not supported yet (element 'a'); help: use a timeDuration, and lead its path back to the event for another turn
        "#]],
        );
        check_file(
            &timer("<bpmn:timeDate>2030-01-01</bpmn:timeDate><bpmn:timeDuration>PT1S</bpmn:timeDuration>"),
            expect![[r#"
            t.bpmn:2:37: error: the timer has a timeDate and a timeDuration (element 'a'); help: keep one of them
        "#]],
        );
    }

    #[test]
    fn an_event_has_one_definition_where_it_needs_one() {
        check_activity(
            "<bpmn:intermediateCatchEvent id='a'/>",
            expect![[r#"
            t.bpmn:2:1: error: the intermediate catch event waits for nothing (element 'a'); help: make it a timer or message event
        "#]],
        );
        check_activity(
            "<bpmn:intermediateCatchEvent id='a'><bpmn:timerEventDefinition/><bpmn:messageEventDefinition/></bpmn:intermediateCatchEvent>",
            expect![[r#"
                t.bpmn:2:1: error: intermediateCatchEvent with 2 event definitions is not supported yet (element 'a'); help: give every event one event definition
            "#]],
        );
        check_activity(
            "<bpmn:userTask id='a'/><bpmn:boundaryEvent id='b' attachedToRef='a'/>",
            expect![[r#"
            t.bpmn:2:24: error: the boundary event waits for nothing (element 'b'); help: make it a timer or error event
        "#]],
        );
    }

    #[test]
    fn boundary_events_stand_on_activities_that_wait() {
        let error = "<bpmn:errorEventDefinition/></bpmn:boundaryEvent>";
        check_activity(
            &format!(
                "<bpmn:manualTask id='a'/>\n<bpmn:boundaryEvent id='b1' attachedToRef='a'>{error}\n<bpmn:boundaryEvent id='b2'>{error}\n\
                 <bpmn:boundaryEvent id='b3' attachedToRef='nobody'>{error}\n<bpmn:boundaryEvent id='b4' attachedToRef='f1'>{error}\n\
                 <bpmn:boundaryEvent id='b5' attachedToRef='s' cancelActivity='maybe'>{error}"
            ),
            expect![[r#"
                t.bpmn:3:1: error: the boundary event is attached to manualTask, which can't carry one (element 'b1'); help: attach it to a service, send, user or receive task or to a sub-process
                t.bpmn:4:1: error: the boundary event is attached to nothing (no attachedToRef) (element 'b2'); help: draw it onto the border of a task or sub-process
                t.bpmn:5:1: error: the boundary event is attached to 'nobody', which does not exist in this process (element 'b3'); help: draw it to an element of the same process, or remove it
                t.bpmn:6:1: error: the boundary event is attached to 'f1', which does not exist in this process (element 'b4'); help: draw it to an element of the same process, or remove it
                t.bpmn:7:1: error: cancelActivity="maybe" is neither true nor false (element 'b5'); help: write true or false
                t.bpmn:7:1: error: the boundary event is attached to startEvent, which can't carry one (element 'b5'); help: attach it to a service, send, user or receive task or to a sub-process
            "#]],
        );
    }

    #[test]
    fn a_timer_on_a_task_that_does_not_wait_is_a_warning() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:class='x'/>\n<bpmn:boundaryEvent id='b' attachedToRef='a'><bpmn:timerEventDefinition>\
             <bpmn:timeDuration>PT1M</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='g' sourceRef='b' targetRef='e'/>",
            expect![[r#"
                t.bpmn:3:1: warning: the timer never fires: a task done by a delegate does not wait (as in Camunda 7) (element 'b'); help: limit the delegate's wall time in the manifest, or put the timer on a sub-process around tasks that wait
            "#]],
        );
    }

    #[test]
    fn an_error_is_caught_once_and_interrupts() {
        check_activity(
            "<bpmn:userTask id='a'/>\n\
             <bpmn:boundaryEvent id='b1' attachedToRef='a'><bpmn:errorEventDefinition/></bpmn:boundaryEvent>\n\
             <bpmn:boundaryEvent id='b2' attachedToRef='a' cancelActivity='false'><bpmn:errorEventDefinition/></bpmn:boundaryEvent>",
            expect![[r#"
                t.bpmn:3:1: warning: the boundary event leads nowhere: the path ends when it fires (element 'b1'); help: lead a sequence flow from it to what should happen then
                t.bpmn:4:1: error: an error boundary event can't be non-interrupting (element 'b2'); help: remove cancelActivity="false": an error always ends the activity that it happened in (BPMN 2.0, 10.5.4)
                t.bpmn:4:1: error: two boundary events of 'a' catch every error (element 'b2'); help: keep one of them
                t.bpmn:4:1: warning: the boundary event leads nowhere: the path ends when it fires (element 'b2'); help: lead a sequence flow from it to what should happen then
            "#]],
        );
    }
}

mod flows {
    use super::*;

    #[test]
    fn both_ends_must_exist_and_be_flow_nodes() {
        check(
            "<bpmn:startEvent id='s'/><bpmn:endEvent id='e'/><bpmn:textAnnotation id='note'/>\n\
             <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='nowhere'/>\n<bpmn:sequenceFlow id='f2' targetRef='e'/>\n\
             <bpmn:sequenceFlow id='f3' sourceRef='s' targetRef='note'/>\n<bpmn:sequenceFlow id='f4' sourceRef='p' targetRef='e'/>",
            expect![[r#"
                t.bpmn:3:1: error: the flow goes to 'nowhere', which does not exist in this process (element 'f1'); help: draw it to an element of the same process, or remove it
                t.bpmn:4:1: error: sequenceFlow has no sourceRef (element 'f2'); help: draw the flow again, from one element to another
                t.bpmn:5:1: error: the flow goes to 'note', which is not a flow node (element 'f3'); help: sequence flows and boundary events stand on events, activities and gateways
                t.bpmn:6:1: error: the flow comes from 'p', which is not a flow node (element 'f4'); help: sequence flows and boundary events stand on events, activities and gateways
            "#]],
        );
    }

    #[test]
    fn an_exclusive_gateway_must_always_know_where_to_go() {
        let gateway = |default: &str, flows: &str| format!("{ENDS}\n<bpmn:exclusiveGateway id='a' {default}/>\n{flows}");
        let to_end =
            |id: &str, inside: &str| format!("<bpmn:sequenceFlow id='{id}' sourceRef='a' targetRef='e'>{inside}</bpmn:sequenceFlow>\n");
        let condition = "<bpmn:conditionExpression>${x}</bpmn:conditionExpression>";
        check(
            &gateway("", &(to_end("g1", condition) + &to_end("g2", ""))),
            expect![[r#"
            t.bpmn:5:1: error: a flow of the exclusive gateway 'a' has no condition and is not its default flow (element 'g2'); help: give it a condition, such as ${amount > 100}, or make it the default flow
        "#]],
        );
        check(
            &gateway("default='g1'", &(to_end("g1", condition) + &to_end("g2", condition))),
            expect![[r#"
            t.bpmn:4:1: error: the default flow of an exclusive gateway has a condition (element 'g1'); help: remove the condition: the default flow is taken when no other condition is true
        "#]],
        );
        check(
            &gateway("default='f'", &(to_end("g1", condition) + &to_end("g2", condition))),
            expect![[r#"
            t.bpmn:3:1: error: the default flow 'f' does not leave this exclusiveGateway (element 'a'); help: name one of its outgoing sequence flows
        "#]],
        );
        check(
            &gateway("", &to_end("g1", condition)),
            expect![[r#"
            t.bpmn:4:1: error: the only flow of an exclusive gateway has a condition (element 'g1'); help: remove the condition, or add a flow for the case that it is false
        "#]],
        );
        check(
            &gateway("", ""),
            expect![[r#"
            t.bpmn:2:26: warning: no path leads to this endEvent (element 'e'); help: lead a sequence flow to it, or remove it
            t.bpmn:3:1: error: the exclusive gateway has no outgoing sequence flow (element 'a'); help: lead sequence flows from it, or remove it
        "#]],
        );
        check(
            &gateway("", &(to_end("g1", condition) + &to_end("g2", condition))),
            expect![[r#"
            fine
        "#]],
        );
        check(
            &gateway("", &to_end("g1", "")),
            expect![[r#"
            fine
        "#]],
        );
    }

    #[test]
    fn conditions_must_be_expressions() {
        let condition = |inside: &str| {
            format!(
                "{ENDS}<bpmn:exclusiveGateway id='a' default='g2'/><bpmn:sequenceFlow id='g2' sourceRef='a' targetRef='e'/>\n\
                 <bpmn:sequenceFlow id='g1' sourceRef='a' targetRef='e'>\n{inside}</bpmn:sequenceFlow>"
            )
        };
        check(
            &condition("<bpmn:conditionExpression/>"),
            expect![[r#"
            t.bpmn:4:1: error: the condition is empty (element 'g1'); help: write one, such as ${amount > 100} or = amount > 100
        "#]],
        );
        check(
            &condition("<bpmn:conditionExpression>true</bpmn:conditionExpression>"),
            expect![[r#"
            t.bpmn:4:1: error: the condition 'true' is a text, which is neither true nor false (element 'g1'); help: write an expression, such as ${amount > 100} or = amount > 100
        "#]],
        );
        check(
            &condition("<bpmn:conditionExpression>${a &amp;&amp;}</bpmn:conditionExpression>"),
            expect![[r#"
            t.bpmn:4:1: error: the condition '${a &&}': expected a value, found "}", at character 7 (element 'g1'); help: correct the expression
        "#]],
        );
        check(
            &condition("<bpmn:conditionExpression>= a &gt;</bpmn:conditionExpression>"),
            expect![[r#"
            t.bpmn:4:1: error: the condition '= a >': expected a value, found the end, at character 6 (element 'g1'); help: correct the expression
        "#]],
        );
        check(
            &condition("<bpmn:conditionExpression language='groovy'>x</bpmn:conditionExpression>"),
            expect![[r#"
            t.bpmn:4:1: error: a condition in the language 'groovy' is not supported yet (element 'g1'); help: write it as ${amount > 100} or = amount > 100, without a language
        "#]],
        );
    }

    #[test]
    fn only_exclusive_gateways_decide() {
        let condition = "<bpmn:conditionExpression>${x}</bpmn:conditionExpression></bpmn:sequenceFlow>";
        check(
            &format!(
                "{ENDS}\n<bpmn:parallelGateway id='a'/>\n<bpmn:sequenceFlow id='g1' sourceRef='a' targetRef='t'>{condition}\n\
                 <bpmn:userTask id='t' default='g2'/>\n<bpmn:sequenceFlow id='g2' sourceRef='t' targetRef='e'/>\n\
                 <bpmn:sequenceFlow id='g3' sourceRef='t' targetRef='e'>{condition}"
            ),
            expect![[r#"
                t.bpmn:4:1: error: a flow of a parallel gateway has a condition, but all of them are taken (element 'g1'); help: decide in an exclusive gateway
                t.bpmn:5:1: error: a default flow out of userTask is not supported yet (element 't'); help: decide in an exclusive gateway
                t.bpmn:7:1: error: a conditional sequence flow out of userTask is not supported yet (element 'g3'); help: decide in an exclusive gateway
            "#]],
        );
    }

    #[test]
    fn start_and_end_are_at_the_ends() {
        check(
            "<bpmn:startEvent id='s'/>\n<bpmn:endEvent id='e'/>\n<bpmn:userTask id='t'/>\n\
             <bpmn:boundaryEvent id='b' attachedToRef='t'><bpmn:errorEventDefinition/></bpmn:boundaryEvent>\n\
             <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='e'/><bpmn:sequenceFlow id='f2' sourceRef='e' targetRef='s'/>\
             <bpmn:sequenceFlow id='f3' sourceRef='e' targetRef='b'/><bpmn:sequenceFlow id='f4' sourceRef='b' targetRef='t'/>",
            expect![[r#"
                t.bpmn:2:1: error: startEvent has an incoming sequence flow (element 's'); help: lead the flow to the element behind it
                t.bpmn:3:1: error: endEvent has an outgoing sequence flow (element 'e'); help: remove the flow, or make the end event a task or gateway
                t.bpmn:5:1: error: boundaryEvent has an incoming sequence flow (element 'b'); help: lead the flow to the element behind it
            "#]],
        );
    }

    #[test]
    fn no_flow_crosses_the_border_of_a_sub_process() {
        check_activity(
            "<bpmn:subProcess id='a'><bpmn:startEvent id='is'/><bpmn:userTask id='it'/><bpmn:sequenceFlow id='if' sourceRef='is' targetRef='it'/>\
             </bpmn:subProcess>\n<bpmn:sequenceFlow id='x' sourceRef='it' targetRef='e'/>",
            expect![[r#"
                t.bpmn:3:1: error: the flow from 'it' to 'e' crosses the border of a sub-process (element 'x'); help: end inside with an end event, and lead a flow from the sub-process on; or use a boundary event
            "#]],
        );
    }

    #[test]
    fn what_no_path_leads_to_is_a_warning() {
        check(
            "<bpmn:startEvent id='s'/>\n<bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>\n\
             <bpmn:userTask id='lost1'/>\n<bpmn:userTask id='lost2'/><bpmn:sequenceFlow id='g' sourceRef='lost1' targetRef='lost2'/>\n\
             <bpmn:subProcess id='lost3'><bpmn:startEvent id='is'/></bpmn:subProcess>",
            expect![[r#"
                t.bpmn:4:1: warning: no path leads to this userTask (element 'lost1'); help: lead a sequence flow to it, or remove it
                t.bpmn:5:1: warning: no path leads to this userTask (element 'lost2'); help: lead a sequence flow to it, or remove it
                t.bpmn:6:1: warning: no path leads to this subProcess (element 'lost3'); help: lead a sequence flow to it, or remove it
                t.bpmn:6:29: warning: the start event leads nowhere: it ends as soon as it begins (element 'is'); help: lead a sequence flow from it to the first activity
            "#]],
        );
    }

    #[test]
    fn mentions_of_flows_that_do_not_exist_are_a_warning() {
        check_activity(
            "<bpmn:userTask id='a'><bpmn:incoming>f1</bpmn:incoming>\n<bpmn:outgoing>gone</bpmn:outgoing></bpmn:userTask>",
            expect![[r#"
                t.bpmn:3:1: warning: the outgoing flow 'gone' does not exist (element 'a'); help: remove the line, or draw the flow; only sequenceFlow elements count
            "#]],
        );
    }
}

mod scopes {
    use super::*;

    #[test]
    fn a_scope_starts_somewhere_and_once() {
        check(
            "<bpmn:userTask id='t'/>",
            expect![[r#"
            t.bpmn:1:358: error: the process has no start event (element 'p'); help: begin it with a none or message start event
            t.bpmn:2:1: warning: no path leads to this userTask (element 't'); help: lead a sequence flow to it, or remove it
        "#]],
        );
        check_activity(
            "<bpmn:subProcess id='a'><bpmn:userTask id='t'/></bpmn:subProcess>",
            expect![[r#"
            t.bpmn:2:1: error: the subProcess has no start event (element 'a'); help: begin it with a none start event
            t.bpmn:2:25: warning: no path leads to this userTask (element 't'); help: lead a sequence flow to it, or remove it
        "#]],
        );
        check(
            "<bpmn:startEvent id='s1'/><bpmn:endEvent id='e'/>\n<bpmn:startEvent id='s2'/>\n\
             <bpmn:sequenceFlow id='f1' sourceRef='s1' targetRef='e'/><bpmn:sequenceFlow id='f2' sourceRef='s2' targetRef='e'/>",
            expect![[r#"
                t.bpmn:3:1: error: the process has more than one none start event (element 's2'); help: keep one; lead its flow through a parallel gateway if both paths should start
            "#]],
        );
    }

    #[test]
    fn elements_in_the_wrong_place_are_refused() {
        check(
            "<bpmn:startEvent id='s'><bpmn:userTask id='t'/></bpmn:startEvent>\n<bpmn:nonsense id='n'/>\n<other:thing/>\n\
             <bpmn:process id='q'/>",
            expect![[r#"
                t.bpmn:2:25: error: userTask has no place in startEvent (element 's'); help: remove it, or check its spelling: BPMN 2.0 has no such element here
                t.bpmn:3:1: error: nonsense has no place in process (element 'p'); help: remove it, or check its spelling: BPMN 2.0 has no such element here
                t.bpmn:4:1: warning: other:thing has no effect here (element 'p'); help: extensions stand inside of extensionElements
                t.bpmn:5:1: error: process has no place in process (element 'p'); help: remove it, or check its spelling: BPMN 2.0 has no such element here
            "#]],
        );
    }

    #[test]
    fn sub_processes_nest_only_so_deeply() {
        let mut process = String::from("<bpmn:startEvent id='deepest'/>");
        for depth in 0..70 {
            process = format!("<bpmn:startEvent id='s{depth}'/><bpmn:subProcess id='d{depth}'>{process}</bpmn:subProcess>");
        }
        check(
            &process,
            expect![[r#"
            t.bpmn:2:3360: error: sub-processes nest more than 64 deep (element 'd6'); help: flatten the model
        "#]],
        );
    }
}

mod ids {
    use super::*;

    #[test]
    fn ids_are_unique_present_and_fit() {
        let long = "x".repeat(256);
        check(
            &format!(
                "<bpmn:startEvent/>\n<bpmn:userTask id='t'/>\n<bpmn:userTask id='t'/>\n<bpmn:userTask id='1 2'/>\n<bpmn:userTask id=''/>\n\
                 <bpmn:userTask id='{long}'/>\n<bpmn:sequenceFlow sourceRef='t' targetRef='t'/>"
            ),
            expect![[r#"
                t.bpmn:2:1: error: startEvent has no id (element 'p'); help: give it an id that is unique in the file
                t.bpmn:2:1: warning: the start event leads nowhere: it ends as soon as it begins; help: lead a sequence flow from it to the first activity
                t.bpmn:3:1: warning: no path leads to this userTask (element 't'); help: lead a sequence flow to it, or remove it
                t.bpmn:4:1: error: the id 't' is used twice, first at 3:1 (element 't'); help: give one of them another id
                t.bpmn:4:1: warning: no path leads to this userTask (element 't'); help: lead a sequence flow to it, or remove it
                t.bpmn:5:1: error: '1 2' is not an id (element '1 2'); help: an id begins with a letter or _ and goes on with letters, digits, _ - and .
                t.bpmn:5:1: warning: no path leads to this userTask (element '1 2'); help: lead a sequence flow to it, or remove it
                t.bpmn:6:1: error: '' is not an id (element ''); help: an id begins with a letter or _ and goes on with letters, digits, _ - and .
                t.bpmn:6:1: warning: no path leads to this userTask; help: lead a sequence flow to it, or remove it
                t.bpmn:7:1: error: the id of this userTask is longer than 255 characters (element 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'); help: shorten it
                t.bpmn:7:1: warning: no path leads to this userTask (element 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'); help: lead a sequence flow to it, or remove it
                t.bpmn:8:1: error: sequenceFlow has no id; help: give it an id that is unique in the file
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
             <camunda:formData><camunda:formField id='decision'/></camunda:formData>\n<other:thing><bpmn:userTask id='a'/></other:thing>\n\
             <camunda:unheard/>\n<zeebe:unheard/></bpmn:extensionElements>\n<camunda:properties/></bpmn:userTask>",
            expect![[r#"
                t.bpmn:2:1: warning: camunda:priority has no effect: all tasks have the same priority (element 'a'); help: remove it, or do without what it asks for
                t.bpmn:2:1: warning: camunda:followUpDate has no effect: the task is not hidden until then (element 'a'); help: remove it, or do without what it asks for
                t.bpmn:2:1: warning: camunda:class has no effect on userTask (element 'a'); help: remove it; it is read on serviceTask and sendTask
                t.bpmn:3:1: warning: camunda:formData has no effect: forms are not served; task lists see camunda:formKey only (element 'a'); help: remove it, or do without what it asks for
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
                t.bpmn:3:1: error: camunda:failedJobRetryTimeCycle: 'R/PT1S' has no end: a cycle says how often, as in R3/PT10S (element 'a'); help: write R3/PT10S (three attempts), PT10S,PT1M (the waits) or R3/PT5M,R2/PT30M (cycles)
                t.bpmn:5:1: error: camunda:inputParameter has no name of 1 to 255 characters (element 'a'); help: name the variable that it sets
                t.bpmn:6:1: error: camunda:inputParameter 'y' '${': expected a value, found the end, at character 3 (element 'a'); help: correct the expression
                t.bpmn:7:1: error: camunda:other has no place in camunda:inputOutput (element 'a'); help: use camunda:inputParameter or camunda:outputParameter
                t.bpmn:8:21: error: camunda:property has no name (element 'a'); help: name it
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

mod files {
    use super::*;

    #[test]
    fn there_must_be_something_to_run() {
        check_file(
            "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'/>",
            expect![[r#"
            t.bpmn:1:1: error: the file has no process; help: draw one; files with decisions or forms only go by other endings
        "#]],
        );
        check_file(
            "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process id='p' isExecutable='false'/></definitions>",
            expect![[r#"
                t.bpmn:1:1: error: no process in the file is executable, so that there is nothing to run; help: set isExecutable="true" on the process ("Executable" in the modeller's properties)
                t.bpmn:1:66: warning: the process is not executable and is left out (element 'p'); help: set isExecutable="true" if it should run; ignore this if it only documents the other side
            "#]],
        );
        check_file(
            "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process id='p'><startEvent id='s'/></process></definitions>",
            expect![[r#"
                t.bpmn:1:66: warning: the process does not say whether it is executable, and is taken to be (element 'p'); help: set isExecutable="true" or "false"
                t.bpmn:1:82: warning: the start event leads nowhere: it ends as soon as it begins (element 's'); help: lead a sequence flow from it to the first activity
            "#]],
        );
        check_file(
            "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process isExecutable='perhaps'><startEvent id='s'/></process></definitions>",
            expect![[r#"
                t.bpmn:1:66: error: isExecutable="perhaps" is neither true nor false; help: write true or false
                t.bpmn:1:66: error: process has no id; help: give it an id: it is the key by which the process is started
                t.bpmn:1:98: warning: the start event leads nowhere: it ends as soon as it begins (element 's'); help: lead a sequence flow from it to the first activity
            "#]],
        );
    }

    #[test]
    fn the_root_must_be_bpmn() {
        check_file(
            "<definitions/>",
            expect![[r#"
                t.bpmn:1:1: error: the root element 'definitions' is not in BPMN 2.0's namespace; help: export the model as BPMN 2.0 XML: its namespace is http://www.omg.org/spec/BPMN/20100524/MODEL
            "#]],
        );
        check_file(
            "<html><body/></html>",
            expect![[r#"
                t.bpmn:1:1: error: the root element is 'html', not BPMN 2.0's definitions; help: export the model as BPMN 2.0 XML: its namespace is http://www.omg.org/spec/BPMN/20100524/MODEL
            "#]],
        );
    }

    #[test]
    fn message_flows_and_strangers_beside_the_processes_are_warnings() {
        check_file(
            &file_with(
                "\n<bpmn:collaboration id='c'><bpmn:participant id='pool' processRef='p'/>\n<bpmn:messageFlow id='mf' sourceRef='s' targetRef='pool'/>\
                 </bpmn:collaboration>\n<bpmn:globalUserTask id='gt'/>\n<other:thing/>",
                "<bpmn:startEvent id='s'/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>",
            ),
            expect![[r#"
                t.bpmn:5:1: warning: a message flow is a drawing: nothing is sent along it (element 'mf'); help: a delegate must send the message, by a command of the other side's catalogue or an API; ignore this if it does
                t.bpmn:6:1: warning: globalUserTask beside the processes has no effect (element 'gt'); help: remove it, or ignore this if it is meant for another tool
                t.bpmn:7:1: warning: other:thing beside the processes has no effect; help: remove it, or ignore this if it is meant for another tool
            "#]],
        );
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        check_file(
            "<?xml version='1.0'?>\n<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<d>&x;</d>",
            expect![[r#"
            t.bpmn:2:1: error: a document type (<!DOCTYPE) is not allowed; help: remove it: BPMN needs none, and it could define entities that read files or grow without end
        "#]],
        );
        check(
            " <bpmn:userTask id='t'>&lol;</bpmn:userTask>",
            expect![[r#"
            t.bpmn:2:24: error: the entity &lol; is not defined; help: write the character itself; only &lt; &gt; &amp; &quot; &apos; and character references such as &#10; are known
        "#]],
        );
        check(
            "<bpmn:userTask id='&lol;'/>",
            expect![[r#"
            t.bpmn:2:1: error: in the tag 'bpmn:userTask': the attribute 'id': at 1..4: unrecognized entity `lol`; help: correct the XML
        "#]],
        );
        check(
            "<bpmn:userTask id='t'>&#0;</bpmn:userTask>",
            expect![[r#"
            t.bpmn:2:23: error: the entity &#0; is not defined; help: write the character itself; only &lt; &gt; &amp; &quot; &apos; and character references such as &#10; are known
        "#]],
        );
    }

    #[test]
    fn broken_xml_says_where() {
        check_file(
            "",
            expect![[r#"
            t.bpmn:1:1: error: the file is empty; help: export the model again
        "#]],
        );
        check_file(
            "  \n",
            expect![[r#"
            t.bpmn:1:1: error: the file is empty; help: export the model again
        "#]],
        );
        check_file(
            "just text",
            expect![[r#"
            t.bpmn:1:1: error: text stands outside of the root element; help: remove it; if this is no XML file, leave it out of the deployment or give it another ending
        "#]],
        );
        check_file(
            "<a/>\n<b/>",
            expect![[r#"
            t.bpmn:2:1: error: a second root element follows the first; help: remove what stands behind the first one
        "#]],
        );
        check_file(
            "<a>\n  <b></a>",
            expect![[r#"
            t.bpmn:2:6: error: ill-formed document: expected `</b>`, but `</a>` was found; help: correct the XML; opening the file in a modeller shows where it breaks
        "#]],
        );
        check_file(
            "<a>\n  <b>",
            expect![[r#"
            t.bpmn:1:1: error: the tag 'a' is never closed; help: the file may have been cut off: export or copy it again
        "#]],
        );
        check_file(
            "<a>\n  <b c=d/></a>",
            expect![[r#"
            t.bpmn:2:3: error: in the tag 'b': position 4: attribute value must be enclosed in `"` or `'`; help: correct the XML
        "#]],
        );
        check_file(
            "<a>\n  <b c='1' c='2'/></a>",
            expect![[r#"
            t.bpmn:2:3: error: in the tag 'b': the attribute 'c' stands twice; help: correct the XML
        "#]],
        );
        check_file(
            "<a>\n  <b c='1",
            expect![[r#"
            t.bpmn:2:3: error: syntax error: attribute value not closed: `'` not found before end of input; help: correct the XML; opening the file in a modeller shows where it breaks
        "#]],
        );
        check_file(
            "<a>\n  < b/></a>",
            expect![[r#"
            t.bpmn:2:3: error: a tag has no name; help: write '&lt;' for a '<' that does not open a tag
        "#]],
        );
        check_file(
            "<a>\n<!-- never closed",
            expect![[r#"
            t.bpmn:2:1: error: syntax error: comment not closed: `-->` not found before end of input; help: correct the XML; opening the file in a modeller shows where it breaks
        "#]],
        );
        check_file(
            "<bpmn:definitions/>",
            expect![[r#"
                t.bpmn:1:1: error: the prefix of 'bpmn:definitions' is not declared; help: declare it on the root element: xmlns:bpmn="…"
                t.bpmn:1:1: error: the root element 'bpmn:definitions' is not in BPMN 2.0's namespace; help: export the model as BPMN 2.0 XML: its namespace is http://www.omg.org/spec/BPMN/20100524/MODEL
            "#]],
        );
        check_file(
            "</a>",
            expect![[r#"
            t.bpmn:1:1: error: ill-formed document: close tag `</a>` does not match any open tag; help: correct the XML; opening the file in a modeller shows where it breaks
        "#]],
        );
    }

    #[test]
    fn other_encodings_say_what_to_do() {
        expect![[r#"
            t.bpmn:1:1: error: the file is in UTF-16; help: save the file as UTF-8
        "#]]
        .assert_eq(&diagnostics(b"\xFF\xFE<\0a\0/\0>\0"));
        expect![[r#"
            t.bpmn:1:1: error: the file is in UTF-16; help: save the file as UTF-8
        "#]]
        .assert_eq(&diagnostics(b"<\0a\0/\0>\0"));
        expect![[r#"
            t.bpmn:2:1: error: the file is not valid UTF-8; help: save the file as UTF-8
        "#]]
        .assert_eq(&diagnostics(b"<a>\n\xE4</a>"));
        expect![[r#"
            t.bpmn:2:2: error: the control character U+0000 is not allowed in XML; help: remove it; if the file is full of them, it is not an XML file
        "#]].assert_eq(&diagnostics(b"<a>\n \0</a>"));
        expect![[r#"
            t.bpmn:1:1: error: the file declares the encoding 'ISO-8859-1'; help: save it as UTF-8 and declare encoding="UTF-8"
        "#]]
        .assert_eq(&diagnostics("<?xml version='1.0' encoding='ISO-8859-1'?><a>ä</a>".as_bytes()));
        expect![[r#"
            t.bpmn:1:1: error: the control character U+0000 is not allowed in XML; help: remove it; if the file is full of them, it is not an XML file
        "#]].assert_eq(&diagnostics(b"\0asm\x01\0\0\0"));
    }

    #[test]
    fn columns_count_characters_and_lines_count_line_feeds() {
        check(
            "<bpmn:documentation>äöü🙂\r\nx</bpmn:documentation><bpmn:scriptTask id='t'/>",
            expect![[r#"
            t.bpmn:3:23: error: scriptTask is not supported yet (element 't'); help: use a service task with a delegate
        "#]],
        );
    }
}
