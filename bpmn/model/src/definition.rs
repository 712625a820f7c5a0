//! The executable form of a process: what the engine walks.
//!
//! Elements live in one arena and name each other by index, so that a definition is built once, shared by every instance, and
//! walked without a lookup by name. Element 0 is always the process itself, the root of all scopes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mandate_feel::Expression;

mod activity_type;
mod calls;
mod events;
mod forms;
mod listeners;
mod references;

pub use calls::*;
pub use events::*;
pub use forms::*;
pub use listeners::*;
pub use references::Reference;
pub(crate) use references::references;

/// Where an element stands in [`ProcessDefinition::elements`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementIndex(pub u32);

/// Where a sequence flow stands in [`ProcessDefinition::flows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowIndex(pub u32);

/// One executable process of a BPMN file, validated: every index is in range, every reference resolved.
#[derive(Clone, Debug)]
pub struct ProcessDefinition {
    /// The id under which it is deployed, which whoever keeps it says; none of a model that is only read.
    pub id: Option<Arc<str>>,
    /// The BPMN process id: Camunda's definition key.
    pub key: Arc<str>,
    /// The process's name for people.
    pub name: Option<String>,
    /// `camunda:versionTag`.
    pub version_tag: Option<String>,
    /// `camunda:historyTimeToLive`: for how many days the history of an ended instance is meant to be kept.
    pub history_ttl: Option<u32>,
    /// The `targetNamespace` of the file, which Camunda 7 calls the category.
    pub category: Option<String>,
    /// Task lists offer to start it (`camunda:isStartableInTasklist`), unless the model says no.
    pub startable_in_tasklist: bool,
    /// Who is to start it (`camunda:candidateStarterUsers`), for queries; nobody is kept from it.
    pub starters: Vec<String>,
    /// `camunda:initiator`: the variable that whoever starts an instance becomes.
    pub initiator: Option<String>,
    /// How it runs where the standard and Camunda 7 differ.
    pub dialect: Dialect,
    /// The process (index 0) and everything in it, in document order.
    pub elements: Vec<Element>,
    /// All sequence flows, in document order.
    pub flows: Vec<SequenceFlow>,
    /// It has conditional events inside: changes of variables are looked at.
    pub has_conditions: bool,
    /// The ids of the correlation keys by which something in it waits for the messages of a conversation: the first message that has one
    /// says what the later ones must have (BPMN 2.0, 8.4.2, "key-based correlation").
    pub conversations: BTreeSet<Arc<str>>,
    pub(crate) by_id: BTreeMap<Arc<str>, ElementIndex>,
}

/// How a process runs where the standard and Camunda 7 differ about what both execute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As in Camunda 7: its file says something in the namespace `camunda:`.
    Camunda7,
    /// As in the standard.
    #[default]
    Standard,
}

/// The process itself: the root scope.
pub const ROOT: ElementIndex = ElementIndex(0);

impl ProcessDefinition {
    /// The element at an index. Indexes come from this definition only, so that a miss is a bug.
    pub fn element(&self, index: ElementIndex) -> &Element {
        &self.elements[index.0 as usize]
    }

    /// The sequence flow at an index.
    pub fn flow(&self, index: FlowIndex) -> &SequenceFlow {
        &self.flows[index.0 as usize]
    }

    /// The element with a BPMN id, the first if an event has several.
    pub fn find(&self, id: &str) -> Option<ElementIndex> {
        self.by_id.get(id).copied()
    }

    /// Says which external-task topics delegates serve: tasks of these are done within their unit of work, all others wait for workers.
    pub fn serve_topics(&mut self, is_served: impl Fn(&str) -> bool) {
        for element in &mut self.elements {
            if let ElementKind::ServiceTask(ServiceTask { implementation: Implementation::Topic(topic), by_worker, .. }) = &mut element.kind
            {
                *by_worker = !is_served(topic);
            }
        }
    }

    /// Where an instance begins that nothing else triggers: the none start event or, in a process without any, the first of what begins.
    /// None of a process with several none start events: whoever starts it says at which of [`none_starts`](Self::none_starts).
    pub fn start(&self) -> Option<ElementIndex> {
        self.element(ROOT).kind.scope()?.begins.first().copied()
    }

