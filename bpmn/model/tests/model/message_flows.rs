//! Message flows: which are followed, which are drawings, and what is refused.

use std::fmt::Write as _;

use crate::common::{diagnostics, file_with};
use expect_test::{Expect, expect};
use mandate_model::{CorrelationKey, ElementKind, ProcessDefinition, parse};

/// Another participant `q`, which starts by `paid` and waits for `changed` in `w`, and one that nobody runs.
const OTHERS: &str = "<bpmn:message id='paid' name='paid'/><bpmn:message id='changed' name='changed'/><bpmn:message id='other' name='other'/>\
    <bpmn:process id='q' isExecutable='true'><bpmn:startEvent id='qs'><bpmn:messageEventDefinition messageRef='paid'/></bpmn:startEvent>\
    <bpmn:receiveTask id='w' messageRef='changed'/><bpmn:task id='t'/><bpmn:sequenceFlow id='q1' sourceRef='qs' targetRef='w'/>\
    <bpmn:sequenceFlow id='q2' sourceRef='w' targetRef='t'/></bpmn:process>";

/// A file in which `p` has this activity `a`, with message flows from `a` to these. Elements of `inside` stand in the collaboration.
fn file(activity: &str, targets: &[&str], inside: &str) -> String {
    let mut flows = String::new();
    for (n, to) in targets.iter().enumerate() {
        write!(flows, "\n<bpmn:messageFlow id='mf{n}' sourceRef='a' targetRef='{to}'/>").expect("text grows");
    }
    let collaboration = format!(
        "<bpmn:collaboration id='c'><bpmn:participant id='us' processRef='p'/><bpmn:participant id='them' processRef='q'/>\
         <bpmn:participant id='bank'/>{inside}{flows}</bpmn:collaboration>"
    );
    let end =
        if activity.contains("endEvent") { "" } else { "<bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f2' sourceRef='a' targetRef='e'/>" };
    let process = format!("{activity}<bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='a'/>{end}");
    file_with(&format!("{OTHERS}{collaboration}"), &process)
}

fn check(activity: &str, targets: &[&str], expected: Expect) {
    expected.assert_eq(&diagnostics(file(activity, targets, "").as_bytes()));
}

fn processes(file: &str) -> Vec<ProcessDefinition> {
    parse("t.bpmn", file.as_bytes()).expect("it is fine").processes
}

const SEND: &str = "<bpmn:sendTask id='a' messageRef='paid'/>";

#[test]
fn what_says_by_nobody_sends_along_its_flows() {
    for (activity, target, kind) in [
        (SEND, "them", "sendTask"),
        (SEND, "qs", "sendTask"),
        (
            "<bpmn:intermediateThrowEvent id='a'><bpmn:messageEventDefinition messageRef='changed'/></bpmn:intermediateThrowEvent>",
            "w",
            "intermediateMessageThrowEvent",
        ),
        ("<bpmn:endEvent id='a'><bpmn:messageEventDefinition messageRef='paid'/></bpmn:endEvent>", "them", "messageEndEvent"),
    ] {
        let both = processes(&file(activity, &[target], ""));
        let ElementKind::MessageSend(send) = &both[0].element(both[0].find("a").expect("there")).kind else { panic!("{activity}") };
        assert_eq!(send.element_type, kind);
        let to = &send.receivers[0];
        assert_eq!((&*to.process, to.element.as_deref()), ("q", Some(target).filter(|target| *target != "them")));
    }
}

