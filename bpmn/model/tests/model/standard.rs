//! What the standard has and Camunda 7 ignores or refuses: what is read of it and what is refused. In the words a modeller reads; the
//! activity is on line 2.

use crate::common::{around, around_with, definition, diagnostics, file, file_with};
use expect_test::{Expect, expect};
use mandate_model::{CatchTrigger, ElementKind, StartTrigger, ThrowWhen};

/// The diagnostics of a user task with these loop characteristics.
fn check(loops: &str, expected: Expect) {
    expected.assert_eq(&diagnostics(around(&format!("<bpmn:userTask id='a'>{loops}</bpmn:userTask>")).as_bytes()));
}

#[test]
fn a_loop_has_a_condition_a_maximum_or_both() {
    let read = |attributes: &str, inside: &str| {
        let loops = format!("<bpmn:standardLoopCharacteristics{attributes}>{inside}</bpmn:standardLoopCharacteristics>");
        let definition = definition(&around(&format!("<bpmn:userTask id='a'>{loops}</bpmn:userTask>")));
        let each = definition.element(definition.find("a").unwrap()).multi_instance.clone().expect("it has a body");
        assert!(each.sequential);
        let standard = each.standard_loop.expect("it is a standard loop");
        (standard.test_before, standard.maximum, standard.condition.map(|condition| condition.source().to_owned()))
    };
    assert_eq!(read(" loopMaximum=' 3 '", ""), (false, Some(3), None));
    let condition = "<bpmn:loopCondition xsi:type='bpmn:tFormalExpression'> ${again} </bpmn:loopCondition>";
    assert_eq!(read(" testBefore='true'", condition), (true, None, Some("${again}".to_owned())));
}