    /// The none start events of the process, in document order. Of several each is a way of its own to begin an instance, and no token
    /// stands at the others (BPMN 2.0, 10.5.2 and 13.2).
    pub fn none_starts(&self) -> impl Iterator<Item = ElementIndex> {
        let children = self.element(ROOT).kind.scope().map_or(&[][..], |scope| &scope.children);
        children.iter().copied().filter(|child| matches!(self.element(*child).kind, ElementKind::StartEvent(StartTrigger::None)))
    }

    /// The start event with an id of which this is true: one that has several definitions has several elements.
    pub fn find_start(&self, id: &str, is_meant: impl Fn(&StartTrigger) -> bool) -> Option<ElementIndex> {
        let is_it =
            |element: &Element| matches!(&element.kind, ElementKind::StartEvent(trigger) if *element.id == *id && is_meant(trigger));
        self.iter().find(|(_, element)| is_it(element)).map(|(index, _)| index)
    }

    /// Whether an element stands behind an event-based gateway: the gateway waits for it, and what it waits for has happened when it is
    /// entered.
    pub fn is_awaited_by_gateway(&self, index: ElementIndex) -> bool {
        // Nothing else leads there.
        let [flow] = self.element(index).incoming[..] else { return false };
        matches!(self.element(self.flow(flow).source).kind, ElementKind::EventBasedGateway)
    }

    /// Where a message of this name that comes to what has this id has the standard's correlation key, if it is told apart by one.
    pub fn carried_key(&self, id: &str, name: &str) -> Option<&CarriedKey> {
        // An event with several definitions has several elements.
        let messages: Vec<_> = self.elements.iter().filter(|element| *element.id == *id).flat_map(|it| it.kind.messages()).collect();
        MessageReference::named(&messages, name)?.carried.as_ref()
    }

    /// Whether anything in it has a listener.
    pub fn has_listeners(&self) -> bool {
        self.elements.iter().any(|it| !it.listeners.is_empty()) || self.flows.iter().any(|it| !it.listeners.is_empty())
    }

    /// All elements with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (ElementIndex, &Element)> {
        self.elements.iter().enumerate().map(|(index, element)| {
            let index = u32::try_from(index).expect("the parser bounds the number of elements");
            (ElementIndex(index), element)
        })
    }
}

/// A flow node, sub-process or the process itself.
#[derive(Clone, Debug)]
pub struct Element {
    /// The BPMN id, unique in the file; an event with several definitions has several elements of one id.
    pub id: Arc<str>,
    /// The name for people.
    pub name: Option<String>,
    /// What it is, with what only that kind has.
    pub kind: ElementKind,
    /// The scope it stands in; none for the process itself only.
    pub parent: Option<ElementIndex>,
    /// Incoming sequence flows, in document order.
    pub incoming: Vec<FlowIndex>,
    /// Outgoing sequence flows, in document order.
    pub outgoing: Vec<FlowIndex>,
    /// The flow taken when no other flow's condition is true (BPMN 2.0, 13.4.3).
    pub default_flow: Option<FlowIndex>,
    /// `parallelMultiple` of a boundary event or the start event of an event sub-process: all elements of the event, this one among them.
    /// It is triggered when all of them have happened.
    pub all_of: Vec<ElementIndex>,
    /// Boundary events attached to this activity, in document order.
    pub boundary_events: Vec<ElementIndex>,
    /// `isForCompensation`: it undoes another activity and stands outside of the flow.
    pub for_compensation: bool,
    /// What undoes this activity once it has completed; a sub-process without any is undone by what is inside.
    pub compensation: Option<Compensation>,
    /// It runs several times; none is the rule.
    pub multi_instance: Option<MultiInstance>,
    /// `startQuantity` of an activity: how many tokens begin it once (BPMN 2.0, 13.3.2).
    pub start_quantity: u32,
    /// `completionQuantity` of an activity: how many tokens leave by each flow that is taken.
    pub completion_quantity: u32,
    /// `camunda:asyncBefore`: a unit of work ends before this element.
    pub async_before: bool,
    /// `camunda:asyncAfter`: a unit of work ends after this element.
    pub async_after: bool,
    /// `camunda:exclusive`, true by default: its jobs never run beside another exclusive job of the instance.
    pub exclusive: bool,
    /// `camunda:failedJobRetryTimeCycle`; none means the engine's default.
    pub retries: Option<RetryCycle>,
    /// `camunda:jobPriority`: a whole number when evaluated, as each of its jobs is made. The process's is that of all elements without
    /// one; none is 0.
    pub job_priority: Option<Expression>,
    /// Data associations and `camunda:inputParameter`s, in document order.
    pub inputs: Vec<Mapping>,
    /// Data associations and `camunda:outputParameter`s, in document order.
    pub outputs: Vec<Mapping>,
    /// `camunda:property` pairs, in document order.
    pub properties: Vec<(String, String)>,
    /// `camunda:executionListener`s and `camunda:taskListener`s, in document order.
    pub listeners: Vec<Listener>,
    /// The form of a user task or a start event, if it has one.
    pub form: Option<Box<Form>>,
    /// Where it begins in its file.
    pub position: Position,
}

