//! Which elements of BPMN 2.0 are supported, one line an element; and what becomes of all others.

use crate::definition::ElementKind;
use crate::parse::process::{Owner, ProcessReader};
use crate::parse::{activities, ad_hoc, call_activity, events, expression_tasks, gateways};
use crate::xml::Node;

/// A supported element, for the table in the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Supported {
    /// The BPMN element's name.
    pub element: &'static str,
    /// In which forms it is supported.
    pub forms: &'static str,
    /// Reads what only this element has.
    pub(crate) read: Read,
}

/// Reads the rest of an element whose common part is read. None when it can't be used; then an error was noted.
pub(crate) type Read = for<'n> fn(&mut ProcessReader<'n, '_>, &'n Node<'n>, Owner<'n>) -> Option<ElementKind>;

macro_rules! supported {
    ($($element:literal, $forms:literal, $read:path;)*) => {
        &[$(Supported { element: $element, forms: $forms, read: $read }),*]
    };
}

/// The supported elements.
#[rustfmt::skip]
static SUPPORTED: &[Supported] = supported! {
    "startEvent", "none, also several of a process; message, signal, conditional, timer (of a process); message, timer, error, escalation, signal, conditional, compensation (of an event sub-process); timers by date, duration, cycle or cron expression", events::start;
    "endEvent", "none, terminate, error, escalation, signal, compensation, cancel (of a transaction); message, along message flows or done by a delegate or a worker", events::end;
    "intermediateCatchEvent", "timer (date, duration, first date of a cycle, or each of a counted one), message, signal, conditional, link", events::catch;
    "intermediateThrowEvent", "none, escalation, signal, compensation, link; message, along message flows or done by a delegate or a worker", events::throw;
    "boundaryEvent", "error, compensation, cancel (of a transaction); timer (date, duration, cycle, cron expression), message, escalation, signal, conditional, interrupting or not", events::boundary;
    "task", "passes through", activities::task;
    "manualTask", "passes through", activities::manual_task;
    "serviceTask", "done by a delegate; external: fetched by a worker; or an expression with a result variable", activities::service_task;
    "sendTask", "as a service task; or along message flows", activities::send_task;
    "businessRuleTask", "as a service task; decisions are not executed yet", activities::business_rule_task;
    "scriptTask", "FEEL or JUEL, in the model or a file of its own, with a result variable; `zeebe:script`", expression_tasks::script_task;
    "userTask", "assignee, candidate users and groups (`humanPerformer`, `performer`, `potentialOwner` as well), due and follow-up date, priority, form key and form fields", activities::user_task;
    "receiveTask", "waits for a message or, without one, to be signalled; `instantiate`", activities::receive_task;
    "subProcess", "embedded; event sub-process, interrupting or not", activities::sub_process;
    "adHocSubProcess", "parallel or sequential, completion condition, `cancelRemainingInstances`; event sub-processes; what begins is chosen by `zeebe:adHoc` or over the API", ad_hoc::ad_hoc_sub_process;
    "transaction", "as an embedded sub-process; left by its cancel boundary event when a cancel end event inside has had compensated what has completed", activities::transaction;
    "callActivity", "binding latest, deployment, version, version tag; variables and business key; `zeebe:calledElement`", call_activity::call_activity;
    "exclusiveGateway", "conditions, default flow", gateways::exclusive;
    "parallelGateway", "fork, join", gateways::parallel;
    "inclusiveGateway", "fork by conditions, default flow, join", gateways::inclusive;
    "complexGateway", "activation condition, `activationCount`, `waitingForStart`, reset; conditions, default flow", gateways::complex;
    "eventBasedGateway", "first of several: message, timer, signal and conditional events, receive tasks; `instantiate`, exclusive or parallel", gateways::event_based;
};

