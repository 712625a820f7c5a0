//! What is refused or warned of, in the words a modeller reads. The fragment begins on line 2 of its file.

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
            expect![[]],
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
            expect![[]],
        );
    }

    #[test]
    fn loops_and_event_sub_processes_are_refused_by_their_names() {
        check(
            "<bpmn:startEvent id='s'/>\n<bpmn:userTask id='a'><bpmn:multiInstanceLoopCharacteristics/></bpmn:userTask>\n\
             <bpmn:subProcess id='b'><bpmn:standardLoopCharacteristics/><bpmn:startEvent id='bs'/></bpmn:subProcess>\n\
             <bpmn:subProcess id='c' triggeredByEvent='true'><bpmn:startEvent id='cs'><bpmn:signalEventDefinition/></bpmn:startEvent></bpmn:subProcess>",
            expect![[]],
        );
    }

    #[test]
    fn attributes_that_change_execution_are_refused() {
        check_activity(
            "<bpmn:userTask id='a' isForCompensation='true' startQuantity='2' completionQuantity='1' camunda:formHandlerClass='x'>\
             <bpmn:potentialOwner id='po'/></bpmn:userTask>",
            expect![[]],
        );
        check_file(
            &around_with("<bpmn:message id='m' name='M'/>", "<bpmn:receiveTask id='a' messageRef='m' instantiate='true'/>"),
            expect![[]],
        );
    }

    #[test]
    fn ways_to_run_code_in_the_engine_are_refused() {
        check_activity("<bpmn:serviceTask id='a' camunda:expression='${bean.go()}' camunda:resultVariable='x'/>", expect![[]]);
        check_activity(
            "<bpmn:serviceTask id='a' camunda:class='x'><bpmn:extensionElements>\n<camunda:executionListener class='y' event='start'/>\n\
             <camunda:connector/>\n<camunda:field name='z'/></bpmn:extensionElements></bpmn:serviceTask>",
            expect![[]],
        );
        check_activity(
            "<bpmn:userTask id='a'><bpmn:extensionElements>\n<camunda:taskListener class='y' event='create'/>\n\
             <camunda:inputOutput>\n<camunda:inputParameter name='x'><camunda:script scriptFormat='groovy'>1</camunda:script></camunda:inputParameter>\n\
             <camunda:inputParameter name='y'><camunda:list/></camunda:inputParameter>\n\
             <camunda:outputParameter name='z'><camunda:map/></camunda:outputParameter></camunda:inputOutput>\
             </bpmn:extensionElements></bpmn:userTask>",
            expect![[]],
        );
    }

    #[test]
    fn camunda_8_elements_that_change_execution_are_refused() {
        check_activity(
            "<bpmn:serviceTask id='a'><bpmn:extensionElements>\n<zeebe:taskDefinition type='x' retries='3'/>\n<zeebe:ioMapping/>\n\
             <zeebe:taskHeaders/></bpmn:extensionElements></bpmn:serviceTask>",
            expect![[]],
        );
    }
}

mod delegates {
    use super::*;

    #[test]
    fn a_service_task_must_say_who_does_it() {
        check_activity("<bpmn:serviceTask id='a'/>", expect![[]]);
        check_activity("<bpmn:sendTask id='a' camunda:class=' '/>", expect![[]]);
    }

    #[test]
    fn a_service_task_must_not_say_it_twice() {
        check_activity("<bpmn:serviceTask id='a' camunda:class='x' mandate:delegate='y'/>", expect![[]]);
    }

    #[test]
    fn expressions_that_compute_are_no_names() {
        check_activity("<bpmn:serviceTask id='a' camunda:delegateExpression='${beans.get(x)}'/>", expect![[]]);
        check_activity("<bpmn:serviceTask id='a' camunda:delegateExpression='${a.b}'/>", expect![[]]);
        check_activity("<bpmn:serviceTask id='a' camunda:class='${x}'/>", expect![[]]);
        check_activity("<bpmn:serviceTask id='a' camunda:type='external' camunda:topic='${x}'/>", expect![[]]);
    }

    #[test]
    fn types_topics_and_requirements_must_fit() {
        check_activity("<bpmn:serviceTask id='a' camunda:type='mail'/>", expect![[]]);
        check_activity("<bpmn:serviceTask id='a' camunda:type='external'/>", expect![[]]);
        check_activity("<bpmn:serviceTask id='a' camunda:topic='x'/>", expect![[]]);
        check_activity("<bpmn:serviceTask id='a' mandate:delegate='x@latest'/>", expect![[]]);
        check_activity("<bpmn:serviceTask id='a' mandate:delegate='@1'/>", expect![[]]);
    }

    #[test]
    fn a_misspelt_attribute_of_our_own_is_an_error_and_of_others_a_warning() {
        check_activity(
            "<bpmn:serviceTask id='a' camunda:class='x' mandate:delegat='y' camunda:klass='z' other:thing='1' nonsense='2'/>",
            expect![[]],
        );
    }
}

