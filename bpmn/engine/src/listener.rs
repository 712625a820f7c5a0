//! Listeners: what the model wants done when something begins, is taken, ends, or happens to a user task (Camunda's
//! `camunda:executionListener` and `camunda:taskListener`).
//!
//! Start listeners come after the input mapping; end listeners after the flows are chosen and before the output mapping (Camunda
//! `PvmExecutionImpl.enterActivityInstance`, `ExecutionEntity.destroy`). Of a multi-instance activity each instance has them, and not the body.
//! What is cancelled, or throws what is caught, ends without its end listeners.
//!
//! A delegate is called inside the unit of work like a service task's; what it returns is set as Camunda's `execution.setVariable` does. While
//! it is called, the unit remembers the occasion and which listener is next.

use mandate_model::{ElementIndex, FlowIndex, Implementation, Listener, ListenerAction, ListenerEvent, ProcessDefinition, ROOT};

use crate::effect::JobKind;
use crate::error::Thrown;
use crate::expression::evaluate;
use crate::ids::ActivityId;
use crate::input::{DelegateOutcome, Failure};
use crate::instance::{Activity, Instance, Role};
use crate::step::Machine;
use crate::unit::Token;

use mandate_model::ListenerEvent::{Assignment, Complete, Create, End, Start, Take, Update};

/// On what occasion listeners are called, with what goes on when all of them have been.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Occasion {
    /// The process begins, with this token.
    ProcessStart(Token),
    /// The process begins where its start was held: at this activity.
    HeldStart(ActivityId),
    /// An activity begins.
    Start,
    /// An activity is left by these flows.
    End(Vec<FlowIndex>),
    /// Nothing is left in the process.
    ProcessEnd,
    /// A token takes the flow by which it comes.
    Take(Token),
    /// A user task is there, with an assignee or without.
    Create {
        /// It has one.
        assigned: bool,
    },
    /// A user task is completed.
    Complete,
}

impl Occasion {
    /// By which name models listen for it.
    pub(crate) fn event(&self) -> ListenerEvent {
        match self {
            Self::ProcessStart(_) | Self::HeldStart(_) | Self::Start => Start,
            Self::End(_) | Self::ProcessEnd => End,
            Self::Take(_) => Take,
            Self::Create { .. } => Create,
            Self::Complete => Complete,
        }
    }

    /// Of which element, and which flow of it, the listeners are.
    fn place(&self, definition: &ProcessDefinition, activity: &Activity) -> (ElementIndex, Option<FlowIndex>) {
        match self {
            Self::Take(Token { by: Some(flow), .. }) => (definition.flow(*flow).source, Some(*flow)),
            _ => (activity.element, None),
        }
    }

    /// Whether everything it names is there.
    pub(crate) fn fits(&self, definition: &ProcessDefinition, instance: &Instance) -> bool {
        let element = |index: ElementIndex| (index.0 as usize) < definition.elements.len();
        let flow = |index: FlowIndex| (index.0 as usize) < definition.flows.len();
        match self {
            Self::ProcessStart(token) | Self::Take(token) => element(token.element) && token.by.is_none_or(flow),
            Self::HeldStart(activity) => instance.activity(*activity).is_some(),
            Self::End(flows) => flows.iter().all(|it| flow(*it)),
            Self::Start | Self::ProcessEnd | Self::Create { .. } | Self::Complete => true,
        }
    }
}

/// The listeners of an element or flow that an activity instance calls.
fn listeners<'a>(definition: &'a ProcessDefinition, activity: &Activity, place: (ElementIndex, Option<FlowIndex>)) -> &'a [Listener] {
    match (place, activity.role) {
        ((_, Some(flow)), _) => &definition.flow(flow).listeners,
        (_, Role::Body(_)) => &[],
        ((element, None), _) => &definition.element(element).listeners,
    }
}

