//! User tasks: claim, change, answer, complete.

use mandate_engine::{Input, PublicId, Task, TaskRevision, Variables, WaitId};

use crate::{Error, InstanceView, Runtime};

impl Runtime {
    /// Completes a user task and sets variables; the process goes on in the same unit of work.
    pub async fn complete_task(&self, task: PublicId, variables: Variables) -> Result<Variables, Error> {
        let state = self.operate(task.instance, Input::CompleteTask { wait: WaitId(task.number), variables }).await?;
        Ok(state.instance.variables(state.instance.root()).cloned().unwrap_or_default())
    }

    /// Claims a task that nobody else has.
    pub async fn claim_task(&self, task: PublicId, user: String) -> Result<(), Error> {
        self.operate(task.instance, Input::ClaimTask { wait: WaitId(task.number), user }).await.map(drop)
    }

    /// Changes a task by hand.
    pub async fn revise_task(&self, task: PublicId, revision: TaskRevision) -> Result<(), Error> {
        self.operate(task.instance, Input::ReviseTask { wait: WaitId(task.number), revision }).await.map(drop)
    }

    /// Answers a task with a BPMN error. Rejected if nothing catches it.
    pub async fn throw_from_task(&self, task: PublicId, code: String, message: Option<String>, variables: Variables) -> Result<(), Error> {
        let input = Input::ThrowFromTask { wait: WaitId(task.number), code, message, variables };
        self.operate(task.instance, input).await.map(drop)
    }

    /// Reports an escalation from a task, which stays unless it is interrupted. Rejected if nothing catches it.
    pub async fn escalate_from_task(&self, task: PublicId, code: String, variables: Variables) -> Result<(), Error> {
        let input = Input::EscalateFromTask { wait: WaitId(task.number), code, variables };
        self.operate(task.instance, input).await.map(drop)
    }

    /// An open task, and its instance.
    pub async fn task_view(&self, task: PublicId) -> Result<(InstanceView, Task), Error> {
        let missing = || Error::NotFound { what: "task", id: task.to_string() };
        let view = self.0.view(task.instance).await?;
        let open = view.instance.task(WaitId(task.number)).cloned().ok_or_else(missing)?;
        Ok((view, open))
    }

    /// The variables a task sees: its own and those of every enclosing scope.
    pub async fn task_variables(&self, task: PublicId) -> Result<Variables, Error> {
        let (view, task) = self.task_view(task).await?;
        Ok(view.instance.visible_variables(task.scope()))
    }
}
