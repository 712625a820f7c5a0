//! The root of a file, and what stands in it beside the processes: messages, errors, escalations, signals, collaborations.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use mandate_feel::PatternRoom;

use crate::definition::{Dialect, Position};
use crate::diagnostic::{At, Diagnostics, shown};
use crate::parse::attributes;
use crate::parse::correlation::Correlation;
use crate::parse::message_flows::MessageFlows;
use crate::parse::process::MAX_ID;
use crate::xml::{Namespace, Node};

/// Root elements that describe, or that matter only to elements which are refused where they are used.
const METADATA: &[&str] = &[
    "documentation",
    "extensionElements",
    "import",
    "extension",
    "relationship",
    "itemDefinition",
    "category",
    "dataStore",
    "endPoint",
    "partnerEntity",
    "partnerRole",
];

/// Bytes of the patterns of regular expressions in all expressions of a file. To look at them takes up to five microseconds a byte, a third
/// of a second in all; people write some hundred bytes.
pub const MAX_PATTERN_BYTES: usize = 64 * 1024;

/// A file's root element with its messages, errors, escalations and signals by id.
#[derive(Debug)]
pub(crate) struct Definitions<'n> {
    /// How the file's processes run where the standard and Camunda 7 differ.
    pub(crate) dialect: Dialect,
    /// The `targetNamespace`.
    pub(crate) category: Option<&'n str>,
    processes: Vec<&'n Node<'n>>,
    messages: HashMap<&'n str, &'n Node<'n>>,
    errors: HashMap<&'n str, &'n Node<'n>>,
    escalations: HashMap<&'n str, &'n Node<'n>>,
    signals: HashMap<&'n str, &'n Node<'n>>,
    reusable_events: HashMap<&'n str, &'n Node<'n>>,
    resources: HashMap<&'n str, &'n Node<'n>>,
    /// Operations of interfaces.
    operations: HashMap<&'n str, &'n Node<'n>>,
    /// `expressionLanguage`, of the standard's own expressions that name none.
    pub(crate) language: Option<&'n str>,
    pub(crate) message_flows: MessageFlows<'n>,
    pub(crate) correlation: Correlation<'n>,
    /// What the file's expressions share for their patterns.
    pub(crate) patterns: PatternRoom,
    /// Event definitions inside of events.
    own_events: HashMap<&'n str, &'n Node<'n>>,
}

impl<'n> Definitions<'n> {
    /// Reads the root. None after an error that leaves nothing to go on with.
    pub(crate) fn read(root: &'n Node<'n>, diagnostics: &mut Diagnostics) -> Option<Self> {
        if !check_root(root, diagnostics) {
            return None;
        }
        check_ids(root, diagnostics);
        let mut definitions = Definitions {
            category: root.plain("targetNamespace").filter(|name| !name.is_empty()),
            dialect: if root.uses(Namespace::Camunda) { Dialect::Camunda7 } else { Dialect::Standard },
            patterns: PatternRoom::new(MAX_PATTERN_BYTES + 1),
            processes: Vec::new(),
            messages: HashMap::new(),
            errors: HashMap::new(),
            escalations: HashMap::new(),
            signals: HashMap::new(),
            reusable_events: HashMap::new(),
            resources: HashMap::new(),
            operations: HashMap::new(),
            language: root.plain("expressionLanguage"),
            message_flows: MessageFlows::default(),
            correlation: Correlation::default(),
            own_events: HashMap::new(),
        };
        let mut some_process = false;
        let (mut collaborations, mut properties) = (Vec::new(), Vec::new());
        for child in root.children.iter().filter(|child| child.namespace != Namespace::Metadata) {
            let id = child.id().unwrap_or_default();
            match child.name {
                _ if child.namespace != Namespace::Bpmn => ignored(child, diagnostics),
                "process" => {
                    some_process = true;
                    definitions.process(child, diagnostics);
                }
                "message" => _ = definitions.messages.insert(id, checked(child, diagnostics)),
                "error" => _ = definitions.errors.insert(id, checked(child, diagnostics)),
                "escalation" => _ = definitions.escalations.insert(id, checked(child, diagnostics)),
                "signal" => _ = definitions.signals.insert(id, checked(child, diagnostics)),
                name if name.ends_with("EventDefinition") => _ = definitions.reusable_events.insert(id, child),
                "resource" => _ = definitions.resources.insert(id, child),
                "interface" => definitions.operations.extend(child.all("operation").filter_map(|it| Some((it.id()?, it)))),
                "collaboration" => collaborations.push(child),
                "correlationProperty" => properties.push(child),
                name if METADATA.contains(&name) => {}
                _ => ignored(child, diagnostics),
            }
        }
        if !some_process {
            diagnostics.error(root.at(), "the file has no process", "draw one; files with decisions or forms only go by other endings");
        } else if definitions.processes.is_empty() {
            let help = "set isExecutable=\"true\" on the process (\"Executable\" in the modeller's properties)";
            diagnostics.warning(root.at(), "no process in the file is executable, so that there is nothing to run", help);
        }
        definitions.correlation = Correlation::of(&collaborations, &properties);
        definitions.message_flows = MessageFlows::of(&collaborations, &definitions.processes);
        Some(definitions)
    }

    /// The executable processes, in the order of the file.
    pub(crate) fn executable(&self) -> impl Iterator<Item = &'n Node<'n>> + use<'_, 'n> {
        self.processes.iter().copied()
    }

    /// The message with an id; references are qualified names, so that a prefix may stand before it.
    pub(crate) fn message(&self, reference: &str) -> Option<&'n Node<'n>> {
        by_reference(&self.messages, reference)
    }

    /// The error with an id.
    pub(crate) fn error(&self, reference: &str) -> Option<&'n Node<'n>> {
        by_reference(&self.errors, reference)
    }

