//! Data associations: what they map, what is a drawing, and what is refused. The activity is on line 2.

use crate::common::{around, around_with, check_activity, definition, element};
use expect_test::expect;
use mandate_model::{ElementKind, Mapping, Pass, ProcessDefinition, Source, ThrowInput, ThrowResult};

/// Each as `target source`; a source that is a variable in brackets.
fn shown(mappings: &[Mapping]) -> Vec<String> {
    let source = |source: &Source| match source {
        Source::Variable(name) => format!("[{name}]"),
        Source::Expression(expression) => expression.source().to_owned(),
    };
    mappings.iter().map(|it| format!("{} {}", it.target, source(&it.source))).collect()
}

fn mapped(definition: &ProcessDefinition, id: &str) -> (Vec<String>, Vec<String>) {
    let element = element(definition, id);
    (shown(&element.inputs), shown(&element.outputs))
}

/// An association between data by its ids.
fn association(kind: &str, id: &str, source: &str, target: &str, rest: &str) -> String {
    format!(
        "<bpmn:data{kind}Association id='{id}'><bpmn:sourceRef>{source}</bpmn:sourceRef><bpmn:targetRef>{target}</bpmn:targetRef>{rest}\
         </bpmn:data{kind}Association>"
    )
}

/// An activity with a data input and a data output.
const IO: &str = "<bpmn:ioSpecification><bpmn:dataInput id='in' name='given'/><bpmn:dataOutput id='out' name='found'/><bpmn:inputSet/>\
                  <bpmn:outputSet/></bpmn:ioSpecification>";

