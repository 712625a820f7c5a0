//! Camunda 7's extension elements: mappings, properties, retry cycles.

use mandate_feel::Expression;

use crate::definition::{Mapping, RetryPolicy};
use crate::diagnostic::shown;
use crate::parse::attributes;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::xml::{Namespace, Node};

impl<'n> ProcessReader<'n, '_> {
    /// Reads the `extensionElements` of the process or a flow node.
    pub(crate) fn extensions(&mut self, extensions: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) {
        for extension in &extensions.children {
            let at = extension.at_in(owner.at);
            if !attributes::check_extension(extension, of, at, self.diagnostics) {
                continue;
            }
            if extension.namespace == Namespace::Zeebe {
                self.zeebe_extension(extension, of, owner);
                continue;
            }
            match extension.name {
                "inputOutput" => self.input_output(extension, of, owner),
                "properties" => self.properties(extension, owner),
                "failedJobRetryTimeCycle" => self.retries(extension, owner),
                // What a call activity passes is read with whom it calls.
                "in" | "out" => {}
                "formData" => self.form_data(extension, of, owner),
                "executionListener" => {
                    let listener = self.execution_listener(extension, of, at);
                    self.element(owner.index).listeners.extend(listener);
                }
                "taskListener" => {
                    let listener = self.task_listener(extension, at);
                    self.element(owner.index).listeners.extend(listener);
                }
                other => unreachable!("the table of extension elements says that camunda:{other} is read"),
            }
        }
    }

    fn input_output(&mut self, mappings: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) {
        for parameter in &mappings.children {
            let at = parameter.at_in(owner.at);
            match (parameter.namespace, parameter.name) {
                (Namespace::Camunda, "inputParameter") => {
                    if let Some(mapping) = self.mapping(parameter, owner) {
                        self.element(owner.index).inputs.push(mapping);
                    }
                }
                (Namespace::Camunda, "outputParameter") if of.name == "endEvent" => {
                    let help = "map the variable on the activity before it";
                    self.diagnostics.error(at, "camunda:outputParameter on endEvent is not possible: nothing follows it", help);
                }
                (Namespace::Camunda, "outputParameter") => {
                    if let Some(mapping) = self.mapping(parameter, owner) {
                        self.element(owner.index).outputs.push(mapping);
                    }
                }
                _ => {
                    let message = format!("{} has no place in camunda:inputOutput", parameter.title());
                    self.diagnostics.error(at, message, "use camunda:inputParameter or camunda:outputParameter");
                }
            }
        }
    }

    /// Reads an input or output parameter. As in Camunda 7 one without a value sets null.
    fn mapping(&mut self, parameter: &'n Node<'n>, owner: Owner<'n>) -> Option<Mapping> {
        let at = parameter.at_in(owner.at);
        let target = parameter.plain("name").unwrap_or_default().trim();
        if target.is_empty() || target.chars().count() > MAX_ID {
            let message = format!("{} has no name of 1 to {MAX_ID} characters", parameter.title());
            self.diagnostics.error(at, message, "name the variable that it sets");
            return None;
        }
        if let [script] = &parameter.children[..]
            && (script.namespace, script.name) == (Namespace::Camunda, "script")
        {
            return Some(Mapping { target: target.to_owned(), source: self.camunda_script(script, at)? });
        }
        if let Some(value) = parameter.children.first() {
            let message = format!("{} as the value of '{}' is not supported yet", value.title(), shown(target));
            self.diagnostics.error(value.at_in(owner.at), message, "write an expression, such as = [1, 2] or = {a: 1}");
            return None;
        }
        let source = match parameter.text.trim() {
            "" => Expression::parse("= null").ok()?,
            text => self.expression(&format!("{} '{}'", parameter.title(), shown(target)), text, at)?,
        };
        Some(Mapping { target: target.to_owned(), source })
    }

    fn properties(&mut self, properties: &'n Node<'n>, owner: Owner<'n>) {
        for property in &properties.children {
            let at = property.at_in(owner.at);
            match (property.namespace, property.name, property.plain("name")) {
                (Namespace::Camunda, "property", Some(name)) if !name.trim().is_empty() => {
                    let value = property.plain("value").unwrap_or_default().to_owned();
                    self.element(owner.index).properties.push((name.trim().to_owned(), value));
                }
                (Namespace::Camunda, "property", _) => {
                    self.diagnostics.error(at, "camunda:property has no name", "name it");
                }
                _ => {
                    let message = format!("{} in camunda:properties has no effect", property.title());
                    self.diagnostics.warning(at, message, "use camunda:property");
                }
            }
        }
    }

    fn retries(&mut self, cycle: &'n Node<'n>, owner: Owner<'n>) {
        if let Some(policy) = self.retry_policy(cycle, owner) {
            self.element(owner.index).retries = Some(policy);
        }
    }

    /// Reads a `camunda:failedJobRetryTimeCycle`.
    pub(crate) fn retry_policy(&mut self, cycle: &'n Node<'n>, owner: Owner<'n>) -> Option<RetryPolicy> {
        let help = "write R3/PT10S (three attempts), PT10S,PT1M (the waits) or R3/PT5M,R2/PT30M (cycles)";
        let refuse = |reason| self.diagnostics.error(cycle.at_in(owner.at), format!("camunda:failedJobRetryTimeCycle: {reason}"), help);
        RetryPolicy::parse(&cycle.text).map_err(refuse).ok()
    }
}