    /// The escalation with an id.
    pub(crate) fn escalation(&self, reference: &str) -> Option<&'n Node<'n>> {
        by_reference(&self.escalations, reference)
    }

    /// The signal with an id.
    pub(crate) fn signal(&self, reference: &str) -> Option<&'n Node<'n>> {
        by_reference(&self.signals, reference)
    }

    /// The name of the resource with an id.
    pub(crate) fn resource(&self, reference: &str) -> Option<&'n str> {
        by_reference(&self.resources, reference)?.plain("name").map(str::trim).filter(|name| !name.is_empty())
    }

    /// The id of the message that an operation takes.
    pub(crate) fn message_of_operation(&self, reference: &str) -> Option<&'n str> {
        by_reference(&self.operations, reference)?.first("inMessageRef").map(|it| it.text.trim())
    }

    /// The reusable event definition with an id.
    pub(crate) fn event_definition(&self, reference: &str) -> Option<&'n Node<'n>> {
        by_reference(&self.reusable_events, reference)
    }

    /// The same, or an event's own definition with this id.
    pub(crate) fn any_event_definition(&self, reference: &str) -> Option<&'n Node<'n>> {
        self.event_definition(reference).or_else(|| by_reference(&self.own_events, reference))
    }

    fn own_events(&mut self, process: &'n Node<'n>) {
        let mut open = vec![process];
        while let Some(node) = open.pop() {
            open.extend(&node.children);
            if let Some(id) = node.id().filter(|_| node.namespace == Namespace::Bpmn && node.name.ends_with("EventDefinition")) {
                self.own_events.insert(id, node);
            }
        }
    }

    fn process(&mut self, process: &'n Node<'n>, diagnostics: &mut Diagnostics) {
        self.own_events(process);
        match process.plain("isExecutable").map(str::trim) {
            Some("true" | "1") => self.processes.push(process),
            Some("false" | "0") => {
                let help = "set isExecutable=\"true\" if it should run; ignore this if it only documents the other side";
                diagnostics.warning(process.at(), "the process is not executable and is left out", help);
            }
            Some(other) => {
                let message = format!("isExecutable=\"{}\" is neither true nor false", shown(other));
                diagnostics.objection(process.at(), message, "write true or false");
                self.processes.push(process);
            }
            None => {
                let help = "set isExecutable=\"true\" or \"false\"";
                diagnostics.warning(process.at(), "the process does not say whether it is executable, and is taken to be", help);
                self.processes.push(process);
            }
        }
    }
}

/// What a table has under a reference: a qualified name, so that a prefix may stand before the id.
pub(super) fn by_reference<T: Copy>(table: &HashMap<&str, T>, reference: &str) -> Option<T> {
    let reference = reference.trim();
    let local = || reference.split_once(':').and_then(|(_, local)| table.get(local));
    table.get(reference).or_else(local).copied()
}

/// Whether it is BPMN 2.0's.
fn check_root(root: &Node<'_>, diagnostics: &mut Diagnostics) -> bool {
    if root.is("definitions") {
        return true;
    }
    let message = if root.name == "definitions" {
        format!("the root element '{}' is not in BPMN 2.0's namespace", shown(root.written))
    } else {
        format!("the root element is '{}', not BPMN 2.0's definitions", shown(root.written))
    };
    let help = "export the model as BPMN 2.0 XML: its namespace is http://www.omg.org/spec/BPMN/20100524/MODEL";
    diagnostics.error(root.at(), message, help);
    false
}

/// A message, error, escalation or signal, with what is said of its attributes and extensions.
fn checked<'n>(node: &'n Node<'n>, diagnostics: &mut Diagnostics) -> &'n Node<'n> {
    attributes::check(node, node.at(), diagnostics);
    for extension in node.all("extensionElements").flat_map(|extensions| &extensions.children) {
        attributes::check_extension(extension, node, extension.at_in(node.at()), diagnostics);
    }
    node
}

fn ignored(node: &Node<'_>, diagnostics: &mut Diagnostics) {
    let message = format!("{} beside the processes has no effect", node.title());
    diagnostics.warning(node.at(), message, "remove it, or ignore this if it is meant for another tool");
}

/// Ids must be unique in the file, and short enough to be stored and put into addresses.
fn check_ids(root: &Node<'_>, diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<&str, Position> = HashMap::new();
    // A list of its own instead of a recursion keeps document order with `rev`.
    let mut open: Vec<&Node<'_>> = vec![root];
    while let Some(node) = open.pop() {
        open.extend(node.children.iter().rev());
        if node.namespace != Namespace::Bpmn {
            continue;
        }
        let Some(id) = node.id() else { continue };
        check_id(id, node, diagnostics);
        match seen.entry(id) {
            Entry::Occupied(first) => {
                let Position { line, column } = *first.get();
                let message = format!("the id '{}' is used twice, first at {line}:{column}", shown(id));
                diagnostics.error(node.at(), message, "give one of them another id");
            }
            Entry::Vacant(vacant) => {
                vacant.insert(node.position);
            }
        }
    }
}

/// An id is an XML name without a colon (`xsd:ID`).
fn check_id(id: &str, node: &Node<'_>, diagnostics: &mut Diagnostics) {
    let at = At { position: node.position, id: Some(id) };
    if id.chars().count() > MAX_ID {
        let message = format!("the id of this {} is longer than {MAX_ID} characters", node.title());
        diagnostics.objection(at, message, "shorten it");
        return;
    }
    let mut characters = id.chars();
    let begins = characters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    if !begins || !characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        let message = format!("'{}' is not an id", shown(id));
        diagnostics.objection(at, message, "an id begins with a letter or _ and goes on with letters, digits, _ - and .");
    }
}