mod events {
    use super::*;

    #[test]
    fn messages_must_exist_and_have_names() {
        check_activity("<bpmn:receiveTask id='a'/>", expect![[]]);
        check_activity("<bpmn:receiveTask id='a' messageRef='nobody'/>", expect![[]]);
        check_file(&around_with("<bpmn:message id='m'/>", "<bpmn:receiveTask id='a' messageRef='m'/>"), expect![[]]);
        check_file(&around_with("<bpmn:message id='m' name='x-${'/>", "<bpmn:receiveTask id='a' messageRef='m'/>"), expect![[]]);
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
            expect![[]],
        );
    }

    #[test]
    fn errors_must_exist_and_have_codes() {
        let ends = "<bpmn:startEvent id='s'/>\n<bpmn:endEvent id='e1'><bpmn:errorEventDefinition/></bpmn:endEvent>\n\
                    <bpmn:endEvent id='e2'><bpmn:errorEventDefinition errorRef='nobody'/></bpmn:endEvent>\n\
                    <bpmn:endEvent id='e3'><bpmn:errorEventDefinition errorRef='x'/></bpmn:endEvent>\n\
                    <bpmn:endEvent id='e4'><bpmn:errorEventDefinition errorRef='y'/></bpmn:endEvent>\n\
                    <bpmn:userTask id='t'/><bpmn:boundaryEvent id='b' attachedToRef='t'><bpmn:errorEventDefinition errorRef='x'/></bpmn:boundaryEvent>";
        check_file(&file_with("<bpmn:error id='x'/><bpmn:error id='y' errorCode='${code}'/>", ends), expect![[]]);
    }

    #[test]
    fn timers_must_say_when() {
        let timer = |inside: &str| {
            around(&format!(
                "<bpmn:intermediateCatchEvent id='a'><bpmn:timerEventDefinition>{inside}</bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>"
            ))
        };
        check_file(&timer(""), expect![[]]);
        check_file(&timer("<bpmn:timeDuration/>"), expect![[]]);
        check_file(&timer("<bpmn:timeDuration>10 minutes</bpmn:timeDuration>"), expect![[]]);
        check_file(&timer("<bpmn:timeDuration>${</bpmn:timeDuration>"), expect![[]]);
        check_file(&timer("<bpmn:timeDate>tomorrow</bpmn:timeDate>"), expect![[]]);
        check_file(&timer("<bpmn:timeCycle>R3/PT1H</bpmn:timeCycle>"), expect![[]]);
        check_file(&timer("<bpmn:timeDate>2030-01-01</bpmn:timeDate><bpmn:timeDuration>PT1S</bpmn:timeDuration>"), expect![[]]);
    }

    #[test]
    fn an_event_has_one_definition_where_it_needs_one() {
        check_activity("<bpmn:intermediateCatchEvent id='a'/>", expect![[]]);
        check_activity(
            "<bpmn:intermediateCatchEvent id='a'><bpmn:timerEventDefinition/><bpmn:messageEventDefinition/></bpmn:intermediateCatchEvent>",
            expect![[]],
        );
        check_activity("<bpmn:userTask id='a'/><bpmn:boundaryEvent id='b' attachedToRef='a'/>", expect![[]]);
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
            expect![[]],
        );
    }

    #[test]
    fn an_error_is_caught_once_and_interrupts() {
        check_activity(
            "<bpmn:userTask id='a'/>\n\
             <bpmn:boundaryEvent id='b1' attachedToRef='a'><bpmn:errorEventDefinition/></bpmn:boundaryEvent>\n\
             <bpmn:boundaryEvent id='b2' attachedToRef='a' cancelActivity='false'><bpmn:errorEventDefinition/></bpmn:boundaryEvent>",
            expect![[]],
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
            expect![[]],
        );
    }

    #[test]
    fn an_exclusive_gateway_must_always_know_where_to_go() {
        let gateway = |default: &str, flows: &str| format!("{ENDS}\n<bpmn:exclusiveGateway id='a' {default}/>\n{flows}");
        let to_end = |id: &str, inside: &str| format!("<bpmn:sequenceFlow id='{id}' sourceRef='a' targetRef='e'>{inside}</bpmn:sequenceFlow>\n");
        let condition = "<bpmn:conditionExpression>${x}</bpmn:conditionExpression>";
        check(&gateway("", &(to_end("g1", condition) + &to_end("g2", ""))), expect![[]]);
        check(&gateway("default='g1'", &(to_end("g1", condition) + &to_end("g2", condition))), expect![[]]);
        check(&gateway("default='f'", &(to_end("g1", condition) + &to_end("g2", condition))), expect![[]]);
        check(&gateway("", &to_end("g1", condition)), expect![[]]);
        check(&gateway("", ""), expect![[]]);
        check(&gateway("", &(to_end("g1", condition) + &to_end("g2", condition))), expect![[]]);
        check(&gateway("", &to_end("g1", "")), expect![[]]);
    }

    #[test]
    fn conditions_must_be_expressions() {
        let condition = |inside: &str| {
            format!(
                "{ENDS}<bpmn:exclusiveGateway id='a' default='g2'/><bpmn:sequenceFlow id='g2' sourceRef='a' targetRef='e'/>\n\
                 <bpmn:sequenceFlow id='g1' sourceRef='a' targetRef='e'>\n{inside}</bpmn:sequenceFlow>"
            )
        };
        check(&condition("<bpmn:conditionExpression/>"), expect![[]]);
        check(&condition("<bpmn:conditionExpression>true</bpmn:conditionExpression>"), expect![[]]);
        check(&condition("<bpmn:conditionExpression>${a &amp;&amp;}</bpmn:conditionExpression>"), expect![[]]);
        check(&condition("<bpmn:conditionExpression>= a &gt;</bpmn:conditionExpression>"), expect![[]]);
        check(&condition("<bpmn:conditionExpression language='groovy'>x</bpmn:conditionExpression>"), expect![[]]);
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
            expect![[]],
        );
    }

    #[test]
    fn start_and_end_are_at_the_ends() {
        check(
            "<bpmn:startEvent id='s'/>\n<bpmn:endEvent id='e'/>\n<bpmn:userTask id='t'/>\n\
             <bpmn:boundaryEvent id='b' attachedToRef='t'><bpmn:errorEventDefinition/></bpmn:boundaryEvent>\n\
             <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='e'/><bpmn:sequenceFlow id='f2' sourceRef='e' targetRef='s'/>\
             <bpmn:sequenceFlow id='f3' sourceRef='e' targetRef='b'/><bpmn:sequenceFlow id='f4' sourceRef='b' targetRef='t'/>",
            expect![[]],
        );
    }

    #[test]
    fn no_flow_crosses_the_border_of_a_sub_process() {
        check_activity(
            "<bpmn:subProcess id='a'><bpmn:startEvent id='is'/><bpmn:userTask id='it'/><bpmn:sequenceFlow id='if' sourceRef='is' targetRef='it'/>\
             </bpmn:subProcess>\n<bpmn:sequenceFlow id='x' sourceRef='it' targetRef='e'/>",
            expect![[]],
        );
    }

    #[test]
    fn what_no_path_leads_to_is_a_warning() {
        check(
            "<bpmn:startEvent id='s'/>\n<bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>\n\
             <bpmn:userTask id='lost1'/>\n<bpmn:userTask id='lost2'/><bpmn:sequenceFlow id='g' sourceRef='lost1' targetRef='lost2'/>\n\
             <bpmn:subProcess id='lost3'><bpmn:startEvent id='is'/></bpmn:subProcess>",
            expect![[]],
        );
    }

    #[test]
    fn mentions_of_flows_that_do_not_exist_are_a_warning() {
        check_activity("<bpmn:userTask id='a'><bpmn:incoming>f1</bpmn:incoming>\n<bpmn:outgoing>gone</bpmn:outgoing></bpmn:userTask>", expect![[]]);
    }
}