impl Machine<'_> {
    /// Calls the listeners of an occasion, then goes on. `activity` is whose variables they see and set: for a flow, the scope around it.
    pub(crate) fn notify(&mut self, activity: ActivityId, occasion: Occasion) -> Result<(), Failure> {
        self.notify_from(activity, occasion, 0)
    }

    /// Whether the process itself has something to do when it begins.
    pub(crate) fn has_start_listeners(&self) -> bool {
        self.definition.element(ROOT).listeners.iter().any(|listener| listener.event == Start)
    }

    /// Somebody has changed a user task: its expressions for that are evaluated, and if it has another assignee, those for this.
    pub(crate) fn task_changed(&mut self, activity: ActivityId, reassigned: bool) -> Result<(), Failure> {
        self.evaluate_listeners(activity, Update)?;
        if reassigned { self.evaluate_listeners(activity, Assignment) } else { Ok(()) }
    }

    /// A delegate that a listener has called for answers.
    pub(crate) fn listener_returned(
        &mut self,
        activity: ActivityId,
        occasion: Occasion,
        next: u32,
        outcome: DelegateOutcome,
    ) -> Result<(), Failure> {
        match outcome {
            DelegateOutcome::Completed { variables } => {
                let element = occasion.place(self.definition, self.instance.at(activity)).0;
                let set = self.set_variables(activity, variables);
                set.map_err(|failure| Failure { element: Some(element), ..failure })?;
                self.notify_from(activity, occasion, next)
            }
            DelegateOutcome::BpmnError { code, message, variables } => {
                let thrown = Thrown { code, message: Some(message), variables };
                match occasion {
                    // The scope around the flow is active; everything else begins or ends.
                    Occasion::Take(_) => self.throw_from_delegate(activity, thrown),
                    _ => self.throw_at_edge(activity, thrown),
                }
            }
        }
    }

    fn notify_from(&mut self, activity: ActivityId, occasion: Occasion, next: u32) -> Result<(), Failure> {
        let definition = self.definition;
        let place = occasion.place(definition, self.instance.at(activity));
        let all = listeners(definition, self.instance.at(activity), place);
        for (listener, number) in all.iter().zip(0..).skip(next as usize).filter(|(listener, _)| listener.event == occasion.event()) {
            match &listener.does {
                ListenerAction::Expression(expression) => {
                    evaluate(definition, self.instance, activity, place.0, expression)?;
                }
                ListenerAction::Delegate(implementation) => {
                    self.call_listener(activity, place, implementation.clone(), (occasion, number + 1));
                    return Ok(());
                }
            }
        }
        self.go_on(activity, occasion)
    }

    fn go_on(&mut self, activity: ActivityId, occasion: Occasion) -> Result<(), Failure> {
        match occasion {
            Occasion::ProcessStart(token) => {
                self.unit.agenda.push(token);
                Ok(())
            }
            Occasion::HeldStart(start) => {
                let element = self.instance.at(start).element;
                if !self.definition.element(element).async_before {
                    return self.begin(start);
                }
                self.put_job(start, element, JobKind::AsyncBefore, self.now);
                Ok(())
            }
            Occasion::Start => self.execute(activity),
            Occasion::End(flows) => self.pass_on(activity, &flows),
            Occasion::ProcessEnd => {
                self.complete_instance();
                Ok(())
            }
            Occasion::Take(token) => self.enter(token),
            Occasion::Create { assigned: true } => self.evaluate_listeners(activity, Assignment),
            Occasion::Create { assigned: false } => Ok(()),
            Occasion::Complete => self.resume(activity),
        }
    }

    /// Evaluates the expressions for an event on which no delegate is called.
    fn evaluate_listeners(&mut self, activity: ActivityId, event: ListenerEvent) -> Result<(), Failure> {
        let element = self.instance.at(activity).element;
        for listener in listeners(self.definition, self.instance.at(activity), (element, None)).iter().filter(|it| it.event == event) {
            if let ListenerAction::Expression(expression) = &listener.does {
                evaluate(self.definition, self.instance, activity, element, expression)?;
            }
        }
        Ok(())
    }
}

