//! What becomes of every attribute and extension element: read, ignored as metadata, warned about, or refused.
//!
//! The rule: what changes execution and isn't built is refused; what only describes is ignored in silence; what we have never heard of is a
//! warning, because it was meant to do something.

use crate::diagnostic::{At, Diagnostics};
use crate::parse::multi_instance::ACTIVITIES;
use crate::xml::{Attribute, Namespace, Node};

/// What becomes of an attribute or extension element.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// Read on these elements, or on any if there are none; on others it has no effect, which is a warning.
    Read(&'static [&'static str]),
    /// Accepted in silence: it describes.
    Metadata,
    /// Accepted with a warning that says what does not happen.
    Warned(&'static str),
    /// Refused, with what to do instead.
    Refused(&'static str),
    /// Accepted with a warning unless it has this value, BPMN's default; with what does not happen.
    WarnedUnless(&'static str, &'static str),
}

use Fate::{Metadata, Read, Refused, Warned, WarnedUnless};

const TASKS_BY_DELEGATE: &[&str] = &["serviceTask", "sendTask", "businessRuleTask"];
/// Tasks, and what an event says that sends a message.
const BY_DELEGATE: &[&str] = &["serviceTask", "sendTask", "businessRuleTask", "messageEventDefinition"];
const SCRIPT_TASK: &[&str] = &["scriptTask"];
const USER_TASK: &[&str] = &["userTask"];
/// Who has a form.
const WITH_FORM: &[&str] = &["userTask", "startEvent"];
const FLOW_NODES: &[&str] = &[
    "startEvent",
    "endEvent",
    "intermediateCatchEvent",
    "intermediateThrowEvent",
    "boundaryEvent",
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
    "exclusiveGateway",
    "parallelGateway",
    "inclusiveGateway",
    "complexGateway",
    "eventBasedGateway",
    // No flow node, but what stands here is said of each of a multi-instance activity's instances.
    "multiInstanceLoopCharacteristics",
];
/// What has jobs, or whose parts have.
const PRIORITIZED: &[&str] = &[
    "process",
    "startEvent",
    "endEvent",
    "intermediateCatchEvent",
    "intermediateThrowEvent",
    "boundaryEvent",
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
    "exclusiveGateway",
    "parallelGateway",
    "inclusiveGateway",
    "complexGateway",
    "eventBasedGateway",
];
const CALL_ACTIVITY: &[&str] = &["callActivity"];
const CONNECTIONS: &[&str] = &["sequenceFlow", "association"];
const COMPENSATE: &[&str] = &["compensateEventDefinition"];
const MULTI_INSTANCE: &[&str] = &["multiInstanceLoopCharacteristics"];
const AD_HOC: &[&str] = &["adHocSubProcess"];
const STANDARD_LOOP: &[&str] = &["standardLoopCharacteristics"];
/// Camunda 7 maps variables on tasks, sub-processes and events, not on gateways.
const MAPPED: &[&str] = &[
    "startEvent",
    "endEvent",
    "intermediateCatchEvent",
    "intermediateThrowEvent",
    "boundaryEvent",
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

/// What execution listeners are called for.
const LISTENED: &[&str] = &[
    "process",
    "sequenceFlow",
    "startEvent",
    "endEvent",
    "intermediateCatchEvent",
    "intermediateThrowEvent",
    "boundaryEvent",
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
    "exclusiveGateway",
    "parallelGateway",
    "inclusiveGateway",
    "complexGateway",
    "eventBasedGateway",
];

/// The standard's own expressions that may name their language.
const EXPRESSIONS: &[&str] = &[
    "conditionExpression",
    "condition",
    "loopCondition",
    "loopCardinality",
    "completionCondition",
    "activationCondition",
    "transformation",
    "from",
    "messagePath",
    "dataPath",
];

/// BPMN's own attributes, which have no prefix.
#[rustfmt::skip]
static BPMN: &[(&str, Fate)] = &[
    ("id", Read(&[])),
    ("name", Read(&[])),
    ("isExecutable", Read(&["process"])),
    ("processType", Metadata), ("isClosed", Metadata), ("definitionalCollaborationRef", Metadata),
    ("sourceRef", Read(CONNECTIONS)), ("targetRef", Read(CONNECTIONS)), ("associationDirection", Metadata), ("isImmediate", Metadata),
    ("default", Read(&[])),
    ("gatewayDirection", Metadata),
    ("eventGatewayType", Read(&["eventBasedGateway"])),
    ("attachedToRef", Read(&["boundaryEvent"])),
    ("cancelActivity", Read(&["boundaryEvent"])),
    ("isInterrupting", Read(&["startEvent"])),
    ("parallelMultiple", Read(&["startEvent", "intermediateCatchEvent", "boundaryEvent"])),
    ("messageRef", Read(&["messageEventDefinition", "receiveTask", "sendTask"])),
    ("operationRef", Read(&["messageEventDefinition", "receiveTask", "sendTask", "serviceTask"])),
    ("signalRef", Read(&["signalEventDefinition"])),
    ("escalationRef", Read(&["escalationEventDefinition"])),
    ("escalationCode", Read(&["escalation"])),
    ("errorRef", Read(&["errorEventDefinition"])),
    ("errorCode", Read(&["error"])),
    ("structureRef", Metadata), ("itemRef", Metadata), ("itemSubjectRef", Metadata),
    ("implementation", Metadata),
    ("instantiate", Read(&["receiveTask", "eventBasedGateway"])),
    ("isForCompensation", Read(ACTIVITIES)),
    ("activityRef", Read(COMPENSATE)), ("waitForCompletion", Read(COMPENSATE)),
    ("method", WarnedUnless("##Compensate", "a transaction that is cancelled compensates what has completed in it (as in Camunda 7)")),
    ("startQuantity", Read(ACTIVITIES)), ("completionQuantity", Read(ACTIVITIES)),
    ("calledElement", Read(CALL_ACTIVITY)),
    ("triggeredByEvent", Read(&["subProcess"])),
    ("isSequential", Read(MULTI_INSTANCE)),
    ("ordering", Read(AD_HOC)), ("cancelRemainingInstances", Read(AD_HOC)),
    ("testBefore", Read(STANDARD_LOOP)), ("loopMaximum", Read(STANDARD_LOOP)),
    ("behavior", Read(MULTI_INSTANCE)), ("noneBehaviorEventRef", Read(MULTI_INSTANCE)), ("oneBehaviorEventRef", Read(MULTI_INSTANCE)),
    ("scriptFormat", Read(SCRIPT_TASK)),
    ("language", Read(EXPRESSIONS)), ("evaluatesToTypeRef", Metadata),
];

/// Camunda 7's attributes.
#[rustfmt::skip]
static CAMUNDA: &[(&str, Fate)] = &[
    ("asyncBefore", Read(FLOW_NODES)), ("asyncAfter", Read(FLOW_NODES)), ("async", Read(FLOW_NODES)), ("exclusive", Read(FLOW_NODES)),
    ("versionTag", Read(&["process"])), ("historyTimeToLive", Read(&["process"])),
    ("isStartableInTasklist", Read(&["process"])), ("candidateStarterUsers", Read(&["process"])), ("candidateStarterGroups", Metadata),
    ("modelerTemplate", Metadata), ("modelerTemplateVersion", Metadata), ("modelerTemplateIcon", Metadata), ("diagramRelationId", Metadata),
    ("jobPriority", Read(PRIORITIZED)),
    ("taskPriority", Read(&["process", "serviceTask", "sendTask", "businessRuleTask", "messageEventDefinition"])),
    ("class", Read(BY_DELEGATE)), ("delegateExpression", Read(BY_DELEGATE)),
    ("type", Read(BY_DELEGATE)), ("topic", Read(BY_DELEGATE)),
    ("expression", Read(BY_DELEGATE)),
    ("resultVariable", Read(&["serviceTask", "sendTask", "businessRuleTask", "scriptTask", "messageEventDefinition"])),
    ("decisionRef", Refused("decisions are not executed yet: name a delegate that decides by camunda:class, or make it an external task")),
    ("decisionRefBinding", Metadata), ("decisionRefVersion", Metadata), ("decisionRefVersionTag", Metadata),
    ("decisionRefTenantId", Metadata), ("mapDecisionResult", Metadata),
    ("assignee", Read(USER_TASK)), ("candidateUsers", Read(USER_TASK)), ("candidateGroups", Read(USER_TASK)),
    ("dueDate", Read(USER_TASK)), ("formKey", Read(WITH_FORM)),
    ("followUpDate", Read(USER_TASK)), ("priority", Read(USER_TASK)),
    ("formRef", Warned("forms of Camunda are not shown; use camunda:formKey or camunda:formData")),
    ("formRefBinding", Metadata), ("formRefVersion", Metadata),
    ("formHandlerClass", Refused("validate what was entered in a service task behind it")),
    ("initiator", Read(&["startEvent"])),
    ("errorCodeVariable", Read(&["errorEventDefinition"])), ("errorMessageVariable", Read(&["errorEventDefinition"])),
    ("errorMessage", Read(&["error"])),
    ("variableName", Read(&["conditionalEventDefinition"])), ("variableEvents", Read(&["conditionalEventDefinition"])),
    ("escalationCodeVariable", Read(&["escalationEventDefinition"])),
    ("resource", Refused("only scripts and conditions may stand in files of their own")),
    ("collection", Read(MULTI_INSTANCE)), ("elementVariable", Read(MULTI_INSTANCE)),
    ("calledElementBinding", Read(CALL_ACTIVITY)), ("calledElementVersion", Read(CALL_ACTIVITY)),
    ("calledElementVersionTag", Read(CALL_ACTIVITY)), ("calledElementTenantId", Read(CALL_ACTIVITY)),
    ("variableMappingClass", Refused("use camunda:in and camunda:out")),
    ("variableMappingDelegateExpression", Refused("use camunda:in and camunda:out")),
    ("caseRef", Refused("call a process: cases are not executed")),
];

/// Camunda 8's attributes stand on its extension elements, where their readers look at them.
static ZEEBE: &[(&str, Fate)] = &[("modelerTemplate", Metadata), ("modelerTemplateVersion", Metadata), ("modelerTemplateIcon", Metadata)];

/// Our own attributes.
static MANDATE: &[(&str, Fate)] = &[("delegate", Read(BY_DELEGATE))];

/// Camunda 7's extension elements.
#[rustfmt::skip]
static CAMUNDA_ELEMENTS: &[(&str, Fate)] = &[
    ("inputOutput", Read(MAPPED)),
    ("properties", Read(&[])),
    ("failedJobRetryTimeCycle", Read(FLOW_NODES)),
    ("executionListener", Read(LISTENED)),
    ("taskListener", Read(USER_TASK)),
    ("connector", Refused("use a delegate that issues a domain command")),
    ("field", Read(BY_DELEGATE)),
    ("errorEventDefinition", Read(BY_DELEGATE)),
    ("in", Read(&["callActivity", "signalEventDefinition", "messageEventDefinition", "sendTask"])),
    ("out", Read(CALL_ACTIVITY)),
    ("formData", Read(WITH_FORM)),
    ("formProperty", Warned("use camunda:formData with a camunda:formField")),
    ("potentialStarter", Metadata),
];

/// Camunda 8's extension elements. They are read as far as a model must name its delegates; to ignore the others would run another process.
#[rustfmt::skip]
static ZEEBE_ELEMENTS: &[(&str, Fate)] = &[
    ("taskDefinition", Read(TASKS_BY_DELEGATE)),
    ("userTask", Metadata), ("versionTag", Metadata),
    ("ioMapping", Read(MAPPED)),
    ("assignmentDefinition", Read(USER_TASK)),
    ("taskSchedule", Read(USER_TASK)), ("priorityDefinition", Read(USER_TASK)),
    ("executionListeners", Read(LISTENED)),
    ("taskListeners", Read(USER_TASK)),
    ("script", Read(SCRIPT_TASK)),
    ("calledDecision", Refused("decisions are not executed yet: use a service task with a delegate that decides")),
    ("calledElement", Read(CALL_ACTIVITY)),
    ("loopCharacteristics", Read(MULTI_INSTANCE)),
    ("adHoc", Read(AD_HOC)),
    ("formDefinition", Read(USER_TASK)),
    ("taskHeaders", Read(TASKS_BY_DELEGATE)),
    ("properties", Read(&[])),
    ("subscription", Read(&["message"])),
];

fn find(table: &[(&str, Fate)], name: &str) -> Option<Fate> {
    table.iter().find(|(known, _)| *known == name).map(|(_, fate)| *fate)
}

/// Notes what is to be said about the attributes of an element. Attributes that are read are left to its reader.
pub(crate) fn check(node: &Node<'_>, at: At<'_>, diagnostics: &mut Diagnostics) {
    for attribute in &node.attributes {
        let fate = match attribute.namespace {
            Namespace::None => find(BPMN, attribute.name),
            Namespace::Camunda => find(CAMUNDA, attribute.name),
            Namespace::Zeebe => find(ZEEBE, attribute.name),
            Namespace::Mandate => find(MANDATE, attribute.name),
            Namespace::Metadata => continue,
            Namespace::Bpmn | Namespace::Other => None,
        };
        match fate {
            Some(WarnedUnless(default, _)) if attribute.value.trim() == default => {}
            Some(fate) => settle(fate, &attribute.title(), node, at, diagnostics),
            None => unknown_attribute(attribute, node, at, diagnostics),
        }
    }
}

/// Says what is to be said about an extension element that stands in `owner`. True if its reader should read it.
pub(crate) fn check_extension(extension: &Node<'_>, owner: &Node<'_>, at: At<'_>, diagnostics: &mut Diagnostics) -> bool {
    let fate = match extension.namespace {
        Namespace::Camunda => find(CAMUNDA_ELEMENTS, extension.name),
        Namespace::Zeebe => find(ZEEBE_ELEMENTS, extension.name),
        Namespace::Metadata => return false,
        Namespace::Mandate => {
            diagnostics.objection(
                at,
                format!("{} is not an extension element of this version", extension.title()),
                "the only extension of this namespace is the attribute mandate:delegate",
            );
            return false;
        }
        Namespace::None | Namespace::Bpmn | Namespace::Other => None,
    };
    let Some(fate) = fate else {
        diagnostics.warning(
            at,
            format!("the extension element {} is not known and has no effect", extension.title()),
            "remove it, or ignore this if it is meant for another tool",
        );
        return false;
    };
    settle(fate, &extension.title(), owner, at, diagnostics);
    matches!(fate, Read(elements) if elements.is_empty() || elements.contains(&owner.name))
}

/// Acts on the fate of an attribute or extension element with this title, on this element.
fn settle(fate: Fate, title: &str, on: &Node<'_>, at: At<'_>, diagnostics: &mut Diagnostics) {
    match fate {
        Metadata => {}
        Read(elements) if elements.is_empty() || elements.contains(&on.name) => {}
        Read(elements) => diagnostics.warning(
            at,
            format!("{title} has no effect on {}", on.title()),
            format!("remove it; it is read on {}", list(elements)),
        ),
        Warned(consequence) | WarnedUnless(_, consequence) => {
            diagnostics.warning(at, format!("{title} has no effect: {consequence}"), "remove it, or do without what it asks for");
        }
        Refused(help) => {
            diagnostics.objection(at, format!("{title} on {} is not supported yet", on.title()), help);
        }
    }
}

fn unknown_attribute(attribute: &Attribute<'_>, node: &Node<'_>, at: At<'_>, diagnostics: &mut Diagnostics) {
    let title = attribute.title();
    if attribute.namespace == Namespace::Mandate {
        let message = format!("{title} is not an attribute of this version");
        diagnostics.objection(at, message, "the only attribute of this namespace is mandate:delegate");
        return;
    }
    diagnostics.warning(
        at,
        format!("the attribute {title} of {} is not known and has no effect", node.title()),
        "check its spelling, or ignore this if it is meant for another tool",
    );
}

/// `a, b and c`, or only how many if there are many.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= 4 => format!("{} and {last}", first.join(", ")),
        _ => "other elements".to_owned(),
    }
}
