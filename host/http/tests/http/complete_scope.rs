//! Which activities history shows as those that ended their scope, and which as cancelled: the cases of Camunda 7's
//! `HistoricActivityInstanceStateTest`.

use serde_json::json;

use crate::common::{Host, model_with, on_both};

on_both! {
    what_no_flow_leads_on_from_completes_its_scope
    what_undoes_something_does_not
}

/// Nodes with ids, and flows between them.
fn process(nodes: &str, flows: &[(&str, &str)]) -> String {
    let flow = |(from, to): &(&str, &str)| format!("<bpmn:sequenceFlow id='{from}-{to}' sourceRef='{from}' targetRef='{to}'/>");
    let flows: String = flows.iter().map(flow).collect();
    format!("{nodes}{flows}")
}

/// Runs a process of these contents, and answers with every activity: its id, and `completes`, `canceled` or nothing.
async fn states(host: &Host, contents: &str) -> Vec<String> {
    let roots = "<bpmn:error id='err' errorCode='E'/>";
    host.deploy("p", &model_with(roots, &format!("<bpmn:process id='p' isExecutable='true'>{contents}</bpmn:process>"))).await;
    let id = host.start("p", json!({})).await;
    let path = format!("/engine-rest/history/activity-instance?processInstanceId={id}");
    let list = host.get(&format!("{path}&sortBy=occurrence&sortOrder=asc")).await.ok();
    let list = list.as_array().expect("a list");
    let completing = list.iter().filter(|one| one["completeScope"] == true).count();
    assert_eq!(host.get(&format!("{path}&completeScope=true")).await.ok().as_array().map(Vec::len), Some(completing));
    let state = |one: &serde_json::Value| match (one["completeScope"] == true, one["canceled"] == true) {
        (true, false) => " completes",
        (false, true) => " canceled",
        (false, false) => "",
        (true, true) => " both",
    };
    list.iter().map(|one| format!("{}{}", one["activityId"].as_str().expect("text"), state(one))).collect()
}

async fn what_no_flow_leads_on_from_completes_its_scope(host: Host) {
    // An activity at the end, and an end event.
    let both = process(
        "<bpmn:startEvent id='s'/><bpmn:parallelGateway id='split'/><bpmn:task id='a'/><bpmn:endEvent id='b'/>",
        &[("s", "split"), ("split", "a"), ("split", "b")],
    );
    assert_eq!(states(&host, &both).await, ["s", "split", "a completes", "b completes"]);

    // A join at the end: each token that came to it.
    let join = process(
        "<bpmn:startEvent id='s'/><bpmn:parallelGateway id='split'/><bpmn:task id='a'/><bpmn:task id='b'/><bpmn:parallelGateway id='join'/>",
        &[("s", "split"), ("split", "a"), ("split", "b"), ("a", "join"), ("b", "join")],
    );
    assert_eq!(states(&host, &join).await, ["s", "split", "a", "join completes", "b", "join completes"]);

    // Each of several instances, and not the body that has them; a sub-process that goes on does not either.
    let inside = process("<bpmn:startEvent id='is'/><bpmn:endEvent id='ie'/>", &[("is", "ie")]);
    let each =
        "<bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>2</bpmn:loopCardinality></bpmn:multiInstanceLoopCharacteristics>";
    let several = process(
        &format!("<bpmn:startEvent id='s'/><bpmn:subProcess id='sub'>{each}{inside}</bpmn:subProcess><bpmn:endEvent id='e'/>"),
        &[("s", "sub"), ("sub", "e")],
    );
    let mut several = states(&host, &several).await;
    several.sort_unstable();
    let expected =
        ["e completes", "ie completes", "ie completes", "is", "is", "s", "sub completes", "sub completes", "sub#multiInstanceBody"];
    assert_eq!(several, expected);

    // An error that is caught cancels what is around its end event, and that with it.
    let throws = process(
        "<bpmn:startEvent id='is'/><bpmn:endEvent id='ie'><bpmn:errorEventDefinition errorRef='err'/></bpmn:endEvent>",
        &[("is", "ie")],
    );
    let caught = process(
        &format!(
            "<bpmn:startEvent id='s'/><bpmn:subProcess id='sub'>{throws}</bpmn:subProcess><bpmn:boundaryEvent id='b' attachedToRef='sub'>\
             <bpmn:errorEventDefinition errorRef='err'/></bpmn:boundaryEvent><bpmn:endEvent id='after'/>"
        ),
        &[("s", "sub"), ("b", "after")],
    );
    assert_eq!(states(&host, &caught).await, ["s", "sub canceled", "is", "ie canceled", "b", "after completes"]);

    // One that nothing catches is an end event as any other.
    let uncaught = process(
        "<bpmn:startEvent id='s'/><bpmn:endEvent id='ie'><bpmn:errorEventDefinition errorRef='err'/></bpmn:endEvent>",
        &[("s", "ie")],
    );
    assert_eq!(states(&host, &uncaught).await, ["s", "ie completes"]);
    host.check_store().await;
    host.close().await;
}

async fn what_undoes_something_does_not(host: Host) {
    let undone = process(
        "<bpmn:startEvent id='s'/><bpmn:task id='a'/><bpmn:boundaryEvent id='b' attachedToRef='a'><bpmn:compensateEventDefinition/>\
         </bpmn:boundaryEvent><bpmn:task id='undo' isForCompensation='true'/><bpmn:association id='x' sourceRef='b' targetRef='undo'/>\
         <bpmn:endEvent id='e'><bpmn:compensateEventDefinition/></bpmn:endEvent>",
        &[("s", "a"), ("a", "e")],
    );
    assert_eq!(states(&host, &undone).await, ["s", "a", "e completes", "undo"]);
    host.check_store().await;
    host.close().await;
}
