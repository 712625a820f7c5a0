//! The one loop.

use std::sync::Arc;

use mandate_feel::Value;
use mandate_model::{CatchTrigger, ElementIndex, ElementKind, Field, Implementation, ListenerEvent, ProcessDefinition, ROOT};

use crate::Code;
use crate::EntryKey;
use crate::admit::{self, Rejection};
use crate::call::{Ending, News};
use crate::effect::{DelegateCall, Effect, EndState, HistoryEvent, JobKind};
use crate::elements::{At, Next, WaitFor};
use crate::error::Thrown;
use crate::external_task::{Brought, Unable};
use crate::ids::{ActivityId, WaitId};
use crate::input::{Chain, DelegateOutcome, Failure, Input, TaskRevision};
use crate::instance::{Instance, Phase, State};
use crate::job::Jobs;
use crate::limits::{ELEMENTS_PER_STEP, MAX_STEPS};
use crate::listener::Occasion;
use crate::listener::gone::InstanceEnd;
use crate::modification;
use crate::moment::{Moment, Taken};
use crate::unit::{Call, Later, LaterKind, NO_WAIT, Token, Unit};
use crate::variable::{Variable, Variables};

/// Why a step gave no effects.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Stop {
    /// The input is refused and the instance is unchanged.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The unit of work cannot go on. The instance is spoiled: throw it away and fall back to the last stored one.
    #[error("{}: {}", .0.code, .0.message)]
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

/// Takes an instance one input further and says what must happen outside it, in order. `moment` is what it is told of the world: the time
/// in milliseconds since 1970-01-01 UTC and, where somebody asks for the step, their name.
///
/// Pure: the same arguments give the same answer, byte for byte. The definition must be the one that the instance was started with.
/// Ends when nothing can move any more, or with an [`Effect::CallDelegate`] that is to be answered by
/// [`Input::DelegateReturned`].
pub fn step<'a>(
    definition: &'a ProcessDefinition,
    instance: &'a mut Instance,
    input: Input,
    moment: impl Into<Moment<'a>>,
) -> Result<Vec<Effect>, Stop> {
    let taken = Taken::default();
    let moment = moment.into().counted(&taken);
    admit::check(definition, instance, &input)?;
    let unit = instance.unit.take().unwrap_or_else(|| Unit::new(origin(instance, &input)));
    let mut machine = Machine {
        definition,
        instance,
        now: moment.now,
        moment,
        unit,
        effects: Vec::new(),
        ending: Ending::default(),
        failed: None,
        parsed: None,
    };
    let moved = machine.perform(input).and_then(|()| machine.run());
    if taken.is_short() {
        let most = moment.bounds.expression_steps;
        let message =
            format!("the expressions of one unit of work take more than {most} steps; a loop that asks something dear each time?");
        return Err(Failure::never(Code::StepLimit, ROOT, message).into());
    }
    moved?;
    match machine.failed.take() {
        Some(failure) => Err(failure.into()),
        None => Ok(machine.finish()),
    }
}

/// What names the origin of an input's unit: the wait that it names, or what there is instead.
fn origin(instance: &Instance, input: &Input) -> WaitId {
    match input {
        Input::Deferred(input) => origin(instance, input),
        Input::Modify(_) => modification::origin(instance),
        // Activities and waits are numbered together.
        Input::BeginActivity { activity } => WaitId(activity.0),
        other => other.wait().unwrap_or(NO_WAIT),
    }
}

/// Who is called, with what the model gives it.
pub(crate) struct Callee {
    pub(crate) implementation: Implementation,
    pub(crate) fields: Vec<(String, String)>,
}

/// An instance in motion, with what the step has learned so far.
pub(crate) struct Machine<'a> {
    pub(crate) definition: &'a ProcessDefinition,
    pub(crate) instance: &'a mut Instance,
    pub(crate) now: i64,
    /// What the step is told of the world.
    pub(crate) moment: Moment<'a>,
    pub(crate) unit: Unit,
    pub(crate) effects: Vec<Effect>,
    /// How what is called ends when its call is cancelled.
    pub(crate) ending: Ending,
    /// Something that was cancelled could not be: the unit fails.
    pub(crate) failed: Option<Failure>,
    /// The text of the variable that was the last collection of several instances, and its elements.
    pub(crate) parsed: Option<(Arc<str>, Arc<Vec<Value>>)>,
}

