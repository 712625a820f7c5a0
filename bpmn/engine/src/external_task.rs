//! What workers make of external tasks. Traces: `elements/external_task.rs`.
//!
//! A task may say which reports are BPMN errors (Camunda 7, "External Task Error Event Definition"): when it is completed, and when it
//! fails, its expressions are asked in their order once the variables are set that came along, and the first that is true throws its error
//! as if the worker had (Camunda `ExternalTaskEntity.evaluateThrowBpmnError`). One that nothing catches leaves the task where it is, with
//! an incident.

use std::sync::Arc;

use mandate_feel::Value;
use mandate_model::{ElementKind, ServiceTask, WorkerError};

use crate::elements::At;
use crate::error::Thrown;
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::step::Machine;
use crate::variable::Variables;

/// What comes with a worker's report.
pub(crate) struct Brought {
    pub(crate) variables: Variables,
    /// Variables of the task's own.
    pub(crate) local: Variables,
}

/// Why a worker could not do a task.
pub(crate) struct Unable {
    pub(crate) message: Option<String>,
    /// Shown to the task's expressions; they are kept in its row, and not here.
    pub(crate) details: Option<String>,
    /// Attempts left.
    pub(crate) retries: u32,
}

impl Machine<'_> {
    /// The task is done, unless an expression says that this is an error. One that cannot be evaluated fails the unit.
    pub(crate) fn complete_external_task(&mut self, wait: WaitId, brought: Brought) -> Result<(), Failure> {
        let activity = self.instance.external_tasks[&wait].activity;
        if self.worker_errors(activity).is_empty() {
            self.resolve_incident_of(wait);
            self.remove_wait(activity, wait);
            self.bring(activity, brought)?;
            return self.resume(activity);
        }
        self.bring(activity, brought)?;
        if let Some(error) = self.worker_error(activity, None, Err)? {
            self.throw_worker_error(wait, error)?;
            // Where nothing catches it the wait stays, and is answered again: what conditions begin sends its commands from jobs of its
            // own.
            self.unit.defers |= self.instance.external_tasks.contains_key(&wait);
            return Ok(());
        }
        self.resolve_incident_of(wait);
        self.remove_wait(activity, wait);
        self.resume(activity)
    }

    /// The task could not be done, unless an expression says that this is an error. As in Camunda 7 one that cannot be evaluated says
    /// nothing.
    pub(crate) fn external_task_failed(&mut self, wait: WaitId, unable: Unable, brought: Brought) -> Result<(), Failure> {
        let Unable { message, details, retries } = unable;
        let activity = self.instance.external_tasks[&wait].activity;
        if self.definition.has_conditions {
            // The wait may stay and be answered again: what conditions begin has other keys then.
            self.unit.answer = self.instance.external_tasks[&wait].failures.saturating_add(1);
        }
        self.bring(activity, brought)?;
        if !self.worker_errors(activity).is_empty() {
            let task = self.instance.external_tasks.get_mut(&wait).expect("admit::check found the external task");
            Arc::make_mut(task).failure.clone_from(&message);
            if let Some(error) = self.worker_error(activity, details.as_deref(), |_| Ok(false))? {
                return self.throw_worker_error(wait, error);
            }
        }
        self.fail_external_task(wait, message, retries);
        Ok(())
    }

    /// The errors that a task's reports may be.
    fn worker_errors(&self, activity: ActivityId) -> &[WorkerError] {
        match &self.definition.element(self.instance.at(activity).element).kind {
            ElementKind::ServiceTask(ServiceTask { errors, .. }) => errors,
            _ => &[],
        }
    }

    /// The code of the error that a report is, if it is one: only true is true. `fallback` says what an expression is that cannot be
    /// evaluated.
    pub(crate) fn worker_error(
        &self,
        activity: ActivityId,
        details: Option<&str>,
        fallback: fn(Failure) -> Result<bool, Failure>,
    ) -> Result<Option<String>, Failure> {
        let at = At::new(self.definition, self.instance, activity, self.moment).with_error_details(details);
        for error in self.worker_errors(activity) {
            let is_true = |value| value == Value::Boolean(true);
            if at.evaluate(&error.condition).map(is_true).or_else(fallback)? {
                return Ok(Some(error.code.clone()));
            }
        }
        Ok(None)
    }

    fn throw_worker_error(&mut self, wait: WaitId, code: String) -> Result<(), Failure> {
        let message = self.instance.external_tasks[&wait].failure.clone();
        self.throw_from_external_task(wait, Thrown { code, message, variables: Variables::new() })
    }

    fn bring(&mut self, activity: ActivityId, Brought { variables, local }: Brought) -> Result<(), Failure> {
        self.deliver(activity, variables)?;
        self.set_variables_in(activity, local)
    }
}
