//! Generated forms (Camunda 7, "Generated Task Forms"): what the form of a user task or start event shows, and which variables what is
//! entered becomes. Nothing here changes an instance: whoever submits a form completes its task, or starts the process, with these
//! variables.

use mandate_feel::Expression;
use mandate_model::time;
use mandate_model::{ElementIndex, Form, FormConstraint, FormField, FormFieldKind, ProcessDefinition};
use serde_json::Value;

use crate::elements::At;
use crate::ids::{ActivityId, InstanceId};
use crate::instance::{Instance, NewInstance};
use crate::moment::Moment;
use crate::variable::{Variable, VariableKind, Variables};

/// Why a form cannot be shown or submitted: what is wrong with which field, never with what value of another variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FormError(pub String);

/// A field with what it shows.
#[derive(Clone, Debug)]
pub struct ShownField<'d> {
    /// What the model says of it.
    pub field: &'d FormField,
    /// It asks for the business key of an instance that is to start, and becomes no variable.
    pub is_business_key: bool,
    /// What it is called.
    pub label: Option<String>,
    /// What it begins with where its variable is not there.
    pub default: Option<Variable>,
    /// What it shows: the variable, else the default; a date as its pattern has it.
    pub value: Variable,
}

/// Whose form it is: a task's activity in its instance, or a start event, which sees no variables.
pub struct FormOf<'a> {
    definition: &'a ProcessDefinition,
    instance: std::borrow::Cow<'a, Instance>,
    activity: ActivityId,
    element: ElementIndex,
    moment: Moment<'a>,
}

impl<'a> FormOf<'a> {
    /// The form of a user task that is there.
    pub fn task(definition: &'a ProcessDefinition, instance: &'a Instance, activity: ActivityId, moment: impl Into<Moment<'a>>) -> Self {
        let element = instance.at(activity).element;
        Self { definition, instance: std::borrow::Cow::Borrowed(instance), activity, element, moment: moment.into() }
    }

    /// The form of the none start event that a process begins with; none: it has no such event.
    pub fn start(definition: &'a ProcessDefinition, moment: impl Into<Moment<'a>>) -> Option<Self> {
        let element = definition.start()?;
        let id = InstanceId(uuid::Uuid::nil());
        let instance = Instance::new(NewInstance { id, business_key: None, tenant: None, traceparent: None, caller: None });
        let activity = instance.root();
        Some(Self { definition, instance: std::borrow::Cow::Owned(instance), activity, element, moment: moment.into() })
    }

