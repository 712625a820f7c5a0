//! Events that are triggered from outside of the flow: boundary events, armed while their activity waits, and the start events of event
//! sub-processes, armed while the scope around them is active (BPMN 2.0, 13.5.3 and 13.5.4).
//!
//! Both belong to an activity instance: the one they are attached to, or the scope they watch. Their timers and subscriptions are waits of
//! that activity under the event's element, and gone with it. Conditions are `condition.rs`'s to ask.

use mandate_model::{ElementIndex, ElementKind, EventTrigger, ProcessDefinition};

use crate::all_of::is_one_of_all;
use crate::effect::SubscriptionKind;
use crate::elements::{Alarm, At};
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::instance::{Activity, Instance, Role};
use crate::lineage::Lineage;
use crate::step::Machine;
use crate::unit::Token;
use crate::variable::Variables;
use crate::wait::Awaited;

/// The boundary events of an activity instance. Those of a multi-instance activity belong to its body and watch all instances together.
pub(crate) fn attached<'a>(definition: &'a ProcessDefinition, activity: &Activity) -> &'a [ElementIndex] {
    match activity.role {
        Role::Inner { .. } | Role::Result { .. } | Role::Completed | Role::EventScope { .. } | Role::Compensating { .. } => &[],
        Role::Element | Role::Body(_) => &definition.element(activity.element).boundary_events,
    }
}

/// The start events of the event sub-processes in an activity instance; a body is no scope of its element, each of its instances is.
pub(crate) fn inside<'a>(definition: &'a ProcessDefinition, activity: &Activity) -> &'a [ElementIndex] {
    match activity.role {
        Role::Body(_) => &[],
        _ => definition.element(activity.element).kind.scope().map_or(&[], |scope| &scope.event_starts),
    }
}