#[test]
fn flow_may_name_the_message() {
    let named = file("<bpmn:sendTask id='a'/>", &["them"], "").replace("targetRef='them'", "targetRef='them' messageRef='paid'");
    let both = processes(&named);
    let ElementKind::MessageSend(send) = &both[0].element(both[0].find("a").expect("there")).kind else { panic!("it sends") };
    assert_eq!(send.message.name.source(), "paid");
    expect![[r#"
        t.bpmn:2:1: error: it sends the message 'other', and its message flow carries 'paid' (element 'a'); help: let both be one message, or remove the messageRef of the flow
    "#]].assert_eq(&diagnostics(named.replace("<bpmn:sendTask id='a'/>", "<bpmn:sendTask id='a' messageRef='other'/>").as_bytes()));
}

#[test]
fn each_flow_gets_the_message() {
    let both = processes(&file(SEND, &["them", "qs"], ""));
    let ElementKind::MessageSend(send) = &both[0].element(both[0].find("a").expect("there")).kind else { panic!("it sends") };
    assert_eq!(send.receivers.len(), 2);
}

#[test]
fn who_says_by_whom_sends_by_them_and_the_flow_is_a_drawing() {
    check(
        "<bpmn:sendTask id='a' messageRef='paid' camunda:class='Sender'/>",
        &["them"],
        expect![[r#"
        t.bpmn:4:1: warning: a message flow is a drawing: nothing is sent along it (element 'mf0'); help: a delegate must send the message, by a command of the other side's catalogue or an API; ignore this if it does
    "#]],
    );
    check(
        "<bpmn:sendTask id='a'><bpmn:extensionElements><zeebe:taskDefinition type='sender'/></bpmn:extensionElements></bpmn:sendTask>",
        &["them"],
        expect![[r#"
            t.bpmn:4:1: warning: a message flow is a drawing: nothing is sent along it (element 'mf0'); help: a delegate must send the message, by a command of the other side's catalogue or an API; ignore this if it does
        "#]],
    );
}

#[test]
fn who_sends_to_nobody_that_is_executed_must_say_by_whom() {
    check(
        SEND,
        &["bank"],
        expect![[r#"
        t.bpmn:2:1: error: sendTask does not say who does it (element 'a'); help: name its delegate: camunda:class="reserve-line", camunda:delegateExpression="${reserveLine}", zeebe:taskDefinition type="reserve-line", mandate:delegate="reserve-line@^1.2", or camunda:type="external" with a camunda:topic that workers fetch or the manifest maps to a delegate; or compute it by a camunda:expression
    "#]],
    );
    check(
        SEND,
        &["them", "bank"],
        expect![[r#"
        t.bpmn:5:1: error: the message flow leads to nothing that is executed here, beside others that do (element 'mf1'); help: send by two tasks: one that says who sends it (camunda:class, camunda:type="external"), one along the other flows
    "#]],
    );
}

#[test]
fn what_could_never_arrive_is_refused() {
    check(
        "<bpmn:sendTask id='a' messageRef='other'/>",
        &["them"],
        expect![[r#"
        t.bpmn:2:1: error: nothing in the process 'q', to which its message flow leads, waits for the message 'other' (element 'a'); help: let the process start by the message, or wait for it in an event or a receive task
    "#]],
    );
    check(
        "<bpmn:sendTask id='a' messageRef='other'/>",
        &["w"],
        expect![[r#"
        t.bpmn:2:1: error: 'w', to which its message flow leads, waits for another message than 'other' (element 'a'); help: let both be one message
    "#]],
    );
    check(
        SEND,
        &["t"],
        expect![[r#"
        t.bpmn:2:1: error: 't', to which its message flow leads, waits for no message (element 'a'); help: lead the flow to an event or a receive task that does
    "#]],
    );
    check(
        "<bpmn:sendTask id='a'/>",
        &["them"],
        expect![[r#"
        t.bpmn:2:1: error: sendTask does not say which message it sends (element 'a'); help: choose its message (messageRef), or create one with a name
    "#]],
    );
    check(
        SEND,
        &["us"],
        expect![[r#"
        t.bpmn:4:1: error: the message flow stays in one process (element 'mf0'); help: use a sequence flow, or let it lead to another participant (BPMN 2.0, 9.3)
    "#]],
    );
}

/// A property of `paid` that stands in variable `id` of the message, and a key of it.
fn property(id: &str, path: &str) -> String {
    format!(
        "<bpmn:correlationProperty id='{id}'><bpmn:correlationPropertyRetrievalExpression messageRef='changed'>\n<bpmn:messagePath>{path}</bpmn:messagePath>\
         </bpmn:correlationPropertyRetrievalExpression></bpmn:correlationProperty>"
    )
}

const KEY: &str = "\n<bpmn:correlationKey id='k'><bpmn:correlationPropertyRef>order</bpmn:correlationPropertyRef></bpmn:correlationKey>";

/// `p` sends `changed` to `q`, whose subscription is this.
fn keyed(keys: &str, properties: &str, subscription: &str) -> String {
    let file = file("<bpmn:sendTask id='a' messageRef='changed'/>", &["w"], keys);
    let file = file.replace("<bpmn:collaboration", &format!("{properties}<bpmn:collaboration"));
    file.replace("<bpmn:startEvent id='qs'>", &format!("{subscription}<bpmn:startEvent id='qs'>"))
}

fn subscription(bindings: &str) -> String {
    format!("\n<bpmn:correlationSubscription id='cs' correlationKeyRef='t:k'>{bindings}</bpmn:correlationSubscription>")
}

fn bound(path: &str) -> String {
    subscription(&format!(
        "<bpmn:correlationPropertyBinding correlationPropertyRef='order'>\n<bpmn:dataPath>{path}</bpmn:dataPath></bpmn:correlationPropertyBinding>"
    ))
}

#[test]
fn key_of_a_collaboration_says_what_both_sides_have() {
    let both = processes(&keyed(KEY, &property("order", "= id"), &bound("${my.order}")));
    let sources = |key: &Option<CorrelationKey>| -> Vec<_> { key.iter().flat_map(|key| &key.0).map(|it| it.source().to_owned()).collect() };
    let ElementKind::MessageSend(send) = &both.iter().find_map(|it| it.find("a").map(|a| it.element(a))).unwrap().kind else { panic!() };
    assert_eq!(sources(&send.correlation_key.clone().map(|it| it.paths)), ["= id"]);
    let waits = both.iter().find_map(|it| it.find("w").map(|w| it.element(w))).unwrap();
    assert_eq!(sources(&waits.kind.messages()[0].correlation_key), ["${my.order}"]);
}

#[test]
fn keys_that_do_not_say_all_are_refused() {
    let check = |file: String, expected: Expect| expected.assert_eq(&diagnostics(file.as_bytes()));
    let order = property("order", "= id");
    // The first message says it; in Camunda 7's dialect, where keys may only describe, nothing does.
    check(
        keyed(KEY, &order, ""),
        expect![[r#"
            fine
        "#]],
    );
    check(
        keyed(KEY, &order, "").replace("<bpmn:task id='t'/>", "<bpmn:task id='t' camunda:asyncBefore='true'/>"),
        expect![[r#"
            t.bpmn:3:135: warning: the process has no correlationSubscription for the key of the message 'changed' (element 'q'); help: add one that says what it waits for; without, the message finds its waits by business key
            t.bpmn:5:1: error: correlationKey without a correlationSubscription is not supported (element 'k'); help: let the process that waits say what it waits for by a correlationSubscription; or remove the key: a message along a flow finds its receiver by business key or zeebe:subscription, too
        "#]],
    );
    check(
        keyed(KEY, &order, &subscription("")),
        expect![[r#"
        t.bpmn:4:1: error: the correlationSubscription does not say where the property 'order' is found (element 'cs'); help: add a correlationPropertyBinding with a dataPath, such as = orderId
    "#]],
    );
    check(
        keyed(KEY, "", &bound("= id")),
        expect![[r#"
            t.bpmn:6:1: error: the correlationProperty 'order' does not exist (element 'k'); help: choose one of the file's (correlationPropertyRef)
        "#]],
    );
    check(
        keyed("", &order, &bound("= id")),
        expect![[r#"
        t.bpmn:4:1: error: the correlationKey 't:k' does not exist (element 'cs'); help: choose one of the collaboration or its conversations (correlationKeyRef)
    "#]],
    );
    check(
        keyed(KEY, &property("order", "id"), &bound("id")),
        expect![[r#"
            t.bpmn:5:1: error: dataPath 'id' is not an expression (element 'q'); help: write one that gives each instance its own, for example = orderId
            t.bpmn:6:1: error: messagePath 'id' is not an expression (element 'order'); help: write one that gives each instance its own, for example = orderId
            t.bpmn:6:1: error: messagePath 'id' is not an expression (element 'order'); help: write one that gives each instance its own, for example = orderId
        "#]],
    );
    let two = KEY.replace("'k'", "'l'");
    check(
        keyed(
            &format!("{KEY}{two}"),
            &order,
            &format!("{}{}", bound("= id"), bound("= id").replace("'t:k'", "'l'").replace("'cs'", "'ct'")),
        ),
        expect![[r#"
            t.bpmn:9:1: error: the message 'changed' has all properties of several correlation keys (element 'k'); help: keep one of them, or leave out a retrieval expression of the other
        "#]],
    );
    let inside = keyed("", "", "")
        .replace("<bpmn:task id='t'/>", "<bpmn:subProcess id='t'>\n<bpmn:correlationSubscription id='cs'/></bpmn:subProcess>");
    check(
        inside,
        expect![[r#"
        t.bpmn:4:1: error: correlationSubscription is not supported yet (element 'cs'); help: put it directly into the process: it is about all of its waits
    "#]],
    );
    let zeebe = "<bpmn:message id='changed' name='changed'><bpmn:extensionElements>\n<zeebe:subscription correlationKey='= id'/></bpmn:extensionElements></bpmn:message>";
    check(
        keyed(KEY, &order, &bound("= id")).replace("<bpmn:message id='changed' name='changed'/>", zeebe),
        expect![[r#"
        t.bpmn:4:1: error: the message 'changed' has zeebe:subscription and a correlationKey; help: keep one of them
        t.bpmn:4:1: error: the message 'changed' has zeebe:subscription and a correlationKey; help: keep one of them
    "#]],
    );
}

/// A key of which a message has a part would be lost without a word.
#[test]
fn keys_that_messages_have_in_part_are_refused() {
    let check = |file: String, expected: Expect| expected.assert_eq(&diagnostics(file.as_bytes()));
    let both =
        KEY.replace("</bpmn:correlationKey>", "<bpmn:correlationPropertyRef>line</bpmn:correlationPropertyRef></bpmn:correlationKey>");
    let (order, line) = (property("order", "= id"), property("line", "= nr"));
    let bindings = bound("= id").replace(
        "</bpmn:correlationSubscription>",
        "<bpmn:correlationPropertyBinding correlationPropertyRef='line'><bpmn:dataPath>= nr</bpmn:dataPath></bpmn:correlationPropertyBinding>\
         </bpmn:correlationSubscription>",
    );
    check(
        keyed(&both, &format!("{order}{line}"), &bindings),
        expect![[r#"
        fine
    "#]],
    );
    // The message that is sent has no line; another one has both.
    let more = format!("{order}{}", line.replace("'changed'", "'other'"));
    let with_other = more.replace(
        "<bpmn:correlationProperty id='order'>",
        "<bpmn:correlationProperty id='order'><bpmn:correlationPropertyRetrievalExpression messageRef='other'><bpmn:messagePath>= id</bpmn:messagePath>\
         </bpmn:correlationPropertyRetrievalExpression>",
    );
    check(
        keyed(&both, &with_other, &bindings),
        expect![[r#"
        t.bpmn:8:1: error: the message 'changed' has some properties of the correlationKey, and not 'line', so that it has no key (element 'k'); help: give each property a correlationPropertyRetrievalExpression for the message, or none
    "#]],
    );
    // A property that is not there, and one twice.
    check(
        keyed(&both, &order, &bindings),
        expect![[r#"
        t.bpmn:7:1: error: the correlationProperty 'line' does not exist (element 'k'); help: choose one of the file's (correlationPropertyRef)
    "#]],
    );
    check(
        keyed(&both.replace(">line<", ">order<"), &order, &bindings),
        expect![[r#"
        t.bpmn:7:1: error: the correlationKey names the property 'order' twice (element 'k'); help: remove one correlationPropertyRef
    "#]],
    );
    // A message that is not there, one without a path, one twice.
    check(
        keyed(KEY, &format!("{order}{}", line.replace("'changed'", "'nowhere'")), &bound("= id")),
        expect![[r#"
        t.bpmn:6:151: error: the message 'nowhere' does not exist (element 'line'); help: choose one of the file's messages (messageRef of the correlationPropertyRetrievalExpression)
    "#]],
    );
    let without = order.replace("<bpmn:messagePath>= id</bpmn:messagePath>", "");
    check(
        keyed(KEY, &without, &bound("= id")),
        expect![[r#"
        t.bpmn:5:423: error: correlationPropertyRetrievalExpression has no messagePath (element 'order'); help: add one that finds the property in what comes with the message, for example = orderId
        t.bpmn:7:1: error: no message has all properties of the correlationKey (element 'k'); help: give each of its properties a correlationPropertyRetrievalExpression with a messagePath for the message that is to have it
    "#]],
    );
    let start = order.find("<bpmn:correlationPropertyRetrievalExpression").expect("there is one");
    let end = order.find("</bpmn:correlationProperty>").expect("it ends");
    let twice = format!("{}{}", &order[..end], &order[start..]);
    check(
        keyed(KEY, &twice, &bound("= id")),
        expect![[r#"
        t.bpmn:6:88: error: the property has several retrieval expressions for the message 'changed' (element 'order'); help: keep one of them
    "#]],
    );
    // A subscription that says both of a property, and two of one key.
    let binding = bound("= id");
    let start = binding.find("<bpmn:correlationPropertyBinding").expect("there is one");
    let end = binding.find("</bpmn:correlationSubscription>").expect("it ends");
    check(
        keyed(KEY, &order, &format!("{}{}", &binding[..end], &binding[start..])),
        expect![[r#"
        t.bpmn:4:1: error: the correlationSubscription says several times where the property 'order' is found (element 'cs'); help: keep one correlationPropertyBinding of it
    "#]],
    );
    check(
        keyed(KEY, &order, &format!("{binding}{}", binding.replace("'cs'", "'ct'"))),
        expect![[r#"
        t.bpmn:6:1: error: the process has several correlationSubscriptions for the correlationKey 't:k' (element 'ct'); help: keep one of them: a process is told apart by one key
    "#]],
    );
}

#[test]
fn what_goes_along_is_said_where_it_is_sent_and_nowhere_else() {
    let with = |kind: &str, more: &str| {
        format!(
            "<bpmn:{kind} id='a' messageRef='paid'{more}><bpmn:extensionElements>\n<camunda:in businessKey='k'/></bpmn:extensionElements></bpmn:{kind}>"
        )
    };
    check(
        &with("sendTask", ""),
        &["them"],
        expect![[r#"
        fine
    "#]],
    );
    check(
        &with("sendTask", " camunda:class='Sender'"),
        &[],
        expect![[r#"
        t.bpmn:3:1: warning: camunda:in has no effect on what somebody else sends (element 'a'); help: remove it: map what is needed by camunda:inputOutput
    "#]],
    );
    check(
        &with("receiveTask", ""),
        &[],
        expect![[r#"
        t.bpmn:3:1: warning: camunda:in has no effect on receiveTask (element 'a'); help: remove it; it is read on callActivity, signalEventDefinition, messageEventDefinition and sendTask
    "#]],
    );
}

/// Each message is compared with each key: without a bound a file of 100 KiB took eight seconds, and eight times as long with twice as
/// many.
#[test]
fn keys_are_bounded() {
    let order = property("order", "= id");
    let many = |text: &str, count: usize| (0..count).map(|n| text.replace("NN", &n.to_string())).collect::<String>();
    let keys = many(&KEY.replace("'k'", "'kNN'"), 2_000);
    let paths = "<bpmn:correlationPropertyRetrievalExpression messageRef='mNN'><bpmn:messagePath>= id</bpmn:messagePath>\
                 </bpmn:correlationPropertyRetrievalExpression>";
    let messages = many("<bpmn:message id='mNN' name='nNN'/>", 2_000);
    let property = format!("{messages}<bpmn:correlationProperty id='order'>{}</bpmn:correlationProperty>", many(paths, 2_000));
    let all = diagnostics(keyed(&keys, &property, "").as_bytes());
    assert!(all.contains("the file has more than 20 correlation keys"), "{all}");
    let long = KEY.replace("</bpmn:correlationKey>", &many("<bpmn:correlationPropertyRef>pNN</bpmn:correlationPropertyRef>", 10))
        + "</bpmn:correlationKey>";
    let all = diagnostics(keyed(&long, &order, "").as_bytes());
    assert!(all.contains("correlationKey has more than 10 properties"), "{all}");
    let all = diagnostics(keyed(KEY, &order, &many(&bound("= id").replace("'cs'", "'csNN'"), 21)).as_bytes());
    assert!(all.contains("the process has more than 20 correlationSubscriptions"), "{all}");
}

#[test]
fn boundary_events_of_what_sends_along_a_flow_never_come() {
    let timer = "<bpmn:timerEventDefinition><bpmn:timeDuration>PT1M</bpmn:timeDuration></bpmn:timerEventDefinition>";
    let attached = format!(
        "{SEND}\n<bpmn:boundaryEvent id='b' attachedToRef='a'>{timer}</bpmn:boundaryEvent><bpmn:task id='l'/>\
         <bpmn:sequenceFlow id='f3' sourceRef='b' targetRef='l'/>"
    );
    check(
        &attached,
        &["them"],
        expect![[r#"
        t.bpmn:3:1: warning: the timer never fires: a task that sends along a message flow does not wait (element 'b'); help: limit the delegate's wall time in the manifest, or put the timer on a sub-process around tasks that wait
    "#]],
    );
}
