//! `camunda:formData`, and the key of a form (Camunda's `DefaultFormHandler.parseConfiguration`).

use crate::definition::{Form, FormConstraint, FormField, FormFieldKind};
use crate::diagnostic::{At, shown};
use crate::parse::expressions::Place;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::time::DatePattern;
use crate::xml::{Namespace, Node};

/// The most fields of one form, and the most values of one field: a person is to read them.
const MAX_FIELDS: usize = 1_000;

impl<'n> ProcessReader<'n, '_> {
    /// Notes the key of a user task's form, which may be an expression.
    pub(crate) fn form_key(&mut self, key: Option<&str>, owner: Owner<'n>) {
        let Some(key) = key else { return };
        if let Some(key) = self.expression("camunda:formKey", key, owner.at) {
            self.form(owner).key = Some(key);
        }
    }

    /// The same of a start event, where there are no variables yet.
    pub(crate) fn start_form_key(&mut self, key: Option<&str>, owner: Owner<'n>) {
        if let Some(key) = key.filter(|key| key.contains("${") || key.contains("#{")) {
            let help = "write the key itself: there are no variables yet (Camunda 7 does not evaluate it either)";
            self.diagnostics.objection(owner.at, format!("camunda:formKey '{}' of a start event is an expression", shown(key)), help);
        }
        self.form_key(key, owner);
    }

    /// Reads the fields of an element's form.
    pub(crate) fn form_data(&mut self, data: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) {
        if of.name == "startEvent" {
            self.form(owner).business_key = data.plain("businessKey").map(str::to_owned);
        }
        for node in &data.children {
            let at = node.at_in(owner.at);
            if (node.namespace, node.name) != (Namespace::Camunda, "formField") {
                self.diagnostics.error(at, format!("{} has no place in camunda:formData", node.title()), "use camunda:formField");
                continue;
            }
            let read = |reader: &mut Self| reader.form_field(node, at);
            // Its fields are computed when they are shown, of the task that is there then.
            let object = (of.name == "userTask").then_some("task");
            let Some(field) = self.within(Place { object, ..Place::default() }, read) else { continue };
            let form = self.form(owner);
            if form.fields.iter().any(|other| other.id == field.id) {
                let message = format!("two fields of the form are called '{}'", shown(&field.id));
                self.diagnostics.error(at, message, "give each field an id of its own: it is the name of its variable");
            } else if form.fields.len() >= MAX_FIELDS {
                self.diagnostics.error(at, format!("the form has more than {MAX_FIELDS} fields"), "split it");
                return;
            } else {
                form.fields.push(field);
            }
        }
    }

    fn form(&mut self, owner: Owner<'n>) -> &mut Form {
        self.element(owner.index).form.get_or_insert_default()
    }

    fn form_field(&mut self, node: &'n Node<'n>, at: At<'n>) -> Option<FormField> {
        let id = node.plain("id").unwrap_or_default();
        if id.is_empty() || id.chars().count() > MAX_ID {
            self.diagnostics.error(
                at,
                format!("camunda:formField has no id of 1 to {MAX_ID} characters"),
                "name the variable that it asks for",
            );
            return None;
        }
        let what = |attribute: &str| format!("{attribute} of the form field '{}'", shown(id));
        let label = node.plain("label").map(|label| self.expression(&what("label"), label, at));
        let default = node.plain("defaultValue").map(|value| self.expression(&what("defaultValue"), value, at));
        let mut field = FormField {
            id: id.to_owned(),
            label: label.flatten(),
            kind: self.form_field_kind(node, id, at)?,
            default: default.flatten(),
            constraints: Vec::new(),
            properties: Vec::new(),
        };
        for child in &node.children {
            match (child.namespace, child.name) {
                (Namespace::Camunda, "validation") => self.constraints(child, &mut field, at),
                (Namespace::Camunda, "properties") => {
                    let pair = |it: &Node<'_>| Some((it.plain("id")?.to_owned(), it.plain("value").unwrap_or_default().to_owned()));
                    field.properties.extend(child.children.iter().filter_map(pair));
                }
                // What it may be is read with its type.
                (Namespace::Camunda, "value") if matches!(field.kind, FormFieldKind::Enum(_)) => {}
                _ => {
                    let message = format!("{} has no effect in the form field '{}'", child.title(), shown(id));
                    self.diagnostics.warning(
                        child.at_in(at),
                        message,
                        "use camunda:validation, camunda:properties or, of an enum, camunda:value",
                    );
                }
            }
        }
        Some(field)
    }

    fn form_field_kind(&mut self, node: &'n Node<'n>, id: &str, at: At<'n>) -> Option<FormFieldKind> {
        let kind = node.plain("type").map(str::trim);
        match kind {
            Some("string") => Some(FormFieldKind::String),
            Some("long") => Some(FormFieldKind::Long),
            Some("boolean") => Some(FormFieldKind::Boolean),
            Some("date") => {
                let pattern = DatePattern::parse(node.plain("datePattern").unwrap_or(DatePattern::CAMUNDAS));
                let refuse = |reason| {
                    let help = "write it of yyyy, yy, MM, M, dd, d, HH, H, mm, m, ss, s and SSS, as in dd/MM/yyyy";
                    self.diagnostics.error(at, format!("datePattern of the form field '{}': {reason}", shown(id)), help);
                };
                pattern.map_err(refuse).ok().map(FormFieldKind::Date)
            }
            Some("enum") => {
                let values = node.children.iter().filter(|it| (it.namespace, it.name) == (Namespace::Camunda, "value"));
                let pair = |it: &Node<'_>| {
                    let value = it.plain("id")?;
                    Some((value.to_owned(), it.plain("name").unwrap_or(value).to_owned()))
                };
                let values: Vec<_> = values.filter_map(pair).take(MAX_FIELDS + 1).collect();
                if values.len() > MAX_FIELDS {
                    let message = format!("the form field '{}' has more than {MAX_FIELDS} values", shown(id));
                    self.diagnostics.error(at, message, "let people choose from fewer, or write the value");
                    return None;
                }
                Some(FormFieldKind::Enum(values))
            }
            other => {
                let message = format!("the form field '{}' has the unknown type '{}'", shown(id), shown(other.unwrap_or_default()));
                self.diagnostics.error(at, message, "write string, long, boolean, date or enum");
                None
            }
        }
    }

    fn constraints(&mut self, validation: &'n Node<'n>, field: &mut FormField, at: At<'n>) {
        for node in &validation.children {
            let (name, config) = (node.plain("name").unwrap_or_default().trim(), node.plain("config").map(str::trim));
            let number = config.and_then(|config| config.parse::<f64>().ok()).filter(|number| number.is_finite());
            let length = config.and_then(|config| config.parse().ok());
            let read = match name {
                // The Modeler writes what they are set to only if it is false, which Camunda overlooks.
                "required" => Some(FormConstraint::Required),
                "readonly" => Some(FormConstraint::Readonly),
                "min" => number.map(FormConstraint::Min),
                "max" => number.map(FormConstraint::Max),
                "minlength" => length.map(FormConstraint::MinLength),
                "maxlength" => length.map(FormConstraint::MaxLength),
                _ => {
                    let message =
                        format!("the form field '{}' has the constraint '{}', which is not supported", shown(&field.id), shown(name));
                    let help = "use required, readonly, min, max, minlength or maxlength; check the rest in a service task behind it";
                    self.diagnostics.error(node.at_in(at), message, help);
                    continue;
                }
            };
            if let Some(constraint) = read {
                field.constraints.push(constraint);
            } else {
                let message = format!("the constraint {name} of the form field '{}' is set to no number", shown(&field.id));
                self.diagnostics.error(node.at_in(at), message, "write its config as a number");
            }
        }
    }
}
