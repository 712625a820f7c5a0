//! What has data in a process: data objects and references to them, properties, the inputs and outputs of the process, its activities and
//! events (BPMN 2.0, 10.4.1: item-aware elements). Each is a variable: by its name or, without one, by its id. A data object that has no
//! name has that of its first reference, which is where modellers write it.
//!
//! Data stores outlive the process, and are none of its data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::parse::process::MAX_ID;
use crate::xml::{Namespace, Node};

/// What a modeller names a property that only stands for the end of a line.
const PLACEHOLDER: &str = "__targetRef_placeholder";

/// The scopes whose data is theirs alone.
const SCOPES: &[&str] = &["subProcess", "adHocSubProcess", "transaction"];

/// All that has data in a process, by id.
#[derive(Default)]
pub(crate) struct Items<'n> {
    by_id: HashMap<&'n str, Item<'n>>,
    placeholders: HashSet<&'n str>,
    /// Of data objects and properties of sub-processes those that are used, by sub-process.
    used: BTreeMap<&'n str, BTreeSet<&'n str>>,
}

/// Something that has data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'n> {
    /// The variable that it is.
    pub(crate) variable: &'n str,
    /// It is a data input.
    pub(crate) is_input: bool,
    /// It is a data output.
    pub(crate) is_output: bool,
    /// The sub-process whose own it is.
    scope: Option<&'n str>,
}

impl<'n> Items<'n> {
    /// Those of a process.
    pub(crate) fn of(process: &'n Node<'n>) -> Self {
        let mut items = Self::default();
        let mut references = Vec::new();
        let mut open = vec![(process, None)];
        while let Some((node, scope)) = open.pop() {
            let scope = if SCOPES.contains(&node.name) { node.id() } else { scope };
            for child in node.children.iter().rev().filter(|child| child.namespace == Namespace::Bpmn) {
                open.push((child, scope));
                // A property of an activity is the activity's own anyway.
                let own = scope.filter(|_| child.name == "dataObject" || SCOPES.contains(&node.name));
                items.add(child, own, &mut references);
            }
        }
        references.sort_by_key(|node| node.position);
        for node in &references {
            items.name(node);
        }
        for node in references {
            items.refer(node);
        }
        items
    }

    fn add(&mut self, node: &'n Node<'n>, scope: Option<&'n str>, references: &mut Vec<&'n Node<'n>>) {
        let Some(id) = node.id() else { return };
        let (is_input, is_output, scope) = match node.name {
            "dataObject" | "property" => (false, false, scope),
            "dataInput" => (true, false, None),
            "dataOutput" => (false, true, None),
            "inputDataItem" | "outputDataItem" => (false, false, None),
            "dataObjectReference" => {
                references.push(node);
                return;
            }
            _ => return,
        };
        if node.plain("name") == Some(PLACEHOLDER) {
            self.placeholders.insert(id);
        } else if let Some(variable) = name(node).or(Some(id)).filter(|name| name.chars().count() <= MAX_ID) {
            self.by_id.insert(id, Item { variable, is_input, is_output, scope });
        }
    }

    /// Gives a data object without a name its reference's.
    fn name(&mut self, reference: &'n Node<'n>) {
        let object = reference.plain("dataObjectRef").map(str::trim);
        if let (Some(name), Some((id, item))) = (name(reference), object.and_then(|object| self.by_id.get_key_value(object)))
            && (item.variable == *id)
        {
            let named = (*id, Item { variable: name, ..*item });
            self.by_id.insert(named.0, named.1);
        }
    }

    fn refer(&mut self, reference: &'n Node<'n>) {
        let Some(id) = reference.id() else { return };
        let object = reference.plain("dataObjectRef").and_then(|object| self.by_id.get(object.trim()).copied());
        let own = name(reference).unwrap_or(id);
        let item = object.unwrap_or(Item { variable: own, is_input: false, is_output: false, scope: None });
        self.by_id.insert(id, item);
    }

    /// What an id stands for, if it is data.
    pub(crate) fn get(&self, id: &str) -> Option<Item<'n>> {
        self.by_id.get(id).copied()
    }

    /// Whether an id only ends a line in a drawing.
    pub(crate) fn is_placeholder(&self, id: &str) -> bool {
        self.placeholders.contains(id)
    }

    /// Something is done with it.
    pub(crate) fn used(&mut self, item: Item<'n>) {
        if let Some(scope) = item.scope {
            self.used.entry(scope).or_default().insert(item.variable);
        }
    }

    /// The variables of sub-processes that are used, by the sub-processes' ids.
    pub(crate) fn declared(&self) -> Vec<(&'n str, Vec<String>)> {
        self.used.iter().map(|(scope, names)| (*scope, names.iter().map(|name| (*name).to_owned()).collect())).collect()
    }
}

fn name<'n>(node: &'n Node<'n>) -> Option<&'n str> {
    node.plain("name").map(str::trim).filter(|name| !name.is_empty() && name.chars().count() <= MAX_ID)
}
