//! Multi-instance: how often an activity runs, and over what (BPMN 2.0, 10.3.8; Camunda 7's `parseMultiInstanceLoopCharacteristics`).

use mandate_feel::Expression;

use crate::definition::{MultiInstance, Output, Source};
use crate::diagnostic::{At, shown};
use crate::parse::attributes;
use crate::parse::expression_tasks::in_language;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::xml::{Namespace, Node};

/// Every activity: what may run several times, and begin with or end in several tokens.
pub(super) const ACTIVITIES: &[&str] = &[
    "task",
    "manualTask",
    "serviceTask",
    "sendTask",
    "scriptTask",
    "businessRuleTask",
    "userTask",
    "receiveTask",
    "subProcess",
    "adHocSubProcess",
    "transaction",
    "callActivity",
];

/// What to write where something that says how often is missing.
const HOW_OFTEN: &str = "add a loopCardinality such as 3 or ${n}, or camunda:collection=\"items\" with camunda:elementVariable=\"item\"";

impl<'n> ProcessReader<'n, '_> {
    /// Reads the `multiInstanceLoopCharacteristics` of an activity.
    pub(crate) fn multi_instance(&mut self, node: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) {
        if !self.may_repeat(node, of, owner) {
            return;
        }
        let at = node.at_in(owner.at);
        let mut read = MultiInstance {
            sequential: self.boolean(node, Namespace::None, "isSequential", false, at),
            cardinality: None,
            collection: node.camunda("collection").and_then(|source| self.collection("camunda:collection", source, owner, node)),
            element_variable: node.camunda("elementVariable").map(str::to_owned),
            output: None,
            zeebe: false,
            behavior: Vec::new(),
            standard_loop: None,
            completion_condition: None,
            async_before: self.boolean(node, Namespace::Camunda, "asyncBefore", false, at)
                || self.boolean(node, Namespace::Camunda, "async", false, at),
            async_after: self.boolean(node, Namespace::Camunda, "asyncAfter", false, at),
            exclusive: self.boolean(node, Namespace::Camunda, "exclusive", true, at),
            retries: None,
        };
        self.behavior(node, owner);
        for child in &node.children {
            self.part_of_multi_instance(child, (node, of), owner, &mut read);
        }
        if let (None, Some(output)) = (&read.output, self.output_of_standard(node, of, owner)) {
            read.output = Some(output);
        }
        self.check_multi_instance(&read, node, owner);
        if self.element(owner.index).multi_instance.replace(read).is_some() {
            self.diagnostics.error(at, format!("{} says more than once how often it runs", of.title()), "keep one of them");
        }
    }

    /// Whether what is said here of how often something runs is said of an activity.
    pub(crate) fn may_repeat(&mut self, node: &Node<'n>, of: &Node<'n>, owner: Owner<'n>) -> bool {
        let at = node.at_in(owner.at);
        if !ACTIVITIES.contains(&of.name) {
            let message = format!("{} has no place in {}", node.title(), of.title());
            self.diagnostics.error(at, message, "only tasks and sub-processes run several times: put it into one of them");
            return false;
        }
        attributes::check(node, at, self.diagnostics);
        true
    }

    fn part_of_multi_instance(
        &mut self,
        child: &'n Node<'n>,
        (node, of): (&'n Node<'n>, &'n Node<'n>),
        owner: Owner<'n>,
        read: &mut MultiInstance,
    ) {
        let at = child.at_in(owner.at);
        match (child.namespace, child.name) {
            (Namespace::Bpmn, "loopCardinality") => {
                read.cardinality = self.text(child, owner);
                if let Some(literal) = read.cardinality.as_ref().and_then(Expression::as_literal)
                    && literal.parse::<u32>().is_err()
                {
                    let message = format!("the loopCardinality '{}' is not a whole number from 0", shown(literal));
                    self.diagnostics.objection(at, message, "write for example 3, or an expression that gives a number");
                }
            }
            (Namespace::Bpmn, "completionCondition") => {
                read.completion_condition = self.text(child, owner);
                if read.completion_condition.as_ref().and_then(Expression::as_literal).is_some() {
                    let help = "write an expression, such as ${nrOfCompletedInstances >= 2}";
                    self.diagnostics.objection(at, "the completionCondition is a text, which is neither true nor false", help);
                }
            }
            // As in Camunda 7 the reference is a variable's name or an expression, and what stands here goes before camunda:collection.
            // The standard's own is the id of a data input.
            (Namespace::Bpmn, "loopDataInputRef") => {
                let of_data = self.loop_input(&child.text, of, owner);
                read.collection = of_data.or_else(|| self.collection(child.name, &child.text, owner, child));
            }
            (Namespace::Bpmn, "inputDataItem") => {
                attributes::check(child, at, self.diagnostics);
                read.element_variable = child.plain("name").or(child.id()).map(str::to_owned);
            }
            // Read together below.
            (Namespace::Bpmn, "loopDataOutputRef" | "outputDataItem") => attributes::check(child, at, self.diagnostics),
            (Namespace::Bpmn, "complexBehaviorDefinition") => self.complex_behavior(child, owner),
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
            if !attributes::check_extension(extension, node, at, self.diagnostics) {
                continue;
            }
            match extension.name {
                "failedJobRetryTimeCycle" => read.retries = self.retry_cycle(extension, owner),
                "loopCharacteristics" => self.loop_characteristics(extension, owner, read),
                _ => {}
            }
        }
    }

    /// Camunda 8's way to say over what: in FEEL.
    fn loop_characteristics(&mut self, node: &'n Node<'n>, owner: Owner<'n>, read: &mut MultiInstance) {
        let at = node.at_in(owner.at);
        read.zeebe = true;
        let known = ["inputCollection", "inputElement", "outputCollection", "outputElement"];
        for unknown in node.attributes.iter().filter(|attribute| !known.contains(&attribute.name)) {
            let message = format!("the attribute {} of {} is not known and has no effect", unknown.title(), node.title());
            self.diagnostics.warning(at, message, "check its spelling");
        }
        if let Some(source) = node.plain("inputCollection").filter(|source| !source.trim().is_empty()) {
            read.collection = self.feel("inputCollection", source, owner, node).map(Source::Expression);
        } else {
            let help = "add one, such as inputCollection=\"= order.items\"";
            self.diagnostics.error(at, "zeebe:loopCharacteristics has no inputCollection", help);
        }
        read.element_variable = node.plain("inputElement").map(str::to_owned);
        match (node.plain("outputCollection").map(str::trim), node.plain("outputElement")) {
            (None, None) => {}
            (Some(collection), Some(element)) if !collection.is_empty() => {
                let element = self.feel("outputElement", element, owner, node);
                read.output = element.map(|element| Output { collection: collection.to_owned(), element: own_variable(element) });
            }
            _ => {
                let help = "give both: outputCollection=\"results\" outputElement=\"= result\"";
                self.diagnostics.error(at, "outputCollection and outputElement mean nothing without each other", help);
            }
        }
    }

    /// `loopDataOutputRef` and `outputDataItem`, which Camunda 7 ignores: by ids of data outputs, or by the pattern of what it reads for
    /// the input.
    fn output_of_standard(&mut self, node: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) -> Option<Output> {
        let collection = node.first("loopDataOutputRef").map(|it| it.text.trim());
        let element = node.first("outputDataItem").and_then(|it| self.instance_output(it, of));
        match (collection?, element) {
            (collection, Some(element)) if !collection.is_empty() && !element.is_empty() => {
                let collection = self.loop_output(collection, of).unwrap_or_else(|| collection.to_owned());
                Some(Output { collection, element: Source::Variable(element.to_owned()) })
            }
            _ => {
                let help = "name a variable in loopDataOutputRef, and the instances' own in <outputDataItem name=\"result\"/>";
                self.diagnostics.error(node.at_in(owner.at), "loopDataOutputRef and outputDataItem mean nothing without each other", help);
                None
            }
        }
    }

    /// An expression of Camunda 8, with or without its equals sign.
    pub(super) fn feel(&mut self, what: &str, source: &str, owner: Owner<'n>, node: &'n Node<'n>) -> Option<Expression> {
        let source = source.trim();
        let source = if source.starts_with('=') { source.to_owned() } else { format!("= {source}") };
        self.expression(what, &source, node.at_in(owner.at))
    }

    /// The rules of Camunda 7's parser, and that names are names.
    fn check_multi_instance(&mut self, read: &MultiInstance, node: &'n Node<'n>, owner: Owner<'n>) {
        let at = node.at_in(owner.at);
        let written = |name| node.first(name).is_some();
        let collection = read.collection.is_some() || node.camunda("collection").is_some() || written("loopDataInputRef");
        let collection = collection || read.zeebe;
        if !collection && !written("loopCardinality") {
            self.diagnostics.error(at, format!("{} does not say how often", node.title()), HOW_OFTEN);
        }
        if read.element_variable.is_some() && !collection {
            let help = "add camunda:collection=\"items\", or remove the element variable";
            self.diagnostics.error(at, "an element variable means nothing without a collection", help);
        }
        for name in read.element_variable.iter().chain(read.output.iter().map(|output| &output.collection)) {
            if name.trim().is_empty() || name.chars().count() > MAX_ID {
                let message = format!("the variable '{}' of {} is not a name of 1 to {MAX_ID} characters", shown(name), node.title());
                self.diagnostics.error(at, message, "name the variable that holds the element or the list");
            }
        }
    }

    /// An expression that gives a list, or the name of a variable that holds one.
    fn collection(&mut self, what: &str, source: &str, owner: Owner<'n>, node: &'n Node<'n>) -> Option<Source> {
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
            Some(name) => Source::Variable(name.to_owned()),
            None => Source::Expression(expression),
        })
    }

    /// An element whose text is an expression, in the language that it or the file names.
    pub(super) fn text(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Expression> {
        let at = node.at_in(owner.at);
        attributes::check(node, at, self.diagnostics);
        if node.text.trim().is_empty() {
            self.diagnostics.error(at, format!("{} is empty", node.title()), "write an expression, or remove it");
            return None;
        }
        let source = self.in_its_language(node, at)?;
        self.expression(node.name, &source, at)
    }

    /// The text of an expression as it is compiled. Another language of the whole file is ignored, as in Camunda 7: tools write one,
    /// whatever they use.
    pub(super) fn in_its_language(&mut self, node: &'n Node<'n>, at: At<'n>) -> Option<String> {
        let source = node.text.trim();
        let Some(language) = node.plain("language") else {
            let of_file = self.definitions.language.filter(|_| !source.contains("${")).and_then(|language| in_language(language, source));
            return Some(of_file.unwrap_or_else(|| source.to_owned()));
        };
        let written = in_language(language, source);
        if written.is_none() {
            let message = format!("an expression in the language '{}' is not supported", shown(language.trim()));
            self.diagnostics.error(at, message, "write it as ${amount > 100} or = amount > 100, without a language");
        }
        written
    }
}

/// An expression that is nothing but a name is that variable, which is then each instance's own.
fn own_variable(expression: Expression) -> Source {
    let name = expression.source().trim().trim_start_matches('=').trim().to_owned();
    if expression.names().iter().any(|it| **it == *name) { Source::Variable(name) } else { Source::Expression(expression) }
}
