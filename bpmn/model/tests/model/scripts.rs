//! Scripts and conditions in files of their own.

use expect_test::{Expect, expect};
use mandate_model::{ElementKind, parse_with, script_files};

use crate::common::{around, element, file};

/// A script that is a byte too long.
static LONG: [u8; (64 << 10) + 1] = [b' '; (64 << 10) + 1];

/// Files that are deployed with the model.
fn files(name: &str) -> Option<&'static [u8]> {
    match name {
        "rules/price.feel" => Some(b"\xEF\xBB\xBFamount * 2\n"),
        "late.juel" => Some(b"${late}"),
        "binary" => Some(&[0xFF, 0xFE]),
        "long" => Some(&LONG),
        "wide" => Some(&LONG[1..]),
        _ => None,
    }
}

/// What parsing says: all diagnostics, one a line.
fn check(file: &str, expect: Expect) {
    let diagnostics = match parse_with("t.bpmn", file.as_bytes(), &files) {
        Ok(parsed) => parsed.warnings,
        Err(diagnostics) => diagnostics,
    };
    let lines: Vec<_> = diagnostics.iter().map(|it| format!("{it}\n")).collect();
    expect.assert_eq(&lines.concat());
}

#[test]
fn script_of_the_deployment_is_read_as_if_it_stood_in_the_model() {
    let model = file(
        "<bpmn:startEvent id='s'/><bpmn:scriptTask id='t' scriptFormat='feel' camunda:resource='deployment://rules/price.feel' \
         camunda:resultVariable='price'/><bpmn:userTask id='u'><bpmn:extensionElements><camunda:inputOutput>\
         <camunda:inputParameter name='price'><camunda:script scriptFormat='feel' resource=' deployment://rules/price.feel '/>\
         </camunda:inputParameter></camunda:inputOutput><camunda:taskListener event='create'><camunda:script scriptFormat='juel' \
         resource='deployment://late.juel'/></camunda:taskListener></bpmn:extensionElements></bpmn:userTask>\
         <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='t'/><bpmn:sequenceFlow id='f2' sourceRef='t' targetRef='u'>\
         <bpmn:conditionExpression xsi:type='bpmn:tFormalExpression' language='juel' camunda:resource='deployment://late.juel'/>\
         </bpmn:sequenceFlow>",
    );
    let names: Vec<_> = script_files(model.as_bytes()).into_iter().collect();
    assert_eq!(names, ["late.juel", "rules/price.feel"]);
    check(&model, expect![[r#""#]]);
    let parsed = parse_with("t.bpmn", model.as_bytes(), &files).expect("it is fine");
    let definition = &parsed.processes[0];
    let ElementKind::ExpressionTask(task) = &element(definition, "t").kind else { panic!("it is a script task") };
    assert_eq!((task.expression.source(), task.result_variable.as_deref()), ("= amount * 2", Some("price")));
    assert_eq!(definition.flows.iter().filter(|flow| flow.condition.is_some()).count(), 1);
    assert_eq!(element(definition, "u").inputs.len(), 1);
}

#[test]
fn script_that_is_not_there_is_refused_and_nothing_that_follows_from_it() {
    let task = |resource: &str| around(&format!("<bpmn:scriptTask id='a' scriptFormat='feel' camunda:resource='{resource}'/>"));
    check(
        &task("deployment://lost.feel"),
        expect![[r#"
        t.bpmn:2:1: error: the script resource 'lost.feel' is not in the deployment (element 'a'); help: add the file to the upload, or correct its name
    "#]],
    );
    check(
        &task("classpath://price.feel"),
        expect![[r#"
        t.bpmn:2:1: error: the script resource 'classpath://price.feel' is not one of the deployment (element 'a'); help: deploy the file with the model and write deployment:// before its name
    "#]],
    );
    check(
        &task("price.feel"),
        expect![[r#"
        t.bpmn:2:1: error: the script resource 'price.feel' is not one of the deployment (element 'a'); help: deploy the file with the model and write deployment:// before its name
    "#]],
    );
    check(
        &task("deployment://binary"),
        expect![[r#"
        t.bpmn:2:1: error: the script resource 'binary' is not valid UTF-8 (element 'a'); help: save the file as UTF-8
    "#]],
    );
    let listener = "<camunda:executionListener event='start'><camunda:script scriptFormat='juel' resource='deployment://lost.juel'/>\
                    </camunda:executionListener>";
    check(
        &around(&format!("<bpmn:task id='a'><bpmn:extensionElements>{listener}</bpmn:extensionElements></bpmn:task>")),
        expect![[r#"
        t.bpmn:2:84: error: the script resource 'lost.juel' is not in the deployment (element 'a'); help: add the file to the upload, or correct its name
    "#]],
    );
}

#[test]
fn script_beside_its_resource_has_no_effect() {
    check(
        &around(
            "<bpmn:scriptTask id='a' scriptFormat='feel' camunda:resource='deployment://rules/price.feel'><bpmn:script>1</bpmn:script>\
             </bpmn:scriptTask>",
        ),
        expect![[r#"
            t.bpmn:2:1: warning: the script has no effect beside its resource 'deployment://rules/price.feel' (element 'a'); help: keep one of them
        "#]],
    );
    check(
        &around("<bpmn:task id='a' camunda:resource='deployment://rules/price.feel'/>"),
        expect![[r#"
        t.bpmn:2:1: error: camunda:resource on task is not supported yet (element 'a'); help: only scripts and conditions may stand in files of their own
    "#]],
    );
}

#[test]
fn model_without_scripts_in_files_names_none() {
    assert!(script_files(b"deployment:// is no model").is_empty());
    assert!(script_files(around("<bpmn:task id='a' name='deployment://x'/>").as_bytes()).is_empty());
}

#[test]
fn scripts_are_no_longer_than_expressions_and_together_no_longer_than_a_file() {
    let task = |n: u32, name: &str| {
        format!(
            "<bpmn:task id='a{n}'><bpmn:extensionElements><camunda:executionListener event='start'>\
        <camunda:script scriptFormat='feel' resource='deployment://{name}'/></camunda:executionListener></bpmn:extensionElements></bpmn:task>"
        )
    };
    let errors = |model: String| match parse_with("t.bpmn", model.as_bytes(), &files) {
        Ok(_) => panic!("it is refused"),
        Err(diagnostics) => diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>(),
    };
    let long = errors(around(&task(0, "long")));
    assert!(long.iter().any(|it| it.contains("'long' has 65537 bytes; at most 65536 are allowed")), "{long:?}");
    // Each is within its bound.
    let many = errors(around(&(0..300).map(|n| task(n, "wide")).collect::<Vec<_>>().concat()));
    assert!(many.iter().any(|it| it.contains("the model has more than 16777216 bytes")), "{many:?}");
}

#[test]
fn scripts_of_a_process_that_is_left_out_are_not_read() {
    let model = around("<bpmn:task id='a'/>").replace(
        "</bpmn:definitions>",
        "<bpmn:process id='other' isExecutable='false'><bpmn:scriptTask id='x' scriptFormat='groovy' camunda:resource='classpath://x'/>\
         </bpmn:process></bpmn:definitions>",
    );
    assert!(parse_with("t.bpmn", model.as_bytes(), &files).is_ok());
}