    /// What the model says of it, if it says anything.
    pub fn form(&self) -> Option<&'a Form> {
        self.definition.element(self.element).form.as_deref()
    }

    /// Its key: as it was when the task was created.
    pub fn key(&self) -> Option<&str> {
        let waits = self.instance.index.waits.get(&self.activity).into_iter().flatten();
        let computed = waits.filter_map(|wait| self.instance.tasks.get(wait)).find_map(|task| task.form_key.as_deref());
        computed.or_else(|| self.form()?.key.as_ref()?.as_literal())
    }

    /// What it shows (Camunda's `FormFieldHandler.createFormField`).
    ///
    /// # Errors
    /// An expression fails, or a value does not fit its field.
    pub fn shown(&self) -> Result<Vec<ShownField<'a>>, FormError> {
        self.fields().map(|field| self.show(field)).collect()
    }

    /// The variables that an input becomes (Camunda's `FormFieldHandler.handleSubmit`): each field's as its type, defaults of fields that
    /// are not among them, and everything that is no field as it is.
    ///
    /// # Errors
    /// A constraint does not hold, or a value does not fit its field.
    pub fn submitted(&self, mut input: Variables) -> Result<Variables, FormError> {
        let mut variables = Variables::new();
        for field in self.fields().filter(|field| !self.is_business_key(field)) {
            let entered = input.remove(&field.id);
            self.validate(field, entered.as_ref())?;
            let value = match (entered, &field.default) {
                // As in Camunda 7 what is entered for one unit of work becomes a variable of it.
                (Some(entered), _) => Some(Variable { transient: entered.transient, ..model_value(field, &entered)? }),
                (None, Some(default)) => Some(model_value(field, &self.evaluate(field, default)?)?),
                (None, None) => None,
            };
            variables.extend(value.map(|value| (field.id.clone(), value)));
        }
        variables.extend(input);
        Ok(variables)
    }

    fn fields(&self) -> impl Iterator<Item = &'a FormField> + use<'a> {
        self.form().map_or(&[][..], |form| &form.fields).iter()
    }

    fn is_business_key(&self, field: &FormField) -> bool {
        self.form().and_then(|form| form.business_key.as_ref()).is_some_and(|id| *id == field.id)
    }

    fn show(&self, field: &'a FormField) -> Result<ShownField<'a>, FormError> {
        let label = match &field.label {
            Some(label) => text(&self.evaluate(field, label)?),
            None => None,
        };
        let default = field.default.as_ref().map(|default| self.evaluate(field, default)).transpose()?;
        let default = default.map(|default| model_value(field, &default)).transpose()?;
        let value = match self.at().visible_variable(&field.id) {
            Some(value) => form_value(field, &value)?,
            None => form_value(field, &default.clone().map_or_else(|| model_value(field, &null(VariableKind::Null)), Ok)?)?,
        };
        Ok(ShownField { field, is_business_key: self.is_business_key(field), label, default, value })
    }

    fn at(&self) -> At<'_> {
        At::new(self.definition, &self.instance, self.activity, self.moment).attached(self.element)
    }

    fn evaluate(&self, field: &FormField, expression: &Expression) -> Result<Variable, FormError> {
        self.at().variable_of(expression).map_err(|failure| FormError(format!("form field '{}': {}", field.id, failure.message)))
    }

    fn validate(&self, field: &FormField, entered: Option<&Variable>) -> Result<(), FormError> {
        let entered = entered.map(Variable::to_json).filter(|value| !value.is_null());
        for constraint in &field.constraints {
            let holds = match (constraint, &entered) {
                (FormConstraint::Required, None) => {
                    let there = self.at().visible_variable(&field.id).map(|variable| !variable.to_json().is_null());
                    there.unwrap_or(field.default.is_some())
                }
                (FormConstraint::Required, Some(value)) => value.as_str() != Some(""),
                (FormConstraint::Readonly, value) => value.is_none(),
                (_, None) => true,
                (FormConstraint::Min(least), Some(value)) => number(value).is_some_and(|number| number >= *least),
                (FormConstraint::Max(most), Some(value)) => number(value).is_some_and(|number| number <= *most),
                (FormConstraint::MinLength(least), Some(value)) => value.as_str().is_some_and(|text| text.chars().count() >= *least),
                (FormConstraint::MaxLength(most), Some(value)) => value.as_str().is_some_and(|text| text.chars().count() <= *most),
            };
            if !holds {
                return Err(FormError(format!(
                    "Invalid value submitted for form field '{}': validation of {constraint} failed.",
                    field.id
                )));
            }
        }
        Ok(())
    }
}

/// Camunda's `convertToModelValue`: a value as the variable that it becomes.
fn model_value(field: &FormField, value: &Variable) -> Result<Variable, FormError> {
    let json = value.to_json();
    let unfit = || FormError(format!("form field '{}': its value is not of type {}", field.id, field.kind.as_str()));
    match &field.kind {
        FormFieldKind::String => Ok(text(value).map_or_else(|| null(VariableKind::String), |text| of(VariableKind::String, &text.into()))),
        FormFieldKind::Enum(values) => match &json {
            Value::Null => Ok(null(VariableKind::String)),
            Value::String(chosen) if values.iter().any(|(value, _)| value == chosen) => Ok(of(VariableKind::String, &json)),
            _ => Err(FormError(format!("form field '{}': its value is none of those that it lists", field.id))),
        },
        FormFieldKind::Long => match &json {
            Value::Null => Ok(null(VariableKind::Long)),
            Value::Number(number) => number.as_i64().map(|number| of(VariableKind::Long, &number.into())).ok_or_else(unfit),
            Value::String(text) => text.parse::<i64>().map(|number| of(VariableKind::Long, &number.into())).map_err(|_| unfit()),
            _ => Err(unfit()),
        },
        FormFieldKind::Boolean => match &json {
            Value::Null => Ok(null(VariableKind::Boolean)),
            Value::Bool(_) => Ok(of(VariableKind::Boolean, &json)),
            // As Java's `Boolean.valueOf` has it: whatever is not true is false.
            Value::String(text) => Ok(of(VariableKind::Boolean, &text.eq_ignore_ascii_case("true").into())),
            _ => Err(unfit()),
        },
        FormFieldKind::Date(pattern) => match &json {
            Value::Null => Ok(null(VariableKind::Date)),
            Value::String(_) if value.kind == VariableKind::Date => Ok(value.clone()),
            Value::String(text) if text.trim().is_empty() => Ok(null(VariableKind::Date)),
            Value::String(text) => {
                let moment = pattern.read(text).map_err(|reason| FormError(format!("form field '{}': {reason}", field.id)))?;
                Ok(of(VariableKind::Date, &time::rfc_3339(moment).into()))
            }
            _ => Err(unfit()),
        },
    }
}

