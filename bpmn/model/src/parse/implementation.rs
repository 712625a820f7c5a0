//! Who does a task: the ways in which a model names a delegate.

use crate::definition::Implementation;
use crate::diagnostic::shown;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::parse::zeebe;
use crate::xml::{Namespace, Node};

/// What a task is done by.
pub(crate) enum Doer {
    /// A delegate or worker.
    Someone(Implementation),
    /// A `camunda:expression`.
    Expression,
}

/// What was read or, if that cannot be used, why and what to do.
type Read<T> = Result<T, (String, &'static str)>;

/// The ways to name a delegate, for the help of errors.
const WAYS: &str = "name its delegate: camunda:class=\"reserve-line\", camunda:delegateExpression=\"${reserveLine}\", \
                    zeebe:taskDefinition type=\"reserve-line\", mandate:delegate=\"reserve-line@^1.2\", or camunda:type=\"external\" with \
                    a camunda:topic that workers fetch or the manifest maps to a delegate; or compute it by a camunda:expression";

impl<'n> ProcessReader<'n, '_> {
    /// Who does a service, send or business rule task, or sends the message of an event. None after an error.
    pub(crate) fn doer(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Doer> {
        let mut found: Vec<(&str, Read<Doer>)> = Vec::new();
        let named = |implementation: Result<_, String>| {
            implementation.map_err(|reason| (reason, "write a name such as reserve-line, or reserve-line@^1.2 in mandate:delegate"))
        };
        let mut add = |way, implementation: Result<_, _>| found.push((way, implementation.map(Doer::Someone)));
        if let Some(class) = node.camunda("class") {
            add("camunda:class", named(delegate(class)));
        }
        if let Some(expression) = node.camunda("delegateExpression") {
            add("camunda:delegateExpression", named(by_expression(expression)));
        }
        if let Some(reference) = node.attribute(Namespace::Mandate, "delegate") {
            add("mandate:delegate", named(by_reference(reference)));
        }
        if let Some(definition) = self.task_definition(node, owner) {
            add("zeebe:taskDefinition", named(by_task_type(definition)));
        }
        if let Some(kind) = node.camunda("type") {
            add("camunda:type", by_topic(kind, node.camunda("topic")));
        } else if node.camunda("topic").is_some() {
            let help = "add camunda:type=\"external\", or remove the topic";
            self.diagnostics.error(owner.at, "camunda:topic means nothing without camunda:type=\"external\"", help);
            return None;
        }
        if node.camunda("expression").is_some() {
            found.push(("camunda:expression", Ok(Doer::Expression)));
        }
        match found.len() {
            0 => {
                self.diagnostics.error(owner.at, format!("{} does not say who does it", node.title()), WAYS);
                None
            }
            1 => {
                let (way, doer) = found.remove(0);
                doer.map_err(|(reason, help)| self.diagnostics.error(owner.at, format!("{way}: {reason}"), help)).ok()
            }
            _ => {
                let ways: Vec<&str> = found.iter().map(|(way, _)| *way).collect();
                let message = format!("{} says more than once who does it: {}", node.title(), ways.join(", "));
                self.diagnostics.error(owner.at, message, "keep one of them");
                None
            }
        }
    }

    /// The `zeebe:taskDefinition` of a task.
    fn task_definition(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<&'n Node<'n>> {
        let definition = zeebe::extension(node, "taskDefinition")?;
        if let Some(retries) = definition.plain("retries") {
            self.task_retries(retries, definition.at_in(owner.at), owner);
        }
        Some(definition)
    }
}

/// A delegate's name as it is.
pub(crate) fn delegate(name: &str) -> Result<Implementation, String> {
    Ok(Implementation::Delegate { name: checked(name)?, requirement: None })
}

/// `${reserveLine}` or `reserveLine`: the name of a bean in Camunda 7, of a delegate here. Anything that would compute is refused.
pub(crate) fn by_expression(expression: &str) -> Result<Implementation, String> {
    let trimmed = expression.trim();
    let inner = trimmed.strip_prefix("${").or_else(|| trimmed.strip_prefix("#{")).and_then(|rest| rest.strip_suffix('}'));
    match inner {
        None => delegate(trimmed),
        Some(name) if name.contains(['.', '/', ':']) => Err(format!("'{}' is more than a name, and is not supported", shown(expression))),
        Some(name) => delegate(name).map_err(|_| format!("'{}' is more than a name, and is not supported", shown(expression))),
    }
}

/// `reserve-line` or `reserve-line@^1.2`.
fn by_reference(reference: &str) -> Result<Implementation, String> {
    let Some((name, requirement)) = reference.split_once('@') else { return delegate(reference) };
    let requirement = requirement.trim();
    semver::VersionReq::parse(requirement)
        .map_err(|error| format!("'{}' is not a version requirement such as ^1.2 or =1.2.3: {error}", shown(requirement)))?;
    Ok(Implementation::Delegate { name: checked(name)?, requirement: Some(requirement.to_owned()) })
}

fn by_task_type(definition: &Node<'_>) -> Result<Implementation, String> {
    definition.plain("type").ok_or_else(|| "it has no type".to_owned()).and_then(delegate)
}

fn by_topic(kind: &str, topic: Option<&str>) -> Read<Implementation> {
    if kind.trim() != "external" {
        let help = "let a worker do it: camunda:type=\"external\" with a camunda:topic; or a delegate that sends a command: camunda:class=\"send-mail\" in place of the type";
        return Err((format!("the type '{}' is not supported, only external is", shown(kind)), help));
    }
    let named = "name what its workers fetch, such as camunda:topic=\"reserve-line\"";
    let topic = topic.ok_or_else(|| ("an external task has no camunda:topic".to_owned(), named))?;
    // What it gives is known when the task waits.
    if is_computed(topic) {
        return Ok(Implementation::Topic(topic.trim().to_owned()));
    }
    Ok(Implementation::Topic(checked(topic).map_err(|reason| (reason, named))?))
}

/// Whether a topic, or a retry cycle, is an expression, as Camunda 7 has them and Camunda 8.
pub(crate) fn is_computed(text: &str) -> bool {
    text.contains("${") || text.contains("#{") || text.trim_start().starts_with('=')
}

/// A delegate's or topic's name: letters, digits and `. _ - $ / :`, as class names, bean names, task types and topics have them.
fn checked(name: &str) -> Result<String, String> {
    let name = name.trim();
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '$' | '/' | ':');
    if name.is_empty() {
        Err("the name is empty".to_owned())
    } else if name.contains(['{', '}', '(', ')', '=']) {
        Err(format!("'{}' is an expression, and is not supported", shown(name)))
    } else if name.chars().count() > MAX_ID || !name.chars().all(allowed) {
        Err(format!("'{}' is not a name of 1 to {MAX_ID} letters, digits and . _ - $ / :", shown(name)))
    } else {
        Ok(name.to_owned())
    }
}
