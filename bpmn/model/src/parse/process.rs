//! One process: its scopes and flow nodes, and what all flow nodes have in common.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use mandate_feel::Expression;

use crate::definition::{
    CatchTrigger, Dialect, Element, ElementIndex, ElementKind, EventSubProcess, FlowIndex, Listener, Position, ProcessDefinition, ROOT,
    Scope, SequenceFlow, StartTrigger,
};
use crate::diagnostic::{At, Diagnostics, shown};
use crate::parse::behavior::Behavior;
use crate::parse::compensation::References;
use crate::parse::data::Passed;
use crate::parse::expressions::Place;
use crate::parse::items::Items;
use crate::parse::links::{self, Links};
use crate::parse::multi_instance::ACTIVITIES;
use crate::parse::multiple::Parts;
use crate::parse::resources::RESOURCES;
use crate::parse::table::{self, Disposition, Supported};
use crate::parse::{Definitions, attributes};
use crate::xml::{Namespace, Node};

/// More flow nodes and sequence flows than this in one file are refused. The largest hand-drawn processes have some hundred; generated
/// ones stay in the thousands.
pub const MAX_ELEMENTS: usize = 20_000;

/// Sub-processes may nest this deeply, the process counted. It bounds the recursion of every reader of definitions.
pub const MAX_SCOPES: usize = 64;

/// Ids and names of messages, errors, topics and delegates have at most as many characters: what a column of an index can hold everywhere.
pub const MAX_ID: usize = 255;

/// The longest time to live of history in days: clients of Camunda read it into 32 bits.
const MAX_HISTORY_TTL: u32 = i32::MAX.unsigned_abs();

/// A process as it was read, before it is known to be valid.
pub(crate) struct Draft<'n> {
    pub(crate) process: &'n Node<'n>,
    dialect: Dialect,
    category: Option<&'n str>,
    history_ttl: Option<u32>,
    /// The variable that whoever starts an instance becomes: the last that a start event names.
    pub(crate) initiator: Option<&'n str>,
    pub(crate) elements: Vec<Element>,
    /// The BPMN name of each element, in the order of `elements`.
    pub(crate) names: Vec<&'static str>,
    pub(crate) flows: Vec<SequenceFlow>,
    /// Where each flow stands, in the order of `flows`.
    pub(crate) flow_positions: Vec<Position>,
    /// The flows whose conditions can't be used, which was said already.
    pub(crate) broken_conditions: HashSet<FlowIndex>,
    /// The ids in `default` attributes, with whose they are.
    pub(crate) defaults: Vec<(ElementIndex, &'n str)>,
    /// Elements that do as well as another of the same event, of which everything was said.
    pub(crate) alternatives: HashSet<ElementIndex>,
    /// Something was left out because it is not supported, so that questions about the whole can't be answered.
    pub(crate) incomplete: bool,
}

/// What an id stands for.
#[derive(Clone, Copy)]
pub(crate) enum Slot {
    /// A flow node that was read.
    Element(ElementIndex),
    /// The throwing end of a link, with the catching one: what leads to it leads there.
    Link(ElementIndex),
    /// A flow node that was refused; what refers to it is not an error of its own.
    Refused,
    /// Something that no flow can touch, such as an annotation.
    NoFlowNode,
}

/// A flow node as the readers of its parts know it.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'n> {
    pub(crate) index: ElementIndex,
    pub(crate) at: At<'n>,
    /// How many scopes it stands in.
    pub(crate) depth: usize,
}

/// A sequence flow before its ends are known.
pub(crate) struct FlowDraft<'n> {
    pub(crate) node: &'n Node<'n>,
    /// None without one; an error if it can't be used.
    pub(crate) condition: Option<Result<Expression, Broken>>,
    pub(crate) listeners: Vec<Listener>,
}

/// A part that can't be used; why is in the diagnostics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken;

