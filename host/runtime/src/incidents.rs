//! What an incident tells an operator beyond its message: who was affected, what was sent, what may safely be done.

use std::collections::VecDeque;

use mandate_engine::{Code, Failure, Incident, Instance, InstanceId};
use mandate_model::ElementIndex;
use mandate_store::{Delivery, LedgerState, Origin, Receiver, Sent};

use serde::{Deserialize, Serialize};

use crate::definitions::Definition;
use crate::{Error, Inner};

/// Commands in either list of a detail, the latest: the store takes a megabyte of detail, and a detail that it refuses is no incident. The
/// ledger has all of them.
const MAX_LISTED: usize = 500;

/// The detail that is stored with an incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentDetail {
    /// The instance's tenant.
    pub tenant: Option<String>,
    /// The instance; none of a signal that was to start one.
    pub process_instance_id: Option<String>,
    /// Its business key.
    pub business_key: Option<String>,
    /// The definition's key.
    pub process_definition_key: String,
    /// Its version.
    pub process_definition_version: i64,
    /// Its version tag.
    pub version_tag: Option<String>,
    /// The BPMN element at which it stands: of the job, the external task or the join.
    pub activity_id: String,
    /// The BPMN element that failed, to which the job has led; none: nothing has.
    pub failed_activity_id: Option<String>,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// The kind of trouble.
    pub code: String,
    /// The last message.
    pub message: String,
    /// The delegate bound to the element that failed, when it is a service task.
    pub delegate: Option<String>,
    /// Its component's digest.
    pub delegate_digest: Option<String>,
    /// Commands that were applied since the last wait, the latest 500: they are done and answer from the ledger on a retry.
    pub commands_applied: Vec<CommandSeen>,
    /// Commands whose outcome is unknown or open, the latest 500.
    pub commands_unknown: Vec<CommandSeen>,
    /// When a retry is safe.
    pub retry: String,
    /// What to do next.
    pub next: String,
    /// Where to read on.
    pub documentation: String,
}

/// A command in the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommandSeen {
    /// Its name.
    pub command: String,
    /// Its key.
    pub key: String,
    /// The attempt.
    pub attempt: i64,
}

impl Inner {
    /// The detail of an incident that a unit of work raises, as JSON.
    pub(crate) async fn explain(
        &self,
        definition: &Definition,
        instance: &Instance,
        incident: &Incident,
        origin: Origin,
    ) -> Result<String, Error> {
        let (commands_applied, commands_unknown) = self.since_wait(instance.id(), origin).await?;
        let binding = definition.doer(incident.failed.unwrap_or(incident.element));
        let (retry, next) = advice(incident.code);
        let detail = IncidentDetail {
            tenant: instance.tenant().map(str::to_owned),
            process_instance_id: Some(instance.id().to_string()),
            business_key: instance.business_key().map(str::to_owned),
            process_definition_key: definition.row.key.clone(),
            process_definition_version: definition.row.version,
            version_tag: definition.row.version_tag.clone(),
            activity_id: crate::unit::activity_id(definition, instance, incident.activity, incident.element),
            failed_activity_id: incident.failed.map(|failed| definition.model.element(failed).id.to_string()),
            attempt: incident.attempt,
            code: incident.code.as_str().to_owned(),
            message: incident.message.clone(),
            delegate: binding.map(|binding| format!("{}@{}", binding.delegate, binding.version)),
            delegate_digest: binding.map(|binding| binding.digest.clone()),
            commands_applied,
            commands_unknown,
            retry: retry.to_owned(),
            next: next.to_owned(),
            documentation: format!("docs/incidents.md#{}", incident.code.as_str().to_lowercase()),
        };
        Ok(serde_json::to_string(&detail).expect("texts and numbers always serialise"))
    }

