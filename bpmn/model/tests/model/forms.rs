//! Forms of user tasks and start events: what is read of them, and what is refused.

use crate::common::{around, definition, diagnostics, element};
use expect_test::{Expect, expect};
use mandate_model::{FormConstraint, FormFieldKind};

/// The diagnostics of a user task with this form data, which begins on line 3.
fn check(attributes: &str, data: &str, expected: Expect) {
    let file = around(&format!(
        "<bpmn:userTask id='a' {attributes}><bpmn:extensionElements>\n<camunda:formData>{data}</camunda:formData></bpmn:extensionElements></bpmn:userTask>"
    ));
    expected.assert_eq(&diagnostics(file.as_bytes()));
}

#[test]
fn fields_have_labels_types_defaults_constraints_and_properties() {
    let file = around(
        "<bpmn:userTask id='a' camunda:formKey='embedded:app:look.html'><bpmn:extensionElements><camunda:formData businessKey='id'>\
         <camunda:formField id='id' label='Id' type='string' defaultValue='${x}'><camunda:properties><camunda:property id='hint' value='big'/>\
         </camunda:properties><camunda:validation><camunda:constraint name='required'/><camunda:constraint name='maxlength' config='25'/>\
         </camunda:validation></camunda:formField><camunda:formField id='n' type='long'><camunda:validation><camunda:constraint name='min' config='0'/>\
         <camunda:constraint name='readonly' config='true'/></camunda:validation></camunda:formField>\
         <camunda:formField id='d' type='date' datePattern='yyyy-MM-dd'/><camunda:formField id='b' type='boolean'/>\
         <camunda:formField id='e' type='enum'><camunda:value id='x' name='Ex'/><camunda:value id='y'/></camunda:formField>\
         </camunda:formData></bpmn:extensionElements></bpmn:userTask>",
    );
    let definition = definition(&file);
    let form = element(&definition, "a").form.as_deref().expect("a form");
    // Only who starts a process says a business key.
    assert_eq!((form.key.as_ref().and_then(|key| key.as_literal()), form.business_key.as_deref()), (Some("embedded:app:look.html"), None));
    let [id, n, d, b, e] = &form.fields[..] else { panic!("{form:?}") };
    assert_eq!(id.label.as_ref().map(mandate_feel::Expression::source), Some("Id"));
    assert_eq!(id.default.as_ref().map(mandate_feel::Expression::source), Some("${x}"));
    assert_eq!((&id.kind, &id.properties[..]), (&FormFieldKind::String, &[("hint".to_owned(), "big".to_owned())][..]));
    assert_eq!(id.constraints, [FormConstraint::Required, FormConstraint::MaxLength(25)]);
    assert_eq!((&n.kind, &n.constraints[..]), (&FormFieldKind::Long, &[FormConstraint::Min(0.0), FormConstraint::Readonly][..]));
    assert!(matches!(&d.kind, FormFieldKind::Date(pattern) if pattern.source() == "yyyy-MM-dd"));
    assert_eq!(b.kind, FormFieldKind::Boolean);
    let pair = |value: &str, name: &str| (value.to_owned(), name.to_owned());
    assert_eq!(e.kind, FormFieldKind::Enum(vec![pair("x", "Ex"), pair("y", "y")]));
}

#[test]
fn a_start_event_may_ask_for_the_business_key() {
    let file = around("<bpmn:task id='a'/>").replace(
        "<bpmn:startEvent id='s'/>",
        "<bpmn:startEvent id='s' camunda:formKey='start.html'><bpmn:extensionElements><camunda:formData businessKey='order'>\
         <camunda:formField id='order' type='string'/></camunda:formData></bpmn:extensionElements></bpmn:startEvent>",
    );
    let definition = definition(&file);
    let form = element(&definition, "s").form.as_deref().expect("a form");
    assert_eq!((form.key.as_ref().and_then(|key| key.as_literal()), form.business_key.as_deref()), (Some("start.html"), Some("order")));
}

#[test]
fn what_a_form_cannot_do_is_refused() {
    check(
        "camunda:formKey='${key}'",
        "\n<camunda:formField type='string'/>\n<camunda:formField id='a'/>\n<camunda:formField id='b' type='file'/>\n\
         <camunda:formField id='c' type='date' datePattern='EEE d'/>\n\
         <camunda:formField id='d' type='string' defaultValue='${'><camunda:value id='x'/><camunda:validation>\n<camunda:constraint name='validator' config='Mine'/>\
         \n<camunda:constraint name='min' config='few'/></camunda:validation></camunda:formField>\n<camunda:formField id='d' type='long'/>\n<camunda:field/>",
        expect![[r#"
            t.bpmn:4:1: error: camunda:formField has no id of 1 to 255 characters (element 'a'); help: name the variable that it asks for
            t.bpmn:5:1: error: the form field 'a' has the unknown type '' (element 'a'); help: write string, long, boolean, date or enum
            t.bpmn:6:1: error: the form field 'b' has the unknown type 'file' (element 'a'); help: write string, long, boolean, date or enum
            t.bpmn:7:1: error: datePattern of the form field 'c': 'EEE' is not supported (element 'a'); help: write it of yyyy, yy, MM, M, dd, d, HH, H, mm, m, ss, s and SSS, as in dd/MM/yyyy
            t.bpmn:8:1: error: defaultValue of the form field 'd' '${': expected a value, found the end, at character 3 (element 'a'); help: correct the expression
            t.bpmn:8:59: warning: camunda:value has no effect in the form field 'd' (element 'a'); help: use camunda:validation, camunda:properties or, of an enum, camunda:value
            t.bpmn:9:1: error: the form field 'd' has the constraint 'validator', which is not supported (element 'a'); help: use required, readonly, min, max, minlength or maxlength; check the rest in a service task behind it
            t.bpmn:10:1: error: the constraint min of the form field 'd' is set to no number (element 'a'); help: write its config as a number
            t.bpmn:11:1: error: two fields of the form are called 'd' (element 'a'); help: give each field an id of its own: it is the name of its variable
            t.bpmn:12:1: error: camunda:field has no place in camunda:formData (element 'a'); help: use camunda:formField
        "#]],
    );
}