/// Supported parts of elements that change how these run, with their forms.
#[rustfmt::skip]
static SUPPORTED_PARTS: &[(&str, &str)] = &[
    ("camunda:executionListener", "start and end of processes, activities, events and gateways, and sequence flows: an expression, a FEEL or JUEL script, or a delegate"),
    ("camunda:taskListener", "create, assignment, update, complete, delete and timeout: the same"),
    ("zeebe:executionListeners", "start and end, of all but sequence flows: a delegate by job type; `zeebe:taskListeners`: creating, assigning, updating and completing, called when it has happened"),
    ("messageFlow", "between participants of a file: the message waits until its receiver does, or starts it; by the sender's business key or the message's correlation key"),
    ("correlationSubscription", "with `correlationKey` of a collaboration or conversation and `correlationProperty`: the correlation key of waits for a message, and of the message along a flow; without it the first message of a conversation says it"),
    ("zeebe:subscription", "the correlation key of waits for a message, in FEEL"),
    ("zeebe:ioMapping", "and `taskHeaders`, `properties`, `assignmentDefinition`, `taskSchedule`, `priorityDefinition`, `formDefinition` by key: as Camunda 7's"),
    ("globalTask", "and the manual, user, script and business rule task: called by call activities, or started by its id"),
    ("eventDefinitionRef", "of every event; several definitions in one event, any of them or all (`parallelMultiple`), interrupting or not"),
    ("dataInputAssociation", "and `dataOutputAssociation` of activities and events: copies, `transformation` and assignments between data objects, properties, inputs and outputs, each a variable by its name"),
    ("multiInstanceLoopCharacteristics", "of every task, sub-process and call activity: parallel or sequential, by cardinality or collection, completion condition, list of results, `behavior`; `zeebe:loopCharacteristics`"),
    ("standardLoopCharacteristics", "of the same: loop condition, `testBefore`, maximum, `loopCounter`"),
];

/// The supported elements, in the order of the documentation. Sequence flows and the process itself go without saying.
pub fn supported() -> &'static [Supported] {
    SUPPORTED
}

/// What is supported, as the table of the documentation: Markdown, a row an element or a part of elements.
pub fn supported_table() -> String {
    let elements = SUPPORTED.iter().map(|row| (row.element, row.forms));
    let rows = elements.chain(SUPPORTED_PARTS.iter().copied()).map(|(name, forms)| format!("| `{name}` | {forms} |\n"));
    format!("| element | forms |\n|---|---|\n{}", rows.collect::<String>())
}

/// The line of a supported element.
pub(crate) fn find(name: &str) -> Option<&'static Supported> {
    SUPPORTED.iter().find(|row| row.element == name)
}

/// What BPMN 2.0 has and this engine does not, with what to do instead. To ignore any of these would run another process than was drawn.
#[rustfmt::skip]
static REFUSED: &[(&str, &str)] = &[
    ("callChoreography", "choreographies are not executed: remove it"),
    ("choreographyTask", "choreographies are not executed: remove it"),
    ("subChoreography", "choreographies are not executed: remove it"),
    ("implicitThrowEvent", "remove it"),
    ("correlationSubscription", "put it directly into the process: it is about all of its waits"),
    ("event", "use an intermediate catch event"),
    ("completionCondition", "use an ad-hoc sub-process, or an embedded one that ends by an exclusive gateway"),
    ("script", "use a service task with a delegate"),
];

/// What describes, groups or decorates, and is never executed, by Camunda 7 neither.
#[rustfmt::skip]
static METADATA: &[&str] = &[
    "documentation", "extensionElements", "incoming", "outgoing", "auditing", "monitoring", "categoryValueRef", "rendering",
    "laneSet", "textAnnotation", "group", "dataObject", "dataObjectReference", "dataStoreReference",
    "ioSpecification", "property", "dataInput", "dataOutput", "inputSet", "outputSet", "dataInputAssociation", "dataOutputAssociation",
    "supportedInterfaceRef", "ioBinding", "supports",
];

/// What says who is responsible, which means something on user tasks only; as in Camunda 7 it is accepted everywhere.
static ROLES: &[&str] = &["humanPerformer", "performer", "potentialOwner", "resourceRole"];

/// What becomes of a BPMN element by its name alone.
pub(crate) enum Disposition {
    /// It is a flow node that is supported.
    Supported(&'static Supported),
    /// BPMN has it, we do not; with what to do instead.
    Refused(&'static str),
    /// It is accepted and has no effect.
    Metadata,
    /// It has no effect here, which is said; with what to do instead.
    NoEffect(&'static str),
    /// BPMN 2.0 has no such element here.
    Unknown,
}

/// What becomes of a BPMN element.
pub(crate) fn disposition(name: &str) -> Disposition {
    if let Some(row) = find(name) {
        return Disposition::Supported(row);
    }
    if let Some((_, help)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Disposition::Refused(help);
    }
    if ROLES.contains(&name) {
        return Disposition::NoEffect(
            "name who does a user task by a humanPerformer or potentialOwner in it; ignore this if it only describes",
        );
    }
    if METADATA.contains(&name) { Disposition::Metadata } else { Disposition::Unknown }
}