/// Reads one process.
pub(crate) struct ProcessReader<'n, 'd> {
    pub(crate) definitions: &'d Definitions<'n>,
    pub(crate) diagnostics: &'d mut Diagnostics,
    pub(crate) draft: Draft<'n>,
    pub(crate) slots: HashMap<&'n str, Slot>,
    pub(crate) flow_drafts: Vec<FlowDraft<'n>>,
    /// Boundary events with their `attachedToRef`.
    pub(crate) attachments: Vec<(ElementIndex, At<'n>, &'n str)>,
    /// `incoming` and `outgoing` elements: the flow's id, and where.
    pub(crate) mentions: Vec<(&'n str, &'n Node<'n>, At<'n>)>,
    pub(crate) links: Links<'n>,
    /// Which of an event's definitions is read; none: its only one.
    pub(crate) nth_definition: Option<usize>,
    /// What the instances of activities throw, until their boundary events are known.
    pub(crate) behaviors: Vec<Behavior<'n>>,
    /// What a message may start, with whether all of several messages are wanted.
    pub(crate) instantiating: Vec<(Owner<'n>, bool)>,
    /// Elements that are parts of others, with those.
    pub(crate) parts: Parts,
    pub(crate) references: References<'n>,
    pub(crate) items: Items<'n>,
    pub(crate) passed: Passed,
    pub(crate) place: Place,
    budget: &'d mut usize,
}

impl<'n> Draft<'n> {
    /// Reads a process. What is wrong is in `diagnostics`. `budget` is how many more elements the file may have.
    pub(crate) fn read(
        process: &'n Node<'n>,
        definitions: &Definitions<'n>,
        budget: &mut usize,
        diagnostics: &mut Diagnostics,
    ) -> Draft<'n> {
        let mut reader = ProcessReader {
            definitions,
            diagnostics,
            draft: Draft {
                process,
                dialect: definitions.dialect,
                category: definitions.category,
                history_ttl: None,
                initiator: None,
                elements: Vec::new(),
                names: Vec::new(),
                flows: Vec::new(),
                flow_positions: Vec::new(),
                broken_conditions: HashSet::new(),
                defaults: Vec::new(),
                alternatives: HashSet::new(),
                incomplete: false,
            },
            slots: HashMap::new(),
            flow_drafts: Vec::new(),
            attachments: Vec::new(),
            mentions: Vec::new(),
            links: Links::default(),
            nth_definition: None,
            behaviors: Vec::new(),
            instantiating: Vec::new(),
            parts: Parts::default(),
            references: References::default(),
            items: Items::of(process),
            passed: Passed::default(),
            place: Place::default(),
            budget,
        };
        reader.process();
        reader.link();
        reader.attach();
        reader.resolve_behaviors();
        reader.compensate();
        reader.connect();
        reader.join_parts();
        reader.instantiate();
        reader.declare_data();
        reader.draft
    }

    /// What begins with each scope: see [`Scope::begins`].
    pub(crate) fn begins(&self) -> BTreeMap<ElementIndex, Vec<ElementIndex>> {
        let mut begins: BTreeMap<ElementIndex, Vec<ElementIndex>> = BTreeMap::new();
        let mut started: HashSet<ElementIndex> = HashSet::new();
        for (index, element) in self.elements.iter().enumerate() {
            let index = ElementIndex(u32::try_from(index).expect("MAX_ELEMENTS is far below 2^32"));
            let Some(parent) = element.parent else { continue };
            match &element.kind {
                ElementKind::StartEvent(_) | ElementKind::EventSubProcessStart(_) => {
                    if started.insert(parent) {
                        begins.remove(&parent);
                    }
                    if matches!(element.kind, ElementKind::StartEvent(StartTrigger::None)) {
                        begins.entry(parent).or_default().push(index);
                    }
                }
                ElementKind::BoundaryEvent(_) | ElementKind::EventSubProcess(_) => {}
                ElementKind::IntermediateCatchEvent(CatchTrigger::Link) => {}
                _ if element.for_compensation => {}
                _ if element.incoming.is_empty() && !started.contains(&parent) => begins.entry(parent).or_default().push(index),
                _ => {}
            }
        }
        // Each of several none start events of the process begins an instance of its own.
        if started.contains(&ROOT) && begins.get(&ROOT).is_some_and(|starts| starts.len() > 1) {
            begins.remove(&ROOT);
        }
        begins
    }