mod scopes {
    use super::*;

    #[test]
    fn a_scope_starts_somewhere_and_once() {
        check("<bpmn:userTask id='t'/>", expect![[]]);
        check_activity("<bpmn:subProcess id='a'><bpmn:userTask id='t'/></bpmn:subProcess>", expect![[]]);
        check(
            "<bpmn:startEvent id='s1'/><bpmn:endEvent id='e'/>\n<bpmn:startEvent id='s2'/>\n\
             <bpmn:sequenceFlow id='f1' sourceRef='s1' targetRef='e'/><bpmn:sequenceFlow id='f2' sourceRef='s2' targetRef='e'/>",
            expect![[]],
        );
    }

    #[test]
    fn elements_in_the_wrong_place_are_refused() {
        check(
            "<bpmn:startEvent id='s'><bpmn:userTask id='t'/></bpmn:startEvent>\n<bpmn:nonsense id='n'/>\n<other:thing/>\n\
             <bpmn:process id='q'/>",
            expect![[]],
        );
    }

    #[test]
    fn sub_processes_nest_only_so_deeply() {
        let mut process = String::from("<bpmn:startEvent id='deepest'/>");
        for depth in 0..70 {
            process = format!("<bpmn:startEvent id='s{depth}'/><bpmn:subProcess id='d{depth}'>{process}</bpmn:subProcess>");
        }
        check(&process, expect![[]]);
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
            expect![[]],
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
            expect![[]],
        );
    }

    #[test]
    fn mappings_and_retries_must_fit() {
        check_activity(
            "<bpmn:userTask id='a' camunda:asyncBefore='yes'><bpmn:extensionElements>\n<camunda:failedJobRetryTimeCycle>R/PT1S</camunda:failedJobRetryTimeCycle>\n\
             <camunda:inputOutput>\n<camunda:inputParameter>x</camunda:inputParameter>\n<camunda:inputParameter name='y'>${</camunda:inputParameter>\n\
             <camunda:other/></camunda:inputOutput>\n<camunda:properties><camunda:property value='v'/></camunda:properties>\
             </bpmn:extensionElements></bpmn:userTask>",
            expect![[]],
        );
    }

    #[test]
    fn gateways_and_ends_map_nothing() {
        check_activity(
            "<bpmn:parallelGateway id='a'><bpmn:extensionElements><camunda:inputOutput/></bpmn:extensionElements></bpmn:parallelGateway>\n\
             <bpmn:endEvent id='e2'><bpmn:extensionElements><camunda:inputOutput><camunda:outputParameter name='x'/></camunda:inputOutput></bpmn:extensionElements></bpmn:endEvent>\
             <bpmn:sequenceFlow id='g' sourceRef='a' targetRef='e2'/>",
            expect![[]],
        );
    }

    #[test]
    fn due_dates_must_be_dates() {
        check_activity("<bpmn:userTask id='a' camunda:dueDate='soon' camunda:assignee='${a b}'/>", expect![[]]);
    }
}

