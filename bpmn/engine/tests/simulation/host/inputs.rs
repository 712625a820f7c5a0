//! What happens to an instance, at random.

use mandate_engine::limits::MAX_INLINE_VARIABLE_BYTES;
use mandate_engine::{ActivityId, Chain, DelegateOutcome, Ending, Input, Jobs, TaskRevision, Variable, Variables, WaitId};

use mandate_model::{Element, ElementIndex, ElementKind, ROOT};

use super::{Host, x};
use crate::events::happened;
use crate::modification::{random_beginning, random_modification};

impl Host<'_> {
    /// At any of the start events or, in a process without any, where it begins.
    pub(super) fn start(&mut self, chain: Chain) -> Input {
        let starts = |(_, it): &(ElementIndex, &Element)| matches!(it.kind, ElementKind::StartEvent(_)) && it.parent == Some(ROOT);
        let starts: Vec<_> = self.definition.iter().filter(starts).map(|(index, _)| index).collect();
        let element = self.random.pick(&starts).copied().or(self.definition.start()).expect("each model begins somewhere");
        Input::Start { element, variables: x(0), chain }
    }

    pub(super) fn random_input(&mut self) -> Input {
        if !self.rows.started && !self.random.one_in(10) {
            if self.random.one_in(8) && !self.is_left_alone {
                let modification = random_beginning(self.definition, &self.load(), &mut self.random);
                return Input::StartAt { variables: x(0), modification };
            }
            let chain = Chain::deferred_if(self.random.one_in(3));
            return self.start(chain);
        }
        let wait = self.random_wait();
        let mut variables = x(self.random.below(4));
        if self.random.one_in(8) {
            // Around the size from which a variable is stored apart.
            let size = self.random.below(2 * MAX_INLINE_VARIABLE_BYTES);
            variables.insert("large".to_owned(), Variable::from_json(&"x".repeat(size).into()));
        }
        match self.random.below(40) {
            0 => Input::Suspend,
            1..=3 => self.perhaps_deferred(Input::Activate),
            4 => {
                let (scope, local) = (ActivityId(1 + self.random.next() % 5), self.random.one_in(2));
                self.perhaps_deferred(Input::SetVariables { scope, set: variables, remove: vec!["seen".into()], local })
            }
            5 => match self.random.below(6) {
                2 => Input::SuspendJobs { jobs: self.jobs(wait), suspended: self.random.one_in(2) },
                3 => Input::SetPriority { jobs: self.jobs(wait), priority: 7 },
                0 => Input::SetDue { wait, due: self.now + 50_000 },
                1 => Input::RecalculateDue { wait, since_creation: self.random.one_in(2) },
                _ => Input::SetRetries {
                    wait,
                    retries: u32::try_from(self.random.below(3)).expect("it is small"),
                    due: Some(self.now + 1_000).filter(|_| self.random.below(5) == 0),
                },
            },
            6 => Input::ClaimTask { wait, user: "ann".into() },
            7 => Input::ReviseTask { wait, revision: self.revision() },
            8 => Input::FailJob { wait, failure: self.failure() },
            9 | 15..=17 if self.is_left_alone => Input::RunJob { wait },
            9 if self.random.one_in(8) => Input::Cancel { reason: None, skip_listeners: self.random.one_in(4) },
            17 if self.random.one_in(8) => Input::EndCalled { ending: Ending::default() },
            10 => self.start(Chain::AtOnce),
            15 | 16 => Input::Modify(random_modification(self.definition, &self.load(), &mut self.random)),
            18 | 19 => {
                let begin = Input::BeginActivity { activity: self.enabled().unwrap_or(ActivityId(wait.0)) };
                self.perhaps_deferred(begin)
            }
            11 => Input::DelegateReturned { wait, outcome: DelegateOutcome::Completed { variables } },
            n if self.rows.tasks.contains_key(&wait) || n == 12 => self.answer(wait, perhaps_passing(wait, variables)),
            n if self.catches.contains_key(&wait) || n == 18 => self.news(wait, variables),
            n if self.rows.external_tasks.contains_key(&wait) || n == 14 => self.work(wait, perhaps_passing(wait, variables)),
            13 => Input::Message { wait, variables, local_variables: Variables::new(), triggered_variables: Variables::new() },
            17 => Input::Signal { wait, variables },
            _ if self.rows.subscriptions.contains_key(&wait) => {
                let local_variables = if self.random.one_in(3) { x(self.random.below(4)) } else { Variables::new() };
                happened(&self.rows.subscriptions[&wait], variables, local_variables)
            }
            _ => Input::RunJob { wait },
        }
    }

    /// One job, those of one place of the model, or all.
    fn jobs(&mut self, wait: WaitId) -> Jobs {
        let instance = self.load();
        let origin = || instance.origin(self.definition, instance.job(wait)?);
        match self.random.below(3) {
            0 => Jobs::One(wait),
            1 => origin().map_or(Jobs::All, Jobs::Of),
            _ => Jobs::All,
        }
    }

    /// What ends no wait may be deferred.
    fn perhaps_deferred(&mut self, input: Input) -> Input {
        if self.random.one_in(2) { Input::Deferred(Box::new(input)) } else { input }
    }

    /// What a person changes of a user task.
    fn revision(&mut self) -> TaskRevision {
        let user = Some("bob".to_owned()).filter(|_| self.random.one_in(2));
        match self.random.below(5) {
            0 => TaskRevision::Delegate { user },
            1 => TaskRevision::Resolve { variables: x(self.random.below(4)) },
            2 => TaskRevision::AddCandidateGroup("ops".into()),
            3 => TaskRevision::RemoveCandidateGroup("ops".into()),
            _ => TaskRevision::Assign { user },
        }
    }

    /// What a person makes of a user task.
    fn answer(&mut self, wait: WaitId, variables: Variables) -> Input {
        let code = ["E1", "E2", "E3"][self.random.below(3)].to_owned();
        match self.random.below(10) {
            0 => Input::ThrowFromTask { wait, code, message: None, variables },
            1 => {
                let code = ["X1", "X2", "X3"][self.random.below(3)].to_owned();
                Input::EscalateFromTask { wait, code, variables }
            }
            _ => Input::CompleteTask { wait, variables },
        }
    }

    /// What a worker, or an operator, makes of an external task.
    fn work(&mut self, wait: WaitId, variables: Variables) -> Input {
        let local_variables = if self.random.one_in(3) { x(self.random.below(4)) } else { Variables::new() };
        match self.random.below(8) {
            0 | 1 => {
                let retries = u32::try_from(self.random.below(3)).expect("it is small");
                let message = Some("it broke".to_owned()).filter(|_| self.random.one_in(2));
                Input::FailExternalTask { wait, details: message.clone(), message, retries, variables, local_variables }
            }
            2 => {
                let code = ["E1", "E2", "E3"][self.random.below(3)].to_owned();
                Input::ThrowFromExternalTask { wait, code, message: None, variables }
            }
            3 => Input::SetExternalTaskRetries { wait, retries: u32::try_from(self.random.below(3)).expect("it is small") },
            4 if self.random.one_in(2) => Input::SetExternalTaskPriority { wait, priority: 9 },
            _ => Input::CompleteExternalTask { wait, variables, local_variables },
        }
    }

    /// Mostly a wait that is there, sometimes one that is over, sometimes none that ever was.
    pub(super) fn random_wait(&mut self) -> WaitId {
        let rows = &self.rows;
        let open = rows
            .jobs
            .keys()
            .chain(rows.tasks.keys())
            .chain(rows.external_tasks.keys())
            .chain(rows.subscriptions.keys())
            .chain(rows.calls.keys());
        let open: Vec<_> = open.copied().collect();
        let past: Vec<_> = self.waits.iter().copied().collect();
        let from = if self.random.one_in(6) { &past } else { &open };
        self.random.pick(from).copied().unwrap_or(WaitId(self.random.next() % 50))
    }
}

/// Now and then with one more that is there for the unit only: nothing that is stored may have it.
fn perhaps_passing(wait: WaitId, mut variables: Variables) -> Variables {
    if wait.0.is_multiple_of(3) {
        variables.insert("passing".to_owned(), Variable { transient: true, ..Variable::from_json(&1.into()) });
    }
    variables
}