/// How often an activity runs, and over what: `multiInstanceLoopCharacteristics` or `standardLoopCharacteristics` (BPMN 2.0, 10.3.8). What
/// the element itself says of asynchronous continuations and retries holds around all instances together; mappings are each instance's own.
#[derive(Clone, Debug, Default)]
pub struct MultiInstance {
    /// One instance after the other rather than all at once.
    pub sequential: bool,
    /// Written as `zeebe:loopCharacteristics`: counters have Camunda 8's names, and `loopCounter` begins at 1.
    pub zeebe: bool,
    /// `loopCardinality`: how many, a whole number when evaluated. Goes before the length of the collection.
    pub cardinality: Option<Expression>,
    /// `camunda:collection` or `loopDataInputRef`. There is at least one of this, the cardinality and the loop.
    pub collection: Option<Source>,
    /// `camunda:elementVariable` or the name of the `inputDataItem`: in each instance, its element of the collection.
    pub element_variable: Option<String>,
    /// What becomes of the instances' results; none: nothing by itself.
    pub output: Option<Output>,
    /// `completionCondition`: true when an instance has ended, all others are cancelled and the activity is done.
    pub completion_condition: Option<Expression>,
    /// What is thrown when an instance has ended, to boundary events of the activity; none with the behavior `All`.
    pub behavior: Vec<InstanceThrow>,
    /// It is a standard loop, which is a sequence of which nobody knows the end.
    pub standard_loop: Option<StandardLoop>,
    /// `camunda:asyncBefore`, on the loop characteristics: a unit of work ends before each instance.
    pub async_before: bool,
    /// `camunda:asyncAfter`, there: a unit of work ends after each instance.
    pub async_after: bool,
    /// `camunda:exclusive`, there, true by default: of the jobs of each instance.
    pub exclusive: bool,
    /// `camunda:failedJobRetryTimeCycle`, there: of the jobs of each instance.
    pub retries: Option<RetryCycle>,
}

/// `behavior` of a multi-instance activity: events that its instances throw (BPMN 2.0, 10.3.8 and 13.3.7). Who catches them is known.
#[derive(Clone, Debug)]
pub struct InstanceThrow {
    /// When.
    pub when: ThrowWhen,
    /// The boundary events of the activity that catch it.
    pub caught_by: Vec<ElementIndex>,
}

/// After which instances an event is thrown.
#[derive(Clone, Debug)]
pub enum ThrowWhen {
    /// `None`: after each.
    Each,
    /// `One`: after the first.
    First,
    /// `Complex`: after each with which this is true.
    Condition(Expression),
}

/// An activity that runs as long as a condition is true (BPMN 2.0, 13.3.6). There is a condition, a maximum or both.
#[derive(Clone, Debug)]
pub struct StandardLoop {
    /// `testBefore`, false by default: the condition is asked before the first turn as well.
    pub test_before: bool,
    /// `loopMaximum`: not more turns than this, whatever the condition says.
    pub maximum: Option<u32>,
    /// `loopCondition`: asked behind each turn, and another one begins while it is true.
    pub condition: Option<Expression>,
}

/// Where a value comes from: that of a mapping, the list of a multi-instance activity, the result of one of its instances.
#[derive(Clone, Debug)]
pub enum Source {
    /// In the variable of this name, whatever characters the name has.
    Variable(String),
    /// An expression gives it.
    Expression(Expression),
}