    /// The detail of a signal that was given up, as JSON.
    pub(crate) async fn explain_undelivered(
        &self,
        definition: &Definition,
        delivery: &Delivery,
        attempt: u32,
        failed: Option<ElementIndex>,
        message: &str,
    ) -> Result<String, Error> {
        let (mut row, mut commands) = (None, (Vec::new(), Vec::new()));
        if let Receiver::Wait { instance, wait, .. } = delivery.receiver {
            row = self.store.load_instance(instance).await?;
            commands = self.since_wait(InstanceId(instance), Origin::Subscription(wait)).await?;
        }
        let (retry, next) = advice(Code::Undelivered);
        let detail = IncidentDetail {
            tenant: row.as_ref().map_or_else(|| definition.row.tenant.clone(), |row| row.tenant.clone()),
            process_instance_id: row.as_ref().map(|row| row.id.to_string()),
            business_key: row.map_or_else(|| delivery.business_key.clone(), |row| row.business_key),
            process_definition_key: definition.row.key.clone(),
            process_definition_version: definition.row.version,
            version_tag: definition.row.version_tag.clone(),
            activity_id: delivery.activity_id.clone(),
            failed_activity_id: Some(
                failed.map_or_else(|| delivery.activity_id.clone(), |failed| definition.model.element(failed).id.to_string()),
            ),
            attempt,
            code: Code::Undelivered.as_str().to_owned(),
            message: message.to_owned(),
            delegate: None,
            delegate_digest: None,
            commands_applied: commands.0,
            commands_unknown: commands.1,
            retry: retry.to_owned(),
            next: next.to_owned(),
            documentation: format!("docs/incidents.md#{}", Code::Undelivered.as_str().to_lowercase()),
        };
        Ok(serde_json::to_string(&detail).expect("texts and numbers always serialise"))
    }

    /// Commands that units resuming this wait have sent: those that were applied, and those of which it is not known.
    async fn since_wait(&self, instance: InstanceId, origin: Origin) -> Result<(Vec<CommandSeen>, Vec<CommandSeen>), Error> {
        let (mut applied, mut unknown) = (VecDeque::new(), VecDeque::new());
        for sent in self.store.ledger_sent(instance.0, origin).await? {
            note(if sent.state == LedgerState::Applied { &mut applied } else { &mut unknown }, sent);
        }
        Ok((applied.into(), unknown.into()))
    }
}

/// The detail of a timer start event that was given up, as JSON. Its start has sent nothing: an instance is stored before its first
/// command.
pub(crate) fn explain_start_timer(definition: &Definition, activity_id: &str, attempt: u32, failure: &Failure) -> String {
    let binding = failure.element.and_then(|failed| definition.doer(failed));
    let (retry, next) = advice(failure.code);
    let detail = IncidentDetail {
        tenant: definition.row.tenant.clone(),
        process_instance_id: None,
        business_key: None,
        process_definition_key: definition.row.key.clone(),
        process_definition_version: definition.row.version,
        version_tag: definition.row.version_tag.clone(),
        activity_id: activity_id.to_owned(),
        failed_activity_id: failure.element.map(|failed| definition.model.element(failed).id.to_string()),
        attempt,
        code: failure.code.as_str().to_owned(),
        message: failure.message.clone(),
        delegate: binding.map(|binding| format!("{}@{}", binding.delegate, binding.version)),
        delegate_digest: binding.map(|binding| binding.digest.clone()),
        commands_applied: Vec::new(),
        commands_unknown: Vec::new(),
        retry: retry.to_owned(),
        next: next.to_owned(),
        documentation: format!("docs/incidents.md#{}", failure.code.as_str().to_lowercase()),
    };
    serde_json::to_string(&detail).expect("texts and numbers always serialise")
}

fn note(list: &mut VecDeque<CommandSeen>, sent: Sent) {
    if list.len() == MAX_LISTED {
        list.pop_front();
    }
    list.push_back(CommandSeen { command: sent.command, key: sent.key, attempt: sent.attempt });
}

