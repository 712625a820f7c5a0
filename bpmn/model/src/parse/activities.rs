//! Activities: tasks and the embedded sub-process.

#![allow(clippy::unnecessary_wraps, reason = "all readers in the table of elements have one type")]

use mandate_feel::Expression;

use crate::definition::{Dialect, ElementKind, EventSubProcess, Implementation, Scope, ServiceTask, UserTask};
use crate::diagnostic::shown;
use crate::parse::implementation::{Doer, is_computed};
use crate::parse::process::{Owner, ProcessReader};
use crate::parse::{message_flows, zeebe};
use crate::time;
use crate::xml::{Namespace, Node};

/// Reads a `task` that is of no particular kind; it passes through (BPMN 2.0, 10.3.3).
pub(crate) fn task<'n>(_: &mut ProcessReader<'n, '_>, _: &'n Node<'n>, _: Owner<'n>) -> Option<ElementKind> {
    Some(ElementKind::Task)
}

/// Reads a `manualTask`; it is done outside of the engine's sight and passes through.
pub(crate) fn manual_task<'n>(_: &mut ProcessReader<'n, '_>, _: &'n Node<'n>, _: Owner<'n>) -> Option<ElementKind> {
    Some(ElementKind::ManualTask)
}

/// Reads a `serviceTask`.
pub(crate) fn service_task<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    work(reader, node, owner, "serviceTask")
}

/// Reads a `sendTask`.
pub(crate) fn send_task<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    message_flows::send(reader, node, owner, "sendTask")
}

/// Reads a `businessRuleTask`: a service task by another name, until decisions are executed.
pub(crate) fn business_rule_task<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    if node.camunda("decisionRef").is_some() {
        return None;
    }
    work(reader, node, owner, "businessRuleTask")
}

/// Reads what a service task is done by; `node` says it.
pub(crate) fn work<'n>(
    reader: &mut ProcessReader<'n, '_>,
    node: &'n Node<'n>,
    owner: Owner<'n>,
    element_type: &'static str,
) -> Option<ElementKind> {
    let doer = reader.doer(node, owner)?;
    let by_delegate = matches!(doer, Doer::Someone(Implementation::Delegate { .. }));
    let fields = reader.task_fields(node, by_delegate, owner);
    let implementation = match doer {
        Doer::Someone(implementation) => implementation,
        Doer::Expression => return reader.expression_task(node, owner.at, element_type),
    };
    let by_worker = !by_delegate;
    if node.camunda("resultVariable").is_some() {
        let help = "let the delegate or worker return the variable, and rename it by a camunda:outputParameter";
        let message = "camunda:resultVariable is only possible with camunda:expression (as in Camunda 7)";
        if by_worker {
            reader.diagnostics.warning(owner.at, message, help);
        } else {
            reader.diagnostics.objection(owner.at, message, help);
        }
    }
    // Camunda 7's `DefaultExternalTaskPriorityProvider`: the activity's own, else the process's.
    let source = node.camunda("taskPriority").or_else(|| reader.draft.process.camunda("taskPriority")).filter(|_| by_worker);
    let priority = match source {
        Some(source) => Some(reader.expression("camunda:taskPriority", source, owner.at)?),
        None => None,
    };
    reader.whole_number("camunda:taskPriority", priority.as_ref(), owner);
    let topic = match &implementation {
        Implementation::Topic(topic) if is_computed(topic) => Some(reader.expression("camunda:topic", topic, owner.at)?),
        _ => None,
    };
    let errors = reader.worker_errors(node, by_worker, owner);
    Some(ElementKind::ServiceTask(ServiceTask { implementation, by_worker, topic, priority, errors, fields, element_type }))
}