impl Source {
    /// As it was written.
    pub fn source(&self) -> &str {
        match self {
            Source::Variable(name) => name,
            Source::Expression(expression) => expression.source(),
        }
    }
}

/// The list of the instances' results: `loopDataOutputRef` with `outputDataItem`, or `outputCollection` with `outputElement` of
/// `zeebe:loopCharacteristics`.
#[derive(Clone, Debug)]
pub struct Output {
    /// The variable around the activity that takes the list when all is done, in the order of the instances; null for those that have not
    /// ended.
    pub collection: String,
    /// The result of an instance, as it is when that ends. A variable is the instance's own.
    pub element: Source,
}

/// A place in a file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// What an element is. One variant per behaviour of the engine.
#[derive(Clone, Debug)]
pub enum ElementKind {
    /// The process: the root scope.
    Process(Scope),
    /// An embedded sub-process.
    SubProcess(Scope),
    /// An ad-hoc sub-process: what begins in it is chosen while it runs.
    AdHocSubProcess(AdHocSubProcess),
    /// A transaction: an embedded sub-process that a cancel end event inside undoes and leaves (BPMN 2.0, 10.3.5).
    Transaction(Scope),
    /// An event sub-process: it is entered when its start event is triggered, never by a sequence flow.
    EventSubProcess(EventSubProcess),
    /// A start event. Only the process itself may have message starts.
    StartEvent(StartTrigger),
    /// The start event of an event sub-process.
    EventSubProcessStart(EventSubProcessStart),
    /// An end event.
    EndEvent(EndResult),
    /// An undefined (abstract) task: passes through (BPMN 2.0, 10.3.3).
    Task,
    /// A manual task: passes through.
    ManualTask,
    /// A service, send or business rule task, or an event that sends a message: done by a delegate or, as an external task, by a worker.
    ServiceTask(ServiceTask),
    /// A script task, or a task or an event that sends a message, done by a `camunda:expression`.
    ExpressionTask(ExpressionTask),
    /// A send task, or an event, that sends its message along message flows.
    MessageSend(Box<MessageSend>),
    /// A user task.
    UserTask(UserTask),
    /// A receive task: waits for a message or, if it names none, for somebody who lets it go on.
    ReceiveTask(Option<MessageReference>),
    /// A call activity.
    CallActivity(Box<CallActivity>),
    /// An exclusive gateway.
    ExclusiveGateway,
    /// A parallel gateway.
    ParallelGateway,
    /// An inclusive gateway.
    InclusiveGateway,
    /// A complex gateway.
    ComplexGateway(ComplexGateway),
    /// An exclusive event-based gateway. What its flows lead to waits for a message or a moment, and nothing else leads there.
    EventBasedGateway,
    /// An intermediate catch event. Throwing ends of links are no elements.
    IntermediateCatchEvent(CatchTrigger),
    /// An intermediate throw event. One that sends a message is a [`ServiceTask`] by another name.
    IntermediateThrowEvent(ThrowResult),
    /// A boundary event.
    BoundaryEvent(BoundaryEvent),
}

