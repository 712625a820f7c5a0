//! Link events: two ends of one line, where drawing it would cross the diagram (BPMN 2.0, 10.5.5).
//!
//! As in Camunda 7 the throwing end is no activity: the flows that lead to it lead to the catching end of the same name in the same scope,
//! under their own ids. So nothing behind the parser knows of links, and history shows the catching end only. Several throwing ends may
//! have one catching end; it may have incoming flows of its own.

use std::collections::HashMap;

use crate::definition::{CatchTrigger, ElementIndex};
use crate::diagnostic::{At, shown};
use crate::parse::attributes;
use crate::parse::events::Trigger;
use crate::parse::process::{MAX_ID, Owner, ProcessReader, Slot, is_event_definition};
use crate::parse::table::{self, Disposition};
use crate::xml::{Namespace, Node};

/// The link events of a process, as they were read.
#[derive(Default)]
pub(crate) struct Links<'n> {
    throws: Vec<(&'n str, End<'n>)>,
    catches: Vec<(ElementIndex, End<'n>)>,
}

/// A link's name in its scope, and where it was read.
#[derive(Clone, Copy)]
struct End<'n> {
    scope: ElementIndex,
    name: &'n str,
    at: At<'n>,
}

/// Whether a node is the throwing end of a link.
pub(crate) fn is_throw(node: &Node<'_>) -> bool {
    node.name == "intermediateThrowEvent" && node.first("linkEventDefinition").is_some()
}

impl<'n> ProcessReader<'n, '_> {
    /// Reads the throwing end of a link, which stands in `scope`. What makes an activity of an event has no effect on it.
    pub(crate) fn link_throw(&mut self, node: &'n Node<'n>, scope: Owner<'n>) {
        if !self.spend(node.at()) {
            return;
        }
        let Some(id) = node.id() else {
            let message = format!("{} has no id", node.title());
            self.diagnostics.error(node.at_in(scope.at), message, "give it an id that is unique in the file");
            return;
        };
        attributes::check(node, node.at(), self.diagnostics);
        for name in ["asyncBefore", "asyncAfter", "async"].into_iter().filter(|name| node.camunda(name).is_some()) {
            self.without_effect(name, node);
        }
        let at = Owner { at: node.at(), ..scope };
        self.link_parts(node, at);
        match self.trigger(node, at, &["linkEventDefinition"], "use a link event alone").and_then(Trigger::one) {
            Some(definition) => {
                if let Some(end) = self.link_end(definition, scope.index, node.at()) {
                    self.links.throws.push((id, end));
                }
            }
            None => self.draft.incomplete = true,
        }
        // Flows find their way once all catching ends are known.
        self.slots.insert(id, Slot::Refused);
    }

    /// What stands in the throwing end beside its definition.
    fn link_parts(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        for child in &node.children {
            match (child.namespace, child.name) {
                (Namespace::Bpmn, "extensionElements") => {
                    for extension in &child.children {
                        let is_read = attributes::check_extension(extension, node, extension.at_in(owner.at), self.diagnostics);
                        if is_read && extension.name != "properties" {
                            self.without_effect(extension.name, node);
                        }
                    }
                }
                (Namespace::Bpmn, "incoming" | "outgoing") => self.mention(child, owner),
                (Namespace::Bpmn, name) if is_event_definition(name) => {}
                (Namespace::Bpmn, name) => {
                    if !matches!(table::disposition(name), Disposition::Metadata) {
                        let message = format!("{} has no place in {}", child.title(), node.title());
                        self.diagnostics.error(child.at_in(owner.at), message, "remove it");
                    }
                }
                _ => self.foreign(child, owner),
            }
        }
    }

    fn without_effect(&mut self, name: &str, node: &'n Node<'n>) {
        let message = format!("camunda:{name} has no effect on a link throw event: it is no activity (as in Camunda 7)");
        self.diagnostics.warning(node.at(), message, "put it on the link catch event");
    }

    /// Reads the catching end of a link.
    pub(crate) fn link_catch(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<CatchTrigger> {
        let scope = self.element(owner.index).parent?;
        let end = self.link_end(definition, scope, owner.at)?;
        self.links.catches.push((owner.index, end));
        Some(CatchTrigger::Link)
    }

    fn link_end(&mut self, definition: &'n Node<'n>, scope: ElementIndex, at: At<'n>) -> Option<End<'n>> {
        let name = definition.plain("name").unwrap_or_default().trim();
        if name.is_empty() || name.chars().count() > MAX_ID {
            let message = format!("the link event's definition has no name of 1 to {MAX_ID} characters");
            self.diagnostics.error(at, message, "name it: the ends of a link have one name");
            self.draft.incomplete = true;
            return None;
        }
        Some(End { scope, name, at })
    }

    /// Lets what leads to the throwing ends lead to the catching ones.
    pub(crate) fn link(&mut self) {
        let Links { throws, catches } = std::mem::take(&mut self.links);
        let mut targets: HashMap<(ElementIndex, &str), ElementIndex> = HashMap::new();
        for (element, End { scope, name, at }) in catches {
            if *targets.entry((scope, name)).or_insert(element) != element {
                let message = format!("two link catch events of this scope have the name '{}'", shown(name));
                self.diagnostics.error(at, message, "keep one: several link throw events may lead to it");
            }
        }
        for (id, End { scope, name, at }) in throws {
            if let Some(target) = targets.get(&(scope, name)) {
                self.slots.insert(id, Slot::Link(*target));
            } else {
                let message = format!("there is no link catch event '{}' in this scope", shown(name));
                self.diagnostics.error(at, message, "add one with this name, or correct the name");
                self.draft.incomplete = true;
            }
        }
    }
}