/// Reads a `userTask`.
pub(crate) fn user_task<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let mut expression = |camunda: &str, zeebe| reader.of_user_task(node, camunda, zeebe, owner.at);
    let zeebe_form = zeebe::extension(node, "formDefinition");
    let mut task = UserTask {
        assignee: expression("assignee", ("assignmentDefinition", "assignee")),
        candidate_users: expression("candidateUsers", ("assignmentDefinition", "candidateUsers")),
        candidate_groups: expression("candidateGroups", ("assignmentDefinition", "candidateGroups")),
        due_date: expression("dueDate", ("taskSchedule", "dueDate")),
        follow_up_date: expression("followUpDate", ("taskSchedule", "followUpDate")),
        priority: expression("priority", ("priorityDefinition", "priority")),
        documentation: None,
        computed_name: None,
        computed_documentation: None,
    };
    reader.form_key(node.camunda("formKey").or_else(|| zeebe_form.and_then(|form| form.plain("formKey"))), owner);
    if let Some(form) = zeebe_form
        && (form.plain("formId").is_some() || form.plain("externalReference").is_some())
    {
        let help = "use formKey: forms are not served, but task lists see the key";
        reader.diagnostics.warning(form.at_in(owner.at), "zeebe:formDefinition names a form that is not served", help);
    }
    for (attribute, date) in [("dueDate", &task.due_date), ("followUpDate", &task.follow_up_date)] {
        if let Some(date) = date.as_ref().and_then(Expression::as_literal)
            && let Err(error) = time::due(0, date)
        {
            let help = "write a date such as 2030-12-24T18:00:00Z, a duration such as P2D, or an expression that gives one";
            reader.diagnostics.objection(owner.at, format!("camunda:{attribute}: {error}"), help);
        }
    }
    reader.whole_number("camunda:priority", task.priority.as_ref(), owner);
    reader.resources(node, &mut task, owner);
    task.documentation = node.first("documentation").map(|documentation| documentation.text.trim().to_owned());
    task.computed_name = computed(reader, "name", node.plain("name"), owner);
    task.computed_documentation = computed(reader, "documentation", task.documentation.as_deref(), owner);
    Some(ElementKind::UserTask(task))
}

/// A text of a user task that Camunda 7 takes for an expression (`BpmnParse.parseTaskDefinition`); elsewhere it stands for itself.
fn computed<'n>(reader: &mut ProcessReader<'n, '_>, what: &str, text: Option<&str>, owner: Owner<'n>) -> Option<Expression> {
    let text = text.filter(|text| reader.definitions.dialect == Dialect::Camunda7 && (text.contains("${") || text.contains("#{")))?;
    reader.expression(what, text, owner.at).filter(|expression| expression.as_literal().is_none())
}

/// Reads a `receiveTask`. As in Camunda 7 it need not name a message.
pub(crate) fn receive_task<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let message = if reader.message_reference(node).is_some() { Some(reader.awaited_message(node, owner)?) } else { None };
    reader.note_instantiation(node, owner);
    Some(ElementKind::ReceiveTask(message))
}

/// Reads an embedded or event `subProcess` with everything in it.
pub(crate) fn sub_process<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    if reader.boolean(node, Namespace::None, "triggeredByEvent", false, owner.at) {
        // What is inside must know already where it is. The start event that is meant is put in when all elements are known.
        let event = ElementKind::EventSubProcess(EventSubProcess { scope: Scope::default(), start: owner.index });
        reader.element(owner.index).kind = event.clone();
        reader.scope(node, owner);
        let element = reader.element(owner.index);
        if !(element.inputs.is_empty() && element.outputs.is_empty()) {
            let help = "map the variables on an activity inside (as in Camunda 7)";
            reader.diagnostics.error(owner.at, "camunda:inputOutput on an event sub-process is not supported", help);
        }
        return Some(event);
    }
    reader.scope(node, owner);
    Some(ElementKind::SubProcess(Scope::default()))
}

/// Reads a `transaction`: an embedded sub-process that may be cancelled from within.
pub(crate) fn transaction<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    // What is inside must know already where it is.
    let kind = ElementKind::Transaction(Scope::default());
    reader.element(owner.index).kind = kind.clone();
    reader.scope(node, owner);
    Some(kind)
}

impl ProcessReader<'_, '_> {
    /// Refuses a fixed text that is no whole number.
    pub(crate) fn whole_number(&mut self, what: &str, number: Option<&Expression>, owner: Owner<'_>) {
        if let Some(literal) = number.and_then(Expression::as_literal)
            && literal.parse::<i64>().is_err()
        {
            let message = format!("{what} '{}' is not a whole number", shown(literal));
            self.diagnostics.objection(owner.at, message, "write for example 50, or an expression that gives a whole number");
        }
    }
}
