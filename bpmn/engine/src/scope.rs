//! Entering, leaving, cancelling and ending activities and the scopes around them.

use mandate_model::{ElementIndex, FlowIndex};

use crate::Code;
use crate::call::News;
use crate::compensation::is_throwing;
use crate::effect::{ActivityEnd, EndState, HistoryEvent, JobKind};
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Body, Phase, Role, State};
use crate::limits::{MAX_SCOPE_ACTIVITIES, MAX_SCOPE_DEPTH};
use crate::lineage::Lineage;
use crate::listener::Occasion;
use crate::step::Machine;
use crate::unit::{LaterKind, Token};
use crate::variable::Variables;

impl Machine<'_> {
    /// A token comes to an element: it waits before it for a job (`asyncBefore`) or goes in.
    pub(crate) fn enter(&mut self, token: Token) -> Result<(), Failure> {
        if let Role::Body(body) = self.instance.at(token.scope).role {
            return self.begin_instance(token, body);
        }
        let brought = self.unit.brought.iter().position(|(scope, element, _)| (*scope, *element) == (token.scope, token.element));
        let variables = brought.map(|at| self.unit.brought.remove(at).2);
        self.enter_with(token, variables.unwrap_or_default())
    }

    /// The same for a token in a scope that is no body; the activity has variables before anything is mapped into it.
    pub(crate) fn enter_with(&mut self, mut token: Token, variables: Variables) -> Result<(), Failure> {
        let element = self.definition.element(token.element);
        let waits = element.async_before || self.unit.defers;
        let phase = if waits { Phase::Before { by: token.by } } else { Phase::Active { by: token.by } };
        let activity = if element.start_quantity > 1 && token.by.is_some() {
            let Some(activity) = self.gather(&mut token)? else { return Ok(()) };
            self.instance.set_phase(activity, phase);
            activity
        } else {
            self.place(token.element, token.scope, phase)?
        };
        if !variables.is_empty() {
            self.set_variables_in(activity, variables)?;
        }
        if waits {
            return self.put_job(activity, token.element, JobKind::AsyncBefore, self.now);
        }
        self.unit.lineages.insert(activity, token.lineage);
        self.begin(activity)
    }

    /// The job before an element has run, or there was none: the activity begins.
    pub(crate) fn begin(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let (element, scope, by) = (it.element, it.scope(), it.phase.by());
        let parent = self.instance.drawn_scope(self.definition, activity).unwrap_or(scope);
        let body = matches!(it.role, Role::Body(_));
        self.instance.set_phase(activity, Phase::Active { by });
        self.instance.set_since(activity, self.now);
        self.unit.touch(scope);
        self.record(HistoryEvent::ActivityStarted { activity, parent, element, body });
        self.map_inputs(activity, element)?;
        self.notify(activity, Occasion::Start)
    }

    /// The start of a process was deferred before this activity. It goes in, if it is to be deferred no further.
    pub(crate) fn begin_deferred(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let element = self.instance.at(activity).element;
        if !self.definition.element(element).async_before {
            return self.begin(activity);
        }
        self.put_job(activity, element, JobKind::AsyncBefore, self.now)
    }

    /// The start listeners of an activity have been called: it acts as soon as conditional events have been asked, those that are attached
    /// to it and those that wait for what the listeners have changed.
    pub(crate) fn begun(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let conditions = self.arm_conditions(activity);
        if conditions.is_empty() && self.unit.changes.is_empty() {
            return self.execute(activity);
        }
        self.unit.do_later(LaterKind::Execute(activity));
        self.ask_later(conditions)
    }

    /// Puts a new activity into the tree, within the bounds.
    pub(crate) fn place(&mut self, element: ElementIndex, scope: ActivityId, phase: Phase) -> Result<ActivityId, Failure> {
        self.check_room(element, scope)?;
        let multi_instance = self.definition.element(element).multi_instance.is_some();
        let role = if multi_instance { Role::Body(Body::default()) } else { Role::Element };
        Ok(self.instance.add_activity(scope, element, phase, role, self.now))
    }

    /// Whether an element may become active in a scope, within the bounds.
    pub(crate) fn check_room(&self, element: ElementIndex, scope: ActivityId) -> Result<(), Failure> {
        let (children, records) = (self.instance.index.children.get(&scope), self.instance.index.records.get(&scope));
        if children.into_iter().chain(records).map(imbl::OrdSet::len).sum::<usize>() >= MAX_SCOPE_ACTIVITIES {
            let message = format!("a scope holds more than {MAX_SCOPE_ACTIVITIES} instances that are active or may be compensated");
            return Err(Failure::never(Code::ActivityLimit, element, message));
        }
        if self.instance.outward(scope).count() > MAX_SCOPE_DEPTH {
            let message = format!("sub-processes are nested deeper than {MAX_SCOPE_DEPTH}");
            return Err(Failure::never(Code::ActivityLimit, element, message));
        }
        Ok(())
    }

    /// An activity has done its work: its end listeners are called, then it passes its token on.
    pub(crate) fn leave(&mut self, activity: ActivityId, flows: &[FlowIndex]) -> Result<(), Failure> {
        self.notify(activity, Occasion::End(flows.to_vec()))
    }

    /// The end listeners have been called; what they have changed is told to conditional events first, but for those inside of what ends.
    pub(crate) fn leave_by(&mut self, activity: ActivityId, flows: Vec<FlowIndex>) -> Result<(), Failure> {
        if self.unit.changes.is_empty() && self.unit.untold.is_empty() {
            return self.pass_on(activity, &flows);
        }
        self.disarm_event_sub_processes(activity);
        self.unit.do_later(LaterKind::PassOn(activity, flows));
        Ok(())
    }

    /// An activity is done with all there was to do: its outputs are mapped, it ends, and tokens leave by the flows; without any, the token
    /// is consumed. `asyncAfter` puts a job before each flow, as Camunda does. `completionQuantity` says how many leave by each. A timer
    /// event with dates left is not done, and stays behind its tokens.
    pub(crate) fn pass_on(&mut self, activity: ActivityId, flows: &[FlowIndex]) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let (element, scope) = (it.element, it.scope());
        if let Role::Body(body) = it.role {
            self.end_body(activity, body)?;
        }
        self.map_outputs(activity, element)?;
        let stays = self.has_dates_left(activity);
        if !stays {
            self.remove_waits(activity);
            self.record(HistoryEvent::ActivityEnded { activity, end: self.end_of(activity, flows) });
            self.remember(activity)?;
        }
        if let Role::Inner { index } = self.instance.at(activity).role {
            return self.leave_instance(activity, index);
        }
        let lineage = self.unit.lineage(self.instance.id, activity);
        if !stays {
            self.forget(activity);
        }
        let tokens = self.definition.element(element).completion_quantity;
        if self.definition.element(element).async_after {
            let consumed = flows.is_empty().then_some(None);
            let flows = flows.iter().flat_map(|flow| (0..tokens).map(|_| Some(*flow)));
            for flow in flows.chain(consumed) {
                self.count_step(element)?;
                let after = self.place(element, scope, Phase::After { flow })?;
                self.put_job(after, element, JobKind::AsyncAfter, self.now)?;
            }
            return Ok(());
        }
        // The agenda is a stack: the first flow goes on top.
        for &flow in flows.iter().rev() {
            let lineage = if flows.len() > 1 { lineage.branch(&self.definition.flow(flow).id) } else { lineage };
            for nth in (0..tokens).rev() {
                let lineage = if tokens > 1 { lineage.instance(nth) } else { lineage };
                self.take(flow, scope, lineage)?;
            }
        }
        self.end_scope_if_empty(scope)
    }

    /// How an activity ends that is left by these flows. Of a multi-instance activity the body goes on, and no instance does; what undoes
    /// something goes back to who wants it undone (Camunda 7, `BpmnActivityBehavior`).
    fn end_of(&self, activity: ActivityId, flows: &[FlowIndex]) -> ActivityEnd {
        let it = self.instance.at(activity);
        let around = self.instance.at(it.scope());
        let undoes = matches!(around.role, Role::Compensating { .. }) || is_throwing(self.definition, around);
        match it.role {
            Role::Inner { .. } => ActivityEnd::CompletedScope,
            _ if flows.is_empty() && !undoes => ActivityEnd::CompletedScope,
            _ => ActivityEnd::Left,
        }
    }

    /// The job after an element has run.
    pub(crate) fn leave_after(&mut self, activity: ActivityId, flow: Option<FlowIndex>) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let scope = it.scope();
        if let Role::Inner { index } = it.role {
            return self.leave_instance_after(activity, index);
        }
        let lineage = self.unit.lineage(self.instance.id, activity);
        self.forget(activity);
        if let Some(flow) = flow {
            self.take(flow, scope, lineage)?;
        }
        self.end_scope_if_empty(scope)
    }

    /// A token leaves by a flow. Tokens on their way take as much room as what stands in a scope, and where they multiply in a loop there
    /// are too many of them long before too many elements are entered.
    fn take(&mut self, flow: FlowIndex, scope: ActivityId, lineage: Lineage) -> Result<(), Failure> {
        let element = self.definition.flow(flow).target;
        if self.unit.agenda.tokens().len() >= MAX_SCOPE_ACTIVITIES {
            let message = format!("more than {MAX_SCOPE_ACTIVITIES} tokens are on their way at once; a loop in which they multiply?");
            return Err(Failure::never(Code::ActivityLimit, element, message));
        }
        self.unit.agenda.push(Token { element, scope, by: Some(flow), taken: false, lineage });
        Ok(())
    }

    /// A scope is complete when no token is left in it, standing or moving (BPMN 2.0, 13.5.6 and 13.3.4).
    pub(crate) fn end_scope_if_empty(&mut self, scope: ActivityId) -> Result<(), Failure> {
        if let Some(ad_hoc) = self.ad_hoc(scope) {
            return self.continue_ad_hoc(scope, ad_hoc);
        }
        let standing = self.instance.index.children.contains_key(&scope);
        if standing || self.unit.agenda.moves_in(scope) {
            return Ok(());
        }
        if self.asks_conditions_before(LaterKind::EndScope(scope))? {
            return Ok(());
        }
        if scope == self.instance.root() {
            if let Some(underway) = &mut self.unit.modification {
                // There may be more to come.
                underway.canceled = false;
                return Ok(());
            }
            return self.notify(scope, Occasion::ProcessEnd);
        }
        if let Role::Compensating { .. } = self.instance.at(scope).role {
            let around = self.instance.at(scope).scope();
            self.forget(scope);
            return self.end_scope_if_empty(around);
        }
        self.resume(scope)
    }

    /// The process is over because nothing is left in it.
    pub(crate) fn complete_instance(&mut self) {
        self.tell_caller(News::Completed);
        self.end_instance(EndState::Completed, None);
    }

    /// A terminate end event: everything else in its scope is cancelled, then the scope completes normally. In an embedded sub-process
    /// only that sub-process ends (BPMN 2.0, 10.5.3; Camunda `TerminateEndEventActivityBehavior`).
    pub(crate) fn terminate(&mut self, event: ActivityId) -> Result<(), Failure> {
        self.end_others(event);
        self.leave(event, &[])
    }

    /// Cancels everything in the scope of an event but the event. What has completed there is remembered still.
    pub(crate) fn end_others(&mut self, event: ActivityId) {
        let scope = self.instance.at(event).scope();
        let others: Vec<_> = self.instance.children(scope).filter(|child| *child != event).collect();
        for other in others {
            self.cancel(other);
        }
        self.unit.drop_tokens(scope);
        // Behind `asyncAfter` the scope lives on until its job has run.
        self.disarm_event_sub_processes(scope);
    }

    /// Ends an activity and everything inside it before its time, the innermost first.
    pub(crate) fn cancel(&mut self, activity: ActivityId) {
        self.cancel_children(activity);
        self.task_deleted(activity);
        let mapped = self.map_outputs_of_canceled(activity);
        self.failed = self.failed.take().or(mapped.err());
        self.remove_waits(activity);
        if self.instance.at(activity).phase.is_live() {
            self.record(HistoryEvent::ActivityEnded { activity, end: ActivityEnd::Canceled });
        }
        self.forget_variables_unless_live(activity);
        self.forget(activity);
    }

    /// Cancels everything inside a scope, tokens that are moving included.
    pub(crate) fn cancel_children(&mut self, scope: ActivityId) {
        let children: Vec<_> = self.instance.children(scope).collect();
        for child in children {
            self.cancel(child);
        }
        self.unit.drop_tokens(scope);
    }

    pub(crate) fn end_instance(&mut self, state: EndState, reason: Option<String>) {
        self.forget_records(self.instance.root());
        debug_assert!(self.instance.activities.len() == 1, "only the root is left");
        self.drop_all();
        self.instance.state = State::Ended;
        self.record(HistoryEvent::InstanceEnded { state, reason });
    }

    /// Nothing is left in the instance: what was put off meets nothing any more, nothing comes to it, and it ends once.
    pub(crate) fn drop_all(&mut self) {
        self.unit.agenda.clear();
        self.unit.modification = None;
        self.remove_waits(self.instance.root());
    }

    /// An activity of which history has not seen the beginning, or has seen the end already, takes its variables with it: history has seen
    /// those. It never saw the results of instances that have ended, and of a scope that is compensated it has seen the end with all that
    /// was in it.
    pub(crate) fn forget_variables_unless_live(&mut self, activity: ActivityId) {
        let it = self.instance.at(activity);
        if it.phase.is_live() || it.role.is_past() {
            return;
        }
        let names: Vec<_> = it.variables.keys().cloned().collect();
        for name in names {
            self.remove_variable(activity, &name);
        }
    }

    /// Takes an activity out of the tree once its waits are gone.
    pub(crate) fn forget(&mut self, activity: ActivityId) {
        self.delete_join_incident(activity);
        self.forget_records(activity);
        self.unit.lineages.remove(&activity);
        let activity = self.instance.remove_activity(activity);
        self.keep_gone(&activity);
        self.unit.touch(activity.scope());
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::instance::{Phase, Role};
    use crate::limits::{MAX_SCOPE_ACTIVITIES, MAX_SCOPE_DEPTH};
    use crate::testing::{Run, parse};
    use crate::{Code, Input, Instance, Stop, Variables, step};

    #[test]
    fn deepest_model_runs_to_its_end_and_through_its_stored_form() {
        let mut model = "<startEvent id='s'/>".to_owned();
        // The process itself is one of the scopes.
        for depth in 1..MAX_SCOPE_DEPTH {
            let from = if depth == 1 { "s".to_owned() } else { format!("s{}", depth - 1) };
            write!(model, "{{{from}>p{depth}}}<subProcess id='p{depth}'><startEvent id='s{depth}'/>").unwrap();
        }
        write!(model, "<userTask id='u'/>{{s{}>u}}", MAX_SCOPE_DEPTH - 1).unwrap();
        model += &"</subProcess>".repeat(MAX_SCOPE_DEPTH - 1);
        let definition = parse(&model);
        let mut run = Run::new(&definition);
        run.line("start");
        run.line("complete u");
        assert!(run.instance.is_ended(), "{}", run.trace);
    }

    #[test]
    fn scope_that_is_full_takes_no_more() {
        let definition = parse("<startEvent id='s'/><userTask id='u'/><task id='f'/><endEvent id='e'/>{s>u>f}{f>e}{f>u}");
        let mut run = Run::new(&definition);
        run.line("start");
        let wait = run.instance.tasks().next().unwrap().wait;
        fill(&mut run.instance, definition.find("u").unwrap());
        let stop = step(&definition, &mut run.instance, Input::CompleteTask { wait, variables: Variables::new() }, 0);
        assert!(matches!(&stop, Err(Stop::Failed(failure)) if failure.code == Code::ActivityLimit), "{stop:?}");
    }

    #[test]
    fn tokens_that_multiply_without_a_wait_between_them_meet_the_bound_of_a_scope() {
        let mut flows = String::new();
        for nth in 0..1_000 {
            write!(flows, "<sequenceFlow id='f{nth}' sourceRef='t' targetRef='t'/>").unwrap();
        }
        for model in ["<task id='t' completionQuantity='1000'/>{s>t}{t>t}", &format!("<task id='t'/>{{s>t}}{flows}")] {
            let definition = parse(&format!("<startEvent id='s'/>{model}"));
            let mut run = Run::new(&definition);
            run.line("start");
            assert!(run.trace.contains("failed: ACTIVITY_LIMIT: more than 100000 tokens are on their way at once"), "{}", run.trace);
        }
    }

    /// Puts activities into the process until there is room for none.
    fn fill(instance: &mut Instance, element: mandate_model::ElementIndex) {
        let scope = instance.root();
        while instance.activities.len() <= MAX_SCOPE_ACTIVITIES + 1 {
            instance.add_activity(scope, element, Phase::Active { by: None }, Role::Element, 0);
        }
    }
}