/// When a retry is safe, and what to do next.
fn advice(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::ExpressionFailed => ("after the variables it reads are corrected", "correct the variables, then retry the job"),
        Code::NoFlowTaken => (
            "after the variables its conditions read are corrected",
            "correct the variables, then retry the job; add a default flow in the next version",
        ),
        Code::UnhandledBpmnError => (
            "always, but the same request after a rejection answers from the ledger: after the variables that it depends on are corrected",
            "correct the variables and retry the job, or delete the instance and start it again; catch the error in the next version",
        ),
        Code::TimerInvalid => ("after the variable it reads is corrected", "set an ISO 8601 date or duration, then retry the job"),
        Code::JoinCannotComplete => (
            "never: no retry can bring the missing token",
            "start what is missing by a modification, or delete the instance and start it again",
        ),
        Code::StepLimit | Code::ActivityLimit => {
            ("after the model's loop is understood", "look for a loop without a wait; correct variables or delete the instance")
        }
        Code::VariableLimit => (
            "always, but it helps only if what comes back is smaller",
            "keep aggregates in the domain service and identifiers in variables",
        ),
        Code::DelegateFailed => {
            ("always: commands that were applied answer from the ledger", "read the message, repair the cause, then retry the job")
        }
        Code::DelegateTrapped | Code::DelegateAnswerInvalid => {
            ("always, though it will likely fail again", "report it to the delegate's authors with the digest")
        }
        Code::DelegateLimitExceeded => (
            "always: commands that were applied answer from the ledger",
            "look whether the input is unusually large; raise the limit in the next version",
        ),
        Code::DelegateUnavailable => (
            "always: nothing was called",
            "run `mandate check-store`; the component's bytes are missing or damaged, or no component that this version runs",
        ),
        Code::CommandRefused => (
            "after the operator grants the command or the delegate is corrected",
            "compare the delegate's mandate with the catalogue's grants",
        ),
        Code::CommandUnavailable => (
            "always: this command was not applied, and others answer from the ledger; best as soon as the domain service answers again",
            "look at the domain service, then retry the job",
        ),
        Code::CommandOutcomeUnknown => (
            "where the catalogue can reconcile it or the service honours the key, or after a verdict: nothing is sent before",
            "ask the domain service whether the command was applied, say so with `mandate verdict` (`mandate show` prints it in full), then \
             retry the job",
        ),
        Code::CommandKeyConflict => (
            "after the variables are put back to what was sent, or after the verdict that what was sent is not applied",
            "compare the two requests in the message; undo the first one in the domain service if it was wrong",
        ),
        Code::CommandLeftBehind => (
            "after the instance is brought back to where the unit comes to that command again: it then answers from the ledger",
            "cancel what was started meanwhile or put the variables back, then retry the job; or undo the command in the domain service, cancel what \
             waits here, and start what is to follow by a modification",
        ),
        Code::Undelivered => (
            "always: commands that were applied answer from the ledger",
            "read the message and repair the cause in the receiver, then give the job retries or execute it; or delete the job, and the receiver never gets \
             the signal",
        ),
        Code::RetriesSetToZero => ("whenever whoever stopped the job says so", "give the job retries again to let it run"),
        Code::ExternalTaskFailed => (
            "as soon as a worker can do the task: it is given to one again",
            "read the message and the worker's error details, repair the cause, then give the external task retries",
        ),
        Code::CallFailed => (
            "as soon as the process is deployed or active again: nothing was called",
            "read the message; deploy the process, activate its definition, or correct the variable that names it, then retry the job",
        ),
        Code::CallDepth => (
            "after the model or the variables that make processes call each other are corrected",
            "look for a process that calls itself without an end; delete the instance at the root",
        ),
        Code::ModificationRefused => {
            ("never as it stands: nothing was stored", "look at the tree of activity instances, and correct the instructions")
        }
        Code::InternalError => {
            ("always: commands that were applied answer from the ledger", "report it to Mandate's authors with the host's log")
        }
        Code::HostDied => {
            ("after it is clear that this job is not what kills hosts", "look at the hosts' logs and memory, then retry the job")
        }
    }
}
