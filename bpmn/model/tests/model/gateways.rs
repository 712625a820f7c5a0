//! Gateways and links that do not fit what stands around them. In the words a modeller reads; fragments begin on line 2.

use crate::common::{ENDS, check, check_file, file_with};
use expect_test::{Expect, expect};

#[test]
fn ends_of_links_find_each_other_in_one_scope() {
    let throw = |id: &str, rest: &str| {
        format!("<bpmn:intermediateThrowEvent id='{id}' {rest}><bpmn:linkEventDefinition name='on'/></bpmn:intermediateThrowEvent>\n")
    };
    let catch = |id: &str, name: &str| {
        format!("<bpmn:intermediateCatchEvent id='{id}'><bpmn:linkEventDefinition name='{name}'/></bpmn:intermediateCatchEvent>\n")
    };
    let on = |id: &str| format!("<bpmn:sequenceFlow id='{id}_e' sourceRef='{id}' targetRef='e'/>\n");
    let check = |rest: &str, expected: Expect| self::check(&format!("{ENDS}\n{rest}"), expected);
    check(
        &(throw("a", "") + &catch("c", "on") + &on("c")),
        expect![[r#"
        fine
    "#]],
    );
    check(
        &(throw("a", "") + &catch("c", "off") + &on("c")),
        expect![[r#"
        t.bpmn:3:1: error: there is no link catch event 'on' in this scope (element 'a'); help: add one with this name, or correct the name
    "#]],
    );
    check(
        &(throw("a", "") + &catch("c", "on") + &catch("d", "on") + &on("c") + &on("d")),
        expect![[r#"
            t.bpmn:5:1: error: two link catch events of this scope have the name 'on' (element 'd'); help: keep one: several link throw events may lead to it
            t.bpmn:5:1: warning: no path leads to this intermediateCatchEvent (element 'd'); help: lead a sequence flow to it, or remove it
        "#]],
    );
    check(
        &(throw("a", "") + &catch("c", "on") + &on("c") + &on("a")),
        expect![[r#"
        t.bpmn:6:1: error: the flow comes from the link throw event 'a' (element 'a_e'); help: use the link catch event: a link throw event is no activity
    "#]],
    );
    check(
        &(throw("a", "camunda:asyncBefore='true'") + &catch("c", "") + &on("c")),
        expect![[r#"
        t.bpmn:3:1: error: there is no link catch event 'on' in this scope (element 'a'); help: add one with this name, or correct the name
        t.bpmn:3:1: warning: camunda:asyncBefore has no effect on a link throw event: it is no activity (as in Camunda 7) (element 'a'); help: put it on the link catch event
        t.bpmn:4:1: error: the link event's definition has no name of 1 to 255 characters (element 'c'); help: name it: the ends of a link have one name
    "#]],
    );
    let inside = format!("<bpmn:subProcess id='q'><bpmn:startEvent id='qs'/>{}</bpmn:subProcess>\n", catch("c", "on"));
    check(
        &(throw("a", "") + &inside),
        expect![[r#"
            t.bpmn:3:1: error: there is no link catch event 'on' in this scope (element 'a'); help: add one with this name, or correct the name
        "#]],
    );
    let gateway = "<bpmn:eventBasedGateway id='a'/><bpmn:sequenceFlow id='a_t' sourceRef='a' targetRef='t'/>\n";
    check(
        &(gateway.to_owned() + &throw("t", "") + &catch("c", "on") + &on("c")),
        expect![[r#"
        t.bpmn:3:33: error: the event-based gateway 'a' leads to a link event (element 'a_t'); help: lead it to intermediate catch events or receive tasks
    "#]],
    );
}

#[test]
fn an_inclusive_gateway_takes_flows_with_and_without_conditions() {
    let gateway = |default: &str, flows: &str| format!("{ENDS}\n<bpmn:inclusiveGateway id='a' {default}/>\n{flows}");
    let to_end =
        |id: &str, inside: &str| format!("<bpmn:sequenceFlow id='{id}' sourceRef='a' targetRef='e'>{inside}</bpmn:sequenceFlow>\n");
    let condition = "<bpmn:conditionExpression>${x}</bpmn:conditionExpression>";
    check(
        &gateway("", &(to_end("g1", condition) + &to_end("g2", condition))),
        expect![[r#"
        fine
    "#]],
    );
    check(
        &gateway("default='g2'", &(to_end("g1", condition) + &to_end("g2", "") + &to_end("g3", ""))),
        expect![[r#"
        fine
    "#]],
    );
    check(
        &gateway("default='g1'", &(to_end("g1", condition) + &to_end("g2", condition))),
        expect![[r#"
        t.bpmn:4:1: warning: the condition of a default flow has no effect (element 'g1'); help: remove it: the default flow is taken when no other flow is
    "#]],
    );
    check(
        &gateway("", ""),
        expect![[r#"
        t.bpmn:2:26: warning: no path leads to this endEvent (element 'e'); help: lead a sequence flow to it, or remove it
        t.bpmn:3:1: error: the inclusive gateway has no outgoing sequence flow (element 'a'); help: lead sequence flows from it, or remove it
    "#]],
    );
}

#[test]
fn an_event_based_gateway_leads_to_what_waits_and_nothing_else_leads_there() {
    let gateway = |rest: &str| {
        format!(
            "<bpmn:startEvent id='s'/><bpmn:eventBasedGateway id='g'/>\
             <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='g'/>\n{rest}"
        )
    };
    let roots = "<bpmn:message id='m' name='paid'/><bpmn:message id='n' name='refused'/>";
    let check = |rest: &str, expected: Expect| check_file(&file_with(roots, &gateway(rest)), expected);
    let flow = |from: &str, to: &str| format!("<bpmn:sequenceFlow id='{from}_{to}' sourceRef='{from}' targetRef='{to}'/>\n");
    let event = |id: &str, message: &str| {
        format!(
            "<bpmn:intermediateCatchEvent id='{id}'><bpmn:messageEventDefinition messageRef='{message}'/></bpmn:intermediateCatchEvent>\n"
        )
    };
    let [g_a, g_b] = ["a", "b"].map(|to| flow("g", to));
    check(
        &(event("a", "m") + &event("b", "n") + &g_a + &g_b),
        expect![[r#"
        fine
    "#]],
    );
    check(
        &(event("a", "m") + &event("b", "m") + &g_a + &g_b),
        expect![[r#"
        t.bpmn:2:26: error: the event-based gateway waits for the message 'paid' twice (element 'g'); help: keep one of them
    "#]],
    );
    check(
        &(event("a", "m") + "<bpmn:receiveTask id='b' messageRef='n'/>\n" + &g_a + &g_b),
        expect![[r#"
        t.bpmn:2:26: error: the event-based gateway leads to message events and to receive tasks (element 'g'); help: use message events only, or receive tasks only (BPMN 2.0, 10.6.6)
    "#]],
    );
    check(
        &(event("a", "m") + "<bpmn:userTask id='b'/>\n" + &g_a + &g_b),
        expect![[r#"
        t.bpmn:6:1: error: the event-based gateway 'g' leads to a userTask (element 'g_b'); help: lead it to intermediate catch events or receive tasks
    "#]],
    );
    check(
        &(event("a", "m") + &event("b", "n") + &g_a + &g_b + &flow("a", "b")),
        expect![[r#"
        t.bpmn:4:1: error: another flow leads to this intermediateCatchEvent, for which the event-based gateway 'g' waits (element 'b'); help: lead the other flow to the gateway, or to an event of its own
    "#]],
    );
    check(
        &("<bpmn:receiveTask id='a'/>\n".to_owned() + "<bpmn:receiveTask id='b' messageRef='n'/>\n" + &g_a + &g_b),
        expect![[r#"
            t.bpmn:2:26: error: the event-based gateway leads to 'a', which waits for no message (element 'g'); help: choose the message that it waits for (messageRef)
        "#]],
    );
    let guarded = "<bpmn:receiveTask id='a' messageRef='n'/>\n<bpmn:boundaryEvent id='t' attachedToRef='a'><bpmn:timerEventDefinition>\
        <bpmn:timeDuration>PT1M</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent><bpmn:endEvent id='e'/>\n";
    check(
        &(guarded.to_owned() + &g_a + &flow("t", "e")),
        expect![[r#"
        t.bpmn:3:1: error: this receiveTask stands behind an event-based gateway and has boundary events (element 'a'); help: give the gateway a flow to a timer event of its own
    "#]],
    );
    check(
        "",
        expect![[r#"
        t.bpmn:2:26: error: the event-based gateway has no outgoing sequence flow (element 'g'); help: lead sequence flows from it to the events that it waits for
    "#]],
    );
    let conditional = g_a.replace("/>", "><bpmn:conditionExpression>${x}</bpmn:conditionExpression></bpmn:sequenceFlow>");
    check(
        &(event("a", "m") + &conditional),
        expect![[r#"
            t.bpmn:4:1: warning: the condition has no effect: the event decides which flow of its gateway is taken (element 'g_a'); help: remove it, or decide in an exclusive gateway
        "#]],
    );
    let late = "<bpmn:eventBasedGateway id='h' camunda:asyncAfter='true'/>\n";
    check(
        &(event("a", "m") + late + &flow("g", "a") + &flow("a", "h")),
        expect![[r#"
        t.bpmn:4:1: error: an event-based gateway can't have camunda:asyncAfter (element 'h'); help: put camunda:asyncBefore on the events behind it, or camunda:asyncAfter
        t.bpmn:4:1: error: the event-based gateway has no outgoing sequence flow (element 'h'); help: lead sequence flows from it to the events that it waits for
    "#]],
    );
}
