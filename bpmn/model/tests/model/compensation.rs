//! Compensation and transactions: who undoes what, and what is refused.

use crate::common::{around_with, definition, diagnostics, element};
use expect_test::{Expect, expect};
use mandate_model::{Compensation, CompensationThrow, ElementKind, EndResult, EventTrigger, ThrowResult};

/// A process with a user task `a` and these elements.
fn with(elements: &str) -> String {
    around_with("", &format!("<bpmn:userTask id='a'/>{elements}"))
}

fn check(elements: &str, expect: Expect) {
    expect.assert_eq(&diagnostics(with(elements).as_bytes()));
}

/// A compensation boundary event `ID-event`.
fn boundary(id: &str) -> String {
    format!("<bpmn:boundaryEvent id='{id}-event' attachedToRef='{id}'><bpmn:compensateEventDefinition/></bpmn:boundaryEvent>")
}

fn association(id: &str, from: &str, to: &str) -> String {
    format!("<bpmn:association id='{id}' sourceRef='{from}' targetRef='{to}' associationDirection='One'/>")
}

const HANDLER: &str = "<bpmn:manualTask id='undo' isForCompensation='true'/>";
const ON: &str = "<bpmn:sequenceFlow id='on' sourceRef='a' targetRef='x'/>";

fn throw(activity: &str) -> String {
    format!("<bpmn:endEvent id='x'><bpmn:compensateEventDefinition{activity}/></bpmn:endEvent>{ON}")
}

/// A sub-process or transaction `tx` behind `a`.
fn scope(kind: &str, inside: &str) -> String {
    format!(
        "<bpmn:{kind} id='tx'><bpmn:startEvent id='ps'/><bpmn:userTask id='t'/><bpmn:sequenceFlow id='pf' sourceRef='ps' targetRef='t'/>{inside}\
         </bpmn:{kind}><bpmn:sequenceFlow id='to-tx' sourceRef='a' targetRef='tx'/>"
    )
}

#[test]
fn association_leads_to_the_handler_whichever_way_it_is_drawn() {
    for (from, to) in [("a-event", "undo"), ("undo", "a-event")] {
        let note = "<bpmn:textAnnotation id='note'/>".to_owned() + &association("noted", "a", "note");
        let definition = definition(&with(&(boundary("a") + HANDLER + &association("l", from, to) + &note + &throw(" activityRef='a'"))));
        assert_eq!(element(&definition, "a").compensation, definition.find("undo").map(Compensation::Handler));
        assert!(element(&definition, "undo").for_compensation && !element(&definition, "a").for_compensation);
        let ElementKind::EndEvent(EndResult::Compensation(throw)) = &element(&definition, "x").kind else { panic!() };
        assert_eq!(*throw, CompensationThrow { activity: definition.find("a") });
    }
}

#[test]
fn scope_is_undone_by_its_compensation_event_sub_process() {
    let event = "<bpmn:subProcess id='v' triggeredByEvent='true'><bpmn:startEvent id='vs'><bpmn:compensateEventDefinition/></bpmn:startEvent>\
                 <bpmn:intermediateThrowEvent id='y'><bpmn:compensateEventDefinition activityRef='t'/></bpmn:intermediateThrowEvent>\
                 <bpmn:sequenceFlow id='vf' sourceRef='vs' targetRef='y'/></bpmn:subProcess>";
    let undone = boundary("t") + HANDLER + &association("l", "t-event", "undo");
    let definition = definition(&with(&scope("transaction", &format!("{undone}{event}"))));
    assert_eq!(element(&definition, "tx").compensation, definition.find("v").map(Compensation::EventSubProcess));
    assert!(matches!(element(&definition, "tx").kind, ElementKind::Transaction(_)));
    let ElementKind::IntermediateThrowEvent(ThrowResult::Compensation(throw)) = &element(&definition, "y").kind else { panic!() };
    assert_eq!(throw.activity, definition.find("t"), "an event sub-process may refer to what stands beside it");
}

#[test]
fn transaction_is_left_by_its_cancel_boundary_event() {
    let cancel = "<bpmn:endEvent id='x'><bpmn:cancelEventDefinition/></bpmn:endEvent>\
                  <bpmn:sequenceFlow id='g' sourceRef='t' targetRef='x'/>";
    let boundary = "<bpmn:boundaryEvent id='c' attachedToRef='tx'><bpmn:cancelEventDefinition/></bpmn:boundaryEvent>\
                    <bpmn:sequenceFlow id='h' sourceRef='c' targetRef='e'/>";
    let definition = definition(&with(&(scope("transaction", cancel) + boundary)));
    assert!(matches!(element(&definition, "c").kind.trigger(), Some((EventTrigger::Cancel, true))));
    assert!(matches!(element(&definition, "x").kind, ElementKind::EndEvent(EndResult::Cancel)));
}