#[test]
fn assignments_are_mappings() {
    let inside = "<bpmn:ioSpecification id='io'/><bpmn:property id='q' name='q'/>\
                  <bpmn:dataInputAssociation id='i'><bpmn:sourceRef>o</bpmn:sourceRef><bpmn:targetRef>p</bpmn:targetRef>\
                  <bpmn:assignment><bpmn:from>= order.total</bpmn:from><bpmn:to>total</bpmn:to></bpmn:assignment>\
                  <bpmn:assignment><bpmn:from>q</bpmn:from><bpmn:to>q</bpmn:to></bpmn:assignment></bpmn:dataInputAssociation>\
                  <bpmn:dataOutputAssociation id='j'><bpmn:assignment><bpmn:from>${result}</bpmn:from><bpmn:to>answer</bpmn:to></bpmn:assignment>\
                  </bpmn:dataOutputAssociation>";
    let read = definition(&around(&format!("<bpmn:userTask id='a'>{inside}</bpmn:userTask>")));
    assert_eq!(mapped(&read, "a"), (vec!["total = order.total".to_owned(), "q [q]".to_owned()], vec!["answer ${result}".to_owned()]));
    check_activity(
        "<bpmn:userTask id='a'><bpmn:dataInputAssociation id='i'><bpmn:transformation>= x</bpmn:transformation><bpmn:assignment><bpmn:from>= x\
         </bpmn:from><bpmn:to>${y}</bpmn:to></bpmn:assignment><bpmn:assignment/></bpmn:dataInputAssociation></bpmn:userTask>",
        expect![[r#"
            t.bpmn:2:57: error: the transformation gives its value to nothing (element 'a'); help: name a data object, a property, or an input or output of the activity in targetRef
            t.bpmn:2:146: error: '${y}' is not the name of a variable (element 'a'); help: name the variable that is set, without an expression
            t.bpmn:2:187: error: the assignment has no from or no to (element 'a'); help: write <from>= order.total</from><to>total</to>
        "#]],
    );
}

#[test]
fn data_is_copied_and_transformed_by_name() {
    let all = [
        association("Input", "i1", "ref", "in", ""),
        association("Output", "o1", "out", "ref", "<bpmn:transformation>= found * 2</bpmn:transformation>"),
        association("Output", "o2", "out", "late", ""),
    ];
    let read = definition(&around(&format!(
        "<bpmn:userTask id='a'>{IO}{}</bpmn:userTask><bpmn:dataObject id='object'/><bpmn:dataObjectReference id='ref' name='Order'\
         dataObjectRef='object'/><bpmn:dataObjectReference id='other' name='Order [paid]' dataObjectRef='object'/><bpmn:property id='late'/>",
        all.concat()
    )));
    let (inputs, outputs) = mapped(&read, "a");
    assert_eq!((inputs, outputs), (vec!["given [Order]".to_owned()], vec!["Order = found * 2".to_owned(), "late [found]".to_owned()]));
}

#[test]
fn events_give_and_take_data() {
    let filled = association("Input", "i1", "d", "in", "");
    let read = definition(&around_with(
        "<bpmn:signal id='sig' name='alarm'/>",
        &format!(
            "<bpmn:intermediateThrowEvent id='a'><bpmn:dataInput id='in' name='given'/>{filled}<bpmn:inputSet/>\
             <bpmn:signalEventDefinition signalRef='sig'/></bpmn:intermediateThrowEvent><bpmn:dataObject id='d' name='order'/>"
        ),
    ));
    assert_eq!(mapped(&read, "a").0, ["given [order]"]);
    let ElementKind::IntermediateThrowEvent(ThrowResult::Signal(throw)) = &element(&read, "a").kind else { panic!() };
    let [ThrowInput::Data(given)] = &throw.inputs[..] else { panic!("{:?}", throw.inputs) };
    assert_eq!(given, "given");
}

#[test]
fn call_activity_passes_what_its_data_associations_fill_and_read() {
    let all = [association("Input", "i1", "d", "in", ""), association("Output", "o1", "out", "d", "")];
    let read = definition(&around(&format!(
        "<bpmn:callActivity id='a' calledElement='other'>{IO}{}</bpmn:callActivity><bpmn:dataObject id='d' name='order'/>",
        all.concat()
    )));
    let ElementKind::CallActivity(call) = &element(&read, "a").kind else { panic!() };
    let names = |passes: &[Pass]| -> Vec<_> {
        let one = |pass: &Pass| match pass {
            Pass::Data(name) => name.clone(),
            Pass::All { .. } | Pass::One { .. } => panic!("only data goes in and out"),
        };
        passes.iter().map(one).collect()
    };
    assert_eq!((names(&call.inputs), names(&call.outputs)), (vec!["given".to_owned()], vec!["found".to_owned()]));
}

#[test]
fn data_of_a_sub_process_is_its_own() {
    let read = definition(&around(&format!(
        "<bpmn:subProcess id='a'><bpmn:dataObject id='d' name='order'/><bpmn:dataObject id='drawn' name='drawn'/>\
         <bpmn:userTask id='t'>{IO}{}</bpmn:userTask></bpmn:subProcess>",
        association("Output", "o1", "out", "d", "")
    )));
    assert_eq!((mapped(&read, "a").0, mapped(&read, "t").1), (vec!["order = null".to_owned()], vec!["order [found]".to_owned()]));
}

#[test]
fn multi_instance_data_is_by_the_ids_of_inputs_and_outputs() {
    let all = [
        association("Input", "i1", "lines", "in", ""),
        association("Output", "o1", "out", "results", ""),
        association("Output", "o2", "one", "each", ""),
    ];
    let read = definition(&around(&format!(
        "<bpmn:userTask id='a'><bpmn:ioSpecification><bpmn:dataInput id='in' name='given' isCollection='true'/><bpmn:dataOutput id='out'/>\
         <bpmn:dataOutput id='one' name='found'/></bpmn:ioSpecification>{}<bpmn:multiInstanceLoopCharacteristics><bpmn:loopDataInputRef>in\
         </bpmn:loopDataInputRef><bpmn:loopDataOutputRef>out</bpmn:loopDataOutputRef><bpmn:inputDataItem id='line'/>\
         <bpmn:outputDataItem id='each'/></bpmn:multiInstanceLoopCharacteristics></bpmn:userTask>\
         <bpmn:dataObject id='lines' isCollection='true'/><bpmn:dataObject id='results' name='all results'/>",
        all.concat()
    )));
    let element = element(&read, "a");
    let each = element.multi_instance.as_ref().expect("it has a body");
    assert!(matches!(&each.collection, Some(Source::Variable(name)) if name == "lines"));
    assert_eq!(each.element_variable.as_deref(), Some("line"));
    let output = each.output.as_ref().expect("there is a list");
    assert_eq!((output.collection.as_str(), output.element.source()), ("all results", "found"));
    assert!(element.inputs.is_empty() && element.outputs.is_empty(), "these are about all instances");
}

#[test]
fn lines_of_a_drawing_copy_nothing() {
    // As modellers write them.
    let drawn = "<bpmn:property id='p1' name='__targetRef_placeholder'/>\
                 <bpmn:dataOutputAssociation id='o'><bpmn:targetRef>ref</bpmn:targetRef></bpmn:dataOutputAssociation>";
    let objects =
        "<bpmn:dataObject id='d'/><bpmn:dataObjectReference id='ref' name='Order' dataObjectRef='d'/><bpmn:dataStoreReference id='store'/>";
    let read = definition(&around(&format!(
        "<bpmn:userTask id='a'>{drawn}{}</bpmn:userTask>{objects}",
        association("Input", "i", "ref", "p1", "")
    )));
    assert_eq!(mapped(&read, "a"), (Vec::new(), Vec::new()));
    let both = association("Input", "i", "ref</bpmn:sourceRef><bpmn:sourceRef>d", "in", "");
    check_activity(
        &format!("<bpmn:userTask id='a'>{IO}{both}</bpmn:userTask>{objects}"),
        expect![[r#"
        t.bpmn:2:179: warning: the data association has several sources and does not say what becomes of them: it copies nothing (element 'a'); help: write an assignment or a transformation; ignore this if it is a drawing
    "#]],
    );
    let store = association("Input", "i", "store", "in", "");
    check_activity(
        &format!("<bpmn:userTask id='a'>{IO}{store}</bpmn:userTask>{objects}"),
        expect![[r#"
        t.bpmn:2:179: warning: the data association copies nothing: 'store' is no data of this process (element 'a'); help: write an assignment or a transformation; ignore this if it is a drawing
    "#]],
    );
    let copy = association("Input", "i", "ref", "in", "");
    check_activity(
        &format!("<bpmn:userTask id='a' camunda:assignee='ann'>{IO}{copy}</bpmn:userTask>{objects}"),
        expect![[r#"
        t.bpmn:2:202: warning: the data association copies nothing: as in Camunda 7 (element 'a'); help: write an assignment or a transformation; ignore this if it is a drawing
    "#]],
    );
}
