//! Data associations: what of a process's data is executed (BPMN 2.0, 10.4.1 and 10.4.2). Camunda 7 ignores them.
//!
//! Whatever has data (`items.rs`) is a variable by its name, and an association maps a value into an activity or throwing event, or out of
//! an activity or catching event, as Camunda's input and output parameters do. In the order of 10.4.2: a `transformation` gives the
//! target's value; each `assignment` one of its own; without both the one source is copied to the target. As long as a source is not there
//! nothing is copied: the standard has the activity wait for it.
//!
//! An association that has no source or no target is a line in a drawing, as modellers draw them. So is, in a model for Camunda 7, one that
//! would only copy: what comes with an event or a completed task stays what Camunda 7 makes of it.

use std::collections::HashMap;

use mandate_feel::Expression;

use crate::definition::{Dialect, ElementIndex, Mapping, Pass, Source, ThrowInput};
use crate::diagnostic::shown;
use crate::parse::items::Item;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::xml::{Namespace, Node};

/// The data inputs that associations fill, and the data outputs that they read, of each activity or event that has some: what goes along
/// with a call or throw.
#[derive(Default)]
pub(crate) struct Passed(HashMap<ElementIndex, [Vec<String>; 2]>);

/// What an association does.
enum Copy<'n> {
    /// It is drawn.
    Nothing,
    /// From one item to another.
    From(Item<'n>, Item<'n>),
}