impl Machine<'_> {
    /// Arms the boundary events of an activity that is about to wait. As in Camunda 7 a synchronous delegate never sees one: it has no
    /// wait state in which a timer could become due or a message arrive.
    pub(crate) fn arm_boundary_events(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let definition = self.definition;
        let events = attached(definition, self.instance.at(activity));
        events.iter().try_for_each(|event| self.arm(activity, *event))
    }

    /// Arms the event sub-processes of a scope that begins, before its first token moves (Camunda `ExecutionEntity.initialize`).
    pub(crate) fn arm_event_sub_processes(&mut self, scope: ActivityId) -> Result<(), Failure> {
        let definition = self.definition;
        let starts = inside(definition, self.instance.at(scope));
        starts.iter().try_for_each(|event| self.arm(scope, *event))
    }

    /// Lets an activity wait for an event of its.
    pub(crate) fn arm(&mut self, activity: ActivityId, event: ElementIndex) -> Result<(), Failure> {
        let definition = self.definition;
        let at = At::new(definition, self.instance, activity, self.moment).attached(event);
        match definition.element(event).kind.trigger() {
            Some((EventTrigger::Timer(timer), _)) => {
                let alarm = at.alarm(timer)?;
                // What interrupts fires once (Camunda `TimerDeclarationImpl`).
                let cycle = alarm.cycle.filter(|_| !self.interrupts(event));
                self.put_timer(activity, event, Alarm { cycle, ..alarm })?;
            }
            Some((EventTrigger::Message(message), _)) => {
                let name = at.message_name(message)?;
                // As in Camunda 8 (`CatchEventBehavior`) the key comes from where the event's path runs: what an activity maps into itself
                // does not count.
                let scope = scope_behind(definition, self.instance, activity, event);
                let key = At::new(definition, self.instance, scope, self.moment).attached(event).correlation_key(message)?;
                self.put_subscription(activity, event, Awaited::message(name, key));
            }
            Some((EventTrigger::Signal(signal), _)) => {
                let name = at.signal_name(signal)?;
                self.put_subscription(activity, event, Awaited::signal(name));
            }
            // On an activity it is armed since the activity began.
            Some((EventTrigger::Condition(_), _)) if matches!(definition.element(event).kind, ElementKind::BoundaryEvent(_)) => {}
            Some((EventTrigger::Condition(_), _)) => self.put_subscription(activity, event, Awaited::condition()),
            // What is thrown inside comes by itself.
            Some((EventTrigger::Error(_) | EventTrigger::Escalation(_) | EventTrigger::Compensation | EventTrigger::Cancel, _)) | None => {}
        }
        Ok(())
    }

    /// Asks the conditions of the event sub-processes of a scope that begins, before its first token moves (Camunda
    /// `PvmAtomicOperationProcessStart`, `PvmAtomicOperationActivityExecute`).
    pub(crate) fn ask_event_sub_processes(&mut self, scope: ActivityId) -> Result<(), Failure> {
        self.ask_later(self.conditions_of(scope, |kind| matches!(kind, ElementKind::EventSubProcessStart(_))))
    }

    /// A message or signal has arrived from outside; `triggered` are variables of what it begins.
    pub(crate) fn receive(&mut self, wait: WaitId, variables: Variables, triggered: Variables) -> Result<(), Failure> {
        let activity = self.instance.subscriptions[&wait].activity;
        let lineage = self.unit.lineage(self.instance.id, activity);
        self.receive_as(wait, lineage, variables, triggered)
    }

    /// A message has come, with variables of the waiting activity's own: those that go around it are set first, as in Camunda 7
    /// (`EventHandlerImpl.handleIntermediateEvent`). An event attached to it may end it, so that there they come first.
    pub(crate) fn receive_message(
        &mut self,
        wait: WaitId,
        variables: Variables,
        local: Variables,
        triggered: Variables,
    ) -> Result<(), Failure> {
        self.comes_to(wait, [&triggered, &local, &variables])?;
        let (activity, element) = (self.instance.subscriptions[&wait].activity, self.instance.subscriptions[&wait].element);
        if element == self.instance.at(activity).element {
            return self.receive(wait, variables, local.into_iter().chain(triggered).collect());
        }
        self.set_variables_in(activity, local)?;
        self.receive(wait, variables, triggered)
    }

    /// What a subscription waits for happens in a unit of work that something else began. There are several tokens from here on: each has a
    /// lineage of its own, made of nothing that this unit numbers, and what comes to one event several times in the unit is told apart by
    /// its count.
    pub(crate) fn receive_inside(&mut self, wait: WaitId, variables: Variables) -> Result<(), Failure> {
        let subscription = &self.instance.subscriptions[&wait];
        let (activity, event) = (subscription.activity, &self.definition.element(subscription.element).id);
        let lineage = self.unit.lineage(self.instance.id, activity);
        self.receive_as(wait, lineage.branch(event), variables, Variables::new())
    }

    /// What a subscription waits for has happened: its activity goes on, or it triggers an event. One that does not interrupt waits for the
    /// next time, under another number: the same delivery, should it come again, finds no wait. Conditions are never delivered, and keep
    /// theirs.
    fn receive_as(&mut self, wait: WaitId, lineage: Lineage, variables: Variables, triggered: Variables) -> Result<(), Failure> {
        let subscription = self.instance.subscriptions[&wait].clone();
        let (activity, event, kind) = (subscription.activity, subscription.element, subscription.kind);
        let own = event == self.instance.at(activity).element;
        if is_one_of_all(self.definition, event) {
            return self.trigger_with(activity, event, lineage, variables, triggered);
        }
        let stays = !own && !self.interrupts(event);
        if !stays || kind != SubscriptionKind::Condition {
            self.remove_wait(activity, wait);
        }
        if own {
            self.unit.lineages.insert(activity, lineage);
            self.deliver(activity, variables)?;
            self.set_variables_in(activity, triggered)?;
            return self.resume(activity);
        }
        if stays && kind != SubscriptionKind::Condition {
            self.put_subscription(activity, event, Awaited::again(&subscription));
        }
        self.trigger_with(activity, event, lineage, variables, triggered)
    }

    /// An event of an activity is triggered; its own wait is gone already.
    pub(crate) fn trigger(&mut self, activity: ActivityId, event: ElementIndex, variables: Variables) -> Result<(), Failure> {
        let lineage = self.unit.lineage(self.instance.id, activity);
        self.trigger_as(activity, event, lineage, variables)
    }

    /// An interrupting event cancels its activity, or everything inside the scope around its event sub-process; the other lets them go on.
    /// A token begins at the boundary event or enters the event sub-process, and sees the variables that came along.
    ///
    /// With the interruption of a scope the triggers of its event sub-processes are gone. What is attached to the scope from outside stays:
    /// its deadline is not met by the handling.
    pub(crate) fn trigger_as(
        &mut self,
        activity: ActivityId,
        event: ElementIndex,
        lineage: Lineage,
        variables: Variables,
    ) -> Result<(), Failure> {
        self.trigger_with(activity, event, lineage, variables, Variables::new())
    }

    /// The same with variables of what begins.
    fn trigger_with(
        &mut self,
        activity: ActivityId,
        event: ElementIndex,
        lineage: Lineage,
        variables: Variables,
        triggered: Variables,
    ) -> Result<(), Failure> {
        let interrupting = self.interrupts(event);
        let scope = scope_behind(self.definition, self.instance, activity, event);
        if !self.completes(activity, event) {
            self.set_variables(scope, variables)?;
            return self.set_variables_in(scope, triggered);
        }
        // What is cancelled may map them, as in Camunda 7, where they are set before.
        let of_event = |failure: Failure| failure.at(event);
        self.put_variables(scope, variables).map_err(of_event)?;
        let target = if scope == activity {
            if interrupting {
                self.cancel_children(scope);
                self.disarm_event_sub_processes(scope);
            }
            self.definition.element(event).parent.expect("a start event stands in its event sub-process")
        } else {
            if interrupting {
                self.cancel(activity);
            }
            event
        };
        self.check_total(scope).map_err(of_event)?;
        self.unit.agenda.push(Token { element: target, scope, by: None, taken: false, lineage });
        if scope == activity {
            // Others may be triggered by what has just been set, and begin first.
            if !triggered.is_empty() {
                self.unit.brought.push((scope, target, triggered));
            }
        } else {
            self.set_variables_in(scope, triggered).map_err(of_event)?;
        }
        if !interrupting {
            self.collect_anew(activity, event);
        }
        Ok(())
    }

    /// Whether an event ends what its activity does: it does unless the model says otherwise.
    pub(crate) fn interrupts(&self, event: ElementIndex) -> bool {
        self.definition.element(event).kind.trigger().is_none_or(|(_, interrupting)| interrupting)
    }

    /// The scope is not triggered by its event sub-processes any more, and what had happened of those that want all of several is forgotten
    /// with the rest.
    pub(crate) fn disarm_event_sub_processes(&mut self, scope: ActivityId) {
        let definition = self.definition;
        self.instance.forget_parts(scope, inside(definition, self.instance.at(scope)));
        let waits: Vec<_> = self.instance.index.waits.get(&scope).into_iter().flatten().copied().collect();
        for wait in waits {
            let of_job = self.instance.jobs.get(&wait).map(|job| job.element);
            let element = of_job.or_else(|| self.instance.subscriptions.get(&wait).map(|it| it.element));
            if element.is_some_and(|it| matches!(self.definition.element(it).kind, ElementKind::EventSubProcessStart(_))) {
                self.remove_wait(scope, wait);
            }
        }
    }
}

