//! User tasks: claim, assign, complete.

use mandate_engine::{Input, PublicId, Variables, WaitId};

use crate::{Error, Runtime};

impl Runtime {
    /// Completes a user task and sets variables; the process goes on in the same unit of work.
    pub async fn complete_task(&self, task: PublicId, variables: Variables) -> Result<Variables, Error> {
        let state = self.0.api(task.instance, Input::CompleteTask { wait: WaitId(task.number), variables }).await?;
        Ok(state.instance.variables(state.instance.root()).cloned().unwrap_or_default())
    }

    /// Claims a task that nobody else has.
    pub async fn claim_task(&self, task: PublicId, user: String) -> Result<(), Error> {
        self.0.api(task.instance, Input::ClaimTask { wait: WaitId(task.number), user }).await.map(drop)
    }

    /// Sets or clears a task's assignee, whoever had it.
    pub async fn assign_task(&self, task: PublicId, assignee: Option<String>) -> Result<(), Error> {
        self.0.api(task.instance, Input::AssignTask { wait: WaitId(task.number), assignee }).await.map(drop)
    }

    /// The variables a task sees: its own and those of every enclosing scope.
    pub async fn task_variables(&self, task: PublicId) -> Result<Variables, Error> {
        let view = self.0.view(task.instance).await?;
        let found = view.instance.tasks().find(|open| open.wait == WaitId(task.number));
        let open = found.ok_or_else(|| Error::NotFound { what: "task", id: task.to_string() })?;
        Ok(view.instance.visible_variables(open.activity))
    }
}