impl<'a> Machine<'a> {
    /// Turns the input into moves. [`admit::check`] has seen to it that every wait it names is there.
    fn perform(&mut self, input: Input) -> Result<(), Failure> {
        match input {
            Input::Start { element, variables, chain } => self.start(element, variables, chain)?,
            Input::StartAt { variables, modification } => self.start_at(variables, modification)?,
            Input::Modify(modification) => {
                self.instance.modifications = self.instance.modifications.saturating_add(1);
                self.instance.modified_as = modification.key.or(self.instance.modified_as);
                self.modify(modification);
            }
            Input::RunJob { wait } => self.run_job(wait)?,
            Input::FailJob { wait, failure } => self.fail_job(wait, failure),
            Input::CompleteTask { wait, variables } => self.complete_task(wait, variables)?,
            Input::ClaimTask { wait, user } => self.revise_task(wait, TaskRevision::Assign { user: Some(user) })?,
            Input::ReviseTask { wait, revision } => self.revise_task(wait, revision)?,
            Input::ThrowFromTask { wait, code, message, variables } => self.throw_from_task(wait, Thrown { code, message, variables })?,
            Input::EscalateFromTask { wait, code, variables } => self.escalate_from_task(wait, code, variables)?,
            Input::CompleteExternalTask { wait, variables, local_variables } => {
                self.complete_external_task(wait, Brought { variables, local: local_variables })?;
            }
            Input::FailExternalTask { wait, message, details, retries, variables, local_variables } => {
                self.external_task_failed(wait, Unable { message, details, retries }, Brought { variables, local: local_variables })?;
            }
            Input::ThrowFromExternalTask { wait, code, message, variables } => {
                self.throw_from_external_task(wait, Thrown { code, message, variables })?;
            }
            Input::SetExternalTaskRetries { wait, retries } => self.set_external_task_retries(wait, retries),
            Input::SetExternalTaskPriority { wait, priority } => self.set_external_task_priority(wait, priority),
            Input::Signal { wait, variables } => self.receive(wait, variables, Variables::new())?,
            Input::Message { wait, variables, local_variables, triggered_variables } => {
                self.receive_message(wait, variables, local_variables, triggered_variables)?;
            }
            Input::DelegateReturned { outcome, .. } => self.delegate_returned(outcome)?,
            Input::SetVariables { scope, set, remove, local } => self.edit_variables(scope, set, &remove, local)?,
            Input::BeginActivity { activity } => self.choose(activity)?,
            Input::SetRetries { wait, retries, due } => self.set_retries(wait, retries, due),
            Input::SetDue { wait, due } => self.set_due(wait, due),
            Input::SetPriority { jobs, priority } => self.set_priority(&jobs, priority),
            Input::SuspendJobs { jobs, suspended } => self.suspend_jobs(&jobs, suspended),
            Input::RecalculateDue { wait, since_creation } => self.recalculate_due(wait, since_creation)?,
            Input::Suspend => self.set_suspended(true)?,
            Input::Activate => self.set_suspended(false)?,
            Input::Deferred(input) => {
                self.unit.defers = true;
                self.perform(*input)?;
            }
            Input::Called { wait, report, chain } => self.hear(wait, *report, chain)?,
            Input::EndCalled { ending } => self.end_called(ending),
            Input::Cancel { reason, skip_listeners } => self.cancel_instance(reason, skip_listeners),
        }
        Ok(())
    }