#[test]
fn what_says_nothing_or_nonsense_is_refused() {
    check(
        "<bpmn:standardLoopCharacteristics/>",
        expect![[r#"
        t.bpmn:2:23: error: standardLoopCharacteristics does not say when the loop ends (element 'a'); help: add a loopCondition such as ${retry} or loopMaximum="3"; to run once, remove it
    "#]],
    );
    check(
        "<bpmn:standardLoopCharacteristics loopMaximum='many' testBefore='perhaps'><bpmn:loopCondition>true</bpmn:loopCondition>\
         <bpmn:completionCondition>= x</bpmn:completionCondition></bpmn:standardLoopCharacteristics>",
        expect![[r#"
            t.bpmn:2:23: error: testBefore="perhaps" is neither true nor false (element 'a'); help: write true or false
            t.bpmn:2:23: error: loopMaximum="many" is not a whole number from 0 (element 'a'); help: write for example 3
            t.bpmn:2:97: error: the loopCondition is a text, which is neither true nor false (element 'a'); help: write an expression, such as ${retry} or = loopCounter < 3
            t.bpmn:2:142: error: completionCondition has no place in standardLoopCharacteristics (element 'a'); help: remove it, or check its spelling
        "#]],
    );
    check(
        "<bpmn:standardLoopCharacteristics loopMaximum='1'/><bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>2</bpmn:loopCardinality>\
         </bpmn:multiInstanceLoopCharacteristics>",
        expect![[r#"
            t.bpmn:2:74: error: userTask says more than once how often it runs (element 'a'); help: keep one of them
        "#]],
    );
}

#[test]
fn only_activities_loop() {
    let process = "<bpmn:startEvent id='s'><bpmn:standardLoopCharacteristics loopMaximum='1'/></bpmn:startEvent>";
    let expected = expect![[r#"
        t.bpmn:2:1: warning: the start event leads nowhere: it ends as soon as it begins (element 's'); help: lead a sequence flow from it to the first activity
        t.bpmn:2:25: error: standardLoopCharacteristics has no place in startEvent (element 's'); help: only tasks and sub-processes run several times: put it into one of them
    "#]];
    expected.assert_eq(&diagnostics(file(process).as_bytes()));
}

#[test]
fn people_are_named_by_the_standards_own_elements() {
    let task =
        |inside: &str| around_with("<bpmn:resource id='r' name='clerks'/>", &format!("<bpmn:userTask id='a'>{inside}</bpmn:userTask>"));
    let ann = "<bpmn:performer><bpmn:resourceAssignmentExpression><bpmn:formalExpression>ann</bpmn:formalExpression>\
               </bpmn:resourceAssignmentExpression></bpmn:performer>";
    let clerks = "<bpmn:potentialOwner><bpmn:resourceRef>r</bpmn:resourceRef></bpmn:potentialOwner>";
    let read = definition(&task(&format!("{ann}{clerks}")));
    let ElementKind::UserTask(user) = &read.element(read.find("a").unwrap()).kind else { panic!("it is a user task") };
    assert_eq!(user.assignee.as_ref().unwrap().source(), "ann");
    assert_eq!(user.candidate_groups.as_ref().unwrap().source(), "clerks");
    let as_in_camunda_7 = around(&format!("<bpmn:userTask id='a' camunda:assignee='bob'>{ann}</bpmn:userTask>"));
    expect![[r#"
        t.bpmn:2:46: warning: performer has no effect (as in Camunda 7) (element 'a'); help: use a humanPerformer or camunda:assignee
    "#]]
    .assert_eq(&diagnostics(as_in_camunda_7.as_bytes()));
    let elsewhere = around("<bpmn:potentialOwner/><bpmn:manualTask id='a'><bpmn:resourceRole/></bpmn:manualTask>");
    expect![[r#"
        t.bpmn:2:1: warning: potentialOwner has no effect here (element 'p'); help: name who does a user task by a humanPerformer or potentialOwner in it; ignore this if it only describes
        t.bpmn:2:47: warning: resourceRole has no effect here (element 'a'); help: name who does a user task by a humanPerformer or potentialOwner in it; ignore this if it only describes
    "#]].assert_eq(&diagnostics(elsewhere.as_bytes()));
}

#[test]
fn operation_names_the_message_that_it_takes() {
    let roots = "<bpmn:message id='m' name='order'/><bpmn:interface id='i' name='orders'><bpmn:operation id='place' name='place'>\
                 <bpmn:inMessageRef>m</bpmn:inMessageRef></bpmn:operation></bpmn:interface>";
    let read = definition(&around_with(roots, "<bpmn:receiveTask id='a' operationRef='place'/>"));
    let ElementKind::ReceiveTask(Some(message)) = &read.element(read.find("a").unwrap()).kind else { panic!("it waits for a message") };
    assert_eq!(message.name.as_literal(), Some("order"));
}

#[test]
fn file_and_expression_say_their_language() {
    let feel = "https://www.omg.org/spec/DMN/20191111/FEEL/";
    let looped = |file: &str, condition: &str| {
        let loops = format!(
            "<bpmn:standardLoopCharacteristics><bpmn:loopCondition{condition}</bpmn:loopCondition></bpmn:standardLoopCharacteristics>"
        );
        let text = around(&format!("<bpmn:userTask id='a'>{loops}</bpmn:userTask>"));
        text.replacen("<bpmn:definitions", &format!("<bpmn:definitions expressionLanguage='{file}'"), 1)
    };
    let condition = |text: &str| {
        let read = definition(text);
        let each = read.element(read.find("a").unwrap()).multi_instance.clone().unwrap();
        each.standard_loop.unwrap().condition.unwrap().source().to_owned()
    };
    assert_eq!(condition(&looped(feel, ">loopCounter &lt; 3")), "= loopCounter < 3");
    assert_eq!(condition(&looped(feel, ">${loopCounter &lt; 3}")), "${loopCounter < 3}");
    assert_eq!(condition(&looped("http://www.w3.org/1999/XPath", &format!(" language='{feel}'>again"))), "= again");
    expect![[r#"
        t.bpmn:2:57: error: an expression in the language 'http://www.w3.org/1999/XPath' is not supported (element 'a'); help: write it as ${amount > 100} or = amount > 100, without a language
    "#]].assert_eq(&diagnostics(looped(feel, " language='http://www.w3.org/1999/XPath'>1 = 1").as_bytes()));
}

#[test]
fn quantities_are_numbers_of_tokens() {
    let definition = definition(&around("<bpmn:userTask id='a' startQuantity='2' completionQuantity='3'/>"));
    let element = definition.element(definition.find("a").unwrap());
    assert_eq!((element.start_quantity, element.completion_quantity), (2, 3));
    let expected = expect![[r#"
        t.bpmn:2:1: error: startQuantity="0" is not a whole number from 1 to 1000 (element 'a'); help: write for example 2, or leave it out: it is 1 then
        t.bpmn:2:1: error: completionQuantity="1001" is not a whole number from 1 to 1000 (element 'a'); help: write for example 2, or leave it out: it is 1 then
    "#]];
    expected.assert_eq(&diagnostics(around("<bpmn:userTask id='a' startQuantity='0' completionQuantity='1001'/>").as_bytes()));
}

#[test]
fn event_may_want_all_of_several_conditions() {
    let condition = "<bpmn:conditionalEventDefinition><bpmn:condition>= x</bpmn:condition></bpmn:conditionalEventDefinition>";
    let read = definition(&around(&format!(
        "<bpmn:intermediateCatchEvent id='a' parallelMultiple='true'>{condition}{condition}</bpmn:intermediateCatchEvent>"
    )));
    assert_eq!(read.element(read.find("a").unwrap()).kind.conditions().count(), 2);
    let start = format!(
        "<bpmn:startEvent id='s' parallelMultiple='true'>{condition}{condition}<bpmn:timerEventDefinition><bpmn:timeDuration>PT1M</bpmn:timeDuration>\
         </bpmn:timerEventDefinition></bpmn:startEvent><bpmn:task id='t'/><bpmn:sequenceFlow id='st' sourceRef='s' targetRef='t'/>"
    );
    assert_eq!(diagnostics(file(&start).as_bytes()), "fine\n");
}

#[test]
fn ad_hoc_sub_processes_say_what_begins_and_when_they_are_done() {
    let read = definition(&around(
        "<bpmn:adHocSubProcess id='a' ordering='Sequential' cancelRemainingInstances='false'><bpmn:extensionElements>\
         <zeebe:adHoc activeElementsCollection='=chosen'/></bpmn:extensionElements><bpmn:userTask id='x'/><bpmn:userTask id='y'/>\
         <bpmn:sequenceFlow id='xy' sourceRef='x' targetRef='y'/><bpmn:completionCondition>= done</bpmn:completionCondition></bpmn:adHocSubProcess>",
    ));
    let ElementKind::AdHocSubProcess(ad_hoc) = &read.element(read.find("a").unwrap()).kind else { panic!("it is ad hoc") };
    assert!(ad_hoc.sequential && !ad_hoc.cancel_remaining);
    assert_eq!(ad_hoc.active.as_ref().unwrap().source(), "=chosen");
    assert_eq!(ad_hoc.completion_condition.as_ref().unwrap().source(), "= done");
    assert_eq!(ad_hoc.scope.begins, [read.find("x").unwrap()]);
    let refused = "<bpmn:adHocSubProcess id='a' ordering='Random'><bpmn:extensionElements><zeebe:adHoc outputCollection='all'/></bpmn:extensionElements>\n\
                   <bpmn:startEvent id='as'/><bpmn:userTask id='x'/><bpmn:completionCondition>true</bpmn:completionCondition>\n\
                   <bpmn:subProcess id='v' triggeredByEvent='true'/></bpmn:adHocSubProcess>";
    let expected = expect![[r#"
        t.bpmn:2:1: error: ordering="Random" is neither Parallel nor Sequential (element 'a'); help: write Parallel or Sequential
        t.bpmn:2:72: error: outputCollection of zeebe:adHoc is not supported (element 'a'); help: collect what the activities give by output mappings of their own
        t.bpmn:3:1: error: startEvent stands in an ad-hoc sub-process (element 'a'); help: remove it: everything that no flow leads to may begin (BPMN 2.0, 10.3.5)
        t.bpmn:3:1: warning: the start event leads nowhere: it ends as soon as it begins (element 'as'); help: lead a sequence flow from it to the first activity
        t.bpmn:3:27: warning: no path leads to this userTask (element 'x'); help: lead a sequence flow to it, or remove it
        t.bpmn:3:50: error: the completionCondition is a text, which is neither true nor false (element 'a'); help: write an expression, such as = done
        t.bpmn:4:1: error: the subProcess has no start event (element 'v'); help: begin it with a start event that says what triggers it
    "#]];
    expected.assert_eq(&diagnostics(around(refused).as_bytes()));
}

#[test]
fn complex_gateways_have_a_condition_or_none() {
    let complex = |inside: &str| around(&format!("<bpmn:complexGateway id='a'>{inside}</bpmn:complexGateway>"));
    let read = definition(&complex("<bpmn:activationCondition>${activationCount > 1}</bpmn:activationCondition>"));
    let ElementKind::ComplexGateway(gateway) = &read.element(read.find("a").unwrap()).kind else { panic!("it is complex") };
    assert_eq!(gateway.activation.as_ref().unwrap().source(), "${activationCount > 1}");
    assert_eq!(diagnostics(complex("").as_bytes()), "fine\n");
    let expected = expect![[r#"
        t.bpmn:2:1: error: the activationCondition is a text, which is neither true nor false (element 'a'); help: write an expression, such as = activationCount >= 2
    "#]];
    expected.assert_eq(&diagnostics(complex("<bpmn:activationCondition>2</bpmn:activationCondition>").as_bytes()));
}

#[test]
fn events_may_have_several_definitions_and_refer_to_reusable_ones() {
    let roots = "<bpmn:message id='m' name='paid'/><bpmn:messageEventDefinition id='paid' messageRef='m'/>";
    let timer = "<bpmn:timerEventDefinition><bpmn:timeDuration>PT1M</bpmn:timeDuration></bpmn:timerEventDefinition>";
    let both = format!("<bpmn:eventDefinitionRef>paid</bpmn:eventDefinitionRef>{timer}");
    let read = definition(&around_with(
        roots,
        &format!("<bpmn:intermediateCatchEvent id='a' parallelMultiple='true'>{both}</bpmn:intermediateCatchEvent>"),
    ));
    let ElementKind::IntermediateCatchEvent(CatchTrigger::Multiple { triggers, all: true }) = &read.element(read.find("a").unwrap()).kind
    else {
        panic!("it waits for both")
    };
    assert!(matches!(triggers[..], [CatchTrigger::Message(_), CatchTrigger::Timer(_)]));

    let boundary = format!(
        "<bpmn:userTask id='a'/><bpmn:boundaryEvent id='b' attachedToRef='a'>{both}</bpmn:boundaryEvent>\
                            <bpmn:task id='t'/><bpmn:sequenceFlow id='bt' sourceRef='b' targetRef='t'/>"
    );
    let read = definition(&around_with(roots, &boundary));
    let events = &read.element(read.find("a").unwrap()).boundary_events;
    assert_eq!(events.iter().map(|event| &*read.element(*event).id).collect::<Vec<_>>(), ["b", "b"]);
    assert_eq!(read.find("b"), Some(events[0]));

    let check = |activity: &str, expected: Expect| expected.assert_eq(&diagnostics(around_with(roots, activity).as_bytes()));
    check(
        "<bpmn:intermediateCatchEvent id='a'><bpmn:eventDefinitionRef>nobody</bpmn:eventDefinitionRef></bpmn:intermediateCatchEvent>",
        expect![[r#"
            t.bpmn:2:37: error: the event definition 'nobody' does not exist (element 'a'); help: put the event definition into the event itself
        "#]],
    );
    check(
        &format!(
            "<bpmn:userTask id='a'/><bpmn:boundaryEvent id='b' attachedToRef='a' cancelActivity='false' parallelMultiple='true'>{both}</bpmn:boundaryEvent>"
        ),
        expect![[r#"
            t.bpmn:2:24: warning: the boundary event leads nowhere: the path ends when it fires (element 'b'); help: lead a sequence flow from it to what should happen then
        "#]],
    );
    check(
        "<bpmn:subProcess id='a'><bpmn:task id='t'/></bpmn:subProcess><bpmn:boundaryEvent id='b' attachedToRef='a' parallelMultiple='true'>\
         <bpmn:escalationEventDefinition/><bpmn:compensateEventDefinition/></bpmn:boundaryEvent>",
        expect![[r#"
            t.bpmn:2:62: error: an event that waits for all of several can't wait for a compensation or a cancellation (element 'b'); help: use an event of its own for it: both mean that an activity is undone
        "#]],
    );
    check(
        "<bpmn:task id='a'/><bpmn:endEvent id='x'><bpmn:terminateEventDefinition/><bpmn:terminateEventDefinition/></bpmn:endEvent>\
         <bpmn:sequenceFlow id='ax' sourceRef='a' targetRef='x'/>",
        expect![[r#"
            t.bpmn:2:20: error: terminateEventDefinition has nothing behind it that could be done (element 'x'); help: keep one of the definitions that end something
        "#]],
    );
    check(
        &format!("<bpmn:intermediateCatchEvent id='a'><bpmn:linkEventDefinition name='l'/>{timer}</bpmn:intermediateCatchEvent>"),
        expect![[r#"
            t.bpmn:2:1: error: a link event has other event definitions (element 'a'); help: use a link event alone
        "#]],
    );
}

#[test]
fn messages_start_what_says_that_it_instantiates() {
    let roots = "<bpmn:message id='m' name='paid'/><bpmn:message id='x' name='paid-${key}'/>";
    let process = "<bpmn:receiveTask id='r' messageRef='m' instantiate='true'/>";
    let read =
        definition(&file_with(roots, &format!("{process}<bpmn:task id='t'/><bpmn:sequenceFlow id='rt' sourceRef='r' targetRef='t'/>")));
    assert!(matches!(read.element(read.find("r").unwrap()).kind, ElementKind::StartEvent(StartTrigger::Message(_))));
    assert!(read.start().is_none());

    let check = |process: &str, expected: Expect| expected.assert_eq(&diagnostics(file_with(roots, process).as_bytes()));
    check(
        "<bpmn:startEvent id='s'/><bpmn:receiveTask id='r' messageRef='m' instantiate='true'/><bpmn:sequenceFlow id='sr' sourceRef='s' targetRef='r'/>\n\
         <bpmn:receiveTask id='q' messageRef='x' instantiate='true'/>\n<bpmn:eventBasedGateway id='g' eventGatewayType='Parallel'/>\n\
         <bpmn:eventBasedGateway id='h' instantiate='true' eventGatewayType='Random'/><bpmn:intermediateCatchEvent id='c'><bpmn:timerEventDefinition>\
         <bpmn:timeDuration>PT1M</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>\
         <bpmn:sequenceFlow id='hc' sourceRef='h' targetRef='c'/>",
        expect![[r#"
            t.bpmn:2:26: error: this can't start a process (element 'r'); help: let it begin the process: in no sub-process, and without incoming flows (BPMN 2.0, 10.3.3 and 10.6.6)
            t.bpmn:3:1: error: the name 'paid-${key}' is an expression (element 'q'); help: what starts a process has a fixed name: there are no variables yet
            t.bpmn:3:1: warning: no path leads to this receiveTask (element 'q'); help: lead a sequence flow to it, or remove it
            t.bpmn:4:1: error: a parallel event-based gateway that starts no process is not possible (BPMN 2.0, 10.6.6) (element 'g'); help: add instantiate="true", or use a parallel gateway in front of the events: then each of them is waited for
            t.bpmn:4:1: error: the event-based gateway has no outgoing sequence flow (element 'g'); help: lead sequence flows from it to the events that it waits for
            t.bpmn:4:1: warning: no path leads to this eventBasedGateway (element 'g'); help: lead a sequence flow to it, or remove it
            t.bpmn:5:1: error: eventGatewayType="Random" is neither Exclusive nor Parallel (element 'h'); help: write Exclusive or Parallel
        "#]],
    );
}

#[test]
fn instances_throw_what_a_boundary_event_catches() {
    let roots = "<bpmn:escalation id='x' name='x' escalationCode='LATE'/><bpmn:escalationEventDefinition id='late' escalationRef='x'/>\
                 <bpmn:timerEventDefinition id='soon'/>";
    let several = |attributes: &str, inside: &str, boundary: &str| {
        let loops = format!(
            "<bpmn:multiInstanceLoopCharacteristics{attributes}><bpmn:loopCardinality>2</bpmn:loopCardinality>{inside}</bpmn:multiInstanceLoopCharacteristics>"
        );
        around_with(
            roots,
            &format!(
                "<bpmn:userTask id='a'>{loops}</bpmn:userTask>{boundary}<bpmn:task id='t'/><bpmn:sequenceFlow id='at' sourceRef='a' targetRef='t'/>"
            ),
        )
    };
    let boundary = "<bpmn:boundaryEvent id='b' attachedToRef='a'><bpmn:escalationEventDefinition escalationRef='x'/></bpmn:boundaryEvent>\
                    <bpmn:sequenceFlow id='bt' sourceRef='b' targetRef='t'/>";
    let read = definition(&several(" behavior='One' oneBehaviorEventRef='late'", "", boundary));
    let each = read.element(read.find("a").unwrap()).multi_instance.clone().unwrap();
    assert!(matches!(&each.behavior[..], [it] if matches!(it.when, ThrowWhen::First) && it.caught_by == [read.find("b").unwrap()]));

    let check = |attributes: &str, inside: &str, boundary: &str, expected: Expect| {
        expected.assert_eq(&diagnostics(several(attributes, inside, boundary).as_bytes()));
    };
    check(
        " behavior='None'",
        "",
        boundary,
        expect![[r#"
            t.bpmn:2:23: error: multiInstanceLoopCharacteristics does not say what is thrown (element 'a'); help: add noneBehaviorEventRef with the id of an event definition beside the process
        "#]],
    );
    check(
        " behavior='None' noneBehaviorEventRef='late'",
        "",
        "",
        expect![[r#"
        t.bpmn:2:23: error: nothing catches what the instances throw (element 'a'); help: add a boundary event of the activity that waits for the same error, escalation, message or signal
    "#]],
    );
    check(
        " behavior='None' noneBehaviorEventRef='soon'",
        "",
        "",
        expect![[r#"
        t.bpmn:2:23: error: timerEventDefinition can't be thrown by the instances of an activity (element 'a'); help: throw what is caught by a boundary event of the activity that waits for the same error, escalation, message or signal
    "#]],
    );
    check(
        " behavior='Complex'",
        "",
        boundary,
        expect![[r#"
            t.bpmn:2:23: error: behavior="Complex" has no complexBehaviorDefinition (element 'a'); help: add one with a condition and an event
        "#]],
    );
    check(
        " behavior='Complex'",
        "<bpmn:complexBehaviorDefinition><bpmn:condition>= x</bpmn:condition></bpmn:complexBehaviorDefinition>",
        boundary,
        expect![[r#"
            t.bpmn:2:127: error: the complexBehaviorDefinition has no condition or no event (element 'a'); help: give it both
        "#]],
    );
    check(
        " behavior='Some'",
        "",
        boundary,
        expect![[r#"
            t.bpmn:2:23: error: behavior="Some" is none of All, None, One and Complex (element 'a'); help: leave it out: then nothing is thrown
        "#]],
    );
}

/// A file with everything that describes, in all the places where the standard's schema has it.
#[test]
fn what_only_describes_deploys() {
    let roots = "<bpmn:itemDefinition id='type' structureRef='Order' isCollection='false' itemKind='Information'/>\
                 <bpmn:signal id='sig' name='alarm' structureRef='type'/><bpmn:interface id='i' name='orders'><bpmn:operation id='place' name='place'>\
                 <bpmn:inMessageRef>m</bpmn:inMessageRef></bpmn:operation></bpmn:interface><bpmn:message id='m' name='order' itemRef='type'/>\
                 <bpmn:globalUserTask id='global'><bpmn:ioSpecification><bpmn:dataInput id='given' name='order'/><bpmn:inputSet/><bpmn:outputSet/>\
                 </bpmn:ioSpecification><bpmn:ioBinding operationRef='place' inputDataRef='given' outputDataRef='given'/>\
                 <bpmn:supportedInterfaceRef>i</bpmn:supportedInterfaceRef></bpmn:globalUserTask>";
    let process = "<bpmn:auditing/><bpmn:monitoring/><bpmn:property id='q'/><bpmn:supports>other</bpmn:supports>\
                   <bpmn:ioSpecification><bpmn:dataInput id='in'/><bpmn:inputSet/><bpmn:outputSet/></bpmn:ioSpecification>\n\
                   <bpmn:startEvent id='s'/><bpmn:transaction id='a' method='##Store'><bpmn:userTask id='t' completionQuantity='1'><bpmn:auditing/>\
                   </bpmn:userTask><bpmn:intermediateThrowEvent id='throw'><bpmn:signalEventDefinition signalRef='sig'/></bpmn:intermediateThrowEvent>\
                   </bpmn:transaction><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='a'/>\
                   <bpmn:sequenceFlow id='f2' sourceRef='a' targetRef='e'/>";
    let file = file_with(roots, process).replace("<bpmn:process id='p'", "<bpmn:process id='p' processType='Private' isClosed='true'");
    expect![[r#"
        t.bpmn:3:26: warning: method has no effect: a transaction that is cancelled compensates what has completed in it (as in Camunda 7) (element 'a'); help: remove it, or do without what it asks for
    "#]].assert_eq(&diagnostics(file.as_bytes()));
}