/// The scope in which goes on what an event of an activity begins: an event sub-process runs inside of the activity, a boundary event's
/// path beside it.
pub(crate) fn scope_behind(definition: &ProcessDefinition, instance: &Instance, activity: ActivityId, event: ElementIndex) -> ActivityId {
    match definition.element(event).kind {
        ElementKind::EventSubProcessStart(_) => activity,
        _ => instance.at(activity).scope(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{MESSAGE, TIMER, check, watching};

    const OTHER: &str = " isInterrupting='false'";

    #[test]
    fn timer_interrupts_whatever_is_open() {
        check(
            &format!(
                "<startEvent id='s'/><parallelGateway id='f'/><userTask id='u'/><receiveTask id='r' messageRef='msg'/>\
                 <serviceTask id='x' camunda:type='external' camunda:topic='t'/><task id='a' camunda:asyncBefore='true'/>\
                 <task id='b' camunda:asyncAfter='true'/><parallelGateway id='j'/><subProcess id='p'><startEvent id='ps'/><userTask id='q'/>\
                 {{ps>q}}</subProcess>{{s>f}}{{f>u}}{{f>r}}{{f>x}}{{f>a}}{{f>b}}{{f>p>j}}{{f>j}}{}",
                watching("", TIMER)
            ),
            "
                start
                fail a never
                unable x 0
                run vs
                complete handle
            ",
            expect![[r#"
                > start
                  started at s
                  job Timer vs !2 due 60000, 3 left, 0 failed
                  + s #3
                  - #3
                  + f #4
                  - #4
                  + u #5
                  task u !6 of nobody users [] groups []
                  + r #7
                  subscription r !8 'paid'
                  + x #9
                  external task x !10 't' priority 0
                  job AsyncBefore a !12 due 0, 3 left, 0 failed
                  + b #13
                  - #13
                  job AsyncAfter b !15 due 0, 3 left, 0 failed
                  + p #16
                  + ps #17 in #16
                  - #17
                  + q #18 in #16
                  task q !19 of nobody users [] groups []
                  + j #20
                > fail a never
                  job AsyncBefore a !12 due 0, 0 left, 1 failed
                  incident 21 of !12 at a, attempt 1: DELEGATE_FAILED: it broke
                > unable x 0
                  external task x !10 't' priority 0, 0 left, 1 failed
                  incident 22 of !10 at x, attempt 1: EXTERNAL_TASK_FAILED: the worker reported a failure without a message
                > run vs
                  job !2 gone
                  task !6 gone
                  - #5 canceled
                  subscription !8 gone
                  - #7 canceled
                  incident 22 deleted
                  external task !10 gone
                  - #9 canceled
                  incident 21 deleted
                  job !12 gone
                  job !15 gone
                  task !19 gone
                  - #18 canceled
                  - #16 canceled
                  - #20 canceled
                  + v #23
                  + vs #24 in #23
                  - #24
                  + handle #25 in #23
                  task handle !26 of nobody users [] groups []
                > complete handle
                  task !26 gone
                  - #25
                  - #23
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn failing_timer_of_the_process_is_an_incident_of_it() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching("", TIMER)),
            "
                start
                fail vs never
                leaves
                retries vs 1
                fail vs
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  job Timer vs !2 due 60000, 3 left, 0 failed
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > fail vs never
                  job Timer vs !2 due 60000, 0 left, 1 failed
                  incident 6 of !2 at vs, attempt 1: DELEGATE_FAILED: it broke
                > leaves
                  u #4: task of nobody
                > retries vs 1
                  job Timer vs !2 due 0, 1 left, 1 failed
                  incident 6 resolved
                > fail vs
                  job Timer vs !2 due 0, 0 left, 2 failed
                  incident 7 of !2 at vs, attempt 2: DELEGATE_FAILED: it broke
                > complete u
                  task !5 gone
                  - #4
                  incident 7 deleted
                  job !2 gone
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn interruption_takes_the_triggers_of_all_others_but_leaves_what_is_attached() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/>{{ps>u}}{}\
                 <subProcess id='w' triggeredByEvent='true'><startEvent id='ws'>{TIMER}</startEvent><userTask id='q'/>{{ws>q}}</subProcess>\
                 </subProcess><boundaryEvent id='t' attachedToRef='p'><timerEventDefinition><timeDuration>PT1H</timeDuration>\
                 </timerEventDefinition></boundaryEvent><userTask id='late'/>{{s>p}}{{t>late}}",
                watching("", MESSAGE)
            ),
            "
                start
                message vs
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  job Timer t !4 due 3600000, 3 left, 0 failed
                  subscription vs !5 'paid'
                  job Timer ws !6 due 60000, 3 left, 0 failed
                  + ps #7 in #3
                  - #7
                  + u #8 in #3
                  task u !9 of nobody users [] groups []
                > message vs
                  subscription !5 gone
                  task !9 gone
                  - #8 canceled
                  job !6 gone
                  + v #10 in #3
                  + vs #11 in #10
                  - #11
                  + handle #12 in #10
                  task handle !13 of nobody users [] groups []
                > run t
                  job !4 gone
                  task !13 gone
                  - #12 canceled
                  - #10 canceled
                  - #3 canceled
                  + t #14
                  - #14
                  + late #15
                  task late !16 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn one_that_runs_is_interrupted_by_another() {
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u'/>{{s>u}}{}<subProcess id='w' triggeredByEvent='true'><startEvent id='ws'>{TIMER}\
                 </startEvent><userTask id='q'/>{{ws>q}}</subProcess>",
                watching(OTHER, MESSAGE)
            ),
            "
                start
                message vs
                run ws
                complete q
            ",
            expect![[r#"
                > start
                  started at s
                  subscription vs !2 'paid'
                  job Timer ws !3 due 60000, 3 left, 0 failed
                  + s #4
                  - #4
                  + u #5
                  task u !6 of nobody users [] groups []
                > message vs
                  subscription !2 gone
                  subscription vs !7 'paid'
                  + v #8
                  + vs #9 in #8
                  - #9
                  + handle #10 in #8
                  task handle !11 of nobody users [] groups []
                > run ws
                  job !3 gone
                  task !6 gone
                  - #5 canceled
                  task !11 gone
                  - #10 canceled
                  - #8 canceled
                  subscription !7 gone
                  + w #12
                  + ws #13 in #12
                  - #13
                  + q #14 in #12
                  task q !15 of nobody users [] groups []
                > complete q
                  task !15 gone
                  - #14
                  - #12
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn terminate_inside_ends_only_that_and_outside_everything() {
        let watched = "<startEvent id='s'/><userTask id='u'/><endEvent id='t'><terminateEventDefinition/></endEvent>{s>u>t}\
                       <subProcess id='v' triggeredByEvent='true'><startEvent id='vs' isInterrupting='false'>\
                       <messageEventDefinition messageRef='msg'/></startEvent><userTask id='handle'/>\
                       <endEvent id='vt'><terminateEventDefinition/></endEvent>{vs>handle}{vs>vt}</subProcess>";
        check(
            watched,
            "
                start
                message vs
            ",
            expect![[r#"
                > start
                  started at s
                  subscription vs !2 'paid'
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > message vs
                  subscription !2 gone
                  subscription vs !6 'paid'
                  + v #7
                  + vs #8 in #7
                  - #8
                  + handle #9 in #7
                  task handle !10 of nobody users [] groups []
                  + vt #11 in #7
                  task !10 gone
                  - #9 canceled
                  - #11
                  - #7
            "#]],
        );
        check(
            &watched.replace("{vs>vt}", "{handle>vt}"),
            "
                start
                message vs
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  subscription vs !2 'paid'
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > message vs
                  subscription !2 gone
                  subscription vs !6 'paid'
                  + v #7
                  + vs #8 in #7
                  - #8
                  + handle #9 in #7
                  task handle !10 of nobody users [] groups []
                > complete u
                  task !5 gone
                  - #4
                  + t #11
                  task !10 gone
                  - #9 canceled
                  - #7 canceled
                  subscription !6 gone
                  - #11
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn delegate_call_of_another_branch_stands_in_no_ones_way() {
        // The call is cancelled with its activity: its answer, should it come, finds no wait.
        check(
            &format!(
                "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>{{s>a}}{}",
                watching("", MESSAGE)
            ),
            "
                start
                run a
                crash
                message vs
                run !4
            ",
            expect![[r#"
                > start
                  started at s
                  subscription vs !2 'paid'
                  + s #3
                  - #3
                  job AsyncBefore a !5 due 0, 3 left, 0 failed
                > run a
                  job !5 gone
                  + a #4
                  call a !6 attempt 1, 2 left {}
                > crash
                > message vs
                  subscription !2 gone
                  job !5 gone
                  + v #6
                  + vs #7 in #6
                  - #7
                  + handle #8 in #6
                  task handle !9 of nobody users [] groups []
                > run !4
                  rejected: nothing waits under number 4
            "#]],
        );
    }
}
