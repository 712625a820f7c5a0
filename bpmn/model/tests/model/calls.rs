//! Call activities: what is read of them, and what is refused.

use crate::common::{around, definition, diagnostics, element};
use expect_test::expect;
use mandate_model::{Binding, CallActivity, ElementKind, Pass, Source};

fn call(attributes: &str, extensions: &str) -> String {
    around(&format!(
        "<bpmn:callActivity id='a'{attributes}>\n<bpmn:extensionElements>{extensions}</bpmn:extensionElements></bpmn:callActivity>"
    ))
}

fn read(attributes: &str, extensions: &str) -> CallActivity {
    match &element(&definition(&call(attributes, extensions)), "a").kind {
        ElementKind::CallActivity(call) => (**call).clone(),
        other => panic!("{other:?}"),
    }
}

/// What passes, in short: `source > target`.
fn shown(passes: &[Pass]) -> Vec<String> {
    let show = |pass: &Pass| match pass {
        Pass::All { local } => format!("all{}", if *local { " local" } else { "" }),
        Pass::One { source, target, local } => {
            let source = match source {
                Source::Variable(name) => name.as_str(),
                Source::Expression(expression) => expression.source(),
            };
            format!("{source} > {target}{}", if *local { " local" } else { "" })
        }
        Pass::Data(name) => format!("data {name}"),
    };
    passes.iter().map(show).collect()
}

#[test]
fn whom_it_calls_is_a_key_or_an_expression_with_a_binding() {
    let call = read(" calledElement=' other '", "");
    assert_eq!(call.process.as_literal(), Some("other"));
    assert!(matches!(call.binding, Binding::Latest) && call.tenant.is_none() && call.business_key.is_none() && !call.propagates);
    let call = read(" calledElement='${which}' camunda:calledElementBinding='deployment' camunda:calledElementTenantId='acme'", "");
    assert_eq!((call.process.source(), call.tenant.unwrap().as_literal()), ("${which}", Some("acme")));
    assert!(matches!(call.binding, Binding::Deployment));
    let version = " calledElement='x' camunda:calledElementBinding='version' camunda:calledElementVersion='${n}'";
    assert!(matches!(read(version, "").binding, Binding::Version(it) if it.source() == "${n}"));
    let tag = " calledElement='x' camunda:calledElementBinding='versionTag' camunda:calledElementVersionTag='1.0'";
    assert!(matches!(read(tag, "").binding, Binding::VersionTag(it) if it.as_literal() == Some("1.0")));
}

#[test]
fn variables_and_business_key_pass_as_they_are_named() {
    let call = read(
        " calledElement='x'",
        "<camunda:in businessKey='${key}'/><camunda:in source='a' target='b'/><camunda:in sourceExpression='${a + 1}' target='c' local='true'/>\
         <camunda:in variables='all' local='true'/><camunda:out source='r' target='s' local='true'/><camunda:out variables='all'/>",
    );
    assert_eq!(call.business_key.unwrap().source(), "${key}");
    assert_eq!(shown(&call.inputs), ["a > b", "${a + 1} > c local", "all local"]);
    assert_eq!(shown(&call.outputs), ["r > s local", "all"]);
}

#[test]
fn camunda_8_propagates_all_variables_unless_it_says_otherwise() {
    let call = read("", "<zeebe:calledElement processId='= which'/>");
    assert_eq!((call.process.source(), shown(&call.inputs), call.propagates), ("= which", vec!["all".to_owned()], true));
    let narrow = "<zeebe:calledElement processId='x' propagateAllChildVariables='false' propagateAllParentVariables='false' bindingType='deployment'/>";
    let call = read("", narrow);
    assert_eq!((shown(&call.inputs), call.propagates), (vec!["all local".to_owned()], false));
    assert!(matches!(call.binding, Binding::Deployment));
    let mapping = "<zeebe:ioMapping><zeebe:input source='= a' target='b'/><zeebe:output source='= r' target='s'/></zeebe:ioMapping>";
    let definition = definition(&self::call("", &format!("{narrow}{mapping}")));
    let element = element(&definition, "a");
    assert_eq!((element.inputs[0].target.as_str(), element.outputs[0].source.source()), ("b", "= r"));
    assert!(matches!(&element.kind, ElementKind::CallActivity(call) if call.propagates), "the output must find what it maps");
}

#[test]
fn what_cannot_be_called_or_passed_is_refused() {
    let all = [
        call("", ""),
        call(" calledElement='a'", "<zeebe:calledElement processId='b'/>"),
        call(" calledElement='a' camunda:calledElementBinding='version'", ""),
        call(" calledElement='a' camunda:calledElementBinding='version' camunda:calledElementVersion='new'", ""),
        call(" calledElement='a' camunda:calledElementBinding='newest'", ""),
        call(" calledElement='a' camunda:variableMappingClass='M'", ""),
        call(" camunda:caseRef='c' calledElement='a'", ""),
        call(" calledElement='a'", "<camunda:in source='x'/><camunda:in target='y'/><camunda:out variables='some'/>"),
        call("", "<zeebe:calledElement processId='a' bindingType='newest'/>"),
        call(" calledElement='a'", "<zeebe:ioMapping><zeebe:input source='= a'/></zeebe:ioMapping>"),
    ];
    let found: Vec<_> = all.iter().map(|xml| diagnostics(xml.as_bytes())).collect();
    expect![[r#"
        t.bpmn:2:1: error: callActivity does not say what it calls (element 'a'); help: write calledElement="other-process", or an expression that gives its key
        t.bpmn:2:1: error: callActivity says twice what it calls: calledElement, zeebe:calledElement (element 'a'); help: keep one of them
        t.bpmn:2:1: error: this camunda:calledElementBinding needs a camunda:calledElementVersion (element 'a'); help: add it, or use the binding latest or deployment
        t.bpmn:2:1: error: camunda:calledElementVersion 'new' is not a whole number (element 'a'); help: write for example 3, or an expression that gives a whole number
        t.bpmn:2:1: error: camunda:calledElementBinding 'newest' is not known (element 'a'); help: use latest, deployment, version or versionTag
        t.bpmn:2:1: error: camunda:variableMappingClass on callActivity is not supported yet (element 'a'); help: use camunda:in and camunda:out
        t.bpmn:2:1: error: camunda:caseRef on callActivity is not supported yet (element 'a'); help: call a process: cases are not executed
        t.bpmn:3:25: error: camunda:in has no target of 1 to 255 characters (element 'a'); help: name the variable that it sets
        t.bpmn:3:49: error: camunda:in does not say what it passes (element 'a'); help: give one of source, sourceExpression and variables="all"
        t.bpmn:3:73: error: variables="some" of camunda:out is not known (element 'a'); help: write variables="all", or name one by source and target
        t.bpmn:3:25: error: bindingType 'newest' of zeebe:calledElement is not known (element 'a'); help: use latest, deployment or versionTag
        t.bpmn:3:42: error: the target '' of zeebe:input is not a variable's name of 1 to 255 characters (element 'a'); help: name a variable; build an object in the source, as in = {a: 1}
    "#]].assert_eq(&found.concat());
}