    fn start(&mut self, element: ElementIndex, variables: Variables, chain: Chain) -> Result<(), Failure> {
        let root = self.instance.root();
        self.started_by(element, &variables)?;
        self.open_instance(element, variables)?;
        let lineage = self.unit.lineage(self.instance.id, root);
        // `asyncBefore` on the start event defers the start just as well, unless the process itself has something to do before.
        let asynchronous = |element: &ElementIndex| self.definition.element(*element).async_before;
        let waits = asynchronous(&element) && self.begins_beside(element).all(|other| asynchronous(&other));
        // Of what is left to begin, conditional event sub-processes.
        self.unit.defers = chain.is_deferred();
        if chain.is_deferred() && (self.has_start_listeners() || !waits) {
            let activity = self.place(element, root, Phase::Before { by: None })?;
            return self.put_job(activity, element, JobKind::Start, self.now);
        }
        self.notify(root, Occasion::ProcessStart(Token { element, scope: root, by: None, taken: false, lineage }))
    }

    fn begins_beside(&self, element: ElementIndex) -> impl DoubleEndedIterator<Item = ElementIndex> + use<'a> {
        let begins = self.definition.element(ROOT).kind.scope().map_or(&[][..], |scope| &scope.begins);
        let together = begins.contains(&element);
        begins.iter().copied().filter(move |other| together && *other != element)
    }

    /// In a process without a start event, a token begins in each element that begins with it, but for the one that is on its way already.
    pub(crate) fn begin_beside(&mut self, element: ElementIndex) {
        let root = self.instance.root();
        let lineage = self.unit.lineage(self.instance.id, root);
        for other in self.begins_beside(element).rev() {
            let lineage = lineage.branch(&self.definition.element(other).id);
            self.unit.agenda.push(Token { element: other, scope: root, by: None, taken: false, lineage });
        }
    }

    /// A token begins in each of these elements of a scope: in the first first.
    pub(crate) fn begin_scope(&mut self, scope: ActivityId, begins: &[ElementIndex]) {
        let lineage = self.unit.lineage(self.instance.id, scope);
        for &element in begins.iter().rev() {
            let lineage = if begins.len() > 1 { lineage.branch(&self.definition.element(element).id) } else { lineage };
            self.unit.agenda.push(Token { element, scope, by: None, taken: false, lineage });
        }
    }

    /// The process itself begins, before its first token. Who starts it becomes a variable, null for nobody, unless the variables that it
    /// starts with say otherwise (Camunda `ExecutionEntity.initialize`, `PvmExecutionImpl.start`).
    pub(crate) fn open_instance(&mut self, element: ElementIndex, variables: Variables) -> Result<(), Failure> {
        let root = self.instance.root();
        self.instance.state = State::Active;
        self.instance.set_since(root, self.now);
        self.record(HistoryEvent::InstanceStarted { element });
        if let Some(name) = self.definition.initiator.as_ref().filter(|name| !variables.contains_key(*name)) {
            let user = Variable::from_json(&self.moment.user.into());
            self.set_variables_in(root, Variables::from([(name.clone(), user)]))?;
        }
        self.set_variables_in(root, variables)?;
        self.arm_event_sub_processes(root)
    }

    fn cancel_instance(&mut self, reason: Option<String>, skip_listeners: bool) {
        self.unit.skip_listeners = skip_listeners;
        self.ending = Ending { state: EndState::ExternallyTerminated, reason: reason.clone(), skip_listeners };
        self.unit.skip_io_mappings = true;
        self.cancel_children(self.instance.root());
        let news = Some(News::Deleted { reason: reason.clone() });
        self.end_when_told(InstanceEnd { news, state: EndState::ExternallyTerminated, reason });
    }

    fn delegate_returned(&mut self, outcome: DelegateOutcome) -> Result<(), Failure> {
        let call = self.unit.call.take().expect("admit::check found the outstanding call");
        if let Some((occasion, next)) = call.listener {
            return self.listener_returned(call.activity, occasion, next, outcome);
        }
        match outcome {
            DelegateOutcome::Completed { variables } => {
                self.deliver(call.activity, variables)?;
                // A delegate that does what a worker did in Camunda 7 is asked as the worker was.
                match self.worker_error(call.activity, None, Err)? {
                    Some(code) => self.throw_from_delegate(call.activity, Thrown { code, message: None, variables: Variables::new() }),
                    None => self.resume(call.activity),
                }
            }
            DelegateOutcome::BpmnError { code, message, variables } => {
                self.throw_from_delegate(call.activity, Thrown { code, message: Some(message), variables })
            }
        }
    }

    fn set_suspended(&mut self, suspended: bool) -> Result<(), Failure> {
        if !suspended {
            self.suspend_jobs(&Jobs::All, false);
        }
        if self.instance.suspended != suspended {
            self.instance.suspended = suspended;
            self.effects.push(Effect::SetSuspended(suspended));
            if !suspended {
                self.ask_after_suspension()?;
            }
        }
        Ok(())
    }

    /// Moves tokens until none can, depth first, as Camunda does: a branch runs until it waits before the next begins. Then the next
    /// instruction of a modification is carried out, and when there is none, inclusive joins that wait for nothing more go on.
    fn run(&mut self) -> Result<(), Failure> {
        while self.unit.call.is_none() {
            if let Some(element) = self.tell_next() {
                self.count_step(element).map_err(|failure| Failure {
                    message: format!(
                        "one unit of work cancels so many user tasks that delegates would be told more than {MAX_STEPS} times"
                    ),
                    ..failure
                })?;
                continue;
            }
            self.ask_conditions()?;
            if let Some(later) = self.unit.agenda.take_later() {
                self.count_step(ROOT)?;
                self.move_later(later)?;
                continue;
            }
            let Some(token) = self.unit.agenda.pop() else {
                if self.next_instruction()? || self.activate_inclusive()? {
                    continue;
                }
                break;
            };
            self.count_step(token.element)?;
            if token.by.is_some() && !token.taken {
                self.notify(token.scope, Occasion::Take(token))?;
            } else {
                self.enter(token)?;
            }
        }
        Ok(())
    }

    /// Each element that is entered counts, and each condition that is asked, each receiver of a signal and each delegate that is told of a
    /// cancelled task as well.
    pub(crate) fn count_step(&mut self, element: ElementIndex) -> Result<(), Failure> {
        self.unit.steps += 1;
        let most = self.moment.bounds.steps;
        if self.unit.steps > most {
            let message = format!("one unit of work entered more than {most} elements; a loop without a wait state?");
            return Err(Failure::never(Code::StepLimit, element, message));
        }
        Ok(())
    }

    /// Looks at many things at once, each of them far cheaper than an element that is entered, count as well ([`ELEMENTS_PER_STEP`]).
    pub(crate) fn count_looks(&mut self, looks: usize) {
        self.unit.steps = self.unit.steps.saturating_add(u32::try_from(looks / ELEMENTS_PER_STEP).unwrap_or(u32::MAX));
    }

    /// Each wait that is put off counts when its turn comes. More of them, with so many that are about to be, than there are steps left are
    /// too many already.
    pub(crate) fn check_waits(&self, more: usize) -> Result<(), Failure> {
        let most = self.moment.bounds.steps;
        if self.unit.agenda.waits() + more > most.saturating_sub(self.unit.steps) as usize {
            let message = format!(
                "one unit of work would ask conditions, or bring signals, more than {most} times; many variables set at once where many \
                 conditions wait?"
            );
            return Err(Failure::never(Code::StepLimit, ROOT, message));
        }
        Ok(())
    }

    /// The turn of something that was put off has come.
    fn move_later(&mut self, later: Later) -> Result<(), Failure> {
        let is_there = |activity: &ActivityId| self.instance.activities.contains_key(activity);
        match later.kind {
            LaterKind::Execute(activity) if is_there(&activity) => self.execute(activity),
            LaterKind::Resume(activity) if is_there(&activity) => self.resume(activity),
            LaterKind::PassOn(activity, flows) if is_there(&activity) => self.pass_on(activity, &flows),
            LaterKind::Begin(activity) if is_there(&activity) => self.begin_deferred(activity),
            LaterKind::EndScope(scope) if is_there(&scope) => self.end_scope_if_empty(scope),
            LaterKind::Execute(_) | LaterKind::Resume(_) | LaterKind::PassOn(..) | LaterKind::Begin(_) | LaterKind::EndScope(_) => Ok(()),
            LaterKind::Conditions(mut waits) => {
                let next = waits.pop_front();
                if !waits.is_empty() {
                    self.unit.do_later(LaterKind::Conditions(waits));
                }
                next.map_or(Ok(()), |wait| self.ask_condition(wait))
            }
            LaterKind::Signal { mut waits, variables } => {
                let next = waits.pop_front();
                let is_there = next.is_some_and(|wait| self.instance.subscriptions.contains_key(&wait));
                let received = variables.clone();
                if !waits.is_empty() {
                    self.unit.do_later(LaterKind::Signal { waits, variables });
                }
                next.filter(|_| is_there).map_or(Ok(()), |wait| self.receive_inside(wait, received))
            }
            LaterKind::EndInstance(end) => {
                self.end_when_told(*end);
                Ok(())
            }
        }
    }

    fn finish(mut self) -> Vec<Effect> {
        if self.unit.call.is_some() {
            self.instance.unit = Some(self.unit);
        } else {
            self.forget_transients();
            debug_assert!(self.unit.agenda.is_empty(), "the loop ends when nothing can move");
            if self.instance.state == State::Active {
                self.check_joins();
            }
            if self.instance.state == State::Ended && !self.effects.is_empty() {
                self.effects.push(Effect::End);
            }
        }
        self.effects
    }

    /// Lets an activity's element act for the first time. What an event-based gateway waited for in an element's place has happened.
    pub(crate) fn execute(&mut self, activity: ActivityId) -> Result<(), Failure> {
        if self.definition.is_awaited_by_gateway(self.instance.at(activity).element) {
            return self.resume(activity);
        }
        let at = At::new(self.definition, self.instance, activity, self.moment);
        let next = at.behaviour().enter(&at)?;
        self.act(activity, next)
    }

    /// Lets an activity's element go on: the wait it asked for is over. What changed with it is told to conditional events first.
    pub(crate) fn resume(&mut self, activity: ActivityId) -> Result<(), Failure> {
        if self.waits_for_more(activity) {
            return Ok(());
        }
        if self.asks_conditions_before(LaterKind::Resume(activity))? {
            return Ok(());
        }
        let at = At::new(self.definition, self.instance, activity, self.moment);
        let next = at.behaviour().resume(&at)?;
        self.act(activity, next)
    }

    /// Whether an activity's event is one that waits until several have happened, and not all of them have.
    fn waits_for_more(&self, activity: ActivityId) -> bool {
        let kind = &self.definition.element(self.instance.at(activity).element).kind;
        let all = matches!(kind, ElementKind::IntermediateCatchEvent(CatchTrigger::Multiple { all: true, .. }));
        all && self.instance.index.waits.contains_key(&activity)
    }

    /// Whether an activity is an intermediate timer that fires several times, and one of them is still to come.
    pub(crate) fn has_dates_left(&self, activity: ActivityId) -> bool {
        let kind = &self.definition.element(self.instance.at(activity).element).kind;
        matches!(kind, ElementKind::IntermediateCatchEvent(CatchTrigger::Timer(_))) && self.instance.index.waits.contains_key(&activity)
    }

    /// Does what an element said should happen next.
    fn act(&mut self, activity: ActivityId, next: Next) -> Result<(), Failure> {
        match next {
            Next::Wait(wait) => {
                self.arm_boundary_events(activity)?;
                self.arm_timeouts(activity)?;
                let task = if let WaitFor::Task { assignee, .. } = &wait { Some(assignee.is_some()) } else { None };
                self.wait(activity, self.instance.at(activity).element, wait)?;
                task.map_or(Ok(()), |assigned| self.notify(activity, Occasion::Create { assigned }))
            }
            Next::WaitForFirst(waits) => {
                for (event, wait) in waits {
                    self.wait(activity, event, wait)?;
                }
                self.ask_awaited_conditions(activity)
            }
            Next::Call(implementation) => {
                let element = self.instance.at(activity).element;
                let id = &self.definition.element(element).id;
                // The elements of an event with several definitions have one id: they are told apart by their order.
                let counted = self.definition.find(id).unwrap_or(element);
                let entry = self.unit.entry(self.instance.id, activity, counted, id);
                let fields = match &self.definition.element(element).kind {
                    ElementKind::ServiceTask(task) => self.fields(activity, element, &task.fields, None)?,
                    _ => Vec::new(),
                };
                self.call(activity, element, entry, Callee { implementation, fields }, None);
                Ok(())
            }
            Next::Set { name, value } => {
                let element = self.instance.at(activity).element;
                let set = self.set_variables(activity, Variables::from([(name, value)]));
                set.map_err(|failure| failure.at(element))?;
                self.resume(activity)
            }
            Next::Open(begins) => {
                self.arm_boundary_events(activity)?;
                self.arm_event_sub_processes(activity)?;
                self.begin_scope(activity, &begins);
                self.ask_event_sub_processes(activity)
            }
            Next::Choose(chosen) => {
                self.arm_boundary_events(activity)?;
                self.arm_event_sub_processes(activity)?;
                self.begin_ad_hoc(activity, &chosen)?;
                self.ask_event_sub_processes(activity)
            }
            Next::Repeat { instances } => {
                self.arm_boundary_events(activity)?;
                self.repeat(activity, instances)
            }
            Next::Join => self.arrive(activity),
            Next::Leave(flows) => self.leave(activity, &flows),
            Next::Terminate => self.terminate(activity),
            Next::Compensate { only } => self.compensate(activity, only),
            Next::Cancel => self.cancel_transaction(activity),
            Next::LeaveTransaction => self.leave_transaction(activity),
            Next::Escalate { code } => self.escalate(activity, code),
            Next::Signal(signal) => self.throw_signal(activity, signal),
            Next::Send(messages) => {
                if let ElementKind::MessageSend(send) = &self.definition.element(self.instance.at(activity).element).kind
                    && let (Some(carried), Some(key)) = (&send.correlation_key, messages.first().and_then(|it| it.correlation_key.as_ref()))
                {
                    self.sent_under(carried, activity, key)?;
                }
                self.effects.extend(messages.into_iter().map(Effect::SendMessage));
                self.resume(activity)
            }
            Next::Throw { code, message } => self.throw_from_event(activity, Thrown { code, message, variables: Variables::new() }),
        }
    }

    /// What a model gives a delegate, as an activity sees it when the delegate is called: for its task, or for a listener of this event.
    pub(crate) fn fields(
        &self,
        activity: ActivityId,
        element: ElementIndex,
        fields: &[Field],
        event: Option<ListenerEvent>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let at = At { event, ..At::new(self.definition, self.instance, activity, self.moment).attached(element) };
        let mut given = Vec::with_capacity(fields.len());
        for field in fields {
            let value = at.evaluate(&field.value)?;
            if !value.is_null() {
                let text = value.as_str().map_or_else(|| value.to_json().to_string(), str::to_owned);
                given.push((field.name.clone(), text));
            }
        }
        Ok(given)
    }

    /// Calls a delegate: a task's, or a listener's.
    pub(crate) fn call(
        &mut self,
        activity: ActivityId,
        element: ElementIndex,
        entry: EntryKey,
        Callee { implementation, fields }: Callee,
        listener: Option<(Occasion, u32)>,
    ) {
        let wait = WaitId(self.instance.number());
        let event = listener.as_ref().map(|(occasion, _)| occasion.event());
        let variables = match event {
            Some(ListenerEvent::Delete) => self.last_seen(activity),
            _ => self.instance.visible_variables(At::new(self.definition, self.instance, activity, self.moment).scope()),
        };
        self.unit.call = Some(Call { wait, activity, listener });
        self.effects.push(Effect::CallDelegate(DelegateCall {
            wait,
            activity,
            element,
            implementation,
            listener: event,
            entry,
            variables,
            fields,
            attempt: self.unit.attempt,
            retries_left: self.unit.retries_left,
        }));
    }

    pub(crate) fn record(&mut self, event: HistoryEvent) {
        self.effects.push(Effect::Record(event));
    }
}