    /// The definition. Only of a draft that was found valid.
    pub(crate) fn finish(mut self) -> ProcessDefinition {
        let mut scopes: BTreeMap<ElementIndex, Scope> = BTreeMap::new();
        let mut starts: BTreeMap<ElementIndex, ElementIndex> = BTreeMap::new();
        let mut by_id = BTreeMap::new();
        for (scope, begins) in self.begins() {
            scopes.entry(scope).or_default().begins = begins;
        }
        for (index, element) in self.elements.iter().enumerate() {
            let index = ElementIndex(u32::try_from(index).expect("MAX_ELEMENTS is far below 2^32"));
            // The parts of an event with several definitions have its id; the first is found by it.
            by_id.entry(Arc::clone(&element.id)).or_insert(index);
            let Some(parent) = element.parent else { continue };
            let scope = scopes.entry(parent).or_default();
            scope.children.push(index);
            if let ElementKind::EventSubProcessStart(_) = element.kind {
                let around = self.elements[parent.0 as usize].parent.expect("an event sub-process stands in a scope");
                scopes.entry(around).or_default().event_starts.push(index);
                starts.insert(parent, index);
            }
        }
        for (index, scope) in scopes {
            match &mut self.elements[index.0 as usize].kind {
                ElementKind::Process(own) | ElementKind::SubProcess(own) | ElementKind::Transaction(own) => *own = scope,
                ElementKind::EventSubProcess(own) => {
                    let start = *starts.get(&index).expect("the validator saw its start event");
                    *own = EventSubProcess { scope, start };
                }
                ElementKind::AdHocSubProcess(own) => own.scope = scope,
                other => unreachable!("only scopes are parents, not {other:?}"),
            }
        }
        ProcessDefinition {
            id: None,
            key: Arc::clone(&self.elements[0].id),
            name: self.elements[0].name.clone(),
            version_tag: self.process.camunda("versionTag").map(str::to_owned),
            history_ttl: self.history_ttl,
            category: self.category.map(str::to_owned),
            startable_in_tasklist: self
                .process
                .camunda("isStartableInTasklist")
                .is_none_or(|text| !text.trim().eq_ignore_ascii_case("false")),
            starters: starters(self.process),
            initiator: self.initiator.map(str::to_owned),
            conversations: self.elements.iter().flat_map(|element| conversations(&element.kind)).collect(),
            has_conditions: self.elements.iter().any(|element| element.kind.is_conditional()),
            dialect: self.dialect,
            elements: self.elements,
            flows: self.flows,
            by_id,
        }
    }
}

