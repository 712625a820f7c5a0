//! Events, flows and scopes that do not fit together. In the words a modeller reads; fragments begin on line 2.

use crate::common::{ENDS, around, around_with, check, check_activity, check_file, file, file_with};
use expect_test::expect;

mod events {
    use super::*;

    #[test]
    fn messages_must_exist_and_have_names() {
        check_activity(
            "<bpmn:intermediateCatchEvent id='a'><bpmn:messageEventDefinition/></bpmn:intermediateCatchEvent>",
            expect![[r#"
                t.bpmn:2:37: error: messageEventDefinition has no messageRef (element 'a'); help: choose the message that it waits for, or create one with a name
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
    fn timers_start_processes_however_many_and_no_sub_process() {
        let timer = "<bpmn:timerEventDefinition><bpmn:timeCycle>@daily</bpmn:timeCycle></bpmn:timerEventDefinition>";
        check_file(
            &file(&format!(
                "<bpmn:startEvent id='s0'/><bpmn:startEvent id='s1'>{timer}</bpmn:startEvent><bpmn:startEvent id='s2'>{timer}</bpmn:startEvent>\n\
                 <bpmn:subProcess id='a'><bpmn:startEvent id='s3'>{timer}</bpmn:startEvent></bpmn:subProcess>"
            )),
            expect![[r#"
                t.bpmn:3:25: error: a timer start event can't start a sub-process (element 's3'); help: make it a none start event, or the sub-process an event sub-process (triggeredByEvent="true")
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
                t.bpmn:5:25: error: a message start event can't start a sub-process (element 's4'); help: make it a none start event, or the sub-process an event sub-process (triggeredByEvent="true")
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
                t.bpmn:4:24: warning: the error 'nobody' does not exist: this is taken for the code of one (as in Camunda 7) (element 'e2'); help: create an error with this id and a code
                t.bpmn:5:24: error: the error 'x' has no errorCode of 1 to 255 characters (element 'e3'); help: give it an errorCode: errors are caught by code
                t.bpmn:6:24: error: an expression in the code of the error 'y' is not supported (element 'e4'); help: write a fixed text (as in Camunda 7)
                t.bpmn:7:69: warning: the error 'x' has no errorCode: the event catches all errors (element 'b'); help: give it one, or remove the errorRef
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
                t.bpmn:2:37: error: the timer does not say when it fires (element 'a'); help: give it a timeDuration such as PT10M, a timeDate, or a timeCycle such as R3/PT10M
            "#]],
        );
        check_file(
            &timer("<bpmn:timeDuration/>"),
            expect![[r#"
                t.bpmn:2:64: error: the timer's timeDuration is empty (element 'a'); help: give it a timeDuration such as PT10M, a timeDate, or a timeCycle such as R3/PT10M
            "#]],
        );
        check_file(
            &timer("<bpmn:timeDuration>10 minutes</bpmn:timeDuration>"),
            expect![[r#"
                t.bpmn:2:64: error: timeDuration: '10 minutes' is not an ISO 8601 duration such as PT30S, PT10M, P1D or P1M: expected to find duration beginning with `P` or `p`, but found `1` instead (element 'a'); help: write it as it says, or as an expression such as ${timeout} that gives it
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
                t.bpmn:2:64: error: timeDate: 'tomorrow' is not an ISO 8601 date such as 2030-12-24T18:00:00Z: failed to parse four digit integer as year: invalid digit, expected 0-9 but got t (element 'a'); help: write it as it says, or as an expression such as ${timeout} that gives it
            "#]],
        );
        check_file(
            &timer("<bpmn:timeCycle>0 0 25 * * *</bpmn:timeCycle>"),
            expect![[r#"
                t.bpmn:2:64: error: timeCycle: '0 0 25 * * *' is neither a repeating interval such as R3/PT10M nor a cron expression such as '0 0/5 * * * *': '25' is not a hour from 0 to 23 (element 'a'); help: write it as it says, or as an expression such as ${timeout} that gives it
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
                t.bpmn:2:37: error: the timer does not say when it fires (element 'a'); help: give it a timeDuration such as PT10M, a timeDate, or a timeCycle such as R3/PT10M
            "#]],
        );
        check_activity(
            "<bpmn:userTask id='a'/><bpmn:boundaryEvent id='b' attachedToRef='a'/>",
            expect![[r#"
                t.bpmn:2:24: error: the boundary event waits for nothing (element 'b'); help: make it a message, timer, error, escalation, signal, conditional or compensation event
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
                t.bpmn:4:1: error: the boundary event is attached to nothing (no attachedToRef) (element 'b2'); help: draw it onto the border of a task or sub-process
                t.bpmn:5:1: error: the boundary event is attached to 'nobody', which does not exist in this process (element 'b3'); help: draw it to an element of the same process, or remove it
                t.bpmn:6:1: error: the boundary event is attached to 'f1', which does not exist in this process (element 'b4'); help: draw it to an element of the same process, or remove it
                t.bpmn:7:1: error: cancelActivity="maybe" is neither true nor false (element 'b5'); help: write true or false
                t.bpmn:7:1: error: the boundary event is attached to startEvent, which can't carry one (element 'b5'); help: attach it to a task, a sub-process or a call activity
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
                t.bpmn:4:1: error: an event that waits for an error can't be non-interrupting (element 'b2'); help: let it interrupt (cancelActivity or isInterrupting): an error always ends what it happened in (BPMN 2.0, 10.5.4)
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
                t.bpmn:5:1: warning: a flow of the exclusive gateway 'a' has no condition and is not its default flow: it is taken if no flow before it in the file is (as in Camunda 7) (element 'g2'); help: give it a condition, such as ${amount > 100}, or make it the default flow
            "#]],
        );
        check(
            &gateway("", &(to_end("g1", condition) + &to_end("g2", "") + &to_end("g3", ""))),
            expect![[r#"
                t.bpmn:5:1: error: a flow of the exclusive gateway 'a' has no condition and is not its default flow (element 'g2'); help: give it a condition, such as ${amount > 100}, or make it the default flow
                t.bpmn:6:1: error: a flow of the exclusive gateway 'a' has no condition and is not its default flow (element 'g3'); help: give it a condition, such as ${amount > 100}, or make it the default flow
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
                t.bpmn:4:1: error: an expression in the language 'groovy' is not supported (element 'g1'); help: write it as ${amount > 100} or = amount > 100, without a language
            "#]],
        );
    }

    #[test]
    fn parallel_gateways_do_not_decide_and_events_have_no_default_flow() {
        let condition = "<bpmn:conditionExpression>${x}</bpmn:conditionExpression></bpmn:sequenceFlow>";
        check(
            &format!(
                "{ENDS}\n<bpmn:parallelGateway id='a' default='g1'/>\n<bpmn:sequenceFlow id='g1' sourceRef='a' targetRef='t'>{condition}\n\
                 <bpmn:userTask id='t' default='g2'/>\n<bpmn:sequenceFlow id='g2' sourceRef='t' targetRef='e'>{condition}\n\
                 <bpmn:sequenceFlow id='g3' sourceRef='t' targetRef='e'>{condition}\n<bpmn:boundaryEvent id='b' attachedToRef='t' default='g4'><bpmn:errorEventDefinition/></bpmn:boundaryEvent>\n\
                 <bpmn:sequenceFlow id='g4' sourceRef='b' targetRef='e'/>\n<bpmn:sequenceFlow id='g5' sourceRef='b' targetRef='e'>{condition}"
            ),
            expect![[r#"
                t.bpmn:3:1: error: a default flow out of parallelGateway is not possible (element 'a'); help: decide in an exclusive gateway
                t.bpmn:4:1: warning: the condition has no effect: the gateway is parallel and takes all of its flows (element 'g1'); help: remove it, or decide in an exclusive gateway
                t.bpmn:6:1: warning: the condition of a default flow has no effect (element 'g2'); help: remove it: the default flow is taken when no other flow is
                t.bpmn:8:1: error: a default flow out of boundaryEvent is not possible (element 'b'); help: decide in an exclusive gateway
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
            "<bpmn:userTask id='t'/><bpmn:sequenceFlow id='f' sourceRef='t' targetRef='t'/>",
            expect![[r#"
                t.bpmn:1:358: error: the process has no start event (element 'p'); help: begin it with a none, message, timer, signal or conditional start event, or with something that no flow leads to
                t.bpmn:2:1: warning: no path leads to this userTask (element 't'); help: lead a sequence flow to it, or remove it
            "#]],
        );
        check_activity(
            "<bpmn:subProcess id='a'/>",
            expect![[r#"
                t.bpmn:2:1: error: the subProcess has no start event (element 'a'); help: begin it with a none start event, or with something that no flow leads to
            "#]],
        );
        check_activity(
            "<bpmn:subProcess id='a'><bpmn:startEvent id='s1'/><bpmn:endEvent id='ae'/>\n<bpmn:startEvent id='s2'/>\n\
             <bpmn:sequenceFlow id='g1' sourceRef='s1' targetRef='ae'/><bpmn:sequenceFlow id='g2' sourceRef='s2' targetRef='ae'/></bpmn:subProcess>",
            expect![[r#"
                t.bpmn:3:1: error: the subProcess has more than one none start event (BPMN 2.0, 13.3.4) (element 's2'); help: keep one; lead its flow through a parallel gateway if both paths should start
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
            "#]],
        );
    }
}