impl<'n> ProcessReader<'n, '_> {
    /// Reads the `dataInputAssociation` and `dataOutputAssociation` elements of an activity or event.
    pub(crate) fn data_associations(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        let looped = LoopData::of(node);
        for association in node.children.iter().filter(|child| child.namespace == Namespace::Bpmn) {
            let is_input = match association.name {
                "dataInputAssociation" => true,
                "dataOutputAssociation" => false,
                _ => continue,
            };
            if looped.is_about_all(association, is_input) {
                continue;
            }
            let mappings = self.data_association(association, owner);
            if mappings.is_empty() {
                continue;
            }
            self.note_passed(association, owner);
            let element = self.element(owner.index);
            if is_input { &mut element.inputs } else { &mut element.outputs }.extend(mappings);
        }
    }

    /// What one of them maps, in its order.
    fn data_association(&mut self, association: &'n Node<'n>, owner: Owner<'n>) -> Vec<Mapping> {
        let mut mappings = Vec::new();
        let transformation = association.first("transformation");
        if let Some(transformation) = transformation {
            mappings.extend(self.transformation(transformation, association, owner));
        }
        for assignment in association.all("assignment") {
            mappings.extend(self.assignment(assignment, owner));
        }
        if transformation.is_none()
            && association.first("assignment").is_none()
            && let Copy::From(source, target) = self.copied(association, owner)
        {
            mappings.push(Mapping {
                target: target.variable.to_owned(),
                source: Source::Variable(source.variable.to_owned()),
                declares: false,
            });
        }
        mappings
    }

    /// Remembers the data input that an association fills, or the data outputs that it reads.
    fn note_passed(&mut self, association: &'n Node<'n>, owner: Owner<'n>) {
        let filled = self.target_of(association).filter(|item| item.is_input);
        let read: Vec<_> = sources(association).filter_map(|id| self.items.get(id)).filter(|item| item.is_output).collect();
        let [inputs, outputs] = self.passed.0.entry(owner.index).or_default();
        inputs.extend(filled.map(|item| item.variable.to_owned()));
        outputs.extend(read.into_iter().map(|item| item.variable.to_owned()));
    }

    /// An expression over whatever the activity sees, whose value replaces the target's.
    fn transformation(&mut self, node: &'n Node<'n>, association: &'n Node<'n>, owner: Owner<'n>) -> Option<Mapping> {
        let Some(target) = self.target_of(association) else {
            let help = "name a data object, a property, or an input or output of the activity in targetRef";
            self.diagnostics.error(node.at_in(owner.at), "the transformation gives its value to nothing", help);
            return None;
        };
        self.items.used(target);
        Some(Mapping { target: target.variable.to_owned(), source: Source::Expression(self.text(node, owner)?), declares: false })
    }

    /// From an expression, or something by its id, to something by its id, or a variable by its name.
    fn assignment(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Mapping> {
        let at = node.at_in(owner.at);
        let (Some(from), Some(to)) = (node.first("from"), node.first("to")) else {
            self.diagnostics.error(at, "the assignment has no from or no to", "write <from>= order.total</from><to>total</to>");
            return None;
        };
        let (from_item, to_item) = (self.items.get(from.text.trim()), self.items.get(to.text.trim()));
        for item in from_item.into_iter().chain(to_item) {
            self.items.used(item);
        }
        let target = to_item.map_or(to.text.trim(), |item| item.variable);
        let name = target.chars().count() <= MAX_ID && target.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if to_item.is_none() && (target.is_empty() || !name) {
            let message = format!("'{}' is not the name of a variable", shown(target));
            self.diagnostics.error(to.at_in(owner.at), message, "name the variable that is set, without an expression");
            return None;
        }
        let source = match from_item {
            Some(item) => Source::Variable(item.variable.to_owned()),
            None => Source::Expression(self.text(from, owner)?),
        };
        Some(Mapping { target: target.to_owned(), source, declares: false })
    }

    /// What an association without an expression copies.
    fn copied(&mut self, association: &'n Node<'n>, owner: Owner<'n>) -> Copy<'n> {
        let at = association.at_in(owner.at);
        let ids: Vec<_> = sources(association).chain(target(association)).filter(|id| !self.items.is_placeholder(id)).collect();
        if ids.len() < 2 || target(association).is_none_or(|id| self.items.is_placeholder(id)) {
            return Copy::Nothing;
        }
        let help = "write an assignment or a transformation; ignore this if it is a drawing";
        let [source, target] = ids[..] else {
            let message = "the data association has several sources and does not say what becomes of them";
            self.diagnostics.warning(at, format!("{message}: it copies nothing"), help);
            return Copy::Nothing;
        };
        let why = if self.definitions.dialect == Dialect::Camunda7 {
            "as in Camunda 7".to_owned()
        } else {
            match (self.items.get(source), self.items.get(target)) {
                (Some(source), Some(target)) => {
                    self.items.used(source);
                    self.items.used(target);
                    return Copy::From(source, target);
                }
                (None, _) => format!("'{}' is no data of this process", shown(source)),
                (_, None) => format!("'{}' is no data of this process", shown(target)),
            }
        };
        self.diagnostics.warning(at, format!("the data association copies nothing: {why}"), help);
        Copy::Nothing
    }

    fn target_of(&self, association: &Node<'n>) -> Option<Item<'n>> {
        target(association).and_then(|id| self.items.get(id))
    }

    /// The variables that a called process gets from data inputs of its call activity, and those that it gives to data outputs.
    pub(crate) fn passed_to_called(&self, owner: Owner<'n>) -> [Vec<Pass>; 2] {
        let passed = self.passed.0.get(&owner.index).cloned().unwrap_or_default();
        passed.map(|names| names.into_iter().map(Pass::Data).collect())
    }

    /// The variables that a throwing event's data inputs let go along with a signal.
    pub(crate) fn thrown_along(&self, owner: Owner<'n>) -> Vec<ThrowInput> {
        let [inputs, _] = self.passed.0.get(&owner.index).cloned().unwrap_or_default();
        inputs.into_iter().map(ThrowInput::Data).collect()
    }

    /// What the collection of a multi-instance activity is: what fills the data input that `loopDataInputRef` names, or that itself. None:
    /// it names nothing.
    pub(crate) fn loop_input(&mut self, id: &str, of: &'n Node<'n>, owner: Owner<'n>) -> Option<Source> {
        if self.definitions.dialect == Dialect::Camunda7 {
            return None;
        }
        let item = self.items.get(id.trim())?;
        let filling = of.all("dataInputAssociation").find(|it| target(it) == Some(id.trim()));
        let mapping = filling.and_then(|it| self.data_association(it, owner).pop());
        Some(mapping.map_or_else(|| Source::Variable(item.variable.to_owned()), |mapping| mapping.source))
    }

    /// Where the results of a multi-instance activity go: to what the data output that `loopDataOutputRef` names is copied to, or that
    /// itself.
    pub(crate) fn loop_output(&mut self, id: &str, of: &'n Node<'n>) -> Option<String> {
        let item = self.items.get(id.trim())?;
        let mut reading = of.all("dataOutputAssociation").filter(|it| sources(it).any(|source| source == id.trim()));
        let target = reading.find_map(|it| self.target_of(it)).unwrap_or(item);
        self.items.used(target);
        Some(target.variable.to_owned())
    }

    /// An instance's result: the data output that is copied to the `outputDataItem`, or a variable of the item's name.
    pub(crate) fn instance_output(&self, item: &'n Node<'n>, of: &'n Node<'n>) -> Option<&'n str> {
        let own = item.id().and_then(|id| of.all("dataOutputAssociation").find(|it| target(it) == Some(id)));
        let source = own.and_then(|it| sources(it).next()).and_then(|id| self.items.get(id));
        source.map(|it| it.variable).or_else(|| item.plain("name").or(item.id()).map(str::trim))
    }

    /// Data objects and properties of sub-processes that associations use are these sub-processes' own, and are nothing at first (10.4.1).
    pub(crate) fn declare_data(&mut self) {
        for (scope, variables) in self.items.declared() {
            let Some(crate::parse::process::Slot::Element(index)) = self.slots.get(scope).copied() else { continue };
            let nothing = Expression::parse("= null").expect("it is an expression");
            let declare = |target| Mapping { target, source: Source::Expression(nothing.clone()), declares: true };
            let declared = variables.into_iter().map(declare);
            self.element(index).inputs.splice(0..0, declared);
        }
    }
}

/// The ids in the loop characteristics of a multi-instance activity.
struct LoopData<'n> {
    input: Option<&'n str>,
    outputs: Vec<&'n str>,
    item: Option<&'n str>,
}

impl<'n> LoopData<'n> {
    fn of(node: &'n Node<'n>) -> Self {
        let characteristics = node.first("multiInstanceLoopCharacteristics");
        let text = |name| characteristics.and_then(|it| it.first(name)).map(|it| it.text.trim());
        let item = characteristics.and_then(|it| it.first("outputDataItem")).and_then(Node::id);
        Self { input: text("loopDataInputRef"), outputs: text("loopDataOutputRef").into_iter().collect(), item }
    }

    /// Whether an association is about all instances together, or about an instance's result: these are read with the loop characteristics.
    fn is_about_all(&self, association: &'n Node<'n>, is_input: bool) -> bool {
        let target = target(association);
        if is_input {
            return target.is_some() && target == self.input;
        }
        target.is_some() && target == self.item || sources(association).any(|source| self.outputs.contains(&source))
    }
}

fn sources<'n>(association: &'n Node<'n>) -> impl Iterator<Item = &'n str> {
    association.all("sourceRef").map(|it| it.text.trim()).filter(|id| !id.is_empty())
}

fn target<'n>(association: &'n Node<'n>) -> Option<&'n str> {
    association.first("targetRef").map(|it| it.text.trim()).filter(|id| !id.is_empty())
}