/// The candidate starters of a process.
fn starters(process: &Node<'_>) -> Vec<String> {
    let names = process.camunda("candidateStarterUsers").unwrap_or_default().split(',');
    names.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The keys by which an element waits for the messages of a conversation.
fn conversations(kind: &ElementKind) -> Vec<Arc<str>> {
    let waits = if matches!(kind, ElementKind::StartEvent(_)) { Vec::new() } else { kind.messages() };
    let by_conversation = waits.into_iter().filter(|message| message.correlation_key.is_none());
    by_conversation.filter_map(|message| message.carried.as_ref()?.of.clone()).collect()
}

impl<'n> ProcessReader<'n, '_> {
    /// The element at an index.
    pub(crate) fn element(&mut self, index: ElementIndex) -> &mut Element {
        &mut self.draft.elements[index.0 as usize]
    }

    fn process(&mut self) {
        let node = self.draft.process;
        if node.id().is_none() {
            self.diagnostics.error(node.at(), "process has no id", "give it an id: it is the key by which the process is started");
        }
        attributes::check(node, node.at(), self.diagnostics);
        if let Some(tag) = node.camunda("versionTag")
            && tag.chars().count() > MAX_ID
        {
            self.diagnostics.objection(node.at(), format!("camunda:versionTag is longer than {MAX_ID} characters"), "shorten it");
        }
        self.draft.history_ttl = self.history_ttl(node);
        let Some(owner) = self.push(node, "process", ElementKind::Process(Scope::default()), None, 0) else { return };
        self.job_priority(node, owner);
        self.scope(node, owner);
    }

    /// A number of days, or `P` and `D` around one, as Camunda 7 has it (`ParseUtil.parseHistoryTimeToLive`). Empty is none.
    fn history_ttl(&mut self, node: &'n Node<'n>) -> Option<u32> {
        let text = node.camunda("historyTimeToLive").map(str::trim).filter(|text| !text.is_empty())?;
        let days = text.strip_prefix('P').and_then(|rest| rest.strip_suffix('D')).unwrap_or(text);
        let is_number = days.bytes().all(|byte| byte.is_ascii_digit());
        let days = days.parse().ok().filter(|days| is_number && *days <= MAX_HISTORY_TTL);
        if days.is_none() {
            let message = format!("camunda:historyTimeToLive=\"{}\" is not a number of days", shown(text));
            self.diagnostics.error(node.at(), message, "write for example 180 or P180D");
        }
        days
    }

    /// Reads everything directly inside a process or sub-process.
    pub(crate) fn scope(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        if owner.depth >= MAX_SCOPES {
            self.diagnostics.error(owner.at, format!("sub-processes nest more than {MAX_SCOPES} deep"), "flatten the model");
            self.draft.incomplete = true;
            return;
        }
        if node.name == "process" {
            self.correlation_subscriptions();
        }
        for child in &node.children {
            match (child.namespace, child.name) {
                (Namespace::Bpmn, "sequenceFlow") => self.sequence_flow(child),
                (Namespace::Bpmn, "association") => self.association(child),
                (Namespace::Bpmn, "extensionElements") => self.extensions(child, node, owner),
                (Namespace::Bpmn, "incoming" | "outgoing") => self.mention(child, owner),
                (Namespace::Bpmn, "multiInstanceLoopCharacteristics") => self.multi_instance(child, node, owner),
                (Namespace::Bpmn, "standardLoopCharacteristics") => self.standard_loop(child, node, owner),
                (Namespace::Bpmn, "correlationSubscription") if node.name == "process" => {}
                (Namespace::Bpmn, "completionCondition") if node.name == "adHocSubProcess" => {}
                (Namespace::Bpmn, _) => self.in_scope(child, node, owner),
                _ => self.foreign(child, owner),
            }
        }
    }

    /// Reads a BPMN element in a scope that is no sequence flow.
    fn in_scope(&mut self, node: &'n Node<'n>, scope: &'n Node<'n>, owner: Owner<'n>) {
        match table::disposition(node.name) {
            Disposition::Supported(_) if links::is_throw(node) => self.link_throw(node, owner),
            Disposition::Supported(row) => self.flow_node(row, node, owner),
            Disposition::Refused(help) => self.refuse(node, owner, help),
            Disposition::Metadata => self.reserve(node, Slot::NoFlowNode),
            Disposition::NoEffect(help) => {
                self.no_effect(node, owner, help);
                self.reserve(node, Slot::NoFlowNode);
            }
            Disposition::Unknown => {
                let message = format!("{} has no place in {}", node.title(), scope.title());
                self.diagnostics.error(
                    node.at_in(owner.at),
                    message,
                    "remove it, or check its spelling: BPMN 2.0 has no such element here",
                );
                self.reserve(node, Slot::Refused);
                self.draft.incomplete = true;
            }
        }
    }

    fn no_effect(&mut self, node: &'n Node<'n>, owner: Owner<'n>, help: &str) {
        self.diagnostics.warning(node.at_in(owner.at), format!("{} has no effect here", node.title()), help);
    }

    /// Refuses an element by its name.
    pub(crate) fn refuse(&mut self, node: &'n Node<'n>, owner: Owner<'n>, help: &str) {
        let at = if node.id().is_some() { node.at() } else { node.at_in(owner.at) };
        self.diagnostics.error(at, format!("{} is not supported yet", node.title()), help);
        self.reserve(node, Slot::Refused);
        self.draft.incomplete = true;
    }

    fn flow_node(&mut self, row: &'static Supported, node: &'n Node<'n>, parent: Owner<'n>) {
        if node.id().is_none() {
            let message = format!("{} has no id", node.title());
            self.diagnostics.error(node.at_in(parent.at), message, "give it an id that is unique in the file");
        }
        attributes::check(node, node.at(), self.diagnostics);
        let Some(owner) = self.push(node, row.element, ElementKind::Task, Some(parent.index), parent.depth + 1) else { return };
        self.jobs(node, owner);
        self.quantities(node, owner);
        if ACTIVITIES.contains(&row.element) || row.element.ends_with("Event") {
            self.data_associations(node, owner);
        }
        let for_compensation = self.boolean(node, Namespace::None, "isForCompensation", false, owner.at);
        // An event sub-process undoes what is around it if its start event says so, not because an association leads to it.
        let by_event = node.name == "subProcess" && self.boolean(node, Namespace::None, "triggeredByEvent", false, owner.at);
        self.element(owner.index).for_compensation = for_compensation && !by_event;
        if !matches!(row.element, "subProcess" | "adHocSubProcess" | "transaction") {
            self.parts(node, owner);
        }
        if let Some(flow) = node.plain("default") {
            self.draft.defaults.push((owner.index, flow));
        }
        match self.read_event_or_other(row, node, owner) {
            Some(kind) => self.element(owner.index).kind = kind,
            // It stays where it is, so that its flows don't seem to lead nowhere; the file is refused anyway.
            None => self.draft.incomplete = true,
        }
    }

    /// Adds an element to the arena. None if there are too many.
    fn push(
        &mut self,
        node: &'n Node<'n>,
        name: &'static str,
        kind: ElementKind,
        parent: Option<ElementIndex>,
        depth: usize,
    ) -> Option<Owner<'n>> {
        if !self.spend(node.at()) {
            return None;
        }
        let index = ElementIndex(u32::try_from(self.draft.elements.len()).expect("MAX_ELEMENTS is far below 2^32"));
        self.reserve(node, Slot::Element(index));
        self.draft.names.push(name);
        self.draft.elements.push(Element {
            id: Arc::from(node.id().unwrap_or_default()),
            name: node.plain("name").map(str::to_owned),
            kind,
            parent,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            default_flow: None,
            all_of: Vec::new(),
            boundary_events: Vec::new(),
            for_compensation: false,
            compensation: None,
            multi_instance: None,
            start_quantity: 1,
            completion_quantity: 1,
            async_before: false,
            async_after: false,
            exclusive: true,
            retries: None,
            job_priority: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            properties: Vec::new(),
            listeners: Vec::new(),
            form: None,
            position: node.position,
        });
        debug_assert!(parent.is_some() || index == ROOT);
        Some(Owner { index, at: node.at(), depth })
    }

    /// Counts an element or flow. False once there are too many, which is said once.
    pub(crate) fn spend(&mut self, at: At<'n>) -> bool {
        match *self.budget {
            0 => {
                self.draft.incomplete = true;
                return false;
            }
            1 => {
                let message = format!("the file has more than {MAX_ELEMENTS} flow nodes and sequence flows");
                self.diagnostics.error(at, message, "split it into several processes");
                self.draft.incomplete = true;
            }
            _ => {}
        }
        *self.budget -= 1;
        true
    }

    /// Notes what an id stands for. The first element keeps an id that is used twice, which is an error already.
    fn reserve(&mut self, node: &'n Node<'n>, slot: Slot) {
        let Some(id) = node.id() else { return };
        match slot {
            Slot::Refused => {
                self.slots.insert(id, slot);
            }
            Slot::Element(_) | Slot::NoFlowNode | Slot::Link(_) => {
                self.slots.entry(id).or_insert(slot);
            }
        }
    }

    /// Where asynchronous continuations make jobs.
    fn jobs(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        let before = self.boolean(node, Namespace::Camunda, "asyncBefore", false, owner.at);
        let before_as_in_old_models = self.boolean(node, Namespace::Camunda, "async", false, owner.at);
        let after = self.boolean(node, Namespace::Camunda, "asyncAfter", false, owner.at);
        let exclusive = self.boolean(node, Namespace::Camunda, "exclusive", true, owner.at);
        let element = self.element(owner.index);
        element.async_before = before || before_as_in_old_models;
        element.async_after = after;
        element.exclusive = exclusive;
        self.job_priority(node, owner);
    }

    /// The priority of the jobs of a flow node, or of a process (Camunda 7's `BpmnParse.parsePriority`).
    fn job_priority(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        let Some(source) = node.camunda("jobPriority") else { return };
        let priority = self.expression("camunda:jobPriority", source, owner.at);
        self.whole_number("camunda:jobPriority", priority.as_ref(), owner);
        self.element(owner.index).job_priority = priority;
    }

    /// What stands in a flow node that is no scope. Event definitions are left to their reader.
    fn parts(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        for child in &node.children {
            match (child.namespace, child.name) {
                (Namespace::Bpmn, "extensionElements") => self.extensions(child, node, owner),
                (Namespace::Bpmn, "incoming" | "outgoing") => self.mention(child, owner),
                (Namespace::Bpmn, "multiInstanceLoopCharacteristics") => self.multi_instance(child, node, owner),
                (Namespace::Bpmn, "standardLoopCharacteristics") => self.standard_loop(child, node, owner),
                (Namespace::Bpmn, "activationCondition") if node.name == "complexGateway" => {}
                (Namespace::Bpmn, name) if is_event_definition(name) && row_is_event(node.name) => {}
                (Namespace::Bpmn, "script") if node.name == "scriptTask" => {}
                (Namespace::Bpmn, name) if RESOURCES.contains(&name) && node.name == "userTask" => {}
                (Namespace::Bpmn, name) => match table::disposition(name) {
                    Disposition::Metadata => {}
                    Disposition::NoEffect(help) => self.no_effect(child, owner, help),
                    Disposition::Refused(help) => self.refuse(child, owner, help),
                    Disposition::Supported(_) | Disposition::Unknown => {
                        let message = format!("{} has no place in {}", child.title(), node.title());
                        let help = "remove it, or check its spelling: BPMN 2.0 has no such element here";
                        self.diagnostics.objection(child.at_in(owner.at), message, help);
                    }
                },
                _ => self.foreign(child, owner),
            }
        }
    }

    pub(crate) fn mention(&mut self, child: &'n Node<'n>, owner: Owner<'n>) {
        self.mentions.push((child.text.trim(), child, child.at_in(owner.at)));
    }

    /// An element of another namespace outside of `extensionElements`.
    pub(crate) fn foreign(&mut self, child: &'n Node<'n>, owner: Owner<'n>) {
        if child.namespace != Namespace::Metadata {
            let message = format!("{} has no effect here", child.title());
            self.diagnostics.warning(child.at_in(owner.at), message, "extensions stand inside of extensionElements");
        }
    }

    /// A boolean attribute.
    pub(crate) fn boolean(&mut self, node: &Node<'_>, namespace: Namespace, name: &str, default: bool, at: At<'n>) -> bool {
        match node.attribute(namespace, name).map(str::trim) {
            None => default,
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(other) => {
                let message = format!("{}{name}=\"{}\" is neither true nor false", namespace.prefix(), shown(other));
                self.diagnostics.error(at, message, "write true or false");
                default
            }
        }
    }
}

/// Whether a child of an event is its definition, or refers to it.
pub(crate) fn is_event_definition(name: &str) -> bool {
    name.ends_with("EventDefinition") || name == "eventDefinitionRef"
}

fn row_is_event(name: &str) -> bool {
    name.ends_with("Event")
}
