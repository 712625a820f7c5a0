//! What Camunda 7's attributes and extension elements say, and where they say nothing.

use crate::common::{definition, diagnostics, file};

#[test]
fn whoever_starts_a_process_becomes_the_variable_that_its_last_start_event_names() {
    let starts = "<bpmn:startEvent id='s' camunda:initiator='ann'/><bpmn:startEvent id='t' camunda:initiator=' starter '>\
                  <bpmn:timerEventDefinition><bpmn:timeCycle>R/PT1H</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>\
                  <bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>\
                  <bpmn:sequenceFlow id='g' sourceRef='t' targetRef='e'/>";
    assert_eq!(definition(&file(starts)).initiator.as_deref(), Some("starter"));
}

#[test]
fn an_initiator_is_a_name_and_stands_on_the_process_s_start_events() {
    let nameless = "<bpmn:startEvent id='s' camunda:initiator=' '/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>";
    assert!(diagnostics(file(nameless).as_bytes()).contains("names no variable"));
    let inside = "<bpmn:startEvent id='s'/><bpmn:subProcess id='p'><bpmn:startEvent id='ps' camunda:initiator='x'/></bpmn:subProcess>\
                  <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='p'/>";
    assert!(diagnostics(file(inside).as_bytes()).contains("has no effect on the start event of a sub-process"));
}
