//! Camunda 7's extension elements: mappings, properties, retry cycles.

use mandate_feel::Expression;

use crate::definition::{Mapping, RetryCycle, RetryPolicy, Source};
use crate::diagnostic::{At, shown};
use crate::parse::attributes;
use crate::parse::implementation::is_computed;
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
                // What is taken for an error, and what a delegate is given, is read with who does the task.
                "errorEventDefinition" | "field" => {}
                "formData" => self.form_data(extension, of, owner),
                "executionListener" => {
                    let listener = self.execution_listener(extension, of, at);
                    self.element(owner.index).listeners.extend(listener);
                }
                "taskListener" => {
                    let listener = self.task_listener(extension, owner, at);
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
        let what = format!("{} '{}'", parameter.title(), shown(target));
        Some(Mapping {
            target: target.to_owned(),
            source: Source::Expression(self.parameter_value(parameter, &what, at)?),
            declares: false,
        })
    }

    /// The value of a parameter, or of an entry of a map: an expression or text, a script, a list or a map (Camunda
    /// `BpmnParseUtil.parseNestedParamValueProvider`).
    fn parameter_value(&mut self, holder: &'n Node<'n>, what: &str, at: At<'n>) -> Option<Expression> {
        match &holder.children[..] {
            [] => match holder.text.trim() {
                "" => Expression::parse("= null").ok(),
                text => self.expression(what, text, at),
            },
            [value] => self.nested_value(value, what, at),
            [_, second, ..] => {
                let message = format!("{what} has more than one value");
                self.diagnostics.error(second.at_in(at), message, "put them into a camunda:list, or keep one");
                None
            }
        }
    }

    fn nested_value(&mut self, value: &'n Node<'n>, what: &str, at: At<'n>) -> Option<Expression> {
        match (value.namespace, value.name) {
            (Namespace::Camunda, "script") => self.camunda_script(value, at),
            (Namespace::Camunda, "list") => {
                let items: Vec<_> = value.children.iter().map(|item| self.list_item(item, what, at)).collect();
                items.into_iter().collect::<Option<_>>().map(Expression::list)
            }
            (Namespace::Camunda, "map") => {
                let entries: Vec<_> = value.children.iter().map(|entry| self.map_entry(entry, what, at)).collect();
                entries.into_iter().collect::<Option<_>>().map(Expression::context)
            }
            _ => {
                let message = format!("{} as the value of {what} is not supported", value.title());
                self.diagnostics.error(value.at_in(at), message, "write an expression, a camunda:list, a camunda:map or a camunda:script");
                None
            }
        }
    }

    fn list_item(&mut self, item: &'n Node<'n>, what: &str, at: At<'n>) -> Option<Expression> {
        match (item.namespace, item.name) {
            (Namespace::Camunda, "value") => self.parameter_value(item, what, item.at_in(at)),
            _ => self.nested_value(item, what, at),
        }
    }

    fn map_entry(&mut self, entry: &'n Node<'n>, what: &str, at: At<'n>) -> Option<(String, Expression)> {
        let key = entry.plain("key").filter(|_| (entry.namespace, entry.name) == (Namespace::Camunda, "entry"));
        let Some(key) = key else {
            let message = format!("{} in the map of {what} is no entry with a key", entry.title());
            self.diagnostics.error(entry.at_in(at), message, "use camunda:entry with a key");
            return None;
        };
        Some((key.to_owned(), self.parameter_value(entry, what, entry.at_in(at))?))
    }

    fn properties(&mut self, properties: &'n Node<'n>, owner: Owner<'n>) {
        for property in &properties.children {
            let at = property.at_in(owner.at);
            match (property.namespace, property.name, property.plain("name")) {
                (Namespace::Camunda, "property", Some(name)) if !name.trim().is_empty() => {
                    let value = property.plain("value").unwrap_or_default().to_owned();
                    self.element(owner.index).properties.push((name.trim().to_owned(), value));
                }
                // Modellers write an empty one for a line that nobody has filled in.
                (Namespace::Camunda, "property", _) if property.plain("value").is_none_or(|value| value.trim().is_empty()) => {}
                (Namespace::Camunda, "property", _) => {
                    self.diagnostics.warning(at, "camunda:property has no name, and is given to nobody", "name it");
                }
                _ => {
                    let message = format!("{} in camunda:properties has no effect", property.title());
                    self.diagnostics.warning(at, message, "use camunda:property");
                }
            }
        }
    }

    fn retries(&mut self, cycle: &'n Node<'n>, owner: Owner<'n>) {
        if let Some(cycle) = self.retry_cycle(cycle, owner) {
            self.element(owner.index).retries = Some(cycle);
        }
    }

    /// Reads a `camunda:failedJobRetryTimeCycle`. As in Camunda 7 one that is empty says nothing.
    pub(crate) fn retry_cycle(&mut self, cycle: &'n Node<'n>, owner: Owner<'n>) -> Option<RetryCycle> {
        let (at, text) = (cycle.at_in(owner.at), cycle.text.trim());
        if text.is_empty() {
            return None;
        }
        if is_computed(text) {
            return self.expression("camunda:failedJobRetryTimeCycle", text, at).map(RetryCycle::Computed);
        }
        let help =
            "write R3/PT10S (three attempts), PT10S,PT1M (the waits), R3/PT5M,R2/PT30M (cycles), or an expression that gives one of them";
        let refuse = |reason| self.diagnostics.error(at, format!("camunda:failedJobRetryTimeCycle: {reason}"), help);
        RetryPolicy::parse(text).map(RetryCycle::Fixed).map_err(refuse).ok()
    }
}