#[test]
fn handlers_that_cannot_be_ones_are_refused() {
    let plain = "<bpmn:manualTask id='undo'/><bpmn:sequenceFlow id='g' sourceRef='a' targetRef='undo'/>";
    check(
        &(boundary("a") + plain + &association("l", "a-event", "undo")),
        expect![[r#"
        t.bpmn:2:24: warning: the compensation boundary event has no handler: it undoes nothing (element 'a-event'); help: draw an association from it to an activity with isForCompensation="true"
        t.bpmn:2:215: error: 'undo' undoes an activity and is not marked for compensation (element 'l'); help: set isForCompensation="true" on it, or remove the association
    "#]],
    );
    let with_flow = HANDLER.to_owned() + "<bpmn:sequenceFlow id='g' sourceRef='a' targetRef='undo'/>";
    check(
        &(boundary("a") + &with_flow + &association("l", "a-event", "undo")),
        expect![[r#"
        t.bpmn:2:129: error: the compensation handler, a manualTask, has a sequence flow (element 'undo'); help: remove the flow: the association from the boundary event begins it, and nothing follows it (BPMN 2.0, 10.6.1)
    "#]],
    );
    let second = "<bpmn:manualTask id='undo2' isForCompensation='true'/>".to_owned() + &association("l2", "a-event", "undo2");
    check(
        &(boundary("a") + HANDLER + &association("l", "a-event", "undo") + &second),
        expect![[r#"
        t.bpmn:2:272: warning: the manualTask is for compensation and undoes nothing: it never runs (element 'undo2'); help: draw an association to it from a compensation boundary event
        t.bpmn:2:326: error: 'a' has more than one compensation handler (element 'l2'); help: keep one; it may be a sub-process with several activities
    "#]],
    );
    let far = scope("subProcess", HANDLER);
    check(
        &(boundary("a") + &far + &association("l", "a-event", "undo")),
        expect![[r#"
        t.bpmn:2:24: warning: the compensation boundary event has no handler: it undoes nothing (element 'a-event'); help: draw an association from it to an activity with isForCompensation="true"
        t.bpmn:2:260: warning: the manualTask is for compensation and undoes nothing: it never runs (element 'undo'); help: draw an association to it from a compensation boundary event
        t.bpmn:2:391: error: the compensation handler 'undo' stands in another scope than the activity 'a' (element 'l'); help: move it to the activity
    "#]],
    );
    let of_handler =
        boundary("undo") + "<bpmn:manualTask id='undo2' isForCompensation='true'/>" + &association("l2", "undo-event", "undo2");
    check(
        &(boundary("a") + HANDLER + &association("l", "a-event", "undo") + &of_handler),
        expect![[r#"
        t.bpmn:2:129: error: a compensation handler is not compensated itself (element 'undo'); help: undo in the handler's own sub-process what it has begun
    "#]],
    );
}

#[test]
fn half_of_a_compensation_does_nothing_and_is_warned_about() {
    check(
        &boundary("a"),
        expect![[r#"
        t.bpmn:2:24: warning: the compensation boundary event has no handler: it undoes nothing (element 'a-event'); help: draw an association from it to an activity with isForCompensation="true"
    "#]],
    );
    check(
        HANDLER,
        expect![[r#"
        t.bpmn:2:24: warning: the manualTask is for compensation and undoes nothing: it never runs (element 'undo'); help: draw an association to it from a compensation boundary event
    "#]],
    );
    check(
        &throw(" activityRef='a' waitForCompletion='false'"),
        expect![[r#"
        t.bpmn:2:24: warning: nothing undoes 'a', which the event has compensated (element 'x'); help: attach a compensation boundary event with a handler to it, or refer to another activity
        t.bpmn:2:46: warning: waitForCompletion="false" has no effect: the event waits (as in Camunda 7) (element 'x'); help: remove it; to go on meanwhile, throw on a branch of its own
    "#]],
    );
}

#[test]
fn events_that_undo_nothing_sensible_are_refused() {
    let flow = "<bpmn:sequenceFlow id='g' sourceRef='a-event' targetRef='e'/>";
    check(
        &(boundary("a") + HANDLER + &association("l", "a-event", "undo") + flow),
        expect![[r#"
        t.bpmn:2:24: error: the compensation boundary event has an outgoing sequence flow (element 'a-event'); help: draw an association instead, to an activity with isForCompensation="true"
    "#]],
    );
    let twice = boundary("a") + &boundary("a").replace("a-event", "again") + HANDLER + &association("l", "a-event", "undo");
    check(
        &twice,
        expect![[r#"
        t.bpmn:2:129: error: two events of 'a' wait for its compensation (element 'again'); help: keep one of them
    "#]],
    );
    check(
        &boundary("a").replace("Definition/>", "Definition activityRef='a'/>"),
        expect![[r#"
            t.bpmn:2:24: warning: the compensation boundary event has no handler: it undoes nothing (element 'a-event'); help: draw an association from it to an activity with isForCompensation="true"
            t.bpmn:2:75: warning: activityRef has no effect on an event that waits for compensation (element 'a-event'); help: remove it: it belongs on the throwing event (as in Camunda 7)
        "#]],
    );
    check(
        &throw(" activityRef='nobody'"),
        expect![[r#"
        t.bpmn:2:46: error: the activity to compensate is 'nobody', which does not exist in this process (element 'x'); help: draw it to an element of the same process, or remove it
    "#]],
    );
    check(
        &(scope("subProcess", "") + &throw(" activityRef='t'")),
        expect![[r#"
        t.bpmn:2:233: error: the activity 't' to compensate does not stand in the event's scope (element 'x'); help: refer to an activity beside the event, or to none to compensate all of them
    "#]],
    );
    let of_process = "<bpmn:subProcess id='v' triggeredByEvent='true'><bpmn:startEvent id='vs'><bpmn:compensateEventDefinition/></bpmn:startEvent>\
                      <bpmn:endEvent id='ve'/><bpmn:sequenceFlow id='vf' sourceRef='vs' targetRef='ve'/></bpmn:subProcess>";
    check(
        of_process,
        expect![[r#"
        t.bpmn:2:72: error: a compensation event sub-process stands in no embedded sub-process (element 'vs'); help: put it into an embedded sub-process: what compensates has completed, and so a process never does
    "#]],
    );
    let both = boundary("tx") + HANDLER + &association("l", "tx-event", "undo");
    check(
        &(scope("subProcess", of_process) + &both),
        expect![[r#"
        t.bpmn:2:203: error: two events of 'tx' wait for its compensation (element 'vs'); help: keep one of them
    "#]],
    );
}

#[test]
fn cancellation_outside_of_a_transaction_is_refused() {
    let cancel = "<bpmn:endEvent id='x'><bpmn:cancelEventDefinition/></bpmn:endEvent>";
    let inside = format!("{cancel}<bpmn:sequenceFlow id='g' sourceRef='t' targetRef='x'/>");
    let on = |id: &str, attributes: &str| {
        format!(
            "<bpmn:boundaryEvent id='c' attachedToRef='{id}'{attributes}><bpmn:cancelEventDefinition/></bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='h' sourceRef='c' targetRef='e'/>"
        )
    };
    check(
        &format!("{cancel}{ON}"),
        expect![[r#"
        t.bpmn:2:24: error: the cancel end event does not stand directly in a transaction (element 'x'); help: put it into a transaction, or use an error end event and an error boundary event
    "#]],
    );
    check(
        &scope("subProcess", &inside),
        expect![[r#"
        t.bpmn:2:155: error: the cancel end event does not stand directly in a transaction (element 'x'); help: put it into a transaction, or use an error end event and an error boundary event
    "#]],
    );
    check(
        &scope("transaction", &inside),
        expect![[r#"
        t.bpmn:2:156: error: nothing follows when the transaction 'tx' is cancelled (element 'x'); help: attach a cancel boundary event to the transaction
    "#]],
    );
    let deeper = "<bpmn:subProcess id='q'><bpmn:startEvent id='qs'/><bpmn:sequenceFlow id='g' sourceRef='qs' targetRef='x'/>".to_owned()
        + cancel
        + "</bpmn:subProcess><bpmn:sequenceFlow id='k' sourceRef='t' targetRef='q'/>";
    check(
        &(scope("transaction", &deeper) + &on("tx", "")),
        expect![[r#"
        t.bpmn:2:262: error: the cancel end event does not stand directly in a transaction (element 'x'); help: put it into a transaction, or use an error end event and an error boundary event
    "#]],
    );
    check(
        &on("a", ""),
        expect![[r#"
        t.bpmn:2:24: error: the cancel boundary event is not attached to a transaction (element 'c'); help: attach it to a transaction, or use an error boundary event
    "#]],
    );
    check(
        &(scope("transaction", &inside) + &on("tx", " cancelActivity='false'")),
        expect![[r#"
        t.bpmn:2:357: error: a cancel boundary event can't be non-interrupting (element 'c'); help: let it interrupt (cancelActivity): a transaction that is cancelled is over (BPMN 2.0, 10.3.5)
    "#]],
    );
}