impl Machine<'_> {
    /// The variables and the answer of a listener's delegate are those of the activity; its key counts beside that of the task itself.
    fn call_listener(
        &mut self,
        activity: ActivityId,
        (element, flow): (ElementIndex, Option<FlowIndex>),
        implementation: Implementation,
        listener: (Occasion, u32),
    ) {
        let (event, number) = (listener.0.event(), listener.1);
        let id = flow.map_or(&self.definition.element(element).id, |flow| &self.definition.flow(flow).id);
        let id = format!("{id}/{}/{number}", event.as_str());
        let lineage = match &listener.0 {
            Occasion::Take(token) | Occasion::ProcessStart(token) => token.lineage,
            _ => self.unit.lineage(self.instance.id, activity),
        };
        let nth = self.unit.count(lineage, element);
        let entry = lineage.entry(self.instance.id, self.unit.origin, &id, nth);
        self.call(activity, element, entry, implementation, Some(listener));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::expect;

    use crate::testing::{Run, check, parse, several, watching};

    /// A delegate that listens.
    fn on(event: &str) -> String {
        format!("<camunda:executionListener event='{event}' class='Log'/>")
    }

    /// Extension elements.
    fn with(elements: &str) -> String {
        format!("<extensionElements>{elements}</extensionElements>")
    }

    #[test]
    fn start_listeners_come_after_the_inputs_and_end_listeners_before_the_outputs() {
        let mapped = "<camunda:inputOutput><camunda:inputParameter name='x'>= n</camunda:inputParameter>\
                      <camunda:outputParameter name='y'>= x * 10</camunda:outputParameter></camunda:inputOutput>";
        check(
            &format!(
                "<startEvent id='s'/><serviceTask id='a' camunda:class='A'>{}</serviceTask><userTask id='u'/>{{s>a}}{{a>u ? n = 1}}",
                with(&(mapped.to_owned() + &on("start") + &on("end") + &on("start")))
            ),
            r#"
                start {"n": 1}
                leaves
                return {"x": 2}
                return {"seen": true}
                return
                return {"x": 3, "n": 5}
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + a #3
                  x = 1 in #3
                  call start a !4 attempt 1, 0 left {n: 1, x: 1}
                > leaves
                  a #3: running
                > return {"x": 2}
                  x = 2 in #3
                  call start a !5 attempt 1, 0 left {n: 1, x: 2}
                > return {"seen": true}
                  seen = true
                  call a !6 attempt 1, 0 left {n: 1, seen: true, x: 2}
                > return
                  call end a !7 attempt 1, 0 left {n: 1, seen: true, x: 2}
                > return {"x": 3, "n": 5}
                  n = 5
                  x = 3 in #3
                  y = 30
                  - #3
                  + u #8
                  task u !9 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn process_and_its_flows_have_listeners() {
        check(
            &format!(
                "{}<startEvent id='s'/><userTask id='u'/><endEvent id='e'/><sequenceFlow id='s_u' sourceRef='s' targetRef='u'>{}\
                 </sequenceFlow><sequenceFlow id='u_e' sourceRef='u' targetRef='e'>{}</sequenceFlow>",
                with(&(on("start") + &on("end"))),
                with("<camunda:executionListener expression='${n}'/><camunda:executionListener class='Log'/>"),
                with("<camunda:executionListener event='take' delegateExpression='${log}'/>"),
            ),
            r#"
                start
                return {"n": 1}
                return {"n": 2}
                complete u
                return
                leaves
                return {"last": true}
            "#,
            expect![[r#"
                > start
                  started at s
                  call start process !2 attempt 1, 0 left {}
                > return {"n": 1}
                  n = 1
                  + s #3
                  - #3
                  call take s !4 attempt 1, 0 left {n: 1}
                > return {"n": 2}
                  n = 2
                  + u #5
                  task u !6 of nobody users [] groups []
                > complete u
                  task !6 gone
                  - #5
                  call take u !7 attempt 1, 0 left {n: 2}
                > return
                  + e #8
                  - #8
                  call end process !9 attempt 1, 0 left {n: 2}
                > leaves
                > return {"last": true}
                  last = true
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn expressions_and_scripts_are_evaluated_for_their_errors() {
        let listeners = "<camunda:executionListener event='start' expression='= null'/>\
                         <camunda:executionListener event='end'><camunda:script scriptFormat='juel'>${missing}</camunda:script>\
                         </camunda:executionListener>";
        check(
            &format!("<startEvent id='s'/><task id='a' camunda:asyncBefore='true'>{}</task>{{s>a}}", with(listeners)),
            r#"
                start
                run a
                set {"missing": null}
                run a
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > run a
                  failed: EXPRESSION_FAILED: the expression '${missing}' of 'a': Cannot resolve identifier 'missing'
                > set {"missing": null}
                  missing = null
                > run a
                  job !4 gone
                  + a #3
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn user_task_tells_of_its_life() {
        let listeners = "<camunda:taskListener event='create' class='Tell'/><camunda:taskListener event='assignment' expression='${who}'/>\
                         <camunda:taskListener event='update' expression='${what}'/><camunda:taskListener event='complete' class='Tell'/>";
        check(
            &format!("<startEvent id='s'/><userTask id='u'>{}</userTask>{{s>u}}", with(listeners)),
            r#"
                start
                return {"what": 1}
                claim u ann
                set {"who": 1}
                claim u ann
                claim u ann
                complete u {"ok": true}
                return
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                  call create u !5 attempt 1, 0 left {}
                > return {"what": 1}
                  what = 1
                > claim u ann
                  failed: EXPRESSION_FAILED: the expression '${who}' of 'u': Cannot resolve identifier 'who'
                > set {"who": 1}
                  who = 1
                > claim u ann
                  task u !4 of ann users [] groups []
                > claim u ann
                > complete u {"ok": true}
                  task !4 gone
                  ok = true
                  call complete u !6 attempt 1, 0 left {ok: true, what: 1, who: 1}
                > return
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn error_of_a_listener_is_caught_where_the_activity_is() {
        let boundary =
            "<boundaryEvent id='b' attachedToRef='a'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='v'/>{b>v}";
        for event in ["start", "end"] {
            check(
                &format!("<startEvent id='s'/><serviceTask id='a' camunda:class='A'>{}</serviceTask>{{s>a}}{boundary}", with(&on(event))),
                if event == "start" { "start\n error E" } else { "start\n return\n error E" },
                if event == "start" {
                    expect![[r#"
                    > start
                      started at s
                      + s #2
                      - #2
                      + a #3
                      call start a !4 attempt 1, 0 left {}
                    > error E
                      - #3 canceled
                      + b #5
                      - #5
                      + v #6
                      task v !7 of nobody users [] groups []
                "#]]
                } else {
                    expect![[r#"
                    > start
                      started at s
                      + s #2
                      - #2
                      + a #3
                      call a !4 attempt 1, 0 left {}
                    > return
                      call end a !5 attempt 1, 0 left {}
                    > error E
                      - #3 canceled
                      + b #6
                      - #6
                      + v #7
                      task v !8 of nobody users [] groups []
                "#]]
                },
            );
        }
    }

    #[test]
    fn error_on_a_flow_is_caught_around_it_and_none_at_the_end_of_the_process() {
        check(
            &format!(
                "{}<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/><endEvent id='pe'/>{{ps>u}}\
                 <sequenceFlow id='u_pe' sourceRef='u' targetRef='pe'>{}</sequenceFlow></subProcess>\
                 <boundaryEvent id='b' attachedToRef='p'><errorEventDefinition errorRef='err'/></boundaryEvent><endEvent id='e'/>{{s>p}}{{b>e}}",
                with(&on("end")),
                with("<camunda:executionListener class='Log'/>"),
            ),
            "
                start
                complete u
                error E
                error E
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + u #5 in #3
                  task u !6 of nobody users [] groups []
                > complete u
                  task !6 gone
                  - #5
                  call take u !7 attempt 1, 0 left {}
                > error E
                  - #3 canceled
                  + b #8
                  - #8
                  + e #9
                  - #9
                  call end process !10 attempt 1, 0 left {}
                > error E
                  failed: UNHANDLED_BPMN_ERROR: BPMN error 'E', which nothing catches: no
            "#]],
        );
    }

    #[test]
    fn error_where_a_scope_begins_or_ends_is_caught_outside_of_it() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'>{}<startEvent id='ps'/><endEvent id='pe'/>{{ps>pe}}{}</subProcess>\
                 <boundaryEvent id='b' attachedToRef='p'><errorEventDefinition/></boundaryEvent><exclusiveGateway id='x'/>{{s>x>p}}{{b>x}}",
                with(&(on("start") + &on("end"))),
                watching("", "<errorEventDefinition errorRef='err'/>"),
            ),
            "
                start
                error E
                return
                error E
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  - #3
                  + p #4
                  call start p !5 attempt 1, 0 left {}
                > error E
                  - #4 canceled
                  + b #6
                  - #6
                  + x #7
                  - #7
                  + p #8
                  call start p !9 attempt 1, 0 left {}
                > return
                  + ps #10 in #8
                  - #10
                  + pe #11 in #8
                  - #11
                  call end p !12 attempt 1, 0 left {}
                > error E
                  - #8 canceled
                  + b #13
                  - #13
                  + x #14
                  - #14
                  + p #15
                  call start p !16 attempt 1, 0 left {}
            "#]],
        );
    }

    #[test]
    fn each_of_several_instances_calls_them_and_the_body_does_not() {
        check(
            &several("task id='a'", "><loopCardinality>2</loopCardinality>", &with(&(on("start") + &on("end")))),
            "
                start
                return
                return
                return
                return
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  loopCounter = 1 in #5
                  + a #4 in #3
                  call start a !6 attempt 1, 0 left {loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
                > return
                  call end a !7 attempt 1, 0 left {loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
                > return
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                  + a #5 in #3
                  call start a !8 attempt 1, 0 left {loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2}
                > return
                  call end a !9 attempt 1, 0 left {loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2}
                > return
                  - #5
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #10
                  task u !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn held_start_calls_them_behind_its_job() {
        check(
            &format!("{}<startEvent id='s' camunda:asyncBefore='true'/><userTask id='u'/>{{s>u}}", with(&on("start"))),
            "
                hold
                run s
                return
                run s
            ",
            expect![[r#"
                > hold
                  started at s
                  job Start s !3 due 0, 3 left, 0 failed
                > run s
                  job !3 gone
                  call start process !4 attempt 1, 2 left {}
                > return
                  job AsyncBefore s !5 due 0, 3 left, 0 failed
                > run s
                  job !5 gone
                  + s #2
                  - #2
                  + u #6
                  task u !7 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn end_listener_of_an_escalation_is_called_before_its_catcher_runs() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><intermediateThrowEvent id='t'>{}\
                 <escalationEventDefinition escalationRef='esc'/></intermediateThrowEvent><userTask id='u'/>{{ps>t>u}}</subProcess>\
                 <boundaryEvent id='b' attachedToRef='p' cancelActivity='false'><escalationEventDefinition escalationRef='esc'/></boundaryEvent>\
                 <userTask id='v'/>{{s>p}}{{b>v}}",
                with(&on("end"))
            ),
            "
                start
                return
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + t #5 in #3
                  call end t !6 attempt 1, 0 left {}
                > return
                  - #5
                  + u #7 in #3
                  task u !8 of nobody users [] groups []
                  + b #9
                  - #9
                  + v #10
                  task v !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn unit_that_runs_again_makes_the_same_keys_all_of_them_distinct() {
        let listening = with(&(on("start") + &on("start") + &on("end")));
        let model = format!(
            "<startEvent id='s'/><task id='b' camunda:asyncBefore='true'/><serviceTask id='a' camunda:class='A'>{listening}</serviceTask>\
             <exclusiveGateway id='x' default='x_e'/><endEvent id='e'/>{{s>b>a}}{{x>a ? n > 0}}{{x>e}}\
             <sequenceFlow id='a_x' sourceRef='a' targetRef='x'>{}</sequenceFlow>",
            with("<camunda:executionListener class='Log'/>"),
        );
        let definition = parse(&model);
        let mut run = Run::new(&definition);
        run.line("start {\"n\": 1}");
        let turns = |run: &mut Run<'_>| {
            run.line("run b");
            (0..9).for_each(|_| run.line("return"));
            run.line("crash");
            run.line("set {\"other\": true}");
        };
        turns(&mut run);
        turns(&mut run);
        let keys = run.keys("a");
        let (first, second) = keys.split_at(keys.len() / 2);
        assert_eq!((first, first.len()), (second, 10), "the tenth call is the last of the second turn");
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 10);
    }
}