/// Camunda's `convertToFormValue`: a variable as its field shows it.
fn form_value(field: &FormField, value: &Variable) -> Result<Variable, FormError> {
    let FormFieldKind::Date(pattern) = &field.kind else { return model_value(field, value) };
    let shown = match value.to_json() {
        Value::Null => String::new(),
        Value::String(text) if value.kind == VariableKind::Date => {
            let moment = time::due_at(&text).map_err(|error| FormError(format!("form field '{}': {error}", field.id)))?;
            pattern.write(moment)
        }
        _ => return Err(FormError(format!("form field '{}': its variable is no date", field.id))),
    };
    Ok(of(VariableKind::String, &shown.into()))
}

/// A value as text; none of null.
fn text(value: &Variable) -> Option<String> {
    match value.to_json() {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// What is entered as text is compared as the number that it becomes.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn of(kind: VariableKind, json: &Value) -> Variable {
    Variable::new(kind, json.to_string())
}

fn null(kind: VariableKind) -> Variable {
    of(kind, &Value::Null)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{FormOf, ShownField};
    use crate::testing::{Run, parse};
    use crate::{Variable, Variables};

    const FIELDS: &str = "<extensionElements><camunda:formData businessKey='order'><camunda:formField id='order' type='string' label='Order'/>\
        <camunda:formField id='name' type='string' label='${hello}' defaultValue='Ann'/>\
        <camunda:formField id='amount' type='long' defaultValue='7'><camunda:validation><camunda:constraint name='min' config='1'/>\
        <camunda:constraint name='max' config='9'/></camunda:validation></camunda:formField>\
        <camunda:formField id='rush' type='boolean' defaultValue='true'/><camunda:formField id='due' type='date' defaultValue='24/12/2026'/>\
        <camunda:formField id='size' type='enum'><camunda:validation><camunda:constraint name='required'/></camunda:validation>\
        <camunda:value id='s' name='Small'/><camunda:value id='l'/></camunda:formField></camunda:formData></extensionElements>";

    fn shown(fields: &[ShownField<'_>]) -> String {
        let line = |it: &ShownField<'_>| {
            let value = |it: &Variable| format!("{:?} {}", it.kind, it.json);
            format!("{} {:?}: {} (default {:?})\n", it.field.id, it.label, value(&it.value), it.default.as_ref().map(value))
        };
        fields.iter().map(line).collect()
    }

    fn variables(json: &str) -> Variables {
        let serde_json::Value::Object(map) = serde_json::from_str(json).expect("JSON") else { panic!("an object") };
        map.iter().map(|(name, value)| (name.clone(), Variable::from_json(value))).collect()
    }

    /// The form of the task `u` beside some variables, and what inputs become.
    fn check(set: &str, inputs: &[&str], expected: Expect) {
        let model = format!("<startEvent id='s'/><userTask id='u'>{FIELDS}</userTask>{{s>u}}");
        let definition = parse(&model);
        let mut run = Run::new(&definition);
        run.line("start");
        if !set.is_empty() {
            run.line(&format!("set {set}"));
        }
        let activity = run.instance.tasks().next().expect("the task").activity;
        let form = FormOf::task(&definition, &run.instance, activity, 0);
        let mut text = form.shown().map_or_else(|error| format!("{error}\n"), |fields| shown(&fields));
        for input in inputs {
            let submitted = form.submitted(variables(input));
            let became = submitted.map(|variables| {
                variables.iter().map(|(name, value)| format!("{name}: {:?} {}", value.kind, value.json)).collect::<Vec<_>>().join(", ")
            });
            text.extend(["> ", &became.unwrap_or_else(|error| error.to_string()), "\n"]);
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn fields_show_their_variables_or_defaults() {
        check(
            r#"{"hello": "Name", "amount": "3", "rush": null}"#,
            &[],
            expect![[r#"
            order Some("Order"): String null (default None)
            name Some("Name"): String "Ann" (default Some("String \"Ann\""))
            amount None: Long 3 (default Some("Long 7"))
            rush None: Boolean null (default Some("Boolean true"))
            due None: String "24/12/2026" (default Some("Date \"2026-12-24T00:00:00.000Z\""))
            size None: String null (default None)
        "#]],
        );
    }

    #[test]
    fn what_cannot_be_shown_names_its_field() {
        check(
            r#"{"hello": 1, "name": null, "size": "xl"}"#,
            &[],
            expect![[r#"
            form field 'size': its value is none of those that it lists
        "#]],
        );
        check(
            "",
            &[],
            expect![[r#"
            form field 'name': the expression '${hello}' of 'u': Cannot resolve identifier 'hello'
        "#]],
        );
    }

    #[test]
    fn what_is_entered_becomes_variables_of_the_fields_types() {
        check(
            r#"{"hello": "Name"}"#,
            &[
                r#"{"size": "s"}"#,
                r#"{"size": "l", "name": 5, "amount": "9", "rush": "yes", "due": "01/02/2027", "other": [1]}"#,
                r#"{"size": "s", "amount": null, "due": "", "name": null, "order": "o-1"}"#,
                "{}",
                r#"{"size": "xl"}"#,
                r#"{"size": ""}"#,
                r#"{"size": "s", "amount": 10}"#,
                r#"{"size": "s", "amount": "many"}"#,
                r#"{"size": "s", "rush": 1}"#,
                r#"{"size": "s", "due": "2027-01-01"}"#,
            ],
            expect![[r#"
                order Some("Order"): String null (default None)
                name Some("Name"): String "Ann" (default Some("String \"Ann\""))
                amount None: Long 7 (default Some("Long 7"))
                rush None: Boolean true (default Some("Boolean true"))
                due None: String "24/12/2026" (default Some("Date \"2026-12-24T00:00:00.000Z\""))
                size None: String null (default None)
                > amount: Long 7, due: Date "2026-12-24T00:00:00.000Z", name: String "Ann", rush: Boolean true, size: String "s"
                > amount: Long 9, due: Date "2027-02-01T00:00:00.000Z", name: String "5", other: Json [1], rush: Boolean false, size: String "l"
                > amount: Long null, due: Date null, name: String null, order: String "o-1", rush: Boolean true, size: String "s"
                > Invalid value submitted for form field 'size': validation of required failed.
                > form field 'size': its value is none of those that it lists
                > Invalid value submitted for form field 'size': validation of required failed.
                > Invalid value submitted for form field 'amount': validation of max(9) failed.
                > Invalid value submitted for form field 'amount': validation of min(1) failed.
                > form field 'rush': its value is not of type boolean
                > form field 'due': '2027-01-01' is not written as dd/MM/yyyy: strptime parsing failed: expected to match literal byte `/` from format string, but found byte `2` in input
            "#]],
        );
        // A variable that is there need not be entered again.
        check(
            r#"{"hello": "Name", "size": "l"}"#,
            &["{}"],
            expect![[r#"
            order Some("Order"): String null (default None)
            name Some("Name"): String "Ann" (default Some("String \"Ann\""))
            amount None: Long 7 (default Some("Long 7"))
            rush None: Boolean true (default Some("Boolean true"))
            due None: String "24/12/2026" (default Some("Date \"2026-12-24T00:00:00.000Z\""))
            size None: String "l" (default None)
            > amount: Long 7, due: Date "2026-12-24T00:00:00.000Z", name: String "Ann", rush: Boolean true
        "#]],
        );
    }
}