mod files {
    use super::*;

    #[test]
    fn there_must_be_something_to_run() {
        check_file("<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'/>", expect![[]]);
        check_file(
            "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process id='p' isExecutable='false'/></definitions>",
            expect![[]],
        );
        check_file(
            "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process id='p'><startEvent id='s'/></process></definitions>",
            expect![[]],
        );
        check_file(
            "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process isExecutable='perhaps'><startEvent id='s'/></process></definitions>",
            expect![[]],
        );
    }

    #[test]
    fn the_root_must_be_bpmn() {
        check_file("<definitions/>", expect![[]]);
        check_file("<html><body/></html>", expect![[]]);
    }

    #[test]
    fn message_flows_and_strangers_beside_the_processes_are_warnings() {
        check_file(
            &file_with(
                "\n<bpmn:collaboration id='c'><bpmn:participant id='pool' processRef='p'/>\n<bpmn:messageFlow id='mf' sourceRef='s' targetRef='pool'/>\
                 </bpmn:collaboration>\n<bpmn:globalUserTask id='gt'/>\n<other:thing/>",
                "<bpmn:startEvent id='s'/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>",
            ),
            expect![[]],
        );
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        check_file("<?xml version='1.0'?>\n<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<d>&x;</d>", expect![[]]);
        check(" <bpmn:userTask id='t'>&lol;</bpmn:userTask>", expect![[]]);
        check("<bpmn:userTask id='&lol;'/>", expect![[]]);
        check("<bpmn:userTask id='t'>&#0;</bpmn:userTask>", expect![[]]);
    }

    #[test]
    fn broken_xml_says_where() {
        check_file("", expect![[]]);
        check_file("  \n", expect![[]]);
        check_file("just text", expect![[]]);
        check_file("<a/>\n<b/>", expect![[]]);
        check_file("<a>\n  <b></a>", expect![[]]);
        check_file("<a>\n  <b>", expect![[]]);
        check_file("<a>\n  <b c=d/></a>", expect![[]]);
        check_file("<a>\n  <b c='1' c='2'/></a>", expect![[]]);
        check_file("<a>\n  <b c='1", expect![[]]);
        check_file("<a>\n  < b/></a>", expect![[]]);
        check_file("<a>\n<!-- never closed", expect![[]]);
        check_file("<bpmn:definitions/>", expect![[]]);
        check_file("</a>", expect![[]]);
    }

    #[test]
    fn other_encodings_say_what_to_do() {
        expect![[]].assert_eq(&diagnostics(b"\xFF\xFE<\0a\0/\0>\0"));
        expect![[]].assert_eq(&diagnostics(b"<\0a\0/\0>\0"));
        expect![[]].assert_eq(&diagnostics(b"<a>\n\xE4</a>"));
        expect![[]].assert_eq(&diagnostics(b"<a>\n \0</a>"));
        expect![[]].assert_eq(&diagnostics("<?xml version='1.0' encoding='ISO-8859-1'?><a>ä</a>".as_bytes()));
        expect![[]].assert_eq(&diagnostics(b"\0asm\x01\0\0\0"));
    }

    #[test]
    fn columns_count_characters_and_lines_count_line_feeds() {
        check("<bpmn:documentation>äöü🙂\r\nx</bpmn:documentation><bpmn:scriptTask id='t'/>", expect![[]]);
    }
}
