//! Multi-instance: how often an activity runs, and over what (BPMN 2.0, 10.3.8; Camunda 7's `parseMultiInstanceLoopCharacteristics`).

use mandate_feel::Expression;

use crate::definition::{Collection, MultiInstance};
use crate::diagnostic::shown;
use crate::parse::attributes;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::xml::{Namespace, Node};

/// What may run several times: every activity.
const ACTIVITIES: &[&str] = &["task", "manualTask", "serviceTask", "sendTask", "userTask", "receiveTask", "subProcess"];

/// What to write where something that says how often is missing.
const HOW_OFTEN: &str = "add a loopCardinality such as 3 or ${n}, or camunda:collection=\"items\" with camunda:elementVariable=\"item\"";

impl<'n> ProcessReader<'n, '_> {
    /// Reads the `multiInstanceLoopCharacteristics` of an activity.
    pub(crate) fn multi_instance(&mut self, node: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) {
        let at = node.at_in(owner.at);
        if !ACTIVITIES.contains(&of.name) {
            let message = format!("{} has no place in {}", node.title(), of.title());
            self.diagnostics.error(at, message, "only tasks and sub-processes run several times: put it into one of them");
            return;
        }
        attributes::check(node, at, self.diagnostics);
        let mut read = MultiInstance {
            sequential: self.boolean(node, Namespace::None, "isSequential", false, at),
            cardinality: None,
            collection: node.camunda("collection").and_then(|source| self.collection("camunda:collection", source, owner, node)),
            element_variable: node.camunda("elementVariable").map(str::to_owned),
            completion_condition: None,
            async_before: self.boolean(node, Namespace::Camunda, "asyncBefore", false, at)
                || self.boolean(node, Namespace::Camunda, "async", false, at),
            async_after: self.boolean(node, Namespace::Camunda, "asyncAfter", false, at),
            exclusive: self.boolean(node, Namespace::Camunda, "exclusive", true, at),
            retries: None,
        };
        for child in &node.children {
            self.part_of_multi_instance(child, node, owner, &mut read);
        }
        self.check_multi_instance(&read, node, owner);
        if self.element(owner.index).multi_instance.replace(read).is_some() {
            self.diagnostics.error(at, format!("{} says more than once how often it runs", of.title()), "keep one of them");
        }
    }

    fn part_of_multi_instance(&mut self, child: &'n Node<'n>, node: &'n Node<'n>, owner: Owner<'n>, read: &mut MultiInstance) {
        let at = child.at_in(owner.at);
        match (child.namespace, child.name) {
            (Namespace::Bpmn, "loopCardinality") => {
                read.cardinality = self.text(child, owner);
                if let Some(literal) = read.cardinality.as_ref().and_then(Expression::as_literal)
                    && literal.parse::<u32>().is_err()
                {
                    let message = format!("the loopCardinality '{}' is not a whole number from 0", shown(literal));
                    self.diagnostics.error(at, message, "write for example 3, or an expression that gives a number");
                }
            }
            (Namespace::Bpmn, "completionCondition") => {
                read.completion_condition = self.text(child, owner);
                if read.completion_condition.as_ref().and_then(Expression::as_literal).is_some() {
                    let help = "write an expression, such as ${nrOfCompletedInstances >= 2}";
                    self.diagnostics.error(at, "the completionCondition is a text, which is neither true nor false", help);
                }
            }
            // As in Camunda 7 the reference is a variable's name or an expression, and what stands here goes before camunda:collection.
            (Namespace::Bpmn, "loopDataInputRef") => read.collection = self.collection(child.name, &child.text, owner, child),
            (Namespace::Bpmn, "inputDataItem") => {
                attributes::check(child, at, self.diagnostics);
                read.element_variable = child.plain("name").map(str::to_owned);
            }
            (Namespace::Bpmn, "loopDataOutputRef" | "outputDataItem") => {
                let help = "let a camunda:outputParameter or the delegate put the results where they belong";
                self.diagnostics.error(at, format!("{} is not supported yet", child.title()), help);
            }
            (Namespace::Bpmn, "complexBehaviorDefinition") => {
                let help = "leave it out, and lead the flow on when all instances are done or a completionCondition is true";
                self.diagnostics.error(at, format!("{} is not supported yet", child.title()), help);
            }
            (Namespace::Bpmn, "extensionElements") => self.extensions_of_multi_instance(child, node, owner, read),
            (Namespace::Bpmn, "documentation") | (Namespace::Metadata, _) => {}
            _ => {
                let message = format!("{} has no place in {}", child.title(), node.title());
                self.diagnostics.error(at, message, "remove it, or check its spelling");
            }
        }
    }

    fn extensions_of_multi_instance(&mut self, extensions: &'n Node<'n>, node: &'n Node<'n>, owner: Owner<'n>, read: &mut MultiInstance) {
        for extension in &extensions.children {
            let at = extension.at_in(owner.at);
            if attributes::check_extension(extension, node, at, self.diagnostics) && extension.name == "failedJobRetryTimeCycle" {
                read.retries = self.retry_policy(extension, owner);
            }
        }
    }

    /// The rules of Camunda 7's parser, and that names are names.
    fn check_multi_instance(&mut self, read: &MultiInstance, node: &'n Node<'n>, owner: Owner<'n>) {
        let at = node.at_in(owner.at);
        let written = |name| node.first(name).is_some();
        let collection = read.collection.is_some() || node.camunda("collection").is_some() || written("loopDataInputRef");
        let refused = node.first("extensionElements").is_some_and(|it| it.children.iter().any(|it| it.name == "loopCharacteristics"));
        if !collection && !written("loopCardinality") && !refused {
            self.diagnostics.error(at, format!("{} does not say how often", node.title()), HOW_OFTEN);
        }
        let Some(name) = &read.element_variable else { return };
        if !collection {
            let help = "add camunda:collection=\"items\", or remove the element variable";
            self.diagnostics.error(at, "an element variable means nothing without a collection", help);
        }
        if name.trim().is_empty() || name.chars().count() > MAX_ID {
            let message = format!("the element variable '{}' is not a name of 1 to {MAX_ID} characters", shown(name));
            self.diagnostics.error(at, message, "name the variable that holds the element");
        }
    }

    /// An expression that gives a list, or the name of a variable that holds one.
    fn collection(&mut self, what: &str, source: &str, owner: Owner<'n>, node: &'n Node<'n>) -> Option<Collection> {
        let at = node.at_in(owner.at);
        let source = source.trim();
        if source.is_empty() {
            self.diagnostics.error(
                at,
                format!("{what} is empty"),
                "name the variable that holds the list, such as items, or write ${order.items}",
            );
            return None;
        }
        let expression = self.expression(what, source, at)?;
        Some(match expression.as_literal() {
            Some(name) => Collection::Variable(name.to_owned()),
            None => Collection::Expression(expression),
        })
    }

    /// An element whose text is an expression.
    fn text(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Expression> {
        let at = node.at_in(owner.at);
        attributes::check(node, at, self.diagnostics);
        if node.text.trim().is_empty() {
            self.diagnostics.error(at, format!("{} is empty", node.title()), "write an expression, or remove it");
            return None;
        }
        self.expression(node.name, &node.text, at)
    }
}
