//! What stands in each row of an instance, by its state: as units write it and as `check-store` expects it.

use mandate_engine::{
    ActivityEnd, ActivityId, ExternalTask, HistoryEvent, Incident, Instance, Job, JobKind, PublicId, Subscription, SubscriptionKind, Task,
    WaitId,
};
use mandate_model::{ElementIndex, ElementKind, Implementation, ProcessDefinition};
use mandate_store::{
    ElementRow, EventKind, ExternalTaskRow, HistoryRow, IncidentRow, JobRow, Message, Signal, SignalTenants, SubscriptionRow, TaskRow,
};

use super::number;
use crate::definitions::Definition;
use crate::job_definitions::{JobDefinition, kind_of};

/// Whether a job is behind its instance's next exclusive one.
pub(super) fn is_behind(job: &Job, next: Option<WaitId>) -> bool {
    job.exclusive && job.retries > 0 && next != Some(job.wait)
}

/// The row of a job of an instance whose next exclusive job is `next`, as `check-store` expects it too: locked by nobody.
pub(crate) fn job_row(definition: &Definition, instance: &Instance, job: &Job, next: Option<WaitId>) -> JobRow {
    let element = definition.model.element(job.element);
    JobRow {
        wait: number(job.wait.0),
        activity: number(job.activity.0),
        activity_id: activity_id(definition, instance, job.activity, job.element),
        kind: job_kind(job.kind, &element.kind).to_owned(),
        definition_id: definition.row.id.clone(),
        due: job.due,
        retries: i64::from(job.retries),
        failures: i64::from(job.failures),
        exclusive: job.exclusive,
        priority: job.priority,
        suspended: job.suspended,
        behind: is_behind(job, next),
        created: job.since,
        failure: job.failure.clone(),
        failed_activity: job.failed.map(|failed| definition.model.element(failed).id.to_string()),
        locked: false,
    }
}

/// The row of an open incident, as `check-store` expects it too, but for its detail.
pub(crate) fn incident_row(definition: &Definition, instance: &Instance, incident: &Incident, detail: String) -> IncidentRow {
    let activity_id = activity_id(definition, instance, incident.activity, incident.element);
    IncidentRow {
        n: number(incident.id.0),
        wait: incident.wait.map(|wait| number(wait.0)),
        activity: number(incident.activity.0),
        failed_activity_id: incident.failed.map(|failed| definition.model.element(failed).id.to_string()),
        job_definition_id: incident.wait.and_then(|wait| job_definition_id(definition, instance, instance.job(wait)?)),
        activity_id,
        definition_id: definition.row.id.clone(),
        code: incident.code.as_str().to_owned(),
        message: incident.message.clone(),
        attempt: i64::from(incident.attempt),
        created: incident.since,
        detail,
    }
}

/// The id of a job's definition; none of one that no model asks for.
pub(crate) fn job_definition_id(definition: &Definition, instance: &Instance, job: &Job) -> Option<String> {
    let activity_id = activity_id(definition, instance, job.activity, job.element);
    kind_of(job.kind).map(|kind| JobDefinition::id_from(&definition.row.id, &activity_id, kind))
}

fn job_kind(kind: JobKind, element: &ElementKind) -> &'static str {
    match kind {
        JobKind::Start => "start",
        JobKind::AsyncBefore => "async-before",
        JobKind::AsyncAfter => "async-after",
        JobKind::Return => "return",
        JobKind::Timer if element.trigger().is_some() => "event-timer",
        JobKind::Timeout { .. } => "event-timer",
        JobKind::Timer => "timer",
    }
}

/// The row of a user task.
pub(crate) fn task_row(definition: &Definition, task: Task) -> TaskRow {
    let element = definition.model.element(task.element);
    let (name, description) = task_texts(&definition.model, &task);
    TaskRow {
        wait: number(task.wait.0),
        activity: number(task.activity.0),
        activity_id: element.id.to_string(),
        name,
        definition_id: definition.row.id.clone(),
        assignee: task.assignee,
        owner: task.owner,
        delegation: task.delegation.map(|it| it.as_str().to_owned()),
        candidate_users: task.candidate_users,
        candidate_groups: task.candidate_groups,
        due: task.due,
        follow_up: task.follow_up,
        priority: task.priority,
        created: task.since,
        updated: task.updated,
        form_key: task.form_key.or_else(|| Some(element.form.as_ref()?.key.as_ref()?.as_literal()?.to_owned())),
        description,
    }
}

/// A user task's name and description: each as somebody has set it or else as the model has it; an empty one is none.
pub(crate) fn task_texts(model: &ProcessDefinition, task: &Task) -> (Option<String>, Option<String>) {
    let element = model.element(task.element);
    let documentation = match &element.kind {
        ElementKind::UserTask(user_task) => user_task.documentation.as_ref(),
        _ => None,
    };
    let text = |set: &Option<String>, of_model: Option<&String>| set.as_ref().or(of_model).filter(|text| !text.is_empty()).cloned();
    (text(&task.name, element.name.as_ref()), text(&task.description, documentation))
}

/// The row of an external task.
pub(crate) fn external_task_row(definition: &Definition, task: ExternalTask) -> ExternalTaskRow {
    ExternalTaskRow {
        wait: number(task.wait.0),
        activity: number(task.activity.0),
        activity_id: definition.model.element(task.element).id.to_string(),
        topic: task.topic,
        definition_id: definition.row.id.clone(),
        priority: task.priority,
        retries: task.retries.map(i64::from),
        failures: i64::from(task.failures),
        failure: task.failure,
        created: task.since,
    }
}

