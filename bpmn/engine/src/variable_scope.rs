//! Scopes of variables: activity instances and, inside of one, its user task.
//!
//! As in Camunda 7 (`TaskEntity`) a user task that is open is a scope of its own, under its own number, which no activity has: what is set
//! in it (`/task/{id}/localVariables`) is seen by whoever looks at the task, by its listeners and its form, and by nothing else of the
//! instance. It is gone with the task. What comes with the completed task is its activity's, whatever the task has of that name.

use std::sync::Arc;

use mandate_model::{ElementIndex, ElementKind};

use crate::effect::Task;
use crate::elements::At;
use crate::ids::{ActivityId, WaitId};
use crate::instance::Instance;
use crate::variable::{Variable, Variables};

impl Task {
    /// The number of its scope.
    pub fn scope(&self) -> ActivityId {
        // Activities and waits are numbered together.
        ActivityId(self.wait.0)
    }
}

impl Instance {
    /// A scope's local variables; none if there is no such scope.
    pub fn variables(&self, scope: ActivityId) -> Option<&Variables> {
        match self.task_of(scope) {
            Some(task) => Some(&task.variables),
            None => self.activities.get(&scope).map(|activity| &activity.variables),
        }
    }

    /// What an expression sees in a scope: its variables and those of all enclosing scopes, the inner before the outer. Empty if there is
    /// no such scope.
    pub fn visible_variables(&self, scope: ActivityId) -> Variables {
        let mut visible = self.task_of(scope).map(|task| task.variables.clone()).unwrap_or_default();
        for activity in self.outward(self.activity_of(scope)) {
            for (name, value) in &activity.variables {
                if !visible.contains_key(name) {
                    visible.insert(name.clone(), value.clone());
                }
            }
        }
        visible
    }

    /// What a name means in a scope.
    pub fn visible_variable(&self, scope: ActivityId, name: &str) -> Option<&Variable> {
        let of_task = self.task_of(scope).and_then(|task| task.variables.get(name));
        of_task.or_else(|| self.outward(self.activity_of(scope)).find_map(|activity| activity.variables.get(name)))
    }

    /// The nearest scope, from the inside out, that has a variable.
    pub(crate) fn holder(&self, from: ActivityId, name: &str) -> Option<ActivityId> {
        let of_task = self.task_of(from).filter(|task| task.variables.contains_key(name));
        let holder = || self.outward(self.activity_of(from)).find(|activity| activity.variables.contains_key(name));
        of_task.map(Task::scope).or_else(|| holder().map(|activity| activity.id))
    }

    /// Whether variables of a scope may be changed: an activity that history knows as live, or an open task.
    pub(crate) fn is_open_scope(&self, scope: ActivityId) -> bool {
        self.task_of(scope).is_some() || self.activities.get(&scope).is_some_and(|it| it.phase.is_live())
    }

    /// The element of a scope: of a task its activity's.
    pub(crate) fn element_of(&self, scope: ActivityId) -> ElementIndex {
        self.at(self.activity_of(scope)).element
    }

    /// Sets or, with none, removes a local variable; the limits are the caller's.
    pub(crate) fn set_local(&mut self, scope: ActivityId, name: &str, value: Option<Variable>) -> bool {
        if let Some(task) = self.tasks.get_mut(&WaitId(scope.0)) {
            let before = exchange(&mut Arc::make_mut(task).variables, name, value.clone());
            self.index.exchange_bytes(name, before.as_ref(), value.as_ref());
            return before.is_some();
        }
        let activity = Arc::make_mut(self.activities.get_mut(&scope).expect("the caller found it in the tree"));
        if let Some(value) = &value {
            self.index.add_variable(name, value);
        }
        let before = exchange(&mut activity.variables, name, value);
        if let Some(before) = &before {
            self.index.remove_variable(name, before);
        }
        before.is_some()
    }

    pub(crate) fn task_of(&self, scope: ActivityId) -> Option<&Task> {
        self.tasks.get(&WaitId(scope.0)).map(Arc::as_ref)
    }

    /// The activity of a scope.
    fn activity_of(&self, scope: ActivityId) -> ActivityId {
        self.task_of(scope).map_or(scope, |task| task.activity)
    }
}

impl At<'_> {
    /// The scope that the element looks at first: while its user task is open that of the task, else the activity.
    pub(crate) fn scope(&self) -> ActivityId {
        if !matches!(self.element().kind, ElementKind::UserTask(_)) {
            return self.activity;
        }
        let task = self.waits().find_map(|wait| self.instance.tasks.get(&wait)).filter(|task| task.element == self.index);
        task.map_or(self.activity, |task| task.scope())
    }
}

fn exchange(variables: &mut Variables, name: &str, value: Option<Variable>) -> Option<Variable> {
    match value {
        Some(value) => variables.insert(name.to_owned(), value),
        None => variables.remove(name),
    }
}
