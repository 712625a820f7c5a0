//! Camunda 8's extension elements that say what Camunda 7's say: mappings, who does a user task, headers; and what tells waits for a
//! message apart.

use mandate_feel::Expression;

use crate::definition::{Mapping, RetryCycle, RetryPolicy, Source};
use crate::diagnostic::{At, shown};
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::retry::MAX_ATTEMPTS;
use crate::xml::{Namespace, Node};

/// The extension element of a flow node with this name.
pub(crate) fn extension<'n>(node: &'n Node<'n>, name: &str) -> Option<&'n Node<'n>> {
    let all = node.all("extensionElements").flat_map(|extensions| &extensions.children);
    all.into_iter().find(|it| it.namespace == Namespace::Zeebe && it.name == name)
}

impl<'n> ProcessReader<'n, '_> {
    /// Reads what Camunda 8 says of a flow node and no reader of a particular element looks at.
    pub(crate) fn zeebe_extension(&mut self, extension: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) {
        match extension.name {
            "ioMapping" => self.io_mapping(extension, of, owner),
            "taskHeaders" => self.zeebe_pairs(extension, ("header", "key"), owner),
            "properties" => self.zeebe_pairs(extension, ("property", "name"), owner),
            "executionListeners" | "taskListeners" => {
                let listeners = self.zeebe_listeners(extension, extension.at_in(owner.at));
                self.element(owner.index).listeners.extend(listeners);
            }
            _ => {}
        }
    }

    /// What a user task says by Camunda 7's attribute or, failing that, by the attribute of Camunda 8's extension element.
    pub(crate) fn of_user_task(&mut self, node: &'n Node<'n>, camunda: &str, zeebe: (&str, &str), at: At<'n>) -> Option<Expression> {
        let given = |source: &&str| !source.trim().is_empty();
        if let Some(source) = node.camunda(camunda).filter(given) {
            return self.expression(&format!("camunda:{camunda}"), source, at);
        }
        let extension = extension(node, zeebe.0)?;
        let source = extension.plain(zeebe.1).filter(given)?;
        self.expression(&format!("{} of zeebe:{}", zeebe.1, zeebe.0), source, extension.at_in(at))
    }

    /// What tells the waits for a message apart (Camunda 8, "Message subscriptions"), of its `zeebe:subscription`. None after an error.
    pub(super) fn correlation_key(&mut self, subscription: &'n Node<'n>) -> Option<Expression> {
        let source = subscription.plain("correlationKey").unwrap_or_default().trim();
        let at = subscription.at();
        let key = self.expression("correlationKey of zeebe:subscription", source, at)?;
        if key.as_literal().is_some() {
            let message = format!("correlationKey '{}' of zeebe:subscription is not an expression (as in Camunda 8)", shown(source));
            let help = "write one that gives each instance its own, for example = orderId; or remove zeebe:subscription";
            self.diagnostics.objection(at, message, help);
        }
        Some(key)
    }

    fn io_mapping(&mut self, mappings: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) {
        for parameter in &mappings.children {
            let at = parameter.at_in(owner.at);
            match (parameter.namespace, parameter.name) {
                (Namespace::Zeebe, "output") if of.name == "endEvent" => {
                    let help = "map the variable on the activity before it";
                    self.diagnostics.error(at, "zeebe:output on endEvent is not possible: nothing follows it", help);
                }
                (Namespace::Zeebe, "input" | "output") => {
                    let Some(mapping) = self.zeebe_mapping(parameter, at) else { continue };
                    let element = self.element(owner.index);
                    if parameter.name == "input" { element.inputs.push(mapping) } else { element.outputs.push(mapping) }
                }
                _ => {
                    let message = format!("{} has no place in zeebe:ioMapping", parameter.title());
                    self.diagnostics.error(at, message, "use zeebe:input or zeebe:output");
                }
            }
        }
    }

    /// As in Camunda 8 a source without `=` is a text. A target inside of a variable is not supported: it would have to be merged.
    fn zeebe_mapping(&mut self, parameter: &'n Node<'n>, at: At<'n>) -> Option<Mapping> {
        let target = parameter.plain("target").unwrap_or_default().trim();
        if target.is_empty() || target.chars().count() > MAX_ID || target.contains('.') {
            let message =
                format!("the target '{}' of {} is not a variable's name of 1 to {MAX_ID} characters", shown(target), parameter.title());
            self.diagnostics.error(at, message, "name a variable; build an object in the source, as in = {a: 1}");
            return None;
        }
        let source = self.expression(&format!("the source of '{}'", shown(target)), parameter.plain("source").unwrap_or("= null"), at)?;
        Some(Mapping { target: target.to_owned(), source: Source::Expression(source), declares: false })
    }

    /// How often the job of a task is tried in all, without a pause. It goes with the job that begins the task, or each of its instances.
    pub(crate) fn task_retries(&mut self, retries: &str, at: At<'n>, owner: Owner<'n>) {
        let Some(attempts) = retries.trim().parse().ok().filter(|attempts| (1..=MAX_ATTEMPTS).contains(attempts)) else {
            let message = format!("retries '{}' of zeebe:taskDefinition is not a number from 1 to {MAX_ATTEMPTS}", shown(retries));
            self.diagnostics.error(at, message, "write how often the task is tried in all, for example 3");
            return;
        };
        let element = self.element(owner.index);
        let (policy, has_job) = match &mut element.multi_instance {
            Some(each) => (&mut each.retries, each.async_before),
            None => (&mut element.retries, element.async_before),
        };
        let without = match (policy.is_some(), has_job) {
            (true, _) => Some("camunda:failedJobRetryTimeCycle says it already"),
            (false, false) => {
                Some("the task is tried as often as the job that leads to it; with camunda:asyncBefore it has a job of its own")
            }
            (false, true) => None,
        };
        match without {
            Some(why) => self.diagnostics.warning(at, "retries of zeebe:taskDefinition has no effect", why),
            None => *policy = Some(RetryCycle::Fixed(RetryPolicy { waits_ms: vec![0; attempts - 1] })),
        }
    }

    /// Pairs that a delegate is given, beside its `camunda:property` pairs.
    fn zeebe_pairs(&mut self, pairs: &'n Node<'n>, (element, key): (&str, &str), owner: Owner<'n>) {
        for pair in &pairs.children {
            let name = pair.plain(key).map(str::trim).filter(|name| !name.is_empty());
            match (pair.namespace, name) {
                (Namespace::Zeebe, Some(name)) if pair.name == element => {
                    let value = pair.plain("value").unwrap_or_default().to_owned();
                    self.element(owner.index).properties.push((name.to_owned(), value));
                }
                _ => {
                    let message = format!("{} has no {key}, or no place in {}", pair.title(), pairs.title());
                    self.diagnostics.error(pair.at_in(owner.at), message, format!("write zeebe:{element} with a {key} and a value"));
                }
            }
        }
    }
}