impl ElementKind {
    /// What a scope has inside; none of an element that is no scope.
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            ElementKind::Process(scope) | ElementKind::SubProcess(scope) | ElementKind::Transaction(scope) => Some(scope),
            ElementKind::EventSubProcess(event) => Some(&event.scope),
            ElementKind::AdHocSubProcess(ad_hoc) => Some(&ad_hoc.scope),
            _ => None,
        }
    }

    /// The conditions of which it waits for any, alone or beside other things: several only of an intermediate event. Those that start a
    /// process are asked for from outside.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let caught = if let ElementKind::IntermediateCatchEvent(trigger) = self { trigger.each() } else { &[] };
        let caught = caught.iter().filter_map(|it| if let CatchTrigger::Condition(condition) = it { Some(condition) } else { None });
        let own = self.trigger().and_then(|it| if let EventTrigger::Condition(condition) = it.0 { Some(condition) } else { None });
        caught.chain(own)
    }

    /// Whether it waits for a condition.
    pub fn is_conditional(&self) -> bool {
        self.conditions().next().is_some()
    }

    /// What starts the process here, of a start event.
    pub fn start(&self) -> Option<&StartTrigger> {
        if let ElementKind::StartEvent(trigger) = self { Some(trigger) } else { None }
    }

    /// The messages that it waits for or starts by.
    pub fn messages(&self) -> Vec<&MessageReference> {
        match self {
            ElementKind::StartEvent(StartTrigger::Message(message))
            | ElementKind::ReceiveTask(Some(message))
            | ElementKind::IntermediateCatchEvent(CatchTrigger::Message(message)) => vec![message],
            ElementKind::IntermediateCatchEvent(CatchTrigger::Multiple { triggers, .. }) => {
                let messages = triggers.iter().filter_map(|it| if let CatchTrigger::Message(message) = it { Some(message) } else { None });
                messages.collect()
            }
            kind => match kind.trigger() {
                Some((EventTrigger::Message(message), _)) => vec![message],
                _ => Vec::new(),
            },
        }
    }

    /// What an event waits for that is triggered from outside of the flow, and whether it interrupts: of a boundary event or the start
    /// event of an event sub-process.
    pub fn trigger(&self) -> Option<(&EventTrigger, bool)> {
        match self {
            ElementKind::BoundaryEvent(event) => Some((&event.trigger, event.interrupting)),
            ElementKind::EventSubProcessStart(event) => Some((&event.trigger, event.interrupting)),
            _ => None,
        }
    }
}

/// What the process and a sub-process have in common.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// What begins with the scope, in document order: the none start event or, in a scope without any start event, all that no flow leads
    /// to (BPMN 2.0, 10.4.2 and 13.3.4). None of a process that only starts by message, or has several none start events, of which each
    /// begins an instance.
    pub begins: Vec<ElementIndex>,
    /// Everything directly inside, in document order.
    pub children: Vec<ElementIndex>,
    /// The start events of the event sub-processes directly inside, in document order.
    pub event_starts: Vec<ElementIndex>,
}

/// A gateway that goes on when a condition over what has come to it is true (BPMN 2.0, 10.6.5 and 13.4.5).
#[derive(Clone, Debug)]
pub struct ComplexGateway {
    /// `activationCondition`, which sees `activationCount`; none is true as soon as a token comes.
    pub activation: Option<Expression>,
}

/// A sub-process in which no flow says what comes first (BPMN 2.0, 10.3.5 and 13.3.5).
#[derive(Clone, Debug, Default)]
pub struct AdHocSubProcess {
    /// What it has in common with other scopes. Of what [`begins`](Scope::begins) in it, some may be chosen.
    pub scope: Scope,
    /// `ordering="Sequential"`: one after the other rather than all at once.
    pub sequential: bool,
    /// `activeElementsCollection` of `zeebe:adHoc`: the ids of what begins by itself; without, everything that may.
    pub active: Option<Expression>,
    /// `completionCondition`: asked whenever something inside has ended; without, it is done when nothing is active.
    pub completion_condition: Option<Expression>,
    /// `cancelRemainingInstances`, true by default: what is active when the condition is true is cancelled rather than awaited.
    pub cancel_remaining: bool,
}

/// A sub-process that something triggers while the scope around it is active (BPMN 2.0, 10.3.5 and 13.5.4).
#[derive(Clone, Debug)]
pub struct EventSubProcess {
    /// What it has in common with other scopes; it has no none start event.
    pub scope: Scope,
    /// Its one start event.
    pub start: ElementIndex,
}

/// A task that a delegate or a worker does.
#[derive(Clone, Debug)]
pub struct ServiceTask {
    /// Who does it, as the model says; a deployment pins a delegate to a digest.
    pub implementation: Implementation,
    /// It is an external task: it waits until a worker that fetched it over REST completes it. So it is with every
    /// [`Implementation::Topic`] until [`ProcessDefinition::serve_topics`] says that a delegate serves it.
    pub by_worker: bool,
    /// The topic of an external task, if that is an expression: evaluated when it is entered. A worker does it, whatever it gives.
    pub topic: Option<Expression>,
    /// `camunda:taskPriority` of the task or, failing that, of the process: a whole number when evaluated; none is 0. Of external tasks
    /// only.
    pub priority: Option<Expression>,
    /// What a worker reports that is a BPMN error, in document order.
    pub errors: Vec<WorkerError>,
    /// What its delegate is given besides, in document order.
    pub fields: Vec<Field>,
    /// Camunda's activity type: `serviceTask`, `sendTask`, `businessRuleTask`, `intermediateMessageThrowEvent` or `messageEndEvent`.
    pub element_type: &'static str,
}