/// The row of a subscription.
pub(crate) fn subscription_row(definition: &Definition, subscription: Subscription) -> SubscriptionRow {
    let element = definition.model.element(subscription.element);
    SubscriptionRow {
        wait: number(subscription.wait.0),
        activity: number(subscription.activity.0),
        activity_id: element.id.to_string(),
        kind: match subscription.kind {
            SubscriptionKind::Message => EventKind::Message,
            SubscriptionKind::Signal => EventKind::Signal,
            SubscriptionKind::Condition => EventKind::Conditional,
        },
        // Which of its conditions is nobody's business.
        name: if subscription.kind == SubscriptionKind::Condition { String::new() } else { subscription.name },
        correlation_key: subscription.correlation_key,
        of_event: element.kind.trigger().is_some(),
        definition_id: definition.row.id.clone(),
        created: subscription.since,
    }
}

/// As in Camunda 7 a tenant's signal comes to receivers of that tenant and of none, and one of no tenant to those of none only.
pub(super) fn signal_row(instance: &Instance, signal: mandate_engine::Signal, now: i64) -> Signal {
    Signal {
        id: uuid::Uuid::now_v7(),
        name: signal.name,
        tenants: SignalTenants::AndNone(instance.tenant().map(str::to_owned)),
        variables: crate::signals::to_json(&signal.variables),
        business_key: signal.business_key,
        hops: 1,
        at: now,
    }
}

pub(super) fn message_row(definition: &Definition, message: mandate_engine::Message, now: i64) -> Message {
    Message {
        id: uuid::Uuid::now_v7(),
        name: message.name,
        definition_id: definition.row.id.clone(),
        process: message.to.process.to_string(),
        element: message.to.element.map(|element| element.to_string()),
        business_key: message.business_key,
        correlation_key: message.correlation_key,
        variables: crate::signals::to_json(&message.variables),
        hops: 1,
        at: now,
    }
}

/// The number of an element, or of its body, among the rows of its definition's elements.
fn element_number(element: ElementIndex, body: bool) -> i64 {
    2 * i64::from(element.0) + i64::from(body)
}

/// What history says of the elements of a model, whose work these delegates do.
pub(crate) fn element_rows(model: &ProcessDefinition, doer: impl Fn(&Implementation) -> Option<(String, String)>) -> Vec<ElementRow> {
    let mut rows = Vec::new();
    for (index, element) in model.iter() {
        let delegate = match &element.kind {
            ElementKind::ServiceTask(task) => doer(&task.implementation),
            _ => None,
        };
        rows.push(ElementRow {
            n: element_number(index, false),
            activity_id: element.id.to_string(),
            name: element.name.clone(),
            kind: element.kind.activity_type().to_owned(),
            delegate,
        });
        if element.multi_instance.is_some() {
            let (activity_id, kind) = (body_id(&element.id), BODY_TYPE.to_owned());
            rows.push(ElementRow { n: element_number(index, true), activity_id, name: None, kind, delegate: None });
        }
    }
    rows
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn history_row(definition: &Definition, event: HistoryEvent, at: i64) -> HistoryRow {
    let model = &definition.model;
    match event {
        HistoryEvent::InstanceStarted { element } => {
            HistoryRow::InstanceStarted { start_activity: model.element(element).id.to_string(), at }
        }
        HistoryEvent::InstanceEnded { state, reason } => {
            let state = match state {
                mandate_engine::EndState::Completed => "COMPLETED",
                mandate_engine::EndState::ExternallyTerminated => "EXTERNALLY_TERMINATED",
                mandate_engine::EndState::InternallyTerminated => "INTERNALLY_TERMINATED",
            };
            let removal_at = definition.row.history_ttl.map(|days| at.saturating_add(days.saturating_mul(DAY_MS)));
            HistoryRow::InstanceEnded { state: state.to_owned(), reason, at, removal_at }
        }
        HistoryEvent::ActivityStarted { activity, parent, element, body } => {
            let element = definition.row.first_element + element_number(element, body);
            HistoryRow::ActivityStarted { n: number(activity.0), parent: number(parent.0), element, at }
        }
        HistoryEvent::ActivityEnded { activity, end } => HistoryRow::ActivityEnded {
            n: number(activity.0),
            canceled: end == ActivityEnd::Canceled,
            complete_scope: end == ActivityEnd::CompletedScope,
            at,
        },
        HistoryEvent::ProcessCalled { activity, instance } => HistoryRow::Called { n: number(activity.0), instance: instance.0 },
        HistoryEvent::VariableSet { scope, name, value } => HistoryRow::Variable {
            scope: number(scope.0),
            name,
            kind: crate::variable_type(value.kind).to_owned(),
            json: value.json.to_string(),
            removed: false,
            at,
        },
        HistoryEvent::VariableRemoved { scope, name } => {
            HistoryRow::Variable { scope: number(scope.0), name, kind: "Null".to_owned(), json: "null".to_owned(), removed: true, at }
        }
    }
}

/// Camunda 7's activity type of a multi-instance activity's body.
pub const BODY_TYPE: &str = "multiInstanceBody";

/// Camunda 7's activity id of the body of a multi-instance activity.
pub(crate) fn body_id(element: &str) -> String {
    format!("{element}#{BODY_TYPE}")
}

/// The activity id of an element where an activity instance stands at it: the body of a multi-instance activity has one of its own.
pub fn activity_id(definition: &Definition, instance: &Instance, activity: ActivityId, element: ElementIndex) -> String {
    let id = &definition.model.element(element).id;
    let at = instance.activity(activity).filter(|it| it.element == element);
    if at.is_some_and(|it| instance.is_body(&definition.model, it)) { body_id(id) } else { id.to_string() }
}

/// The public id of a number of an instance.
pub(crate) fn public(instance: &Instance, number: u64) -> String {
    PublicId { instance: instance.id(), number }.to_string()
}