/// When a worker's report, that a task is done or could not be, is a BPMN error (`camunda:errorEventDefinition`).
#[derive(Clone, Debug)]
pub struct WorkerError {
    /// The error's code.
    pub code: String,
    /// It is thrown if this gives true.
    pub condition: Expression,
}

/// A task that an expression does.
#[derive(Clone, Debug)]
pub struct ExpressionTask {
    /// What is evaluated.
    pub expression: Expression,
    /// `camunda:resultVariable`, which takes the value; without one it is thrown away.
    pub result_variable: Option<String>,
    /// Camunda's activity type: `scriptTask`, or one of those of a [`ServiceTask`].
    pub element_type: &'static str,
}

/// How a model names the doer of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Implementation {
    /// A delegate by name: `camunda:class`, `camunda:delegateExpression` (with or without `${}`), `zeebe:taskDefinition type`,
    /// `mandate:delegate`.
    Delegate {
        /// The delegate's name.
        name: String,
        /// A semver requirement after `@`, as in `mandate:delegate="reserve-line@^1.2"`.
        requirement: Option<String>,
    },
    /// An external-task topic (`camunda:type="external"`). The manifest may map it to a delegate; otherwise workers fetch its tasks.
    Topic(String),
}

/// A user task. Every expression is evaluated when the task is created.
#[derive(Clone, Debug, Default)]
pub struct UserTask {
    /// `camunda:assignee`.
    pub assignee: Option<Expression>,
    /// `camunda:candidateUsers`, comma-separated when evaluated.
    pub candidate_users: Option<Expression>,
    /// `camunda:candidateGroups`, comma-separated when evaluated.
    pub candidate_groups: Option<Expression>,
    /// `camunda:dueDate`, ISO 8601 when evaluated.
    pub due_date: Option<Expression>,
    /// `camunda:followUpDate`, ISO 8601 when evaluated: task lists may hide the task until then.
    pub follow_up_date: Option<Expression>,
    /// `camunda:priority`, a whole number when evaluated; none is 50.
    pub priority: Option<Expression>,
    /// `bpmn:documentation`.
    pub documentation: Option<String>,
    /// Its name, if an expression gives it: in Camunda 7's dialect.
    pub computed_name: Option<Expression>,
    /// Its documentation, likewise.
    pub computed_documentation: Option<Expression>,
}

/// One input or output parameter.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The variable it sets: in the activity for inputs, in the enclosing scope for outputs.
    pub target: String,
    /// Where the value comes from; from a variable that is not there nothing comes.
    pub source: Source,
    /// It only declares its variable: where the activity has it already, because it was given it, nothing is set.
    pub declares: bool,
}

/// A sequence flow.
#[derive(Clone, Debug)]
pub struct SequenceFlow {
    /// The BPMN id.
    pub id: Arc<str>,
    /// Where it comes from.
    pub source: ElementIndex,
    /// Where it goes.
    pub target: ElementIndex,
    /// Taken only when true; none is always true.
    pub condition: Option<Expression>,
    /// `camunda:executionListener`s, in document order.
    pub listeners: Vec<Listener>,
}

/// How often a job is tried, and how long it waits in between.
#[derive(Clone, Debug, PartialEq)]
pub enum RetryCycle {
    /// As the model says.
    Fixed(RetryPolicy),
    /// As an expression says when the job has failed: a text that [`RetryPolicy::parse`] reads. Anything else, and an expression that
    /// fails, means the engine's default.
    Computed(Expression),
}

impl RetryCycle {
    /// What is known without an instance.
    pub fn fixed(&self) -> Option<&RetryPolicy> {
        match self {
            Self::Fixed(policy) => Some(policy),
            Self::Computed(_) => None,
        }
    }
}

/// How long to wait after each failed attempt. Attempts in all: one more than waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Milliseconds to wait after the first, second, … failed attempt.
    pub waits_ms: Vec<u64>,
}
